#!/usr/bin/python3
"""tests/interop/test_dane.py - DANE (RFC 7672) with zones that nsd serves and ldns signed: RELIABILITY DANE-01.

Each scenario is a domain with an MX host of its own, whose certificate is one of tests/chains.sh, and TLSA records. All
of them are destinations of one relay, each with `opportunistic` and with `dane`. What a host may be sent is in the
table:
'dane': over TLS, with that proof; 'tls': over TLS that proves nothing; 'clear'; or a part of the reason why nothing is
said to it that names a sender.
"""

import fcntl
import json
import os
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import harness  # noqa: E402
from signed_zones import SignedZones, record, unavailable  # noqa: E402
from harness import (BUILD, SOURCES, Client, NextHop, Process, Workspace, case, check, equal,  # noqa: E402
                     eventually, message)

NO_MATCH = 'none of its certificates is one that its TLSA records name'
NO_RECORD = 'DANE is demanded, and the host has no TLSA record that is proven'
NOT_KNOWN = 'whether the host has TLSA records cannot be found out'
NO_NAME = 'certificate name mismatch'
NO_TLS = 'STARTTLS'


def chains():
    directory = os.path.join(BUILD, 'test-chains')
    with open(directory + '.lock', 'w') as lock:  # other tests may run at the same time
        fcntl.flock(lock, fcntl.LOCK_EX)
        return make_chains(directory)


def make_chains(directory):
    made = subprocess.run(['sh', os.path.join(SOURCES, 'tests', 'chains.sh'), directory], capture_output=True,
                          text=True)
    check(made.returncode == 0, 'tests/chains.sh: %s', made.stderr[-500:])
    return directory


