/*
 * core/deliver/converting.h - one attempt's 8-bit content for a host without 8BITMIME (core/smtp/seven_bit.h).
 *
 * Made only for such a message and such a host. All of the content is looked at before MAIL, as that may say how long
 * it is, and what cannot be converted is refused before a word of it; then each piece is converted when it is its turn.
 * A piece may be read from disk for both. What is kept is a part of one piece.
 *
 * Both go on by parts, with other work between them (turns.h): a large message may be in memory as a whole.
 */
#ifndef POSTRIDER_DELIVER_CONVERTING_H
#define POSTRIDER_DELIVER_CONVERTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/deliver/exchange.h"
#include "core/deliver/turns.h"
#include "core/smtp/seven_bit.h"

struct converting {
	struct seven_bit engine;
	struct turns_waiter waiter; /* the caller's: in line while others have their turn */
	void *owner;                /* the same */
	uint16_t piece;             /* that is looked at next */
	size_t offset;              /* of it was looked at so far, or made */
	bool looked;
	uint64_t octets; /* looked at */
	uint8_t *out;    /* owned: the part that is being said */
	size_t out_room;
};

/* NULL: no memory. */
struct converting *converting_new(void);
void converting_free(struct converting *v);
/* So many octets of a piece are the next part of it. */
size_t converting_part(const struct converting *v, const struct exchange_head *head, size_t size);
/* The next part of a piece; the head instead of its first octets, or NULL. True: that was its last; else it is to be
 * given again. */
bool converting_look(struct converting *v, const struct exchange_head *head, const uint8_t *piece, size_t size);
/* All was looked at. `signature_void`: it is altered in any case. Where it is CONVERT, *growth is by how much it
 * becomes longer than `length`. */
enum seven_bit_result converting_looked(struct converting *v, bool signature_void, uint64_t length, int64_t *growth);
/* The same for the second time, to `v->out`, where it is good until the next. `last`: no other piece comes. *written
 * octets. */
enum converting_made { CONVERTING_NO_MEMORY, CONVERTING_PART, CONVERTING_WHOLE /* the piece */ };
enum converting_made converting_make(struct converting *v, const struct exchange_head *head, const uint8_t *piece,
				     size_t size, bool last, size_t *written);
/* Octets above 127 stay in a header. */
static inline bool converting_leaves_some(const struct converting *v)
{
	return v->engine.high_told > 0;
}
/* Why it is not converted. */
const char *converting_refusal(enum seven_bit_result result);

#endif
