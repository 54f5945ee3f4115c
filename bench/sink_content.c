/*
 * bench/sink_content.c - finds the end of data and line endings that are wrong.
 *
 * Deliberately its own scanner and not core/smtp's: a sink that shared the relay's could not see its mistakes.
 * Whole blocks of 64 octets are judged by bit masks: in good text every LF has a CR before it and every CR an LF
 * behind it, which is lf == (cr << 1 | the CR before the block). Only a block with a dot at the beginning of a line
 * goes through the octet-wise machine, which alone decides where data ends (RFC 5321 4.1.1.4: CRLF.CRLF only).
 *
 *     LINE --dot--> DOT --CR--> DOT_CR --LF--> the end
 *      ^ |           | other     | other
 *      | +--other--> TEXT <------+
 *      |              | CR
 *      +-----LF----- CR
 */
#include <string.h>

#include "bench/sink.h"

enum content_state {
	CONTENT_LINE, /* at the beginning of a line */
	CONTENT_TEXT,
	CONTENT_CR,
	CONTENT_DOT,
	CONTENT_DOT_CR,
	CONTENT_ENDED,
};

enum { BLOCK = 64 };

struct masks {
	uint64_t cr, lf, dot;
};

#if defined(__SSE2__)
#include <emmintrin.h>

static inline struct masks scan_block(const uint8_t *data)
{
	struct masks masks = {0, 0, 0};
	const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n'), dot = _mm_set1_epi8('.');
	for (unsigned i = 0; i < BLOCK / 16; i++) {
		__m128i octets = _mm_loadu_si128((const __m128i *)(data + (size_t)i * 16));
		masks.cr |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(octets, cr)) << (i * 16);
		masks.lf |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(octets, lf)) << (i * 16);
		masks.dot |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(octets, dot)) << (i * 16);
	}
	return masks;
}
#else
static inline struct masks scan_block(const uint8_t *data)
{
	struct masks masks = {0, 0, 0};
	for (unsigned i = 0; i < BLOCK; i++) {
		masks.cr |= (uint64_t)(data[i] == '\r') << i;
		masks.lf |= (uint64_t)(data[i] == '\n') << i;
		masks.dot |= (uint64_t)(data[i] == '.') << i;
	}
	return masks;
}
#endif

static enum content_state step(struct sink_content *content, uint8_t octet, bool dots)
{
	switch ((enum content_state)content->state) {
	case CONTENT_CR:
		if (octet == '\n')
			return CONTENT_LINE;
		content->bad = true;
		break;
	case CONTENT_DOT:
		if (octet == '\r')
			return CONTENT_DOT_CR;
		break;
	case CONTENT_DOT_CR:
		if (octet == '\n')
			return CONTENT_ENDED;
		content->bad = true;
		break;
	case CONTENT_LINE:
		if (octet == '.' && dots)
			return CONTENT_DOT;
		break;
	default:
		break;
	}
	if (octet == '\r')
		return CONTENT_CR;
	if (octet == '\n')
		content->bad = true;
	return CONTENT_TEXT;
}

/* Judges one block by its masks; false when the octets have to be looked at one by one. */
static bool judge_block(struct sink_content *content, const uint8_t *data, bool dots)
{
	if (content->state == CONTENT_DOT || content->state == CONTENT_DOT_CR)
		return false;
	struct masks masks = scan_block(data);
	uint64_t behind_cr = masks.cr << 1 | (content->state == CONTENT_CR);
	uint64_t crlf = masks.lf & behind_cr;
	uint64_t line_starts = crlf << 1 | (content->state == CONTENT_LINE);
	if (dots && (masks.dot & line_starts))
		return false;
	if (masks.lf != behind_cr)
		content->bad = true;
	if (masks.cr >> (BLOCK - 1))
		content->state = CONTENT_CR;
	else
		content->state = crlf >> (BLOCK - 1) ? CONTENT_LINE : CONTENT_TEXT;
	return true;
}

static size_t scan(struct sink_content *content, const uint8_t *data, size_t length, bool dots)
{
	size_t done = 0;
	while (done < length) {
		size_t block = length - done < BLOCK ? length - done : BLOCK;
		if (block == BLOCK && judge_block(content, data + done, dots)) {
			done += BLOCK;
			continue;
		}
		for (size_t i = 0; i < block; i++) {
			content->state = (uint8_t)step(content, data[done + i], dots);
			if (content->state == CONTENT_ENDED)
				return done + i + 1;
		}
		done += block;
	}
	return length;
}

size_t sink_content_data(struct sink_content *content, const uint8_t *data, size_t length, bool *end)
{
	size_t consumed = scan(content, data, length, true);
	*end = content->state == CONTENT_ENDED;
	return consumed;
}

void sink_content_chunk(struct sink_content *content, const uint8_t *data, size_t length)
{
	scan(content, data, length, false);
}

void sink_content_finish(struct sink_content *content)
{
	if (content->state == CONTENT_CR)
		content->bad = true;
}