# name: (what it shows, TLSA records, with `opportunistic`, with `dane`, zone or other records)
SCENARIOS = {
    'ee-key': ('leaf middle', ['3 1 1 leaf'], 'dane', 'dane', {}),
    'ee-key-512': ('leaf', ['3 1 2 leaf'], 'dane', 'dane', {}),
    'ee-certificate': ('leaf', ['3 0 1 leaf'], 'dane', 'dane', {}),
    'ee-whole': ('leaf', ['3 0 0 leaf'], 'dane', 'dane', {}),
    'ee-rsa': ('rsa-leaf', ['3 1 1 rsa-leaf'], 'dane', 'dane', {}),
    'ee-expired': ('ended', ['3 1 1 ended'], 'dane', 'dane', {}),
    'ee-self-signed': ('pinned', ['3 1 1 pinned'], 'dane', 'dane', {}),
    # Certificates of tests/chains.sh are for mail.example.org and localhost; the host is another one.
    'ee-other-name': ('leaf', ['3 1 1 leaf'], 'dane', 'dane', {}),
    'ta-key': ('inside-lab middle-lab', ['2 1 1 middle-lab'], 'dane', 'dane', {}),
    'ta-certificate': ('inside-lab middle-lab', ['2 0 1 middle-lab'], 'dane', 'dane', {}),
    'ta-carried': ('inside-lab', ['2 0 0 middle-lab'], 'dane', 'dane', {}),
    'ta-other-name': ('leaf middle', ['2 1 1 middle'], NO_NAME, NO_NAME, {}),
    'ta-not-shown': ('inside-lab', ['2 1 1 middle-lab'], NO_MATCH, NO_MATCH, {}),
    'ta-expired': ('ended middle', ['2 1 1 middle'], 'expired', 'expired', {}),
    'wrong-digest': ('leaf', ['3 1 1 -leaf'], NO_MATCH, NO_MATCH, {}),
    'old-digest': ('leaf', ['3 1 1 leaf2'], NO_MATCH, NO_MATCH, {}),
    'roll-over': ('leaf', ['3 1 1 leaf2', '3 1 1 leaf'], 'dane', 'dane', {}),
    'stronger-digest': ('leaf', ['3 1 1 leaf', '3 1 2 -leaf'], NO_MATCH, NO_MATCH, {}),
    # Usages 0 and 1: TLS, and nothing to prove; where DANE is demanded that is not enough (RFC 7672 2.2).
    'unusable': ('leaf', ['1 1 1 leaf', '0 0 1 root'], 'tls', "none of the host's TLSA records can be used", {}),
    'unusable-without-tls': (None, ['1 1 1 leaf'], NO_TLS, 'TLSA', {}),
    'mixed': ('leaf', ['1 1 1 -leaf', '3 1 1 leaf'], 'dane', 'dane', {}),
    'mixed-wrong': ('leaf', ['1 1 1 leaf', '3 1 1 -leaf'], NO_MATCH, NO_MATCH, {}),
    'none': ('leaf', [], 'tls', NO_RECORD, {}),
    'none-without-tls': (None, [], 'clear', NO_RECORD, {}),
    'without-tls': (None, ['3 1 1 leaf'], NO_TLS, NO_TLS, {}),
    # Of what nobody signed nothing counts, and of what is bogus or silent nobody knows.
    'unsigned': ('leaf', ['3 1 1 -leaf'], 'tls', NO_RECORD, {'zone': 'plain.lab'}),
    'bogus': ('leaf', [], NOT_KNOWN, NOT_KNOWN, {'tlsa': 'CNAME wrong.bad.lab.'}),
    'silent': ('leaf', [], NOT_KNOWN, NOT_KNOWN, {'tlsa': 'CNAME any.elsewhere.'}),
    'elsewhere': ('leaf', [], 'dane', 'dane', {'tlsa': 'CNAME leaf.good.lab.'}),
    'elsewhere-unsigned': ('leaf', [], 'tls', NO_RECORD, {'tlsa': 'CNAME leaf.plain.lab.'}),
    # The host is an alias; records are under the name that it leads to, or under its own.
    'alias': ('leaf', ['3 1 1 leaf'], 'dane', 'dane', {'host': 'CNAME at-alias'}),
    'alias-end': ('inside-lab middle-lab', [], 'dane', 'dane', {'host': 'CNAME end', 'end': ['2 1 1 middle-lab']}),
    'alias-unsigned': ('leaf', ['3 1 1 leaf'], 'dane', 'dane', {'host': 'CNAME a.plain.lab.'}),
    'alias-from-unsigned': ('leaf', ['3 1 1 leaf'], 'tls', NO_RECORD,
                            {'zone': 'plain.lab', 'host': 'CNAME a.good.lab.'}),
    # The answer for MX is not proven: whose host it is nobody knows (RFC 7672 2.2.1).
    # The domain is signed, its provider is not, and the provider's name servers fail for TLSA: the addresses say that
    # nothing can be proven there, so nobody asks (RFC 7672 2.2.2).
    'provider-unsigned': ('leaf', [], 'tls', NO_RECORD, {
        'mx_zone': 'good.lab', 'zone': 'plain.lab', 'tlsa': 'CNAME any.elsewhere.'}),
    'provider-unsigned-without-tls': (None, [], 'clear', NO_RECORD, {
        'mx_zone': 'good.lab', 'zone': 'plain.lab', 'tlsa': 'CNAME any.elsewhere.'}),
    # After a renewal: the authority's record is right, the two for the host are of the certificate before.
    'ta-right-ee-old': ('inside-lab middle-lab', ['2 1 1 middle-lab', '3 0 1 leaf', '3 0 2 leaf', '3 1 1 leaf'], 'dane',
                        'dane', {}),
    'unsigned-mx': ('leaf', ['3 1 1 leaf'], 'tls', NO_RECORD, {'mx_zone': 'plain.lab'}),
}


def lab_certificates(directory):
    """An authority and a certificate for *.good.lab, beside those of tests/chains.sh."""
    def openssl(*arguments):
        done = subprocess.run(['openssl', *arguments], cwd=directory, capture_output=True, text=True)
        check(done.returncode == 0, 'openssl: %s', done.stderr[-300:])
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-keyout',
            'middle-lab.key', '-out', 'middle-lab.crt', '-subj', '/CN=Lab', '-addext', 'keyUsage=critical,keyCertSign')
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'inside-lab.key',
            '-out', 'inside-lab.csr', '-subj', '/CN=x')
    with open(os.path.join(directory, 'inside-lab.ext'), 'w') as file:
        file.write('subjectAltName=DNS:*.good.lab\nextendedKeyUsage=serverAuth\n')
    openssl('x509', '-req', '-in', 'inside-lab.csr', '-CA', 'middle-lab.crt', '-CAkey', 'middle-lab.key',
            '-CAcreateserial', '-days', '2', '-extfile', 'inside-lab.ext', '-out', 'inside-lab.crt')


def context_of(work, directory, names):
    if names is None:
        return None
    chain = work.path(names.replace(' ', '-') + '.pem')
    with open(chain, 'w') as file:
        for name in names.split():
            file.write(open('%s/%s.crt' % (directory, name)).read())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, '%s/%s.key' % (directory, names.split()[0]))
    return context


