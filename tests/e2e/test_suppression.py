#!/usr/bin/python3
"""tests/e2e/test_suppression.py - the list of addresses that no mail goes to: who is refused, who is left out of mail
that waits, who comes into it, and `postrider suppress`."""

import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, eventually, program  # noqa: E402

REFUSAL = '5.1.1 This address is in the suppression list'


def configuration(work, hop, **changes):
    os.makedirs(work.path('list'), exist_ok=True)
    return work.configuration([hop.host], suppression={'directory': work.path('list')}, **changes)


def suppress(work, *arguments, status=0, stdin=None, file='postrider.yaml'):
    done = subprocess.run([program('postrider'), 'suppress', *arguments, '--config', work.path(file)], input=stdin,
                          capture_output=True, text=True, timeout=60)
    equal(done.returncode, status, 'status of suppress %s: %s' % (' '.join(arguments), done.stderr))
    return done.stdout


def rcpt(client, address):
    client.send('RCPT TO:<%s>\r\n' % address)
    return client.reply()


def answers(relay, *addresses, source=None):
    with Client(relay.address, source=source) as client:
        client.hello()
        client.command('MAIL FROM:<sender@example.net>', 250)
        return [rcpt(client, address)[0] for address in addresses]


def takes(relay, address):
    return answers(relay, address) == [250]


def send(relay, *recipients):
    with Client(relay.address) as client:
        client.hello()
        client.envelope(recipients=recipients)
        client.data(b'Subject: a list\r\n\r\ntext\r\n')


@case
def refused_while_its_client_listens():
    """Whatever the case or form of the address, at once after it was added, until it is removed; it is no error of the
    client's; another client does not go by the list."""
    with Workspace() as work:
        hop = work.own(NextHop())
        clients = [{'name': 'others', 'networks': ['127.0.0.9'], 'suppression': 'ignore'},
                   {'name': 'local', 'networks': ['127.0.0.0/8']}]
        content = configuration(work, hop, clients=clients)
        work.write('postrider.yaml', json.dumps(content))
        suppress(work, 'add', 'Gone@Example.com', '--reason', 'bounce', '--note', 'told by hand')
        relay = work.relay(content)
        read = relay.told('suppression_read')
        equal([(event['addresses'], event['bad_lines']) for event in read], [(1, 0)], 'what was read')
        forms = ['gone@example.com', 'GONE@EXAMPLE.COM', '"gone"@example.com', 'gone@example.com.']
        equal(answers(relay, *forms[:3]), [550] * 3, 'replies')
        equal(answers(relay, 'gone@example.com', source='127.0.0.9'), [250], 'who does not go by it')
        with Client(relay.address) as client:
            client.hello()
            client.command('MAIL FROM:<sender@example.net>', 250)
            for _ in range(50):
                code, text = rcpt(client, 'gone@example.com')
                check(code == 550 and text.startswith(REFUSAL), 'the reply: %d %s', code, text)
            client.command('RCPT TO:<here@example.com>', 250)
            client.data(b'Subject: one is left\r\n\r\ntext\r\n')
        equal(hop.wait_arrivals(1)[0].recipients, ['here@example.com'], 'recipients')
        suppress(work, 'add', 'here@example.com', 'b\u00fccher@b\u00fccher.example')
        eventually(lambda: not takes(relay, 'here@example.com'), 'it is in force without a reload')
        check(not takes(relay, 'here@example.com'), 'it stays so')
        suppress(work, 'remove', 'HERE@example.com')
        eventually(lambda: takes(relay, 'here@example.com'), 'it is not any more')
        # The file is replaced as a whole, and the relay goes by the new one.
        suppress(work, 'import', '-', stdin='\n'.join('u%d@example.com' % i for i in range(3000)))
        suppress(work, 'remove', *['u%d@example.com' % i for i in range(1, 3000)])
        before = os.stat(work.path('list', 'suppressed')).st_ino
        suppress(work, 'add', 'last@example.com')
        eventually(lambda: not takes(relay, 'last@example.com'), 'a list that was written anew')
        equal(answers(relay, 'u0@example.com', 'gone@example.com', 'u1@example.com'), [550, 550, 250], 'replies')
        check(before, 'the list')
        other = dict(content, suppression={'directory': work.path('spool')})
        work.write('postrider.yaml', json.dumps(other))
        relay.signal(signal.SIGHUP)
        eventually(lambda: relay.count['reload_refused'], 'another directory')
        check('suppression.directory' in relay.told('reload_refused')[0]['problem'], 'the reason')
        relay.terminate()


