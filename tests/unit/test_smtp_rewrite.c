/*
 * tests/unit/test_smtp_rewrite.c - another sender in a message's header (RFC 5322 3.4, 3.6.2; RFC 6854; RFC 2047).
 */
#include "core/smtp/rewrite.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/smtp/fields.h"
#include "tests/unit/check.h"

#define MAILBOX "scan@contoso.com"

static char result[400000];

/* The header rewritten, and what stands behind it. */
static struct rewrite_facts rewrite(const char *content, const char *name, const char *sender)
{
	const struct rewrite_terms terms = {
		.address = span_text(MAILBOX),
		.name = name ? span_text(name) : (struct span){NULL, 0},
		.sender = span_text(sender),
	};
	size_t length = strlen(content), end = 0, room, n;
	char *copy = malloc(length + !length), *out; /* so that a sanitizer sees reads behind the end */
	struct rewrite_facts facts;

	memcpy(copy, content, length);
	CHECK(fields_end(copy, length, true, &end));
	room = rewrite_room(&terms, end);
	out = malloc(room);
	n = rewrite_header(&terms, copy, end, end < length && (copy[end] == '\r' || copy[end] == '\n'), out, &facts);
	CHECK(n <= room && n + length - end < sizeof(result));
	memcpy(result, out, n);
	memcpy(result + n, copy + end, length - end);
	result[n + length - end] = '\0';
	free(copy);
	free(out);
	return facts;
}

#define TO "To: b@example.org\r\n"
#define END "\r\nFrom: in the body\r\n"

