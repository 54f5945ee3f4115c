#!/usr/bin/python3
"""tests/e2e/test_import.py - postrider import: what it makes of Postfix's files and of IIS' metabase.

What is written is what check accepts; what cannot be taken over is in the list with its place; passwords are in files
of their own and nowhere else; nothing is overwritten, and nothing outside of the directory is read.
"""

import json
import os
import stat
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Certificates, Workspace, case, check, equal, program  # noqa: E402

MASTER = 'smtp inet n - y - - smtpd\nsmtp unix - - y - - smtp\nrelay unix - - y - - smtp\n'


def run(work, *arguments, code=0, directory='made'):
    """The configuration and the list, and what was said; for another code only what was said."""
    made = work.path(directory)
    os.makedirs(made, exist_ok=True)
    done = subprocess.run([program('postrider'), 'import', *arguments, '--directory', made], capture_output=True,
                          text=True, timeout=60, stdin=subprocess.DEVNULL)
    said = done.stdout + done.stderr
    equal(done.returncode, code, 'exit status (%s)' % said)
    check([name for name in os.listdir(made) if name.startswith('.import')] == [], 'what was begun is left there')
    if code != 0:
        return said
    with open(os.path.join(made, 'postrider.yaml')) as f, open(os.path.join(made, 'import-notes.txt')) as g:
        text, notes = f.read(), g.read()
    checked = subprocess.run([program('postrider'), 'check', '--config', os.path.join(made, 'postrider.yaml')],
                             capture_output=True, text=True, timeout=60)
    equal(checked.returncode, 0, 'check: %s\n%s' % (checked.stderr, text))
    return text, notes, said


def postfix(work, main, master=MASTER, tables=(), **options):
    """Each test has a directory of its own."""
    for name, content in (('main.cf', main), ('master.cf', master), *dict(tables).items()):
        work.write('postfix/' + name, content)
    return run(work, 'postfix', work.path('postfix'), **options)


def has(text, *parts):
    for part in parts:
        check(part in ' '.join(text.split()), 'no %s in:\n%s', part, text)


@case
def a_smart_host_with_a_password():
    with Workspace() as work:
        text, notes, said = postfix(
            work, 'myhostname = relay.example.org\nmyorigin = $mydomain\nmydestination =\n'
            'mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128\n # more\n  10.20.0.0/16, !10.20.9.0/24\n'
            'relayhost = [smtp.example.net]:submission\nsmtp_tls_security_level = encrypt\n'
            'smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd\n'
            'message_size_limit = 36700160\nmaximal_queue_lifetime = 2\ndelay_warning_time = 4\n'
            'default_destination_rate_delay = 2s\nsmtpd_milters = inet:localhost:8891\n',
            tables={'sasl_passwd': '[smtp.example.net]:587 scan@example.org:pa:ss "w\\rd\n'})
        has(text, 'hostname: "relay.example.org"', 'hosts: ["smtp.example.net:587"] tls: mode: verify',
            '{ user: "scan@example.org", password_file: "scan-example.org.password" }', '- "10.20.0.0/16"',
            'default_domain: "example.org"', 'message_size_max: 35MiB', 'messages_per_minute: 30',
            'retry: { expire: 2d }', 'delay_after: 4h', '- { destination: smtp.example.net-submission }')
        has(notes, 'main.cf:4 mynetworks', '!10.20.9.0/24 cannot be taken out', 'main.cf:15 smtpd_milters',
            'A password is only given to a host whose certificate verifies')
        path = work.path('made/scan-example.org.password')
        with open(path) as f:
            equal(f.read(), 'pa:ss "w\\rd', 'password')
        check(stat.S_IMODE(os.stat(path).st_mode) & 0o137 == 0, 'mode of a password')
        for where in (text, notes, said):
            check('pa:ss' not in where, 'the password is in %s', where)


