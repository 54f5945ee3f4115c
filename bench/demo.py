#!/usr/bin/python3
"""bench/demo.py - what bench/demo starts once the packages are there.

    source --SMTP in clear--> postrider --SMTP over verified TLS 1.3--> sink
                              (spool on disk)

The source numbers its messages and writes down which were answered 250; the sink keeps account of every number. The
demonstration ends with a table, and with exit status 1 if a message that was accepted did not arrive. Every program is
started, and ended, by this one; Ctrl-C ends them too.
"""

import argparse
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(SOURCES, 'build')
BAR_WIDTH = 36
ARRIVAL_TIMEOUT = 60  # seconds without a single arrival: then what is missing counts as lost

CONFIGURATION = '''\
hostname: relay.example.org
spool: { directory: %(spool)s, size_max: 4GiB }
listeners:
  - { name: demo, address: "127.0.0.1:%(port)d" }
clients:
  - { name: local, networks: [127.0.0.0/8] }
destinations:
  - name: smart-host
    hosts: ["127.0.0.1:%(sink_port)d"]
    tls: { mode: verify, ca_file: %(certificates)s/ca.crt, server_name: mail.example.org }
routes:
  - { destination: smart-host }
log: { sessions: false, messages: false }
'''


class Problem(Exception):
    """The demonstration cannot go on; the text says why."""


children = []


def start(arguments, **options):
    """A child in its own session, so that Ctrl-C reaches this program first and the children are ended in order."""
    child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, start_new_session=True, **options)
    children.append(child)
    return child


def end(child, limit=60):
    """SIGTERM, and SIGKILL when that does not help. Returns the exit status."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(limit)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait()


class Relay:
    """postrider run, and the events it writes."""

    def __init__(self, configuration):
        self.child = start([os.path.join(BUILD, 'postrider'), 'run', '--config', configuration],
                           stderr=subprocess.PIPE)
        self.ready, self.stats, self.problems, self.last = threading.Event(), {}, [], ''
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        while not self.ready.wait(0.05):
            if self.child.poll() is not None:
                self.thread.join(5)
                raise Problem('the relay did not start: ' + self.last)

    def read(self):
        for line in self.child.stderr:
            self.last = line.decode('utf-8', 'replace').rstrip()
            try:
                event = json.loads(self.last)
            except ValueError:
                self.problems.append(self.last)
                continue
            if event['event'] == 'ready':
                self.banner = event
                self.ready.set()
            elif event['event'] == 'stats':
                self.stats[event['shard']] = event
            elif event['event'] in ('host_failed', 'not_stored', 'shard_failed', 'damaged'):
                self.problems.append(self.last)

    def cpu_seconds(self):
        """User and system time so far, of all its threads."""
        with open('/proc/%d/stat' % self.child.pid) as f:
            fields = f.read().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def total(self, counter):
        return sum(event[counter] for event in self.stats.values())


class Arrivals:
    """Follows the sink's file of sequences: a line for each message, as it comes."""

    def __init__(self, path):
        self.path, self.offset, self.count = path, 0, 0

    def look(self):
        try:
            with open(self.path, 'rb') as f:
                f.seek(self.offset)
                new = f.read()
        except FileNotFoundError:
            return self.count
        self.offset += len(new)
        self.count += new.count(b'\n')
        return self.count


class Bar:
    """One line that shows how far it is; on something that is no terminal only the end of it."""

    def __init__(self, total):
        self.total, self.terminal, self.started = total, sys.stdout.isatty(), time.monotonic()

    def show(self, count, final=False):
        if not self.terminal and not final:
            return
        done = BAR_WIDTH * min(count, self.total) // self.total
        seconds = time.monotonic() - self.started
        sys.stdout.write('%s  [%s%s] %3d %%  %s delivered, %5.1f s%s' % (
            '\r' if self.terminal else '', '#' * done, '.' * (BAR_WIDTH - done), 100 * count // self.total,
            grouped(count).rjust(len(grouped(self.total))), seconds, '\n' if final else ''))
        sys.stdout.flush()


def grouped(number):
    return '{:,}'.format(int(number))


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def on_disk():
    """A directory for the spool that is not in memory: a commit to a tmpfs costs nothing and would show nothing."""
    sys.path.insert(0, os.path.join(SOURCES, 'bench', 'peers'))
    from measure import file_system
    for folder in (BUILD, '/var/tmp'):
        kind = file_system(folder)
        if kind not in ('tmpfs', 'ramfs', 'overlay'):
            return tempfile.mkdtemp(prefix='postrider-demo-', dir=folder), kind
    return tempfile.mkdtemp(prefix='postrider-demo-', dir=BUILD), kind


