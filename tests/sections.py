#!/usr/bin/python3
"""tests/sections.py - the sections of tests/run: builds, starts the tests, counts their cases, prints the sum.

Builds and unit tests, which keep all processors busy, run one after the other; beside them run the test programs that
mostly wait for deadlines, a few at a time. Lines appear as programs end, each with its section in front.

A case is a line "ok NAME..." or "FAILED NAME: why" of a test program; a program that ends badly without such a line
counts as one failed case, and so does a section that cannot run: nothing is skipped in silence. Every program runs in
a process group of its own with a time limit, so nothing is left behind. Output goes to build/logs/, the failures to
the screen as well.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(SOURCES, 'build')
LOGS = os.path.join(BUILD, 'logs')
SHOWN_MAX = 40  # failures of one program on the screen; all are in its log

# Each build: compiler and options. Sanitizers end the program at the first finding; its exit status is the failure.
BUILDS = {
    'gcc': ('gcc', ['--buildtype=release']),
    'asan': ('clang', ['--buildtype=debugoptimized', '-Ddebug_memory=true', '-Db_sanitize=address,undefined',
                       '-Db_lundef=false', '-Dc_args=-fno-sanitize-recover=all']),
    'tsan': ('clang', ['--buildtype=debugoptimized', '-Ddebug_memory=true', '-Db_sanitize=thread',
                       '-Db_lundef=false']),
}
# What a build makes, where that is not everything: little of it has threads that share anything.
THREADED = ('handoff', 'log', 'lane', 'agent', 'device_keeper')
TARGETS = {'tsan': ['postrider', 'bench/source', 'bench/sink', 'tests/certificates', 'tests/chains'] +
                   ['tests/test_' + name for name in THREADED]}
SANITIZERS = {
    'SANITIZED': '1',
    'ASAN_OPTIONS': 'detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1',
    'UBSAN_OPTIONS': 'print_stacktrace=1:halt_on_error=1',
    'TSAN_OPTIONS': 'halt_on_error=1:second_deadlock_stack=1',
}


# How many test programs run at a time beside builds and unit tests: they wait most of the time.
WAITING_LANES = 4
# Those that take longest begin first, so that none of them is left over at the end.
LONGEST = ('load tsan', 'pool_run', 'crash', 'dovecot', 'handing_over', 'postfix', 'bench_tools', 'restart asan',
           'setup', 'names asan', 'smuggling asan', 'retry', 'consent', 'token', 'refusals asan', 'names', 'refusals')


class Totals:
    """What has been counted: {section: [passed, failed, seconds]} and the names of what failed."""

    def __init__(self):
        self.sections = {}
        self.failures = []
        self.notes = []
        self.lock = threading.Lock()

    def count(self, section, name, passed, failures, seconds):
        counted = self.sections.setdefault(section, [0, 0, 0.0])
        counted[0] += passed
        counted[1] += len(failures)
        counted[2] += seconds
        for failure in failures:
            self.failures.append('%s: %s: %s' % (section, name, failure))


totals = Totals()


class Running:
    """The process groups that this program has started, so that a signal can end them all."""

    def __init__(self):
        self.lock = threading.Lock()
        self.processes = set()
        self.stopped = False

    def start(self, command, **options):
        with self.lock:
            if self.stopped:
                raise RuntimeError('stopped')
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **options)
            self.processes.add(process)
            return process

    def end(self, process):
        """Whatever its group has left behind ends with it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        with self.lock:
            self.processes.discard(process)

    def stop(self, number, frame):
        """Ends what this program has started, by process group, then this program."""
        self.stopped = True
        for wait, name in ((1, signal.SIGTERM), (0, signal.SIGKILL)):
            for process in list(self.processes):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, name)
            time.sleep(wait)
        os._exit(128 + number)


running = Running()


def without_randomization():
    """clang 14's sanitizers do not bear the address randomization of newer kernels; containers may forbid to end it."""
    if shutil.which('setarch') and subprocess.run(['setarch', '-R', 'true'], stderr=subprocess.DEVNULL).returncode == 0:
        return ['setarch', '-R']
    return []


def execute(name, command, limit, environment=None):
    """Runs one program; returns its exit status (None: time was up) and its output, which is also in the logs."""
    path = os.path.join(LOGS, name.replace('/', '_').replace(' ', '-') + '.log')
    with open(path, 'wb') as log:
        process = running.start(command, cwd=SOURCES, stdout=log, stderr=subprocess.STDOUT,
                                env=dict(os.environ, **(environment or {})))
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
            os.killpg(process.pid, signal.SIGTERM)
            time.sleep(2)
        running.end(process)
    with open(path, encoding='utf-8', errors='replace') as log:
        return status, log.read()


