"""tests/e2e/office365.py - Office 365 as it looks from outside, on loopback, keeping count of everything.

    with Workspace() as work:
        office = work.own(Office365(Certificates(), mailboxes=40, window=1.0))
        ... a destination of hosts [office.host], tls { mode: verify, ca_file, server_name: office.name } ...
        office.wait_taken(20000)
        office.check_clean()

Four ways in: 'submission' (sign in as a mailbox), 'connector' (a client certificate of an accepted domain), 'direct'
(nobody, own recipients only), 'hve' (sign in, own recipients only). What is refused is refused in the words that
people have reported (REFUSALS; those marked "not seen" are ours). Time may be scaled: `window` is what Microsoft calls
a minute, `day` what it calls a day.

It counts what a client must not do (`violations`) whether or not it refuses that at the same time, and keeps what has
arrived: `taken` says for each (sequence, recipient) how often. The times by which rates are judged are the kernel's, of
the octets' arrival, so that a busy test does not invent violations; `slack` is the part of the window that jitter on
the way may take.
"""

import base64
import bisect
import collections
import contextlib
import email
import email.policy
import email.utils
import json
import random
import re
import socket
import ssl
import struct
import threading
import time

import access_token
from access_token import AccessTokens, Refused
from basics import check, eventually
from next_hop import CLOSE, Closed, NextHop, NextHopSession

EXTENSIONS = ('SIZE 157286400', 'PIPELINING', 'DSN', 'ENHANCEDSTATUSCODES', 'STARTTLS', '8BITMIME', 'BINARYMIME',
              'CHUNKING', 'SMTPUTF8')
SITE = 'FR4P281CA0123.DEUP281.PROD.OUTLOOK.COM'

# name: (stage, reply). {} is filled from the session: mailbox, sender, ip.
REFUSALS = {
    'busy': ('connect', '421 4.3.2 The maximum number of concurrent server connections has exceeded a limit, closing '
                        'transmission channel'),
    'old_tls': ('EHLO', '421 4.7.66 TLS 1.0 and 1.1 are not supported. Please upgrade/update your client to support '
                        'TLS 1.2. Visit https://aka.ms/smtp_auth_tls.'),
    'credentials': ('AUTH', '535 5.7.3 Authentication unsuccessful [%s]' % SITE),
    'bad_credentials': ('AUTH', '535 5.7.139 Authentication unsuccessful, the user credentials were incorrect. [%s]'
                                % SITE),
    'tenant_disabled': ('AUTH', '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the '
                                'Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. [%s]' % SITE),
    'mailbox_disabled': ('AUTH', '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for '
                                 'the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information. [%s]'
                                 % SITE),
    'basic_disabled': ('AUTH', '535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [%s]'
                               % SITE),
    'criteria': ('AUTH', '535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be '
                         'authenticated successfully. Contact your administrator. [%s]' % SITE),
    'basic_removed': ('AUTH', '550 5.7.30 Basic authentication is not supported for Client Submission.'),
    'auth_unavailable': ('AUTH', '454 4.7.0 Temporary authentication failure'),
    'xoauth2_form': ('AUTH', '501 5.5.124 Invalid XOAUTH2 auth data'),
    'not_authenticated': ('MAIL', '530 5.7.57 Client not authenticated to send mail. [%s]' % SITE),
    'server_busy': ('MAIL', '451 4.7.500 Server busy. Please try again later from [{ip}]. (S77719) [%s]' % SITE),
    'server_busy_range': ('MAIL', '451 4.7.651 The mail server [{ip}] has been temporarily rate limited due to IP '
                                  'reputation. For e-mail delivery information, see https://aka.ms/postmaster (S775)'),
    'tenant_attribution': ('RCPT', '550 5.7.64 TenantAttribution; Relay Access Denied SMTP. [%s]' % SITE),
    'wrong_region': ('RCPT', '451 4.4.62 Mail sent to the wrong Office 365 region. ATTR35. [%s]' % SITE),
    'mailbox_busy': ('RCPT', '450 4.2.1 The recipient\'s mailbox is receiving mail at a rate that prevents additional '
                             'messages from being delivered'),  # as Gmail says it
    'external': ('RCPT', '550 5.5.105 Recipient is not internal to the organization'),  # code reported, text not seen
    'unknown_recipient': ('RCPT', '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address '
                                  'lookup'),
    'too_many_recipients': ('RCPT', '452 4.5.3 Too many recipients'),
    'direct_send': ('END', '550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization from '
                           'unauthorized sources'),
    'connections': ('END', '432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending '
                           'for more information. [Hostname=%s]' % SITE),
    'threads': ('END', '432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded [Hostname=%s]' % SITE),
    'quota': ('END', '554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process '
                     'message due to a permanent exception with message The message can\'t be submitted because the '
                     'sender\'s submission quota was exceeded. [Hostname=%s]' % SITE),
    'sent_items_full': ('END', '554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException; Failed '
                               'to process message due to a permanent exception with message [Hostname=%s]' % SITE),
    'send_as': ('END', '554 5.2.252 SendAsDenied; {mailbox} not allowed to send as {sender}; '
                       'STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to '
                       'process message due to a permanent exception with message [Hostname=%s]' % SITE),
    'send_as_old': ('END', '550 5.7.60 SMTP; Client does not have permissions to send as this sender [%s]' % SITE),
    'bare_lf': ('END', '550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds, which cannot be '
                       'sent via DATA'),
    'too_big': ('END', '552 5.3.4 Message size exceeds fixed maximum message size'),
    'shutting_down': ('END', '421 4.3.2 Service not active'),
    'insufficient': ('END', '452 4.3.1 Insufficient system resources'),
}
# Ends that are no reply. cut_after: the message was taken, and nobody is told.
CUTS = {'cut_before': 'END', 'cut_after': 'END', 'cut_mail': 'MAIL', 'cut_connect': 'connect', 'cut_auth': 'AUTH'}

