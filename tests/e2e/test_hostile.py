#!/usr/bin/python3
"""tests/e2e/test_hostile.py - clients that are slow, greedy or hostile (RELIABILITY DOS-01 to DOS-04): each costs a
bounded amount, and an honest one beside them does not notice.
"""

import base64
import os
import resource
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (Certificates, Client, NextHop, Workspace, case, check, equal, eventually, message,  # noqa: E402
                     program)

certificates = Certificates()
LISTENERS = [{'name': 'lan', 'address': '127.0.0.1:0', 'tls': 'offered', 'auth': 'offered', 'auth_in_clear': True},
             {'name': 'implicit', 'address': '127.0.0.1:0', 'tls': 'implicit'},
             {'name': 'balanced', 'address': '127.0.0.1:0', 'proxy_protocol_from': ['127.0.0.0/8']}]
SLOW = '127.0.0.2'


class Place:
    """A relay with listeners of all kinds, and one honest client that sends a message again and again."""

    def __init__(self, **changes):
        self.work = Workspace()
        self.hop = self.work.own(NextHop())
        made = subprocess.run([program('postrider'), 'hash', 'scanner'], input=b'a password\n', capture_output=True)
        users = self.work.write('users', made.stdout.decode())
        os.chmod(users, 0o600)
        configuration = self.work.configuration([self.hop.host], listeners=LISTENERS, users_file=users, **changes)
        configuration['tls'] = {'certificates': [{'certificate': certificates.server,
                                                  'private_key': certificates.server_key}]}
        self.relay = self.work.relay(configuration)
        self.relay.noise.clear()  # the warning that passwords go in clear
        self.lan, self.implicit, self.balanced = self.relay.addresses()
        self.sent, self.late, self.over = 0, 0.0, threading.Event()
        self.failure = None
        self.honest = threading.Thread(target=self.send)
        self.honest.start()

    def session(self):
        with Client(self.lan) as client:
            client.hello()
            while not self.over.is_set():
                began = time.monotonic()
                client.envelope()
                client.data(message(self.sent))
                self.sent += 1
                self.late = max(self.late, time.monotonic() - began)
                time.sleep(0.02)
            client.command('QUIT', 221)

    def send(self):
        while not self.over.is_set():
            try:
                self.session()
            except Exception as error:
                # On a busy machine this one may miss a short deadline, too: it comes again, and nothing was taken.
                if '421 4.4.2' not in str(error):
                    self.failure = error  # told by whoever waits for it
                    return

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.over.set()
        self.honest.join()
        try:
            if kind is None:
                check(self.failure is None, 'the honest client: %s', self.failure)
                check(self.sent > 0, 'the honest client has sent nothing')
                # A machine that is busy with other things makes it late as well: this is for what waits for others.
                check(self.late < 10, 'the honest client waited %.1f s', self.late)
                self.hop.wait_arrivals(self.sent)
                equal(sorted(self.hop.sequences()), list(range(self.sent)), 'messages that arrived')
                loud = [event for event in self.relay.events_seen if event['level'] == 'error']
                check(not loud, 'events: %s', loud[:2])
                self.relay.terminate()
        finally:
            self.work.__exit__(kind, *rest)

    def goes_on(self, count=3):
        """Honest messages go while this waits."""
        before = self.sent
        eventually(lambda: self.sent >= before + count or self.failure, 'the honest client goes on', 60)


def drain(one):
    """All that comes until the relay closes."""
    octets = b''
    while True:
        try:
            more = one.recv(65536)
        except ConnectionResetError:
            return octets
        if not more:
            return octets
        octets += more


def until(one, text):
    octets = b''
    while text not in octets:
        more = one.recv(4096)
        check(more, 'closed after %r', octets[-200:])
        octets += more
    return octets


def hello(one):
    until(one, b'220 ')
    one.sendall(b'EHLO slow.example.net\r\n')
    until(one, b'250 ENHANCED')


def in_command(one):
    hello(one)


def in_auth(one):
    hello(one)
    one.sendall(b'AUTH LOGIN\r\n')
    until(one, b'334 ')


