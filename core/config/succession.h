/*
 * core/config/succession.h - may a configuration that was read anew follow the one in force, in a running process?
 *
 * What stands is told by names: a destination, client or listener of the same name is the same. Destinations keep the
 * place they have, so that an index means the same before and after; one that the new file does not have leaves an
 * empty place with its name (`gone`), in case it comes back, until nothing refers to it and another needs it. What
 * memory, files and threads were made for at the start cannot change; each such difference is a sentence, and nothing
 * is done where there is one.
 */
#ifndef POSTRIDER_CONFIG_SUCCESSION_H
#define POSTRIDER_CONFIG_SUCCESSION_H

#include "core/config/config.h"

/* What the process was made for. */
struct config_bounds {
	unsigned connections; /* of clients, at most */
	size_t destinations;  /* places, at most; those that are gone included */
	/* Nothing refers any more to the place of one that is gone, and it may be this destination's of `next` instead.
	 * NULL: none may. */
	bool (*free_for)(const void *context, const struct config *next, size_t destination, size_t place);
	const void *context;
};

/* True: `next` may follow, and its destinations stand where those of `running` do. False: it may not, *problems has all
 * that is in the way, and `next` is as it was. Without memory: false as well. */
bool config_succeed(struct config *next, const struct config *running, const struct config_bounds *bounds,
		    struct config_problems *problems);

/* A place for a destination that the configuration does not have, for mail that waits for it. Returns its index, or -1
 * without memory. */
int config_add_gone(struct config *config, const char *name, size_t length);

#endif
