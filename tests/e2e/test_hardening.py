#!/usr/bin/python3
"""tests/e2e/test_hardening.py - what a relay has given up, as its operator meets it: docs/hardening.md."""

import json
import os
import pwd
import re
import signal
import socket
import subprocess

import harness
from harness import Client, NextHop, Workspace, case, check, equal, message, program

USER = 'nobody'


def status_of(pid):
    with open('/proc/%d/status' % pid) as f:
        return dict(re.findall(r'^(\w+):\s*(.*)$', f.read(), re.M))


def reload(work, content):
    work.write('postrider.yaml', json.dumps(content))
    return subprocess.run([program('postrider'), 'reload', '--config', work.path('postrider.yaml')],
                          capture_output=True, text=True, timeout=120)


@case
def told_and_in_force():
    """The event says what the kernel says of the process."""
    with Workspace() as work:
        hop = work.own(NextHop())
        relay = work.relay(work.configuration([hop.host]))
        event = relay.told('confined')[0]
        if event['seccomp'] == 'on':
            equal(status_of(relay.pid)['Seccomp'], '2', 'a filter')
        equal(status_of(relay.pid)['NoNewPrivs'], '1', 'no new privileges')
        equal(len(relay.events('runs_as_root')), 1 if os.geteuid() == 0 else 0, 'told of root')
        relay.terminate()


@case
def switched_off():
    with Workspace() as work:
        hop = work.own(NextHop())
        relay = work.relay(work.configuration([hop.host], hardening={'seccomp': False, 'landlock': False}))
        event = relay.told('confined')[0]
        equal((event['seccomp'], event['landlock']), ('off', 'off'), 'the event')
        relay.terminate()


@case
def another_user():
    """Root's relay becomes somebody else before it makes anything, and has one capability left."""
    if os.geteuid() != 0:
        return 'needs root'
    with Workspace() as work:
        hop = work.own(NextHop())
        content = work.configuration([hop.host], user=USER, spool={'directory': work.path('own')})
        os.makedirs(work.path('spool'))
        refused = work.relay(dict(content, spool=dict(content['spool'], directory=work.path('spool'))), wait=False)
        equal(refused.wait(), 69, 'the spool is another user\'s')
        check('chown -R ' + USER in refused.tail(), 'it says what to do: %s', refused.tail())
        relay = work.relay(content, 'other')
        uid = pwd.getpwnam(USER).pw_uid
        status = status_of(relay.pid)
        equal(status['Uid'].split(), 4 * [str(uid)], 'users')
        equal(int(status['CapEff'], 16) & ~(1 << 10), 0, 'capabilities beside CAP_NET_BIND_SERVICE')
        equal(os.stat(work.path('own')).st_uid, uid, 'whose spool')
        equal(relay.told('confined')[0]['user'], uid, 'the event')
        check(not relay.events('runs_as_root'), 'it was told of root')
        relay.terminate()
    return None


@case
def a_reload_that_wants_more():
    """What the process has given up is refused with a sentence, and the relay goes on as before."""
    with Workspace() as work, Workspace() as elsewhere:
        hop = work.own(NextHop())
        content = work.configuration([hop.host])
        relay = work.relay(content)
        if relay.told('confined')[0]['landlock'] != 'on':
            relay.terminate()
            return 'no Landlock'
        trace = dict(content, trace={'file': elsewhere.path('trace.db')})
        for changed, words in ((trace, 'Landlock'), (dict(content, user=USER), 'user cannot change'),
                               (dict(content, hardening={'seccomp': False}), 'hardening cannot change'),
                               (dict(content, hardening={'directories': [work.path('spool')]}),
                                'hardening cannot change')):
            done = reload(work, changed)
            check(done.returncode != 0 and words in done.stdout + done.stderr and 'restart' in
                  done.stdout + done.stderr, 'refused: %s %s', words, done.stdout + done.stderr)
        equal(reload(work, content).returncode, 0, 'as it was')
        relay.terminate()
    return None


def process_beside(pid):
    with open('/proc/%d/task/%d/children' % (pid, pid)) as f:
        for child in f.read().split():
            with open('/proc/%s/comm' % child) as comm:
                if comm.read().strip() == 'beside':
                    return int(child)
    raise harness.Failure('there is no process beside')


@case
def the_process_beside_is_ended():
    """It is told, and mail goes on; signals that are for the relay do not end it."""
    with Workspace() as work:
        hop = work.own(NextHop())
        relay = work.relay(work.configuration([hop.host]))
        beside = process_beside(relay.pid)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            os.kill(beside, number)
        equal(process_beside(relay.pid), beside, 'the process beside')
        check(not relay.events('beside_ended'), 'told too early')
        os.kill(beside, signal.SIGKILL)
        relay.told('beside_ended')
        with Client(relay.address) as client:
            client.hello()
            client.envelope(recipients=('recipient@example.com',))
            client.data(message(1, 1500))
        relay.told('attempt')
        relay.terminate()


