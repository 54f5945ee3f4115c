#!/usr/bin/python3
"""tests/e2e/test_paths.py - a destination's fallback: when it takes over, when it gives back, and each message once."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (Certificates, Client, NextHop, Workspace, case, check, equal, eventually, free_port,  # noqa: E402
                     message)
from office365 import Mailbox, Office365  # noqa: E402


def relay_with(work, first, second, **changes):
    """Mail for `first`, whose fallback is `second`: addresses of next hops."""
    destinations = [dict({'name': 'first', 'hosts': [first], 'tls': {'mode': 'none'}, 'fallback': 'second',
                          'fallback_after': '200ms'}, **changes.pop('own', {})),
                    {'name': 'second', 'hosts': [second], 'tls': {'mode': 'none'}}]
    return work.relay(work.configuration([], destinations=destinations, routes=[{'destination': 'first'}], **changes))


def send(relay, numbers):
    with Client(relay.address) as client:
        client.hello()
        for number in numbers:
            client.envelope()
            client.data(message(number))


def each_once(count, *hops):
    equal(sorted(sequence for hop in hops for sequence in hop.sequences()), list(range(1, count + 1)), 'sequences')


@case
def takes_over_and_gives_back():
    """Nobody is there: the other destination has the mail, and the event says why. Somebody is: he has it again."""
    with Workspace() as work:
        port = free_port()
        second = work.own(NextHop())
        relay = relay_with(work, '127.0.0.1:%d' % port, second.host)
        send(relay, range(1, 51))
        second.wait_arrivals(50)
        eventually(lambda: len(relay.events('attempt')) >= 50, 'the events are there')
        changed = relay.told('path_changed')[0]
        equal((changed['destination'], changed['to'], changed['reason']), ('first', 'second', 'hosts'), 'path_changed')
        check('refused' in changed['problem'], 'the problem is not told: %s', changed)
        attempts = [e for e in relay.events('attempt') if e['result'] == 'delivered']
        equal({(e['destination'], e['instead_of']) for e in attempts}, {('second', 'first')}, 'attempts')
        first = work.own(NextHop(port=port))
        number = 51
        # What comes once it is back goes there; it is looked for when there is mail, with pauses that grow.
        while not relay.events('path_restored'):
            check(number < 2000, 'it never went back')
            send(relay, [number])
            number += 1
            total = number - 1
            eventually(lambda: len(first.arrivals) + len(second.arrivals) >= total, 'the next arrives')
        before = len(second.arrivals)
        send(relay, range(number, number + 50))
        eventually(lambda: len(first.arrivals) + len(second.arrivals) >= number + 49, 'all arrive')
        equal(len(second.arrivals), before, 'messages at the second, although the first is there')
        each_once(number + 49, first, second)
        relay.terminate()


@case
def both_are_gone():
    """Mail waits at home and goes by whichever is there first, each message once."""
    with Workspace() as work:
        ports = free_port(), free_port()
        relay = relay_with(work, *('127.0.0.1:%d' % port for port in ports))
        send(relay, range(1, 301))
        eventually(lambda: relay.events('path_changed'), 'mail is sent the other way')
        eventually(lambda: len([e for e in relay.events('host_failed') if e['destination'] == 'second']) > 1,
                   'both are known to be gone')
        first = work.own(NextHop(port=ports[0]))
        first.wait_arrivals(300)
        each_once(300, first)
        relay.terminate()


@case
def a_host_that_refuses_the_relay():
    """What is held for what this relay is goes the other way, too; in flight it is heard to its end."""
    def refuse(stage, session, argument):
        return '550 5.7.64 TenantAttribution; Relay Access Denied' if stage == 'MAIL' else None

    with Workspace() as work:
        first, second = work.own(NextHop(script=refuse)), work.own(NextHop())
        relay = relay_with(work, first.host, second.host)
        send(relay, range(1, 31))
        second.wait_arrivals(30)
        each_once(30, first, second)
        eventually(lambda: relay.events('setup_refused'), 'the operator is told')
        relay.terminate()


@case
def by_a_refused_login():
    """Nobody can sign in at the first: the other has the mail at once, under its own senders, and nothing is lost."""
    with Workspace() as work:
        office = work.own(Office365(Certificates(), mailboxes=[Mailbox('box0@contoso.com', 'right')],
                                    mechanisms=('LOGIN',), messages=100000))
        second = work.own(NextHop(tls=Certificates().server_context()))
        tls = {'mode': 'verify', 'ca_file': Certificates().path('ca.crt'), 'server_name': Office365.name}
        work.write('password', 'wrong')
        os.chmod(work.path('password'), 0o600)
        destinations = [{'name': 'first', 'hosts': [office.host], 'tls': tls, 'fallback': 'second',
                         'auth': {'mechanism': 'login', 'user': 'box0@contoso.com', 'password_file': 'password'},
                         'sender': 'mailbox'},
                        {'name': 'second', 'hosts': [second.host], 'tls': tls}]
        relay = work.relay(work.configuration([], destinations=destinations, routes=[{'destination': 'first'}]))
        send(relay, range(1, 31))
        second.wait_arrivals(30)
        each_once(30, second)
        eventually(lambda: relay.events('path_changed'), 'it is told')
        equal(relay.told('path_changed')[0]['reason'], 'sign_in', 'reason')
        equal({arrival.sender for arrival in second.arrivals}, {'sender@example.net'}, 'senders at the second')
        relay.terminate()


@case
def by_limits():
    """An hour's messages are spent: the rest goes the other way."""
    with Workspace() as work:
        first, second = work.own(NextHop()), work.own(NextHop())
        relay = relay_with(work, first.host, second.host,
                           own={'limits': {'messages_per_hour': 6}, 'pacing': 'burst'}, shards=1)
        send(relay, range(1, 21))
        eventually(lambda: len(first.arrivals) + len(second.arrivals) >= 20, 'all arrive')
        each_once(20, first, second)
        check(len(first.arrivals) <= 6, '%d messages at the first', len(first.arrivals))
        eventually(lambda: relay.events('path_changed'), 'it is told')
        equal(relay.told('path_changed')[0]['reason'], 'limits', 'reason')
        relay.terminate()


