/* tests/unit/test_refusals.c - of each peer so many refusals are told in a minute, and no passwords are. */
#include "core/receive/refusals.h"

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "tests/unit/check.h"

static const uint64_t minute_ns = 60 * CLOCK_NS_PER_S;
static struct refusals refusals;

static struct ring_address peer(const char *text)
{
	struct ring_address address;

	CHECK(address_text_numeric(text, 1, &address));
	return address;
}

/* How many of `count` are told. */
static unsigned told(const char *text, uint64_t now_ns, unsigned count)
{
	struct ring_address address = peer(text);
	unsigned n = 0;
	uint32_t untold;

	while (count-- > 0)
		n += refusals_tell(&refusals, &address, now_ns, &untold);
	return n;
}

static void test_bound(void)
{
	struct ring_address address = peer("192.0.2.1");
	uint32_t untold = 99;

	refusals_init(&refusals, 1);
	CHECK(refusals_tell(&refusals, &address, 5 * minute_ns, &untold));
	CHECK_EQ(untold, 0);
	CHECK_EQ(told("192.0.2.1", 5 * minute_ns, 1000), REFUSALS_A_MINUTE - 1);
	CHECK_EQ(told("192.0.2.1", 6 * minute_ns - 1, 7), 0);
	/* The next that is told says how many were not. */
	CHECK(refusals_tell(&refusals, &address, 6 * minute_ns, &untold));
	CHECK_EQ(untold, 1000 - (REFUSALS_A_MINUTE - 1) + 7);
	CHECK(refusals_tell(&refusals, &address, 6 * minute_ns, &untold));
	CHECK_EQ(untold, 0);
}

static void test_peers(void)
{
	refusals_init(&refusals, 1);
	CHECK_EQ(told("192.0.2.1", 0, 1000), REFUSALS_A_MINUTE);
	CHECK_EQ(told("192.0.2.2", 0, 1000), REFUSALS_A_MINUTE);
	CHECK_EQ(told("2001:db8::1", 0, 1000), REFUSALS_A_MINUTE);
	/* One site, and one address in two forms. */
	CHECK_EQ(told("2001:db8::ffff:2", 0, 1), 0);
	CHECK_EQ(told("2001:db8:0:1::1", 0, 1), 1);
	CHECK_EQ(told("::ffff:192.0.2.1", 0, 1), 0);
}

/* Sessions that want nothing: a check every two seconds is ten lines an hour. */
static void test_quiet(void)
{
	struct ring_address address = peer("192.0.2.1");
	uint32_t untold = 0;
	unsigned n = 0;

	refusals_init_quiet(&refusals, 1);
	for (uint64_t at = 0; at < 3600; at += 2)
		n += told("192.0.2.1", at * CLOCK_NS_PER_S, 1);
	CHECK_EQ(n, REFUSALS_QUIET_AN_HOUR);
	CHECK(refusals_tell(&refusals, &address, 3600 * CLOCK_NS_PER_S, &untold));
	CHECK_EQ(untold, 1800 - REFUSALS_QUIET_AN_HOUR);
}

/* However many addresses: what is told in all is bounded. */
static void test_many(void)
{
	unsigned n = 0;
	char text[16];

	refusals_init(&refusals, 7);
	for (unsigned i = 0; i < 65536; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", i >> 8, i & 255);
		n += told(text, 0, 2);
	}
	CHECK_EQ(n, REFUSALS_PLACES * REFUSALS_A_MINUTE);
}

static const struct {
	const char *line;
	enum smtp_verb verb;
	bool after_auth;
	const char *shown;
} table[] = {
	{"RCPT TO:<a@b> X=1", SMTP_RCPT, false, "RCPT TO:<a@b> X=1"},
	{"RCPT TO:<a@b>", SMTP_RCPT, true, "RCPT TO:<a@b>"},
	{"DATA", SMTP_DATA, false, "DATA"},
	{"AUTH PLAIN AHVzZXIAc2VjcmV0", SMTP_AUTH, false, "AUTH PLAIN"},
	{"auth  login\tdXNlcg==", SMTP_AUTH, false, "auth  login"},
	{"AUTH", SMTP_AUTH, false, "AUTH"},
	{"dXNlcg==", SMTP_UNKNOWN, true, ""},
	{" AUTH PLAIN AHVzZXIAc2VjcmV0", SMTP_UNKNOWN, false, " AUTH"},
	{"PASS secret", SMTP_UNKNOWN, false, "PASS"},
	{"GET /?token=1 HTTP/1.1", SMTP_FOREIGN, false, "GET"},
	{"", SMTP_UNKNOWN, false, ""},
};

static void test_command(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct span shown = refusals_command(span_text(table[i].line), table[i].verb, table[i].after_auth);

		CHECK_EQ(shown.length, strlen(table[i].shown));
		CHECK(memcmp(shown.data, table[i].shown, shown.length) == 0);
	}
}

int main(void)
{
	RUN(test_bound);
	RUN(test_peers);
	RUN(test_quiet);
	RUN(test_many);
	RUN(test_command);
	return check_end();
}
