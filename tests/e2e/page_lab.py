"""tests/e2e/page_lab.py - a relay whose page is looked at."""

import base64
import http.client
import re
import subprocess
import urllib.parse

from control_socket import http_settings
from harness import Client, check, eventually, program
from ports import free_port

FORM = {'Content-Type': 'application/x-www-form-urlencoded'}


def token_of(text):
    found = re.search(r'action="/page/act"[^>]*><input type="hidden" name="token" value="([0-9a-f]+)"', text) or \
        re.search(r'name="token" value="([0-9a-f]+)"', text)
    return found and found.group(1)


class Lab:
    """A relay with a page on a port of its own, to a next hop that nobody listens at unless one is given."""

    def __init__(self, work, users=(), operate=(), hosts=('127.0.0.1:9',), **changes):
        self.work, self.port, self.cookie = work, free_port(), None
        settings = http_settings(work, self.port, users, operate)
        more = changes.pop('more_destinations', [])
        self.configuration = work.configuration(
            list(hosts), control={'socket': work.path('control.sock'), 'http': settings},
            retry={'first': '1h', 'factor': 1.5, 'max': '1h', 'expire': '4h'}, **changes)
        self.configuration['destinations'] += more
        self.ids = []
        self.relay = work.relay(self.configuration)

    def ask(self, path, method='GET', body=None, user=None, cookie=None, **fields):
        """(status, Location, text, fields)"""
        headers = dict(fields)
        if user:
            headers['Authorization'] = 'Basic ' + base64.b64encode(':'.join(user).encode()).decode()
        elif cookie or self.cookie:
            headers['Cookie'] = cookie or self.cookie
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers['Location'], response.read().decode(), response.headers
        finally:
            connection.close()

    def form(self, path, body=None, user=None, headers=None, **fields):
        """(status, text)"""
        status, _, text, _ = self.ask(path, 'POST', urllib.parse.urlencode(fields) if body is None else body, user=user,
                                      **FORM, **(headers or {}))
        return status, text

    def link(self):
        result = subprocess.run([program('postrider'), 'page', '--socket', self.work.path('control.sock')],
                                capture_output=True, text=True, timeout=60, check=True)
        return result.stdout.strip()

    def enter(self):
        link = self.link()
        status, _, text, fields = self.ask(link[link.index('/page'):])
        check(status == 303, text)
        self.cookie = fields['Set-Cookie'].split(';')[0]

    def numbers(self):
        """The first ones have come, which a view that is opened at once may not have yet."""
        eventually(lambda: '/page/destination/' in self.ask('/page')[2], 'numbers are known', 60)

    def suspend(self, *options):
        subprocess.run([program('postrider'), 'destination', *(options or ('suspend',)), 'next-hop', '--socket',
                        self.work.path('control.sock')], capture_output=True, timeout=60, check=True)

    def resume(self):
        self.suspend('resume')

    def stream_begins(self):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        try:
            connection.request('GET', '/page/stream', headers={'Cookie': self.cookie})
            return connection.getresponse().status == 200
        finally:
            connection.close()


def queue_one(lab, sender='ann@example.com', recipient='bob@example.org', header='Subject: a word\r\n', body='text\r\n',
              parameters=''):
    """A message that waits; its id."""
    with Client(lab.relay.address) as client:
        client.hello()
        client.envelope(sender, [recipient], parameters)
        reply = client.data((header + '\r\n' + body).encode())
    found = re.search('[0-9A-Za-z]{26}', reply[1])
    check(found, reply)
    lab.ids.append(found.group(0))
    return found.group(0)
