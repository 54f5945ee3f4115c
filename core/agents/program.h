/*
 * core/agents/program.h - a program that is started, by the process beside (core/confine/beside.h), which is made now
 * where there is none yet.
 *
 * With nothing on its standard input, in a process group of its own; who started it ends the group and waits for its
 * first member. Should he be gone before, however that came about, the group is ended all the same.
 */
#ifndef POSTRIDER_AGENTS_PROGRAM_H
#define POSTRIDER_AGENTS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct config;

/* `variable`: NAME=VALUE, for its environment besides; as long as this runs. 0 with its number, or -errno; any thread
 * may. */
int program_start(char *const *arguments, char *variable, int out, int err, pid_t *pid);
/* What that answer means, in words. */
const char *program_why_not(int r);

/* What became of one that was run to its end. */
struct program_run {
	char *output; /* owned, NUL-terminated; what it said on standard output, as far as there is room */
	size_t length;
	bool late, too_much; /* it was ended: it took too long, or printed more */
	int status;          /* as waitpid() has it */
	char error[1024];    /* what it said on standard error, NUL-terminated */
};

/* Starts it and waits: `deadline_ns` (monotonic) long at most, for `most` octets at most, and no longer than `stops`
 * says false. 0, or -errno: it was not started, and there is nothing to free. For a thread that may wait. */
int program_run(struct program_run *run, char *const *arguments, uint64_t deadline_ns, size_t most,
		bool (*stops)(void *context), void *context);
void program_run_free(struct program_run *run);
/* The same of the relay's own `postrider doctor --json`, with the file that the process was started with. */
int program_run_doctor(struct program_run *run, const struct config *config, uint64_t deadline_ns, size_t most,
		       bool (*stops)(void *context), void *context);

#endif