@case
def the_list_as_json():
    """The same list, whatever stands in the file; and nothing but JSON."""
    with Workspace() as work:
        work.write('postfix/main.cf', b'myhostname = relay.example.org\nrelayhost = [smtp.example.com]\n'
                                      b'smtpd_client_restrictions = \xff\xe4, reject\n')
        work.write('postfix/master.cf', MASTER)
        os.mkdir(work.path('made'))
        done = subprocess.run([program('postrider'), 'import', 'postfix', work.path('postfix'), '--json', '--directory',
                               work.path('made')], capture_output=True, timeout=60)
        equal((done.returncode, done.stderr), (0, b''), 'it is taken over')
        answer = json.loads(done.stdout.decode('ascii'))
        with open(work.path('made', 'import-notes.txt'), errors='replace') as f:
            notes = ' '.join(f.read().split())
        check(len(answer['notes']) > 0, 'no notes: %s', answer)
        for note in answer['notes']:
            equal(sorted(note), ['here', 'place', 'there', 'what'], 'a note')
            has(notes, ' '.join(note['here'].split()))
        equal((answer['from'], answer['directory'], answer['notes_left_out']),
              (work.path('postfix'), work.path('made'), 0), 'the rest')


@case
def what_is_there_stays():
    with Workspace() as work:
        work.write('made/postrider.yaml', 'mine')
        said = postfix(work, 'myhostname = relay.example.org\n', code=73)
        has(said, 'postrider.yaml is there already', '--force')
        equal(os.listdir(work.path('made')), ['postrider.yaml'], 'files')
        with open(work.path('made/postrider.yaml')) as f:
            equal(f.read(), 'mine', 'the file')
        equal(subprocess.run([program('postrider'), 'import', 'postfix', work.path('postfix'), '--force', '--directory',
                              work.path('made')], capture_output=True, timeout=60).returncode, 0, 'with --force')
        with open(work.path('made/postrider.yaml')) as f:
            check('relay.example.org' in f.read(), 'nothing was replaced')
        has(run(work, 'postfix', work.path('postfix'), directory='no/such/../dir', code=0)[0], 'hostname')
        done = subprocess.run([program('postrider'), 'import', 'postfix', work.path('postfix'), '--directory',
                               work.path('nowhere')], capture_output=True, text=True, timeout=60)
        equal((done.returncode, 'nothing can be written to' in done.stderr), (73, True), done.stderr)


@case
def a_smart_host_without_brackets():
    """Where the host itself is meant as a rule; and a name without a domain, as new machines have."""
    with Workspace() as work:
        text, notes, _ = postfix(
            work, 'myhostname = mail\nrelayhost = smtp.example.net:587\ninet_interfaces = loopback-only\n'
            'mynetworks = hash:/etc/postfix/nets cidr:/etc/postfix/nets.cidr\nsmtp_tls_security_level = encrypt\n'
            'smtp_tls_wrappermode = yes\nsmtp_sasl_auth_enable = yes\n'
            'smtp_sasl_password_maps = lmdb:/etc/postfix/sasl\n'
            'smtpd_recipient_restrictions = permit_mynetworks, reject_rbl_client rbl.example\n',
            tables={'nets': '10.1.0.0/16 OK\n10.2.0.5 OK\n',
                    'nets.cidr': '10.3.0.0/16 permit\n10.4.0.0/16 REJECT\n',
                    'sasl': 'smtp.example.net user@example.net:token\n'})
        has(text, 'mx_of: "smtp.example.net:587" tls: mode: verify implicit: true mailboxes:',
            'networks: - "10.1.0.0/16" - "10.2.0.5" - "10.3.0.0/16"', 'address: "127.0.0.1:25"')
        check('hostname: "mail.localdomain"' in text or 'hostname:' not in text, text)
        check('default_domain' not in text, text)
        has(notes, 'main.cf:2 relayhost', 'hosts: ["smtp.example.net:587"]', 'nets.cidr:2 10.4.0.0/16 REJECT',
            'reject_rbl_client rbl.example is not needed')


