#!/usr/bin/python3
"""tests/e2e/test_match.py - each message by a mailbox that may send as its sender, and by no other.

Against the scripted Office 365, which counts every message from somebody else. One mailbox that is busy, cannot sign in
or is not there must not keep the mail of others waiting.
"""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Certificates, Client, Workspace, case, check, equal, eventually, message  # noqa: E402
from office365 import Mailbox, Office365  # noqa: E402

PASSWORD = 'secret'


def address(name):
    return name + '@contoso.com' if name else ''


class Setting:
    """Mailboxes, and whom each may send as beside itself; `said` is what the configuration says of that."""

    def __init__(self, work, may, said=None, **changes):
        self.work = work
        self.office = work.own(Office365(
            Certificates(), [Mailbox(address(name), PASSWORD, [address(other) for other in others])
                             for name, others in may.items()],
            mechanisms=('LOGIN',), messages=1000000, connections=3))
        work.write('password', PASSWORD)
        os.chmod(work.path('password'), 0o600)
        self.configuration = work.configuration(
            [self.office.host], tls={'mode': 'verify', 'ca_file': Certificates().path('ca.crt'),
                                     'server_name': Office365.name},
            destination={'auth': {'mechanism': 'login', 'password_file': 'password'}, 'sender': 'match',
                         'limits': {'connections': 3}, **changes.pop('destination', {})}, **changes)
        self.destination = self.configuration['destinations'][0]
        self.say(said or {name: [address(other) for other in others] for name, others in may.items()})
        self.relay = work.relay(self.configuration)
        self.number = 0

    def say(self, senders):
        self.destination['mailboxes'] = [
            {'user': address(name), **({'senders': patterns} if patterns else {})}
            for name, patterns in senders.items()]

    def reload(self):
        self.work.write('postrider.yaml', json.dumps(self.configuration))
        done = subprocess.run([harness.program('postrider'), 'reload', '--config', self.work.path('postrider.yaml')],
                              capture_output=True, text=True, timeout=120)
        equal(done.returncode, 0, 'exit status of reload: %s' % done.stderr)

    def restart(self):
        self.relay.kill()
        self.relay.wait()
        self.office.forget_refusals()
        self.relay = self.work.relay(self.configuration)

    def may(self, name, *others):
        with self.office.state:
            self.office.mailboxes[address(name)].may_send_as = {address(name)} | {address(other) for other in others}

    def send(self, *names):
        with Client(self.relay.address) as client:
            client.hello()
            for name in names:
                self.number += 1
                client.envelope(sender=address(name))
                # A report's author is its mailbox.
                client.data(message(self.number).replace(b'sender@example.net', address(name or 'scan').encode()))

    def messages(self, name):
        with self.office.state:
            return self.office.mailboxes[address(name)].messages


@case
def what_waits_for_one_mailbox_is_in_nobodys_way():
    """One has mail for a long time, one cannot sign in, and mail of a sender whom nobody may send as is there,
    too. Reloads say otherwise, of what waits as well."""
    with Workspace() as work:
        it = Setting(work, {'scan': ['copier', 'alias'], 'bulk': [], 'broken': []},
                     destination={'limits': {'connections': 3, 'messages_per_minute': 300}},
                     said={'scan': ['copier@contoso.com', 'ALIAS@contoso.com', '<>'], 'bulk': None, 'broken': None})
        it.office.mailboxes[address('broken')].refused = 'mailbox_disabled'
        it.send(*['bulk'] * 100, *['broken'] * 10)
        it.send('stranger', *['scan', 'copier', 'alias'] * 5, '')
        eventually(lambda: it.messages('scan') == 16, lambda: "scan's mail: %s" % it.office.report())
        check(it.messages('bulk') < 60 and it.messages('broken') == 0, 'nothing waits: %s', it.office.report())
        eventually(lambda: any('may send as' in event['reply'] for event in it.relay.events('deferred')),
                   'nobody says that no mailbox may send as the stranger')
        it.office.check_clean()

        # From then on the copier's goes by the one that has mail for a long time.
        it.may('scan', 'alias')
        it.may('bulk', 'copier')
        it.say({'scan': ['alias@contoso.com', '<>'], 'bulk': ['copier@contoso.com'], 'broken': None})
        it.office.forget_refusals()
        it.reload()
        it.send(*['copier'] * 5, 'alias')
        eventually(lambda: it.messages('scan') == 17, lambda: "scan's mail: %s" % it.office.report())
        it.office.check_clean()

        it.may('scan', 'alias', 'stranger')
        it.say({'scan': ['*', '<>'], 'bulk': ['copier@contoso.com'], 'broken': None})
        it.office.mailboxes[address('broken')].refused = None
        it.office.forget_refusals()
        del it.destination['limits']['messages_per_minute']
        it.reload()
        it.office.wait_taken(it.number)
        it.office.check_clean()
        equal([it.messages(name) for name in ('scan', 'bulk', 'broken')], [18, 105, 10], 'messages')
        equal(it.office.twice(), {}, 'came twice')
        it.relay.terminate()


@case
def several_that_may_share():
    """The pool's rule holds among those that fit: mail of one sender goes by several at once."""
    with Workspace() as work:
        it = Setting(work, {'one': ['both'], 'two': ['both'], 'three': []},
                     said={'one': ['*@contoso.com'], 'two': ['both@contoso.com'], 'three': None},
                     destination={'limits': {'connections': 1, 'messages_per_minute': 300}})
        it.may('one', 'both', 'two', 'three', 'other')
        it.send(*['both'] * 35)
        it.office.wait_taken(35)
        check(it.messages('one') >= 15 and it.messages('two') >= 15, 'not shared: %s', it.office.report())
        equal(it.messages('three'), 0, 'by one that may not')
        it.office.check_clean()
        it.relay.terminate()


@case
def refusals_lost_connections_and_kills():
    """Mail that comes back from disk is sorted anew; what is cut off goes again by one that may."""
    with Workspace() as work:
        it = Setting(work, {'a': ['x'], 'b': ['y', 'x'], 'c': []},
                     retry={'first': '100ms', 'factor': 1.2, 'max': '500ms', 'expire': '1h'})
        it.office.mailboxes[address('c')].refused = 'mailbox_disabled'
        it.office.chances = {'insufficient': 0.03, 'cut_before': 0.01, 'cut_mail': 0.01}
        for _ in range(3):
            it.send(*['c', 'a', 'x', 'b', 'y'] * 40)
            it.restart()
        eventually(lambda: len(it.office.taken) >= 480, lambda: it.office.report(), 120)
        it.office.check_clean()
        equal(it.messages('c'), 0, 'messages of one that cannot sign in')
        it.office.mailboxes[address('c')].refused = None
        it.office.forget_refusals()
        it.restart()
        it.office.wait_taken(600)
        it.office.check_clean()
        it.relay.terminate()


if __name__ == '__main__':
    sys.exit(harness.main(together=3))
