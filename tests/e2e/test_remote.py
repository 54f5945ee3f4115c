#!/usr/bin/python3
"""tests/e2e/test_remote.py - the control over TCP: who is let in, from where, and what he may."""

import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import types

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from ports import free_port  # noqa: E402
from control_socket import http_settings  # noqa: E402
from exposition import OPEN, families  # noqa: E402
from harness import Certificates, Workspace, case, check, equal, eventually  # noqa: E402
from policy_host import Authority  # noqa: E402
from remote import HOLD, Remote, act  # noqa: E402

ALICE = ('alice', 'correct horse')


@case
def without_users():
    """Who is on this machine may look, and nobody may act; pages of others may not look either."""
    with Workspace() as work:
        remote = Remote(work)
        status, fields, text = remote.ask()
        equal((status, json.loads(text)['state']), (200, 'running'), 'status')
        equal(fields['Content-Security-Policy'].split(';')[0], "default-src 'none'", 'policy')
        equal((fields['X-Content-Type-Options'], fields['X-Frame-Options']), ('nosniff', 'DENY'), 'fields')
        equal('Access-Control-Allow-Origin' in fields, False, 'leave for others')
        status, fields, text = remote.ask(path='/metrics', Accept=OPEN)
        equal((status, fields['Content-Type']), (200, OPEN), 'metrics')
        check('postrider_sessions' in families(text), 'what they are')
        for name, value in (('Host', 'evil.example'), ('Origin', 'http://evil.example'),
                            ('Sec_Fetch_Site', 'cross-site')):
            for path in ('/v1/status', '/metrics', '/readyz'):
                if (name, path) != ('Host', '/readyz'):
                    equal(remote.ask(path=path, **{name: value})[0], 403, '%s: %s' % (name, value))
        equal(remote.ask(X_Forwarded_For='198.51.100.1')[0], 403, 'by way of a proxy')
        equal(act(remote)[0], 403, 'an act')
        equal(remote.ask('OPTIONS', '/v1/queue/hold', Origin='http://127.0.0.1:%d' % remote.port)[0], 405, 'CORS')
        equal(remote.relay.events('control'), [], 'acts')


@case
def refused_acts_are_told():
    """Who may not act is told by name, with what he wanted."""
    with Workspace() as work:
        bob = ('bob', 'b\u00e4ttery:staple')
        remote = Remote(work, users=[bob, ('alice', 'x')], operate=['alice'])
        equal(act(remote, user=bob)[0], 403, 'who may look and not act')
        told = remote.relay.told('control_refused')[0]
        equal((told['status'], told['user'], told['method'], told['path']), (403, 'bob', *HOLD[:2]), 'told')
        equal(remote.relay.events('control'), [], 'acts')


@case
def roles():
    """Who signs in may look; who may act does so, with a field that no page of others can send, and an event says so.
    Passwords are in none."""
    with Workspace() as work:
        alice, bob = ('alice', 'correct horse'), ('bob', 'b\u00e4ttery:staple')
        remote = Remote(work, users=[alice, bob], operate=['alice'])
        for path in ('/v1/status', '/metrics', '/v1/nothing'):
            status, fields, _ = remote.ask(path=path)
            equal((status, fields['WWW-Authenticate'][:5]), (401, 'Basic'), path)
        equal([remote.ask(path=path)[0] for path in ('/healthz',)], [200], 'probes')
        for user in (alice, bob, alice):
            equal(remote.ask(user=user)[0], 200, user[0])
        equal(remote.ask(user=('alice', 'wrong'))[0], 401, 'a wrong password')
        equal(remote.ask(user=('nobody', 'correct horse'))[0], 401, 'nobody')
        equal(act(remote, user=bob)[0], 403, 'who may look and not act')
        equal(act(remote)[0], 401, 'who has not signed in')
        equal(remote.ask(*HOLD, user=alice)[0], 403, 'without the field')
        equal(act(remote, user=alice, Origin='http://evil.example')[0], 403, 'from another page')
        status, _, text = act(remote, user=alice)
        equal((status, json.loads(text)['results'][0]['result']), (200, 'not_found'), text)
        event = remote.relay.told('control')[0]
        equal((event['user'], event['address'].partition(':')[0], event['status']), ('alice', '127.0.0.1', 200), event)
        equal(len(remote.relay.events('control')), 1, 'events')
        remote.relay.terminate()
        check(not any('correct horse' in json.dumps(event) for event in remote.relay.events_seen), 'a password')


