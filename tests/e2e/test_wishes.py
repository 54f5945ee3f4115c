#!/usr/bin/python3
"""tests/e2e/test_wishes.py - how a sender wants its message carried: reports (DSN, RFC 3461), only over TLS that is
verified (REQUIRETLS, RFC 8689); what was asked reaches the next hop as it came, over crashes too, or is told."""

import calendar
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from name_server import Exchangers, NameServer  # noqa: E402
from harness import ALL_EXTENSIONS, Certificates, Client, NextHop, Workspace, case, check, equal  # noqa: E402
from harness import eventually, free_port, message  # noqa: E402
from office365 import Mailbox, Office365  # noqa: E402

DSN = ALL_EXTENSIONS + ('DSN',)
STRICT = [{'name': 'local', 'networks': ['127.0.0.0/8'], 'syntax': 'strict'}]
ENVELOPE = (
    ('MAIL FROM:<a@example.net> RET=HDRS ENVID=QQ+2B314159', 'MAIL FROM:<a@example.net>'),
    ('RCPT TO:<plain@example.com>', 'RCPT TO:<plain@example.com>'),
    ('RCPT TO:<b@example.com> notify=DELAY,failure,success ORCPT=rfc822;"b+20c"@example.org',
     'RCPT TO:<b@example.com>'),
    ('RCPT TO:<c@example.com> NOTIFY=NEVER', 'RCPT TO:<c@example.com>'),
    ('RCPT TO:<d@example.com> ORCPT=utf-8;d\\x{E9}@example.org', 'RCPT TO:<d@example.com>'))
GIVEN_ON = ('RET=HDRS ENVID=QQ+2B314159', '', 'NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;"b+20c"@example.org',
            'NOTIFY=NEVER', 'ORCPT=utf-8;d\\x{E9}@example.org')


def send(relay, number, lines):
    with Client(relay.address) as client:
        check('DSN' in client.hello()[1], 'EHLO offers DSN')
        for line in lines:
            client.command(line, 250)
        client.data(message(number))


def said(hop, verb, without=('SIZE=', 'BODY=')):
    """The commands of that verb at the next hop, without what they always have, and without those of reports."""
    commands = []
    for session in hop.sessions:
        for line in session.commands:
            words = line.decode('latin-1').split(' ')
            if words[0] == verb and ':'.join(words[1:2]) not in ('FROM:<>', 'TO:<a@example.net>'):
                commands.append(' '.join(word for word in words if not word.startswith(without)))
    return commands


@case
def reports_are_asked_for_at_the_next_hop():
    """PAR-02, PAR-03: as they came, in each way of sending; to a host that does not offer DSN nothing of it is said
    (RFC 3461 5.2.2), and who asked to hear of success hears it from this relay."""
    for extensions in (DSN, ('DSN',), ('DSN', 'PIPELINING'), ALL_EXTENSIONS):
        with Workspace() as work:
            hop = work.own(NextHop(extensions=extensions))
            relay = work.relay(work.configuration([hop.host], clients=STRICT))
            send(relay, 1, [line for line, _ in ENVELOPE])
            hop.wait_arrivals(1)
            offered = 'DSN' in extensions
            expected = [' '.join((short, more)).strip() if offered else short
                        for (_, short), more in zip(ENVELOPE, GIVEN_ON)]
            equal(said(hop, 'MAIL') + said(hop, 'RCPT'), expected, 'commands')
            if not offered:
                eventually(lambda: relay.events('report'), 'the report')
            relay.terminate()
            equal([(e['kind'], e['to']) for e in relay.events('report')],
                  [] if offered else [('relayed', 'a@example.net')], 'reports')


@case
def i1_reports_survive_kills():
    """What was answered with 250 keeps all it asked for, killed as often as one likes."""
    with Workspace() as work:
        port = free_port()
        configuration = work.configuration(['127.0.0.1:%d' % port], clients=STRICT)
        relay = work.relay(configuration)
        for number in range(1, 21):
            send(relay, number, [line for line, _ in ENVELOPE])
        for shards in (3, 1, 2):
            relay.signal(signal.SIGKILL)
            relay.wait()
            configuration['shards'] = shards
            relay = work.relay(configuration, name='postrider-%d' % shards)
        hop = work.own(NextHop(extensions=DSN, port=port))
        hop.wait_arrivals(20)
        expected = [' '.join((short, more)).strip() for (_, short), more in zip(ENVELOPE, GIVEN_ON)]
        equal(sorted(said(hop, 'MAIL') + said(hop, 'RCPT')), sorted(20 * expected), 'commands')
        relay.terminate()


