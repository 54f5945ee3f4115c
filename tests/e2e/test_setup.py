#!/usr/bin/python3
"""tests/e2e/test_setup.py - postrider setup office365, and the configurations of the documentation's pages.

What setup writes is what check accepts, whatever was typed; what the pages show to be copied is so as well.
"""

import contextlib
import glob
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import textwrap
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from access_token import APPLICATION, TENANT  # noqa: E402
from harness import SOURCES, Certificates, Workspace, case, check, equal, eventually, program  # noqa: E402
from office365 import Mailbox, Office365  # noqa: E402
from token_endpoint import TokenEndpoint  # noqa: E402

os.environ['POSTRIDER_PRESETS'] = os.path.join(SOURCES, 'dist', 'presets')
MX = 'example-org.mail.protection.outlook.com'


def setup(work, *arguments, code=0, name='made'):
    directory = work.path(name)
    os.makedirs(directory, exist_ok=True)
    ended = subprocess.run([program('postrider'), 'setup', 'office365', '--directory', directory, '--spool',
                            work.path('spool'), *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                           cwd=work.path(''))
    equal(ended.returncode, code, 'exit status (%s%s)' % (ended.stdout, ended.stderr))
    return directory, ended.stdout + ended.stderr


def checked(file):
    ended = subprocess.run([program('postrider'), 'check', '--config', file], capture_output=True, text=True)
    equal(ended.returncode, 0, 'check of %s: %s' % (file, ended.stderr))


def read(*names):
    with open(os.path.join(*names), encoding='utf-8') as f:
        return f.read()


@case
def the_connector():
    with Workspace() as work:
        certificates = Certificates()
        known = ('--path', 'connector', '--domain', 'example.org', '--host', MX, '--hostname', 'relay.example.org')
        own = ('--certificate', certificates.client, '--private-key', certificates.client_key)
        directory, said = setup(work, *known, *own)
        script = read(directory, 'office365.ps1')
        check("-TlsSenderCertificateName 'relay.example.org'" in script, 'script: %s', script)
        check(script in said, 'the script is not shown: %s', said)
        checked(os.path.join(directory, 'postrider.yaml'))
        # Nothing is overwritten.
        before = read(directory, 'postrider.yaml')
        setup(work, *known, *own, code=73)
        equal(read(directory, 'postrider.yaml'), before, 'the configuration')
        directory, _ = setup(work, *known, '--address', '192.0.2.7', name='by-address')
        check("-SenderIPAddresses '192.0.2.7'" in read(directory, 'office365.ps1'), 'no address')
        checked(os.path.join(directory, 'postrider.yaml'))
        # A certificate of another domain is no use, and neither is a connector that knows the relay by nothing.
        _, said = setup(work, '--path', 'connector', '--domain', 'contoso.com', '--host', MX, '--hostname',
                        'relay.example.org', *own, code=64)
        check('no name of the domain contoso.com' in said, 'said: %s', said)
        _, said = setup(work, *known, code=64)
        check('--certificate' in said and '--address' in said, 'said: %s', said)


@case
def links_to_certificates_stay():
    """A certificate that is renewed is a link that is turned: its target of today is no path to write down."""
    with Workspace() as work:
        certificates = Certificates()
        os.symlink(certificates.client, work.path('live.crt'))
        directory, _ = setup(work, '--path', 'connector', '--domain', 'example.org', '--host', MX, '--hostname',
                             'relay.example.org', '--certificate', work.path('live.crt'), '--private-key',
                             certificates.client_key)
        check('live.crt"' in read(directory, 'postrider.yaml'), 'the link was followed')


@case
def direct_send():
    with Workspace() as work:
        directory, _ = setup(work, '--path', 'direct', '--domain', 'example.org', '--host', MX, '--hostname',
                             'relay.example.org', '--networks', '10.1.0.0/16,192.0.2.1', '--listen', '127.0.0.1:2525')
        checked(os.path.join(directory, 'postrider.yaml'))
        text = read(directory, 'postrider.yaml')
        check('"*@example.org"' in text and '10.1.0.0/16' in text and '127.0.0.1:2525' in text, 'text: %s', text)
        check('RejectDirectSend' in read(directory, 'office365.ps1'), 'script')


@case
def signed_in_as_mailboxes():
    """Keys, the administrator's commands, a configuration; and with it doctor climbs to a test mail."""
    with Workspace() as work:
        known = ('--path', 'submission', '--domain', 'contoso.com', '--mailbox', "box0@contoso.com,o'brien@contoso.com",
                 '--hostname', 'relay.contoso.com')
        directory, said = setup(work, *known, code=64)
        check('--client-id' in said, 'said: %s', said)
        script = read(directory, 'office365.ps1')
        check("'box0@contoso.com', 'o''brien@contoso.com'" in script and 'Application SMTP.SendAsApp' in script,
              'script: %s', script)
        equal(os.stat(os.path.join(directory, 'entra.key')).st_mode & 0o007, 0, 'who may read the key')
        certificate, key = read(directory, 'entra.crt'), read(directory, 'entra.key')
        check(''.join(certificate.split('\n')[1:-2]) in script, 'the certificate is not in the commands')
        check(key.split('\n')[1] not in said + script, 'the key is shown')
        # Another run makes no other keys, and has the same to say.
        _, again = setup(work, *known, code=64)
        equal(again, said, 'the second time')
        # A relative one is where it is called from, also for whoever reads the file.
        setup(work, *known, '--client-id', APPLICATION, '--directory', 'made')
        equal(read(directory, 'entra.key'), key, 'the key')
        file = os.path.join(directory, 'postrider.yaml')
        checked(file)
        doctor_climbs(work, file, certificate)


def doctor_climbs(work, file, certificate):
    """With the scripted Office 365 in the place of Microsoft's."""
    certificates = Certificates()
    endpoint = work.own(TokenEndpoint(certificates))
    endpoint.application(APPLICATION, certificates=[certificate.encode()], roles=())
    office = work.own(Office365(certificates, [Mailbox('box0@contoso.com'), Mailbox("o'brien@contoso.com")],
                                tokens=endpoint.tokens))
    for mailbox in office.mailboxes.values():
        mailbox.applications = {APPLICATION}
    text = read(file).replace('    preset: office365-submission\n', '    preset: office365-submission\n'
                              '    hosts: ["%s"]\n    tls: { mode: verify, ca_file: "%s", server_name: %s }\n'
                              % (office.host, certificates.ca, office.name))
    text = re.sub(r' *tenant: .*\n', '', text)  # which stands for Microsoft's own endpoint
    text = text.replace('oauth:\n', 'oauth:\n      scope: https://outlook.office365.com/.default\n'
                        '      token_url: "%s"\n      ca_file: "%s"\n' % (endpoint.url, endpoint.ca_file))
    here = work.write('here.yaml', text)

    def doctor(code, *more):
        ended = subprocess.run([program('postrider'), 'doctor', '--config', here, '--json', *more],
                               capture_output=True, text=True)
        equal(ended.returncode, code, 'doctor: %s%s' % (ended.stdout, ended.stderr))
        check('eyJ' not in ended.stdout, 'a token is shown: %s', ended.stdout)
        return [json.loads(line) for line in ended.stdout.splitlines()]
    for found in doctor(0, '--send', 'you@example.com'):
        rungs = {rung['rung']: rung for rung in found['rungs']}
        check('without a role' in rungs['token']['text'] and 'two hours' in rungs['token']['advice'], 'token: %s',
              rungs)
        check('XOAUTH2' in rungs['AUTH']['text'], 'AUTH: %s', rungs)
    equal(sorted(arrival.sender for arrival in office.arrivals), ['box0@contoso.com', "o'brien@contoso.com"], 'senders')
    office.check_clean()
    # Not in force yet; then the certificate is not the registered one.
    office.mailboxes['box0@contoso.com'].applications = set()
    last = doctor(1)[0]['rungs'][-1]
    check(last['rung'] == 'AUTH' and 'two hours' in last['advice'], 'not in force: %s', last)
    endpoint.application(APPLICATION, certificates=[], roles=())
    last = doctor(1)[0]['rungs'][-1]
    check(last['rung'] == 'token' and 'AADSTS700027' in last['text'], 'not registered: %s', last)


def presets_of_ours(work, office, endpoint):
    """The presets, but Microsoft's hosts and token endpoint are the scripted ones. Returns the directory."""
    shutil.copytree(os.path.join(SOURCES, 'dist', 'presets'), work.path('presets'))
    path = work.path('presets/office365-submission.yaml')
    text = read(path)
    text = re.sub(r'hosts: \["smtp.*', 'hosts: ["%s"]' % office.host, text)
    text = re.sub(r'^hosts_end_with: .*\n', '', text, flags=re.M)
    text = text.replace('tls: { mode: verify }', 'tls: { mode: verify, ca_file: "%s", server_name: %s }'
                        % (office.certificates.ca, office.name))
    text = re.sub(r'token_url: "https:.*"', 'token_url: "%s"\n    ca_file: "%s"'
                  % (endpoint.root + '/{tenant}/oauth2/v2.0/token', endpoint.ca_file), text)
    check(office.host in text and endpoint.root in text, 'the preset: %s', text)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    return work.path('presets')


class Waiting:
    """setup --wait, under way: what it says line by line."""

    def __init__(self, work, time, presets):
        directory = work.path('made')
        os.makedirs(directory, exist_ok=True)
        self.lines = []
        self.process = subprocess.Popen(
            [program('postrider'), 'setup', 'office365', '--directory', directory, '--spool', work.path('spool'),
             '--path', 'submission', '--domain', 'contoso.com', '--mailbox', 'box0@contoso.com', '--hostname',
             'relay.contoso.com', '--client-id', APPLICATION, '--tenant', TENANT, '--wait', time],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
            env={**os.environ, 'POSTRIDER_PRESETS': presets})
        work.own(self)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def wait_said(self, text):
        eventually(lambda: any(text in line for line in self.lines), lambda: '"%s" is said; there is %s'
                   % (text, self.lines[-5:]), 120, 0.05)

    def ended(self):
        return self.process.wait(120)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


@case
def it_waits_for_microsoft():
    """--wait: the endpoint is away, then does not know the certificate, then the mailbox is not the application's yet;
    each is said once, in the words that help, and when all is granted it ends well by itself."""
    with Workspace() as work:
        certificates = Certificates()
        endpoint = work.own(TokenEndpoint(certificates))
        office = work.own(Office365(certificates, [Mailbox('box0@contoso.com')], tokens=endpoint.tokens))
        office.mailboxes['box0@contoso.com'].applications = set()
        office.certificates = certificates
        presets = presets_of_ours(work, office, endpoint)
        endpoint.fail(503, b'<html>Service Unavailable</html>', for_ever=True)
        waiting = Waiting(work, '30', presets)
        waiting.wait_said('Not yet: ')
        check('503' in waiting.lines[-1], 'the endpoint is away: %s', waiting.lines[-1])
        endpoint.heal()
        application = endpoint.application(APPLICATION, roles=())
        waiting.wait_said('AADSTS700027')
        with open(work.path('made/entra.crt'), 'rb') as f:
            endpoint.application(APPLICATION, certificates=[f.read()], roles=())
        check(not application.certificates, 'it was another application')
        waiting.wait_said('535')
        check('AUTH' in waiting.lines[-1], 'not in force: %s', waiting.lines[-1])
        office.mailboxes['box0@contoso.com'].applications = {APPLICATION}
        waiting.wait_said('It works')
        equal(waiting.ended(), 0, 'exit status')
        said = [line for line in waiting.lines if line.startswith('Not yet: ')]
        equal(len(said), len(set(said)), 'said twice: %s' % said)
        endpoint.check_clean()


@case
def waiting_ends():
    """Nothing is granted, and the endpoint takes connections and says nothing: it ends when its time is over."""
    with Workspace() as work:
        certificates = Certificates()
        endpoint = work.own(TokenEndpoint(certificates))
        office = work.own(Office365(certificates, [Mailbox('box0@contoso.com')], tokens=endpoint.tokens))
        office.certificates = certificates
        presets = presets_of_ours(work, office, endpoint)
        endpoint.delay = 3600
        waiting = Waiting(work, '1s', presets)
        equal(waiting.ended(), 1, 'exit status: %s' % waiting.lines[-3:])
        check(any(line.startswith('Not yet: ') for line in waiting.lines), 'said: %s', waiting.lines)


@case
def high_volume_email():
    """An account with a password, for the domain's own recipients; the preset says the rest."""
    with Workspace() as work:
        os.close(os.open(work.path('hve.secret'), os.O_CREAT | os.O_WRONLY, 0o600))
        work.write('hve.secret', 'a password\n')
        known = ('--path', 'hve', '--domain', 'contoso.com', '--hostname', 'relay.contoso.com')
        _, said = setup(work, *known, code=64)
        check('--mailbox is missing' in said, 'said: %s', said)
        directory, _ = setup(work, *known, '--mailbox', 'alerts@contoso.com', '--password-file',
                             work.path('hve.secret'))
        text = read(directory, 'postrider.yaml')
        check('preset: office365-hve' in text and '"*@contoso.com"' in text, 'text: %s', text)
        checked(os.path.join(directory, 'postrider.yaml'))
        check('High Volume Email' in read(directory, 'office365.ps1'), 'what the administrator has to do')


@case
def what_is_not_given_is_asked_for():
    """At a terminal: what cannot be used is asked for again, an empty line means what stands in brackets."""
    with Workspace() as work:
        os.makedirs(work.path('made'))
        asked = [('Which way', 'pigeon'), ('Which way', 'direct'), ('accepted domain', 'a b'),
                 ('accepted domain', 'example.org'), ('full name of this relay', 'relay.example.org'),
                 ('Who may send', ''), ('relay listens', '127.0.0.1:2525'), ('configuration is written',
                                                                            work.path('made')),
                 ('mail is kept', work.path('spool'))]
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(program('postrider'), ['postrider', 'setup', 'office365', '--host', MX])
        said = ''
        for question, answer in asked:
            while question not in said.rpartition('\n')[2] or not said.endswith(': '):
                said += read_terminal(terminal)
            os.write(terminal, answer.encode() + b'\n')
            said += '\n'
        with contextlib.suppress(OSError):
            while True:
                said += read_terminal(terminal)
        equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, 'exit status: %s' % said)
        os.close(terminal)
        equal(said.count('that cannot be used here'), 2, 'asked again: %s' % said)
        text = read(work.path('made'), 'postrider.yaml')
        check('192.168.0.0/16' in text and '127.0.0.1:2525' in text and MX in text, 'text: %s', text)


