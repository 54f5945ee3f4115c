/*
 * core/route/route.h - which destination takes a recipient.
 */
#ifndef POSTRIDER_ROUTE_ROUTE_H
#define POSTRIDER_ROUTE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"

struct config;
struct config_route;

/* What routes go by. */
struct route_question {
	struct span recipient, sender; /* mailboxes, "local@domain"; no sender: "" */
	size_t client, listener;       /* numbers from 1; 0: not known, and no route that names one matches */
	uint64_t size;                 /* announced; 0: was not */
};

/* The first that matches; NULL: none. */
const struct config_route *route_find(const struct config *config, const struct route_question *question);
/* "<>" is the empty address; else as in routes. */
bool route_address_matches(const char *pattern, struct span address);
/* The destination of that name, or -1 (it may have gone from the configuration since the mail was accepted). */
int route_destination(const struct config *config, const char *name, size_t length);

#endif
