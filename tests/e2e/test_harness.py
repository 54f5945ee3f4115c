#!/usr/bin/python3
"""tests/e2e/test_harness.py - the tests' own client and next hop, against each other and without the relay.

What the other tests conclude rests on these two; so they must agree on content octet for octet, notice a difference,
and fail where they are told to.
"""

import os
import smtplib
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import ports  # noqa: E402
from harness import (CLOSE, Certificates, Client, Failure, NextHop, Workspace, case, check, equal,  # noqa: E402
                     message, message_of, same_octets)

TRICKY = message(1) + b'.\r\n..\r\n.a\r\n' + b'x' * 5000 + b'\r\n\x80\xff\r\n.\r\n'


@case
def content_by_data_and_bdat():
    with Workspace() as work:
        hop = work.own(NextHop())
        with Client(('127.0.0.1', hop.port)) as client:
            client.hello()
            for content in (TRICKY, b'', b'.\r\n', message_of(2, 70000)):
                client.envelope()
                client.data(content)
                client.envelope()
                client.bdat(content, chunk=1000)
            client.command('QUIT', 221)
        arrivals = hop.wait_arrivals(8)
        for pair, content in enumerate((TRICKY, b'', b'.\r\n', message_of(2, 70000))):
            same_octets(arrivals[2 * pair].content, content, 'DATA')
            same_octets(arrivals[2 * pair + 1].content, content, 'BDAT')
        equal(len(arrivals[-1].content), 70000, 'size')


@case
def python_client_over_tls():
    with Workspace() as work:
        certificates = Certificates()
        hop = work.own(NextHop(tls=certificates.server_context(client_required=True), require_tls=True))
        with smtplib.SMTP('127.0.0.1', hop.port) as client:
            client.starttls(context=certificates.client_context(certificate=True))
            client.sendmail('a@example.net', ['b@example.com'], TRICKY)
        arrival = hop.wait_arrivals(1)[0]
        same_octets(arrival.content, TRICKY, 'content')
        check(arrival.session.encrypted and arrival.session.certificate, 'no TLS, or no client certificate')


@case
def scripts_refuse_and_close():
    def script(stage, session, argument):
        return {'RCPT': '451 4.2.0 Later', 'QUIT': CLOSE}.get(stage)
    with Workspace() as work:
        hop = work.own(NextHop(script=script))
        with Client(('127.0.0.1', hop.port)) as client:
            client.hello()
            client.command('MAIL FROM:<a@example.net>', 250)
            client.command('RCPT TO:<b@example.com>', 451)
            client.command('DATA', 554)
            client.send('QUIT\r\n')
            check(client.closed(), 'not closed')
        equal(hop.arrivals, [], 'arrivals')
        port = hop.port
        hop.stop()
        check(not harness.listening(port), 'still listening')
        work.own(NextHop(port=port))
        check(harness.listening(port), 'not listening again')


@case
def ports_are_nobody_elses():
    """Of test files that run side by side; and none at which somebody listens, at whatever address."""
    ask = ('import sys; sys.path.insert(0, sys.argv[1]); from ports import free_port; '
           'print(*[free_port() for _ in range(400)], flush=True); sys.stdin.read()')
    others = [subprocess.Popen([sys.executable, '-c', ask, os.path.dirname(__file__)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE) for _ in range(6)]
    lines = [other.stdout.readline().split() for other in others]
    for other in others:
        other.communicate()
    given = [port for line in lines for port in line]
    equal((len(given), len(set(given))), (2400, 2400), 'ports')
    with socket.socket() as taken:
        port = harness.free_port()
        taken.bind(('127.0.0.9', port))
        check(not ports.unused(port), 'somebody has it')
    check(ports.unused(port), 'nobody has it')


@case
def differences_are_noticed():
    for found, expected in ((b'abc', b'abd'), (b'abc', b'abcd'), (b'', b'a')):
        try:
            same_octets(found, expected, 'x')
        except Failure:
            continue
        raise Failure('%r and %r passed for the same' % (found, expected))


if __name__ == '__main__':
    harness.main()
