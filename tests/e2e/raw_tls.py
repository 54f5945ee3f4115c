"""tests/e2e/raw_tls.py - a client of TLS 1.2 that says each message by itself, in the right order or any other, right
or wrong; for what no library lets one send.

X25519 and AES-128-GCM only; the cryptography is a well-kept library's (python3-cryptography). The server's certificate
and signature are not looked at.
"""

import hashlib
import hmac
import os
import socket
import struct

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CHANGE_CIPHER, ALERT, HANDSHAKE, DATA, HEARTBEAT = 20, 21, 22, 23, 24
CLIENT_HELLO, CERTIFICATE, CERTIFICATE_VERIFY, KEY_EXCHANGE, FINISHED = 1, 11, 15, 16, 20
SERVER_HELLO, SERVER_KEY_EXCHANGE, CERTIFICATE_REQUEST, HELLO_DONE = 2, 12, 13, 14
SUITES = (0xc02b, 0xc02f)  # ECDHE with ECDSA or RSA, AES-128-GCM, SHA-256
GROUPS = b'\x00\x02\x00\x1d'
SCHEMES = b'\x00\x08\x04\x03\x08\x04\x04\x01\x02\x01'
EXTENSIONS = ((10, GROUPS), (11, b'\x01\x00'), (13, SCHEMES))


class Alert(Exception):
    """The server says what is wrong: (level, description)."""


class Closed(Exception):
    """The connection has ended without a word."""


def prf(secret, label, seed, length):
    """RFC 5246 5"""
    seed, out = label + seed, b''
    a = seed
    while len(out) < length:
        a = hmac.digest(secret, a, 'sha256')
        out += hmac.digest(secret, a + seed, 'sha256')
    return out[:length]


def vector(data, size):
    return len(data).to_bytes(size, 'big') + data


class RawTls:
    def __init__(self, address, timeout=30):
        self.socket = socket.create_connection(address, timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.random, self.server_random = os.urandom(32), None
        self.transcript, self.pending, self.received = b'', b'', b''
        self.key = X25519PrivateKey.generate()
        self.master = self.server_point = None
        self.out_key = self.in_key = None
        self.out_number = self.in_number = 0
        self.asked = False  # for a certificate

    def close(self):
        self.socket.close()

    # ---- records

    def raw(self, octets):
        try:
            self.socket.sendall(octets)
        except OSError as error:
            raise Closed() from error

    def sealed(self, kind, data, spoil=False):
        """What a record holds."""
        if not self.out_key:
            return data
        number = struct.pack('>Q', self.out_number)
        self.out_number += 1
        sealed = AESGCM(self.out_key[0]).encrypt(self.out_key[1] + number, data,
                                                 number + struct.pack('>BHH', kind, 0x0303, len(data)))
        return number + (sealed[:-1] + bytes([sealed[-1] ^ 1]) if spoil else sealed)

    def record(self, kind, data, version=0x0303, spoil=False):
        data = self.sealed(kind, data, spoil)
        self.raw(struct.pack('>BHH', kind, version, len(data)) + data)

    def read(self, count):
        while len(self.received) < count:
            try:
                more = self.socket.recv(65536)
            except ConnectionError as error:
                raise Closed() from error
            if not more:
                raise Closed()
            self.received += more
        out, self.received = self.received[:count], self.received[count:]
        return out

    def read_record(self):
        """(kind, what it holds); an alert is raised."""
        kind, _, length = struct.unpack('>BHH', self.read(5))
        data = self.read(length)
        if self.in_key:
            number = struct.pack('>Q', self.in_number)
            self.in_number += 1
            data = AESGCM(self.in_key[0]).decrypt(self.in_key[1] + data[:8], data[8:],
                                                  number + struct.pack('>BHH', kind, 0x0303, length - 24))
        if kind == ALERT:
            raise Alert(*data[:2])
        return kind, data

    # ---- the handshake

    def message(self, kind, body, note=True):
        """A handshake message, as octets."""
        message = bytes([kind]) + vector(body, 3)
        self.transcript += message if note else b''
        return message

    def say(self, kind, body, **options):
        self.record(HANDSHAKE, self.message(kind, body), **options)

    def hello_body(self, suites=SUITES, extensions=EXTENSIONS, version=0x0303, session=b'', compression=b'\0',
                   tail=None):
        packed = b''.join(struct.pack('>H', kind) + vector(data, 2) for kind, data in extensions)
        return (struct.pack('>H', version) + self.random + vector(session, 1) +
                vector(b''.join(struct.pack('>H', suite) for suite in suites), 2) + vector(compression, 1) +
                (vector(packed, 2) if tail is None else tail))

    def hello(self, **changes):
        self.say(CLIENT_HELLO, self.hello_body(**changes))

    def read_message(self):
        while len(self.pending) < 4 or len(self.pending) < 4 + int.from_bytes(self.pending[1:4], 'big'):
            kind, data = self.read_record()
            if kind != HANDSHAKE:
                raise AssertionError('a record of kind %d in a handshake' % kind)
            self.pending += data
        end = 4 + int.from_bytes(self.pending[1:4], 'big')
        message, self.pending = self.pending[:end], self.pending[end:]
        self.transcript += message
        return message[0], message[4:]

    def read_flight(self):
        """All that the server says to a hello."""
        kind = None
        while kind != HELLO_DONE:
            kind, body = self.read_message()
            if kind == SERVER_HELLO:
                self.server_random = body[2:34]
            elif kind == SERVER_KEY_EXCHANGE:
                self.server_point = body[4:4 + body[3]]
            self.asked |= kind == CERTIFICATE_REQUEST

    def derive(self):
        secret = self.key.exchange(X25519PublicKey.from_public_bytes(self.server_point))
        self.master = prf(secret, b'master secret', self.random + self.server_random, 48)

    def point(self):
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def key_exchange(self, point=None):
        self.derive()
        self.say(KEY_EXCHANGE, vector(self.point() if point is None else point, 1))

    def keys(self):
        block = prf(self.master, b'key expansion', self.server_random + self.random, 40)
        return (block[:16], block[32:36]), (block[16:32], block[36:40])

    def change_cipher(self):
        self.record(CHANGE_CIPHER, b'\x01')
        self.out_key, self.out_number = self.keys()[0], 0

    def verify_data(self, label=b'client finished'):
        return prf(self.master, label, hashlib.sha256(self.transcript).digest(), 12)

    def finished(self, verify=None):
        self.say(FINISHED, self.verify_data() if verify is None else verify)

    def end_handshake(self):
        """The server's last flight."""
        kind = HANDSHAKE
        while kind != CHANGE_CIPHER:
            kind, _ = self.read_record()  # a ticket, perhaps: none is asked for
        self.in_key = self.keys()[1]
        expected = self.verify_data(b'server finished')
        kind, body = self.read_message()
        assert (kind, body) == (FINISHED, expected), 'the server\'s Finished'

    def shake_hands(self):
        self.hello()
        self.read_flight()
        if self.asked:
            self.say(CERTIFICATE, vector(b'', 3))
        self.key_exchange()
        self.change_cipher()
        self.finished()
        self.end_handshake()

    # ---- behind it

    def line(self, text=None):
        """Says a line, and returns what is replied, as one record."""
        if text is not None:
            self.record(DATA, text + b'\r\n')
        kind, data = self.read_record()
        assert kind == DATA, 'a record of kind %d' % kind
        return data.decode()