@case
def senders_and_places():
    with Workspace() as work:
        text, notes, _ = postfix(
            work, 'myhostname = relay.example.org\nmydestination = localhost\nrelayhost =\n'
            'smtp_sasl_auth_enable = yes\nsmtp_sender_dependent_authentication = yes\n'
            'smtp_sasl_password_maps = texthash:/etc/postfix/passwords\n'
            'sender_dependent_relayhost_maps = texthash:/etc/postfix/relayhosts\n'
            'transport_maps = texthash:/etc/postfix/transport\nsmtp_generic_maps = texthash:/etc/postfix/generic\n'
            'smtp_tls_policy_maps = texthash:/etc/postfix/policy\nalways_bcc = copy@example.org\n'
            'masquerade_domains = example.org\nslow_destination_concurrency_limit = 3\n',
            MASTER + 'slow unix - - n - 2 smtp\n  -o smtp_bind_address=192.0.2.7 -o smtp_helo_name=out.example.org\n',
            {'passwords': 'a@one.example a:1\n@two.example b:2\n[smtp.one.example]:587 c:3\n',
             'relayhosts': '@one.example [smtp.one.example]:587\na@two.example [10.9.9.9]\n',
             'transport': 'x.example slow:[192.0.2.9]:2525\n.x.example error:5.7.1 not here\ny.example maildrop:\n'
                          'z.example :\n/x/ smtp:\n',
             'generic': 'root it@example.org\n@host.lan @example.org\nbob@host.lan robert@example.org\nbad b@d@x\n',
             'policy': 'bank.example verify match=mx.bank.example\n.bank.example encrypt\n'})
        has(text, 'map: - { from: "bob@host.lan", to: "robert@example.org" } - { from: "root@relay.example.org", to: '
            '"it@example.org" } - { from: "*@host.lan", to: "*@example.org" } - { from: "*@*.example.org", to: '
            '"*@example.org" }', 'archive: "copy@example.org"',
            'source_addresses: [{ address: "192.0.2.7", hostname: "out.example.org" }]',
            '{ user: "a", password_file: "a.password", senders: ["a@one.example"] }',
            '{ user: "c", password_file: "c.password", senders: ["*", "<>"] } sender: match',
            'limits: { connections: 2', '- { recipient: "*@x.example", destination: slow-192.0.2.9-2525 }',
            '- { recipient: "*@*.x.example", refuse: "not here" }', '- { sender: "*@one.example", destination:',
            '- name: direct-bank.example mx: true tls: mode: verify',
            '- { recipient: "*@*.bank.example", destination:', '- { recipient: "*@localhost", refuse:',
            '- { recipient: "*@z.example", destination: direct }', '- { destination: direct }')
        has(notes, 'mx.bank.example there: The name in the certificates',
            'transport:3 y.example maildrop:', 'transport:5 /x/ smtp:', 'generic:4 bad b@d@x',
            'Signing in at a host that is only a number')


@case
def tables_that_cannot_be_read():
    with Workspace() as work:
        work.write('outside', 'a.example smtp:[10.0.0.1]\n')
        os.makedirs(work.path('postfix'))
        os.symlink(work.path('outside'), work.path('postfix/link'))
        os.mkfifo(work.path('postfix/pipe'))
        os.mkdir(work.path('postfix/folder'))
        with open(work.path('postfix/large'), 'wb') as f:
            f.truncate(33 * 1024 * 1024)
        text, notes, _ = postfix(
            work, 'myhostname = relay.example.org\ntransport_maps = mysql:/etc/postfix/sql.cf, proxy:ldap:x\n hash:%s\n'
            ' hash:/etc/postfix/link hash:/etc/postfix/pipe hash:/etc/postfix/folder hash:/etc/postfix/large\n'
            ' hash:/etc/postfix/missing hash:/etc/postfix/../outside lmdb:/etc/postfix/binary\n' % work.path('outside'),
            tables={'binary': b'\0\1\2', 'sql.cf': 'password = secret\n'})
        check('a.example' not in text and 'secret' not in text + notes, 'what lies outside was read')
        has(notes, 'mysql:/etc/postfix/sql.cf cannot be read here', 'ldap:x cannot be read here',
            '/link was taken over: it lies outside of the directory', '/pipe was taken over: it is no regular file',
            '/folder was taken over: it is no regular file', '/large was taken over: it has more than 32 MiB',
            '/missing was taken over: No such file', '../outside was taken over: it lies outside',
            '/binary was taken over: there is an octet that no text file has (line 1)')


