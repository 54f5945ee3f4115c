#!/usr/bin/python3
"""tests/e2e/test_explain.py - `postrider explain`, and rules of a configuration in a relay."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, eventually, message, program  # noqa: E402


def explain(*arguments, standard_input=None):
    done = subprocess.run([program('postrider'), 'explain', *arguments], input=standard_input, capture_output=True,
                          text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def explained(*arguments, **options):
    status, out, _ = explain('--json', *arguments, **options)
    return dict(json.loads(out), status=status)


@case
def what_a_reply_means():
    """Sentence, cause, what to check and where it is described; for people and for programs."""
    status, out, _ = explain('550 5.7.64 TenantAttribution; Relay Access Denied')
    equal(status, 0, 'exit status')
    for label in ('reply', 'postrider', 'problem', 'cause', 'check', 'see', 'sender'):
        check(any(line.startswith(label + ' ') for line in out.splitlines()), '%s in %s' % (label, out))
    found = explained('550 5.7.64 TenantAttribution; Relay Access Denied')
    equal((found['code'], found['enhanced'], found['verdict'], found['cause'], found['of'], found['known']),
          (550, '5.7.64', 'hold', 'client', 'message', True), 'members')
    check('connector' in found['problem'] and found['check'] and found['document'].startswith('https://'), found)


@case
def a_line_of_a_log():
    """Of another mail server, from standard input: it says when it was said."""
    line = 'relay=m.example.net[192.0.2.1]:587, status=bounced (host m.example.net[192.0.2.1] said: 550 5.7.60 SMTP; ' \
           'Client does not have permissions to send as this sender (in reply to end of DATA command))\n'
    found = explained('-', standard_input=line)
    equal((found['stage'], found['cause'], found['status']), ('content', 'sender', 0), 'members')


@case
def what_no_rule_knows():
    found = explained('--stage', 'rcpt', '550', '5.1.1', 'no', 'such', 'user')
    equal((found['status'], found['known'], found['verdict']), (1, False, 'fail'), 'members')
    equal(explain('250 ok')[0], 64, 'no refusal')
    equal(explain()[0], 64, 'no reply')
    equal(explain('--stage', 'later', '550 no')[0], 64, 'no such stage')


@case
def rules_of_the_configuration_decide():
    """A refusal that a rule calls temporary is tried again, and the events have its sentence; explain says the same."""
    with Workspace() as work:
        refused = []

        def script(stage, session, argument):
            if stage == 'RCPT' and not refused:
                refused.append(argument)
                return '550 5.0.0 Not today'
            return None

        hop = work.own(NextHop(script=script))
        configuration = work.configuration([hop.host], retry={'first': '100ms', 'max': '1s'})
        configuration['verdicts'] = [{'stage': 'rcpt', 'code': '5xx', 'text': '*not today*', 'do': 'defer',
                                      'say': 'they rest on Fridays, à Évian'}]
        path = work.write('explained.yaml', json.dumps(configuration))
        found = explained('--config', path, '550 5.0.0 not today')
        equal((found['verdict'], found['problem']), ('defer', 'they rest on Fridays, à Évian'), 'members')
        equal(explained('550 5.0.0 not today')['verdict'], 'fail', 'without it')
        relay = work.relay(configuration)
        with Client(relay.address) as client:
            client.hello()
            client.envelope()
            client.data(message(1, 500))
        hop.wait_arrivals(1)
        eventually(lambda: relay.events('deferred'), 'an event')
        equal(relay.told('deferred')[0]['problem'], 'they rest on Fridays, à Évian', 'problem')
        relay.terminate()


if __name__ == '__main__':
    harness.main()
