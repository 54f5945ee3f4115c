#!/usr/bin/python3
"""tests/e2e/test_exchange.py - what a next hop is told, and what becomes of mail when its replies are odd."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (Client, NextHop, Workspace, case, check, equal, eventually, free_port, message,  # noqa: E402
                     parallel)
from next_hop import Closed, NextHopSession  # noqa: E402

CHUNKING = ('PIPELINING', 'CHUNKING', 'ENHANCEDSTATUSCODES')
DATA_ONLY = ('PIPELINING', 'ENHANCEDSTATUSCODES')
PLAIN = ('ENHANCEDSTATUSCODES',)


class Patient(NextHopSession):
    """Refuses in its greeting, and waits for what is said to that."""

    def serve(self):
        if self.reply('connect', '', '220 next-hop.example.com ESMTP'):
            self.out += b'220 again\r\n'
        while True:
            self.commands.append(self.line())
            if self.commands[-1] == b'QUIT':
                raise Closed()


def send(relay, sequence, recipients=('recipient@example.com',), size=800):
    with Client(relay.address) as client:
        client.hello()
        client.envelope(recipients=recipients)
        client.data(message(sequence, size))


def once(stage, answer):
    """A script that gives `answer` the first time that `stage` is reached."""
    left = [answer]
    return lambda now, session, argument: left.pop() if now == stage and left else None


def reasons(relay):
    return [event['reason'] for event in relay.events('connection')]


def parameters(hop):
    """What was said behind the address in each MAIL."""
    return [line.partition(b'> ')[2] for session in hop.sessions for line in session.commands
            if line.startswith(b'MAIL')]


@case
def eight_bit_content_is_declared():
    """Whatever the client said about it, in one record or in parts, and after a restart."""
    text = 'Größe\r\n'.encode()
    with Workspace() as work:
        port = free_port()
        configuration = work.configuration(['127.0.0.1:%d' % port], shards=1)
        relay = work.relay(configuration)
        with Client(relay.address) as client:
            client.hello()
            for said in ('', ' BODY=7BIT', ' BODY=8BITMIME'):
                client.envelope(sender='eight@example.net', parameters=said)
                client.data(message(1) + text)
            client.envelope(sender='eight@example.net')
            client.data(text + message(2, 2000000))
            client.envelope(sender='seven@example.net')
            client.data(message(3))
        relay.terminate()
        hop = work.own(NextHop(('PIPELINING', '8BITMIME'), port=port))
        relay = work.relay(configuration, 'again')
        hop.wait_arrivals(5)
        said = sorted(line for session in hop.sessions for line in session.commands if line.startswith(b'MAIL'))
        equal(said, [b'MAIL FROM:<eight@example.net> BODY=8BITMIME'] * 4 + [b'MAIL FROM:<seven@example.net>'], 'MAIL')
        relay.terminate()


@case
def eight_bit_content_where_it_cannot_be_declared():
    """Sent as it is, and the event says so."""
    with Workspace() as work:
        hop = work.own(NextHop(('PIPELINING',)))
        relay = work.relay(work.configuration([hop.host], shards=1))
        with Client(relay.address) as client:
            client.hello()
            client.envelope()
            client.data(message(1) + 'Größe\r\n'.encode())
            client.envelope()
            client.data(message(2))
        eventually(lambda: relay.count['delivered'] == 2, lambda: str(relay.count))
        equal(parameters(hop), [b'', b''], 'parameters of MAIL')
        equal([event.get('undeclared_8bit', False) for event in relay.events('attempt')], [True, False], 'recorded')
        relay.terminate()


def surplus(extensions, stage, expected):
    """A reply that nobody asked for: the connection ends, no result is wrong, and the message arrives once."""
    first = {'connect': '220 next hop', 'EHLO': None, 'MAIL': '250 2.1.0 ok', 'RCPT': '250 2.1.5 ok',
             'DATA': '354 go', 'END': '250 2.0.0 taken', 'BDAT': '250 2.0.0 taken'}[stage]
    if stage == 'EHLO':
        first = '\r\n'.join(['250-next hop', *('250-' + e for e in extensions), '250 8BITMIME'])

    def script(now, session, argument):
        if now == 'RCPT' and 'bad@' in argument:
            return '550 5.1.1 unknown'
        return early(now, session, argument)
    early = once(stage, first + '\r\n250 2.0.0 early')
    with Workspace() as work:
        hop = work.own(NextHop(extensions, script=script))
        relay = work.relay(work.configuration([hop.host], shards=1))
        send(relay, 1, ('good@example.com', 'bad@example.com', 'good2@example.com'))
        eventually(lambda: relay.count['partial'] + relay.count['delivered'], lambda: '%s' % relay.tail())
        what = '%s at %s' % (extensions, stage)
        last = hop.arrivals[-1]
        equal(last.recipients, ['good@example.com', 'good2@example.com'], what)
        # Where the end was answered twice, the first copy may have been taken.
        check(len(hop.arrivals) == 1 + (stage in ('END', 'BDAT')), '%s: %d copies', what, len(hop.arrivals))
        check(any(expected in reason and '250 2.0.0 early' in reason for reason in reasons(relay)),
              '%s: %s', what, reasons(relay))
        relay.terminate()


@case
def replies_before_their_commands():
    """PAR-05: a reply is matched only to a command that was sent before it came, and never two to one command."""
    for extensions in (CHUNKING, DATA_ONLY, PLAIN):
        ends = ('BDAT',) if 'CHUNKING' in extensions else ('DATA', 'END')
        parallel(surplus, [(extensions, stage, expected) for stage, expected in [
            ('connect', 'a reply before its command'), ('EHLO', 'a reply without a command')]
            + [(end, 'more replies than commands') for end in ends]])
    # One command at a time: each of them can be told.
    parallel(surplus, [(PLAIN, stage, 'more replies than commands') for stage in ('MAIL', 'RCPT')])


@case
def the_first_digit_decides():
    """RFC 5321 4.2.1: what a code's later digits mean does not matter for what is done next."""
    replies = {'connect': '299 hello', 'EHLO': '220-next hop\r\n220 PIPELINING', 'DATA': '350 go', 'MAIL': '200 yes',
               'RCPT': '252 perhaps', 'END': '299 taken', 'QUIT': '250 bye'}
    with Workspace() as work:
        hop = work.own(NextHop(DATA_ONLY, script=lambda stage, session, argument: replies.get(stage)))
        relay = work.relay(work.configuration([hop.host], shards=1))
        send(relay, 1)
        eventually(lambda: relay.count['delivered'] == 1, lambda: relay.tail())
        equal((len(hop.arrivals), hop.accepted), (1, 1), 'arrivals and connections')
        relay.terminate()


