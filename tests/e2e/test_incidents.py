#!/usr/bin/python3
"""tests/e2e/test_incidents.py - incidents open once and close once, by event, mail and the control socket; restarts
open none again; the mail about one makes no other."""

import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from control_socket import Connection, asked, reload  # noqa: E402
from harness import (Certificates, Client, NextHop, Workspace, case, check, equal, eventually, free_port,  # noqa: E402
                     program)
from access_token import APPLICATION  # noqa: E402
from office365 import Mailbox, Office365  # noqa: E402
from policy_host import Authority  # noqa: E402
from token_endpoint import TokenEndpoint  # noqa: E402
from webhook_place import WebhookPlace  # noqa: E402

QUICK = {'calm': '1s', 'destination_down': '1s', 'no_delivery': '0', 'old_mail': '0', 'mail': 'it@ops.example.net'}


class Lab:
    """Mail goes to a host that can be away; what is for ops.example.net to another, as incidents' mail does."""

    def __init__(self, work, **incidents):
        self.work = work
        self.port = free_port()
        self.ops = work.own(NextHop())
        self.incidents = {**QUICK, **incidents}

    def configuration(self, **changes):
        content = self.work.configuration(['127.0.0.1:%d' % self.port], shards=2, incidents=self.incidents,
                                          control={'socket': self.work.path('control.sock')}, **changes)
        content['destinations'].append({'name': 'ops', 'hosts': [self.ops.host], 'tls': {'mode': 'none'}})
        content['routes'].insert(0, {'recipient': '*@ops.example.net', 'destination': 'ops'})
        return content

    def open(self):
        return [(one['kind'], one['subject']) for one in ask(self.work, '/v1/incidents')['incidents']]

    def letters(self):
        return [arrival.content.decode() for arrival in self.ops.arrivals]


def ask(work, path):
    connection = Connection(work.path('control.sock'))
    connection.request('GET', path)
    answer = json.load(connection.getresponse())
    connection.close()
    return answer


def metric(work, kind):
    connection = Connection(work.path('control.sock'))
    connection.request('GET', '/metrics')
    text = connection.getresponse().read().decode()
    connection.close()
    return [line for line in text.splitlines() if line.startswith('postrider_incidents{kind="%s"}' % kind)]


def send(relay, count=1, recipient='recipient@example.com'):
    with Client(relay.address) as client:
        client.hello()
        for _ in range(count):
            client.envelope(recipients=[recipient])
            client.data(b'Subject: one\r\n\r\ntext\r\n')


def names(relay, event):
    return [(one['kind'], one['subject']) for one in relay.events(event)]


@case
def a_destination_is_down():
    """By event, mail, metric, command and webhook: once when it begins, once when it is over; through a restart."""
    down = ('destination_down', 'next-hop')
    with Workspace() as work:
        lab = Lab(work)
        authority = Authority(work.path('authority'))
        place = work.own(WebhookPlace(authority.context(['localhost']), 'a secret that is long enough'))
        work.write('secret', 'a secret that is long enough\n')
        hook = {'webhook': {'url': 'https://localhost:%d/' % place.port, 'ca_file': authority.ca_file,
                            'secret_file': work.path('secret')}}
        configuration = lab.configuration(events=hook)
        relay = work.relay(configuration)
        send(relay, 3)
        told = relay.told('incident_opened')
        equal(names(relay, 'incident_opened'), [down], 'opened')
        check('3 messages wait' in told[0]['problem'] and '127.0.0.1:%d' % lab.port in told[0]['problem'],
              'its problem: %s', told[0]['problem'])
        eventually(lambda: lab.letters(), 'the mail')
        letter = lab.letters()[0]
        for expected in ('Subject: [relay.example.org] incident: destination_down next-hop\r\n',
                         'Auto-Submitted: auto-generated\r\n', 'To: <it@ops.example.net>\r\n', 'what to do: '):
            check(expected in letter, '%r is not in %r', expected, letter)
        equal(metric(work, down[0]), ['postrider_incidents{kind="destination_down"} 1'], 'metric')
        equal(lab.open(), [down], 'open')
        done = subprocess.run([program('postrider'), 'incidents', '--socket', work.path('control.sock')],
                              capture_output=True, text=True, timeout=60)
        equal(done.returncode, 1, 'status of the command: ' + done.stderr)
        check('destination_down' in done.stdout and 'next-hop' in done.stdout, 'it shows %r', done.stdout)
        relay.told('incidents_told')
        relay.kill()
        second = work.relay(configuration, 'second')
        equal(lab.open(), [down], 'open after the restart')
        # So much has been looked at that it would have been opened again.
        eventually(lambda: len(second.events('host_failed')) >= 2, 'the host is tried')
        hop = work.own(NextHop(port=lab.port))
        hop.wait_arrivals(3)
        closed = second.told('incident_closed')
        equal(names(second, 'incident_closed'), [down], 'closed')
        check(closed[0]['ms'] >= 1000, 'its time: %s', closed[0])
        equal(names(second, 'incident_opened'), [], 'opened again')
        eventually(lambda: len(lab.letters()) == 2, 'the mail that it is over')
        check('Subject: [relay.example.org] over: destination_down next-hop\r\n' in lab.letters()[1], 'it says %r',
              lab.letters()[1])
        equal(lab.open(), [], 'open behind')
        equal(len(lab.letters()), 2, 'mails')
        eventually(lambda: [event['event'] for event in place.events()] == ['incident_opened', 'incident_closed'],
                   lambda: 'posted: %s' % place.events())
        second.terminate()