@case
def follows_a_reload():
    """Who is gone from users_file is let in no more, though he was known; nor may act who is gone from operate."""
    with Workspace() as work:
        alice, bob = ('alice', 'correct horse'), ('bob', 'battery')
        remote = Remote(work, users=[alice, bob], operate=['alice', 'bob'])
        for user in (alice, bob):
            equal(remote.ask(user=user)[0], 200, user[0])
            equal(act(remote, user=user)[0], 200, user[0])
        remote.take(operate=['alice'])
        equal((remote.ask(user=bob)[0], act(remote, user=bob)[0]), (200, 403), 'bob, who may look only')
        with open(work.path('operators')) as f:
            work.write('operators', ''.join(line for line in f.readlines() if not line.startswith('bob:')))
        remote.relay.signal(signal.SIGHUP)
        remote.relay.told('reloaded', 2)
        equal(remote.ask(user=bob)[0], 401, 'bob, who was known')
        equal((remote.ask(user=alice)[0], act(remote, user=alice)[0]), (200, 200), 'alice')


@case
def probes():
    """What asks /healthz and /readyz all day says HTTP/1.0 and no Host, or some name of its own, and is answered;
    nobody else without a Host that is the relay's, which is the name of the newest configuration."""
    def plain(text):
        with socket.create_connection(('127.0.0.1', remote.port), timeout=60) as s:
            s.sendall(text)
            return int(s.makefile('rb').readline().split()[1])

    with Workspace() as work:
        remote = Remote(work)
        for path in (b'/healthz', b'/readyz'):
            for fields in (b'HTTP/1.0\r\n', b'HTTP/1.1\r\nHost: pool-member-7\r\nConnection: close\r\n',
                           b'HTTP/1.0\r\nHost: [bad\r\n'):
                check(plain(b'GET %s %s\r\n' % (path, fields)) in (200, 503), '%s %s', path, fields)
        equal(plain(b'GET /v1/status HTTP/1.0\r\n\r\n'), 403, 'a question without Host')
        equal([remote.ask(Host=name)[0] for name in ('relay.example.org', 'mail.example.org')], [200, 403], 'its name')
        work.write('postrider.yaml', json.dumps({**remote.configuration, 'hostname': 'mail.example.org'}, indent=1))
        remote.relay.signal(signal.SIGHUP)
        remote.relay.told('reloaded')
        equal([remote.ask(Host=name)[0] for name in ('relay.example.org', 'mail.example.org')], [403, 200], 'renamed')


@case
def a_link_after_a_reload():
    """Behind TLS it has the name of the newest configuration, under which the page answers. The address is that of
    loopback, written so that nobody takes it for one."""
    with Workspace() as work:
        certificates = Certificates()
        port = free_port()
        settings = {**http_settings(work, port, [('alice', 'x')]), 'address': '[0:0:0:0:0:0:0:1]:%d' % port,
                    'certificate': certificates.server, 'private_key': certificates.server_key}
        configuration = work.configuration(['127.0.0.1:9'], control={'socket': work.path('control.sock'),
                                                                     'http': settings})
        relay = work.relay(configuration)
        work.write('postrider.yaml', json.dumps({**configuration, 'hostname': 'mail.example.org'}, indent=1))
        relay.signal(signal.SIGHUP)
        relay.told('reloaded')
        result = subprocess.run([harness.program('postrider'), 'page', '--socket', work.path('control.sock')],
                                capture_output=True, text=True, timeout=60, check=True)
        check(result.stdout.startswith('https://mail.example.org:%d/page/enter?link=' % port), 'it is %s',
              result.stdout)


@case
def guessing():
    """Wrong passwords take longer and longer, and after some nothing is looked at any more; who is known comes in."""
    with Workspace() as work:
        alice = ('alice', 'correct horse')
        remote = Remote(work, users=[alice])
        equal(remote.ask(user=alice)[0], 200, 'alice')
        began = time.monotonic()
        answers = []
        harness.parallel(lambda i: answers.append(remote.ask(user=('root', 'guess%d' % i))[0]),
                         [(i,) for i in range(16)], limit=6)
        check(set(answers) <= {401, 429, 503}, '%s', answers)
        eventually(lambda: remote.ask(user=('root', 'again'))[0] == 429, 'it is locked', timeout=120)
        told = remote.relay.told('control_refused')[0]
        equal((told['address'].partition(':')[0], told['status'] in (401, 429)), ('127.0.0.1', True), told)
        check(time.monotonic() - began > 0.9, 'guesses took no longer')
        equal(remote.ask(user=alice)[0], 200, 'alice, from the same address')


