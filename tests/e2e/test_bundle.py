#!/usr/bin/python3
"""tests/e2e/test_bundle.py - what is known of a relay in one file, by the page, by the control and by the command: what
is in it, and that no secret is, wherever a configuration has one."""

import base64
import io
import json
import os
import stat
import subprocess
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from control_socket import Connection  # noqa: E402
from harness import Certificates, Workspace, case, check, equal, eventually, program  # noqa: E402
from page_lab import FORM, Lab, queue_one, token_of  # noqa: E402

MEMBERS = {'README.txt', 'configuration.txt', 'machine.txt', 'doctor.json', 'status.json', 'stats.json',
           'resources.json', 'incidents.json', 'errors.json', 'suspensions.json', 'queue-summary.json', 'metrics.txt',
           'events.jsonl'}


def opened(octets):
    """{name: text} of its members, as any tar reads it."""
    check(len(octets) < 2 << 20, 'its size: %d' % len(octets))
    with tarfile.open(fileobj=io.BytesIO(octets), mode='r:gz') as tar:
        members = {}
        for member in tar:
            check(member.isreg() and member.name.startswith('postrider/') and '..' not in member.name, member.name)
            equal(stat.S_IMODE(member.mode), 0o600, member.name)
            members[member.name.partition('/')[2]] = tar.extractfile(member).read().decode()
    return members


def by_control(work):
    connection = Connection(work.path('control.sock'))
    try:
        connection.request('POST', '/v1/bundle', '{}')
        response = connection.getresponse()
        equal((response.status, response.headers['Content-Type']), (200, 'application/gzip'), 'the answer')
        check('attachment; filename="postrider-2' in response.headers['Content-Disposition'], response.headers)
        return response.read()
    finally:
        connection.close()


def by_page(lab):
    """As a browser does: it is no text."""
    import http.client
    import urllib.parse
    token = token_of(lab.ask('/page/health')[2])
    connection = http.client.HTTPConnection('127.0.0.1', lab.port, timeout=60)
    try:
        connection.request('POST', '/page/bundle', urllib.parse.urlencode({'token': token}),
                           {**FORM, 'Cookie': lab.cookie})
        response = connection.getresponse()
        equal(response.status, 200, 'by the page')
        return response.read()
    finally:
        connection.close()


def by_command(work, file='bundle.tar.gz', code=0, wait='2'):
    result = subprocess.run([program('postrider'), 'doctor', '--config', work.path('postrider.yaml'), '--bundle',
                             work.path(file), '--wait', wait], capture_output=True, text=True, timeout=300)
    equal(result.returncode, code, result.stderr)
    equal(stat.S_IMODE(os.stat(work.path(file)).st_mode), 0o600, 'whose it is')
    with open(work.path(file), 'rb') as f:
        return f.read()


