#!/usr/bin/python3
"""tests/e2e/test_reload.py - the configuration of a running relay changes, and nobody notices but by what it says.

`postrider reload` and SIGHUP: what may change does, for what begins from then on; what cannot change is refused with a
sentence, and then nothing has changed.

    tests/e2e/test_reload.py                        all cases, with few reloads under load
    tests/e2e/test_reload.py 1000_reloads           a thousand of them
    tests/e2e/test_reload.py 1000_names             each with a destination of another name
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (Certificates, Client, NextHop, Workspace, case, check, equal, eventually,  # noqa: E402
                     free_port, message)
from name_server import SILENT, NameServer  # noqa: E402


class Reloadable:
    """A relay whose configuration is a Python value that may be changed."""

    def __init__(self, work, configuration, prefix=()):
        self.work, self.configuration = work, configuration
        self.relay = work.relay(configuration, prefix=prefix)

    def reload(self, expect=0):
        """Writes the configuration and asks for it; returns what the command said."""
        self.work.write('postrider.yaml', json.dumps(self.configuration, indent=1))
        done = subprocess.run([harness.program('postrider'), 'reload', '--config', self.work.path('postrider.yaml')],
                              capture_output=True, text=True, timeout=120)
        equal(done.returncode, expect, 'exit status of reload: %s' % done.stderr)
        return done.stderr

    def send(self, sequence, recipient='recipient@example.com', code=250):
        with Client(self.relay.address) as client:
            client.hello()
            client.command('MAIL FROM:<sender@example.net>', 250)
            client.command('RCPT TO:<%s>' % recipient, code)
            if code == 250:
                client.data(message(sequence))


@case
def what_is_watched():
    """Where nobody answers or watches, what is wanted of them is refused by its own name."""
    with Workspace() as work:
        hop = work.own(NextHop())
        content = work.configuration([hop.host], incidents='off', hardening={'landlock': False})
        it = Reloadable(work, content)
        for wanted, words in (({'control': {'socket': work.path('c.sock')}}, 'control cannot change'),
                              ({'incidents': {'spool': 90}}, 'incidents: nobody watches for them')):
            it.configuration = dict(content, **wanted)
            said = it.reload(expect=78)
            check(words in said and 'restart it' in said and said.count('restart it') == 1, '%s: %s', words, said)
        it.relay.terminate()


@case
def clients_and_routes():
    """For sessions that begin from then on; one that has begun goes on as it began."""
    with Workspace() as work:
        one, other = work.own(NextHop()), work.own(NextHop())
        configuration = work.configuration([one.host], hostname='before.example.org')
        configuration['destinations'].append({'name': 'other', 'hosts': [other.host], 'tls': {'mode': 'none'}})
        it = Reloadable(work, configuration)
        it.send(1)
        with Client(it.relay.address) as old:
            old.hello()
            configuration['routes'].insert(0, {'recipient': '*@example.com', 'destination': 'other'})
            configuration['hostname'] = 'after.example.org'
            it.reload()
            it.send(2)
            other.wait_arrivals(1)
            check('before.example.org' in old.hello()[1], 'the old session has another name')
            old.envelope(recipients=['recipient@example.com'])
            old.data(message(3))
            one.wait_arrivals(2)
            # Nobody may relay any more.
            configuration['clients'] = [{'name': 'local', 'networks': ['192.0.2.0/24']}]
            it.reload()
            it.send(4, code=550)
            old.envelope(recipients=['recipient@example.com'])
            old.data(message(5))
        one.wait_arrivals(3)
        equal((sorted(one.sequences()), other.sequences()), ([1, 3, 5], [2]), 'arrivals')
        eventually(lambda: it.relay.count['reloaded'] == 2, lambda: str(dict(it.relay.count)))
        it.relay.terminate()


@case
def connections_count_on():
    """A client's connections from before a reload count toward the limit that it has after it."""
    with Workspace() as work:
        configuration = work.configuration([work.own(NextHop()).host])
        configuration['clients'] = [{'name': 'local', 'networks': ['127.0.0.0/8'], 'limits': {'connections': 1}}]
        it = Reloadable(work, configuration)
        with Client(it.relay.address) as old:
            configuration['clients'].insert(0, {'name': 'other', 'networks': ['192.0.2.1']})
            it.reload()
            with Client(it.relay.address, greeting=False) as one_too_many:
                one_too_many.expect(421)
            old.hello()
        eventually(lambda: it.relay.count['session'] == 2, 'their ends')
        it.send(1)
        it.relay.terminate()


