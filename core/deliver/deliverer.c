/*
 * core/deliver/deliverer.c - see deliverer.h.
 */
#include "core/deliver/deliverer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/clock.h"
#include "core/base/disk.h"
#include "core/config/config.h"
#include "core/deliver/account.h"
#include "core/deliver/attempt.h"
#include "core/deliver/budget.h"
#include "core/deliver/connection.h"
#include "core/deliver/counts.h"
#include "core/deliver/hold.h"
#include "core/deliver/mailbox.h"
#include "core/deliver/notify.h"
#include "core/deliver/outbound.h"
#include "core/deliver/outbound_site.h"
#include "core/deliver/slots.h"
#include "core/deliver/tls_clerk.h"
#include "core/route/plan.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

enum { SITES_ROOM = 32768 }; /* lanes of sites that a shard may have at a time */

int deliverers_init(struct deliverers *shared, const struct config *config, size_t room, unsigned shard_count)
{
	counts_init(&shared->counts, sizeof(struct destination_counts), shard_count);
	shared->counted = calloc(room + 1, sizeof(struct counted *));
	shared->holds = calloc(room + 1, sizeof(*shared->holds));
	shared->accounts = calloc(room + 1, sizeof(*shared->accounts));
	shared->slots = calloc(room + 1, sizeof(*shared->slots));
	shared->mailboxes = calloc(room + 1, sizeof(*shared->mailboxes));
	shared->reports = notify_limits_new();
	shared->room = room;
	if (sites_init(&shared->sites, config) < 0 || suspensions_init(&shared->suspensions, config, room) < 0)
		return -ENOMEM;
	return shared->holds && shared->accounts && shared->slots && shared->mailboxes && shared->reports &&
			       shared->counted
		       ? deliverers_extend(shared, config)
		       : -ENOMEM;
}

/* The directory of day budgets, beside the spools. */
static int limits_directory(struct deliverers *shared, const struct config *config)
{
	int root, r;

	if (shared->limits > 0)
		return 0;
	root = disk_directory_open(config->spool.directory, true);
	if (root < 0)
		return root;
	r = disk_subdirectory_open(root, "limits", true);
	disk_close(root);
	if (r < 0)
		return r;
	shared->limits = r;
	return 0;
}

static int open_budget(struct deliverers *shared, const struct config *config, size_t d, struct account *account,
		       const char *name)
{
	const struct config_destination *destination = &config->destinations[d];
	int r;

	if (account->day || destination->limits.recipients_per_day == 0)
		return 0;
	r = limits_directory(shared, config);
	return r < 0 ? r : budget_open(&account->day, shared->limits, name, clock_monotonic_ns(), clock_wall_ns());
}

static int prepare_mailbox(struct deliverers *shared, const struct config *config, size_t d, struct mailbox *mailbox)
{
	char name[BUDGET_NAME_MAX + 1];
	int r;

	snprintf(name, sizeof(name), "%s %s", config->destinations[d].name, mailbox->user);
	r = open_budget(shared, config, d, &mailbox->account, name);
	return r == 0 ? account_prepare(&mailbox->account, &config->destinations[d].limits) : r;
}

int deliverers_extend_mailboxes(struct deliverers *shared, const struct config *config, struct mailbox_set *const *sets)
{
	size_t d, i;
	int r = 0;

	for (d = 0; d < config->destination_count; d++) {
		for (i = 0; sets[d] && i < sets[d]->count && r == 0; i++)
			r = prepare_mailbox(shared, config, d, sets[d]->entries[i].mailbox);
	}
	return r;
}

void deliverers_follow(struct deliverers *shared, const struct config *config, struct mailbox_set *const *sets)
{
	uint64_t now_ns = clock_monotonic_ns();
	size_t d, i;

	for (d = 0; d < config->destination_count; d++) {
		const struct config_limits *limits = &config->destinations[d].limits;
		account_follow(&shared->accounts[d], limits, now_ns);
		for (i = 0; sets[d] && i < sets[d]->count; i++) {
			struct account *account = &sets[d]->entries[i].mailbox->account;
			atomic_store(&account->phase, (uint32_t)(256 * i / sets[d]->count));
			account_follow(account, limits, now_ns);
		}
	}
	sites_follow(&shared->sites, config, now_ns);
	suspensions_follow(&shared->suspensions, config);
}

/* A place is another's only after deliverers_forget(). */
static int count_destinations(struct deliverers *shared, const struct config *config)
{
	for (size_t d = 0; d < config->destination_count; d++) {
		if (!shared->counted[d])
			shared->counted[d] = counts_get(&shared->counts, config->destinations[d].name);
		if (!shared->counted[d])
			return -ENOMEM;
	}
	return 0;
}

