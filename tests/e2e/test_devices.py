#!/usr/bin/python3
"""tests/e2e/test_devices.py - old devices as they speak, and that what is forgiven one is forgiven nobody else."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, message, same_octets  # noqa: E402

# Who comes from where: a client of its own for each way in which lines may end.
CLIENTS = [{'name': 'lines', 'networks': ['127.0.0.2'], 'line_endings': 'normalize', 'long_lines': 'wrap'},
           {'name': 'any', 'networks': ['127.0.0.3'], 'line_endings': 'any'},
           {'name': 'others', 'networks': ['127.0.0.0/8']}]


class Place:
    """A relay, and a next hop that has what arrives."""

    def __init__(self, **changes):
        self.work = Workspace()
        self.hop = self.work.own(NextHop(harness.ALL_EXTENSIONS))
        self.relay = self.work.relay(self.work.configuration([self.hop.host], shards=1, **changes))
        self.arrived = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        with self.work:
            if kind is None:
                self.relay.terminate()
                equal(len(self.hop.arrivals), self.arrived, 'messages that arrived')

    def device(self, source):
        return Client(self.relay.address, source=source)

    def next_arrival(self):
        """What has arrived since, as it was on the wire: clean, whatever the device sent."""
        self.arrived += 1
        arrival = self.hop.wait_arrivals(self.arrived)[-1]
        check(not re.search(rb'\r(?!\n)|(?<!\r)\n|\0', arrival.raw), 'not clean: %r', harness.shorten(arrival.raw))
        return arrival


def talk(client, end, content, terminator, recipient='r@example.com'):
    """A session as a device writes it that ends its command lines in `end`; returns the replies' codes."""
    found = []
    for line in ('EHLO copier', 'MAIL FROM:<a@example.net>', 'RCPT TO:<%s>' % recipient, 'DATA'):
        client.send(line.encode() + end)
        reply = client.reply()
        found.append(reply and reply[0])
        if not reply or reply[0] >= 400:
            return found
    client.send(content + terminator)
    client.send(b'QUIT' + end)
    return found + [code for code, _ in client.replies()]


GOOD = [250, 250, 250, 354, 250, 221]
HEAD = b'Subject: scan\r\nX-Postrider-Sequence: %012d\r\n\r\n'


@case
def bare_lf_in_content_is_repaired_for_its_client_alone():
    """curl hands over a file with LF as it is, and ends it with CRLF.CRLF; MIME::Lite writes CR CR LF."""
    body = b'one\ntwo\r\r\nthree\r\n..four\n.\nMAIL FROM:<evil@example.net>\n'
    whole = b'one\r\ntwo\r\nthree\r\n.four\r\n.\r\nMAIL FROM:<evil@example.net>\r\n'
    with Place(clients=CLIENTS) as place:
        with place.device('127.0.0.4') as client:
            equal(talk(client, b'\r\n', HEAD % 1 + body, b'\r\n.\r\n'), GOOD[:4] + [550, 221], 'without it')
        with place.device('127.0.0.2') as client:
            equal(talk(client, b'\r\n', HEAD % 2 + body, b'\r\n.\r\n'), GOOD, 'with it')
        same_octets(place.next_arrival().original, HEAD % 2 + whole + b'\r\n', 'content')
        # Its commands must end in CRLF all the same, and a CR in the middle of a line means nothing.
        with place.device('127.0.0.2') as client:
            equal(talk(client, b'\n', b'', b''), [500], 'a command that ends in LF')
        with place.device('127.0.0.2') as client:
            equal(talk(client, b'\r\n', HEAD % 3 + b'a\rb', b'\r\n.\r\n'), GOOD[:4] + [550, 221], 'a CR in a line')


