#!/usr/bin/python3
"""tests/e2e/test_hostile_words.py - what strangers write into every field, and every command that shows it: nothing
of it moves a cursor, changes a colour, turns a line round or breaks JSON."""

import json
import os
import re
import shutil
import subprocess
import sys
import unicodedata

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (ALL_EXTENSIONS, Client, NextHop, Workspace, case, check, eventually, main, program)  # noqa: E402

# Escape sequences by ESC and by one octet (C1), bells, bidi controls, markup, quotes, line ends of other kinds.
WORDS = ('\x1b[31m\x1b]0;title\x07 \u009b2J \u202eevil\u2066 \u200f <script>alert(1)</script> "\\\' \u2028\x7f\x08 '
         '%s%n {}')
OCTETS = WORDS.encode() + b' \xff\xfe\xc0\x80\xed\xa0\x80 \xf8\x88'


def safe(text, what):
    """Nothing but characters that are shown where they stand, and the ends of lines."""
    for character in text:
        bad = character != '\n' and unicodedata.category(character) in ('Cc', 'Cf', 'Zl', 'Zp', 'Cs', 'Co')
        check(not bad, '%s writes %r', what, text[max(0, text.index(character) - 60):text.index(character) + 20])


def shown(work, *arguments, lines=False, stdin=None, **environment):
    """Runs it as it is, and with --json; whatever it answers, it is not a signal."""
    found = None
    for more in ((), ('--json',)):
        done = subprocess.run([program('postrider'), *arguments, *more], input=stdin, capture_output=True, timeout=120,
                              env={**os.environ, **environment})
        what = '%s %s' % (arguments[0], ' '.join(arguments[1:2] + more))
        check(0 <= done.returncode <= 78 and done.returncode != 70, '%s ended with %d: %s', what, done.returncode,
              done.stderr[-300:])
        for octets in done.stdout, done.stderr:
            safe(octets.decode('utf-8', 'strict'), what)
        if more and done.stdout and done.returncode != 64:
            check(max(done.stdout) < 0x7f, '%s has other than ASCII', what)
            found = [json.loads(line) for line in done.stdout.splitlines()] if lines else json.loads(done.stdout)
    return found


def send(relay, content, sender, recipients, parameters=''):
    with Client(relay.address) as client:
        client.hello()
        client.command(('MAIL FROM:<%s>%s' % (sender, parameters)).encode(), 250)
        for recipient in recipients:
            client.command(('RCPT TO:<%s>' % recipient).encode(), 250)
        return re.search(r'queued as (\w+)', str(client.data(content))).group(1)


