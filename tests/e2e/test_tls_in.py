#!/usr/bin/python3
"""tests/e2e/test_tls_in.py - TLS on listeners: STARTTLS offered and required, TLS from the first octet, and what
attacks it (RELIABILITY STL-01 to STL-05, STL-08, STL-09).
"""

import hashlib
import json
import os
import resource
import select
import socket
import ssl
import subprocess
import sys
import time
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Certificates, Client, NextHop, Workspace, case, check, equal, eventually  # noqa: E402
from harness import SOURCES, main, message  # noqa: E402

os.environ['POSTRIDER_PROFILES'] = os.path.join(SOURCES, 'dist', 'profiles')
warnings.simplefilter('ignore', DeprecationWarning)  # old versions are what is tested
certificates = Certificates()
MODES = {'offered': 0, 'required': 1, 'implicit': 2}
INJECTED = (b'RSET\r\n', b'NOOP\r\n', b'EHLO evil.example.net\r\n', b'QUIT\r\n',
            b'MAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nevil\r\n.\r\n',
            b'AUTH PLAIN AGV2aWwAZXZpbA==\r\n', b'\r\n', b'X', b'STARTTLS\r\n', b'\x16', b'\x16\x03\x01\x02\x00\x01')


class Place:
    """A relay with a listener of each mode before a next hop."""

    def __init__(self, **changes):
        self.work = Workspace()
        self.hop = self.work.own(NextHop())
        changes.setdefault('tls_files', [{'certificate': certificates.server, 'private_key': certificates.server_key}])
        configuration = self.work.configuration([self.hop.host], listeners=[
            dict({'name': mode, 'address': '127.0.0.1:0', 'tls': mode}, **changes.pop(mode, {})) for mode in MODES])
        configuration['tls'] = {'certificates': changes.pop('tls_files')}
        for key, value in changes.items():
            configuration[key] = value
        self.relay = self.work.relay(configuration)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.work.__exit__(*_)

    def address(self, mode):
        return self.relay.addresses()[MODES[mode]]

    def clear(self, mode='offered'):
        return Client(self.address(mode))

    def session(self, reason):
        """The event of a session that ended for that."""
        def found():
            return [event for event in self.relay.events('session') if event['reason'] == reason]
        eventually(found, lambda: 'a session that ended for: %s; there are %s' %
                   (reason, [event['reason'] for event in self.relay.events('session')]))
        return found()[-1]


def wrap(client, context=None):
    """TLS on the client's connection, which must have nothing unread."""
    check(not client.buffer, 'octets in clear behind the 220: %r', bytes(client.buffer))
    context = context or certificates.client_context()
    client.socket = context.wrap_socket(client.socket, server_hostname='mail.example.org')
    return client


def starttls(client, context=None):
    client.command('STARTTLS', 220, '2.0.0')
    return wrap(client, context)


def implicit(place, context=None, mode='implicit'):
    client = wrap(Client(place.address(mode), greeting=False), context)
    client.expect(220)
    return client


def send_one(client, number):
    client.hello()
    client.envelope()
    client.data(message(number))


def rest(client):
    """What comes until the relay closes."""
    octets = bytearray(client.buffer)
    while True:
        try:
            more = client.socket.recv(65536)
        except ConnectionResetError:
            more = b''
        if not more:
            return bytes(octets)
        octets += more


@case
def mail_in_each_mode():
    """Messages come in over TLS in each mode; Received and the session's event say so (RFC 3848)."""
    with Place() as place:
        with place.clear('offered') as client:
            check('STARTTLS' in client.hello()[1].split('\n'), 'STARTTLS is not offered')
            starttls(client)
            send_one(client, 1)
            client.command('QUIT', 221)
            check(client.closed(), 'more behind QUIT')
        with place.clear('required') as client:
            client.hello()
            starttls(client)
            send_one(client, 2)
            client.command('QUIT', 221)
        with implicit(place) as client:
            send_one(client, 3)
            client.command('QUIT', 221)
        with place.clear('offered') as client:
            send_one(client, 4)
            client.command('QUIT', 221)
        eventually(lambda: len(place.hop.arrivals) == 4, lambda: 'four messages')
        secured = [b' with ESMTPS id ' in arrival.content for arrival in place.hop.arrivals]
        equal(sorted(secured), [False, True, True, True], 'Received says ESMTPS')
        eventually(lambda: len(place.relay.events('session')) == 4, lambda: 'four sessions')
        events = place.relay.events('session')
        equal(sorted(event.get('tls', '') for event in events), ['', 'TLSv1.3', 'TLSv1.3', 'TLSv1.3'], 'tls')
        check(all(event['cipher'].startswith('TLS_') for event in events if 'tls' in event), 'the cipher is told')
        place.relay.terminate()


