/*
 * core/control/filter.c - see filter.h.
 */
#include "core/control/filter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"

static const char *const stands[STANDS] = {
	[STAND_READY] = "ready", [STAND_DEFERRED] = "deferred", [STAND_ACTIVE] = "active",
	[STAND_HELD] = "held",   [STAND_KEPT] = "kept",         [STAND_FAILED] = "failed",
};

const char *stand_name(enum stand stand)
{
	return stands[stand];
}

static unsigned char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : (unsigned char)c;
}

bool filter_matches(const char *pattern, struct span text)
{
	const char *at = text.data, *end = text.data + text.length, *star = NULL, *again = NULL;

	/* The last star takes one octet more whenever what follows does not fit: no two are ever tried together. */
	while (at < end) {
		if (*pattern == '*') {
			star = pattern++;
			again = at;
		} else if (*pattern != '\0' && lower(*pattern) == lower(*at)) {
			pattern++;
			at++;
		} else if (star) {
			pattern = star + 1;
			at = ++again;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

bool filter_has(const char *part, struct span text)
{
	size_t length = strlen(part);

	for (size_t i = 0; i + length <= text.length; i++) {
		size_t k = 0;
		while (k < length && lower(part[k]) == lower(text.data[i + k]))
			k++;
		if (k == length)
			return true;
	}
	return false;
}

bool filter_duration(const char *text, uint64_t *ns)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	uint64_t number = 0;
	size_t digits = 0;

	while (text[digits] >= '0' && text[digits] <= '9' && digits < 8)
		number = number * 10 + (uint64_t)(text[digits++] - '0');
	if (digits == 0 || text[digits] == '\0' || text[digits + 1] != '\0')
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		/* Ten years are for ever. */
		if (units[i].unit != text[digits] || number > 10 * 366 * UINT64_C(86400) / units[i].seconds)
			continue;
		*ns = number * units[i].seconds * CLOCK_NS_PER_S;
		return number > 0;
	}
	return false;
}

static int bad(struct filter_problem *problem, const char *key, const char *value, const char *instead)
{
	snprintf(problem->text, sizeof(problem->text), "%s: \"%.80s\" %s", key, value, instead);
	return -EINVAL;
}

static int take_text(char out[FILTER_TEXT_MAX], const char *key, const char *value, struct filter_problem *problem)
{
	size_t length = strlen(value);

	if (length == 0)
		return bad(problem, key, value, "is empty: leave it out, or write what to look for");
	if (length >= FILTER_TEXT_MAX)
		return bad(problem, key, value, "is too long");
	memcpy(out, value, length + 1);
	return 1;
}

static int take_stands(struct filter *filter, const char *value, struct filter_problem *problem)
{
	const char *at = value;

	do {
		size_t length = strcspn(at, ","), i = 0;
		while (i < STANDS && (strlen(stands[i]) != length || memcmp(stands[i], at, length) != 0))
			i++;
		if (i == STANDS)
			return bad(
				problem, "state", value,
				"is none: write ready, deferred, active, held, kept or failed, or several with commas");
		filter->stands |= 1u << i;
		at += length;
	} while (*at++ == ',');
	return 1;
}

static int take_attempts(struct filter *filter, const char *value, struct filter_problem *problem)
{
	unsigned number = 0, digits = 0;

	for (; value[digits] >= '0' && value[digits] <= '9' && digits < 6; digits++)
		number = number * 10 + (unsigned)(value[digits] - '0');
	if (digits == 0 || value[digits] != '\0' || number > UINT16_MAX)
		return bad(problem, "attempts", value, "is no number up to 65535");
	filter->attempts = number;
	return 1;
}

int filter_take(struct filter *filter, const char *key, const char *value, struct filter_problem *problem)
{
	bool older = strcmp(key, "older") == 0;
	const struct {
		const char *key;
		char *out;
	} texts[] = {{"to", filter->to},
		     {"from", filter->from},
		     {"client", filter->client},
		     {"device", filter->device},
		     {"destination", filter->destination},
		     {"error", filter->error}};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (strcmp(key, texts[i].key) == 0)
			return take_text(texts[i].out, key, value, problem);
	}
	if (older || strcmp(key, "newer") == 0)
		return filter_duration(value, older ? &filter->older_ns : &filter->newer_ns)
			       ? 1
			       : bad(problem, key, value, "is no duration: write 90s, 15m, 4h, 2d or 1w");
	if (strcmp(key, "state") == 0)
		return take_stands(filter, value, problem);
	return strcmp(key, "attempts") == 0 ? take_attempts(filter, value, problem) : 0;
}
