#!/usr/bin/python3
"""tests/e2e/test_policy.py - what a client's entry says of its messages: sender and author, fields, archive; loops."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import ALL_EXTENSIONS, Client, NextHop, Workspace, case, check, equal  # noqa: E402
from harness import eventually, message, stuff  # noqa: E402

DATE = rb'Date: (Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] [A-Z][a-z]{2} 20[0-9]{2} [0-9:]{8} \+0000\r\n'
BODY = b'\r\nFrom: nobody in particular\r\n.\r\nbody\r\n'


def header(*fields):
    return b''.join(field.encode() + b'\r\n' for field in fields)


class Setting:
    """A relay whose clients have these keys, each with an address of its own, from 127.0.0.1 on; and a next hop."""

    def __init__(self, *clients, **changes):
        self.clients = [dict({'name': 'c%d' % i, 'networks': ['127.0.0.%d' % (i + 1)]}, **keys)
                        for i, keys in enumerate(clients)]
        self.changes = changes

    def __enter__(self):
        self.work = Workspace()
        try:
            self.hop = self.work.own(NextHop())
            self.relay = self.work.relay(self.work.configuration([self.hop.host], clients=self.clients, **self.changes))
        except BaseException:
            self.work.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                # That a signature breaks is said at the start.
                self.relay.noise[:] = [line for line in self.relay.noise if '(DKIM)' not in line]
                self.relay.terminate()
        finally:
            self.work.__exit__(kind, value, trace)

    def client(self, number=0):
        client = Client(self.relay.address, source='127.0.0.%d' % (number + 1))
        client.hello()
        return client

    def send(self, content, number=0, sender='copier@printers.lan', code=250, recipients=('recipient@example.com',)):
        """What it is answered."""
        with self.client(number) as client:
            client.envelope(sender=sender, recipients=recipients)
            return client.data(content, code)[1]

    def sent(self, content, number=0, **more):
        """How it arrives: (sender, header and body)."""
        before = len(self.hop.arrivals)
        self.send(content, number, **more)
        arrival = self.hop.wait_arrivals(before + 1)[before]
        eventually(lambda: self.relay.count['accepted'] == before + 1, 'it is told')
        return arrival.sender, arrival.original


@case
def another_sender():
    """Forced or mapped in the envelope and in From; Reply-To is who wrote it; reports keep their empty sender."""
    mapping = [{'from': 'root@web.lan', 'to': 'web@contoso.com'}, {'from': '*@*.lan', 'to': '*@contoso.com'}]
    with Setting({'from': {'address': 'scan@contoso.com', 'name': 'Büro'}}, {'from': {'map': mapping}},
                 {'from': {'map': mapping, 'reply_to': 'keep'}}) as s:
        equal(s.sent(header('From: Copier <c@printers.lan>', 'Sender: root@x') + BODY),
              ('scan@contoso.com', header('From: =?UTF-8?B?QsO8cm8=?= <scan@contoso.com>',
                                          'Reply-To: Copier <c@printers.lan>') + BODY), 'forced')
        equal(s.sent(header('From: c@printers.lan', 'Reply-To: r@x') + BODY, sender=''),
              ('', header('From: =?UTF-8?B?QsO8cm8=?= <scan@contoso.com>', 'Reply-To: r@x') + BODY), 'a report')
        equal(s.sent(b'no header\r\n', sender='x@y.example'),
              ('scan@contoso.com', header('From: =?UTF-8?B?QsO8cm8=?= <scan@contoso.com>', '', 'no header')),
              'no header')
        for sender, author, new_sender, new_author in (
                ('root@web.lan', 'root@web.lan', 'web@contoso.com', 'web@contoso.com'),
                ('copier@printers.lan', '"C, D" <d@a.b.lan>', 'copier@contoso.com', '"C, D" <d@contoso.com>'),
                ('a@example.org', 'b@example.net', 'a@example.org', None),
                ('a@example.org', 'Team: x@y.lan, z@example.org;', 'a@example.org', 'Team <x@contoso.com>'),
                ('a@example.org', '"x y"@y.lan', 'a@example.org', None),
                ('"a\\"b"@y.lan', 'x@lan', '"a\\"b"@y.lan', None),
                ('x@y.lan', 'root (Cron)', 'x@contoso.com', None)):
            wanted = ['From: ' + (new_author or author)]
            for number, reply_to in ((1, ['Reply-To: ' + author] if new_author else []), (2, [])):
                equal(s.sent(header('From: ' + author) + BODY, number, sender=sender),
                      (new_sender, header(*wanted + reply_to) + BODY), 'mapped: %s, %s' % (sender, author))
        check(s.relay.told('accepted')[0]['rewritten'], 'the event does not tell it')


@case
def domains_in_all_languages():
    """A domain is mapped however it is written (REL-03), and what the header has then needs SMTPUTF8 (PAR-07)."""
    mapping = [{'from': '*@xn--bcher-kva.example', 'to': '*@contoso.com'}]
    for offers in (True, False):
        with Setting({'from': {'map': mapping, 'reply_to': 'keep'}}, {'add_missing_headers': True}) as s:
            if offers:
                s.hop.extensions += ('SMTPUTF8',)
            for number, fields in ((0, ['From: Info <web@BÜCHER.example>'] if offers else ['From: a@example.net']),
                                   (1, ['From: a@example.net', 'Date: x', 'Message-ID: <x>', 'To: x']), (1, [])):
                with s.client(number) as client:
                    client.envelope('info@bücher.example', parameters=' SMTPUTF8')
                    client.data(header(*fields) + BODY)
            arrivals = s.hop.wait_arrivals(3 if offers else 2)
            own = 'info@bücher.example' if offers else 'info@xn--bcher-kva.example'
            wanted = [('info@contoso.com', 'From: Info <web@contoso.com>' if offers else 'From: a@example.net'),
                      (own, 'From: a@example.net')] + [(own, 'From: ' + own)] * offers
            equal(sorted((a.sender.encode('latin-1').decode(), a.original.decode().split('\r\n')[0]) for a in arrivals),
                  sorted(wanted), 'what arrived, SMTPUTF8 offered: %s' % offers)
            if not offers:
                eventually(lambda: ['5.6.7' in str(event) for event in s.relay.events('attempt')
                                    if event['result'] == 'failed'] == [True], 'what it cannot have fails')


@case
def missing_fields():
    """Date, Message-ID, an author and somebody that it is for (RFC 5322 3.6); those that are there stay."""
    with Setting({'add_missing_headers': True}, {}) as s:
        made = DATE + rb'Message-ID: <%s@relay\.example\.org>\r\n'
        for fields, before, behind in (
                ([], b'', b'To: undisclosed-recipients:;\r\n'), (['From: a@lan', 'To: b@x'], b'', b''),
                (['Subject: s', 'Cc: x@y', 'Date:'], b'', b''), (['From: root (Cron)', 'Bcc: b@x'], b'', b'')):
            original = s.sent(header(*fields) + BODY)[1]
            ident = s.relay.events('accepted')[-1]['id'].encode()
            check(re.search(made % ident + re.escape(behind + BODY) + b'$', original), 'not made: %r', original)
            check(re.search(rb'(?m)^From: (a@lan|(root \(Cron\) )?<?copier@printers\.lan>?)\r$', original),
                  'no author: %r', original)
            equal(s.relay.events('accepted')[-1]['message_id'], '<%s@relay.example.org>' % ident.decode(), 'event')
        check(b'From: MAILER-DAEMON@relay.example.org\r\n' in s.sent(BODY, sender='')[1], 'a report has no author')
        whole = header('Date: whenever', 'message-id: <1@x>', 'From: a@lan', 'to: b@x') + BODY
        equal(s.sent(whole)[1], whole, 'nothing is missing')
        check('rewritten' not in s.relay.events('accepted')[-1], 'rewritten')
        # A client without such an entry; what begins with a blank is a body, and our field stays as it is.
        equal(s.sent(header('X: 1') + BODY, 1)[1], header('X: 1') + BODY, 'another client')
        check(re.match(rb'From: copier@printers.lan\r\n' + DATE, s.sent(b' x\r\n')[1]), 'a blank at the beginning')
        check(s.sent(b'')[1].startswith(b'From: copier@printers.lan\r\n'), 'no content at all')


@case
def fields_removed_and_added():
    with Setting({'remove_headers': ['X-Originating-IP', 'X-Int-*'], 'add_headers': ['X-Office: Berlin']},
                 {'remove_headers': ['Reply-To'], 'add_headers': [{'Reply-To': 'help@contoso.com'}]}) as s:
        sent = header('X-Int-A: 1', ' more', 'From: a@lan', 'x-originating-ip : 2', 'X-Originating-IPs: 3')
        equal(s.sent(sent + BODY)[1],
              header('From: a@lan', 'X-Originating-IPs: 3', 'X-Office: Berlin') + BODY, 'removed and added')
        equal(s.sent(header('Reply-To: a@lan', 'From: a@lan', 'DKIM-Signature: v=1') + BODY, 1)[1],
              header('From: a@lan', 'DKIM-Signature: v=1', 'Reply-To: help@contoso.com') + BODY, 'set')


@case
def however_it_comes():
    """One write, octets, pieces, chunks, over several blocks of memory: the same message; a header that is larger
    than 128 KiB is refused, and the session goes on."""
    keys = {'from': {'address': 'scan@contoso.com'}, 'add_missing_headers': True}
    with Setting(keys) as s:
        small = header('From: a@lan', 'Message-ID: <1@x>', 'Date: d', 'To: b@x') + b'\r\n..\r\nbody\r\n'
        with s.client() as client:
            for size in (1, 2, 3, 7, 1000):
                client.envelope()
                client.command('DATA', 354)
                octets = stuff(small) + b'.\r\n'
                for at in range(0, len(octets), size):
                    client.send(octets[at:at + size])
                client.expect(250)
            for chunk in (1, 5, 1000):
                client.envelope()
                client.bdat(small, chunk=chunk)
            filler = b''.join(b'X-Fill-%05d: %s\r\n' % (i, b'f' * 80) for i in range(1240))
            bodies = (b'', b'large body\r\n' * 100000)
            for length in (16000, 16384, 17000, 33000, len(filler)):
                for body in bodies:
                    client.envelope()
                    client.data(filler[:length // 96 * 96] + header('From: a@lan', 'Date: d') + b'\r\n' + body)
            client.envelope()
            reply = client.data(filler + filler[:20000] + header('From: a@lan', 'Date: d') + b'\r\n' + bodies[1], 552)
            check(reply[1].startswith('5.3.4 '), 'refusal: %s', reply)
            # Nothing of it but a body: a header ends before what is none.
            client.envelope()
            client.data(b'no header at all\r\n' * 20000)
        arrivals = s.hop.wait_arrivals(19)
        expected = small.replace(b'From: a@lan', b'From: scan@contoso.com\r\nReply-To: a@lan')
        small_ones = [a.original for a in arrivals if len(a.original) < 1000]
        equal(small_ones, [expected] * 8, 'small ones')
        for arrival in arrivals:
            head, _, rest = arrival.original.partition(b'\r\n\r\n')
            check(head.count(b'From: scan@contoso.com') == 1, 'author: %r', head[-300:])
            check(head.count(b'Message-ID: ') == 1, 'header: %r', head[-300:])
            check(rest in bodies or rest in (b'..\r\nbody\r\n', b'no header at all\r\n' * 20000), 'body')
            fill = head[:head.find(b'From: ')]
            check(filler.startswith(fill), 'fields before it')


@case
def bound_authors():
    """REL-03: From and Sender name allowed senders only, in whatever way they are written."""
    bound = {'from': {'bind': True}, 'allowed_senders': ['a@contoso.com', '*@own.example', '<>']}
    with Setting(bound, dict(bound, add_missing_headers=True),
                 dict(bound, **{'from': {'bind': True, 'address': 'scan@contoso.com'}})) as s:
        for fields in (['From: A@contoso.com'], ['From: "a@contoso.com" <a@contoso.com>', 'Sender: x@own.example'],
                       ['From: =?utf-8?q?B=C3=BCro?= <b@own.example>']):
            equal(s.sent(header(*fields) + BODY, sender='a@contoso.com')[1], header(*fields) + BODY, 'allowed')
        for fields in ([], ['To: a@contoso.com'], ['From: ceo@contoso.com'],
                       ['From: a@contoso.com', 'From: x@own.example'],
                       ['From: a@contoso.com, ceo@contoso.com'], ['From:'], ['From: staff:;'],
                       ['From: "ceo@contoso.com" <a@contoso.com>'], ['Sender: a@contoso.com'],
                       ['From: =?utf-8?q?ceo=40contoso.com?= <a@contoso.com>'],
                       ['From: =?utf-8?b?Y2Vv?= =?utf-8?q?=40contoso.com?=\r\n <a@contoso.com>'],
                       ['From: a@contoso.com', 'Sender: ceo@contoso.com'], ['From: ceo @ contoso.com']):
            text = s.send(header(*fields) + BODY, sender='a@contoso.com', code=550)
            check(text.startswith('5.7.1 '), '%s: %s', fields, text)
        # What follows a line that is no field is no header, for nobody who reads it: an empty line stands between.
        for line in ('no field', ': a', '=?x', 'From\xe9: a@contoso.com', '\x01X: a'):
            rest = line.encode('latin-1') + b'\r\nFrom: ceo@contoso.com\r\n\r\nbody\r\n'
            equal(s.sent(header('From: a@contoso.com') + rest, sender='a@contoso.com')[1],
                  header('From: a@contoso.com') + b'\r\n' + rest, 'set apart')
        for fold in (' ', '\t', '  ', '>From x Fri', 'From x Fri'):
            s.send(header('From: a@contoso.com', fold, 'From: ceo@contoso.com') + BODY, sender='a@contoso.com',
                   code=550)
        # Who is not named is the sender, whom MAIL has asked about.
        check(b'From: a@contoso.com\r\n' in s.sent(BODY, 1, sender='a@contoso.com')[1], 'no author')
        s.send(header('From: ceo@contoso.com') + BODY, 1, sender='a@contoso.com', code=550)
        # Whoever wrote it becomes somebody else: what can be seen then counts.
        equal(s.sent(header('From: ceo@contoso.com', 'Reply-To: x@y') + BODY, 2, sender='a@contoso.com'),
              ('scan@contoso.com', header('From: scan@contoso.com', 'Reply-To: x@y') + BODY), 'forced')
        s.send(header('From: "ceo@contoso.com" <a@contoso.com>') + BODY, 2, sender='a@contoso.com', code=550)
        equal(len(s.hop.arrivals), 10, 'messages that arrived')


@case
def archive():
    """One copy, invisible in the header; none twice; a copy that is refused or has no route hurts nobody."""
    def refuse(stage, session, argument):
        if stage == 'RCPT' and 'full@' in argument:
            return '550 5.2.2 Mailbox full'
        return None

    archives = ('archive@contoso.com', 'full@contoso.com', 'a@nowhere.example')
    with Setting(*({'archive': archive} for archive in archives),
                 routes=[{'recipient': '*@nowhere.example', 'refuse': 'nobody there'},
                         {'destination': 'next-hop'}]) as s:
        s.hop.script, s.hop.extensions = refuse, ALL_EXTENSIONS + ('DSN',)
        s.send(message(1))
        s.send(message(2), recipients=('ARCHIVE@contoso.com', 'x@example.com'))
        s.send(message(3), number=1)
        s.send(message(4), number=2)
        with s.client() as client:
            # What is asked for beside the addresses does not hide them.
            client.command('MAIL FROM:<a@example.net> RET=HDRS ENVID=an+2Bid', 250)
            client.command('RCPT TO:<x@example.com> NOTIFY=NEVER ORCPT=rfc822;o@example.com', 250)
            client.command('RCPT TO:<archive@contoso.com>', 250)
            client.data(message(5))
            # Archived by no recipient of its own: there has to be one (RFC 5321 3.3).
            client.command('MAIL FROM:<a@example.net>', 250)
            client.command('DATA', 554)
        arrivals = {a.sequence: a for a in s.hop.wait_arrivals(5)}
        equal(sorted(arrivals[1].recipients), ['archive@contoso.com', 'recipient@example.com'], 'recipients')
        equal(arrivals[1].sender, 'copier@printers.lan', 'told NEVER it may have its sender')
        equal(sorted(arrivals[2].recipients), ['ARCHIVE@contoso.com', 'x@example.com'], 'not twice')
        equal(arrivals[3].recipients, ['recipient@example.com'], 'beside a refused copy')
        equal(arrivals[4].recipients, ['recipient@example.com'], 'without a route')
        equal(sorted(arrivals[5].recipients), ['archive@contoso.com', 'x@example.com'], 'not twice, behind ENVID')
        for number, arrival in arrivals.items():
            equal(arrival.original, message(number), 'content')
        eventually(lambda: s.relay.count['accepted'] == 5, 'all are told')
        told = [event.get('archived', False) for event in s.relay.events('accepted')]
        equal(sorted(told), [False, False, False, True, True], 'told')
        left_out = s.relay.events('archive_left_out')
        equal([(e['archive'], e['level']) for e in left_out], [('a@nowhere.example', 'error')], 'left out')


@case
def an_archive_is_not_the_senders():
    """He does not know of it: a host that knows no NOTIFY gets its copy without a sender, unless it takes none so;
    that it cannot be delivered is reported to nobody."""
    strict = []

    def script(stage, session, argument):
        if stage == 'MAIL' and '<>' in argument and strict:
            return '501 Invalid MAIL FROM address provided'
        return '550 5.2.2 Mailbox full' if stage == 'RCPT' and 'full@' in argument else None

    def arrivals(sequence):
        return sorted((a.sender, a.recipients) for a in s.hop.arrivals if a.sequence == sequence)

    with Setting({'archive': 'archive@contoso.com'}, {'archive': 'full@contoso.com'}) as s:
        s.hop.script = script
        alone = [('copier@printers.lan', ['recipient@example.com'])]
        s.send(message(1))
        eventually(lambda: arrivals(1) == [('', ['archive@contoso.com'])] + alone, 'one without a sender')
        s.send(message(2), number=1)
        eventually(lambda: s.relay.count['failed'] == 1, 'the copy that fails')
        equal(arrivals(2), alone, 'beside it')
        strict.append(True)
        s.send(message(3))
        eventually(lambda: sum(len(r) for _, r in arrivals(3)) == 2, 'not without a sender')
        equal({sender for sender, _ in arrivals(3)}, {'copier@printers.lan'}, 'with it')
        eventually(lambda: [e['without'] for e in s.relay.events('fallback')] == ['the null sender'], 'it is told')
        equal(s.hop.reports + s.relay.events('report'), [], 'reports')


@case
def counters_at_their_ends():
    """PAR-04: one less, as many as may be, one more: recipients, octets of a message, of a header that is one field in
    many lines, and of one in as many fields as fit."""
    octets, header_max, many = 200 << 10, 128 << 10, 1000
    with Setting({'add_missing_headers': True}, {}, limits={'recipients_per_message': many},
                 spool={'message_size_max': '200KiB'}) as s:
        for count in (many - 1, many, many + 1):
            with s.client() as client:
                client.command('MAIL FROM:<a@example.net>', 250)
                client.send(b''.join(b'RCPT TO:<r%d@example.com>\r\n' % n for n in range(count)))
                for n in range(count):
                    check(client.expect(250 if n < many else 452)[1][:6] in ('2.1.5 ', '4.5.3 '), 'recipient %d', n)
                client.data(message(1))
        for size, code in ((octets - 1, 250), (octets, 250), (octets + 1, 552)):
            body = header('From: a@example.net') + b'\r\n'
            body += b'x' * 70 + b'\r\n' + (b'y' * 70 + b'\r\n') * ((size - len(body) - 150) // 72)
            body += b'z' * (size - len(body) - 2) + b'\r\n'
            s.send(body, 1, code=code)
        base = header('From: a@example.net', 'To: b@x', 'Date: d', 'Message-ID: <1@x>')
        for line in (b' x\r\n', b'X: x\r\n'):
            for size, code in ((header_max - 1, 250), (header_max, 250), (header_max + 1, 552)):
                # With the empty line that ends it.
                room = size - 2 - len(base)
                fields = b'X-Y: z\r\n' + line * ((room - 200) // len(line))
                fields += b'X-Z: ' + b'z' * (room - len(fields) - 7) + b'\r\n'
                s.send(base + fields + b'\r\nbody\r\n', code=code)
        s.hop.wait_arrivals(36)
        equal(sum(len(a.recipients) for a in s.hop.arrivals), 3 * many - 1 + 2 + 4, 'recipients that arrived')


RECEIVED = 'Received: from x (y)\r\n\tby %s (postrider) with ESMTP id 01KJK3V3N3ZJ2K8WQX5T7Y0ABC;\r\n\tMon'


@case
def loops():
    """LOP-01: hops of all kinds are counted, folded and in any letters; a message that was here twice does not stay.
    Delivered-To is who had it, which says nothing to one who only passes it on."""
    with Setting({}, limits={'hops': 50}) as s:
        for count, name, code in ((48, 'Received: by x', 250), (49, 'received:\r\n by x', 250),
                                  (50, 'RECEIVED : x', 554), (51, 'Received: x', 554),
                                  (20000, 'received: ' + 'x' * 40, 554)):
            text = s.send(header(*[name] * count) + BODY, code=code)
            check(code == 250 or text.startswith('5.4.6 '), '%d: %s', count, text)
        own, other = RECEIVED % 'relay.EXAMPLE.org', RECEIVED % 'relay2.example.org'
        for fields, code in (([own], 250), ([own, other, other], 250), ([own, other, own], 554),
                             ([other, other, other], 250), ([own, own], 554),
                             (['X-Fill: ' + 'x' * 900] * 5 + [own] * 2, 554)):
            text = s.send(header(*fields) + BODY, code=code)
            check(code == 250 or text.startswith('5.4.6 '), '%s: %s', fields, text)
        # Without an empty line as well.
        s.send(header(own, own), code=554)
        s.send(header('Delivered-To: recipient@example.com') + BODY)
        eventually(lambda: [e['reply'][:9] for e in s.relay.events('refused')] == ['554 5.4.6'] * 7, 'it is told')


@case
def a_relay_that_is_its_own_next_hop():
    """LOP-02: the message goes round twice, and then it is refused; it does not go round for ever."""
    port = harness.free_port()
    with Workspace() as work:
        relay = work.relay(work.configuration(['127.0.0.1:%d' % port],
                                              listeners=[{'name': 'lan', 'address': '127.0.0.1:%d' % port}]))
        with Client(relay.address) as client:
            client.hello()
            client.envelope()
            client.data(message(1))
        eventually(lambda: [e for e in relay.events('attempt') if e['result'] == 'failed'], 'it fails')
        failed = [e for e in relay.events('attempt') if e['result'] == 'failed'][0]
        check('5.4.6' in failed['reply'], 'why: %s', failed)
        # Beside it goes what its sender is told, which comes back as well.
        equal(sum(event['sender'] != '' for event in relay.events('accepted')), 2, 'how often it was taken')
        relay.terminate()


if __name__ == '__main__':
    sys.exit(harness.main(together=2))
