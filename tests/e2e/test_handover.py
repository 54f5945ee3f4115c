#!/usr/bin/python3
"""tests/e2e/test_handover.py - restart without a gap: listening sockets outlive the process in the service manager's
descriptor store, and come to the next one with those who wait in them.

    tests/e2e/test_handover.py          all cases, with few restarts
    tests/e2e/test_handover.py 100      that many restarts under load
"""

import collections
import json
import os
import random
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (Certificates, Client, NextHop, Workspace, case, check, equal, eventually,  # noqa: E402
                     free_port, message)
from manager import Manager  # noqa: E402


def listener(port, name='lan', **more):
    return dict({'name': name, 'address': '127.0.0.1:%d' % port}, **more)


class Crowd:
    """Clients that each send one message after another, on a new connection each, and know what became of each."""

    def __init__(self, ports, clients=8, tls=None):
        self.ports, self.tls = ports, tls
        self.lock = threading.Lock()
        self.next = 0
        self.acknowledged, self.unknown = [], []
        self.told = collections.Counter()  # what else they met
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True) for number in range(clients)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(60)
            check(not thread.is_alive(), 'a client still waits')

    def run(self, number):
        while not self.ended.is_set():
            with self.lock:
                self.next += 1
                sequence = self.next
            while not self.attempt(self.ports[(number + sequence) % len(self.ports)], sequence):
                time.sleep(0.01)

    def attempt(self, port, sequence):
        """False: it was told to come again. What happens between the dot and its answer is unknown."""
        dot = False
        try:
            client = Client(('127.0.0.1', port), greeting=False)
        except OSError as error:
            self.count('refused: %s' % error)
            return False
        try:
            with client:
                for line in (None, 'EHLO client.example.net', 'MAIL FROM:<a@example.net>', 'RCPT TO:<b@example.com>',
                             'DATA'):
                    if line:
                        client.send(line + '\r\n')
                    reply = client.reply()
                    if reply is None:
                        self.count('closed' if line else 'closed without a greeting')
                        return False
                    if reply[0] == 421:
                        self.count('421')
                        return False
                    check(reply[0] in (220, 250, 354), 'to %s: %s', line, reply)
                dot = True
                client.send(message(sequence) + b'.\r\n')
                reply = client.reply()
                if reply and reply[0] == 250:
                    with self.lock:
                        self.acknowledged.append(sequence)
                elif reply is None:
                    with self.lock:
                        self.unknown.append(sequence)
                else:
                    return False
                return True
        except OSError as error:
            if dot:
                with self.lock:
                    self.unknown.append(sequence)
                return True
            self.count('closed: %s' % error)
            return False

    def count(self, what):
        with self.lock:
            self.told[what] += 1

    def refused(self):
        return {what: count for what, count in self.told.items() if what.startswith('refused')}


def restarts(rounds, killed, seed=None):
    """Restart after restart under load, each with another number of shards."""
    random.seed(seed)
    with Workspace() as work:
        hop, manager = work.own(NextHop()), work.own(Manager(work))
        ports = [free_port(), free_port()]
        configuration = work.configuration([hop.host], listeners=[listener(ports[0]), listener(ports[1], 'other')])
        relay = manager.start(configuration)
        crowd = work.own(Crowd(ports))
        taken = []
        for number in range(rounds):
            before = len(crowd.acknowledged)
            eventually(lambda: len(crowd.acknowledged) > before + 20, lambda: 'mail goes on: %s' % crowd.told)
            if killed:
                relay.kill()
            else:
                relay.terminate()
            time.sleep(random.random() / 20)
            configuration['shards'] = random.choice([1, 2, 3])
            relay = manager.start(configuration, 'relay-%d' % number)
            taken.append(relay.events('ready')[0]['sockets_taken_over'])
        crowd.stop()
        eventually(lambda: set(crowd.acknowledged) <= set(hop.sequences()),
                   lambda: 'lost: %s' % (set(crowd.acknowledged) - set(hop.sequences())))
        equal(crowd.refused(), {}, 'refused connections')
        check(min(taken) >= 2 and max(len(manager.names()), 2) <= 6, 'taken over: %s, kept: %s', taken, manager.names())
        if not killed:
            equal(crowd.unknown, [], 'dots without an answer')
            check(not [what for what in crowd.told if what.startswith('closed')], 'closed: %s', crowd.told)
            relay.terminate()
            twice = [s for s, count in collections.Counter(hop.sequences()).items() if count > 1]
            equal(twice, [], 'delivered twice')
        return '%d restarts (%s): %d messages acknowledged, 0 lost, 0 refused; met: %s' % (
            rounds, 'SIGKILL' if killed else 'SIGTERM', len(crowd.acknowledged), dict(crowd.told))


