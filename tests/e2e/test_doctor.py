#!/usr/bin/python3
"""tests/e2e/test_doctor.py - postrider doctor and probe: each cause that people have met has its rung and its sentence.

A case makes a cause on loopback and wants the ladder to end at the right rung with the right advice, and with no rung
broken before it. They are those of public reports about relays that did not get their mail into Microsoft 365:

    nodemailer 1474, sentry self-hosted 294      the port is blocked on the way
    vaultwarden 1008                             port 465, where only 587 is; and IPv6 without a route
    rustdesk-server-pro 26                       TLS at once at a port that begins in clear
    MailCleaner 598                              hung up at EHLO: the relay's own certificate had ended
    fastapi-mail 205                             501 5.5.4: the name in EHLO
    docker-postfixrelay 35                       nobody signs in at smtp.office365.com (5.7.57)
    email-oauth2-proxy 193                       5.7.139: SMTP is switched off for the tenant
    MailKit 1733, 1126                           5.7.3: the role, which is not in force or of the wrong object
    sasl-xoauth2 43                              5.7.3: a token of the wrong user
    OfficeDocs-Exchange 2651, 1792               5.7.64: no connector fits address or certificate
    gophish 2900                                 5.2.252: sent as somebody else
    PSPasswordExpiryNotifications 3              sent as somebody else, by direct send
"""

import hashlib
import json
import os
import random
import smtplib
import socket
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import CLOSE, SILENCE, Certificates, NextHop, Workspace, case, check, equal, program, shorten  # noqa: E402
from office365 import REFUSALS, Office365  # noqa: E402


def run(*arguments, code=None, **options):
    ended = subprocess.run([program('postrider'), *arguments], capture_output=True, text=True, timeout=120, **options)
    check(code is None or ended.returncode == code, '%s ended with %s, not %s: %s%s', ' '.join(arguments),
          ended.returncode, code, ended.stdout, ended.stderr)
    return ended


def ladder(*arguments, code):
    """The one target's object; its rungs are also looked at for form."""
    lines = run(*arguments, '--json', code=code).stdout.splitlines()
    equal(len(lines), 1, 'targets')
    found = json.loads(lines[0])
    equal(found['ok'], code == 0, 'ok')
    broken = [rung for rung in found['rungs'] if rung['result'] == 'broken']
    equal(len(broken), 0 if code == 0 else 1, 'broken rungs')
    check(code == 0 or found['rungs'][-1] is broken[0], 'it went on behind a broken rung: %s', found)
    return found


def breaks(rung, words, *arguments):
    """It ends at this rung, with these words in what it says or advises."""
    last = ladder(*arguments, code=1)['rungs'][-1]
    equal(last['rung'], rung, 'the rung that broke (%s)' % shorten(last['text']))
    said = last['text'] + ' ' + last.get('advice', '')
    check(last.get('advice'), 'no advice for: %s', said)
    for word in words if isinstance(words, tuple) else (words,):
        check(word.lower() in said.lower(), '"%s" is not said; it said: %s', word, said)
    return last


class Raw:
    """Takes connections and has a function do the rest."""

    def __init__(self, serve, host='127.0.0.1', port=0):
        self.listener = socket.create_server((host, port))
        self.port, self.serve = self.listener.getsockname()[1], serve
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        try:
            self.serve(connection)
        except OSError:
            pass

    @property
    def host(self):
        return '127.0.0.1:%d' % self.port

    def stop(self):
        self.listener.close()


def configured(work, host, name='relay.yaml', **changes):
    certificates = Certificates()
    tls = {'mode': 'verify', 'ca_file': certificates.ca, 'server_name': certificates.server_name}
    tls.update(changes.pop('tls', {}))
    return work.write(name, json.dumps(work.configuration([host], tls=tls, **changes)))


def probe(host, *more):
    certificates = Certificates()
    return ('probe', host, '--ca-file', certificates.ca, '--server-name', certificates.server_name, *more)


