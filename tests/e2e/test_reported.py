#!/usr/bin/python3
"""tests/e2e/test_reported.py - what people have met at Office 365, by their public reports, tried with the relay.

Each case names the report. The scripted Office 365 says what they were told; nothing is to be lost, sent twice, or held
up for longer than it has to be.
"""

import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Certificates, Client, Workspace, case, check, equal, eventually, message  # noqa: E402
from access_token import APPLICATION  # noqa: E402
from next_hop import CLOSE  # noqa: E402
from office365 import Mailbox, Office365  # noqa: E402
from token_endpoint import TokenEndpoint, key_and_certificate  # noqa: E402

PASSWORD = 'correct horse battery staple'
TLS = {'mode': 'verify', 'ca_file': Certificates().ca, 'server_name': Office365.name}


def office_of(work, count=1, **options):
    boxes = [Mailbox('box%d@contoso.com' % i, PASSWORD, may_send_as=('sender@example.net',)) for i in range(count)]
    return work.own(Office365(Certificates(), boxes, **{'mechanisms': ('LOGIN',), 'messages': 10 ** 6, **options}))


def relay_of(work, office, limits=None, destination=None, **changes):
    work.write('password', PASSWORD + '\n')
    os.chmod(work.path('password'), 0o600)
    return work.relay(work.configuration(
        [office.host], tls=TLS, shards=1, destination_limits={'connections': 1, **(limits or {})},
        destination={'auth': {'password_file': 'password'}, 'mailboxes': [{'user': name} for name in office.mailboxes],
                     **(destination or {})}, **changes))


def send(relay, sequences, sender='sender@example.net', recipients=('recipient@example.com',)):
    with Client(relay.address) as client:
        client.hello()
        for sequence in sequences:
            client.envelope(sender, recipients)
            client.data(message(sequence).replace(b'sender@example.net', sender.encode()))


def all_is_well(relay, office, deferred=0):
    relay.terminate()
    equal((relay.count['failed'], relay.total('failed')), (0, 0), 'failed')
    if deferred is not None:
        equal(relay.total('deferred'), deferred, 'deferred')
    equal(office.twice(), {}, 'twice')
    office.check_clean()


@case
def the_end_of_an_idle_session():
    """nodemailer/nodemailer#1205: "Timeout waiting for client input", said without being asked, ends what nobody uses.
    It is nobody's failure: the next message goes at once, and nobody is alarmed."""
    with Workspace() as work:
        ended = []

        def later(session):
            session.socket.sendall(b'451 4.7.0 Timeout waiting for client input\r\n')
            session.close()
            ended.append(session)

        def script(stage, session, argument):
            if stage in ('END', 'BDAT'):
                threading.Timer(0.3, later, (session,)).start()

        office = office_of(work, script=script)
        relay = relay_of(work, office)
        for sequence in range(4):
            send(relay, [sequence])
            office.wait_taken(sequence + 1)
            eventually(lambda: len(ended) > sequence and relay.count['connection'] > sequence, 'the session is ended')
        equal((relay.count['host_failed'], relay.count['address_failed']), (0, 0), 'alarms')
        all_is_well(relay, office)


@case
def a_session_of_twenty_minutes():
    """haraka/Haraka#2321: what is signed in and busy is ended at MAIL; the mail at hand was not refused."""
    with Workspace() as work:
        def script(stage, session, argument):
            if stage == 'MAIL' and session.transactions >= 6:
                return '421 4.4.1 Connection timed out. Total session duration: 00:20:55.2872355'
            return None

        office = office_of(work, script=script)
        relay = relay_of(work, office, {'messages_in_flight': 4})
        send(relay, range(60))
        office.wait_taken(60)
        all_is_well(relay, office)


@case
def above_the_rate_answers_come_late():
    """MicrosoftDocs/OfficeDocs-Support#1150: above 30 a minute nothing is refused, it only takes longer. Nobody
    takes that for a host that is gone, and nothing is sent a second time."""
    with Workspace() as work:
        office = office_of(work, messages=6, window=1.5, slack=0.0, over='delay')
        relay = relay_of(work, office, {'connections': 3})
        send(relay, range(40))
        office.wait_taken(40)
        check(office.violations['rate'] > 10, 'nothing came late')
        office.violations.clear()
        equal(relay.count['host_failed'], 0, 'alarms')
        all_is_well(relay, office)