@case
def every_command():
    """Mail with all of that in sender, recipient, header and the next hop's replies, and all that shows it."""
    refusal = b'450 4.2.0 ' + OCTETS.replace(b'\r', b'').replace(b'\n', b'')[:400]
    with Workspace() as work:
        hop = work.own(NextHop(ALL_EXTENSIONS + ('SMTPUTF8', 'DSN'),
                               script=lambda stage, session, argument: refusal.decode('latin-1')
                               if stage == 'RCPT' else None))
        socket = ('--socket', work.path('control.sock'))
        relay = work.relay(work.configuration(
            [hop.host], control={'socket': work.path('control.sock')}, trace={'detail': 'all'},
            suppression={'directory': work.path('suppressed')},
            retry={'first': '1h', 'factor': 1, 'max': '1h'}))
        config = ('--config', work.path('postrider.yaml'))
        subject = b'Subject: ' + b'\r\n '.join([OCTETS.replace(b'\x00', b'')[:120] * 6] * 1200) + b'\r\n'
        check(len(subject) > 1 << 19, 'a subject of %d octets', len(subject))
        header = b'From: "' + OCTETS + b'" <a@example.net>\r\n' + OCTETS + b': x\r\nMessage-ID: <' + OCTETS + b'>\r\n'
        wide = '"<b>\\"&x\u202e\u009b"@example.net'
        ids = [send(relay, header + subject + b'\r\n' + OCTETS + b'\r\n', wide, ['"<i>%n\u2066"@example.com'],
                    ' SMTPUTF8 BODY=8BITMIME'),
               send(relay, b'Subject: x\r\n\r\n', '"<script>"@example.net', ['"a b%s"@example.com'])]
        relay.told('deferred', 2)
        for arguments in (('status',), ('stats',), ('queue', 'list'), ('queue', 'summary'), ('queue', 'show', *ids),
                          ('queue', 'list', '--error', 'evil'), ('queue', 'list', '--from', WORDS), ('why', 'next-hop'),
                          ('why', WORDS), ('queue', 'hold', *ids, '--reason', WORDS), ('queue', 'release', *ids),
                          ('queue', 'retry', *ids), ('queue', 'retry', WORDS), ('queue', 'show', WORDS),
                          ('destination', 'suspend', 'next-hop', '--reason', WORDS), ('destination', 'list'),
                          ('destination', 'resume', WORDS), ('destination', 'resume', 'next-hop'),
                          ('queue', 'export', '--directory', work.path('out'))):
            shown(work, *arguments, *socket)
        eventually(lambda: len(shown(work, 'trace', *config, lines=True) or ()) >= 2, 'both are in the trace')
        for arguments in (('trace', ids[0]), ('trace', '--sender', wide), ('report',), ('trace', '--client', WORDS),
                          ('suppress', 'add', 'x@example.com', '--note', WORDS), ('suppress', 'add', WORDS),
                          ('suppress', 'list'), ('route', WORDS), ('route', '"<b>\u202e"@example.com'),
                          ('explain', WORDS), ('explain', refusal.decode('utf-8', 'replace')), ('presets', WORDS),
                          ('device', 'show', WORDS)):
            shown(work, *arguments, *(() if arguments[0] in ('presets', 'explain') else config),
                  lines=arguments[0] in ('trace', 'suppress'))
        shown(work, 'doctor', *config, 'next-hop', '--send', 'someone@example.com')
        shown(work, 'probe', hop.host, '--plain')
        events = '\n'.join(relay.lines).encode()
        done = subprocess.run([program('postrider'), 'log', '--format', 'postfix', '-'], input=events,
                              capture_output=True, timeout=120)
        check(done.returncode == 0, 'log: %s', done.stderr)
        safe(done.stdout.decode('utf-8', 'strict'), 'log')
        os.symlink(program('postrider'), work.path('mailq'))
        done = subprocess.run([work.path('mailq')], capture_output=True, timeout=120,
                              env={**os.environ, 'POSTRIDER_SOCKET': socket[1]})
        check(done.returncode == 0, 'mailq: %s', done.stderr)
        safe(done.stdout.decode('utf-8', 'strict'), 'mailq')
        shown(work, 'queue', 'import', work.path('out'), '--relay', relay.target)
        shown(work, 'queue', 'delete', *ids, '--bounce', '--reason', WORDS, '--yes', *socket)
        relay.terminate()
        shown(work, 'spool', 'check', work.path('spool'), lines=True)


# What a command line or a script may be made to say: the octets of a name of a file as well.
HOSTILE = OCTETS.replace(b'\x00', b'').replace(b'\n', b' ')
NAME = HOSTILE.replace(b'/', b'_')[:120]
COMMANDS = ('run', 'check', 'reload', 'status', 'stats', 'why', 'top', 'incidents', 'queue', 'destination', 'spool',
            'doctor', 'probe', 'explain', 'presets', 'device', 'hash', 'credentials', 'setup', 'import', 'trace',
            'route', 'report', 'log', 'sendmail', 'mailq', 'suppress', 'page', HOSTILE)