@case
def what_is_no_postfix():
    with Workspace() as work:
        for name, main, words in (('binary', b'a = \0b\n', 'main.cf:1: an octet that no text file has'),
                                  ('words', 'a = b\nwhat is this\n', 'main.cf:2: this is no line as in'),
                                  ('many', ''.join('a%d = b\n' % i for i in range(20000)), 'there are more of them')):
            has(postfix(work, main, code=65), words)
            check(os.listdir(work.path('made')) == [], '%s: something was written', name)
        has(postfix(work, 'a = b\n', master='smtp inet n\n', code=65), 'master.cf:1: this is no line of master.cf')
        has(run(work, 'postfix', work.path('nowhere'), code=65), 'main.cf: No such file or directory')
        for arguments in ((), ('postfix',), ('exim', '/etc/exim4'), ('postfix', 'a', 'b'), ('postfix', '--what', 'a')):
            check('usage: postrider import' in run(work, *arguments, code=64), 'usage for %s', arguments)


@case
def values_that_grow_and_hostile_text():
    with Workspace() as work:
        grows = 'a0 = 0123456789\n' + ''.join('a%d = $a%d$a%d$a%d\n' % (i, i - 1, i - 1, i - 1) for i in range(1, 19))
        text, notes, _ = postfix(
            work, grows + 'myhostname = relay.example.org\nrelayhost = $a18\nmyorigin = "], x: [\n'
            'always_bcc = a"b@example.org\nmynetworks = 0.0.0.0/0 ::/0 10.0.0.1/8 \x1b[31m\n'.replace('\x1b', '') +
            'smtpd_client_restrictions = \xe4\xf6, reject\n')
        has(notes, 'its value becomes longer than 64 KiB', '0.0.0.0/0 is left out: it would make an open relay',
            '"10.0.0.1/8" is none here', 'letters beyond ASCII')
        has(text, 'networks: - 127.0.0.0/8', 'mx: true')


@case
def tls_for_clients():
    with Workspace() as work:
        certificates = Certificates()
        main = ('myhostname = relay.example.org\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file = %s\n'
                'smtpd_tls_key_file = %s\nsmtpd_tls_protocols = >=TLSv1\n')
        master = (MASTER + '587 inet n - y - - smtpd -o smtpd_tls_security_level=encrypt\n'
                  '  -o smtpd_sasl_auth_enable=yes -o smtpd_client_restrictions=permit_sasl_authenticated,reject\n'
                  'smtps inet n - y - - smtpd -o smtpd_tls_wrappermode=yes\n127.0.0.1:10025 inet n - n - - smtpd\n')
        text, notes, _ = postfix(work, main % (certificates.server, certificates.server_key), master)
        has(text, '{ name: port-25, address: "0.0.0.0:25", tls: offered }',
            '{ name: port-587, address: "0.0.0.0:587", tls: required }',
            '{ name: port-465, address: "0.0.0.0:465", tls: implicit }',
            '{ name: port-10025, address: "127.0.0.1:10025", tls: offered }', 'private_key: ')
        has(notes, 'master.cf:4 587', '`auth: required`', 'min_version: 1.1')
        text, notes, _ = postfix(work, main % ('/no/such.pem', '/no/such.key'), master, directory='again')
        has(text, '{ name: port-25, address: "0.0.0.0:25" }')
        check('587' not in text and '465' not in text, 'ports that are only for TLS: %s', text)
        has(notes, '/no/such.pem is not there', 'A port that is only for TLS')


