/*
 * tests/sim/test_relay_damage.c - a disk that gives back something else than was written. That is the relay's fault:
 * the messages are held, no host is blamed for it, and all others go their way (SYS-03).
 */
#include <stdio.h>

#include "core/deliver/deliverer.h"
#include "core/deliver/outbound.h"
#include "core/store/store.h"
#include "queue/spool_private.h"
#include "tests/sim/test_relay.h"

enum { HOUR_S = 3600, DAMAGED_MAX = 3 };

/* What was damaged, to be mended later. */
static struct {
	char path[64];
	uint64_t bit;
} damage[DAMAGED_MAX];

static void flip(unsigned i)
{
	world_file_flip(damage[i].path, damage[i].bit);
}

struct rotting {
	const struct spool *spool;
	unsigned shard, count;
	bool whole;
};

static void rot_one(void *context, struct mail *m)
{
	struct rotting *r = context;
	const struct spool_ref *ref = &m->item.message;

	if (r->count == DAMAGED_MAX || m->first.place == DELIVERY_NONE)
		return;
	if (m->item.part_count > 0)
		ref = &m->item.parts[r->count % m->item.part_count];
	else if (r->whole)
		return;
	r->whole = r->whole || m->item.part_count == 0;
	snprintf(damage[r->count].path, sizeof(damage[r->count].path), "/spool/shard-%03u/%010u.seg", r->shard,
		 spool_segment_find(r->spool, ref->segment)->slot);
	damage[r->count].bit = 8 * ((uint64_t)ref->offset + ref->length / 2);
	r->count++;
}

/* A bit of each of the first messages that have parts, and of one that has none. Returns how many messages. */
static unsigned rot(struct rig *rig)
{
	struct rotting rotting = {0};

	for (rotting.shard = 0; rotting.shard < rig->shard_count; rotting.shard++) {
		const struct shard *shard = rig->shards[rotting.shard].shard;
		rotting.spool = shard->store->spool;
		store_mails(shard, rot_one, &rotting);
	}
	return rotting.count;
}

static void check_hosts(struct rig *rig)
{
	for (unsigned i = 0; i < rig->shard_count; i++) {
		const struct shard *shard = rig->shards[i].shard;
		for (unsigned l = 0; l < rig->relay.plan.lane_count; l++) {
			if (shard->deliverer->outbound[l].shard && shard->deliverer->outbound[l].failures_seen > 0)
				rig_fail(rig, "a host is blamed for a damaged record");
		}
	}
}

/* The next hops refuse every second message, which may be while a part of it is being read. */
static void refuse_for_a_while(struct rig *rig)
{
	for (unsigned i = 0; i < RIG_HOPS; i++)
		actor_nexthop_config(rig->hops[i])->mail_deferred = 500000;
	(void)rig_run(rig, NULL, 20 * 60 * CLOCK_NS_PER_S);
	rig_heal(rig);
}

/* Damages some of what waits, and opens the next hops. Returns how many messages. */
static unsigned begin(struct rig *rig, const struct rig_options *options)
{
	unsigned count;

	rig_open(rig, options);
	rig_reach(WORLD_REFUSE);
	rig_begin(rig, 2);
	rig_clients(rig);
	(void)rig_run(rig, rig_clients_done, HOUR_S * CLOCK_NS_PER_S);
	/* What was written lately is still in memory: a new process reads it from the disk. */
	(void)rig_stop(rig);
	rig_begin(rig, 2);
	count = rot(rig);
	if (count < DAMAGED_MAX)
		rig_fail(rig, "only %u messages to damage", count);
	for (unsigned i = 0; i < count; i++)
		flip(i);
	rig_heal(rig);
	return count;
}

static void damage_and_mend(uint64_t seed, const char *scenario, bool refused)
{
	struct rig_options options = {
		.scenario = scenario,
		.seed = seed,
		.quiet = true,
		.clients = 3,
		.messages = 12,
		.recipients_max = 1,
		.content_min = 1000,
		.content_max = 1500000,
		.memory_mib = 16,
		.retry = "{ first: 30s, factor: 2, max: 10m, expire: 2h }",
		.hop = {.pipelining = refused || seed % 4 > 0, .chunking = refused || seed % 4 > 1},
	};
	uint64_t left = 0;
	unsigned count;
	struct rig rig;

	count = begin(&rig, &options);
	if (refused)
		refuse_for_a_while(&rig);
	for (unsigned s = 0; s < 3 * HOUR_S; s += 60) {
		(void)rig_run(&rig, NULL, 60 * CLOCK_NS_PER_S);
		left = rig_queued(&rig);
		if (s == 0 && !refused && left != count)
			rig_fail(&rig, "a minute later %llu are queued, of which %u are damaged",
				 (unsigned long long)left, count);
	}
	check_hosts(&rig);
	if (left != count)
		rig_fail(&rig, "after three hours %llu of %u damaged messages are held", (unsigned long long)left,
			 count);
	/* It was the cable. */
	for (unsigned i = 0; i < count; i++)
		flip(i);
	if (rig_run(&rig, rig_quiet, 2 * HOUR_S * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "what can be read again is not sent");
	rig_finish(&rig, 2);
	if (rig.counts.failed)
		rig_fail(&rig, "%llu failed", (unsigned long long)rig.counts.failed);
	rig_close(&rig);
}

void scenario_damage(uint64_t seed)
{
	damage_and_mend(seed, "damage", false);
}

void scenario_damage_refused(uint64_t seed)
{
	damage_and_mend(seed, "damage-refused", true);
}
