/*
 * fuzz_verdict.c - what a reply means: any stage, code and text; and the patterns of rules against a plain reference.
 *
 * Input: one octet of stage, two of code, one of the pattern's length, the pattern, then the text.
 */
#include <stdlib.h>
#include <string.h>

#include "core/deliver/verdict.h"
#include "core/smtp/enhanced.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATTERN_MAX = 40, TEXT_MAX = 600 };

static void need(bool condition)
{
	if (!condition)
		abort();
}

static char lower(char c)
{
	return c == '\t' || c == '\n' ? ' ' : c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* fits[j]: the pattern up to here fits the first j octets of text. */
static bool reference(const char *pattern, const char *text, size_t length)
{
	static bool fits[TEXT_MAX + 1];

	memset(fits, 0, sizeof(fits));
	fits[0] = true;
	for (; *pattern; pattern++) {
		if (*pattern == '*') {
			for (size_t j = 1; j <= length; j++)
				fits[j] = fits[j] || fits[j - 1];
			continue;
		}
		for (size_t j = length; j > 0; j--)
			fits[j] = fits[j - 1] && lower(*pattern) == lower(text[j - 1]);
		fits[0] = false;
	}
	return fits[length];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char pattern[PATTERN_MAX + 1] = "";
	struct verdict_fact fact;
	struct ruling ruling;
	size_t pattern_length, length;
	char *text;

	if (size < 4)
		return 0;
	fact.stage = (enum stage)(data[0] % STAGE_COUNT);
	fact.code = (unsigned)(data[1] << 8 | data[2]) % 1000;
	pattern_length = data[3] % PATTERN_MAX;
	data += 4;
	size -= 4;
	if (pattern_length > size)
		pattern_length = size;
	memcpy(pattern, data, pattern_length);
	length = size - pattern_length < TEXT_MAX ? size - pattern_length : TEXT_MAX;
	text = malloc(length + 1); /* exactly as long, for AddressSanitizer */
	memcpy(text, data + pattern_length, length);
	fact.text = (struct span){text, (uint32_t)length};

	need(verdict_text_matches(pattern, fact.text) == reference(pattern, text, length));
	/* What is not compared would not have matched. */
	need(!verdict_text_matches(pattern, fact.text) ||
	     (verdict_pairs(pattern, strlen(pattern), true) & ~verdict_pairs(text, length, false)) == 0);
	ruling = verdict_judge(&fact, NULL);
	need((ruling.verdict == VERDICT_HOLD || ruling.action == ACTION_SIGN_IN) == (ruling.reason != REASON_NONE));
	need(ruling.verdict != VERDICT_HOLD || (ruling.say && ruling.say[0]));
	need(ruling.verdict != VERDICT_FAIL || (stage_has_message(fact.stage) && fact.code >= 500 && fact.code < 600));
	need(ruling.verdict != VERDICT_SENT || (fact.code >= 200 && fact.code < 400));
	need(fact.code < 200 || fact.code >= 300 || ruling.verdict == VERDICT_SENT);
	need(smtp_enhanced_code(fact.code, fact.text) == 0 || text[0] == (char)('0' + fact.code / 100));
	free(text);
	return 0;
}
