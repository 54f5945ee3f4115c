#!/usr/bin/python3
"""tests/e2e/test_name_servers.py - name servers that are dead, refuse, fail, or have had enough: mail waits."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Workspace, case, check, equal, eventually, free_port  # noqa: E402
from internet import Internet, to  # noqa: E402
from name_server import EMPTY, REFUSED, SERVFAIL, SILENT, NameServer  # noqa: E402

# Domains of a burst. A large one: DOMAINS=10000 BUILD=build/gcc tests/e2e/test_name_servers.py a_limit_of_questions
DOMAINS = int(os.environ.get('DOMAINS', '500'))
# Fewer than postrider asks at a time: dnsmasq's own is 150, but others may use some of it.
LIMIT = int(os.environ.get('LIMIT', '40'))
AT_ONCE = 100  # recipients of a message


class Everything(dict):
    """Whatever the name is, this is the answer."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def get(self, name, default=None):
        return self.answer


def one_of_two(trouble):
    """One of two says so to everything, which is given first or last: all arrives, and no domain counts as failed."""
    good = ['good%d.lab' % number for number in range(12)]
    with Workspace() as work:
        net = Internet(work, ['a'], {name: to('a') for name in good}, shards=1)
        bad = work.own(NameServer(Everything(trouble)))
        for count, servers in enumerate([[bad.address, net.server.address], [net.server.address, bad.address]], 1):
            net.content['dns']['servers'] = servers
            net.reload()
            net.send(*['x%d@%s' % (count, name) for name in good])
            net.expect(a=['x%d@%s' % (number, name) for number in range(1, count + 1) for name in good])
        check(bad.questions, 'the other one was never asked')
        equal(net.relay.events('domain_failed'), [], 'failures')
        equal(net.failed(), {}, 'what failed')
        net.relay.terminate(timeout=60)


@case
def one_of_two_is_silent():
    one_of_two(SILENT)


@case
def one_of_two_refuses():
    one_of_two(REFUSED)


@case
def one_of_two_fails():
    one_of_two(SERVFAIL)


@case
def one_of_two_is_not_there():
    """Nobody listens at its port: the system says so."""
    good = ['good%d.lab' % number for number in range(12)]
    with Workspace() as work:
        net = Internet(work, ['a'], {name: to('a') for name in good}, shards=1)
        net.content['dns']['servers'] = ['127.0.0.1:%d' % free_port(), net.server.address]
        net.reload()
        net.send(*['x@' + name for name in good])
        net.expect(a=['x@' + name for name in good])
        equal(net.failed(), {}, 'what failed')
        net.relay.terminate(timeout=60)


def both_and_back(trouble):
    """While both say so mail waits; when they are back it goes, and nothing has failed."""
    with Workspace() as work:
        good = ['good%d.lab' % each for each in range(12)]
        net = Internet(work, ['a'], {name: trouble for name in good}, shards=1)
        other = work.own(NameServer(net.names, ttl=1))
        net.content['dns']['servers'] = [net.server.address, other.address]
        net.reload()
        net.send(*['x@' + name for name in good])
        eventually(lambda: {event['domain'] for event in net.relay.events('domain_failed')} == set(good),
                   'all are told')
        equal(net.arrived('a'), [], 'what arrived')
        equal(net.failed(), {}, 'what failed')
        net.names.update({name: to('a') for name in good})
        net.expect(a=['x@' + name for name in good])
        equal(net.failed(), {}, 'what failed')
        net.relay.terminate(timeout=60)


@case
def both_are_silent_and_back():
    both_and_back(SILENT)


@case
def both_refuse_and_are_back():
    both_and_back(REFUSED)


@case
def both_fail_and_are_back():
    both_and_back(SERVFAIL)


@case
def one_that_gives_no_signatures():
    """Resolvers that know no DNSSEC, as some routers and stubs, where answers are to be validated: mail waits, it is
    said whose fault that is and what to write, and written it goes."""
    with Workspace() as work:
        net = Internet(work, ['a'], {'one.lab': to('a'), '': EMPTY}, dns={'dnssec': 'validate'})
        net.send('x@one.lab')
        eventually(lambda: net.relay.events('domain_failed'), 'it is told')
        problem = net.relay.told('domain_failed')[0]['problem']
        check('dns.servers' in problem and 'dns.dnssec' in problem, 'what to do: %s', problem)
        net.content['dns']['dnssec'] = 'off'
        net.reload()
        net.expect(a=['x@one.lab'])
        equal(net.failed(), {}, 'what failed')
        net.relay.terminate(timeout=60)


@case
def a_limit_of_questions():
    """A burst of domains, and a resolver that refuses what is more than so many questions at a time: nothing fails, all
    arrives, and it was not asked all the time."""
    with Workspace() as work:
        domains = ['d%d.lab' % number for number in range(DOMAINS)]
        net = Internet(work, ['a'], {name: to('a') for name in domains})
        net.server.limit, net.server.delay = LIMIT, 0.05
        everybody = ['x@' + name for name in domains]
        net.send(*[everybody[at:at + AT_ONCE] for at in range(0, DOMAINS, AT_ONCE)])
        net.expect(a=everybody)
        equal(net.failed(), {}, 'what failed')
        asked = len(net.server.questions)
        check(asked < 4 * DOMAINS, 'it was asked %d times for %d domains', asked, DOMAINS)
        if 'DOMAINS' in os.environ:
            print('%d questions, %d refused' % (asked, net.server.refused))
        net.relay.terminate(timeout=60)


if __name__ == '__main__':
    sys.exit(harness.main(together=8))
