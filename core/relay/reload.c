/*
 * core/relay/reload.c - see reload.h.
 */
#include "core/relay/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/device_keeper.h"
#include "core/config/config.h"
#include "core/config/device_table.h"
#include "core/config/succession.h"
#include "core/deliver/mailbox.h"
#include "core/deliver/notify.h"
#include "core/deliver/outbound.h"
#include "core/deliver/tls_clerk.h"
#include "core/deliver/tls_policy.h"
#include "core/receive/inbound_tls.h"
#include "core/receive/listen.h"
#include "core/receive/listeners.h"
#include "core/relay/client_counts.h"
#include "core/relay/relay.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"
#include "queue/fair.h"

/* ---- making and freeing ---------------------------------------------------------------------------------------- */

static void free_snapshot(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	if (snapshot->tls)
		tls_policies_free(snapshot->tls, snapshot->config->destination_count);
	free(snapshot->tls);
	inbound_tls_free(snapshot->inbound);
	mailbox_sets_free(snapshot->mailboxes, snapshot->config->destination_count);
	free(snapshot->mailboxes);
	free(snapshot->quotas);
	free(snapshot->devices);
	free(snapshot->users);
	free(snapshot->listeners);
	free(snapshot->listener_counts);
	free(snapshot->terms);
	free(snapshot->unused);
	if (snapshot->owns_config)
		config_free((struct config *)snapshot->config);
	free(snapshot);
}

/* Where the listeners of this snapshot are counted. False: no memory. */
static bool count_listeners(struct relay *relay, struct snapshot *snapshot)
{
	const struct config *config = snapshot->config;

	snapshot->listener_counts = calloc(config->listener_count + 1, sizeof(struct counted *));
	for (size_t i = 0; snapshot->listener_counts && i < config->listener_count; i++) {
		snapshot->listener_counts[i] = counts_get(&relay->receivers.counts, config->listeners[i].name);
		if (!snapshot->listener_counts[i])
			return false;
	}
	return snapshot->listener_counts != NULL;
}

static int compare_terms(const void *a, const void *b)
{
	const struct fair_terms *one = a, *other = b;

	return (one->client > other->client) - (one->client < other->client);
}

/* Clients that are not as others. False: no memory. */
static bool make_terms(struct snapshot *snapshot)
{
	static const uint8_t priorities[] = {[CONFIG_PRIORITY_HIGH] = FAIR_HIGH,
					     [CONFIG_PRIORITY_NORMAL] = FAIR_NORMAL,
					     [CONFIG_PRIORITY_LOW] = FAIR_LOW};
	const struct config *config = snapshot->config;
	size_t count = 0, i;

	for (i = 0; i < config->client_count; i++)
		count += config->clients[i].weight > 1 || config->clients[i].priority != CONFIG_PRIORITY_NORMAL;
	snapshot->terms = malloc((count + 1) * sizeof(*snapshot->terms));
	if (!snapshot->terms)
		return false;
	for (i = 0; i < config->client_count; i++) {
		const struct config_client *client = &config->clients[i];
		if (client->weight <= 1 && client->priority == CONFIG_PRIORITY_NORMAL)
			continue;
		snapshot->terms[snapshot->terms_count++] = (struct fair_terms){
			.client = fair_client(client->name, strlen(client->name)),
			.weight = (uint8_t)(client->weight > 1 ? client->weight : 1),
			.priority = priorities[client->priority],
		};
	}
	qsort(snapshot->terms, count, sizeof(*snapshot->terms), compare_terms);
	return true;
}

