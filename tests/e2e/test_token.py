#!/usr/bin/python3
"""tests/e2e/test_token.py - access tokens from an endpoint over HTTPS: every grant, every fault, nothing in an event.

The agent is the real one, driven by token_client.c. Signatures are judged by the endpoint's library.
"""

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import threading
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from harness import BUILD, Certificates, Workspace, case, check, equal, eventually, free_port, main, program
from token_endpoint import TokenEndpoint, aadsts, key_and_certificate, load, thumbprint

APP = '11111111-2222-3333-4444-555555555555'
SCOPE = 'https://outlook.office365.com/.default'
CERTIFICATE, SECRET, REFRESH, SERVICE_ACCOUNT, COMMAND = range(5)
EAGAIN, EACCES, ETIMEDOUT = -11, -13, -110


class Agent:
    """token_client, and what it says."""

    def __init__(self, work):
        self.process = subprocess.Popen([os.path.join(BUILD, 'tests', 'token_client')], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        work.own(self)

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def _say(self, *words):
        self.process.stdin.write('\t'.join(str(word) for word in words) + '\n')
        self.process.stdin.flush()

    def _answer(self):
        line = self.process.stdout.readline()
        check(line, 'token_client has ended: %s', self.lines[-5:])
        return json.loads(line)

    def identity(self, name, grant, endpoint=None, **settings):
        if endpoint:
            settings.setdefault('token_url', endpoint.url)
            settings.setdefault('ca_file', endpoint.ca_file)
            if grant != SERVICE_ACCOUNT:
                settings.setdefault('client_id', APP)
                settings.setdefault('scope', SCOPE)
        command = settings.pop('command', [])
        self._say('identity', name, 'grant=%d' % grant, *['%s=%s' % item for item in settings.items()],
                  *['command=' + word for word in command])
        return self._answer()['identity']

    def ask(self, name='a', count=1, ms=30000):
        self._say('ask', name, count, ms)
        answers = [self._answer() for _ in range(count)]
        return answers if count > 1 else answers[0]

    def token(self, name='a', **more):
        answer = self.ask(name, **more)
        equal(answer['result'], 0, 'result (%s)' % answer['problem'])
        return answer

    def until_token(self, name='a', timeout=60):
        return eventually(lambda: (lambda a: a if a['result'] == 0 else None)(self.ask(name)),
                          'a token is given', timeout, 0.2)

    def command(self, word, name='a'):
        self._say(word, name)
        return self._answer()

    def events(self, name):
        found = [json.loads(line) for line in list(self.lines) if line.startswith('{')]
        return [event for event in found if event['event'] == name]

    def wait_event(self, name, count=1):
        return eventually(lambda: self.events(name)[count - 1:], 'event %s: %s' % (name, self.lines[-5:]))[0]

    def end(self):
        """In order; a leak that a sanitizer finds is a failure."""
        self.process.stdin.close()
        equal(self.process.wait(60), 0, 'exit status of token_client (%s)' % self.lines[-20:])
        self.reader.join(10)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Setting:
    """An endpoint and an agent, in a directory."""

    def __init__(self):
        self.work = Workspace()

    def __enter__(self):
        self.endpoint = self.work.own(TokenEndpoint(Certificates()))
        self.agent = Agent(self.work)
        return self

    def __exit__(self, *error):
        return self.work.__exit__(*error)

    def secret_identity(self, secret='s3cret&=+ %', name='a', **more):
        self.endpoint.application(APP, secret='s3cret&=+ %')
        return self.agent.identity(name, SECRET, self.endpoint,
                                   client_secret_file=self.work.write('secret', secret + '\n'), **more)

    def certificate_identity(self, signature='PS256', name='a', **more):
        certificate, key = key_and_certificate(self.work.directory)
        self.endpoint.application(APP, certificates=[certificate])
        return self.agent.identity(name, CERTIFICATE, self.endpoint, certificate=certificate, private_key=key,
                                   signature=signature, **more)

    def refresh_identity(self, name='a', **more):
        self.endpoint.application(APP)
        self.file = self.work.write('refresh-' + name, self.endpoint.consent(APP, 'scan@contoso.com') + '\n')
        os.chmod(self.file, 0o600)
        return self.agent.identity(name, REFRESH, self.endpoint, refresh_token_file=self.file, **more)

    def finish(self):
        self.agent.end()
        self.endpoint.check_clean()


@case
def secret():
    with Setting() as s:
        s.secret_identity()
        first = s.agent.token()
        claims = s.endpoint.tokens.read(first['token'])
        equal(claims['appid'], APP, 'application')
        equal(claims['aud'], 'https://outlook.office365.com', 'audience')
        # One fetch for all who ask, and none while it is good.
        equal({a['token'] for a in s.agent.ask(count=500)}, {first['token']}, 'tokens')
        equal(s.endpoint.given, 1, 'tokens given')
        event = s.agent.wait_event('token')
        equal((event['identity'], event['seconds'], event['failures']), ('a', 3599, 0), 'event')
        s.finish()
        for word in ('s3cret', first['token'][:40]):
            check(not any(word in line for line in s.agent.lines), 'a secret in an event')


@case
def one_fetch_for_all_who_wait():
    with Setting() as s:
        s.secret_identity()
        s.endpoint.delay = 0.5
        equal(len({a['serial'] for a in s.agent.ask(count=2000)}), 1, 'tokens')
        equal(len(s.endpoint.requests), 1, 'requests')
        s.finish()


@case
def certificate_ps256():
    with Setting() as s:
        s.certificate_identity()
        s.endpoint.tokens.read(s.agent.token()['token'])
        s.finish()


@case
def certificate_rs256():
    with Setting() as s:
        s.certificate_identity('RS256')
        s.endpoint.tokens.read(s.agent.token()['token'])
        s.finish()


@case
def another_certificate_is_said_in_words():
    """AADSTS700027, and the cure noticed without a restart: the files are looked at."""
    with Setting() as s:
        s.certificate_identity()
        other, _ = key_and_certificate(s.work.directory, 'other')
        mine = s.endpoint.applications[APP].certificates
        s.endpoint.applications[APP].certificates = [load(other)]
        answer = s.agent.ask()
        equal(answer['result'], EACCES, 'result')
        check('700027' in answer['problem'] and 'Certificates & secrets' in answer['problem'], '%s', answer['problem'])
        check('Trace ID' not in answer['problem'], '%s', answer['problem'])
        equal(s.agent.ask()['result'], EACCES, 'in the pause')
        equal(len(s.endpoint.requests), 1, 'requests')
        s.endpoint.applications[APP].certificates = mine
        os.utime(os.path.join(s.work.directory, 'app.crt'))     # as an administrator who writes it anew
        s.agent.token()
        s.finish()


@case
def key_of_another_certificate():
    with Setting() as s:
        certificate, _ = key_and_certificate(s.work.directory)
        _, key = key_and_certificate(s.work.directory, 'other')
        s.endpoint.application(APP, certificates=[certificate])
        s.agent.identity('a', CERTIFICATE, s.endpoint, certificate=certificate, private_key=key)
        answer = s.agent.ask()
        equal((answer['result'], answer['problem']), (EACCES, key + ": the certificate is another key's"), 'answer')
        equal(s.endpoint.requests, [], 'requests')
        s.finish()


@case
def clocks_that_differ():
    """AADSTS700024: an hour apart, both ways; the endpoint's own clock is used, once."""
    for ahead in (3600, -3600):
        with Setting() as s:
            s.endpoint.clock_ahead = ahead
            s.certificate_identity()
            s.agent.token()
            equal(len(s.endpoint.requests), 2, 'requests')
            s.agent.command('reject')
            s.agent.token()
            equal(len(s.endpoint.requests), 3, 'requests: it is remembered')
            s.finish()


@case
def wrong_secret():
    with Setting() as s:
        s.secret_identity('wrong-one')
        answer = s.agent.ask()
        equal(answer['result'], EACCES, 'result')
        check('not its "Secret ID"' in answer['problem'], '%s', answer['problem'])
        check(14000 < answer['again_ms'] < 20000, 'again after %d ms', answer['again_ms'])
        equal(s.agent.wait_event('token_failed')['level'], 'error', 'level')
        s.work.write('secret', 's3cret&=+ %')
        s.agent.token()
        s.finish()
        check(not any('wrong-one' in line for line in s.agent.lines), 'a secret in an event')


@case
def files_that_are_not_there():
    with Setting() as s:
        s.endpoint.application(APP, secret='s')
        for name, path in (('gone', s.work.path('gone')), ('empty', s.work.write('empty', '')),
                           ('folder', s.work.directory)):
            s.agent.identity(name, SECRET, s.endpoint, client_secret_file=path)
            answer = s.agent.ask(name)
            equal(answer['result'], EACCES, name)
            check(path in answer['problem'], '%s', answer['problem'])
        s.finish()


@case
def outage_with_a_token():
    """What there is stays good until its end; renewed before it, when the endpoint is back."""
    with Setting() as s:
        s.endpoint.lifetime = 8
        s.secret_identity()
        asked = time.monotonic()
        first = s.agent.token()
        s.endpoint.down()
        while time.monotonic() < asked + 6:
            answer = s.agent.ask()
            if time.monotonic() > asked + 7.5:
                break  # the machine stood still until about its end: what is answered then is not this case's
            equal((answer['result'], answer['token']), (0, first['token']), 'token')
            time.sleep(0.2)
        equal(s.agent.wait_event('token_failed')['level'], 'notice', 'level')
        # Beyond its end there is none, and that is nobody's fault.
        gone = eventually(lambda: (lambda a: a if a['result'] else None)(s.agent.ask()), 'no token is left')
        equal(gone['result'], EAGAIN, 'result')
        check('cannot be reached' in gone['problem'], '%s', gone['problem'])
        s.endpoint.up()
        s.agent.until_token()
        eventually(lambda: s.agent.events('token')[-1]['level'] == 'notice', 'the event tells that it is well again')
        s.finish()


@case
def renewed_before_its_end():
    with Setting() as s:
        s.endpoint.lifetime = 6
        s.secret_identity()
        s.agent.token()
        s.agent.token()     # in use
        s.endpoint.wait_given(2)
        s.finish()


@case
def not_renewed_when_nobody_asks():
    with Setting() as s:
        s.endpoint.lifetime = 2
        s.secret_identity()
        s.agent.token()
        time.sleep(3)
        equal(s.endpoint.given, 1, 'tokens given')
        s.finish()


@case
def too_many_requests():
    """429: as long as the endpoint asks for, for all who ask there; a token that is there is used."""
    with Setting() as s:
        s.secret_identity()
        s.endpoint.fail(429, b'{"error":"temporarily_unavailable"}', [('Retry-After', 4)])
        began = time.monotonic()
        answer = s.agent.ask()
        equal(answer['result'], EAGAIN, 'result')
        check(3500 < answer['again_ms'] <= 5500, 'again after %d ms', answer['again_ms'])
        s.agent.until_token()
        check(time.monotonic() - began > 4, 'too soon: %.1f s', time.monotonic() - began)
        s.finish()


@case
def faults_that_pass():
    """Pages of a proxy, of a balancer, of nothing; broken JSON; Entra's AADSTS90033: nobody has to act."""
    faults = [(502, b'<html>Bad Gateway</html>'), (503, b''), (200, b'{"access_token":'), (200, b'{}'),
              (302, b'', [('Location', 'https://localhost/other')]), (200, b'x' * 100000),
              (400, json.dumps(aadsts(90033, 'A transient error has occurred.', 'invalid_grant').body).encode())]
    for number, fault in enumerate(faults):
        with Setting() as s:
            s.secret_identity()
            s.endpoint.fail(*fault)
            answer = s.agent.ask()
            equal(answer['result'], EAGAIN, 'result of fault %d (%s)' % (number, answer['problem']))
            s.agent.until_token()
            s.finish()


@case
def told_of_a_loop():
    """AADSTS50196: whoever asks on is kept out for longer; all that ask there leave it alone."""
    with Setting() as s:
        s.secret_identity()
        s.secret_identity(name='b', scope=SCOPE + 'more/.default')
        s.endpoint.fail(400, json.dumps(aadsts(50196, 'a client request loop', 'invalid_grant').body).encode())
        answer = s.agent.ask()
        equal(answer['result'], EAGAIN, 'result (%s)' % answer['problem'])
        check(110000 < answer['again_ms'] < 160000, 'again after %d ms', answer['again_ms'])
        equal(s.agent.ask('b')['result'], EAGAIN, 'result of another one')
        equal(len(s.endpoint.requests), 1, 'requests')
        s.finish()


@case
def endpoint_that_says_nothing():
    """A question has a deadline of its own; the fetch goes on, and serves the next."""
    with Setting() as s:
        s.secret_identity()
        go = threading.Event()
        s.endpoint.before = lambda: go.wait(60)
        equal(s.agent.ask(ms=300)['result'], ETIMEDOUT, 'result')
        check(not go.is_set() and not s.endpoint.given, 'the endpoint has answered')
        s.endpoint.before = None
        go.set()
        s.agent.token()
        equal(s.endpoint.given, 1, 'tokens given')
        s.finish()


@case
def untrusted_endpoint():
    with Setting() as s:
        s.secret_identity(ca_file=Certificates().other_ca)
        answer = s.agent.ask()
        equal(answer['result'], EACCES, 'result')
        check('ca_file' in answer['problem'], '%s', answer['problem'])
        equal(s.endpoint.requests, [], 'requests')
        s.finish()


@case
def no_proxy_from_the_environment():
    os.environ['https_proxy'] = 'http://127.0.0.1:%d' % free_port()
    try:
        with Setting() as s:
            s.secret_identity()
            s.agent.token()
            s.finish()
    finally:
        del os.environ['https_proxy']


@case
def rejected_token():
    """A next hop refuses it: one fresh one; if that is refused as well it is not the token."""
    with Setting() as s:
        s.secret_identity()
        first = s.agent.token()
        s.agent.command('reject')
        second = s.agent.token()
        check(second['serial'] != first['serial'], 'the same token')
        for _ in range(20):
            s.agent.command('reject')
            equal(s.agent.token()['serial'], second['serial'], 'serial')
        equal(s.endpoint.given, 2, 'tokens given')
        s.finish()


@case
def rejected_while_the_endpoint_is_away():
    """Other mailboxes of the application may be served with it: it is given until there is another one."""
    with Setting() as s:
        s.secret_identity()
        first = s.agent.token()
        s.endpoint.down()
        s.agent.command('reject')
        equal(s.agent.token()['serial'], first['serial'], 'serial')
        s.endpoint.up()
        eventually(lambda: s.agent.token()['serial'] != first['serial'], 'another token')
        s.finish()


@case
def refresh_token_is_kept():
    """The rotated one is in the file before the access token is used; mode and owner stay."""
    with Setting() as s:
        s.refresh_identity()
        before = open(s.file).read()
        claims = s.endpoint.tokens.read(s.agent.token()['token'])
        equal(claims['upn'], 'scan@contoso.com', 'user')
        after = open(s.file).read()
        check(after != before and after.strip() in s.endpoint.refresh_tokens, 'the file has %r', after)
        equal(stat.S_IMODE(os.stat(s.file).st_mode), 0o600, 'mode')
        equal(os.listdir(s.work.directory).count('refresh-a~'), 0, 'files left')
        for _ in range(3):
            s.endpoint.tokens.revoke()
            s.agent.command('reject')
            s.agent.ask()
        s.finish()
        # Another process goes on from there.
        agent = Agent(s.work)
        agent.identity('a', REFRESH, s.endpoint, refresh_token_file=s.file)
        agent.token()
        agent.end()
        check(not any('refresh-' in line and 'file' not in line for line in agent.lines), 'a secret in an event')


@case
def refresh_token_of_two():
    """Two destinations name one file: what it has is exchanged by one after the other, never twice."""
    with Setting() as s:
        s.refresh_identity()
        s.agent.identity('b', REFRESH, s.endpoint, refresh_token_file=s.file, scope='SMTP.Send')
        s.endpoint.delay = 0.5
        for _ in range(3):
            for name in ('a', 'b'):
                s.agent._say('ask', name, 1, 30000)
            answers = [s.agent._answer() for _ in range(2)]
            equal([answer['result'] for answer in answers], [0, 0], 'results: %s' % answers)
            s.endpoint.tokens.revoke()
            for name in ('a', 'b'):
                s.agent.command('reject', name)
        s.finish()


@case
def refresh_token_that_cannot_be_stored():
    """Told at once; mail flows as long as this process lives. Who lets the file be written, or renews another one,
    has not written it: what is in memory is still the newer one."""
    with Setting() as s:
        if os.geteuid() == 0:
            folder = s.work.path('folder')
            os.mkdir(folder)
            s.endpoint.application(APP)
            s.file = os.path.join(folder, 'token')
            with open(s.file, 'w') as f:
                f.write(s.endpoint.consent(APP, 'scan@contoso.com'))
            os.mkdir(s.file + '~')       # in the way, even for root
            ca_file = shutil.copy(s.endpoint.ca_file, s.work.path('ca.pem'))
            s.agent.identity('a', REFRESH, s.endpoint, refresh_token_file=s.file, ca_file=ca_file)
            s.endpoint.lifetime = 3
            s.agent.token()
            event = s.agent.wait_event('token_unsaved')
            equal((event['file'], event['level']), (s.file, 'error'), 'event')
            for change in (lambda: os.chmod(s.file, 0o640), lambda: os.utime(ca_file)):
                given = s.endpoint.given
                change()
                s.agent.token()
                s.endpoint.wait_given(given + 1)
            os.rmdir(s.file + '~')
            s.agent.until_token()
            eventually(lambda: open(s.file).read().strip() in s.endpoint.refresh_tokens or s.agent.ask() and False,
                       'it is stored')
        s.finish()


@case
def refresh_token_that_was_revoked():
    with Setting() as s:
        s.refresh_identity()
        s.endpoint.refresh_tokens.clear()
        answer = s.agent.ask()
        equal(answer['result'], EACCES, 'result')
        check('postrider credentials sign-in' in answer['problem'], '%s', answer['problem'])
        with open(s.file, 'w') as f:
            f.write(s.endpoint.consent(APP, 'scan@contoso.com'))
        s.agent.token()
        s.finish()


@case
def public_client_with_a_secret():
    with Setting() as s:
        s.refresh_identity(client_secret_file=s.work.write('secret', 's'))
        answer = s.agent.ask()
        check('remove client_secret_file' in answer['problem'], '%s', answer['problem'])


@case
def service_account():
    with Setting() as s:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption()).decode()
        s.endpoint.service_account('relay@p.iam.gserviceaccount.com', key.public_key(), ['scan@example.com'])
        file = s.work.write('key.json', json.dumps({
            'type': 'service_account', 'private_key': pem, 'private_key_id': 'abc',
            'client_email': 'relay@p.iam.gserviceaccount.com', 'token_uri': s.endpoint.root + '/token'}))
        for user, result in (('scan@example.com', 0), ('other@example.com', EACCES)):
            s.agent.identity(user, SERVICE_ACCOUNT, user=user, service_account_file=file, ca_file=s.endpoint.ca_file)
            answer = s.agent.ask(user)
            equal(answer['result'], result, 'result (%s)' % answer['problem'])
        check('Domain-wide delegation' in answer['problem'], '%s', answer['problem'])
        claims = s.endpoint.tokens.read(s.agent.ask('scan@example.com')['token'])
        equal(claims['upn'], 'scan@example.com', 'user')
        s.endpoint.clock_ahead = 7200
        s.agent.command('reject', 'scan@example.com')
        s.agent.token('scan@example.com')
        s.finish()


