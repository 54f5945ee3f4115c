/*
 * core/events/confining.h - events of what the process has given up, and of what it was refused since.
 */
#ifndef POSTRIDER_EVENTS_CONFINING_H
#define POSTRIDER_EVENTS_CONFINING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/log.h"

struct event_confined {
	const char *seccomp, *landlock; /* "on", "off", "lacking" */
	bool ring;
	uint32_t user;
};
void event_confined(struct log *log, const struct event_confined *facts);
void event_runs_as_root(struct log *log);
/* `error`: errno of its making. `held`: it cannot be written later either, however it comes to be there. */
void event_directory_missing(struct log *log, const char *directory, int error, bool held);
void event_beside_ended(struct log *log);
void event_beside_silent(struct log *log, pid_t pid);
void event_beside_answers(struct log *log);

struct event_call_refused {
	const char *call; /* "" where it has no name here */
	uint64_t number, thread, first, second, third;
};
void event_call_refused(struct log *log, const struct event_call_refused *facts);

#endif