static struct snapshot *new_snapshot(struct relay *relay, const struct config *config)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
	size_t size = relay->shard_count * sizeof(*snapshot->users);

	if (!snapshot)
		return NULL;
	snapshot->config = config;
	snapshot->dns = relay->deliverers.dns;
	snapshot->suppression = config->suppression.directory ? relay->receivers.suppression : NULL;
	snapshot->verifiers = config->users ? relay->receivers.verifiers : NULL;
	/* With room for what recovery adds. */
	snapshot->tls = calloc(relay->plan.destination_room + 1, sizeof(struct tls_context *));
	snapshot->mailboxes = calloc(relay->plan.destination_room + 1, sizeof(struct mailbox_set *));
	snapshot->unused = calloc(relay->plan.destination_room + 1, sizeof(*snapshot->unused));
	snapshot->users = aligned_alloc(sizeof(*snapshot->users), size);
	if (snapshot->users)
		memset(snapshot->users, 0, size);
	snapshot->listeners = calloc(config->listener_count + 1, sizeof(*snapshot->listeners));
	if (make_terms(snapshot) && snapshot->listeners && snapshot->tls && snapshot->mailboxes && snapshot->unused &&
	    snapshot->users && count_listeners(relay, snapshot))
		return snapshot;
	free_snapshot(snapshot);
	return NULL;
}

int reload_first(struct relay *relay, const struct config *config)
{
	struct snapshot *snapshot = new_snapshot(relay, config);

	if (!snapshot)
		return -ENOMEM;
	relay->snapshot = snapshot;
	listeners_first(&relay->receivers, snapshot);
	atomic_store(&snapshot->prepared, relay->shard_count);
	atomic_store(&snapshot->taken, relay->shard_count);
	return client_counts_make(relay, NULL, snapshot);
}

/* ---- what is gone at the start -------------------------------------------------------------------------------- */

int reload_add_gone(struct relay *relay, const char *name, size_t length)
{
	int index;
	unsigned i;

	if (relay->plan.destination_count == relay->plan.destination_room)
		return -1;
	index = config_add_gone(relay->config, name, length);
	if (index < 0)
		return -1;
	/* Where this one fails, everything does: the process ends. */
	if (deliverers_extend(&relay->deliverers, relay->config) < 0)
		return -1;
	plan_extend(&relay->plan, relay->config, relay->shard_count);
	for (i = 0; i < relay->shard_count; i++)
		deliverer_lanes(relay->shards[i]);
	return index;
}

/* Those behind the last one that mail waits in are none. */
static unsigned lanes_needed(const struct relay *relay, const struct destination_plan *destination)
{
	unsigned lanes = destination->lanes;

	while (lanes > 1) {
		unsigned lane = destination->first_lane + lanes - 1;
		const struct shard *owner = relay->shards[relay->plan.lanes[lane].owner];
		if (outbound_waiting(&owner->deliverer->outbound[lane]) > 0)
			break;
		lanes--;
	}
	return lanes;
}

void reload_trim_gone(struct relay *relay)
{
	size_t d;
	unsigned i;

	for (d = relay->config->destination_count; d-- > 0 && relay->config->destinations[d].gone;) {
		unsigned lanes = lanes_needed(relay, &relay->plan.destinations[d]);
		plan_trim(&relay->plan, d, lanes);
	}
	for (i = 0; i < relay->shard_count; i++)
		deliverer_lanes(relay->shards[i]);
}

/* ---- the next one -------------------------------------------------------------------------------------------- */

static bool refuse(struct config_problems *problems, const struct config *next, const char *why)
{
	config_problems_add(problems, false, next->file, (struct config_place){0}, "%s", why);
	return false;
}

/* False: no memory. */
static bool find_devices(struct relay *relay, struct snapshot *snapshot)
{
	snapshot->devices = device_keeper_records(relay->receivers.devices, snapshot->config->devices);
	return snapshot->devices || !relay->receivers.devices || device_table_count(snapshot->config->devices) == 0;
}

