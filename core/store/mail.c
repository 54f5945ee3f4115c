/*
 * core/store/mail.c - see mail.h.
 */
#include "core/store/mail.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static_assert(sizeof(struct mail) + sizeof(void *) <= 144, "a queued message takes no more, with its place by id");
static_assert(sizeof(struct mail_recipient) <= 8, "nor does a recipient");
static_assert(STATE_REPLIES_MAX <= UINT8_MAX, "a reply's number fits");

enum { LEAVES = 1 }; /* a leaving recipient's `delivery`: this and its status */

struct mail *mail_of(const struct delivery *d)
{
	return d->extra ? container_of(d, struct mail_more, delivery)->mail : container_of(d, struct mail, first);
}

static unsigned number_of(const struct delivery *d)
{
	return d->extra ? container_of(d, struct mail_more, delivery)->number : 0;
}

/* The first becomes one of the mail's deliveries. */
static void revive_first(struct mail *mail, unsigned lane)
{
	uint16_t client = mail->first.client;

	memset(&mail->first, 0, sizeof(mail->first));
	mail->first.client = client;
	list_init(&mail->first.link);
	mail->first.lane = (uint16_t)lane;
	mail->first.live = true;
	mail->live++;
}

void mail_init(struct mail *mail, unsigned recipients, unsigned lane)
{
	memset(mail, 0, sizeof(*mail));
	mail->recipients = (uint16_t)recipients;
	revive_first(mail, lane);
}

void mail_deinit(struct mail *mail)
{
	struct mail_fates *fates = mail->fates;

	if (!fates)
		return;
	while (fates->more) {
		struct mail_more *more = fates->more;
		fates->more = more->next;
		free(more);
	}
	for (unsigned i = 0; i < fates->reply_count; i++)
		free(fates->replies[i]);
	free(fates->replies);
	free(fates->deletion);
	free(fates);
	mail->fates = NULL;
}

bool mail_stands_in(const struct mail *mail, const struct delivery *d, unsigned i)
{
	const struct mail_recipient *r;

	if (!mail->fates)
		return true;
	r = &mail->fates->recipients[i];
	return r->status == RECIPIENT_PENDING && r->delivery == number_of(d);
}

enum recipient_status mail_status(const struct mail *mail, unsigned i)
{
	return mail->fates ? (enum recipient_status)mail->fates->recipients[i].status : RECIPIENT_PENDING;
}

unsigned mail_count(const struct mail *mail, enum recipient_status status)
{
	unsigned count = 0, i;

	if (!mail->fates)
		return status == RECIPIENT_PENDING ? mail->recipients : 0;
	for (i = 0; i < mail->recipients; i++)
		count += mail->fates->recipients[i].status == status;
	return count;
}

struct delivery *mail_next(const struct mail *mail, const struct delivery *before)
{
	struct mail_more *more = mail->fates ? mail->fates->more : NULL;

	if (!before && mail->first.live)
		return (struct delivery *)(uintptr_t)&mail->first;
	if (before && before->extra)
		more = container_of(before, struct mail_more, delivery)->next;
	return more ? &more->delivery : NULL;
}

int mail_tell_apart(struct mail *mail)
{
	/* RECIPIENT_PENDING, delivery and reply are 0. */
	if (mail->fates)
		return 0;
	mail->fates = calloc(1, sizeof(*mail->fates) + mail->recipients * sizeof(mail->fates->recipients[0]));
	for (unsigned i = 0; mail->fates && mail->late && i < mail->recipients; i++)
		mail->fates->recipients[i].marks = STATE_MARK_DELAY;
	return mail->fates ? 0 : -ENOMEM;
}

unsigned mail_marks(const struct mail *mail, unsigned i)
{
	if (!mail->fates)
		return mail->late ? STATE_MARK_DELAY : 0;
	return mail->fates->recipients[i].marks;
}

void mail_mark(struct mail *mail, unsigned i, unsigned marks)
{
	mail->fates->recipients[i].marks |= (uint8_t)(marks & STATE_MARKS);
}

