#!/usr/bin/python3
"""tests/e2e/test_exchangers.py - a destination's hosts are those that the DNS names for a domain (mx_of)."""

import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (Certificates, Client, NextHop, Workspace, case, check, equal, eventually, free_port,  # noqa: E402
                     message)
from name_server import EMPTY, MX, NXDOMAIN, SERVFAIL, Exchangers, NameServer  # noqa: E402


def relay_of(work, server, port, destination=None, **changes):
    one = {'name': 'tenant', 'mx_of': 'contoso.lab:%d' % port, 'tls': {'mode': 'none'}, **(destination or {})}
    return work.relay(work.configuration([], destinations=[one], routes=[{'destination': 'tenant'}],
                                         dns={'servers': [server.address]}, **changes))


def send(relay, numbers):
    with Client(relay.address) as client:
        client.hello()
        for number in numbers:
            client.envelope()
            client.data(message(number))


@case
def by_preference():
    """The best takes all while it is there; when it is gone the next one does."""
    with Workspace() as work:
        port = free_port()
        first, second = work.own(NextHop(port=port)), work.own(NextHop(address='127.0.0.2', port=port))
        server = work.own(NameServer({'contoso.lab': Exchangers((20, 'b.contoso.lab'), (10, 'a.contoso.lab')),
                                      'a.contoso.lab': ['127.0.0.1'], 'b.contoso.lab': ['127.0.0.2']}))
        relay = relay_of(work, server, port)
        send(relay, range(1, 11))
        first.wait_arrivals(10)
        equal(len(second.arrivals), 0, 'at the second')
        told = relay.told('exchangers')[0]
        equal((told['domain'], told['hosts']), ('contoso.lab', 'a.contoso.lab:%d, b.contoso.lab:%d' % (port, port)),
              'event')
        check(server.asked('contoso.lab', MX) >= 1, 'not asked for MX')
        first.stop()
        send(relay, range(11, 21))
        second.wait_arrivals(10)
        relay.terminate()


@case
def a_server_that_is_always_slow():
    """Each question takes it more than two seconds, as behind a satellite: strangers' domains get their mail."""
    with Workspace() as work:
        hop = work.own(NextHop())
        server = work.own(NameServer({'contoso.lab': Exchangers((10, 'a.contoso.lab')),
                                      'a.contoso.lab': ['127.0.0.1']}, delay=2.3))
        one = {'name': 'internet', 'mx': True, 'mx_port': hop.port, 'tls': {'mode': 'none'}}
        relay = work.relay(work.configuration(
            [], destinations=[one], routes=[{'destination': 'internet'}],
            dns={'servers': [server.address], 'dnssec': 'off', 'allow_private': True}))
        with Client(relay.address) as client:
            client.hello()
            client.envelope(recipients=['somebody@contoso.lab'])
            client.data(message(1))
        hop.wait_arrivals(1, timeout=90)
        relay.terminate()


@case
def another_answer():
    """The domain moves: what is connected ends, new mail goes to the new host; the old host gets none."""
    with Workspace() as work:
        port = free_port()
        first, second = work.own(NextHop(port=port)), work.own(NextHop(address='127.0.0.2', port=port))
        names = {'contoso.lab': Exchangers((10, 'a.contoso.lab')), 'a.contoso.lab': ['127.0.0.1'],
                 'b.contoso.lab': ['127.0.0.2']}
        server = work.own(NameServer(names, ttl=1))
        relay = relay_of(work, server, port, {'limits': {'messages_per_connection': 1}})
        send(relay, range(1, 6))
        first.wait_arrivals(5)
        names['contoso.lab'] = Exchangers((10, 'b.contoso.lab'))
        number = 6
        while not second.arrivals:
            check(number < 1000, 'the new host was never found')
            send(relay, [number])
            number += 1
            total = number - 1
            eventually(lambda: len(first.arrivals) + len(second.arrivals) >= total, 'it arrives')
            time.sleep(0.2)
        eventually(lambda: relay.events('exchangers')[-1]['hosts'].startswith('b.contoso.lab'), 'it is told')
        # A name server that fails later on: what is known stays in force.
        names['contoso.lab'] = SERVFAIL
        send(relay, range(number, number + 20))
        eventually(lambda: len(first.arrivals) + len(second.arrivals) >= number + 19, 'all arrive')
        relay.terminate()


@case
def hosts_that_are_none():
    """One that is called otherwise than the provider's is left out and told; where none is left mail waits."""
    with Workspace() as work:
        port = free_port()
        wrong, right = work.own(NextHop(port=port)), work.own(NextHop(address='127.0.0.2', port=port))
        names = {'contoso.lab': Exchangers((1, 'mail.forged.lab'), (2, 'xprovider.lab')),
                 'mail.forged.lab': ['127.0.0.1'], 'xprovider.lab': ['127.0.0.1'],
                 'mail.PROVIDER.lab'.lower(): ['127.0.0.2']}
        server = work.own(NameServer(names, ttl=1))
        relay = relay_of(work, server, port, {'hosts_end_with': ['.provider.lab']})
        send(relay, range(1, 6))
        eventually(lambda: relay.events('exchangers_failed'), 'it is told')
        equal({event['host'] for event in relay.events('exchanger_refused')}, {'mail.forged.lab', 'xprovider.lab'},
              'left out')
        names['contoso.lab'] = Exchangers((1, 'mail.forged.lab'), (2, 'mail.PROVIDER.lab'))
        right.wait_arrivals(5)
        equal(len(wrong.arrivals), 0, 'at the wrong one')
        relay.terminate()


