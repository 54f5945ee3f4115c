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
 * A wider block (AVX2) needs another `block_read` and the three *_blocks loops compiled for it, chosen once at
 * start; nothing else depends on the width.
 */
#include "core/smtp/content.h"

#include <assert.h>
#include <string.h>

#if defined(__SSE2__) && !defined(POSTRIDER_CONTENT_PORTABLE)
#include <emmintrin.h>
#endif

enum { BLOCK = 64 };

/* The scanner's states. The first three are also the states of the BDAT scanner and the encoder. */
enum {
	AT_LINE,   /* at the start of a line */
	IN_TEXT,   /* inside a line */
	AFTER_CR,  /* behind a CR; the scanner has written it, the encoder holds it */
	AFTER_DOT, /* behind a dot at the start of a line; the dot is never written */
	DOT_CR,    /* behind such a dot and a CR, which is held: the end of data or a fault */
	ENDED,
	BROKEN, /* the encoder met a violation */
};

/* Where in the line `match` is: 0..8 octets of "received" matched, or one of these. */
enum { MATCH_NAME = 8, MATCH_CR = 254, MATCH_SKIP = 255 };

struct block {
	uint64_t cr, lf, dot; /* where they are */
	bool nul, high;       /* whether there are any */
};

#if defined(__SSE2__) && !defined(POSTRIDER_CONTENT_PORTABLE)

static inline uint64_t block_mask(const __m128i v[4], char octet)
{
	const __m128i wanted = _mm_set1_epi8(octet);
	uint64_t a = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v[0], wanted));
	uint64_t b = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v[1], wanted));
	uint64_t c = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v[2], wanted));
	uint64_t d = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v[3], wanted));

	return a | b << 16 | c << 32 | d << 48;
}

static inline void block_read(const uint8_t *in, struct block *block)
{
	__m128i v[4], least, any;

	for (unsigned i = 0; i < 4; i++)
		v[i] = _mm_loadu_si128((const __m128i *)(const void *)(in + 16 * i));
	least = _mm_min_epu8(_mm_min_epu8(v[0], v[1]), _mm_min_epu8(v[2], v[3]));
	any = _mm_or_si128(_mm_or_si128(v[0], v[1]), _mm_or_si128(v[2], v[3]));
	block->cr = block_mask(v, '\r');
	block->lf = block_mask(v, '\n');
	block->dot = block_mask(v, '.');
	block->nul = _mm_movemask_epi8(_mm_cmpeq_epi8(least, _mm_setzero_si128())) != 0;
	block->high = _mm_movemask_epi8(any) != 0;
}

#else

#define EACH(octet) (UINT64_C(0x0101010101010101) * (uint8_t)(octet))

/* The top bit of each octet of the result is set exactly where the octet of `word` is `octet`. */
static inline uint64_t word_equal(uint64_t word, uint8_t octet)
{
	uint64_t x = word ^ EACH(octet);

	return ~(((x & EACH(0x7f)) + EACH(0x7f)) | x) & EACH(0x80);
}

/* Gathers the top bits of eight octets: bit 8k+7 meets factor bit 7*(7-k) at 56+k, and no two collide. */
static inline uint64_t word_gather(uint64_t top)
{
	return (top * UINT64_C(0x0002040810204081)) >> 56;
}

static inline uint64_t word_load(const uint8_t *in)
{
	uint64_t word;

	memcpy(&word, in, sizeof word);
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(word) : word;
}

static inline void block_read(const uint8_t *in, struct block *block)
{
	uint64_t cr = 0, lf = 0, dot = 0, nul = 0, any = 0;

	for (unsigned i = 0; i < 8; i++) {
		uint64_t word = word_load(in + 8 * i);

		cr |= word_gather(word_equal(word, '\r')) << (8 * i);
		lf |= word_gather(word_equal(word, '\n')) << (8 * i);
		dot |= word_gather(word_equal(word, '.')) << (8 * i);
		nul |= word_equal(word, 0);
		any |= word;
	}
	*block = (struct block){.cr = cr, .lf = lf, .dot = dot, .nul = nul != 0, .high = (any & EACH(0x80)) != 0};
}

#endif

/* What a run of blocks has shown. */
struct tally {
	uint64_t bare_cr, bare_lf;
	bool nul, high;
	uint64_t after_cr, at_line; /* 0 or 1: the state behind the last block */
};

static inline struct tally tally_start(uint8_t state)
{
	return (struct tally){.after_cr = state == AFTER_CR, .at_line = state == AT_LINE};
}

