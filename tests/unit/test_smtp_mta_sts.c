/*
 * tests/unit/test_smtp_mta_sts.c - core/smtp/mta_sts.c: records, policies and hosts of MTA-STS (RFC 8461; RELIABILITY
 * STS-01).
 */
#include "core/smtp/mta_sts.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

static void test_records(void)
{
	static const struct {
		const char *text;
		enum mta_sts_record result;
		const char *id;
	} table[] = {
		{"v=STSv1; id=20160831085700Z;", MTA_STS_GOOD, "20160831085700Z"},
		{"v=STSv1; id=20160831085700Z", MTA_STS_GOOD, "20160831085700Z"},
		{"v=STSv1;id=1", MTA_STS_GOOD, "1"},
		{"v=STSv1 ; \t id = 1 ; ", MTA_STS_GOOD, "1"},
		{"v=STSv1; id=12345678901234567890123456789012", MTA_STS_GOOD, "12345678901234567890123456789012"},
		{"v=STSv1; x-new.thing_2=a:b,c; id=1;", MTA_STS_GOOD, "1"}, /* what comes one day */
		{"v=STSv1; id=1; id=2;", MTA_STS_GOOD, "1"},
		/* Something else that lies there. */
		{"", MTA_STS_OTHER, ""},
		{"v=spf1 -all", MTA_STS_OTHER, ""},
		{"v=TLSRPTv1; rua=mailto:a@example.org", MTA_STS_OTHER, ""},
		{"v=STSv2; id=1", MTA_STS_OTHER, ""},
		{"V=STSv1; id=1", MTA_STS_OTHER, ""}, /* letters in their case (RFC 8461 3.1) */
		{" v=STSv1; id=1", MTA_STS_OTHER, ""},
		{"v=STSv1x; id=1", MTA_STS_OTHER, ""},
		{"id=1; v=STSv1", MTA_STS_OTHER, ""},
		/* Meant, and wrong. */
		{"v=STSv1", MTA_STS_BAD, ""},
		{"v=STSv1;", MTA_STS_BAD, ""},
		{"v=STSv1; id=", MTA_STS_BAD, ""},
		{"v=STSv1; id=2016-08-31;", MTA_STS_BAD, ""},
		{"v=STSv1; id=123456789012345678901234567890123", MTA_STS_BAD, ""},
		{"v=STSv1;; id=1", MTA_STS_BAD, ""},
		{"v=STSv1; id", MTA_STS_BAD, ""},
		{"v=STSv1; ID=1", MTA_STS_BAD, ""},
		{"v=STSv1; id=1; x=a b", MTA_STS_BAD, ""},
		{"v=STSv1; id=1; -x=a", MTA_STS_BAD, ""},
		{"v=STSv1; id=1; x=", MTA_STS_BAD, ""},
	};
	char id[MTA_STS_ID_MAX + 1];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		CHECK_EQ(mta_sts_record_parse(table[i].text, strlen(table[i].text), id), table[i].result);
		if (table[i].result == MTA_STS_GOOD)
			CHECK_STR(id, table[i].id);
	}
	CHECK_EQ(mta_sts_record_parse("v=STSv1; id=1\0;", 15, id), MTA_STS_BAD);
}

#define HEAD "version: STSv1\r\n"
#define NORMAL HEAD "mode: enforce\r\nmx: mail.example.org\r\nmx: *.example.net\r\nmax_age: 604800\r\n"

