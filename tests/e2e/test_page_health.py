#!/usr/bin/python3
"""tests/e2e/test_page_health.py - the view of health, and what it stands on: what the doctor finds, run by the process
that runs, without anybody waiting for it; dates that providers have set; clocks of tokens, certificates and disks."""

import html
import json
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from control_socket import asked, reload  # noqa: E402
from harness import Certificates, NextHop, Workspace, case, check, equal, eventually, program  # noqa: E402
from name_server import SILENT, NameServer  # noqa: E402
from page_lab import Lab, token_of  # noqa: E402

ACT = {'X-Postrider-Act': 'yes'}


def children(pid):
    found = []
    for name in os.listdir('/proc'):
        try:
            with open('/proc/%s/stat' % name) as f:
                text = f.read()
            with open('/proc/%s/cmdline' % name, 'rb') as f:
                words = f.read().split(b'\0')
        except (OSError, ValueError):
            continue
        if int(text.rpartition(')')[2].split()[1]) == pid and b'doctor' in words:
            found.append(int(name))
    return found


def found_by(path):
    """What the doctor has found, when it has."""
    last = {}

    def ended():
        last.update(asked(path, '/v1/doctor')[1])
        return not last['runs'] and last['last']
    eventually(ended, 'the doctor has ended', 300)
    return last['last']


def without_times(targets):
    return [{**target, 'rungs': [{k: v for k, v in rung.items() if k != 'ms'} for rung in target['rungs']]}
            for target in targets]


@case
def the_same_as_the_command():
    """Rungs, words and advice are those of `postrider doctor`, with all that is given up and without."""
    for on in (True, False):
        with Workspace() as work:
            hop = work.own(NextHop())
            lab = Lab(work, hosts=['127.0.0.1:%d' % hop.port], hardening={'seccomp': on, 'landlock': on},
                      more_destinations=[{'name': 'away', 'hosts': ['127.0.0.1:9'], 'tls': {'mode': 'none'}}])
            path = work.path('control.sock')
            equal(asked(path, '/v1/doctor')[1], {'runs': False, 'since': None, 'last': None}, 'before')
            lab.enter()
            view = lab.ask('/page/health')[2]
            check('Nobody has asked for it' in view, view)
            check('looked at, step by step' in lab.form('/page/act', token=token_of(view), do='doctor')[1], 'begun')
            last = found_by(path)
            said = subprocess.run([program('postrider'), 'doctor', '--config', work.path('postrider.yaml'), '--json'],
                                  capture_output=True, text=True, timeout=300)
            equal(said.returncode, 1, said.stderr)
            by_command = [json.loads(line) for line in said.stdout.splitlines()]
            equal(without_times(last['targets']), without_times(by_command), 'what is found')
            equal((last['ok'], last['problem']), (False, None), 'one is away')
            view = lab.ask('/page/health')[2]
            text = html.unescape(re.sub('<[^>]*>', '', view))
            for target in by_command:
                for rung in target['rungs']:
                    for words in (rung['rung'], rung['text'], rung.get('advice', '')):
                        check(words in text, words)
            check('Look again' in view and 'Something is broken' in view, view)
            equal([event['path'] for event in lab.relay.told('control', 2)], ['/v1/page', '/v1/doctor'], 'events')
            equal(lab.relay.events('call_refused'), [], 'calls')
            lab.relay.terminate()


@case
def many_of_them():
    """The view has those that need somebody, and says how many it leaves out."""
    with Workspace() as work:
        hop = work.own(NextHop())
        host = ['127.0.0.1:%d' % hop.port]
        more = [{'name': 'well%d' % i, 'hosts': host, 'tls': {'mode': 'none'}} for i in range(60)]
        lab = Lab(work, hosts=host, more_destinations=[
            *more, {'name': 'away', 'hosts': ['127.0.0.1:9'], 'tls': {'mode': 'none'}}])
        lab.enter()
        lab.form('/page/act', token=token_of(lab.ask('/page/health')[2]), do='doctor')
        targets = found_by(work.path('control.sock'))['targets']
        view = lab.ask('/page/health')[2]
        check('%d more are not shown' % (len(targets) - 50) in view, view)
        check('href="/page/destination/away"' in view and 'href="/page/destination/well59"' not in view, view)


@case
def nobody_waits_for_it():
    """A name server that hangs holds up the doctor, and neither a view nor the end of the process; one runs at a time,
    and none for who may only look."""
    with Workspace() as work:
        server = work.own(NameServer({'mail.example.org': SILENT}))
        users = [('alice', 'correct horse'), ('bob', 'battery')]
        lab = Lab(work, users=users, operate=['alice'], hosts=['mail.example.org:25'],
                  dns={'servers': [server.address]})
        view = lab.ask('/page/health', user=users[1])[2]
        check('Who may act can have it looked at' in view and 'name="do"' not in view, view)
        equal(lab.ask('/v1/doctor', 'POST', '{}', user=users[1], **ACT)[0], 403, 'bob')
        token = token_of(lab.ask('/page/health', user=users[0])[2])
        equal(lab.form('/page/act', user=users[0], token='0' * 64, do='doctor')[0], 403, 'a form of others')
        lab.form('/page/act', user=users[0], token=token, do='doctor')
        pid = lab.relay.process.pid
        eventually(lambda: children(pid), 'it runs')
        for user in users:
            status, _, text, _ = lab.ask('/page/health', user=user)
            check(status == 200 and 'data-again' in text and 'is being looked at' in text, text)
        equal(lab.ask('/v1/doctor', 'POST', '{}', user=users[0], **ACT)[0], 409, 'one more')
        check('it runs already' in lab.form('/page/act', user=users[0], token=token, do='doctor')[1], 'by the form')
        one, = children(pid)
        lab.relay.terminate()
        eventually(lambda: not os.path.exists('/proc/%d' % one), 'it has ended')


