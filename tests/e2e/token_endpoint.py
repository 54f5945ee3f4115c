"""tests/e2e/token_endpoint.py - a token endpoint over HTTPS on loopback, as Entra's and Google's look from outside.

    endpoint = work.own(TokenEndpoint(Certificates()))
    endpoint.application('11111111-...', secret='s', certificates=[PEM])
    ... oauth { tenant, client_id, certificate, private_key, token_url: endpoint.url, ca_file: endpoint.ca_file } ...
    endpoint.tokens.read(token)         # what a mail server does with one: share endpoint.tokens with Office365

Assertions are judged by a well-kept library (python3-cryptography), never by code of ours. What a client must not do is
counted in `violations`, whether or not it is refused at the same time: asking before Retry-After has passed, sending an
assertion twice, using a refresh token that was exchanged, a secret in the URL.

Faults come by rule: fail() for the next answers, `delay`, `clock_ahead`, down() and up(). Its clock is `now()`.
"""

import base64
import collections
import contextlib
import hashlib
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from access_token import APPLICATION, TENANT, AccessTokens, decode
from basics import check, eventually
from ports import free_port

ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
JWT_GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
GRAPH = 'https://graph.microsoft.com'
LIFE_MAX = 660      # of an assertion: ten minutes, and a little


class Problem(Exception):
    """An answer that is an error: (status, error, description)."""

    def __init__(self, status, error, description, **more):
        super().__init__(description)
        self.status, self.body = status, dict(error=error, error_description=description, **more)


def aadsts(number, text, error='invalid_client', status=401):
    return Problem(status, error, 'AADSTS%d: %s Trace ID: 6f2b0000-0000-4000-8000-0000000000ab Correlation ID: '
                   '7a3c0000-0000-4000-8000-0000000000cd Timestamp: 2026-11-27 10:00:00Z' % (number, text),
                   error_codes=[number])


def graph_problem(status, code, message):
    problem = Problem(status, code, message)
    problem.body = {'error': {'code': code, 'message': message}}
    return problem


def key_id(certificate):
    return 'key-%x' % certificate.serial_number


class Application:
    def __init__(self, client_id, secret, certificates, roles):
        self.object_id = 'object-of-' + client_id
        self.may_read = True            # its own keys at Graph
        self.known_from = {}            # keys that were registered and are not known everywhere yet
        self.client_id, self.secret, self.roles = client_id, secret, roles
        self.certificates = [load(certificate) for certificate in certificates]
        self.enabled = True


def load(certificate):
    """From PEM, or a path to it."""
    if isinstance(certificate, str):
        with open(certificate, 'rb') as f:
            certificate = f.read()
    return x509.load_pem_x509_certificate(certificate)


def thumbprint(certificate, algorithm):
    der = certificate.public_bytes(serialization.Encoding.DER)
    return base64.urlsafe_b64encode(algorithm(der).digest()).rstrip(b'=').decode()


def verify(key, algorithm, signed, signature):
    """Raises InvalidSignature."""
    if algorithm == 'RS256':
        scheme = padding.PKCS1v15()
    elif algorithm == 'PS256':
        scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    else:
        raise InvalidSignature()
    key.verify(signature, signed.encode(), scheme, hashes.SHA256())


def take_apart(token):
    """A JSON web token: (header, claims, what is signed, signature)."""
    signed, _, signature = token.rpartition('.')
    header, _, claims = signed.partition('.')
    return json.loads(decode(header)), json.loads(decode(claims)), signed, decode(signature)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    timeout = 30

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=()):
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        # The base class's own Date is the real time.
        self.send_response_only(status)
        self.send_header('Date', self.date_time_string(self.server.endpoint.now()))
        self.send_header('Content-Type', 'application/json; charset=utf-8')
        self.send_header('Content-Length', str(len(octets)))
        for name, value in headers:
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(octets)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        self.server.endpoint.serve(self, body)

    def do_GET(self):
        self.server.endpoint.serve(self, b'')


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, endpoint, port):
        self.endpoint = endpoint
        self.open = set()
        super().__init__(('127.0.0.1', port), Handler)

    def finish_request(self, request, client_address):
        # On the connection's own thread: one that says nothing holds up nobody.
        request.settimeout(30)
        with self.endpoint.context.wrap_socket(request, server_side=True) as secure:
            self.open.add(secure)
            try:
                super().finish_request(secure, client_address)
            finally:
                self.open.discard(secure)

    def handle_error(self, request, client_address):
        pass    # a client that does not trust us, or went away


