#!/usr/bin/python3
"""tests/e2e/test_proxy.py - listeners behind a load balancer that says whose its connections are (PROXY protocol)."""

import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Certificates, Client, NextHop, Workspace, case, check, equal, eventually  # noqa: E402
from harness import main, message  # noqa: E402

MODES = {'clear': 'off', 'offered': 'offered', 'implicit': 'implicit'}
BALANCER = '127.0.0.9'  # listeners believe nobody else
SIGNATURE = b'\r\n\r\n\0\r\nQUIT\n'


def v1(client, port=1025):
    family = 'TCP6' if ':' in client else 'TCP4'
    return ('PROXY %s %s %s %d 25\r\n' % (family, client, '::1' if ':' in client else '192.0.2.2', port)).encode()


def v2(client, tail=b'', command=0x21):
    family = socket.AF_INET6 if ':' in client else socket.AF_INET
    octets = socket.inet_pton(family, client)
    rest = octets + bytes(len(octets)) + struct.pack('>HH', 1025, 25) + tail
    return SIGNATURE + bytes([command, 0x21 if ':' in client else 0x11]) + struct.pack('>H', len(rest)) + rest


LOCAL = SIGNATURE + b'\x20\0\0\0'


class Place:
    """A relay with a listener of each mode, which believes the balancer; 192.0.2.0/24 and 2001:db8::/32 may relay."""

    def __init__(self, **changes):
        self.work = Workspace()
        self.certificates = Certificates()
        self.hop = self.work.own(NextHop())
        listeners = [{'name': name, 'address': '127.0.0.1:0', 'tls': tls, 'proxy_protocol_from': [BALANCER]}
                     for name, tls in MODES.items()]
        configuration = self.work.configuration([self.hop.host], listeners=listeners, clients=[
            {'name': 'office', 'networks': ['192.0.2.0/24', '2001:db8::/32'], 'limits': {'connections': 3}},
            {'name': 'direct', 'networks': ['127.0.0.1/32']}])
        configuration['tls'] = {'certificates': [{'certificate': self.certificates.server,
                                                  'private_key': self.certificates.server_key}]}
        configuration.update(changes)
        self.relay = self.work.relay(configuration)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.work.__exit__(*_)

    def connect(self, mode='clear', header=b'', source=BALANCER):
        client = Client(self.relay.addresses()[list(MODES).index(mode)], greeting=False, source=source)
        client.send(header)
        return client

    def wrap(self, client):
        check(not client.buffer, 'octets in clear: %r', bytes(client.buffer))
        client.socket = self.certificates.client_context().wrap_socket(client.socket,
                                                                       server_hostname='mail.example.org')
        return client

    def told(self, name, count=1):
        eventually(lambda: len(self.relay.events(name)) >= count, lambda: '%d times %s' % (count, name))
        return self.relay.events(name)


def send_one(client, number=1):
    client.hello()
    client.envelope()
    client.data(message(number))
    client.command('QUIT', 221)


@case
def whose_it_is():
    """Both versions, in clear, with STARTTLS and with TLS from the first octet: the client, Received and the events
    have the address that the header says."""
    with Place() as place:
        expected = []
        for mode in MODES:
            for header, peer in ((v1('192.0.2.77'), '192.0.2.77'), (v1('2001:db8::77'), '2001:db8::77'),
                                 (v2('192.0.2.78'), '192.0.2.78'), (v2('2001:db8::78'), '2001:db8::78'),
                                 (v1('::ffff:192.0.2.79'), '192.0.2.79'),
                                 (v2('192.0.2.80', b'\x03\0\x04abcd' + b'\x20\x40\0' + bytes(0x4000)), '192.0.2.80')):
                with place.connect(mode, header) as client:
                    if mode == 'implicit':
                        place.wrap(client)
                    client.expect(220)
                    if mode == 'offered':
                        client.hello()
                        client.command('STARTTLS', 220)
                        place.wrap(client)
                    send_one(client)
                expected.append(peer)
        arrivals = place.hop.wait_arrivals(len(expected))
        for name in ('session', 'accepted'):
            events = place.told(name, len(expected))
            equal(sorted(event['peer'] for event in events), sorted(expected), 'peers of ' + name)
            check(all(event['client'] == 'office' for event in events), 'the client is the office')
        for peer in expected:
            literal = b'[IPv6:%s]' % peer.encode() if ':' in peer else b'[%s]' % peer.encode()
            check(any(literal in arrival.content for arrival in arrivals), 'Received has %s', literal)
        check(not any(BALANCER.encode() in arrival.content for arrival in arrivals), 'the balancer is in a message')
        place.relay.terminate()