@case
def off_for_the_tenant():
    """simonrob/email-oauth2-proxy#193: all mailboxes hear that SMTP AUTH is off. Each asks once, somebody is told what
    to do, and after a reload all goes."""
    with Workspace() as work:
        office = office_of(work, 3)
        for mailbox in office.mailboxes.values():
            mailbox.refused = 'tenant_disabled'
        relay = relay_of(work, office, retry={'first': '100ms', 'max': '200ms', 'expire': '300ms'})
        send(relay, range(20))
        eventually(lambda: relay.count['mailbox_refused'] == 3, 'all three are told of')
        time.sleep(1)   # nothing is to happen
        equal([mailbox.logins for mailbox in office.mailboxes.values()], [1, 1, 1], 'logins')
        for event in relay.events('mailbox_refused'):
            check('SmtpClientAuthentication' in event['reply'] and 'SMTP' in event['problem'], 'event: %s', event)
        for mailbox in office.mailboxes.values():
            mailbox.refused = None
        office.forget_refusals()
        relay.signal(harness.signal.SIGHUP)
        office.wait_taken(20)
        all_is_well(relay, office)


@case
def clocks_differ():
    """obikuro/Sato#1 and others, AADSTS700024: a machine whose clock is hours off still gets its token."""
    for ahead in (-3 * 3600, 3 * 3600):
        with Workspace() as work:
            endpoint = work.own(TokenEndpoint(Certificates()))
            endpoint.clock_ahead = ahead
            certificate, key = key_and_certificate(work.directory)
            os.chmod(key, 0o600)
            endpoint.application(APPLICATION, certificates=[certificate])
            office = office_of(work, 2, mechanisms=('LOGIN', 'XOAUTH2'), tokens=endpoint.tokens)
            relay = relay_of(work, office, destination={
                'auth': {'mechanism': 'xoauth2'},
                'oauth': {'client_id': APPLICATION, 'certificate': certificate, 'private_key': key,
                          'token_url': endpoint.url, 'ca_file': endpoint.ca_file,
                          'scope': 'https://outlook.office365.com/.default'}})
            send(relay, range(10))
            office.wait_taken(10)
            check(len(endpoint.requests) <= 2, '%d requests', len(endpoint.requests))
            endpoint.check_clean()
            all_is_well(relay, office)


@case
def an_address_that_is_not_welcome():
    """motze92/office365-mail#11: 5.7.708, after the content. It says nothing of the mail, which waits until the
    provider has thought better of it."""
    with Workspace() as work:
        refused = []

        def script(stage, session, argument):
            if stage in ('END', 'BDAT') and len(refused) < 2:
                refused.append(session.who())
                return ('550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP. For more '
                        'information please go to http://go.microsoft.com/fwlink/?LinkId=526653 AS(7230)')
            return None

        office = office_of(work, 2, script=script)
        relay = relay_of(work, office, {'messages_in_flight': 1}, retry={'first': '100ms', 'max': '200ms'})
        send(relay, range(10))
        eventually(lambda: relay.count['mailbox_refused'] + relay.count['setup_refused'] >= 1, 'somebody is told')
        relay.signal(harness.signal.SIGHUP)
        office.wait_taken(10)
        all_is_well(relay, office, deferred=None)


@case
def one_has_had_its_day():
    """MicrosoftDocs/OfficeDocs-Exchange#2729, 5.1.90: a mailbox may send no more today. The others carry its mail."""
    with Workspace() as work:
        def script(stage, session, argument):
            if stage in ('END', 'BDAT') and session.who() == 'box0@contoso.com':
                return ("550 5.1.90 Your message can't be sent because you've reached your daily limit for message "
                        'recipients')
            return None

        office = office_of(work, 3, script=script)
        relay = relay_of(work, office, {'messages_in_flight': 1}, retry={'first': '100ms', 'max': '200ms'})
        send(relay, range(60))
        office.wait_taken(60)
        slowed = relay.told('slowed')
        equal([(event['mailbox'], event['scope']) for event in slowed], [('box0@contoso.com', 'mailbox')], 'slowed')
        check('day' in slowed[0]['problem'], 'event: %s', slowed[0])
        check(relay.total('deferred') <= 4, 'deferred: %d', relay.total('deferred'))
        all_is_well(relay, office, deferred=None)


