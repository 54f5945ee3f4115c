#!/usr/bin/python3
"""tests/sections.py - the sections of tests/run: builds, starts the tests, counts their cases, prints the sum.

A case is a line "ok NAME..." or "FAILED NAME: why" of a test program; a program that ends badly without such a line
counts as one failed case, and so does a section that cannot run: nothing is skipped in silence. Every program runs in
a process group of its own with a time limit, so nothing is left behind. Output goes to build/logs/, the failures to
the screen as well.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(SOURCES, 'build')
LOGS = os.path.join(BUILD, 'logs')
SHOWN_MAX = 40  # failures of one program on the screen; all are in its log

# Each build: compiler and options. Sanitizers end the program at the first finding; its exit status is the failure.
BUILDS = {
    'gcc': ('gcc', ['--buildtype=release']),
    'clang': ('clang', ['--buildtype=release']),
    'asan': ('clang', ['--buildtype=debugoptimized', '-Ddebug_memory=true', '-Db_sanitize=address,undefined',
                       '-Db_lundef=false', '-Dc_args=-fno-sanitize-recover=all']),
    'tsan': ('clang', ['--buildtype=debugoptimized', '-Ddebug_memory=true', '-Db_sanitize=thread',
                       '-Db_lundef=false']),
}
SANITIZERS = {
    'SANITIZED': '1',
    'ASAN_OPTIONS': 'detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1',
    'UBSAN_OPTIONS': 'print_stacktrace=1:halt_on_error=1',
    'TSAN_OPTIONS': 'halt_on_error=1:second_deadlock_stack=1',
}


class Totals:
    """What has been counted: {section: [passed, failed, seconds]} and the names of what failed."""

    def __init__(self):
        self.sections = {}
        self.failures = []
        self.current = None

    def begin(self, section):
        self.current = self.sections.setdefault(section, [0, 0, 0.0])
        self.section = section

    def count(self, where, passed, failures):
        self.current[0] += passed
        self.current[1] += len(failures)
        for failure in failures:
            self.failures.append('%s: %s: %s' % (self.section, where, failure))


totals = Totals()
running = None


def stop_running(number, frame):
    """Ends what this program has started, by its process group, then this program."""
    if running is not None:
        try:
            os.killpg(running.pid, signal.SIGTERM)
            time.sleep(1)
            os.killpg(running.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    sys.exit(128 + number)


def without_randomization():
    """clang 14's sanitizers do not bear the address randomization of newer kernels; containers may forbid to end it."""
    if shutil.which('setarch') and subprocess.run(['setarch', '-R', 'true'], stderr=subprocess.DEVNULL).returncode == 0:
        return ['setarch', '-R']
    return []


