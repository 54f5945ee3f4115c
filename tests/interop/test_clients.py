#!/usr/bin/python3
"""tests/interop/test_clients.py - real clients hand mail to the relay: swaks, smtp-source, smtplib, msmtp; nmap tries
to."""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import Postfix, harness, smtplib_send, swaks_send  # noqa: E402
from harness import (Certificates, NextHop, Workspace, case, check, equal, eventually, message,  # noqa: E402
                     same_octets, split_trace)


def relay_to_hop(work):
    certificates = Certificates()
    hop = work.own(NextHop(tls=certificates.server_context(), require_tls=True))
    return hop, work.relay(work.configuration([hop.host], tls={
        'mode': 'verify', 'ca_file': certificates.ca, 'server_name': certificates.server_name}))


def check_one(arrival, original):
    equal((arrival.sender, arrival.recipients), ('sender@example.net', ['recipient@example.com']), 'envelope')
    same_octets(split_trace(arrival.content)[1], original, 'content')
    check(arrival.session.encrypted, 'arrived in clear')


@case
def swaks():
    with Workspace() as work:
        hop, relay = relay_to_hop(work)
        for options in ((), ('--pipeline',), ('--protocol', 'SMTP')):
            code, text = swaks_send(relay.address, message(1), *options)
            check(code == 0, 'swaks %s: %s', options, text[-500:])
        for arrival in hop.wait_arrivals(3):
            check_one(arrival, message(1))
        relay.terminate()


@case
def smtplib():
    with Workspace() as work:
        hop, relay = relay_to_hop(work)
        content = message(1) + b'.\r\n..two\r\n'
        smtplib_send(relay.address, content)
        check_one(hop.wait_arrivals(1)[0], content)
        relay.terminate()


@case
def msmtp():
    with Workspace() as work:
        hop, relay = relay_to_hop(work)
        host, port = relay.address
        done = subprocess.run(
            ['msmtp', '--file=/dev/null', '--host=' + host, '--port=%d' % port, '--tls=off', '--auth=off',
             '--domain=client.example.net', '--from=sender@example.net', '--undisclosed-recipients=off',
             'recipient@example.com'],
            input=message(1).replace(b'\r\n', b'\n'), capture_output=True, timeout=60)
        check(done.returncode == 0, 'msmtp: %s', done.stderr.decode()[-300:])
        check_one(hop.wait_arrivals(1)[0], message(1))
        relay.terminate()


@case
def smtp_source():
    """Many sessions at once, several recipients, several messages in a session."""
    with Workspace() as work:
        hop, relay = relay_to_hop(work)
        source = work.own(Postfix.smtp_source(relay.target, '-m', '500', '-s', '20', '-l', '3000', '-r', '3', '-d',
                                              '-f', 'sender@example.net', '-t', 'recipient@example.com'))
        equal(source.wait(120), 0, 'exit code of smtp-source (%s)' % source.tail())
        for arrival in hop.wait_arrivals(500, 60):
            equal(len(arrival.recipients), 3, 'recipients')
        equal(len(hop.arrivals), 500, 'arrivals')
        relay.terminate()


@case
def nmap_finds_no_open_relay():
    """REL-01: what nmap tries of source routes, percent signs, quotes, bangs and empty senders, from a stranger; and
    from a client for whose recipients there is no route."""
    strangers = [{'name': 'others', 'networks': ['10.0.0.0/8']}]
    routes = [{'recipient': '*@own.example', 'destination': 'next-hop'}]
    for changes in ({'clients': strangers}, {'routes': routes}):
        with Workspace() as work:
            hop = work.own(NextHop())
            relay = work.relay(work.configuration([hop.host], limits={'errors_per_session': 1000}, **changes))
            host, port = relay.address
            done = subprocess.run(['nmap', '-n', '-Pn', '-sT', '-p', str(port), '--script', '+smtp-open-relay',
                                   '--script-args', 'smtp-open-relay.domain=scan.example', host],
                                  capture_output=True, text=True, timeout=120)
            check(done.returncode == 0, 'nmap: %s', done.stderr[-300:])
            check('all tests failed' in done.stdout, 'nmap: %s', done.stdout[-500:])

            def tried():
                return sum(event['stage'] == 'rcpt' for event in relay.events('refused'))
            eventually(lambda: tried() >= 16, lambda: '%d recipients were tried' % tried())
            relay.terminate()
            equal(hop.arrivals, [], 'messages that arrived')


if __name__ == '__main__':
    for needed in ('swaks', 'msmtp', 'nmap'):
        if not shutil.which(needed):
            print('skipped: run tests/install-peers clients first')
            sys.exit(77)
    if not os.path.exists(os.path.join(harness.peers_directory(), 'postfix', 'version')):
        print('skipped: run tests/install-peers postfix first')
        sys.exit(77)
    harness.main()