@case
def command():
    with Setting() as s:
        script = s.work.write('token', '#!/bin/sh\nprintf "%s-%s\\n" "$POSTRIDER_MAILBOX" "$1"\n')
        os.chmod(script, 0o755)
        s.agent.identity('a', COMMAND, user='scan@contoso.com', command=[script, 'a b;c"$d'.replace(' ', '_')])
        equal(s.agent.token()['token'], 'scan@contoso.com-a_b;c"$d', 'token')
        s.agent.identity('b', COMMAND, command=['/bin/echo', '{"access_token":"abc","expires_in":"60"}'])
        equal(s.agent.token('b')['token'], 'abc', 'token')
        s.finish()


@case
def commands_that_fail():
    with Setting() as s:
        def words(name, expected, *arguments):
            s.agent.identity(name, COMMAND, command=list(arguments))
            answer = s.agent.ask(name)
            equal(answer['result'], EACCES, '%s: result' % name)
            check(expected in answer['problem'], '%s: %s', name, answer['problem'])
        words('gone', 'cannot be started', '/nonexistent/program')
        words('status', 'ended with status 3: no luck', '/bin/sh', '-c', 'echo no luck >&2; exit 3')
        words('signal', 'ended by signal 9', '/bin/sh', '-c', 'kill -9 $$')
        words('silent', 'is no token', '/bin/true')
        words('much', 'more octets than', '/usr/bin/yes')
        s.finish()


