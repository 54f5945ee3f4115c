/*
 * core/control/incident_readings.c - see incident_readings.h.
 */
#include "core/control/incident_readings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/control/desk.h"
#include "core/control/scrape.h"
#include "core/deliver/counts.h"
#include "core/deliver/deliverer.h"
#include "core/relay/relay.h"
#include "tls/tls.h"

enum { CERTIFICATES_S = 60, SITES_LEAST = 5, CALM_POINTS = 5, LINE_SIZE = 2 * INCIDENT_PROBLEM_SIZE };

/* One reading. */
struct reading {
	struct incident_readings *readings;
	struct incidents *incidents;
	struct scrape *scrape;
	const struct incident_terms *terms;
	uint64_t now_ns, wall_ms;
	const struct counted *counted; /* of the destination before: the next one is behind it, mostly */
};

static void bad(const struct reading *r, enum incident_kind kind, const char *subject, const char *problem)
{
	incidents_bad(r->incidents, kind, subject, problem, r->now_ns, r->wall_ms);
}

static void well(const struct reading *r, enum incident_kind kind, const char *subject)
{
	incidents_well(r->incidents, kind, subject, false, r->now_ns);
}

/* Whoever said it is gone, or was not heard, and will not say that it is over: what is seen does. While this process
 * has said it, it knows better: some mail may flow beside what is held. */
static void well_if_restored(const struct reading *r, enum incident_kind kind, const char *subject)
{
	const struct incident *one = incidents_find(r->incidents, kind, subject);

	if (one && (one->restored || one->state == INCIDENT_CALMING))
		well(r, kind, subject);
}

void incident_readings_free(struct incident_readings *readings)
{
	for (size_t i = 0; i < readings->count; i++)
		free(readings->progress[i].name);
	free(readings->progress);
	readings->progress = NULL;
	readings->count = 0;
}

struct incident_progress *incident_readings_of(struct incident_readings *readings, const char *name)
{
	struct incident_progress *more;
	size_t next = readings->last + 1;

	/* They are asked for in their order, mostly. */
	if (next < readings->count && strcmp(readings->progress[next].name, name) == 0)
		return &readings->progress[readings->last = next];
	for (size_t i = 0; i < readings->count; i++) {
		if (strcmp(readings->progress[i].name, name) == 0)
			return &readings->progress[readings->last = i];
	}
	more = realloc(readings->progress, (readings->count + 1) * sizeof(*more));
	if (!more)
		return NULL;
	readings->progress = more;
	more[readings->count] = (struct incident_progress){.name = strdup(name)};
	return more[readings->count].name ? &more[readings->count++] : NULL;
}

/* ---- destinations ----------------------------------------------------------------------------------------------- */

static uint64_t delivered_at(struct reading *r, const char *name)
{
	const struct counts *counts = &r->scrape->desk->relay->deliverers.counts;
	const struct counted *one = counts_next(counts, r->counted);
	uint64_t sum = 0;

	if (!one || strcmp(one->name, name) != 0) {
		one = NULL;
		while ((one = counts_next(counts, one)) && strcmp(one->name, name) != 0)
			;
	}
	r->counted = one;
	for (unsigned i = 0; one && i < counts->shards; i++)
		sum += counter_get(&((const struct destination_counts *)counted_block(one, i))->delivered);
	return sum;
}

static bool is_of(const struct facts_destination *one, const char *name)
{
	return one->name && strcmp(one->name, name) == 0;
}

/* NULL: that shard has nothing of it, and no name there. It may still have the configuration before, and another order:
 * the next reading sees that. */
static const struct facts_destination *facts_of(const struct facts *facts, const struct incident_destination *d)
{
	const struct facts_destination *there =
		d->index < facts->destination_count ? &facts->destinations[d->index] : NULL;

	if (there && (!there->name || is_of(there, d->name)))
		return there->name ? there : NULL;
	for (size_t i = 0; i < facts->destination_count; i++) {
		if (is_of(&facts->destinations[i], d->name))
			return &facts->destinations[i];
	}
	return NULL;
}

