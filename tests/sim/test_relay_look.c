/*
 * tests/sim/test_relay_look.c - somebody lists the queue page by page, at random times, while mail comes, is put off
 * and goes: each message that is there from the first page to the last comes exactly once, and none twice. Before that
 * all are counted, each once for each destination, however many deliveries it has there.
 *
 * Visits are begun as core/control/inquiry.c does, which is not linked: what it says to a visit is said here.
 */
#include <stdio.h>
#include <string.h>

#include "core/control/look.h"
#include "core/route/plan.h"
#include "core/shard/shard.h"
#include "core/store/intake.h"
#include "core/store/store.h"
#include "tests/sim/test_relay.h"

enum { IDS = 4096, LIST_STEPS = 60, PAGE_S = 300 };

struct listed {
	struct spool_id ids[IDS];
	unsigned count;
};

static struct rig *listing; /* NULL: nobody lists */
static struct look look;
static struct look_question question;
static struct listed begun, found;
static unsigned shard_at, pages, lists, most_begun;
static bool page_out, closing;
static _Alignas(16) uint8_t room[4096];

void *inquiry_question(const struct inquiry_part *part)
{
	return &question;
}

bool inquiry_wanted(const struct inquiry_part *part)
{
	return true;
}

static void note(struct listed *list, struct spool_id id)
{
	if (list->count < IDS)
		list->ids[list->count++] = id;
}

static unsigned times(const struct listed *list, const struct spool_id *id)
{
	unsigned n = 0;

	for (unsigned i = 0; i < list->count; i++)
		n += memcmp(&list->ids[i], id, sizeof(*id)) == 0;
	return n;
}

/* What is queued, and stands in a lane: what is on its way here is not meant. */
static void note_mail(void *context, struct mail *m)
{
	struct delivery *d = mail_next(m, NULL);

	if (d && d->place != DELIVERY_NONE)
		note(context, m->item.id);
}

static void on_over(struct visit *visit)
{
	/* On the shard's thread; it is read outside, but where nobody will. */
	page_out = false;
	if (closing) {
		look_release(&look.part);
		memset(&look, 0, sizeof(look));
	}
}

/* ---- counting ------------------------------------------------------------------------------------------------ */

enum { DESTINATIONS = 64 };
static unsigned expected[DESTINATIONS + 1];

/* As look.h says: once for each destination that it has, whatever it has there; the last is of none. */
static void expect(void *context, struct mail *m)
{
	const struct shard *shard = context;
	bool has[DESTINATIONS + 1] = {false};
	struct delivery *d = mail_next(m, NULL);

	if (m->item.message.segment == 0 ||
	    (d == &m->first && d->place == DELIVERY_NONE && d->next_place == DELIVERY_NONE && !list_linked(&d->link)))
		return;
	has[DESTINATIONS] = !d;
	for (; d; d = mail_next(m, d)) {
		unsigned lane = d->home > 0 ? d->home - 1u : d->lane;
		int destination = lane < shard->plan->lane_room ? shard->plan->lanes[lane].destination : -1;
		has[destination >= 0 && destination < DESTINATIONS ? destination : DESTINATIONS] = true;
	}
	for (unsigned i = 0; i <= DESTINATIONS; i++)
		expected[i] += has[i];
}

static void count_all(struct rig *rig, unsigned of)
{
	struct shard *shard = rig->shards[of].shard;

	memset(expected, 0, sizeof(expected));
	store_mails(shard, expect, shard);
	question = (struct look_question){.want = LOOK_COUNT, .until_ns = UINT64_MAX};
	memset(&look, 0, sizeof(look));
	world_engine_enter();
	while (look_step(shard, &look.part.visit, UINT64_MAX) != VISIT_DONE)
		;
	world_engine_leave();
	for (size_t i = 0; look.counts && i < look.count_count; i++) {
		size_t slot = i + 1 == look.count_count ? DESTINATIONS : i;
		if (slot > DESTINATIONS || (slot == DESTINATIONS && slot == i))
			continue;
		if (look.counts[i].messages != expected[slot])
			rig_fail(rig, "of destination %zu are counted %u messages, and there are %u", i,
				 (unsigned)look.counts[i].messages, expected[slot]);
	}
	world_engine_enter();
	look_release(&look.part);
	world_engine_leave();
	memset(&look, 0, sizeof(look));
}