def execute(name, command, limit, environment=None):
    """Runs one program; returns its exit status (None: time was up) and its output, which is also in the logs."""
    global running
    path = os.path.join(LOGS, name.replace('/', '_') + '.log')
    with open(path, 'wb') as log:
        running = subprocess.Popen(command, cwd=SOURCES, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT, start_new_session=True,
                                   env=dict(os.environ, **(environment or {})))
        try:
            status = running.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
            os.killpg(running.pid, signal.SIGTERM)
            time.sleep(2)
        try:
            os.killpg(running.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        running.wait()
        running = None
    with open(path, encoding='utf-8', errors='replace') as log:
        return status, log.read()


def cases(output):
    """(passed, failures) from the lines of a test program."""
    passed = len(re.findall(r'^ok\b', output, re.M))
    return passed, re.findall(r'^FAILED (.*)', output, re.M)


def report(name, passed, failures, seconds, output=''):
    totals.count(name, passed, failures)
    print('  %-34s %5d ok %s %7.1f s' % (name, passed, '%4d failed' % len(failures) if failures else ' ' * 11, seconds),
          flush=True)
    for failure in failures[:SHOWN_MAX]:
        print('      FAILED ' + failure[:400])
    if failures and output:
        print('\n'.join('      | ' + line[:200] for line in output.rstrip().split('\n')[-15:]), flush=True)


def program(name, command, limit, environment=None):
    """Runs a program that prints cases, and counts them."""
    started = time.monotonic()
    status, output = execute(name, command, limit, environment)
    passed, failures = cases(output)
    if status is None:
        failures.append('%s: not finished after %d s' % (name, limit))
    elif status == 77:
        failures.append('%s: cannot run here: %s' % (name, output.strip().split('\n')[-1]))
    elif status != 0 and not failures:
        failures.append('%s: exit status %d' % (name, status))
    elif passed + len(failures) == 0:
        failures.append('%s: it reported no case' % name)
    report(name, passed, failures, time.monotonic() - started, output if status != 0 else '')


built = {}


def build(name):
    """Sets up and compiles one build, once a run. A clean build is a case of its own."""
    if name in built:
        return built[name]
    started = time.monotonic()
    compiler, options = BUILDS[name]
    directory = os.path.join(BUILD, name)
    environment = {'CC': compiler, 'CFLAGS': '', 'LDFLAGS': ''}
    status, output = 0, ''
    for attempt in (1, 2):
        if not os.path.exists(os.path.join(directory, 'build.ninja')):
            shutil.rmtree(directory, ignore_errors=True)
            status, output = execute('build-' + name, ['meson', 'setup', directory, SOURCES] + options, 300,
                                     environment)
        if status == 0:
            status, output = execute('build-' + name, ['ninja', '-C', directory], 900, environment)
        # A directory from an older tree or toolchain may be beyond repair; a second try starts from nothing.
        if status == 0 or attempt == 2:
            break
        shutil.rmtree(directory, ignore_errors=True)
        status = 0
    built[name] = directory if status == 0 else None
    report('build ' + name, status == 0, [] if status == 0 else ['build: it does not compile'],
           time.monotonic() - started, output)
    return built[name]


def meson_tests(directory, label, arguments=(), prefix=(), scale=1):
    """Runs unit and simulation tests of a build and counts the cases inside each program."""
    started = time.monotonic()
    log = os.path.join(directory, 'meson-logs', 'testlog.json')
    if os.path.exists(log):
        os.unlink(log)
    status, output = execute('tests-' + label, list(prefix) + ['meson', 'test', '-C', directory, '--no-rebuild',
                                                               '--timeout-multiplier', str(scale)] + list(arguments),
                             1200, SANITIZERS)
    passed, failures, programs = 0, [], 0
    if os.path.exists(log):
        with open(log) as f:
            for line in f:
                result = json.loads(line)
                text = result.get('stdout') or ''
                ok, failed = cases(text)
                name = result['name'].split(' / ')[-1]
                if result['result'] != 'OK' and not failed:
                    failed = ['ended with %s (%s)' % (result['result'], result.get('returncode'))]
                programs += 1
                passed += ok if ok or failed else 1  # a program without cases of its own is one
                failures += ['%s: %s' % (name, why) for why in failed]
                if failed:
                    wrong = [line for line in (text + (result.get('stderr') or '')).split('\n')
                             if not line.startswith('ok ')]
                    failures[-1] += ''.join('\n      | ' + line[:200] for line in wrong[-12:] if line)
    if status != 0 and not failures:
        failures.append('meson test: exit status %s: %s' % (status, output[-300:]))
    if programs == 0 and not failures:
        failures.append('meson test ran nothing')
    report('%s (%d programs)' % (label, programs), passed, failures, time.monotonic() - started)


def python_tests(folder, directory, label, only=None, limit=420, prefix=()):
    """The Python programs of a folder, or those named with their cases, against the programs of a build."""
    for name in sorted(os.listdir(os.path.join(SOURCES, 'tests', folder))):
        if not re.fullmatch(r'test_.*\.py', name) or (only is not None and name[5:-3] not in only):
            continue
        command = list(prefix) + [sys.executable, os.path.join(SOURCES, 'tests', folder, name)]
        if isinstance(only, dict):
            command += only[name[5:-3]]
        program('%s/%s%s' % (folder, name[5:-3], label), command, limit,
                dict(SANITIZERS if label else {}, BUILD=directory))


def section_tidy():
    program('tidy', [sys.executable, os.path.join(SOURCES, 'tests', 'tidy.py')], 120)


def section_unit():
    for name in ('gcc', 'clang'):
        directory = build(name)
        if directory:
            meson_tests(directory, name)


def section_sanitize():
    directory = build('asan')
    if not directory:
        return
    plain = without_randomization()
    meson_tests(directory, 'asan+ubsan', prefix=plain, scale=4)
    python_tests('e2e', directory, ' asan', ('config', 'content', 'refusals', 'restart', 'smuggling'), prefix=plain)


def section_threads():
    directory = build('tsan')
    if not directory:
        return
    plain = without_randomization()
    meson_tests(directory, 'tsan', ('handoff', 'log', 'lane'), prefix=plain, scale=4)
    # Two shards under load: handoff, doorbells, the log and the shared counters.
    python_tests('e2e', directory, ' tsan', {'load': ['each_exactly_once_over_tls', 'a_limit_of_one_connection',
                                                      'messages_of_all_sizes']}, prefix=plain)


def section_fuzz():
    seconds = os.environ.get('FUZZ_SECONDS', '5')
    program('fuzz %s s each' % seconds, [os.path.join(SOURCES, 'tests', 'fuzz', 'run'), seconds],
            600 + 20 * int(seconds))


def section_e2e():
    directory = build('gcc')
    if directory:
        python_tests('e2e', directory, '')


def section_interop():
    directory = build('gcc')
    if directory:
        python_tests('interop', directory, '')


def section_qemu():
    directory = build('gcc')
    if directory:
        python_tests('qemu', directory, '')


SECTIONS = {'tidy': section_tidy, 'unit': section_unit, 'sanitize': section_sanitize, 'threads': section_threads,
            'fuzz': section_fuzz, 'e2e': section_e2e, 'interop': section_interop, 'qemu': section_qemu}


def run_section(name):
    totals.begin(name)
    print('%s' % name, flush=True)
    started = time.monotonic()
    passed, failed = totals.current[0], totals.current[1]
    try:
        SECTIONS[name]()
    except Exception as error:
        report(name, 0, ['%s: %s' % (type(error).__name__, error)], time.monotonic() - started)
    if totals.current[:2] == [passed, failed]:
        # Its build failed in an earlier section, or there is no test left in it.
        report(name, 0, ['the section could not run'], time.monotonic() - started)
    totals.current[2] += time.monotonic() - started


def main():
    wanted = sys.argv[1:] or list(SECTIONS)
    for name in wanted:
        if name not in SECTIONS:
            print('no such section: %s; there are: %s' % (name, ' '.join(SECTIONS)), file=sys.stderr)
            return 64
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_running)
    os.makedirs(LOGS, exist_ok=True)
    if os.environ.get('INSTALL_STATUS', '0') != '0':
        totals.begin('install')
        report('install-dependencies', 0, ['it ended with status ' + os.environ['INSTALL_STATUS']], 0)
    for name in wanted:
        run_section(name)
    print('\n%-12s %8s %8s %10s' % ('section', 'passed', 'failed', 'seconds'))
    for name, (passed, failed, seconds) in totals.sections.items():
        print('%-12s %8d %8d %10.0f' % (name, passed, failed, seconds))
    if totals.failures:
        print('\nfailed (logs in %s):' % LOGS)
        for failure in totals.failures:
            print('  ' + failure.split('\n')[0][:300])
    passed = sum(section[0] for section in totals.sections.values())
    failed = sum(section[1] for section in totals.sections.values())
    print('\n%d passed, %d failed' % (passed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
