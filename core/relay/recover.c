/*
 * core/relay/recover.c - see recover.h.
 */
#include "core/relay/recover.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/disk.h"
#include "core/base/disk_kind.h"
#include "core/config/config.h"
#include "core/relay/reload.h"
#include "core/route/plan.h"
#include "core/route/route.h"
#include "core/shard/shard.h"
#include "core/store/intake.h"
#include "core/store/store.h"
#include "queue/envelope.h"
#include "queue/hash.h"
#include "queue/spool.h"
#include "queue/state.h"

/* Recipients of a message that must change their spool, for one shard. */
struct mover {
	struct spool_live live; /* with envelope, state and the list of parts copied */
	struct spool *from;
	struct shard *from_shard; /* NULL: its spool goes away */
	unsigned to;
	size_t number; /* as they came */
};

struct walk {
	struct relay *relay;
	struct recovery *recovery;
	struct log *log;
	struct shard *shard; /* whose spool is read; NULL: a spool without a shard */
	struct spool *orphan;
	struct mover *movers;
	size_t count, capacity;
	struct divided {
		struct shard *shard;
		struct mail *mail;
	} * divided; /* messages that leave some of their recipients to other shards */
	size_t divided_count, divided_capacity;
	struct envelope_report *reported; /* what reports that were found speak of; each with its copy of the octets */
	size_t reported_count, reported_capacity;
	int error;
};

static void log_held(struct walk *walk, const struct spool_live *live, const char *why)
{
	char id[MESSAGE_ID_TEXT];
	struct log_event e;

	walk->recovery->held++;
	message_id_text(delivery_message_id(live->item.id), id);
	log_begin_at(&e, walk->log, LOG_LEVEL_ERROR, "held");
	log_string(&e, "id", id, sizeof(id));
	log_text(&e, "reason", why);
	log_end(&e);
}

/* Why it can only be held, or NULL. */
static const char *unreadable(const struct spool_live *live, struct envelope *envelope, struct queue_state *state)
{
	int r = envelope_decode(live->envelope, live->envelope_length, envelope);

	if (r == 0 && live->state)
		r = queue_state_decode(live->state, live->state_length, live->state_wall_ns, state);
	if (r == -ENOTSUP)
		return "a newer version of postrider wrote something about it that must be understood";
	if (r < 0)
		return "its envelope or its state in the spool cannot be read";
	return live->state && state->recipients != envelope->recipients ? "its state in the spool is not its own"
									: NULL;
}

/* ---- whose recipients --------------------------------------------------------------------------------------- */

/* A lane of the destination that `shard` owns if there is one, so that the message can stay where it is. */
static unsigned lane_of(const struct relay *relay, int destination, const struct spool_live *live,
			const struct shard *shard)
{
	const struct destination_plan *plan = &relay->plan.destinations[destination];
	/* What is gone shall come back with as few connections as it had: its first lanes are taken. */
	uint64_t hash =
		relay->config->destinations[destination].gone ? 0 : queue_hash(&live->item.id, sizeof(live->item.id));
	unsigned i;

	for (i = 0; shard && i < plan->lanes; i++) {
		unsigned lane = plan->first_lane + (unsigned)((hash + i) % plan->lanes);
		if (relay->plan.lanes[lane].owner == shard->index)
			return lane;
	}
	return plan->first_lane + (unsigned)(hash % plan->lanes);
}

/* Which lane each recipient of a message belongs to now, as far as one shard is asked. */
struct router {
	const struct relay *relay;
	const struct spool_live *live;
	const struct envelope *envelope;
	const struct shard *from; /* whose spool it was found in; NULL: none's */
	unsigned asked;           /* shard; EVERY_SHARD: all */
	bool copied;              /* it is for another shard's spool: whom no destination takes is not */
	/* Copies in spools before that one: their recipients are theirs (recover.h). */
	const struct mail *before[CONFIG_SHARDS_MAX];
	unsigned before_count;
};
enum { EVERY_SHARD = CONFIG_SHARDS_MAX };

