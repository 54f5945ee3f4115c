/*
 * core/tools/table.c - see table.h.
 */
#include "core/tools/table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "core/smtp/utf8.h"

enum { CELL_MAX = 16 };

/* The next character as it may be printed; how many octets of `text` it was. */
static uint32_t next(struct span text, char out[CELL_MAX], int *columns)
{
	uint32_t length, code = utf8_code(text, &length);

	if (length == 0 || (length == 1 && utf8_obeyed(code))) {
		*columns = snprintf(out, CELL_MAX, "\\x%02x", (unsigned char)text.data[0]);
		return 1;
	}
	*columns = utf8_columns(code);
	if (utf8_obeyed(code) || *columns < 0) {
		*columns = snprintf(out, CELL_MAX, "\\u{%" PRIx32 "}", code);
		return length;
	}
	memcpy(out, text.data, length);
	out[length] = '\0';
	return length;
}

void table_say(const char *format, ...)
{
	char text[2000];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	table_safe(stderr, text);
	fputc('\n', stderr);
}

void table_safe(FILE *out, const char *text)
{
	struct span rest = span_text(text);
	char character[CELL_MAX];
	int columns;

	while (rest.length > 0) {
		uint32_t used = next(rest, character, &columns);
		fputs(character, out);
		rest.data += used;
		rest.length -= used;
	}
}

/* What stands for itself, as nearly all does. */
static bool plain(char c)
{
	return (c >= ' ' && c < 0x7f) || c == '\n' || c == '\t';
}

void table_lines(FILE *out, struct span text)
{
	char character[CELL_MAX];
	int columns;

	while (text.length > 0) {
		uint32_t used = 0;
		while (used < text.length && plain(text.data[used]))
			used++;
		if (used > 0) {
			(void)fwrite(text.data, 1, used, out);
		} else {
			used = next(text, character, &columns);
			fputs(character, out);
		}
		text.data += used;
		text.length -= used;
	}
}

static int width(struct span rest)
{
	char character[CELL_MAX];
	int columns, all = 0;

	while (rest.length > 0) {
		uint32_t used = next(rest, character, &columns);
		all += columns;
		rest.data += used;
		rest.length -= used;
	}
	return all;
}

void table_cell(FILE *out, const char *text, int columns, bool pad)
{
	table_span(out, span_text(text), columns, pad);
}

void table_span(FILE *out, struct span rest, int columns, bool pad)
{
	enum { CUT = 3 };
	bool right = columns < 0;
	int most = right ? -columns : columns, used = 0, whole;
	char character[CELL_MAX];

	whole = width(rest);
	if (pad && right && whole < most)
		fprintf(out, "%*s", most - whole, "");
	while (rest.length > 0) {
		int its;
		uint32_t octets = next(rest, character, &its);
		if (whole > most && used + its > most - CUT)
			break;
		fputs(character, out);
		used += its;
		rest.data += octets;
		rest.length -= octets;
	}
	if (whole > most) {
		fputs("...", out);
		used += CUT;
	}
	if (pad && !right && used < most)
		fprintf(out, "%*s", most - used, "");
}

const char *table_time(const char *stamp, bool utc, char text[TABLE_TIME_SIZE])
{
	struct tm tm = {0};
	time_t seconds;

	snprintf(text, TABLE_TIME_SIZE, "-");
	if (!stamp || !strptime(stamp, "%Y-%m-%dT%H:%M:%S", &tm))
		return text;
	seconds = timegm(&tm);
	if (utc)
		gmtime_r(&seconds, &tm);
	else
		localtime_r(&seconds, &tm);
	(void)strftime(text, TABLE_TIME_SIZE, utc ? "%Y-%m-%d %H:%M:%SZ" : "%Y-%m-%d %H:%M:%S", &tm);
	return text;
}

const char *table_age(int64_t seconds, char text[TABLE_AGE_SIZE])
{
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (seconds >= 2 * units[i].seconds) {
			snprintf(text, TABLE_AGE_SIZE, "%" PRId64 "%c", seconds / units[i].seconds, units[i].unit);
			return text;
		}
	}
	snprintf(text, TABLE_AGE_SIZE, "%" PRId64 "s", seconds > 0 ? seconds : 0);
	return text;
}

const char *table_size(int64_t octets, char text[TABLE_AGE_SIZE])
{
	static const char units[] = "KMGT";
	double n = (double)octets;
	int unit = -1;

	while (n >= 1000 && unit < 3) {
		n /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(text, TABLE_AGE_SIZE, "%" PRId64, octets);
	else
		snprintf(text, TABLE_AGE_SIZE, n < 10 ? "%.1f%c" : "%.0f%c", n, units[unit]);
	return text;
}
