/* tests/unit/test_verdict.c - what a reply at each stage means, and when a message is too old. */
#include "core/relay/verdict.h"
#include "tests/unit/check.h"

enum { STAGES = STAGE_QUIT + 1 };

static const struct {
	enum stage stage;
	unsigned code;
	enum verdict verdict;
} table[] = {
	/* Before MAIL nothing speaks of the message: refusals of the host are never for good. */
	{STAGE_GREETING, 220, VERDICT_SENT},
	{STAGE_GREETING, 421, VERDICT_DEFER},
	{STAGE_GREETING, 521, VERDICT_DEFER},
	{STAGE_GREETING, 554, VERDICT_DEFER},
	{STAGE_EHLO, 250, VERDICT_SENT},
	{STAGE_EHLO, 500, VERDICT_DEFER},
	{STAGE_EHLO, 550, VERDICT_DEFER},
	{STAGE_EHLO, 354, VERDICT_DEFER},
	{STAGE_STARTTLS, 220, VERDICT_SENT},
	{STAGE_STARTTLS, 454, VERDICT_DEFER},
	{STAGE_STARTTLS, 502, VERDICT_DEFER},
	{STAGE_CONNECT, 0, VERDICT_DEFER},
	{STAGE_TLS, 0, VERDICT_DEFER},
	/* From MAIL on a 5xx is about this message. */
	{STAGE_MAIL, 250, VERDICT_SENT},
	{STAGE_MAIL, 421, VERDICT_DEFER},
	{STAGE_MAIL, 451, VERDICT_DEFER},
	{STAGE_MAIL, 452, VERDICT_DEFER},
	{STAGE_MAIL, 530, VERDICT_DEFER}, /* TLS or authentication first: our set-up, not the message */
	{STAGE_MAIL, 535, VERDICT_DEFER},
	{STAGE_MAIL, 531, VERDICT_FAIL},
	{STAGE_MAIL, 550, VERDICT_FAIL},
	{STAGE_MAIL, 552, VERDICT_FAIL},
	{STAGE_RCPT, 250, VERDICT_SENT},
	{STAGE_RCPT, 251, VERDICT_SENT},
	{STAGE_RCPT, 252, VERDICT_SENT},
	{STAGE_RCPT, 421, VERDICT_DEFER},
	{STAGE_RCPT, 450, VERDICT_DEFER},
	{STAGE_RCPT, 452, VERDICT_DEFER},
	{STAGE_RCPT, 550, VERDICT_FAIL},
	{STAGE_RCPT, 551, VERDICT_FAIL},
	{STAGE_RCPT, 552, VERDICT_DEFER}, /* RFC 5321 4.5.3.1.10: too many recipients */
	{STAGE_RCPT, 553, VERDICT_FAIL},
	{STAGE_RCPT, 554, VERDICT_FAIL},
	{STAGE_DATA, 354, VERDICT_SENT},
	{STAGE_DATA, 250, VERDICT_SENT}, /* that is BDAT's; transaction.c tells the two apart */
	{STAGE_DATA, 451, VERDICT_DEFER},
	{STAGE_DATA, 554, VERDICT_FAIL},
	{STAGE_CONTENT, 250, VERDICT_SENT},
	{STAGE_CONTENT, 354, VERDICT_DEFER}, /* content is not accepted by a "go on" */
	{STAGE_CONTENT, 421, VERDICT_DEFER},
	{STAGE_CONTENT, 452, VERDICT_DEFER},
	{STAGE_CONTENT, 550, VERDICT_FAIL},
	{STAGE_CONTENT, 552, VERDICT_FAIL},
	{STAGE_CONTENT, 554, VERDICT_FAIL},
	/* What is no SMTP code at all ends nothing for good. */
	{STAGE_MAIL, 0, VERDICT_DEFER},
	{STAGE_MAIL, 199, VERDICT_DEFER},
	{STAGE_MAIL, 300, VERDICT_DEFER},
	{STAGE_RCPT, 354, VERDICT_DEFER},
	{STAGE_CONTENT, 600, VERDICT_DEFER},
	{STAGE_CONTENT, 999, VERDICT_DEFER},
};

static void test_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		enum verdict found = verdict_reply(table[i].stage, table[i].code);
		if (found != table[i].verdict)
			fprintf(stderr, "%s %u\n", stage_name(table[i].stage), table[i].code);
		CHECK_EQ(found, table[i].verdict);
	}
}

/* Properties over every code: no 4xx ever fails, no 503 ever fails, nothing before MAIL ever fails. */
static void test_every_code(void)
{
	for (int stage = 0; stage < STAGES; stage++) {
		for (unsigned code = 0; code < 1000; code++) {
			enum verdict found = verdict_reply((enum stage)stage, code);
			bool positive = code >= 200 && code < 300;
			CHECK(found != VERDICT_FAIL ||
			      (stage >= STAGE_MAIL && code >= 500 && code < 600 && code != 503));
			CHECK((found == VERDICT_SENT) == (positive || (stage == STAGE_DATA && code == 354)));
		}
	}
}

static void test_names(void)
{
	CHECK_STR(stage_name(STAGE_CONNECT), "connect");
	CHECK_STR(stage_name(STAGE_STARTTLS), "starttls");
	CHECK_STR(stage_name(STAGE_CONTENT), "content");
	CHECK_STR(stage_name(STAGE_QUIT), "quit");
	for (int a = 0; a < STAGES; a++) {
		for (int b = 0; b < a; b++)
			CHECK(strcmp(stage_name((enum stage)a), stage_name((enum stage)b)) != 0);
	}
}

static void test_expired(void)
{
	const uint64_t minute = UINT64_C(60000000000), hour = 60 * minute, day = 24 * hour;

	CHECK(!verdict_expired(5 * day, day, 5 * day, 2)); /* exactly at the limit: one more try */
	CHECK(verdict_expired(5 * day + 1, day, 5 * day, 2));
	CHECK(verdict_expired(500 * day, day, 5 * day, 1000));
	/* Hardly tried, however old it looks (SYS-06). */
	CHECK(!verdict_expired(500 * day, day, 5 * day, 0));
	CHECK(!verdict_expired(500 * day, day, 5 * day, 1));
	/* A process that has only just started may have started with a wrong clock. */
	CHECK(!verdict_expired(500 * day, hour - 1, 5 * day, 1000));
	CHECK(verdict_expired(500 * day, hour, 5 * day, 1000));
	CHECK(!verdict_expired(hour, minute - 1, minute, 1000));
	CHECK(verdict_expired(hour, minute, minute, 1000));
}

int main(void)
{
	RUN(test_table);
	RUN(test_every_code);
	RUN(test_names);
	RUN(test_expired);
	return check_end();
}
