/*
 * tests/unit/test_confine.c - what a process can no longer do that has given up files and calls, and what it still can.
 *
 * Each case is a process of its own, as nothing of it can be undone. It is put together as the relay does it, and then
 * tries what somebody would who has got into one.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/config/config.h"
#include "core/confine/beside.h"
#include "core/confine/calls.h"
#include "core/confine/paths.h"
#include "tests/unit/check.h"

static char root[64];

static const char *in(const char *name)
{
	static char path[4][256];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", root, name);
	return path[turn];
}

static void put(const char *name, const char *text)
{
	int fd = open(in(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* 0 or errno. */
static int reads(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), e = fd < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return e;
}

static int makes(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), e = fd < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return e;
}

/* A secret in tls/, the spool in spool/, a link in links/, more/ for what is to come, and away/, which nobody has
 * named. What is not there, and cannot be made, is beside all of them, right below /tmp. */
static struct config *configured(bool files, bool calls)
{
	static struct config_problems problems;
	struct config *config;
	char text[4096];

	snprintf(text, sizeof(text),
		 "hostname: relay.example.org\nshards: 1\nspool: { directory: %s/spool }\n"
		 "hardening: { landlock: %s, seccomp: %s, directories: [%s/more, %s-none] }\n"
		 "suppression: { directory: %s-none/list }\ntrace: { detail: off }\n"
		 "listeners: [{ name: lan, address: \"127.0.0.1:0\" }]\n"
		 "tls: { certificates: [{ certificate: %s/tls/relay.crt, private_key: %s/links/live/relay.key }] }\n"
		 "clients: [{ name: a, networks: [127.0.0.0/8] }]\n"
		 "destinations: [{ name: d, hosts: [\"127.0.0.1:9\"], tls: { mode: verify, server_name: "
		 "mail.example.org },\n"
		 "  oauth: { command: [/bin/echo, a word] }, auth: { user: a@example.org } }]\n"
		 "routes: [{ destination: d }]\n",
		 root, files ? "true" : "false", calls ? "true" : "false", root, root, root, root, root);
	config = config_parse(in("etc/relay.yaml"), text, strlen(text), &problems);
	if (!config) {
		printf("FAILED configuration: %s\n", config_problems_first(&problems));
		exit(1);
	}
	return config;
}

static void confine(const struct config *config)
{
	int told;

	CHECK_EQ(beside_begin(config), 0);
	paths_make(config);
	CHECK_EQ(paths_hold(config), config->hardening.landlock ? PATHS_HELD : PATHS_OFF);
	CHECK_EQ(calls_hold(config->hardening.seccomp, true, &told),
		 config->hardening.seccomp ? CALLS_HELD : CALLS_OFF);
	beside_watch(told);
}

/* ---- calls ---------------------------------------------------------------------------------------------------- */

#define REFUSED(error, call)                                                                                           \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		CHECK_EQ((long)(call), -1);                                                                            \
		CHECK_EQ(errno, error);                                                                                \
	} while (0)

static void told(const char *call)
{
	struct beside_refusal refusal;
	char name[64] = "";
	int i;

	for (i = 0; i < 10000 && strcmp(name, call) != 0; i++) {
		if (beside_refused(&refusal))
			calls_name(refusal.number, name, sizeof(name));
		else
			(void)usleep(1000);
	}
	CHECK(strcmp(name, call) == 0);
}

