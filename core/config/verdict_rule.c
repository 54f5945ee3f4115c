/*
 * core/config/verdict_rule.c - see verdict_rule.h.
 */
#include "core/config/verdict_rule.h"

#include <assert.h>

const char *stage_name(enum stage stage)
{
	static const char *const names[] = {"connect", "tls",  "greeting", "ehlo", "starttls", "mail",
					    "rcpt",    "data", "content",  "quit", "auth"};

	static_assert(sizeof(names) / sizeof(names[0]) == STAGE_COUNT, "a name for each stage");
	return names[stage];
}

const char *reason_name(enum verdict_reason reason)
{
	static const char *const names[] = {"none",        "client", "blocked", "ehlo",    "tls",
					    "credentials", "sender", "relay",   "account", "not_accepted"};

	static_assert(sizeof(names) / sizeof(names[0]) == REASON_COUNT, "a name for each reason");
	return names[reason];
}

const char *action_name(enum verdict_action action)
{
	static const char *const names[] = {"sent", "defer",   "fail",          "hold",
					    "slow", "sign_in", "leave_mailbox", "other_path"};

	static_assert(sizeof(names) / sizeof(names[0]) == ACTION_COUNT, "a name for each action");
	return names[action];
}
