#!/usr/bin/python3
"""tests/e2e/test_tls_reports.py - reports about TLS (RFC 8460): what is counted, who hears of it, and how.

The day ends while the relay is down: the file that it keeps says that it is of the day before yesterday, so that all
reports are due when it starts. Reports are read by Python's own modules, which know nothing of what wrote them.
"""

import json
import os
import re
import signal
import ssl
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Workspace, case, check, equal, eventually  # noqa: E402
from name_server import EMPTY, SERVFAIL  # noqa: E402
from policy_host import Page  # noqa: E402
from report_place import (DAY, REPORTS, WANTED, KeptDays, Place, check_report, cut, kept_of, read_letter,  # noqa: E402
                          read_post, stamp)
from sts_lab import SCENARIOS, Lab, Scenario, send, text, what_came  # noqa: E402

COUNTED = {
    # policy-type, successful, failed, result-type
    'good': ('sts', 1, 0, None),
    'wildcard': ('sts', 1, 0, None),
    'untrusted': ('sts', 0, 1, 'certificate-not-trusted'),
    'common-name': ('sts', 0, 1, 'validation-failure'),
    'without-tls': ('sts', 0, 1, 'starttls-not-supported'),
    'foreign': ('sts', 0, 1, 'validation-failure'),
    # Mail goes, and what would have stopped it is told (RFC 8461 5).
    'testing': ('sts', 0, 1, 'certificate-not-trusted'),
    'testing-foreign': ('sts', 0, 1, 'validation-failure'),
    'testing-without-tls': ('sts', 0, 1, 'starttls-not-supported'),
    'none': ('no-policy-found', 1, 0, None),
    'no-record': ('no-policy-found', 1, 0, None),
    'not-found': ('sts', 0, 1, 'sts-policy-fetch-error'),
    'host-nowhere': ('sts', 0, 1, 'sts-policy-fetch-error'),
    'no-mode': ('sts', 0, 1, 'sts-policy-invalid'),
    'host-untrusted': ('sts', 0, 1, 'sts-webpki-invalid'),
    # Of the name: "nmx" instead of "mx" has been seen.
    'misspelled': ('sts', 0, 1, 'sts-policy-invalid'),
    'expired': ('sts', 0, 1, 'certificate-expired'),
    'of-others': ('sts', 0, 1, 'certificate-host-mismatch'),
}
MISSPELLED = 'version: STSv1\nmode: enforce\nnmx: mx.misspelled.lab\nmax_age: 604800\n'
MORE = {
    'misspelled': Scenario('tls', shows='bad', page=lambda domain: Page(MISSPELLED)),
    'expired': Scenario('', shows='good'),
    'of-others': Scenario('', shows='good'),
    # Where reports go: its own TLS is broken, and its policy is in force.
    'inbox': Scenario('', shows='bad'),
}


class Days(KeptDays):
    """A lab, its relay, and the file that it keeps."""

    def __init__(self, work, scenarios, **changes):
        super().__init__(work)
        self.lab = Lab(work, scenarios)
        self.place = work.own(Place(self.lab.authority.context(['rua.lab'])))
        self.lab.names.names['rua.lab'] = ['127.0.0.1']
        self.changes = {'tls_reports': {**REPORTS, 'ca_file': self.lab.authority.ca_file}, **changes}
        self.relay = None

    def start(self, **more):
        changes = {**self.changes, **more}
        own = {name: changes.pop(name) for name in ('destinations', 'routes') if name in changes}
        self.relay = self.work.relay({**self.lab.configuration(True, **changes), **own})
        return self.relay

    def want(self, domain, *places):
        self.lab.names.names['_smtp._tls.' + domain] = text(cut(WANTED + ','.join(places)))

    def url(self, path):
        return 'https://rua.lab:%d%s' % (self.place.port, path)


def outcome(days, name):
    return what_came(days.relay, name, days.lab.hops[name])


