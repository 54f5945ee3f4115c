#!/usr/bin/python3
"""tests/e2e/test_trace.py - the trace: what became of mail is found by each of its keys, while the relay runs and after
it was killed; what is wrong with its file stops no mail; text of strangers is safe to look at."""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, eventually, program  # noqa: E402

HOSTILE = '\x1b[31mred\x9b2J\u202e\r\n{"event":"x"}'


def equal(got, wanted, what='what was found'):
    harness.equal(got, wanted, what)


def answer(stage, session, argument):
    if stage == 'RCPT' and 'nobody' in argument:
        return '550 5.1.1 There is nobody of that name'
    if stage == 'RCPT' and 'later' in argument and not getattr(session.server, 'late', False):
        session.server.late = True
        return '451 4.7.1 Greylisted, come back'
    if stage == 'RCPT' and 'blocked' in argument:
        return '554 5.7.1 Message blocked using a spamhaus list'
    if stage == 'RCPT' and 'hostile' in argument:
        return '550 5.7.1 \x1b]0;title\x07\x1b[2J' + 'x' * 400
    return None


def configuration(work, hop, **changes):
    return work.configuration([hop.host], **{'clients': [{'name': 'printers', 'networks': ['127.0.0.2']},
                                                         {'name': 'apps', 'networks': ['127.0.0.3']}], **changes})


def send(relay, recipients, sender='scan@example.net', source='127.0.0.2', header=b''):
    with Client(relay.address, source=source) as client:
        client.hello()
        client.envelope(sender, recipients)
        text = client.data(header + b'Subject: scan\r\nMessage-ID: <1@example.net>\r\n\r\ntext\r\n')[1]
        return re.search('[0-9A-Z]{26}', text).group()


def run(command, work, *arguments, status=0, file='postrider.yaml', text=True):
    done = subprocess.run([program('postrider'), command, *arguments, '--config', work.path(file)],
                          capture_output=True, timeout=60, text=text)
    if status is not None:
        equal(done.returncode, status, '%s %s: %s' % (command, ' '.join(arguments), done.stderr))
    return done.stdout


def found(work, *arguments, **options):
    return [json.loads(line) for line in run('trace', work, '--json', *arguments, status=None,
                                             **options).splitlines()]


def traced(work, identity, until=lambda one: True, **options):
    """The message of that id, when it is in the trace and looks as wanted."""
    eventually(lambda: any(until(one) for one in found(work, identity, **options)),
               lambda: '%s is in the trace: %s' % (identity, found(work, identity, **options)))
    return found(work, identity, **options)[0]


def results(one):
    return {r['recipient']: r['result'] for r in one['recipients']}


