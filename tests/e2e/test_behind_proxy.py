#!/usr/bin/python3
"""tests/e2e/test_behind_proxy.py - control.http behind a proxy that signs users in: what it says is believed, and
nobody else who says the same. This test is the proxy."""

import contextlib
import json
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Certificates, Workspace, case, check, equal  # noqa: E402
from issuer import Issuer, mapping  # noqa: E402
from remote import HOLD, Remote, act, guess_until_locked  # noqa: E402

ALICE = ('alice', 'correct horse')
PROXY = {'from': ['127.0.0.0/8'], 'user_header': 'X-Remote-User'}


def page(remote, **fields):
    return remote.ask(path='/page/health', **fields)


@case
def who_it_names():
    """He may look, and act where `operate` has him; events have his address and the proxy's."""
    with Workspace() as work:
        remote = Remote(work, operate=['alice@example.org'], proxy=PROXY)
        for user, acts in (('alice@example.org', 200), ('bob', 403), ('Alice@example.org', 403)):
            by = {'X_Remote_User': user, 'X_Forwarded_For': '203.0.113.9, 192.0.2.7'}
            equal((remote.ask(**by)[0], page(remote, **by)[0], act(remote, **by)[0]), (200, 200, acts), user)
        check('bob, may look' in page(remote, X_Remote_User='bob')[2], 'the page')
        event = remote.relay.told('control')[0]
        equal([event[key] for key in ('user', 'by', 'address', 'proxy')],
              ['alice@example.org', 'proxy', '192.0.2.7', '127.0.0.1'], 'told')
        refused = remote.relay.told('control_refused')[0]
        equal((refused['address'], refused['proxy'], refused['user']), ('192.0.2.7', '127.0.0.1', 'bob'), 'refused')
        status, fields, _ = remote.ask()
        equal((status, 'WWW-Authenticate' in fields), (403, False), 'nobody')
        equal(remote.ask(path='/healthz')[0], 200, 'a probe')


@case
def forms_of_browsers():
    """Under the proxy's origin, which is another than ours; no other page may ask."""
    with Workspace() as work:
        origin = 'https://status.example.org'
        remote = Remote(work, operate=['alice'], proxy={**PROXY, 'origin': origin})
        by = {'X_Remote_User': 'alice', 'Host': 'status.example.org', 'Origin': origin}
        equal((remote.ask(**by)[0], act(remote, **by)[0]), (200, 200), 'under its origin')
        equal(remote.ask(*HOLD, **by)[0], 403, 'an act without the field')
        for name, value in (('Origin', 'https://evil.example'), ('Origin', 'http://status.example.org'),
                            ('Origin', 'https://status.example.org.evil.example'), ('Host', 'evil.example'),
                            ('Sec_Fetch_Site', 'cross-site'), ('Sec_Fetch_Site', 'same-site')):
            equal(act(remote, **{**by, name: value})[0], 403, '%s: %s' % (name, value))
        token = page(remote, **by)[2].partition('name="token" value="')[2].partition('"')[0]
        equal(len(token), 64, 'a token')
        for given, expected in ((token, 200), ('0' * 64, 403), ('', 403)):
            status, _, text = remote.ask('POST', '/page/act', 'token=%s&do=hold&id=%s' % (given, '0' * 26),
                                         Content_Type='application/x-www-form-urlencoded', **by)
            equal(status, expected, text[-200:])
        status, _, text = remote.ask('POST', '/page/leave', 'token=' + token, **by)
        check(status == 200 and 'The proxy in front' in text, '%s', text)


@case
def from_elsewhere():
    """What a proxy says is refused from an address that is none of its own, with an event, also beside a password."""
    with Workspace() as work:
        remote = Remote(work, [ALICE], ['alice'], proxy={**PROXY, 'from': ['192.0.2.0/24', '2001:db8::/32']})
        for fields in ({'X_Remote_User': 'alice'}, {'X_Forwarded_For': '192.0.2.1'}, {'x_remote_user': ''},
                       {'X_REMOTE_USER': 'alice', 'X_Forwarded_For': '192.0.2.1'}):
            for user in (None, ALICE):
                equal((remote.ask(user=user, **fields)[0], page(remote, user=user, **fields)[0],
                       act(remote, user=user, **fields)[0]), (403, 403, 403), fields)
        told = remote.relay.told('control_refused')[0]
        check(told['address'] == '127.0.0.1' and 'proxy.from' in told['why'], '%s', told)
        equal((remote.ask(user=ALICE)[0], remote.ask()[0]), (200, 401), 'without')


