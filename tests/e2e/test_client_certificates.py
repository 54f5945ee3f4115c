#!/usr/bin/python3
"""tests/e2e/test_client_certificates.py - users of control.http who sign in by a certificate: whose is believed, who it
is, and what never is a weaker way in."""

import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from basics import eventually  # noqa: E402
from harness import Certificates, Workspace, case, check, equal  # noqa: E402
from issuer import Issuer, fingerprint, mapping, openssl  # noqa: E402
from ports import free_port  # noqa: E402
from remote import HOLD, Remote, act, guess_until_locked, status_on  # noqa: E402

ALICE, BOB = ('alice', 'correct horse'), ('bob', 'battery')


def page(remote, **fields):
    return remote.ask(path='/page/health', **fields)


@case
def who_is_let_in():
    """By each kind of name and by fingerprint, to the API and the page; roles as for everybody, events name the user,
    and what browsers have to say of themselves is asked of them as well."""
    with Workspace() as work:
        issuer = Issuer(work, 'issuer')
        alice, carol = issuer.user(), issuer.user('/CN=carol', 'URI:urn:carol')
        dave, erin = issuer.user('/O=Example/CN=dave', None), issuer.user('/CN=erin', 'DNS:erin.example.org')
        remote = Remote(work, [BOB], ['alice', 'bob'], Certificates(), client_ca=issuer.certificate,
                        certificate_users=mapping(alice=['email:alice@example.org'], carol=['uri:urn:carol'],
                                                  dave=['subject:CN=dave,O=Example'], erin=[fingerprint(erin)]))
        for shows in (alice, carol, dave, erin):
            status, _, text = remote.ask(shows=shows)
            equal((status, status == 200 and json.loads(text)['state']), (200, 'running'), text)
            equal(page(remote, shows=shows)[0], 200, 'the page')
        check('carol, may look' in page(remote, shows=carol)[2], 'who is shown on the page')
        check('alice, may act' in page(remote, shows=alice)[2], 'who is shown on the page')
        equal(act(remote, shows=alice)[0], 200, 'an act')
        event = remote.relay.told('control')[0]
        equal((event['user'], event['by'], event['address'], event['status']),
              ('alice', 'certificate', '127.0.0.1', 200), 'told')
        equal(act(remote, shows=carol)[0], 403, 'one who may look')
        equal(remote.ask(*HOLD, shows=alice)[0], 403, 'an act without the field')
        for name, value in (('Host', 'evil.example'), ('Origin', 'https://evil.example'),
                            ('Sec_Fetch_Site', 'cross-site')):
            equal(act(remote, shows=alice, **{name: value})[0], 403, name)
        equal(act(remote, user=BOB)[0], 200, 'a password beside them')
        equal(remote.relay.told('control', 2)[1]['by'], 'password', 'how')
        equal(remote.ask()[0], 401, 'nobody')
        done = subprocess.run(['curl', '-sS', '--cacert', remote.ca, '--cert', alice[0], '--key', alice[1],
                               'https://localhost:%d/v1/status' % remote.port], capture_output=True, text=True)
        equal(done.returncode == 0 and json.loads(done.stdout)['state'], 'running', done.stderr)


