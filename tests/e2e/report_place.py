"""tests/e2e/report_place.py - where reports about TLS (RFC 8460) go: a web server that takes them, what reads them, and
the file in which the relay keeps what it has counted.

Reports are read by Python's own modules, which know nothing of what wrote them.
"""

import email
import email.policy
import gzip
import http.server
import json
import os
import re
import threading
import time

from basics import check, equal

DAY = 86400
WANTED = 'v=TLSRPTv1; rua='
REPORTS = {'organization': 'Öffice "Ltd"', 'from': 'tls@relay.example', 'contact': 'it@relay.example'}


class Place:
    """Takes reports by HTTPS. `answers`: by path, a status, or None to be silent; 200 where nothing is said, and not
    before `open` is set."""

    def __init__(self, context, answers=()):
        self.posts, self.answers, self.gate = [], dict(answers), threading.Event()
        self.open = threading.Event()
        self.open.set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                outer.posts.append((self.path, dict(self.headers), body))
                status = outer.answers.get(self.path, 200)
                if status is None:
                    outer.gate.wait(120)
                    return
                outer.open.wait(120)
                self.send_response(status)
                if status // 100 == 3:
                    self.send_header('Location', 'https://rua.lab:%d/elsewhere' % outer.port)
                self.send_header('Content-Length', '0')
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # who does not trust it says so and goes
        self.port = self.server.server_address[1]
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def at(self, path):
        return [post for post in self.posts if post[0] == path]

    def stop(self):
        self.gate.set()
        self.open.set()
        self.server.shutdown()
        self.server.server_close()

    close = kill = stop


class KeptDays:
    """The file of the relay of a Workspace."""

    def __init__(self, work):
        self.work = work

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
