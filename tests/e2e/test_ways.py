#!/usr/bin/python3
"""tests/e2e/test_ways.py - the five ways of mail, each as its page in docs/ has it: the configuration there is
checked as it stands, and mail goes by it, with names and ports of the test in place of the page's."""

import base64
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (SOURCES, Certificates, Client, NextHop, Workspace, case, check, equal, eventually,  # noqa: E402
                     free_port, program)
from name_server import Exchangers, NameServer  # noqa: E402
from office365 import Mailbox, Office365  # noqa: E402

NAME = 'mail.example.org'  # in the certificate
PASSWORD = 'correct horse'


def configuration_of(page):
    with open(os.path.join(SOURCES, 'docs', page + '.md')) as f:
        blocks = re.findall(r'^```yaml\n(.*?)^```', f.read(), re.S | re.M)
    equal(len(blocks), 1, 'configurations in the page')
    return blocks[0]


class Way:
    """The page's configuration in a directory with the files it names; every change must find what it changes."""

    def __init__(self, work, page):
        self.work, self.certificates = work, Certificates()
        for name, path in (('relay.crt', self.certificates.server), ('relay.key', self.certificates.server_key),
                           ('ca.crt', self.certificates.ca)):
            with open(path, 'rb') as f:
                work.write(name, f.read())
        work.write('provider.password', PASSWORD + '\n')
        made = subprocess.run([program('postrider'), 'hash', 'copier'], input=PASSWORD + '\n', capture_output=True,
                              text=True, timeout=60)
        work.write('users', made.stdout)
        for name in ('users', 'provider.password', 'relay.key'):
            os.chmod(work.path(name), 0o600)
        self.text = configuration_of(page)
        self.check()
        self.replace(r'^spool: .*$', 'spool: { directory: %s, size_max: 1GiB, segment_size: 8MiB }\nshards: 1\n'
                     'retry: { first: 200ms, max: 500ms }' % work.path('spool'), re.M)
        self.replace(r'"0\.0\.0\.0:\d+"', '"127.0.0.1:0"')
        if 'networks: [10.20.0.0/16]' in self.text:
            self.replace(r'networks: \[10\.20\.0\.0/16\]', 'networks: [127.0.0.0/8]')
        if 'mode: verify\n' in self.text:
            self.replace(r'mode: verify\n', 'mode: verify\n      ca_file: ca.crt\n')
        if re.search('mode: verify[ ,]', self.text):
            self.replace(r'mode: verify([ ,])', r'mode: verify, ca_file: ca.crt')

    def check(self):
        """As it stands, but for the spool's place and the listener's port, which others may have here."""
        text = re.sub(r'"0\.0\.0\.0:\d+"', '"127.0.0.1:%d"' % free_port(), self.text)
        file = self.work.write('page.yaml', text.replace('/var/lib/postrider', self.work.path('page-spool')))
        done = subprocess.run([program('postrider'), 'check', '--config', file], capture_output=True, text=True,
                              timeout=60, env=dict(os.environ, POSTRIDER_PRESETS=os.path.join(SOURCES, 'dist/presets'),
                                                   POSTRIDER_PROFILES=os.path.join(SOURCES, 'dist/profiles')))
        equal(done.returncode, 0, 'check of the page: %s' % done.stderr)

    def replace(self, pattern, text, flags=0):
        self.text, count = re.subn(pattern, lambda match: text + ''.join(match.groups()), self.text, flags=flags)
        check(count > 0, 'the page has no %s', pattern)

    def host(self, was, hop, name=NAME):
        """The host of the page is that one."""
        self.replace(re.escape(was), '%s:%d' % (name, hop.port))

    def start(self, names):
        server = self.work.own(NameServer(names))
        os.environ.setdefault('POSTRIDER_PRESETS', os.path.join(SOURCES, 'dist/presets'))
        os.environ.setdefault('POSTRIDER_PROFILES', os.path.join(SOURCES, 'dist/profiles'))
        # The test's name server signs nothing, and all its hosts are here.
        off = ', dnssec: off, allow_private: true' if 'mx: true' in self.text else ''
        return self.work.relay(self.text + "dns: { servers: ['%s']%s }\n" % (server.address, off))