@case
def who_is_not():
    """A certificate that is not good, or nobody's, is refused, and no password beside it is looked at; each is told
    with what it says and its fingerprint."""
    with Workspace() as work:
        issuer = Issuer(work, 'issuer')
        below = Issuer(work, 'below', issuer)
        bounded = Issuer(work, 'bounded', issuer, 'nameConstraints=critical,permitted;email:example.com\n')
        other = Issuer(work, 'other')
        leaf = issuer.user('/CN=leaf', 'email:leaf@example.org')
        alone = other.issue_as('alone', '/CN=alice', None, 'extendedKeyUsage=clientAuth\n'
                               'subjectAltName=email:alice@example.org\n')
        of_leaf = Issuer(work, 'of-leaf')
        of_leaf.certificate, of_leaf.key = leaf
        good = {
            'a chain with its intermediate': below.user(chain=[below.certificate]),
            'a chain and its root': below.user(chain=[below.certificate, issuer.certificate]),
            'within its constraints': bounded.user('/CN=ann', 'email:ann@example.com', chain=[bounded.certificate]),
        }
        bad = {
            'of another issuer': other.user(),
            'of itself': alone,
            'of another issuer, whose certificate is shown': other.user(chain=[other.certificate]),
            'without its intermediate': below.user(),
            'beyond its constraints': bounded.user(chain=[bounded.certificate]),
            'for servers': issuer.user(purpose='serverAuth'),
            'issued by a user': of_leaf.user(chain=[leaf[0]]),
            'for nobody who is known': issuer.user('/CN=alice', 'email:mallory@example.org'),
            'another kind of name': issuer.user('/CN=alice', 'DNS:alice.example.org,URI:alice@example.org'),
            'the name as part of another': issuer.user('/CN=x', 'email:alice@example.org.evil.example'),
            'the name in other letters': issuer.user('/CN=x', 'email:Alice@example.org'),
            'the name as a subject': issuer.user('/CN=email:alice@example.org', None),
        }
        remote = Remote(work, [ALICE], ['alice'], Certificates(), client_ca=issuer.certificate,
                        certificate_users=mapping(alice=['email:alice@example.org'], ann=['email:ann@example.com']))
        for what, shows in good.items():
            equal(remote.ask(shows=shows)[0], 200, what)
        for what, shows in bad.items():
            for status, _, text in (remote.ask(shows=shows, user=ALICE), act(remote, shows=shows, user=ALICE)):
                equal(status, 403, '%s: %s' % (what, text))
            equal(page(remote, shows=shows, user=ALICE)[0], 403, what + ', to the page')
        equal(remote.ask(path='/healthz', shows=bad['of itself'])[0], 200, 'a probe')
        equal(remote.ask(user=ALICE)[0], 200, 'a password alone')
        told = remote.relay.told('control_refused')[0]
        equal((told['status'], told['why'], 'sha256:' in told['certificate']),
              (403, 'a certificate that is not believed', True), told)


@case
def hostile_names():
    """Whatever a certificate says of itself is told as it is, and fits nobody."""
    with Workspace() as work:
        issuer = Issuer(work, 'issuer')
        subjects = ['/CN=alice,O\\=Example', '/CN=<script>alert(1)<\\/script>', '/CN=\u202egro.elpmaxe@ecila',
                    '/CN=' + 'x' * 60 + '/O=' + 'y' * 60 + '/OU=' + 'z' * 60 + '/L=' + 'w' * 60]
        hostile = [issuer.user(subject, None) for subject in subjects]
        hostile += [issuer.user('/CN=x', one) for one in ('otherName:1.2.3.4;UTF8:alice@example.org', )]
        hostile += [with_octets(work, issuer, octets) for octets in
                    (b'alice@example.org\x00evil', b'\x00alice@example.org', b'alice@example.org\r\nX: y',
                     b'\xff\xfe\x1b[31m')]
        hostile.append(issuer.user('/CN=many', ','.join('email:u%d@example.org' % i for i in range(3000))))
        remote = Remote(work, certificates=Certificates(), client_ca=issuer.certificate,
                        certificate_users=mapping(alice=['email:alice@example.org', 'subject:CN=alice,O=Example',
                                                         'email:u2999@example.org']))
        made_alike = with_octets(work, issuer, b'alice@example.org')
        equal(remote.ask(shows=made_alike)[0], 200, 'one that is made as those are')
        for shows in hostile:
            try:
                status, fields, text = remote.ask(shows=shows)
            except (OSError, ConnectionError):
                continue  # TLS itself has refused it: too large
            equal((status, 'WWW-Authenticate' in fields), (403, False), text)
            json.loads(text)
        remote.relay.told('control_refused')
        equal(remote.ask(path='/healthz')[0], 200, 'it goes on')
        equal(remote.ask()[0], 403, 'nobody')
        remote.relay.terminate()


