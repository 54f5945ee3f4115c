#!/usr/bin/python3
"""tests/e2e/test_files.py - mail as files: what is exported of a queue and of a spool, and what is imported."""

import collections
import fcntl
import json
import os
import re
import select
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (ALL_EXTENSIONS, Client, NextHop, Workspace, case, check, equal, eventually,  # noqa: E402
                     free_port, main, message, program, same_octets, sequence_of, split_trace)

LATE = {'first': '1h', 'factor': 1, 'max': '1h'}


def command(*arguments, status=0, stdin=None):
    """(output, standard error) of a command that ends so."""
    done = subprocess.run([program('postrider'), *arguments], input=stdin, capture_output=True, timeout=120, text=True)
    check(status is None or done.returncode == status, 'exit status %d of %s: %s%s', done.returncode, arguments,
          done.stdout, done.stderr)
    return done.stdout, done.stderr


def send(relay, content, sender='sender@example.net', recipients=('recipient@example.com',), parameters=''):
    """`recipients`: addresses, with parameters behind a `>` where there are some. The id that the client was told."""
    with Client(relay.address) as client:
        client.hello()
        client.command('MAIL FROM:<%s>%s' % (sender, parameters), 250)
        for recipient in recipients:
            address, _, more = recipient.partition('> ')
            client.command('RCPT TO:<%s>%s' % (address, ' ' + more if more else ''), 250)
        return re.search(r'queued as (\w+)', str(client.data(content))).group(1)


def relay_of(work, hosts=None, name='postrider', **changes):
    changes.setdefault('control', {'socket': work.path(name + '.sock')})
    changes.setdefault('retry', LATE)
    return work.relay(work.configuration(hosts or ['127.0.0.1:%d' % free_port()], **changes), name)


def files_of(directory):
    """{name: (envelope, content)} of what was exported."""
    found = {}
    for name in os.listdir(directory):
        check(name.endswith(('.eml', '.json')), 'a file is called %s', name)
        if name.endswith('.json'):
            with open(os.path.join(directory, name), encoding='ascii') as f:
                envelope = json.load(f)
            with open(os.path.join(directory, name[:-5] + '.eml'), 'rb') as f:
                found[name[:-5]] = (envelope, f.read())
    return found


@case
def exported():
    """By filter, by id and all; what its sender asked for comes with it; the same from the spool when it is not in use;
    and it all stays where it is."""
    with Workspace() as work:
        relay = relay_of(work)
        socket = ('--socket', work.path('postrider.sock'))
        large = message(2, 5 << 20)
        plain = send(relay, message(1))
        big = send(relay, large, recipients=['a@example.com', 'b@example.org'])
        wished = send(relay, message(3) + b'gr\xc3\xbc\xc3\x9fe\r\n', 'us\u00e9r@example.net',
                      ['r\u00e9@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+40example.com',
                       'never@example.com> NOTIFY=NEVER'], ' BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=one+2Btwo')
        out, _ = command('queue', 'export', '--to', 'b@*', '--directory', work.path('some'), *socket)
        check('1 message exported' in out, 'by filter: %s', out)
        equal(list(files_of(work.path('some'))), [big], 'by filter')
        same_octets(split_trace(files_of(work.path('some'))[big][1])[1], large, 'a message in several records')
        # Again, and more of them: what is there is there.
        out, _ = command('queue', 'export', plain, big, '--directory', work.path('some'), '--json', *socket)
        equal([r['result'] for r in json.loads(out)['results']], ['exported', 'there'], 'again')
        command('queue', 'hold', plain, *socket)
        command('queue', 'export', '--directory', work.path('all'), *socket)
        live = files_of(work.path('all'))
        equal(sorted(live), sorted([plain, big, wished]), 'all')
        envelope = live[wished][0]
        equal({key: envelope[key] for key in ('from', 'body', 'smtputf8', 'ret', 'envid')},
              {'from': 'us\u00e9r@example.net', 'body': '8BITMIME', 'smtputf8': True, 'ret': 'HDRS',
               'envid': 'one+2Btwo'}, 'what was asked for')
        equal([(r['to'], r['status'], r.get('notify'), r.get('orcpt')) for r in envelope['recipients']],
              [('r\u00e9@example.com', 'pending', 'SUCCESS,DELAY', 'rfc822;first+40example.com'),
               ('never@example.com', 'pending', 'NEVER', None)], 'recipients')
        equal([r['status'] for r in live[plain][0]['recipients']], ['held'], 'one that is held')
        check('left the queue' in command('queue', 'export', '0' * 26, '--directory', work.path('all'), *socket,
                                          status=1)[0], 'an id that there is not')
        check('--to is a recipient' in command('queue', 'export', '--to', work.path('all'), *socket, status=64)[1],
              'no directory')
        command('queue', 'export', '../etc/passwd', '--directory', work.path('all'), *socket, status=64)
        relay.terminate()
        command('spool', 'export', work.path('spool'), '--to', work.path('spooled'))
        spooled = files_of(work.path('spooled'))
        equal(sorted(spooled), sorted(live), 'from the spool')
        for name, (envelope, content) in spooled.items():
            same_octets(live[name][1], content, 'content')
            for one in (envelope, live[name][0]):
                del one['accepted']  # to the second here, to the millisecond there
                for recipient in one['recipients']:
                    recipient.pop('due', None)
            equal(live[name][0], envelope, 'the envelope of %s' % name)
        acts = [e['path'] for e in relay.events('control') if e['path'].endswith('/content')]
        equal(len(acts), 5, 'who read mail is in the events')