@case
def command_that_hangs():
    """Its group ends with it, also what it has left behind."""
    with Setting() as s:
        mark = s.work.path('children')
        s.agent.identity('a', COMMAND, command=['/bin/sh', '-c', 'sleep 600 & echo $! $$ > %s; sleep 600' % mark])
        equal(s.agent.ask(ms=1000)['result'], ETIMEDOUT, 'result')
        answer = s.agent.ask(ms=40000)
        equal(answer['result'], EACCES, 'result')
        check('did not end in time' in answer['problem'], '%s', answer['problem'])
        for pid in open(mark).read().split():
            eventually(lambda pid=pid: not os.path.exists('/proc/%s' % pid) or
                       ' Z ' in open('/proc/%s/stat' % pid).read(), 'process %s has ended' % pid)
        s.finish()


@case
def identities():
    """The same settings are the same identity, also over a reload; one that nobody holds is forgotten."""
    with Setting() as s:
        first = s.secret_identity()
        same = s.agent.identity('same', SECRET, s.endpoint, client_secret_file=s.work.path('secret'),
                                user='scan@contoso.com')
        equal(same, first, 'identity')
        one = s.agent.token()
        equal(s.agent.token('same')['serial'], one['serial'], 'serial')
        s.agent.command('release')
        equal(s.agent.token('same')['serial'], one['serial'], 'serial')
        s.finish()


