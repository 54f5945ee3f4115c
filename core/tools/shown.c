/*
 * core/tools/shown.c - see shown.h.
 */
#include "core/tools/shown.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "core/base/span.h"
#include "core/tools/table.h"

enum { CHARACTER = 4 };

struct stream {
	FILE *raw; /* the C library's */
	/* The beginning of a character whose rest is not written yet. */
	char held[CHARACTER];
	uint32_t held_length;
};

static struct stream output, errors;

/* More octets may make it a character (RFC 3629). */
static bool unfinished(struct span text)
{
	uint8_t first = (uint8_t)text.data[0];
	uint32_t wanted = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;

	if (first > 0xf4 || text.length >= wanted)
		return false;
	for (uint32_t i = 1; i < text.length; i++)
		if (((uint8_t)text.data[i] & 0xc0) != 0x80)
			return false;
	return true;
}

static struct span join(struct stream *s, struct span rest)
{
	while (s->held_length > 0 && rest.length > 0) {
		s->held[s->held_length++] = *rest.data++;
		rest.length--;
		if (!unfinished((struct span){s->held, s->held_length})) {
			table_lines(s->raw, (struct span){s->held, s->held_length});
			s->held_length = 0;
		}
	}
	return rest;
}

static ssize_t on_write(void *cookie, const char *data, size_t length)
{
	struct stream *s = cookie;
	struct span rest = join(s, (struct span){data, (uint32_t)length});
	uint32_t most = rest.length < CHARACTER ? rest.length : CHARACTER - 1;

	for (uint32_t n = most; n > 0 && s->held_length == 0; n--) {
		const char *tail = rest.data + rest.length - n;
		if (!unfinished((struct span){tail, n}))
			continue;
		memcpy(s->held, tail, n);
		s->held_length = n;
		rest.length -= n;
	}
	table_lines(s->raw, rest);
	/* 0 is what says of a cookie's stream that it failed. */
	return fflush(s->raw) == 0 ? (ssize_t)length : 0;
}

static FILE *pass(struct stream *s, FILE *raw, int mode)
{
	FILE *out = fopencookie(s, "w", (cookie_io_functions_t){.write = on_write});

	if (!out)
		return raw;
	s->raw = raw;
	(void)setvbuf(raw, NULL, _IOFBF, BUFSIZ);
	(void)setvbuf(out, NULL, mode, BUFSIZ);
	return out;
}

void shown_begin(bool with_output)
{
	stderr = pass(&errors, stderr, _IONBF);
	if (with_output)
		stdout = pass(&output, stdout, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF);
}

void shown_mark(const char *text)
{
	fflush(stdout);
	fputs(text, output.raw ? output.raw : stdout);
	fflush(output.raw ? output.raw : stdout);
}
