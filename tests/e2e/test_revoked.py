#!/usr/bin/python3
"""tests/e2e/test_revoked.py - client_crl of control.http: who shows a revoked certificate is nobody from the next
request on, and so is who shows one of whose issuer nothing is known."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from basics import eventually  # noqa: E402
from harness import Certificates, Workspace, case, check, equal  # noqa: E402
from issuer import Issuer, mapping  # noqa: E402
from remote import Remote, status_on  # noqa: E402

HOUR, DAY = 3600, 86400
USERS = mapping(alice=['email:alice@example.org'], bob=['email:bob@example.org'])
MANY = 100000


def put(path, text):
    """As programs that renew files do: another one takes the place of the one before."""
    with open(path + '.new', 'w') as file:
        file.write(text)
    os.rename(path + '.new', path)


def start(work, issuer, text, issuers=None, **more):
    """(relay, path of the lists)"""
    lists = work.path('operators.crl')
    if text is not None:
        put(lists, text)
    authorities = work.write('issuers.pem', ''.join(open(one.certificate).read() for one in issuers or [issuer]))
    return Remote(work, [('carol', 'correct horse')], ['alice'], Certificates(), client_ca=authorities,
                  client_crl=lists, certificate_users=USERS, **more), lists


def bob_of(issuer, **more):
    return issuer.user('/CN=bob', 'email:bob@example.org', **more)


def answer(remote, shows):
    status, _, text = remote.ask(shows=shows)
    return status, text


def refused(remote, shows, *words):
    status, text = answer(remote, shows)
    equal(status, 403, text)
    for word in words:
        check(word in json.loads(text)['error'], '%r is not said: %s', word, text)


@case
def revoked():
    """From the next request on, on a connection that stays as well, and without anybody else's connection ending; each
    is told; a password beside it does not help; who is taken off the list again is let in."""
    with Workspace() as work:
        issuer = Issuer(work, 'issuer')
        alice, bob, erin = issuer.user(), bob_of(issuer), issuer.user('/CN=erin', None)
        remote, lists = start(work, issuer, issuer.revoke(erin))
        stays, other = remote.connection(shows=bob), remote.connection(shows=alice)
        equal((status_on(stays), status_on(other)), (200, 200), 'both')
        socket = other.sock
        put(lists, issuer.revoke(erin, bob))
        # Who says nothing for ten seconds is gone.
        eventually(lambda: (status_on(stays), status_on(other)) == (403, 200), 'bob, on his connection', timeout=120)
        equal(other.sock, socket, 'the connection is that of before')
        told = remote.relay.told('client_crl_read')[0]
        equal((told['file'], told['lists'], told['revoked']), (lists, 1, 2), 'read')
        refused(remote, bob, 'CN=bob was revoked on 2026-01-01 00:00 UTC (keyCompromise)')
        equal(remote.ask(shows=bob, user=('carol', 'correct horse'))[0], 403, 'with a password')
        equal(remote.ask(user=('carol', 'correct horse'))[0], 200, 'a password alone')
        check('CN=bob' in remote.relay.told('control_refused')[0]['certificate'], 'told')
        with open(lists, 'w') as file:  # in place
            file.write(issuer.revoke(erin))
        remote.relay.told('client_crl_read', 2)
        equal(answer(remote, bob)[0], 200, 'bob, who is on it no more')
        stays.close()
        other.close()


@case
def chains():
    """Each issuer between has to have a list, and no list may have it."""
    with Workspace() as work:
        root = Issuer(work, 'root')
        below = Issuer(work, 'below', root)
        chain = [below.certificate]
        alice, bob = below.user(chain=chain), bob_of(below, chain=chain)
        directly = root.user('/CN=alice', 'email:alice@example.org')
        remote, lists = start(work, root, root.revoke())
        equal(answer(remote, directly)[0], 200, 'of the root itself')
        refused(remote, alice, 'no list of what CN=below has revoked')
        count = 0
        for text, words in ((below.revoke(bob), ['no list of what CN=root']),
                            (root.revoke() + below.revoke(bob), None),
                            (root.revoke((below.certificate, below.key)) + below.revoke(bob), ['CN=below was revoked']),
                            (root.revoke() + below.revoke(bob, begins=-2 * DAY, ends=-DAY), ['out of date']),
                            (root.revoke() + below.revoke(ends=HOUR, more='issuingDistributionPoint=critical,@p\n[p]\n'
                                                          'onlyCA=TRUE'), ['no list of what CN=below'])):
            put(lists, text)
            count += 1
            remote.relay.told('client_crl_read', count)
            if words is None:
                equal(answer(remote, alice)[0], 200, 'both have one')
                refused(remote, bob, 'CN=bob was revoked')
            else:
                refused(remote, alice, *words)
        # Without the one above it, as where that one publishes none.
        put(work.path('issuers.pem'), open(below.certificate).read())
        remote.relay.told('certificate_renewed')
        put(lists, below.revoke(bob, more='issuingDistributionPoint=critical,@p\n[p]\nonlyuser=TRUE\n'
                                'fullname=URI:https://ca.example.org/1.0/crl'))
        count += 1
        remote.relay.told('client_crl_read', count)
        equal(answer(remote, alice)[0], 200, 'the end of the chain is below')
        refused(remote, bob, 'CN=bob was revoked')
        put(work.path('issuers.pem'), ''.join(open(one.certificate).read() for one in (root, below)))
        put(lists, root.revoke((below.certificate, below.key)) + below.revoke())
        remote.relay.told('client_crl_read', count + 1)
        refused(remote, below.user(), 'CN=below was revoked')


@case
def whose_list():
    """One of another authority, of another key of that name, or of one that may not sign any is as good as none."""
    with Workspace() as work:
        issuer, other, strange = Issuer(work, 'issuer'), Issuer(work, 'other'), Issuer(work, 'strange', lists=False)
        alice, of_strange = issuer.user(), bob_of(strange)
        remote, lists = start(work, issuer, other.revoke(), [issuer, strange])
        refused(remote, alice, 'no list of what CN=issuer')
        checked = look(remote, 'check')
        check('no list of "CN=issuer"' in checked and 'no list of "CN=strange"' in checked, checked)
        put(lists, issuer.revoke() + strange.revoke())
        remote.relay.told('client_crl_read')
        equal(answer(remote, alice)[0], 200, 'now there is one')
        refused(remote, of_strange, 'may not sign lists')
        os.mkdir(work.path('again'))
        again = Issuer.__new__(Issuer)
        again.work, again.name, again.count = work, 'issuer', 0
        again.certificate, again.key = again.issue_as(
            'again/issuer', '/CN=issuer', None, 'basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n')
        put(lists, again.revoke())
        remote.relay.told('client_crl_read', 2)
        refused(remote, alice, 'is not signed by the key of who issued this')
        check('is not signed by the certificate of that name' in look(remote, 'check'), 'check')


def look(remote, command):
    done = subprocess.run([harness.program('postrider'), command, '--config', remote.work.path('postrider.yaml')],
                          capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


@case
def out_of_date():
    """Nobody is let in by it, which is told when it is so and before; metrics, check, doctor and an incident say so.
    The next one lets in again."""
    with Workspace() as work:
        issuer = Issuer(work, 'issuer')
        alice = issuer.user()
        remote, lists = start(work, issuer, issuer.revoke(begins=-2 * DAY, ends=-HOUR))
        refused(remote, alice, 'the list of what CN=issuer has revoked is out of date since')
        told = remote.relay.told('client_crl_ends')[0]
        equal((told['file'], told['issuer'], told['ended'], told['level']), (lists, 'CN=issuer', True, 'error'), told)
        equal(left(remote, None) < 0, True, 'metrics')
        check('is out of date since' in look(remote, 'check'), 'check')
        check('the list of CN=issuer is out of date' in look(remote, 'doctor'), 'doctor')
        incident = eventually(lambda: [one for one in remote.relay.events('incident_opened')
                                       if one['subject'] == lists], 'an incident', timeout=180)[0]
        equal((incident['kind'], 'out of date' in incident['problem']), ('certificate_ending', True), incident)
        put(lists, issuer.revoke(begins=-DAY, ends=HOUR))
        remote.relay.told('client_crl_read')
        equal(answer(remote, alice)[0], 200, 'it is not yet')
        told = remote.relay.told('client_crl_ends', 2)[1]
        equal((told['ended'], told['level']), (False, 'warning'), told)
        equal(0 < left(remote, alice) <= HOUR, True, 'metrics')
        put(lists, issuer.revoke(alice, begins=-HOUR, ends=2 * DAY))
        remote.relay.told('client_crl_read', 2)
        refused(remote, alice, 'CN=alice was revoked')
        equal(len(remote.relay.events('client_crl_ends')), 2, 'told once each')
        check('1 certificates of CN=issuer' in look(remote, 'doctor'), 'doctor')


def left(remote, shows):
    """As metrics say; `shows` None: with a password."""
    _, _, text = remote.ask(path='/metrics', **({'shows': shows} if shows else {'user': ('carol', 'correct horse')}))
    return float([line for line in text.split('\n')
                  if line.startswith('postrider_client_crl_expires_seconds ')][0].split()[1])


@case
def files_that_are_none():
    """A relay whose lists are missing or cannot be read starts all the same, as mail does not wait for them, and lets
    in nobody by a certificate; one that is spoiled later changes nothing, and is told."""
    with Workspace() as work:
        issuer = Issuer(work, 'issuer')
        alice, bob = issuer.user(), bob_of(issuer)
        remote, lists = start(work, issuer, None)
        equal(remote.ask(path='/healthz')[0], 200, 'it runs')
        check('No such file' in remote.relay.told('client_crl_refused')[0]['problem'], 'told')
        refused(remote, alice, 'no list of what CN=issuer')
        equal(remote.ask(user=('carol', 'correct horse'))[0], 200, 'a password alone')
        check('whoever shows a certificate is refused' in look(remote, 'check'), 'check')
        check('No such file' in look(remote, 'doctor'), 'doctor')
        good = issuer.revoke(bob)
        put(lists, good)
        remote.relay.told('client_crl_read')
        equal(answer(remote, alice)[0], 200, 'there it is')
        spoiled = ['', 'none\n', good[:len(good) // 2], open(issuer.certificate).read(), open(issuer.key).read(),
                   issuer.revoke(more='2.5.29.27=critical,ASN1:INTEGER:1')]
        for count, text in enumerate(spoiled, 2):
            put(lists, text)
            told = remote.relay.told('client_crl_refused', count)[-1]
            check(told['problem'].startswith('control.http.client_crl: %s: ' % lists), told)
            equal((answer(remote, alice)[0], answer(remote, bob)[0]), (200, 403), 'the one before counts')
        os.unlink(lists)
        remote.relay.told('client_crl_refused', len(spoiled) + 2)
        equal((answer(remote, alice)[0], answer(remote, bob)[0]), (200, 403), 'the one before counts')
        work.write('issuers.pem', 'none\n')
        put(lists, issuer.revoke(alice))
        remote.relay.told('client_crl_read', 2)
        equal((answer(remote, alice)[0], answer(remote, bob)[0]), (403, 200), 'though client_ca cannot be read')


@case
def many():
    """A list of a hundred thousand is read beside who asks, and looked at for each request."""
    with Workspace() as work:
        issuer = Issuer(work, 'issuer')
        alice, bob = issuer.user(), bob_of(issuer)
        remote, lists = start(work, issuer, issuer.revoke())
        put(lists, issuer.revoke(bob, serials=['%X' % (2 ** 150 + i * 997) for i in range(MANY)]))
        connection = remote.connection(timeout=300, shows=alice)
        eventually(lambda: status_on(connection) == 200 and remote.relay.events('client_crl_read'), 'it is read',
                   timeout=300)
        equal((status_on(connection), answer(remote, bob)[0]), (200, 403), 'both')
        connection.close()
        equal(remote.relay.events('client_crl_read')[0]['revoked'], MANY + 1, 'so many')


@case
def what_is_not_taken():
    """Without those who issue there is nothing to revoke; a directory is no file."""
    with Workspace() as work:
        issuer = Issuer(work, 'issuer')
        certificates = Certificates()
        tls = {'certificate': certificates.server, 'private_key': certificates.server_key}
        lists = work.write('operators.crl', issuer.revoke())
        for settings, word in (({**tls, 'client_crl': lists, 'users_file': None}, 'write client_ca'),
                               ({**tls, 'client_ca': issuer.certificate, 'certificate_users': USERS,
                                 'client_crl': work.path('')}, 'is not a regular file')):
            settings = {key: value for key, value in settings.items() if value}
            configuration = work.configuration(['127.0.0.1:9'], control={
                'socket': work.path('control.sock'), 'http': {'address': '127.0.0.1:6525', **settings}})
            path = work.write('postrider.yaml', json.dumps(configuration))
            done = subprocess.run([harness.program('postrider'), 'check', '--config', path], capture_output=True,
                                  text=True, timeout=60)
            check(done.returncode != 0 and word in done.stdout + done.stderr, '%s: %s %s', word, done.stdout,
                  done.stderr)


if __name__ == '__main__':
    harness.main(together=3)
