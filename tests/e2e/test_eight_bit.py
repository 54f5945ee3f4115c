#!/usr/bin/python3
"""tests/e2e/test_eight_bit.py - what a next hop does not take: 8-bit content without 8BITMIME, and more than its SIZE.

Python's email reads what arrives: every part must be what it was.
"""

import email
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, eventually, message  # noqa: E402

NO_8BITMIME = ('PIPELINING', 'ENHANCEDSTATUSCODES', 'SIZE 50000000')
TEXT = ('Größe, and text enough to have it quoted rather than anything else. \r\n=3D\t\r\n.\r\n').encode()


def field(name, value):
    return ('%s: %s\r\n' % (name, value)).encode()


def text_part(body, encoding='8bit', kind='text/plain; charset=utf-8'):
    return field('Content-Type', kind) + field('Content-Transfer-Encoding', encoding) + b'\r\n' + body


def mixed(*parts, kind='multipart/mixed', boundary='outer'):
    head = (field('Content-Type', '%s;\r\n boundary="%s"' % (kind, boundary)) +
            field('Content-Transfer-Encoding', '8bit'))
    mark = b'--' + boundary.encode()
    return head + b'\r\nmultipart\r\n' + b''.join(mark + b'\r\n' + part + b'\r\n' for part in parts) + mark + b'--\r\n'


def mail(rest, *fields):
    return (b'From: <sender@example.net>\r\nSubject: test\r\n' + b''.join(fields) + field('MIME-Version', '1.0') + rest)


# A large provider converted such a message, and its signature no longer fitted.
SIGNED = mixed(text_part(TEXT), b'Content-Type: application/pkcs7-signature\r\n\r\nMII=\r\n', kind='multipart/signed')
NESTED = mail(mixed(text_part(TEXT), text_part(b'plain\r\n'),
                    field('Content-Type', 'message/rfc822') + b'\r\n' + mail(mixed(
                        text_part(b'\xe9 in latin-1, and more of it\r\n', kind='text/html; charset=iso-8859-1'),
                        text_part(bytes(range(128, 256)) + b'\r\n', kind='application/x'), boundary='inner')),
                    text_part(b'QUJD\r\n', encoding='base64', kind='image/png')))


def leaves(content):
    """Type and octets of every part that has no others."""
    return [(part.get_content_type(), part.get_payload(decode=True))
            for part in email.message_from_bytes(content).walk() if not part.is_multipart()]


def deliver(contents, extensions=NO_8BITMIME, destination=None, parameters='', **changes):
    """The next hop with what arrived of these, and their attempts in order. What the sender is told stands apart."""
    with Workspace() as work:
        hop = work.own(NextHop(extensions))
        configuration = work.configuration([hop.host], shards=1, destination=destination or {}, **changes)
        relay = work.relay(configuration)
        with Client(relay.address) as client:
            client.hello()
            for content in contents:
                client.envelope(parameters=parameters)
                client.data(content)

        def attempts():
            ids = [event['id'] for event in relay.events('accepted')]
            ours = [event for event in relay.events('attempt') if event['id'] in ids]
            return sorted(ours, key=lambda event: ids.index(event['id']))
        eventually(lambda: len(attempts()) >= len(contents), lambda: '%s' % relay.tail())
        relay.terminate()
        hop.arrivals = [arrival for arrival in hop.arrivals if arrival.sender]
        return hop, attempts()


def said(hop):
    return sum(line.startswith(b'MAIL FROM:<s') for session in hop.sessions for line in session.commands)


def same(hop, content):
    """Among what arrived there is this, in seven bits."""
    found = [arrival.original for arrival in hop.arrivals if leaves(arrival.original) == leaves(content)]
    equal(len(found), 1, 'arrivals with these parts')
    check(max(found[0]) < 128, 'it has octets above 127')
    check(max(map(len, found[0].split(b'\r\n'))) <= 998, 'it has long lines')
    return found[0]


