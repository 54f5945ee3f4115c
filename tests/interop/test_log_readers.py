#!/usr/bin/python3
"""tests/interop/test_log_readers.py - what reads Postfix's log reads a day of this relay's events: pflogsumm counts
what was sent, and fail2ban finds who guesses passwords and who wants to relay, and nobody else."""

import base64
import itertools
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import harness  # noqa: E402
from harness import Certificates, Client, NextHop, Workspace, case, check, equal, eventually, program  # noqa: E402

PFLOGSUMM = os.path.join(harness.peers_directory(), 'pflogsumm', 'usr', 'sbin', 'pflogsumm')
FAIL2BAN = os.path.join(harness.peers_directory(), 'fail2ban')
STRANGER, GUESSER, PRINTER = '127.0.0.66', '127.0.0.77', '127.0.0.2'
PASSWORD = 'correct horse battery staple'


def unavailable():
    return None if os.path.exists(PFLOGSUMM) and os.path.exists(FAIL2BAN) else 'run tests/install-peers readers first'


def answer(stage, session, argument):
    if stage == 'RCPT' and 'nobody' in argument:
        return '550 5.1.1 There is nobody of that name'
    if stage == 'RCPT' and 'later' in argument and not getattr(session.server, 'late', False):
        session.server.late = True
        return '451 4.7.1 Greylisted'
    return None


def hash_line(name):
    done = subprocess.run([program('postrider'), 'hash', name], input=PASSWORD + '\n', capture_output=True, text=True,
                          timeout=60, check=True)
    return done.stdout


class Day:
    """Mail delivered, deferred and bounced, a device that looks, a stranger, a guesser, and names that are meant to be
    taken for lines of a log. What came of it as lines: the same, whether a file is read or a pipe; and those of the
    trace, where nobody has kept the events."""

    def __init__(self, work):
        hop = work.own(NextHop(script=answer))
        work.write('users', hash_line('copier'))
        os.chmod(work.path('users'), 0o600)
        self.relay = work.relay(work.configuration(
            [hop.host], users_file='users', retry={'first': '200ms', 'max': '1s'},
            listeners=[{'name': 'lan', 'address': '127.0.0.1:0', 'auth': 'offered', 'auth_in_clear': True}],
            clients=[{'name': 'printers', 'networks': [PRINTER]}, {'name': 'users', 'users': ['*']}]))
        self.send(['one@example.com', 'two@example.com'])
        self.send(['nobody@example.com'])
        self.send(['later@example.com'], sender='')
        with Client(self.relay.address, source=STRANGER) as client:
            client.hello()
            client.command('MAIL FROM:<"x> to=<y"@example.net>', 250)
            client.command('RCPT TO:<victim@example.com>', 550)
        with Client(self.relay.address, source=GUESSER) as client:
            client.hello()
            for name in ('admin', 'x unknown[%s]: SASL LOGIN authentication failed: ' % PRINTER):
                client.command('AUTH LOGIN', 334)
                client.command(self.base64(name), 334)
                client.command(self.base64('12345'), 535)
        self.write_logs(work)

    def write_logs(self, work):
        self.relay.stop()
        self.events = work.path('events')
        with open(self.events, 'w', encoding='utf-8') as f:
            f.write('\n'.join(self.relay.lines) + '\n')
        self.logs = [work.path('mail.log'), work.path('traced.log')]
        lines = self.command(self.events).stdout
        with open(self.events, encoding='utf-8') as f:
            equal(self.command('-', stdin=f).stdout, lines, 'from a pipe and from a file')
        for log, written in zip(self.logs, (lines, self.command('--config', work.path('postrider.yaml')).stdout)):
            with open(log, 'w', encoding='utf-8') as f:
                f.write(written)

    @staticmethod
    def base64(text):
        return base64.b64encode(text.encode()).decode()

    @staticmethod
    def command(*arguments, **options):
        return subprocess.run([program('postrider'), 'log', '--format', 'postfix', '--hostname', 'relay', *arguments],
                              capture_output=True, text=True, timeout=60, check=True, **options)

    def send(self, recipients, sender='scan@example.net'):
        with Client(self.relay.address, source=PRINTER) as client:
            client.hello()
            client.envelope(sender, recipients)
            client.data(b'Subject: scan\r\nMessage-ID: <1@example.net>\r\n\r\ntext\r\n')
            client.command('QUIT', 221)
        done = {'two@example.com': 1, 'nobody@example.com': 1, 'later@example.com': 2}[recipients[-1]]
        self.wanted = getattr(self, 'wanted', 0) + done
        eventually(lambda: len(self.relay.events('attempt')) >= self.wanted, lambda: 'the mail was tried: %s' % [
            json.dumps(event) for event in self.relay.events('attempt')])