@case
def versions():
    """TLS 1.2 is spoken by default, 1.1 where a listener says so, and 1.3 alone where it wants that."""
    with Place(required={'min_version': '1.1'}, implicit={'min_version': '1.3'}) as place:
        for mode, best, expected in (('offered', ssl.TLSVersion.TLSv1_2, 'TLSv1.2'),
                                     ('offered', ssl.TLSVersion.TLSv1_1, None),
                                     ('required', ssl.TLSVersion.TLSv1_1, 'TLSv1.1'),
                                     ('required', ssl.TLSVersion.TLSv1_3, 'TLSv1.3'),
                                     ('implicit', ssl.TLSVersion.TLSv1_2, None),
                                     ('implicit', ssl.TLSVersion.TLSv1_3, 'TLSv1.3')):
            context = certificates.client_context()
            context.set_ciphers('DEFAULT@SECLEVEL=0')
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = best
            try:
                if mode == 'implicit':
                    client = implicit(place, context)
                else:
                    client = place.clear(mode)
                    client.hello()
                    starttls(client, context)
                    client.hello()
                got = client.socket.version()
                client.close()
            except ssl.SSLError:
                got = None
            equal(got, expected, '%s with %s' % (mode, best.name))


@case
def versions_of_old_devices():
    """devices_min_version: for devices that are known by their address, and whose profile knows nothing newer; all
    others have min_version, whatever comes from beside them."""
    devices = [{'name': 'ups', 'address': '127.0.0.2', 'profile': 'apc-nmc', 'from': 'ups@example.net'},
               {'name': 'copier', 'address': '127.0.0.3', 'profile': 'brother', 'from': 'copier@example.net'},
               {'name': 'plain', 'address': '127.0.0.4'}]
    old = {'devices_min_version': '1.1'}
    with Workspace() as files:
        for device in devices:
            files.write('devices.d/%s.yaml' % device['name'], json.dumps(device))
        with Place(offered=old, implicit=old, devices=files.path('devices.d')) as place:
            for source, mode, best, expected in (
                    ('127.0.0.2', 'offered', 'TLSv1_1', 'TLSv1.1'), ('127.0.0.2', 'implicit', 'TLSv1_1', 'TLSv1.1'),
                    ('127.0.0.2', 'implicit', 'TLSv1_3', 'TLSv1.3'), ('127.0.0.2', 'required', 'TLSv1_1', None),
                    ('127.0.0.3', 'offered', 'TLSv1_1', None), ('127.0.0.3', 'offered', 'TLSv1_2', 'TLSv1.2'),
                    ('127.0.0.4', 'implicit', 'TLSv1_1', None), ('127.0.0.1', 'implicit', 'TLSv1_1', None),
                    ('127.0.0.1', 'offered', 'TLSv1_1', None), ('127.0.0.1', 'offered', 'TLSv1_2', 'TLSv1.2')):
                context = certificates.client_context()
                context.set_ciphers('DEFAULT@SECLEVEL=0')
                context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion[best]
                with Client(place.address(mode), greeting=mode != 'implicit', source=source) as client:
                    if mode != 'implicit':
                        client.hello()
                        client.command('STARTTLS', 220)
                    try:
                        client.socket = context.wrap_socket(client.socket, server_hostname='mail.example.org')
                        got = client.socket.version()
                    except ssl.SSLError:
                        got = None
                equal(got, expected, '%s from %s with %s' % (mode, source, best))
            place.relay.terminate()


def shown(place, name=None, suites=None, version=None, mode='implicit'):
    """The certificate that a client of that kind is shown: (its names, its kind of key, the session's version)."""
    context = certificates.client_context()
    context.check_hostname = False
    if version:
        context.maximum_version = version
    if suites:
        context.set_ciphers(suites)
    with socket.create_connection(place.address(mode), 60) as plain:
        with context.wrap_socket(plain, server_hostname=name) as tls:
            names = [value for kind, value in tls.getpeercert()['subjectAltName'] if kind == 'DNS']
            # Uncompressed points of P-256 make short certificates.
            kind = 'rsa' if len(tls.getpeercert(True)) > 700 else 'ec'
            tls.recv(100)
            return names[-1], kind, tls.version()