def rows_of(work):
    """(arguments, what is to be in the answer: so it is that sentence, and not another's)"""
    file, there, spool = (os.path.join(os.fsencode(work.directory), kind + NAME) for kind in (b'f', b'd', b's'))
    with open(file, 'wb') as f:
        f.write(HOSTILE + b': [' + HOSTILE + b'\n')
    os.mkdir(there)
    shutil.copytree(os.fsencode(work.path('spool')), spool)
    right = os.fsencode(work.path('postrider.yaml'))
    for command in COMMANDS:
        for arguments in ([b'--' + HOSTILE], [b'-' + HOSTILE], [HOSTILE], [b'--config', HOSTILE],
                          [b'--config', file], [b'--config', there], [b'--socket', HOSTILE], [b'--file', HOSTILE],
                          [b'--file', file]):
            yield [command] + arguments, None
    quoted = b'[31m'
    yield ['check', '--config', HOSTILE], quoted
    yield ['check', '--config', file], quoted
    yield ['trace', '--file', HOSTILE], quoted
    yield ['trace', '--file', file], quoted
    yield ['report', '--since', '1h', '--file', file], quoted
    yield ['spool', 'check', HOSTILE], quoted
    yield ['spool', 'check', there], None
    yield ['spool', 'check', spool], None
    yield ['spool', 'export', spool, '--to', os.path.join(there, NAME)], quoted
    yield ['spool', 'export', spool, '--to', file], quoted
    yield ['import', 'postfix', HOSTILE, '--directory', there], quoted
    yield ['import', 'iis-smtp', file, '--directory', HOSTILE], quoted
    yield ['queue', 'import', there, '--relay', HOSTILE], None
    yield ['queue', 'import', HOSTILE], quoted
    yield ['queue', 'list', '--socket', HOSTILE], quoted
    yield ['log', '--format', 'postfix', HOSTILE], quoted
    yield ['log', '--format', HOSTILE], None
    yield ['explain', '--stage', HOSTILE, '550 no'], None
    yield ['explain', '--config', file, '550 no'], quoted
    for value in b'status', b'rotate', b'sign-in':
        yield ['credentials', value, '--config', HOSTILE], quoted
        yield ['credentials', value, '--config', right, HOSTILE], None
    for option in b'tenant', b'hostname', b'domain', b'sender', b'directory', b'client-id', b'mailbox':
        yield ['setup', 'office365', b'--' + option, HOSTILE], None
    yield ['setup', 'office365', HOSTILE], None
    for option in b'address', b'user', b'profile', b'place', b'owner', b'from':
        yield ['device', 'add', 'printer', b'--' + option, HOSTILE, '--config', right], None
    for verb in b'add', b'remove', b'show':
        yield ['device', verb, HOSTILE, '--config', right], None
    yield ['suppress', 'import', HOSTILE, '--config', right], None
    yield ['hash', HOSTILE], None


@case
def command_lines():
    """Arguments, names of files and what stands in them, in every sentence: also where getopt() says it."""
    with Workspace() as work:
        hop = work.own(NextHop())
        work.relay(work.configuration([hop.host])).terminate()
        environment = {**os.environ, 'POSTRIDER_RELAY': '127.0.0.1:1'}
        for arguments, wanted in rows_of(work):
            done = subprocess.run([program('postrider'), *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=120, cwd=work.directory, env=environment)
            what = b' '.join(map(os.fsencode, arguments)).decode('ascii', 'backslashreplace')
            check(0 <= done.returncode <= 78, '%s ended with %d: %s', what, done.returncode, done.stderr[-300:])
            for octets in done.stdout, done.stderr:
                safe(octets.decode('utf-8', 'strict').replace('\t', ' '), what)
            check(wanted is None or wanted in done.stdout + done.stderr, '%s says %s', what, done.stderr[-300:])


@case
def characters_in_pieces():
    """A character that comes in two pieces is one, and what is none by itself is written as such."""
    for name in 'ä' * 3000, 'x' + '邮' * 2900, 'xy' + '𝄞' * 2000:
        done = subprocess.run([program('postrider'), 'status', '--' + name], capture_output=True, timeout=120)
        said = done.stderr.decode('utf-8', 'strict')
        check(name in said and '\\x' not in said, 'a character was taken to pieces: %s', ascii(said[-200:]))


main()
