/*
 * queue/spool_recover.c - the normal start: find the segments, read them in order, tell what is live.
 *
 * 1. Every segment's header is read. Those without one are left-overs of a preparation and removed, unless something
 *    lies behind: then they are set aside. Segments older than the newest `oldest` are free.
 * 2. The rest is the log, by sequence number. Headers with a cut say where earlier segments end.
 * 3. Each segment is read whole, in large pieces, and walked (spool_scan.c).
 *    Those at the end in which nothing was found are free; the next header cuts off what they may hold.
 * 4. The live messages are sorted, their envelopes and states read a second time, and handed over.
 *
 * Nothing is changed on disk but names (damaged files) and files that never held a record; all of it can be
 * repeated. An unreadable sector is an error, not damage: the operator decides, because trying again may help.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/spool_private.h"
#include "queue/spool_scan.h"

enum {
	READ_PIECE = 4u << 20,
	WINDOW_AHEAD = 1u << 20,
	WINDOW_SCATTERED = 16u << 10,
};

/* A segment with a valid header. */
struct found {
	struct spool_segment *segment;
	struct spool_segment_header header;
};

struct recover {
	struct spool *spool;
	struct spool_report *report;
	struct spool_scan scan;
	struct found *found;
	size_t count, capacity;
	int error; /* of the listing */
	unsigned set_aside;
	uint32_t next_slot;
};

/* A piece of a segment kept in memory for the second reading. */
struct window {
	uint32_t segment, base, length;
	uint32_t ahead; /* octets to be read at once */
	uint8_t *memory;
	size_t size;
};

