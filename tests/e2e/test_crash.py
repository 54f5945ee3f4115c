#!/usr/bin/python3
"""tests/e2e/test_crash.py - kills at random moments under load: what was acknowledged arrives (I1, I4, SYS-04).

    CRASH_ROUNDS=50 CLEAN_ROUNDS=20 SEED=number tests/e2e/test_crash.py

The load source resends what was not acknowledged when its connection broke. So a message can reach the sink twice for
two reasons: the relay was killed between the next hop's 250 and its own done record, or between its commit and its own
250. Both are bounded by what was in flight at the moment of the kill.
"""

import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Certificates, Workspace, case, check, equal, eventually, free_port  # noqa: E402

CRASH_ROUNDS = int(os.environ.get('CRASH_ROUNDS') or 50)
CLEAN_ROUNDS = int(os.environ.get('CLEAN_ROUNDS') or 20)
SEED = int(os.environ.get('SEED') or random.randrange(1 << 30))

SOURCES = 96         # connections of the load source, one message at a time each; enough for two shards (load.h)
CONNECTIONS = 4      # to the sink
WINDOW = 16          # messages in flight on each
RATE = 1500          # messages a second: load all the time, without the sink's numbers growing beyond reason


def configuration(work, sink, certificates, port):
    return work.configuration(
        [sink.host], listeners=[{'name': 'lan', 'address': '127.0.0.1:%d' % port}],
        tls={'mode': 'verify', 'ca_file': certificates.ca, 'server_name': certificates.server_name},
        destination_limits={'connections': CONNECTIONS, 'messages_in_flight': WINDOW},
        log={'sessions': False, 'messages': False}, timeouts={'drain': '20s'})


def start_source(work, port, seconds):
    return work.source('127.0.0.1:%d' % port, '--on-disconnect', 'reconnect', messages=int(RATE * seconds) + 10,
                       connections=SOURCES, rate=RATE, size=4096, mode='grouped', timeout='120s')


def start(work, sink, certificates, port, name):
    return work.relay(configuration(work, sink, certificates, port), name)


def recovered_damage(relay):
    """What recovery says about damage; there must be none after a mere kill of the process."""
    return [event for event in relay.events_seen if event.get('damaged_batches') or event.get('damaged_records')]


def drain(work, sink, certificates, port, acknowledged):
    """A last run that delivers what is left."""
    relay = start(work, sink, certificates, port, 'last')
    eventually(lambda: set(acknowledged) <= set(sink.received()),
               lambda: 'every acknowledged message arrived; missing: %s' % sorted(
                   set(acknowledged) - set(sink.received()))[:10], 60, 0.3)
    relay.terminate()
    return relay


@case
def killed_at_random():
    chance = random.Random(SEED)
    print('# seed %d' % SEED, flush=True)
    with Workspace() as work:
        certificates = Certificates()
        sink = work.sink(certificates)
        port = free_port()
        pauses = [chance.uniform(0.05, 1.2) for _ in range(CRASH_ROUNDS)]
        relay = start(work, sink, certificates, port, 'first')
        source = start_source(work, port, sum(pauses) + 0.3 * CRASH_ROUNDS)
        for number, pause in enumerate(pauses):
            time.sleep(pause)
            relay.kill()
            check(not recovered_damage(relay), 'damage after a kill: %s', recovered_damage(relay)[:1])
            relay = start(work, sink, certificates, port, 'after-%d' % number)
        result = source.result(300, code=None)
        acknowledged = source.acknowledged()
        check(len(acknowledged) > CRASH_ROUNDS * 10, 'only %d messages were acknowledged', len(acknowledged))
        relay.terminate()
        check(relay.running() is False, 'still running')
        last = drain(work, sink, certificates, port, acknowledged)
        counts = sink.received()
        missing = sorted(set(acknowledged) - set(counts))
        check(not missing, '%d acknowledged messages are lost (seed %d), first %s', len(missing), SEED, missing[:5])
        beyond = sorted(n for n in counts if n > int(result['messages']) or n < 1)
        check(not beyond, 'messages that were never sent: %s', beyond[:5])
        duplicates = sum(counts.values()) - len(counts)
        bound = CRASH_ROUNDS * (CONNECTIONS * WINDOW + SOURCES)
        check(duplicates <= bound, '%d duplicates, the bound is %d (seed %d)', duplicates, bound, SEED)
        found = sink.finish()
        equal((found['bad'], found['violations']), (0, 0), 'faults at the sink')
        check(not recovered_damage(last), 'damage: %s', recovered_damage(last)[:1])
        return '%d kills, %d acknowledged, %d duplicates (bound %d), seed %d' % (
            CRASH_ROUNDS, len(acknowledged), duplicates, bound, SEED)


@case
def stopped_in_order_under_load():
    """SIGTERM and a restart, again and again: nothing twice, nothing lost."""
    chance = random.Random(SEED)
    with Workspace() as work:
        certificates = Certificates()
        sink = work.sink(certificates)
        port = free_port()
        pauses = [chance.uniform(0.2, 1.0) for _ in range(CLEAN_ROUNDS)]
        relay = start(work, sink, certificates, port, 'first')
        source = start_source(work, port, sum(pauses) + 0.3 * CLEAN_ROUNDS)
        for number, pause in enumerate(pauses):
            time.sleep(pause)
            relay.terminate()
            relay = start(work, sink, certificates, port, 'after-%d' % number)
        source.result(300, code=None)
        acknowledged = source.acknowledged()
        check(len(acknowledged) > CLEAN_ROUNDS * 10, 'only %d messages were acknowledged', len(acknowledged))
        relay.terminate()
        drain(work, sink, certificates, port, acknowledged)
        counts = sink.received()
        missing = sorted(set(acknowledged) - set(counts))
        check(not missing, '%d acknowledged messages are lost (seed %d), first %s', len(missing), SEED, missing[:5])
        twice = sorted(n for n, times in counts.items() if times > 1)
        check(not twice, '%d messages came more than once (seed %d), first %s', len(twice), SEED, twice[:5])
        unknown = sorted(set(counts) - set(acknowledged))
        check(not unknown, '%d messages arrived that were not acknowledged (seed %d), first %s', len(unknown), SEED,
              unknown[:5])
        return '%d restarts, %d messages' % (CLEAN_ROUNDS, len(acknowledged))


@case
def killed_while_recovering():
    """Recovery is repeatable: a kill in the middle of it changes nothing."""
    chance = random.Random(SEED)
    messages = 3000
    with Workspace() as work:
        certificates = Certificates()
        sink = work.sink(certificates)
        sink_port = sink.port
        sink.finish()
        port = free_port()
        relay = start(work, sink, certificates, port, 'first')
        source = work.source('127.0.0.1:%d' % port, messages=messages, connections=SOURCES, size=8192, mode='grouped')
        source.result()
        relay.kill()
        for number in range(10):
            relay = work.relay(configuration(work, sink, certificates, port), 'again-%d' % number, wait=False)
            time.sleep(chance.uniform(0, 0.15))
            relay.kill()
        sink = work.sink(certificates, port=sink_port, name='second')
        relay = start(work, sink, certificates, port, 'last')
        sink.wait_total(messages)
        relay.terminate()
        counts = sink.received()
        equal((len(counts), sum(counts.values())), (messages, messages), 'messages at the sink, and copies')


if __name__ == '__main__':
    harness.main()
