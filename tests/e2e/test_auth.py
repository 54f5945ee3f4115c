#!/usr/bin/python3
"""tests/e2e/test_auth.py - the relay signs in at a next hop: as whom, by what, and what happens where that is refused.

Against the scripted Office 365, which counts every AUTH in clear, and every one that is none.
"""

import base64
import contextlib
import json
import os
import subprocess
import sys
import tarfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Certificates, Client, NextHop, Workspace, case, check, equal, eventually, message  # noqa: E402
from next_hop import NextHopSession  # noqa: E402
from control_socket import asked  # noqa: E402
from access_token import APPLICATION  # noqa: E402
from office365 import Mailbox, Office365  # noqa: E402
from token_endpoint import TokenEndpoint  # noqa: E402

PASSWORD = 'correct horse battery staple'


def boxes(count, password=PASSWORD):
    return [Mailbox('box%d@contoso.com' % i, password, may_send_as=('sender@example.net',)) for i in range(count)]


def office_of(work, count=1, **options):
    options = {'mechanisms': ('LOGIN', 'PLAIN'), 'messages': 100000, **options}
    return work.own(Office365(Certificates(), mailboxes=boxes(count), **options))


def verified(name=Office365.name):
    return {'mode': 'verify', 'ca_file': Certificates().path('ca.crt'), 'server_name': name}


def secret(work, name='password', text=PASSWORD + '\n'):
    work.write(name, text)
    os.chmod(work.path(name), 0o600)
    return name


def configuration(work, office, auth=None, mailboxes=None, **changes):
    destination = {'auth': auth} if auth else {}
    if mailboxes:
        destination['mailboxes'] = mailboxes
    return work.configuration([office.host], tls=verified(), destination=destination, **changes)


class Reloadable:
    def __init__(self, work, content):
        self.work, self.configuration = work, content
        self.relay = work.relay(content)

    def reload(self):
        self.work.write('postrider.yaml', json.dumps(self.configuration))
        subprocess.run([harness.program('postrider'), 'reload', '--config', self.work.path('postrider.yaml')],
                       check=True, timeout=120)


def send(relay, sequences):
    with Client(relay.address) as client:
        client.hello()
        for sequence in sequences:
            client.envelope()
            client.data(message(sequence))


def nothing_secret(work, relay):
    """Neither the password nor what goes over the wire instead is in any event."""
    text = '\n'.join(relay.lines)
    for form in (PASSWORD, base64.b64encode(PASSWORD.encode()).decode(),
                 base64.b64encode(b'\0box0@contoso.com\0' + PASSWORD.encode()).decode()):
        check(form not in text and form[:12] not in text, 'a secret is in the events')


@case
def each_mechanism():
    """By what the file names first of what is offered behind TLS; and never before it."""
    for mechanisms, offered, used in ((None, ('LOGIN', 'PLAIN'), 'PLAIN'), ('login', ('LOGIN', 'PLAIN'), 'LOGIN'),
                                      (['login', 'plain'], ('PLAIN', ), 'PLAIN'), (None, ('LOGIN', ), 'LOGIN')):
        with Workspace() as work:
            office = office_of(work, mechanisms=offered)
            auth = {'user': 'box0@contoso.com', 'password_file': secret(work)}
            if mechanisms:
                auth['mechanism'] = mechanisms
            relay = work.relay(configuration(work, office, auth))
            send(relay, range(5))
            office.wait_taken(5)
            equal({mechanism for _, _, mechanism, _ in office.logins}, {used}, 'signed in by')
            eventually(lambda: relay.count['attempt'] == 5, 'the event')
            equal({event['mailbox'] for event in relay.events('attempt')}, {'box0@contoso.com'}, 'mailbox in the event')
            nothing_secret(work, relay)
            relay.terminate()
            office.check_clean()


