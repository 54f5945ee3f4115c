#!/usr/bin/python3
"""tests/e2e/test_control.py - the control socket: who may ask, what is answered, and what asking cannot harm."""

import http.client
import json
import os
import re
import socket
import stat
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import SOURCES, Workspace, case, check, equal, eventually, program  # noqa: E402


class Connection(http.client.HTTPConnection):
    """HTTP over the socket at `path`."""

    def __init__(self, path):
        super().__init__('localhost', timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


def asked(path, target, method='GET', body=None):
    """(status, JSON) of one request. Every answer is held to the schema."""
    connection = Connection(path)
    try:
        connection.request(method, target, body)
        response = connection.getresponse()
        answer = json.loads(response.read())
    finally:
        connection.close()
    if response.status != 200:
        equal(list(answer), ['error'], 'an error')
    else:
        hold_to_schema(target, answer)
    return response.status, answer


# ---- as much of JSON Schema as dist/control.schema.json uses ----

with open(os.path.join(SOURCES, 'dist', 'control.schema.json')) as schema_file:
    SCHEMA = json.load(schema_file)
KINDS = {'object': dict, 'array': list, 'string': str, 'integer': int, 'boolean': bool, 'null': type(None)}


def fits(schema, value, where):
    if '$ref' in schema:
        schema = SCHEMA['$defs'][schema['$ref'].rpartition('/')[2]]
    unknown = set(schema) - {'type', 'properties', 'required', 'items', 'enum', 'pattern', 'description', 'minimum',
                             'additionalProperties'}
    check(not unknown, '%s: the schema uses %s, which this test does not know', where, unknown)
    kinds = schema['type'] if isinstance(schema['type'], list) else [schema['type']]
    check(any(isinstance(value, KINDS[kind]) and not (kind == 'integer' and isinstance(value, bool)) for kind in kinds),
          '%s is %r, and not %s', where, value, kinds)
    check('enum' not in schema or value in schema['enum'], '%s: %r is none of %s', where, value, schema.get('enum'))
    check('pattern' not in schema or value is None or re.search(schema['pattern'], value), '%s: %r', where, value)
    check('minimum' not in schema or value is None or value >= schema['minimum'], '%s: %r', where, value)
    if isinstance(value, dict):
        missing = set(schema.get('required', ())) - set(value)
        check(not missing, '%s has no %s', where, missing)
        for key, one in value.items():
            check(key in schema['properties'], '%s: the schema does not know %s', where, key)
            fits(schema['properties'][key], one, where + '.' + key)
    if isinstance(value, list):
        for i, one in enumerate(value):
            fits(schema['items'], one, '%s[%d]' % (where, i))


def hold_to_schema(target, answer):
    path = target.partition('?')[0]
    names = [name for name in SCHEMA['paths'] if re.fullmatch(name.replace('*', '[^/]+'), path)]
    check(names, 'the schema has no %s', path)
    fits(SCHEMA['paths'][names[0]], answer, path)


# ---- the relay and its commands ----

def relay_with(work, hop='127.0.0.1:9', wait=True, **changes):
    """A relay with a control socket: (relay, the socket's path)."""
    path = work.path('control.sock')
    changes.setdefault('control', {'socket': path})
    return work.relay(work.configuration([hop], **changes), wait=wait), path


def command(*arguments, **environment):
    """A command of the program: (exit status, output, standard error)."""
    done = subprocess.run([program('postrider'), *arguments], capture_output=True, timeout=120,
                          env={**os.environ, **environment})
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@case
def status():
    """By the socket and by the command: how many messages are here; nobody answers when it has ended."""
    with Workspace() as work:
        relay, path = relay_with(work)
        equal(stat.S_IMODE(os.stat(path).st_mode), 0o660, 'permissions of the socket')
        work.source(relay.target, messages=3).result()
        code, answer = asked(path, '/v1/status')
        equal((code, answer['state'], answer['pid'], answer['accepted'], answer['queued']),
              (200, 'running', relay.pid, 3, 3), 'status')
        check(all(shard['answers'] for shard in answer['shards']), 'shards that answer: %s', answer['shards'])
        code, out, _ = command('status', '--socket', path)
        check(code == 0 and re.search(r'^queued +3 messages$', out, re.M), 'the command: %s %s', code, out)
        code, out, _ = command('status', '--config', work.path('postrider.yaml'), '--json')
        equal((code, json.loads(out)['queued']), (0, 3), 'the command, in JSON')
        equal(asked(path, '/v1/nothing')[0], 404, 'a path that there is not')
        equal(asked(path, '/v1/status', 'POST', '{}')[0], 405, 'another method')
        equal(asked(path, '/v1/status', 'POST', 'x' * (1 << 20) + 'x')[0], 413, 'a large body')
        relay.terminate()
        check(not os.path.exists(path), 'the socket is there still')
        code, _, said = command('status', '--socket', path)
        check(code == 69 and 'no process' in said, 'nobody answers: %s %s', code, said)


@case
def sockets_of_others():
    """What a dead process has left is replaced, a living one keeps its socket and is named, nothing else is touched."""
    with Workspace() as work:
        path = work.path('control.sock')
        left = socket.socket(socket.AF_UNIX)
        left.bind(path)
        left.close()
        code, _, said = command('status', '--socket', path)
        check(code == 69 and 'has ended' in said, 'left over: %s %s', code, said)
        relay, _ = relay_with(work)
        equal(asked(path, '/v1/status')[0], 200, 'a socket that was left over')
        relay.terminate()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
            other.listen()
            relay, _ = relay_with(work, wait=False)
            equal(relay.wait(), 69, 'exit status beside a living one')
            check('process %d' % os.getpid() in relay.events('failed_to_start')[0]['error'], 'it is named: %s',
                  relay.tail())
            check(os.path.exists(path), 'its socket is there')
        os.unlink(path)
        work.write('control.sock', 'text')
        relay, _ = relay_with(work, wait=False)
        equal(relay.wait(), 69, 'exit status where there is a file')
        with open(path) as f:
            equal(f.read(), 'text', 'the file')
        long = {'socket': '/tmp/' + 'x' * 120}
        work.write('long.yaml', json.dumps(work.configuration(['127.0.0.1:9'], control=long)))
        code, _, said = command('check', '--config', work.path('long.yaml'))
        check(code == 78 and '107 octets' in said, 'a long path: %s %s', code, said)
        missing = {'socket': work.path('none/control.sock')}
        relay, _ = relay_with(work, wait=False, control=missing)
        equal(relay.wait(), 69, 'exit status without the directory')
        check('no such directory' in relay.tail(), 'what it says: %s', relay.tail())


@case
def off_is_nothing():
    """Without it, and with `control: off`, there is no socket and no thread."""
    with Workspace() as work:
        relay, path = relay_with(work, control='off')
        check(not os.path.exists(path), 'a socket')
        names = [open('/proc/%d/task/%s/comm' % (relay.pid, task)).read().strip()
                 for task in os.listdir('/proc/%d/task' % relay.pid)]
        check(not any('control' in name or 'MHD' in name for name in names), 'threads: %s', names)
        relay.terminate()


@case
def slow_and_silent_clients():
    """As many as may be open say nothing, or half a request: they are ended, and then others are answered."""
    with Workspace() as work:
        relay, path = relay_with(work)
        silent = []
        for i in range(40):
            one = socket.socket(socket.AF_UNIX)
            one.connect(path)
            if i % 2:
                one.sendall(b'GET /v1/status HTTP/1.1\r\nHost: x\r\nX: ')
            silent.append(one)
        work.source(relay.target, messages=2).result()

        def answered():
            try:
                return asked(path, '/v1/status')[0] == 200
            except (OSError, http.client.HTTPException):
                return False  # there are as many as may be
        eventually(answered, 'somebody is answered', 90)
        for one in silent:
            one.close()
        relay.terminate()


if __name__ == '__main__':
    harness.main(together=4)
