#!/usr/bin/python3
"""tests/e2e/test_mta_sts.py - what domains demand by their MTA-STS policies (RFC 8461): RELIABILITY STS-01.

Each scenario is a domain with a host of its own, a record and a policy; all of them are destinations of one relay, with
mode opportunistic, or domains of one destination with `mx: true`. What is expected: 'proven': the message goes over TLS
with a certificate for the host; 'tls', 'clear': nothing was demanded; or a part of the reason why nothing is said to
the host that names a sender.
"""

import json
import os
import random
import signal
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, eventually, free_port, message  # noqa: E402
from name_server import EMPTY, SERVFAIL, Exchangers, NameServer, Raw, record  # noqa: E402
from policy_host import Authority, Page, PolicyHost, policy  # noqa: E402

TXT = 16
UNVERIFIED = "the next hop's certificate is not verified"
FOREIGN = "none of those that the domain's MTA-STS policy names"
NONE_NAMED = 'none of its hosts is one that its MTA-STS policy names'
NO_TLS = 'STARTTLS'
RECORD = 'v=STSv1; id=20261127;'


def text(*records):
    """TXT records, each a text or several strings of one."""
    data = []
    for one in records:
        strings = (one,) if isinstance(one, str) else one
        data.append(b''.join(bytes([len(string)]) + string.encode() for string in strings))
    return Raw(lambda kind, ttl: (len(data), b''.join(record(TXT, ttl, one) for one in data))
               if kind == TXT else (0, b''))


class Scenario:
    """`page`: of the policy's host; a string is a mode, with the host in it. `shows`: 'good', 'bad', 'common' or None.
    `failure`: what the event sts_failed says."""

    def __init__(self, expected, page='enforce', shows='good', records=RECORD, failure=None, fetched=None, **more):
        self.expected, self.page, self.shows, self.records = expected, page, shows, records
        self.failure = failure
        self.fetched = failure is None if fetched is None else fetched
        self.more = more


def foreign(domain):
    return policy('enforce', 'other.' + domain)


SCENARIOS = {
    'good': Scenario('proven'),
    'untrusted': Scenario(UNVERIFIED, shows='bad'),
    'common-name': Scenario(UNVERIFIED, shows='common'),
    'without-tls': Scenario(NO_TLS, shows=None),
    'wildcard': Scenario('proven', page=lambda domain: policy('enforce', '*.' + domain)),
    'wildcard-deeper': Scenario(FOREIGN, page=lambda domain: policy('enforce', '*.mx.' + domain)),
    'foreign': Scenario(FOREIGN, page=foreign),
    'line-feeds': Scenario(UNVERIFIED, shows='bad',
                           page=lambda domain: policy('enforce', 'mx.' + domain).replace('\r', '')),
    'unknown-keys': Scenario(UNVERIFIED, shows='bad',
                             page=lambda domain: policy('enforce', 'mx.' + domain) + 'new: thing\r\n'),
    'charset': Scenario(UNVERIFIED, shows='bad', page=lambda domain: Page(
        policy('enforce', 'mx.' + domain), content_type='text/plain; charset=utf-8')),
    'age-0': Scenario('proven', page=lambda domain: policy('enforce', 'mx.' + domain, max_age=0)),
    'age-large': Scenario(UNVERIFIED, shows='bad',
                          page=lambda domain: policy('enforce', 'mx.' + domain, max_age=9999999999)),
    # Only said, not demanded.
    'testing': Scenario('tls', page='testing', shows='bad'),
    'testing-foreign': Scenario('proven', page=lambda domain: policy('testing', 'other.' + domain)),
    'testing-without-tls': Scenario('clear', page='testing', shows=None),
    'none': Scenario('tls', page='none', shows='bad'),
    # The record.
    'no-record': Scenario('tls', shows='bad', records=None, fetched=False),
    'servfail': Scenario('tls', shows='bad', records=SERVFAIL, fetched=False),
    'two-records': Scenario('tls', shows='bad', records=text(RECORD, 'v=STSv1; id=2'), fetched=False),
    'record-without-id': Scenario('tls', shows='bad', records='v=STSv1;', fetched=False),
    'other-records': Scenario(UNVERIFIED, shows='bad', records=text('v=spf1 -all', RECORD, 'something')),
    'record-in-pieces': Scenario(UNVERIFIED, shows='bad', records=text(('v=STSv1; i', 'd=2026', '1127;'))),
    # What is no policy.
    'not-found': Scenario('tls', shows='bad', page=lambda domain: Page('', 404), failure='answers 404'),
    'redirection': Scenario('tls', shows='bad', failure='answers 301', page=lambda domain: Page(
        policy('enforce', 'mx.' + domain), 301, headers=[('Location', 'https://mta-sts.%s/other.txt' % domain)])),
    'html': Scenario('tls', shows='bad', failure='Content-Type', page=lambda domain: Page(
        policy('enforce', 'mx.' + domain), content_type='text/html')),
    'too-long': Scenario('tls', shows='bad', failure='', page=lambda domain: Page(
        policy('enforce', 'mx.' + domain) + 'x: ' + 'y' * 65536)),
    'no-mode': Scenario('tls', shows='bad', failure='no mode',
                        page=lambda domain: Page('version: STSv1\nmx: mx.%s\nmax_age: 1000\n' % domain)),
    'bad-mx': Scenario('tls', shows='bad', failure='mx', page=lambda domain: policy('enforce', 'mx.' + domain, 'a b')),
    'host-untrusted': Scenario('tls', shows='bad', failure='certificate', host='bad'),
    'host-of-others': Scenario('tls', shows='bad', failure='', host='others'),
    'host-common-name': Scenario('tls', shows='bad', failure='subjectAltName', host='common'),
    'host-nowhere': Scenario('tls', shows='bad', failure='no address', host='nowhere'),
}


