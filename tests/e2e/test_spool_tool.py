#!/usr/bin/python3
"""tests/e2e/test_spool_tool.py - `postrider spool check` and `export` read a spool that is not in use, and change
nothing."""

import hashlib
import json
import os
import subprocess
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (SOURCES, Workspace, case, check, equal, free_port, main, message, program,  # noqa: E402
                     split_trace)


def tool(*arguments, status=0):
    done = subprocess.run([program('postrider'), 'spool', *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120, text=True)
    equal(done.returncode, status, 'the exit status of %s: %s%s' % (arguments, done.stdout, done.stderr))
    return done.stdout, done.stderr


def unpack(work):
    with tarfile.open(os.path.join(SOURCES, 'tests', 'fixtures', 'spool-1.tar.xz')) as archive:
        for member in archive.getmembers():
            if member.isfile():
                work.write(member.name, archive.extractfile(member).read())
    with open(work.path('expected.json'), encoding='ascii') as f:
        return json.load(f)


def octets_of(directory):
    found = {}
    for path, _, names in os.walk(directory):
        for name in names:
            with open(os.path.join(path, name), 'rb') as f:
                found[os.path.join(path, name)] = hashlib.sha256(f.read()).hexdigest()
    return {name: digest for name, digest in found.items() if not name.endswith('/lock')}


@case
def what_lives_is_told_and_exported():
    with Workspace() as work:
        expected = unpack(work)
        before = octets_of(work.path('spool'))
        shards = [json.loads(line) for line in tool('check', work.path('spool'), '--json')[0].splitlines()]
        equal(sum(shard['messages'] for shard in shards), len(expected), 'messages')
        equal(sum(shard['recipients_pending'] for shard in shards), sum(len(e['recipients']) for e in expected),
              'pending')
        equal(sum(shard['recipients_failed'] for shard in shards), sum(e['failed'] for e in expected), 'failed')
        check('waiting' in tool('check', work.path('spool'))[0], 'no text')
        tool('export', work.path('spool'), '--to', work.path('out'))
        files = os.listdir(work.path('out'))
        equal(sorted(os.path.splitext(name)[1] for name in files), sorted(['.eml', '.json'] * len(expected)), 'files')
        exported = []
        for name in files:
            if name.endswith('.json'):
                with open(work.path('out', name), encoding='ascii') as f:
                    envelope = json.load(f)
                with open(work.path('out', envelope['id'] + '.eml'), 'rb') as f:
                    exported.append((envelope, f.read()))
        for entry in expected:
            found = [(envelope, content) for envelope, content in exported
                     if entry['destination'] == envelope['recipients'][0]['destination'] and
                     split_trace(content)[1] == message(entry['sequence'], entry['size'], entry['subject'])]
            equal(len(found), 1, 'files of message %(sequence)d for %(destination)s' % entry)
            envelope, content = found[0]
            equal(envelope['from'], entry['sender'], 'sender')
            equal(sorted(r['to'] for r in envelope['recipients'] if r['status'] == 'pending'),
                  sorted(entry['recipients']), 'pending')
            equal(len([r for r in envelope['recipients'] if r['status'] == 'failed']), entry['failed'], 'failed')
        # Twice into the same place: nothing is overwritten.
        said = tool('export', work.path('spool'), '--to', work.path('out'), status=65)[1]
        check('cannot be written' in said, 'twice: %s', said)
        equal(octets_of(work.path('spool')), before, 'the spool')


@case
def damage_is_told():
    with Workspace() as work:
        unpack(work)
        names = [name for name in octets_of(work.path('spool')) if name.endswith('.seg')]
        for name in names:
            with open(name, 'r+b') as f:
                f.seek(4096 + 200)
                f.write(b'damage')
        before = octets_of(work.path('spool'))
        shards = [json.loads(line) for line in tool('check', work.path('spool'), '--json', status=65)[0].splitlines()]
        check(sum(s['damaged_records'] + s['damaged_batches'] for s in shards) > 0, 'no damage: %s', shards)
        equal(octets_of(work.path('spool')), before, 'the spool')


@case
def one_in_use_is_refused():
    with Workspace() as work:
        relay = work.relay(work.configuration(['127.0.0.1:%d' % free_port()]))
        check('stop that one first' in tool('check', work.path('spool'), status=74)[1], 'no sentence')
        relay.terminate()
        tool('check', work.path('spool'))


@case
def wrong_arguments():
    for arguments in [], ['check'], ['export', '/tmp'], ['check', '/tmp', '--to', '/x'], ['list', '/tmp']:
        check('usage' in tool(*arguments, status=64)[1], 'no usage')
    check('cannot be opened' in tool('check', '/no/such/directory', status=74)[1], 'no sentence')


main(together=2)
