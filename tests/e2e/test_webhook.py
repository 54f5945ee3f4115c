#!/usr/bin/python3
"""tests/e2e/test_webhook.py - events for others: in order, each once by the id of its batch, whatever dies; and what is
left out is counted."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from control_socket import Connection, reload  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, eventually, free_port, program  # noqa: E402
from policy_host import Authority  # noqa: E402
from webhook_place import DIES, WebhookPlace, line_of  # noqa: E402

SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
KINDS = ['accepted', 'attempt']


class Lab:
    def __init__(self, work, place=True):
        self.work = work
        self.authority = Authority(work.path('authority'))
        self.context = self.authority.context(['localhost'])
        self.port = 0 if place else free_port()
        self.place = None
        if place:
            self.open()
        self.hop = work.own(NextHop())
        work.write('webhook.secret', SECRET + '\n')

    def open(self):
        """From now on somebody is at the URL."""
        self.place = self.work.own(WebhookPlace(self.context, SECRET, self.port))
        self.port = self.place.port

    def configuration(self, **webhook):
        return self.work.configuration(
            [self.hop.host], shards=1, control={'socket': self.work.path('control.sock')},
            events={'webhook': {'url': 'https://localhost:%d/hook' % self.port, 'kinds': KINDS, 'delay': '100ms',
                                'secret_file': self.work.path('webhook.secret'),
                                'ca_file': self.authority.ca_file, **webhook}})

    def metric(self, name):
        connection = Connection(self.work.path('control.sock'))
        connection.request('GET', '/metrics')
        text = connection.getresponse().read().decode()
        connection.close()
        for line in text.splitlines():
            if line.startswith(name + ' '):
                return float(line.rsplit(' ', 1)[1])
        return None

    def has(self, relay, events):
        """All that the relay has said of these is there, in that order."""
        eventually(lambda: len(self.place.events()) >= events, lambda: 'only %d of %d events: %s' % (
            len(self.place.events()), events, relay.tail()), 60)
        equal(self.place.problems, [], 'problems')

    def same(self, *relays, before=0, order=True):
        """What has come is what they have said behind the first few. What they write is read by another thread, and
        may be read later than it comes."""
        found = [line_of(event) for event in self.place.events()]
        eventually(lambda: len(said(*relays)) >= before + len(found), 'what came is read of the relay, too', 60)
        expected = said(*relays)[before:]
        equal(found if order else sorted(found), expected if order else sorted(expected), 'events')


def send(relay, count):
    with Client(relay.address) as client:
        client.hello()
        for _ in range(count):
            client.envelope()
            client.data(b'Subject: one\r\n\r\ntext\r\n')


def with_events_that_wait(work, messages):
    """Two of each message, as nobody is at the URL."""
    lab = Lab(work, place=False)
    # The first batch that is tried is a whole one, however slowly they come.
    relay = work.relay(lab.configuration(batch=20, delay='60s'))
    send(relay, messages)
    lab.hop.wait_arrivals(messages)
    eventually(lambda: lab.metric('postrider_webhook_waiting_events') == 2 * messages, 'all wait')
    return lab, relay


def said(*relays):
    return [line_of(event) for relay in relays for event in relay.events_seen if event['event'] in KINDS]


def in_order(place):
    """Numbers follow each other, and what was sent again was the same under the same id."""
    known = {}
    for identity, lines in place.requests:
        check(known.setdefault(identity, lines) == lines, '%s was something else before', identity)
    batches = list({batch['id']: batch for batch in place.batches}.values())
    for before, after in zip(batches, batches[1:]):
        equal(after['first'], before['last'] + 1 + after['left_out'], 'first of ' + after['id'])
    for batch in batches:
        equal(len(batch['events']), batch['last'] - batch['first'] + 1, 'events of ' + batch['id'])


@case
def all_come_in_order():
    """Also where the receiver dies in the middle, fails, is busy, points elsewhere, or wants smaller ones."""
    with Workspace() as work:
        lab = Lab(work)
        lab.place.answers = [500, DIES, *((status, {'Retry-After': '1', 'Location': '/elsewhere'})
                                         for status in (429, 302, 413, 503, 404))]
        relay = work.relay(lab.configuration(batch=50))
        send(relay, 200)
        lab.hop.wait_arrivals(200)
        lab.has(relay, 400)
        lab.same(relay)
        in_order(lab.place)
        check(all(len(lines) <= 50 for _, lines in lab.place.requests), 'batches are too large')
        failed = relay.events('webhook_failed')
        check(failed and failed[0]['host'] == 'localhost:%d' % lab.port, 'told: %s', failed)
        check('/hook' not in json.dumps(failed), 'the path is told: %s', failed)
        equal(len(relay.told('webhook_ok')) > 0, True, 'webhook_ok')
        eventually(lambda: lab.metric('postrider_webhook_events_total{result="sent"}') == 400, 'sent')
        eventually(lambda: lab.metric('postrider_webhook_waiting_events') == 0, 'waiting')
        # One that dies on a connection that was used before is asked again by libcurl itself.
        check(lab.metric('postrider_webhook_failures_total') >= 6, 'failures')
        relay.terminate()


@case
def killed_and_back():
    """What is on disk outlives the process; what was being sent is sent again under its id."""
    with Workspace() as work:
        lab, relay = with_events_that_wait(work, 50)
        relay.kill()
        lab.open()
        held = []

        def hold(handler):
            held.append(handler)
            # Until the relay is gone: nobody reads this answer.
            try:
                while handler.connection.recv(1):
                    pass
            except OSError:
                pass
            return DIES
        lab.place.answers = [204, hold]
        second = work.relay(lab.configuration(batch=20), 'second')
        eventually(lambda: held, 'the second batch is there')
        second.kill()
        eventually(lambda: len(lab.place.requests) >= 2, 'requests')
        third = work.relay(lab.configuration(batch=30), 'third')
        lab.has(third, 100)
        lab.same(relay)
        in_order(lab.place)
        equal(lab.place.requests[1][0], lab.place.requests[2][0], 'the id of what was being sent')
        third.terminate()


class Load:
    """Clients that send for as long as somebody takes it; `answered`: ids of what was answered 250."""

    def __init__(self, address, clients=4):
        self.address, self.answered = address, []
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self):
        with contextlib.suppress(harness.Failure, OSError):
            with Client(self.address) as client:
                client.hello()
                while True:
                    client.envelope()
                    self.answered.append(client.data(b'Subject: one\r\n\r\ntext\r\n')[1].split()[-1])

    def wait(self):
        for thread in self.threads:
            thread.join(60)
            check(not thread.is_alive(), 'a client hangs')


@case
def killed_in_the_middle():
    """A process that is killed while it is busy: all that it has said comes, what it had not written yet as well, and
    of each message that was answered 250 there is its event. Nothing is left out, so nothing is counted."""
    with Workspace() as work:
        lab = Lab(work)
        configuration = lab.configuration(batch=200)
        configuration['shards'] = 2
        relays, answered = [], []
        for life in range(5):
            relay = work.relay(configuration, 'life%d' % life)
            relays.append(relay)
            load = Load(relay.address)
            # From one life to the next it is another moment of what the relay does.
            eventually(lambda: len(load.answered) >= 100 + 37 * life, lambda: 'mail is taken: %s' % relay.tail(), 60)
            relay.kill()
            load.wait()
            answered += load.answered
        last = work.relay(configuration, 'last')

        def missing():
            # In its order; a line that was torn as the process died is whole here alone.
            rest = iter([line_of(event) for event in lab.place.events()])
            accepted = {event['id'] for event in lab.place.events() if event['event'] == 'accepted'}
            return ([line for line in said(*relays) if line not in rest],
                    [one for one in answered if one not in accepted])
        # What waits may be none for a moment before all that was left is there.
        eventually(lambda: missing() == ([], []),
                   lambda: 'what was written, or answered 250, comes: %s' % [one[:1] for one in missing()], 60)
        last.terminate()
        relays.append(last)
        told = [event for relay in relays for event in relay.events('events_taken_over')]
        equal([event for event in told if 'unreadable' in event], [], 'what was left is read')
        equal([event for relay in relays for event in relay.events('events_unkept')], [], 'there is memory for it')
        found = [line_of(event) for event in lab.place.events()]
        equal(sum(batch['left_out'] for batch in lab.place.batches), 0, 'left out')
        # Where the kill came between two words of who shows them.
        check(all(found.count(line) <= 2 for line in set(found)), 'some came more than twice')
        in_order(lab.place)
        equal(lab.place.problems, [], 'problems')


@case
def starts_that_fail_in_between():
    """Of a process that was killed all comes, however many starts fail before one does not, and none of them takes
    memory from the next."""
    with Workspace() as work:
        lab = Lab(work)
        first = work.relay(lab.configuration(), 'first')
        send(first, 20)
        first.kill()
        work.write('spool/suspended', 'it cannot be understood')
        for _ in range(6):
            failed = subprocess.run([program('postrider'), 'run', '--config', work.path('first.yaml')],
                                    capture_output=True, text=True, timeout=60)
            check('cannot be understood' in failed.stderr, 'it does not start: %s', failed.stderr)
        os.unlink(work.path('spool/suspended'))
        second = work.relay(lab.configuration(), 'second')
        eventually(lambda: len({event['id'] for event in lab.place.events() if event['event'] == 'accepted'}) == 20,
                   'somebody was told of all messages', 60)
        equal(second.events('events_unkept'), [], 'there is memory for it')
        second.terminate()


@case
def of_a_copy():
    """A spool that was copied, as with the image of a machine: what each says since is told apart, and what was being
    sent at the time is one and the same."""
    with Workspace() as work:
        lab, relay = with_events_that_wait(work, 10)
        lab.open()
        lab.place.answers = [503] * 1000
        eventually(lambda: lab.place.requests, 'a batch is being sent')
        relay.kill()
        shutil.copytree(work.path('spool'), work.path('copy'))
        first, second = lab.configuration(batch=20), lab.configuration(batch=20)
        second['spool'] = {**second['spool'], 'directory': work.path('copy')}
        second['control'] = {'socket': work.path('copy.sock')}
        relays = [work.relay(first, 'first'), work.relay(second, 'second')]
        for one in relays:
            send(one, 10)
        with lab.place.lock:
            lab.place.answers = []
        eventually(lambda: len(lab.place.events()) >= 60, 'all are there: the first ones once')
        contents = {}
        for identity, lines in lab.place.requests:
            check(contents.setdefault(identity, lines) == lines, '%s was something else before', identity)
        lab.same(relay, *relays, order=False)
        equal(lab.place.problems, [], 'problems')
        for one in relays:
            one.terminate()


@case
def one_by_itself_is_too_large():
    """It is refused three times, left out and counted; those behind it come."""
    with Workspace() as work:
        lab = Lab(work)

        def unless_small(handler):
            lines = lab.place.requests[-1][1]
            return 413 if any('s%d@' % large in line for line in lines) else 204
        large = 3
        lab.place.answers = [unless_small] * 1000
        relay = work.relay(lab.configuration(kinds=['accepted'], batch=1))
        with Client(relay.address) as client:
            client.hello()
            for i in range(8):
                client.envelope(sender='s%d@example.net' % i)
                client.data(b'Subject: one\r\n\r\ntext\r\n')
        eventually(lambda: len(lab.place.events()) == 7, lambda: 'the others: %s' % relay.tail())
        told = relay.told('webhook_left_out')
        equal([(event['count'], '413' in event['reason']) for event in told], [(1, True)], 'told')
        equal(sum(batch['left_out'] for batch in lab.place.batches), 1, 'left out, as batches say')
        equal([event['sender'] for event in lab.place.events()],
              ['s%d@example.net' % i for i in range(8) if i != large], 'what came')
        in_order(lab.place)
        equal(lab.metric('postrider_webhook_events_total{result="left_out"}'), 1, 'left out')
        relay.terminate()


@case
def what_has_no_room_is_counted():
    """The oldest go, exactly so many as the next batch and the event say."""
    with Workspace() as work:
        lab = Lab(work, place=False)
        relay = work.relay(lab.configuration(size_max='2MiB', kinds=['accepted', 'attempt', 'session']))
        source = work.source(relay.target, messages=6000, connections=4)
        source.result()
        relay.told('webhook_left_out')
        lab.hop.wait_arrivals(6000, 120)
        lab.open()
        wanted = ('accepted', 'attempt', 'session')
        eventually(lambda: lab.metric('postrider_webhook_waiting_events') == 0, 'all are sent', 120)
        eventually(lambda: lab.metric('postrider_webhook_events_total{result="left_out"}') == told_left_out(relay),
                   'all that was left out is told')
        relay.terminate()
        all_said = [line_of(event) for event in relay.events_seen if event['event'] in wanted]
        came = [line_of(event) for event in lab.place.events()]
        left_out = sum(batch['left_out'] for batch in lab.place.batches)
        equal(left_out, told_left_out(relay), 'left out')
        check(left_out > 0, 'nothing was left out')
        # Sessions that ended with the relay were said behind what was sent.
        equal(all_said[left_out:left_out + len(came)], came, 'what came')
        in_order(lab.place)


def told_left_out(relay):
    return sum(event['count'] for event in relay.events('webhook_left_out'))


@case
def silent_and_large():
    """A receiver that says nothing is left after its time; one that answers without end has taken the batch, however
    slowly: it has said so, and would say it again each time."""
    with Workspace() as work, Workspace() as beside:
        lab, slow = Lab(work), Lab(beside)
        handlers = []

        def talk(handler):
            handlers.append(handler)
            handler.wfile.write(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n')
            with lab.place.lock:
                lab.place.batches.append({'id': lab.place.requests[-1][0], 'first': 1, 'last': 0, 'left_out': 0,
                                          'events': []})
            try:
                while True:
                    handler.wfile.write(b'x' * 65536)
            except OSError:
                pass
            return DIES

        def say_nothing(handler):
            try:
                handler.connection.recv(1)
            except OSError:
                pass
            return DIES
        gone = threading.Event()

        def dribble(handler):
            handler.wfile.write(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
            try:
                while not gone.wait(0.5):
                    handler.wfile.write(b'1\r\nx\r\n')
            except OSError:
                pass
            return DIES
        lab.place.answers = [say_nothing, talk]
        slow.place.answers = [dribble]
        relay = work.relay(lab.configuration())
        slowly = beside.relay(slow.configuration())
        send(slowly, 1)
        send(relay, 1)
        failed = relay.told('webhook_failed')
        check('status' not in failed[0], 'told %s', failed)
        relay.told('webhook_ok')
        equal(len({identity for identity, _ in lab.place.requests[:2]}), 1, 'ids')
        relay.terminate()
        eventually(lambda: slow.metric('postrider_webhook_waiting_events') == 0, 'it is taken', 60)
        gone.set()
        equal([len(lines) for _, lines in slow.place.requests], [2], 'what was sent')
        equal(slowly.events('webhook_failed'), [], 'failures')
        slowly.terminate()


@case
def strange_answers():
    """What is no HTTP, ends behind its header, has a header without end, or is cut within it is no answer; the same
    batch comes again."""
    with Workspace() as work:
        lab = Lab(work)

        def saying(octets, endless=b''):
            def answer(handler):
                try:
                    handler.wfile.write(octets)
                    while endless:
                        handler.wfile.write(endless)
                except OSError:
                    pass
                return DIES
            return answer
        strange = [saying(b'taken\r\n'), saying(b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'),
                   saying(b'HTTP/1.1 200 OK\r\n', b'X-Field: ' + b'x' * 8000 + b'\r\n'), saying(b'HTTP/1.1 20'),
                   saying(b'HTTP/1.1 999999999999 \r\n\r\n'), saying(b'\0' * 100 + b'\r\n\r\n'),
                   # It is not done yet, for ever.
                   saying(b'', b'HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n' * 100),
                   saying(b'HTTP/1.1 100 Continue\r\n\r\n' * 3 + b'HTTP/1.1 101 Switching Protocols\r\n\r\n'),
                   saying(b'HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n', b'1000\r\n' + b'x' * 4096 +
                          b'\r\n'),
                   saying(b'HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n')]
        relay = work.relay(lab.configuration())
        for i, one in enumerate(strange):
            lab.place.answers = [one]
            send(relay, 1)
            lab.has(relay, 2 * (i + 1))
        in_order(lab.place)
        lab.same(relay)
        relay.terminate()


@case
def who_answers_for_others():
    """One that points to another host, in whichever way, has nothing sent there."""
    with Workspace() as work:
        lab = Lab(work)
        other = work.own(WebhookPlace(lab.authority.context(['localhost']), SECRET))
        place = 'https://localhost:%d/hook' % other.port
        lab.place.answers = [(code, {'Location': place, 'Refresh': '0; url=' + place, 'Retry-After': '1',
                                     'Alt-Svc': 'http/1.1="localhost:%d"' % other.port,
                                     'Strict-Transport-Security': 'max-age=1000', 'Proxy-Authenticate': 'Basic',
                                     'WWW-Authenticate': 'Basic realm="x"', 'Set-Cookie': 'a=b'})
                             for code in (303, 308, 401)]
        relay = work.relay(lab.configuration())
        send(relay, 1)
        lab.has(relay, 2)
        lab.same(relay)
        equal(len(lab.place.requests), 4, 'requests')
        equal(other.requests, [], 'what the other was sent')
        check('URL into events.webhook.url' in relay.events('webhook_failed')[0]['problem'], 'told %s',
              relay.events('webhook_failed'))
        relay.terminate()


@case
def its_certificate_ends():
    """From then on it is sent nothing, and it is told why; what waits comes when it is renewed."""
    with Workspace() as work:
        lab = Lab(work)
        relay = work.relay(lab.configuration())
        send(relay, 1)
        lab.has(relay, 2)
        before = lab.place
        before.stop()
        lab.context = lab.authority.context(['localhost'], days=-1)
        lab.open()
        ended = lab.place
        # The connection that is kept, and was made while it was good, ends with its next request.
        with before.lock:
            before.answers = [DIES] * 100
        send(relay, 1)
        eventually(lambda: any('has expired' in event['problem'] for event in relay.events('webhook_failed')),
                   lambda: 'it is told: %s' % relay.events('webhook_failed'), 60)
        equal(ended.requests, [], 'what it was sent')
        ended.stop()
        lab.context = lab.authority.context(['localhost'])
        lab.open()
        reload(work, relay, lab.configuration())
        eventually(lambda: len(lab.place.events()) == 2, lambda: 'what waited comes: %s' % relay.tail(), 60)
        equal([line_of(event) for event in before.events() + lab.place.events()], said(relay), 'all')
        relay.terminate()


@case
def taken_away_in_the_middle():
    """A reload takes the webhook away while a batch is under way, and brings it back: the same batch comes again under
    its id, and what waited is still there."""
    with Workspace() as work:
        lab = Lab(work)
        gone = threading.Event()

        def hold(handler):
            handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\na part of it')
            gone.wait(60)
            return DIES
        lab.place.answers = [hold]
        with_it = lab.configuration(batch=10)
        relay = work.relay(with_it)
        send(relay, 20)
        lab.hop.wait_arrivals(20)
        eventually(lambda: len(said(relay)) == 40, 'all is said')
        eventually(lambda: lab.place.requests, 'the first batch')
        eventually(lambda: lab.metric('postrider_webhook_waiting_events') == 40, 'all wait')
        without = lab.configuration()
        del without['events']
        reload(work, relay, without)
        gone.set()
        changed = lab.configuration(batch=5)
        changed['hostname'] = 'other.example.org'
        reload(work, relay, changed)
        lab.has(relay, 40)
        lab.same(relay)
        equal(lab.place.requests[0], lab.place.requests[1], 'what was under way')
        in_order(lab.place)
        relay.terminate()


@case
def who_is_nobody_of_ours():
    """A certificate that does not check gets nothing; a secret that is none is told; 410 ends it until a reload."""
    with Workspace() as work:
        lab = Lab(work)
        other = lab.authority.context(['localhost'], signed=False)
        stranger = work.own(WebhookPlace(other, SECRET))
        configuration = lab.configuration()
        configuration['events']['webhook']['url'] = 'https://localhost:%d/hook' % stranger.port
        relay = work.relay(configuration)
        send(relay, 1)
        told = relay.told('webhook_failed')[0]
        check('certificate' in told['problem'], 'told %s', told)
        equal(stranger.requests, [], 'what a stranger was sent')
        work.write('webhook.secret', 'short\n')
        reload(work, relay, lab.configuration())
        told = relay.told('webhook_failed', 2)[1]
        check('secret' in told['problem'], 'told %s', told)
        work.write('webhook.secret', SECRET + '\n' + 'the one before, which ends\n')
        lab.place.answers = [410]
        told = relay.told('webhook_failed', 3)[2]
        equal((told['status'], told['level']), (410, 'error'), 'told')
        equal(lab.place.events(), [], 'events')
        reload(work, relay, lab.configuration())
        lab.has(relay, 2)
        lab.same(relay)
        relay.terminate()


@case
def no_place_for_its_journal():
    """Mail goes on without it, and it is told; a reload takes it when there is one."""
    with Workspace() as work:
        lab = Lab(work)
        os.makedirs(work.path('spool'))
        work.write('spool/webhook', 'somebody has put a file there')
        relay = work.relay(lab.configuration())
        relay.told('webhook_unread')
        send(relay, 2)
        lab.hop.wait_arrivals(2)
        eventually(lambda: len(said(relay)) == 4, 'all is said')
        os.unlink(work.path('spool', 'webhook'))
        reload(work, relay, lab.configuration())
        send(relay, 1)
        lab.has(relay, 2)
        lab.same(relay, before=4)
        relay.terminate()


@case
def doctor_looks_at_it():
    """With --send it posts a batch without events; a place that refuses, a secret that is none, an address that no
    route leads to and a relay that does not run are said with what to do."""
    with Workspace() as work:
        lab = Lab(work)
        content = lab.configuration()
        content['incidents'] = {'mail': 'it@example.com'}
        relay = work.relay(content)
        eventually(lambda: looked(work, content)['trace']['result'] == 'ok', 'the trace is made')
        rungs = looked(work, content, '--send', 'it@example.com')
        equal({name: rungs[name]['result'] for name in ('control socket', 'trace', 'webhook', 'incidents.mail')},
              dict.fromkeys(('control socket', 'trace', 'webhook', 'incidents.mail'), 'ok'), 'all is well')
        equal([lines for _, lines in lab.place.requests], [[]], 'what was posted')
        equal(lab.place.problems, [], 'problems')
        equal(looked(work, content)['webhook']['result'], 'note', 'without --send')
        lab.place.answers = [403]
        equal(looked(work, content, '--send', 'it@example.com')['webhook']['result'], 'broken', 'refused')
        relay.terminate()
        break_gaps(work, content)
        equal(looked(work, content)['trace']['result'], 'warning', 'a trace that breaks while it is read')
        work.write('webhook.secret', 'short\n')
        content['routes'] = [{'recipient': '*@elsewhere.example', 'destination': 'next-hop'}]
        rungs = looked(work, content)
        equal({name: rungs[name]['result'] for name in ('control socket', 'webhook secret', 'incidents.mail')},
              {'control socket': 'warning', 'webhook secret': 'broken', 'incidents.mail': 'broken'}, 'all is wrong')
        check(all(rungs[name].get('advice') for name in ('control socket', 'webhook secret', 'incidents.mail')),
              'advice: %s', rungs)


def break_gaps(work, content):
    """What was left out cannot be read any more: the first page of its table is none."""
    file = os.path.join(content['spool']['directory'], 'trace.db')
    with contextlib.closing(sqlite3.connect(file)) as trace:
        trace.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        page = trace.execute("SELECT rootpage FROM sqlite_master WHERE name = 'gap'").fetchone()[0]
        size = trace.execute('PRAGMA page_size').fetchone()[0]
    with open(file, 'r+b') as f:
        f.seek((page - 1) * size)
        f.write(b'\xff' * size)


def looked(work, content, *arguments):
    """The last ladder's rungs by their names."""
    file = work.write('doctor.yaml', json.dumps(content))
    done = subprocess.run([program('postrider'), 'doctor', '--config', file, '--json', *arguments],
                          capture_output=True, text=True, timeout=120)
    ladder = json.loads(done.stdout.splitlines()[-1])
    equal(ladder['target'], 'this relay', 'the last target: ' + done.stderr)
    return {rung['rung']: rung for rung in ladder['rungs']}


if __name__ == '__main__':
    harness.main(together=3)
