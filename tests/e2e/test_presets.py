#!/usr/bin/python3
"""tests/e2e/test_presets.py - `postrider presets`, and a preset with nothing beside it but who signs in."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Certificates, Client, Workspace, case, check, equal, main, message, program  # noqa: E402
from access_token import APPLICATION  # noqa: E402
from office365 import Mailbox, Office365  # noqa: E402
from token_endpoint import TokenEndpoint  # noqa: E402

PRESETS = os.path.join(harness.SOURCES, 'dist', 'presets')
os.environ['POSTRIDER_PRESETS'] = PRESETS


def presets(*arguments, directory=PRESETS):
    done = subprocess.run([program('postrider'), 'presets', *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, 'POSTRIDER_PRESETS': directory})
    return done.returncode, done.stdout, done.stderr


@case
def listed():
    """A line for each, with its date and what it is for; by its name the file itself."""
    names = sorted(name[:-5] for name in os.listdir(PRESETS) if name.endswith('.yaml'))
    status, out, _ = presets()
    equal((status, [line.split()[0] for line in out.splitlines()]), (0, names), 'names')
    for line in out.splitlines():
        name, updated, about = line.split(None, 2)
        check(updated.startswith('20') and len(updated) == 10 and len(about) > 10, 'line of %s: %s', name, line)
    status, out, _ = presets('office365-submission')
    with open(os.path.join(PRESETS, 'office365-submission.yaml'), encoding='utf-8') as file:
        equal((status, out), (0, '# %s\n%s' % (file.name, file.read())), 'one of them')


@case
def not_there():
    for name in ('office366', '../office365-submission', 'x' * 300):
        status, out, error = presets(name)
        equal((status, out), (69, ''), 'status and text of %s' % name)
        check('`postrider presets` lists them' in error, 'what is said: %s', error)
    with Workspace() as work:
        status, _, error = presets(directory=work.directory)
        check(status == 69 and 'POSTRIDER_PRESETS' in error, 'none at all: %s', error)
    equal([presets('a', 'b')[0], presets('--nonsense')[0], presets('--help')[0]], [64, 64, 0], 'usage')


@case
def delivers():
    """Limits, mechanisms, pacing and TLS are the preset's; the test stands in for Microsoft's hosts."""
    with Workspace() as work:
        certificates = Certificates()
        endpoint = work.own(TokenEndpoint(certificates))
        endpoint.application(APPLICATION, secret='an application\'s password')
        boxes = [Mailbox('box%d@contoso.com' % i) for i in range(3)]
        office = work.own(Office365(certificates, mailboxes=boxes, tokens=endpoint.tokens))
        work.write('client', 'an application\'s password')
        os.chmod(work.path('client'), 0o600)
        tls = {'ca_file': certificates.path('ca.crt'), 'server_name': office.name}
        oauth = {'client_id': APPLICATION, 'client_secret_file': 'client', 'token_url': endpoint.url,
                 'ca_file': endpoint.ca_file, 'scope': 'https://outlook.office365.com/.default'}
        relay = work.relay(work.configuration([office.host], tls=tls, destination={
            'preset': 'office365-submission', 'sender': 'mailbox', 'oauth': oauth,
            'mailboxes': [{'user': box.name} for box in boxes]}))
        with Client(relay.address) as client:
            client.hello()
            for sequence in range(3):
                client.envelope()
                client.data(message(sequence))
        office.wait_taken(3)
        equal({mechanism for _, _, mechanism, _ in office.logins}, {'XOAUTH2'}, 'signed in by')
        relay.terminate()
        office.check_clean()
        endpoint.check_clean()


if __name__ == '__main__':
    main(together=3)