class Lab:
    """Next hops and zones for all scenarios."""

    def __init__(self, work, scenarios):
        self.directory = work.path('chains')
        os.symlink(chains(), self.directory + '.made')
        os.mkdir(self.directory)
        for name in os.listdir(self.directory + '.made'):
            os.symlink(os.path.join(self.directory + '.made', name), os.path.join(self.directory, name))
        lab_certificates(self.directory)
        self.hops = {}
        self.zones = {'lab': [],
                      'good.lab': ['a A 127.0.0.1', 'end A 127.0.0.1', 'at-alias A 127.0.0.1',
                                   'leaf TLSA ' + record(self.directory, '3 1 1 leaf')],
                      'plain.lab': ['a A 127.0.0.1', 'leaf TLSA ' + record(self.directory, '3 1 1 leaf')],
                      'bad.lab': ['wrong TLSA ' + record(self.directory, '3 1 1 leaf')]}
        for name, (shown, records, _, _, changes) in scenarios.items():
            hop = work.own(NextHop(tls=context_of(work, self.directory, shown)))
            self.hops[name] = hop
            zone = changes.get('zone', 'good.lab')
            self.zones[changes.get('mx_zone', zone)].append('%s MX 10 mx-%s.%s.' % (name, name, zone))
            lines = self.zones[zone]
            lines.append('mx-%s %s' % (name, changes.get('host', 'A 127.0.0.1')))
            place = '_%d._tcp.' % hop.port
            if 'tlsa' in changes:
                lines.append('%smx-%s %s' % (place, name, changes['tlsa']))
            lines += ['%smx-%s TLSA %s' % (place, name, record(self.directory, one)) for one in records]
            lines += ['%send TLSA %s' % (place, record(self.directory, one)) for one in changes.get('end', [])]

    def served(self):
        return SignedZones(self.zones, signed=['lab', 'good.lab', 'bad.lab'], spoil=['bad.lab'])

    def domain(self, name, changes):
        return '%s.%s' % (name, changes.get('mx_zone', changes.get('zone', 'good.lab')))


def send(relay, addresses):
    with Client(relay.address) as client:
        client.hello()
        for number, address in enumerate(addresses, 1):
            client.envelope(recipients=[address])
            client.data(message(number))


def what_came(relay, name, hop):
    """'dane', 'tls' or 'clear' for the message that came, or the reason for which none did; None: nothing yet."""
    if hop.arrivals:
        done = [e for e in relay.events('attempt') if e['destination'] == name and e['result'] == 'delivered']
        if not done:
            return None
        return 'clear' if 'tls' not in done[0] else 'dane' if done[0].get('proof') == 'dane' else 'tls'
    failed = [e for e in relay.events('host_failed') if e['destination'] == name]
    return failed[0]['reason'] if failed else None


def all_scenarios(mode, scenarios, expected_at):
    with Workspace() as work:
        lab = Lab(work, scenarios)
        with lab.served() as zones:
            destinations = [{'name': name, 'mx_of': '%s:%d' % (lab.domain(name, row[4]), lab.hops[name].port),
                             'tls': {'mode': mode}} for name, row in scenarios.items()]
            routes = [{'recipient': '*@%s.example' % name, 'destination': name} for name in scenarios]
            relay = work.relay(work.configuration([], destinations=destinations, routes=routes, dns={
                'servers': [zones.address], 'dnssec': 'validate', 'trust_anchor': zones.anchor}))
            send(relay, ['a@%s.example' % name for name in scenarios])
            wrong = []
            for name, row in scenarios.items():
                eventually(lambda name=name: what_came(relay, name, lab.hops[name]) is not None,
                           lambda name=name: 'nothing is known of ' + name, 40)
                came, expected = what_came(relay, name, lab.hops[name]), row[expected_at]
                if (came != expected) if expected in ('dane', 'tls', 'clear') else (expected not in came):
                    wrong.append('%s: %s, expected %s' % (name, came, expected))
                if expected not in ('dane', 'tls', 'clear'):
                    said = [c for session in lab.hops[name].sessions for c in session.commands
                            if c.upper().startswith((b'MAIL', b'RCPT', b'DATA', b'BDAT'))]
                    if said or lab.hops[name].arrivals:
                        wrong.append('%s: it was said %s' % (name, said))
            equal(wrong, [], 'scenarios')
            relay.kill()


@case
def opportunistic():
    """Where the DNS says how a host proves itself it must; where it says nothing it is as it was."""
    if unavailable():
        return 'skipped: ' + unavailable()
    return all_scenarios('opportunistic', SCENARIOS, 2)


