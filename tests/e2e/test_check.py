#!/usr/bin/python3
"""tests/e2e/test_check.py - `postrider check` looks at what a configuration names: files for TLS, spool, disk, ports.

What `run` would refuse for good is an error (78), the rest is a warning (0), and each says what to do. Cases that need
another user, or a disk of a known size, get them in a mount namespace and so need root.
"""

import json
import os
import pwd
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Certificates, NextHop, Workspace, case, check, equal, program  # noqa: E402

SERVICE = 'postrider:x:61234:61234::/:/usr/sbin/nologin\n'


UNPRIVILEGED = ['setpriv', '--reuid', '61235', '--regid', '61235', '--clear-groups', '--inh-caps=-all',
                '--bounding-set=-all']


IN_MEMORY = 'is in memory, and all mail in it is gone'


def run_check(work, configuration, prefix=(), memory=False):
    """The exit status and the lines, without that of a spool in memory, as those of tests may be; `memory`: with it."""
    path = work.write('postrider.yaml', json.dumps(configuration))
    # Where others than root can reach it.
    binary = shutil.copy(program('postrider'), work.path('program')) if 'setpriv' in prefix else program('postrider')
    done = subprocess.run([*prefix, binary, 'check', '--config', path], capture_output=True, text=True, timeout=60)
    return done.returncode, [line for line in (done.stdout + done.stderr).splitlines()
                             if memory or IN_MEMORY not in line]


def expect(answer, code, *problems):
    """That exit status, and for each of `problems` (words) one line with them all, and no other lines."""
    equal(answer[0], code, 'exit status (%s)' % answer[1])
    for words in problems:
        found = [line for line in answer[1] if all(word in line for word in words)]
        equal(len(found), 1, 'lines with %s in %s' % (words, answer[1]))
        equal('warning: ' in found[0], code == 0 or 'warning: ' in words, 'warning: %s' % found)
    equal(len(answer[1]), len(problems), 'lines: %s' % answer[1])


def configuration(work, certificate=None, key=None, **changes):
    tls = {'mode': 'none'}
    if certificate:
        tls = {'mode': 'required', 'certificate': certificate, 'private_key': key}
    changes = dict({'spool': {}}, **changes)
    changes['spool'] = dict({'size_max': '64MiB', 'message_size_max': '1MiB', 'segment_size': '4MiB'},
                            **changes['spool'])
    return work.configuration(['mail.example.org:2525'], tls=tls, **changes)


def private_copy(work, source, name, mode=0o600):
    path = shutil.copyfile(source, work.path(name))
    os.chmod(path, mode)
    return path


def pair(work, certificates, name='client'):
    return (private_copy(work, certificates.path(name + '.crt'), 'relay.crt', 0o644),
            private_copy(work, certificates.path(name + '.key'), 'relay.key'))


def needs_root():
    if os.geteuid() != 0:
        return 'not root: nothing is tried'
    if subprocess.run(['unshare', '--mount', 'true'], capture_output=True).returncode != 0:
        return 'no mount namespaces here: nothing is tried'
    return None


def in_namespace(work, commands):
    """A prefix: the program runs where the service's user exists, behind these shell commands."""
    with open('/etc/passwd') as passwd, open('/etc/group') as group:
        work.write('passwd', passwd.read() + SERVICE)
        work.write('group', group.read() + 'postrider:x:61234:\n')
    script = 'set -e; cd "$1"; shift; mount --bind passwd /etc/passwd; mount --bind group /etc/group; %s; exec "$@"'
    return ['unshare', '--mount', 'sh', '-c', script % commands, 'sh', work.directory]


@case
def nothing_to_say():
    """And nothing is made."""
    certificates = Certificates()
    with Workspace() as work:
        expect(run_check(work, configuration(work, *pair(work, certificates))), 0)
        check(not os.path.exists(work.path('spool')), 'check has made the spool')


@case
def tls_files_of_every_destination():
    """Those that `run` refuses: all of them at once."""
    certificates = Certificates()
    with Workspace() as work:
        crt, _ = pair(work, certificates)
        other = private_copy(work, certificates.server_key, 'other.key')
        empty = work.write('empty.pem', '')
        wanted = configuration(work, crt, other)
        wanted['destinations'].append(dict(wanted['destinations'][0], name='second',
                                           tls={'mode': 'verify', 'ca_file': empty}))
        expect(run_check(work, wanted), 78, ['postrider.yaml: destination next-hop: ', 'other.key'],
               ['postrider.yaml: destination second: ', 'empty.pem', 'no usable PEM'])


