"""tests/e2e/next_hop.py - a scripted SMTP server that records octet for octet what it is sent.

Used through harness.py. It is strict where the relay could be wrong: only CRLF.CRLF ends data, octets behind STARTTLS
are an error, and it never repairs anything. It ends connections as RFC 5321 says, so that what a test sees is what a
real host could do.
"""

import contextlib
import re
import socket
import ssl
import threading
import traceback

from basics import Failure, check, eventually, sequence_of, shorten, split_trace, unstuff
from ports import bind_free


class Arrival:
    """A message at the next hop: envelope, content as it was meant, raw octets between DATA and the end."""

    def __init__(self, session, sender, recipients, content, raw, chunked):
        self.session, self.sender, self.recipients = session, sender, recipients
        self.content, self.raw, self.chunked = content, raw, chunked

    @property
    def original(self):
        return split_trace(self.content)[1]

    @property
    def sequence(self):
        return sequence_of(self.content)


class Closed(Exception):
    """The peer has closed, or a script says that this side does."""


# What a script may answer instead of a reply: close the connection, or never answer anything again.
CLOSE = object()
SILENCE = object()

ALL_EXTENSIONS = ('PIPELINING', 'CHUNKING', '8BITMIME', 'SIZE 209715200')


class NextHop:
    """A scripted SMTP server on 127.0.0.1, one thread for each connection.

    script(stage, session, argument) is asked before every reply, with stage one of connect, EHLO, HELO, STARTTLS,
    MAIL, RCPT, DATA, END (end of data), BDAT (each chunk), RSET, NOOP, QUIT. None means the usual reply; text is sent
    instead (a stage answered with 4xx or 5xx has failed and its effect does not happen); CLOSE and SILENCE as above.
    """

    def __init__(self, extensions=ALL_EXTENSIONS, tls=None, require_tls=False, script=None, port=0, session_class=None,
                 address='127.0.0.1'):
        self.session_class = session_class or NextHopSession
        self.extensions, self.tls, self.require_tls = extensions, tls, require_tls
        self.script = script or (lambda stage, session, argument: None)
        self.arrivals, self.reports, self.sessions, self.errors = [], [], [], []
        self.live = self.peak = self.accepted = 0
        self.lock = threading.Lock()
        self.listener = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.address = address
        if port:
            self.listener.bind((address, port))
        else:
            bind_free(address, self.listener)
        self.listener.listen(512)
        self.port = self.listener.getsockname()[1]
        self.stopped = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def host(self):
        return ('[%s]:%d' if ':' in self.address else '%s:%d') % (self.address, self.port)

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                session = self.session_class(self, connection)
            except OSError:  # it is gone already
                connection.close()
                continue
            with self.lock:
                if self.stopped:
                    connection.close()
                    return
                self.sessions.append(session)
                self.accepted += 1
                self.live += 1
                self.peak = max(self.peak, self.live)
            threading.Thread(target=self._serve, args=(session,), daemon=True).start()

    def _serve(self, session):
        try:
            session.serve()
        except (Closed, OSError):
            pass
        except Exception:  # A mistake of this server or of the relay: either way the test must see it.
            self.errors.append(traceback.format_exc())
        finally:
            with self.lock:
                self.live -= 1
            session.close()

    def stop(self):
        """Stops listening and cuts all connections."""
        with self.lock:
            self.stopped = True
        # shutdown() wakes the thread in accept(); close() alone would leave it there, still listening.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for session in list(self.sessions):
            session.close()

    def sequences(self):
        with self.lock:
            return [arrival.sequence for arrival in self.arrivals]

    def wait_arrivals(self, count, timeout=60):
        eventually(lambda: len(self.arrivals) >= count,
                   lambda: '%d messages arrived; there are %d' % (count, len(self.arrivals)), timeout)
        check(not self.errors, 'the next hop failed: %s', ''.join(self.errors[:1]))
        return list(self.arrivals)