def send(client, recipient, sender='scan@contoso.com', content=b'Subject: a way\r\n\r\ntext\r\n'):
    client.envelope(sender, [recipient])
    client.data(content)


def clear_client(relay):
    client = Client(relay.address)
    client.hello()
    return client


def secured(hop, **options):
    certificates = Certificates()
    return NextHop(tls=certificates.server_context(**options), require_tls=True)


def nothing_in_clear(hop):
    for session in hop.sessions:
        check(b'MAIL' not in bytes(session.plain).upper(), 'a message began in clear: %s', bytes(session.plain))


@case
def way_devices():
    """An old device, in clear and without a Date, with bare line feeds; TLS with the relay's certificate to the
    connector; who is not in the network, or names another sender, is refused."""
    with Workspace() as work:
        way = Way(work, 'way-devices')
        hop = work.own(NextHop(tls=way.certificates.server_context(client_required=True), require_tls=True))
        way.host('contoso-com.mail.protection.outlook.com:25', hop)
        with open(way.certificates.client, 'rb') as f:
            work.write('relay.crt', f.read())
        with open(way.certificates.client_key, 'rb') as f:
            work.write('relay.key', f.read())
        relay = way.start({NAME: ['127.0.0.1']})
        with Client(relay.address) as client:
            client.command('HELO copier', 250)
            client.command('MAIL FROM: <scan@contoso.com>', 250)
            client.command('RCPT TO: <user@example.com>', 250)
            client.command('DATA', 354)
            client.send(b'Subject: a scan\n\ntext\n\r\n.\r\n')
            client.expect(250)
            client.command('MAIL FROM:<somebody@elsewhere.example>', 553)
        arrival = hop.wait_arrivals(1)[0]
        check(arrival.session.encrypted and arrival.session.certificate, 'TLS with the relay\'s certificate')
        check(b'\nDate:' in arrival.content and b'\nMessage-ID:' in arrival.content, 'what the device left out')
        nothing_in_clear(hop)
        # It has said at the start that the test's host is none of the provider's.
        relay.signal(signal.SIGTERM)
        equal(relay.wait(), 0, 'status')


@case
def way_submission():
    """Who signs in behind TLS may send, who does not may not; the relay signs in at the provider."""
    with Workspace() as work:
        way = Way(work, 'way-submission')
        office = work.own(Office365(way.certificates, [Mailbox('relay@contoso.com', PASSWORD)]))
        way.host('smtp.provider.example:587', office)
        relay = way.start({NAME: ['127.0.0.1']})
        context = way.certificates.client_context()
        with Client(relay.address) as client:
            client.hello()
            client.command('MAIL FROM:<relay@contoso.com>', 530)
            client.command('STARTTLS', 220)
            client.socket = context.wrap_socket(client.socket, server_hostname=NAME)
            client.hello()
            client.command('MAIL FROM:<relay@contoso.com>', 530)
            client.command('AUTH PLAIN ' + base64.b64encode(b'\0copier\0' + PASSWORD.encode()).decode(), 235)
            send(client, 'user@example.com', 'relay@contoso.com',
                 harness.message(1).replace(b'sender@example.net', b'relay@contoso.com'))
        office.wait_taken(1)
        equal(office.logins[0][1:], ('relay@contoso.com', 'LOGIN', 'ok'), 'the login at the provider')
        relay.terminate()


