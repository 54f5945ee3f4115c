#!/usr/bin/python3
"""tests/interop/test_opensmtpd.py - OpenSMTPD as the smart host: in clear, and with a TLS that always fails."""

import os
import smtplib
import ssl
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import OpenSMTPD, check_arrivals, harness, require, smtplib_send, swaks_send  # noqa: E402
from harness import Certificates, Failure, Workspace, case, check, equal, eventually, message  # noqa: E402

require(OpenSMTPD)


@case
def direct():
    """Without the relay: swaks and smtplib deliver in clear."""
    with Workspace() as work:
        server = OpenSMTPD(work, Certificates())
        code, text = swaks_send(('127.0.0.1', server.port), message(1))
        check(code == 0, 'swaks: %s', text[-500:])
        smtplib_send(('127.0.0.1', server.port), message(2))
        check_arrivals(server, {1: message(1), 2: message(2)}, through_relay=False)


@case
def direct_tls_fails():
    """Without the relay: its TLS is as broken as servers.py says; when it is not, more cases belong here."""
    with Workspace() as work:
        certificates = Certificates()
        server = OpenSMTPD(work, certificates, tls=True)
        try:
            smtplib_send(('127.0.0.1', server.port), message(1), certificates.client_context())
        except (ssl.SSLError, smtplib.SMTPException, ConnectionError):
            return
        raise Failure('the handshake succeeded: use tls_cases.py for OpenSMTPD too')


@case
def in_clear():
    with Workspace() as work:
        server = OpenSMTPD(work, Certificates())
        relay = work.relay(work.configuration([server.host], tls={'mode': 'none'}))
        originals = {sequence: message(sequence, 3000) for sequence in range(1, 101)}
        originals[200] = message(200) + b'.\r\n..\r\n.dot\r\n' + b'x' * 900 + b'\r\n'
        originals[201] = message(201, 300 << 10)
        for content in originals.values():
            smtplib_send(relay.address, content)
        check_arrivals(server, originals)
        relay.terminate()


@case
def required_defers_when_the_handshake_fails():
    with Workspace() as work:
        server = OpenSMTPD(work, Certificates(), tls=True)
        configuration = work.configuration([server.host], tls={'mode': 'required'})
        relay = work.relay(configuration)
        originals = {sequence: message(sequence) for sequence in range(1, 4)}
        for content in originals.values():
            smtplib_send(relay.address, content)
        eventually(lambda: relay.count['host_failed'] >= 2, lambda: 'the host is reported: %s' % relay.count)
        equal(server.arrivals(), [], 'arrivals')
        relay.terminate()
        # The operator gives up on TLS: what has waited arrives.
        configuration['destinations'][0]['tls'] = {'mode': 'none'}
        relay = work.relay(configuration, 'in-clear')
        check_arrivals(server, originals)
        relay.terminate()


@case
def STL_07_no_starttls_and_a_broken_one():
    """Opportunistic mail goes in clear where there is no STARTTLS and where it always fails, which is found out once;
    required mail goes to neither."""
    for tls in (False, True):
        with Workspace() as work:
            server = OpenSMTPD(work, Certificates(), tls)
            relay = work.relay(work.configuration([], shards=1, destinations=[
                {'name': mode, 'hosts': [server.host], 'tls': {'mode': mode},
                 'limits': {'connections': 1, 'messages_per_connection': 1}} for mode in ('opportunistic', 'required')],
                routes=[{'sender': 'required@example.net', 'destination': 'required'},
                        {'destination': 'opportunistic'}]))
            smtplib_send(relay.address, message(9), sender='required@example.net')
            for number in range(4):
                smtplib_send(relay.address, message(number))
            check_arrivals(server, {number: message(number) for number in range(4)})
            eventually(lambda: len(relay.events('host_failed')) >= 2, lambda: 'required mail is tried again')
            equal(len(server.arrivals()), 4, 'arrivals')
            equal([event['without'] for event in relay.events('fallback')], ['TLS'] if tls else [], 'found out')
            relay.terminate()


if __name__ == '__main__':
    harness.main()