static void problem(struct spool_report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void problem(struct spool_report *report, const char *format, ...)
{
	size_t used = strlen(report->problem);
	if (used && used + 2 < sizeof report->problem) {
		memcpy(report->problem + used, "; ", 3);
		used += 2;
	}
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(report->problem + used, sizeof report->problem - used, format, arguments);
	va_end(arguments);
}

static int problem_read(struct recover *r, const struct spool_segment *segment, int error)
{
	char name[SEGMENT_NAME_SIZE];
	spool_name(name, segment);
	problem(r->report, "cannot read %s: %s; repair the disk, or move the file away and lose what it holds", name,
		strerror(-error));
	return error;
}

/* ---- slots ---- */

static int slot_add(struct recover *r, uint32_t slot, bool damaged)
{
	if (r->count == r->capacity) {
		size_t capacity = r->capacity * 2 + 64;
		struct found *grown = realloc(r->found, capacity * sizeof *grown);
		if (!grown)
			return -ENOMEM;
		r->found = grown;
		r->capacity = capacity;
	}
	struct spool_segment *segment = spool_segment_new();
	if (!segment)
		return -ENOMEM;
	segment->slot = slot;
	segment->damaged = damaged;
	r->found[r->count++] = (struct found){.segment = segment};
	return 0;
}

static void on_slot(void *context, uint32_t slot, enum segment_kind kind)
{
	struct recover *r = context;

	if (r->error < 0)
		return;
	if (slot >= r->next_slot)
		r->next_slot = slot + 1;
	r->report->damaged_files += kind == SEGMENT_DAMAGED;
	if (kind != SEGMENT_KEPT)
		r->error = slot_add(r, slot, kind == SEGMENT_DAMAGED);
}

static int slot_set_aside(struct recover *r, struct spool_segment *segment, enum segment_kind kind)
{
	char from[SEGMENT_NAME_SIZE], to[SEGMENT_NAME_SIZE];
	if (r->spool->settings.read_only)
		return 0;
	spool_name(from, segment);
	segment_name(to, segment->slot, kind);
	int result = segment_set_aside(r->spool->store, segment->slot, spool_kind(segment), kind);
	if (result < 0)
		problem(r->report, "cannot rename %s to %s: %s", from, to, strerror(-result));
	r->set_aside++;
	return result < 0 ? result : 0;
}

/* One whose header is no header. 0: dealt with. */
static int slot_without_header(struct recover *r, struct spool_segment *segment, const uint8_t *block, bool zero)
{
	char name[SEGMENT_NAME_SIZE];
	spool_name(name, segment);
	if (segment->damaged)
		return 0;
	if (zero && spool_zero(block + SPOOL_BLOCK, SPOOL_BLOCK)) {
		if (r->spool->settings.read_only)
			return 0;
		int result = segment_retire(r->spool->store, segment->slot, SEGMENT_LOG);
		return result < 0 ? result : 0;
	}
	problem(r->report, "%s has a damaged header and was set aside; its messages cannot be read", name);
	return slot_set_aside(r, segment, SEGMENT_DAMAGED);
}

/* Reads one slot's header. 1: it has one; 0: it has none and was dealt with. */
static int slot_inspect(struct recover *r, struct found *f, uint8_t *blocks)
{
	struct segment_store *store = r->spool->store;
	char name[SEGMENT_NAME_SIZE];
	spool_name(name, f->segment);
	int handle = segment_open(store, f->segment->slot, spool_kind(f->segment), false);
	if (handle < 0)
		return problem_read(r, f->segment, handle);
	memset(blocks, 0, 2 * SPOOL_BLOCK);
	int64_t got = segment_read_now(store, handle, blocks, 2 * SPOOL_BLOCK, 0);
	int64_t size = segment_size(store, handle);
	segment_close(store, handle);
	if (got < 0 || size < 0)
		return problem_read(r, f->segment, (int)(got < 0 ? got : size));
	int64_t most = UINT32_MAX & ~(SPOOL_BLOCK - 1);
	f->segment->size = (uint32_t)(size < most ? size : most);
	int result = spool_segment_decode(blocks, &f->header);
	if (result == -EPROTONOSUPPORT) {
		problem(r->report, "%s was written by a newer version of postrider; this version cannot read it", name);
		return result;
	}
	if (result < 0)
		return slot_without_header(r, f->segment, blocks, result == -ENOENT);
	f->segment->sequence = f->header.sequence;
	f->segment->said = f->header.oldest;
	f->segment->cut_from = f->header.cut_segment;
	f->segment->seed = f->header.seed;
	return 1;
}

static int found_compare(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	if (x->header.sequence != y->header.sequence)
		return x->header.sequence < y->header.sequence ? -1 : 1;
	return x->segment->slot < y->segment->slot ? -1 : x->segment->slot > y->segment->slot;
}

static int slots_inspect(struct recover *r)
{
	uint8_t *blocks;
	if (posix_memalign((void **)&blocks, SPOOL_BLOCK, 2 * SPOOL_BLOCK))
		return -ENOMEM;
	size_t kept = 0;
	int result = 0;
	for (size_t i = 0; i < r->count; i++) {
		/* After an error the rest is only kept for freeing. */
		if (result >= 0)
			result = slot_inspect(r, &r->found[i], blocks);
		if (result == 0)
			spool_segment_free(r->found[i].segment);
		else
			r->found[kept++] = r->found[i];
	}
	r->count = kept;
	free(blocks);
	return result < 0 ? result : 0;
}

/* Sorts the files into the log and the free ones. */
static int slots_place(struct recover *r)
{
	struct spool *spool = r->spool;
	size_t kept = 0;
	int result = 0;

	if (r->count)
		qsort(r->found, r->count, sizeof *r->found, found_compare);
	for (size_t i = 0; i < r->count; i++) {
		struct found *f = &r->found[i];
		if (f->header.oldest > spool->oldest_durable)
			spool->oldest_durable = f->header.oldest;
		if (f->header.sequence >= spool->next_sequence)
			spool->next_sequence = f->header.sequence + 1;
	}
	if (spool->next_sequence == 0) {
		problem(r->report, "the segment numbers are used up");
		return -EOVERFLOW;
	}
	for (size_t i = 0; i < r->count; i++) {
		struct found f = r->found[i];
		r->found[i].segment = NULL;
		if (result == 0)
			result = spool_segment_reserve(spool);
		if (result == 0 && kept && r->found[kept - 1].header.sequence == f.header.sequence) {
			char first[SEGMENT_NAME_SIZE], second[SEGMENT_NAME_SIZE];
			segment_name(first, r->found[kept - 1].segment->slot, SEGMENT_LOG);
			segment_name(second, f.segment->slot, SEGMENT_LOG);
			problem(r->report, "%s and %s are the same segment; the second was set aside", first, second);
			result = slot_set_aside(r, f.segment, SEGMENT_KEPT);
			spool_segment_free(f.segment);
		} else if (result < 0) {
			spool_segment_free(f.segment);
		} else if (f.header.sequence < spool->oldest_durable) {
			spool_segment_retire(spool, f.segment);
		} else {
			spool_log_append(spool, f.segment);
			r->found[kept++] = f;
		}
	}
	r->count = kept;
	return result;
}

static void cuts_place(struct recover *r)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct spool_segment_header *h = &r->found[i].header;
		for (size_t n = i; h->cut_segment && n-- > 0 && r->found[n].header.sequence >= h->cut_segment;) {
			struct spool_segment *segment = r->found[n].segment;
			uint32_t cut = segment->sequence == h->cut_segment ? h->cut_offset : SPOOL_BLOCK;
			if (cut < segment->cut)
				segment->cut = cut;
		}
	}
}