@case
def no_host():
    """No such domain, a null MX, servers that fail: mail waits, the event says why, and a fallback takes over."""
    for answer, why in ((NXDOMAIN, 'NXDOMAIN'), (Exchangers((0, '.')), 'null MX'), (SERVFAIL, 'SERVFAIL')):
        with Workspace() as work:
            port = free_port()
            other = work.own(NextHop())
            server = work.own(NameServer({'contoso.lab': answer}))
            destinations = [{'name': 'tenant', 'mx_of': 'contoso.lab:%d' % port, 'tls': {'mode': 'none'},
                             'fallback': 'other', 'fallback_after': '100ms'},
                            {'name': 'other', 'hosts': [other.host], 'tls': {'mode': 'none'}}]
            relay = work.relay(work.configuration([], destinations=destinations, routes=[{'destination': 'tenant'}],
                                                  dns={'servers': [server.address]}))
            send(relay, range(1, 4))
            other.wait_arrivals(3)
            told = relay.told('exchangers_failed')
            check(why in told[0]['problem'], 'why: %s', told)
            relay.terminate()


@case
def the_domain_itself():
    """Without an MX the domain's own host takes its mail (RFC 5321 5.1)."""
    with Workspace() as work:
        hop = work.own(NextHop())
        server = work.own(NameServer({'contoso.lab': lambda kind, tcp: EMPTY if kind == MX else ['127.0.0.1']}))
        relay = relay_of(work, server, hop.port)
        send(relay, range(1, 4))
        hop.wait_arrivals(3)
        relay.terminate()


@case
def tls_verifies_the_host():
    """The certificate is to be for the host that was answered, not for the domain."""
    with Workspace() as work:
        certificates = Certificates()
        hop = work.own(NextHop(tls=certificates.server_context()))
        names = {'contoso.lab': Exchangers((10, 'other.example.org')), 'other.example.org': ['127.0.0.1'],
                 'mail.example.org': ['127.0.0.1']}
        server = work.own(NameServer(names, ttl=1))
        relay = relay_of(work, server, hop.port, {'tls': {'mode': 'verify', 'ca_file': certificates.path('ca.crt')},
                                                  'hosts_end_with': ['.example.org']})
        send(relay, range(1, 4))
        eventually(lambda: relay.events('host_failed'), 'it is told')
        equal(len(hop.arrivals), 0, 'at the host with a certificate for another')
        names['contoso.lab'] = Exchangers((10, 'mail.example.org'))
        hop.wait_arrivals(3)
        relay.terminate()


@case
def another_domain_by_reload():
    """And back: each time new mail goes to the hosts of the domain in force."""
    with Workspace() as work:
        port = free_port()
        first, second = work.own(NextHop(port=port)), work.own(NextHop(address='127.0.0.2', port=port))
        server = work.own(NameServer({'contoso.lab': Exchangers((10, 'a.lab')), 'fabrikam.lab':
                                      Exchangers((10, 'b.lab')), 'a.lab': ['127.0.0.1'], 'b.lab': ['127.0.0.2']}))
        content = work.configuration([], destinations=[{'name': 'tenant', 'mx_of': 'contoso.lab:%d' % port,
                                                        'tls': {'mode': 'none'}}],
                                     routes=[{'destination': 'tenant'}],
                                     dns={'servers': [server.address]})
        relay = work.relay(content)
        send(relay, range(1, 6))
        first.wait_arrivals(5)
        for domain, hop, numbers in (('fabrikam.lab', second, range(6, 11)), ('contoso.lab', first, range(11, 16))):
            content['destinations'][0]['mx_of'] = '%s:%d' % (domain, port)
            work.write('postrider.yaml', json.dumps(content))
            subprocess.run([harness.program('postrider'), 'reload', '--config', work.path('postrider.yaml')],
                           check=True, timeout=120)
            before = len(hop.arrivals)
            send(relay, numbers)
            hop.wait_arrivals(before + 5)
        equal((len(first.arrivals), len(second.arrivals)), (10, 5), 'at the two')
        relay.terminate()


@case
def other_ends_by_reload():
    """I6: what a reload calls no host of the provider's gets nothing more, also while the DNS names no other."""
    with Workspace() as work:
        port = free_port()
        wrong, right = work.own(NextHop(port=port)), work.own(NextHop(address='127.0.0.2', port=port))
        names = {'contoso.lab': Exchangers((1, 'mail.forged.lab')), 'mail.forged.lab': ['127.0.0.1'],
                 'mail.provider.lab': ['127.0.0.2']}
        server = work.own(NameServer(names, ttl=1))
        content = work.configuration([], destinations=[{'name': 'tenant', 'mx_of': 'contoso.lab:%d' % port,
                                                        'tls': {'mode': 'none'}}],
                                     routes=[{'destination': 'tenant'}],
                                     dns={'servers': [server.address]})
        relay = work.relay(content)
        send(relay, range(1, 6))
        wrong.wait_arrivals(5)
        content['destinations'][0]['hosts_end_with'] = ['.provider.lab']
        work.write('postrider.yaml', json.dumps(content))
        subprocess.run([harness.program('postrider'), 'reload', '--config', work.path('postrider.yaml')],
                       check=True, timeout=120)
        send(relay, range(6, 11))
        eventually(lambda: relay.events('exchangers_failed'), 'it is told')
        names['contoso.lab'] = Exchangers((1, 'mail.provider.lab'))
        eventually(lambda: len(wrong.arrivals) + len(right.arrivals) >= 10, 'all arrive')
        equal((len(wrong.arrivals), len(right.arrivals)), (5, 5), 'at the two')
        relay.terminate()


if __name__ == '__main__':
    sys.exit(harness.main(together=4))