@case
def left_out_of_mail_that_waits():
    """Who came into the list after his mail was accepted is not asked for: he has failed, the others get it."""
    refuse = ['450 4.2.0 later']

    def script(stage, session, argument):
        return refuse[0] if stage == 'MAIL' else None

    with Workspace() as work:
        # One command at a time: nobody is named behind a MAIL that is refused.
        hop = work.own(NextHop(extensions=('8BITMIME',), script=script))
        relay = work.relay(configuration(work, hop, retry={'first': '3s', 'max': '3s'}))
        send(relay, 'a@example.com', 'gone@example.com', 'b@example.com')
        send(relay, 'gone@example.com')
        send(relay, 'kept@example.com')
        eventually(lambda: relay.count['attempt'] >= 3, 'attempts')
        suppress(work, 'add', 'gone@example.com')
        eventually(lambda: not takes(relay, 'gone@example.com'), 'it is in force')
        refuse[0] = None
        arrived = sorted(arrival.recipients for arrival in hop.wait_arrivals(2))
        equal(arrived, [['a@example.com', 'b@example.com'], ['kept@example.com']], 'what arrived')
        eventually(lambda: relay.count['failed'] == 1 and relay.count['partial'] == 1, 'how the attempts ended')
        alone = [event for event in relay.events('attempt') if event['result'] == 'failed'][0]
        check(alone['code'] == 550 and alone['reply'].startswith(REFUSAL), 'the reply: %s', alone)
        partial = [event for event in relay.events('attempt') if event['result'] == 'partial'][0]
        equal([(one['recipient'], one['result'], one.get('code')) for one in partial['results']][0],
              ('gone@example.com', 'failed', 550), 'his own result')
        said = [command for session in hop.sessions for command in session.commands]
        check(not any(b'RCPT TO:<gone' in command for command in said), 'he was asked for')
        relay.terminate()


@case
def filled_by_what_comes_back():
    """Only users that are not there, and only of clients who ask for it; over a restart; whatever log.messages says."""
    replies = {'gone': '550 5.1.1 No such user here', 'moved': '550 5.1.10 RESOLVER.ADR.RecipientNotFound',
               'policy': '550 5.7.1 Not from you', 'full': '552 5.2.2 Mailbox full', 'plain': '550 no'}

    def script(stage, session, argument):
        return replies.get(argument.split('<')[-1].split('@')[0].lower()) if stage == 'RCPT' else None

    with Workspace() as work:
        hop = work.own(NextHop(script=script))
        clients = [{'name': 'letters', 'networks': ['127.0.0.1'], 'suppression': 'feed'},
                   {'name': 'others', 'networks': ['127.0.0.0/8']}]
        content = configuration(work, hop, clients=clients, log={'messages': False})
        relay = work.relay(content)
        for name in ('gone', 'policy', 'full', 'plain'):
            send(relay, name + '@example.com')
        send(relay, 'good@example.com', 'Moved@Example.com')
        with Client(relay.address, source='127.0.0.9') as client:
            client.hello()
            client.envelope(recipients=['gone@other.example'])
            client.data(b'Subject: another client\r\n\r\ntext\r\n')
        eventually(lambda: not takes(relay, 'gone@example.com') and not takes(relay, 'moved@example.com'),
                   'two are in it')
        hop.wait_arrivals(1)
        relay.terminate()
        listed = [json.loads(line) for line in suppress(work, 'list', '--json').splitlines()]
        equal(sorted(one['address'] for one in listed), ['gone@example.com', 'moved@example.com'], 'who is in it')
        equal({one['reason'] for one in listed}, {'bounce'}, 'reasons')
        check(any(one['note'] == '%s: 550 5.1.1 No such user here' % hop.host for one in listed), 'notes: %s', listed)
        relay = work.relay(content, name='again')
        equal(answers(relay, 'gone@example.com', 'policy@example.com', 'gone@other.example'), [550, 250, 250],
              'replies')
        relay.terminate()