/* False: no shard has anything of it. */
static bool sum_of(const struct scrape *scrape, const struct incident_destination *d, struct facts_destination *sum)
{
	bool any = false;

	*sum = (struct facts_destination){.name = NULL};
	for (unsigned i = 0; i < scrape->shard_count; i++) {
		const struct facts_destination *one = facts_of(&scrape->shards[i].facts, d);
		if (one)
			facts_add(sum, one);
		any |= one != NULL;
	}
	return any;
}

/* As facts_of() has it. */
static const struct look_count *count_of(const struct scrape_shard *s, const struct incident_destination *d)
{
	const struct look_count *there = d->index < s->count_count ? &s->counts[d->index] : NULL;

	if (there && (!there->name || strcmp(there->name, d->name) == 0))
		return there->name ? there : NULL;
	for (size_t i = 0; i < s->count_count; i++) {
		if (s->counts[i].name && strcmp(s->counts[i].name, d->name) == 0)
			return &s->counts[i];
	}
	return NULL;
}

/* How many messages there are for it, and when the oldest of them was accepted. */
static uint64_t queue_of(const struct scrape *scrape, const struct incident_destination *d, uint64_t *oldest_wall_ns)
{
	uint64_t messages = 0;

	*oldest_wall_ns = 0;
	for (unsigned i = 0; i < scrape->shard_count; i++) {
		const struct look_count *one = count_of(&scrape->shards[i], d);
		if (!one)
			continue;
		messages += one->stands[STAND_READY] + one->stands[STAND_DEFERRED] + one->stands[STAND_ACTIVE];
		if (one->oldest_wall_ns && (!*oldest_wall_ns || one->oldest_wall_ns < *oldest_wall_ns))
			*oldest_wall_ns = one->oldest_wall_ns;
	}
	return messages;
}

/* All mail was counted after that. */
static bool counted_since(const struct scrape *scrape, uint64_t ns)
{
	for (unsigned i = 0; i < scrape->shard_count; i++) {
		if (scrape->shards[i].counts_of_ns <= ns)
			return false;
	}
	return true;
}

/* A lane without mail knows nothing of its hosts. */
static void look_at_hosts(const struct reading *r, const struct incident_destination *d,
			  const struct facts_destination *sum, struct incident_progress *p, bool moved)
{
	bool down = sum->lanes > 0 && sum->lanes_down == sum->lanes && (!d->mx || sum->lanes >= SITES_LEAST);
	char problem[LINE_SIZE];

	if (down && !sum->suspended && r->terms->down_ns > 0) {
		snprintf(problem, sizeof(problem), "%" PRIu64 " messages wait; %s", sum->ready + sum->deferred,
			 p->why[0] ? p->why : "its hosts are left alone after failures");
		bad(r, INCIDENT_DESTINATION_DOWN, d->name, problem);
	} else if (sum->suspended || moved || sum->lanes > 0) {
		well(r, INCIDENT_DESTINATION_DOWN, d->name);
	}
}

static void look_at_flow(const struct reading *r, const char *name, const struct facts_destination *sum,
			 struct incident_progress *p, bool moved, uint64_t own)
{
	uint64_t waiting = sum->ready + sum->deferred;
	char problem[LINE_SIZE];

	if (moved || waiting <= own || sum->suspended || r->terms->no_delivery_ns == 0)
		p->still_ns = 0;
	else if (p->still_ns == 0)
		p->still_ns = r->now_ns;
	if (p->still_ns == 0) {
		well(r, INCIDENT_NO_DELIVERY, name);
	} else if (r->now_ns - p->still_ns >= r->terms->no_delivery_ns) {
		snprintf(problem, sizeof(problem),
			 "%" PRIu64 " messages wait, none was delivered for %" PRIu64 " s%s%s", waiting,
			 (r->now_ns - p->still_ns) / CLOCK_NS_PER_S, p->why[0] ? "; " : "", p->why);
		bad(r, INCIDENT_NO_DELIVERY, name, problem);
	}
}