/* ---- reading ---- */

static int segment_load(struct recover *r, struct spool_segment *segment, uint8_t *memory, bool sync)
{
	struct segment_store *store = r->spool->store;
	int handle = spool_segment_handle(r->spool, segment);
	/* What the page cache shows of the last run might not be on the disk yet. */
	int result = handle < 0 ? handle : sync ? segment_sync_now(store, handle) : 0;
	uint64_t length = spool_align(segment->size, SPOOL_BLOCK);
	for (uint64_t at = 0; result >= 0 && at < length; at += READ_PIECE) {
		uint64_t piece = length - at < READ_PIECE ? length - at : READ_PIECE;
		int64_t got = segment_read_now(store, handle, memory + at, piece, at);
		if (got < 0)
			result = (int)got;
		else if ((uint64_t)got < piece)
			memset(memory + at + got, 0, piece - (uint64_t)got);
		r->report->read_octets += got > 0 ? (uint64_t)got : 0;
	}
	return result < 0 ? problem_read(r, segment, result) : 0;
}

/* The run that was going on when the process ended begins here. */
static size_t last_run(const struct recover *r)
{
	size_t first = 0;
	for (size_t i = 0; i < r->count; i++)
		if (r->found[i].header.first_batch)
			first = i;
	return first;
}

static int segments_scan(struct recover *r)
{
	uint32_t largest = 0;
	for (size_t i = 0; i < r->count; i++)
		if (r->found[i].segment->size > largest)
			largest = r->found[i].segment->size;
	uint8_t *memory;
	if (posix_memalign((void **)&memory, SPOOL_BLOCK, (size_t)spool_align(largest, SPOOL_BLOCK) + SPOOL_BLOCK))
		return -ENOMEM;

	size_t run = last_run(r);
	int result = 0;
	for (size_t i = 0; result == 0 && i < r->count; i++) {
		struct found *f = &r->found[i];
		struct spool_segment *segment = f->segment;
		result = segment_load(r, segment, memory, i >= run);
		if (result < 0)
			break;
		if (f->header.first_batch)
			spool_scan_run(&r->scan, f->header.first_batch);
		uint32_t length = segment->size < segment->cut ? segment->size : segment->cut;
		result = spool_scan_segment(&r->scan, memory, length, &f->header, &segment->end);
		r->report->segments++;
	}
	free(memory);
	spool_scan_finish(&r->scan);
	return result;
}

static void on_done(void *context, const struct spool_id *id, uint32_t sequence, uint32_t octets, bool silent)
{
	struct recover *r = context;
	struct spool_segment *segment = spool_segment_find(r->spool, sequence);
	uint32_t more[SPOOL_ENDS_MAX];
	unsigned count = spool_trail_get(&r->spool->trail, id, more, SPOOL_ENDS_MAX);

	segment->done_octets += octets;
	segment->done_in = UINT64_MAX; /* it may be anywhere */
	segment->silent |= silent;
	for (unsigned i = 0; i < count; i++)
		spool_pin(r->spool, more[i], sequence);
}

static void on_ends(void *context, uint32_t sequence, uint32_t message)
{
	struct recover *r = context;
	spool_pin(r->spool, message, sequence);
}

static void on_behind(void *context, const struct spool_id *id, uint32_t sequence)
{
	struct recover *r = context;
	spool_pin_behind(r->spool, id, sequence);
}

static void on_damaged(void *context, uint32_t sequence)
{
	struct recover *r = context;
	struct spool_segment *segment = spool_segment_find(r->spool, sequence);
	if (segment)
		segment->stuck = true; /* marked here, renamed by damaged_rename() */
}

/* Damaged files keep their octets for the operator, and their intact records in the log. */
static int damaged_rename(struct recover *r)
{
	for (size_t i = 0; i < r->count; i++) {
		struct spool_segment *segment = r->found[i].segment;
		bool fresh = segment->stuck && !segment->damaged;
		segment->stuck = false;
		if (!fresh)
			continue;
		int result = slot_set_aside(r, segment, SEGMENT_DAMAGED);
		if (result < 0)
			return result;
		segment->damaged = true;
	}
	if (r->report->damaged_batches || r->report->damaged_records)
		problem(r->report,
			"%llu batches and %llu records of acknowledged mail are damaged; their files are "
			"kept as "
			"*.damaged",
			(unsigned long long)r->report->damaged_batches, (unsigned long long)r->report->damaged_records);
	return r->set_aside ? segment_store_sync_now(r->spool->store) : 0;
}

