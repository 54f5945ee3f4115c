/*
 * core/agents/webhook.h - events for others: posted in batches by HTTPS, in their order, until they are taken.
 *
 *     log writer --line_ring--> the thread --> journal on disk --> one POST at a time --> 2xx: done
 *                                                                          | anything else: again, later
 *
 * Each batch has an id, and the same one whenever the same events are sent again, after a crash as well; so a receiver
 * that keeps the last one has each event exactly once. What finds no room is counted, and said by the next batch and by
 * an event. The log never waits for any of this.
 */
#ifndef POSTRIDER_AGENTS_WEBHOOK_H
#define POSTRIDER_AGENTS_WEBHOOK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line_ring;
struct log;
struct webhook;

enum {
	WEBHOOK_KINDS_MAX = 64,
	WEBHOOK_BATCH_MAX = 1000,
	WEBHOOK_ID_SIZE = 80,
	WEBHOOK_BODY_MAX = 512 << 10,
	WEBHOOK_RING = 1 << 20
};

struct webhook_settings {
	const char *url;                 /* NULL: nothing is taken or posted; what waits stays */
	const char *secret_file, *relay; /* `relay`: its name */
	const char *ca_file;             /* NULL: the system's authorities */
	const char *const *kinds;        /* names of events; a star at the end stands for anything */
	size_t kind_count;
	unsigned batch;
	uint64_t delay_ns, size_max;
};

/* For who watches; any thread. */
struct webhook_counts {
	_Atomic(uint64_t) sent, failures, left_out; /* events, tries, events */
	_Atomic(uint64_t) waiting;
	_Atomic(uint64_t) oldest_wall_ns; /* when the first of those that wait happened; 0: none waits */
};

/* Where lines wait for the thread. */
struct webhook_memory {
	struct line_ring *ring; /* of WEBHOOK_RING octets, for as long as the process runs; NULL: it has its own */
	struct line_ring *const *before; /* what processes before have left in theirs is kept first; one may be NULL */
	unsigned before_count;
};

/* `directory`: of the journal; it is made. NULL: no memory, no thread, or the directory cannot be had, which was an
 * event. */
struct webhook *webhook_start(const char *directory, const struct webhook_settings *settings,
			      const struct webhook_memory *memory, struct log *log);
/* False: no memory, and nothing has changed. */
bool webhook_follow(struct webhook *webhook, const struct webhook_settings *settings);
/* What was taken is on disk then, and sent when it is started again. NULL is allowed. */
void webhook_stop(struct webhook *webhook);
/* Whole lines; of log_writer_tap(). */
void webhook_take(void *webhook, const char *lines, size_t length);
const struct webhook_counts *webhook_counts(const struct webhook *webhook);

#endif
