#!/usr/bin/python3
"""tests/e2e/test_odd_next_hops.py - servers as they are met: odd ways of saying yes, and of going away.

Each case is something that real servers, load balancers and firewalls were seen to do. Unless a case says otherwise
every message arrives once, at the first attempt, and the host is not held to have failed.
"""

import contextlib
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, eventually, message, parallel  # noqa: E402
from next_hop import Closed, NextHopSession  # noqa: E402

CHUNKING = ('PIPELINING', 'CHUNKING', '8BITMIME')
DATA_ONLY = ('PIPELINING', '8BITMIME')
PLAIN = ('8BITMIME',)
ALL = (CHUNKING, DATA_ONLY, PLAIN)


def send(relay, sequences, size=800, pause=0.0):
    with Client(relay.address) as client:
        client.hello()
        for sequence in sequences:
            client.envelope(recipients=['recipient-%d@example.com' % sequence])
            client.data(message(sequence, size))
            time.sleep(pause)


def through(hop, count=5, size=800, pause=0.0, what='', timeouts=None, failures=0):
    """Sends messages to this next hop: each must arrive, whole and once, without a failed host."""
    with Workspace() as work:
        work.own(hop)
        relay = work.relay(work.configuration([hop.host], shards=1, timeouts=timeouts or {}))
        send(relay, range(1, count + 1), size, pause)
        eventually(lambda: relay.count['delivered'] >= count,
                   lambda: '%s: delivered %d of %d: %s; %s' % (
                       what, relay.count['delivered'], count, dict(relay.count),
                       [(each.get('stage'), each.get('reply')) for each in relay.events('attempt')][-2:]))
        relay.terminate()
        equal(sorted(hop.sequences()), list(range(1, count + 1)), what + ': arrivals')
        for arrival in hop.arrivals:
            harness.same_octets(arrival.original, message(arrival.sequence, size), what)
        equal(relay.count['host_failed'], failures, what + ': failed hosts')
        check(not hop.errors, '%s: the next hop failed: %s', what, hop.errors[:1])
        return relay


class OctetByOctet(NextHopSession):
    """Each octet of a reply is a segment of its own."""

    def flush(self):
        for octet in bytes(self.out):
            self.socket.sendall(bytes([octet]))
            time.sleep(0.0005)
        self.out.clear()


@case
def replies_octet_by_octet():
    parallel(lambda extensions: through(NextHop(extensions, session_class=OctetByOctet), what=str(extensions)),
             [(extensions,) for extensions in ALL])


def long_replies(extensions):
    """500 lines to each command, the keywords of EHLO among the last."""
    def many(code, last):
        return ''.join('%d-line %d of many %s\r\n' % (code, n, 'x' * 400) for n in range(499)) + '%d %s' % (code, last)

    def script(stage, session, argument):
        if stage == 'EHLO':
            keywords = ''.join('250-X-UNKNOWN-%d with parameters\r\n' % n for n in range(500))
            return '250-next-hop.example.com\r\n' + keywords + '\r\n'.join(
                '250-' + each for each in extensions) + '\r\n250 HELP'
        return many({'connect': 220, 'DATA': 354, 'QUIT': 221}.get(stage, 250), 'done')
    hop = NextHop(extensions, script=script)
    through(hop, what=str(extensions))
    # What stood behind five hundred others was heard: the content came by BDAT.
    equal(all(arrival.chunked for arrival in hop.arrivals), 'CHUNKING' in extensions, 'chunked')


@case
def replies_of_five_hundred_lines():
    parallel(long_replies, [(extensions,) for extensions in ALL])


@case
def codes_without_text():
    """RFC 5321 4.2.1: a code and nothing behind it, with and without a blank, is a reply."""
    def bare(extensions, blank):
        def script(stage, session, argument):
            if stage == 'EHLO':
                return None
            return '%d%s' % ({'connect': 220, 'DATA': 354, 'QUIT': 221}.get(stage, 250), blank)
        through(NextHop(extensions, script=script), what='%s %r' % (extensions, blank))
    parallel(bare, [(extensions, blank) for extensions in ALL for blank in ('', ' ')])


