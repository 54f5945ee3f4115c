/*
 * test_smtp_report.c - reports of what was not delivered (RFC 3464, 6522, 6533), and that nothing from outside gets out
 * of its place in them (LOP-03).
 */
#include "core/smtp/report.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

static char out[REPORT_ROOM + 1];
static struct report report;

static const struct report_recipient anna = {
	.action = REPORT_FAILED,
	.address = {"anna@example.org", 16},
	.orcpt = {"rfc822;anna+2Bx@example.net", 27},
	.code = 550,
	.text = {"5.1.1 no such user", 18},
	.stage = "rcpt",
	.attempts = 1,
};

static struct report_facts facts_of(const struct report_recipient *recipients, unsigned count)
{
	return (struct report_facts){
		.hostname = span_text("relay.example"),
		.from = span_text("postmaster@relay.example"),
		.to = span_text("bob@example.com"),
		.sender = span_text("bob@example.com"),
		.client = span_text("apps"),
		.id = {1, 2},
		.wall_ns = UINT64_C(1795468606000000000),
		.about = {3, 4},
		.arrived_wall_ns = UINT64_C(1795468600000000000),
		.envid = span_text("QQ+3D314159"),
		.header = span_text("From: bob@example.com\r\nMessage-ID: <a1@example.com>\r\nSubject: hello\r\n"),
		.recipients = recipients,
		.recipient_count = count,
	};
}

static const char *write_it(const struct report_facts *facts)
{
	report_write(facts, out, &report);
	out[report.length] = '\0';
	return out;
}

static bool has(const char *text)
{
	return strstr(out, text) != NULL;
}

/* No bare line ends, no long lines, nothing but ASCII where there is to be nothing else. */
static void check_lines(bool ascii)
{
	size_t column = 0;

	for (size_t i = 0; i < report.length; i++) {
		if (out[i] == '\n') {
			CHECK(i > 0 && out[i - 1] == '\r');
			column = 0;
		} else {
			CHECK(out[i] != '\r' || out[i + 1] == '\n');
			CHECK(out[i] == '\r' || out[i] == '\t' || (uint8_t)out[i] >= ' ');
			CHECK(++column <= 998);
		}
		CHECK(!ascii || (uint8_t)out[i] < 128);
	}
}

