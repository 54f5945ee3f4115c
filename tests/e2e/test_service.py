#!/usr/bin/python3
"""tests/e2e/test_service.py - what the relay says to a service manager, and the units and files installed."""

import configparser
import json
import os
import re
import socket
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import BUILD, SOURCES, Client, Workspace, case, check, equal, eventually, listening, program  # noqa: E402
from stopped import Stopped  # noqa: E402


class Manager:
    """The socket of a service manager. `name` as in NOTIFY_SOCKET."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind('\0' + name[1:] if name.startswith('@') else name)
        self.seen = []

    def stop(self):
        self.socket.close()

    def wait_for(self, key, timeout=60):
        """The next datagram with a line of this key, as a dictionary."""
        self.socket.settimeout(timeout)
        while True:
            try:
                text = self.socket.recv(4096).decode()
            except socket.timeout:
                raise harness.Failure('no %s; there came %s' % (key, self.seen)) from None
            self.seen.append(text)
            said = dict(line.split('=', 1) for line in text.split('\n'))
            if key in said:
                return said

    def between(self, seconds):
        """What comes within so long."""
        end, came = time.monotonic() + seconds, []
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                came.append(self.socket.recv(4096).decode())
            except socket.timeout:
                break
        return came


def start(work, name, **changes):
    """A relay under a manager; (manager, relay)."""
    manager = work.own(Manager(name))
    os.environ['NOTIFY_SOCKET'] = name
    try:
        return manager, work.relay(work.configuration(['127.0.0.1:9'], **changes), wait=False)
    finally:
        del os.environ['NOTIFY_SOCKET']


@case
def ready_status_and_stopping():
    """READY=1 once the listeners accept, never before; STOPPING=1 with the time that draining may take."""
    with Workspace() as work:
        for kind in ('/', '@'):
            name = work.path('manager') if kind == '/' else '@postrider-test-%d' % os.getpid()
            manager, relay = start(work, name, timeouts={'drain': '200s'})
            said = manager.wait_for('READY')
            equal(said['READY'], '1', 'READY')
            check('queued' in said['STATUS'], 'the first status: %s', said)
            relay.wait_ready()
            check(listening(relay.address[1]), 'READY=1, and nobody listens')
            relay.signal(15)
            said = manager.wait_for('STOPPING')
            equal(said['STOPPING'], '1', 'STOPPING')
            check(int(said['EXTEND_TIMEOUT_USEC']) > 200e6, 'the drain is longer than what was asked for: %s', said)
            equal(relay.wait(), 0, 'exit status')
            check(not relay.noise, relay.noise)


@case
def status_goes_on():
    """The line follows what happens: a session that stays is counted."""
    with Workspace() as work:
        manager, relay = start(work, work.path('manager'))
        manager.wait_for('READY')
        relay.wait_ready()
        with Client(relay.address):
            eventually(lambda: re.search(r', 1 sessions', manager.wait_for('STATUS')['STATUS']),
                       lambda: 'a status with the session: %s' % manager.seen)
        relay.terminate()


@case
def the_watchdog_is_told_while_no_shard_is_stuck():
    """Only where the manager asks this process; and a shard that does not come back to itself is not kept secret."""
    with Workspace() as work:
        for pid in ('other', None):
            os.environ['WATCHDOG_USEC'] = '180000000'
            if pid:
                os.environ['WATCHDOG_PID'] = '1'
            try:
                manager, relay = start(work, work.path('manager-%s' % pid), shards=1,
                                       timeouts={'command': '2s'})
            finally:
                del os.environ['WATCHDOG_USEC']
                os.environ.pop('WATCHDOG_PID', None)
            manager.wait_for('READY')
            relay.wait_ready()
            if pid:
                with Client(relay.address):
                    eventually(lambda: '1 sessions' in manager.wait_for('STATUS')['STATUS'], lambda: manager.seen)
                check(not any('WATCHDOG' in text for text in manager.seen), manager.seen)
                relay.terminate()
                continue
            equal(manager.wait_for('WATCHDOG')['WATCHDOG'], '1', 'WATCHDOG')
            tasks = '/proc/%d/task/' % relay.pid
            shard = next(int(task) for task in os.listdir(tasks)
                         if open(tasks + task + '/comm').read().strip() == 'shard-0')
            # It wants to be back when this one has been silent for too long, and is missed then.
            silent = work.own(Client(relay.address))
            check(silent, 'a session')
            try:
                stopped = Stopped(shard)
                stopped.__enter__()
            except PermissionError:
                print('no thread may be stopped here: nothing is tried')
                relay.terminate()
                return
            try:
                relay.told('shard_stuck')
                eventually(lambda: all('WATCHDOG' not in text for text in manager.between(3)),
                           lambda: 'three seconds without it: %s' % manager.seen)
            finally:
                stopped.__exit__(None, None, None)
            equal(manager.wait_for('WATCHDOG')['WATCHDOG'], '1', 'WATCHDOG')
            relay.terminate()


@case
def a_start_that_fails_is_explained():
    with Workspace() as work:
        work.write('spool', 'not a directory')
        os.environ['NOTIFY_SOCKET'] = work.path('manager')
        manager = work.own(Manager(work.path('manager')))
        try:
            path = work.write('postrider.yaml', json.dumps(work.configuration(['127.0.0.1:9'])))
            relay = work.start([program('postrider'), 'run', '--config', path])
        finally:
            del os.environ['NOTIFY_SOCKET']
        check(relay.wait() > 0, 'it runs')
        manager.socket.setblocking(False)
        said = ''
        while 'spool' not in said or 'reading' in said:
            try:
                said = manager.socket.recv(4096).decode()
            except BlockingIOError:
                raise harness.Failure('the reason was not told: %s' % said) from None
        check('READY' not in said, said)


@case
def a_manager_that_is_behind():
    """What it has no room for while it is busy, and waits for, it hears when it has."""
    with Workspace() as work:
        manager = work.own(Manager(work.path('manager')))
        sent = 1
        while sent:  # each sender has a bound of its own, too: until one has no room for anything
            sent = 0
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
                other.setblocking(False)
                try:
                    while True:
                        other.sendto(b'STATUS=another', manager.name)
                        sent += 1
                except BlockingIOError:
                    pass
        os.environ['NOTIFY_SOCKET'] = manager.name
        try:
            relay = work.relay(work.configuration(['127.0.0.1:9']))
        finally:
            del os.environ['NOTIFY_SOCKET']
        with Client(relay.address):
            manager.wait_for('READY')
        relay.terminate()


@case
def a_manager_that_is_not_there():
    """Neither a name without a socket nor one that is too long or senseless keeps the relay from running."""
    with Workspace() as work:
        for number, name in enumerate([work.path('nobody'), '@' + 200 * 'x', 'vsock:2:1234', '', '@']):
            os.environ['NOTIFY_SOCKET'] = name
            try:
                relay = work.relay(work.configuration(['127.0.0.1:9']), 'relay-%d' % number)
            finally:
                del os.environ['NOTIFY_SOCKET']
            relay.terminate()


# ---- the journal


def journal(relay, *match):
    """What journalctl finds by these fields, as dictionaries."""
    done = subprocess.run(['nsenter', '-t', str(relay.pid), '-m', 'journalctl', '--directory=/run/log/journal', '-o',
                           'json', '--all', *match], capture_output=True, text=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []


@case
def found_in_the_journal():
    """systemd's own journal has each event with its fields, and nothing comes on standard error; a message is found by
    its id."""
    if os.geteuid() != 0 or not os.path.exists('/lib/systemd/systemd-journald'):
        return
    with Workspace() as work:
        hop = work.own(harness.NextHop())
        room = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'journal_room.sh')
        relay = work.relay(work.configuration([hop.host]), wait=False, prefix=['unshare', '--mount', 'sh', room])
        eventually(lambda: journal(relay, 'POSTRIDER_EVENT=ready'), lambda: 'ready in the journal: ' + relay.tail())
        ready = journal(relay, 'POSTRIDER_EVENT=ready')[0]
        equal((ready['PRIORITY'], ready['SYSLOG_IDENTIFIER'], json.loads(ready['MESSAGE'])['event']),
              ('5', 'postrider', 'ready'), 'the entry')
        host, _, port = json.loads(ready['POSTRIDER_LISTENERS'])[0]['address'].rpartition(':')
        with Client((host, int(port))) as client:
            client.hello()
            client.envelope()
            name = client.data(harness.message(1))[1].split()[-1]
        accepted = eventually(lambda: journal(relay, 'POSTRIDER_EVENT=accepted'), lambda: 'accepted in the journal')
        accepted = journal(relay, 'POSTRIDER_EVENT=accepted')[0]
        check(accepted['POSTRIDER_ID'] in name or name in accepted['POSTRIDER_ID'], '%s, %s', accepted, name)
        equal(accepted['POSTRIDER_SENDER'], 'sender@example.net', 'sender')
        eventually(lambda: {entry['POSTRIDER_EVENT'] for entry in
                            journal(relay, 'POSTRIDER_ID=' + accepted['POSTRIDER_ID'])} >= {'accepted', 'attempt'},
                   lambda: 'both events by the id')
        equal(relay.lines, [], 'standard error')
        relay.signal(15)
        equal(relay.wait(), 0, 'exit status')


# ---- what is installed


class Unit(configparser.RawConfigParser):
    """A unit's settings; a key that comes several times keeps all values, joined by spaces."""

    def __init__(self, path):
        super().__init__(strict=False, comment_prefixes=('#',), delimiters=('=',))
        self.optionxform = str
        joined, order = {}, []
        with open(path) as f:
            for line in f.read().split('\n'):
                if line.startswith('['):
                    section = line
                    order.append(section)
                elif line and not line.startswith('#'):
                    key, _, value = line.partition('=')
                    joined.setdefault((section, key), []).append(value)
        self.read_string('\n'.join(
            section + '\n' + '\n'.join('%s=%s' % (key, ' '.join(values))
                                       for (of, key), values in joined.items() if of == section)
            for section in order))