def openssl(*arguments):
    subprocess.run(['openssl', *arguments], check=True, capture_output=True)


def certificate(work, name, subject, days, issuer=None, names=None):
    """A certificate for so many days; `issuer` is another one's name, or it signs itself."""
    key, crt, request = (work.path(name + ending) for ending in ('.key', '.crt', '.csr'))
    extensions = work.write('extensions', 'basicConstraints = CA:TRUE\n' +
                            ('subjectAltName = %s\n' % names if names else ''))
    openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key,
            '-out', request, '-subj', subject)
    signer = ['-CA', work.path(issuer + '.crt'), '-CAkey', work.path(issuer + '.key'), '-CAcreateserial'] if issuer \
        else ['-signkey', key]
    openssl('x509', '-req', '-in', request, '-out', crt, '-extfile', extensions, '-days', str(days), *signer)
    os.chmod(key, 0o600)
    return crt, key


def joined(work, name, *parts):
    """The files of a chain in one."""
    text = ''
    for part in parts:
        with open(part) as f:
            text += f.read()
    return work.write(name, text)


@case
def dates_of_certificates():
    certificates = Certificates()
    with Workspace() as work:
        wanted = configuration(work, *pair(work, certificates, 'expired'), hostname='mail.example.org')
        expect(run_check(work, wanted), 78,
               ['relay.crt: the certificate "CN=mail.example.org" expired on 2021-01-01', 'replace it'])
        for days, problems in ((40, []), (10, [['relay.crt: the certificate "CN=relay.example.org" ends in ',
                                                'replace it']])):
            wanted = configuration(work, *certificate(work, 'relay', '/CN=relay.example.org', days))
            # Two destinations with the same files: told once.
            wanted['destinations'].append(dict(wanted['destinations'][0], name='second'))
            expect(run_check(work, wanted), 0, *problems)


@case
def dates_of_the_whole_chain():
    """An authority in it that has ended, or will soon, is told by its name, and the relay's own certificate is not."""
    certificates = Certificates()
    with Workspace() as work:
        root, _ = certificate(work, 'root', '/CN=A root', 3000)
        middle, _ = certificate(work, 'middle', '/O=Example/CN=Issuing 7', 10, 'root')
        own, key = certificate(work, 'relay', '/CN=relay.example.org', 400, 'middle')
        soon = ['chain.crt: the intermediate certificate "O=Example, CN=Issuing 7" ends in ', 'get the chain anew']
        expect(run_check(work, configuration(work, joined(work, 'chain.crt', own, middle, root), key)), 0, soon)
        ended = ['chain.crt: the intermediate certificate "CN=mail.example.org" expired on 2021-01-01',
                 'get the chain anew']
        chain = joined(work, 'chain.crt', own, certificates.path('expired.crt'))
        expect(run_check(work, configuration(work, chain, key)), 78, ended)


@case
def dates_of_authorities():
    """Those that have ended do not matter while another one holds."""
    certificates = Certificates()
    with Workspace() as work:
        certificate(work, 'soon', '/CN=Ending', 10)
        wanted = configuration(work)
        for others, problems in (([], [['ca.crt: the last authority in it, "CN=Ending", ends in ', 'successor']]),
                                 ([certificates.path('ca.crt')], [])):
            joined(work, 'ca.crt', certificates.path('expired.crt'), work.path('soon.crt'), *others)
            wanted['destinations'][0]['tls'] = {'mode': 'verify', 'ca_file': work.path('ca.crt')}
            expect(run_check(work, wanted), 0, *problems)


@case
def names_of_certificates():
    """A next hop may know the relay by another name than that of its EHLO: a warning, with both."""
    with Workspace() as work:
        for subject, names, problems in (
                ('/CN=relay.example.org', None, []),
                ('/CN=other', 'DNS:x.example.org, DNS:relay.example.org', []),
                ('/CN=other', 'DNS:*.example.org', []),
                ('/CN=relay.example.org', 'DNS:x.example.org, DNS:*.example.net, IP:192.0.2.1',
                 [['relay.crt: the certificate "CN=relay.example.org" is for x.example.org, *.example.net, 192.0.2.1, '
                   'not for this relay\'s hostname relay.example.org: ', 'right if', '"hostname"']]),
                ('/O=Nobody', None, [['"O=Nobody" has no host name', 'hostname relay.example.org', 'right if']])):
            wanted = configuration(work, *certificate(work, 'relay', subject, 400, names=names))
            expect(run_check(work, wanted), 0, *problems)