@case
def what_is_counted():
    """Each way in which a policy holds or fails, by the words of RFC 8460 4.3, and the report of it."""
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        scenarios = {name: MORE.get(name) or SCENARIOS[name] for name in COUNTED}
        days = Days(work, scenarios)
        authority = days.lab.authority
        days.lab.hops['expired'].tls = expired(authority)
        days.lab.hops['of-others'].tls = authority.context(['mx.elsewhere.lab'])
        relay = days.start()
        send(relay, scenarios)
        for name in scenarios:
            eventually(lambda name=name: outcome(days, name) is not None, lambda name=name: 'of ' + name, 60)
        relay.terminate()
        kept = {domain['name']: kept_of(domain) for domain in days.kept()['domains']}
        wrong = ['%s: %s, not %s' % (name, kept.get(name + '.lab'), COUNTED[name]) for name in COUNTED
                 if not fits(kept.get(name + '.lab', []), COUNTED[name])]
        equal(wrong, [], 'counted')
        start = days.end_day()
        for name in scenarios:
            days.want(name + '.lab', days.url('/' + name))
        relay = days.start()
        for name in scenarios:
            eventually(lambda name=name: days.place.at('/' + name), lambda name=name: 'no report of ' + name, 60)
            equal(len(days.place.at('/' + name)), 1, 'reports of ' + name)
            report = read_post(days.place.at('/' + name)[0])
            check_report(report, name + '.lab', start)
            check_policy(days, name, report['policies'])
        equal({e['day'] for e in relay.told('tls_reports_due')}, {stamp(start)[:10]}, 'day')
        eventually(lambda: len(relay.events('tls_report')) == len(scenarios), 'all are told')
        relay.terminate()
        equal(days.kept()['reports'], [], 'left')
    return None


def fits(kept, expected):
    """Retries may have counted a failure more than once."""
    kind, good, failed, result = expected
    return any(one[0] == kind and one[3] == result and one[1] == good and (one[2] >= failed if failed else one[2] == 0)
               for one in kept)


def check_policy(days, name, policies):
    wanted = COUNTED[name]
    found = [one for one in policies if one['policy']['policy-type'] == wanted[0]]
    check(found, '%s: %s', name, policies)
    words = found[0]['policy'].get('policy-string')
    if wanted[0] == 'sts' and not (wanted[3] or '').startswith('sts-'):
        check('version: STSv1' in words and '\r' not in ''.join(words), 'words %s', words)
        check(found[0]['policy']['mx-host'], 'mx-host of %s', name)
    else:
        equal(words, None, 'policy-string of ' + name)


def expired(authority):
    """A certificate for the host, of yesterday."""
    authority.openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'old.key',
                      '-out', 'old.csr', '-subj', '/CN=old')
    with open(os.path.join(authority.directory, 'old.ext'), 'w', encoding='ascii') as file:
        file.write('subjectAltName=DNS:mx.expired.lab\nextendedKeyUsage=serverAuth\n')
    authority.openssl('x509', '-req', '-in', 'old.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days',
                      '-1', '-extfile', 'old.ext', '-out', 'old.crt')
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(os.path.join(authority.directory, 'old.crt'), os.path.join(authority.directory, 'old.key'))
    return made


def counted_once(days, *names):
    """The relay has sent a message to each, and is down; the file says so."""
    relay = days.start()
    send(relay, names)
    for name in names:
        eventually(lambda name=name: outcome(days, name) is not None, lambda name=name: 'of ' + name, 60)
    relay.terminate()


