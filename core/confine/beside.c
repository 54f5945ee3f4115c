/*
 * core/confine/beside.c - see beside.h. A request is one datagram, a struct request with what belongs to it, and its
 * answer a struct answer. There is never more than one without an answer.
 */
#include "core/confine/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/port_owner.h"
#include "core/config/config.h"
#include "core/confine/calls.h"

extern char **environ;

enum { REQUEST_MAX = 32768, NUMBERS_MAX = 1024, BEGIN_MS = 1000 };

enum what {
	ASK_WATCH, /* a descriptor: that of refused calls; no answer */
	ASK_START, /* the variable and the words of a command, each ended by NUL, and two descriptors */
	ASK_OWNER, /* a uint64_t: the number of a socket */
	ASK_OPEN,  /* a uint32_t: enum beside_file; the answer has a descriptor */
};

struct request {
	uint32_t what;
	char rest[REQUEST_MAX];
};

struct answer {
	int32_t error; /* 0 or errno */
	int32_t pid;
	char owner[PORT_OWNER_TEXT];
};

static const char *const files[] = {[BESIDE_HOSTS] = "/etc/hosts", [BESIDE_RESOLV_CONF] = "/etc/resolv.conf"};

/* The relay's side. */
static struct {
	pthread_mutex_t lock; /* one request at a time */
	int requests, refusals;
	int lives; /* the end of a pipe that nobody writes to: where it is closed we are gone */
	bool any;  /* it starts whatever it is asked to */
	pid_t pid;
	bool owes;  /* an answer that nobody waits for any more; under the lock */
	pid_t late; /* a command that was begun by such a one and has to be reaped; under the lock */
	atomic_bool silent;
	char ***commands; /* of the start; owned */
	size_t command_count;
} here = {.lock = PTHREAD_MUTEX_INITIALIZER, .requests = -1, .refusals = -1, .lives = -1};

/* ---- commands that are known --------------------------------------------------------------------------------- */

static bool same_command(char *const *a, char *const *b)
{
	for (; *a && *b; a++, b++) {
		if (strcmp(*a, *b) != 0)
			return false;
	}
	return !*a && !*b;
}

static bool known(char *const *arguments)
{
	if (here.any)
		return true;
	for (size_t i = 0; i < here.command_count; i++) {
		if (same_command(here.commands[i], arguments))
			return true;
	}
	return false;
}

static const struct config_oauth *oauth_of(const struct config *config, size_t destination)
{
	const struct config_oauth *oauth = config->destinations[destination].oauth;

	return oauth && oauth->command_count > 0 ? oauth : NULL;
}

static char **copy_command(char *const *command, size_t count)
{
	char **words = calloc(count + 1, sizeof(*words));

	for (size_t i = 0; words && i < count; i++)
		words[i] = strdup(command[i]);
	return words;
}

void beside_doctor(const struct config *config, char *words[BESIDE_DOCTOR_WORDS])
{
	static char program[] = "/proc/self/exe", doctor[] = "doctor", from[] = "--config", json[] = "--json",
		    wait[] = "--wait", seconds[] = "10";
	char *const all[BESIDE_DOCTOR_WORDS] = {program, doctor, from, config->file, json, wait, seconds, NULL};

	memcpy(words, all, sizeof(all));
}

static int learn(const struct config *config)
{
	char *doctor[BESIDE_DOCTOR_WORDS];

	here.commands = calloc(config->destination_count + 2, sizeof(*here.commands));
	if (!here.commands)
		return -ENOMEM;
	beside_doctor(config, doctor);
	if (config->control.socket &&
	    (here.commands[here.command_count] = copy_command(doctor, BESIDE_DOCTOR_WORDS - 1)) != NULL)
		here.command_count++;
	for (size_t d = 0; d < config->destination_count; d++) {
		const struct config_oauth *oauth = oauth_of(config, d);
		if (oauth &&
		    (here.commands[here.command_count] = copy_command(oauth->command, oauth->command_count)) != NULL)
			here.command_count++;
	}
	return 0;
}

const char *beside_lacks(const struct config *config)
{
	char *words[CONFIG_COMMAND_WORDS_MAX + 1];

	for (size_t d = 0; d < config->destination_count; d++) {
		const struct config_oauth *oauth = oauth_of(config, d);
		if (!oauth)
			continue;
		memcpy(words, oauth->command, oauth->command_count * sizeof(char *));
		words[oauth->command_count] = NULL;
		if (!known(words))
			return oauth->command[0];
	}
	return NULL;
}

