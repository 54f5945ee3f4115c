"""tests/e2e/remote.py - a relay that is asked over TCP (control.http)."""

import base64
import contextlib
import http.client
import json
import signal
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
        self.work = work
        self.relay = work.relay(self.configuration)

    def take(self, **settings):
        """A reload, with these in control.http."""
        count = len(self.relay.events('reloaded'))
        self.configuration['control']['http'].update(settings)
        self.work.write('postrider.yaml', json.dumps(self.configuration, indent=1))
        self.relay.signal(signal.SIGHUP)
        self.relay.told('reloaded', count + 1)

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
        return ask(self.connection(shows=shows), method, path, body, user, **fields)


def ask(connection, method='GET', path='/v1/status', body=None, user=None, **fields):
    """(status, fields, text) of one request on a connection that is closed behind it; `user`: (name, password)."""
    headers = {name.replace('_', '-'): value for name, value in fields.items()}
    if user:
        headers['Authorization'] = 'Basic ' + base64.b64encode(':'.join(user).encode()).decode()
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()
    finally:
        connection.close()


def status_on(connection):
    """The status of one request, behind which the connection stays."""
    connection.request('GET', '/v1/status')
    response = connection.getresponse()
    response.read()
    return response.status


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