def cases(output):
    """(passed, failures) from the lines of a test program."""
    passed = len(re.findall(r'^ok\b', output, re.M))
    return passed, re.findall(r'^FAILED (.*)', output, re.M)


def report(section, name, passed, failures, seconds, output='', notes=()):
    """One block of lines for each program, whatever else is running. Notes are said again at the end."""
    lines = ['%-9s %-34s %5d ok %s %7.1f s' % (section, name, passed, '%4d failed' % len(failures) if failures
                                              else ' ' * 11, seconds)]
    lines += ['      FAILED ' + failure[:400] for failure in failures[:SHOWN_MAX]]
    lines += ['      NOTE ' + note for note in notes]
    if failures and output:
        lines += ['      | ' + line[:200] for line in output.rstrip().split('\n')[-15:]]
    with totals.lock:
        totals.count(section, name, passed, failures, seconds)
        totals.notes += ['%s: %s' % (section, note) for note in notes]
        print('\n'.join(lines), flush=True)


class Again:
    """Cases that failed beside everything else and are tried again alone, when all the rest has ended.

    Servers, clients and their deadlines share the processors here with compilers: what is refused its turn for ten
    seconds fails without a fault of what it tests. So a case passes after all when it passes alone, each of three
    times, and is named at the end. Not tried again: what crashed or made a sanitizer speak, what did not come to its
    end, and anything when more than a few failed."""

    MOST, TIMES = 6, 3
    NEVER = re.compile(r'ended by SIG|Sanitizer|runtime error|Assertion')

    def __init__(self):
        self.jobs = []

    def takes(self, section, name, command, failures, limit, environment):
        """Whether these failures are kept for later and so not counted now."""
        names = [re.match(r'(\w+): ', failure) for failure in failures]
        if not all(names) or any(self.NEVER.search(failure) for failure in failures):
            return False
        self.jobs += [(section, name, command, found.group(1), failure, limit, environment)
                      for found, failure in zip(names, failures)]
        return True

    def run(self):
        few = len(self.jobs) <= self.MOST
        for section, name, command, case, why, limit, environment in self.jobs:
            started, output, failed = time.monotonic(), '', None
            for number in range(1, self.TIMES + 1 if few else 1):
                status, output = execute('%s-%s-again-%d' % (name, case, number), command + [case], limit, environment)
                passed, failures = cases(output)
                if status != 0 or failures or passed != 1:
                    failed = 'and alone, time %d: %s' % (number, failures[0] if failures else 'status %s' % status)
                    break
            if failed or not few:
                report(section, name, 0, ['%s%s' % (why, '; ' + failed if failed else '')],
                       time.monotonic() - started, output)
            else:
                report(section, name + ' again', 1, [], time.monotonic() - started,
                       notes=['%s failed beside the others and passed %d times alone: %s' % (name, self.TIMES, why)])


again = Again()


def program(section, name, command, limit, environment=None, optional=False, cases_given=None):
    """Runs a program that prints cases, and counts them. One that is optional and cannot run here is noted at the end,
    and no failure. One that can be told its cases, which are so many of its last arguments, may try them again."""
    started = time.monotonic()
    status, output = execute(name, command, limit, environment)
    passed, failures = cases(output)
    if status is None:
        failures.append('%s: not finished after %d s' % (name, limit))
    elif status == 77 and optional:
        report(section, name, 0, [], time.monotonic() - started, notes=[output.strip().split('\n')[-1]])
        return
    elif status == 77:
        failures.append('%s: cannot run here: %s' % (name, output.strip().split('\n')[-1]))
    elif status != 0 and not failures:
        failures.append('%s: exit status %d' % (name, status))
    elif passed + len(failures) == 0:
        failures.append('%s: it reported no case' % name)
    if failures and status is not None and cases_given is not None and again.takes(
            section, name, command[:len(command) - cases_given], failures, limit, environment):
        print('%-9s %-34s to be tried again alone: %s' % (section, name, '; '.join(failures)[:400]), flush=True)
        failures = []
    report(section, name, passed, failures, time.monotonic() - started, output if failures else '',
           re.findall(r'^NOTE (.*)', output, re.M))


def build(section, name):
    """Sets up and compiles one build. A clean build is a case of its own. Returns whether there is one."""
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
            status, output = execute('build-' + name, ['ninja', '-C', directory] + TARGETS.get(name, []), 1200,
                                     environment)
        # A directory from an older tree or toolchain may be beyond repair; a second try starts from nothing.
        if status == 0 or attempt == 2:
            break
        shutil.rmtree(directory, ignore_errors=True)
        status = 0
    report(section, 'build ' + name, status == 0, [] if status == 0 else ['build: it does not compile'],
           time.monotonic() - started, output)
    return status == 0


