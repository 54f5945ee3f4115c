#!/usr/bin/python3
"""tests/e2e/test_raw_tls13.py - as test_raw_tls.py, for TLS 1.3: hellos that lie, are repeated or never good enough,
data before its time, records that are too long or hold nothing, and floods of whatever costs a server more than its
client (RELIABILITY STL-04, STL-08, DOS-03).

Not here, as wolfSSL 5.5.4 does not mind: a second hello with another suite or group than was asked for, and one without
signature_algorithms. Each makes a whole handshake, and a session that is as safe.
"""

import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import test_raw_tls  # noqa: E402
from harness import case, check  # noqa: E402
from raw_tls import ALERT, CERTIFICATE, CHANGE_CIPHER, CLIENT_HELLO, DATA, FINISHED, HANDSHAKE, vector  # noqa: E402
from raw_tls13 import ENCRYPTED_EXTENSIONS, KEY_UPDATE, NEW_TICKET, SUITE, RawTls13  # noqa: E402
from test_tls_in import Place  # noqa: E402

harness.cases.clear()
test_raw_tls.RawTls = RawTls13  # whom outcome() and refused() use
outcome, refused = test_raw_tls.outcome, test_raw_tls.refused


def hello_of(extensions=None, **changes):
    """`extensions`: made of the client."""
    def scenario(raw):
        raw.hello13(extensions=extensions and extensions(raw), **changes)
        raw.read_flight()
        raw.finished()
    return scenario


def behind_hello(octets):
    """Said in clear, behind a good hello and the server's flight."""
    def scenario(raw):
        raw.hello13()
        raw.read_flight()
        raw.raw(octets)
    return scenario


def behind(say):
    """Behind a whole handshake, and the greeting."""
    def scenario(raw):
        raw.shake_hands()
        check(raw.line().startswith('220 '), 'greeting')
        say(raw)
    return scenario


def times(count, say):
    def scenario(raw):
        for _ in range(count):
            say(raw)
        raw.record(DATA, b'NOOP\r\n')
    return scenario


@case
def conversations():
    """What is legal and odd."""
    with Place() as place:
        def in_pieces(size):
            def scenario(raw):
                octets = raw.message(CLIENT_HELLO, raw.hello_body(suites=(SUITE,), extensions=raw.extensions()))
                for at in range(0, len(octets), size):
                    raw.record(HANDSHAKE, octets[at:at + size], version=0x0301)
                raw.read_flight()
                raw.finished()
            return scenario

        def retried(raw):
            raw.hello13(extensions=raw.extensions(shares=b''))
            check(raw.read_hello(), 'no other hello is wanted')
            hello_of()(raw)

        def changes_ciphers(raw):
            raw.hello13()
            raw.record(CHANGE_CIPHER, b'\x01')
            raw.read_flight()
            raw.finished()
        scenarios = {
            'a hello in pieces of 5': in_pieces(5), 'of 100': in_pieces(100), 'a hello that is asked for': retried,
            'an unknown extension': hello_of(lambda raw: raw.extensions(more=((0xfafa, b'x' * 300), (0x0a0a, b'')))),
            'unknown versions': hello_of(lambda raw: raw.extensions(versions=b'\x7f\x1c\x03\x04\x0a\x0a')),
            'an unknown group': hello_of(lambda raw: raw.extensions(
                groups=b'\x0a\x0a\x00\x1d', shares=raw.share(0x0a0a, b'x') + raw.share())),
            'a change of ciphers': changes_ciphers,
            'empty data': behind(times(5, lambda raw: raw.record(DATA, b''))),
            'padded data': behind(times(1, lambda raw: raw.record(DATA, b'', padding=3000))),
            'new keys': behind(times(3, lambda raw: raw.update())),
            'new keys on both sides': behind(times(3, lambda raw: raw.update(request=1)))}
        for name, scenario in scenarios.items():
            found = outcome(place.address('implicit'), scenario)
            check(found[0] == 'reply' and found[1][:4] in ('220 ', '250 '), '%s: %s', name, found)
        place.relay.terminate()


@case
def hellos():
    def never_good_enough(raw):
        for _ in range(3):
            raw.hello13(extensions=raw.extensions(shares=b''))
            raw.read_hello()

    def twice(raw):
        raw.hello13()
        raw.read_flight()
        raw.out_key = None
        raw.hello13()
    with Place() as place:
        refused(place, {
            'asked for again and again': never_good_enough, 'two of them': twice,
            'no version': hello_of(lambda raw: raw.extensions(versions=b'')),
            'half a version': hello_of(lambda raw: raw.extensions(versions=b'\x03')),
            'an old version alone': hello_of(lambda raw: raw.extensions(versions=b'\x03\x00')),
            'no group': hello_of(lambda raw: raw.extensions(groups=b'')),
            'a key that is none': hello_of(lambda raw: raw.extensions(shares=raw.share(point=b'\0' * 32))),
            'a short key': hello_of(lambda raw: raw.extensions(shares=raw.share(point=b'x' * 31))),
            'a share that is cut': hello_of(lambda raw: raw.extensions(shares=b'\x00\x1d\x00\x20')),
            'no shares': hello_of(lambda raw: raw.extensions()[:3]),
            'a foreign suite': hello_of(suites=(0x13ff,)),
            'a ticket that is not last': hello_of(lambda raw: ((41, b'\0' * 40),) + raw.extensions()),
            'compression': hello_of(compression=b'\x01'),
            'cut off...': lambda raw: (raw.record(HANDSHAKE, b'\x01\x00\x02\x00' + b'\x03\x03' + b'x' * 100),
                                       raw.read_flight())})
        place.relay.terminate()


