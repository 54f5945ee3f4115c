/*
 * test_smtp_parameters.c - parameters of MAIL and RCPT: what RFC 3461, 6533, 4954, 8689 and 4865 allow, what people
 * have been seen to send beside that, and that a wrong one is wrong (PAR-02, PAR-03).
 */
#include "core/smtp/parameters.h"

#include <stdlib.h>
#include <string.h>

#include "core/smtp/xtext.h"
#include "tests/unit/check.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* "KEYWORD=value" in memory of its own. */
static enum parameter_result take(void *out, bool mail, enum smtp_syntax syntax, const char *text, char **copy)
{
	size_t length = strlen(text), keyword = strcspn(text, "=");
	struct span name, value;
	bool given = keyword < length;

	*copy = malloc(length ? length : 1);
	memcpy(*copy, text, length);
	name = (struct span){*copy, (uint32_t)keyword};
	value = (struct span){*copy + keyword + given, (uint32_t)(length - keyword - given)};
	return mail ? parameter_of_mail(out, syntax, name, value, given)
		    : parameter_of_rcpt(out, syntax, name, value, given);
}

static bool is(struct span s, const char *text)
{
	return s.length == strlen(text) && (s.length == 0 || memcmp(s.data, text, s.length) == 0);
}

static void test_notify(void)
{
	enum { N = SMTP_NOTIFY_NEVER, S = SMTP_NOTIFY_SUCCESS, F = SMTP_NOTIFY_FAILURE, D = SMTP_NOTIFY_DELAY };
	static const struct {
		const char *text;
		unsigned notify; /* 0: it is wrong */
	} table[] = {
		{"NOTIFY=NEVER", N},
		{"notify=never", N},
		{"NOTIFY=SUCCESS", S},
		{"NOTIFY=FAILURE,SUCCESS", S | F},
		{"NOTIFY=SUCCESS,FAILURE,DELAY", S | F | D},
		{"NOTIFY=Delay,failure", F | D},
		/* Contradictions, repetitions, what is no word. */
		{"NOTIFY=NEVER,SUCCESS", 0},
		{"NOTIFY=SUCCESS,NEVER", 0},
		{"NOTIFY=SUCCESS,SUCCESS", 0},
		{"NOTIFY=", 0},
		{"NOTIFY=,", 0},
		{"NOTIFY=SUCCESS,", 0}, /* a library for ESP32 */
		{"NOTIFY=,SUCCESS", 0},
		{"NOTIFY=SUCCESS;FAILURE", 0},
		{"NOTIFY=ALWAYS", 0},
		{"NOTIFY=SUCCES", 0},
		{"NOTIFY=RELAY", 0},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct smtp_rcpt_parameters p = {0};
		char *copy;
		enum parameter_result result = take(&p, false, SMTP_SYNTAX_STRICT, table[i].text, &copy);
		CHECK_EQ(result, table[i].notify ? PARAMETER_TAKEN : PARAMETER_BAD);
		CHECK_EQ(p.notify, table[i].notify);
		free(copy);
		/* A device's is let go. */
		p = (struct smtp_rcpt_parameters){0};
		CHECK_EQ(take(&p, false, SMTP_SYNTAX_TOLERANT, table[i].text, &copy), PARAMETER_TAKEN);
		CHECK_EQ(p.notify, table[i].notify);
		free(copy);
	}
}

