/*
 * queue/state.c - see state.h.
 */
#include "queue/state.h"

#include <assert.h>
#include <errno.h>

#include "queue/envelope.h"

enum { VERSION_1 = 1, VERSION_2 = 2, HEADER_1 = 12, FATES_1 = RECIPIENT_FAILED + 1 };

enum { TAG_REPLY = 1, TAG_MAP = 2, TAG_AGE = 3, TAG_FATE = FIELD_OF_ONE, TAG_MARKS = 65 };
enum { REPLY_HEADER = 4, FATE_LENGTH = 16, PAIR = 4 };

/* ---- writing ---- */

void state_begin(struct state_writer *w, uint8_t *out, size_t capacity)
{
	*w = (struct state_writer){.fields = {.out = out, .capacity = capacity}};
	if (capacity == 0) {
		w->fields.overflow = true;
		return;
	}
	out[0] = VERSION_2;
	w->fields.length = 1;
}

void state_add_age(struct state_writer *w, uint64_t from_wall_ns)
{
	uint8_t *at = field_room(&w->fields, TAG_AGE, sizeof(from_wall_ns));

	if (at)
		put64(at, from_wall_ns);
}

unsigned state_add_reply(struct state_writer *w, const struct state_reply *reply)
{
	size_t length = reply->text.length > STATE_REPLY_MAX ? STATE_REPLY_MAX : reply->text.length;
	uint8_t *at;

	assert(w->map_at == 0);
	if (w->replies == STATE_REPLIES_MAX || !(at = field_room(&w->fields, TAG_REPLY, REPLY_HEADER + length)))
		return 0;
	put16(at, reply->code);
	at[2] = reply->stage;
	at[3] = 0;
	if (length)
		memcpy(at + REPLY_HEADER, reply->text.data, length);
	return ++w->replies;
}

unsigned state_add_fate(struct state_writer *w, const struct state_fate *fate)
{
	uint8_t *at = field_room(&w->fields, TAG_FATE | FIELD_MUST, FATE_LENGTH);

	assert(w->map_at == 0 && w->fates < STATE_FATES_MAX && fate->reply <= w->replies);
	if (at) {
		at[0] = fate->status;
		at[1] = 0;
		put16(at + 2, fate->attempts);
		put16(at + 4, fate->reply);
		put16(at + 6, 0);
		put64(at + 8, fate->due_wall_ns);
	}
	if (fate->marks)
		field_put(&w->fields, TAG_MARKS | FIELD_MUST, &fate->marks, 1);
	return w->fates++;
}

static void put_pair(struct state_writer *w)
{
	struct field_writer *f = &w->fields;

	if (w->run == 0 || f->overflow)
		return;
	/* A full field is continued by the next one. */
	if (w->map_at == 0 || f->length - w->map_at + PAIR > FIELD_HEADER + FIELD_VALUE_MAX) {
		w->map_at = f->length;
		if (!field_room(f, TAG_MAP | FIELD_MUST, 0))
			return;
	}
	if (PAIR > f->capacity - f->length) {
		f->overflow = true;
		return;
	}
	put16(f->out + f->length, (uint16_t)w->run);
	put16(f->out + f->length + 2, w->run_fate);
	f->length += PAIR;
	put16(f->out + w->map_at + 2, (uint16_t)(f->length - w->map_at - FIELD_HEADER));
	w->run = 0;
}

void state_add(struct state_writer *w, unsigned fate, unsigned count)
{
	assert(fate < w->fates && count <= ENVELOPE_RECIPIENTS_MAX);
	if (w->run > 0 && (w->run_fate != fate || w->run + count > ENVELOPE_RECIPIENTS_MAX))
		put_pair(w);
	w->run += count;
	w->run_fate = (uint16_t)fate;
}

size_t state_end(struct state_writer *w)
{
	put_pair(w);
	return w->fields.overflow ? 0 : w->fields.length;
}

/* ---- reading ---- */

static int take_map(struct queue_state *s, const struct field *f)
{
	if (f->length % PAIR != 0)
		return -EBADMSG;
	for (const uint8_t *pair = f->value; pair < f->value + f->length; pair += PAIR) {
		s->recipients += get16(pair);
		if (get16(pair) == 0 || get16(pair + 2) >= s->fates || s->recipients > ENVELOPE_RECIPIENTS_MAX)
			return -EBADMSG;
	}
	return 0;
}

static int take_fate(struct queue_state *s, const struct field *f)
{
	if (f->length != FATE_LENGTH || get16(f->value + 4) > s->replies || s->fates == STATE_FATES_MAX)
		return -EBADMSG;
	s->fates++;
	return f->value[0] > RECIPIENT_ELSEWHERE ? -ENOTSUP : 0;
}

static int take(struct queue_state *s, const struct field *f)
{
	switch (f->tag) {
	case TAG_REPLY:
		if (f->length < REPLY_HEADER || f->length > REPLY_HEADER + STATE_REPLY_MAX ||
		    s->replies == STATE_REPLIES_MAX)
			return -EBADMSG;
		s->replies++;
		return 0;
	case TAG_MAP:
		return take_map(s, f);
	case TAG_AGE:
		if (f->length != sizeof(s->age_from_wall_ns))
			return -EBADMSG;
		s->age_from_wall_ns = get64(f->value);
		return 0;
	case TAG_FATE:
		return take_fate(s, f);
	case TAG_MARKS:
		if (s->fates == 0 || f->length != 1)
			return -EBADMSG;
		return f->value[0] & ~STATE_MARKS ? -ENOTSUP : 0;
	default:
		if (f->tag > FIELD_OF_ONE && s->fates == 0)
			return -EBADMSG;
		return f->must ? -ENOTSUP : 0;
	}
}

