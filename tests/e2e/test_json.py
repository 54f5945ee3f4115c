#!/usr/bin/python3
"""tests/e2e/test_json.py - each command takes --json: what it writes is JSON in ASCII and nothing else, and what came
from the control socket is as dist/control.schema.json has it."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from control_socket import hold_to_schema  # noqa: E402
from harness import SOURCES, Client, NextHop, Workspace, case, check, equal, main, program  # noqa: E402

os.environ.update(POSTRIDER_PRESETS=os.path.join(SOURCES, 'dist', 'presets'),
                  POSTRIDER_PROFILES=os.path.join(SOURCES, 'dist', 'profiles'))
# Names of files and words that are no UTF-8, and what a terminal would obey.
ODD = b'\xff\xe9\x1b[31m'


def written(*arguments, status=0, stdin=b'', lines=False):
    """What it writes, parsed."""
    done = subprocess.run([program('postrider'), *arguments, '--json'], input=stdin, capture_output=True, timeout=120)
    what = b' '.join(map(os.fsencode, arguments)).decode('ascii', 'backslashreplace')
    equal(done.returncode, status, '%s: %s' % (what, done.stderr))
    check(done.stdout and max(done.stdout) < 0x7f and done.stdout.endswith(b'\n'), '%s writes %r', what, done.stdout)
    return [json.loads(line) for line in done.stdout.splitlines()] if lines else json.loads(done.stdout)


class Place:
    """A relay with a device whose message waits."""

    def __init__(self, work):
        hop = work.own(NextHop(script=lambda stage, session, argument: '450 4.2.0 later' if stage == 'RCPT' else None))
        for name in 'devices', 'suppressed', 'out':
            os.mkdir(work.path(name))
        work.write('devices/a.yaml', json.dumps({'name': 'Copier', 'address': '127.0.0.9'}))
        self.work = work
        self.relay = work.relay(work.configuration(
            [hop.host], control={'socket': work.path('control.sock')}, devices=work.path('devices'),
            destination_limits={'messages_per_minute': 1000}, suppression={'directory': work.path('suppressed')},
            trace={'detail': 'all'}, retry={'first': '1h', 'factor': 1, 'max': '1h'}))
        with Client(self.relay.address, source='127.0.0.9') as client:
            client.hello()
            client.envelope()
            client.data(b'Subject: x\r\n\r\nx\r\n')
        self.id = self.relay.told('deferred')[0]['id']
        self.socket = ('--socket', work.path('control.sock'))
        self.config = ('--config', work.path('postrider.yaml'))


@case
def what_the_process_answers():
    """As it came, and as the schema has it."""
    with Workspace() as work:
        place = Place(work)
        for path, arguments in (
                ('/v1/status', ('status',)), ('/v1/stats', ('stats',)), ('/v1/incidents', ('incidents',)),
                ('/v1/destinations/next-hop/why', ('why', 'next-hop')), ('/v1/suspensions', ('destination', 'list')),
                ('/v1/destinations/next-hop/suspend', ('destination', 'suspend', 'next-hop', '--for', '1h')),
                ('/v1/destinations/next-hop/resume', ('destination', 'resume', 'next-hop')),
                ('/v1/queue/summary', ('queue', 'summary')), ('/v1/reload', ('reload',))):
            hold_to_schema(path, written(*arguments, *place.socket))
        hold_to_schema('/v1/reload', written('reload', *place.config))
        rows = written('queue', 'list', '--device', 'copier', *place.socket)['messages']
        equal([(row['id'], row['device']) for row in rows], [(place.id, 'Copier')], 'list')
        equal(written('queue', 'show', place.id, *place.socket)['messages'][0]['device'], 'Copier', 'show')
        for verb in 'hold', 'release', 'retry':
            equal([one['result'] for one in written('queue', verb, place.id, *place.socket)['results']], ['done'], verb)
        check(written('top', '--once', '--interval', '0.1', *place.socket)['destinations'], 'top')
        written('queue', 'export', '--directory', work.path('out'), *place.socket)
        work.write('postrider.yaml', '\u0085hostnme: x\n')
        answer = written('reload', *place.socket, status=78)
        hold_to_schema('/v1/reload', answer)
        check(not answer['taken'] and 'hostnme' in answer['problem'], 'refused: %s', answer)
        hold_to_schema('/v1/reload', written('reload', *place.config, status=78))


@case
def what_needs_no_process():
    """Of the configuration, of files, and of what the program knows by itself."""
    with Workspace() as work:
        place = Place(work)
        answer = written('check', *place.config)
        equal((answer['ok'], [one['warning'] for one in answer['problems'] if not one['warning']]), (True, []), 'check')
        equal([one['destination'] for one in answer['ceilings']], ['next-hop'], 'ceilings')
        with open(os.path.join(os.fsencode(work.directory), b'odd' + ODD), 'wb') as f:
            f.write(b'hostnme: \xff\n')
        answer = written('check', '--config', os.path.join(os.fsencode(work.directory), b'odd' + ODD), status=78)
        check(not answer['ok'] and answer['problems'] and '\ufffd' in answer['problems'][0]['text'], '%s', answer)
        check(written('version')['version'], 'version')
        for name in 'copier', b'caf\xe9':
            answer = written('hash', name, stdin=b'secret\n')
            equal((answer['name'], answer['hash'][:3]), (os.fsencode(name).decode('utf-8', 'replace'), '$y$'), 'hash')
        listed = written('presets')['presets']
        check(all(one['name'] and one['updated'] and one['about'] for one in listed), 'presets: %s', listed)
        for one in listed:
            check(one['name'] in written('presets', one['name'])['text'], 'presets %s', one['name'])
        check('strict' in [one['name'] for one in written('device', 'profiles')['profiles']], 'profiles')
        check('menu' in written('device', 'profiles', 'strict')['text'], 'a profile')
        equal(written('device', 'list', *place.config)[0]['name'], 'Copier', 'device list')
        written('device', 'show', 'Copier', *place.config)
        written('device', 'add', 'other', '--address', '127.0.0.10', *place.config)
        written('device', 'remove', 'other', *place.config)
        equal(written('suppress', 'add', 'a@example.org', 'b@example.org', '--note', ODD, *place.config),
              {'added': 2}, 'suppress add')
        equal(written('suppress', 'import', '-', *place.config, stdin=b'c@example.org\nnobody\n', status=65),
              {'taken': 1, 'refused': 1, 'passing': 0, 'listed': 3}, 'suppress import')
        equal({one['address'] for one in written('suppress', 'list', *place.config, lines=True)},
              {'a@example.org', 'b@example.org', 'c@example.org'}, 'suppress list')
        equal(written('suppress', 'remove', 'a@example.org', *place.config), {'removed': 1}, 'suppress remove')
        equal(len(written('suppress', 'export', *place.config, lines=True)), 2, 'suppress export')
        equal(written('credentials', 'status', *place.config), {'destinations': []}, 'credentials')
        check(written('explain', '550 5.7.64 TenantAttribution')['known'], 'explain')
        check(written('route', 'a@example.org', *place.config)['taken'], 'route')
        written('doctor', *place.config, 'next-hop', lines=True)
        written('probe', '127.0.0.1:9', '--plain', status=1, lines=True)
        place.relay.terminate()
        equal(written('trace', place.id, *place.config, lines=True)[0]['device'], 'Copier', 'trace')
        equal(written('report', *place.config)['messages'], 1, 'report')
        equal(sum(one['messages'] for one in written('spool', 'check', work.path('spool'), lines=True)), 1, 'spool')
        answer = written('spool', 'export', work.path('spool'), '--to', os.fsencode(work.path('to')) + ODD[:2])
        equal((answer['exported'], answer['not_whole']), (1, 0), 'spool export')


main(together=2)
