"""tests/e2e/control_socket.py - HTTP over the control socket, and what its answers have to be."""

import http.client
import json
import os
import re
import socket
import subprocess

from harness import SOURCES, check, equal, eventually, program


class Connection(http.client.HTTPConnection):
    """HTTP over the socket at `path`."""

    def __init__(self, path):
        super().__init__('localhost', timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


def http_settings(work, port, users=(), operate=()):
    """What control.http is to be: at a port of loopback, with (name, password) of users, and who of them may act."""
    settings = {'address': '127.0.0.1:%d' % port}
    if users:
        lines = b''.join(subprocess.run([program('postrider'), 'hash', user], input=password.encode() + b'\n',
                                        capture_output=True, check=True).stdout for user, password in users)
        settings['users_file'] = work.write('operators', lines.decode())
        os.chmod(settings['users_file'], 0o600)
    if operate:
        settings['operate'] = list(operate)
    return settings


def reload(work, relay, configuration):
    """The relay takes this one from now on."""
    count = len(relay.events('reloaded'))
    work.write('postrider.yaml', json.dumps(configuration))
    code, answer = asked(work.path('control.sock'), '/v1/reload', 'POST', '{}')
    equal(code, 200, 'reload: %s' % answer)
    relay.told('reloaded', count + 1)


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


def by_all(path, target):
    """As asked(), once no shard is missing to it: on a busy machine one may be late for its time."""
    def complete():
        code, answer = asked(path, target)
        late = answer.get('missing') or not all(shard['answers'] for shard in answer.get('shards', ()))
        return None if late else (code, answer)
    return eventually(complete, 'every shard answers to ' + target)


# ---- as much of JSON Schema as dist/control.schema.json uses ----

with open(os.path.join(SOURCES, 'dist', 'control.schema.json')) as schema_file:
    SCHEMA = json.load(schema_file)
KINDS = {'object': dict, 'array': list, 'string': str, 'integer': int,
         'number': (int, float), 'boolean': bool, 'null': type(None)}


def fits(schema, value, where):
    if '$ref' in schema:
        schema = SCHEMA['$defs'][schema['$ref'].rpartition('/')[2]]
    unknown = set(schema) - {'$schema', 'title', 'type', 'properties', 'required', 'items', 'enum', 'pattern',
                             'description', 'minimum', 'additionalProperties'}
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
