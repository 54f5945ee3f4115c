/*
 * core/tools/top_child.h - another command of this program that `postrider top` runs, and what it writes.
 *
 * So an order is the same as on a command line, and is shown as one. One at a time; nothing waits for it.
 */
#ifndef POSTRIDER_TOOLS_TOP_CHILD_H
#define POSTRIDER_TOOLS_TOP_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { TOP_CHILD_WORDS = 20, TOP_CHILD_OUTPUT = 64 << 10 };

struct top_child {
	pid_t pid; /* 0: none runs */
	int fd;
	bool closed;  /* it has written all */
	int status;   /* its exit status, when it has ended */
	char *output; /* owned; the first TOP_CHILD_OUTPUT octets of both its outputs, NUL-terminated */
	size_t length;
	char line[1024]; /* as one would type it, but for what needs quotes */
};

/* `words`: behind the program's name, up to NULL. 0 or -errno. */
int top_child_start(struct top_child *child, const char *const words[]);
/* Takes what it has written by now; true once: it has ended. */
bool top_child_ended(struct top_child *child);
/* It goes on by itself where it runs. */
void top_child_free(struct top_child *child);

#endif