BEFORE_TLS = re.compile(rb'(EHLO|HELO|STARTTLS|NOOP|QUIT|RSET)\b', re.I)
# What a login hears that nobody can mend by trying again: the pauses before the next are to grow.
NEEDS_SOMEBODY = {'bad_credentials', 'tenant_disabled', 'mailbox_disabled', 'basic_disabled', 'criteria',
                  'basic_removed'}
# What was said a moment ago may not have been read when this was sent.
ON_THE_WAY = 1.0

# socket.h and tcp_states.h of Linux; Python does not name them.
SO_TIMESTAMPNS = 35
TCP_ESTABLISHED = 1


class Mailbox:
    def __init__(self, name, password='secret', may_send_as=()):
        self.name, self.password = name.lower(), password
        self.may_send_as = {self.name} | {address.lower() for address in may_send_as}
        self.applications = None        # those that may sign in as it; None: all of the tenant
        self.refused = None             # a name of REFUSALS of stage AUTH: what each sign-in hears
        self.signed_in = set()          # sessions
        self.present = []               # [since, until] of each that was
        self.started = []               # when the MAIL of each message that was taken had come, in order
        self.begun = []                 # and of each that was begun, also where it was refused or cut off behind
        self.recipients = []            # (when, how many), in order
        self.refused_at, self.refused_times = 0.0, 0    # logins that somebody has to act on, in a row
        self.tried_fresh = False
        self.token = None               # with which the last login was accepted
        self.messages = self.refusals = self.logins = self.failed_logins = 0


