#!/usr/bin/python3
"""tests/e2e/test_next_hops.py - next hops that keep transactions open, answer too early, are busy, or read slowly."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (CLOSE, SILENCE, Client, NextHop, Workspace, case, check, equal, eventually, message,  # noqa: E402
                     parallel)
from next_hop import Closed, NextHopSession  # noqa: E402

CHUNKING = ('PIPELINING', 'CHUNKING', '8BITMIME')
DATA_ONLY = ('PIPELINING', '8BITMIME')
PLAIN = ('8BITMIME',)


class Keeping(NextHopSession):
    """A refused BDAT LAST leaves the transaction open, as RFC 3030 allows."""

    def on_bdat(self, argument):
        words = argument.upper().split()
        chunk, last = self.octets(int(words[0])), 'LAST' in words
        if not self.recipients:
            self.out += b'554 5.5.1 No valid recipients\r\n'
            return
        if not self.reply('BDAT', (chunk, last), '250 2.0.0 Taken'):
            return
        self.content = (self.content or []) + [chunk]
        if last:
            content = b''.join(self.content)
            self.arrived(content, content, True)
            self.reset()


class Slow(NextHopSession):
    """Takes content in small pieces with pauses."""

    def receive(self):
        self.flush()
        if self.sender is not None:
            time.sleep(0.013)
        more = self.socket.recv(8192)
        if not more:
            raise Closed()
        self.buffer += more


class Early(NextHopSession):
    """Answers BDAT before it has read the chunk."""

    def on_bdat(self, argument):
        self.reply('BDAT', argument, '250 2.0.0 Taken')
        self.flush()
        time.sleep(0.3)
        self.octets(int(argument.split()[0]))


def nth(stage, number, answer):
    """A script that gives `answer` the `number`th time that `stage` is reached."""
    reached = [0]

    def script(now, session, argument):
        if now != stage:
            return None
        reached[0] += 1
        return answer if reached[0] == number else None
    return script


def pairs(hop):
    return sorted((arrival.sequence, arrival.sender, tuple(arrival.recipients)) for arrival in hop.arrivals)


def sends(relay, numbers, size=800, pause=0.0):
    """Message N goes from sender-N to recipient-N, so that a mix-up shows."""
    with Client(relay.address) as client:
        client.hello()
        for n in numbers:
            client.envelope(sender='sender-%d@example.net' % n, recipients=('recipient-%d@example.com' % n,))
            client.data(message(n, size))
            time.sleep(pause)


def expected(numbers):
    return [(n, 'sender-%d@example.net' % n, ('recipient-%d@example.com' % n,)) for n in numbers]


@case
def a_refused_transaction_stays_open():
    """Envelopes never mix, whether the next message follows at once or a second later on the idle connection."""
    for pause in (0.0, 0.7):
        for stage, answer in (('BDAT', '452 4.2.2 Not now'), ('RCPT', '450 4.2.0 Not now')):
            with Workspace() as work:
                hop = work.own(NextHop(CHUNKING, script=nth(stage, 1, answer), session_class=Keeping))
                relay = work.relay(work.configuration([hop.host], shards=1))
                sends(relay, range(1, 6), pause=pause)
                eventually(lambda: relay.count['delivered'] >= 5, lambda: '%s %s' % (stage, relay.count))
                equal(pairs(hop), expected(range(1, 6)), 'after %s at %s' % (answer, stage))
                relay.terminate()


@case
def a_chunk_in_the_middle_is_refused():
    """No further BDAT after a refusal: a part of a message is never taken for the whole (RFC 3030 2)."""
    for number in (1, 2, 7):
        with Workspace() as work:
            hop = work.own(NextHop(CHUNKING, script=nth('BDAT', number, '452 4.2.2 Not now'), session_class=Keeping))
            relay = work.relay(work.configuration([hop.host], shards=1))
            sends(relay, [1], size=3000000)
            sends(relay, [2])
            eventually(lambda: relay.count['delivered'] >= 2, lambda: str(relay.count))
            equal(pairs(hop), expected([1, 2]), 'arrivals')
            check(all(a.content.endswith(message(a.sequence, 3000000 if a.sequence == 1 else 800))
                      for a in hop.arrivals), 'what arrived was not whole')
            relay.terminate()


@case
def a_large_message_is_refused_before_its_content():
    """A refused envelope: the rest of its content is not pushed through, and the connection goes on."""
    for stage in ('MAIL', 'RCPT'):
        with Workspace() as work:
            hop = work.own(NextHop(CHUNKING, script=nth(stage, 1, '550 5.1.1 No'), session_class=Keeping))
            relay = work.relay(work.configuration([hop.host], shards=1))
            sends(relay, [1], size=8000000)
            sends(relay, [2])
            eventually(lambda: relay.count['delivered'] >= 1 and relay.count['failed'] >= 1, lambda: str(relay.count))
            equal(pairs(hop), expected([2]), 'arrivals')
            relay.terminate()


@case
def a_refusal_before_the_content():
    """A next hop that refuses before it has read the chunk is heard: the message has failed, not been deferred."""
    with Workspace() as work:
        hop = work.own(NextHop(CHUNKING, script=lambda stage, s, a: '552 5.3.4 Too large' if stage == 'BDAT' else None,
                               session_class=Early))
        relay = work.relay(work.configuration([hop.host], shards=1))
        sends(relay, [1], size=12000000)
        eventually(lambda: relay.count['failed'] == 1, lambda: str(relay.count))
        equal(len(hop.arrivals), 0, 'arrivals')
        relay.terminate()


def busy_host(extensions, answer):
    with Workspace() as work:
        hop = work.own(NextHop(extensions, script=lambda stage, s, a: answer if stage == 'MAIL' else None))
        relay = work.relay(work.configuration([hop.host], shards=1))
        began = time.monotonic()
        sends(relay, range(1, 101))
        time.sleep(4)
        accepted, seconds = hop.accepted, time.monotonic() - began
        check(accepted <= 4 + seconds, '%d connections in %.1f seconds', accepted, seconds)
        relay.told('host_failed')
        hop.script = lambda stage, session, argument: None
        eventually(lambda: set(hop.sequences()) == set(range(1, 101)),
                   lambda: 'all arrive once it is well again: %d' % len(set(hop.sequences())), 60)
        relay.terminate()


@case
def a_busy_host_is_left_alone():
    """421 or a close at every MAIL: back-off, not a connection for each message."""
    parallel(busy_host, [(extensions, answer) for extensions in (CHUNKING, DATA_ONLY)
                         for answer in ('421 4.3.2 Busy', CLOSE)])


def slow_reader(extensions):
    with Workspace() as work:
        hop = work.own(NextHop(extensions, session_class=Slow))
        relay = work.relay(work.configuration([hop.host], shards=1, timeouts={'reply': '4s', 'data_reply': '60s'}))
        # 8 KiB in 13 ms: nearly twice the deadline.
        sends(relay, [1], size=4500000)
        eventually(lambda: relay.count['delivered'] == 1, lambda: str(relay.count))
        equal(hop.accepted, 1, 'connections')
        relay.terminate()


@case
def a_slow_reader_is_not_a_silent_one():
    """A transfer that takes longer than timeouts.reply, but goes on."""
    parallel(slow_reader, [(extensions,) for extensions in (CHUNKING, DATA_ONLY)])


@case
def the_end_of_content_has_its_own_deadline():
    def slow_to_take(extensions):
        def script(stage, session, argument):
            if stage in ('END', 'BDAT'):
                time.sleep(6)
        with Workspace() as work:
            hop = work.own(NextHop(extensions, script=script))
            relay = work.relay(work.configuration([hop.host], shards=1, timeouts={'reply': '4s', 'data_reply': '60s'}))
            sends(relay, [1])
            eventually(lambda: relay.count['delivered'] == 1, lambda: '%s: %s' % (extensions, relay.count))
            equal((len(hop.arrivals), hop.accepted), (1, 1), 'arrivals and connections')
            relay.terminate()
    parallel(slow_to_take, [(extensions,) for extensions in (CHUNKING, DATA_ONLY, PLAIN)])


@case
def memory_stays_bounded_while_a_host_does_not_read():
    """Only what is being written is held; the rest waits on disk."""
    with Workspace() as work:
        hop = work.own(NextHop(CHUNKING, script=lambda stage, s, a: SILENCE if stage == 'MAIL' else None))
        relay = work.relay(work.configuration([hop.host], spool={'memory_max': '32MiB'},
                                              destination_limits={'connections': 20}))
        before = relay.memory()
        sends(relay, range(1, 401), size=250000)
        time.sleep(2)
        grown = relay.memory() - before
        # 32 MiB of budget, and for each connection its backlog and output.
        check(grown < (32 + 20) << 20 or 'SANITIZED' in os.environ, 'the relay grew by %d octets', grown)
        # Two kinds, because one that is sent twice at once may arrive once.
        relay.signal(signal.SIGTERM)
        relay.signal(signal.SIGINT)
        relay.wait()


@case
def a_second_signal_does_not_wait():
    with Workspace() as work:
        hop = work.own(NextHop(CHUNKING, script=lambda stage, s, a: SILENCE if stage == 'MAIL' else None))
        relay = work.relay(work.configuration([hop.host], shards=2, timeouts={'drain': '300s'}))
        sends(relay, [1, 2])
        eventually(lambda: any(command.startswith(b'MAIL') for session in hop.sessions for command in session.commands),
                   'a transaction has begun')
        relay.signal(signal.SIGTERM)
        time.sleep(0.5)
        check(relay.running(), 'the first signal did not wait for the transaction')
        relay.terminate()


if __name__ == '__main__':
    harness.main(together=4)
