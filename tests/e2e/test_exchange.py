#!/usr/bin/python3
"""tests/e2e/test_exchange.py - what a next hop is told, and what becomes of mail when its replies are odd."""

import contextlib
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (CLOSE, SILENCE, Client, NextHop, Workspace, case, check, equal, eventually,  # noqa: E402
                     free_port, message, parallel)
from next_hop import Closed, NextHopSession  # noqa: E402

CHUNKING = ('PIPELINING', 'CHUNKING', 'ENHANCEDSTATUSCODES')
DATA_ONLY = ('PIPELINING', 'ENHANCEDSTATUSCODES')
PLAIN = ('ENHANCEDSTATUSCODES',)


class Patient(NextHopSession):
    """Refuses in its greeting, and waits for what is said to that."""

    def serve(self):
        if self.reply('connect', '', '220 next-hop.example.com ESMTP'):
            self.out += b'220 again\r\n'
        while True:
            self.commands.append(self.line())
            if self.commands[-1] == b'QUIT':
                raise Closed()


class Gateway(NextHopSession):
    """Passes on an offer of CHUNKING and does not know BDAT: the chunk's lines are commands to it."""

    def on_bdat(self, argument):
        self.reply('BDAT', argument, '500 5.5.1 Command unrecognized')


class Lossy(NextHopSession):
    """Loses a command behind which another one lies already."""

    def on_mail(self, argument):
        if b'\n' not in self.buffer:
            super().on_mail(argument)

    def on_rcpt(self, argument):
        self.recipients.append(argument[4:-1])
        self.out += b'250 2.1.5 Ok\r\n'


class Alone(NextHopSession):
    """Answers 503 to whatever was sent behind a message before its reply."""

    def line(self):
        if not self.buffer:
            self.flush()
            self.busy = False
        return super().line()

    busy = False

    def arrived(self, content, raw, chunked):
        super().arrived(content, raw, chunked)
        self.busy = bool(self.buffer)

    def reply(self, stage, argument, usual):
        return super().reply(stage, argument, '503 5.5.1 Bad sequence' if self.busy and stage != 'BDAT' else usual)


class Watching(NextHopSession):
    """Notes whether anything came behind the end of a message before its reply."""

    def read_data(self):
        raw = super().read_data()
        time.sleep(0.05)
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            self.buffer += self.socket.recv(65536)
        self.socket.setblocking(True)
        if self.buffer:
            self.server.across = True
        return raw


def send(relay, sequence, recipients=('recipient@example.com',), size=800):
    with Client(relay.address) as client:
        client.hello()
        client.envelope(recipients=recipients)
        client.data(message(sequence, size))


def once(stage, answer):
    """A script that gives `answer` the first time that `stage` is reached."""
    left = [answer]
    return lambda now, session, argument: left.pop() if now == stage and left else None


def reasons(relay):
    return [event['reason'] for event in relay.events('connection')]


def parameters(hop):
    """What was said behind the address in each MAIL but those of reports, which may come at any time."""
    return [line.partition(b'> ')[2] for session in hop.sessions for line in session.commands
            if line.startswith(b'MAIL') and not line.startswith(b'MAIL FROM:<>')]


@case
def eight_bit_content_is_declared():
    """Whatever the client said about it, in one record or in parts, and after a restart."""
    text = 'Größe\r\n'.encode()
    with Workspace() as work:
        port = free_port()
        configuration = work.configuration(['127.0.0.1:%d' % port], shards=1)
        relay = work.relay(configuration)
        with Client(relay.address) as client:
            client.hello()
            for said in ('', ' BODY=7BIT', ' BODY=8BITMIME'):
                client.envelope(sender='eight@example.net', parameters=said)
                client.data(message(1) + text)
            client.envelope(sender='eight@example.net')
            client.data(text + message(2, 2000000))
            client.envelope(sender='seven@example.net')
            client.data(message(3))
        relay.terminate()
        hop = work.own(NextHop(('PIPELINING', '8BITMIME'), port=port))
        relay = work.relay(configuration, 'again')
        hop.wait_arrivals(5)
        said = sorted(line for session in hop.sessions for line in session.commands if line.startswith(b'MAIL'))
        equal(said, [b'MAIL FROM:<eight@example.net> BODY=8BITMIME'] * 4 + [b'MAIL FROM:<seven@example.net>'], 'MAIL')
        relay.terminate()


