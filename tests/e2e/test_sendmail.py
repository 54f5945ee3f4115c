#!/usr/bin/python3
"""tests/e2e/test_sendmail.py - the program by the names of sendmail and mailq: as cron, PHP, mutt, git and others call
it."""

import os
import re
import shlex
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (ALL_EXTENSIONS, NextHop, Workspace, case, check, equal, eventually, free_port, main,  # noqa: E402
                     program)


class Host:
    """A machine whose sendmail is ours, with a relay (or none) and a next hop."""

    def __init__(self, work, relay=True, script=None, **changes):
        self.work = work
        self.hop = work.own(NextHop(ALL_EXTENSIONS + ('DSN', 'SMTPUTF8'), script=script))
        self.sendmail, self.mailq = work.path('sendmail'), work.path('mailq')
        for name in self.sendmail, self.mailq:
            os.symlink(program('postrider'), name)
        changes.setdefault('control', {'socket': work.path('control.sock')})
        self.relay = work.relay(work.configuration([self.hop.host], **changes)) if relay else None
        work.write('aliases', '# who is who\nroot: admin,\n\tsecond@example.com\nadmin: "Ad Min" <admin@example.com>\n'
                              'loop: loop\nrun: "|/bin/touch %s"\nfile: %s\n'
                   % (work.path('ran'), work.path('written')))
        self.environment = {**os.environ, 'POSTRIDER_ALIASES': work.path('aliases'),
                            'POSTRIDER_SOCKET': work.path('control.sock'),
                            'POSTRIDER_RELAY': self.relay.target if relay else '127.0.0.1:%d' % free_port()}

    def run(self, arguments, text='', status=0, name='sendmail', **environment):
        """(output, standard error) of a command line as a shell has it."""
        text = text.encode() if isinstance(text, str) else text
        done = subprocess.run([self.work.path(name), *shlex.split(arguments)], input=text, capture_output=True,
                              timeout=120, env={**self.environment, **environment})
        equal(done.returncode, status, 'exit status of %s %s: %s' % (name, arguments, done.stderr))
        check(b'\x1b' not in done.stderr + done.stdout, 'an escape sequence: %s', done.stderr)
        return done.stdout.decode(), done.stderr.decode()

    def sent(self, arguments, text, **options):
        """The one message that comes of it: (sender, recipients, content without our trace, RCPT and MAIL)."""
        before = len(self.hop.arrivals)
        self.run(arguments, text, **options)
        eventually(lambda: len(self.hop.arrivals) > before, 'it arrives')
        one = self.hop.arrivals[before]
        return one.sender, list(one.recipients), one.original.decode(), b'\n'.join(one.session.commands)


