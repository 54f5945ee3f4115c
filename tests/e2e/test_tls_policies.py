#!/usr/bin/python3
"""tests/e2e/test_tls_policies.py - what TLS a destination asks for, from opportunistic to fingerprints: what goes over
what, what is remembered of a host, and what the operator is told. (CRT, POL-01, STL-07; test_starttls.py has the odd
ways to TLS.)"""

import hashlib
import json
import os
import signal
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Certificates, Client, NextHop, Workspace, case, check, equal, eventually, message  # noqa: E402
from next_hop import Closed, NextHopSession  # noqa: E402

certificates = Certificates()
KINDS = ('server', 'rsa', 'selfsigned', 'expired', 'other')


def shows(name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.path(name + '.crt'), certificates.path(name + '.key'))
    return context


def openssl(*arguments, octets=None):
    return subprocess.run(('openssl',) + arguments, input=octets, capture_output=True, check=True).stdout


def fingerprint(name, of='certificate'):
    """As an operator gets it, by openssl alone."""
    path = certificates.path(name + '.crt')
    if of == 'certificate':
        der = openssl('x509', '-in', path, '-outform', 'DER')
    else:
        der = openssl('pkey', '-pubin', '-outform', 'DER', octets=openssl('x509', '-in', path, '-pubkey', '-noout'))
    return 'sha256:' + hashlib.sha256(der).hexdigest()


def send(relay, numbers, domain='example.com'):
    with Client(relay.address) as client:
        client.hello()
        for number in numbers:
            client.envelope(recipients=['one@' + domain])
            client.data(message(number))


def single(hop, tls, **changes):
    """A destination with a connection for each message."""
    return dict({'name': 'next', 'hosts': [hop.host], 'tls': tls,
                 'limits': {'connections': 1, 'messages_per_connection': 1}}, **changes)


def start(work, *destinations):
    """A relay with these; mail for NAME.example.com goes to the destination of that name. One shard: what is learned of
    a host belongs to its lane."""
    return work.relay(work.configuration([], shards=1, destinations=list(destinations), routes=[
        {'recipient': '*@%s.example.com' % each['name'], 'destination': each['name']} for each in destinations] + [
            {'destination': destinations[0]['name']}]))


class Breaks(NextHopSession):
    """Says 220 to STARTTLS and then no TLS."""

    def on_starttls(self, argument):
        self.socket.sendall(b'220 go\r\n')
        self.socket.recv(1)
        self.socket.sendall(b'no TLS here\r\n')
        raise Closed()


@case
def STL_07_a_failed_handshake_is_remembered():
    """One connection finds it out, is no failure of the host, and all that follow go in clear at once, without
    STARTTLS; where TLS is required not one octet of mail goes, however long that lasts."""
    with Workspace() as work:
        loose, strict = (work.own(NextHop(tls=certificates.server_context(), session_class=Breaks)) for _ in range(2))
        relay = start(work, single(loose, {'mode': 'opportunistic'}),
                      single(strict, {'mode': 'required'}, name='strict'))
        send(relay, range(5))
        send(relay, [9], 'strict.example.com')
        loose.wait_arrivals(5)
        tried = [bytes(it.plain).count(b'STARTTLS') for it in loose.sessions]
        equal(sum(tried), 1, 'connections that tried TLS')
        equal(tried[0], 1, 'STARTTLS on the first connection')
        told = eventually(lambda: [event for event in relay.events('fallback') if event['destination'] == 'next'],
                          'the fallback is told')
        equal([event['without'] for event in told], ['TLS'], 'fallback')
        equal(told[0]['for_s'], 600, 'for_s')
        eventually(lambda: strict.accepted >= 2, lambda: 'the strict one is tried again')
        check(not [e for e in relay.events('host_failed') if e['destination'] == 'next'], 'the loose one is blamed')
        for it in strict.sessions:
            check(b'MAIL' not in bytes(it.plain), 'mail in clear: %s', bytes(it.plain))
        equal(len(strict.arrivals), 0, 'arrivals at the strict one')
        relay.terminate()


