#!/usr/bin/python3
"""tests/e2e/test_refusals.py - what the relay must refuse, and that the session survives where it should."""

import json
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (Client, Failure, NextHop, Workspace, case, check, equal, eventually, message,  # noqa: E402
                     message_of)


class Setting:
    """A relay with a next hop; nothing may have arrived there when a case ends, unless it says so."""

    def __init__(self, expected=0, **changes):
        self.expected, self.changes = expected, changes

    def __enter__(self):
        self.work = Workspace()
        try:
            self.hop = self.work.own(NextHop())
            configuration = self.work.configuration([self.hop.host], **self.changes)
            self.relay = self.work.relay(configuration)
        except BaseException:
            self.work.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                if self.expected:
                    self.hop.wait_arrivals(self.expected)
                time.sleep(0.2)
                equal(len(self.hop.arrivals), self.expected, 'messages that arrived')
                self.relay.terminate()
        finally:
            self.work.__exit__(kind, value, trace)

    def client(self, **options):
        client = Client(self.relay.address, **options)
        return client


STRANGERS = {'clients': [{'name': 'others', 'networks': ['10.0.0.0/8']}]}


@case
def relaying_is_not_for_everyone():
    """REL-01: whatever form the recipient has, a client that may not relay gets no recipient accepted."""
    local = '[127.0.0.1]'
    recipients = ['u@victim.example', 'u%victim.example@example.com', 'u%victim.example@' + local, '"u@victim.example"',
                  '"u%victim.example"', 'u@victim.example@example.com', 'u@victim.example@' + local,
                  '"u@victim.example"@' + local, '@example.com:u@victim.example', '@%s:u@victim.example' % local,
                  'victim.example!u', 'victim.example!u@example.com', 'victim.example!u@' + local, 'u@victim.example.',
                  'u@VICTIM.EXAMPLE', 'u@example.com.victim.example', 'u@victim.example#@example.com',
                  'u@example.com,u@victim.example', 'u@example.com><u@victim.example', 'u@example.com',
                  'u@victim\0.example', 'u@victim\uff0eexample', 'postmaster', '"u@victim.example"@example.com']
    with Setting(**STRANGERS) as setting, setting.client() as client:
        client.hello()
        for sender in ('a@example.net', '', 'a@example.com', 'a@' + local):
            client.command('MAIL FROM:<%s>' % sender, 250)
            for recipient in recipients:
                client.send(b'RCPT TO:<' + recipient.encode() + b'>\r\n')
                reply = client.reply()
                if reply is None or reply[0] == 421:
                    # Enough errors: a new session goes on.
                    client = setting.client()
                    client.hello()
                    client.command('MAIL FROM:<%s>' % sender, 250)
                    client.send(b'RCPT TO:<' + recipient.encode() + b'>\r\n')
                    reply = client.reply()
                check(reply[0] in (550, 501, 553), 'RCPT TO:<%r>: %s', recipient, reply)
                if recipient in ('u@victim.example', 'u@example.com', 'u@VICTIM.EXAMPLE'):
                    check(reply[0] == 550 and reply[1].startswith('5.7.1 '), 'RCPT TO:<%s>: %s', recipient, reply)
            client.command('RSET', 250)


@case
def two_recipients_in_a_line():
    """REL-01: u@ours CRLF RCPT TO:<u@victim> is two commands, each judged for itself."""
    with Setting(routes=[{'recipient': '*@example.com', 'destination': 'next-hop'}]) as setting, \
            setting.client() as client:
        client.hello()
        client.command('MAIL FROM:<a@example.net>', 250)
        client.send('RCPT TO:<u@example.com>\r\nRCPT TO:<u@victim.example>\r\n')
        client.expect(250)
        client.expect(550, '5.7.1')
        client.command('RSET', 250)