@case
def a_whole_ladder_and_a_test_mail():
    with Workspace() as work:
        certificates = Certificates()
        office = work.own(Office365(certificates, way='connector', domains=['example.org']))
        file = configured(work, office.host, tls={'certificate': certificates.client,
                                                  'private_key': certificates.client_key})
        found = ladder('doctor', '--config', file, '--send', 'someone@example.com', '--from', 'scan@example.org',
                       code=0)
        equal([rung['rung'] for rung in found['rungs']],
              ['our certificate', 'our dates', 'our key usage', 'our names', 'port', 'greeting', 'EHLO', 'STARTTLS',
               'TLS', 'certificate', 'EHLO', 'MAIL FROM', 'RCPT TO', 'test mail'], 'rungs')
        equal(found['destination'], 'next-hop', 'destination')
        arrived = office.wait_arrivals(1)[0]
        equal((arrived.sender, arrived.recipients), ('scan@example.org', ['someone@example.com']), 'envelope')
        check(b'Subject: Test mail of postrider' in arrived.content, 'content')
        office.check_clean()
        # Without --send nothing is sent, and without --from no sender is named.
        ladder('doctor', '--config', file, 'next-hop', code=0)
        ladder('doctor', '--config', file, '--from', 'scan@example.org', code=0)
        equal(len(office.arrivals), 1, 'mails')
        text = run('doctor', '--config', file, code=0).stdout
        check('all is well' in text and '  ok     EHLO' in text, 'text: %s', text)
        check(all(len(line) <= 100 for line in text.split('\n')), 'a line is too long: %s', text)
        run('doctor', '--config', file, 'nowhere', code=64)
        run('doctor', '--config', file, '--send', 'a@b.example>\r\nRCPT TO:<c', code=64)
        run('doctor', '--config', work.write('bad.yaml', 'hostname: 1'), code=78)


@case
def names_and_ports():
    with Workspace() as work:
        breaks('name', 'spelled', 'probe', 'nowhere.invalid:587')
        port = harness.free_port()
        breaks('port', ('refused', 'takes no connections'), 'probe', '127.0.0.1:%d' % port)
        # The port that is wanted is closed, another one for mail is open.
        host = '127.%d.%d.%d' % tuple(random.randrange(2, 250) for _ in range(3))
        work.own(Raw(lambda connection: None, host, 2525))
        breaks('port', ('refused', '2525'), 'probe', '%s:%d' % (host, port))


@case
def ports_of_the_other_kind():
    """TLS at once where STARTTLS is wanted, and the other way round: the errors are "timeout" and "wrong version"."""
    with Workspace() as work:
        context = Certificates().server_context()

        def serve(connection):
            with context.wrap_socket(connection, server_side=True) as tls:
                tls.sendall(b'220 implicit.example.com\r\n')
                while tls.recv(1000):
                    tls.sendall(b'250 implicit.example.com\r\n')
        implicit = work.own(Raw(serve))
        breaks('greeting', ('implicit: true', 'first octet'), *probe(implicit.host, '--wait', '2'))
        ladder(*probe(implicit.host, '--implicit'), code=0)
        office = work.own(Office365(Certificates()))
        breaks('TLS', ('STARTTLS', 'leave out'), *probe(office.host, '--implicit'))


@case
def silence_and_hanging_up():
    with Workspace() as work:
        certificates = Certificates()

        def ends(stage, session, argument):
            return CLOSE if stage == 'EHLO' and session.encrypted else None
        hop = work.own(NextHop(tls=certificates.server_context(), script=ends))
        file = configured(work, hop.host, tls={'certificate': certificates.client,
                                               'private_key': certificates.client_key})
        breaks('EHLO', ("relay's own certificate",), 'doctor', '--config', file)
        hop = work.own(NextHop(script=lambda stage, session, argument: SILENCE if stage == 'connect' else None))
        breaks('greeting', ('says nothing', 'firewall'), *probe(hop.host, '--wait', '1'))
        hop = work.own(NextHop(script=lambda stage, session, argument: CLOSE if stage == 'connect' else None))
        breaks('greeting', 'hangs up', *probe(hop.host))
        hop = work.own(NextHop(script=lambda stage, session, argument: SILENCE if stage == 'EHLO' else None))
        breaks('EHLO', 'falls silent', *probe(hop.host, '--wait', '1'))
        for answer in (CLOSE, '521 no service', '554 no service'):
            hop = work.own(NextHop(script=lambda stage, session, argument, answer=answer:
                                   answer if stage == 'EHLO' else None))
            found = ladder('probe', hop.host, '--plain', code=0)
            equal([(rung['rung'], rung['result']) for rung in found['rungs'] if rung['rung'] == 'EHLO'],
                  [('EHLO', 'warning'), ('EHLO', 'ok')], 'HELO instead')
        other = work.own(Raw(lambda connection: connection.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n')))
        breaks('greeting', 'no reply of a mail server', *probe(other.host))


@case
def something_in_between():
    """A firewall that hides STARTTLS, and one that opens TLS with an authority of its own."""
    with Workspace() as work:
        masked = '250-mail.example.com\r\n250-SIZE 100000\r\n250 XXXXXXXA'
        hop = work.own(NextHop(script=lambda stage, session, argument: masked if stage == 'EHLO' else None))
        breaks('STARTTLS', ('inspect esmtp', 'switch that inspection off'), *probe(hop.host))
        hop = work.own(NextHop())
        breaks('STARTTLS', 'does not offer', *probe(hop.host))
        ladder('probe', hop.host, '--plain', code=0)
        key, certificate = work.path('f.key'), work.path('f.crt')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                        '-keyout', key, '-out', certificate, '-days', '30', '-subj', '/O=Fortinet/CN=mail.example.org',
                        '-addext', 'subjectAltName=DNS:mail.example.org'], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        hop = work.own(NextHop(tls=context))
        breaks('certificate', ('Fortinet', 'opens TLS'), *probe(hop.host))


@case
def certificates_of_the_host():
    with Workspace() as work:
        certificates = Certificates()

        def showing(name):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.path(name + '.crt'), certificates.path(name + '.key'))
            return work.own(NextHop(tls=context))
        breaks('certificate', ('ca_file', 'another test authority'), *probe(showing('other').host))
        breaks('certificate', ('ca_file', 'signs for itself'), *probe(showing('selfsigned').host))
        breaks('certificate', ('expired', 'clock'), *probe(showing('expired').host))
        breaks('certificate', ('name mismatch', 'localhost', 'server_name'), 'probe', showing('server').host,
               '--ca-file', certificates.ca, '--server-name', 'smtp.example.net')
        # An address is looked for in the certificate as one.
        ladder('probe', showing('server').host, '--ca-file', certificates.ca, code=0)


