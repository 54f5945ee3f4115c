/*
 * test_smtp_command.c - command lines: PAR-01, PAR-02, PAR-07, BDT-01, STL-09, the forms of REL-01.
 */
#include "core/smtp/command.h"

#include <stdlib.h>

#include "tests/unit/check.h"

/* A case: the reply's first octets ("" for accepted), the verb, and the address or argument expected. */
struct line {
	const char *text, *reply;
	enum smtp_verb verb;
	const char *value;
};

static bool span_equals(struct span s, const char *text)
{
	return s.length == strlen(text) && (s.length == 0 || memcmp(s.data, text, s.length) == 0);
}

/* On the heap and without NUL, so that reading past the end is seen. */
static const char *parse(const char *text, size_t length, enum smtp_syntax syntax, char **copy,
			 struct smtp_command *command)
{
	*copy = malloc(length ? length : 1);
	memcpy(*copy, text, length);
	return smtp_command_parse(*copy, length, syntax, command);
}

static void check_syntax(const struct line *lines, size_t count, enum smtp_syntax syntax)
{
	for (size_t i = 0; i < count; i++) {
		struct smtp_command command;
		char *copy;
		const char *reply = parse(lines[i].text, strlen(lines[i].text), syntax, &copy, &command);
		bool match = lines[i].reply[0] ? reply && strncmp(reply, lines[i].reply, strlen(lines[i].reply)) == 0
					       : reply == NULL;

		if (!match || command.verb != lines[i].verb)
			fprintf(stderr, "\"%s\": reply %s: ", lines[i].text, reply ? reply : "none\n");
		CHECK(match);
		CHECK_EQ(command.verb, lines[i].verb);
		if (!reply && lines[i].value) {
			bool path = command.verb == SMTP_MAIL || command.verb == SMTP_RCPT;

			CHECK(span_equals(path ? command.address : command.argument, lines[i].value));
		}
		if (reply) { /* a whole line */
			CHECK(strlen(reply) > 6 && strcmp(reply + strlen(reply) - 2, "\r\n") == 0);
		}
		free(copy);
	}
}