@case
def authorization_cannot_be_talked_into():
    """REL-02: neither our own name nor the commands of trusted proxies help."""
    with Setting(limits={'errors_per_session': 100}, **STRANGERS) as setting:
        for line in ('EHLO relay.example.org', 'EHLO [127.0.0.1]', 'HELO localhost'):
            with setting.client() as client:
                client.command(line, 250)
                for command in ('XCLIENT ADDR=10.0.0.1', 'XFORWARD ADDR=10.0.0.1', 'AUTH PLAIN AGEAYg=='):
                    client.send(command + '\r\n')
                    code = client.reply()[0]
                    check(500 <= code < 600, '%s: %d', command, code)
                client.command('MAIL FROM:<a@example.net>', 250)
                client.command('RCPT TO:<b@example.com>', 550, '5.7.1')


@case
def nowhere_by_an_address():
    """REL-04: an address literal of this machine or site is no recipient, in whatever way it is written; others are the
    next hop's to judge, and go there unchanged. So do forms that once meant a way (REL-01)."""
    literals = ['[127.0.0.1]', '[127.1.2.3]', '[0.0.0.0]', '[10.1.2.3]', '[169.254.169.254]', '[192.168.1.1]',
                '[172.31.0.1]', '[224.0.0.1]', '[255.255.255.255]', '[IPv6:::1]', '[IPv6:::]', '[ipv6:0:0:0:0:0:0:0:1]',
                '[IPv6:::ffff:127.0.0.1]', '[IPv6:fe80::1]', '[IPv6:fd00::1]', '[IPv6:ff02::1]']
    others = ['u@[192.0.2.1]', 'u@[IPv6:2001:db8::1]', 'u%victim.example@example.com', '"u@victim.example"@example.com',
              'victim.example!u@example.com']
    with Setting(limits={'errors_per_session': 100}, expected=1) as setting, setting.client() as client:
        client.hello()
        client.command('MAIL FROM:<a@example.net>', 250)
        for literal in literals:
            client.command('RCPT TO:<u@%s>' % literal, 550, '5.1.2')
            client.command('RCPT TO:<@example.com:u@%s>' % literal, 550, '5.1.2')
        for recipient in others + ['@gate.example:u@victim.example']:
            client.command('RCPT TO:<%s>' % recipient, 250)
        client.data(message(1))
        equal(setting.hop.wait_arrivals(1)[0].recipients, others + ['u@victim.example'], 'recipients')


@case
def no_route_for_the_recipient():
    with Setting(routes=[{'recipient': '*@example.com', 'destination': 'next-hop'}], expected=1) as setting, \
            setting.client() as client:
        client.hello()
        client.command('MAIL FROM:<a@example.net>', 250)
        client.command('RCPT TO:<b@example.org>', 550, '5.7.1')
        client.command('RCPT TO:<b@example.com>', 250)
        client.data(message(1))


@case
def too_many_recipients():
    """RFC 5321 4.5.3.1.10: 452 for those beyond; the message goes to the others."""
    with Setting(limits={'recipients_per_message': 120}, expected=2) as setting, setting.client() as client:
        client.hello()
        client.envelope(recipients=['r%d@example.com' % n for n in range(120)])
        client.command('RCPT TO:<r120@example.com>', 452, '4.5.3')
        client.command('RCPT TO:<r121@example.com>', 452, '4.5.3')
        client.data(message(1))
        # The destination takes a hundred in one transaction, so there are two.
        arrivals = setting.hop.wait_arrivals(2)
        equal(sorted(recipient for arrival in arrivals for recipient in arrival.recipients),
              sorted('r%d@example.com' % n for n in range(120)), 'recipients')


@case
def too_large():
    """552 for a size declared or actual; the session is in step and goes on."""
    spool = {'message_size_max': '100KiB'}
    with Setting(spool=spool, expected=2) as setting, setting.client() as client:
        reply = client.hello()
        check('SIZE 102400' in reply[1].split('\n'), 'EHLO offers %s', reply)
        client.command('MAIL FROM:<a@example.net> SIZE=102401', 552, '5.3.4')
        client.command('MAIL FROM:<a@example.net> SIZE=99999999999999999999999', 501)
        client.envelope(parameters=' SIZE=1000')
        client.data(message(1, 300000), 552)
        # A transaction after that works, and one that is only just small enough.
        client.envelope()
        client.data(message(2))
        client.envelope(parameters=' SIZE=102400')
        client.data(message_of(3, 102400))
        client.command('QUIT', 221)
        eventually(lambda: sorted(setting.hop.sequences()) == [2, 3],
                   lambda: 'messages 2 and 3 arrived: %s' % setting.hop.sequences())


