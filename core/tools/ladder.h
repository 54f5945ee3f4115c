/*
 * core/tools/ladder.h - what `doctor` and `probe` found, rung by rung: what was looked at, how it is, what to do.
 *
 * For people as it comes, a line each; for programs (--json) one object a line for each target, at its end. The texts
 * never have a secret in them, and nothing but printable ASCII: what a peer sent is quoted.
 */
#ifndef POSTRIDER_TOOLS_LADDER_H
#define POSTRIDER_TOOLS_LADDER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum rung_result {
	RUNG_OK,
	RUNG_NOTE,    /* not looked at, and why */
	RUNG_WARNING, /* it goes on, but somebody should know */
	RUNG_BROKEN,  /* here it ends */
};
enum { RUNGS_MAX = 48, RUNG_TEXT = 700, RUNG_ADVICE = 900 };

struct rung {
	const char *name; /* static */
	enum rung_result result;
	uint64_t took_ms;
	char text[RUNG_TEXT], advice[RUNG_ADVICE]; /* advice: "" where there is nothing to do */
};

struct ladder {
	FILE *out; /* NULL: nothing is written */
	bool json;
	const char *destination; /* of the configuration; NULL: none */
	char target[300];        /* "smtp.example.org:587" */
	uint64_t rung_ns;        /* when the one that comes next was begun */
	unsigned count, broken, warnings;
	struct rung rungs[RUNGS_MAX];
};

/* Of one target. */
__attribute__((format(printf, 3, 4))) void ladder_begin(struct ladder *ladder, const char *destination,
							const char *format, ...);
/* One more rung. The text is a format; advice follows with ladder_advise(). */
__attribute__((format(printf, 4, 5))) void ladder_add(struct ladder *ladder, const char *name, enum rung_result result,
						      const char *format, ...);
/* What to do about the last one; a second time: a further sentence. */
__attribute__((format(printf, 2, 3))) void ladder_advise(struct ladder *ladder, const char *format, ...);
/* All is said. True: nothing was broken. */
bool ladder_end(struct ladder *ladder);

#endif
