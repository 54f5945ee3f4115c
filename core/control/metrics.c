/*
 * core/control/metrics.c - see metrics.h.
 */
#include "core/control/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/agents/webhook.h"
#include "core/base/clock.h"
#include "core/control/desk.h"
#include "core/control/families.h"
#include "core/control/incident_watch.h"
#include "core/control/scrape.h"
#include "core/deliver/counts.h"
#include "core/deliver/deliverer.h"
#include "core/receive/counts.h"
#include "core/receive/receiver.h"
#include "core/relay/relay.h"
#include "core/shard/shard.h"
#include "core/store/store.h"

#define LABELS(...) ((const struct metric_label[]){__VA_ARGS__, {NULL, NULL}})
enum { SHARD_NAME = 12 };

struct writer {
	struct exposition e;
	struct scrape *scrape;
	const struct relay *relay;
	uint64_t now_ns, wall_ns;
};

static void begin(struct writer *w, enum family family)
{
	exposition_family(&w->e, &families[family]);
}

static void number(struct writer *w, enum family family, const struct metric_label *labels, uint64_t value)
{
	exposition_number(&w->e, &families[family], "", labels, value);
}

static void seconds(struct writer *w, enum family family, const struct metric_label *labels, int64_t us)
{
	exposition_seconds(&w->e, &families[family], "", labels, us);
}

static void only(struct writer *w, enum family family, uint64_t value)
{
	begin(w, family);
	number(w, family, NULL, value);
}

static const char *shard_name(unsigned shard, char out[SHARD_NAME])
{
	snprintf(out, SHARD_NAME, "%u", shard);
	return out;
}

/* ---- the process ------------------------------------------------------------------------------------------------ */

