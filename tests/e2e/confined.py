#!/usr/bin/python3
"""tests/e2e/confined.py - a program that the kernel refuses something, as it does in containers and on hardened hosts.

    confined.py CALL ERROR [a1=VALUE,...] COMMAND...

becomes COMMAND, which has this system call refused with this error by a seccomp filter of its own, whatever the kernel
of this machine would say: all of its calls, or those with these arguments.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7fff0000, 0x00050000
ARGUMENTS = 16  # where they are in struct seccomp_data, eight octets each, low half first

CALLS = {'x86_64': {'setsockopt': 54, 'io_uring_setup': 425, 'landlock_create_ruleset': 444, 'seccomp': 317},
         'aarch64': {'setsockopt': 208, 'io_uring_setup': 425, 'landlock_create_ruleset': 444, 'seccomp': 277}}


def program(call, error, arguments):
    """The filter: each check that does not fit leads to its last instruction, which allows."""
    checks = [(0, CALLS[platform.machine()][call])]
    checks += [(ARGUMENTS + 8 * int(name[1:]), value) for name, value in sorted(arguments.items())]
    steps = []
    for at, (offset, value) in enumerate(checks):
        steps.append((LOAD, 0, 0, offset))
        steps.append((EQUAL, 0, 2 * (len(checks) - 1 - at) + 1, value))
    return steps + [(RETURN, 0, 0, ERRNO | error), (RETURN, 0, 0, ALLOW)]


def confine(steps):
    libc = ctypes.CDLL(None, use_errno=True)
    octets = b''.join(struct.pack('HBBI', *step) for step in steps)
    held = ctypes.create_string_buffer(octets, len(octets))
    of = ctypes.create_string_buffer(struct.pack('HxxxxxxP', len(steps), ctypes.addressof(held)))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or \
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, of, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), 'seccomp')


def main(call, error, *command):
    arguments = {}
    if '=' in command[0]:
        arguments = {name: int(value) for name, value in (pair.split('=') for pair in command[0].split(','))}
        command = command[1:]
    confine(program(call, getattr(errno, error), arguments))
    os.execvp(command[0], command)


if __name__ == '__main__':
    main(*sys.argv[1:])
