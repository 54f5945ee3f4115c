#!/usr/bin/python3
"""tests/e2e/test_names.py - next hops by name: name servers that are slow, silent, wrong, or say no."""

import os
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from basics import eventually  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, free_port  # noqa: E402
from name_server import (A, AAAA, CNAME, EMPTY, NXDOMAIN, REFUSED, SERVFAIL, SILENT, TRUNCATED, WRONG,  # noqa: E402
                         NameServer, Raw, labels, record)


def send(relay, count=1, recipient='recipient@example.com'):
    with Client(relay.address) as client:
        client.hello()
        for _ in range(count):
            client.envelope(recipients=[recipient])
            client.data(b'Subject: a name\r\n\r\ntext\r\n')


def arrived(hop, count, timeout=60):
    eventually(lambda: len(hop.arrivals) >= count, '%d messages at the next hop' % count, timeout)


def configuration(work, hop, server, name='mail.example.org', **changes):
    return work.configuration(['%s:%d' % (name, hop.port)], dns={'servers': [server.address]}, **changes)


def reasons(relay):
    return [event['reason'] for event in relay.events('host_failed')]


def delivered(names, name='mail.example.org', **changes):
    """With these names, mail arrives; returns the name server."""
    with Workspace() as work:
        server, hop = work.own(NameServer(names, **changes)), work.own(NextHop())
        relay = work.relay(configuration(work, hop, server, name))
        send(relay, 3)
        arrived(hop, 3)
        equal(reasons(relay), [], 'host_failed')
        relay.terminate()
        return server


@case
def both_kinds_of_address():
    server = delivered({'mail.example.org': ['127.0.0.1']})
    check(server.asked('mail.example.org', A) and server.asked('mail.example.org', AAAA), server.questions)
    # Nobody is at ::1, and the other address is tried at once.
    with Workspace() as work:
        server, hop = work.own(NameServer({'mail.example.org': ['::1', '127.0.0.1']})), work.own(NextHop())
        relay = work.relay(configuration(work, hop, server))
        send(relay)
        arrived(hop, 1)


@case
def loopback_names_need_no_server():
    with Workspace() as work:
        server, hop = work.own(NameServer({})), work.own(NextHop())
        relay = work.relay(configuration(work, hop, server, 'localhost'))
        send(relay)
        arrived(hop, 1)
        equal(server.questions, [], 'questions')


@case
def a_slow_server():
    delivered({'mail.example.org': ['127.0.0.1']}, delay=2)


@case
def a_server_that_drops_questions_for_ipv6():
    delivered({'mail.example.org': lambda kind, tcp: SILENT if kind == AAAA else ['127.0.0.1']})


@case
def a_truncated_answer():
    server = delivered({'mail.example.org': lambda kind, tcp: ['127.0.0.1'] if tcp else TRUNCATED})
    check(server.asked('mail.example.org', A, True), server.questions)


@case
def wrong_answers():
    """Other questions' answers, other numbers, noise: they are passed over, and a right one counts."""
    tries = []

    def answer(kind, tcp):
        tries.append(kind)
        return WRONG if tries.count(kind) < 2 else ['127.0.0.1'] if kind == A else EMPTY

    delivered({'mail.example.org': answer})


def alias_of(name):
    return Raw(lambda kind, ttl: (1, record(CNAME, ttl, labels(name))))


@case
def a_chain_of_aliases_to_many_addresses():
    """Good for 68 years; only one of the addresses is right."""
    delivered({'mail.example.org': alias_of('a.example.net'), 'a.example.net': alias_of('b.example.net'),
               'b.example.net': ['127.0.0.%d' % (1 + i) for i in range(12)]}, ttl=0x7fffffff)


@case
def answers_that_lie():
    """Aliases in a circle, a name that points at itself, lengths that go beyond the packet, addresses of five octets:
    hosts without an address, and the next one gets the mail (DNS-01)."""
    at = 12 + len(labels('self.example.org')) + 4 + 12  # where the alias itself is
    pointer = Raw(lambda kind, ttl: (1, record(CNAME, ttl, bytes([0xc0, at]))))
    beyond = Raw(lambda kind, ttl: (1, struct.pack('>HHHIH', 0xc00c, kind, 1, ttl, 4000) + b'\x7f\0\0\1'))
    more = Raw(lambda kind, ttl: (200, record(A, ttl, b'\x7f\0\0\1') if kind == A else b''))
    five = Raw(lambda kind, ttl: (1, record(kind, ttl, b'\x7f\0\0\1\1')))
    lies = {'alias': alias_of('alias.example.org'), 'self': pointer, 'beyond': beyond, 'more': more, 'five': five}
    with Workspace() as work:
        names = {name + '.example.org': lie for name, lie in lies.items()}
        names['mail.example.org'] = ['127.0.0.1']
        server, hop = work.own(NameServer(names)), work.own(NextHop())
        hosts = ['%s.example.org:1' % name for name in lies] + ['mail.example.org:%d' % hop.port]
        relay = work.relay(work.configuration(hosts, dns={'servers': [server.address]}))
        send(relay)
        arrived(hop, 1, 200)
        relay.terminate()