@case
def refused_and_mended():
    """No mail fails or expires; the event says what to do; a reload with the right password lets all of it go."""
    with Workspace() as work:
        office = office_of(work)
        it = Reloadable(work, configuration(work, office, {'user': 'box0@contoso.com', 'password_file':
                                                           secret(work, text='wrong, and wrong again\n')},
                                            retry={'first': '100ms', 'max': '200ms', 'expire': '300ms'}))
        send(it.relay, range(20))
        eventually(lambda: it.relay.count['mailbox_refused'], 'the event')
        event = it.relay.told('mailbox_refused')[0]
        equal((event['mailbox'], event['stage'], event['code'], event['reason'], event['level']),
              ('box0@contoso.com', 'auth', 535, 'credentials', 'error'), 'event')
        check('incorrect' in event['reply'] and len(event['problem']) > 40, 'what to do: %s', event)
        # One try, then ten seconds of peace: mail that would expire within 300 ms is still there.
        time.sleep(1)
        equal((office.mailboxes['box0@contoso.com'].failed_logins, it.relay.count['expired']), (1, 0), 'tries, expired')
        secret(work)
        office.forget_refusals()
        it.reload()
        office.wait_taken(20)
        eventually(lambda: it.relay.count['mailbox_accepted'], 'the event')
        equal((it.relay.count['expired'], it.relay.count['mailbox_refused']), (0, 1), 'expired, told')
        nothing_secret(work, it.relay)
        it.relay.terminate()
        office.check_clean()


@case
def refused_for_now():
    """454 passes by itself, and nobody is alarmed as if it did not."""
    with Workspace() as work:
        office = office_of(work)
        office.refuse('auth_unavailable', times=2)
        relay = work.relay(configuration(work, office, {'user': 'box0@contoso.com', 'password_file': secret(work)}))
        send(relay, range(5))
        office.wait_taken(5)
        equal(relay.count['mailbox_refused'], 0, 'alarms')
        relay.terminate()
        office.check_clean()


@case
def one_of_a_pool_is_refused():
    """It is left out, and the others go on at once; what was said to it is told once."""
    with Workspace() as work:
        office = office_of(work, 5, connections=2)
        office.mailboxes['box3@contoso.com'].refused = 'mailbox_disabled'
        pool = [{'user': 'box%d@contoso.com' % i, 'password_file': secret(work, 'password%d' % i)} for i in range(5)]
        relay = work.relay(configuration(work, office, mailboxes=pool, destination_limits={
            'connections': 2, 'messages_in_flight': 1, 'messages_per_connection': 5}))
        send(relay, range(400))
        office.wait_taken(400)
        used = {name: mailbox.messages for name, mailbox in office.mailboxes.items()}
        equal(used.pop('box3@contoso.com'), 0, 'by the one that is refused')
        check(all(used.values()), 'not all of the others were used: %s', used)
        eventually(lambda: relay.count['mailbox_refused'], 'the event')
        equal([event['mailbox'] for event in relay.events('mailbox_refused')], ['box3@contoso.com'], 'told')
        check('aka.ms/smtp_auth_disabled' in relay.told('mailbox_refused')[0]['reply'], 'reply')
        relay.terminate()
        office.check_clean()


@case
def one_that_may_not_send():
    """Signed in, and then "not authenticated to send mail" at MAIL: another mailbox takes the same message at once."""
    with Workspace() as work:
        def script(stage, session, argument):
            if stage == 'MAIL' and session.user == 'box0@contoso.com':
                return '530 5.7.57 Client not authenticated to send mail'
            return None
        hop = work.own(NextHop(tls=Certificates().server_context(), script=script, session_class=Signing))
        pool = [{'user': 'box%d@contoso.com' % i, 'password_file': secret(work, 'password%d' % i)} for i in range(3)]
        relay = work.relay(configuration(work, hop, mailboxes=pool, destination_limits={
            'connections': 1, 'messages_per_connection': 1}))
        # The first time it is to sign in anew; the second time it is left out.
        count = 0
        while not relay.count['mailbox_refused']:
            check(count < 3000, 'it was never left out')
            send(relay, range(count, count + 30))
            count += 30
            hop.wait_arrivals(count)
        equal(sorted(hop.sequences()), list(range(count)), 'each once')
        equal({event['mailbox'] for event in relay.events('mailbox_refused')}, {'box0@contoso.com'}, 'told')
        equal(relay.told('mailbox_refused')[0]['stage'], 'mail', 'stage')
        relay.terminate()


