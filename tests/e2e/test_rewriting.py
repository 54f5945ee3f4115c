#!/usr/bin/python3
"""tests/e2e/test_rewriting.py - mail goes out under the name of the mailbox that signed in; nothing else changes.

Against the scripted Office 365, which refuses and counts every message from somebody else, in the envelope or in From.
"""

import email
import email.header
import email.utils
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Certificates, Client, Workspace, case, check, equal, eventually, message  # noqa: E402
from office365 import Mailbox, Office365  # noqa: E402

PASSWORD = 'secret'


class Setting:
    """A relay and the mailboxes that it sends as; `destination` and what else there is go into its configuration."""

    def __init__(self, count=1, destination=None, may_send_as=(), **changes):
        self.count, self.destination, self.may_send_as, self.changes = count, destination or {}, may_send_as, changes

    def __enter__(self):
        self.work = Workspace()
        try:
            self.start()
        except BaseException:
            self.work.__exit__(None, None, None)
            raise
        return self

    def start(self):
        names = ['box%d@contoso.com' % i for i in range(self.count)]
        self.office = self.work.own(Office365(
            Certificates(), mailboxes=[Mailbox(name, PASSWORD, self.may_send_as) for name in names],
            mechanisms=('LOGIN',), messages=1000000, connections=20))
        self.work.write('password', PASSWORD)
        os.chmod(self.work.path('password'), 0o600)
        destination = {'auth': {'mechanism': 'login', 'password_file': 'password'},
                       'mailboxes': [{'user': name} for name in names], 'sender': 'mailbox'}
        destination.update(self.destination)
        self.configuration = self.work.configuration(
            [self.office.host], destination=destination,
            tls={'mode': 'verify', 'ca_file': Certificates().path('ca.crt'), 'server_name': Office365.name},
            **self.changes)
        self.relay = self.work.relay(self.configuration)

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.relay.terminate()
        finally:
            self.work.__exit__(kind, value, trace)

    def send(self, contents, sender='copier@printers.lan'):
        with Client(self.relay.address) as client:
            client.hello()
            for content in contents:
                client.envelope(sender=sender)
                client.data(content)

    def arrived(self, count):
        """By their numbers."""
        arrivals = self.office.wait_arrivals(count)
        self.office.check_clean()
        equal(len(arrivals), count, 'messages')
        return {arrival.sequence: arrival for arrival in arrivals}


def content(number, fields, body=b'body\r\n'):
    return b'X-Postrider-Sequence: %012d\r\n%s\r\n%s' % (number, fields, body)


def fields_of(arrival):
    """The message's own header, less its number; and its body."""
    head, _, body = arrival.original.partition(b'\r\n\r\n')
    head = (head + b'\r\n').partition(b'\r\n')[2]
    return head, body


def as_box(fields):
    return fields.replace(b'BOX', b'box0@contoso.com')


# What is sent and what arrives: the whole table is that of unit/test_smtp_rewrite.c.
FORMS = (
    (b'From: Copier 3 <c@lan>\r\nTo: b@example.org\r\n',
     b'From: Copier 3 <BOX>\r\nReply-To: Copier 3 <c@lan>\r\nTo: b@example.org\r\n'),
    (b'To: b@example.org\r\nFrom:\r\n =?UTF-8?B?QsO8cm8=?=\r\n <c@lan>\r\nSender: root@lan\r\n',
     b'To: b@example.org\r\nFrom: =?UTF-8?B?QsO8cm8=?= <BOX>\r\nReply-To: =?UTF-8?B?QsO8cm8=?=\r\n <c@lan>\r\n'),
    (b'From: Staff: A <a@lan>, b@lan;\r\nReply-To: r@lan\r\n', b'From: Staff <BOX>\r\nReply-To: r@lan\r\n'),
    (b'From: root (Cron Daemon)\r\n',
     b'From: root (Cron Daemon) <BOX>\r\nReply-To: <copier@printers.lan>\r\n'),
    (b'Subject: no author\r\n', b'Subject: no author\r\nFrom: BOX\r\nReply-To: <copier@printers.lan>\r\n'),
    (b'From: a@lan\r\nFrom: b@lan\r\n', b'From: BOX\r\nReply-To: a@lan,\r\n b@lan\r\n'),
    (b'From: M\xc3\xa4rtin <m@lan>\r\n', b'From: M\xc3\xa4rtin <BOX>\r\nReply-To: M\xc3\xa4rtin <m@lan>\r\n'),
    (b'X-.: .\r\n..: dots\r\nFrom: <c@lan>\r\n', b'X-.: .\r\n..: dots\r\nFrom: BOX\r\nReply-To: <c@lan>\r\n'),
)
BODIES = (b'', b'.\r\n..\r\nFrom: not a field\r\n.\r\n', b'x' * 70 + b'\r\n')
WAYS = {'BDAT': [], 'DATA': ['CHUNKING'], 'one by one': ['CHUNKING', 'PIPELINING']}