@case
def nobody_who_may_relay():
    """An address that is no client's is none, whatever the balancer's own is; LOCAL and UNKNOWN are the balancer's."""
    with Place() as place:
        for header, peer in ((v1('198.51.100.1'), '198.51.100.1'), (v2('127.0.0.2'), '127.0.0.2'),
                             (b'PROXY UNKNOWN\r\n', BALANCER), (b'PROXY UNKNOWN 192.0.2.1 x\r\n', BALANCER),
                             (LOCAL, BALANCER), (v2('192.0.2.1', command=0x20), BALANCER),
                             (SIGNATURE + b'\x21\0\0\0', BALANCER),
                             (SIGNATURE + b'\x21\x31\0\xd8' + bytes(216), BALANCER)):
            with place.connect(header=header) as client:
                client.expect(220)
                client.hello()
                client.command('MAIL FROM:<a@example.net>', 250)
                client.command('RCPT TO:<b@example.com>', 550)
                client.command('QUIT', 221)
            eventually(lambda: place.relay.events('session') and place.relay.events('session')[-1]['peer'] == peer,
                       lambda: 'a session of %s' % peer)
        place.relay.terminate()


@case
def cut_anywhere():
    """The header in one piece with what follows, and cut at each octet: the session hears all that is behind it, and
    nothing is said before its last octet."""
    with Place() as place:
        for header in (v1('192.0.2.77'), v2('192.0.2.77', b'\x04\0\x02ab')):
            with place.connect(header=header + b'EHLO a.example.net\r\nQUIT\r\n') as client:
                equal([reply[0] for reply in client.replies()], [220, 250, 221], 'replies')
            for at in range(1, len(header)):
                with place.connect(header=header[:at]) as client:
                    client.socket.settimeout(0.002)
                    try:
                        check(not client.socket.recv(1), 'something is said before the header is whole')
                        raise AssertionError('closed inside of a header')
                    except TimeoutError:
                        pass
                    client.socket.settimeout(60)
                    client.send(header[at:] + b'EHLO a.example.net\r\nQUIT\r\n')
                    equal([reply[0] for reply in client.replies()], [220, 250, 221], 'replies, cut at %d' % at)
            with place.connect() as client:
                for octet in header + b'NOOP\r\n':
                    client.send(bytes([octet]))
                equal([client.reply()[0], client.reply()[0]], [220, 250], 'octet by octet')
        place.relay.terminate()


class Piecewise:
    """A socket whose first octets wait for the header to be sent in front of them."""

    def __init__(self, plain, header):
        self.plain, self.header = plain, header

    def send(self, octets):
        self.plain.sendall(self.header + octets)
        self.header = b''


@case
def client_hello_behind_the_header():
    """TLS from the first octet: the client's hello in the header's segment, and both octet by octet."""
    import ssl
    with Place() as place:
        for header in (v1('192.0.2.77'), v2('2001:db8::77', b'\x04\0\x01a')):
            for cut in (0, 1, 7):
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = place.certificates.client_context().wrap_bio(incoming, outgoing,
                                                                   server_hostname='mail.example.org')
                with place.connect('implicit') as client:
                    first, said = header, b''
                    deadline = time.monotonic() + 60
                    while b'\r\n' not in said and time.monotonic() < deadline:
                        try:
                            said += tls.read(4096) if tls.version() and not first else b''
                            tls.do_handshake()
                        except ssl.SSLWantReadError:
                            pass
                        octets, first = first + outgoing.read(), b''
                        for i in range(0, len(octets), cut or len(octets) or 1):
                            client.send(octets[i:i + (cut or len(octets))])
                        if b'\r\n' not in said:
                            got = client.socket.recv(65536)
                            check(got, 'closed')
                            incoming.write(got)
                    check(said.startswith(b'220 '), 'the greeting: %r', said)
        place.relay.terminate()


