#!/usr/bin/python3
"""tests/e2e/test_mta_sts.py - what domains demand by their MTA-STS policies (RFC 8461): RELIABILITY STS-01.

All scenarios (sts_lab.py) are destinations of one relay, with mode opportunistic, or domains of one destination with
`mx: true`.
"""

import json
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import NextHop, Workspace, case, check, equal, eventually  # noqa: E402
from name_server import EMPTY, SERVFAIL, Exchangers  # noqa: E402
from policy_host import Page, policy  # noqa: E402
from sts_lab import FOREIGN, NO_TLS, SCENARIOS, UNVERIFIED, Lab, Scenario, send, text, what_came  # noqa: E402

NONE_NAMED = 'none of its hosts is one that its MTA-STS policy names'
def said_of_mail(hop):
    return [command for session in hop.sessions for command in session.commands
            if command.upper().startswith((b'MAIL', b'RCPT', b'DATA', b'BDAT'))]


def all_scenarios(mx):
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        lab = Lab(work, SCENARIOS)
        relay = lab.relay(mx)
        send(relay, SCENARIOS)
        wrong = []
        for name, scenario in SCENARIOS.items():
            hop = lab.hops[name]
            eventually(lambda name=name, hop=hop: what_came(relay, name, hop) is not None,
                       lambda name=name: 'nothing is known of ' + name, 60)
            came, words = what_came(relay, name, hop), ('proven', 'tls', 'clear')
            foreign_host = scenario.expected == FOREIGN and NONE_NAMED in came
            if (came != scenario.expected) if scenario.expected in words else \
                    (scenario.expected not in came and not foreign_host):
                wrong.append('%s: %s, expected %s' % (name, came, scenario.expected))
            if scenario.expected not in words and (hop.arrivals or said_of_mail(hop)):
                wrong.append('%s: it was said %s' % (name, said_of_mail(hop)))
            told = [e['problem'] for e in relay.events('sts_failed') if e['domain'] == name + '.lab']
            if scenario.failure is None and told or scenario.failure is not None and \
                    (not told or scenario.failure not in told[0]):
                wrong.append('%s: failures %s, expected %s' % (name, told, scenario.failure))
            asked = [path for domain, path in lab.policies.asked if domain == name + '.lab']
            if asked != ['/.well-known/mta-sts.txt'] if scenario.fetched else len(asked) > 1:
                wrong.append('%s: asked %s' % (name, asked))
        equal(wrong, [], 'scenarios')
        relay.kill()
    return None


@case
def of_destinations():
    """Every scenario as a destination (mx_of)."""
    return all_scenarios(False)


@case
def of_recipients():
    """Every scenario as the domain of a recipient (mx: true)."""
    return all_scenarios(True)


@case
def stays_in_force():
    """What was fetched holds over restarts, without a record, without the policy's host, until another is fetched."""
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        lab = Lab(work, {'kept': Scenario('proven')})
        hop, bad = lab.hops['kept'], lab.authority.context(['mx.x.lab'], signed=False)
        relay = lab.relay()
        send(relay, ['kept'])
        hop.wait_arrivals(1)
        equal([(e['mode'], e['id']) for e in relay.told('sts_policy')], [('enforce', '20261127')], 'policy')
        relay.terminate()
        hop.tls = bad

        def nothing_goes(why):
            relay = lab.relay()
            send(relay, ['kept'])
            eventually(lambda: relay.events('host_failed'), why)
            check(UNVERIFIED in relay.told('host_failed')[0]['reason'], '%s', relay.events('host_failed'))
            equal(len(hop.arrivals), 1, why)
            relay.kill()
            return relay

        for records in (EMPTY, SERVFAIL, text('v=STSv1;')):
            lab.names.names['_mta-sts.kept.lab'] = records
            nothing_goes('without a record')
        equal(len(lab.policies.asked), 1, 'fetched')
        lab.names.names['_mta-sts.kept.lab'] = text('v=STSv1; id=2;')
        lab.policies.pages['kept.lab'] = Page('gone', 500)
        told = nothing_goes('with another policy that cannot be fetched').events('sts_failed')
        equal([e['in_force'] for e in told], [True], 'told')
        lab.policies.pages['kept.lab'] = Page(policy('none'))
        relay = lab.relay()
        hop.wait_arrivals(2)
        equal([(e['mode'], e['id']) for e in relay.told('sts_policy')], [('none', '2')], 'policy')
        relay.terminate()
    return None


