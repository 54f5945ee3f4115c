#!/usr/bin/python3
"""tests/e2e/test_smuggling.py - message boundaries over a real socket (RELIABILITY SMG-01 to SMG-06).

Every sequence BEFORE "." AFTER is put into a message and followed by a complete second transaction. The oracle is the
list of replies: whatever is no CRLF.CRLF leaves exactly one reply to the message and one to QUIT, so nothing behind it
was read as a command. What is accepted is then looked at where it comes out.
"""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from boundaries import NAMED, SECOND, forbidden, head, matrix  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, message, same_octets, unstuff  # noqa: E402
from ways import WAYS, Ways  # noqa: E402


class Channel:
    """One relay and one next hop for many attempts, in clear or over TLS."""

    def __init__(self, work, extensions=harness.ALL_EXTENSIONS, way='clear'):
        self.place, self.way = Ways(work, extensions), way
        self.hop, self.relay = self.place.hop, self.place.relay
        self.number = 0
        self.lock = threading.Lock()
        self.accepted = {}  # sequence: content that must arrive

    def attempt(self, pieces, chunks=False):
        """Sends the pieces behind 354 and then QUIT; returns the replies. `chunks`: each piece is a chunk of BDAT."""
        with self.place.connect(self.way) as client:
            client.envelope()
            if not chunks:
                client.command('DATA', 354)
            for i, piece in enumerate(pieces):
                if chunks:
                    client.send(b'BDAT %d%s\r\n' % (len(piece), b' LAST' if i == len(pieces) - 1 else b''))
                client.send(piece)
                if len(pieces) > 1:
                    # A moment for the relay to read this piece before the next one is there.
                    time.sleep(0.0005)
            client.send(b'QUIT\r\n')
            return client.replies()

    def next_number(self):
        with self.lock:
            self.number += 1
            return self.number

    def check_one(self, name, sequence, split):
        """An attempt that must be one message, accepted or refused. split(octets) gives the pieces."""
        number = self.next_number()
        body = head(number) + sequence + SECOND
        replies = self.attempt(split(body + b'.\r\n'))
        codes = [code for code, _ in replies]
        if forbidden(body):
            equal(codes, [550, 221], name)
            check(replies[0][1].startswith('5.6.11 '), '%s: %s', name, replies[0])
        else:
            equal(codes, [250, 221], name)
            self.accepted[number] = unstuff(body)

    def check_chunks(self, name, sequence, split):
        """The same by BDAT: it is one message, and its dots are content. The chunk with the fault is refused, and so is
        what comes behind it."""
        number = self.next_number()
        body = head(number) + sequence + SECOND
        pieces = split(body)
        replies = self.attempt(pieces, True)
        codes = [code for code, _ in replies]
        if forbidden(body):
            check(codes[-1] == 221 and codes.count(550) == 1 and len(codes) == len(pieces) + 1, '%s: %s', name, codes)
            at = codes.index(550)
            check(set(codes[:at]) <= {250} and set(codes[at + 1:-1]) <= {503}, '%s: %s', name, codes)
            check(replies[at][1].startswith('5.6.11 '), '%s: %s', name, replies[at])
        else:
            equal(codes, [250] * len(pieces) + [221], name)
            self.accepted[number] = body

    def check_arrivals(self):
        """What was accepted arrived once, unaltered and clean on the wire; nothing else did (SMG-03, I2)."""
        arrivals = self.hop.wait_arrivals(len(self.accepted))
        self.relay.terminate()
        equal(len(self.relay.events('accepted')), len(self.accepted), 'messages that the relay took')
        found = {}
        for arrival in list(self.hop.arrivals):
            check(arrival.sender != 'evil@example.net', 'a smuggled message was delivered')
            check(not forbidden(arrival.raw), 'on the wire to the next hop: %r', harness.shorten(arrival.raw))
            found.setdefault(arrival.sequence, []).append(arrival)
        equal(sorted(found), sorted(self.accepted), 'messages that arrived')
        for sequence, content in self.accepted.items():
            equal(len(found[sequence]), 1, 'arrivals of one message')
            same_octets(found[sequence][0].original, content, 'content')
        check(arrivals or not self.accepted, 'nothing arrived')
        return '%d attempts, %d accepted' % (self.number, len(self.accepted))