void mail_hold(struct mail *mail, const struct delivery *d, bool held)
{
	for (unsigned i = 0; i < mail->recipients; i++) {
		struct mail_recipient *r = &mail->fates->recipients[i];
		if (mail_stands_in(mail, d, i))
			r->marks = (r->marks & ~STATE_MARK_HELD & STATE_MARKS) | (held ? STATE_MARK_HELD : 0);
	}
}

bool mail_held(const struct mail *mail, unsigned i)
{
	return mail_status(mail, i) == RECIPIENT_PENDING && mail_marks(mail, i) & STATE_MARK_HELD;
}

bool mail_owes_of(const struct mail *mail, unsigned i)
{
	unsigned marks = mail_marks(mail, i);
	enum recipient_status status = mail_status(mail, i);

	return !(marks & STATE_MARK_TOLD) &&
	       (status == RECIPIENT_FAILED || (status == RECIPIENT_DELIVERED && marks & STATE_MARK_OWED));
}

bool mail_owes(const struct mail *mail)
{
	for (unsigned i = 0; mail->fates && i < mail->recipients; i++) {
		if (mail_owes_of(mail, i))
			return true;
	}
	return false;
}

void mail_end(struct mail *mail, unsigned i, enum recipient_status status, unsigned attempts)
{
	struct mail_recipient *r = &mail->fates->recipients[i];

	assert(r->status == RECIPIENT_PENDING);
	r->status = status & 15;
	r->marks &= (uint8_t)(STATE_MARKS & ~STATE_MARK_HELD);
	r->attempts = (uint16_t)(attempts < UINT16_MAX ? attempts : UINT16_MAX);
}

/* ---- deliveries ------------------------------------------------------------------------------------------------- */

/* Numbers rise from 1 along the list, with gaps; the new one fills the first. */
static struct delivery *delivery_new(struct mail *mail, unsigned lane)
{
	struct mail_more **at = &mail->fates->more, *more;
	unsigned number = 1;

	if (!mail->first.live) {
		revive_first(mail, lane);
		return &mail->first;
	}
	for (; *at && (*at)->number == number; at = &(*at)->next)
		number++;
	more = calloc(1, sizeof(*more));
	if (!more)
		return NULL;
	list_init(&more->delivery.link);
	more->delivery.lane = (uint16_t)lane;
	more->delivery.client = mail->first.client;
	more->delivery.extra = more->delivery.live = true;
	more->mail = mail;
	more->number = (uint16_t)number;
	more->next = *at;
	*at = more;
	mail->live++;
	return &more->delivery;
}

struct delivery *mail_split(struct mail *mail, struct delivery *d, mail_choice_fn *chosen, const void *context)
{
	struct delivery *other = delivery_new(mail, d->lane);
	unsigned i;

	if (!other)
		return NULL;
	for (i = 0; i < mail->recipients; i++) {
		if (mail_stands_in(mail, d, i) && chosen(context, i))
			mail->fates->recipients[i].delivery = (uint16_t)number_of(other);
	}
	other->attempts = d->attempts;
	other->home = d->home;
	other->aside = d->aside;
	other->holds = d->holds;
	other->told = d->told;
	other->order = d->order;
	return other;
}

struct delivery *mail_join(struct mail *mail, struct delivery *d, uint64_t within_ns)
{
	struct delivery *other = NULL;
	unsigned i;

	while ((other = mail_next(mail, other))) {
		if (other != d && other->place == DELIVERY_WAITING && other->lane == d->lane &&
		    other->order == d->order && other->home == d->home && other->aside == d->aside &&
		    other->attempts == d->attempts && other->holds == d->holds &&
		    other->due_ns + within_ns >= d->due_ns && other->due_ns <= d->due_ns + within_ns)
			break;
	}
	for (i = 0; other && i < mail->recipients; i++) {
		if (mail_stands_in(mail, d, i))
			mail->fates->recipients[i].delivery = (uint16_t)number_of(other);
	}
	return other;
}

