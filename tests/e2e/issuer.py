"""tests/e2e/issuer.py - authorities that issue users' certificates, and how these are written down."""

import subprocess
import time

from basics import check


class Issuer:
    """An authority that issues users' certificates; below `of`, where that is given."""

    def __init__(self, work, name, of=None, extensions='', lists=True):
        self.work, self.name, self.count = work, name, 0
        usage = 'keyUsage=critical,keyCertSign%s\n' % (',cRLSign' if lists else '')
        self.certificate, self.key = self.issue_as(name, '/CN=%s' % name, of, 'basicConstraints=critical,CA:TRUE\n' +
                                                   usage + extensions)

    def issue_as(self, file, subject, of, extensions, days=2):
        paths = {kind: self.work.path('%s.%s' % (file, kind)) for kind in ('crt', 'key', 'csr')}
        extension = self.work.write(file + '.ext', extensions)
        openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-utf8', '-keyout',
                paths['key'], '-out', paths['csr'], '-subj', subject)
        signed = ('-CA', of.certificate, '-CAkey', of.key, '-CAcreateserial') if of else ('-signkey', paths['key'])
        openssl('x509', '-req', '-in', paths['csr'], *signed, '-days', str(days), '-extfile', extension, '-out',
                paths['crt'])
        return paths['crt'], paths['key']

    def user(self, subject='/CN=alice', names='email:alice@example.org', purpose='clientAuth', days=2, more='',
             chain=()):
        """(certificate, key) of somebody."""
        self.count += 1
        certificate, key = self.issue_as('%s-%d' % (self.name, self.count), subject, self,
                                         ('extendedKeyUsage=%s\n' % purpose if purpose else '') +
                                         ('subjectAltName=%s\n' % names if names else '') + more, days)
        if chain:
            with open(certificate, 'a') as file:
                file.write(''.join(open(one).read() for one in chain))
        return certificate, key

    def revoke(self, *revoked, begins=-3600, ends=86400, more='', serials=()):
        """The text of its list, in PEM, of these certificates, and of these numbers; it begins and ends so many seconds
        from now."""
        with open(self.work.path('index.txt'), 'w') as index:
            for serial in [*(serial_of(shows) for shows in revoked), *serials]:
                index.write('R\t301231235959Z\t260101000000Z,keyCompromise\t%s\tunknown\t/CN=x\n' % serial)
        settings = self.work.write('crl.cnf', '[ca]\ndefault_ca=d\n[d]\ndatabase=%s\nunique_subject=no\n'
                                   'default_md=sha256\ncrlnumber=%s\ncrl_extensions=x\n[x]\n%s\n' % (
                                       self.work.path('index.txt'), self.work.write('crlnumber', '01\n'),
                                       more or 'authorityKeyIdentifier=keyid'))
        now = time.time()
        return openssl('ca', '-gencrl', '-config', settings, '-cert', self.certificate, '-keyfile', self.key,
                       '-crl_lastupdate', utc(now + begins), '-crl_nextupdate', utc(now + ends))


def utc(seconds):
    return time.strftime('%Y%m%d%H%M%SZ', time.gmtime(seconds))


def serial_of(shows):
    return openssl('x509', '-in', shows[0], '-noout', '-serial').strip().partition('=')[2]


def openssl(*arguments):
    done = subprocess.run(['openssl', *arguments], capture_output=True, text=True)
    check(done.returncode == 0, 'openssl %s: %s', arguments, done.stderr[-300:])
    return done.stdout


def fingerprint(shows):
    return 'sha256:' + openssl('x509', '-in', shows[0], '-noout', '-fingerprint', '-sha256').strip().partition('=')[2]


def mapping(**users):
    """{user: [certificate]} as it is written."""
    return [{'certificate': one, 'user': user} for user, ones in users.items() for one in ones]