@case
def parts_are_converted():
    device = b'Subject: scan\r\n\r\n' + TEXT + b'of a device\r\n'
    text = mail(text_part(TEXT))
    hop, attempts = deliver([NESTED, text, device])
    same(hop, NESTED)
    check(b'quoted-printable' in same(hop, text), 'text is quoted')
    equal(same(hop, device).count(b'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n'), 1, 'fields')
    equal([attempt.get('converted') for attempt in attempts], [True] * 3, 'told')
    equal([attempt.get('undeclared_8bit') for attempt in attempts], [None] * 3, 'told')
    for session in hop.sessions:
        check(not any(b'BODY=' in line for line in session.commands), 'BODY is said')
    # Octets of a header stay, which is told.
    hop, attempts = deliver([mail(text_part(TEXT), 'Subject: Größe\r\n'.encode())])
    check('Größe'.encode() in hop.arrivals[0].original.split(b'\r\n\r\n')[0], 'its header')
    equal([attempt.get('undeclared_8bit') for attempt in attempts], [True], 'told')


@case
def octets_of_a_header_stay():
    """Nobody knows what they are meant to be, and whoever guessed would corrupt them: in UTF-8, Latin-1, folded, in a
    part's header, or no text at all, they arrive as they came, at whatever host, and are told where none are taken."""
    fields = [b'Subject: Gr\xc3\xb6\xc3\x9fe\r\n', b'Subject: Gr\xf6\xdfe\r\n',
              b'Subject: one\r\n \xf6\r\n\t\xc3\xb6 \x80\xff\r\n', b'X-Octets: \xfe\xfe\r\n']
    plain = [b'From: <sender@example.net>\r\n' + one + b'\r\nsimply text\r\n' for one in fields]
    inside = mail(mixed(b'Content-Type: text/plain; name="gr\xf6\xdfe.txt"\r\n\r\nsimply text\r\n'))
    for extensions in (NO_8BITMIME, (*NO_8BITMIME, '8BITMIME')):
        hop, attempts = deliver([*plain, inside], extensions)
        for content in (*plain, inside):
            check([one for one in hop.arrivals if one.original == content], '%s: %s, not %s', extensions,
                  [one.original for one in hop.arrivals], content)
        untaken = None if '8BITMIME' in extensions else True
        equal([attempt.get('undeclared_8bit') for attempt in attempts], [untaken] * 5, 'told')
        equal([attempt.get('converted') for attempt in attempts], [None] * 5, 'converted')
    # What has them in its name is no field: readers differ about what it is, and where the header ends.
    strange = b'From: <sender@example.net>\r\nX-\xf6: a\r\n\r\nsimply text\r\n'
    hop, attempts = deliver([strange], (*NO_8BITMIME, '8BITMIME'))
    equal([one.original for one in hop.arrivals], [strange], 'a field that is none')
    hop, attempts = deliver([strange])
    equal((hop.arrivals, [attempt['result'] for attempt in attempts]), ([], ['failed']), 'where none are taken')


@case
def large_content_is_converted_in_pieces():
    """Of several records, of which the last octets decide; SIZE= is what is sent; by DATA and by BDAT."""
    large = mail(mixed(text_part(b'a line of the large part\r\n' * 60000), text_part(TEXT * 30000),
                       text_part(bytes(range(128, 256)) * 9000 + b'\r\n', kind='application/x')))
    for extensions in (NO_8BITMIME, (*NO_8BITMIME, 'CHUNKING')):
        hop, attempts = deliver([message(1), large, message(2)], extensions)
        same(hop, large)
        arrival = max(hop.arrivals, key=lambda arrival: len(arrival.content))
        said = [line for session in hop.sessions for line in session.commands
                if line.endswith(b' SIZE=%d' % len(arrival.content))]
        equal(len(said), 1, 'MAIL with the size of what came')
        equal([attempt['result'] for attempt in attempts], ['delivered'] * 3, 'results')


@case
def what_is_signed_or_unclear_is_refused():
    """Nothing of it is said to the host, and what stands beside it goes."""
    dkim = mail(text_part(TEXT), field('DKIM-Signature', 'v=1; bh=x; b=y'))
    unclear = mail(field('Content-Type', 'multipart/mixed; boundary=x') + b'\r\n--x\r\n\r\n' + TEXT)
    hop, attempts = deliver([mail(SIGNED), message(1), dkim, unclear,
                             mail(text_part(b'plain\r\n'), b'DKIM-Signature: x\r\n')])
    equal([attempt['result'] for attempt in attempts], ['failed', 'delivered', 'failed', 'failed', 'delivered'],
          'results')
    equal([attempt.get('reply', '')[:5] for attempt in attempts if attempt['result'] == 'failed'],
          ['5.6.2', '5.6.2', '5.6.3'], 'codes')
    equal(said(hop), 2, 'MAIL')
    # Sixteen of them in a row end no connection and wake nobody for ever.
    hop, attempts = deliver([dkim] * 16 + [message(1)])
    equal(len(hop.arrivals), 1, 'arrivals')


