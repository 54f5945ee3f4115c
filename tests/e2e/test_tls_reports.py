#!/usr/bin/python3
"""tests/e2e/test_tls_reports.py - reports about TLS (RFC 8460): what is counted, who hears of it, and how.

The day ends while the relay is down: the file that it keeps says that it is of the day before yesterday, so that all
reports are due when it starts. Reports are read by Python's own modules, which know nothing of what wrote them.
"""

import email
import email.policy
import gzip
import http.server
import json
import os
import random
import re
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import NextHop, Workspace, case, check, equal, eventually  # noqa: E402
from name_server import EMPTY, SERVFAIL, Exchangers  # noqa: E402
from policy_host import Page  # noqa: E402
from sts_lab import SCENARIOS, Lab, Scenario, send, text, what_came  # noqa: E402

DAY = 86400
WANTED = 'v=TLSRPTv1; rua='
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
REPORTS = {'organization': 'Öffice "Ltd"', 'from': 'tls@relay.example', 'contact': 'it@relay.example'}


class Place:
    """Takes reports by HTTPS. `answers`: by path, a status, or None to be silent; 200 where nothing is said."""

    def __init__(self, context, answers=()):
        self.posts, self.answers, self.gate = [], dict(answers), threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                outer.posts.append((self.path, dict(self.headers), body))
                status = outer.answers.get(self.path, 200)
                if status is None:
                    outer.gate.wait(120)
                    return
                self.send_response(status)
                if status // 100 == 3:
                    self.send_header('Location', 'https://rua.lab:%d/elsewhere' % outer.port)
                self.send_header('Content-Length', '0')
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def at(self, path):
        return [post for post in self.posts if post[0] == path]

    def stop(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()

    close = kill = stop


class Days:
    """A lab, its relay, and the file that it keeps."""

    def __init__(self, work, scenarios, **changes):
        self.work, self.lab = work, Lab(work, scenarios)
        self.place = work.own(Place(self.lab.authority.context(['rua.lab'])))
        self.lab.names.names['rua.lab'] = ['127.0.0.1']
        self.changes = {'tls_reports': {**REPORTS, 'ca_file': self.lab.authority.ca_file}, **changes}
        self.relay = None

    def start(self, **more):
        self.relay = self.work.relay(self.lab.configuration(True, **{**self.changes, **more}))
        return self.relay

    def want(self, domain, *places):
        self.lab.names.names['_smtp._tls.' + domain] = text(cut(WANTED + ','.join(places)))

    def path(self):
        return os.path.join(self.work.path('spool'), 'tls-reports')

    def kept(self):
        with open(self.path(), encoding='utf-8') as file:
            return json.load(file)

    def end_day(self):
        """As if all of it had been counted three days ago; the first second of that day."""
        kept = self.kept()
        kept['day'] = int(time.time()) // DAY - 3
        with open(self.path(), 'w', encoding='utf-8') as file:
            json.dump(kept, file)
        return kept['day'] * DAY

    def url(self, path):
        return 'https://rua.lab:%d%s' % (self.place.port, path)


def cut(words):
    """The strings of one TXT record."""
    return tuple(words[at:at + 255] for at in range(0, len(words), 255))


def stamp(wall_s):
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(wall_s))


def read_letter(arrival):
    """(headers, the report) of a mail."""
    mail = email.message_from_bytes(bytes(arrival.content), policy=email.policy.default)
    equal((mail.get_content_type(), mail.get_param('report-type')), ('multipart/report', 'tlsrpt'), 'type')
    equal(mail.defects, [], 'defects')
    parts = list(mail.iter_parts())
    equal([part.get_content_type() for part in parts], ['text/plain', 'application/tlsrpt+gzip'], 'parts')
    return mail, parts[1], json.loads(gzip.decompress(parts[1].get_content()))


def read_post(post):
    path, headers, body = post
    equal(headers['Content-Type'], 'application/tlsrpt+gzip', 'Content-Type')
    return json.loads(gzip.decompress(body))


def check_report(report, domain, start):
    """By RFC 8460 4.4, member for member."""
    equal(set(report), {'organization-name', 'date-range', 'contact-info', 'report-id', 'policies'}, 'members')
    equal(report['organization-name'], REPORTS['organization'], 'organization')
    equal(report['contact-info'], REPORTS['contact'], 'contact')
    equal(report['date-range'], {'start-datetime': stamp(start), 'end-datetime': stamp(start + DAY - 1)}, 'range')
    check(domain in report['report-id'], 'report-id %s', report['report-id'])
    check(report['policies'], 'no policies')
    for policy in report['policies']:
        equal(policy['policy']['policy-domain'], domain, 'policy-domain')
        summary = policy['summary']
        equal(set(summary), {'total-successful-session-count', 'total-failure-session-count'}, 'summary')
        details = policy.get('failure-details', [])
        equal(sum(one['failed-session-count'] for one in details), summary['total-failure-session-count'], 'details')
        for one in details:
            check(re.fullmatch('[a-z-]+', one['result-type']), 'result-type %s', one)
            if 'receiving-ip' in one:
                check(one['sending-mta-ip'].startswith('127.'), 'sending-mta-ip %s', one)
                check(one['receiving-mx-hostname'], 'receiving-mx-hostname %s', one)


def kept_of(domain):
    """(type, good, failed, first result) for each of its policies."""
    return sorted((policy['type'], policy.get('good', 0), sum(one['count'] for one in policy['failures']),
                   policy['failures'][0]['result'] if policy['failures'] else None) for policy in domain['policies'])


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
        equal(words, days.lab.policies.pages[name + '.lab'].text.split(), 'policy-string of ' + name) \
            if False else check('version: STSv1' in words and '\r' not in ''.join(words), 'words %s', words)
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


if __name__ == '__main__':
    sys.exit(harness.main(together=2))
