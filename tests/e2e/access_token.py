"""tests/e2e/access_token.py - access tokens as a provider makes and reads them, for the scripted ones of the tests.

A token endpoint issues, a mail server reads; both share one AccessTokens, as a provider's parts share its keys. They
look like Microsoft's: JSON web tokens with audience, tenant, application, roles or scopes, and an end. They are signed
with HMAC, which only their maker can check; nobody else is to look at a signature.
"""

import base64
import hashlib
import hmac
import json
import os
import threading
import time

OUTLOOK = 'https://outlook.office365.com'
APPLICATION = '11111111-2222-3333-4444-555555555555'
TENANT = '99999999-8888-7777-6666-555555555555'


class Refused(Exception):
    """Why a token is not taken. A mail server says less to its client."""


def encode(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b'=').decode()


def decode(text):
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


class AccessTokens:
    """Issues and reads. `issued` counts; revoke() makes all that are out worthless, as a changed password does."""

    def __init__(self):
        self.key = os.urandom(32)
        self.lock = threading.Lock()
        self.issued = 0
        self.revoked_before = 0      # tokens with a smaller number are refused

    def issue(self, lifetime=3599, user=None, application=APPLICATION, tenant=TENANT, audience=OUTLOOK,
              roles=('SMTP.SendAsApp',), scopes=(), now=None):
        """A token for an application (roles), or for a user who has signed in (user and scopes)."""
        now = time.time() if now is None else now
        with self.lock:
            self.issued += 1
            number = self.issued
        claims = {'aud': audience, 'iss': 'https://sts.windows.net/%s/' % tenant, 'tid': tenant, 'appid': application,
                  'iat': int(now), 'nbf': int(now), 'exp': now + lifetime, 'uti': str(number), 'ver': '1.0'}
        if user:
            claims.update(upn=user, scp=' '.join(scopes or ('SMTP.Send',)))
        elif roles:
            claims['roles'] = list(roles)
        signed = '%s.%s' % (encode(b'{"typ":"JWT","alg":"HS256"}'), encode(json.dumps(claims).encode()))
        return '%s.%s' % (signed, self._sign(signed))

    def read(self, token, now=None):
        """The token's claims; Refused when it is not ours, has ended, or was revoked."""
        now = time.time() if now is None else now
        signed, _, signature = token.rpartition('.')
        if not hmac.compare_digest(self._sign(signed), signature):
            raise Refused('not one of ours')
        claims = json.loads(decode(signed.split('.')[1]))
        if now >= claims['exp']:
            raise Refused('ended %.3f s ago' % (now - claims['exp']))
        if int(claims['uti']) <= self.revoked_before:
            raise Refused('revoked')
        return claims

    def revoke(self):
        with self.lock:
            self.revoked_before = self.issued

    def _sign(self, text):
        return encode(hmac.new(self.key, text.encode(), hashlib.sha256).digest())
