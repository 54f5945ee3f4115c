"""tests/interop/tls_cases.py - the cases that hold for every real server with working TLS as the smart host.

First each server is shown to work as configured without the relay, by swaks and Python's smtplib, so that a failure
behind the relay is the relay's.
"""

import contextlib
import hashlib
import smtplib
import ssl
import time

import dane_cases
from servers import check_arrivals, harness, smtplib_send, swaks_send
from harness import Certificates, Failure, Workspace, case, check, equal, eventually, message

MESSAGES = 200


def direct_swaks(server_class):
    def direct_swaks():
        """Without the relay: swaks delivers with TLS and is refused without."""
        with Workspace() as work:
            certificates = Certificates()
            server = server_class(work, certificates)
            address = ('127.0.0.1', server.port)
            code, text = swaks_send(address, message(1))
            check(code != 0, 'swaks delivered without TLS')
            code, text = swaks_send(address, message(1), '--tls', '--tls-verify', '--tls-ca-path', certificates.ca)
            check(code == 0, 'swaks: %s', text[-500:])
            check_arrivals(server, {1: message(1)}, through_relay=False)
    return direct_swaks


def direct_client_certificate(server_class):
    def direct_client_certificate():
        """Without the relay: the client certificate opens the door, and nothing else does."""
        for how in ('required', 'asked'):
            with Workspace() as work:
                certificates = Certificates()
                server = server_class(work, certificates, how)
                address = ('127.0.0.1', server.port)
                try:
                    smtplib_send(address, message(1), certificates.client_context())
                except (smtplib.SMTPException, ssl.SSLError, ConnectionError):
                    pass
                else:
                    raise Failure('%s accepted mail without the client certificate (%s)' % (server.name, how))
                smtplib_send(address, message(2), certificates.client_context(certificate=True))
                check_arrivals(server, {2: message(2)}, through_relay=False)
    return direct_client_certificate


def send_many(relay, first, count, size=2000):
    originals = {}
    for sequence in range(first, first + count):
        originals[sequence] = message(sequence, size)
        smtplib_send(relay.address, originals[sequence])
    return originals


def deliver(server_class, name, tls, client_certificate=None):
    def deliver():
        with Workspace() as work:
            certificates = Certificates()
            server = server_class(work, certificates, client_certificate)
            relay = work.relay(work.configuration([server.host], tls=tls(certificates)))
            originals = send_many(relay, 1, MESSAGES if client_certificate is None else 20)
            # Content that servers like to change: dots, long lines, 8-bit, no end of header.
            originals[900] = message(900) + b'.\r\n..\r\n.dot\r\n' + b'x' * 998 + b'\r\n\xc3\xa4\xff\r\n'
            originals[901] = message(901, 1 << 20)
            for sequence in (900, 901):
                with harness.Client(relay.address) as client:
                    client.hello()
                    client.envelope(parameters=' BODY=8BITMIME')
                    client.data(originals[sequence])
            check_arrivals(server, originals)
            equal(relay.count['deferred'], 0, 'deferred')
            relay.terminate()
    deliver.__name__ = name
    return deliver


def not_lost(server_class, name, tls, client_certificate, correct):
    """Mail that cannot go as its policy says waits (or is recorded as failed), and is neither lost nor sent."""
    def not_lost():
        with Workspace() as work:
            certificates = Certificates()
            server = server_class(work, certificates, client_certificate)
            configuration = work.configuration([server.host], tls=tls(certificates))
            relay = work.relay(configuration)
            originals = send_many(relay, 1, 5)
            # Nothing can be tried at a host that fails before MAIL; the host is reported then, and all mail waits. It
            # waits as well where the host says that our set-up is wrong (530 without TLS).
            eventually(lambda: relay.count['host_failed'] >= 2 or relay.count['setup_refused'] >= 1 or
                       relay.count['deferred'] + relay.count['failed'] >= 5,
                       lambda: 'every message is deferred, held or failed: %s; %s' % (relay.count, server.log()))
            time.sleep(0.5)
            check(not server.arrivals(), 'a message was delivered against the policy')
            equal(relay.count['delivered'], 0, 'delivered')
            failed = relay.count['failed']
            relay.terminate()
            if failed:
                # Their reports go the same way, and fail as well.
                equal(relay.total('failed') - relay.count['unreported'], 5, 'failed')
                return 'recorded as failed, as this server says 5xx to the transaction'
            # With the right configuration what has waited arrives.
            configuration['destinations'][0]['tls'] = correct(certificates)
            relay = work.relay(configuration, 'corrected')
            check_arrivals(server, originals)
            relay.terminate()
            return 'deferred, then delivered with the right configuration'
    not_lost.__name__ = name
    return not_lost