@case
def certificates_by_name_and_by_what_a_client_can_verify():
    """RSA and ECDSA side by side, several names: who asks gets what it can verify, for what it asks for."""
    files = [{'certificate': certificates.path(name + '.crt'), 'private_key': certificates.path(name + '.key')}
             for name in ('rsa', 'server', 'second')]
    own, other = 'mail.example.org', 'other.example.net'
    v12 = ssl.TLSVersion.TLSv1_2
    with Place(tls_files=files) as place:
        for name, suites, version, expected in (
                (own, None, None, (own, 'ec')), (None, None, None, (own, 'ec')),
                ('mx.unknown.test', None, None, (own, 'ec')), (other, None, None, (other, 'ec')),
                ('OTHER.Example.NET', None, None, (other, 'ec')), ('localhost', None, v12, (own, 'ec')),
                (own, 'ECDHE-RSA-AES128-GCM-SHA256', v12, (own, 'rsa')),
                (None, 'ECDHE-RSA-AES256-SHA', v12, (own, 'rsa')),
                (own, 'ECDHE-ECDSA-AES128-GCM-SHA256', v12, (own, 'ec')),
                (other, 'ECDHE-RSA-AES128-GCM-SHA256', v12, (own, 'rsa')),
                (other, None, v12, (other, 'ec'))):
            got = shown(place, name, suites, version)
            equal(got[:2], expected, 'shown to who asks for %s with %s' % (name, suites))
            equal(got[2], 'TLSv1.2' if version else 'TLSv1.3', 'version')
        place.relay.terminate()


@case
def handshake_failed_says_what_the_device_offers():
    """An old device is recognised by what it offers; its name for us is no way to write into the log (STL-10)."""
    def hello(version, suites, name=b''):
        extension = b''
        if name:
            entry = b'\0' + len(name).to_bytes(2, 'big') + name
            names = len(entry).to_bytes(2, 'big') + entry
            extension = b'\0\0' + len(names).to_bytes(2, 'big') + names
        body = version + os.urandom(32) + b'\0' + len(suites).to_bytes(2, 'big') + suites + b'\1\0'
        if extension:
            body += len(extension).to_bytes(2, 'big') + extension
        message = b'\1' + len(body).to_bytes(3, 'big') + body
        return b'\x16\x03\x01' + len(message).to_bytes(2, 'big') + message

    cases = ((b'\3\1', b'\0\5\0\x0a\0\x2f\x12\x34', b'', 'TLSv1.0',
              'TLS_RSA_WITH_RC4_128_SHA,TLS_RSA_WITH_3DES_EDE_CBC_SHA,TLS_RSA_WITH_AES_128_CBC_SHA,0x1234'),
             (b'\3\0', b'\0\4', b'', 'SSLv3', 'TLS_RSA_WITH_RC4_128_MD5'),
             (b'\3\3', b'\0\x9c', b'Relay.example.org', 'TLSv1.2', 'TLS_RSA_WITH_AES_128_GCM_SHA256'),
             (b'\3\3', b'\0\x9c', b'a\r\nb"\0', 'TLSv1.2', 'TLS_RSA_WITH_AES_128_GCM_SHA256'))
    with Place() as place:
        for i, (version, suites, name, told, told_suites) in enumerate(cases):
            with Client(place.address('implicit'), greeting=False) as client:
                client.send(hello(version, suites, name))
                rest(client)
            eventually(lambda: len(place.relay.events('handshake_failed')) == i + 1, lambda: 'event %d' % i)
            event = place.relay.events('handshake_failed')[-1]
            equal((event['offers'], event['suites']), (told, told_suites), 'offers')
            equal(event.get('server_name', ''), 'relay.example.org' if name[:1] == b'R' else '', 'server_name')
            check(event['error'] and event['listener'] == 'implicit' and event['client'] == 'local', 'event %s', event)
        with Client(place.address('implicit'), greeting=False) as client:
            client.send(b'EHLO client.example.net\r\n')
            rest(client)
        eventually(lambda: len(place.relay.events('handshake_failed')) == len(cases) + 1, lambda: 'the last event')
        event = place.relay.events('handshake_failed')[-1]
        check('offers' not in event and '0x45' in event['error'], 'event %s', event)
        place.relay.terminate()


