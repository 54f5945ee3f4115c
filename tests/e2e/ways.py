"""tests/e2e/ways.py - one relay that clients reach in clear, by STARTTLS and by TLS from the first octet.

What must hold for octets that arrive must hold in all three ways: `for way in WAYS: client = place.connect(way)`.
"""

import harness

WAYS = ('clear', 'starttls', 'implicit')


class Ways:
    """A relay before one scripted next hop."""

    def __init__(self, work, extensions=harness.ALL_EXTENSIONS, **changes):
        self.certificates = harness.Certificates()
        self.context = self.certificates.client_context()
        self.hop = work.own(harness.NextHop(extensions))
        configuration = work.configuration([self.hop.host], **changes)
        configuration['listeners'] = [{'name': 'lan', 'address': '127.0.0.1:0', 'tls': 'offered'},
                                      {'name': 'smtps', 'address': '127.0.0.1:0', 'tls': 'implicit'}]
        configuration['tls'] = {'certificates': [{'certificate': self.certificates.server,
                                                  'private_key': self.certificates.server_key}]}
        self.relay = work.relay(configuration)

    def connect(self, way='clear'):
        """A client that has said EHLO."""
        client = harness.Client(self.relay.addresses()[1 if way == 'implicit' else 0], greeting=way != 'implicit')
        if way == 'starttls':
            client.hello()
            client.command('STARTTLS', 220)
        if way != 'clear':
            client.socket = self.context.wrap_socket(client.socket, server_hostname='mail.example.org')
        if way == 'implicit':
            client.expect(220)
        client.hello()
        return client
