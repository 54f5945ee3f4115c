#!/usr/bin/python3
"""tests/e2e/test_odd_clients.py - clients as they are met: what they do is unusual, and their mail must go.

Each case is something that devices, scripts and libraries were seen to do with other servers. What a case sends after
its odd beginning is an ordinary message, which must arrive as it was sent: so the session was in step.
"""

import base64
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, eventually, message, stuff  # noqa: E402


class Place:
    """A relay and a next hop; leaving checks that the relay drains, and that just the expected has arrived."""

    def __init__(self, extensions=harness.ALL_EXTENSIONS, **changes):
        self.work = Workspace()
        self.expected = {}
        self.hop = self.work.own(NextHop(extensions))
        self.relay = self.work.relay(self.work.configuration([self.hop.host], shards=1, **changes))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        with self.work:
            if kind is None:
                eventually(lambda: len(self.hop.arrivals) >= len(self.expected),
                           lambda: '%d messages: %d' % (len(self.expected), len(self.hop.arrivals)))
                self.relay.terminate()
                found = {arrival.recipients[0]: arrival.original for arrival in self.hop.arrivals}
                equal(sorted(found), sorted(self.expected), 'recipients that got something')
                equal(len(self.hop.arrivals), len(self.expected), 'arrivals')
                for recipient, content in self.expected.items():
                    harness.same_octets(found[recipient], content, 'what %s got' % recipient)

    def client(self, timeout=60):
        return Client(self.relay.address, timeout)

    def expect(self, content):
        """Notes that this content is to arrive; returns the recipient to send it to."""
        recipient = 'r%d@example.com' % (len(self.expected) + 1)
        self.expected[recipient] = content
        return recipient

    def ordinary(self, client):
        """An ordinary message in a session that has said EHLO."""
        content = message(len(self.expected) + 1)
        client.envelope(recipients=[self.expect(content)])
        client.data(content)


def codes(replies):
    return [code for code, _ in replies]


@case
def the_whole_session_in_one_write():
    """What `nc < file` sends: EHLO to QUIT at once, content behind DATA. Each command has its reply, in order."""
    with Place() as place:
        content = message(1)
        text = 'EHLO script\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<%s>\r\nDATA\r\n' % place.expect(content)
        with place.client() as client:
            client.send(text.encode() + stuff(content) + b'.\r\nQUIT\r\n')
            equal(codes(client.replies()), [250, 250, 250, 354, 250, 221], 'replies')


@case
def quit_behind_the_end_of_content():
    """RFC 2920 3.1: QUIT may be in the group of the end of data; the 250 comes first, however slow the disk."""
    with Place() as place:
        for _ in range(20):
            content = message(len(place.expected) + 1)
            with place.client() as client:
                client.hello()
                client.envelope(recipients=[place.expect(content)])
                client.command('DATA', 354)
                client.send(stuff(content) + b'.\r\nQUIT\r\n')
                equal(codes(client.replies()), [250, 221], 'replies')


@case
def hello_again():
    """RFC 5321 4.1.4: a second EHLO or HELO begins anew; what was begun before is gone."""
    with Place() as place, place.client() as client:
        client.hello()
        client.hello()
        for again in ('EHLO again', 'HELO again'):
            client.envelope(recipients=['never@example.com'])
            client.command(again, 250)
            client.command('RCPT TO:<never@example.com>', 503)
            place.ordinary(client)


@case
def many_rsets_and_noops():
    """Keep-alives and libraries that reset to be safe: no limit counts them, and each has its reply."""
    with Place() as place, place.client() as client:
        client.hello()
        for line in ('RSET', 'NOOP', 'NOOP still there?'):
            client.send((line + '\r\n') * 5000)
            for _ in range(5000):
                client.expect(250)
        place.ordinary(client)


@case
def commands_while_nobody_reads_the_replies():
    """A client that writes all its commands before it reads: its writing pauses, another client does not notice."""
    count = 300000
    with Place(timeouts={'command': '300s'}) as place, place.client() as client:
        client.hello()
        writer = threading.Thread(target=client.send, args=('NOOP\r\n' * count,), daemon=True)
        writer.start()
        for _ in range(20):
            with place.client() as other:
                other.hello()
                place.ordinary(other)
        check(place.relay.memory() < 100 << 20 or 'SANITIZED' in os.environ, 'the relay has %d octets',
              place.relay.memory())
        for _ in range(count):
            client.expect(250)
        writer.join(10)
        place.ordinary(client)