@case
def a_tenant_has_had_its_day():
    """learn.microsoft.com/answers 5835651, 5.7.233: recipients elsewhere wait; those of the tenant have their mail."""
    with Workspace() as work:
        over = [True]

        def script(stage, session, argument):
            if stage == 'RCPT' and over[0] and '@contoso.com' not in argument:
                return ("550 5.7.233 Your message can't be sent because your tenant exceeded its daily limit for "
                        'sending email to external recipients (tenant external recipient rate limit)')
            return None

        office = office_of(work, script=script)
        relay = relay_of(work, office, retry={'first': '200ms', 'max': '400ms'})
        send(relay, range(5), recipients=('all@contoso.com', 'customer@example.com'))
        office.wait_taken(5)
        equal({recipient for _, recipient in office.taken}, {'all@contoso.com'}, 'recipients')
        over[0] = False
        office.wait_taken(10)
        all_is_well(relay, office, deferred=None)


@case
def one_is_restricted_for_what_it_sent():
    """5.1.8, "bad outbound sender": the provider has restricted one mailbox. Where mail is sent under the mailbox's own
    name another takes it, also the last one, for which all have time."""
    with Workspace() as work:
        def script(stage, session, argument):
            time.sleep(0.05 if stage in ('MAIL', 'RCPT', 'DATA', 'END', 'BDAT') else 0)
            if stage in ('END', 'BDAT') and session.who() == 'box0@contoso.com':
                return '550 5.1.8 Access denied, bad outbound sender AS(42004) [Hostname=FR4P281MB0001]'
            return None

        office = office_of(work, 3, script=script)
        relay = relay_of(work, office, {'messages_in_flight': 1}, {'sender': 'mailbox'},
                         retry={'first': '100ms', 'max': '200ms'})
        send(relay, range(40))
        office.wait_taken(40)
        eventually(lambda: relay.count['mailbox_refused'] + relay.count['setup_refused'] >= 1, 'somebody is told')
        all_is_well(relay, office, deferred=None)


@case
def only_one_sender_is_not_allowed():
    """554 5.2.252 SendAsDenied where senders are kept: mail of that sender waits, and nobody else's with it."""
    with Workspace() as work:
        office = office_of(work, 2)
        relay = relay_of(work, office, retry={'first': '200ms', 'max': '400ms'})
        send(relay, [1], sender='boss@contoso.com')
        eventually(lambda: relay.count['setup_refused'], 'the event')
        send(relay, range(10, 40))
        office.wait_taken(30)
        for mailbox in office.mailboxes.values():
            mailbox.may_send_as.add('boss@contoso.com')
        office.violations.clear()
        office.wait_taken(31, 180)
        all_is_well(relay, office, deferred=None)


@case
def the_mailbox_server_is_elsewhere_now():
    """430 4.2.0 "mailbox logon failure", "mailbox server is offline", and connections that just end: that passes."""
    said = ['430 4.2.0 STOREDRV; mailbox logon failure; failed to process message due to a transient exception with '
            'message Cannot open mailbox', CLOSE,
            '430 4.7.0 STOREDRV.Storage; mailbox server is offline; failed to process message due to a transient '
            'exception', CLOSE]
    with Workspace() as work:
        def script(stage, session, argument):
            return said.pop() if stage in ('END', 'BDAT') and said else None

        office = office_of(work, 2, script=script)
        relay = relay_of(work, office, retry={'first': '100ms', 'max': '200ms'})
        send(relay, range(20))
        office.wait_taken(20)
        equal(relay.count['setup_refused'], 0, 'alarms')
        all_is_well(relay, office, deferred=None)


