#!/usr/bin/python3
"""tests/e2e/pool_run.py - a large run of one relay and a pool of mailboxes at the scripted Office 365.

    tests/e2e/pool_run.py [--messages 20000] [--mailboxes 40] [--scale 4] [--kills 20] [--seed N] ...
    tests/e2e/pool_run.py --calm --scale 1 --mailboxes 4 --minutes 12      # real minutes, nothing goes wrong

Mail is submitted over plain SMTP, each message with a number of its own and never twice: what was answered 250 must
arrive once, and what was not answered may. Meanwhile messages and logins are refused by lot, connections cut, tokens
end and are revoked, the token endpoint goes away or wants to be left alone, mailboxes are disabled, and the relay is
stopped and killed. At the end it is told, and checked:

    violations   of what Office 365 and the token endpoint allow (office365.py, token_endpoint.py): none
    lost         none
    twice        only what a cut or a kill explains: its first copy was taken, and nobody was told
    used         of what each mailbox may send, in the time in which nothing stood in its way: 95 in 100

A minute may be shorter: with --scale 4 it has fifteen seconds, for the relay by a limit four times as high.
"""

import argparse
import bisect
import calendar
import collections
import json
import os
import random
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SOURCES, Certificates, Client, Workspace, check, eventually, free_port, message  # noqa: E402
from office365 import Office365  # noqa: E402
from access_token import APPLICATION  # noqa: E402
from token_endpoint import TokenEndpoint, key_and_certificate  # noqa: E402

os.environ['POSTRIDER_PRESETS'] = os.path.join(SOURCES, 'dist', 'presets')
ALLOWED = 30            # messages a minute, by mailbox
SUBMITTERS = 8
# By lot, for each occasion.
CHANCES = {'busy': 0.01, 'cut_connect': 0.02, 'auth_unavailable': 0.02, 'cut_auth': 0.02, 'server_busy': 0.0001,
           'cut_mail': 0.002, 'insufficient': 0.005, 'shutting_down': 0.002, 'connections': 0.0008, 'threads': 0.0004,
           'cut_before': 0.002, 'cut_after': 0.002}
SLOW_FOR = 3            # seconds, where it is minutes in the built-in rules
# A kill explains a second copy where the first was taken so shortly before: the time in which an answer is on its way
# and what was done is written. Machines may be busy.
IN_FLIGHT = 3.0
# By so much the relay takes a minute to be longer, for its timers and the way (core/deliver/account.h). Where a minute
# is shorter that second is as well, and timers and processors are not faster: what is missing of it is no violation.
TIMERS = 1.0
# The relay takes all to have been spent when it starts, connects, and fetches a token.
SETTLING = 1.5


def wall(event):
    """When the relay wrote it."""
    text = event['time']
    return calendar.timegm(time.strptime(text[:19], '%Y-%m-%dT%H:%M:%S')) + float(text[19:].rstrip('Z') or 0)


class Submission:
    """Numbered mail, as fast as `rate` says; a connection that ends is followed by the next."""

    def __init__(self, port, count, rate):
        self.port, self.count, self.rate = port, count, rate
        self.lock = threading.Lock()
        self.next, self.answered, self.unanswered = 0, set(), set()
        self.refused = collections.Counter()
        self.begin = time.monotonic()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(SUBMITTERS)]
        for thread in self.threads:
            thread.start()

    def _number(self):
        with self.lock:
            if len(self.answered) + len(self.unanswered) >= self.count or self.next >= 2 * self.count:
                return None
            self.next += 1
            number = self.next
        time.sleep(max(0, self.begin + number / self.rate - time.monotonic()))
        return number

    def _run(self):
        client = None
        while (number := self._number()) is not None:
            try:
                if client is None:
                    client = Client(('127.0.0.1', self.port), greeting=False)
                    client.expect(220)
                    client.hello()
                done = self._give(client, number)
            except Exception:   # gone, or another answer: nobody knows
                done = None
            if not done:
                if client:
                    client.close()
                client = None
                time.sleep(0.05)
        if client:
            client.close()

    def _give(self, client, number):
        begun = False
        try:
            client.envelope('scanner@devices.example.net')
            client.command('DATA', 354)
            begun = True
            client.send(message(number) + b'.\r\n')
            client.expect(250)
        except Exception:
            # Before its content nothing of it is there; the number stays unused.
            if begun:
                with self.lock:
                    self.unanswered.add(number)
            raise
        with self.lock:
            self.answered.add(number)
        return True

    def running(self):
        return any(thread.is_alive() for thread in self.threads)