@case
def par02_wrong_parameters():
    """PAR-02: from who must be strict 501, and 555 for what is not known; the session goes on. A device's are let go
    where they are no values."""
    wrong = (('MAIL FROM:<a@example.net> RET=ALL', 501), ('MAIL FROM:<a@example.net> RET=FULL RET=FULL', 501),
             ('MAIL FROM:<a@example.net> ENVID=' + 101 * 'x', 501), ('MAIL FROM:<a@example.net> ENVID=a+0Ab', 501),
             ('MAIL FROM:<a@example.net> AUTH=a+0Db', 501), ('MAIL FROM:<a@example.net> AUTH=+ZZ', 501),
             ('MAIL FROM:<a@example.net> SIZE=1 SIZE=1', 501), ('MAIL FROM:<a@example.net> BODY=x', 501),
             ('MAIL FROM:<a@example.net> BY=60;R', 555), ('MAIL FROM:<a@example.net> MT-PRIORITY=1', 555),
             ('MAIL FROM:<a@example.net> REQUIRETLS', 555), ('MAIL FROM:<a@example.net> HOLDFOR=60', 555),
             ('MAIL FROM:<a@example.net> NOTIFY=NEVER', 555))
    wrong_rcpt = (('NOTIFY=NEVER,SUCCESS', 501), ('NOTIFY=SUCCESS,', 501), ('NOTIFY=NEVER NOTIFY=NEVER', 501),
                  ('ORCPT=a@example.org', 501), ('ORCPT=rfc822;a+00@example.org', 501),
                  ('ORCPT=rfc822;a b@example.org', 501), ('ORCPT=rfc822;' + 494 * 'x', 501), ('RET=FULL', 555))
    with Workspace() as work:
        hop = work.own(NextHop(extensions=DSN))
        relay = work.relay(work.configuration([hop.host], clients=STRICT, limits={'errors_per_session': 1000}))
        with Client(relay.address) as client:
            client.hello()
            for line, code in wrong:
                client.command(line, code, '5.5.4')
            client.command('MAIL FROM:<a@example.net> AUTH=<> ENVID=%s' % (100 * 'x'), 250)
            for parameters, code in wrong_rcpt:
                client.command('RCPT TO:<b@example.com> ' + parameters, code, '5.5.4')
            client.command('RCPT TO:<b@example.com> ORCPT=rfc822;' + 493 * 'x', 250)
            client.data(message(1))
        hop.wait_arrivals(1)
        equal(said(hop, 'MAIL'), ['MAIL FROM:<a@example.net> ENVID=' + 100 * 'x'], 'MAIL')
        equal(said(hop, 'RCPT'), ['RCPT TO:<b@example.com> ORCPT=rfc822;' + 493 * 'x'], 'RCPT')
        relay.terminate()
    with Workspace() as work:
        hop = work.own(NextHop(extensions=DSN))
        relay = work.relay(work.configuration([hop.host]))
        with Client(relay.address) as client:
            client.command('HELO printer', 250)
            client.command('MAIL FROM:<a@example.net> RET=ALL ENVID=a+0Ab', 250)
            client.command('RCPT TO:<b@example.com> NOTIFY=ALWAYS ORCPT=b@example.org', 250)
            client.command('RCPT TO:<c@example.com> NOTIFY=FAILURE', 250)
            client.data(message(1))
        hop.wait_arrivals(1)
        equal(said(hop, 'MAIL') + said(hop, 'RCPT'), ['MAIL FROM:<a@example.net>', 'RCPT TO:<b@example.com>',
                                                      'RCPT TO:<c@example.com> NOTIFY=FAILURE'], 'commands')
        relay.terminate()


@case
def hosts_that_offer_dsn_and_refuse_it():
    """Gateways pass on an offer that they do not bear: the message goes again at once without, and so do others."""
    for refused in ('MAIL', 'RCPT'):
        def script(stage, session, argument, refused=refused):
            known = 'NOTIFY' not in argument and 'RET' not in argument if stage in ('MAIL', 'RCPT') else True
            return '555 5.5.4 Unsupported option' if stage == refused and not known else None

        with Workspace() as work:
            hop = work.own(NextHop(extensions=DSN, script=script))
            relay = work.relay(work.configuration([hop.host]))
            for number in (1, 2):
                send(relay, number, [line for line, _ in ENVELOPE])
                eventually(lambda count=4 * number: sum(len(a.recipients) for a in hop.arrivals) >= count,
                           'all recipients')
            # Of a message that was sent whole at once the others were taken before (RFC 3030 4.2).
            equal(sorted(name for a in hop.arrivals for name in a.recipients),
                  sorted(2 * ['%s@example.com' % name for name in ('plain', 'b', 'c', 'd')]), 'recipients')
            equal(len([line for line in said(hop, refused) if 'RET' in line or 'NOTIFY' in line]),
                  1 if refused == 'MAIL' else 2, 'how often it was refused')
            eventually(lambda: len(relay.events('report')) >= 2, 'reports of what was relayed')
            relay.terminate()
            equal([e['without'] for e in relay.events('fallback')],
                  ['MAIL parameters' if refused == 'MAIL' else 'DSN'], 'what is done without')
            equal(len(relay.events('report')), 2, 'reports')