@case
def a_private_key_for_everybody():
    certificates = Certificates()
    with Workspace() as work:
        crt, key = pair(work, certificates)
        os.chmod(key, 0o640)
        expect(run_check(work, configuration(work, crt, key)), 0)
        os.chmod(key, 0o644)
        expect(run_check(work, configuration(work, crt, key)), 0,
               ['private key', 'mode 644', 'run "chmod o= %s"' % key])
        # Another destination has it as its certificate, with which it is in one file.
        os.chmod(key, 0o640)
        with open(work.path('both.pem'), 'w') as both:
            both.write(''.join(open(path).read() for path in (crt, key)))
        os.chmod(both.name, 0o644)
        content = configuration(work, both.name, key)
        content['destinations'].append(dict(content['destinations'][0], name='second',
                                            tls={'mode': 'required', 'certificate': crt, 'private_key': both.name}))
        expect(run_check(work, content), 0, ['private key', 'mode 644', 'run "chmod o= %s"' % both.name])


@case
def files_the_service_may_not_read():
    """The file's mode, and a directory above it, also one that is reached over a link."""
    excuse = needs_root()
    if excuse:
        return excuse
    certificates = Certificates()
    with Workspace() as work:
        crt, key = pair(work, certificates)
        prefix = in_namespace(work, ':')
        os.makedirs(work.path('spool'))
        os.chown(work.path('spool'), 61234, 61234)
        expect(run_check(work, configuration(work, crt, key), prefix), 0,
               [key, 'user postrider may not read it', 'run "chgrp postrider %s && chmod g+r %s"' % (key, key)])
        os.chown(key, -1, 61234)
        os.chmod(key, 0o640)
        expect(run_check(work, configuration(work, crt, key), prefix), 0)
        os.makedirs(work.path('closed'), 0o700)
        os.rename(crt, work.path('closed', 'relay.crt'))
        enter = ['relay.crt: ', 'may not enter %s: ' % work.path('closed'), '/etc/postrider', 'chmod g+x']
        expect(run_check(work, configuration(work, work.path('closed', 'relay.crt'), key), prefix), 0, enter)
        os.symlink('closed/relay.crt', crt)
        expect(run_check(work, configuration(work, crt, key), prefix), 0, enter)
    return None


@case
def files_of_the_user_that_it_becomes():
    """`user:` counts, also for files that are no certificates; the spool is made for that user."""
    excuse = needs_root()
    if excuse:
        return excuse
    with Workspace() as work:
        prefix = in_namespace(work, ':')
        os.chmod(work.directory, 0o711)
        password = work.write('password', 'secret')
        os.chmod(password, 0o600)
        wanted = configuration(work, user='nobody',
                               destination={'auth': {'mechanism': 'login', 'user': 'a', 'password_file': password}})
        wanted['destinations'][0]['tls'] = {'mode': 'verify'}
        expect(run_check(work, wanted, prefix), 0, [password, 'user nobody may not read it'])
        os.chown(password, pwd.getpwnam('nobody').pw_uid, -1)
        expect(run_check(work, wanted, prefix), 0)
        expect(run_check(work, dict(wanted, user='nobody-of-all'), prefix), 78, ['there is no user nobody-of-all'])
    return None


@case
def a_spool_that_cannot_be_used():
    with Workspace() as work:
        work.write('spool', '')
        expect(run_check(work, configuration(work)), 0, ['spool.directory: ', '/spool is no directory'])
        wanted = configuration(work, spool={'directory': work.path('none', 'spool')})
        expect(run_check(work, wanted), 0, [work.path('none') + ' is no directory',
                                            'run "install -d -m 700 %s"' % work.path('none', 'spool')])


