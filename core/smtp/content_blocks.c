/*
 * content_blocks.c - see content_blocks.h. A block is turned into bit masks (bit n: octet n).
 *
 * On x86-64 it is compiled twice, the second time for AVX2 and as content_blocks_avx2: content.c chooses.
 */
#include "core/smtp/content_blocks.h"

#include <string.h>

#if defined(__AVX2__) && !defined(POSTRIDER_CONTENT_PORTABLE)
#include <immintrin.h>
#elif defined(__SSE2__) && !defined(POSTRIDER_CONTENT_PORTABLE)
#include <emmintrin.h>
#endif

#ifndef CONTENT_BLOCKS
#define CONTENT_BLOCKS content_blocks_plain
#endif

enum { BLOCK = CONTENT_BLOCK };

struct block {
	uint64_t cr, lf, dot; /* where they are */
	bool nul, high;       /* whether there are any */
};

#if defined(__AVX2__) && !defined(POSTRIDER_CONTENT_PORTABLE)

static inline uint64_t block_mask(const __m256i v[2], char octet)
{
	const __m256i wanted = _mm256_set1_epi8(octet);
	uint64_t a = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v[0], wanted));
	uint64_t b = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v[1], wanted));

	return a | b << 32;
}

static inline void block_read(const uint8_t *in, struct block *block)
{
	__m256i v[2], least;

	for (unsigned i = 0; i < 2; i++)
		v[i] = _mm256_loadu_si256((const __m256i *)(const void *)(in + 32 * i));
	least = _mm256_min_epu8(v[0], v[1]);
	block->cr = block_mask(v, '\r');
	block->lf = block_mask(v, '\n');
	block->dot = block_mask(v, '.');
	block->nul = _mm256_movemask_epi8(_mm256_cmpeq_epi8(least, _mm256_setzero_si256())) != 0;
	block->high = _mm256_movemask_epi8(_mm256_or_si256(v[0], v[1])) != 0;
}

#elif defined(__SSE2__) && !defined(POSTRIDER_CONTENT_PORTABLE)

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

static size_t scan(struct content_scanner *scanner, const uint8_t *restrict in, size_t length, uint8_t *restrict out)
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

static size_t look(struct content_scanner *scanner, const uint8_t *in, size_t length)
{
	struct tally tally = tally_start(scanner->state);
	struct block block;
	size_t i = 0;

	for (; length - i >= BLOCK; i += BLOCK) {
		block_read(in + i, &block);
		tally_add(&tally, &block, false);
	}
	if (i > 0)
		scanner_take(scanner, &tally);
	return i;
}

/*
 * A CR is held until its LF is there, so that not even the last octets before a violation go out with half a
 * line end. A block that ends in CR is therefore taken without it, and no block begins behind a CR.
 */
static size_t encode(struct content_encoder *encoder, const uint8_t *restrict in, size_t length, uint8_t *restrict out)
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

static size_t check(struct content_encoder *encoder, const uint8_t *in, size_t length)
{
	struct tally tally = tally_start(encoder->state);
	struct block block;
	size_t i = 0;

	for (; length - i >= BLOCK; i += BLOCK) {
		block_read(in + i, &block);
		tally_add(&tally, &block, false);
	}
	encoder->state = tally.bare_cr || tally.bare_lf || tally.nul ? BROKEN : tally_state(&tally);
	return i;
}

const struct content_blocks CONTENT_BLOCKS = {scan, look, encode, check};
