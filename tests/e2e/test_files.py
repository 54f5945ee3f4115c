#!/usr/bin/python3
"""tests/e2e/test_files.py - mail as files: what is exported of a queue, and of a spool that is not in use."""

import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (Client, Workspace, case, check, equal, free_port, main, message, program,  # noqa: E402
                     same_octets, split_trace)

LATE = {'first': '1h', 'factor': 1, 'max': '1h'}


def command(*arguments, status=0, stdin=None):
    """(output, standard error) of a command that ends so."""
    done = subprocess.run([program('postrider'), *arguments], input=stdin, capture_output=True, timeout=120, text=True)
    equal(done.returncode, status, '%s: %s%s' % (arguments, done.stdout, done.stderr))
    return done.stdout, done.stderr


def send(relay, content, sender='sender@example.net', recipients=('recipient@example.com',), parameters=''):
    """`recipients`: addresses, with parameters behind a `>` where there are some. The id that the client was told."""
    with Client(relay.address) as client:
        client.hello()
        client.command('MAIL FROM:<%s>%s' % (sender, parameters), 250)
        for recipient in recipients:
            address, _, more = recipient.partition('> ')
            client.command('RCPT TO:<%s>%s' % (address, ' ' + more if more else ''), 250)
        return re.search(r'queued as (\w+)', str(client.data(content))).group(1)


def relay_of(work, hosts=None, name='postrider', **changes):
    changes.setdefault('control', {'socket': work.path(name + '.sock')})
    changes.setdefault('retry', LATE)
    return work.relay(work.configuration(hosts or ['127.0.0.1:%d' % free_port()], **changes), name)


def files_of(directory):
    """{name: (envelope, content)} of what was exported."""
    found = {}
    for name in os.listdir(directory):
        check(name.endswith(('.eml', '.json')), 'a file is called %s', name)
        if name.endswith('.json'):
            with open(os.path.join(directory, name), encoding='ascii') as f:
                envelope = json.load(f)
            with open(os.path.join(directory, name[:-5] + '.eml'), 'rb') as f:
                found[name[:-5]] = (envelope, f.read())
    return found


@case
def exported():
    """By filter, by id and all; what its sender asked for comes with it; the same from the spool when it is not in use;
    and it all stays where it is."""
    with Workspace() as work:
        relay = relay_of(work)
        socket = ('--socket', work.path('postrider.sock'))
        large = message(2, 5 << 20)
        plain = send(relay, message(1))
        big = send(relay, large, recipients=['a@example.com', 'b@example.org'])
        wished = send(relay, message(3) + b'gr\xc3\xbc\xc3\x9fe\r\n', 'us\u00e9r@example.net',
                      ['r\u00e9@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+40example.com',
                       'never@example.com> NOTIFY=NEVER'], ' BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=one+2Btwo')
        out, _ = command('queue', 'export', '--to', 'b@*', '--directory', work.path('some'), *socket)
        check('1 message exported' in out, 'by filter: %s', out)
        equal(list(files_of(work.path('some'))), [big], 'by filter')
        same_octets(split_trace(files_of(work.path('some'))[big][1])[1], large, 'a message in several records')
        # Again, and more of them: what is there is there.
        out, _ = command('queue', 'export', plain, big, '--directory', work.path('some'), '--json', *socket)
        equal([r['result'] for r in json.loads(out)['results']], ['exported', 'there'], 'again')
        command('queue', 'hold', plain, *socket)
        command('queue', 'export', '--directory', work.path('all'), *socket)
        live = files_of(work.path('all'))
        equal(sorted(live), sorted([plain, big, wished]), 'all')
        envelope = live[wished][0]
        equal({key: envelope[key] for key in ('from', 'body', 'smtputf8', 'ret', 'envid')},
              {'from': 'us\u00e9r@example.net', 'body': '8BITMIME', 'smtputf8': True, 'ret': 'HDRS',
               'envid': 'one+2Btwo'}, 'what was asked for')
        equal([(r['to'], r['status'], r.get('notify'), r.get('orcpt')) for r in envelope['recipients']],
              [('r\u00e9@example.com', 'pending', 'SUCCESS,DELAY', 'rfc822;first+40example.com'),
               ('never@example.com', 'pending', 'NEVER', None)], 'recipients')
        equal([r['status'] for r in live[plain][0]['recipients']], ['held'], 'one that is held')
        check('left the queue' in command('queue', 'export', '0' * 26, '--directory', work.path('all'), *socket,
                                          status=1)[0], 'an id that there is not')
        check('--to is a recipient' in command('queue', 'export', '--to', work.path('all'), *socket, status=64)[1],
              'no directory')
        command('queue', 'export', '../etc/passwd', '--directory', work.path('all'), *socket, status=64)
        relay.terminate()
        command('spool', 'export', work.path('spool'), '--to', work.path('spooled'))
        spooled = files_of(work.path('spooled'))
        equal(sorted(spooled), sorted(live), 'from the spool')
        for name, (envelope, content) in spooled.items():
            same_octets(live[name][1], content, 'content')
            for one in (envelope, live[name][0]):
                del one['accepted']  # to the second here, to the millisecond there
                for recipient in one['recipients']:
                    recipient.pop('due', None)
            equal(live[name][0], envelope, 'the envelope of %s' % name)
        acts = [e['path'] for e in relay.events('control') if e['path'].endswith('/content')]
        equal(len(acts), 5, 'who read mail is in the events')


main(together=2)
