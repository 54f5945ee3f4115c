#!/usr/bin/python3
"""tests/interop/test_haproxy.py - the relay behind HAProxy, which says whose its connections are: send-proxy and
send-proxy-v2, with its health checks, in clear, with STARTTLS and with TLS from the first octet."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import harness  # noqa: E402
from harness import (Certificates, Client, NextHop, Process, Workspace, case, check, equal, eventually,  # noqa: E402
                     free_port, listening, message)

PROGRAM = os.path.join(harness.peers_directory(), 'haproxy', 'usr', 'sbin', 'haproxy')
MODES = {'clear': 'off', 'offered': 'offered', 'implicit': 'implicit'}
WAYS = {
    'v1': 'send-proxy',
    'v2': 'send-proxy-v2',
    'v2-checksum': 'send-proxy-v2 proxy-v2-options crc32c,unique-id',
    'none': '',
}
BALANCER, CLIENT = '127.0.0.9', '127.0.0.77'
CONFIGURATION = """
global
    log stderr format raw local0 warning
defaults
    mode tcp
    unique-id-format %[uuid()]
    timeout connect 10s
    timeout client 60s
    timeout server 60s
"""
PROXY = """
listen {name}
    bind 127.0.0.1:{port}
    source {balancer}
    {check}
    server relay {host}:{relay_port} {way} {options}
"""


def unavailable():
    return None if os.path.exists(PROGRAM) else 'run tests/install-peers haproxy first'


class Balanced:
    """A relay with a listener of each mode, and HAProxy with a port for each of these and each way to say who it is."""

    def __init__(self, work):
        self.certificates = certificates = Certificates()
        self.hop = work.own(NextHop())
        configuration = work.configuration([self.hop.host], listeners=[
            {'name': mode, 'address': '127.0.0.1:0', 'tls': tls, 'proxy_protocol_from': [BALANCER]}
            for mode, tls in MODES.items()], clients=[{'name': 'office', 'networks': [CLIENT]}])
        configuration['tls'] = {'certificates': [{'certificate': certificates.server,
                                                  'private_key': certificates.server_key}]}
        self.relay = work.relay(configuration)
        self.ports, text = {}, CONFIGURATION
        for mode, (host, relay_port) in zip(MODES, self.relay.addresses()):
            for name, way in WAYS.items():
                port = self.ports[mode, name] = free_port()
                checked = mode == 'clear' and way
                text += PROXY.format(name=mode + '-' + name, port=port, balancer=BALANCER, host=host,
                                     relay_port=relay_port, way=way,
                                     check='option smtpchk EHLO balancer.example.net' if checked else '',
                                     options='check inter 200ms check-send-proxy' if checked else '')
        self.haproxy = work.own(Process([PROGRAM, '-db', '-f', work.write('haproxy.cfg', text)]))
        eventually(lambda: all(listening(port) for port in self.ports.values()) or not self.haproxy.running(),
                   lambda: 'HAProxy listens: ' + self.haproxy.tail())
        check(self.haproxy.running(), 'HAProxy does not run: %s', self.haproxy.tail())

    def wrap(self, client):
        client.socket = self.certificates.client_context().wrap_socket(client.socket,
                                                                       server_hostname='mail.example.org')

    def send(self, mode, name, number):
        with Client(('127.0.0.1', self.ports[mode, name]), greeting=False, source=CLIENT) as client:
            if mode == 'implicit':
                self.wrap(client)
            client.expect(220)
            client.hello()
            if mode == 'offered':
                client.command('STARTTLS', 220)
                self.wrap(client)
                client.hello()
            client.envelope()
            client.data(message(number))
            client.command('QUIT', 221)


@case
def each_version_in_each_mode():
    """What comes through HAProxy is the client's, whose address it says; a server without send-proxy is told of; its
    health checks are sessions of its own, and none of them makes an event that asks for something."""
    if unavailable():
        return 'skipped: ' + unavailable()
    with Workspace() as work:
        place = Balanced(work)
        sent = [(mode, name) for mode in MODES for name, way in WAYS.items() if way]
        for number, (mode, name) in enumerate(sent):
            place.send(mode, name, number)
        arrivals = place.hop.wait_arrivals(len(sent))
        check(all(b'[%s]' % CLIENT.encode() in arrival.content for arrival in arrivals), 'Received has the client')
        eventually(lambda: len(place.relay.events('accepted')) == len(sent), lambda: 'all events')
        equal({(event['peer'], event['client']) for event in place.relay.events('accepted')}, {(CLIENT, 'office')},
              'who sent')
        eventually(lambda: any(event['peer'] == BALANCER and event['helo'] == 'balancer.example.net'
                               for event in place.relay.events('session') if 'helo' in event),
                   lambda: 'a health check')
        before = len(place.relay.events('proxy_header'))
        with Client(('127.0.0.1', place.ports['clear', 'none']), greeting=False, source=CLIENT) as client:
            client.send(b'EHLO client.example.net\r\n')
            check(client.closed(), 'something is said')
        eventually(lambda: len(place.relay.events('proxy_header')) > before, lambda: 'an event')
        event = place.relay.events('proxy_header')[-1]
        equal((event['peer'], event['problem']), (BALANCER, 'it began with something else than a PROXY header'),
              'the event')
        equal(before, 0, 'events before')
        place.relay.terminate()


if __name__ == '__main__':
    harness.main()