@case
def secured():
    """TLS 1.2 and 1.3, with the certificate of the configuration."""
    with Workspace() as work:
        certificates = Certificates()
        remote = Remote(work, users=[('alice', 'x')], certificates=certificates)
        equal(remote.ask(user=('alice', 'x'))[0], 200, 'over TLS')
        context = ssl.create_default_context(cafile=certificates.ca)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context.minimum_version = context.maximum_version = version
            with socket.create_connection(('127.0.0.1', remote.port)) as plain:
                with context.wrap_socket(plain, server_hostname=certificates.server_name) as secure:
                    secure.sendall(b'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
                    check(secure.recv(100).startswith(b'HTTP/1.1 200'), '%s', version)
        with socket.create_connection(('127.0.0.1', remote.port)) as plain:
            plain.sendall(b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
            check(b'200' not in plain.recv(100), 'in clear')


@case
def its_certificate_is_renewed():
    """New files are taken without a restart, and who comes is shown the new one; what is no pair is told, and the one
    before goes on."""
    with Workspace() as work:
        authority = Authority(work.path('authority'))
        for _ in range(3):
            authority.context(['localhost'])
        pair = types.SimpleNamespace(server=work.path('http.crt'), server_key=work.path('http.key'))
        put_pair(authority, pair, 1)
        remote = Remote(work, certificates=pair, ca=authority.ca_file)
        first = remote.shown()
        stays = remote.connection()
        stays.request('GET', '/healthz')
        check(stays.getresponse().read(), 'no answer')
        put_pair(authority, pair, 2)
        remote.relay.told('certificate_renewed')
        second = remote.shown()
        check(second != first, 'it is the same certificate')
        equal(remote.ask()[0], 200, 'over TLS')
        stays.close()
        with open(pair.server, 'w') as file:
            file.write('no certificate\n')
        refused = remote.relay.told('certificate_refused')
        check('control.http' in refused[0]['problem'], 'told %s', refused)
        equal(remote.shown(), second, 'what is shown beside files that are none')
        put_pair(authority, pair, 3)
        remote.relay.told('certificate_renewed', 2)
        check(remote.shown() not in (first, second), 'it is one of before')
        remote.relay.terminate()


def put_pair(authority, pair, number):
    """The key first, as some do: for a moment both are no pair."""
    for kind, to in (('key', pair.server_key), ('crt', pair.server)):
        shutil.copy(os.path.join(authority.directory, 'c%d.%s' % (number, kind)), to + '.new')
        os.replace(to + '.new', to)


@case
def a_crowd():
    """Who only connects, from however many addresses and however fast, takes places from his like: who has signed in
    stays, who comes to sign in is let in at once, and the socket is a door of its own."""
    with Workspace() as work:
        remote = Remote(work, [ALICE], ['alice'])
        stays = remote.connection()
        basic = {'Authorization': 'Basic ' + base64.b64encode(':'.join(ALICE).encode()).decode()}

        def stays_in():
            stays.request('GET', '/v1/status', headers=basic)
            response = stays.getresponse()
            response.read()
            return response.status
        equal(stays_in(), 200, 'alice')
        mine, crowd, over = stays.sock, [], threading.Event()

        def push(source, wrong=b''):
            one = socket.create_connection(('127.0.0.1', remote.port), source_address=(source, 0))
            crowd.append(one)
            with contextlib.suppress(OSError):
                one.sendall(wrong)

        def push_on():
            while not over.is_set():
                push('127.0.0.%d' % (2 + len(crowd) % 4))
                while len(crowd) > 300:
                    crowd.pop(0).close()
        half = b'GET /v1/status HTTP/1.1\r\nHost: localhost\r\n'
        for number in range(300):
            push('127.0.0.%d' % (2 + number % 40), half if number % 2 else b'')
        pushing = threading.Thread(target=push_on)
        pushing.start()
        try:
            for _ in range(20):
                equal(remote.ask(user=ALICE)[0], 200, 'alice, on another connection')
                equal(stays_in(), 200, 'alice, who is in')
                done = subprocess.run([harness.program('postrider'), 'status', '--socket', work.path('control.sock')],
                                      capture_output=True, text=True, timeout=60)
                equal(done.returncode, 0, done.stderr)
        finally:
            over.set()
            pushing.join()
        check(stays.sock is mine, 'her connection is that of before')
        for one in [*crowd, stays]:
            one.close()


@case
def slow_clients():
    """One address has a few connections, silent ones end, and headers that are too large are refused."""
    with Workspace() as work:
        remote = Remote(work)
        silent = [socket.create_connection(('127.0.0.1', remote.port)) for _ in range(40)]
        for i, one in enumerate(silent):
            if i % 2:
                try:
                    one.sendall(b'GET /healthz HTTP/1.1\r\nHost: x\r\nX: ')
                except OSError:
                    pass

        def answered():
            try:
                return remote.ask(path='/healthz')[0] == 200
            except (OSError, http.client.HTTPException):
                return False
        eventually(answered, 'somebody is answered', 90)
        for one in silent:
            one.close()
        eventually(answered, 'all are gone')
        try:
            check(remote.ask(X='y' * 100000)[0] >= 400, 'a large header')
        except (OSError, http.client.HTTPException):
            pass  # ended
        eventually(answered, 'others are answered')
        try:
            equal(remote.ask('POST', '/v1/queue/hold', 'x' * (2 << 20))[0], 403, 'a body of one who may not')
        except OSError:
            pass  # it was answered, and not read
        equal(remote.relay.events('control'), [], 'acts')


if __name__ == '__main__':
    harness.main(together=3)
