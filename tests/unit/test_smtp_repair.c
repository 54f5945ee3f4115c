/*
 * tests/unit/test_smtp_repair.c - content of old devices (RFC 5321 2.3.8, 4.5.3.1.6): whatever is repaired is lines of
 * at most 998 octets that end in CRLF, and data ends where it is said to (SMG-01, SMG-02).
 */
#include "core/smtp/repair.h"

#include <stdlib.h>

#include "tests/unit/check.h"

enum { ROOM = 1 << 16 };

/* What comes out of `in`, given in pieces of `step` octets. */
static size_t repaired(unsigned what, const char *in, size_t length, size_t step, char *out, bool *bare_cr)
{
	struct repair repair;
	size_t w = 0;

	repair_init(&repair, what);
	for (size_t i = 0; i < length; i += step) {
		size_t n = length - i < step ? length - i : step;
		uint8_t *exact = malloc(repair_room(n)), *piece = malloc(n);
		memcpy(piece, in + i, n);
		size_t written = repair_content(&repair, piece, n, exact);
		CHECK(written <= repair_room(n));
		memcpy(out + w, exact, written);
		w += written;
		free(piece);
		free(exact);
	}
	out[w] = '\0';
	*bare_cr = repair.bare_cr;
	return w;
}

static const struct {
	const char *in, *out;
	bool bare_cr;
} endings[] = {
	{"", "", false},
	{"a\r\nb\r\n", "a\r\nb\r\n", false},
	{"a\nb\n", "a\r\nb\r\n", false},
	{"a\r\r\nb\r\r\n", "a\r\nb\r\n", false},
	{"a\r\r\r\r\nb\r\n", "a\r\nb\r\n", false},
	{"\n\n", "\r\n\r\n", false},
	{"a\n\r\nb\r\n", "a\r\n\r\nb\r\n", false},
	/* What would be the end of data for somebody else is a line with a dot. */
	{"a\n.\nMAIL FROM:<x@y>\r\n", "a\r\n.\r\nMAIL FROM:<x@y>\r\n", false},
	{"a\n.\r\nb\r\n", "a\r\n.\r\nb\r\n", false},
	/* A CR elsewhere has no meaning that could be guessed: the message is refused. */
	{"a\rb\r\n", "a\rb\r\n", true},
	{"\r.\r\n", "\r.\r\n", true},
	{"a\r\rb\n", "a\rb\r\n", true},
};

static void test_endings(void)
{
	static char out[ROOM];

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		for (size_t step = 1; step <= 5; step++) {
			bool bare_cr;
			repaired(REPAIR_ENDINGS, endings[i].in, strlen(endings[i].in), step, out, &bare_cr);
			CHECK_STR(out, endings[i].out);
			CHECK_EQ(bare_cr, endings[i].bare_cr);
		}
	}
}

/* `length` octets of `octet`. */
static size_t fill(char *at, size_t length, char octet)
{
	memset(at, octet, length);
	return length;
}

static const struct {
	bool body;
	size_t before; /* octets x */
	const char *then;
	size_t after;       /* octets y */
	const char *broken; /* where `then` has become this; NULL: nothing has changed */
} lines[] = {
	/* As long as a line may be, in the header and behind it. */
	{false, 897, " ", 100, NULL},
	{true, 998, "", 0, NULL},
	{true, 899, "-", 98, NULL},
	/* Behind a blank, of which nothing is removed. */
	{true, 900, " ", 1, " \r\n"},
	{true, 950, " ", 200, " \r\n"},
	{false, 950, " ", 200, " \r\n "},
	{false, 950, "\t ", 200, "\t \r\n "},
	{true, 997, " ", 200, " \r\n"},
	/* Where there is none, as in base64. */
	{true, 998, "", 200, "\r\n"},
	{false, 998, "", 200, "\r\n "},
	/* Not inside of a character. */
	{true, 997, "\xc3\xa4", 1, "\r\n\xc3\xa4"},
	{true, 996, "\xc3\xa4", 1, "\xc3\xa4\r\n"},
	{true, 995, "\xf0\x9f\x96\xa8", 1, "\r\n\xf0\x9f\x96\xa8"},
};