void mail_retire(struct mail *mail, struct delivery *d)
{
	assert(d->live && mail->live > 0 && !list_linked(&d->link));
	mail->live--;
	d->live = false;
	if (!d->extra)
		return;
	struct mail_more *more = container_of(d, struct mail_more, delivery), **at = &mail->fates->more;
	while (*at != more)
		at = &(*at)->next;
	*at = more->next;
	free(more);
}

/* ---- replies ---------------------------------------------------------------------------------------------------- */

static bool same_reply(const struct mail_reply *kept, const struct state_reply *reply, uint32_t length)
{
	return kept->code == reply->code && kept->stage == reply->stage && kept->length == length &&
	       memcmp(kept->text, reply->text.data, length) == 0;
}

/* The first of some more places; 0: no memory, or there are enough. */
static unsigned room_for_reply(struct mail_fates *fates)
{
	enum { STEP = 4 };
	struct mail_reply **grown;
	unsigned i;

	if (fates->reply_count + STEP > STATE_REPLIES_MAX)
		return 0;
	grown = realloc(fates->replies, (fates->reply_count + STEP) * sizeof(struct mail_reply *));
	if (!grown)
		return 0;
	fates->replies = grown;
	for (i = 0; i < STEP; i++)
		grown[fates->reply_count + i] = NULL;
	fates->reply_count += STEP;
	return fates->reply_count - STEP + 1;
}

unsigned mail_keep_reply(struct mail *mail, const struct state_reply *reply)
{
	uint32_t length = reply->text.length < STATE_REPLY_MAX ? reply->text.length : STATE_REPLY_MAX;
	struct mail_fates *fates = mail->fates;
	unsigned place = 0, i;
	struct mail_reply *kept;

	for (i = fates->reply_count; i-- > 0;) {
		kept = fates->replies[i];
		if (!kept)
			place = i + 1;
		else if (same_reply(kept, reply, length))
			return i + 1;
	}
	if (place == 0 && (place = room_for_reply(fates)) == 0)
		return 0;
	kept = malloc(sizeof(*kept) + length);
	if (!kept)
		return 0;
	*kept = (struct mail_reply){.code = reply->code, .length = (uint16_t)length, .stage = reply->stage};
	memcpy(kept->text, reply->text.data, length);
	fates->replies[place - 1] = kept;
	return place;
}

void mail_answer(struct mail *mail, unsigned i, unsigned reply)
{
	mail->fates->recipients[i].reply = (uint8_t)reply;
}

void mail_sweep_replies(struct mail *mail)
{
	bool used[STATE_REPLIES_MAX + 1] = {false};
	unsigned i;

	for (i = 0; i < mail->recipients; i++)
		used[mail->fates->recipients[i].reply] = true;
	for (i = 0; i < mail->fates->reply_count; i++) {
		if (used[i + 1])
			continue;
		free(mail->fates->replies[i]);
		mail->fates->replies[i] = NULL;
	}
}

void mail_answer_all(struct mail *mail, const struct delivery *d, const struct state_reply *reply)
{
	unsigned number = mail_keep_reply(mail, reply), i;

	for (i = 0; i < mail->recipients; i++) {
		if (mail_stands_in(mail, d, i))
			mail_answer(mail, i, number);
	}
	mail_sweep_replies(mail);
}

/* ---- the state on disk ------------------------------------------------------------------------------------------ */

static uint64_t due_wall_ns(const struct delivery *d, bool held, uint64_t now_ns, uint64_t wall_ns)
{
	bool waits = d->place == DELIVERY_WAITING || (d->place == DELIVERY_NONE && d->next_place == DELIVERY_WAITING);

	if (held)
		return d->place == DELIVERY_HELD ? d->due_ns : wall_ns;

	return waits && d->due_ns > now_ns ? wall_ns + (d->due_ns - now_ns) : 0;
}

struct encoder {
	const struct mail *mail;
	struct state_writer writer;
	uint64_t now_ns, wall_ns;
	uint8_t told[STATE_REPLIES_MAX + 1]; /* the replies' numbers in the record */
	struct mail_recipient fates[STATE_FATES_MAX];
	unsigned count;
};

