#!/usr/bin/python3
"""tests/e2e/test_xclient.py - sessions that a proxy brings by XCLIENT: whose they are then, and who may not say it."""

import hashlib
import os
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Certificates, Client, NextHop, Workspace, case, check, equal, eventually, message  # noqa: E402

PROXY = '127.0.0.9'  # listeners believe nobody else
ATTRIBUTES = 'XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT'


class Place:
    """192.0.2.0/24 and 2001:db8::/32 may relay, and alice; the proxy may not."""

    def __init__(self, **changes):
        self.work = Workspace()
        self.certificates = Certificates()
        self.hop = self.work.own(NextHop())
        users = self.work.write('users', ''.join(
            subprocess.run([harness.program('postrider'), 'hash', name], input='secret\n', capture_output=True,
                           text=True, check=True).stdout for name in ('alice', 'alice@example.com')))
        os.chmod(users, 0o600)
        listener = {'name': 'lan', 'address': '127.0.0.1:0', 'tls': 'offered', 'auth': 'offered',
                    'client_certificates': 'requested', 'xclient_from': [PROXY]}
        with open(self.certificates.client) as f:
            digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()
        configuration = self.work.configuration([self.hop.host], listeners=[listener], users_file=users, clients=[
            {'name': 'office', 'networks': ['192.0.2.0/24', '2001:db8::/32'], 'limits': {'connections': 3}},
            {'name': 'people', 'users': ['*']},
            {'name': 'proxies', 'certificates': ['sha256:' + digest]},
            {'name': 'direct', 'networks': ['127.0.0.1/32']}], limits={'errors_per_session': 1000})
        configuration['tls'] = {'certificates': [{'certificate': self.certificates.server,
                                                  'private_key': self.certificates.server_key}]}
        configuration.update(changes)
        self.relay = self.work.relay(configuration)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.work.__exit__(*_)

    def connect(self, source=PROXY):
        return Client(self.relay.address, source=source)

    def secure(self, client, certificate=False):
        client.command('STARTTLS', 220)
        client.socket = self.certificates.client_context(certificate).wrap_socket(
            client.socket, server_hostname='mail.example.org')

    def told(self, name, count=1):
        eventually(lambda: len(self.relay.events(name)) >= count, lambda: '%d times %s' % (count, name))
        return self.relay.events(name)


def may_relay(client):
    client.command('MAIL FROM:<a@example.net>', 250)
    client.send('RCPT TO:<b@example.com>\r\n')
    code, text = client.reply()
    check(code == 250 or (code, text[:6]) == (550, '5.7.1 '), 'RCPT: %d %s', code, text)
    return code == 250


@case
def whose_it_is():
    """Address, greeting and user are what the proxy says: for access, Received and events; over TLS, too."""
    with Place() as place:
        told = (('ADDR=192.0.2.77', 'office', '192.0.2.77'),
                ('NAME=x.example.org ADDR=IPV6:2001:db8::77 PORT=1025 PROTO=ESMTP', 'office', '2001:db8::77'),
                ('ADDR=IPV6:::ffff:192.0.2.78 NAME=[UNAVAILABLE]', 'office', '192.0.2.78'),
                ('addr=198.51.100.1 login=alice', 'people', '198.51.100.1'),
                ('LOGIN=alice+40example.com NAME=[TEMPUNAVAIL] ADDR=198.51.100.2 DESTADDR=192.0.2.1 DESTPORT=25',
                 'people', '198.51.100.2'))
        expected = []
        for secured in (False, True):
            for attributes, client_name, peer in told:
                with place.connect() as client:
                    check(ATTRIBUTES in client.hello()[1], 'EHLO does not offer XCLIENT')
                    if secured:
                        place.secure(client)
                        check(ATTRIBUTES in client.hello()[1], 'EHLO does not offer XCLIENT behind TLS')
                    client.command('XCLIENT ' + attributes, 220)
                    client.command('MAIL FROM:<a@example.net>', 503)
                    client.command('EHLO its.example.org', 250)
                    client.envelope()
                    client.data(message(1))
                    client.command('QUIT', 221)
                expected.append((client_name, peer))
        arrivals = place.hop.wait_arrivals(len(expected))
        events = place.told('accepted', len(expected))
        equal([(e['client'], e['peer']) for e in events], expected, 'clients')
        check(not any(PROXY.encode() in arrival.content for arrival in arrivals), 'the proxy is in a message')
        check(all(b'its.example.org' in arrival.content for arrival in arrivals), 'Received has another name')
        place.relay.terminate()