/* Adds a block, unless a dot stands at a line start in it: then it is left to the octet steps. */
static inline bool tally_add(struct tally *tally, const struct block *block, bool dots_matter)
{
	uint64_t after_cr = block->cr << 1 | tally->after_cr;
	uint64_t crlf = block->lf & after_cr;

	if (dots_matter && (block->dot & (crlf << 1 | tally->at_line)))
		return false;
	tally->bare_lf |= block->lf & ~after_cr;
	tally->bare_cr |= after_cr & ~block->lf;
	tally->nul |= block->nul;
	tally->high |= block->high;
	tally->after_cr = block->cr >> (BLOCK - 1);
	tally->at_line = crlf >> (BLOCK - 1);
	return true;
}

static inline uint8_t tally_state(const struct tally *tally)
{
	return tally->after_cr ? AFTER_CR : tally->at_line ? AT_LINE : IN_TEXT;
}

static void scanner_take(struct content_scanner *scanner, const struct tally *tally)
{
	scanner->state = tally_state(tally);
	scanner->faults |= (tally->bare_cr ? CONTENT_BARE_CR : 0) | (tally->bare_lf ? CONTENT_BARE_LF : 0) |
			   (tally->nul ? CONTENT_NUL : 0);
	scanner->eight_bit |= tally->high;
}

void content_scanner_init(struct content_scanner *scanner)
{
	*scanner = (struct content_scanner){.state = AT_LINE, .in_header = true};
}

static uint8_t match_octet(struct content_scanner *scanner, uint8_t octet)
{
	static const char name[MATCH_NAME + 1] = "received";

	if (octet == '\r' && scanner->match == 0)
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
 * Counts the trace lines in content, up to the first empty line. A bare LF ends a line here: where the
 * operator lets line ends be normalised it will be one, and elsewhere the message is refused anyway.
 */
static void header_scan(struct content_scanner *scanner, const uint8_t *content, size_t length)
{
	for (size_t i = 0; i < length && scanner->in_header; i++) {
		if (scanner->match == MATCH_SKIP) {
			const uint8_t *lf = memchr(content + i, '\n', length - i);

			if (!lf)
				return;
			i = (size_t)(lf - content);
		}
		if (content[i] != '\n') {
			scanner->match = match_octet(scanner, content[i]);
		} else {
			scanner->in_header = scanner->match != 0 && scanner->match != MATCH_CR;
			scanner->match = 0;
		}
	}
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

static size_t scan_blocks(struct content_scanner *scanner, const uint8_t *restrict in, size_t length,
			  uint8_t *restrict out)
{
	struct tally tally = tally_start(scanner->state);
	struct block block;
	size_t done = 0;

	for (; length - done >= BLOCK; done += BLOCK) {
		block_read(in + done, &block);
		if (!tally_add(&tally, &block, true))
			break;
		memcpy(out + done, in + done, BLOCK);
	}
	if (done > 0)
		scanner_take(scanner, &tally);
	return done;
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
			size_t done = scan_blocks(scanner, in + i, least, out + w);

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
	struct tally tally;
	struct block block;
	size_t i = 0;

	assert(scanner->state <= AFTER_CR);
	tally = tally_start(scanner->state);
	for (; length - i >= BLOCK; i += BLOCK) {
		block_read(in + i, &block);
		tally_add(&tally, &block, false);
	}
	if (i > 0)
		scanner_take(scanner, &tally);
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

/*
 * A CR is held until its LF is there, so that not even the last octets before a violation go out with half a
 * line end. A block that ends in CR is therefore taken without it, and no block begins behind a CR.
 */
static size_t encode_blocks(struct content_encoder *encoder, const uint8_t *restrict in, size_t length,
			    uint8_t *restrict out)
{
	uint64_t at_line = encoder->state == AT_LINE;
	struct block block;
	size_t done = 0;

	while (length - done >= BLOCK) {
		size_t step;

		block_read(in + done, &block);
		if (block.nul || block.lf != block.cr << 1 || (block.dot & (block.lf << 1 | at_line)))
			break;
		memcpy(out + done, in + done, BLOCK);
		step = BLOCK - (size_t)(block.cr >> (BLOCK - 1));
		at_line = block.lf >> (step - 1) & 1;
		done += step;
	}
	encoder->state = at_line ? AT_LINE : IN_TEXT;
	return done;
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
			size_t done = encode_blocks(encoder, in + i, least, out + w);

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
	struct tally tally;
	struct block block;
	size_t i = 0;

	if (encoder->state == BROKEN)
		return false;
	tally = tally_start(encoder->state);
	for (; length - i >= BLOCK; i += BLOCK) {
		block_read(in + i, &block);
		tally_add(&tally, &block, false);
	}
	encoder->state = tally.bare_cr || tally.bare_lf || tally.nul ? BROKEN : tally_state(&tally);
	while (i < length && encoder->state != BROKEN)
		encoder->state = encoder_next(encoder->state, in[i++]);
	return encoder->state != BROKEN;
}