def read_terminal(terminal):
    """What the program says next; an OSError when it has ended, and a failure when it says nothing for long."""
    check(select.select([terminal], [], [], 60)[0], 'nothing is said')
    part = os.read(terminal, 4096)
    if not part:
        raise OSError()
    return part.decode().replace('\r', '')


@case
def what_cannot_be_used():
    with Workspace() as work:
        for arguments in (['--path', 'pigeon'], ['--domain', 'a'], ['--domain', "x.com';rm"], ['--networks', 'all'],
                          ['--listen', 'here'], ['--address', 'a.example.org'], ['--nonsense', 'x'],
                          ['--spool', 'a\nb'], ['--wait', ''], ['--wait', '1.5'], ['--wait', '-1'], ['--wait', '5ms']):
            setup(work, *arguments, code=64)
        _, said = setup(work, code=64)
        check('--path is missing' in said, 'said: %s', said)
        equal(os.listdir(work.path('made')), [], 'files')


def pages_configurations():
    """Blocks of pages that are whole configurations; the README's, and that with its other listeners and clients."""
    blocks = [textwrap.dedent(block) for block in re.findall(r'(?:^    .*\n)+', read(SOURCES, 'README.md'), re.M)]
    whole, = (block for block in blocks if block.startswith('hostname:'))
    listeners, = (block for block in blocks if block.startswith('listeners:'))
    yield whole
    yield re.sub(r'^(?:listeners|clients):.*\n(?: .*\n)+', '', whole, flags=re.M) + listeners
    for page in sorted(glob.glob(os.path.join(SOURCES, 'docs', '*.md'))):
        if os.path.basename(page).startswith('way-'):
            continue  # test_ways.py
        yield from re.findall(r'^```yaml\n(hostname:.*?)^```', read(page), re.S | re.M)