/* From 1; 0: no route asks for that client. */
static size_t client_number(const struct config *config, struct span name)
{
	for (size_t i = 0; i < config->route_count; i++) {
		size_t client = config->routes[i].client;
		const char *known = client > 0 ? config->clients[client - 1].name : NULL;

		if (known && strlen(known) == name.length && memcmp(known, name.data, name.length) == 0)
			return client;
	}
	return 0;
}

/* The destination it was accepted for; where the configuration no longer has it, the one it is routed to now. -1: none,
 * or it would be refused now: what was accepted is kept. By which listener it came, and what size was announced, is not
 * known any more. */
static int destination_of(const struct router *router, const struct envelope_recipient *recipient)
{
	const struct config *config = router->relay->config;
	struct span name = envelope_destination(router->envelope, recipient->destination);
	int destination = route_destination(config, name.data, name.length);
	const struct route_question question = {
		.recipient = recipient->address,
		.sender = router->envelope->sender,
		.client = client_number(config, router->envelope->client),
	};
	const struct config_route *route;

	if (destination >= 0)
		return destination;
	route = route_find(config, &question);
	return route && !route->refuse ? (int)route->destination : -1;
}

static void find_before(struct router *router)
{
	const struct relay *relay = router->relay;
	unsigned end = router->from ? router->from->index : relay->shard_count;

	for (unsigned i = 0; i < end; i++) {
		const struct mail *mail = store_find(relay->shards[i], &router->live->item.id);
		if (mail)
			router->before[router->before_count++] = mail;
	}
}

static bool had_before(const struct router *router, unsigned number)
{
	for (unsigned i = 0; i < router->before_count; i++) {
		if (mail_had(router->before[i], number))
			return true;
	}
	return false;
}

static unsigned route_lane(const void *context, const struct envelope_recipient *recipient)
{
	const struct router *router = context;
	int destination;
	unsigned lane;

	if (had_before(router, recipient->number))
		return MAIL_ELSEWHERE;
	destination = destination_of(router, recipient);
	if (destination < 0)
		return router->copied ? MAIL_ELSEWHERE : MAIL_NO_LANE;
	lane = lane_of(router->relay, destination, router->live, router->from);
	return router->asked == EVERY_SHARD || router->relay->plan.lanes[lane].owner == router->asked
		       ? lane
		       : (unsigned)MAIL_ELSEWHERE;
}

/* Who must have the message: shards in `owners`, and its spool where somebody has no destination (`stuck`). */
struct wanted {
	uint64_t owners;
	bool stuck, gone; /* gone: the place of a destination that is gone is all there is */
};
static_assert(CONFIG_SHARDS_MAX <= 64, "a bit for each shard");

static void want(struct wanted *wanted, const struct router *router, const struct envelope_recipient *recipient)
{
	unsigned lane = route_lane(router, recipient);

	if (lane == MAIL_ELSEWHERE)
		return;
	if (lane == MAIL_NO_LANE) {
		wanted->stuck = true;
		return;
	}
	wanted->owners |= UINT64_C(1) << router->relay->plan.lanes[lane].owner;
	wanted->gone |= router->relay->config->destinations[router->relay->plan.lanes[lane].destination].gone;
}

static bool owes(const struct state_fate *fate)
{
	return !(fate->marks & STATE_MARK_TOLD) &&
	       (fate->status == RECIPIENT_FAILED ||
		(fate->status == RECIPIENT_DELIVERED && fate->marks & STATE_MARK_OWED));
}

/* By those who are pending, or of whose end somebody is still to hear. */
static struct wanted wanted_by(const struct router *router, const struct queue_state *state)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	struct state_cursor fates;
	struct state_fate fate = {0};
	struct wanted wanted = {0};
	unsigned number, left = 0;

	if (state)
		state_first(state, &fates);
	envelope_first(router->envelope, &cursor);
	while (envelope_next(&cursor, &recipient)) {
		if (state && left == 0 && (!state_next(&fates, &number, &left) || !state_fate(state, number, &fate)))
			assert(!"queue_state_decode() checked the map");
		left -= state != NULL;
		if (fate.status == RECIPIENT_PENDING || owes(&fate))
			want(&wanted, router, &recipient);
	}
	return wanted;
}