class Strict:
    """A relay with STARTTLS for its clients, before next hops over TLS."""

    def __init__(self):
        self.work = Workspace()
        self.certificates = Certificates()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.work.__exit__(*_)

    def hop(self, offers=True, tls=True):
        extensions = DSN + (('REQUIRETLS',) if offers else ())
        return self.work.own(NextHop(extensions=extensions, tls=self.certificates.server_context() if tls else None))

    def destination(self, name, hop, mode='verify', **changes):
        tls = {'mode': mode}
        if mode == 'verify':
            tls.update(ca_file=self.certificates.ca, server_name='mail.example.org')
        return dict({'name': name, 'hosts': [hop.host], 'tls': tls}, **changes)

    def relay(self, *destinations, **changes):
        configuration = self.work.configuration(
            [], destinations=list(destinations), routes=[{'destination': destinations[0]['name']}],
            listeners=[{'name': 'lan', 'address': '127.0.0.1:0', 'tls': 'offered'}], **changes)
        configuration['tls'] = {'certificates': [{'certificate': self.certificates.server,
                                                  'private_key': self.certificates.server_key}]}
        return self.work.relay(configuration)

    def send(self, relay, *messages):
        """Each is a number and whether TLS is required."""
        with Client(relay.address) as client:
            check('REQUIRETLS' not in client.hello()[1], 'REQUIRETLS is offered in clear')
            client.command('MAIL FROM:<a@example.net> REQUIRETLS', 555, '5.5.4')
            client.command('STARTTLS', 220)
            client.socket = self.certificates.client_context().wrap_socket(client.socket,
                                                                           server_hostname='mail.example.org')
            check('REQUIRETLS' in client.hello()[1], 'REQUIRETLS is not offered behind TLS')
            for number, strict in messages:
                client.envelope(parameters=' REQUIRETLS' if strict else '')
                client.data(message(number))


def ended(relay, result, count=1):
    eventually(lambda: len([e for e in relay.events('attempt') if e['result'] == result]) >= count,
               lambda: '%d attempts %s' % (count, result))
    return [e for e in relay.events('attempt') if e['result'] == result]


@case
def i6_require_tls_is_kept():
    """I6: over TLS that is verified, to a host that offers it: said there again; others beside it go without."""
    with Strict() as place:
        hop = place.hop()
        relay = place.relay(place.destination('office', hop))
        place.send(relay, (1, True), (2, False), (3, True))
        hop.wait_arrivals(3)
        equal(sorted('REQUIRETLS' in line for line in said(hop, 'MAIL')), [False, True, True], 'REQUIRETLS')
        check(all(session.encrypted for session in hop.sessions if session.transactions), 'sent in clear')
        relay.terminate()


@case
def i6_require_tls_is_never_weakened():
    """I6: not to a host that does not offer it, whose certificate is not verified, or in clear: that message fails with
    5.7.30 and nothing of it is said, while those beside it go on over the same connection."""
    for offers, mode, why in ((False, 'verify', 'does not offer'), (True, 'required', 'not verified'),
                              (True, 'none', 'without TLS'), (False, 'none', 'without TLS')):
        with Strict() as place:
            hop = place.hop(offers, tls=mode != 'none')
            relay = place.relay(place.destination('office', hop, mode))
            place.send(relay, (1, False), (2, True), (3, False))
            hop.wait_arrivals(2)
            failed = ended(relay, 'failed')[0]
            equal(failed['code'], 550, 'code')
            check('5.7.30' in failed['reply'] and why in failed['reply'], 'reply: %s', failed)
            check('REQUIRETLS' in failed['problem'], 'it is not said what to do: %s', failed)
            equal(sorted(hop.sequences()), [1, 3], 'messages')
            equal(len(said(hop, 'MAIL')), 2, 'MAIL')
            check(not relay.events('setup_refused'), 'the host is held for it')
            relay.terminate()


