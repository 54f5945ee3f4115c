/* queue/spool_format.c - see spool_format.h; the layout tables are in queue/README.md. */
#include "queue/spool_format.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "queue/octets.h"

static const char segment_magic[8] = {'P', 'R', 'S', 'E', 'G', 'M', '0', '1'};
static const char batch_magic[8] = {'P', 'R', 'B', 'A', 'T', 'C', 'H', '1'};

enum {
	SEGMENT_HEADER = 64,
	SEGMENT_COPY = 2048, /* in another sector, so that one bad sector does not cost the segment its seed */
	RECORD_MAGIC = 0x5052,
};

static_assert(SPOOL_BATCH_HEADER + SPOOL_RECORD_HEADER + SPOOL_PARTS_MAX * SPOOL_PART_SIZE + SPOOL_ENVELOPE_MAX +
			      SPOOL_CONTENT_MAX <=
		      SPOOL_SLAB,
	      "the largest record fits a slab");

uint64_t spool_hash(const void *data, size_t length, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, length, seed);
}

uint32_t spool_id_hash(const struct spool_id *id)
{
	return (uint32_t)XXH3_64bits_withSeed(id, sizeof *id, 0);
}

bool spool_zero(const uint8_t *data, size_t length)
{
	return length == 0 || (data[0] == 0 && memcmp(data, data + 1, length - 1) == 0);
}

/* ---- segments ---- */

void spool_segment_encode(uint8_t *block, const struct spool_segment_header *header)
{
	memset(block, 0, SPOOL_BLOCK);
	memcpy(block, segment_magic, 8);
	put32(block + 8, SPOOL_FORMAT_VERSION);
	put16(block + 12, header->shard);
	put16(block + 14, header->shards);
	put32(block + 16, header->sequence);
	put32(block + 20, header->oldest);
	put64(block + 24, header->seed);
	put64(block + 32, header->wall_ns);
	put32(block + 40, header->cut_segment);
	put32(block + 44, header->cut_offset);
	put64(block + 48, header->first_batch);
	put64(block + 56, spool_hash(block, 56, 0));
	memcpy(block + SEGMENT_COPY, block, SEGMENT_HEADER);
}

static int segment_copy_decode(const uint8_t *in, struct spool_segment_header *header)
{
	if (memcmp(in, segment_magic, 6) != 0 || get64(in + 56) != spool_hash(in, 56, 0))
		return -EBADMSG;
	if (memcmp(in, segment_magic, 8) != 0 || get32(in + 8) < SPOOL_FORMAT_VERSION_MIN ||
	    get32(in + 8) > SPOOL_FORMAT_VERSION)
		return -EPROTONOSUPPORT;
	header->shard = get16(in + 12);
	header->shards = get16(in + 14);
	header->sequence = get32(in + 16);
	header->oldest = get32(in + 20);
	header->seed = get64(in + 24);
	header->wall_ns = get64(in + 32);
	header->cut_segment = get32(in + 40);
	header->cut_offset = get32(in + 44);
	header->first_batch = get64(in + 48);
	if (header->sequence == 0 || header->oldest > header->sequence || header->cut_segment >= header->sequence)
		return -EBADMSG;
	return 0;
}

int spool_segment_decode(const uint8_t *block, struct spool_segment_header *header)
{
	struct spool_segment_header copy;
	int first = segment_copy_decode(block, header);
	int second = segment_copy_decode(block + SEGMENT_COPY, &copy);
	if (first == -EPROTONOSUPPORT || second == -EPROTONOSUPPORT)
		return -EPROTONOSUPPORT;
	/* A rewrite torn between the two sectors leaves an old and a new header: the new one describes the file. */
	if (second == 0 && (first != 0 || copy.sequence > header->sequence)) {
		*header = copy;
		return 0;
	}
	if (first == 0)
		return 0;
	return spool_zero(block, SPOOL_BLOCK) ? -ENOENT : -EBADMSG;
}

uint64_t spool_seed_derive(uint64_t seed, uint16_t shard, uint32_t sequence, uint64_t wall_ns)
{
	uint8_t in[16];
	put64(in, wall_ns);
	put32(in + 8, sequence);
	put32(in + 12, shard);
	return spool_hash(in, sizeof in, seed);
}

/* ---- batches ---- */

void spool_batch_encode(uint8_t *out, struct spool_batch_header *header, uint64_t seed, uint32_t offset)
{
	memcpy(out, batch_magic, 8);
	put64(out + 8, header->number);
	put32(out + 16, header->length);
	put32(out + 20, header->records);
	put32(out + 24, header->used);
	put32(out + 28, 0);
	put64(out + 32, header->previous);
	put64(out + 40, header->durable);
	put64(out + 48, 0);
	header->hash = spool_hash(out, 56, seed + offset);
	put64(out + 56, header->hash);
}

