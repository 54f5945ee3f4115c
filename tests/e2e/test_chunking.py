#!/usr/bin/python3
"""tests/e2e/test_chunking.py - content by BDAT (RFC 3030; RELIABILITY BDT-01 to BDT-05, SMG-04, SMG-06).

What goes wrong with BDAT is framing: a server that is wrong about where a chunk ends reads a message as commands, or
commands as a message (CVE-2017-16943 and CVE-2017-16944 were a reader that outlived its chunk). So nearly every case
here puts commands into chunks and counts replies.
"""

import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Workspace, case, check, equal, eventually, message, same_octets  # noqa: E402
from ways import WAYS, Ways  # noqa: E402

MAIL = b'MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.com>\r\n'
EVIL = (b'RSET\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\n'
        b'X-Postrider-Sequence: 999999999999\r\n\r\nevil\r\n.\r\nQUIT\r\n')


def bdat(content, last=True):
    return b'BDAT %d%s\r\n' % (len(content), b' LAST' if last else b'') + content


def cut(content, *ends):
    """BDAT for each piece of content, cut at these offsets; the last one says LAST."""
    edges = [0, *ends, len(content)]
    return b''.join(bdat(content[a:b], i == len(edges) - 2) for i, (a, b) in enumerate(zip(edges, edges[1:])))


def codes(replies):
    return [code for code, _ in replies]


def arrived(place, expected):
    """These contents have arrived, each once, and nothing else."""
    eventually(lambda: len(place.hop.arrivals) >= len(expected),
               lambda: '%d messages; there are %d' % (len(expected), len(place.hop.arrivals)))
    found = sorted(arrival.original for arrival in place.hop.arrivals)
    equal(len(found), len(expected), 'messages that arrived')
    for one, other in zip(found, sorted(expected)):
        same_octets(one, other, 'content')
    for arrival in place.hop.arrivals:
        check(arrival.sender != 'evil@example.net', 'what was content became a message')


@case
def offered():
    """EHLO offers CHUNKING and not BINARYMIME, and BODY=BINARYMIME is refused."""
    with Workspace() as work:
        place = Ways(work)
        for way in WAYS:
            with place.connect(way) as client:
                offers = client.command('EHLO client.example.net', 250)[1].split('\n')
                check('CHUNKING' in offers and 'BINARYMIME' not in offers, 'it offers %s', offers)
                client.command('MAIL FROM:<a@example.net> BODY=BINARYMIME', 501, '5.5.4')
        place.relay.terminate()