@case
def the_pages():
    """They pass `check`; what they name exists meanwhile."""
    count = 0
    with Workspace() as work:
        certificates = Certificates()
        for count, text in enumerate(pages_configurations(), 1):
            directory = work.path('page-%d' % count)
            os.makedirs(os.path.join(directory, 'spool'))
            for suffix, own in (('crt', certificates.client), ('key', certificates.client_key)):
                for name in set(re.findall(r'[\w.-]+\.%s\b' % suffix, text)):
                    os.symlink(own, os.path.join(directory, name))
            for name in re.findall(r'[\w.-]+\.secret\b', text):
                with open(os.path.join(directory, name), 'w') as f:
                    f.write('secret\n')
            if 'users_file: users' in text:
                with open(os.path.join(directory, 'users'), 'w') as f:
                    subprocess.run([program('postrider'), 'hash', 'copier'], input=b'secret\n', stdout=f, check=True)
            text = text.replace('/var/lib/postrider', os.path.join(directory, 'spool'))
            file = os.path.join(directory, 'postrider.yaml')
            with open(file, 'w', encoding='utf-8') as f:
                f.write(text)
            checked(file)
    check(count >= 8, 'only %d configurations were found', count)
    return '%d configurations' % count


# Replies whose code says all there is to do, which is nothing; and one that stands for many.
SAYS_ITSELF = ('550 5.6.11', '550 5.5.105', '550 5.7.1')


@case
def what_the_pages_explain():
    """A refusal for which a page has advice is one that the relay has a rule for, or tries again by itself."""
    count = 0
    for page in sorted(glob.glob(os.path.join(SOURCES, 'docs', '*.md'))):
        for row in re.findall(r'^\| (.*?) \|', read(page), re.M):
            for reply in re.findall(r'`([45]\d\d [^`]*)`', row):
                count += 1
                said = subprocess.run([program('postrider'), 'explain', reply], capture_output=True, text=True)
                known = 'no rule knows' not in said.stdout or 'tries again' in said.stdout
                check(known or reply[:10] in SAYS_ITSELF or reply[:11] in SAYS_ITSELF, '%s: "%s": %s',
                      os.path.basename(page), reply, said.stdout)
    check(count > 20, 'only %d replies were found', count)


if __name__ == '__main__':
    harness.main(together=2)