@case
def auth_that_was_not_offered():
    """Devices with a password set send it whatever is offered. It is refused, never written down, and the mail goes."""
    secret = base64.b64encode(b'\0scanner\0correct horse').decode()
    with Place() as place:
        with place.client() as client:
            client.hello()
            client.send('AUTH PLAIN %s\r\n' % secret)
            check(client.reply()[0] in (500, 502, 503, 504), 'AUTH was not refused')
            place.ordinary(client)
        with place.client() as client:
            client.hello()
            # Some send name and password without having been asked for them.
            client.send('AUTH LOGIN\r\n%s\r\n%s\r\n' % (base64.b64encode(b'scanner').decode(), secret))
            for _ in range(3):
                check(client.reply()[0] in (500, 502, 503, 504), 'AUTH was not refused')
            place.ordinary(client)
        eventually(lambda: place.relay.count['session'] == 2, 'both sessions are reported')
        check(not any(secret in line for line in place.relay.lines), 'the password is in the log')


@case
def starttls_that_was_not_offered():
    with Place() as place, place.client() as client:
        client.hello()
        client.send('STARTTLS\r\n')
        check(client.reply()[0] in (500, 502, 503, 454), 'STARTTLS was not refused')
        place.ordinary(client)


@case
def commands_in_any_dress():
    """RFC 5321 2.4, 4.1.1: any case, blanks behind, and words where a command takes them or not."""
    with Place() as place, place.client() as client:
        client.command('ehlo lower.example.net ', 250)
        content = message(1)
        client.command('mail from:<a@example.net>', 250)
        client.command('Rcpt To:<%s>' % place.expect(content), 250)
        client.command('data ', 354)
        client.send(stuff(content) + b'.\r\n')
        client.expect(250)
        client.command('rset  ', 250)
        client.command('nOOp', 250)
        place.ordinary(client)
        client.command('quit ', 221)
        check(client.closed(), 'the connection stays')


@case
def commands_that_do_not_exist_here():
    """Old and foreign ones are refused, none ends the session or leaves it out of step."""
    with Place() as place, place.client() as client:
        client.hello()
        for line in ('VRFY someone', 'EXPN list', 'HELP', 'TURN', 'ETRN example.com', 'SEND FROM:<a@example.net>',
                     'SOML FROM:<a@example.net>', 'X-EXPS GSSAPI', 'XCLIENT ADDR=192.0.2.1', 'BURL imap://x LAST'):
            client.send(line + '\r\n')
            code = client.reply()[0]
            check(code in (214, 252) or 500 <= code < 560, '%s: %d', line, code)
        place.ordinary(client)


@case
def empty_lines_behind_a_message():
    """Devices that end their content with an empty line too many, behind the dot."""
    with Place() as place, place.client() as client:
        client.hello()
        for _ in range(3):
            content = message(len(place.expected) + 1)
            client.envelope(recipients=[place.expect(content)])
            client.command('DATA', 354)
            client.send(stuff(content) + b'.\r\n\r\n')
            client.expect(250)
            code = client.reply()[0]
            check(500 <= code < 510, 'an empty line: %d', code)


@case
def thousand_recipients_at_once():
    """MAIL, a thousand RCPT and DATA in one write, in any case within what was configured."""
    with Place() as place, place.client() as client:
        client.hello()
        content = message(1)
        first = place.expect(content)
        names = [first] + ['more-%d@example.com' % n for n in range(999)]
        client.send('MAIL FROM:<a@example.net>\r\n' + ''.join('RCPT TO:<%s>\r\n' % name for name in names) + 'DATA\r\n')
        equal(codes([client.reply() for _ in range(1002)]), [250] * 1001 + [354], 'replies')
        client.send(stuff(content) + b'.\r\n')
        client.expect(250)
        place.hop.wait_arrivals(1)
        eventually(lambda: sum(len(arrival.recipients) for arrival in place.hop.arrivals) == 1000,
                   lambda: '%d recipients' % sum(len(arrival.recipients) for arrival in place.hop.arrivals))
        # However many transactions they took: each once.
        got = [name for arrival in place.hop.arrivals for name in arrival.recipients]
        equal(sorted(got), sorted(names), 'recipients')
        place.expected = {arrival.recipients[0]: content for arrival in place.hop.arrivals}