@case
def a_spool_of_another_user():
    """Also one whose directory is right, but what is in it is root's: somebody tried it as root."""
    excuse = needs_root()
    if excuse:
        return excuse
    with Workspace() as work:
        spool = work.path('spool')
        prefix = in_namespace(work, ':')
        expect(run_check(work, configuration(work), prefix), 0,
               [spool + ' does not exist', 'run "install -d -m 700 -o postrider -g postrider %s"' % spool])
        os.makedirs(work.path('spool', 'shard-000'))
        mend = 'run "chown -R postrider: %s && chmod 700 %s"' % (spool, spool)
        expect(run_check(work, configuration(work), prefix), 0, ['may not use %s: ' % spool, mend])
        os.chown(spool, 61234, 61234)
        expect(run_check(work, configuration(work), prefix), 0, ['may not use %s/shard-000: ' % spool, mend])
        os.chown(work.path('spool', 'shard-000'), 61234, 61234)
        expect(run_check(work, configuration(work), prefix), 0)
        read_only = in_namespace(work, 'mount --bind spool spool; mount -o remount,bind,ro spool')
        expect(run_check(work, configuration(work), read_only), 0, ['only be read'])
    return None


@case
def less_disk_than_the_spool_may_take():
    with Workspace() as work:
        expect(run_check(work, configuration(work, spool={'size_max': '1000TiB'})), 0,
               ['spool.size_max: 1024000GiB', 'free', 'make room, or write at most '])


@case
def a_spool_in_memory():
    excuse = needs_root()
    if excuse:
        return excuse
    with Workspace() as work:
        os.makedirs(work.path('spool'))
        prefix = in_namespace(work, 'mount -t tmpfs -o uid=61234,mode=700 tmpfs spool')
        expect(run_check(work, configuration(work), prefix, memory=True), 0,
               ['spool.directory: ' + work.path('spool'), IN_MEMORY, 'use a directory on a disk'])
    return None


@case
def what_the_spool_has_is_not_needed_again():
    excuse = needs_root()
    if excuse:
        return excuse
    with Workspace() as work:
        os.makedirs(work.path('spool'))
        prefix = in_namespace(work, 'mount -t tmpfs -o size=40m,uid=61234 tmpfs spool; '
                              'setpriv --reuid 61234 --clear-groups mkdir spool/shard-000; '
                              'head -c 24M /dev/zero >spool/shard-000/segment')
        expect(run_check(work, configuration(work, spool={'size_max': '36MiB'}), prefix), 0)
        expect(run_check(work, configuration(work, spool={'size_max': '44MiB'}), prefix), 0,
               ['44MiB, of which 24MiB are taken', 'only 16MiB free', 'at most 40MiB'])
        # Who cannot see what it has says nothing.
        prefix = in_namespace(work, 'mount -t tmpfs -o size=40m,uid=61234,mode=700 tmpfs spool') + UNPRIVILEGED
        expect(run_check(work, configuration(work, spool={'size_max': '44MiB'}), prefix), 0)
    return None


@case
def listeners_that_cannot_be_had():
    """In use, by whom; not this machine's: all at once. A relay that runs is not disturbed."""
    with Workspace() as work:
        hop = work.own(NextHop())
        wanted = configuration(work, listeners=[{'name': 'used', 'address': hop.host},
                                                {'name': 'far', 'address': '192.0.2.1:2525'},
                                                {'name': 'good', 'address': '127.0.0.1:0'}])
        used = ['listener "used": ', hop.host + ' is in use by ', '(pid %d)' % os.getpid(), 'another address']
        expect(run_check(work, wanted), 0, used,
               ['listener "far": ', '192.0.2.1:2525', 'Cannot assign requested address', 'ip address'])
        relay = work.relay(configuration(work))
        expect(run_check(work, configuration(work, listeners=[{'name': 'lan', 'address': '%s:%d' % relay.address}])), 0,
               ['%s:%d' % relay.address, 'postrider (pid %d)' % relay.pid, 'relay that runs'])
        check(relay.running(), 'the relay has ended')


@case
def a_privileged_port():
    """For a user without the capability it is a warning: the service has it."""
    excuse = needs_root()
    if excuse:
        return excuse
    with Workspace() as work:
        wanted = configuration(work, listeners=[{'name': 'lan', 'address': '127.0.0.1:25'}])
        os.chmod(work.directory, 0o777)
        # A network namespace: the port is free, and privileged as usual.
        prefix = ['unshare', '--net', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh', *UNPRIVILEGED]
        expect(run_check(work, wanted, prefix), 0,
               ['listener "lan": ', '127.0.0.1:25', 'CAP_NET_BIND_SERVICE', 'higher port'])
    return None


if __name__ == '__main__':
    harness.main()