@case
def a_refusal_is_answered_with_quit():
    for stage in ('connect', 'EHLO'):
        with Workspace() as work:
            refusal = '554 5.7.1 go away'
            hop = work.own(NextHop(script=lambda now, session, argument, stage=stage: refusal if now == stage else None,
                                   session_class=Patient if stage == 'connect' else None))
            relay = work.relay(work.configuration([hop.host], shards=1))
            send(relay, 1)
            eventually(lambda: hop.sessions and hop.sessions[0].commands[-1:] == [b'QUIT'],
                       lambda: str([session.commands for session in hop.sessions]))
            equal(len(relay.events('host_failed')), 1, 'told')
            check(refusal in relay.events('host_failed')[0]['reason'], '%s', relay.events('host_failed'))
            eventually(lambda: relay.events('connection'), 'the connection is told of')
            equal([refusal in reason for reason in reasons(relay)], [True], 'connections')
            relay.terminate()


@case
def malformed_replies_are_shown():
    for what, shown in (('\x15\x03\x03\x00\x02', '\\x15\\x03'), ('HTTP/1.1 400 Bad Request', 'HTTP/1.1 400 Bad'),
                        ('2500 ok', '2500 ok'), ('25 ' + 'x' * 500, '...')):
        with Workspace() as work:
            hop = work.own(NextHop(DATA_ONLY, script=once('MAIL', what)))
            relay = work.relay(work.configuration([hop.host], shards=1))
            send(relay, 1)
            eventually(lambda: relay.count['delivered'] == 1, lambda: relay.tail())
            check('malformed reply: "' in reasons(relay)[0] and shown in reasons(relay)[0], '%s', reasons(relay))
            check(len(reasons(relay)[0]) < 200, '%s', reasons(relay))
            equal(len(hop.arrivals), 1, 'arrivals')
            relay.terminate()


@case
def empty_lines_between_replies():
    """From a server that sends one where nothing is under way: they are no replies, so they shift none."""
    replies = {'connect': '220 next hop\r\n', 'MAIL': '250 2.1.0 ok\r\n', 'DATA': '354 go\r\n'}
    for extensions in (CHUNKING, DATA_ONLY, PLAIN):
        with Workspace() as work:
            hop = work.own(NextHop(extensions, script=lambda stage, session, argument: replies.get(stage)))
            relay = work.relay(work.configuration([hop.host], shards=1))
            for sequence in range(3):
                send(relay, sequence)
            eventually(lambda: relay.count['delivered'] == 3, lambda: relay.tail())
            equal((len(hop.arrivals), hop.accepted), (3, 1), 'arrivals and connections')
            relay.terminate()


if __name__ == '__main__':
    harness.main()
