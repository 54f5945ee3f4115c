#!/usr/bin/python3
"""tests/e2e/test_office365.py - the scripted Office 365 itself: what it refuses, and that it notices every violation.

What the tests of signing in, limits and senders conclude rests on it. A client of the standard library meets it here,
and the relay by the one way that needs no signing in.
"""

import base64
import os
import smtplib
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from access_token import AccessTokens, Refused  # noqa: E402
from harness import (Certificates, Client, Failure, Workspace, case, check, equal, eventually, message,  # noqa: E402
                     parallel)
from office365 import REFUSALS, Mailbox, Office365  # noqa: E402

BOX = 'box0@contoso.com'


def text_of(sequence, sender=BOX):
    return message(sequence).replace(b'sender@example.net', sender.encode())


class Sender(smtplib.SMTP):
    """A client of the standard library that signs in with a token."""

    def __init__(self, office, mailbox=BOX, token=None):
        super().__init__('127.0.0.1', office.port, timeout=60)
        self.office, self.mailbox = office, mailbox
        self.ehlo()
        self.starttls(context=Certificates().client_context())
        self.ehlo()
        if token is not False:
            self.token = token or office.token()
            self.answer = self.auth('XOAUTH2', self.response)

    def _host_check(self):
        return None

    def starttls(self, context=None):
        context.check_hostname = False
        return super().starttls(context=context)

    def response(self, challenge=None):
        return '' if challenge else 'user=%s\1auth=Bearer %s\1\1' % (self.mailbox, self.token)

    def give(self, sequence, sender=BOX, recipients=('recipient@example.com',), claimed=None):
        """The code with which the message was answered."""
        try:
            self.sendmail(sender, list(recipients), text_of(sequence, claimed or sender))
            return 250
        except smtplib.SMTPRecipientsRefused as error:
            return next(iter(error.recipients.values()))[0]
        except smtplib.SMTPResponseException as error:
            return error.smtp_code


def sign_in_fails(office, code, **options):
    try:
        Sender(office, **options).close()
    except smtplib.SMTPAuthenticationError as error:
        equal(error.smtp_code, code, 'code')
        return error.smtp_error.decode()
    raise Failure('a sign-in that must fail has not')


@case
def speaks_as_office_365_does():
    with Workspace() as work:
        office = work.own(Office365(Certificates()))
        with Client(('127.0.0.1', office.port)) as client:
            _, text = client.command('EHLO here.example.net', 250)
            for line in ('SIZE 157286400', 'STARTTLS', 'CHUNKING', 'SMTPUTF8', 'DSN'):
                check(line in text.split('\n'), 'no %s before TLS', line)
            check('AUTH' not in text, 'AUTH before TLS')
            client.command('MAIL FROM:<a@contoso.com>', 530, '5.7.57')
            client.command('AUTH LOGIN', 504)
        equal(office.violations, {'protocol': 1, 'secret_in_clear': 1, 'before_tls': 2}, 'violations')
        sender = Sender(office)
        equal(sender.esmtp_features['auth'].split(), ['LOGIN', 'XOAUTH2'], 'mechanisms')
        check('starttls' not in sender.esmtp_features, 'STARTTLS inside TLS')
        equal(sender.give(1), 250, 'message')
        equal(dict(office.taken), {(1, 'recipient@example.com'): 1}, 'taken')
        sender.close()


@case
def tokens_are_looked_at():
    with Workspace() as work:
        office = work.own(Office365(Certificates(), [Mailbox(BOX), Mailbox('other@contoso.com')]))
        now = time.time()
        for token in (office.token(lifetime=10, now=now - 11), office.token(audience='https://graph.microsoft.com'),
                      office.token(roles=()), office.token(user='other@contoso.com'),
                      AccessTokens().issue(), 'a.b.c'):
            check('5.7.3' in sign_in_fails(office, 535, token=token), 'not 5.7.3')
        sign_in_fails(office, 535, mailbox='nobody@contoso.com')
        token = office.token()
        Sender(office, token=token).close()
        office.tokens.revoke()
        sign_in_fails(office, 535, token=token)
        Sender(office, token=office.token(user=BOX)).close()
        # Exchange's own roles do not show in the token.
        office.mailboxes[BOX].applications = {'an-app'}
        sign_in_fails(office, 535)
        Sender(office, token=office.token(application='an-app', roles=())).close()
        equal([result for _, _, _, result in office.logins].count('ok'), 3, 'sign-ins that worked')
        equal(office.mailboxes[BOX].failed_logins, 8, 'sign-ins that failed')
    try:
        AccessTokens().read('x')
    except Refused:
        return
    raise Failure('a token that is none was taken')


