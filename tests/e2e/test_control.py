#!/usr/bin/python3
"""tests/e2e/test_control.py - the control socket: who may ask, what is answered, and what asking cannot harm."""

import grp
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from control_socket import Connection, asked, by_all, hold_to_schema  # noqa: E402
from harness import SOURCES, Workspace, case, check, equal, eventually, program  # noqa: E402
from stopped import Stopped  # noqa: E402


# ---- the relay and its commands ----

def relay_with(work, hop='127.0.0.1:9', wait=True, **changes):
    """A relay with a control socket: (relay, the socket's path)."""
    path = work.path('control.sock')
    changes.setdefault('control', {'socket': path})
    return work.relay(work.configuration([hop], **changes), wait=wait), path


def command(*arguments, **environment):
    """A command of the program: (exit status, output, standard error)."""
    done = subprocess.run([program('postrider'), *arguments], capture_output=True, timeout=120,
                          env={**os.environ, **environment})
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def patient(*arguments):
    """A command that is given again while it says that a shard has not answered in time."""
    end = time.monotonic() + 60
    while True:
        done = command(*arguments)
        if done[0] != 75 or time.monotonic() > end:
            return done


@case
def reload():
    """The answer says what came of it, and so do the command's exit status and sentence."""
    with Workspace() as work:
        relay, path = relay_with(work)
        equal(asked(path, '/v1/reload', 'POST', '{}'), (200, {'taken': True, 'problem': None}), 'a reload')
        equal(command('reload', '--socket', path)[0], 0, 'the command')
        with open(work.path('postrider.yaml')) as f:
            right = f.read()
        work.write('postrider.yaml', right.replace('"shards"', '"shard"'))
        code, answer = asked(path, '/v1/reload', 'POST', '{}')
        check(code == 200 and not answer['taken'] and 'shards' in answer['problem'], '%s %s', code, answer)
        code, _, said = command('reload', '--socket', path)
        check(code == 78 and 'shards' in said, 'refused: %s %s', code, said)
        equal(asked(path, '/v1/reload')[0], 405, 'another method')
        equal((len(relay.told('reloaded', 2)), len(relay.told('reload_refused', 2))), (2, 2), 'events')
        equal({event['path'] for event in relay.told('control', 4)}, {'/v1/reload'}, 'acts')
        relay.terminate()
        equal(command('reload', '--socket', path)[0], 69, 'nobody answers')


@case
def nobody_is_let_in():
    """A process that takes no connections, with as many waiting as may: it is said, and nothing hangs."""
    with Workspace() as work, socket.socket(socket.AF_UNIX) as listener:
        path = work.path('control.sock')
        listener.bind(path)
        listener.listen(0)
        waiting = []
        try:
            while True:
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
                waiting[-1].connect(path)
        except BlockingIOError:
            pass
        code, out, said = command('status', '--socket', path)
        equal((code, out), (75, ''), 'it is given up: %s' % said)
        check('nobody is let in' in said, 'what it says: %s', said)
        for one in waiting:
            one.close()


def reload_waits(relay):
    """A signal for it is there that it has not taken."""
    with open('/proc/%d/status' % relay.pid) as f:
        return int(re.search(r'^ShdPnd:\s*(\w+)', f.read(), re.M).group(1), 16) & 1 << signal.SIGHUP - 1 != 0


