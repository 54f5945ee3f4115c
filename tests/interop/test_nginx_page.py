#!/usr/bin/python3
"""tests/interop/test_nginx_page.py - control.http behind nginx, which signs users in and says who they are (the setting
of docs/control.md), over HTTPS."""

import http.client
import json
import os
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import harness  # noqa: E402
from harness import Certificates, Process, Workspace, case, check, equal, eventually, free_port, listening  # noqa: E402
from remote import HOLD, Remote, ask  # noqa: E402

PROGRAM = os.path.join(harness.peers_directory(), 'nginx', 'usr', 'sbin', 'nginx')
CONFIGURATION = """
daemon off;
master_process off;
pid %(directory)s/nginx.pid;
error_log stderr warn;
events {}
http {
    access_log off;
    client_body_temp_path %(directory)s/body;
    proxy_temp_path %(directory)s/proxy;
    fastcgi_temp_path %(directory)s/fastcgi;
    uwsgi_temp_path %(directory)s/uwsgi;
    scgi_temp_path %(directory)s/scgi;
    server {
        listen 127.0.0.1:%(port)d ssl;
        server_name status.example.org;
        ssl_certificate %(certificate)s;
        ssl_certificate_key %(key)s;
        location / {
            auth_basic "postrider";
            auth_basic_user_file %(users)s;
            proxy_pass http://127.0.0.1:%(relay)d;
            proxy_set_header Host $host;
            proxy_set_header X-Remote-User $remote_user;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_buffering off;
        }
    }
}
"""


class Proxied:
    def __init__(self, work, **proxy):
        self.certificates = Certificates()
        self.port = free_port()
        self.remote = Remote(work, operate=['alice'], proxy={
            'from': ['127.0.0.1'], 'user_header': 'X-Remote-User', 'origin': 'https://status.example.org', **proxy})
        users = work.write('nginx-users', ''.join(
            '%s:%s' % (name, subprocess.run(['openssl', 'passwd', '-6', 'secret'], capture_output=True, text=True,
                                            check=True).stdout) for name in ('alice', 'bob')))
        for name in ('logs', 'body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'):
            os.makedirs(work.path(name), exist_ok=True)
        text = CONFIGURATION % {'directory': work.directory, 'port': self.port, 'relay': self.remote.port,
                                'certificate': self.certificates.server, 'key': self.certificates.server_key,
                                'users': users}
        self.nginx = work.own(Process([PROGRAM, '-p', work.directory, '-e', 'stderr', '-c',
                                       work.write('nginx.conf', text)]))
        eventually(lambda: listening(self.port) or not self.nginx.running(),
                   lambda: 'nginx listens: ' + self.nginx.tail())
        check(self.nginx.running(), 'nginx does not run: %s', self.nginx.tail())

    def ask(self, method='GET', path='/v1/status', body=None, user=None, **fields):
        context = ssl.create_default_context(cafile=self.certificates.ca)
        context.check_hostname = False
        return ask(http.client.HTTPSConnection('127.0.0.1', self.port, timeout=60, context=context), method, path, body,
                   user and (user, 'secret'), **{'Host': 'status.example.org', **fields})


@case
def users_of_nginx():
    """Who has signed in at nginx looks and acts here, whatever he writes into the fields himself."""
    if not os.path.exists(PROGRAM):
        return 'skipped: run tests/install-peers nginx first'
    with Workspace() as work:
        place = Proxied(work)
        equal(place.ask()[0], 401, 'nobody')
        status, _, text = place.ask(user='bob')
        equal((status, json.loads(text)['state']), (200, 'running'), 'bob')
        act = {'X_Postrider_Act': 'yes', 'Origin': 'https://status.example.org'}
        equal(place.ask(*HOLD, user='bob', **act)[0], 403, 'bob, who may look')
        equal(place.ask(*HOLD, user='bob', X_Remote_User='alice', **act)[0], 403, 'bob, who says that he is alice')
        equal(place.ask(*HOLD, user='bob', X_Remote_User='alice', Connection='close, X-Remote-User', **act)[0], 403,
              'the same, hop by hop')
        equal(place.ask(*HOLD, user='bob', x_remote_user='alice', **act)[0], 403, 'in small letters')
        equal(place.ask(*HOLD, user='alice', X_Forwarded_For='192.0.2.1', **act)[0], 200, 'alice')
        event = place.remote.relay.told('control')[0]
        equal((event['user'], event['by'], event['proxy']), ('alice', 'proxy', '127.0.0.1'), event)
        equal(place.ask(*HOLD, user='alice', X_Postrider_Act='yes', Origin='https://evil.example')[0], 403,
              'a page of somebody else')
        status, _, text = place.ask(path='/page/health', user='alice')
        check(status == 200 and 'alice, may act' in text, 'the page: %s', text[:500])
        token = text.partition('name="token" value="')[2].partition('"')[0]
        status, _, text = place.ask('POST', '/page/act', 'token=%s&do=hold&id=%s' % (token, '0' * 26), user='alice',
                                    Origin='https://status.example.org', Sec_Fetch_Site='same-origin')
        equal(status, 200, 'a form: ' + text[-300:])
        place.remote.relay.terminate()


@case
def from_elsewhere():
    """Where nginx is none of those that are named all that it says is refused."""
    if not os.path.exists(PROGRAM):
        return 'skipped: run tests/install-peers nginx first'
    with Workspace() as work:
        place = Proxied(work, **{'from': ['192.0.2.1']})
        equal(place.ask(user='alice', Host='127.0.0.1')[0], 403, 'alice')
        check('proxy.from' in place.remote.relay.told('control_refused')[0]['why'], 'told')
        place.remote.relay.terminate()


if __name__ == '__main__':
    harness.main()
