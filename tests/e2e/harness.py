"""tests/e2e/harness.py - what the end-to-end and interoperability tests share.

Purpose: starting and stopping programs by their pid, free ports, temporary directories, configurations, events, a
client that speaks SMTP octet by octet, and a next hop that can be told to misbehave and records what it is sent.
Only the standard library; /usr/bin/python3 of Debian 12 is enough.

A test file collects its cases with @case and ends with harness.main(). Each case prints "ok NAME" or
"FAILED NAME: why"; names given as arguments select cases. A case fails by raising; what it started is stopped and
what it wrote is removed when its Workspace ends (KEEP=1 in the environment keeps the files and says where).
"""

import atexit
import collections
import concurrent.futures
import contextlib
import fcntl
import json
import os
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from basics import (Failure, check, equal, eventually, message, message_of, same_octets, sequence_of,  # noqa: F401
                    shorten, split_trace, stuff, unstuff)
from next_hop import (ALL_EXTENSIONS, CLOSE, SILENCE, Arrival, NextHop, NextHopSession)  # noqa: F401
from ports import free_port  # noqa: F401

SOURCES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get('BUILD') or os.path.join(SOURCES, 'build'))


def keep_lines_apart():
    """What relays leave behind that are killed (core/base/lines_kept.h) ends with this program."""
    if os.path.isdir('/dev/shm'):
        directory = tempfile.mkdtemp(prefix='postrider-test-', dir='/dev/shm')
        os.chmod(directory, 0o1777)
        os.environ['RUNTIME_DIRECTORY'] = directory
        atexit.register(shutil.rmtree, directory, ignore_errors=True)


keep_lines_apart()


def program(name):
    path = os.path.join(BUILD, name)
    if not os.path.exists(path):
        raise Failure('%s does not exist; build first, or say BUILD=directory' % path)
    return path


def peers_directory():
    return os.path.join(os.environ.get('XDG_CACHE_HOME') or '/var/cache', 'postrider-peers')


def listening(port, host='127.0.0.1'):
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False


