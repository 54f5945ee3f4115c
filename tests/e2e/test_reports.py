#!/usr/bin/python3
"""tests/e2e/test_reports.py - who sent a message hears what became of it (RFC 3464, 3461, 6522, 6533), once."""

import email
import email.policy
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import ALL_EXTENSIONS, Client, NextHop, Workspace, case, check, equal, eventually  # noqa: E402
from harness import message  # noqa: E402

DSN = ALL_EXTENSIONS + ('DSN',)


def refusing(answers):
    """A script that answers RCPT to these local parts."""
    def script(stage, session, argument):
        found = re.search(r'<([^@>]*)', argument) if stage == 'RCPT' else None
        return answers.get(found.group(1)) if found else None
    return script


def send(relay, sequence, recipients, sender='sender@example.net', parameters='', body=None):
    with Client(relay.address) as client:
        client.hello()
        client.command('MAIL FROM:<%s>%s' % (sender, parameters), 250)
        for recipient in recipients:
            client.command('RCPT TO:' + (recipient if '<' in recipient else '<%s>' % recipient), 250)
        client.data(body or message(sequence))


def reports(hop):
    return hop.reports


class Report:
    """A report as Python's email reads it."""

    def __init__(self, arrival):
        self.octets = arrival.content
        self.mail = email.message_from_bytes(arrival.content, policy=email.policy.default)
        equal(self.mail.defects, [], 'defects of the report')
        equal(self.mail.get_content_type(), 'multipart/report', 'its type')
        equal(self.mail.get_param('report-type'), 'delivery-status', 'of what')
        parts = self.mail.get_payload()
        equal(len(parts), 3, 'its parts')
        for part in parts:
            equal(part.defects, [], 'defects of a part')
        self.text = parts[0].get_content()
        blocks = parts[1].get_payload()
        self.message = dict(blocks[0].items())
        self.recipients = [dict(block.items()) for block in blocks[1:]]
        self.returned = parts[2]

    def actions(self):
        return [(r['Final-Recipient'].split(';')[1].strip(), r['Action'], r['Status']) for r in self.recipients]


def wait_reports(hop, count, timeout=60):
    eventually(lambda: len(reports(hop)) >= count, lambda: 'reports: %d' % len(reports(hop)), timeout=timeout)
    return [Report(a) for a in reports(hop)]


@case
def who_failed_is_told():
    """One report of a message, however many failed; what people read comes first, and the header comes back."""
    with Workspace() as work:
        hop = work.own(NextHop(script=refusing({'bad': '550 5.1.1 no such user', 'full': '550 5.2.2 mailbox full'})))
        relay = work.relay(work.configuration([hop.host], reports={'from': 'postmaster@example.net'}))
        send(relay, 1, ('good@example.com', 'bad@example.com', 'full@example.com'))
        report = wait_reports(hop, 1)[0]
        equal([a.recipients for a in reports(hop)], [['sender@example.net']], 'who is told')
        equal(sorted(report.actions()), [('bad@example.com', 'failed', '5.1.1'),
                                         ('full@example.com', 'failed', '5.2.2')], 'what')
        equal(report.mail['From'].addresses[0].addr_spec, 'postmaster@example.net', 'From')
        equal(report.mail['Auto-Submitted'], 'auto-replied', 'Auto-Submitted')
        check(report.text.startswith('Your message could not be delivered to:'), report.text)
        check('There is no such address there' in report.text and 'mailbox is full' in report.text, report.text)
        check('550 5.1.1 no such user' in report.text, report.text)
        equal(report.returned.get_content_type(), 'text/rfc822-headers', 'what is returned')
        check('X-Sequence' in report.returned.get_content() or 'Subject' in report.returned.get_content(),
              'its header')
        eventually(lambda: relay.events('report'), 'the report is told')
        equal([(e['kind'], e['to'], e['recipients']) for e in relay.events('report')],
              [('failed', 'sender@example.net', 2)], 'the event')
        relay.terminate()
        equal(relay.count['queued'], 0, 'what is left in the spool')