@case
def reset_behind_the_dot():
    """RST at once behind the end of data: taken or not, but nobody gets it twice, and the relay goes on."""
    with Place() as place:
        contents = {}
        for n in range(30):
            content = message(1000 + n)
            contents['once-%d@example.com' % n] = content
            with place.client() as client:
                client.hello()
                client.envelope(recipients=['once-%d@example.com' % n])
                client.command('DATA', 354)
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                client.send(stuff(content) + b'.\r\n')
        with place.client() as client:
            client.hello()
            place.ordinary(client)
        eventually(lambda: place.relay.count['session'] == 31, lambda: str(place.relay.count))
        eventually(lambda: len(place.hop.arrivals) == place.relay.count['accepted'], lambda: str(place.relay.count))
        for arrival in place.hop.arrivals:
            if arrival.recipients[0] in contents:
                place.expected[arrival.recipients[0]] = contents[arrival.recipients[0]]


@case
def names_in_ehlo_that_are_none():
    """8-bit octets, literals, nothing: refused or not, the session goes on, and no such octet reaches the next hop."""
    names = [b'drucker-\xfcber', b'[IPv6:2001:db8::1]', b'[192.0.2.1]', b'[::1]', b'-', b'a' * 300, b'localhost', b'',
             b'my printer', b'name_with_underscore', b'\xe5\x8d\xb0']
    with Place(limits={'errors_per_session': 100}) as place:
        for name in names:
            with place.client() as client:
                client.send(b'EHLO ' + name + b'\r\n')
                code = client.reply()[0]
                check(code == 250 or 500 <= code < 510, '%r: %d', name, code)
                if code != 250:
                    client.hello()
                place.ordinary(client)
        place.hop.wait_arrivals(len(names))
        for arrival in place.hop.arrivals:
            trace = harness.split_trace(arrival.content)[0]
            check(not re.search(rb'[^\r\n\t -~]', trace), 'in Received: %r', trace)


@case
def content_that_begins_with_a_blank():
    """LOP-04: it must not become a part of the Received field above it: it is a body, behind an empty line (as in
    Postfix)."""
    with Place() as place, place.client() as client:
        client.hello()
        for blank in b' \t':
            content = bytes([blank]) + b'by another.example\r\nSubject: x\r\n\r\nfrom a script\r\n'
            client.envelope(recipients=[place.expect(b'\r\n' + content)])
            client.data(content)
        content = b'.hidden\r\n \r\n'
        client.envelope(recipients=[place.expect(content)])
        client.data(content)


@case
def content_that_begins_with_a_dot_and_a_blank():
    """LOP-04: the dot is one that was stuffed, needed or not (RFC 5321 4.5.2): what is left begins with a blank,
    wherever the stream is cut."""
    with Place() as place, place.client() as client:
        client.hello()
        for number, cut in enumerate((0, 1, 2, 20)):
            content = b'\tby another.example\r\nSubject: %d\r\n\r\nfrom a script\r\n' % number
            client.envelope(recipients=[place.expect(b'\r\n' + content)])
            client.command('DATA', 354)
            if cut:
                client.send((b'.' + content)[:cut])
                time.sleep(0.05)
            client.send((b'.' + content)[cut:] + b'.\r\n')
            client.expect(250)


