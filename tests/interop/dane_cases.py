"""tests/interop/dane_cases.py - DANE (RFC 7672) with a real server as MX host, whose domain nsd serves and ldns signed.

The certificates are those of tests/certificates.sh. Usage 2 looks at the name, and theirs is mail.example.org: so the
zone is example.org, and hosts that are not to have that name are called after their scenario.
"""

import contextlib
import copy
import os

from servers import check_arrivals, smtplib_send
from signed_zones import SignedZones, record, unavailable
from harness import Certificates, Workspace, check, equal, eventually, message

NO_MATCH = 'none of its certificates is one that its TLSA records name'
# name: (what the server shows, its TLSA record, its name, None or why it gets nothing)
SCENARIOS = {
    'key': ('server', '3 1 1 server', 'key', None),
    'other-key': ('server', '3 1 1 -server', 'other-key', NO_MATCH),
    'anchor': ('server', '2 0 1 ca', 'mail', None),
    'anchor-other-name': ('server', '2 0 1 ca', 'anchor-other-name', 'certificate name mismatch'),
    'other-anchor': ('server', '2 0 1 other-ca', 'other-anchor', NO_MATCH),
    # What usage 3 names is good whatever else it says; what usage 2 names is held to its dates.
    'ended': ('expired', '3 1 1 expired', 'ended', None),
    'ended-anchor': ('expired', '2 0 1 ca', 'mail', 'expired'),
    'self-signed': ('selfsigned', '3 1 1 selfsigned', 'self-signed', None),
    'of-another': ('second', '3 1 1 second', 'of-another', None),
}
MODES = ('opportunistic', 'dane')


def showing(work, kind):
    """Certificates with which a server shows that one, and the authority's behind it."""
    certificates = copy.copy(Certificates())
    chain = ''.join(open(certificates.path(name + '.crt')).read() for name in (kind, 'ca'))
    certificates.server = work.write('chain.crt', chain if kind != 'selfsigned' else
                                     open(certificates.path('selfsigned.crt')).read())
    os.chmod(certificates.server, 0o644)
    certificates.server_key = certificates.path(kind + '.key')
    return certificates


def zone(servers):
    lines = ['mail A 127.0.0.1']
    for name, (kind, tlsa, host, _) in SCENARIOS.items():
        lines.append('at-%s MX 10 %s' % (name, host))
        if host != 'mail':
            lines.append('%s A 127.0.0.1' % host)
        lines.append('_%d._tcp.%s TLSA %s' % (servers[kind].port, host, record(Certificates().directory, tlsa)))
    return lines


def matched(server_class):
    def DANE_01_what_tlsa_records_name():
        """Mail goes to the host whose certificate its TLSA record names, opportunistic or demanded, and to no other."""
        if unavailable():
            return 'skipped: ' + unavailable()
        with contextlib.ExitStack() as stack:
            servers = {}
            for kind in ('server', 'expired', 'selfsigned', 'second'):
                work = stack.enter_context(Workspace())
                servers[kind] = server_class(work, showing(work, kind))
            zones = stack.enter_context(SignedZones({'org': [], 'example.org': zone(servers)},
                                                    signed=['org', 'example.org']))
            destinations, expected, refused = [], {kind: {} for kind in servers}, {}
            for number, (name, mode) in enumerate((name, mode) for name in SCENARIOS for mode in MODES):
                kind, _, _, why = SCENARIOS[name]
                destinations.append({'name': mode + '-' + name, 'tls': {'mode': mode},
                                     'mx_of': 'at-%s.example.org:%d' % (name, servers[kind].port)})
                if why:
                    refused[mode + '-' + name] = why
                else:
                    expected[kind][number] = message(number)
            work = stack.enter_context(Workspace())
            routes = [{'sender': each['name'] + '@example.net', 'destination': each['name']} for each in destinations]
            relay = work.relay(work.configuration(
                [], destinations=destinations, routes=routes + [{'destination': destinations[0]['name']}],
                dns={'servers': [zones.address], 'dnssec': 'validate', 'trust_anchor': zones.anchor}))
            for number, route in enumerate(routes):
                smtplib_send(relay.address, message(number), sender=route['sender'])
            eventually(lambda: {event['destination'] for event in relay.events('host_failed')} >= set(refused),
                       lambda: 'those that must not go are tried: %s' % relay.events('host_failed'), 60)
            for kind, server in servers.items():
                check_arrivals(server, expected[kind])
            for event in relay.events('host_failed'):
                check(refused.get(event['destination'], 'it is good') in event['reason'], 'reason: %s', event)
            delivered = [event for event in relay.events('attempt') if event['result'] == 'delivered']
            equal({event.get('proof') for event in delivered}, {'dane'}, 'proof')
            relay.terminate()
        return None
    return DANE_01_what_tlsa_records_name
