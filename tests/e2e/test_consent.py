#!/usr/bin/python3
"""tests/e2e/test_consent.py - postrider credentials sign-in: a person's consent at a browser elsewhere (RFC 8628).

Against a scripted endpoint. What the relay does with what is stored is in test_token.py.
"""

import contextlib
import json
import os
import re
import stat
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from access_token import APPLICATION  # noqa: E402
from basics import Failure  # noqa: E402
from harness import Certificates, Workspace, case, check, equal, eventually, program  # noqa: E402
from token_endpoint import TokenEndpoint  # noqa: E402

MAILBOX = 'scan@contoso.com'


class SignIn:
    """The command, under way."""

    def __init__(self, stack, known=True, life=900, configured=()):
        self.work = stack.enter_context(Workspace())
        self.endpoint = self.work.own(TokenEndpoint(Certificates()))
        self.endpoint.device_life = life
        if known:
            self.endpoint.application(APPLICATION)
        self.file = self.work.write('refresh', '')
        os.chmod(self.file, 0o600)
        oauth = {'client_id': APPLICATION, 'refresh_token_file': 'refresh', 'token_url': self.endpoint.url,
                 'ca_file': self.endpoint.ca_file, 'scope': 'SMTP.Send offline_access', **dict(configured)}
        configuration = self.work.configuration(['mail.example.org:25'], tls={'mode': 'verify'}, destination={
            'auth': {'mechanism': 'xoauth2'}, 'mailboxes': [{'user': MAILBOX}], 'oauth': oauth})
        self.configuration = self.work.write('relay.yaml', json.dumps(configuration))
        self.process = None

    def start(self):
        self.process = subprocess.Popen([program('postrider'), 'credentials', 'sign-in', '--config',
                                         self.configuration], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True)
        self.work.own(self)
        return self

    def shown(self):
        """The code that the person is to enter."""
        said = ''
        for line in self.process.stdout:
            said += line
            if found := re.search('open (https:.*) in a browser.* the code ([0-9A-F]{8})$', line.rstrip()):
                return found.group(2)
        raise Failure('no code is shown: %s' % said)

    def ended(self, code, text):
        said = self.process.communicate(timeout=120)[0]
        equal(self.process.returncode, code, 'exit status: %s' % said)
        check(text in said, 'said: %s', said)
        check('refresh-' not in said and 'eyJ' not in said, 'a secret is shown: %s', said)
        with open(self.file) as f:
            equal(f.read().startswith('refresh-'), code == 0, 'there is a token in the file')
        self.endpoint.check_clean()

    def asked(self):
        return sum(device['asked_often'] for device in self.endpoint.devices.values())

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@case
def somebody_signs_in():
    """Meanwhile the endpoint wants to be asked less often, and is overrun; what is stored gives a token."""
    with contextlib.ExitStack() as stack:
        it = SignIn(stack)
        it.endpoint.slow_downs = 1
        code = it.start().shown()
        eventually(lambda: it.asked() > 0, 'it is asked')
        it.endpoint.fail(503, b'<html>Service Unavailable</html>')
        it.endpoint.fail(429, b'{"error":"temporarily_unavailable"}')
        it.endpoint.sign_in(code, MAILBOX)
        it.ended(0, 'the refresh token is in')
        equal(stat.S_IMODE(os.stat(it.file).st_mode), 0o600, 'mode')
        status = subprocess.run([program('postrider'), 'credentials', 'status', '--config', it.configuration],
                                capture_output=True, text=True, timeout=120)
        check(status.returncode == 0 and 'a token: given' in status.stdout, 'status: %s', status)


@case
def it_comes_to_nothing():
    """Declined; the code ends; nobody comes; an endpoint that says nothing any more; no such application."""
    with contextlib.ExitStack() as stack:
        declined, ends, nobody, silent, unknown = [SignIn(stack, number < 4, 900 if number < 2 else 3).start()
                                                   for number in range(5)]
        code = declined.shown()
        for it in (ends, nobody, silent):
            it.shown()
        silent.endpoint.delay = 60
        declined.endpoint.sign_in(code, None)
        for it, until in ((ends, 0), (nobody, float('inf')), (silent, float('inf'))):
            for device in it.endpoint.devices.values():
                device['until'] = until
        declined.ended(1, 'declined')
        ends.ended(1, 'AADSTS70019')
        nobody.ended(1, 'nobody has signed in in time')
        silent.ended(1, 'nobody has signed in in time')
        unknown.ended(1, 'AADSTS700016')


@case
def nobody_is_to_sign_in():
    """A destination by a secret, and one that is not there."""
    with contextlib.ExitStack() as stack:
        it = SignIn(stack)
        with open(it.configuration) as f:
            configuration = json.load(f)
        del configuration['destinations'][0]['oauth']['refresh_token_file']
        configuration['destinations'][0]['oauth']['client_secret_file'] = it.work.write('secret', 's')
        it.work.write('relay.yaml', json.dumps(configuration))
        name = configuration['destinations'][0]['name']
        for more, code, text in (((), 0, 'nobody signs in'), ((name,), 1, 'nobody signs in'),
                                 (('nowhere',), 1, 'no destination nowhere')):
            ended = subprocess.run([program('postrider'), 'credentials', 'sign-in', '--config', it.configuration,
                                    *more], capture_output=True, text=True, timeout=60)
            equal(ended.returncode, code, 'exit status: %s' % ended.stdout)
            check(text in ended.stdout, 'said: %s', ended.stdout)
        equal(it.endpoint.requests, [], 'requests')


if __name__ == '__main__':
    harness.main(together=3)
