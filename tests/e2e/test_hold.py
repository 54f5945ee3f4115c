#!/usr/bin/python3
"""tests/e2e/test_hold.py - what the operator reads of next hops: set-ups that are refused, results, what comes next."""

import glob
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (CLOSE, Client, NextHop, Workspace, case, check, equal, eventually, free_port,  # noqa: E402
                     message)

REFUSED = '550 5.7.64 TenantAttribution; Relay Access Denied [next-hop.example.com]'
RETRY = {'first': '1s', 'factor': 1, 'max': '1s', 'expire': '1h'}


def send(relay, sequences, recipients=('recipient@example.com',)):
    with Client(relay.address) as client:
        client.hello()
        for sequence in sequences:
            client.envelope(recipients=recipients)
            client.data(message(sequence, 1500))
        client.command('QUIT', 221)


def one(relay, name):
    events = relay.told(name)
    equal(len(events), 1, 'events %s' % name)
    return events[0]


@case
def a_refused_set_up_is_told_once_and_heals():
    """Mail is held while the certificate is wrong: one alarm that says what to do, no failure, a probe at a time."""
    state = {'right': False, 'refused': 0}

    def script(stage, session, argument):
        if stage != 'RCPT' or state['right']:
            return None
        state['refused'] += 1
        return REFUSED
    with Workspace() as work:
        hop = work.own(NextHop(script=script))
        relay = work.relay(work.configuration([hop.host], shards=1, retry=RETRY))
        started = time.monotonic()
        send(relay, range(1, 31))
        eventually(lambda: relay.events('setup_refused'), 'an alarm')
        time.sleep(2.5)
        refused, seconds = state['refused'], time.monotonic() - started
        state['right'] = True
        hop.wait_arrivals(30)
        eventually(lambda: relay.count['delivered'] == 30, 'delivered: %s' % relay.count)
        alarm, healed = one(relay, 'setup_refused'), one(relay, 'setup_accepted')
        equal((alarm['level'], alarm['reason'], alarm['stage'], alarm['code'], alarm['reply']),
              ('error', 'client', 'rcpt', 550, REFUSED[4:]), 'the alarm')
        check('connector' in alarm['problem'], 'what to do: %s', alarm['problem'])
        equal((healed['level'], healed['destination']), ('notice', alarm['destination']), 'the end of it')
        equal(relay.total('failed'), 0, 'failed')
        check(relay.count['held'] >= 1, 'no attempt is told as held')
        check(refused <= 30 + 2 * seconds, '%d refusals for 30 messages and %.1f seconds', refused, seconds)
        relay.terminate()


@case
def a_message_that_looks_like_a_wrong_set_up():
    """One sender's mail is refused in words that mean the relay, all others' is taken: it waits by itself, and no
    toggling between held and let go."""
    def script(stage, session, argument):
        return '550 5.7.25 client not allowed' if stage == 'MAIL' and 'stranger@' in argument else None
    with Workspace() as work:
        hop = work.own(NextHop(script=script))
        relay = work.relay(work.configuration([hop.host], shards=1, retry=RETRY))
        with Client(relay.address) as client:
            client.hello()
            for sequence in (1, 2):
                client.envelope(sender='stranger@example.net')
                client.data(message(sequence, 1500))
        started = time.monotonic()
        for turn in range(4):
            send(relay, range(100 + 10 * turn, 110 + 10 * turn))
            hop.wait_arrivals(10 * (turn + 1))
            time.sleep(1.2)
        check(len(relay.events('setup_refused')) <= 3, '%d alarms', len(relay.events('setup_refused')))
        seconds = time.monotonic() - started
        check(hop.accepted <= 4 + seconds, '%d connections in %.1f seconds', hop.accepted, seconds)
        equal(relay.total('failed'), 0, 'failed')
        relay.terminate()


@case
def one_sender_that_is_refused_holds_nobody_up():
    """5.7.60 is about a sender: his mail waits, the others' goes, and an alarm names what was said."""
    said = '550 5.7.60 SMTP; Client does not have permissions to send as this sender'

    def script(stage, session, argument):
        return said if stage == 'MAIL' and 'stranger@' in argument else None
    with Workspace() as work:
        hop = work.own(NextHop(script=script))
        relay = work.relay(work.configuration([hop.host], shards=1, retry=RETRY))
        with Client(relay.address) as client:
            client.hello()
            for sequence in range(1, 21):
                client.envelope(sender='stranger@example.net' if sequence % 5 == 0 else 'known@example.net')
                client.data(message(sequence, 500))
        hop.wait_arrivals(16)
        eventually(lambda: relay.events('setup_refused'), 'an alarm')
        alarm = one(relay, 'setup_refused')
        equal((alarm['reason'], alarm['held'], alarm['reply']), ('sender', 'message', said[4:]), 'the alarm')
        equal(relay.total('failed'), 0, 'failed')
        relay.terminate()