def refused_before(office, token, seconds):
    when, times, had = office.stale[BOX, token]
    office.stale[BOX, token] = when - seconds, times, had


@case
def what_was_refused_is_not_said_again():
    """A token once it was refused; a login that somebody has to mend; a connection right after 421."""
    with Workspace() as work:
        office = work.own(Office365(Certificates(), [Mailbox(BOX), Mailbox('other@contoso.com')]))
        token = office.token()
        office.tokens.revoke()
        sign_in_fails(office, 535, token=token)
        sign_in_fails(office, 535, token=token, mailbox='other@contoso.com')    # it was on its way
        office.check_clean()
        refused_before(office, token, 5)
        sign_in_fails(office, 535, token=token)
        equal(office.violations, {'stale_token': 1}, 'violations')
        # Who was never let in with it may be refused for itself, and has its pauses; not who was.
        office.forget_refusals()
        sign_in_fails(office, 535, token=token)
        refused_before(office, token, 15)
        sign_in_fails(office, 535, token=token)
        equal(office.violations, {'stale_token': 1}, 'violations')
        office.forget_refusals()
        fresh = office.token()
        Sender(office, token=fresh).close()
        Sender(office, token=fresh, mailbox='other@contoso.com').close()
        office.tokens.revoke()
        sign_in_fails(office, 535, token=fresh)
        refused_before(office, fresh, 15)
        sign_in_fails(office, 535, token=fresh)
        equal(office.violations, {'stale_token': 2}, 'violations')
        # Taken from two it is nobody's.
        sign_in_fails(office, 535, token=fresh, mailbox='other@contoso.com')
        office.lost[fresh] = [when - 5 for when in office.lost[fresh]]
        sign_in_fails(office, 535, token=fresh, mailbox='nobody@contoso.com')
        equal(office.violations, {'stale_token': 2, 'dead_token': 1}, 'violations')

        office.violations.clear()
        box = office.mailboxes[BOX]
        box.refused = 'mailbox_disabled'
        for _ in range(3):  # with a fresh token once, and one that was on its way
            sign_in_fails(office, 535)
        equal(office.violations, {}, 'violations')
        for ago, count in ((9.5, 0), (9.5, 1), (145, 1)):
            box.refused_at -= ago
            sign_in_fails(office, 535)
            equal(office.violations['login_too_soon'], count, 'violations')

        office.violations.clear()
        office.refuse('busy')
        with Client(('127.0.0.1', office.port), greeting=False) as client:
            client.expect(421, '4.3.2')
        for _ in range(4):
            equal(office.violations, {}, 'violations')
            with Client(('127.0.0.1', office.port), greeting=False) as client:
                client.expect(421, '4.3.2')
        equal(office.violations, {'connected_too_soon': 1}, 'violations')
        office.busy_until = 0
        Sender(office, 'other@contoso.com').close()


@case
def content_waits_for_354():
    with Workspace() as work:
        office = work.own(Office365(Certificates()))
        sender = Sender(office)
        sender.docmd('MAIL', 'FROM:<%s>' % BOX)
        sender.docmd('RCPT', 'TO:<a@example.com>')
        sender.send(b'DATA\r\n' + text_of(1) + b'.\r\n')
        sender.getreply()
        equal(dict(office.violations), {'before_354': 1}, 'violations')
        sender.close()


