/* tests/unit/test_spool_format.c - headers: round trip, and no bit may change unnoticed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/spool_format.h"
#include "tests/unit/check.h"

static uint8_t block[SPOOL_BLOCK];

static const struct spool_segment_header segment = {
	.shard = 3,
	.shards = 8,
	.sequence = 41,
	.oldest = 17,
	.seed = UINT64_C(0x1122334455667788),
	.wall_ns = 99,
	.cut_segment = 40,
	.cut_offset = 8192,
	.first_batch = 1234,
};

static void test_segment_round_trip(void)
{
	struct spool_segment_header out;
	spool_segment_encode(block, &segment);
	CHECK_EQ(spool_segment_decode(block, &out), 0);
	CHECK(out.shard == 3 && out.shards == 8 && out.sequence == 41 && out.oldest == 17);
	CHECK(out.seed == segment.seed && out.wall_ns == 99 && out.cut_segment == 40 && out.cut_offset == 8192);
	CHECK_EQ(out.first_batch, 1234);
	memset(block, 0, sizeof block);
	CHECK_EQ(spool_segment_decode(block, &out), -ENOENT);
	block[3000] = 1;
	CHECK_EQ(spool_segment_decode(block, &out), -EBADMSG);
}

/* One copy may be lost; both damaged are noticed. */
static void test_segment_bits(void)
{
	for (unsigned bit = 0; bit < 64 * 8; bit++) {
		struct spool_segment_header out = {0};
		spool_segment_encode(block, &segment);
		block[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_EQ(spool_segment_decode(block, &out), 0);
		CHECK(out.sequence == 41 && out.seed == segment.seed && out.cut_offset == 8192);
		block[2048 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_EQ(spool_segment_decode(block, &out), -EBADMSG);
	}
}

static void test_segment_torn_rewrite(void)
{
	uint8_t old[SPOOL_BLOCK];
	struct spool_segment_header out, newer = segment;
	newer.sequence = 55;
	spool_segment_encode(old, &segment);
	for (unsigned sector = 0; sector < 8; sector += 4) {
		spool_segment_encode(block, &newer);
		memcpy(block + sector * 512, old + sector * 512, 512);
		CHECK_EQ(spool_segment_decode(block, &out), 0);
		CHECK_EQ(out.sequence, 55);
	}
}

/* What an older program wrote is read; what a newer one did is not touched. */
static void test_segment_versions(void)
{
	for (unsigned version = 0; version < 5; version++) {
		struct spool_segment_header out = {0};
		bool known = version == 1 || version == 2;
		spool_segment_encode(block, &segment);
		CHECK_EQ(block[8], 2);
		block[8] = (uint8_t)version;
		uint64_t hash = spool_hash(block, 56, 0);
		memcpy(block + 56, &hash, 8);
		memcpy(block + 2048, block, 64);
		CHECK_EQ(spool_segment_decode(block, &out), known ? 0 : -EPROTONOSUPPORT);
		CHECK_EQ(out.sequence, known ? 41 : 0);
	}
}

static void test_batch(void)
{
	struct spool_batch_header in = {.number = 7,
					.length = 8192,
					.records = 3,
					.used = 5000,
					.previous = 11,
					.durable = 6},
				  out;
	spool_batch_encode(block, &in, 42, 4096);
	CHECK_EQ(spool_batch_decode(block, SPOOL_BLOCK, 42, 4096, &out), 0);
	CHECK(out.number == 7 && out.length == 8192 && out.records == 3 && out.used == 5000 && out.previous == 11 &&
	      out.durable == 6 && out.hash == in.hash);
	CHECK_EQ(spool_batch_decode(block, SPOOL_BLOCK, 43, 4096, &out), -EBADMSG);
	CHECK_EQ(spool_batch_decode(block, SPOOL_BLOCK, 42, 8192, &out), -EBADMSG);
	CHECK_EQ(spool_batch_decode(block, SPOOL_BLOCK - 1, 42, 4096, &out), -EBADMSG);
	for (unsigned bit = 0; bit < SPOOL_BATCH_HEADER * 8; bit++) {
		block[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_EQ(spool_batch_decode(block, SPOOL_BLOCK, 42, 4096, &out), -EBADMSG);
		block[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void test_record(void)
{
	struct spool_record_header in = {.type = SPOOL_MESSAGE,
					 .length = SPOOL_RECORD_HEADER + 2 * SPOOL_PART_SIZE + 5 + 6,
					 .id = {1, 2},
					 .envelope_length = 5,
					 .content_length = 6,
					 .parts = 2,
					 .place = 9,
					 .wall_ns = 10},
				   out;
	struct spool_ref parts[2] = {{1, 2, 3}, {4, 5, 6}}, part;
	uint8_t *p = block + SPOOL_RECORD_HEADER;
	spool_part_encode(p, &parts[0]);
	spool_part_encode(p + SPOOL_PART_SIZE, &parts[1]);
	memcpy(p + 2 * SPOOL_PART_SIZE, "envelcontent", 11);
	spool_record_encode(block, &in, 42, 4160);
	CHECK_EQ(spool_record_decode(block, in.length, 42, 4160, &out), 0);
	CHECK(out.type == SPOOL_MESSAGE && out.id.high == 1 && out.id.low == 2 && out.parts == 2 && out.place == 9 &&
	      out.wall_ns == 10 && out.envelope_length == 5 && out.content_length == 6);
	CHECK(spool_record_payload_ok(block, &out, 42, 4160));
	spool_part_decode(p + SPOOL_PART_SIZE, &part);
	CHECK(part.segment == 4 && part.offset == 5 && part.length == 6);
	CHECK_EQ(spool_record_decode(block, in.length - 1, 42, 4160, &out), -EBADMSG);
	CHECK_EQ(spool_record_decode(block, in.length, 42, 4168, &out), -EBADMSG);
	for (unsigned bit = 0; bit < in.length * 8; bit++) {
		block[bit / 8] ^= (uint8_t)(1 << bit % 8);
		bool header_ok = spool_record_decode(block, in.length, 42, 4160, &out) == 0;
		CHECK_EQ(header_ok, bit >= SPOOL_RECORD_HEADER * 8);
		if (header_ok)
			CHECK(!spool_record_payload_ok(block, &out, 42, 4160));
		block[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

int main(void)
{
	RUN(test_segment_round_trip);
	RUN(test_segment_bits);
	RUN(test_segment_torn_rewrite);
	RUN(test_segment_versions);
	RUN(test_batch);
	RUN(test_record);
	return check_end();
}