@case
def greeting_of_the_client():
    """HELO and PROTO stand for the client's own; "+20" is a space, and no name is made of it."""
    with Place() as place:
        for helo, found in (('printer.example.org', b'printer.example.org'), ('my+20printer', b'192.0.2.77')):
            with place.connect() as client:
                client.hello()
                client.command('XCLIENT ADDR=192.0.2.77 HELO=%s PROTO=SMTP' % helo, 220)
                client.envelope()
                client.data(message(1))
            arrival = place.hop.wait_arrivals(1)[-1]
            check(found in arrival.content and b' with SMTP ' in arrival.content, 'Received: %s',
                  arrival.content[:200])
            place.hop.arrivals.clear()
        place.relay.terminate()


@case
def rel02_strangers():
    """REL-02: who is not named hears that there is no such command, whatever he says and whoever he is."""
    with Place() as place:
        for source, user in (('127.0.0.2', None), ('127.0.0.1', None), ('127.0.0.2', 'alice')):
            with place.connect(source) as client:
                check('XCLIENT' not in client.hello()[1], 'XCLIENT is offered to a stranger')
                if user:
                    place.secure(client)
                    check('XCLIENT' not in client.hello()[1], 'XCLIENT is offered to a stranger')
                    client.command('AUTH PLAIN AGFsaWNlAHNlY3JldA==', 235)
                client.command('XCLIENT ADDR=192.0.2.1', 500, '5.5.2')
                client.command('XCLIENT ADDR=192.0.2.1 LOGIN=alice', 500, '5.5.2')
                equal(may_relay(client), source == '127.0.0.1' or user is not None, 'may relay')
        # Nor does one whom a proxy brings become one by his address.
        with place.connect() as client:
            client.hello()
            client.command('XCLIENT ADDR=198.51.100.1', 220)
            client.hello()
            check(not may_relay(client), 'a stranger may relay')
        place.relay.terminate()


@case
def rel02_it_begins_anew():
    """REL-02: what was said before is forgotten; not in a transaction; pipelined it is read in its order."""
    with Place() as place:
        # Who has signed in at the relay itself is not the client that is brought.
        with place.connect() as client:
            client.hello()
            place.secure(client)
            client.hello()
            client.command('AUTH PLAIN AGFsaWNlAHNlY3JldA==', 235)
            client.command('XCLIENT ADDR=198.51.100.1', 220)
            client.hello()
            check(not may_relay(client), "the proxy's login is its client's")
        # Nor are those it brings what its certificate says, shown before or behind.
        for before in (True, False):
            with place.connect() as client:
                client.hello()
                if before:
                    place.secure(client, certificate=True)
                    client.hello()
                    check(may_relay(client), 'the proxy itself may not relay')
                    client.command('RSET', 250)
                client.command('XCLIENT ADDR=198.51.100.1', 220)
                client.hello()
                if not before:
                    place.secure(client, certificate=True)
                    client.hello()
                check(not may_relay(client), "the proxy's certificate is its client's")
        with place.connect() as client:
            client.hello()
            client.command('XCLIENT ADDR=192.0.2.1 LOGIN=[UNAVAILABLE]', 220)
            client.hello()
            check(may_relay(client), 'the office may not relay')
        # TLS behind it: who has signed in is forgotten (RFC 3207 4.2), whose it is stays.
        with place.connect() as client:
            client.hello()
            client.command('XCLIENT ADDR=192.0.2.1', 220)
            client.hello()
            place.secure(client)
            client.hello()
            check(may_relay(client), 'the address is forgotten behind STARTTLS')
        with place.connect() as client:
            client.hello()
            client.send(b'XCLIENT ADDR=192.0.2.1 HELO=a\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.com>\r\n'
                        b'RSET\r\nXCLIENT ADDR=198.51.100.1\r\nQUIT\r\n')
            equal([reply[0] for reply in client.replies()], [220, 250, 250, 250, 500, 221], 'replies')
        # In a transaction of the proxy's own it is not.
        with place.connect() as client:
            client.hello()
            client.command('MAIL FROM:<a@example.net>', 250)
            client.command('XCLIENT ADDR=192.0.2.1', 503, '5.5.1')
        place.relay.terminate()