@case
def what_the_night_was_like():
    """What opened and closed is in the report, the answers and the page in the morning, behind a kill as well."""
    down = ('destination_down', 'next-hop')
    with Workspace() as work:
        lab = Lab(work)
        del lab.incidents['mail']
        configuration = lab.configuration()
        relay = work.relay(configuration)
        send(relay, 1)
        relay.told('incident_opened')
        hop = work.own(NextHop(port=lab.port))
        hop.wait_arrivals(1)
        closed = relay.told('incident_closed')[0]
        eventually(lambda: ask(work, '/v1/incidents/over')['over'], 'it is over')
        relay.kill()
        relay = work.relay(configuration, 'second')
        _, answer = asked(work.path('control.sock'), '/v1/incidents/over')
        equal([(one['kind'], one['subject'], one['ms']) for one in answer['over']], [(*down, closed['ms'])], 'over')
        one = answer['over'][0]
        check(one['since'] < one['until'] and '127.0.0.1:%d' % lab.port in one['problem'], 'it says %s', one)
        equal(asked(work.path('control.sock'), '/v1/incidents/over?since=1d')[1], answer, 'of a day')
        equal(asked(work.path('control.sock'), '/v1/incidents/over?since=yesterday')[0], 400, 'a wrong time')
        report = [program('postrider'), 'report', '--utc', '--config', work.path('second.yaml')]
        eventually(lambda: subprocess.run(report, capture_output=True, timeout=60).returncode == 0, 'the trace has it')
        told = subprocess.run(report, capture_output=True, text=True, timeout=60).stdout
        check('Incidents that are over\n%s to %s, ' % tuple(
            one[key][:19].replace('T', ' ') + 'Z' for key in ('since', 'until')) in told, 'it says %s', told)
        check('destination_down: next-hop\n' in told, 'it says %s', told)
        found = json.loads(subprocess.run([*report, '--json'], capture_output=True, timeout=60).stdout)
        equal((found['incidents'], found['incidents_over']), ([], [one]), 'in JSON')
        before = json.loads(subprocess.run([*report, '--json', '--since', '2020-01-01', '--until', '2020-01-02'],
                                           capture_output=True, timeout=60).stdout)
        equal(before['incidents_over'], [], 'of another time')
        connection = Connection(work.path('control.sock'))
        connection.request('GET', '/page/health')
        page = connection.getresponse().read().decode()
        check('Over within the last day' in page, 'the page has %s', page)
        relay.terminate()
        told = subprocess.run(report, capture_output=True, text=True, timeout=60).stdout
        check('No process answers' in told, 'it says %s', told)


@case
def a_mail_that_cannot_go():
    """Where its own destination is the one that is down it waits like other mail, makes no incident, and goes when the
    destination is back."""
    with Workspace() as work:
        lab = Lab(work, mail='it@example.com', old_mail='1s', no_delivery='1s')
        relay = work.relay(lab.configuration())
        send(relay)
        relay.told('incidents_told')
        kinds = {'destination_down', 'no_delivery', 'old_mail'}
        eventually(lambda: {kind for kind, _ in names(relay, 'incident_opened')} == kinds, lambda: 'opened: %s' % (
            names(relay, 'incident_opened'),))
        hop = work.own(NextHop(port=lab.port))
        eventually(lambda: len(names(relay, 'incident_closed')) == 3, lambda: 'closed: %s' % (
            names(relay, 'incident_closed'),))
        eventually(lambda: sum('over' in arrival.content.decode() for arrival in hop.arrivals) > 0, 'the last mail')
        equal(len(names(relay, 'incident_opened')), 3, 'opened')
        relay.terminate()


