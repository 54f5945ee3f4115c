#!/usr/bin/python3
"""tests/e2e/test_smtputf8.py - addresses and headers in all languages (RFC 6531; RELIABILITY PAR-07), and what a next
hop says of its limits (RFC 9422).
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Client, NextHop, Workspace, case, check, equal, eventually, message  # noqa: E402
from harness import CLOSE, main, same_octets  # noqa: E402

CHUNKING = ('PIPELINING', 'CHUNKING', '8BITMIME')
DATA_ONLY = ('PIPELINING', '8BITMIME')
PLAIN = ('8BITMIME',)
WIDE = 'jörg@bücher.example'           # local part and domain
DOMAIN = 'info@bücher.example'         # the domain alone, which has another name
ASCII = 'info@xn--bcher-kva.example'


def place(work, extensions=CHUNKING, **changes):
    hop = work.own(NextHop(extensions))
    return hop, work.relay(work.configuration([hop.host], **changes))


def said(hop, verb):
    return [command.decode() for session in hop.sessions for command in session.commands if command.startswith(verb)]


def send(relay, content, sender, recipients, parameters=' SMTPUTF8'):
    with Client(relay.address) as client:
        client.hello()
        client.envelope(sender, recipients, parameters)
        client.data(content)
        client.command('QUIT', 221)


@case
def par_07_octets_above_127():
    """Without SMTPUTF8 any such octet in the envelope is 553 5.6.7; with it what is no UTF-8 is 501; the session goes
    on."""
    bad = (b'\xc0\xae', b'\xed\xa0\x80', b'\xf4\x90\x80\x80', b'\xe2\x80', b'\xff', b'\x80', b'\xc3', b'\xf0\x9f\x98')
    with Workspace() as work:
        hop, relay = place(work, ('PIPELINING', 'SMTPUTF8', '8BITMIME'), limits={'errors_per_session': 1000})
        with Client(relay.address) as client:
            offers = client.hello()[1].split('\n')
            check('SMTPUTF8' in offers and '8BITMIME' in offers, 'it offers %s', offers)
            for octets in (*bad, WIDE.encode(), 'ü'.encode()):
                client.command(b'MAIL FROM:<' + octets + b'@example.net>', 553, '5.6.7')
            client.envelope()
            for octets in (*bad, 'ü'.encode()):
                client.command(b'RCPT TO:<' + octets + b'@example.com>', 553, '5.6.7')
            client.command('RSET', 250)
            for octets in bad:
                client.command(b'MAIL FROM:<a' + octets + b'@example.net> SMTPUTF8', 501, '5.5.2')
                client.command(b'MAIL FROM:<a@b' + octets + b'> SMTPUTF8', 501, '5.5.2')
                client.command('MAIL FROM:<a@example.net> SMTPUTF8', 250)
                client.command(b'RCPT TO:<a' + octets + b'@example.com>', 501, '5.5.2')
                client.command(b'RCPT TO:<a' + octets, 501)
                client.command('RSET', 250)
            client.command('MAIL FROM:<a@example.net> SMTPUTF8=1', 501, '5.5.4')
            client.command('MAIL FROM:<a@example.net> SMTPUTF8 SMTPUTF8', 501, '5.5.4')
            client.command('RCPT TO:<a@example.net> SMTPUTF8', 555, '5.5.4')
            # No domains: written with a character that means a dot, or one that no name may have.
            client.command('MAIL FROM:<a@example．net> SMTPUTF8'.encode(), 501, '5.1.7')
            client.command('MAIL FROM:<a@bü cher.example> SMTPUTF8'.encode(), 501)
            client.command('MAIL FROM:<a@example.net> SMTPUTF8', 250)
            for domain in ('victim。example', 'victim⒈example', '℀.example', 'a\u2028b.example', '\u202e.example',
                           'ü' * 64 + '.example'):
                client.command(('RCPT TO:<a@%s>' % domain).encode(), 501, '5.1.3')
            for domain in ('ü..example', '-ü.example', 'ü.example.', '[ü]'):
                client.command(('RCPT TO:<a@%s>' % domain).encode(), 501, '5.5.4')
            # Opaque in the local part: right-to-left override, zero width, composed or not.
            for local in ('a\u202eb', '\u200b', 'é', 'e\u0301', '"ü b"', '日本'):
                client.command(('RCPT TO:<%s@example.com>' % local).encode(), 250)
            client.data(message(1))
            client.command('QUIT', 221)
        arrival = hop.wait_arrivals(1)[0]
        equal([recipient.encode('latin-1').decode() for recipient in arrival.recipients],
              ['%s@example.com' % local for local in ('a\u202eb', '\u200b', 'é', 'e\u0301', '"ü b"', '日本')], 'RCPT')
        relay.terminate()


@case
def to_a_host_that_offers_it():
    """All goes as it came, header included; SMTPUTF8 is said where it is needed, and not where it is not. It survives a
    restart."""
    content = message(1).replace(b'Subject: test', 'Subject: Grüße'.encode())
    with Workspace() as work:
        hop = work.own(NextHop(CHUNKING + ('SMTPUTF8',), script=lambda stage, session, argument:
                               '451 4.3.0 Later' if stage == 'MAIL' and not ready else None))
        ready = []
        configuration = work.configuration([hop.host], retry={'first': '1s', 'max': '1s'})
        relay = work.relay(configuration)
        send(relay, content, WIDE, [DOMAIN, 'a@example.com'])
        send(relay, message(2), 'a@example.net', ['a@example.com'])
        send(relay, message(3).replace(b'Subject: test', b'Subject: \xe4'), 'a@example.net', ['a@example.com'])
        send(relay, message(4).replace(b'Subject: test', b'Subject: \xe4'), 'a@example.net', ['a@example.com'], '')
        eventually(lambda: len(relay.events('deferred')) >= 4, lambda: 'four that wait')
        relay.terminate()
        ready.append(True)
        relay = work.relay(configuration, 'again')
        arrivals = {arrival.sequence: arrival for arrival in hop.wait_arrivals(4)}
        same_octets(arrivals[1].original, content, 'content')
        equal(arrivals[1].sender.encode('latin-1').decode(), WIDE, 'sender')
        equal([r.encode('latin-1').decode() for r in arrivals[1].recipients], [DOMAIN, 'a@example.com'], 'recipients')
        check(b' with UTF8SMTP id ' in arrivals[1].content, 'Received: %r', arrivals[1].content[:300])
        wide = [line for line in said(hop, b'MAIL') if 'SMTPUTF8' in line]
        equal(len(set(wide)), 2, 'MAIL with SMTPUTF8: %s' % wide)
        check(any('a@example.net> BODY=8BITMIME SMTPUTF8' in line for line in wide), 'for a header: %s', wide)
        relay.terminate()


@case
def to_a_host_that_does_not():
    """Domains become A-labels; who cannot be told fails with 5.6.7, and the others get their mail. The connection goes
    on."""
    for extensions in (CHUNKING, DATA_ONLY, PLAIN):
        with Workspace() as work:
            hop, relay = place(work, extensions, destination_limits={'connections': 1})
            header = message(5).replace(b'Subject: test', 'Subject: Grüße'.encode())
            send(relay, message(1), DOMAIN, [DOMAIN, 'a@example.com', 'b@BÜCHER.example'])
            send(relay, message(2), 'a@example.net', ['a@example.com', WIDE, 'c@example.com', 'ü@example.com', DOMAIN])
            send(relay, message(3), 'a@example.net', [WIDE])
            send(relay, message(4), WIDE, ['a@example.com', DOMAIN])
            send(relay, header, 'a@example.net', ['a@example.com'])
            send(relay, message(6), 'a@example.net', ['a@example.com'])
            send(relay, message(7) + 'Grüße\r\n'.encode(), 'a@example.net', ['a@example.com'])
            eventually(lambda: sum(bool(arrival.sender) for arrival in hop.arrivals) >= 4, 'four arrivals')
            arrivals = {arrival.sequence: arrival for arrival in hop.arrivals if arrival.sender}
            def attempts():
                """Without what their senders are told: messages of the relay's own."""
                taken = {event['id'] for event in relay.events('accepted')}
                return [event for event in relay.events('attempt') if event['id'] in taken]
            eventually(lambda: len(attempts()) >= 7, lambda: 'seven attempts')
            equal(sorted(arrivals), [1, 2, 6, 7], 'what arrived')
            equal((arrivals[1].sender, arrivals[1].recipients),
                  (ASCII, [ASCII, 'a@example.com', 'b@xn--bcher-kva.example']), 'envelope')
            equal(arrivals[2].recipients, ['a@example.com', 'c@example.com', ASCII], 'recipients')
            check(not any('SMTPUTF8' in line for line in said(hop, b'MAIL')), 'it was said')
            results = {event['result']: 0 for event in attempts()}
            for event in attempts():
                results[event['result']] += 1
            equal(results, {'delivered': 3, 'partial': 1, 'failed': 3}, 'results')
            for event in attempts():
                if event['result'] == 'failed':
                    check(event['reply'].startswith('5.6.7 '), 'the reply: %s', event)
                if event['result'] == 'partial':
                    failed = [one for one in event['results'] if one['result'] == 'failed']
                    equal([one['recipient'] for one in failed], [WIDE, 'ü@example.com'], 'who failed')
                    check(all(one['reply'].startswith('5.6.7 ') for one in failed), 'their replies: %s', failed)
            equal(hop.accepted, 1, 'connections')
            relay.terminate()