/* ---- messages with descriptors --------------------------------------------------------------------------------- */

/* Two at most; none: NULL. */
static int send_with(int socket, const void *data, size_t length, const int *fds, size_t count)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct iovec piece = {(void *)data, length};
	struct msghdr message = {.msg_iov = &piece,
				 .msg_iovlen = 1,
				 .msg_control = count ? &control : NULL,
				 .msg_controllen = count ? CMSG_SPACE(count * sizeof(int)) : 0};
	struct cmsghdr *part = CMSG_FIRSTHDR(&message);
	ssize_t n;

	if (part) {
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(part), fds, count * sizeof(int));
	}
	do {
		n = sendmsg(socket, &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* The octets, 0 at the end, or -errno. */
static ssize_t receive_with(int socket, void *data, size_t size, int flags, int fds[2], size_t *count)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct iovec piece = {data, size};
	struct msghdr message = {
		.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *part;
	ssize_t n = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);

	*count = 0;
	part = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (part && part->cmsg_type == SCM_RIGHTS) {
		*count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(part), *count * sizeof(int));
	}
	return n < 0 ? -errno : n;
}

/* ---- the process beside ---------------------------------------------------------------------------------------- */

void beside_environment(char *out[BESIDE_ENVIRONMENT], char *variable)
{
	static const char *const ours[] = {"NOTIFY_SOCKET=", "LISTEN_", "WATCHDOG_", "POSTRIDER_MAILBOX="};
	size_t n = 0;

	for (char **at = environ; at && *at && n < BESIDE_ENVIRONMENT - 2; at++) {
		bool left_out = false;
		for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
			left_out |= strncmp(*at, ours[i], strlen(ours[i])) == 0;
		if (!left_out)
			out[n++] = *at;
	}
	out[n++] = variable;
	out[n] = NULL;
}