@case
def reload_while_another_is_under_way():
    """What came of one that had read the file before it was changed is no answer for who asks now."""
    with Workspace() as work:
        relay, path = relay_with(work)
        file = work.path('postrider.yaml')
        with open(file) as f:
            right = f.read()

        def becomes(name):
            os.mkfifo(work.path(name))
            os.link(work.path(name), work.path('next'))
            os.rename(work.path('next'), file)

        def holds(name, text):
            with open(work.path(name), 'w') as f:
                f.write(text)

        becomes('first')
        relay.signal(signal.SIGHUP)
        eventually(lambda: not reload_waits(relay), 'the first is under way')
        becomes('second')
        with subprocess.Popen([program('postrider'), 'reload', '--socket', path], stderr=subprocess.PIPE,
                              text=True) as asking:
            eventually(lambda: reload_waits(relay) or asking.poll() is not None, 'the second is asked for')
            holds('first', right)
            relay.told('reloaded')
            time.sleep(0.1)  # who takes that for the answer has looked
            holds('second', right.replace('"shards"', '"shard"'))
            said = asking.communicate(timeout=60)[1]
        check(asking.returncode == 78 and 'shards' in said, 'the second: %s %s', asking.returncode, said)
        equal((len(relay.told('reloaded')), len(relay.told('reload_refused'))), (1, 1), 'events')
        relay.terminate()


@case
def status():
    """By the socket and by the command: how many messages are here; nobody answers when it has ended."""
    with Workspace() as work:
        relay, path = relay_with(work)
        equal(stat.S_IMODE(os.stat(path).st_mode), 0o660, 'permissions of the socket')
        work.source(relay.target, messages=3).result()
        code, answer = by_all(path, '/v1/status')
        equal((code, answer['state'], answer['pid'], answer['accepted'], answer['queued']),
              (200, 'running', relay.pid, 3, 3), 'status')
        code, out, _ = patient('status', '--socket', path)
        check(code == 0 and re.search(r'^queued +3 messages$', out, re.M), 'the command: %s %s', code, out)
        code, out, _ = patient('status', '--config', work.path('postrider.yaml'), '--json')
        equal((code, json.loads(out)['queued']), (0, 3), 'the command, in JSON')
        equal(asked(path, '/v1/nothing')[0], 404, 'a path that there is not')
        equal(asked(path, '/v1/status', 'POST', '{}')[0], 405, 'another method')
        equal(asked(path, '/v1/status', 'POST', 'x' * (1 << 20) + 'x')[0], 413, 'a large body')
        relay.terminate()
        check(not os.path.exists(path), 'the socket is there still')
        code, _, said = command('status', '--socket', path)
        check(code == 69 and 'no process' in said, 'nobody answers: %s %s', code, said)


@case
def sockets_of_others():
    """What a dead process has left is replaced, a living one keeps its socket and is named, nothing else is touched."""
    with Workspace() as work:
        path = work.path('control.sock')
        left = socket.socket(socket.AF_UNIX)
        left.bind(path)
        left.close()
        code, _, said = command('status', '--socket', path)
        check(code == 69 and 'has ended' in said, 'left over: %s %s', code, said)
        relay, _ = relay_with(work)
        equal(asked(path, '/v1/status')[0], 200, 'a socket that was left over')
        relay.terminate()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
            other.listen()
            relay, _ = relay_with(work, wait=False)
            equal(relay.wait(), 69, 'exit status beside a living one')
            check('process %d' % os.getpid() in relay.events('failed_to_start')[0]['error'], 'it is named: %s',
                  relay.tail())
            check(os.path.exists(path), 'its socket is there')
        os.unlink(path)
        work.write('control.sock', 'text')
        relay, _ = relay_with(work, wait=False)
        equal(relay.wait(), 69, 'exit status where there is a file')
        with open(path) as f:
            equal(f.read(), 'text', 'the file')
        long = {'socket': '/tmp/' + 'x' * 120}
        work.write('long.yaml', json.dumps(work.configuration(['127.0.0.1:9'], control=long)))
        code, _, said = command('check', '--config', work.path('long.yaml'))
        check(code == 78 and '107 octets' in said, 'a long path: %s %s', code, said)
        missing = {'socket': work.path('none/control.sock')}
        relay, _ = relay_with(work, wait=False, control=missing)
        equal(relay.wait(), 69, 'exit status without the directory')
        check('no such directory' in relay.tail(), 'what it says: %s', relay.tail())


