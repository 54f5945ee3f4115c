"""bench/peers/relays.py - postrider and the relays it is compared with, each started as its documentation advises.

Each class starts one relay that takes mail in clear on a free port of 127.0.0.1 and hands it to the sink over TLS; all
its state is below the workspace. The mail servers are those of tests/interop/servers.py with other configurations, the
files beside this one. Programs come from $PATH or from the cache that bench/peers/install fills.
"""

import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', '..', 'tests', 'interop'))
import servers  # noqa: E402

from servers import harness  # noqa: E402

ALL_MODES = ('lockstep', 'grouped', 'pipelined', 'chunked', 'blind', 'single')


def template(name, **values):
    """The file beside this one, with @NAME@ replaced by values['NAME']."""
    with open(os.path.join(HERE, name), encoding='utf-8') as f:
        text = f.read()
    for key, value in values.items():
        text = text.replace('@%s@' % key, str(value))
    return text


def find_program(name, peer):
    """Where a program is: in $PATH, in a system directory, or unpacked in the cache. None if nowhere."""
    cached = os.path.join(harness.peers_directory(), peer, 'usr')
    return shutil.which(name, path=os.pathsep.join([os.environ.get('PATH', ''), '/usr/sbin', cached + '/sbin',
                                                    cached + '/bin']))


class Measured:
    """Mixed into each server: where it runs, where it delivers to, and what it can be asked to do."""

    title = None              # as the tables call it
    package = None            # for bench/peers/install
    stores = True             # has the message on disk before it answers
    implicit_tls = False      # TLS from the first octet towards the sink; otherwise STARTTLS
    connections = 50          # inbound connections it bears
    modes = ALL_MODES
    limited = False           # takes messages_per_connection of its destination
    takes_tls = False         # from clients, with the certificate and key ENTRY.crt and ENTRY.key

    def __init__(self, work, certificates, next_hop, group, entry=None):
        self.next_hop, self.group, self.entry = next_hop, group, entry
        self.configure()
        super().__init__(work, certificates)

    def configure(self):
        """Chooses the templates, before the server's own preparations fill them in."""

    def run(self, arguments, **options):
        process = harness.Process(self.group.enter(arguments), start_new_session=True, **options)
        self.group.started(process.pid)
        return process

    def finish(self):
        """Stops it and returns what else it has to say about the run."""
        self.stop()
        return {}

    @classmethod
    def version(cls):
        words = servers_version(cls.name)
        return words.split(':')[-1]


def servers_version(name):
    try:
        with open(os.path.join(harness.peers_directory(), name, 'version'), encoding='utf-8') as f:
            return f.read().split()[-1]
    except (OSError, IndexError):
        return ''


class Direct(Measured):
    """No relay: the source talks to the sink itself, over TLS. What the tools take of the machine."""

    name, title, stores = 'direct', 'none: source to sink', False

    def __init__(self, work, certificates, next_hop, group):
        self.group, self.port = group, next_hop

    def stop(self):
        pass

    def log(self):
        return ''

    @classmethod
    def unavailable(cls):
        return None

    @classmethod
    def version(cls):
        return ''


class Floor(Measured, servers.Server):
    """No relay either: the system calls of a message with no work between them, in clear on both sides (floor.c)."""

    name, title = 'floor', 'floor: no relay, no TLS'
    hops = 1        # connections to the next hop
    modes = ('lockstep', 'grouped', 'pipelined', 'blind', 'single')

    @classmethod
    def unavailable(cls):
        return None

    @classmethod
    def version(cls):
        return ''

    def prepare(self):
        pass

    def launch(self):
        return self.run([harness.program('bench/floor'), self.host, '127.0.0.1:%d' % self.next_hop,
                         self.root + '/file', str(self.hops)], stdout=subprocess.DEVNULL)