@case
def sign_in_anew_in_vain():
    """Where it is refused all the same after that the mailbox is held, and told with the rule's sentence."""
    with Workspace() as work:
        ended = [False]

        def script(stage, session, argument):
            return '451 4.7.0 Your session has expired' if stage == 'MAIL' and ended[0] else None
        hop = work.own(NextHop(tls=Certificates().server_context(), script=script, session_class=Signing))
        relay = work.relay(configuration(work, hop, {'user': 'box0@contoso.com', 'password_file': secret(work)},
                                         retry={'first': '100ms', 'max': '200ms'}))
        send(relay, range(5))
        hop.wait_arrivals(5)
        ended[0] = True
        send(relay, range(5, 10))
        eventually(lambda: relay.count['mailbox_refused'], 'the event')
        event = relay.told('mailbox_refused')[0]
        equal((event['mailbox'], event['stage'], event['reason']), ('box0@contoso.com', 'mail', 'credentials'), 'event')
        check('connection_age' in event['problem'], 'what to do: %s', event)
        ended[0] = False
        hop.wait_arrivals(10)
        equal(sorted(hop.sequences()), list(range(10)), 'each once')
        relay.terminate()


@case
def a_rule_about_logins():
    """`sign_in` where a login is refused: once more at once, then the mailbox is held."""
    with Workspace() as work:
        times = []

        def script(stage, session, argument):
            if stage == 'AUTH':
                times.append(time.monotonic())
                return '454 4.7.0 Ask again' if len(times) == 1 or work.refusing else None
            return None
        work.refusing = False
        hop = work.own(NextHop(tls=Certificates().server_context(), script=script, session_class=Signing))
        rules = [{'stage': 'auth', 'code': 454, 'text': 'Ask again*', 'do': 'sign_in'},
                 {'stage': 'auth', 'code': 454, 'text': '*4.7.0 Ask again', 'do': 'sign_in'}]
        relay = work.relay(configuration(work, hop, {'user': 'box0@contoso.com', 'password_file': secret(work)},
                                         verdicts=rules, destination_limits={'connections': 1}))
        send(relay, range(3))
        hop.wait_arrivals(3)
        equal((len(times), relay.count['mailbox_refused'] + relay.count['mailbox_deferred']), (2, 0), 'logins, alarms')
        relay.terminate()
    with Workspace() as work:
        work.refusing = True
        times = []
        hop = work.own(NextHop(tls=Certificates().server_context(), script=script, session_class=Signing))
        relay = work.relay(configuration(work, hop, {'user': 'box0@contoso.com', 'password_file': secret(work)},
                                         verdicts=rules))
        send(relay, range(3))
        eventually(lambda: relay.count['mailbox_refused'], 'the event')
        equal(len(times), 2, 'logins')
        relay.terminate()


class Signing(NextHopSession):
    """A next hop that takes any password."""

    user = None

    def on_ehlo(self, argument):
        self.reset()
        self.reply('EHLO', argument, '250-next-hop.example.com\r\n250-PIPELINING\r\n250 %s'
                   % ('AUTH=LOGIN PLAIN' if self.encrypted else 'STARTTLS'))

    def on_auth(self, argument):
        words = argument.split(' ')
        if words[0] == 'PLAIN':
            self.user = base64.b64decode(words[1]).split(b'\0')[1].decode()
        else:
            self.out += b'334 VXNlciBOYW1lAA==\r\n'  # "User Name", as devices' servers write it
            self.user = base64.b64decode(self.line()).decode()
            self.out += b'334 UGFzc3dvcmQA\r\n'
            self.line()
        self.reply('AUTH', argument, '235 2.7.0 ok')


@case
def servers_that_repeat_secrets():
    """Some quote the line they did not like. What is told of it does not have the secret in it."""
    for mechanism, quote in (('plain', '535 5.7.8 wrong password: %s' % PASSWORD),
                             ('plain', '501 5.5.2 what is AUTH PLAIN %s?'
                              % base64.b64encode(b'\0box0@contoso.com\0' + PASSWORD.encode()).decode()),
                             ('login', '535-5.7.8 no\r\n535 5.7.8 %s'
                              % base64.b64encode(PASSWORD.encode()).decode()[:20])):
        with Workspace() as work:
            hop = work.own(NextHop(tls=Certificates().server_context(), session_class=Signing,
                                   script=lambda stage, session, argument: quote if stage == 'AUTH' else None))
            relay = work.relay(configuration(work, hop, {
                'mechanism': mechanism, 'user': 'box0@contoso.com', 'password_file': secret(work)}))
            send(relay, [1])
            eventually(lambda: relay.count['mailbox_refused'] and relay.count['connection'], 'the event')
            check('****' in relay.told('mailbox_refused')[0]['reply'], 'reply: %s', relay.events('mailbox_refused'))
            nothing_secret(work, relay)
            relay.terminate()