@case
def by_mail():
    """To a host whose TLS is broken, in a domain whose policy is in force: it comes, once, and is not reported on."""
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        days = Days(work, {'good': SCENARIOS['good'], 'untrusted': SCENARIOS['untrusted'], 'inbox': MORE['inbox']})
        inbox = days.lab.hops['inbox']
        counted_once(days, 'good', 'untrusted')
        days.want('good.lab', 'mailto:tls%2Breports@inbox.lab')
        days.want('untrusted.lab', 'mailto:a@untrusted.lab')
        start = days.end_day()
        relay = days.start()
        inbox.wait_arrivals(1)
        eventually(lambda: days.lab.hops['untrusted'].arrivals, 'to the domain that it is about')
        equal([arrival.sender for arrival in inbox.arrivals], [REPORTS['from']], 'sender')
        mail, part, report = read_letter(inbox.arrivals[0])
        check_report(report, 'good.lab', start)
        equal(mail['To'], 'tls+reports@inbox.lab', 'To')
        equal(mail['From'], REPORTS['from'], 'From')
        equal(mail['TLS-Report-Domain'], 'good.lab', 'domain')
        equal(mail['TLS-Report-Submitter'], 'relay.example.org', 'submitter')
        equal(mail['TLS-Required'], 'No', 'TLS-Required')
        check(re.fullmatch(r'Report Domain: good\.lab +Submitter: relay\.example\.org +Report-ID: <[^ ]+>',
                           mail['Subject']), 'Subject %s', mail['Subject'])
        equal(part.get_filename(), 'relay.example.org!good.lab!%d!%d.json.gz' % (start, start + DAY - 1), 'file')
        own = read_letter(days.lab.hops['untrusted'].arrivals[0])[2]
        equal(own['policies'][0]['failure-details'][0]['result-type'], 'certificate-not-trusted', 'of itself')
        eventually(lambda: outcome(days, 'untrusted') == 'tls', 'over TLS all the same')
        relay.terminate()
        # Reports are not counted, and mail of anybody else still waits.
        kept = days.kept()
        equal(kept['reports'], [], 'left')
        check('inbox.lab' not in {domain['name'] for domain in kept['domains']}, '%s', kept)
        relay = days.start()
        send(relay, ['inbox'])
        eventually(lambda: [e for e in relay.events('host_failed') if 'mx.inbox' in e['host']], 'it is refused')
        relay.terminate()
        equal(len(inbox.arrivals) + len(days.lab.hops['untrusted'].arrivals), 2, 'letters')
    return None


@case
def by_a_destination_of_its_own():
    """A letter about TLS is counted nowhere, whichever way it goes: it would be reported on the next day, and so on."""
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        days = Days(work, {'good': SCENARIOS['good']})
        days.changes['destinations'] = days.lab.configuration()['destinations']
        days.changes['routes'] = days.lab.configuration()['routes']
        hop = days.lab.hops['good']
        counted_once(days, 'good')
        equal([kept_of(domain) for domain in days.kept()['domains']], [[('sts', 1, 0, None)]], 'what is counted')
        days.want('good.lab', 'mailto:tls@good.lab')
        days.end_day()
        relay = days.start()
        hop.wait_arrivals(2)
        eventually(lambda: relay.events('tls_report'), 'it is told')
        relay.terminate()
        equal([arrival.recipients for arrival in hop.arrivals[1:]], [['tls@good.lab']], 'the letter')
        equal((days.kept()['domains'], days.kept()['reports']), ([], []), 'what is counted then')
    return None