def fingerprint(path):
    with open(path) as f:
        return 'sha256:' + hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()


@case
def client_certificates_are_an_identity_also_after_resumption():
    """Asked for, not demanded; known by fingerprint, verified by ca_file; who showed one is not resumed without it."""
    asked = {'client_certificates': 'requested', 'ca_file': certificates.ca}
    own = fingerprint(certificates.client)
    v12, v13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    with Place(implicit=asked, required={'client_certificates': 'requested'}) as place:
        def one(mode, version, certificate, expected, resume=None):
            context = resume.context if resume else certificates.client_context()
            context.minimum_version = context.maximum_version = version
            if certificate and not resume:
                context.load_cert_chain(*(certificates.path(certificate + end) for end in ('.crt', '.key')))
            before = len(place.relay.events('session'))
            client = Client(place.address(mode), greeting=mode != 'implicit')
            if mode != 'implicit':
                client.command('STARTTLS', 220)
            client.socket = context.wrap_socket(client.socket, server_hostname='mail.example.org',
                                                session=resume.session if resume else None)
            if mode == 'implicit':
                client.expect(220)
            client.hello()  # the ticket of TLS 1.3 is read with it
            client.session, client.context = client.socket.session, context
            reused = client.socket.session_reused
            client.command('QUIT', 221)
            client.close()
            eventually(lambda: len(place.relay.events('session')) == before + 1, lambda: 'the session')
            event = place.relay.events('session')[-1]
            equal((event.get('certificate'), event.get('certificate_verified')), expected,
                  'certificate (%s, %s)' % (mode, version.name))
            equal(event['resumed'], bool(reused), 'resumed')
            return client, reused

        for version in (v12, v13):
            first, _ = one('implicit', version, 'client', (own, True))
            _, reused = one('implicit', version, 'client', (own, True), first)
            check(not reused, 'a session with a certificate was resumed')
            first, _ = one('implicit', version, None, (None, None))
            _, reused = one('implicit', version, None, (None, None), first)
            check(reused, 'a session without one was not resumed')
            # Nobody's, and a server's: they are fingerprints and no more.
            one('implicit', version, 'selfsigned', (fingerprint(certificates.selfsigned), False))
            one('implicit', version, 'other', (fingerprint(certificates.other), False))
            one('required', version, 'client', (own, False))
            one('offered', version, 'client', (None, None))
        place.relay.terminate()


@case
def renewed_certificates_are_used_and_broken_ones_are_not():
    """Files that change are read; sessions go on; what cannot be used changes nothing; ends are told."""
    with Workspace() as files:
        crt, key = files.path('relay.crt'), files.path('relay.key')

        def put(certificate, private_key):
            for source, to in ((private_key, key), (certificate, crt)):
                with open(source, 'rb') as f:
                    files.write(os.path.basename(to) + '.new', f.read())
                os.rename(to + '.new', to)

        put(certificates.server, certificates.server_key)
        with Place(tls_files=[{'certificate': crt, 'private_key': key}]) as place:
            with implicit(place) as old:
                old.hello()
                put(certificates.path('second.crt'), certificates.path('second.key'))
                eventually(lambda: place.relay.events('certificate_renewed'), lambda: 'the new pair is noticed')
                equal([shown(place)[0] for _ in range(4)], 4 * ['other.example.net'], 'what is shown')
                send_one(old, 1)
                # A key of another certificate, and no certificate at all.
                put(certificates.server, certificates.path('second.key'))
                eventually(lambda: len(place.relay.events('certificate_refused')) == 1, lambda: 'refused')
                check(key in place.relay.told('certificate_refused')[0]['problem'], 'names the file')
                files.write('relay.crt', 'no certificate')
                eventually(lambda: len(place.relay.events('certificate_refused')) == 2, lambda: 'refused again')
                equal(shown(place)[0], 'other.example.net', 'what is shown')
                send_one(old, 2)
            subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                            '-keyout', files.path('short.key'), '-out', files.path('short.crt'), '-days', '10',
                            '-subj', '/CN=short.example.org', '-addext', 'subjectAltName=DNS:short.example.org'],
                           check=True, capture_output=True)
            check(not place.relay.events('certificate_ends'), 'an end was told')
            put(files.path('short.crt'), files.path('short.key'))
            eventually(lambda: place.relay.events('certificate_ends'), lambda: 'the end in ten days')
            event = place.relay.told('certificate_ends')[0]
            check(event['days'] in (9, 10) and event['file'] == crt and 'short' in event['subject'], '%s', event)
            equal(len(place.relay.events('certificate_renewed')), 2, 'renewed')
            place.relay.terminate()