@case
def what_cannot_change():
    """Refused with a sentence, and nothing is half applied; a file that is wrong changes nothing either."""
    with Workspace() as work:
        hop = work.own(NextHop())
        configuration = work.configuration([hop.host])
        it = Reloadable(work, configuration)
        good = json.dumps(configuration)
        for change, sentence in (({'shards': 1}, 'shards cannot change'),
                                 ({'limits': {'connections': 100000}}, 'limits.connections'),
                                 ({'spool': dict(configuration['spool'], size_max='3GiB')}, 'sizes below spool'),
                                 ({'routes': [{'destination': 'nowhere'}]}, 'nowhere')):
            it.configuration = dict(json.loads(good), clients=[{'name': 'nobody', 'networks': ['192.0.2.1']}], **change)
            said = it.reload(expect=78)
            check(sentence in said, 'instead of "%s" it was said: %s', sentence, said)
            it.send(1)
        # TLS files that cannot be used.
        it.configuration = json.loads(good)
        it.configuration['destinations'][0]['tls'] = {'mode': 'verify', 'server_name': 'x.example.org',
                                                      'ca_file': work.path('missing.crt')}
        it.reload(expect=78)
        it.send(1)
        # The last of them had a fault that only the command saw: it never asked.
        eventually(lambda: it.relay.count['reload_refused'] >= 3, lambda: str(dict(it.relay.count)))
        equal(it.relay.count['reloaded'], 0, 'reloads')
        it.relay.terminate()


def refused_connection(address):
    with socket.socket() as probe:
        return probe.connect_ex(address) != 0


def once(address, sequence):
    with Client(address) as client:
        client.hello()
        client.envelope(recipients=['recipient@example.com'])
        client.data(message(sequence))


@case
def listeners_come_and_go():
    """New ones accept when the reload is over; a session of one that is gone goes on to its end; routes follow the
    names, whatever the order."""
    with Workspace() as work:
        one, other = work.own(NextHop()), work.own(NextHop())
        configuration = work.configuration([one.host])
        configuration['destinations'].append({'name': 'other', 'hosts': [other.host], 'tls': {'mode': 'none'}})
        it = Reloadable(work, configuration)
        lan, added = it.relay.address, ('127.0.0.1', free_port())
        with Client(lan) as old:
            old.hello()
            configuration['listeners'].insert(0, {'name': 'added', 'address': '%s:%d' % added})
            configuration['routes'].insert(0, {'listener': 'added', 'destination': 'other'})
            it.reload()
            once(lan, 1)
            once(added, 2)
            configuration['listeners'].reverse()
            it.reload()
            once(lan, 3)
            once(added, 4)
            # Port 0 is the same listener for as long as its name is there.
            eventually(lambda: len(it.relay.events('reloaded')) == 2, 'two are told')
            listeners = it.relay.events('reloaded')[-1]['listeners']
            equal([each['name'] for each in listeners], ['lan', 'added'], 'listeners')
            equal(listeners[0]['address'], '%s:%d' % lan, 'the address of lan')
            configuration['listeners'].pop(0)
            it.reload()
            eventually(lambda: refused_connection(lan), 'the listener is closed')
            old.envelope(recipients=['recipient@example.com'])
            old.data(message(5))
            once(added, 6)
            # The name may be another address's, and the address another name's.
            configuration['listeners'] = [{'name': 'added', 'address': '%s:%d' % lan},
                                          {'name': 'lan', 'address': '%s:%d' % added}]
            it.reload()
            once(lan, 7)
            once(added, 8)
        one.wait_arrivals(4)
        other.wait_arrivals(4)
        equal((sorted(one.sequences()), sorted(other.sequences())), ([1, 3, 5, 8], [2, 4, 6, 7]), 'arrivals')
        it.relay.terminate()