@case
def letters_alone_are_no_reason():
    """Nothing waits but mail about incidents: it does not grow old into another one."""
    with Workspace() as work:
        lab = Lab(work, mail='it@example.com', old_mail='1s', no_delivery='1s', spool=1)
        # The first is of another destination, which is never there.
        configuration = lab.configuration()
        configuration['destinations'].append({'name': 'away', 'hosts': ['127.0.0.1:%d' % free_port()],
                                              'tls': {'mode': 'none'}})
        configuration['routes'].insert(0, {'recipient': '*@away.example.net', 'destination': 'away'})
        relay = work.relay(configuration)
        send(relay, recipient='a@away.example.net')
        eventually(lambda: ('old_mail', 'away') in names(relay, 'incident_opened'), 'opened')
        relay.told('incidents_told')
        eventually(lambda: ('destination_down', 'next-hop') in names(relay, 'incident_opened'),
                   lambda: 'its own destination is down: %s' % names(relay, 'incident_opened'))
        eventually(lambda: len(relay.events('incidents_told')) >= 2, 'the second mail')
        count = len(relay.events('host_failed'))
        eventually(lambda: 'next-hop' in [event['destination'] for event in relay.events('host_failed')[count:]],
                   'another try')
        wrong = [one for one in names(relay, 'incident_opened')
                 if one[1] == 'next-hop' and one[0] != 'destination_down']
        equal(wrong, [], 'opened because of letters')
        relay.terminate()


@case
def devices_and_reload():
    """What is configured no more is over; switched off, nothing is watched; on again it is."""
    with Workspace() as work:
        lab = Lab(work)
        relay = work.relay(lab.configuration())
        send(relay)
        relay.told('incident_opened')
        content = lab.configuration()
        content['destinations'][0]['name'] = 'renamed'
        content['routes'][-1]['destination'] = 'renamed'
        reload(work, relay, content)
        relay.told('incident_closed')
        equal(names(relay, 'incident_closed'), [('destination_down', 'next-hop')], 'closed')
        content['incidents'] = 'off'
        reload(work, relay, content)
        send(relay)
        eventually(lambda: [event for event in relay.events('host_failed') if event['destination'] == 'renamed'], 'try')
        equal(ask(work, '/v1/incidents'), {'watched': False, 'incidents': [], 'left_out': 0}, 'switched off')
        equal(metric(work, 'destination_down'), [], 'metric')
        content['incidents'] = lab.incidents
        reload(work, relay, content)
        equal(ask(work, '/v1/incidents')['watched'], True, 'switched on')
        eventually(lambda: lab.open() == [('destination_down', 'renamed')], lambda: 'open: %s' % lab.open())
        relay.terminate()


@case
def a_certificate_ends():
    """Of a listener; over when another is in its place."""
    with Workspace() as work:
        lab = Lab(work)
        authority = Authority(work.path('authority'))
        authority.context(['localhost'], days=2)
        authority.context(['localhost'], days=400)
        file = put_certificate(work, authority, 1)
        configuration = lab.configuration(tls={'mode': 'none'})
        configuration['tls'] = {'certificates': [{'certificate': file, 'private_key': work.path('lan.key')}]}
        configuration['listeners'][0]['tls'] = 'offered'
        relay = work.relay(configuration)
        opened = relay.told('incident_opened')
        equal(names(relay, 'incident_opened'), [('certificate_ending', file)], 'opened')
        check(opened[0]['problem'].startswith('ends of '), 'its problem: %s', opened[0]['problem'])
        put_certificate(work, authority, 2)
        reload(work, relay, configuration)
        relay.told('incident_closed')
        equal(names(relay, 'incident_closed'), [('certificate_ending', file)], 'closed')
        relay.terminate()


def put_certificate(work, authority, number):
    for kind in ('key', 'crt'):
        shutil.copy(os.path.join(authority.directory, 'c%d.%s' % (number, kind)), work.path('lan.' + kind))
    return work.path('lan.crt')