def surplus(extensions, stage, expected):
    """A reply that nobody asked for: the connection ends, no result is wrong, and the message arrives once."""
    first = {'connect': '220 next hop', 'EHLO': None, 'MAIL': '250 2.1.0 ok', 'RCPT': '250 2.1.5 ok',
             'DATA': '354 go', 'END': '250 2.0.0 taken', 'BDAT': '250 2.0.0 taken'}[stage]
    if stage == 'EHLO':
        first = '\r\n'.join(['250-next hop', *('250-' + e for e in extensions), '250 8BITMIME'])

    def script(now, session, argument):
        if now == 'RCPT' and 'bad@' in argument:
            return '550 5.1.1 unknown'
        return early(now, session, argument)
    early = once(stage, first + '\r\n250 2.0.0 early')
    with Workspace() as work:
        hop = work.own(NextHop(extensions, script=script))
        relay = work.relay(work.configuration([hop.host], shards=1))
        send(relay, 1, ('good@example.com', 'bad@example.com', 'good2@example.com'))
        eventually(lambda: relay.count['partial'] + relay.count['delivered'], lambda: '%s' % relay.tail())
        what = '%s at %s' % (extensions, stage)
        last = hop.arrivals[-1]
        equal(last.recipients, ['good@example.com', 'good2@example.com'], what)
        # Where the end was answered twice, the first copy may have been taken.
        check(len(hop.arrivals) == 1 + (stage in ('END', 'BDAT')), '%s: %d copies', what, len(hop.arrivals))
        check(any(expected in reason and '250 2.0.0 early' in reason for reason in reasons(relay)),
              '%s: %s', what, reasons(relay))
        relay.terminate()


@case
def replies_before_their_commands():
    """PAR-05: a reply is matched only to a command that was sent before it came, and never two to one command."""
    for extensions in (CHUNKING, DATA_ONLY, PLAIN):
        ends = ('BDAT',) if 'CHUNKING' in extensions else ('DATA', 'END')
        parallel(surplus, [(extensions, stage, expected) for stage, expected in [
            ('connect', 'a reply before its command'), ('EHLO', 'a reply without a command')]
            + [(end, 'more replies than commands') for end in ends]])
    # One command at a time: each of them can be told.
    parallel(surplus, [(PLAIN, stage, 'more replies than commands') for stage in ('MAIL', 'RCPT')])


def closes_at(extensions, stage, told):
    with Workspace() as work:
        hop = work.own(NextHop(extensions, script=once(stage, CLOSE)))
        relay = work.relay(work.configuration([hop.host], shards=1, retry={'first': '1s', 'max': '1s'}))
        send(relay, 1)
        hop.wait_arrivals(1)
        equal(relay.told('connection')[0]['stage'], told, '%s at %s' % (extensions, stage))
        relay.terminate()


@case
def where_a_connection_ended_is_told():
    """The stage is that of the command whose answer did not come."""
    ends = [(PLAIN, 'MAIL', 'mail'), (PLAIN, 'RCPT', 'rcpt'), (PLAIN, 'DATA', 'data'), (PLAIN, 'END', 'content'),
            (CHUNKING, 'MAIL', 'mail'), (CHUNKING, 'BDAT', 'content')]
    parallel(closes_at, ends)


@case
def the_first_digit_decides():
    """RFC 5321 4.2.1: what a code's later digits mean does not matter for what is done next."""
    replies = {'connect': '299 hello', 'EHLO': '220-next hop\r\n220 PIPELINING', 'DATA': '350 go', 'MAIL': '200 yes',
               'RCPT': '252 perhaps', 'END': '299 taken', 'QUIT': '250 bye'}
    with Workspace() as work:
        hop = work.own(NextHop(DATA_ONLY, script=lambda stage, session, argument: replies.get(stage)))
        relay = work.relay(work.configuration([hop.host], shards=1))
        send(relay, 1)
        eventually(lambda: relay.count['delivered'] == 1, lambda: relay.tail())
        equal((len(hop.arrivals), hop.accepted), (1, 1), 'arrivals and connections')
        relay.terminate()


