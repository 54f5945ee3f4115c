#!/usr/bin/python3
"""tests/e2e/test_hash.py - `postrider hash NAME`: from a terminal, from the input, and never from an argument.

The terminal is a real one (a pty): what it shows is looked at, and what it is like afterwards.
"""

import contextlib
import ctypes
import os
import pty
import select
import signal
import subprocess
import sys
import termios

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Failure, case, check, equal, program  # noqa: E402

LIBCRYPT = ctypes.CDLL('libcrypt.so.1')
LIBCRYPT.crypt.restype = ctypes.c_char_p


def run(arguments, text=b''):
    return subprocess.run([program('postrider'), 'hash', *arguments], input=text, capture_output=True, timeout=60)


def check_line(line, name, password):
    """A line for users_file, whose hash is yescrypt's and the password's."""
    found, _, value = line.decode().rstrip('\n').partition(':')
    equal(found, name, 'name')
    check(value.startswith('$y$'), 'yescrypt: %s' % value)
    equal(LIBCRYPT.crypt(password.encode(), value.encode()), value.encode(), 'hash by libcrypt itself')


@case
def from_the_input():
    for text in (b'correct horse\n', b'correct horse\r\n', b'correct horse', b'correct horse\nanother line\n'):
        done = run(['scan@example.org'], text)
        equal(done.returncode, 0, 'status (%s)' % done.stderr)
        check_line(done.stdout, 'scan@example.org', 'correct horse')
        equal(done.stderr, b'', 'standard error')


@case
def what_nobody_could_sign_in_with():
    for name, text, words in (('a', b'', b'empty'), ('a', b'\n', b'empty'), ('a', b'a\tb\n', b'control'),
                              ('a', b'a\0b\n', b'control'), ('a', b'x' * 513 + b'\n', b'512'),
                              ('a:b', b'x\n', b'colon'), ('', b'x\n', b'missing'), ('#a', b'x\n', b'#')):
        done = run([name], text)
        equal((done.returncode, done.stdout), (65, b''), '%r %r' % (name, text[:20]))
        check(words in done.stderr, 'sentence: %s' % done.stderr)
    equal(run(['a'], b'x' * 511 + b'\n').returncode, 0, '511 octets')


@case
def no_password_as_an_argument():
    for arguments in ([], ['name', 'secret'], ['--password', 'secret'], ['-x']):
        done = run(arguments, b'x\n')
        equal((done.returncode, done.stdout), (64, b''), '%s' % arguments)
        check(b'secret' not in done.stderr, 'repeated: %s' % done.stderr)


class Terminal:
    """The program with a pty as its terminal."""

    def __init__(self, *arguments, before=lambda: None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            before()
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever runs tests in the background has it ignored
            os.execv(program('postrider'), ['postrider', 'hash', *arguments])
        self.shown = b''

    def until(self, text, seconds=60):
        while text not in self.shown:
            if not select.select([self.fd], [], [], seconds)[0]:
                raise Failure('no %r in %r' % (text, self.shown))
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b''
            if not data:
                raise Failure('it ended: %r' % self.shown)
            self.shown += data

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def type(self, text):
        os.write(self.fd, text)

    def end(self):
        """The status as waitpid has it; what is still shown is read."""
        while select.select([self.fd], [], [], 60)[0]:
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                break
            if not data:
                break
            self.shown += data
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return status


@case
def from_a_terminal_without_echo():
    terminal = Terminal('scan')
    terminal.until(b'Password: ')
    harness.eventually(lambda: not terminal.echoes(), 'echo off')
    terminal.type(b'correct horse\n')
    terminal.until(b'again: ')
    harness.eventually(lambda: not terminal.echoes(), 'echo off')
    terminal.type(b'correct horse\n')
    terminal.until(b'scan:$y$')
    equal(terminal.end(), 0, 'status')
    check(b'horse' not in terminal.shown, 'shown: %r' % terminal.shown)
    check_line([line for line in terminal.shown.splitlines() if line.startswith(b'scan:')][0], 'scan', 'correct horse')


@case
def typed_differently():
    terminal = Terminal('scan')
    terminal.until(b'Password: ')
    harness.eventually(lambda: not terminal.echoes(), 'echo off')
    terminal.type(b'one\n')
    terminal.until(b'again: ')
    harness.eventually(lambda: not terminal.echoes(), 'echo off')
    terminal.type(b'two\n')
    equal(os.waitstatus_to_exitcode(terminal.end()), 65, 'status')
    check(b'not the same' in terminal.shown and b'$y$' not in terminal.shown, 'shown: %r' % terminal.shown)


@case
def interrupted():
    """^C at the prompt: the program ends by it, and the terminal shows again what is typed."""
    terminal = Terminal('scan')
    terminal.until(b'Password: ')
    harness.eventually(lambda: not terminal.echoes(), 'echo off')
    terminal.type(b'half of it\x03')
    # The answer to ^C ends the line; by then the terminal is as it was.
    harness.eventually(terminal.echoes, 'echo on again')
    equal(os.waitstatus_to_exitcode(terminal.end()), -2, 'ended by SIGINT')
    check(b'half' not in terminal.shown, 'shown: %r' % terminal.shown)


@case
def interrupted_before_it_waits():
    """^C between the end of echoing and the wait for a line is no less heard: no second one is needed."""
    seize, interrupt, to_next_call, detach, any_thread = 0x4206, 0x4207, 24, 17, 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes, libc.ptrace.restype = [ctypes.c_long] * 2 + [ctypes.c_void_p] * 2, ctypes.c_long
    begin, go = os.pipe()
    terminal = Terminal('scan', before=lambda: os.read(begin, 1))

    def ask(request):
        return libc.ptrace(request, terminal.pid, None, None)
    try:
        if ask(seize) != 0:
            print('no process may be traced here: nothing is tried')
            return
        ask(interrupt)
        os.waitpid(terminal.pid, any_thread)
        os.write(go, b'x')
        # From call to call, until it stands still behind the one that ends echoing.
        while terminal.echoes():
            equal(ask(to_next_call), 0, 'it goes on')
            status = os.waitpid(terminal.pid, any_thread)[1]
            check(os.WIFSTOPPED(status), 'it ended: %d', status)
        os.kill(terminal.pid, signal.SIGINT)
        equal(ask(detach), 0, 'it is let go')
        harness.eventually(terminal.echoes, 'echo on again')
        equal(os.waitstatus_to_exitcode(terminal.end()), -2, 'ended by SIGINT')
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(terminal.pid, signal.SIGKILL)
        os.close(begin)
        os.close(go)


if __name__ == '__main__':
    harness.main()