@case
def left_out_after_many_errors():
    """learn.microsoft.com, continuous error throttling: "550 5.2.252 Sender throttled ..." is about what was sent by
    the mailbox before, by whomever. The message at hand goes by another, and none fails."""
    for at, said in ((('END', 'BDAT'), '550 5.2.252 Sender throttled due to continuous send as denied errors.'),
                     (('RCPT',), '550 5.2.254 Sender throttled due to continuous too many recipients errors.')):
        with Workspace() as work:
            def script(stage, session, argument, at=at, said=said):
                return said if stage in at and session.who() == 'box0@contoso.com' else None

            office = office_of(work, 2, script=script)
            relay = relay_of(work, office)
            send(relay, range(30))
            office.wait_taken(30)
            told = eventually(lambda relay=relay: relay.events('mailbox_refused'), 'the event')
            equal([event['mailbox'] for event in told], ['box0@contoso.com'], 'who is left out')
            check(told[0]['again_ms'] > 600000, 'too soon: %s', told)
            all_is_well(relay, office, None)


@case
def many_wrong_passwords():
    """MicrosoftDocs/azure-docs#76807, TREVORspray#51: whoever tries many accounts with wrong passwords is locked out by
    his address. Forty mailboxes whose password was changed are not forty refused logins in a second."""
    with Workspace() as work:
        office = office_of(work, 40)
        for box in office.mailboxes.values():
            box.password = 'another'
        relay = relay_of(work, office, {'connections': 3})
        send(relay, range(40))
        eventually(lambda: len(office.logins) >= 4, 'some are said', 60)
        times = [when for when, *_ in office.logins[:4]]
        check(times[3] - times[1] > 2.5, 'three pauses: %s', times)
        equal(len({box for _, box, *_ in office.logins}), len(office.logins), 'mailboxes that were tried')
        # One reload after they are right, and all of it goes.
        for box in office.mailboxes.values():
            box.password = PASSWORD
        office.forget_refusals()
        relay.process.send_signal(signal.SIGHUP)
        office.wait_taken(40)
        all_is_well(relay, office)


@case
def too_many_logins():
    """nodemailer/nodemailer#1388, corecode/dma#72: "454 4.7.0 Too many login attempts" is no reason to try all the
    others at once. Whoever is signed in goes on."""
    with Workspace() as work:
        office = office_of(work, 12)
        left = [5]

        def script(stage, session, argument):
            if stage == 'AUTH' and left[0] > 0:
                left[0] -= 1
                return '454 4.7.0 Too many login attempts, please try again later.'
            return None

        office.script_of_test = script
        relay = relay_of(work, office)
        send(relay, range(12))
        office.wait_taken(12)
        times = [when for when, *_ in office.logins[:6]]
        check(times[4] - times[1] > 5.5, 'pauses that grow: %s', times)
        all_is_well(relay, office)


@case
def a_secret_that_was_mended():
    """SELISEdigitalplatforms/blocks-logic#263, AADSTS7000222: the application's secret has ended, and a new one is
    written into its file. Nobody reloads; the mail flows within a minute, and no login was said meanwhile."""
    with Workspace() as work:
        endpoint = work.own(TokenEndpoint(Certificates()))
        endpoint.application(APPLICATION, secret='new')
        office = office_of(work, 2, mechanisms=('XOAUTH2',), tokens=endpoint.tokens)
        secret = work.write('secret', 'old\n')
        os.chmod(secret, 0o600)
        relay = relay_of(work, office, destination={
            'auth': {'mechanism': 'xoauth2'},
            'oauth': {'client_id': APPLICATION, 'client_secret_file': secret, 'token_url': endpoint.url,
                      'ca_file': endpoint.ca_file, 'scope': 'https://outlook.office365.com/.default'}})
        send(relay, range(5))
        eventually(lambda: relay.events('mailbox_refused'), 'the event')
        equal(office.logins, [], 'logins')
        work.write('secret', 'new\n')
        office.wait_taken(5)
        all_is_well(relay, office)


if __name__ == '__main__':
    harness.main(together=4)