@case
def repaired_content_ends_where_everybodys_does():
    """SMG-01, SMG-02: of all that ends data elsewhere, nothing does here but CRLF.CRLF."""
    with Place(clients=CLIENTS) as place:
        for number, end in enumerate((b'\n.\n', b'\n.\r\n', b'\r\n.\n', b'\r\r\n.\r\r\n', b'\n.\r\r\n'), 1):
            inside = b'text' + end + b'MAIL FROM:<evil@example.net>\r\nRCPT TO:<v@example.com>\r\nDATA\r\n'
            with place.device('127.0.0.2') as client:
                equal(talk(client, b'\r\n', HEAD % number + inside, b'evil\r\n.\r\n'), GOOD, repr(end))
            arrival = place.next_arrival()
            equal(arrival.sender, 'a@example.net', 'sender')
            check(arrival.original.endswith(b'\r\nDATA\r\nevil\r\n'), 'cut: %r', arrival.original)
        with place.device('127.0.0.2') as client:
            # Behind a CR CR LF there is no line of its own: a CR that is bare, and refused.
            equal(talk(client, b'\r\n', HEAD % 9 + b'x\r.\r\ny', b'\r\n.\r\n'), GOOD[:4] + [550, 221], 'CR.CRLF')


@case
def a_device_that_ends_all_lines_in_lf():
    """Its DATA line says how its content's lines end; a device that says CRLF there has the strict end."""
    with Place(clients=CLIENTS) as place:
        for number, end in enumerate((b'\n', b'\r\r\n'), 1):
            content = (HEAD % number).replace(b'\r\n', end) + b'..dot' + end + b'last' + end
            with place.device('127.0.0.4') as client:
                equal(talk(client, end, content, b'.' + end)[0], 501 if number == 2 else 500, 'without it')
            with place.device('127.0.0.3') as client:
                equal(talk(client, end, content, b'.' + end), GOOD, repr(end))
            same_octets(place.next_arrival().original, HEAD % number + b'.dot\r\nlast\r\n', 'content')
        with place.device('127.0.0.3') as client:
            inside = b'text\n.\nMAIL FROM:<evil@example.net>\nRCPT TO:<v@example.com>\nDATA\nevil\n.\n'
            equal(talk(client, b'\r\n', HEAD % 3 + inside, b'\r\n.\r\n'), GOOD, 'commands in CRLF')
        arrival = place.next_arrival()
        equal(arrival.sender, 'a@example.net', 'sender')
        check(arrival.original.endswith(b'evil\r\n.\r\n\r\n'), 'cut: %r', arrival.original)


@case
def long_lines_are_wrapped():
    """A page of HTML in one line, as scanners write it: Exchange Online and others refuse it, or cut it."""
    line = b'word ' * 5000
    with Place(clients=CLIENTS) as place:
        with place.device('127.0.0.2') as client:
            equal(talk(client, b'\r\n', HEAD % 1 + line, b'\r\n.\r\n'), GOOD, 'replies')
        found = place.next_arrival().original
        check(max(map(len, found.split(b'\r\n'))) <= 998, 'a line of %d', max(map(len, found.split(b'\r\n'))))
        same_octets(found.replace(b'\r\n', b''), (HEAD % 1 + line).replace(b'\r\n', b''), 'content')
        with place.device('127.0.0.4') as client:
            equal(talk(client, b'\r\n', HEAD % 2 + line, b'\r\n.\r\n'), GOOD, 'others')
        same_octets(place.next_arrival().original, HEAD % 2 + line + b'\r\n', 'as it was')


@case
def large_content_in_odd_pieces():
    """Repaired content fills many blocks, and leaves in parts while it arrives."""
    lines = b''.join(b'%07d %s\n' % (n, b'x' * (n % 130)) for n in range(20000))
    with Place(clients=CLIENTS) as place, place.device('127.0.0.2') as client:
        client.hello()
        client.envelope()
        client.command('DATA', 354)
        octets = HEAD % 1 + lines + b'\r\n.\r\n'
        at, size = 0, 1
        while at < len(octets):
            client.send(octets[at:at + size])
            at, size = at + size, size * 7 % 30011 + 1
        client.expect(250)
        same_octets(place.next_arrival().original, HEAD % 1 + lines.replace(b'\n', b'\r\n') + b'\r\n', 'content')


if __name__ == '__main__':
    harness.main(together=4)