@case
def found_by_each_key():
    """Sent, put off and then sent, refused by the host, refused to the client: each has its life in order, with the
    host's words and what they mean, by its id, client, sender, recipient, destination, result and time."""
    with Workspace() as work:
        hop = work.own(NextHop(script=answer))
        relay = work.relay(configuration(work, hop))
        good = send(relay, ['one@example.com', 'two@example.com'])
        late = send(relay, ['later@example.com'], sender='', source='127.0.0.3')
        bad = send(relay, ['nobody@example.com'])
        with Client(relay.address, source='127.0.0.66') as client:
            client.hello()
            client.command('MAIL FROM:<stranger@example.org>', 250)
            client.command('RCPT TO:<victim@example.com>', 550)
        one = traced(work, good, lambda one: set(results(one).values()) == {'delivered'} and len(results(one)) == 2)
        equal((one['client'], one['peer'], one['sender'], one['recipient_count'], one['message_id']),
              ('printers', '127.0.0.2', 'scan@example.net', 2, '<1@example.net>'))
        equal([(s['event'], s['result'], s['host'], s['attempt']) for s in one['steps']],
              [('attempt', 'delivered', hop.host, 1)])
        one = traced(work, late, lambda one: results(one) == {'later@example.com': 'delivered'})
        equal([(s['event'], s['result']) for s in one['steps']],
              [('attempt', 'deferred'), ('deferred', 'deferred'), ('attempt', 'delivered')])
        check(one['steps'][0]['reply'] == '4.7.1 Greylisted, come back' and one['steps'][0]['code'] == 451,
              'the host said: %s', one['steps'][0])
        one = traced(work, bad, lambda one: results(one) == {'nobody@example.com': 'failed'})
        held = send(relay, ['blocked@example.com'], source='127.0.0.3', sender='app@example.net')
        one = traced(work, held, lambda one: results(one) == {'blocked@example.com': 'held'})
        check('block list' in one['steps'][0]['problem'], 'what it means is not said: %s', one['steps'][0])

        for arguments, expected in (
                (['--client', 'apps'], {late, held}), (['--client', 'nobody'], set()),
                (['--sender', 'SCAN@example.net'], {good, bad}), (['--sender', ''], {late}),
                (['--recipient', 'Two@Example.com'], {good}), (['--recipient', 'three@example.com'], set()),
                (['--result', 'failed'], {bad}), (['--destination', 'next-hop', '--client', 'apps'], {late, held}),
                (['--since', '1h', '--sender', 'scan@example.net', '--result', 'delivered'], {good}),
                (['--result', 'held', '--client', 'printers'], set()), (['--until', '1h'], set()),
                (['--client', 'printers', '--limit', '1'], {bad})):
            equal({one['id'] for one in found(work, *arguments)}, expected, 'by %s' % arguments)
        refused = found(work, '--result', 'refused')
        equal([(one['kind'], one['peer'], one['sender'], results(one)) for one in refused],
              [('refused', '127.0.0.66', 'stranger@example.org', {'victim@example.com': 'refused'})])
        equal(found(work, '--sender', 'stranger@example.org'), refused)
        run('trace', work, '--client', 'nobody', status=1)
        for arguments, said in (('--client', 'nobody'), 'has nothing that fits'), (('0' * 26,), 'no message of this'):
            done = subprocess.run([program('postrider'), 'trace', *arguments, '--config', work.path('postrider.yaml')],
                                  capture_output=True, text=True, timeout=60)
            check(done.returncode == 1 and said in done.stderr, 'nothing is found: %s', done.stderr)
        run('trace', work, 'XYZ', status=64)
        run('trace', work, '--result', 'sent', status=64)
        notice = relay.events('report')[0]['id']
        equal(traced(work, notice, lambda one: results(one) == {'scan@example.net': 'delivered'})['kind'], 'report')
        report = json.loads(run('report', work, '--json'))
        equal((report['messages'], report['recipients'], report['refused']), (4, 5, 1))
        equal([(d['destination'], d['recipients'], d['delivered'], d['failed'], d['held'])
               for d in report['destinations']], [('next-hop', 6, 4, 1, 1)],
              'with the report to the sender of what failed')
        equal({c['client']: (c['messages'], c['refused']) for c in report['clients']},
              {'printers': (2, 0), 'apps': (2, 0), '': (0, 1)})
        equal(report['slowest'][0]['id'], late)
        check(any('block list' in e['problem'] for e in report['errors']), 'errors by sentence: %s', report['errors'])
        text = run('report', work, '--since', '1h')
        check('4 messages' in text and max(map(len, text.splitlines())) <= 100, 'the report: %s', text)
        run('report', work, '--until', '1h', '--since', '2h', status=1)
        run('report', work, '--since', 'never', status=64)
        text = run('trace', work, late)
        for words in (late, 'attempt 1 at %s: deferred' % hop.host, 'Greylisted', 'attempt 2'):
            check(words in text, '%s is not in %s', words, text)
        relay.terminate()
        # The file alone.
        equal(traced(work, late)['id'], late)


def log_lines(work, *arguments, status=0):
    done = subprocess.run([program('postrider'), 'log', '--format', 'postfix', '--hostname', 'relay', *arguments],
                          capture_output=True, text=True, timeout=60, check=False)
    equal(done.returncode, status, 'exit status, with %s' % done.stderr)
    return done.stdout.splitlines()


