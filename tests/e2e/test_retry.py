#!/usr/bin/python3
"""tests/e2e/test_retry.py - next hops that refuse, vanish and come back: every message ends delivered or failed."""

import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (CLOSE, SILENCE, Client, NextHop, Workspace, case, check, equal, eventually,  # noqa: E402
                     free_port, message, parallel)

CHUNKING = ('PIPELINING', 'CHUNKING', '8BITMIME')
DATA_ONLY = ('PIPELINING', '8BITMIME')
PLAIN = ('8BITMIME',)


def send(relay, sequences, recipients=('recipient@example.com',)):
    with Client(relay.address) as client:
        client.hello()
        for sequence in sequences:
            client.envelope(recipients=recipients)
            client.data(message(sequence, 1500))
        client.command('QUIT', 221)


def outcome(relay, hop, sequences):
    """Waits until all have been delivered, and that each was exactly once."""
    hop.wait_arrivals(len(sequences), 60)
    eventually(lambda: relay.count['delivered'] >= len(sequences), lambda: 'delivered: %s' % relay.count)
    equal(sorted(hop.sequences()), sorted(sequences), 'messages that arrived')


def fails_at(stage, answer, times):
    """A script that gives `answer` the first `times` times that `stage` is reached."""
    lock, left = threading.Lock(), [times]

    def script(reached, session, argument):
        if reached != stage:
            return None
        with lock:
            left[0] -= 1
            return answer if left[0] >= 0 else None
    return script


def stages_of(extensions):
    """The stages that a message passes at a next hop with these extensions."""
    if 'CHUNKING' in extensions:
        return ['connect', 'EHLO', 'MAIL', 'RCPT', 'BDAT']
    return ['connect', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'END']


def temporary_refusal(extensions, stage, answer):
    what = '%s at %s with %s' % (answer if isinstance(answer, str) else 'closing', stage, extensions)
    with Workspace() as work:
        hop = work.own(NextHop(extensions, script=fails_at(stage, answer, 3)))
        relay = work.relay(work.configuration([hop.host], shards=1))
        send(relay, range(1, 11))
        try:
            outcome(relay, hop, range(1, 11))
        except harness.Failure as failure:
            raise harness.Failure('%s: %s' % (what, failure)) from None
        equal(relay.count['failed'], 0, 'failed; ' + what)
        relay.terminate()


@case
def temporary_refusals():
    """A 4xx, a disconnect or 421 at any stage: deferred, tried again, delivered once; never a failure."""
    parallel(temporary_refusal, [(extensions, stage, answer) for extensions in (CHUNKING, DATA_ONLY, PLAIN)
                                 for stage in stages_of(extensions)
                                 for answer in ('451 4.3.0 Not now', '421 4.3.2 Going down', CLOSE)])


def refusal_before_mail(stage):
    with Workspace() as work:
        # HELO is refused as well, or the fallback to it would do.
        refuse = fails_at(stage, '554 5.7.1 Go away', 2)
        hop = work.own(NextHop(script=lambda reached, session, argument:
                               '502 5.5.1 no' if reached == 'HELO' else refuse(reached, session, argument)))
        relay = work.relay(work.configuration([hop.host], shards=1))
        send(relay, range(1, 6))
        outcome(relay, hop, range(1, 6))
        equal(relay.count['failed'], 0, 'failed at ' + stage)
        relay.terminate()


@case
def before_mail_nothing_is_final():
    """A 5xx before MAIL speaks of the host or our set-up, not of the message: it waits."""
    parallel(refusal_before_mail, [('connect',), ('EHLO',)])


def permanent_refusal(extensions, stage):
    def script(reached, session, argument):
        if reached != stage:
            return None
        if stage in ('MAIL', 'RCPT'):
            return '550 5.1.1 Refused' if 'bad@' in argument and argument != 'TO:<bad@example.net>' else None
        content = argument[0] if stage == 'BDAT' else argument
        return '554 5.6.0 Refused' if b'Subject: bad' in content and b'report-type' not in content else None
    with Workspace() as work:
        hop = work.own(NextHop(extensions, script=script))
        relay = work.relay(work.configuration([hop.host]))
        with Client(relay.address) as client:
            client.hello()
            for sequence in range(1, 31):
                name = 'good' if sequence % 3 else 'bad'
                client.envelope(sender=name + '@example.net', recipients=[name + '@example.com'])
                client.data(message(sequence, subject=name))
        eventually(lambda: relay.count['failed'] >= 10 and len(hop.arrivals) >= 20,
                   lambda: '10 failed, 20 arrived at %s, %s: %s, %d' % (stage, extensions, relay.count,
                                                                        len(hop.arrivals)))
        time.sleep(1.5)
        equal(relay.count['failed'], 10, 'failed')
        equal(sorted(hop.sequences()), [n for n in range(1, 31) if n % 3], 'arrived')
        relay.terminate()