@case
def a_port_that_cannot_be_had():
    """It refuses all of the reload with a sentence, and nothing of it is in force: not the other listener, not the
    clients."""
    with Workspace() as work, socket.create_server(('127.0.0.1', free_port())) as taken:
        hop = work.own(NextHop())
        configuration = work.configuration([hop.host])
        it = Reloadable(work, configuration)
        free = ('127.0.0.1', free_port())
        good = json.dumps(configuration)
        configuration['listeners'] += [{'name': 'free', 'address': '%s:%d' % free},
                                       {'name': 'taken', 'address': '127.0.0.1:%d' % taken.getsockname()[1]}]
        configuration['clients'] = [{'name': 'nobody', 'networks': ['192.0.2.1']}]
        said = it.reload(expect=78)
        check('listener "taken" cannot listen on 127.0.0.1:%d' % taken.getsockname()[1] in said and
              'pid %d' % os.getpid() in said, said)
        check(refused_connection(free), 'the other listener is there')
        it.send(1)
        configuration['listeners'][-1] = {'name': 'nowhere', 'address': '192.0.2.1:25'}
        said = it.reload(expect=78)
        check('listener "nowhere" cannot listen on 192.0.2.1:25' in said, said)
        it.send(2)
        # And it can be had when who had it has gone.
        it.configuration = json.loads(good)
        it.configuration['listeners'] = configuration['listeners'][:2] + [
            {'name': 'taken', 'address': '127.0.0.1:%d' % taken.getsockname()[1]}]
        taken.close()
        it.reload()
        once(free, 3)
        hop.wait_arrivals(3)
        it.relay.terminate()


@case
def limits_of_what_was_refused():
    """What a reload that was refused would have allowed is forgotten, too: mail goes on as fast as before."""
    with Workspace() as work, socket.create_server(('127.0.0.1', free_port())) as taken:
        hop = work.own(NextHop())
        configuration = work.configuration([hop.host])
        configuration['destinations'][0]['limits'] = {'messages_per_minute': 600}
        it = Reloadable(work, configuration)
        it.send(1)
        configuration['destinations'][0]['limits'] = {'messages_per_hour': 1}
        configuration['listeners'].append({'name': 'taken', 'address': '127.0.0.1:%d' % taken.getsockname()[1]})
        it.reload(expect=78)
        it.send(2)
        it.send(3)
        hop.wait_arrivals(3)
        it.relay.terminate()


@case
def one_address_of_all():
    """From one address to all addresses and back, on the same port, under connections that never stop."""
    with Workspace() as work:
        hop = work.own(NextHop())
        configuration = work.configuration([hop.host])
        address = ('127.0.0.1', free_port())
        texts = ['127.0.0.1:%d' % address[1], '0.0.0.0:%d' % address[1]]
        configuration['listeners'] = [{'name': 'lan', 'address': texts[0]}]
        it = Reloadable(work, configuration)
        stop, sent, refused = threading.Event(), [0], [0]

        def feed():
            while not stop.is_set():
                try:
                    client = Client(address)
                except (OSError, harness.Failure):  # it came to a socket that was just being closed
                    refused[0] += 1
                    continue
                with client:
                    client.hello()
                    client.envelope(recipients=['recipient@example.com'])
                    client.data(message(sent[0]))
                sent[0] += 1
        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            for n in range(1, 21):
                before = sent[0]
                configuration['listeners'] = [{'name': 'lan', 'address': texts[n % 2]}]
                it.reload()
                eventually(lambda: sent[0] > before + 1, 'mail goes in')
        finally:
            stop.set()
            feeder.join()
        check(refused[0] <= 40, '%d connections were refused or reset', refused[0])
        hop.wait_arrivals(sent[0])
        it.relay.terminate()