@case
def pflogsumm_counts_what_was_sent():
    """Received, delivered, deferred, bounced and rejected are as many as there were, each with its reason and host."""
    if unavailable():
        return unavailable()
    with Workspace() as work:
        day = Day(work)
        for log in day.logs:
            done = subprocess.run(['perl', PFLOGSUMM, '--smtpd-stats', '--verbose-msg-detail', log], text=True,
                                  capture_output=True, timeout=60, check=True)
            totals = dict((name, int(count)) for count, name in re.findall(r'^ +(\d+) +([a-z]+)', done.stdout, re.M))
            # A report of what bounced is a message of its own, that nobody handed in.
            reports = len(day.relay.events('report'))
            equal({name: totals.get(name) for name in ('received', 'bounced', 'rejected')},
                  {'received': 3, 'bounced': 1, 'rejected': 1}, done.stdout)
            equal(totals['delivered'], 3 + reports, done.stdout)
            equal(totals['deferred'], 1, done.stdout)
            for words in ('550 5.1.1 There is nobody of that name', 'Greylisted', 'Relay access denied',
                          'SASL LOGIN authentication failed'):
                check(words in done.stdout, '%s is not in %s', words, done.stdout)
            check(not done.stderr, 'pflogsumm complains: %s', done.stderr)


def banned(log, mode):
    done = subprocess.run(
        ['python3', os.path.join(FAIL2BAN, 'usr/bin/fail2ban-regex'), '-c', os.path.join(FAIL2BAN, 'etc/fail2ban'),
         '--out', 'ip', log, 'postfix[mode=%s]' % mode],
        env={**os.environ, 'PYTHONPATH': os.path.join(FAIL2BAN, 'usr/lib/python3/dist-packages')},
        capture_output=True, text=True, timeout=60)
    equal(done.stderr, '', 'fail2ban-regex complains')
    return set(done.stdout.split())


@case
def fail2ban_finds_who_guesses():
    """The stranger in mode normal, the guesser in mode auth; nobody that they name."""
    if unavailable():
        return unavailable()
    with Workspace() as work:
        day = Day(work)
        for log, (mode, found) in itertools.product(day.logs, (('normal', {STRANGER}), ('auth', {GUESSER}),
                                                                ('aggressive', {STRANGER, GUESSER}))):
            equal(banned(log, mode), found, 'mode ' + mode)


