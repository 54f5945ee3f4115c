/* queue/spool_scan.c - see spool_scan.h. */
#include "queue/spool_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The segment being walked. */
struct walk {
	struct spool_scan *scan;
	const uint8_t *data;
	uint32_t length;
	uint32_t sequence;
	uint64_t seed;
	uint64_t chain;    /* header hash of the batch that ends at chain_at */
	uint32_t chain_at; /* 0: unknown */
	bool gap;          /* the segment before is not there */
};

int spool_scan_init(struct spool_scan *scan, struct spool_report *report)
{
	*scan = (struct spool_scan){.report = report};
	return spool_table_init(&scan->table);
}

void spool_scan_deinit(struct spool_scan *scan)
{
	spool_table_deinit(&scan->table);
	free(scan->bad);
	scan->bad = NULL;
}

/* ---- judging ---- */

static int bad_add(struct spool_scan *scan, const struct spool_bad *bad)
{
	if (scan->bad_count == scan->bad_capacity) {
		size_t capacity = scan->bad_capacity * 2 + 16;
		struct spool_bad *grown = realloc(scan->bad, capacity * sizeof *grown);
		if (!grown)
			return -ENOMEM;
		scan->bad = grown;
		scan->bad_capacity = capacity;
	}
	scan->bad[scan->bad_count++] = *bad;
	return 0;
}

static void judge(struct spool_scan *scan)
{
	for (size_t i = 0; i < scan->bad_count; i++) {
		const struct spool_bad *bad = &scan->bad[i];
		if (bad->first > scan->claim) {
			scan->report->torn_octets += bad->octets;
			continue;
		}
		if (bad->records) {
			scan->report->damaged_records += bad->records;
		} else {
			uint64_t last = bad->last < scan->claim ? bad->last : scan->claim;
			scan->report->damaged_batches += last - bad->first + 1;
		}
		if (bad->segment && scan->damaged)
			scan->damaged(scan->context, bad->segment);
	}
	scan->bad_count = 0;
	scan->claim = 0;
}

void spool_scan_run(struct spool_scan *scan, uint64_t first_batch)
{
	judge(scan);
	/* The numbers between were given up by the cut. */
	if (first_batch > 1 && first_batch - 1 >= scan->last)
		scan->last = first_batch - 1;
}

/* ---- records ---- */

static bool parts_known(const struct spool_table *table, const uint8_t *parts, uint32_t count)
{
	struct spool_ref part;

	for (uint32_t i = 0; i < count; i++) {
		spool_part_decode(parts + i * SPOOL_PART_SIZE, &part);
		if (!spool_table_part_known(table, &part))
			return false;
	}
	return true;
}

static void behind(struct spool_scan *scan, const struct spool_id *id, uint32_t segment)
{
	if (scan->behind)
		scan->behind(scan->context, id, segment);
}

static int apply_message(struct walk *w, const struct spool_record_header *h, const uint8_t *record,
			 const struct spool_ref *ref)
{
	struct spool_entry *entry = spool_table_put(&w->scan->table, &h->id);
	if (!entry)
		return -ENOMEM;
	/*
	 * A copy whose own parts did not all arrive leaves the original in force, which is not reclaimed before
	 * the copy is durable as a whole.
	 */
	if (entry->message.segment && !parts_known(&w->scan->table, record + SPOOL_RECORD_HEADER, h->parts)) {
		behind(w->scan, &h->id, w->sequence);
		return 0;
	}
	struct spool_ref *parts = NULL;
	if (h->parts) {
		parts = malloc(h->parts * sizeof *parts);
		if (!parts)
			return -ENOMEM;
		for (uint32_t i = 0; i < h->parts; i++)
			spool_part_decode(record + SPOOL_RECORD_HEADER + i * SPOOL_PART_SIZE, &parts[i]);
	}
	if (entry->message.segment && entry->message.segment != w->sequence)
		behind(w->scan, &h->id, entry->message.segment);
	free(entry->parts);
	entry->parts = parts;
	entry->part_count = (uint16_t)h->parts;
	entry->message = *ref;
	entry->wall_ns = h->wall_ns;
	entry->content_length = h->content_length;
	return 0;
}

