#!/usr/bin/python3
"""tests/e2e/test_events.py - what the operator sees of clients: refusals, how sessions ended, the Message-ID."""

import contextlib
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, eventually, message  # noqa: E402


@contextlib.contextmanager
def relay_of(**changes):
    with Workspace() as work:
        hop = work.own(NextHop())
        relay = work.relay(work.configuration([hop.host], shards=1, **changes))
        yield relay
        relay.terminate()


def session_of(relay, number=1):
    """The number-th session that ended."""
    eventually(lambda: relay.count['session'] >= number, lambda: str(relay.count))
    return relay.events('session')[number - 1]


def refused(relay, count):
    eventually(lambda: relay.count['refused'] >= count, lambda: str(relay.events('refused')))
    return relay.events('refused')


def holds(event, **expected):
    """The event has these fields with these values; None: it does not have the field."""
    equal({key: event.get(key) for key in expected}, expected, 'fields of %s' % event)


@case
def each_refusal_is_told():
    """H1: who was refused, by which listener, at which command, about which recipient."""
    routes = [{'recipient': '*@example.com', 'destination': 'next-hop'}]
    with relay_of(routes=routes) as relay, Client(relay.address) as client:
        client.command('MAIL FROM:<a@example.net>', 503)
        client.command('EHLO device.example.net', 250)
        client.command('MAIL FROM:<a@example.net> SIZE=99999999999', 552)
        client.command('MAIL FROM:<a@example.net>', 250)
        client.command('RCPT TO:<b@example.org>', 550)
        client.command('RCPT TO:<b@example.com>', 250)
        client.command('RCPT TO:<c@@example.com>', 501)
        client.command('FROBNICATE this', 500)
        client.command('DATA', 354)
        client.send(b'Subject: x\r\n\r\nbare\nLF\r\n.\r\n')
        client.expect(550, '5.6.11')
        client.command('DATA', 503)
        events = refused(relay, 7)
        for event in events:
            holds(event, level='notice', listener='lan', peer='127.0.0.1', client='local', untold=None)
        holds(events[0], stage='mail', command='MAIL FROM:<a@example.net>', sender='a@example.net', recipients=None,
              reply='503 5.5.1 Send EHLO or HELO first')
        holds(events[1], stage='mail', sender='a@example.net', reply='552 5.3.4 Message exceeds the size limit')
        holds(events[2], stage='rcpt', command='RCPT TO:<b@example.org>', sender='a@example.net',
              recipient='b@example.org', recipients=0, octets=None, reply='550 5.7.1 No route to this recipient')
        holds(events[3], stage='rcpt', command='RCPT TO:<c@@example.com>', recipients=1)
        # Of what is no command one word: the rest could be anything.
        holds(events[4], command='FROBNICATE', stage='rcpt', sender='a@example.net')
        holds(events[5], stage='content', command=None, sender='a@example.net', recipients=1)
        check(events[5]['reply'].startswith('550 5.6.11 ') and events[5]['octets'] > 0, 'content: %s', events[5])
        # The message has gone; the session ends with this reply.
        holds(events[6], stage='data', command='DATA', sender=None, reply='503 5.5.1 Send MAIL first')
        client.close()
        holds(session_of(relay), refusals=7, untold=None, stage='data', reply='503 5.5.1 Send MAIL first',
              reason='DATA refused')


@case
def refused_before_and_after_commands():
    """Last words are told, too: for a limit, for another protocol, and for lines that are none."""
    with relay_of(limits={'connections': 1}) as relay:
        with Client(relay.address) as first:
            with Client(relay.address, greeting=False) as second:
                second.expect(421)
                holds(refused(relay, 1)[0], stage='greeting', command=None,
                      reply='421 4.3.2 Too many connections, try again later')
            first.send('GET /?token=secret HTTP/1.1\r\n')
            first.expect(421)
            holds(refused(relay, 2)[1], stage='foreign', command='GET')
    with relay_of() as relay, Client(relay.address) as client:
        client.command('EHLO x', 250)
        client.send('RSET\n')
        client.expect(500)
        client.send('NOOP ' + 'x' * 3000 + '\r\n')
        client.expect(500)
        holds(refused(relay, 1)[0], command='RSET', stage='ehlo')
        check(refused(relay, 2)[1]['command'].startswith('NOOP xxx'), 'a long line: %s', refused(relay, 2)[1])


