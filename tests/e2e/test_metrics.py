#!/usr/bin/python3
"""tests/e2e/test_metrics.py - /metrics, /healthz, /readyz: what they say, when, and what they hold to."""

import json
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from exposition import Scrape, fetched  # noqa: E402
from harness import SOURCES, Workspace, case, check, equal, eventually  # noqa: E402
from stopped import Stopped, thread_named  # noqa: E402


def relay_with(work, hop, **changes):
    path = work.path('control.sock')
    changes.setdefault('control', {'socket': path})
    return work.relay(work.configuration([hop], **changes)), path


def scrape_when(path, condition):
    """A scrape that this is true of."""
    found = []

    def fits():
        found.append(Scrape(path))
        return condition(found[-1])

    eventually(fits, lambda: '\n'.join(line for line in found[-1].text.split('\n') if line[:1] != '#'))
    return found[-1]


def code_families():
    """Those of the code: {name: (type, unit)}."""
    with open(os.path.join(SOURCES, 'core', 'control', 'families.c'), encoding='utf-8') as f:
        rows = re.findall(r'\{"(postrider_\w+)", METRIC_(\w+),\s*"(\w*)"', f.read())
    return {name: (kind.lower().replace('_', ''), unit) for name, kind, unit in rows}


def page_families():
    """Those of the page: {name: (type, unit)}, by the name that queries use."""
    with open(os.path.join(SOURCES, 'docs', 'metrics.md'), encoding='utf-8') as f:
        rows = re.findall(r'^\| `(postrider_\w+)` \| (\w+) \| (\w*) ?\|', f.read(), re.M)
    return {name: (kind, unit) for name, kind, unit in rows}


@case
def page_has_all():
    """docs/metrics.md has every metric of the code, in its order, and no other."""
    suffix = {'counter': '_total', 'info': '_info'}
    wanted = {name + suffix.get(kind, ''): (kind, unit) for name, (kind, unit) in code_families().items()}
    equal(list(page_families().items()), list(wanted.items()), 'docs/metrics.md')


@case
def counts_what_was_sent():
    """Both formats, and in both as many as were sent; a reload takes nothing back."""
    with Workspace() as work:
        sink = work.sink()
        relay, path = relay_with(work, sink.host)
        before = Scrape(path)
        equal({name: row[:2] for name, row in before.families.items()}, code_families(), 'families')
        scrape_when(path, lambda s: s.values('postrider_ready') == [1])
        work.source(relay.target, messages=50).result()
        sink.wait_total(50)
        after = scrape_when(path, lambda s: s.total('postrider_deliveries_total') == 50)
        for name, labels in (('postrider_messages_accepted_total', {'listener': 'lan'}),
                             ('postrider_recipients_accepted_total', {}),
                             ('postrider_deliveries_total', {'destination': 'next-hop', 'result': 'delivered'}),
                             ('postrider_attempts_total', {}),
                             ('postrider_delivery_seconds_count', {'stage': 'all'}),
                             ('postrider_delivery_seconds_count', {'stage': 'transfer'})):
            equal(after.total(name, **labels), 50, name)
        equal(after.total('postrider_delivered_bytes_total'), after.total('postrider_accepted_bytes_total'), 'octets')
        check(after.total('postrider_connections_opened_total') >= 1, 'connections')
        scrape_when(path, lambda s: set(s.values('postrider_shard_up')) == {1})
        plain = Scrape(path, accept='text/plain')
        equal(plain.total('postrider_messages_accepted_total'), 50, 'the other format')
        check('# TYPE postrider_messages_accepted_total counter' in plain.text, 'its names')
        relay.signal(signal.SIGHUP)
        relay.told('reloaded')
        again = Scrape(path).counters()
        for key, value in after.counters().items():
            check(again.get(key, -1) >= value, '%s: %s -> %s', key, value, again.get(key))


