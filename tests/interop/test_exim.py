#!/usr/bin/python3
"""tests/interop/test_exim.py - Exim as the smart host: TLS required, client certificates, wrong authorities; and what
docs/moving-exim.md says that it has."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tls_cases  # noqa: E402
from harness import SOURCES, Workspace, case, check, equal  # noqa: E402
from servers import Exim, harness, require  # noqa: E402

require(Exim)
tls_cases.add(Exim)

CONFIGURATION = '''
exim_user = mail
keep_environment =
spool_directory = %s
begin routers
r:
  driver = manualroute
  route_list = * host.example::587
  transport = t
begin transports
t:
  driver = smtp
begin retry
%s
'''
# Of the table's left: what is no option of Exim's, but a driver, a list, a command's or Debian's.
OTHERS = {'manualroute', 'dnslookup', 'redirect', 'hostlist', 'exim', 'exiqgrep', 'exiqsumm', 'passwd', 'client_send',
          'senders', 'recipients', 'route_list', 'route_data', 'relay_from_hosts', 'deny', 'begin', 'retry', 'host'}


@case
def the_page_names_what_it_has():
    """docs/moving-exim.md: each option of its table is one, and the retry rule is one."""
    with open(os.path.join(SOURCES, 'docs', 'moving-exim.md'), encoding='utf-8') as f:
        rows = [line for line in f if line.startswith('| ') and 'Debian:' not in line]
    left = [row.split(' | ')[0] for row in rows]
    options = {word for cell in left for quoted in re.findall(r'`([^`]*)`', cell)
               for word in re.findall(r'^[a-z]\w+', quoted)} - OTHERS
    rule = next(quoted for cell in left for quoted in re.findall(r'`([^`]*F,[^`]*)`', cell))
    with Workspace() as work:
        path = work.write('exim.conf', CONFIGURATION % (work.path('spool'), rule))

        def says(*words):
            peer = os.path.join(harness.peers_directory(), Exim.name)
            return subprocess.run([os.path.join(peer, 'usr/sbin/exim4'), '-C', path, *words], capture_output=True,
                                  text=True, timeout=60).stdout
        has = says('-bP') + says('-bP', 'transport', 't') + says('-bP', 'router', 'r')
        known = set(re.findall(r'^(?:no_)?(\w+)', has, re.M))
        for option in sorted(options):
            # A prefix stands for all of them.
            check(option in known or any(name.startswith(option) for name in known if option.endswith('_')),
                  'Exim has no %s', option)
        check(len(options) >= 20, 'only %d options were found: %s', len(options), options)
        check('message_size_limit = 50M' in has, 'another limit than the page says')
        check(rule.split('F,')[1] in says('-brt', 'a@b.example'), 'the retry rule: %s', says('-brt', 'a@b.example'))
        equal(re.search(r'^hosts_try_auth = (.*)$', has, re.M).group(1), '', 'who is given passwords')

if __name__ == '__main__':
    harness.main()
