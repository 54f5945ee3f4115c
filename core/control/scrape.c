/*
 * core/control/scrape.c - see scrape.h.
 */
#include "core/control/scrape.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/control/desk.h"
#include "core/relay/relay.h"

enum { COUNT_MOST_S = 3600 };

struct scrape *scrape_new(struct desk *desk)
{
	struct scrape *scrape = calloc(1, sizeof(*scrape));

	if (!scrape)
		return NULL;
	scrape->desk = desk;
	scrape->shard_count = desk->relay->shard_count;
	scrape->shards = calloc(scrape->shard_count, sizeof(*scrape->shards));
	if (!scrape->shards) {
		free(scrape);
		return NULL;
	}
	pthread_mutex_init(&scrape->lock, NULL);
	return scrape;
}

static void free_counts(struct scrape_shard *s)
{
	for (size_t i = 0; i < s->count_count; i++)
		free(s->counts[i].name);
	free(s->counts);
	s->counts = NULL;
	s->count_count = 0;
}

void scrape_free(struct scrape *scrape)
{
	if (!scrape)
		return;
	for (unsigned i = 0; i < scrape->shard_count; i++) {
		struct scrape_shard *s = &scrape->shards[i];
		if (s->facts_inquiry)
			inquiry_end(s->facts_inquiry);
		if (s->count_inquiry)
			inquiry_end(s->count_inquiry);
		facts_free(&s->facts);
		free_counts(s);
	}
	pthread_mutex_destroy(&scrape->lock);
	free(scrape->shards);
	free(scrape);
}

/* ---- facts ------------------------------------------------------------------------------------------------------ */

static void take_facts(struct scrape_shard *s, unsigned shard)
{
	struct inquiry_part *part = inquiry_part(s->facts_inquiry, shard);
	struct facts_part *answer = part ? container_of(part, struct facts_part, part) : NULL;

	if (!answer)
		return;
	if (answer->whole) {
		facts_free(&s->facts);
		s->facts = answer->facts;
		memset(&answer->facts, 0, sizeof(answer->facts));
		s->facts_ns = clock_monotonic_ns();
		s->up = true;
	}
	inquiry_end(s->facts_inquiry);
	s->facts_inquiry = NULL;
}

static uint64_t left_of(uint64_t end_ns)
{
	uint64_t now_ns = clock_monotonic_ns();

	return now_ns < end_ns ? end_ns - now_ns : 0;
}

static void ask_facts(struct scrape *scrape)
{
	uint64_t end_ns = clock_monotonic_ns() + SCRAPE_WAIT_MS * CLOCK_NS_PER_MS;

	for (unsigned i = 0; i < scrape->shard_count; i++) {
		struct scrape_shard *s = &scrape->shards[i];
		/* What was asked before may have come late. */
		if (s->facts_inquiry)
			take_facts(s, i);
		s->up = false;
		if (s->facts_inquiry)
			continue;
		s->facts_inquiry = inquiry_new(scrape->desk, &facts_kind, NULL);
		if (s->facts_inquiry)
			inquiry_ask(s->facts_inquiry, i);
	}
	for (unsigned i = 0; i < scrape->shard_count; i++) {
		struct scrape_shard *s = &scrape->shards[i];
		if (!s->facts_inquiry)
			continue;
		(void)inquiry_wait(s->facts_inquiry, left_of(end_ns));
		take_facts(s, i);
	}
}

/* ---- counts ----------------------------------------------------------------------------------------------------- */

static void take_counts(struct scrape_shard *s, unsigned shard)
{
	struct inquiry_part *part = inquiry_part(s->count_inquiry, shard);
	struct look *look = part ? container_of(part, struct look, part) : NULL;
	uint64_t now_ns = clock_monotonic_ns();

	if (!look)
		return;
	/* Better what was counted before than a part of it. */
	if (!look->cut && look->counts) {
		free_counts(s);
		s->counts = look->counts;
		s->count_count = look->count_count;
		s->count_ns = now_ns;
		s->counts_of_ns = s->count_began_ns;
		look->counts = NULL;
		look->count_count = 0;
	}
	s->count_next_ns = now_ns + SCRAPE_PAUSE * (now_ns - s->count_began_ns);
	inquiry_end(s->count_inquiry);
	s->count_inquiry = NULL;
}

static void ask_count(struct scrape *scrape, unsigned shard)
{
	struct scrape_shard *s = &scrape->shards[shard];
	struct look_question *q = calloc(1, sizeof(*q));

	if (!q)
		return;
	q->want = LOOK_COUNT;
	s->count_began_ns = clock_monotonic_ns();
	q->until_ns = s->count_began_ns + COUNT_MOST_S * CLOCK_NS_PER_S;
	s->count_inquiry = inquiry_new(scrape->desk, &look_kind, q);
	if (s->count_inquiry)
		inquiry_ask(s->count_inquiry, shard);
	else
		free(q);
}

static void ask_counts(struct scrape *scrape)
{
	uint64_t now_ns = clock_monotonic_ns(), end_ns = now_ns + SCRAPE_COUNT_MS * CLOCK_NS_PER_MS;

	for (unsigned i = 0; i < scrape->shard_count; i++) {
		struct scrape_shard *s = &scrape->shards[i];
		if (!s->count_inquiry && s->up && now_ns >= s->count_next_ns)
			ask_count(scrape, i);
	}
	for (unsigned i = 0; i < scrape->shard_count; i++) {
		struct scrape_shard *s = &scrape->shards[i];
		if (!s->count_inquiry)
			continue;
		/* One that does not answer at all does not answer this. */
		(void)inquiry_wait(s->count_inquiry, s->up ? left_of(end_ns) : 0);
		take_counts(s, i);
	}
}

/* ---- for who reads ---------------------------------------------------------------------------------------------- */

static bool is_fresh(uint64_t asked_ns)
{
	return asked_ns && clock_monotonic_ns() - asked_ns < SCRAPE_FRESH_MS * CLOCK_NS_PER_MS;
}

void scrape_begin(struct scrape *scrape, bool counts)
{
	pthread_mutex_lock(&scrape->lock);
	/* Each by itself: whoever asks for facts alone, and need not have signed in, costs shards no more the more
	 * often he asks, and does not wait behind others where one of them hangs. */
	if (!is_fresh(scrape->facts_ns)) {
		ask_facts(scrape);
		scrape->facts_ns = clock_monotonic_ns();
	}
	if (counts && !is_fresh(scrape->counts_ns)) {
		ask_counts(scrape);
		scrape->counts_ns = clock_monotonic_ns();
	}
}

void scrape_end(struct scrape *scrape)
{
	pthread_mutex_unlock(&scrape->lock);
}