@case
def i6_require_tls_by_another_host():
    """I6: of several hosts those are looked for that may carry it, also where the destination has one connection only
    or that host is away at first; others' mail goes on meanwhile, and where no host may the message fails."""
    for connections in (1, 20):
        with Strict() as place:
            port = harness.free_port()
            first, second = place.hop(offers=False), place.hop(offers=False)
            hosts = [first.host, second.host, '127.0.0.1:%d' % port]
            relay = place.relay(place.destination('office', first, hosts=hosts, limits={'connections': connections}),
                                shards=1)
            place.send(relay, (1, False), (2, True), (3, False), (4, True))

            def arrived(hop_list=(first, second)):
                return sum(len(hop.arrivals) for hop in hop_list)
            eventually(lambda: arrived() >= 2, lambda: 'others go on')
            eventually(lambda: relay.events('host_failed'), lambda: 'the third is tried')
            place.send(relay, (5, False))
            eventually(lambda: arrived() >= 3, lambda: 'others go on meanwhile')
            check(not [e for e in relay.events('attempt') if e['result'] == 'failed'], 'failed before all were asked')
            third = place.work.own(NextHop(port=port, extensions=DSN + ('REQUIRETLS',),
                                           tls=place.certificates.server_context()))
            third.wait_arrivals(2)
            equal(sorted(a.sequence for a in third.arrivals if a.sequence in (2, 4)), [2, 4], 'those that need it')
            for hop in (first, second):
                check(not any('REQUIRETLS' in line for line in said(hop, 'MAIL')), 'said where it is not offered')
            relay.terminate()
    with Strict() as place:
        hops = [place.hop(offers=False) for _ in range(3)]
        relay = place.relay(place.destination('office', hops[0], hosts=[hop.host for hop in hops]), shards=1)
        place.send(relay, (1, True), (2, False))
        check('5.7.30' in ended(relay, 'failed')[0]['reply'], 'reply')
        check(all(hop.accepted >= 1 for hop in hops), 'not all were asked')
        relay.terminate()


@case
def i6_require_tls_not_by_names_of_the_dns():
    """I6: the MX of a recipient's domain is what the DNS says, and without DNSSEC nobody has proven that: a certificate
    for such a name is enough for others' mail, and not for what says REQUIRETLS."""
    with Strict() as place:
        hop = place.hop()
        server = place.work.own(NameServer({'example.com': Exchangers((10, 'mail.example.org')),
                                            'mail.example.org': ['127.0.0.1']}))
        relay = place.relay({'name': 'internet', 'mx': True, 'mx_port': hop.port,
                             'tls': {'mode': 'verify', 'ca_file': place.certificates.ca}},
                            dns={'servers': [server.address], 'allow_private': True, 'dnssec': 'off'})
        place.send(relay, (1, True), (2, False))
        hop.wait_arrivals(1)
        failed = ended(relay, 'failed')[0]
        check('5.7.30' in failed['reply'] and 'not verified' in failed['reply'], 'reply: %s', failed)
        equal(hop.sequences(), [2], 'messages')
        relay.terminate()


@case
def i6_require_tls_by_the_other_path():
    """I6: a fallback is asked the same; a rule may send what its own path cannot carry by the other."""
    rules = [{'enhanced': '5.7.30', 'text': '*REQUIRETLS*', 'do': 'other_path'}]
    for good in (True, False):
        with Strict() as place:
            first, second = place.hop(offers=False), place.hop(offers=good)
            relay = place.relay(place.destination('first', first, fallback='second', verdicts=rules),
                                place.destination('second', second))
            place.send(relay, (1, True), (2, False))
            first.wait_arrivals(1)
            if good:
                second.wait_arrivals(1)
                equal(second.sequences(), [1], 'by the other path')
            else:
                check('5.7.30' in ended(relay, 'failed')[0]['reply'], 'failed')
                equal(second.sequences(), [], 'by the other path')
            equal(first.sequences(), [2], 'by its own')
            relay.terminate()
    # And where the own path is gone, so that all goes the other way.
    with Strict() as place:
        second = place.hop(offers=False)
        nobody = {'name': 'first', 'hosts': ['127.0.0.1:%d' % free_port()], 'fallback': 'second',
                  'tls': {'mode': 'verify', 'ca_file': place.certificates.ca, 'server_name': 'mail.example.org'},
                  'fallback_after': '100ms'}
        relay = place.relay(nobody, place.destination('second', second))
        place.send(relay, (1, True), (2, False))
        second.wait_arrivals(1)
        check('does not offer' in ended(relay, 'failed')[0]['reply'], 'failed')
        equal(second.sequences(), [2], 'by the other path')
        relay.terminate()


