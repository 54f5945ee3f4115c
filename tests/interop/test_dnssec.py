#!/usr/bin/python3
"""tests/interop/test_dnssec.py - answers of name servers are validated, with zones that nsd serves and ldns signed."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import harness  # noqa: E402
from signed_zones import SignedZones, unavailable  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, eventually, message  # noqa: E402

HOSTS = ['@ MX 10 mail', 'mail A 127.0.0.1']


def send(relay, numbers):
    with Client(relay.address) as client:
        client.hello()
        for number in numbers:
            client.envelope()
            client.data(message(number))


def configuration(work, zones, destination, **dns):
    one = {'name': 'one', 'tls': {'mode': 'none'}, **destination}
    return work.configuration([], destinations=[one], routes=[{'destination': 'one'}],
                              dns={'servers': [zones.address], 'dnssec': 'validate', 'trust_anchor': zones.anchor,
                                   **dns})


@case
def proven_and_unsigned():
    """What is proven is taken, and so is what its parent proves to be unsigned; the anchor is kept."""
    if unavailable():
        return 'skipped: ' + unavailable()
    with SignedZones({'lab': [], 'good.lab': HOSTS, 'plain.lab': HOSTS}, signed=['lab', 'good.lab']) as zones:
        for domain in ('good.lab', 'plain.lab'):
            with Workspace() as work:
                hop = work.own(NextHop())
                content = configuration(work, zones, {'mx_of': '%s:%d' % (domain, hop.port)})
                relay = work.relay(content)
                send(relay, range(1, 4))
                hop.wait_arrivals(3)
                equal(relay.events('exchangers_failed'), [], 'failures')
                relay.terminate()
                kept = os.path.join(content['spool']['directory'], 'trust-anchor')
                check(os.path.getsize(kept) > 0, 'no anchor is kept')
    return None


@case
def not_what_was_signed():
    """Mail waits for exchangers that are not proven, and the event says why; hosts that the operator names are his."""
    if unavailable():
        return 'skipped: ' + unavailable()
    with SignedZones({'lab': [], 'bad.lab': HOSTS}, signed=['lab', 'bad.lab'], spoil=['bad.lab']) as zones, \
            Workspace() as work:
        hop = work.own(NextHop(address='127.0.0.99'))
        relay = work.relay(configuration(work, zones, {'mx_of': 'bad.lab:%d' % hop.port}))
        send(relay, range(1, 4))
        eventually(lambda: relay.events('exchangers_failed'), 'it is told')
        check('DNSSEC' in relay.events('exchangers_failed')[0]['problem'], '%s', relay.events('exchangers_failed'))
        equal(len(hop.arrivals), 0, 'at the host')
        zones.spoil.clear()
        zones.change('bad.lab', ['@ MX 10 mail', 'mail A 127.0.0.99'])
        hop.wait_arrivals(3)
        relay.terminate()
    with SignedZones({'lab': [], 'bad.lab': HOSTS}, signed=['lab', 'bad.lab'], spoil=['bad.lab']) as zones, \
            Workspace() as work:
        hop = work.own(NextHop(address='127.0.0.99'))
        relay = work.relay(configuration(work, zones, {'hosts': ['mail.bad.lab:%d' % hop.port]}))
        send(relay, range(1, 4))
        hop.wait_arrivals(3)
        relay.terminate()
    return None


@case
def domains_of_recipients():
    """mx: true with a signed domain, an unsigned one, and one that is not what was signed: its mail waits alone."""
    if unavailable():
        return 'skipped: ' + unavailable()
    with SignedZones({'lab': [], 'good.lab': HOSTS, 'plain.lab': HOSTS, 'bad.lab': HOSTS},
                     signed=['lab', 'good.lab', 'bad.lab'], spoil=['bad.lab']) as zones, Workspace() as work:
        hop = work.own(NextHop())
        relay = work.relay(configuration(work, zones, {'mx': True, 'mx_port': hop.port}, allow_private=True))
        with Client(relay.address) as client:
            client.hello()
            for number, domain in enumerate(('good', 'plain', 'bad', 'none'), 1):
                client.envelope(recipients=['x@%s.lab' % domain])
                client.data(message(number))
        hop.wait_arrivals(2)
        # Of the sender's domain it is told as well: a report is for him.
        told = eventually(lambda: [event for event in relay.events('domain_failed') if event['domain'] == 'bad.lab'],
                          'it is told')
        check('DNSSEC' in told[0]['problem'], '%s', told)
        equal({arrival.recipients[0] for arrival in hop.arrivals}, {'x@good.lab', 'x@plain.lab'}, 'who got mail')
        eventually(lambda: [event for event in relay.events('attempt') if event['result'] == 'failed'],
                   'a domain that is proven not to be there fails')
        zones.spoil.clear()
        zones.change('bad.lab', HOSTS)
        hop.wait_arrivals(3)
        relay.terminate()
    return None


if __name__ == '__main__':
    sys.exit(harness.main(together=2))