def everything(path, query=''):
    """All messages of a list, page by page, and how often each id came."""
    found, cursor = [], None
    while True:
        target = '/v1/queue/messages?limit=7' + query + ('&cursor=' + cursor if cursor else '')
        code, answer = by_all(path, target)
        equal((code, answer['left_out']), (200, 0), 'a page')
        found += answer['messages']
        cursor = answer['next']
        if cursor is None:
            return found


def scheduling(pid):
    """{name: (nice, policy)} of the threads of a process."""
    found = {}
    for thread in os.listdir('/proc/%d/task' % pid):
        with open('/proc/%d/task/%s/stat' % (pid, thread)) as f:
            before, _, after = f.read().rpartition(')')
        fields = after.split()
        found.setdefault(before.partition('(')[2], set()).add((int(fields[16]), int(fields[38])))
    return found


def starved(pid):
    """A thread of control has waited for a processor for twice as long as it had one."""
    for thread in os.listdir('/proc/%d/task' % pid):
        with open('/proc/%d/task/%s/comm' % (pid, thread)) as f:
            name = f.read()
        with open('/proc/%d/task/%s/schedstat' % (pid, thread)) as f:
            ran, waited = map(int, f.read().split()[:2])
        if name.startswith('MHD-connection') and waited > 2 * ran:
            return True
    return False


@case
def gives_way():
    """Who answers leaves the processor to who delivers, with all hardening on; the relay's other threads are as they
    were."""
    with Workspace() as work:
        relay, path = relay_with(work)
        connection = Connection(path)
        connection.request('GET', '/v1/status')
        connection.getresponse().read()
        threads = scheduling(relay.pid)
        way = {(max(10, os.nice(0)), os.SCHED_BATCH)}
        check(way in threads.values() or any(way < found for found in threads.values()), 'who gives way: %s', threads)
        check(all(policy == os.sched_getscheduler(0) for name, found in threads.items() if name.startswith('shard')
                  for _, policy in found), 'shards: %s', threads)
        equal(relay.events('call_refused'), [], 'calls that were refused')
        # Who turns large pages has what nobody else wants, from the second one on, where there is such.
        work.source(relay.target, messages=20, recipient='one@away.example', connections=2).result()

        def page(query):
            connection.request('GET', '/v1/queue/ids?' + query)
            answer = json.loads(connection.getresponse().read())
            return answer['next'], any((max(10, os.nice(0)), os.SCHED_IDLE) in found
                                       for found in scheduling(relay.pid).values())
        cursor, leftover = page('limit=5')
        check(not leftover, 'a first page')
        for _ in range(200):
            leftover = leftover or page('limit=1000&cursor=' + cursor)[1]
        check(leftover or starved(relay.pid), 'large pages: %s', scheduling(relay.pid))
        equal(relay.events('call_refused'), [], 'calls that were refused')
        connection.close()


HOSTILE = b'\x1b]0;title\x07\x1b[31mred\x08\xe2\x80\xae\xc2\x9b2J\xff'


