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
struct config_destination;
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
/*
 * Which of the destination's mailboxes may send as this sender: a bit of `members` for each, ROUTE_MEMBERS() octets.
 * False: none. Its user may, and whom its patterns fit, local parts without case; "*" is for those whom no other fits.
 * Without a sender it is those with "<>", or else those with "*", or else any.
 */
#define ROUTE_MEMBERS(mailboxes) (((mailboxes) + 7) / 8)
bool route_mailboxes(const struct config_destination *destination, struct span sender, uint8_t *members);
/* The destination of that name, or -1 (it may have gone from the configuration since the mail was accepted). */
int route_destination(const struct config *config, const char *name, size_t length);

#endif
