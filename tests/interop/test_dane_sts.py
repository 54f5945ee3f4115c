#!/usr/bin/python3
"""tests/interop/test_dane_sts.py - DANE and MTA-STS for one host, and what reports about TLS say of it: RFC 8461 2,
RFC 8460 4.3.

Each scenario is a domain in a zone that nsd serves and ldns signed, with a host of its own, TLSA records, and a policy
that a web server has. All are destinations of one relay, which counts; then its day ends, and the domains hear of it.
"""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import harness  # noqa: E402
from signed_zones import SignedZones, record, unavailable  # noqa: E402
from harness import Client, NextHop, Workspace, case, equal, eventually, free_port, message  # noqa: E402
from policy_host import Authority, Page, PolicyHost, policy  # noqa: E402
from report_place import REPORTS, KeptDays, Place, check_report, kept_of, read_post  # noqa: E402

NO_MATCH = 'none of its certificates is one that its TLSA records name'
NO_RECORD = 'DANE is demanded, and the host has no TLSA record that is proven'
NOT_USABLE = "none of the host's TLSA records can be used"
NOT_KNOWN = 'whether the host has TLSA records cannot be found out'
NONE_NAMED = 'none of its hosts is one that its MTA-STS policy names'
UNVERIFIED = "the next hop's certificate is not verified"
# A certificate: in order, of no authority, expired, for another name; and a policy.
GOOD, BAD, OLD, OTHERS = 'good', 'bad', 'old', 'others'
ENFORCE, TESTING, ELSEWHERE, NOWHERE = 'enforce', 'testing', 'elsewhere', 'nowhere'


class Scenario:
    """`shown`: the host's certificate, or None. `tlsa`: its records, with `own` for that certificate. `page`: the
    policy. `came`: with what proof the message does, or why it does not. `counted`: policy-type and result-type."""

    def __init__(self, shown, tlsa, page, came, counted, mode='opportunistic'):
        self.shown, self.tlsa, self.page, self.came, self.counted, self.mode = shown, tlsa, page, came, counted, mode


SCENARIOS = {
    'both-hold': Scenario(GOOD, ['3 1 1 own'], ENFORCE, 'dane', ('tlsa', None)),
    # DANE says how the host proves itself, and an authority need not say it as well.
    'dane-holds': Scenario(BAD, ['3 1 1 own'], ENFORCE, 'dane', ('tlsa', None)),
    'dane-holds-old': Scenario(OLD, ['3 1 1 own'], ENFORCE, 'dane', ('tlsa', None)),
    'dane-holds-testing': Scenario(BAD, ['3 1 1 own'], TESTING, 'dane', ('tlsa', None)),
    'dane-holds-nowhere': Scenario(BAD, ['3 1 1 own'], NOWHERE, 'dane', ('tlsa', None)),
    # RFC 8461 2: a policy that holds must not override DANE that fails.
    'sts-holds': Scenario(GOOD, ['3 1 1 -own'], ENFORCE, NO_MATCH, ('tlsa', 'certificate-not-trusted')),
    'sts-holds-testing': Scenario(GOOD, ['3 1 1 -own'], TESTING, NO_MATCH, ('tlsa', 'certificate-not-trusted')),
    'sts-holds-unknown': Scenario(GOOD, None, ENFORCE, NOT_KNOWN, ('tlsa', 'dnssec-invalid')),
    'both-fail': Scenario(BAD, ['3 1 1 -own'], ENFORCE, NO_MATCH, ('tlsa', 'certificate-not-trusted')),
    # Of a lane's own domain a host that is proven counts, too; of recipients' domains hosts that the policy does not
    # name are left out before anybody asks for their records.
    'not-its-host': Scenario(GOOD, ['3 1 1 own'], ELSEWHERE, 'dane', ('tlsa', None)),
    # Records that prove nothing leave it to the policy.
    'unusable': Scenario(GOOD, ['1 1 1 own'], ENFORCE, 'chain', ('tlsa', 'tlsa-invalid')),
    'unusable-fails': Scenario(BAD, ['1 1 1 own'], ENFORCE, UNVERIFIED, ('tlsa', 'tlsa-invalid')),
    'unusable-testing': Scenario(BAD, ['1 1 1 own'], TESTING, '', ('tlsa', 'tlsa-invalid')),
    'no-record': Scenario(BAD, [], ENFORCE, UNVERIFIED, ('sts', 'certificate-not-trusted')),
    'without-tls': Scenario(None, ['3 1 1 -good'], ENFORCE, 'STARTTLS', ('tlsa', 'starttls-not-supported')),
    # What is wrong with a certificate of an authority that the records name.
    'anchor': Scenario(GOOD, ['2 1 1 ca'], ENFORCE, 'dane', ('tlsa', None)),
    'anchor-old': Scenario(OLD, ['2 1 1 ca'], ENFORCE, 'expired', ('tlsa', 'certificate-expired')),
    'anchor-others': Scenario(OTHERS, ['2 1 1 ca'], ENFORCE, 'name mismatch', ('tlsa', 'certificate-host-mismatch')),
    # The operator asks for it; no policy is heeded.
    'demanded': Scenario(GOOD, [], ENFORCE, NO_RECORD, ('no-policy-found', 'dane-required'), 'dane'),
    'demanded-unusable': Scenario(GOOD, ['1 1 1 own'], ENFORCE, NOT_USABLE, ('tlsa', 'tlsa-invalid'), 'dane'),
    'demanded-holds': Scenario(BAD, ['3 1 1 own'], ENFORCE, 'dane', ('tlsa', None), 'dane'),
}


