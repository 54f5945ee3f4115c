#!/usr/bin/python3
"""tests/e2e/test_package.py - the Debian packages: built by one command, clean for lintian, with what belongs in them.

Built without optimization: what is in the packages is looked at, and not run. tests/package/walk installs, upgrades and
purges them in a Debian of their own.
"""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import SOURCES, Workspace, case, check, equal  # noqa: E402


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    equal(done.returncode, 0, '%s (%s)' % (command[0], (done.stdout + done.stderr)[-2000:]))
    return done.stdout


def contents(package):
    """{path: (mode, owner)} of a .deb."""
    found = {}
    for line in run('dpkg-deb', '-c', package).split('\n'):
        if line:
            mode, owner, _, _, _, path = line.split(None, 5)
            found[path.split(' -> ')[0].lstrip('.').rstrip('/')] = (mode, owner)
    return found


@case
def one_command():
    """lintian finds nothing of the levels error and warning; each package has its files, and the service asks first."""
    with Workspace() as work:
        out = work.path('packages')
        built = run(os.path.join(SOURCES, 'dist', 'package'), '--lintian', '--version', '0.1.0+test', out,
                    env={**os.environ, 'DEB_CFLAGS_MAINT_APPEND': '-O0', 'DEB_BUILD_OPTIONS': 'noautodbgsym'})
        packages = {os.path.basename(path).split('_')[0]: path for path in built.split()}
        relay = contents(packages['postrider'])
        for path in ('/usr/bin/postrider', '/lib/systemd/system/postrider.service',
                     '/lib/systemd/system/postrider@.service', '/usr/lib/sysusers.d/postrider.conf',
                     '/usr/lib/tmpfiles.d/postrider.conf', '/usr/share/man/man8/postrider.8.gz',
                     '/usr/share/man/man5/postrider.yaml.5.gz', '/usr/share/postrider/presets/ses.yaml',
                     '/usr/share/postrider/seccomp.json',
                     '/usr/share/doc/postrider/examples/postrider.yaml',
                     '/usr/share/doc/postrider/examples/postrider.rules.yml',
                     '/usr/share/zsh/vendor-completions/_postrider',
                     '/usr/share/fish/vendor_completions.d/postrider.fish'):
            check(path in relay, '%s is not in the package', path)
        # Nothing in /etc: a file there would be one that `postrider setup` may not write.
        equal([path for path in relay if path.startswith(('/etc', '/var', '/srv', '/opt', '/usr/local'))], [], 'files')
        for path, (mode, owner) in relay.items():
            equal(owner, 'root/root', path)
            check(mode.startswith('l') or mode[8] != 'w' and 's' not in mode, '%s is %s', path, mode)
        bench = contents(packages['postrider-bench'])
        check({'/usr/bin/postrider-source', '/usr/bin/postrider-sink'} <= set(bench), sorted(bench))
        compat = contents(packages['postrider-compat'])
        check({'/usr/sbin/sendmail', '/usr/lib/sendmail', '/usr/bin/mailq', '/usr/bin/newaliases'} <= set(compat),
              sorted(compat))
        check('mail-transport-agent' in run('dpkg-deb', '-f', packages['postrider-compat'], 'Conflicts'), 'Conflicts')
        depends = run('dpkg-deb', '-f', packages['postrider'], 'Depends')
        check('libwolfssl' in depends and 'liburing' in depends, depends)
        check(not re.search(r'\b(meson|gcc|.*-dev)\b', depends), depends)
        scripts = work.path('control')
        run('dpkg-deb', '-e', packages['postrider'], scripts)
        for script in ('config', 'postinst', 'postrm', 'prerm'):
            run('sh', '-n', os.path.join(scripts, script))
        check(not os.path.exists(os.path.join(scripts, 'conffiles')), 'there are conffiles')


CONFMODULE = '''
DEBCONF_REDIR=1
db_input() { return 30; }
db_go() { :; }
db_get() { RET=$ANSWER; }
'''


@case
def purge():
    """The spool goes with a yes and where nothing is in it, and where it is a file system of its own, only its mail."""
    if subprocess.run(['unshare', '--mount', 'true'], capture_output=True).returncode != 0:
        return print('  (nothing can be mounted here)')
    with open(os.path.join(SOURCES, 'dist', 'debian', 'postrider.postrm')) as f:
        script = f.read()
    # answer, mounted, what is in it: what is left; None: not even the directory
    rows = [('true', False, 'mail', None), ('false', False, 'mail', ['mail']), ('false', False, None, None),
            ('true', True, 'mail', []), ('false', True, 'mail', ['mail']), ('false', True, None, [])]
    for number, (answer, mounted, inside, left) in enumerate(rows):
        with Workspace() as work:
            spool, etc = work.path('spool'), work.path('etc')
            os.mkdir(spool)
            os.mkdir(etc)
            for path, ours in (('/usr/share/debconf/confmodule', work.write('confmodule', CONFMODULE)),
                               ('/var/lib/postrider', spool), ('/etc/postrider', etc)):
                check(path in script, '%s is not in the script', path)
            text = script.replace('/usr/share/debconf/confmodule', work.path('confmodule'))
            text = text.replace('/var/lib/postrider', spool).replace('/etc/postrider', etc)
            steps = ['set -e']
            if mounted:
                steps.append('mount -t tmpfs none %s' % spool)
            if inside:
                steps.append('mkdir %s/%s; echo x >%s/%s/file' % (spool, inside, spool, inside))
            steps.append('sh %s purge' % work.write('postrm', text))
            steps.append('[ ! -e %s ] || { echo there; ls -A %s; }' % (spool, spool))
            said = run('unshare', '--mount', 'sh', '-c', '\n'.join(steps), env={**os.environ, 'ANSWER': answer}).split()
            equal(said, [] if left is None else ['there'] + left, 'what row %d leaves' % number)
            check(not os.path.exists(etc), 'the configuration is there')


if __name__ == '__main__':
    harness.main()