@case
def an_echo_instead_of_a_reply():
    """What is no reply is quoted in the event, but never where AUTH is answered: it may be the line itself."""
    plain = base64.b64encode(b'\0box0@contoso.com\0' + PASSWORD.encode()).decode()
    for echo in ('AUTH PLAIN %s' % plain, PASSWORD, '334 go on\r\n235-%s\r\n999 %s' % (PASSWORD, plain)):
        with Workspace() as work:
            hop = work.own(NextHop(tls=Certificates().server_context(), session_class=Signing,
                                   script=lambda stage, session, argument: echo if stage == 'AUTH' else None))
            relay = work.relay(configuration(work, hop, {
                'mechanism': 'plain', 'user': 'box0@contoso.com', 'password_file': secret(work)}))
            send(relay, [1])
            eventually(lambda: relay.count['connection'], 'the event')
            nothing_secret(work, relay)
            relay.terminate()


@case
def a_wrong_password_is_said_once():
    """However many shards want to sign in at once: each further try counts where they are counted."""
    said = []

    def script(stage, session, argument):
        if stage == 'AUTH':
            said.append(argument)
            time.sleep(0.5)
            return '535 5.7.8 wrong password'
        return None

    def send_one(client, sequence):
        client.envelope()
        client.data(message(sequence))

    with Workspace() as work, contextlib.ExitStack() as stack:
        hop = work.own(NextHop(tls=Certificates().server_context(), session_class=Signing, script=script))
        relay = work.relay(configuration(work, hop, {
            'mechanism': 'plain', 'user': 'box0@contoso.com', 'password_file': secret(work)}, shards=4))
        # So many that every shard has some.
        clients = [stack.enter_context(Client(relay.address)) for _ in range(280)]
        for client in clients:
            client.hello()
        together = [threading.Thread(target=send_one, args=(client, i)) for i, client in enumerate(clients[::10])]
        for thread in together:
            thread.start()
        for thread in together:
            thread.join()
        eventually(lambda: relay.count['mailbox_refused'], 'the event')
        time.sleep(2)
        equal(len(said), 1, 'tries')
        check(len({event['shard'] for event in relay.told('accepted', len(together))}) > 1, 'one shard had all')


@case
def nothing_offered():
    """No AUTH behind TLS: mail is held, and nothing is sent without."""
    with Workspace() as work:
        hop = work.own(NextHop(tls=Certificates().server_context()))
        relay = work.relay(configuration(work, hop, {'user': 'box0@contoso.com', 'password_file': secret(work)}))
        send(relay, [1])
        eventually(lambda: relay.count['setup_refused'], 'the event')
        event = relay.told('setup_refused')[0]
        equal((event['stage'], event['held']), ('auth', 'all'), 'event')
        equal(hop.sequences(), [], 'arrived')
        relay.terminate()


@case
def an_identity_each():
    """No connection is ever signed in as two, and no more of one than limits.connections says."""
    with Workspace() as work:
        office = office_of(work, 8, connections=2)
        pool = [{'user': 'box%d@contoso.com' % i, 'password_file': secret(work, 'password%d' % i)} for i in range(8)]
        it = Reloadable(work, configuration(work, office, mailboxes=pool, destination_limits={'connections': 2}))
        send(it.relay, range(300))
        del it.configuration['destinations'][0]['mailboxes'][2:5]
        it.reload()
        gone = {name: office.mailboxes[name].messages for name in ('box2@contoso.com', 'box4@contoso.com')}
        office.wait_taken(300)
        send(it.relay, range(300, 600))
        office.wait_taken(600)
        check(all(office.mailboxes[name].messages <= before + 300 for name, before in gone.items()), 'gone: %s', gone)
        it.relay.terminate()
        office.check_clean()


@case
def a_rule_leaves_a_mailbox():
    """Its refusal is about the mailbox, as a rule says: it is not tried again for that time, and the others go on."""
    with Workspace() as work:
        office = office_of(work, 3)
        office.refuse('quota', 'box0@contoso.com', times=None)
        content = configuration(work, office, {'password_file': secret(work)},
                                [{'user': 'box%d@contoso.com' % i} for i in range(3)],
                                retry={'first': '100ms', 'max': '200ms'},
                                destination_limits={'connections': 1, 'messages_in_flight': 1})
        content['destinations'][0]['verdicts'] = [{'code': 554, 'text': '*SubmissionQuotaExceeded*',
                                                   'do': 'leave_mailbox', 'for': '1h'}]
        relay = work.relay(content)
        for first in range(0, 60, 10):
            send(relay, range(first, first + 10))
            office.wait_taken(first + 10)
        left = eventually(lambda: relay.events('mailbox_refused'), 'the event')[0]
        equal((left['mailbox'], left['code'], left['reason']), ('box0@contoso.com', 554, 'account'), 'event')
        check(left['again_ms'] >= 3600000 and 'leave_mailbox' in left['problem'], 'event: %s', left)
        equal((office.mailboxes['box0@contoso.com'].messages, office.mailboxes['box0@contoso.com'].logins), (0, 1),
              'messages and logins of the one that is left')
        equal((relay.count['mailbox_refused'], relay.count['failed']), (1, 0), 'told, failed')
        relay.terminate()
        office.check_clean()


