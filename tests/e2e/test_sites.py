#!/usr/bin/python3
"""tests/e2e/test_sites.py - mail goes to the MX of its recipients' domains (mx: true)."""

import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, eventually, free_port, message  # noqa: E402
from internet import Internet, to  # noqa: E402
from name_server import EMPTY, MX, NXDOMAIN, SERVFAIL, SILENT, Exchangers, NameServer  # noqa: E402


def threads(relay):
    """Their names."""
    directory = '/proc/%d/task' % relay.process.pid
    names = []
    for task in os.listdir(directory):
        try:
            with open('%s/%s/comm' % (directory, task), encoding='ascii') as f:
                names.append(f.read().strip())
        except OSError:
            pass
    return names


@case
def each_to_its_own():
    """Recipients are parted by domain, domains with the same hosts are one site, and without MX one is its own host."""
    with Workspace() as work:
        net = Internet(work, ['a', 'b', 'c'], {
            'one.lab': to('a'), 'two.lab': to('b'), 'three.lab': to('b'),
            'own.lab': lambda kind, tcp: EMPTY if kind == MX else ['127.0.0.3']})
        net.send('x@one.lab', ['y@one.lab', 'z@TWO.lab', 'z@three.lab', 'w@One.LAB'], 'v@own.lab')
        net.expect(a=['x@one.lab', 'y@one.lab', 'w@One.LAB'], b=['z@TWO.lab', 'z@three.lab'], c=['v@own.lab'])
        equal([len(hop.arrivals) for hop in net.hops.values()], [2, 2, 1], 'messages')
        equal(net.relay.events('domain_failed'), [], 'failures')
        net.relay.terminate()


@case
def no_mail_there():
    """No such domain, neither MX nor address, a null MX: it fails at once, and says why; all else waits."""
    with Workspace() as work:
        net = Internet(work, ['a'], {
            'good.lab': to('a'), 'null.lab': Exchangers((0, '.')), 'empty.lab': EMPTY, 'broken.lab': SERVFAIL,
            'none.lab': Exchangers((10, 'mail.nowhere.lab')), 'odd.lab': Exchangers((10, 'no host.lab')),
            'lost.lab': lambda kind, tcp: EMPTY if kind == MX else SERVFAIL})
        net.send('x@missing.lab', 'x@null.lab', 'x@empty.lab', 'x@broken.lab', 'x@lost.lab', 'x@none.lab',
                 'x@odd.lab', ['x@good.lab', 'y@missing.lab'])
        net.expect(a=['x@good.lab'])
        eventually(lambda: len(net.failed()) >= 3, 'three domains fail: %s' % net.failed())
        told = net.failed()
        check(told['missing.lab'] == (550, '5.1.2 there is no such domain as the recipient\'s (NXDOMAIN)'), '%s', told)
        check(told['null.lab'][0] == 556 and told['null.lab'][1].startswith('5.1.10 '), '%s', told)
        check(told['empty.lab'][1].startswith('5.1.2 '), '%s', told)
        eventually(lambda: {event['domain'] for event in net.relay.events('domain_failed')} >=
                   {'broken.lab', 'lost.lab', 'odd.lab'}, 'those that cannot be asked for are told')
        eventually(lambda: net.relay.events('host_failed'), 'a host without address is told')
        check(not {'broken.lab', 'lost.lab', 'none.lab', 'odd.lab'} & set(net.failed()), '%s', net.failed())
        # They go as soon as there is an answer.
        net.names['broken.lab'] = net.names['lost.lab'] = net.names['mail.nowhere.lab'] = None
        net.names['broken.lab'], net.names['lost.lab'] = to('a'), to('a')
        net.names['mail.nowhere.lab'] = ['127.0.0.1']
        net.expect(a=['x@good.lab', 'x@broken.lab', 'x@lost.lab', 'x@none.lab'])
        net.relay.terminate()