def meson_tests(section, name, label, arguments=(), prefix=(), scale=2, whole=False):
    """Runs unit and simulation tests of a build and counts the cases inside each program. Whole: all seeds of the
    simulation, and not a quarter."""
    started = time.monotonic()
    directory = os.path.join(BUILD, name)
    log = os.path.join(directory, 'meson-logs', 'testlog.json')
    if os.path.exists(log):
        os.unlink(log)
    status, output = execute('tests-' + label, list(prefix) + ['meson', 'test', '-C', directory, '--no-rebuild',
                                                               '--timeout-multiplier', str(scale)] + list(arguments),
                             1800, dict(SANITIZERS, SIM_WHOLE='1') if whole else SANITIZERS)
    passed, failures, programs, notes = 0, [], 0, []
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
                left_out = re.findall(r'^NOTE (.*)', text, re.M)
                notes += ['%s: %s' % (name, why) for why in left_out]
                # A program without cases of its own is one.
                passed += ok if ok or failed or left_out else 1
                failures += ['%s: %s' % (name, why) for why in failed]
                if failed:
                    wrong = [line for line in (text + (result.get('stderr') or '')).split('\n')
                             if not line.startswith('ok ')]
                    failures[-1] += ''.join('\n      | ' + line[:200] for line in wrong[-12:] if line)
    if status != 0 and not failures:
        failures.append('meson test: exit status %s: %s' % (status, output[-300:]))
    if programs == 0 and not failures:
        failures.append('meson test ran nothing')
    report(section, '%s (%d programs)' % (label, programs), passed, failures, time.monotonic() - started, notes=notes)


class Job:
    """Something to do for a section, in one of the lanes, when the build it needs (or None) is there."""

    def __init__(self, section, lane, needs, function, *arguments, **options):
        self.section, self.lane, self.needs = section, lane, needs
        self.function, self.arguments, self.options = function, arguments, options
        self.rank = 0  # who has less begins first, of those that can

    def run(self):
        started = time.monotonic()
        try:
            return self.function(self.section, *self.arguments, **self.options)
        except Exception as error:
            report(self.section, self.function.__name__, 0, ['%s: %s' % (type(error).__name__, error)],
                   time.monotonic() - started)
            return False


def python_tests(section, folder, build_name, label, only=None, limit=600, prefix=(), optional=()):
    """The Python programs of a folder, or those named with their cases, against the programs of a build. The optional
    ones may be left out where they cannot run."""
    for name in sorted(os.listdir(os.path.join(SOURCES, 'tests', folder))):
        if not re.fullmatch(r'test_.*\.py', name) or (only is not None and name[5:-3] not in only):
            continue
        command = list(prefix) + [sys.executable, os.path.join(SOURCES, 'tests', folder, name)]
        given = only[name[5:-3]] if isinstance(only, dict) else []
        job = Job(section, 'waiting', build_name, program, '%s/%s%s' % (folder, name[5:-3], label), command + given,
                  limit, dict(SANITIZERS if label else {}, BUILD=os.path.join(BUILD, build_name)),
                  name[5:-3] in optional, len(given))
        job.rank = LONGEST.index(name[5:-3] + label) if name[5:-3] + label in LONGEST else len(LONGEST)
        yield job


def section_tidy():
    yield Job('tidy', 'waiting', None, program, 'tidy', [sys.executable, os.path.join(SOURCES, 'tests', 'tidy.py')],
              300)


def section_unit():
    yield Job('unit', 'processors', 'gcc', meson_tests, 'gcc', 'gcc')
    yield Job('unit', 'waiting', 'gcc', program, "tls with Debian 13's wolfSSL",
              [os.path.join(SOURCES, 'tests', 'debian-13'), os.path.join(BUILD, 'gcc')], 600)


def section_sanitize():
    plain = without_randomization()
    # A seed does the same whichever compiler: all of them run where the most is seen.
    yield Job('sanitize', 'processors', 'asan', meson_tests, 'asan', 'asan+ubsan', prefix=plain, scale=6, whole=True)
    yield from python_tests('sanitize', 'e2e', 'asan', ' asan', ('check', 'config', 'content', 'names', 'refusals',
                                                                 'restart', 'smuggling'), prefix=plain)


def section_threads():
    plain = without_randomization()
    yield Job('threads', 'processors', 'tsan', meson_tests, 'tsan', 'tsan', THREADED,
              prefix=plain, scale=6)
    # Two shards under load: handoff, doorbells, the log and the shared counters; and the agent's thread beside them.
    yield from python_tests('threads', 'e2e', 'tsan', ' tsan', {
        'load': ['each_exactly_once_over_tls', 'a_limit_of_one_connection', 'messages_of_all_sizes'],
        'names': ['a_thousand_names_at_once', 'the_end_waits_for_no_answer']}, prefix=plain)


