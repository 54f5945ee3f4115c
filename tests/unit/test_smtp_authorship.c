/*
 * tests/unit/test_smtp_authorship.c - whom a header names as its authors, whatever way it hides them (REL-03).
 */
#include "core/smtp/authorship.h"

#include <stdlib.h>

#include "core/smtp/fields.h"
#include "tests/unit/check.h"

/* a@contoso.com and whoever is at own.example. */
static bool allowed(const void *context, struct span address)
{
	const char *domain = "@own.example";
	size_t length = strlen(domain);

	return (address.length == 13 && memcmp(address.data, "a@contoso.com", 13) == 0) ||
	       (address.length > length && memcmp(address.data + address.length - length, domain, length) == 0);
}

static const struct {
	const char *header;
	enum authorship expected;
} table[] = {
	{"From: a@contoso.com\r\n", AUTHORSHIP_GOOD},
	{"From: A <a@contoso.com>\r\nSender: x@own.example\r\n", AUTHORSHIP_GOOD},
	{"From: \"a@contoso.com\" <a@contoso.com>\r\n", AUTHORSHIP_GOOD},
	{"From: 'a@contoso.com' <a@contoso.com>\r\n", AUTHORSHIP_GOOD},
	{"From: A, B <a@contoso.com>\r\n", AUTHORSHIP_GOOD},
	{"From: o'brien@own.example\r\n", AUTHORSHIP_GOOD},
	{"From: =?utf-8?q?B=C3=BCro?= <a@contoso.com>\r\n", AUTHORSHIP_GOOD},
	{"From: =?ISO-2022-JP?B?GyRCQEBAQBsoQg==?= <a@contoso.com>\r\n", AUTHORSHIP_GOOD}, /* four octets "@" */
	{"From: =?shift_jis?b?g0A=?= <a@contoso.com>\r\n", AUTHORSHIP_GOOD},               /* 0x83 0x40 */
	{"From: Staff: a@contoso.com, b@own.example;\r\n", AUTHORSHIP_GOOD},
	{"To: ceo@contoso.com\r\nFrom: a@contoso.com\r\n", AUTHORSHIP_GOOD},
	{"From user@x Fri\r\nFrom: a@contoso.com\r\n", AUTHORSHIP_GOOD},
	{"Reply-To: ceo@contoso.com\r\nFrom: a@contoso.com\r\n", AUTHORSHIP_GOOD},
	/* Nobody. */
	{"", AUTHORSHIP_NONE},
	{"To: a@contoso.com\r\n", AUTHORSHIP_NONE},
	{"From:\r\n", AUTHORSHIP_NONE},
	{"From: <>\r\n", AUTHORSHIP_NONE},
	{"From: ceo\r\n", AUTHORSHIP_NONE},
	{"From: undisclosed:;\r\n", AUTHORSHIP_NONE},
	{"Sender: a@contoso.com\r\n", AUTHORSHIP_NONE},
	/* Two. */
	{"From: a@contoso.com\r\nFROM : x@own.example\r\n", AUTHORSHIP_SEVERAL},
	{"From: a@contoso.com\r\nFrom:\r\n", AUTHORSHIP_SEVERAL},
	{"From: a@contoso.com\r\nSender: a@contoso.com\r\nSender: a@contoso.com\r\n", AUTHORSHIP_SEVERAL},
	/* Somebody else, anywhere. */
	{"From: ceo@contoso.com\r\n", AUTHORSHIP_FOREIGN},
	{"From: a@contoso.com, ceo@contoso.com\r\n", AUTHORSHIP_FOREIGN},
	{"From: a@contoso.com\r\nFrom: ceo@contoso.com\r\n", AUTHORSHIP_FOREIGN},
	{"From: ceo@contoso.com <a@contoso.com>\r\n", AUTHORSHIP_FOREIGN},
	{"From: \"ceo@contoso.com\" <a@contoso.com>\r\n", AUTHORSHIP_FOREIGN},
	{"From: a@contoso.com (ceo@contoso.com)\r\n", AUTHORSHIP_FOREIGN},
	{"From: =?utf-8?q?ceo=40contoso.com?= <a@contoso.com>\r\n", AUTHORSHIP_FOREIGN},
	{"From: =?utf-8?Q?ceo?= =?utf-8?q?=40contoso.com?= <a@contoso.com>\r\n", AUTHORSHIP_FOREIGN},
	{"From: =?utf-8?Q?ceo?=\r\n =?utf-8?q?=40contoso.com?= <a@contoso.com>\r\n", AUTHORSHIP_FOREIGN},
	{"From: =?us-ascii*en?B?Y2VvQGNvbnRvc28uY29t?= <a@contoso.com>\r\n", AUTHORSHIP_FOREIGN},
	{"From: ceo=?x?q?=40?=contoso.com <a@contoso.com>\r\n", AUTHORSHIP_FOREIGN},
	{"From: a@contoso.com\r\nSender: ceo@contoso.com\r\n", AUTHORSHIP_FOREIGN},
	{"From:\r\n ceo@contoso.com\r\n", AUTHORSHIP_FOREIGN},
	{"From: a@contoso.com@evil.example\r\n", AUTHORSHIP_FOREIGN},
	{"From: ceo@contoso.com. <a@contoso.com>\r\n", AUTHORSHIP_FOREIGN},
	/* docker-mailserver#1426, dada-mail#11, MailWatch#1007 (Outlook, and "mailsploit"): what got by others. */
	{"From: A <a@contoso.com> <ceo@evil.example>\r\n", AUTHORSHIP_FOREIGN},
	{"From: A <a@contoso.com> CEO <ceo@contoso.com>\r\n", AUTHORSHIP_FOREIGN},
	{"From: =?utf-8?b?Y2VvQGNvbnRvc28uY29t?==?utf-8?Q?=00?==?utf-8?b?Y2VvQGNvbnRvc28uY29t?=@own.example\r\n",
	 AUTHORSHIP_FOREIGN},
	{"From: =?utf-8?Q?ceo=40contoso=2Ecom=0A=00?=@own.example\r\n", AUTHORSHIP_FOREIGN},
	/* Not to be read. */
	{"From: ceo @ contoso.com\r\n", AUTHORSHIP_UNREADABLE},
	{"From: \"ceo\"@contoso.com, a@contoso.com\r\n", AUTHORSHIP_UNREADABLE},
	{"From: ceo(x)@contoso.com\r\n", AUTHORSHIP_UNREADABLE},
	{"From: \"ceo\\@contoso.com\" <a@contoso.com>\r\n", AUTHORSHIP_UNREADABLE},
	{"From: <@evil.example:a@contoso.com>\r\n", AUTHORSHIP_UNREADABLE},
	{"From: =?utf-7?q?ceo+AEA-contoso.com?= <a@contoso.com>\r\n", AUTHORSHIP_UNREADABLE},
	{"From: =?utf-16?b?AGMAZQBv?= <a@contoso.com>\r\n", AUTHORSHIP_UNREADABLE},
	{"From: =?utf-8?b?Y2Vv!?= <a@contoso.com>\r\n", AUTHORSHIP_UNREADABLE},
	{"From: a@[192.0.2.1]\r\n", AUTHORSHIP_UNREADABLE},
};