@case
def queue():
    """List, filters, pages, summary and one message whole, while other mail comes and goes; by the command, too."""
    with Workspace() as work:
        sink = work.sink()
        ways = [{'name': 'flows', 'hosts': ['127.0.0.1:%d' % sink.port], 'tls': {'mode': 'none'}},
                {'name': 'away', 'hosts': ['127.0.0.1:9'], 'tls': {'mode': 'none'}}]
        relay, path = relay_with(work, destinations=ways,
                                 routes=[{'recipient': '*@flows.example', 'destination': 'flows'},
                                         {'destination': 'away'}])
        work.source(relay.target, messages=60, sender='boss@example.org', recipient='one@example.net',
                    connections=4).result()
        client = harness.Client(relay.address)
        client.hello()
        for recipient in ('two@example.net', 'TWO@example.net'):
            client.envelope(sender='', recipients=[recipient])
            client.command('DATA', 354)
            client.send(b'Subject: ' + HOSTILE + b'\r\nX-Long: ' + b'\r\n '.join([b'x' * 900] * 20) + b'\r\n\r\nhi\r\n')
            client.command('.', 250)
        flow = work.source(relay.target, messages=4000, recipient='user@flows.example', connections=4)
        for _ in range(5):
            ids = [row['id'] for row in everything(path, '&destination=away')]
            equal((len(ids), len(set(ids))), (62, 62), 'messages that are there all the time')
        flow.result(timeout=120)
        rows = everything(path, '&to=two@*')
        equal([(row['to'], row['sender'], row['state'] in ('ready', 'deferred', 'active')) for row in rows].sort(),
              [(['two@example.net'], '', True), (['TWO@example.net'], '', True)].sort(), 'a filter by recipient')
        equal(len(everything(path, '&from=boss@example.org&state=ready,deferred,active')), 60, 'by sender and state')
        equal(len(everything(path, '&older=1h')), 0, 'by age')
        for query in ('destination=away', 'to=*@example.net', 'client=*&destination=away'):
            code, answer = by_all(path, '/v1/queue/ids?limit=10000&' + query)
            equal((code, answer['next'], sorted(answer['ids'])), (200, None, sorted(ids)), 'ids by ' + query)
        equal(asked(path, '/v1/queue/ids?limit=10001')[0], 400, 'more ids than may be asked for')
        code, out, _ = patient('queue', 'list', '--ids', '--all', '--destination', 'away', '--socket', path)
        equal((code, sorted(out.split())), (0, sorted(ids)), 'the command list --ids')
        equal(len(everything(path, '&client=nobody')), 0, 'by client')
        code, answer = by_all(path, '/v1/queue/summary')
        counts = {one['destination']: one['messages'] for one in answer['destinations']}
        equal((code, counts.get('away'), answer['whole']), (200, 62, True), 'summary')
        for query in ('limit=0', 'limit=x', 'cursor=9', 'cursor=1.x', 'older=1', 'state=', 'nothing=1', 'to='):
            equal(asked(path, '/v1/queue/messages?' + query)[0], 400, query)
        equal(asked(path, '/v1/queue/summary?to=x')[0], 400, 'a summary that would have to read')
        equal(asked(path, '/v1/queue/messages/nothing')[0], 400, 'no id')
        equal(asked(path, '/v1/queue/messages/' + '0' * 26)[0], 404, 'an id of nothing')
        code, answer = asked(path, '/v1/queue/messages/' + rows[0]['id'])
        fields = {field['name']: field['value'] for field in answer['messages'][0]['header']}
        check('\x1b]0;title\x07' in fields['Subject'], 'the subject as it came: %r', fields['Subject'])
        code, out, said = patient('queue', 'show', rows[0]['id'], '--socket', path)
        check(code == 0 and 'Subject: \\x1b]0;title\\x07\\x1b[31mred\\x08\\u{202e}\\u{9b}2J' in out, 'show: %s', out)
        check(not re.search('[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]', out), 'nothing of it moves a terminal: %r', out)
        code, out, _ = patient('queue', 'list', '--socket', path, '--to', '*@example.net', '--all')
        equal((code, out.count('boss@example.org')), (0, 60), 'the command list')
        longest = max(out.split('\n'), key=len)
        check(len(longest) <= 100, 'a line of more than 100 columns: %s', longest)
        code, out, _ = patient('queue', 'list', '--socket', path, '--limit', '10', '--json')
        page = json.loads(out)
        code, out, _ = patient('queue', 'list', '--socket', path, '--all', '--json', '--cursor', page['next'])
        ids = {row['id'] for row in page['messages'] + json.loads(out)['messages']}
        equal((len(page['messages']), len(ids) >= 62), (10, True), 'the command goes on')
        code, out, _ = patient('queue', 'summary', '--socket', path)
        check(code == 0 and re.search('^away +62 ', out, re.M), 'the command summary: %s', out)
        code, answer = by_all(path, '/v1/stats')
        ways = {one['destination']: one for one in answer['destinations']}
        equal((code, answer['missing'], sorted(ways)), (200, [], ['away', 'flows']), 'stats')
        check(answer['all']['accepted'] == 4062 and answer['all']['queued'] >= 62, 'what is counted: %s', answer['all'])
        check(ways['away']['connect_failures'] > 0, 'connections that failed: %s', ways)
        code, out, _ = patient('stats', '--socket', path)
        check(code == 0 and re.search('^  accepted +4062$', out, re.M) and '\naway ' in out, 'the command: %s', out)
        code, answer = by_all(path, '/v1/destinations/away/why')
        check([one for one in answer['limited'] if one['by'] == 'back_off' and '127.0.0.1:9 failed' in one['say']],
              'why: %s', answer)
        equal(answer['ready'] + answer['deferred'] > 0, True, 'mail that waits')
        code, answer = by_all(path, '/v1/destinations/flows/why')
        equal([one['by'] for one in answer['limited']], ['nothing'], 'why, where nothing waits')
        equal(asked(path, '/v1/destinations/nowhere/why')[0], 404, 'why, of nothing')
        code, out, _ = patient('why', 'away', '--socket', path)
        check(code == 0 and 'back_off' in out and 'at most' in out, 'the command why: %s', out)
        code, _, said = command('queue', 'show', '0' * 26, '--socket', path)
        check(code == 1 and 'no message' in said, 'the command show: %s %s', code, said)
        code, _, said = command('queue', 'list', '--older', 'x', '--socket', path)
        check(code == 64 and 'duration' in said, 'no duration: %s %s', code, said)
        equal(command('queue', 'nothing')[0], 64, 'no such command')


