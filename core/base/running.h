/*
 * core/base/running.h - what a running process says of itself in the file it has locked, for commands beside it.
 *
 * A spool directory has one file that its process keeps locked; who has the lock is the process, whatever else is true.
 * Its text is "PID RELOADS BEGUN\n" and a line about the last reload: empty where it was taken, else why it was not. So
 * a command finds the process it means without a pid file that may be old, and hears what became of its signal.
 *
 * A reload that others asked for may be under way, and may have read the configuration before it was changed: so it is
 * counted twice, before it reads and when it is over, and who asks goes by one that had not begun (running_answered()).
 */
#ifndef POSTRIDER_BASE_RUNNING_H
#define POSTRIDER_BASE_RUNNING_H

#include <stdbool.h>
#include <sys/types.h>

enum { RUNNING_TEXT_MAX = 1024 };

struct running {
	pid_t pid;
	unsigned reloads; /* that are over, taken or not */
	unsigned begun;
	char refusal[RUNNING_TEXT_MAX];
};

/* By the process, into the descriptor it has locked. 0 or -errno. */
int running_tell(int fd, const struct running *running);
/* 0; -ESRCH: nobody has it locked; -EBADMSG: no such text is in it (yet); or -errno. */
int running_read(const char *path, struct running *running);
/* What `after` says of the last reload goes for who read `before` and sent the signal then. */
bool running_answered(const struct running *before, const struct running *after);

#endif
