#!/usr/bin/python3
"""tests/e2e/test_restart.py - a queue survives restarts: other numbers of shards, damage, a second process."""

import glob
import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (Certificates, Client, NextHop, Workspace, case, check, equal, eventually, free_port,  # noqa: E402
                     message)

QUIET = {'sessions': False, 'messages': False}


def fill(relay, sequences, size=2000):
    with Client(relay.address) as client:
        client.hello()
        for sequence in sequences:
            client.envelope()
            client.data(message(sequence, size))


def expect_all(relay, hop, sequences, timeout=60):
    hop.wait_arrivals(len(sequences), timeout)
    time.sleep(0.3)
    equal(sorted(hop.sequences()), sorted(sequences), 'messages that arrived')
    for arrival in hop.arrivals:
        check(arrival.original.startswith(b'From: <sender@example.net>\r\n'), 'altered: %r', arrival.original[:60])
    relay.terminate()


@case
def the_number_of_shards_changes():
    """1, then 3, then 2, with a full queue, clean stops and kills in between; everything arrives once."""
    messages = 3000
    with Workspace() as work:
        certificates = Certificates()
        port = free_port()

        def configuration(shards):
            return work.configuration(['127.0.0.1:%d' % port], shards=shards, log=QUIET, tls={
                'mode': 'verify', 'ca_file': certificates.ca, 'server_name': certificates.server_name})
        start = 1
        for number, (shards, kill) in enumerate(((1, False), (3, True), (2, False), (3, False), (1, True))):
            relay = work.relay(configuration(shards), 'run-%d' % number)
            # So many that each of three shards gets some (core/shard/load.h).
            source = work.source(relay.target, messages=messages, connections=160, size=3000, sequence_start=start,
                                 name='source-%d' % number)
            source.result()
            start += messages
            # Long enough for a first attempt to fail.
            time.sleep(0.3)
            if kill:
                relay.kill()
            else:
                relay.terminate()
        sink = work.sink(certificates, port=port)
        relay = work.relay(configuration(2), 'last')
        sink.wait_total(start - 1, 120)
        relay.terminate()
        counts = sink.received()
        equal(sorted(counts), list(range(1, start)), 'messages at the sink')
        twice = [n for n, times in counts.items() if times > 1]
        check(not twice, '%d came more than once, first %s', len(twice), twice[:5])
        # An empty queue stays empty.
        relay = work.relay(configuration(1), 'empty')
        time.sleep(1)
        relay.terminate()
        equal(sink.total(), start - 1, 'messages at the sink after another start')


@case
def large_messages_move_between_shards():
    """Messages of several records are moved whole when the number of shards changes."""
    with Workspace() as work:
        port = free_port()
        relay = work.relay(work.configuration(['127.0.0.1:%d' % port], shards=3))
        contents = {n: message(n, n * 150000) for n in range(1, 21)}
        with Client(relay.address) as client:
            client.hello()
            for content in contents.values():
                client.envelope()
                client.data(content)
        relay.kill()
        work.relay(work.configuration(['127.0.0.1:%d' % port], shards=1), 'moved').terminate()
        hop = work.own(NextHop(port=port))
        relay = work.relay(work.configuration([hop.host], shards=2), 'last')
        hop.wait_arrivals(20)
        for arrival in hop.arrivals:
            harness.same_octets(arrival.original, contents[arrival.sequence], 'message %d' % arrival.sequence)
        equal(sorted(hop.sequences()), sorted(contents), 'messages that arrived')
        relay.terminate()


@case
def a_second_process_is_refused():
    """SYS-04: one spool directory, one process; the second says so, changes nothing, and the first goes on."""
    with Workspace() as work:
        hop = work.own(NextHop())
        configuration = work.configuration([hop.host])
        relay = work.relay(configuration)
        second = work.relay(configuration, 'second', wait=False)
        code = second.wait()
        check(code not in (0, None) and code > 0, 'the second process ended with %s', code)
        text = ' '.join(second.lines)
        check('spool' in text and work.path('spool') in text, 'the message does not name the directory: %s', text)
        check(any(word in text for word in ('in use', 'another process', 'already', 'locked')), 'unclear: %s', text)
        fill(relay, range(1, 11))
        expect_all(relay, hop, range(1, 11))
        # After a kill the lock is no obstacle.
        relay = work.relay(configuration, 'third')
        relay.kill()
        relay = work.relay(configuration, 'fourth')
        relay.terminate()


