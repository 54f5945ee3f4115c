/*
 * core/control/look.c - see look.h.
 */
#include "core/control/look.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/route/plan.h"
#include "core/shard/shard.h"
#include "core/smtp/fields.h"
#include "core/store/intake.h"
#include "core/store/store.h"
#include "queue/envelope.h"
#include "queue/state.h"

const unsigned look_ages_s[LOOK_AGES - 1] = {300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 48 * 3600};

enum {
	READINGS_SPARE = 4,
	NO_DESTINATION = -2,
	/* Of envelope and state, hardly ever more: what has no room is the shard's memory, and who gives it back may
	 * have to wait for a processor while he holds what the shard needs for its own. */
	ROW_OCTETS = 4096,
	BUCKET_MOST = 64, /* items that a bucket does not have */
};
enum what { WHAT_ENVELOPE, WHAT_STATE, WHAT_HEADER };

struct look_reading {
	struct spool_view view;
	struct look *look;
	struct shard *shard;
	struct spool_id id;
	struct look_row *row; /* owned: its envelope was read */
	size_t octets;        /* that are on their way */
	enum what what;
	int result;
	bool busy, back;
};

/* ---- from memory ------------------------------------------------------------------------------------------------ */

static enum stand stand_of(const struct delivery *d)
{
	switch ((enum delivery_place)d->place) {
	case DELIVERY_READY:
	case DELIVERY_SORTED:
		return STAND_READY;
	case DELIVERY_WAITING:
		return STAND_DEFERRED;
	case DELIVERY_HELD:
		return STAND_HELD;
	case DELIVERY_KEPT:
		return STAND_KEPT;
	case DELIVERY_ACTIVE:
	case DELIVERY_NONE:
		break;
	}
	return STAND_ACTIVE;
}

/* Of the configuration's destinations; -1: none. */
static int destination_of(const struct shard *shard, const struct delivery *d)
{
	unsigned lane = d->home > 0 ? d->home - 1u : d->lane;

	/* Behind the lanes of the plan are those of sites, where mail is on loan only. */
	return lane < shard->plan->lane_room ? shard->plan->lanes[lane].destination : -1;
}

/* It is on its way here, and not accepted yet. */
static bool is_arriving(const struct mail *m)
{
	return m->item.message.segment == 0 || (m->live > 0 && m->first.live && m->first.place == DELIVERY_NONE &&
						m->first.next_place == DELIVERY_NONE && !list_linked(&m->first.link));
}

static bool delivery_fits(const struct look *look, const struct shard *shard, const struct delivery *d,
			  const struct filter *filter)
{
	if (filter->stands && !(filter->stands & 1u << stand_of(d)))
		return false;
	if (d->attempts < filter->attempts)
		return false;
	return filter->destination[0] == '\0' ||
	       (look->destination >= 0 && destination_of(shard, d) == look->destination);
}

static bool mail_fits(const struct look *look, const struct shard *shard, const struct mail *m,
		      const struct filter *filter)
{
	struct delivery *d = NULL;
	uint64_t age_ns = look->wall_ns > m->accepted_wall_ns ? look->wall_ns - m->accepted_wall_ns : 0;

	if ((filter->older_ns && age_ns < filter->older_ns) || (filter->newer_ns && age_ns > filter->newer_ns))
		return false;
	if (m->live == 0)
		return (!filter->stands || filter->stands & 1u << STAND_FAILED) && filter->destination[0] == '\0';
	while ((d = mail_next(m, d))) {
		if (delivery_fits(look, shard, d, filter))
			return true;
	}
	return false;
}

/* ---- counting --------------------------------------------------------------------------------------------------- */

/* Once for each destination that it has, by the first delivery there: a mail of a thousand recipients at as many
 * destinations is gone through once. */
