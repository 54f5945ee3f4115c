#!/usr/bin/python3
"""tests/e2e/test_container.py - where io_uring is refused, and the profile with which it is not."""

import importlib.machinery
import importlib.util
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import SOURCES, Workspace, case, check, equal, program  # noqa: E402

CONFINED = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'confined.py')]
DISABLED = '/proc/sys/kernel/io_uring_disabled'


def refused(work, prefix=()):
    """What a start says, and the exit status."""
    path = work.write('postrider.yaml', json.dumps(work.configuration(['127.0.0.1:9'])))
    done = subprocess.run([*prefix, program('postrider'), 'run', '--config', path], capture_output=True, text=True,
                          timeout=60)
    return done.returncode, done.stderr


@case
def io_uring_behind_a_seccomp_filter():
    """The start says the flag to write; `version` says the same."""
    with Workspace() as work:
        for error in ('EPERM', 'ENOSYS'):
            prefix = CONFINED + ['io_uring_setup', error]
            code, said = refused(work, prefix)
            equal(code, 69, 'exit status of %s: %s' % (error, said))
            check('--security-opt seccomp=seccomp.json' in said and 'Localhost' in said, said)
            check(len(said.strip().split('\n')) == 1, 'more than a sentence: %s', said)
            version = subprocess.run([*prefix, program('postrider'), 'version'], capture_output=True, text=True)
            check('--security-opt seccomp=seccomp.json' in version.stdout, version.stdout)


@case
def io_uring_switched_off():
    """The setting by its name and value: a file stands in its place, and the call is refused as the kernel would."""
    if not os.path.exists(DISABLED):
        print('this kernel has no such setting: nothing is tried')
        return
    with Workspace() as work:
        for value, also in (('2', None), ('1', 'io_uring_group')):
            stand_in = work.write('disabled-' + value, value + '\n')
            mounted = ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" %s && exec "$@"' % DISABLED, stand_in]
            code, said = refused(work, mounted + CONFINED + ['io_uring_setup', 'EPERM'])
            equal(code, 69, said)
            check('io_uring_disabled is %s' % value in said and 'sysctl kernel.io_uring_disabled=0' in said, said)
            equal(bool(also) and also in said, bool(also), said)
            check('seccomp' not in said, said)


@case
def the_compose_file_fits_the_image():
    """What is mounted where the control socket is belongs to the image's user: runc 1.1 ignores a mode there."""
    def read(name):
        with open(os.path.join(SOURCES, 'dist', 'container', name), encoding='utf-8') as f:
            return f.read()
    uid = re.search(r'useradd .*--uid (\d+) ', read('Containerfile')).group(1)
    gid = re.search(r'groupadd .*--gid (\d+) ', read('Containerfile')).group(1)
    check('/run/postrider:mode=0755,uid=%s,gid=%s\n' % (uid, gid) in read('compose.yaml'), 'compose.yaml')


@case
def the_profile_is_the_units():
    """seccomp.json allows what the unit does, as make-seccomp writes it: io_uring, and neither mounts nor modules."""
    folder = os.path.join(SOURCES, 'dist', 'container')
    loader = importlib.machinery.SourceFileLoader('make_seccomp', os.path.join(folder, 'make-seccomp'))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    with open(os.path.join(folder, 'seccomp.json')) as f:
        profile = json.load(f)
    equal(profile, module.profile(), 'dist/container/seccomp.json; run make-seccomp')
    names = set(profile['syscalls'][0]['names'])
    check({'io_uring_setup', 'io_uring_enter', 'io_uring_register', 'execve', 'clone3'} <= names, 'what it needs')
    for name in ('mount', 'umount2', 'init_module', 'bpf', 'ptrace', 'reboot', 'unshare', 'setns', 'kexec_load'):
        check(name not in names, '%s is allowed', name)



if __name__ == '__main__':
    harness.main()
