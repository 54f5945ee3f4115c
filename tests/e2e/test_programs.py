#!/usr/bin/python3
"""tests/e2e/test_programs.py - programs that the relay starts end with it, however it ends: a command of
`oauth.command` that hangs with what it has started, and the doctor with the command that hangs under it."""

import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from control_socket import asked  # noqa: E402
from harness import (Certificates, Client, Workspace, case, check, equal, eventually, message,  # noqa: E402
                     program)
from office365 import Office365  # noqa: E402

# With a child that its parent does not wait for and one that it does: both are of the group.
HANGS = '#!/bin/sh\nsleep 3600 & echo $! $$ >>"%s"\nsleep 3600\n'


class Place:
    """A relay whose destination signs in with tokens of a command that says its processes, and hangs."""

    def __init__(self, work, on):
        self.work, self.mark = work, work.path('processes')
        script = work.write('token', HANGS % self.mark)
        os.chmod(script, 0o755)
        office = work.own(Office365(Certificates(), mailboxes=1, mechanisms=('XOAUTH2',), messages=100))
        tls = {'mode': 'verify', 'ca_file': Certificates().path('ca.crt'), 'server_name': office.name}
        self.content = work.configuration(
            [office.host], tls=tls, destination={'mailboxes': [{'user': 'box0@contoso.com'}],
                                                 'oauth': {'command': [script]}},
            control={'socket': work.path('control.sock')}, hardening={'seccomp': on, 'landlock': on},
            timeouts={'drain': '100ms'})
        self.relay = work.relay(self.content)

    def command(self):
        """The processes of one that a message waits for."""
        with Client(self.relay.address) as client:
            client.hello()
            client.envelope()
            client.data(message(1))
        return self.processes(1)

    def processes(self, count):
        """Once the command was started so often."""
        def found():
            try:
                with open(self.mark) as f:
                    return [int(pid) for pid in f.read().split()]
            except FileNotFoundError:
                return []
        eventually(lambda: len(found()) >= 2 * count, lambda: '%d commands; there are %s' % (count, found()))
        return found()

    def doctor(self):
        """Has one started by the relay; its number, once its command runs, and that."""
        before = len(self.processes(0))
        equal(asked(self.work.path('control.sock'), '/v1/doctor', 'POST', '{}')[0], 200, 'it is begun')
        commands = self.processes(before // 2 + 1)[before:]
        with open('/proc/%d/environ' % commands[1], 'rb') as f:
            check(b'POSTRIDER_MAILBOX=' in f.read(), 'what the command finds around it')
        return commands


def ended(pid):
    """Or only not waited for yet."""
    try:
        with open('/proc/%d/stat' % pid) as f:
            return f.read().rpartition(')')[2].split()[0] in 'ZX'
    except (FileNotFoundError, ProcessLookupError):
        return True


def all_ended(pids):
    check(pids, 'there are some')
    eventually(lambda: all(ended(pid) for pid in pids),
               lambda: '%s have ended; %s run' % (pids, [pid for pid in pids if not ended(pid)]))


def doctors():
    found = []
    for name in os.listdir('/proc'):
        try:
            with open('/proc/%s/cmdline' % name, 'rb') as f:
                words = f.read().split(b'\0')
        except (OSError, ValueError):
            continue
        if b'doctor' in words and not ended(int(name)):
            found.append((int(name), words))
    return found


def doctor_of(work):
    return [pid for pid, words in doctors() if work.path('postrider.yaml').encode() in words]


@case
def a_command_ends_with_the_relay():
    """That stops, and that is killed: with what is given up and without."""
    for on in (True, False):
        for end in (signal.SIGTERM, signal.SIGKILL):
            with Workspace() as work:
                place = Place(work, on)
                pids = place.command()
                os.kill(place.relay.pid, end)
                equal(place.relay.wait(), 0 if end == signal.SIGTERM else -end, 'its end')
                equal(place.relay.events('shard_failed'), [], 'shards that did not end')
                all_ended(pids)


@case
def a_reload_without_the_command():
    """It is answered while the command hangs, and so is the one that takes it back; the relay stops as ever."""
    with Workspace() as work:
        place = Place(work, True)
        pids = place.command()
        for content in ({**place.content, 'destinations': [
                {key: value for key, value in place.content['destinations'][0].items()
                 if key in ('name', 'hosts', 'tls')}]}, place.content):
            work.write('postrider.yaml', json.dumps(content))
            done = subprocess.run([program('postrider'), 'reload', '--config', work.path('postrider.yaml')],
                                  capture_output=True, text=True, timeout=300)
            equal(done.returncode, 0, done.stderr)
        place.relay.terminate()
        equal(place.relay.events('shard_failed'), [], 'shards that did not end')
        all_ended(pids)


@case
def a_doctor_ends_with_its_command():
    """As at the end of its time, when the relay kills it and all of its group; and with the relay, ended or killed."""
    for on in (True, False):
        for end in (signal.SIGTERM, signal.SIGKILL):
            with Workspace() as work:
                place = Place(work, on)
                pids = place.doctor()
                doctor, = {pid for pid in doctor_of(work) if os.getpgid(pid) == pid}
                os.killpg(doctor, signal.SIGKILL)
                all_ended(pids + [doctor])
                eventually(lambda place=place: not asked(work.path('control.sock'), '/v1/doctor')[1]['runs'],
                           'the relay has heard of it')
                equal(asked(work.path('control.sock'), '/v1/doctor')[1]['last']['problem'],
                      'it was ended by signal 9', 'what it says of that')
                pids = place.doctor() + doctor_of(work)
                os.kill(place.relay.pid, end)
                place.relay.wait()
                all_ended(pids)


@case
def a_doctor_of_a_person():
    """Whose terminal is gone, and who ends it: nothing stays behind."""
    with Workspace() as work:
        place = Place(work, True)
        for end in (signal.SIGINT, signal.SIGHUP, signal.SIGKILL):
            before = len(place.processes(0))
            with subprocess.Popen([program('postrider'), 'doctor', '--config', work.path('postrider.yaml')],
                                  stdout=subprocess.DEVNULL, start_new_session=True) as doctor:
                pids = place.processes(before // 2 + 1)[before:] + doctor_of(work)
                doctor.send_signal(end)
                equal(doctor.wait(300), -end, 'its end')
            all_ended(pids)
        place.relay.terminate()


if __name__ == '__main__':
    harness.main()
