/*
 * content_blocks.h - loops over blocks of 64 octets of content, for content.c and nobody else.
 *
 * A loop takes a block only when its effect equals that of 64 octet steps, and leaves the rest to those. Each returns
 * how many octets it has taken. The states of what they work on are here, too.
 */
#ifndef POSTRIDER_SMTP_CONTENT_BLOCKS_H
#define POSTRIDER_SMTP_CONTENT_BLOCKS_H

#include "core/smtp/content.h"

enum { CONTENT_BLOCK = 64 };

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

struct content_blocks {
	/* Behind none of the states that hold something. Stops where a dot stands at the start of a line. */
	size_t (*scan)(struct content_scanner *scanner, const uint8_t *restrict in, size_t length,
		       uint8_t *restrict out);
	/* Every octet is content. */
	size_t (*look)(struct content_scanner *scanner, const uint8_t *in, size_t length);
	/* Not behind a CR. Stops where a dot is to be stuffed, or at a violation. */
	size_t (*encode)(struct content_encoder *encoder, const uint8_t *restrict in, size_t length,
			 uint8_t *restrict out);
	/* BROKEN where there was a violation. */
	size_t (*check)(struct content_encoder *encoder, const uint8_t *in, size_t length);
};
extern const struct content_blocks content_blocks_plain, content_blocks_avx2;

#endif