@case
def forms_and_ways():
    """Every form by every way that content goes; the body stays octet for octet."""
    for ignored in WAYS.values():
        with Setting(destination={'ignore_extensions': ignored} if ignored else {}) as setting:
            sent = [(form, body) for form in FORMS for body in BODIES]
            setting.send(content(i + 1, form[0], body) for i, (form, body) in enumerate(sent))
            arrivals = setting.arrived(len(sent))
            for i, (form, body) in enumerate(sent):
                arrival = arrivals[i + 1]
                equal(arrival.sender, 'box0@contoso.com', 'sender in the envelope')
                head, rest = fields_of(arrival)
                equal(head, as_box(form[1]), 'header of message %d' % (i + 1))
                equal(rest, body, 'body')
            eventually(lambda: len(setting.relay.events('attempt')) == len(sent), 'all is told')
            check(all(event['rewritten'] for event in setting.relay.events('attempt')), 'an event does not tell it')


@case
def large_headers_and_large_messages():
    """Headers of 100 KB and of several parts, the From in front, behind and in the middle; messages of many parts."""
    filler = b''.join(b'X-Fill-%05d: %s\r\n' % (i, b'f' * 80) for i in range(6000))
    large = b'large line of a body\r\n' * 100000
    author, other = b'From: Copier <c@lan>\r\n', b'From: Copier <BOX>\r\nReply-To: Copier <c@lan>\r\n'
    cases = ((b'', filler[:96 * 1000], b'body\r\n'), (filler[:96 * 2000], filler[96 * 2000:], large),
             (filler, b'', b'.\r\n'), (b'', filler, large), (b'', b'', large))
    for ignored in WAYS.values():
        with Setting(destination={'ignore_extensions': ignored} if ignored else {}) as setting:
            setting.send(content(i + 1, before + author + behind, body)
                         for i, (before, behind, body) in enumerate(cases))
            arrivals = setting.arrived(len(cases))
            for i, (before, behind, body) in enumerate(cases):
                head, rest = fields_of(arrivals[i + 1])
                check(head == before + as_box(other) + behind, 'header of message %d is another one', i + 1)
                check(rest == body, 'body of message %d is another one', i + 1)


@case
def a_pool():
    """Each message under the name of the mailbox that carries it, in From and in the envelope."""
    with Setting(count=3, destination={'limits': {'connections': 1}}) as setting:
        setting.send(message(i) for i in range(1, 301))
        used = set()
        for arrival in setting.arrived(300).values():
            head, _ = fields_of(arrival)
            check(b'From: %s\r\n' % arrival.sender.encode() in arrival.original, 'other authors: %r', head)
            check(b'Reply-To: <sender@example.net>\r\n' in arrival.original, 'no way back: %r', head)
            used.add(arrival.sender)
        check(used <= {'box%d@contoso.com' % i for i in range(3)}, 'senders: %s', used)
        eventually(lambda: len([e for e in setting.relay.events('attempt') if e['result'] == 'delivered']) == 300,
                   'all is told')
        events = {event['id']: event['mailbox'] for event in setting.relay.events('attempt')}
        equal(set(events.values()), used, 'mailboxes in the events')