def with_octets(work, issuer, octets):
    """One whose email has these, which no program writes."""
    mark = b'm' * len(octets)
    issuer.count += 1
    certificate, key = issuer.issue_as('octets-%d' % issuer.count, '/CN=x', issuer,
                                       'extendedKeyUsage=clientAuth\nsubjectAltName=email:%s\n' % mark.decode())
    der, body, signed = (work.path(name) for name in ('o.der', 'o.tbs', 'o.sig'))
    openssl('x509', '-in', certificate, '-outform', 'DER', '-out', der)
    text = openssl('asn1parse', '-inform', 'DER', '-in', der)
    at = [re.match(r' *(\d+):d=1 +hl=(\d) l= *(\d+) cons: SEQUENCE', line) for line in text.split('\n')]
    start, header, length = (int(one) for one in [m for m in at if m][0].groups())
    whole = open(der, 'rb').read()
    tbs = whole[start:start + header + length].replace(mark, octets)
    algorithm = whole[start + header + length:]
    algorithm = algorithm[:2 + algorithm[1]]
    with open(body, 'wb') as file:
        file.write(tbs)
    openssl('dgst', '-sha256', '-sign', issuer.key, '-out', signed, body)
    signature = open(signed, 'rb').read()
    inner = tbs + algorithm + b'\x03' + bytes([len(signature) + 1]) + b'\x00' + signature
    with open(der, 'wb') as file:
        file.write(b'\x30\x82' + len(inner).to_bytes(2, 'big') + inner)
    openssl('x509', '-inform', 'DER', '-in', der, '-out', certificate)
    return certificate, key


@case
def required():
    """Where one is required nothing else lets in: no password, no link; probes are answered."""
    with Workspace() as work:
        issuer = Issuer(work, 'issuer')
        alice = issuer.user()
        remote = Remote(work, [ALICE, BOB], ['alice'], Certificates(), client_ca=issuer.certificate,
                        client_certificates='required', certificate_users=mapping(alice=['email:alice@example.org']))
        for user in (None, ALICE, BOB):
            equal((remote.ask(user=user)[0], act(remote, user=user)[0], page(remote, user=user)[0]), (403, 403, 403),
                  'without one')
        link = subprocess.run([harness.program('postrider'), 'page', '--socket', work.path('control.sock')],
                              capture_output=True, text=True, timeout=60, check=True).stdout.strip()
        status, fields, _ = remote.ask(path=link[link.index('/page'):])
        equal(status, 303, 'a link')
        cookie = fields['Set-Cookie'].partition(';')[0]
        equal(page(remote, Cookie=cookie)[0], 403, 'a link without a certificate')
        equal([remote.ask(path=path)[0] in (200, 503) for path in ('/healthz', '/readyz')], [True, True], 'probes')
        equal((remote.ask(shows=alice)[0], page(remote, shows=alice)[0]), (200, 200), 'with one')
        remote.take(client_certificates='requested')
        equal((remote.ask(user=BOB)[0], page(remote, Cookie=cookie)[0]), (200, 200), 'no more required')


@case
def what_changes():
    """A mapping by a reload, from the next request on, also of a connection that stays; issuers by their file; one that
    is none is told, and those before stay."""
    with Workspace() as work:
        first, second = Issuer(work, 'first'), Issuer(work, 'second')
        alice, renewed = first.user(), second.user()
        issuers = work.write('issuers.pem', open(first.certificate).read())
        remote = Remote(work, operate=['alice'], certificates=Certificates(), client_ca=issuers,
                        certificate_users=mapping(alice=['email:alice@example.org']))
        stays = remote.connection(shows=alice)
        equal(status_on(stays), 200, 'alice')
        equal(remote.ask(shows=renewed)[0], 403, 'of who issues nothing yet')
        with open(issuers, 'a') as file:
            file.write(open(second.certificate).read())
        remote.relay.told('certificate_renewed')
        equal((remote.ask(shows=alice)[0], remote.ask(shows=renewed)[0]), (200, 200), 'both')
        with open(issuers, 'w') as file:
            file.write('none\n')
        check('client_ca' in remote.relay.told('certificate_refused')[0]['problem'], 'told')
        equal((remote.ask(shows=alice)[0], remote.ask(shows=renewed)[0]), (200, 200), 'both still')
        with open(issuers, 'w') as file:
            file.write(open(second.certificate).read())
        remote.relay.told('certificate_renewed', 2)
        equal(remote.ask(shows=renewed)[0], 200, 'the new one')
        equal(remote.ask(shows=alice)[0], 403, 'whose issuer is gone')
        stays = remote.connection(shows=renewed)
        equal(status_on(stays), 200, 'alice, by the new one')
        remote.take(operate=['bob'], certificate_users=mapping(bob=['dns:bob.example.org']))
        equal(status_on(stays), 403, 'alice, who is gone, on her connection')
        stays.close()