/* Whom no destination takes waits for the name of his own, should a reload bring it back. */
static void wait_for_names(struct relay *relay, const struct router *router)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;

	envelope_first(router->envelope, &cursor);
	while (envelope_next(&cursor, &recipient)) {
		struct span name = envelope_destination(router->envelope, recipient.destination);
		if (name.length > 0 && destination_of(router, &recipient) < 0)
			(void)reload_add_gone(relay, name.data, name.length);
	}
}

/* ---- what is found -------------------------------------------------------------------------------------------- */

static void *copy(const void *data, size_t length)
{
	void *out = length ? malloc(length) : NULL;

	if (out)
		memcpy(out, data, length);
	return out;
}

static int remember_mover(struct walk *walk, const struct spool_live *live, unsigned to)
{
	size_t parts = live->item.part_count * sizeof(struct spool_ref);
	struct mover *mover;

	if (walk->count == walk->capacity) {
		size_t capacity = walk->capacity ? 2 * walk->capacity : 256;
		struct mover *movers = realloc(walk->movers, capacity * sizeof(*movers));
		if (!movers)
			return -ENOMEM;
		walk->movers = movers;
		walk->capacity = capacity;
	}
	mover = &walk->movers[walk->count];
	mover->live = *live;
	mover->live.envelope = copy(live->envelope, live->envelope_length);
	mover->live.state = live->state ? copy(live->state, live->state_length) : NULL;
	mover->live.item.parts = copy(live->item.parts, parts);
	mover->from = walk->orphan;
	mover->from_shard = walk->shard;
	mover->to = to;
	mover->number = walk->count;
	walk->count++;
	if (!mover->live.envelope || (live->state && !mover->live.state) || (parts && !mover->live.item.parts))
		return -ENOMEM;
	return 0;
}

static int remember_divided(struct walk *walk, struct mail *mail)
{
	if (walk->divided_count == walk->divided_capacity) {
		size_t capacity = walk->divided_capacity ? 2 * walk->divided_capacity : 64;
		struct divided *divided = realloc(walk->divided, capacity * sizeof(*divided));
		if (!divided)
			return -ENOMEM;
		walk->divided = divided;
		walk->divided_capacity = capacity;
	}
	walk->divided[walk->divided_count++] = (struct divided){walk->shard, mail};
	return 0;
}

/* It may have been found before what it is about, or after that. */
static int remember_reported(struct walk *walk, const struct envelope *envelope)
{
	struct envelope_report report;

	for (unsigned i = 0; envelope_report(envelope, i, &report); i++) {
		if (walk->reported_count == walk->reported_capacity) {
			size_t capacity = walk->reported_capacity ? 2 * walk->reported_capacity : 64;
			struct envelope_report *grown = realloc(walk->reported, capacity * sizeof(*grown));
			if (!grown)
				return -ENOMEM;
			walk->reported = grown;
			walk->reported_capacity = capacity;
		}
		report.recipients.data = copy(report.recipients.data, report.recipients.length);
		if (report.recipients.length && !report.recipients.data)
			return -ENOMEM;
		walk->reported[walk->reported_count++] = report;
	}
	return 0;
}

/* What stays in the spool it was found in: recipients of this shard's lanes, those whom no destination takes; or
 * nobody, then the record ends as soon as the shard runs. */
static int stay(struct walk *walk, const struct router *all, const struct wanted *wanted, bool readable)
{
	const struct spool_live *live = all->live;
	struct router router = *all;
	struct mail *mail;
	int r;

	if (!walk->shard) {
		free(live->item.parts);
		return wanted->stuck ? -ENOTSUP : 0; /* its spool may not be removed */
	}
	if (!readable)
		return store_keep(walk->shard, live);
	router.asked = walk->shard->index;
	r = store_adopt(walk->shard, live, route_lane, &router, &mail);
	return r == 0 && mail->leaving ? remember_divided(walk, mail) : r;
}