@case
def a_second_relay_on_the_port_is_refused():
    """With a spool of its own it would get half of the connections; it says who has the port, and the first goes on."""
    with Workspace() as work:
        hop = work.own(NextHop())
        port = free_port()
        first = work.configuration([hop.host], listeners=[{'name': 'lan', 'address': '127.0.0.1:%d' % port}])
        relay = work.relay(first)
        for number, address in enumerate(('127.0.0.1:%d' % port, '0.0.0.0:%d' % port)):
            other = work.configuration([hop.host], listeners=[{'name': 'lan', 'address': address}])
            other['spool']['directory'] = work.path('other')
            second = work.relay(other, 'second-%d' % number, wait=False)
            equal(second.wait(), 69, 'exit status')
            text = ' '.join(second.lines)
            check('listener \\"lan\\" cannot listen on %s' % address in text, 'no word of the listener: %s', text)
            check('in use by postrider (pid %d)' % relay.process.pid in text, 'no word of who has it: %s', text)
        fill(relay, range(1, 11))
        hop.wait_arrivals(10)
        # Another one takes its place at once.
        relay.terminate()
        relay = work.relay(first, 'third')
        fill(relay, range(11, 21))
        expect_all(relay, hop, range(1, 21))


@case
def where_a_socket_may_have_no_filter():
    """Kernels may want CAP_NET_ADMIN for SO_ATTACH_FILTER: an ordinary user's relay starts there, too, and alone."""
    confined = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'confined.py'),
                'setsockopt', 'EPERM', 'a1=%d,a2=%d' % (socket.SOL_SOCKET, 26)]
    with Workspace() as work:
        hop = work.own(NextHop())
        listeners = [{'name': 'lan', 'address': '127.0.0.1:%d' % free_port()},
                     {'name': 'lan6', 'address': '[::1]:%d' % free_port()}]
        relay = work.relay(work.configuration([hop.host], listeners=listeners), prefix=confined)
        for number, listener in enumerate(listeners):
            other = work.configuration([hop.host], listeners=[listener])
            other['spool']['directory'] = work.path('other')
            second = work.relay(other, 'second-%d' % number, wait=False, prefix=confined)
            equal(second.wait(), 69, 'exit status')
            check('in use by postrider (pid' in ' '.join(second.lines), second.lines)
        fill(relay, [1])
        expect_all(relay, hop, [1])


@case
def listeners_that_overlap():
    """All addresses and one of them, in one configuration, is no conflict with itself."""
    with Workspace() as work:
        hop = work.own(NextHop())
        port = free_port()
        relay = work.relay(work.configuration([hop.host], listeners=[
            {'name': 'one', 'address': '127.0.0.1:%d' % port}, {'name': 'all', 'address': '0.0.0.0:%d' % port}]))
        fill(relay, range(1, 4))
        expect_all(relay, hop, range(1, 4))


def segments(work):
    return sorted(glob.glob(work.path('spool', 'shard-*', '*.seg')))


def newest_batches(path):
    """Offsets of the 4096-octet blocks that begin a batch, in the order of the file."""
    with open(path, 'rb') as f:
        content = f.read()
    return [at for at in range(4096, len(content), 4096) if content[at:at + 8] == b'PRBATCH1']


def queued(work, count, shards=1):
    """A spool with `count` messages, one in each batch, and no process; returns the configuration."""
    configuration = work.configuration(['127.0.0.1:%d' % free_port()], shards=shards,
                                       retry={'first': '1h', 'max': '1h', 'factor': 1, 'expire': '5d'})
    relay = work.relay(configuration, 'filling')
    fill(relay, range(1, count + 1))
    relay.kill()
    return configuration


def patch(path, offset, octets):
    with open(path, 'r+b') as f:
        f.seek(offset)
        f.write(octets)