@case
def a_refusal_is_answered_with_quit():
    # Who refuses EHLO is asked with HELO as well.
    for stages in (('connect',), ('EHLO', 'HELO')):
        with Workspace() as work:
            refusal = '554 5.7.1 go away'
            hop = work.own(NextHop(script=lambda now, session, argument, at=stages: refusal if now in at else None,
                                   session_class=Patient if 'connect' in stages else None))
            relay = work.relay(work.configuration([hop.host], shards=1))
            send(relay, 1)
            eventually(lambda: hop.sessions and hop.sessions[0].commands[-1:] == [b'QUIT'],
                       lambda: str([session.commands for session in hop.sessions]))
            eventually(lambda: relay.events('host_failed'), 'the failure is told')
            equal(len(relay.events('host_failed')), 1, 'told')
            check(refusal in relay.told('host_failed')[0]['reason'], '%s', relay.events('host_failed'))
            eventually(lambda: len(relay.events('connection')) >= len(stages), 'each connection is told of')
            equal([refusal in reason for reason in reasons(relay)], [True] * len(stages), 'connections')
            relay.terminate()


@case
def malformed_replies_are_shown():
    for what, shown in (('\x15\x03\x03\x00\x02', '\\x15\\x03'), ('HTTP/1.1 400 Bad Request', 'HTTP/1.1 400 Bad'),
                        ('2500 ok', '2500 ok'), ('25 ' + 'x' * 500, '...')):
        with Workspace() as work:
            hop = work.own(NextHop(DATA_ONLY, script=once('MAIL', what)))
            relay = work.relay(work.configuration([hop.host], shards=1))
            send(relay, 1)
            eventually(lambda: relay.count['delivered'] == 1 and reasons(relay), lambda: relay.tail())
            check('malformed reply: "' in reasons(relay)[0] and shown in reasons(relay)[0], '%s', reasons(relay))
            check(len(reasons(relay)[0]) < 200, '%s', reasons(relay))
            equal(len(hop.arrivals), 1, 'arrivals')
            relay.terminate()


@case
def copies_are_bounded():
    """I4: where the answer to a message's end can never be read it goes again at once, and then as seldom as can be."""
    for extensions, stage in ((DATA_ONLY, 'END'), (CHUNKING, 'BDAT')):
        with Workspace() as work:
            ends = []

            def script(now, session, argument, end=stage, ends=ends):
                if now != end:
                    return None
                ends.append(now)
                return 'nonsense'
            hop = work.own(NextHop(extensions, script=script))
            relay = work.relay(work.configuration([hop.host], shards=1,
                                                  retry={'first': '50ms', 'factor': 1, 'max': '1h'}))
            send(relay, 1)
            eventually(lambda: relay.count['deferred'], lambda: relay.tail())
            deferred = relay.told('deferred')[0]
            equal((deferred['answers_lost'], deferred['attempts']), (2, 1), 'answers lost, attempts')
            time.sleep(0.5)
            equal(len(ends), 2, 'copies')
            relay.terminate()


@case
def empty_lines_between_replies():
    """From a server that sends one where nothing is under way: they are no replies, so they shift none."""
    replies = {'connect': '220 next hop\r\n', 'MAIL': '250 2.1.0 ok\r\n', 'DATA': '354 go\r\n'}
    for extensions in (CHUNKING, DATA_ONLY, PLAIN):
        with Workspace() as work:
            hop = work.own(NextHop(extensions, script=lambda stage, session, argument: replies.get(stage)))
            # Else a second may be opened while the first is still being set up.
            relay = work.relay(work.configuration([hop.host], shards=1, destination_limits={'connections': 1}))
            for sequence in range(3):
                send(relay, sequence)
            eventually(lambda: relay.count['delivered'] == 3, lambda: relay.tail())
            equal((len(hop.arrivals), hop.accepted), (3, 1), 'arrivals and connections')
            relay.terminate()


def delivered_at_once(hop, relay, count, without, attempts=0):
    """All arrive once, no recipient has failed, and nothing had to wait for another attempt."""
    eventually(lambda: relay.count['delivered'] == count, lambda: relay.tail())
    equal(sorted(hop.sequences()), list(range(count)), 'arrivals')
    equal([event['without'] for event in relay.events('fallback')], without, 'fallbacks')
    equal(relay.count['failed'] + relay.count['deferred'] + relay.count['host_failed'], 0, 'failed or put off')
    equal(relay.count['attempt'], count + attempts, 'attempts')