static void on_live(void *context, const struct spool_live *live)
{
	struct walk *walk = context;
	struct envelope envelope;
	struct queue_state state;
	const char *why = unreadable(live, &envelope, &state);
	struct router router = {
		.relay = walk->relay, .live = live, .envelope = &envelope, .from = walk->shard, .asked = EVERY_SHARD};
	struct wanted wanted = {.stuck = true};
	unsigned i;
	int r = 0;

	walk->recovery->live++;
	if (walk->error)
		return;
	find_before(&router);
	if (!why) {
		r = remember_reported(walk, &envelope);
		wanted = wanted_by(&router, live->state ? &state : NULL);
	}
	if (!why && wanted.stuck) {
		wait_for_names(walk->relay, &router);
		wanted = wanted_by(&router, live->state ? &state : NULL);
	}
	if (wanted.stuck || wanted.gone)
		log_held(walk, live, why ? why : "no destination in the configuration takes it");
	for (i = 0; i < walk->relay->shard_count && r == 0; i++) {
		if (wanted.owners >> i & 1 && !(walk->shard && walk->shard->index == i))
			r = remember_mover(walk, live, i);
	}
	if (r == 0)
		r = stay(walk, &router, &wanted, !why);
	if (r < 0)
		walk->error = r;
}

static void report_fields(struct log_event *e, unsigned index, const struct spool_report *report)
{
	log_number(e, "spool", index);
	log_number(e, "segments", report->segments);
	log_number(e, "records", report->records);
	log_number(e, "live", report->live);
	log_number(e, "damaged_batches", report->damaged_batches);
	log_number(e, "damaged_records", report->damaged_records);
	log_number(e, "torn_octets", report->torn_octets);
}

static void log_spool(struct walk *walk, unsigned index, const struct spool_report *report)
{
	struct log_event e;

	walk->recovery->spools++;
	walk->recovery->damaged_records += report->damaged_records + report->damaged_batches;
	if (report->problem[0]) {
		log_begin_at(&e, walk->log, LOG_LEVEL_ERROR, "spool_damaged");
		report_fields(&e, index, report);
		log_text(&e, "problem", report->problem);
		log_end(&e);
		return;
	}
	log_begin(&e, walk->log, "spool");
	report_fields(&e, index, report);
	log_end(&e);
}

static void log_kind(struct log *log, const char *directory)
{
	const char *problem = disk_kind_unsafe(directory);
	struct log_event e;

	if (!problem)
		return;
	log_begin_at(&e, log, LOG_LEVEL_WARNING, "spool_unsafe");
	log_text(&e, "directory", directory);
	log_text(&e, "problem", problem);
	log_end(&e);
}

static int open_spool(struct walk *walk, unsigned index, int directory, struct spool **out)
{
	struct spool_settings settings;
	struct spool_report report = {0};
	int r;

	store_spool_settings(walk->relay->config, index, walk->relay->shard_count, &settings);
	settings.directory = directory;
	r = spool_open(out, &settings, on_live, walk, &report);
	if (r < 0) {
		if (!walk->shard && *out) {
			spool_close(*out);
			*out = NULL;
		}
		snprintf(walk->recovery->problem, sizeof(walk->recovery->problem),
			 "the spool shard-%03u cannot be opened: %s", index,
			 report.problem[0] ? report.problem : strerror(-r));
		return r;
	}
	log_spool(walk, index, &report);
	return walk->error;
}

/* ---- a changed number of shards ------------------------------------------------------------------------------- */

/* A message in the spool of a shard. */
struct known {
	struct spool_id id;
	unsigned shard;
	struct mail *mail;
};