def wrong_authority(server_class):
    def wrong_authority_defers_and_no_octet_leaves():
        """The same against a listening post: between the relay and the server only the handshake is seen."""
        with Workspace() as work:
            certificates = Certificates()
            context = certificates.server_context()
            hop = work.own(harness.NextHop(tls=context))
            relay = work.relay(work.configuration([hop.host], tls={
                'mode': 'verify', 'ca_file': certificates.other_ca, 'server_name': certificates.server_name}))
            send_many(relay, 1, 3)
            eventually(lambda: relay.count['host_failed'] >= 2, lambda: 'the host is reported: %s' % relay.count)
            equal(len(hop.arrivals), 0, 'arrivals')
            for session in hop.sessions:
                commands = [line.split(b' ')[0] for line in session.commands]
                check(set(commands) <= {b'EHLO', b'STARTTLS', b'QUIT', b'RSET'}, 'commands sent: %s', commands)
                check(b'quick brown fox' not in session.plain, 'content in clear')
            relay.terminate()
    return wrong_authority_defers_and_no_octet_leaves


def fingerprint(path):
    with open(path) as file:
        return 'sha256:' + hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest()


def policies(server_class):
    def CRT_every_policy_and_certificate():
        """A good certificate, one that has ended, one that signs for itself, one for another name: opportunistic and
        required mail goes over TLS whatever it is, mode verify to the good one alone, and with its fingerprint to each;
        without TLS to each that takes it so. What must not go waits."""
        kinds = ('server', 'expired', 'selfsigned', 'second')
        modes = {'none': {'mode': 'none'}, 'opportunistic': {'mode': 'opportunistic'}, 'required': {'mode': 'required'},
                 'verify': verify(Certificates()), 'pinned': {}}
        with contextlib.ExitStack() as stack:
            servers = {}
            for kind in kinds:
                certificates = Certificates()
                certificates.server, certificates.server_key = (certificates.path(kind + end) for end in
                                                                ('.crt', '.key'))
                servers[kind] = server_class(stack.enter_context(Workspace()), certificates)
            destinations, routes, expected = [], [], {kind: {} for kind in kinds}
            for number, (kind, mode) in enumerate((kind, mode) for kind in kinds for mode in modes):
                name = mode + '-' + kind
                shown = fingerprint(servers[kind].certificates.server)
                tls = modes[mode] or {'mode': 'verify', 'fingerprints': [shown]}
                destinations.append({'name': name, 'hosts': [servers[kind].host], 'tls': tls})
                routes.append({'sender': name + '@example.net', 'destination': name})
                if (mode != 'verify' or kind == 'server') and (mode != 'none' or server_class.in_clear):
                    expected[kind][number] = message(number)
            work = stack.enter_context(Workspace())
            relay = work.relay(work.configuration([], destinations=destinations,
                                                  routes=routes + [{'destination': destinations[0]['name']}]))
            for number, route in enumerate(routes):
                smtplib_send(relay.address, message(number), sender=route['sender'])
            eventually(lambda: len({event['destination'] for event in relay.events('host_failed')}) >= 3,
                       lambda: 'those that must not go are tried')
            if not server_class.in_clear:
                eventually(lambda: len({event['destination'] for event in relay.events('setup_refused')}) >= len(kinds),
                           lambda: 'servers that want TLS say so')
            for kind, server in servers.items():
                check_arrivals(server, expected[kind])
            delivered = [event for event in relay.events('attempt') if event['result'] == 'delivered']
            for event in delivered:
                equal(bool(event.get('tls')), not event['destination'].startswith('none'), 'TLS: %s' % event)
                if event['destination'].startswith(('verify', 'pinned')):
                    equal(event['proof'], 'chain' if event['destination'][0] == 'v' else 'fingerprint', 'proof')
            relay.terminate()
    return CRT_every_policy_and_certificate


def required(certificates):
    return {'mode': 'required'}


def verify(certificates):
    return {'mode': 'verify', 'ca_file': certificates.ca, 'server_name': certificates.server_name}


def with_certificate(certificates):
    return dict(verify(certificates), certificate=certificates.client, private_key=certificates.client_key)


def wrong_ca(certificates):
    return dict(verify(certificates), ca_file=certificates.other_ca)


def wrong_name(certificates):
    return dict(verify(certificates), server_name='other.example.org')


def wrong_certificate(certificates):
    return dict(verify(certificates), certificate=certificates.selfsigned, private_key=certificates.selfsigned_key)


def add(server_class):
    for function in (
            direct_swaks(server_class),
            direct_client_certificate(server_class),
            deliver(server_class, 'tls_required', required),
            deliver(server_class, 'tls_verify', verify),
            deliver(server_class, 'client_certificate_required', with_certificate, 'required'),
            deliver(server_class, 'client_certificate_asked', with_certificate, 'asked'),
            not_lost(server_class, 'no_client_certificate_required', verify, 'required', with_certificate),
            not_lost(server_class, 'no_client_certificate_asked', verify, 'asked', with_certificate),
            not_lost(server_class, 'wrong_client_certificate', wrong_certificate, 'required', with_certificate),
            not_lost(server_class, 'wrong_authority', wrong_ca, None, verify),
            not_lost(server_class, 'wrong_name', wrong_name, None, verify),
            not_lost(server_class, 'tls_none_against_tls_only', lambda certificates: {'mode': 'none'}, None, verify),
            policies(server_class),
            dane_cases.matched(server_class),
            wrong_authority(server_class)):
        case(function)