@case
def i6_require_tls_by_mailboxes():
    """I6: signed in, too, under the mailbox's name or as the sender: the provider does not offer REQUIRETLS."""
    for sender in ('mailbox', 'match'):
        with Strict() as place:
            office = place.work.own(Office365(place.certificates, [Mailbox('scan@contoso.com', 'secret',
                                                                           ['sender@example.net'])],
                                              mechanisms=('LOGIN',), messages=1000000))
            os.chmod(place.work.write('password', 'secret'), 0o600)
            mailbox = {'user': 'scan@contoso.com'}
            if sender == 'match':
                mailbox['senders'] = ['sender@example.net']
            relay = place.relay({
                'name': 'office', 'hosts': [office.host], 'sender': sender, 'mailboxes': [mailbox],
                'auth': {'mechanism': 'login', 'password_file': 'password'},
                'tls': {'mode': 'verify', 'ca_file': place.certificates.ca, 'server_name': Office365.name}})
            place.send(relay, (1, False), (2, True), (3, False))
            office.wait_arrivals(2)
            check('does not offer' in ended(relay, 'failed')[0]['reply'], 'failed')
            equal(sorted(office.sequences()), [1, 3], 'messages')
            relay.terminate()


@case
def i6_require_tls_survives_kills():
    """I6: a message found on the disk is as strict as it was."""
    with Strict() as place:
        port = free_port()
        hop = {'name': 'office', 'hosts': ['127.0.0.1:%d' % port], 'tls': {'mode': 'none'}}
        relay = place.relay(hop)
        place.send(relay, (1, True), (2, False))
        relay.signal(signal.SIGKILL)
        relay.wait()
        relay = place.relay(hop)
        there = place.work.own(NextHop(port=port, extensions=DSN + ('REQUIRETLS',)))
        there.wait_arrivals(1)
        check('5.7.30' in ended(relay, 'failed')[0]['reply'], 'failed')
        equal(there.sequences(), [2], 'messages')
        relay.terminate()


@case
def mail_is_kept_until_its_time():
    """FUTURERELEASE (RFC 4865): not before, over a kill and another number of shards too; the others go at once."""
    with Workspace() as work:
        hop = work.own(NextHop(extensions=DSN))
        configuration = work.configuration([hop.host], limits={'future_release': '1h', 'errors_per_session': 100})
        relay = work.relay(configuration)
        started = time.time()
        with Client(relay.address) as client:
            text = client.hello()[1]
            offered = re.search(r'FUTURERELEASE 3600 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)', text)
            check(offered, 'EHLO: %s', text)
            until = calendar.timegm(time.strptime(offered.group(1), '%Y-%m-%dT%H:%M:%SZ'))
            check(started + 3599 <= until <= time.time() + 3600, 'until %s', offered.group(1))
            for wrong in ('HOLDFOR=3601', 'HOLDFOR=0', 'HOLDFOR=60 HOLDFOR=60', 'HOLDUNTIL=2999-01-01T00:00:00Z',
                          'HOLDUNTIL=tomorrow', 'HOLDFOR=60 HOLDUNTIL=2026-01-01T00:00:00Z'):
                client.command('MAIL FROM:<a@example.net> ' + wrong, 501, '5.5.4')
            at = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(started + 7))
            for number, hold in ((1, ' HOLDFOR=6'), (2, ''), (3, ' HOLDUNTIL=' + at),
                                 (4, ' HOLDUNTIL=2020-01-01T00:00:00+01:00'), (5, ' HOLDFOR=3600')):
                client.envelope(parameters=hold)
                client.data(message(number))
        hop.wait_arrivals(2)
        equal(sorted(hop.sequences()), [2, 4], 'those that are not to be kept')
        relay.signal(signal.SIGKILL)
        relay.wait()
        configuration['shards'] = 3
        relay = work.relay(configuration)
        times = {}

        def due():
            for number in hop.sequences():
                times.setdefault(number, time.time())
            return {1, 3} <= set(times)
        eventually(due, 'what was kept arrives')
        check(times[1] >= started + 6 and times[3] >= int(started + 7), 'too early: %s after %s', times, started)
        check(5 not in times, 'what is kept for an hour has arrived')
        relay.terminate()


if __name__ == '__main__':
    harness.main(together=4)
