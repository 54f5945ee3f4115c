/*
 * core/control/queue_view.c - GET /v1/queue/...: what is here. Messages page by page, a count of all, and one of them
 * whole.
 *
 * A cursor is "SHARD.PLACE" (look.h): the relay keeps nothing for it, so it is good for as long as the process runs
 * with so many shards, and it does not matter who goes on with it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/scheduling.h"
#include "core/config/verdict_rule.h"
#include "core/control/desk.h"
#include "core/control/handlers.h"
#include "core/control/look.h"
#include "core/relay/relay.h"
#include "core/smtp/fields.h"
#include "core/smtp/parameters.h"
#include "queue/envelope.h"
#include "queue/state.h"

enum {
	LIMIT_USUAL = 100,
	LIMIT_MOST = 1000,
	IDS_MOST = 10000,
	RECIPIENTS_SHOWN = 10, /* of a row in a list */
	LIST_S = 2,            /* for one page; it may be short then */
	COUNT_S = 3600,        /* for all; ten million take half a minute where mail flows */
	COUNT_WITHIN_S = 60,   /* for a page or a bundle, which have more to show */
	WAIT_S = 2,            /* beside that, for a shard that is busy */
};

static json_t *id_json(struct message_id id)
{
	char text[MESSAGE_ID_TEXT];

	message_id_text(id, text);
	return json_stringn(text, sizeof(text));
}

/* Shards whose answer is not there. */
static json_t *missing_json(struct inquiry *inquiry, unsigned shards)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < shards; i++) {
		if (!inquiry_part(inquiry, i))
			json_array_append_new(list, json_integer(i));
	}
	return list;
}

/* ---- a row ------------------------------------------------------------------------------------------------------ */

static json_t *reply_json(const struct state_reply *reply)
{
	json_t *stage = reply->stage < STAGE_COUNT ? json_string(stage_name((enum stage)reply->stage)) : json_null();

	return json_pack("{so so so}", "code", reply->code ? json_integer(reply->code) : json_null(), "stage", stage,
			 "text", request_text(reply->text));
}

/* The reply that the most recent fate has; NULL: none. */
static json_t *last_error(const struct queue_state *state)
{
	struct state_reply reply;
	unsigned last = 0;

	while (state_reply(state, last + 1, &reply))
		last++;
	return last > 0 && state_reply(state, last, &reply) ? reply_json(&reply) : NULL;
}

static bool decode(const struct look_row *row, struct envelope *envelope, struct queue_state *state, bool *told)
{
	*told = row->state_length > 0 && queue_state_decode(row->data + row->envelope_length, row->state_length,
							    row->accepted_wall_ns, state) == 0;
	return row->envelope_length > 0 && envelope_decode(row->data, row->envelope_length, envelope) == 0;
}

static json_t *destinations_json(const struct envelope *envelope)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < envelope->destinations; i++)
		json_array_append_new(list, request_text(envelope_destination(envelope, i)));
	return list;
}

/* What a list and a whole message have both. */
static json_t *row_json(const struct look_row *row, const struct envelope *envelope, json_t *error, uint64_t wall_ns)
{
	uint64_t age_ns = wall_ns > row->accepted_wall_ns ? wall_ns - row->accepted_wall_ns : 0;

	return json_pack("{so so sI sI ss sI so sI so so so so so so}", "id", id_json(row->id), "accepted",
			 request_time(row->accepted_wall_ns), "age_s", (json_int_t)(age_ns / CLOCK_NS_PER_S), "size",
			 (json_int_t)row->content_length, "state", stand_name(row->stand), "attempts",
			 (json_int_t)row->attempts, "due", request_time(row->due_wall_ns), "recipients",
			 (json_int_t)row->recipients, "sender", request_text(envelope->sender), "client",
			 request_text(envelope->client), "device", request_text(envelope->device), "peer",
			 request_text(envelope->peer), "destinations", destinations_json(envelope), "error",
			 error ? error : json_null());
}

/* One whose record cannot be read has no envelope: what is known from memory, and why not. */
static json_t *unread_json(const struct look_row *row, uint64_t wall_ns)
{
	static const struct envelope none;
	char why[160];

	snprintf(why, sizeof(why), "its record in the spool cannot be read: %s",
		 row->error == -EBADMSG || row->error == 0 ? "it is damaged" : strerror(-row->error));
	json_t *json = row_json(
		row, &none, json_pack("{so so ss}", "code", json_null(), "stage", json_null(), "text", why), wall_ns);
	json_object_set_new(json, "to", json_array());
	return json;
}

