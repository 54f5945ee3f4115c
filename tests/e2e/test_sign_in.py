#!/usr/bin/python3
"""tests/e2e/test_sign_in.py - AUTH on listeners: PLAIN and LOGIN with a file of users, as clients and devices do it.

The talks of devices are those of public reports: a copier that hangs up unless it is asked "Username:", copiers and
backup programs that say the name with LOGIN, a camera that says EHLO, then HELO, then AUTH, a mail program that waits
for "334 " with its space, a library that sends "=", clients that look for "AUTH=", others that send their user as
authorization identity.
"""

import base64
import contextlib
import hashlib
import os
import smtplib
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (Certificates, Client, NextHop, Workspace, case, check, equal, eventually, message,  # noqa: E402
                     program)

PASSWORD = 'correct horse'
LINES = {}


def hash_line(name, password=PASSWORD):
    """A line for users_file; each is made once."""
    if (name, password) not in LINES:
        done = subprocess.run([program('postrider'), 'hash', name], input=password.encode() + b'\n',
                              capture_output=True, timeout=60)
        equal(done.returncode, 0, 'postrider hash (%s)' % done.stderr)
        LINES[name, password] = done.stdout.decode()
    return LINES[name, password]


def b64(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def plain(user='scan@example.org', password=PASSWORD, other=''):
    return b64('%s\0%s\0%s' % (other, user, password))


class Setting:
    """A relay whose listener has AUTH in clear, and a next hop."""

    def __init__(self, auth='offered', users=None, listener=None, **changes):
        self.auth, self.changes = auth, changes
        self.listener = {'auth_in_clear': True} if listener is None else listener
        self.users = hash_line('scan@example.org') if users is None else users
        self.section = self.changes.pop('tls_section', None)

    def __enter__(self):
        self.work = Workspace()
        try:
            self.hop = self.work.own(NextHop())
            self.path = self.work.write('users', self.users)
            os.chmod(self.path, 0o640)
            listeners = [dict({'name': 'lan', 'address': '127.0.0.1:0', 'auth': self.auth}, **self.listener)]
            self.configuration = self.work.configuration([self.hop.host], listeners=listeners, users_file='users',
                                                         **self.changes)
            if self.section:
                self.configuration['tls'] = self.section
            self.relay = self.work.relay(self.configuration)
            self.relay.noise.clear()  # the warning that passwords go in clear
        except BaseException:
            self.work.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.relay.terminate()
        finally:
            self.work.__exit__(kind, value, trace)

    def client(self, hello=True, **options):
        client = Client(self.relay.address, **options)
        if hello:
            client.hello()
        return client

    def wait_event(self, name, count=1):
        eventually(lambda: len(self.relay.events(name)) >= count, lambda: '%d events %s' % (count, name))
        return self.relay.events(name)[-1]


@case
def every_way_to_sign_in():
    """Each is let in, and the message that follows says so in its Received field and its events."""
    user = b64('scan@example.org')
    talks = [
        ['AUTH PLAIN ' + plain()],
        ['AUTH PLAIN', plain()],
        ['AUTH LOGIN', user, b64(PASSWORD)],
        ['AUTH LOGIN ' + user, b64(PASSWORD)],
        ['auth login ' + user, b64(PASSWORD)],
        ['AUTH plain ' + plain('SCAN@example.org')],
        ['AUTH PLAIN ' + plain(other='scan@example.org')],
        ['AUTH PLAIN ' + plain() + ' '],
        ['AUTH PLAIN ' + plain().rstrip('=')],
        ['AUTH PLAIN ' + b64('\0scan@example.org\0' + PASSWORD + '\0')],
        ['AUTH PLAIN ' + b64('scan@example.org\0' + PASSWORD)],
    ]
    with Setting('required') as s:
        for number, talk in enumerate(talks):
            with s.client() as client:
                for line in talk[:-1]:
                    client.command(line, 334)
                client.command(talk[-1], 235, '2.7.0')
                client.envelope()
                client.data(message(number))
                client.command('QUIT', 221)
        s.hop.wait_arrivals(len(talks))
        for arrival in s.hop.arrivals:
            check(b'with ESMTPA' in arrival.content, 'Received: %r' % arrival.content[:200])
        event = s.wait_event('signed_in', len(talks))
        equal((event['listener'], event['peer'], event['user'], event['mechanism']),
              ('lan', '127.0.0.1', 'scan@example.org', 'PLAIN'), 'event')
        equal(s.relay.events('accepted')[-1]['user'], 'scan@example.org', 'user of the message')
        s.wait_event('session', len(talks))
        equal(s.relay.events('session')[-1]['user'], 'scan@example.org', 'user of the session')
        # Only the first had to be verified for each shard.
        check(sum('known' in e for e in s.relay.events('signed_in')) >= len(talks) - 2, 'known ones')


@case
def what_ehlo_offers():
    with Setting() as s, s.client(hello=False) as client:
        text = client.hello()[1].split('\n')
        check('AUTH PLAIN LOGIN' in text and 'AUTH=PLAIN LOGIN' in text, 'EHLO: %s' % text)


@case
def prompts_to_the_octet():
    """A copier hangs up at anything but these two, and a mail program waits for the space behind an empty 334."""
    with Setting() as s, s.client() as client:
        client.send('AUTH LOGIN\r\n')
        equal(client.line(), b'334 VXNlcm5hbWU6', 'first')
        client.send(b64('scan@example.org') + '\r\n')
        equal(client.line(), b'334 UGFzc3dvcmQ6', 'second')
        client.send('*\r\n')
        client.expect(501, '5.7.0')
        client.send('AUTH PLAIN\r\n')
        equal(client.line(), b'334 ', 'of PLAIN')
        client.command(plain(), 235)


@case
def a_camera_that_says_helo():
    """EHLO, HELO, AUTH LOGIN; and one that never says EHLO, with a name that is none."""
    with Setting('required', clients=[{'name': 'local', 'networks': ['127.0.0.0/8'], 'syntax': 'tolerant'}]) as s:
        for hellos in (['EHLO localhost', 'HELO localhost'], ['HELO my printer'], ['HELO ']):
            with s.client(hello=False) as client:
                for hello in hellos:
                    client.command(hello, 250)
                client.command('AUTH LOGIN', 334)
                client.command(b64('scan@example.org'), 334)
                client.command(b64(PASSWORD), 235)
                client.envelope()
                client.data(message(1))
        s.hop.wait_arrivals(3)


@case
def a_message_before_is_not_the_users():
    """AUTH sent behind a message that has no answer yet: it would become whose it was not (I5)."""
    with Setting() as s, s.client() as client:
        client.envelope()
        client.command('DATA', 354)
        client.send(message(1) + b'.\r\nAUTH PLAIN ' + plain().encode() + b'\r\n')
        client.expect(250)
        client.expect(503, '5.5.1')
        client.command('AUTH PLAIN ' + plain(), 235)
        client.envelope()
        client.data(message(2))
        s.hop.wait_arrivals(2)
        s.wait_event('accepted', 2)
        equal([event.get('user') for event in s.relay.events('accepted')], [None, 'scan@example.org'], 'whose they are')


@case
def what_is_answered_to_what_is_wrong():
    with Setting('required', limits={'errors_per_session': 100}) as s, s.client(hello=False) as client:
        client.command('AUTH PLAIN ' + plain(), 503, '5.5.1')
        client.hello()
        client.command('MAIL FROM:<a@example.net>', 530, '5.7.0')
        client.command('AUTH', 501)
        client.command('AUTH CRAM-MD5', 504, '5.5.4')
        client.command('AUTH PLAIN !', 501, '5.5.2')
        client.command('AUTH PLAIN =', 501, '5.5.2')
        client.command('AUTH LOGIN', 334)
        client.command('scan@example.org', 501, '5.5.2')
        client.command('AUTH LOGIN', 334)
        client.send('dGlt\n')
        client.expect(501, '5.5.2')
        client.command('AUTH LOGIN', 334)
        client.command('*', 501, '5.7.0')
        # Neither line nor name shows in any event.
        client.command('AUTH PLAIN ' + plain(), 235)
        client.command('AUTH PLAIN ' + plain(), 503, '5.5.1')
        client.command('MAIL FROM:<a@example.net> AUTH=<>', 250)
        client.command('AUTH PLAIN ' + plain(), 503, '5.5.1')
        client.command('RSET', 250)
        client.command('MAIL FROM:<a@example.net> AUTH=e+3Dmc2@example.com SIZE=100', 250)
        client.command('QUIT', 221)
        s.wait_event('session')
        text = ''.join(s.relay.lines)
        for secret in (PASSWORD, b64(PASSWORD), plain(), 'dGlt'):
            check(secret not in text, '%s is in an event' % secret)


@case
def lines_up_to_12288_octets():
    """RFC 4954 4: they are taken, and are nobody's; longer ones are refused. In pieces and in one."""
    with Setting(limits={'errors_per_session': 100}) as s:
        for length, code, enhanced in ((1000, 535, '5.7.8'), (12286, 535, '5.7.8'), (12287, 500, '5.5.6'),
                                       (70000, 500, '5.5.6')):
            for pieces in (1, 3):
                with s.client(source='127.0.0.%d' % (length % 89 + 2)) as client:
                    client.command('AUTH PLAIN', 334)
                    line = 'A' * length + '\r\n'
                    for i in range(pieces):
                        client.send(line[i * len(line) // pieces:(i + 1) * len(line) // pieces])
                        time.sleep(0.05)
                    client.expect(code, enhanced)
                    client.command('NOOP', 250)


@case
def wrong_and_unknown_are_the_same():
    """Answer and time: 535 after a second at least, whatever is wrong; the third ends the session."""
    with Setting() as s:
        times = []
        for number, (user, password) in enumerate((('scan@example.org', 'wrong'), ('nobody@example.org', PASSWORD),
                                                   ('scan@example.org', ''), ('x' * 300, PASSWORD))):
            with s.client(source='127.0.0.%d' % (number + 10)) as client:
                begin = time.monotonic()
                equal(client.command('AUTH PLAIN ' + plain(user, password), 535),
                      (535, '5.7.8 Authentication credentials invalid'), 'reply')
                times.append(time.monotonic() - begin)
        check(min(times) >= 1, 'answered after %s s' % times)
        s.wait_event('sign_in_refused', 4)
        equal([e['reason'] for e in s.relay.events('sign_in_refused')], ['password', 'user', 'malformed', 'malformed'],
              'reasons')
        with s.client(source='127.0.0.20') as client:
            for _ in range(3):
                client.command('AUTH PLAIN ' + plain(password='no'), 535)
            check(client.closed(), 'open after three')


@case
def commands_behind_auth_wait():
    """AUTH and a whole message in one piece: each is answered, in order."""
    with Setting('required') as s, s.client() as client:
        client.send('AUTH PLAIN %s\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.com>\r\nNOOP\r\n' % plain())
        for code in (235, 250, 250, 250):
            client.expect(code)
    with Setting('required') as s, s.client() as client:
        client.send('AUTH PLAIN %s\r\nMAIL FROM:<a@example.net>\r\nNOOP\r\n' % plain(password='no'))
        for code in (535, 530, 250):
            client.expect(code)


@case
def clients_that_go_away_meanwhile():
    """While a password is compared, while a wrong one waits, and at each step: nothing is left of them."""
    with Setting() as s:
        for lines in (['AUTH PLAIN ' + plain(password='no')], ['AUTH LOGIN'], ['AUTH LOGIN', 'dGlt'],
                      ['AUTH PLAIN ' + plain()]):
            for _ in range(5):
                client = s.client(source='127.0.0.%d' % (os.urandom(1)[0] % 200 + 20))
                client.send('\r\n'.join(lines) + '\r\n')
                if lines[0].endswith('LOGIN'):
                    client.expect(334)
                client.close()
        with s.client() as client:
            client.command('AUTH PLAIN ' + plain(), 235)


@case
def guessing_is_locked_out_by_address():
    """Ten failures and no more are verified; a machine of the user's own goes on, from its address."""
    with Setting(limits={'errors_per_session': 1000}) as s:
        with s.client(source='127.0.0.5') as own:
            own.command('AUTH PLAIN ' + plain(), 235)
        with s.client(source='127.0.0.6') as first:
            first.command('AUTH PLAIN ' + plain(password='guess'), 535)
        clients = [s.client(source='127.0.0.6') for _ in range(14)]
        for client in clients:
            client.send('AUTH PLAIN %s\r\n' % plain(password='guess'))
        # The last of them is one too many, and so is then who knows the password.
        clients[-1].expect(454, '4.7.0')
        with s.client(source='127.0.0.6') as client:
            equal(client.command('AUTH PLAIN ' + plain(), 454, '4.7.0')[1],
                  '4.7.0 Too many failed attempts, try again later', 'right password from there')
        codes = [client.reply()[0] for client in clients[:-1]]
        check(set(codes) == {535, 454}, 'many at once: %s' % codes)
        for _ in range(3):
            with s.client(source='127.0.0.5') as own:
                own.command('AUTH PLAIN ' + plain(), 235)
        with s.client(source='127.0.0.7') as new:
            new.command('AUTH PLAIN ' + plain(), 235)
        eventually(lambda: 'locked_address' in [e['reason'] for e in s.relay.events('sign_in_refused')], 'the event')


def locked_out(s, source):
    """Somebody guesses there until nobody listens to who is not known."""
    clients = [s.client(source=source) for _ in range(12)]
    clients[0].command('AUTH PLAIN ' + plain('nobody', 'guess'), 535)
    for client in clients[1:]:
        client.send('AUTH PLAIN %s\r\n' % plain('nobody', 'guess'))
    clients[-1].expect(454, '4.7.0')


@case
def who_has_signed_in_is_known_after_a_restart():
    """A flood that is under way when the process starts locks out strangers, and nobody who has signed in from there;
    also when the process before was killed, and when its file was damaged: that is said."""
    with Setting(users=hash_line('scan@example.org') + hash_line('other'),
                 limits={'errors_per_session': 1000}) as s:
        kept = os.path.join(s.work.path('spool'), 'signed-in')
        with s.client(source='127.0.0.5') as own:
            own.command('AUTH PLAIN ' + plain(), 235)
        eventually(lambda: os.path.exists(kept), 'the file of who has signed in')
        s.relay.kill()
        for _ in range(2):
            s.relay = s.work.relay(s.configuration)
            s.relay.noise.clear()
            locked_out(s, '127.0.0.5')
            with s.client(source='127.0.0.5') as client:
                client.command('AUTH PLAIN ' + plain('other'), 454, '4.7.0')
                client.command('AUTH PLAIN ' + plain(), 235)
            equal(s.relay.events('signed_in_unread'), [], 'what could not be read')
            s.relay.terminate()
        with open(kept) as file:
            text = file.read()
        check('scan' not in text and text.count('\n') == 3, 'the file: %r' % text)
        equal([os.stat(name).st_mode & 0o777 for name in (kept, kept + '.key')], [0o600, 0o600], 'modes')
        with open(kept, 'w') as file:
            file.write(text[:-3])
        s.relay = s.work.relay(s.configuration)
        s.relay.noise.clear()
        equal(s.relay.told('signed_in_unread')[0]['file'], kept, 'what could not be read')
        locked_out(s, '127.0.0.5')
        with s.client(source='127.0.0.5') as client:
            client.command('AUTH PLAIN ' + plain(), 454, '4.7.0')


@case
def users_are_read_anew():
    """SIGHUP: a new user is let in, another password holds at once, one who is gone is not."""
    with Setting(users=hash_line('scan@example.org') + hash_line('gone')) as s:
        with s.client() as client:
            client.command('AUTH PLAIN ' + plain('gone'), 235)
        s.work.write('users', '# changed\n' + hash_line('scan@example.org', 'another') + hash_line('new'))
        s.relay.signal(1)
        eventually(lambda: s.relay.count['reloaded'], lambda: 'reloaded: ' + s.relay.tail())
        with s.client(source='127.0.0.2') as client:
            client.command('AUTH PLAIN ' + plain('new'), 235)
        with s.client() as client:
            client.command('AUTH PLAIN ' + plain(), 535)
            client.command('AUTH PLAIN ' + plain('gone'), 535)
        with s.client(source='127.0.0.3') as client:
            client.command('AUTH PLAIN ' + plain(password='another'), 235)
        # What is wrong with the file leaves everything as it was.
        s.work.write('users', 'new:secret\n')
        s.relay.signal(1)
        eventually(lambda: s.relay.count['reload_refused'], 'reload_refused')
        problem = s.relay.told('reload_refused')[0]['problem']
        check('users:1:5: the hash is none' in problem and 'secret' not in problem, problem)
        with s.client() as client:
            client.command('AUTH PLAIN ' + plain('new'), 235)


@case
def who_is_gone_sends_no_more():
    """Sessions over a reload: whoever is gone from the file or has another password has to sign in again, also where he
    did so with the old one after the reload; all others go on."""
    users = [hash_line('scan@example.org'), hash_line('gone'), hash_line('stays')]
    with Setting('required', users=''.join(users)) as s:
        names = ('scan@example.org', 'gone', 'stays')
        clients = [s.client() for _ in range(4)]
        for client, name in zip(clients, names):
            client.command('AUTH PLAIN ' + plain(name), 235)
            client.envelope()
        s.work.write('users', users[2] + hash_line('scan@example.org', 'another'))
        s.relay.signal(1)
        eventually(lambda: s.relay.count['reloaded'], lambda: 'reloaded: ' + s.relay.tail())
        clients[3].command('AUTH PLAIN ' + plain('gone'), 235)
        for number, client in enumerate(clients[:3]):
            client.data(message(number))  # what was begun is ended
        for client in (clients[0], clients[1], clients[3]):
            client.command('MAIL FROM:<a@example.net>', 421, '4.7.0')
            check(client.closed(), 'open behind 421')
        clients[2].envelope()
        clients[2].data(message(4))
        for client in clients:
            client.close()
        s.hop.wait_arrivals(4)


@case
def errors_end_where_nobody_can_verify():
    """While the queue of passwords is full, each is told 454 at once: that counts as an error, too."""
    with Setting(limits={'errors_per_session': 5}) as s:
        crowd = [s.client(source='127.0.1.%d' % (n + 1)) for n in range(100)]
        for client in crowd:
            client.send('AUTH PLAIN %s\r\n' % plain(password='no'))
        with s.client(source='127.0.2.1') as client:
            client.send(('AUTH PLAIN %s\r\n' % plain(password='no')) * 20)
            replies = client.replies()
            check(replies[0][0] == 454 and len(replies) <= 5, 'after five errors: %s', replies)
        for client in crowd:
            client.close()


@case
def what_is_sent_behind_auth_is_bounded():
    """DOS-02: a hundred sessions send a megabyte each while their password waits: it is not kept; others are served."""
    spool = {'memory_max': '16MiB', 'message_size_max': '10MiB', 'segment_size': '8MiB'}
    with Setting(spool=spool, shards=1) as s:
        crowd = [s.client(source='127.0.1.%d' % (n + 1)) for n in range(100)]
        junk = ('AUTH PLAIN %s\r\n' % plain(password='no')).encode() + b'NOOP\r\n' * 150000
        for client in crowd:
            client.socket.setblocking(False)
            with contextlib.suppress(OSError):  # as much as it takes
                while client.socket.send(junk) == len(junk):
                    pass
        ends = set()

        def ended():
            ends.update((e['reason'], e['stage']) for e in s.relay.events('session'))
            return ('sent too far ahead', 'auth') in ends
        eventually(ended, lambda: 'a session that ended for what it held: %s' % ends)
        with s.client(source='127.0.0.3') as client:
            client.envelope()
            client.data(message(1, 100000))
        for client in crowd:
            client.close()


@case
def python_signs_in():
    with Setting('required') as s:
        for initial in (True, False):
            for method in ('auth_plain', 'auth_login'):
                with smtplib.SMTP(*s.relay.address) as client:
                    client.ehlo()
                    client.user, client.password = 'scan@example.org', PASSWORD
                    mechanism = method.split('_')[1].upper()
                    code, _ = client.auth(mechanism, getattr(client, method), initial_response_ok=initial)
                    equal(code, 235, '%s, initial response %s' % (method, initial))
                    client.sendmail('a@example.net', ['b@example.com'], message(1))
        s.hop.wait_arrivals(4)


def signed(work, certificates, host):
    """A client's certificate for a host, signed by the authority; the path of both, it and its key."""
    path, request = work.path(host + '.pem'), work.path(host + '.csr')
    make = ['openssl', 'req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj',
            '/CN=app', '-addext', 'subjectAltName=DNS:' + host, '-addext', 'extendedKeyUsage=clientAuth',
            '-keyout', path + '.key', '-out', request]
    sign = ['openssl', 'x509', '-req', '-in', request, '-CA', certificates.ca, '-CAkey', certificates.path('ca.key'),
            '-days', '2', '-copy_extensions', 'copy', '-set_serial', '4711']
    subprocess.run(make, check=True, capture_output=True)
    made = subprocess.run(sign, check=True, capture_output=True)
    with open(path + '.key', 'rb') as key:
        work.write(host + '.pem', made.stdout + key.read())
    return path


def certificates_section():
    certificates = Certificates()
    return certificates, {'certificates': [{'certificate': certificates.server,
                                            'private_key': certificates.server_key}]}


@case
def behind_starttls():
    """Without it AUTH is neither offered nor taken; behind it, it is, by every library; Received says so."""
    certificates, section = certificates_section()
    context = ssl.create_default_context(cafile=certificates.ca)
    context.check_hostname = False
    with Setting('required', listener={'tls': 'offered'}, tls_section=section) as s:
        with s.client(hello=False) as client:
            check('AUTH' not in client.hello()[1], 'offered in clear')
            client.command('AUTH PLAIN ' + plain(), 538, '5.7.11')
            client.command('AUTH LOGIN', 538, '5.7.11')
            client.command('MAIL FROM:<a@example.net>', 530, '5.7.0')
        with smtplib.SMTP(*s.relay.address) as client:
            client.starttls(context=context)
            client.login('scan@example.org', PASSWORD)
            client.sendmail('a@example.net', ['b@example.com'], message(1))
        s.hop.wait_arrivals(1)
        check(b'with ESMTPSA' in s.hop.arrivals[0].content, 'Received: %r' % s.hop.arrivals[0].content[:200])


@case
def identity_ends_with_starttls():
    """REL-02: who has signed in in clear is nobody behind STARTTLS, until he signs in again."""
    certificates, section = certificates_section()
    context = ssl.create_default_context(cafile=certificates.ca)
    context.check_hostname = False
    with Setting('required', listener={'tls': 'offered', 'auth_in_clear': True}, tls_section=section) as s:
        with smtplib.SMTP(*s.relay.address) as client:
            client.login('scan@example.org', PASSWORD)
            client.starttls(context=context)
            client.ehlo()
            equal(client.docmd('MAIL FROM:<a@example.net>')[0], 530, 'MAIL behind STARTTLS')
            client.login('scan@example.org', PASSWORD)
            equal(client.docmd('MAIL FROM:<a@example.net>')[0], 250, 'MAIL after AUTH')


CLIENTS = [{'name': 'apps', 'users': ['app'], 'allowed_senders': ['*@apps.example.org', '<>'],
            'allowed_recipients': ['*@example.com']},
           {'name': 'one', 'users': ['*@example.org'], 'networks': ['127.0.0.2'], 'limits': {'connections': 1}},
           {'name': 'printers', 'networks': ['127.0.0.3']},
           {'name': 'rest', 'users': ['*'], 'networks': ['127.0.0.4/30']}]


@case
def clients_by_user():
    """REL-01, REL-02, REL-03: nobody before AUTH, also after a refused one; then the first entry that fits, and what
    it binds."""
    with Setting(users=hash_line('app') + hash_line('scan@example.org') + hash_line('other'), clients=CLIENTS) as s:
        with s.client(source='127.0.0.9') as client:
            client.command('MAIL FROM:<a@apps.example.org>', 250)
            client.command('RCPT TO:<b@example.com>', 550, '5.7.1')
            client.command('RSET', 250)
            client.command('AUTH PLAIN ' + plain('app', 'wrong'), 535)
            client.command('MAIL FROM:<a@apps.example.org>', 250)
            client.command('RCPT TO:<b@example.com>', 550, '5.7.1')
            client.command('RSET', 250)
            client.command('AUTH PLAIN ' + plain('app'), 235)
            client.command('MAIL FROM:<a@example.net>', 553, '5.7.1')
            client.command('MAIL FROM:<>', 250)
            client.command('RSET', 250)
            client.command('MAIL FROM:<a@apps.example.org>', 250)
            client.command('RCPT TO:<b@example.net>', 550, '5.7.1')
            client.command('RCPT TO:<b@example.com>', 250)
            client.data(message(1))
        equal(s.wait_event('accepted')['client'], 'apps', 'client')
        # A user whose entry names another network; one that has no entry of his own, in the network of the last.
        for user, source, code in (('scan@example.org', '127.0.0.9', 550), ('scan@example.org', '127.0.0.2', 250),
                                   ('other', '127.0.0.9', 550), ('other', '127.0.0.5', 250),
                                   ('other', '127.0.0.3', 250)):
            with s.client(source=source) as client:
                client.command('AUTH PLAIN ' + plain(user), 235)
                client.command('MAIL FROM:<a@example.net>', 250)
                client.command('RCPT TO:<b@example.net>', code)
        # Its one connection is counted from when he is known.
        with s.client(source='127.0.0.2') as first, s.client(source='127.0.0.2') as second:
            first.command('AUTH PLAIN ' + plain('scan@example.org'), 235)
            second.command('AUTH PLAIN ' + plain('scan@example.org'), 421)
        with s.client(source='127.0.0.2') as third:
            eventually(lambda: s.relay.count['session'] >= 8, 'the ends of those before')
            third.command('AUTH PLAIN ' + plain('scan@example.org'), 235)


@case
def who_becomes_another_client_is_none_of_the_first():
    """The place of the client that a session was before it signed in is free for the next one."""
    clients = [{'name': 'app', 'users': ['app']},
               {'name': 'lan', 'networks': ['127.0.0.1'], 'limits': {'connections': 1}}]
    with Setting(users=hash_line('app'), clients=clients) as s:
        with s.client() as first:
            first.command('AUTH PLAIN ' + plain('app'), 235)
            with s.client() as second:
                with Client(s.relay.address, greeting=False) as third:
                    third.expect(421)
                second.command('NOOP', 250)
            first.command('NOOP', 250)


@case
def strangers_keep_no_known_user_waiting():
    """Guesses from more addresses than are listened to at a time: who has signed in from his own lately is let in
    meanwhile, also with a password that is new."""
    with Setting(limits={'connections': 300}) as s:
        with s.client() as client:
            client.command('AUTH PLAIN ' + plain(), 235)
        s.work.write('users', hash_line('scan@example.org', 'another'))
        s.relay.signal(1)
        eventually(lambda: s.relay.count['reloaded'], lambda: 'reloaded: ' + s.relay.tail())
        mine = s.client()
        guesses = [s.client(source='127.0.1.%d' % n) for n in range(1, 201)]
        for guess in guesses:
            guess.send('AUTH PLAIN %s\r\n' % plain(password='wrong'))
        guesses[-1].expect(454)  # and so full it is
        mine.command('AUTH PLAIN ' + plain(password='another'), 235)
        for client in guesses + [mine]:
            client.close()


@case
def clients_by_certificate():
    """By fingerprint, whoever has signed it; by name only where an authority vouches for it; nobody before STARTTLS."""
    certificates, section = certificates_section()
    with open(certificates.selfsigned) as f:
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest().upper()
    colons = ':'.join(digest[i:i + 2] for i in range(0, 64, 2))
    entries = [{'name': 'signed', 'certificates': ['mail.example.org', 'App.Example.org']},
               {'name': 'own', 'certificates': ['sha256:' + colons], 'networks': ['127.0.0.2']}]
    listener = {'tls': 'offered', 'client_certificates': 'requested', 'ca_file': certificates.ca}
    with Setting(clients=entries, listener=listener, tls_section=section) as s:
        app = signed(s.work, certificates, 'app.example.org')
        own = (certificates.selfsigned, certificates.selfsigned_key)
        for pair, source, code in ((None, '127.0.0.2', 550), ((app,), '127.0.0.9', 250), (own, '127.0.0.2', 250),
                                   ((certificates.client, certificates.client_key), '127.0.0.9', 550),
                                   (own, '127.0.0.9', 550)):
            context = ssl.create_default_context(cafile=certificates.ca)
            context.check_hostname = False
            if pair:
                context.load_cert_chain(*pair)
            with smtplib.SMTP(*s.relay.address, source_address=(source, 0)) as client:
                client.ehlo()
                client.docmd('MAIL FROM:<a@example.net>')
                equal(client.docmd('RCPT TO:<b@example.com>')[0], 550, 'before STARTTLS')
                client.starttls(context=context)
                client.ehlo()
                client.docmd('MAIL FROM:<a@example.net>')
                equal(client.docmd('RCPT TO:<b@example.com>')[0], code, '%s from %s' % (pair, source))


@case
def a_name_is_no_fingerprint():
    """REL-02: a name in a certificate that reads like another's fingerprint is only a name."""
    certificates, section = certificates_section()
    with open(certificates.selfsigned) as f:
        digest = 'sha256:' + hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()
    listener = {'tls': 'offered', 'client_certificates': 'requested', 'ca_file': certificates.ca}
    with Setting(clients=[{'name': 'own', 'certificates': [digest]}], listener=listener, tls_section=section) as s:
        for pair, code in (((signed(s.work, certificates, digest),), 550),
                           ((certificates.selfsigned, certificates.selfsigned_key), 250)):
            context = ssl.create_default_context(cafile=certificates.ca)
            context.check_hostname = False
            context.load_cert_chain(*pair)
            with smtplib.SMTP(*s.relay.address) as client:
                client.starttls(context=context)
                client.ehlo()
                client.docmd('MAIL FROM:<a@example.net>')
                equal(client.docmd('RCPT TO:<b@example.com>')[0], code, pair[0])


@case
def connections_are_counted_by_certificate():
    """A client's limit holds from when its certificate has been seen, by STARTTLS and from the first octet."""
    certificates, section = certificates_section()
    entries = [{'name': 'signed', 'certificates': ['app.example.org'], 'limits': {'connections': 1}}]
    for mode in ('offered', 'implicit'):
        listener = {'tls': mode, 'client_certificates': 'requested', 'ca_file': certificates.ca}
        with Setting(clients=entries, listener=listener, tls_section=section) as s:
            context = ssl.create_default_context(cafile=certificates.ca)
            context.check_hostname = False
            context.load_cert_chain(signed(s.work, certificates, 'app.example.org'))

            def connect(code):
                client = Client(s.relay.address, greeting=mode != 'implicit')
                if mode == 'offered':
                    client.command('STARTTLS', 220)
                client.socket = context.wrap_socket(client.socket)
                if mode == 'implicit':
                    client.expect(220 if code == 250 else code)
                if mode == 'offered' or code == 250:
                    client.command('EHLO x', code)
                return client

            first = connect(250)
            check(connect(421).closed(), 'open behind 421 (%s)' % mode)
            first.command('QUIT', 221)
            first.close()
            eventually(lambda: s.relay.count['session'] >= 2, 'their ends')
            connect(250).close()


@case
def many_half_exchanges():
    """AUTH begun and not gone on with, in three hundred sessions: others sign in."""
    with Setting() as s:
        clients = []
        for _ in range(300):
            client = Client(s.relay.address)
            client.send('EHLO x\r\nAUTH LOGIN\r\n')
            clients.append(client)
        for client in clients:
            client.expect(250)
            client.expect(334)
            client.send('A' * 100)
        with s.client() as client:
            client.command('AUTH PLAIN ' + plain(), 235)
        for client in clients:
            client.close()


def memory_has(pid, needle):
    """Where in its writable memory it is."""
    found = []
    with open('/proc/%d/maps' % pid) as maps, open('/proc/%d/mem' % pid, 'rb', 0) as memory:
        for line in maps:
            where, rights = line.split()[:2]
            begin, end = (int(part, 16) for part in where.split('-'))
            if rights.startswith('rw') and '[v' not in line:
                try:
                    memory.seek(begin)
                    if needle in memory.read(end - begin):
                        found.append(line.split()[-1])
                except OSError:
                    pass
    return found


@case
def nothing_of_a_password_stays_in_memory():
    """In clear it comes through receive buffers, right and wrong, in one piece or with its command; all are wiped."""
    secrets = ['correct horse battery %d' % n for n in range(3)]
    with Setting(users=hash_line('scan@example.org', secrets[0])) as s, s.client() as client:
        for one, code in ((secrets[1], 535), (secrets[2], 535), (secrets[0], 235)):
            if code == 535:
                client.command('AUTH PLAIN ' + plain(password=one), code)
            else:
                client.command('AUTH LOGIN', 334)
                client.command(b64('scan@example.org'), 334)
                client.command(b64(one), code)
        client.envelope()
        client.data(b'Subject: known to be here\r\n\r\nthis may stay\r\n')
        for one in secrets:
            for text in (one, plain(password=one), b64(one)):
                equal(memory_has(s.relay.pid, text.encode()), [], 'places of %r' % text)
        check(memory_has(s.relay.pid, b'known to be here'), 'nothing is found at all')


if __name__ == '__main__':
    harness.main(together=3)