class TokenEndpoint:
    def __init__(self, certificates, tokens=None, tenant=TENANT, lifetime=3599):
        self.tokens = tokens or AccessTokens()
        self.tenant, self.lifetime = tenant, lifetime
        self.lock = threading.Lock()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificates.server, certificates.server_key)
        self.ca_file = certificates.path('ca.crt')
        self.applications, self.accounts = {}, {}
        self.refresh_tokens, self.exchanged = {}, set()     # token: (client, user)
        self.devices = {}
        self.device_life = 900          # seconds
        self.slow_downs = 0             # answers before it says anything else (RFC 8628 3.5)
        self.seen = set()           # identifiers of assertions
        self.not_before = {}        # client: when it may ask again
        self.faults = collections.deque()
        self.requests, self.violations = [], []
        self.given = 0
        self.delay, self.clock_ahead = 0, 0
        self.before = None              # is called before each answer
        self.propagation = 0            # how long a registered key takes to be known
        self.proof_audience = '00000002-0000-0000-c000-000000000000'
        self.server = None
        self.up()

    # ---- what a test does

    def application(self, client_id=APPLICATION, secret=None, certificates=(), roles=('SMTP.SendAsApp',)):
        self.applications[client_id] = Application(client_id, secret, certificates, roles)
        return self.applications[client_id]

    def service_account(self, email, public_key, users):
        """A Google service account: it may sign for these users."""
        self.accounts[email] = (public_key, set(users))

    def consent(self, client_id, user):
        """A person has consented: a refresh token."""
        token = 'refresh-%s' % os.urandom(24).hex()
        with self.lock:
            self.refresh_tokens[token] = (client_id, user)
        return token

    def fail(self, status=503, body=b'{}', headers=(), count=1, for_ever=False):
        """The next answers, or all until heal()."""
        for _ in range(count):
            self.faults.append((status, body, tuple(headers), for_ever))

    def heal(self):
        self.faults.clear()
        self.delay = 0

    def down(self):
        """Nobody listens there."""
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.server.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server = None

    def up(self):
        check(self.server is None, 'the endpoint is up')
        self.server = Server(self, getattr(self, 'port', 0) or free_port())
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True).start()

    @property
    def root(self):
        return 'https://localhost:%d' % self.port

    @property
    def url(self):
        return '%s/%s/oauth2/v2.0/token' % (self.root, self.tenant)

    def now(self):
        return time.time() + self.clock_ahead

    def wait_given(self, count, timeout=60):
        eventually(lambda: self.given >= count, lambda: 'tokens given: %d of %d' % (self.given, count), timeout)

    def check_clean(self):
        check(not self.violations, 'violations: %s', self.violations[:5])

    def stop(self):
        if self.server:
            self.down()

    # ---- answers

    def serve(self, handler, body):
        if self.before:
            self.before()
        if self.delay:
            time.sleep(self.delay)
        url = urllib.parse.urlsplit(handler.path)
        form = dict(urllib.parse.parse_qsl(body.decode(errors='replace'), keep_blank_values=True))
        with self.lock:
            self.requests.append((time.time(), url.path, form))
        if any(word in url.query for word in ('secret', 'token', 'assertion')):
            self.violations.append('a secret in the URL')
        if self.faults:
            status, answer, headers, for_ever = self.faults[0] if self.faults[0][3] else self.faults.popleft()
            self._note_retry_after(form, headers)
            return handler.answer(status, answer, headers)
        try:
            self._check_pause(form)
            handler.answer(200, self._answer(handler, url.path, form, body))
        except Problem as problem:
            handler.answer(problem.status, problem.body)

    def _note_retry_after(self, form, headers):
        for name, value in headers:
            if name.lower() == 'retry-after' and str(value).isdigit():
                self.not_before[form.get('client_id')] = time.time() + float(value)

    def _check_pause(self, form):
        left = self.not_before.get(form.get('client_id'), 0) - time.time()
        if left > 0.05:
            self.violations.append('asked %.1f s before Retry-After' % left)

    def _answer(self, handler, path, form, body):
        if path == '/%s/oauth2/v2.0/token' % self.tenant or path == '/token':
            return self._token(form)
        if path == '/%s/oauth2/v2.0/devicecode' % self.tenant:
            return self._device(form)
        return self._other(handler, path, body)

    # ---- Graph: an application's own keys

    def _other(self, handler, path, body):
        for application in self.applications.values():
            root = '/v1.0/applications/' + application.object_id
            if path == root:
                return self._list_keys(application, handler)
            if path in (root + '/addKey', root + '/removeKey'):
                return self._roll_key(application, handler, path.rpartition('/')[2], json.loads(body))
        raise graph_problem(404, 'Request_ResourceNotFound', 'Resource does not exist.')

    def _signed_in(self, application, handler):
        claims = self.tokens.read(handler.headers.get('Authorization', '').partition('Bearer ')[2], self.now())
        if claims['appid'] != application.client_id or claims['aud'] != self.root:
            raise graph_problem(401, 'InvalidAuthenticationToken', 'Access token validation failure.')

    def _list_keys(self, application, handler):
        self._signed_in(application, handler)
        if not application.may_read:
            raise graph_problem(403, 'Authorization_RequestDenied', 'Insufficient privileges.')
        return {'id': application.object_id, 'keyCredentials': [
            {'keyId': key_id(c), 'type': 'AsymmetricX509Cert', 'usage': 'Verify',
             'customKeyIdentifier': hashlib.sha1(c.public_bytes(serialization.Encoding.DER)).hexdigest().upper()}
            for c in application.certificates]}

    def _roll_key(self, application, handler, what, request):
        self._signed_in(application, handler)
        self._check_proof(application, request['proof'])
        if what == 'addKey':
            certificate = x509.load_der_x509_certificate(base64.b64decode(request['keyCredential']['key']))
            with self.lock:
                application.certificates.append(certificate)
                application.known_from[key_id(certificate)] = time.time() + self.propagation
            return {'keyId': key_id(certificate)}
        with self.lock:
            left = [c for c in application.certificates if key_id(c) != request['keyId']]
            if len(left) == len(application.certificates):
                raise graph_problem(404, 'Request_ResourceNotFound', 'No such key.')
            application.certificates = left
        return {}

    def _check_proof(self, application, proof):
        header, claims, signed, signature = take_apart(proof)
        for certificate in application.certificates:
            try:
                verify(certificate.public_key(), header.get('alg'), signed, signature)
            except InvalidSignature:
                continue
            if claims['aud'] != self.proof_audience or claims['iss'] != application.object_id:
                raise graph_problem(400, 'Request_BadRequest', 'Invalid proof of possession token.')
            return self._check_time(claims, graph_problem(401, 'Authentication_Unauthorized', 'expired'))
        raise graph_problem(401, 'Authentication_MissingOrMalformed', 'Access Token missing or malformed.')

    def _token(self, form):
        grant = form.get('grant_type')
        if grant == JWT_GRANT:
            return self._service_account(form)
        application = self._application(form)
        if grant == 'client_credentials':
            self._prove(application, form)
            if not form.get('scope', '').endswith('/.default'):
                raise aadsts(1002012, 'The provided value for scope %s is not valid.' % form.get('scope'),
                             'invalid_scope', 400)
            return self._give(application=application.client_id, roles=application.roles,
                              audience=form['scope'][:-len('/.default')])
        if grant == 'refresh_token':
            return self._refresh(application, form)
        if grant == DEVICE_GRANT:
            return self._device_token(application, form)
        raise aadsts(70003, 'The app requested an unsupported grant type.', 'unsupported_grant_type', 400)

    def _give(self, refresh=None, **claims):
        with self.lock:
            self.given += 1
        answer = {'token_type': 'Bearer', 'expires_in': self.lifetime, 'ext_expires_in': self.lifetime,
                  'access_token': self.tokens.issue(lifetime=self.lifetime, tenant=self.tenant, **claims)}
        if refresh:
            answer['refresh_token'] = refresh
        return answer

    def _application(self, form):
        application = self.applications.get(form.get('client_id'))
        if not application:
            raise aadsts(700016, "Application with identifier '%s' was not found in the directory."
                         % form.get('client_id'), 'unauthorized_client', 400)
        if not application.enabled:
            raise aadsts(7000112, 'Application is disabled.', 'unauthorized_client', 400)
        return application

    def _prove(self, application, form):
        if 'client_assertion' in form:
            if form.get('client_assertion_type') != ASSERTION:
                raise aadsts(900144, 'client_assertion_type', 'invalid_request', 400)
            return self._check_assertion(application, form['client_assertion'])
        if application.secret is None or 'client_secret' not in form:
            raise aadsts(7000218, "The request body must contain the following parameter: 'client_assertion' or "
                         "'client_secret'.")
        if form['client_secret'] != application.secret:
            raise aadsts(7000215, 'Invalid client secret provided. Ensure the secret being sent in the request is the '
                         'client secret value, not the client secret ID.')
        return None

    def _check_assertion(self, application, assertion):
        try:
            header, claims, signed, signature = take_apart(assertion)
        except ValueError:
            raise aadsts(50027, 'JWT token is invalid or malformed.', 'invalid_request', 400) from None
        found = [c for c in application.certificates
                 if application.known_from.get(key_id(c), 0) <= time.time()]
        found = [c for c in found
                 if thumbprint(c, hashlib.sha256) == header.get('x5t#S256') or
                 thumbprint(c, hashlib.sha1) == header.get('x5t')]
        if not found:
            raise aadsts(700027, "The certificate with identifier used to sign the client assertion is not registered "
                         "on application. [Reason - The key was not found., Thumbprint of key used by client: "
                         "'%s']" % header.get('x5t#S256'))
        try:
            verify(found[0].public_key(), header.get('alg'), signed, signature)
        except InvalidSignature:
            raise aadsts(50013, 'Assertion failed signature validation.') from None
        self._check_time(claims, aadsts(700024, 'Client assertion is not within its valid time range. Current time: '
                                        '%s.' % time.strftime('%FT%TZ', time.gmtime(self.now()))))
        if claims.get('aud') != self.url:
            raise aadsts(700023, 'Client assertion audience claim does not match Realm issuer.')
        if claims.get('iss') != application.client_id or claims.get('sub') != application.client_id:
            raise aadsts(700021, 'Client assertion application identifier does not match.')
        self._note_identifier(claims)
        return found[0]

    def _check_time(self, claims, problem):
        if not claims['nbf'] <= self.now() <= claims['exp']:
            raise problem
        if claims['exp'] - claims['nbf'] > LIFE_MAX:
            self.violations.append('an assertion for %d s' % (claims['exp'] - claims['nbf']))

    def _note_identifier(self, claims):
        with self.lock:
            if claims.get('jti') is None or claims['jti'] in self.seen:
                self.violations.append('an assertion without an identifier of its own')
            self.seen.add(claims.get('jti'))

    def _refresh(self, application, form):
        token = form.get('refresh_token', '')
        with self.lock:
            known = self.refresh_tokens.pop(token, None)
            if token in self.exchanged:
                self.violations.append('a refresh token that was exchanged')
            self.exchanged.add(token)
        if application.secret is not None:
            self._prove(application, form)
        elif 'client_secret' in form:
            raise aadsts(700025, "Client is public so neither 'client_assertion' nor 'client_secret' should be "
                         "presented.")
        if not known or known[0] != application.client_id:
            raise aadsts(70008, 'The provided authorization code or refresh token has expired due to inactivity.',
                         'invalid_grant', 400)
        if 'scope' not in form:
            raise aadsts(900144, "The request body must contain the following parameter: 'scope'.", 'invalid_request',
                         400)
        return self._give(refresh=self.consent(*known), application=application.client_id, user=known[1])

    def _service_account(self, form):
        try:
            header, claims, signed, signature = take_apart(form.get('assertion', ''))
        except ValueError:
            raise Problem(400, 'invalid_request', 'Bad JWT') from None
        key, users = self.accounts.get(claims.get('iss'), (None, ()))
        if not key:
            raise Problem(400, 'invalid_grant', 'Invalid grant: account not found')
        try:
            if header.get('alg') != 'RS256':
                raise InvalidSignature()
            verify(key, 'RS256', signed, signature)
        except InvalidSignature:
            raise Problem(400, 'invalid_grant', 'Invalid JWT Signature.') from None
        if not claims['iat'] <= self.now() <= claims['exp'] <= claims['iat'] + 3600:
            raise Problem(400, 'invalid_grant', 'Invalid JWT: Token must be a short-lived token (60 minutes) and in a '
                          'reasonable timeframe. Check your iat and exp values in the JWT claim.')
        if claims.get('sub') not in users or claims.get('scope') != 'https://mail.google.com/':
            raise Problem(401, 'unauthorized_client', 'Client is unauthorized to retrieve access tokens using this '
                          'method, or client not authorized for any of the scopes requested.')
        self._note_identifier(claims)
        return self._give(user=claims['sub'], application=claims['iss'], audience='https://mail.google.com')

    # ---- a person at a browser (RFC 8628)

    def _device(self, form):
        application = self._application(form)
        code, shown = os.urandom(16).hex(), os.urandom(4).hex().upper()
        with self.lock:
            self.devices[code] = {'client': application.client_id, 'shown': shown, 'user': None, 'asked': 0,
                                  'interval': 1, 'until': time.time() + self.device_life, 'asked_often': 0}
        return {'device_code': code, 'user_code': shown, 'verification_uri': self.root + '/device', 'interval': 1,
                'expires_in': self.device_life,
                'message': 'To sign in, open %s/device and enter the code %s' % (self.root, shown)}

    def sign_in(self, shown, user):
        """What the person does; user None: declines."""
        for device in self.devices.values():
            if device['shown'] == shown:
                device['user'] = user or False

    def _device_token(self, application, form):
        device = self.devices.get(form.get('device_code'))
        if not device or device['client'] != application.client_id:
            raise Problem(400, 'bad_verification_code', 'unknown')
        early = time.time() - device['asked'] < device['interval'] - 0.2
        device['asked'] = time.time()
        device['asked_often'] += 1
        if early:
            self.violations.append('asked for a device before its interval')
        if time.time() > device['until']:
            raise Problem(400, 'expired_token', 'AADSTS70019: OAuth 2.0 device flow error. Verification code expired.',
                          error_codes=[70019])
        if device['asked_often'] <= self.slow_downs:
            device['interval'] += 5
            raise Problem(400, 'slow_down', 'AADSTS70017: OAuth 2.0 device flow error. Slow down.')
        if device['user'] is None:
            raise Problem(400, 'authorization_pending', 'AADSTS70016: OAuth 2.0 device flow error. Authorization is '
                          'pending. Continue polling.', error_codes=[70016])
        if device['user'] is False:
            raise Problem(400, 'authorization_declined', 'declined')
        return self._give(refresh=self.consent(application.client_id, device['user']), user=device['user'],
                          application=application.client_id)


def key_and_certificate(directory, name='app', days=400):
    """A self-signed certificate with an RSA key, made by OpenSSL: (certificate's path, key's path)."""
    paths = [os.path.join(directory, '%s.%s' % (name, ending)) for ending in ('crt', 'key')]
    made = subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', str(days), '-subj',
                           '/CN=' + name, '-out', paths[0], '-keyout', paths[1]], capture_output=True, text=True)
    check(made.returncode == 0, 'openssl req: %s', made.stderr[-500:])
    return paths
