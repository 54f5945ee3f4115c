/*
 * core/config/schema_quirk.c - see schema_quirk.h.
 */
#include "core/config/schema_quirk.h"

#include "core/config/quirks.h"

const struct reader_choice schema_line_endings[] = {
	{"reject", 0, false},
	{"normalize", QUIRK_LINE_ENDINGS, false},
	{"any", QUIRK_LINE_ENDINGS | QUIRK_ANY_ENDINGS, false},
	{NULL, 0, false},
};

const struct reader_choice schema_long_lines[] = {
	{"keep", 0, false},
	{"wrap", QUIRK_LONG_LINES, false},
	{NULL, 0, false},
};

bool schema_quirk(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	struct reader_field word = *field;
	int quirks = 0;

	word.offset = 0;
	if (!reader_choice_word(r, &word, value, &quirks))
		return false;
	*((uint8_t *)object + field->offset) |= (uint8_t)quirks;
	return true;
}
