/*
 * tests/unit/test_session_limit.c - how many messages a host takes on one connection: said, learned, and forgotten.
 */
#include "core/deliver/session_limit.h"

#include <string.h>

#include "core/base/clock.h"
#include "tests/unit/check.h"

enum { MINUTE_S = 60 };

static const uint64_t now = 1000 * CLOCK_NS_PER_S;

static bool told(const char *reply, unsigned taken)
{
	struct smtp_reply_parser parser;
	size_t consumed;

	smtp_reply_start(&parser, NULL);
	CHECK_EQ(smtp_reply_parse(&parser, (const uint8_t *)reply, strlen(reply), &consumed), SMTP_REPLY_DONE);
	return session_limit_told(&parser, taken);
}

static void test_told(void)
{
	/* OpenSMTPD, and servers that say it in words. */
	CHECK(told("452 4.5.3 Too many messages sent\r\n", 100));
	CHECK(told("452 4.5.3 Limit\r\n", 1));
	CHECK(told("450 4.7.0 too many messages in this session\r\n", 3));
	CHECK(told("452-4.3.1 Sorry,\r\n452 4.3.1 Too Many Messages\r\n", 3));
	/* On a connection that has taken none it is about something else. */
	CHECK(!told("452 4.5.3 Too many messages sent\r\n", 0));
	/* Verdicts. */
	CHECK(!told("552 5.5.3 Too many messages\r\n", 100));
	CHECK(!told("250 2.1.0 too many messages\r\n", 100));
	CHECK(!told("452 4.3.1 Insufficient system storage\r\n", 100));
	CHECK(!told("450 4.7.1 Greylisted\r\n", 100));
	CHECK(!told("452 4.5.30 x\r\n", 100));
}

static void learn(struct session_limit *l, unsigned taken, uint64_t at)
{
	session_limit_learn(l, taken, false, at);
}

static void test_suspected(void)
{
	struct session_limit l = {0};

	CHECK_EQ(session_limit_now(&l, 0, now), 0);
	CHECK_EQ(session_limit_now(&l, 5000, now), 5000);
	CHECK_EQ(session_limit_suspected(&l, now), 0);
	learn(&l, 7, now);
	CHECK_EQ(session_limit_now(&l, 5000, now), 5000);
	CHECK_EQ(session_limit_suspected(&l, now), 7);
	/* Another end elsewhere is another suspicion. */
	learn(&l, 10, now + 1);
	CHECK_EQ(session_limit_now(&l, 0, now + 1), 0);
	CHECK_EQ(session_limit_suspected(&l, now + 1), 10);
	/* The same again. */
	learn(&l, 10, now + 2);
	CHECK_EQ(session_limit_now(&l, 0, now + 2), 10);
	CHECK_EQ(session_limit_now(&l, 5000, now + 2), 10);
	CHECK_EQ(session_limit_now(&l, 5, now + 2), 5);
	CHECK_EQ(session_limit_suspected(&l, now + 2), 0);
	/* Connections from before. */
	learn(&l, 12, now + 3);
	CHECK_EQ(session_limit_now(&l, 0, now + 3), 10);
	/* An end before what is known may be the host's new mind. */
	learn(&l, 5, now + 4);
	CHECK_EQ(session_limit_now(&l, 0, now + 4), 0);
	CHECK_EQ(session_limit_suspected(&l, now + 4), 5);
	CHECK_EQ(session_limit_suspected(&l, now + MINUTE_S * CLOCK_NS_PER_S + 4), 0);
}

static void test_said(void)
{
	struct session_limit l = {0};

	session_limit_learn(&l, 100, true, now);
	CHECK_EQ(session_limit_now(&l, 0, now), 100);
	CHECK_EQ(session_limit_now(&l, 0, now + MINUTE_S * CLOCK_NS_PER_S - 1), 100);
	CHECK_EQ(session_limit_now(&l, 0, now + MINUTE_S * CLOCK_NS_PER_S), 0);
	CHECK_EQ(session_limit_suspected(&l, now + MINUTE_S * CLOCK_NS_PER_S), 0);
}

/* Each time it is found again it is believed for twice as long, an hour at most; once is enough then. */
static void test_longer(void)
{
	static const unsigned minutes[] = {1, 2, 4, 8, 16, 32, 60, 60};
	struct session_limit l = {0};
	uint64_t at = now;

	learn(&l, 100, at);
	for (size_t i = 0; i < sizeof(minutes) / sizeof(minutes[0]); i++) {
		learn(&l, 100, at);
		at += minutes[i] * MINUTE_S * CLOCK_NS_PER_S;
		CHECK_EQ(session_limit_now(&l, 0, at - 1), 100);
		CHECK_EQ(session_limit_now(&l, 0, at), 0);
	}
}

/* A connection that takes more says that it was something else. */
static void test_passed(void)
{
	struct session_limit l = {0};
	uint64_t later = now + 2 * MINUTE_S * CLOCK_NS_PER_S;

	learn(&l, 7, now);
	session_limit_passed(&l, 7, now);
	CHECK_EQ(session_limit_suspected(&l, now), 7);
	session_limit_passed(&l, 8, now);
	CHECK_EQ(session_limit_suspected(&l, now), 0);
	learn(&l, 7, now);
	CHECK_EQ(session_limit_now(&l, 0, now), 0);
	learn(&l, 7, now);
	/* While it is known, a connection from before may have had more. */
	session_limit_passed(&l, 50, now);
	CHECK_EQ(session_limit_now(&l, 0, now), 7);
	session_limit_passed(&l, 8, later);
	learn(&l, 7, later);
	CHECK_EQ(session_limit_now(&l, 0, later), 0);
}

int main(void)
{
	RUN(test_told);
	RUN(test_suspected);
	RUN(test_said);
	RUN(test_longer);
	RUN(test_passed);
	return check_end();
}
