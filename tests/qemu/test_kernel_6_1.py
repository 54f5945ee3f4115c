#!/usr/bin/python3
"""tests/qemu/test_kernel_6_1.py - the relay on Debian 12's own kernel, the oldest one that is supported.

Boots linux 6.1 in QEMU with software emulation, an initramfs made here (busybox, the relay, source, sink, the unit
tests of the ring, the libraries they need) and an ext4 file system on a virtio disk for the spool. Inside, a shell
script runs the cases and reports each on the serial console; it is generated below, so that the whole test can be read
in one place.

    BUILD=build tests/qemu/test_kernel_6_1.py [--boot-only]

--boot-only stops after kernel, disk and loopback have been seen to work; it needs no build.
Needs what `tests/install-peers kernel` installs. Exit code 77 says that it is not there.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
import harness  # noqa: E402

TIME_LIMIT = 150
MESSAGES = 1000
QUEUED = 200

CONFIGURATION = '''
hostname: relay.example.org
user: relay
shards: 2
spool: { directory: /spool/queue, size_max: 256MiB, segment_size: 8MiB, message_size_max: 1MiB, memory_max: 64MiB }
listeners:
  - { name: lan, address: "127.0.0.1:2525" }
clients:
  - { name: local, networks: [127.0.0.0/8] }
destinations:
  - name: sink
    hosts: ["127.0.0.1:2526"]
    tls: { mode: verify, ca_file: /etc/ca.crt, server_name: %(server_name)s }
routes:
  - { destination: sink }
retry: { first: 1s, factor: 2, max: 2s, expire: 1h }
timeouts: { drain: 10s }
limits: { connections: 1000 }
log: { sessions: false, messages: false }
'''

# Runs as process 1. "case NAME COMMAND..." reports what the test looks for. The loops are bounded: a guest that hangs
# is ended by the host's time limit, but a case that waits in vain shall say so itself.
INIT = '''#!/bin/sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /tmp /spool
# The firmware left the cursor behind escape sequences.
echo

case_() {
	name=$1
	shift
	if "$@" >/tmp/output 2>&1; then
		echo "CASE ok $name"
	else
		echo "CASE FAILED $name: exit code $?: $(grep -v '^ok ' /tmp/output | tail -n 5 | tr '\\n' ' ')"
		[ -f /tmp/events ] && tail -n 20 /tmp/events
		finish
	fi
}

finish() {
	sync
	[ -n "$sink" ] && stop $sink 2>/dev/null
	umount /spool
	echo "CASE end"
	reboot -f
	sleep 60
}

kernel() {
	uname -r | grep '^6\\.1\\.'
}

disk() {
	for module in $(cat /modules/order); do
		insmod /modules/$module || return 1
	done
	mount -t ext4 /dev/vda /spool && grep -q '^/dev/vda /spool ext4' /proc/mounts &&
		echo written >/spool/test && sync && grep -q written /spool/test
}

loopback() {
	ip link set lo up && ping -c 1 -w 5 127.0.0.1
}

# within SECONDS COMMAND...: tries the command until it succeeds.
within() {
	left=$(($1 * 5))
	shift
	while ! "$@"; do
		left=$((left - 1))
		[ $left -gt 0 ] || return 1
		sleep 0.2
	done
}

# Its files are without a name in the working directory.
ring() {
	( cd /spool && $1 )
}

start_sink() {
	sink --listen 127.0.0.1:2526 --tls starttls-required --certificate /etc/server.crt --private-key /etc/server.key \\
		--received /spool/received.$1 >/tmp/sink.$1 2>&1 &
	sink=$!
	within 20 listening 09DE
}

# Is a listener in the kernel's table? The port is in hexadecimal.
listening() {
	grep -q ":$1 00000000:0000 0A" /proc/net/tcp
}

start_relay() {
	postrider run --config /etc/postrider.yaml 2>/tmp/events &
	relay=$!
	within 30 grep -q '"event":"ready"' /tmp/events
}

# All of docs/hardening.md, and the relay needs nothing of it: it is run until the end of the test.
given_up() {
	grep '"event":"confined"' /tmp/events |
		grep -q '"seccomp":"on","landlock":"on","ring":"on","user":1000[,}]' &&
		! grep call_refused /tmp/events
}

# The sink's records of both runs, each sequence once.
received() {
	cat /spool/received.* | sort -u | wc -l
}

all_received() {
	[ $(received) -ge $1 ]
}

stop() {
	kill -TERM $1
	wait $1
}

relay_stops() {
	stop $relay
}

crash() {
	kill -KILL $relay
	wait $relay
	start_sink second && start_relay && within 60 all_received $1 && [ $(received) = $1 ]
}

run_source() {
	# With its path: "source" alone is a builtin of the shell.
	/bin/source --target 127.0.0.1:2525 --connections 4 --size 4096 --messages $1 --sequence-start $2 \\
		--acknowledged /spool/acknowledged.$2
}

queue_mail() {
	stop $sink
	run_source %(queued)d $((%(messages)d + 1)) && ! all_received %(total)d
}

exactly_once() {
	cat /spool/acknowledged.* | sort -u >/tmp/acknowledged
	cat /spool/received.* | sort -u >/tmp/received
	cmp /tmp/acknowledged /tmp/received && [ $(wc -l </tmp/received) = %(total)d ]
}

case_ kernel_is_6_1 kernel
case_ ext4_on_a_virtio_disk disk
case_ loopback loopback
[ -f /boot-only ] && finish
case_ the_ring ring test_ring
case_ the_ring_takes_its_own_operations_only ring test_ring_restricted
case_ the_ring_is_not_starved ring test_ring_starved
case_ sink_starts start_sink first
case_ relay_starts start_relay
case_ everything_is_given_up given_up
case_ %(messages)d_messages_are_accepted run_source %(messages)d 1
case_ %(messages)d_messages_arrive_over_tls within 60 all_received %(messages)d
case_ mail_is_queued_while_the_sink_is_down queue_mail
case_ after_a_kill_the_queued_mail_arrives crash %(total)d
case_ every_acknowledged_message_arrived exactly_once
case_ nothing_of_it_was_needed given_up
case_ relay_stops_cleanly relay_stops
finish
'''


class Initramfs:
    """Collects files and writes the "newc" archive that the kernel unpacks as its root file system."""

    def __init__(self):
        self.entries = {}

    def directory(self, path):
        path = path.strip('/')
        if path and path not in self.entries:
            self.directory(os.path.dirname(path))
            self.entries[path] = (0o040755, b'')

    def file(self, path, content, mode=0o644):
        self.directory(os.path.dirname(path))
        self.entries[path.strip('/')] = (0o100000 | mode, content)

    def copy(self, path, source, mode=0o644):
        with open(source, 'rb') as f:
            self.file(path, f.read(), mode)

    def program(self, path, source):
        """A program with the shared libraries it loads, at the paths where its loader will look for them."""
        self.copy(path, source, 0o755)
        listing = subprocess.run(['ldd', source], capture_output=True, text=True).stdout
        for library in re.findall(r'(?:=> |^\s+)(/\S+) \(0x', listing, re.M):
            self.copy(library, library, 0o755)

    def write(self, path):
        with open(path, 'wb') as out:
            def pad():
                out.write(b'\0' * (-out.tell() % 4))
            for number, (name, (mode, content)) in enumerate(self.entries.items(), 1):
                self._entry(out, number, name, mode, content)
                pad()
            self._entry(out, 0, 'TRAILER!!!', 0, b'')

    @staticmethod
    def _entry(out, inode, name, mode, content):
        name = name.encode() + b'\0'
        fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
        out.write(b'070701' + b''.join(b'%08X' % field for field in fields) + name)
        out.write(b'\0' * (-out.tell() % 4))
        out.write(content)


def module_order(kernel, wanted):
    """The files of the modules wanted and of all they depend on, each after those it needs.

    The dependencies are in the modules themselves, as strings; a program like depmod is not needed for that.
    """
    files = {}
    for path in glob.glob(os.path.join(kernel, 'lib/modules/*/kernel/**/*.ko'), recursive=True):
        files[os.path.basename(path)[:-3].replace('-', '_')] = path
    order = []

    def add(name):
        path = files.get(name.replace('-', '_'))
        if path is None or path in order:
            return
        with open(path, 'rb') as f:
            content = f.read()
        found = re.search(rb'\0depends=([^\0]*)\0', content)
        needs = found.group(1).decode().split(',') if found and found.group(1) else []
        for soft in re.findall(rb'\0softdep=pre: ([^\0]*)\0', content):
            # An alias like crypto-crc32c stands for any implementation; the generic one works everywhere.
            needs += [re.sub('^crypto-(.*)', r'\1_generic', need) for need in soft.decode().split()]
        for need in needs:
            add(need)
        order.append(path)

    for name in wanted:
        if name not in files:
            raise harness.Failure('the kernel package has no module ' + name)
        add(name)
    return order


def build_initramfs(work, peers, boot_only):
    image = Initramfs()
    for directory in ('proc', 'sys', 'dev', 'tmp', 'spool', 'etc'):
        image.directory(directory)
    image.copy('bin/busybox', os.path.join(peers, 'busybox/bin/busybox'), 0o755)
    image.copy('bin/sh', os.path.join(peers, 'busybox/bin/busybox'), 0o755)
    names = []
    for path in module_order(os.path.join(peers, 'kernel'), ['virtio_pci', 'virtio_blk', 'ext4']):
        names.append(os.path.basename(path))
        image.copy('modules/' + names[-1], path)
    image.file('modules/order', '\n'.join(names).encode())
    values = {'messages': MESSAGES, 'queued': QUEUED, 'total': MESSAGES + QUEUED,
              'server_name': 'localhost'}
    if boot_only:
        image.file('boot-only', b'')
    else:
        certificates = harness.Certificates()
        values['server_name'] = certificates.server_name
        image.copy('etc/ca.crt', certificates.ca)
        image.copy('etc/server.crt', certificates.server)
        image.copy('etc/server.key', certificates.server_key)
        image.program('bin/postrider', harness.program('postrider'))
        image.program('bin/source', harness.program('bench/source'))
        image.program('bin/sink', harness.program('bench/sink'))
        for name in ('test_ring', 'test_ring_restricted', 'test_ring_starved'):
            image.program('bin/' + name, harness.program('tests/' + name))
        image.file('etc/passwd', b'root:x:0:0::/:/bin/sh\nrelay:x:1000:1000::/:/bin/sh\n')
        image.file('etc/group', b'root:x:0:\nrelay:x:1000:\n')
        image.file('etc/postrider.yaml', (CONFIGURATION % values).encode())
    image.file('init', (INIT % values).encode(), 0o755)
    image.write(work.path('initramfs'))


def run_guest(work, peers):
    """Boots and returns the lines of the console, until the guest ends or the time is up."""
    disk = work.path('disk')
    with open(disk, 'wb') as f:
        f.truncate(512 << 20)
    subprocess.run(['/sbin/mkfs.ext4', '-q', '-F', disk], check=True)
    kernel = glob.glob(os.path.join(peers, 'kernel/boot/vmlinuz-6.1.*'))[0]
    guest = subprocess.Popen(
        ['qemu-system-x86_64', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-m', '1G', '-smp', '2', '-nographic',
         '-no-reboot', '-nodefaults', '-serial', 'stdio', '-kernel', kernel, '-initrd', work.path('initramfs'),
         '-append', 'console=ttyS0 quiet panic=-1 no_timer_check random.trust_cpu=on',
         '-drive', 'file=%s,if=none,id=disk,format=raw,cache=unsafe' % disk,
         '-device', 'virtio-blk-pci,drive=disk'],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    limit = threading.Timer(TIME_LIMIT, guest.kill)
    limit.start()
    lines = []
    try:
        for line in guest.stdout:
            lines.append(line.decode('utf-8', 'replace').rstrip())
            if os.environ.get('VERBOSE'):
                print('%6.1f %s' % (time.monotonic() - started, lines[-1]), file=sys.stderr)
    finally:
        guest.kill()
        guest.wait()
        limit.cancel()
    return lines


started = time.monotonic()


def main():
    peers = harness.peers_directory()
    for needed in ('kernel/version', 'busybox/version'):
        if not os.path.exists(os.path.join(peers, needed)) or not shutil.which('qemu-system-x86_64'):
            print('skipped kernel_6_1: run tests/install-peers kernel first')
            return 77
    with harness.Workspace() as work:
        build_initramfs(work, peers, '--boot-only' in sys.argv[1:])
        lines = run_guest(work, peers)
    failed = 0
    cases = [line[len('CASE '):] for line in lines if line.startswith('CASE ')]
    for line in cases:
        if line != 'end':
            print(line)
            failed += not line.startswith('ok ')
    if cases[-1:] != ['end']:
        print('FAILED guest: it did not come to its end within %d s; the last lines were:' % TIME_LIMIT)
        print('\n'.join('    ' + line for line in lines[-20:]))
        failed += 1
    elif failed:
        print('\n'.join('    ' + line for line in lines[-25:]))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