static void test_orcpt(void)
{
	static const struct {
		const char *text;
		bool good;
	} table[] = {
		{"ORCPT=rfc822;a@example.com", true},
		{"ORCPT=RFC822;a@example.com", true},
		{"ORCPT=rfc822;a+2Bb@example.com", true},
		/* A quoted local part with a space: Exchange's and Lotus Notes' habit. */
		{"ORCPT=rfc822;\"a+20b\"@example.com", true},
		{"ORCPT=X400;/C=US", false}, /* "=" is not xtext */
		{"ORCPT=X400;/C+3DUS", true},
		{"ORCPT=x-local-addr;a", true},
		{"ORCPT=utf-8;a@example.com", true},
		{"ORCPT=utf-8;\\x{E9}t\\x{E9}@example.com", true},
		{"ORCPT=UTF-8;\\x{10FFFF}@example.com", true},
		{"ORCPT=utf-8;a\\x{5C}b\\x{2B}\\x{3D}\\x{20}", true},
		{"ORCPT=utf-8;a+20b", true},                /* xtext is allowed by RFC 3461 for any type */
		{"ORCPT=rfc822;\\x{E9}@example.com", true}, /* there it says nothing more than what stands there */
		{"ORCPT=", false},
		{"ORCPT=a@example.com", false},
		{"ORCPT=rfc822;", false},
		{"ORCPT=;a@example.com", false},
		{"ORCPT=rfc 822;a", false},
		{"ORCPT=rfc822:a@example.com", false},
		{"ORCPT=(x);a", false},
		{"ORCPT=rfc822;a b@example.com", false},
		{"ORCPT=rfc822;a+@example.com", false},
		{"ORCPT=rfc822;a+2", false},
		{"ORCPT=rfc822;a+", false},
		{"ORCPT=rfc822;a+ZZb", false},
		/* Small digits: Exchange's. */
		{"ORCPT=rfc822;a+2bb@example.com", true},
		{"ORCPT=rfc822;a+0ab@example.com", false},
		/* A local name that an alias was expanded from: Postfix's, which OpenSMTPD 6.7 began to refuse. */
		{"ORCPT=rfc822;root", true},
		{"ORCPT=rfc822;a+0Ab@example.com", false},
		{"ORCPT=rfc822;a+0Db@example.com", false},
		{"ORCPT=rfc822;a+00b@example.com", false},
		{"ORCPT=rfc822;a+7Fb@example.com", false},
		{"ORCPT=rfc822;a+C3+A9@example.com", false},
		{"ORCPT=rfc822;\xc3\xa9@example.com", false},
		{"ORCPT=utf-8;a=\\x{E9}", false},
		{"ORCPT=utf-8;a+20\\x{E9}", false},
		/* Control characters, surrogates, what is none, more digits than it takes, what is printed anyway. */
		{"ORCPT=utf-8;\\x{0A}", false},
		{"ORCPT=utf-8;\\x{85}", false},
		{"ORCPT=utf-8;\\x{D800}", false},
		{"ORCPT=utf-8;\\x{110000}", false},
		{"ORCPT=utf-8;\\x{00E9}", false},
		{"ORCPT=utf-8;\\x{e9}", false},
		{"ORCPT=utf-8;\\x{61}", false},
		{"ORCPT=utf-8;\\x{}", false},
		{"ORCPT=utf-8;\\x{E9", false},
		{"ORCPT=utf-8;\\", false},
		{"ORCPT=utf-8;\\xE9", false},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct smtp_rcpt_parameters p = {0};
		char *copy;
		enum parameter_result result = take(&p, false, SMTP_SYNTAX_STRICT, table[i].text, &copy);
		if (result != (table[i].good ? PARAMETER_TAKEN : PARAMETER_BAD))
			fprintf(stderr, "%s\n", table[i].text);
		CHECK_EQ(result, table[i].good ? PARAMETER_TAKEN : PARAMETER_BAD);
		CHECK(is(p.orcpt, table[i].good ? strchr(table[i].text, '=') + 1 : ""));
		free(copy);
		p = (struct smtp_rcpt_parameters){0};
		CHECK_EQ(take(&p, false, SMTP_SYNTAX_TOLERANT, table[i].text, &copy), PARAMETER_TAKEN);
		CHECK(is(p.orcpt, table[i].good ? strchr(table[i].text, '=') + 1 : ""));
		free(copy);
	}
}

/* Letters as they are (utf-8-addr-unitext); whole, and no control characters. */
static void test_orcpt_letters(void)
{
	static const struct {
		const char *text;
		bool good;
	} table[] = {
		{"ORCPT=utf-8;\xc3\xa9@example.com", true},
		{"ORCPT=utf-8;\xe4\xbd\xa0\\x{E9}@\xf0\x90\x80\x80.example", true},
		{"ORCPT=utf-8;\xc3@example.com", false},
		{"ORCPT=utf-8;a\xc3", false},
		{"ORCPT=utf-8;\xed\xa0\x80", false},
		{"ORCPT=utf-8;\xc0\xaf", false},
		{"ORCPT=utf-8;\xc2\x85", false},
		{"ORCPT=utf-8;\xc3\xa9+2B", false},
		{"ORCPT=utf-8;\xc3\xa9 b", false},
		{"ORCPT=x-utf-8;\xc3\xa9@example.com", false},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct smtp_rcpt_parameters p = {0};
		char *copy;
		CHECK_EQ(take(&p, false, SMTP_SYNTAX_STRICT, table[i].text, &copy),
			 table[i].good ? PARAMETER_TAKEN : PARAMETER_BAD);
		CHECK_EQ(p.orcpt_wide, table[i].good);
		free(copy);
	}
}