static void test_policies(void)
{
	static const struct {
		const char *text;
		const char *why; /* NULL: it is one */
		enum mta_sts_mode mode;
		uint32_t max_age_s;
		unsigned count;
	} table[] = {
		{NORMAL, NULL, MTA_STS_ENFORCE, 604800, 2},
		{"version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 1\n", NULL, MTA_STS_ENFORCE, 1, 1}, /* LF */
		{"version: STSv1\r\nmode: enforce\nmx: a.example\r\nmax_age: 1", NULL, MTA_STS_ENFORCE, 1, 1},
		{"version:STSv1\nmode:\ttesting  \nmx:a.example \nmax_age:  86400\t\n", NULL, MTA_STS_TESTING, 86400,
		 1},
		{"max_age: 1\nmx: a\nmode: testing\nversion: STSv1\n", NULL, MTA_STS_TESTING, 1, 1},
		{HEAD "mode: none\nmax_age: 86400\n", NULL, MTA_STS_NONE, 86400, 0},
		{HEAD "mode: none\nmx: a.example\nmax_age: 86400\n", NULL, MTA_STS_NONE, 86400, 1},
		{HEAD "mode: enforce\nmx: a.example\nmax_age: 0\n", NULL, MTA_STS_ENFORCE, 0, 1},
		{HEAD "mode: enforce\nmx: a.example\nmax_age: 31557600\n", NULL, MTA_STS_ENFORCE, 31557600, 1},
		{HEAD "mode: enforce\nmx: a.example\nmax_age: 31557601\n", NULL, MTA_STS_ENFORCE, 31557600, 1},
		{HEAD "mode: enforce\nmx: a.example\nmax_age: 9999999999\n", NULL, MTA_STS_ENFORCE, 31557600, 1},
		{HEAD "mode: enforce\nmx: a.example\nmax_age: 1\nx-new: whatever it is\nother_one: 1\n\r\n\n", NULL,
		 MTA_STS_ENFORCE, 1, 1},
		/* Addresses beside names. */
		{HEAD "mode: enforce\nmx: a.example\nmx: [192.0.2.1]\nmx: 2001:db8::25\nmx: [IPv6:2001:db8::25]\nmx: "
		      "192.0.2.1\nmax_age: 1\n",
		 NULL, MTA_STS_ENFORCE, 1, 2},
		/* Of what may come once the first counts. */
		{HEAD "mode: enforce\nmode: none\nmx: a.example\nmax_age: 9\nmax_age: 1\nversion: STSv2\n", NULL,
		 MTA_STS_ENFORCE, 9, 1},
		{HEAD "mode: testing\nmode: nonsense\nmx: a.example\nmax_age: 9\n", NULL, MTA_STS_TESTING, 9, 1},

		{"", "it has no version", 0, 0, 0},
		{"<!DOCTYPE html>\n<title>Not found</title>\n", "a line is no field", 0, 0, 0},
		{"mode: enforce\nmx: a.example\nmax_age: 1\n", "it has no version", 0, 0, 0},
		{"version: STSv2\nmode: enforce\nmx: a\nmax_age: 1\n", "its version is not STSv1", 0, 0, 0},
		{"version: stsv1\nmode: enforce\nmx: a\nmax_age: 1\n", "its version is not STSv1", 0, 0, 0},
		{HEAD "mx: a.example\nmax_age: 1\n", "it has no mode", 0, 0, 0},
		{HEAD "mode: Enforce\nmx: a.example\nmax_age: 1\n", "its mode is none that there is", 0, 0, 0},
		{HEAD "mode:\nmx: a.example\nmax_age: 1\n", "its mode is none that there is", 0, 0, 0},
		{HEAD "mode: enforce\nmx: a.example\n", "it has no max_age", 0, 0, 0},
		{HEAD "mode: enforce\nmax_age: 1\n", "it names no mx", 0, 0, 0},
		{HEAD "mode: testing\nmax_age: 1\n", "it names no mx", 0, 0, 0},
		{HEAD "mode: enforce\nnmx: a.example\nmax_age: 1\n", "it names no mx", 0, 0, 0},
		{HEAD "mode: enforce\nmx: [192.0.2.1]\nmax_age: 1\n", "it names no mx", 0, 0, 0},
		{HEAD "mode: enforce\nmx: a.example:25\nmx: [a b]\nmax_age: 1\n", "one of its mx is no host", 0, 0, 0},
		{HEAD "mode: enforce\nmx: a\nmax_age: -1\n", "its max_age is no number of seconds", 0, 0, 0},
		{HEAD "mode: enforce\nmx: a\nmax_age: 1d\n", "its max_age is no number of seconds", 0, 0, 0},
		{HEAD "mode: enforce\nmx: a\nmax_age: 12345678901\n", "its max_age is no number of seconds", 0, 0, 0},
		{HEAD "mode: enforce\nmx: *\nmax_age: 1\n", "one of its mx is no host", 0, 0, 0},
		{HEAD "mode: enforce\nmx: a.*.example\nmax_age: 1\n", "one of its mx is no host", 0, 0, 0},
		{HEAD "mode: enforce\nmx: mail*.example\nmax_age: 1\n", "one of its mx is no host", 0, 0, 0},
		{HEAD "mode: enforce\nmx: .example\nmax_age: 1\n", "one of its mx is no host", 0, 0, 0},
		{HEAD "mode: enforce\nmx: a..example\nmax_age: 1\n", "one of its mx is no host", 0, 0, 0},
		{HEAD "mode: enforce\nmx: a.example b.example\nmax_age: 1\n", "one of its mx is no host", 0, 0, 0},
		{HEAD "mode: enforce\nmx: a.example, b.example\nmax_age: 1\n", "one of its mx is no host", 0, 0, 0},
		{HEAD "mode: enforce\nmx:\nmax_age: 1\n", "one of its mx is no host", 0, 0, 0},
		{HEAD "nonsense\nmode: enforce\nmx: a\nmax_age: 1\n", "a line is no field", 0, 0, 0},
		{HEAD "-x: 1\nmode: enforce\nmx: a\nmax_age: 1\n", "a line is no field", 0, 0, 0},
		{HEAD "x: \nmode: enforce\nmx: a\nmax_age: 1\n", "a line is no field", 0, 0, 0},
		{"\xef\xbb\xbf" NORMAL, "a line is no field", 0, 0, 0},
	};
	const char *why;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int before = check_failures;
		struct mta_sts_policy *policy = mta_sts_policy_parse(table[i].text, strlen(table[i].text), &why);
		CHECK_STR(policy ? "" : why, table[i].why ? table[i].why : "");
		if (policy && !table[i].why) {
			CHECK_EQ(policy->mode, table[i].mode);
			CHECK_EQ(policy->max_age_s, table[i].max_age_s);
			CHECK_EQ(policy->pattern_count, table[i].count);
		}
		free(policy);
		if (check_failures != before)
			fprintf(stderr, "  %s\n", table[i].text);
	}
	CHECK(!mta_sts_policy_parse(NORMAL "mx: a\0b\n", sizeof(NORMAL "mx: a\0b\n") - 1, &why));
	CHECK_STR(why, "one of its mx is no host");
}

