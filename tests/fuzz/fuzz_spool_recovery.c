/*
 * fuzz_spool_recovery.c - recovery over any octets: it ends, stays inside its memory, and never finds a message that
 * was not appended.
 *
 * Input: edits of a good segment, each 8 octets: what (flip, fill, copy, swap), where, how much. The rest that is no
 * whole edit is put raw behind the last batch. The edits include copies of whole batches and records to other places.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/spool_scan.h"

enum { IMAGE = 96 * 1024, BATCHES = 6, RECORDS = 5, MESSAGES = BATCHES * RECORDS };

static uint8_t image[IMAGE], work[IMAGE];
static uint32_t end_of_image;
static const struct spool_segment_header header = {
	.shard = 0, .shards = 1, .sequence = 3, .oldest = 1, .seed = UINT64_C(0x5eed5eed12345677), .first_batch = 1};
static struct spool_ref places[MESSAGES];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static void need(bool condition)
{
	if (!condition)
		abort();
}

/* Every batch: four messages, one of them with the part that is the fifth record. */
static uint32_t batch_make(uint32_t at, unsigned batch, uint64_t *previous)
{
	uint32_t used = SPOOL_BATCH_HEADER;
	for (unsigned i = 0; i < RECORDS; i++) {
		uint32_t place = at + used;
		uint8_t *out = image + place;
		bool part = i == 0, whole = i == 1;
		struct spool_record_header record = {
			.type = part ? SPOOL_PART : SPOOL_MESSAGE,
			.id = {batch + 1, i + 1},
			.envelope_length = part ? 0 : 20 + i,
			.content_length = 500 + 100 * i,
			.parts = whole,
			.place = i,
			.wall_ns = batch * 10 + i,
		};
		record.length = SPOOL_RECORD_HEADER + record.parts * SPOOL_PART_SIZE + record.envelope_length +
				record.content_length;
		for (uint32_t n = SPOOL_RECORD_HEADER; n < record.length; n++)
			out[n] = (uint8_t)(n * 7 + batch + i);
		places[batch * RECORDS + i] = (struct spool_ref){header.sequence, place, record.length};
		if (whole)
			spool_part_encode(out + SPOOL_RECORD_HEADER, &places[batch * RECORDS]);
		spool_record_encode(out, &record, header.seed, place);
		used += spool_align(record.length, 8);
	}
	struct spool_batch_header b = {
		.number = batch + 1,
		.length = spool_align(used, SPOOL_BLOCK),
		.records = RECORDS,
		.used = used,
		.previous = *previous,
		.durable = batch,
	};
	spool_batch_encode(image + at, &b, header.seed, at);
	*previous = b.hash;
	return at + b.length;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	uint64_t previous = 0;
	end_of_image = SPOOL_BLOCK;
	for (unsigned i = 0; i < BATCHES; i++)
		end_of_image = batch_make(end_of_image, i, &previous);
	need(end_of_image < IMAGE);
	return 0;
}

static void edit(const uint8_t *e)
{
	uint32_t a = (uint32_t)(e[1] | e[2] << 8 | (e[3] & 1) << 16) % IMAGE;
	uint32_t b = (uint32_t)(e[4] | e[5] << 8 | (e[3] & 2) << 15) % IMAGE;
	uint32_t length = (uint32_t)(e[6] | (e[7] & 0x3f) << 8) + 1;
	uint32_t most = IMAGE - (a > b ? a : b);
	length = length < most ? length : most;
	switch (e[0] % 4) {
	case 0:
		work[a] ^= (uint8_t)(e[4] | 1);
		break;
	case 1:
		memset(work + a, e[0] >> 2, length);
		break;
	case 2:
		memmove(work + a, work + b, length);
		break;
	default: /* whole blocks, as a disk confuses them */
		a &= ~(uint32_t)(SPOOL_BLOCK - 1);
		b &= ~(uint32_t)(SPOOL_BLOCK - 1);
		memmove(work + a, work + b, SPOOL_BLOCK);
		break;
	}
}

/* Whatever was found is exactly what was appended, at its place. */
static void entry_check(const struct spool_entry *entry)
{
	uint64_t batch = entry->id.high - 1, record = entry->id.low - 1;
	need(batch < BATCHES && record >= 1 && record < RECORDS);
	const struct spool_ref *place = &places[batch * RECORDS + record];
	need(entry->message.segment == place->segment && entry->message.offset == place->offset &&
	     entry->message.length == place->length);
	need(memcmp(work + place->offset, image + place->offset, place->length) == 0);
	need(entry->part_count == (record == 1));
	if (entry->part_count) {
		const struct spool_ref *part = &places[batch * RECORDS];
		need(entry->parts[0].offset == part->offset);
		need(memcmp(work + part->offset, image + part->offset, part->length) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spool_report report = {0};
	struct spool_scan scan;
	uint32_t end, found = 0;

	memcpy(work, image, IMAGE);
	size_t edits = size / 8 < 64 ? size / 8 : 64, rest = size - edits * 8;
	for (size_t i = 0; i < edits; i++)
		edit(data + i * 8);
	if (rest > IMAGE - end_of_image)
		rest = IMAGE - end_of_image;
	memcpy(work + end_of_image, data + edits * 8, rest);
	need(spool_scan_init(&scan, &report) == 0);
	spool_scan_run(&scan, header.first_batch);
	need(spool_scan_segment(&scan, work, IMAGE, &header, &end) == 0);
	need(end >= SPOOL_BLOCK && end <= IMAGE);
	spool_scan_finish(&scan);
	for (uint32_t i = 0; i < scan.table.count; i++) {
		if (!scan.table.entries[i].used)
			continue;
		entry_check(&scan.table.entries[i]);
		found++;
	}
	if (edits == 0)
		need(found == BATCHES * (RECORDS - 1));
	spool_scan_deinit(&scan);
	return 0;
}