OF_RECIPIENTS = {**SCENARIOS, 'not-its-host': Scenario(GOOD, ['3 1 1 own'], ELSEWHERE, NONE_NAMED,
                                                       ('sts', 'validation-failure'))}


class Lab(KeptDays):
    """`mx`: all of them are domains of recipients of two destinations; else each is a destination's own."""

    def __init__(self, work, scenarios, mx):
        super().__init__(work)
        self.scenarios, self.mx, self.port = scenarios, mx, free_port()
        self.authority = Authority(work.path('authority'))
        domains = [self.domain(name) for name in scenarios]
        self.policies = work.own(PolicyHost(self.authority.context(['mta-sts.' + one for one in domains])))
        self.place = work.own(Place(self.authority.context(['rua.lab'])))
        self.hops, network = {}, '127.47.%d.' % random.randrange(1, 255)
        self.zones = {'lab': ['rua A 127.0.0.1'], 'good.lab': [], 'bad.lab': ['wrong TLSA ' + self.record('3 1 1 ca')]}
        for number, (name, scenario) in enumerate(scenarios.items(), 1):
            address = network + str(number)
            context = self.context(scenario.shown, 'mx.' + self.domain(name))
            own = 'c%d' % self.authority.count
            self.hops[name] = work.own(NextHop(tls=context, address=address, port=self.port))
            self.policies.pages[self.domain(name)] = self.page(scenario.page, self.domain(name))
            lines, place = self.zones['good.lab'], '_%d._tcp.mx.%s' % (self.port, name)
            lines += ['%s MX 10 mx.%s' % (name, name), 'mx.%s A %s' % (name, address),
                      '_mta-sts.%s TXT "v=STSv1; id=1;"' % name, 'mta-sts.%s A %s' % (name, self.policies.address),
                      '_smtp._tls.%s TXT "v=TLSRPTv1; rua=https://rua.lab:%d/%s"' % (name, self.place.port, name)]
            if scenario.tlsa is None:
                lines.append(place + ' CNAME wrong.bad.lab.')
            for one in scenario.tlsa or []:
                lines.append('%s TLSA %s' % (place, self.record(one.replace('own', own).replace('good', 'c1'))))

    @staticmethod
    def domain(name):
        return name + '.good.lab'

    def record(self, words):
        return record(self.authority.directory, words)

    def context(self, shown, host):
        if shown is None:
            return None
        return self.authority.context(['mx.elsewhere.lab' if shown == OTHERS else host], signed=shown != BAD,
                                      days=-1 if shown == OLD else 2, chain=True)

    @staticmethod
    def page(kind, domain):
        if kind == NOWHERE:
            return Page('gone', 404)
        host = 'mx.elsewhere.lab' if kind == ELSEWHERE else 'mx.' + domain
        return Page(policy('testing' if kind == TESTING else 'enforce', host))

    def tls(self, mode):
        """Mode dane heeds no policy."""
        return {'mode': mode} if mode == 'dane' else {
            'mode': mode, 'mta_sts': True, 'ca_file': self.authority.ca_file}

    def destination(self, name):
        return self.scenarios[name].mode if self.mx else name

    def relay(self, zones):
        if self.mx:
            destinations = [{'name': mode, 'mx': True, 'mx_port': self.port, 'tls': self.tls(mode)}
                            for mode in ('opportunistic', 'dane')]
        else:
            destinations = [{'name': name, 'mx_of': '%s:%d' % (self.domain(name), self.port),
                             'tls': self.tls(scenario.mode)} for name, scenario in self.scenarios.items()]
        return self.work.relay(self.work.configuration(
            [], destinations=destinations, tls_reports={**REPORTS, 'ca_file': self.authority.ca_file},
            routes=[{'recipient': '*@' + self.domain(name), 'destination': self.destination(name)}
                    for name in self.scenarios],
            dns={'servers': [zones.address], 'dnssec': 'validate', 'trust_anchor': zones.anchor,
                 'allow_private': True}))

    def what_came(self, relay, name):
        """The proof of the message that came, or the reason for which none did; None: nothing yet."""
        host = 'mx.%s:%d' % (self.domain(name), self.port)
        if self.hops[name].arrivals:
            done = [e for e in relay.events('attempt') if e['host'] == host and e['result'] == 'delivered']
            return done[0].get('proof', '') if done else None
        failed = [e['reason'] for e in relay.events('host_failed') if e['host'] == host] + \
            [e['problem'] for e in relay.events('domain_failed') if e['domain'] == self.domain(name)]
        return failed[0] if failed else None

    def check_outcome(self, relay, name):
        """What is wrong with it, in words."""
        expected, proofs = self.scenarios[name].came, ('dane', 'chain', '')
        eventually(lambda: self.what_came(relay, name) is not None, lambda: 'nothing is known of ' + name, 60)
        came, hop = self.what_came(relay, name), self.hops[name]
        if (came != expected) if expected in proofs else (expected not in came):
            return ['%s: %s, expected %s' % (name, came, expected)]
        if expected not in proofs and told_of_mail(hop):
            return ['%s: it was said %s' % (name, told_of_mail(hop))]
        return []

    def check_told(self, name, start):
        """The report that the domain has got: one policy, one kind of result."""
        kind, result = self.scenarios[name].counted
        report = read_post(self.place.at('/' + name)[0])
        check_report(report, self.domain(name), start)
        found = [(one['policy']['policy-type'], {d['result-type'] for d in one.get('failure-details', [])})
                 for one in report['policies']]
        if found != [(kind, {result} if result else set())]:
            return ['%s: told %s, expected %s' % (name, report['policies'], (kind, result))]
        words, tlsa = report['policies'][0]['policy'].get('policy-string'), self.scenarios[name].tlsa
        if kind == 'tlsa':
            good = not tlsa if not words else [one.split()[:3] for one in words] == [t.split()[:3] for t in tlsa]
        else:
            good = bool(words) == (kind == 'sts')
        return [] if good else ['%s: policy-string %s' % (name, words)]