class Everything(Day):
    """A day with all that can become of mail: taken, in parts, put off, given up, refused for good; suppressed, held,
    deleted with and without a word to its sender; a stranger, what is no command, and a handshake that fails."""

    def __init__(self, work):  # noqa: super's is another day
        certificates = Certificates()
        hop = work.own(NextHop(script=lambda stage, session, argument: '451 4.2.1 Not now' if stage == 'RCPT' and (
            'never' in argument) else answer(stage, session, argument)))
        self.work, self.control = work, work.path('control.sock')
        content = work.configuration(
            [hop.host], retry={'first': '200ms', 'max': '1s', 'expire': '3s'}, control={'socket': self.control},
            suppression={'directory': work.path('list')},
            listeners=[{'name': 'lan', 'address': '127.0.0.1:0', 'tls': 'offered'}],
            clients=[{'name': 'printers', 'networks': [PRINTER]}])
        pair = {'certificate': certificates.server, 'private_key': certificates.server_key}
        content['tls'] = {'certificates': [pair]}
        self.relay = work.relay(content)
        done = subprocess.run([program('postrider'), 'suppress', 'add', 'gone@example.com', '--config',
                               work.path('postrider.yaml')], capture_output=True, text=True, timeout=60)
        equal(done.returncode, 0, done.stderr)
        self.relay.told('suppression_read')
        self.mail('one@example.com', 'two@example.com')
        self.mail('three@example.com', 'nobody@example.com')
        self.mail('nobody@example.com')
        self.mail('later@example.com')
        self.mail('never@example.com')
        with Client(self.relay.address, source=PRINTER) as client:
            client.hello()
            client.command('MAIL FROM:<scan@example.net> SIZE=99999999999', 552)
            client.command('MAIL FROM:<scan@example.net>', 250)
            client.command('RCPT TO:<gone@example.com>', 550)
            client.command('RCPT TO:<no address>', 501)
        with Client(self.relay.address, source=STRANGER) as client:
            client.hello()
            client.command('MAIL FROM:<x@example.net>', 250)
            client.command('RCPT TO:<victim@example.com>', 550)
        with Client(self.relay.address, source=GUESSER) as client:
            client.hello()
            client.command('STARTTLS', 220)
            client.send(b'GET / HTTP/1.1\r\n\r\n' * 10)
            while client.line() is not None:
                pass
        self.relay.told('expired')
        self.steer('destination', 'suspend', 'next-hop')
        for recipient, options in (('held@example.com', None), ('away@example.com', ['--yes']),
                                   ('told@example.com', ['--bounce', '--yes', '--reason', 'a test'])):
            identity = self.mail(recipient)
            self.steer(*(['queue', 'hold', identity] if options is None else ['queue', 'delete', identity, *options]))
        self.relay.told('queue_deleted', 2)
        self.relay.told('handshake_failed')
        self.write_logs(work)

    def steer(self, *arguments):
        done = subprocess.run([program('postrider'), *arguments, '--socket', self.control], capture_output=True,
                              text=True, timeout=60)
        equal(done.returncode, 0, '%s: %s' % (arguments, done.stderr))

    def mail(self, *recipients):
        with Client(self.relay.address, source=PRINTER) as client:
            client.hello()
            client.envelope('scan@example.net', recipients)
            return client.data(b'Subject: scan\r\n\r\ntext\r\n')[1].split()[-1]

    def results(self, *wanted):
        """How many recipients ended so, as the events have it."""
        count = 0
        for event in self.relay.events_seen:
            if event['event'] not in ('attempt', 'expired'):
                continue
            for one in event.get('results') or [event]:
                count += one.get('result', 'expired' if event['event'] == 'expired' else None) in wanted
        return count


@case
def pflogsumm_agrees_about_everything():
    """Its figures are those of the events."""
    if unavailable():
        return unavailable()
    with Workspace() as work:
        day = Everything(work)
        done = subprocess.run(['perl', PFLOGSUMM, '--smtpd-stats', '--verbose-msg-detail', day.logs[0]], text=True,
                              capture_output=True, timeout=60, check=True)
        totals = dict((name, int(count)) for count, name in re.findall(r'^ +(\d+) +([a-z]+)', done.stdout, re.M))
        count = day.relay.count
        equal({name: totals[name] for name in ('received', 'delivered', 'bounced', 'rejected', 'connections')},
              {'received': count['accepted'], 'delivered': day.results('delivered'),
               'bounced': day.results('failed', 'expired'), 'rejected': count['refused'],
               'connections': count['session']}, done.stdout)
        equal(int(re.search(r'\((\d+) +deferrals', done.stdout).group(1)), day.results('deferred'), done.stdout)
        # What was meant: figures that agree about nothing would, too.
        equal((totals['received'], totals['bounced'], totals['rejected']), (8, 3, 4), done.stdout)
        with open(day.logs[0], encoding='utf-8') as f:
            lines = f.read().splitlines()
        equal({line.split('[', 1)[1].split(']')[0] for line in lines}, {str(day.relay.pid)}, 'whose lines they are')
        for log in day.logs:
            with open(log, encoding='utf-8') as f:
                lines = f.read().splitlines()
            sent = [line for line in lines if 'status=sent' in line]
            equal([line for line in sent if 'dsn=2' not in line or 'nobody of' in line], [], 'what was sent')
            equal([line for line in lines if 'none said' in line], [], 'what nobody said')
        for mode, found in (('normal', {STRANGER}), ('auth', set()), ('aggressive', {STRANGER})):
            equal(banned(day.logs[0], mode), found, 'mode ' + mode)


if __name__ == '__main__':
    harness.main()
