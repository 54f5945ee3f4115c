#!/usr/bin/python3
"""tests/interop/test_import.py - a real Postfix with a configuration, and the relay with what `postrider import` made
of the same: on the same port the same mail goes to the same places, under the same names."""

import email
import os
import smtplib
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import Postfix, harness, require  # noqa: E402
from harness import Certificates, NextHop, Workspace, case, check, equal, eventually, program  # noqa: E402

require(Postfix)

MAIN = '''
virtual_mailbox_domains =
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access texthash:${config_directory}/refused,
  # who may, may
  permit_mynetworks, reject
local_header_rewrite_clients = permit_mynetworks
smtp_host_lookup = native
smtp_tls_CAfile = %(ca)s
relayhost = [127.0.0.1]:%(smart)d
transport_maps = texthash:${config_directory}/transport
sender_dependent_relayhost_maps = texthash:${config_directory}/relayhosts
smtp_tls_security_level = none
smtp_tls_policy_maps = texthash:${config_directory}/policy
sender_canonical_maps = texthash:${config_directory}/senders
header_checks = regexp:${config_directory}/headers
config_directory = %(directory)s
'''

TABLES = {
    'refused': 'nobody@example.com REJECT nobody of that name\n',
    'transport': 'partner.example  relay:[127.0.0.1]:%(partner)d\n'
                 '.partner.example slow:[127.0.0.1]:%(partner)d\n'
                 'boss@partner.example  smtp:[127.0.0.1]:%(smart)d\n'
                 'gone.example  error:5.1.1 moved away\n',
    'relayhosts': '@bulk.example  [127.0.0.1]:%(bulk)d\n',
    'policy': '[127.0.0.1]:%(partner)d encrypt\n',
    'senders': 'root@host1.example.net  it@example.net\n@printers.lan  @example.net\n',
    'headers': '/^X-Internal:/ IGNORE\n',
}

# Sender, recipient; None: refused.
MAIL = [('a@example.net', 'x@example.com'), ('root@host1.example.net', 'x@example.com'),
        ('scan7@printers.lan', 'x@example.com'), ('a@example.net', 'x@partner.example'),
        ('a@example.net', 'x@sub.partner.example'), ('a@example.net', 'boss@partner.example'),
        ('news@bulk.example', 'x@example.com'), ('news@bulk.example', 'x@partner.example'),
        ('a@example.net', 'nobody@example.com')]


class Configured(Postfix):
    def __init__(self, work, certificates, ports):
        self.ports = ports
        super().__init__(work, certificates)

    def prepare(self):
        super().prepare()
        values = dict(self.ports, ca=self.certificates.ca, directory=self.root + '/config')
        with open(self.root + '/config/main.cf', 'a') as f:
            f.write(MAIN % values)
        with open(self.root + '/config/master.cf', 'a') as f:
            f.write('smtp unix - - n - - smtp\nrelay unix - - n - - smtp\nslow unix - - n - 1 smtp\n'
                    '  -o smtp_helo_timeout=60s\n')
        for name, text in TABLES.items():
            self.write('config/' + name, text % self.ports)


def hand_in(port, context, sender, recipient):
    """True: it was taken."""
    with smtplib.SMTP('127.0.0.1', port, timeout=60) as client:
        client.starttls(context=context)
        try:
            client.sendmail(sender, recipient, 'From: Somebody <%s>\r\nTo: <%s>\r\nSubject: x\r\nX-Internal: secret\r\n'
                            'Date: Sat, 28 Nov 2026 09:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\nhello\r\n' % (
                                sender, recipient))
        except smtplib.SMTPRecipientsRefused as refused:
            equal(refused.recipients[recipient][0] // 100, 5, 'refusal')
            return False
    return True


def carried(hops, port, context, explain):
    """What comes where of all the mail, as a list of facts."""
    for hop in hops.values():
        hop.arrivals.clear()
    taken = [hand_in(port, context, sender, recipient) for sender, recipient in MAIL]
    eventually(lambda: sum(len(hop.arrivals) for hop in hops.values()) >= sum(taken), explain, 60)
    facts = []
    for name, hop in hops.items():
        for arrival in hop.arrivals:
            read = email.message_from_bytes(arrival.content)
            facts.append((name, arrival.sender, tuple(arrival.recipients), read['From'], read['X-Internal'],
                          arrival.session.encrypted))
    return taken, sorted(facts, key=str)


@case
def the_same_mail_to_the_same_places():
    with Workspace() as work:
        certificates = Certificates()
        hops = {'smart': work.own(NextHop()), 'bulk': work.own(NextHop()),
                'partner': work.own(NextHop(tls=certificates.server_context(), require_tls=True))}
        server = Configured(work, certificates, {name: hop.port for name, hop in hops.items()})
        context = certificates.client_context()
        context.check_hostname = False
        before = carried(hops, server.port, context, lambda: 'all arrives from Postfix: ' + server.log())
        server.stop()
        made = work.path('made')
        os.mkdir(made)
        done = subprocess.run([program('postrider'), 'import', 'postfix', server.root + '/config', '--directory', made],
                              capture_output=True, text=True, timeout=60)
        equal(done.returncode, 0, 'exit status: %s%s' % (done.stdout, done.stderr))
        with open(os.path.join(made, 'postrider.yaml')) as f:
            text = f.read()
        # The places of a test alone.
        text = text.replace('/var/lib/postrider', work.path('spool')).replace('/run/postrider', work.path(''))
        relay = work.relay(text)
        relay.noise.clear()  # warnings about the configuration
        equal(relay.address[1], server.port, 'the port')
        after = carried(hops, server.port, context, lambda: 'all arrives from the relay: ' + relay.tail())
        equal(after, before, 'what was taken, and where it went')
        check(not hand_in(server.port, context, 'a@example.net', 'x@gone.example'), 'mail for gone.example is taken')
        relay.terminate()
        for hop in hops.values():
            equal(hop.errors, [], 'errors')


if __name__ == '__main__':
    harness.main()