static json_t *listed_json(const struct look_row *row, uint64_t wall_ns)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	struct envelope envelope;
	struct queue_state state;
	json_t *json, *to = json_array();
	bool told;

	if (!decode(row, &envelope, &state, &told)) {
		json_decref(to);
		return unread_json(row, wall_ns);
	}
	json = row_json(row, &envelope, told ? last_error(&state) : NULL, wall_ns);
	envelope_first(&envelope, &cursor);
	while (json_array_size(to) < RECIPIENTS_SHOWN && envelope_next(&cursor, &recipient))
		json_array_append_new(to, request_text(recipient.address));
	json_object_set_new(json, "to", to);
	return json;
}

/* ---- list ------------------------------------------------------------------------------------------------------- */

struct reading {
	struct look_question *question;
	struct filter_problem problem;
	unsigned shard;
	unsigned most;   /* of `limit` */
	bool bad, pages; /* limit and cursor have a meaning */
};

static bool read_cursor(struct reading *r, const char *value)
{
	char shard[16];
	uint64_t which, place;
	size_t length = strcspn(value, ".");

	if (length >= sizeof(shard) || value[length] != '.')
		return false;
	memcpy(shard, value, length);
	shard[length] = '\0';
	if (!request_number(shard, UINT16_MAX, &which) || !request_number(value + length + 1, UINT64_MAX, &place))
		return false;
	r->shard = (unsigned)which;
	r->question->place = place;
	return true;
}

static bool on_value(void *context, const char *key, const char *value)
{
	struct reading *r = context;
	uint64_t limit = 0;
	int taken = filter_take(&r->question->filter, key, value, &r->problem);

	if (taken == 1)
		return true;
	r->bad = true;
	if (taken < 0)
		return false;
	if (r->pages && strcmp(key, "limit") == 0) {
		r->bad = !request_number(value, r->most, &limit) || limit == 0;
		r->question->limit = (unsigned)limit;
		snprintf(r->problem.text, sizeof(r->problem.text), "limit: write a number from 1 to %u", r->most);
	} else if (r->pages && strcmp(key, "cursor") == 0) {
		r->bad = !read_cursor(r, value);
		snprintf(r->problem.text, sizeof(r->problem.text),
			 "cursor: write what \"next\" was in the answer before");
	} else {
		snprintf(r->problem.text, sizeof(r->problem.text), "there is no parameter \"%.40s\"", key);
	}
	return !r->bad;
}

/* The question of a request; NULL: it was answered. */
static struct look_question *read_question(struct control_request *request, enum look_want want, unsigned *shard)
{
	struct reading r = {.question = calloc(1, sizeof(*r.question)),
			    .pages = want != LOOK_COUNT,
			    .most = want == LOOK_IDS ? IDS_MOST : LIMIT_MOST};

	if (!r.question) {
		request_answer(request, ANSWER_OK, NULL);
		return NULL;
	}
	r.question->want = want;
	r.question->limit = LIMIT_USUAL;
	request_values(request, on_value, &r);
	if (!r.bad && r.shard <= request->desk->relay->shard_count) {
		*shard = r.shard;
		return r.question;
	}
	request_fail(request, ANSWER_BAD, "%s",
		     r.bad ? r.problem.text : "cursor: it is of a process that had more shards; begin anew");
	free(r.question);
	return NULL;
}

struct page {
	json_t *messages;
	uint64_t looked, left_out, wall_ns;
	unsigned shard;
	uint64_t place; /* where the next one begins, in that shard */
};

/* From one shard, as many as are wanted still. False: it does not answer in time. */
static bool ask_for_page(struct inquiry *inquiry, struct look_question *q, struct page *page)
{
	struct look *look;

	q->place = page->place;
	q->until_ns = clock_monotonic_ns() + LIST_S * CLOCK_NS_PER_S;
	inquiry_ask(inquiry, page->shard);
	if (!inquiry_wait(inquiry, (LIST_S + WAIT_S) * CLOCK_NS_PER_S))
		return false;
	look = container_of(inquiry_part(inquiry, page->shard), struct look, part);
	for (const struct look_row *row = look->rows; row; row = row->next)
		json_array_append_new(page->messages,
				      q->want == LOOK_IDS ? id_json(row->id) : listed_json(row, page->wall_ns));
	q->limit -= look->row_count < q->limit ? look->row_count : q->limit;
	page->looked += look->looked;
	page->left_out += look->left_out;
	page->place = look->place;
	if (look->place == 0 && look->cut)
		q->limit = 0; /* nothing was looked at: the next page does */
	else if (look->place == 0)
		page->shard++;
	else
		q->limit = 0;
	look_release(&look->part);
	return true;
}