@case
def permanent_refusals():
    """A 5xx for a message is recorded as failed, once, and is not tried again; its neighbours are unharmed."""
    parallel(permanent_refusal, [(extensions, stage) for extensions in (CHUNKING, DATA_ONLY, PLAIN)
                                 for stage in stages_of(extensions) if stage in ('MAIL', 'RCPT', 'END', 'BDAT')])


@case
def some_recipients_refused():
    """One message, three recipients: delivered, deferred then delivered, failed; each copy once."""
    for extensions in (CHUNKING, DATA_ONLY, PLAIN):
        later = {'count': 2}

        def script(stage, session, argument):
            if stage != 'RCPT':
                return None
            if 'never@' in argument:
                return '550 5.1.1 Unknown'
            if 'later@' in argument and later['count'] > 0:
                later['count'] -= 1
                return '450 4.2.0 Later'
            return None
        with Workspace() as work:
            hop = work.own(NextHop(extensions, script=script))
            relay = work.relay(work.configuration([hop.host]))
            send(relay, [1], ['now@example.com', 'later@example.com', 'never@example.com'])
            arrivals = hop.wait_arrivals(2)
            equal([arrival.recipients for arrival in arrivals], [['now@example.com'], ['later@example.com']],
                  'recipients of the arrivals')
            time.sleep(1.5)
            equal(len(hop.arrivals), 2, 'arrivals')
            relay.terminate()
            equal((relay.total('delivered'), relay.total('failed')), (3, 1), 'delivered with a report, failed')


@case
def one_who_is_refused_for_now_holds_up_nobody():
    """Recipients that were never tried go on at once, and each one waits by its own attempts (RFC 5321 4.5.4.1)."""
    def script(stage, session, argument):
        if stage == 'RCPT' and '<busy-' in argument:
            return '450 4.2.1 Mailbox busy'
        return '550 5.1.1 Nobody' if stage == 'RCPT' and '<nobody-' in argument else None
    recipients = ['%s-%02d@example.com' % ('busy' if n % 10 == 0 else 'nobody' if n % 10 == 5 else 'user', n)
                  for n in range(60)]
    users = [each for each in recipients if each.startswith('user')]
    with Workspace() as work:
        hop = work.own(NextHop(script=script))
        # Whoever waits does so for longer than the test.
        relay = work.relay(work.configuration([hop.host], destination_limits={'recipients_per_message': 7},
                                              retry={'first': '1h', 'max': '4h', 'factor': 2, 'expire': '5d'}))
        send(relay, [1], recipients)

        def arrived():
            return sorted(recipient for arrival in list(hop.arrivals) for recipient in arrival.recipients)
        eventually(lambda: len(arrived()) >= len(users), lambda: 'users: %s' % arrived())
        equal(arrived(), users, 'recipients')
        eventually(lambda: len(relay.events('attempt')) >= 9, lambda: 'attempts: %s' % relay.count)
        equal({event['attempt'] for event in relay.events('attempt')}, {1}, 'no round counts for those of another')
        relay.terminate()
        equal((relay.total('delivered'), relay.total('deferred'), relay.total('failed')), (49, 6, 6),
              'recipients, and a report')
        # After a restart it is the same: those six, and nobody else.
        hop.script = lambda stage, session, argument: None
        relay = work.relay(work.configuration([hop.host], retry={'first': '1s', 'max': '1s'}), 'again')
        busy = [each for each in recipients if each.startswith('busy')]
        eventually(lambda: len(arrived()) >= len(users) + len(busy), lambda: 'arrived: %s' % arrived())
        equal(arrived(), sorted(users + busy), 'recipients in the end')
        relay.terminate()
        equal({event['attempt'] for event in relay.events('attempt')}, {2}, 'attempts counted')


@case
def many_destinations_and_one_copy():
    """A message is stored once in a spool, however many destinations its recipients have; each arrives once."""
    with Workspace() as work:
        hop = work.own(NextHop())
        names = ['destination-%02d' % n for n in range(40)]
        configuration = work.configuration([], shards=1)
        configuration['destinations'] = [{'name': name, 'hosts': [hop.host], 'tls': {'mode': 'none'}}
                                         for name in names]
        configuration['routes'] = [{'recipient': '*@%s.example' % name, 'destination': name} for name in names]
        relay = work.relay(configuration)
        content, recipients = message(1, 900000), ['user@%s.example' % name for name in names]
        with Client(relay.address) as client:
            client.hello()
            client.envelope(recipients=recipients)
            client.data(content)
        for arrival in hop.wait_arrivals(len(names), 60):
            harness.same_octets(arrival.original, content, 'the message to %s' % arrival.recipients)
        relay.terminate()
        equal(sorted(r for arrival in hop.arrivals for r in arrival.recipients), sorted(recipients), 'recipients')
        # One copy, and a small record for each destination.
        check(relay.total('octets_written') < 2 * len(content), '%d octets written', relay.total('octets_written'))