@case
def a_dead_domain_is_alone():
    """Hosts and name servers that do not answer hold up nobody else's mail."""
    with Workspace() as work:
        net = Internet(work, ['a'], {'good.lab': to('a'), 'silent.lab': SILENT,
                                     'dead.lab': Exchangers((10, 'mail.dead.lab')), 'mail.dead.lab': ['127.0.0.77']})
        net.send(*(['x@silent.lab', 'x@dead.lab'] * 20))
        eventually(lambda: net.relay.events('host_failed'), 'the host is told')
        net.send(*(['x@good.lab'] * 20))
        net.expect(a=['x@good.lab'] * 20)
        net.relay.terminate()


@case
def silent_domains_by_the_thousand():
    """2,000 domains that no name server answers hold up no other's first look-up, nor a name of the operator's."""
    with Workspace() as work:
        net = Internet(work, ['a', 'b'], {'good%d.lab' % number: to('a') for number in range(4)}, shards=1,
                       routes=[{'recipient': '*@office.lab', 'destination': 'office'}, {'destination': 'internet'}],
                       more=[{'name': 'office', 'hosts': ['mail.b.lab:PORT'], 'tls': {'mode': 'none'}}])
        silent = ['s%d.lab' % number for number in range(2000)]
        net.names.update({name: SILENT for name in silent})
        net.send(*[['x@' + name for name in silent[at:at + 50]] for at in range(0, len(silent), 50)])
        for number in range(4):
            net.send('x@good%d.lab' % number)
            eventually(lambda: len(net.arrived('a')) > number, 'the good one arrives')
            net.send('x@office.lab')
            eventually(lambda: len(net.arrived('b')) > number, 'and the office\'s')
            # Long before their deadlines have passed.
            failed = {event['domain'] for event in net.relay.events('domain_failed')}
            check(len(failed) < 500, '%d have failed by then', len(failed))
        net.relay.kill()


@case
def resolvers_that_are_dead_or_slow():
    """One of two name servers never answers, and the other takes three seconds for a domain: all of it arrives, and no
    domain counts as failed."""
    with Workspace() as work, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dead:
        dead.bind(('127.0.0.1', 0))
        good = ['good%d.lab' % number for number in range(8)]
        net = Internet(work, ['a'], {name: to('a') for name in good}, shards=1)

        known = []  # when: as a resolver finds out once, and has it at hand for who asks again

        def slow(kind, tcp):
            known.append(time.monotonic() + 3)
            time.sleep(max(0, known[0] - time.monotonic()))
            return to('a')
        net.names['slow.lab'] = slow
        net.content['dns']['servers'] = ['127.0.0.1:%d' % dead.getsockname()[1], net.server.address]
        net.reload()
        for name in [*good, 'slow.lab']:
            net.send('x@' + name)
        net.expect(a=['x@%s' % name for name in [*good, 'slow.lab']])
        equal(net.relay.events('domain_failed'), [], 'failures')
        net.relay.terminate(timeout=60)