static void answer_pages(struct control_request *request, enum look_want want, const char *key)
{
	unsigned shards = request->desk->relay->shard_count;
	struct page page = {.messages = json_array(), .wall_ns = clock_wall_ns()};
	struct look_question *q = read_question(request, want, &page.shard);
	struct inquiry *inquiry = q ? inquiry_new(request->desk, &look_kind, q) : NULL;
	json_t *missing = json_array(), *next = json_null();
	char cursor[64];

	if (!inquiry) {
		json_decref(page.messages);
		json_decref(missing);
		if (q)
			request_answer(request, ANSWER_OK, NULL);
		free(q);
		return;
	}
	/* Who turns large pages reads all of it, on a connection of its own (core/tools/queue.c). */
	if (q->limit >= LIMIT_MOST && (page.shard > 0 || q->place > 0))
		scheduling_idle();
	page.place = q->place;
	look_make_room(q, q->limit);
	while (page.shard < shards && q->limit > 0) {
		if (ask_for_page(inquiry, q, &page))
			continue;
		/* It has the question still, so nobody else can be asked with it. */
		json_array_append_new(missing, json_integer(page.shard));
		page.shard++;
		page.place = 0;
		break;
	}
	inquiry_end(inquiry);
	if (page.shard < shards) {
		snprintf(cursor, sizeof(cursor), "%u.%" PRIu64, page.shard, page.place);
		json_decref(next);
		next = json_string(cursor);
	}
	request_answer(request, ANSWER_OK,
		       json_pack("{so so sI sI so}", key, page.messages, "next", next, "looked",
				 (json_int_t)page.looked, "left_out", (json_int_t)page.left_out, "missing", missing));
}

void handle_queue_list(struct control_request *request)
{
	answer_pages(request, LOOK_ROWS, "messages");
}

void handle_queue_ids(struct control_request *request)
{
	answer_pages(request, LOOK_IDS, "ids");
}

/* ---- summary ---------------------------------------------------------------------------------------------------- */

static void add_count(struct look_count *all, const struct look_count *one)
{
	all->messages += one->messages;
	all->octets += one->octets;
	for (unsigned i = 0; i < LOOK_AGES; i++)
		all->ages[i] += one->ages[i];
	for (unsigned i = 0; i < STANDS; i++)
		all->stands[i] += one->stands[i];
	if (one->oldest_wall_ns && (!all->oldest_wall_ns || one->oldest_wall_ns < all->oldest_wall_ns))
		all->oldest_wall_ns = one->oldest_wall_ns;
}

static json_t *count_json(const struct look_count *count, const char *name)
{
	json_t *ages = json_array(), *stands = json_object();

	for (unsigned i = 0; i < LOOK_AGES; i++)
		json_array_append_new(ages, json_integer((json_int_t)count->ages[i]));
	for (unsigned i = 0; i < STANDS; i++)
		json_object_set_new(stands, stand_name((enum stand)i), json_integer((json_int_t)count->stands[i]));
	return json_pack("{so sI sI so so so}", "destination", name ? json_string(name) : json_null(), "messages",
			 (json_int_t)count->messages, "octets", (json_int_t)count->octets, "oldest",
			 request_time(count->oldest_wall_ns), "ages", ages, "states", stands);
}

/* A destination has the same place on all shards. */
static json_t *counts_json(struct inquiry *inquiry, unsigned shards, struct look_count *all)
{
	json_t *list = json_array();
	size_t places = 0;

	for (unsigned i = 0; i < shards; i++) {
		struct inquiry_part *part = inquiry_part(inquiry, i);
		struct look *look = part ? container_of(part, struct look, part) : NULL;
		if (look && look->counts)
			places = look->count_count;
	}
	for (size_t place = 0; place < places; place++) {
		struct look_count count = {0};
		const char *name = NULL;
		for (unsigned i = 0; i < shards; i++) {
			struct inquiry_part *part = inquiry_part(inquiry, i);
			struct look *look = part ? container_of(part, struct look, part) : NULL;
			if (!look || !look->counts)
				continue;
			add_count(&count, &look->counts[place]);
			if (look->counts[place].name)
				name = look->counts[place].name;
		}
		add_count(all, &count);
		if (count.messages > 0)
			json_array_append_new(list, count_json(&count, name));
	}
	return list;
}