static int decode_2(struct queue_state *s)
{
	struct field_reader reader = s->all;
	bool unknown = false;
	struct field f;

	while (field_next(&reader, &f)) {
		int result = take(s, &f);
		if (result == -EBADMSG)
			return result;
		unknown |= result < 0;
	}
	if (reader.next != reader.end || s->recipients == 0)
		return -EBADMSG;
	return unknown ? -ENOTSUP : 0;
}

/* One octet of status for each recipient; all else is everybody's. */
static int decode_1(const uint8_t *data, size_t length, struct queue_state *s)
{
	if (length < HEADER_1)
		return -EBADMSG;
	size_t reply = get16(data + 8);
	uint32_t attempts = get32(data + 4);

	s->recipients = get16(data + 2);
	if (length != (size_t)HEADER_1 + s->recipients + reply || s->recipients == 0)
		return -EBADMSG;
	s->attempts = attempts > UINT16_MAX ? UINT16_MAX : (uint16_t)attempts;
	s->statuses = data + HEADER_1;
	for (uint32_t i = 0; i < s->recipients; i++) {
		if (s->statuses[i] >= FATES_1)
			return -EBADMSG;
	}
	s->reply = (struct span){(const char *)s->statuses + s->recipients, (uint32_t)reply};
	s->replies = reply > 0;
	s->fates = FATES_1;
	return 0;
}

int queue_state_decode(const uint8_t *data, size_t length, uint64_t wall_ns, struct queue_state *out)
{
	*out = (struct queue_state){.due_wall_ns = wall_ns};
	if (length == 0)
		return -EBADMSG;
	out->version = data[0];
	out->all = (struct field_reader){data + 1, data + length};
	if (out->version == VERSION_1)
		return decode_1(data, length, out);
	if (out->version == VERSION_2)
		return decode_2(out);
	return out->version > VERSION_2 ? -ENOTSUP : -EBADMSG;
}

/* The one of that number of those with the tag; *reader goes on behind it. */
static bool find(struct field_reader *reader, uint16_t tag, unsigned number, struct field *f)
{
	while (field_next(reader, f)) {
		if (f->tag == tag && number-- == 0)
			return true;
	}
	return false;
}

/* What has been reported, of the fate before them. */
static uint8_t marks(struct field_reader reader)
{
	struct field f;

	while (field_next(&reader, &f) && f.tag > TAG_FATE) {
		if (f.tag == TAG_MARKS)
			return f.value[0];
	}
	return 0;
}

bool state_fate(const struct queue_state *state, unsigned number, struct state_fate *out)
{
	struct field_reader reader = state->all;
	struct field f;

	if (number >= state->fates)
		return false;
	if (state->version == VERSION_1) {
		*out = (struct state_fate){.status = (uint8_t)number, .attempts = state->attempts};
		out->due_wall_ns = number == RECIPIENT_PENDING ? state->due_wall_ns : 0;
		out->reply = number == RECIPIENT_DELIVERED ? 0 : state->replies;
		return true;
	}
	if (!find(&reader, TAG_FATE, number, &f))
		return false;
	*out = (struct state_fate){
		.status = f.value[0],
		.attempts = get16(f.value + 2),
		.reply = get16(f.value + 4),
		.due_wall_ns = get64(f.value + 8),
		.marks = marks(reader),
	};
	return true;
}

bool state_reply(const struct queue_state *state, unsigned number, struct state_reply *out)
{
	struct field_reader reader = state->all;
	struct field f;

	if (number == 0 || number > state->replies)
		return false;
	if (state->version == VERSION_1) {
		*out = (struct state_reply){.stage = STATE_STAGE_NONE, .text = state->reply};
		return true;
	}
	if (!find(&reader, TAG_REPLY, number - 1, &f))
		return false;
	*out = (struct state_reply){
		.code = get16(f.value),
		.stage = f.value[2],
		.text = {(const char *)f.value + REPLY_HEADER, (uint32_t)f.length - REPLY_HEADER},
	};
	return true;
}

void state_first(const struct queue_state *state, struct state_cursor *cursor)
{
	*cursor = (struct state_cursor){.state = state, .reader = state->all};
}

static bool next_1(struct state_cursor *cursor, unsigned *fate, unsigned *count)
{
	const struct queue_state *state = cursor->state;
	uint32_t from = cursor->next;

	if (from == state->recipients)
		return false;
	while (cursor->next < state->recipients && state->statuses[cursor->next] == state->statuses[from])
		cursor->next++;
	*fate = state->statuses[from];
	*count = cursor->next - from;
	return true;
}

bool state_next(struct state_cursor *cursor, unsigned *fate, unsigned *count)
{
	struct field f;

	if (cursor->state->version == VERSION_1)
		return next_1(cursor, fate, count);
	while (cursor->pair == cursor->pairs_end) {
		do {
			if (!field_next(&cursor->reader, &f))
				return false;
		} while (f.tag != TAG_MAP);
		cursor->pair = f.value;
		cursor->pairs_end = f.value + f.length;
	}
	*count = get16(cursor->pair);
	*fate = get16(cursor->pair + 2);
	cursor->pair += PAIR;
	return true;
}
