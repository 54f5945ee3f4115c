/*
 * queue/field.h - tag, length, value: what envelopes and states are made of (queue/README.md, "Envelope and state").
 *
 * The writer never writes behind its room, and says at the end that something did not fit. The reader never reads
 * behind what it is given; nothing is delimited, so nothing can be injected (RELIABILITY PAR-03).
 */
#ifndef POSTRIDER_QUEUE_FIELD_H
#define POSTRIDER_QUEUE_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "queue/octets.h"

enum {
	FIELD_HEADER = 4,
	FIELD_VALUE_MAX = UINT16_MAX,
	FIELD_MUST = 1u << 15, /* in a tag as it is written: who does not know it must hold the message */
	FIELD_OF_ONE = 64,     /* tags from here on are about the recipient or fate before them */
};

struct field {
	uint16_t tag; /* without FIELD_MUST */
	bool must;
	uint16_t length;
	const uint8_t *value;
};

struct field_reader {
	const uint8_t *next, *end;
};

/* False at the end, or where a field is cut off: then next is not end. */
static inline bool field_next(struct field_reader *reader, struct field *out)
{
	size_t left = (size_t)(reader->end - reader->next);

	if (left < FIELD_HEADER)
		return false;
	uint16_t tag = get16(reader->next), length = get16(reader->next + 2);
	if (length > left - FIELD_HEADER)
		return false;
	*out = (struct field){(uint16_t)(tag & ~FIELD_MUST), tag & FIELD_MUST, length, reader->next + FIELD_HEADER};
	reader->next += FIELD_HEADER + length;
	return true;
}

struct field_writer {
	uint8_t *out;
	size_t length, capacity;
	bool overflow;
};

/* The room for a value, behind its tag and length; NULL when there is none left. */
static inline uint8_t *field_room(struct field_writer *writer, uint16_t tag, size_t length)
{
	uint8_t *at = writer->out + writer->length;

	if (writer->overflow || length > FIELD_VALUE_MAX || FIELD_HEADER + length > writer->capacity - writer->length) {
		writer->overflow = true;
		return NULL;
	}
	put16(at, tag);
	put16(at + 2, (uint16_t)length);
	writer->length += FIELD_HEADER + length;
	return at + FIELD_HEADER;
}

static inline void field_put(struct field_writer *writer, uint16_t tag, const void *value, size_t length)
{
	uint8_t *at = field_room(writer, tag, length);

	if (at && length)
		memcpy(at, value, length);
}

#endif