static uint64_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (file) {
		if (fscanf(file, "%*u %lu", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void write_usage(struct writer *w)
{
	struct rusage usage = {0};

	(void)getrusage(RUSAGE_SELF, &usage);
	begin(w, FAMILY_CPU);
	seconds(w, FAMILY_CPU, NULL,
		(int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
			usage.ru_stime.tv_usec);
	only(w, FAMILY_MEMORY, resident_bytes());
}

static void write_shards(struct writer *w)
{
	char name[SHARD_NAME];

	begin(w, FAMILY_SHARD_UP);
	for (unsigned i = 0; i < w->scrape->shard_count; i++)
		number(w, FAMILY_SHARD_UP, LABELS({"shard", shard_name(i, name)}), w->scrape->shards[i].up);
	only(w, FAMILY_SHARDS_STUCK, atomic_load_explicit(&w->relay->stuck, memory_order_relaxed));
	begin(w, FAMILY_STALE);
	for (unsigned i = 0; i < w->scrape->shard_count; i++) {
		uint64_t then_ns = w->scrape->shards[i].facts_ns;
		if (then_ns)
			seconds(w, FAMILY_STALE, LABELS({"shard", shard_name(i, name)}),
				(int64_t)((w->now_ns - then_ns) / 1000));
	}
}

static void write_process(struct writer *w)
{
	begin(w, FAMILY_BUILD);
	number(w, FAMILY_BUILD, LABELS({"version", POSTRIDER_VERSION}), 1);
	begin(w, FAMILY_START_TIME);
	seconds(w, FAMILY_START_TIME, NULL, (int64_t)(w->relay->shards[0]->started_wall_ns / 1000));
	only(w, FAMILY_READY, metrics_not_ready(w->scrape) == NULL);
	write_shards(w);
	write_usage(w);
}

/* ---- counts by name --------------------------------------------------------------------------------------------- */

static uint64_t sum_of(const struct counts *counts, const struct counted *one, size_t offset)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < counts->shards; i++)
		sum += counter_get((const counter *)(const void *)((uint8_t *)counted_block(one, i) + offset));
	return sum;
}

static void by_name(struct writer *w, enum family family, const struct counts *counts, const char *label, size_t offset)
{
	const struct counted *one = NULL;

	begin(w, family);
	while ((one = counts_next(counts, one)))
		number(w, family, LABELS({label, one->name}), sum_of(counts, one, offset));
}

static void write_receive(struct writer *w)
{
	static const struct {
		enum family family;
		size_t offset;
	} rows[] = {
		{FAMILY_SESSIONS_OPENED, offsetof(struct listener_counts, sessions)},
		{FAMILY_SESSIONS_REFUSED, offsetof(struct listener_counts, sessions_refused)},
		{FAMILY_TLS_SESSIONS, offsetof(struct listener_counts, tls)},
		{FAMILY_MESSAGES_ACCEPTED, offsetof(struct listener_counts, messages)},
		{FAMILY_RECIPIENTS_ACCEPTED, offsetof(struct listener_counts, recipients)},
		{FAMILY_ACCEPTED_BYTES, offsetof(struct listener_counts, octets)},
		{FAMILY_REFUSALS, offsetof(struct listener_counts, refused)},
		{FAMILY_AUTH_SUCCESSES, offsetof(struct listener_counts, signed_in)},
		{FAMILY_AUTH_FAILURES, offsetof(struct listener_counts, sign_ins_refused)},
	};

	only(w, FAMILY_SESSIONS, atomic_load_explicit(&w->relay->receivers.connections, memory_order_relaxed));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		by_name(w, rows[i].family, &w->relay->receivers.counts, "listener", rows[i].offset);
}

/* One counter's family, told apart by another label. */
struct split {
	const char *value;
	size_t offset;
};

static void by_name_split(struct writer *w, enum family family, const char *label, const struct split *split, size_t n)
{
	const struct counts *counts = &w->relay->deliverers.counts;
	const struct counted *one = NULL;

	begin(w, family);
	while ((one = counts_next(counts, one))) {
		for (size_t i = 0; i < n; i++)
			number(w, family, LABELS({"destination", one->name}, {label, split[i].value}),
			       sum_of(counts, one, split[i].offset));
	}
}

static void histogram(struct writer *w, const struct counted *one, const struct split *stage)
{
	const struct counts *counts = &w->relay->deliverers.counts;
	uint64_t sums[HISTOGRAM_BOUNDS + 1];
	struct metric_buckets buckets = {histogram_bounds_us, sums, HISTOGRAM_BOUNDS, 0};

	for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
		sums[i] = sum_of(counts, one, stage->offset + offsetof(struct histogram, counts) + i * sizeof(counter));
	buckets.sum_us = sum_of(counts, one, stage->offset + offsetof(struct histogram, sum_us));
	exposition_buckets(&w->e, &families[FAMILY_DELIVERY],
			   LABELS({"destination", one->name}, {"stage", stage->value}), &buckets);
}

static void write_times(struct writer *w)
{
	static const struct split stages[] = {
		{"all", offsetof(struct destination_counts, all)},
		{"queue", offsetof(struct destination_counts, queue)},
		{"setup", offsetof(struct destination_counts, setup)},
		{"transfer", offsetof(struct destination_counts, transfer)},
	};
	const struct counted *one = NULL;

	begin(w, FAMILY_DELIVERY);
	while ((one = counts_next(&w->relay->deliverers.counts, one))) {
		for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
			histogram(w, one, &stages[i]);
	}
}

static uint64_t duplicates(const struct relay *relay)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < relay->shard_count; i++)
		sum += counter_get(&relay->shards[i]->store->counters.maybe_duplicates);
	return sum;
}