@case
def too_many_connections():
    """421 beyond the client's limit and beyond the process's; a place is free again when one leaves."""
    clients = [{'name': 'local', 'networks': ['127.0.0.0/8'], 'limits': {'connections': 5}}]
    for changes, limit in (({'clients': clients}, 5), ({'limits': {'connections': 7}}, 7)):
        with Setting(**changes) as setting:
            kept = [setting.client() for _ in range(limit)]
            for _ in range(3):
                with setting.client(greeting=False) as client:
                    client.expect(421)
                    check(client.closed(), 'not closed after 421')
            kept.pop().command('QUIT', 221)

            lingering = []

            def place():
                """A client that was let in, or None; one that is refused stays until the relay closes."""
                client = setting.client(greeting=False)
                # No reply: closed without a word, where too many refused ones are there already.
                reply = client.reply()
                if reply is not None and reply[0] == 220:
                    return client
                if reply is not None:
                    lingering.append(client)
                return None
            kept.append(eventually(place, 'a place is free again', 60))
            # However many knock at once, nobody is let in. Each has its answer before a place is free: one that still
            # waited to be accepted would get it.
            crowd = [setting.client(greeting=False) for _ in range(200)]
            for client in crowd:
                reply = client.reply()
                check(reply is None or reply[0] == 421, 'a client beyond the limit got %s', reply)
            for client in crowd:
                client.close()
            # Those that are refused and stay are in nobody's way, and there are always some.
            lingering.clear()
            eventually(lambda: not place() and len(lingering) == 20, 'clients are refused with 421', 60)
            kept.pop().command('QUIT', 221)
            kept.pop().command('QUIT', 221)
            kept.append(eventually(place, 'a place is free while refused clients linger', 60))
            for client in kept:
                client.command('NOOP', 250)
            for client in kept + lingering:
                client.close()


def until_refused(client, first, code=452, most=100):
    """Sends messages until MAIL is not taken: how many were."""
    for count in range(most):
        client.send(b'MAIL FROM:<sender@example.net>\r\n')
        reply = client.reply()
        if reply[0] == code:
            check('4.7.0' in reply[1], 'refused with %s', reply)
            return count
        equal(reply[0], 250, 'MAIL')
        client.command('RCPT TO:<recipient@example.com>', 250)
        client.data(message(first + count))
    raise Failure('%d messages in a minute, and no end' % most)