static void count_in(struct look *look, const struct mail *m, int destination, enum stand stand)
{
	size_t slot = destination >= 0 && (size_t)destination < look->count_count - 1 ? (size_t)destination
										      : look->count_count - 1;
	struct look_count *count = &look->counts[slot];
	uint64_t age_s =
		look->wall_ns > m->accepted_wall_ns ? (look->wall_ns - m->accepted_wall_ns) / CLOCK_NS_PER_S : 0;
	unsigned age = 0;

	if (count->last == look->looked)
		return;
	count->last = look->looked;
	while (age < LOOK_AGES - 1 && age_s >= look_ages_s[age])
		age++;
	count->messages++;
	count->octets += m->content_length;
	count->ages[age]++;
	count->age_sum_s += age_s;
	count->stands[stand]++;
	if (count->oldest_wall_ns == 0 || m->accepted_wall_ns < count->oldest_wall_ns)
		count->oldest_wall_ns = m->accepted_wall_ns;
}

static void count_mail(struct look *look, const struct shard *shard, const struct mail *m)
{
	struct delivery *d = NULL;

	if (m->live == 0)
		count_in(look, m, -1, STAND_FAILED);
	while ((d = mail_next(m, d)))
		count_in(look, m, destination_of(shard, d), stand_of(d));
}