def told_of_mail(hop):
    return [command for session in hop.sessions for command in session.commands
            if command.upper().startswith((b'MAIL', b'RCPT', b'DATA', b'BDAT'))]


def send(relay, names):
    with Client(relay.address) as client:
        client.hello()
        for number, name in enumerate(names, 1):
            client.envelope(recipients=['a@' + Lab.domain(name)])
            client.data(message(number))


def the_stricter_of_two(scenarios, mx):
    if unavailable() or os.geteuid() != 0:
        return 'skipped: ' + (unavailable() or 'only root may listen on port 443')
    with Workspace() as work:
        lab, wrong = Lab(work, scenarios, mx), []
        with SignedZones(lab.zones, signed=['lab', 'good.lab', 'bad.lab'], spoil=['bad.lab']) as zones:
            relay = lab.relay(zones)
            send(relay, scenarios)
            for name in scenarios:
                wrong += lab.check_outcome(relay, name)
            equal(wrong, [], 'scenarios')
            equal({e['domain'] for e in relay.told('sts_failed')}, {lab.domain('dane-holds-nowhere')}, 'sts_failed')
            relay.terminate()
            kept = {domain['name']: kept_of(domain) for domain in lab.kept()['domains']}
            equal(sorted(kept), sorted(lab.domain(name) for name in scenarios), 'domains')
            for name, scenario in scenarios.items():
                good = [one[1] for one in kept[lab.domain(name)]]
                equal(good, [int(scenario.counted[1] is None)], 'good of %s: %s' % (name, kept[lab.domain(name)]))
            start = lab.end_day()
            relay = lab.relay(zones)
            for name in scenarios:
                eventually(lambda name=name: lab.place.at('/' + name), lambda name=name: 'no report of %s: %s' % (
                    name, relay.events('tls_report_failed')[:2]), 60)
                wrong += lab.check_told(name, start)
            equal(wrong, [], 'reports')
            relay.kill()
    return None


@case
def of_destinations():
    """Whether DANE holds and whether the policy does: what is sent, what is counted, and what the domain hears."""
    return the_stricter_of_two(SCENARIOS, False)


@case
def of_recipients():
    """The same of recipients' domains, whose hosts have lanes by what they must prove."""
    return the_stricter_of_two(OF_RECIPIENTS, True)


if __name__ == '__main__':
    sys.exit(harness.main(together=2))
