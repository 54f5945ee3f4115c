#!/usr/bin/python3
"""tests/interop/test_signing_in.py - other people's clients sign in at the relay: curl, swaks and msmtp.

By PLAIN and LOGIN, with and without an initial response, in clear where the listener says so and behind STARTTLS. What
is not installed is left out and said.
"""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import harness  # noqa: E402
from harness import Certificates, NextHop, Workspace, case, check, equal, message, program  # noqa: E402

USER, PASSWORD = 'scan@example.org', 'correct horse'
ENVELOPE = ('sender@example.net', 'recipient@example.com')


class Place:
    """A relay with a listener in clear and one with STARTTLS; both take no mail without AUTH."""

    def __enter__(self):
        self.work = Workspace()
        try:
            self.certificates = Certificates()
            self.hop = self.work.own(NextHop())
            made = subprocess.run([program('postrider'), 'hash', USER], input=PASSWORD.encode() + b'\n',
                                  capture_output=True, check=True)
            os.chmod(self.work.write('users', made.stdout), 0o600)
            listeners = [{'name': 'clear', 'address': '127.0.0.1:0', 'auth': 'required', 'auth_in_clear': True},
                         {'name': 'tls', 'address': '127.0.0.1:0', 'auth': 'required', 'tls': 'offered'}]
            section = {'certificates': [{'certificate': self.certificates.server,
                                         'private_key': self.certificates.server_key}]}
            self.relay = self.work.relay(self.work.configuration(
                [self.hop.host], listeners=listeners, users_file='users',
                clients=[{'name': 'users', 'users': ['*']}]) | {'tls': section})
            self.relay.noise.clear()
        except BaseException:
            self.work.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.relay.terminate()
        finally:
            self.work.__exit__(kind, value, trace)

    def run(self, *arguments, text=b'', code=0):
        done = subprocess.run(arguments, input=text, capture_output=True, timeout=120)
        check(done.returncode == code, '%s ended with %d: %s', arguments, done.returncode,
              (done.stdout + done.stderr).decode('utf-8', 'replace')[-600:])

    def arrived(self, count, client):
        self.hop.wait_arrivals(count)
        arrival = self.hop.arrivals[-1]
        equal((arrival.sender, arrival.recipients[0]), ENVELOPE, 'envelope of %s' % client)


def there(name):
    if shutil.which(name):
        return True
    print('NOTE %s is not installed: left out' % name)
    return False


@case
def curl():
    if not there('curl'):
        return
    with Place() as place:
        count = 0
        path = place.work.write('message', message(1))
        for listener, tls in enumerate(([], ['--ssl-reqd', '--cacert', place.certificates.ca, '--insecure'])):
            for login in ('PLAIN', 'LOGIN'):
                for initial in ([], ['--sasl-ir']):
                    host, port = place.relay.addresses()[listener]
                    place.run('curl', '--silent', '--show-error', 'smtp://%s:%d/client.example.net' % (host, port),
                              '--user', '%s:%s' % (USER, PASSWORD), '--login-options', 'AUTH=' + login,
                              '--mail-from', ENVELOPE[0], '--mail-rcpt', ENVELOPE[1], '--upload-file', path,
                              *tls, *initial)
                    count += 1
                    place.arrived(count, 'curl')
        host, port = place.relay.addresses()[0]
        place.run('curl', '--silent', 'smtp://%s:%d/client.example.net' % (host, port), '--user', USER + ':wrong',
                  '--mail-from', ENVELOPE[0], '--mail-rcpt', ENVELOPE[1], '--upload-file', path, code=67)


@case
def swaks():
    if not there('swaks'):
        return
    with Place() as place:
        count = 0
        for listener, tls in enumerate(([], ['--tls'])):
            for login in ('PLAIN', 'LOGIN'):
                host, port = place.relay.addresses()[listener]
                place.run('swaks', '--server', host, '--port', str(port), '--ehlo', 'client.example.net', '--from',
                          ENVELOPE[0], '--to', ENVELOPE[1], '--auth', login, '--auth-user', USER, '--auth-password',
                          PASSWORD, *tls)
                count += 1
                place.arrived(count, 'swaks')
        host, port = place.relay.addresses()[0]
        place.run('swaks', '--server', host, '--port', str(port), '--from', ENVELOPE[0], '--to', ENVELOPE[1], '--auth',
                  'PLAIN', '--auth-user', USER, '--auth-password', 'wrong', code=28)


@case
def msmtp():
    if not there('msmtp'):
        return
    with Place() as place:
        count = 0
        for listener, tls in enumerate((['--tls=off'], ['--tls=on', '--tls-starttls=on', '--tls-certcheck=off',
                                                        '--tls-trust-file='])):
            for login in ('plain', 'login'):
                host, port = place.relay.addresses()[listener]
                place.run('msmtp', '--file=/dev/null', '--host=' + host, '--port=%d' % port, '--auth=' + login,
                          '--user=' + USER, '--passwordeval=echo ' + PASSWORD, '--domain=client.example.net',
                          '--from=' + ENVELOPE[0], *tls, ENVELOPE[1], text=message(1).replace(b'\r\n', b'\n'))
                count += 1
                place.arrived(count, 'msmtp')


if __name__ == '__main__':
    harness.main()
