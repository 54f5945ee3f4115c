/*
 * core/deliver/outcome.h - what an attempt hands over when it is over: results are in, or the connection went away.
 */
#ifndef POSTRIDER_DELIVER_OUTCOME_H
#define POSTRIDER_DELIVER_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/span.h"
#include "core/deliver/verdict.h"

struct attempt;

struct outcome {
	enum outcome_kind kind;
	bool again;                    /* LOST, UNKNOWN: the first time, so at once, and no attempt is counted */
	const struct attempt *attempt; /* for its recipients' names; NULL: none was loaded */
	uint64_t started_ns;           /* when its first word was said; 0: it was not, or that is not known */
	const uint8_t *results;        /* per recipient of the delivery: enum attempt_result */
	struct span reply;             /* the most telling reply, or the reason */
	unsigned code;
	enum stage stage;
	int error;      /* DAMAGED: negative errno */
	bool host_held; /* HOLD, and it is the host that is held: there is no time to wait for */
};

#endif