def restart_with_hop(work, configuration, name='after'):
    hop = work.own(NextHop())
    configuration['destinations'][0]['hosts'] = [hop.host]
    configuration['retry'] = {'first': '200ms', 'max': '1s', 'factor': 2, 'expire': '5d'}
    return work.relay(configuration, name), hop


def busiest_segment(work):
    return max(segments(work), key=lambda path: len(newest_batches(path)))


@case
def a_torn_tail():
    """The last batch is half written: only it is gone, everything before it arrives, new mail is taken."""
    with Workspace() as work:
        configuration = queued(work, 20)
        path = busiest_segment(work)
        last = newest_batches(path)[-1]
        # A torn write nobody was told about, behind everything: the start of a batch, then nothing.
        with open(path, 'rb') as f:
            f.seek(last)
            batch = f.read(4096)
        length = int.from_bytes(batch[16:20], 'little')
        patch(path, last + length, batch[:512])
        relay, hop = restart_with_hop(work, configuration)
        fill(relay, [21])
        expect_all(relay, hop, range(1, 22))


@case
def garbage_at_the_tail():
    with Workspace() as work:
        configuration = queued(work, 20)
        path = busiest_segment(work)
        with open(path, 'rb') as f:
            f.seek(newest_batches(path)[-1])
            length = int.from_bytes(f.read(20)[16:20], 'little')
        patch(path, newest_batches(path)[-1] + length, os.urandom(20000))
        relay, hop = restart_with_hop(work, configuration)
        expect_all(relay, hop, range(1, 21))