@case
def public_reports():
    """What others have met whose sign-in believes a field."""
    with Workspace() as work:
        remote = Remote(work, [ALICE], ['alice'], proxy={**PROXY, 'users': ['alice', 'bob']})
        names = {'twice': [('X-Remote-User', 'bob'), ('X-Remote-User', 'alice')],
                 'twice, in other letters': [('x-remote-user', 'bob'), ('X-REMOTE-USER', 'alice')],
                 'joined': [('X-Remote-User', 'bob, alice')],
                 'empty': [('X-Remote-User', '')],
                 'blanks': [('X-Remote-User', '  ')],
                 'none of its users': [('X-Remote-User', 'admin')],
                 'too long': [('X-Remote-User', 'a' * 300)],
                 'other octets': [('X-Remote-User', 'al\u00efce\x7f')],
                 'an address that is none': [('X-Remote-User', 'bob'), ('X-Forwarded-For', 'localhost')],
                 'an address that is cut': [('X-Remote-User', 'bob'), ('X-Forwarded-For', '192.0.2.1,')]}
        for what, fields in names.items():
            equal(raw(remote, fields), 403, what)
        # Neither is a field that a proxy takes for another: nobody is named, and a password is missing.
        for name in ('X_Remote_User', 'Remote-User', 'X-Remote-User-', 'X-WEBAUTH-USER', 'X-Auth-Request-User'):
            equal(raw(remote, [(name, 'alice')]), 401, name)
        # None of these says anything.
        for name in ('X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Original-URL', 'X-Rewrite-URL', 'X-Real-IP',
                     'True-Client-IP', 'Forwarded'):
            equal(raw(remote, [('X-Remote-User', 'bob'), (name, '/v1/queue/hold')]), 200, name)
        # Not to be taken away by one who asks (Connection: names fields of one hop).
        equal(raw(remote, [('Connection', 'close, X-Forwarded-For, X-Remote-User'), ('X-Remote-User', 'bob')]), 200,
              'hop by hop')
        equal(raw(remote, [('X-Remote-User', 'bob')], 'POST'), 403, 'one who may look')
        equal(raw(remote, [('X-Remote-User', 'bob')], user=ALICE), 200, 'the password of another beside him')
        equal(remote.relay.events('control'), [], 'acts')


def raw(remote, fields, method='GET', user=None):
    connection = remote.connection()
    connection.putrequest(method, '/v1/queue/hold' if method == 'POST' else '/v1/status')
    for name, value in fields + [('X-Postrider-Act', 'yes')]:
        connection.putheader(name, value.encode('utf-8'))
    if user:
        connection.putheader('Authorization', 'Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==')
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


@case
def whose_guessing_it_is():
    """Wrong passwords through a proxy keep out who gives them, and nobody else who comes through it; nor does it help
    to invent an address before one's own."""
    with Workspace() as work:
        remote = Remote(work, [ALICE, ('bob', 'battery')], ['alice'], proxy=PROXY)
        guess_until_locked(remote, X_Forwarded_For='192.0.2.66')
        equal(remote.ask(user=ALICE, X_Forwarded_For='192.0.2.66')[0], 429, 'from there')
        equal(remote.ask(user=ALICE, X_Forwarded_For='198.51.100.1, 192.0.2.66')[0], 429, 'with an invention')
        equal(remote.ask(user=ALICE, X_Forwarded_For='192.0.2.66, 192.0.2.67')[0], 200, 'another, who invents that one')
        equal(remote.ask(user=('bob', 'battery'), X_Forwarded_For='192.0.2.68')[0], 200, 'bob')
        equal(remote.ask(X_Remote_User='carol', X_Forwarded_For='192.0.2.66')[0], 200, 'whom the proxy knows')
        told = remote.relay.told('control_refused')[0]
        equal((told['address'], told['proxy']), ('192.0.2.66', '127.0.0.1'), 'told')


