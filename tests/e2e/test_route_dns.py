#!/usr/bin/python3
"""tests/e2e/test_route_dns.py - `postrider route ADDRESS --dns`: what servers answer, and what follows from it."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Workspace, case, check, equal, free_port, program  # noqa: E402
from name_server import EMPTY, MX, SERVFAIL, Exchangers, NameServer  # noqa: E402
from sts_lab import SCENARIOS, Lab  # noqa: E402


def route(file, recipient, *arguments):
    done = subprocess.run([program('postrider'), 'route', recipient, '--dns', '--config', file, *arguments],
                          capture_output=True, timeout=120)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def answer(file, recipient):
    """(exit status, what is said of the DNS)"""
    status, out, said = route(file, recipient, '--json')
    check(out, 'no answer: %s', said)
    return status, json.loads(out)['dns']


def configuration(work, names, tls='opportunistic', private=True, **destination):
    server = work.own(NameServer(names))
    destination = {'name': 'internet', 'tls': {'mode': tls}, **(destination or {'mx': True})}
    return work.write('route.yaml', json.dumps(work.configuration(
        [], destinations=[destination], routes=[{'destination': 'internet'}],
        dns={'servers': [server.address], 'dnssec': 'off', 'allow_private': private})))


def hosts(dns):
    return [(host['preference'], host['host'], sorted(host['addresses'])) for host in dns['hosts']]


@case
def the_mx_of_a_domain():
    """By preference, with addresses; no further than this relay; domains that have none, or that take no mail."""
    with Workspace() as work:
        file = configuration(work, {
            'two.lab': Exchangers((20, 'b.two.lab'), (10, 'a.two.lab')), 'a.two.lab': ['127.0.0.1'],
            'b.two.lab': ['127.0.0.2', '127.0.0.3'],
            'us.lab': Exchangers((10, 'a.two.lab'), (20, 'relay.example.org'), (30, 'b.two.lab')),
            'own.lab': lambda kind, tcp: EMPTY if kind == MX else ['127.0.0.4'],
            'null.lab': Exchangers((0, '.')), 'broken.lab': SERVFAIL, 'lost.lab': Exchangers((10, 'gone.lab'))})
        status, dns = answer(file, 'x@two.lab')
        equal((status, hosts(dns)), (0, [(10, 'a.two.lab', ['127.0.0.1']),
                                         (20, 'b.two.lab', ['127.0.0.2', '127.0.0.3'])]), 'by preference')
        check(all(host['tls'].startswith('opportunistic; tls.mode opportunistic') for host in dns['hosts']), '%s', dns)
        status, dns = answer(file, 'x@us.lab')
        equal(status, 0, 'up to this relay')
        equal([host['why_not'] is None for host in dns['hosts']], [True, False, False], 'and no further')
        status, dns = answer(file, 'x@own.lab')
        equal((status, hosts(dns)), (0, [(0, 'own.lab', ['127.0.0.4'])]), 'its own host')
        for domain, said in (('null.lab', 'RFC 7505'), ('broken.lab', 'SERVFAIL'), ('missing.lab', 'NXDOMAIN')):
            status, dns = answer(file, 'x@' + domain)
            check((status, dns['hosts']) == (75, []) and said in dns['problem'], '%s: %d %s', domain, status, dns)
        status, dns = answer(file, 'x@lost.lab')
        check(status == 75 and dns['hosts'][0]['why_not'], 'a host without address: %d %s', status, dns)
        status, out, _ = route(file, 'x@two.lab')
        check(status == 0 and 'host          10 a.two.lab, port 25: 127.0.0.1' in out, 'for people: %s', out)
        check(max(len(line) for line in out.split('\n')) <= 100, 'columns: %s', out)
        status, out, _ = route(file, 'a\x1b[2Jb@two.lab')
        check('\x1b' not in out, 'hostile: %r', out)


@case
def where_mail_may_not_go():
    with Workspace() as work:
        file = configuration(work, {'in.lab': Exchangers((10, 'a.lab')), 'a.lab': ['10.0.0.1']}, private=False)
        status, dns = answer(file, 'x@in.lab')
        check(status == 75 and dns['hosts'][0]['why_not'], 'a private address: %d %s', status, dns)
        file = configuration(work, {'a.lab': ['127.0.0.1']}, tls='none', hosts=['a.lab:25', '127.0.0.9:25'])
        status, dns = answer(file, 'x@any.lab')
        equal((status, hosts(dns), dns['domain']), (0, [(None, 'a.lab', ['127.0.0.1']),
                                                       (None, '127.0.0.9', ['127.0.0.9'])], None), 'smart hosts')
        # This relay itself, by its address.
        server, port = work.own(NameServer({'us.lab': Exchangers((10, 'a.lab')), 'a.lab': ['127.0.0.1']})), free_port()
        file = work.write('own.yaml', json.dumps(work.configuration(
            [], destinations=[{'name': 'internet', 'mx': True, 'mx_port': port}], routes=[{'destination': 'internet'}],
            listeners=[{'name': 'lan', 'address': '127.0.0.1:%d' % port}],
            dns={'servers': [server.address], 'dnssec': 'off', 'allow_private': True})))
        status, dns = answer(file, 'x@us.lab')
        check(status == 75 and 'itself' in dns['hosts'][0]['why_not'], 'this relay: %d %s', status, dns)


@case
def the_policy_of_a_domain():
    """What an MTA-STS policy demands, of the hosts that it names and of others; why one is not in force."""
    wanted = {'good': ('enforce', 'proven, by chain; tls.mode opportunistic, and the domain\'s MTA-STS policy', True),
              'foreign': ('enforce', '', False),
              'testing': ('testing', 'opportunistic; tls.mode opportunistic', True),
              'no-record': ('none: there is no record', 'opportunistic; tls.mode opportunistic', True),
              'two-records': ('none: there are several', 'opportunistic; tls.mode opportunistic', True),
              'not-found': ('', 'opportunistic; tls.mode opportunistic', True)}
    with Workspace() as work:
        lab = Lab(work, {name: SCENARIOS[name] for name in wanted})
        file = work.write('route.yaml', json.dumps(lab.configuration(mx=True)))
        for name, (mode, tls, usable) in wanted.items():
            status, dns = answer(file, 'x@%s.lab' % name)
            host = dns['hosts'][0]
            check(dns['mta_sts'].startswith(mode) and host['tls'].startswith(tls), '%s: %s', name, dns)
            equal((status, host['why_not'] is None), (0 if usable else 75, usable), name)
        # REL-04: whoever names a domain makes nobody look into the own network.
        lab.policies.asked.clear()
        configuration = lab.configuration(mx=True)
        configuration['dns']['allow_private'] = False
        status, dns = answer(work.write('route.yaml', json.dumps(configuration)), 'x@good.lab')
        check(status == 75 and not dns['mta_sts'].startswith('enforce'), 'a policy of the own network: %s', dns)
        equal(lab.policies.asked, [], 'who was asked')


if __name__ == '__main__':
    harness.main()