def as_nobody(work, *arguments):
    """A command of a user who owns nothing and is in no group but its own: (exit status, standard error)."""
    copy = work.path('postrider')
    if not os.path.exists(copy):
        shutil.copy(program('postrider'), copy)  # the build may be where nobody else can look
    nobody = pwd.getpwnam('nobody')
    done = subprocess.run([copy, *arguments], capture_output=True, timeout=120, cwd='/', user=nobody.pw_uid,
                          group=nobody.pw_gid, extra_groups=[])
    return done.returncode, done.stderr.decode()


@case
def a_disk_that_is_full():
    """Nobody takes a part of an answer for all of it: the status says so, and a sentence why."""
    with Workspace() as work:
        relay, path = relay_with(work)
        of = ['--config', work.path('postrider.yaml')]
        for words in (['status'], ['stats'], ['why', 'next-hop'], ['incidents'], ['queue', 'list'],
                      ['queue', 'summary'], ['destination', 'suspend', 'next-hop'], ['destination', 'list'],
                      ['top', '--once'],
                      ['route', 'a@example.com', *of], ['report', '--since', '1h', *of], ['credentials', 'status', *of],
                      ['check', *of], ['version'], ['help']):
            by = [] if of[1] in words or words[0] in ('version', 'help') else ['--socket', path]
            for more in [[], ['--json']] if words[0] not in ('version', 'help') else [[]]:
                with open('/dev/full', 'wb') as full:
                    done = subprocess.run([program('postrider'), *words, *by, *more], stdout=full,
                                          stderr=subprocess.PIPE, text=True, timeout=120)
                if done.returncode == 0 and words[0] == 'check' and not more:
                    continue  # all is well, and nothing is said
                equal(done.returncode, 74, '%s: %s' % (' '.join(words + more), done.stderr))
                check('could not be written: ' in done.stderr, '%s: %s', words + more, done.stderr)
        equal(asked(path, '/v1/status')[0], 200, 'it goes on')
        relay.terminate()


