"""tests/e2e/manager.py - a service manager with a descriptor store, as sd_notify(3) and sd_listen_fds(3) describe it.

Manager receives what a relay says by NOTIFY_SOCKET, keeps the descriptors that it hands in, and starts the next relay
with them. Run as a program (manager.py SOCKET COMMAND...) it is what the relay is started by: it takes descriptors from
that socket, puts them where they belong, and becomes the command.
"""

import fcntl
import json
import os
import socket
import sys
import threading


class Manager:
    """One unit's manager. `most`: as FileDescriptorStoreMax= has it."""

    def __init__(self, work, most=128):
        self.work, self.most = work, most
        self.lock = threading.Lock()
        self.kept = []   # (name, descriptor)
        self.given = []  # the same, of a socket unit: handed over each time
        self.said = []   # each datagram, as a dictionary
        self.notify = self.bind(socket.SOCK_DGRAM, 'notify')
        self.give = self.bind(socket.SOCK_STREAM, 'give')
        self.give.listen(4)
        for target in (self.receive, self.hand_over):
            threading.Thread(target=target, daemon=True).start()

    def bind(self, kind, name):
        made = socket.socket(socket.AF_UNIX, kind)
        made.bind(self.work.path(name))
        return made

    def stop(self):
        self.notify.close()
        self.give.close()
        with self.lock:
            for _, fd in self.kept + self.given:
                os.close(fd)
            self.kept, self.given = [], []

    def names(self):
        with self.lock:
            return sorted(name for name, _ in self.kept)

    def receive(self):
        while True:
            try:
                text, fds, _, _ = socket.recv_fds(self.notify, 65536, 253)
            except OSError:
                return
            said = dict(line.split('=', 1) for line in text.decode().split('\n') if '=' in line)
            with self.lock:
                self.said.append(said)
                if 'FDSTOREREMOVE' in said:
                    for name, fd in self.kept:
                        if name == said['FDNAME']:
                            os.close(fd)
                    self.kept = [entry for entry in self.kept if entry[0] != said['FDNAME']]
                for fd in fds:
                    self.keep(said, fd)

    def keep(self, said, fd):
        """One that is there already is not kept twice; nor what there is no room for. A barrier's is closed."""
        same = any(os.path.samestat(os.fstat(fd), os.fstat(other)) for _, other in self.kept)
        if 'FDSTORE' not in said or same or len(self.kept) >= self.most:
            os.close(fd)
        else:
            self.kept.append((said.get('FDNAME', 'stored'), fd))

    def hand_over(self):
        while True:
            try:
                connection = self.give.accept()[0]
            except OSError:
                return
            with self.lock, connection:
                entries = self.given + self.kept
                socket.send_fds(connection, [json.dumps([name for name, _ in entries]).encode()],
                                [fd for _, fd in entries])

    def start(self, configuration, name='postrider', wait=True):
        os.environ['NOTIFY_SOCKET'] = self.work.path('notify')
        try:
            return self.work.relay(configuration, name, wait,
                                   prefix=[sys.executable, os.path.abspath(__file__), self.work.path('give')])
        finally:
            del os.environ['NOTIFY_SOCKET']


def become(path, command):
    with socket.socket(socket.AF_UNIX) as giver:
        giver.connect(path)
        names, fds, _, _ = socket.recv_fds(giver, 65536, 253)
    names = json.loads(names)
    # Out of the way first: where they are may be where another belongs.
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 1000) for fd in fds]
    for number, fd in enumerate(high):
        os.dup2(fd, 3 + number)
        os.close(fd)
    os.closerange(3 + len(high), 1000)
    if high:
        os.environ.update(LISTEN_FDS=str(len(high)), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=':'.join(names))
    os.execv(command[0], command)


if __name__ == '__main__':
    become(sys.argv[1], sys.argv[2:])
