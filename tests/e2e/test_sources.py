#!/usr/bin/python3
"""tests/e2e/test_sources.py - where connections come from, and which family of a host's addresses is used."""

import contextlib
import json
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, eventually  # noqa: E402
from name_server import Exchangers, NameServer  # noqa: E402

NOT_OURS = '198.51.100.7'  # RFC 5737: documentation
SITES = 'abcdefgh'


def send(relay, recipient='recipient@example.com', count=1):
    with Client(relay.address) as client:
        client.hello()
        for _ in range(count):
            client.envelope(recipients=[recipient])
            client.data(b'Subject: a source\r\n\r\ntext\r\n')


def peers(hop):
    return {session.peer for session in hop.sessions if session.commands}


def many(work, hops, sources, **limits):
    """A destination for each hop, with the same sources."""
    destinations = [{'name': name, 'hosts': [hop.host], 'tls': {'mode': 'none'}, 'source_addresses': sources,
                     'limits': dict({'connections': 4}, **limits)} for name, hop in hops.items()]
    routes = [{'recipient': '*@%s.example' % name, 'destination': name} for name in hops]
    return work.configuration([], destinations=destinations, routes=routes)


def change(work, relay, configuration):
    reloads = relay.count['reloaded']
    work.write('postrider.yaml', json.dumps(configuration))
    relay.signal(signal.SIGHUP)
    eventually(lambda: relay.count['reloaded'] > reloads, 'the reload')


@case
def a_site_is_served_from_one_address():
    """Over connections of one message each, over a restart, and whatever the order in the file; different sites from
    different ones."""
    sources = ['127.0.0.%d' % i for i in range(2, 6)]
    with Workspace() as work:
        hops = {name: work.own(NextHop()) for name in SITES}
        for part in (1, 2):
            relay = work.relay(many(work, hops, sources, messages_per_connection=1), name='relay%d' % part)
            for name in hops:
                send(relay, 'user@%s.example' % name, 5)
            for hop in hops.values():
                hop.wait_arrivals(5 * part)
            relay.terminate()
            found = relay.events('attempt')
            sources.reverse()
        for name, hop in hops.items():
            equal(len(peers(hop)), 1, 'addresses that %s was served from' % name)
        used = set().union(*map(peers, hops.values()))
        check(used <= set(sources) and len(used) > 1, 'sites are spread: %s', used)
        check({event['source'] for event in found} <= used, 'the events say it: %s', found[:1])


@case
def one_that_is_not_there():
    """Told, and the other one stands in; where there is no other mail waits, and goes when there is one."""
    with Workspace() as work:
        hops = {name: work.own(NextHop()) for name in SITES}
        relay = work.relay(many(work, hops, [NOT_OURS, '127.0.0.3']))
        for name in hops:
            send(relay, 'user@%s.example' % name)
        for name, hop in hops.items():
            hop.wait_arrivals(1)
            equal(peers(hop), {'127.0.0.3'}, 'addresses that %s was served from' % name)
        eventually(lambda: relay.count['attempt'] == len(SITES), 'attempts')
        failed = relay.events('source_failed')
        # Once for each shard, however many sites would be served from it.
        check(1 <= len(failed) <= 2, '%d times told', len(failed))
        equal({(event['source'], event['level']) for event in failed}, {(NOT_OURS, 'error')}, 'what is told')
        change(work, relay, many(work, hops, [NOT_OURS]))
        send(relay, 'user@a.example')
        eventually(lambda: relay.count['connection'] >= len(SITES), 'connections from the other address end')
        equal(relay.count['attempt'], len(SITES), 'attempts')
        change(work, relay, many(work, hops, ['127.0.0.4']))
        hops['a'].wait_arrivals(2)
        equal(hops['a'].sessions[-1].peer, '127.0.0.4', 'the new address')
        equal(relay.count['host_failed'], 0, 'hosts that are blamed')
        relay.terminate()


@case
def by_family_with_a_name_of_its_own():
    """EHLO says the name that goes with the address, of both families."""
    sources = [{'address': '127.0.0.2', 'hostname': 'out4.example.org'},
               {'address': '::1', 'hostname': 'out6.example.org'}]
    with Workspace() as work:
        hops = {'a': work.own(NextHop()), 'b': work.own(NextHop(address='::1'))}
        relay = work.relay(many(work, hops, sources))
        for name, peer, ehlo in (('a', '127.0.0.2', b'EHLO out4.example.org'), ('b', '::1', b'EHLO out6.example.org')):
            send(relay, 'user@%s.example' % name)
            hops[name].wait_arrivals(1)
            equal((peers(hops[name]), hops[name].sessions[0].commands[0]), ({peer}, ehlo), name)
        # Connections that wait for mail are not for those who come from elsewhere now.
        change(work, relay, many(work, hops, ['127.0.0.9', '::1']))
        for name, peer, ehlo in (('a', '127.0.0.9', b'EHLO relay.example.org'), ('b', '::1', b'EHLO out6.example.org')):
            send(relay, 'user@%s.example' % name)
            hops[name].wait_arrivals(2)
            equal((hops[name].arrivals[1].session.peer, hops[name].arrivals[1].session.commands[0]), (peer, ehlo), name)
        relay.terminate()