static void test_size(void)
{
	static char text[MTA_STS_POLICY_MAX + 2];
	size_t n = strlen(NORMAL);
	const char *why;

	memcpy(text, NORMAL, n);
	while (n + 15 <= MTA_STS_POLICY_MAX) {
		memcpy(text + n, "mx: a.example\r\n", 15);
		n += 15;
	}
	memset(text + n, '\n', sizeof(text) - n);
	struct mta_sts_policy *policy = mta_sts_policy_parse(text, MTA_STS_POLICY_MAX, &why);
	CHECK(policy && policy->pattern_count > 4000 && mta_sts_policy_names(policy, "a.example"));
	free(policy);
	CHECK(!mta_sts_policy_parse(text, MTA_STS_POLICY_MAX + 1, &why));
	CHECK_STR(why, "it is longer than any policy may be");
}

static void test_hosts(void)
{
	static const struct {
		const char *pattern, *host;
		bool named;
	} table[] = {
		{"mail.d.example", "mail.d.example", true},
		{"mail.d.example", "MAIL.D.example", true},
		{"Mail.D.Example", "mail.d.example.", true},
		{"mail.d.example.", "mail.d.example", true},
		{"mail.d.example", "xmail.d.example", false},
		{"mail.d.example", "d.example", false},
		{"mail.d.example", "mail.d.example.org", false},
		{"*.d.example", "a.d.example", true},
		{"*.d.example", "A.D.EXAMPLE.", true},
		{"*.d.example", "a.b.d.example", false},
		{"*.d.example", "d.example", false},
		{"*.d.example", ".d.example", false},
		{"*.d.example", "ad.example", false},
		{"*.d.example", "", false},
		{"*.d.example", "*.d.example", true},
		{"d.example", ".", false},
		{"xn--mller-kva.example", "xn--mller-kva.example", true},
		{"192.0.2.1", "192.0.2.1", true}, /* the name verifier will not have it */
	};
	char text[300];
	const char *why;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int n = snprintf(text, sizeof(text), HEAD "mode: enforce\nmax_age: 1\nmx: other.example\nmx: %s\n",
				 table[i].pattern);
		struct mta_sts_policy *policy = mta_sts_policy_parse(text, (size_t)n, &why);
		CHECK(policy != NULL);
		if (policy && mta_sts_policy_names(policy, table[i].host) != table[i].named) {
			fprintf(stderr, "  %s and %s\n", table[i].pattern, table[i].host);
			CHECK(false);
		}
		CHECK(policy && mta_sts_policy_names(policy, "other.example"));
		free(policy);
	}
}

int main(void)
{
	RUN(test_records);
	RUN(test_policies);
	RUN(test_size);
	RUN(test_hosts);
	return check_end();
}