@case
def many_identities():
    with Setting() as s:
        for number in range(200):
            client = 'app-%d' % number
            s.endpoint.application(client, secret='s')
            s.agent.identity(client, SECRET, s.endpoint, client_id=client,
                             client_secret_file=s.work.write('secret', 's'))
        for number in range(200):
            s.agent.token('app-%d' % number)
        equal(s.endpoint.given, 200, 'tokens given')
        s.finish()


def rotate(s, agent, step=-1):
    application = s.endpoint.applications[APP]
    agent._say('rotate', 'a', application.object_id, s.endpoint.root, step)
    return agent._answer()


def rotation_setting(s):
    s.certificate_identity()
    application = s.endpoint.applications[APP]
    s.first = thumbprint(application.certificates[0], hashlib.sha256)
    return application


def files(s):
    return sorted(name for name in os.listdir(s.work.directory) if name.startswith('app.'))


def registered(application):
    return [thumbprint(certificate, hashlib.sha256) for certificate in application.certificates]


@case
def rotation():
    """A new certificate, registered with a proof, known after a while, in its place; the old one removed."""
    for audience in ('00000002-0000-0000-c000-000000000000', '00000003-0000-0000-c000-000000000000'):
        with Setting() as s:
            application = rotation_setting(s)
            s.endpoint.propagation, s.endpoint.proof_audience = 3, audience
            os.chmod(s.work.path('app.key'), 0o640)
            equal(rotate(s, s.agent), {'rotated': True, 'problem': ''}, 'answer')
            equal(files(s), ['app.crt', 'app.key'], 'files')
            equal(stat.S_IMODE(os.stat(s.work.path('app.key')).st_mode), 0o640, 'mode')
            equal(registered(application), [thumbprint(load(s.work.path('app.crt')), hashlib.sha256)], 'certificates')
            check(registered(application) != [s.first], 'it is the same')
            s.agent.token()
            s.finish()


