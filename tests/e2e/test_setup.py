#!/usr/bin/python3
"""tests/e2e/test_setup.py - postrider setup office365, and the configurations of the documentation's pages.

What setup writes is what check accepts, whatever was typed; what the pages show to be copied is so as well.
"""

import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import SOURCES, Certificates, Workspace, case, check, equal, program  # noqa: E402

MX = 'example-org.mail.protection.outlook.com'


def setup(work, *arguments, code=0, name='made'):
    directory = work.path(name)
    os.makedirs(directory, exist_ok=True)
    ended = subprocess.run([program('postrider'), 'setup', 'office365', '--directory', directory, '--spool',
                            work.path('spool'), *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
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
def what_cannot_be_used():
    with Workspace() as work:
        for arguments in (['--path', 'pigeon'], ['--domain', 'a'], ['--domain', "x.com';rm"], ['--networks', 'all'],
                          ['--listen', 'here'], ['--address', 'a.example.org'], ['--nonsense', 'x'],
                          ['--spool', 'a\nb']):
            setup(work, *arguments, code=64)
        _, said = setup(work, code=64)
        check('--path is missing' in said, 'said: %s', said)
        equal(os.listdir(work.path('made')), [], 'files')


@case
def the_pages():
    """Each block of a page that is a whole configuration passes `check`; what it names exists meanwhile."""
    count = 0
    with Workspace() as work:
        certificates = Certificates()
        for page in sorted(glob.glob(os.path.join(SOURCES, 'docs', '*.md'))):
            for text in re.findall(r'^```yaml\n(hostname:.*?)^```', read(page), re.S | re.M):
                count += 1
                directory = work.path('page-%d' % count)
                os.makedirs(os.path.join(directory, 'spool'))
                for suffix, own in (('crt', certificates.client), ('key', certificates.client_key)):
                    for name in re.findall(r'[\w.-]+\.%s\b' % suffix, text):
                        os.symlink(own, os.path.join(directory, name))
                for name in re.findall(r'[\w.-]+\.secret\b', text):
                    with open(os.path.join(directory, name), 'w') as f:
                        f.write('secret\n')
                text = text.replace('/var/lib/postrider', os.path.join(directory, 'spool'))
                file = os.path.join(directory, 'postrider.yaml')
                with open(file, 'w', encoding='utf-8') as f:
                    f.write(text)
                checked(file)
    check(count >= 3, 'only %d configurations were found', count)
    return '%d configurations' % count


if __name__ == '__main__':
    harness.main(together=2)