/* As anybody may be told it. */
static void test_orcpt_ascii(void)
{
	static const struct {
		const char *text, *ascii;
	} table[] = {
		{"utf-8;a@b", "utf-8;a@b"},
		{"utf-8;\xc3\xa9\\x{E9}@b", "utf-8;\\x{E9}\\x{E9}@b"},
		{"utf-8;\xe4\xbd\xa0\xf4\x8f\xbf\xbf", "utf-8;\\x{4F60}\\x{10FFFF}"},
	};
	char room[PARAMETERS_ORCPT_MAX], longest[PARAMETERS_ORCPT_MAX + 1];
	struct span out;

	for (size_t i = 0; i < COUNT(table); i++) {
		CHECK(parameter_orcpt_ascii((struct span){table[i].text, (uint32_t)strlen(table[i].text)}, room, &out));
		CHECK(is(out, table[i].ascii));
	}
	memset(longest, 'x', sizeof(longest));
	CHECK(parameter_orcpt_ascii((struct span){longest, PARAMETERS_ORCPT_MAX}, room, &out));
	CHECK(!parameter_orcpt_ascii((struct span){longest, PARAMETERS_ORCPT_MAX + 1}, room, &out));
	memcpy(longest, "\xc3\xa9", 2);
	CHECK(!parameter_orcpt_ascii((struct span){longest, PARAMETERS_ORCPT_MAX}, room, &out));
	CHECK(parameter_orcpt_ascii((struct span){longest, PARAMETERS_ORCPT_MAX - 4}, room, &out));
	CHECK_EQ(out.length, PARAMETERS_ORCPT_MAX);
}

static void test_mail(void)
{
	static const struct {
		const char *text;
		enum parameter_result strict, tolerant;
	} table[] = {
		{"RET=FULL", PARAMETER_TAKEN, PARAMETER_TAKEN},
		{"ret=hdrs", PARAMETER_TAKEN, PARAMETER_TAKEN},
		{"RET=", PARAMETER_BAD, PARAMETER_TAKEN},
		{"RET", PARAMETER_BAD, PARAMETER_BAD},
		{"RET=HEADERS", PARAMETER_BAD, PARAMETER_TAKEN},
		{"RET=FULL,HDRS", PARAMETER_BAD, PARAMETER_TAKEN},
		{"ENVID=QQ314159", PARAMETER_TAKEN, PARAMETER_TAKEN},
		{"ENVID=a+20b+2B", PARAMETER_TAKEN, PARAMETER_TAKEN},
		/* JavaMail and others make it of a Message-ID. */
		{"ENVID=<1@example.com>", PARAMETER_TAKEN, PARAMETER_TAKEN},
		/* Exchange makes it of X.400's identifiers. */
		{"ENVID=X400-MTS-Identifier:+20[/PRMD+3dFirst+20Organizati/ADMD+3d+20/C+3dGB/;DC01-140416101643Z-98]",
		 PARAMETER_TAKEN, PARAMETER_TAKEN},
		{"ENVID=a+0D+0AX-Evil:", PARAMETER_BAD, PARAMETER_TAKEN},
		{"ENVID=a+", PARAMETER_BAD, PARAMETER_TAKEN},
		{"ENVID=a=b", PARAMETER_BAD, PARAMETER_TAKEN},
		{"AUTH=<>", PARAMETER_TAKEN, PARAMETER_TAKEN},
		{"AUTH=e+3Dmc2@example.com", PARAMETER_TAKEN, PARAMETER_TAKEN},
		{"AUTH=a+0Ab", PARAMETER_BAD, PARAMETER_TAKEN},
		{"AUTH=a+00", PARAMETER_BAD, PARAMETER_TAKEN},
		{"AUTH=+", PARAMETER_BAD, PARAMETER_TAKEN},
		{"AUTH=\"", PARAMETER_TAKEN, PARAMETER_TAKEN},
		{"AUTH=\"\"", PARAMETER_TAKEN, PARAMETER_TAKEN},
		{"AUTH", PARAMETER_BAD, PARAMETER_BAD},
		{"REQUIRETLS", PARAMETER_TAKEN, PARAMETER_TAKEN},
		{"requiretls", PARAMETER_TAKEN, PARAMETER_TAKEN},
		{"REQUIRETLS=", PARAMETER_BAD, PARAMETER_BAD},
		{"REQUIRETLS=YES", PARAMETER_BAD, PARAMETER_BAD},
		{"REQUIRETL", PARAMETER_UNKNOWN, PARAMETER_UNKNOWN},
		{"BY=60;R", PARAMETER_UNKNOWN, PARAMETER_UNKNOWN},
		{"MT-PRIORITY=3", PARAMETER_UNKNOWN, PARAMETER_UNKNOWN},
		{"NOTIFY=NEVER", PARAMETER_UNKNOWN, PARAMETER_UNKNOWN},
		{"", PARAMETER_UNKNOWN, PARAMETER_UNKNOWN},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct smtp_mail_parameters p = {0};
		char *copy;
		CHECK_EQ(take(&p, true, SMTP_SYNTAX_STRICT, table[i].text, &copy), table[i].strict);
		if (table[i].strict == PARAMETER_BAD)
			CHECK(p.ret == 0 && p.envid.length == 0 && !p.auth && !p.require_tls);
		free(copy);
		p = (struct smtp_mail_parameters){0};
		CHECK_EQ(take(&p, true, SMTP_SYNTAX_TOLERANT, table[i].text, &copy), table[i].tolerant);
		free(copy);
	}
}

