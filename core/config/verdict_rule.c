/*
 * core/config/verdict_rule.c - see verdict_rule.h.
 */
#include "core/config/verdict_rule.h"

#include <assert.h>
#include <string.h>

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

const struct verdict_sentence *verdict_sentence(const char *name)
{
	for (size_t i = 0; i < verdict_sentence_count; i++) {
		if (strcmp(verdict_sentences[i].name, name) == 0)
			return &verdict_sentences[i];
	}
	return NULL;
}

uint64_t verdict_pairs(const char *text, size_t length, bool pattern)
{
	uint64_t pairs = 0;

	for (size_t i = 1; i < length; i++) {
		if (pattern && (text[i - 1] == '*' || text[i] == '*'))
			continue;
		unsigned first = (unsigned char)verdict_fold(text[i - 1]),
			 second = (unsigned char)verdict_fold(text[i]);
		pairs |= UINT64_C(1) << ((first * 31 + second) & 63);
	}
	return pairs;
}