def with_tokens(work, count=1, mechanisms=('LOGIN', 'XOAUTH2'), **options):
    """Office 365, the endpoint whose tokens it takes, and a configuration whose mailboxes share one application."""
    endpoint = work.own(TokenEndpoint(Certificates()))
    endpoint.application(APPLICATION, secret='an application\'s password')
    office = office_of(work, count, mechanisms=mechanisms, tokens=endpoint.tokens, challenge=True, **options)
    content = configuration(work, office, mailboxes=[{'user': 'box%d@contoso.com' % i} for i in range(count)],
                            destination_limits={'connections': 2, 'messages_per_connection': 5})
    content['destinations'][0]['oauth'] = {
        'client_id': APPLICATION, 'client_secret_file': secret(work, 'client', 'an application\'s password'),
        'token_url': endpoint.url, 'ca_file': endpoint.ca_file, 'scope': 'https://outlook.office365.com/.default'}
    return endpoint, office, content


@case
def by_token():
    """Forty connections and one token; the response goes behind 334, as the command would be too long with it."""
    for mechanism in ('XOAUTH2', 'OAUTHBEARER'):
        with Workspace() as work:
            endpoint, office, content = with_tokens(work, 4, mechanisms=('LOGIN', mechanism))
            relay = work.relay(content)
            send(relay, range(100))
            office.wait_taken(100)
            equal({mechanism for _, _, mechanism, _ in office.logins}, {mechanism}, 'signed in by')
            equal({result for *_, result in office.logins}, {'ok'}, 'logins')
            check('Bearer' not in '\n'.join(relay.lines) and 'eyJ' not in '\n'.join(relay.lines), 'a token is told')
            relay.terminate()
            office.check_clean()
            endpoint.check_clean()


@case
def the_clock_of_a_token():
    """Until when it is good is known to who asks the process; the token itself is told to nobody, in no bundle."""
    with Workspace() as work:
        endpoint, office, content = with_tokens(work)
        content['control'] = {'socket': work.path('control.sock')}
        relay = work.relay(content)

        def mailbox():
            found = asked(work.path('control.sock'), '/v1/resources')[1]['mailboxes']
            return next((one for one in found if one['mailbox'] == 'box0@contoso.com'), {})
        eventually(lambda: mailbox().get('signs_in') == 'token', 'how it signs in')
        equal(mailbox()['token_until'], None, 'before anybody signs in')
        send(relay, range(5))
        office.wait_taken(5)
        eventually(lambda: mailbox()['token_until'], 'its token')
        check(mailbox()['token_until'] > time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime()), mailbox())
        subprocess.run([harness.program('postrider'), 'doctor', '--config', work.path('postrider.yaml'), '--bundle',
                        work.path('bundle'), '--wait', '60'], capture_output=True, timeout=300, check=True)
        with tarfile.open(work.path('bundle')) as tar:
            for member in tar:
                text = tar.extractfile(member).read().decode()
                check('eyJ' not in text and "application's password" not in text, member.name)
        relay.terminate()


@case
def a_large_pool_is_told():
    """Mailboxes of two destinations, and the budget of one without: each is told once, in the configuration's order.

    A shard looks at the clock between them, and may go on in a later slice.
    """
    with Workspace() as work:
        names = {'one': ['one%d@contoso.com' % i for i in range(90)], 'two': [],
                 'three': ['three%d@contoso.com' % i for i in range(40)]}
        content = work.configuration(['127.0.0.1:1'], control={'socket': work.path('control.sock')},
                                     limits={'connections': 100})
        content['destinations'] = []
        for name, users in names.items():
            destination = {'name': name, 'hosts': ['127.0.0.1:1'], 'tls': verified(),
                           'limits': {'recipients_per_day': 1000, 'connections': 4}}
            if users:
                destination['auth'] = {'password_file': secret(work)}
                destination['mailboxes'] = [{'user': one} for one in users]
            content['destinations'].append(destination)
        content['routes'] = [{'destination': 'one'}]
        relay = work.relay(content)
        eventually(lambda: asked(work.path('control.sock'), '/v1/resources')[1]['mailboxes'], 'mailboxes')
        found = asked(work.path('control.sock'), '/v1/resources')[1]['mailboxes']
        for name, users in names.items():
            told = [one['mailbox'] for one in found if one['destination'] == name]
            equal(told, users or [None], 'mailboxes of ' + name)
        relay.terminate()


