/*
 * core/control/content.c - GET /v1/queue/messages/ID/content: a message as it came, octet by octet.
 *
 * A shard reads one record at a time for it, copies that, and is asked for the next one when it has been sent: so a
 * message of any size takes as much memory as one record, and the shard's turn one copy. A message that leaves
 * meanwhile ends the connection before the end, so that nobody takes it for whole.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/control/desk.h"
#include "core/control/handlers.h"
#include "core/control/look.h"
#include "core/relay/relay.h"
#include "core/shard/shard.h"
#include "core/store/mail.h"
#include "core/store/store.h"

enum { RECORD_S = 10 };

struct record_question {
	struct message_id id;
	unsigned number; /* of the records of its content, from 0 */
	/* Owned, of SPOOL_CONTENT_MAX octets, for one record at a time: the shard's own memory, given back on another
	 * thread, has a lock (look.h). NULL: there was none. */
	uint8_t *room;
};

struct record {
	struct inquiry_part part;
	struct spool_view view;
	struct shard *shard;
	bool began, back;
	/* The answer. */
	bool found;
	unsigned records; /* that there are */
	int result;       /* 0 or -errno */
	uint8_t *octets;  /* in the question's room, or owned */
	size_t length;
};

/* ---- on the shard ----------------------------------------------------------------------------------------------- */

static void on_view(struct spool_view *view, int result)
{
	struct record *r = container_of(view, struct record, view);

	r->result = result;
	r->back = true;
	visit_wake(&r->shard->visits, &r->part.visit);
}

static void begin(struct record *r, struct shard *shard, const struct record_question *q)
{
	unsigned part = 0;
	/* Any: all have the same content. */
	const struct mail *m = look_find(shard, q->id, &part);

	r->began = r->back = true;
	r->shard = shard;
	if (!m)
		return;
	r->found = true;
	r->records = m->item.part_count + 1u;
	if (q->number >= r->records)
		return;
	r->back = false;
	r->view = (struct spool_view){.slab = -1};
	if (spool_view(shard->store->spool, &r->view,
		       q->number < m->item.part_count ? &m->item.parts[q->number] : &m->item.message, on_view))
		r->back = true;
}

static uint8_t *room_for(const struct record_question *q, size_t length)
{
	return q->room && length <= SPOOL_CONTENT_MAX ? q->room : malloc(length + 1);
}

static enum visit_step record_step(struct shard *shard, struct visit *visit, uint64_t until_ns)
{
	struct record *r = container_of(inquiry_part_of(visit), struct record, part);
	const struct record_question *q = inquiry_question(&r->part);

	if (!r->began)
		begin(r, shard, q);
	if (!r->back)
		return VISIT_WAITS;
	if (r->found && q->number < r->records) {
		r->octets = r->result == 0 ? room_for(q, r->view.content_length) : NULL;
		if (r->octets) {
			r->length = r->view.content_length;
			memcpy(r->octets, r->view.content, r->length);
		} else if (r->result == 0) {
			r->result = -ENOMEM;
		}
		spool_view_release(&r->view);
	}
	return VISIT_DONE;
}

static void record_release(struct inquiry_part *part)
{
	const struct record_question *q = inquiry_question(part);
	struct record *r = container_of(part, struct record, part);

	if (r->octets != q->room)
		free(r->octets);
	r->octets = NULL;
}

static void forget(void *question)
{
	struct record_question *q = question;

	free(q->room);
	free(q);
}

static const struct inquiry_kind record_kind = {
	.size = sizeof(struct record), .fn = record_step, .release = record_release, .forget = forget};

/* ---- on the connection's thread --------------------------------------------------------------------------------- */

struct sending {
	struct inquiry *inquiry;
	struct record_question *question; /* the inquiry's */
	struct record *record;            /* that is being sent */
	unsigned shard;
	size_t sent; /* of it */
};

/* 0 with the record, or -errno. */
static int ask_for_record(struct sending *s)
{
	inquiry_ask(s->inquiry, s->shard);
	if (!inquiry_wait(s->inquiry, RECORD_S * CLOCK_NS_PER_S))
		return -ETIMEDOUT;
	s->record = container_of(inquiry_part(s->inquiry, s->shard), struct record, part);
	s->sent = 0;
	return s->record->found ? s->record->result : -ENOENT;
}

static ssize_t on_read(void *context, char *out, size_t size)
{
	struct sending *s = context;

	while (s->sent == s->record->length) {
		if (s->question->number + 1 >= s->record->records)
			return 0;
		s->question->number++;
		if (ask_for_record(s) < 0)
			return -1;
	}
	if (size > s->record->length - s->sent)
		size = s->record->length - s->sent;
	memcpy(out, s->record->octets + s->sent, size);
	s->sent += size;
	return (ssize_t)size;
}

static void on_end(void *context)
{
	struct sending *s = context;

	inquiry_end(s->inquiry);
	free(s);
}

/* Whoever has it; each has the same. 0, or -errno of the last that has not, -ENOENT for that it is not there. */
static int find(struct sending *s, unsigned shards)
{
	int result = -ENOENT;

	for (s->shard = 0; s->shard < shards; s->shard++) {
		int r = ask_for_record(s);
		if (r == 0)
			return 0;
		if (r != -ENOENT)
			result = r;
		/* It has the question still, so nobody else can be asked with it. */
		if (r == -ETIMEDOUT)
			return r;
	}
	return result;
}

void handle_queue_content(struct control_request *request)
{
	struct record_question *q = calloc(1, sizeof(*q));
	struct sending *s = calloc(1, sizeof(*s));
	int r;

	if (q && s && message_id_parse(request->argument, strlen(request->argument), &q->id) < 0) {
		request_fail(request, ANSWER_BAD, "\"%.80s\" is no id of a message: it has 26 letters and digits",
			     request->argument);
	} else if (q && s && (s->inquiry = inquiry_new(request->desk, &record_kind, q))) {
		s->question = q;
		q->room = malloc(SPOOL_CONTENT_MAX);
		r = find(s, request->desk->relay->shard_count);
		if (r == 0) {
			request_stream(request, "message/rfc822", on_read, on_end, s);
			return;
		}
		if (r == -ENOENT)
			request_fail(request, ANSWER_NOT_FOUND,
				     "no message with the id %s is here: it has left, or never came",
				     request->argument);
		else
			request_fail(request, ANSWER_UNAVAILABLE, "the content of %s cannot be read: %s",
				     request->argument,
				     r == -EBADMSG     ? "it is damaged on the disk"
				     : r == -ETIMEDOUT ? "its shard does not answer: look for shard_stuck in the events"
						       : strerror(-r));
		on_end(s);
		return;
	} else {
		request_answer(request, ANSWER_UNAVAILABLE, NULL);
	}
	free(q);
	free(s);
}