/* As they came, which is how the next start tells them: what lies in another order is read in small pieces. */
static int order_ids(const struct spool_id *a, const struct spool_id *b)
{
	return a->high != b->high ? (a->high < b->high ? -1 : 1) : a->low < b->low ? -1 : a->low > b->low;
}

static int compare_ids(const struct spool_id *a, unsigned a_shard, const struct spool_id *b, unsigned b_shard)
{
	int order = order_ids(a, b);

	return order ? order : a_shard < b_shard ? -1 : a_shard > b_shard;
}

static int compare_known(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return compare_ids(&x->id, x->shard, &y->id, y->shard);
}

static int compare_movers(const void *a, const void *b)
{
	const struct mover *x = a, *y = b;
	int order = compare_ids(&x->live.item.id, x->to, &y->live.item.id, y->to);

	return order ? order : x->number < y->number ? -1 : x->number > y->number;
}

struct collection {
	struct known *list;
	size_t count;
	unsigned shard;
};

static void collect(void *context, struct mail *m)
{
	struct collection *all = context;

	if (m->recipients > 0)
		all->list[all->count++] = (struct known){m->item.id, all->shard, m};
}

/* Every message that is in its right spool already, sorted. */
static int collect_known(const struct relay *relay, struct collection *all)
{
	size_t n = 0;

	*all = (struct collection){0};
	for (unsigned i = 0; i < relay->shard_count; i++)
		n += relay->shards[i]->store->mails.in_use;
	all->list = malloc((n + 1) * sizeof(*all->list));
	if (!all->list)
		return -ENOMEM;
	for (all->shard = 0; all->shard < relay->shard_count; all->shard++)
		store_mails(relay->shards[all->shard], collect, all);
	assert(all->count <= n);
	qsort(all->list, all->count, sizeof(*all->list), compare_known);
	return 0;
}

/* Into the spool of the shard it is for; *known is the message there if it has been found before, and afterwards. */
static int move_one(struct walk *walk, struct mover *mover, struct mail **known)
{
	struct shard *to = walk->relay->shards[mover->to];
	struct spool *from = mover->from_shard ? mover->from_shard->store->spool : mover->from;
	struct spool_live *live = &mover->live;
	struct envelope envelope;
	struct router router = {.relay = walk->relay,
				.live = live,
				.envelope = &envelope,
				.from = mover->from_shard,
				.asked = mover->to,
				.copied = true};
	int r = envelope_decode(live->envelope, live->envelope_length, &envelope);

	assert(r == 0); /* it was read before */
	find_before(&router);
	if (*known) {
		r = store_merge(to, *known, live, route_lane, &router);
	} else {
		r = spool_import(to->store->spool, from, &live->item);
		live->spool = to->store->spool;
		if (r == 0)
			r = store_adopt(to, live, route_lane, &router, known);
		if (r == 0) {
			live->item.parts = NULL;
			(*known)->leaving = false; /* the original still has them */
		}
		walk->recovery->moved++;
	}
	return r == 0 && (*known)->dirty ? store_note(to, *known) : r;
}

/* Those of one message for one shard stand one behind the other. */
static int move_each(struct walk *walk, const struct collection *all)
{
	const struct mover *before = NULL;
	struct mail *known = NULL;
	int r = 0;

	for (size_t m = 0; m < walk->count && r == 0; m++) {
		struct mover *mover = &walk->movers[m];
		struct known key = {.id = mover->live.item.id, .shard = mover->to};
		if (!before || memcmp(&before->live.item.id, &key.id, sizeof(key.id)) != 0 || before->to != key.shard) {
			const struct known *found =
				bsearch(&key, all->list, all->count, sizeof(*all->list), compare_known);
			known = found ? found->mail : NULL;
		}
		r = move_one(walk, mover, &known);
		before = mover;
	}
	return r;
}

static int commit(const struct relay *relay)
{
	int r = 0;

	for (unsigned i = 0; i < relay->shard_count && r == 0; i++)
		r = spool_import_commit(relay->shards[i]->store->spool);
	return r;
}