static const struct delivery *delivery_numbered(const struct mail *mail, unsigned number)
{
	const struct delivery *d = NULL;

	while ((d = mail_next(mail, d)) && number_of(d) != number)
		;
	return d;
}

/* As it is on disk. Who leaves is in no delivery here any more: a crash means another attempt at once. */
static struct mail_recipient written(const struct mail *mail, unsigned i)
{
	struct mail_recipient r = mail->fates->recipients[i];

	if (mail->leaving && r.status == RECIPIENT_ELSEWHERE && r.delivery) {
		r.status = (r.delivery - LEAVES) & 15;
		r.delivery = UINT16_MAX;
	}
	return r;
}

bool mail_had(const struct mail *mail, unsigned i)
{
	return i < mail->recipients && (!mail->fates || written(mail, i).status != RECIPIENT_ELSEWHERE);
}

/* What makes its fate another one than that of others. */
static struct mail_recipient key_of(const struct mail_recipient *r, bool reply)
{
	struct mail_recipient key = {.status = r->status, .marks = r->marks};

	if (r->status == RECIPIENT_PENDING)
		key.delivery = r->delivery;
	if (r->status == RECIPIENT_FAILED || key.delivery == UINT16_MAX)
		key.attempts = r->attempts;
	if (r->status == RECIPIENT_PENDING || r->status == RECIPIENT_FAILED)
		key.reply = reply ? r->reply : 0;
	return key;
}

static bool same_fate(const struct mail_recipient *a, const struct mail_recipient *b)
{
	return a->status == b->status && a->marks == b->marks && a->delivery == b->delivery &&
	       a->attempts == b->attempts && a->reply == b->reply;
}

static unsigned fate_add(struct encoder *e, const struct mail_recipient *key)
{
	const struct delivery *d = delivery_numbered(e->mail, key->delivery);
	struct state_fate fate = {
		.status = key->status, .attempts = key->attempts, .reply = e->told[key->reply], .marks = key->marks};

	if (key->status == RECIPIENT_PENDING && d) {
		fate.attempts = d->attempts;
		fate.due_wall_ns = due_wall_ns(d, key->marks & STATE_MARK_HELD, e->now_ns, e->wall_ns);
	}
	e->fates[e->count++] = *key;
	return state_add_fate(&e->writer, &fate);
}

/* The number of the recipient's fate; `first` is where to look for it first. Where there are more than a record takes,
 * some are told no reply, and at last no due time. */
static unsigned fate_of(struct encoder *e, const struct mail_recipient *r, unsigned first)
{
	enum { SPARE = 4 * (STATE_MARKS + 1) };
	struct mail_recipient key = key_of(r, true);
	unsigned i;

	if (first < e->count && same_fate(&e->fates[first], &key))
		return first;
	for (i = 0; i < e->count; i++) {
		if (same_fate(&e->fates[i], &key))
			return i;
	}
	if (e->count < STATE_FATES_MAX - SPARE)
		return fate_add(e, &key);
	key = (struct mail_recipient){.status = r->status, .marks = r->marks, .delivery = UINT16_MAX};
	for (i = e->count; i-- > 0;) {
		if (same_fate(&e->fates[i], &key))
			return i;
	}
	return fate_add(e, &key);
}

static size_t encode_apart(struct encoder *e)
{
	const struct mail_fates *fates = e->mail->fates;
	struct mail_recipient r;
	unsigned fate = 0, i;

	for (i = 0; i < fates->reply_count; i++) {
		const struct mail_reply *kept = fates->replies[i];
		struct state_reply reply;
		if (!kept)
			continue;
		reply = (struct state_reply){kept->code, kept->stage, {kept->text, kept->length}};
		e->told[i + 1] = (uint8_t)state_add_reply(&e->writer, &reply);
	}
	/* All fates come before the map. */
	for (i = 0; i < e->mail->recipients; i++) {
		r = written(e->mail, i);
		fate = fate_of(e, &r, fate);
	}
	for (i = 0; i < e->mail->recipients; i++) {
		r = written(e->mail, i);
		fate = fate_of(e, &r, fate);
		state_add(&e->writer, fate, 1);
	}
	return state_end(&e->writer);
}

