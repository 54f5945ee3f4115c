/*
 * test_smtp_reply.c - replies of a next hop (PAR-05) and what EHLO offers, in every segmentation.
 */
#include "core/smtp/reply.h"

#include <stdlib.h>

#include "core/smtp/mechanism.h"
#include "tests/unit/check.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Parses `in` cut at `at` (0: octet by octet). */
static enum smtp_reply_result parse_cut(struct smtp_reply_parser *parser, const char *in, size_t length, size_t at,
					size_t *taken)
{
	enum smtp_reply_result result = SMTP_REPLY_MORE;

	*taken = 0;
	while (*taken < length && result == SMTP_REPLY_MORE) {
		size_t n = at == 0 ? 1 : *taken < at ? at - *taken : length - *taken, consumed;

		result = smtp_reply_parse(parser, (const uint8_t *)in + *taken,
					  n < length - *taken ? n : length - *taken, &consumed);
		*taken += consumed;
	}
	return result;
}

static void test_par05_replies(void)
{
	static const struct {
		const char *in;
		enum smtp_reply_result result;
		unsigned code;
		const char *text;
		size_t left;
		const char *enhanced;
	} table[] = {
		{"250 ok\r\n", SMTP_REPLY_DONE, 250, "ok", 0, ""},
		{"250\r\n", SMTP_REPLY_DONE, 250, "", 0, ""},
		{"250 \r\n", SMTP_REPLY_DONE, 250, "", 0, ""},
		{"550 5.7.2\r\n", SMTP_REPLY_DONE, 550, "5.7.2", 0, "5.7.2"},
		{"550 5.7.64 TenantAttribution\r\n", SMTP_REPLY_DONE, 550, "5.7.64 TenantAttribution", 0, "5.7.64"},
		{"451 4.7.500 busy\r\n", SMTP_REPLY_DONE, 451, "4.7.500 busy", 0, "4.7.500"},
		{"550 4.7.1 class differs\r\n", SMTP_REPLY_DONE, 550, "4.7.1 class differs", 0, ""},
		{"550 5.7.1234 x\r\n", SMTP_REPLY_DONE, 550, "5.7.1234 x", 0, ""},
		{"550 5.7. x\r\n", SMTP_REPLY_DONE, 550, "5.7. x", 0, ""},
		{"550 5..1 x\r\n", SMTP_REPLY_DONE, 550, "5..1 x", 0, ""},
		{"550 5.7.1x\r\n", SMTP_REPLY_DONE, 550, "5.7.1x", 0, ""},
		{"550-5.1.1 a\r\n550 5.1.1 b\r\n", SMTP_REPLY_DONE, 550, "5.1.1 a\n5.1.1 b", 0, "5.1.1"},
		{"550-5.1.1\r\n550\r\n", SMTP_REPLY_DONE, 550, "5.1.1\n", 0, "5.1.1"},
		{"354 go\r\n250 too early\r\n", SMTP_REPLY_DONE, 354, "go", 15, ""},
		{"250 a\rb\r\r\n", SMTP_REPLY_DONE, 250, "a\rb\r", 0, ""},
		{"250 \xc3\xa9\x01\r\n", SMTP_REPLY_DONE, 250, "\xc3\xa9\x01", 0, ""},
		{"599 x\r\n", SMTP_REPLY_DONE, 599, "x", 0, ""},
		{"250-a\r\n", SMTP_REPLY_MORE, 250, "a", 0, ""},
		{"250 a", SMTP_REPLY_MORE, 250, "a", 0, ""},
		{"250 a\r", SMTP_REPLY_MORE, 250, "a", 0, ""},
		{"000 x\r\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{"099 x\r\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{"199 x\r\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{"600 x\r\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{"25 x\r\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{"25\r\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{"2500 x\r\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{"250x\r\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{"250\tx\r\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{" 250 x\r\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{"\r\n", SMTP_REPLY_EMPTY, 0, "", 0, ""},
		{"\r\n250 x\r\n", SMTP_REPLY_EMPTY, 0, "", 7, ""},
		{"\r", SMTP_REPLY_MORE, 0, "", 0, ""},
		{"\r250 x\r\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{"\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{"250 x\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{"250\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{"250-a\r\n251 b\r\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{"250-a\r\n550 b\r\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{"250-a\r\n\r\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
		{"HTTP/1.1 400\r\n", SMTP_REPLY_BAD, 0, NULL, 0, NULL},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		size_t length = strlen(table[i].in);

		for (size_t at = 0; at <= length; at++) {
			struct smtp_reply_parser parser;
			char enhanced[12];
			size_t taken;
			enum smtp_reply_result result;

			smtp_reply_start(&parser, NULL);
			result = parse_cut(&parser, table[i].in, length, at, &taken);
			if (result != table[i].result)
				fprintf(stderr, "%s: ", table[i].in);
			CHECK_EQ(result, table[i].result);
			if (result == SMTP_REPLY_BAD) {
				CHECK_EQ(parse_cut(&parser, "250 ok\r\n", 8, 8, &taken), SMTP_REPLY_BAD);
				continue;
			}
			CHECK_EQ(length - taken, table[i].left);
			CHECK_EQ(parser.code, table[i].code);
			CHECK_EQ(parser.text_length, strlen(table[i].text));
			CHECK(memcmp(parser.text, table[i].text, parser.text_length) == 0);
			smtp_reply_enhanced(&parser, enhanced);
			CHECK_STR(enhanced, table[i].enhanced);
		}
	}
}

static void test_par05_nul(void)
{
	struct smtp_reply_parser parser;
	size_t taken;

	smtp_reply_start(&parser, NULL);
	CHECK_EQ(parse_cut(&parser, "250 a\0b\r\n", 9, 9, &taken), SMTP_REPLY_BAD);
	CHECK_EQ(taken, 6);
}

/* cap - 1, cap and cap + 1 of lines and of the line (PAR-04), and text that is longer than what is kept. */
static void test_par05_limits(void)
{
	static char line[SMTP_REPLY_LINE_MAX + 100];
	struct smtp_reply_parser parser;
	size_t taken;

	for (unsigned lines = SMTP_REPLY_LINES_MAX - 1; lines <= SMTP_REPLY_LINES_MAX + 1; lines++) {
		enum smtp_reply_result result = SMTP_REPLY_MORE;

		smtp_reply_start(&parser, NULL);
		for (unsigned i = 0; i + 1 < lines && result == SMTP_REPLY_MORE; i++)
			result = parse_cut(&parser, "250-continued\r\n", 15, 15, &taken);
		if (result == SMTP_REPLY_MORE)
			result = parse_cut(&parser, "250 end\r\n", 9, 9, &taken);
		CHECK_EQ(result, lines <= SMTP_REPLY_LINES_MAX ? SMTP_REPLY_DONE : SMTP_REPLY_BAD);
		CHECK_EQ(parser.text_length, SMTP_REPLY_TEXT_MAX);
	}
	for (size_t length = SMTP_REPLY_LINE_MAX - 1; length <= SMTP_REPLY_LINE_MAX + 1; length++) {
		memset(line, 'x', sizeof line);
		memcpy(line, "250 ", 4);
		memcpy(line + length - 2, "\r\n", 2);
		smtp_reply_start(&parser, NULL);
		CHECK_EQ(parse_cut(&parser, line, length, length, &taken),
			 length <= SMTP_REPLY_LINE_MAX ? SMTP_REPLY_DONE : SMTP_REPLY_BAD);
		CHECK_EQ(parser.text_length, SMTP_REPLY_TEXT_MAX);
	}
	smtp_reply_start(&parser, NULL); /* without end: refused long before 10 MB */
	memset(line, 'x', sizeof line);
	CHECK_EQ(parse_cut(&parser, "250 ", 4, 4, &taken), SMTP_REPLY_MORE);
	CHECK_EQ(parse_cut(&parser, line, sizeof line, sizeof line, &taken), SMTP_REPLY_BAD);
	CHECK_EQ(taken, SMTP_REPLY_LINE_MAX - 4 + 1);
}

static const char office365[] = "250-smtp.office365.com Hello PIPELINING\r\n250-SIZE 157286400\r\n250-PIPELINING\r\n"
				"250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250-STARTTLS\r\n250-8BITMIME\r\n"
				"250-BINARYMIME\r\n250-CHUNKING\r\n250-AUTH LOGIN XOAUTH2\r\n250 SMTPUTF8\r\n";

static void test_extensions(void)
{
	for (size_t at = 0; at < sizeof office365; at++) {
		struct smtp_reply_parser parser;
		struct smtp_extensions x;
		size_t taken;

		memset(&x, 0xff, sizeof x);
		smtp_reply_start(&parser, &x);
		CHECK_EQ(parse_cut(&parser, office365, sizeof office365 - 1, at, &taken), SMTP_REPLY_DONE);
		CHECK(x.pipelining && x.chunking && x.starttls && x.eight_bit_mime && x.enhanced_codes && x.dsn);
		CHECK(x.smtputf8 && x.auth == (SASL_BIT(SASL_LOGIN) | SASL_BIT(SASL_XOAUTH2)) && x.size_given);
		CHECK_EQ(x.size_max, 157286400);
	}
}

static void ehlo(const char *lines, struct smtp_extensions *x)
{
	struct smtp_reply_parser parser;
	size_t taken;

	smtp_reply_start(&parser, x);
	CHECK_EQ(parse_cut(&parser, lines, strlen(lines), 1, &taken), SMTP_REPLY_DONE);
	CHECK_EQ(taken, strlen(lines));
}

static void test_extension_forms(void)
{
	static char many[8000];
	struct smtp_extensions x;
	size_t n = 0;

	ehlo("250 STARTTLS\r\n", &x); /* the first line is a name */
	CHECK(!x.starttls);
	ehlo("250-h\r\n250-size\r\n250-pipelining \r\n250 auth=login plain\r\n", &x);
	CHECK(x.size_given && x.size_max == 0 && x.pipelining);
	CHECK_EQ(x.auth, SASL_BIT(SASL_LOGIN) | SASL_BIT(SASL_PLAIN));
	ehlo("250-h\r\n250-SIZE 99999999999999999999\r\n250 STARTTLSX\r\n", &x);
	CHECK(x.size_given && x.size_max == 0 && !x.starttls);
	ehlo("250-h\r\n250-AUTH GSSAPI NTLM OAuthBearer\r\n250-AUTH=PLAIN\r\n250 AUTH XOAUTH2X PLAIN-CLIENTTOKEN\r\n",
	     &x);
	CHECK_EQ(x.auth, SASL_BIT(SASL_OAUTHBEARER) | SASL_BIT(SASL_PLAIN));
	ehlo("250-h\r\n250-SIZE 10k\r\n250 XPIPELINING\r\n", &x);
	CHECK(x.size_given && x.size_max == 0 && !x.pipelining);
	ehlo("250-h\r\n250-\r\n250\r\n", &x);
	CHECK(!x.size_given);
	ehlo("550-h\r\n550 STARTTLS\r\n", &x);
	CHECK(!x.starttls);

	/* Lines far behind the room of the text are still seen. */
	n += (size_t)sprintf(many + n, "250-h %0400d\r\n", 0);
	for (int i = 0; i < 90; i++)
		n += (size_t)sprintf(many + n, "250-X-EXTENSION-%d with some text behind it\r\n", i);
	sprintf(many + n, "250-AUTH %0300d LOGIN\r\n250-CHUNKING\r\n250 STARTTLS\r\n", 0);
	ehlo(many, &x);
	CHECK(x.chunking && x.starttls);
	CHECK_EQ(x.auth, 0); /* beyond what is kept of a line */
}

/* RFC 9422: one to six digits without a zero in front, anything else says nothing; what is not known is passed over. */
static void test_limits(void)
{
	static const struct {
		const char *line;
		uint32_t recipients, messages;
	} table[] = {
		{"LIMITS RCPTMAX=20", 20, 0},
		{"limits mailmax=1 rcptmax=999999", 999999, 1},
		{"LIMITS RCPTDOMAINMAX=1 X-Y=z MAILMAX=20", 0, 20},
		{"LIMITS", 0, 0},
		{"LIMITS RCPTMAX", 0, 0},
		{"LIMITS RCPTMAX= MAILMAX=", 0, 0},
		{"LIMITS RCPTMAX=0 MAILMAX=01", 0, 0},
		{"LIMITS RCPTMAX=1000000 MAILMAX=99999999999999999999", 0, 0},
		{"LIMITS RCPTMAX=-1 MAILMAX=1x", 0, 0},
		{"LIMITSX RCPTMAX=5", 0, 0},
		{"RCPTMAX=5", 0, 0},
	};
	struct smtp_extensions x;
	char lines[200];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		snprintf(lines, sizeof(lines), "250-h\r\n250 %s\r\n", table[i].line);
		ehlo(lines, &x);
		CHECK_EQ(x.recipients_max, table[i].recipients);
		CHECK_EQ(x.messages_max, table[i].messages);
	}
}

/* Behind an empty line the reply begins as if there had been none. */
static void test_empty_lines(void)
{
	struct smtp_reply_parser parser;
	struct smtp_extensions x;
	size_t taken;

	smtp_reply_start(&parser, &x);
	for (unsigned i = 0; i < 3000; i++)
		CHECK_EQ(parse_cut(&parser, "\r\n", 2, i % 3, &taken), SMTP_REPLY_EMPTY);
	CHECK_EQ(parse_cut(&parser, "250-h\r\n250 SIZE\r\n", 18, 0, &taken), SMTP_REPLY_DONE);
	CHECK(parser.lines == 2 && x.size_given);
}

/* Any 2yz to EHLO is a yes (RFC 5321 4.2.1). */
static void test_other_yes_to_ehlo(void)
{
	struct smtp_extensions x;

	ehlo("220-h\r\n220-PIPELINING\r\n220 SIZE 5\r\n", &x);
	CHECK(x.pipelining && x.size_max == 5);
	ehlo("299-h\r\n299 CHUNKING\r\n", &x);
	CHECK(x.chunking);
	ehlo("350-h\r\n350 CHUNKING\r\n", &x);
	CHECK(!x.chunking);
}

static void test_quote(void)
{
	static const struct {
		const char *in;
		size_t length, room;
		const char *out;
	} table[] = {
		{"", 0, 8, ""},
		{"250 ok\r\n", 8, 40, "250 ok\\r\\n"},
		{"\x15\x03\x03\0\x02", 5, 40, "\\x15\\x03\\x03\\x00\\x02"},
		{"\xc3\xa9 \x7f", 4, 40, "\\xc3\\xa9 \\x7f"},
		{"abcdefgh", 8, 9, "abcde..."},
		{"abcdefgh", 8, 8, "abcd..."},
		{"\x01\x02", 2, 11, "\\x01..."},
		{"\x01\x02", 2, 12, "\\x01\\x02"},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		char out[64];

		smtp_quote((const uint8_t *)table[i].in, table[i].length, out, table[i].room);
		CHECK_STR(out, table[i].out);
	}
}

int main(void)
{
	RUN(test_par05_replies);
	RUN(test_par05_nul);
	RUN(test_par05_limits);
	RUN(test_extensions);
	RUN(test_limits);
	RUN(test_extension_forms);
	RUN(test_empty_lines);
	RUN(test_other_yes_to_ehlo);
	RUN(test_quote);
	return check_end();
}