static void write_deliver(struct writer *w)
{
	static const struct split results[] = {
		{"delivered", offsetof(struct destination_counts, delivered)},
		{"deferred", offsetof(struct destination_counts, deferred)},
		{"failed", offsetof(struct destination_counts, failed)},
	};
	const struct counts *counts = &w->relay->deliverers.counts;

	by_name_split(w, FAMILY_DELIVERIES, "result", results, sizeof(results) / sizeof(results[0]));
	by_name(w, FAMILY_ATTEMPTS, counts, "destination", offsetof(struct destination_counts, attempts));
	by_name(w, FAMILY_DELIVERED_BYTES, counts, "destination", offsetof(struct destination_counts, octets));
	write_times(w);
	only(w, FAMILY_DUPLICATES, duplicates(w->relay));
}

/* ---- destinations now ------------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct facts_destination *)a)->name, ((const struct facts_destination *)b)->name);
}

/* Of all shards by name; the caller's to free, the names are not. */
static struct facts_destination *sum_destinations(const struct scrape *scrape, size_t *count)
{
	struct facts_destination *all;
	size_t room = 0, n = 0, sums = 0;

	for (unsigned i = 0; i < scrape->shard_count; i++)
		room += scrape->shards[i].facts.destination_count;
	all = malloc((room + 1) * sizeof(*all));
	*count = 0;
	for (unsigned i = 0; all && i < scrape->shard_count; i++) {
		const struct facts *facts = &scrape->shards[i].facts;
		for (size_t d = 0; d < facts->destination_count; d++) {
			if (facts->destinations[d].name)
				all[n++] = facts->destinations[d];
		}
	}
	if (!all || n == 0)
		return all;
	qsort(all, n, sizeof(*all), compare_names);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(all[sums].name, all[i].name) != 0) {
			all[++sums] = all[i];
			continue;
		}
		facts_add(&all[sums], &all[i]);
	}
	*count = sums + 1;
	return all;
}

static void two(struct writer *w, enum family family, const char *name, const char *first, uint64_t one,
		const char *second, uint64_t other)
{
	number(w, family, LABELS({"destination", name}, {"state", first}), one);
	number(w, family, LABELS({"destination", name}, {"state", second}), other);
}

static void write_connections(struct writer *w, const struct facts_destination *all, size_t count)
{
	static const struct split resumed[] = {
		{"no", offsetof(struct destination_counts, handshakes)},
		{"yes", offsetof(struct destination_counts, resumed)},
	};
	const struct counts *counts = &w->relay->deliverers.counts;

	begin(w, FAMILY_CONNECTIONS);
	for (size_t i = 0; i < count; i++)
		two(w, FAMILY_CONNECTIONS, all[i].name, "open", all[i].connections, "connecting", all[i].connecting);
	by_name(w, FAMILY_CONNECTIONS_OPENED, counts, "destination", offsetof(struct destination_counts, connections));
	by_name(w, FAMILY_CONNECTION_FAILURES, counts, "destination",
		offsetof(struct destination_counts, connect_failures));
	by_name_split(w, FAMILY_TLS_HANDSHAKES, "resumed", resumed, 2);
}

static void write_lanes(struct writer *w)
{
	size_t count, i;
	struct facts_destination *all = sum_destinations(w->scrape, &count);

	w->e.failed |= !all;
	write_connections(w, all, count);
	begin(w, FAMILY_DESTINATION_UP);
	for (i = 0; i < count; i++)
		number(w, FAMILY_DESTINATION_UP, LABELS({"destination", all[i].name}),
		       all[i].lanes_down == 0 || all[i].lanes_down < all[i].lanes);
	begin(w, FAMILY_DESTINATION_SUSPENDED);
	for (i = 0; i < count; i++)
		number(w, FAMILY_DESTINATION_SUSPENDED, LABELS({"destination", all[i].name}), all[i].suspended);
	begin(w, FAMILY_DESTINATION_WAITING);
	for (i = 0; i < count; i++)
		two(w, FAMILY_DESTINATION_WAITING, all[i].name, "ready", all[i].ready, "deferred", all[i].deferred);
	free(all);
}