@case
def a_budget_and_a_spool_fill_up():
    """Also with so little allowed that there is nothing to calm down to but none; a limit that is gone ends it."""
    with Workspace() as work:
        lab = Lab(work, spool=1, budget=50)
        hop = work.own(NextHop(port=lab.port))
        configuration = lab.configuration(destination_limits={'recipients_per_day': 10},
                                          spool={'size_max': '512MiB'})
        relay = work.relay(configuration)
        spool, budget = ('spool_filling', 'spool'), ('budget_nearly_spent', 'next-hop')
        send(relay, 6)
        hop.wait_arrivals(6)
        eventually(lambda: sorted(lab.open()) == [budget, spool], lambda: 'open: %s' % lab.open())
        relay.told('incident_opened', 2)
        problems = {one['kind']: one['problem'] for one in relay.events('incident_opened')}
        check('of 10 recipients of a day are left' in problems[budget[0]], 'problem: %s', problems)
        check('of spool.size_max are in use' in problems[spool[0]], 'problem: %s', problems)
        del configuration['destinations'][0]['limits']
        configuration['incidents']['spool'] = 99
        reload(work, relay, configuration)
        eventually(lambda: lab.open() == [], lambda: 'open: %s' % lab.open())
        relay.told('incident_closed', 2)
        relay.terminate()


@case
def a_token_is_refused():
    """The endpoint takes neither secret nor refresh token: an incident opens, and is over with the next token."""
    with Workspace() as work:
        lab = Lab(work)
        endpoint = work.own(TokenEndpoint(Certificates()))
        endpoint.application(secret='right')
        office = work.own(Office365(Certificates(), mailboxes=[Mailbox('scan@contoso.com', 'x', may_send_as=(
            'sender@example.net',))], tokens=endpoint.tokens, messages=1000))
        configuration = lab.configuration(tls={'mode': 'verify', 'ca_file': Certificates().ca,
                                               'server_name': Office365.name})
        configuration['destinations'][0].update(
            hosts=[office.host], auth={'mechanism': 'xoauth2'}, mailboxes=[{'user': 'scan@contoso.com'}], oauth={
                'client_id': APPLICATION, 'client_secret_file': work.write('secret', 'wrong\n'),
                'token_url': endpoint.url, 'ca_file': endpoint.ca_file,
                'scope': 'https://outlook.office365.com/.default'})
        os.chmod(work.path('secret'), 0o600)
        relay = work.relay(configuration)
        send(relay)
        relay.told('token_failed')
        eventually(lambda: 'token_ending' in [kind for kind, _ in lab.open()], lambda: 'open: %s' % lab.open())
        opened = [one for one in relay.told('incident_opened') if one['kind'] == 'token_ending']
        check(opened and opened[0]['problem'] and opened[0]['level'] == 'error', '%s', opened)
        eventually(lambda: any('token_ending' in letter for letter in lab.letters()), 'the letter')
        report = json.loads(subprocess.run([program('postrider'), 'report', '--config', work.path('postrider.yaml'),
                                            '--json'], capture_output=True, text=True, timeout=60).stdout)
        check('token_ending' in [one['kind'] for one in report['incidents']], 'the report: %s', report['incidents'])
        text = subprocess.run([program('postrider'), 'report', '--config', work.path('postrider.yaml')],
                              capture_output=True, text=True, timeout=60).stdout
        check('Incidents that are open now' in text and 'token_ending: ' in text, 'the report: %s', text)
        work.write('secret', 'right\n')
        reload(work, relay, configuration)
        eventually(lambda: 'token_ending' not in [kind for kind, _ in lab.open()], lambda: 'open: %s' % lab.open())
        check('token_ending' in [one['kind'] for one in relay.told('incident_closed')], 'closed')
        relay.terminate()