class NextHopSession:
    def __init__(self, server, connection):
        self.server, self.socket = server, connection
        self.peer = connection.getpeername()[0]
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.out = bytearray()
        self.plain = bytearray()  # everything received before TLS
        self.encrypted = False
        self.certificate = None
        self.failure = None       # of the handshake
        self.commands = []
        self.sender, self.recipients, self.content = None, [], None
        self.transactions = 0

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self.socket.close()

    def receive(self):
        self.flush()
        more = self.socket.recv(262144)
        if not more:
            raise Closed()
        if not self.encrypted:
            self.plain += more
        self.buffer += more

    def flush(self):
        if self.out:
            self.socket.sendall(self.out)
            self.out.clear()

    def line(self):
        while True:
            end = self.buffer.find(b'\r\n')
            if end >= 0:
                line = bytes(self.buffer[:end])
                del self.buffer[:end + 2]
                return line
            self.receive()

    def octets(self, count):
        while len(self.buffer) < count:
            self.receive()
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def reply(self, stage, argument, usual):
        """Answers; True if the stage succeeded."""
        answer = self.server.script(stage, self, argument)
        if answer is CLOSE:
            self.flush()
            raise Closed()
        if answer is SILENCE:
            while True:
                self.receive()
                self.buffer.clear()
        text = usual if answer is None else answer
        self.out += text.encode() + b'\r\n'
        if text.startswith('421'):
            # RFC 5321 3.8: who says 421 closes; what was sent behind the command is not acted upon.
            self.flush()
            raise Closed()
        return text[0] in '23'

    def serve(self):
        if not self.reply('connect', '', '220 next-hop.example.com ESMTP'):
            self.flush()
            raise Closed()
        while True:
            line = self.line()
            self.commands.append(line)
            verb, _, argument = line.decode('latin-1').partition(' ')
            handler = getattr(self, 'on_' + verb.lower(), None)
            if handler is None:
                self.out += b'500 5.5.2 What?\r\n'
            else:
                handler(argument)

    def reset(self):
        self.sender, self.recipients, self.content = None, [], None

    def on_ehlo(self, argument):
        self.reset()
        extensions = list(self.server.extensions)
        if self.server.tls and not self.encrypted:
            extensions.append('STARTTLS')
        lines = ['next-hop.example.com'] + extensions
        usual = '\r\n'.join('250%s%s' % (' ' if i == len(lines) - 1 else '-', line) for i, line in enumerate(lines))
        self.reply('EHLO', argument, usual)

    def on_helo(self, argument):
        self.reset()
        self.reply('HELO', argument, '250 next-hop.example.com')

    def on_starttls(self, argument):
        if not self.server.tls or self.encrypted:
            self.out += b'503 5.5.1 Not now\r\n'
            return
        if not self.reply('STARTTLS', argument, '220 2.0.0 Go ahead'):
            return
        check(not self.buffer, 'the relay sent octets behind STARTTLS: %s', shorten(bytes(self.buffer)))
        self.flush()
        try:
            self.socket = self.server.tls.wrap_socket(self.socket, server_side=True)
        except (ssl.SSLError, OSError) as error:
            self.failure = str(error)
            raise Closed() from error
        self.encrypted = True
        self.certificate = self.socket.getpeercert() if self.server.tls.verify_mode != ssl.CERT_NONE else None
        self.reset()

    def on_mail(self, argument):
        if self.server.require_tls and not self.encrypted:
            self.out += b'530 5.7.0 Must issue a STARTTLS command first\r\n'
        elif self.sender is not None:
            self.out += b'503 5.5.1 Nested MAIL\r\n'
        elif self.reply('MAIL', argument, '250 2.1.0 Sender ok'):
            self.sender = re.match(r'FROM:<([^>]*)>', argument).group(1)

    def on_rcpt(self, argument):
        if self.sender is None:
            self.out += b'503 5.5.1 Need MAIL\r\n'
        elif self.reply('RCPT', argument, '250 2.1.5 Recipient ok'):
            self.recipients.append(re.match(r'TO:<([^>]*)>', argument).group(1))

    def on_data(self, argument):
        if not self.recipients:
            self.out += b'554 5.5.1 No valid recipients\r\n'
            return
        if not self.reply('DATA', argument, '354 Go ahead'):
            self.reset()
            return
        raw = self.read_data()
        if self.reply('END', raw, '250 2.0.0 Taken'):
            self.arrived(unstuff(raw), raw, False)
        self.reset()

    def read_data(self):
        """The octets between 354 and the dot line; only CRLF.CRLF ends them."""
        start = 0
        while True:
            if self.buffer.startswith(b'.\r\n'):
                end, length = 0, 3
            else:
                end, length = self.buffer.find(b'\r\n.\r\n', start), 5
            if end >= 0:
                raw = bytes(self.buffer[:end + (2 if length == 5 else 0)])
                del self.buffer[:end + length]
                return raw
            start = max(0, len(self.buffer) - 4)
            self.receive()

    def on_bdat(self, argument):
        words = argument.upper().split()
        chunk = self.octets(int(words[0]))
        if 'CHUNKING' not in self.server.extensions:
            raise Failure('BDAT without CHUNKING')
        if not self.recipients:
            self.out += b'554 5.5.1 No valid recipients\r\n'
            return
        self.content = (self.content or []) + [chunk]
        last = 'LAST' in words
        if not self.reply('BDAT', (chunk, last), '250 2.0.0 Taken'):
            self.reset()
        elif last:
            content = b''.join(self.content)
            self.arrived(content, content, True)
            self.reset()

    def arrived(self, content, raw, chunked):
        self.transactions += 1
        arrival = Arrival(self, self.sender, self.recipients, content, raw, chunked)
        report = self.sender == '' and b'report-type=delivery-status' in content
        with self.server.lock:
            (self.server.reports if report else self.server.arrivals).append(arrival)

    def on_rset(self, argument):
        self.reset()
        self.reply('RSET', argument, '250 2.0.0 Ok')

    def on_noop(self, argument):
        self.reply('NOOP', argument, '250 2.0.0 Ok')

    def on_quit(self, argument):
        self.reply('QUIT', argument, '221 2.0.0 Bye')
        self.flush()
        raise Closed()
