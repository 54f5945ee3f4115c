/*
 * test_smtp_wide.c - letters of all languages: UTF-8, addresses that have them, and their domains' other names (PAR-07,
 * REL-01; RFC 3629, 6531, 5890).
 */
#include "core/smtp/address.h"
#include "core/smtp/idna.h"
#include "core/smtp/utf8.h"
#include "tests/unit/check.h"

static struct span span(const char *text)
{
	return (struct span){text, (uint32_t)strlen(text)};
}

static void test_par07_utf8(void)
{
	static const struct {
		const char *text;
		bool valid;
	} table[] = {
		{"", true},
		{"abc", true},
		{"\xc2\x80", true},
		{"\xdf\xbf", true},
		{"\xe0\xa0\x80", true},
		{"\xed\x9f\xbf", true},
		{"\xee\x80\x80", true},
		{"\xef\xbf\xbf", true},
		{"\xf0\x90\x80\x80", true},
		{"\xf4\x8f\xbf\xbf", true},
		{"a\xc3\xa9z", true},
		/* Overlong. */
		{"\xc0\x80", false},
		{"\xc0\xae", false},
		{"\xc1\xbf", false},
		{"\xe0\x80\x80", false},
		{"\xe0\x9f\xbf", false},
		{"\xf0\x80\x80\x80", false},
		{"\xf0\x8f\xbf\xbf", false},
		/* Surrogates, and what is above U+10FFFF. */
		{"\xed\xa0\x80", false},
		{"\xed\xbf\xbf", false},
		{"\xf4\x90\x80\x80", false},
		{"\xf5\x80\x80\x80", false},
		{"\xff", false},
		/* Cut off, or not continued. */
		{"\x80", false},
		{"\xc3", false},
		{"\xe2\x82", false},
		{"\xf0\x9f\x98", false},
		{"\xc3z", false},
		{"\xe2\x82z", false},
		{"\xf0\x9f\x98z", false},
		{"\xc3\xa9\xa9", false},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (utf8_valid(span(table[i].text)) != table[i].valid)
			fprintf(stderr, "row %zu: ", i);
		CHECK_EQ(utf8_valid(span(table[i].text)), table[i].valid);
	}
	/* It looks no further than the end. */
	for (uint32_t n = 0; n <= 4; n++)
		CHECK_EQ(utf8_valid((struct span){"\xf0\x9f\x98\x80", n}), n == 0 || n == 4);
	CHECK(!utf8_needed(span("abc\x7f")) && utf8_needed(span("abc\x80")));
}

static void test_par07_addresses(void)
{
	static const struct {
		const char *text;
		enum address_result result;
	} table[] = {
		{"a@b", ADDRESS_OK},
		{"\xc3\xa9@b", ADDRESS_OK},
		{"a@b\xc3\xbc"
		 "cher.example",
		 ADDRESS_OK},
		{"\"\xc3\xa9 b\"@b", ADDRESS_OK},
		{"a.\xe6\x97\xa5@b", ADDRESS_OK},
		{"\xe2\x80\xae@b", ADDRESS_OK}, /* U+202E: opaque */
		{"\xff@b", ADDRESS_EIGHT_BIT},
		{"a@b\xc3", ADDRESS_EIGHT_BIT},
		{"\xc3\xa9", ADDRESS_SYNTAX},
		{"\xc3\xa9@", ADDRESS_SYNTAX},
		{"\xc3\xa9@@b", ADDRESS_SYNTAX},
		{"\xc3\xa9..b@c", ADDRESS_SYNTAX},
		{"\xc3\xa9 b@c", ADDRESS_SYNTAX},
		{"a@\xc3\xa9..c", ADDRESS_SYNTAX},
		{"a@-\xc3\xa9", ADDRESS_SYNTAX},
		{"a@\xc3\xa9-", ADDRESS_SYNTAX},
		{"a@[\xc3\xa9]", ADDRESS_SYNTAX},
	};
	struct address address;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		enum address_result result = address_parse_wide(span(table[i].text), SMTP_SYNTAX_STRICT, &address);
		if (result != table[i].result)
			fprintf(stderr, "row %zu: ", i);
		CHECK_EQ(result, table[i].result);
	}
}

