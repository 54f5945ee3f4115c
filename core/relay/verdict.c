/*
 * core/relay/verdict.c - see verdict.h.
 */
#include "core/relay/verdict.h"

#include <assert.h>

const char *stage_name(enum stage stage)
{
	static const char *const names[] = {"connect", "tls",  "greeting", "ehlo",    "starttls",
					    "mail",    "rcpt", "data",     "content", "quit"};

	static_assert(sizeof(names) / sizeof(names[0]) == STAGE_QUIT + 1, "a name for each stage");
	return names[stage];
}

enum verdict verdict_reply(enum stage stage, unsigned code)
{
	if (stage < STAGE_MAIL)
		return code >= 200 && code < 300 ? VERDICT_SENT : VERDICT_DEFER;
	if (code >= 200 && code < 300)
		return VERDICT_SENT;
	if (stage == STAGE_DATA && code == 354)
		return VERDICT_SENT;
	/* 503: the next hop lost track of the sequence, which says nothing about the message. */
	if (code == 503)
		return VERDICT_DEFER;
	/* TLS or authentication missing or refused (RFC 3207 4, RFC 4954 6): our set-up is wrong, not the message. */
	if (code == 530 || code == 534 || code == 535 || code == 538)
		return VERDICT_DEFER;
	/* RFC 5321 4.5.3.1.10: 552 for a recipient means "too many" at some hosts and is to be tried again. */
	if (stage == STAGE_RCPT && code == 552)
		return VERDICT_DEFER;
	if (code >= 500 && code < 600)
		return VERDICT_FAIL;
	return VERDICT_DEFER;
}

bool verdict_expired(uint64_t age_ns, uint64_t uptime_ns, uint64_t expire_ns, unsigned attempts_seen)
{
	const uint64_t hour_ns = UINT64_C(3600) * 1000000000;

	return attempts_seen >= 2 && age_ns > expire_ns && uptime_ns >= (expire_ns < hour_ns ? expire_ns : hour_ns);
}