def bdat_is_unknown(code):
    script = (lambda stage, session, argument: '%d no' % code if stage == 'BDAT' else None)
    with Workspace() as work:
        hop = work.own(NextHop(CHUNKING, script=script, session_class=Gateway))
        relay = work.relay(work.configuration([hop.host], shards=1, retry={'first': '1h', 'factor': 1, 'max': '1h'}))
        for sequence in range(3):
            send(relay, sequence)
            eventually(lambda count=sequence + 1: relay.count['delivered'] == count, lambda: relay.tail())
        delivered_at_once(hop, relay, 3, ['CHUNKING'])
        equal(sum(line.startswith(b'BDAT') for session in hop.sessions for line in session.commands), 1, 'BDAT')
        relay.terminate()


@case
def bdat_is_no_verdict():
    """RFC 5321 4.2.4: the command is not known there. The message goes by DATA, at once, and so do the next ones."""
    parallel(bdat_is_unknown, [(code,) for code in (500, 501, 502, 503, 504, 555)])


@case
def bdat_is_never_answered():
    with Workspace() as work:
        hop = work.own(NextHop(CHUNKING, script=lambda stage, s, a: SILENCE if stage == 'BDAT' else None))
        relay = work.relay(work.configuration([hop.host], shards=1, timeouts={'reply': '3s', 'data_reply': '3s'}))
        send(relay, 0)
        eventually(lambda: relay.count['delivered'] == 1, lambda: relay.tail())
        equal([event['without'] for event in relay.events('fallback')], ['CHUNKING'], 'fallbacks')
        check(not hop.arrivals[0].chunked, 'by DATA')
        relay.terminate()


@case
def commands_that_come_together_are_lost():
    """One at a time they arrive: a reply that does not fit, or none, teaches it."""
    with Workspace() as work:
        hop = work.own(NextHop(DATA_ONLY, session_class=Lossy))
        relay = work.relay(work.configuration([hop.host], shards=1, timeouts={'reply': '3s'},
                                              retry={'first': '1h', 'factor': 1, 'max': '1h'}))
        for sequence in range(3):
            send(relay, sequence)
        delivered_at_once(hop, relay, 3, ['PIPELINING'])
        relay.terminate()


@case
def mail_parameters_are_refused():
    for extensions in (CHUNKING, DATA_ONLY, PLAIN):
        for refusal in ('555 5.5.4 Unsupported option: SIZE', '501 Syntax error in parameters', '504 no'):
            def script(stage, session, argument, refusal=refusal):
                return refusal if stage == 'MAIL' and 'SIZE=' in argument else None
            with Workspace() as work:
                hop = work.own(NextHop((*extensions, 'SIZE'), script=script))
                relay = work.relay(work.configuration([hop.host], shards=1,
                                                      retry={'first': '1h', 'factor': 1, 'max': '1h'}))
                for sequence in range(2):
                    send(relay, sequence)
                    eventually(lambda count=sequence + 1: relay.count['delivered'] == count, lambda: relay.tail())
                delivered_at_once(hop, relay, 2, ['MAIL parameters'])
                relay.terminate()


@case
def a_bad_sender_is_not_its_parameters():
    """It is refused without them as well: it fails, and others have theirs again."""
    def script(stage, session, argument):
        return '501 bad sender' if stage == 'MAIL' and 'bad@' in argument else None
    with Workspace() as work:
        hop = work.own(NextHop((*DATA_ONLY, 'SIZE'), script=script))
        relay = work.relay(work.configuration([hop.host], shards=1))
        with Client(relay.address) as client:
            client.hello()
            client.envelope(sender='bad@example.net')
            client.data(message(1))
            eventually(lambda: relay.count['failed'] == 1, lambda: relay.tail())
            client.envelope(sender='good@example.net')
            client.data(message(2))
        eventually(lambda: relay.count['delivered'] == 1, lambda: relay.tail())
        check(parameters(hop)[-1].startswith(b'SIZE='), '%s', parameters(hop))
        equal(len(parameters(hop)), 3, 'MAIL')
        relay.terminate()