/* Each once, whatever its value is. */
static void test_repeated(void)
{
	static const char *const mail[] = {"RET=FULL", "ENVID=a", "AUTH=<>", "HOLDFOR=1", "REQUIRETLS"};
	static const char *const rcpt[] = {"NOTIFY=NEVER", "ORCPT=rfc822;a@b"};
	struct smtp_mail_parameters m = {0};
	struct smtp_rcpt_parameters r = {0};
	char *copies[2 * COUNT(mail) + 2 * COUNT(rcpt)], *copy;
	size_t count = 0;

	for (size_t i = 0; i < 2 * COUNT(mail); i++)
		CHECK_EQ(take(&m, true, i % 2 ? SMTP_SYNTAX_TOLERANT : SMTP_SYNTAX_STRICT, mail[i / 2],
			      &copies[count++]),
			 i % 2 ? PARAMETER_BAD : PARAMETER_TAKEN);
	for (size_t i = 0; i < 2 * COUNT(rcpt); i++)
		CHECK_EQ(take(&r, false, i % 2 ? SMTP_SYNTAX_TOLERANT : SMTP_SYNTAX_STRICT, rcpt[i / 2],
			      &copies[count++]),
			 i % 2 ? PARAMETER_BAD : PARAMETER_TAKEN);
	/* One of the two. */
	CHECK_EQ(take(&m, true, SMTP_SYNTAX_STRICT, "HOLDUNTIL=2030-01-01T00:00:00Z", &copy), PARAMETER_BAD);
	free(copy);
	while (count > 0)
		free(copies[--count]);
}

/* As long as may be, and one more. */
static void test_lengths(void)
{
	char text[PARAMETERS_ORCPT_MAX + 10];

	for (size_t n = PARAMETERS_ENVID_MAX - 1; n <= PARAMETERS_ENVID_MAX + 1; n++) {
		struct smtp_mail_parameters p = {0};
		char *copy;
		memcpy(text, "ENVID=", 6);
		memset(text + 6, 'x', n);
		text[6 + n] = '\0';
		CHECK_EQ(take(&p, true, SMTP_SYNTAX_STRICT, text, &copy),
			 n <= PARAMETERS_ENVID_MAX ? PARAMETER_TAKEN : PARAMETER_BAD);
		free(copy);
	}
	for (size_t n = PARAMETERS_ORCPT_MAX - 1; n <= PARAMETERS_ORCPT_MAX + 1; n++) {
		struct smtp_rcpt_parameters p = {0};
		char *copy;
		memcpy(text, "ORCPT=a;", 8);
		memset(text + 8, 'x', n - 2);
		text[6 + n] = '\0';
		CHECK_EQ(take(&p, false, SMTP_SYNTAX_STRICT, text, &copy),
			 n <= PARAMETERS_ORCPT_MAX ? PARAMETER_TAKEN : PARAMETER_BAD);
		free(copy);
	}
}