@case
def so_many_a_minute_over_all_shards():
    """A client's limits hold over its connections, wherever they are; who is over them stays and loses nothing."""
    clients = [{'name': 'scans', 'networks': ['127.0.0.1'], 'limits': {'messages_per_minute': 20}},
               {'name': 'bulk', 'networks': ['127.0.0.2'], 'limits': {'recipients_per_minute': 10}},
               {'name': 'large', 'networks': ['127.0.0.3'], 'limits': {'octets_per_minute': '64KiB'}},
               {'name': 'others', 'networks': ['127.0.0.0/8']}]
    with Setting(expected=20 + 1 + 2 + 1, shards=4, clients=clients) as setting:
        scans = [setting.client() for _ in range(8)]
        taken = 0
        for i, client in enumerate(scans):
            client.hello()
            # One that was given up, and one that was refused for its content, are none.
            client.envelope()
            client.command('RSET', 250)
            if taken < 19:
                client.envelope()
                client.data(b'bare\nLF\r\n', 550)
            if taken < 20:
                client.envelope()
                client.data(message(taken))
                taken += 1
        # Reconnecting helps nobody, and others have theirs.
        while taken < 20:
            client = setting.client()
            scans.append(client)
            client.hello()
            client.envelope()
            client.data(message(taken))
            taken += 1
        for client in scans:
            client.command('MAIL FROM:<sender@example.net>', 452, '4.7.0')
            client.command('NOOP', 250)
        bulk = setting.client(source='127.0.0.2')
        bulk.hello()
        # Given up: they are free again.
        bulk.envelope(recipients=['a%d@example.com' % i for i in range(10)])
        bulk.command('RCPT TO:<b@example.com>', 452, '4.7.0')
        bulk.command('RSET', 250)
        bulk.envelope(recipients=['a%d@example.com' % i for i in range(10)])
        bulk.data(message(30))
        bulk.command('MAIL FROM:<sender@example.net>', 250)
        bulk.command('RCPT TO:<b@example.com>', 452, '4.7.0')
        large = setting.client(source='127.0.0.3')
        large.hello()
        for number in (31, 32):
            large.envelope()
            large.data(message_of(number, 25000))
        large.command('MAIL FROM:<sender@example.net> SIZE=20000', 452, '4.7.0')
        large.envelope()
        large.data(message_of(33, 25000), 452)
        # What is refused is nobody's: a small one has its place.
        large.envelope()
        large.data(message_of(34, 5000))
        eventually(lambda: {event['client'] for event in setting.relay.events('refused') if '4.7.0' in event['reply']}
                   == {'scans', 'bulk', 'large'}, 'the refusals are told')
        for client in (*scans, bulk, large):
            client.close()


@case
def an_archive_is_nobodys_recipient():
    """The archive's copy counts toward no limit: neither when it is added nor when the message is refused."""
    clients = [{'name': 'bulk', 'networks': ['127.0.0.0/8'], 'limits': {'recipients_per_minute': 3},
                'archive': 'archive@example.com'}]
    with Setting(expected=0, clients=clients) as setting, setting.client() as client:
        client.hello()
        client.envelope()
        client.data(b'bare\nLF\r\n', 550)
        client.envelope(recipients=['a%d@example.com' % i for i in range(3)])
        client.command('RCPT TO:<b@example.com>', 452, '4.7.0')


@case
def groups_above_the_limit_hear_all_replies():
    """Clients that pipeline whole transactions: those within the limit are taken, and one that is not has an answer to
    each command before the end (a 421 in the middle was lost to such clients elsewhere)."""
    clients = [{'name': 'local', 'networks': ['127.0.0.0/8'], 'limits': {'messages_per_minute': 3}}]
    group = b'MAIL FROM:<sender@example.net>\r\nRCPT TO:<recipient@example.com>\r\nDATA\r\n'
    with Setting(expected=3, clients=clients) as setting:
        for first in (0, 2, 4):
            with setting.client() as client:
                client.hello()
                client.send(group)
                for number in (first, first + 1):
                    replies = [client.reply()[0] for _ in range(3)]
                    if number >= 3:
                        equal(replies, [452, 503, 503], 'replies to a group above the limit')
                        check(client.closed(), 'commands are read behind a refused DATA')
                        break
                    equal(replies, [250, 250, 354], 'replies to a group')
                    client.send(b'X-Postrider-Sequence: %012d\r\n\r\nbody\r\n.\r\n' % number +
                                group * (number == first))
                    client.expect(250)


@case
def limits_of_all_and_a_reload():
    """limits.messages_per_minute is for all clients together; a reload that changes it forgets nothing."""
    with Setting(expected=15, limits={'messages_per_minute': 10}) as setting:
        one, other = setting.client(), setting.client(source='127.0.0.2')
        one.hello()
        other.hello()
        equal(until_refused(one, 0), 10, 'messages')
        equal(until_refused(other, 10), 0, 'messages of another one')
        configuration = setting.work.configuration([setting.hop.host], limits={'messages_per_minute': 15})
        setting.work.write('postrider.yaml', json.dumps(configuration))
        setting.relay.signal(signal.SIGHUP)
        eventually(lambda: setting.relay.events('reloaded'), 'the reload')
        with setting.client() as client:
            client.hello()
            equal(until_refused(client, 20), 5, 'messages of the larger limit')