@case
def restart_under_load():
    """Nobody is refused and nothing is lost or doubled, whatever the number of shards becomes."""
    restarts(6, killed=False)


@case
def killed_under_load():
    """Sockets are kept from the start on: also of a process that has no time to say anything."""
    restarts(4, killed=True)


@case
def who_waits_is_served():
    """Connections that came while nobody ran have their turn, TLS or not, however many sockets there were."""
    with Workspace() as work:
        certificates = Certificates()
        hop, manager = work.own(NextHop()), work.own(Manager(work))
        ports = [free_port(), free_port()]
        configuration = work.configuration(
            [hop.host], shards=4,
            listeners=[listener(ports[0]), listener(ports[1], 'tls', tls='implicit')],
            tls_files={'certificates': [{'certificate': certificates.path('server.crt'),
                                         'private_key': certificates.path('server.key')}]})
        configuration['tls'] = configuration.pop('tls_files')
        relay = manager.start(configuration)
        equal(len(manager.names()), 8, 'kept')
        relay.terminate()
        waiting = [Client(('127.0.0.1', ports[0]), greeting=False) for _ in range(40)]
        secret = socket.create_connection(('127.0.0.1', ports[1]), 60)
        configuration['shards'] = 1
        relay = manager.start(configuration, 'next')
        equal(relay.events('ready')[0]['sockets_taken_over'], 8, 'taken over')
        for number, client in enumerate(waiting):
            with client:
                client.expect(220)
                client.hello()
                client.envelope()
                client.data(message(number))
        context = certificates.client_context()
        with context.wrap_socket(secret, server_hostname='localhost') as wrapped:
            check(wrapped.recv(100).startswith(b'220'), 'no greeting behind TLS')
        hop.wait_arrivals(40)
        relay.terminate()
        # More shards than sockets again: the others open theirs beside them.
        configuration['shards'] = 6
        relay = manager.start(configuration, 'third')
        equal(len(manager.names()), 12, 'kept')
        relay.terminate()


@case
def listeners_that_change():
    """What a reload or another configuration has no more, goes from the store, and can be had by others at once."""
    with Workspace() as work:
        hop, manager = work.own(NextHop()), work.own(Manager(work))
        ports = [free_port() for _ in range(3)]
        configuration = work.configuration([hop.host], listeners=[listener(ports[0]), listener(ports[1], 'other')])
        relay = manager.start(configuration)
        equal(manager.names(), sorted(2 * ['127.0.0.1_%d' % port for port in ports[:2]]), 'kept')
        configuration['listeners'] = [listener(ports[0]), listener(ports[2], 'third')]
        work.write('postrider.yaml', json.dumps(configuration))
        relay.signal(signal.SIGHUP)
        relay.told('reloaded')
        eventually(lambda: manager.names() == sorted(2 * ['127.0.0.1_%d' % port for port in (ports[0], ports[2])]),
                   lambda: str(manager.names()))
        relay.terminate()
        # The next one has another: what nobody listens on any more is told, and closed.
        configuration['listeners'] = [listener(ports[2], 'third')]
        relay = manager.start(configuration, 'next')
        equal(relay.events('ready')[0]['sockets_taken_over'], 2, 'taken over')
        equal({event['address'] for event in relay.events('socket_unused')}, {'127.0.0.1:%d' % ports[0]}, 'unused')
        equal(manager.names(), 2 * ['127.0.0.1_%d' % ports[2]], 'kept')
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(('127.0.0.1', ports[0]))
            free.listen(1)
        relay.terminate()