static void test_failed(void)
{
	struct report_facts facts = facts_of(&anna, 1);

	write_it(&facts);
	check_lines(true);
	CHECK_EQ(report.recipients, 1);
	CHECK(!report.wide && !report.eight_bit);
	CHECK(has("From: Mail delivery <postmaster@relay.example>\r\nTo: <bob@example.com>\r\n"
		  "Subject: Your message could not be delivered\r\n"));
	CHECK(has("\r\nAuto-Submitted: auto-replied\r\n"));
	CHECK(has("\r\nReferences: <a1@example.com>\r\n"));
	CHECK(has("Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"=_report_"));
	CHECK(has("Your message could not be delivered to:\r\n\r\n  anna@example.org\r\n    There is no such address"));
	CHECK(has("1 attempt, at rcpt:\r\n    550 5.1.1 no such user\r\n"));
	CHECK(has("Reporting-MTA: dns; relay.example\r\nOriginal-Envelope-Id: QQ=314159\r\nArrival-Date: Mon, 23 Nov "
		  "2026 21:16:40 +0000\r\n"));
	CHECK(has(
		"\r\n\r\nOriginal-Recipient: rfc822;anna+x@example.net\r\nFinal-Recipient: rfc822;anna@example.org\r\n"
		"Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n"));
	CHECK(has("Content-Type: text/rfc822-headers\r\n\r\nFrom: bob@example.com\r\n"));
}

/* Of several lines: a sentence, in which the code of each line stands once. */
static void test_lines_of_a_reply(void)
{
	static const struct {
		const char *text, *said;
	} table[] = {
		{"5.1.1 The address does not\n5.1.1 exist.\n5.1.1  https://example.org/help - gw",
		 "550 5.1.1 The address does not exist. https://example.org/help - gw\r\n"},
		{"5.1.1 no such\nuser \n\n 5.1.10 here", "550 5.1.1 no such user 5.1.10 here\r\n"},
		{"no\nno\nno", "550 no no no\r\n"},
		{"5.1.1\n5.1.1", "550 5.1.1 5.1.1\r\n"},
		{"\n\n", "550 \r\n"},
		/* Folded where a line of the reply ended, too. */
		{"5.1.1 this line is as long as one that a server writes may be, with\n5.1.1 "
		 "and-one-word-that-does-not-fit-any-more",
		 "writes may be, with\r\n    and-one-word-that-does-not-fit-any-more\r\n"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct report_recipient one = anna;
		struct report_facts facts = facts_of(&one, 1);
		one.text = span_text(table[i].text);
		write_it(&facts);
		check_lines(true);
		CHECK(has(table[i].said));
	}
}

static void test_delayed(void)
{
	struct report_recipient late = anna;
	struct report_facts facts = facts_of(&late, 1);

	late.action = REPORT_DELAYED;
	late.code = 451;
	late.text = span_text("4.7.1 try again");
	facts.until_wall_ns = facts.wall_ns + UINT64_C(86400000000000);
	write_it(&facts);
	CHECK(has("Subject: Your message is delayed\r\n"));
	CHECK(has("It is tried again by itself"));
	CHECK(has("You sent it on Mon, 23 Nov 2026 21:16:40 +0000, with the subject:\r\n\r\n  hello\r\n\r\nIt is tried "
		  "until Tue, 24 Nov 2026 21:16:46 +0000.\r\n"));
	CHECK(has("Action: delayed\r\nStatus: 4.7.1\r\n"));
	CHECK(has("Will-Retry-Until: Tue, 24 Nov 2026 21:16:46 +0000\r\n"));
}

static void test_instead(void)
{
	struct report_facts facts = facts_of(&anna, 1);

	facts.to = span_text("it@example.com");
	write_it(&facts);
	CHECK(has("Subject: Mail of one of your devices could not be delivered\r\n"));
	CHECK(has("It was sent by bob@example.com\r\non Mon, 23 Nov 2026 21:16:40 +0000, with the subject:\r\n"));
	CHECK(has("Its sender: bob@example.com\r\nIt was sent by: apps\r\n"));
}

/* People know their mail by its subject. */
static void test_subject(void)
{
	struct report_facts facts = facts_of(&anna, 1);

	facts.header = span_text("Subject: =?utf-8?B?UmVjaG51bmcgZsO8ciBN?=\r\n =?utf-8?Q?=C3=A4rz?=\r\n");
	write_it(&facts);
	check_lines(true);
	CHECK(has("with the subject:\r\n\r\n  Rechnung f=C3=BCr M=C3=A4rz\r\n"));
	/* Nothing in it ends a line or turns round what is beside it. */
	facts.header = span_text("Subject: =?utf-8?Q?a=0D=0AStatus:_2.0.0=E2=80=AE=1B[2J?=\r\n");
	write_it(&facts);
	check_lines(true);
	CHECK(has("a\\x0D\\x0AStatus: 2.0.0") && !has("\r\nStatus: 2.0.0"));
	facts.header = span_text("From: a@example.org\r\n");
	write_it(&facts);
	CHECK(has("You sent it on Mon, 23 Nov 2026 21:16:40 +0000.\r\n"));
}

/* Two kinds of fate in one. */
static void test_mixed(void)
{
	struct report_recipient both[2] = {anna, anna};
	struct report_facts facts = facts_of(both, 2);

	both[1].action = REPORT_RELAYED;
	both[1].address = span_text("carl@example.org");
	both[1].orcpt = span_text("");
	both[1].code = 250;
	both[1].text = span_text("2.0.0 taken");
	write_it(&facts);
	CHECK(has("was handed on for:\r\n\r\n  carl@example.org\r\n"));
	CHECK(has("\r\n\r\nFinal-Recipient: rfc822;carl@example.org\r\nAction: relayed\r\nStatus: 2.0.0\r\n"));
}

static void test_status(void)
{
	static const struct {
		enum report_action action;
		unsigned code;
		const char *text, *status;
	} rows[] = {
		{REPORT_FAILED, 550, "5.1.1 no", "5.1.1"},
		{REPORT_FAILED, 554, "no", "5.0.0"},
		{REPORT_FAILED, 550, "4.1.1 no", "5.0.0"},
		/* The time is up. */
		{REPORT_FAILED, 451, "4.7.1 later", "4.4.7"},
		{REPORT_FAILED, 0, "connection refused", "4.4.7"},
		{REPORT_FAILED, 0, "", "4.4.7"},
		/* A reason of our own. */
		{REPORT_FAILED, 0, "5.7.30 REQUIRETLS needs TLS", "5.7.30"},
		{REPORT_DELAYED, 451, "4.7.1 later", "4.7.1"},
		{REPORT_DELAYED, 0, "connection refused", "4.0.0"},
		{REPORT_DELAYED, 550, "5.7.1 held", "4.0.0"},
		{REPORT_RELAYED, 250, "2.1.5 taken", "2.1.5"},
		{REPORT_RELAYED, 250, "taken", "2.0.0"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t status = report_status(rows[i].action, rows[i].code, span_text(rows[i].text));
		char text[24];
		snprintf(text, sizeof(text), "%u.%u.%u", status >> 20, status >> 10 & 1023, status & 1023);
		CHECK_STR(text, rows[i].status);
		CHECK(strlen(report_sentence(rows[i].action, status)) > 20);
	}
	CHECK(strstr(report_sentence(REPORT_FAILED, 5u << 20 | 2u << 10 | 2), "full") != NULL);
	CHECK(strstr(report_sentence(REPORT_FAILED, 5u << 20), "refuses") != NULL);
}

/* Whatever a next hop or a sender writes stays where it is put. */
static void test_lop03_injection(void)
{
	static const char evil[] = "5.1.1 x\r\nStatus: 2.0.0\r\n\r\n--=_report_\x1b[2J\x00\x7f\xe2\x80\xae\xff",
			  fold[] = "a b";
	struct report_recipient bad = anna;
	struct report_facts facts = facts_of(&bad, 1);
	static char longest[513];

	bad.text = (struct span){evil, sizeof(evil) - 1};
	bad.address = span_text("anna\r\nX: y@example.org");
	bad.orcpt = span_text("rfc822;a+0D+0Ab\r\nX: z");
	facts.envid = span_text("a\r\nX: y");
	facts.header = (struct span){"Subject: a\0b\r\nX: \x1b\xff\r\n", 21};
	write_it(&facts);
	check_lines(true);
	CHECK(!has("\r\nStatus: 2.0.0") && !has("\r\nX: y") && !has("\r\nX: z") && !has("\r\n--=_report_\\"));
	CHECK(has("5.1.1 x\\x0D Status: 2.0.0"));
	CHECK(has("quoted-printable\r\n\r\nSubject: a=00b\r\nX: =1B=FF\r\n"));
	/* One long word; and the header's own boundaries. */
	memset(longest, 1, sizeof(longest) - 1);
	bad = anna;
	bad.text = (struct span){longest, sizeof(longest) - 1};
	facts = facts_of(&bad, 1);
	facts.header = span_text(fold);
	write_it(&facts);
	check_lines(true);
}

static void test_wide(void)
{
	struct report_recipient wide = anna;
	struct report_facts facts = facts_of(&wide, 1);

	wide.address = span_text("j\xc3\xb6rg@example.org");
	wide.orcpt = span_text("utf-8;j\\x{F6}rg@example.org");
	/* Who is told takes ASCII. */
	write_it(&facts);
	check_lines(true);
	CHECK(!report.wide && !report.eight_bit);
	CHECK(has("charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"));
	CHECK(has("  j=C3=B6rg@example.org\r\n"));
	CHECK(has("Original-Recipient: utf-8;j\\x{F6}rg@example.org\r\nFinal-Recipient: "
		  "utf-8;j\\x{F6}rg@example.org\r\n"));
	/* And who does not. */
	facts.to = facts.sender = span_text("s\xc3\xb8ren@example.com");
	facts.header = span_text("Subject: \xc3\xb8\r\n");
	write_it(&facts);
	check_lines(false);
	CHECK(report.wide && report.eight_bit);
	CHECK(has("To: <s\xc3\xb8ren@example.com>\r\n"));
	CHECK(has("Content-Type: message/global-delivery-status\r\n"));
	CHECK(has("Final-Recipient: utf-8;j\xc3\xb6rg@example.org\r\n"));
	CHECK(has("Content-Type: message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: "
		  "\xc3\xb8\r\n"));
}

/* What the configuration says may have letters, too: a destination's `tell`, a client's name. */
static void test_words_of_ones_own(void)
{
	struct report_recipient own = anna;
	struct report_facts facts = facts_of(&own, 1);

	own.say = "Ask in the Au\xc3\x9f"
		  "enstelle.";
	write_it(&facts);
	check_lines(true);
	CHECK(!report.wide && !report.eight_bit);
	CHECK(has("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"));
	CHECK(has("Ask in the Au=C3=9Fenstelle."));
	own.say = NULL;
	facts.to = span_text("it@example.com");
	facts.client = span_text("Au\xc3\x9f"
				 "enstelle");
	write_it(&facts);
	check_lines(true);
	CHECK(has("It was sent by: Au=C3=9Fenstelle"));
}

static void test_full(void)
{
	struct report_facts facts = facts_of(&anna, 1);
	char *large = malloc(REPORT_CONTENT_MAX + 1);

	facts.content = span_text("Subject: hello\r\n\r\nbody \xff\r\n");
	write_it(&facts);
	CHECK(report.eight_bit && !report.wide);
	CHECK(has("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: hello\r\n\r\nbody "
		  "\xff\r\n"));
	/* An SMTPUTF8 message says so (RFC 6533 6), also to who takes none himself: nothing outside of it is UTF-8. */
	facts.header = span_text("Subject: gr\xc3\xbc\xc3\x9f\r\n");
	facts.content = span_text("Subject: gr\xc3\xbc\xc3\x9f\r\n\r\nbody\r\n");
	write_it(&facts);
	CHECK(report.eight_bit && !report.wide);
	CHECK(has("Content-Type: message/delivery-status\r\n"));
	CHECK(has("Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: "
		  "gr\xc3\xbc\xc3\x9f\r\n\r\nbody\r\n"));
	/* Octets that are no UTF-8 make none of a message. */
	facts.header = span_text("Subject: gr\xfc\xdf\r\n");
	facts.content = span_text("Subject: gr\xfc\xdf\r\n\r\nbody\r\n");
	write_it(&facts);
	CHECK(has("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n"));
	facts.header = span_text("Subject: hello\r\n");
	/* What is too large comes as its header. */
	memset(large, 'x', REPORT_CONTENT_MAX + 1);
	facts.content = (struct span){large, REPORT_CONTENT_MAX + 1};
	write_it(&facts);
	CHECK(!has("message/rfc822") && has("text/rfc822-headers"));
	facts.content.length--;
	write_it(&facts);
	CHECK(has("message/rfc822"));
	free(large);
}

/* As many as there is room for; the others in another one. */
static void test_many(void)
{
	static struct report_recipient many[REPORT_RECIPIENTS_MAX + 5];
	static char address[300], text[513];
	struct report_facts facts = facts_of(many, REPORT_RECIPIENTS_MAX + 5);

	for (size_t i = 0; i < REPORT_RECIPIENTS_MAX + 5; i++)
		many[i] = anna;
	write_it(&facts);
	CHECK_EQ(report.recipients, REPORT_RECIPIENTS_MAX);
	memset(address, 'a', sizeof(address) - 1);
	memset(text, 1, sizeof(text) - 1);
	for (size_t i = 0; i < REPORT_RECIPIENTS_MAX + 5; i++) {
		many[i].address = span_text(address);
		many[i].text = span_text(text);
	}
	facts.content = span_text("a\r\n\r\nb");
	write_it(&facts);
	check_lines(true);
	CHECK(report.recipients > 10 && report.recipients < REPORT_RECIPIENTS_MAX);
}

static void test_digest(void)
{
	static struct report_line lines[REPORT_LINES_MAX + 1];
	static char text[513];
	struct report_digest digest = {
		.hostname = span_text("relay.example"),
		.from = span_text("postmaster@relay.example"),
		.to = span_text("it@example.com"),
		.lines = lines,
		.line_count = REPORT_LINES_MAX + 1,
		.messages = REPORT_LINES_MAX + 5,
	};

	for (size_t i = 0; i < REPORT_LINES_MAX + 1; i++)
		lines[i] = (struct report_line){.about = {5, i},
						.sender = span_text("copier@example.com"),
						.recipient = span_text("anna@example.org"),
						.others = (unsigned)(i % 3),
						.code = 550,
						.text = span_text("5.1.1 no\r\nsuch user")};
	report_write_digest(&digest, out, &report);
	out[report.length] = '\0';
	check_lines(true);
	CHECK_EQ(report.recipients, REPORT_LINES_MAX);
	CHECK(has("Auto-Submitted: auto-generated\r\n"));
	CHECK(has("\r\n\r\n505 messages could not be delivered."));
	CHECK(has("The others have no line here"));
	CHECK(has("to anna@example.org and 2 others\r\n    550 5.1.1 no\\x0D such user\r\n"));
	/* Only whole ones. */
	memset(text, 1, sizeof(text) - 1);
	for (size_t i = 0; i < REPORT_LINES_MAX; i++)
		lines[i].text = span_text(text);
	report_write_digest(&digest, out, &report);
	out[report.length] = '\0';
	check_lines(true);
	CHECK(report.recipients > 50 && report.recipients < REPORT_LINES_MAX);
	CHECK(strstr(out + report.length - 80, "event of each.\r\n") ||
	      strcmp(out + report.length - 4, "\r\n\r\n") == 0);
}

int main(void)
{
	RUN(test_failed);
	RUN(test_lines_of_a_reply);
	RUN(test_delayed);
	RUN(test_instead);
	RUN(test_subject);
	RUN(test_mixed);
	RUN(test_status);
	RUN(test_lop03_injection);
	RUN(test_wide);
	RUN(test_words_of_ones_own);
	RUN(test_full);
	RUN(test_many);
	RUN(test_digest);
	return check_end();
}