@case
def a_family_that_is_not_among_them():
    """A host with addresses of another family only is not reached by that family, and the next host gets the mail."""
    with Workspace() as work:
        hop, six = work.own(NextHop()), work.own(NextHop(address='::1'))
        server = work.own(NameServer({'six.example.org': ['::1'], 'four.example.org': ['127.0.0.1']}))
        relay = work.relay(work.configuration(
            ['six.example.org:%d' % six.port, 'four.example.org:%d' % hop.port], dns={'servers': [server.address]},
            destination={'source_addresses': ['127.0.0.2']}))
        send(relay)
        hop.wait_arrivals(1)
        eventually(lambda: relay.count['host_failed'], 'host_failed')
        equal(six.accepted, 0, 'connections by IPv6')
        equal([event['reason'] for event in relay.events('host_failed')],
              ['none of its addresses can be reached from source_addresses'], 'what is told')
        relay.terminate()


def sent_to(work, presets, count=120):
    """To a site whose host is called as Google's are: most connections at a time, most messages on one."""
    hop = work.own(NextHop())
    server = work.own(NameServer({'gmail.example': Exchangers((5, 'mx.l.google.com')),
                                  'mx.l.google.com': ['127.0.0.1']}))
    destination = {'name': 'internet', 'mx': True, 'mx_port': hop.port, 'tls': {'mode': 'none'},
                   'site_presets': presets, 'limits': {'connections': 9, 'messages_in_flight': 1}}
    configuration = work.configuration([], destinations=[destination], routes=[{'destination': 'internet'}],
                                       dns={'servers': [server.address], 'dnssec': 'off', 'allow_private': True})

    def script(stage, session, argument):
        # Mail waits for as long as it takes to open more than a provider bears.
        if stage == 'MAIL' and presets:
            time.sleep(0.02)
        elif stage == 'MAIL':
            eventually(lambda: hop.peak > 5, 'more than five connections')

    hop.script = script
    relay = work.relay(configuration)
    send(relay, 'user@gmail.example', count)
    hop.wait_arrivals(count)
    relay.terminate()
    taken = [sum(arrival.session is session for arrival in hop.arrivals) for session in hop.sessions]
    return hop.peak, max(taken), len(hop.sessions)


@case
def a_large_provider():
    """What it is known to bear holds beside the limits of the destination, but where that is not wanted."""
    with Workspace() as work:
        peak, most, connections = sent_to(work, True)
        check(peak <= 5 and most <= 50, '%d connections at a time, %d messages on one', peak, most)
    with Workspace() as work:
        peak, most, connections = sent_to(work, False)
        check(5 < peak <= 9, '%d connections at a time, %d messages on one', peak, most)


@contextlib.contextmanager
def silence(address, port):
    """Nobody answers there: SYNs are dropped, as the queue of those that wait to be accepted is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket(listener.family))
            filler.setblocking(False)
            filler.connect_ex((address, port))
        yield


def from_both(work, hop, destination=None, **limits):
    server = work.own(NameServer({'mail.example.org': ['::1', '127.0.0.1']}))
    return work.relay(work.configuration(['mail.example.org:%d' % hop.port], dns={'servers': [server.address]},
                                         destination=destination or {}, destination_limits=limits))


def quick(family, connections, within):
    with Workspace() as work:
        hop = work.own(NextHop(address='127.0.0.1' if family == 'ipv6' else '::1'))
        with silence('::1' if family == 'ipv6' else '127.0.0.1', hop.port):
            relay = from_both(work, hop, {'prefer': family}, connections=connections)
            started = time.monotonic()
            send(relay)
            hop.wait_arrivals(1)
            took = time.monotonic() - started
            # Without it: five seconds, or thirty where only one connection is allowed.
            check(took < within, 'it took %.2f s', took)
            relay.terminate()
            return took


@case
def a_family_that_drops_syn():
    """RFC 8305: the other family is tried beside it after a quarter of a second; in its place after two seconds, where
    only one connection is allowed."""
    return ', '.join('%.2f s' % quick(family, connections, within) for family, connections, within in
                     (('ipv6', 4, 4), ('ipv4', 4, 4), ('ipv6', 1, 10)))


@case
def the_preferred_family():
    """Where both answer, all of it goes there; when it is gone the other one, and back again."""
    with Workspace() as work:
        four = work.own(NextHop())
        six = work.own(NextHop(address='::1', port=four.port))
        relay = from_both(work, four, {'prefer': 'ipv6'}, messages_per_connection=1)
        send(relay, count=6)
        six.wait_arrivals(6)
        equal(four.accepted, 0, 'connections by IPv4')
        six.stop()
        send(relay, count=2)
        four.wait_arrivals(2)
        back = work.own(NextHop(address='::1', port=four.port))

        def again():
            send(relay)
            time.sleep(0.2)
            return back.arrivals
        eventually(again, 'the preferred family is used again')
        relay.terminate()


if __name__ == '__main__':
    harness.main(together=3)