/* When all were counted: the names, while the configuration is at hand. */
static void name_counts(struct look *look, const struct shard *shard)
{
	/* There is room for many more than there are, of which no page is to be touched. */
	for (size_t i = 0; look->counts && i + 1 < look->count_count && i < shard->config->destination_count; i++) {
		if (look->counts[i].messages > 0)
			look->counts[i].name = strdup(shard->config->destinations[i].name);
	}
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

static uint64_t due_wall_ns(const struct shard *shard, const struct look *look, const struct mail *m)
{
	uint64_t due_ns = UINT64_MAX;
	struct delivery *d = NULL;

	while ((d = mail_next(m, d))) {
		if (d->place == DELIVERY_WAITING && d->due_ns < due_ns)
			due_ns = d->due_ns;
	}
	if (due_ns == UINT64_MAX)
		return 0;
	return due_ns > shard->now_ns ? look->wall_ns + (due_ns - shard->now_ns) : look->wall_ns;
}

/* Of the question's room; NULL: there is none left. */
static void *take_room(struct look *look, size_t size)
{
	const struct look_question *q = inquiry_question(&look->part);
	size_t used = look->room_used;

	if (!q->room || q->room_size - used < size)
		return NULL;
	/* The next one's beginning. */
	size = (size + _Alignof(struct look_row) - 1) & ~(_Alignof(struct look_row) - 1);
	look->room_used = used + size < q->room_size ? used + size : q->room_size;
	return q->room + used;
}

static bool is_in_room(const struct look *look, const struct look_row *row)
{
	const struct look_question *q = inquiry_question(&look->part);
	uintptr_t at = (uintptr_t)row, room = (uintptr_t)q->room;

	return q->room && at >= room && at < room + q->room_size;
}

void look_make_room(struct look_question *q, unsigned rows)
{
	size_t one = sizeof(struct look_row) + (q->want == LOOK_IDS ? 0 : ROW_OCTETS);

	q->room_size = rows * one < LOOK_OCTETS ? rows * one : LOOK_OCTETS;
	q->room = malloc(q->room_size);
	/* The pages are there when the shard writes to them. */
	if (q->room)
		memset(q->room, 0, q->room_size);
}

static void fill_row(struct look_row *row, const struct shard *shard, const struct look *look, const struct mail *m,
		     size_t envelope)
{
	struct delivery *d = mail_next(m, NULL);

	*row = (struct look_row){
		.id = delivery_message_id(m->item.id),
		.part = (uint8_t)delivery_part(m->item.id),
		.accepted_wall_ns = m->accepted_wall_ns,
		.content_length = m->content_length,
		.due_wall_ns = due_wall_ns(shard, look, m),
		.recipients = m->recipients,
		.stand = d ? stand_of(d) : STAND_FAILED,
		.envelope_length = envelope,
	};
	for (; d; d = mail_next(m, d)) {
		if (d->attempts > row->attempts)
			row->attempts = d->attempts;
	}
}

/* Of this thread's memory, to grow; `view`: its envelope, or NULL. */
static struct look_row *new_row(const struct shard *shard, const struct look *look, const struct mail *m,
				const struct spool_view *view)
{
	size_t envelope = view ? view->envelope_length : 0;
	struct look_row *row = malloc(sizeof(*row) + envelope);

	if (!row)
		return NULL;
	fill_row(row, shard, look, m, envelope);
	if (envelope)
		memcpy(row->data, view->envelope, envelope);
	return row;
}

/* It is whole. */
static void add_row(struct look *look, struct look_row *row)
{
	size_t size = sizeof(*row) + row->envelope_length + row->state_length + row->header_length;
	struct look_row *room = is_in_room(look, row) ? NULL : take_room(look, size);

	if (room) {
		memcpy(room, row, size);
		free(row);
		row = room;
	}
	row->next = NULL;
	*look->last = row;
	look->last = &row->next;
	look->row_count++;
	look->octets += size;
}

/* Behind what it has. Takes the old one in any case; NULL: no memory. */
static struct look_row *grow_row(struct look_row *row, const void *data, size_t length)
{
	size_t used = row->envelope_length + row->state_length + row->header_length;
	struct look_row *more = realloc(row, sizeof(*row) + used + length);

	if (more)
		memcpy(more->data + used, data, length);
	else
		free(row);
	return more;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static void on_view(struct spool_view *view, int result)
{
	struct look_reading *r = container_of(view, struct look_reading, view);

	r->result = result;
	r->back = true;
	r->shard->visits.reading -= r->octets;
	visit_wake(&r->shard->visits, &r->look->part.visit);
}

static void begin_reading(struct look_reading *r, enum what what, const struct spool_ref *ref)
{
	r->what = what;
	r->back = false;
	r->view = (struct spool_view){.slab = -1};
	r->octets = ref->length;
	if (spool_view(r->shard->store->spool, &r->view, ref, on_view)) {
		r->result = 0;
		r->back = true;
	} else {
		r->shard->visits.reading += r->octets;
	}
}

/* What is read is checked whole, when it comes: as much of it as is asked for at a time mail waits for. One reading
 * each may always have, as nothing else would go on with it. */
static bool may_read(const struct look *look, const struct shard *shard)
{
	return look->reading == 0 ||
	       (look->reading <= LOOK_READINGS - READINGS_SPARE && shard->visits.reading < VISIT_READ_OCTETS);
}

static void begin_message(struct look *look, struct shard *shard, const struct mail *m)
{
	for (unsigned i = 0; i < LOOK_READINGS; i++) {
		struct look_reading *r = &look->readings[i];
		if (r->busy)
			continue;
		*r = (struct look_reading){.look = look, .shard = shard, .id = m->item.id, .busy = true};
		look->reading++;
		begin_reading(r, WHAT_ENVELOPE, &m->item.message);
		return;
	}
	look->left_out++;
}

static void end_reading(struct look_reading *r)
{
	free(r->row);
	r->row = NULL;
	r->busy = false;
	r->look->reading--;
}

static bool envelope_fits(const struct filter *filter, const struct envelope *envelope)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;

	if (filter->from[0] != '\0' && !filter_matches(filter->from, envelope->sender))
		return false;
	if (filter->client[0] != '\0' && !filter_matches(filter->client, envelope->client))
		return false;
	if (filter->device[0] != '\0' && !filter_matches(filter->device, envelope->device))
		return false;
	if (filter->to[0] == '\0')
		return true;
	envelope_first(envelope, &cursor);
	while (envelope_next(&cursor, &recipient)) {
		if (filter_matches(filter->to, recipient.address))
			return true;
	}
	return false;
}

/* Any of the replies that somebody heard last. */
static bool error_fits(const char *part, const struct look_row *row)
{
	struct queue_state state;
	struct state_reply reply;

	if (row->state_length == 0 ||
	    queue_state_decode(row->data + row->envelope_length, row->state_length, row->accepted_wall_ns, &state) < 0)
		return false;
	for (unsigned i = 1; state_reply(&state, i, &reply); i++) {
		if (filter_has(part, reply.text))
			return true;
	}
	return false;
}

static void end_row(struct look_reading *r, const struct look_question *q)
{
	if (r->row && (q->filter.error[0] == '\0' || error_fits(q->filter.error, r->row))) {
		add_row(r->look, r->row);
		r->row = NULL;
	}
	end_reading(r);
}

/* The part that has the beginning of the content; else the message's own record. */
static const struct spool_ref *header_ref(const struct mail *m)
{
	return m->item.part_count > 0 ? &m->item.parts[0] : &m->item.message;
}

static void on_envelope(struct look_reading *r, const struct look_question *q, const struct mail *m)
{
	struct shard *shard = r->shard;
	struct envelope envelope;
	uint64_t wall_ns = clock_wall_ns();
	size_t length;
	bool ok = r->result == 0 && envelope_decode(r->view.envelope, r->view.envelope_length, &envelope) == 0;

	if (ok && !envelope_fits(&q->filter, &envelope)) {
		spool_view_release(&r->view);
		end_reading(r);
		return;
	}
	r->row = new_row(shard, r->look, m, ok && q->want != LOOK_IDS ? &r->view : NULL);
	spool_view_release(&r->view);
	if (!r->row || !ok) {
		if (r->row)
			r->row->error = r->result < 0 ? r->result : -EBADMSG;
		else
			r->look->left_out++;
		/* What cannot be read cannot be said not to be meant by who it is for. */
		if (r->row && filter_reads(&q->filter)) {
			free(r->row);
			r->row = NULL;
			r->look->left_out++;
		}
		end_row(r, q);
		return;
	}
	if (q->want == LOOK_IDS && q->filter.error[0] == '\0') {
		end_row(r, q);
		return;
	}
	if (!m->fates && m->item.state.segment > 0) {
		begin_reading(r, WHAT_STATE, &m->item.state);
		return;
	}
	length = mail_encode(m, NULL, shard->now_ns, wall_ns, shard->store->scratch);
	r->row = grow_row(r->row, shard->store->scratch, length);
	if (!r->row) {
		r->look->left_out++;
		end_reading(r);
		return;
	}
	r->row->state_length = length;
	if (q->want == LOOK_WHOLE)
		begin_reading(r, WHAT_HEADER, header_ref(m));
	else
		end_row(r, q);
}

static void on_state(struct look_reading *r, const struct look_question *q, const struct mail *m)
{
	size_t length = r->result == 0 ? r->view.envelope_length : 0;

	if (length > 0) {
		r->row = grow_row(r->row, r->view.envelope, length);
		if (r->row)
			r->row->state_length = length;
		else
			r->look->left_out++;
	}
	spool_view_release(&r->view);
	if (r->row && q->want == LOOK_WHOLE)
		begin_reading(r, WHAT_HEADER, header_ref(m));
	else
		end_row(r, q);
}

static void on_header(struct look_reading *r, const struct look_question *q)
{
	size_t length = r->result == 0 ? r->view.content_length : 0, end = 0;

	if (length > LOOK_HEADER_MAX)
		length = LOOK_HEADER_MAX;
	if (length > 0) {
		(void)fields_end((const char *)r->view.content, length, true, &end);
		r->row = grow_row(r->row, r->view.content, end);
		if (r->row)
			r->row->header_length = end;
		else
			r->look->left_out++;
	}
	spool_view_release(&r->view);
	end_row(r, q);
}

/* One whose octets are there. What has gone meanwhile is left out: it was not there all the time. */
static void take_reading(struct look_reading *r, const struct look_question *q)
{
	const struct mail *m = store_find(r->shard, &r->id);

	r->back = false;
	if (!m) {
		spool_view_release(&r->view);
		end_reading(r);
		return;
	}
	switch (r->what) {
	case WHAT_ENVELOPE:
		on_envelope(r, q, m);
		break;
	case WHAT_STATE:
		on_state(r, q, m);
		break;
	case WHAT_HEADER:
		on_header(r, q);
		break;
	}
}

/* False: the slice is over. */
static bool take_readings(struct look *look, const struct look_question *q, struct visit_slice *slice)
{
	for (unsigned i = 0; i < LOOK_READINGS; i++) {
		/* It goes on at once where what it needs next is in memory. */
		while (look->readings[i].busy && look->readings[i].back) {
			if (visit_spent(slice))
				return false;
			take_reading(&look->readings[i], q);
			/* Reading is dear beside looking: the clock is asked each time. */
			if (clock_monotonic_ns() >= slice->until_ns)
				return false;
		}
	}
	return true;
}

/* ---- the walk --------------------------------------------------------------------------------------------------- */

static void look_at(struct look *look, struct shard *shard, const struct mail *m)
{
	const struct look_question *q = inquiry_question(&look->part);
	struct look_row *row;

	look->looked++;
	if (is_arriving(m) || !mail_fits(look, shard, m, &q->filter))
		return;
	if (q->want == LOOK_COUNT && !filter_reads(&q->filter)) {
		count_mail(look, shard, m);
		return;
	}
	if (q->want != LOOK_IDS || filter_reads(&q->filter)) {
		begin_message(look, shard, m);
		return;
	}
	row = take_room(look, sizeof(*row));
	if (row)
		fill_row(row, shard, look, m, 0);
	else
		row = new_row(shard, look, m, NULL);
	if (row)
		add_row(look, row);
	else
		look->left_out++;
}

struct walking {
	struct look *look;
	struct shard *shard;
	struct visit_slice *slice;
};

static void on_item(void *context, struct spool_item *item)
{
	const struct walking *w = context;
	const struct mail *m = container_of(item, struct mail, item);
	unsigned reading = w->look->reading;

	/* Each delivery is looked at, and beginning to read is dear: the clock is asked then. */
	visit_cost(w->slice, m->fates ? m->live : 1);
	look_at(w->look, w->shard, m);
	if (w->look->reading > reading)
		visit_cost(w->slice, VISIT_LOOK);
}

static bool enough(const struct look *look, const struct look_question *q)
{
	return look->row_count + look->reading >= q->limit || look->octets >= LOOK_OCTETS;
}

/* Several may come at once where nothing is read of them, and where they fit. */
static bool takes_many(const struct look *look, const struct look_question *q)
{
	if (filter_reads(&q->filter))
		return false;
	return q->want == LOOK_COUNT || (q->want == LOOK_IDS && look->row_count + BUCKET_MOST <= q->limit);
}

/* False: the slice is over. */
static bool walk(struct look *look, struct shard *shard, const struct look_question *q, struct visit_slice *slice)
{
	struct walking walking = {look, shard, slice};

	while (!look->scanned) {
		if (q->want != LOOK_COUNT && enough(look, q))
			return true;
		if (!may_read(look, shard))
			return true;
		if (visit_spent(slice))
			return false;
		look->place =
			spool_items_from(shard->store->spool, look->place, takes_many(look, q), on_item, &walking);
		look->scanned = look->place == 0;
	}
	return true;
}

static bool begin(struct look *look, struct shard *shard, const struct look_question *q)
{
	look->began = true;
	look->last = &look->rows;
	look->place = q->place;
	look->destination = -1;
	look->readings = calloc(LOOK_READINGS, sizeof(*look->readings));
	if (q->want == LOOK_COUNT) {
		look->count_count = shard->plan->destination_room + 1;
		look->counts = calloc(look->count_count, sizeof(*look->counts));
	}
	if (!look->readings || (q->want == LOOK_COUNT && !look->counts)) {
		look->left_out++;
		look->scanned = true;
		return false;
	}
	return true;
}

const struct mail *look_find(const struct shard *shard, struct message_id id, unsigned *part)
{
	for (; *part <= shard->store->part_most; ++*part) {
		const struct mail *m = store_find_part(shard, id, *part);
		if (m && !is_arriving(m))
			return m;
	}
	return NULL;
}

/* By its id; there is nothing to walk. */
static void find_one(struct look *look, struct shard *shard, const struct look_question *q)
{
	const struct mail *m;

	look->looked++;
	look->scanned = true;
	/* More than one where there were more shards when it came. */
	for (unsigned part = 0; (m = look_find(shard, q->id, &part)); part++)
		begin_message(look, shard, m);
}

/* A reload may come between two slices, and bring it; a destination keeps its place. */
static int find_destination(const struct shard *shard, const char *name, int before)
{
	if (before >= 0)
		return before;
	for (size_t i = 0; name[0] != '\0' && i < shard->config->destination_count; i++) {
		if (strcmp(shard->config->destinations[i].name, name) == 0)
			return (int)i;
	}
	return name[0] == '\0' ? -1 : NO_DESTINATION;
}

enum visit_step look_step(struct shard *shard, struct visit *visit, uint64_t until_ns)
{
	struct look *look = container_of(inquiry_part_of(visit), struct look, part);
	const struct look_question *q = inquiry_question(&look->part);
	struct visit_slice slice = {.until_ns = until_ns};

	if (!look->began && begin(look, shard, q) && q->want == LOOK_WHOLE)
		find_one(look, shard, q);
	look->wall_ns = clock_wall_ns();
	look->destination = find_destination(shard, q->filter.destination, look->destination);
	/* Nobody waits for the rest: what is being read is waited for. */
	if (!look->scanned && (shard->draining || !inquiry_wanted(&look->part) || clock_monotonic_ns() >= q->until_ns))
		look->scanned = look->cut = true;
	for (;;) {
		unsigned reading = look->reading;
		if (look->readings && !take_readings(look, q, &slice))
			return VISIT_MORE;
		if (!walk(look, shard, q, &slice))
			return VISIT_MORE;
		if (look->reading == 0 && (look->scanned || (q->want != LOOK_COUNT && enough(look, q))))
			break;
		/* What was begun just now may have been in memory. */
		for (unsigned i = 0; look->readings && i < LOOK_READINGS; i++) {
			if (look->readings[i].busy && look->readings[i].back)
				reading = UINT32_MAX;
		}
		if (reading != UINT32_MAX)
			return VISIT_WAITS;
	}
	name_counts(look, shard);
	/* This thread's memory, which it takes and gives back by itself. */
	free(look->readings);
	look->readings = NULL;
	return VISIT_DONE;
}

void look_release(struct inquiry_part *part)
{
	struct look *look = container_of(part, struct look, part);

	while (look->rows) {
		struct look_row *row = look->rows;
		look->rows = row->next;
		if (!is_in_room(look, row))
			free(row);
	}
	for (size_t i = 0; look->counts && i < look->count_count; i++)
		free(look->counts[i].name);
	for (unsigned i = 0; look->readings && i < LOOK_READINGS; i++)
		free(look->readings[i].row);
	free(look->counts);
	free(look->readings);
	look->counts = NULL;
	look->readings = NULL;
}

static void forget(void *question)
{
	struct look_question *q = question;

	free(q->room);
	free(q);
}

const struct inquiry_kind look_kind = {
	.size = sizeof(struct look), .fn = look_step, .release = look_release, .forget = forget};
