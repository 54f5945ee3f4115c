/*
 * tests/sim/test_relay_listed.c - the list of those that are sent nothing, over crashes at any moment and any disk
 * operation: refusals feed it, who is in it is answered without an attempt, mail that waits for somebody who comes into
 * it is withheld and reported, and who is taken out of it is tried again.
 *
 * Recipients are a dozen people, some of whom no next hop knows. An operator adds and removes some of them meanwhile.
 * The list is on the machine's own disk (rig_keepers.h), so what a crash may leave there, half of a line, is put there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/agents/suppression_file.h"
#include "tests/sim/rig_keepers.h"
#include "tests/sim/test_relay.h"

enum { PEOPLE = 12, LIVES = 5, IO_MOST = 400, LIFE_S = 60, HOLD_S = 900, AGAIN_S = 5, DAY_S = 24 * 3600 };

struct town {
	struct rig rig;
	char path[200];
	uint64_t seed;
	unsigned life, shards;
	uint64_t began_ns; /* the life */
};

static unsigned pick(const struct town *t, unsigned what, unsigned bound)
{
	return (unsigned)rig_pick(t->seed, 1000 * (t->life + 1) + what, bound);
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

struct found {
	struct ledger *ledger;
	bool there[PEOPLE];
};

static void on_entry(void *context, const struct suppression_entry *entry)
{
	struct found *found = context;
	char address[128];

	for (unsigned i = 0; i < PEOPLE; i++) {
		ledger_person_address(found->ledger, i, address);
		if (entry->address.length == strlen(address) &&
		    memcmp(entry->address.data, address, entry->address.length) == 0)
			found->there[i] = true;
	}
}

/* What is on the disk now. */
static void note_list(struct town *t)
{
	struct found found = {.ledger = &t->rig.ledger};

	(void)suppression_list(t->path, on_entry, &found);
	for (unsigned i = 0; i < PEOPLE; i++) {
		struct ledger_person *person = &t->rig.ledger.people[i];
		if (!found.there[i])
			person->listed_ns = 0;
		else if (person->listed_ns == 0)
			person->listed_ns = world_now_ns();
		person->ever = person->ever || found.there[i];
	}
}

/* As `postrider suppress` does it. */
static void change(struct town *t, unsigned i, bool removed)
{
	char address[128], line[SUPPRESSION_LINE_MAX];
	struct suppression_entry entry = {
		.removed = removed, .wall_s = 1000000, .reason = SUPPRESSION_MANUAL, .address.data = address};

	ledger_person_address(&t->rig.ledger, i, address);
	entry.address.length = (uint32_t)strlen(address);
	if (suppression_append(t->path, line, suppression_format(&entry, line)) < 0)
		rig_fail(&t->rig, "the list cannot be written");
	t->rig.ledger.people[i].gone = t->rig.ledger.people[i].gone && !removed;
	note_list(t);
}

/* What a process that ends while it appends leaves. */
static void tear(struct town *t)
{
	static const char half[] = "+ 2026-11-27T21:03:44Z bounce p1-abcde";
	int fd = open(t->path, O_WRONLY | O_APPEND | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, half, pick(t, 1, sizeof(half)));
	(void)close(fd);
}

/* ---- lives ------------------------------------------------------------------------------------------------------- */

static void live(void *context)
{
	struct town *t = context;

	t->began_ns = world_now_ns();
	if (!rig_begin(&t->rig, t->shards))
		return;
	if (!t->rig.clients[0])
		rig_clients(&t->rig);
	for (unsigned s = 0; s < LIFE_S && !rig_broken(&t->rig); s++) {
		(void)rig_run(&t->rig, NULL, CLOCK_NS_PER_S);
		note_list(t);
		if (pick(t, 10 + s, 8) == 0)
			change(t, pick(t, 100 + s, PEOPLE), pick(t, 200 + s, 2));
	}
}

/* With a crash at one of its disk operations, or after all of them. */
static void live_and_die(struct town *t)
{
	enum world_crash_kind kind = pick(t, 2, 2) ? WORLD_KILL : WORLD_POWER_CUT;

	t->shards = 1 + pick(t, 3, 3);
	world_crash_at_io(world_io_count() + 1 + pick(t, 4, IO_MOST), kind);
	if (world_guard(live, t)) {
		t->rig.window += rig_window_max(&t->rig);
		rig_crashed(&t->rig);
	} else {
		world_crash_at_io(0, kind);
		rig_crash(&t->rig, kind);
	}
	note_list(t);
	if (pick(t, 5, 2))
		tear(t);
}

/* All mail has come to its end: whom a next hop did not know is in the list. */
static void check_fed(struct town *t)
{
	note_list(t);
	for (unsigned i = 0; i < PEOPLE; i++) {
		const struct ledger_person *person = &t->rig.ledger.people[i];
		if (person->refused_ns > t->began_ns && !person->listed_ns)
			rig_fail(&t->rig, "p%u was refused as unknown, and is not in the list", i);
	}
}

/* Everybody is there after all, and an operator takes all out: the next mail reaches them. */
static void check_tried_again(struct town *t)
{
	uint32_t first = t->rig.ledger.count;

	for (unsigned i = 0; i < PEOPLE; i++)
		change(t, i, true);
	rig_heal(&t->rig);
	(void)rig_run(&t->rig, NULL, AGAIN_S * CLOCK_NS_PER_S);
	rig_clients_free(&t->rig);
	rig_clients(&t->rig);
	(void)rig_run(&t->rig, rig_quiet, DAY_S * CLOCK_NS_PER_S);
	for (uint32_t n = first; n < t->rig.ledger.count; n++) {
		for (unsigned k = 0; k < t->rig.ledger.messages[n].recipient_count; k++) {
			const struct ledger_recipient *r = &t->rig.ledger.messages[n].recipients[k];
			if (r->fate != LEDGER_ACCEPTED || !r->delivered)
				rig_fail(&t->rig, "message %u recipient %u: not sent to who was taken out of the list",
					 n, k);
		}
	}
}

void scenario_listed(uint64_t seed)
{
	struct town t = {.seed = seed};
	char more[300];
	struct rig_options options = {
		.scenario = "listed",
		.seed = seed,
		.quiet = seed % 2,
		.clients = 3,
		.messages = 30,
		.recipients_max = 4,
		.content_max = seed % 3 ? 3000 : 100000,
		.people = PEOPLE,
		.relaying = "{ name: all, networks: [127.0.0.0/8], suppression: feed }",
		.more = more,
		.all_limits = ", future_release: 1d",
		.hop = {.pipelining = true, .chunking = seed % 2, .rcpt_deferred = 500000},
	};

	snprintf(t.path, sizeof(t.path), "%s/suppressed", rig_directory());
	snprintf(more, sizeof(more), "suppression: { directory: %s }", rig_directory());
	rig_open(&t.rig, &options);
	t.rig.ledger.config.hold_s = seed % 4 < 2 ? HOLD_S : 0;
	for (unsigned i = 0; i < PEOPLE; i++)
		t.rig.ledger.people[i].gone = pick(&t, 900 + i, 3) == 0;
	for (; t.life < LIVES; t.life++)
		live_and_die(&t);
	t.began_ns = world_now_ns();
	if (rig_begin(&t.rig, 1 + pick(&t, 3, 3))) {
		(void)rig_run(&t.rig, rig_quiet, DAY_S * CLOCK_NS_PER_S);
		(void)rig_run(&t.rig, NULL, AGAIN_S * CLOCK_NS_PER_S);
		check_fed(&t);
		check_tried_again(&t);
	}
	rig_finish(&t.rig, 2);
	rig_close(&t.rig);
	rig_directory_remove();
}
