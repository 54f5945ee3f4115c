/*
 * tests/unit/test_table.c - core/tools/table.c: cells of text from strangers, as wide as they are to be.
 */
#include "core/tools/table.h"

#include <stdlib.h>

#include "tests/unit/check.h"

static void test_cells(void)
{
	static const struct {
		const char *text;
		int columns;
		bool pad;
		const char *shown;
	} table[] = {
		{"abc", 5, true, "abc  "},
		{"abc", -5, true, "  abc"},
		{"abc", 5, false, "abc"},
		{"abc", 3, true, "abc"},
		{"abcdef", 5, true, "ab..."},
		{"abcdef", -5, true, "ab..."},
		{"", 3, true, "   "},
		/* Wide characters are two columns, and are not cut in two. */
		{"\u6f22\u5b57", 4, true, "\u6f22\u5b57"},
		{"\u6f22\u5b57\u6f22", 5, true, "\u6f22..."},
		{"\u6f22\u5b57\u6f22\u5b57", 6, true, "\u6f22... "},
		/* What a terminal would obey counts as it is shown, and cannot break a cell. */
		{"a\x1b[2J", 20, true, "a\\x1b[2J            "},
		{"\x1b\x1b\x1b", 8, true, "\\x1b... "},
		{"\xff", 6, true, "\\xff  "},
		{"a\u202eb", 12, true, "a\\u{202e}b  "},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char *text = NULL;
		size_t length;
		FILE *out = open_memstream(&text, &length);
		CHECK(out != NULL);
		if (!out)
			return;
		table_cell(out, table[i].text, table[i].columns, table[i].pad);
		CHECK(fclose(out) == 0);
		CHECK_STR(text, table[i].shown);
		free(text);
	}
}

/* A part of a text, which may have an octet 0 in it. */
static void test_span(void)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	CHECK(out != NULL);
	if (!out)
		return;
	table_span(out, (struct span){"abcdef", 3}, 4, true);
	table_span(out, (struct span){"x\0y", 3}, 7, true);
	CHECK(fclose(out) == 0);
	CHECK_STR(text, "abc x\\x00y ");
	free(text);
}

int main(void)
{
	RUN(test_cells);
	RUN(test_span);
	return check_end();
}