static void ends(struct spool_scan *scan, uint32_t segment, uint32_t message)
{
	if (message && scan->ends)
		scan->ends(scan->context, segment, message);
}

/* What it ends must not be found without it. */
static void apply_done(struct walk *w, const struct spool_record_header *h, const uint8_t *record)
{
	struct spool_scan *scan = w->scan;
	struct spool_entry *entry = spool_table_find(&scan->table, &h->id);
	uint32_t named[SPOOL_ENDS_MAX];
	int count =
		spool_ends_decode(record + SPOOL_RECORD_HEADER + h->parts * SPOOL_PART_SIZE, h->envelope_length, named);

	if (scan->done)
		scan->done(scan->context, &h->id, w->sequence, spool_align(h->length, SPOOL_RECORD_ALIGN), count < 0);
	for (int i = 0; i < count; i++)
		ends(scan, w->sequence, named[i]);
	if (!entry)
		return;
	ends(scan, w->sequence, entry->message.segment);
	spool_table_remove(&scan->table, entry);
}

static int apply(struct walk *w, const struct spool_record_header *h, uint32_t at)
{
	struct spool_ref ref = {w->sequence, at, h->length};
	struct spool_entry *entry;

	w->scan->report->records++;
	switch (h->type) {
	case SPOOL_MESSAGE:
		return apply_message(w, h, w->data + at, &ref);
	case SPOOL_PART:
		return spool_table_part_add(&w->scan->table, w->sequence, at);
	case SPOOL_STATE:
		entry = spool_table_put(&w->scan->table, &h->id);
		if (!entry)
			return -ENOMEM;
		entry->state = ref;
		return 0;
	case SPOOL_DONE:
		apply_done(w, h, w->data + at);
		return 0;
	}
	return 0;
}

/* The next record header from `at` on, before `end`; `end` if there is none. */
static uint32_t record_seek(const struct walk *w, uint32_t at, uint32_t end, struct spool_record_header *h)
{
	for (; at + SPOOL_RECORD_HEADER <= end; at += SPOOL_RECORD_ALIGN)
		if (w->data[at] && spool_record_decode(w->data + at, end - at, w->seed, at, h) == 0)
			return at;
	return end;
}

/*
 * Applies every intact record in [at, end). With `records` known from the batch header *bad counts those missing
 * or broken, else only the broken. *last becomes the end of the last record that counts.
 */
static int records_walk(struct walk *w, uint32_t at, uint32_t end, uint32_t records, uint64_t *bad, uint32_t *last)
{
	uint32_t seen = 0;

	*bad = 0;
	for (;;) {
		struct spool_record_header h;
		at = record_seek(w, at, end, &h);
		if (at >= end)
			break;
		if (spool_record_payload_ok(w->data + at, &h, w->seed, at)) {
			int result = apply(w, &h, at);
			if (result < 0)
				return result;
			seen++;
			*last = at + h.length;
		} else if (records == 0) {
			++*bad;
		}
		at += spool_align(h.length, SPOOL_RECORD_ALIGN);
	}
	if (records > seen)
		*bad = records - seen;
	return 0;
}

/* ---- batches ---- */

static bool batch_here(const struct walk *w, uint32_t at, struct spool_batch_header *h)
{
	if (spool_batch_decode(w->data + at, w->length - at, w->seed, at, h) < 0 || h->number <= w->scan->last)
		return false;
	return w->chain_at != at || h->previous == w->chain;
}

/*
 * Notes the numbers missing before batch `number`, whose octets may be [from, at); in front of a segment's first batch,
 * they were at the end of the segment before.
 */