static void write_mailboxes(struct writer *w)
{
	static const enum family rows[] = {FAMILY_MAILBOX_USABLE, FAMILY_MAILBOX_CONNECTIONS, FAMILY_BUDGET,
					   FAMILY_BUDGET_REMAINING};
	const struct facts *facts = &w->scrape->shards[0].facts;

	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		begin(w, rows[row]);
		for (size_t i = 0; i < facts->mailbox_count; i++) {
			const struct facts_mailbox *one = &facts->mailboxes[i];
			bool mailbox = one->user[0] != '\0', there = one->budget > 0;
			uint64_t value = one->budget;
			if (rows[row] == FAMILY_MAILBOX_USABLE || rows[row] == FAMILY_MAILBOX_CONNECTIONS) {
				there = mailbox;
				value = rows[row] == FAMILY_MAILBOX_USABLE ? one->usable : one->connections;
			} else if (rows[row] == FAMILY_BUDGET_REMAINING) {
				there = there && one->left != UINT64_MAX;
				value = one->left;
			}
			if (there)
				number(w, rows[row], LABELS({"destination", one->destination}, {"mailbox", one->user}),
				       value);
		}
	}
}

/* ---- the queue -------------------------------------------------------------------------------------------------- */

static const char *const stands[STANDS] = {
	[STAND_READY] = "ready", [STAND_DEFERRED] = "deferred", [STAND_ACTIVE] = "active",
	[STAND_HELD] = "held",   [STAND_KEPT] = "kept",         [STAND_FAILED] = "failed",
};

/* By name; "": of none. */
struct queue_sum {
	const char *name;
	struct look_count count;
};

static int compare_sums(const void *a, const void *b)
{
	return strcmp(((const struct queue_sum *)a)->name, ((const struct queue_sum *)b)->name);
}

static void add_count(struct look_count *sum, const struct look_count *one)
{
	sum->messages += one->messages;
	sum->octets += one->octets;
	sum->age_sum_s += one->age_sum_s;
	for (unsigned i = 0; i < LOOK_AGES; i++)
		sum->ages[i] += one->ages[i];
	for (unsigned i = 0; i < STANDS; i++)
		sum->stands[i] += one->stands[i];
	if (one->oldest_wall_ns && (!sum->oldest_wall_ns || one->oldest_wall_ns < sum->oldest_wall_ns))
		sum->oldest_wall_ns = one->oldest_wall_ns;
}

/* Destinations that there are, also those without mail, so that none vanishes when its queue is empty; and all with
 * mail. */
static struct queue_sum *sum_queue(const struct writer *w, size_t *count)
{
	const struct counted *one = NULL;
	struct queue_sum *all;
	size_t room = 1, n = 0, sums = 0;

	while ((one = counts_next(&w->relay->deliverers.counts, one)))
		room++;
	for (unsigned i = 0; i < w->scrape->shard_count; i++)
		room += w->scrape->shards[i].count_count;
	*count = 0;
	all = calloc(room, sizeof(*all));
	if (!all)
		return NULL;
	all[n++].name = "";
	while (n < room && (one = counts_next(&w->relay->deliverers.counts, one)))
		all[n++].name = one->name;
	for (unsigned i = 0; i < w->scrape->shard_count; i++) {
		const struct scrape_shard *s = &w->scrape->shards[i];
		for (size_t d = 0; n < room && d < s->count_count; d++) {
			if (s->counts[d].messages > 0)
				all[n++] = (struct queue_sum){s->counts[d].name ? s->counts[d].name : "", s->counts[d]};
		}
	}
	qsort(all, n, sizeof(*all), compare_sums);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(all[sums].name, all[i].name) == 0)
			add_count(&all[sums].count, &all[i].count);
		else
			all[++sums] = all[i];
	}
	*count = sums + 1;
	return all;
}

