/*
 * core/confine/calls.c - see calls.h. docs/hardening.md says how the list was found.
 */
#include "core/confine/calls.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

static const char *const allowed[] = {
	/* the ring */
	"io_uring_setup",
	"io_uring_enter",
	"io_uring_register",
	/* memory */
	"brk",
	"madvise",
	"mincore",
	"mlock",
	"mlock2",
	"mremap",
	"msync",
	"munlock",
	"munmap",
	"membarrier",
	"mseal",
	/* threads, and waiting for each other; clone is below */
	"exit",
	"exit_group",
	"futex",
	"futex_waitv",
	"futex_wait",
	"futex_wake",
	"futex_requeue",
	"get_robust_list",
	"set_robust_list",
	"set_tid_address",
	"rseq",
	"arch_prctl",
	"sched_yield",
	"sched_getaffinity",
	"sched_setaffinity",
	"sched_getparam",
	"sched_getscheduler",
	"sched_get_priority_max",
	"sched_get_priority_min",
	"getcpu",
	"gettid",
	"restart_syscall",
	/* time and chance */
	"clock_gettime",
	"clock_getres",
	"clock_nanosleep",
	"gettimeofday",
	"nanosleep",
	"time",
	"times",
	"getrandom",
	"clock_gettime64",
	"clock_nanosleep_time64",
	"futex_time64",
	/* signals, which are to end a command as well */
	"kill",
	"tgkill",
	"rt_sigaction",
	"rt_sigpending",
	"rt_sigprocmask",
	"rt_sigqueueinfo",
	"rt_sigreturn",
	"rt_sigsuspend",
	"rt_sigtimedwait",
	"sigaltstack",
	"pidfd_open",
	"pidfd_send_signal",
	"wait4",
	"waitid",
	"alarm",
	"setitimer",
	"getitimer",
	/* descriptors */
	"close",
	"close_range",
	"dup",
	"dup2",
	"dup3",
	"fcntl",
	"pipe",
	"pipe2",
	"poll",
	"ppoll",
	"select",
	"pselect6",
	"epoll_create",
	"epoll_create1",
	"epoll_ctl",
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"eventfd",
	"eventfd2",
	"timerfd_create",
	"timerfd_settime",
	"timerfd_gettime",
	"memfd_create",
	"read",
	"readv",
	"write",
	"writev",
	"pread64",
	"preadv",
	"preadv2",
	"pwrite64",
	"pwritev",
	"pwritev2",
	"lseek",
	"sendfile",
	"splice",
	"flock",
	/* files, as far as Landlock lets them be reached */
	"open",
	"openat",
	"openat2",
	"creat",
	"access",
	"faccessat",
	"faccessat2",
	"stat",
	"lstat",
	"fstat",
	"newfstatat",
	"statx",
	"statfs",
	"fstatfs",
	"readlink",
	"readlinkat",
	"getcwd",
	"getdents",
	"getdents64",
	"mkdir",
	"mkdirat",
	"rmdir",
	"unlink",
	"unlinkat",
	"rename",
	"renameat",
	"renameat2",
	"link",
	"linkat",
	"truncate",
	"ftruncate",
	"fallocate",
	"fadvise64",
	"readahead",
	"copy_file_range",
	"fsync",
	"fdatasync",
	"sync_file_range",
	"chmod",
	"fchmod",
	"fchmodat",
	"fchmodat2",
	"chown",
	"fchown",
	"fchownat",
	"lchown",
	"umask",
	"utimensat",
	"fgetxattr",
	"getxattr",
	/* the network; socket is below */
	"socketpair",
	"bind",
	"listen",
	"accept",
	"accept4",
	"connect",
	"getsockname",
	"getpeername",
	"getsockopt",
	"setsockopt",
	"shutdown",
	"sendto",
	"sendmsg",
	"sendmmsg",
	"recvfrom",
	"recvmsg",
	"recvmmsg",
	/* what it is, and runs on */
	"getpid",
	"getppid",
	"getpgrp",
	"getpgid",
	"getsid",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"getresuid",
	"getresgid",
	"getgroups",
	"capget",
	"getrlimit",
	"setrlimit",
	"getrusage",
	"getpriority",
	"sysinfo",
	"uname",
	/* none of this process's own, but a debugger's in it */
	"ioprio_get",
};

/* A leak is looked for by a process that stops all others, and symbols by a program. */
static const char *const allowed_to_sanitizers[] = {
	"ptrace",        "process_vm_readv",
	"clone",         "clone3",
	"fork",          "vfork",
	"execve",        "personality",
	"mmap",          "mprotect",
	"prctl",         "ioctl",
	"tkill",         "socket",
	"prlimit64",     "sched_setscheduler",
	"setpriority",   "sched_getattr",
	"sched_setattr",
};

static const char *const allowed_in_part[] = {"clone",       "clone3",        "ioctl",
					      "mmap",        "mprotect",      "prctl",
					      "prlimit64",   "socket",        "sched_setscheduler",
					      "setpriority", "sched_getattr", "sched_setattr"};

static int numbers(scmp_filter_ctx filter, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);
		/* Of another processor, or newer than the library. */
		if (number >= 0 && seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0) < 0)
			return -EINVAL;
	}
	return 0;
}