def whole(octets):
    return [octets]


def single(octets):
    return [octets[i:i + 1] for i in range(len(octets))]


def around(sequence):
    """Ways to part a message in two pieces: at each offset in and around the sequence."""
    start = len(head(0))
    return [lambda octets, at=at: [octets[:at], octets[at:]]
            for at in range(start - 1, start + len(sequence) + 2)]


def run_matrix(splits, extensions=harness.ALL_EXTENSIONS, way='clear', chunks=False):
    """All sequences, each in all the ways that splits(sequence) has to cut it."""
    sequences, controls = matrix()
    equal((len(sequences), len(controls)), (180, 6), 'the matrix')
    with Workspace() as work:
        channel = Channel(work, extensions, way)
        one = channel.check_chunks if chunks else channel.check_one
        # CRLF.CRLF in a chunk is as good as any other content (SMG-04).
        harness.parallel(one, [(name, sequence, split) for name, sequence in sequences.items()
                               for split in splits(sequence) if chunks or name not in controls])
        return channel.check_arrivals()


@case
def smg_01_matrix_in_one_write():
    return ', '.join(run_matrix(lambda _: [whole], way=way) for way in WAYS)


@case
def smg_01_matrix_to_a_host_without_chunking():
    return run_matrix(lambda _: [whole], extensions=('PIPELINING', '8BITMIME'))


@case
def smg_01_matrix_octet_by_octet():
    """Over TLS each octet has a record of its own."""
    return ', '.join(run_matrix(lambda _: [single], way=way) for way in WAYS)


@case
def smg_01_matrix_split_at_every_offset():
    return ', '.join(run_matrix(around, way=way) for way in WAYS)


# No chunks; and 8-bit content goes on as it is.
BY_DATA = ('PIPELINING', '8BITMIME')


@case
def smg_04_matrix_in_chunks():
    """BDAT is no side door: each sequence in one chunk, and with a chunk's end at each offset; to a host that takes
    chunks, and to one that must be told by DATA."""
    return ', '.join(run_matrix(lambda sequence: [whole] + around(sequence), extensions, way, True)
                     for extensions, way in ((harness.ALL_EXTENSIONS, 'clear'), (BY_DATA, 'starttls'),
                                             (BY_DATA, 'implicit')))