def in_transaction(one):
    hello(one)
    one.sendall(b'MAIL FROM:<slow@example.net>\r\nRCPT TO:<slow@example.com>\r\n')
    until(one, b'2.1.5')


def in_content(one):
    in_transaction(one)
    one.sendall(b'DATA\r\n')
    until(one, b'354 ')


def in_starttls(one):
    hello(one)
    one.sendall(b'STARTTLS\r\n')
    until(one, b'220 ')
    one.sendall(b'\x16\x03\x01\x02\x00\x01\x00')


def in_implicit(one):
    one.sendall(b'\x16\x03\x01\x02\x00\x01\x00')


def in_header(one):
    one.sendall(b'PROXY TCP4 ')


@case
def DOS_01_an_octet_at_a_time_in_every_phase():
    """The deadline is for the whole of what is waited for, wherever a peer trickles; none is there for long."""
    phases = {'lan': (None, in_command, in_auth, in_transaction, in_content, in_starttls),
              'implicit': (None, in_implicit), 'balanced': (None, in_header)}
    with Place(timeouts={'command': '2s', 'data': '4s'}) as place:
        peers = []
        for name, ways in phases.items():
            for way in ways:
                one = socket.create_connection(getattr(place, name), 60, (SLOW, 0))
                if way:
                    way(one)
                peers.append((name, way, one))
        ended, began = {}, time.monotonic()
        while len(ended) < len(peers):
            check(time.monotonic() - began < 60, 'a minute later these are still there: %s', [
                (name, way and way.__name__) for name, way, one in peers if one not in ended])
            for name, way, one in peers:
                if one in ended:
                    continue
                try:
                    if way:
                        one.sendall(b'x')
                    one.settimeout(0.02)
                    while one.recv(4096):
                        pass
                    ended[one] = time.monotonic() - began
                except socket.timeout:
                    pass
                except OSError:
                    ended[one] = time.monotonic() - began
            time.sleep(0.1)
        reasons = eventually(lambda: len(place.relay.events('session')) >= len(peers) and
                             sorted({event['reason'] for event in place.relay.events('session')}), 'their events')
        for reason in ('timeout', 'TLS handshake timeout', 'content too slow', 'no PROXY header'):
            check(reason in reasons, '%s: there are %s', reason, reasons)
        place.goes_on()


@case
def DOS_01_nobody_reads_the_replies():
    """Twenty peers with a hundred thousand commands each that read nothing: they wait, and end by the deadline."""
    with Place(timeouts={'command': '3s'}) as place:
        peers = []
        for _ in range(20):
            one = socket.create_connection(place.lan, 60, (SLOW, 0))
            one.setblocking(False)
            peers.append(one)
        began, left = time.monotonic(), set(peers)
        while left and time.monotonic() - began < 60:
            for one in list(left):
                try:
                    one.send(b'HELP\r\n' * 10000)
                except BlockingIOError:
                    pass
                except OSError:
                    left.remove(one)
            time.sleep(0.01)
        check(not left, '%d are still there', len(left))
        place.goes_on()
        check(place.relay.memory() < 150 << 20 or 'SANITIZED' in os.environ, 'the relay has %d octets',
              place.relay.memory())