def run_quietly(what, command, environment=None):
    made = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, **(environment or {})))
    if made.returncode != 0:
        raise Problem('%s failed:\n%s' % (what, (made.stdout + made.stderr)[-3000:]))


def build():
    if not os.path.exists(os.path.join(BUILD, 'build.ninja')):
        run_quietly('meson setup', ['meson', 'setup', BUILD, SOURCES, '--buildtype=release'])
    run_quietly('the build', ['ninja', '-C', BUILD, 'postrider', 'bench/source', 'bench/sink'])
    version = subprocess.run([os.path.join(BUILD, 'postrider'), 'version'], capture_output=True, text=True).stdout
    return version.split('\n')


def start_sink(work, certificates, messages):
    sink = start([os.path.join(BUILD, 'bench/sink'), '--listen', '127.0.0.1:0', '--tls', 'starttls-required',
                  '--certificate', certificates + '/server.crt', '--private-key', certificates + '/server.key',
                  '--expect', '1-%d' % messages, '--received', work + '/received', '--json', work + '/sink.json'],
                 stdout=subprocess.PIPE)
    line = sink.stdout.readline()
    if not line:
        raise Problem('the sink did not start')
    return sink, int(json.loads(line)['address'].rpartition(':')[2])


def load(path):
    with open(path) as f:
        return json.load(f)


def run(options, work, certificates):
    """Starts the three programs, waits until everything has arrived, and returns what was measured."""
    sink, sink_port = start_sink(work, certificates, options.messages)
    port = free_port()
    with open(work + '/postrider.yaml', 'w') as f:
        f.write(CONFIGURATION % {'spool': work + '/spool', 'port': port, 'sink_port': sink_port,
                                 'certificates': certificates})
    os.mkdir(work + '/spool')
    relay = Relay(work + '/postrider.yaml')
    cpu_before, started = relay.cpu_seconds(), time.monotonic()
    with open(work + '/source.log', 'wb') as log:
        source = start([os.path.join(BUILD, 'bench/source'), '--target', '127.0.0.1:%d' % port, '--messages',
                        str(options.messages), '--size', options.size, '--connections', str(options.connections),
                        '--mode', options.mode, '--progress', '--acknowledged', work + '/acknowledged', '--json',
                        work + '/source.json'], stderr=log)
    arrivals, bar = Arrivals(work + '/received'), Bar(options.messages)
    moved, count = time.monotonic(), 0
    finished = None
    while True:
        now, before = time.monotonic(), count
        count = arrivals.look()
        if count > before:
            moved = now
        bar.show(count)
        if relay.child.poll() is not None:
            raise Problem('the relay ended: ' + relay.last)
        # What was refused will not come; without a sign of life for long the rest will not come either.
        if source.poll() is not None and (count >= options.messages or now - moved > ARRIVAL_TIMEOUT or
                                          count >= load(work + '/source.json')['accepted']):
            finished = moved
            break
        time.sleep(0.05)
    bar.show(count, final=True)
    cpu = relay.cpu_seconds() - cpu_before
    relay_status = end(relay.child)
    relay.thread.join(10)
    end(sink)
    return {'relay': relay, 'relay_status': relay_status, 'relay_cpu': cpu, 'seconds': finished - started,
            'source': load(work + '/source.json'), 'sink': load(work + '/sink.json'),
            'acknowledged': sequences(work + '/acknowledged'), 'received': sequences(work + '/received')}


def sequences(path):
    with open(path, 'rb') as f:
        return [int(line) for line in f.read().split()]


def processor():
    try:
        with open('/proc/cpuinfo') as f:
            names = re.findall(r'^model name\s*: (.*)$', f.read(), re.M)
    except OSError:
        names = []
    return '%d x %s' % (os.cpu_count(), names[0].strip() if names else platform.machine())


def table(title, rows):
    print('\n  ' + title)
    for name, value in rows:
        print('    %-22s %s' % (name, value))


def names(counts):
    return ', '.join('%s (%d)' % item for item in counts.items()) or 'none'


def microseconds(value):
    return '%.1f ms' % (value / 1000) if value >= 1000 else '%.0f us' % value