@case
def contents_arrive_as_they_were():
    """SMG-04, SMG-06: whatever is in the chunks arrives octet for octet, by BDAT and by DATA with one dot more; where a
    content does not end a line, DATA ends it."""
    contents = [message(1), message(2) + b'.\r\n' + EVIL, b'X-Postrider-Sequence: 000000000003\r\n', b'',
                message(5) + b'no end of line', b'X-Postrider-Sequence: 000000000006\r\n\r\n.', b'.\r\n',
                b'..\r\n.\r\n',
                b'Subject: only this', b' begins with a blank\r\n', message(11, 700000), b'\r\n', b'\r\n.\r\n']
    for extensions in (harness.ALL_EXTENSIONS, ('PIPELINING', '8BITMIME')):
        with Workspace() as work:
            place = Ways(work, extensions)
            for way in WAYS:
                with place.connect(way) as client:
                    for i, content in enumerate(contents):
                        ends = [1, len(content) // 2] if i % 2 and len(content) > 2 else []
                        client.send(MAIL + cut(content, *ends))
                        for _ in range(3 + len(ends)):
                            client.expect(250)
                    client.command('QUIT', 221)
            wanted = []
            for content in contents * len(WAYS):
                if content.startswith(b' '):
                    content = b'\r\n' + content
                if len(extensions) == 2 and content and not content.endswith(b'\r\n'):
                    content += b'\r\n'
                wanted.append(content)
            arrived(place, wanted)
            place.relay.terminate()


@case
def smg_04_line_ends_as_by_data():
    """A bare CR, LF or NUL in a chunk, or between two, is what it is in DATA: refused, or repaired for a client whose
    entry says so. A CR and an LF in two chunks are one line's end."""
    with Workspace() as work:
        place = Ways(work)
        with place.connect() as client:
            for chunks, code in ((('a\r', '\nb\r\n'), 250), (('a\r\n.\r', '\n'), 250), (('a\r', 'b\r\n'), 550),
                                 (('a', '\nb\r\n'), 550), (('a\r\n', '\n'), 550), (('a\r\n\r', ''), 550),
                                 (('a', '\0\r\n'), 550), (('\r', ''), 550), (('\n', ''), 550), (('\r', '\n'), 250)):
                octets = [chunk.encode() for chunk in chunks]
                client.send(MAIL + bdat(octets[0], False))
                found = codes([client.reply() for _ in range(3)])[2:]
                client.send(bdat(octets[1]) + b'RSET\r\n')
                found += codes([client.reply() for _ in range(2)])[:1]
                check(found == [250, code] or (code == 550 and found == [550, 503]), '%s: %s', chunks, found)
        arrived(place, [b'a\r\nb\r\n', b'a\r\n.\r\n', b'\r\n'])
        place.relay.terminate()
    with Workspace() as work:
        place = Ways(work, clients=[{'name': 'old', 'networks': ['127.0.0.0/8'], 'line_endings': 'normalize'}])
        with place.connect() as client:
            for chunks in ((b'a\n', b'b\r\r\nc\r', b'\n'), (b'a\n.\n', b'.\r\n', b'c')):
                client.send(MAIL + bdat(chunks[0], False) + bdat(chunks[1], False) + bdat(chunks[2]))
                equal(codes([client.reply() for _ in range(5)]), [250] * 5, 'repaired')
            client.send(MAIL + bdat(b'a\rb\n') + MAIL + bdat(b'a\r\n\r') + MAIL + bdat(b'\0\n'))
            equal(codes([client.reply() for _ in range(9)])[2::3], [550] * 3, 'what is not repaired')
        arrived(place, [b'a\r\nb\r\nc\r\n', b'a\r\n.\r\n.\r\nc'])
        place.relay.terminate()


@case
def bdt_01_sizes():
    """Whatever is no size ends the session, for nobody knows how many octets follow; and no octet behind is a
    command."""
    wrong = [b'BDAT', b'BDAT ', b'BDAT -1', b'BDAT +5', b'BDAT 0x10', b'BDAT 1e3', b'BDAT 5 5', b'BDAT 5 LASTX',
             b'BDAT 5 LAST LAST', b'BDAT 5  LAST', b'BDAT 5 LAST ', b'BDAT  5', b'BDAT 5 ', b'BDAT\t5', b'BDAT 5\t',
             b'BDAT 5\0', b'BDAT \0005', b'BDAT LAST', b'BDAT 5LAST', b'BDAT 5,LAST', b'BDAT 5.0', b'BDAT \xb2',
             b'BDAT 18446744073709551616', b'BDAT 99999999999999999999', b'BDAT ' + b'9' * 30,
             b'BDAT ' + b'0' * 21, b'BDAT ' + b'1' * 3000, b'bdat 5 \xff', b'BDAT 4294967296x']
    large = [b'BDAT %d%s' % (size, last) for last in (b'', b' LAST')
             for size in (2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 63, 2 ** 64 - 1, (20 << 20) + 1)]
    with Workspace() as work:
        place = Ways(work)
        for way in WAYS:
            for line in wrong + large:
                for before in (b'', MAIL):
                    with place.connect(way) as client:
                        client.send(before + line + b'\r\n' + EVIL)
                        replies = codes(client.replies())
                        equal(replies[:-1], [250] * before.count(b'\n'), '%r' % line[:40])
                        check(replies[-1] in ((552,) if line in large else (500, 501)), '%r: %s', line[:40], replies)
            # A bare LF behind the size: where the chunk would begin is as unknown.
            with place.connect(way) as client:
                client.send(MAIL + b'BDAT 5 LAST\n' + EVIL)
                equal(codes(client.replies()), [250, 250, 500], 'BDAT and a bare LF')
        content = message(1)
        for i, size in enumerate((b'%d' % len(content), b'%020d' % len(content), b'0%d' % len(content))):
            with place.connect() as client:
                client.send(MAIL + (b'BDAT', b'bdat', b'Bdat')[i] + b' ' + size + (b' LAST', b' last', b' Last')[i] +
                            b'\r\n' + content + b'QUIT\r\n')
                equal(codes(client.replies()), [250, 250, 250, 221], 'BDAT %s' % size)
        arrived(place, [content] * 3)
        place.relay.terminate()


@case
def bdt_02_sum_of_chunks():
    """The size limit holds for the sum, wherever it is crossed, and to the octet; the session goes on behind it."""
    most = 100 << 10
    with Workspace() as work:
        place = Ways(work, spool={'message_size_max': '100KiB'})
        exact = harness.message_of(1, most)
        for way in WAYS:
            with place.connect(way) as client:
                for sizes in ((most, 1), (60000, most - 60000, 1), (60000, 60000), (1, most), (most, 0, 1),
                              (60000, 60000, 60000), (60000, 60000, 10)):
                    client.send(MAIL)
                    for i, size in enumerate(sizes):
                        client.send(bdat((EVIL * (size // len(EVIL) + 1))[:size], i == len(sizes) - 1))
                    found = codes([client.reply() for _ in range(2 + len(sizes))])
                    sums = [sum(sizes[:i + 1]) for i in range(len(sizes))]
                    first = next(i for i, total in enumerate(sums) if total > most)
                    equal(found, [250] * (2 + first) + [552] + [503] * (len(sizes) - first - 1), '%s' % (sizes,))
                for declared in (b'', b' SIZE=10'):
                    client.send(MAIL.replace(b'>\r\nRCPT', b'>' + declared + b'\r\nRCPT') + cut(exact, 60000))
                    equal(codes([client.reply() for _ in range(4)]), [250] * 4, 'exactly as much')
                client.send(MAIL + b'BDAT %d LAST\r\n' % (most + 1) + EVIL)
                equal(codes(client.replies()), [250, 250, 552], 'a chunk that nobody reads')
        arrived(place, [exact] * 6)
        place.relay.terminate()


@case
def bdt_03_rejected_chunk_is_swallowed():
    """A chunk that is of no use is read to its last octet and answered behind it; the next line is a command."""
    refused = {'before MAIL': b'', 'before RCPT': b'MAIL FROM:<a@example.net>\r\n',
               'behind refused recipients': b'MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n' * 1,
               'behind a bad recipient': b'MAIL FROM:<a@example.net>\r\nRCPT TO:<b@@>\r\n',
               'behind RSET': MAIL + b'RSET\r\n', 'behind EHLO': MAIL + b'HELO client.example.net\r\n'}
    with Workspace() as work:
        place = Ways(work, routes=[{'recipient': '*@example.com', 'destination': 'next-hop'}])
        content = message(1)
        count = 0
        for way in WAYS:
            for name, before in refused.items():
                for chunks in ((EVIL,), (EVIL, EVIL), (b'', EVIL), (EVIL, b'', b'Q'), (EVIL * 3000,)):
                    with place.connect(way) as client:
                        client.send(before)
                        for i, chunk in enumerate(chunks):
                            client.send(bdat(chunk, i == len(chunks) - 1))
                        client.send(MAIL + cut(content, 10) + b'QUIT\r\n')
                        found = client.replies()
                        at = before.count(b'\n')
                        check(all(500 <= code < 600 for code, _ in found[at:at + len(chunks)]), '%s: %s', name, found)
                        equal(codes(found[at + len(chunks):]), [250, 250, 250, 250, 221], name)
                        count += 1
        arrived(place, [content] * count)
        place.relay.terminate()


@case
def bdt_03_strangers_and_faults():
    """Who may not relay has chunks swallowed as well; a fault in one is told behind it, and those behind that one that
    are on their way already never become a message."""
    with Workspace() as work:
        place = Ways(work)
        content = message(1)
        bad = message(2) + b'bare\nline feed' + EVIL
        with place.connect() as client:
            client.send(MAIL + bdat(content[:50], False) + bdat(bad, False) + bdat(content[50:], False) +
                        bdat(b'') + b'NOOP\r\n' + MAIL + bdat(content) + b'QUIT\r\n')
            found = client.replies()
            equal(codes(found), [250, 250, 250, 550, 503, 503, 250, 250, 250, 250, 221], 'the second of four')
            check(found[3][1].startswith('5.6.11 '), 'the fault: %s', found[3])
        arrived(place, [content])
        # More than errors_per_session: these were under way before the refusal could be read.
        with place.connect() as client:
            client.send(MAIL + bdat(bad, False) + bdat(content, False) * 200 + bdat(content) + MAIL + bdat(content) +
                        b'QUIT\r\n')
            equal(codes(client.replies()), [250, 250, 550] + [503] * 201 + [250, 250, 250, 221], 'many behind a fault')
        arrived(place, [content] * 2)
        place.relay.terminate()
    with Workspace() as work:
        place = Ways(work, clients=[{'name': 'nobody', 'networks': ['192.0.2.0/24']}])
        with place.connect() as client:
            client.send(MAIL + bdat(EVIL, False) + bdat(EVIL) + b'NOOP\r\nQUIT\r\n')
            equal(codes(client.replies()), [250, 550, 554, 503, 250, 221], 'a stranger')
        # Errors that are a client's own count: it has not been refused a chunk of this transaction.
        with place.connect() as client:
            client.send(bdat(EVIL) * 200)
            found = codes(client.replies())
            check(found[-1] == 421 and len(found) < 200, 'BDAT without end: %s', found)
        equal(place.hop.arrivals, [], 'arrivals')
        place.relay.terminate()


@case
def bdt_04_sequence():
    """Commands between chunks: what ends the transaction does, what would change it is refused, what does neither goes
    on; DATA and BDAT do not mix."""
    content = message(1)
    first, second = content[:77], content[77:]
    cases = {
        # what stands between the chunks: replies to it, then whether the second chunk ends the message
        b'NOOP\r\nVRFY x\r\nHELP\r\n': ([250, 252, 214], True),
        b'BDAT 0\r\n' * 3: ([250] * 3, True),
        b'FOO\r\n': ([500], True),
        b'MAIL FROM:<evil@example.net>\r\n': ([503], True),
        b'RCPT TO:<victim@example.com>\r\n': ([503], True),
        b'RSET\r\n': ([250], False),
        b'EHLO client.example.net\r\n': ([250], False),
        b'HELO client.example.net\r\n': ([250], False),
        b'AUTH PLAIN AGEAYg==\r\n': ([502], True),
    }
    with Workspace() as work:
        place = Ways(work)
        count = 0
        for way in WAYS:
            for between, (replies, goes_on) in cases.items():
                with place.connect(way) as client:
                    client.send(MAIL + bdat(first, False) + between + bdat(second) + MAIL + bdat(content) + b'QUIT\r\n')
                    equal(codes(client.replies()), [250, 250, 250] + replies + [250 if goes_on else 503] +
                          [250, 250, 250, 221], '%r' % between)
                    count += 1 + goes_on
            # DATA behind BDAT: refused, and as its content may be on its way, that is the end (SMG-05).
            with place.connect(way) as client:
                client.send(MAIL + bdat(first, False) + b'DATA\r\n' + EVIL)
                equal(codes(client.replies()), [250, 250, 250, 503], 'DATA behind BDAT')
            with place.connect(way) as client:
                client.send(MAIL + bdat(content) + b'DATA\r\n' + EVIL)
                equal(codes(client.replies()), [250, 250, 250, 503], 'DATA behind LAST')
                count += 1
            # BDAT in DATA is text; behind it there is no message.
            with place.connect(way) as client:
                client.send(MAIL + b'DATA\r\n' + content + b'.\r\n' + bdat(EVIL) + b'QUIT\r\n')
                equal(codes(client.replies()), [250, 250, 354, 250, 503, 221], 'BDAT behind DATA')
                count += 1
            with place.connect(way) as client:
                client.send(MAIL + bdat(content) + bdat(content) + bdat(b'') + b'QUIT\r\n')
                equal(codes(client.replies()), [250, 250, 250, 503, 503, 221], 'LAST twice')
                count += 1
        arrived(place, [content] * count)
        place.relay.terminate()


@case
def bdt_04_starttls_between_chunks():
    """STARTTLS drops what was begun: nothing of it is in a message behind TLS (STL-03)."""
    with Workspace() as work:
        place = Ways(work)
        content = message(1)
        with place.connect() as client:
            client.send(MAIL + bdat(EVIL, False))
            for _ in range(3):
                client.expect(250)
            client.command('STARTTLS', 220)
            client.socket = place.context.wrap_socket(client.socket, server_hostname='mail.example.org')
            client.send(bdat(content) + b'EHLO client.example.net\r\n' + bdat(content) + MAIL + bdat(content))
            equal(codes([client.reply() for _ in range(6)]), [503, 250, 503, 250, 250, 250], 'behind TLS')
            client.command('QUIT', 221)
        # In the chunk it is content, and no command.
        text = message(2) + b'STARTTLS\r\n'
        with place.connect() as client:
            client.send(MAIL + bdat(text) + b'QUIT\r\n')
            equal(codes(client.replies()), [250, 250, 250, 221], 'STARTTLS in a chunk')
        arrived(place, [content, text])
        place.relay.terminate()


@case
def bdt_04_many_small_chunks():
    """Tens of thousands of chunks of one octet and of none, all sent ahead of their replies."""
    content = harness.message_of(1, 20000)
    stream = b''.join(bdat(content[i:i + 1], False) + (b'BDAT 0\r\n' if i % 7 == 0 else b'')
                      for i in range(len(content)))
    expected = 2 + len(content) + (len(content) + 6) // 7 + 2
    with Workspace() as work:
        place = Ways(work)
        for way in ('clear', 'implicit'):
            with place.connect(way) as client:
                client.converse(MAIL + stream + bdat(b'') + b'QUIT\r\n')
                found = codes(client.replies())
                equal((found[:-1].count(250), len(found), found[-1]), (expected - 1, expected, 221), 'replies')
        arrived(place, [content] * 2)
        place.relay.terminate()


@case
def bdt_04_ends_at_every_offset():
    """A connection that ends anywhere before the last octet leaves no message; one octet more, and there is one."""
    content = b'X-Postrider-Sequence: 000000000001\r\n\r\ntext\r\n'
    stream = MAIL + cut(content, 5, 20)
    with Workspace() as work:
        place = Ways(work)
        for at in range(len(stream) + 1):
            with place.connect() as client:
                client.send(stream[:at])
                if at % 2 == 0 and at < len(stream):
                    client.socket.setsockopt(harness.socket.SOL_SOCKET, harness.socket.SO_LINGER,
                                             b'\1\0\0\0\0\0\0\0')
                    continue
                client.socket.shutdown(harness.socket.SHUT_WR)
                found = codes(client.replies())
                equal(found.count(250), stream[:at].count(b'\r\n', 0, len(MAIL)) +
                      sum(at >= len(MAIL) + end for end in (len(bdat(content[:5], False)),
                                                            len(bdat(content[:5], False) + bdat(content[5:20], False)),
                                                            len(stream) - len(MAIL))), 'replies to %d octets' % at)
        arrived(place, [content])
        place.relay.terminate()


@case
def bdt_04_split_at_every_offset():
    """A session of two messages in chunks, parted at each offset, and octet by octet: the same replies and mail."""
    contents = [b'X-Postrider-Sequence: 000000000001\r\n\r\n.\r\n.\r\nQUIT\r\n',
                b'X-Postrider-Sequence: 000000000002\r\n']
    stream = MAIL + cut(contents[0], 3, 37, 38) + MAIL + cut(contents[1], 36) + b'QUIT\r\n'
    with Workspace() as work:
        place = Ways(work)
        count = 0
        for way in WAYS:
            offsets = range(1, len(stream), 1 if way == 'clear' else 7)
            single = [stream[i:i + 1] for i in range(len(stream))]
            for pieces in [single] + [[stream[:at], stream[at:]] for at in offsets]:
                with place.connect(way) as client:
                    for piece in pieces:
                        client.send(piece)
                        # A moment for the relay to read this piece before the next one is there.
                        time.sleep(0.0005)
                    equal(codes(client.replies()), [250] * 10 + [221], 'replies')
                    count += 1
        arrived(place, contents * count)
        place.relay.terminate()


@case
def bdt_05_tls_ends_in_a_chunk():
    """close_notify in the middle of a chunk, then octets in clear on the same connection: the session has ended, the
    message is none, and no octet is read by anything (CVE-2026-45185); the same with FIN and no close_notify."""
    with Workspace() as work:
        place = Ways(work)
        content = message(1)
        for way in ('starttls', 'implicit'):
            for at in (0, 1, len(content) // 2, len(content) - 1):
                client = place.connect(way)
                client.send(MAIL + b'BDAT %d LAST\r\n' % len(content) + content[:at])
                client.expect(250)
                client.expect(250)
                raw = client.socket.unwrap() if at % 2 else client.socket
                try:
                    if at % 2:
                        raw.sendall(content[at:] + MAIL + bdat(content) + EVIL)
                    raw.shutdown(harness.socket.SHUT_WR)
                    raw.settimeout(60)
                    check(b'250' not in raw.recv(65536), 'an answer behind the end of TLS')
                except OSError:
                    pass
                raw.close()
        eventually(lambda: len(place.relay.events('session')) == 8, lambda: 'all sessions have ended')
        with place.connect() as client:
            client.send(MAIL + bdat(content) + b'QUIT\r\n')
            client.replies()
        arrived(place, [content])
        place.relay.terminate()


@case
def silent_in_a_chunk_and_between():
    """Who falls silent in a chunk, between chunks, or in one that nobody wants hears 421 and loses what was begun."""
    with Workspace() as work:
        place = Ways(work, timeouts={'command': '1s'})
        content = message(1)
        for begun in (MAIL + b'BDAT 100\r\nabc', MAIL + bdat(content, False), b'BDAT 100 LAST\r\nabc'):
            with place.connect() as client:
                client.send(begun)
                found = client.replies()
                equal(found[-1][0], 421, '%r: %s' % (begun[-20:], found))
                check(found[-1][1].startswith('4.4.2 '), 'last words: %s', found[-1])
        with place.connect() as client:
            client.send(MAIL + bdat(content) + b'QUIT\r\n')
            client.replies()
        arrived(place, [content])
        place.relay.terminate()


@case
def many_whole_messages_in_flight():
    """MAIL RCPT BDAT LAST of hundreds of messages sent ahead: a 250 for each, in order, and each arrives once."""
    count = 300
    with Workspace() as work:
        place = Ways(work)
        contents = [message(i, 300 + 97 * i) for i in range(count)]
        for way in ('clear', 'implicit'):
            with place.connect(way) as client:
                octets = b''.join(MAIL + bdat(content) for content in contents) + b'QUIT\r\n'
                client.converse(octets)
                found = client.replies()
                equal(codes(found), [250] * 3 * count + [221], 'replies')
                check(all(re.match(r'2\.0\.0 Ok: queued as [0-9A-Z]{26}$', text) for _, text in found[2:-1:3]),
                      'each end of content has an id')
        arrived(place, contents * 2)
        place.relay.terminate()


if __name__ == '__main__':
    harness.main(together=3)