@case
def so_many_of_an_address_that_connects_for_each_message():
    """What an address has had is not forgotten with its last connection; another one has its own."""
    with Setting(expected=5 + 5, limits={'address': {'messages_per_minute': 5}}) as setting:
        for source, first in (('127.0.0.1', 0), ('127.0.0.2', 5)):
            for number in range(5):
                with setting.client(source=source) as client:
                    client.hello()
                    client.envelope()
                    client.data(message(first + number))
                    client.command('QUIT', 221)
            with setting.client(source=source) as client:
                client.hello()
                client.command('MAIL FROM:<sender@example.net>', 452, '4.7.0')


@case
def so_many_connections_a_second():
    """Who connects faster hears 421 and may come again; others do not notice (machines that open a hundred at once)."""
    clients = [{'name': 'copiers', 'networks': ['127.0.0.1'], 'limits': {'connections_per_second': 5}},
               {'name': 'others', 'networks': ['127.0.0.0/8']}]
    with Setting(expected=2, clients=clients) as setting:
        crowd = [setting.client(greeting=False) for _ in range(60)]
        replies = [client.reply() for client in crowd]
        refused = [reply for reply in replies if reply[0] == 421]
        check(refused and all('4.7.0' in reply[1] for reply in refused), 'all were let in: %s', replies[-1])
        check(sum(reply[0] == 220 for reply in replies) >= 5, 'too few were let in: %s', replies[:6])
        with setting.client(source='127.0.0.2') as other:
            other.hello()
            other.envelope()
            other.data(message(1))

        def let_in():
            with setting.client(greeting=False) as client:
                if client.reply()[0] != 220:
                    return False
                client.hello()
                client.envelope()
                client.data(message(2))
                return True
        eventually(let_in, 'it may come again', pause=0.3)
        for client in crowd:
            client.close()


def closes_within(client, started, low, high, what):
    """`started`: before the client connected, because the relay counts from before the client has read the greeting."""
    client.socket.settimeout(high)
    try:
        replies = client.replies()
    except TimeoutError:
        raise Failure('%s: still open after %g s' % (what, high)) from None
    seconds = time.monotonic() - started
    check(seconds >= low, '%s: closed after %.1f s, should be at least %g', what, seconds, low)
    check([code for code, _ in replies] in ([421], []), '%s: %s', what, replies)


@case
def slow_clients_meet_deadlines():
    """DOS-01: the deadline is for the whole command, not for each octet."""
    with Setting(timeouts={'command': '1s', 'data': '2s'}) as setting:
        started = time.monotonic()
        with setting.client() as client:
            closes_within(client, started, 0.9, 60, 'a client that says nothing')
        with setting.client() as client:
            client.hello()
            ended = None
            for octet in b'MAIL FROM:<somebody@example.net>':
                try:
                    client.send(bytes([octet]))
                except OSError:
                    ended = True
                    break
                time.sleep(0.2)
            check(ended or client.reply()[0] == 421, 'an octet at a time kept the session alive')
        with setting.client() as client:
            client.hello()
            client.envelope()
            started = time.monotonic()
            client.command('DATA', 354)
            with_error = False
            while time.monotonic() - started < 60:
                try:
                    client.send(b'x' * 198 + b'\r\n')
                except OSError:
                    with_error = True
                    break
                time.sleep(0.2)
            check(with_error or client.reply()[0] == 421, 'a line at a time kept the content going')
            check(time.monotonic() - started > 1.5, 'cut off too early')


@case
def content_slower_than_allowed():
    """DOS-01: limits.octets_per_second_min is what content has to bring; 0: nothing, before timeouts.data."""
    def drips(least):
        with Setting(timeouts={'command': '1s', 'data': '3s'}, limits={'octets_per_second_min': least}) as setting, \
                setting.client() as client:
            client.hello()
            client.envelope()
            client.command('DATA', 354)
            started = time.monotonic()
            while time.monotonic() - started < 60:
                try:
                    client.send(b'x' * 98 + b'\r\n')
                except OSError:
                    break
                time.sleep(0.1)
            return eventually(lambda: setting.relay.events('session'), 'the session')[0]['reason']
    # Some 1,000 octets a second, whose first second is free.
    equal(drips('1MiB'), 'content too slow', 'of so few octets')
    equal(drips(0), 'timeout', 'without a minimum')


