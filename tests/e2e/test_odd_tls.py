#!/usr/bin/python3
"""tests/e2e/test_odd_tls.py - next hops whose TLS is legal and unusual: farms, tickets, certificates asked for, ends.

Each case is something that servers and the farms behind one name were seen to do. Every message arrives once, and the
host is not held to have failed.
"""

import contextlib
import os
import socket
import ssl
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Certificates, NextHop, Workspace, case, check, equal, eventually, parallel  # noqa: E402
from next_hop import Closed, NextHopSession  # noqa: E402
from test_odd_next_hops import CHUNKING, PLAIN, send  # noqa: E402

harness.cases.clear()
certificates = Certificates()


def through(hop, count=6, what=''):
    """Sends messages to this next hop with verified TLS."""
    with Workspace() as work:
        work.own(hop)
        tls = {'mode': 'verify', 'ca_file': certificates.ca, 'server_name': certificates.server_name}
        relay = work.relay(work.configuration([hop.host], shards=1, tls=tls))
        send(relay, range(1, count + 1))
        eventually(lambda: relay.count['delivered'] >= count,
                   lambda: '%s: %s; %s' % (what, dict(relay.count), relay.tail(2)))
        relay.terminate()
        equal(sorted(hop.sequences()), list(range(1, count + 1)), what + ': arrivals')
        equal(relay.count['host_failed'], 0, what + ': failed hosts')
        check(not hop.errors, '%s: the next hop failed: %s', what, hop.errors[:1])
        return relay


def hop_with(context=None, extensions=CHUNKING, **options):
    return NextHop(extensions, tls=context or certificates.server_context(), require_tls=True, **options)


class OneEach(NextHopSession):
    """A connection for each message, each with a context of its own: no server knows another one's tickets."""

    versions = (ssl.TLSVersion.TLSv1_3,)

    def on_starttls(self, argument):
        context = certificates.server_context()
        context.maximum_version = self.versions[self.server.accepted % len(self.versions)]
        self.server.tls = context
        super().on_starttls(argument)

    def arrived(self, *arguments):
        super().arrived(*arguments)
        self.flush()
        raise Closed()


class Old(OneEach):
    versions = (ssl.TLSVersion.TLSv1_2,)


class Mixed(OneEach):
    versions = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@case
def tickets_that_another_server_gave():
    """Behind one name servers do not share ticket keys, nor versions: a whole handshake then, no failure."""
    parallel(lambda kind: through(hop_with(extensions=PLAIN, session_class=kind), what=kind.__name__),
             [(kind,) for kind in (OneEach, Old, Mixed)])


@case
def any_number_of_tickets():
    def tickets(count):
        context = certificates.server_context()
        context.num_tickets = count
        through(hop_with(context), what='%d tickets' % count)
    parallel(tickets, [(count,) for count in (0, 1, 20)])


@case
def a_client_certificate_is_asked_for():
    """As Exchange always does: without one to show the session goes on without."""
    context = certificates.server_context()
    context.load_verify_locations(certificates.ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    through(hop_with(context))


@case
def the_name_says_which_certificate():
    """One address for many names: only who sends the name (RFC 6066 3) is shown the right certificate."""
    right, context = certificates.server_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.other, certificates.other_key)

    def choose(connection, name, first):
        if name == certificates.server_name:
            connection.context = right
    context.sni_callback = choose
    through(hop_with(context))


@case
def other_keywords_behind_tls():
    """RFC 3207 4.2: what was offered before TLS counts no more; STARTTLS offered again is not taken."""
    def script(before, behind):
        return lambda stage, session, argument: (behind if session.encrypted else before) if stage == 'EHLO' else None
    much = '250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-SIZE %d\r\n250 STARTTLS'
    hop = hop_with(script=script(much % 10, '250 x'))
    through(hop, what='less behind TLS')
    check(not any(arrival.chunked for arrival in hop.arrivals), 'BDAT, which was offered before TLS only')
    hop = hop_with(script=script('250-x\r\n250 STARTTLS', much % 1000000))
    through(hop, what='more behind TLS')
    check(all(arrival.chunked for arrival in hop.arrivals), 'no BDAT, which was offered behind TLS')


class Cut(NextHopSession):
    """Ends behind each message that it has answered, without close_notify, by FIN or by RST."""

    abruptly = False

    def reply(self, stage, argument, usual):
        going_on = super().reply(stage, argument, usual)
        if self.transactions > 0:
            self.flush()
            raise Closed()
        return going_on

    def on_rset(self, argument):
        raise Closed()

    on_mail_first = NextHopSession.on_mail

    def on_mail(self, argument):
        if self.transactions > 0:
            raise Closed()
        self.on_mail_first(argument)

    def close(self):
        with contextlib.suppress(OSError):
            if self.abruptly:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            socket.close(self.socket.detach())


class CutByReset(Cut):
    abruptly = True


@case
def an_end_without_close_notify():
    """What was answered was answered: nothing is sent again, and the host is not blamed (RFC 5321 3.8)."""
    for kind in (Cut, CutByReset):
        through(hop_with(extensions=PLAIN, session_class=kind), what=kind.__name__)


if __name__ == '__main__':
    harness.main(together=4)
