/*
 * fuzz_control_filter.c - a filter as it comes in a request: lines of KEY=VALUE. What is taken is bounded and says the
 * same again; matching agrees with the plain definition.
 */
#include <stdlib.h>
#include <string.h>

#include "core/control/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static unsigned char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : (unsigned char)c;
}

/* What a star means, by definition; short texts only. */
static bool plainly(const char *pattern, const char *text, size_t length)
{
	if (*pattern == '\0')
		return length == 0;
	if (*pattern == '*')
		return plainly(pattern + 1, text, length) || (length > 0 && plainly(pattern, text + 1, length - 1));
	return length > 0 && lower(*pattern) == lower(*text) && plainly(pattern + 1, text + 1, length - 1);
}

static void compare(const char *pattern, const char *text)
{
	if (strlen(pattern) <= 8 && strlen(text) <= 10)
		need(filter_matches(pattern, span_text(text)) == plainly(pattern, text, strlen(text)));
	need(filter_matches("*", span_text(text)));
	need(filter_has("", span_text(text)));
	need(filter_has(text, span_text(text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct filter filter = {0}, again = {0};
	struct filter_problem problem;
	char *text = malloc(size + 1), *line, *rest;

	memcpy(text, data, size);
	text[size] = '\0';
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *value = strchr(line, '=');
		int taken;
		if (!value)
			continue;
		*value++ = '\0';
		taken = filter_take(&filter, line, value, &problem);
		need(taken == filter_take(&again, line, value, &problem));
		need(taken >= 0 || problem.text[0] != '\0');
		compare(line, value);
	}
	need(memcmp(&filter, &again, sizeof(filter)) == 0 || filter.stands == again.stands);
	need(strlen(filter.to) < FILTER_TEXT_MAX && strlen(filter.error) < FILTER_TEXT_MAX);
	need(filter.stands < 1u << STANDS && filter.attempts <= UINT16_MAX);
	free(text);
	return 0;
}