@case
def the_trace_as_lines_of_postfix():
    """Whoever has the trace alone gets the lines that the events make: who sent, how large, and each recipient with his
    result and the host's words, in the order of time; connections are not in it."""
    with Workspace() as work:
        hop = work.own(NextHop(script=answer))
        relay = work.relay(configuration(work, hop))
        sent = [send(relay, ['one@example.com', 'two@example.com', 'nobody@example.com']),
                send(relay, ['later@example.com'], sender='', source='127.0.0.3'), send(relay, ['nobody@example.com'])]
        with Client(relay.address, source='127.0.0.66') as client:
            client.hello()
            client.command('MAIL FROM:<stranger@example.org>', 250)
            client.command('RCPT TO:<victim@example.com>', 550)
        traced(work, sent[0], lambda one: results(one) == {'one@example.com': 'delivered',
                                                           'two@example.com': 'delivered',
                                                           'nobody@example.com': 'failed'})
        traced(work, sent[1], lambda one: results(one) == {'later@example.com': 'delivered'})
        traced(work, sent[2], lambda one: results(one) == {'nobody@example.com': 'failed'})
        reports = ('--recipient', 'scan@example.net', '--result', 'delivered')
        eventually(lambda: len(found(work, *reports)) == 2,
                   lambda: 'both reports were delivered: %s' % found(work, *reports[:2]))
        relay.stop()
        work.write('events', '\n'.join(relay.lines) + '\n')

        def told(lines):
            """Without times, which the trace has of the message and not of its event, and without connections."""
            words = [re.sub(r'delay=[^ ]* delays=[^ ]* ', '', line[16:]) for line in lines]
            return sorted(re.sub(r'smtpd\[\d+\]', 'smtpd', re.sub(r'(\w+)\[\d+\]: ', r'\1: ', line)) for line in words
                          if ' connect from ' not in line and 'disconnect from ' not in line)

        lines = log_lines(work, '--config', work.path('postrider.yaml'))
        equal(told(lines), told(log_lines(work, work.path('events'))), 'of the trace')
        equal(log_lines(work, work.path('spool/trace.db')), lines, 'by the name of the file')
        stamps = [line[:15] for line in lines]
        equal(stamps, sorted(stamps), 'the order of time')
        equal(len([line for line in lines if 'status=' in line and sent[0] in line]), 3, 'of three recipients')
        equal(log_lines(work, '--config', work.path('postrider.yaml'), '--until', '1h', status=1), [], 'of an hour ago')
        equal(len(log_lines(work, '--config', work.path('postrider.yaml'), '--since', '1h')), len(lines), 'since then')


@case
def text_of_strangers_is_safe():
    """Escape sequences, marks that turn the direction and line ends in senders, recipients, Message-ID and replies: the
    terminal sees none of them, lines have 100 columns, and JSON has what was there."""
    with Workspace() as work:
        hop = work.own(NextHop(script=answer))
        relay = work.relay(configuration(work, hop))
        header = ('Message-ID: <%s@x>\r\n' % HOSTILE.replace('\r\n', '')).encode()
        identity = send(relay, ['"hostile\x1b[5m"@example.com'.replace('\x1b', '')], sender='"a b<x>"@example.net',
                        header=header)
        traced(work, identity, lambda one: 'failed' in results(one).values())
        text = run('trace', work, identity)
        for line in text.splitlines():
            check(len(line) <= 100, 'a line of %d columns: %s', len(line), line)
            bad = [c for c in line if ord(c) < 32 or 127 <= ord(c) < 160 or c == '\u202e']
            check(not bad, 'the terminal gets %s', bad)
        check(']0;title?' in text, 'what the host said is shown: %s', text)
        one = found(work, identity)[0]
        check('\x1b]0;title\x07' in one['steps'][0]['reply'], 'what the host said is kept: %s', one['steps'])
        relay.terminate()


@case
def after_a_crash():
    """Killed at any moment the file is whole: all that was in it is there, and the next process goes on."""
    with Workspace() as work:
        hop = work.own(NextHop(script=answer))
        content = configuration(work, hop)
        first = []
        for _ in range(3):
            relay = work.relay(content)
            ids = [send(relay, ['one@example.com']) for _ in range(20)]
            traced(work, ids[0])
            relay.kill()
            first.append(ids[0])
            for identity in first:
                equal([one['id'] for one in found(work, identity)], [identity])
        check(not os.path.exists(work.path('spool', 'trace.db.damaged')), 'nothing was damaged')
        equal(sqlite3.connect(work.path('spool', 'trace.db')).execute('PRAGMA integrity_check').fetchall(), [('ok',)])


