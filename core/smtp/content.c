/*
 * content.c - end of data, dot-stuffing and the line-ending faults of message content.
 *
 * Purpose
 *   Three machines over the octets of a message: the scanner of DATA (removes dots, finds the end), the
 *   scanner of BDAT (looks only) and the encoder of outbound DATA (adds dots, refuses what could smuggle).
 *   Each exists twice: an octet-wise step that is the definition, and a loop over blocks of 64 octets that
 *   turns a block into bit masks (bit n: octet n) and handles all of it that needs no decision.
 *
 * Ownership
 *   Nothing is kept but the caller's struct. `in` and `out` must not overlap.
 *
 * Invariants
 *   A block loop takes a block only when its effect equals that of 64 octet steps: no dot stands at a line
 *   start in it. Whatever a block loop leaves, the octet steps do. Results therefore do not depend on how the
 *   stream was cut, nor on the room given.
 *   A line starts after CRLF and at the very beginning, never after a bare LF or CR (SMG-01).
 *
 * Failure
 *   None of its own; what the peer sent is reported by faults or by false.
 *
 * The loops are in content_blocks.c, twice on x86-64: AVX2 halves their instructions, and which processor it is, is
 * not known before it runs.
 */
#include "core/smtp/content.h"

#include <assert.h>
#include <string.h>

#include "core/smtp/content_blocks.h"

enum { BLOCK = CONTENT_BLOCK };

/* Where in the line `match` is: 0..8 octets of "received" matched, or one of these. */
enum { MATCH_NAME = 8, MATCH_FIRST = 253, MATCH_CR = 254, MATCH_SKIP = 255 };

#ifdef POSTRIDER_CONTENT_AVX2

static inline const struct content_blocks *blocks(void)
{
	return __builtin_cpu_supports("avx2") ? &content_blocks_avx2 : &content_blocks_plain;
}

#else

static inline const struct content_blocks *blocks(void)
{
	return &content_blocks_plain;
}

#endif

void content_scanner_init(struct content_scanner *scanner)
{
	*scanner = (struct content_scanner){.state = AT_LINE, .in_header = true, .match = MATCH_FIRST};
}

static uint8_t match_octet(struct content_scanner *scanner, uint8_t octet)
{
	static const char name[MATCH_NAME + 1] = "received";

	if (octet == '\r' && (scanner->match == 0 || scanner->match == MATCH_CR))
		return MATCH_CR;
	if (scanner->match < MATCH_NAME)
		return (octet | 0x20) == name[scanner->match] ? scanner->match + 1 : MATCH_SKIP;
	if (scanner->match == MATCH_NAME && (octet == ' ' || octet == '\t')) /* RFC 5322 4.5.7, obsolete */
		return MATCH_NAME;
	if (scanner->match == MATCH_NAME && octet == ':' && scanner->hops < UINT16_MAX)
		scanner->hops++;
	return MATCH_SKIP;
}

/*
 * Counts the trace lines in content, up to the first empty line; returns where that is, or the end. A bare LF ends a
 * line here, and so does CR CR LF: where the operator lets line ends be normalised they will be one, and elsewhere the
 * message is refused anyway.
 */
static size_t trace_scan(struct content_scanner *scanner, const uint8_t *content, size_t length)
{
	size_t i;

	for (i = 0; i < length && scanner->in_header; i++) {
		if (scanner->match == MATCH_SKIP) {
			const uint8_t *lf = memchr(content + i, '\n', length - i);

			if (!lf)
				return length;
			i = (size_t)(lf - content);
		}
		if (content[i] != '\n') {
			scanner->match = match_octet(scanner, content[i]);
		} else {
			scanner->in_header = scanner->match != 0 && scanner->match != MATCH_CR;
			scanner->match = 0;
		}
	}
	return i;
}

static void header_scan(struct content_scanner *scanner, const uint8_t *content, size_t length)
{
	size_t end;

	/* No header begins with a fold: content that does is a body, and an empty line will be put before it. */
	if (scanner->match == MATCH_FIRST && length > 0) {
		scanner->in_header = content[0] != ' ' && content[0] != '\t';
		scanner->match = 0;
	}
	end = trace_scan(scanner, content, length);

	for (size_t i = 0; scanner->header == CONTENT_HEADER_WATCH && i < end; i++)
		if (content[i] >= 0x80)
			scanner->header |= CONTENT_HEADER_WIDE;
}

/* One octet of content (not of the terminator): the faults it shows and the state behind it. */
static inline void scan_plain(struct content_scanner *scanner, uint8_t octet)
{
	bool after_cr = scanner->state == AFTER_CR || scanner->state == DOT_CR;

	scanner->state = octet == '\r' ? AFTER_CR : IN_TEXT;
	if (octet == '\n') {
		if (after_cr)
			scanner->state = AT_LINE;
		else
			scanner->faults |= CONTENT_BARE_LF;
	} else if (after_cr) {
		scanner->faults |= CONTENT_BARE_CR;
	}
	if (octet == 0)
		scanner->faults |= CONTENT_NUL;
	if (octet >= 0x80)
		scanner->eight_bit = true;
}

