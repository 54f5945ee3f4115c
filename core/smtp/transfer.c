/*
 * core/smtp/transfer.c - see transfer.h.
 */
#include "core/smtp/transfer.h"

#include <string.h>

enum {
	LINE_MOST = 76,
	QUOTED_MOST = LINE_MOST - 1, /* before the "=" of a soft line end */
	BASE64_GROUPS = LINE_MOST / 4,
};

struct sink {
	uint8_t *out; /* NULL: counted only */
	size_t n;
};

static void put(struct sink *s, uint8_t octet)
{
	if (s->out)
		s->out[s->n] = octet;
	s->n++;
}

static void put_line_end(struct sink *s)
{
	put(s, '\r');
	put(s, '\n');
}

/* ---- quoted-printable ---------------------------------------------------------------------------------------- */

static bool is_plain(uint8_t octet)
{
	return octet > 32 && octet < 127 && octet != '=';
}

static bool is_blank(uint8_t octet)
{
	return octet == ' ' || octet == '\t';
}

static void break_line(struct transfer_quoted *q, struct sink *s)
{
	put(s, '=');
	put_line_end(s);
	q->column = 0;
	q->broken = true;
}

/* Or what is in the middle of a line could become a boundary. */
static bool could_be_boundary(const struct transfer_quoted *q, uint8_t octet)
{
	return q->column == 0 && q->broken && octet == '-';
}

static void put_quoted(struct transfer_quoted *q, uint8_t octet, struct sink *s)
{
	static const char digits[] = "0123456789ABCDEF";

	if (q->column + 3 > QUOTED_MOST)
		break_line(q, s);
	if (s->out) {
		s->out[s->n] = '=';
		s->out[s->n + 1] = (uint8_t)digits[octet >> 4];
		s->out[s->n + 2] = (uint8_t)digits[octet & 15];
	}
	s->n += 3;
	q->column = (uint8_t)(q->column + 3);
}

/* What stands for itself, as much of it at once as a line takes. */
static void put_plain(struct transfer_quoted *q, const uint8_t *in, size_t length, struct sink *s)
{
	for (size_t i = 0, n; i < length; i += n) {
		if (q->column == QUOTED_MOST)
			break_line(q, s);
		n = 1;
		if (could_be_boundary(q, in[i])) {
			put_quoted(q, in[i], s);
			continue;
		}
		n = QUOTED_MOST - q->column;
		n = n < length - i ? n : length - i;
		if (s->out)
			memcpy(s->out + s->n, in + i, n);
		s->n += n;
		q->column = (uint8_t)(q->column + n);
	}
}

static void line_end(struct transfer_quoted *q, struct sink *s)
{
	put_line_end(s);
	q->column = 0;
	q->broken = false;
}

/* What was held back, and is not what ends a line. A blank at the end of a line would be lost on the way (6.7 (3)). */
static void release(struct transfer_quoted *q, bool ends, struct sink *s)
{
	uint8_t held = q->held;

	q->held = 0;
	if (held == '\r' || (held != 0 && ends))
		put_quoted(q, held, s);
	else if (held != 0)
		put_plain(q, &held, 1, s);
}

/* So many octets stand for themselves: blanks do with something behind them. */
static size_t plain_run(const uint8_t *in, size_t length)
{
	size_t n = 0;

	while (n < length && (is_plain(in[n]) || (is_blank(in[n]) && n + 1 < length && in[n + 1] != '\r')))
		n++;
	return n;
}

size_t transfer_quoted(struct transfer_quoted *q, const uint8_t *in, size_t length, uint8_t *out)
{
	struct sink s = {out, 0};

	for (size_t i = 0, n; i < length; i += n) {
		n = 1;
		if (in[i] == '\n' && q->held == '\r') {
			q->held = 0;
			line_end(q, &s);
			continue;
		}
		release(q, in[i] == '\r', &s);
		n = plain_run(in + i, length - i);
		put_plain(q, in + i, n, &s);
		if (n > 0)
			continue;
		n = 1;
		if (in[i] == '\r' || is_blank(in[i]))
			q->held = in[i];
		else
			put_quoted(q, in[i], &s);
	}
	return s.n;
}

size_t transfer_quoted_end(struct transfer_quoted *q, uint8_t *out)
{
	struct sink s = {out, 0};

	release(q, true, &s);
	return s.n;
}

/* ---- base64 -------------------------------------------------------------------------------------------------- */

static void put_group(struct transfer_base64 *b, const uint8_t *in, unsigned octets, struct sink *s)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = (uint32_t)in[0] << 16 | (octets > 1 ? (uint32_t)in[1] << 8 : 0) | (octets > 2 ? in[2] : 0);

	put(s, (uint8_t)digits[bits >> 18]);
	put(s, (uint8_t)digits[bits >> 12 & 63]);
	put(s, octets > 1 ? (uint8_t)digits[bits >> 6 & 63] : '=');
	put(s, octets > 2 ? (uint8_t)digits[bits & 63] : '=');
	if (++b->column == BASE64_GROUPS) {
		put_line_end(s);
		b->column = 0;
	}
}

size_t transfer_base64(struct transfer_base64 *b, const uint8_t *in, size_t length, uint8_t *out)
{
	struct sink s = {out, 0};
	size_t i = 0;

	while (i < length) {
		uint8_t three[3];

		if (b->held_count == 0 && length - i >= 3) {
			put_group(b, in + i, 3, &s);
			i += 3;
			continue;
		}
		if (b->held_count < 2) {
			b->held[b->held_count++] = in[i++];
			continue;
		}
		three[0] = b->held[0];
		three[1] = b->held[1];
		three[2] = in[i++];
		b->held_count = 0;
		put_group(b, three, 3, &s);
	}
	return s.n;
}

size_t transfer_base64_end(struct transfer_base64 *b, uint8_t *out)
{
	struct sink s = {out, 0};

	if (b->held_count > 0)
		put_group(b, b->held, b->held_count, &s);
	b->held_count = 0;
	if (b->column > 0)
		put_line_end(&s);
	b->column = 0;
	return s.n;
}

uint64_t transfer_base64_length(uint64_t length)
{
	uint64_t groups = (length + 2) / 3;

	return groups * 4 + (groups + BASE64_GROUPS - 1) / BASE64_GROUPS * 2;
}
