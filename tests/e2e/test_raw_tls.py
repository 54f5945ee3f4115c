#!/usr/bin/python3
"""tests/e2e/test_raw_tls.py - handshakes as no library makes them: messages that are missing, doubled, early, in the
wrong order, cut, too long, or lie (RELIABILITY STL-04, STL-08, CRT-02).

The scenarios are those that tlsfuzzer has for TLS 1.2, rebuilt with raw_tls.py. Whatever comes, the server says an
alert or closes, and no octet of SMTP; who has no key for a certificate is not whom it names; and others are served.
"""

import os
import socket
import ssl
import struct
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import case, check, equal, eventually  # noqa: E402
from raw_tls import (ALERT, CERTIFICATE, CERTIFICATE_VERIFY, CHANGE_CIPHER, CLIENT_HELLO, DATA,  # noqa: E402
                     EXTENSIONS, HANDSHAKE, HEARTBEAT, KEY_EXCHANGE, SUITES, Alert, Closed, RawTls, vector)
from test_tls_in import Place, certificates, fingerprint  # noqa: E402

harness.cases.clear()


def outcome(address, scenario, seconds=60):
    """How it ends: ('alert', number), ('closed',), ('waits',) after so long, or ('reply', text)."""
    raw = RawTls(address, timeout=seconds)
    try:
        scenario(raw)
        return ('reply', raw.line())
    except Alert as alert:
        return ('alert', alert.args[1])
    except Closed:
        return ('closed',)
    except socket.timeout:
        return ('waits',)
    finally:
        raw.close()


def refused(place, scenarios, mode='implicit'):
    """Each ends, or waits for what has not come ("..."); and nothing of SMTP is said. Then somebody is served."""
    for name, scenario in scenarios.items():
        waits = name.endswith('...')
        found = outcome(place.address(mode), scenario, *([1] if waits else []))
        check(found[0] in ('alert', 'closed') + ('waits',) * waits, '%s: %s', name, found)
    raw = RawTls(place.address(mode))
    raw.shake_hands()
    check(raw.line().startswith('220 '), 'the next client')
    check(raw.line(b'NOOP').startswith('250 '), 'the next client')
    raw.close()


def begun(raw, **changes):
    raw.hello(**changes)
    raw.read_flight()
    return raw


def hello_in_pieces(raw, size):
    octets = raw.message(CLIENT_HELLO, raw.hello_body())
    for at in range(0, len(octets), size):
        raw.record(HANDSHAKE, octets[at:at + size], version=0x0301)


def hello_of(**changes):
    return lambda raw: (raw.hello(**changes), raw.read_flight())


def said(body):
    return lambda raw: (raw.say(CLIENT_HELLO, body(raw)), raw.read_flight())


def octets(text):
    return lambda raw: (raw.raw(text), raw.read_flight())


def extension(kind, data):
    return hello_of(extensions=EXTENSIONS + ((kind, data),))


@case
def conversations():
    """What is legal and odd: a hello in pieces and with all kinds of unknown things in it, empty records of data,
    pieces of lines."""
    with Place() as place:
        def cut(size):
            def scenario(raw):
                hello_in_pieces(raw, size)
                finish(raw)
            return scenario

        def finish(raw):
            raw.read_flight()
            raw.key_exchange()
            raw.change_cipher()
            raw.finished()
            raw.end_handshake()

        def unknown(raw):
            raw.hello(suites=(0x0a0a, 0x1301, 0xfafa) + SUITES + (0x00ff,), session=b's' * 32, compression=b'\x01\x00',
                      extensions=((0x0a0a, b''), (0xfafa, b'x' * 300)) + EXTENSIONS + ((21, b'\0' * 500),))
            finish(raw)

        def empty(raw):
            raw.shake_hands()
            for _ in range(5):
                raw.record(DATA, b'')

        def pieces(raw):
            raw.shake_hands()
            check(raw.line().startswith('220 '), 'greeting')
            for octet in b'NOOP\r':
                raw.record(DATA, bytes([octet]))
            raw.record(DATA, b'\n')
        for scenario in (cut(7), cut(100), unknown, empty, pieces):
            found = outcome(place.address('implicit'), scenario)
            check(found[0] == 'reply' and found[1][:4] in ('220 ', '250 '), '%s: %s', scenario.__name__, found)
        place.relay.terminate()


