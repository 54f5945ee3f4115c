#!/usr/bin/python3
"""tests/e2e/test_slots.py - connections of a destination, shared by four shards: as the next hop counts them."""

import json
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Certificates, Client, NextHop, Workspace, case, check, equal, eventually, message  # noqa: E402

CLIENTS, EACH, MOST = 8, 25, 3


def reload(work, configuration, connections):
    configuration['destinations'][0]['limits']['connections'] = connections
    work.write('postrider.yaml', json.dumps(configuration))
    done = subprocess.run([harness.program('postrider'), 'reload', '--config', work.path('postrider.yaml')],
                          capture_output=True, text=True, timeout=120)
    equal(done.returncode, 0, 'exit status of reload: %s' % done.stderr)


def slowly(stage, session, argument):
    """Each message takes a while, so that there is always something to send."""
    if stage == 'END':
        threading.Event().wait(0.02)
    return None


def send(address, first, count):
    with Client(address) as client:
        client.hello()
        for sequence in range(first, first + count):
            client.envelope()
            client.data(message(sequence))
        client.command('QUIT', 221)


def send_from_all(relay, first):
    threads = [threading.Thread(target=send, args=(relay.address, first + i * EACH, EACH)) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def configuration(work, hop, connections, **changes):
    return work.configuration([hop.host], shards=4, spool={'size_max': '4GiB'}, destination_limits={
        'connections': connections, 'messages_in_flight': 1}, **changes)


@case
def never_more_whatever_the_configuration_says_by_then():
    """Three, then one, then three again: never one more at a time, and all mail arrives once."""
    with Workspace() as work:
        hop = work.own(NextHop(('PIPELINING', '8BITMIME'), script=slowly))
        now = configuration(work, hop, MOST)
        relay = work.relay(now)
        arrived = 0
        for most in (MOST, 1, MOST):
            reload(work, now, most)
            eventually(lambda: hop.live <= most, lambda: 'more than %d are closed: %d are open' % (most, hop.live))
            with hop.lock:
                hop.peak = hop.live
            send_from_all(relay, arrived)
            arrived += CLIENTS * EACH
            hop.wait_arrivals(arrived, 120)
            check(hop.peak <= most, '%d connections at a time where %d are allowed', hop.peak, most)
        equal(sorted(hop.sequences()), list(range(arrived)), 'messages that arrived')
        equal(len(relay.events('deferred')), 0, 'deferred')
        relay.terminate()


@case
def mail_on_one_shard_has_them_all():
    """One client's mail stays on its shard while that has time; all that is allowed is its."""
    with Workspace() as work:
        hop = work.own(NextHop(('PIPELINING', '8BITMIME'), script=slowly))
        relay = work.relay(configuration(work, hop, MOST))
        send(relay.address, 0, 150)
        hop.wait_arrivals(150, 120)
        equal(hop.peak, MOST, 'connections at a time')
        relay.terminate()


@case
def with_tls_as_well():
    """A connection takes longer to be made and to be ended."""
    with Workspace() as work:
        certificates = Certificates()
        hop = work.own(NextHop(tls=certificates.server_context(), script=slowly))
        now = configuration(work, hop, MOST, tls={'mode': 'verify', 'ca_file': certificates.ca,
                                                  'server_name': certificates.server_name})
        relay = work.relay(now)
        reload(work, now, 2)
        send_from_all(relay, 0)
        hop.wait_arrivals(CLIENTS * EACH, 120)
        check(hop.peak <= 2, '%d connections at a time where 2 are allowed', hop.peak)
        equal(sorted(hop.sequences()), list(range(CLIENTS * EACH)), 'messages that arrived')
        relay.terminate()


if __name__ == '__main__':
    sys.exit(harness.main())
