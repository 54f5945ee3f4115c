#!/usr/bin/python3
"""tests/e2e/test_full_disk.py - the file system below the spool is full long before size_max (SYS-01, ENOSPC).

Needs root: the spool lies on a small tmpfs, mounted in a mount namespace of its own. Where that is not permitted the
cases fail and say so.
"""

import contextlib
import ctypes
import glob
import os
import resource
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (Client, Failure, NextHop, Workspace, case, check, equal, eventually, free_port,  # noqa: E402
                     message)

CLONE_NEWNS = 0x00020000
SIZE_MIB = 50      # room for six segments of each of two shards, and a rest
SEGMENT_MIB = 4
CONNECTIONS = 4    # to the next hop
WINDOW = 16        # messages in flight on each
HELD = 63          # done records that a shard may collect before it writes them (queue/README.md)


def mount_namespace():
    """What is mounted from here on is seen by this process and its children only."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise Failure('no mount namespace (root is needed): %s' % os.strerror(ctypes.get_errno()))
    run('mount', '--make-rprivate', '/')


def run(*command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(result.returncode == 0, '%s: %s', ' '.join(command), result.stdout.decode().strip())


class SmallDisk:
    """A tmpfs where the spool will be."""

    def __init__(self, work, size_mib=SIZE_MIB):
        self.directory = work.path('spool')
        mount_namespace()
        os.makedirs(self.directory)
        run('mount', '-t', 'tmpfs', '-o', 'size=%dm' % size_mib, 'tmpfs', self.directory)
        work.own(self)

    def stop(self):
        run('umount', '-l', self.directory)

    def take_rest(self):
        """Somebody else takes what is left, to the last octet; returns the file."""
        path = os.path.join(self.directory, 'other')
        with open(path, 'wb', buffering=0) as f:
            for size in (1 << 20, 4096):
                with contextlib.suppress(OSError):
                    while f.write(bytes(size)):
                        pass
        check(self.free() == 0, '%d octets are left', self.free())
        return path

    def free(self):
        status = os.statvfs(self.directory)
        return status.f_bavail * status.f_frsize


def attempt(client, sequence, size):
    """True: 250; False: 452. Anything else is a failure."""
    client.envelope()
    client.command('DATA', 354)
    client.send(message(sequence, size).replace(b'\n.', b'\n..') + b'.\r\n')
    code = client.reply()[0]
    check(code in (250, 452), 'message %d was answered with %r', sequence, code)
    return code == 250


def fill(relay, start, size, refusals=20):
    """Sends until nothing has been accepted for a while: the numbers of what was accepted, and the next number."""
    accepted, refused, sequence = [], 0, start
    with Client(relay.address) as client:
        client.hello()
        while refused < refusals:
            if attempt(client, sequence, size):
                accepted.append(sequence)
                refused = 0
            else:
                refused += 1
                time.sleep(0.05)
            sequence += 1
    return accepted, sequence


def configuration(work, port, **changes):
    return work.configuration(
        ['127.0.0.1:%d' % port], spool={'segment_size': '%dMiB' % SEGMENT_MIB},
        destination_limits={'connections': CONNECTIONS, 'messages_in_flight': WINDOW}, **changes)


def arrived(hop):
    return len(set(hop.sequences()))


def accepts_again(relay, sequence, size, count):
    """There is room again: the numbers of what was accepted. While the last segments are freed 452 may still come."""
    with Client(relay.address) as client:
        client.hello()
        for number in range(sequence, sequence + count):
            eventually(lambda: attempt(client, number, size), lambda: 'new mail is accepted', pause=0.3)
    return list(range(sequence, sequence + count))


def drains(work, size, stop):
    """Fills the disk while the next hop is away, restarts three times, lets the next hop come back."""
    disk = SmallDisk(work)
    port = free_port()
    settings = configuration(work, port)
    relay = work.relay(settings, 'first')
    accepted, sequence = fill(relay, 1, size)
    check(len(accepted) * size > SIZE_MIB << 19, 'only %d messages were accepted', len(accepted))
    check(disk.free() < SEGMENT_MIB << 20, 'the disk is not full: %d octets are free', disk.free())
    relay.told('disk_full')
    for number in range(3):
        # First attempts fail and are recorded, as far as there is room.
        time.sleep(1)
        stop(relay)
        relay = work.relay(settings, 'restart-%d' % number)
        more, sequence = fill(relay, sequence, size, refusals=5)
        accepted += more
    stop(relay)
    relay = work.relay(settings, 'drain')
    hop = work.own(NextHop(port=port))
    eventually(lambda: arrived(hop) >= len(accepted), lambda: '%d of %d arrive' % (arrived(hop), len(accepted)), 60)
    accepted += accepts_again(relay, sequence, size, 20)
    hop.wait_arrivals(len(accepted))
    relay.terminate()
    relay = work.relay(settings, 'empty')
    time.sleep(1)
    relay.terminate()
    equal(sorted(hop.sequences()), sorted(accepted), 'messages that arrived')
    return '%d messages' % len(accepted)


@case
def a_full_disk_drains_after_clean_restarts():
    """All that was answered with 250 arrives, once, and new mail is accepted afterwards."""
    with Workspace() as work:
        return drains(work, 150000, lambda relay: relay.terminate())


@case
def large_messages_meet_a_full_disk():
    """Those over 256 KiB, whose parts are written while they come, are answered 452 as well, and nothing else."""
    with Workspace() as work:
        SmallDisk(work)
        relay = work.relay(configuration(work, free_port()), 'large')
        accepted, _ = fill(relay, 1, 1500000, refusals=3)
        check(len(accepted) > 3, 'only %d messages were accepted', len(accepted))


@case
def a_full_disk_drains_after_kills():
    """The same after SIGKILL, which loses nothing either: no delivery was under way."""
    with Workspace() as work:
        return drains(work, 50000, lambda relay: relay.kill())


@case
def killed_while_a_full_disk_drains():
    """Nothing is lost, and what comes twice is what was in flight or not yet written."""
    kills, size = 6, 40000
    with Workspace() as work:
        SmallDisk(work)
        port = free_port()
        settings = configuration(work, port)
        relay = work.relay(settings, 'first')
        accepted, sequence = fill(relay, 1, size)
        hop = work.own(NextHop(port=port))
        for number in range(kills):
            # More may have arrived than was waited for, even all.
            goal = min(len(accepted), arrived(hop) + len(accepted) // (2 * kills))
            eventually(lambda: arrived(hop) >= goal, lambda: '%d of %d arrive' % (arrived(hop), goal))
            relay.kill()
            relay = work.relay(settings, 'after-%d' % number)
        eventually(lambda: arrived(hop) >= len(accepted), lambda: '%d of %d arrive' % (arrived(hop), len(accepted)), 60)
        more = accepts_again(relay, sequence, size, 5)
        eventually(lambda: set(more) <= set(hop.sequences()), 'what was accepted last arrives')
        relay.terminate()
        equal(sorted(set(hop.sequences())), accepted + more, 'messages that arrived')
        twice, bound = len(hop.sequences()) - arrived(hop), kills * (CONNECTIONS * WINDOW + 2 * HELD)
        check(twice <= bound, '%d duplicates, the bound is %d', twice, bound)
        return '%d messages, %d duplicates (bound %d)' % (len(accepted), twice, bound)


def spares(work):
    """How many shards have a second segment, made to its end."""
    seconds = glob.glob(work.path('spool', '*', '*2.seg'))
    return sum(os.stat(path).st_size == SEGMENT_MIB << 20 and beginning(path) == b'PRSEGM01' for path in seconds)


def beginning(path):
    with open(path, 'rb') as f:
        return f.read(8)


@case
def filled_by_others():
    """Without a free octet a start delivers and records what is queued; and new mail is accepted when there is room."""
    # Three quarters of a segment: more than would be copied to gain it.
    size, queued = 20000, 150
    with Workspace() as work:
        disk = SmallDisk(work)
        port = free_port()
        settings = configuration(work, port)
        relay = work.relay(settings, 'first')
        with Client(relay.address) as client:
            client.hello()
            for sequence in range(1, queued + 1):
                check(attempt(client, sequence, size), 'message %d is refused', sequence)
        # A start that found no spare would give back what lies behind the end of each segment, and have room again.
        eventually(lambda: spares(work) == 2, 'each shard has its spare segment')
        relay.kill()
        other = disk.take_rest()
        relay = work.relay(settings, 'full')
        with Client(relay.address) as client:
            client.hello()
            check(not attempt(client, 1000, size), 'a message is accepted without room')
        relay.told('disk_full')
        hop = work.own(NextHop(port=port))
        hop.wait_arrivals(queued)
        eventually(lambda: relay.count['disk_ok'], 'the room that is free again is told')
        relay.terminate()
        relay = work.relay(settings, 'again')
        os.unlink(other)
        accepts_again(relay, queued + 1, size, 5)
        hop.wait_arrivals(queued + 5)
        relay.terminate()
        # An empty trace takes 70 KB, and the octets for a segment may be those.
        check(not os.path.exists(work.path('spool', 'trace.db')), 'a trace was begun on what is the spool\'s')
        equal(sorted(hop.sequences()), list(range(1, queued + 6)), 'messages that arrived')


@case
def another_reason():
    """A segment cannot be made, and not for want of room: that is told by its reason, and when it is over."""
    with Workspace() as work:
        port = free_port()
        hop = work.own(NextHop(port=port))
        relay = work.relay(configuration(work, port))
        with Client(relay.address) as client:
            client.hello()
            check(attempt(client, 1, 1000), 'the first message is refused')
            limits = resource.prlimit(relay.pid, resource.RLIMIT_NOFILE)
            # What is open stays open.
            resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
            sequence = 1
            while not relay.count['disk_error'] and sequence < 200:
                sequence += 1
                attempt(client, sequence, 200000)
            relay.told('disk_error')
            check(not relay.count['disk_full'], 'a full disk was blamed')
            resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, limits)
            eventually(lambda: relay.count['disk_ok'], 'that it is over is told')
            check(attempt(client, 1000, 1000), 'mail is refused')
        hop.wait_arrivals(2)
        relay.terminate()


if __name__ == '__main__':
    harness.main()
