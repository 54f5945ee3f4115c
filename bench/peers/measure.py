"""bench/peers/measure.py - what a relay used: processor time, memory, flushes of the disk, and on which machine.

A Group holds all processes of one relay, however they fork. Where a cgroup (version 2) can be made, the kernel counts
for it, children that have ended included; elsewhere /proc is summed up, in which a process that has lost its parent is
no longer found. Closing a group ends, by pid, whatever the relay has left running.
"""

import contextlib
import os
import platform
import re
import signal
import subprocess
import threading
import time

TICKS = os.sysconf('SC_CLK_TCK')


def read(path):
    """The file's text, or nothing when it (or the process it is about) is gone."""
    try:
        with open(path, encoding='utf-8', errors='replace') as f:
            return f.read()
    except OSError:
        return ''


def anonymous(pid, huge=True):
    """Octets of anonymous memory, with what processes share since a fork counted once over all of them."""
    text = read('/proc/%d/smaps_rollup' % pid)
    found = {name: int(kib) * 1024 for name, kib in re.findall(r'^(Pss_Anon|AnonHugePages):\s+(\d+) kB', text, re.M)}
    return found.get('Pss_Anon', 0) - (0 if huge else found.get('AnonHugePages', 0))


def end(pid):
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


class ControlGroup:
    """Counted by the kernel. The directory is made below this process's own group, or below the root."""

    how = 'cgroup'

    def __init__(self, name):
        self.directory = None
        for mount in ('/sys/fs/cgroup', '/sys/fs/cgroup/unified'):
            if not os.path.exists(mount + '/cgroup.procs') or not os.path.exists(mount + '/cgroup.controllers'):
                continue
            own = re.search(r'^0::(/.*)$', read('/proc/self/cgroup'), re.M)
            for parent in ([own.group(1)] if own else []) + ['/']:
                directory = os.path.join(mount + parent, name)
                with contextlib.suppress(OSError):
                    os.mkdir(directory)
                    self.directory = directory
                    return
        raise OSError('no cgroup can be made')

    def enter(self, arguments):
        """The command that runs `arguments` inside the group."""
        return ['sh', '-c', 'echo $$ >"$0" && exec "$@"', self.directory + '/cgroup.procs', *arguments]

    def started(self, pid):
        pass

    def cpu(self):
        values = dict(line.split() for line in read(self.directory + '/cpu.stat').splitlines())
        return int(values['user_usec']) / 1e6, int(values['system_usec']) / 1e6

    def pids(self):
        return [int(pid) for pid in read(self.directory + '/cgroup.procs').split()]

    def close(self):
        for _ in range(100):
            pids = self.pids()
            for pid in pids:
                end(pid)
            if not pids:
                with contextlib.suppress(OSError):
                    os.rmdir(self.directory)
                    return
            time.sleep(0.05)


class ProcessTree:
    """Summed up from /proc: the first process and its descendants, with the children they have waited for."""

    how = 'proc'

    def __init__(self):
        self.root = None
        self.seen = {}

    def enter(self, arguments):
        return arguments

    def started(self, pid):
        self.root = pid

    @staticmethod
    def status():
        """{pid: the fields of /proc/PID/stat after the name}"""
        found = {}
        for name in os.listdir('/proc'):
            if name.isdigit():
                text = read('/proc/%s/stat' % name)
                if text:
                    found[int(name)] = text[text.rindex(')') + 2:].split()
        return found

    def family(self):
        status = self.status()
        family = {self.root: status[self.root]} if self.root in status else {}
        grown = True
        while grown:
            more = {pid: fields for pid, fields in status.items() if int(fields[1]) in family and pid not in family}
            family.update(more)
            grown = bool(more)
        self.seen.update({pid: fields[19] for pid, fields in family.items()})
        return family

    def cpu(self):
        fields = list(self.family().values())
        return (sum(int(each[11]) + int(each[13]) for each in fields) / TICKS,
                sum(int(each[12]) + int(each[14]) for each in fields) / TICKS)

    def pids(self):
        return list(self.family())

    def close(self):
        # A pid may have been given away again: the start time tells.
        status = self.status()
        for pid, started in self.seen.items():
            if pid in status and status[pid][19] == started:
                end(pid)


def group(name):
    try:
        return ControlGroup(name)
    except OSError:
        return ProcessTree()


class MemoryPeak:
    """Samples the group's anonymous memory in a thread, rarely enough to take a hundredth of a processor at most."""

    def __init__(self, members):
        self.members, self.peak, self.processes = members, 0, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def sample(self):
        pids = self.members.pids()
        self.processes = max(self.processes, len(pids))
        self.peak = max(self.peak, sum(anonymous(pid) for pid in pids))

    def run(self):
        while not self.ended.is_set():
            started = time.thread_time()
            self.sample()
            self.ended.wait(max(0.2, 100 * (time.thread_time() - started)))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.sample()


class Disk:
    """Counters of the disk below a directory. Other programs' use is in them, so the machine must be quiet."""

    def __init__(self, directory):
        device = os.stat(directory).st_dev
        self.path = os.path.realpath('/sys/dev/block/%d:%d' % (os.major(device), os.minor(device)))
        # Flushes are counted for the whole disk only.
        if os.path.exists(self.path + '/partition'):
            self.path = os.path.dirname(self.path)

    def read(self):
        """(flushes, octets written), or None where there is no such disk: tmpfs, overlay, network."""
        fields = read(self.path + '/stat').split()
        return (int(fields[15]), int(fields[6]) * 512) if len(fields) > 15 else None


def processor():
    found = re.search(r'^model name\s*:\s*(.*)$', read('/proc/cpuinfo'), re.M)
    return found.group(1) if found else platform.machine()


def file_system(directory):
    """Its type as it was mounted: statfs() has one number for ext2, ext3 and ext4. A chroot may not see its mount."""
    directory, found = os.path.realpath(directory), ('', 'a file system whose mount is not visible here')
    for line in read('/proc/self/mounts').splitlines():
        point, kind = re.sub(r'\\(\d{3})', lambda octal: chr(int(octal.group(1), 8)), line.split()[1]), line.split()[2]
        inside = point == '/' or (directory + '/').startswith(point + '/')
        if inside and len(point) >= len(found[0]):  # of those at one point the last mounted counts
            found = (point, kind)
    return found[1]


def machine(directory):
    system = re.search(r'^PRETTY_NAME="?([^"\n]*)', read('/etc/os-release'), re.M)
    return {'date': time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime()), 'kernel': platform.release(),
            'system': system.group(1) if system else '', 'processor': processor(),
            'processors': len(os.sched_getaffinity(0)), 'file_system': file_system(directory),
            'load_before': os.getloadavg()[0]}