@case
def socket_unit():
    """A socket unit's is listened on by all shards and never handed in; one that takes IPv4 beside IPv6 is refused with
    a sentence; what is none is closed."""
    with Workspace() as work:
        hop, manager = work.own(NextHop()), work.own(Manager(work))
        unit = socket.create_server(('127.0.0.1', 0))
        unit.setblocking(False)
        port = unit.getsockname()[1]
        ends = socket.socketpair()
        manager.given = [('postrider.socket', os.dup(unit.fileno())), ('pair', os.dup(ends[0].fileno())),
                         ('again', os.dup(unit.fileno()))]
        unit.close()
        configuration = work.configuration([hop.host], shards=3, listeners=[listener(port)])
        for name in ('first', 'second'):
            relay = manager.start(configuration, name)
            equal((relay.events('ready')[0]['sockets_taken_over'], manager.names()), (1, []), 'taken over and kept')
            for number in range(12):
                with Client(('127.0.0.1', port)) as client:
                    client.hello()
                    client.envelope()
                    client.data(message(number))
            relay.terminate()
        check(collections.Counter(hop.sequences()) == {number: 2 for number in range(12)}, hop.sequences())
        both = socket.create_server(('::', 0), family=socket.AF_INET6, dualstack_ipv6=True)
        manager.given.append(('both', os.dup(both.fileno())))
        configuration['listeners'].append({'name': 'six', 'address': '[::]:%d' % both.getsockname()[1]})
        relay = manager.start(configuration, 'third', wait=False)
        equal(relay.wait(), 69, 'exit status')
        check('BindIPv6Only=ipv6-only' in relay.tail(), relay.tail())


@case
def a_store_that_takes_too_little():
    """What is not kept is refused as without a store; a manager that says how much it keeps is compared with."""
    with Workspace() as work:
        hop, manager = work.own(NextHop()), work.own(Manager(work, most=1))
        port = free_port()
        configuration = work.configuration([hop.host], listeners=[listener(port)])
        os.environ['FDSTORE'] = '1'
        try:
            relay = manager.start(configuration)
        finally:
            del os.environ['FDSTORE']
        equal(relay.told('sockets_not_kept')[0]['sockets'], 2, 'sockets')
        relay.terminate()
        relay = manager.start(configuration, 'next')
        equal(relay.events('ready')[0]['sockets_taken_over'], 1, 'taken over')
        with Client(('127.0.0.1', port)) as client:
            client.hello()
        relay.terminate()


@case
def a_store_that_has_one_of_each():
    """Of each address one is kept before a second of any, so that a store that takes too little closes none; a long
    address of IPv6 has a short name."""
    with Workspace() as work:
        hop, manager = work.own(NextHop()), work.own(Manager(work, most=3))
        ports = [free_port() for _ in range(3)]
        listeners = [listener(port, 'number-%d' % port) for port in ports]
        relay = manager.start(work.configuration([hop.host], listeners=listeners))
        equal(manager.names(), sorted('127.0.0.1_%d' % port for port in ports), 'kept')
        relay.terminate()
        relay = manager.start(work.configuration([hop.host], listeners=listeners), 'next')
        equal(relay.events('ready')[0]['sockets_taken_over'], 3, 'taken over')
        for port in ports:
            with Client(('127.0.0.1', port)) as client:
                client.hello()


@case
def a_store_that_is_gone():
    """What a reload opens and the store does not take is told, and listens all the same."""
    with Workspace() as work:
        hop, manager = work.own(NextHop()), work.own(Manager(work))
        ports = free_port(), free_port()
        relay = manager.start(work.configuration([hop.host], listeners=[listener(ports[0])]))
        equal(relay.events('sockets_not_kept'), [], 'at the start')
        os.unlink(work.path('notify'))
        work.write('postrider.yaml', json.dumps(work.configuration(
            [hop.host], listeners=[listener(ports[0]), listener(ports[1], 'second')])))
        relay.signal(signal.SIGHUP)
        relay.told('reloaded')
        equal(relay.told('sockets_not_kept')[0]['sockets'], 4, 'sockets')
        with Client(('127.0.0.1', ports[1])) as client:
            client.hello()


@case
def what_is_not_ours():
    """Variables that are another process's, or say nothing that has a meaning, hand over nothing."""
    with Workspace() as work:
        for number, said in enumerate([{'LISTEN_FDS': '1', 'LISTEN_PID': '1'}, {'LISTEN_FDS': '1'},
                                       {'LISTEN_FDS': '-1', 'LISTEN_PID': '1'}, {'LISTEN_FDS': 'x'},
                                       {'LISTEN_FDS': '99999999999999999999', 'LISTEN_PID': '1'}]):
            os.environ.update(said)
            try:
                relay = work.relay(work.configuration(['127.0.0.1:9']), 'relay-%d' % number)
            finally:
                for key in said:
                    del os.environ[key]
            equal(relay.events('ready')[0]['sockets_taken_over'], 0, 'taken over')
            relay.terminate()


if __name__ == '__main__':
    if sys.argv[1:] and sys.argv[1].isdigit():
        for each in (False, True):
            print(restarts(int(sys.argv[1]), each))
        sys.exit(0)
    harness.main()