static void look_at_age(const struct reading *r, const char *name, uint64_t messages, uint64_t oldest_wall_ns,
			uint64_t own, bool suspended)
{
	uint64_t wall_ns = r->wall_ms * CLOCK_NS_PER_MS;
	uint64_t age_ns = oldest_wall_ns && oldest_wall_ns < wall_ns ? wall_ns - oldest_wall_ns : 0;
	char problem[LINE_SIZE];

	if (r->terms->old_mail_ns == 0 || messages <= own || suspended || age_ns < r->terms->old_mail_ns) {
		well(r, INCIDENT_OLD_MAIL, name);
		return;
	}
	snprintf(problem, sizeof(problem), "%" PRIu64 " messages wait, the oldest for %" PRIu64 " min", messages,
		 age_ns / CLOCK_NS_PER_S / 60);
	bad(r, INCIDENT_OLD_MAIL, name, problem);
}

static void look_at_destination(struct reading *r, const struct incident_destination *d)
{
	struct incident_progress *p = incident_readings_of(r->readings, d->name);
	uint64_t delivered = delivered_at(r, d->name), oldest_wall_ns, messages, own = 0;
	struct facts_destination sum;
	bool moved;

	if (!p)
		return;
	moved = delivered != p->delivered;
	p->delivered = delivered;
	if (moved) {
		p->why[0] = '\0';
		well_if_restored(r, INCIDENT_SETUP_REFUSED, d->name);
	}
	messages = queue_of(r->scrape, d, &oldest_wall_ns);
	if (p->letters > messages && counted_since(r->scrape, p->letters_ns))
		p->letters = messages;
	if (p->letters_ns > 0)
		own = p->letters + r->readings->sending;
	if (!sum_of(r->scrape, d, &sum) && !moved)
		return;
	look_at_hosts(r, d, &sum, p, moved);
	look_at_flow(r, d->name, &sum, p, moved, own);
	look_at_age(r, d->name, messages, oldest_wall_ns, own, sum.suspended);
}

/* ---- the rest --------------------------------------------------------------------------------------------------- */

/* Less than `most` by so much that it does not come back at once; of little nothing. */
static bool is_calm(uint64_t percent, unsigned most)
{
	return most == 0 || percent + CALM_POINTS <= most || percent == 0;
}

static void look_at_budget(const struct reading *r, const struct facts_mailbox *one, const char *subject)
{
	uint64_t percent;
	char problem[LINE_SIZE];

	if (one->budget == 0 || one->left == UINT64_MAX)
		return;
	percent = 100 - (one->left < one->budget ? one->left * 100 / one->budget : 100);
	if (r->terms->budget_percent > 0 && percent >= r->terms->budget_percent) {
		snprintf(problem, sizeof(problem), "%" PRIu64 " of %" PRIu64 " recipients of a day are left", one->left,
			 one->budget);
		bad(r, INCIDENT_BUDGET_NEARLY_SPENT, subject, problem);
	} else if (is_calm(percent, r->terms->budget_percent)) {
		well(r, INCIDENT_BUDGET_NEARLY_SPENT, subject);
	}
}

static void look_at_mailboxes(const struct reading *r)
{
	const struct facts *facts = &r->scrape->shards[0].facts;
	char subject[INCIDENT_SUBJECT_SIZE];

	for (size_t i = 0; i < facts->mailbox_count; i++) {
		const struct facts_mailbox *one = &facts->mailboxes[i];
		incident_subject(one->destination, one->user, subject);
		look_at_budget(r, one, subject);
		if (one->user[0] && one->usable && one->connections > 0)
			well_if_restored(r, INCIDENT_SIGN_IN_REFUSED, subject);
	}
}