int deliverers_extend(struct deliverers *shared, const struct config *config)
{
	size_t d;
	int r = count_destinations(shared, config);

	for (d = 0; d < config->destination_count && r == 0; d++)
		r = hold_extend(&shared->holds[d], &config->destinations[d]);
	for (d = 0; d < config->destination_count && r == 0; d++)
		r = config->destinations[d].mailbox_count > 0
			    ? 0
			    : open_budget(shared, config, d, &shared->accounts[d], config->destinations[d].name);
	for (d = 0; d < config->destination_count && r == 0; d++)
		r = account_prepare(&shared->accounts[d], &config->destinations[d].limits);
	return r == 0 ? sites_prepare(&shared->sites, config) : r;
}

static void forget_account(struct account *account)
{
	budget_close(account->day);
	account_deinit(account);
	memset(account, 0, sizeof(*account));
}

void deliverers_forget(struct deliverers *shared, size_t destination)
{
	hold_deinit(&shared->holds[destination]);
	forget_account(&shared->accounts[destination]);
	memset(&shared->slots[destination], 0, sizeof(shared->slots[destination]));
	mailbox_home_deinit(&shared->mailboxes[destination]);
	suspensions_forget(&shared->suspensions, destination);
	shared->counted[destination] = NULL;
}

void deliverers_deinit(struct deliverers *shared)
{
	size_t d;

	for (d = 0; shared->holds && d < shared->room; d++)
		hold_deinit(&shared->holds[d]);
	free(shared->holds);
	for (d = 0; shared->accounts && d < shared->room; d++)
		forget_account(&shared->accounts[d]);
	if (shared->limits > 0)
		disk_close(shared->limits);
	sites_deinit(&shared->sites);
	suspensions_deinit(&shared->suspensions);
	free(shared->accounts);
	free(shared->slots);
	notify_limits_free(shared->reports);
	for (d = 0; shared->mailboxes && d < shared->room; d++)
		mailbox_home_deinit(&shared->mailboxes[d]);
	free(shared->mailboxes);
	counts_deinit(&shared->counts);
	free(shared->counted);
}

/* They must be there for recovery; the rest of an outbound comes with the ring. */
void deliverer_lanes(struct shard *shard)
{
	struct deliverer *deliverer = shard->deliverer;
	const struct plan *plan = shard->plan;
	unsigned i;

	for (i = deliverer->lane_count; i < plan->lane_count; i++) {
		if (plan->lanes[i].owner == shard->index)
			lane_init(&deliverer->outbound[i].lane);
	}
	deliverer->lane_count = plan->lane_count;
}

/* A delivery knows its lane by 16 bits, and its home by a number that begins at 1. */
static unsigned site_room(const struct plan *plan)
{
	unsigned left = plan->lane_room < UINT16_MAX - 2 ? UINT16_MAX - 2 - plan->lane_room : 0;

	return left < SITES_ROOM ? left : SITES_ROOM;
}

static size_t lanes_octets(const struct plan *plan)
{
	return (plan->lane_room + 1 + site_room(plan)) * sizeof(struct outbound);
}

/* There is room for lanes of thousands of destinations that a reload may bring. Mapped, it takes memory with the first
 * lane of a page; the allocator may have pages that a large configuration left, and would clear them all. */
