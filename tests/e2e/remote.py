"""tests/e2e/remote.py - a relay that is asked over TCP (control.http)."""

import base64
import contextlib
import http.client
import json
import ssl

from basics import eventually
from control_socket import http_settings
from ports import free_port

ACT = {'X-Postrider-Act': 'yes', 'Content-Type': 'application/json'}
HOLD = ('POST', '/v1/queue/hold', json.dumps({'ids': ['0' * 26]}))


class Remote:
    """A relay that is asked over TCP."""

    def __init__(self, work, users=(), operate=(), certificates=None, ca=None, **more):
        self.port = free_port()
        self.certificates = certificates
        self.ca = ca or certificates and certificates.ca
        settings = http_settings(work, self.port, users, operate)
        if certificates:
            settings.update(certificate=certificates.server, private_key=certificates.server_key)
        settings.update(more)
        self.configuration = work.configuration(['127.0.0.1:9'], control={
            'socket': work.path('control.sock'), 'http': settings})
        self.relay = work.relay(self.configuration)

    def connection(self, timeout=60, shows=None):
        """`shows`: (certificate, key) of who asks."""
        if self.certificates:
            context = ssl.create_default_context(cafile=self.ca)
            context.check_hostname = False
            if shows:
                context.load_cert_chain(*shows)
            return http.client.HTTPSConnection('127.0.0.1', self.port, timeout=timeout, context=context)
        return http.client.HTTPConnection('127.0.0.1', self.port, timeout=timeout)

    def shown(self):
        """The certificate that who comes now is shown."""
        connection = self.connection()
        connection.connect()
        certificate = connection.sock.getpeercert(True)
        connection.close()
        return certificate

    def ask(self, method='GET', path='/v1/status', body=None, user=None, shows=None, **fields):
        """(status, fields, text)"""
        headers = {name.replace('_', '-'): value for name, value in fields.items()}
        if user:
            headers['Authorization'] = 'Basic ' + base64.b64encode(':'.join(user).encode()).decode()
        connection = self.connection(shows=shows)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()


def act(remote, **fields):
    return remote.ask(*HOLD, **{**{name.replace('-', '_'): value for name, value in ACT.items()}, **fields})


def guess_until_locked(remote, **fields):
    """Wrong passwords, whose answers nobody waits for long, until none is looked at any more."""
    open_ones = []
    wrong = 'Basic ' + base64.b64encode(b'root:wrong').decode()

    def locked():
        connection = remote.connection(timeout=0.3)
        open_ones.append(connection)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request('GET', '/v1/status', headers={
                'Authorization': wrong, **{name.replace('_', '-'): value for name, value in fields.items()}})
            return connection.getresponse().status == 429
        return False
    eventually(locked, 'it is locked', timeout=120)
    for connection in open_ones:
        connection.close()
