/*
 * core/control/scrape.h - what metrics are made of: what the shards said last, each as of when.
 *
 * Counters any thread may read at any time (core/shard/counts.h, those of receiver, store and deliverer); here is what
 * only shards can say (facts.h), and how much mail there is by destination, state and age, for which all of it has to
 * be walked (look.h). A shard has one question of each kind at a time, so that one that is stuck costs a scrape
 * SCRAPE_WAIT_MS, whoever asks how often, and keeps what it said before; the others' is new.
 *
 * Counting all mail is begun again SCRAPE_PAUSE times as long after its end as it took, so it never takes more than a
 * small part of the 10 % of a shard that visits may have: with few messages each scrape has a new count, with ten
 * million one that is minutes old, and says so.
 */
#ifndef POSTRIDER_CONTROL_SCRAPE_H
#define POSTRIDER_CONTROL_SCRAPE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/control/facts.h"
#include "core/control/look.h"

struct desk;

enum {
	SCRAPE_WAIT_MS = 250,  /* for facts, all shards together */
	SCRAPE_COUNT_MS = 250, /* for counts, beside */
	SCRAPE_FRESH_MS = 100, /* what is not older is good for another scrape as well */
	SCRAPE_PAUSE = 20,
};

struct scrape_shard {
	struct inquiry *facts_inquiry, *count_inquiry; /* NULL: nothing is asked */
	struct facts facts;
	uint64_t facts_ns;         /* when it was; 0: never */
	bool up;                   /* the last question was answered in time */
	struct look_count *counts; /* owned, as are its names */
	size_t count_count;
	uint64_t count_ns, count_began_ns, count_next_ns;
	uint64_t counts_of_ns; /* when those began that are here */
};

struct scrape {
	struct desk *desk;
	pthread_mutex_t lock;         /* whoever looks at shards[] has it */
	uint64_t facts_ns, counts_ns; /* when they were asked for last; 0: never */
	struct scrape_shard *shards;  /* owned */
	unsigned shard_count;
};

/* NULL without memory. */
struct scrape *scrape_new(struct desk *desk);
/* Nobody asks any more; what shards still have is swept with the desk's inquiries. */
void scrape_free(struct scrape *scrape);
/* Asks; what is there is the caller's to read until scrape_end(). `counts`: wants those, too. */
void scrape_begin(struct scrape *scrape, bool counts);
void scrape_end(struct scrape *scrape);

#endif