static struct scmp_arg_cmp has(unsigned argument, uint64_t mask, uint64_t value)
{
	return (struct scmp_arg_cmp){.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

/* The argument of that number, from 0, is this. All of them are of 32 bits: the kernel does not look at the upper half
 * of the register, and a compiler may leave anything there. */
static struct scmp_arg_cmp is(unsigned argument, uint32_t value)
{
	return has(argument, UINT32_MAX, value);
}

static int allow(scmp_filter_ctx filter, const char *name, struct scmp_arg_cmp when)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(name), 1, when);
}

static int sockets(scmp_filter_ctx filter)
{
	int r = allow(filter, "socket", is(0, AF_INET));

	r |= allow(filter, "socket", is(0, AF_INET6));
	r |= allow(filter, "socket", is(0, AF_UNIX));
	/* By which libc finds out which families there are addresses of. */
	return r |
	       seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, is(0, AF_NETLINK), is(2, NETLINK_ROUTE));
}

static int devices(scmp_filter_ctx filter)
{
	/* By the last, of linux/termios.h, libc asks whether something is a terminal, from 2.42 on. */
	static const uint32_t requests[] = {FIONREAD,    FIONBIO,        FIOCLEX,         FIONCLEX,    TCGETS,
					    TIOCGWINSZ,  SIOCGIFNAME,    SIOCGIFINDEX,    SIOCGIFADDR, SIOCGIFFLAGS,
					    SIOCGIFCONF, SIOCGIFNETMASK, FS_IOC_GETFLAGS, BLKSSZGET,   0x802c542aU};
	int r = 0;

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		r |= allow(filter, "ioctl", is(1, requests[i]));
	return r;
}

static int own_affairs(scmp_filter_ctx filter)
{
	static const uint32_t options[] = {PR_SET_NAME,       PR_GET_NAME,         PR_GET_DUMPABLE, PR_CAPBSET_READ,
					   PR_SET_TIMERSLACK, PR_GET_NO_NEW_PRIVS, PR_SET_VMA};
	int r = 0;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		r |= allow(filter, "prctl", is(0, options[i]));
	/* Its own threads, or of this user's processes, may have less of the processor (core/base/scheduling.h). */
	r |= allow(filter, "sched_setscheduler", is(1, SCHED_BATCH));
	r |= allow(filter, "sched_setscheduler", is(1, SCHED_IDLE));
	r |= allow(filter, "setpriority", is(0, PRIO_PROCESS));
	/* The calling thread's alone. What it wants stands in memory: more than it has needs a capability. */
	r |= allow(filter, "sched_getattr", is(0, 0));
	r |= allow(filter, "sched_setattr", is(0, 0));
	return r | allow(filter, "prlimit64", is(0, 0));
}

/* What is allowed for some of its arguments. */
static int in_part(scmp_filter_ctx filter)
{
	/* A thread, not a process. What clone3 is to do stands in memory, where a filter cannot look: libc then takes
	 * clone. */
	int r = allow(filter, "clone", has(0, CLONE_THREAD, CLONE_THREAD));

	r |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	/* Memory is written or run, never both: libraries that libc loads later are mapped as code at once. */
	r |= allow(filter, "mmap", has(2, PROT_EXEC, 0));
	r |= allow(filter, "mmap", has(2, PROT_WRITE, 0));
	r |= allow(filter, "mprotect", has(2, PROT_EXEC, 0));
	return r | sockets(filter) | devices(filter) | own_affairs(filter);
}

static scmp_filter_ctx make(bool told)
{
	scmp_filter_ctx filter = seccomp_init(told ? SCMP_ACT_NOTIFY : SCMP_ACT_ERRNO(ENOSYS));
	int r = filter ? 0 : -ENOMEM;

	if (r == 0)
		r = numbers(filter, allowed, sizeof(allowed) / sizeof(allowed[0]));
	if (r == 0 && SANITIZED)
		r = numbers(filter, allowed_to_sanitizers,
			    sizeof(allowed_to_sanitizers) / sizeof(allowed_to_sanitizers[0]));
	if (r == 0 && !SANITIZED)
		r = in_part(filter);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* As a tree: what is called most does not stand behind the others. Older libraries do without. */
	if (r == 0)
		(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r != 0) {
		seccomp_release(filter);
		return NULL;
	}
	return filter;
}

/* 0 or -errno. */
static int load(bool told, int *fd)
{
	scmp_filter_ctx filter = make(told);
	int r = filter ? seccomp_load(filter) : -EINVAL;

	*fd = -1;
	if (r == 0 && told)
		*fd = seccomp_notify_fd(filter);
	seccomp_release(filter);
	return r;
}

enum calls_state calls_hold(bool wished, bool told_wanted, int *told)
{
	*told = -1;
	if (!wished)
		return CALLS_OFF;
	/* Who confines us may listen to what is refused himself, and of those there can be one. */
	if ((told_wanted && load(true, told) == 0) || load(false, told) == 0)
		return CALLS_HELD;
	return CALLS_LACKING;
}

bool calls_are_loose(void)
{
	return SANITIZED;
}

bool calls_listed(int number)
{
	for (size_t i = 0; i < sizeof(allowed_in_part) / sizeof(allowed_in_part[0]); i++) {
		if (seccomp_syscall_resolve_name(allowed_in_part[i]) == number)
			return true;
	}
	return false;
}

void calls_name(int number, char *name, size_t size)
{
	char *known = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

	snprintf(name, size, "%s", known ? known : "");
	free(known);
}
