/*
 * core/deliver/converting.h - one attempt's 8-bit content for a host without 8BITMIME (core/smtp/seven_bit.h).
 *
 * Made only for such a message and such a host. All of the content is looked at before MAIL, as that may say how long
 * it is, and what cannot be converted is refused before a word of it; then each piece is converted when it is its turn.
 * A piece may be read from disk for both. What is kept is one piece.
 *
 * Between so many octets looked at others have their turn: a large message may be in memory as a whole.
 */
#ifndef POSTRIDER_DELIVER_CONVERTING_H
#define POSTRIDER_DELIVER_CONVERTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/wheel.h"
#include "core/deliver/exchange.h"
#include "core/smtp/seven_bit.h"

enum { CONVERTING_AT_ONCE = 256 << 10 }; /* a millisecond or two */

struct converting {
	struct seven_bit engine;
	struct wheel_timer timer; /* the caller's: armed while it lets others have their turn */
	void *owner;              /* the same */
	uint16_t piece;           /* that is looked at next */
	size_t offset;            /* of it was looked at so far */
	bool looked;
	uint32_t at_once; /* octets since others had their turn */
	uint64_t octets;  /* looked at */
	uint8_t *out;     /* owned: the piece that is being said */
};

/* NULL: no memory. */
struct converting *converting_new(void);
void converting_free(struct converting *v);
/* A part of a piece, CONVERTING_AT_ONCE at most; the head instead of its first octets, or NULL. True: that was its
 * last; else it is to be given again. */
bool converting_look(struct converting *v, const struct exchange_head *head, const uint8_t *piece, size_t size);
/* All was looked at. `signature_void`: it is altered in any case. Where it is CONVERT, *growth is by how much it
 * becomes longer than `length`. */
enum seven_bit_result converting_looked(struct converting *v, bool signature_void, uint64_t length, int64_t *growth);
/* The same piece for the second time. *written octets, good until the next; NULL: no memory. */
const uint8_t *converting_make(struct converting *v, const struct exchange_head *head, const uint8_t *piece,
			       size_t size, bool last, size_t *written);
/* Why it is not converted. */
const char *converting_refusal(enum seven_bit_result result);

#endif