void handle_queue_summary(struct control_request *request)
{
	unsigned shards = request->desk->relay->shard_count, ignored;
	struct look_question *q = read_question(request, LOOK_COUNT, &ignored);
	struct inquiry *inquiry = NULL;
	struct look_count all = {0};
	json_t *list, *bounds = json_array();
	uint64_t looked = 0, wait_ns = (request->given ? COUNT_WITHIN_S : COUNT_S) * CLOCK_NS_PER_S;
	bool whole;

	if (q && filter_reads(&q->filter)) {
		request_fail(request, ANSWER_BAD,
			     "a summary is by destination, older, newer, state and attempts: for others, "
			     "list");
		free(q);
		q = NULL;
	} else if (q) {
		inquiry = inquiry_new(request->desk, &look_kind, q);
		if (!inquiry) {
			free(q);
			request_answer(request, ANSWER_OK, NULL);
		}
	}
	if (!inquiry) {
		json_decref(bounds);
		return;
	}
	q->until_ns = clock_monotonic_ns() + wait_ns;
	inquiry_ask_all(inquiry);
	whole = inquiry_wait_moving(inquiry, request, wait_ns + WAIT_S * CLOCK_NS_PER_S, WAIT_S * CLOCK_NS_PER_S);
	for (unsigned i = 0; i < shards; i++) {
		struct inquiry_part *part = inquiry_part(inquiry, i);
		struct look *look = part ? container_of(part, struct look, part) : NULL;
		whole &= look && !look->cut && look->left_out == 0;
		looked += look ? look->looked : 0;
	}
	for (unsigned i = 0; i + 1 < LOOK_AGES; i++)
		json_array_append_new(bounds, json_integer(look_ages_s[i]));
	list = counts_json(inquiry, shards, &all);
	request_answer(request, ANSWER_OK,
		       json_pack("{so so so sI sb so}", "destinations", list, "all", count_json(&all, NULL), "ages_s",
				 bounds, "looked", (json_int_t)looked, "whole", whole, "missing",
				 missing_json(inquiry, shards)));
	inquiry_end(inquiry);
}

/* ---- one -------------------------------------------------------------------------------------------------------- */

static const char *const statuses[] = {
	[RECIPIENT_PENDING] = "pending",
	[RECIPIENT_DELIVERED] = "delivered",
	[RECIPIENT_FAILED] = "failed",
	[RECIPIENT_ELSEWHERE] = "elsewhere",
};

/* Of the next recipient; without a state all are pending, and were not tried. */
struct fates {
	const struct queue_state *state; /* NULL: none */
	struct state_cursor cursor;
	struct state_fate fate;
	unsigned left;
};

static void next_fate(struct fates *f)
{
	unsigned which;

	if (!f->state || f->left-- > 0)
		return;
	f->left = 0;
	if (state_next(&f->cursor, &which, &f->left) && state_fate(f->state, which, &f->fate))
		f->left--;
	else
		f->fate = (struct state_fate){0};
}

static json_t *recipient_json(const struct envelope *envelope, const struct envelope_recipient *recipient,
			      const struct fates *f)
{
	struct state_reply reply;
	bool told = f->state && f->fate.reply > 0 && state_reply(f->state, f->fate.reply, &reply);
	bool held = f->fate.marks & STATE_MARK_HELD;
	char notify[PARAMETERS_NOTIFY_SIZE];
	const char *status = f->fate.status < sizeof(statuses) / sizeof(statuses[0]) ? statuses[f->fate.status] : "-";

	return json_pack("{so so ss sI so so ss so}", "address", request_text(recipient->address), "destination",
			 request_text(envelope_destination(envelope, recipient->destination)), "status",
			 held ? "held" : status, "attempts", (json_int_t)f->fate.attempts, "due",
			 request_time(held ? 0 : f->fate.due_wall_ns), "reply", told ? reply_json(&reply) : json_null(),
			 "notify", parameter_notify_text(recipient->notify, notify), "orcpt",
			 request_text(recipient->orcpt));
}

static json_t *recipients_json(const struct envelope *envelope, const struct queue_state *state)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	struct fates fates = {.state = state};
	json_t *list = json_array();

	if (state)
		state_first(state, &fates.cursor);
	envelope_first(envelope, &cursor);
	while (envelope_next(&cursor, &recipient)) {
		next_fate(&fates);
		json_array_append_new(list, recipient_json(envelope, &recipient, &fates));
	}
	return list;
}

