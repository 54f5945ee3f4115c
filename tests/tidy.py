#!/usr/bin/python3
"""tests/tidy.py - the rules of the house that a program can check, so that people discuss design instead.

    tests/tidy.py [RULE]...      without arguments: all rules

Each rule prints "ok RULE", or one "FAILED RULE: FILE:LINE: what" for each place. The rules are the functions below.
"""

import os
import re
import shutil
import subprocess
import sys

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 80
COLUMNS_MAX = 120
TAB = 8

# Which folders a folder's files may include, from the bottom up. What is not named (core/main.c, tests) may all.
LAYERS = {
    'core/base': ['core/base'],
    'tls': ['core/base', 'tls'],
    'queue': ['core/base', 'queue'],
    'core/smtp': ['core/base', 'core/smtp'],
    'core/config': ['core/base', 'core/config'],
    'core/relay': ['core/base', 'tls', 'queue', 'core/smtp', 'core/config', 'core/relay'],
    'core/control': ['core/base', 'tls', 'queue', 'core/smtp', 'core/config', 'core/relay', 'core/control'],
    # queue for micro_queue and micro_spool; the load tools know nothing of it
    'bench': ['core/base', 'tls', 'core/smtp', 'queue', 'bench'],
}

# A library's header: the only places that may include it.
LIBRARIES = {
    'liburing.h': ['core/base/ring_uring.c', 'bench/floor.c'],
    'wolfssl/': ['tls/', 'tests/unit/test_tls.c', 'tests/unit/tls_pair.h', 'tests/fuzz/fuzz_tls', 'tests/sim/'],
    'xxhash.h': ['queue/'],
    'yaml.h': ['core/config/'],
    'intel-ipsec-mb.h': ['tls/'],
}

# Functions that may be longer: name and why.
LONG_FUNCTIONS = {
}


def read(path):
    with open(os.path.join(SOURCES, path), encoding='utf-8') as f:
        return f.read()


def files(*endings):
    """The project's files with these endings, as git knows them or would know them."""
    found = []
    for folder, folders, names in os.walk(SOURCES):
        relative = os.path.relpath(folder, SOURCES)
        folders[:] = sorted(name for name in folders if not name.startswith('.git') and name != '__pycache__' and
                            not (relative == '.' and name.startswith('build')) and name != 'corpus')
        for name in sorted(names):
            if not endings or name.endswith(endings):
                found.append(os.path.normpath(os.path.join(relative, name)))
    return found


def sources():
    return files('.c', '.h')


def scripts():
    """Python and shell, also where the name does not say so."""
    found = files('.py', '.sh')
    for path in files():
        if '.' not in os.path.basename(path) and path != 'LICENSE':
            if read(path).startswith('#!'):
                found.append(path)
    return found


def lines_of(path):
    return enumerate(read(path).split('\n'), 1)


def includes(path):
    for number, line in lines_of(path):
        found = re.match(r'\s*#\s*include\s+[<"]([^>"]+)[>"]', line)
        if found:
            yield number, found.group(1)


def folder_of(path):
    """The layer a file belongs to, or None."""
    return next((layer for layer in LAYERS if path.startswith(layer + '/')), None)


def include_direction():
    for path in sources():
        layer = folder_of(path)
        if layer is None:
            continue
        for number, name in includes(path):
            top = name.split('/')[0]
            if '/' in name and top in ('core', 'tls', 'queue', 'bench', 'tests') and \
                    folder_of(name) not in LAYERS[layer]:
                yield '%s:%d: %s may not include %s' % (path, number, layer, name)
            if '/' not in name and os.path.exists(os.path.join(SOURCES, os.path.dirname(path), name)):
                yield '%s:%d: write the path from the root: %s' % (path, number, name)


def libraries():
    for path in sources():
        for number, name in includes(path):
            for library, places in LIBRARIES.items():
                if name.startswith(library) and not any(path.startswith(place) for place in places):
                    yield '%s:%d: only %s may include %s' % (path, number, ', '.join(places), name)


def file_headers():
    for path in sources():
        start = read(path)[:400]
        name = re.escape(os.path.basename(path))
        if not re.match(r'/\*\s+(\* )?(\S*/)?%s - \S' % name, start):
            yield '%s:1: open with a comment "%s - what it is"' % (path, path)


