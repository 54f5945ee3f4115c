#!/usr/bin/python3
"""tests/interop/test_prometheus.py - a real Prometheus scrapes a real relay, with a password, and answers with what was
sent; promtool takes the alert rules and both formats, and every query of rules and dashboard is about what there is."""

import json
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import harness  # noqa: E402
from exposition import families, fetched  # noqa: E402
from harness import SOURCES, Process, Workspace, case, check, equal, eventually, program  # noqa: E402
from ports import free_port  # noqa: E402

BIN = os.path.join(harness.peers_directory(), 'prometheus', 'usr', 'bin')
RULES = os.path.join(SOURCES, 'dist', 'prometheus', 'postrider.rules.yml')
DASHBOARD = os.path.join(SOURCES, 'dist', 'grafana', 'postrider.json')


def unavailable():
    return None if os.path.exists(os.path.join(BIN, 'prometheus')) else 'run tests/install-peers prometheus first'


def promtool(*arguments, text=None):
    done = subprocess.run([os.path.join(BIN, 'promtool'), *arguments], input=text, capture_output=True, text=True,
                          timeout=120)
    return done.returncode, done.stdout + done.stderr


def expressions():
    """Of rules and dashboard, as Prometheus would ask them."""
    with open(RULES, encoding='utf-8') as f:
        text = f.read()
    found = [' '.join(one.split()) for one in re.findall(r'expr: (?:>-)?((?:.|\n)*?)\n        (?:for|labels)', text)]
    with open(DASHBOARD, encoding='utf-8') as f:
        panels = json.load(f)['panels']
    for panel in panels:
        for target in panel.get('targets', ()):
            found.append(target['expr'].replace('$__rate_interval', '1m').replace('$instance', '.*')
                         .replace('$destination', '.*'))
    return found


class Prometheus:
    """One of its own, on a free port, with its own data."""

    def __init__(self, work, target):
        self.port = free_port()
        work.write('password', 'correct horse')
        file = work.write('prometheus.yml', json.dumps({
            'global': {'scrape_interval': '1s', 'evaluation_interval': '1s'},
            'rule_files': [RULES],
            'scrape_configs': [{'job_name': 'postrider', 'static_configs': [{'targets': [target]}],
                                'basic_auth': {'username': 'scraper', 'password_file': work.path('password')}}]}))
        self.process = work.own(Process([
            os.path.join(BIN, 'prometheus'), '--config.file=' + file, '--storage.tsdb.path=' + work.path('tsdb'),
            '--web.listen-address=127.0.0.1:%d' % self.port, '--log.level=warn']))

    def ask(self, query):
        """[(labels, value)]"""
        url = 'http://127.0.0.1:%d/api/v1/query?%s' % (self.port, urllib.parse.urlencode({'query': query}))
        with urllib.request.urlopen(url, timeout=60) as response:
            answer = json.load(response)
        equal(answer['status'], 'success', query)
        return [(one['metric'], float(one['value'][1])) for one in answer['data']['result']]

    def value(self, query):
        try:
            found = self.ask(query)
        except OSError:
            return None  # it does not listen yet
        return found[0][1] if len(found) == 1 else None


@case
def rules():
    """promtool takes the rules, and the output in its own format has no fault; all that queries name is there."""
    if unavailable():
        return 'skipped: ' + unavailable()
    code, said = promtool('check', 'rules', RULES)
    equal(code, 0, said)
    with Workspace() as work:
        relay = work.relay(work.configuration(['127.0.0.1:9'], control={'socket': work.path('control.sock')}))
        work.source(relay.target, messages=3).result()
        text = fetched(work.path('control.sock'), accept='text/plain')[2]
        code, said = promtool('check', 'metrics', text=text)
        # A histogram of what is now has no type there.
        left = [line for line in said.splitlines() if 'postrider_queue_age_seconds' not in line]
        equal(left, [], 'promtool check metrics')
        names = {name for _, _, samples in families(fetched(work.path('control.sock'))[2]).values()
                 for name, _, _ in samples}
        with open(os.path.join(SOURCES, 'docs', 'metrics.md'), encoding='utf-8') as f:
            names |= set(re.findall(r'^\| `(postrider_\w+)`', f.read(), re.M))
    for expression in expressions():
        for name in re.findall(r'\bpostrider_\w+', expression):
            check(name in names, '%s of %s is not there', name, expression)
    return None


@case
def scraped():
    """What was sent is what Prometheus has, and no query has a fault."""
    if unavailable():
        return 'skipped: ' + unavailable()
    with Workspace() as work:
        sink = work.sink()
        port = free_port()
        line = subprocess.run([program('postrider'), 'hash', 'scraper'], input=b'correct horse\n', capture_output=True,
                              check=True).stdout.decode()
        users = work.write('scrapers', line)
        os.chmod(users, 0o600)
        relay = work.relay(work.configuration([sink.host], control={
            'socket': work.path('control.sock'),
            'http': {'address': '127.0.0.1:%d' % port, 'users_file': users}}))
        prometheus = Prometheus(work, '127.0.0.1:%d' % port)
        eventually(lambda: prometheus.value('postrider_messages_accepted_total') == 0, 'the first scrape')
        eventually(lambda: (prometheus.value('count_over_time(postrider_ready[1m])') or 0) >= 2, 'a second one')
        work.source(relay.target, messages=400).result()
        sink.wait_total(400)
        eventually(lambda: prometheus.value('postrider_deliveries_total{result="delivered"}') == 400, 'all are there')
        equal(prometheus.value('postrider_messages_accepted_total{listener="lan"}'), 400, 'accepted')
        equal(prometheus.value('max_over_time(postrider_messages_accepted_total[5m]) - '
                               'min_over_time(postrider_messages_accepted_total[5m])'), 400, 'by how much it grew')
        equal(prometheus.value('postrider_delivery_seconds_count{stage="all"}'), 400, 'times')
        equal(prometheus.value('postrider_delivery_seconds_bucket{stage="all",le="+Inf"}'), 400, 'times, by range')
        check(prometheus.value('rate(postrider_messages_accepted_total[1m])') > 0, 'a rate')
        equal(prometheus.ask('resets(postrider_messages_accepted_total[5m]) > 0'), [], 'it went back')
        equal(prometheus.value('up'), 1, 'up')
        for expression in expressions():
            prometheus.ask(expression)
        equal([labels['alertname'] for labels, _ in prometheus.ask('ALERTS{alertstate="firing"}')], [], 'alerts')
        relay.terminate()
        prometheus.process.stop()
    return None


if __name__ == '__main__':
    harness.main(together=2)