@case
def smg_02_named_variants_at_buffer_boundaries():
    """The sequence lies across the ends of receive buffers and content blocks (16 KiB) and of records (256 KiB)."""
    with Workspace() as work:
        channel = Channel(work)
        for name, sequence in NAMED.items():
            for boundary in (16368, 16384, 32768, 262144):
                for shift in range(-4, 3):
                    channel.number += 1
                    first = head(channel.number) + b'\r\n'
                    # Lines of filler, so that the sequence begins `shift` octets from the boundary.
                    room = boundary + shift - len(first)
                    filler = (b'f' * 70 + b'\r\n') * (room // 72) + b'g' * (room % 72)
                    body = first + filler + sequence + SECOND
                    codes = [code for code, _ in channel.attempt([body + b'.\r\n'])]
                    equal(codes, [550, 221], '%s at %d%+d' % (name, boundary, shift))
        channel.check_arrivals()
        equal(len(channel.hop.arrivals), 0, 'arrivals')


@case
def smg_01_controls_end_the_data():
    """The six with a real CRLF.CRLF: data ends exactly there, and what follows are commands."""
    sequences, controls = matrix()
    for split in (whole, single):
        with Workspace() as work:
            channel = Channel(work)
            expected = {}
            for name in sorted(controls):
                channel.number += 1
                first = head(channel.number) + sequences[name]
                end = first.index(b'\r\n.\r\n') + 2
                codes = [code for code, _ in channel.attempt(split(first + SECOND + b'.\r\n'))]
                bad = forbidden(first[:end])
                if not bad:
                    expected[channel.number] = 1
                if name.endswith('+NUL'):
                    # NUL and "MAIL FROM" are one bad command; then RCPT and DATA out of sequence. The body that
                    # came along with a refused DATA must not be read as commands (SMG-05): the session ends.
                    check(codes[:1] == [550 if bad else 250] and set(codes[1:]) <= {500, 501, 503, 554, 421, 221},
                          '%s: %s', name, codes)
                else:
                    equal(codes, [550 if bad else 250, 250, 250, 354, 250, 221], name)
                    expected[999999999999] = expected.get(999999999999, 0) + 1
            channel.hop.wait_arrivals(sum(expected.values()))
            time.sleep(0.3)
            found = {}
            for sequence in channel.hop.sequences():
                found[sequence] = found.get(sequence, 0) + 1
            equal(found, expected, 'arrivals')
            channel.relay.terminate()


@case
def smg_05_octets_behind_a_refused_data():
    """SMG-05: DATA is refused, whyever, and a body comes in the same segment or later: no line of it is a command."""
    body = (b'Subject: x\r\n\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\n'
            b'evil\r\n.\r\nQUIT\r\n')
    with Workspace() as work:
        hop = work.own(NextHop())
        configuration = work.configuration([hop.host])
        configuration['routes'] = [{'recipient': '*@example.com', 'destination': 'next-hop'}]
        relay = work.relay(configuration)
        for prefix in (b'MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n',
                       b'MAIL FROM:<a@example.net>\r\n', b''):
            with Client(relay.address) as client:
                client.hello()
                client.send(prefix + b'DATA\r\n' + body)
                replies = client.replies()
                codes = [code for code, _ in replies]
                check(354 not in codes and codes[-1] in (503, 554) and codes[:-1] == [250, 550][:prefix.count(b'\n')],
                      'replies: %s', replies)
        # The body begins with the lines that hurt, and comes when the refusal has long been read.
        body = body[body.index(b'MAIL'):].replace(b'example.net', b'example.com')
        taken = b'MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.com>\r\n'
        for prefix, data in ((b'', b'DATA\r\n'), (b'MAIL FROM:<a@example.net>\r\n', b'DATA\r\n'),
                             (taken, b'DATA now\r\n'), (taken, b'data\n'), (taken, b'DATA\t\r\n'),
                             (taken, b'DATA\0\r\n'), (taken, b'DATA \x80\r\n'),
                             (taken, b'DATA' + b' ' * 3000 + b'\r\n'), (taken, b'BDAT ' + b'1' * 3000 + b'\r\n')):
            for late in (False, True):
                with Client(relay.address) as client:
                    client.hello()
                    client.send(prefix + data + (b'' if late else body))
                    for _ in range(prefix.count(b'\n')):
                        client.expect(250)
                    check(500 <= client.reply()[0] < 600, '%r was not refused', data[:20])
                    try:
                        client.send(body)
                    except OSError:
                        pass
                    equal(client.replies(), [], 'replies to the body behind %r' % data[:20])
        time.sleep(0.3)
        equal(hop.arrivals, [], 'arrivals')
        relay.terminate()


@case
def smg_06_legal_look_alikes():
    """SMG-06: what must keep working."""
    with Workspace() as work:
        hop = work.own(NextHop())
        relay = work.relay(work.configuration([hop.host]))
        envelope = b'MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n'
        contents = [message(1), b'', b'X-Postrider-Sequence: 000000000003\r\n', message(4) + b'.\r\n..\r\n...\r\n']
        with Client(relay.address) as client:
            client.hello()
            client.send(envelope)
            for number, content in enumerate(contents):
                client.expect(250)
                client.expect(250)
                client.expect(354)
                following = envelope if number + 1 < len(contents) else b'QUIT\r\n'
                client.send(harness.stuff(content) + b'.\r\n' + following)
                client.expect(250)
            client.expect(221)
            check(client.closed(), 'more after 221')
        arrivals = hop.wait_arrivals(len(contents))
        equal(sorted(arrival.original for arrival in arrivals), sorted(contents), 'contents')
        relay.terminate()


if __name__ == '__main__':
    harness.main()