static const struct {
	const char *in, *out; /* fields; NULL: the same */
} table[] = {
	/* The usual. */
	{"From: Copier <c@lan>\r\n" TO, "From: Copier <" MAILBOX ">\r\nReply-To: Copier <c@lan>\r\n" TO},
	{"From: c@lan\r\n" TO, "From: " MAILBOX "\r\nReply-To: c@lan\r\n" TO},
	{"FROM:<c@lan>\r\n", "From: " MAILBOX "\r\nReply-To: <c@lan>\r\n"},
	{"From : c@lan\r\n", "From: " MAILBOX "\r\nReply-To: c@lan\r\n"},
	/* Who does not know encoded words must find no other author in one. */
	{"From: =?x?q?<evil@x>?= <c@lan>\r\n",
	 "From: \"=?x?q?<evil@x>?=\" <" MAILBOX ">\r\nReply-To: =?x?q?<evil@x>?= <c@lan>\r\n"},
	{"From: =?x?q?evil@x,?= <c@lan>\r\n",
	 "From: \"=?x?q?evil@x,?=\" <" MAILBOX ">\r\nReply-To: =?x?q?evil@x,?= <c@lan>\r\n"},
	{"From: =?x?q?(?= Bob <c@lan>\r\n",
	 "From: \"=?x?q?(?= Bob\" <" MAILBOX ">\r\nReply-To: =?x?q?(?= Bob <c@lan>\r\n"},
	{"From: =?x?q?me@home?= <c@lan>\r\n",
	 "From: =?x?q?me@home?= <" MAILBOX ">\r\nReply-To: =?x?q?me@home?= <c@lan>\r\n"},
	/* Groups, whose members are authors; one without any names nobody that could be answered. */
	{"From: Team: a@lan, b@lan;\r\n", "From: Team <" MAILBOX ">\r\nReply-To: Team: a@lan, b@lan;\r\n"},
	/* It is the mailbox already, in whatever letters. */
	{"From: X <Scan@Contoso.COM>\r\n" TO, NULL},
	{"From: " MAILBOX "\r\nReply-To:\r\n", NULL},
	/* Names: quoted, with a comma that is not, encoded, folded, 8-bit, as a comment, of two words. */
	{"From: \"Doe, J\" <j@lan>\r\n", "From: \"Doe, J\" <" MAILBOX ">\r\nReply-To: \"Doe, J\" <j@lan>\r\n"},
	{"From: Contoso, Inc. <j@lan>\r\n",
	 "From: \"Contoso, Inc.\" <" MAILBOX ">\r\nReply-To: Contoso, Inc. <j@lan>\r\n"},
	{"From: =?UTF-8?Q?M=C3=A4rtin,_S?= <m@lan>\r\n",
	 "From: =?UTF-8?Q?M=C3=A4rtin,_S?= <" MAILBOX ">\r\nReply-To: =?UTF-8?Q?M=C3=A4rtin,_S?= <m@lan>\r\n"},
	{"From:\r\n =?UTF-8?B?TcOk?=\r\n\t=?UTF-8?B?cnRpbg==?=\r\n <m@lan>\r\n" TO,
	 "From: =?UTF-8?B?TcOk?=\r\n\t=?UTF-8?B?cnRpbg==?= <" MAILBOX ">\r\n"
	 "Reply-To: =?UTF-8?B?TcOk?=\r\n\t=?UTF-8?B?cnRpbg==?=\r\n <m@lan>\r\n" TO},
	{"From: M\xc3\xa4rtin <m@lan>\r\n", "From: M\xc3\xa4rtin <" MAILBOX ">\r\nReply-To: M\xc3\xa4rtin <m@lan>\r\n"},
	{"From: M\xe4rtin <m@lan>\r\n", "From: M\xe4rtin <" MAILBOX ">\r\nReply-To: M\xe4rtin <m@lan>\r\n"},
	{"From: c@lan (The \\) copier (3rd floor))\r\n",
	 "From: " MAILBOX " (The \\) copier (3rd floor))\r\nReply-To: c@lan (The \\) copier (3rd floor))\r\n"},
	{"From: J.R. \"Bob\" (him) D <j@lan>\r\n",
	 "From: J.R. \"Bob\" (him) D <" MAILBOX ">\r\nReply-To: J.R. \"Bob\" (him) D <j@lan>\r\n"},
	{"From: a@b <j@lan>\r\n", "From: \"a@b\" <" MAILBOX ">\r\nReply-To: a@b <j@lan>\r\n"},
	{"From: <@r,@s:j@lan>\r\n", "From: " MAILBOX "\r\nReply-To: <@r,@s:j@lan>\r\n"},
	{"From: \"a\\\"<x@y>, b\" <j@[192.0.2.1]>\r\n",
	 "From: \"a\\\"<x@y>, b\" <" MAILBOX ">\r\nReply-To: \"a\\\"<x@y>, b\" <j@[192.0.2.1]>\r\n"},
	{"From: A long name that does not fit into the line with the mailbox behind it, so <j@lan>\r\n",
	 "From: \"A long name that does not fit into the line with the mailbox behind it, so\"\r\n <" MAILBOX ">\r\n"
	 "Reply-To: A long name that does not fit into the line with the mailbox behind it, so <j@lan>\r\n"},
	/* Several authors, several fields, groups. */
	{"From: A <a@lan>, B <b@lan>\r\n", "From: A <" MAILBOX ">\r\nReply-To: A <a@lan>, B <b@lan>\r\n"},
	{"From: a@lan, B <b@lan>\r\n", "From: " MAILBOX "\r\nReply-To: a@lan, B <b@lan>\r\n"},
	{"From: A <a@lan>\r\n" TO "From: b@lan\r\n", "From: A <" MAILBOX ">\r\nReply-To: A <a@lan>,\r\n b@lan\r\n" TO},
	{"From: \r\nFrom: B <b@lan>\r\n", "From: B <" MAILBOX ">\r\nReply-To: B <b@lan>\r\n"},
	{"From: " MAILBOX "\r\nFrom: " MAILBOX "\r\n",
	 "From: " MAILBOX "\r\nReply-To: " MAILBOX ",\r\n " MAILBOX "\r\n"},
	{"From: Staff: A <a@lan>, b@lan;\r\n", "From: Staff <" MAILBOX ">\r\nReply-To: Staff: A <a@lan>, b@lan;\r\n"},
	{"From: Undisclosed:;\r\n", "From: Undisclosed <" MAILBOX ">\r\nReply-To: <env@lan>\r\n"},
	/* What cron and devices write: no domain, no address, nothing, half of it. */
	{"From: root (Cron Daemon)\r\n", "From: root (Cron Daemon) <" MAILBOX ">\r\nReply-To: <env@lan>\r\n"},
	{"From: \"(Cron Daemon)\" <root>\r\n", "From: \"(Cron Daemon)\" <" MAILBOX ">\r\nReply-To: <env@lan>\r\n"},
	{"From: (Cron) <root>\r\n", "From: " MAILBOX " (Cron)\r\nReply-To: <env@lan>\r\n"},
	{"From: Copier\r\n", "From: Copier <" MAILBOX ">\r\nReply-To: <env@lan>\r\n"},
	{"From: Floor 3; copier\r\n", "From: \"Floor 3; copier\" <" MAILBOX ">\r\nReply-To: <env@lan>\r\n"},
	{"From:\r\n" TO, "From: " MAILBOX "\r\nReply-To: <env@lan>\r\n" TO},
	{"From: <>\r\n", "From: " MAILBOX "\r\nReply-To: <env@lan>\r\n"},
	{"From: \"Copier <c@lan>\r\n", "From: \"Copier\" <" MAILBOX ">\r\nReply-To: c@lan\r\n"},
	{"From: Copier <c@lan\r\n", "From: Copier <" MAILBOX ">\r\nReply-To: c@lan\r\n"},
	{"From: Copier (x <c@lan>\r\n", "From: \"Copier (x\" <" MAILBOX ">\r\nReply-To: c@lan\r\n"},
	/* No From, no header. */
	{TO, TO "From: " MAILBOX "\r\nReply-To: <env@lan>\r\n"},
	{"", "From: " MAILBOX "\r\nReply-To: <env@lan>\r\n"},
	/* Reply-To is somebody's will, unless it is empty. */
	{"Reply-To: r@lan\r\nFrom: c@lan\r\n", "Reply-To: r@lan\r\nFrom: " MAILBOX "\r\n"},
	{"From: c@lan\r\nReply-To: r@lan\r\n", "From: " MAILBOX "\r\nReply-To: r@lan\r\n"},
	{"Reply-To: \r\nFrom: c@lan\r\n", "From: " MAILBOX "\r\nReply-To: c@lan\r\n"},
	{"Reply-To:\r\n \r\nFrom: c@lan\r\n", "From: " MAILBOX "\r\nReply-To: c@lan\r\n"},
	/* Providers compare these as well. */
	{"Return-Path: <x@lan>\r\nSender: root@lan\r\n (x)\r\nFrom: c@lan\r\n",
	 "From: " MAILBOX "\r\nReply-To: c@lan\r\n"},
	{"Sender: root@lan\r\nFrom: " MAILBOX "\r\n", "From: " MAILBOX "\r\n"},
	{"Sender: <SCAN@contoso.com>\r\nFrom: c@lan\r\n",
	 "Sender: <SCAN@contoso.com>\r\nFrom: " MAILBOX "\r\nReply-To: c@lan\r\n"},
	/* Not these, however alike. */
	{"Resent-From: x@lan\r\nX-From: y@lan\r\nFroma: z@lan\r\nFrom: " MAILBOX "\r\n", NULL},
	{"From user@lan Fri Nov 27 10:00:00 2026\r\nFrom: c@lan\r\n",
	 "From user@lan Fri Nov 27 10:00:00 2026\r\nFrom: " MAILBOX "\r\nReply-To: c@lan\r\n"},
	{">From user@lan Fri\r\nFrom: c@lan\r\n", ">From user@lan Fri\r\nFrom: " MAILBOX "\r\nReply-To: c@lan\r\n"},
	{"Subject: x\r\n From: in a fold\r\nFrom: c@lan\r\n",
	 "Subject: x\r\n From: in a fold\r\nFrom: " MAILBOX "\r\nReply-To: c@lan\r\n"},
};