@case
def passwords_that_stand_in_main_cf():
    """They are in no list, whatever they are called, and of a table that is not read people are told."""
    with Workspace() as work:
        for number, main in enumerate((
                'smtp_sasl_password_maps = inline:{ [smtp.example.net]:587=scan:hush1, x = y:hush2 }\n',
                'smtp_sasl_password_maps = $maps\nmaps = inline:{{smtp.example.net = scan:hush1}}\n',
                'smtp_sasl_password_maps = regexp:/etc/postfix/sasl\n',
                'smtp_sasl_password_maps = hush1:hush2, unionmap:{static:scan:hush1}\n',
                'smtp_sasl_auth_enable = no\nsmtp_sasl_password_maps = static:$mine\nmine = scan:hush1\n',
                'corp_bind_pw = hush1\nvirtual_alias_maps = ldap:corp\n')):
            text, notes, said = postfix(
                work, 'myhostname = relay.example.org\nrelayhost = [smtp.example.net]:587\n'
                'smtp_sasl_auth_enable = yes\n' + main, tables={'sasl': '/.*/ scan:hush1\n'},
                directory='made-%d' % number)
            for where in (text, notes, said):
                check('hush' not in where, 'a password is told: %s', where)
            has(notes, *(['password_maps', 'Nothing of sasl was taken over'] if 'regexp' in main else
                         ['password_maps'] if number < 4 else ['= ...']))


@case
def lists_of_networks_without_end():
    """Files that name themselves, or each other."""
    with Workspace() as work:
        text, notes, _ = postfix(
            work, 'myhostname = relay.example.org\nmynetworks = /etc/postfix/nets cidr:/etc/postfix/more 0:0::0/0\n',
            tables={'nets': '10.1.0.0/16\n/etc/postfix/nets /etc/postfix/nets cidr:/etc/postfix/more\n10.2.0.0/16\n',
                    'more': 'cidr:/etc/postfix/more OK\n/etc/postfix/nets OK\n10.3.0.0/16 OK\n'})
        has(text, 'networks: - "10.1.0.0/16" - "10.2.0.0/16" - "10.3.0.0/16"')
        has(notes, 'another file names', 'Everybody might relay')
        check('0/0' not in text, 'an open relay: %s', text)


# As Debian's package has it after its questions were answered: the machine's own name is there twice.
DEBIAN = '''smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no
append_dot_mydomain = no
readme_directory = no
compatibility_level = 3.6
smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem
smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key
smtpd_tls_security_level=may
smtp_tls_CApath=/etc/ssl/certs
smtp_tls_security_level=may
smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
myhostname = host.example.org
alias_maps = hash:/etc/aliases
alias_database = hash:/etc/aliases
myorigin = /etc/mailname
mydestination = $myhostname, host.example.org, localhost.example.org, , localhost
relayhost =
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
mailbox_size_limit = 0
recipient_delimiter = +
inet_interfaces = all
inet_protocols = all
'''


@case
def as_debian_has_it():
    with Workspace() as work:
        text, notes, _ = postfix(work, DEBIAN + 'transport_maps = texthash:/etc/postfix/transport\n',
                                 tables={'transport': 'localhost smtp:[192.0.2.1]\nLocalhost smtp:[192.0.2.2]\n'})
        equal(text.count('"*@host.example.org"'), 1, 'routes of the machine itself')
        has(text, 'hostname: "host.example.org"', '- { recipient: "*@localhost", destination: 192.0.2.1 }',
            'networks: - "127.0.0.0/8" - "::1/128"', '- { destination: direct }', 'mode: opportunistic')
        check('192.0.2.2 }' not in text and 'refuse: "mail for this domain' in text, text)
        has(notes, 'alias_maps', 'mydestination', 'myorigin')