@case
def rules_know_domains_by_their_a_labels():
    """Routes and the recipients of a client's entry compare A-labels, however a domain was written."""
    with Workspace() as work:
        hop = work.own(NextHop(CHUNKING + ('SMTPUTF8',)))
        configuration = work.configuration([hop.host], clients=[
            {'name': 'local', 'networks': ['127.0.0.0/8'],
             'allowed_recipients': ['*@xn--bcher-kva.example', '*@example.com']}])
        configuration['routes'] = [{'recipient': '*@xn--bcher-kva.example', 'destination': 'next-hop'},
                                   {'refuse': 'no'}]
        relay = work.relay(configuration)
        with Client(relay.address) as client:
            client.hello()
            client.command('MAIL FROM:<a@example.net> SMTPUTF8', 250)
            for address in (WIDE, 'x@BÜCHER.example', 'x@bu\u0308cher.example', ASCII):
                client.command(('RCPT TO:<%s>' % address).encode(), 250)
            client.command('RCPT TO:<a@example.com>', 550, '5.7.1')
            client.command('RCPT TO:<ü@other.example>'.encode(), 550, '5.7.1')
            client.command('RCPT TO:<ü@bücher.example.net>'.encode(), 550, '5.7.1')
            client.data(message(1))
        equal(len(hop.wait_arrivals(1)[0].recipients), 4, 'recipients')
        relay.terminate()