def refused(found, reason):
    """Mail waits, the reason is told; and when the server knows better, it flows."""
    with Workspace() as work:
        names = {'mail.example.org': found}
        server, hop = work.own(NameServer(names, ttl=1)), work.own(NextHop())
        relay = work.relay(configuration(work, hop, server))
        send(relay)
        eventually(lambda: reasons(relay), 'host_failed', 60)
        equal(reasons(relay)[0], 'its name has no address: ' + reason.replace('SERVERS', '127.0.0.1@%d' % server.port),
              'reason')
        names['mail.example.org'] = ['127.0.0.1']
        arrived(hop, 1, 120)


@case
def no_such_name():
    refused(NXDOMAIN, 'there is no such name (NXDOMAIN)')


@case
def a_name_without_address():
    refused(EMPTY, 'the name exists, but has no address')


@case
def a_server_that_fails():
    refused(SERVFAIL, 'the name servers answer SERVFAIL (asked: SERVERS)')


@case
def a_server_that_refuses():
    """The library does not say which way they fail."""
    refused(REFUSED, 'the name servers answer SERVFAIL (asked: SERVERS)')


@case
def a_silent_server():
    refused(SILENT, 'no name server has answered (asked: SERVERS)')


@case
def the_end_waits_for_no_answer():
    with Workspace() as work:
        server, hop = work.own(NameServer({'mail.example.org': SILENT})), work.own(NextHop())
        relay = work.relay(configuration(work, hop, server))
        send(relay)
        eventually(lambda: server.asked('mail.example.org'), 'a question', 60)
        before = time.monotonic()
        relay.terminate()
        check(time.monotonic() - before < 8, 'it took %.1f s' % (time.monotonic() - before))


def two_addresses(work):
    """A next hop, and a socket at another address with its port."""
    hop, other = work.own(NextHop()), socket.socket()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    other.bind(('127.0.0.2', hop.port))
    return hop, other


@case
def a_name_that_moves():
    """An answer is good for its TTL (at least ten seconds); the old address is not used for long."""
    with Workspace() as work:
        names = {'mail.example.org': ['127.0.0.1']}
        server = work.own(NameServer(names, ttl=10))
        old, new = two_addresses(work)
        new.listen(5)
        relay = work.relay(configuration(work, old, server, destination_limits={'messages_per_connection': 1}))
        send(relay)
        arrived(old, 1)
        asked = server.asked('mail.example.org', A)
        send(relay, 3)
        arrived(old, 4)
        equal(server.asked('mail.example.org', A), asked, 'questions within the TTL')
        names['mail.example.org'] = ['127.0.0.2']
        new.settimeout(0.2)
        deadline = time.monotonic() + 60
        found = False
        while not found and time.monotonic() < deadline:
            send(relay)
            try:
                new.accept()[0].close()
                found = True
            except socket.timeout:
                pass
        check(found, 'the new address was never used')
        new.close()


@case
def an_answer_that_cannot_be_renewed_stays():
    with Workspace() as work:
        names = {'mail.example.org': ['127.0.0.1']}
        server, hop = work.own(NameServer(names, ttl=1)), work.own(NextHop())
        relay = work.relay(configuration(work, hop, server, destination_limits={'messages_per_connection': 1}))
        send(relay)
        arrived(hop, 1)
        names['mail.example.org'] = SERVFAIL
        asked, count = server.asked('mail.example.org', A), 1
        while server.asked('mail.example.org', A) == asked and count < 300:
            send(relay)
            count += 1
            arrived(hop, count)
            time.sleep(0.1)
        check(server.asked('mail.example.org', A) > asked, 'it was not asked for again')
        send(relay, 3)
        arrived(hop, count + 3)
        equal(reasons(relay), [], 'host_failed')


