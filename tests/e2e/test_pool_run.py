#!/usr/bin/python3
"""tests/e2e/test_pool_run.py - pool_run.py in short: forty mailboxes while everything goes wrong; a revoked token."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Workspace, case, check  # noqa: E402
from pool_run import Run, options_of  # noqa: E402


def run(work, *arguments):
    return Run(work, options_of(list(arguments))).go()


@case
def everything_goes_wrong():
    """No violation, nothing lost, nothing twice without a reason. How much is used is the large run's to say: here it
    follows from how busy the machine is, too."""
    with Workspace() as work:
        it = run(work, '--messages', '2400', '--kills', '4', '--restarts', '1', '--troubles', '1')
        figures = it.check(least=None)
        check(figures['kills'] == 4 and figures['restarts'] == 1, 'not all has gone wrong: %s', figures)
        return 'seed %d, %d twice, used %s' % (figures['seed'], figures['twice_by_cut'] + figures['twice_by_kill'],
                                               figures['used'])


@case
def a_token_is_revoked_and_all_are_cut_off():
    """One refused login for each connection that is opened, one fresh token for all, and mail goes on."""
    with Workspace() as work:
        it = run(work, '--messages', '800', '--mailboxes', '10', '--scale', '8', '--calm', '--revoke', '3')
        figures = it.check(least=None)
        check(not it.events('mailbox_refused'), 'somebody is alarmed: %s', it.events('mailbox_refused')[:1])
        check(len(figures['revoked']) == 3, 'revoked: %s', figures['revoked'])
        # Two that are fetched because their ends come near, and who asks twice at the same time.
        check(figures['tokens'] <= 3 + 3 + int(it.seconds / it.o.token_life), 'tokens: %s', figures['tokens'])
        return 'flows again after %s s' % [each['first_s'] for each in figures['revoked']]


if __name__ == '__main__':
    harness.main()