@case
def names_of_every_length_one_after_the_other():
    """EHLO again in one session: what stands in Received is the last name as it was given, whatever its length."""
    lengths = (10, 64, 65, 254, 255, 64, 65, 3, 256, 63)
    names = [('device.example.net.' * 20)[-n - 1:-1] for n in lengths]
    with Place() as place, place.client() as client:
        for name in names:
            client.command('EHLO ' + name, 250)
            place.ordinary(client)
        place.hop.wait_arrivals(len(names))
        for arrival in place.hop.arrivals:
            number = int(re.match(r'r(\d+)@', arrival.recipients[0]).group(1))
            name = re.match(rb'Received: from (\S+)', arrival.content).group(1).decode()
            equal(name, names[number - 1] if len(names[number - 1]) < 256 else '[127.0.0.1]', 'name %d' % number)


@case
def probes_of_load_balancers_and_monitors():
    """Connect and reset, a command and reset, everything before the greeting: no reason for a word above info, and of
    one address ten in an hour and shard are told (docker-smtp-relay#26, Mailu#1424: logs full of such)."""
    with Place() as place:
        for n in range(60):
            with socket.create_connection(place.relay.address, 30) as probe:
                if n % 3 == 1:
                    probe.sendall(b'EHLO monitor\r\nQUIT\r\n')
                    probe.recv(100)
                elif n % 3 == 2:
                    probe.recv(100)
                    probe.sendall(b'NOOP\r\n')
                    probe.recv(100)
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        # Those reset at once may be gone before they are accepted.
        eventually(lambda: place.relay.count['session'] >= 10, lambda: str(dict(place.relay.count)))
        loud = [event for event in place.relay.events_seen
                if event['level'] in ('warning', 'error') and event['event'] != 'runs_as_root']
        check(not loud, 'events: %s', loud[:2])
        with place.client() as client:
            client.hello()
            place.ordinary(client)
        eventually(lambda: [event for event in place.relay.events('session') if event['messages']], 'the last one')
        check(place.relay.count['session'] <= 2 * 10 + 1, 'told: %s', dict(place.relay.count))


@case
def telnet_speaks_first():
    """Option negotiation before the first command, and an urgent octet (Telnet's Synch) in the middle of one."""
    with Place() as place, place.client() as client:
        client.send(b'\xff\xfb\x1f\xff\xfb\x20\xff\xfd\x01EHLO telnet\r\n')
        check(500 <= client.reply()[0] < 510, 'negotiation was taken for a command')
        client.hello()
        client.send(b'NO')
        client.socket.send(b'\xf2', socket.MSG_OOB)
        client.send(b'OP\r\n')
        code = client.reply()[0]
        check(code == 250 or 500 <= code < 510, 'an urgent octet: %d', code)
        place.ordinary(client)


@case
def reports_that_were_not_offered():
    """NOTIFY, ORCPT, RET and ENVID from devices that do not look at EHLO's reply; FROM and TO as they write them."""
    with Place() as place, place.client() as client:
        client.hello()
        content = message(1)
        client.command('MAIL FROM : <a@example.net>  RET=HDRS ENVID=1', 250)
        client.command('RCPT  TO :<%s> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;x@example.com'
                       % place.expect(content), 250)
        client.data(content)
        place.ordinary(client)


@case
def nobody_reads_the_log():
    """Whoever reads standard error stops, or goes: mail goes on, and SIGTERM ends the relay in order."""
    for gone in (False, True):
        with Workspace() as work:
            hop, port = work.own(NextHop()), harness.free_port()
            configuration = work.configuration([hop.host], shards=1)
            configuration['listeners'][0]['address'] = '127.0.0.1:%d' % port
            path = work.write('postrider.yaml', json.dumps(configuration))
            os.makedirs(work.path('spool'), exist_ok=True)
            relay = subprocess.Popen([harness.program('postrider'), 'run', '--config', path], stderr=subprocess.PIPE)
            try:
                eventually(lambda: harness.listening(port), 'the relay listens')
                if gone:
                    relay.stderr.close()
                # Some events for each, in all far more than a pipe holds.
                with Client(('127.0.0.1', port)) as client:
                    client.hello()
                    for n in range(600):
                        client.envelope(recipients=['r%d@example.com' % n])
                        client.data(message(n))
                hop.wait_arrivals(600)
                relay.terminate()
                equal(relay.wait(60), 0, 'exit status')
            finally:
                relay.kill()
                relay.wait()


if __name__ == '__main__':
    harness.main(together=3)