@case
def permissions():
    """Who may not use the socket is told so, and changes nothing; `control.group` lets in who is of that group."""
    with Workspace() as work:
        control = {'socket': work.path('control.sock'), 'group': 'no-such-group'}
        relay, path = relay_with(work, wait=False, control=control)
        equal(relay.wait(), 69, 'exit status with a group that there is not')
        check('no group \\"no-such-group\\"' in relay.tail(), 'it is named: %s', relay.tail())
        if os.geteuid() != 0:
            print('not root: no other user is tried')
            return
        relay, path = relay_with(work)
        for words in (['status'], ['queue', 'list'], ['queue', 'hold', '0' * 26]):
            code, said = as_nobody(work, *words, '--socket', path)
            check(code == 77 and path in said, '%s of another user: %s %s', words, code, said)
        equal(relay.events('control'), [], 'acts')
        relay.terminate()
        gid = pwd.getpwnam('nobody').pw_gid
        relay, path = relay_with(work, control={'socket': path, 'group': grp.getgrgid(gid).gr_name})
        st = os.stat(path)
        equal((st.st_gid, stat.S_IMODE(st.st_mode)), (gid, 0o660), 'group and permissions')
        equal(as_nobody(work, 'status', '--socket', path)[0], 0, 'of the group')


def only_one_missing(path, target):
    """The answer without the stuck shard: the other one may be late where the machine is busy, and is asked again."""
    code, answer = asked(path, target)
    check(code == 200 and 1 in answer['missing'], 'answered: %d %s', code, answer)
    return answer if answer['missing'] == [1] else None


@case
def stuck_shard():
    """One that answers nothing is named, and the others are answered for; when it goes on, so is it."""
    with Workspace() as work:
        relay, path = relay_with(work)
        work.source(relay.target, messages=40, connections=8).result()
        tasks = '/proc/%d/task/' % relay.pid
        shards = [int(task) for task in os.listdir(tasks) if open(tasks + task + '/comm').read().strip() == 'shard-1']
        check(shards, 'a thread of the shard: %s', [open(tasks + task + '/comm').read() for task in os.listdir(tasks)])
        whole = sorted(row['id'] for row in everything(path))
        try:
            stopped = Stopped(shards[0])
            stopped.__enter__()
        except PermissionError:
            print('no thread may be stopped here: nothing is tried')
            return
        try:
            def one_answers():
                code, answer = asked(path, '/v1/status')
                return (code, [shard['answers'] for shard in answer['shards']]) == (200, [True, False]) and answer
            answer = eventually(one_answers, 'one of the two answers')
            counts = [shard['queued'] for shard in answer['shards']]
            equal(sum(counts), len(whole), 'what is counted all the same')
            answer = eventually(lambda: only_one_missing(path, '/v1/queue/messages'), 'a page of the other one')
            equal(answer['next'], None, 'a page')
            here = {row['id'] for row in answer['messages']}
            equal((here <= set(whole), len(here)), (True, counts[0]), 'messages of the other one')
            code, out, _ = command('status', '--socket', path)
            check(code == 75 and 'shard 1 does not answer' in out, 'the command status: %s %s', code, out)
            for asked_for in (['status'], ['stats'], ['why', 'next-hop']):
                equal(command(*asked_for, '--json', '--socket', path)[0], 75, ' '.join(asked_for) + ' --json')
            code, out, said = command('queue', 'list', '--socket', path)
            check(code == 75 and 'shard 1 does not answer' in said, 'the command list: %s %s', code, said)
            eventually(lambda: only_one_missing(path, '/v1/destinations/next-hop/why'), 'why')
            eventually(lambda: only_one_missing(path, '/v1/stats'), 'stats')
            # A minute is for one that counts a backlog, not for one that does nothing.
            began = time.monotonic()
            eventually(lambda: only_one_missing(path, '/v1/queue/summary'), 'summary')
            check(time.monotonic() - began < 30, 'a summary took %.0f s', time.monotonic() - began)
            code, out, said = command('queue', 'summary', '--socket', path)
            check(code == 75 and 'shard 1 does not answer' in said, 'the command summary: %s %s', code, said)
        finally:
            stopped.__exit__()
        eventually(lambda: all(shard['answers'] for shard in asked(path, '/v1/status')[1]['shards']), 'it answers', 60)
        equal(sorted(row['id'] for row in everything(path)), whole, 'what is there still')
        relay.terminate()