@case
def comes_back():
    """A destination that a reload takes away and another brings again goes on counting from where it was, and its
    place, which another one has had meanwhile, is nobody else's count."""
    with Workspace() as work:
        sink = work.sink()
        path = work.path('control.sock')

        def configuration(name):
            return work.configuration([sink.host], control={'socket': path}, destination={'name': name},
                                      routes=[{'destination': name}])

        relay = work.relay(configuration('one'))
        sent = 0
        for name in ('one', 'other', 'one'):
            if sent:
                work.write('postrider.yaml', json.dumps(configuration(name)))
                relay.signal(signal.SIGHUP)
                relay.told('reloaded', count=sent // 10)
            work.source(relay.target, messages=10).result()
            sent += 10
            scrape_when(path, lambda s: s.total('postrider_deliveries_total') == sent)
        last = Scrape(path)
        equal(last.total('postrider_deliveries_total', destination='one', result='delivered'), 20, 'one')
        equal(last.total('postrider_deliveries_total', destination='other', result='delivered'), 10, 'other')


@case
def what_waits():
    """A next hop that is away: what waits is counted by state and age, and the destination is down."""
    with Workspace() as work:
        relay, path = relay_with(work, '127.0.0.1:9')
        work.source(relay.target, messages=7).result()
        scrape_when(path, lambda s: s.values('postrider_destination_up') == [0])
        scrape = scrape_when(path, lambda s: s.total('postrider_queue_messages', destination='next-hop') == 7)
        equal(scrape.total('postrider_queued_messages'), 7, 'queued')
        equal(scrape.total('postrider_queue_age_seconds_gcount', destination='next-hop'), 7, 'ages')
        check(scrape.total('postrider_queue_bytes', destination='next-hop') > 0, 'octets')
        check(scrape.total('postrider_queue_oldest_seconds', destination='next-hop') > 0, 'the oldest')
        check(scrape.total('postrider_connection_failures_total') > 0, 'failures')


@case
def stuck_shard():
    """One that hangs delays a scrape by no more than its deadline, however often it is asked, and is said to."""
    with Workspace() as work:
        relay, path = relay_with(work, '127.0.0.1:9', shards=2)
        work.source(relay.target, messages=40, connections=8).result()
        scrape_when(path, lambda s: s.values('postrider_shard_up') == [1, 1])
        stopped = Stopped(thread_named(relay.pid, 'shard-1'))
        try:
            stopped.__enter__()
        except PermissionError:
            print('no thread may be stopped here: nothing is tried')
            return
        try:
            scrape_when(path, lambda s: s.values('postrider_shard_up') == [1, 0])
            for _ in range(5):
                began = time.monotonic()
                Scrape(path)
                took = time.monotonic() - began
                check(took < 10, 'a scrape took %.1f s', took)
            status, _, text = fetched(path, '/readyz')
            equal(status, 503, text)
            check('shard' in text, '%r', text)
            eventually(lambda: fetched(path, '/healthz')[0] == 503, 'it is not well', timeout=120)
            check('shard' in fetched(path, '/healthz')[2], 'why it is not')
            began = time.monotonic()
            harness.parallel(lambda i: fetched(path, '/readyz'), [(i,) for i in range(60)], limit=20)
            took = time.monotonic() - began
            check(took < 10, 'sixty that ask waited for each other: %.1f s', took)
        finally:
            stopped.__exit__()
        scrape_when(path, lambda s: s.values('postrider_shard_up') == [1, 1])
        eventually(lambda: fetched(path, '/readyz')[::2] == (200, 'ok\n'), 'it is ready again')
        eventually(lambda: fetched(path, '/healthz')[::2] == (200, 'ok\n'), 'it is well again')


@case
def readiness():
    """/readyz: while it drains it is not, and says why."""
    with Workspace() as work:
        relay, path = relay_with(work, '127.0.0.1:9')
        equal(fetched(path, '/healthz')[::2], (200, 'ok\n'), 'alive')
        eventually(lambda: fetched(path, '/readyz')[::2] == (200, 'ok\n'), 'it is ready')
        with harness.Client(relay.address) as client:
            client.hello()
            client.envelope()
            client.command('DATA', 354)
            relay.signal(signal.SIGTERM)
            eventually(lambda: fetched(path, '/readyz')[0] == 503, 'it is not ready')
            check('drains' in fetched(path, '/readyz')[2], 'why')
            equal(fetched(path, '/healthz')[0], 200, 'alive meanwhile')
            client.send(b'Subject: x\r\n\r\nx\r\n.\r\n')
            client.expect(250)


if __name__ == '__main__':
    harness.main(together=2)