@case
def demanded():
    """Only hosts that match a TLSA record which is proven are sent anything."""
    if unavailable():
        return 'skipped: ' + unavailable()
    return all_scenarios('dane', SCENARIOS, 3)


@case
def one_of_two():
    """Where nobody knows whether the first host has records the second gets the mail, and the first nothing."""
    if unavailable():
        return 'skipped: ' + unavailable()
    rows = {'first': ('leaf', [], NOT_KNOWN, NOT_KNOWN, {'tlsa': 'CNAME any.elsewhere.'})}
    with Workspace() as work:
        lab = Lab(work, rows)
        first = lab.hops['first']
        second = work.own(NextHop(tls=first.tls, address='127.0.0.2', port=first.port))
        lab.zones['good.lab'] += ['first MX 20 other', 'other A 127.0.0.2',
                                  '_%d._tcp.other TLSA %s' % (first.port, record(lab.directory, '3 1 1 leaf'))]
        with lab.served() as zones:
            of = {'name': 'of', 'mx_of': 'first.good.lab:%d' % first.port, 'tls': {'mode': 'opportunistic'}}
            mx = {'name': 'mx', 'mx': True, 'mx_port': first.port, 'tls': {'mode': 'opportunistic'}}
            routes = [{'recipient': '*@first.good.lab', 'destination': 'mx'}, {'destination': 'of'}]
            relay = work.relay(work.configuration([], destinations=[of, mx], routes=routes, dns={
                'servers': [zones.address], 'dnssec': 'validate', 'trust_anchor': zones.anchor,
                'allow_private': True}))
            send(relay, ['a@example.com', 'a@first.good.lab', 'b@example.com', 'b@first.good.lab'])
            second.wait_arrivals(4)
            equal(len(first.sessions), 0, 'connections to the first')
            eventually(lambda: len(relay.events('attempt')) >= 4, 'they are told')
            equal({e.get('proof') for e in relay.events('attempt')}, {'dane'}, 'proof')
            relay.terminate()
    return None


@case
def what_is_needed_grows():
    """Records appear, become others, and cannot be looked up any more while connections are open that all mail could
    go over: what was made for less carries no more of it, what was proven goes on."""
    if unavailable():
        return 'skipped: ' + unavailable()
    rows = {'appear': (None, [], NO_TLS, NO_TLS, {}), 'change': ('leaf', ['3 1 1 leaf'], NO_MATCH, NO_MATCH, {}),
            'vanish': ('leaf', ['3 1 1 leaf'], NOT_KNOWN, NOT_KNOWN, {})}
    with Workspace() as work:
        lab = Lab(work, rows)
        place = {name: '_%d._tcp.mx-%s' % (hop.port, name) for name, hop in lab.hops.items()}
        before = [line.replace(' TLSA ', ' 1 TLSA ') for line in lab.zones['good.lab']]
        lab.zones['good.lab'] = before
        after = [line for line in before if not line.startswith((place['change'], place['vanish']))] + [
            place['appear'] + ' TLSA ' + record(lab.directory, '3 1 1 leaf'),
            place['change'] + ' TLSA ' + record(lab.directory, '3 1 1 -leaf'),
            place['vanish'] + ' CNAME wrong.bad.lab.']
        with lab.served() as zones:
            relay = work.relay(work.configuration(
                [], shards=1, routes=[{'recipient': '*@%s.example' % name, 'destination': name} for name in rows],
                destinations=[{'name': name, 'mx_of': '%s.good.lab:%d' % (name, lab.hops[name].port),
                               'limits': {'connections': 1}, 'tls': {'mode': 'opportunistic'}} for name in rows],
                dns={'servers': [zones.address], 'dnssec': 'validate', 'trust_anchor': zones.anchor}))
            everywhere = ['a@%s.example' % name for name in rows]
            send(relay, everywhere)
            for hop in lab.hops.values():
                hop.wait_arrivals(1)
            zones.change('good.lab', after)

            def reasons(name):
                return [e['reason'] for e in relay.events('host_failed') if e['destination'] == name]

            def noticed():
                send(relay, everywhere)
                return reasons('appear') and reasons('change') and reasons('vanish') or time.sleep(0.2)

            eventually(noticed, lambda: 'what is needed has grown: %s' % {name: reasons(name) for name in rows}, 60)
            for name, row in rows.items():
                check(row[2] in reasons(name)[0], '%s: %s', name, reasons(name))
            came = {name: len(hop.arrivals) for name, hop in lab.hops.items()}
            send(relay, everywhere * 3)
            lab.hops['vanish'].wait_arrivals(came['vanish'] + 3)
            equal(len({id(it.session) for it in lab.hops['vanish'].arrivals}), 1, 'sessions that were proven')
            for name in ('appear', 'change'):
                equal(len({id(it.session) for it in lab.hops[name].arrivals}), 1, name + ': sessions with mail')
                equal(len(lab.hops[name].arrivals), came[name], name + ': arrivals')
            relay.kill()
    return None