static void test_table(void)
{
	char in[1024], out[1024];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct rewrite_facts facts;

		snprintf(in, sizeof(in), "%s" END, table[i].in);
		snprintf(out, sizeof(out), "%s" END, table[i].out ? table[i].out : table[i].in);
		facts = rewrite(in, NULL, "env@lan");
		CHECK_STR(result, out);
		CHECK(facts.changed == (table[i].out != NULL));
		CHECK(facts.changed || !facts.from_changed);
	}
}

static void test_sender(void)
{
	/* Bounces have none, and the mailbox does not write to itself. */
	rewrite(TO "\r\n", NULL, "");
	CHECK_STR(result, TO "From: " MAILBOX "\r\n\r\n");
	rewrite(TO "\r\n", NULL, "SCAN@contoso.com");
	CHECK_STR(result, TO "From: " MAILBOX "\r\n\r\n");
}

static void test_name(void)
{
	rewrite("From: Old <c@lan>\r\n\r\n", "Contoso Scans", "");
	CHECK_STR(result, "From: \"Contoso Scans\" <" MAILBOX ">\r\nReply-To: Old <c@lan>\r\n\r\n");
	rewrite("From: Old <c@lan>\r\n\r\n", "A \"B\" \\ <x@y>", "");
	CHECK_STR(result, "From: \"A B  <x@y>\" <" MAILBOX ">\r\nReply-To: Old <c@lan>\r\n\r\n");
	/* Set also where the mailbox was there already. */
	rewrite("From: Old <" MAILBOX ">\r\n\r\n", "New", "");
	CHECK_STR(result, "From: \"New\" <" MAILBOX ">\r\n\r\n");
	rewrite("From: <c@lan>\r\n\r\n", "B\xc3\xbcro", "");
	CHECK_STR(result, "From: =?UTF-8?B?QsO8cm8=?= <" MAILBOX ">\r\nReply-To: <c@lan>\r\n\r\n");
	/* No character is cut, no word longer than 75. */
	rewrite("From: <c@lan>\r\n\r\n",
		"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		"x\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
		"");
	CHECK_STR(result, "From: =?UTF-8?B?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpHjDpMOkw6TDpMOkw6TDpMOkw6Q=?=\r\n"
			  " =?UTF-8?B?w6TDpA==?= <" MAILBOX ">\r\nReply-To: <c@lan>\r\n\r\n");
}