@case
def rotation_that_is_ended_at_any_step():
    """Mail flows in between: a token can be had from the files as they are; the next call goes on from there."""
    for step in range(6):
        with Setting() as s:
            application = rotation_setting(s)
            s.agent._say('rotate', 'a', application.object_id, s.endpoint.root, step)
            equal(s.agent.process.wait(60), 77, 'exit status at step %d' % step)
            agent = Agent(s.work)
            agent.identity('a', CERTIFICATE, s.endpoint, certificate=s.work.path('app.crt'),
                           private_key=s.work.path('app.key'))
            agent.token()
            equal(rotate(s, agent)['rotated'], True, 'the second call behind step %d' % step)
            if step == 5:
                check(s.first not in registered(application), 'the old one is there')
                continue
            equal(files(s), ['app.crt', 'app.key'], 'files behind step %d' % step)
            equal(registered(application), [thumbprint(load(s.work.path('app.crt')), hashlib.sha256)],
                  'certificates behind step %d' % step)
            check(registered(application) != [s.first], 'it is the same')
            agent.command('reject')
            agent.token()
            agent.end()


@case
def rotation_that_is_refused():
    """Nothing is swapped, and mail goes on with what there is."""
    with Setting() as s:
        application = rotation_setting(s)
        right, application.object_id = application.object_id, 'object-of-another'
        s.agent._say('rotate', 'a', right, s.endpoint.root, -1)
        answer = s.agent._answer()
        equal(answer['rotated'], False, 'answer')
        check('Resource does not exist' in answer['problem'], '%s', answer['problem'])
        s.agent.token()
        equal(registered(application), [s.first], 'certificates')
        application.object_id = right
        equal(rotate(s, s.agent)['rotated'], True, 'the next call')
        s.finish()