static void write_ages(struct writer *w, const struct queue_sum *all, size_t count)
{
	uint64_t bounds_us[LOOK_AGES - 1];

	for (unsigned i = 0; i < LOOK_AGES - 1; i++)
		bounds_us[i] = look_ages_s[i] * UINT64_C(1000000);
	begin(w, FAMILY_QUEUE_AGE);
	for (size_t i = 0; i < count; i++) {
		const struct metric_buckets buckets = {bounds_us, all[i].count.ages, LOOK_AGES - 1,
						       all[i].count.age_sum_s * 1000000};
		exposition_buckets(&w->e, &families[FAMILY_QUEUE_AGE], LABELS({"destination", all[i].name}), &buckets);
	}
}

static void write_counts(struct writer *w)
{
	size_t count, i;
	struct queue_sum *all = sum_queue(w, &count);

	w->e.failed |= !all;
	begin(w, FAMILY_QUEUE_MESSAGES);
	for (i = 0; i < count; i++) {
		for (unsigned s = 0; s < STANDS; s++)
			number(w, FAMILY_QUEUE_MESSAGES, LABELS({"destination", all[i].name}, {"state", stands[s]}),
			       all[i].count.stands[s]);
	}
	begin(w, FAMILY_QUEUE_BYTES);
	for (i = 0; i < count; i++)
		number(w, FAMILY_QUEUE_BYTES, LABELS({"destination", all[i].name}), all[i].count.octets);
	begin(w, FAMILY_QUEUE_OLDEST);
	for (i = 0; i < count; i++) {
		uint64_t then_ns = all[i].count.oldest_wall_ns;
		seconds(w, FAMILY_QUEUE_OLDEST, LABELS({"destination", all[i].name}),
			then_ns && then_ns < w->wall_ns ? (int64_t)((w->wall_ns - then_ns) / 1000) : 0);
	}
	write_ages(w, all, count);
	free(all);
}

static void write_queue(struct writer *w)
{
	char name[SHARD_NAME];
	uint64_t queued = 0;

	for (unsigned i = 0; i < w->relay->shard_count; i++) {
		const struct store_counters *here = &w->relay->shards[i]->store->counters;
		/* What has left is read first: read later it might count one that was not queued yet. */
		uint64_t left = counter_get(&here->left);
		queued += counter_get(&here->queued) - left;
	}
	only(w, FAMILY_QUEUED, queued);
	write_counts(w);
	begin(w, FAMILY_QUEUE_COUNTED);
	for (unsigned i = 0; i < w->scrape->shard_count; i++) {
		uint64_t then_ns = w->scrape->shards[i].count_ns;
		if (then_ns)
			seconds(w, FAMILY_QUEUE_COUNTED, LABELS({"shard", shard_name(i, name)}),
				(int64_t)((w->now_ns - then_ns) / 1000));
	}
}

/* ---- spools ----------------------------------------------------------------------------------------------------- */

static void by_shard(struct writer *w, enum family family, uint64_t (*value)(const struct facts *facts))
{
	char name[SHARD_NAME];

	begin(w, family);
	for (unsigned i = 0; i < w->scrape->shard_count; i++) {
		if (w->scrape->shards[i].facts_ns)
			number(w, family, LABELS({"shard", shard_name(i, name)}), value(&w->scrape->shards[i].facts));
	}
}

static uint64_t limit(const struct facts *facts)
{
	return facts->size_max;
}
static uint64_t commits(const struct facts *facts)
{
	return facts->spool.commits;
}
static uint64_t records(const struct facts *facts)
{
	return facts->spool.records;
}
static uint64_t written(const struct facts *facts)
{
	return facts->spool.octets_written;
}
static uint64_t copied(const struct facts *facts)
{
	return facts->spool.octets_copied;
}
static uint64_t failures(const struct facts *facts)
{
	return facts->spool.failures;
}