static void test_rel01_domains(void)
{
	static const struct {
		const char *text;
		enum idna_result result;
		const char *ascii;
	} table[] = {
		{"a@b.example", IDNA_OK, "a@b.example"},
		{"a@b\xc3\xbc"
		 "cher.example",
		 IDNA_OK, "a@xn--bcher-kva.example"},
		/* Capitals, and the same letter as two characters. */
		{"a@B\xc3\x9c"
		 "CHER.example",
		 IDNA_OK, "a@xn--bcher-kva.example"},
		{"a@bu\xcc\x88"
		 "cher.example",
		 IDNA_OK, "a@xn--bcher-kva.example"},
		{"a@stra\xc3\x9f"
		 "e.example",
		 IDNA_OK, "a@xn--strae-oqa.example"},
		{"\xc3\xa9@b.example", IDNA_LOCAL, "\xc3\xa9@b.example"},
		{"\xc3\xa9@b\xc3\xbc"
		 "cher.example",
		 IDNA_LOCAL, "\xc3\xa9@xn--bcher-kva.example"},
		/* What would become a dot, or something that no name has. */
		{"a@victim\xe3\x80\x82"
		 "example",
		 IDNA_NONE, NULL},
		{"a@victim\xef\xbc\x8e"
		 "example",
		 IDNA_NONE, NULL},
		{"a@victim\xef\xbd\xa1"
		 "example",
		 IDNA_NONE, NULL},
		{"a@victim\xe2\x92\x88"
		 "example",
		 IDNA_NONE, NULL},
		{"a@\xe2\x84\x80.example", IDNA_NONE, NULL},
		{"a@b\xef\xbc\xa0"
		 "c.example",
		 IDNA_NONE, NULL},
		{"a@\xe2\x80\xae.example", IDNA_NONE, NULL},
		{"a@b\xe2\x80\xa8.example", IDNA_NONE, NULL},
		{"a@\xff", IDNA_NONE, NULL},
		{"\xc3\xa9", IDNA_NONE, NULL},
	};
	char room[SMTP_PATH_MAX], label[200] = "a@";
	struct span ascii;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		enum idna_result result = idna_address(span(table[i].text), room, &ascii);
		if (result != table[i].result)
			fprintf(stderr, "row %zu: ", i);
		CHECK_EQ(result, table[i].result);
		if (table[i].ascii)
			CHECK(ascii.length == strlen(table[i].ascii) &&
			      memcmp(ascii.data, table[i].ascii, ascii.length) == 0);
	}
	/* A label whose other name would be longer than 63 octets. */
	for (int i = 0; i < 64; i++)
		strcat(label, "\xc3\xbc");
	CHECK_EQ(idna_address(span(label), room, &ascii), IDNA_NONE);
}

/* What a terminal or a reader would do, and how many columns the rest takes. */
static void test_characters_on_terminals(void)
{
	static const struct {
		const char *text;
		uint32_t code, octets;
		bool obeyed;
		int columns; /* of what is not obeyed */
	} table[] = {
		{"", 0, 0, true, 0},
		{"a", 'a', 1, false, 1},
		{" ", ' ', 1, false, 1},
		{"\x1b[31m", 0x1b, 1, true, 0},
		{"\x7f", 0x7f, 1, true, 0},
		{"\xc2\x9b", 0x9b, 2, true, 0},
		{"\xc2\xa0", 0xa0, 2, false, 1},
		{"\xc2\xad", 0xad, 2, true, 0},
		{"\xc3\xa9", 0xe9, 2, false, 1},
		{"\xcc\x81", 0x301, 2, false, 0},
		{"\xd7\x90", 0x5d0, 2, false, 1},
		{"\xd8\x9c", 0x61c, 2, true, 0},
		{"\xe2\x80\x8b", 0x200b, 3, true, 0},
		{"\xe2\x80\x8d", 0x200d, 3, true, 0},
		{"\xe2\x80\xae", 0x202e, 3, true, 0},
		{"\xe2\x81\xa9", 0x2069, 3, true, 0},
		{"\xe2\x96\x88", 0x2588, 3, false, 1},
		{"\xe6\xbc\xa2", 0x6f22, 3, false, 2},
		{"\xef\xbb\xbf", 0xfeff, 3, true, 0},
		{"\xef\xbc\xa1", 0xff21, 3, false, 2},
		{"\xf0\x9f\x98\x80", 0x1f600, 4, false, 2},
		{"\xf3\xa0\x81\x81", 0xe0041, 4, true, 0},
		{"\xf4\x8f\xbf\xbf", 0x10ffff, 4, false, -1},
		{"\xff", 0, 0, true, 0},
		{"\xc3", 0, 0, true, 0},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint32_t octets = 9, code = utf8_code(span(table[i].text), &octets);
		CHECK_EQ(octets, table[i].octets);
		CHECK_EQ(code, table[i].code);
		CHECK_EQ(utf8_obeyed(code), table[i].obeyed);
		if (!table[i].obeyed)
			CHECK_EQ(utf8_columns(code), table[i].columns);
	}
}

int main(void)
{
	RUN(test_par07_utf8);
	RUN(test_par07_addresses);
	RUN(test_rel01_domains);
	RUN(test_characters_on_terminals);
	return check_end();
}