@case
def destinations_that_are_asked_for():
    """Of many: those that match, the most first, so many; and how long deliveries took."""
    with Workspace() as work:
        sink = work.sink()
        ways = [{'name': 'way-%d' % i, 'hosts': ['127.0.0.1:%d' % (sink.port if i == 3 else 9)],
                 'tls': {'mode': 'none'}} for i in range(12)]
        relay, path = relay_with(work, destinations=ways,
                                 routes=[{'recipient': '*@d%d.example' % i, 'destination': 'way-%d' % i}
                                         for i in range(12)])
        for i, count in ((3, 20), (5, 9), (7, 4)):
            work.source(relay.target, messages=count, recipient='u@d%d.example' % i, connections=1).result()

        def names(query):
            answer = by_all(path, '/v1/stats?' + query)[1]
            return [one['destination'] for one in answer['destinations']], answer['destination_count']

        eventually(lambda: names('sort=delivered&limit=1') == (['way-3'], 12) and
                   asked(path, '/v1/stats')[1]['all']['queued'] == 13, 'what can go went')
        equal(names('sort=waiting&limit=2'), (['way-5', 'way-7'], 12), 'the most waiting first')
        equal(names('match=WAY-1&sort=name'), (['way-1', 'way-10', 'way-11'], 3), 'those that match')
        equal(names('')[0], ['way-%d' % i for i in range(12)], 'as in the configuration')
        equal(names('match=nothing'), ([], 0), 'none matches')
        answer = eventually(lambda: (lambda a: a['destinations'][0]['limited'] and a)(
            by_all(path, '/v1/stats?match=way-5')[1]), 'it is known why')
        equal(answer['destinations'][0]['limited'], ['back_off'], 'what limits it')
        answer = by_all(path, '/v1/stats?match=way-3')[1]
        equal((answer['destinations'][0]['delivered'], answer['destinations'][0]['limited']), (20, []), 'what went')
        times = answer['delivery_times']
        equal((sum(times['messages']), len(times['bounds_ms']) + 1), (20, len(times['messages'])), 'delivery times')
        for query in ('limit=0', 'limit=x', 'limit=10001', 'sort=size', 'sort='):
            equal(asked(path, '/v1/stats?' + query)[0], 400, query)
        # An event of each message would be a list of events: the same of the same place is one.
        groups = eventually(lambda: {one['where']: one for one in asked(path, '/v1/errors')[1]['errors']
                                     if one['event'] == 'host_failed'}, 'errors')
        check('way-5' in groups and 'way-3' not in groups, 'errors by destination: %s', groups)
        check('refused' in groups['way-5']['reply'].lower(), 'what happened: %s', groups['way-5'])


@case
def devices_that_are_asked_for():
    with Workspace() as work:
        sink = work.sink()
        listed = ''.join('- { name: "copier %d", address: 127.0.1.%d, place: "floor %d" }\n' % (i, i, i % 7)
                         for i in range(1, 201))
        relay, path = relay_with(work, hop='127.0.0.1:%d' % sink.port, devices=work.write('inventory.yaml', listed),
                                 clients=[{'name': 'printers', 'devices': True}])
        with harness.Client(relay.address, source='127.0.1.42') as client:
            client.hello()
            client.envelope()
            client.data(b'Subject: x\r\n\r\nhi\r\n')
        answer = asked(path, '/v1/devices?sort=last&limit=3')[1]
        first = answer['devices'][0]
        equal((first['name'], first['by'], first['state'], first['messages']), ('copier 42', '127.0.1.42', 'ok', 1),
              'who was seen last')
        equal((len(answer['devices']), answer['device_count'], answer['fitting']), (3, 200, 200), 'how many')
        equal((answer['states']['ok'], answer['states']['never seen']), (1, 199), 'states')
        answer = asked(path, '/v1/devices?match=FLOOR%203&sort=name&limit=1000')[1]
        equal((len(answer['devices']), answer['fitting']), (29, 29), 'by place')
        names = [one['name'] for one in asked(path, '/v1/devices?sort=name&limit=200')[1]['devices']]
        equal(names, sorted(names), 'by name')
        for query in ('limit=0', 'limit=1001', 'sort=size'):
            equal(asked(path, '/v1/devices?' + query)[0], 400, query)


