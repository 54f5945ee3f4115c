#!/usr/bin/python3
"""tests/e2e/test_odd_domains.py - domains as people have set them up (mx: true): mail goes wherever a way is left."""

import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import NextHop, Workspace, case, check, equal, eventually, free_port  # noqa: E402
from name_server import A, CNAME, EMPTY, MX, SERVFAIL, Exchangers, NameServer, Raw, labels, record  # noqa: E402
from harness import Client, message  # noqa: E402


def alias_of(name):
    return Raw(lambda kind, ttl: (1, record(CNAME, ttl, labels(name))))


def alias_with_hosts(name, host):
    """The alias, and behind it what it stands for: as resolvers answer."""
    mx = struct.pack('>HHIH', MX, 1, 1, 2 + len(labels(host))) + struct.pack('>H', 10) + labels(host)
    return Raw(lambda kind, ttl: (2, record(CNAME, ttl, labels(name)) + labels(name) + mx) if kind == MX else
               (1, record(CNAME, ttl, labels(name))))


def to(*hosts):
    return Exchangers(*enumerate(hosts, 10))


GOOD = 'mail.good.lab'
# Where one way is left it is found.
ARRIVES = {
    'a-host-that-is-not.lab': to('mail.nowhere.lab', GOOD),
    'a-host-without-address.lab': to('empty.lab', GOOD),
    'a-host-nobody-answers-for.lab': to('broken.lab', GOOD),
    'ipv6-of-a-link.lab': to('link.lab'),
    'ipv6-of-nowhere.lab': to('documentation.lab'),
    'an-address-as-host.lab': to('127.0.0.1', GOOD),
    'alias-of-the-domain.lab': alias_with_hosts('the-domain.lab', GOOD),
    'the-domain.lab': to(GOOD),
    'alias-of-the-host.lab': to('other-name.lab'),
    'under_score.lab': to('mail_1.lab'),
    'the-same-twice.lab': to(GOOD, GOOD, 'MAIL.good.LAB'),
    'sixteen-hosts.lab': to(*['mail.dead%d.lab' % n for n in range(15)], GOOD),
    'far-preference.lab': Exchangers((65535, GOOD)),
    'null-and-a-host.lab': Exchangers((0, '.'), (10, GOOD)),
    'hangs-up-first.lab': to('rude.lab', GOOD),
    'wants-a-name-first.lab': to('strict.lab', GOOD),
    'only-an-address.lab': lambda kind, tcp: ['127.0.0.1'] if kind == A else EMPTY,
}
HOSTS = {
    GOOD: ['127.0.0.1'], 'empty.lab': EMPTY, 'broken.lab': SERVFAIL, 'link.lab': ['fe80::1', '127.0.0.1'],
    'documentation.lab': ['2001:db8::1', '127.0.0.1'], 'other-name.lab': alias_of(GOOD), 'mail_1.lab': ['127.0.0.1'],
    'rude.lab': ['127.0.0.2'], 'strict.lab': ['127.0.0.3'],
}
# Nobody's mail ends for what may be a mistake of an hour, and the reason is told.
WAITS = {
    'only-an-address-as-host.lab': to('127.0.0.1'),
    'only-hosts-that-are-not.lab': to('mail.nowhere.lab', 'mail.elsewhere.lab'),
    'alias-in-a-circle.lab': alias_of('alias-in-a-circle.lab'),
}


@case
def a_way_is_found():
    """Of every domain with one host that takes mail, whatever else stands beside it."""
    with Workspace() as work:
        port = free_port()
        good = work.own(NextHop(address='127.0.0.1', port=port))
        work.own(NextHop(address='127.0.0.2', port=port, script=lambda stage, session, argument:
                         '554 5.7.1 go away' if stage == 'connect' else None))
        work.own(NextHop(address='127.0.0.3', port=port, script=lambda stage, session, argument:
                         '421 4.7.0 no reverse DNS' if stage == 'connect' else None))
        server = work.own(NameServer({**ARRIVES, **WAITS, **HOSTS}, ttl=60))
        relay = work.relay(work.configuration([], destinations=[
            {'name': 'internet', 'mx': True, 'mx_port': port, 'tls': {'mode': 'none'}}],
            routes=[{'destination': 'internet'}],
            dns={'servers': [server.address], 'dnssec': 'off', 'allow_private': True}))
        with Client(relay.address) as client:
            client.hello()
            for number, domain in enumerate({**ARRIVES, **WAITS}, 1):
                client.envelope(recipients=['x@' + domain])
                client.data(message(number))

        def missing():
            there = {one.split('@')[1] for arrival in good.arrivals for one in arrival.recipients}
            return set(ARRIVES) - there
        eventually(lambda: not missing(), lambda: 'nothing came for %s' % missing(), 120)
        equal(len(good.arrivals), len(ARRIVES), 'messages')

        def untold():
            told = {e['domain'] for e in relay.events('domain_failed')}
            hosts = ' '.join(e['host'] + e['reason'] for e in relay.events('host_failed'))
            return [domain for domain in WAITS if domain not in told and
                    not ('only-' in domain and ('nowhere' in hosts or '127.0.0.1' in hosts))]
        eventually(lambda: not untold(), lambda: 'nothing is told of %s' % untold(), 120)
        failed = [e for e in relay.events('attempt') if e['result'] == 'failed']
        check(not failed, 'mail ended: %s', failed)
        relay.terminate()


if __name__ == '__main__':
    harness.main()