@case
def handshakes():
    def with_finished(say):
        def scenario(raw):
            raw.hello13()
            raw.read_flight()
            say(raw)
        return scenario
    with Place() as place:
        refused(place, {
            'data in clear': behind_hello(struct.pack('>BHH', DATA, 0x0303, 6) + b'NOOP\r\n'),
            'data that was never offered': lambda raw: (
                raw.hello13(), raw.raw(struct.pack('>BHH', DATA, 0x0303, 40) + b'x' * 40), raw.read_flight(),
                raw.finished()),
            'data before the end': with_finished(lambda raw: raw.record(DATA, b'NOOP\r\n')),
            'a wrong end': with_finished(lambda raw: raw.finished(b'x' * 32)),
            'a short end': with_finished(lambda raw: raw.finished(b'x' * 31)),
            'an empty end': with_finished(lambda raw: raw.finished(b'')),
            'an end in clear': behind_hello(struct.pack('>BHH', HANDSHAKE, 0x0303, 36) + b'\x14\0\0\x20' + b'x' * 32),
            'what servers say': with_finished(lambda raw: raw.say(ENCRYPTED_EXTENSIONS, b'\0\0')),
            'a certificate nobody asked for...': with_finished(lambda raw: raw.say(CERTIFICATE, b'\0\0\0\0')),
            'new keys before the end...': with_finished(lambda raw: raw.update()),
            'a spoilt record': with_finished(lambda raw: raw.record(HANDSHAKE, b'\x14\0\0\x20' + b'x' * 32,
                                                                     spoil=True)),
            'ciphers changed to something else': behind_hello(b'\x14\x03\x03\x00\x01\x02'),
            'ciphers changed twice in a record': behind_hello(b'\x14\x03\x03\x00\x02\x01\x01'),
            'ciphers changed for ever': behind_hello(b'\x14\x03\x03\x00\x01\x01' * 2000),
            'an empty record': behind_hello(b'\x16\x03\x03\x00\x00'),
            'an alert that is cut': behind_hello(b'\x15\x03\x03\x00\x01\x01'),
            'a record of an unknown kind': behind_hello(b'\x63\x03\x03\x00\x01\x01')})
        place.relay.terminate()


@case
def behind_the_handshake():
    """DOS-03: what costs us and brings nothing ends the session; what is wrong does at once."""
    def too_long(length):
        return behind(lambda raw: raw.raw(struct.pack('>BHH', DATA, 0x0303, length) + b'x' * length))
    with Place() as place:
        refused(place, {
            'new keys without end': behind(times(500, lambda raw: raw.update())),
            'new keys on both sides without end': behind(times(500, lambda raw: raw.update(request=1))),
            'empty data without end': behind(times(500, lambda raw: raw.record(DATA, b''))),
            'warnings without end': behind(times(500, lambda raw: raw.record(ALERT, b'\x01\x5a'))),
            'ciphers changed': behind(times(1, lambda raw: raw.record(CHANGE_CIPHER, b'\x01'))),
            'new keys of a kind that is none': behind(times(1, lambda raw: raw.update(request=2))),
            'new keys and more in a record': behind(times(1, lambda raw: raw.update(behind=b'\x18\0\0\x01\0'))),
            'half of new keys, then data': behind(times(1, lambda raw: raw.record(HANDSHAKE, b'\x18\0\0'))),
            'a record without a kind': behind(times(1, lambda raw: raw.record(None, b'', padding=10))),
            'an empty handshake record': behind(times(1, lambda raw: raw.record(HANDSHAKE, b''))),
            'an empty alert': behind(times(1, lambda raw: raw.record(ALERT, b''))),
            'a fatal alert': behind(times(1, lambda raw: raw.record(ALERT, b'\x02\x28'))),
            'another hello': behind(times(1, lambda raw: raw.record(
                HANDSHAKE, b'\x01' + vector(raw.hello_body(), 3)))),
            'another end': behind(times(1, lambda raw: raw.record(
                HANDSHAKE, bytes([FINISHED]) + vector(b'x' * 32, 3)))),
            'a ticket': behind(times(1, lambda raw: raw.record(
                HANDSHAKE, bytes([NEW_TICKET]) + vector(b'x' * 50, 3)))),
            'a message without end': behind(times(1, lambda raw: raw.record(
                HANDSHAKE, bytes([KEY_UPDATE]) + b'\xff\xff\xff' + b'x' * 1000))),
            'a plaintext that is too long': behind(lambda raw: raw.record(DATA, b'x' * 16385)),
            'a record that is too long': too_long(16384 + 257), 'one as long as can be said': too_long(65535),
            'data in clear': behind(lambda raw: raw.raw(b'\x17\x03\x03\x00\x06NOOP\r\n')),
            'a record too short for a tag': behind(lambda raw: raw.raw(b'\x17\x03\x03\x00\x08' + b'x' * 8)),
            'a spoilt tag': behind(lambda raw: raw.record(DATA, b'NOOP\r\n', spoil=True))})
        place.relay.terminate()


if __name__ == '__main__':
    harness.main(together=3)