@case
def a_mailbox_cannot_sign_in():
    """Over when it can, and when it is configured no more."""
    with Workspace() as work:
        lab = Lab(work)
        boxes = [Mailbox('box%d@contoso.com' % i, 'right', may_send_as=('sender@example.net',)) for i in range(2)]
        office = work.own(Office365(Certificates(), mailboxes=boxes, mechanisms=('LOGIN', 'PLAIN'), messages=1000))
        for name, text in (('good', 'right'), ('bad', 'wrong, and wrong again')):
            work.write(name, text + '\n')
            os.chmod(work.path(name), 0o600)
        configuration = lab.configuration(tls={'mode': 'verify', 'ca_file': Certificates().ca,
                                               'server_name': Office365.name})
        pool = [{'user': 'box%d@contoso.com' % i, 'password_file': work.path('bad')} for i in range(2)]
        configuration['destinations'][0].update(hosts=[office.host], mailboxes=pool)
        relay = work.relay(configuration)
        both = [('sign_in_refused', 'next-hop/box%d@contoso.com' % i) for i in range(2)]
        send(relay, 4)
        eventually(lambda: set(both) <= set(lab.open()), lambda: 'open: %s' % lab.open())
        eventually(lambda: set(both) <= set(names(relay, 'incident_opened')), 'both are told')
        levels = {one['level'] for one in relay.events('incident_opened') if one['kind'] == 'sign_in_refused'}
        equal(levels, {'error'}, 'level')
        # One is taken away, the other gets its password.
        pool[0]['password_file'] = work.path('good')
        del pool[1]
        office.forget_refusals()
        reload(work, relay, configuration)
        eventually(lambda: lab.open() == [], lambda: 'open: %s' % lab.open())
        relay.terminate()


@case
def over_and_not_told_yet():
    """Where the mail that something is over has to wait, a restart does not lose it."""
    with Workspace() as work:
        lab = Lab(work, mails_per_hour=1)
        relay = work.relay(lab.configuration())
        send(relay)
        relay.told('incidents_told')
        hop = work.own(NextHop(port=lab.port))
        hop.wait_arrivals(1)
        relay.told('incident_closed')
        eventually(lambda: 'destination_down' in over(work), lambda: 'over: %s' % over(work))
        relay.kill()
        second = work.relay(lab.configuration(), 'second')
        eventually(lambda: len(lab.letters()) == 2, 'the mail that it is over')
        check('over: destination_down next-hop' in lab.letters()[1], 'it says %r', lab.letters()[1])
        eventually(lambda: over(work) == [], lambda: 'over: %s' % over(work))
        second.terminate()


def over(work):
    with open(work.path('spool', 'incidents')) as file:
        return [one['kind'] for one in json.load(file)['over']]


def silent_device(work, told):
    """What a former process has left of one that is silent."""
    os.makedirs(work.path('spool'), exist_ok=True)
    work.write('spool/devices', 'postrider-devices 1 100\nCopier\t1700000000 1700000000 1700000000 12 3456 TLSv1.2 0 '
               '0 9 2 3 40 50 6 336 1 %s %s\t\nend 1\n' % ('ff' * 21, 'ff' * 21))
    work.write('spool/incidents', json.dumps({
        'format': 'postrider incidents 1', 'over': [], 'open': [
            {'kind': 'device_silent', 'subject': 'Copier', 'problem': 'nothing since', 'opened_ms': 1700000000000,
             'again': 0, 'told': told}]}))


def with_a_copier(work, lab, owner):
    os.mkdir(work.path('inventory'))
    work.write('inventory/copier.yaml', json.dumps({'name': 'Copier', 'address': '127.1.0.1', 'owner': owner}))
    silent_device(work, False)
    return lab.configuration(devices=work.path('inventory'), clients=[{'name': 'devices', 'devices': True}])


@case
def a_device_owner_is_told():
    """Of a device the owner that the inventory names, once when it begins and once when it is over, through a kill,
    beside who is told of everything."""
    with Workspace() as work:
        lab = Lab(work)
        content = with_a_copier(work, lab, 'office@ops.example.net')
        relay = work.relay(content)
        told = relay.told('incidents_told', 2)
        equal(sorted(one['to'] for one in told), ['it@ops.example.net', 'office@ops.example.net'], 'told')
        relay.kill()
        relay = work.relay(content, 'second')
        with Client(relay.address, source='127.1.0.1') as client:
            client.hello()
            client.envelope(recipients=['x@ops.example.net'])
            client.data(b'Subject: scan\r\n\r\ntext\r\n')
        relay.told('device_back')
        relay.told('incidents_told', 2)
        eventually(lambda: len(of_owner(lab)) == 2, lambda: 'letters: %s' % lab.letters())
        new, over_now = sorted(of_owner(lab), key=lambda one: 'OVER' in one)
        check('incident: device_silent Copier' in new and 'NEW ' in new and 'owner' in new, '%s', new)
        check('over: device_silent Copier' in over_now and 'OVER' in over_now, '%s', over_now)
        check(not any('postrider incidents' in one for one in of_owner(lab)), 'what he cannot ask')
        relay.terminate()