def seconds(text):
    return int(re.fullmatch(r'(\d+)s', text).group(1))


def installed(work):
    """What `meson install` puts below a directory; {path: mode}."""
    target = work.path('root')
    done = subprocess.run(['meson', 'install', '-C', BUILD, '--no-rebuild', '--destdir', target], capture_output=True,
                          text=True)
    equal(done.returncode, 0, 'meson install (%s)' % (done.stdout + done.stderr)[-500:])
    found = {}
    for path, folders, names in os.walk(target):
        for name in names:
            full = os.path.join(path, name)
            found['/' + os.path.relpath(full, target)] = stat.S_IMODE(os.stat(full).st_mode)
    return target, found


def one(found, ending):
    matching = [path for path in found if path.endswith(ending)]
    equal(len(matching), 1, 'files installed as %s' % ending)
    return matching[0]


@case
def units():
    """The units name the program where it is installed, and both say what must hold for a relay."""
    with Workspace() as work:
        target, found = installed(work)
        program_path = one(found, '/bin/postrider')
        for name, config in (('postrider.service', 'postrider'), ('postrider@.service', '%i')):
            unit = Unit(target + one(found, '/systemd/system/' + name))
            service = unit['Service']
            equal(service['ExecStart'], '%s run --config /etc/postrider/%s.yaml' % (program_path, config), 'ExecStart')
            equal(service['Type'], 'notify', 'Type')
            # What a restart cannot mend; the statuses themselves are test_config's and test_check's.
            check({'64', '74', '78'} <= set(service['RestartPreventExitStatus'].split()), 'restarts for ever')
            check('69' not in service['RestartPreventExitStatus'], 'an address in use mends itself')
            equal(service['Restart'], 'on-failure', 'Restart')
            equal(service['LogRateLimitIntervalSec'], '0', 'LogRateLimitIntervalSec')
            equal(service['TimeoutStartSec'], 'infinity', 'recovery takes as long as it takes')
            check(seconds(service['TimeoutStopSec']) > 30 + 15, 'TimeoutStopSec is not above the drain')
            check({'@system-service', 'io_uring_setup', 'io_uring_enter', 'io_uring_register'} <=
                  set(service['SystemCallFilter'].split()), service['SystemCallFilter'])
            equal(service['User'], 'postrider', 'User')
            equal(service['StateDirectoryMode'], '0700', 'the spool is for nobody else')
            equal(unit['Unit']['ConditionPathExists'], '/etc/postrider/%s.yaml' % config, 'starts unconfigured')
            check('ConfigurationDirectory' not in service, 'a directory of root is no business of the unit')
        check(Unit(target + one(found, '/postrider@.service'))['Service']['StateDirectory'] == 'postrider-%i',
              'two relays share a spool')