class Process:
    """A program that runs beside the test. Its output lines are collected by a thread, so that it never blocks."""

    def __init__(self, arguments, stdout=subprocess.DEVNULL, **options):
        self.arguments = arguments
        self.lines = []
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
                                        **options)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.on_line(line.decode('utf-8', 'replace').rstrip('\n'))

    def on_line(self, line):
        self.lines.append(line)

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        if self.running():
            self.process.send_signal(number)

    def wait(self, timeout=60):
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure('%s still runs after %g s' % (os.path.basename(self.arguments[0]), timeout)) from None
        self.reader.join(10)
        return code

    def kill(self):
        """Ends it the hard way; no error if it has ended already."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def stop(self):
        """Ends it in order, and the hard way if that fails. For cleaning up."""
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def tail(self, count=5):
        return ' | '.join(self.lines[-count:])

    def crash(self):
        """What it ended of and nobody asked for; "" where it did not."""
        code = self.process.poll()
        if code is None or code >= 0 or -code in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            return ''
        return '%s was ended by %s: %s' % (os.path.basename(self.arguments[0]), signal.Signals(-code).name, self.tail())


class Workspace:
    """A temporary directory and the programs started for one case; leaving it stops and removes them."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix='postrider-test-')
        # Mail servers give up privileges and must still reach their files.
        os.chmod(self.directory, 0o755)
        self.owned = []

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for thing in reversed(self.owned):
            with contextlib.suppress(Exception):
                thing.stop()
        if os.environ.get('KEEP'):
            print('kept %s' % self.directory, file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)
        crashed = [thing.crash() for thing in self.owned if isinstance(thing, Process) and thing.crash()]
        # What else has failed has failed because of that, most likely.
        if crashed:
            raise Failure('; '.join(crashed)) from value

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            f.write(content.encode() if isinstance(content, str) else content)
        return path

    def own(self, thing):
        """Anything with a stop() method."""
        self.owned.append(thing)
        return thing

    def start(self, arguments, **options):
        return self.own(Process(arguments, **options))

    def sink(self, *arguments, **options):
        return self.own(Sink(self, *arguments, **options))

    def source(self, *arguments, **options):
        return self.own(Source(self, *arguments, **options))

    def relay(self, configuration, name='postrider', wait=True, prefix=()):
        """`prefix` is what the program is started with: a command that becomes it (exec)."""
        relay = self.own(Relay(self, configuration, name, prefix))
        if wait:
            relay.wait_ready()
        return relay

    def configuration(self, hosts, **changes):
        """A configuration that sends everything to `hosts`; a keyword replaces or, for mappings, updates a key.

        tls=..., destination_limits=... and what destination={...} holds are the destination's.
        """
        destination = {'name': 'next-hop', 'hosts': hosts, 'tls': changes.pop('tls', {'mode': 'none'})}
        if 'destination_limits' in changes:
            destination['limits'] = changes.pop('destination_limits')
        destination.update(changes.pop('destination', {}))
        configuration = {
            'hostname': 'relay.example.org',
            'shards': 2,
            'spool': {'directory': self.path('spool'), 'size_max': '2GiB', 'segment_size': '8MiB',
                      'message_size_max': '20MiB', 'memory_max': '256MiB'},
            'listeners': [{'name': 'lan', 'address': '127.0.0.1:0'}],
            'clients': [{'name': 'local', 'networks': ['127.0.0.0/8']}],
            'destinations': [destination],
            'routes': [{'destination': 'next-hop'}],
            'retry': {'first': '200ms', 'factor': 1.5, 'max': '1s', 'expire': '1h'},
        }
        for key, value in changes.items():
            if isinstance(value, dict) and isinstance(configuration.get(key), dict):
                configuration[key].update(value)
            else:
                configuration[key] = value
        return configuration


