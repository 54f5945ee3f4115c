/*
 * core/control/facts.c - see facts.h.
 */
#include "core/control/facts.h"

#include <stdlib.h>
#include <string.h>

#include "core/agents/token.h"
#include "core/config/config.h"
#include "core/control/limited.h"
#include "core/deliver/budget.h"
#include "core/deliver/deliverer.h"
#include "core/deliver/hold.h"
#include "core/deliver/mailbox.h"
#include "core/deliver/outbound.h"
#include "core/receive/receiver.h"
#include "core/route/plan.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"
#include "core/store/store.h"

/* ---- lanes ------------------------------------------------------------------------------------------------------ */

/* Something is to go, and no host takes it. */
static bool is_down(const struct outbound *o)
{
	size_t i;

	if (o->host_count == 0)
		return o->exchangers != NULL && outbound_waiting(o) > 0 && o->failure[0] != '\0';
	for (i = 0; i < o->host_count; i++) {
		if (o->hosts[i]->blocked_until_ns <= o->shard->now_ns || o->hosts[i]->failures == 0)
			return false;
	}
	return true;
}

void facts_add_lane(struct facts_destination *destinations, size_t count, const struct outbound *o)
{
	struct facts_destination *sum;

	if (!o->shard || !o->destination || o->vacant || o->place >= count)
		return;
	sum = &destinations[o->place];
	if (!sum->name)
		sum->name = strdup(o->destination->name);
	sum->ready += o->lane.ready.count + o->matching.waiting;
	sum->deferred += o->lane.heap_count;
	sum->connections += o->connection_count;
	sum->connecting += o->connecting;
	sum->connect_failures += o->failures_seen;
	/* Lanes without mail know nothing of their hosts. */
	if (outbound_waiting(o) > 0 || o->connection_count > o->connecting) {
		sum->lanes++;
		sum->lanes_down += is_down(o);
	}
	sum->limited |= limited_of(o);
	sum->suspended |= o->suspended;
}

void facts_add(struct facts_destination *all, const struct facts_destination *one)
{
	all->ready += one->ready;
	all->deferred += one->deferred;
	all->connections += one->connections;
	all->connecting += one->connecting;
	all->connect_failures += one->connect_failures;
	all->lanes += one->lanes;
	all->lanes_down += one->lanes_down;
	all->limited |= one->limited;
	all->suspended |= one->suspended;
}

/* ---- mailboxes, budgets ----------------------------------------------------------------------------------------- */

static bool add_mailbox(struct facts *facts, const struct config_destination *destination, const char *user,
			struct account *account, uint64_t now_ns)
{
	struct facts_mailbox *more = realloc(facts->mailboxes, (facts->mailbox_count + 1) * sizeof(*facts->mailboxes));
	struct facts_mailbox *one;
	uint64_t when_ns, left;

	if (!more)
		return false;
	facts->mailboxes = more;
	one = &more[facts->mailbox_count];
	*one = (struct facts_mailbox){.destination = strdup(destination->name), .user = strdup(user), .usable = true};
	if (account->day) {
		left = budget_left(account->day, now_ns, &when_ns);
		one->budget = destination->limits.recipients_per_day;
		one->left = left >= UINT32_MAX ? UINT64_MAX : left;
	}
	facts->mailbox_count++;
	return one->destination && one->user;
}

/* False: no memory. */
static bool add_own(struct facts *facts, const struct shard *shard, size_t d)
{
	const struct config_destination *destination = &shard->config->destinations[d];
	struct account *own = &shard->deliverer->shared->accounts[d];

	if (destination->limits.recipients_per_day == 0 || !own->day)
		return true;
	return add_mailbox(facts, destination, "", own, shard->now_ns);
}

static bool add_entry(struct facts *facts, const struct shard *shard, size_t d, const struct mailbox_entry *entry)
{
	struct mailbox *mailbox = entry->mailbox;
	struct facts_mailbox *one;

	if (!add_mailbox(facts, &shard->config->destinations[d], mailbox->user, &mailbox->account, shard->now_ns))
		return false;
	one = &facts->mailboxes[facts->mailbox_count - 1];
	one->usable = !mailbox_held(mailbox);
	one->token = entry->identity != NULL;
	if (entry->identity)
		one->token_until_ns = token_identity_until_ns(entry->identity);
	one->connections = atomic_load_explicit(&mailbox->connections, memory_order_relaxed);
	return true;
}