@case
def callers():
    """Command lines and messages as the programs that call sendmail have them."""
    with Workspace() as work:
        host = Host(work)
        # cron: a name without a domain, options that other sendmails have
        sender, to, content, _ = host.sent('-FCronDaemon -i -B8BITMIME -oem root',
                                           'From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> true\n\n'
                                           '.\nout\n')
        equal(sorted(to), ['admin@example.com', 'second@example.com'], 'who root is')
        check(content.endswith('\r\n\r\n.\r\nout\r\n'), 'with -i a dot is a line: %r', content)
        check(re.search('^Date: .*[+-][0-9]{4}\r$', content, re.M), 'a date: %r', content)
        check('Message-ID: <' in content, 'an id: %r', content)
        # PHP's mail(): -t -i, LF and CRLF in one header, Bcc, and what a form was made to inject
        options = '-t -i -fwww@example.net -X%s -C/etc/shadow -OQueueDirectory=/tmp' % work.path('x')
        _, to, content, _ = host.sent(options, 'To: a@example.com\nSubject: hi\rBcc: victim@example.com\n'
                                               'BCC: b@example.com,\n "Smith, C (x)" <c@example.com>\n'
                                               'From: w@example.net\r\nCc : d@example.com\n\nhi\n')
        equal(sorted(to), ['a@example.com', 'b@example.com', 'c@example.com', 'd@example.com'], 'of the header')
        check('b@example.com' not in content and 'c@example.com' not in content, 'Bcc is told: %s', content)
        check('Subject: hi Bcc: victim@example.com\r\n' in content, 'a CR begins no field: %r', content)
        check(not os.path.exists(work.path('x')), '-X wrote a file')
        # mutt: no -t, the sender apart, recipients behind --
        sender, to, _, said = host.sent('-oem -oi -N delay,failure -R full -V id42 -f me@example.net -- a@example.com '
                                        'b@example.com', 'From: Me <me@example.net>\nTo: a@example.com\n\nx\n')
        equal((sender, to), ('me@example.net', ['a@example.com', 'b@example.com']), 'the envelope')
        for part in b'RET=FULL', b'ENVID=id42', b'NOTIFY=FAILURE,DELAY':
            check(part in said, '%s was not said: %s', part, said)
        # git send-email: -i and recipients; lines of a patch that are dots
        _, _, content, _ = host.sent('-i a@example.com',
                                     'From: d@example.net\nSubject: [PATCH]\n\n..\n.\n.x\n-- \n2.39\n')
        check(content.endswith('\r\n\r\n..\r\n.\r\n.x\r\n-- \r\n2.39\r\n'), 'a patch: %r', content)
        # logcheck, mailx: a dot ends it without -i
        _, _, content, _ = host.sent('a@example.com', 'Subject: s\n\nbefore\n.\nbehind\n')
        check(content.endswith('before\r\n') and 'To: undisclosed-recipients:;\r\n' in content, 'a dot: %r', content)
        # nobody as the sender; a message without a header; a name and no domain
        sender, _, content, _ = host.sent("-f '<>' a@example.com", 'just text: and more of it\nsecond\n')
        equal(sender, '', 'nobody')
        sender, _, content, _ = host.sent("-f me@example.net -F 'Quo\"ted \\ N\u00e4me' -i a@example.com",
                                          '\nno header\n'.encode())
        check('From: "Quo\\"ted \\\\ N\u00e4me" <me@example.net>\r\n' in content, 'a name: %r', content)
        # Addresses that others write
        _, to, _, _ = host.sent('-t', 'To: team: e@example.com (a, b), <@old.example,@b:f@example.com>;,\n'
                                      ' "g,h"@example.com, i@[192.0.2.1],,\nCc: e@example.com\n\nx\n')
        equal(sorted(to), ['"g,h"@example.com', 'e@example.com', 'f@example.com', 'i@[192.0.2.1]'], 'addresses')
        _, to, _, _ = host.sent('-t', 'To: old@example.com\nResent-To: new@example.com\n'
                                      'Resent-Bcc: x@example.com\n\nx\n')
        equal(sorted(to), ['new@example.com', 'x@example.com'], 'sent once more')
        # A program, a file and itself are nobody
        _, to, _, _ = host.sent('run file loop', 'Subject: s\n\nx\n')
        check(all('@' in one for one in to) and not os.path.exists(work.path('ran')), 'an alias was run: %s', to)
        _, to, _, _ = host.sent('-i j@example.com', b'Subject: s\n\n' + b'x' * 900 + b'\n' + b'line\r\n' * 500000)


@case
def troubles_of_others():
    """What users of other programs of the name have reported: none of it is so here."""
    with Workspace() as work:
        host = Host(work)
        me = '-f me@example.net '
        # Nobody but Bcc, behind a group without members
        _, to, content, _ = host.sent(me + '-t', 'Bcc: joe@example.org\nTo: undisclosed-recipients:;\n\nx\n')
        equal(to, ['joe@example.org'], 'Bcc alone')
        check('joe@' not in content and content.count('To:') == 1, 'Bcc alone: %r', content)
        # A list on several lines, also between a name and its address
        _, to, _, _ = host.sent(me + '-t', 'To: "to1" <to1@example.com>,\n "to2"\n <to2@example.com>\n\nx\n')
        equal(to, ['to1@example.com', 'to2@example.com'], 'a list that is folded')
        # Lines that end in CRLF already
        _, _, content, _ = host.sent(me + '-t -i', 'To: a@example.com\r\nSubject: s\r\n\r\none\r\n\r\ntwo\r\n')
        check(content.endswith('\r\n\r\none\r\n\r\ntwo\r\n') and '\r\r' not in content, 'CRLF: %r', content)
        # A header that is no good does not matter where the recipients are named
        _, to, content, _ = host.sent(me + 'a@example.com', 'To: foo: bar, baz <<\nBcc: c@example.com\n\nx\n')
        equal(to, ['a@example.com'], 'named')
        check('To: foo: bar, baz <<\r\n' in content and 'c@example.com' not in content, 'as it is: %r', content)
        # Named and in the header: once
        _, to, _, _ = host.sent(me + '-t a@example.com', 'To: a@example.com, b@example.com\n\nx\n')
        equal(to, ['a@example.com', 'b@example.com'], 'both')
        # Dots that the caller has doubled are two; an empty message is one
        _, _, content, _ = host.sent(me + '-i a@example.com', 'Subject: s\n\nhttp://example=\n..html\n')
        check(content.endswith('=\r\n..html\r\n'), 'dots: %r', content)
        _, _, content, _ = host.sent(me + 'a@example.com', '')
        check(content.endswith('\r\n\r\n'), 'nothing: %r', content)
        # A thousand on one line; the relay sends them on in parts
        many, before = ['r%04d@example.com' % i for i in range(1000)], len(host.hop.arrivals)
        host.run(me + '-t', 'To: %s\n\nx\n' % ','.join(many))
        eventually(lambda: sum(len(one.recipients) for one in host.hop.arrivals[before:]) >= 1000, 'a thousand')
        equal(sorted(to for one in host.hop.arrivals[before:] for to in one.recipients), many, 'each once')


