"""tests/e2e/sts_lab.py - domains with hosts, records and MTA-STS policies of all kinds, and a relay that sends to them.

Each scenario is a domain with a host of its own, a record and a policy. What is expected: 'proven': the message goes
over TLS with a certificate for the host; 'tls', 'clear': nothing was demanded; or a part of the reason why nothing is
said to the host that names a sender.
"""

import random

from harness import Client, NextHop, free_port, message
from name_server import EMPTY, SERVFAIL, Exchangers, NameServer, Raw, record
from policy_host import Authority, Page, PolicyHost, policy

TXT = 16
UNVERIFIED = "the next hop's certificate is not verified"
FOREIGN = "none of those that the domain's MTA-STS policy names"
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
    'addresses-beside': Scenario(UNVERIFIED, shows='bad', page=lambda domain: policy(
        'enforce', 'mx.' + domain, '192.0.2.1', '[192.0.2.1]', '2001:db8::25')),
    'final-dot': Scenario('proven', page=lambda domain: policy('enforce', 'mx.' + domain + '.')),
    'broken-of-a-neighbour': Scenario(FOREIGN, page=lambda domain: policy('enforce', '*.provider.example')),
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
    'misspelt-mx': Scenario('tls', shows='bad', failure='names no mx', page=lambda domain: policy(
        'enforce', 'mx.' + domain).replace('mx: ', 'nmx: ')),
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
