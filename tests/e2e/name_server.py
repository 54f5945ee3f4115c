"""tests/e2e/name_server.py - a name server on loopback that answers as a test wants, by UDP and TCP.

    server = NameServer({'mail.example.org': ['127.0.0.1']})
    work.configuration(['mail.example.org:2525'], dns={'servers': [server.address]})

What a name stands for: a list of addresses, or one of the words below, a Raw, or a function of (kind, tcp) that
returns one of them; names that are not there do not exist. `ttl` is that of all answers, `delay` in seconds comes
before each. More questions than `limit` at a time are refused, as dnsmasq does.
"""

import socket
import struct
import threading
import time

from ports import free_port

NXDOMAIN, SERVFAIL, REFUSED, SILENT = 'NXDOMAIN', 'SERVFAIL', 'REFUSED', 'SILENT'
TRUNCATED = 'TRUNCATED'  # by UDP, without an answer: ask by TCP
WRONG = 'WRONG'  # answers that are none: of another question, with another number, cut, and noise
EMPTY = []

A, CNAME, AAAA, SOA, MX = 1, 5, 28, 6, 15
RCODES = {NXDOMAIN: 3, SERVFAIL: 2, REFUSED: 5}


def read_question(packet):
    """(number, name, kind, the question's octets)"""
    number, at, labels = struct.unpack('>H', packet[:2])[0], 12, []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode('ascii').lower())
        at += 1 + packet[at]
    return number, '.'.join(labels), struct.unpack('>H', packet[at + 1:at + 3])[0], packet[12:at + 5]


def record(kind, ttl, data):
    return struct.pack('>HHHIH', 0xc00c, kind, 1, ttl, len(data)) + data


def addresses_of(values, kind):
    family = {A: socket.AF_INET, AAAA: socket.AF_INET6}.get(kind)
    return [socket.inet_pton(family, value) for value in values
            if family and (':' in value) == (family == socket.AF_INET6)]


class Raw:
    """An answer with records of one's own, (count, octets) of (kind, ttl): name compression points at the question."""

    def __init__(self, records):
        self.records = records

    def packet(self, number, question, kind, ttl):
        count, octets = self.records(kind, ttl)
        return struct.pack('>HHHHHH', number, 0x8180, 1, count, 0, 0) + question + octets


class Exchangers(Raw):
    """(preference, host) each; '.' as host: a null MX. Other kinds of records the domain has none."""

    def __init__(self, *hosts):
        data = [struct.pack('>H', preference) + (b'\0' if host == '.' else labels(host)) for preference, host in hosts]
        super().__init__(lambda kind, ttl: (len(data), b''.join(record(MX, ttl, one) for one in data))
                         if kind == MX else (0, b''))


def labels(name):
    return b''.join(bytes([len(label)]) + label.encode() for label in name.split('.')) + b'\0'


class NameServer:
    def __init__(self, names, ttl=60, delay=0, host='127.0.0.1', port=0, limit=0):
        self.names, self.ttl, self.delay = names, ttl, delay
        self.limit, self.busy, self.refused, self.lock = limit, 0, 0, threading.Lock()
        self.questions = []  # (name, kind, by TCP)
        self.port = port or free_port()
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((host, self.port))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((host, self.port))
        self.tcp.listen(50)
        self.address = '%s:%d' % (host, self.port)
        for loop in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=loop, daemon=True).start()

    def close(self):
        for listener in (self.tcp, self.udp):
            listener.close()

    stop = kill = close

    def asked(self, name, kind=None, tcp=None):
        return sum(1 for each in self.questions
                   if each[0] == name and kind in (None, each[1]) and tcp in (None, each[2]))

    def answers(self, packet, tcp):
        """The packets to send."""
        number, name, kind, question = read_question(packet)
        self.questions.append((name, kind, tcp))
        with self.lock:
            full = self.limit and self.busy >= self.limit
            self.busy += not full
            self.refused += bool(full)
        if full:
            return [struct.pack('>HHHHHH', number, 0x8180 | RCODES[REFUSED], 1, 0, 0, 0) + question]
        try:
            return self.answers_to(number, name, kind, question, tcp)
        finally:
            with self.lock:
                self.busy -= 1

    def answers_to(self, number, name, kind, question, tcp):
        found = self.names.get(name, NXDOMAIN)
        if callable(found):
            found = found(kind, tcp)
        if self.delay:
            time.sleep(self.delay)
        if found is SILENT:
            return []
        if isinstance(found, Raw):
            return [found.packet(number, question, kind, self.ttl)]
        flags, records, authority = 0x8180, [], []
        if found == TRUNCATED:
            flags |= 0x0200
        elif found == WRONG:
            other = question.replace(b'\x04mail', b'\x04liam')
            data = record(A, self.ttl, socket.inet_aton('127.0.0.9'))
            header = struct.pack('>HHHHHH', number, flags, 1, 1, 0, 0)
            return [header + other + data, struct.pack('>H', number ^ 0x5a5a) + header[2:] + question + data,
                    packet[:7], b'\xff' * 40, struct.pack('>H', number) + b'\xff' * 30]
        elif isinstance(found, str):
            flags |= RCODES[found]
        else:
            records = [record(kind, self.ttl, data) for data in addresses_of(found, kind)]
        if not records and found in (NXDOMAIN, EMPTY):
            # RFC 2308: for how long that is so.
            authority = [record(SOA, self.ttl, b'\0\0' + struct.pack('>IIIII', 1, 60, 60, 60, self.ttl))]
        header = struct.pack('>HHHHHH', number, flags, 1, len(records), len(authority), 0)
        return [header + question + b''.join(records + authority)]

    def serve_udp(self):
        while True:
            try:
                packet, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            threading.Thread(target=self.answer_udp, args=(packet, peer), daemon=True).start()

    def answer_udp(self, packet, peer):
        for answer in self.answers(packet, False):
            try:
                self.udp.sendto(answer, peer)
            except OSError:
                return

    def serve_tcp(self):
        while True:
            try:
                connection = self.tcp.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.answer_tcp, args=(connection,), daemon=True).start()

    def answer_tcp(self, connection):
        with connection, connection.makefile('rb') as stream:
            while True:
                length = stream.read(2)
                if len(length) < 2:
                    return
                for answer in self.answers(stream.read(struct.unpack('>H', length)[0]), True):
                    connection.sendall(struct.pack('>H', len(answer)) + answer)