static void begin_page(struct rig *rig, uint64_t place)
{
	struct visits *visits = &rig->shards[shard_at].shard->visits;

	question.place = place;
	question.limit = 1 + (unsigned)world_below(4);
	question.want = LOOK_ROWS;
	/* Some of the rows fit, or all, or none. */
	question.room = room;
	question.room_size = world_below(sizeof(room));
	question.until_ns = UINT64_MAX;
	memset(&look, 0, sizeof(look));
	look.part.visit.fn = look_step;
	look.part.visit.over = on_over;
	page_out = true;
	pages++;
	(void)visit_begin(visits, &look.part.visit);
	rig_wake(rig);
}

static void begin_list(struct rig *rig)
{
	begun.count = found.count = 0;
	for (unsigned i = 0; i < rig->shard_count && !rig_broken(rig); i++)
		count_all(rig, i);
	shard_at = 0;
	listing = rig;
	store_mails(rig->shards[0].shard, note_mail, &begun);
	begin_page(rig, 0);
}

/* Of the shard that was listed to its end. */
static void judge(struct rig *rig)
{
	static struct listed now;

	now.count = 0;
	store_mails(rig->shards[shard_at].shard, note_mail, &now);
	if (begun.count > most_begun)
		most_begun = begun.count;
	for (unsigned i = 0; i < begun.count; i++) {
		if (times(&now, &begun.ids[i]) && times(&found, &begun.ids[i]) != 1)
			rig_fail(rig, "a message that was there all the time came %u times",
				 times(&found, &begun.ids[i]));
	}
	for (unsigned i = 0; i < found.count; i++) {
		if (times(&found, &found.ids[i]) > 1)
			rig_fail(rig, "a message came twice");
	}
}

static void release(void)
{
	world_engine_enter();
	look_release(&look.part);
	world_engine_leave();
	memset(&look, 0, sizeof(look));
}

static void take_page(struct rig *rig)
{
	uint64_t place = look.place;

	for (const struct look_row *row = look.rows; row; row = row->next) {
		note(&found, delivery_part_id(row->id, row->part));
		if (row->error || row->envelope_length == 0 || row->state_length == 0)
			rig_fail(rig, "a row without envelope or state");
	}
	if (look.left_out)
		rig_fail(rig, "%u messages were left out", (unsigned)look.left_out);
	release();
	if (place != 0) {
		begin_page(rig, place);
		return;
	}
	judge(rig);
	lists++;
	found.count = begun.count = 0;
	listing = NULL;
	if (++shard_at == rig->shard_count)
		return;
	listing = rig;
	store_mails(rig->shards[shard_at].shard, note_mail, &begun);
	begin_page(rig, 0);
}

static bool page_is_back(void *context)
{
	return !page_out;
}

static void end_list(struct rig *rig)
{
	while (listing) {
		if (rig_run(rig, page_is_back, PAGE_S * CLOCK_NS_PER_S) != WORLD_DONE) {
			rig_fail(rig, "a page is not answered");
			return;
		}
		take_page(rig);
	}
}

static void look_one(uint64_t seed, unsigned shards)
{
	static struct rig rig;
	struct rig_options options = {.scenario = "look",
				      .seed = seed,
				      .clients = 3,
				      .messages = 40,
				      .messages_per_connection = 5,
				      .content_min = 100,
				      .content_max = 3000,
				      .recipients_max = 4,
				      .connections = 2,
				      .in_flight = 8,
				      .plain = true,
				      /* So that recipients of one message go on by themselves. */
				      .each = 1,
				      .hop = {.pipelining = true, .rcpt_deferred = 400000}};

	rig_open(&rig, &options);
	listing = NULL;
	page_out = closing = false;
	if (!rig_begin(&rig, shards)) {
		rig_close(&rig);
		return;
	}
	rig_clients(&rig);
	for (unsigned step = 0; step < LIST_STEPS && !rig_broken(&rig); step++) {
		if (rig_clients_done(&rig)) {
			rig_clients_free(&rig);
			rig_clients(&rig);
		}
		world_reach((uint16_t)(RIG_HOP_PORT + world_below(RIG_HOPS)),
			    world_below(3) ? WORLD_REFUSE : WORLD_OPEN);
		(void)rig_run(&rig, NULL, (1 + world_below(world_below(3) ? 40 : 20000)) * CLOCK_NS_PER_MS);
		if (!listing)
			begin_list(&rig);
		else if (!page_out)
			take_page(&rig);
	}
	if (world_below(2))
		end_list(&rig);
	/* Else it ends while a page is under way. */
	closing = true;
	if (!page_out)
		release();
	rig_finish(&rig, shards);
	if (page_out)
		rig_fail(&rig, "a shard ended, and has not given back a visit");
	rig_close(&rig);
}

void scenario_look(uint64_t seed)
{
	look_one(seed, 1 + (unsigned)(seed % 3));
}