@case
def reports_and_the_list():
    """Who is in the list is told nothing, as a sender and as an owner; of who came into it the sender hears why."""
    refuse = ['450 4.2.0 later']

    def script(stage, session, argument):
        if stage == 'MAIL' and '<>' not in argument:
            return refuse[0]
        return '550 5.1.1 no such user' if stage == 'RCPT' and 'bad@' in argument else None

    with Workspace() as work:
        hop = work.own(NextHop(extensions=('8BITMIME',), script=script))
        clients = [{'name': 'scanner', 'networks': ['127.0.0.9'], 'owner': 'it@example.net'},
                   {'name': 'local', 'networks': ['127.0.0.0/8']}]
        relay = work.relay(configuration(work, hop, clients=clients, retry={'first': '2s', 'max': '2s'}))

        def fails(sender, recipient, source='127.0.0.1'):
            with Client(relay.address, source=source) as client:
                client.hello()
                client.envelope(sender=sender, recipients=[recipient])
                client.data(b'Subject: text\r\n\r\ntext\r\n')
        fails('left@example.net', 'bad@example.com')
        fails('scan@example.net', 'bad@example.com', source='127.0.0.9')
        fails('stays@example.net', 'gone@example.com')
        eventually(lambda: relay.count['attempt'] >= 3, 'attempts')
        suppress(work, 'add', 'Left@example.net', 'gone@example.com', 'it@example.net')
        eventually(lambda: not takes(relay, 'gone@example.com'), 'it is in force')
        refuse[0] = None
        eventually(lambda: len(relay.events('unreported')) == 2, lambda: '%s' % relay.events('unreported'))
        equal({event['reason'] for event in relay.events('unreported')},
              {'who is to be told is in the suppression list'}, 'why')
        eventually(lambda: hop.reports, 'the other is told')
        equal([report.recipients for report in hop.reports], [['stays@example.net']], 'who is told')
        text = hop.reports[0].content.decode()
        check('on a list of those that nothing is sent to' in ' '.join(text.split()), 'the sentence: %s', text)
        check('Status: 5.1.1' in text and REFUSAL in text, 'the reason: %s', text)
        failed = [event for event in relay.events('attempt') if REFUSAL in event.get('reply', '')]
        check('postrider suppress' in failed[0]['problem'], 'what the operator reads: %s', failed)
        relay.terminate()
        equal(relay.count['queued'], 0, 'what is left')


