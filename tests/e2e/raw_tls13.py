"""tests/e2e/raw_tls13.py - as raw_tls.py, a client of TLS 1.3 (RFC 8446) that says each message by itself.

X25519, AES-128-GCM and SHA-256 only, without tickets. The server's certificate and signature are not looked at.
"""

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from raw_tls import ALERT, CHANGE_CIPHER, DATA, FINISHED, HANDSHAKE, SERVER_HELLO, Alert, RawTls, vector

NEW_TICKET, ENCRYPTED_EXTENSIONS, KEY_UPDATE, MESSAGE_HASH = 4, 8, 24, 254
GROUPS, SIGNATURES, VERSIONS, COOKIE, SHARE = 10, 13, 43, 44, 51
SUITE = 0x1301
RETRY = hashlib.sha256(b'HelloRetryRequest').digest()
NOTHING = hashlib.sha256(b'').digest()


def expand(secret, label, context, length):
    """RFC 8446 7.1"""
    info = struct.pack('>H', length) + vector(b'tls13 ' + label, 1) + vector(context, 1)
    out = block = b''
    while len(out) < length:
        block = hmac.digest(secret, block + info + bytes([len(out) // 32 + 1]), 'sha256')
        out += block
    return out[:length]


def keys_of(secret):
    return expand(secret, b'key', b'', 16), expand(secret, b'iv', b'', 12)


class RawTls13(RawTls):
    cookie = None  # what the server wants to see again in another hello

    def share(self, group=0x1d, point=None):
        return struct.pack('>H', group) + vector(self.point() if point is None else point, 2)

    def extensions(self, groups=b'\x00\x1d', shares=None, versions=b'\x03\x04', more=()):
        shares = self.share() if shares is None else shares
        cookie = ((COOKIE, self.cookie),) if self.cookie else ()
        return ((GROUPS, vector(groups, 2)), (SIGNATURES, vector(b'\x04\x03\x08\x04\x04\x01', 2)),
                (VERSIONS, vector(versions, 1)), (SHARE, vector(shares, 2))) + cookie + tuple(more)

    def hello13(self, suites=(SUITE,), extensions=None, **changes):
        body = self.hello_body(suites=suites, extensions=self.extensions() if extensions is None else extensions,
                               session=b's' * 32, **changes)
        self.say(1, body, version=0x0303 if self.transcript else 0x0301)

    # ---- records

    def sealed13(self, kind, data, padding=0, spoil=False):
        inner = data + (b'' if kind is None else bytes([kind])) + b'\0' * padding
        nonce = (int.from_bytes(self.out_key[1], 'big') ^ self.out_number).to_bytes(12, 'big')
        self.out_number += 1
        header = struct.pack('>BHH', DATA, 0x0303, len(inner) + 16)
        sealed = AESGCM(self.out_key[0]).encrypt(nonce, inner, header)
        return header + (sealed[:-1] + bytes([sealed[-1] ^ 1]) if spoil else sealed)

    def record(self, kind, data, version=0x0303, spoil=False, padding=0):
        if self.out_key and kind != CHANGE_CIPHER:
            self.raw(self.sealed13(kind, data, padding, spoil))
        else:
            self.raw(struct.pack('>BHH', kind, version, len(data)) + data)

    def read_record(self):
        while True:
            kind, version, length = struct.unpack('>BHH', self.read(5))
            data = self.read(length)
            if self.in_key and kind == DATA:
                nonce = (int.from_bytes(self.in_key[1], 'big') ^ self.in_number).to_bytes(12, 'big')
                self.in_number += 1
                inner = AESGCM(self.in_key[0]).decrypt(nonce, data, struct.pack('>BHH', kind, version, length))
                inner = inner.rstrip(b'\0')
                kind, data = inner[-1], inner[:-1]
            if kind == ALERT:
                raise Alert(*data[:2])
            if kind != CHANGE_CIPHER:
                return kind, data

    # ---- the handshake

    def hash(self):
        return hashlib.sha256(self.transcript).digest()

    def write_with(self, secret):
        self.out_secret, self.out_key, self.out_number = secret, keys_of(secret), 0

    def read_with(self, secret):
        self.in_secret, self.in_key, self.in_number = secret, keys_of(secret), 0

    def read_hello(self):
        """True: the server wants another one."""
        kind, body = self.read_message()
        assert kind == SERVER_HELLO, 'message %d' % kind
        at, extensions = 35 + body[34] + 3, {}
        last = at + 2 + int.from_bytes(body[at:at + 2], 'big')
        at += 2
        while at < last:
            number, length = struct.unpack('>HH', body[at:at + 4])
            extensions[number] = body[at + 4:at + 4 + length]
            at += 4 + length
        if body[2:34] == RETRY:
            self.cookie = extensions.get(COOKIE)
            end = len(self.transcript) - len(body) - 4
            first = hashlib.sha256(self.transcript[:end]).digest()
            self.transcript = bytes([MESSAGE_HASH]) + vector(first, 3) + self.transcript[end:]
            return True
        shared = self.key.exchange(X25519PublicKey.from_public_bytes(extensions[SHARE][4:]))
        early = hmac.digest(b'\0' * 32, b'\0' * 32, 'sha256')
        self.secret = hmac.digest(expand(early, b'derived', NOTHING, 32), shared, 'sha256')
        self.mine = expand(self.secret, b'c hs traffic', self.hash(), 32)
        self.its = expand(self.secret, b's hs traffic', self.hash(), 32)
        self.read_with(self.its)
        return False

    def read_flight(self):
        kind = None
        assert not self.read_hello(), 'another hello is wanted'
        while kind != FINISHED:
            kind, _ = self.read_message()
        master = hmac.digest(expand(self.secret, b'derived', NOTHING, 32), b'\0' * 32, 'sha256')
        self.later = [expand(master, label, self.hash(), 32) for label in (b'c ap traffic', b's ap traffic')]
        self.write_with(self.mine)
        self.read_with(self.later[1])

    def finished(self, verify=None):
        key = expand(self.mine, b'finished', b'', 32)
        self.say(FINISHED, hmac.digest(key, self.hash(), 'sha256') if verify is None else verify)
        self.write_with(self.later[0])

    def shake_hands(self):
        self.hello13()
        self.read_flight()
        self.finished()

    # ---- behind it

    def update(self, request=0, behind=b''):
        self.record(HANDSHAKE, bytes([KEY_UPDATE]) + vector(bytes([request]), 3) + behind)
        self.write_with(expand(self.out_secret, b'traffic upd', b'', 32))

    def line(self, text=None):
        if text is not None:
            self.record(DATA, text + b'\r\n')
        kind = HANDSHAKE
        while kind == HANDSHAKE:
            kind, data = self.read_record()
            if kind == HANDSHAKE and data[0] == KEY_UPDATE:
                self.read_with(expand(self.in_secret, b'traffic upd', b'', 32))
        assert kind == DATA, 'a record of kind %d' % kind
        return data.decode()