@case
def hellos_that_are_none():
    with Place() as place:
        lies = struct.pack('>HH', 10, 4) + b'\x00\x04\x00\x1d'
        refused(place, {
            'no suites': hello_of(suites=()),
            'no suite that there is': hello_of(suites=(0x0005, 0x000a, 0xc011)),
            'an odd number of octets of suites': said(lambda raw: b'\x03\x03' + raw.random + b'\0' +
                                                      vector(b'\xc0\x2b\xc0', 2) + b'\x01\x00'),
            'only compression': hello_of(compression=b'\x01'),
            'no compression method': hello_of(compression=b''),
            'a session of 33 octets': hello_of(session=b'x' * 33),
            'extensions that are cut': hello_of(tail=vector(struct.pack('>HH', 0, 100) + b'x', 2)),
            'extensions longer than the hello': hello_of(tail=b'\xff\xff'),
            'a list that is shorter than it says': hello_of(tail=vector(lies, 2)),
            # The library goes on with a group of its own choice, which such a client cannot follow.
            'groups that nobody has ...': hello_of(extensions=((10, b'\x00\x02\x7f\x7f'),) + EXTENSIONS[1:]),
            'SSL 3.0': hello_of(version=0x0300), 'TLS 1.0': hello_of(version=0x0301),
            'SSL 2.0': hello_of(version=0x0002), 'a version of 0': hello_of(version=0),
            'SNI without an end': extension(0, b'\x00\x10\x00\x00\x20mail'),
            'SSL 2.0\'s own': octets(b'\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10' + b'\x01\x00\x80' * 7 + b'x' * 16),
            'a hello of 16 MiB ...': octets(b'\x16\x03\x01\x00\x06\x01\xff\xff\xff\x03\x03'),
            'nothing': said(lambda raw: b''), 'the version alone': said(lambda raw: b'\x03\x03'),
            'cut in its random': said(lambda raw: b'\x03\x03' + b'x' * 20)})
        place.relay.terminate()


@case
def records_that_are_none():
    with Place() as place:
        def before(kind, data, **options):
            return lambda raw: (raw.record(kind, data, **options), raw.hello(), raw.read_flight(), raw.read_record())

        def behind(kind, data, **options):
            def scenario(raw):
                raw.shake_hands()
                check(raw.line().startswith('220 '), 'greeting')
                raw.record(kind, data, **options)
            return scenario
        refused(place, {
            'data before all': before(DATA, b'NOOP\r\n'), 'a heartbeat before all': before(HEARTBEAT, b'\x01\x40\x00'),
            'a kind that there is not': before(99, b'x'),
            # As TLS 1.3 allows it between messages; it changes nothing.
            'a change of ciphers before all ...': before(CHANGE_CIPHER, b'\x01'),
            'an empty handshake record': before(HANDSHAKE, b''),
            'longer than may be': octets(b'\x16\x03\x03\xff\xff' + b'\x01' * 65535),
            # A hundred records that bring nothing are a flood (tls/guard.c).
            'a hello octet by octet': lambda raw: (hello_in_pieces(raw, 1), raw.read_flight()),
            'a fatal alert': before(ALERT, b'\x02\x28'),
            'data between': lambda raw: (begun(raw), raw.record(DATA, b'NOOP\r\n'), raw.read_record()),
            'a spoilt record': behind(DATA, b'NOOP\r\n', spoil=True),
            'a heartbeat': behind(HEARTBEAT, b'\x01\x40\x00'), 'a kind that there is not, sealed': behind(99, b'x'),
            'another hello': behind(HANDSHAKE, b'\x01\x00\x00\x26\x03\x03' + b'x' * 32 + b'\0\0\0\0'),
            'a change of ciphers': behind(CHANGE_CIPHER, b'\x01'),
            'Finished again': behind(HANDSHAKE, b'\x14\x00\x00\x0c' + b'x' * 12)})
        # In clear, where it has to be sealed.
        for text in (b'\x17\x03\x03\x00\x06NOOP\r\n', b'\x15\x03\x03\x00\x02\x01\x00', b'NOOP\r\n'):
            raw = RawTls(place.address('implicit'))
            raw.shake_hands()
            raw.line()
            raw.raw(text)
            try:
                reply = raw.line()
            except (Alert, Closed):
                reply = None
            equal(reply, None, 'what is said to %r' % text)
            raw.close()
        place.relay.terminate()


@case
def messages_in_another_order():
    """Each may come once, in its place: never is a key used that both do not have (CVE-2014-0224 and its like)."""
    with Place() as place:
        def end(raw):
            raw.change_cipher()
            raw.finished()
            raw.end_handshake()

        def early_change(raw):
            begun(raw)
            raw.master = b'\0' * 48
            raw.change_cipher()
            raw.finished()
            raw.read_record()

        def twice(raw):
            begun(raw).key_exchange()
            raw.say(KEY_EXCHANGE, vector(raw.point(), 1))
            end(raw)

        def two_changes(raw):
            begun(raw).key_exchange()
            raw.record(CHANGE_CIPHER, b'\x01')
            end(raw)

        def no_change(raw):
            begun(raw).key_exchange()
            raw.finished()
            raw.read_record()

        def wrong(verify):
            def scenario(raw):
                begun(raw).key_exchange()
                raw.change_cipher()
                raw.finished(verify)
                raw.read_record()
            return scenario

        def no_exchange(raw):
            begun(raw).derive()
            end(raw)

        def data_first(raw):
            begun(raw).key_exchange()
            raw.change_cipher()
            raw.record(DATA, b'NOOP\r\n')
            raw.read_record()

        def hello_again(raw):
            begun(raw)
            raw.hello()
            raw.read_flight()

        def odd_change(octets):
            return lambda raw: (begun(raw).key_exchange(), raw.record(CHANGE_CIPHER, octets), raw.read_record())

        def server_message(kind):
            return lambda raw: (begun(raw), raw.say(kind, b''), raw.key_exchange(), end(raw))
        refused(place, {
            'a change of ciphers without keys': early_change, 'a key exchange twice': twice,
            'two changes of ciphers': two_changes, 'no change of ciphers': no_change,
            'Finished of zeros': wrong(b'\0' * 12), 'an empty Finished': wrong(b''),
            'a short Finished': wrong(b'x' * 11),
            'a long Finished': wrong(b'x' * 13), 'no key exchange': no_exchange, 'data before Finished': data_first,
            'a hello again': hello_again, 'an empty change of ciphers': odd_change(b''),
            'a change of ciphers that is none': odd_change(b'\x02'),
            'a long change of ciphers': odd_change(b'\x01\x01'),
            'a hello of a server': server_message(2),
            'a certificate\'s proof that was not asked for': server_message(CERTIFICATE_VERIFY),
            'a message that there is not': server_message(200)})
        place.relay.terminate()