def show(options, found, file_system):
    relay, source, sink = found['relay'], found['source'], found['sink']
    received = set(found['received'])
    lost = [number for number in found['acknowledged'] if number not in received]
    duplicates = len(found['received']) - len(received)
    phantoms = len(received - set(found['acknowledged']))
    accepted = source['accepted']
    each = lambda seconds: '%6.1f us' % (1e6 * seconds / max(accepted, 1))
    commits = relay.total('commits')
    latency = source['latency_message']
    table('Delivery', [
        ('sent', grouped(options.messages)),
        ('accepted (250)', grouped(accepted)),
        ('arrived', '%s, each once' % grouped(len(received)) if not duplicates else grouped(len(received))),
        ('lost', grouped(len(lost))),
        ('duplicates', grouped(duplicates)),
        ('damaged', '%d bad line ends, %d protocol violations' % (sink['bad'], sink['violations'])),
    ])
    table('TLS to the next hop', [
        ('version', names(sink['tls_versions'])),
        ('cipher', names(sink['tls_ciphers'])),
        ('handshakes', '%s, of them resumed %s, for %s messages' % (
            grouped(sink['handshakes']), grouped(sink['handshakes_resumed']), grouped(len(received)))),
        ('library', '%s; %s' % (relay.banner['tls_library'], relay.banner['acceleration'])),
    ])
    table('Speed', [
        ('end to end', '%s messages/s, %.1f MB/s (%.2f s until the last one had arrived)' % (
            grouped(len(received) / found['seconds']), sink['bytes'] / found['seconds'] / 1e6, found['seconds'])),
        ('accepting alone', '%s messages/s' % grouped(source['rate'])),
        ('MAIL to durable 250', 'p50 %s, p99 %s (%d connections, %s)' % (
            microseconds(latency['p50_us']), microseconds(latency['p99_us']), options.connections, options.mode)),
        ('commits', '%s, %.1f messages in each' % (grouped(commits), accepted / max(commits, 1))),
    ])
    table('Processor time per message', [
        ('relay', each(found['relay_cpu'])),
        ('source', each(source['cpu_seconds'])),
        ('sink', each(sink['cpu_seconds'])),
    ])
    table('Machine', [
        ('kernel', 'Linux ' + platform.release()),
        ('processor', processor()),
        ('spool on', file_system),
    ])
    wrong = []
    if lost:
        wrong.append('%d accepted messages did not arrive, the first is number %d' % (len(lost), lost[0]))
    if accepted < options.messages:
        wrong.append('%d messages were not accepted: %s' % (options.messages - accepted, source['first_error']))
    if phantoms:
        wrong.append('%d messages arrived that were not acknowledged' % phantoms)
    if sink['bad'] or sink['violations']:
        wrong.append('the sink found fault: %s' % (sink['first_violation'] or 'bare CR or LF'))
    if found['relay_status'] != 0:
        wrong.append('the relay ended with status %d' % found['relay_status'])
    wrong += relay.problems[:3]
    print()
    for text in wrong:
        print('  PROBLEM: ' + text)
    if not wrong:
        print('  Every accepted message arrived%s.' % (' exactly once' if not duplicates else ''))
    return 1 if lost or phantoms or accepted < options.messages or found['relay_status'] != 0 else 0


def parse():
    parser = argparse.ArgumentParser(prog='bench/demo', description='postrider between a load source and a TLS sink')
    parser.add_argument('--messages', type=int, default=100000, metavar='N', help='how many (100000)')
    parser.add_argument('--size', default='4KiB', help='of each message, such as 4KiB')
    parser.add_argument('--connections', type=int, default=50, metavar='N', help='of the source (50)')
    parser.add_argument('--mode', choices=('lockstep', 'grouped', 'pipelined'), default='grouped',
                        help='how the source sends: see bench/README.md (grouped)')
    options = parser.parse_args()
    if options.messages < 1 or options.connections < 1:
        parser.error('--messages and --connections take numbers above 0')
    return options


def interrupted(number, frame):
    raise KeyboardInterrupt()


def main():
    options = parse()
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    work = None
    try:
        print('postrider demonstration\n')
        version = build()
        print('  %s, %s' % (version[0], version[1] if len(version) > 1 else ''))
        os.makedirs(BUILD, exist_ok=True)
        work, file_system = on_disk()
        certificates = work + '/certificates'
        run_quietly('making certificates', ['sh', SOURCES + '/tests/certificates.sh', certificates])
        print('  source --clear, %d connections--> relay --verified TLS--> sink: %s messages of %s\n' % (
            options.connections, grouped(options.messages), options.size))
        return show(options, run(options, work, certificates), file_system)
    except Problem as problem:
        print('\nbench/demo: %s' % problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nbench/demo: interrupted', file=sys.stderr)
        return 130
    finally:
        for child in reversed(children):
            if child.poll() is None:
                end(child, 5)
        if work:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == '__main__':
    sys.exit(main())