@case
def a_damaged_file_is_set_aside():
    """A trace that is not whole is told, kept beside, and begun anew; mail flows."""
    with Workspace() as work:
        hop = work.own(NextHop(script=answer))
        relay = work.relay(configuration(work, hop))
        traced(work, send(relay, ['one@example.com']))
        relay.terminate()
        work.write('spool/trace.db', b'this is no trace\n' * 1000)
        relay = work.relay(configuration(work, hop))
        identity = send(relay, ['one@example.com'])
        traced(work, identity)
        equal([event['kept'] for event in relay.events('trace_damaged')], [work.path('spool/trace.db.damaged')])
        relay.terminate()
        # Pages of a real one.
        with open(work.path('spool/trace.db'), 'r+b') as f:
            f.seek(4096)
            f.write(os.urandom(os.path.getsize(work.path('spool/trace.db')) - 4096))
        relay = work.relay(configuration(work, hop), name='postrider')
        identity = send(relay, ['one@example.com'])
        eventually(lambda: relay.events('trace_damaged'), 'the damage was told')
        identity = send(relay, ['one@example.com'])
        traced(work, identity)
        relay.terminate()


def octets(path):
    with open(path, 'rb') as f:
        return f.read()


@case
def what_is_others_is_left_alone():
    """A file that was there before any trace, and another program's database, that has a log beside it, too: nothing of
    it is touched, it is told what to do, mail flows, and when it is taken away a trace is begun."""
    with Workspace() as work:
        hop = work.own(NextHop(script=answer))
        other = sqlite3.connect(work.path('other.db'))
        other.execute('PRAGMA journal_mode=WAL')
        other.execute('CREATE TABLE bookmark(url)')
        other.execute("INSERT INTO bookmark VALUES('http://www.example.org/')")
        other.commit()
        for number, what in enumerate(('letter', 'database')):
            file = work.path('traces%d' % number, 'trace.db')
            os.makedirs(os.path.dirname(file))
            if what == 'letter':
                work.write(file, b'Dear Sir or Madam,\n' * 1000)
            else:
                for end in ('', '-wal'):
                    shutil.copy(work.path('other.db' + end), file + end)
            before = {end: octets(file + end) for end in ('', '-wal') if os.path.exists(file + end)}
            relay = work.relay(configuration(work, hop, trace={'file': file, 'detail': 'all'}), name='relay%d' % number)
            send(relay, ['one@example.com'])
            eventually(lambda: relay.events('trace_unwritten'), 'it was told')  # pylint: disable=cell-var-from-loop
            said = relay.events('trace_unwritten')[0]['reason']
            check('name another file in trace.file' in said, 'what is said: %s', said)
            relay.terminate()
            if what == 'letter':
                equal({end: octets(file + end) for end in before}, before, 'its octets')
            else:
                rows = sqlite3.connect(file).execute('SELECT url FROM bookmark').fetchall()
                equal(rows, [('http://www.example.org/',)], 'its rows')
            check(not os.path.exists(file + '.damaged'), 'nothing is set aside')
            for name in os.listdir(os.path.dirname(file)):
                os.unlink(os.path.join(os.path.dirname(file), name))
            relay = work.relay(configuration(work, hop, trace={'file': file, 'detail': 'all'}), name='again%d' % number)
            identity = send(relay, ['one@example.com'])
            eventually(lambda: os.path.exists(file) and octets(file), 'a trace')  # pylint: disable=cell-var-from-loop
            relay.terminate()
            with contextlib.closing(sqlite3.connect(file)) as trace:
                check(trace.execute('SELECT count(*) FROM message').fetchone() >= (1,), 'what is in it: %s', identity)