/* ---- telling ---- */

/* Messages are told in the order they came. Where they lie in that order much is read at once, and where they do not,
 * as what compaction has copied, a few of them: else a large piece would be read for each. */
static uint32_t window_ahead(const struct window *w, const struct spool_ref *ref, uint32_t base)
{
	if (w->segment != ref->segment || base < w->base || base - w->base > w->length + w->ahead)
		return WINDOW_SCATTERED;
	return w->ahead < WINDOW_AHEAD ? 2 * w->ahead : WINDOW_AHEAD;
}

static int window_get(struct recover *r, struct window *w, const struct spool_ref *ref, const uint8_t **out)
{
	uint32_t base = ref->offset & ~(uint32_t)(SPOOL_BLOCK - 1);
	uint32_t end = spool_align(ref->offset + ref->length, SPOOL_BLOCK);
	if (w->segment == ref->segment && base >= w->base && end <= w->base + w->length) {
		*out = w->memory + (ref->offset - w->base);
		return 0;
	}
	struct spool_segment *segment = spool_segment_find(r->spool, ref->segment);
	w->ahead = window_ahead(w, ref, base);
	uint32_t wanted = end - base < w->ahead ? w->ahead : end - base;
	if (wanted > w->size) {
		free(w->memory);
		w->size = wanted < WINDOW_AHEAD ? WINDOW_AHEAD : wanted;
		if (posix_memalign((void **)&w->memory, SPOOL_BLOCK, w->size)) {
			w->memory = NULL;
			w->size = 0;
			return -ENOMEM;
		}
	}
	w->segment = 0;
	int handle = spool_segment_handle(r->spool, segment);
	int64_t got = handle < 0 ? handle : segment_read_now(r->spool->store, handle, w->memory, wanted, base);
	if (got < 0)
		return problem_read(r, segment, (int)got);
	r->report->read_octets += (uint64_t)got;
	if (base + (uint64_t)got < (uint64_t)ref->offset + ref->length)
		return problem_read(r, segment, -EIO);
	w->segment = ref->segment;
	w->base = base;
	w->length = (uint32_t)got & ~(uint32_t)(SPOOL_BLOCK - 1);
	*out = w->memory + (ref->offset - base);
	return 0;
}

static int tell_record(struct recover *r, struct window *w, const struct spool_ref *ref,
		       struct spool_record_header *header, const uint8_t **payload)
{
	const uint8_t *record = NULL;
	struct spool_segment *segment = spool_segment_find(r->spool, ref->segment);
	int result = window_get(r, w, ref, &record);
	if (result < 0)
		return result;
	if (spool_record_decode(record, ref->length, segment->seed, ref->offset, header) < 0 ||
	    !spool_record_payload_ok(record, header, segment->seed, ref->offset))
		return problem_read(r, segment, -EIO);
	*payload = record + SPOOL_RECORD_HEADER + header->parts * SPOOL_PART_SIZE;
	return 0;
}

static void live_add(struct spool *spool, const struct spool_ref *ref)
{
	struct spool_segment *segment = spool_segment_find(spool, ref->segment);
	assert(segment);
	spool_live_add(spool, segment, ref);
}

static void entry_count(struct spool *spool, const struct spool_entry *entry)
{
	live_add(spool, &entry->message);
	if (entry->state.segment)
		live_add(spool, &entry->state);
	for (uint16_t i = 0; i < entry->part_count; i++)
		live_add(spool, &entry->parts[i]);
	spool->live++;
}

static int entry_tell(struct recover *r, struct spool_entry *entry, struct window *messages, struct window *states,
		      void (*fn)(void *context, const struct spool_live *live), void *context)
{
	struct spool_record_header header;
	struct spool_live live = {
		.spool = r->spool,
		.item = {.id = entry->id,
			 .message = entry->message,
			 .state = entry->state,
			 .parts = entry->parts,
			 .trailed = spool_trail_get(&r->spool->trail, &entry->id, NULL, 0) > 0,
			 .part_count = entry->part_count},
		.wall_ns = entry->wall_ns,
		.content_length = entry->content_length,
	};
	int result = tell_record(r, messages, &entry->message, &header, &live.envelope);
	if (result < 0)
		return result;
	live.envelope_length = header.envelope_length;
	if (entry->state.segment) {
		result = tell_record(r, states, &entry->state, &header, &live.state);
		if (result < 0)
			return result;
		live.state_length = header.envelope_length;
		live.state_wall_ns = header.wall_ns;
	}
	entry_count(r->spool, entry);
	r->report->live++;
	entry->parts = NULL; /* handed over */
	fn(context, &live);
	return 0;
}