static json_t *header_json(const struct look_row *row)
{
	const char *header = (const char *)row->data + row->envelope_length + row->state_length;
	json_t *list = json_array();

	for (size_t at = 0; at < row->header_length;) {
		struct header_field field = field_read(header, row->header_length, at);
		if (field.end <= at)
			break;
		if (field.name.length > 0)
			json_array_append_new(list, json_pack("{so so}", "name", request_text(field.name), "value",
							      request_text(field_value(header, &field))));
		at = field.end;
	}
	return list;
}

/* As MAIL says them (RFC 6152, 3461); "": it was not said. */
static const char *body_name(const struct envelope *envelope)
{
	if (envelope->flags & ENVELOPE_EIGHT_BIT)
		return "8BITMIME";
	return envelope->flags & ENVELOPE_BODY_GIVEN ? "7BIT" : "";
}

static const char *ret_name(const struct envelope *envelope)
{
	return envelope->ret == ENVELOPE_RET_FULL ? "FULL" : envelope->ret == ENVELOPE_RET_HEADERS ? "HDRS" : "";
}

static json_t *whole_json(const struct look_row *row, unsigned shard, uint64_t wall_ns)
{
	struct envelope envelope = {0};
	struct queue_state state;
	bool told, read = decode(row, &envelope, &state, &told);
	json_t *json =
		read ? row_json(row, &envelope, told ? last_error(&state) : NULL, wall_ns) : unread_json(row, wall_ns);

	json_object_del(json, "to");
	json_object_set_new(json, "shard", json_integer(shard));
	json_object_set_new(json, "part", json_integer(row->part));
	json_object_set_new(json, "helo", request_text(envelope.helo));
	json_object_set_new(json, "owner", request_text(envelope.owner));
	json_object_set_new(json, "not_before", request_time(envelope.not_before_ns));
	json_object_set_new(json, "require_tls", json_boolean(envelope.require_tls));
	json_object_set_new(json, "body", json_string(body_name(&envelope)));
	json_object_set_new(json, "smtputf8", json_boolean(envelope.wide != 0));
	json_object_set_new(json, "ret", json_string(ret_name(&envelope)));
	json_object_set_new(json, "envid", request_text(envelope.envid));
	json_object_set_new(json, "report", json_boolean(envelope.reports > 0));
	json_object_set_new(json, "envelope", read ? recipients_json(&envelope, told ? &state : NULL) : json_array());
	json_object_set_new(json, "header", header_json(row));
	return json;
}

void handle_queue_show(struct control_request *request)
{
	unsigned shards = request->desk->relay->shard_count;
	struct look_question *q = calloc(1, sizeof(*q));
	json_t *found = json_array(), *missing;
	uint64_t wall_ns = clock_wall_ns();
	struct inquiry *inquiry;

	if (q && message_id_parse(request->argument, strlen(request->argument), &q->id) < 0) {
		request_fail(request, ANSWER_BAD, "\"%.80s\" is no id of a message: it has 26 letters and digits",
			     request->argument);
		free(q);
		json_decref(found);
		return;
	}
	inquiry = q ? inquiry_new(request->desk, &look_kind, q) : NULL;
	if (!inquiry) {
		free(q);
		json_decref(found);
		request_answer(request, ANSWER_OK, NULL);
		return;
	}
	q->want = LOOK_WHOLE;
	q->until_ns = clock_monotonic_ns() + LIST_S * CLOCK_NS_PER_S;
	inquiry_ask_all(inquiry);
	(void)inquiry_wait(inquiry, (LIST_S + WAIT_S) * CLOCK_NS_PER_S);
	for (unsigned i = 0; i < shards; i++) {
		struct inquiry_part *part = inquiry_part(inquiry, i);
		struct look *look = part ? container_of(part, struct look, part) : NULL;
		for (const struct look_row *row = look ? look->rows : NULL; row; row = row->next)
			json_array_append_new(found, whole_json(row, i, wall_ns));
	}
	missing = missing_json(inquiry, shards);
	inquiry_end(inquiry);
	if (json_array_size(found) > 0 || json_array_size(missing) > 0) {
		request_answer(request, ANSWER_OK, json_pack("{so so}", "messages", found, "missing", missing));
		return;
	}
	json_decref(found);
	json_decref(missing);
	request_fail(request, ANSWER_NOT_FOUND, "no message with the id %s is here: it has left, or never came",
		     request->argument);
}