@case
def replies_and_addresses_as_they_come():
    """Quoted local parts, replies in other scripts, of many lines, with no code of their own: a report that is read
    without a defect, and names each recipient as he was written; what is 4yz is never a failure."""
    replies = {'"odd user"': '550 5.1.1 kein Empf\u00e4nger \u4e0d\u5b58\u5728',
               '"a@b"': '550-5.1.1 no\r\n550 5.1.1 such user',
               'lines': '550-5.1.1 ' + '\r\n550-5.1.1 '.join('line %d of what is to be done' % i for i in range(8)) +
                        '\r\n550 5.1.1  https://example.org/help - gw',
               'group': '550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required',
               '"say \\"hi\\""': '554 <not> "a" header: value', 'long': '550 5.7.1 ' + 'x' * 480,
               'bare': '550', 'other': '552 mailbox not found', 'wrong': '550 4.2.2 both'}
    waits = {'greylisted': '422 4.2.2 Greylisted, please try again in a few moments', 'later': '450 5.1.1 later'}

    def script(stage, session, argument):
        found = re.search(r'<(.*)@', argument) if stage == 'RCPT' else None
        return {**replies, **waits}.get(found.group(1)) if found else None
    with Workspace() as work:
        hop = work.own(NextHop(script=script))
        relay = work.relay(work.configuration([hop.host]))
        send(relay, 1, ['<%s@example.com>' % name for name in {**replies, **waits}], sender='"the sender"@example.net')
        eventually(lambda: sum(len(Report(one).recipients) for one in reports(hop)) >= len(replies) - 1,
                   lambda: [Report(one).actions() for one in reports(hop)])
        told = {}
        for one in reports(hop):
            equal(one.recipients, ['"the sender"@example.net'], 'who is told')
            told.update({r['Final-Recipient'].split(';', 1)[1].strip(): r for r in Report(one).recipients})
        failed = {'%s@example.com' % name for name in replies}
        equal(set(told) - failed, set(), 'told of nobody else')
        # 552 to RCPT says that there are too many of them (RFC 5321 4.5.3.1.10).
        equal(failed - set(told) - {'other@example.com'}, set(), 'told of all')
        for who, block in told.items():
            check(block['Action'] == 'failed' and block['Status'].startswith('5.'), '%s: %s', who, block)
            check(block['Diagnostic-Code'].startswith('smtp;'), '%s: %s', who, block)
            check('\\x' not in block['Diagnostic-Code'] or who.startswith('"odd'), '%s: %s', who, block)
        # All of it, and as one who reads it would write it.
        equal(' '.join(told['lines@example.com']['Diagnostic-Code'].split()),
              'smtp; 550 5.1.1 ' + ' '.join('line %d of what is to be done' % i for i in range(8)) +
              ' https://example.org/help - gw', 'a reply of many lines')
        equal(told['group@example.com']['Status'], '5.7.133', 'a detail of three digits')
        relay.terminate()


@case
def lop03_nobody_is_told_of_what_has_no_sender():
    """Nor of a report that fails itself, nor where no route leads to the sender: an event, and that is the end."""
    with Workspace() as work:
        hop = work.own(NextHop(script=refusing({'bad': '550 5.1.1 no', 'back': '550 5.1.1 no'})))
        routes = [{'recipient': '*@nowhere.example', 'refuse': '550 5.7.1 no'}, {'destination': 'hop'}]
        configuration = work.configuration([hop.host])
        name = configuration['destinations'][0]['name']
        configuration['routes'] = [routes[0], {'destination': name}]
        relay = work.relay(configuration)
        send(relay, 1, ('bad@example.com',), sender='')
        send(relay, 2, ('bad@example.com',), sender='back@example.com')
        send(relay, 3, ('bad@example.com',), sender='someone@nowhere.example')
        send(relay, 4, ('bad@example.com',), sender='sender@example.net')
        eventually(lambda: len(relay.events('unreported')) == 3, lambda: relay.events('unreported'))
        equal(sorted(e['reason'] for e in relay.events('unreported')),
              ['it has no sender', 'it is a report itself', 'no route leads to its sender'], 'why')
        wait_reports(hop, 1)
        equal([a.recipients for a in reports(hop)], [['sender@example.net']], 'who is told')
        relay.terminate()
        equal(relay.count['queued'], 0, 'what is left in the spool')


