"""tests/interop/signing.py - servers that let those alone send who have signed in, and what is tried with each.

Postfix asks Dovecot's authentication service, which has passwords and asks an introspection endpoint (RFC 7662) on
loopback for tokens; or Cyrus SASL. Haraka has a file of its own.
"""

import glob
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import urllib.parse

from servers import Postfix, Server, check_arrivals, harness, smtplib_send
from harness import Certificates, Workspace, check, equal, eventually, message

USER, PASSWORD, TOKEN = 'relay@example.org', 'correct horse battery staple', 'a-token-that-is-good.0123456789'
SIGNED_ONLY = (
    'smtpd_tls_auth_only = yes\nsmtpd_relay_restrictions = permit_sasl_authenticated, reject\n'
    'smtpd_client_restrictions =\nsmtpd_recipient_restrictions = permit_sasl_authenticated, reject\n')


class Introspection:
    """Which tokens are good."""

    def __init__(self):
        self.good, self.asked = {TOKEN}, []
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get('Content-Length', 0))).decode()
                token = urllib.parse.parse_qs(body).get('token', [''])[0]
                endpoint.asked.append(token)
                good = token in endpoint.good
                answer = json.dumps({'active': True, 'username': USER} if good else {'active': False}).encode()
                self.send_response(200)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return 'http://127.0.0.1:%d/introspect' % self.server.server_address[1]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    kill = close = stop


class DovecotPostfix(Postfix):
    """Postfix that takes mail of those alone whom Dovecot lets in. Dovecot's paths are compiled in, so it runs in a
    mount namespace of its own."""

    CONFIGURATION = '''
protocols =
base_dir = %(root)s/dovecot/run
state_dir = %(root)s/dovecot/state
log_path = %(root)s/dovecot.log
auth_verbose = yes
ssl = no
disable_plaintext_auth = no
default_internal_user = dovecot
default_login_user = dovenull
default_internal_group = dovecot
auth_mechanisms = %(mechanisms)s
passdb {
  driver = passwd-file
  mechanisms = plain login
  args = scheme=PLAIN %(root)s/users
}
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = %(root)s/oauth2.conf
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}
service auth {
  unix_listener %(root)s/queue/private/auth {
    mode = 0666
  }
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
'''

    NAMESPACE = '''
set -e
for part in bin lib sbin; do
  mount -t overlay overlay -o lowerdir=%(dovecot)s/usr/$part:/usr/$part /usr/$part
done
exec /usr/sbin/dovecot -F -c %(root)s/dovecot.conf
'''

    def __init__(self, work, certificates, mechanisms='plain login xoauth2 oauthbearer'):
        self.mechanisms = mechanisms
        self.introspection = work.own(Introspection())
        super().__init__(work, certificates)

    @classmethod
    def unavailable(cls):
        if not os.path.exists(os.path.join(harness.peers_directory(), 'dovecot', 'version')):
            return 'run tests/install-peers dovecot first'
        return super().unavailable()

    def prepare(self):
        super().prepare()
        with open(self.root + '/config/main.cf', 'a') as f:
            f.write('smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = private/auth\n'
                    + SIGNED_ONLY)
        values = {'root': self.root, 'mechanisms': self.mechanisms,
                  'dovecot': os.path.join(harness.peers_directory(), 'dovecot')}
        self.write('dovecot.conf', self.CONFIGURATION % values)
        self.write('users', '%s:%s\n' % (USER, PASSWORD))
        self.write('oauth2.conf', 'introspection_mode = post\nintrospection_url = %s\nusername_attribute = username\n'
                                  'active_attribute = active\nactive_value = true\n' % self.introspection.url)
        self.namespace = self.NAMESPACE % values
        os.makedirs(self.root + '/dovecot/state', exist_ok=True)

    def launch(self):
        self.dovecot = self.work.own(harness.Process(['unshare', '--mount', 'sh', '-c', self.namespace],
                                                     start_new_session=True))
        eventually(lambda: os.path.exists(self.root + '/queue/private/auth') or not self.dovecot.running(),
                   lambda: 'dovecot listens: %s %s' % (self.dovecot.tail(10), self.dovecot_log()), 30)
        return super().launch()

    def dovecot_log(self):
        try:
            with open(self.root + '/dovecot.log') as f:
                return ' | '.join(f.read().splitlines()[-8:])
        except OSError:
            return ''

    def log(self):
        return super().log() + self.dovecot_log()


