#!/usr/bin/python3
"""tests/e2e/test_config.py - `postrider check` and `run` with good and bad configurations: exit codes and messages."""

import json
import os
import re
import resource
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, free_port, message, program  # noqa: E402

GOOD = '''hostname: relay.example.org
shards: 2
spool: { directory: spool, size_max: 1GiB, message_size_max: 20MiB }
listeners:
  - { name: lan, address: "127.0.0.1:0" }
clients:
  - { name: local, networks: [127.0.0.0/8, "::1"] }
destinations:
  - name: next-hop
    hosts: ["127.0.0.1:%d"]
    tls: { mode: none }
routes:
  - { destination: next-hop }
retry: { first: 30s, factor: 2, max: 4h, expire: 5d }
'''

# What is replaced, by what, and what the message must name besides file, line and column.
BAD = [
    ('hostname: relay', 'hostnme: relay', ['hostnme', 'hostname']),
    ('size_max', 'sizemax', ['sizemax', 'size_max']),
    ('1GiB', '1GB', ['1GB']),
    ('30s', '30', ['30']),
    ('factor: 2', 'factor: two', ['two']),
    ('127.0.0.1:0', '127.0.0.1:99999', ['99999']),
    ('127.0.0.0/8', '127.0.0.0/33', ['33']),
    ('mode: none', 'mode: nothing', ['nothing']),
    ('mode: none', 'mode: verify, ca_file: missing.crt', ['missing.crt']),
    ('{ destination: next-hop }', '{ destination: other }', ['other']),
    ('shards: 2', 'shards: 1000', ['1000']),
    ('shards: 2', 'shards: many', ['many']),
    ('hostname: relay.example.org\n', '', ['hostname']),
    ('listeners:', 'listeners: [', []),
    ('shards: 2', 'shards: 2\nshards: 3', ['shards']),
    ('{ name: lan, address', '{ name: lan, tls: offered, address', ['tls', 'certificate']),
]


def run(work, text, command='check', name='postrider.yaml'):
    path = work.write(name, text)
    os.makedirs(work.path('spool'), exist_ok=True)
    done = subprocess.run([program('postrider'), command, '--config', path], capture_output=True, text=True,
                          timeout=60)
    return done.returncode, done.stdout + done.stderr


@case
def good_configuration():
    with Workspace() as work:
        code, text = run(work, GOOD % 2525)
        equal(code, 0, 'exit code (%s)' % text)
        # Every key the tests use, written as JSON.
        code, text = run(work, json.dumps(work.configuration(['127.0.0.1:2525'])))
        equal(code, 0, 'exit code (%s)' % text)


@case
def bad_configurations():
    """78 for check and for run, with the place and what is wrong."""
    with Workspace() as work:
        for old, new, words in BAD:
            text = GOOD % 2525
            check(old in text, 'the test replaces %r, which is not there', old)
            for command in ('check', 'run'):
                code, output = run(work, text.replace(old, new, 1), command)
                equal(code, 78, '%s with %r (%s)' % (command, new, output))
                check(re.search(r'postrider\.yaml:\d+(:\d+)?: ', output), 'no file:line:column: %s', output)
                for word in words:
                    check(word in output, '%r does not name %s: %s', new, word, output)


@case
def tls_files_that_cannot_be_used():
    """They are part of the configuration: 78, with the file and the destination, or the place that names the file."""
    with Workspace() as work:
        empty = work.write('empty.pem', '')
        whose = 'destination next-hop'
        for tls, words in (({'mode': 'verify', 'ca_file': empty}, [whose, 'empty.pem', 'no usable PEM']),
                           ({'mode': 'verify', 'ca_file': work.path('none')},
                            ['postrider.yaml:1:', 'ca_file: ', 'none: No such file']),
                           ({'mode': 'required', 'certificate': empty, 'private_key': empty}, [whose, 'empty.pem'])):
            configuration = work.configuration(['mail.example.org:2525'])
            configuration['destinations'][0]['tls'] = tls
            code, output = run(work, json.dumps(configuration), 'run')
            equal(code, 78, 'run with %r (%s)' % (tls, output))
            for word in words:
                check(word in output, '%r does not name %s: %s', tls, word, output)


@case
def the_nearest_key_is_named():
    with Workspace() as work:
        code, text = run(work, (GOOD % 2525).replace('hostname', 'hostnme', 1))
        check('postrider.yaml:1:1: ' in text and 'did you mean "hostname"' in text, text)