@case
def notify_is_honoured():
    """NOTIFY, ORCPT, RET and ENVID (RFC 3461)."""
    with Workspace() as work:
        hop = work.own(NextHop(script=refusing({name: '550 5.1.1 no' for name in ('a', 'b', 'c', 'd')})))
        relay = work.relay(work.configuration([hop.host]))
        send(relay, 1, ('<a@example.com> NOTIFY=NEVER', '<b@example.com> NOTIFY=SUCCESS',
                        '<c@example.com> NOTIFY=FAILURE ORCPT=rfc822;c+2Bx@example.org', 'd@example.com',
                        '<e@example.com> NOTIFY=SUCCESS,FAILURE', 'f@example.com'),
             parameters=' RET=FULL ENVID=QQ+3D1')
        report = wait_reports(hop, 1)[0]
        equal(sorted(report.actions()), [('c@example.com', 'failed', '5.1.1'), ('d@example.com', 'failed', '5.1.1'),
                                         ('e@example.com', 'relayed', '2.0.0')], 'what')
        equal(report.message['Original-Envelope-Id'], 'QQ=1', 'ENVID')
        equal([r['Original-Recipient'] for r in report.recipients if 'Original-Recipient' in r],
              ['rfc822;c+x@example.org'], 'ORCPT')
        equal(report.returned.get_content_type(), 'message/rfc822', 'what is returned')
        check(message(1).strip().splitlines()[-1].decode() in report.octets.decode('latin-1'), 'all of it')
        # Nobody is to hear of these.
        send(relay, 2, ('<a@example.com> NOTIFY=NEVER', '<b@example.com> NOTIFY=SUCCESS'))
        send(relay, 3, ('<d@example.com>',))
        wait_reports(hop, 2)
        relay.terminate()
        equal([r.actions() for r in [Report(a) for a in reports(hop)][1:]], [[('d@example.com', 'failed', '5.1.1')]],
              'the other')
        equal(relay.count['queued'], 0, 'what is left in the spool')


@case
def who_does_not_fit_is_told_in_the_next_one():
    """A report speaks of 200 recipients at most; of the others the next one does, at once."""
    with Workspace() as work:
        hop = work.own(NextHop(script=lambda stage, session, argument: '550 5.1.1 no' if stage == 'RCPT' and
                               'sender@' not in argument else None))
        relay = work.relay(work.configuration([hop.host]))
        everybody = ['r%03d@example.com' % i for i in range(450)]
        send(relay, 1, everybody)
        told = [r['Final-Recipient'].split(';')[1] for report in wait_reports(hop, 3) for r in report.recipients]
        equal(sorted(told), everybody, 'who is told of, each once')
        relay.terminate()
        equal(relay.count['queued'], 0, 'what is left in the spool')


@case
def who_is_late_is_told_once():
    """After reports.delay_after, and never again; then how it ended."""
    with Workspace() as work:
        hop = work.own(NextHop(script=refusing({'late': '451 4.7.1 greylisted'})))
        relay = work.relay(work.configuration([hop.host], reports={'delay_after': '1s'},
                                              retry={'first': '200ms', 'max': '500ms', 'expire': '6s'}))
        send(relay, 1, ('late@example.com', '<late@example.com> NOTIFY=FAILURE', 'good@example.com'))
        first, second = wait_reports(hop, 2)[:2]
        equal(first.actions(), [('late@example.com', 'delayed', '4.7.1')], 'first')
        check('need not' in first.text and 'Will-Retry-Until' in first.recipients[0], first.text)
        equal(second.actions(), 2 * [('late@example.com', 'failed', '4.4.7')], 'then')
        relay.terminate()
        equal(len(reports(hop)), 2, 'reports')


