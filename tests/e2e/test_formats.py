#!/usr/bin/python3
"""tests/e2e/test_formats.py - spools that former versions wrote are taken over as they are (queue/README.md)."""

import collections
import json
import os
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (SOURCES, NextHop, Workspace, case, check, equal, eventually, main, message,  # noqa: E402
                     same_octets)

DESTINATIONS = ('one', 'two', 'three')


def unpack(work, name):
    """The spool, and what must still be delivered of it."""
    with tarfile.open(os.path.join(SOURCES, 'tests', 'fixtures', name)) as archive:
        for member in archive.getmembers():
            if member.isfile():
                work.write(member.name, archive.extractfile(member).read())
    with open(work.path('expected.json'), encoding='ascii') as f:
        return json.load(f)


def start(work, hops, shards, name):
    configuration = work.configuration([], shards=shards, retry={'first': '1s', 'max': '1s', 'expire': '30d'},
                                       spool={'size_max': '256MiB', 'segment_size': '4MiB'})
    configuration['destinations'] = [{'name': each, 'hosts': [hops[each].host], 'tls': {'mode': 'none'}}
                                     for each in DESTINATIONS]
    configuration['routes'] = [{'destination': 'one'}]
    return work.relay(configuration, name)


def arrived(hops):
    return sum(len(hop.arrivals) for hop in hops.values())


def reports(hops):
    """Of each report how many recipients it says have failed."""
    found = [arrival for hop in hops.values() for arrival in hop.reports]
    return [arrival.content.count(b'Action: failed') for arrival in found]


def check_arrivals(hops, wanted):
    for entry in wanted:
        found = [each for each in hops[entry['destination']].arrivals if each.sequence == entry['sequence']]
        what = 'message %(sequence)d at %(destination)s' % entry
        equal(sorted(r for each in found for r in each.recipients), sorted(entry['recipients']), what)
        for each in found:
            equal(each.sender, entry['sender'], 'the sender of ' + what)
            same_octets(each.original, message(entry['sequence'], entry['size'], entry['subject']), what)


def taken_over(shards):
    with Workspace() as work:
        hops = {name: work.own(NextHop()) for name in DESTINATIONS}
        expected = unpack(work, 'spool-1.tar.xz')
        wanted = [entry for entry in expected if entry['recipients']]
        failed = [entry for entry in expected if entry['failed']]
        relay = start(work, hops, shards, 'adopting')
        eventually(lambda: relay.count['delivered'] >= len(wanted),
                   lambda: '%d of %d delivered: %s' % (relay.count['delivered'], len(wanted), relay.count), 60)
        # What failed for good is told, once, and nothing comes again.
        eventually(lambda: len(relay.events('report')) >= len(failed), lambda: relay.events('report'))
        eventually(lambda: relay.count_of_reports['delivered'] >= len(failed), 'the reports')
        relay.terminate()
        told = reports(hops)
        check_arrivals(hops, wanted)
        equal(sorted(told), sorted(entry['failed'] for entry in failed), 'recipients that failed, in reports')
        tried = collections.Counter((e['destination'], e['attempt']) for e in relay.events('attempt'))
        equal(tried, collections.Counter((e['destination'], e['tried'] + 1) for e in wanted), 'attempts')
        equal(relay.total('in_queue'), 0, 'messages that are left')
        relay = start(work, hops, shards, 'again')
        equal(sum(event['live'] for event in relay.events('spool')), 0, 'live in the spool')
        relay.terminate()
        equal(relay.count['attempt'], 0, 'attempts at another start')
        equal(arrived(hops), len(wanted), 'messages that arrived')
        check(not relay.events('held') and not relay.events('damaged'), 'held or damaged: %s', relay.lines)


@case
def format_1():
    """Queued, deferred, partly delivered and failed mail, in parts and for several destinations: each arrives once."""
    taken_over(2)


@case
def format_1_by_fewer_shards():
    taken_over(1)


@case
def format_1_by_more_shards():
    taken_over(3)


main(together=3)
