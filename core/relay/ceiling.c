/*
 * core/relay/ceiling.c - see ceiling.h.
 */
#include "core/relay/ceiling.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/config/config.h"

enum { ITEM_TEXT = 80 };

static void item(char *out, uint64_t each, uint64_t times, const char *what)
{
	if (each == 0)
		out[0] = '\0';
	else
		snprintf(out, ITEM_TEXT, ", %" PRIu64 " %s", each * times, what);
}

bool ceiling_text(const struct config_destination *destination, char *out, size_t size)
{
	const struct config_limits *limits = &destination->limits;
	uint64_t mailboxes = destination->mailbox_count ? destination->mailbox_count : 1;
	char minute[ITEM_TEXT], hour[ITEM_TEXT], octets[ITEM_TEXT], day[ITEM_TEXT], of[ITEM_TEXT] = "";

	if (!config_limited(limits))
		return false;
	item(minute, limits->messages_per_minute, mailboxes, "messages a minute");
	item(hour, limits->messages_per_hour, mailboxes, "messages an hour");
	item(octets, limits->octets_per_minute, mailboxes, "octets a minute");
	item(day, limits->recipients_per_day, mailboxes, "recipients a day");
	if (mailboxes > 1)
		snprintf(of, sizeof(of), ", of %" PRIu64 " mailboxes together", mailboxes);
	snprintf(out, size, "destination \"%.64s\" takes at most %u connections%s%s%s%s%s", destination->name,
		 config_connections(destination), minute, hour, octets, day, of);
	return true;
}