size_t mail_encode(const struct mail *mail, const struct state_reply *told, uint64_t now_ns, uint64_t wall_ns,
		   uint8_t *out)
{
	struct state_writer w;
	struct state_fate fate = {.attempts = mail->first.attempts, .marks = mail->late ? STATE_MARK_DELAY : 0};

	if (mail->fates) {
		struct encoder e;
		e.mail = mail;
		e.now_ns = now_ns;
		e.wall_ns = wall_ns;
		e.count = 0;
		memset(e.told, 0, sizeof(e.told));
		state_begin(&e.writer, out, STATE_SIZE_MAX);
		if (mail->younger)
			state_add_age(&e.writer, mail->accepted_wall_ns);
		return encode_apart(&e);
	}
	state_begin(&w, out, STATE_SIZE_MAX);
	if (mail->younger)
		state_add_age(&w, mail->accepted_wall_ns);
	fate.reply = told ? (uint16_t)state_add_reply(&w, told) : 0;
	fate.due_wall_ns = due_wall_ns(&mail->first, false, now_ns, wall_ns);
	state_add(&w, state_add_fate(&w, &fate), mail->recipients);
	return state_end(&w);
}

/* ---- and back --------------------------------------------------------------------------------------------------- */

/* struct mail_clock, and before which time of its own a mail does not go; 0: there is none. */
struct moment {
	uint64_t now_ns, wall_ns, wait_max_ns, not_before_ns;
};

/* As mail that is due, the oldest first: a large queue does not stand in the way of what comes now. */
static uint64_t due_again_ns(const struct mail *mail, const struct state_fate *fate, const struct moment *clock)
{
	uint64_t age_ns = clock->wall_ns > mail->accepted_wall_ns ? clock->wall_ns - mail->accepted_wall_ns : 0;
	uint64_t wait_ns;

	if (clock->not_before_ns > 0 && fate->due_wall_ns <= clock->wall_ns)
		return clock->not_before_ns;
	if (fate->due_wall_ns <= clock->wall_ns)
		return age_ns < clock->now_ns ? clock->now_ns - age_ns : 1;
	wait_ns = fate->due_wall_ns - clock->wall_ns;
	wait_ns = wait_ns < clock->wait_max_ns ? wait_ns : clock->wait_max_ns;
	return clock->now_ns + wait_ns > clock->not_before_ns ? clock->now_ns + wait_ns : clock->not_before_ns;
}

/* It goes not before some time (RFC 4865), nor later for a clock that was set back, and is as old as the time for which
 * it could have been sent. */
static void hold_back(struct mail *mail, uint64_t not_before_wall_ns, struct moment *clock)
{
	uint64_t most_ns, wait_ns;

	clock->not_before_ns = 0;
	if (not_before_wall_ns <= mail->accepted_wall_ns)
		return;
	most_ns = not_before_wall_ns - mail->accepted_wall_ns;
	mail->accepted_wall_ns = not_before_wall_ns;
	if (not_before_wall_ns <= clock->wall_ns)
		return;
	wait_ns = not_before_wall_ns - clock->wall_ns;
	clock->not_before_ns = clock->now_ns + (wait_ns < most_ns ? wait_ns : most_ns);
}

static bool is_held(const struct state_fate *fate)
{
	return fate->marks & STATE_MARK_HELD;
}

static uint64_t due_of(const struct mail *mail, const struct state_fate *fate, const struct moment *clock)
{
	return is_held(fate) ? fate->due_wall_ns : due_again_ns(mail, fate, clock);
}

static void place(struct mail *mail, struct delivery *d, const struct state_fate *fate, unsigned lane,
		  const struct moment *clock)
{
	d->lane = (uint16_t)lane;
	d->attempts = fate->attempts;
	d->due_ns = due_of(mail, fate, clock);
	d->place = is_held(fate) ? DELIVERY_HELD : lane == MAIL_NO_LANE ? DELIVERY_KEPT : DELIVERY_NONE;
}