@case
def other_mechanisms():
    with Workspace() as work:
        office = work.own(Office365(Certificates(), mechanisms=('PLAIN', 'LOGIN', 'XOAUTH2', 'OAUTHBEARER'),
                                    challenge=True))
        for mechanism, answer in (('PLAIN', '\0%s\0secret' % BOX),
                                  ('OAUTHBEARER', 'n,a=%s,\1host=x\1port=587\1auth=Bearer %s\1\1'
                                   % (BOX, office.token()))):
            sender = Sender(office, token=False)
            code, _ = sender.docmd('AUTH', mechanism + ' ' + base64.b64encode(answer.encode()).decode())
            equal(code, 235, mechanism)
            sender.close()
        sender = Sender(office, token=False)
        equal(sender.docmd('AUTH', 'LOGIN')[0], 334, 'prompt')
        equal(sender.docmd(base64.b64encode(BOX.encode()).decode())[0], 334, 'prompt')
        equal(sender.docmd(base64.b64encode(b'wrong').decode())[0], 535, 'wrong password')
        code, reason = sender.docmd('AUTH', 'XOAUTH2 ' + base64.b64encode(
            ('user=%s\1auth=Bearer x.y.z\1\1' % BOX).encode()).decode())
        equal(code, 334, 'the reason')
        check(b'"401"' in base64.b64decode(reason), 'not the reason: %r', reason)
        equal(sender.docmd('')[0], 535, 'after the reason')
        equal(sender.docmd('AUTH', 'XOAUTH2 !')[0], 501, 'no base64')
        for refusal, code in (('basic_disabled', 535), ('basic_removed', 550)):
            office.password_refusal = refusal
            sender.docmd('AUTH', 'LOGIN ' + base64.b64encode(BOX.encode()).decode())
            equal(sender.docmd(base64.b64encode(b'secret').decode())[0], code, refusal)
        sender.close()
        office.check_clean()


@case
def only_as_oneself():
    with Workspace() as work:
        office = work.own(Office365(Certificates(), [Mailbox(BOX, may_send_as=['scans@contoso.com'])]))
        sender = Sender(office)
        equal(sender.give(1, 'scans@contoso.com'), 250, 'as one it may send as')
        equal(sender.give(2, 'boss@contoso.com'), 554, 'as another')
        equal(sender.give(3, BOX, claimed='boss@contoso.com'), 554, 'as another in the header')
        equal(sender.give(4, '', claimed=BOX), 250, 'a report')
        equal(office.violations, {'send_as': 2}, 'violations')
        equal(sorted(number for number, _ in office.taken), [1, 4], 'taken')
        sender.close()


@case
def rates_and_budgets_are_counted():
    with Workspace() as work:
        office = work.own(Office365(Certificates(), messages=5, window=600.0, recipients_per_day=8))
        sender = Sender(office)
        for number in range(5):
            equal(sender.give(number), 250, 'message %d' % number)
        office.check_clean()
        equal(sender.give(5), 554, 'the sixth of five')
        equal(office.violations, {'rate': 1}, 'violations')
        office.messages, office.over = 100, 'take'
        equal(sender.give(6, recipients=['r%d@example.com' % i for i in range(4)]), 250, 'over the budget, but taken')
        equal(office.violations, {'rate': 1, 'recipients_per_day': 1}, 'violations')
        office.recipients_per_message = 2
        sender.give(7, recipients=['r%d@example.com' % i for i in range(3)])
        check(office.violations['recipients_per_message'] == 1, 'too many recipients went unnoticed')
        equal(office.busiest(BOX), 7, 'the busiest window')
        sender.close()


@case
def a_window_slides():
    """What was sent a window ago does not count: five in each window are none too many, however long it goes on."""
    with Workspace() as work:
        office = work.own(Office365(Certificates(), messages=5, window=0.5, over='delay'))
        sender = Sender(office)
        for number in range(12):
            equal(sender.give(number), 250, 'message %d' % number)
            # Paced by what the kernel saw, not by sleeping: the next may go when the fifth before it is old.
            started = office.mailboxes[BOX].started
            while len(started) >= 5 and time.time() <= started[-5] + 0.5:
                time.sleep(0.01)
        office.check_clean()
        sender.close()


@case
def a_fourth_connection():
    with Workspace() as work:
        office = work.own(Office365(Certificates()))
        senders = [Sender(office) for _ in range(3)]
        senders[0].close()
        senders[0] = Sender(office)  # one has gone: whether this side has noticed yet or not
        office.check_clean()
        equal(senders[0].give(1), 250, 'three')
        fourth = Sender(office)
        equal(fourth.give(2), 432, 'four')
        equal(office.violations, {'connections': 1}, 'violations')
        for sender in senders + [fourth]:
            sender.close()