class Postrider(Measured, servers.Server):
    name, title, shards, limited, takes_tls = 'postrider', 'postrider', 2, True, True

    def __init__(self, work, certificates, next_hop, group, messages_per_connection=None, entry=None):
        self.limits = '' if messages_per_connection is None else (
            'limits: { messages_per_connection: %d }, ' % messages_per_connection)
        super().__init__(work, certificates, next_hop, group, entry)

    @classmethod
    def unavailable(cls):
        return None

    @classmethod
    def version(cls):
        text = subprocess.run([harness.program('postrider'), 'version'], capture_output=True, text=True).stdout
        return text.split('\n')[0].replace('postrider', '').strip()

    def prepare(self):
        self.directory('spool')
        self.configuration = self.write('postrider.yaml', self.configuration_text())

    def configuration_text(self):
        certificates = 'tls: { certificates: [{ certificate: %s.crt, private_key: %s.key }] }\n'
        return template('postrider.yaml', ROOT=self.root, PORT=self.port, NEXT_HOP=self.next_hop, SHARDS=self.shards,
                        LIMITS=self.limits, TLS=', tls: implicit' if self.entry else '',
                        CERTIFICATES=certificates % (self.entry, self.entry) if self.entry else '')

    @classmethod
    def changed(cls, work, next_hop, group, shards=1, **changes):
        """One with its defaults and these changes; messages go to 127.0.0.1:next_hop over TLS."""
        class Changed(cls):
            def configuration_text(self):
                spool = dict({'directory': self.root + '/spool'}, **changes.get('spool', {}))
                destination = dict({'name': 'sink', 'hosts': ['127.0.0.1:%d' % self.next_hop],
                                    'tls': {'mode': 'required'}}, **changes.get('destination', {}))
                if 'mx' in destination:
                    del destination['hosts']
                return json.dumps({
                    'hostname': 'relay.example.org', 'shards': shards, 'spool': spool,
                    'listeners': [dict({'name': 'measured', 'address': '127.0.0.1:%d' % self.port},
                                       **changes.get('listener', {}))],
                    **{key: changes[key] for key in ('tls', 'dns') if key in changes},
                    'clients': [{'name': 'local', 'networks': ['127.0.0.0/8']}], 'destinations': [destination],
                    'routes': [{'destination': 'sink'}], 'retry': changes.get('retry', {}),
                    'log': {'stats_interval': '1s', 'messages': changes.get('log_messages', True)}})
        return Changed(work, None, next_hop, group)

    def launch(self):
        # Its events go to a file, as a service manager would take them. Python could not read them fast enough.
        self.log_path = os.path.join(self.root, 'log')
        return self.run(['sh', '-c', 'exec "$@" 2>"$0"', self.log_path, harness.program('postrider'), 'run', '--config',
                         self.configuration])

    def start(self):
        self.process = self.work.own(self.launch())
        harness.eventually(lambda: '"event":"ready"' in self.log() or not self.process.running(),
                           lambda: 'postrider is ready: ' + self.log(), 60)
        if not self.process.running():
            raise harness.Failure('postrider did not start: ' + self.log())

    def log(self):
        """The last events."""
        try:
            with open(self.log_path, 'rb') as f:
                f.seek(max(0, os.fstat(f.fileno()).st_size - 65536))
                return f.read().decode('utf-8', 'replace')
        except OSError:
            return ''

    def stats(self):
        """The newest statistics of each shard. The last ones are written at the end of the process."""
        found = {}
        for line in self.log().splitlines():
            if '"event":"stats"' in line:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue  # cut in half where the reading began, or not written out yet
                found[event['shard']] = event
        return list(found.values())

    def finish(self):
        self.stop()
        return {key: sum(event[key] for event in self.stats()) for key in ('commits', 'records', 'octets_written')}


class PostriderOne(Postrider):
    name, title, shards = 'postrider-1', 'postrider, 1 shard', 1


class Bridge(Measured, servers.Server):
    """A program that only passes on octets, and wraps them into TLS."""

    stores, implicit_tls = False, True
    program = None

    @classmethod
    def unavailable(cls):
        return None if find_program(cls.program, cls.package) else 'run bench/peers/install %s first' % cls.package


class HAProxy(Bridge):
    name, title, package, program, threads = 'haproxy', 'HAProxy, 1 thread', 'haproxy', 'haproxy', 1
    takes_tls = True

    @classmethod
    def version(cls):
        text = subprocess.run([find_program('haproxy', 'haproxy'), '-v'], capture_output=True, text=True).stdout
        return re.search(r'version (\S+)', text).group(1)

    def prepare(self):
        bind = ''
        if self.entry:
            both = []
            for end in ('.crt', '.key'):
                with open(self.entry + end, encoding='ascii') as f:
                    both.append(f.read())
            bind = ' ssl crt ' + self.write('entry.pem', ''.join(both))
        self.configuration = self.write('haproxy.cfg', template('haproxy.cfg', PORT=self.port, NEXT_HOP=self.next_hop,
                                                                THREADS=self.threads, TLS=bind))

    def launch(self):
        return self.run([find_program('haproxy', 'haproxy'), '-db', '-f', self.configuration],
                        stdout=subprocess.DEVNULL)


