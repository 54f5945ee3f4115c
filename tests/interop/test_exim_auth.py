#!/usr/bin/python3
"""tests/interop/test_exim_auth.py - the relay signs in at Exim: PLAIN and LOGIN, a wrong password that is mended."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import Exim, check_arrivals, harness, require, smtplib_send  # noqa: E402
from harness import Certificates, Workspace, case, equal, eventually, message  # noqa: E402

USER, PASSWORD = 'relay@example.org', 'correct horse battery staple'


class Signed(Exim):
    """Takes mail from who has signed in, and offers that behind TLS only. $auth2 and $auth3 are user and password of
    PLAIN; LOGIN asks for $auth1 and $auth2."""

    CONFIGURATION = Exim.CONFIGURATION.replace('acl_mail:\n', 'acl_mail:\n  deny !authenticated = *\n'
                                               '       message = Authentication required\n') + '''
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_advertise_condition = ${if def:tls_in_cipher}
  server_condition = ${if and{{eq{$auth2}{relay@example.org}}{eq{$auth3}{correct horse battery staple}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_advertise_condition = ${if def:tls_in_cipher}
  server_condition = ${if and{{eq{$auth1}{relay@example.org}}{eq{$auth2}{correct horse battery staple}}}}
  server_set_id = $auth1
'''


def configuration(work, server, mechanism, password):
    work.write('password', password + '\n')
    os.chmod(work.path('password'), 0o600)
    return work.configuration(
        [server.host], tls={'mode': 'verify', 'ca_file': Certificates().path('ca.crt'),
                            'server_name': 'mail.example.org'},
        destination={'auth': {'mechanism': mechanism, 'user': USER, 'password_file': 'password'}})


def signs_in(mechanism):
    def signs_in():
        with Workspace() as work:
            server = Signed(work, Certificates())
            relay = work.relay(configuration(work, server, mechanism, PASSWORD))
            originals = {sequence: message(sequence) for sequence in range(1, 21)}
            for original in originals.values():
                smtplib_send(relay.address, original)
            check_arrivals(server, originals)
            equal(relay.count['mailbox_refused'], 0, 'refused')
            relay.terminate()
    signs_in.__name__ = 'signs_in_by_' + mechanism
    return signs_in


@case
def wrong_password():
    """Nothing fails, and the right one lets it go."""
    with Workspace() as work:
        server = Signed(work, Certificates())
        relay = work.relay(configuration(work, server, 'login', 'wrong'))
        smtplib_send(relay.address, message(1))
        eventually(lambda: relay.count['mailbox_refused'], relay.tail)
        equal(relay.events('mailbox_refused')[0]['code'], 535, 'code')
        work.write('postrider.yaml', json.dumps(configuration(work, server, 'login', PASSWORD)))
        subprocess.run([harness.program('postrider'), 'reload', '--config', work.path('postrider.yaml')], check=True,
                       timeout=120)
        check_arrivals(server, {1: message(1)})
        relay.terminate()


require(Signed)
for name in ('plain', 'login'):
    case(signs_in(name))

if __name__ == '__main__':
    harness.main()