@case
def tickets_are_taken_by_every_shard():
    """Resumption works whichever shard accepts, and a ticket of one kind of listener is no good at another."""
    with Place(required={'min_version': '1.1'}, shards=4) as place:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = certificates.client_context()
            context.minimum_version = context.maximum_version = version
            session, reused = None, []
            for _ in range(16):
                with socket.create_connection(place.address('implicit'), 60) as plain:
                    tls = context.wrap_socket(plain, server_hostname='mail.example.org', session=session)
                    tls.recv(200)
                    session = session or tls.session
                    reused.append(tls.session_reused)
                    tls.close()
            equal(reused, [False] + 15 * [True], 'resumed')
            with place.clear('required') as client:
                client.command('STARTTLS', 220)
                tls = context.wrap_socket(client.socket, server_hostname='mail.example.org', session=session)
                check(not tls.session_reused, 'a ticket was taken by a listener with another policy')
                client.socket = tls
        place.relay.terminate()


@case
def no_group_in_common():
    """A client without a key exchange group of ours hears an alert (RFC 8446 4.1.1); one with a better one is asked."""
    with Place() as place:
        for groups, good in (('P-521', False), ('P-521:P-384', True), ('P-256', True), ('X25519', True)):
            done = subprocess.run(['openssl', 's_client', '-connect', '127.0.0.1:%d' % place.address('implicit')[1],
                                   '-tls1_3', '-groups', groups], input=b'QUIT\r\n', capture_output=True, timeout=60)
            equal(b'TLSv1.3, Cipher is' in done.stdout, good, 'handshake with %s' % groups)
            check(good or b'handshake failure' in done.stderr, 'said %r', done.stderr[-200:])
        eventually(lambda: place.relay.events('handshake_failed'), lambda: 'the event')
        check('group' in place.relay.told('handshake_failed')[0]['error'], 'the error')


@case
def RFC_3207_4_required_before_tls():
    """Where TLS is required nothing of mail is answered before it: 530, HELO too, and DATA ends the session."""
    with Place() as place, place.clear('required') as client:
        client.command('NOOP', 250)
        client.hello()
        for line in ('HELO client.example.net', 'MAIL FROM:<sender@example.net>', 'RCPT TO:<recipient@example.com>',
                     'RSET', 'VRFY postmaster', 'HELP', 'AUTH PLAIN AGV2aWwAZXZpbA=='):
            client.command(line, 530, '5.7.0')
        starttls(client)
        send_one(client, 1)
        client.close()
        with place.clear('required') as client:
            client.hello()
            client.send(b'DATA\r\nMAIL FROM:<evil@example.net>\r\n.\r\n')
            client.expect(530, '5.7.0')
            check(client.closed(), 'octets behind a refused DATA were read')


@case
def STL_01_commands_behind_STARTTLS():
    """Octets in the segment of STARTTLS: 554 and the end, in clear, and none of them is executed (CVE-2011-0411)."""
    with Place() as place:
        for injected in INJECTED:
            with place.clear() as client:
                client.hello()
                client.send(b'STARTTLS\r\n' + injected)
                client.expect(554, '5.5.1')
                equal(rest(client), b'', 'behind 554, for %r' % injected)
        place.session('commands behind STARTTLS')
        with place.clear() as client:
            client.send(b'EHLO client.example.net\r\nMAIL FROM:<a@example.net>\r\nSTARTTLS\r\nRSET\r\n')
            client.expect(250), client.expect(250), client.expect(554)
            equal(rest(client), b'', 'behind 554')
        place.relay.terminate()
        equal(len(place.hop.arrivals), 0, 'messages')


@case
def STL_01_and_split_segments():
    """The same, wherever the octets are cut: whatever came in clear, no command of it runs."""
    with Place() as place:
        for injected in INJECTED[:6]:
            octets = b'STARTTLS\r\n' + injected
            for cut in (1, 8, 9, 10, 11, len(octets) - 1):
                with place.clear() as client:
                    client.hello()
                    client.send(octets[:cut])
                    time.sleep(0.02)
                    client.send(octets[cut:])
                    said = rest(client)
                    # What came before 220 could be read ends the session; what comes behind is no TLS, and ends it too.
                    check(said.startswith((b'554 ', b'220 ')) or not said, 'said %r', said)
                    check(b'250' not in said and b'354' not in said and b'530' not in said, 'executed: %r', said)
        place.relay.terminate()
        equal(len(place.hop.arrivals), 0, 'messages')