@case
def damage_in_the_middle():
    """SYS-03, P6: a damaged batch costs the messages in it, is reported and kept aside; all others arrive."""
    with Workspace() as work:
        configuration = queued(work, 20)
        path = busiest_segment(work)
        batches = newest_batches(path)
        check(len(batches) >= 20, 'only %d batches', len(batches))
        victim = batches[len(batches) // 2]
        patch(path, victim + 1500, b'\xff' * 64)
        relay, hop = restart_with_hop(work, configuration)
        hop.wait_arrivals(19)
        time.sleep(0.5)
        arrived = hop.sequences()
        equal(len(arrived), len(set(arrived)), 'distinct messages')
        check(len(arrived) in (19, 20), '%d messages arrived', len(arrived))
        for arrival in hop.arrivals:
            harness.same_octets(arrival.original, message(arrival.sequence, 2000), 'message')
        told = [event for event in relay.events_seen if 'damage' in str(event)]
        check(told, 'nobody was told of the damage')
        check(glob.glob(work.path('spool', '**', '*.damaged'), recursive=True), 'the damaged segment was not kept')
        relay.terminate()


@case
def every_bit_of_a_batch_header():
    """Whatever bit of a batch's first 64 octets is flipped: no crash, nothing wrong is delivered, neighbours arrive."""
    with Workspace() as work:
        configuration = queued(work, 6)
        path = busiest_segment(work)
        spool, copy = work.path('spool'), work.path('copy')
        subprocess.run(['cp', '-a', '--sparse=always', spool, copy], check=True)
        victim = newest_batches(path)[2]
        for octet in range(0, 64, 3):
            restore(spool, copy)
            with open(path, 'rb') as f:
                f.seek(victim + octet)
                old = f.read(1)[0]
            patch(path, victim + octet, bytes([old ^ (1 << (octet % 8))]))
            relay, hop = restart_with_hop(work, configuration, 'flip-%d' % octet)
            hop.wait_arrivals(5)
            eventually(lambda: relay.count['delivered'] >= len(hop.arrivals), 'settled')
            arrived = hop.sequences()
            check(len(set(arrived)) == len(arrived) >= 5, 'octet %d: %s arrived', octet, arrived)
            for arrival in hop.arrivals:
                harness.same_octets(arrival.original, message(arrival.sequence, 2000), 'message')
            relay.terminate()
            hop.stop()


def restore(spool, copy):
    subprocess.run(['rm', '-rf', spool], check=True)
    subprocess.run(['cp', '-a', '--sparse=always', copy, spool], check=True)


@case
def stopped_while_sessions_are_open():
    """SIGTERM: idle sessions get 421, a message under way is finished, and the process ends in time."""
    with Workspace() as work:
        hop = work.own(NextHop())
        relay = work.relay(work.configuration([hop.host], timeouts={'drain': '10s'}))
        idle, busy, stuck = Client(relay.address), Client(relay.address), Client(relay.address)
        for client in (idle, busy, stuck):
            client.hello()
        for client in (busy, stuck):
            client.envelope()
            client.command('DATA', 354)
        busy.send(message(1)[:50])
        relay.signal(signal.SIGTERM)
        check(idle.reply()[0] == 421 and idle.closed(), 'the idle session')
        time.sleep(0.5)
        busy.send(message(1)[50:] + b'.\r\n')
        check(busy.reply()[0] == 250, 'the message under way')
        # The one that says nothing more could do so for timeouts.data, five minutes.
        relay.terminate()
        if not hop.arrivals:
            relay = work.relay(work.configuration([hop.host]), 'after')
            hop.wait_arrivals(1)
            relay.terminate()
        equal(hop.sequences(), [1], 'messages that arrived')


@case
def disk_use_follows_the_live_mail():
    """Many times the size of the spool passes through it; segments are used again (no growth without bound)."""
    with Workspace() as work:
        sink = work.sink()
        relay = work.relay(work.configuration([sink.host], log=QUIET, shards=1, spool={
            'size_max': '64MiB', 'message_size_max': '1MiB'}))
        messages, turn = 6000, 500
        # In turns that fit into it: a next hop that is late for a second must not fill it.
        for first in range(1, messages, turn):
            work.source(relay.target, messages=turn, sequence_start=first, connections=10, size=50000, mode='grouped',
                        name='source-%d' % first).result(240)
            sink.wait_total(first + turn - 1)
        relay.terminate()
        counts = sink.received()
        equal((len(counts), sum(counts.values())), (messages, messages), 'messages at the sink, and copies')
        used = sum(os.stat(path).st_blocks * 512 for path in segments(work))
        check(used <= 64 << 20, 'the segments take %d octets', used)
        check(relay.total('segments_recycled') > 0, 'no segment was recycled')


@case
def a_full_spool_refuses_and_recovers():
    """With no room left 452 and nothing lost; when mail has left there is room again."""
    with Workspace() as work:
        port = free_port()
        relay = work.relay(work.configuration(['127.0.0.1:%d' % port], shards=1, spool={
            'size_max': '48MiB', 'message_size_max': '4MiB'}))
        accepted, refused = [], 0
        with Client(relay.address, timeout=60) as client:
            client.hello()
            for sequence in range(1, 200):
                client.send('MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n')
                codes = [client.reply()[0] for _ in range(3)]
                if codes[2] != 354:
                    check(codes[0] == 452 or codes[2] in (452, 503), 'codes: %s', codes)
                    refused += 1
                    client.command('RSET', 250)
                else:
                    client.send(harness.stuff(message(sequence, 1 << 20)) + b'.\r\n')
                    code = client.reply()[0]
                    check(code in (250, 452, 451), 'code %d', code)
                    refused += code != 250
                    if code == 250:
                        accepted.append(sequence)
                if refused > 5:
                    break
        check(refused > 5, 'the spool was never full')
        eventually(lambda: relay.count['spool_full'], 'the operator is told that size_max is reached')
        check(relay.count['spool_full'] == 1, 'told %d times at once', relay.count['spool_full'])
        check(not relay.count['spool_ok'], 'room is told while there is none')
        check(len(accepted) >= 20, 'only %d messages fit', len(accepted))
        hop = work.own(NextHop(port=port))
        hop.wait_arrivals(len(accepted), 60)
        equal(sorted(hop.sequences()), accepted, 'messages that arrived')

        def room():
            with Client(relay.address) as client:
                client.hello()
                client.envelope()
                client.command('DATA', 354)
                client.send(message(1000) + b'.\r\n')
                return client.reply()[0] == 250
        eventually(room, 'there is room again', pause=0.3)
        eventually(lambda: relay.count['spool_ok'], 'the operator is told of the room')
        check(not relay.count['disk_full'], 'the disk was blamed')
        relay.terminate()


if __name__ == '__main__':
    harness.main()