class Relay(Process):
    """postrider run. Its events are parsed as they come; a line that is no JSON object is a failure of the relay."""

    def __init__(self, work, configuration, name='postrider', prefix=()):
        self.events_seen = []
        self.noise = []
        self.count = collections.Counter()
        self.reports = set()  # their ids
        self.count_of_reports = collections.Counter()  # attempts to deliver them
        # JSON is YAML too, so that a configuration is written from plain Python values.
        file = work.write(name + '.yaml', configuration if isinstance(configuration, str)
                          else json.dumps(configuration, indent=1))
        os.makedirs(work.path('spool'), exist_ok=True)
        super().__init__([*prefix, program('postrider'), 'run', '--config', file])
        work.write(name + '.pid', '%d\n' % self.pid)

    def on_line(self, line):
        super().on_line(line)
        try:
            event = json.loads(line)
            name = event['event']
        except (ValueError, TypeError, KeyError):
            self.noise.append(line)
            return
        if name == 'call_refused':
            # Whatever it does, it needs no call that it has given up.
            self.noise.append(line)
        if name == 'report':
            self.reports.add(event['id'])
            # Shards' events come in turns, so what became of it may be there before it.
            for earlier in self.events_seen[-200:]:
                if earlier['event'] == 'attempt' and earlier['id'] == event['id']:
                    self.count.subtract(('attempt', earlier['result']))
                    self.count_of_reports.update(('attempt', earlier['result']))
        self.events_seen.append(event)
        # What becomes of reports is of interest to tests of reports alone: in others they come at any time.
        count = self.count_of_reports if name == 'attempt' and event['id'] in self.reports else self.count
        count[name] += 1
        if name == 'attempt':
            # Counted by how it ended: delivered, deferred, failed, partial or unknown.
            count[event['result']] += 1

    def events(self, name):
        seen = list(self.events_seen)
        reports = self.reports if name == 'attempt' else ()
        return [event for event in seen if event['event'] == name and event.get('id') not in reports]

    def told(self, name, count=1, timeout=60):
        """The events of that name, once there are so many. A thread of the relay writes them, some time after what they
        tell of can be seen: who reads events() behind an arrival or a reply may find nothing yet."""
        eventually(lambda: len(self.events(name)) >= count,
                   lambda: '%d events %s; there are %s' % (count, name, self.events(name)), timeout)
        return self.events(name)

    def wait_ready(self, timeout=60):
        def ready_or_gone():
            return self.count['ready'] or not self.running()
        eventually(ready_or_gone, lambda: 'the relay is ready; it said: ' + self.tail(), timeout)
        if not self.count['ready']:
            self.wait()
            raise Failure('the relay ended with %s: %s' % (self.process.returncode, self.tail()))
        return self

    def addresses(self):
        """The listeners' addresses as (host, port), with the ports that the kernel chose."""
        found = []
        for listener in self.events('ready')[0]['listeners']:
            text = listener if isinstance(listener, str) else listener['address']
            host, _, port = text.rpartition(':')
            found.append((host.strip('[]'), int(port)))
        return found

    @property
    def address(self):
        return self.addresses()[0]

    @property
    def target(self):
        return '%s:%d' % self.address

    def terminate(self, timeout=60):
        """SIGTERM; the relay must drain and exit with 0, and have written nothing but events."""
        self.signal(signal.SIGTERM)
        code = self.wait(timeout)
        check(code == 0, 'after SIGTERM the relay ended with %d: %s', code, self.tail())
        check(not self.noise, 'a line on standard error is not a JSON event: %s', self.noise[:1])

    def by_shard(self, counter):
        """{shard: value} from the newest statistics of each shard; the last come when the relay ends."""
        return {event['shard']: event[counter] for event in self.events('stats')}

    def total(self, counter):
        return sum(self.by_shard(counter).values())

    def memory(self):
        """Octets of its resident anonymous memory."""
        with open('/proc/%d/status' % self.pid) as f:
            return int(re.search(r'RssAnon:\s+(\d+) kB', f.read()).group(1)) * 1024


class Certificates:
    """What tests/certificates.sh makes: an authority, a server's and a client's certificate, another authority.

    Made once for a build and kept there; the script renews what is about to expire.
    """

    def __init__(self):
        directory = os.path.join(BUILD, 'test-certificates')
        os.makedirs(BUILD, exist_ok=True)
        with open(directory + '.lock', 'w') as lock:  # other tests may run at the same time
            fcntl.flock(lock, fcntl.LOCK_EX)
            made = subprocess.run(['sh', os.path.join(SOURCES, 'tests', 'certificates.sh'), directory],
                                  capture_output=True, text=True)
            check(made.returncode == 0, 'tests/certificates.sh: %s', made.stderr[-500:])
            # The keys are for tests only, and mail servers read them after giving up their privileges.
            for path, _, names in os.walk(directory):
                os.chmod(path, 0o755)
                for name in names:
                    os.chmod(os.path.join(path, name), 0o644)
        self.directory = directory
        self.ca = self.path('ca.crt')
        self.other_ca = self.path('other-ca.crt')
        self.server, self.server_key = self.path('server.crt'), self.path('server.key')
        self.client, self.client_key = self.path('client.crt'), self.path('client.key')
        # Looks like the server's and the client's, but comes from the other authority or from none.
        self.other, self.other_key = self.path('other.crt'), self.path('other.key')
        self.selfsigned, self.selfsigned_key = self.path('selfsigned.crt'), self.path('selfsigned.key')
        self.server_name = 'mail.example.org'

    def path(self, name):
        return os.path.join(self.directory, name)

    def server_context(self, client_required=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server, self.server_key)
        if client_required:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_context(self, certificate=False):
        context = ssl.create_default_context(cafile=self.ca)
        if certificate:
            context.load_cert_chain(self.client, self.client_key)
        return context