@case
def what_must_not_be_converted_goes_to_another_host():
    """What one host does not take as it is another one may: it fails when none is left that might, and not before.
    What can be converted, and all else, goes to the first."""
    dkim, plain = mail(text_part(TEXT), field('DKIM-Signature', 'v=1; bh=x; b=y')), mail(text_part(b'plain\r\n'))
    takes = (*NO_8BITMIME, '8BITMIME')
    for connections in (1, 20):
        with Workspace() as work:
            port = harness.free_port()
            first, second = work.own(NextHop(NO_8BITMIME)), work.own(NextHop(NO_8BITMIME))
            hosts = [first.host, second.host, '127.0.0.1:%d' % port]
            relay = work.relay(work.configuration(hosts, shards=1,
                                                  destination={'limits': {'connections': connections}}))
            with Client(relay.address) as client:
                client.hello()
                for content in (dkim, plain, dkim, mail(text_part(TEXT))):
                    client.envelope()
                    client.data(content)
            eventually(lambda: len(first.arrivals) + len(second.arrivals) >= 2, 'others go on')
            eventually(lambda: relay.events('host_failed'), 'the third is tried')
            check(not relay.count['failed'], 'failed before all were asked')
            third = work.own(NextHop(takes, port=port))
            third.wait_arrivals(2)
            equal([arrival.original for arrival in third.arrivals], [dkim] * 2, 'as it was')
            arrived = first.arrivals + second.arrivals
            check(max(max(arrival.original) for arrival in arrived) < 128, 'the others have seven bits')
            relay.terminate()
            equal(relay.count['queued'], 0, 'what is left')
    for way in ('convert', 'refuse'):
        with Workspace() as work:
            hops = [work.own(NextHop(NO_8BITMIME)) for _ in range(3)]
            relay = work.relay(work.configuration([hop.host for hop in hops], shards=1,
                                                  destination={'eight_bit': way}))
            with Client(relay.address) as client:
                client.hello()
                client.envelope()
                client.data(dkim)
            eventually(lambda: relay.count['failed'], 'it fails')
            check(all(hop.accepted for hop in hops), 'not all were asked')
            relay.terminate()


@case
def as_configured():
    dkim, plain = mail(text_part(TEXT), field('DKIM-Signature', 'v=1; bh=x; b=y')), mail(text_part(b'plain\r\n'))
    hop, attempts = deliver([dkim], destination={'eight_bit': 'send'})
    equal(hop.arrivals[0].original, dkim, 'content')
    equal(attempts[0]['undeclared_8bit'], True, 'told')
    hop, attempts = deliver([mail(text_part(TEXT)), plain], parameters=' BODY=8BITMIME',
                            destination={'eight_bit': 'refuse'})
    equal([attempt['result'] for attempt in attempts], ['failed', 'delivered'], 'results')
    equal([arrival.original for arrival in hop.arrivals], [plain], 'content')
    # Where the host takes it nothing of this is done.
    for way in ('convert', 'send', 'refuse'):
        hop, attempts = deliver([dkim, NESTED], (*NO_8BITMIME, '8BITMIME'), destination={'eight_bit': way})
        equal(sorted(arrival.original for arrival in hop.arrivals), sorted([dkim, NESTED]), 'content')


@case
def more_than_its_size():
    """RFC 1870 6.1: what is too large fails with a sentence, before a word of it; converted, too."""
    extensions = ('PIPELINING', 'SIZE 20000')
    grows = mail(text_part('ü'.encode() * 8500 + b'\r\n'))
    hop, attempts = deliver([message(1, 30000), message(2, 1000), grows], extensions)
    equal([attempt['result'] for attempt in attempts], ['failed', 'delivered', 'failed'], 'results')
    equal([attempt.get('code') for attempt in attempts if attempt['result'] == 'failed'], [552, 552], 'codes')
    check('takes no more than 20000' in attempts[0]['reply'], '%s', attempts[0])
    equal(len(hop.arrivals), 1, 'arrivals')
    equal(said(hop), 1, 'MAIL')
    # 0: no limit.
    hop, attempts = deliver([message(1, 30000)], ('PIPELINING', 'SIZE 0'))
    equal(attempts[0]['result'], 'delivered', 'result')


if __name__ == '__main__':
    sys.exit(harness.main(together=4))
