/*
 * core/tools/suppress_batch.h - lines on their way into the suppression list, for `postrider suppress`.
 */
#ifndef POSTRIDER_TOOLS_SUPPRESS_BATCH_H
#define POSTRIDER_TOOLS_SUPPRESS_BATCH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/agents/suppression_file.h"

enum {
	SUPPRESS_NOT = 1,
	SUPPRESS_USAGE = 64,
	SUPPRESS_DATA = 65,
	SUPPRESS_FILE = 73,
	SUPPRESS_CONFIG = 78,
};

struct suppress_options {
	const char *config, *note;
	enum suppression_reason reason;
	bool json;
	char path[PATH_MAX];
};

/* Says it on standard error. Returns `status`. */
int suppress_fail(int status, const char *what, const char *why);

/* Where what begins with a quote has its other one; the length: nowhere. */
uint32_t suppress_closing(struct span s);
/* The name of one address, and nothing else; 0: it is none. */
size_t suppress_name(struct span text, char name[SMTP_PATH_MAX]);

struct suppress_batch {
	const struct suppress_options *options;
	char *text; /* owned */
	size_t length, lines, appended;
	int error;
};

/* False: no memory. */
bool suppress_begin(struct suppress_batch *b, const struct suppress_options *options);
/* What is not known of an entry otherwise. */
struct suppression_entry suppress_now(const struct suppress_options *o, bool removed);
/* The entry with this address. False: it is none. */
bool suppress_put(struct suppress_batch *b, struct span address, struct suppression_entry entry);
/* All of it is in the list, and in force. `live`: how many addresses are in it is to be known, which reads all of it.
 * The status. */
int suppress_end(struct suppress_batch *b, size_t *live);

#endif