@case
def a_file_that_is_not_there():
    with Workspace() as work:
        done = subprocess.run([program('postrider'), 'check', '--config', work.path('nothing.yaml')],
                              capture_output=True, text=True)
        equal(done.returncode, 78, 'exit code')
        check('nothing.yaml' in done.stderr + done.stdout, 'the file is not named: %s', done.stderr)


@case
def wrong_arguments():
    for arguments in (['run'], ['check', '--nonsense'], ['nonsense'], []):
        done = subprocess.run([program('postrider'), *arguments], capture_output=True, text=True, timeout=60)
        check(done.returncode not in (0, 78) and done.returncode > 0, '%s: exit code %d', arguments, done.returncode)
        check('usage' in (done.stderr + done.stdout).lower(), '%s: %s', arguments, done.stderr)


@case
def version():
    done = subprocess.run([program('postrider'), 'version'], capture_output=True, text=True, timeout=60)
    equal(done.returncode, 0, 'exit code')
    check(re.search(r'postrider \d+\.\d+\.\d+', done.stdout), done.stdout)


@case
def an_address_in_use():
    """The relay names the address and ends; it does not run half."""
    with Workspace() as work:
        hop = work.own(NextHop())
        text = (GOOD % free_port()).replace('127.0.0.1:0', hop.host)
        code, output = run(work, text, 'run')
        check(code not in (0, 78) and code > 0, 'exit code %s', code)
        check(hop.host in output, 'the address is not named: %s', output)


@case
def many_clients():
    """A site may list each of its devices: a hundred thousand, some 100 octets each, and the last one may relay."""
    with Workspace() as work:
        hop = work.own(NextHop())
        few = [{'name': 'local', 'networks': ['127.0.0.1']}]
        lines = ''.join('10.%d.%d.%d\n' % (i >> 16, i >> 8 & 255, i & 255) for i in range(100000))
        work.write('devices', lines)
        many = [{'name': 'device-%d' % i, 'networks': ['172.%d.%d.%d' % (16 + (i >> 16), i >> 8 & 255, i & 255)],
                 'limits': {'connections': 2}} for i in range(99998)]
        used = []
        for clients in (few, many + [{'name': 'listed', 'networks_file': 'devices'}] + few):
            relay = work.relay(work.configuration([hop.host], clients=clients), 'relay-%d' % len(used))
            with Client(relay.address) as client:
                client.hello()
                client.envelope()
                client.data(message(len(used)))
            harness.eventually(lambda: relay.count['accepted'], 'the message is accepted')
            equal(relay.told('accepted')[0]['client'], 'local', 'client')
            used.append(relay.memory())
            relay.terminate()
        each = (used[1] - used[0]) / 200000
        if not os.environ.get('SANITIZED'):
            check(each < 64, '%d octets for each client or network', each)
        return '%d octets each' % each


@case
def relative_paths_are_relative_to_the_file():
    with Workspace() as work:
        os.makedirs(work.path('below'))
        os.makedirs(work.path('below', 'spool'))
        path = work.write('below/postrider.yaml', GOOD % 2525)
        done = subprocess.run([program('postrider'), 'check', '--config', path], capture_output=True, cwd='/')
        equal(done.returncode, 0, 'exit code')
        process = work.start([program('postrider'), 'run', '--config', path], cwd='/')
        harness.eventually(lambda: os.path.isdir(work.path('below', 'spool', 'shard-000')),
                           lambda: 'the spool is beside the file: %s' % process.tail())


@case
def files_of_shards_count():
    """SYS-05: too few descriptors for what is configured is told at the start, with the number that suffices."""
    with Workspace() as work:
        path = work.path('relay.yaml')
        with open(path, 'w') as f:
            many = GOOD.replace('1GiB', '4GiB').replace('shards: 2', 'shards: 8\nlimits: { connections: 100 }')
            f.write(many % free_port())

        def limited():
            resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
        result = subprocess.run([program('postrider'), 'run', '--config', path], stdin=subprocess.DEVNULL, timeout=60,
                                stderr=subprocess.PIPE, text=True, preexec_fn=limited)
        check(re.search(r'the limit of open files is 1024, but .* need (\d{4}): run "ulimit -n \1"', result.stderr),
              '%s', result.stderr)
        equal(result.returncode, 69, 'exit status')


if __name__ == '__main__':
    harness.main()