int spool_batch_decode(const uint8_t *in, size_t room, uint64_t seed, uint32_t offset,
		       struct spool_batch_header *header)
{
	if (room < SPOOL_BLOCK || memcmp(in, batch_magic, 8) != 0)
		return -EBADMSG;
	if (get64(in + 56) != spool_hash(in, 56, seed + offset))
		return -EBADMSG;
	header->number = get64(in + 8);
	header->length = get32(in + 16);
	header->records = get32(in + 20);
	header->used = get32(in + 24);
	header->previous = get64(in + 32);
	header->durable = get64(in + 40);
	header->hash = get64(in + 56);
	if (header->length > SPOOL_SLAB || header->length % SPOOL_BLOCK != 0 || header->used > header->length ||
	    header->used < SPOOL_BATCH_HEADER || header->number == 0 || header->durable >= header->number)
		return -EBADMSG;
	return 0;
}

/* ---- records ---- */

static XXH128_hash_t payload_hash(const uint8_t *record, uint32_t length, uint64_t seed, uint32_t offset)
{
	return XXH3_128bits_withSeed(record + SPOOL_RECORD_HEADER, length - SPOOL_RECORD_HEADER, seed + offset);
}

void spool_record_encode(uint8_t *out, struct spool_record_header *header, uint64_t seed, uint32_t offset)
{
	XXH128_hash_t hash = payload_hash(out, header->length, seed, offset);
	header->hash_low = hash.low64;
	header->hash_high = hash.high64;
	put16(out, RECORD_MAGIC);
	out[2] = (uint8_t)header->type;
	out[3] = 0;
	put32(out + 4, header->length);
	put64(out + 8, header->id.high);
	put64(out + 16, header->id.low);
	put32(out + 24, header->envelope_length);
	put32(out + 28, header->content_length);
	put32(out + 32, header->parts);
	put32(out + 36, header->place);
	put64(out + 40, header->wall_ns);
	put64(out + 48, header->hash_low);
	put64(out + 56, header->hash_high);
	put64(out + 64, spool_hash(out, 64, seed + offset));
}

int spool_record_decode(const uint8_t *in, size_t room, uint64_t seed, uint32_t offset,
			struct spool_record_header *header)
{
	if (room < SPOOL_RECORD_HEADER || get16(in) != RECORD_MAGIC || in[3] != 0)
		return -EBADMSG;
	if (in[2] < SPOOL_MESSAGE || in[2] > SPOOL_DONE || get64(in + 64) != spool_hash(in, 64, seed + offset))
		return -EBADMSG;
	header->type = (enum spool_type)in[2];
	header->length = get32(in + 4);
	header->id.high = get64(in + 8);
	header->id.low = get64(in + 16);
	header->envelope_length = get32(in + 24);
	header->content_length = get32(in + 28);
	header->parts = get32(in + 32);
	header->place = get32(in + 36);
	header->wall_ns = get64(in + 40);
	header->hash_low = get64(in + 48);
	header->hash_high = get64(in + 56);
	if (header->parts > SPOOL_PARTS_MAX || header->length > room)
		return -EBADMSG;
	uint64_t sum = SPOOL_RECORD_HEADER + (uint64_t)header->parts * SPOOL_PART_SIZE + header->envelope_length +
		       header->content_length;
	return sum == header->length ? 0 : -EBADMSG;
}

bool spool_record_payload_ok(const uint8_t *in, const struct spool_record_header *header, uint64_t seed,
			     uint32_t offset)
{
	XXH128_hash_t hash = payload_hash(in, header->length, seed, offset);
	return hash.low64 == header->hash_low && hash.high64 == header->hash_high;
}

size_t spool_ends_encode(uint8_t out[4 * SPOOL_ENDS_MAX], const uint32_t *ends, unsigned count)
{
	size_t length = 0;
	for (unsigned i = 0; i < count; i++) {
		bool again = ends[i] == 0;
		for (unsigned n = 0; n < i; n++)
			again |= ends[n] == ends[i];
		if (again)
			continue;
		put32(out + length, ends[i]);
		length += 4;
	}
	if (length == 0) {
		put32(out, 0);
		length = 4;
	}
	return length;
}

int spool_ends_decode(const uint8_t *in, size_t length, uint32_t ends[SPOOL_ENDS_MAX])
{
	if (length == 0 || length % 4 != 0 || length > 4 * SPOOL_ENDS_MAX)
		return -ENOENT;
	for (size_t i = 0; i < length / 4; i++)
		ends[i] = get32(in + 4 * i);
	return (int)(length / 4);
}

void spool_part_encode(uint8_t *out, const struct spool_ref *ref)
{
	put32(out, ref->segment);
	put32(out + 4, ref->offset);
	put32(out + 8, ref->length);
}

void spool_part_decode(const uint8_t *in, struct spool_ref *ref)
{
	ref->segment = get32(in);
	ref->offset = get32(in + 4);
	ref->length = get32(in + 8);
}