@case
def how_hardened_the_unit_is():
    """systemd's own judgement, which is not to become worse: 1.6, "OK". What is left it cannot do without: sockets, low
    ports, the host's network, limits of files."""
    with Workspace() as work:
        target, found = installed(work)
        for name in ('postrider.service', 'postrider@.service'):
            # Its name must be one of a whole unit for the second, which is a template.
            path = work.path(name.replace('@', '@one'))
            os.link(target + one(found, '/systemd/system/' + name), path)
            done = subprocess.run(['systemd-analyze', 'security', '--offline=true', '--no-pager', '--threshold=16',
                                   path], capture_output=True, text=True)
            equal(done.returncode, 0, 'systemd-analyze security: %s' % (done.stdout + done.stderr)[-300:])
            check('OK' in done.stdout.strip().split('\n')[-1], done.stdout[-200:])


@case
def files_and_directories():
    """Nothing installed can be written by others, and the fragments give the directories their owners and modes."""
    with Workspace() as work:
        target, found = installed(work)
        for path, mode in found.items():
            check(not mode & 0o022, '%s has mode %o', path, mode)
        with open(target + one(found, '/sysusers.d/postrider.conf')) as f:
            check(re.search(r'^u postrider - ', f.read(), re.M), 'no user')
        with open(target + one(found, '/tmpfiles.d/postrider.conf')) as f:
            text = f.read()
        check(re.search(r'^d /etc/postrider +0750 root +postrider', text, re.M),
              'the service can write its configuration, or cannot read it: %s', text)
        check(re.search(r'^d /var/lib/postrider 0700 postrider postrider', text, re.M), text)


@case
def the_two_units_are_the_same():
    """But for names: what is learned for one holds for the other."""
    texts = []
    for name in ('postrider.service.in', 'postrider@.service.in'):
        with open(os.path.join(SOURCES, 'dist', name)) as f:
            texts.append([line for line in f.read().split('\n') if not line.startswith(('#', 'Description='))])
    for first, second in zip(*texts):
        equal(second.replace('postrider-%i', 'postrider').replace('%i.yaml', 'postrider.yaml'), first, 'a line')
    equal(len(texts[0]), len(texts[1]), 'lines')


if __name__ == '__main__':
    harness.main()
