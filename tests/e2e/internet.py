"""tests/e2e/internet.py - domains, their MX hosts and name servers on loopback, and a relay that sends there."""

import json
import subprocess

import harness
from harness import Client, NextHop, equal, eventually, free_port, message
from name_server import Exchangers, NameServer


class Internet:
    """Some MX hosts, mail.a.lab at 127.0.0.1 and so on, and a relay that asks for them."""

    def __init__(self, work, hosts, domains, destination=None, dns=None, prefix=(), more=(), **changes):
        self.work, self.port = work, free_port()
        self.hops, self.names = {}, {}
        for number, name in enumerate(hosts, 1):
            self.hops[name] = work.own(NextHop(address='127.0.0.%d' % number, port=self.port))
            self.names['mail.%s.lab' % name] = ['127.0.0.%d' % number]
        self.names.update(domains)
        self.server = work.own(NameServer(self.names, ttl=1))
        one = {'name': 'internet', 'mx': True, 'mx_port': self.port, 'tls': {'mode': 'none'}, **(destination or {})}
        others = json.loads(json.dumps(list(more)).replace('PORT', str(self.port)))
        self.content = work.configuration([], **{
            'destinations': [one, *others], 'routes': [{'destination': 'internet'}],
            'dns': {'servers': [self.server.address], 'dnssec': 'off', 'allow_private': True, **(dns or {})},
            **changes})
        self.relay = work.relay(self.content, prefix=list(prefix))

    def send(self, *recipients, first=1):
        """A message for each: an address or a list of them."""
        with Client(self.relay.address) as client:
            client.hello()
            for number, one in enumerate(recipients, first):
                client.envelope(recipients=[one] if isinstance(one, str) else one)
                client.data(message(number))

    def arrived(self, name):
        return sorted(recipient for arrival in self.hops[name].arrivals for recipient in arrival.recipients)

    def expect(self, **wanted):
        eventually(lambda: all(len(self.arrived(name)) >= len(ones) for name, ones in wanted.items()),
                   'mail arrives: %s' % {name: self.arrived(name) for name in wanted})
        for name, ones in wanted.items():
            equal(self.arrived(name), sorted(ones), name)

    def failed(self):
        return {event['host']: (event['code'], event['reply']) for event in self.relay.events('attempt')
                if event['result'] == 'failed'}

    def reload(self):
        self.work.write('postrider.yaml', json.dumps(self.content))
        subprocess.run([harness.program('postrider'), 'reload', '--config', self.work.path('postrider.yaml')],
                       check=True, timeout=120)


def to(name, preference=10):
    return Exchangers((preference, 'mail.%s.lab' % name))