static void test_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t length = strlen(table[i].header);
		char *copy = malloc(length + !length); /* so that a sanitizer sees reads behind the end */

		memcpy(copy, table[i].header, length);
		if (authorship_check(copy, length, allowed, NULL) != table[i].expected)
			printf("%s", table[i].header);
		CHECK_EQ(authorship_check(copy, length, allowed, NULL), table[i].expected);
		free(copy);
	}
}

/* Behind what is too long for anybody to see somebody may hide. */
static void test_long(void)
{
	enum { OCTETS = 100000 };
	char *header = malloc(OCTETS + 64);
	size_t n = (size_t)sprintf(header, "From: <a@contoso.com> (");

	memset(header + n, 'x', OCTETS);
	strcpy(header + n + OCTETS, ")\r\n");
	CHECK_EQ(authorship_check(header, strlen(header), allowed, NULL), AUTHORSHIP_UNREADABLE);
	/* What is foreign is found before; folds are one space. */
	for (size_t i = n; i + 3 < n + OCTETS; i += 3)
		memcpy(header + i, "\r\n ", 3);
	CHECK_EQ(authorship_check(header, n + 3, allowed, NULL), AUTHORSHIP_GOOD);
	free(header);
}

int main(void)
{
	RUN(test_table);
	RUN(test_long);
	return check_end();
}
