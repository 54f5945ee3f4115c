#!/usr/bin/python3
"""tests/e2e/test_smuggling.py - message boundaries over a real socket (RELIABILITY SMG-01, -02, -03, -05, -06).

Every sequence BEFORE "." AFTER is put into a message and followed by a complete second transaction. The oracle is the
list of replies: whatever is no CRLF.CRLF leaves exactly one reply to the message and one to QUIT, so nothing behind it
was read as a command. What is accepted is then looked at where it comes out.
"""

import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, message, same_octets, unstuff  # noqa: E402

BEFORE = {'CRLF': b'\r\n', 'LF': b'\n', 'CR': b'\r', 'CRCRLF': b'\r\r\n', 'LFCR': b'\n\r', 'CRLF+NUL': b'\r\n\0',
          'NUL+CRLF': b'\0\r\n', 'NUL+LF': b'\0\n', 'VT': b'\x0b', 'FF': b'\x0c', 'x85': b'\x85',
          'U+2028': b'\xe2\x80\xa8'}
AFTER = {'CRLF': b'\r\n', 'LF': b'\n', 'CR': b'\r', 'CRCRLF': b'\r\r\n', 'LFCR': b'\n\r', 'NUL+CRLF': b'\0\r\n',
         'SP+CRLF': b' \r\n', 'TAB+CRLF': b'\t\r\n', 'CR+NUL+LF': b'\r\0\n', 'NUL': b'\0', 'CRLF+NUL': b'\r\n\0',
         'VT': b'\x0b', 'FF': b'\x0c', 'x85': b'\x85', 'U+2028': b'\xe2\x80\xa8'}
NAMED = {'LF.LF': b'\n.\n', 'LF.CRLF': b'\n.\r\n', 'CRLF.LF': b'\r\n.\n', 'CR.CR': b'\r.\r', 'CR.CRLF': b'\r.\r\n',
         'CR.LF': b'\r.\n', 'LF.CR': b'\n.\r', 'CRLF.CR': b'\r\n.\r', 'CRLF NUL.CRLF': b'\r\n\0.\r\n',
         'CRLF.NUL CRLF': b'\r\n.\0\r\n', 'CRLF.CRCRLF': b'\r\n.\r\r\n', 'CRCRLF.CRCRLF': b'\r\r\n.\r\r\n'}
SECOND = (b'MAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\n'
          b'X-Postrider-Sequence: 999999999999\r\n\r\nevil\r\n')


def matrix():
    """{name: sequence} of all 180, and the names of the six that do contain the end of data."""
    sequences = {'%s.%s' % (b, a): BEFORE[b] + b'.' + AFTER[a] for b in BEFORE for a in AFTER}
    return sequences, {name for name, octets in sequences.items() if b'\r\n.\r\n' in octets}


def head(number):
    return b'X-Postrider-Sequence: %012d\r\nSubject: first\r\n\r\ntext' % number


def forbidden(content):
    """Does content have a bare CR, a bare LF or a NUL?"""
    return b'\0' in content or bool(re.search(rb'\r(?!\n)|(?<!\r)\n', content))


class Channel:
    """One relay and one next hop for many attempts."""

    def __init__(self, work, extensions=harness.ALL_EXTENSIONS):
        self.hop = work.own(NextHop(extensions))
        self.relay = work.relay(work.configuration([self.hop.host]))
        self.number = 0
        self.accepted = {}  # sequence: content that must arrive

    def attempt(self, pieces, content):
        """Sends the pieces behind 354 and then QUIT; returns the replies. `content`: None for a control."""
        with Client(self.relay.address) as client:
            client.hello()
            client.envelope()
            client.command('DATA', 354)
            for piece in pieces:
                client.send(piece)
                if len(pieces) > 1:
                    # A moment for the relay to read this piece before the next one is there.
                    time.sleep(0.0005)
            client.send(b'QUIT\r\n')
            return client.replies()

    def check_one(self, name, sequence, split):
        """An attempt that must be one message, accepted or refused. split(octets) gives the pieces."""
        self.number += 1
        body = head(self.number) + sequence + SECOND
        replies = self.attempt(split(body + b'.\r\n'), body)
        codes = [code for code, _ in replies]
        if forbidden(body):
            equal(codes, [550, 221], name)
            check(replies[0][1].startswith('5.6.11 '), '%s: %s', name, replies[0])
        else:
            equal(codes, [250, 221], name)
            self.accepted[self.number] = unstuff(body)

    def check_arrivals(self):
        """What was accepted arrived once, unaltered and clean on the wire; nothing else did (SMG-03, I2)."""
        arrivals = self.hop.wait_arrivals(len(self.accepted))
        time.sleep(0.3)
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


def whole(octets):
    return [octets]


def single(octets):
    return [octets[i:i + 1] for i in range(len(octets))]


def run_matrix(split, only=None, extensions=harness.ALL_EXTENSIONS):
    sequences, controls = matrix()
    equal((len(sequences), len(controls)), (180, 6), 'the matrix')
    with Workspace() as work:
        channel = Channel(work, extensions)
        for name, sequence in sequences.items():
            if name not in controls and (only is None or name in only):
                channel.check_one(name, sequence, split)
        channel.check_arrivals()
        channel.relay.terminate()
        return '%d attempts, %d accepted' % (channel.number, len(channel.accepted))


@case
def matrix_in_one_write():
    return run_matrix(whole)


@case
def matrix_in_one_write_to_a_host_without_chunking():
    return run_matrix(whole, extensions=('PIPELINING', '8BITMIME'))


@case
def matrix_octet_by_octet():
    return run_matrix(single)


@case
def matrix_split_at_every_offset():
    """Two pieces, parted at each offset in and around the sequence."""
    sequences, controls = matrix()
    with Workspace() as work:
        channel = Channel(work)
        for name, sequence in sequences.items():
            if name in controls:
                continue
            start = len(head(0))
            for offset in range(start - 1, start + len(sequence) + 2):
                channel.check_one('%s at %d' % (name, offset), sequence,
                                  lambda octets, at=offset: [octets[:at], octets[at:]])
        channel.check_arrivals()
        channel.relay.terminate()
        return '%d attempts, %d accepted' % (channel.number, len(channel.accepted))


@case
def named_variants_at_buffer_boundaries():
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
                    codes = [code for code, _ in channel.attempt([body + b'.\r\n'], body)]
                    equal(codes, [550, 221], '%s at %d%+d' % (name, boundary, shift))
        channel.check_arrivals()
        equal(len(channel.hop.arrivals), 0, 'arrivals')
        channel.relay.terminate()


@case
def controls_end_the_data():
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
                codes = [code for code, _ in channel.attempt(split(first + SECOND + b'.\r\n'), None)]
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
def octets_behind_a_refused_data():
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
def legal_look_alikes():
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