static void write_spool_state(struct writer *w)
{
	static const char *const reasons[] = {
		[FACTS_FAILED] = "failed", [FACTS_DISK_FULL] = "disk_full", [FACTS_SIZE_FULL] = "size_max"};
	char name[SHARD_NAME];

	begin(w, FAMILY_SPOOL_BYTES);
	for (unsigned i = 0; i < w->scrape->shard_count; i++) {
		const struct facts *facts = &w->scrape->shards[i].facts;
		if (!w->scrape->shards[i].facts_ns)
			continue;
		number(w, FAMILY_SPOOL_BYTES, LABELS({"shard", shard_name(i, name)}, {"state", "used"}),
		       facts->spool.segments * facts->segment_size);
		number(w, FAMILY_SPOOL_BYTES, LABELS({"shard", shard_name(i, name)}, {"state", "free"}),
		       facts->spool.segments_free * facts->segment_size);
	}
	by_shard(w, FAMILY_SPOOL_LIMIT, limit);
	begin(w, FAMILY_SPOOL_REFUSING);
	for (unsigned i = 0; i < w->scrape->shard_count; i++) {
		for (unsigned r = FACTS_FAILED; r <= FACTS_SIZE_FULL && w->scrape->shards[i].facts_ns; r++)
			number(w, FAMILY_SPOOL_REFUSING, LABELS({"shard", shard_name(i, name)}, {"reason", reasons[r]}),
			       w->scrape->shards[i].facts.refuses == r);
	}
}

static void write_spools(struct writer *w)
{
	char name[SHARD_NAME];

	write_spool_state(w);
	by_shard(w, FAMILY_SPOOL_COMMITS, commits);
	by_shard(w, FAMILY_SPOOL_RECORDS, records);
	by_shard(w, FAMILY_SPOOL_WRITTEN, written);
	by_shard(w, FAMILY_SPOOL_COPIED, copied);
	by_shard(w, FAMILY_SPOOL_FAILURES, failures);
	begin(w, FAMILY_COMMIT);
	for (unsigned i = 0; i < w->scrape->shard_count; i++) {
		if (w->scrape->shards[i].facts_ns)
			seconds(w, FAMILY_COMMIT, LABELS({"shard", shard_name(i, name)}),
				w->scrape->shards[i].facts.spool.commit_ns_last / 1000);
	}
}

static void write_incidents(struct writer *w)
{
	uint64_t counts[INCIDENT_KINDS];
	bool watched = incident_watch_count(w->scrape->desk->incidents, counts);

	begin(w, FAMILY_INCIDENTS);
	for (unsigned kind = 0; watched && kind < INCIDENT_KINDS; kind++)
		number(w, FAMILY_INCIDENTS, LABELS({"kind", incident_name((enum incident_kind)kind)}), counts[kind]);
}

static uint64_t webhook_number(const _Atomic(uint64_t) *number)
{
	return atomic_load_explicit(number, memory_order_relaxed);
}

/* Without one each family is there, and has no value. */
static void write_webhook(struct writer *w)
{
	const struct webhook *webhook = atomic_load(&w->relay->webhook);
	const struct webhook_counts *counts = webhook ? webhook_counts(webhook) : NULL;
	uint64_t then_ns = counts ? webhook_number(&counts->oldest_wall_ns) : 0;

	begin(w, FAMILY_WEBHOOK_EVENTS);
	if (counts) {
		number(w, FAMILY_WEBHOOK_EVENTS, LABELS({"result", "sent"}), webhook_number(&counts->sent));
		number(w, FAMILY_WEBHOOK_EVENTS, LABELS({"result", "left_out"}), webhook_number(&counts->left_out));
	}
	begin(w, FAMILY_WEBHOOK_FAILURES);
	if (counts)
		number(w, FAMILY_WEBHOOK_FAILURES, NULL, webhook_number(&counts->failures));
	begin(w, FAMILY_WEBHOOK_WAITING);
	if (counts)
		number(w, FAMILY_WEBHOOK_WAITING, NULL, webhook_number(&counts->waiting));
	begin(w, FAMILY_WEBHOOK_OLDEST);
	if (counts)
		seconds(w, FAMILY_WEBHOOK_OLDEST, NULL,
			then_ns && then_ns < w->wall_ns ? (int64_t)((w->wall_ns - then_ns) / 1000) : 0);
}

