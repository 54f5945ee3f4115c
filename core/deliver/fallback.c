/*
 * core/deliver/fallback.c - see fallback.h.
 */
#include "core/deliver/fallback.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "core/smtp/enhanced.h"

uint64_t lesson_life_ns(enum lesson lesson)
{
	return lesson == LESSON_CLEAR ? LESSON_CLEAR_NS : LESSON_NS;
}

void lesson_learn(struct lessons *lessons, enum lesson lesson, uint64_t now_ns)
{
	assert(lesson != LESSON_NONE);
	lessons->until_ns[lesson] = now_ns + lesson_life_ns(lesson);
	if (lessons->last_ns < lessons->until_ns[lesson])
		lessons->last_ns = lessons->until_ns[lesson];
}

void lesson_forget(struct lessons *lessons, enum lesson lesson)
{
	lessons->until_ns[lesson] = 0;
}

const char *lesson_name(enum lesson lesson)
{
	static const char *const names[] = {"",
					    "CHUNKING",
					    "PIPELINING",
					    "commands behind a message",
					    "messages without RSET",
					    "MAIL parameters",
					    "DSN",
					    "the null sender",
					    "EHLO",
					    "TLS"};

	static_assert(sizeof(names) / sizeof(names[0]) == LESSON_COUNT, "a name for each lesson");
	return names[lesson];
}

/* Unknown, not implemented, bad sequence: the command itself (RFC 5321 4.2.4). */
static bool command_unknown(unsigned code)
{
	return code == 500 || code == 502 || code == 503;
}

/* Its arguments or parameters. */
static bool syntax_unknown(unsigned code)
{
	return code == 501 || code == 504 || code == 555;
}

/* An enhanced code may say that it is about an address, the content or a policy after all (RFC 3463 3). */
static bool about_protocol(unsigned code, struct span text)
{
	uint32_t enhanced = smtp_enhanced_code(code, text);

	switch (smtp_enhanced_subject(enhanced)) {
	case 0: /* none, or X.0.0 */
	case 5:
		return true;
	case 3: /* "5.3.3 Unrecognized command", and not "5.3.4 Message too big" */
		return smtp_enhanced_detail(enhanced) == 3;
	default:
		return false;
	}
}

static enum lesson mail_lesson(const struct fallback_fact *fact)
{
	/* It has a transaction open, or it takes no command here. */
	if (fact->code == 503)
		return fact->behind      ? LESSON_ALONE
		       : fact->later     ? LESSON_RESET
		       : fact->pipelined ? LESSON_NO_PIPELINING
					 : LESSON_NONE;
	if (fact->parameters)
		return LESSON_PLAIN_MAIL;
	return fact->pipelined && command_unknown(fact->code) ? LESSON_NO_PIPELINING : LESSON_NONE;
}

static bool names(struct span text, const char *word)
{
	size_t length = strlen(word);

	for (uint32_t at = 0; at + length <= text.length; at++) {
		if (strncasecmp(text.data + at, word, length) == 0)
			return true;
	}
	return false;
}

/* The recipient may be a good one: OpenSMTPD says 553 to an ORCPT that it does not like. */
static bool about_dsn(const struct fallback_fact *fact)
{
	return fact->wishes && fact->command == FALLBACK_RCPT && fact->code >= 500 &&
	       (names(fact->text, "ORCPT") || names(fact->text, "NOTIFY"));
}

/* Providers have many words for a sender that is none of their customer's. */
static bool about_sender(const struct fallback_fact *fact)
{
	if (!fact->unnamed || fact->code < 500 || command_unknown(fact->code))
		return false;
	return fact->command == FALLBACK_MAIL ||
	       (fact->command == FALLBACK_RCPT &&
		smtp_enhanced_subject(smtp_enhanced_code(fact->code, fact->text)) == 7);
}

enum lesson fallback_lesson(const struct fallback_fact *fact)
{
	bool unknown = command_unknown(fact->code);

	if (about_dsn(fact))
		return LESSON_NO_DSN;
	if (about_sender(fact))
		return LESSON_NAMED;

	if ((!unknown && !syntax_unknown(fact->code)) || !about_protocol(fact->code, fact->text))
		return LESSON_NONE;
	switch (fact->command) {
	case FALLBACK_RSET: /* it may be RSET alone that is refused, and what is behind it taken: MAIL's reply tells */
		return LESSON_NONE;
	case FALLBACK_MAIL:
		return mail_lesson(fact);
	case FALLBACK_RCPT: /* without a parameter its syntax is the address */
		if (fact->wishes && !unknown)
			return LESSON_NO_DSN;
		/* fall through */
	case FALLBACK_DATA:
		return unknown && fact->pipelined ? LESSON_NO_PIPELINING : LESSON_NONE;
	case FALLBACK_BDAT:
		return LESSON_NO_CHUNKING;
	case FALLBACK_END:
		break;
	}
	return LESSON_NONE;
}

bool fallback_misfit(const struct fallback_fact *fact)
{
	uint32_t enhanced;
	unsigned subject;

	if (!fact->enhanced || !fact->pipelined || fact->code >= 300)
		return false;
	enhanced = smtp_enhanced_code(fact->code, fact->text);
	if (enhanced == 0)
		return false;
	subject = smtp_enhanced_subject(enhanced);
	switch (fact->command) {
	case FALLBACK_RSET:
	case FALLBACK_MAIL: /* 2.1.5: "destination address valid"; 2.6.z speaks of content */
		return subject == 6 || (subject == 1 && smtp_enhanced_detail(enhanced) == 5);
	case FALLBACK_RCPT:
		return subject == 6;
	case FALLBACK_DATA:
		return false; /* its yes is 3yz */
	case FALLBACK_BDAT:
	case FALLBACK_END:
		return subject == 1; /* an address */
	}
	return false;
}