@case
def STL_07_tls_that_was_there():
    """A host that offered TLS and does not any more: told once; opportunistic mail goes on in clear, required mail
    waits and goes when TLS is back."""
    with Workspace() as work:
        without = []

        def script(stage, it, argument):
            return '250-next\r\n250 PIPELINING' if stage == 'EHLO' and without and not it.encrypted else None
        hops = {mode: work.own(NextHop(tls=certificates.server_context(), script=script))
                for mode in ('opportunistic', 'required')}
        relay = start(work, *(single(hop, {'mode': mode}, name=mode) for mode, hop in hops.items()))

        def send_to_all(number):
            for mode in hops:
                send(relay, [number], mode + '.example.com')
        send_to_all(1)
        for hop in hops.values():
            hop.wait_arrivals(1)
        without.append(True)
        send_to_all(2)
        send_to_all(3)
        hops['opportunistic'].wait_arrivals(3)
        eventually(lambda: len(relay.events('host_failed')) >= 1, lambda: 'the required one fails')
        equal([a.session.encrypted for a in hops['opportunistic'].arrivals], [True, False, False], 'TLS')
        equal(len(hops['required'].arrivals), 1, 'arrivals at the required one')
        lost = {event['destination']: event for event in relay.events('tls_lost')}
        equal(len(relay.events('tls_lost')), 2, 'tls_lost')
        for mode in hops:
            equal((lost[mode]['what'], lost[mode]['in_clear']), ('tls', mode == 'opportunistic'), mode)
            check('STARTTLS' in lost[mode]['reason'], 'reason: %s', lost[mode])
        without.clear()
        hops['required'].wait_arrivals(3)
        check(all(a.session.encrypted for a in hops['required'].arrivals), 'required mail in clear')
        for it in hops['required'].sessions:
            check(b'MAIL' not in bytes(it.plain), 'required: MAIL in clear')
        relay.terminate()


@case
def CRT_02_what_could_have_been_proven():
    """Whatever a host shows, opportunistic and required mail goes over TLS, and the event of the connection says what
    is wrong with it."""
    with Workspace() as work:
        hops = {(mode, kind): work.own(NextHop(tls=shows(kind)))
                for mode in ('opportunistic', 'required') for kind in KINDS}
        clear = work.own(NextHop())
        relay = start(work, *([single(hop, {'mode': mode}, name=mode + kind, idle_timeout='50ms')
                               for (mode, kind), hop in hops.items()] +
                              [single(clear, {'mode': 'opportunistic'}, name='clear')]))
        for mode, kind in hops:
            send(relay, [1, 2], '%s%s.example.com' % (mode, kind))
        send(relay, [1], 'clear.example.com')
        for hop in hops.values():
            hop.wait_arrivals(2)
            check(all(arrival.session.encrypted for arrival in hop.arrivals), 'sent in clear')
        clear.wait_arrivals(1)
        eventually(lambda: len(relay.events('connection')) >= 2 * len(hops) + 1, lambda: 'all connections have ended')
        for event in relay.events('connection'):
            if event['destination'] == 'clear':
                check('tls' not in event and 'verified' not in event, 'in clear: %s', event)
                equal(event['policy'], 'opportunistic', 'policy')
                continue
            equal(event['verified'], False, 'verified')
            check('certificate verify failed' in event['unverified'] and 'proof' not in event, 'event: %s', event)
            mode = 'opportunistic' if event['destination'].startswith('opp') else 'encrypted'
            equal(event['policy'], mode, 'policy')
        # What was found goes with the ticket.
        check(any(event.get('resumed') for event in relay.events('connection')), 'no session was resumed')
        relay.terminate()


@case
def CRT_fingerprints():
    """One of the configured fingerprints, of the certificate or of the key, is enough whatever else the certificate is;
    with others nothing is said behind the handshake, and mail waits. Resumed sessions are held against them, too."""
    with Workspace() as work:
        good, bad = {}, {}
        for kind in KINDS:
            for of in ('certificate', 'key'):
                good[kind + of] = (work.own(NextHop(tls=shows(kind))), [fingerprint('client'), fingerprint(kind, of)])
            bad['not' + kind] = (work.own(NextHop(tls=shows(kind))), [fingerprint('client')])
        # Written as openssl and browsers write it.
        colons = fingerprint('server').split(':')[1].upper()
        good['colons'] = (work.own(NextHop(tls=shows('server'))), [
            'sha256:' + ':'.join(colons[i:i + 2] for i in range(0, 64, 2))])
        relay = start(work, *(single(hop, {'mode': 'verify', 'fingerprints': prints}, name=name)
                              for name, (hop, prints) in list(good.items()) + list(bad.items())))
        for name in list(good) + list(bad):
            send(relay, [1, 2, 3], name + '.example.com')
        for hop, _ in good.values():
            hop.wait_arrivals(3)
        eventually(lambda: all(hop.accepted >= 2 for hop, _ in bad.values()), lambda: 'all are tried again')
        for name, (hop, _) in bad.items():
            equal(len(hop.arrivals), 0, name)
            for it in hop.sessions:
                commands = [line.split(b' ')[0] for line in it.commands]
                check(commands.count(b'EHLO') <= 1 and set(commands) <= {b'EHLO', b'STARTTLS'}, 'said: %s', commands)
        failed = eventually(lambda: [event for event in relay.events('host_failed')
                                     if event['destination'].startswith('not')], 'the failures are told')
        check(all('fingerprint' in event['reason'] for event in failed), 'why: %s', failed[:1])
        done = [event for event in relay.events('attempt') if event['result'] == 'delivered']
        check(all(event['verified'] and event['proof'] == 'fingerprint' for event in done), 'attempts: %s', done[:1])
        eventually(lambda: any(event.get('resumed') for event in relay.events('connection')), lambda: 'resumed')
        relay.terminate()