@case
def hosts_that_are_only_numbers():
    """None of them can prove a name, whichever of several it is, and nobody signs in there."""
    with Workspace() as work:
        for number, (main, mode) in enumerate((
                ('relayhost = [10.9.9.9]\nsmtp_tls_security_level = secure\n', 'required'),
                ('relayhost = [10.9.9.9]\nsmtp_tls_security_level = dane-only\n', 'required'),
                ('relayhost = [ipv6:2001:db8::1]:587\nsmtp_tls_security_level = may\n', 'opportunistic'),
                ('relayhost = [a.example], [10.1.1.1]\nsmtp_tls_security_level = encrypt\n', 'required'),
                ('relayhost = [a.example], [10.1.1.1]\nsmtp_tls_security_level = verify\n', 'required'))):
            password = 'a.example' in main or '2001' in main
            text, notes, _ = postfix(
                work, 'myhostname = relay.example.org\nsmtp_sasl_password_maps = static:scan:hush\n' + main +
                'smtp_sasl_auth_enable = %s\n' % ('yes' if password else 'no'), directory='made-%d' % number)
            has(text, 'tls: mode: ' + mode)
            check('mailboxes' not in text, 'somebody signs in: %s', text)
            if password:
                has(notes, 'Signing in at a host that is only a number')
            if mode == 'required' and 'encrypt' not in main:
                has(notes, 'had to prove who it is')


@case
def addresses_that_are_named_twice():
    with Workspace() as work:
        text, _, _ = postfix(
            work, 'myhostname = relay.example.org\ninet_interfaces = localhost, 127.0.0.1, 127.0.0.2, 127.0.0.3\n')
        has(text, 'listeners: - { name: port-25, address: "127.0.0.1:25" } '
            '- { name: port-25-at-127.0.0.2, address: "127.0.0.2:25" } '
            '- { name: port-25-at-127.0.0.3, address: "127.0.0.3:25" } clients:')


@case
def domains_of_the_machine_itself():
    """As Postfix has them where main.cf says nothing."""
    with Workspace() as work:
        text, notes, _ = postfix(work, 'myhostname = relay.example.org\nrelayhost = [smtp.example.net]\n')
        for domain in ('relay.example.org', 'localhost.example.org', 'localhost'):
            has(text, '- { recipient: "*@%s", refuse:' % domain)
        has(notes, 'mydestination (its default)')


@case
def many_passwords():
    """More than one destination has are told, and so are more addresses than from.map has."""
    with Workspace() as work:
        text, notes, _ = postfix(
            work, 'myhostname = relay.example.org\nrelayhost = [smtp.example.net]\nsmtp_sasl_auth_enable = yes\n'
            'smtp_sender_dependent_authentication = yes\n'
            'smtp_sasl_password_maps = texthash:/etc/postfix/passwords\nmasquerade_domains = %s\n' %
            ' '.join('d%d.example' % n for n in range(1001)),
            tables={'passwords': ''.join('u%d@one.example u%d:x\n' % (n, n) for n in range(20000))})
        has(text, 'user: "u4095"', 'from: "*@*.d999.example"')
        check('u4096' not in text and 'd1000.example' not in text, 'there is room for more')
        has(notes, 'More passwords than a destination has', 'More addresses than from.map has',
            '4096 were taken over for smtp.example.net, in their order, and 15904 were not, from passwords:4097 on: '
            'mail of their senders waits there')
        secrets = [name for name in os.listdir(work.path('made')) if name.endswith('.password')]
        equal(len(secrets), 4096, 'files of passwords')
        check(all(name[:-len('.password')] + '.password"' in text for name in secrets), 'one is named by nothing')


@case
def names_that_come_to_the_same():
    """Each next hop is a destination of its own, however it is written."""
    with Workspace() as work:
        text, _, _ = postfix(
            work, 'myhostname = relay.example.org\ntransport_maps = texthash:/etc/postfix/transport\n',
            tables={'transport': 'a.example smtp:[mail.example.net]:587\nb.example smtp:mail.example.net:587\n'
                                 'c.example smtp:[mail.example.net]:587\n'})
        has(text, 'hosts: ["mail.example.net:587"]', 'mx_of: "mail.example.net:587"',
            '- { recipient: "*@a.example", destination: mail.example.net-587 }',
            '- { recipient: "*@b.example", destination: mail.example.net-587-2 }',
            '- { recipient: "*@c.example", destination: mail.example.net-587 }')
        domains = ''.join('<IIsSmtpDomain Location ="/LM/SmtpSvc/1/Domain/%s" RouteAction="2" RouteActionString='
                          '"[192.0.2.%d]"/>' % (name, number) for number, name in enumerate(
                              ('example.net', '*.example.net', 'smart-host'), 1))
        text, notes, _ = run(work, 'iis-smtp', work.write('m.xml', (METABASE % LIST).replace(
            '</MBProperty>', domains + '</MBProperty>')), directory='iis')
        has(text, '- { recipient: "*@example.net", destination: example.net }',
            '- { recipient: "*@*.example.net", destination: example.net-2 }', '- { destination: smart-host }')