@case
def limits_are_said():
    """RFC 9422: RCPTMAX is what this relay holds to."""
    with Workspace() as work:
        hop, relay = place(work, limits={'recipients_per_message': 7})
        with Client(relay.address) as client:
            check('LIMITS RCPTMAX=7' in client.hello()[1].split('\n'), 'LIMITS')
            client.envelope(recipients=['r%d@example.com' % i for i in range(7)])
            client.command('RCPT TO:<r7@example.com>', 452, '4.5.3')
            client.data(message(1))
        equal(len(hop.wait_arrivals(1)[0].recipients), 7, 'recipients')
        relay.terminate()


def limited(extensions, limits, most, per_connection):
    seen = {}

    def script(stage, session, argument):
        if stage == 'MAIL':
            seen[session] = seen.get(session, 0) + 1
            return '452 4.5.3 Too many messages' if per_connection and seen[session] > per_connection else None
        if stage == 'RCPT' and most and len(session.recipients) >= most:
            return '452 4.5.3 Too many recipients'
        return None

    with Workspace() as work:
        hop = work.own(NextHop(extensions + (limits,), script=script))
        relay = work.relay(work.configuration([hop.host], destination_limits={'connections': 1}))
        everyone = ['r%02d@example.com' % i for i in range(25)]
        for number in range(1, 6):
            send(relay, message(number), 'a@example.net', everyone, '')
        eventually(lambda: sum(len(arrival.recipients) for arrival in hop.arrivals) >= 125,
                   lambda: 'all recipients; there are %d' % sum(len(a.recipients) for a in hop.arrivals))
        relay.terminate()
        equal(sorted(r for arrival in hop.arrivals for r in arrival.recipients), sorted(everyone * 5), 'recipients')
        check(not relay.events('deferred'), 'none is put off')
        if most:
            check(max(len(arrival.recipients) for arrival in hop.arrivals) <= most, 'no more at a time')
            tried = sum(command.startswith(b'RCPT') for session in hop.sessions for command in session.commands)
            equal(tried, 125, 'each is said once')
        if per_connection:
            check(max(seen.values()) <= per_connection, 'messages on a connection: %s', sorted(seen.values()))