@case
def what_cannot_be_written_stops_no_mail():
    """A file where its directory is to be; another process that writes it; somebody who reads for long. Mail is taken
    and sent, and it is told once. What was left out is a row when it can be written."""
    with Workspace() as work:
        hop = work.own(NextHop(script=answer))
        file = work.path('traces/trace.db')
        work.write('traces', '')
        relay = work.relay(configuration(work, hop, trace={'file': file, 'detail': 'all'},
                                         hardening={'landlock': False}))
        send(relay, ['one@example.com'])
        eventually(lambda: relay.events('trace_unwritten'), 'it was told')
        os.remove(work.path('traces'))
        os.makedirs(work.path('traces'))
        eventually(lambda: relay.events('trace_written'), 'it is written')
        check(relay.events('trace_written')[0]['left_out'] >= 1, 'what is missing is counted')
        with sqlite3.connect('file:%s?mode=ro' % file, uri=True) as reader:
            reader.execute('BEGIN')
            reader.execute('SELECT count(*) FROM message').fetchall()
            equal(reader.execute("SELECT count(*) FROM gap WHERE why='unwritten'").fetchall(), [(1,)])
            identity = send(relay, ['one@example.com'])
            traced(work, identity)
        other = work.relay(configuration(work, hop, trace={'file': file}, spool={'directory': work.path('other')}),
                           name='other')
        send(other, ['one@example.com'])
        eventually(lambda: other.events('trace_unwritten'), 'the second says that it cannot write')
        equal(other.events('trace_unwritten')[0]['reason'], 'another process writes it')
        other.terminate()
        relay.terminate()
        equal(len(relay.events('trace_unwritten')), 1, 'told once')


@case
def who_holds_it_for_long_costs_rows_and_no_mail():
    """Another program's transaction on the file: mail is taken and sent meanwhile, it is told once, and afterwards each
    line is a row, or counted. The same when somebody takes the file away."""
    with Workspace() as work:
        hop = work.own(NextHop(script=answer))
        file = work.path('spool', 'trace.db')
        relay = work.relay(configuration(work, hop))
        traced(work, send(relay, ['one@example.com']))
        held = sqlite3.connect(file, isolation_level=None)
        held.execute('BEGIN IMMEDIATE')
        sent = [send(relay, ['one@example.com']) for _ in range(5)]
        eventually(lambda: len(relay.events('attempt')) == 6, 'all are sent')
        eventually(lambda: relay.events('trace_unwritten'), 'it is told')
        check('locked' in relay.events('trace_unwritten')[0]['reason'], 'why: %s', relay.events('trace_unwritten'))
        held.execute('ROLLBACK')
        held.close()
        eventually(lambda: relay.events('trace_written'), 'it is written again')
        last = send(relay, ['one@example.com'])
        traced(work, last, lambda one: results(one)['one@example.com'] == 'delivered')

        def gaps():
            with contextlib.closing(sqlite3.connect('file:%s?mode=ro' % file, uri=True)) as trace:
                return trace.execute("SELECT total(count) FROM gap WHERE why='unwritten'").fetchone()[0]

        kept = sum(len(found(work, identity)) for identity in sent)
        eventually(lambda: gaps() >= 2 * (len(sent) - kept), lambda: '%d of 5 are there, %d lines are left out' % (
            kept, gaps()))
        check(gaps() <= 10, 'what is left out: %d', gaps())
        for end in ('', '-wal', '-shm'):
            os.unlink(file + end)
        send(relay, ['one@example.com'])
        eventually(lambda: len(relay.events('trace_written')) == 2, 'it is begun anew')
        traced(work, send(relay, ['one@example.com']))
        relay.terminate()
        equal(len(relay.events('attempt')), 9)


@case
def a_reload_changes_it():
    """Off, on again, another file, another detail: from then on, without a restart."""
    with Workspace() as work:
        hop = work.own(NextHop(script=answer))
        content = configuration(work, hop)
        relay = work.relay(content)

        def reload(**trace):
            content['trace'] = trace
            work.write('postrider.yaml', json.dumps(content))
            subprocess.run([program('postrider'), 'reload', '--config', work.path('postrider.yaml')], check=True,
                           timeout=60)

        first = send(relay, ['one@example.com'])
        traced(work, first, lambda one: results(one)['one@example.com'] == 'delivered')
        reload(detail='off', file='spool/trace2.db')
        silent = send(relay, ['one@example.com'])
        eventually(lambda: any(event['id'] == silent for event in relay.events('attempt')), 'it was sent')
        reload(detail='problems', file='spool/trace2.db')
        good = send(relay, ['one@example.com'])
        bad = send(relay, ['nobody@example.com'])
        traced(work, bad, lambda one: results(one) == {'nobody@example.com': 'failed'})
        equal((found(work, good), found(work, silent), found(work, first)), ([], [], []))
        reload(detail='all', file='spool/trace2.db')
        good = send(relay, ['one@example.com'])
        traced(work, good)
        relay.terminate()
        done = subprocess.run([program('postrider'), 'trace', first, '--json', '--file', work.path('spool/trace.db')],
                              capture_output=True, text=True, timeout=60)
        equal(json.loads(done.stdout)['id'], first)