@case
def DOS_01_and_02_two_thousand_slow_peers():
    """Half commands, begun contents and half handshakes, a third each: an honest client is served as before."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with Place() as place:
        peers = []
        for i in range(2000):
            one = socket.create_connection(place.implicit if i % 3 == 2 else place.lan, 60, (SLOW, 0))
            peers.append(one)
            if i % 3 == 2:
                in_implicit(one)
            else:
                one.sendall(b'EHLO slow\r\nMAIL FROM:<slow@example.net>\r\nRCPT TO:<slow@example.com>\r\n' +
                            (b'DATA\r\nbegun' if i % 3 else b'RCPT TO:<half'))
        place.goes_on(20)
        for one in peers:
            one.sendall(b'y' * 10)
        place.goes_on(20)
        check(place.relay.memory() < 250 << 20 or 'SANITIZED' in os.environ, 'the relay has %d octets',
              place.relay.memory())
        for one in peers:
            one.close()


def flood(place, commands, count):
    """So many in one stream, whose replies are read as they come; returns how often each code was there."""
    codes = {}
    with socket.create_connection(place.lan, 60, (SLOW, 0)) as one:
        hello(one)
        def write():
            try:
                one.sendall(commands * count + b'QUIT\r\n')
            except OSError:
                pass
        writer = threading.Thread(target=write)
        writer.start()
        for line in drain(one).split(b'\r\n'):
            if line[3:4] == b' ':
                codes[line[:3]] = codes.get(line[:3], 0) + 1
        writer.join()
    return codes


@case
def DOS_03_floods_of_what_is_allowed():
    """Each has its answer, however many there are; no other client waits for that."""
    many = 20000
    with Place() as place:
        for line in (b'NOOP\r\n', b'RSET\r\n', b'VRFY all\r\n', b'HELP\r\n', b'EHLO again.example.net\r\n'):
            codes = flood(place, line, many)
            equal(sum(codes.values()) - 1, many, 'replies to %r: %s' % (line, codes))
            place.goes_on(1)
        codes = flood(place, b'MAIL FROM:<empty@example.net>\r\nRSET\r\n', many)
        equal(codes, {b'250': 2 * many, b'221': 1}, 'empty transactions')
        codes = flood(place, b'MAIL FROM:<empty@example.net>\r\n' + b'RCPT TO:<many@example.com>\r\n' * many, 1)
        # RFC 5321 4.5.3.1.8: at least a hundred.
        equal(codes.get(b'250'), 1001, 'MAIL and recipients that are taken: %s' % codes)
        equal(codes.get(b'452'), many - 1000, 'recipients that are too many')


@case
def DOS_03_messages_of_one_octet():
    many = 300
    with Place() as place:
        with Client(place.lan, source=SLOW) as client:
            client.hello()
            for _ in range(many):
                client.send(b'MAIL FROM:<>\r\nRCPT TO:<one@example.com>\r\nDATA\r\n')
                for code in (250, 250, 354):
                    client.expect(code)
                client.send(b'x\r\n.\r\n')
                client.expect(250)
        eventually(lambda: len([a for a in place.hop.arrivals if a.sender == '']) == many, 'all of them arrived', 120)
        place.hop.arrivals[:] = [a for a in place.hop.arrivals if a.sender != '']


@case
def DOS_03_thousands_of_bad_commands():
    """Twenty in a session, whatever they are; who comes again begins anew, and the log does not fill."""
    with Place() as place:
        for n in range(200):
            with socket.create_connection(place.lan, 60, (SLOW, 0)) as one:
                one.sendall([b'XYZZY\r\n', b'MAIL\r\n', b'\r\n', b'RCPT TO:<early@example.com>\r\n'][n % 4] * 1000)
                replies = drain(one).split(b'\r\n')
            # What is behind the 421 is not read: the reset that follows may take some of the replies along.
            check(len(replies) <= 25, '%d replies: %s', len(replies), replies[-3:])
        place.goes_on()
        told = [event for event in place.relay.events('refused') if event['peer'] == SLOW]
        check(len(told) <= 2 * 2 * 20, '%d refusals in the log', len(told))


@case
def DOS_03_connections_at_full_speed():
    """Open and gone, in all ways: nothing is left of any of them."""
    with Place() as place:
        for n in range(3000):
            with socket.create_connection(place.lan if n % 3 else place.implicit, 60, (SLOW, 0)) as one:
                if n % 2:
                    one.sendall(b'QUIT\r\n' if n % 3 else b'\x16\x03')
        place.goes_on()
        eventually(lambda: len(os.listdir('/proc/%d/fd' % place.relay.pid)) < 200, 'their descriptors are closed')


@case
def DOS_04_lines_without_end():
    """Fifty megabytes in one line: as a command it is refused once, as content it passes or is refused whole."""
    size = 15 << 20
    with Place() as place:
        with Client(place.lan, source=SLOW) as client:
            client.hello()
            client.send(b'NOOP ' + b'x' * (50 << 20) + b'\r\n')
            client.expect(500)
            client.command('NOOP', 250)
            client.envelope(recipients=['long@example.com'])
            content = b'Subject: long\r\n\r\n' + b'y' * size + b'\r\n'
            client.data(content)
            client.envelope(recipients=['headers@example.com'])
            headers = b'X-Many: of these\r\n' * (size // 18) + b'\r\nbody\r\n'
            client.data(headers)
        arrived = eventually(lambda: [a for a in place.hop.arrivals if a.sender == 'sender@example.net' and
                                      a.recipients[0] in ('long@example.com', 'headers@example.com')][:2][1:] and
                             list(place.hop.arrivals), 'both arrived', 120)
        for arrival in arrived:
            if arrival.recipients == ['long@example.com']:
                harness.same_octets(arrival.original, content, 'the long line')
            elif arrival.recipients == ['headers@example.com']:
                harness.same_octets(arrival.original, headers, 'the headers')
        place.hop.arrivals[:] = [a for a in place.hop.arrivals if a.recipients[0] not in (
            'long@example.com', 'headers@example.com')]


@case
def DOS_04_sizes_that_are_lies():
    """SIZE too small or too large: what comes is what counts."""
    with Place(spool={'message_size_max': '1MiB'}) as place:
        with Client(place.lan, source=SLOW) as client:
            client.hello()
            client.envelope(parameters=' SIZE=1')
            client.data(harness.message_of(90000, 2 << 20), 552)
            client.command('MAIL FROM:<a@example.net> SIZE=%d' % (2 << 20), 552)
            client.command('MAIL FROM:<a@example.net> SIZE=99999999999999999999', 552)
            client.command('NOOP', 250)
        place.goes_on()


def key_updates(place, *options):
    """openssl s_client that asks for new keys until the relay has had enough; how often it could."""
    s_client = subprocess.Popen(['openssl', 's_client', '-tls1_3', '-connect', '%s:%d' % place.lan, '-starttls', 'smtp',
                                 *options], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    count = 0
    try:
        time.sleep(0.5)
        for count in range(1, 3000):
            # Each must come alone: it is a command to s_client only where a read begins with it.
            s_client.stdin.write(b'K\n')
            s_client.stdin.flush()
            time.sleep(0.01)
            if s_client.poll() is not None:
                break
    except BrokenPipeError:
        pass
    finally:
        s_client.kill()
        s_client.wait()
        s_client.stdin.close()
    return count


@case
def DOS_03_key_updates_without_end():
    """Each costs us more than its sender: after some with nothing between them the session ends."""
    with Place() as place:
        count = key_updates(place)
        check(count < 2900, 'as many as it liked')
        eventually(lambda: [event for event in place.relay.events('session') if event['reason'] == 'TLS failed'],
                   'the session ended for it')


@case
def DOS_03_renegotiation():
    """TLS 1.2: who asks for it is gone."""
    with Place() as place:
        s_client = subprocess.Popen(['openssl', 's_client', '-tls1_2', '-connect', '%s:%d' % place.implicit],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            text = b''
            while b'\n220 ' not in text:
                more = os.read(s_client.stdout.fileno(), 65536)
                check(more, 's_client ended: %s', text[-300:])
                text += more
            s_client.stdin.write(b'R\n')
            s_client.stdin.flush()
            s_client.wait(60)
        finally:
            s_client.kill()
            s_client.wait()
            s_client.stdin.close()
            s_client.stdout.close()
        eventually(lambda: [event for event in place.relay.events('session') if event['listener'] == 'implicit'],
                   'the session has ended')


@case
def DOS_03_guesses_at_full_speed():
    """Passwords from a hundred connections at once: strangers are put off, and nobody waits for their hashes."""
    wrong = base64.b64encode(b'\0scanner\0guess').decode()
    with Place() as place:
        peers = []
        for i in range(100):
            one = Client(place.lan, source='127.0.1.%d' % (i % 50))
            one.hello()
            one.send('AUTH PLAIN %s\r\n' % wrong)
            peers.append(one)
        place.goes_on(10)
        codes = {one.reply()[0] for one in peers}
        check(codes <= {535, 454}, 'answers: %s', codes)
        for one in peers:
            one.close()


if __name__ == '__main__':
    harness.main(together=3)
