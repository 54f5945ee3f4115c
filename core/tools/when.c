/*
 * core/tools/when.c - see when.h.
 */
#include "core/tools/when.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool ago(const char *text, uint64_t now_ms, uint64_t *ms)
{
	static const struct {
		char unit;
		uint64_t ms;
	} units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', UINT64_C(86400000)}, {'w', UINT64_C(604800000)}};
	char *end;
	uint64_t count;

	if (text[0] < '0' || text[0] > '9')
		return false;
	count = strtoull(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (end[0] != units[i].unit || end[1] != '\0' || count > 1000000)
			continue;
		*ms = count * units[i].ms < now_ms ? now_ms - count * units[i].ms : 0;
		return true;
	}
	return false;
}

/* Midnight, so many days before: days do not all have the same length. */
static uint64_t day_began(uint64_t now_ms, int days_before, bool utc)
{
	time_t seconds = (time_t)(now_ms / 1000);
	struct tm parts;

	if (!(utc ? gmtime_r(&seconds, &parts) : localtime_r(&seconds, &parts)))
		return 0;
	parts.tm_mday -= days_before;
	parts.tm_hour = parts.tm_min = parts.tm_sec = 0;
	parts.tm_isdst = -1;
	seconds = utc ? timegm(&parts) : mktime(&parts);
	return seconds > 0 ? (uint64_t)seconds * 1000 : 0;
}

static bool date(const char *text, bool utc, uint64_t *ms)
{
	static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
					    "%Y-%m-%d %H:%M", "%Y-%m-%d"};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm parts = {.tm_isdst = -1};
		const char *rest = strptime(text, forms[i], &parts);
		bool zulu = rest && strcmp(rest, "Z") == 0;
		time_t seconds;
		if (!rest || (*rest && !zulu))
			continue;
		parts.tm_isdst = -1;
		seconds = utc || zulu ? timegm(&parts) : mktime(&parts);
		if (seconds < 0)
			return false;
		*ms = (uint64_t)seconds * 1000;
		return true;
	}
	return false;
}

bool when_parse(const char *text, uint64_t now_ms, bool utc, uint64_t *ms)
{
	if (strcmp(text, "now") == 0)
		*ms = now_ms;
	else if (strcmp(text, "today") == 0)
		*ms = day_began(now_ms, 0, utc);
	else if (strcmp(text, "yesterday") == 0)
		*ms = day_began(now_ms, 1, utc);
	else
		return ago(text, now_ms, ms) || date(text, utc, ms);
	return true;
}

void when_format(uint64_t ms, bool utc, char out[WHEN_SIZE])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm parts;

	if (!(utc ? gmtime_r(&seconds, &parts) : localtime_r(&seconds, &parts)) ||
	    strftime(out, WHEN_SIZE, utc ? "%Y-%m-%d %H:%M:%SZ" : "%Y-%m-%d %H:%M:%S", &parts) == 0)
		strcpy(out, "?");
}