static void write_asked(struct writer *w)
{
	char name[SHARD_NAME];

	begin(w, FAMILY_ASKED);
	for (unsigned i = 0; i < w->relay->shard_count; i++)
		seconds(w, FAMILY_ASKED, LABELS({"shard", shard_name(i, name)}),
			(int64_t)(counter_get(&w->relay->shards[i]->visits.spent_ns) / 1000));
	begin(w, FAMILY_ASKED_LONGEST);
	for (unsigned i = 0; i < w->relay->shard_count; i++)
		seconds(w, FAMILY_ASKED_LONGEST, LABELS({"shard", shard_name(i, name)}),
			(int64_t)(counter_get(&w->relay->shards[i]->visits.longest_ns) / 1000));
}

static void write_rest(struct writer *w)
{
	int64_t end = atomic_load_explicit(&w->relay->certificate_end, memory_order_relaxed),
		lists_end = atomic_load_explicit(&w->scrape->desk->lists_end, memory_order_relaxed);
	uint64_t handoffs = 0, failed = 0;

	for (unsigned i = 0; i < w->relay->shard_count; i++) {
		handoffs += counter_get(&w->relay->shards[i]->counters.handoffs);
		failed += counter_get(&w->relay->shards[i]->store->counters.accept_failed);
	}
	only(w, FAMILY_STORE_FAILURES, failed);
	only(w, FAMILY_HANDOFFS, handoffs);
	write_asked(w);
	begin(w, FAMILY_CERTIFICATE);
	if (end)
		seconds(w, FAMILY_CERTIFICATE, NULL, end * 1000000 - (int64_t)(w->wall_ns / 1000));
	begin(w, FAMILY_CLIENT_CRL);
	if (lists_end)
		seconds(w, FAMILY_CLIENT_CRL, NULL, lists_end * 1000000 - (int64_t)(w->wall_ns / 1000));
}

char *metrics_text(struct scrape *scrape, bool open_metrics, size_t *length)
{
	struct writer w = {.e = {.open_metrics = open_metrics}, .scrape = scrape, .relay = scrape->desk->relay};

	scrape_begin(scrape, true);
	w.now_ns = clock_monotonic_ns();
	w.wall_ns = clock_wall_ns();
	write_process(&w);
	write_receive(&w);
	write_deliver(&w);
	write_lanes(&w);
	write_mailboxes(&w);
	write_queue(&w);
	write_spools(&w);
	write_rest(&w);
	write_incidents(&w);
	write_webhook(&w);
	scrape_end(scrape);
	return exposition_end(&w.e, length);
}

const char *metrics_not_ready(const struct scrape *scrape)
{
	const struct relay *relay = scrape->desk->relay;

	if (atomic_load_explicit(&relay->shards[0]->stop, memory_order_relaxed))
		return "it drains: no new mail is taken";
	if (!atomic_load_explicit(&relay->ready, memory_order_relaxed))
		return "it starts: not all listeners accept yet";
	for (unsigned i = 0; i < scrape->shard_count; i++) {
		const struct scrape_shard *s = &scrape->shards[i];
		if (!s->up)
			return "a shard does not answer: see shard_stuck in the events";
		if (s->facts.refuses == FACTS_FAILED)
			return "a spool has failed, and takes nothing more: see the events, and restart";
		if (s->facts.refuses == FACTS_DISK_FULL)
			return "the disk of the spool has no room, or cannot be written";
		if (s->facts.refuses == FACTS_SIZE_FULL)
			return "spool.size_max is reached: waiting mail fills the spool";
	}
	return NULL;
}
