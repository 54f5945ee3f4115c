#!/usr/bin/python3
"""tests/e2e/test_load.py - many messages through the relay to the sink over TLS, each exactly once.

LOAD_MESSAGES (100000) says how many.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Certificates, Workspace, case, check, equal, eventually  # noqa: E402

MESSAGES = int(os.environ.get('LOAD_MESSAGES') or 100000)
# So many that the first shard does not get them all (core/shard/load.h).
SPREAD = 160
QUIET = {'sessions': False, 'messages': False}


def verify(certificates):
    return {'mode': 'verify', 'ca_file': certificates.ca, 'server_name': certificates.server_name}


def exactly_once(sink, messages):
    counts = sink.received()
    missing = [n for n in range(1, messages + 1) if n not in counts]
    twice = [n for n, times in counts.items() if times > 1]
    check(not missing, '%d are missing, first %s', len(missing), missing[:5])
    check(not twice, '%d came more than once, first %s', len(twice), twice[:5])
    equal(len(counts), messages, 'messages at the sink')


@case
def each_exactly_once_over_tls():
    with Workspace() as work:
        certificates = Certificates()
        sink = work.sink(certificates)
        relay = work.relay(work.configuration([sink.host], tls=verify(certificates), log=QUIET))
        source = work.source(relay.target, messages=MESSAGES, connections=SPREAD, size=4096, mode='grouped')
        result = source.result(300)
        equal((result['accepted'], result['refused']), (MESSAGES, 0), 'accepted and refused')
        sink.wait_total(MESSAGES, 120)
        relay.terminate()
        exactly_once(sink, MESSAGES)
        found = sink.finish()
        equal((found['bad'], found['violations'], found['handshake_failures']), (0, 0, 0), 'faults at the sink')
        check(found['handshakes'] >= 1, 'no TLS')
        # Two shards share the work, on the way in and on the way out.
        for key in ('accepted', 'delivered'):
            totals = relay.by_shard(key)
            equal(sum(totals.values()), MESSAGES, key + ' over all shards')
            check(len(totals) == 2 and min(totals.values()) > MESSAGES // 10, '%s by shard: %s', key, totals)
        return '%d accepted/s, %d handshakes' % (result['rate'], found['handshakes'])


@case
def postfix_source():
    """Postfix's own load generator; its messages have no numbers, so they are counted."""
    sys.path.insert(0, os.path.join(harness.SOURCES, 'tests', 'interop'))
    from servers import Postfix
    if not os.path.exists(os.path.join(harness.peers_directory(), 'postfix', 'version')):
        return 'SKIPPED, run tests/install-peers postfix first'
    messages = MESSAGES // 10
    with Workspace() as work:
        certificates = Certificates()
        sink = work.sink(certificates)
        relay = work.relay(work.configuration([sink.host], tls=verify(certificates),
                                              log=dict(QUIET, stats_interval='500ms')))
        source = work.own(Postfix.smtp_source(relay.target, '-m', str(messages), '-s', '50', '-l', '4096', '-d'))
        equal(source.wait(300), 0, 'exit code of smtp-source')
        eventually(lambda: relay.total('delivered') == messages,
                   lambda: '%d delivered; there are %d' % (messages, relay.total('delivered')), 60)
        relay.terminate()
        equal((relay.total('accepted'), relay.total('delivered')), (messages, messages), 'accepted and delivered')
        found = sink.finish()
        equal((found['messages'], found['bad'], found['violations']), (messages, 0, 0), 'at the sink')
    return None


@case
def a_limit_of_one_connection():
    """limits.connections: 1 holds over all shards, exactly."""
    messages = MESSAGES // 20
    with Workspace() as work:
        certificates = Certificates()
        sink = work.sink(certificates)
        relay = work.relay(work.configuration([sink.host], tls=verify(certificates), log=QUIET,
                                              destination_limits={'connections': 1}))
        work.source(relay.target, messages=messages, connections=SPREAD, size=2048, mode='grouped').result()
        sink.wait_total(messages)
        relay.terminate()
        exactly_once(sink, messages)
        equal(sink.finish()['connections_peak'], 1, 'connections at once')


@case
def a_limit_of_three_connections():
    messages = MESSAGES // 20
    with Workspace() as work:
        sink = work.sink()
        relay = work.relay(work.configuration([sink.host], log=QUIET, destination_limits={
            'connections': 3, 'messages_per_connection': 50}))
        work.source(relay.target, messages=messages, connections=SPREAD, size=2048).result()
        sink.wait_total(messages)
        relay.terminate()
        exactly_once(sink, messages)
        found = sink.finish()
        check(found['connections_peak'] <= 3, 'connections at once: %d', found['connections_peak'])
        check(found['connections'] >= messages // 50, 'connections: %d; messages_per_connection is 50',
              found['connections'])


@case
def messages_of_all_sizes():
    """Sizes that go in one record and in many, mixed on the same connections."""
    with Workspace() as work:
        certificates = Certificates()
        sink = work.sink(certificates)
        relay = work.relay(work.configuration([sink.host], tls=verify(certificates), log=QUIET))
        sizes = {300: 4000, 20000: 1000, 300000: 200, 2000000: 30}
        start, sources = 1, []
        for size, count in sizes.items():
            sources.append(work.source(relay.target, messages=count, connections=4, size=size, sequence_start=start,
                                       name='source-%d' % size))
            start += count
        for source in sources:
            source.result()
        sink.wait_total(start - 1)
        relay.terminate()
        exactly_once(sink, start - 1)
        equal(sink.finish()['bad'], 0, 'messages with bad line ends')


if __name__ == '__main__':
    harness.main()
