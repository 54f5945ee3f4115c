#!/usr/bin/python3
"""tests/e2e/test_examples.py - EXAMPLES of postrider(8): each of them runs. tidy.py sees to some of every command."""

import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import SOURCES, Workspace, case, check, equal, program  # noqa: E402

os.environ.update(POSTRIDER_PRESETS=os.path.join(SOURCES, 'dist', 'presets'),
                  POSTRIDER_PROFILES=os.path.join(SOURCES, 'dist', 'profiles'))
# Which relay or configuration is meant, where a line does not say it.
BY_SOCKET = ('status', 'stats', 'why', 'top', 'queue', 'destination', 'page', 'reload', 'incidents')
BY_FILE = ('doctor', 'device', 'suppress', 'credentials', 'trace', 'route', 'report', 'log')
# What they answer here: a test has no next hops, and no message of that id. Others answer 0.
ANSWERS = {'run': (74,), 'doctor': (1, 69, 75), 'probe': (1, 69, 75), 'queue show': (1,), 'trace': (0, 1),
           'route': (0, 1, 75), 'page': (75,), 'top': (0, 64), 'queue retry': (0, 1, 75), 'queue hold': (0, 1, 75),
           'queue release': (0, 1, 75), 'queue delete': (0, 1, 75), 'spool check': (0, 1), 'spool export': (0, 1),
           'import': (0, 1), 'credentials': (0, 1), 'report': (0, 1),
           'log': (0, 1)}


def read(*path):
    with open(os.path.join(SOURCES, *path), encoding='utf-8') as f:
        return f.read()


def examples():
    """{command: [a block of command lines]}"""
    found, name, block = {}, None, None
    for line in read('dist', 'postrider.8').partition('.Sh EXAMPLES\n')[2].partition('\n.Sh ')[0].split('\n'):
        if line.startswith('.Ss '):
            name = line[4:]
            found[name] = []
        elif line.startswith('.Bd '):
            block = []
        elif line == '.Ed':
            found[name].append('\n'.join(block))
            block = None
        elif block is not None:
            block.append(line.replace('\\-', '-').replace('\\e', '\\'))
    return found


WRAPPER = '''#!/bin/sh
# postrider, for this place: which relay is meant, and what it answers.
case $1 in
%(by_socket)s) case " $* " in *" --config "*) ;; *) set -- "$@" --socket %(socket)s ;; esac ;;
%(by_file)s) case " $* " in *" --config "*) ;; *) set -- "$@" --config %(file)s ;; esac ;;
doctor | probe) set -- "$@" --wait 5 ;;
esac
%(program)s "$@" 2>>%(said)s
status=$?
printf '%%s\\t%%s\\n' $status "$*" >>%(answers)s
exit $status
'''


class Place:
    """A machine as the examples have it: a relay that runs, its configuration, and what other programs have left."""

    def __init__(self, work):
        self.work = work
        self.socket, self.answers, self.said = work.path('control.sock'), work.path('answers'), work.path('said')
        for directory in ('etc/postrider/devices', 'etc/postfix', 'tmp', 'bin', 'old'):
            os.makedirs(work.path(directory))
        with open(work.path('etc', 'postrider', 'devices', 'front.yaml'), 'w', encoding='ascii') as f:
            f.write('- { name: "front desk", address: 10.20.3.13 }\n')
        with open(work.path('etc', 'postfix', 'main.cf'), 'w', encoding='ascii') as f:
            f.write('myhostname = relay.contoso.com\nrelayhost = [smtp.contoso.com]:25\nmynetworks = 127.0.0.0/8\n')
        with open(work.path('etc', 'postfix', 'master.cf'), 'w', encoding='ascii') as f:
            f.write('smtp      inet  n       -       y       -       -       smtpd\n')
        configuration = work.configuration(
            [], control={'socket': self.socket}, devices=work.path('etc', 'postrider', 'devices'),
            clients=[{'name': 'printers', 'devices': True}, {'name': 'local', 'networks': ['127.0.0.0/8']}],
            suppression={'directory': work.path('suppressed')}, trace={'file': work.path('trace.sqlite')},
            destinations=[{'name': 'office365', 'hosts': ['127.0.0.1:9'], 'tls': {'mode': 'none'}}],
            routes=[{'destination': 'office365'}])
        os.makedirs(work.path('suppressed'))
        self.file = work.path('etc', 'postrider', 'postrider.yaml')
        with open(self.file, 'w', encoding='utf-8') as f:
            json.dump(configuration, f)
        self.relay = work.relay(configuration)
        self.script('postrider', WRAPPER % {
            'by_socket': ' | '.join(BY_SOCKET), 'by_file': ' | '.join(BY_FILE), 'socket': self.socket,
            'file': self.file, 'program': program('postrider'), 'said': self.said, 'answers': self.answers})
        self.environment = {**os.environ, 'PATH': work.path('bin') + ':' + os.environ['PATH'],
                            'POSTRIDER_SOCKET': self.socket, 'POSTRIDER_RELAY': '%s:%d' % self.relay.address[:2]}

    def script(self, name, text):
        with open(self.work.path('bin', name), 'w', encoding='utf-8') as f:
            f.write(text)
        os.chmod(self.work.path('bin', name), 0o755)

    def run(self, block):
        """[(status, command line)], and what was said."""
        for path, here in (('/etc/postrider', ('etc', 'postrider')), ('/etc/postfix', ('etc', 'postfix')),
                           ('/var/tmp', ('tmp',)), ('/var/lib/postrider-old', ('old',))):
            block = block.replace(path, self.work.path(*here))
        for path in (self.answers, self.said):
            with open(path, 'w', encoding='ascii') as f:
                f.write('')
        done = subprocess.run(['sh', '-c', block], input=b'a long password\n', capture_output=True, timeout=300,
                              env=self.environment)
        with open(self.answers, encoding='utf-8') as f:
            ran = [tuple(line.rstrip('\n').split('\t', 1)) for line in f]
        with open(self.said, encoding='utf-8') as f:
            return [(int(status), line) for status, line in ran], f.read() + done.stderr.decode()


def answers_of(line):
    words = line.split()
    # On a busy machine a shard may be late, which is said.
    late = (75,) if words[0] in BY_SOCKET else ()
    for name in (' '.join(words[:2]), words[0]):
        if name in ANSWERS:
            return ANSWERS[name] + late
    return (0,) + late


@case
def each_is_of_its_command():
    for name, blocks in examples().items():
        check(blocks, '%s has none', name)
        for block in blocks:
            check('postrider %s' % name in block, '%s: an example of something else: %s', name, block)


@case
def each_of_them_runs():
    with Workspace() as work:
        place = Place(work)
        count = 0
        for name, blocks in examples().items():
            for block in blocks:
                ran, said = place.run(block)
                equal(len(ran), len(re.findall(r'\bpostrider ', block)), 'commands that ran of: %s\n%s' % (block, said))
                for status, line in ran:
                    known = answers_of(line)
                    check(status in known and 'usage:' not in said,
                          'postrider %s answers %d, not one of %s: %s', line, status, known, said)
                    check(status != 64 or 'have to be a terminal' in said, 'postrider %s: %s', line, said)
                    count += 1
        return '%d command lines' % count


if __name__ == '__main__':
    harness.main()
