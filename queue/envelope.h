/*
 * queue/envelope.h - what a message record's envelope holds, beyond what the spool itself must know: who sent the
 * message, and its recipients, each with the destination it was accepted for. queue/README.md has the octets of both
 * versions: 2 is written, 1 is read as well. Explicit lengths: nothing is delimited, so nothing can be injected
 * (RELIABILITY PAR-03).
 */
#ifndef POSTRIDER_QUEUE_ENVELOPE_H
#define POSTRIDER_QUEUE_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"
#include "queue/field.h"

enum {
	ENVELOPE_EIGHT_BIT = 1u << 0, /* the content has octets above 127, or BODY=8BITMIME was said */
	ENVELOPE_BODY_GIVEN = 1u << 1,
};
enum {
	ENVELOPE_RECIPIENTS_MAX = 65535,
	ENVELOPE_DESTINATIONS_MAX = 65535,
	/* What each recipient and destination takes beside its text. */
	ENVELOPE_RECIPIENT_OVERHEAD = FIELD_HEADER + 2,
	ENVELOPE_DESTINATION_OVERHEAD = FIELD_HEADER,
	/* All else but sender and helo, at most. */
	ENVELOPE_OVERHEAD = 1024,
};

struct envelope {
	uint8_t version;
	uint8_t flags;
	uint16_t recipients, destinations;
	struct span client, peer, helo, sender;
	const uint8_t *destination_data; /* for envelope_destination() */
	size_t destination_length;
	const uint8_t *recipient_data; /* for struct envelope_cursor */
	size_t recipient_length;
};

struct envelope_writer {
	struct field_writer fields;
	uint16_t recipients, destinations;
};

/* Of `fields`, flags and the four spans count; client, peer and helo are cut after 255 octets (they are ours or
 * validated, so they fit). Then the destinations, from 0, then the recipients. */
void envelope_begin(struct envelope_writer *writer, uint8_t *out, size_t capacity, const struct envelope *fields);
void envelope_add_destination(struct envelope_writer *writer, struct span name);
void envelope_add_recipient(struct envelope_writer *writer, unsigned destination, struct span address);
/* The whole length, or 0 when it did not fit, or a recipient's destination is not there. */
size_t envelope_end(struct envelope_writer *writer);

/* 0, -EBADMSG, or -ENOTSUP: written by a later version, with something that must be understood and is not. Spans point
 * into `data`. */
int envelope_decode(const uint8_t *data, size_t length, struct envelope *out);

/* Of index `index`; empty where there is none. */
struct span envelope_destination(const struct envelope *envelope, unsigned index);

struct envelope_recipient {
	struct span address;
	uint16_t destination; /* index */
};
struct envelope_cursor {
	struct field_reader reader;
	uint8_t version;
};
void envelope_first(const struct envelope *envelope, struct envelope_cursor *cursor);
bool envelope_next(struct envelope_cursor *cursor, struct envelope_recipient *recipient);

#endif