@case
def at_once_where_the_day_is_spent():
    """A connection is there and idle: what comes behind the day's last recipient does not wait for its end."""
    with Workspace() as work:
        first, second = work.own(NextHop()), work.own(NextHop())
        relay = relay_with(work, first.host, second.host, own={'limits': {'recipients_per_day': 1}})
        send(relay, [1])
        first.wait_arrivals(1)
        send(relay, [2])
        second.wait_arrivals(1, timeout=25)
        relay.terminate()
    each_once(2, first, second)


@case
def survives_a_restart():
    """Nothing on disk says which way it went: what was not delivered goes by either, once."""
    with Workspace() as work:
        ports = free_port(), free_port()
        hosts = ['127.0.0.1:%d' % port for port in ports]
        relay = relay_with(work, *hosts)
        send(relay, range(1, 101))
        eventually(lambda: relay.events('path_changed'), 'mail is sent the other way')
        relay.kill()
        relay.wait()
        second = work.own(NextHop(port=ports[1]))
        relay = relay_with(work, *hosts)
        second.wait_arrivals(100)
        each_once(100, second)
        relay.terminate()


def external(stage, session, argument):
    """As High Volume Email has it: recipients of the own domain only."""
    if stage == 'RCPT' and '@contoso.com' not in argument:
        return '550 5.5.105 Recipient is not internal to the organization'
    return None


OTHER_PATH = [{'stage': 'rcpt', 'code': '5xx', 'enhanced': '5.5.105', 'do': 'other_path'}]


def envelopes(relay, numbers, recipients):
    with Client(relay.address) as client:
        client.hello()
        for number in numbers:
            client.envelope(recipients=recipients)
            client.data(message(number))