@case
def ports_below_1024():
    """They can be had for as long as the process has the capability, as the packaged service does; without it, it is
    said what to do."""
    if os.geteuid() != 0:
        return 'only root can give a capability up'
    without = ['setpriv', '--bounding-set=-net_bind_service', '--inh-caps=-net_bind_service', '--']
    for prefix, expect in (([], 0), (without, 78)):
        with Workspace() as work:
            hop = work.own(NextHop())
            configuration = work.configuration([hop.host])
            it = Reloadable(work, configuration, prefix)
            port = next(port for port in range(600, 1024) if refused_connection(('127.0.0.1', port)))
            configuration['listeners'].append({'name': 'low', 'address': '127.0.0.1:%d' % port})
            said = it.reload(expect)
            if expect:
                check('Permission denied' in said and 'CAP_NET_BIND_SERVICE' in said, said)
                it.send(1)
            else:
                once(('127.0.0.1', port), 1)
            hop.wait_arrivals(1)
            it.relay.terminate()
    return None


@case
def a_destination_goes_and_comes_back():
    """Its mail waits, does not expire and does not fail; when the name is there again, with other hosts, it flows."""
    with Workspace() as work:
        silent, hop = work.own(NextHop(script=lambda stage, session, argument: '451 4.3.0 Not now'
                                       if stage == 'MAIL' else None)), work.own(NextHop())
        configuration = work.configuration([silent.host], retry={'first': '200ms', 'factor': 1, 'max': '200ms',
                                                                 'expire': '1d'})
        configuration['destinations'].append({'name': 'other', 'hosts': [hop.host], 'tls': {'mode': 'none'}})
        it = Reloadable(work, configuration)
        for sequence in range(20):
            it.send(sequence)
        eventually(lambda: it.relay.count['deferred'] >= 20, lambda: str(dict(it.relay.count)))
        whole = configuration['destinations']
        configuration['destinations'] = whole[1:]
        configuration['routes'] = [{'destination': 'other'}]
        it.reload()
        it.send(100)
        hop.wait_arrivals(1)
        attempts = it.relay.count['attempt']
        configuration['destinations'] = [dict(whole[0], hosts=[hop.host])] + whole[1:]
        it.reload()
        hop.wait_arrivals(21)
        equal(sorted(hop.sequences()), list(range(20)) + [100], 'arrivals')
        eventually(lambda: it.relay.count['delivered'] == 21, lambda: str(dict(it.relay.count)))
        equal((it.relay.count['failed'], it.relay.count['expired']), (0, 0), 'failed and expired')
        check(it.relay.count['attempt'] >= attempts, 'attempts')
        it.relay.terminate()


@case
def names_and_who_is_asked():
    """The first host by name comes with a reload, and so do other name servers, which are asked at once: also for a
    name that the ones before did not know, or did not answer for."""
    with Workspace() as work:
        hop = work.own(NextHop())
        knows = work.own(NameServer({'mail.example.org': ['127.0.0.1']}))
        denies, silent = work.own(NameServer({})), work.own(NameServer({'mail.example.org': SILENT}))
        configuration = work.configuration([hop.host])
        it = Reloadable(work, configuration)
        it.send(1)
        hop.wait_arrivals(1)
        hosts, configuration['destinations'][0]['hosts'] = [hop.host], ['mail.example.org:%d' % hop.port]
        for sequence, server in ((2, denies), (3, silent)):
            configuration['dns'] = {'servers': [server.address]}
            it.reload()
            it.send(sequence)
            eventually(lambda: server.asked('mail.example.org'), 'a question')
        check(len(hop.arrivals) == 1, 'arrivals')
        configuration['dns'] = {'servers': [knows.address]}
        it.reload()
        hop.wait_arrivals(3)
        # Nobody is asked any more, and then somebody again.
        for names, servers in ((hosts, [silent]), (['mail.example.org:%d' % hop.port], [knows])):
            configuration['destinations'][0]['hosts'] = names
            configuration['dns'] = {'servers': [each.address for each in servers]}
            it.reload()
            it.send(4)
        hop.wait_arrivals(5)
        # More often than who asked before is forgotten.
        for n in range(20):
            configuration['dns'] = {'servers': [(knows, denies)[n % 2].address]}
            it.reload()
        it.relay.terminate()


