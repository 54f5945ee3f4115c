/*
 * core/agents/device_file.c - see device_file.h.
 */
#include "core/agents/device_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/device_table.h"

#define HEAD "postrider-devices 1 "
#define END "end "

enum { HEX_SIZE = 2 * RHYTHM_HOURS_SIZE };

size_t device_file_head(unsigned hours, char out[DEVICE_LINE_MAX])
{
	return (size_t)snprintf(out, DEVICE_LINE_MAX, HEAD "%u\n", hours);
}

size_t device_file_end(size_t count, char out[DEVICE_LINE_MAX])
{
	return (size_t)snprintf(out, DEVICE_LINE_MAX, END "%zu\n", count);
}

static void put_hours(const uint8_t hours[RHYTHM_HOURS_SIZE], char out[HEX_SIZE + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < RHYTHM_HOURS_SIZE; i++) {
		out[2 * i] = digits[hours[i] >> 4];
		out[2 * i + 1] = digits[hours[i] & 15];
	}
	out[HEX_SIZE] = '\0';
}

size_t device_file_line(const char *name, const struct device_facts *facts, char out[DEVICE_LINE_MAX])
{
	const struct device_rhythm *r = &facts->rhythm;
	char now[HEX_SIZE + 1], before[HEX_SIZE + 1];

	put_hours(r->hours[0], now);
	put_hours(r->hours[1], before);
	return (size_t)snprintf(out, DEVICE_LINE_MAX,
				"%.*s\t%" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu64 " %s %" PRIu32
				" %" PRIu32 " %u %u %u %u %u %u %u %u %s %s\t%.*s\n",
				DEVICE_NAME_MAX, name, facts->first_s, facts->last_s, facts->mail_s, facts->messages,
				facts->octets, facts->tls[0] ? facts->tls : "-", facts->refusals, facts->refused_s,
				(unsigned)r->gap, (unsigned)r->longest[0], (unsigned)r->longest[1],
				(unsigned)r->active[0], (unsigned)r->active[1], (unsigned)r->periods,
				(unsigned)r->watched, (unsigned)r->silent, now, before, DEVICE_REFUSAL_SIZE - 1,
				facts->refusal);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

struct cursor {
	const char *at, *end; /* of the line */
	bool ok;
};

/* The next word, which a blank or the end ends. */
static size_t word(struct cursor *c, const char **out)
{
	const char *blank = c->at < c->end ? memchr(c->at, ' ', (size_t)(c->end - c->at)) : NULL;
	size_t length = (size_t)((blank ? blank : c->end) - c->at);

	*out = c->at;
	c->at += length + (blank != NULL);
	c->ok &= length > 0;
	return length;
}

static uint64_t number(struct cursor *c, uint64_t most)
{
	const char *text;
	size_t length = word(c, &text);
	uint64_t value = 0;

	c->ok &= length <= 20;
	for (size_t i = 0; c->ok && i < length; i++) {
		unsigned digit = (unsigned)(text[i] - '0');
		c->ok &= digit <= 9 && value <= (UINT64_MAX - digit) / 10;
		value = value * 10 + digit;
	}
	c->ok &= value <= most;
	return c->ok ? value : 0;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void read_hours(struct cursor *c, uint8_t hours[RHYTHM_HOURS_SIZE])
{
	const char *text;

	c->ok &= word(c, &text) == HEX_SIZE;
	for (size_t i = 0; c->ok && i < RHYTHM_HOURS_SIZE; i++) {
		int high = hex(text[2 * i]), low = hex(text[2 * i + 1]);
		c->ok &= high >= 0 && low >= 0;
		hours[i] = c->ok ? (uint8_t)((unsigned)high << 4 | (unsigned)low) : 0;
	}
}

static void read_tls(struct cursor *c, char tls[DEVICE_TLS_SIZE])
{
	const char *text;
	size_t length = word(c, &text);

	c->ok &= length < DEVICE_TLS_SIZE;
	if (c->ok && !(length == 1 && text[0] == '-'))
		memcpy(tls, text, length);
}

static bool read_facts(struct cursor *c, struct device_facts *facts)
{
	struct device_rhythm *r = &facts->rhythm;

	facts->first_s = (uint32_t)number(c, UINT32_MAX);
	facts->last_s = (uint32_t)number(c, UINT32_MAX);
	facts->mail_s = (uint32_t)number(c, UINT32_MAX);
	facts->messages = (uint32_t)number(c, UINT32_MAX);
	facts->octets = number(c, UINT64_MAX);
	read_tls(c, facts->tls);
	facts->refusals = (uint32_t)number(c, UINT32_MAX);
	facts->refused_s = (uint32_t)number(c, UINT32_MAX);
	r->gap = (uint16_t)number(c, UINT16_MAX);
	r->longest[0] = (uint16_t)number(c, UINT16_MAX);
	r->longest[1] = (uint16_t)number(c, UINT16_MAX);
	r->active[0] = (uint8_t)number(c, UINT8_MAX);
	r->active[1] = (uint8_t)number(c, UINT8_MAX);
	r->periods = (uint8_t)number(c, UINT8_MAX);
	r->watched = (uint16_t)number(c, RHYTHM_PERIOD);
	r->silent = number(c, 1) == 1;
	read_hours(c, r->hours[0]);
	read_hours(c, r->hours[1]);
	return c->ok && c->at == c->end;
}

static bool printable(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	}
	return true;
}

/* One line without its LF. */
static bool read_line(const char *line, size_t length, size_t *name, struct device_facts *facts)
{
	const char *first = memchr(line, '\t', length);
	const char *second = first ? memchr(first + 1, '\t', length - (size_t)(first + 1 - line)) : NULL;
	size_t refusal = second ? (size_t)(line + length - (second + 1)) : 0;
	struct cursor c = {.at = first ? first + 1 : line, .end = second, .ok = true};

	*facts = (struct device_facts){0};
	if (!second)
		return false;
	*name = (size_t)(first - line);
	if (*name == 0 || *name > DEVICE_NAME_MAX || refusal >= DEVICE_REFUSAL_SIZE || !printable(line, *name) ||
	    !printable(second + 1, refusal))
		return false;
	memcpy(facts->refusal, second + 1, refusal);
	return read_facts(&c, facts);
}

static bool read_number(const char *line, size_t length, const char *before, uint64_t most, uint64_t *out)
{
	size_t n = strlen(before);
	struct cursor c = {.at = line + n, .end = line + length, .ok = true};

	if (length < n || memcmp(line, before, n) != 0)
		return false;
	*out = number(&c, most);
	return c.ok && c.at == c.end;
}

int device_file_parse(const char *text, size_t length, unsigned *hours, device_file_fn *fn, void *context)
{
	const char *at = text, *end = text + length, *lf;
	struct device_facts facts;
	uint64_t value = 0;
	size_t count, name;

	for (count = 0; at < end && (lf = memchr(at, '\n', (size_t)(end - at))) != NULL; count++, at = lf + 1) {
		size_t n = (size_t)(lf - at);
		if (count == 0) {
			if (!read_number(at, n, HEAD, RHYTHM_PERIOD, &value))
				return -EBADMSG;
			*hours = (unsigned)value;
			continue;
		}
		if (read_number(at, n, END, DEVICE_TABLE_MAX, &value))
			return value == count - 1 && lf + 1 == end ? 0 : -EBADMSG;
		if (!read_line(at, n, &name, &facts))
			return -EBADMSG;
		if (!fn(context, at, name, &facts))
			return 0;
	}
	return -EBADMSG;
}