@case
def refusals():
    """What it says and answers where nothing is sent: sysexits(3)."""
    with Workspace() as work:
        host = Host(work, limits={'errors_per_session': 1000}, spool={'message_size_max': '1MiB'},
                    clients=[{'name': 'local', 'networks': ['127.0.0.0/8'], 'allowed_senders': ['*@example.net']}])
        me = '-f me@example.net '
        check('no recipients' in host.run(me + '-i', 'x\n', 64)[1], 'nobody')
        check('names no recipients' in host.run(me + '-t', 'Subject: x\n\nx\n', 64)[1], 'nobody in the header')
        check('is no address' in host.run(me + "a@example.com 'b@exa mple.com;c@@d'", 'x\n', 65)[1], 'no address')
        check('is no address' in host.run(me + '-t', 'To: a@example.com\x1b[31m\n\nx\n', 65)[1], 'an escape sequence')
        host.run(me + '-t', b'To: ' + b'(' * 100000 + b'\n\nx\n', 64)
        host.run('-N sometimes a@example.com', 'x\n', 64)
        host.run('-R all a@example.com', 'x\n', 64)
        host.run("-V 'a b' a@example.com", 'x\n', 64)
        host.run('-bd', '', 64)
        host.run('-Z', '', 64)
        check('nobody gets it' in host.run('-f me@example.org a@example.com', 'x\n', 69)[1], 'a sender who may not')
        check('552' in host.run(me + 'a@example.com', 'x' * 70 + '\n' + 'line\n' * 400000, 69)[1], 'too large')
        # For ever, so it is not tried again; and many are compared in no time.
        many = ','.join('r%06d@example.com' % i for i in range(100000))
        check('more than 65535' in host.run(me + '-t', 'To: %s\n\nx\n' % many, 69)[1], 'more than there may be')
        said = host.run(me + '-t', 'To: %s\n\nx\n' % many[:1001 * 20], 69)[1]
        check('1001 recipients' in said and 'for 1000 at most' in said, 'more than the relay takes: %s', said)
        host.run('-bi', '')
        host.run('-q15m', '')
        equal(len(host.hop.arrivals), 0, 'arrivals')
        down = {'POSTRIDER_RELAY': '127.0.0.1:%d' % free_port()}
        # Not 75, of which PHP says that the mail is on its way: it is kept nowhere.
        said = host.run(me + 'a@example.com', 'x\n', 71, **down)[1]
        check('was not sent' in said and 'is postrider running' in said, 'the relay is down: %s', said)
        check(host.run('-bs', 'EHLO me\r\n', 71, **down)[0].startswith('421 '), '-bs without a relay')
        host.run(me + 'a@example.com', 'x\n', 78, POSTRIDER_RELAY='localhost')
        host.run('-bs', 'QUIT\r\n' + 'x' * (8 << 20))  # what is written behind the end is no signal
        out = host.run('-bs', 'EHLO me\r\nMAIL FROM:<me@example.net>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n'
                              'Subject: bs\r\n\r\nx\r\n.\r\nQUIT\r\n')[0]
        equal(re.findall('^([0-9]{3}) ', out, re.M), ['220', '250', '250', '250', '354', '250', '221'], '-bs')
        eventually(lambda: len(host.hop.arrivals) == 1, 'by -bs')