@case
def many_recipients_of_one_message_are_one_sign():
    """Ten recipients that are refused for relaying are still one message: the host goes on with others."""
    with Workspace() as work:
        hop = work.own(NextHop(script=lambda stage, session, argument: '554 5.7.1 <%s>: Relay access denied' % argument
                               if stage == 'RCPT' and 'foreign' in argument else None))
        # What does not go at once would go in an hour.
        relay = work.relay(work.configuration([hop.host], shards=1, retry=dict(RETRY, first='1h', max='1h')))
        send(relay, [1], ['user%d@foreign.example' % n for n in range(12)])
        eventually(lambda: relay.events('setup_refused'), 'an alarm')
        send(relay, [2])
        hop.wait_arrivals(1)
        alarm = one(relay, 'setup_refused')
        equal((alarm['held'], alarm['reason']), ('message', 'relay'), 'what is held')
        equal(relay.total('failed'), 0, 'failed')
        relay.terminate()


@case
def each_recipient_has_its_result():
    def script(stage, session, argument):
        if stage == 'RCPT' and 'nobody@' in argument:
            return '550 5.1.1 No such user'
        if stage == 'RCPT' and 'busy@' in argument:
            return '450 4.2.1 Mailbox "busy"'
        return None
    with Workspace() as work:
        hop = work.own(NextHop(script=script))
        relay = work.relay(work.configuration([hop.host], shards=1,
                                              retry={'first': '1h', 'factor': 1, 'max': '1h', 'expire': '5d'}))
        send(relay, [1], ['a@example.com', 'nobody@example.com', 'busy@example.com', 'b@example.com'])
        eventually(lambda: relay.events('deferred'), 'deferred')
        attempt, deferred = one(relay, 'attempt'), one(relay, 'deferred')
        equal([tuple(sorted(entry.items())) for entry in attempt['results']],
              [tuple(sorted(entry.items())) for entry in (
                  {'recipient': 'nobody@example.com', 'result': 'failed', 'code': 550, 'reply': '5.1.1 No such user'},
                  {'recipient': 'busy@example.com', 'result': 'deferred', 'code': 450,
                   'reply': '4.2.1 Mailbox "busy"'},
                  {'recipient': 'a@example.com', 'result': 'delivered'},
                  {'recipient': 'b@example.com', 'result': 'delivered'})], 'results')
        equal((attempt['level'], attempt['result']), ('warning', 'partial'), 'the attempt')
        equal((deferred['level'], deferred['id'], deferred['attempts']), ('notice', attempt['id'], 1), 'deferred')
        check(deferred['next'] > deferred['time'], 'the next try is at %s', deferred['next'])
        send(relay, [2])
        eventually(lambda: len(relay.events('attempt')) == 2, 'the second message')
        alone = relay.events('attempt')[1]
        equal((alone['recipient'], alone['level'], 'results' in alone), ('recipient@example.com', 'info', False), 'one')
        # More than an event holds.
        send(relay, [3], ['user%d.%s@example.com' % (n, 'x' * 40) for n in range(90)])
        eventually(lambda: len(relay.events('attempt')) == 3, 'the third message')
        many = relay.events('attempt')[2]
        check('truncated' not in many, 'truncated: %s', many)
        equal(len(many['results']) + many['more'], 90, 'named and counted')
        relay.terminate()


@case
def deferrals_are_told_once_for_each_reason():
    answers = ['451 4.3.0 Later'] * 3 + ['452 4.3.1 Full'] * 2

    def script(stage, session, argument):
        return answers.pop(0) if stage == 'MAIL' and answers else None
    with Workspace() as work:
        hop = work.own(NextHop(script=script))
        relay = work.relay(work.configuration([hop.host], shards=1, retry=dict(RETRY, first='200ms', max='200ms')))
        send(relay, [1])
        hop.wait_arrivals(1)
        eventually(lambda: relay.count['delivered'] == 1, 'delivered')
        equal([event['code'] for event in relay.events('deferred')], [451, 452], 'told')
        relay.terminate()