/* One octet of DATA; writes at most two octets and returns their number. The definition of the scanner. */
static inline unsigned scan_octet(struct content_scanner *scanner, uint8_t octet, uint8_t *out)
{
	unsigned n = 0;

	if (scanner->state == AT_LINE && octet == '.') {
		scanner->state = AFTER_DOT;
		return 0;
	}
	if (scanner->state == AFTER_DOT && octet == '\r') {
		scanner->state = DOT_CR;
		return 0;
	}
	if (scanner->state == DOT_CR && octet == '\n') {
		scanner->state = ENDED;
		return 0;
	}
	if (scanner->state == DOT_CR)
		out[n++] = '\r'; /* it was held; now it is a bare CR */
	scan_plain(scanner, octet);
	out[n++] = octet;
	return n;
}

enum content_result content_scan_data(struct content_scanner *scanner, const uint8_t *in, size_t length,
				      size_t *consumed, uint8_t *out, size_t capacity, size_t *written)
{
	size_t i = 0, w = 0;

	assert(capacity >= 4);
	assert(scanner->state < ENDED);
	while (i < length && scanner->state != ENDED) {
		size_t least = length - i < capacity - w ? length - i : capacity - w;
		size_t stop;

		if (least >= BLOCK && scanner->state <= AFTER_CR) {
			size_t done = blocks()->scan(scanner, in + i, least, out + w);

			i += done;
			w += done;
		}
		/* At most a block's worth, then try blocks again. Two octets of room suffice for any step. */
		stop = i + BLOCK;
		while (i < stop && i < length && capacity - w >= 2 && scanner->state != ENDED)
			w += scan_octet(scanner, in[i++], out + w);
		if (capacity - w < 2)
			break;
	}
	if (scanner->in_header)
		header_scan(scanner, out, w);
	*consumed = i;
	*written = w;
	return scanner->state == ENDED ? CONTENT_END : CONTENT_MORE;
}

void content_scan_chunk(struct content_scanner *scanner, const uint8_t *in, size_t length)
{
	size_t i;

	assert(scanner->state <= AFTER_CR);
	i = blocks()->look(scanner, in, length);
	while (i < length)
		scan_plain(scanner, in[i++]);
	if (scanner->in_header)
		header_scan(scanner, in, length);
}

void content_scan_finish(struct content_scanner *scanner)
{
	if (scanner->state == AFTER_CR)
		scanner->faults |= CONTENT_BARE_CR;
	scanner->state = ENDED;
}

void content_encoder_init(struct content_encoder *encoder)
{
	encoder->state = AT_LINE;
}

/* The state behind one octet; BROKEN where SMG-03 forbids the octet. */
static inline uint8_t encoder_next(uint8_t state, uint8_t octet)
{
	if (octet == '\n')
		return state == AFTER_CR ? AT_LINE : BROKEN;
	if (state == AFTER_CR || octet == 0)
		return BROKEN;
	return octet == '\r' ? AFTER_CR : IN_TEXT;
}

/* One octet; writes at most two octets and returns their number. The definition of the encoder. */
static inline unsigned encode_octet(struct content_encoder *encoder, uint8_t octet, uint8_t *out)
{
	uint8_t before = encoder->state;
	unsigned n = 0;

	encoder->state = encoder_next(before, octet);
	if (encoder->state == BROKEN || encoder->state == AFTER_CR)
		return 0;
	if (octet == '\n')
		out[n++] = '\r';
	else if (octet == '.' && before == AT_LINE)
		out[n++] = '.';
	out[n++] = octet;
	return n;
}

bool content_encode(struct content_encoder *encoder, const uint8_t *in, size_t length, size_t *consumed, uint8_t *out,
		    size_t capacity, size_t *written)
{
	size_t i = 0, w = 0;

	assert(capacity >= 2);
	while (i < length && encoder->state != BROKEN && capacity - w >= 2) {
		size_t least = length - i < capacity - w ? length - i : capacity - w;
		size_t stop;

		if (least >= BLOCK && encoder->state != AFTER_CR) {
			size_t done = blocks()->encode(encoder, in + i, least, out + w);

			i += done;
			w += done;
		}
		/* Behind a CR the next octet must be the LF, and then blocks may begin again. */
		stop = encoder->state == AFTER_CR ? i + 1 : i + BLOCK;
		while (i < stop && i < length && capacity - w >= 2 && encoder->state != BROKEN) {
			w += encode_octet(encoder, in[i], out + w);
			i += encoder->state != BROKEN;
		}
	}
	*consumed = i;
	*written = w;
	return encoder->state != BROKEN;
}

size_t content_encode_end(struct content_encoder *encoder, uint8_t *out)
{
	if (encoder->state == AT_LINE) {
		memcpy(out, ".\r\n", 3);
		return 3;
	}
	if (encoder->state == IN_TEXT) {
		memcpy(out, "\r\n.\r\n", 5);
		return 5;
	}
	return 0;
}

bool content_encode_check(struct content_encoder *encoder, const uint8_t *in, size_t length)
{
	size_t i;

	if (encoder->state == BROKEN)
		return false;
	i = blocks()->check(encoder, in, length);
	while (i < length && encoder->state != BROKEN)
		encoder->state = encoder_next(encoder->state, in[i++]);
	return encoder->state != BROKEN;
}