@case
def sessions_that_do_not_end():
    """DOS-01: timeouts.session ends who says NOOP for ever, between messages; what was promised is answered."""
    with Setting(expected=1, timeouts={'session': '2s'}) as setting, setting.client() as client:
        client.hello()
        client.envelope()
        client.data(message(1))
        started = time.monotonic()
        while time.monotonic() - started < 60:
            try:
                client.send(b'NOOP\r\n')
                reply = client.reply()
            except OSError:
                reply = None
            if not reply or reply[0] == 421:
                break
            equal(reply[0], 250, 'NOOP')
            time.sleep(0.1)
        check(time.monotonic() - started < 60, 'it goes on')
        eventually(lambda: [event for event in setting.relay.events('session')
                            if event['reason'] == 'session too long'], 'its event')


@case
def lines_too_long():
    """PAR-01: one 500 for the line, however long, and the session goes on."""
    with Setting(limits={'errors_per_session': 100}, expected=1) as setting, setting.client() as client:
        client.hello()
        for length in (2049, 4096, 65536, 1 << 20, 10 << 20):
            client.send(b'NOOP ' + b'x' * (length - 7) + b'\r\n')
            client.expect(500)
            client.command('NOOP', 250)
        client.send(b'NOOP ' + b'x' * 500 + b'\r\n')
        check(client.reply()[0] in (250, 501), 'a line of 507 octets')
        client.envelope()
        client.data(message(1))


@case
def a_line_without_end():
    """Nothing is buffered for a line that never ends; the deadline ends it."""
    with Setting(timeouts={'command': '1s'}) as setting, setting.client() as client:
        client.hello()
        before = setting.relay.memory()
        try:
            for _ in range(320):
                client.send(b'x' * 65536)
        except OSError:
            pass
        grown = setting.relay.memory() - before
        # AddressSanitizer keeps what was freed, and its shadow, for a while.
        limit = 15 << 20 if os.environ.get('SANITIZED') else 8 << 20
        check(grown < limit, 'the relay grew by %d octets', grown)


@case
def other_protocols():
    """STL-09: closed with 421 at once, nothing of what came is echoed and nothing behind it is a command."""
    transaction = b'MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nx\r\n.\r\n'
    hello = bytes.fromhex('16030100c8010000c40303') + bytes(range(190))
    for start in (b'GET / HTTP/1.1\r\nHost: MARKER\r\n\r\n', b'POST /MARKER HTTP/1.0\r\n\r\n',
                  b'CONNECT MARKER:443 HTTP/1.1\r\n\r\n', hello + b'\r\n', b'PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n'):
        with Setting() as setting, setting.client() as client:
            try:
                client.send(start + b'EHLO x\r\n' + transaction)
            except OSError:
                pass
            replies = client.replies()
            equal([code for code, _ in replies], [421], 'replies to %r' % start[:20])
            check('MARKER' not in replies[0][1], 'echoed: %s', replies)


@case
def commands_out_of_sequence():
    with Setting(limits={'errors_per_session': 100}, expected=1) as setting, setting.client() as client:
        client.command('MAIL FROM:<a@example.net>', 503)
        client.command('RCPT TO:<b@example.com>', 503)
        client.hello()
        client.command('RCPT TO:<b@example.com>', 503)
        client.command('MAIL FROM:<a@example.net>', 250)
        client.command('MAIL FROM:<a@example.net>', 503)
        # EHLO and RSET end a transaction.
        for line in ('EHLO again.example.net', 'RSET'):
            client.send('RSET\r\n')
            client.expect(250)
            client.envelope()
            client.command(line, 250)
            client.command('RCPT TO:<b@example.com>', 503)
        client.envelope()
        client.data(message(1))
        # A refused DATA ends the session: what comes behind it may be content (SMG-05).
        for lines in ([], ['EHLO x'], ['EHLO x', 'MAIL FROM:<a@example.net>'],
                      ['EHLO x', 'MAIL FROM:<a@example.net>', 'RCPT TO:<b@example.com>', 'RSET']):
            with setting.client() as other:
                for line in lines:
                    other.command(line, 250)
                other.command('DATA', (503, 554)[line == 'MAIL FROM:<a@example.net>'] if lines else 503)
                check(other.closed(), 'the session goes on behind a refused DATA')


