#!/bin/sh
# tests/e2e/journal_room.sh COMMAND... - becomes the command, with a journal of its own: systemd-journald in a namespace
# of mounts where /run is empty, and standard error that says it is the journal. Run by "unshare --mount".
set -e
mount --make-rprivate /
mount -t tmpfs none /run
mkdir -p /run/systemd/journal /run/log/journal
if [ ! -s /etc/machine-id ]; then
	od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >/run/machine-id
	[ -e /etc/machine-id ] || exit 77
	mount --bind /run/machine-id /etc/machine-id
fi
env -u RUNTIME_DIRECTORY setpriv --pdeathsig KILL /lib/systemd/systemd-journald >/dev/null 2>&1 &
while [ ! -S /run/systemd/journal/socket ]; do sleep 0.05; done
JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2)
export JOURNAL_STREAM
exec "$@"