@case
def way_partners():
    """To the hosts that the DNS names for partners, verified; the rest goes to the smart host; a name that is not the
    partner's is not believed."""
    with Workspace() as work:
        way = Way(work, 'way-partners')
        hop, rest, stranger = work.own(secured(work)), work.own(secured(work)), work.own(secured(work))
        supplier = work.own(secured(work))
        way.replace(r'mx_of: partner\.example', 'mx_of: "example.org:%d"' % hop.port)
        way.replace(r'\.partner\.example\]', '.example.org]')
        way.replace(r'mx: true', 'mx: true\n    mx_port: %d' % supplier.port)
        way.host('smtp.provider.example:587', rest)
        relay = way.start({'example.org': Exchangers((5, 'mx.stranger.example'), (10, NAME)), NAME: ['127.0.0.1'],
                           'mx.stranger.example': ['127.0.0.2'],
                           'supplier.example': Exchangers((10, NAME)), 'customer.example': Exchangers((0, '.'))})
        with clear_client(relay) as client:
            send(client, 'user@partner.example')
            send(client, 'user@elsewhere.example')
            send(client, 'user@supplier.example')
            send(client, 'user@customer.example')
        arrival = hop.wait_arrivals(1)[0]
        equal(arrival.recipients, ['user@partner.example'], 'who the partner was asked for')
        equal(rest.wait_arrivals(1)[0].recipients, ['user@elsewhere.example'], 'who the smart host was asked for')
        check(arrival.session.encrypted, 'TLS')
        equal(supplier.wait_arrivals(1)[0].recipients, ['user@supplier.example'], 'who the supplier was asked for')
        nothing_in_clear(supplier)
        eventually(lambda: relay.count['failed'], 'who takes no mail')
        eventually(lambda: relay.count['exchanger_refused'], 'the stranger is told')
        equal(stranger.accepted, 0, 'connections to the stranger')
        nothing_in_clear(hop)
        relay.terminate()


@case
def way_servers_without_tls():
    """In clear where that is said; with TLS where a host offers it and opportunistic is said; what must not go in clear
    does not."""
    with Workspace() as work:
        way = Way(work, 'way-servers-without-tls')
        plain, modern, rest = work.own(NextHop()), work.own(secured(work)), work.own(NextHop())
        way.host('archive.contoso.example:25', plain, 'archive.test.example')
        way.host('tickets.contoso.example:25', modern, 'tickets.test.example')
        way.replace(r'mx: true', 'mx: true\n    mx_port: %d' % rest.port)
        relay = way.start({'archive.test.example': ['127.0.0.1'], 'tickets.test.example': ['127.0.0.1'],
                           'elsewhere.example': Exchangers((10, 'mx.elsewhere.example')),
                           'mx.elsewhere.example': ['127.0.0.1']})
        with clear_client(relay) as client:
            send(client, 'all@archive.contoso.example')
            send(client, 'new@tickets.contoso.example')
            send(client, 'user@elsewhere.example')
        check(not plain.wait_arrivals(1)[0].session.encrypted, 'the archive gets it in clear')
        check(modern.wait_arrivals(1)[0].session.encrypted, 'the ticket system has TLS')
        check(not rest.wait_arrivals(1)[0].session.encrypted, 'a host out there has none')
        modern.stop()
        old = work.own(NextHop(port=modern.port))
        with clear_client(relay) as client:
            send(client, 'new@tickets.contoso.example')
        check(not old.wait_arrivals(1)[0].session.encrypted, 'where it has none any more it goes in clear')
        relay.terminate()


@case
def way_forced_tls():
    """Nothing of a message while TLS is not offered, or the certificate is another's; all of it when it is right."""
    with Workspace() as work:
        way = Way(work, 'way-forced-tls')
        hop = work.own(NextHop())
        rest = work.own(secured(work))
        way.host('mail.partner.example:25', hop)
        way.host('smtp.provider.example:587', rest)
        relay = way.start({NAME: ['127.0.0.1']})
        with clear_client(relay) as client:
            send(client, 'user@partner.example')
        eventually(lambda: relay.count['host_failed'], 'no TLS')
        hop.stop()
        context = harness.ssl.SSLContext(harness.ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(way.certificates.other, way.certificates.other_key)
        other = work.own(NextHop(tls=context, require_tls=True, port=hop.port))
        eventually(lambda: any(event['stage'] == 'tls' for event in relay.events('host_failed')), 'another certificate')
        other.stop()
        for refused in (hop, other):
            equal(refused.arrivals, [], 'messages that arrived')
            nothing_in_clear(refused)
        right = work.own(NextHop(tls=way.certificates.server_context(), require_tls=True, port=hop.port))
        arrival = right.wait_arrivals(1)[0]
        check(arrival.session.encrypted, 'TLS')
        equal(relay.count['failed'], 0, 'messages that failed')
        relay.terminate()


if __name__ == '__main__':
    harness.main(together=3)