@case
def places_that_fail():
    """Silent, refusing, redirecting, nowhere, private, far too many: others hear all the same, and each is told."""
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        names = ['d%d' % number for number in range(10)]
        days = Days(work, {name: Scenario('tls', page='none') for name in names})
        counted_once(days, *names)
        days.place.answers.update({'/refuses': 500, '/moved': 302, '/silent': None})
        names_of = days.lab.names.names
        names_of['dead.lab'] = SERVFAIL
        bad = days.lab.authority.context(['rua.lab'], signed=False)
        untrusted = work.own(Place(bad))
        days.want('d0.lab', days.url('/silent'), days.url('/d0'))
        days.want('d1.lab', days.url('/refuses'))
        days.want('d2.lab', days.url('/moved'))
        days.want('d3.lab', 'https://d3.lab/nowhere', 'https://dead.lab/x', 'mailto:nobody@nowhere.lab')
        days.want('d4.lab', *['https://rua.lab:%d/many/%d' % (days.place.port, number) for number in range(40)])
        days.want('d5.lab', 'https://rua.lab:%d/' % untrusted.port)
        days.want('d6.lab', 'postmaster@d6.lab')
        names_of['_smtp._tls.d7.lab'] = text(cut(WANTED + days.url('/d7')), cut(WANTED + days.url('/d7')))
        names_of['_smtp._tls.d8.lab'] = text('v=spf1 -all', cut(WANTED + days.url('/d8') + '; x=y;'))
        names_of['_smtp._tls.d9.lab'] = EMPTY
        days.end_day()
        relay = days.start()
        for path in ('/d8', '/many/7', '/refuses', '/moved', '/silent'):
            eventually(lambda path=path: days.place.at(path), lambda path=path: 'nothing at ' + path, 60)
        problems = {}

        def told():
            problems.update({e['to']: e['problem'] for e in relay.events('tls_report_failed')})
            return len(problems) >= 6

        eventually(told, lambda: 'failures are told: %s' % problems, 60)
        check('500' in problems[days.url('/refuses')], '%s', problems)
        check('redirection' in problems[days.url('/moved')], '%s', problems)
        check('certificate' in problems['https://rua.lab:%d/' % untrusted.port], '%s', problems)
        # The silent one has had its time: the next place of the same domain is served.
        eventually(lambda: days.place.at('/d0'), 'behind the silent one', 60)
        equal(sum(len(days.place.at('/many/%d' % number)) for number in range(40)), 8, 'places of one domain')
        equal([len(days.place.at(path)) for path in ('/elsewhere', '/d7')], [0, 0], 'not asked for')
        relay.terminate()
        kept = {report['domain']['name']: report for report in days.kept()['reports']}
        equal(sorted(kept), ['d0.lab', 'd1.lab', 'd2.lab', 'd3.lab', 'd5.lab'], 'tried again')
        equal([one['to'] for one in kept['d0.lab']['done']], [days.url('/d0')], 'what is done')
        check(all(report['due'] > time.time() and report['tries'] == 1 for report in kept.values()), '%s', kept)
        # And after a restart, where it is wanted still, and not there where it was.
        days.place.answers.clear()
        days.place.gate.set()
        with open(days.path(), encoding='utf-8') as file:
            whole = json.load(file)
        for report in whole['reports']:
            report['due'] = int(time.time()) - 1
        with open(days.path(), 'w', encoding='utf-8') as file:
            json.dump(whole, file)
        relay = days.start()
        for path, count in (('/refuses', 2), ('/moved', 2), ('/silent', 2)):
            eventually(lambda path=path, count=count: len(days.place.at(path)) == count, path, 60)
        equal(len(days.place.at('/d0')), 1, 'again')
        relay.terminate()
    return None


@case
def more_than_at_once():
    """Of more places than are posted to at a time, none of which answers for a while, each is told, and none is said to
    have failed."""
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        days = Days(work, {'good': SCENARIOS['good']})
        counted_once(days, 'good')
        kept, names = days.kept(), ['n%d.lab' % number for number in range(60)]
        kept['domains'] = [{**kept['domains'][0], 'name': name} for name in names]
        with open(days.path(), 'w', encoding='utf-8') as file:
            json.dump(kept, file)
        for name in names:
            days.want(name, days.url('/' + name), days.url('/second/' + name))
        days.end_day()
        days.place.open.clear()
        relay = days.start()
        eventually(lambda: len(days.place.posts) >= 16, lambda: '%d are under way' % len(days.place.posts), 60)
        days.place.open.set()
        eventually(lambda: len(days.place.posts) >= 120, lambda: '%d and %s' % (
            len(days.place.posts), relay.events('tls_report_failed')[:2]), 60)
        equal(sorted(post[0] for post in days.place.posts),
              sorted(path % name for name in names for path in ('/%s', '/second/%s')), 'told')
        relay.terminate()
        equal(relay.events('tls_report_failed'), [], 'failed')
        equal(days.kept()['reports'], [], 'left')
    return None