/* The delivery for those with this fate in this lane; NULL: no memory. */
static struct delivery *delivery_for(struct mail *mail, const struct state_fate *fate, unsigned lane,
				     const struct moment *clock)
{
	uint64_t due_ns = due_of(mail, fate, clock);
	struct delivery *d = NULL;

	while ((d = mail_next(mail, d))) {
		if (d->lane == lane && d->attempts == fate->attempts && d->due_ns == due_ns &&
		    (d->place == DELIVERY_HELD) == is_held(fate))
			return d;
	}
	d = delivery_new(mail, lane);
	if (d)
		place(mail, d, fate, lane, clock);
	return d;
}

/* What the state says of recipient after recipient. */
struct reader {
	const struct queue_state *state; /* NULL: pending, all of them */
	struct state_cursor cursor;
	struct state_fate fate;
	unsigned left;
};

static void reader_next(struct reader *r)
{
	unsigned number;

	if (!r->state)
		return;
	if (r->left == 0 && (!state_next(&r->cursor, &number, &r->left) || !state_fate(r->state, number, &r->fate)))
		assert(!"queue_state_decode() checked the map");
	r->left--;
}

static void reader_init(struct reader *r, const struct queue_state *state)
{
	*r = (struct reader){.state = state};
	if (state)
		state_first(state, &r->cursor);
}

static void restore_reply(struct mail *mail, unsigned i, const struct reader *r)
{
	struct state_reply reply;

	if (r->state && state_reply(r->state, r->fate.reply, &reply))
		mail_answer(mail, i, mail_keep_reply(mail, &reply));
}

static int restore_apart(struct mail *mail, const struct envelope *envelope, const struct queue_state *state,
			 mail_lane_fn *lane_of, const void *context, const struct moment *clock)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	struct reader r;
	unsigned i;

	if (mail_tell_apart(mail) < 0)
		return -ENOMEM;
	mail_retire(mail, &mail->first); /* and back with the first who is pending */
	reader_init(&r, state);
	envelope_first(envelope, &cursor);
	for (i = 0; envelope_next(&cursor, &recipient); i++) {
		struct mail_recipient *to = &mail->fates->recipients[i];
		struct delivery *d;
		reader_next(&r);
		restore_reply(mail, i, &r);
		to->status = r.fate.status & 15;
		to->marks = r.fate.marks & STATE_MARKS;
		to->attempts = r.fate.attempts;
		if (r.fate.status != RECIPIENT_PENDING && r.fate.status != RECIPIENT_FAILED && !mail_owes_of(mail, i))
			continue;
		unsigned lane = lane_of(context, &recipient);
		if (lane == MAIL_ELSEWHERE) {
			to->status = RECIPIENT_ELSEWHERE;
			to->delivery = (uint16_t)(LEAVES + r.fate.status);
			mail->dirty = mail->leaving = true;
		}
		if (to->status != RECIPIENT_PENDING)
			continue;
		d = delivery_for(mail, &r.fate, lane, clock);
		if (!d)
			return -ENOMEM;
		to->delivery = (uint16_t)number_of(d);
	}
	return 0;
}

/* All are pending, in one lane, with one fate. */
static bool alike(const struct envelope *envelope, const struct queue_state *state, mail_lane_fn *lane_of,
		  const void *context, unsigned *lane, struct state_fate *fate)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	struct reader r;
	unsigned i;

	reader_init(&r, state);
	envelope_first(envelope, &cursor);
	for (i = 0; envelope_next(&cursor, &recipient); i++) {
		unsigned its_lane = lane_of(context, &recipient);
		reader_next(&r);
		if (i == 0) {
			*lane = its_lane;
			*fate = r.fate;
		}
		if (its_lane == MAIL_ELSEWHERE || its_lane != *lane || r.fate.status != RECIPIENT_PENDING ||
		    r.fate.attempts != fate->attempts || r.fate.due_wall_ns != fate->due_wall_ns ||
		    r.fate.reply != fate->reply || r.fate.marks != fate->marks || r.fate.marks & ~STATE_MARK_DELAY)
			return false;
	}
	return true;
}