@case
def who_stays():
    """A connection that goes on keeps nothing that is renewed from being taken, however often."""
    with Workspace() as work:
        first, second = Issuer(work, 'first'), Issuer(work, 'second')
        alice = first.user()
        both = open(first.certificate).read() + open(second.certificate).read()
        issuers = work.write('issuers.pem', both)
        remote = Remote(work, operate=['alice'], certificates=Certificates(), client_ca=issuers,
                        certificate_users=mapping(alice=['email:alice@example.org']))
        stays = remote.connection(shows=alice)
        for count, text in enumerate((both + '\n', both + '\n\n', open(second.certificate).read()), 1):
            equal(status_on(stays), 200, 'alice')
            work.write('issuers.pem', text)
            eventually(lambda: status_on(stays) and len(remote.relay.events('certificate_renewed')) >= count,
                       'it is taken', timeout=120)
        eventually(lambda: status_on(stays) == 403, 'whose issuer is gone', timeout=120)
        stays.close()


@case
def guessing_does_not_bite():
    """Wrong passwords of an address keep out nobody there who has a certificate."""
    with Workspace() as work:
        issuer = Issuer(work, 'issuer')
        alice = issuer.user()
        remote = Remote(work, [ALICE, BOB], ['alice'], Certificates(), client_ca=issuer.certificate,
                        certificate_users=mapping(alice=['email:alice@example.org']))
        guess_until_locked(remote)
        equal(remote.ask(user=BOB)[0], 429, 'bob, by a password')
        equal((remote.ask(shows=alice)[0], act(remote, shows=alice)[0]), (200, 200), 'alice')


@case
def ended():
    """One that is over, or not begun, is refused."""
    with Workspace() as work:
        issuer = Issuer(work, 'issuer')
        certificate, key = issuer.user()
        over, early = work.path('over.crt'), work.path('early.crt')
        for path, begins, ends in ((over, '20200101000000Z', '20200201000000Z'),
                                   (early, '20900101000000Z', '20900201000000Z')):
            directory = work.path('ca-' + os.path.basename(path))
            os.mkdir(directory)
            work.write('index.txt', '')
            settings = work.write('ca.cnf', '[ca]\ndefault_ca=d\n[d]\ndatabase=%s\nnew_certs_dir=%s\nserial=%s\n'
                                  'default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n' % (
                                      work.path('index.txt'), directory, work.write('serial', '77\n')))
            openssl('ca', '-batch', '-config', settings, '-cert', issuer.certificate, '-keyfile', issuer.key, '-in',
                    certificate.replace('.crt', '.csr'), '-startdate', begins, '-enddate', ends, '-extfile',
                    certificate.replace('.crt', '.ext'), '-out', path, '-notext')
        remote = Remote(work, [ALICE], [], Certificates(), client_ca=issuer.certificate,
                        certificate_users=mapping(alice=['email:alice@example.org']))
        equal(remote.ask(shows=(certificate, key))[0], 200, 'now')
        for path, word in ((over, 'expired'), (early, 'not yet')):
            status, _, text = remote.ask(shows=(path, key), user=ALICE)
            equal((status, word in text), (403, True), text)


@case
def what_is_not_taken():
    """Files that are none at the start, and settings that do not fit."""
    with Workspace() as work:
        issuer = Issuer(work, 'issuer')
        certificates = Certificates()
        users = mapping(alice=['email:alice@example.org'])
        tls = {'certificate': certificates.server, 'private_key': certificates.server_key}
        rows = [
            ({**tls, 'client_ca': issuer.key, 'certificate_users': users}, 'client_ca'),
            ({'client_ca': issuer.certificate, 'certificate_users': users}, 'over TLS alone'),
            ({**tls, 'client_ca': issuer.certificate}, 'nobody is known'),
            ({**tls, 'certificate_users': users}, 'write client_ca'),
            ({**tls, 'client_ca': issuer.certificate, 'certificate_users': mapping(alice=['alice'])}, 'email:'),
        ]
        for settings, word in rows:
            configuration = work.configuration(['127.0.0.1:9'], control={
                'socket': work.path('control.sock'), 'http': {'address': '127.0.0.1:%d' % free_port(),
                                                              **settings}})
            path = work.write('postrider.yaml', json.dumps(configuration))
            done = subprocess.run([harness.program('postrider'), 'run', '--config', path], capture_output=True,
                                  text=True, timeout=60)
            check(done.returncode != 0 and word in done.stdout + done.stderr, '%s: %s %s', word, done.stdout,
                  done.stderr)


if __name__ == '__main__':
    harness.main(together=3)