@case
def the_end_names_recipients_and_reason():
    """Expired: after refusals with the last reply; where no host was ever reached, with why. Then it comes back."""
    with Workspace() as work:
        hop = work.own(NextHop(script=lambda stage, *_: '451 4.7.1 Not now' if stage == 'RCPT' else None))
        retry = {'first': '200ms', 'factor': 1, 'max': '200ms', 'expire': '1s'}
        relay = work.relay(work.configuration([hop.host], shards=1, retry=retry))
        send(relay, [1], ['a@example.com', 'b@example.com'])
        eventually(lambda: relay.events('expired'), 'expired')
        end = one(relay, 'expired')
        equal((end['stage'], end['code'], end['reply'], end['level']), ('rcpt', 451, '4.7.1 Not now', 'warning'), 'why')
        equal([entry['recipient'] for entry in end['results']], ['a@example.com', 'b@example.com'], 'whose')
        relay.terminate()
    with Workspace() as work:
        port = free_port()
        relay = work.relay(work.configuration(['127.0.0.1:%d' % port], shards=1, retry=retry))
        send(relay, [1])
        eventually(lambda: relay.events('expired'), 'expired')
        end = one(relay, 'expired')
        equal((end['recipient'], end['stage']), ('recipient@example.com', 'connect'), 'whose')
        check('Connection refused' in end['reply'], 'why: %s', end['reply'])
        hop = work.own(NextHop(port=port))
        send(relay, [2])
        hop.wait_arrivals(1)
        eventually(lambda: relay.events('host_ok'), 'the host is well')
        equal(one(relay, 'host_ok')['failures'], relay.events('host_failed')[-1]['failures'], 'failures in a row')
        relay.terminate()


def rot(directory, marker):
    """Changes an octet behind the marker, wherever in the spool it is."""
    for path in glob.glob(os.path.join(directory, '**', '*.seg'), recursive=True):
        with open(path, 'r+b') as f:
            at = f.read().find(marker)
            if at >= 0:
                f.seek(at + len(marker))
                f.write(b'!')
                return
    check(False, '%r is not in the spool', marker)


@case
def a_damaged_message_is_told_with_whom_to_ask():
    """SYS-03: a part of a message rots on the disk. It is held; an intact one for that host does not wait."""
    with Workspace() as work:
        port = free_port()
        configuration = work.configuration(['127.0.0.1:%d' % port], shards=1)
        relay = work.relay(configuration)
        with Client(relay.address) as client:
            client.hello()
            client.envelope(sender='sender@example.net', recipients=('a@example.com', 'b@example.com'))
            client.data(b'Subject: x\r\n\r\n' + b''.join(b'line %06d ' % n + b'x' * 80 + b'\r\n'
                                                        for n in range(12000)))
        relay.terminate()
        # The new process has found it intact at its start, and has it no longer in memory.
        relay = work.relay(configuration, 'again')
        rot(work.path('spool'), b'line 004000 ')
        hop = work.own(NextHop(port=port))
        eventually(lambda: relay.events('damaged'), 'the damage is told')
        send(relay, [2])
        hop.wait_arrivals(1)
        told = one(relay, 'damaged')
        equal((told['level'], told['sender'], [entry['recipient'] for entry in told['results']]),
              ('error', 'sender@example.net', ['a@example.com', 'b@example.com']), 'the damage')
        equal(hop.sequences(), [2], 'arrived')
        equal({event['stage'] for event in relay.events('host_failed')}, {'connect'}, 'what the host is blamed for')
        equal(relay.total('failed'), 0, 'failed')
        relay.terminate()


@case
def damage_does_not_excuse_the_host():
    """RSET takes back what was sent of a damaged message. What the host does to the next one on that connection is its
    own doing again."""
    def lines(word, count):
        return b'Subject: x\r\n\r\n' + b''.join(b'%s %06d ' % (word, n) + b'x' * 80 + b'\r\n' for n in range(count))

    with Workspace() as work:
        port = free_port()
        configuration = work.configuration(['127.0.0.1:%d' % port], shards=1, destination_limits={'connections': 1})
        relay = work.relay(configuration)
        with Client(relay.address) as client:
            client.hello()
            for content in (lines(b'line', 12000), lines(b'next', 90000)):
                client.envelope()
                client.data(content)
        relay.terminate()
        relay = work.relay(configuration, 'again')
        rot(work.path('spool'), b'line 006000 ')
        resets = []

        def script(stage, session, argument):
            if stage != 'BDAT' or b'next 0' not in argument[0]:
                return None
            resets.append(session.commands.count(b'RSET'))
            return CLOSE if len(resets) == 1 else None
        hop = work.own(NextHop(('PIPELINING', 'CHUNKING'), port=port, script=script))
        hop.wait_arrivals(1)
        check(b'next 089999' in hop.arrivals[0].content, 'another message arrived')
        equal(resets[0], 1, 'RSETs before the message whose connection was closed')
        # Interrupted, or unknown where all of it had been sent before.
        eventually(lambda: {event['result'] for event in relay.events('attempt')} & {'interrupted', 'unknown'},
                   'the connection is one that ended in the turn of the intact message')
        relay.terminate()


if __name__ == '__main__':
    harness.main()