class Office365(NextHop):
    """`mailboxes`: how many (box0@contoso.com ...), or a list of Mailbox.

    over: what happens to a message above a limit beside being counted: 'refuse', 'delay' (the answer comes late) or
    'take'. chances: {name of REFUSALS or CUTS: probability}; what meets which message and attempt depends on the seed
    and not on the order in which they come.
    """

    name = 'mail.example.org'  # in the certificate

    def __init__(self, certificates, mailboxes=1, way='submission', domains=('contoso.com',), tokens=None,
                 mechanisms=('LOGIN', 'XOAUTH2'), connections=3, messages=30, window=60.0, slack=None,
                 recipients_per_day=10000, day=86400.0, recipients_per_message=500, size_max=157286400, over='refuse',
                 chances=None, seed=0, keep_content=True, script=None, port=0, challenge=False, trusted_addresses=()):
        if isinstance(mailboxes, int):
            mailboxes = [Mailbox('box%d@%s' % (i, domains[0])) for i in range(mailboxes)]
        self.mailboxes = {mailbox.name: mailbox for mailbox in mailboxes}
        self.way, self.domains = way, {domain.lower() for domain in domains}
        self.tokens = tokens or AccessTokens()
        self.mechanisms, self.challenge = mechanisms, challenge
        self.connections, self.messages, self.window = connections, messages, window
        self.slack = window * 0.05 if slack is None else slack
        self.recipients_per_day, self.day = recipients_per_day, day
        self.recipients_per_message, self.size_max, self.over = recipients_per_message, size_max, over
        self.chances, self.seed, self.keep_content = dict(chances or {}), seed, keep_content
        self.trusted_addresses = set(trusted_addresses)
        self.login_pause = 10.0         # after the first login that was refused; four times longer after each more
        # 421 at the greeting holds for `busy_for`, and who was told so is not to come again all the time: in so long
        # twice, as pauses are doubled from a second, and by each lane of the relay, which know only what they hear.
        self.busy_until, self.busy_for, self.busy_told, self.busy_most = 0.0, 2.0, 0, 2 * 2
        # (mailbox, token): when it was refused last as ended or revoked, how often, whether it had been let in by it
        self.stale = {}
        self.lost = collections.defaultdict(list)   # token: when it was taken from mailboxes it had let in
        self.copies = collections.defaultdict(list)     # sequence: (when, mailbox, connection) of each that was taken
        self.cut_after = set()          # (sequence, connection) of those that were taken without a word
        self.password_refusal = None    # what every sign-in with a password hears: 'basic_disabled', 'basic_removed'
        self.audiences = {access_token.OUTLOOK, 'https://outlook.office.com'}
        self.planned = []               # [name, mailbox or None, how often]
        self.script_of_test = script
        self.taken = collections.Counter()
        self.refused = collections.Counter()
        self.violations = collections.Counter()
        self.what_was_wrong = []
        self.logins = []                # (when, mailbox, mechanism, 'ok' or why not)
        self.seen = collections.Counter()
        self.state = threading.RLock()
        super().__init__(extensions=EXTENSIONS, tls=self._context(certificates), script=self._answer, port=port,
                         session_class=Office365Session)

    def _context(self, certificates):
        context = certificates.server_context()
        if self.way == 'connector':
            context.load_verify_locations(certificates.ca)
            context.verify_mode = ssl.CERT_OPTIONAL
        return context

    # What tests say.

    def refuse(self, name, mailbox=None, times=1):
        """The next `times` occasions (of this mailbox) meet this refusal or cut; times=None: until forgive()."""
        stage_of(name)
        with self.state:
            self.planned.append([name, mailbox and mailbox.lower(), times])

    def forgive(self):
        with self.state:
            self.planned.clear()
            self.chances.clear()

    def token(self, **options):
        return self.tokens.issue(**options)

    def forget_refusals(self):
        """The client may try all again at once: it was started anew, or its administrator reloads."""
        with self.state:
            self.busy_until = 0.0
            self.stale.clear()
            self.lost.clear()
            for mailbox in self.mailboxes.values():
                mailbox.refused_times, mailbox.tried_fresh = 0, False

    # What tests ask.

    def total(self):
        with self.state:
            return sum(mailbox.messages for mailbox in self.mailboxes.values())

    def wait_taken(self, count, timeout=120):
        """Waits until this many different (message, recipient) have arrived."""
        eventually(lambda: len(self.taken) >= count, lambda: '%d taken; there are %d. %s'
                   % (count, len(self.taken), self.report()), timeout, 0.05)
        check(not self.errors, 'the scripted Office 365 failed: %s', ''.join(self.errors[:1]))

    def twice(self):
        with self.state:
            return {key: count for key, count in self.taken.items() if count > 1}

    def check_clean(self):
        check(not self.errors, 'the scripted Office 365 failed: %s', ''.join(self.errors[:1]))
        check(not self.violations, 'violations: %s; %s', dict(self.violations), '; '.join(self.what_was_wrong[:3]))

    def used(self, mailbox, since, until, begun=False):
        """The part of its allowance of messages that a mailbox used between two times of time.time()."""
        mailbox = self.mailboxes[mailbox.lower()]
        times = mailbox.begun if begun else mailbox.started
        count = bisect.bisect_left(times, until) - bisect.bisect_left(times, since)
        return count / (self.messages * (until - since) / self.window)

    def busiest(self, mailbox, window=None):
        """The most messages that began within one whole window."""
        times = self.mailboxes[mailbox.lower()].started
        return max((bisect.bisect_left(times, t + (window or self.window)) - i for i, t in enumerate(times)), default=0)

    def report(self):
        with self.state:
            return json.dumps({'taken': sum(self.taken.values()), 'refused': dict(self.refused),
                               'violations': dict(self.violations), 'logins': len(self.logins),
                               'connections': self.accepted, 'peak': self.peak})

    # What sessions ask.

    def violation(self, kind, text):
        with self.state:
            self.violations[kind] += 1
            if len(self.what_was_wrong) < 100:
                self.what_was_wrong.append('%s: %s' % (kind, text))

    def _answer(self, stage, session, argument):
        if self.script_of_test:
            answer = self.script_of_test(stage, session, argument)
            if answer is not None:
                return answer
        if stage == 'BDAT':
            chunk, last = argument
            if not last:
                return None
            stage, argument = 'END', b''.join(session.content)
        refusal = session.wrong(stage, argument) or self._planned(stage, session) or self._by_chance(stage, session,
                                                                                                     argument)
        return refusal and self._refuse(refusal, stage, session, argument)

    def _refuse(self, name, stage, session, argument):
        with self.state:
            self.refused[name] += 1
            if session.mailbox:
                session.mailbox.refusals += 1
            if name == 'busy':
                self._busy()
        if name == 'cut_after':
            self.cut_after.add((sequence(argument), id(session)))
            session.take(argument)
        if name in CUTS:
            return CLOSE
        return REFUSALS[name][1].format(ip='127.0.0.1', mailbox=session.mailbox.name if session.mailbox else '',
                                        sender=session.claimed or session.sender)

    def _busy(self):
        now = time.time()
        if now >= self.busy_until:
            self.busy_until, self.busy_told = now + self.busy_for, 0
        self.busy_told += 1
        if self.busy_told > self.busy_most:
            self.violation('connected_too_soon', 'time %d within %g s' % (self.busy_told, self.busy_for))

    def _planned(self, stage, session):
        with self.state:
            for plan in self.planned:
                name, mailbox, times = plan
                if stage_of(name) == stage and (mailbox is None or mailbox == session.who()):
                    if times is not None:
                        plan[2] -= 1
                        if plan[2] == 0:
                            self.planned.remove(plan)
                    return name
        return None

    def _by_chance(self, stage, session, argument):
        """A refusal by lot: the same for the same seed, message (or mailbox) and how often it has come."""
        names = [name for name in self.chances if stage_of(name) == stage]
        if not names:
            return None
        key = sequence(argument) if stage == 'END' else '%s %s' % (stage, session.who())
        with self.state:
            self.seen[key] += 1
            times = self.seen[key]
        for name in names:
            if random.Random('%s %s %s %s' % (self.seed, name, key, times)).random() < self.chances[name]:
                return name
        return None


