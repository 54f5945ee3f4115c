#!/usr/bin/python3
"""tests/e2e/test_completion.py - what shells offer for what is typed: commands, options, names and ids."""

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SOURCES, Workspace, case, check, equal, main, program  # noqa: E402

os.environ.update(POSTRIDER_PRESETS=os.path.join(SOURCES, 'dist', 'presets'),
                  POSTRIDER_PROFILES=os.path.join(SOURCES, 'dist', 'profiles'))


WITH_PROGRAM = {**os.environ, 'PATH': os.path.dirname(program('postrider')) + ':' + os.environ['PATH']}


def relay_with(work, **changes):
    """(relay, the socket's path)"""
    changes.setdefault('control', {'socket': work.path('control.sock')})
    return work.relay(work.configuration(['127.0.0.1:9'], **changes)), work.path('control.sock')


@case
def completion():
    """As bash asks for it: commands, options, names of destinations and ids; silent where no relay answers."""
    with Workspace() as work:
        relay, path = relay_with(work)
        work.source(relay.target, messages=2).result()
        ids = json.loads(subprocess.run([program('postrider'), 'queue', 'list', '--socket', path, '--json'], timeout=60,
                                        capture_output=True, check=True).stdout)['messages']

        def completed(*words):
            # COMP_WORDS as readline has them; the last is what is being typed.
            script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _postrider; printf "%s\\n" ' \
                     '"${COMPREPLY[@]}"'
            done = subprocess.run(['bash', '--norc', '-c', script, 'bash',
                                   os.path.join(SOURCES, 'dist', 'postrider.bash-completion'), program('postrider'),
                                   *words], capture_output=True, text=True, timeout=60)
            equal(done.stderr, '', 'what completing %s says' % (words,))
            return sorted(done.stdout.split())

        equal(completed('que'), ['queue'], 'a command')
        equal(completed('queue', 'ho'), ['hold'], 'its verb')
        equal(completed('queue', 'export', '--dire'), ['--directory'], 'its option')
        check('office365-connector' in completed('presets', 'office365-'), 'presets')
        equal(completed('trace', '--config', work.path('postrider.yaml'), '--client', 'lo'), ['local'], 'clients')
        equal(completed('queue', 'list', '--state', 'hel'), ['held'], 'a state')
        equal(completed('doctor', '--wa'), ['--wait'], 'an option of two commands')
        equal(completed('doctor', '--bundle', work.path('postrider.y')), [work.path('postrider.yaml')], 'a place')
        socket_path = ('--socket', path)
        for words in ('why', *socket_path, ''), ('queue', 'list', *socket_path, '--destination', 'ne'):
            equal(completed(*words), ['next-hop'], 'destinations: %s' % (words,))
        equal(completed('queue', 'show', *socket_path, ''), sorted(one['id'] for one in ids), 'ids')
        equal(completed('queue', 'hold', *socket_path, ids[0]['id'][:-1]),
              sorted(one['id'] for one in ids if one['id'].startswith(ids[0]['id'][:-1])), 'one of them')
        os.kill(relay.pid, signal.SIGSTOP)
        try:
            equal(completed('queue', 'show', *socket_path, ''), [], 'a relay that does not answer')
        finally:
            os.kill(relay.pid, signal.SIGCONT)
        relay.terminate()
        equal(completed('why', *socket_path, ''), [], 'no relay')


def offered(shell, directory, line, wanted):
    """A line with a tab behind it, as the shell has it then."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe(shell[0], shell, {**WITH_PROGRAM, 'TERM': 'dumb', 'LC_ALL': 'C'})
    found = b''
    try:
        for text, until in (
                (('fpath=(%s $fpath); autoload -U compinit; compinit -u -D; ' if shell[0] == 'zsh' else
                  'source %s/postrider; ') % directory + 'PS1=rea; PS1=${PS1}dy+\n', b'ready+'),
                (line + '\t', wanted.encode())):
            os.write(terminal, text.encode())
            end = time.monotonic() + 60
            while until not in found and time.monotonic() < end:
                if select.select([terminal], [], [], 1)[0]:
                    found += os.read(terminal, 4096)
            check(until in found, '%s: %r has no %s', shell[0], found, until)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)


@case
def completion_in_other_shells():
    """zsh and fish offer what bash does, and names with blanks are one word in each."""
    with Workspace() as work:
        work.write('devices.yaml', json.dumps([{'name': 'Copier 3rd floor', 'address': '127.0.0.9'},
                                               {'name': 'a $(x) "b"', 'address': '127.0.0.10'}]))
        relay, _ = relay_with(work, devices='devices.yaml')
        config = ' --config ' + work.path('postrider.yaml') + ' '
        for name, directory in ('bash', work.path('postrider')), ('zsh', work.path('_postrider')), \
                ('fish', work.path('postrider.fish')):
            with open(os.path.join(SOURCES, 'dist', 'postrider.bash-completion' if name == 'bash' else
                                   'postrider.%s-completion.in' % name), encoding='utf-8') as f:
                work.write(os.path.basename(directory), f.read().replace('@COMPLETIONS@', work.directory))
        rows = [('postrider why' + config, 'next-hop'), ('postrider qu', 'queue'),
                ('postrider device show' + config + 'Cop', 'Copier\\ 3rd\\ floor'),
                ('postrider queue list' + config + '--device "Copier 3', 'Copier 3rd floor"')]
        shells = [shell for shell in (['bash', '--norc', '--noprofile'], ['zsh', '-f']) if shutil.which(shell[0])]
        for shell in shells:
            for line, wanted in rows:
                offered(shell, work.directory, line, wanted)
        if not shutil.which('fish') or len(shells) < 2:
            return 'fish or zsh is not installed'
        for line, wanted in rows:
            done = subprocess.run(
                ['fish', '--no-config', '-c', 'source %s; complete -C $argv[1]' % work.path('postrider.fish'), line],
                capture_output=True, text=True, timeout=60,
                env=WITH_PROGRAM)
            equal((done.stdout.split('\n')[0], done.stderr), (wanted.replace('\\', '').strip('"'), ''), line)
        relay.terminate()


main(together=2)
