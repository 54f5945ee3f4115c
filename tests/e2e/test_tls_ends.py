#!/usr/bin/python3
"""tests/e2e/test_tls_ends.py - TLS ends with words (RFC 8446 6): an alert after a failed handshake, else close_notify.

    tests/e2e/test_tls_ends.py [NAME]...
"""

import socket
import ssl
import threading

from harness import Certificates, Client, Workspace, case, check, eventually, main


def serve(listener, context, heard):
    """TLS from the first octet; then, as far as it comes, SMTP until QUIT. What ended it goes to `heard`."""
    connection, _ = listener.accept()
    connection.settimeout(60)
    try:
        tls = context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False)
        tls.sendall(b'220 hop\r\n')
        while True:
            line = tls.recv(4096)
            if not line:
                heard.append('close_notify')
                return
            if line.startswith(b'QUIT'):
                tls.sendall(b'221 bye\r\n')
            elif line.startswith(b'EHLO'):
                tls.sendall(b'421 not now\r\n')
    except (ssl.SSLError, OSError) as error:
        heard.append(str(error))
    finally:
        connection.close()


def ending(ca):
    certificates = Certificates()
    heard = []
    with Workspace() as work:
        listener = socket.create_server(('127.0.0.1', 0))
        threading.Thread(target=serve, args=(listener, certificates.server_context(), heard), daemon=True).start()
        configuration = work.configuration(['127.0.0.1:%d' % listener.getsockname()[1]])
        configuration['destinations'][0]['tls'] = {'mode': 'verify', 'implicit': True, 'ca_file': ca(certificates),
                                                   'server_name': certificates.server_name}
        relay = work.relay(configuration)
        with Client(relay.address) as client:
            for command, code in (('EHLO a', 250), ('MAIL FROM:<a@example.org>', 250),
                                  ('RCPT TO:<b@example.org>', 250), ('DATA', 354), ('\r\n.', 250)):
                client.send(command + '\r\n')
                client.expect(code)
        eventually(lambda: heard, 'the next hop heard no end')
        listener.close()
    return heard[0]


@case
def a_normal_end_is_close_notify():
    heard = ending(lambda certificates: certificates.ca)
    check(heard == 'close_notify', 'the next hop heard: %s', heard)


@case
def a_failed_handshake_says_why():
    heard = ending(lambda certificates: certificates.other_ca)
    check('alert' in heard, 'the next hop heard: %s', heard)


if __name__ == '__main__':
    main()