@case
def a_refused_recipient_stays_refused():
    """RCPT carries no parameter, so 501 and 555 are about the address."""
    for extensions in (CHUNKING, DATA_ONLY, PLAIN):
        for code in (501, 550, 555):
            def script(stage, session, argument, code=code):
                return '%d no' % code if stage == 'RCPT' and 'bad@' in argument else None
            with Workspace() as work:
                hop = work.own(NextHop(extensions, script=script))
                relay = work.relay(work.configuration([hop.host], shards=1))
                send(relay, 1, ('bad@example.com', 'good@example.com'))
                eventually(lambda: relay.count['partial'] == 1, lambda: relay.tail())
                equal((relay.count['fallback'], len(hop.arrivals)), (0, 1), 'fallbacks and arrivals')
                relay.terminate()


def many(relay, count):
    with Client(relay.address) as client:
        client.hello()
        for sequence in range(count):
            client.envelope()
            client.data(message(sequence))


@case
def commands_behind_a_message_are_refused():
    """503 to all that was sent before the reply to a message, whether it came by BDAT or by DATA."""
    for extensions in (CHUNKING, DATA_ONLY):
        with Workspace() as work:
            hop = work.own(NextHop(extensions, session_class=Alone))
            relay = work.relay(work.configuration(
                [hop.host], shards=1, retry={'first': '1h', 'factor': 1, 'max': '1h'},
                destination={'pipeline_across_messages': True}, destination_limits={'connections': 1}))
            # They are all there before the first one goes, so they go together.
            hop.script = lambda stage, session, argument, relay=relay: \
                eventually(lambda: relay.count['accepted'] == 20, 'all accepted') and None
            many(relay, 20)
            delivered_at_once(hop, relay, 20, ['commands behind a message'])
            check(hop.accepted <= 3, '%d connections', hop.accepted)
            relay.terminate()


@case
def nothing_behind_the_dot():
    """With PIPELINING alone nothing follows a message before its reply, unless the operator says that it may."""
    for across in (False, True):
        with Workspace() as work:
            hop = work.own(NextHop(DATA_ONLY, session_class=Watching))
            hop.across = False
            relay = work.relay(work.configuration([hop.host], shards=1, destination_limits={'connections': 1},
                                                  destination={'pipeline_across_messages': True} if across else {}))
            # They are all there before the first one goes, so they could go together.
            hop.script = lambda stage, session, argument, relay=relay: \
                eventually(lambda: relay.count['accepted'] == 10, 'all accepted') and None
            many(relay, 10)
            eventually(lambda: relay.count['delivered'] == 10, lambda: relay.tail())
            equal((hop.across, hop.accepted), (across, 1), 'across, connections')
            relay.terminate()


@case
def the_answer_to_another_command():
    """2.1.5 in answer to BDAT: replies have come apart, so the message is not recorded as delivered."""
    for extensions, stage in ((CHUNKING, 'BDAT'), (DATA_ONLY, 'END'), (CHUNKING, 'MAIL')):
        answer = '250 2.1.5 Recipient ok'
        with Workspace() as work:
            hop = work.own(NextHop(extensions, script=lambda now, s, a, stage=stage, answer=answer:
                                   answer if now == stage else None))
            relay = work.relay(work.configuration([hop.host], shards=1))
            send(relay, 1)
            eventually(lambda: relay.count['delivered'] == 1, lambda: relay.tail())
            equal([event['without'] for event in relay.events('fallback')], ['PIPELINING'], 'fallbacks')
            equal(len(hop.arrivals), 2 if stage == 'END' or extensions == CHUNKING else 1, 'copies')
            relay.terminate()


@case
def extensions_are_ignored():
    everything = ('PIPELINING', 'CHUNKING', 'SIZE', '8BITMIME', 'ENHANCEDSTATUSCODES')
    for ignored in (['CHUNKING'], ['PIPELINING', 'SIZE'], ['8BITMIME', 'SIZE', 'CHUNKING']):
        with Workspace() as work:
            hop = work.own(NextHop(everything))
            relay = work.relay(work.configuration([hop.host], shards=1, destination={'ignore_extensions': ignored}))
            with Client(relay.address) as client:
                client.hello()
                client.envelope()
                client.data(message(1) + 'Größe\r\n'.encode())
            eventually(lambda: relay.count['delivered'] == 1, lambda: relay.tail())
            said = parameters(hop)[0]
            equal((b'SIZE=' in said, b'BODY=' in said), ('SIZE' not in ignored, '8BITMIME' not in ignored), 'said')
            equal(hop.arrivals[0].chunked, not {'CHUNKING', 'PIPELINING'} & set(ignored), 'chunked')
            relay.terminate()


if __name__ == '__main__':
    harness.main()