@case
def STL_02_octets_racing_the_220():
    """Octets that race the 220, behind or before a whole handshake: what they say is never heard behind TLS."""
    with Place() as place:
        for delay in (0, 0.0005, 0.002, 0.01):
            for injected in INJECTED[:5]:
                with place.clear() as client:
                    client.hello()
                    client.send(b'STARTTLS\r\n')
                    if delay:
                        time.sleep(delay)
                    client.send(injected)
                    said = rest(client)
                    check(said.count(b'\r\n') <= 1 or said[said.index(b'\r\n') + 2:][:1] == b'\x15',
                          'more than the 220 and an alert: %r', said)
        # Behind a message whose 250 is not there yet: the 250 comes, 220 too, and nothing else is done.
        with place.clear() as client:
            client.hello()
            client.envelope()
            client.command('DATA', 354)
            client.send(message(1) + b'.\r\nSTARTTLS\r\n')
            client.send(b'RSET\r\nMAIL FROM:<evil@example.net>\r\n')
            codes = [reply[0] for reply in client.replies()]
            check(codes in ([250, 220], [250, 554]), 'replies %s', codes)
        with place.clear() as client:
            client.hello()
            client.envelope()
            client.command('DATA', 354)
            client.send(message(2) + b'.\r\nSTARTTLS\r\n')
            client.expect(250), client.expect(220)
            wrap(client)
            send_one(client, 3)
        eventually(lambda: len(place.hop.arrivals) == 3, lambda: 'three messages')
        place.relay.terminate()


@case
def STL_03_everything_before_is_forgotten():
    """Behind TLS there is no EHLO, no MAIL, no STARTTLS any more (RFC 3207 4.2)."""
    with Place() as place, place.clear() as client:
        client.command('STARTTLS x', 501)
        client.hello()
        client.envelope()
        starttls(client)
        client.command('RCPT TO:<recipient@example.com>', 503)
        client.command('MAIL FROM:<sender@example.net>', 503)
        check('STARTTLS' not in client.hello()[1].split('\n'), 'STARTTLS is offered behind TLS')
        client.command('STARTTLS', 503)
        client.command('RCPT TO:<recipient@example.com>', 503)
        send_one(client, 1)
        with implicit(place) as other:
            check('STARTTLS' not in other.hello()[1].split('\n'), 'STARTTLS is offered behind TLS')
            other.command('STARTTLS', 503)


@case
def STL_04_failed_handshakes():
    """Garbage, clear text, half a hello then silence or the end: closed, and nothing in clear is said or read again."""
    with Place(timeouts={'command': '2s'}) as place:
        half = b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + bytes(32)
        for octets in (b'EHLO client.example.net\r\n', b'\0' * 100, os.urandom(600), b'\x15\x03\x01\x00\x02\x02\x28',
                       half, b'', b'\x16\x03\x00\x00\x04\x01\x00\x00\x00', b'\x16\x03\x01\xff\xff' + bytes(40),
                       b'\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10' + bytes(40)):
            for mode in ('offered', 'implicit'):
                with Client(place.address(mode), greeting=mode == 'offered') as client:
                    if mode == 'offered':
                        client.hello()
                        client.command('STARTTLS', 220)
                    client.send(octets)
                    said = rest(client)
                    check(not said or (said[:1] == b'\x15' and len(said) <= 14), 'said %r to %r', said, octets[:20])
        place.session('TLS handshake failed')
        place.session('TLS handshake timeout')
        place.relay.terminate()