@case
def rotation_without_a_look_at_its_keys():
    """An application may add keys without any permission, and not see them: the old one stays until it ends."""
    with Setting() as s:
        application = rotation_setting(s)
        application.may_read = False
        equal(rotate(s, s.agent)['rotated'], True, 'answer')
        equal(len(registered(application)), 2, 'certificates')
        equal(files(s), ['app.crt', 'app.key'], 'files')
        s.agent.token()
        s.finish()


def credentials(s, *arguments):
    """The command, with a configuration that names the certificate."""
    oauth = {'tenant': s.endpoint.tenant, 'client_id': APP, 'certificate': 'app.crt', 'private_key': 'app.key',
             'token_url': s.endpoint.root + '/{tenant}/oauth2/v2.0/token', 'ca_file': s.endpoint.ca_file,
             'object_id': s.endpoint.applications[APP].object_id, 'graph_url': s.endpoint.root}
    configuration = s.work.configuration(['mail.example.org:25'], tls={'mode': 'verify'}, destination={
        'auth': {'mechanism': 'xoauth2'}, 'mailboxes': [{'user': 'scan@contoso.com'}], 'oauth': oauth})
    configuration = s.work.write('relay.yaml', json.dumps(configuration))
    done = subprocess.run([program('postrider'), 'credentials', *arguments, '--config', configuration],
                          capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


@case
def credentials_command():
    with Setting() as s:
        application = rotation_setting(s)
        code, said = credentials(s, 'status')
        equal(code, 0, 'status: %s' % said)
        check(re.search('ends in (399|400) days', said) and 'a token: given, for 3599 s' in said, 'status: %s', said)
        # Not due for a year.
        equal(credentials(s, 'rotate', '--due'), (0, ''), 'rotate --due')
        equal(registered(application), [s.first], 'certificates')
        code, said = credentials(s, 'rotate')
        equal(code, 0, 'rotate: %s' % said)
        check('the old certificate is removed' in said, 'rotate: %s', said)
        check(s.first not in registered(application), 'the old one is there')
        check(re.search('ends in 36[45] days', credentials(s, 'status')[1]), 'the new one does not live a year')
        # One that ends soon is.
        certificate, _ = key_and_certificate(s.work.directory, days=29)
        application.certificates = [load(certificate)]
        code, said = credentials(s, 'rotate', '--due')
        equal(code, 0, 'rotate --due: %s' % said)
        check('it gets a token' in said, 'rotate --due: %s', said)
        # And what is refused is said.
        application.enabled = False
        code, said = credentials(s, 'status')
        equal(code, 1, 'status')
        check('Enterprise applications' in said, 'status: %s', said)


@case
def consent_at_a_browser():
    """A person signs in elsewhere (RFC 8628); the refresh token is in its file, and works."""
    for user in ('scan@contoso.com', None):
        with Setting() as s:
            s.endpoint.application(APP)
            file = s.work.path('refresh')
            s.agent.identity('a', REFRESH, s.endpoint, refresh_token_file=file, scope='SMTP.Send offline_access')
            s.agent._say('device', 'a')
            line = eventually(lambda: [line for line in s.agent.lines if line.startswith('code ')],
                              'a code is shown')[0]
            time.sleep(1.5)     # it is asked for meanwhile
            s.endpoint.sign_in(line.split()[1], user)
            answer = s.agent._answer()
            equal(answer['stored'], user is not None, 'stored (%s)' % answer['problem'])
            if user:
                equal(stat.S_IMODE(os.stat(file).st_mode), 0o600, 'mode')
                equal(s.endpoint.tokens.read(s.agent.token()['token'])['upn'], user, 'user')
            s.finish()


@case
def for_commands():
    with Setting() as s:
        s.endpoint.clock_ahead = 3600
        s.certificate_identity()
        answer = s.agent.command('once')
        equal((answer['outcome'], answer['seconds']), (0, 3599), 'answer')
        s.endpoint.tokens.read(answer['token'])
        s.finish()


if __name__ == '__main__':
    main(together=4)