@case
def rel02_behind_a_message():
    """Behind a message that has no answer yet: that one is still its client's (I5)."""
    with Place(clients=[{'name': 'proxy', 'networks': [PROXY]}]) as place:
        with place.connect() as client:
            client.hello()
            client.command('MAIL FROM:<a@example.net>', 250)
            client.command('RCPT TO:<b@example.com>', 250)
            client.command('DATA', 354)
            client.send(message(1) + b'.\r\nXCLIENT ADDR=198.51.100.9\r\nQUIT\r\n')
            codes = [reply[0] for reply in client.replies()]
            check(codes in ([250, 503, 221], [250, 220, 221]), 'replies: %s', codes)
        place.hop.wait_arrivals(1)
        equal(place.told('accepted')[-1]['peer'], PROXY, 'whose the message is')
        place.relay.terminate()


@case
def rel02_said_once():
    """REL-02: nginx passes on what its client says, who is not to become somebody else by it, whatever else he says."""
    with Place() as place:
        for before in ('', 'RSET', 'EHLO a', 'HELO a', 'STARTTLS'):
            for attributes in ('ADDR=198.51.100.1', 'ADDR=198.51.100.1 HELO=a', 'PORT=7'):
                with place.connect() as client:
                    client.hello()
                    client.command('XCLIENT ' + attributes, 220)
                    if before == 'STARTTLS':
                        place.secure(client)
                    elif before:
                        client.command(before, 250)
                    for attempt in ('LOGIN=alice', 'ADDR=192.0.2.1', 'PORT=77'):
                        client.command('XCLIENT ' + attempt, 500, '5.5.2')
                    check('XCLIENT' not in client.hello()[1], 'XCLIENT is offered to the client')
                    check(not may_relay(client), 'a client has become another one')
        place.relay.terminate()


@case
def refused():
    """Wrong syntax changes nothing; a client that may not come in hears why, and nobody goes on as somebody else."""
    with Place() as place:
        with place.connect() as client:
            client.hello()
            for wrong in ('', ' ', ' ADDR', ' ADDR=', ' ADDR=192.0.2.300', ' ADDR=198.51.100.1+0D+0A', ' FOO=bar',
                          ' ADDR=198.51.100.1 ADDR=198.51.100.1', ' LOGIN=a b', ' LOGIN=a+00', ' PORT=99999',
                          ' PROTO=HTTP', ' HELO=two words', ' HELO=%s' % (256 * 'x'), ' ADDR=fe80::1%eth0'):
                client.command('XCLIENT' + wrong, 501, '5.5.4')
            client.command('XCLIENT ADDR=198.51.100.1' + 3000 * ' ', 500)
            client.command('XCLIENT ADDR=192.0.2.1', 220)
            client.hello()
            check(may_relay(client), 'a wrong XCLIENT has changed something')
        for attributes, code in (('ADDR=[UNAVAILABLE]', 550), ('ADDR=192.0.2.1 LOGIN=nobody', 550),
                                 ('LOGIN=+41lic', 550)):
            with place.connect() as client:
                client.hello()
                client.command('XCLIENT ' + attributes, code)
                check(client.closed(), 'it goes on')
        # The client's own limit, whichever proxy brings it; and those that leave make room.
        clients = []
        for code in (220, 220, 220, 421):
            clients.append(place.connect())
            clients[-1].hello()
            clients[-1].command('XCLIENT ADDR=192.0.2.1', code)
        check(clients[3].closed(), 'it goes on')
        clients[0].close()

        def comes_in():
            with place.connect() as client:
                client.hello()
                client.send('XCLIENT ADDR=192.0.2.2\r\n')
                return client.reply()[0] == 220

        eventually(comes_in, 'there is room for another one')
        for client in clients:
            client.close()
        place.relay.terminate()


if __name__ == '__main__':
    harness.main(together=3)