def records_of(scenario):
    if scenario.records is None:
        return EMPTY
    return text(scenario.records) if isinstance(scenario.records, str) and scenario.records != SERVFAIL \
        else scenario.records


def page_of(scenario, domain):
    page = scenario.page(domain) if callable(scenario.page) else policy(scenario.page, 'mx.' + domain)
    return page if isinstance(page, Page) else Page(page)


class Lab:
    """The hosts, names and policies of all scenarios."""

    def __init__(self, work, scenarios):
        self.work, self.scenarios = work, scenarios
        self.authority = Authority(work.path('authority'))
        domains = ['%s.lab' % name for name in scenarios]
        self.port, network = free_port(), '127.46.%d.' % random.randrange(1, 255)
        good = self.authority.context(['mx.' + one for one in domains] + ['second.' + one for one in domains])
        shown = {'good': good, 'bad': self.authority.context(['mx.x.lab'], signed=False), None: None}
        contexts = {'mta-sts.host-untrusted.lab': shown['bad'],
                    'mta-sts.host-of-others.lab': self.authority.context(['mta-sts.x.lab']),
                    'mta-sts.host-common-name.lab': self.authority.context(common='mta-sts.host-common-name.lab')}
        self.policies = work.own(PolicyHost(self.authority.context(['mta-sts.' + one for one in domains]), contexts))
        self.hops, names = {}, {}
        for number, (name, scenario) in enumerate(scenarios.items(), 1):
            domain, address = name + '.lab', network + str(number)
            context = self.authority.context(common='mx.' + domain) if scenario.shows == 'common' else \
                shown[scenario.shows]
            self.hops[name] = work.own(NextHop(tls=context, address=address, port=self.port))
            self.policies.pages[domain] = page_of(scenario, domain)
            names.update({domain: Exchangers((10, 'mx.' + domain)), 'mx.' + domain: [address],
                          '_mta-sts.' + domain: records_of(scenario)})
            if scenario.more.get('host') != 'nowhere':
                names['mta-sts.' + domain] = [self.policies.address]
        self.names = work.own(NameServer(names))

    def configuration(self, mx=False, heeded=True, limits=None, **changes):
        tls = {'mode': 'opportunistic'}
        if heeded:
            tls.update(mta_sts=True, ca_file=self.authority.ca_file)
        destinations = [{'name': name, 'mx_of': '%s.lab:%d' % (name, self.port), 'tls': tls} for name in self.scenarios]
        routes = [{'recipient': '*@%s.lab' % name, 'destination': name} for name in self.scenarios]
        if mx:
            destinations = [{'name': 'internet', 'mx': True, 'mx_port': self.port, 'tls': tls}]
            routes = [{'destination': 'internet'}]
        for one in destinations:
            one.update({'limits': limits} if limits else {})
        return self.work.configuration([], destinations=destinations, routes=routes, dns={
            'servers': [self.names.address], 'dnssec': 'off', 'allow_private': True}, **changes)

    def relay(self, mx=False):
        return self.work.relay(self.configuration(mx))


