/*
 * queue/spool_scan.h - reading one segment's octets: batches, records, holes, and what they mean for the messages.
 *
 * Purpose
 *   The half of recovery that does no I/O: spool_recover.c brings each segment into memory, in log order, and this
 *   walks it. Everything that carries a right keyed hash counts, wherever the damage lies; what is missing or bad is
 *   noted and judged at the end of the run that wrote it.
 *
 * Torn or damaged
 *   A run is what one process wrote between a start (or a write error) and the next; its first segment's header says
 *   so. Batches of a run claim which earlier batch was durable. Bad or missing up to the highest claim: damage to
 *   acknowledged mail. Behind it: a write that nobody was told about.
 */
#ifndef POSTRIDER_QUEUE_SPOOL_SCAN_H
#define POSTRIDER_QUEUE_SPOOL_SCAN_H

#include "queue/spool_format.h"
#include "queue/spool_table.h"

/* Bad or missing batches, or bad records of one. */
struct spool_bad {
	uint64_t first, last; /* batch numbers */
	uint64_t records, octets;
	uint32_t segment; /* sequence, 0: none */
};

struct spool_scan {
	struct spool_table table;
	struct spool_report *report;
	uint64_t last;           /* number of the newest batch, 0: none seen */
	uint64_t claim;          /* highest durable number claimed in this run */
	uint32_t segment_before; /* sequence of the segment walked last, 0: none */
	struct spool_bad *bad;
	size_t bad_count, bad_capacity;
	/* Called for each segment with damage. */
	void (*damaged)(void *context, uint32_t segment);
	/* What must stay because of what (spool_pin.c). `silent`: a done record does not say what it ends. */
	void (*done)(void *context, const struct spool_id *id, uint32_t segment, uint32_t octets, bool silent);
	/* It ends a record in `message`. */
	void (*ends)(void *context, uint32_t segment, uint32_t message);
	/* The message has a record in `segment`, beside the newest and the one before it. */
	void (*behind)(void *context, const struct spool_id *id, uint32_t segment);
	void *context;
};

int spool_scan_init(struct spool_scan *scan, struct spool_report *report);
void spool_scan_deinit(struct spool_scan *scan);
/* A header with `first_batch` begins a run. It may be missing. */
void spool_scan_run(struct spool_scan *scan, uint64_t first_batch);
/*
 * Walks a segment from its second block. *end becomes the place behind the last octets that count.
 * 0 or -ENOMEM.
 */
int spool_scan_segment(struct spool_scan *scan, const uint8_t *data, uint32_t length,
		       const struct spool_segment_header *header, uint32_t *end);
/* Judges the last run, forgets messages with missing parts. */
void spool_scan_finish(struct spool_scan *scan);

#endif