static void look_at_spool(const struct reading *r)
{
	static const char *const reasons[] = {[FACTS_TAKES] = "",
					      [FACTS_FAILED] = "; a spool has failed: it takes no new mail",
					      [FACTS_DISK_FULL] = "; the disk has no room: no new mail is taken",
					      [FACTS_SIZE_FULL] = "; spool.size_max is reached: no new mail is taken"};
	enum facts_refuses refuses = FACTS_TAKES;
	uint64_t used = 0, most = 0, percent;
	char problem[LINE_SIZE];

	for (unsigned i = 0; i < r->scrape->shard_count; i++) {
		const struct facts *facts = &r->scrape->shards[i].facts;
		used += facts->spool.segments * facts->segment_size;
		most += facts->size_max;
		if (facts->refuses != FACTS_TAKES)
			refuses = facts->refuses;
	}
	percent = most > 0 ? used * 100 / most : 0;
	if (r->terms->spool_percent > 0 && (percent >= r->terms->spool_percent || refuses != FACTS_TAKES)) {
		snprintf(problem, sizeof(problem), "%" PRIu64 " %% of spool.size_max are in use%s", percent,
			 reasons[refuses]);
		bad(r, INCIDENT_SPOOL_FILLING, "spool", problem);
	} else if (refuses == FACTS_TAKES && is_calm(percent, r->terms->spool_percent)) {
		well(r, INCIDENT_SPOOL_FILLING, "spool");
	}
}

static void look_at_certificate(const struct reading *r, const char *file)
{
	int64_t wall_s = (int64_t)(r->wall_ms / 1000), left;
	char problem[LINE_SIZE], day[40];
	struct tls_certificate_text *texts;
	size_t count;
	struct tm tm;
	time_t end;

	texts = tls_certificates_read(file, "", &count);
	if (texts && count > 0) {
		left = texts[0].not_after - wall_s;
		end = (time_t)texts[0].not_after;
		(void)strftime(day, sizeof(day), "%Y-%m-%d %H:%M UTC", gmtime_r(&end, &tm));
		snprintf(problem, sizeof(problem), "%s of %.100s: %s", left > 0 ? "ends" : "has ended",
			 texts[0].subject, day);
		if (left < (int64_t)(r->terms->certificate_ns / CLOCK_NS_PER_S) && r->terms->certificate_ns > 0)
			bad(r, INCIDENT_CERTIFICATE_ENDING, file, problem);
		else
			well(r, INCIDENT_CERTIFICATE_ENDING, file);
	}
	free(texts);
}

/* Nobody whose issuer's list is over can sign in by a certificate. */
static void look_at_lists(const struct reading *r)
{
	time_t end = (time_t)atomic_load(&r->scrape->desk->lists_end);
	char problem[LINE_SIZE], day[40] = "";
	struct tm tm;

	if (!atomic_load(&r->scrape->desk->lists_ending) || r->terms->certificate_ns == 0) {
		well(r, INCIDENT_CERTIFICATE_ENDING, r->terms->lists);
		return;
	}
	(void)strftime(day, sizeof(day), "%Y-%m-%d %H:%M UTC", gmtime_r(&end, &tm));
	if (end == 0)
		snprintf(problem, sizeof(problem),
			 "it is no list of revoked certificates: whoever shows one is refused");
	else
		snprintf(problem, sizeof(problem),
			 "a list of revoked certificates is out of date %s %s, and whoever shows one of its issuer is "
			 "refused then",
			 (uint64_t)end * 1000 <= r->wall_ms ? "since" : "from", day);
	bad(r, INCIDENT_CERTIFICATE_ENDING, r->terms->lists, problem);
}

static bool all_up(const struct scrape *scrape)
{
	for (unsigned i = 0; i < scrape->shard_count; i++) {
		if (!scrape->shards[i].up)
			return false;
	}
	return true;
}

void incident_readings_take(struct incident_readings *readings, struct incidents *incidents, struct scrape *scrape,
			    const struct incident_terms *terms, uint64_t now_ns, uint64_t wall_ms)
{
	struct reading r = {readings, incidents, scrape, terms, now_ns, wall_ms, NULL};

	scrape_begin(scrape, true);
	/* What a shard said a while ago proves nothing of now. */
	if (all_up(scrape)) {
		for (size_t i = 0; i < terms->destination_count; i++)
			look_at_destination(&r, &terms->destinations[i]);
		look_at_mailboxes(&r);
		look_at_spool(&r);
	}
	scrape_end(scrape);
	if (now_ns < readings->certificates_ns)
		return;
	readings->certificates_ns = now_ns + CERTIFICATES_S * CLOCK_NS_PER_S;
	for (size_t i = 0; i < terms->certificate_count; i++)
		look_at_certificate(&r, terms->certificates[i]);
	if (terms->lists)
		look_at_lists(&r);
}