@case
def refusals_by_plan_and_by_lot():
    def run(seed):
        with Workspace() as work:
            office = work.own(Office365(Certificates(), messages=1000, seed=seed,
                                        chances={'server_busy': 0.2, 'threads': 0.3, 'insufficient': 0.1}))
            sender = Sender(office)
            codes = [sender.give(number) for number in range(40)]
            sender.close()
            office.check_clean()
            equal(codes.count(250), len(office.taken), 'taken')
            return codes
    first = run(7)
    equal(first, run(7), 'the same seed')
    check(first != run(8), 'another seed changed nothing')
    check({250, 432, 451} <= set(first), 'no refusal of each kind in %s', first)
    with Workspace() as work:
        office = work.own(Office365(Certificates()))
        office.refuse('quota', mailbox=BOX, times=2)
        office.refuse('tenant_disabled')
        sign_in_fails(office, 535)
        sender = Sender(office)
        equal([sender.give(number) for number in range(3)], [554, 554, 250], 'by plan')
        office.refuse('cut_after')
        try:
            sender.give(9)
            raise Failure('an answer came after the cut')
        except smtplib.SMTPServerDisconnected:
            pass
        equal(office.taken[9, 'recipient@example.com'], 1, 'what was cut off had been taken')
        Sender(office).give(9)
        equal(office.twice(), {(9, 'recipient@example.com'): 2}, 'twice')
    for name, (_, reply) in REFUSALS.items():
        check(reply[0] in '45' and reply[3] == ' ', '%s is no refusal', name)


@case
def own_recipients_only():
    with Workspace() as work:
        hve = work.own(Office365(Certificates(), way='hve', messages=100))
        sender = Sender(hve)
        equal(sender.give(1), 550, 'another domain')
        equal(sender.give(2, recipients=['all@contoso.com']), 250, 'own domain')
        sender.close()
        direct = work.own(Office365(Certificates(), way='direct'))
        sender = Sender(direct, token=False)
        equal(sender.give(1), 550, 'another domain')
        equal(sender.give(2, recipients=['all@contoso.com']), 250, 'own domain')
        direct.refuse('direct_send')
        equal(sender.give(3, recipients=['all@contoso.com']), 550, 'direct send rejected')
        sender.close()


@case
def thousands_a_minute():
    """40 mailboxes at once, two connections each: none lost, nothing counted that was not so."""
    with Workspace() as work:
        office = work.own(Office365(Certificates(), mailboxes=40, messages=10 ** 6, keep_content=False))
        names = list(office.mailboxes)
        started = time.monotonic()

        def run(index):
            mailbox = names[index % len(names)]
            sender = Sender(office, mailbox)
            for number in range(10):
                equal(sender.give(index * 10 + number, mailbox), 250, 'message')
            sender.quit()
        parallel(run, [(index,) for index in range(80)], limit=16)
        seconds = time.monotonic() - started
        equal(len(office.taken), 800, 'messages')
        equal(office.twice(), {}, 'twice')
        office.check_clean()
        return '%d messages a minute' % (800 / seconds * 60)


@case
def the_relay_by_the_connector():
    """The relay with a certificate of the tenant's domain, and with one that is nobody's."""
    with Workspace() as work:
        certificates = Certificates()
        office = work.own(Office365(certificates, way='connector', domains=['example.org']))
        tls = {'mode': 'verify', 'ca_file': certificates.ca, 'server_name': office.name,
               'certificate': certificates.client, 'private_key': certificates.client_key}
        relay = work.relay(work.configuration([office.host], tls=tls))
        source = work.source(relay.target, messages=200)
        source.result()
        office.wait_taken(200)
        office.check_clean()
        equal(office.twice(), {}, 'twice')
        relay.terminate()
        stranger = work.own(Office365(certificates, way='connector', domains=['contoso.com']))
        relay = work.relay(work.configuration([stranger.host], tls=tls))
        work.source(relay.target, messages=1, name='second').result()
        eventually(lambda: stranger.refused['tenant_attribution'], 'the stranger is refused')
        relay.terminate()


if __name__ == '__main__':
    harness.main()