@case
def points_that_are_none():
    with Place() as place:
        def exchange(point, whole=None):
            def scenario(raw):
                begun(raw).derive()
                raw.say(KEY_EXCHANGE, vector(point, 1) if whole is None else whole)
                raw.change_cipher()
                raw.finished()
                raw.end_handshake()
            return scenario
        refused(place, {
            'no point': exchange(b''), 'zeros': exchange(b'\0' * 32), 'one': exchange(b'\x01' + b'\0' * 31),
            'short': exchange(b'\x09' * 31), 'long': exchange(b'\x09' * 33),
            'of another group': exchange(b'\x04' + b'x' * 64), 'empty': exchange(None, b''),
            'longer than it says': exchange(None, b'\x20' + b'x' * 40),
            'shorter than it says': exchange(None, b'\xff' + b'x' * 32)})
        place.relay.terminate()


@case
def a_certificate_without_its_key_is_nobody():
    """Who shows a client's certificate has to prove that he has its key (RFC 5246 7.4.8), or there is no session."""
    asked = {'client_certificates': 'requested', 'ca_file': certificates.ca}
    with open(certificates.client, 'rb') as f, open(certificates.client_key, 'rb') as k:
        der = ssl.PEM_cert_to_DER_cert(f.read().decode())
        key = serialization.load_pem_private_key(k.read(), None)
    chain = vector(vector(der, 3), 3)

    def signature(raw):
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return b'\x04\x03' + vector(key.sign(raw.transcript, ec.ECDSA(hashes.SHA256())), 2)
        return b'\x04\x01' + vector(key.sign(raw.transcript, padding.PKCS1v15(), hashes.SHA256()), 2)

    def clear(raw):
        """Up to TLS."""
        for said, last in ((b'', b'220 '), (b'EHLO x\r\n', b'250 '), (b'STARTTLS\r\n', b'220 ')):
            raw.raw(said)
            line = b''
            while not line.endswith(b'\n') or not line.startswith(last):
                line = (b'' if line.endswith(b'\n') else line) + raw.read(1)

    def with_proof(proof, exchange_first=True, asked_for=True):
        def scenario(raw):
            begun(raw)
            equal(raw.asked, asked_for, 'a certificate is asked for')
            raw.say(CERTIFICATE, chain)
            if exchange_first:
                raw.key_exchange()
            said = proof(raw)
            if said is not None:
                raw.say(CERTIFICATE_VERIFY, said)
            if not exchange_first:
                raw.key_exchange()
            raw.change_cipher()
            raw.finished()
            raw.end_handshake()
        return scenario

    def spoilt(raw):
        good = signature(raw)
        return good[:-1] + bytes([good[-1] ^ 1])
    def of_something_else(raw):
        raw.transcript += b'x'
        proof = signature(raw)
        raw.transcript = raw.transcript[:-1]
        return proof
    with Place(implicit=asked) as place:
        equal(outcome(place.address('implicit'), with_proof(signature))[0], 'reply', 'with its key')
        eventually(lambda: place.relay.events('session'), 'the session')
        equal(place.relay.told('session')[0].get('certificate'), fingerprint(certificates.client), 'who it is')
        refused(place, {
            'no proof': with_proof(lambda raw: None), 'an empty one': with_proof(lambda raw: b''),
            'a spoilt one': with_proof(spoilt), 'of zeros': with_proof(lambda raw: b'\x04\x03' + vector(b'\0' * 64, 2)),
            'no octets of a signature': with_proof(lambda raw: b'\x04\x03\x00\x00'),
            'of something else': with_proof(of_something_else),
            'before the key exchange': with_proof(signature, exchange_first=False)})
        # Where none is asked for one that is shown is nobody's, whatever becomes of the handshake.
        for proof in (signature, lambda raw: None):
            outcome(place.address('required'), lambda raw: (clear(raw), with_proof(proof, asked_for=False)(raw),
                                                                  raw.record(DATA, b'NOOP\r\n')))
        place.relay.terminate()
        known = [event for event in place.relay.events('session') if event.get('certificate')]
        equal(len(known), 1, 'sessions of somebody')


if __name__ == '__main__':
    harness.main(together=3)