def stage_of(name):
    return CUTS.get(name) or REFUSALS[name][0]


def sequence(content):
    found = re.search(rb'^X-Postrider-Sequence: (\d+)', content, re.M)
    return int(found.group(1)) if found else None


class Office365Session(NextHopSession):
    def __init__(self, server, connection):
        super().__init__(server, connection)
        connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.raw = connection
        self.socket = TimedSocket(connection)
        self.mailbox = None      # signed in
        self.presence = None     # since and until when
        self.claimed = None      # the address that the message at hand claims to be from, where it may not
        self.token = None        # with which somebody just tries to sign in
        self.asked = None        # the name with which somebody just tries to sign in
        self.started = 0.0       # when MAIL came
        self.content_started = None

    def who(self):
        return self.mailbox.name if self.mailbox else self.asked

    def serve(self):
        try:
            super().serve()
        finally:
            if self.mailbox:
                with self.server.state:
                    self.mailbox.signed_in.discard(self)
                    self.presence[1] = time.time()

    def open(self):
        """False as soon as the client has closed, whether or not this side has read so far."""
        try:
            return self.raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_ESTABLISHED
        except OSError:
            return False

    def line(self):
        line = super().line()
        if self.server.way in ('submission', 'hve') and not self.encrypted and not BEFORE_TLS.match(line):
            self.server.violation('before_tls', repr(line[:40]))
        return line

    def on_data(self, argument):
        # What came with it was sent before 354. No look at the socket: it could only come later.
        if self.buffer and self.recipients:
            self.server.violation('before_354', repr(bytes(self.buffer[:40])))
        super().on_data(argument)

    def on_starttls(self, argument):
        if self.encrypted:
            self.out += b'503 5.5.1 Not now\r\n'
            return
        if not self.reply('STARTTLS', argument, '220 2.0.0 SMTP server ready'):
            return
        if self.buffer:
            self.server.violation('injection', 'octets behind STARTTLS: %r' % bytes(self.buffer[:60]))
        self.flush()
        self.socket = TimedTls(self.raw, self.server.tls)
        try:
            self.socket.handshake()
        except (ssl.SSLError, OSError) as error:
            self.failure = str(error)
            raise Closed() from error
        self.encrypted = True
        if self.server.tls.verify_mode != ssl.CERT_NONE:
            self.certificate = self.socket.tls.getpeercert()
        self.reset()

    def on_ehlo(self, argument):
        self.reset()
        lines = ['%s Hello [127.0.0.1]' % SITE]
        for extension in self.server.extensions:
            if extension != 'STARTTLS':
                lines.append(extension)
            elif not self.encrypted:
                lines.append(extension)
            elif self.server.way in ('submission', 'hve') and self.server.mechanisms:
                lines.append('AUTH ' + ' '.join(self.server.mechanisms))
        usual = '\r\n'.join('250%s%s' % (' ' if i == len(lines) - 1 else '-', line) for i, line in enumerate(lines))
        self.reply('EHLO', argument, usual)

    # Signing in.

    def on_auth(self, argument):
        mechanism, _, initial = argument.partition(' ')
        mechanism = mechanism.upper()
        if not self.encrypted:
            self.server.violation('secret_in_clear', 'AUTH before TLS')
        if not self.encrypted or mechanism not in self.server.mechanisms:
            self.out += b'504 5.7.4 Unrecognized authentication type\r\n'
            return
        if self.mailbox:
            self.out += b'503 5.5.1 Already authenticated\r\n'
            return
        try:
            user, why = getattr(self, 'auth_' + mechanism.lower())(initial)
        except (ValueError, UnicodeDecodeError) as error:
            self.login(mechanism, 'form: %s' % error)
            self.out += REFUSALS['xoauth2_form'][1].encode() + b'\r\n'
            return
        self.sign_in(mechanism, user, why)

    def ask(self, prompt):
        """What the client answers to a challenge, decoded; ValueError where it is no base64, or gives up with "*"."""
        self.out += b'334 ' + prompt + b'\r\n'
        return base64.b64decode(self.line(), validate=True)

    def initial(self, initial):
        if initial == '=':
            return b''
        return base64.b64decode(initial, validate=True) if initial else self.ask(b'')

    def auth_login(self, initial):
        user = base64.b64decode(initial, validate=True) if initial else self.ask(b'VXNlcm5hbWU6')
        self.asked = user.decode().lower()
        return self.asked, self.password(self.asked, self.ask(b'UGFzc3dvcmQ6').decode())

    def auth_plain(self, initial):
        _, user, password = self.initial(initial).decode().split('\0')
        self.asked = user.lower()
        return self.asked, self.password(self.asked, password)

    def auth_xoauth2(self, initial):
        found = re.fullmatch('user=([^\1]*)\1auth=Bearer ([^\1]*)\1\1', self.initial(initial).decode(), re.I)
        if not found:
            raise ValueError('no XOAUTH2')
        self.asked = found.group(1).lower()
        return self.asked, self.bearer(self.asked, found.group(2))

    def auth_oauthbearer(self, initial):
        found = re.fullmatch('n,a=([^,\1]*),\1(?:[a-z]+=[^\1]*\1)*?auth=Bearer ([^\1]*)\1(?:[a-z]+=[^\1]*\1)*\1',
                             self.initial(initial).decode(), re.I)
        if not found:
            raise ValueError('no OAUTHBEARER')
        self.asked = found.group(1).lower()
        return self.asked, self.bearer(self.asked, found.group(2))

    def password(self, user, password):
        """None, or the name of the refusal and why."""
        mailbox = self.server.mailboxes.get(user)
        if self.server.password_refusal:
            return self.server.password_refusal, 'passwords are off'
        if not mailbox or mailbox.password != password:
            return 'bad_credentials', 'no such mailbox' if not mailbox else 'wrong password'
        return None

    def bearer(self, user, token):
        mailbox = self.server.mailboxes.get(user)
        self.token = token
        try:
            claims = self.server.tokens.read(token)
        except Refused as refused:
            self.stale_token(token, str(refused))
            return 'credentials', str(refused)
        if claims['aud'] not in self.server.audiences:
            return 'credentials', 'audience %s' % claims['aud']
        if 'upn' in claims:
            if claims['upn'].lower() != user or 'SMTP.Send' not in claims.get('scp', ''):
                return 'credentials', 'a token of %s with %s' % (claims['upn'], claims.get('scp'))
        elif mailbox and mailbox.applications is not None:
            # Roles in Exchange, which no token shows.
            if claims['appid'] not in mailbox.applications:
                return 'credentials', 'the application may not send as this mailbox'
        elif 'SMTP.SendAsApp' not in claims.get('roles', ()):
            return 'credentials', 'no role'
        return None if mailbox else ('credentials', 'no such mailbox')

    def stale_token(self, token, why):
        """Once is how one learns of it: each mailbox by itself, as where the token endpoint is away there is no other
        token, and the one there is may be good for all but one. Not once it was taken from two that it had let in. Who
        was never let in by it cannot know whether it is the token or the mailbox, and has its pauses."""
        now = time.time()
        with self.server.state:
            lost = self.server.lost[token]
            dead = lost[1] if len(lost) > 1 else now
            mailbox = self.server.mailboxes.get(self.asked)
            was_in = mailbox and mailbox.token == token
            before, times, had = self.server.stale.get((self.asked, token), (now, 0, was_in))
            if was_in:
                mailbox.token = None
                lost.append(now)
            self.server.stale[self.asked, token] = now, times + 1, had
        since = self.socket.received - before
        pause = 0.9 * self.server.login_pause * 4 ** (times - 1) if times and not had else float('inf')
        if ON_THE_WAY < since < pause:
            self.server.violation('stale_token', '%s, %.3f s after refusal %d (%s%s)'
                                  % (self.asked, since, times, why, ', and it had been let in' if had else ''))
        elif self.socket.received > dead + ON_THE_WAY:
            self.server.violation('dead_token', '%s, %.3f s after it was taken from two (%s)'
                                  % (self.asked, self.socket.received - dead, why))

    def too_soon(self, mailbox):
        """A login at a mailbox that was refused for what trying again does not mend."""
        with self.server.state:
            since, times = self.socket.received - mailbox.refused_at, mailbox.refused_times
        # Connections that were being opened when the first was refused are on their way.
        if times and ON_THE_WAY < since < 0.9 * min(3600, self.server.login_pause * 4 ** (times - 1)):
            self.server.violation('login_too_soon', '%s, %.3f s after refusal %d' % (mailbox.name, since, times))

    def sign_in(self, mechanism, user, why):
        mailbox = self.server.mailboxes.get(user)
        if mailbox:
            self.too_soon(mailbox)
        if not why and mailbox.refused:
            why = mailbox.refused, 'by the test'
        if why:
            name, reason = why
            self.login(mechanism, reason, name)
            with self.server.state:
                self.server.refused[name] += 1
            if self.server.challenge and mechanism in ('XOAUTH2', 'OAUTHBEARER'):
                # RFC 7628 3.2.2 and Google: the reason comes first, as JSON, and the client answers with nothing.
                self.ask_nothing(b'{"status":"401","schemes":"bearer","scope":"https://mail.google.com/"}')
            self.out += REFUSALS[name][1].encode() + b'\r\n'
        elif self.reply('AUTH', mechanism, '235 2.7.0 Authentication successful'):
            self.login(mechanism, 'ok')
            self.signed_in(mailbox)
        else:
            self.login(mechanism, 'by chance or plan')

    def ask_nothing(self, challenge):
        self.out += b'334 ' + base64.b64encode(challenge) + b'\r\n'
        answer = self.line()
        if answer not in (b'', b'AQ=='):
            self.server.violation('protocol', 'the answer to the challenge with the reason was %r' % answer)

    def login(self, mechanism, result, name=None):
        with self.server.state:
            self.server.logins.append((time.time(), self.asked, mechanism, result))
            mailbox = self.server.mailboxes.get(self.asked)
            if mailbox:
                mailbox.logins += 1
                mailbox.failed_logins += result != 'ok'
                if result == 'ok':
                    mailbox.token = self.token
                    mailbox.refused_times, mailbox.tried_fresh = 0, False
                elif name in NEEDS_SOMEBODY and time.time() > mailbox.refused_at + ON_THE_WAY:
                    # A token that is refused is fetched anew once, however long that takes.
                    count = mailbox.tried_fresh or mechanism not in ('XOAUTH2', 'OAUTHBEARER')
                    mailbox.refused_times += count
                    mailbox.refused_at = time.time() if count else mailbox.refused_at
                    mailbox.tried_fresh = True

    def signed_in(self, mailbox):
        with self.server.state:
            self.mailbox = mailbox
            self.presence = [time.time(), float('inf')]
            mailbox.present.append(self.presence)
            mailbox.signed_in = {session for session in mailbox.signed_in if session.open()} | {self}
            count = len(mailbox.signed_in)
        if count > self.server.connections:
            self.server.violation('connections', '%d of %s' % (count, mailbox.name))

    # A message.

    def on_mail(self, argument):
        self.started = self.socket.received
        if self.mailbox:
            with self.server.state:
                bisect.insort(self.mailbox.begun, self.started)
        super().on_mail(argument)

    def wrong(self, stage, argument):
        """The refusal that rules, not chance, have for this stage; None if all is well."""
        if stage == 'connect' and time.time() < self.server.busy_until:
            return 'busy'
        rule = getattr(self, 'rule_' + stage.lower(), None)
        return rule(argument) if rule else None

    def rule_mail(self, argument):
        if self.server.way in ('submission', 'hve') and not self.mailbox:
            self.server.violation('protocol', 'MAIL before AUTH')
            return 'not_authenticated'
        return None

    def rule_rcpt(self, argument):
        own = argument.partition(':')[2].partition('>')[0].rpartition('@')[2].lower() in self.server.domains
        if len(self.recipients) >= self.server.recipients_per_message:
            self.server.violation('recipients_per_message', '%d' % (len(self.recipients) + 1))
            return 'too_many_recipients'
        if self.server.way == 'hve' and not own:
            return 'external'
        if self.server.way == 'connector' and not self.attributed():
            return 'tenant_attribution'
        if self.server.way == 'direct' and not own:
            return 'tenant_attribution'
        return None

    def attributed(self):
        """Whether certificate or address, and a domain of the tenant, say whose mail this is."""
        names = {value.lower() for kind, value in (self.certificate or {}).get('subjectAltName', ()) if kind == 'DNS'}
        names |= {value.lower() for part in (self.certificate or {}).get('subject', ()) for key, value in part
                  if key == 'commonName'}
        if any(name == domain or name.endswith('.' + domain) for name in names for domain in self.server.domains):
            return True
        return ('127.0.0.1' in self.server.trusted_addresses and
                self.sender.rpartition('@')[2].lower() in self.server.domains)

    def rule_end(self, content):
        if len(content) > self.server.size_max:
            self.server.violation('size', '%d octets' % len(content))
            return 'too_big'
        if self.server.way in ('submission', 'hve'):
            return self.send_as(content) or self.over_limits()
        return None

    def send_as(self, content):
        self.claimed = None
        head = content.partition(b'\r\n\r\n')[0]
        message = email.message_from_bytes(head + b'\r\n\r\n', policy=email.policy.compat32)
        claimed = [address for _, address in email.utils.getaddresses(message.get_all('From', []))] + [self.sender]
        for address in claimed:
            # The empty sender is a report's, and is sent as the mailbox.
            if address and address.lower() not in self.mailbox.may_send_as:
                self.claimed = address
                self.server.violation('send_as', '%s as %s' % (self.mailbox.name, address))
                return 'send_as'
        return None

    def over_limits(self):
        server, mailbox = self.server, self.mailbox
        with server.state:
            open_now = sum(session.open() for session in mailbox.signed_in)
            began = [t for t in mailbox.started if t > self.started - server.window + server.slack]
            since = self.started - server.day
            recipients = sum(count for when, count in mailbox.recipients if when > since) + len(self.recipients)
        over_rate = len(began) >= server.messages
        if recipients > server.recipients_per_day:
            server.violation('recipients_per_day', '%d of %s' % (recipients, mailbox.name))
            if server.over != 'take':
                return 'quota'
        if over_rate:
            server.violation('rate', '%d of %s in %.3f s' % (len(began) + 1, mailbox.name,
                                                              server.window - server.slack))
            if server.over == 'delay':
                time.sleep(max(0, began[-server.messages] + server.window - time.time()))
        if server.over != 'refuse':
            return None
        return 'connections' if open_now > server.connections else 'quota' if over_rate else None

    def take(self, content):
        """Keeps what has arrived, before the client hears of it."""
        with self.server.state:
            for recipient in self.recipients:
                self.server.taken[sequence(content), recipient.lower()] += 1
            self.server.copies[sequence(content)].append((time.time(), self.who(), id(self)))
            if self.mailbox:
                self.mailbox.messages += 1
                bisect.insort(self.mailbox.started, self.started)
                bisect.insort(self.mailbox.recipients, (self.started, len(self.recipients)))

    def arrived(self, content, raw, chunked):
        self.take(content)
        if self.server.keep_content:
            super().arrived(content, raw, chunked)

    def read_data(self):
        raw = super().read_data()
        if re.search(rb'(?<!\r)\n', raw):
            self.server.violation('bare_lf', 'outside BDAT')
        return raw


