#!/usr/bin/python3
"""tests/e2e/test_content.py - odd messages arrive octet for octet, but for the Received header in front (I3).

The corpus goes through the relay to a next hop with CHUNKING, to one with PIPELINING only, to one with neither and to
one that does not even know EHLO; once over TLS.
"""

import os
import random
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (Certificates, Client, NextHop, Workspace, case, check, equal, message, message_of,  # noqa: E402
                     same_octets, split_trace)

HEAD = b'From: <a@example.net>\r\nSubject: odd\r\n'
TEN_MEGABYTES = 10 << 20


def odd_messages():
    """The small ones, each with a name."""
    every_octet = bytes(octet for octet in range(1, 256) if octet not in (10, 13))
    noise = random.Random(4711)
    return {
        'empty': b'',
        'only a header': HEAD,
        'header and an empty body': HEAD + b'\r\n',
        'only an empty line': b'\r\n',
        'no header': b'\r\njust text\r\n',
        'one octet': b'x\r\n',
        'a dot': b'.\r\n',
        'two dots': b'..\r\n',
        'dots only': HEAD + b'\r\n' + b''.join(b'.' * n + b'\r\n' for n in range(1, 80)),
        'dots at the end': HEAD + b'\r\ntext\r\n.\r\n.\r\n',
        'a dot line in the header': b'Subject: x\r\n.\r\nTo: <b@example.com>\r\n\r\ntext\r\n',
        'looks like a transaction': HEAD + b'\r\n.\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<b@example.com>\r\n'
                                           b'DATA\r\nevil\r\n.\r\nQUIT\r\n',
        'looks like a chunk': HEAD + b'\r\nBDAT 5 LAST\r\nabcde\r\n',
        'no empty line at all': b'no colon here\r\nnor here\r\n',
        'Received headers of others': b'Received: from x by y; date\r\n' * 20 + HEAD + b'\r\ntext\r\n',
        'folded header': b'Subject: a\r\n b\r\n\tc\r\n\r\ntext\r\n',
        'long header line': b'Subject: ' + b's' * 20000 + b'\r\n\r\ntext\r\n',
        'line of 998': HEAD + b'\r\n' + b'l' * 998 + b'\r\n',
        'line of 1000': HEAD + b'\r\n' + b'l' * 1000 + b'\r\n',
        'lines around 4096': HEAD + b'\r\n' + b''.join(b'm' * n + b'\r\n' for n in range(4080, 4110)),
        'line of 300000': HEAD + b'\r\n' + b'n' * 300000 + b'\r\n',
        'every octet': HEAD + b'\r\n' + every_octet + b'\r\n',
        'every octet after a dot': HEAD + b'\r\n' + b''.join(b'.%c\r\n' % octet for octet in every_octet),
        'UTF-8': HEAD + 'ÄÖÜ € 𝄞\u2028\u0085\r\n'.encode(),
        'not UTF-8': HEAD + b'\r\n\xff\xfe\xc0\x80\r\n',
        'many empty lines': HEAD + b'\r\n' * 70000,
        'many short lines': HEAD + b'\r\n' + b'a\r\n.\r\n' * 60000,
        'noise': HEAD + b'\r\n' + b''.join(
            noise.randbytes(noise.randrange(200)).translate(None, b'\r\n\0') + b'\r\n' for _ in range(4000)),
    }


def boundary_messages():
    """Sizes around those of receive buffers, content blocks, TLS records, spool records and slabs."""
    found = {}
    for size in (16384, 32768, 262144, 1048576):
        near = range(size - 450, size + 50, 9) if size < 100000 else range(size - 400, size + 50, 45)
        for exact in sorted(set(near) | {size - 2, size, size + 2}):
            found['%d octets' % exact] = message_of(exact, exact)
    found['10 MB'] = message_of(TEN_MEGABYTES, TEN_MEGABYTES)
    return found


def send_all(relay, messages):
    """Several in one session, in a fixed order; each is told from the others by its recipient."""
    with Client(relay.address, timeout=60) as client:
        client.hello()
        for number, content in enumerate(messages.values()):
            client.envelope(recipients=['r%d@example.com' % number], parameters=' BODY=8BITMIME')
            client.data(content)
        client.command('QUIT', 221)


def compare(arrivals, messages):
    by_number = {}
    for arrival in arrivals:
        equal(len(arrival.recipients), 1, 'recipients')
        by_number.setdefault(int(arrival.recipients[0][1:].partition('@')[0]), []).append(arrival)
    for number, (name, content) in enumerate(messages.items()):
        arrived = by_number.get(number, [])
        equal(len(arrived), 1, 'arrivals of "%s"' % name)
        trace, rest = split_trace(arrived[0].content)
        same_octets(rest, content, name)
        check(b'by relay.example.org' in trace and b'with ESMTP' in trace, 'trace header: %r', trace)
        for line in trace.split(b'\r\n'):
            check(len(line) <= 998 and line.isascii(), 'trace header line: %r', line)
    equal(len(arrivals), len(messages), 'arrivals')