@case
def the_command():
    """add, list, remove, import, export; what is refused; what came from `export` can be imported elsewhere."""
    with Workspace() as work:
        hop = work.own(NextHop())
        work.write('postrider.yaml', json.dumps(configuration(work, hop)))
        equal(suppress(work, 'list'), '', 'an empty list')
        suppress(work, 'add', 'a@example.org', 'nonsense', status=65)
        equal(suppress(work, 'list'), '', 'all or none')
        suppress(work, 'add', 'a@example.org', '--reason', 'whim', status=64)
        suppress(work, 'add', status=64)
        suppress(work, 'frobnicate', status=64)
        suppress(work, 'add', 'B@example.org', '--reason', 'complaint', '--note', 'by\ttelephone\n"x"')
        text = suppress(work, 'import', '-', status=65,
                        stdin='# old\nc@example.org\r\nd@example.org,bounce,2020-02-03\nnothing\n\n'
                              'e@example.org\tbounce\t2020-02-03T04:05:06Z\t550 gone\n')
        equal(text, '3 lines taken, 1 refused; 4 addresses are in the list\n', 'what import says')
        listed = {one['address']: one for one in map(json.loads, suppress(work, 'list', '--json').splitlines())}
        equal(sorted(listed), ['b@example.org', 'c@example.org', 'd@example.org', 'e@example.org'], 'the list')
        equal(listed['b@example.org']['note'], 'by telephone "x"', 'a note')
        equal((listed['e@example.org']['since'], listed['e@example.org']['note']), ('2020-02-03T04:05:06Z', '550 gone'),
              'a line of export')
        equal((listed['d@example.org']['since'], listed['d@example.org']['reason']), ('2020-02-03T00:00:00Z', 'bounce'),
              'a line with commas')
        suppress(work, 'import', work.directory, status=73)  # a file that cannot be read to its end was not taken
        suppress(work, 'list', 'B@EXAMPLE.org')
        suppress(work, 'list', 'nobody@example.org', status=1)
        exported = suppress(work, 'export')
        suppress(work, 'remove', 'd@example.org')
        suppress(work, 'list', 'd@example.org', status=1)
        os.makedirs(work.path('other'))
        other = dict(configuration(work, hop), suppression={'directory': work.path('other')})
        work.write('other.yaml', json.dumps(other))
        suppress(work, 'import', '-', stdin=exported, file='other.yaml')
        equal(suppress(work, 'export', file='other.yaml'), exported, 'the other list')
        # Forms that people and spreadsheets write; what nobody could be is refused by its line.
        suppress(work, 'remove', *['%s@example.org' % name for name in 'bcde'], file='other.yaml')
        forms = ['\ufeff"Quoted,Comma"@example.org,bounce', '  "f@example.org","complaint","2020-02-03"\r',
                 'g@B\u00dcCHER.example', '"a \\"b\\" c"@example.org\tbounce', '"dots.."@Example.Org',
                 '"h"@example.org', 'M\u00fcller@b\u00fccher.example', 'i@[192.0.2.1]', '""@example.org']
        wrong = ['Name <j@example.org>', '"k@example.org', 'l@example.org;m@example.org',
                 'x' * (1 << 20) + '@example.org']
        text = suppress(work, 'import', '-', status=65, stdin='\n'.join(forms + wrong), file='other.yaml')
        check(text.startswith('9 lines taken, 4 refused'), 'what import says: %s', text)
        exported = suppress(work, 'export', file='other.yaml')
        equal(sorted(line.split('\t')[0] for line in exported.splitlines()),
              sorted(['"quoted,comma"@example.org', 'f@example.org', 'g@xn--bcher-kva.example',
                      '"a \\"b\\" c"@example.org', '"dots.."@example.org', 'h@example.org',
                      'm\u00fcller@xn--bcher-kva.example', 'i@[192.0.2.1]', '""@example.org']), 'the list')
        suppress(work, 'remove', '"Quoted,Comma"@example.org', 'G@xn--BCHER-kva.example', file='other.yaml')
        suppress(work, 'import', '-', stdin=exported, file='other.yaml')
        again = suppress(work, 'export', file='other.yaml')
        equal(sorted(again.splitlines()), sorted(exported.splitlines()), 'what came back')
        # As mail services export them: columns by their names, and what passes is left out.
        text = suppress(work, 'import', '-', file='other.yaml',
                        stdin='\ufeffstatus,reason,email,created\r\n5.1.1,"550 5.1.1 none, sorry",n1@example.org,'
                              '1580702706\r\n4.2.2,452 4.2.2 full,n2@example.org,1580702706\r\n')
        check(text.startswith('1 lines taken, 0 refused') and '1 lines were left out' in text, 'what is said: %s', text)
        suppress(work, 'list', 'n2@example.org', status=1, file='other.yaml')
        check('2020-02-03T04:05:06Z  550 5.1.1 none, sorry' in suppress(work, 'list', 'n1@example.org',
                                                                        file='other.yaml'), 'what is kept')
        # What is no list is told in a line and not in a thousand.
        work.write('wide.csv', 'email\n'.encode('utf-16'))
        suppress(work, 'import', work.path('wide.csv'), status=65, file='other.yaml')
        done = subprocess.run([program('postrider'), 'suppress', 'import', '-', '--config', work.path('other.yaml')],
                              input='x\n' * 1000, capture_output=True, text=True, timeout=60)
        equal((done.returncode, len(done.stderr.splitlines())), (65, 101), 'what is told')
        work.write('none.yaml', json.dumps(work.configuration([hop.host])))
        suppress(work, 'list', status=78, file='none.yaml')
        work.write('nowhere.yaml', json.dumps(dict(configuration(work, hop), suppression={'directory': '/nowhere'})))
        suppress(work, 'add', 'a@example.org', status=73, file='nowhere.yaml')


if __name__ == '__main__':
    harness.main(together=2)
