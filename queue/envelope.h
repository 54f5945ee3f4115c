/*
 * queue/envelope.h - what a message record's envelope and a state record's payload hold, beyond what the spool itself
 * must know. Binary with explicit lengths: nothing is delimited, so nothing can be injected (RELIABILITY PAR-03).
 *
 * Envelope, version 1 (little-endian):
 *     u8 version, u8 flags, u16 recipients, u8 destination, u8 client, u8 peer, u8 helo (lengths), u16 sender (length),
 *     then the octets of destination, client, peer, helo, sender, then per recipient u16 length and its octets.
 * State, version 1:
 *     u8 version, u8 zero, u16 recipients, u32 attempts, u16 reply (length), u16 zero, then one octet of
 *     enum recipient_status per recipient, then the octets of the last reply.
 */
#ifndef POSTRIDER_QUEUE_ENVELOPE_H
#define POSTRIDER_QUEUE_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"

enum {
	ENVELOPE_EIGHT_BIT = 1u << 0, /* the content has octets above 127, or BODY=8BITMIME was said */
	ENVELOPE_BODY_GIVEN = 1u << 1,
};
enum { ENVELOPE_RECIPIENTS_MAX = 65535, STATE_REPLY_MAX = 512 };

enum recipient_status { RECIPIENT_PENDING, RECIPIENT_DELIVERED, RECIPIENT_FAILED };

struct envelope {
	uint8_t flags;
	uint16_t recipients;
	struct span destination, client, peer, helo, sender;
	const uint8_t *recipient_data; /* for struct envelope_cursor */
	size_t recipient_length;
};

struct envelope_writer {
	uint8_t *out;
	size_t length, capacity;
	uint16_t recipients;
	bool overflow;
};

/* Fields longer than their length octets can say are cut (client, peer, helo are ours or validated, so they fit). */
void envelope_begin(struct envelope_writer *writer, uint8_t *out, size_t capacity, const struct envelope *fields);
void envelope_add_recipient(struct envelope_writer *writer, struct span recipient);
/* The whole length, or 0 when it did not fit. */
size_t envelope_end(struct envelope_writer *writer);

/* 0 or -EBADMSG. Spans point into `data`. */
int envelope_decode(const uint8_t *data, size_t length, struct envelope *out);

struct envelope_cursor {
	const uint8_t *next, *end;
};
void envelope_first(const struct envelope *envelope, struct envelope_cursor *cursor);
bool envelope_next(struct envelope_cursor *cursor, struct span *recipient);

struct queue_state {
	uint32_t attempts;
	uint16_t recipients;
	const uint8_t *statuses; /* enum recipient_status each */
	struct span reply;
};
enum { STATE_HEADER = 12 };
/* `out` has room for STATE_HEADER + recipients + STATE_REPLY_MAX. Returns the length. */
size_t queue_state_encode(uint8_t *out, const struct queue_state *state);
int queue_state_decode(const uint8_t *data, size_t length, struct queue_state *out);

#endif
