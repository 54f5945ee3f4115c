#!/usr/bin/python3
"""tests/e2e/test_page.py - the page as programs see it: who is let in and how, what forms may, what stands in its
fields, and that who watches and does not read costs nobody anything. What a browser makes of it: test_browser.py."""

import html
import html.parser
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from control_socket import Connection, asked, reload  # noqa: E402
from harness import Client, Workspace, case, check, equal, eventually, program  # noqa: E402
from page_lab import FORM, Lab, queue_one, token_of  # noqa: E402


class Elements(html.parser.HTMLParser):
    """What a page consists of."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def harmless(text, where):
    for tag, attributes in Elements(text).found:
        check(tag not in ('img', 'iframe', 'object', 'svg', 'style', 'base', 'math', 'video'), '%s: %s' % (where, tag))
        check(tag != 'script' or attributes.get('src', '').startswith('/page/file/'), '%s: a script' % where)
        check(not any(name.startswith('on') or name == 'style' for name in attributes), '%s: %s' % (where, attributes))
        for name in ('href', 'src', 'action'):
            check(name not in attributes or attributes[name].startswith(('/page', '#')), '%s: %s' % (where, attributes))


@case
def by_a_link():
    """Nobody is let in without the link that the socket gives, which is good once; then by a cookie."""
    with Workspace() as work:
        lab = Lab(work)
        equal(lab.ask('/')[:2], (303, '/page'), 'the root')
        status, _, text, fields = lab.ask('/page')
        equal(status, 403, 'without a link')
        check('postrider page' in text and 'next-hop' not in text, text)
        for path in ('/page/hour', '/page/stream', '/page/mail', '/page/health'):
            equal(lab.ask(path)[0], 403, path)
        link = lab.link()
        check(link.startswith('http://127.0.0.1:%d/page/enter?link=' % lab.port), link)
        path = link[link.index('/page'):]
        equal(lab.ask(path.replace('link=', 'link=0'))[0], 403, 'another link')
        equal(lab.ask(path, 'HEAD')[3]['Set-Cookie'], None, 'who only asks whether it is there')
        status, where, _, fields = lab.ask(path)
        equal((status, where), (303, '/page'), 'the link')
        cookie = fields['Set-Cookie']
        check(all(part in cookie for part in ('HttpOnly', 'SameSite=Strict', 'Path=/page')), cookie)
        equal(lab.ask(path)[0], 403, 'the link once more')
        lab.cookie = cookie.split(';')[0]
        lab.numbers()
        status, _, text, fields = lab.ask('/page')
        equal(status, 200, 'with the cookie')
        check('All is well' in text and 'next-hop' in text, text)
        check('<q><bdi></bdi></q>' not in text, 'something that went wrong has no word')
        policy = fields['Content-Security-Policy']
        check("default-src 'none'" in policy and "script-src 'self'" in policy and 'unsafe' not in policy, policy)
        harmless(text, 'the first view')
        # A pass is for the page alone: programs sign in by other ways.
        equal(lab.ask('/v1/queue/hold', 'POST', '{}', cookie=lab.cookie)[0], 403, 'an act without the page')
        # A link elsewhere may lead here; a page elsewhere may load nothing, and send nothing.
        equal(lab.ask('/page', **{'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate',
                                  'Sec-Fetch-Dest': 'document'})[0], 200, 'a link')
        equal(lab.ask('/page', **{'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors',
                                  'Sec-Fetch-Dest': 'image'})[0], 403, 'part of another page')
        equal(lab.ask('/page', **{'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate',
                                  'Sec-Fetch-Dest': 'iframe'})[0], 403, 'a frame')
        equal(lab.ask('/page', Host='evil.example')[0], 403, 'another name')
        token = token_of(text)
        equal(lab.form('/page/leave', token='0' * 64)[0], 403, 'signing out by a form of others')
        equal(lab.form('/page/leave', token=token)[0], 200, 'signing out')
        equal(lab.ask('/page')[0], 403, 'after that')


@case
def by_the_socket():
    """Who may use the socket sees the page there, and may act."""
    with Workspace() as work:
        lab = Lab(work)
        connection = Connection(work.path('control.sock'))
        connection.request('GET', '/page/destination/next-hop')
        response = connection.getresponse()
        equal(response.status, 200, 'the page')
        token = token_of(response.read().decode())
        connection.request('POST', '/page/act', urllib.parse.urlencode({'token': token, 'do': 'suspend', 'destination':
                           'next-hop', 'for': '1', 'reason': 'it is told'}), FORM)
        response = connection.getresponse()
        text = response.read().decode()
        check(response.status == 200 and 'Done.' in text, text)
        equal(lab.relay.told('control')[0]['uid'], os.getuid(), 'who')
        result = subprocess.run([program('postrider'), 'page', '--socket', work.path('control.sock'), '--json'],
                                capture_output=True, text=True, timeout=60)
        equal(json.loads(result.stdout)['seconds'], 600, result.stderr)


@case
def by_users():
    """Where there are users they sign in as programs do; who may look may not act."""
    with Workspace() as work:
        alice, bob = ('alice', 'correct horse'), ('bob', 'battery')
        lab = Lab(work, users=[alice, bob], operate=['alice'])
        status, _, _, fields = lab.ask('/page')
        equal((status, fields['WWW-Authenticate'][:5]), (401, 'Basic'), 'nobody')
        equal(lab.ask('/page', user=('alice', 'wrong'))[0], 401, 'a wrong password')
        tokens = {}
        for user, may in ((alice, 'may act'), (bob, 'may look')):
            status, _, text, _ = lab.ask('/page', user=user)
            check(status == 200 and '%s, %s' % (user[0], may) in text, text)
        # A token is made of who asks.
        for user in (alice, bob):
            tokens[user[0]] = token_of(lab.ask('/page/destination/next-hop', user=user)[2]) or ''
        equal(tokens['bob'], '', 'a form for who may not act')
        suspend = {'do': 'suspend', 'destination': 'next-hop', 'for': '0', 'reason': 'x'}
        equal(lab.form('/page/act', user=bob, token=tokens['alice'], **suspend)[0], 403, 'bob')
        equal(lab.form('/page/act', user=alice, **suspend)[0], 403, 'without a token')
        equal(lab.form('/page/act', user=alice, token=tokens['alice'], headers={'Origin': 'http://evil.example'},
                       **suspend)[0], 403, 'from another page')
        equal(lab.form('/page/act', user=alice, token=tokens['alice'], headers={'Origin': 'null'}, **suspend)[0], 403,
              'from nowhere')
        equal(lab.relay.events('control'), [], 'acts')
        equal(lab.form('/page/act', user=alice, token=tokens['alice'], **suspend)[0], 200, 'alice')
        event = lab.relay.told('control')[0]
        equal((event['user'], event['path']), ('alice', '/v1/destinations/next-hop/suspend'), event)
        check(not any(tokens['alice'] in json.dumps(event) for event in lab.relay.events_seen), 'a token')
        # A link still lets in who has none of these names.
        lab.enter()
        check('uid %d' % os.getuid() in lab.ask('/page')[2], 'by a link')


@case
def acts():
    """Messages held, released, tried again and deleted by forms, as events say; deleting is asked for twice."""
    with Workspace() as work:
        lab = Lab(work)
        lab.enter()
        first = queue_one(lab)
        token = token_of(lab.ask('/page/mail')[2])
        for what, word in (('hold', 'done'), ('hold', 'was so already'), ('retry', 'is held'), ('release', 'done')):
            text = lab.form('/page/act', token=token, do=what, id=first)[1]
            check(word in text, '%s: %s' % (what, text))
        equal(lab.form('/page/act', token=token, do='retry')[0], 200, 'none chosen')
        check('will be deleted' in lab.form('/page/act', token=token, do='delete', id=first)[1], 'asked whether')
        equal(lab.ask('/page/mail/' + first)[0], 200, 'it is still here')
        check('done' in lab.form('/page/act', token=token, do='delete', id=first, sure='yes', reason='x')[1], 'deleted')
        eventually(lambda: first not in lab.ask('/page/mail')[2], 'it is in the list')
        for what in ('', 'explode', '../../v1/reload'):
            check('does not say what to do' in lab.form('/page/act', token=token, do=what, id=first)[1], what)
        for body in (b'token=%zz', b'token', b'\0', b'&' * 100, b'a&' * 5000):
            equal(lab.form('/page/act', body=body)[0], 403, repr(body[:20]))
        equal([event['path'].rpartition('/')[2] for event in lab.relay.told('control', 6)],
              ['page', 'hold', 'hold', 'retry', 'release', 'delete'], 'events')


@case
def hostile_words():
    """What strangers write stands in no page as anything but text."""
    words = ['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "' onfocus='alert(1)", '\u202egpj.exe',
             '</title><script>', '{{7*7}}', 'javascript:alert(1)', '\x1b[31m']
    with Workspace() as work:
        lab = Lab(work)
        lab.enter()
        one = queue_one(lab, sender='"<script>alert(1)</script>"@example.com',
                        recipient='"<img/src=x/onerror=alert(1)>"@example.org',
                        header='Subject: %s\r\nX-<script>: 1\r\n' % ' '.join(words[:5]))
        for path in ['/page', '/page/mail', '/page/mail/' + one, '/page/mail?' + urllib.parse.urlencode(
                {'to': words[0], 'from': words[1], 'client': words[2], 'destination': words[4], 'error': words[3]}),
                '/page/mail?' + urllib.parse.urlencode({words[0]: words[1], 'state': words[1]}),
                '/page/mail/' + urllib.parse.quote('<script>x', safe=''),
                '/page/destination/' + urllib.parse.quote(words[1], safe=''), '/page/devices?' +
                urllib.parse.urlencode({'q': words[1]})]:
            status, _, text, fields = lab.ask(path)
            check(status in (200, 400, 404), '%s: %d' % (path, status))
            equal(fields['Content-Type'], 'text/html; charset=utf-8', path)
            harmless(text, path)
            check('\u202e' not in text and '\x1b' not in text, path)
        check(html.escape(words[0]) in lab.ask('/page/mail/' + one)[2], 'the words are shown')


@case
def slow_watchers():
    """Who watches and does not read keeps nobody: others are answered, and there is an end to how many watch."""
    with Workspace() as work:
        lab = Lab(work)
        lab.enter()
        watchers = []
        try:
            for _ in range(6):
                watcher = socket.create_connection(('127.0.0.1', lab.port), 60)
                watchers.append(watcher)
                watcher.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                watcher.sendall(b'GET /page/stream HTTP/1.1\r\nHost: localhost\r\nCookie: %s\r\n\r\n' %
                                lab.cookie.encode())
            for watcher in watchers:
                check(watcher.recv(12) == b'HTTP/1.1 200', 'a watcher')
            equal(lab.ask('/page/stream')[0], 503, 'one more')
            for _ in range(5):
                equal(lab.ask('/page')[0], 200, 'the page')
            text = b''
            while text.count(b'data: {') < 3:
                more = watchers[0].recv(4096)
                check(more, 'the stream has ended: %r' % text)
                text += more
        finally:
            for watcher in watchers:
                watcher.close()
        eventually(lab.stream_begins, 'a place is free', 60)
        lab.relay.terminate()


@case
def two_browsers():
    """Two browsers of one address, as all on this machine have, are answered at once: each has six connections."""
    with Workspace() as work:
        lab = Lab(work)
        lab.enter()
        kept = [http.client.HTTPConnection('127.0.0.1', lab.port, timeout=60) for _ in range(12)]
        try:
            for connection in kept:
                connection.request('GET', '/page', headers={'Cookie': lab.cookie})
            for connection in kept:
                response = connection.getresponse()
                equal((response.status, len(response.read()) > 500), (200, True), 'one of them')
        finally:
            for connection in kept:
                connection.close()


@case
def odd_requests():
    """What no browser sends: other methods, forms that are none, hours without an end."""
    with Workspace() as work:
        lab = Lab(work)
        lab.enter()
        lab.numbers()
        for path in ('/page', '/page/mail', '/healthz', '/page/stream'):
            status, _, text, fields = lab.ask(path, 'HEAD')
            equal((status, text), (200, ''), path)
        for path, method, allowed in (('/page', 'PUT', 'GET, HEAD'), ('/page', 'OPTIONS', 'GET, HEAD'),
                                      ('/page/act', 'GET', 'POST'), ('/page', 'POST', 'GET, HEAD')):
            status, _, _, fields = lab.ask(path, method)
            equal((status, fields['Allow']), (405, allowed), '%s %s' % (method, path))
        for path in ('/page/mail/%00', '/page/%2e%2e/v1/status', '/page/file/..%2f..%2fetc%2fpasswd', '/page/file/',
                     '/page/destination/a%2fb', '/page//mail', '//evil.example/page', '/page/mail/' + 'x' * 300):
            check(lab.ask(path)[0] in (400, 404), path)
        suspend = {'token': token_of(lab.ask('/page/destination/next-hop')[2]), 'do': 'suspend',
                   'destination': 'next-hop'}
        equal(lab.form('/page/act', body=urllib.parse.urlencode({**suspend, 'for': '1', 'reason': b'\xe9t\xe9'}))[0],
              403, 'a reason that is no UTF-8')
        check('for_s' in html.unescape(lab.form('/page/act', **suspend, **{'for': str(1 << 70)})[1]), 'for ever')
        check('is suspended' not in lab.ask('/page/destination/next-hop')[2], 'nothing was done')


@case
def for_programs():
    """What the page asks for is there for programs, in the form that is written down."""
    with Workspace() as work:
        lab = Lab(work, trace={'detail': 'all'}, verdicts=[{'stage': 'content', 'code': '5xx', 'text': '*not today*',
                                                            'do': 'defer', 'say': 'it is asked later'}])
        one = queue_one(lab)
        path = work.path('control.sock')
        refusal = '/v1/explain?code=550&stage=rcpt&text=5.7.64%20TenantAttribution'
        for target in ('/v1/resources', refusal, '/v1/explain?code=250&text=fine'):
            equal(asked(path, target)[0], 200, target)
        check('problem' in asked(path, refusal)[1], 'a problem')
        # Nobody said when: by the stage at which a rule knows it, as the command has it.
        ruled = asked(path, '/v1/explain?code=550&destination=next-hop&text=not%20today')[1]
        equal((ruled['known'], ruled['stage'], ruled['verdict']), (True, 'content', 'defer'), 'by a rule of content')
        eventually(lambda: asked(path, '/v1/trace/' + one)[0] == 200, 'the trace has it')
        for target in ('/v1/trace/' + one, '/v1/trace?to=bob@example.org', '/v1/trace?client=local&since=4h&limit=1'):
            code, answer = asked(path, target)
            equal((code, [message['id'] for message in answer['messages']]), (200, [one]), target)
        equal(asked(path, '/v1/trace/' + '0' * 26)[0], 404, 'one that there is not')
        for target in ('/v1/trace/x', '/v1/trace?limit=0', '/v1/trace?limit=5x', '/v1/trace?since=soon',
                       '/v1/trace?result=odd', '/v1/explain?code=550', '/v1/explain?code=99&text=x'):
            equal(asked(path, target)[0], 400, target)


@case
def programs_after_a_reload():
    """What the configuration says now is what is asked: the trace that is kept, and rules, as the command has them with
    that file."""
    with Workspace() as work:
        path = work.path('control.sock')
        rule = {'stage': 'content', 'code': '5xx', 'text': '*not today*', 'do': 'defer', 'say': 'it is asked later'}
        lab = Lab(work, trace={'detail': 'all', 'file': work.path('one.db')}, verdicts=[rule],
                  hardening={'directories': [work.directory]})
        replies = {'550 5.0.0 not today': ('550', '5.0.0 not today'),
                   '550 5.1.1 no such user': ('550', '5.1.1 no such user'),
                   '554 not this week': ('554', 'not this week')}

        def agree(content):
            file = work.write('said.yaml', json.dumps(content))
            for reply, (code, text) in replies.items():
                for more, options in (('', []), ('&destination=next-hop', ['--destination', 'next-hop']),
                                      ('&stage=content', ['--stage', 'content'])):
                    done = subprocess.run([program('postrider'), 'explain', '--json', '--config', file, *options,
                                           reply], capture_output=True, text=True, timeout=60)
                    said = json.loads(done.stdout)
                    answer = asked(path, '/v1/explain?code=%s&text=%s%s' % (code, urllib.parse.quote(text), more))[1]
                    equal(answer, {key: said[key] for key in answer}, reply + more)
        agree(lab.configuration)
        equal(asked(path, '/v1/explain?code=550&text=not%20today')[1]['verdict'], 'defer', 'before')
        one = queue_one(lab)
        eventually(lambda: asked(path, '/v1/trace/' + one)[0] == 200, 'the first trace has it')
        changed = {**lab.configuration, 'trace': {'detail': 'all', 'file': work.path('two.db')},
                   'verdicts': [{**rule, 'text': '*not this week*'}]}
        reload(work, lab.relay, changed)
        agree(changed)
        equal([asked(path, '/v1/explain?code=554&text=' + text)[1]['verdict']
               for text in ('not%20today', 'not%20this%20week')], ['fail', 'defer'], 'after')
        two = queue_one(lab)
        eventually(lambda: asked(path, '/v1/trace/' + two)[0] == 200, 'the second trace has it')
        equal(asked(path, '/v1/trace/' + one)[0], 404, 'that of the first')
        reload(work, lab.relay, {**changed, 'trace': {'detail': 'off'}})
        equal(asked(path, '/v1/trace/' + two)[0], 409, 'no trace')


@case
def trouble_comes_first():
    """Of more destinations than are shown, one that is down is not behind those with more mail."""
    with Workspace() as work:
        path = work.path('control.sock')
        configuration = work.configuration(['127.0.0.1:9'], control={'socket': path})
        configuration['destinations'].append({'name': 'busy', 'hosts': ['127.0.0.1:9'], 'tls': {'mode': 'none'}})
        configuration['routes'].insert(0, {'recipient': '*@busy.example.net', 'destination': 'busy'})
        relay = work.relay(configuration)
        subprocess.run([program('postrider'), 'destination', 'suspend', 'busy', '--socket', path], capture_output=True,
                       timeout=60, check=True)
        with Client(relay.address) as client:
            client.hello()
            for recipient in ('a@busy.example.net', 'b@busy.example.net', 'c@example.com'):
                client.envelope(recipients=[recipient])
                client.data(b'Subject: one\r\n\r\ntext\r\n')
        for sort, first in (('waiting', 'busy'), ('trouble', 'next-hop')):
            eventually(lambda: [one['destination'] for one in asked(path, '/v1/stats?limit=1&sort=' + sort)[1].get(
                'destinations', ())] == [first], sort)
        relay.terminate()


@case
def files():
    """What a page loads is there, packed where that is taken, and is not sent twice."""
    with Workspace() as work:
        lab = Lab(work)
        lab.enter()
        text = lab.ask('/page')[2]
        paths = set(re.findall(r'(?:src|href)="(/page/file/[^"]+)"', text))
        equal(len(paths), 4, paths)
        # It is painted with two requests: itself, and one style sheet. Scripts come behind.
        for view in ('/page', '/page/mail', '/page/devices', '/page/providers', '/page/health'):
            found = Elements(lab.ask(view)[2]).found
            equal(len([1 for tag, given in found if given.get('rel') == 'stylesheet']), 1, view)
            check(all('defer' in given for tag, given in found if tag == 'script'), view)
        total = len(text)
        for path in paths:
            status, _, plain, fields = lab.ask(path)
            check(status == 200 and 'immutable' in fields['Cache-Control'], path)
            total += len(plain)
            equal(lab.ask(path, **{'If-None-Match': fields['ETag']})[0], 304, path)
            connection = http.client.HTTPConnection('127.0.0.1', lab.port, timeout=60)
            connection.request('GET', path, headers={'Accept-Encoding': 'gzip'})
            response = connection.getresponse()
            equal(response.headers['Content-Encoding'], 'gzip', path)
            check(len(response.read()) < len(plain) or 'icon' in path, path)
            connection.close()
        check(total < 150000, '%d octets' % total)
        equal(lab.ask('/page/file/../../etc/passwd')[0], 404, 'another file')


if __name__ == '__main__':
    harness.main()