def answered(host, replies):
    """(exit status, what it says, the lines that came) of a relay that answers its commands so, and then ends."""
    came = []
    with socket.create_server(('127.0.0.1', 0)) as listener:
        one = subprocess.Popen([host.sendmail, 'a@example.com'], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**host.environment, 'POSTRIDER_RELAY': '127.0.0.1:%d' % listener.getsockname()[1]})
        one.stdin.write(b'Subject: x\n\nMAIL FROM:<smuggled@example.com>\n')
        one.stdin.close()
        listener.settimeout(60)
        with listener.accept()[0] as peer, peer.makefile('rwb', 0) as lines:
            peer.settimeout(60)
            lines.write(b'220 here\r\n')
            for reply in replies:
                line = lines.readline()
                while came[-1:] == [b'DATA\r\n'] and line not in (b'.\r\n', b''):
                    line = lines.readline()
                came.append(line)
                check(line, 'it ended before %s', reply)
                lines.write(reply + b'\r\n')
            while came[-1] == b'DATA\r\n' and line not in (b'.\r\n', b''):
                line = lines.readline()
                came.append(line)
        return one.wait(60), one.stderr.read(), came


@case
def last_word():
    """A relay that ends the connection instead of the last word: 71, and that it is not known."""
    with Workspace() as work:
        host = Host(work, relay=False)
        good = [b'250 relay', b'250 ok', b'250 ok', b'354 go']
        code, said, _ = answered(host, good)
        equal(code, 71, 'exit status')
        check(b'is not known' in said, 'no sentence: %s', said)


@case
def replies_out_of_turn():
    """250 to DATA begins no content, which would be commands then; 354 to its end is no promise."""
    with Workspace() as work:
        host = Host(work, relay=False)
        code, said, came = answered(host, [b'250 relay', b'250 ok', b'250 ok', b'250 ok'])
        equal((code, came[-1]), (71, b''), 'it goes on: %s' % came)
        check(b'250 where 3xx is due' in said and b'was not sent' in said, 'what it says: %s', said)
        code, said, came = answered(host, [b'250 relay', b'354 ok'])
        equal(code, 71, 'a command')
        check(b'354 where 2xx is due' in said and b'was not sent' in said, 'what it says: %s', said)
        code, said, came = answered(host, [b'250 relay', b'250 ok', b'250 ok', b'354 go', b'354 go on'])
        equal(code, 71, 'the end')
        check(b'354 where 2xx is due' in said and b'is not known' in said, 'what it says: %s', said)


@case
def names():
    """A name keeps its characters whole where it is cut, and its comma where it was given as a name."""
    with Workspace() as work:
        host = Host(work)
        for name, wanted in (('ä' * 150, '"' + 'ä' * 99 + '" <'), ('x' + '邮' * 100, '"x' + '邮' * 66 + '" <'),
                             ('Doe, J "x"', '"Doe, J \\"x\\"" <')):
            content = host.sent('-F %s -f me@example.net a@example.com' % shlex.quote(name), 'Subject: x\n\nx\n')[2]
            check('From: ' + wanted in content, 'the name %s: %s', name, ascii(content[:600]))


@case
def long_lines():
    """What no line may hold goes on in the next, and arrives."""
    with Workspace() as work:
        host = Host(work)
        content = host.sent('-f me@example.net a@example.com', 'Subject: x\n\n' + 'word ' * 1000 + '\nend\n')[2]
        check(max(map(len, content.split('\r\n'))) <= 998, 'a line is too long')
        check('word ' * 1000 + 'end' in content.replace('\r\n', ''), 'something is gone')


@case
def mailq():
    """As Postfix shows it, so that check_mailq and scripts read it; strangers' names move no cursor."""
    with Workspace() as work:
        host = Host(work, script=lambda stage, session, argument: '450 4.2.0 full\x1b[2J' if stage == 'RCPT' else None,
                    retry={'first': '1h', 'factor': 1, 'max': '1h'})
        equal(host.run('', name='mailq')[0], 'Mail queue is empty\n', 'nothing')
        host.run("-f me@example.net a@example.com b@example.com", 'Subject: x\n\nx\n')
        host.run("-f '<>' a@example.com", 'Subject: x\n\nx\n')
        host.relay.told('deferred', 2)
        for name, arguments in ('mailq', ''), ('sendmail', '-bp'):
            out = host.run(arguments, name=name)[0]
            check(re.search(r'^-- \d+ Kbytes in 2 Requests\.$', out.splitlines()[-1]), 'the last line: %s', out)
            rows = re.findall(r'^([0-9A-Z]{26})[ *!] +(\d+) (\w{3} \w{3} [ \d]\d [\d:]{8})  (\S+)$', out, re.M)
            equal(sorted(row[3] for row in rows), ['MAILER-DAEMON', 'me@example.net'], 'senders: %s' % out)
            equal(len(re.findall('^ +[ab]@example.com$', out, re.M)), 3, 'recipients')
            check('(' in out and '4.2.0 full' in out, 'the reply: %s', out)
        host.relay.terminate()
        host.run('', status=69, name='mailq')


main(together=2)