/* Destination by destination, and a pool of thousands mailbox by mailbox. A reload may come between two slices: then
 * one that comes or goes with it may be left out, or be there twice. */
static enum visit_step add_mailboxes(struct facts_part *part, const struct shard *shard, struct visit_slice *slice)
{
	struct facts *facts = &part->facts;

	for (; part->destination < shard->config->destination_count; part->destination++, part->mailbox = 0) {
		const struct mailbox_set *set = shard->snapshot->mailboxes[part->destination];
		bool gone = shard->config->destinations[part->destination].gone;
		if (visit_spent(slice))
			return VISIT_MORE;
		if (!gone && part->mailbox == 0 && !add_own(facts, shard, part->destination))
			return VISIT_DONE;
		for (; !gone && set && part->mailbox < set->count; part->mailbox++) {
			/* The first comes with what is the destination's own, which is not to be there twice. */
			if (part->mailbox > 0 && visit_spent(slice))
				return VISIT_MORE;
			if (!add_entry(facts, shard, part->destination, &set->entries[part->mailbox]))
				return VISIT_DONE;
		}
	}
	part->whole = true;
	return VISIT_DONE;
}

/* ---- the visit -------------------------------------------------------------------------------------------------- */

static void begin(struct facts_part *part, const struct shard *shard)
{
	struct facts *facts = &part->facts;
	struct spool_settings settings;

	part->began = true;
	part->at = deliverer_first(shard->deliverer);
	facts->destination_count = shard->config->destination_count;
	facts->destinations = calloc(facts->destination_count + 1, sizeof(*facts->destinations));
	spool_stats(shard->store->spool, &facts->spool);
	store_spool_settings(shard->config, shard->index, shard->count, &settings);
	facts->segment_size = settings.segment_size;
	facts->size_max = settings.size_max;
	facts->mails = shard->store->mails.in_use;
	facts->sessions = shard->receiver->sessions.in_use;
	if (facts->spool.failed)
		facts->refuses = FACTS_FAILED;
	else if (shard->store->disk_full.since_ns)
		facts->refuses = FACTS_DISK_FULL;
	else if (shard->store->size_full.since_ns)
		facts->refuses = FACTS_SIZE_FULL;
}

static enum visit_step look(struct shard *shard, struct visit *visit, uint64_t until_ns)
{
	struct facts_part *part = container_of(inquiry_part_of(visit), struct facts_part, part);
	struct visit_slice slice = {.until_ns = until_ns};

	if (!part->began)
		begin(part, shard);
	if (!part->facts.destinations)
		return VISIT_DONE;
	for (; part->at < deliverer_end(shard->deliverer); part->at = deliverer_next(shard->deliverer, part->at)) {
		if (visit_spent(&slice))
			return VISIT_MORE;
		facts_add_lane(part->facts.destinations, part->facts.destination_count,
			       &shard->deliverer->outbound[part->at]);
	}
	if (shard->index == 0)
		return add_mailboxes(part, shard, &slice);
	part->whole = true;
	return VISIT_DONE;
}

void facts_free(struct facts *facts)
{
	for (size_t i = 0; facts->destinations && i < facts->destination_count; i++)
		free(facts->destinations[i].name);
	for (size_t i = 0; i < facts->mailbox_count; i++) {
		free(facts->mailboxes[i].destination);
		free(facts->mailboxes[i].user);
	}
	free(facts->destinations);
	free(facts->mailboxes);
	memset(facts, 0, sizeof(*facts));
}

static void release(struct inquiry_part *part)
{
	facts_free(&container_of(part, struct facts_part, part)->facts);
}

const struct inquiry_kind facts_kind = {.size = sizeof(struct facts_part), .fn = look, .release = release};