def file_length():
    for path in sources() + files('.py'):
        length = read(path).count('\n')
        limit = 1000 if path == 'tests/e2e/harness.py' else FILE_LINES_MAX
        if length > limit:
            yield '%s: %d lines, at most %d' % (path, length, limit)


def function_length():
    """A function's body stands between a brace in the first column and the next one."""
    for path in sources():
        started, name, before = None, '', ''
        for number, line in lines_of(path):
            if line == '{':
                started = number
                found = re.search(r'([A-Za-z_]\w*)\(', before)
                name = found.group(1) if found else before
                before = ''
            elif line.startswith('}') and started:
                if number - started > FUNCTION_LINES_MAX and name not in LONG_FUNCTIONS:
                    yield '%s:%d: %s() has %d lines, at most %d' % (path, started, name, number - started,
                                                                    FUNCTION_LINES_MAX)
                started = None
            elif started is None:
                before = line if re.match(r'[A-Za-z_]', line) else before


def unfinished():
    words = re.compile(r'\b(%s)\b' % '|'.join(('TO' 'DO', 'FIX' 'ME', 'XX' 'X', 'HA' 'CK')))
    for path in sources() + scripts() + files('.md', 'meson.build', '.yaml', '.8', '.5'):
        for number, line in lines_of(path):
            if words.search(line):
                yield '%s:%d: %s' % (path, number, words.search(line).group(1))


def blanks_and_line_ends():
    for path in sources() + scripts() + files('.md', 'meson.build', '.yaml', '.service', '.8', '.5'):
        text = read(path)
        if '\r\n' in text or (text and not text.endswith('\n')):
            yield '%s: lines end with LF, the last one too' % path
        for number, line in lines_of(path):
            if line != line.rstrip():
                yield '%s:%d: blanks at the end of the line' % (path, number)
            elif re.match(r'\t* +\t', line) and path.endswith(('.c', '.h')):
                yield '%s:%d: blank before tab' % (path, number)


def columns():
    for path in sources() + scripts() + files('meson.build', 'meson_options.txt'):
        # Shell and build files are narrower on most screens than C with its deep tabs.
        tab = TAB if path.endswith(('.c', '.h')) else 4
        for number, line in lines_of(path):
            if len(line.expandtabs(tab)) > COLUMNS_MAX:
                yield '%s:%d: %d columns, at most %d' % (path, number, len(line.expandtabs(tab)), COLUMNS_MAX)


def clang_format():
    program = shutil.which('clang-format-14') or shutil.which('clang-format')
    if not program:
        yield 'clang-format is not installed'
        return
    version = subprocess.run([program, '--version'], capture_output=True, text=True).stdout
    if ' 14.' not in version:
        yield 'clang-format 14 decides, this is: ' + version.strip()
        return
    for path in sources():
        made = subprocess.run([program, '--dry-run', '-Werror', path], cwd=SOURCES, capture_output=True, text=True)
        if made.returncode != 0:
            places = re.findall(r'^%s:(\d+):' % re.escape(path), made.stderr, re.M)
            yield '%s:%s: %d places are not as clang-format would have them' % (
                path, places[0] if places else '1', len(places))


def compiles_in_python():
    for path in files('.py'):
        try:
            compile(read(path), path, 'exec')
        except SyntaxError as error:
            yield '%s:%s: %s' % (path, error.lineno, error.msg)


def executable_scripts():
    for path in scripts():
        mode = os.stat(os.path.join(SOURCES, path)).st_mode & 0o111
        if read(path).startswith('#!') and not mode and not path.endswith(('.py', '.sh')):
            yield '%s: it starts with #! but cannot be executed' % path


RULES = [include_direction, libraries, file_headers, file_length, function_length, unfinished, blanks_and_line_ends,
         columns, clang_format, compiles_in_python, executable_scripts]


def main():
    wanted = sys.argv[1:]
    for name in wanted:
        if name not in [rule.__name__ for rule in RULES]:
            sys.exit('no such rule: %s; there are: %s' % (name, ' '.join(rule.__name__ for rule in RULES)))
    failed = False
    for rule in RULES:
        if wanted and rule.__name__ not in wanted:
            continue
        places = list(rule())
        failed = failed or bool(places)
        if not places:
            print('ok %s' % rule.__name__)
        for place in places:
            print('FAILED %s: %s' % (rule.__name__, place))
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