static int entry_compare(const void *a, const void *b)
{
	const struct spool_entry *x = *(struct spool_entry *const *)a, *y = *(struct spool_entry *const *)b;
	if (x->wall_ns != y->wall_ns)
		return x->wall_ns < y->wall_ns ? -1 : 1;
	return spool_id_compare(&x->id, &y->id);
}

static int live_tell(struct recover *r, void (*fn)(void *context, const struct spool_live *live), void *context)
{
	struct spool_table *table = &r->scan.table;
	struct window messages = {0}, states = {0};
	struct spool_entry **order = malloc((table->used + 1) * sizeof(struct spool_entry *));
	uint32_t count = 0;
	int result = 0;

	if (!order)
		return -ENOMEM;
	for (uint32_t i = 0; i < table->count; i++)
		if (table->entries[i].used)
			order[count++] = &table->entries[i];
	qsort(order, count, sizeof *order, entry_compare);
	for (uint32_t i = 0; result == 0 && i < count; i++)
		result = entry_tell(r, order[i], &messages, &states, fn, context);
	free(order);
	free(messages.memory);
	free(states.memory);
	return result;
}

/*
 * Prepared and never used, or torn from the beginning: on a full disk they are what the next run may have. Where one of
 * them records a cut, the next header says the same of the log that is left.
 */
static void log_trim(struct recover *r)
{
	struct spool *spool = r->spool;
	while (r->count > 0) {
		struct spool_segment *last = r->found[r->count - 1].segment;
		if (last->end != SPOOL_BLOCK || last->damaged)
			break;
		r->count--;
		spool->log_count--;
		spool->log_changed = true;
		last->blank = true;
		spool_segment_retire(spool, last);
	}
}

/* The next run begins behind everything that was found. */
static void log_end(struct recover *r)
{
	struct spool *spool = r->spool;
	spool->next_batch = r->scan.last + 1;
	spool->durable_batch = r->scan.last;
	spool->next_slot = r->next_slot;
	if (r->count == 0)
		return;
	const struct spool_segment *last = r->found[r->count - 1].segment;
	spool->cut_segment = last->sequence;
	spool->cut_offset = last->end;
}

int spool_open(struct spool **out, const struct spool_settings *settings,
	       void (*fn)(void *context, const struct spool_live *live), void *context, struct spool_report *report)
{
	struct recover r = {.report = report, .next_slot = 1};

	*report = (struct spool_report){0};
	*out = NULL;
	int result = spool_new(&r.spool, settings);
	if (result < 0)
		return result;
	result = spool_scan_init(&r.scan, report);
	if (result < 0) {
		spool_free(r.spool);
		return result;
	}
	r.scan.damaged = on_damaged;
	r.scan.done = on_done;
	r.scan.ends = on_ends;
	r.scan.behind = on_behind;
	r.scan.context = &r;
	result = segment_list(r.spool->store, on_slot, &r);
	if (result >= 0)
		result = r.error;
	if (result >= 0)
		result = slots_inspect(&r);
	if (result >= 0)
		result = slots_place(&r);
	if (result >= 0) {
		cuts_place(&r);
		result = segments_scan(&r);
	}
	if (result >= 0) {
		result = damaged_rename(&r);
	} else {
		/* In the log they belong to the spool; before that to us. */
		for (size_t i = 0; r.spool->log_count == 0 && i < r.count; i++)
			spool_segment_free(r.found[i].segment);
	}
	if (result >= 0) {
		log_trim(&r);
		log_end(&r);
		result = live_tell(&r, fn, context);
	}
	spool_scan_deinit(&r.scan);
	free(r.found);
	if (result < 0) {
		if (report->problem[0] == '\0')
			problem(report, "cannot read the spool: %s", strerror(-result));
		if (report->live)
			*out = r.spool;
		else
			spool_free(r.spool);
		return result;
	}
	if (r.spool->log_count && !settings->read_only)
		spool_reclaim(r.spool);
	*out = r.spool;
	return 0;
}
