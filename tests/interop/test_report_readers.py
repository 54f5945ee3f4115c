#!/usr/bin/python3
"""tests/interop/test_report_readers.py - what reads bounces reads this relay's reports: Sisimai, Mailman's flufl.bounce
and Mail::DeliveryStatus::BounceParser find whom each is about, whether it is for good, and why."""

import email
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import harness  # noqa: E402
from harness import ALL_EXTENSIONS, Client, NextHop, Workspace, case, check, equal, eventually  # noqa: E402

REFUSED = {'gone': '550 5.1.1 <gone@example.com>: Recipient address rejected: User unknown',
           'full': '552 5.2.2 The mailbox is full and takes no more messages',
           'spam': '554 5.7.1 Message rejected as spam by content filtering',
           'lines': '550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n'
                    "550-5.1.1 double-checking the recipient's email address for typos or\r\n"
                    '550-5.1.1 unnecessary spaces. For more information, go to\r\n'
                    '550 5.1.1  https://example.com/?p=NoSuchUser a1-20020a05 - gsmtp',
           'group': '550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required',
           'plain': '550 No such user here', 'late': '451 4.7.1 Greylisted, try again in 300 seconds'}
SISIMAI = 'use Sisimai; my $found = Sisimai->dump($ARGV[0], "delivered" => 1); print $found // "[]"'
PARSER = '''use Mail::DeliveryStatus::BounceParser; local $/; my $b = Mail::DeliveryStatus::BounceParser->new(<STDIN>);
            print join(" ", $b->is_bounce, map { $_->get("email"), $_->get("std_reason") } $b->reports), "\\n"'''


def unavailable():
    try:
        import flufl.bounce  # noqa: F401
    except ImportError:
        return 'run tests/install-peers readers first'
    for module in ('Sisimai', 'Mail::DeliveryStatus::BounceParser'):
        if subprocess.run(['perl', '-M' + module, '-e', '1'], capture_output=True, check=False).returncode:
            return 'run tests/install-peers readers first'
    return None


def answer(stage, session, argument):
    found = re.search(r'<([^@>]*)', argument) if stage == 'RCPT' else None
    return REFUSED.get(found.group(1)) if found else None


def reports():
    """By the local part of whom each is about: its octets."""
    with Workspace() as work:
        hop = work.own(NextHop(ALL_EXTENSIONS, script=answer))
        relay = work.relay(work.configuration([hop.host], reports={'delay_after': '1s'}))
        for name in REFUSED:
            with Client(relay.address) as client:
                client.hello()
                client.envelope(recipients=['%s@example.com' % name])
                client.data(('From: <sender@example.net>\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= %s\r\n'
                             'Message-ID: <%s@example.net>\r\n\r\ntext\r\n' % (name, name)).encode())
        eventually(lambda: len(hop.reports) >= len(REFUSED), lambda: '%d reports' % len(hop.reports))
        relay.terminate()
        return {re.search(rb'Final-Recipient: [^;]*;([^@]*)', arrival.content).group(1).decode(): arrival.content
                for arrival in hop.reports}


def sisimai(octets, work):
    path = work.path('report.eml')
    with open(path, 'wb') as out:
        out.write(octets)
    done = subprocess.run(['perl', '-e', SISIMAI, path], capture_output=True, timeout=60, check=True)
    return json.loads(done.stdout)


@case
def each_reads_the_same():
    if unavailable():
        return unavailable()
    import flufl.bounce
    why = {'gone': ('userunknown', '5.1.1'), 'full': ('mailboxfull', '5.2.2'), 'spam': ('spamdetected', '5.7.1'),
           'plain': ('filtered', '5.0.0'), 'lines': ('userunknown', '5.1.1'), 'group': ('securityerror', '5.7.133')}
    found = reports()
    equal(sorted(name for name in found if name in REFUSED), sorted(REFUSED), 'reports')
    with Workspace() as work:
        for name in REFUSED:
            octets, address = found[name], '%s@example.com' % name
            read = sisimai(octets, work)
            equal([one['recipient'] for one in read], [address], 'whom Sisimai finds')
            temporary, permanent = flufl.bounce.all_failures(email.message_from_bytes(octets))
            late = name == 'late'
            # All take a full mailbox for temporary, whatever the code says.
            passes = late or name == 'full'
            equal((set(temporary), set(permanent)), (({address.encode()}, set()) if passes else
                                                     (set(), {address.encode()})), 'whom flufl.bounce finds')
            equal(read[0]['action'], 'delayed' if passes else 'failed', 'action')
            done = subprocess.run(['perl', '-e', PARSER], input=octets, capture_output=True, timeout=60, check=True)
            words = done.stdout.decode().split()
            check(words[:2] == (['0'] if passes else ['1', address]), 'BounceParser of %s: %s', name, words)
            if not late:
                equal((read[0]['reason'], read[0]['deliverystatus']), why[name], 'why %s' % name)
                equal(read[0]['messageid'], '%s@example.net' % name, 'the message')
    return None


if __name__ == '__main__':
    harness.main()