static void calls_that_are_gone(void)
{
	char *const arguments[] = {"/bin/true", NULL}, *const nothing[] = {NULL};
	char octet;

	confine(configured(false, true));
	REFUSED(ENOSYS, execve("/bin/true", arguments, nothing));
	told("execve");
	/* Once. */
	REFUSED(ENOSYS, execve("/bin/true", arguments, nothing));
	REFUSED(ENOSYS, syscall(SYS_execveat, AT_FDCWD, "/bin/true", arguments, nothing, 0));
	told("execveat");
	REFUSED(EPERM, syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0));
	told("clone");
	REFUSED(EPERM, fork());
	REFUSED(ENOSYS, ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
	REFUSED(ENOSYS, syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
	REFUSED(ENOSYS, mount("none", "/mnt", "tmpfs", 0, NULL));
	REFUSED(ENOSYS, syscall(SYS_unshare, 0x10000000));
	REFUSED(ENOSYS, syscall(SYS_bpf, 0, NULL, 0));
	REFUSED(ENOSYS, syscall(SYS_keyctl, 0, 0, 0, 0, 0));
	REFUSED(ENOSYS, syscall(SYS_userfaultfd, 0));
	REFUSED(ENOSYS, syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
	REFUSED(ENOSYS, syscall(SYS_setresuid, 0, 0, 0));
	REFUSED(ENOSYS, syscall(SYS_landlock_create_ruleset, NULL, 0, 1));
	REFUSED(ENOSYS, syscall(SYS_seccomp, 0, 0, NULL));
	/* Newer than anything. */
	REFUSED(ENOSYS, syscall(1000));
	REFUSED(EPERM, mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	REFUSED(EPERM, mprotect((void *)((uintptr_t)&octet & ~(uintptr_t)4095), 4096, PROT_READ | PROT_EXEC));
	REFUSED(EPERM, socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT));
	REFUSED(EPERM, socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER));
	REFUSED(EPERM, socket(AF_PACKET, SOCK_RAW, 0));
	REFUSED(EPERM, socket(AF_VSOCK, SOCK_STREAM, 0));
	REFUSED(EPERM, socket(AF_ALG, SOCK_SEQPACKET, 0));
	told("socket");
}

static void *ends(void *context)
{
	/* Libraries' threads may have all signals blocked: that is no reason to end. */
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	REFUSED(ENOSYS, syscall(SYS_mount, NULL, NULL, NULL, 0, NULL));
	return context;
}

static void calls_that_are_left(void)
{
	struct addrinfo *found = NULL;
	pthread_t thread;
	void *library;

	confine(configured(false, true));
	CHECK_EQ(pthread_create(&thread, NULL, ends, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(getaddrinfo("localhost", "25", &(struct addrinfo){.ai_flags = AI_ADDRCONFIG}, &found), 0);
	freeaddrinfo(found);
	library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
	CHECK(library != NULL);
	CHECK(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 || errno == EAFNOSUPPORT);
	CHECK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) >= 0);
	/* A compiler may leave anything in the upper half of a register that has an int. */
	CHECK(syscall(SYS_socket, 0x100000000 | AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0x100000000) >= 0);
	/* Newer versions of libc ask so whether something is a terminal. */
	library = malloc(4096);
	CHECK_EQ(ioctl(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 0x802c542a, library), -1);
	CHECK_EQ(errno, ENOTTY);
	free(library);
	CHECK_EQ(kill(getpid(), 0), 0);
}

/* ---- programs --------------------------------------------------------------------------------------------------- */

static void programs(void)
{
	char *const known[] = {"/bin/echo", "a word", NULL}, *const longer[] = {"/bin/echo", "a word", "more", NULL};
	char *const other[] = {"/bin/sh", "-c", "true", NULL};
	/* The doctor, but with a file that the relay was not started with. */
	char *const doctor[] = {"/proc/self/exe", "doctor", "--config", "/etc/passwd", "--json", "--wait", "10", NULL};
	char text[64] = "";
	int out[2], status;
	pid_t pid = 0;

	confine(configured(true, true));
	CHECK(beside_is_there());
	CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
	CHECK_EQ(beside_start(known, "POSTRIDER_MAILBOX=a", out[1], out[1], &pid), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK_EQ(read(out[0], text, sizeof(text) - 1), 7);
	CHECK(strcmp(text, "a word\n") == 0);
	CHECK_EQ(beside_start(longer, "POSTRIDER_MAILBOX=a", out[1], out[1], &pid), -EPERM);
	CHECK_EQ(beside_start(other, "POSTRIDER_MAILBOX=a", out[1], out[1], &pid), -EPERM);
	CHECK_EQ(beside_start(doctor, "POSTRIDER_MAILBOX=a", out[1], out[1], &pid), -EPERM);
}

/* It starts what it was asked for too late, and that is ended; what is asked then is answered. */
static void silent(void)
{
	char *const known[] = {"/bin/echo", "a word", NULL};
	int out[2], status = -1, file;
	pid_t pid = 0;

	confine(configured(true, true));
	CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
	CHECK(!beside_is_silent());
	CHECK_EQ(kill(beside_number(), SIGSTOP), 0);
	CHECK_EQ(beside_start(known, "POSTRIDER_MAILBOX=a", out[1], out[1], &pid), -ETIMEDOUT);
	CHECK(beside_is_silent());
	/* At once. */
	CHECK_EQ(beside_open(BESIDE_HOSTS), -ETIMEDOUT);
	CHECK_EQ(kill(beside_number(), SIGCONT), 0);
	while (beside_is_silent())
		(void)usleep(1000);
	file = beside_open(BESIDE_RESOLV_CONF);
	CHECK(file >= 0 || file == -ENOENT);
	CHECK_EQ(beside_open(BESIDE_FILES), -EINVAL);
	CHECK_EQ(beside_start(known, "POSTRIDER_MAILBOX=a", out[1], out[1], &pid), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	/* Nothing is left to be reaped but it. */
	while (beside_is_silent() || waitpid(-1, &status, WNOHANG) > 0)
		;
	CHECK_EQ(kill(beside_number(), SIGKILL), 0);
	while (!beside_has_ended())
		(void)usleep(1000);
	CHECK_EQ(beside_start(known, "POSTRIDER_MAILBOX=a", out[1], out[1], &pid), -EPIPE);
	CHECK(!beside_is_silent());
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static int ready[2]; /* by which an attempt says that its meanwhile is to begin; one that ends without needs none */

enum { LEFT_OUT = 77 };

/* Ends an attempt that cannot be made here. */
static _Noreturn void leave_out(void)
{
	_exit(LEFT_OUT);
}

static void tell_ready(void)
{
	CHECK_EQ(write(ready[1], "", 1), 1);
}

static void files(void)
{
	struct config *config = configured(true, false);

	confine(config);
	CHECK_EQ(reads(in("tls/relay.crt")), 0);
	CHECK_EQ(reads(in("links/live/relay.key")), 0);
	CHECK_EQ(reads(in("more/to-come")), ENOENT);
	CHECK_EQ(reads("/etc/resolv.conf") == EACCES, 0);
	CHECK_EQ(reads("/proc/self/statm"), 0);
	CHECK_EQ(reads(in("away/secret")), EACCES);
	CHECK_EQ(reads("/boot"), EACCES);
	CHECK_EQ(reads("/etc/nsswitch.conf") == EACCES, 0);
	CHECK_EQ(reads("/etc/ssl/certs") == EACCES, 0);
	CHECK_EQ(reads("/etc"), EACCES);
	CHECK_EQ(reads("/etc/fstab"), EACCES);
	CHECK_EQ(reads("/etc/ssl/private"), EACCES);
	CHECK_EQ(makes(in("spool/new")), 0);
	CHECK_EQ(rename(in("spool/new"), in("spool/newer")), 0);
	CHECK_EQ(unlink(in("spool/newer")), 0);
	/* Made behind the start. */
	CHECK_EQ(mkdir(in("spool/suppressed"), 0700), 0);
	CHECK_EQ(makes(in("spool/suppressed/new")), 0);
	CHECK_EQ(makes(in("tls/new")), EACCES);
	CHECK_EQ(makes("/etc/postrider-was-here"), EACCES);
	CHECK_EQ(makes("/tmp/postrider-was-here"), EACCES);
	CHECK_EQ(rename(in("tls/relay.crt"), in("spool/stolen")), -1);
	CHECK(paths_inside(in("tls/relay.crt")) && paths_inside(in("tls/another.crt")));
	CHECK(!paths_inside(in("away/secret")) && !paths_inside(in("away/none")));
	CHECK(paths_not_writable(config) == NULL);
	free(config->spool.directory);
	config->spool.directory = strdup(in("tls"));
	CHECK(paths_not_writable(config) != NULL);
}

/* One whose own is there is made; else nothing above it may be written. */
static void written(void)
{
	const struct paths_missing *missing;
	struct config *config = configured(true, false);
	char token[300];
	size_t count;

	free(config->trace.file);
	config->trace.detail = CONFIG_TRACE_ALL;
	config->trace.file = strdup(in("more/made/trace.db"));
	confine(config);
	missing = paths_missing(&count);
	CHECK_EQ(count, 1);
	snprintf(token, sizeof(token), "%s-none/list", root);
	CHECK(count == 1 && strcmp(missing->directory, token) == 0 && missing->error == ENOENT);
	CHECK_EQ(makes(in("more/made/trace.db")), 0);
	CHECK_EQ(makes(in("more/new")), EACCES);
	snprintf(token, sizeof(token), "%s-none", root);
	CHECK_EQ(mkdir(token, 0700) < 0 ? errno : 0, EACCES);
}

/* What is mounted from here on is nobody else's. The root of a chroot is no mount, and cannot be made private: there
 * another one is mounted of it, within what is one and shows nobody anything. */
static bool have_own_mounts(void)
{
	static const char within[] = "/sys/fs"; /* not below what the relay may read */

	if (unshare(CLONE_NEWNS) < 0)
		return false;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		return true;
	return mount(NULL, "/sys", NULL, MS_PRIVATE, NULL) == 0 &&
	       mount("/", within, NULL, MS_BIND | MS_REC, NULL) == 0 && chroot(within) == 0 && chdir("/") == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* By a rename, as everybody does it; on an /etc of its own, which only root can have. */
static void replaced(void)
{
	char command[512], text[8] = "";
	int file;

	if (!have_own_mounts())
		leave_out();
	snprintf(command, sizeof(command),
		 "mkdir %s/own && cp /etc/nsswitch.conf %s/own && echo 1 >%s/own/hosts && mount --bind %s/own /etc",
		 root, root, root, root);
	CHECK_EQ(system(command), 0);
	confine(configured(true, false));
	CHECK_EQ(reads("/etc/hosts"), 0);
	tell_ready();
	while (access(in("renewed"), F_OK) < 0)
		(void)usleep(1000);
	CHECK_EQ(reads("/etc/hosts"), EACCES);
	file = beside_open(BESIDE_HOSTS);
	CHECK(file >= 0);
	CHECK_EQ(read(file, text, sizeof(text)), 2);
	CHECK(strcmp(text, "2\n") == 0);
	CHECK_EQ(beside_open(BESIDE_RESOLV_CONF), -ENOENT);
}

static void replace(void)
{
	put("own/new", "2\n");
	CHECK_EQ(rename(in("own/new"), in("own/hosts")), 0);
	put("renewed", "");
}

/* More than anybody has: each file in a directory of its own, and some that are not there. */
static void many(void)
{
	enum { MANY = 1500 };
	struct config *config = configured(true, false);
	char name[32];

	CHECK_EQ(mkdir(in("many"), 0700), 0);
	config->paths.list = realloc(config->paths.list, (config->paths.count + 2 * MANY) * sizeof(char *));
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		CHECK_EQ(mkdir(in(name), 0700), 0);
		snprintf(name, sizeof(name), "many/%d/password", i);
		if (i % 2)
			put(name, "secret");
		config->paths.list[config->paths.count++] = strdup(in(name));
		config->paths.list[config->paths.count++] = strdup(in(name));
	}
	confine(config);
	CHECK_EQ(reads(in("many/1/password")), 0);
	CHECK_EQ(reads(in("many/1498/password")), ENOENT);
	CHECK_EQ(reads(in("many/1499/password")), 0);
	CHECK_EQ(makes(in("spool/new")), 0);
	CHECK(paths_not_writable(config) == NULL);
}

/* By rename, by certbot's links, and by a directory's link, as Kubernetes does it. */
static void renewed(void)
{
	struct config *config = configured(true, false);

	confine(config);
	tell_ready();
	/* The other process renews; see main(). */
	while (access(in("renewed"), F_OK) < 0)
		(void)usleep(1000);
	CHECK_EQ(reads(in("tls/relay.crt")), 0);
	CHECK_EQ(reads(in("links/live/relay.key")), 0);
	CHECK_EQ(reads(in("archive/relay2.key")), 0);
}

static void renew(void)
{
	put("tls/new", "2");
	CHECK_EQ(rename(in("tls/new"), in("tls/relay.crt")), 0);
	put("archive/relay2.key", "2");
	CHECK_EQ(symlink("../archive/relay2.key", in("releases/1/new")), 0);
	CHECK_EQ(mkdir(in("releases/2"), 0700), 0);
	CHECK_EQ(symlink("../../archive/relay2.key", in("releases/2/relay.key")), 0);
	CHECK_EQ(symlink("../releases/2", in("links/live.new")), 0);
	CHECK_EQ(rename(in("links/live.new"), in("links/live")), 0);
	put("renewed", "");
}

/* ---- frame ------------------------------------------------------------------------------------------------------ */

static void prepare(void)
{
	static const char *const directories[] = {"tls",      "archive",    "away", "spool", "more",
						  "releases", "releases/1", "etc",  "links"};

	snprintf(root, sizeof(root), "/tmp/postrider-confine-XXXXXX");
	CHECK(mkdtemp(root) != NULL);
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		CHECK_EQ(mkdir(in(directories[i]), 0700), 0);
	put("tls/relay.crt", "1");
	put("archive/relay1.key", "1");
	CHECK_EQ(symlink("../../archive/relay1.key", in("releases/1/relay.key")), 0);
	CHECK_EQ(symlink("../releases/1", in("links/live")), 0);
	put("away/secret", "1");
}

static void apart(void (*attempt)(void), void (*meanwhile)(void))
{
	char command[128], octet;
	int status;
	pid_t pid;

	prepare();
	CHECK_EQ(pipe2(ready, O_CLOEXEC), 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		attempt();
		fflush(stdout);
		_exit(check_failures ? 1 : 0);
	}
	close(ready[1]);
	if (meanwhile && read(ready[0], &octet, 1) == 1)
		meanwhile();
	close(ready[0]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == LEFT_OUT)
		CHECK_LEFT_OUT("mounts of its own are refused");
	else
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	CHECK_EQ(system(command), 0);
}

static void apart_held(void (*attempt)(void), void (*meanwhile)(void))
{
	if (paths_can_be_held())
		apart(attempt, meanwhile);
	else
		CHECK_LEFT_OUT("this kernel has no Landlock");
}

static void test_calls_that_are_gone(void)
{
	apart(calls_that_are_gone, NULL);
}

static void test_calls_that_are_left(void)
{
	apart(calls_that_are_left, NULL);
}

static void test_programs(void)
{
	apart(programs, NULL);
}

static void test_silent(void)
{
	apart(silent, NULL);
}

static void test_written(void)
{
	apart_held(written, NULL);
}

static void test_replaced(void)
{
	if (geteuid() == 0)
		apart_held(replaced, replace);
	else
		CHECK_LEFT_OUT("an /etc of its own is root's to make");
}

static void test_files(void)
{
	apart_held(files, NULL);
}

static void test_many(void)
{
	apart_held(many, NULL);
}

static void test_renewed(void)
{
	apart_held(renewed, renew);
}

int main(void)
{
	if (!calls_are_loose())
		RUN(test_calls_that_are_gone);
	RUN(test_calls_that_are_left);
	RUN(test_programs);
	RUN(test_silent);
	RUN(test_files);
	RUN(test_written);
	RUN(test_replaced);
	RUN(test_many);
	RUN(test_renewed);
	return check_end();
}