static void test_lines(void)
{
	static char in[ROOM], out[ROOM], expected[ROOM];
	static const size_t steps[] = {1, 7, 64, 997, ROOM};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *begin = lines[i].body ? "\r\n" : "";
		size_t n = (size_t)sprintf(in, "%s", begin), m = (size_t)sprintf(expected, "%s", begin);
		n += fill(in + n, lines[i].before, 'x');
		m += fill(expected + m, lines[i].before, 'x');
		n += (size_t)sprintf(in + n, "%s", lines[i].then);
		m += (size_t)sprintf(expected + m, "%s", lines[i].broken ? lines[i].broken : lines[i].then);
		n += fill(in + n, lines[i].after, 'y');
		m += fill(expected + m, lines[i].after, 'y');
		n += (size_t)sprintf(in + n, "\r\nz\r\n");
		strcpy(expected + m, "\r\nz\r\n");
		for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
			bool bare_cr;
			repaired(REPAIR_WRAP, in, n, steps[s], out, &bare_cr);
			CHECK_STR(out, expected);
			CHECK(!bare_cr);
		}
	}
}

/* One line of a megabyte: no line is longer than may be, and without what was put in nothing has changed. */
static void test_one_long_line(void)
{
	enum { LENGTH = 20000 };
	static char in[LENGTH + 1], out[ROOM];
	bool bare_cr;
	size_t n, at = 0;

	for (size_t i = 0; i < LENGTH; i++)
		in[i] = (char)('A' + i % 26);
	memcpy(in, "\r\n", 2);
	n = repaired(REPAIR_WRAP | REPAIR_ENDINGS, in, LENGTH, 4096, out, &bare_cr);
	for (size_t i = 2; i < n; i++) {
		at = out[i] == '\n' ? 0 : at + 1;
		CHECK(at <= REPAIR_HARD + 1); /* with its CR */
	}
	for (size_t i = 2, j = 2; i < n; i++) {
		if (out[i] != '\r' && out[i] != '\n')
			CHECK_EQ(out[i], in[j++]);
	}
}

/* Of a device that ends lines in LF or CR CR LF. */
static const struct {
	const char *in, *out;
	size_t behind; /* octets behind the end; SIZE_MAX: there is no end */
	bool bare_cr;
} framed[] = {
	{".\n", "", 0, false},
	{"a\n.\nQUIT\n", "a\r\n", 5, false},
	{"a\r\r\n.\r\r\nQUIT\r\r\n", "a\r\n", 7, false},
	{"a\r\n.\r\nQUIT\r\n", "a\r\n", 6, false},
	{"a\n..\n.b\n.\n", "a\r\n.\r\nb\r\n", 0, false},
	{"a\n. \n.\n", "a\r\n \r\n", 0, false},
	{"a.\n.\n", "a.\r\n", 0, false},
	{"a", "a", SIZE_MAX, false},
	{"a\n.", "a\r\n", SIZE_MAX, false},
	{"a\n.\r", "a\r\n", SIZE_MAX, false},
	{"a\r.\n.\n", "a\r.\r\n", 0, true},
	{".\rb\n.\n", "\rb\r\n", 0, true},
};

static void test_framed(void)
{
	static char out[ROOM];

	for (size_t i = 0; i < sizeof(framed) / sizeof(framed[0]); i++) {
		size_t length = strlen(framed[i].in);
		for (size_t step = 1; step <= 5; step++) {
			enum content_result result = CONTENT_MORE;
			size_t at = 0, w = 0;
			struct repair repair;
			repair_init(&repair, 0);
			while (at < length && result == CONTENT_MORE) {
				size_t n = length - at < step ? length - at : step, consumed, written;
				result = repair_lines(&repair, (const uint8_t *)framed[i].in + at, n, &consumed,
						      (uint8_t *)out + w, repair_room(1), &written);
				CHECK(consumed > 0 && consumed <= n);
				at += consumed;
				w += written;
			}
			out[w] = '\0';
			CHECK_STR(out, framed[i].out);
			CHECK_EQ(result == CONTENT_END ? length - at : SIZE_MAX, framed[i].behind);
			CHECK_EQ(repair.bare_cr, framed[i].bare_cr);
		}
	}
}

int main(void)
{
	RUN(test_endings);
	RUN(test_lines);
	RUN(test_one_long_line);
	RUN(test_framed);
	return check_end();
}