@case
def next_host():
    """Of two hosts the one that the policy names gets the mail, though the other comes first."""
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        lab = Lab(work, {'two': Scenario('proven', page=lambda domain: policy('enforce', 'second.' + domain))})
        first = lab.hops['two']
        second = work.own(NextHop(tls=first.tls, address='127.0.0.2', port=lab.port))
        lab.names.names.update({'two.lab': Exchangers((10, 'mx.two.lab'), (20, 'second.two.lab')),
                                'second.two.lab': ['127.0.0.2']})
        relay = lab.relay()
        send(relay, ['two'] * 5)
        second.wait_arrivals(5)
        equal(len(first.sessions), 0, 'connections to the first')
        relay.terminate()
    return None


@case
def a_neighbours_policy():
    """Of two domains at the same host one has a policy that names none of its hosts: that is its own trouble, whichever
    mail comes first."""
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        lab = Lab(work, {'good': Scenario('proven'), 'bad': Scenario(FOREIGN, page=lambda domain: policy(
            'enforce', '*.provider.example'))})
        lab.names.names['bad.lab'] = Exchangers((10, 'mx.good.lab'))
        relay = lab.relay(mx=True)
        send(relay, ['bad', 'good', 'bad', 'good'])
        lab.hops['good'].wait_arrivals(2)
        eventually(lambda: NONE_NAMED in str(relay.events('domain_failed')) + str(relay.events('host_failed')) or
                   FOREIGN in str(relay.events('host_failed')), 'it is told of the other')
        send(relay, ['bad', 'good'])
        lab.hops['good'].wait_arrivals(3)
        equal({one for arrival in lab.hops['good'].arrivals for one in arrival.recipients}, {'a@good.lab'}, 'who')
        relay.terminate()
    return None


def heeded_by_a_reload(mx):
    if os.geteuid() != 0:
        return 'skipped: only root may listen on port 443'
    with Workspace() as work:
        lab, gate = Lab(work, {'late': Scenario(NO_TLS, shows=None)}), threading.Event()
        hop, count = lab.hops['late'], 100

        def script(stage, session, argument):
            if stage == 'MAIL':
                gate.wait(60)

        hop.script, hop.extensions = script, ['SIZE', '8BITMIME']
        changes = {'shards': 1, 'limits': {'connections': 1}}
        relay = work.relay(lab.configuration(mx, heeded=False, **changes))
        send(relay, ['late'] * count)
        eventually(lambda: hop.sessions and said_of_mail(hop), lambda: 'the first message is on its way')
        work.write('postrider.yaml', json.dumps(lab.configuration(mx, **changes)))
        relay.signal(signal.SIGHUP)
        eventually(lambda: relay.events('reloaded'), lambda: 'reloaded')
        gate.set()
        eventually(lambda: [e for e in relay.events('host_failed') if NO_TLS in e['reason']],
                   lambda: 'what is demanded is missed: %d of %d came' % (len(hop.arrivals), count), 30)
        begun = [session for session in hop.sessions if b'MAIL' in bytes(session.plain)]
        equal(len(begun), 1, 'sessions that were told of mail')
        check(len(hop.arrivals) < count, 'all of it came')
        relay.kill()
    return None


@case
def heeded_from_now_on_of_destinations():
    """Where policies are heeded from a reload on, mail that waits for a connection which is there goes by them."""
    return heeded_by_a_reload(False)


@case
def heeded_from_now_on_of_recipients():
    """The same of domains of recipients, whose mail waits at their hosts' site."""
    return heeded_by_a_reload(True)


if __name__ == '__main__':
    sys.exit(harness.main(together=3))