class HAProxyTwo(HAProxy):
    name, title, threads = 'haproxy-2', 'HAProxy, 2 threads', 2


class Stunnel(Bridge):
    name, title, package, program = 'stunnel', 'stunnel', 'stunnel', 'stunnel4'

    @classmethod
    def version(cls):
        text = subprocess.run([find_program('stunnel4', 'stunnel'), '-version'], capture_output=True, text=True).stderr
        return re.search(r'stunnel (\S+)', text).group(1)

    def prepare(self):
        self.configuration = self.write('stunnel.conf', template('stunnel.conf', PORT=self.port,
                                                                 NEXT_HOP=self.next_hop))

    def launch(self):
        return self.run([find_program('stunnel4', 'stunnel'), self.configuration])


class Postfix(Measured, servers.Postfix):
    title, package = 'Postfix', 'postfix'

    def configure(self):
        self.MAIN = template('postfix-main.cf', NEXT_HOP=self.next_hop)
        self.MASTER = template('postfix-master.cf')

    def launch(self):
        return self.run([self.peer + '/usr/lib/postfix/sbin/master', '-c', self.root + '/config', '-d'],
                        env=self.environment())


class Exim(Measured, servers.Exim):
    title, package, connections = 'Exim', 'exim', 10
    # Content before 354 is a synchronization error to it.
    modes = ('lockstep', 'grouped', 'pipelined', 'chunked', 'single')

    def configure(self):
        self.CONFIGURATION = template('exim.conf', NEXT_HOP=self.next_hop)

    def launch(self):
        return self.run([self.peer + '/usr/sbin/exim4', '-C', self.configuration, '-bdf', '-q30s'])


class OpenSMTPD(Measured, servers.OpenSMTPD):
    title, package, connections = 'OpenSMTPD (no fsync)', 'opensmtpd', 10
    modes = ('lockstep', 'grouped', 'pipelined', 'single')

    def configure(self):
        self.CONFIGURATION = template('opensmtpd.conf', NEXT_HOP=self.next_hop)
        self.NAMESPACE = template('opensmtpd-namespace')

    def prepare(self):
        super().prepare()
        self.directory('spool/smtpd', mode=0o711)

    def launch(self):
        return self.run(['unshare', '--mount', 'sh', '-c', self.namespace])


class Haraka(Measured, servers.Server):
    name, title, package = 'haraka', 'Haraka, 2 processes', 'haraka'
    modes = ('lockstep', 'grouped', 'single')  # it refuses MAIL that comes together with the end of a message

    @classmethod
    def program(cls):
        return os.path.join(harness.peers_directory(), cls.name, 'node_modules', '.bin', 'haraka')

    @classmethod
    def unavailable(cls):
        if not shutil.which('node') or not os.path.exists(cls.program()):
            return 'needs node and npm; then run bench/peers/install haraka'
        return None

    def prepare(self):
        self.directory('queue')
        self.write('plugins/sink.js', template('haraka-sink.js', NEXT_HOP=self.next_hop))
        self.write('config/plugins', 'sink\n')
        # `haraka --install` copies the same file; without it there is no greeting.
        shutil.copy(os.path.join(os.path.dirname(self.program()), '..', 'Haraka', 'config', 'connection.ini'),
                    os.path.join(self.root, 'config'))
        self.write('config/me', 'relay.example.org\n')
        self.write('config/smtp.ini', 'listen=127.0.0.1:%d\nnodes=2\n' % self.port)
        self.write('config/log.ini', '[main]\nlevel=warn\n')
        self.write('config/outbound.ini', 'enable_tls=true\nlocal_mx_ok=true\nconcurrency_max=100\n')

    def launch(self):
        return self.run([self.program(), '-c', self.root])


RELAYS = {each.name: each for each in (Direct, Floor, Postrider, PostriderOne, HAProxy, HAProxyTwo, Stunnel, Postfix,
                                       OpenSMTPD, Haraka, Exim)}