@case
def limits_are_kept():
    """RCPTMAX and MAILMAX of the next hop, whichever way it is spoken to; what is no number means nothing."""
    for extensions in (CHUNKING, DATA_ONLY, PLAIN):
        limited(extensions, 'LIMITS RCPTMAX=10', 10, 0)
        limited(extensions, 'LIMITS mailmax=2 X=y RCPTMAX=20 RCPTDOMAINMAX=1', 20, 2)
    limited(CHUNKING, 'LIMITS RCPTMAX=0 MAILMAX=01 RCPTMAX=-5 MAILMAX RCPTMAX=1x MAILMAX=9999999', 0, 0)


@case
def helo_that_was_only_tried():
    """A host that is known to nobody yet ends the first connection at EHLO. The next one says HELO, by which nothing is
    offered: what needs SMTPUTF8 is not refused for that, but waits until EHLO is asked for again."""
    with Workspace() as work:
        hellos = []

        def script(stage, session, argument):
            hellos.extend([stage] if stage in ('EHLO', 'HELO') else [])
            if hellos == ['EHLO'] and stage == 'EHLO':
                return CLOSE
            # It ends the connection that HELO was said over behind its first message.
            going = stage == 'MAIL' and len(hellos) == 2 and hop.arrivals
            return '421 4.3.2 going' if going else None

        hop = work.own(NextHop(('PIPELINING', 'SMTPUTF8', '8BITMIME'), script=script))
        relay = work.relay(work.configuration([hop.host], shards=1))
        send(relay, message(1), WIDE, [WIDE])
        eventually(lambda: relay.count['deferred'], 'it waits')
        check(not relay.count['failed'], 'it has failed: %s', relay.events('attempt'))
        for number in (2, 3):
            send(relay, message(number), 'a@example.net', ['b@example.com'], '')
        hop.wait_arrivals(3)
        equal(sorted(hop.sequences()), [1, 2, 3], 'arrivals')
        equal(hellos[:3], ['EHLO', 'HELO', 'EHLO'], 'what was said')
        relay.terminate()


@case
def an_original_recipient_with_letters():
    """ORCPT as RFC 6533 has it where SMTPUTF8 is offered: told to each next hop in the form that all may hear."""
    with Workspace() as work:
        hop, relay = place(work, ('PIPELINING', '8BITMIME', 'DSN'),
                           clients=[{'name': 'all', 'networks': ['127.0.0.0/8'], 'syntax': 'strict'}])
        with Client(relay.address) as client:
            client.hello()
            client.command('MAIL FROM:<a@example.net>', 250)
            client.command('RCPT TO:<b@example.com> ORCPT=utf-8;é@example.org'.encode(), 553, '5.6.7')
            client.command('RSET', 250)
            client.command('MAIL FROM:<a@example.net> SMTPUTF8', 250)
            client.command('RCPT TO:<b@example.com> ORCPT=utf-8;日\\x{E9}@example.org'.encode(), 250)
            client.command('RCPT TO:<b@example.com> ORCPT=rfc822;é@example.org'.encode(), 501, '5.5.4')
            client.command(('RCPT TO:<b@example.com> ORCPT=utf-8;' + 200 * 'é').encode(), 501, '5.5.4')
            client.data(message(1))
        hop.wait_arrivals(1)
        equal(said(hop, b'RCPT'), ['RCPT TO:<b@example.com> ORCPT=utf-8;\\x{65E5}\\x{E9}@example.org'], 'RCPT')
        relay.terminate()


if __name__ == '__main__':
    main(together=3)