/* What may fail, none of which a shard looks at before it takes the snapshot. */
static bool compile(struct relay *relay, struct snapshot *snapshot, struct config_problems *problems)
{
	const struct config *next = snapshot->config;
	struct ring_problem ring_problem;
	struct mailbox_problem why;
	struct tls_problem problem;
	int r;

	if (tls_policies_make(snapshot->tls, next, &problem) < 0 ||
	    inbound_tls_make(&snapshot->inbound, next, relay->shard_count, &problem) < 0)
		return refuse(problems, next, problem.text);
	r = mailbox_sets_make(snapshot->mailboxes, relay->deliverers.mailboxes, relay->deliverers.tokens, next, &why);
	if (r == -EINVAL)
		return refuse(problems, next, why.text);
	if (r < 0)
		return refuse(problems, next, "out of memory");
	r = deliverers_extend(&relay->deliverers, next);
	if (r == 0)
		r = deliverers_extend_mailboxes(&relay->deliverers, next, snapshot->mailboxes);
	if (r == -EXFULL)
		return refuse(problems, next,
			      "a destination would have more different hosts at a time than this process has room for: "
			      "restart it");
	if (r < 0 && r != -ENOMEM)
		return refuse(
			problems, next,
			"a budget of recipients a day has no file in the spool directory, and cannot be given one");
	if (r < 0 || client_counts_make(relay, relay->snapshot, snapshot) < 0 || !find_devices(relay, snapshot))
		return refuse(problems, next, "out of memory");
	if (listeners_follow(&relay->receivers, relay->shards, relay->snapshot, snapshot, &ring_problem) < 0)
		return refuse(problems, next, ring_problem.text);
	/* Last: lanes go by these at once. */
	deliverers_follow(&relay->deliverers, next, snapshot->mailboxes);
	return true;
}

/* Mail changes lanes on its own shard, so each must have one of the other path. Lanes stay where they are. */
static bool check_paths(const struct relay *relay, const struct config *next, struct config_problems *problems)
{
	size_t d;

	for (d = 0; d < next->destination_count; d++) {
		const struct config_destination *destination = &next->destinations[d];
		if (destination->fallback == 0 || plan_may_take_over(&relay->plan, d, destination->fallback - 1))
			continue;
		config_problems_add(
			problems, false, next->file, (struct config_place){0},
			"fallback of destination \"%s\" cannot become \"%s\" while postrider runs, as that was started "
			"with fewer limits.connections than there are shards: restart it",
			destination->name, next->destinations[destination->fallback - 1].name);
		return false;
	}
	return true;
}

/* Where there are more lanes each has connections of mailboxes that others have mail for. */
static bool check_match(const struct relay *relay, const struct config *next, struct config_problems *problems)
{
	size_t d;

	for (d = 0; d < next->destination_count && d < relay->plan.destination_count; d++) {
		if (next->destinations[d].sender != CONFIG_SENDER_MATCH || relay->plan.destinations[d].lanes == 1)
			continue;
		config_problems_add(problems, false, next->file, (struct config_place){0},
				    "sender of destination \"%s\" cannot become match while postrider runs: restart it",
				    next->destinations[d].name);
		return false;
	}
	return true;
}

/* The snapshot of a configuration that may follow, with all it needs; NULL: nothing has changed. */
static struct snapshot *prepare_next(struct relay *relay, struct config *next, struct config_problems *problems)
{
	struct snapshot *snapshot;

