/*
 * core/receive/archive.c - the copy of each message that a client's entry may ask for: one recipient more, whom the
 * header does not name. Where it cannot be one the message goes on without, and the operator hears of it.
 */
#include <string.h>
#include <strings.h>

#include "core/config/config.h"
#include "core/receive/policy.h"
#include "core/receive/session_private.h"
#include "core/receive/tell.h"

static bool is_recipient(const struct submission *m, struct span address)
{
	const char *at = letter_recipients(&m->letter);
	struct addressee who;

	for (uint32_t i = 0; i < m->recipients; i++) {
		at = addressee_read(at, &who);
		if (who.address.length == address.length &&
		    strncasecmp(who.address.data, address.data, address.length) == 0)
			return true;
	}
	return false;
}

void receive_archive(struct session *s)
{
	struct policy_room both;
	const struct config_policy *policy = receive_policy(s, &both);
	struct submission *m = s->message;
	const struct config_route *route;
	const char *problem = NULL;
	struct addressee who;
	struct span address;

	if (!policy || !policy->archive)
		return;
	address = span_text(policy->archive);
	if (is_recipient(m, address))
		return;
	route = receive_route(s, address);
	/* What becomes of it is not for the sender to hear: he does not know of it. */
	who = (struct addressee){.destination = route ? (uint16_t)route->destination : 0,
				 .notify = ENVELOPE_NOTIFY_NEVER | ENVELOPE_NOTIFY_UNKNOWN,
				 .address = address};
	if (!route || route->refuse)
		problem = "no route leads to it";
	else if (submission_add_recipient(m, &who) == SUBMISSION_ADDED)
		m->archived = true;
	else
		problem = "the message has as many recipients as there is room for";
	if (problem)
		tell_archive_left_out(s, address, problem);
}