@case
def where_it_must_not_go():
    """REL-04: hosts at private addresses, this relay itself (RFC 5321 5.1); behind it nobody is asked."""
    with Workspace() as work:
        net = Internet(work, ['a'], {'private.lab': to('a')}, dns={'allow_private': False})
        net.send('x@private.lab')
        eventually(lambda: net.relay.events('host_failed'), 'it is told')
        check('allow_private' in net.relay.told('host_failed')[0]['reason'], '%s', net.relay.events('host_failed'))
        equal(net.arrived('a'), [], 'at the private address')
        net.content['dns']['allow_private'] = True
        net.reload()
        net.expect(a=['x@private.lab'])
        net.relay.terminate()
    with Workspace() as work:
        net = Internet(work, ['a', 'b'], {
            'best.lab': Exchangers((10, 'RELAY.example.org'), (20, 'mail.a.lab')),
            'second.lab': Exchangers((10, 'mail.a.lab'), (20, 'relay.example.org'), (30, 'mail.b.lab'))},
            hostname='relay.example.org')
        net.hops['a'].stop()
        net.send('x@best.lab', 'x@second.lab')
        eventually(lambda: net.relay.events('domain_failed') and net.relay.events('host_failed'), 'both are told')
        check('itself' in net.relay.told('domain_failed')[0]['problem'], '%s', net.relay.events('domain_failed'))
        equal(net.arrived('b'), [], 'behind the relay itself')
        net.relay.terminate(timeout=60)
    # By its address, also as IPv6 that stands for it: nobody is asked there, nor as far away or farther.
    with Workspace() as work:
        port = free_port()
        behind = work.own(NextHop(address='127.0.0.2', port=port))
        server = work.own(NameServer({'one.lab': Exchangers((10, 'us.lab'), (20, 'b.lab')),
                                      'two.lab': Exchangers((10, 'mapped.lab'), (20, 'b.lab')),
                                      'us.lab': ['127.0.0.1'], 'mapped.lab': ['::ffff:127.0.0.1'],
                                      'b.lab': ['127.0.0.2']}, ttl=1))
        one = {'name': 'internet', 'mx': True, 'mx_port': port, 'tls': {'mode': 'none'}}
        dns = {'servers': [server.address], 'dnssec': 'off', 'allow_private': True}
        relay = work.relay(work.configuration([], destinations=[one], routes=[{'destination': 'internet'}], dns=dns,
                                              listeners=[{'name': 'lan', 'address': '127.0.0.1:%d' % port}]))
        with Client(('127.0.0.1', port)) as client:
            client.hello()
            for number, recipient in enumerate(['x@one.lab', 'x@two.lab'], 1):
                client.envelope(recipients=[recipient])
                client.data(message(number))

        def told():
            return {e['host'].split(':')[0] for e in relay.events('host_failed') if 'itself' in e['reason']}
        eventually(lambda: told() >= {'us.lab', 'mapped.lab'}, lambda: 'both: %s' % relay.events('host_failed'))
        equal(behind.arrivals, [], 'behind the relay itself')
        relay.terminate()


@case
def more_hosts_than_are_kept():
    """Of a domain's hosts the 16 best are kept, in whichever order they come: the best has the mail, and while all of
    them are away it waits, and goes to none of the others."""
    with Workspace() as work:
        away = ['away%d' % number for number in range(15)]
        records = [(10 * number, 'mail.%s.lab' % name)
                   for number, name in enumerate(['a', *away, 'b', 'c', 'd'], 1)]
        net = Internet(work, ['a', 'b'], {
            'many.lab': Exchangers(*reversed(records)), **{'mail.%s.lab' % name: ['127.0.0.99'] for name in away}})
        net.send('x@many.lab')
        net.expect(a=['x@many.lab'])
        net.hops['a'].stop()
        net.send('y@many.lab')
        eventually(lambda: len({event['host'] for event in net.relay.events('host_failed')}) == 16,
                   lambda: 'all that are kept are tried: %s' % net.relay.events('host_failed'))
        equal(net.server.asked('mail.b.lab'), 0, 'times that the 17th was asked for')
        net.hops['a'] = work.own(NextHop(address='127.0.0.1', port=net.port))
        net.expect(a=['y@many.lab'])
        equal(net.arrived('b'), [], 'at the 17th')
        net.relay.terminate(timeout=60)


@case
def shared_limits():
    """Two domains at the same hosts are one site, with as many connections as one may have; over shards: tests/sim."""
    with Workspace() as work:
        net = Internet(work, ['a'], {'one.lab': to('a'), 'two.lab': to('a', 5)}, {'limits': {'connections': 2}},
                       shards=2)
        for turn in range(10):
            net.send(*(['x@one.lab', 'x@two.lab'] * 10), first=1 + 20 * turn)
        net.expect(a=['x@one.lab'] * 100 + ['x@two.lab'] * 100)
        check(net.hops['a'].peak <= 2, '%d connections', net.hops['a'].peak)
        net.relay.terminate()