@case
def fingerprints_and_tls_where_it_can_be_had():
    """As the relay: a fingerprint is enough, and another one is not; without TLS opportunistic mail goes in clear,
    which is said."""
    with Workspace() as work:
        certificates = Certificates()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.selfsigned, certificates.selfsigned_key)
        hop, clear = work.own(NextHop(tls=context)), work.own(NextHop())
        with open(certificates.selfsigned) as file:
            right = 'sha256:' + hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest()

        def doctor(host, **tls):
            configuration = work.configuration([host], destination={'tls': tls})
            return 'doctor', '--config', work.write('relay.yaml', json.dumps(configuration))
        ladder(*doctor(hop.host, mode='verify', fingerprints=[right]), code=0)
        breaks('certificate', ('none of the configured fingerprints', right),
               *doctor(hop.host, mode='verify', fingerprints=['sha256:' + '0' * 64]))
        ladder(*doctor(hop.host, mode='opportunistic'), code=0)
        rungs = ladder(*doctor(clear.host, mode='opportunistic'), code=0)['rungs']
        said = [rung for rung in rungs if rung['rung'] == 'STARTTLS']
        check(said and said[0]['result'] == 'warning' and 'in clear' in said[0]['text'], 'not said: %s', rungs)
        check(not any(b'MAIL' in bytes(it.plain) for it in hop.sessions), 'in clear where TLS is there')


@case
def certificates_of_our_own():
    with Workspace() as work:
        certificates = Certificates()
        office = work.own(Office365(certificates, way='direct', domains=['example.com']))

        def with_own(name, host=office.host):
            return configured(work, host, tls={'certificate': certificates.path(name + '.crt'),
                                                      'private_key': certificates.path(name + '.key')})
        breaks('our dates', ('ended on 2021', 'replace'), 'doctor', '--config', with_own('expired'))
        found = ladder('doctor', '--config', with_own('server'), '--send', 'a@example.com', '--from', 'b@example.org',
                       code=0)
        usage = [rung for rung in found['rungs'] if rung['rung'] == 'our key usage'][0]
        equal(usage['result'], 'warning', 'serverAuth alone is no error')
        # A host that minds says so behind the handshake.
        strict = work.own(Office365(certificates, way='connector'))
        breaks('TLS', ('unsupported certificate', 'own certificate'), 'doctor', '--config',
               with_own('server', strict.host))
        check('5.7.64' in usage['advice'], 'advice: %s', usage)
        found = ladder('doctor', '--config', with_own('client'), '--from', 'b@contoso.com', code=0)
        names = [rung for rung in found['rungs'] if rung['rung'] == 'our names'][0]
        equal(names['result'], 'warning', 'a certificate of another domain')


# What Microsoft 365 and others refuse: (name in REFUSALS or (stage, reply), rung, words).
REFUSED = [
    ('busy', 'greeting', 'try again later'),
    (('connect', '554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org'), 'greeting',
     'block list'),
    ('old_tls', 'EHLO', 'TLS'),
    (('EHLO', '550 5.7.1 Bad HELO: need fully-qualified hostname'), 'EHLO', 'hostname'),
    (('EHLO', '501 5.5.4 Invalid domain name [AS4P189CA0060.EURP189.PROD.OUTLOOK.COM]'), 'EHLO', 'hostname'),
    ('server_busy', 'MAIL FROM', 'try again later'),
    ('not_authenticated', 'MAIL FROM', ('`auth`', 'connector')),
    (('MAIL', '550 5.7.606 Access denied, banned sending IP [192.0.2.9]'), 'MAIL FROM', 'address'),
    ('tenant_attribution', 'RCPT TO', ('connector', 'accepted domain')),
    ('direct_send', 'test mail', '5.7.68'),
    ('send_as', 'test mail', 'sender'),
    ('send_as_old', 'test mail', 'sender'),
    ('sent_items_full', 'test mail', 'Sent Items'),
    ('wrong_region', 'RCPT TO', 'MX'),
    ('quota', 'test mail', 'spent'),
    ('connections', 'test mail', 'fewer connections'),
]