/* As strict as clients that may not relay have it. */
static void check_lines(const struct line *lines, size_t count)
{
	check_syntax(lines, count, SMTP_SYNTAX_STRICT);
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_verbs(void)
{
	static const struct line lines[] = {
		{"EHLO host.example", "", SMTP_EHLO, "host.example"},
		{"ehlo [192.0.2.1]", "", SMTP_EHLO, "[192.0.2.1]"},
		{"HELO 192.0.2.1", "", SMTP_HELO, "192.0.2.1"},
		{"HeLo PRINTER ", "", SMTP_HELO, "PRINTER"},
		{"EHLO", "501 5.5.4", SMTP_EHLO, NULL},
		{"EHLO ", "501 5.5.4", SMTP_EHLO, NULL},
		{"EHLO  a", "501 5.5.4", SMTP_EHLO, NULL},
		{"EHLO a b", "501 5.5.4", SMTP_EHLO, NULL},
		{"EHLO a(b", "501 5.5.4", SMTP_EHLO, NULL},
		{"EHLO a\x80", "501 5.5.4", SMTP_EHLO, NULL},
		{"DATA", "", SMTP_DATA, ""},
		{"data ", "", SMTP_DATA, ""},
		{"DATA x", "501 5.5.4", SMTP_DATA, NULL},
		{"RSET", "", SMTP_RSET, ""},
		{"xclient ADDR=192.0.2.1", "", SMTP_XCLIENT, "ADDR=192.0.2.1"},
		{"XCLIENT", "501 5.5.4", SMTP_XCLIENT, NULL},
		{"RSET x", "501 5.5.4", SMTP_RSET, NULL},
		{"QUIT", "", SMTP_QUIT, ""},
		{"QUIT now", "501 5.5.4", SMTP_QUIT, NULL},
		{"STARTTLS", "", SMTP_STARTTLS, ""},
		{"STARTTLS x", "501 5.5.4", SMTP_STARTTLS, NULL},
		{"NOOP", "", SMTP_NOOP, ""},
		{"NOOP anything here", "", SMTP_NOOP, "anything here"},
		{"HELP MAIL", "", SMTP_HELP, "MAIL"},
		{"VRFY u", "", SMTP_VRFY, "u"},
		{"VRFY", "501 5.5.4", SMTP_VRFY, NULL},
		{"VRFY ", "501 5.5.4", SMTP_VRFY, NULL},
		{"EXPN l", "", SMTP_EXPN, "l"},
		{"AUTH PLAIN AGEAYg==", "", SMTP_AUTH, "PLAIN AGEAYg=="},
		{"AUTH", "501 5.5.4", SMTP_AUTH, NULL},
		{"NOOP \xff", "501 5.5.2", SMTP_NOOP, NULL},
		{"", "500 5.5.2", SMTP_UNKNOWN, NULL},
		{" ", "500 5.5.2", SMTP_UNKNOWN, NULL},
		{" QUIT", "500 5.5.2", SMTP_UNKNOWN, NULL},
		{"QUITX", "500 5.5.2", SMTP_UNKNOWN, NULL},
		{"QUI", "500 5.5.2", SMTP_UNKNOWN, NULL},
		{"MAIL\tFROM:<a@b>", "500 5.5.2", SMTP_UNKNOWN, NULL},
		{"NOOP a\tb", "501 5.5.2", SMTP_NOOP, NULL},
		{"NOOP \r", "501 5.5.2", SMTP_NOOP, NULL},
		{"EHLO a\nQUIT", "501 5.5.2", SMTP_EHLO, NULL},
		{"FOO \x01", "500 5.5.2", SMTP_UNKNOWN, NULL},
	};
	check_lines(lines, COUNT(lines));
}

static void test_par01_paths(void)
{
	static const struct line lines[] = {
		{"MAIL FROM:<a@b>", "", SMTP_MAIL, "a@b"},
		{"mail from:<A@b>", "", SMTP_MAIL, "A@b"},
		{"MAIL FROM: <a@b>", "", SMTP_MAIL, "a@b"},
		{"MAIL FROM:   <a@b> ", "", SMTP_MAIL, "a@b"},
		{"MAIL FROM:<>", "", SMTP_MAIL, ""},
		{"RCPT TO:<a@b>", "", SMTP_RCPT, "a@b"},
		{"RCPT To: <a@b>", "", SMTP_RCPT, "a@b"},
		{"RCPT TO:<postmaster>", "", SMTP_RCPT, "postmaster"},
		{"RCPT TO:<Postmaster>", "", SMTP_RCPT, "Postmaster"},
		{"RCPT TO:<\"a>b\"@d>", "", SMTP_RCPT, "\"a>b\"@d"},
		{"RCPT TO:<\"a\\\">b\"@d>", "", SMTP_RCPT, "\"a\\\">b\"@d"},
		{"RCPT TO:<>", "501 5.5.4", SMTP_RCPT, NULL},
		{"MAIL FROM:<postmaster>", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL ", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM :<a@b>", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL  FROM:<a@b>", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:\t<a@b>", "501 5.5.2", SMTP_MAIL, NULL},
		{"MAIL FROM:a@b", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:a@b>", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b>junk", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b>>", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<<a@b>>", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:< a@b>", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b >", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL TO:<a@b>", "501 5.5.4", SMTP_MAIL, NULL},
		{"RCPT FROM:<a@b>", "501 5.5.4", SMTP_RCPT, NULL},
		{"MAIL FROM:<\"a@b>", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<\"a\\", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b>\x7f", "501 5.5.2", SMTP_MAIL, NULL},
		/* PAR-07. */
		{"MAIL FROM:<\xc3\xa9@b>", "553 5.6.7", SMTP_MAIL, NULL},
		{"MAIL FROM:<\xc3\xa9@b> SIZE=1", "553 5.6.7", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@@\xc3\xa9>", "553 5.6.7", SMTP_MAIL, NULL},
		{"MAIL FROM:<\xff@b>", "553 5.6.7", SMTP_MAIL, NULL},
		{"MAIL FROM:\xff", "553 5.6.7", SMTP_MAIL, NULL},
		{"MAIL FROM:<\xff@b> SMTPUTF8", "501 5.5.2", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b\xe2\x80> SMTPUTF8", "501 5.5.2", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@@\xc3\xa9> SMTPUTF8", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<@\xc3\xa9:a@b> SMTPUTF8", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> SMTPUTF8=", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> SMTPUTF8=1", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> SMTPUTF8 smtputf8", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> SMTPUTF8", "", SMTP_MAIL, "a@b"},
		{"MAIL FROM:<> SMTPUTF8", "", SMTP_MAIL, ""},
		{"MAIL FROM:<\xc3\xa9@b\xc3\xbc.c> SIZE=1 SMTPUTF8", "", SMTP_MAIL, "\xc3\xa9@b\xc3\xbc.c"},
		{"MAIL FROM:<\"\xc3\xa9 > x\"@b> smtputf8", "", SMTP_MAIL, "\"\xc3\xa9 > x\"@b"},
		/* Whether MAIL had SMTPUTF8 the session knows. */
		{"RCPT TO:<\xc3\xa9@b>", "", SMTP_RCPT, "\xc3\xa9@b"},
		{"RCPT TO:<a@\xe2>", "501 5.5.2", SMTP_RCPT, NULL},
		{"RCPT TO:<a@\xe2", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<\xc3\xa9>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<a@b> SMTPUTF8", "555 5.5.4", SMTP_RCPT, NULL},
	};
	struct smtp_command command;
	const char *wide = "RCPT TO:<a@\xe2>";

	check_lines(lines, COUNT(lines));
	CHECK(smtp_command_parse(wide, strlen(wide), SMTP_SYNTAX_STRICT, &command) && command.wide);
}

static void test_rel01_forms(void)
{
	static const struct line lines[] = {
		{"RCPT TO:<u%victim@ours>", "", SMTP_RCPT, "u%victim@ours"},
		{"RCPT TO:<victim!u@ours>", "", SMTP_RCPT, "victim!u@ours"},
		{"RCPT TO:<\"u@victim\"@[192.0.2.1]>", "", SMTP_RCPT, "\"u@victim\"@[192.0.2.1]"},
		/* The decision is taken on what stands behind the source route. */
		{"RCPT TO:<@ours:u@victim>", "", SMTP_RCPT, "u@victim"},
		{"RCPT TO:<@ours,@b.example:u@victim>", "", SMTP_RCPT, "u@victim"},
		{"RCPT TO:<@[192.0.2.1]:u@victim>", "", SMTP_RCPT, "u@victim"},
		{"RCPT TO:<@[IPv6:2001:db8::1],@b:u@victim>", "", SMTP_RCPT, "u@victim"},
		{"MAIL FROM:<@a,@b:u@d>", "", SMTP_MAIL, "u@d"},
		{"RCPT TO:<@ours:>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<@ours:postmaster>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<@ours:@b:u@victim>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<@ours,u@victim>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<@ours u@victim>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<@:u@victim>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<@ours,:u@victim>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<@[192.0.2.1:u@victim>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<@>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<\"u@victim\">", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<\"u%victim\">", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<u@victim@ours>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<victim!u>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<u@victim.>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<u@victim#@ours>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<u@ours,u@victim>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<u@ours><u@victim>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<u@ours\r\nRCPT TO:<u@victim>", "501 5.5.2", SMTP_RCPT, NULL},
	};
	check_lines(lines, COUNT(lines));
}

static void test_par02_parameters(void)
{
	static const struct line lines[] = {
		{"MAIL FROM:<a@b> SIZE=1000 BODY=8BITMIME", "", SMTP_MAIL, "a@b"},
		{"MAIL FROM:<a@b> size=0 body=7bit", "", SMTP_MAIL, "a@b"},
		{"MAIL FROM:<a@b> SIZE=18446744073709551615", "", SMTP_MAIL, "a@b"},
		/* RFC 1870 3: 20 digits are syntax, whatever they say; the limit is for the session to compare. */
		{"MAIL FROM:<a@b> SIZE=18446744073709551616", "", SMTP_MAIL, "a@b"},
		{"MAIL FROM:<a@b> SIZE=99999999999999999999", "", SMTP_MAIL, "a@b"},
		{"MAIL FROM:<a@b> SIZE=000000000000000000001", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> SIZE=", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> SIZE", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> SIZE=-1", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> SIZE=1x", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> SIZE=1 SIZE=1", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> BODY=7BIT BODY=7BIT", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> BODY=x", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> BODY=BINARYMIME", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> BODY", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b>  SIZE=1", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> =1", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> -X=1", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> X==", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> X=a=b", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> X=\xc3\xa9", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> \"", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> X=\"", "555 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> AUTH=<>", "", SMTP_MAIL, "a@b"},
		{"MAIL FROM:<a@b> SIZE=1 auth=e+3Dmc2@example.com BODY=7BIT", "", SMTP_MAIL, "a@b"},
		{"MAIL FROM:<a@b> AUTH", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> AUTH=", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> AUTH=a b", "555 5.5.4", SMTP_MAIL, NULL},
		{"RCPT TO:<a@b> AUTH=<>", "555 5.5.4", SMTP_RCPT, NULL},
		{"MAIL FROM:<a@b> RET=FULL ENVID=x", "", SMTP_MAIL, "a@b"},
		{"MAIL FROM:<a@b> RET=FULL RET=FULL", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> AUTH=<> AUTH=<>", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> AUTH=a+0Ab", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> BY=60;R", "555 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b> MT-PRIORITY=9", "555 5.5.4", SMTP_MAIL, NULL},
		{"RCPT TO:<a@b> SIZE=1", "555 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<a@b> NOTIFY=NEVER", "", SMTP_RCPT, "a@b"},
		{"RCPT TO:<a@b> NOTIFY=NEVER notify=NEVER", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<a@b> ORCPT=rfc822;a+0Ab", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<a@b> REQUIRETLS", "555 5.5.4", SMTP_RCPT, NULL},
	};
	struct smtp_command command;

	check_lines(lines, COUNT(lines));
	CHECK(!smtp_command_parse(lines[0].text, strlen(lines[0].text), SMTP_SYNTAX_STRICT, &command));
	CHECK(command.has_size);
	CHECK_EQ(command.size, 1000);
	CHECK_EQ(command.body, SMTP_BODY_8BITMIME);
	CHECK(!smtp_command_parse(lines[2].text, strlen(lines[2].text), SMTP_SYNTAX_STRICT, &command));
	CHECK(command.size == UINT64_MAX);
	CHECK_EQ(command.body, SMTP_BODY_NONE);
	CHECK(!smtp_command_parse(lines[4].text, strlen(lines[4].text), SMTP_SYNTAX_STRICT, &command));
	CHECK(command.has_size && command.size == UINT64_MAX);
}

/* What devices send that nobody can change, and what stays refused beside it. */
static void test_tolerant(void)
{
	static const struct line lines[] = {
		/* Any greeting without control octets: it is only printed. */
		{"EHLO mantis.*", "", SMTP_EHLO, "mantis.*"},
		{"EHLO [fe80::1%eth0]", "", SMTP_EHLO, "[fe80::1%eth0]"},
		{"EHLO My Printer", "", SMTP_EHLO, "My Printer"},
		{"HELO B\xfcro-PC", "", SMTP_HELO, "B\xfcro-PC"},
		{"EHLO WORKGROUP\\PC-7", "", SMTP_EHLO, "WORKGROUP\\PC-7"},
		{"EHLO  a ", "", SMTP_EHLO, "a"},
		{"HELO", "", SMTP_HELO, ""},
		{"EHLO ", "", SMTP_EHLO, ""},
		{"EHLO a\tb", "501 5.5.2", SMTP_EHLO, NULL},
		{"EHLO a\nQUIT", "501 5.5.2", SMTP_EHLO, NULL},
		/* Paths without brackets, and with spaces inside them. */
		{"MAIL FROM:raid@a.example", "", SMTP_MAIL, "raid@a.example"},
		{"MAIL FROM: raid@a.example", "", SMTP_MAIL, "raid@a.example"},
		{"MAIL FROM:raid@a.example SIZE=100", "", SMTP_MAIL, "raid@a.example"},
		{"MAIL FROM:<a@b>  SIZE=100   BODY=7BIT ", "", SMTP_MAIL, "a@b"},
		{"MAIL FROM:< a@b >", "", SMTP_MAIL, "a@b"},
		{"MAIL FROM:< >", "", SMTP_MAIL, ""},
		{"MAIL FROM :<a@b>", "", SMTP_MAIL, "a@b"},
		{"MAIL  FROM  :  <a@b>  SIZE=1", "", SMTP_MAIL, "a@b"},
		{"RCPT TO :a@b", "", SMTP_RCPT, "a@b"},
		{"RCPT   TO:<a@b>", "", SMTP_RCPT, "a@b"},
		{"RCPT TO <a@b>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO::<a@b>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT T O:<a@b>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO ", "501 5.5.4", SMTP_RCPT, NULL},
		/* What devices ask of reports, in its place; what makes no sense is let go. */
		{"RCPT TO:<a@b> NOTIFY=ALWAYS ORCPT=a@b", "", SMTP_RCPT, "a@b"},
		{"RCPT TO:<a@b> NOTIFY=NEVER NOTIFY=NEVER", "501 5.5.4", SMTP_RCPT, NULL},
		{"MAIL FROM:<a@b> RET=HDRS ENVID=x SIZE=9", "", SMTP_MAIL, "a@b"},
		{"RCPT TO:<a@b> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a@b", "", SMTP_RCPT, "a@b"},
		{"RCPT TO:<a@b> NOTIFY=", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<a@b> RET=HDRS", "555 5.5.4", SMTP_RCPT, NULL},
		{"MAIL FROM:<a@b> NOTIFY=NEVER", "555 5.5.4", SMTP_MAIL, NULL},
		{"RCPT TO: admin@b", "", SMTP_RCPT, "admin@b"},
		{"RCPT TO:postmaster", "", SMTP_RCPT, "postmaster"},
		{"RCPT TO:<\"a> b\"@d>", "", SMTP_RCPT, "\"a> b\"@d"},
		{"MAIL FROM:", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM: SIZE=100 BODY=7BIT", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:a@b>", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b>>", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a b@c>", "501 5.5.4", SMTP_MAIL, NULL},
		{"MAIL FROM:<a@b>SIZE=1", "501 5.5.4", SMTP_MAIL, NULL},
		{"RCPT TO:a@b,c@d", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:a@b, c@d", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:a@b c@d", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<a@b,c@d>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<a@b> <c@d>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:\"a b\"@c", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:< >", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:\xc3\xa9@b", "", SMTP_RCPT, "\xc3\xa9@b"},
		{"MAIL FROM:\xc3\xa9@b", "553 5.6.7", SMTP_MAIL, NULL},
		/* Addresses. */
		{"MAIL FROM:<first..last@b>", "", SMTP_MAIL, "first..last@b"},
		{"MAIL FROM:<.a.@my_host.example>", "", SMTP_MAIL, ".a.@my_host.example"},
		{"RCPT TO:<@my_relay:u@victim>", "", SMTP_RCPT, "u@victim"},
		{"RCPT TO:<@ours:postmaster>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<@ours:u>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<u@victim@ours>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<u@>", "501 5.5.4", SMTP_RCPT, NULL},
		{"RCPT TO:<@d>", "501 5.5.4", SMTP_RCPT, NULL},
		/* Framing is what it was. */
		{"MAIL\tFROM:<a@b>", "500 5.5.2", SMTP_UNKNOWN, NULL},
		{"BDAT 5 ", "501 5.5.4", SMTP_BDAT, NULL},
		{"DATA x", "501 5.5.4", SMTP_DATA, NULL},
		{"MAIL FROM:<a@b>\x7f", "501 5.5.2", SMTP_MAIL, NULL},
	};
	check_syntax(lines, COUNT(lines), SMTP_SYNTAX_TOLERANT);
}

static void test_unqualified(void)
{
	static const struct {
		const char *text;
		bool accepted, unqualified;
	} table[] = {
		{"MAIL FROM:<scanner>", true, true},    {"MAIL FROM:scanner", true, true},
		{"MAIL FROM:<postmaster>", true, true}, {"RCPT TO:<admin>", true, true},
		{"RCPT TO:<postmaster>", true, false},  {"RCPT TO:<\"a b\">", true, true},
		{"MAIL FROM:<>", true, false},          {"MAIL FROM:<a@b>", true, false},
		{"MAIL FROM:<.>", false, false},        {"MAIL FROM:<a,b>", false, false},
		{"RCPT TO:<\"a\"b>", false, false},
	};
	struct smtp_command command;

	for (size_t i = 0; i < COUNT(table); i++) {
		const char *reply =
			smtp_command_parse(table[i].text, strlen(table[i].text), SMTP_SYNTAX_TOLERANT, &command);

		if ((reply == NULL) != table[i].accepted || command.unqualified != table[i].unqualified)
			fprintf(stderr, "%s: ", table[i].text);
		CHECK_EQ(reply == NULL, table[i].accepted);
		CHECK_EQ(command.unqualified, table[i].unqualified);
	}
}

static void test_bdt01_sizes(void)
{
	static const struct {
		const char *text;
		bool accepted, last;
		uint64_t size;
	} table[] = {
		{"BDAT 0", true, false, 0},
		{"BDAT 0 LAST", true, true, 0},
		{"bdat 5 last", true, true, 5},
		{"BDAT 05", true, false, 5},
		{"BDAT 2147483648", true, false, UINT64_C(1) << 31},
		{"BDAT 4294967296", true, false, UINT64_C(1) << 32},
		{"BDAT 4294967297", true, false, (UINT64_C(1) << 32) + 1},
		{"BDAT 9223372036854775808", true, false, UINT64_C(1) << 63},
		{"BDAT 18446744073709551615", true, false, UINT64_MAX},
		{"BDAT 18446744073709551616", false, false, 0},
		{"BDAT 999999999999999999999999999999", false, false, 0},
		{"BDAT 000000000000000000005", false, false, 0},
		{"BDAT", false, false, 0},
		{"BDAT ", false, false, 0},
		{"BDAT -1", false, false, 0},
		{"BDAT +5", false, false, 0},
		{"BDAT 0x10", false, false, 0},
		{"BDAT 1e3", false, false, 0},
		{"BDAT 5 5", false, false, 0},
		{"BDAT 5 LASTX", false, false, 0},
		{"BDAT 5 LAST ", false, false, 0},
		{"BDAT 5 ", false, false, 0},
		{"BDAT  5", false, false, 0},
		{"BDAT 5  LAST", false, false, 0},
		{"BDAT LAST", false, false, 0},
		{"BDAT 5\t", false, false, 0},
	};
	struct smtp_command command;

	for (size_t i = 0; i < COUNT(table); i++) {
		const char *reply =
			smtp_command_parse(table[i].text, strlen(table[i].text), SMTP_SYNTAX_STRICT, &command);

		if ((reply == NULL) != table[i].accepted)
			fprintf(stderr, "%s: ", table[i].text);
		CHECK_EQ(reply == NULL, table[i].accepted);
		CHECK_EQ(command.verb, SMTP_BDAT);
		if (!reply) {
			CHECK_EQ(command.last, table[i].last);
			CHECK(command.size == table[i].size);
		} else {
			CHECK(strncmp(reply, "501 ", 4) == 0);
		}
	}
	CHECK(smtp_command_parse("BDAT 1\0002", 8, SMTP_SYNTAX_STRICT, &command) != NULL);
	CHECK_EQ(command.verb, SMTP_BDAT);
}

static void test_stl09_foreign(void)
{
	static const struct line lines[] = {
		{"GET / HTTP/1.1", "421 ", SMTP_FOREIGN, NULL},
		{"POST /x HTTP/1.1", "421 ", SMTP_FOREIGN, NULL},
		{"PUT /x HTTP/1.1", "421 ", SMTP_FOREIGN, NULL},
		{"HEAD / HTTP/1.0", "421 ", SMTP_FOREIGN, NULL},
		{"OPTIONS * HTTP/1.1", "421 ", SMTP_FOREIGN, NULL},
		{"CONNECT a:25 HTTP/1.1", "421 ", SMTP_FOREIGN, NULL},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 1 25", "421 ", SMTP_FOREIGN, NULL},
		{"\x16\x03\x01\x02", "421 ", SMTP_FOREIGN, NULL},
		{"\x16\x03", "421 ", SMTP_FOREIGN, NULL},
		{"\x16", "500 5.5.2", SMTP_UNKNOWN, NULL},
		{"GETX / HTTP/1.1", "500 5.5.2", SMTP_UNKNOWN, NULL},
	};
	check_lines(lines, COUNT(lines));
}

/* PAR-01: each octet alone, in pairs, and at each place of a good command. */
static void test_par01_octets(void)
{
	static const char good[] = "RCPT TO:<u@d>";
	struct smtp_command command;
	char *copy;

	for (unsigned c = 0; c < 256; c++) {
		char one[2] = {(char)c, 0};

		CHECK(parse(one, 1, SMTP_SYNTAX_STRICT, &copy, &command) != NULL);
		free(copy);
		for (unsigned d = 0; d < 256; d++) {
			one[1] = (char)d;
			CHECK(smtp_command_parse(one, 2, SMTP_SYNTAX_STRICT, &command) != NULL);
		}
		for (size_t at = 0; at < sizeof good - 1; at++) {
			char line[sizeof good];
			const char *reply;

			memcpy(line, good, sizeof good);
			line[at] = (char)c;
			reply = parse(line, sizeof good - 1, SMTP_SYNTAX_STRICT, &copy, &command);
			if (c < ' ' || c >= 0x7f)
				CHECK(reply != NULL);
			if (reply == NULL)
				CHECK(command.address.length > 0 || at == 0);
			free(copy);
		}
	}
	CHECK(smtp_command_parse("RCPT TO:<u@d\0>", 14, SMTP_SYNTAX_STRICT, &command) != NULL);
	CHECK(smtp_command_parse("RCPT\0TO:<u@d>", 13, SMTP_SYNTAX_STRICT, &command) != NULL);
}

static void test_par01_lengths(void)
{
	static const size_t lengths[] = {510, 511, 512, 513, 514, 998, 999, 1000, 1001, 1002, 2048, 65536, 1 << 20};
	struct smtp_command command;

	for (size_t i = 0; i < COUNT(lengths); i++) {
		char *line = malloc(lengths[i]);

		memset(line, 'a', lengths[i]);
		CHECK(strncmp(smtp_command_parse(line, lengths[i], SMTP_SYNTAX_STRICT, &command), "500 ", 4) == 0);
		memcpy(line, "NOOP ", 5);
		CHECK(smtp_command_parse(line, lengths[i], SMTP_SYNTAX_STRICT, &command) == NULL);
		CHECK_EQ(command.argument.length, lengths[i] - 5);
		memcpy(line, "RCPT TO:<", 9);
		line[11] = '@';
		line[lengths[i] - 1] = '>';
		CHECK(strncmp(smtp_command_parse(line, lengths[i], SMTP_SYNTAX_STRICT, &command), "501 ", 4) == 0);
		memset(line, ' ', lengths[i]);
		CHECK(smtp_command_parse(line, lengths[i], SMTP_SYNTAX_STRICT, &command) != NULL);
		free(line);
	}
	for (unsigned path = 255; path <= 257; path++) { /* RFC 5321 4.5.3.1.3 */
		char line[300] = "RCPT TO:<u@";

		memset(line + 11, 'd', sizeof line - 11);
		for (unsigned at = 60; at <= 240; at += 60)
			line[at] = '.';
		line[8 + path - 1] = '>';
		CHECK_EQ(smtp_command_parse(line, 8 + path, SMTP_SYNTAX_STRICT, &command) == NULL,
			 path <= SMTP_PATH_MAX);
	}
}

static void test_names(void)
{
	CHECK_STR(smtp_verb_name(SMTP_EHLO), "EHLO");
	CHECK_STR(smtp_verb_name(SMTP_STARTTLS), "STARTTLS");
	CHECK_STR(smtp_verb_name(SMTP_FOREIGN), "FOREIGN");
	CHECK_STR(smtp_verb_name(SMTP_UNKNOWN), "UNKNOWN");
}

int main(void)
{
	RUN(test_verbs);
	RUN(test_par01_paths);
	RUN(test_par01_octets);
	RUN(test_par01_lengths);
	RUN(test_rel01_forms);
	RUN(test_par02_parameters);
	RUN(test_bdt01_sizes);
	RUN(test_stl09_foreign);
	RUN(test_tolerant);
	RUN(test_unqualified);
	RUN(test_names);
	return check_end();
}
