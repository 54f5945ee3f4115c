/*
 * core/tools/top_child.c - see top_child.h.
 */
#include "core/tools/top_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define PROGRAM "/proc/self/exe"

static void write_line(struct top_child *child, const char *const words[])
{
	size_t n = (size_t)snprintf(child->line, sizeof(child->line), "postrider");

	for (size_t i = 0; words[i] && n < sizeof(child->line) - 1; i++)
		n += (size_t)snprintf(child->line + n, sizeof(child->line) - n,
				      words[i][0] == '\0' || strpbrk(words[i], " '\"$`\\") ? " \"%s\"" : " %s",
				      words[i]);
}

/* Nothing of the terminal's is left to it: not its input, nor what it does at signals. */
static int spawn(struct top_child *child, const char *const words[], int out)
{
	char *argv[TOP_CHILD_WORDS + 2] = {(char *)(uintptr_t) "postrider"};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t all, none;
	int r;

	for (size_t i = 0; words[i] && i < TOP_CHILD_WORDS; i++)
		argv[i + 1] = (char *)(uintptr_t)words[i];
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	r = posix_spawn(&child->pid, PROGRAM, &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

int top_child_start(struct top_child *child, const char *const words[])
{
	int fds[2], r;

	free(child->output);
	*child = (struct top_child){.fd = -1};
	write_line(child, words);
	child->output = calloc(1, TOP_CHILD_OUTPUT + 1);
	if (!child->output)
		return -ENOMEM;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	r = spawn(child, words, fds[1]);
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		child->pid = 0;
		return r;
	}
	child->fd = fds[0];
	return 0;
}

/* What is beyond the room is read, too, so that it can end. */
static void take(struct top_child *child)
{
	char octets[4096];
	ssize_t n;

	while ((n = read(child->fd, octets, sizeof(octets))) > 0) {
		size_t room = TOP_CHILD_OUTPUT - child->length, kept = (size_t)n < room ? (size_t)n : room;
		memcpy(child->output + child->length, octets, kept);
		child->length += kept;
	}
	if (n == 0)
		child->closed = true;
	/* A NUL would end the page. */
	for (size_t i = 0; i < child->length; i++)
		child->output[i] = child->output[i] ? child->output[i] : '?';
}

bool top_child_ended(struct top_child *child)
{
	int status = 0;

	if (child->pid == 0)
		return false;
	if (!child->closed)
		take(child);
	if (!child->closed || waitpid(child->pid, &status, WNOHANG) != child->pid)
		return false;
	close(child->fd);
	child->fd = -1;
	child->pid = 0;
	child->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return true;
}

void top_child_free(struct top_child *child)
{
	if (child->fd >= 0)
		close(child->fd);
	free(child->output);
	*child = (struct top_child){.fd = -1};
}