/* A header that no empty line ends gets one: nobody may find another From further down. */
static void test_no_end(void)
{
	rewrite("Received: x\r\nHello\r\nFrom: me\r\n\r\nbody\r\n", NULL, "env@lan");
	CHECK_STR(result,
		  "Received: x\r\nFrom: " MAILBOX "\r\nReply-To: <env@lan>\r\n\r\nHello\r\nFrom: me\r\n\r\nbody\r\n");
	rewrite("From: c@lan\r\n", NULL, "");
	CHECK_STR(result, "From: " MAILBOX "\r\nReply-To: c@lan\r\n\r\n");
	rewrite("From: c@lan\r\n: x\r\n", NULL, "");
	CHECK_STR(result, "From: " MAILBOX "\r\nReply-To: c@lan\r\n\r\n: x\r\n");
}

static void test_signed(void)
{
	struct rewrite_facts facts = rewrite("DKIM-Signature: v=1\r\nFrom: c@lan\r\n\r\n", NULL, "");

	CHECK(facts.signed_ && facts.from_changed && facts.changed);
	CHECK_STR(result, "DKIM-Signature: v=1\r\nFrom: " MAILBOX "\r\nReply-To: c@lan\r\n\r\n");
	facts = rewrite("DKIM-Signature: v=1\r\nFrom: " MAILBOX "\r\n\r\n", NULL, "");
	CHECK(facts.signed_ && !facts.from_changed && !facts.changed);
}