def send(relay, names):
    with Client(relay.address) as client:
        client.hello()
        for number, name in enumerate(names, 1):
            client.envelope(recipients=['a@%s.lab' % name])
            client.data(message(number))


def what_came(relay, name, hop):
    host = 'mx.%s.lab:%d' % (name, hop.port)
    if hop.arrivals:
        done = [e for e in relay.events('attempt') if e['host'] == host and e['result'] == 'delivered']
        if not done:
            return None
        return 'clear' if 'tls' not in done[-1] else 'proven' if done[-1]['verified'] else 'tls'
    failed = [e['reason'] for e in relay.events('host_failed') if e['host'] == host] + \
        [e['problem'] for e in relay.events('domain_failed') if e['domain'] == name + '.lab']
    return failed[0] if failed else None


def said_of_mail(hop):
    return [command for session in hop.sessions for command in session.commands
            if command.upper().startswith((b'MAIL', b'RCPT', b'DATA', b'BDAT'))]


def all_scenarios(mx):
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        lab = Lab(work, SCENARIOS)
        relay = lab.relay(mx)
        send(relay, SCENARIOS)
        wrong = []
        for name, scenario in SCENARIOS.items():
            hop = lab.hops[name]
            eventually(lambda name=name, hop=hop: what_came(relay, name, hop) is not None,
                       lambda name=name: 'nothing is known of ' + name, 60)
            came, words = what_came(relay, name, hop), ('proven', 'tls', 'clear')
            foreign_host = scenario.expected == FOREIGN and NONE_NAMED in came
            if (came != scenario.expected) if scenario.expected in words else \
                    (scenario.expected not in came and not foreign_host):
                wrong.append('%s: %s, expected %s' % (name, came, scenario.expected))
            if scenario.expected not in words and (hop.arrivals or said_of_mail(hop)):
                wrong.append('%s: it was said %s' % (name, said_of_mail(hop)))
            told = [e['problem'] for e in relay.events('sts_failed') if e['domain'] == name + '.lab']
            if scenario.failure is None and told or scenario.failure is not None and \
                    (not told or scenario.failure not in told[0]):
                wrong.append('%s: failures %s, expected %s' % (name, told, scenario.failure))
            asked = [path for domain, path in lab.policies.asked if domain == name + '.lab']
            if asked != ['/.well-known/mta-sts.txt'] if scenario.fetched else len(asked) > 1:
                wrong.append('%s: asked %s' % (name, asked))
        equal(wrong, [], 'scenarios')
        relay.kill()
    return None


@case
def of_destinations():
    """Every scenario as a destination (mx_of)."""
    return all_scenarios(False)


@case
def of_recipients():
    """Every scenario as the domain of a recipient (mx: true)."""
    return all_scenarios(True)


