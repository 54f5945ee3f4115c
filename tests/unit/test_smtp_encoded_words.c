/*
 * test_smtp_encoded_words.c - what encoded words say (RFC 2047), and what is none of them.
 */
#include "core/smtp/encoded_words.h"

#include <string.h>

#include "tests/unit/check.h"

static const struct {
	const char *in, *out;
} table[] = {
	{"", ""},
	{"hello  world", "hello  world"},
	{"=?utf-8?Q?Gr=C3=B6=C3=9Fe?=", "Gr\xc3\xb6\xc3\x9f\x65"},
	{"=?UTF-8*de?b?R3LDtsOfZQ==?=", "Gr\xc3\xb6\xc3\x9f\x65"},
	{"=?iso-8859-1?q?Gr=F6=DFe_1?=", "Gr\xc3\xb6\xc3\x9f\x65 1"},
	/* Blanks between two words are not shown, all others are (RFC 2047 8). */
	{"=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"},
	{"=?utf-8?Q?a?= b", "a b"},
	{"a =?utf-8?Q?b?=", "a b"},
	{"=?utf-8?Q?a?=\t  =?utf-8?Q?b?=  c ", "ab  c "},
	{"=?utf-8?Q?a_?= =?utf-8?Q?b?=", "a b"},
	/* A character that is cut between two of them. */
	{"=?utf-8?B?w7w=?= =?utf-8?Q?=C3?= =?utf-8?Q?=B6?=", "\xc3\xbc\xc3\xb6"},
	{"Re: =?us-ascii?Q?=3D?=", "Re: ="},
	/* None, or in words that nobody here reads. */
	{"=?", "=?"},
	{"=?utf-8?Q?a", "=?utf-8?Q?a"},
	{"=?utf-8?Q?a?", "=?utf-8?Q?a?"},
	{"=?utf-8?Q?=C?=", "=?utf-8?Q?=C?="},
	{"=?utf-8?X?a?=", "=?utf-8?X?a?="},
	{"=?utf-8?B?a?=", "=?utf-8?B?a?="},
	{"=?utf-8??a?=", "=?utf-8??a?="},
	{"=?koi8-r?B?8NLJ18XU?= x", "=?koi8-r?B?8NLJ18XU?= x"},
	{"=?utf-8?Q?a?= =?koi8-r?B?8A==?=", "a =?koi8-r?B?8A==?="},
	{"raw \xc3\xbc", "raw \xc3\xbc"},
	{" ", " "},
};

static void test_words(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char out[256];
		size_t n = encoded_words_read(span_text(table[i].in), out, sizeof(out) - 1);
		out[n] = '\0';
		CHECK_STR(out, table[i].out);
	}
}

static void test_room(void)
{
	char out[4] = "xxx";

	CHECK_EQ(encoded_words_read(span_text("=?iso-8859-1?Q?=F6=F6?="), out, 3), 3);
	CHECK_EQ(encoded_words_read(span_text("hello"), out, 0), 0);
}

int main(void)
{
	RUN(test_words);
	RUN(test_room);
	return check_end();
}