@case
def of_several_shards():
    """Each shard's copy is named after it and has its own recipients; together they are the message's, each once."""
    with Workspace() as work:
        hop = 'd%d'
        # One connection, so one shard each, which follows from the name.
        ways = [{'name': hop % i, 'hosts': ['127.0.0.1:%d' % free_port()], 'tls': {'mode': 'none'},
                 'limits': {'connections': 1}} for i in range(12)]
        relay = relay_of(work, shards=3, destinations=ways, routes=[
            {'recipient': '*@%s.example' % way['name'], 'destination': way['name']} for way in ways])
        socket = ('--socket', work.path('postrider.sock'))
        wanted = sorted('user@d%d.example' % i for i in range(12))
        name = send(relay, message(1), recipients=wanted)
        command('queue', 'export', '--directory', work.path('out'), *socket)
        found = files_of(work.path('out'))
        names = {name, *('%s-%d' % (name, i) for i in range(1, len(found)))}
        check(len(found) > 1 and set(found) == names, 'names: %s', sorted(found))
        copies = json.loads(command('queue', 'show', name, '--json', *socket)[0])['messages']
        equal(len({copy['shard'] for copy in copies}), len(found), 'each shard has one')
        for copy in copies:
            its = found[name + ('-%d' % copy['part'] if copy['part'] else '')][0]
            equal([r['to'] for r in its['recipients']], [r['address'] for r in copy['envelope']], 'whose they are')
        equal(sorted(r['to'] for envelope, _ in found.values() for r in envelope['recipients']), wanted, 'all')
        equal({split_trace(content)[1] for _, content in found.values()}, {message(1)}, 'content')
        out, _ = command('queue', 'export', '--directory', work.path('out'), '--json', *socket)
        equal(sorted((r['id'], r['result']) for r in json.loads(out)['results']),
              sorted((one, 'there') for one in found), 'again')
        equal(set(command('queue', 'list', '--ids', '--all', *socket)[0].split()), {name}, 'the id that its sender has')
        # Fewer shards: parts meet in one, and are what they were.
        relay.terminate()
        relay = relay_of(work, name='fewer', shards=1, destinations=ways, routes=[
            {'recipient': '*@%s.example' % way['name'], 'destination': way['name']} for way in ways])
        out, _ = command('queue', 'export', '--directory', work.path('fewer'), '--socket', work.path('fewer.sock'))
        again = files_of(work.path('fewer'))
        equal({one: sorted(r['to'] for r in envelope['recipients']) for one, (envelope, _) in again.items()},
              {one: sorted(r['to'] for r in envelope['recipients']) for one, (envelope, _) in found.items()}, 'parts')


