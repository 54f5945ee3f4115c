#!/usr/bin/python3
"""tests/e2e/test_top.py - `postrider top` in a real terminal (tmux), and what it writes for programs."""

import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from control_socket import fits  # noqa: E402
from harness import SOURCES, Workspace, case, check, equal, eventually, program  # noqa: E402

with open(os.path.join(SOURCES, 'dist', 'top.schema.json')) as schema_file:
    SCHEMA = json.load(schema_file)
# A title, colours, a cleared screen, another direction, what is no UTF-8, wide letters, and many that stand over one.
HOSTILE = b'\x1b]0;pwned\x07\x1b[31m\x1b[2J\xe2\x80\xae\xff\xe6\xbc\xa2\xe5\xad\x97e' + b'\xcc\x81' * 40 + b'\xc2\x9b2J'


class Terminal:
    """postrider top in tmux; `set`: environment. It ends in a line "ENDED status"."""

    def __init__(self, path, columns=80, rows=24, arguments=(), before='', **environment):
        self.directory = tempfile.mkdtemp(prefix='postrider-top-')
        self.socket = os.path.join(self.directory, 'tmux')
        environment = {'LC_ALL': 'C.UTF-8', **environment}
        words = ['%s=%s' % one for one in environment.items()]
        command = '%s env %s %s top --socket %s %s; echo ENDED $?; exec cat' % (
            before, ' '.join(words), program('postrider'), path, ' '.join(arguments))
        self.tmux('-f', '/dev/null', 'new-session', '-d', '-x', str(columns), '-y', str(rows), command,
                  env={**os.environ, 'LC_ALL': 'C.UTF-8', 'SHELL': '/bin/sh'})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(['tmux', '-S', self.socket, 'kill-server'], capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def tmux(self, *arguments, **more):
        done = subprocess.run(['tmux', '-u', '-S', self.socket, *arguments], capture_output=True, timeout=60, **more)
        check(done.returncode == 0, 'tmux %s: %s', arguments, done.stderr)
        return done.stdout.decode('utf-8', 'strict')

    def screen(self, *more):
        return self.tmux('capture-pane', '-p', *more)

    def keys(self, *keys):
        self.tmux('send-keys', *keys)

    def type(self, text):
        self.tmux('send-keys', '-l', text)

    def shows(self, pattern, what):
        """The screen, once it shows that."""
        try:
            return eventually(lambda: (lambda screen: re.search(pattern, screen, re.M) and screen)(self.screen()), what)
        except Exception:
            print(self.screen())
            raise

    def process(self):
        """Its process's number: the child of the shell of the pane."""
        shell = self.tmux('display-message', '-p', '#{pane_pid}').strip()

        def child():
            for one in subprocess.run(['pgrep', '-P', shell, '-x', 'postrider'], capture_output=True).stdout.split():
                return int(one)
        return eventually(child, 'the process')


def relay_with(work, **changes):
    path = work.path('control.sock')
    return work.relay(work.configuration(['127.0.0.1:9'], control={'socket': path}, **changes)), path


def two_ways(work, sink):
    ways = [{'name': 'flows', 'hosts': ['127.0.0.1:%d' % sink.port], 'tls': {'mode': 'none'}},
            {'name': 'away', 'hosts': ['127.0.0.1:9'], 'tls': {'mode': 'none'}}]
    return relay_with(work, destinations=ways, routes=[{'recipient': '*@flows.example', 'destination': 'flows'},
                                                       {'destination': 'away'}])


def once(path, *arguments, **environment):
    done = subprocess.run([program('postrider'), 'top', '--once', '--interval', '0.2', '--socket', path, *arguments],
                          capture_output=True, timeout=120, env={**os.environ, 'LC_ALL': 'C.UTF-8', **environment})
    return done.returncode, done.stdout, done.stderr.decode()


@case
def seen_and_steered():
    """Rows, pages, a filter, and orders that are the program's own commands."""
    with Workspace() as work:
        sink = work.sink()
        relay, path = two_ways(work, sink)
        work.source(relay.target, messages=30, recipient='u@flows.example', connections=1).result()
        work.source(relay.target, messages=7, recipient='u@elsewhere.example', connections=1).result()
        with Terminal(path) as top:
            screen = top.shows(r'^away +\d.*(back_off|retry)', 'what limits a destination')
            check(re.search(r'^postrider \S+ running .* queued 7 ', screen, re.M), 'the first row: %s', screen)
            check(re.search(r'^ERRORS', screen, re.M) and 'refused' in screen, 'errors: %s', screen)
            equal(len(screen.split('\n')) - 1, 24, 'rows')
            check(max(len(line) for line in screen.split('\n')) <= 80, 'columns')
            top.keys('w')
            top.shows(r'^away: (.*\n)+.*back_off', 'why')
            top.keys('q')
            top.keys('?')
            top.shows('what became of its mail', 'help')
            top.keys('Escape')
            top.keys('Tab')
            top.keys('Enter')
            top.shows(r'^event +host_failed', 'an error, whole')
            top.keys('q')
            top.keys('w')
            top.shows(r'^away: ', 'why, from an error')
            top.keys('q', 'Tab', 'Tab')
            top.keys('/')
            top.type('flo')
            top.keys('Enter')
            top.shows(r'/flo', 'the filter')
            top.shows(r'^DESTINATIONS 1', 'those that have it')
            check('\naway ' not in top.screen(), 'what does not fit is gone: %s', top.screen())
            top.keys('/', 'BSpace', 'BSpace', 'BSpace', 'Enter')
            top.shows(r'^away ', 'all again')
            top.keys('s')
            top.shows('for how long', 'a question')
            top.type('2h')
            top.keys('Enter')
            top.type('new certificate')
            top.keys('Enter')
            top.shows(r'away is suspended', 'done')
            top.shows(r'^away +\d.*suspended', 'and seen')
            listed = subprocess.run([program('postrider'), 'destination', 'list', '--socket', path],
                                    capture_output=True).stdout.decode()
            check('new certificate' in listed and re.search('until 20', listed), 'by when and why: %s', listed)
            top.keys('s', 'Enter')
            top.shows('away goes on', 'resumed')
            top.keys('h')
            top.type('quarantine')
            top.keys('Enter')
            top.shows('held', 'held')

            def held():
                out = subprocess.run([program('postrider'), 'queue', 'list', '--state', 'held', '--ids', '--all',
                                      '--socket', path], capture_output=True).stdout.decode().split()
                return len(out) == 7
            eventually(held, 'all of it is held')
            top.keys('o')
            top.shows('DESTINATIONS 2\u25be', 'by name')
            top.keys('q')
            top.shows('^ENDED 0', 'the end')


@case
def the_relay_goes_and_comes_back():
    with Workspace() as work:
        sink = work.sink()
        relay, path = two_ways(work, sink)
        with Terminal(path) as top:
            top.shows(r'^postrider \S+ running', 'it runs')
            relay.kill()
            top.shows(r'^no answer since \d\d:\d\d:\d\d: .*(running|ended)', 'it is gone')
            top.keys('?')
            top.shows('what became of its mail', 'keys go on')
            top.keys('q')
            again = work.relay(work.configuration(['127.0.0.1:%d' % sink.port], control={'socket': path}))
            top.shows(r'^postrider \S+ running', 'it is back')
            top.keys('q')
            top.shows('^ENDED 0', 'the end')
        # One that is not there yet is waited for.
        again.terminate()
        with Terminal(path) as top:
            top.shows('is postrider running', 'nobody there')
            relay = work.relay(work.configuration(['127.0.0.1:%d' % sink.port], control={'socket': path}))
            top.shows(r'^postrider \S+ running', 'it has come')
            relay.terminate()


@case
def another_size():
    with Workspace() as work:
        relay, path = two_ways(work, work.sink())
        with Terminal(path) as top:
            top.shows(r'^away ', 'rows')
            for columns, rows in ((132, 50), (40, 10), (200, 24), (12, 4), (80, 24)):
                top.tmux('resize-window', '-x', str(columns), '-y', str(rows))
                if columns < 40:
                    top.shows('too small', 'no room')
                    continue
                last = '\\?' if columns < 80 else 'q quit'
                screen = top.shows(r'^DESTINATI(.*\n)*.*%s' % last, '%dx%d' % (columns, rows))
                equal(len(screen.split('\n')) - 1, rows, 'rows')
            top.keys('C-l')
            top.shows('q quit', 'drawn anew')


@case
def any_end_gives_the_terminal_back():
    """SIGTERM, SIGHUP, an assertion: what the shell behind it has is as it was."""
    with Workspace() as work:
        relay, path = two_ways(work, work.sink())
        for number, status in ((signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 0), (signal.SIGABRT, 134),
                               (signal.SIGSEGV, 139)):
            with Terminal(path, before='stty -a > $TMUX_PANE_FILE.before; ulimit -c 0;'
                          .replace('$TMUX_PANE_FILE', work.path('stty%d' % number))) as top:
                top.shows(r'^postrider \S+ running', 'it runs')
                equal(top.tmux('display-message', '-p', '#{alternate_on} #{cursor_flag}').strip(), '1 0',
                      'a screen of its own, without a cursor')
                os.kill(top.process(), number)
                top.shows('^ENDED %d' % status, signal.Signals(number).name)
                equal(top.tmux('display-message', '-p', '#{alternate_on} #{cursor_flag}').strip(), '0 1',
                      signal.Signals(number).name + ': the screen and its cursor')
                tty = top.tmux('display-message', '-p', '#{pane_tty}').strip()
                now = subprocess.run(['stty', '-a', '-F', tty], capture_output=True).stdout.decode()
                with open(work.path('stty%d.before' % number)) as f:
                    equal(now, f.read(), signal.Signals(number).name + ': how the terminal is set')


@case
def a_terminal_that_goes():
    """Without SIGHUP, as where a shell keeps that signal away: it ends, and does not spin."""
    with Workspace() as work:
        relay, path = two_ways(work, work.sink())
        ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
        process = subprocess.Popen([program('postrider'), 'top', '--socket', path], stdin=its, stdout=its, stderr=its,
                                   env={**os.environ, 'TERM': 'xterm', 'LC_ALL': 'C.UTF-8'})
        os.close(its)
        shown = b''
        while b'DESTINATIONS' not in shown:
            shown += os.read(ours, 65536)
        os.close(ours)
        process.wait(60)


@case
def hostile_names():
    """What strangers have written moves no cursor, changes no title, and stays in its row."""
    with Workspace() as work:
        with open(work.path('inventory.yaml'), 'w', encoding='utf-8') as f:
            f.write('- { name: "b\u00fcro \u6f22\u5b57 \u05d0\u05d1", address: 127.0.1.1, place: "e\u0301" }\n')
        relay, path = relay_with(work, devices=work.path('inventory.yaml'),
                                 clients=[{'name': 'printers', 'devices': True},
                                          {'name': 'local', 'networks': ['127.0.0.0/8']}])
        with harness.Client(relay.address, source='127.0.1.1') as client:
            client.hello()
            client.command(b'MAIL FROM:<' + HOSTILE + b'@example.org>', 501)
            client.command(HOSTILE, 500)
        with Terminal(path) as top:
            top.shows(r'^b\u00fcro \u6f22\u5b57', 'a name in its letters')
            screen = top.shows(r'^\d\d:\d\d:\d\d .*50[01]', 'what it was told')
            equal(top.tmux('display-message', '-p', '#{pane_title}').count('pwned'), 0, 'the title')
            check(not re.search('[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]', screen),
                  'nothing that moves a terminal: %r', screen)
            check(re.search(r'^\? help', screen.split('\n')[23]), 'the last row is where it was: %s', screen)
            top.keys('Tab', 'Enter')
            top.shows(r'^event +refused', 'the error, whole')
            top.keys('q', 'Tab', 'Enter')
            top.shows('^device +b\u00fcro', 'the device, whole')
            top.keys('q', '/')
            top.type('\u6f22')
            top.keys('Enter')
            top.shows('^b\u00fcro', 'a filter in any letters')
        code, out, _ = once(path)
        check(code == 0 and b'\x1b' not in out and b'\xe2\x80\xae' not in out, 'once: %r', out)
        code, out, _ = once(path, LC_ALL='C')
        check(code == 0 and all(octet < 0x80 for octet in out), 'once, without UTF-8: %r', out)


@case
def terminals_of_all_kinds():
    with Workspace() as work:
        relay, path = two_ways(work, work.sink())
        with Terminal(path, LC_ALL='C') as top:
            screen = top.shows(r'^away ', 'ASCII')
            check(all(ord(letter) < 0x80 for letter in screen), 'nothing but ASCII: %r', screen)
        with Terminal(path, NO_COLOR='1') as top:
            top.shows(r'^away ', 'rows')
            check(not re.search('\x1b\\[[0-9;]*3[0-7]', top.screen('-e')), 'no colours: %r', top.screen('-e'))
        with Terminal(path) as top:
            top.shows(r'^away ', 'rows')
            check(re.search('\x1b\\[[0-9;]*3[0-7]', top.screen('-e')), 'colours: %r', top.screen('-e'))
        for term, said in (('dumb', 'cannot move its cursor'), ('xyzzy', 'nothing is known'),
                           ('', 'TERM does not say')):
            with Terminal(path, TERM=term) as top:
                screen = top.shows('^ENDED 64', 'TERM=' + term)
                check(said in ' '.join(screen.split()) and '--once' in screen, 'TERM=%s: %s', term, screen)
        done = subprocess.run([program('postrider'), 'top', '--socket', path], capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=60)
        check(done.returncode == 64 and b'--once' in done.stderr, 'no terminal: %s', done)


@case
def for_programs():
    with Workspace() as work:
        relay, path = two_ways(work, work.sink())
        work.source(relay.target, messages=5, recipient='u@flows.example', connections=1).result()
        work.source(relay.target, messages=2, recipient='u@elsewhere.example', connections=1).result()

        def answer():
            code, out, said = once(path, '--json')
            return (code, json.loads(out)) if code in (0, 75) else check(False, 'once: %d %s', code, said)

        code, whole = eventually(lambda: (lambda one: one[1]['queued'] == 2 and one[1]['errors'] and one)(answer()),
                                 'what is there')
        fits(SCHEMA, whole, 'top --once --json')
        names = {one['destination']: one for one in whole['destinations']}
        equal(sorted(names), ['away', 'flows'], 'destinations')
        equal(names['away']['ready'] + names['away']['deferred'], 2, 'mail that waits')
        equal(sum(whole['delivery_times']['messages']), 5, 'times')
        check(whole['interval_s'] > 0, 'rates have a time: %s', whole['interval_s'])
        code, out, _ = once(path)
        check(code in (0, 75) and b'\naway ' in out and max(len(line.decode()) for line in out.split(b'\n')) <= 100,
              'text: %s', out)
        for arguments in (['--interval', '0'], ['--interval', 'x'], ['--interval', '1e9'], ['x'], ['--nothing']):
            equal(once(path, *arguments)[0], 64, ' '.join(arguments))
        done = subprocess.run([program('postrider'), 'top', '--json', '--socket', path], capture_output=True)
        check(done.returncode == 64 and b'--once' in done.stderr, '--json alone: %s', done)
        relay.terminate()
        code, out, said = once(path)
        check(code == 69 and out == b'' and said.count('\n') == 1, 'nobody there: %d %r %r', code, out, said)


if __name__ == '__main__':
    harness.main(together=2)