static void test_hold(void)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t hold;
	} table[] = {
		{"HOLDFOR=1", true, 1},
		{"HOLDFOR=999999999", true, 999999999},
		{"HOLDFOR=0", false, 0},
		{"HOLDFOR=01", false, 0},
		{"HOLDFOR=1000000000", false, 0},
		{"HOLDFOR=-1", false, 0},
		{"HOLDFOR=1s", false, 0},
		{"HOLDFOR=", false, 0},
		{"HOLDUNTIL=1970-01-01T00:00:00Z", true, 0},
		{"HOLDUNTIL=2026-11-27T17:35:28Z", true, 1795800928},
		{"HOLDUNTIL=2026-11-27t17:35:28z", true, 1795800928},
		{"HOLDUNTIL=2026-11-27T18:35:28+01:00", true, 1795800928},
		{"HOLDUNTIL=2026-11-27T12:05:28-05:30", true, 1795800928},
		{"HOLDUNTIL=2026-11-27T17:35:28.999Z", true, 1795800928},
		{"HOLDUNTIL=2000-02-29T00:00:00Z", true, 951782400},
		{"HOLDUNTIL=1970-01-01T00:00:00+01:00", true, 0},
		{"HOLDUNTIL=9999-12-31T23:59:60Z", true, 253402300800},
		{"HOLDUNTIL=2100-02-29T00:00:00Z", false, 0},
		{"HOLDUNTIL=2026-13-01T00:00:00Z", false, 0},
		{"HOLDUNTIL=2026-00-01T00:00:00Z", false, 0},
		{"HOLDUNTIL=2026-04-31T00:00:00Z", false, 0},
		{"HOLDUNTIL=2026-04-00T00:00:00Z", false, 0},
		{"HOLDUNTIL=2026-04-01T24:00:00Z", false, 0},
		{"HOLDUNTIL=2026-04-01T00:60:00Z", false, 0},
		{"HOLDUNTIL=2026-04-01T00:00:61Z", false, 0},
		{"HOLDUNTIL=1969-12-31T23:59:59Z", false, 0},
		{"HOLDUNTIL=2026-04-01T00:00:00", false, 0},
		{"HOLDUNTIL=2026-04-01T00:00:00.Z", false, 0},
		{"HOLDUNTIL=2026-04-01T00:00:00.5", false, 0},
		{"HOLDUNTIL=2026-04-01T00:00:00+0100", false, 0},
		{"HOLDUNTIL=2026-04-01T00:00:00+24:00", false, 0},
		{"HOLDUNTIL=2026-04-01_00:00:00Z", false, 0},
		{"HOLDUNTIL=tomorrow", false, 0},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct smtp_mail_parameters p = {0};
		char *copy;
		enum parameter_result result = take(&p, true, SMTP_SYNTAX_TOLERANT, table[i].text, &copy);
		if (result != (table[i].good ? PARAMETER_TAKEN : PARAMETER_BAD))
			fprintf(stderr, "%s\n", table[i].text);
		CHECK_EQ(result, table[i].good ? PARAMETER_TAKEN : PARAMETER_BAD);
		CHECK_EQ(p.hold, table[i].hold);
		CHECK_EQ(p.hold_for || p.hold_until, table[i].good);
		free(copy);
	}
}

static void test_xtext(void)
{
	static const struct {
		const char *text, *decoded; /* NULL: it is none */
	} table[] = {
		{"a", "a"},    {"+41", "A"},  {"a+20b", "a b"}, {"+2B+3D", "+="}, {"", NULL},      {"+", NULL},
		{"+4", NULL},  {"+4g", NULL}, {"+3d", "="},     {"a=b", NULL},    {"a b", NULL},   {"+00", NULL},
		{"+0A", NULL}, {"+1F", NULL}, {"+7F", NULL},    {"+80", NULL},    {"a\x7f", NULL}, {"\xc3\xa9", NULL},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		size_t length = strlen(table[i].text), used;
		char *copy = malloc(length ? length : 1), out[8];
		memcpy(copy, table[i].text, length);
		struct span span = {copy, (uint32_t)length};
		CHECK_EQ(xtext_valid(span), table[i].decoded != NULL);
		CHECK_EQ(xtext_decode(span, out, sizeof(out), &used), table[i].decoded != NULL);
		if (table[i].decoded) {
			CHECK_EQ(used, strlen(table[i].decoded));
			CHECK(memcmp(out, table[i].decoded, used) == 0);
			CHECK(xtext_decode(span, out, used, &used));
			CHECK(!xtext_decode(span, out, used - 1, &used));
		}
		free(copy);
	}
}

int main(void)
{
	RUN(test_xtext);
	RUN(test_notify);
	RUN(test_orcpt);
	RUN(test_orcpt_letters);
	RUN(test_orcpt_ascii);
	RUN(test_mail);
	RUN(test_repeated);
	RUN(test_lengths);
	RUN(test_hold);
	return check_end();
}