@case
def all_recipients_refused_but_354():
    """RFC 2920 3.1: with every recipient refused and DATA accepted all the same, only the dot is sent."""
    class Careless(harness.NextHopSession):
        def on_data(self, argument):
            if not self.recipients:
                self.out += b'354 Go ahead\r\n'
                self.server.empty.append(self.read_data())
                self.out += b'554 5.5.1 No valid recipients\r\n'
                self.reset()
            else:
                super().on_data(argument)
    with Workspace() as work:
        hop = work.own(NextHop(DATA_ONLY, session_class=Careless, script=lambda stage, session, argument:
                               '550 5.1.1 No' if stage == 'RCPT' and 'bad@' in argument else None))
        hop.empty = []
        relay = work.relay(work.configuration([hop.host]))
        for sequence in range(1, 21):
            send(relay, [sequence], ['%s@example.com' % ('bad' if sequence % 2 else 'good')])
        hop.wait_arrivals(10)
        eventually(lambda: relay.count['failed'] == 10, lambda: 'ten failed: %s' % relay.count)
        check(all(content == b'' for content in hop.empty), 'content for nobody: %r', hop.empty[:1])
        equal(sorted(hop.sequences()), list(range(2, 21, 2)), 'arrived')
        relay.terminate()


@case
def nobody_listens_then_somebody_does():
    """Connection refused: backs off, and delivers when the host is back."""
    with Workspace() as work:
        port = free_port()
        relay = work.relay(work.configuration(['127.0.0.1:%d' % port]))
        send(relay, range(1, 101))
        eventually(lambda: relay.count['host_failed'] >= 1, 'the host is reported')
        time.sleep(2)
        # The schedule is 200 ms, 300 ms, 450 ms ... 1 s: no storm of attempts in these two seconds.
        attempts = relay.count['host_failed']
        check(attempts <= 40, '%d attempts to connect in two seconds', attempts)
        hop = work.own(NextHop(port=port))
        outcome(relay, hop, range(1, 101))
        relay.terminate()


@case
def what_was_deferred_counts_where_a_host_fails():
    """host_failed says how many messages wait, those that wait for their next attempt among them."""
    with Workspace() as work:
        hop = work.own(NextHop(script=lambda stage, session, argument: '450 4.2.0 Later' if stage == 'RCPT' else None))
        relay = work.relay(work.configuration([hop.host], shards=1, retry={'first': '60s', 'max': '60s'}))
        send(relay, range(1, 6))
        eventually(lambda: len({event['id'] for event in relay.events('deferred')}) == 5,
                   lambda: 'five deferred: %s' % relay.count)
        hop.stop()
        send(relay, [6])
        eventually(lambda: relay.count['host_failed'] >= 1, 'the host is reported')
        equal(relay.told('host_failed')[0]['waiting'], 6, 'messages that wait')
        relay.terminate()


@case
def the_second_host_takes_over():
    with Workspace() as work:
        hop = work.own(NextHop())
        relay = work.relay(work.configuration(['127.0.0.1:%d' % free_port(), hop.host]))
        send(relay, range(1, 21))
        outcome(relay, hop, range(1, 21))
        relay.terminate()


@case
def a_host_that_never_answers():
    """Deadlines on the way out: the greeting, a command, the end of data."""
    for stage in ('connect', 'EHLO', 'MAIL', 'BDAT'):
        with Workspace() as work:
            hop = work.own(NextHop(CHUNKING, script=fails_at(stage, SILENCE, 1)))
            relay = work.relay(work.configuration([hop.host], shards=1, timeouts={
                'connect': '1s', 'greeting': '1s', 'reply': '1s', 'data_reply': '1s'}))
            send(relay, range(1, 4))
            # What was in flight behind the silent one may come twice: the relay could not know that it was taken.
            eventually(lambda: set(hop.sequences()) == {1, 2, 3},
                       lambda: 'all arrived after silence at %s: %s' % (stage, hop.sequences()))
            relay.terminate()