@case
def certificates_and_policy():
    """A destination that is to be verified from now on is, also where a connection was open in clear before."""
    certificates = Certificates()
    with Workspace() as work:
        hop = work.own(NextHop(tls=certificates.server_context()))
        # Files that a reload brings are in a directory that the process has kept.
        configuration = work.configuration([hop.host], hardening={'directories': [os.path.dirname(certificates.ca)]})
        it = Reloadable(work, configuration)
        it.send(1)
        hop.wait_arrivals(1)
        check(not hop.arrivals[0].session.encrypted, 'the first went over TLS')
        tls = configuration['destinations'][0]['tls'] = {'mode': 'verify', 'ca_file': certificates.ca,
                                                         'server_name': certificates.server_name}
        it.reload()
        for sequence in (2, 3):
            it.send(sequence)
        hop.wait_arrivals(3)
        check(all(arrival.session.encrypted for arrival in hop.arrivals[1:]), 'one went in clear')
        # Another authority, which did not sign this one: nothing goes, and nothing fails.
        tls['ca_file'] = certificates.other_ca
        it.reload()
        it.send(4)
        eventually(lambda: it.relay.count['host_failed'] or it.relay.count['setup_refused'],
                   lambda: str(dict(it.relay.count)))
        equal(len(hop.arrivals), 3, 'arrivals')
        tls['ca_file'] = certificates.ca
        it.reload()
        hop.wait_arrivals(4, 60)
        it.relay.terminate()


@case
def what_only_the_service_may_look_at():
    """systemd tells a unit's ExecReload= where credentials are, and keeps them from it: the process looks itself."""
    certificates = Certificates()
    with Workspace() as work:
        hop = work.own(NextHop(tls=certificates.server_context()))
        there = work.path('credentials')
        os.mkdir(there)
        with open(certificates.ca) as ca:
            work.write('credentials/ca', ca.read())
        configuration = work.configuration([hop.host])
        configuration['destinations'][0]['tls'] = {'mode': 'verify', 'ca_file': '$CREDENTIALS_DIRECTORY/ca',
                                                   'server_name': certificates.server_name}
        it = Reloadable(work, configuration, prefix=['env', 'CREDENTIALS_DIRECTORY=' + there])
        os.environ['CREDENTIALS_DIRECTORY'] = work.path('closed')
        try:
            it.reload()
            # What is not there for the process either is refused, by that.
            configuration['destinations'][0]['tls']['ca_file'] = '$CREDENTIALS_DIRECTORY/other'
            check('other' in it.reload(expect=78), 'it does not say which')
        finally:
            del os.environ['CREDENTIALS_DIRECTORY']
        it.send(1)
        hop.wait_arrivals(1)
        it.relay.terminate()


@case
def sighup():
    """The same by signal; a second one while the first is under way is not lost."""
    with Workspace() as work:
        hop = work.own(NextHop())
        it = Reloadable(work, work.configuration([hop.host]))
        for _ in range(3):
            it.relay.signal(signal.SIGHUP)
        eventually(lambda: it.relay.count['reloaded'] >= 1, lambda: it.relay.tail())
        it.send(1)
        hop.wait_arrivals(1)
        it.relay.terminate()


@case
def nobody_to_ask():
    with Workspace() as work:
        path = work.write('postrider.yaml', json.dumps(work.configuration(['127.0.0.1:9'])))
        os.makedirs(work.path('spool'))
        done = subprocess.run([harness.program('postrider'), 'reload', '--config', path], capture_output=True,
                              text=True, timeout=60)
        equal((done.returncode, 'no process' in done.stderr), (74, True), done.stderr)


def refused_now(it, n):
    """One that cannot follow, for one reason or another: refused with a sentence, and nothing of it is there."""
    right = it.configuration
    it.configuration = json.loads(json.dumps(right))
    it.configuration['hostname'] = 'never.example.org'
    said = [('shards', 7, 'shards cannot change'), ('routes', [{'destination': 'nobody'}], 'nobody'),
            ('listeners', [{'name': 'taken', 'address': it.taken}], 'cannot listen'), ('hostnam', 'x', 'hostname')]
    key, value, sentence = said[n % len(said)]
    it.configuration[key] = value
    text = it.reload(expect=78)
    check(sentence in text, '%s: %s', key, text)
    # Where the command sees by itself what is wrong, it does not ask.
    if key in ('routes', 'hostnam'):
        it.relay.signal(signal.SIGHUP)
    it.relay.told('reload_refused', n + 1)
    it.configuration = right
    with Client(it.relay.address) as client:
        check('never.example.org' not in client.hello()[1], 'half of it is in force')


