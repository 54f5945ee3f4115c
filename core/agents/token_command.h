/*
 * core/agents/token_command.h - a program that prints a token: `oauth.command`.
 *
 * Started without a shell, with nothing on its standard input, the mailbox's user in POSTRIDER_MAILBOX, in a process
 * group of its own. It has so long, and so much output; then the group is killed. Nothing here blocks: the agent's
 * thread sleeps on token_command_fd().
 */
#ifndef POSTRIDER_AGENTS_TOKEN_COMMAND_H
#define POSTRIDER_AGENTS_TOKEN_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/agents/token.h"

enum { TOKEN_COMMAND_TIMEOUT_MS = 20000, TOKEN_COMMAND_OUTPUT_MAX = 16384, TOKEN_COMMAND_ERROR_MAX = 256 };

struct token_command {
	pid_t pid; /* 0: it does not run */
	int epoll; /* of all that follows; readable: token_command_look() */
	int end, out, err;
	uint64_t deadline_ns;
	bool too_much;
	size_t length, error_length;
	char *output; /* owned; TOKEN_COMMAND_OUTPUT_MAX */
	char error[TOKEN_COMMAND_ERROR_MAX];
	char problem[TOKEN_PROBLEM_SIZE]; /* "" where it ended well */
};

/* False with `problem`. */
bool token_command_start(struct token_command *command, const struct config_oauth *oauth, const char *user,
			 uint64_t now_ns);
static inline int token_command_fd(const struct token_command *command)
{
	return command->epoll;
}
/* True: it has ended, or was; `output` and `problem` say how. */
bool token_command_look(struct token_command *command, uint64_t now_ns);
/* Ends it, if it runs, and wipes what it printed. */
void token_command_close(struct token_command *command);

#endif