@case
def stays_in_force():
    """What was fetched holds over restarts, without a record, without the policy's host, until another is fetched."""
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        lab = Lab(work, {'kept': Scenario('proven')})
        hop, bad = lab.hops['kept'], lab.authority.context(['mx.x.lab'], signed=False)
        relay = lab.relay()
        send(relay, ['kept'])
        hop.wait_arrivals(1)
        equal([(e['mode'], e['id']) for e in relay.told('sts_policy')], [('enforce', '20261127')], 'policy')
        relay.terminate()
        hop.tls = bad

        def nothing_goes(why):
            relay = lab.relay()
            send(relay, ['kept'])
            eventually(lambda: relay.events('host_failed'), why)
            check(UNVERIFIED in relay.told('host_failed')[0]['reason'], '%s', relay.events('host_failed'))
            equal(len(hop.arrivals), 1, why)
            relay.kill()
            return relay

        for records in (EMPTY, SERVFAIL, text('v=STSv1;')):
            lab.names.names['_mta-sts.kept.lab'] = records
            nothing_goes('without a record')
        equal(len(lab.policies.asked), 1, 'fetched')
        lab.names.names['_mta-sts.kept.lab'] = text('v=STSv1; id=2;')
        lab.policies.pages['kept.lab'] = Page('gone', 500)
        told = nothing_goes('with another policy that cannot be fetched').events('sts_failed')
        equal([e['in_force'] for e in told], [True], 'told')
        lab.policies.pages['kept.lab'] = Page(policy('none'))
        relay = lab.relay()
        hop.wait_arrivals(2)
        equal([(e['mode'], e['id']) for e in relay.told('sts_policy')], [('none', '2')], 'policy')
        relay.terminate()
    return None


@case
def next_host():
    """Of two hosts the one that the policy names gets the mail, though the other comes first."""
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        lab = Lab(work, {'two': Scenario('proven', page=lambda domain: policy('enforce', 'second.' + domain))})
        first = lab.hops['two']
        second = work.own(NextHop(tls=first.tls, address='127.0.0.2', port=lab.port))
        lab.names.names.update({'two.lab': Exchangers((10, 'mx.two.lab'), (20, 'second.two.lab')),
                                'second.two.lab': ['127.0.0.2']})
        relay = lab.relay()
        send(relay, ['two'] * 5)
        second.wait_arrivals(5)
        equal(len(first.sessions), 0, 'connections to the first')
        relay.terminate()
    return None


def heeded_by_a_reload(mx):
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        lab, gate = Lab(work, {'late': Scenario(NO_TLS, shows=None)}), threading.Event()
        hop, count = lab.hops['late'], 100

        def script(stage, session, argument):
            if stage == 'MAIL':
                gate.wait(60)

        hop.script, hop.extensions = script, ['SIZE', '8BITMIME']
        changes = {'shards': 1, 'limits': {'connections': 1}}
        relay = work.relay(lab.configuration(mx, heeded=False, **changes))
        send(relay, ['late'] * count)
        eventually(lambda: hop.sessions and said_of_mail(hop), lambda: 'the first message is on its way')
        work.write('postrider.yaml', json.dumps(lab.configuration(mx, **changes)))
        relay.signal(signal.SIGHUP)
        eventually(lambda: relay.events('reloaded'), lambda: 'reloaded')
        gate.set()
        eventually(lambda: [e for e in relay.events('host_failed') if NO_TLS in e['reason']],
                   lambda: 'what is demanded is missed: %d of %d came' % (len(hop.arrivals), count), 30)
        begun = [session for session in hop.sessions if b'MAIL' in bytes(session.plain)]
        equal(len(begun), 1, 'sessions that were told of mail')
        check(len(hop.arrivals) < count, 'all of it came')
        relay.kill()
    return None


@case
def heeded_from_now_on_of_destinations():
    """Where policies are heeded from a reload on, mail that waits for a connection which is there goes by them."""
    return heeded_by_a_reload(False)


@case
def heeded_from_now_on_of_recipients():
    """The same of domains of recipients, whose mail waits at their hosts' site."""
    return heeded_by_a_reload(True)


if __name__ == '__main__':
    sys.exit(harness.main(together=3))
