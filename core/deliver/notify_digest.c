/*
 * core/deliver/notify_digest.c - what was too much for one address, in one message an hour.
 *
 * What it is of stays in the spool as it was, owed, and is found again if the process ends before. Here is which mails
 * those are, and the lines of the first of them: bounded, and where that is full the others wait in the spool.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/deliver/notify_private.h"
#include "core/shard/shard.h"
#include "queue/field.h"
#include "queue/hash.h"

enum { WAIT_S = 600, HOUR_S = 3600, SAMPLE = 64 /* one in so many of those that wait is read all the same */ };

void notify_deny(struct notifier *n, struct mail *m, const char *to, uint64_t until_ns)
{
	m->waits_as = (uint8_t)(1 + queue_hash(to, strlen(to)) % (NOTIFY_KINDS - 1));
	n->denied_until_ns[m->waits_as] = until_ns;
	n->denied = true;
}

bool notify_waits(struct notifier *n, const struct mail *m)
{
	return n->denied_until_ns[m->waits_as] > n->shard->now_ns && random_u64(&n->shard->random) % SAMPLE != 0;
}

void notify_items_free(struct notify_item *items, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (items[i].mail)
			items[i].mail->reporting = false;
		free(items[i].end);
		items[i] = (struct notify_item){0};
	}
}

static struct notify_digest *digest_new(struct notifier *n, const struct notify_job *job)
{
	struct notify_digest *d;

	if (n->digest_count == NOTIFY_DIGESTS_MAX)
		return NULL;
	d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	list_init(&d->link);
	memcpy(d->to, job->to, sizeof(d->to));
	d->instead = job->instead;
	d->destination = job->destination;
	list_append(&n->digests, &d->link);
	n->digest_count++;
	return d;
}

/* `mails`: they are still there. */
static void digest_free(struct notifier *n, struct notify_digest *d, bool mails)
{
	list_remove(&d->link);
	n->digest_count--;
	for (unsigned i = 0; !mails && i < d->count; i++)
		d->items[i].mail = NULL;
	notify_items_free(d->items, d->count);
	free(d->items);
	free(d->lines);
	free(d);
}

/* Its mails wait for its time as they would without it. */
static void disband(struct notifier *n, struct notify_digest *d)
{
	for (unsigned i = 0; i < d->count; i++)
		notify_deny(n, d->items[i].mail, d->to, d->not_before_ns);
	digest_free(n, d, true);
}

/* One that is empty gives its place to another address, and so does one whose address has had its own of this hour. */
static struct notify_digest *digest_of(struct notifier *n, const struct notify_job *job)
{
	struct list *link, *next;
	struct notify_digest *d;

	for (link = n->digests.next; link != &n->digests; link = link->next) {
		d = container_of(link, struct notify_digest, link);
		if (strcmp(d->to, job->to) == 0)
			return d;
	}
	for (link = n->digests.next; link != &n->digests; link = next) {
		d = container_of(link, struct notify_digest, link);
		next = link->next;
		if (n->digest_count == NOTIFY_DIGESTS_MAX && (d->count == 0 || d->not_before_ns > n->shard->now_ns))
			disband(n, d);
	}
	return digest_new(n, job);
}

/* In the digest's envelope: a bit for each recipient of the mail, however few are told of. */
static size_t octets_of(const struct notify_item *item)
{
	size_t one = FIELD_HEADER + ENVELOPE_REPORT_HEAD + (size_t)item->octets;

	return (item->ends ? one : 0) + (item->delays ? one : 0);
}

static bool room_for_item(struct notify_digest *d, const struct notify_item *item)
{
	unsigned capacity = d->capacity ? 2 * d->capacity : 16;
	struct notify_item *items;

	d->full |= d->count == NOTIFY_ITEMS_MAX || d->octets + octets_of(item) > NOTIFY_ITEMS_OCTETS;
	if (d->full)
		return false;
	if (d->count < d->capacity)
		return true;
	capacity = capacity < NOTIFY_ITEMS_MAX ? capacity : NOTIFY_ITEMS_MAX;
	items = realloc(d->items, capacity * sizeof(*items));
	if (!items)
		return false;
	d->items = items;
	d->capacity = capacity;
	return true;
}

bool notify_digest_add(struct notifier *n, struct notify_job *job, const struct report_recipient *r, unsigned others)
{
	struct notify_digest *d = digest_of(n, job);

	if (!d)
		return false;
	if (!d->lines)
		d->lines = malloc(NOTIFY_LINES_KEPT * sizeof(*d->lines));
	if (!d->lines || !room_for_item(d, job->items))
		return false;
	if (d->count == 0)
		d->since_ns = n->shard->now_ns;
	if (d->line_count < NOTIFY_LINES_KEPT)
		notify_line(job, r, others, &d->lines[d->line_count++]);
	d->octets += octets_of(job->items);
	d->items[d->count++] = *job->items;
	*job->items = (struct notify_item){0};
	return true;
}

struct notify_digest *notify_digest_due(const struct notifier *n, uint64_t *next_ns)
{
	const struct list *link;

	for (link = n->digests.next; link != &n->digests; link = link->next) {
		struct notify_digest *d = container_of(link, struct notify_digest, link);
		uint64_t when_ns = d->full ? 0 : d->since_ns + WAIT_S * CLOCK_NS_PER_S;
		if (d->count == 0)
			continue;
		when_ns = when_ns > d->not_before_ns ? when_ns : d->not_before_ns;
		if (when_ns <= n->shard->now_ns)
			return d;
		*next_ns = when_ns < *next_ns ? when_ns : *next_ns;
	}
	return NULL;
}

void notify_digest_emptied(struct notifier *n, struct notify_digest *d, bool sent)
{
	if (!sent)
		notify_items_free(d->items, d->count);
	else
		d->not_before_ns = n->shard->now_ns + HOUR_S * CLOCK_NS_PER_S;
	free(d->items);
	d->items = NULL;
	d->count = d->capacity = d->line_count = 0;
	d->octets = 0;
	d->full = false;
}

void notify_digests_free(struct notifier *n, bool mails)
{
	while (!list_empty(&n->digests))
		digest_free(n, container_of(n->digests.next, struct notify_digest, link), mails);
}