@case
def the_order_of_hosts_is_kept():
    """The second host is not used because the first one's name takes a moment."""
    with Workspace() as work:
        server = work.own(NameServer({'mail.example.org': ['127.0.0.1']}, delay=0.2))
        first, second = work.own(NextHop()), work.own(NextHop())
        relay = work.relay(work.configuration(['mail.example.org:%d' % first.port, '127.0.0.1:%d' % second.port],
                                              dns={'servers': [server.address]}))
        send(relay, 5)
        arrived(first, 5)
        equal(len(second.arrivals), 0, 'messages at the second host')


@case
def a_silent_name_does_not_keep_the_others():
    with Workspace() as work:
        server = work.own(NameServer({'mail.example.org': ['127.0.0.1'], 'silent.example.org': SILENT}))
        hop = work.own(NextHop())
        wanted = work.configuration(['silent.example.org:%d' % free_port(), '127.0.0.1:%d' % hop.port],
                                    dns={'servers': [server.address]})
        wanted['destinations'].append(dict(wanted['destinations'][0], name='other',
                                           hosts=['mail.example.org:%d' % hop.port]))
        wanted['routes'] = [{'recipient': '*@other.example', 'destination': 'other'}, {'destination': 'next-hop'}]
        relay = work.relay(wanted)
        send(relay)
        send(relay, 2, 'recipient@other.example')
        arrived(hop, 3)


def with_files(work):
    """A prefix: the program has the workspace's hosts and resolv.conf in /etc."""
    script = 'set -e; cd "$1"; shift; for f in hosts resolv.conf; do mount --bind $f /etc/$f; done; exec "$@"'
    return ['unshare', '--mount', 'sh', '-c', script, 'sh', work.directory]


@case
def the_files_of_the_system():
    """resolv.conf with its search list, hosts, and that both are read again: names that failed are found then."""
    with Workspace() as work:
        work.write('hosts', '127.0.0.1 localhost\n')
        work.write('resolv.conf', 'nameserver 127.0.0.59\n')
        if subprocess.run([*with_files(work), 'true'], capture_output=True).returncode != 0:
            return 'not root, no mount namespaces, or no resolv.conf here: nothing is tried'
        try:
            server = work.own(NameServer({'mail.office.example': ['127.0.0.1']}, host='127.0.0.58', port=53))
        except OSError:
            return 'port 53 cannot be had here: nothing is tried'
        first, second = work.own(NextHop()), work.own(NextHop())
        wanted = work.configuration(['mail:%d' % first.port])
        wanted['destinations'].append(dict(wanted['destinations'][0], name='other', hosts=['scanner:%d' % second.port]))
        wanted['routes'] = [{'recipient': '*@other.example', 'destination': 'other'}, {'destination': 'next-hop'}]
        relay = work.relay(wanted, prefix=with_files(work))
        send(relay)
        send(relay, 1, 'recipient@other.example')
        eventually(lambda: len(reasons(relay)) >= 2, 'host_failed', 60)
        check('127.0.0.59' in reasons(relay)[0], reasons(relay))
        # In place: what is mounted is the file, not its name.
        for name, text in (('resolv.conf', 'nameserver 127.0.0.58\nsearch none.example office.example\n'),
                           ('hosts', '127.0.0.1 localhost\n127.0.0.1 scanner\n')):
            with open(work.path(name), 'w') as f:
                f.write(text)
        arrived(first, 1, 120)
        arrived(second, 1, 120)
        check(server.asked('mail.none.example') and not server.asked('mail'), server.questions)
    return None


@case
def a_thousand_names_at_once():
    """250 destinations whose first three hosts do not exist."""
    with Workspace() as work:
        server = work.own(NameServer({'mail%d.example.org' % i: ['127.0.0.1'] for i in range(250)}))
        hop = work.own(NextHop())
        wanted = work.configuration(['mail.example.org:25'], dns={'servers': [server.address]}, shards=1)
        one = wanted['destinations'][0]
        hosts = [['no%d-%d.example.org:25' % (i, n) for n in range(3)] + ['mail%d.example.org:%d' % (i, hop.port)]
                 for i in range(250)]
        wanted['destinations'] = [dict(one, name='d%d' % i, hosts=hosts[i], limits={'connections': 1})
                                  for i in range(250)]
        wanted['routes'] = [{'recipient': '*@d%d.example' % i, 'destination': 'd%d' % i} for i in range(250)]
        relay = work.relay(wanted)
        with Client(relay.address) as client:
            client.hello()
            for i in range(250):
                client.envelope(recipients=['recipient@d%d.example' % i])
                client.data(b'Subject: one of many\r\n\r\ntext\r\n')
        arrived(hop, 250, 120)
        check(len({name for name, _, _ in server.questions}) == 1000, 'names asked for')
        relay.terminate()


if __name__ == '__main__':
    harness.main(together=4)
