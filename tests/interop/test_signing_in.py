#!/usr/bin/python3
"""tests/interop/test_signing_in.py - other people's clients sign in at the relay: curl, swaks, msmtp, nodemailer,
smtplib, openssl and gnutls-cli.

By PLAIN and LOGIN, with and without an initial response, in clear where the listener says so, behind STARTTLS, and with
TLS from the first octet. What is not installed is left out and said.
"""

import base64
import functools
import os
import shutil
import smtplib
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import harness  # noqa: E402
from harness import Certificates, NextHop, Workspace, case, check, equal, message, program  # noqa: E402

USER, PASSWORD = 'scan@example.org', 'correct horse'
ENVELOPE = ('sender@example.net', 'recipient@example.com')


class Place:
    """A relay with a listener in clear, one with STARTTLS and one with TLS; none takes mail without AUTH."""

    def __enter__(self):
        self.work = Workspace()
        try:
            self.certificates = Certificates()
            self.hop = self.work.own(NextHop())
            made = subprocess.run([program('postrider'), 'hash', USER], input=PASSWORD.encode() + b'\n',
                                  capture_output=True, check=True)
            os.chmod(self.work.write('users', made.stdout), 0o600)
            listeners = [{'name': 'clear', 'address': '127.0.0.1:0', 'auth': 'required', 'auth_in_clear': True},
                         {'name': 'tls', 'address': '127.0.0.1:0', 'auth': 'required', 'tls': 'offered'},
                         {'name': 'implicit', 'address': '127.0.0.1:0', 'auth': 'required', 'tls': 'implicit'}]
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
        trust = ['--cacert', place.certificates.ca]
        for listener, tls in enumerate(([], ['--ssl-reqd'] + trust, trust)):
            for login in ('PLAIN', 'LOGIN'):
                for initial in ([], ['--sasl-ir']):
                    host, port = place.relay.addresses()[listener]
                    place.run('curl', '--silent', '--show-error', '%s://%s:%d/client.example.net' % (
                                  'smtps' if listener == 2 else 'smtp', host, port),
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
        for listener, tls in enumerate(([], ['--tls'], ['--tls-on-connect'])):
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
        unproven = ['--tls=on', '--tls-certcheck=off', '--tls-trust-file=']
        for listener, tls in enumerate((['--tls=off'], unproven + ['--tls-starttls=on'],
                                        unproven + ['--tls-starttls=off'])):
            for login in ('plain', 'login'):
                host, port = place.relay.addresses()[listener]
                place.run('msmtp', '--file=/dev/null', '--host=' + host, '--port=%d' % port, '--auth=' + login,
                          '--user=' + USER, '--passwordeval=echo ' + PASSWORD, '--domain=client.example.net',
                          '--from=' + ENVELOPE[0], *tls, ENVELOPE[1], text=message(1).replace(b'\r\n', b'\n'))
                count += 1
                place.arrived(count, 'msmtp')


@case
def smtplib_signs_in():
    with Place() as place:
        context = place.certificates.client_context()
        for listener, (address, how) in enumerate(zip(place.relay.addresses(), ('', 'starttls', 'implicit'))):
            kind = functools.partial(smtplib.SMTP_SSL, context=context) if how == 'implicit' else smtplib.SMTP
            with kind(*address, local_hostname='client.example.net', timeout=60) as client:
                if how == 'starttls':
                    client.starttls(context=context)
                client.login(USER, PASSWORD)
                client.sendmail(*ENVELOPE, message(1))
            place.arrived(listener + 1, 'smtplib')


NODEMAILER = '''
const nodemailer = require('/usr/share/nodejs/nodemailer')
const [host, port, ca, user, pass, how, method] = process.argv.slice(2)
const transport = nodemailer.createTransport({
  host, port: Number(port), name: 'client.example.net', secure: how === 'implicit', requireTLS: how === 'starttls',
  ignoreTLS: how === 'clear', authMethod: method, auth: {user, pass},
  tls: {ca: require('fs').readFileSync(ca), servername: 'mail.example.org'}})
transport.sendMail({from: '%s', to: '%s', subject: 'X-Sequence', text: 'one\\n.\\n..two\\n'})
  .then(() => process.exit(0), (error) => { console.error(error.message); process.exit(1) })
'''


@case
def nodemailer():
    if not there('node') or not os.path.exists('/usr/share/nodejs/nodemailer'):
        return
    with Place() as place:
        path, count = place.work.write('client.js', NODEMAILER % ENVELOPE), 0
        for (host, port), how in zip(place.relay.addresses(), ('clear', 'starttls', 'implicit')):
            for login in ('PLAIN', 'LOGIN'):
                place.run('node', path, host, str(port), place.certificates.ca, USER, PASSWORD, how, login)
                count += 1
                place.arrived(count, 'nodemailer')
                check(place.hop.arrivals[-1].content.endswith(b'one\r\n.\r\n..two\r\n'), 'content')
        host, port = place.relay.addresses()[1]
        place.run('node', path, host, str(port), place.certificates.ca, USER, 'wrong', 'starttls', 'PLAIN', code=1)


@case
def people_at_a_terminal():
    """openssl s_client and gnutls-cli. The message is empty: gnutls-cli sends no line before the one before it has been
    taken from its input."""
    response = base64.b64encode(b'\0'.join([b'', USER.encode(), PASSWORD.encode()])).decode()
    lines = ['EHLO client.example.net', 'AUTH PLAIN ' + response, 'MAIL FROM:<%s>' % ENVELOPE[0],
             'RCPT TO:<%s>' % ENVELOPE[1], 'DATA']
    with Place() as place:
        count = 0
        for name in ('openssl', 'gnutls-cli'):
            if not there(name):
                continue
            for listener in (1, 2):
                host, port = place.relay.addresses()[listener]
                if name == 'openssl':
                    command = ['openssl', 's_client', '-quiet', '-crlf', '-connect', '%s:%d' % (host, port), '-CAfile',
                               place.certificates.ca, '-verify_return_error', '-servername', 'mail.example.org']
                    command += ['-starttls', 'smtp'] if listener == 1 else []
                else:
                    command = ['gnutls-cli', '--crlf', '--x509cafile', place.certificates.ca, '--port', str(port),
                               '--verify-hostname', 'mail.example.org', host]
                    command += ['--starttls-proto', 'smtp'] if listener == 1 else []
                typed(command, lines)
                count += 1
                place.arrived(count, name)


def typed(command, lines):
    """Each line after the reply to the one before."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    timer = threading.Timer(60, process.kill)
    timer.start()
    seen = b''

    def reply(codes):
        nonlocal seen
        while True:
            line = process.stdout.readline()
            seen += line
            check(line, '%s ended: %s', command[0], seen.decode('utf-8', 'replace')[-600:])
            if line[:4] in codes:
                return
    try:
        # With STARTTLS the greeting has been read by the program, and what EHLO said as well.
        if '-starttls' not in command and '--starttls-proto' not in command:
            reply((b'220 ',))
        for line in lines + ['.', 'QUIT']:
            process.stdin.write(line.encode() + b'\n')
            process.stdin.flush()
            reply((b'250 ', b'235 ', b'354 ', b'221 '))
    finally:
        timer.cancel()
        process.kill()
        process.communicate()


if __name__ == '__main__':
    harness.main()
