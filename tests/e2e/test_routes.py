#!/usr/bin/python3
"""tests/e2e/test_routes.py - one message, several destinations: each recipient goes by its own first match."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Client, NextHop, Workspace, case, equal, message  # noqa: E402


def relay_with(work, routes, **changes):
    """A relay with the destinations own and rest, and their next hops."""
    hops = {name: work.own(NextHop()) for name in ('own', 'rest')}
    destinations = [{'name': name, 'hosts': [hop.host], 'tls': {'mode': 'none'}} for name, hop in hops.items()]
    relay = work.relay(work.configuration([], destinations=destinations, routes=routes, **changes))
    return relay, hops


def arrived(hop, count):
    hop.wait_arrivals(count)
    return sorted(recipient for arrival in hop.arrivals for recipient in arrival.recipients)


@case
def each_recipient_by_itself():
    """Own domains and others in one message: each goes where it belongs, once, with the same content."""
    routes = [{'recipient': '*@contoso.com', 'destination': 'own'},
              {'recipient': '*@*.contoso.com', 'destination': 'own'},
              {'recipient': 'nobody@example.org', 'refuse': 'nobody is there'},
              {'destination': 'rest'}]
    with Workspace() as work:
        relay, hops = relay_with(work, routes)
        with Client(relay.address) as client:
            client.hello()
            client.command('MAIL FROM:<s@contoso.com>', 250)
            for recipient in ('a@contoso.com', 'b@example.org', 'c@sub.Contoso.com', 'd@example.net'):
                client.command('RCPT TO:<%s>' % recipient, 250)
            equal(client.command('RCPT TO:<nobody@example.org>', 550)[1], '5.7.1 nobody is there', 'refusal')
            client.data(message(1, 20000))
        equal(arrived(hops['own'], 1), ['a@contoso.com', 'c@sub.Contoso.com'], 'own recipients')
        equal(arrived(hops['rest'], 1), ['b@example.org', 'd@example.net'], 'other recipients')
        equal(hops['own'].arrivals[0].original, hops['rest'].arrivals[0].original, 'content')
        relay.terminate()


@case
def by_sender_client_listener_and_size():
    routes = [{'sender': '<>', 'destination': 'own'},
              {'client': 'other', 'refuse': 'not for others'},
              {'listener': 'second', 'client': 'local', 'sender': '*@contoso.com', 'destination': 'own'},
              {'size': '1MiB', 'refuse': 'too large for this way'},
              {'destination': 'rest'}]
    with Workspace() as work:
        relay, hops = relay_with(
            work, routes,
            listeners=[{'name': 'lan', 'address': '127.0.0.1:0'}, {'name': 'second', 'address': '127.0.0.1:0'}],
            clients=[{'name': 'other', 'networks': ['127.0.0.9']}, {'name': 'local', 'networks': ['127.0.0.0/8']}])
        first, second = relay.addresses()
        for address, sender, parameters, code, number in (
                (first, 's@contoso.com', '', 250, 1), (second, 's@contoso.com', '', 250, 2),
                (first, '', ' SIZE=2000000', 250, 3), (first, 's@example.org', ' SIZE=2000000', 550, 4),
                (second, 's@example.org', ' SIZE=1000000', 250, 5)):
            with Client(address) as client:
                client.hello()
                client.command('MAIL FROM:<%s>%s' % (sender, parameters), 250)
                client.command('RCPT TO:<r%d@example.org>' % number, code)
                if code == 250:
                    client.data(message(number))
        equal(arrived(hops['own'], 2), ['r2@example.org', 'r3@example.org'], 'to own')
        equal(arrived(hops['rest'], 2), ['r1@example.org', 'r5@example.org'], 'to the rest')
        relay.terminate()


if __name__ == '__main__':
    sys.exit(harness.main())
