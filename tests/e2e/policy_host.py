"""tests/e2e/policy_host.py - a web server for MTA-STS policies (RFC 8461) and an authority of one's own, on loopback.

    authority = Authority(work.path('authority'))
    host = PolicyHost(authority.context(['mta-sts.one.lab']))
    host.pages['one.lab'] = Page(policy('enforce', 'mx.one.lab'))

It listens on port 443 of an address of its own, which only root may.
"""

import http.server
import os
import random
import ssl
import subprocess
import threading

from basics import check


class Authority:
    """Makes certificates for any names, or for a common name only."""

    def __init__(self, directory):
        self.directory = directory
        os.mkdir(directory)
        self.ca_file = os.path.join(directory, 'ca.crt')
        self.count = 0
        self.openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
                     '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=policies')

    def openssl(self, *arguments):
        done = subprocess.run(['openssl', *arguments], cwd=self.directory, capture_output=True, text=True)
        check(done.returncode == 0, 'openssl: %s', done.stderr[-300:])

    def context(self, names=(), common='x', signed=True, days=2, chain=False):
        """A server's: for these names, c1.crt and so on. `signed`: else by itself. `chain`: it shows the authority's
        certificate too."""
        self.count += 1
        name = 'c%d' % self.count
        with open(os.path.join(self.directory, name + '.ext'), 'w') as file:
            file.write('extendedKeyUsage=serverAuth\n')
            if names:
                file.write('subjectAltName=%s\n' % ','.join('DNS:' + one for one in names))
        self.openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', name + '.key',
                     '-out', name + '.csr', '-subj', '/CN=' + common)
        issuer = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'] if signed else ['-signkey', name + '.key']
        self.openssl('x509', '-req', '-in', name + '.csr', *issuer, '-days', str(days), '-extfile', name + '.ext',
                     '-out', name + '.crt')
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        shown = os.path.join(self.directory, name + '.crt')
        if chain and signed:
            shown = os.path.join(self.directory, name + '.pem')
            with open(shown, 'w') as file:
                file.write(''.join(open(os.path.join(self.directory, one + '.crt')).read() for one in (name, 'ca')))
        made.load_cert_chain(shown, os.path.join(self.directory, name + '.key'))
        return made


class Page:
    def __init__(self, text, status=200, content_type='text/plain', headers=()):
        self.text, self.status, self.content_type, self.headers = text, status, content_type, headers


def policy(mode, *hosts, max_age=604800):
    return ''.join(line + '\r\n' for line in ['version: STSv1', 'mode: ' + mode, *('mx: ' + host for host in hosts),
                                              'max_age: %d' % max_age])


class PolicyHost:
    """`contexts`: for names of hosts that show another certificate."""

    def __init__(self, context, contexts=None):
        self.pages, self.asked = {}, []
        self.address = '127.44.%d.%d' % (random.randrange(1, 255), random.randrange(1, 255))
        contexts = contexts or {}

        def by_name(connection, name, _):
            if name in contexts:
                connection.context = contexts[name]

        context.sni_callback = by_name
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            disable_nagle_algorithm = True  # head and body come apart, and the second would wait for an ACK: 40 ms

            def do_GET(self):  # noqa: N802
                domain = self.headers['Host'].split(':')[0].removeprefix('mta-sts.')
                outer.asked.append((domain, self.path))
                page = outer.pages.get(domain, Page('not here', 404))
                if self.path != '/.well-known/mta-sts.txt':
                    page = Page(policy('none'))     # where a redirection leads
                self.send_response(page.status)
                self.send_header('Content-Type', page.content_type)
                for name, value in page.headers:
                    self.send_header(name, value)
                self.send_header('Content-Length', str(len(page.text)))
                self.end_headers()
                self.wfile.write(page.text.encode())

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def finish_request(self, request, client_address):
                with context.wrap_socket(request, server_side=True) as secure:
                    super().finish_request(secure, client_address)

            def handle_error(self, request, client_address):
                pass    # who does not trust us

        self.server = Server((self.address, 443), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    stop = kill = close