@case
def off_is_nothing():
    """With `control: off`, and nobody who watches for incidents, there is no socket and no thread."""
    with Workspace() as work:
        relay, path = relay_with(work, control='off', incidents='off')
        check(not os.path.exists(path), 'a socket')
        names = [open('/proc/%d/task/%s/comm' % (relay.pid, task)).read().strip()
                 for task in os.listdir('/proc/%d/task' % relay.pid)]
        check(not any('control' in name or 'MHD' in name or name == 'incidents' for name in names), 'threads: %s',
              names)
        relay.terminate()


@case
def what_is_led_to_the_socket():
    """A proxy that is led to it, and a page of others in a browser that is (ssh -L), would act for anybody: they are
    refused and told; programs, and pages of its own, are not."""
    with Workspace() as work:
        relay, path = relay_with(work)
        hold = ('POST', '/v1/queue/hold', json.dumps({'ids': ['0' * 26]}))

        def status(method='GET', target='/v1/status', body=None, **fields):
            connection = Connection(path)
            connection.request(method, target, body, {name.replace('_', '-'): value for name, value in fields.items()})
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status
        for fields in ({'X_Forwarded_For': '192.0.2.1'}, {'Forwarded': 'for=192.0.2.1'}, {'X_Real_IP': '192.0.2.1'},
                       {'Origin': 'https://evil.example'}, {'Origin': 'null'}, {'Sec_Fetch_Site': 'cross-site'},
                       {'Host': 'evil.example:8080', 'Sec_Fetch_Site': 'same-origin'},
                       {'Host': 'evil.example:8080'}, {'Host': 'evil.example'}, {'Host': '127.0.0.1.evil.example'},
                       {'Host': 'evil.example', 'Origin': 'http://evil.example'}):
            equal((status(**fields), status(*hold, **fields)), (403, 403), fields)
        told = relay.told('control_refused')[0]
        equal((told['uid'], told['pid'], 'address' in told), (os.getuid(), os.getpid(), False), told)
        equal(relay.events('control'), [], 'acts')
        for fields in ({}, {'Host': 'docker'}, {'Host': '192.0.2.1'}, {'Host': '[::1]:8080'},
                       {'Host': 'relay.example.org'}, {'User_Agent': 'curl/8'},
                       {'Host': 'localhost:8080', 'Origin': 'http://localhost:8080', 'Sec_Fetch_Site': 'same-origin'},
                       {'Host': '127.0.0.1:8080', 'Sec_Fetch_Site': 'none'}):
            equal((status(**fields), status(*hold, **fields)), (200, 200), fields)
        relay.terminate()


@case
def slow_and_silent_clients():
    """As many as may be open say nothing, or half a request: they are ended, and then others are answered."""
    with Workspace() as work:
        relay, path = relay_with(work)
        silent = []
        for i in range(40):
            one = socket.socket(socket.AF_UNIX)
            one.connect(path)
            if i % 2:
                one.sendall(b'GET /v1/status HTTP/1.1\r\nHost: x\r\nX: ')
            silent.append(one)
        work.source(relay.target, messages=2).result()

        def answered():
            try:
                return asked(path, '/v1/status')[0] == 200
            except (OSError, http.client.HTTPException):
                return False  # there are as many as may be
        eventually(answered, 'somebody is answered', 90)
        for one in silent:
            one.close()
        relay.terminate()


if __name__ == '__main__':
    harness.main(together=4)