/* ---- other fields -------------------------------------------------------------------------------------------- */

#define DATE "Fri, 27 Nov 2026 17:00:00 +0000"
#define HERE "Date: " DATE "\r\nMessage-ID: <1@relay>\r\n"

static const struct {
	const char *address, *in, *out;
} fields_table[] = {
	/* Missing, empty, there in any letters. */
	{NULL, "From: c@lan\r\nTo: b@x\r\n", "From: c@lan\r\nTo: b@x\r\n" HERE},
	{NULL, "From: c@lan\r\nBcc:\r\nDate:\r\nMessage-Id: \r\n", "From: c@lan\r\nBcc:\r\n" HERE},
	{NULL, "from: c@lan\r\nDATE: x\r\nmessage-id : y\r\ncc: b@x\r\n", NULL},
	{NULL, "From: c@lan\r\nSubject: s\r\n Date: no\r\n",
	 "From: c@lan\r\nSubject: s\r\n Date: no\r\n" HERE "To: undisclosed-recipients:;\r\n"},
	{NULL, "", "From: env@lan\r\n" HERE "To: undisclosed-recipients:;\r\n"},
	/* An author who was not named, or not so that he could be answered. Sender is no other's. */
	{NULL, "To: b@x\r\nSender: s@lan\r\n", "To: b@x\r\nSender: s@lan\r\nFrom: env@lan\r\n" HERE},
	{NULL, "From:\r\nTo: b@x\r\n", "From: env@lan\r\nTo: b@x\r\n" HERE},
	{NULL, "From: root (Cron Daemon)\r\nTo: b@x\r\nReply-To:\r\n",
	 "From: root (Cron Daemon) <env@lan>\r\nTo: b@x\r\nReply-To:\r\n" HERE},
	{NULL, "From: \"x@\" <y>\r\nTo: b@x\r\n", "From: \"x@\" <env@lan>\r\nTo: b@x\r\n" HERE},
	/* Two of them are two of them. */
	{NULL, "From: a@lan\r\nFrom: b@lan\r\nTo: b@x\r\n", "From: a@lan\r\nFrom: b@lan\r\nTo: b@x\r\n" HERE},
	/* Removed, also as what is looked for; with folds; by their beginning; not those alike. */
	{NULL, "From: c@lan\r\nTo: b@x\r\nX-Secret: 1\r\n\t2\r\nx-secret : 3\r\nX-Secrets: 4\r\n",
	 "From: c@lan\r\nTo: b@x\r\nX-Secrets: 4\r\n" HERE},
	{NULL, "X-Int-A: 1\r\nFrom: c@lan\r\nX-Int-: 2\r\nX-In: 3\r\nTo: b@x\r\n",
	 "From: c@lan\r\nX-In: 3\r\nTo: b@x\r\n" HERE},
	/* Beside another author. */
	{MAILBOX, "Sender: s@lan\r\nFrom: C <c@lan>\r\nTo: b@x\r\n",
	 "From: C <" MAILBOX ">\r\nReply-To: C <c@lan>\r\nTo: b@x\r\n" HERE},
	{MAILBOX, "Date: x\r\nX-Secret: 1\r\n",
	 "Date: x\r\nFrom: " MAILBOX "\r\nReply-To: <env@lan>\r\nMessage-ID: <1@relay>\r\n"
	 "To: undisclosed-recipients:;\r\n"},
	{NULL, ">From a b\r\nFrom: c@lan\r\nTo: b@x\r\n", ">From a b\r\nFrom: c@lan\r\nTo: b@x\r\n" HERE},
};