static int hole(struct walk *w, uint64_t number, uint32_t from, uint32_t at)
{
	struct spool_scan *scan = w->scan;
	bool known = scan->last > 0;
	/*
	 * Without a batch before, numbers tell nothing, but octets that were skipped do. The same where segments
	 * between have left the log.
	 */
	if (w->gap && from == SPOOL_BLOCK)
		known = false;
	if (known ? number == scan->last + 1 : from == at)
		return 0;
	if (!known && number < 2)
		return 0;
	struct spool_bad bad = {
		.first = known ? scan->last + 1 : number - 1,
		.last = number - 1,
		.octets = at - from,
		.segment = at > from             ? w->sequence
			   : from == SPOOL_BLOCK ? scan->segment_before
						 : 0,
	};
	return bad_add(scan, &bad);
}

static int batch_walk(struct walk *w, uint32_t at, const struct spool_batch_header *h, uint32_t *end)
{
	struct spool_scan *scan = w->scan;
	uint64_t bad;
	uint32_t room = w->length - at, used = h->used < room ? h->used : room;

	scan->report->batches++;
	scan->last = h->number;
	if (scan->claim < h->durable)
		scan->claim = h->durable;
	w->chain = h->hash;
	int result = records_walk(w, at + SPOOL_BATCH_HEADER, at + used, h->records, &bad, end);
	if (result < 0)
		return result;
	*end = w->chain_at = at + (h->length < room ? h->length : room);
	if (bad == 0)
		return 0;
	struct spool_bad event = {
		.first = h->number, .last = h->number, .records = bad, .octets = h->length, .segment = w->sequence};
	return bad_add(scan, &event);
}

/* The next batch header from `at` on; the end of the data if there is none. */
static uint32_t batch_seek(const struct walk *w, uint32_t at, struct spool_batch_header *h)
{
	for (; w->length - at >= SPOOL_BLOCK; at += SPOOL_BLOCK)
		if (batch_here(w, at, h))
			return at;
	return w->length;
}

int spool_scan_segment(struct spool_scan *scan, const uint8_t *data, uint32_t length,
		       const struct spool_segment_header *header, uint32_t *end)
{
	struct walk w = {
		.scan = scan, .data = data, .length = length, .sequence = header->sequence, .seed = header->seed};
	uint32_t at = SPOOL_BLOCK;

	w.gap = scan->segment_before && header->sequence != scan->segment_before + 1;
	/* Another run may have begun in between: what it claims is not about this one's batches. */
	if (w.gap && !header->first_batch)
		judge(scan);
	*end = SPOOL_BLOCK;
	while (at < length) {
		struct spool_batch_header h;
		uint32_t next = batch_seek(&w, at, &h);
		/* Between two good batches, or behind the last, intact records still count: their hashes are keyed. */
		uint64_t bad;
		int result = 0;
		if (next > at)
			result = records_walk(&w, at, next, 0, &bad, end);
		if (result == 0 && next < length)
			result = hole(&w, h.number, at, next);
		if (result == 0 && next < length)
			result = batch_walk(&w, next, &h, end);
		if (result < 0)
			return result;
		at = next < length ? *end : length;
	}
	*end = spool_align(*end, SPOOL_BLOCK);
	scan->segment_before = header->sequence;
	return 0;
}

void spool_scan_finish(struct spool_scan *scan)
{
	struct spool_table *table = &scan->table;

	judge(scan);
	for (uint32_t i = 0; i < table->count; i++) {
		struct spool_entry *entry = &table->entries[i];
		if (!entry->used)
			continue;
		bool whole = entry->message.segment != 0;
		for (uint16_t n = 0; whole && n < entry->part_count; n++) {
			whole = spool_table_part_known(table, &entry->parts[n]);
			entry->content_length += entry->parts[n].length - SPOOL_RECORD_HEADER;
		}
		if (!whole)
			spool_table_remove(table, entry);
	}
}