@case
def it_is_killed():
    """That is said, another one may run behind it, and neither a process nor a descriptor is left of them."""
    for on in (True, False):
        with Workspace() as work:
            server = work.own(NameServer({'mail.example.org': SILENT}))
            lab = Lab(work, hosts=['mail.example.org:25'], dns={'servers': [server.address]},
                      hardening={'seccomp': on, 'landlock': on})
            path, pid = work.path('control.sock'), lab.relay.process.pid
            lab.enter()
            token, files = token_of(lab.ask('/page/health')[2]), []
            for _ in range(8):
                lab.form('/page/act', token=token, do='doctor')
                eventually(lambda: children(pid), 'it runs')
                one, = children(pid)
                os.kill(one, signal.SIGKILL)
                last = found_by(path)
                check(not last['ok'] and last['problem'] == 'it was ended by signal 9', last)
                check(not os.path.exists('/proc/%d' % one), 'it is reaped')
                files.append(len(os.listdir('/proc/%d/fd' % pid)))
            # Connections that end just then have some of them.
            eventually(lambda: len(os.listdir('/proc/%d/fd' % pid)) <= files[0] + 4, 'descriptors: %s' % files)
            check('it was ended by signal 9' in lab.ask('/page/health')[2], 'on the page')


@case
def what_it_cannot_read():
    """A file that is broken by now is said in the words of the command; what ran before is kept until another ends."""
    with Workspace() as work:
        lab = Lab(work)
        path = work.path('control.sock')
        work.write('postrider.yaml', json.dumps({**lab.configuration, 'hostnme': '<script>alert(1)</script>'}))
        lab.enter()
        lab.form('/page/act', token=token_of(lab.ask('/page/health')[2]), do='doctor')
        last = found_by(path)
        check(not last['ok'] and 'hostnme' in last['problem'], last)
        text = lab.ask('/page/health')[2]
        check('hostnme' in text and '<script>alert' not in text, text)


@case
def dates():
    """What a preset says of a date is there for as long as it is about what is configured."""
    with Workspace() as work:
        os.chmod(work.write('password', 'secret\n'), 0o600)
        with_password = {'name': 'office', 'preset': 'office365-submission', 'auth': {
            'user': 'scan@example.org', 'password_file': 'password', 'mechanism': 'login'}}
        lab = Lab(work, more_destinations=[with_password])
        path = work.path('control.sock')
        lab.enter()
        found = asked(path, '/v1/resources')[1]
        equal([(one['destination'], one['preset'], one['after']) for one in found['dates']],
              [('office', 'office365-submission', '2026-12-31')], 'dates')
        check(0 < found['disk']['free'] <= found['disk']['octets'], found['disk'])
        for view in ('/page/health', '/page/providers', '/page/destination/office'):
            text = lab.ask(view)[2]
            check('2026-12-31' in text and 'sign in with OAuth' in text, view)
        check('2026-12-31' not in lab.ask('/page/destination/next-hop')[2], 'of another destination')
        mailbox = [one for one in found['mailboxes'] if one['mailbox'] == 'scan@example.org']
        equal([(one['signs_in'], one['token_until']) for one in mailbox], [('password', None)], 'how it signs in')
        check('a password' in lab.ask('/page/providers')[2], 'in words')
        lab.configuration['destinations'].pop()
        reload(work, lab.relay, lab.configuration)
        equal(asked(path, '/v1/resources')[1]['dates'], [], 'dates behind it')
        check('2026-12-31' not in lab.ask('/page/health')[2], 'on the page')


@case
def a_certificate_that_has_ended():
    """It is said for how long, and nowhere that it will."""
    certificates = Certificates()
    with Workspace() as work:
        with open(certificates.path('expired.key')) as f:
            os.chmod(work.write('expired.key', f.read()), 0o600)
        lab = Lab(work, more_destinations=[{'name': 'other', 'hosts': ['127.0.0.1:9'], 'tls': {
            'mode': 'required', 'certificate': certificates.path('expired.crt'), 'private_key': 'expired.key'}}])
        lab.enter()
        eventually(lambda: asked(work.path('control.sock'), '/v1/resources')[1]['certificate_until'], 'it is known')
        for view in ('/page/health', '/page/providers'):
            text = lab.ask(view)[2]
            check(re.search(r'has ended</span> [^<]*: 2021-01-01 [0-9:]* \(UTC\), \d+ days ago\.', text), text)


if __name__ == '__main__':
    os.environ.setdefault('POSTRIDER_PRESETS', os.path.join(harness.SOURCES, 'dist', 'presets'))
    harness.main()