static void with_fields(const struct rewrite_terms *terms, const char *in, const char *expected)
{
	size_t length = strlen(in), n;
	char *copy = malloc(length + !length), *out;
	struct rewrite_facts facts;

	memcpy(copy, in, length);
	out = malloc(rewrite_room(terms, length));
	n = rewrite_header(terms, copy, length, true, out, &facts);
	CHECK(n < sizeof(result) && n <= rewrite_room(terms, length));
	memcpy(result, out, n);
	result[n] = '\0';
	CHECK_STR(result, expected);
	CHECK(facts.changed == (strcmp(in, expected) != 0));
	free(copy);
	free(out);
}

static void test_fields(void)
{
	static char *removed[] = {(char *)"X-Secret", (char *)"X-Int-*"};
	const struct rewrite_fields fields = {
		.removed = removed,
		.removed_count = 2,
		.date = span_text(DATE),
		.message_id = span_text("<1@relay>"),
		.author = span_text("env@lan"),
		.recipients = true,
	};
	for (size_t i = 0; i < sizeof(fields_table) / sizeof(fields_table[0]); i++) {
		const struct rewrite_terms terms = {
			.address = fields_table[i].address ? span_text(MAILBOX) : (struct span){NULL, 0},
			.sender = span_text("env@lan"),
			.fields = &fields,
		};
		with_fields(&terms, fields_table[i].in, fields_table[i].out ? fields_table[i].out : fields_table[i].in);
	}
}

/* What is removed and added is set; Reply-To is the author's where it was removed, and stays where it is to. */
static void test_added(void)
{
	static char *removed[] = {(char *)"Reply-To"}, *added[] = {(char *)"X-Office: Berlin", (char *)"Reply-To: d@x"};
	struct rewrite_fields fields = {.removed = removed, .removed_count = 1, .added = added, .added_count = 2};
	struct rewrite_terms terms = {.fields = &fields};

	with_fields(&terms, "From: c@lan\r\nReply-To: r@lan\r\n",
		    "From: c@lan\r\nX-Office: Berlin\r\nReply-To: d@x\r\n");
	with_fields(&terms, "", "X-Office: Berlin\r\nReply-To: d@x\r\n");
	with_fields(&terms, "Subject: no end", "Subject: no end\r\nX-Office: Berlin\r\nReply-To: d@x\r\n");
	fields.added_count = 0;
	terms.address = span_text(MAILBOX);
	with_fields(&terms, "Reply-To: r@lan\r\nFrom: c@lan\r\n", "From: " MAILBOX "\r\nReply-To: c@lan\r\n");
	terms.reply_to_stays = true;
	with_fields(&terms, "From: c@lan\r\n", "From: " MAILBOX "\r\n");
	terms.fields = NULL;
	with_fields(&terms, "Reply-To: r@lan\r\nFrom: c@lan\r\n", "Reply-To: r@lan\r\nFrom: " MAILBOX "\r\n");
}

