#!/usr/bin/python3
"""tests/interop/test_handing_over.py - other mail servers hand mail over to the relay: Postfix, Exim and OpenSMTPD.

Each takes messages as its users would give them to it and has the relay as its smart host: in clear, by STARTTLS and
with TLS from the first octet; nobody known, signed in by PLAIN and by LOGIN, and known by a client certificate. What
arrives behind the relay is what was given to the server.
"""

import hashlib
import os
import shutil
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import Exim, OpenSMTPD, Postfix, harness, require, smtplib_send  # noqa: E402
from harness import (Certificates, NextHop, Workspace, case, check, equal, eventually, message, program,  # noqa: E402
                     split_trace)

USER, PASSWORD = 'scan@example.org', 'correct horse'
MESSAGES = 10
LISTENERS = ('clear', 'starttls', 'implicit')


class HandingPostfix(Postfix):
    """All its mail goes to `target` (a port), in the way of `mode` and `login`."""

    def __init__(self, work, certificates, target, mode, login):
        self.target, self.mode, self.login = target, mode, login
        super().__init__(work, certificates)

    def prepare(self):
        super().prepare()
        lines = ['virtual_mailbox_domains =', 'relayhost = [127.0.0.1]:%d' % self.target,
                 'smtpd_relay_restrictions = permit_mynetworks, reject', 'smtp_tls_CAfile = ' + self.certificates.ca,
                 'smtp_host_lookup = native', 'smtp_helo_name = client.example.net',
                 'smtp_tls_security_level = ' + ('none' if self.mode == 'clear' else 'verify'),
                 'smtp_tls_verify_cert_match = mail.example.org, hostname, nexthop, dot-nexthop',
                 'smtp_tls_wrappermode = ' + ('yes' if self.mode == 'implicit' else 'no')]
        if self.login in ('plain', 'login'):
            # texthash: is read as it is, without postmap.
            path = self.write('config/passwords', '[127.0.0.1]:%d %s:%s\n' % (self.target, USER, PASSWORD), 0o600)
            lines += ['smtp_sasl_auth_enable = yes', 'smtp_sasl_password_maps = texthash:' + path,
                      'smtp_sasl_security_options =', 'smtp_sasl_tls_security_options =',
                      'smtp_sasl_mechanism_filter = ' + self.login]
        elif self.login == 'certificate':
            lines += ['smtp_tls_cert_file = ' + self.certificates.client,
                      'smtp_tls_key_file = ' + self.certificates.client_key]
        with open(self.root + '/config/main.cf', 'a') as f:
            f.write('\n'.join(lines) + '\n')
        with open(self.root + '/config/master.cf', 'a') as f:
            f.write('smtp unix - - n - - smtp\nrelay unix - - n - - smtp\n')


class HandingExim(Exim):
    ROUTERS = '''
begin routers
out:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = out
begin transports
out:
  driver = smtp
  port = %d
  allow_localhost
  helo_data = client.example.net
  %s
begin authenticators
it:
  driver = plaintext
  public_name = %s
  client_send = %s
'''

    def __init__(self, work, certificates, target, mode, login):
        self.target, self.mode, self.login = target, mode, login
        super().__init__(work, certificates)

    def prepare(self):
        super().prepare()
        with open(self.configuration) as f:
            text = f.read().partition('begin routers')[0]
        options = {'clear': ['hosts_avoid_tls = *'], 'starttls': ['hosts_require_tls = *'],
                   'implicit': ['protocol = smtps']}[self.mode]
        if self.mode != 'clear':
            options += ['tls_verify_certificates = ' + self.certificates.ca, 'tls_verify_hosts = *',
                        'tls_verify_cert_hostnames =', 'tls_sni = mail.example.org']
        if self.login in ('plain', 'login'):
            options += ['hosts_require_auth = *']
        elif self.login == 'certificate':
            options += ['tls_certificate = ' + self.certificates.client,
                        'tls_privatekey = ' + self.certificates.client_key]
        send = '^%s^%s' % (USER, PASSWORD) if self.login != 'login' else ': %s : %s' % (USER, PASSWORD)
        text += self.ROUTERS % (self.target, '\n  '.join(options), 'LOGIN' if self.login == 'login' else 'PLAIN', send)
        self.write('exim.conf', text.replace('accept domains = example.com', 'accept'))