@case
def many_exported():
    """More than are made durable at once; one that is named twice is exported once."""
    with Workspace() as work:
        relay = relay_of(work)
        socket = ('--socket', work.path('postrider.sock'))
        work.source(relay.target, messages=600, size='1KiB', connections=4).result()
        ids = command('queue', 'list', '--ids', '--all', *socket)[0].split()
        out, _ = command('queue', 'export', '-', '--directory', work.path('out'), *socket,
                         stdin='\n'.join(ids + ids[:3] + ids[-3:]))
        check('600 messages exported' in out and 'were there' not in out, 'what is said: %s', out)
        equal(sorted(name.partition('-')[0] for name in files_of(work.path('out'))), sorted(ids), 'files')


# ---- import ----

class Cutting:
    """In front of a relay; ends the first connection when the relay has answered the end of a message."""

    def __init__(self, address):
        self.address, self.cut = address, True
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.target = '127.0.0.1:%d' % self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self):
        self.listener.close()

    def _serve(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            self._carry(client)

    def _carry(self, client):
        seen = b''
        with client, socket.create_connection(self.address) as relay:
            while True:
                for one in select.select([client, relay], [], [], 60)[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    if one is client:
                        seen = (seen + data)[-5:]
                        relay.sendall(data)
                    elif self.cut and seen.endswith(b'\r\n.\r\n'):
                        self.cut = False
                        return
                    else:
                        client.sendall(data)


def parcel(work, name, content=message(1), **envelope):
    """A message in work.path('in'); an envelope of None is not written."""
    if content is not None:
        work.write('in/%s.eml' % name, content)
    work.write('in/%s.json' % name, json.dumps({'from': 'sender@example.net', 'recipients': [{'to': 'r@example.com'}],
                                                **envelope}))


def imported(work, *arguments, status=0):
    """{name: result} of an import of work.path('in')."""
    out, said = command('queue', 'import', work.path('in'), '--json', *arguments, status=status)
    return {one['name']: one['result'] for one in json.loads(out)['results']}, out + said


@case
def from_relay_to_relay():
    """Exported here and imported there: octets and envelope are the same; once, however often it is repeated; what is
    held only when that is said."""
    with Workspace() as work:
        first = relay_of(work, name='first')
        hop = work.own(NextHop(ALL_EXTENSIONS + ('SMTPUTF8', 'DSN')))
        changes = {'spool': {'directory': work.path('second-spool')}, 'clients': [
            {'name': 'local', 'networks': ['127.0.0.0/8'], 'limits': {}}]}
        os.makedirs(work.path('second-spool'))
        large = message(2, 3 << 20)
        send(first, large, recipients=['a@example.com', 'b@example.org'])
        send(first, b'.dots\r\n..\r\n\r\n.\r\n.x\r\n' + b'gr\xc3\xbc\xc3\x9fe\r\n', 'us\u00e9r@example.net',
             ['r\u00e9@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+40example.com'],
             ' BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=one+2Btwo')
        held = send(first, message(3))
        command('queue', 'hold', held, '--socket', work.path('first.sock'))
        command('queue', 'export', '--directory', work.path('in'), '--socket', work.path('first.sock'))
        second = relay_of(work, [hop.host], 'second', **changes)
        found, _ = imported(work, '--relay', second.target, status=1)
        equal(sorted(found.values()), ['held', 'imported', 'imported'], 'imported')
        eventually(lambda: len(hop.arrivals) == 2, 'two arrivals')
        arrived = {tuple(one.recipients): one for one in hop.arrivals}
        same_octets(split_trace(split_trace(arrived['a@example.com', 'b@example.org'].content)[1])[1], large, 'large')
        one = next(one for one in hop.arrivals if len(one.recipients) == 1)
        commands = b' '.join(one.session.commands)
        for said in b'ENVID=one+2Btwo', b'RET=HDRS', b'NOTIFY=SUCCESS,DELAY', b'ORCPT=rfc822;first+40example.com':
            check(said in commands, '%s was not said: %s', said, commands)
        check(one.content.endswith(b'.dots\r\n..\r\n\r\n.\r\n.x\r\ngr\xc3\xbc\xc3\x9fe\r\n'), 'dots: %s', one.content)
        found, _ = imported(work, '--relay', second.target, '--held')
        equal(sorted(found.values()), ['imported', 'there', 'there'], 'again')
        found, _ = imported(work, '--relay', second.target, '--held')
        equal(sorted(found.values()), ['there'] * 3, 'and again')
        eventually(lambda: len(hop.arrivals) == 3, 'three arrivals')


@case
def hostile_files():
    """Each is answered in words, none is sent, and the good one beside them is."""
    with Workspace() as work:
        hop = work.own(NextHop())
        relay = relay_of(work, [hop.host])
        lines = 'a@example.com>\r\nRCPT TO:<victim@example.com'
        parcel(work, 'good')
        parcel(work, 'lines', recipients=[{'to': lines}])
        parcel(work, 'sender', **{'from': lines})
        parcel(work, 'parameter', envid='a\r\nRCPT TO:<victim@example.com>')
        parcel(work, 'notify', recipients=[{'to': 'a@example.com', 'notify': 'NEVER,SUCCESS'}])
        parcel(work, 'orcpt', recipients=[{'to': 'a@example.com', 'orcpt': 'rfc822;a b'}])
        parcel(work, 'lost', recipients=[{'to': '\ufffd@example.com'}], smtputf8=True)
        parcel(work, 'nobody', recipients=[])
        parcel(work, 'kind', recipients={'to': 'a@example.com'})
        parcel(work, 'status', recipients=[{'to': 'a@example.com', 'status': '\x1b[31mred'}])
        parcel(work, 'cut', size=99999)
        parcel(work, 'bare', b'Subject: x\n\nends in LF alone\n')
        parcel(work, 'nul', b'Subject: x\r\n\r\nzero\0\r\n')
        parcel(work, 'no_content', None)
        parcel(work, 'done', recipients=[{'to': 'a@example.com', 'status': 'delivered'}])
        work.write('in/deep.json', '[' * 100000)
        work.write('in/twice.json', '{"from": "a@b.c", "from": "d@e.f", "recipients": [{"to": "r@example.com"}]}')
        work.write('in/binary.json', bytes(range(256)))
        work.write('in/back\x1b[2Jslash.json', '{}')
        work.write('in/two\r\nlines.json', '{}')
        work.write('in/without.eml', message(1))
        parcel(work, 'n' * 200)
        os.symlink('/etc/passwd', work.path('in', 'link.eml'))
        parcel(work, 'link', None)
        os.mkfifo(work.path('in', 'pipe.json'))
        found, said = imported(work, '--relay', relay.target, status=1)
        equal({name for name, result in found.items() if result == 'imported'}, {'good'}, 'imported')
        equal(found['done'], 'nothing', 'what nobody waits for')
        wrong = {name for name, result in found.items() if result != 'unreadable'} - {'good', 'done'}
        check(not wrong, 'not unreadable: %s', {name: found[name] for name in wrong})
        check({'without.eml', 'two\r\nlines.json', 'n' * 200 + '.json'} <= set(found), 'not told: %s', found)
        check('without.json' not in found and 'longer than 200' in said and 'is not there' in said, 'why: %s', said)
        check('\x1b' not in said, 'an escape sequence: %s', said)
        _, said = command('queue', 'import', work.path('in'), '--relay', relay.target, status=1)
        check('\x1b' not in said, 'an escape sequence: %s', said)
        eventually(lambda: len(hop.arrivals) == 1, 'one arrival')
        equal(list(hop.arrivals[0].recipients), ['r@example.com'], 'to')
        # All or nobody: what is refused for one is not handed over for the others, so it can be repeated.
        parcel(work, 'large', message(2, 40 << 20))
        check('552' in imported(work, '--relay', relay.target, status=1)[1], 'the relay says why not')
        parcel(work, 'secret', require_tls=True)
        parcel(work, 'many', recipients=[{'to': 'r%d@example.com' % i} for i in range(1001)])
        found, said = imported(work, '--relay', relay.target, status=1)
        equal((found['secret'], found['many']), ('refused', 'refused'), 'what is not to be repeated')
        check('goes without TLS' in said and 'for 1000 at most' in said, 'neither is explained: %s', said)
        command('queue', 'import', work.path('in'), '--relay', '127.0.0.1:%d' % free_port(), status=69)
        command('queue', 'import', work.path('nothing'), '--relay', relay.target, status=66)
        command('queue', 'import', work.path('in'), '--relay', 'localhost', status=78)


@case
def broken_off():
    """Killed again and again, and repeated: each message arrives once, or it is said that this is not known."""
    with Workspace() as work:
        hop = work.own(NextHop())
        relay = relay_of(work, [hop.host])
        for number in range(60):
            parcel(work, 'm%03d' % number, message(number))
        arguments = [program('postrider'), 'queue', 'import', work.path('in'), '--relay', relay.target]
        for stop in (5, 17, 29, 44):
            one = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            eventually(lambda: len(hop.arrivals) >= stop or one.poll() is not None, 'so many arrivals')
            # Meanwhile nobody else may.
            one.kill()
            one.wait()
        found, _ = imported(work, '--relay', relay.target, '--socket', work.path('postrider.sock'), status=None)
        doubtful = {int(name[1:]) for name, result in found.items() if result == 'doubt'}
        check(len(doubtful) <= 4, 'one in doubt for each end at most: %s', doubtful)
        eventually(lambda: len(hop.arrivals) >= 60 - len(doubtful), 'all arrivals')
        times = collections.Counter(sequence_of(one.content) for one in hop.arrivals)
        equal([n for n in range(60) if times[n] != 1 and not (n in doubtful and times[n] == 0)], [], 'not once')


@case
def last_word_lost():
    """Where the answer to the end did not come the message is found in the queue; where it is not there it is in doubt,
    and sent once more only when that is wanted."""
    with Workspace() as work:
        relay = relay_of(work)
        cutting = work.own(Cutting(relay.address))
        parcel(work, 'one', recipients=[{'to': 'done@example.com', 'status': 'delivered'}, {'to': 'r@example.com'}])
        equal(imported(work, '--relay', cutting.target, status=75)[0], {'one': 'doubt'}, 'no last word')
        socket_path = work.path('postrider.sock')
        found, out = imported(work, '--relay', relay.target, '--socket', socket_path)
        equal(found, {'one': 'imported'}, 'found')
        here = json.loads(command('queue', 'list', '--json', '--socket', socket_path)[0])['messages']
        equal([one['id'] for one in here], [json.loads(out)['results'][0]['id']], 'once')
        cutting.cut = True
        parcel(work, 'two', message(2))
        equal(imported(work, '--relay', cutting.target, status=75)[0]['two'], 'doubt', 'no last word')
        listed = json.loads(command('queue', 'list', '--json', '--socket', socket_path)[0])['messages']
        two = [one['id'] for one in listed if one['id'] != here[0]['id']]
        command('queue', 'delete', '--yes', *two, '--socket', socket_path)
        place = ('--relay', relay.target, '--socket', socket_path)
        for _ in range(2):
            equal(imported(work, *place, status=75)[0]['two'], 'doubt', 'gone')
        equal(imported(work, *place, '--again')[0]['two'], 'imported', 'again')
        # One at a time has a directory.
        with open(work.path('in', 'import.journal')) as journal:
            fcntl.flock(journal, fcntl.LOCK_EX)
            check('under way' in command('queue', 'import', work.path('in'), *place, status=75)[1], 'two at a time')
        with open(work.path('in', 'import.journal'), 'ab') as journal:
            journal.write(b'done thr')
        equal(set(imported(work, '--relay', relay.target)[0].values()), {'there'}, 'a line that was cut off')
        # What somebody else keeps under that name is not touched.
        kept = open(work.path('in', 'import.journal'), 'rb').read()
        for foreign in (b'what I have done', b'not yet done, but', b'done \x1b[2J x', b'sent 1 2 3 4', b'\x00\x00x',
                        b'nonsense is here\n', kept + b'nonsense is here'):
            with open(work.path('in', 'import.journal'), 'wb') as journal:
                journal.write(foreign)
            check('no journal' in command('queue', 'import', work.path('in'), *place, status=74)[1], 'another file')
            equal(open(work.path('in', 'import.journal'), 'rb').read(), foreign, 'as it was')
        # Nor does one of zeros, as a disk leaves it that lost its power, keep anything from going on.
        with open(work.path('in', 'import.journal'), 'wb') as journal:
            journal.write(kept + b'sent thr\0\0\0')
        equal(set(imported(work, '--relay', relay.target)[0].values()), {'there'}, 'a line that was not written')


main(together=2)