@case
def forwarded():
    """The same by Forwarded (RFC 7239), and then X-Forwarded-For says nothing."""
    with Workspace() as work:
        remote = Remote(work, operate=['alice'], proxy={**PROXY, 'address_header': 'Forwarded'})
        equal(act(remote, X_Remote_User='alice', X_Forwarded_For='x',
                  Forwarded='for=10.1.1.1, for="[2001:db8::7]:99";proto=https')[0], 200, 'an act')
        equal(remote.relay.told('control')[0]['address'], '2001:db8::7', 'told')
        equal(remote.ask(X_Remote_User='alice', Forwarded='by=127.0.0.1')[0], 403, 'nobody')


@case
def with_a_certificate():
    """Where certificates are required a proxy shows its own, which is nobody's; who names nobody is nobody with it."""
    with Workspace() as work:
        certificates = Certificates()
        shows = (certificates.path('client.crt'), certificates.path('client.key'))
        remote = Remote(work, operate=['alice'], certificates=certificates, client_ca=certificates.ca,
                        client_certificates='required', proxy=PROXY)
        equal(act(remote, shows=shows, X_Remote_User='alice')[0], 200, 'through the proxy')
        equal(act(remote, X_Remote_User='alice')[0], 403, 'without its certificate')
        equal(remote.ask(shows=shows)[0], 403, 'its certificate alone')


def beside_users(work, **more):
    """A relay with users' certificates and a proxy, and what bob, the proxy and another show."""
    issuer = Issuer(work, 'issuer')
    shows = [issuer.user('/CN=bob', 'email:bob@example.org'), issuer.user('/CN=proxy', 'DNS:proxy.example.org'),
             issuer.user('/CN=x', 'DNS:x.example.org')]
    return (Remote(work, operate=['alice'], certificates=Certificates(), client_ca=issuer.certificate,
                   certificate_users=mapping(bob=['email:bob@example.org']), proxy={**PROXY, **more}), *shows)


@case
def a_certificate_of_a_user():
    """It does not let him say that he is another, or himself, wherever he asks from."""
    with Workspace() as work:
        remote, bob, proxy, _ = beside_users(work)
        equal((remote.ask(shows=bob)[0], act(remote, shows=bob)[0]), (200, 403), 'bob, who may look')
        for user in ('alice', 'bob'):
            equal(act(remote, shows=bob, X_Remote_User=user)[0], 403, 'bob, who says that he is ' + user)
        equal((act(remote, shows=proxy, X_Remote_User='alice')[0], act(remote, X_Remote_User='alice')[0]), (200, 200),
              "a certificate that is no user's, and none")


@case
def a_certificate_of_the_proxy():
    """Where it is written which one that is, users are named with no other."""
    with Workspace() as work:
        remote, bob, proxy, other = beside_users(work, certificate='dns:proxy.example.org')
        equal(act(remote, shows=proxy, X_Remote_User='alice')[0], 200, 'the one that is written')
        for what, shows in (('a user', bob), ('another', other), ('none', None)):
            status, _, text = act(remote, shows=shows, X_Remote_User='alice')
            equal((status, 'proxy.certificate' in text), (403, True), what)
        told = remote.relay.told('control_refused')[0]
        equal(told['why'], "a certificate that is not the proxy's", told)
        equal((remote.ask(shows=bob)[0], remote.ask(shows=proxy)[0]), (200, 403), 'bob as himself, and nobody')


