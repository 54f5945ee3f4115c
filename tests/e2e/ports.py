"""tests/e2e/ports.py - ports that nobody else takes.

The test files run side by side, and each starts servers that are given a port, stopped, and started again on the same
one. A port that was only free a moment ago is another test's by then, once in some thousands. So a port is kept for
the process that was given it until that process ends, at all addresses, by a lock on one octet of a file that all of
them share. None is of the kernel's range for clients: it would hand them to connections.
"""

import errno
import fcntl
import os
import random
import socket
import tempfile
import threading

from basics import Failure

FIRST, END = 20000, 32000  # below net.ipv4.ip_local_port_range as Linux has it

_lock = threading.Lock()
_taken = set()
_file = None  # must stay open: closing any descriptor of it gives up all locks of the process


def _reserve(port):
    global _file
    with _lock:
        if _file is None:
            path = os.path.join(tempfile.gettempdir(), 'postrider-test-ports.%d' % os.getuid())
            _file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if port in _taken:
            return False
        try:
            fcntl.lockf(_file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError:
            return False
        _taken.add(port)
        return True


def unused(port):
    """At every address of both families: a server may listen there that is no test's."""
    for family, address in ((socket.AF_INET, '0.0.0.0'), (socket.AF_INET6, '::1')):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                s = socket.socket(family, kind)
            except OSError:
                continue  # a machine without IPv6
            with s:
                try:
                    s.bind((address, port))
                except OSError as e:
                    if e.errno == errno.EADDRINUSE:
                        return False
    return True


def free_port():
    for _ in range(1000):
        port = random.randrange(FIRST, END)
        if _reserve(port) and unused(port):
            return port
    raise Failure('no free port')


def bind_free(host, *sockets):
    """All of them, at one port, which is returned. Programs that ask the kernel for theirs may still be in the way."""
    for _ in range(20):
        port = free_port()
        try:
            for each in sockets:
                each.bind((host, port))
            return port
        except OSError as e:
            if e.errno != errno.EADDRINUSE or each is not sockets[0]:
                raise
    raise Failure('no free port')
