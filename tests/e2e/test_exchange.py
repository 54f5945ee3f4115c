#!/usr/bin/python3
"""tests/e2e/test_exchange.py - what a next hop is told, and what becomes of mail when its replies are odd."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Client, NextHop, Workspace, case, equal, eventually, free_port, message  # noqa: E402


def parameters(hop):
    """What was said behind the address in each MAIL."""
    return [line.partition(b'> ')[2] for session in hop.sessions for line in session.commands
            if line.startswith(b'MAIL')]


@case
def eight_bit_content_is_declared():
    """Whatever the client said about it, in one record or in parts, and after a restart."""
    text = 'Größe\r\n'.encode()
    with Workspace() as work:
        port = free_port()
        configuration = work.configuration(['127.0.0.1:%d' % port], shards=1)
        relay = work.relay(configuration)
        with Client(relay.address) as client:
            client.hello()
            for said in ('', ' BODY=7BIT', ' BODY=8BITMIME'):
                client.envelope(sender='eight@example.net', parameters=said)
                client.data(message(1) + text)
            client.envelope(sender='eight@example.net')
            client.data(text + message(2, 2000000))
            client.envelope(sender='seven@example.net')
            client.data(message(3))
        relay.terminate()
        hop = work.own(NextHop(('PIPELINING', '8BITMIME'), port=port))
        relay = work.relay(configuration, 'again')
        hop.wait_arrivals(5)
        said = sorted(line for session in hop.sessions for line in session.commands if line.startswith(b'MAIL'))
        equal(said, [b'MAIL FROM:<eight@example.net> BODY=8BITMIME'] * 4 + [b'MAIL FROM:<seven@example.net>'], 'MAIL')
        relay.terminate()


@case
def eight_bit_content_where_it_cannot_be_declared():
    """Sent as it is, and the event says so."""
    with Workspace() as work:
        hop = work.own(NextHop(('PIPELINING',)))
        relay = work.relay(work.configuration([hop.host], shards=1))
        with Client(relay.address) as client:
            client.hello()
            client.envelope()
            client.data(message(1) + 'Größe\r\n'.encode())
            client.envelope()
            client.data(message(2))
        eventually(lambda: relay.count['delivered'] == 2, lambda: str(relay.count))
        equal(parameters(hop), [b'', b''], 'parameters of MAIL')
        equal([event.get('undeclared_8bit', False) for event in relay.events('attempt')], [True, False], 'recorded')
        relay.terminate()


if __name__ == '__main__':
    harness.main()
