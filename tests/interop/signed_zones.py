"""tests/interop/signed_zones.py - nsd with zones that ldns has signed, on loopback.

    with SignedZones({'lab': LINES, 'a.lab': LINES}, signed=['lab', 'a.lab']) as zones:
        dns={'servers': [zones.address], 'dnssec': 'validate', 'trust_anchor': zones.anchor}

The first zone is the parent of all others and is where trust begins: of those that are signed it has the DS records.
`spoil`: of these zones each signature is broken after signing. change() serves other lines of a zone. questions() says
how many were asked since it was started, of each type.
"""

import hashlib
import os
import re
import subprocess
import tempfile

from servers import harness
from harness import Failure, Process, eventually, free_port


def unavailable():
    if os.path.exists(os.path.join(harness.peers_directory(), 'ldns', 'version')):
        return None
    return 'run tests/install-peers nsd first'


def run(*arguments, cwd):
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, timeout=60)
    if done.returncode:
        raise Failure('%s: %s' % (arguments[0], done.stderr[-300:]))
    return done.stdout.decode()


def der(directory, name):
    return subprocess.run(['openssl', 'x509', '-in', '%s/%s.crt' % (directory, name), '-outform', 'DER'],
                          capture_output=True, check=True).stdout


def key(directory, name):
    pem = subprocess.run(['openssl', 'x509', '-in', '%s/%s.crt' % (directory, name), '-noout', '-pubkey'],
                         capture_output=True, check=True).stdout
    return subprocess.run(['openssl', 'pkey', '-pubin', '-outform', 'DER'], input=pem, capture_output=True,
                          check=True).stdout


def record(directory, text):
    """'3 1 1 leaf' as the data of a TLSA record; '3 1 1 -leaf': a digest that is another's."""
    usage, selector, matching, name = text.split()
    data = (key if selector == '1' else der)(directory, name.lstrip('-'))
    if matching != '0':
        data = (hashlib.sha256 if matching == '1' else hashlib.sha512)(data).digest()
    if name[0] == '-':
        data = data[:-1] + bytes([data[-1] ^ 1])
    return '%s %s %s %s' % (usage, selector, matching, data.hex())


class SignedZones:
    def __init__(self, zones, signed=(), spoil=(), ttl=60, negative_ttl=5):
        self.ttl, self.negative_ttl = ttl, negative_ttl
        self.zones, self.signed, self.spoil = dict(zones), set(signed), set(spoil)
        peers = harness.peers_directory()
        self.nsd, self.tools = os.path.join(peers, 'nsd/usr/sbin/nsd'), os.path.join(peers, 'ldns/usr/bin')
        self.root = next(iter(zones))
        self.serial = 1
        self.place = tempfile.TemporaryDirectory(prefix='postrider-zones-')
        self.port = free_port()
        self.address = '127.0.0.1:%d' % self.port
        self.process = None

    def path(self, name):
        return os.path.join(self.place.name, name)

    def __enter__(self):
        try:
            self.keys = {zone: self.make_key(zone) for zone in self.signed}
            self.anchor = self.path('anchor')
            with open(self.anchor, 'w') as file:
                file.write(self.ds(self.root))
            self.write_all()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.stop()
        self.place.cleanup()

    def make_key(self, zone):
        return run(os.path.join(self.tools, 'ldns-keygen'), '-k', '-a', 'ECDSAP256SHA256', zone,
                   cwd=self.place.name).strip()

    def ds(self, zone):
        return open(self.path(self.keys[zone] + '.ds')).read()

    def text(self, zone):
        lines = ['$ORIGIN %s.' % zone, '$TTL %d' % self.ttl,
                 '@ SOA ns.%s. owner.%s. %d 60 60 3600 %d' % (zone, zone, self.serial, self.negative_ttl),
                 '@ NS ns', 'ns A 127.0.0.1']
        if zone == self.root:
            for other in self.zones:
                if other != zone:
                    lines.append('%s. NS ns.%s.' % (other, other))
                    lines.append('ns.%s. A 127.0.0.1' % other)
                    if other in self.signed:
                        lines.append(self.ds(other).strip())
        return '\n'.join(lines + list(self.zones[zone])) + '\n'

    def write(self, zone):
        plain, out = self.path('zone.' + zone), self.path('served.' + zone)
        with open(plain, 'w') as file:
            file.write(self.text(zone))
        if zone not in self.signed:
            os.replace(plain, out)
            return
        run(os.path.join(self.tools, 'ldns-signzone'), '-f', out, plain, self.keys[zone], cwd=self.place.name)
        if zone in self.spoil:
            text = open(out).read()
            # What is served is not what was signed.
            text = re.sub(r'(\tA\t)127\.0\.0\.\d+', r'\g<1>127.0.0.99', text)
            text = re.sub(r'(\tMX\t)\d+', r'\g<1>77', text)
            text = re.sub(r'(\tTLSA\t)\d', r'\g<1>2', text)
            with open(out, 'w') as file:
                file.write(text)

    def write_all(self):
        for zone in self.zones:
            self.write(zone)
        with open(self.path('nsd.conf'), 'w') as file:
            file.write('server:\n  ip-address: 127.0.0.1@%d\n  port: %d\n  username: ""\n  chroot: ""\n'
                       '  zonesdir: "%s"\n  pidfile: ""\n  database: ""\n  zonelistfile: "%s"\n'
                       '  xfrdfile: ""\n  server-count: 1\nremote-control:\n  control-enable: yes\n'
                       '  control-interface: "%s"\n'
                       % (self.port, self.port, self.place.name, self.path('zone.list'), self.path('control')))
            for zone in self.zones:
                file.write('zone:\n  name: "%s"\n  zonefile: "%s"\n' % (zone, self.path('served.' + zone)))

    def start(self):
        self.process = Process([self.nsd, '-d', '-c', self.path('nsd.conf')])
        eventually(lambda: self.process.running() and harness.listening(self.port), 'nsd answers')

    def change(self, zone, lines):
        self.zones[zone] = lines
        self.serial += 1
        self.write(zone)
        self.process.stop()
        self.start()

    def questions(self):
        said = run(self.nsd + '-control', '-c', self.path('nsd.conf'), 'stats_noreset', cwd=self.place.name)
        counts = dict(line.split('=') for line in said.splitlines())
        return {name.removeprefix('num.type.'): int(count) for name, count in counts.items()
                if name.startswith('num.type.') and int(count)}