@case
def a_token_is_revoked():
    """The next login is refused, a fresh token is fetched once, and nobody is alarmed."""
    with Workspace() as work:
        endpoint, office, content = with_tokens(work)
        relay = work.relay(content)
        send(relay, range(5))
        office.wait_taken(5)
        endpoint.tokens.revoke()
        send(relay, range(5, 40))
        office.wait_taken(40)
        check(any(result != 'ok' for *_, result in office.logins), 'no login was refused')
        equal(relay.count['mailbox_refused'], 0, 'alarms')
        relay.terminate()
        office.check_clean()


@case
def sign_in_anew():
    """What is signed in ends before its connection: the same messages go at once over others that sign in anew, with a
    fresh token; nobody is alarmed, and no message waits for its next attempt."""
    with Workspace() as work:
        endpoint, office, content = with_tokens(work)
        content['retry'] = {'first': '1h', 'max': '1h'}
        content['destinations'][0]['limits']['messages_per_connection'] = 0
        relay = work.relay(content)
        send(relay, range(20))
        office.wait_taken(20)
        before = endpoint.given
        office.refuse('not_authenticated', times=1)
        send(relay, range(20, 40))
        office.wait_taken(40)
        equal((relay.count['mailbox_refused'], relay.count['mailbox_deferred']), (0, 0), 'alarms')
        equal(endpoint.given, before + 1, 'fresh tokens')
        relay.terminate()
        office.check_clean()


@case
def a_token_that_may_not():
    """A fresh one is refused as well: then it is the mailbox, and what the server said of it is told."""
    with Workspace() as work:
        _, office, content = with_tokens(work, 3)
        office.mailboxes['box1@contoso.com'].applications = ['another']
        relay = work.relay(content)
        send(relay, range(60))
        office.wait_taken(60)
        eventually(lambda: relay.count['mailbox_refused'], 'the event')
        event = relay.told('mailbox_refused')[0]
        equal((event['mailbox'], event['mechanism'], event['code']), ('box1@contoso.com', 'XOAUTH2', 535), 'event')
        equal(json.loads(event['challenge'])['status'], '401', 'challenge')
        equal(office.mailboxes['box1@contoso.com'].failed_logins, 2, 'tries')
        relay.terminate()
        office.check_clean()


@case
def no_token():
    """The endpoint does not know the application: mail waits, the event says why, and a mended file mends it."""
    with Workspace() as work:
        _, office, content = with_tokens(work)
        secret(work, 'client', 'another')
        it = Reloadable(work, content)
        send(it.relay, range(10))
        eventually(lambda: it.relay.count['mailbox_refused'], 'the event')
        event = it.relay.told('mailbox_refused')[0]
        check('code' not in event and len(event['problem']) > 30, 'event: %s', event)
        equal(office.total(), 0, 'taken')
        secret(work, 'client', 'an application\'s password')
        it.reload()
        office.wait_taken(10)
        it.relay.terminate()
        office.check_clean()


@case
def the_file_says_so():
    """What check answers to passwords that are none, and to TLS that does not verify."""
    with Workspace() as work:
        office = office_of(work)
        for text, sentence in (('', 'it is empty'), ('one\ntwo\n', 'more than one line'), ('x' * 2000, 'longer than')):
            good = configuration(work, office, {'user': 'box0@contoso.com',
                                                'password_file': secret(work, text=text)})
            work.write('postrider.yaml', json.dumps(good))
            found = subprocess.run([harness.program('postrider'), 'check', '--config', work.path('postrider.yaml')],
                                   capture_output=True, text=True)
            equal(found.returncode, 78, 'status')
            check(sentence in found.stderr + found.stdout, '"%s" is not in: %s', sentence, found.stderr)


if __name__ == '__main__':
    harness.main(together=4)