@case
def STL_05_close_notify_in_data():
    """close_notify in a message, then octets in clear; a FIN without it: no message, and no octet is read."""
    with Place() as place:
        with place.clear() as client:
            client.hello()
            raw = socket.socket(fileno=os.dup(client.socket.fileno()))
            starttls(client)
            client.hello()
            client.envelope()
            client.command('DATA', 354)
            client.send(b'Subject: half\r\n\r\nhalf of it\r\n')
            try:
                client.socket.settimeout(5)
                client.socket.unwrap()  # close_notify, and waits for the other side's
            except (ssl.SSLError, OSError):
                pass
            try:
                raw.sendall(b'.\r\nQUIT\r\n')
                equal(raw.recv(100), b'', 'said behind the end of TLS')
            except OSError:
                pass
            raw.close()
        with implicit(place) as client:
            client.hello()
            client.envelope()
            client.command('DATA', 354)
            client.send(b'Subject: half\r\n\r\nhalf of it\r\n')
            client.socket.shutdown(socket.SHUT_RDWR)
        eventually(lambda: len(place.relay.events('session')) == 2, lambda: 'both sessions ended')
        equal(sum(event['messages'] for event in place.relay.events('session')), 0, 'messages')
        place.relay.terminate()
        equal(len(place.hop.arrivals), 0, 'messages')


@case
def STL_09_clear_text_at_a_tls_port():
    """Clear text where TLS begins at once hears nothing in clear; TLS where 220 comes first ends."""
    with Place() as place:
        with Client(place.address('implicit'), greeting=False) as client:
            readable, _, _ = select.select([client.socket], [], [], 0.3)
            check(not readable, 'a greeting in clear')
            client.send(b'EHLO client.example.net\r\n')
            said = rest(client)
            check(said[:1] in (b'', b'\x15'), 'said %r', said)
        with place.clear() as client:
            client.send(b'\x16\x03\x01\x02\x00\x01')
            client.expect(421)
            check(client.closed(), 'more behind 421')


@case
def sessions_that_last_become_small():
    """63 KB when the handshake is over, about half of it two seconds later; and they still work."""
    count, most = 200, 45 * 1024

    with Place(shards=1) as place:
        def memory():
            with open('/proc/%d/smaps_rollup' % place.relay.pid, encoding='ascii') as f:
                return 1024 * sum(int(line.split()[1]) for line in f if line.startswith('Anonymous:'))
        first = implicit(place)
        before = memory()
        clients = [implicit(place) for _ in range(count)]
        if not os.environ.get('SANITIZED'):  # whose malloc is another
            eventually(lambda: memory() - before < count * most,
                       lambda: '%d octets for each session' % ((memory() - before) / count))
        for number, client in enumerate([first, clients[0], clients[-1]]):
            send_one(client, number + 1)
        for client in [first] + clients:
            client.close()
        place.hop.wait_arrivals(3)
        place.relay.terminate()


@case
def handshakes_that_lie_keep_nobody_out():
    """Whoever begins more handshakes than a shard has room for and lets them lie pushes out his own oldest."""
    most = 2048

    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with Place(shards=1) as place:
        first = Client(place.address('implicit'), greeting=False)
        # From another address. Nobody else is at the listener, so they are accepted in this order.
        lying = [Client(place.address('implicit'), greeting=False, source='127.0.0.2')
                 for _ in range(most + 10)]
        with implicit(place) as client:
            send_one(client, 1)
        with place.clear() as client:
            client.hello()
            starttls(client)
            send_one(client, 2)
        eventually(lambda: len([event for event in place.relay.events('session')
                                if event['reason'] == 'too many TLS handshakes']) >= 11,
                   lambda: 'eleven that made room')
        equal(lying[0].socket.recv(1), b'', 'the oldest of them makes room')
        # One that has waited for longer than all of them, but whose address has only this one.
        wrap(first).expect(220)
        send_one(first, 3)
        first.close()
        for one in lying:
            one.close()
        place.hop.wait_arrivals(3)
        place.relay.terminate()


@case
def too_many_connections_and_the_end():
    """Over the limit and at the end of the process sessions in each state of TLS end, and none in clear."""
    # One shard: it accepts in the order in which they connect.
    with Place(limits={'connections': 3}, shards=1) as place:
        waiting = place.clear()
        waiting.hello()
        waiting.command('STARTTLS', 220)
        silent = Client(place.address('implicit'), greeting=False)
        secured = implicit(place)
        secured.hello()
        with Client(place.address('implicit'), greeting=False) as client:
            check(client.closed(), 'the fourth connection')
        with Client(place.address('offered'), greeting=False) as client:
            client.expect(421)
        place.relay.terminate()
        check(waiting.closed(), 'said in clear while TLS was awaited')
        check(silent.closed(), 'said in clear before TLS')
        secured.expect(421)


if __name__ == '__main__':
    main(together=3)