@case
def what_is_in_it():
    """By all three ways the same members, whole; and by the command also where nothing runs, or the file is broken."""
    with Workspace() as work:
        lab = Lab(work)
        lab.enter()
        one = queue_one(lab, header='Subject: a word that nobody else needs\r\n', body='nor this one\r\n')
        eventually(lambda: one in opened(by_control(work))['events.jsonl'], 'the newest events')
        for members in (opened(by_control(work)), opened(by_page(lab)), opened(by_command(work))):
            equal(set(members), MEMBERS, 'members')
            for name, text in members.items():
                check(text, '%s is empty' % name)
                if name.endswith('.json') and name != 'doctor.json':
                    json.loads(text)
                check('nobody else needs' not in text and 'nor this one' not in text, '%s: content of mail' % name)
            check('hostname: ' in members['configuration.txt'] and '# default' in members['configuration.txt'],
                  members['configuration.txt'])
            check('Linux' in members['machine.txt'], members['machine.txt'])
            check('postrider_build_info' in members['metrics.txt'], members['metrics.txt'][:500])
            equal(json.loads(members['status.json'])['queued'], 1, 'messages')
            for line in members['events.jsonl'].splitlines():
                json.loads(line)
        equal([event['path'] for event in lab.relay.told('control', 4) if 'bundle' in event['path']][-1], '/v1/bundle',
              'by the page')
        check('"broken"' in opened(by_command(work, 'more'))['doctor.json'], 'what the doctor finds')
        # A file that is there is not gone over, nor a link followed.
        for name in ('bundle.tar.gz', 'link'):
            if name == 'link':
                os.symlink(work.path('elsewhere'), work.path('link'))
            said = subprocess.run([program('postrider'), 'doctor', '--config', work.path('postrider.yaml'), '--bundle',
                                   work.path(name), '--wait', '1'], capture_output=True, text=True, timeout=300)
            equal(said.returncode, 73, said.stderr)
        check(not os.path.exists(work.path('elsewhere')), 'elsewhere')
        lab.relay.terminate()
        members = opened(by_command(work, 'stopped'))
        check(set(members) >= {'configuration.txt', 'machine.txt', 'doctor.json', 'process.txt'}, sorted(members))
        work.write('postrider.yaml', json.dumps({**lab.configuration, 'hostnme': 'x'}))
        members = opened(by_command(work, 'wrong', code=78))
        check('unknown key "hostnme"' in members['configuration.txt'], members['configuration.txt'])


@case
def who_may_have_it():
    """Who may act, by a form of the page; each is told."""
    with Workspace() as work:
        users = [('alice', 'correct horse'), ('bob', 'battery')]
        lab = Lab(work, users=users, operate=['alice'])
        view = lab.ask('/page/health', user=users[1])[2]
        check('Who may act can have it' in view and '/page/bundle' not in view, view)
        token = token_of(lab.ask('/page/health', user=users[0])[2])
        equal(lab.ask('/v1/bundle', 'POST', '{}', user=users[1], **{'X-Postrider-Act': 'yes'})[0], 403, 'bob')
        for user, given in ((users[0], '0' * 64), (users[1], token), (users[0], '')):
            equal(lab.form('/page/bundle', user=user, token=given)[0], 403, user[0])
        equal(lab.ask('/page/bundle', user=users[0])[0], 405, 'by a link')
        equal(lab.form('/page/bundle', user=users[0], token=token, headers={'Origin': 'http://evil.example'})[0], 403,
              'from another page')
        equal(lab.relay.events('control'), [], 'events')


