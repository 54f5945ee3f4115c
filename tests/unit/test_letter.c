/*
 * test_letter.c - addresses as people and programs write them, and a message as sendmail(8) gets it.
 */
#include <stdio.h>
#include <string.h>

#include "core/tools/letter.h"
#include "tests/unit/check.h"

static bool on_address(void *context, const char *address)
{
	char *out = context;

	strcat(strcat(out, "|"), address);
	return true;
}

static void addresses(void)
{
	static const struct {
		const char *list, *found;
	} rows[] = {
		{"", ""},
		{" , ,; ", ""},
		{"root", "|root"},
		{"a@example.com", "|a@example.com"},
		{"a@example.com,b@example.com", "|a@example.com|b@example.com"},
		{"A B <a@example.com>", "|a@example.com"},
		{"\"B, A\" <a@example.com>, b@example.com", "|a@example.com|b@example.com"},
		{"a@example.com (A, B), b@example.com", "|a@example.com|b@example.com"},
		{"(a (b) \\) c) a@example.com", "|a@example.com"},
		{"\"a b\"@example.com", "|\"a b\"@example.com"},
		{"\"a\\\"b\"@example.com", "|\"a\\\"b\"@example.com"},
		{"team: a@example.com, b@example.com; c@example.com", "|a@example.com|b@example.com|c@example.com"},
		{"undisclosed-recipients:;", ""},
		{"<@a.example,@b.example:c@example.com>", "|c@example.com"},
		{"a @ example.com", "|a@example.com"},
		{"a@[192.0.2.1]", "|a@[192.0.2.1]"},
		{"a@[IPv6:2001:db8::1]", "|a@[IPv6:2001:db8::1]"},
		{"<a@[IPv6:2001:db8::1]>", "|a@[IPv6:2001:db8::1]"},
		{"a@example.com\r\n (x)", "|a@example.com"},
		{"<a@example.com", "|a@example.com"},
		{"a@example.com>", "|a@example.com"},
		{"\"never ends <a@example.com>", "|\"never ends <a@example.com>"},
		{"(never ends a@example.com", ""},
		{"<>", ""},
		{"<a@example.com> <b@example.com>", "|b@example.com"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char found[300] = "";
		CHECK(letter_addresses(rows[i].list, strlen(rows[i].list), on_address, found));
		CHECK_STR(found, rows[i].found);
	}
}

static void letters(void)
{
	static const struct {
		const char *in, *out, *recipients;
		bool dots;
	} rows[] = {
		{"", "To: undisclosed-recipients:;\r\n\r\n", "", false},
		{"text\n", "To: undisclosed-recipients:;\r\n\r\ntext\r\n", "", false},
		{"To: a\n\nx", "To: a\r\n\r\nx\r\n", " a", false},
		{"To: a\r\n\r\nx\r\r\n", "To: a\r\n\r\nx\r\n", " a", false},
		{"From x Thu\nTo: a\n\nx\n", "To: a\r\n\r\nx\r\n", " a", false},
		{"To: a\nno field\nx\n", "To: a\r\n\r\nno field\r\nx\r\n", " a", false},
		{" goes on\nTo: a\n", "To: undisclosed-recipients:;\r\n\r\n goes on\r\nTo: a\r\n", "", false},
		{"To: a,\n\tb\nBcc: c\n d\nSubject: s\n\n", "To: a,\r\n\tb\r\nSubject: s\r\n\r\n", " a, \tb", false},
		{"To: a\nResent-Bcc: b\n\n", "To: a\r\n\r\n", " b", false},
		{"To: a\nReturn-Path: <b>\n\nx\n.\ny\n", "To: a\r\n\r\nx\r\n", " a", true},
		{"To: a\n\n.\ry\n..\n", "To: a\r\n\r\n. y\r\n..\r\n", " a", true},
		{"To: a\nX: b\rBcc: c\n\n", "To: a\r\nX: b Bcc: c\r\n\r\n", " a", false},
		{".\nTo: a\n\n", "To: undisclosed-recipients:;\r\n\r\n", "", true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct letter_wishes wishes = {.dots = rows[i].dots};
		struct letter letter;
		CHECK(letter_make(rows[i].in, strlen(rows[i].in), &wishes, &letter));
		CHECK(letter.length == strlen(rows[i].out) && memcmp(letter.text, rows[i].out, letter.length) == 0);
		/* The first of the values; all of them end in a NUL. */
		CHECK(letter.recipients_length == 0 ? rows[i].recipients[0] == '\0'
						    : strcmp(letter.recipients, rows[i].recipients) == 0);
		CHECK(letter_addresses(letter.recipients, 0, on_address, NULL));
		letter_free(&letter);
	}
}

/* RFC 5322 2.1.1: no line has more than 998 octets, however it was cut, and only what folds them is new. */
static void long_lines(void)
{
	static const struct letter_wishes wishes = {0};
	static const size_t sizes[] = {998, 999, 5000, 16 << 10, 100000};
	static char in[300000];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct letter letter;
		size_t n = 0, column = 0, most = 0, letters = 0;
		n += (size_t)sprintf(in + n, "To: a@example.com\nX-Long: ");
		memset(in + n, 'h', sizes[i]);
		n += sizes[i];
		n += (size_t)sprintf(in + n, "\n\n");
		memset(in + n, 'b', sizes[i]);
		n += sizes[i];
		n += (size_t)sprintf(in + n, "\nend\n");
		CHECK(letter_make(in, n, &wishes, &letter));
		for (size_t k = 0; k < letter.length; k++) {
			column = letter.text[k] == '\n' ? 0 : column + 1;
			most = letter.text[k] != '\r' && column > most ? column : most;
			letters += letter.text[k] == 'b';
		}
		CHECK(most <= 998);
		CHECK_EQ(letters, sizes[i]);
		/* What goes on in the header is of the same field: the body begins where it did. */
		const char *body = memmem(letter.text, letter.length, "\r\n\r\n", 4);
		CHECK(body && body[4] == 'b' && memmem(letter.text, (size_t)(body - letter.text), "\r\nh", 3) == NULL);
		CHECK(memcmp(letter.text + letter.length - 7, "\r\nend\r\n", 7) == 0);
		letter_free(&letter);
	}
}

int main(void)
{
	RUN(addresses);
	RUN(letters);
	RUN(long_lines);
	return check_end();
}