@case
def more_than_there_can_be():
    """What is left out is told, and all other mail still has its way."""
    with Workspace() as work:
        text, notes, _ = postfix(
            work, 'myhostname = relay.example.org\nrelayhost = [last.example.net]\n'
            'transport_maps = texthash:/etc/postfix/transport\ndefault_destination_concurrency_limit = 10000000\n'
            'maximal_queue_lifetime = 0\nminimal_backoff_time = 1d\ndelay_warning_time = 5000h\n',
            tables={'transport': ''.join('d%d.example smtp:[h%d.example]\n' % (n, n) for n in range(300))})
        has(text, '- { destination: last.example.net }', 'recipient: "*@d254.example"')
        check('d255.example' not in text, 'there is room for more')
        has(notes, 'There are more than', 'retry.first')
        domains = ''.join('<IIsSmtpDomain Location ="/LM/SmtpSvc/1/Domain/d%d.example" RouteAction="6"/>' % n
                          for n in range(300))
        text, notes, _ = run(work, 'iis-smtp', work.write('m.xml', (METABASE % LIST).replace(
            '</MBProperty>', domains + '</MBProperty>').replace('2880', '10')), directory='iis')
        has(text, '- { destination: smart-host }')
        has(notes, 'There are more than', '/Domain/d290.example', 'retry.first')


@case
def from_where_one_stands():
    """A directory that is named from here is meant from here; a link that leads nowhere is there, too."""
    with Workspace() as work:
        certificates = Certificates()
        for name, content in (('main.cf', 'myhostname = relay.example.org\nsmtpd_tls_security_level = may\n'
                               'smtpd_tls_cert_file = /etc/postfix/it.pem\n'
                               'smtpd_tls_key_file = /etc/postfix/it.key\nvirtual_alias_maps = hash:\x9b31m\xc2\x9b\n'),
                              ('master.cf', MASTER)):
            work.write('postfix/' + name, content)
        os.symlink(certificates.server, work.path('postfix/it.pem'))
        os.symlink(certificates.server_key, work.path('postfix/it.key'))
        os.makedirs(work.path('made'))
        os.symlink('nowhere', work.path('made/import-notes.txt'))
        order = [program('postrider'), 'import', 'postfix', 'postfix/', '--directory', 'made']
        done = subprocess.run(order, cwd=work.path(''), capture_output=True, timeout=60)
        equal((done.returncode, b'import-notes.txt is there already' in done.stderr), (73, True), done.stderr)
        equal(os.listdir(work.path('made')), ['import-notes.txt'], 'something was written')
        os.unlink(work.path('made/import-notes.txt'))
        done = subprocess.run(order, cwd=work.path(''), capture_output=True, timeout=60)
        equal(done.returncode, 0, done.stderr)
        check(b'\x9b' not in done.stdout, 'terminals are told to: %s', done.stdout)
        with open(work.path('made/postrider.yaml')) as f:
            has(f.read(), 'certificate: "/')


