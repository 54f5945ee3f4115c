/*
 * tests/unit/content_reference.h - what content.c must do, written down a second time and as plainly as possible.
 *
 * It looks at the whole stream at once and at each octet's neighbours, and keeps no state between octets, so
 * that it shares no idea (and hopefully no mistake) with the scanner. Used by the unit table and the fuzzer.
 */
#ifndef POSTRIDER_TESTS_CONTENT_REFERENCE_H
#define POSTRIDER_TESTS_CONTENT_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "core/smtp/content.h"

struct reference {
	bool ended;
	size_t consumed; /* up to and with the terminator; else everything */
	size_t length;   /* of the content written to `out` */
	unsigned faults;
	bool eight_bit;
	unsigned hops;
};

static inline int reference_at(const uint8_t *in, size_t length, size_t i)
{
	return i < length ? in[i] : -1;
}

static inline bool reference_line_start(const uint8_t *in, size_t i)
{
	return i == 0 || (i >= 2 && in[i - 2] == '\r' && in[i - 1] == '\n');
}

/* "Received" WSP* ":" at the start of a line before the first empty line. */
static inline unsigned reference_hops(const uint8_t *content, size_t length)
{
	unsigned hops = 0;
	size_t start = 0;

	/* Nothing can be folded before the first field: that is a body. */
	if (length > 0 && (content[0] == ' ' || content[0] == '\t'))
		return 0;
	while (start < length) {
		size_t end = start, text = start, colon;

		while (end < length && content[end] != '\n')
			end++;
		while (text < end && content[text] == '\r')
			text++;
		if (end < length && text == end)
			break;
		if (end - start > 8 && strncasecmp((const char *)content + start, "received", 8) == 0) {
			colon = start + 8;
			while (colon < end && (content[colon] == ' ' || content[colon] == '\t'))
				colon++;
			if (colon < end && content[colon] == ':' && hops < UINT16_MAX)
				hops++;
		}
		start = end + 1;
	}
	return hops;
}

/* Faults of in[0..length); a CR as the last octet is judged only when `final`. */
static inline unsigned reference_faults(const uint8_t *in, size_t length, bool final)
{
	unsigned faults = 0;

	for (size_t i = 0; i < length; i++) {
		if (in[i] == '\r' && reference_at(in, length, i + 1) != '\n' && (final || i + 1 < length))
			faults |= CONTENT_BARE_CR;
		if (in[i] == '\n' && (i == 0 || in[i - 1] != '\r'))
			faults |= CONTENT_BARE_LF;
		if (in[i] == 0)
			faults |= CONTENT_NUL;
	}
	return faults;
}

static inline bool reference_high(const uint8_t *in, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (in[i] >= 0x80)
			return true;
	return false;
}

/* DATA. `out` has room for `length`. */
static inline struct reference reference_data(const uint8_t *in, size_t length, uint8_t *out)
{
	struct reference r = {.consumed = length};
	size_t content = length; /* octets of the stream before the terminator */

	for (size_t i = 0; i + 2 < length; i++) {
		if (reference_line_start(in, i) && memcmp(in + i, ".\r\n", 3) == 0) {
			r.ended = true;
			r.consumed = i + 3;
			content = i;
			break;
		}
	}
	for (size_t i = 0; i < content; i++) {
		bool line_start = reference_line_start(in, i);

		if (line_start && in[i] == '.')
			continue;
		if (!r.ended && i + 1 == content && in[i] == '\r' && i > 0 && in[i - 1] == '.' &&
		    reference_line_start(in, i - 1))
			continue; /* ".CR" at the end of what has come so far is undecided */
		out[r.length++] = in[i];
	}
	r.faults = reference_faults(in, content, r.ended);
	r.eight_bit = reference_high(in, content);
	r.hops = reference_hops(out, r.length);
	return r;
}

/* The offset of the first octet that SMG-03 forbids, or `length`. */
static inline size_t reference_violation(const uint8_t *in, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		bool after_cr = i > 0 && in[i - 1] == '\r';

		if (in[i] == 0 || after_cr != (in[i] == '\n'))
			return i;
	}
	return length;
}

/* Outbound DATA, up to `length` clean octets; `out` has room for 2 * length. A trailing CR is not written. */
static inline size_t reference_encode(const uint8_t *in, size_t length, uint8_t *out)
{
	size_t n = 0;

	if (length > 0 && in[length - 1] == '\r')
		length--;
	for (size_t i = 0; i < length; i++) {
		if (in[i] == '.' && reference_line_start(in, i))
			out[n++] = '.';
		out[n++] = in[i];
	}
	return n;
}

#endif