@case
def too_many_errors_of_an_address():
    """DOS-03: limits.address.errors_per_minute is for all sessions of an address, those that come later too; and for
    nobody beside it."""
    with Setting(expected=1, limits={'address': {'errors_per_minute': 12}}) as setting:
        first, second = setting.client(), setting.client()
        for client in [first, second] * 6:
            client.command('NONSENSE', 500)
        # What is right is taken on, what is wrong no more.
        first.command('NOOP', 250)
        first.command('NONSENSE', 421, '4.7.0')
        check(first.closed(), 'not closed after too many errors')
        second.command('NOOP', 250)
        with setting.client(greeting=False) as third:
            third.expect(421, '4.7.0')
            check(third.closed(), 'not closed before it said anything')
        with setting.client(source='127.0.0.2') as other:
            other.hello()
            other.command('NONSENSE', 500)
            other.envelope()
            other.data(message(1))
        second.close()
        eventually(lambda: sorted(event['reason'] for event in setting.relay.events('session'))[-2:] ==
                   ['too many errors'] * 2, lambda: setting.relay.events('session'))
        # A minute's share comes back evenly: one within 5 seconds.
        eventually(lambda: setting.client(greeting=False).reply()[0] == 220, 'it may come again', pause=1)


@case
def too_many_errors():
    with Setting(limits={'errors_per_session': 5}) as setting, setting.client() as client:
        client.hello()
        for _ in range(4):
            client.command('NONSENSE', 500)
        client.command('NONSENSE', 421)
        check(client.closed(), 'not closed after too many errors')
        for line in (b'NOOP\n', b'NOOP ' + b'x' * 3000 + b'\r\n'):
            with setting.client() as other:
                other.send(line * 5)
                equal([code for code, _ in other.replies()], [500] * 4 + [421], 'replies to lines that are none')


@case
def bad_syntax():
    """PAR-01, PAR-02: 5xx, and the session survives; an address with 8-bit octets is 553 5.6.7 (PAR-07)."""
    lines = [b'MAIL FROM:a@example.net', b'MAIL FROM <a@example.net>', b'MAIL FROM:<a@example.net', b'MAIL',
             b'MAIL FROM:<a@example.net> SIZE=', b'MAIL FROM:<a@example.net> SIZE=-1',
             b'MAIL FROM:<a@example.net> BODY=x',
             b'MAIL FROM:<a@example.net> SIZE=1 SIZE=2', b'MAIL FROM:<a@example.net> NONSENSE=1',
             b'MAIL FROM:<a@@example.net>', b'MAIL FROM:<@example.net>', b'MAIL FROM:<a@>',
             b'MAIL FROM:<a b@example.net>',
             b'MAIL FROM:<a@example.net>x', b'MAIL FROM:<' + b'l' * 65 + b'@example.net>', b'EHLO', b'\0', b'',
             b'MAIL FROM:<a\0b@example.net>', b'MAIL FROM:<a@exa\x01mple.net>']
    clients = [{'name': 'local', 'networks': ['127.0.0.0/8'], 'syntax': 'strict'}]
    with Setting(clients=clients, limits={'errors_per_session': 1000}, expected=1) as setting, \
            setting.client() as client:
        client.hello()
        for line in lines:
            client.send(line + b'\r\n')
            reply = client.reply()
            check(reply and 500 <= reply[0] < 560, '%r: %s', line, reply)
        client.command('MAIL FROM:<\u00e4@example.net>'.encode(), 553, '5.6.7')
        client.command(b'MAIL FROM:<\xff@example.net>', 553)
        client.envelope()
        client.data(message(1))