@case
def no_header():
    """A balancer that begins otherwise, or does not begin, gets no word; the event says what is to be done. One that
    only looks whether somebody listens makes none."""
    with Place(timeouts={'command': '1s'}) as place:
        for octets in (b'EHLO a.example.net\r\n', b'PROXY TCP4 192.0.2.1 192.0.2.2 1025\r\n', b'\x16\x03\x01\x02\0',
                       b'PROXY TCP4 ' + b'1' * 200, b'PROXY UDP4 192.0.2.1 192.0.2.2 1 25\r\n',
                       SIGNATURE + b'\x21\x11\0\x0b', v1('192.0.2.1')[:-2] + b'\n'):
            with place.connect(header=octets) as client:
                check(client.closed(), 'something is said to %r', octets)
        for mode, octets in (('clear', b''), ('clear', b'PROXY TCP4 '), ('implicit', b''),
                             ('clear', SIGNATURE + b'\x21\x11\x01\0' + bytes(50))):
            with place.connect(mode, octets) as client:
                check(client.closed(), 'something is said to %r', octets)
        events = place.told('proxy_header', 11)
        equal(len(events), 11, 'events')
        check(all(event['level'] == 'warning' and 'send-proxy' in event['action'] and
                  'proxy_protocol_from' in event['action'] for event in events), 'they say what to do')
        check(all(event['reason'] == 'no PROXY header' for event in place.told('session', 11)), 'reasons')
        place.connect().close()
        equal(place.told('session', 12)[-1]['reason'], 'closed', 'a look at the port')
        equal(len(place.relay.events('proxy_header')), 11, 'events')
        place.relay.terminate()


@case
def stl_09_header_of_a_stranger():
    """A peer that is no balancer is a client like any other, and its header no header."""
    with Place() as place:
        for header in (v1('192.0.2.77'), v2('192.0.2.77')):
            with place.connect(source='127.0.0.3') as client:
                client.expect(220)
                client.send(header + b'EHLO a.example.net\r\nQUIT\r\n')
                codes = [reply[0] for reply in client.replies()]
                check(codes == [421] or codes == [500] * 5 + [221], 'replies: %s', codes)
        with place.connect(source='127.0.0.1') as client:
            client.expect(220)
            send_one(client)
        place.hop.wait_arrivals(1)
        equal([event['client'] for event in place.told('accepted')], ['direct'], 'client')
        check(all(event['peer'] != '192.0.2.77' for event in place.told('session', 3)), 'a stranger was believed')
        place.relay.terminate()


@case
def limits_are_the_clients():
    """Connections count for the client and the address that the header says, not for the balancer, and are given
    back."""
    with Place(limits={'connections_per_client': 2, 'connections': 8}) as place:
        for _ in range(2):
            # Balancers that have said nothing yet are nobody's.
            quiet = [place.connect() for _ in range(3)]
            first = [place.connect(header=v1('192.0.2.1')) for _ in range(2)]
            for client in first:
                client.expect(220)
            with place.connect(header=v2('192.0.2.1')) as client:
                client.expect(421, '4.3.2')
            with place.connect(header=v1('192.0.2.2')) as third:
                third.expect(220)
                with place.connect(header=v1('192.0.2.3')) as client:
                    client.expect(421, '4.3.2')  # the office has three
                with place.connect(header=v1('198.51.100.1')) as client:
                    client.expect(220)
            ended = len(place.relay.events('session'))
            for client in quiet + first:
                client.close()
            place.told('session', ended + 5)
            eventually(lambda: len(place.relay.events('session')) % 9 == 0, lambda: 'all have ended')
        place.relay.terminate()


if __name__ == '__main__':
    main()