class Sink(Process):
    """bench/sink: a fast next hop over TLS. The sequences it has seen are in a file, one a line, as often as seen."""

    def __init__(self, work, certificates=None, *options, port=0, name='sink'):
        self.received_path, self.json_path = work.path(name + '.received'), work.path(name + '.json')
        arguments = [program('bench/sink'), '--listen', '127.0.0.1:%d' % port, '--received', self.received_path,
                     '--json', self.json_path]
        if certificates:
            arguments += ['--tls', 'starttls-required', '--certificate', certificates.server, '--private-key',
                          certificates.server_key]
        super().__init__(arguments + list(options), stdout=subprocess.PIPE)
        ready = self.process.stdout.readline()
        check(ready, 'the sink ended: %s', self.tail())
        self.port = int(json.loads(ready)['address'].rpartition(':')[2])

    @property
    def host(self):
        return '127.0.0.1:%d' % self.port

    def received(self):
        """How often each sequence has come: {sequence: times}."""
        return count_lines(self.received_path)

    def total(self):
        """How many numbered messages have come, repeated ones again."""
        try:
            with open(self.received_path, 'rb') as f:
                return f.read().count(b'\n')
        except OSError:
            return 0

    def wait_total(self, count, timeout=60, explain=lambda: ''):
        eventually(lambda: self.total() >= count,
                   lambda: '%d messages at the sink; there are %d. %s' % (count, self.total(), explain()), timeout, 0.1)

    def finish(self):
        """Stops it and returns its result."""
        self.signal(signal.SIGTERM)
        self.wait()
        with open(self.json_path) as f:
            return json.load(f)


def count_lines(*paths):
    """{number: times} over the complete lines of the files."""
    counts = {}
    for path in paths:
        try:
            with open(path, 'rb') as f:
                lines = f.read().split(b'\n')[:-1]
        except OSError:
            continue
        for line in lines:
            counts[int(line)] = counts.get(int(line), 0) + 1
    return counts


class Source(Process):
    """bench/source: many numbered messages, with a file of those that were answered 250."""

    def __init__(self, work, target, *options, messages, name='source', **settings):
        self.acknowledged_path, self.json_path = work.path(name + '.acknowledged'), work.path(name + '.json')
        arguments = [program('bench/source'), '--target', target, '--messages', str(messages),
                     '--acknowledged', self.acknowledged_path, '--json', self.json_path]
        for key, value in settings.items():
            arguments += ['--' + key.replace('_', '-'), str(value)]
        super().__init__(arguments + list(options))

    def acknowledged(self):
        return count_lines(self.acknowledged_path)

    def result(self, timeout=120, code=0):
        found = self.wait(timeout)
        check(code is None or found == code, 'the source ended with %s: %s', found, self.tail())
        with open(self.json_path) as f:
            return json.load(f)


