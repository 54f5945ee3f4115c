/*
 * core/agents/token_command.c - see token_command.h.
 */
#include "core/agents/token_command.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/agents/program.h"
#include "core/base/clock.h"

enum { USER_MAX = 400 };

/* ---- start ---------------------------------------------------------------------------------------------------- */

static int watch(struct token_command *command)
{
	const int fds[] = {command->end, command->out, command->err};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[i]};
		if (fds[i] < 0 || epoll_ctl(command->epoll, EPOLL_CTL_ADD, fds[i], &event) < 0)
			return -errno;
	}
	return 0;
}

static int start(struct token_command *command, char *const *arguments, char *user)
{
	int out[2] = {-1, -1}, err[2] = {-1, -1}, r;

	command->output = calloc(1, TOKEN_COMMAND_OUTPUT_MAX + 1);
	command->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!command->output || command->epoll < 0 || pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	command->out = out[0];
	if (pipe2(err, O_CLOEXEC | O_NONBLOCK) < 0) {
		r = -errno;
		close(out[1]);
		return r;
	}
	command->err = err[0];
	/* The program's own ends wait, as programs expect. */
	(void)fcntl(out[1], F_SETFL, 0);
	(void)fcntl(err[1], F_SETFL, 0);
	r = program_start(arguments, user, out[1], err[1], &command->pid);
	close(out[1]);
	close(err[1]);
	if (r < 0) {
		command->pid = 0;
		return r;
	}
	command->end = (int)syscall(SYS_pidfd_open, command->pid, 0);
	return watch(command);
}

bool token_command_start(struct token_command *command, const struct config_oauth *oauth, const char *user,
			 uint64_t now_ns)
{
	char variable[USER_MAX], *arguments[CONFIG_COMMAND_WORDS_MAX + 1] = {NULL};
	int r;

	assert(oauth->command_count > 0 && oauth->command_count <= CONFIG_COMMAND_WORDS_MAX);
	memcpy(arguments, oauth->command, oauth->command_count * sizeof(char *));
	memset(command, 0, sizeof(*command));
	command->epoll = command->end = command->out = command->err = -1;
	command->deadline_ns = now_ns + TOKEN_COMMAND_TIMEOUT_MS * CLOCK_NS_PER_MS;
	snprintf(variable, sizeof(variable), "POSTRIDER_MAILBOX=%s", user ? user : "");
	r = start(command, arguments, variable);
	if (r == 0)
		return true;
	snprintf(command->problem, sizeof(command->problem), "oauth.command: %.200s cannot be started: %s",
		 arguments[0], program_why_not(r));
	token_command_close(command);
	return false;
}

/* ---- while it runs -------------------------------------------------------------------------------------------- */

/* Into `to`, as far as there is room; more is read and forgotten. True: it was more. */
static bool drain(int epoll, int fd, char *to, size_t *length, size_t most)
{
	char rest[512];
	bool more = false;
	ssize_t n;

	do {
		bool room = *length < most;
		n = room ? read(fd, to + *length, most - *length) : read(fd, rest, sizeof(rest));
		if (n > 0 && room)
			*length += (size_t)n;
		more |= n > 0 && !room;
	} while (n > 0);
	explicit_bzero(rest, sizeof(rest));
	/* At its end there is nothing to wait for, and the descriptor would not let anybody sleep. */
	if (n == 0)
		(void)epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
	return more;
}

/* The group may have more members than its first; while that is not reaped its number is nobody else's. */
static int end_group(struct token_command *command)
{
	int status = 0;

	if (command->pid <= 0)
		return 0;
	(void)kill(-command->pid, SIGKILL);
	while (waitpid(command->pid, &status, 0) < 0 && errno == EINTR)
		;
	command->pid = 0;
	return status;
}

static bool has_ended(const struct token_command *command)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)command->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

/* Its first line of error, printable. */
static void say(struct token_command *command, const char *what, int number)
{
	size_t n = 0;

	while (n < command->error_length && command->error[n] >= ' ' && command->error[n] <= '~')
		n++;
	snprintf(command->problem, sizeof(command->problem), "oauth.command %s %d%s%.*s", what, number, n ? ": " : "",
		 (int)n, command->error);
}

static void judge(struct token_command *command, int status, bool late)
{
	if (late)
		say(command, "did not end in time, and was: after seconds:", TOKEN_COMMAND_TIMEOUT_MS / 1000);
	else if (command->too_much)
		say(command, "printed more octets than", TOKEN_COMMAND_OUTPUT_MAX);
	else if (WIFSIGNALED(status))
		say(command, "was ended by signal", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		say(command, "ended with status", WEXITSTATUS(status));
}

bool token_command_look(struct token_command *command, uint64_t now_ns)
{
	bool ended = has_ended(command), late = !ended && now_ns >= command->deadline_ns;

	/* After its end, so that nothing is missed. */
	command->too_much |=
		drain(command->epoll, command->out, command->output, &command->length, TOKEN_COMMAND_OUTPUT_MAX);
	(void)drain(command->epoll, command->err, command->error, &command->error_length, sizeof(command->error));
	if (!ended && !late && !command->too_much)
		return false;
	judge(command, end_group(command), late);
	return true;
}

void token_command_close(struct token_command *command)
{
	const int fds[] = {command->epoll, command->end, command->out, command->err};

	(void)end_group(command);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	command->epoll = command->end = command->out = command->err = -1;
	if (command->output)
		explicit_bzero(command->output, TOKEN_COMMAND_OUTPUT_MAX);
	free(command->output);
	command->output = NULL;
	command->length = 0;
}