int mail_restore(struct mail *mail, const struct envelope *envelope, const struct queue_state *state,
		 mail_lane_fn *lane_of, const void *context, const struct mail_clock *clock)
{
	uint64_t accepted_wall_ns = mail->accepted_wall_ns, content_length = mail->content_length;
	struct spool_item item = mail->item;
	struct moment its = {clock->now_ns, clock->wall_ns, clock->wait_max_ns, 0};
	struct state_fate fate = {0};
	unsigned lane = 0;

	mail_init(mail, envelope->recipients, 0);
	mail->first.client = fair_client(envelope->client.data, envelope->client.length);
	mail->item = item;
	mail->accepted_wall_ns = accepted_wall_ns;
	mail->content_length = content_length;
	hold_back(mail, envelope->not_before_ns, &its);
	if (state && state->age_from_wall_ns) {
		mail->accepted_wall_ns = state->age_from_wall_ns;
		mail->younger = true;
	}
	if (!alike(envelope, state, lane_of, context, &lane, &fate))
		return restore_apart(mail, envelope, state, lane_of, context, &its);
	place(mail, &mail->first, &fate, lane, &its);
	mail->late = fate.marks & STATE_MARK_DELAY;
	return 0;
}

int mail_place(struct mail *mail, unsigned i, unsigned lane)
{
	struct delivery *d = NULL;

	while ((d = mail_next(mail, d)) && d->lane != lane)
		;
	if (!d)
		d = delivery_new(mail, lane);
	if (!d)
		return -ENOMEM;
	mail->fates->recipients[i].delivery = (uint16_t)number_of(d);
	return 0;
}

/* The delivery that recipient `i` stands in; NULL: in none. */
static const struct delivery *delivery_at(const struct mail *mail, unsigned i)
{
	const struct delivery *d = NULL;

	while ((d = mail_next(mail, d)) && !mail_stands_in(mail, d, i))
		;
	return d;
}

/* Like `from`, on no list yet. */
static struct delivery *delivery_like(struct mail *mail, const struct delivery *from)
{
	struct delivery *d = NULL;

	while ((d = mail_next(mail, d))) {
		if (d->lane == from->lane && d->attempts == from->attempts && d->due_ns == from->due_ns &&
		    (d->place == DELIVERY_HELD) == (from->place == DELIVERY_HELD))
			return d;
	}
	d = delivery_new(mail, from->lane);
	if (!d)
		return NULL;
	d->attempts = from->attempts;
	d->due_ns = from->due_ns;
	d->place = from->place == DELIVERY_KEPT || from->place == DELIVERY_HELD ? from->place : DELIVERY_NONE;
	return d;
}

static void take_reply(struct mail *mail, unsigned i, const struct mail *other)
{
	unsigned number = other->fates ? other->fates->recipients[i].reply : 0;
	const struct mail_reply *r = number ? other->fates->replies[number - 1] : NULL;

	if (r)
		mail_answer(mail, i,
			    mail_keep_reply(mail, &(struct state_reply){r->code, r->stage, {r->text, r->length}}));
}

int mail_take_over(struct mail *mail, const struct mail *other)
{
	unsigned i;

	for (i = 0; mail->fates && i < mail->recipients; i++) {
		struct mail_recipient *to = &mail->fates->recipients[i];
		const struct delivery *from = delivery_at(other, i);
		struct delivery *d = NULL;
		if (to->status != RECIPIENT_ELSEWHERE || mail_status(other, i) == RECIPIENT_ELSEWHERE)
			continue;
		if (from && !(d = delivery_like(mail, from)))
			return -ENOMEM;
		if (d)
			to->delivery = (uint16_t)number_of(d);
		else
			to->attempts = other->fates->recipients[i].attempts;
		to->status = mail_status(other, i) & 15;
		to->marks = mail_marks(other, i) & STATE_MARKS;
		take_reply(mail, i, other);
		mail->dirty = true;
	}
	return 0;
}
