#!/usr/bin/python3
"""tests/e2e/test_examples.py - EXAMPLES of postrider(8), and what the pages tell to type: each of them runs.

tidy.py sees to some examples of every command.
"""

import json
import os
import re
import shutil
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
ANSWERS = {'run': (74,), 'doctor': (1, 69, 75), 'doctor --bundle': (0, 73), 'probe': (1, 69, 75),
           'queue show': (1,), 'trace': (0, 1),
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


# Lines of pages, after `sudo`: programs that are here, with a relay, its socket and its journal.
TYPED = re.compile(r'^ {4}(?:sudo (?:-u postrider )?)?((?:postrider|journalctl|curl --unix-socket) .*)$', re.M)
# What the pages' lines answer here beside ANSWERS: setup asks, and there is nobody.
OF_PAGES = {'setup': (1, 64, 73), 'hash': (0,), 'import': (0, 1, 73), 'queue import': (0, 1, 69, 75), 'check': (0, 78)}


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
            destinations=[{'name': name, 'hosts': ['127.0.0.1:9'], 'tls': {'mode': 'none'}}
                          for name in ('office365', 'partner')],
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
        block = block.replace('/run/postrider/control.sock', self.socket)
        block = block.replace('192.0.2.10:25', '%s:%d' % self.relay.address[:2])
        for path, here in (('MetaBase.xml', ('MetaBase.xml',)), ('/etc/postrider', ('etc', 'postrider')),
                           ('/etc/postfix', ('etc', 'postfix')),
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


def pages():
    """{page: [what it tells to type]}, without the tables of commands."""
    found = {}
    for name in ['README.md'] + sorted('docs/' + page for page in os.listdir(os.path.join(SOURCES, 'docs'))):
        if name.endswith('.md'):
            lines = [line for line in TYPED.findall(read(*name.split('/'))) if '   ' not in line and
                     not re.search(r'\b[A-Z]{3,}\b(?![.\w])', line)]
            if lines:
                found[name] = lines
    return found


@case
def what_pages_tell_to_type_runs():
    """A command line of a page is one that the program understands; filters of the journal find what they are for."""
    with Workspace() as work:
        place = Place(work)
        place.script('journalctl', '#!/bin/sh\ncat %s\n' % work.write('journal', ''.join(
            json.dumps(dict(event, id='01KJK3V3N3ZJ2K8WQX5T7Y0ABC')) + '\n' for event in place.relay.events_seen)))
        known = os.path.join(SOURCES, 'tests', 'fuzz', 'corpus', 'fuzz_metabase')
        shutil.copy(max((entry.path for entry in os.scandir(known)), key=os.path.getsize), work.path('MetaBase.xml'))
        place.script('curl', '#!/bin/sh\nexec %s -sS "$@"\n' % shutil.which('curl'))
        count = 0
        for page, lines in pages().items():
            for line in lines:
                ran, said = place.run(line)
                if line.startswith('postrider '):
                    equal(len(ran), 1, '%s: commands that ran of: %s\n%s' % (page, line, said))
                for status, words in ran:
                    name = words.split()[0]
                    known = answers_of(words) + OF_PAGES.get(' '.join(words.split()[:2]), OF_PAGES.get(name, ()))
                    check(status in known and 'usage:' not in said and 'unknown option' not in said,
                          '%s: postrider %s answers %d, not one of %s: %s', page, words, status, known, said)
                if not line.startswith('postrider '):
                    equal(said, '', '%s: %s' % (page, line))
                count += 1
        check(count >= 25, 'only %d lines were found', count)
        return '%d command lines' % count


if __name__ == '__main__':
    harness.main()