/* What rewriting in other programs has done to people's mail, by their reports. */
static void test_reported(void)
{
	static char link[1000] = "From: c@lan\r\nList-Unsubscribe: <https://x/";

	/* mozilla/fx-private-relay#683, Pelton#314: specials of a name that is set; "(...)" would be a comment. */
	rewrite("From: c@lan\r\n\r\n", "c@lan [via Relay]", "");
	CHECK_STR(result, "From: \"c@lan [via Relay]\" <" MAILBOX ">\r\nReply-To: c@lan\r\n\r\n");
	rewrite("From: c@lan\r\n\r\n", "Support (Billing), Inc.", "");
	CHECK_STR(result, "From: \"Support (Billing), Inc.\" <" MAILBOX ">\r\nReply-To: c@lan\r\n\r\n");
	/* bruceg/ezmlm-idx#12: encoded words that came out as 8-bit, and a second Reply-To. */
	rewrite("Reply-To: =?UTF-8?Q?=C3=A4?= <r@lan>\r\nFrom: =?UTF-8?Q?M=C3=A4?= <m@lan>\r\n\r\n", NULL, "");
	CHECK_STR(result, "Reply-To: =?UTF-8?Q?=C3=A4?= <r@lan>\r\nFrom: =?UTF-8?Q?M=C3=A4?= <" MAILBOX ">\r\n\r\n");
	/* python/cpython#80222: quotes lost, so that a name became addresses. */
	rewrite("From: \"ceo@contoso.com, \\\"x\\\"\" <c@lan>\r\n\r\n", NULL, "");
	CHECK_STR(result, "From: \"ceo@contoso.com, \\\"x\\\"\" <" MAILBOX ">\r\n"
			  "Reply-To: \"ceo@contoso.com, \\\"x\\\"\" <c@lan>\r\n\r\n");
	/* PHPMailer#1525, lettre#688: other fields that were folded where they must not be. */
	memset(link + strlen(link), 'x', 900);
	strcat(link, ">\r\n\r\n");
	rewrite(link, NULL, "");
	CHECK(strstr(result, strstr(link, "List-")) != NULL);
	/* corecode/dma#96: an address on a line of its own. */
	rewrite("From: \"foobar\"\r\n <foo@bar>\r\n\r\n", NULL, "");
	CHECK_STR(result, "From: \"foobar\" <" MAILBOX ">\r\nReply-To: \"foobar\"\r\n <foo@bar>\r\n\r\n");
}

/* LOP-04: whatever is handed in, no line is begun by it. */
static void test_injection(void)
{
	static char *added[] = {(char *)"X-A: b\r\nBcc: evil@x", (char *)"X-C: d\n\nbody"};
	const struct rewrite_fields fields = {.added = added,
					      .added_count = 2,
					      .date = span_text("now\r\nX-Evil: 1"),
					      .message_id = span_text("<1>\nX-Evil: 2")};
	const struct rewrite_terms terms = {.address = span_text("a@x>\r\nX-Evil: 3"),
					    .name = span_text("N\r\nX-Evil: 4"),
					    .sender = span_text("e@x\r\nX-Evil: 5"),
					    .fields = &fields};

	with_fields(&terms, "",
		    "From: \"NX-Evil: 4\" <a@x>X-Evil: 3>\r\nReply-To: <e@xX-Evil: 5>\r\nDate: nowX-Evil: 1\r\n"
		    "Message-ID: <1>X-Evil: 2\r\nX-A: bBcc: evil@x\r\nX-C: dbody\r\n");
}

static void test_author(void)
{
	const char *header = "From: \"x\" (y)\r\nTo: z@z\r\nFrom: A <a@lan>, b@lan\r\n";
	struct span author = rewrite_author(header, strlen(header));

	CHECK(author.length == 5 && memcmp(author.data, "a@lan", 5) == 0);
	CHECK(rewrite_author("To: a@b\r\n", 9).data == NULL);
}

/* ---- where it ends ------------------------------------------------------------------------------------------- */