@case
def route_says_what_the_relay_does():
    """From the configuration alone: which client, route, destination, hosts and TLS, suppressed or not; where it says
    that something is refused the relay refuses it, and else sends it where it says."""
    with Workspace() as work:
        hops = {name: work.own(NextHop()) for name in ('inside', 'outside')}
        os.makedirs(work.path('list'))
        content = configuration(
            work, hops['outside'], suppression={'directory': work.path('list')},
            clients=[{'name': 'printers', 'networks': ['127.0.0.2'], 'allowed_senders': ['*@example.net'],
                      'allowed_recipients': ['*@inside.example', '*@outside.example']},
                     {'name': 'apps', 'networks': ['127.0.0.3'], 'suppression': 'ignore'}],
            destinations=[{'name': name, 'hosts': [hop.host], 'tls': {'mode': 'none'}} for name, hop in hops.items()],
            routes=[{'recipient': '*@inside.example', 'destination': 'inside'},
                    {'recipient': '*@closed.example', 'refuse': 'nobody is there'},
                    {'recipient': '*@outside.example', 'destination': 'outside'}])
        work.write('postrider.yaml', json.dumps(content))
        run('suppress', work, 'add', 'gone@outside.example')
        relay = work.relay(content)
        for ip, sender, recipient, expected in (
                ('127.0.0.2', 'scan@example.net', 'ann@inside.example', 'inside'),
                ('127.0.0.3', '', 'ann@outside.example', 'outside'),
                ('127.0.0.3', 'app@example.org', 'gone@outside.example', 'outside'),
                ('127.0.0.2', 'scan@example.net', 'gone@outside.example', '550 5.1.1'),
                ('127.0.0.2', 'scan@example.org', 'ann@inside.example', '553 5.7.1'),
                ('127.0.0.2', 'scan@example.net', 'ann@elsewhere.example', '550 5.7.1'),
                ('127.0.0.3', 'app@example.org', 'ann@closed.example', '550 5.7.1'),
                ('127.0.0.3', 'app@example.org', 'ann@elsewhere.example', '550 5.7.1'),
                ('127.0.0.66', 'app@example.org', 'ann@inside.example', '550 5.7.1')):
            taken = expected in hops
            answer = json.loads(run('route', work, recipient, '--from', sender or '<>', '--ip', ip, '--json',
                                    status=0 if taken else 1))
            equal(answer['taken'], taken, '%s' % answer)
            with Client(relay.address, source=ip) as client:
                client.hello()
                client.send('MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\n' % (sender, recipient))
                replies = ['%d %s' % client.reply() for _ in range(2)]
            equal([reply[:9] for reply in replies if not reply.startswith('250')][:1], [] if taken else [expected],
                  'the relay to %s' % answer)
            if taken:
                equal((answer['destination'], answer['hosts'], answer['tls']),
                      (expected, hops[expected].host, 'none: in clear'))
                identity = send(relay, [recipient], sender=sender, source=ip)
                eventually(lambda: any(e['id'] == identity and e['destination'] == expected
                                       for e in relay.events('attempt')), 'it went where it was said')
            else:
                check(answer['refused'].startswith(expected), 'it says: %s', answer)
        text = run('route', work, 'a\x1b[2Jb@inside.example')
        check('\x1b' not in text and 'number 1, recipient *@inside.example' in text, 'for people: %s', text)
        run('route', work, 'nobody', status=64)
        run('route', work, 'a@b', '--client', 'nobody', status=64)
        relay.terminate()


if __name__ == '__main__':
    harness.main(together=2)
