#!/usr/bin/python3
"""tests/e2e/test_steer.py - what an operator does to the queue: hold, release, retry, delete, suspend."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (Client, NextHop, Workspace, case, check, equal, eventually, free_port, message,  # noqa: E402
                     program)
from name_server import Exchangers, NameServer  # noqa: E402

SOON = {'first': '1s', 'factor': 1, 'max': '1s'}
LATE = {'first': '1h', 'factor': 1, 'max': '1h'}


def command(*arguments, stdin=None):
    done = subprocess.run([program('postrider'), *arguments], input=stdin, capture_output=True, timeout=120, text=True)
    return done.returncode, done.stdout, done.stderr


def send(relay, sequence, recipients=('recipient@example.com',)):
    """The id that the client was told."""
    with Client(relay.address) as client:
        client.hello()
        client.envelope(recipients=recipients)
        return re.search(r'queued as (\w+)', str(client.data(message(sequence)))).group(1)


class Gate:
    """Answers 450 until it is opened, but for reports."""

    def __init__(self):
        self.open = False
        self.tried = 0

    def __call__(self, stage, session, argument):
        if stage != 'RCPT' or 'sender@example.net' in argument:
            return None
        self.tried += 1
        return None if self.open else '450 4.2.0 not yet'


class Steered:
    """A relay with a control socket, which is started again on the same spool."""

    def __init__(self, work, hop, **changes):
        self.work, self.number, self.path = work, 0, work.path('control.sock')
        changes.setdefault('control', {'socket': self.path})
        self.configuration = work.configuration([hop.host], **changes)
        self.relay = None
        self.start()

    def start(self, kill=False):
        if self.relay and kill:
            self.relay.kill()
        elif self.relay:
            self.relay.terminate()
        self.number += 1
        self.relay = self.work.relay(self.configuration, 'run-%d' % self.number)

    def queue(self, verb, *arguments, status=0, stdin=None):
        code, out, said = command('queue', verb, *arguments, '--socket', self.path, '--json', stdin=stdin)
        equal(code, status, 'queue %s: %s%s' % (verb, out, said))
        return [r['result'] for r in json.loads(out)['results']]

    def hold(self, one):
        """Whether an attempt is under way or not: when it has ended it is held."""
        code, out, said = command('queue', 'hold', one, '--reason', 'a look at it', '--socket', self.path, '--json')
        check(code in (0, 75) and json.loads(out)['results'][0]['result'] in ('done', 'in_delivery'), 'hold: %s', said)
        self.relay.told('queue_held')

    def states(self):
        code, out, said = command('queue', 'list', '--socket', self.path, '--json')
        equal(code, 0, said)
        return [one['state'] for one in json.loads(out)['messages']]

    def ids(self, count):
        """Of all that is queued, once it is so much and every shard has answered in time."""
        code, out, said = command('queue', 'list', '--ids', '--all', '--socket', self.path)
        check(code in (0, 75), '%d %s', code, said)
        found = out.split()
        return found if code == 0 and len(found) == count else None

    def queued(self):
        """None: a shard has not answered in time."""
        code, out, said = command('status', '--socket', self.path, '--json')
        check(code in (0, 75), '%d %s', code, said)
        return json.loads(out)['queued'] if code == 0 else None


def heeds(process, number):
    """Whether it has a handler for that signal."""
    with open('/proc/%d/status' % process.pid) as f:
        return int(re.search(r'SigCgt:\s+(\w+)', f.read()).group(1), 16) >> (number - 1) & 1


@case
def interrupted_between_pieces():
    """Of more messages than go in one piece: who interrupts the command hears how far it came, and of the rest none is
    touched."""
    with Workspace() as work:
        s = Steered(work, work.own(NextHop(script=Gate())), retry=LATE)
        ids = [send(s.relay, 1), send(s.relay, 2)]
        s.relay.told('deferred', 2)
        unknown = [ids[0][:-5] + '%05d' % n for n in range(5500)]
        many = [ids[0], *(one for one in unknown if one not in ids), ids[1]]
        s.relay.signal(signal.SIGSTOP)
        asking = subprocess.Popen([program('postrider'), 'queue', 'delete', '-', '--yes', '--socket', s.path],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            asking.stdin.write('\n'.join(many) + '\n')
            asking.stdin.close()
            eventually(lambda: heeds(asking, signal.SIGINT), 'it has begun')
            asking.send_signal(signal.SIGINT)
        finally:
            s.relay.signal(signal.SIGCONT)
        out, said = asking.stdout.read(), asking.stderr.read()
        equal(asking.wait(120), 75, said)
        check(out.endswith('\n1 message deleted\n'), 'what was done: %s', out[-100:])
        left = re.fullmatch(r'no answer for (\d+) of %d messages: give it again\n' % len(many), said)
        check(left and int(left.group(1)) > 0, 'what was left: %s', said)
        equal(s.queue('hold', *ids, status=1), ['not_found', 'done'], 'what is there still')
        s.relay.terminate()


@case
def deleted_where_it_moved_to():
    """All that waits moves to other shards, some of it is deleted there at once, and the process is killed: the next
    start, with other shards again, has what is left, and new mail goes as ever."""
    with Workspace() as work:
        gate = Gate()
        hop = work.own(NextHop(script=gate))
        s = Steered(work, hop, retry=LATE, shards=3)
        ids = [send(s.relay, n) for n in range(1, 9)]
        s.relay.told('deferred', 8)
        s.configuration['shards'] = 1
        s.start()
        equal(s.queue('delete', *ids[:5], '--yes'), ['done'] * 5, 'deleted')
        s.configuration['shards'] = 2
        s.start(kill=True)
        equal(sorted(eventually(lambda: s.ids(3), 'three are left')), sorted(ids[5:]), 'left')
        gate.open = True
        send(s.relay, 9)
        equal(s.queue('retry', *ids[5:]), ['done'] * 3, 'tried')
        hop.wait_arrivals(4)
        eventually(lambda: s.queued() == 0, 'all has gone')
        equal(sorted(hop.sequences()), [6, 7, 8, 9], 'what arrived')
        s.relay.terminate()


@case
def held_through_restarts():
    """What is held goes nowhere, through a stop and a kill; released it is delivered, once."""
    with Workspace() as work:
        gate = Gate()
        hop = work.own(NextHop(script=gate))
        s = Steered(work, hop, retry=SOON)
        held, other = send(s.relay, 1), send(s.relay, 2)
        eventually(lambda: gate.tried >= 2, 'both were tried')
        s.relay.told('deferred', 2)
        s.hold(held)
        equal(s.queue('hold', held), ['as_it_was'], 'twice')
        equal(s.queue('retry', held, status=1), ['is_held'], 'a retry does not release')
        event = s.relay.told('queue_held')[0]
        check(event['reason'] == 'a look at it' and event['who'].startswith('uid '), 'the event: %s', event)
        gate.open = True
        hop.wait_arrivals(1)
        s.start()
        s.start(kill=True)
        time.sleep(2)
        equal(hop.sequences(), [2], 'what arrived while the first is held')
        equal(s.queued(), 1, 'in the queue')
        equal(s.queue('release', held), ['done'], 'released')
        hop.wait_arrivals(2)
        eventually(lambda: s.queued() == 0, 'delivered')
        equal(s.queue('release', held, status=1), ['not_found'], 'it is gone')
        equal(s.queue('delete', other, '--yes', status=1), ['not_found'], 'delivered before')
        s.relay.terminate()


@case
def deleted_and_not_seen_again():
    """Without a word, or with a report that has the reason; nothing of it comes after a kill."""
    with Workspace() as work:
        gate = Gate()
        hop = work.own(NextHop(script=gate))
        s = Steered(work, hop, retry=LATE, reports={'from': 'postmaster@example.net'})
        silent, told = send(s.relay, 1, ('a@example.com', 'b@example.com')), send(s.relay, 2)
        s.relay.told('deferred', 2)
        code, _, said = command('queue', 'delete', silent, '--socket', s.path)
        check(code == 1 and '1 message would be deleted' in said and '--yes' in said, 'no terminal: %s %s', code, said)
        code, _, said = command('queue', 'delete', told, '--bounce', '--yes', '--socket', s.path)
        equal(code, 64, 'a report without a reason')
        eventually(lambda: s.queue('delete', silent, '--yes') == ['done'], 'deleted')
        equal(s.queue('delete', told, '--bounce', '--reason', 'wrong campaign', '--yes'), ['done'], 'with a report')
        gate.open = True
        s.start(kill=True)
        # Twice, where the kill came between its arrival and the record of that.
        eventually(lambda: hop.reports, 'the report')
        check(b'wrong campaign' in hop.reports[0].content and b'Action: failed' in hop.reports[0].content,
              'the report: %s', hop.reports[0].content)
        eventually(lambda: s.queued() == 0, 'all is gone')
        equal(hop.sequences(), [], 'what was delivered')
        s.relay.terminate()


@case
def retried():
    """What is due in an hour goes at once, also where its host is left alone."""
    with Workspace() as work:
        gate = Gate()
        hop = work.own(NextHop(script=gate))
        s = Steered(work, hop, retry=LATE)
        one = send(s.relay, 1)
        s.relay.told('deferred')
        gate.open = True
        eventually(lambda: s.queue('retry', one, '--now') == ['done'], 'retried')
        hop.wait_arrivals(1)
        code, _, said = command('queue', 'retry', 'nonsense', '--socket', s.path)
        check(code == 64 and 'no id' in said, 'what is no id: %s %s', code, said)
        # Nothing of it is done where one of many is none.
        code, out, said = command('queue', 'delete', '-', '--yes', '--socket', s.path, stdin=one + '\nnon\x1bsense\n')
        check(code == 64 and out == '' and 'no id' in said and '\x1b' not in said, 'among others: %s %s', out, said)
        s.relay.terminate()


@case
def in_delivery():
    """A message whose content the host has, and has not answered for: it cannot be taken back, nor is it sent again."""
    with Workspace() as work:
        wait = {'s': 3, 'ends': 0}

        def script(stage, session, argument):
            if stage not in ('END', 'BDAT'):
                return None
            wait['ends'] += 1
            time.sleep(wait['s'])
            return '451 4.3.0 not now'
        hop = work.own(NextHop(script=script))
        s = Steered(work, hop, retry=SOON)
        one = send(s.relay, 1)
        eventually(lambda: wait['ends'] == 1, 'the host has it')
        equal(s.queue('delete', one, '--yes', status=75), ['in_delivery'], 'it is in delivery')
        equal(s.queue('release', one, status=75), ['being_deleted'], 'and is not let go')
        eventually(lambda: s.queued() == 0, 'deleted when the attempt has ended')
        equal(wait['ends'], 1, 'attempts')
        check(any(e['in_delivery'] is False for e in s.relay.told('queue_deleted', 2)), 'told when it is deleted')
        # If the process dies before that it is found held, and not sent again.
        two = send(s.relay, 2)
        eventually(lambda: wait['ends'] == 2, 'the host has the second')
        equal(s.queue('delete', two, '--yes', status=75), ['in_delivery'], 'it is in delivery, too')
        s.start(kill=True)
        equal(s.queue('retry', two, '--now', status=1), ['is_held'], 'found held')
        time.sleep(2)
        equal((wait['ends'], s.queue('delete', two, '--yes')), (2, ['done']), 'not sent again, and deleted')
        s.relay.terminate()


@case
def deleted_twice():
    """Two orders of one message whose attempts are under way, the first with a report and the second without: the
    second does not take the report from the first, and is carried out when it is given again."""
    with Workspace() as work:
        wait, ends = threading.Event(), []

        def script(stage, session, argument):
            if stage not in ('END', 'BDAT') or ends.count(session.server) > 0:
                return None
            ends.append(session.server)
            wait.wait(timeout=120)
            return '451 4.3.0 not now'
        first, second = work.own(NextHop(script=script)), work.own(NextHop(script=script))
        places = [{'name': name, 'hosts': [hop.host], 'tls': {'mode': 'none'}}
                  for name, hop in (('a', first), ('b', second))]
        s = Steered(work, first, retry=SOON, destinations=places,
                    routes=[{'recipient': '*@a.example', 'destination': 'a'}, {'destination': 'b'}])
        one = send(s.relay, 1, ['x@a.example', 'x@b.example'])
        eventually(lambda: len(ends) == 2, 'both hosts have it')
        equal(s.queue('delete', one, '--yes', '--destination', 'a', '--bounce', '--reason', 'not wanted', status=75),
              ['in_delivery'], 'with a report')
        equal(s.queue('delete', one, '--yes', '--destination', 'b', status=75), ['being_deleted'], 'without one')
        wait.set()
        s.relay.told('report')
        eventually(lambda: command('queue', 'delete', one, '--yes', '--destination', 'b', '--socket',
                                   s.path)[0] in (0, 1), 'again')
        eventually(lambda: s.queued() == 0, 'deleted and reported')
        s.relay.terminate()


@case
def in_parts():
    """Recipients who part when their attempt ends: who was not tried in it was deleted, too, and is not tried again."""
    with Workspace() as work:
        wait, tried = threading.Event(), []

        def script(stage, session, argument):
            if stage != 'RCPT':
                return None
            tried.append(argument)
            wait.wait(60)
            return '450 4.2.0 not yet'
        hop = work.own(NextHop(extensions=harness.ALL_EXTENSIONS + ('LIMITS RCPTMAX=1',), script=script))
        s = Steered(work, hop, retry=LATE)
        one = send(s.relay, 1, ('a@example.com', 'b@example.com', 'c@example.com'))
        eventually(lambda: tried, 'it is in delivery')
        equal(s.queue('delete', one, '--yes', status=75), ['in_delivery'], 'while it is in delivery')
        wait.set()
        eventually(lambda: s.queued() == 0, lambda: 'all of it is deleted; tried were %s' % tried)
        equal(len(tried), 1, 'recipients who were tried: %s' % tried)
        s.relay.terminate()


@case
def listed_for_each_shard():
    """Several shards have some of a message, so a list of ids has it more than once: it is counted and hit once."""
    with Workspace() as work:
        # One connection, so one shard each, which follows from the name.
        ways = [{'name': 'd%d' % i, 'hosts': ['127.0.0.1:%d' % free_port()], 'tls': {'mode': 'none'},
                 'limits': {'connections': 1}} for i in range(12)]
        s = Steered(work, work.own(NextHop()), shards=3, destinations=ways, retry=LATE, routes=[
            {'recipient': '*@%s.example' % way['name'], 'destination': way['name']} for way in ways])
        one = send(s.relay, 1, ['user@d%d.example' % i for i in range(12)])
        code, ids, said = command('queue', 'list', '--ids', '--all', '--socket', s.path)
        check(code == 0 and len(ids.split()) > 1 and set(ids.split()) == {one}, 'ids: %s%s', ids, said)
        code, _, said = command('queue', 'delete', '-', '--socket', s.path, stdin=ids)
        check('1 message would be deleted' in said, 'what it would hit: %s', said)
        results = s.queue('hold', '-', stdin=ids)
        equal(results, ['done'], 'all of it is held')
        equal(set(s.states()), {'held'}, 'on each shard')
        equal(s.queue('delete', '-', '--yes', stdin=ids), ['done'], 'all of it is deleted')
        eventually(lambda: s.queued() == 0, 'nothing is left')
        s.relay.terminate()


@case
def suspended():
    """Nothing is begun at a destination that is suspended, through a kill; it ends by itself, or when it is resumed."""
    with Workspace() as work:
        gate = Gate()
        gate.open = True
        hop = work.own(NextHop(script=gate))
        s = Steered(work, hop)

        def destination(*arguments):
            return command('destination', *arguments, '--socket', s.path)
        code, out, said = destination('suspend', 'next-hop', '--reason', 'it is moved')
        equal(code, 0, out + said)
        send(s.relay, 1)
        s.start(kill=True)
        send(s.relay, 2)
        time.sleep(2)
        equal(gate.tried, 0, 'attempts at a suspended destination')
        code, out, _ = destination('list', '--json')
        one = json.loads(out)['suspensions'][0]
        equal((one['destination'], one['until'], one['reason']), ('next-hop', None, 'it is moved'), 'the list')
        equal(destination('suspend', 'nobody')[0], 1, 'a destination that there is not')
        check('mx: true' in destination('suspend', 'next-hop', '--domain', 'example.com')[2], 'a domain of a host')
        equal(destination('resume', 'next-hop')[0], 0, 'resumed')
        hop.wait_arrivals(2)
        equal(destination('resume', 'next-hop')[0], 1, 'it is not suspended any more')
        equal(destination('suspend', 'next-hop', '--for', '3s')[0], 0, 'for a while')
        send(s.relay, 3)
        hop.wait_arrivals(3)
        s.relay.told('destination_suspended')
        eventually(lambda: len(s.relay.told('destination_resumed')) == 2, 'and goes on by itself')
        s.relay.terminate()


class Slow:
    """A host that says nothing to the RCPT of a message from `since` on until it is let."""

    def __init__(self, work, since):
        self.go, self.asked, self.since, self.count = threading.Event(), threading.Event(), since, 0
        self.hop = work.own(NextHop(extensions=('PIPELINING', '8BITMIME'), script=self))
        self.destinations = [{'name': 'next-hop', 'hosts': [self.hop.host], 'tls': {'mode': 'none'},
                              'limits': {'connections': 1, 'messages_in_flight': 2},
                              'pipeline_across_messages': True}]

    def __call__(self, stage, session, argument):
        if stage != 'RCPT':
            return
        self.count += 1
        if self.count >= self.since:
            self.asked.set()
            self.go.wait(120)

    def wait_asked(self):
        check(self.asked.wait(120), 'one is under way')


@case
def read_and_not_begun():
    """What was read from the disk, and has no room on a connection yet, is held and deleted like what waits."""
    with Workspace() as work:
        slow = Slow(work, 1)
        s = Steered(work, slow.hop, destinations=slow.destinations, shards=1)
        equal(command('destination', 'suspend', 'next-hop', '--socket', s.path)[0], 0, 'suspended')
        ids = [send(s.relay, number) for number in range(1, 13)]
        s.start()
        equal(command('destination', 'resume', 'next-hop', '--socket', s.path)[0], 0, 'resumed')
        slow.wait_asked()
        for number, one in enumerate(ids):
            order = ('hold',) if number % 2 else ('delete', '--yes')
            code, out, said = command('queue', *order, one, '--socket', s.path, '--json')
            check(code in (0, 75), '%s: %s%s', order, out, said)
        slow.go.set()
        eventually(lambda: s.queued() is not None and set(s.states()) <= {'held'}, 'what is left is held')
        # Two had been given to the connection, and nobody says which.
        check(len(slow.hop.sequences()) <= 2, 'what went all the same: %s', slow.hop.sequences())
        check(len(s.states()) >= 4, 'what is held: %s', s.states())
        s.relay.terminate()


@case
def suspended_under_way():
    """What a connection was given and has not begun goes back when its destination is suspended: only the one message
    that is under way still arrives."""
    with Workspace() as work:
        slow = Slow(work, 41)
        s = Steered(work, slow.hop, destinations=slow.destinations, shards=1)
        for number in range(1, 41):
            send(s.relay, number)
        slow.hop.wait_arrivals(40)
        send(s.relay, 41)
        slow.wait_asked()
        for number in range(42, 48):
            send(s.relay, number)
        equal(command('destination', 'suspend', 'next-hop', '--socket', s.path)[0], 0, 'suspended')
        s.relay.told('destination_suspended')
        slow.go.set()
        s.relay.told('connection')
        equal(sorted(slow.hop.sequences()), list(range(1, 42)), 'what arrived until the connection ended')
        equal(command('destination', 'resume', 'next-hop', '--socket', s.path)[0], 0, 'resumed')
        slow.hop.wait_arrivals(47)
        equal(sorted(slow.hop.sequences()), list(range(1, 48)), 'what arrived in all')
        s.relay.terminate()


@case
def order_after_suspension():
    """What was read from disk, and waited for its turn, keeps its order when its destination is suspended meanwhile."""
    with Workspace() as work:
        slow = Slow(work, 1)
        slow.destinations[0]['limits']['messages_in_flight'] = 1
        s = Steered(work, slow.hop, destinations=slow.destinations, shards=1)
        equal(command('destination', 'suspend', 'next-hop', '--socket', s.path)[0], 0, 'suspended')
        for number in range(1, 7):
            send(s.relay, number)
        s.start()
        equal(command('destination', 'resume', 'next-hop', '--socket', s.path)[0], 0, 'resumed')
        slow.wait_asked()
        eventually(lambda: s.states() == ['active'] * 6, 'all are read')
        equal(command('destination', 'suspend', 'next-hop', '--socket', s.path)[0], 0, 'suspended again')
        eventually(lambda: sorted(s.states()) == ['active'] + ['ready'] * 5, 'they are where they were')
        # From now on one is read at a time: what is read together comes in the order of the disk.
        slow.destinations[0]['limits']['messages_per_minute'] = 119
        work.write('run-2.yaml', json.dumps(s.configuration))
        code, out, said = command('reload', '--config', work.path('run-2.yaml'))
        equal(code, 0, out + said)
        slow.go.set()
        s.relay.told('connection')
        equal(command('destination', 'resume', 'next-hop', '--socket', s.path)[0], 0, 'resumed again')
        slow.hop.wait_arrivals(6)
        equal(slow.hop.sequences(), list(range(1, 7)), 'the order in which they came')
        s.relay.terminate()


@case
def before_its_time():
    """What the limits of its site keep waiting is in no attempt, though there is a connection: it is held at once."""
    with Workspace() as work:
        port = free_port()
        hop = work.own(NextHop(address='127.0.0.2', port=port))
        server = work.own(NameServer({'one.lab': Exchangers((10, 'mail.one.lab')), 'mail.one.lab': ['127.0.0.2']}))
        s = Steered(work, hop, destinations=[
            {'name': 'internet', 'mx': True, 'mx_port': port, 'tls': {'mode': 'none'}, 'idle_timeout': '1h'}],
            routes=[{'destination': 'internet'}],
            dns={'servers': [server.address], 'dnssec': 'off', 'allow_private': True})
        send(s.relay, 1, ('x@one.lab',))
        hop.wait_arrivals(1)
        s.relay.told('attempt')
        # From now on one in an hour, of which the first has to wait.
        s.configuration['destinations'][0]['limits'] = {'messages_per_hour': 1}
        work.write('run-1.yaml', json.dumps(s.configuration))
        code, out, said = command('reload', '--config', work.path('run-1.yaml'))
        equal(code, 0, out + said)
        second = send(s.relay, 2, ('x@one.lab',))
        eventually(lambda: s.states() == ['ready'], 'it waits, and is in no attempt')
        equal(s.queue('hold', second), ['done'], 'so it is held at once')
        equal(hop.sequences(), [1], 'what arrived')
        s.relay.terminate()


@case
def ten_thousand():
    """10,000 are deleted by their ids, from standard input, beside mail that flows: that arrives, none of them."""
    many = 10000
    with Workspace() as work:
        gate = Gate()
        hop = work.own(NextHop(script=gate))
        other = work.own(NextHop())
        s = Steered(work, hop, retry=LATE, destinations=[
            {'name': 'next-hop', 'hosts': [hop.host], 'tls': {'mode': 'none'}},
            {'name': 'live', 'hosts': [other.host], 'tls': {'mode': 'none'}}],
            routes=[{'recipient': '*@live.example', 'destination': 'live'}, {'destination': 'next-hop'}])
        equal(command('destination', 'suspend', 'next-hop', '--socket', s.path)[0], 0, 'suspended')
        work.source(s.relay.target, messages=many, size=500, connections=8).result()
        # Not from the events: of so many some may be left out where nobody reads them for a while.
        ids = eventually(lambda: s.ids(many), 'all are listed')
        live = [send(s.relay, many + i, ('x@live.example',)) for i in range(20)]
        results = s.queue('delete', '-', '--yes', stdin='\n'.join(ids) + '\n')
        equal((len(results), set(results)), (many, {'done'}), 'deleted')
        eventually(lambda: s.queued() == 0, 'all is gone')
        # And by a filter: what one of the destinations has.
        both = [send(s.relay, 2 * many + i, ('y@example.com',)) for i in range(50)]
        equal(command('queue', 'delete', '--destination', 'next-hop', '--socket', s.path, stdin='')[::2],
              (1, '50 messages would be deleted, and nobody would hear of it: with --yes they are\n'), 'how many')
        equal(s.queue('hold', '--to', '*@example.com', '--newer', '1h'), ['done'] * len(both), 'held by a filter')
        equal(s.queue('delete', '--state', 'held', '--yes'), ['done'] * len(both), 'deleted by a filter')
        gate.open = True
        s.start(kill=True)
        equal(command('destination', 'resume', 'next-hop', '--socket', s.path)[0], 0, 'resumed')
        live += [send(s.relay, many + i, ('x@live.example',)) for i in range(20, 40)]
        other.wait_arrivals(len(live))
        eventually(lambda: s.queued() == 0, 'nothing is left')
        equal(gate.tried, 0, 'what was tried of what is deleted')
        s.relay.terminate()


if __name__ == '__main__':
    harness.main(together=3)