@case
def no_secret_is_in_it():
    """In every place that a configuration has for one, and some where it should not be; by all three ways."""
    certificates = Certificates()
    planted, n = {}, [0]

    def secret(where, odd=''):
        n[0] += 1
        planted[where] = 'ZqX%s%dwyT' % (odd, n[0]) + 'kP' * 3
        return planted[where]

    with Workspace() as work:
        def file(name, text):
            os.chmod(work.write(name, text), 0o600)
            return name
        with open(certificates.client_key) as f:
            key = f.read()
        file('relay.key', key)
        account_key = subprocess.run(['openssl', 'genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
                                     capture_output=True, check=True).stdout.decode()
        line = subprocess.run([program('postrider'), 'hash', 'copier'], input=secret('a password').encode() + b'\n',
                              capture_output=True, check=True).stdout.decode()
        file('users', line)
        program_file = work.write('token', '#!/bin/sh\necho no; echo %s >&2; exit 1\n' % secret('what a program says'))
        os.chmod(program_file, 0o700)
        tls = {'mode': 'verify', 'ca_file': certificates.ca, 'server_name': certificates.server_name,
               'certificate': certificates.client, 'private_key': 'relay.key'}

        def destination(name, **auth):
            return {'name': name, 'hosts': ['127.0.0.1:9'], 'tls': tls, **auth}
        oauth = {'client_id': 'c', 'token_url': 'https://127.0.0.1:9/token?key=%s' % secret('query of token_url')}
        more = [
            destination('one', auth={'user': 'a@example.org', 'mechanism': 'plain', 'password_file': file(
                'one.password', secret('password_file', '"\\') + '\n')}),
            destination('pool', auth={'mechanism': 'plain'}, mailboxes=[
                {'user': 'b@example.org', 'password_file': file('b.password', secret('of a mailbox'))},
                {'user': 'e@example.org', 'password_file': file('e.password', secret('with blanks', ' a b ') +
                                                                '\r\n')}]),
            destination('client', auth={'user': 'c@example.org', 'mechanism': 'xoauth2'}, oauth={
                **oauth, 'client_secret_file': file('client.secret', secret('client_secret_file'))}),
            destination('refresh', auth={'user': 'd@example.org', 'mechanism': 'xoauth2'}, oauth={
                **oauth, 'refresh_token_file': file('refresh.token', secret('refresh_token_file'))}),
            destination('account', auth={'user': 'g@example.org', 'mechanism': 'xoauth2'}, oauth={
                'proxy': 'http://relay:%s@127.0.0.1:9' % secret('user of a proxy'),
                'service_account_file': file('account.json', json.dumps({
                    'type': 'service_account', 'private_key_id': secret('private_key_id'), 'private_key': account_key,
                    'client_email': 'a@b.iam.gserviceaccount.com', 'token_uri': 'https://127.0.0.1:9/token'}))}),
            destination('program', auth={'user': 'f@example.org', 'mechanism': 'xoauth2'}, oauth={
                'command': [program_file, '--key', secret('a word of a command'), 'abc1']}),
        ]
        clients = [{'name': 'local', 'networks': ['127.0.0.0/8'], 'add_headers': [
            'X-Key: %s' % secret('a field that is added')]}]
        lab = Lab(work, users_file='users', more_destinations=more, clients=clients, events={'webhook': {
            'url': 'https://u:%s@127.0.0.1:9/%s?token=%s' % (
                secret('user of a URL'), secret('path of a URL'), secret('query of a URL')),
            'secret_file': file('webhook.secret', secret('webhook.secret_file'))}})
        lab.enter()
        # Some of the words get into events and names by themselves: it is typed where it should not be.
        queue_one(lab, recipient='%s@example.org' % planted['of a mailbox'])
        lab.form('/page/act', token=token_of(lab.ask('/page/health')[2]), do='suspend', destination='next-hop',
                 reason=planted['password_file'], **{'for': '1'})
        # They would be found: events have what was typed.
        eventually(lambda: any(planted['of a mailbox'] in json.dumps(one) for one in lab.relay.events_seen), 'events')
        lab.relay.told('control', 2)
        ways = {'control': by_control(work), 'page': by_page(lab), 'command': by_command(work)}
        # The file is broken by now, so that it names none of the secrets; the process has all that it had.
        whole = work.path('postrider.yaml')
        with open(whole) as f:
            before = f.read()
        check(before.count('https://u:') == 1, before)
        work.write('postrider.yaml', before.replace('https://u:', 'http://u:'))
        ways['broken'] = by_control(work)
        check('is no https:// URL' in opened(ways['broken'])['configuration.txt'], 'what is wrong')
        work.write('postrider.yaml', before)
        looked_for = {**planted, 'a hash': line.strip().partition(':')[2], 'a short word': 'abc1',
                      **{'line %d of a key' % i: text
                         for i, text in enumerate([*key.splitlines()[1:-1], *account_key.splitlines()[1:-1]])}}
        for way, octets in ways.items():
            for name, text in opened(octets).items():
                for where, word in looked_for.items():
                    for form in (word, json.dumps(word)[1:-1], base64.b64encode(word.encode()).decode().rstrip('=')):
                        check(form not in text, '%s: %s has %s' % (way, name, where))
            if way == 'broken':
                continue
            check('[left out]' in opened(octets)['configuration.txt'], way)
            check('service_account_file: ' in opened(octets)['configuration.txt'], 'words that are no secret')
            check('[left out]' in opened(octets)['events.jsonl'], way)


if __name__ == '__main__':
    harness.main()