/* A header that comes in pieces ends where the whole one does, however it is cut. */
static void test_watch(void)
{
	static const char *const contents[] = {
		"From: a\r\n b\r\nTo: c\r\n\r\nbody\r\n",
		"\r\nbody",
		"\nbody",
		"Hello\r\n",
		"Hello world\r\n",
		" fold\r\n",
		"A: b\r\n fold\r\nHello\r\n",
		": x\r\n",
		"A\r\n",
		"A : b\r\nB\t :c\r\n\nx",
		"From a b\r\nA: b\r\n\r\n",
		">From a b\r\nA: b\r\n\r\n",
		">>From a b\r\n",
		"From\ta b\r\n",
		"Fro m\r\n",
		"From :x\r\n\r\n",
		"F: x\r\n\r\n",
		"A: b\r\nFrom a\r\n\r\n",
		"A: b\r\n\xe4: c\r\n",
		"A: b\r\r\n\r\n",
		"From: x\r\n>: y\r\n\r\n",
	};

	for (size_t c = 0; c < sizeof(contents) / sizeof(contents[0]); c++) {
		const char *content = contents[c];
		size_t length = strlen(content), end = 0, whole = 0;
		bool ends = fields_end(content, length, false, &whole);
		struct fields_watch at_once = {.state = 0};
		(void)fields_watch(&at_once, content, length);
		for (size_t cut = 0; cut <= length; cut++) {
			struct fields_watch watch = {.state = 0};
			bool early = fields_watch(&watch, content, cut);
			/* What it says early is so, and is where the whole one ends. */
			if (early)
				CHECK(fields_end(content, cut, true, &end) && ends && end == whole);
			CHECK(fields_watch(&watch, content + cut, length - cut) == ends);
			CHECK_EQ(watch.octets, at_once.octets);
		}
	}
	/* A line that is none of a header says so before it is whole. */
	struct fields_watch watch = {.state = 0};
	CHECK(!fields_watch(&watch, "A: b\r\nHello", 11) && fields_watch(&watch, " w", 2));
}

/* Any beginning of a header says that there may be more, and none where there is not. */
static void test_pieces(void)
{
	const char *content = "From: a\r\n b\r\nTo: c\r\n\r\nbody\r\n";
	size_t end = 0, i;

	for (i = 0; i < strlen(content); i++)
		CHECK(fields_end(content, i, false, &end) == (i >= 22) || i == 21);
	CHECK(fields_end(content, strlen(content), false, &end) && end == 20);
	CHECK(!fields_end("Hel", 3, false, &end));
	CHECK(fields_end("Hello\r\n", 7, false, &end) && end == 0);
	CHECK(!fields_end("", 0, false, &end));
	CHECK(fields_end("", 0, true, &end) && end == 0);
	/* The fold of the next piece belongs to it. */
	CHECK(!fields_end("From: a\r\n", 9, false, &end));
}

/* 100 KB of addresses in one field, of fields, of what does not end: in time that grows with their length. */
static void test_large(void)
{
	enum { OCTETS = 100000 };
	static const char *const parts[] = {"a@lan, ", "a@lan,\r\n ", "X: y\r\nFrom: ",  "(",  "\"", "<", "[", "=?a?q?",
					    "\\",      "x:",          "From: a@lan\r\n", "(\""};
	char *content = malloc(2 * OCTETS);

	for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++) {
		size_t n = (size_t)sprintf(content, "From: ");
		while (n < OCTETS)
			n += (size_t)sprintf(content + n, "%s", parts[p]);
		sprintf(content + n, "b@lan\r\n\r\n");
		rewrite(content, NULL, "env@lan");
		CHECK(strstr(result, "From: ") && strstr(result, MAILBOX));
	}
	free(content);
}

/* A line that is as long as one may be is no longer than that afterwards (RFC 5322 2.1.1). */
static void test_long_lines(void)
{
	static char in[2000];

	for (unsigned name = 900; name <= 985; name++) {
		char *at = in + sprintf(in, "From: ");
		memset(at, 'n', name);
		sprintf(at + name, " <c@lan>\r\n\r\n");
		if (strcspn(in, "\r") > 998)
			break;
		(void)rewrite(in, NULL, "");
		for (const char *line = result; *line; line += strcspn(line, "\n") + 1)
			CHECK(strcspn(line, "\r") <= 998);
		CHECK(strstr(result, "Reply-To:") && strstr(result, "<c@lan>"));
	}
}

int main(void)
{
	RUN(test_table);
	RUN(test_sender);
	RUN(test_name);
	RUN(test_no_end);
	RUN(test_signed);
	RUN(test_fields);
	RUN(test_added);
	RUN(test_reported);
	RUN(test_injection);
	RUN(test_author);
	RUN(test_watch);
	RUN(test_pieces);
	RUN(test_large);
	RUN(test_long_lines);
	return check_end();
}