class Run:
    def __init__(self, work, options):
        self.work, self.o = work, options
        self.chance = random.Random(options.seed)
        self.window = 60.0 / options.scale
        self.certificates = Certificates()
        self.endpoint = work.own(TokenEndpoint(self.certificates, lifetime=options.token_life))
        self.office = work.own(Office365(
            self.certificates, options.mailboxes, tokens=self.endpoint.tokens, window=self.window, over='refuse',
            slack=max(0.0, TIMERS - 1 / options.scale), keep_content=False, seed=options.seed, challenge=True,
            recipients_per_day=options.day, chances={} if options.calm else CHANCES))
        self.names = list(self.office.mailboxes)
        self.port = free_port()
        self.lives = []         # [ready, end or None, relay]
        self.kills, self.stops, self.revoked = [], [], []
        self.cut_off = {}               # connection: when, by who disables or revokes
        self.content = self._configuration()

    def _configuration(self):
        certificate, key = key_and_certificate(self.work.directory)
        os.chmod(key, 0o600)
        self.endpoint.application(APPLICATION, certificates=[certificate])
        slow = [{'code': 432, 'do': 'slow', 'of': 'mailbox', 'by': 2, 'for': '%ds' % SLOW_FOR},
                {'code': '4xx', 'enhanced': '4.7.500-4.7.699', 'do': 'slow', 'of': 'host', 'by': 4,
                 'for': '%ds' % SLOW_FOR}]
        return self.work.configuration(
            [self.office.host], listeners=[{'name': 'lan', 'address': '127.0.0.1:%d' % self.port}],
            tls={'mode': 'verify', 'ca_file': self.certificates.ca, 'server_name': self.office.name},
            log={'sessions': False, 'messages': False}, timeouts={'drain': '5s'}, shards=self.o.shards,
            retry={'first': '500ms', 'factor': 2, 'max': '5s', 'expire': '1d'},
            destination={
                'preset': 'office365-submission', 'sender': 'mailbox', 'verdicts': slow,
                'mailboxes': [{'user': name} for name in self.names],
                'oauth': {'client_id': APPLICATION, 'certificate': certificate, 'private_key': key,
                          'token_url': self.endpoint.url,
                          'ca_file': self.endpoint.ca_file, 'scope': 'https://outlook.office365.com/.default'},
                'limits': {'connections': 3, 'messages_per_minute': ALLOWED * self.o.scale,
                           'recipients_per_day': self.o.day}})

    # ---- the relay

    @property
    def relay(self):
        return self.lives[-1][2]

    def start(self):
        self.office.forget_refusals()
        with self.endpoint.lock:
            self.endpoint.not_before.clear()
        relay = self.work.relay(self.content, name='postrider-%d' % len(self.lives))
        self.lives.append([time.time(), None, relay])

    def kill(self):
        # Before: what is taken from here on may be taken again.
        self.lives[-1][1] = time.time()
        self.relay.kill()
        self.kills.append((self.lives[-1][1], time.time()))
        self.start()

    def restart(self):
        self.lives[-1][1] = time.time()
        self.relay.terminate()
        self.stops.append(self.lives[-1][1])
        self.start()

    # ---- what goes wrong

    def plan(self, seconds):
        """[(when, what)]: kills and restarts everywhere, the others in stretches of their own."""
        plan = [(self.chance.uniform(0.03, 0.95) * seconds, self.kill) for _ in range(self.o.kills)]
        plan += [(self.chance.uniform(0.03, 0.95) * seconds, self.restart) for _ in range(self.o.restarts)]
        for _ in range(self.o.troubles):
            for begin, end, length in ((self._endpoint_down, self.endpoint.up, 4), (self._leave_alone, None, 0),
                                       (self.endpoint.tokens.revoke, None, 0), (self._disable, self._enable, 5),
                                       (self._answers_nonsense, self.endpoint.heal, 3)):
                at = self.chance.uniform(0.05, 0.9) * seconds
                plan.append((at, begin))
                if end:
                    plan.append((at + length, end))
        return sorted(plan, key=lambda each: each[0])

    def _endpoint_down(self):
        if self.endpoint.server:
            self.endpoint.down()

    def _leave_alone(self):
        self.endpoint.fail(429, b'{"error":"temporarily_unavailable"}', (('Retry-After', 2),))

    def _answers_nonsense(self):
        self.endpoint.fail(503, b'<html>Our services are not available right now</html>', for_ever=True)

    def _cut(self, mailbox):
        for session in list(mailbox.signed_in):
            # Before: the answer to what is taken from here on, or was shortly before, may be lost.
            self.cut_off[id(session)] = time.time()
            session.close()

    def _disable(self):
        name = self.chance.choice(self.names)
        self.office.mailboxes[name].refused = self.chance.choice(('mailbox_disabled', 'criteria'))
        self._cut(self.office.mailboxes[name])

    def _enable(self):
        for mailbox in self.office.mailboxes.values():
            mailbox.refused = None

    def _revoke_and_cut(self):
        """As when an administrator revokes all sessions: nobody stays signed in, and no token is good any more."""
        self.revoked.append(time.time())
        self.endpoint.tokens.revoke()
        for mailbox in self.office.mailboxes.values():
            self._cut(mailbox)

    def trouble(self, plan, begin):
        for at, what in plan:
            if not self.submission.running() and self.left() < self.o.mailboxes * 10:
                break
            time.sleep(max(0, begin + at - time.monotonic()))
            if what == self.endpoint.up and self.endpoint.server:
                continue
            what()
        self._enable()
        self.endpoint.heal()
        if not self.endpoint.server:
            self.endpoint.up()

    # ---- all of it

    def left(self):
        return len(self.submission.answered) - len(self.office.taken)

    def go(self):
        pace = self.o.mailboxes * ALLOWED / self.window
        messages = int(pace * 60 * self.o.minutes) if self.o.minutes else self.o.messages
        seconds = messages / pace
        self.start()
        began = time.monotonic()
        self.began = time.time()
        self.submission = Submission(self.port, messages, max(pace * 1.5, 50))
        if not self.o.calm:
            self.trouble(self.plan(seconds), began)
        self.trouble([((i + 0.5) * 0.8 * seconds / self.o.revoke, self._revoke_and_cut)
                      for i in range(self.o.revoke)], began)
        # Most of it is to be there when nothing goes wrong any more; the rest may wait for pauses that have grown.
        eventually(lambda: not self.submission.running(), 'all is submitted', 3 * seconds + 300, 0.2)
        eventually(lambda: self.submission.answered <= {number for number, _ in list(self.office.taken)},
                   lambda: '%d of %d arrived; %s; %s' % (len(self.office.taken), len(self.submission.answered),
                                                         self.office.report(), self.relay.tail()),
                   3 * seconds + 300, 0.5)
        self.seconds = time.monotonic() - began
        self.lives[-1][1] = time.time()
        self.relay.terminate()
        return self

    # ---- what came of it

    def events(self, name):
        return [event for _, _, relay in self.lives for event in relay.events(name)]

    def twice(self):
        """(explained by a cut, explained by a kill, by nothing)."""
        cut, killed, unexplained = [], [], []
        for number, copies in self.office.copies.items():
            for first, _, connection in sorted(copies)[:-1]:
                if (number, connection) in self.office.cut_after or \
                        first > self.cut_off.get(connection, float('inf')) - IN_FLIGHT:
                    cut.append(number)
                elif any(begin - IN_FLIGHT < first < end + 0.5 for begin, end in self.kills):
                    killed.append(number)
                else:
                    unexplained.append((number, [round(when - self.began, 3) for when, _, _ in copies]))
        return cut, killed, unexplained

    def _obstacles(self):
        """{mailbox or None: [(since, until)]}: when it may send less than its allowance, by somebody else's word."""
        found = collections.defaultdict(list)
        for event in self.events('slowed'):
            steps = event['times'].bit_length()
            whose = event.get('mailbox') if event['scope'] == 'mailbox' else None
            found[whose].append((wall(event), wall(event) + event['for_s'] * steps + 0.5))
        for _, end, relay in self.lives:
            held = {}
            for event in list(relay.events_seen):
                if event['event'] in ('mailbox_refused', 'mailbox_deferred'):
                    held.setdefault(event['mailbox'], wall(event) - 0.5)
                elif event['event'] == 'mailbox_accepted' and event['mailbox'] in held:
                    found[event['mailbox']].append((held.pop(event['mailbox']), wall(event) + 0.5))
                elif event['event'] == 'budget_spent':
                    held.setdefault(event['whose'].rpartition(' ')[2], wall(event) - 0.5)
                elif event['event'] == 'host_failed':
                    shut = wall(event), wall(event) + event['again_ms'] / 1000 + 0.5
                    for name in self.names:
                        found[name] += self._absent(name, *shut)
            for name, since in held.items():
                found[name].append((since, end))
        return found

    def _absent(self, name, since, until):
        """The parts of this time in which nobody was signed in as it."""
        for begin, end in sorted(self.office.mailboxes[name].present):
            if begin > until:
                break
            if begin > since:
                yield since, begin
            since = max(since, end)
        if since < until:
            yield since, until

    def _free(self, name, obstacles, until):
        """The stretches of time in which nothing stood in its way, and there was mail."""
        in_the_way = sorted(obstacles[name] + obstacles[None])
        for ready, end, _ in self.lives:
            at, end = ready + SETTLING, min(end, until)
            for since, over in in_the_way:
                if since > at and min(since, end) - at > self.window / ALLOWED:
                    yield at, min(since, end)
                at = max(at, over)
            if end - at > self.window / ALLOWED:
                yield at, end

    def stretches(self):
        """{mailbox: [(since, until, messages begun)]}: the times in which nothing stood in its way."""
        obstacles = self._obstacles()
        times = sorted(copies[0][0] for copies in self.office.copies.values())
        # Mail is short at the end: not every mailbox has a message then.
        until = times[max(0, len(times) - 1 - 5 * self.o.mailboxes)]
        found = {}
        for name in self.names:
            begun = self.office.mailboxes[name].begun
            found[name] = [(since, over, bisect.bisect_left(begun, over) - bisect.bisect_left(begun, since))
                           for since, over in self._free(name, obstacles, until)]
        return found

    def used(self):
        """{mailbox: (part used, seconds looked at)}."""
        parts = {}
        for name, stretches in self.stretches().items():
            seconds = sum(over - since for since, over, _ in stretches)
            count = sum(count for *_, count in stretches)
            parts[name] = count * self.window / ALLOWED / seconds if seconds else None, seconds
        return parts

    def figures(self):
        cut, killed, unexplained = self.twice()
        arrived = {number for number, _ in self.office.taken}
        parts = [part for part, seconds in self.used().values() if part is not None]
        return {
            'seed': self.o.seed, 'kernel': os.uname().release, 'seconds': round(self.seconds, 1),
            'mailboxes': self.o.mailboxes, 'a_minute_is_s': self.window,
            'answered_250': len(self.submission.answered), 'unanswered': len(self.submission.unanswered),
            'lost': len(self.submission.answered - arrived),
            'unasked': len(arrived - self.submission.answered - self.submission.unanswered),
            'kills': len(self.kills), 'restarts': len(self.stops),
            'twice_by_cut': len(cut), 'twice_by_kill': len(killed), 'twice_unexplained': unexplained[:5],
            'violations': dict(self.office.violations), 'what': self.office.what_was_wrong[:5],
            'token_violations': self.endpoint.violations[:5],
            'refused': dict(self.office.refused), 'logins': len(self.office.logins),
            'connections': self.office.accepted, 'tokens': self.endpoint.given,
            'token_requests': len(self.endpoint.requests),
            'used': {'least': round(min(parts), 4), 'median': round(statistics.median(parts), 4),
                     'most': round(max(parts), 4)} if parts else None,
            'revoked': [self.flow_after(when) for when in self.revoked],
            'used_of_time': round(sum(seconds for _, seconds in self.used().values())
                                  / self.o.mailboxes / self.seconds, 3),
            'busiest_window': max(self.office.busiest(name) for name in self.names),
            'busiest_minute': max(self.office.busiest(name, 60.0) for name in self.names),
        }

    def flow_after(self, when):
        """How long after this the first message was taken, and until half and all of the mailboxes had sent one."""
        first = []
        for mailbox in self.office.mailboxes.values():
            at = bisect.bisect_right(mailbox.started, when)
            first += [mailbox.started[at] - when] if at < len(mailbox.started) else []
        first.sort()
        return {'first_s': round(first[0], 3), 'half_s': round(first[len(first) // 2], 3),
                'all_s': round(first[-1], 3), 'mailboxes': len(first)} if first else None

    def minutes(self):
        """[[messages of each mailbox] in each whole window], from when the first was sent."""
        first = min(mailbox.started[0] for mailbox in self.office.mailboxes.values())
        last = min(mailbox.started[-1] for mailbox in self.office.mailboxes.values())
        rows, at = [], first
        while at + self.window <= last:
            rows.append([bisect.bisect_left(mailbox.started, at + self.window) - bisect.bisect_left(mailbox.started, at)
                         for mailbox in self.office.mailboxes.values()])
            at += self.window
        return rows

    def check(self, least=0.95):
        figures = self.figures()
        self.office.check_clean()
        self.endpoint.check_clean()
        # What the relay promises is of real minutes, and nothing is allowed for there.
        check(figures['busiest_minute'] <= ALLOWED * self.o.scale, 'messages in a real minute: %d of %d (seed %d)',
              figures['busiest_minute'], ALLOWED * self.o.scale, self.o.seed)
        for what in ('lost', 'unasked', 'twice_unexplained'):
            check(not figures[what], '%s: %s (seed %d)', what, figures[what], self.o.seed)
        check(not self.events('failed') and not any(relay.count['failed'] for *_, relay in self.lives),
              'mail failed')
        if least and figures['used']:
            check(figures['used']['least'] >= least, 'a mailbox used %s of its allowance (seed %d)',
                  figures['used'], self.o.seed)
        return figures


def options_of(arguments):
    parser = argparse.ArgumentParser(description=__doc__.partition('\n\n')[0])
    for name, default, text in (
            ('messages', 20000, 'how many'), ('mailboxes', 40, 'how many'), ('kills', 20, 'SIGKILL'),
            ('restarts', 5, 'SIGTERM and a new start'), ('troubles', 3, 'of each other kind'),
            ('shards', 2, 'of the relay'), ('day', 10000, 'recipients a day and mailbox'),
            ('token-life', 25, 'seconds'), ('scale', 4, 'a minute has 60 seconds / scale'),
            ('revoke', 0, 'times, of all tokens, with every connection cut; the rest is calm'),
            ('seed', random.randrange(1 << 30), 'of what goes wrong')):
        parser.add_argument('--' + name, type=int, default=default, help='%s (%s)' % (text, default))
    parser.add_argument('--minutes', type=float, default=0, help='so much mail instead of --messages')
    parser.add_argument('--calm', action='store_true', help='nothing goes wrong')
    return parser.parse_args(arguments)


def main():
    options = options_of(sys.argv[1:])
    with Workspace() as work:
        run = Run(work, options).go()
        print(json.dumps(run.figures(), indent=1), flush=True)
        print('used least:')
        used, stretches = run.used(), run.stretches()
        for name in sorted(run.names, key=lambda name: used[name][0] or 1)[:2]:
            for since, over, count in stretches[name]:
                print('%s from %.2f to %.2f: %d, %.3f' % (name, since - run.began, over - run.began, count,
                                                          count * run.window / ALLOWED / (over - since)))
        if options.calm:
            for number, row in enumerate(run.minutes()):
                print('minute %2d: %s of %d' % (number + 1, ' '.join('%3d' % count for count in row), ALLOWED))
        run.check()


if __name__ == '__main__':
    main()