RESOLVER = '''
server:
  interface: 127.0.0.1
  do-daemonize: no
  use-syslog: no
  chroot: ""
  username: ""
  pidfile: ""
  directory: "%(directory)s"
  do-not-query-localhost: no
  trust-anchor-file: "%(anchor)s"
  module-config: "validator iterator"
forward-zone:
  name: "."
  forward-addr: %(server)s
remote-control:
  control-enable: no
'''
INSIDE = 'inside-a-namespace'


def say_what_postfix_says():
    """In namespaces of our own, where the system's resolver is ours: scenario -> all that posttls-finger says of it."""
    peers, told = harness.peers_directory(), {}
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    with Workspace() as work:
        lab = Lab(work, SCENARIOS)
        with lab.served() as zones:
            work.write('resolv.conf', 'nameserver 127.0.0.1\noptions edns0 trust-ad\n')
            subprocess.run(['mount', '--bind', work.path('resolv.conf'), '/etc/resolv.conf'], check=True)
            work.write('unbound.conf', RESOLVER % {'directory': work.path('.'), 'anchor': zones.anchor,
                                                   'server': zones.address.replace(':', '@')})
            resolver = work.own(Process([peers + '/unbound/usr/sbin/unbound', '-d', '-c', work.path('unbound.conf')]))
            eventually(lambda: harness.listening(53) or not resolver.running(), 'the resolver listens')
            check(resolver.running(), 'the resolver: %s', resolver.tail(5))
            os.mkdir(work.path('postfix'))
            work.write('postfix/main.cf', 'compatibility_level = 3.6\ninet_protocols = ipv4\nmyhostname = relay.lab\n'
                       'shlib_directory = %s/postfix/usr/lib/postfix\n' % peers)
            environment = dict(os.environ, LD_LIBRARY_PATH=peers + '/postfix/usr/lib/postfix',
                               MAIL_CONFIG=work.path('postfix'))
            for name, row in SCENARIOS.items():
                done = subprocess.run(
                    [peers + '/postfix/usr/sbin/posttls-finger', '-c', '-l', 'dane', '-L', 'verbose,summary',
                     '%s:%d' % (lab.domain(name, row[4]), lab.hops[name].port)],
                    capture_output=True, text=True, env=environment, timeout=60)
                told[name] = done.stdout + done.stderr
    print(json.dumps(told))


def verdict_of_postfix(said):
    """In the words of SCENARIOS; 'refused' for all reasons that are no matter of TLSA records that cannot be had."""
    if 'TLSA lookup error' in said:
        return NOT_KNOWN
    if ': Verified TLS connection established' in said or '\nVerified TLS connection established' in said:
        return 'dane'
    if 'server certificate verification failed' in said:
        return 'refused'
    if 'TLS connection established' in said:
        return 'tls'
    return 'refused' if 'TLSA' in said else 'clear'


@case
def as_postfix_sees_it():
    """Postfix (posttls-finger, which leaves DNSSEC to a resolver) says the same of each scenario."""
    for peer in ('postfix', 'unbound'):
        if not os.path.exists(os.path.join(harness.peers_directory(), peer, 'version')):
            return 'skipped: run tests/install-peers %s first' % peer
    if unavailable() or os.geteuid() != 0:
        return 'skipped: ' + (unavailable() or 'namespaces need root')
    done = subprocess.run(['unshare', '--net', '--mount', sys.executable, os.path.abspath(__file__), INSIDE],
                          capture_output=True, text=True, timeout=300)
    check(done.returncode == 0, 'in the namespaces: %s', done.stderr[-500:])
    told, wrong = json.loads(done.stdout), []
    for name, row in SCENARIOS.items():
        said = told[name]
        expected = row[2] if row[2] in ('dane', 'tls', 'clear', NOT_KNOWN) else 'refused'
        if verdict_of_postfix(said) != expected:
            wrong.append('%s: %s, expected %s: %s' % (name, verdict_of_postfix(said), expected, said[-300:]))
    equal(wrong, [], 'scenarios')
    return None


if __name__ == '__main__':
    if sys.argv[1:] == [INSIDE]:
        sys.exit(say_what_postfix_says())
    sys.exit(harness.main(together=3))
