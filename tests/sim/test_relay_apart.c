/*
 * tests/sim/test_relay_apart.c - each recipient of a message has its own fate.
 *
 * Next hops defer, refuse and take single recipients at random, and take few in a transaction. Nobody who was never
 * tried waits behind somebody who was, and nobody waits longer than his own attempts say.
 */
#include "core/deliver/deliverer.h"
#include "core/store/store.h"
#include "tests/sim/test_relay.h"

enum { APART_S = 20, FIRST_S = 30 };

/* A delivery that stands where it should not, after all that could be sent at once has been. */
static void check_delivery(struct rig *rig, const struct mail *m, const struct delivery *d)
{
	uint64_t longest = FIRST_S * CLOCK_NS_PER_S;

	for (unsigned i = 1; i < d->attempts; i++)
		longest *= 2;
	if (d->attempts == 0)
		rig_fail(rig, "recipients of a message with %u were never tried", m->recipients);
	else if (d->place == DELIVERY_WAITING && d->due_ns > world_now_ns() + longest * 121 / 100)
		rig_fail(rig, "after %u attempts a recipient waits for another %llu s", d->attempts,
			 (unsigned long long)((d->due_ns - world_now_ns()) / CLOCK_NS_PER_S));
}

static void check_mail(void *context, struct mail *m)
{
	const struct delivery *d = NULL;

	while ((d = mail_next(m, d)))
		check_delivery(context, m, d);
}

static void check_all(struct rig *rig)
{
	for (unsigned i = 0; i < rig->shard_count; i++)
		store_mails(rig->shards[i].shard, check_mail, rig);
}

void scenario_apart(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "apart",
		.seed = seed,
		.quiet = true,
		.clients = 3,
		.messages = 15,
		.recipients_max = LEDGER_RECIPIENTS_MAX,
		.each = 1 + (unsigned)rig_pick(seed, 1, 3),
		.content_max = seed % 4 ? 3000 : 400000,
		.retry = "{ first: 30s, factor: 2, max: 4h, expire: 5d }",
		.hop = {.pipelining = seed % 3 > 0, .chunking = seed % 3 > 1, .rcpt_deferred = 400000},
	};
	struct rig rig;

	if (rig_pick(seed, 2, 2))
		options.hop.rcpt_refused = 200000;
	rig_open(&rig, &options);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 3, 3));
	rig_clients(&rig);
	(void)rig_run(&rig, rig_clients_done, 300 * CLOCK_NS_PER_S);
	(void)rig_run(&rig, rig_quiet, APART_S * CLOCK_NS_PER_S);
	check_all(&rig);
	/* What each has behind him outlives the process. */
	for (unsigned life = 0; life < 2; life++) {
		rig_crash(&rig, rig_pick(seed, 10 + life, 2) ? WORLD_KILL : WORLD_POWER_CUT);
		rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 20 + life, 3));
		(void)rig_run(&rig, rig_quiet, APART_S * CLOCK_NS_PER_S);
		check_all(&rig);
		(void)rig_run(&rig, rig_quiet, rig_pick(seed, 30 + life, 3600) * CLOCK_NS_PER_S);
	}
	rig_finish(&rig, 2);
	rig_close(&rig);
}