class CyrusPostfix(Postfix):
    """Postfix that looks at passwords by Cyrus SASL, in a database of its own."""

    def __init__(self, work, certificates, mechanisms='plain login'):
        self.mechanisms = mechanisms
        super().__init__(work, certificates)

    @classmethod
    def unavailable(cls):
        if not os.path.exists(os.path.join(harness.peers_directory(), 'cyrus', 'version')):
            return 'run tests/install-peers cyrus first'
        return super().unavailable()

    def prepare(self):
        super().prepare()
        with open(self.root + '/config/main.cf', 'a') as f:
            f.write('smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = cyrus\nsmtpd_sasl_path = smtpd\n'
                    + SIGNED_ONLY)
        database = self.root + '/sasldb2'
        # Debian's looks there, whatever cyrus_sasl_config_path says.
        self.write('config/sasl/smtpd.conf', 'pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: %s\n'
                                             'mech_list: %s\nlog_level: 3\n' % (database, self.mechanisms.upper()))
        user, _, realm = USER.partition('@')
        subprocess.run([os.path.join(harness.peers_directory(), 'cyrus/usr/sbin/saslpasswd2'), '-p', '-c', '-f',
                        database, '-u', realm, user], input=PASSWORD, text=True, check=True, timeout=60)
        shutil.chown(database, 'postfix')


class Haraka(Server):
    """Haraka with its flat file of users. Mail of those who have signed in is outbound for it; a plugin of ours keeps
    all in files, and nothing leaves."""

    KEEP = '''
const fs = require('node:fs')
const keep = function (next, connection) {
    const out = fs.createWriteStream('%(root)s/mail/' + connection.transaction.uuid + '.part')
    out.once('close', () => {
        fs.renameSync(out.path, out.path.replace('.part', '.eml'))
        next(OK)
    })
    connection.transaction.message_stream.pipe(out)
}
exports.hook_queue = exports.hook_queue_outbound = keep
'''

    name = 'haraka'
    in_clear = True

    def __init__(self, work, certificates, mechanisms='plain login'):
        self.mechanisms = mechanisms
        super().__init__(work, certificates)

    def prepare(self):
        self.directory('mail')
        # It does not do without its own.
        shutil.copytree(self.peer + '/node_modules/Haraka/config', self.root + '/config')
        self.write('config/smtp.ini', 'listen=127.0.0.1:%d\nnodes=0\n' % self.port)
        self.write('config/plugins', 'tls\nauth/flat_file\nrcpt_to.in_host_list\nkeep\n')
        self.write('plugins/keep.js', self.KEEP % {'root': self.root})
        self.write('config/outbound.ini', 'disabled=true\n')
        self.write('config/host_list', 'example.com\n')
        self.write('config/me', 'haraka.example.org\n')
        self.write('config/auth_flat_file.ini', '[core]\nmethods=%s\nconstrain_sender=false\n[users]\n%s=%s\n'
                   % (','.join(self.mechanisms.upper().split()), USER, PASSWORD))
        self.write('config/tls.ini', 'key=%s\ncert=%s\n' % (self.certificates.server_key, self.certificates.server))
        for name, path in (('tls_key.pem', self.certificates.server_key), ('tls_cert.pem', self.certificates.server)):
            with open(path) as f:
                self.write('config/' + name, f.read(), 0o600)
        # It would look for primes of its own, minutes of a processor, and leave that behind where it ends before.
        subprocess.run(['openssl', 'genpkey', '-genparam', '-algorithm', 'DH', '-pkeyopt', 'group:ffdhe2048',
                        '-out', self.root + '/config/dhparams.pem'], check=True, capture_output=True)

    def launch(self):
        return harness.Process(['node', self.peer + '/node_modules/Haraka/bin/haraka', '-c', self.root],
                               start_new_session=True)

    def arrivals(self):
        found = []
        for path in glob.glob(self.root + '/mail/*.eml'):
            with open(path, 'rb') as f:
                text = f.read().replace(b'\r\n', b'\n')
            # It says there who has signed in.
            found.append(re.sub(rb'\AAuthentication-Results: .*\n(?:[ \t].*\n)*', b'', text, count=1))
        return found


