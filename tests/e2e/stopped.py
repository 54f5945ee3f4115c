"""tests/e2e/stopped.py - one thread of a process stands still, and the others go on."""

import ctypes
import os


class Stopped:
    """One thread of a process is, for as long as it is entered."""

    SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000

    def __init__(self, thread):
        self.thread = thread
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        self.libc.ptrace.restype = ctypes.c_long

    def ask(self, request):
        if self.libc.ptrace(request, self.thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), 'ptrace')

    def __enter__(self):
        self.ask(self.SEIZE)
        self.ask(self.INTERRUPT)
        os.waitpid(self.thread, self.WALL)
        return self

    def __exit__(self, *_):
        self.ask(self.DETACH)


def thread_named(pid, name):
    """The thread of that name."""
    tasks = '/proc/%d/task/' % pid
    for task in os.listdir(tasks):
        with open(tasks + task + '/comm') as f:
            if f.read().strip() == name:
                return int(task)
    raise LookupError('no thread %s of %d' % (name, pid))