@case
def an_owner_alone_is_told():
    """Where nobody is told of everything by mail: once."""
    with Workspace() as work:
        lab = Lab(work)
        lab.incidents['from'] = 'relay@relay.example.org'
        del lab.incidents['mail']
        relay = work.relay(with_a_copier(work, lab, 'office@ops.example.net'))
        equal([one['to'] for one in relay.told('incidents_told')], ['office@ops.example.net'], 'told')
        eventually(lambda: len(of_owner(lab)) == 1, 'the letter')
        with open(work.path('spool', 'incidents')) as file:
            equal([one['told'] for one in json.load(file)['open']], [True], 'a restart tells nobody again')
        relay.terminate()


def of_owner(lab):
    return [one for one in lab.letters() if 'To: <office@ops.example.net>' in one]


@case
def letters_of_owners_are_no_reason_either():
    """Nothing waits but mail about incidents, the owner's at one destination and the operator's at another."""
    with Workspace() as work:
        lab = Lab(work, mail='it@example.com', old_mail='1s', no_delivery='1s')
        configuration = with_a_copier(work, lab, 'office@away.example.net')
        configuration['destinations'].append({'name': 'away', 'hosts': ['127.0.0.1:%d' % free_port()],
                                              'tls': {'mode': 'none'}})
        configuration['routes'].insert(0, {'recipient': '*@away.example.net', 'destination': 'away'})
        relay = work.relay(configuration)
        both = {'away', 'next-hop'}
        eventually(lambda: {('destination_down', one) for one in both} <= set(names(relay, 'incident_opened')),
                   lambda: 'opened: %s' % names(relay, 'incident_opened'))
        count = len(relay.events('host_failed'))
        eventually(lambda: both <= {event['destination'] for event in relay.events('host_failed')[count:]},
                   'another try of both', timeout=120)
        wrong = [one for one in names(relay, 'incident_opened') if one[0] in ('old_mail', 'no_delivery')]
        equal(wrong, [], 'opened because of letters')
        relay.terminate()


@case
def an_owner_nobody_leads_to():
    """He is told of, and nothing waits for him."""
    with Workspace() as work:
        lab = Lab(work)
        content = with_a_copier(work, lab, 'nobody@elsewhere.example')
        content['routes'] = [one for one in content['routes'] if one.get('recipient') == '*@ops.example.net']
        relay = work.relay(content)
        relay.told('incidents_told')
        told = relay.told('incidents_untold')[0]
        check(told['to'] == 'nobody@elsewhere.example' and 'route' in told['problem'], '%s', told)
        lab.ops.wait_arrivals(1)
        check('device_silent' in lab.letters()[0], 'the operator')
        relay.terminate()


@case
def told_as_it_stops():
    """The mail is stored, and whoever sent it has not looked since: it is not sent again after a restart."""
    with Workspace() as work:
        lab = Lab(work)
        relay = work.relay(lab.configuration())
        send(relay)
        lab.ops.wait_arrivals(1)
        relay.terminate()
        with open(work.path('spool', 'incidents')) as file:
            told = [(one['kind'], one.get('told')) for one in json.load(file)['open']]
        equal(told, [('destination_down', True)], 'told')
        equal(over(work), [], 'yet to be told')


@case
def an_owner_told_as_it_stops():
    """The same of a device's owner, where nobody is told of everything."""
    with Workspace() as work:
        lab = Lab(work)
        lab.incidents['from'] = 'relay@relay.example.org'
        del lab.incidents['mail']
        relay = work.relay(with_a_copier(work, lab, 'office@ops.example.net'))
        lab.ops.wait_arrivals(1)
        relay.terminate()
        equal([one['to'] for one in relay.events('incidents_told')], ['office@ops.example.net'], 'told')
        with open(work.path('spool', 'incidents')) as file:
            equal([one['told'] for one in json.load(file)['open']], [True], 'a restart tells nobody again')


@case
def a_damaged_file():
    """It is set aside and told, and the relay runs."""
    with Workspace() as work:
        lab = Lab(work)
        os.makedirs(work.path('spool'))
        work.write('spool/incidents', '{"format":"postrider incidents 1","open":[{"kind":"old')
        relay = work.relay(lab.configuration())
        equal(len(relay.told('incidents_unread')), 1, 'told')
        check(os.path.exists(work.path('spool', 'incidents.damaged')), 'it is not there')
        relay.terminate()


if __name__ == '__main__':
    harness.main(together=3)