@case
def the_process_beside_is_stopped():
    """What asks it waits for seconds and not for ever; both are told, and mail goes on."""
    with Workspace() as work, socket.create_server(('127.0.0.1', 0)) as taken:
        hop = work.own(NextHop())
        content = work.configuration([hop.host])
        more = work.configuration([hop.host], listeners=[
            *content['listeners'], {'name': 'taken', 'address': '127.0.0.1:%d' % taken.getsockname()[1]}])
        relay = work.relay(content)
        beside = process_beside(relay.pid)
        os.kill(beside, signal.SIGSTOP)
        refused = reload(work, more)
        check(refused.returncode != 0 and 'pid %d' % os.getpid() not in refused.stderr, 'it was asked: %s', refused)
        equal(relay.told('beside_silent')[0]['process'], beside, 'the process')
        with Client(relay.address) as client:
            client.hello()
            client.envelope(recipients=('recipient@example.com',))
            client.data(message(1, 1500))
        relay.told('attempt')
        os.kill(beside, signal.SIGCONT)
        relay.told('beside_answers')
        refused = reload(work, more)
        check(refused.returncode != 0 and 'pid %d' % os.getpid() in refused.stderr, 'it was not asked: %s', refused)
        relay.terminate()


@case
def a_written_directory_is_missing():
    """It is made where the one is there that it would be in; else it is told, and mail goes on."""
    with Workspace() as work:
        hop = work.own(NextHop())
        relay = work.relay(work.configuration([hop.host], trace={'file': work.path('made/trace.db')},
                                              suppression={'directory': work.path('no/where')}))
        event = relay.told('directory_missing')[0]
        equal(event['directory'], work.path('no/where'), 'the directory')
        equal(len(relay.events('directory_missing')), 1, 'how many are missing')
        equal('restart' in event['advice'] and 'no restart' not in event['advice'],
              relay.told('confined')[0]['landlock'] == 'on', 'what is advised')
        with Client(relay.address) as client:
            client.hello()
            client.envelope(recipients=('recipient@example.com',))
            client.data(message(1, 1500))
        relay.told('attempt')
        relay.terminate()
        check(os.path.exists(work.path('made/trace.db')), 'the trace is not where it was to be')


@case
def a_missing_directory_without_landlock():
    """Where nothing was given up what is made later is used, and nobody is told to restart."""
    with Workspace() as work:
        hop = work.own(NextHop())
        relay = work.relay(work.configuration([hop.host], trace={'file': work.path('no/trace/trace.db')},
                                              suppression={'directory': work.path('no/where')},
                                              control={'socket': work.path('control.sock')},
                                              hardening={'landlock': False}))
        for event in relay.told('directory_missing', 2):
            check('needs no restart' in event['advice'], 'what is advised: %s', event)
            os.makedirs(event['directory'])
        added = subprocess.run([program('postrider'), 'suppress', 'add', 'gone@example.com', '--config',
                                work.path('postrider.yaml')], capture_output=True, text=True, timeout=300)
        equal(added.returncode, 0, added.stderr)
        relay.told('suppression_read')
        with Client(relay.address) as client:
            client.hello()
            client.command('MAIL FROM:<sender@example.org>', 250)
            client.command('RCPT TO:<gone@example.com>', 550)
        harness.eventually(lambda: os.path.exists(work.path('no/trace/trace.db')), lambda: 'the trace is written')
        relay.terminate()


@case
def a_doctor_says_what_is_active():
    with Workspace() as work:
        hop = work.own(NextHop())
        socket = work.path('control.sock')
        for hardening, words in (({}, ('it makes those of its list', 'the relay\'s operations')),
                                 ({'seccomp': False, 'landlock': False}, ('switched off by hardening.seccomp',
                                                                          'switched off by hardening.landlock'))):
            relay = work.relay(work.configuration([hop.host], control={'socket': socket}, hardening=hardening))
            found = subprocess.run([program('postrider'), 'doctor', '--config', work.path('postrider.yaml')],
                                   capture_output=True, text=True, timeout=300)
            if relay.told('confined')[0]['seccomp'] == 'lacking':
                words = ()
            for word in words:
                check(word in found.stdout, '%s: %s', word, found.stdout + found.stderr)
            check('it runs as the user number %d' % os.geteuid() in found.stdout, 'the user: %s', found.stdout)
            relay.terminate()


if __name__ == '__main__':
    harness.main()
