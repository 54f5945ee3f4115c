/*
 * core/page/shown.c - see shown.h.
 */
#include "core/page/shown.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

json_int_t shown_number(const json_t *json, const char *key)
{
	return json_integer_value(json_object_get(json, key));
}

const char *shown_text(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

int64_t shown_seconds(const char *time)
{
	struct tm tm = {0};

	if (!time || sscanf(time, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
			    &tm.tm_min, &tm.tm_sec) != 6)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (int64_t)timegm(&tm);
}

int64_t shown_seconds_of_day(const char *day)
{
	char time[SHOWN_SIZE];

	snprintf(time, sizeof(time), "%.10sT00:00:00", day);
	return shown_seconds(time);
}

const char *shown_count(json_int_t number, char out[SHOWN_SIZE])
{
	char digits[SHOWN_SIZE / 2];
	size_t length, n = 0;

	length = (size_t)snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT, number);
	for (size_t i = 0; i < length; i++) {
		out[n++] = digits[i];
		if ((length - i - 1) % 3 == 0 && i + 1 < length && digits[i] != '-')
			out[n++] = ',';
	}
	out[n] = '\0';
	return out;
}

const char *shown_octets(json_int_t number, char out[SHOWN_SIZE])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	double value = (double)number;
	size_t unit = 0;

	while (value >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1000;
		unit++;
	}
	snprintf(out, SHOWN_SIZE, unit > 0 && value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return out;
}

const char *shown_span(int64_t seconds, char out[SHOWN_SIZE])
{
	if (seconds < 0)
		seconds = 0;
	if (seconds < 90)
		snprintf(out, SHOWN_SIZE, "%" PRId64 " s", seconds);
	else if (seconds < 90 * 60)
		snprintf(out, SHOWN_SIZE, "%" PRId64 " min", seconds / 60);
	else if (seconds < 48 * 3600)
		snprintf(out, SHOWN_SIZE, "%" PRId64 " h", seconds / 3600);
	else
		snprintf(out, SHOWN_SIZE, "%" PRId64 " days", seconds / 86400);
	return out;
}

const char *shown_ago(const char *time, int64_t now_s, char out[SHOWN_SIZE])
{
	int64_t then = shown_seconds(time);

	out[0] = '\0';
	return then ? shown_span(now_s - then, out) : out;
}

const char *shown_in(const char *time, int64_t now_s, char out[SHOWN_SIZE])
{
	int64_t then = shown_seconds(time);

	out[0] = '\0';
	return then ? shown_span(then - now_s, out) : out;
}

const char *shown_rate(double rate, char out[SHOWN_SIZE])
{
	snprintf(out, SHOWN_SIZE, rate >= 10 || rate < 0.05 ? "%.0f" : "%.1f", rate);
	return out;
}

const char *shown_time(const char *time, char out[SHOWN_SIZE])
{
	snprintf(out, SHOWN_SIZE, "%.19s", time);
	if (strlen(out) > 10)
		out[10] = ' ';
	return out;
}