class HandingOpenSMTPD(OpenSMTPD):
    RELAYING = '''
smtp max-message-size 50M
%(table)s
listen on 127.0.0.1 port %(port)d hostname opensmtpd.example.org
action "out" relay host %(url)s helo client.example.net %(tls)s %(auth)s
match from any for any action "out"
'''

    def __init__(self, work, certificates, target, mode, login):
        self.target, self.mode, self.login = target, mode, login
        super().__init__(work, certificates)

    def prepare(self):
        super().prepare()
        signed = self.login in ('plain', 'login')
        url = '%s://%s127.0.0.1:%d' % ({'clear': 'smtp+notls', 'starttls': 'smtp+tls', 'implicit': 'smtps'}[self.mode],
                                       'it@' if signed else '', self.target)
        values = dict(port=self.port, url=url, table='', auth='', tls='' if self.mode == 'clear' else 'tls no-verify')
        if signed:
            path = self.write('secrets', 'it %s:%s\n' % (USER, PASSWORD), 0o600)
            values['table'], values['auth'] = 'table secrets file:%s' % path, 'auth <secrets>'
        self.write('smtpd.conf', self.RELAYING % values)


def fingerprint(certificate):
    with open(certificate, encoding='ascii') as f:
        return 'sha256:' + hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()


class Place:
    """A next hop and a relay with a listener of each kind, each of them open for whom `login` says."""

    def __init__(self, login):
        self.login = login

    def __enter__(self):
        self.work = Workspace()
        try:
            self.certificates = Certificates()
            self.hop = self.work.own(NextHop())
            made = subprocess.run([program('postrider'), 'hash', USER], input=PASSWORD.encode() + b'\n',
                                  capture_output=True, check=True)
            os.chmod(self.work.write('users', made.stdout), 0o600)
            signed = {'auth': 'required'} if self.login in ('plain', 'login') else {}
            clear = {'auth_in_clear': True} if signed else {}
            certified = {'client_certificates': 'requested', 'ca_file': self.certificates.ca} \
                if self.login == 'certificate' else {}
            listeners = [dict({'name': 'clear', 'address': '127.0.0.1:0'}, **signed, **clear),
                         dict({'name': 'starttls', 'address': '127.0.0.1:0', 'tls': 'required'}, **signed,
                              **certified),
                         dict({'name': 'implicit', 'address': '127.0.0.1:0', 'tls': 'implicit'}, **signed,
                              **certified)]
            who = {'plain': {'users': [USER]}, 'login': {'users': [USER]},
                   'certificate': {'certificates': [fingerprint(self.certificates.client)]}}.get(self.login,
                                                                               {'networks': ['127.0.0.0/8']})
            more = {'users_file': 'users'} if signed else {}
            self.relay = self.work.relay(self.work.configuration(
                [self.hop.host], listeners=listeners, clients=[dict({'name': 'known'}, **who)], **more) | {
                    'tls': {'certificates': [{'certificate': self.certificates.server,
                                              'private_key': self.certificates.server_key}]}})
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


def hands_over(server_class, login, modes=LISTENERS):
    def hands_over():
        with Place(login) as place:
            number = 0
            for mode in modes:
                target = place.relay.addresses()[LISTENERS.index(mode)][1]
                server = server_class(place.work, place.certificates, target, mode, login)
                # OpenSMTPD's listener is in clear here: as a server its TLS is broken (servers.py).
                context = None if server_class is HandingOpenSMTPD else place.certificates.client_context()
                originals = {}
                for number in range(number + 1, number + 1 + MESSAGES):
                    originals[number] = message(number, 2000)
                    smtplib_send(('127.0.0.1', server.port), originals[number], context)
                eventually(lambda: len(place.hop.arrivals) >= number, lambda: '%d arrivals by %s, %s: %s; %s' % (
                    number, mode, len(place.hop.arrivals), server.log(), place.relay.tail()), 60)
                for arrival in place.hop.arrivals[-MESSAGES:]:
                    content = arrival.content
                    equal((arrival.sender, arrival.recipients), ('sender@example.net', ['recipient@example.com']),
                          'envelope')
                    original = originals[harness.sequence_of(content)]
                    check(content.endswith(original), 'what arrived does not end with what was sent')
                    top = split_trace(content)[0].replace(b'\r\n', b' ')
                    known = {'clear': b'ESMTP', 'starttls': b'ESMTPS', 'implicit': b'ESMTPS'}[mode] + \
                        (b'A' if login in ('plain', 'login') else b'')
                    check(b' with %s ' % known in top, 'it came with %s: %s', known, top)
                server.stop()
                shutil.rmtree(server.root, ignore_errors=True)
            equal(len(place.hop.arrivals), number, 'arrivals')
    hands_over.__name__ = '%s_hands_over_%s' % (server_class.name, login or 'unknown')
    return hands_over


if __name__ == '__main__':
    for each in (HandingPostfix, HandingExim, HandingOpenSMTPD):
        require(each)
        for way in (None, 'plain', 'login', 'certificate'):
            # OpenSMTPD chooses the mechanism itself, shows certificates only by a name in its own tables, and never
            # says a password in clear.
            if each is HandingOpenSMTPD and way in ('login', 'certificate'):
                continue
            ways = LISTENERS[1:] if way == 'certificate' or (each is HandingOpenSMTPD and way) else LISTENERS
            case(hands_over(each, way, ways))
    harness.main()
