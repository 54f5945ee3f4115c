#!/usr/bin/python3
"""tests/e2e/test_limits.py - limits of a destination: what waits, in which order, and for whom."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Certificates, Client, NextHop, Workspace, case, check, equal, message  # noqa: E402
from office365 import Mailbox, Office365  # noqa: E402

PASSWORD = 'correct horse battery staple'

BULK, SCAN = '127.0.0.1', '127.0.0.2'
CLIENTS = [{'name': 'bulk', 'networks': [BULK]}, {'name': 'scans', 'networks': [SCAN]}]


def send(relay, sequences, source=BULK):
    with Client(relay.address, source=source) as client:
        client.hello()
        for sequence in sequences:
            client.envelope()
            client.data(message(sequence, 1500))
        client.command('QUIT', 221)


@case
def never_more_than_a_minute_allows():
    """What is above waits, costs no attempt, and keeps its order; another client's mail does not wait behind it."""
    with Workspace() as work:
        hop = work.own(NextHop(('PIPELINING', '8BITMIME')))
        limits = {'messages_per_minute': 240, 'connections': 2}
        relay = work.relay(work.configuration([hop.host], shards=2, destination_limits=limits))
        start = time.monotonic()
        send(relay, range(30))
        hop.wait_arrivals(30, 120)
        # Four a second, and nothing is saved up.
        check(time.monotonic() - start > 29 / 4, 'all 30 came in %.1f s' % (time.monotonic() - start))
        equal(sorted(hop.sequences()), list(range(30)), 'messages that arrived')
        equal(len(relay.events('deferred')), 0, 'deferred')


@case
def a_backlog_keeps_nobody_waiting():
    """One client has 400 messages waiting, another sends one now and then."""
    with Workspace() as work:
        hop = work.own(NextHop(('PIPELINING', '8BITMIME')))
        relay = work.relay(work.configuration([hop.host], shards=1, clients=CLIENTS,
                                              destination_limits={'messages_per_minute': 600, 'connections': 3}))
        send(relay, range(400))
        hop.wait_arrivals(5)
        for sequence in range(1000, 1005):
            send(relay, [sequence], SCAN)
            before = len(hop.arrivals)
            check(before < 380, 'there is no backlog: %d arrived' % before)
            harness.eventually(lambda: sequence in hop.sequences(), lambda: 'message %d arrived' % sequence)
            overtaken = hop.sequences().index(sequence) - before
            # Those that had had their turn.
            check(overtaken <= 25, '%d messages of the other client came before' % overtaken)


@case
def what_was_given_out_is_not_given_again_after_a_kill():
    """Killed and started again a new process waits for its turn, as it knows nothing of the minute before."""
    with Workspace() as work:
        hop = work.own(NextHop(('PIPELINING', '8BITMIME')))
        limits = {'messages_per_minute': 120, 'connections': 1}
        configuration = work.configuration([hop.host], shards=1, destination_limits=limits)
        relay = work.relay(configuration)
        start = time.monotonic()
        send(relay, range(20))
        hop.wait_arrivals(3)
        for life in range(4):
            relay.kill()
            relay = work.relay(configuration, name='postrider-%d' % life)
        hop.wait_arrivals(20)
        check(time.monotonic() - start > 19 / 2, 'all 20 came in %.1f s' % (time.monotonic() - start))


@case
def each_mailbox_has_its_own():
    """Four mailboxes carry four times as much, none more than its own: the provider counts."""
    with Workspace() as work:
        office = work.own(Office365(Certificates(), mailboxes=[
            Mailbox('box%d@contoso.com' % i, PASSWORD, may_send_as=('sender@example.net',)) for i in range(4)],
            mechanisms=('LOGIN',), messages=60, recipients_per_day=20, slack=0.0))
        work.write('password', PASSWORD + '\n')
        os.chmod(work.path('password'), 0o600)
        limits = {'messages_per_minute': 60, 'connections': 3, 'recipients_per_day': 20}
        destination = {'auth': {'password_file': 'password'},
                       'mailboxes': [{'user': 'box%d@contoso.com' % i} for i in range(4)]}
        tls = {'mode': 'verify', 'ca_file': Certificates().path('ca.crt'), 'server_name': Office365.name}
        relay = work.relay(work.configuration([office.host], shards=2, tls=tls, destination=destination,
                                              destination_limits=limits))
        start = time.monotonic()
        send(relay, range(90))
        office.wait_taken(80, 120)
        check(time.monotonic() - start > 19, '80 of four came in %.1f s' % (time.monotonic() - start))
        harness.eventually(lambda: relay.events('budget_spent'), lambda: 'the event')
        equal(dict(office.violations), {}, 'violations')
        equal(sum(office.taken.values()), 80, 'taken')
        equal(len(relay.events('deferred')), 0, 'deferred')


@case
def told_that_it_is_too_much():
    """One refusal for the rate: the destination is sent less, which is told, and nothing is lost by it."""
    refusals = ['451 4.7.500 Server busy. Please try again later']

    def script(reached, session, argument):
        return refusals.pop() if reached == 'MAIL' and refusals else None

    with Workspace() as work:
        hop = work.own(NextHop(('PIPELINING', '8BITMIME'), script=script))
        relay = work.relay(work.configuration([hop.host], shards=1, destination_limits={
            'connections': 1, 'messages_per_minute': 60}))
        start = time.monotonic()
        send(relay, range(3))
        event = relay.told('slowed')[0]
        equal((event['scope'], event['times'], event['for_s'], event['code']), ('destination', 4, 900, 451), 'slowed')
        hop.wait_arrivals(3, 120)
        # A quarter of what the configuration allows, one a second; without that, of what went lately.
        check(time.monotonic() - start > 7, 'all 3 came in %.1f s' % (time.monotonic() - start))


@case
def one_mailbox_is_told_that_it_is_too_much():
    """It alone is sent less, and the event names it; the others go on as before."""
    with Workspace() as work:
        office = work.own(Office365(Certificates(), mailboxes=[
            Mailbox('box%d@contoso.com' % i, PASSWORD, may_send_as=('sender@example.net',)) for i in range(3)],
            mechanisms=('LOGIN',), messages=600))
        office.refuse('connections', 'box1@contoso.com')
        work.write('password', PASSWORD + '\n')
        os.chmod(work.path('password'), 0o600)
        destination = {'auth': {'password_file': 'password'},
                       'mailboxes': [{'user': 'box%d@contoso.com' % i} for i in range(3)]}
        tls = {'mode': 'verify', 'ca_file': Certificates().path('ca.crt'), 'server_name': Office365.name}
        relay = work.relay(work.configuration(
            [office.host], shards=1, tls=tls, destination=destination, retry={'first': '200ms', 'max': '200ms'},
            destination_limits={'messages_per_minute': 240, 'connections': 1}))
        send(relay, range(100))
        office.wait_taken(100, 120)
        slowed = relay.told('slowed')
        equal([(event['mailbox'], event['scope'], event['times']) for event in slowed],
              [('box1@contoso.com', 'mailbox', 2)], 'slowed')
        used = {name: box.messages for name, box in office.mailboxes.items()}
        check(used['box1@contoso.com'] < 0.7 * min(used['box0@contoso.com'], used['box2@contoso.com']),
              'what each sent: %s', used)
        equal(dict(office.violations), {}, 'violations')


if __name__ == '__main__':
    harness.main(together=3)
