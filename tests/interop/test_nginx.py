#!/usr/bin/python3
"""tests/interop/test_nginx.py - the relay behind nginx's mail proxy, which says by XCLIENT whose its sessions are, and
who has signed in at it."""

import base64
import http.server
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import harness  # noqa: E402
from harness import (Client, NextHop, Process, Workspace, case, check, equal, eventually, free_port,  # noqa: E402
                     listening, message)

PROGRAM = os.path.join(harness.peers_directory(), 'nginx', 'usr', 'sbin', 'nginx')
MODULE = os.path.join(harness.peers_directory(), 'nginx-mail', 'usr', 'lib', 'nginx', 'modules', 'ngx_mail_module.so')
OFFICE, STRANGER = '127.0.0.77', '127.0.0.78'
CONFIGURATION = """
load_module %(module)s;
daemon off;
master_process off;
pid %(directory)s/nginx.pid;
error_log stderr warn;
events {}
mail {
    server_name proxy.example.org;
    auth_http 127.0.0.1:%(auth)d/;
    proxy_pass_error_message on;
    server { listen 127.0.0.1:%(open)d; protocol smtp; smtp_auth none; }
    server { listen 127.0.0.1:%(login)d; protocol smtp; smtp_auth plain login; }
}
"""


def unavailable():
    return None if os.path.exists(PROGRAM) and os.path.exists(MODULE) else 'run tests/install-peers nginx first'


class Auth:
    """What nginx asks whether somebody may come in, and where he is brought to: yes, to the relay."""

    def __init__(self, host, port):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                for name, value in (('Auth-Status', 'OK'), ('Auth-Server', host), ('Auth-Port', str(port))):
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Proxied:
    def __init__(self, work):
        user = subprocess.run([harness.program('postrider'), 'hash', 'alice@example.com'], input='secret\n',
                              capture_output=True, text=True, check=True).stdout
        users = work.write('users', user)
        os.chmod(users, 0o600)
        self.hop = work.own(NextHop())
        self.relay = work.relay(work.configuration(
            [self.hop.host], listeners=[{'name': 'lan', 'address': '127.0.0.1:0', 'xclient_from': ['127.0.0.1']}],
            clients=[{'name': 'office', 'networks': [OFFICE]}, {'name': 'people', 'users': ['*']}],
            users_file=users))
        self.ports = {'open': free_port(), 'login': free_port()}
        auth = work.own(Auth(*self.relay.address))
        text = CONFIGURATION % dict(self.ports, module=MODULE, directory=work.directory, auth=auth.port)
        for name in ('logs', 'body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'):
            os.makedirs(work.path(name), exist_ok=True)
        self.nginx = work.own(Process([PROGRAM, '-p', work.directory, '-e', 'stderr', '-c',
                                       work.write('nginx.conf', text)]))
        eventually(lambda: all(listening(port) for port in self.ports.values()) or not self.nginx.running(),
                   lambda: 'nginx listens: ' + self.nginx.tail())
        check(self.nginx.running(), 'nginx does not run: %s', self.nginx.tail())

    def client(self, which, source):
        return Client(('127.0.0.1', self.ports[which]), source=source)


@case
def whose_sessions_they_are():
    """Address, greeting and login are the client's; who may not relay may not by way of the proxy either."""
    if unavailable():
        return 'skipped: ' + unavailable()
    with Workspace() as work:
        place = Proxied(work)
        login = base64.b64encode(b'\0alice@example.com\0secret').decode()
        for which, source in (('open', OFFICE), ('login', STRANGER)):
            with place.client(which, source) as client:
                client.hello()
                if which == 'login':
                    client.command('AUTH PLAIN ' + login, 235)
                client.envelope()
                client.data(message(1))
                client.command('QUIT', 221)
        with place.client('open', STRANGER) as client:
            client.hello()
            client.command('MAIL FROM:<a@example.net>', 250)
            client.command('RCPT TO:<b@example.com>', 550, '5.7.1')
        # nginx passes on what its client says: who signed in is not somebody else by that, nor in the office (REL-02).
        with place.client('login', STRANGER) as client:
            client.command('AUTH PLAIN ' + login, 235)
            client.command('XCLIENT ADDR=' + OFFICE, 500, '5.5.2')
            client.command('XCLIENT LOGIN=alice@example.com', 500, '5.5.2')
        arrivals = place.hop.wait_arrivals(2)
        check(all(b'client.example.net' in arrival.content for arrival in arrivals), "Received has the client's name")
        eventually(lambda: len(place.relay.events('accepted')) == 2, 'the events are there')
        equal([(e['client'], e['peer'], e.get('user')) for e in place.relay.events('accepted')],
              [('office', OFFICE, None), ('people', STRANGER, 'alice@example.com')], 'who sent')
        place.relay.terminate()


if __name__ == '__main__':
    harness.main()