	if (!check_paths(relay, next, problems) || !check_match(relay, next, problems))
		return NULL;
	snapshot = new_snapshot(relay, next);
	if (!snapshot) {
		(void)refuse(problems, next, "out of memory");
	} else if (!compile(relay, snapshot, problems)) {
		free_snapshot(snapshot);
		snapshot = NULL;
	}
	return snapshot;
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

/* Sessions go by the snapshot that they began with, and a session stays until its messages are stored: so what none of
 * those that are left knows, no message will come for. */
static void find_unused(const struct relay *relay, struct snapshot *next)
{
	const struct snapshot *older;
	size_t d;

	for (d = 0; d < next->config->destination_count; d++)
		next->unused[d] = next->config->destinations[d].gone;
	for (older = relay->snapshot; older; older = older->older) {
		for (d = 0; d < older->config->destination_count; d++)
			next->unused[d] = next->unused[d] && older->config->destinations[d].gone;
	}
}

static bool free_for(const void *context, const struct config *next, size_t destination, size_t place)
{
	const struct relay *relay = context;

	return plan_fits(&relay->plan, place, next, destination, relay->shard_count);
}

/* Nothing is known of whoever has had the places of those that are new: who is gone, or was refused. */
static void forget_others(struct relay *relay, const struct config *next)
{
	const struct config *running = relay->snapshot->config;
	size_t d;

	for (d = 0; d < next->destination_count; d++) {
		if (d >= running->destination_count ||
		    strcmp(running->destinations[d].name, next->destinations[d].name) != 0)
			deliverers_forget(&relay->deliverers, d);
	}
}

bool reload_begin(struct relay *relay, struct config *next, struct config_problems *problems)
{
	const struct config_bounds bounds = {
		.connections = relay->config->limits.connections,
		.destinations = relay->plan.destination_room,
		.free_for = free_for,
		.context = relay,
	};
	size_t planned = relay->plan.destination_count;
	struct snapshot *snapshot;
	unsigned i;

	(void)reload_sweep(relay);
	if (!config_succeed(next, relay->snapshot->config, &bounds, problems))
		return false;
	forget_others(relay, next);
	plan_extend(&relay->plan, next, relay->shard_count);
	snapshot = prepare_next(relay, next, problems);
	if (!snapshot) {
		plan_shrink(&relay->plan, planned);
		forget_others(relay, next);
		return false;
	}
	find_unused(relay, snapshot);
	snapshot->owns_config = true;
	snapshot->older = relay->snapshot;
	relay->snapshot = snapshot;
	if (relay->receivers.devices)
		device_keeper_follow(relay->receivers.devices, next->devices, snapshot->devices);
	for (i = 0; i < relay->shard_count; i++)
		atomic_store_explicit(&relay->shards[i]->next, snapshot, memory_order_release);
	return true;
}

bool reload_prepared(const struct relay *relay)
{
	return atomic_load_explicit(&relay->snapshot->prepared, memory_order_acquire) == relay->shard_count;
}

bool reload_under_way(const struct relay *relay)
{
	return atomic_load_explicit(&relay->snapshot->taken, memory_order_acquire) < relay->shard_count;
}

unsigned reload_sweep(struct relay *relay)
{
	struct snapshot **at = &relay->snapshot->older;
	unsigned left = 1;

	/* A shard's lanes have left one before its sessions do. */
	while (*at && !reload_under_way(relay)) {
		struct snapshot *old = *at;
		if (atomic_load_explicit(&old->done, memory_order_acquire) < relay->shard_count) {
			at = &old->older;
			left++;
			continue;
		}
		*at = old->older;
		free_snapshot(old);
	}
	return left;
}

void reload_end(struct relay *relay)
{
	while (relay->snapshot) {
		struct snapshot *snapshot = relay->snapshot;
		relay->snapshot = snapshot->older;
		free_snapshot(snapshot);
	}
	client_counts_free(relay);
}

/* ---- a shard's side ------------------------------------------------------------------------------------------ */

static bool prepare(struct shard *shard, struct snapshot *next)
{
	if (!deliverer_take(shard, next))
		return false; /* no memory: at the next turn, perhaps */
	shard->snapshot = next;
	shard->config = next->config;
	tls_clerk_follow(shard);
	notify_follow(shard);
	atomic_fetch_add_explicit(&next->prepared, 1, memory_order_acq_rel);
	return true;
}

bool reload_step(struct shard *shard)
{
	struct snapshot *next = atomic_load_explicit(&shard->next, memory_order_acquire);

	bool changed = shard->snapshot != next && prepare(shard, next);

	if (shard->receiver->snapshot == shard->snapshot ||
	    atomic_load_explicit(&shard->snapshot->prepared, memory_order_acquire) < shard->count)
		return changed;
	receiver_take(shard, shard->snapshot);
	accept_follow(shard, shard->snapshot);
	atomic_fetch_add_explicit(&shard->snapshot->taken, 1, memory_order_release);
	return changed;
}
