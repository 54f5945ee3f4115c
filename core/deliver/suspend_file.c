/*
 * core/deliver/suspend_file.c - a line of the file: see suspend.h.
 *
 *     SINCE UNTIL DESTINATION DOMAIN WHO REASON
 *
 * Wall clock in nanoseconds, decimal; of the texts, blanks, control characters, octets above 126 and `%` are %XX, and
 * an empty one is `-` (a `-` by itself is %2D). So nothing in them ends a field or a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/deliver/suspend.h"

static const char digits[] = "0123456789ABCDEF";

static size_t put_text(char *out, const char *text)
{
	size_t length = 0;

	if (text[0] == '\0' || strcmp(text, "-") == 0)
		return (size_t)snprintf(out, 5, text[0] ? " %%2D" : " -");
	out[length++] = ' ';
	for (const uint8_t *at = (const uint8_t *)text; *at; at++) {
		if (*at > ' ' && *at < 127 && *at != '%') {
			out[length++] = (char)*at;
			continue;
		}
		out[length++] = '%';
		out[length++] = digits[*at >> 4];
		out[length++] = digits[*at & 15];
	}
	return length;
}

size_t suspension_write(const struct suspension *one, char out[SUSPEND_LINE])
{
	size_t length = (size_t)snprintf(out, SUSPEND_LINE, "%llu %llu", (unsigned long long)one->since_wall_ns,
					 (unsigned long long)one->until_wall_ns);

	length += put_text(out + length, one->destination);
	length += put_text(out + length, one->domain);
	length += put_text(out + length, one->who);
	length += put_text(out + length, one->reason);
	out[length++] = '\n';
	return length;
}

struct reader {
	const char *at, *end;
	char *out;
	bool ok;
};

static uint64_t take_number(struct reader *r)
{
	const char *from = r->at;
	uint64_t value = 0;

	for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
		unsigned digit = (unsigned)(*r->at - '0');
		r->ok = r->ok && value <= (UINT64_MAX - digit) / 10;
		value = value * 10 + digit;
	}
	r->ok = r->ok && r->at > from;
	return value;
}

static void take_blank(struct reader *r)
{
	r->ok = r->ok && r->at < r->end && *r->at == ' ';
	r->at += r->ok;
}

static int value_of(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* `most` octets, with their end. */
static char *take_text(struct reader *r, size_t most)
{
	char *out = r->out;

	take_blank(r);
	if (r->ok && r->at < r->end && *r->at == '-' && (r->at + 1 == r->end || r->at[1] == ' ')) {
		r->at++;
	} else {
		const char *from = r->at;
		for (; r->ok && r->at < r->end && *r->at != ' '; r->at++) {
			int high, low;
			r->ok = (size_t)(r->out - out) + 1 < most && *r->at > ' ' && *r->at < 127;
			if (*r->at != '%') {
				*r->out++ = *r->at;
				continue;
			}
			high = r->end - r->at > 2 ? value_of(r->at[1]) : -1;
			low = high >= 0 ? value_of(r->at[2]) : -1;
			r->ok = r->ok && low >= 0 && high + low > 0;
			*r->out++ = (char)(high * 16 + low);
			r->at += 2;
		}
		r->ok = r->ok && r->at > from;
	}
	*r->out++ = '\0';
	return out;
}

bool suspension_read(const char *line, size_t length, char text[SUSPEND_LINE], struct suspension *out)
{
	struct reader r = {line, line + length, text, length < SUSPEND_LINE};

	*out = (struct suspension){.since_wall_ns = take_number(&r)};
	take_blank(&r);
	out->until_wall_ns = take_number(&r);
	out->destination = take_text(&r, SUSPEND_NAME);
	out->domain = r.ok ? take_text(&r, SUSPEND_NAME) : "";
	out->who = r.ok ? take_text(&r, SUSPEND_TEXT_MAX) : "";
	out->reason = r.ok ? take_text(&r, SUSPEND_TEXT_MAX) : "";
	return r.ok && r.at == r.end && out->destination[0];
}
