/*
 * queue/spool_format.h - the octets of segments, batches and records (queue/README.md): encode, decode, check.
 *
 * Purpose
 *   Pure functions over memory, and the only place that hashes. Every hash but the segment header's own is keyed
 *   with the segment's secret seed plus the place in the file: a record that was written by an attacker into a
 *   message, left over from an earlier use of the file, or moved by a confused disk does not pass.
 *
 * Failure
 *   Decoders answer 0 or a negative errno and never read behind the octets they are given. What they find is
 *   input, not a promise: nothing here asserts on it.
 */
#ifndef POSTRIDER_QUEUE_SPOOL_FORMAT_H
#define POSTRIDER_QUEUE_SPOOL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/spool.h"

enum {
	SPOOL_BLOCK = 4096,
	SPOOL_BATCH_HEADER = 64,
	SPOOL_RECORD_HEADER = 72,
	SPOOL_RECORD_ALIGN = 8,
	SPOOL_PART_SIZE = 12,
	SPOOL_ENDS_MAX = 16,          /* segments that a done record names */
	SPOOL_FORMAT_VERSION = 2,     /* that is written */
	SPOOL_FORMAT_VERSION_MIN = 1, /* and still read */
};

enum spool_type { SPOOL_MESSAGE = 1, SPOOL_PART = 2, SPOOL_STATE = 3, SPOOL_DONE = 4 };

struct spool_segment_header {
	uint16_t shard, shards;
	uint32_t sequence, oldest;
	uint64_t seed, wall_ns;
	uint32_t cut_segment, cut_offset; /* the log before this segment ends there; 0: it ends as written */
	uint64_t first_batch;             /* with a cut, or in the first segment of a log; else 0 */
};

struct spool_batch_header {
	uint64_t number;
	uint32_t length, records, used;
	uint64_t previous, durable, hash;
};

struct spool_record_header {
	enum spool_type type;
	uint32_t length; /* all of it, without alignment */
	struct spool_id id;
	uint32_t envelope_length, content_length, parts, place;
	uint64_t wall_ns;
	uint64_t hash_low, hash_high;
};

/* For tables by id. */
uint32_t spool_id_hash(const struct spool_id *id);
static inline bool spool_id_same(const struct spool_id *a, const struct spool_id *b)
{
	return a->high == b->high && a->low == b->low;
}
/* Below, at or above zero, as qsort() wants it. */
static inline int spool_id_compare(const struct spool_id *a, const struct spool_id *b)
{
	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	return a->low < b->low ? -1 : a->low > b->low;
}

static inline uint32_t spool_align(uint32_t n, uint32_t to)
{
	return (n + to - 1) & ~(to - 1);
}

/* Writes both copies into a whole block. */
void spool_segment_encode(uint8_t *block, const struct spool_segment_header *header);
/* 0; -ENOENT: the block is all zeros; -EPROTONOSUPPORT: intact, but of a format we do not know; -EBADMSG. */
int spool_segment_decode(const uint8_t *block, struct spool_segment_header *header);
/* A seed for one use of one file, from the simulation's seed. */
uint64_t spool_seed_derive(uint64_t seed, uint16_t shard, uint32_t sequence, uint64_t wall_ns);

/* `offset`: place in the segment's file. Fills header->hash. */
void spool_batch_encode(uint8_t *out, struct spool_batch_header *header, uint64_t seed, uint32_t offset);
/* `room`: octets from `in` to the end of the file. 0 or -EBADMSG. */
int spool_batch_decode(const uint8_t *in, size_t room, uint64_t seed, uint32_t offset,
		       struct spool_batch_header *header);

/* The payload lies behind `out` already; hashes it and writes the header. */
void spool_record_encode(uint8_t *out, struct spool_record_header *header, uint64_t seed, uint32_t offset);
/* Checks the header only. `room`: octets from `in` on. 0 or -EBADMSG. */
int spool_record_decode(const uint8_t *in, size_t room, uint64_t seed, uint32_t offset,
			struct spool_record_header *header);
bool spool_record_payload_ok(const uint8_t *in, const struct spool_record_header *header, uint64_t seed,
			     uint32_t offset);

/* A done record's payload: the segments with records of the message that it ends; 0: nothing. The octets. */
size_t spool_ends_encode(uint8_t out[4 * SPOOL_ENDS_MAX], const uint32_t *ends, unsigned count);
/* How many; -ENOENT: it does not say (written before there was a payload). */
int spool_ends_decode(const uint8_t *in, size_t length, uint32_t ends[SPOOL_ENDS_MAX]);

void spool_part_encode(uint8_t *out, const struct spool_ref *ref);
void spool_part_decode(const uint8_t *in, struct spool_ref *ref);

uint64_t spool_hash(const void *data, size_t length, uint64_t seed);
bool spool_zero(const uint8_t *data, size_t length);

#endif