static bool map_lanes(struct deliverer *deliverer, const struct plan *plan)
{
	void *memory = mmap(NULL, lanes_octets(plan), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	deliverer->outbound = memory == MAP_FAILED ? NULL : memory;
	return deliverer->outbound;
}

int deliverer_init(struct shard *shard, struct deliverers *shared)
{
	struct deliverer *deliverer = shard->deliverer;
	const struct plan *plan = shard->plan;

	deliverer->shared = shared;
	list_init(&deliverer->outbound_wake);
	turns_init(&deliverer->turns);
	list_init(&deliverer->deleting);
	list_init(&deliverer->steers);
	pool_init(&deliverer->connections, sizeof(struct connection), 8, 100000);
	pool_init(&deliverer->attempts, sizeof(struct attempt), 64, 1u << 20);
	pool_init(&deliverer->output_buffers, OUTPUT_BUFFER_SIZE, 4, 300000);
	if (!map_lanes(deliverer, plan) || notify_init(shard) < 0 || tls_clerk_init(shard) < 0)
		return -ENOMEM;
	deliverer->site_first = plan->lane_room + 1;
	deliverer->site_room = site_room(plan);
	list_init(&deliverer->sites_free);
	deliverer_lanes(shard);
	return 0;
}

int deliverer_start(struct shard *shard)
{
	const struct plan *plan = shard->plan;
	unsigned i;

	for (i = 0; i < plan->lane_count; i++) {
		int r;
		if (plan->lanes[i].owner != shard->index)
			continue;
		r = outbound_init(&shard->deliverer->outbound[i], shard, i, shard->snapshot);
		if (r < 0)
			return r;
		outbound_wake(shard, i); /* for what recovery queued */
	}
	notify_follow(shard);
	tls_clerk_start(shard);
	return 0;
}

/* How many lanes there are for this configuration. */
static unsigned lanes_of(const struct plan *plan, const struct config *config)
{
	const struct destination_plan *last;

	if (config->destination_count == 0)
		return 0;
	last = &plan->destinations[config->destination_count - 1];
	return last->first_lane + last->lanes;
}

/* ---- lanes that nobody needs ------------------------------------------------------------------------------------ */

/* So many messages are looked through at once for a lane that one of them needs. Where there are more, lanes wait. */
enum { LOOK_MOST = 1u << 16 };

static void keep(struct deliverer *deliverer, unsigned lane)
{
	if (lane < deliverer->lane_count)
		deliverer->outbound[lane].unused = false;
}

static void keep_lanes(void *context, struct mail *m)
{
	struct deliverer *deliverer = context;
	struct delivery *d = NULL;

	while ((d = mail_next(m, d)) != NULL) {
		keep(deliverer, d->lane);
		if (d->home > 0)
			keep(deliverer, d->home - 1u);
	}
}

/* What nothing refers to but its place may be another destination's with one of the next snapshots. */
static void vacate(struct shard *shard, const struct snapshot *snapshot)
{
	struct deliverer *deliverer = shard->deliverer;
	bool any = false;
	unsigned i;

	for (i = 0; i < deliverer->lane_count; i++) {
		struct outbound *o = &deliverer->outbound[i];
		if (!o->shard || o->vacant || !plan_has_lane(shard->plan, i))
			continue;
		o->unused = snapshot->unused[shard->plan->lanes[i].destination] && outbound_unused(o);
		any |= o->unused;
	}
	if (!any || shard->store->mails.in_use > LOOK_MOST)
		return;
	store_mails(shard, keep_lanes, deliverer);
	for (i = 0; i < deliverer->lane_count; i++) {
		if (deliverer->outbound[i].shard && deliverer->outbound[i].unused && !deliverer->outbound[i].vacant)
			outbound_vacate(&deliverer->outbound[i]);
	}
}

bool deliverer_take(struct shard *shard, struct snapshot *snapshot)
{
	struct deliverer *deliverer = shard->deliverer;
	unsigned lanes = lanes_of(shard->plan, snapshot->config), i;

	for (i = 0; i < lanes; i++) {
		struct outbound *o = &deliverer->outbound[i];
		if (shard->plan->lanes[i].owner != shard->index)
			continue;
		if (!o->shard) {
			lane_init(&o->lane);
			if (outbound_init(o, shard, i, snapshot) < 0) {
				o->shard = NULL;
				return false;
			}
		} else if (!outbound_take(o, snapshot)) {
			return false;
		}
		deliverer->lane_count = deliverer->lane_count > i + 1 ? deliverer->lane_count : i + 1;
	}
	for (i = deliverer->site_first; i < deliverer_end(deliverer); i++) {
		struct outbound *o = &deliverer->outbound[i];
		if (o->shard && !outbound_take(o, snapshot))
			return false;
	}
	vacate(shard, snapshot);
	return true;
}

void deliverer_deinit(struct shard *shard)
{
	struct deliverer *deliverer = shard->deliverer;
	unsigned i;

	for (i = deliverer_first(deliverer); i < deliverer_end(deliverer); i = deliverer_next(deliverer, i)) {
		struct outbound *o = &deliverer->outbound[i];
		if (o->shard && o->mx)
			outbound_site_deinit(o);
		else if (o->shard)
			outbound_deinit(o);
	}
	notify_deinit(shard);
	tls_clerk_deinit(shard);
	pool_deinit(&deliverer->connections);
	pool_deinit(&deliverer->attempts);
	pool_deinit(&deliverer->output_buffers);
	free(deliverer->dead_sources);
	if (deliverer->outbound)
		munmap(deliverer->outbound, lanes_octets(shard->plan));
}