METABASE = '''<?xml version ="1.0"?>
<configuration xmlns="urn:microsoft-catalog:XML_Metabase_V64_0"><MBProperty>
<IIsSmtpService Location ="/LM/SmtpSvc"
  FullyQualifiedDomainName="web01.example.org" MaxMessageSize="2097152" SmtpRemoteProgressiveRetry="15,30,60,240"
  SmtpRemoteNDRExpireMinutes="2880" PickupDirectory="C:\\inetpub\\mailroot\\Pickup" MaxBatchedMessages="20"/>
<IIsSmtpServer Location ="/LM/SmtpSvc/1" RelayIpList="%s" ServerBindings=":25:
    10.1.2.3:2525:" SmartHost="smtp.example.net" RemoteSmtpPort="587" RouteAction="268"
  RouteUserName="relay@example.org"
  RoutePassword="6c6f6f6b"><Custom Name="AuthFlags" ID="6000" Value="AuthBasic | AuthAnonymous"/></IIsSmtpServer>
<IIsSmtpDomain Location ="/LM/SmtpSvc/1/Domain/web01.example.org" RouteAction="64"/>
<IIsSmtpDomain Location ="/LM/SmtpSvc/1/Domain/*.partner.example" RouteAction="6" RouteActionString="[192.0.2.1]"/>
<IIsSmtpServer Location ="/LM/SmtpSvc/2" SmartHost="[192.0.2.2]"/>
</MBProperty></configuration>
'''
# 127.0.0.1 and 10.20.3.14, as the dialogue of Windows has them.
LIST = ('18000080200000803c00008044000080010000004c0000000000000000000000010000000200000002000000030000000400000000000'
        '0004c00008000000000000000000000000000000000ffffffff7f0000010a14030e')


@case
def a_metabase():
    with Workspace() as work:
        file = work.write('MetaBase.xml', METABASE % LIST)
        text, notes, said = run(work, 'iis-smtp', file)
        has(text, 'hostname: "web01.example.org"', 'message_size_max: 2MiB', 'address: "10.1.2.3:2525"',
            'networks: - 127.0.0.0/8 - 127.0.0.1 - 10.20.3.14', 'hosts: ["smtp.example.net:587"] tls: mode: required',
            '- { recipient: "*@*.partner.example", destination: partner.example }',
            'retry: { first: 15m, max: 4h, expire: 2d }',
            '- { recipient: "*@web01.example.org", refuse:', 'messages_per_connection: 20')
        has(notes, 'MetaBase.xml:6 RouteUserName', 'encrypted for that machine', 'PickupDirectory', 'AuthFlags')
        check('6c6f6f6b' not in text + notes + said, 'the password is told')
        text, _, _ = run(work, 'iis-smtp', file, '--server', '2', directory='second')
        has(text, 'hosts: ["192.0.2.2:25"]', 'hostname: "web01.example.org"')
        for listed, words in (('', 'an open relay'), ('1800', 'It cannot be read')):
            work.write('MetaBase.xml', METABASE % listed)
            text, notes, _ = run(work, 'iis-smtp', file, directory='list-%s' % listed)
            has(text, 'networks: - 127.0.0.0/8')
            check('10.20.3.14' not in text, text)
            has(notes, words)
        work.write('MetaBase.xml', (METABASE % LIST).encode('utf-16'))
        check('UTF-16' not in run(work, 'iis-smtp', file, directory='wide')[1], 'UTF-16')


@case
def what_is_no_metabase():
    with Workspace() as work:
        bomb = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">%s]><a>&z;</a>' % ''.join(
            '<!ENTITY %s "%s">' % (chr(98 + i), '&%s;' % chr(97 + i) * 10) for i in range(25))
        for text, words in ((b'', 'line 1: no element found'), (b'\x7fELF\0', 'line 1: not well-formed'),
                            (bomb, 'line 1: it has a DOCTYPE'), ('<a/>', 'there is no IIsSmtpServer in it'),
                            ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', 'it has a DOCTYPE'),
                            ('<a>' * 200000, 'no element found'), ('<IIsSmtpServer/>', 'there is no IIsSmtpServer')):
            has(run(work, 'iis-smtp', work.write('x.xml', text), code=65), words)
        has(run(work, 'iis-smtp', work.path('missing.xml'), code=65), 'No such file')
        has(run(work, 'iis-smtp', work.path(''), code=65), 'it is no regular file')
        has(run(work, 'iis-smtp', work.write('x.xml', METABASE % LIST), '--server', '7', code=65),
            'it has no SMTP server of that number')


if __name__ == '__main__':
    harness.main(together=4)