def under_load(reloads):
    """Mail flows while the configuration changes back and forth, and now and then to what cannot be: each message once,
    none refused, and neither descriptors nor memory grow."""
    with Workspace() as work:
        sinks = [work.sink(name='sink-a'), work.sink(name='sink-b')]
        configuration = work.configuration([sinks[0].host], log={'sessions': False, 'messages': False})
        it = Reloadable(work, configuration)
        stop, sources, sent = threading.Event(), [], [0]
        other = work.own(NextHop())  # listens where the relay wants to
        it.taken = other.host
        refusals, files, memory = 0, [], []

        def feed():
            while not stop.is_set():
                source = work.source(it.relay.target, messages=300, name='source-%d' % len(sources),
                                     connections=4, sequence_start=sent[0] + 1)
                sources.append(source)
                source.result()
                sent[0] += 300
        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            started = time.monotonic()
            for n in range(reloads):
                first = configuration['destinations'][0]
                first['hosts'] = [sinks[n % 2].host] + ([sinks[1 - n % 2].host] if n % 3 else [])
                first['limits'] = {'connections': 2 + n % 7}
                configuration['destinations'] = [first] + ([{
                    'name': 'more-%d' % (n % 5), 'hosts': [sinks[0].host], 'tls': {'mode': 'none'}}] if n % 2 else [])
                configuration['clients'] = [{'name': 'local', 'networks': ['127.0.0.0/8'], 'limits': {
                    'connections': 1000 - n % 3}}]
                configuration['retry'] = {'first': '%dms' % (100 + n), 'factor': 1.5, 'max': '2s', 'expire': '1h'}
                it.reload()
                if n % 8 == 7:
                    refused_now(it, refusals)
                    refusals += 1
                files.append(len(os.listdir('/proc/%d/fd' % it.relay.pid)))
                memory.append(it.relay.memory())
            took = time.monotonic() - started
        finally:
            stop.set()
            feeder.join()
        eventually(lambda: sum(sink.total() for sink in sinks) >= sent[0],
                   lambda: '%d of %d' % (sum(sink.total() for sink in sinks), sent[0]), 60)
        it.relay.terminate()
        counts = {}
        for sink in sinks:
            for sequence, times in sink.received().items():
                counts[sequence] = counts.get(sequence, 0) + times
        acknowledged = set()
        for source in sources:
            acknowledged |= set(source.acknowledged())
        equal(len(acknowledged), sent[0], 'messages that were answered 250')
        lost = acknowledged - set(counts)
        check(not lost, '%d messages are lost', len(lost))
        check(max(counts.values()) == 1, 'messages arrived twice')
        equal((it.relay.count['reloaded'], it.relay.count['reload_refused']), (reloads, refusals), 'reloads')
        # The last quarter beside the second one: by then every kind of configuration has been there.
        early, late = slice(reloads // 4, reloads // 2), slice(reloads * 3 // 4, None)
        check(max(files[late]) <= max(files[early]) + 32, 'descriptors: %d, then %d', max(files[early]),
              max(files[late]))
        check(max(memory[late]) <= max(memory[early]) + (16 << 20), 'memory: %d, then %d', max(memory[early]),
              max(memory[late]))
        left = max(event['in_use'] for event in it.relay.events('reloaded'))
        words = ('%d reloads and %d refused in %.1f s, %d messages, at most %d snapshots in use; '
                 'descriptors %d, then %d; memory %d KiB, then %d')
        return words % (reloads, refusals, took, sent[0], left, max(files[early]), max(files[late]),
                        max(memory[early]) >> 10, max(memory[late]) >> 10)


@case
def reloads_under_load():
    return under_load(25)


def new_names(reloads):
    """Each reload has a destination of another name, and mail goes there at once."""
    with Workspace() as work:
        hop = work.own(NextHop())
        configuration = work.configuration([hop.host])
        it = Reloadable(work, configuration)
        for n in range(reloads):
            configuration['destinations'] = [{'name': 'customer-%d' % n, 'hosts': [hop.host], 'tls': {'mode': 'none'}}]
            configuration['routes'] = [{'destination': 'customer-%d' % n}]
            it.reload()
            if n % 20 == 0 or n == reloads - 1:
                arrived = len(hop.arrivals)
                it.send(n)
                hop.wait_arrivals(arrived + 1)
        it.relay.terminate()


@case
def a_new_name_with_each_reload():
    new_names(60)


@case
def names_and_hosts_give_their_places_back():
    """5,000 names in one process, a hundred at a time, and a hundred hosts of one destination."""
    with Workspace() as work:
        hop, other = work.own(NextHop()), work.own(NextHop())
        configuration = work.configuration([hop.host])
        first = configuration['destinations'][0]
        it = Reloadable(work, configuration)
        for n in range(50):
            hosts = [other.host] + ['127.0.0.1:%d' % (10000 + 5 * n + k) for k in range(5)]
            customers = [{'name': 'customer-%d' % (100 * n + k), 'hosts': [hop.host], 'tls': {'mode': 'none'}}
                         for k in range(100)]
            configuration['destinations'] = [dict(first, hosts=hosts), *customers]
            configuration['routes'] = [{'recipient': '*@other.example', 'destination': first['name']},
                                       {'destination': customers[n]['name']}]
            it.reload()
            if n % 7 == 0 or n == 49:
                arrived = len(hop.arrivals), len(other.arrivals)
                it.send(2 * n)
                it.send(2 * n + 1, recipient='somebody@other.example')
                hop.wait_arrivals(arrived[0] + 1)
                other.wait_arrivals(arrived[1] + 1)
        it.relay.terminate()


@case
def mail_of_what_is_gone_at_the_start_keeps_its_place():
    """Twelve destinations are gone from the configuration of a start, and mail waits for each, on one shard or the
    other: names that come later stand elsewhere, and none of that mail goes to them."""
    with Workspace() as work:
        hop, later = work.own(NextHop()), work.own(NextHop())
        closed = '127.0.0.1:%d' % free_port()
        configuration = work.configuration([hop.host])
        first, gone = configuration['destinations'][0], ['gone-%d' % n for n in range(12)]
        configuration['destinations'] += [{'name': name, 'hosts': [closed], 'tls': {'mode': 'none'}} for name in gone]
        configuration['routes'] = [{'recipient': '*@%s.example' % name, 'destination': name} for name in gone] + [
            {'destination': first['name']}]
        it = Reloadable(work, configuration)
        for n, name in enumerate(gone):
            it.send(n, recipient='somebody@%s.example' % name)
        it.relay.terminate()
        configuration['destinations'] = [first]
        configuration['routes'] = [{'recipient': '*@other.example', 'destination': first['name']}]
        it = Reloadable(work, configuration)
        it.reload()
        it.reload()
        # Of one lane each, as most of those that are gone have.
        names = ['later-%d' % n for n in range(12)]
        configuration['destinations'] += [
            {'name': name, 'hosts': [later.host], 'tls': {'mode': 'none'}, 'limits': {'connections': 1}}
            for name in names]
        configuration['routes'] = [{'recipient': '*@%s.example' % name, 'destination': name} for name in names]
        it.reload()
        for n, name in enumerate(names):
            it.send(100 + n, recipient='somebody@%s.example' % name)
        eventually(lambda: set(later.sequences()) >= set(range(100, 112)), lambda: str(later.sequences()))
        equal(sorted(later.sequences()), list(range(100, 112)), 'messages at those that came later')
        # And those that are back have theirs.
        configuration['destinations'] += [{'name': name, 'hosts': [hop.host], 'tls': {'mode': 'none'}} for name in gone]
        it.reload()
        eventually(lambda: sorted(hop.sequences()) == list(range(12)), lambda: str(hop.sequences()))
        it.relay.terminate()


@case
def budgets_of_what_was_refused():
    """A new destination, refused with a reload, has its name mended: what is spent then is its own day's, also after a
    restart. And one that comes back to its place, where a refused reload wanted another, goes on with its own."""
    def destination(name, hop, **more):
        return {'name': name, 'hosts': [hop.host], 'tls': {'mode': 'none'}, **more}

    with Workspace() as work, socket.create_server(('127.0.0.1', free_port())) as taken:
        hop, other, spare = work.own(NextHop()), work.own(NextHop()), work.own(NextHop())
        configuration = work.configuration([spare.host])
        first, listeners = configuration['destinations'][0], configuration['listeners']
        configuration['routes'] = [{'recipient': '*@example.com', 'destination': first['name']}]
        limited = {'limits': {'recipients_per_day': 1}, 'fallback': first['name']}

        def refuse(it, *destinations):
            it.configuration['destinations'] = [first, *destinations]
            it.configuration['listeners'] = listeners + [
                {'name': 'taken', 'address': '127.0.0.1:%d' % taken.getsockname()[1]}]
            it.reload(expect=78)
            it.configuration['listeners'] = listeners

        def use(it, *destinations):
            it.configuration['destinations'] = [first, *destinations]
            it.configuration['routes'] = [{'destination': (destinations or [first])[0]['name']}]
            it.reload()

        it = Reloadable(work, configuration)
        refuse(it, destination('mistyped', hop, **limited))
        use(it, destination('named', hop, **limited))
        it.send(1)
        hop.wait_arrivals(1)
        # Its place is free for others, but only a refused reload had one for it.
        use(it)
        it.reload()
        refuse(it, destination('another', other, **limited))
        use(it, destination('named', hop, **limited))
        it.send(2)
        spare.wait_arrivals(1)
        it.relay.terminate()
        it = Reloadable(work, it.configuration)
        it.send(3)
        spare.wait_arrivals(2)
        equal((hop.sequences(), other.sequences()), ([1], []), 'what went by the budget')
        it.relay.terminate()


@case
def what_began_before_ends_as_it_began():
    """A session, a message that is being sent and one that waits for its destination, over fifty reloads: each goes on
    as it began, and the configurations that they were the last users of go when they have ended."""
    go = threading.Event()

    def slow(stage, session, argument):
        if stage == 'END' and not go.is_set():
            go.wait(60)
        return None

    with Workspace() as work:
        patient, other = work.own(NextHop(script=slow)), work.own(NextHop())
        configuration = work.configuration([patient.host], hostname='first.example.org')
        configuration['destinations'].append({'name': 'other', 'hosts': [other.host], 'tls': {'mode': 'none'}})
        whole = json.dumps(configuration)
        it = Reloadable(work, configuration)
        it.send(1)  # its end is not answered
        eventually(lambda: patient.sessions, 'an attempt')
        with Client(it.relay.address) as old:
            old.hello()
            for n in range(50):
                configuration['hostname'] = 'host-%d.example.org' % n
                configuration['destinations'] = json.loads(whole)['destinations'][1:] if n % 2 else \
                    json.loads(whole)['destinations']
                configuration['routes'] = [{'destination': 'other'}]
                it.reload()
            it.send(2)
            check('first.example.org' in old.hello()[1], 'the old session has another name')
            old.envelope(recipients=['recipient@example.com'])
            old.data(message(3))
            eventually(lambda: it.relay.count['reloaded'] == 50, lambda: str(dict(it.relay.count)))
            in_use = it.relay.events('reloaded')[-1]['in_use']
            check(2 <= in_use <= 4, '%d configurations in use', in_use)
        it.configuration = json.loads(whole)
        it.reload()
        go.set()
        patient.wait_arrivals(2)
        other.wait_arrivals(1)
        equal((sorted(patient.sequences()), sorted(other.sequences())), ([1, 3], [2]), 'arrivals')

        def only_one():
            it.reload()
            return it.relay.events('reloaded')[-1]['in_use'] <= 2
        eventually(only_one, lambda: str(it.relay.events('reloaded')[-1]))
        it.relay.terminate()


if __name__ == '__main__':
    if sys.argv[1:] == ['1000_reloads']:
        print(under_load(1000))
        sys.exit(0)
    if sys.argv[1:] == ['1000_names']:
        new_names(1000)
        sys.exit(0)
    harness.main()