@case
def deferred_restarted_reloaded():
    """What is deferred asks anew where it goes; a start finds all; a reload may send it elsewhere."""
    with Workspace() as work:
        net = Internet(work, ['a', 'b'], {'one.lab': Exchangers((10, 'mail.dead.lab')), 'two.lab': SERVFAIL,
                                          'mail.dead.lab': ['127.0.0.77']}, retry={'first': '1s', 'max': '2s'})
        net.send('x@one.lab', 'x@two.lab', ['y@one.lab', 'y@two.lab'])
        eventually(lambda: net.relay.events('host_failed') and net.relay.events('domain_failed'), 'they wait')
        net.relay.kill()
        net.names['one.lab'] = to('a')
        net.relay = work.relay(net.content)
        net.expect(a=['x@one.lab', 'y@one.lab'])
        net.content['destinations'] = [{'name': 'internet', 'hosts': [net.hops['b'].host], 'tls': {'mode': 'none'}}]
        net.reload()
        net.expect(b=['x@two.lab', 'y@two.lab'])
        net.relay.terminate()


@case
def nobody_takes_it_any_more():
    """A domain that ends, or takes no mail any more, while its mail waits for hosts that are dead: it fails then."""
    with Workspace() as work:
        net = Internet(work, ['a'], {'one.lab': Exchangers((10, 'mail.dead.lab')), 'mail.dead.lab': ['127.0.0.77'],
                                     'two.lab': Exchangers((10, 'mail.dead.lab'))}, retry={'first': '1s', 'max': '2s'})
        net.send('x@one.lab', 'x@two.lab')
        eventually(lambda: net.relay.events('host_failed'), 'they wait')
        net.names['one.lab'], net.names['two.lab'] = Exchangers((0, '.')), NXDOMAIN
        eventually(lambda: len(net.failed()) == 2, lambda: 'both fail: %s' % net.failed(), 120)
        equal([net.failed()[name][0] for name in ('one.lab', 'two.lab')], [556, 550], 'codes')
        net.relay.terminate()


@case
def given_up_while_many_wait_to_be_asked_for():
    """A reload after which nobody asks for names, while more silent domains wait than are asked for at a time."""
    with Workspace() as work:
        silent = ['s%d.lab' % number for number in range(300)]
        net = Internet(work, ['a'], {name: SILENT for name in silent}, shards=1)
        net.send(*[['x@' + name for name in silent[at:at + 50]] for at in range(0, 300, 50)])
        eventually(lambda: len({name for name, _, _ in net.server.questions}) > 200, 'they are asked for')
        net.content['destinations'] = [{'name': 'internet', 'hosts': [net.hops['a'].host], 'tls': {'mode': 'none'}}]
        del net.content['dns']
        net.reload()
        net.expect(a=['x@' + name for name in silent])
        # Gone with the last of its questions.
        eventually(lambda: 'dns' not in threads(net.relay), lambda: 'nobody asks: %s' % threads(net.relay), 60)
        net.send('x@after.lab')
        eventually(lambda: 'x@after.lab' in net.arrived('a'), 'it is still there')
        net.relay.terminate()


@case
def whole_names():
    """What the DNS names is not looked for in resolv.conf's search list, where others would get the mail."""
    with Workspace() as work:
        script = 'set -e; mount --bind "$1" /etc/resolv.conf; shift; exec "$@"'
        work.write('resolv.conf', 'nameserver 127.0.0.1\nsearch office.lab\noptions ndots:3\n')
        prefix = ['unshare', '--mount', 'sh', '-c', script, 'sh', work.path('resolv.conf')]
        if subprocess.run([*prefix, 'true'], capture_output=True).returncode != 0:
            return 'not root, no mount namespaces, or no resolv.conf here: nothing is tried'
        net = Internet(work, ['a'], {'one.lab': Exchangers((10, 'mail.gone.lab')), 'two.lab': EMPTY,
                                     'mail.gone.lab.office.lab': ['127.0.0.1'], 'two.lab.office.lab': ['127.0.0.1']},
                       prefix=prefix)
        net.send('x@one.lab', 'x@two.lab')
        eventually(lambda: net.relay.events('host_failed') and net.failed(), 'neither has a host')
        equal([name for name, _, _ in net.server.questions if name.endswith('office.lab')], [], 'asked for')
        equal(net.arrived('a'), [], 'at the office')
        net.relay.terminate()
    return None


if __name__ == '__main__':
    sys.exit(harness.main(together=4))