@case
def yes_in_other_words():
    """251 and 252 for a recipient, 250 for EHLO's first line alone, enhanced codes of all kinds."""
    for text in ('251 User not local; will forward', '252 2.5.2 Cannot verify, but will try', '250 Accepted',
                 '250-2.1.5 two\r\n250 2.1.5 lines', '259 odd but positive'):
        through(NextHop(script=lambda stage, session, argument: text if stage == 'RCPT' else None), 2, what=text)


@case
def keywords_in_any_dress():
    """EHLO keywords in lower case, with `=`, blanks and tabs, twice, empty: what is known of them is understood."""
    lines = ['next-hop.example.com greets you', 'pipelining', 'Chunking ', 'SIZE', 'SIZE=', '8bitmime',
             'AUTH=LOGIN PLAIN', 'auth login', '', '-', 'X-ANONYMOUSTLS', 'PIPELINING', 'ETRN', 'DSN', 'HELP\t',
             'SIZE 0']
    text = '\r\n'.join('250%s%s' % (' ' if i == len(lines) - 1 else '-', line) for i, line in enumerate(lines))
    hop = NextHop(script=lambda stage, session, argument: text if stage == 'EHLO' else None)
    through(hop)
    check(all(arrival.chunked for arrival in hop.arrivals), 'CHUNKING was not understood')


class SlowGreeting(NextHopSession):
    """A first line, and a while later the rest (as postscreen does): who talks before is no mail server."""

    def serve(self):
        self.socket.sendall(b'220-wait\r\n')
        self.socket.settimeout(0.7)
        try:
            early = self.socket.recv(100)
            if early:
                self.server.errors.append('spoke before the greeting was complete: %r' % early)
            raise Closed()
        except TimeoutError:
            self.socket.settimeout(None)
        super().serve()


@case
def nobody_speaks_before_the_greeting():
    parallel(lambda extensions: through(NextHop(extensions, session_class=SlowGreeting), 2, what=str(extensions)),
             [(extensions,) for extensions in ALL])


@case
def slow_to_say_go_ahead():
    """354 much later than other replies; its deadline is that of a reply, not of the content."""
    def script(stage, session, argument):
        if stage in ('DATA', 'MAIL'):
            time.sleep(1.2)
    parallel(lambda extensions: through(NextHop(extensions, script=script), 2, what=str(extensions),
                                        timeouts={'reply': '60s'}), [(DATA_ONLY,), (PLAIN,)])


class ResetBehindQuit(NextHopSession):
    """221, or nothing, and RST instead of FIN: nothing was lost by it."""

    def on_quit(self, argument):
        if self.server.polite:
            self.out += b'221 2.0.0 Bye\r\n'
            self.flush()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.socket.close()
        raise Closed()


@case
def reset_behind_quit():
    for polite in (True, False):
        hop = NextHop(session_class=ResetBehindQuit)
        hop.polite = polite
        through(hop, what='polite %s' % polite)


class CountsItsReplies(NextHopSession):
    """The reply to the end of content comes before the content was there."""

    def on_data(self, argument):
        if self.server.accepted > 1:
            super().on_data(argument)
            return
        self.out += b'354 Go ahead\r\n250 2.0.0 Taken, whatever it may be\r\n'
        self.flush()
        while True:
            self.receive()
            self.buffer.clear()


@case
def taken_before_it_was_sent():
    """A 250 that answers content nobody has sent yet says nothing about it: the message goes again."""
    for extensions in (DATA_ONLY, PLAIN):
        with Workspace() as work:
            hop = work.own(NextHop(extensions, session_class=CountsItsReplies))
            relay = work.relay(work.configuration([hop.host], shards=1, timeouts={'reply': '4s', 'data_reply': '4s'}))
            send(relay, [1], size=3000000)
            eventually(lambda: len(hop.arrivals) == 1, lambda: '%s: %s' % (extensions, dict(relay.count)))
            eventually(lambda: relay.count['delivered'] == 1, lambda: '%s: %s' % (extensions, dict(relay.count)))
            equal(hop.arrivals[0].original, message(1, 3000000), 'the message')
            relay.terminate()