/* In the new process. What goes wrong is said through `problem`, which a program that starts closes. */
static _Noreturn void become(char *const *arguments, char *const *environment, const int fds[2], int problem)
{
	sigset_t none;
	int null, error, i;

	(void)setpgid(0, 0);
	for (i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	null = open("/dev/null", O_RDONLY);
	/* Above the three, so that none is lost when they are put in place. */
	problem = fcntl(problem, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (null >= 0 && problem >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(fds[0], STDOUT_FILENO) >= 0 &&
	    dup2(fds[1], STDERR_FILENO) >= 0) {
		(void)dup3(problem, STDERR_FILENO + 1, O_CLOEXEC);
		if (problem != STDERR_FILENO + 1)
			problem = STDERR_FILENO + 1;
		closefrom(problem + 1);
		(void)execve(arguments[0], arguments, environment);
	}
	error = errno;
	(void)!write(problem, &error, sizeof(error));
	_exit(127);
}

enum { LIVES = STDERR_FILENO + 3 };

/* A member of the command's group that ends all of it when the relay is gone, however that came about: who started it
 * can no longer. As long as it is there the group's number is nobody else's. Without it the command runs all the same.
 */
static void guard(pid_t group)
{
	struct pollfd lives = {.fd = STDIN_FILENO};
	pid_t pid = fork();

	/* By us, so that it is done before the relay may wait for the command. */
	if (pid > 0)
		(void)setpgid(pid, group);
	if (pid != 0)
		return;
	(void)prctl(PR_SET_NAME, "guard");
	if (dup2(LIVES, STDIN_FILENO) < 0)
		_exit(1);
	closefrom(STDIN_FILENO + 1);
	while (poll(&lives, 1, -1) <= 0 || !(lives.revents & (POLLHUP | POLLERR)))
		;
	/* Never that of who started us, where it could not be put into the other. */
	if (getpgrp() == group)
		(void)kill(0, SIGKILL);
	_exit(1);
}

/* A child of the relay's, not ours. */
static struct answer start(char *const *arguments, char *variable, const int fds[2])
{
	struct answer answer = {0};
	char *environment[BESIDE_ENVIRONMENT];
	int problem[2], error = 0;

	if (pipe2(problem, O_CLOEXEC) < 0)
		return (struct answer){.error = errno};
	beside_environment(environment, variable);
	answer.pid = (int32_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, 0);
	if (answer.pid == 0)
		become(arguments, environment, fds, problem[1]);
	if (answer.pid < 0)
		answer = (struct answer){.error = errno};
	close(problem[1]);
	/* A program on a file system that does not answer must not keep refused calls, and other commands, waiting: who
	 * asked has a deadline for it. */
	if (answer.pid > 0 && poll(&(struct pollfd){.fd = problem[0], .events = POLLIN}, 1, BEGIN_MS) > 0 &&
	    read(problem[0], &error, sizeof(error)) == (ssize_t)sizeof(error))
		answer.error = error;
	close(problem[0]);
	if (answer.pid > 0 && !answer.error)
		guard(answer.pid);
	return answer;
}

static struct answer start_asked(char *text, size_t length, const int fds[2])
{
	char *words[CONFIG_COMMAND_WORDS_MAX + 2];
	size_t count = 0;

	if (text[length - 1] != '\0')
		return (struct answer){.error = EINVAL};
	for (char *at = text; at < text + length && count < CONFIG_COMMAND_WORDS_MAX + 1; at += strlen(at) + 1)
		words[count++] = at;
	words[count] = NULL;
	if (count < 2 || !known(words + 1))
		return (struct answer){.error = EPERM};
	return start(words + 1, words[0], fds);
}

static struct answer open_asked(const char *rest, size_t length, int *file)
{
	uint32_t which = BESIDE_FILES;

	if (length == sizeof(which))
		memcpy(&which, rest, sizeof(which));
	if (which >= BESIDE_FILES)
		return (struct answer){.error = EINVAL};
	*file = open(files[which], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return (struct answer){.error = *file < 0 ? errno : 0};
}

static struct answer owner_asked(const char *rest, size_t length)
{
	struct answer answer = {0};
	uint64_t inode = 0;

	if (length == sizeof(inode))
		memcpy(&inode, rest, sizeof(inode));
	if (!port_owner_process(inode, answer.owner))
		answer.error = ESRCH;
	return answer;
}

/* False: the relay has ended. */
static bool take_request(int requests, int *told)
{
	static struct request request;
	struct answer answer = {.error = EINVAL};
	int fds[2] = {-1, -1}, file = -1;
	size_t count, length;
	ssize_t n = receive_with(requests, &request, sizeof(request), 0, fds, &count);

	if (n == -EINTR)
		return true;
	if (n <= 0)
		return false;
	length = (size_t)n > sizeof(request.what) ? (size_t)n - sizeof(request.what) : 0;
	if (length > 0 && request.what == ASK_WATCH && count == 1 && *told == -1) {
		*told = fds[0];
		return true;
	}
	if (length > 0 && request.what == ASK_START && count == 2)
		answer = start_asked(request.rest, length, fds);
	else if (length > 0 && request.what == ASK_OWNER)
		answer = owner_asked(request.rest, length);
	else if (length > 0 && request.what == ASK_OPEN)
		answer = open_asked(request.rest, length, &file);
	if (length == 0 || request.what != ASK_WATCH)
		(void)send_with(requests, &answer, sizeof(answer), &file, file >= 0);
	if (file >= 0)
		close(file);
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	return true;
}

/* Each call is told once: a library that tries it again for each message has nothing new to say. */
static void tell(int refusals, const struct seccomp_notif *call)
{
	static bool said[NUMBERS_MAX];
	struct beside_refusal refusal = {.number = call->data.nr, .thread = (int32_t)call->pid};
	size_t place = (size_t)call->data.nr < NUMBERS_MAX ? (size_t)call->data.nr : 0;

	if (said[place])
		return;
	said[place] = true;
	memcpy(refusal.arguments, call->data.args, sizeof(refusal.arguments));
	(void)!send(refusals, &refusal, sizeof(refusal), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Both are as large as the kernel's, which may be newer. libseccomp's functions know filters of their process only. */
static struct seccomp_notif_sizes room;

static bool allocate(struct seccomp_notif **call, struct seccomp_notif_resp **response)
{
	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &room) < 0)
		return false;
	if (room.seccomp_notif < sizeof(**call))
		room.seccomp_notif = sizeof(**call);
	if (room.seccomp_notif_resp < sizeof(**response))
		room.seccomp_notif_resp = sizeof(**response);
	*call = calloc(1, room.seccomp_notif);
	*response = calloc(1, room.seccomp_notif_resp);
	return *call && *response;
}

/* False: it cannot be heard any more. Who then calls gets ENOSYS from the kernel, once the descriptor is closed. */
static bool refuse(int told, int refusals, struct seccomp_notif *call, struct seccomp_notif_resp *response)
{
	memset(call, 0, room.seccomp_notif);
	/* Who was called away meanwhile needs no answer. */
	if (ioctl(told, SECCOMP_IOCTL_NOTIF_RECV, call) < 0)
		return errno == EINTR || errno == ENOENT;
	memset(response, 0, room.seccomp_notif_resp);
	response->id = call->id;
	response->error = calls_listed(call->data.nr) ? -EPERM : -ENOSYS;
	tell(refusals, call);
	return ioctl(told, SECCOMP_IOCTL_NOTIF_SEND, response) == 0 || errno == EINTR || errno == ENOENT;
}

static _Noreturn void stand_beside(int requests, int refusals)
{
	struct seccomp_notif *call = NULL;
	struct seccomp_notif_resp *response = NULL;
	int told = -1;

	(void)prctl(PR_SET_NAME, "beside");
	/* Nobody waits for those who guard. */
	(void)signal(SIGCHLD, SIG_IGN);
	for (;;) {
		struct pollfd wait[2] = {{.fd = requests, .events = POLLIN}, {.fd = told, .events = POLLIN}};
		if (poll(wait, 2, -1) < 0)
			continue;
		if (wait[1].revents && (!(wait[1].revents & POLLIN) || (!call && !allocate(&call, &response)) ||
					!refuse(told, refusals, call, response))) {
			close(told);
			told = -2; /* none is taken any more */
		}
		if (wait[0].revents && !take_request(requests, &told))
			_exit(0);
	}
}

/* ---- the relay's side ------------------------------------------------------------------------------------------ */

/* Under the lock. A command that nobody waits for any more is ended. */
static void take_late(void)
{
	struct answer answer;
	int fds[2];
	size_t count;
	ssize_t n =
		here.owes ? receive_with(here.requests, &answer, sizeof(answer), MSG_DONTWAIT, fds, &count) : -EAGAIN;

	if (n != -EAGAIN && n != -EINTR) {
		here.owes = false;
		atomic_store(&here.silent, false);
	}
	if (n == (ssize_t)sizeof(answer)) {
		if (count > 0)
			close(fds[0]);
		if (answer.pid > 0) {
			(void)kill(-answer.pid, SIGKILL);
			(void)kill(answer.pid, SIGKILL);
			here.late = answer.pid;
		}
	}
	if (here.late > 0 && waitpid(here.late, NULL, WNOHANG) != 0)
		here.late = 0;
}

/* Under the lock. */
static int wait_for(struct answer *answer, int *file)
{
	uint64_t now_ns = clock_monotonic_ns(), end_ns = now_ns + BESIDE_ANSWER_MS * CLOCK_NS_PER_MS;
	struct pollfd wait = {.fd = here.requests, .events = POLLIN};
	int r = 0, fds[2] = {-1, -1};
	size_t count;
	ssize_t n;

	for (; r <= 0 && now_ns < end_ns; now_ns = clock_monotonic_ns())
		r = poll(&wait, 1, (int)((end_ns - now_ns) / CLOCK_NS_PER_MS) + 1);
	if (r <= 0) {
		here.owes = true;
		atomic_store(&here.silent, true);
		return -ETIMEDOUT;
	}
	n = receive_with(here.requests, answer, sizeof(*answer), MSG_DONTWAIT, fds, &count);
	*file = fds[0];
	return n == (ssize_t)sizeof(*answer) ? 0 : -EPIPE;
}

/* 0, and what the answer has, its error as well; -EPIPE: it has ended; -ETIMEDOUT: it does not answer. `file`, from the
 * answer, is the caller's. */
static int ask(const struct request *request, size_t length, const int *fds, size_t count, struct answer *answer,
	       int *file)
{
	int r;

	*file = -1;
	pthread_mutex_lock(&here.lock);
	take_late();
	r = here.owes ? -ETIMEDOUT : send_with(here.requests, request, sizeof(request->what) + length, fds, count);
	if (r == 0)
		r = wait_for(answer, file);
	pthread_mutex_unlock(&here.lock);
	return r;
}

static bool ask_owner(uint64_t inode, char text[PORT_OWNER_TEXT])
{
	struct request request = {.what = ASK_OWNER};
	struct answer answer;
	int none;

	memcpy(request.rest, &inode, sizeof(inode));
	if (ask(&request, sizeof(inode), NULL, 0, &answer, &none) < 0 || answer.error)
		return false;
	memcpy(text, answer.owner, PORT_OWNER_TEXT);
	return true;
}

int beside_open(enum beside_file which)
{
	struct request request = {.what = ASK_OPEN};
	uint32_t number = which;
	struct answer answer;
	int file, r;

	if (!beside_is_there())
		return -EACCES;
	memcpy(request.rest, &number, sizeof(number));
	r = ask(&request, sizeof(number), NULL, 0, &answer, &file);
	if (r == 0 && file < 0)
		r = answer.error ? -answer.error : -EACCES;
	return r < 0 ? r : file;
}

/* What the relay was given, its sockets above all, is not to stay open here. None may lie in another's place. */
static _Noreturn void become_beside(int requests, int refusals, int lives)
{
	int high[] = {fcntl(refusals, F_DUPFD, LIVES + 1), fcntl(lives, F_DUPFD, LIVES + 1)};

	if (high[0] < 0 || high[1] < 0 || dup2(requests, STDERR_FILENO + 1) < 0 ||
	    dup2(high[0], STDERR_FILENO + 2) < 0 || dup2(high[1], LIVES) < 0)
		_exit(1);
	closefrom(LIVES + 1);
	stand_beside(STDERR_FILENO + 1, STDERR_FILENO + 2);
}

int beside_begin(const struct config *config)
{
	int requests[2], refusals[2], lives[2], r = config ? learn(config) : 0;
	pid_t pid;

	if (r < 0)
		return r;
	here.any = !config || (!config->hardening.seccomp && !config->hardening.landlock);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, requests) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, refusals) < 0 || pipe2(lives, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_beside(requests[1], refusals[1], lives[0]);
	close(requests[1]);
	close(refusals[1]);
	close(lives[0]);
	here.pid = pid;
	here.requests = requests[0];
	here.refusals = refusals[0];
	here.lives = lives[1];
	port_owner_ask(ask_owner);
	return 0;
}

void beside_end(void)
{
	if (here.pid > 0 && kill(here.pid, SIGKILL) == 0)
		(void)waitpid(here.pid, NULL, 0);
	here.pid = 0;
}

bool beside_is_there(void)
{
	return here.requests >= 0;
}

void beside_watch(int told)
{
	struct request request = {.what = ASK_WATCH};

	if (told < 0)
		return;
	(void)send_with(here.requests, &request, sizeof(request.what) + 1, &told, 1);
	close(told);
}

bool beside_refused(struct beside_refusal *refusal)
{
	return here.refusals >= 0 &&
	       recv(here.refusals, refusal, sizeof(*refusal), MSG_DONTWAIT) == (ssize_t)sizeof(*refusal);
}

bool beside_has_ended(void)
{
	char octet;

	return here.refusals >= 0 && recv(here.refusals, &octet, sizeof(octet), MSG_PEEK | MSG_DONTWAIT) == 0;
}

bool beside_is_silent(void)
{
	if (atomic_load(&here.silent) && pthread_mutex_trylock(&here.lock) == 0) {
		take_late();
		pthread_mutex_unlock(&here.lock);
	}
	return atomic_load(&here.silent);
}

pid_t beside_number(void)
{
	return here.pid;
}

static size_t put(char *text, size_t length, const char *word)
{
	size_t size = strlen(word) + 1;

	if (length == 0 || length + size > REQUEST_MAX)
		return length;
	memcpy(text + length, word, size);
	return length + size;
}

int beside_start(char *const *arguments, const char *variable, int out, int err, pid_t *pid)
{
	const int fds[2] = {out, err};
	struct request request = {.what = ASK_START};
	size_t length = strlen(variable) + 1;
	struct answer answer;
	int r, none;

	if (length > sizeof(request.rest) / 2)
		return -E2BIG;
	memcpy(request.rest, variable, length);
	for (; *arguments; arguments++)
		length = put(request.rest, length, *arguments);
	r = ask(&request, length, fds, 2, &answer, &none);
	if (r < 0)
		return r;
	/* It was begun, and became no program. */
	if (answer.error && answer.pid > 0)
		(void)waitpid(answer.pid, NULL, 0);
	*pid = answer.pid;
	return -answer.error;
}