@case
def who_is_late_hears_why():
    """What the host said last, though nothing tells the message's recipients apart."""
    with Workspace() as work:
        hop = work.own(NextHop(script=refusing({'late': '451 4.7.1 greylisted'})))
        relay = work.relay(work.configuration([hop.host], reports={'delay_after': '1s'}))
        send(relay, 1, ('late@example.com',))
        report = wait_reports(hop, 1)[0]
        equal(report.actions(), [('late@example.com', 'delayed', '4.7.1')], 'what')
        check('451 4.7.1 greylisted' in report.text, report.text)


# A large number: FAILURES=10000 BUILD=build/gcc tests/e2e/test_reports.py thousands_of_failures
FAILURES = int(os.environ.get('FAILURES', '400'))
DOMAINS = 50  # of senders: to each a number of reports goes at once, and then 20 a second


def told_of(hop):
    """{who failed: ids of the reports that say so}"""
    found = {}
    for arrival in list(hop.reports):
        mark = re.search(rb'\r\nMessage-ID: (\S+)', arrival.content).group(1)
        for number in re.findall(rb'(?:Final-Recipient: rfc822; ?|\r\n {4}to )x(\d+)@gone', arrival.content):
            found.setdefault(int(number), set()).add(mark)
    return found


@case
def thousands_of_failures():
    """Mail that fails at the same moment, and mail that stands as failed at a start: each sender is told once, though
    the process dies twice meanwhile, and others' mail goes on while no report can."""
    refused, deaths, relays = [], [FAILURES // 3, 2 * FAILURES // 3], []

    def script(stage, session, argument):
        if stage != 'RCPT' or '@gone.' not in argument:
            return None
        refused.append(argument)
        # In the middle of it.
        if deaths and len(refused) >= deaths[0]:
            deaths.pop(0)
            os.kill(relays[-1].process.pid, signal.SIGKILL)
        return '550 5.1.1 no such user'

    with Workspace() as work:
        out, out_port, port = None, harness.free_port(), harness.free_port()
        content = work.configuration([], shards=2, destinations=[
            {'name': 'out', 'hosts': ['127.0.0.1:%d' % out_port], 'tls': {'mode': 'none'}},
            {'name': 'back', 'hosts': ['127.0.0.1:%d' % port], 'tls': {'mode': 'none'}}],
            routes=[{'recipient': '*@*.senders.example', 'destination': 'back'}, {'destination': 'out'}],
            retry={'first': '1s', 'max': '1s'}, reports={'delay_after': 0})
        relay = work.relay(content)

        def others_have(count):
            # What arrived and was not yet known to have when it died comes again.
            live = ['live%d@example.com' % (number + 1) for number in range(count)]
            eventually(lambda: {arrival.recipients[0] for arrival in list(out.arrivals)} == set(live),
                       lambda: 'mail of others: %s' % [arrival.recipients for arrival in out.arrivals])

        with Client(relay.address) as client:
            client.hello()
            for number in range(FAILURES):
                client.envelope('s%d@d%d.senders.example' % (number, number % DOMAINS), ['x%d@gone.example' % number])
                client.data(message(number))
        for life in (1, 2):
            relays.append(relay)
            out = out or work.own(NextHop(port=out_port, script=script))
            eventually(lambda: len(deaths) == 2 - life, lambda: 'some fail: %d' % len(refused))
            relay.kill()
            if 'FAILURES' in os.environ:
                print('it died when %d had failed, and %d reports were made' %
                      (len(refused), len(relay.events('report'))))
            relay = work.relay(content)
            send(relay, FAILURES + life, ['live%d@example.com' % life])
            others_have(life)
        back = work.own(NextHop(port=port))
        eventually(lambda: len(told_of(back)) == FAILURES, lambda: 'all are told of: %d' % len(told_of(back)))
        send(relay, FAILURES + 3, ['live3@example.com'])
        others_have(3)
        relay.terminate()
        equal(relay.count['queued'], 0, 'what is left in the spool')
        equal({number: marks for number, marks in told_of(back).items() if len(marks) != 1}, {}, 'told twice')
        for arrival in back.reports:
            number = re.search(rb'x(\d+)@gone', arrival.content).group(1).decode()
            check(arrival.recipients[0].startswith('s%s@' % number), 'who is told: %s', arrival.recipients)


def reload(work, content):
    """Its exit status, and what it says."""
    work.write('postrider.yaml', json.dumps(content))
    done = subprocess.run([harness.program('postrider'), 'reload', '--config', work.path('postrider.yaml')],
                          capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stderr


@case
def another_author_from_now_on():
    """A reload of `reports`: what was made stays as it is, what is made from then on is as the new one says, and of one
    with an error nothing is taken over."""
    with Workspace() as work:
        out = work.own(NextHop(script=refusing({'bad': '550 5.1.1 no such user', 'late': '451 4.3.2 later'})))
        port = harness.free_port()
        content = work.configuration([], destinations=[
            {'name': 'out', 'hosts': [out.host], 'tls': {'mode': 'none'}},
            {'name': 'back', 'hosts': ['127.0.0.1:%d' % port], 'tls': {'mode': 'none'}}],
            routes=[{'recipient': '*@senders.example', 'destination': 'back'}, {'destination': 'out'}],
            retry={'first': '1s', 'max': '1s'}, reports={'from': 'first@relay.example', 'delay_after': 0},
            clients=[{'name': 'devices', 'networks': ['127.0.0.9'], 'owner': 'it@senders.example'},
                     {'name': 'others', 'networks': ['127.0.0.0/8']}])
        relay = work.relay(content)
        send(relay, 1, ('bad@example.com',), 's1@senders.example')
        send(relay, 2, ('late@example.com',), 's2@senders.example')
        eventually(lambda: len(relay.events('report')) == 1, 'the first is made')
        content['reports'] = {'from': 'second@relay.example', 'delay_after': '1s', 'to_owner_per_hour': 1}
        equal(reload(work, content)[0], 0, 'the status of a reload')
        # It has waited for longer than the new one says.
        eventually(lambda: len(relay.events('report')) == 2, 'who is late is told')
        send(relay, 3, ('bad@example.com',), 's3@senders.example')
        eventually(lambda: len(relay.events('report')) == 3, 'the third is made')
        # Of these nothing is in force, whatever else of them is right.
        for wrong, word in (({'from': 'nobody'}, 'from'), ({'to_owner_per_hour': 5000}, 'to_owner_per_hour'),
                            ({'delay_after': 'soon'}, 'delay_after'), ({'form': 'a@relay.example'}, 'form')):
            other = {**content, 'reports': {'from': 'third@relay.example', 'delay_after': 0, **wrong}}
            status, said = reload(work, other)
            check(status != 0 and word in said, 'a reload with %s: %d %s', wrong, status, said)
        send(relay, 4, ('bad@example.com',), 's4@senders.example')
        eventually(lambda: len(relay.events('report')) == 4, 'the fourth is made')
        # The owner has one in an hour now.
        with Client(relay.address, source='127.0.0.9') as client:
            client.hello()
            for number in range(5, 8):
                client.envelope('device@senders.example', ['bad@example.com'])
                client.data(message(number))
        eventually(lambda: len(relay.events('report')) >= 5, 'the owner is told')
        back = work.own(NextHop(port=port))
        eventually(lambda: len(back.reports) >= 5, lambda: 'reports: %d' % len(back.reports))
        authors = {a.recipients[0]: email.message_from_bytes(a.content)['From'] for a in list(back.reports)}
        check('first@relay.example' in authors.pop('s1@senders.example'), 'made before: %s', authors)
        check(len(authors) == 4 and all('second@relay.example' in author for author in authors.values()),
              'made afterwards: %s', authors)
        equal(sum(a.recipients == ['it@senders.example'] for a in back.reports), 1, 'reports to the owner')
        relay.terminate()


if __name__ == '__main__':
    harness.main(together=4)