/* Copies are durable before the originals say that somebody else has those recipients. An original that is a copy for
 * others at the same time says first that it has all of them. And what originals say is durable before a shard runs:
 * else a copy that has ended, or is held, would be followed by its original at a start after a crash. */
static int move_all(struct walk *walk)
{
	struct relay *relay = walk->relay;
	struct collection all;
	int r;

	if (walk->count == 0 && walk->divided_count == 0)
		return 0;
	r = collect_known(relay, &all);
	if (r < 0)
		return r;
	if (walk->count > 0)
		qsort(walk->movers, walk->count, sizeof(*walk->movers), compare_movers);
	r = move_each(walk, &all);
	if (r == 0)
		r = commit(relay);
	for (size_t i = 0; i < walk->divided_count && r == 0; i++)
		r = store_leave(walk->divided[i].shard, walk->divided[i].mail);
	if (r == 0 && walk->divided_count > 0)
		r = commit(relay);
	free(all.list);
	return r;
}

/* ---- reports -------------------------------------------------------------------------------------------------- */

/* All shards' copies of the message. */
static int mark_reported(struct relay *relay, const struct envelope_report *report)
{
	const struct spool_id id = {report->high, report->low};

	for (unsigned i = 0; i < relay->shard_count; i++) {
		struct shard *shard = relay->shards[i];
		struct mail *mail = (struct mail *)(uintptr_t)store_find(shard, &id);
		int r = mail ? store_reported(shard, mail, report) : 0;
		if (r < 0 && r != -ENOSPC)
			return r;
	}
	return 0;
}

/*
 * A report is durable before what it is about says that somebody was told, and goes nowhere before that (notify.h). So
 * one that is found speaks for what says nothing yet, and that is durable before the report can leave. On a full disk
 * it is not, which a second crash would show: that is no reason not to start.
 */
static int mark_all_reported(struct walk *walk)
{
	int r = 0;

	for (size_t i = 0; i < walk->reported_count && r == 0; i++)
		r = mark_reported(walk->relay, &walk->reported[i]);
	if (r == 0 && walk->reported_count > 0)
		r = commit(walk->relay);
	return r == -ENOSPC ? 0 : r;
}

/* ---- the spool directory ------------------------------------------------------------------------------------ */

struct orphans {
	unsigned shard_count, count;
	unsigned index[999];
	struct spool *spools[999];
	int directories[999];
};

static void find_orphan(void *context, const char *name)
{
	struct orphans *orphans = context;
	unsigned index;
	char rest;

	if (sscanf(name, "shard-%3u%c", &index, &rest) == 1 && index >= orphans->shard_count &&
	    orphans->count < sizeof(orphans->index) / sizeof(orphans->index[0]))
		orphans->index[orphans->count++] = index;
}

static int open_all(struct walk *walk, struct orphans *orphans, int directory)
{
	struct relay *relay = walk->relay;
	char name[32];
	unsigned i;
	int r;

	for (i = 0; i < relay->shard_count; i++) {
		int d;
		snprintf(name, sizeof(name), "shard-%03u", i);
		d = disk_subdirectory_open(directory, name, true);
		if (d < 0)
			return d;
		walk->recovery->spool_directories[walk->recovery->spool_count++] = d;
		walk->shard = relay->shards[i];
		r = open_spool(walk, i, d, &relay->shards[i]->store->spool);
		if (r < 0)
			return r;
	}
	walk->shard = NULL;
	for (i = 0; i < orphans->count; i++) {
		snprintf(name, sizeof(name), "shard-%03u", orphans->index[i]);
		orphans->directories[i] = disk_subdirectory_open(directory, name, false);
		if (orphans->directories[i] < 0)
			return orphans->directories[i];
		size_t before = walk->count;
		r = open_spool(walk, orphans->index[i], orphans->directories[i], &orphans->spools[i]);
		for (; before < walk->count; before++)
			walk->movers[before].from = orphans->spools[i];
		if (r < 0)
			return r;
	}
	return 0;
}

