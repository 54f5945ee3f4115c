/*
 * core/control/filter.h - which messages are meant: what a request says, key by key, and what it is compared with.
 *
 *     to, from      an address; `*` stands for anything: *@example.org. Case does not count
 *     client        the name of who sent it
 *     device        by its name in the inventory, as it was when the message came; case does not count
 *     destination   by name, where it is to go
 *     older, newer  than a duration: 1h, 30m, 2d
 *     state         of any of its deliveries: ready, deferred, active, held, kept, failed; several with commas
 *     attempts      so many at least
 *     error         part of the last reply; case does not count
 *
 * All that is given must fit, of any one of its recipients or deliveries.
 */
#ifndef POSTRIDER_CONTROL_FILTER_H
#define POSTRIDER_CONTROL_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"

enum { FILTER_TEXT_MAX = 320 };

/* Where a delivery stands, as people read it. */
enum stand {
	STAND_READY,    /* it goes as soon as a connection has room */
	STAND_DEFERRED, /* it waits for its time */
	STAND_ACTIVE,   /* it is being sent, or what became of it is being written */
	STAND_HELD,     /* by an operator */
	STAND_KEPT,     /* no destination takes it */
	STAND_FAILED,   /* nobody is left to be tried; its sender is to be told */
	STANDS,
};
const char *stand_name(enum stand stand);

struct filter {
	/* NUL-terminated; empty: any */
	char to[FILTER_TEXT_MAX], from[FILTER_TEXT_MAX], client[FILTER_TEXT_MAX], device[FILTER_TEXT_MAX],
		destination[FILTER_TEXT_MAX], error[FILTER_TEXT_MAX];
	uint64_t older_ns, newer_ns; /* 0: any */
	unsigned stands;             /* a bit for each; 0: any */
	unsigned attempts;
};

struct filter_problem {
	char text[512];
};

/* Takes one key. 1: it is one of ours; 0: it is none; -EINVAL with a *problem. `filter` is zeroed at first. */
int filter_take(struct filter *filter, const char *key, const char *value, struct filter_problem *problem);
/* What cannot be told from memory alone: envelopes must be read; the last reply, too. */
static inline bool filter_reads(const struct filter *filter)
{
	return filter->to[0] != '\0' || filter->from[0] != '\0' || filter->client[0] != '\0' ||
	       filter->device[0] != '\0' || filter->error[0] != '\0';
}
/* `pattern` with `*` against all of the text. */
bool filter_matches(const char *pattern, struct span text);
/* `part` is somewhere in it. */
bool filter_has(const char *part, struct span text);
/* A duration in nanoseconds: 90s, 15m, 4h, 2d, 1w. False: it is none. */
bool filter_duration(const char *text, uint64_t *ns);

#endif