def through(extensions, messages, tls=False, greeting=None):
    with Workspace() as work:
        certificates = Certificates() if tls else None
        hop = work.own(NextHop(extensions, tls=certificates and certificates.server_context(),
                               script=lambda stage, session, argument: greeting if stage == 'EHLO' else None))
        policy = {'mode': 'verify', 'ca_file': certificates.ca, 'server_name': certificates.server_name} if tls \
            else {'mode': 'none'}
        relay = work.relay(work.configuration([hop.host], tls=policy))
        send_all(relay, messages)
        arrivals = hop.wait_arrivals(len(messages), 90)
        compare(arrivals, messages)
        relay.terminate()
        chunked = sum(arrival.chunked for arrival in arrivals)
        # Chunks pay only where they can be pipelined; without that either way is right.
        if 'PIPELINING' in extensions or 'CHUNKING' not in extensions:
            equal(chunked, len(messages) if 'CHUNKING' in extensions else 0, 'messages that came in chunks')
        equal(relay.count['deferred'], 0, 'deferred')


@case
def odd_with_chunking():
    through(('PIPELINING', 'CHUNKING', '8BITMIME', 'SIZE'), odd_messages())


@case
def odd_with_pipelining():
    through(('PIPELINING', '8BITMIME', 'SIZE'), odd_messages())


@case
def odd_with_neither():
    through(('8BITMIME',), odd_messages())


@case
def odd_with_chunking_but_no_pipelining():
    through(('CHUNKING', '8BITMIME'), odd_messages())


@case
def odd_over_tls():
    through(('PIPELINING', 'CHUNKING', '8BITMIME', 'SIZE'), odd_messages(), tls=True)


@case
def odd_over_tls_with_pipelining():
    through(('PIPELINING', '8BITMIME', 'SIZE'), odd_messages(), tls=True)


@case
def boundaries_with_chunking():
    through(('PIPELINING', 'CHUNKING', '8BITMIME', 'SIZE'), boundary_messages())


@case
def boundaries_with_pipelining_over_tls():
    through(('PIPELINING', '8BITMIME', 'SIZE'), boundary_messages(), tls=True)


@case
def boundaries_with_neither():
    through(('8BITMIME',), boundary_messages())


@case
def hello_only():
    """A next hop that refuses EHLO gets HELO and plain turns."""
    messages = {'one': message(1), 'two': message(2, 50000)}
    through((), messages, greeting='500 5.5.1 What?')


@case
def several_recipients_in_one_message():
    """One copy with all recipients of a destination; two destinations get one each."""
    with Workspace() as work:
        first, second = work.own(NextHop()), work.own(NextHop())
        configuration = work.configuration([first.host])
        configuration['destinations'].append({'name': 'second', 'hosts': [second.host], 'tls': {'mode': 'none'}})
        configuration['routes'].insert(0, {'recipient': '*@example.org', 'destination': 'second'})
        relay = work.relay(configuration)
        recipients = ['r%d@example.%s' % (n, 'org' if n % 3 else 'com') for n in range(60)]
        with Client(relay.address) as client:
            client.hello()
            client.envelope(recipients=recipients)
            client.data(message(1, 300000))
        for hop, domain in ((first, 'com'), (second, 'org')):
            arrival = hop.wait_arrivals(1)[0]
            equal(sorted(arrival.recipients), sorted(r for r in recipients if r.endswith(domain)), 'recipients')
            same_octets(arrival.original, message(1, 300000), 'content')
        relay.terminate()
        equal((len(first.arrivals), len(second.arrivals)), (1, 1), 'arrivals')


@case
def half_closed_clients_get_their_replies():
    """A script that sends everything and FIN, as `nc -N` does, and a client that says FIN behind QUIT (RFC 9293)."""
    envelope = b'MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n'
    with Workspace() as work:
        hop = work.own(NextHop())
        relay = work.relay(work.configuration([hop.host]))
        sequence = 0
        for count, last in ((1, b'QUIT\r\n'), (1, b''), (20, b'QUIT\r\n'), (20, b'')):
            with Client(relay.address) as client:
                stream = b'EHLO script\r\n'
                for _ in range(count):
                    sequence += 1
                    stream += envelope + harness.stuff(message(sequence)) + b'.\r\n'
                client.send(stream + last)
                client.socket.shutdown(socket.SHUT_WR)
                codes = [code for code, _ in client.replies()]
                expected = [220, 250] + [250, 250, 354, 250] * count + ([221] if last else [])
                check(codes in (expected, expected[1:]), '%d messages and %r: %s', count, last, codes)
        arrivals = hop.wait_arrivals(sequence)
        equal(sorted(arrival.sequence for arrival in arrivals), list(range(1, sequence + 1)), 'arrivals')
        relay.terminate()


@case
def addresses_are_opaque():
    """Local parts travel octet by octet (PAR-08)."""
    with Workspace() as work:
        hop = work.own(NextHop())
        relay = work.relay(work.configuration([hop.host]))
        recipients = ['"a b"@example.com', r'"a\"b"@example.com', '"a@b"@example.com', 'a+b@example.com',
                      '-x@example.com', 'u%victim.example@example.com', 'victim!u@example.com', '${run{x}}@example.com',
                      '`id`@example.com', '%s%n@example.com', 'l' * 64 + '@example.com', 'MiXeD@ExAmPlE.CoM']
        with Client(relay.address) as client:
            client.hello()
            client.envelope(sender='"s s"@example.net', recipients=recipients)
            client.data(message(1))
            client.envelope(sender='', recipients=['bounce@example.com'])
            client.data(message(2))
        arrivals = {arrival.sequence: arrival for arrival in hop.wait_arrivals(2)}
        equal((arrivals[1].sender, arrivals[1].recipients), ('"s s"@example.net', recipients), 'envelope')
        equal((arrivals[2].sender, arrivals[2].recipients), ('', ['bounce@example.com']), 'null sender')
        relay.terminate()


if __name__ == '__main__':
    harness.main()