@case
def where_a_request_ends():
    """One whose end could be read in two ways is refused, and what follows it is not looked at: a proxy may have taken
    it for the body of the one before."""
    with Workspace() as work:
        remote = Remote(work, operate=['alice'], proxy=PROXY)
        rows = [(b'Content-Length: 0\r\n', [b'200', b'200']),
                (b'Transfer-Encoding: chunked\r\n', [b'200', b'200']),
                (b'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', [b'400']),
                (b'Content-Length: 0\r\nContent-Length: 100\r\n', [b'400']),
                (b'Content-Length: 100\r\ncontent-length: 0\r\n', [b'400']),
                (b'Content-Length : 100\r\n', [b'400']),
                (b'Content-Length\t: 100\r\n', [b'400']),
                (b'X-Remote-User : alice\r\n', [b'400']),
                (b'Transfer-Encoding: xchunked\r\n', [b'400']),
                (b'Transfer-Encoding: gzip, chunked\r\n', [b'400']),
                (b'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n', [b'400']),
                (b'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', [b'400'])]
        for fields, expected in rows:
            body = b'0\r\n\r\n' if b'Transfer' in fields else b''
            with socket.create_connection(('127.0.0.1', remote.port), timeout=60) as connection:
                connection.sendall(b'GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Remote-User: bob\r\n' + fields +
                                   b'\r\n' + body)
                with contextlib.suppress(OSError):
                    connection.sendall(b'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')
                got = b''
                with contextlib.suppress(ConnectionResetError):
                    for piece in iter(lambda: connection.recv(65536), b''):
                        got += piece
            equal([one[:3] for one in got.split(b'HTTP/1.1 ')[1:]], expected, fields)


@case
def what_changes():
    """A reload: from where, whom, and who acts."""
    with Workspace() as work:
        remote = Remote(work, operate=['alice'], proxy=PROXY)
        by = {'X_Remote_User': 'alice'}
        equal(act(remote, **by)[0], 200, 'before')
        remote.take(operate=['bob'])
        equal((remote.ask(**by)[0], act(remote, **by)[0]), (200, 403), 'who may act no more')
        remote.take(proxy={**PROXY, 'users': ['bob']})
        equal(remote.ask(**by)[0], 403, 'whom it may name no more')
        remote.take(proxy={**PROXY, 'from': ['192.0.2.1']})
        equal(remote.ask(X_Remote_User='bob')[0], 403, 'from where no more')


@case
def what_is_not_taken():
    """Settings by which anybody would be anyone."""
    with Workspace() as work:
        rows = [({'from': ['0.0.0.0/0'], 'user_header': 'X-Remote-User'}, 'is everybody'),
                ({'from': ['::/0'], 'user_header': 'X-Remote-User'}, 'is everybody'),
                ({'from': [], 'user_header': 'X-Remote-User'}, 'from'),
                ({'user_header': 'X-Remote-User'}, 'from'),
                ({'from': ['127.0.0.1']}, 'nobody can sign in'),
                ({**PROXY, 'user_header': 'Authorization'}, 'something else'),
                ({**PROXY, 'user_header': 'x-forwarded-for'}, 'something else'),
                ({**PROXY, 'user_header': 'Sec-Fetch-User'}, 'something else'),
                ({**PROXY, 'user_header': 'X_Remote_User'}, 'no name of a field'),
                ({**PROXY, 'user_header': 'X-Remote-User: x'}, 'no name of a field'),
                ({**PROXY, 'origin': 'status.example.org'}, 'no origin'),
                ({**PROXY, 'origin': 'https://status.example.org/x'}, 'no origin'),
                ({**PROXY, 'address_header': 'X-Real-IP'}, 'X-Forwarded-For'),
                ({**PROXY, 'certificate': 'proxy'}, 'email:'),
                ({**PROXY, 'certificate': 'dns:proxy.example.org'}, 'client_ca'),
                ({'from': ['127.0.0.1'], 'users': ['alice']}, 'user_header')]
        for proxy, word in rows:
            path = work.write('postrider.yaml', json.dumps(work.configuration(['127.0.0.1:9'], control={
                'socket': work.path('control.sock'), 'http': {'address': '127.0.0.1:6525', 'proxy': proxy}})))
            done = subprocess.run([harness.program('postrider'), 'check', '--config', path], capture_output=True,
                                  text=True, timeout=60)
            check(done.returncode != 0 and word in done.stdout + done.stderr, '%s: %s%s', proxy, done.stdout,
                  done.stderr)


if __name__ == '__main__':
    harness.main(together=3)