@case
def single_recipients_by_a_rule():
    """Those the first does not take have the message by the other at once, also where that defers them first; nobody
    gets it twice, the first is asked once, and other mail stays with it."""
    deferred = []

    def greylist(stage, session, argument):
        if stage == 'RCPT' and argument not in deferred:
            deferred.append(argument)
            return '451 4.7.1 Greylisted'
        return None

    with Workspace() as work:
        asked = []

        def script(stage, session, argument):
            asked.extend([argument] if stage == 'RCPT' else [])
            return external(stage, session, argument)

        first, second = work.own(NextHop(script=script)), work.own(NextHop(script=greylist))
        relay = relay_with(work, first.host, second.host, own={'verdicts': OTHER_PATH},
                           retry={'first': '100ms', 'max': '200ms'})
        envelopes(relay, [1], ['in@contoso.com', 'out@fabrikam.com', 'too@contoso.com'])
        envelopes(relay, [2], ['out@fabrikam.com'])
        envelopes(relay, [3], ['in@contoso.com'])
        eventually(lambda: len(first.arrivals) + len(second.arrivals) >= 4, 'all arrive')
        equal(sorted((a.sequence, sorted(a.recipients)) for a in first.arrivals),
              [(1, ['in@contoso.com', 'too@contoso.com']), (3, ['in@contoso.com'])], 'at the first')
        equal(sorted((a.sequence, sorted(a.recipients)) for a in second.arrivals),
              [(1, ['out@fabrikam.com']), (2, ['out@fabrikam.com'])], 'at the second')
        equal(len([r for r in asked if 'fabrikam' in r]), 2, 'times the first was asked for what it does not take')
        eventually(lambda: [e['result'] for e in relay.events('attempt')][-1:] == ['delivered'] and
                   len([e for e in relay.events('attempt') if e.get('instead_of')]) >= 3, 'the events')
        equal([e['result'] for e in relay.events('attempt') if e['destination'] == 'first' and 'fabrikam' in
               e.get('recipient', '')], ['other_path'], 'told of the one recipient')
        equal(relay.events('path_changed'), [], 'the path of all')
        relay.terminate()


@case
def a_rule_where_nobody_else_is():
    """Without a fallback the message is held and the operator told; a fallback that is away is waited for."""
    with Workspace() as work:
        first = work.own(NextHop(script=external))
        destinations = [{'name': 'first', 'hosts': [first.host], 'tls': {'mode': 'none'}, 'verdicts': OTHER_PATH}]
        relay = work.relay(work.configuration([], destinations=destinations, routes=[{'destination': 'first'}]))
        envelopes(relay, [1], ['out@fabrikam.com'])
        eventually(lambda: relay.events('setup_refused'), 'the operator is told')
        equal(relay.told('setup_refused')[0]['held'], 'message', 'what is held')
        envelopes(relay, [2], ['in@contoso.com'])
        first.wait_arrivals(1)
        equal(relay.count['expired'] + relay.count['path_changed'], 0, 'ended, or sent elsewhere')
        relay.terminate()
    with Workspace() as work:
        first, port = work.own(NextHop(script=external)), free_port()
        relay = relay_with(work, first.host, '127.0.0.1:%d' % port, own={'verdicts': OTHER_PATH})
        envelopes(relay, range(1, 21), ['out@fabrikam.com'])
        envelopes(relay, range(21, 41), ['in@contoso.com'])
        first.wait_arrivals(20)
        eventually(lambda: len([e for e in relay.events('host_failed') if e['destination'] == 'second']) > 0,
                   'the other is known to be gone')
        second = work.own(NextHop(port=port))
        second.wait_arrivals(20)
        equal(sorted(second.sequences()), list(range(1, 21)), 'at the second')
        each_once(40, first, second)
        relay.terminate()


@case
def a_rule_over_two_fallbacks():
    """The second does not take it either: the third does, and after a restart the first is asked again."""
    with Workspace() as work:
        first, second = work.own(NextHop(script=external)), work.own(NextHop(script=external))
        port = free_port()
        none = {'mode': 'none'}
        destinations = [{'name': 'first', 'hosts': [first.host], 'tls': none, 'fallback': 'second',
                         'verdicts': OTHER_PATH},
                        {'name': 'second', 'hosts': [second.host], 'tls': none, 'fallback': 'third',
                         'verdicts': OTHER_PATH},
                        {'name': 'third', 'hosts': ['127.0.0.1:%d' % port], 'tls': none}]
        options = {'destinations': destinations, 'routes': [{'destination': 'first'}]}
        relay = work.relay(work.configuration([], **options))
        envelopes(relay, range(1, 11), ['out@fabrikam.com', 'in@contoso.com'])
        first.wait_arrivals(10)
        eventually(lambda: len([e for e in relay.events('attempt') if e['destination'] == 'second']) >= 10,
                   'the second was asked')
        relay.kill()
        relay.wait()
        third = work.own(NextHop(port=port))
        relay = work.relay(work.configuration([], **options))
        third.wait_arrivals(10)
        equal({tuple(a.recipients) for a in third.arrivals}, {('out@fabrikam.com',)}, 'at the third')
        equal((len(first.arrivals), len(second.arrivals)), (10, 0), 'at the others')
        relay.terminate()


if __name__ == '__main__':
    sys.exit(harness.main(together=4))