def switch(days, on):
    """By a reload; it is over."""
    changes = days.changes if on else {}
    before = len(days.relay.events('reloaded'))
    days.work.write('postrider.yaml', json.dumps(days.lab.configuration(True, **changes)))
    days.relay.signal(signal.SIGHUP)
    eventually(lambda: len(days.relay.events('reloaded')) > before, 'reloaded')


@case
def switched_by_a_reload():
    """On: from then on it is counted, and who has waited hears. Off: neither, and what was under way is told once, by
    mail and by HTTPS, though it is switched on again."""
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        days = Days(work, {name: SCENARIOS[name] for name in ('good', 'wildcard', 'no-record', 'none')})
        inbox = days.lab.hops['none']

        def phase(name):
            send(days.relay, [name])
            eventually(lambda: outcome(days, name) is not None, name, 60)

        days.relay = work.relay(days.lab.configuration(True))
        phase('good')
        switch(days, True)
        phase('wildcard')
        switch(days, False)
        phase('no-record')
        days.relay.terminate()
        equal([domain['name'] for domain in days.kept()['domains']], ['wildcard.lab'], 'counted')
        days.want('wildcard.lab', days.url('/wildcard'), 'mailto:tls@none.lab')
        days.end_day()
        days.place.open.clear()
        days.relay = work.relay(days.lab.configuration(True))
        for _ in range(3):
            switch(days, True)
            eventually(lambda: days.place.posts, 'it is posted', 60)
            switch(days, False)
        equal(len(inbox.arrivals), 0, 'letters, while the place before them is silent')
        days.place.open.set()
        switch(days, True)
        inbox.wait_arrivals(1)
        for on in (False, True, False, True):
            switch(days, on)
        days.relay.terminate()
        equal((len(days.place.posts), len(inbox.arrivals)), (1, 1), 'told')
        equal(days.kept()['reports'], [], 'left')
    return None


@case
def private_places():
    """Whoever names a place must not make the relay look into its own network (REL-04)."""
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        days = Days(work, {'good': SCENARIOS['good']})
        counted_once(days, 'good')
        days.want('good.lab', days.url('/x'))
        days.end_day()
        configuration = days.lab.configuration(True, **days.changes)
        configuration['dns']['allow_private'] = False
        days.relay = work.relay(configuration)
        eventually(lambda: days.relay.events('tls_report_failed'), 'it is told', 60)
        check('allow_private' in days.relay.told('tls_report_failed')[0]['problem'], '%s',
              days.relay.told('tls_report_failed'))
        days.relay.terminate()
        equal(days.place.posts, [], 'posts')
    return None


@case
def the_middle_of_a_day():
    """Restarts, also by a kill, in the middle of a day; a file that is damaged; switched off by a reload."""
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        days = Days(work, {'good': SCENARIOS['good']})
        for _ in range(3):
            counted_once(days, 'good')
        domains = days.kept()['domains']
        equal([(domain['name'], kept_of(domain)) for domain in domains], [('good.lab', [('sts', 3, 0, None)])], 'kept')
        # Nothing but what was given in the last minutes is lost with the process.
        relay = days.start()
        relay.kill()
        equal(days.kept()['domains'], domains, 'after a kill')
        with open(days.path(), 'r+', encoding='utf-8') as file:
            file.truncate(50)
        relay = days.start()
        eventually(lambda: relay.events('tls_reports_unread'), 'it is told')
        check(os.path.exists(days.path() + '.damaged'), 'it is set aside')
        relay.terminate()
        # Off: nothing is counted, and nothing that was kept is touched.
        if os.path.exists(days.path()):
            os.unlink(days.path())
        changes = dict(days.changes)
        del changes['tls_reports']
        days.relay = work.relay(days.lab.configuration(True, **changes))
        send(days.relay, ['good'])
        days.lab.hops['good'].wait_arrivals(4)
        days.relay.terminate()
        check(not os.path.exists(days.path()), 'there is a file')
    return None


if __name__ == '__main__':
    sys.exit(harness.main(together=2))
