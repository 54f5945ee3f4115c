/*
 * core/smtp/repair.c - see repair.h. Octet by octet only where something has to be decided; what lies between two line
 * ends is copied as a whole.
 */
#include "core/smtp/repair.h"

#include <assert.h>
#include <string.h>

/* Of repair_lines(). */
enum {
	AT_LINE,   /* at the start of a line */
	IN_TEXT,   /* inside one */
	AFTER_DOT, /* behind a dot at its start, which is never written */
	DOT_CR,    /* and behind CRs, which are held */
	ENDED,
};

void repair_init(struct repair *repair, unsigned what)
{
	*repair = (struct repair){.what = (uint8_t)what, .frame = AT_LINE, .in_header = true};
}

static size_t end_line(struct repair *r, uint8_t *out)
{
	r->in_header &= r->column > 0;
	r->column = 0;
	r->blank = false;
	memcpy(out, "\r\n", 2);
	return 2;
}

/* Octets that `lead` says its character has. */
static unsigned character(uint8_t lead)
{
	return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
}

/* The line goes on in the next one before this octet. */
static bool too_long(const struct repair *r, uint8_t octet)
{
	if (!(r->what & REPAIR_WRAP) || r->column < REPAIR_SOFT)
		return false;
	/* A blank stays in front of the break: a line of blanks alone would end the header for many. */
	if (r->blank && octet != ' ' && octet != '\t')
		return true;
	return r->column + character(octet) > REPAIR_HARD;
}

static size_t put_text(struct repair *r, uint8_t octet, uint8_t *out)
{
	size_t n = 0;

	if (too_long(r, octet)) {
		n = end_line(r, out);
		if (r->in_header) {
			out[n++] = ' ';
			r->column = 1;
		}
	}
	out[n++] = octet;
	r->blank = octet == ' ' || octet == '\t';
	r->column += r->column < UINT16_MAX;
	return n;
}

static size_t put(struct repair *r, uint8_t octet, uint8_t *out)
{
	size_t n = 0;

	if (octet == '\r') {
		r->held = true;
		return 0;
	}
	if (octet == '\n') {
		r->held = false;
		return end_line(r, out);
	}
	if (r->held) {
		r->held = false;
		r->bare_cr = true;
		out[n++] = '\r';
	}
	return n + put_text(r, octet, out + n);
}

/* So many octets from here on are copied as they are. */
static size_t plain(const struct repair *r, const uint8_t *in, size_t length)
{
	size_t most = r->what & REPAIR_WRAP ? REPAIR_SOFT : UINT16_MAX;
	const uint8_t *end;

	if (r->held || r->column >= most)
		return 0;
	if (length > most - r->column)
		length = most - r->column;
	end = memchr(in, '\n', length);
	if (end)
		length = (size_t)(end - in);
	end = memchr(in, '\r', length);
	return end ? (size_t)(end - in) : length;
}

size_t repair_content(struct repair *r, const uint8_t *in, size_t length, uint8_t *out)
{
	size_t i = 0, w = 0;

	while (i < length) {
		size_t run = plain(r, in + i, length - i);
		if (run == 0) {
			w += put(r, in[i++], out + w);
			continue;
		}
		memcpy(out + w, in + i, run);
		i += run;
		w += run;
		r->column += (uint16_t)run;
		r->blank = out[w - 1] == ' ' || out[w - 1] == '\t';
	}
	return w;
}

/* What one octet of the stream means where LF ends lines. Returns how many octets were written. */
static size_t frame_octet(struct repair *r, uint8_t octet, uint8_t *out)
{
	uint8_t before = r->frame;

	if (before == AT_LINE && octet == '.') {
		r->frame = AFTER_DOT;
		return 0;
	}
	if ((before == AFTER_DOT || before == DOT_CR) && octet == '\n') {
		r->held = false;
		r->frame = ENDED;
		return 0;
	}
	if (before == AFTER_DOT && octet == '\r')
		r->frame = DOT_CR;
	else if (before != DOT_CR || octet != '\r')
		r->frame = octet == '\n' ? AT_LINE : IN_TEXT;
	return put(r, octet, out);
}

enum content_result repair_lines(struct repair *r, const uint8_t *in, size_t length, size_t *consumed, uint8_t *out,
				 size_t capacity, size_t *written)
{
	size_t i = 0, w = 0;

	assert(capacity >= repair_room(1));
	assert(r->frame != ENDED);
	r->what |= REPAIR_ENDINGS;
	while (i < length && r->frame != ENDED && capacity - w >= repair_room(1)) {
		size_t most = (capacity - w - repair_room(0)) / 3;
		size_t run = r->frame != IN_TEXT ? 0 : plain(r, in + i, length - i < most ? length - i : most);
		if (run == 0)
			w += frame_octet(r, in[i++], out + w);
		else
			w += repair_content(r, in + i, run, out + w);
		i += run;
	}
	*consumed = i;
	*written = w;
	return r->frame == ENDED ? CONTENT_END : CONTENT_MORE;
}