@case
def POL_01_a_stricter_policy_takes_nothing_over():
    """With a reload the policy becomes stricter: what was opened for less carries no more mail, nor do its tickets."""
    with Workspace() as work:
        hop = work.own(NextHop(tls=shows('server')))
        destination = {'name': 'next', 'hosts': [hop.host], 'tls': {'mode': 'opportunistic'}}
        configuration = work.configuration([], shards=1, destinations=[destination], routes=[{'destination': 'next'}],
                                           hardening={'directories': [os.path.dirname(certificates.ca)]})
        relay = work.relay(configuration)
        for number, tls in enumerate((
                {'mode': 'opportunistic'}, {'mode': 'required'},
                {'mode': 'verify', 'fingerprints': [fingerprint('server')]},
                {'mode': 'verify', 'ca_file': certificates.ca, 'server_name': certificates.server_name},
                {'mode': 'verify', 'fingerprints': [fingerprint('server', 'key')]})):
            if number > 0:
                destination['tls'] = tls
                work.write('postrider.yaml', json.dumps(configuration))
                relay.signal(signal.SIGHUP)
                eventually(lambda count=number: len(relay.events('reloaded')) >= count, lambda: 'reloaded')
            send(relay, [number])
            hop.wait_arrivals(number + 1)
        used = [arrival.session for arrival in hop.arrivals]
        equal(len(set(map(id, used))), len(used), 'connections')
        check(not any(it.socket.session_reused for it in used), 'a ticket of another policy was taken')
        relay.terminate()


@case
def POL_policies_of_domains_at_one_host():
    """A host has the mail of domains with different policies, and its certificate is not right, or was and is again.
    One message to all of them: each recipient goes as his domain's policy says and over no connection of another's; who
    must be verified waits, and hears nothing of the others. A domain below the partner's is not the partner's, letters
    are the same in any case, and what the host calls itself says nothing."""
    def script(stage, session, argument):
        return '220 mx66.provider.example ESMTP' if stage == 'connect' else None

    with Workspace() as work:
        hop = work.own(NextHop(tls=shows('selfsigned'), script=script))
        names = {'partner': {'mode': 'verify', 'ca_file': certificates.ca, 'server_name': 'localhost'},
                 'must': {'mode': 'required'}, 'rest': {'mode': 'opportunistic'}, 'plain': {'mode': 'none'}}
        relay = work.relay(work.configuration([], shards=1, destinations=[
            {'name': name, 'hosts': [hop.host], 'tls': tls} for name, tls in names.items()], routes=[
                {'recipient': '*@partner.example', 'destination': 'partner'},
                {'recipient': '*@must.example', 'destination': 'must'},
                {'recipient': '*@plain.example', 'destination': 'plain'}, {'destination': 'rest'}]))
        others = {'b@must.example', 'c@rest.example', 'd@plain.example', 'e@sub.partner.example',
                  'f@notpartner.example'}
        with Client(relay.address) as client:
            client.hello()
            client.envelope(recipients=['a@PARTNER.example', *sorted(others)])
            client.data(message(1))
        eventually(lambda: {r for arrival in hop.arrivals for r in arrival.recipients} == others,
                   lambda: 'others: %s' % [arrival.recipients for arrival in hop.arrivals])
        eventually(lambda: relay.events('host_failed'), 'who must be verified is told of')
        equal({e['destination'] for e in relay.events('host_failed')}, {'partner'}, 'whose host failed')
        for arrival in hop.arrivals:
            equal(arrival.session.encrypted, arrival.recipients != ['d@plain.example'], 'TLS: %s' % arrival.recipients)
        # Each policy has connections of its own, and the partner's have said nothing of mail.
        equal(len({id(arrival.session) for arrival in hop.arrivals}), 3, 'connections')
        check(not any(b'PARTNER' in command for session in hop.sessions for command in session.commands),
              'the partner was named')
        hop.stop()
        right = work.own(NextHop(tls=shows('server'), script=script, port=hop.port))
        arrival = right.wait_arrivals(1)[0]
        equal((arrival.recipients, arrival.session.encrypted), (['a@PARTNER.example'], True), 'the partner')
        equal(relay.count['failed'], 0, 'what failed')
        relay.terminate()


if __name__ == '__main__':
    harness.main(together=2)
