"""tests/e2e/control_socket.py - HTTP over the control socket."""

import http.client
import socket


class Connection(http.client.HTTPConnection):
    """HTTP over the socket at `path`."""

    def __init__(self, path):
        super().__init__('localhost', timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(self.path)