@case
def refusals():
    with Workspace() as work:
        certificates = Certificates()
        for refusal, rung, words in REFUSED:
            stage, text = REFUSALS[refusal] if isinstance(refusal, str) else refusal

            def script(at, session, argument, stage=stage, text=text):
                return text.format(ip='127.0.0.1', mailbox='a', sender='b') if at == stage else None
            office = work.own(Office365(certificates, way='connector', domains=['example.org'],
                                        trusted_addresses=['127.0.0.1'], script=script))
            file = configured(work, office.host)
            last = breaks(rung, words, 'doctor', '--config', file, '--send', 'a@example.com', '--from',
                          'scan@example.org')
            check(text[:3] in last['text'], 'the reply is not in the text: %s', last)
            office.stop()


def signed_in(work, office, *passwords, mechanism='login'):
    """A configuration with a mailbox for each of these passwords."""
    mailboxes = []
    for number, password in enumerate(passwords):
        file = work.write('password-%d' % number, password + '\n')
        os.chmod(file, 0o600)
        mailboxes.append({'user': 'box%d@contoso.com' % number, 'password_file': file})
    return configured(work, office.host, destination={'auth': {'mechanism': mechanism}, 'mailboxes': mailboxes})


@case
def signing_in():
    with Workspace() as work:
        office = work.own(Office365(Certificates(), mailboxes=2))
        file = signed_in(work, office, 'secret', 'a-wrong-password')
        lines = run('doctor', '--config', file, '--send', 'you@example.com', '--json', code=1).stdout
        first, second = [json.loads(line) for line in lines.splitlines()]
        check(first['ok'] and not second['ok'], 'which is broken: %s', lines)
        equal([rung['text'] for rung in first['rungs'] if rung['rung'] == 'MAIL FROM'],
              ['<box0@contoso.com>: 250 2.1.0 Sender ok'], 'sender')
        equal(second['rungs'][-1]['rung'], 'AUTH', 'the rung that broke')
        check('wrong' in second['rungs'][-1]['advice'], 'advice: %s', second['rungs'][-1])
        check('a-wrong-password' not in lines and 'YS13cm9uZy1wYXNzd29yZA' not in lines, 'a secret is told: %s', lines)
        equal(office.arrivals[0].sender, 'box0@contoso.com', 'sender')
        office.check_clean()


@case
def refused_logins():
    """Each of Microsoft's reasons has its remedy; a server that repeats the secret does not get it printed."""
    with Workspace() as work:
        office = work.own(Office365(Certificates()))
        file = signed_in(work, office, 'secret')
        for refusal, words in (('tenant_disabled', 'tenant'), ('mailbox_disabled', 'Set-CASMailbox'),
                               ('basic_disabled', 'oauth'), ('basic_removed', 'oauth'), ('criteria', 'conditional'),
                               ('credentials', 'two hours'), ('auth_unavailable', 'try again later')):
            office.mailboxes['box0@contoso.com'].refused = refusal
            breaks('AUTH', words, 'doctor', '--config', file)
        office = work.own(Office365(Certificates(), mechanisms=['XOAUTH2']))
        breaks('AUTH', ('none of the mechanisms', 'mechanism'), 'doctor', '--config', signed_in(work, office, 'x'))
        office = work.own(Office365(Certificates(), script=lambda stage, session, argument:
                                    '535 5.7.8 No: long-secret-of-mine' if stage == 'AUTH' else None))
        office.mailboxes['box0@contoso.com'].password = 'long-secret-of-mine'
        last = breaks('AUTH', '5.7.8', 'doctor', '--config', signed_in(work, office, 'long-secret-of-mine'))
        check('long-secret-of-mine' not in str(last), 'the secret is told: %s', last)
        run('doctor', '--config', signed_in(work, office, ''), code=78)


@case
def what_is_usable_and_what_not():
    """The command lines of the manual page."""
    run('probe', code=64)
    run('probe', 'a.example:25', '--implicit', '--plain', code=64)
    run('probe', 'a.example:99999', code=64)
    run('probe', 'a.example', '--wait', '0', code=64)
    run('doctor', '--config', '/nonexistent', code=78)
    for command in ('probe', 'doctor'):
        check('usage' in run(command, '--help', code=0).stdout, 'no usage')
    check(smtplib.SMTP_PORT == 25, 'the default port')


if __name__ == '__main__':
    harness.main(together=4)