class Client:
    """An SMTP client that sends exactly the octets it is given."""

    def __init__(self, address, timeout=60, greeting=True, source=None):
        """`source`: the address it comes from."""
        self.socket = socket.create_connection(address, timeout, (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        if greeting:
            self.expect(220)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets.encode() if isinstance(octets, str) else octets)

    def line(self):
        """The next line without its CRLF, or None when the relay has closed."""
        while True:
            end = self.buffer.find(b'\r\n')
            if end >= 0:
                line = bytes(self.buffer[:end])
                del self.buffer[:end + 2]
                return line
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b''
            if not more:
                return None
            self.buffer += more

    def reply(self):
        """(code, text) of the next reply, its lines joined; None when the connection was closed."""
        text = []
        while True:
            line = self.line()
            if line is None:
                return None
            check(re.match(rb'[2-5][0-9][0-9][ -]', line), 'not a reply: %s', shorten(line))
            text.append(line[4:].decode('utf-8', 'replace'))
            if line[3:4] == b' ':
                return int(line[:3]), '\n'.join(text)

    def converse(self, octets):
        """Sends all of this and takes meanwhile what comes, in one thread: two may not share one TLS session."""
        rest = memoryview(octets)
        self.socket.setblocking(False)
        while rest:
            select.select([self.socket], [self.socket], [], 60)
            try:
                rest = rest[self.socket.send(rest[:65536]):]
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
            try:
                more = self.socket.recv(65536)
                check(more, 'closed with %d octets unsent', len(rest))
                self.buffer += more
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
        self.socket.settimeout(60)

    def replies(self):
        """All replies until the relay closes."""
        found = []
        while True:
            reply = self.reply()
            if reply is None:
                return found
            found.append(reply)

    def expect(self, code, enhanced=None):
        reply = self.reply()
        check(reply is not None, 'expected %d, but the connection was closed', code)
        check(reply[0] == code, 'expected %d, got %d %s', code, *reply)
        check(enhanced is None or reply[1].startswith(enhanced + ' '), 'expected %d %s, got %d %s', code, enhanced,
              *reply)
        return reply

    def command(self, line, code, enhanced=None):
        self.send(line + '\r\n' if isinstance(line, str) else line + b'\r\n')
        return self.expect(code, enhanced)

    def closed(self):
        """True if the relay closes without another octet."""
        return self.line() is None and not self.buffer

    def hello(self):
        return self.command('EHLO client.example.net', 250)

    def envelope(self, sender='sender@example.net', recipients=('recipient@example.com',), parameters=''):
        self.command('MAIL FROM:<%s>%s' % (sender, parameters), 250)
        for recipient in recipients:
            self.command('RCPT TO:<%s>' % recipient, 250)

    def data(self, content, code=250):
        """Sends the content with dots stuffed; it must end in CRLF or be empty."""
        self.command('DATA', 354)
        self.send(stuff(content) + b'.\r\n')
        return self.expect(code)

    def bdat(self, content, code=250, chunk=1 << 20):
        pieces = [content[i:i + chunk] for i in range(0, len(content), chunk)] or [b'']
        for i, piece in enumerate(pieces):
            last = i == len(pieces) - 1
            self.send(b'BDAT %d%s\r\n' % (len(piece), b' LAST' if last else b'') + piece)
            reply = self.expect(code if last else 250)
        return reply


def parallel(function, arguments, limit=8):
    """Calls the function with each of the tuples, several at a time; waiting for deadlines is all they do mostly."""
    with concurrent.futures.ThreadPoolExecutor(limit) as pool:
        for future in [pool.submit(function, *each) for each in arguments]:
            future.result()


cases = []
printing = threading.Lock()


def case(function):
    """Registers a test case; its docstring says what must hold."""
    cases.append(function)
    return function


def run_case(function):
    name = function.__name__.rstrip('_')
    started = time.monotonic()
    try:
        note = function()
    except Exception as error:
        why = str(error) if isinstance(error, Failure) else '%s: %s' % (type(error).__name__, error)
        with printing:
            print('FAILED %s: %s' % (name, why.replace('\n', ' / ')), flush=True)
            if not isinstance(error, Failure) or os.environ.get('VERBOSE'):
                traceback.print_exc()
        return False
    with printing:
        print('ok %s%s (%.1f s)' % (name, ': %s' % note if note else '', time.monotonic() - started), flush=True)
    return True


def main(together=1):
    """Runs the cases that are wanted, `together` at a time: more than one suits a file whose cases mostly wait."""
    wanted = sys.argv[1:]
    names = [function.__name__.rstrip('_') for function in cases]
    for name in wanted:
        if name not in names:
            sys.exit('no such case: %s; there are: %s' % (name, ' '.join(names)))
    chosen = [function for function, name in zip(cases, names) if not wanted or name in wanted]
    with concurrent.futures.ThreadPoolExecutor(together) as pool:
        results = list(pool.map(run_case, chosen))
    sys.exit(0 if all(results) else 1)