def section_fuzz():
    seconds = os.environ.get('FUZZ_SECONDS', '2')
    yield Job('fuzz', 'processors', None, program, 'fuzz %s s each' % seconds,
              [os.path.join(SOURCES, 'tests', 'fuzz', 'run'), seconds], 900 + 20 * int(seconds),
              # What passes once passes again: new inputs are what tests/fuzz/run by itself and campaigns are for.
              {'FUZZ_SEED': os.environ.get('FUZZ_SEED', '1')})


def section_e2e():
    yield from python_tests('e2e', 'e2e', 'gcc', '')


def section_interop():
    # Haraka needs node 20, which Debian 12 does not have: install-peers leaves it out there.
    yield from python_tests('interop', 'interop', 'gcc', '', optional=('haraka',))


def section_qemu():
    yield from python_tests('qemu', 'qemu', 'gcc', '')


SECTIONS = {'tidy': section_tidy, 'unit': section_unit, 'sanitize': section_sanitize, 'threads': section_threads,
            'fuzz': section_fuzz, 'e2e': section_e2e, 'interop': section_interop, 'qemu': section_qemu}


def jobs_of(wanted):
    """The jobs of the sections, and before them the builds that they need: gcc's first, most wait for that."""
    jobs = []
    for section in wanted:
        found = list(SECTIONS[section]())
        if not found:
            report(section, section, 0, ['there is no test in it'], 0)
        jobs += found
    needed = {}
    for job in jobs:
        if job.needs:
            needed.setdefault(job.needs, job.section)
    order = [name for name in ('gcc', 'asan', 'tsan') if name in needed]
    return [Job(needed[name], 'processors', None, build, name) for name in order] + jobs


class Schedule:
    """Hands out jobs. Builds and unit tests use all processors by themselves, so there is one lane for them; the test
    programs of the other lanes run beside it as soon as their build is there."""

    def __init__(self, jobs):
        self.jobs = list(jobs)
        self.built = {}  # {build: whether it succeeded}; not there: still to be made
        self.changed = threading.Condition()

    def next(self, lane):
        """The next job of a lane, after waiting for it if need be; None: there is none any more."""
        with self.changed:
            while True:
                mine = sorted((job for job in self.jobs if job.lane == lane), key=lambda job: job.rank)
                for job in mine:
                    if job.needs is None or job.needs in self.built:
                        self.jobs.remove(job)
                        return job
                if not mine:
                    return None
                self.changed.wait()

    def work(self, lane):
        while True:
            job = self.next(lane)
            if job is None:
                return
            if job.needs is None or self.built[job.needs]:
                result = job.run()
            else:
                report(job.section, ' '.join(str(argument) for argument in job.arguments[:1]), 0,
                       ['could not run: the build %s failed' % job.needs], 0)
            if job.function is build:
                with self.changed:
                    self.built[job.arguments[0]] = result
                    self.changed.notify_all()

    def run(self):
        lanes = ['processors'] + ['waiting'] * WAITING_LANES
        threads = [threading.Thread(target=self.work, args=(lane,), daemon=True) for lane in lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def main():
    wanted = list(dict.fromkeys(sys.argv[1:])) or list(SECTIONS)
    for name in wanted:
        if name not in SECTIONS:
            print('no such section: %s; there are: %s' % (name, ' '.join(SECTIONS)), file=sys.stderr)
            return 64
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, running.stop)
    os.makedirs(LOGS, exist_ok=True)
    started = time.monotonic()
    if os.environ.get('INSTALL_STATUS', '0') != '0':
        report('install', 'install-dependencies', 0, ['it ended with status ' + os.environ['INSTALL_STATUS']], 0)
    Schedule(jobs_of(wanted)).run()
    again.run()
    print('\n%-12s %8s %8s %10s' % ('section', 'passed', 'failed', 'seconds'))
    for name in ['install'] + list(SECTIONS):
        if name in totals.sections:
            print('%-12s %8d %8d %10.0f' % (name, *totals.sections[name]))
    print('%-12s %8s %8s %10.0f' % ('side by side', '', '', time.monotonic() - started))
    if totals.failures:
        print('\nfailed (logs in %s):' % LOGS)
        for failure in totals.failures:
            print('  ' + failure.split('\n')[0][:300])
    for note in totals.notes:
        print('\nNOTE ' + note)
    passed = sum(section[0] for section in totals.sections.values())
    failed = sum(section[1] for section in totals.sections.values())
    print('\n%d passed, %d failed' % (passed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
