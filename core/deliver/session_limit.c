/*
 * core/deliver/session_limit.c - see session_limit.h.
 */
#include "core/deliver/session_limit.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "core/base/clock.h"

static void believe(struct session_limit *l, bool known, uint64_t now_ns)
{
	uint64_t seconds = SESSION_LIMIT_FIRST_S;
	unsigned i;

	l->known = known;
	if (known)
		l->times++;
	for (i = 1; i < l->times && seconds < SESSION_LIMIT_MAX_S; i++)
		seconds *= 2;
	if (seconds > SESSION_LIMIT_MAX_S)
		seconds = SESSION_LIMIT_MAX_S;
	l->until_ns = now_ns + seconds * CLOCK_NS_PER_S;
}

void session_limit_learn(struct session_limit *l, unsigned taken, bool said, uint64_t now_ns)
{
	assert(taken >= 1);
	/* Connections that were opened before it was known still run into it, and may have had more. */
	if (l->known && l->until_ns > now_ns && taken >= l->messages)
		return;
	if (taken != l->messages)
		l->times = 0;
	/* The same as before: the second time, or the first since it was to be found out anew. */
	said = said || taken == l->messages;
	l->messages = taken;
	believe(l, said, now_ns);
}

void session_limit_passed(struct session_limit *l, unsigned taken, uint64_t now_ns)
{
	if (l->messages != 0 && taken > l->messages && (!l->known || l->until_ns <= now_ns))
		*l = (struct session_limit){0};
}

static bool contains(const char *text, size_t length, const char *wanted)
{
	size_t n = strlen(wanted), i;

	for (i = 0; i + n <= length; i++) {
		if (strncasecmp(text + i, wanted, n) == 0)
			return true;
	}
	return false;
}

bool session_limit_told(const struct smtp_reply_parser *reply, unsigned taken)
{
	char enhanced[12];

	if (taken == 0 || reply->code < 400 || reply->code >= 500)
		return false;
	/* X.5.3 is "too many recipients" (RFC 3463 3.6), of which MAIL has none: OpenSMTPD means the session. */
	smtp_reply_enhanced(reply, enhanced);
	return strcmp(enhanced, "4.5.3") == 0 || contains(reply->text, reply->text_length, "too many messages");
}