def configuration(work, server, mechanism, secret):
    token = mechanism in ('xoauth2', 'oauthbearer')
    work.write('secret', secret + '\n')
    os.chmod(work.path('secret'), 0o600)
    destination = {'auth': {'mechanism': mechanism, 'user': USER}}
    if token:
        program = work.write('token', '#!/bin/sh\ncat %s\n' % work.path('secret'))
        os.chmod(program, 0o700)
        destination['oauth'] = {'command': [program]}
    else:
        destination['auth']['password_file'] = 'secret'
    return work.configuration([server.host], destination=destination,
                              tls={'mode': 'verify', 'ca_file': Certificates().path('ca.crt'),
                                   'server_name': 'mail.example.org'})


def signs_in(server_class, mechanism):
    def signs_in():
        with Workspace() as work:
            server = server_class(work, Certificates())
            secret = TOKEN if 'oauth' in mechanism else PASSWORD
            relay = work.relay(configuration(work, server, mechanism, secret))
            originals = {sequence: message(sequence) for sequence in range(1, 11)}
            for original in originals.values():
                smtplib_send(relay.address, original)
            check_arrivals(server, originals)
            equal(relay.count['mailbox_refused'], 0, 'refused')
            check(secret not in '\n'.join(relay.lines), 'the secret is told')
            relay.terminate()
    signs_in.__name__ = 'signs_in_by_' + mechanism
    return signs_in


def refused_and_mended(server_class, mechanism):
    def refused():
        """Nothing fails; the right secret lets it go. Of a token the reason comes first, as JSON behind 334."""
        with Workspace() as work:
            server = server_class(work, Certificates())
            token = 'oauth' in mechanism
            relay = work.relay(configuration(work, server, mechanism, 'not-a-good-one'))
            smtplib_send(relay.address, message(1))
            eventually(lambda: relay.count['mailbox_refused'], lambda: relay.tail() + server.log())
            event = relay.events('mailbox_refused')[0]
            equal((event['code'], event['mechanism']), (535, mechanism.upper()), 'event')
            if token:
                check(json.loads(event['challenge'])['status'] in ('401', 'invalid_token'), 'challenge: %s', event)
                check('not-a-good-one' in server.introspection.asked, 'the token was not looked at')
            equal(relay.count['failed'] + relay.count['expired'], 0, 'failed')
            if token:
                # Somebody has allowed it; the relay has no reason to fetch another one.
                server.introspection.good.add('not-a-good-one')
            else:
                content = configuration(work, server, mechanism, PASSWORD)
                work.write('postrider.yaml', json.dumps(content))
            subprocess.run([harness.program('postrider'), 'reload', '--config', work.path('postrider.yaml')],
                           check=True, timeout=120)
            check_arrivals(server, {1: message(1)})
            relay.terminate()
    refused.__name__ = 'refused_by_' + mechanism
    return refused


def not_offered(server_class):
    def not_offered():
        """A mechanism that is not offered is said before anything of the secret leaves; the mail waits."""
        with Workspace() as work:
            server = server_class(work, Certificates(), mechanisms='plain')
            relay = work.relay(configuration(work, server, 'login', PASSWORD))
            smtplib_send(relay.address, message(1))
            eventually(lambda: relay.events('setup_refused'), lambda: relay.tail() + server.log())
            equal(relay.events('setup_refused')[0]['reason'], 'credentials', 'reason')
            check('authentication failed' not in server.log(), 'somebody has tried: %s', server.log())
            relay.terminate()
    return not_offered