class TimedSocket:
    """A socket whose recv() remembers when the kernel had received what it returns."""

    def __init__(self, raw):
        self.raw, self.received = raw, time.time()

    def recv(self, size):
        octets, notes, _, _ = self.raw.recvmsg(size, 64)
        self.received = time.time()
        for level, kind, value in notes:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack('ll', value[:16])
                self.received = seconds + nanoseconds / 1e9
        return octets

    def sendall(self, octets):
        self.raw.sendall(octets)

    def shutdown(self, how):
        self.raw.shutdown(how)

    def close(self):
        self.raw.close()


class TimedTls(TimedSocket):
    """The same with TLS over it, for which the records pass through memory."""

    def __init__(self, raw, context):
        super().__init__(raw)
        self.input, self.output = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.input, self.output, server_side=True)

    def _until_done(self, function, *arguments):
        while True:
            try:
                result = function(*arguments)
                self._push()
                return result
            except ssl.SSLWantReadError:
                self._push()
                octets = super().recv(65536)
                if octets:
                    self.input.write(octets)
                else:
                    self.input.write_eof()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._push()  # the alert that says why
                raise

    def _push(self):
        if self.output.pending:
            self.raw.sendall(self.output.read())

    def handshake(self):
        self._until_done(self.tls.do_handshake)

    def recv(self, size):
        try:
            return self._until_done(self.tls.read, size)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b''

    def sendall(self, octets):
        self.tls.write(octets)
        self._push()
