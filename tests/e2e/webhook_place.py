"""tests/e2e/webhook_place.py - a receiver of events over HTTPS on loopback: what it was sent, and how it may answer.

It keeps a batch only when it says that it has taken it, as a receiver does that stores before it answers; so what it
answers with a failure, or dies with, it has not got.
"""

import base64
import hashlib
import hmac
import http.server
import json
import threading

ANSWERED, DIES = 'answered', 'dies'


def signature(secret, identity, stamp, body):
    """Standard Webhooks 1.0."""
    key = base64.b64decode(secret[6:]) if secret.startswith('whsec_') else secret.encode()
    made = hmac.new(key, b'.'.join([identity.encode(), stamp.encode(), body]), hashlib.sha256).digest()
    return 'v1,' + base64.b64encode(made).decode()


class WebhookPlace:
    """`answers`: what comes next, each a status, (status, headers), DIES, or a function of the request; behind the
    last: 204."""

    def __init__(self, context, secret, port=0):
        self.secret, self.answers, self.requests, self.batches, self.problems = secret, [], [], [], []
        self.lock = threading.Lock()
        place = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_POST(self):  # noqa: N802
                length = int(self.headers['Content-Length'])
                body = self.rfile.read(length)
                if len(body) == length:
                    place.take(self, body)
                else:  # who sends it was killed in the middle
                    self.close_connection = True

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass

            def get_request(self):
                connection, address = self.socket.accept()
                # The handshake belongs to the connection's own thread.
                return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

        self.server = Server(('127.0.0.1', port), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def take(self, handler, body):
        identity, stamp = handler.headers['webhook-id'], handler.headers['webhook-timestamp']
        given = handler.headers['webhook-signature'].split(' ')
        with self.lock:
            if signature(self.secret, identity, stamp, body) not in given:
                self.problems.append('signature of %s: %s' % (identity, given))
            batch = json.loads(body)
            if batch['id'] != identity:
                self.problems.append('%s is called %s' % (batch['id'], identity))
            self.requests.append((identity, [line_of(event) for event in batch['events']]))
            answer = self.answers.pop(0) if self.answers else 204
        if callable(answer):
            answer = answer(handler)
        if answer == DIES:
            handler.close_connection = True
            handler.connection.close()
            return
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        if 200 <= status < 300:
            with self.lock:
                self.batches.append(batch)
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header('Content-Length', '0')
        handler.end_headers()

    def events(self):
        """As a receiver has them that drops what it has had by its id."""
        with self.lock:
            batches = {batch['id']: batch for batch in self.batches}
            return [event for batch in batches.values() for event in batch['events']]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


def line_of(event):
    return json.dumps(event, sort_keys=True)
