#!/usr/bin/python3
"""tests/e2e/test_two_machines.py - a spool that another process takes over, as docs/two-machines.md has it.

A volume that was moved after its relay was killed has all of its mail; a second relay is refused by whatever name it
finds the spool under; what was copied is a second mail.
"""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Workspace, case, check, equal, eventually, free_port, program  # noqa: E402

MESSAGES = 300


def filled(work, hosts):
    """A relay that has taken MESSAGES and can send none: the port of its next hop has nobody."""
    relay = work.relay(work.configuration(hosts), name='first')
    source = work.source(relay.target, messages=MESSAGES, connections=8)
    source.result()
    equal(len(source.acknowledged()), MESSAGES, 'messages that were answered 250')
    return relay, source


def all_arrive(work, spool, port, acknowledged, name):
    """A relay with that spool sends what was answered 250."""
    sink = work.sink(port=port, name='sink-' + name)
    relay = work.relay(dict(work.configuration([sink.host]), spool={'directory': spool, 'size_max': '2GiB',
                                                                     'segment_size': '8MiB'}), name=name)
    eventually(lambda: set(sink.received()) >= set(acknowledged),
               lambda: '%d of %d arrive: %s' % (len(sink.received()), len(acknowledged), relay.tail()))
    relay.terminate()
    return sink


def refused(work, spool, hosts):
    second = work.relay(dict(work.configuration(hosts), spool={'directory': spool, 'size_max': '2GiB',
                                                                'segment_size': '8MiB'}), name='second', wait=False)
    equal(second.wait(), 74, 'exit status of a second relay at %s: %s' % (spool, second.tail()))
    check('is in use by another postrider' in ' '.join(second.lines), 'it says: %s', second.lines)


@case
def moved_after_a_kill():
    """kill -9 on the one, the volume to another place, a start there."""
    with Workspace() as work:
        port = free_port()
        relay, source = filled(work, ['127.0.0.1:%d' % port])
        relay.kill()
        shutil.move(work.path('spool'), work.path('elsewhere/volume'))
        sink = all_arrive(work, work.path('elsewhere/volume'), port, source.acknowledged(), 'moved')
        equal(sink.total(), MESSAGES, 'messages, none of them twice')


@case
def one_spool_by_two_names():
    with Workspace() as work:
        hosts = ['127.0.0.1:%d' % free_port()]
        relay, _ = filled(work, hosts)
        refused(work, work.path('spool'), hosts)
        os.symlink(work.path('spool'), work.path('link'))
        refused(work, work.path('link'), hosts)
        if os.getuid() == 0:
            os.mkdir(work.path('mounted'))
            mounted = subprocess.run(['mount', '--bind', work.path('spool'), work.path('mounted')],
                                     capture_output=True, timeout=60)
            if mounted.returncode == 0:
                try:
                    refused(work, work.path('mounted'), hosts)
                finally:
                    subprocess.run(['umount', work.path('mounted')], check=True, timeout=60)
        check(relay.running(), 'the first one goes on')
        relay.terminate()


@case
def a_copy_is_mail_once_more():
    """What was copied while its relay was stopped is whole, and both send it."""
    with Workspace() as work:
        port = free_port()
        relay, source = filled(work, ['127.0.0.1:%d' % port])
        relay.terminate()
        shutil.copytree(work.path('spool'), work.path('copy'))
        done = subprocess.run([program('postrider'), 'spool', 'check', work.path('copy')], capture_output=True,
                              text=True, timeout=60)
        equal(done.returncode, 0, 'spool check: %s%s' % (done.stdout, done.stderr))
        for spool, name in (('spool', 'original'), ('copy', 'copied')):
            sink = all_arrive(work, work.path(spool), port, source.acknowledged(), name)
            sink.stop()
            equal(sink.total(), MESSAGES, 'messages from the ' + name)


if __name__ == '__main__':
    harness.main()