@case
def tolerant_syntax():
    """PAR-01: what old devices write is understood, and passed on as an address; LOP-04: nothing odd in Received."""
    names = ['My Printer', 'mantis.*', 'B\u00fcro-PC', '[fe80::1%eth0]', '', 'x' * 300, 'a>b']
    sent = [('MAIL FROM:raid@example.net', 'RCPT TO: b@example.com', 'raid@example.net', 'b@example.com'),
            ('MAIL FROM:< first..last@my_host.example >  SIZE=10', 'RCPT TO:<b@example.com>',
             'first..last@my_host.example', 'b@example.com'),
            ('MAIL FROM:<' + 'v' * 180 + '@example.net>', 'RCPT TO:<b@example.com>', 'v' * 180 + '@example.net',
             'b@example.com'),
            ('MAIL FROM:<scanner>', 'RCPT TO:<admin>', 'scanner@devices.example', 'admin@devices.example')]
    clients = [{'name': 'local', 'networks': ['127.0.0.0/8'], 'default_domain': 'devices.example'}]
    with Setting(clients=clients, expected=len(names) * len(sent)) as setting:
        number = 0
        for name in names:
            with setting.client() as client:
                client.command(('EHLO ' + name).encode(), 250)
                client.command('VRFY', 501)
                client.command('MAIL FROM:<a@example.net> SIZE=99999999999999999999', 552)
                for mail, rcpt, _, _ in sent:
                    number += 1
                    client.command(mail, 250)
                    client.command(rcpt, 250)
                    client.data(message(number))
        for arrival in setting.hop.wait_arrivals(number):
            _, _, sender, recipient = sent[(arrival.sequence - 1) % len(sent)]
            equal(arrival.sender, sender, 'the sender')
            equal(arrival.recipients, [recipient], 'the recipients')
            field = arrival.content.split(b'\r\n', 1)[0]
            equal(field, b'Received: from [127.0.0.1] ([127.0.0.1])', 'the field of an odd name')


@case
def without_a_default_domain():
    """An address without a domain is refused with what is missing, and only postmaster needs none."""
    with Setting(expected=1) as setting, setting.client() as client:
        client.hello()
        client.command('MAIL FROM:<scanner>', 501, '5.1.7')
        client.command('MAIL FROM:<a@example.net>', 250)
        client.command('RCPT TO:<admin>', 501, '5.1.3')
        client.command('RCPT TO:<postmaster>', 250)
        client.data(message(1))


@case
def a_client_that_vanishes():
    """I2: a message that was never ended is never delivered, wherever the client goes away."""
    with Setting(expected=1) as setting:
        stream = (b'EHLO x.example.net\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n'
                  + message(1, 3000) + b'\r\n.')
        for count in list(range(0, len(stream), 97)) + [len(stream) - 1, len(stream)]:
            for abrupt in (False, True):
                client = setting.client()
                client.send(stream[:count])
                if abrupt:
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
                client.close()
        with setting.client() as client:
            client.hello()
            client.envelope()
            client.data(message(2))
        equal(setting.hop.wait_arrivals(1)[0].sequence, 2, 'the message that arrived')


@case
def memory_runs_out_and_comes_back():
    """Past its budget receiving pauses, not the process; when the pressure is gone mail flows again (I7)."""
    spool = {'memory_max': '16MiB', 'message_size_max': '10MiB', 'segment_size': '8MiB'}
    with Setting(spool=spool, shards=1, expected=30) as setting:
        clients = []
        content = harness.stuff(message(1, 2 << 20))
        for _ in range(30):
            client = setting.client(timeout=60)
            client.hello()
            client.envelope()
            client.command('DATA', 354)
            clients.append(client)
        # Each sends a part, so that all have content in memory at once, and then the rest.
        for client in clients:
            client.send(content[:200000])
        for client in clients:
            client.send(content[200000:] + b'.\r\n')
            client.expect(250)
            client.close()


if __name__ == '__main__':
    harness.main()