def closing_at_random(extensions):
    seed = int(os.environ.get('SEED') or random.randrange(1 << 30))
    chance = random.Random(seed)
    lock, in_a_row = threading.Lock(), {'arrived': 0, 'failed': 0}

    def script(stage, session, argument):
        # A host of which nothing but failures is seen is left alone for 1 s, 2 s, 4 s: enough of them in a row, and no
        # deadline would do. So the third is not, before another message has arrived.
        with lock:
            if in_a_row['arrived'] != len(hop.arrivals):
                in_a_row.update(arrived=len(hop.arrivals), failed=0)
            roll = chance.random()
            if roll >= 0.06 or in_a_row['failed'] == 2:
                return None
            in_a_row['failed'] += 1
        return CLOSE if roll < 0.03 else '450 4.3.0 Later'
    with Workspace() as work:
        hop = work.own(NextHop(extensions, script=script))
        relay = work.relay(work.configuration([hop.host], destination_limits={'connections': 5}, retry={
            'first': '50ms', 'max': '200ms'}, shards=1))
        threads = [threading.Thread(target=send, args=(relay, range(1 + 50 * n, 51 + 50 * n))) for n in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        eventually(lambda: set(hop.sequences()) == set(range(1, 251)),
                   lambda: 'all arrived (seed %d): missing %s' % (
                       seed, sorted(set(range(1, 251)) - set(hop.sequences()))[:10]), 300)
        eventually(lambda: relay.count['delivered'] == 250, lambda: 'seed %d: %s' % (seed, relay.count))
        equal(relay.count['failed'], 0, 'failed')
        check(not hop.errors, 'the next hop failed: %s', hop.errors[:1])
        # A pipelined window that is cut may hold messages whose 250 was on its way.
        duplicates = len(hop.arrivals) - 250
        closes = hop.accepted
        check(duplicates <= closes * 64, '%d duplicates over %d connections (seed %d)', duplicates, closes, seed)
        relay.terminate()


@case
def a_host_that_closes_at_random():
    """250 messages, every answer may be a disconnect: each arrives, a second copy only where the answer was lost."""
    parallel(closing_at_random, [(CHUNKING,), (DATA_ONLY,)])


@case
def expired_mail_is_failed_not_lost():
    """After retry.expire a message that never could go is recorded as failed."""
    with Workspace() as work:
        port = free_port()
        relay = work.relay(work.configuration(['127.0.0.1:%d' % port], retry={
            'first': '200ms', 'factor': 1, 'max': '200ms', 'expire': '2s'}))
        send(relay, range(1, 6))
        eventually(lambda: relay.count['expired'] >= 5, lambda: 'five expired: %s' % relay.count)
        relay.terminate()
        equal((relay.count['expired'], relay.total('failed')), (5, 5), 'expired and failed')


@case
def who_is_put_off_comes_again_to_the_same_host():
    """As greylisting wants it; only a host that takes nothing makes the next one's turn, and is no attempt."""
    with Workspace() as work:
        first = work.own(NextHop(script=fails_at('RCPT', '450 4.2.0 Greylisted', 3)))
        second = work.own(NextHop())
        relay = work.relay(work.configuration([first.host, second.host], shards=1,
                                              destination={'idle_timeout': '10ms'}))
        send(relay, [1])
        outcome(relay, first, [1])
        equal([event['attempt'] for event in relay.events('attempt')], [1, 2, 3, 4], 'attempts')
        equal(second.arrivals, [], 'what went to the second host')
        relay.terminate()
    for stage in ('connect', 'EHLO'):
        with Workspace() as work:
            first = work.own(NextHop(script=lambda now, *rest: '450 4.3.2 Not now' if now in (stage, 'HELO') else None))
            second = work.own(NextHop())
            relay = work.relay(work.configuration([first.host, second.host], shards=1))
            send(relay, [1])
            outcome(relay, second, [1])
            equal([event['attempt'] for event in relay.events('attempt')], [1], 'attempts')
            relay.terminate()


@case
def so_many_attempts_are_enough():
    """retry.attempts, over a restart; whom nobody has put off so often goes on."""
    asked, again = [], threading.Event()

    def script(stage, session, argument):
        if stage == 'RCPT' and 'busy@' in argument:
            asked.append(argument)
            if len(asked) == 3:
                again.wait(60)  # the restart is in the middle, however fast the attempts are
            return '450 4.2.1 Busy'
        return None
    with Workspace() as work:
        hop = work.own(NextHop(script=script))
        configuration = work.configuration([hop.host], shards=1, retry={'attempts': 4})
        relay = work.relay(configuration)
        send(relay, [1], ('busy@example.com', 'good@example.com'))
        eventually(lambda: relay.count['attempt'] >= 2, lambda: '%s' % relay.count)
        relay.kill()
        again.set()
        relay = work.relay(configuration)
        eventually(lambda: relay.count['expired'] == 1, lambda: '%s' % relay.tail())
        event = relay.told('expired')[0]
        equal(event['attempts'], 4, 'attempts')
        check('busy@' in str(event) and 'good@' not in str(event), 'expired: %s', event)
        equal(len(hop.arrivals), 1, 'arrivals')
        relay.terminate()


if __name__ == '__main__':
    harness.main(together=4)