@case
def a_reply_that_changes_its_mind():
    """RFC 5321 4.2.1: all lines of a reply have one code. Where they differ nothing was said, and no mail is lost."""
    for extensions in (CHUNKING, DATA_ONLY):
        first = {'left': 1}

        def script(stage, session, argument):
            if stage in ('END', 'BDAT') and first['left']:
                first['left'] = 0
                return '550-5.7.1 No\r\n250 2.0.0 Yes'
            return None
        with Workspace() as work:
            hop = work.own(NextHop(extensions, script=script))
            relay = work.relay(work.configuration([hop.host], shards=1))
            send(relay, [1])
            eventually(lambda: len(hop.arrivals) == 1, lambda: '%s: %s' % (extensions, dict(relay.count)))
            eventually(lambda: relay.count['delivered'] == 1, lambda: '%s: %s' % (extensions, dict(relay.count)))
            equal(relay.count['failed'], 0, 'failed')
            relay.terminate()


class ClosedWindow(NextHopSession):
    """Stops reading in the middle of a message for a while: its window closes, and opens again."""

    def __init__(self, server, connection):
        super().__init__(server, connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.stopped = False

    def receive(self):
        if self.sender is not None and not self.stopped:
            self.stopped = True
            self.flush()
            self.server.stopped_reading.set()
            self.server.reads_again.wait(60)
        super().receive()


@case
def a_window_that_closes_for_a_while():
    """Longer than nothing, shorter than the deadline; messages to others go on meanwhile."""
    def closed(extensions):
        with Workspace() as work:
            hop, other = work.own(NextHop(extensions, session_class=ClosedWindow)), work.own(NextHop())
            hop.stopped_reading, hop.reads_again = threading.Event(), threading.Event()
            configuration = work.configuration([hop.host], shards=1, timeouts={'reply': '120s', 'data_reply': '120s'})
            configuration['destinations'].append({'name': 'other', 'hosts': [other.host], 'tls': {'mode': 'none'}})
            configuration['routes'].insert(0, {'recipient': '*@other.example', 'destination': 'other'})
            relay = work.relay(configuration)
            send(relay, [1], size=2000000)
            check(hop.stopped_reading.wait(60), 'the message has not come')
            with Client(relay.address) as client:
                client.hello()
                client.envelope(recipients=['quick@other.example'])
                client.data(message(2))
            other.wait_arrivals(1)
            time.sleep(1)
            equal(len(hop.arrivals), 0, 'arrivals while it does not read')
            hop.reads_again.set()
            hop.wait_arrivals(1)
            eventually(lambda: relay.count['delivered'] == 2, lambda: str(relay.count))
            equal((hop.accepted, relay.count['host_failed']), (1, 0), 'connections and failures')
            relay.terminate()
    parallel(closed, [(CHUNKING,), (DATA_ONLY,)])


class OneEach(NextHopSession):
    """Closes behind each message it has taken, without a word."""

    def arrived(self, *arguments):
        super().arrived(*arguments)
        self.flush()
        raise Closed()


@case
def gone_behind_each_250():
    """FIN right behind the 250: what was taken is not sent again."""
    for extensions in ALL:
        with Workspace() as work:
            hop = work.own(NextHop(extensions, session_class=OneEach))
            relay = work.relay(work.configuration([hop.host], shards=1))
            send(relay, range(1, 11))
            eventually(lambda: relay.count['delivered'] == 10,
                       lambda: '%s: %s' % (extensions, dict(relay.count)))
            equal(sorted(hop.sequences()), list(range(1, 11)), '%s: arrivals' % (extensions,))
            relay.terminate()


def to_many(hop, recipients, count, **changes):
    """One message to all of these: so many must get it, each once, without waiting for the schedule."""
    with Workspace() as work:
        work.own(hop)
        retry = {'first': '1h', 'factor': 1, 'max': '1h', 'expire': '1d'}
        relay = work.relay(work.configuration([hop.host], shards=1, retry=retry, **changes))
        with Client(relay.address) as client:
            client.hello()
            client.envelope(recipients=recipients)
            client.data(message(1))
        eventually(lambda: sum(len(arrival.recipients) for arrival in hop.arrivals) >= count,
                   lambda: '%d of %d recipients; %s; %s' % (
                       sum(len(arrival.recipients) for arrival in hop.arrivals), count, dict(relay.count),
                       [(each['result'], each.get('reply')) for each in relay.events('attempt')][-2:]))
        relay.terminate()
        got = [name for arrival in hop.arrivals for name in arrival.recipients]
        equal(len(got), len(set(got)), 'different recipients')
        return relay


@case
def too_many_recipients_in_one_message():
    """RFC 5321 4.5.3.1.10: those that are too many for one transaction go in the next one, at once."""
    def limited(extensions, text):
        def script(stage, session, argument):
            return text if stage == 'RCPT' and len(session.recipients) >= 10 else None
        hop = NextHop(extensions, script=script)
        relay = to_many(hop, ['r%d@example.com' % n for n in range(45)], 45)
        equal([len(arrival.recipients) for arrival in hop.arrivals], [10, 10, 10, 10, 5], text)
        equal((relay.count['deferred'], relay.count['failed']), (0, 0), text + ': deferred and failed')
    parallel(limited, [(extensions, text) for extensions in ALL for text in (
        '452 4.5.3 Too many recipients', '452 Too many recipients received', '552 5.5.3 Maximum limit of recipients',
        '550 5.5.3 Too many recipients', '450 too many recipients for one message')])


class TooManyErrors(NextHopSession):
    """Ends a session with 421 at the twentieth recipient it does not know, as Postfix does."""

    unknown = 0

    def on_rcpt(self, argument):
        if 'unknown' not in argument:
            super().on_rcpt(argument)
            return
        self.unknown += 1
        if self.unknown < 20:
            self.out += b'550 5.1.1 User unknown\r\n'
            return
        self.out += b'421 4.7.0 Error: too many errors\r\n'
        self.flush()
        raise Closed()


@case
def a_session_that_ends_after_so_many_unknown_recipients():
    """Who was refused for good stays so: else the others would never get their mail, as each attempt ends alike."""
    def many(extensions):
        hop = NextHop(extensions, session_class=TooManyErrors)
        names = ['unknown-%d@example.com' % n for n in range(70)] + ['known-%d@example.com' % n for n in range(30)]
        relay = to_many(hop, names, 30)
        refused = [each['recipient'] for event in relay.events('attempt') for each in event.get('results', ())
                   if each['result'] == 'failed']
        equal(len(refused), len(set(refused)), 'recipients that failed twice')
        equal(relay.count['host_failed'], 0, 'failed hosts')
    parallel(many, [(extensions,) for extensions in ALL])


@case
def a_firewall_that_masks_what_is_said():
    """Stars for the greeting, X for keywords it does not know: what is left of EHLO is understood, no more."""
    greeting = '220 %s0*2%s' % ('*' * 70, '*' * 20)
    keywords = ('250-next-hop.example.com', '250-XXXXXXXA', '250-PIPELINING', '250-XXXXXXXB', '250 8BITMIME')
    hop = NextHop(DATA_ONLY, script=lambda stage, session, argument: {
        'connect': greeting, 'EHLO': '\r\n'.join(keywords)}.get(stage))
    through(hop)
    # And one that lets HELO through alone.
    through(NextHop((), script=lambda stage, session, argument: {
        'connect': greeting, 'EHLO': '500 5.3.3 XXXX'}.get(stage)))


@case
def greetings_of_many_lines_and_replies_in_other_alphabets():
    lines = ['mail.example.com ESMTP', '*', '\\* This site does not authorise ...', '', '   ', '*****']
    greeting = '\r\n'.join('220-' + line for line in lines) + '\r\n220 *'

    class Replies(NextHopSession):
        def flush(self):
            self.out = bytearray(bytes(self.out).replace(b'Recipient ok', b'Empf\xe4nger \xff \xe2\x9c\x93'))
            super().flush()
    for extensions in ALL:
        through(NextHop(extensions, session_class=Replies,
                        script=lambda stage, session, argument: greeting if stage == 'connect' else None))


def no_third_recipient(extensions, ending):
    """However often the whole message is tried, the session ends at the third: two must go at a time."""
    hop = NextHop(extensions, script=lambda stage, session, argument:
                  ending if stage == 'RCPT' and len(session.recipients) == 2 else None)
    recipients = ['recipient-%d@example.com' % n for n in range(5)]
    with Workspace() as work:
        work.own(hop)
        relay = work.relay(work.configuration([hop.host], shards=1, retry={'first': '1s', 'max': '1s'}))
        with Client(relay.address) as client:
            client.hello()
            client.envelope(recipients=recipients)
            client.data(message(1))
        eventually(lambda: relay.count['delivered'] >= 5 or sum(
            len(arrival.recipients) for arrival in hop.arrivals) >= 5,
            lambda: 'five recipients: %s; %s' % ([a.recipients for a in hop.arrivals], dict(relay.count)))
        relay.terminate()
        equal(sorted(sum((arrival.recipients for arrival in hop.arrivals), [])), recipients, 'recipients')


@case
def a_session_ends_at_one_recipient_too_many():
    """421 or a close at RCPT, where every recipient before was taken (limits of recipients that are told as errors)."""
    parallel(no_third_recipient, [(extensions, ending) for extensions in ALL
                                  for ending in ('421 4.7.0 Too many recipients, closing', harness.CLOSE)])


class RefusesAndCloses(NextHopSession):
    """552 in the middle of content, and closed on what was not read: the reset is right behind the reply."""

    def refuse(self):
        self.octets(100000)
        self.out += b'552 5.3.4 Message too large\r\n'
        self.flush()
        self.socket.close()
        raise Closed()

    def on_data(self, argument):
        self.out += b'354 Go ahead\r\n'
        self.flush()
        self.refuse()

    def on_bdat(self, argument):
        self.refuse()


def refused_and_reset(extensions):
    hop = NextHop(extensions, session_class=RefusesAndCloses)
    with Workspace() as work:
        work.own(hop)
        relay = work.relay(work.configuration([hop.host], shards=1))
        send(relay, range(1, 6), 3000000)
        eventually(lambda: relay.count['failed'] >= 5, lambda: '%s: %s' % (extensions, dict(relay.count)))
        check(all(event['reply'].startswith('552') for event in relay.events('failed')), relay.events('failed'))
        tried = [session for session in hop.sessions if any(line.startswith(b'RCPT TO:<recipient-')
                                                            for line in session.commands)]
        equal(len(tried), 5, 'each was tried once, connections')
        equal(relay.count['host_failed'], 0, 'a host that answers has not failed')


@case
def a_refusal_right_before_a_reset():
    """What was said is heard, although the content cannot be sent any more when it is looked at."""
    parallel(refused_and_reset, [(extensions,) for extensions in (CHUNKING, DATA_ONLY)])


class EndsInContent(NextHopSession):
    """The first two sessions: 421 and FIN while the content is still being sent."""

    def goodbye(self):
        self.octets(100000)
        self.out += b'421 4.4.2 incoming data timeout - closing connection.\r\n'
        self.flush()
        self.socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while self.socket.recv(65536):
                pass
        raise Closed()

    def on_data(self, argument):
        if self.server.accepted > 2:
            super().on_data(argument)
            return
        self.out += b'354 Go ahead\r\n'
        self.flush()
        self.goodbye()

    def on_bdat(self, argument):
        if self.server.accepted > 2:
            super().on_bdat(argument)
            return
        self.goodbye()


@case
def a_goodbye_in_the_middle_of_content():
    """The message goes again, whole, and arrives once."""
    def cut(extensions):
        with Workspace() as work:
            hop = work.own(NextHop(extensions, session_class=EndsInContent))
            relay = work.relay(work.configuration([hop.host], shards=1))
            send(relay, [1], size=3000000)
            eventually(lambda: relay.count['delivered'] == 1, lambda: '%s: %s' % (extensions, dict(relay.count)), 60)
            relay.terminate()
            equal(hop.sequences(), [1], '%s: arrivals' % (extensions,))
            harness.same_octets(hop.arrivals[0].original, message(1, 3000000), str(extensions))
    parallel(cut, [(extensions,) for extensions in ALL])


class SwallowsLargeChunks(NextHopSession):
    """BDAT of more than 64 KiB is read and never answered; smaller ones are."""

    def on_bdat(self, argument):
        if int(argument.split()[0]) <= 65536:
            super().on_bdat(argument)
            return
        while True:
            self.receive()
            self.buffer.clear()


@case
def large_chunks_are_swallowed():
    """That small ones were taken does not prove BDAT sound: large messages go by DATA then, at once."""
    with Workspace() as work:
        hop = work.own(NextHop(CHUNKING, session_class=SwallowsLargeChunks))
        timeouts = {'reply': '2s', 'data_reply': '2s'}
        retry = {'first': '1h', 'factor': 1, 'max': '1h', 'expire': '1d'}
        relay = work.relay(work.configuration([hop.host], shards=1, timeouts=timeouts, retry=retry))
        send(relay, [1, 2, 3])
        hop.wait_arrivals(3)
        send(relay, [4, 5, 6], size=500000)
        hop.wait_arrivals(6)
        eventually(lambda: relay.count['delivered'] == 6, lambda: str(dict(relay.count)))
        relay.terminate()
        equal(sorted(hop.sequences()), [1, 2, 3, 4, 5, 6], 'arrivals')
        equal(relay.count['host_failed'], 0, 'failed hosts')


@case
def a_while_for_each_recipient():
    """The deadline is that of one reply (RFC 5321 4.5.3.2.3), however long they take together."""
    def slowly(extensions):
        def script(stage, session, argument):
            if stage == 'RCPT':
                session.flush()
                time.sleep(0.4)
        hop = NextHop(extensions, script=script)
        relay = to_many(hop, ['r%d@example.com' % n for n in range(20)], 20, timeouts={'reply': '4s'})
        equal((hop.accepted, relay.count['host_failed']), (1, 0), 'connections and failures')
    parallel(slowly, [(extensions,) for extensions in ALL])


@case
def yes_to_data_without_go_ahead():
    """A 250 to DATA asks for no content (RFC 5321 4.3.2): none is sent, and nothing counts as delivered."""
    class Yes(NextHopSession):
        def on_data(self, argument):
            if self.server.accepted > 2:
                super().on_data(argument)
                return
            self.out += b'250 2.0.0 Ok\r\n'
            self.reset()
    for extensions in (DATA_ONLY, PLAIN):
        with Workspace() as work:
            hop = work.own(NextHop(extensions, session_class=Yes))
            relay = work.relay(work.configuration([hop.host], shards=1))
            send(relay, [1])
            eventually(lambda: relay.count['delivered'] == 1, lambda: '%s: %s' % (extensions, dict(relay.count)), 60)
            relay.terminate()
            equal(hop.sequences(), [1], '%s: arrivals' % (extensions,))
            for session in hop.sessions:
                strange = [line for line in session.commands if line[:4].upper() not in (
                    b'EHLO', b'MAIL', b'RCPT', b'DATA', b'RSET', b'QUIT')]
                check(not strange, '%s: content was sent as commands: %s', extensions, strange[:3])


if __name__ == '__main__':
    harness.main(together=4)