static int remove_orphans(struct orphans *orphans, int directory)
{
	char name[32];
	unsigned i;
	int r = 0;

	for (i = 0; i < orphans->count && r == 0; i++) {
		snprintf(name, sizeof(name), "shard-%03u", orphans->index[i]);
		r = spool_destroy(orphans->spools[i]);
		orphans->spools[i] = NULL;
		disk_close(orphans->directories[i]);
		/* Files that are not ours to remove (what was set aside as damaged) keep their directory. */
		if (r == 0)
			(void)disk_remove_directory(directory, name);
	}
	return r;
}

static int recover(struct walk *walk, int directory)
{
	struct orphans *orphans = calloc(1, sizeof(*orphans));
	size_t m;
	int r;

	if (!orphans)
		return -ENOMEM;
	walk->recovery->spool_directories = calloc(walk->relay->shard_count, sizeof(int));
	if (!walk->recovery->spool_directories) {
		free(orphans);
		return -ENOMEM;
	}
	orphans->shard_count = walk->relay->shard_count;
	r = disk_list(directory, find_orphan, orphans);
	if (r == 0)
		r = open_all(walk, orphans, directory);
	if (r == 0)
		r = move_all(walk);
	if (r == 0)
		r = mark_all_reported(walk);
	if (r == 0)
		reload_trim_gone(walk->relay);
	if (r == 0)
		r = remove_orphans(orphans, directory);
	for (m = 0; m < walk->count; m++) {
		free((void *)(uintptr_t)walk->movers[m].live.envelope);
		free((void *)(uintptr_t)walk->movers[m].live.state);
		free(walk->movers[m].live.item.parts);
	}
	for (m = 0; m < walk->reported_count; m++)
		free((void *)(uintptr_t)walk->reported[m].recipients.data);
	free(walk->reported);
	free(walk->movers);
	free(walk->divided);
	free(orphans);
	return r;
}

int relay_recover(struct relay *relay, struct log *log, struct recovery *recovery)
{
	const char *path = relay->config->spool.directory;
	struct walk walk = {.relay = relay, .recovery = recovery, .log = log};
	int r;

	memset(recovery, 0, sizeof(*recovery));
	recovery->lock = -1;
	recovery->directory = disk_directory_open(path, true);
	if (recovery->directory < 0) {
		snprintf(recovery->problem, sizeof(recovery->problem), "the spool directory %s cannot be opened: %s",
			 path, strerror(-recovery->directory));
		return recovery->directory;
	}
	recovery->lock = disk_lock(recovery->directory);
	if (recovery->lock < 0) {
		if (recovery->lock == -EWOULDBLOCK)
			snprintf(recovery->problem, sizeof(recovery->problem),
				 "the spool directory %s is in use by another postrider: stop that one, or give this "
				 "one a directory of its own (spool.directory)",
				 path);
		else
			snprintf(recovery->problem, sizeof(recovery->problem),
				 "the spool directory %s cannot be locked: %s", path, strerror(-recovery->lock));
		return recovery->lock;
	}
	log_kind(log, path);
	r = recover(&walk, recovery->directory);
	if (r < 0 && !recovery->problem[0])
		snprintf(recovery->problem, sizeof(recovery->problem), "the spool in %s cannot be recovered: %s%s",
			 path, strerror(-r),
			 r == -ENOTSUP
				 ? " (a spool of a shard that is no more holds mail that cannot be moved, see event "
				   "held; run with the former number of shards, or add the destination again)"
				 : "");
	return r;
}

void relay_recover_release(struct recovery *recovery)
{
	while (recovery->spool_count > 0)
		disk_close(recovery->spool_directories[--recovery->spool_count]);
	free(recovery->spool_directories);
	recovery->spool_directories = NULL;
	if (recovery->lock >= 0)
		disk_close(recovery->lock);
	if (recovery->directory >= 0)
		disk_close(recovery->directory);
}