@case
def no_password_is_told():
    """A device that has an account configured sends it whether AUTH is offered or not."""
    with relay_of() as relay, Client(relay.address) as client:
        client.command('EHLO x', 250)
        for line in ('AUTH PLAIN c2VjcmV0', 'AUTH LOGIN', 'c2VjcmV0', 'c2VjcmV1', 'PASS c2VjcmV0'):
            client.send(line + '\r\n')
            check(client.reply()[0] >= 500, '%s is refused', line)
        client.send('AUTH PLAIN c2VjcmV0\n')
        client.expect(500)
        client.send('c2VjcmV0\n')
        client.expect(500)
        events = refused(relay, 7)
        equal([event.get('command') for event in events],
              ['AUTH PLAIN', 'AUTH LOGIN', None, None, None, 'AUTH PLAIN', None], 'commands')
        check('c2Vj' not in str(relay.events_seen), 'a password is in the log')


@case
def a_client_that_is_refused_in_a_loop():
    """DOS-06: of each peer 20 in a minute; what is not told is counted."""
    strangers = [{'name': 'others', 'networks': ['10.0.0.0/8']}]
    with relay_of(clients=strangers, limits={'errors_per_session': 1000}) as relay, Client(relay.address) as client:
        client.command('EHLO x', 250)
        client.command('MAIL FROM:<a@example.net>', 250)
        for _ in range(100):
            client.command('RCPT TO:<b@example.com>', 550, '5.7.1')
        client.command('QUIT', 221)
        session = session_of(relay)
        told = relay.count['refused']
        # The test may run over a minute's end.
        check(told in (20, 40), '%d of 100 were told', told)
        counted = sum(event.get('untold', 0) for event in relay.events('refused'))
        check(counted == 0 if told == 20 else counted > 0, 'counted: %d', counted)
        holds(session, refusals=100, untold=100 - told, stage='rcpt', reply='550 5.7.1 Relaying not permitted',
              reason='quit', client='')


@case
def refusals_are_silent_where_messages_are():
    with relay_of(log={'messages': False}) as relay, Client(relay.address) as client:
        client.command('DATA', 503)
        holds(session_of(relay), refusals=1, untold=None, stage='data', reply='503 5.5.1 Send MAIL first')
        equal(relay.count['refused'], 0, 'events')


@case
def how_a_session_ended():
    """The last command and its reply, also where the client just goes."""
    with relay_of() as relay:
        with Client(relay.address):
            pass
        holds(session_of(relay, 1), stage='greeting', reply='220', refusals=0)
        with Client(relay.address) as client:
            client.command('EHLO x', 250)
        holds(session_of(relay, 2), stage='ehlo', reply='250 ENHANCEDSTATUSCODES')
        with Client(relay.address) as client:
            client.hello()
            client.envelope()
            client.command('DATA', 354)
        holds(session_of(relay, 3), stage='content', reply='354 End data with <CR><LF>.<CR><LF>')
        with Client(relay.address) as client:
            client.hello()
            client.envelope()
            client.data(message(1))
            client.command('QUIT', 221)
        holds(session_of(relay, 4), stage='content', reply='250 2.0.0 Ok: queued', reason='quit')


@case
def the_message_id_is_told():
    """By which sender and receiver find a message in their logs; also where the message leaves in parts."""
    with relay_of() as relay, Client(relay.address) as client:
        client.hello()
        for number, (field, size) in enumerate(((b'Message-ID: <one@example.net>\r\n', 0), (b'', 0),
                                                (b'message-id:\r\n <two@example.net>\r\n', 2 << 20),
                                                (b'Message-ID: <%s>\r\n' % (b'x' * 900), 0))):
            client.envelope()
            client.data(re.sub(rb'Message-ID: .*\r\n', field, message(number, size)))
        eventually(lambda: relay.count['accepted'] == 4, lambda: str(relay.count))
        equal([event.get('message_id') for event in relay.events('accepted')],
              ['<one@example.net>', None, '<two@example.net>', '<' + 'x' * 199], 'message ids')


@case
def a_body_has_no_message_id():
    """Content that begins with a blank has no header: what looks like a field behind that is text."""
    with relay_of() as relay, Client(relay.address) as client:
        client.hello()
        contents = [begin + b'\r\nMessage-ID: <body@example.net>\r\n' for begin in (b' text', b'. text', b'')]
        for content in contents:
            client.envelope()
            client.command('DATA', 354)
            client.send(content + b'.\r\n')
            client.expect(250)
        eventually(lambda: relay.count['accepted'] == len(contents), lambda: str(relay.count))
        equal([event.get('message_id') for event in relay.events('accepted')], [None] * len(contents), 'message ids')


if __name__ == '__main__':
    harness.main()