@case
def what_clients_say():
    """A name for a client; one that is never rewritten; reports keep their empty sender."""
    names = [{'name': 'named', 'networks': ['127.0.0.1'], 'from': {'rewrite': 'always', 'name': 'Bürodrucker'}},
             {'name': 'rest', 'networks': ['127.0.0.0/8']}]
    with Setting(destination={'sender': 'keep'}, clients=names) as setting:
        setting.send([content(1, b'DKIM-Signature: v=1; d=lan\r\nFrom: Old <c@lan>\r\n')])
        setting.send([content(2, b'From: <>\r\n')], sender='')
        arrivals = setting.arrived(2)
        head = arrivals[1].original.decode()
        name = email.header.make_header(email.header.decode_header(
            email.utils.parseaddr(head.partition('From: ')[2].partition('\r\nReply-To')[0])[0]))
        equal(str(name), 'Bürodrucker', 'name')
        check('DKIM-Signature: v=1; d=lan\r\n' in head, 'the signature is gone')
        equal(arrivals[2].sender, '', "a report's sender")
        eventually(lambda: len(setting.relay.events('attempt')) == 2, 'both are told')
        equal([e.get('signature_broken') for e in setting.relay.events('attempt')], [True, None], 'broken signatures')
    never = [{'name': 'never', 'networks': ['127.0.0.0/8'], 'from': {'rewrite': 'never'}}]
    with Setting(may_send_as=('sender@example.net',), clients=never) as setting:
        setting.send([message(1)], sender='sender@example.net')
        arrival = setting.arrived(1)[1]
        equal(arrival.original, message(1), 'what must stay as it is')
        equal(arrival.sender, 'sender@example.net', 'sender in the envelope')


@case
def converted_content():
    """8-bit content for a host that takes none, under another name: a signature that is void already is not in the way,
    and of content in several records the header may be in more than one."""
    fields = 'From: Größe <c@lan>\r\nDKIM-Signature: v=1; h=from\r\nSubject: %s\r\nMIME-Version: 1.0\r\n' \
             'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n'
    long = ''.join('X-Long-%d: %s\r\n' % (i, 'x' * 900) for i in range(400))
    text = 'a line with ö in it, and more\r\n'.encode()
    sent = {1: content(1, (fields % 'one').encode(), text), 2: content(2, (fields % 'two').encode(), text * 30000),
            3: content(3, (long + fields % 'three').encode(), text * 30000)}
    with Setting(destination={'ignore_extensions': ['8BITMIME']}) as setting:
        setting.send(sent.values())
        for number, arrival in setting.arrived(3).items():
            arrived, before = (email.message_from_bytes(c) for c in (arrival.original, sent[number]))
            check(b'<box0@contoso.com>' in arrival.original, 'From')
            equal(arrived['Content-Transfer-Encoding'], 'quoted-printable', 'encoding')
            check(arrived.get_payload(decode=True) == before.get_payload(decode=True), 'another text')
        eventually(lambda: len(setting.relay.events('attempt')) == 3, 'all are told')
        equal([e.get('converted') for e in setting.relay.events('attempt')], [True] * 3, 'converted')


@case
def refusals_lost_connections_and_kills():
    """A pool whose next hop refuses and hangs up by chance, a relay that is killed: nobody sends as somebody else, none
    is lost, and only what was in flight at a kill or a cut may have come twice."""
    total, kills = 600, 3
    with Setting(count=5, retry={'first': '100ms', 'factor': 1.2, 'max': '500ms', 'expire': '1h'}) as setting:
        setting.office.chances = {'insufficient': 0.03, 'cut_before': 0.01, 'cut_mail': 0.01, 'cut_after': 0.005}
        for kill in range(kills + 1):
            setting.send(message(i) for i in range(kill * total // 4 + 1, (kill + 1) * total // 4 + 1))
            if kill < kills:
                setting.relay.kill()
                setting.relay.wait()
                setting.relay = setting.work.relay(setting.configuration)
        setting.office.wait_taken(total)
        setting.office.check_clean()
        check(len(setting.office.twice()) < total / 4, '%d came twice', len(setting.office.twice()))


if __name__ == '__main__':
    sys.exit(harness.main(together=2))
