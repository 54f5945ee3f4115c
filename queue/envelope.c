/*
 * queue/envelope.c - see envelope.h.
 */
#include "queue/envelope.h"

#include <errno.h>

#include "queue/octets.h"

enum { ENVELOPE_VERSION = 1, STATE_VERSION = 1, ENVELOPE_HEADER = 10 };

static void append(struct envelope_writer *w, const void *data, size_t length)
{
	if (w->overflow || length > w->capacity - w->length) {
		w->overflow = true;
		return;
	}
	if (length)
		memcpy(w->out + w->length, data, length);
	w->length += length;
}

static uint8_t short_length(struct span s)
{
	return s.length > 255 ? 255 : (uint8_t)s.length;
}

void envelope_begin(struct envelope_writer *w, uint8_t *out, size_t capacity, const struct envelope *fields)
{
	const struct span shorts[4] = {fields->destination, fields->client, fields->peer, fields->helo};
	uint8_t header[ENVELOPE_HEADER] = {ENVELOPE_VERSION, fields->flags};
	int i;

	*w = (struct envelope_writer){.out = out, .capacity = capacity};
	for (i = 0; i < 4; i++)
		header[4 + i] = short_length(shorts[i]);
	put16(header + 8, (uint16_t)fields->sender.length);
	append(w, header, sizeof(header));
	for (i = 0; i < 4; i++)
		append(w, shorts[i].data, header[4 + i]);
	append(w, fields->sender.data, (uint16_t)fields->sender.length);
}

void envelope_add_recipient(struct envelope_writer *w, struct span recipient)
{
	uint8_t length[2];

	put16(length, (uint16_t)recipient.length);
	append(w, length, sizeof(length));
	append(w, recipient.data, recipient.length);
	if (w->recipients == ENVELOPE_RECIPIENTS_MAX || recipient.length > UINT16_MAX)
		w->overflow = true;
	else
		w->recipients++;
}

size_t envelope_end(struct envelope_writer *w)
{
	if (w->overflow)
		return 0;
	put16(w->out + 2, w->recipients);
	return w->length;
}

int envelope_decode(const uint8_t *data, size_t length, struct envelope *out)
{
	struct span *shorts[4] = {&out->destination, &out->client, &out->peer, &out->helo};
	struct envelope_cursor cursor;
	struct span ignored;
	size_t at = ENVELOPE_HEADER, n;
	unsigned count = 0;
	int i;

	if (length < ENVELOPE_HEADER || data[0] != ENVELOPE_VERSION)
		return -EBADMSG;
	out->flags = data[1];
	out->recipients = get16(data + 2);
	for (i = 0; i < 4; i++) {
		n = data[4 + i];
		if (n > length - at)
			return -EBADMSG;
		*shorts[i] = (struct span){(const char *)data + at, (uint32_t)n};
		at += n;
	}
	n = get16(data + 8);
	if (n > length - at)
		return -EBADMSG;
	out->sender = (struct span){(const char *)data + at, (uint32_t)n};
	at += n;
	out->recipient_data = data + at;
	out->recipient_length = length - at;
	envelope_first(out, &cursor);
	while (envelope_next(&cursor, &ignored))
		count++;
	return count == out->recipients && cursor.next == cursor.end ? 0 : -EBADMSG;
}

void envelope_first(const struct envelope *envelope, struct envelope_cursor *cursor)
{
	cursor->next = envelope->recipient_data;
	cursor->end = envelope->recipient_data + envelope->recipient_length;
}

bool envelope_next(struct envelope_cursor *cursor, struct span *recipient)
{
	size_t n;

	if (cursor->end - cursor->next < 2)
		return false;
	n = get16(cursor->next);
	if (n > (size_t)(cursor->end - cursor->next) - 2)
		return false;
	*recipient = (struct span){(const char *)cursor->next + 2, (uint32_t)n};
	cursor->next += 2 + n;
	return true;
}

size_t queue_state_encode(uint8_t *out, const struct queue_state *state)
{
	uint16_t reply = state->reply.length > STATE_REPLY_MAX ? STATE_REPLY_MAX : (uint16_t)state->reply.length;

	memset(out, 0, STATE_HEADER);
	out[0] = STATE_VERSION;
	put16(out + 2, state->recipients);
	put16(out + 4, (uint16_t)state->attempts);
	put16(out + 6, (uint16_t)(state->attempts >> 16));
	put16(out + 8, reply);
	memcpy(out + STATE_HEADER, state->statuses, state->recipients);
	if (reply)
		memcpy(out + STATE_HEADER + state->recipients, state->reply.data, reply);
	return (size_t)STATE_HEADER + state->recipients + reply;
}

int queue_state_decode(const uint8_t *data, size_t length, struct queue_state *out)
{
	size_t reply, i;

	if (length < STATE_HEADER || data[0] != STATE_VERSION)
		return -EBADMSG;
	out->recipients = get16(data + 2);
	out->attempts = get16(data + 4) | (uint32_t)get16(data + 6) << 16;
	reply = get16(data + 8);
	if (length != (size_t)STATE_HEADER + out->recipients + reply)
		return -EBADMSG;
	out->statuses = data + STATE_HEADER;
	for (i = 0; i < out->recipients; i++) {
		if (out->statuses[i] > RECIPIENT_FAILED)
			return -EBADMSG;
	}
	out->reply = (struct span){(const char *)data + STATE_HEADER + out->recipients, (uint32_t)reply};
	return 0;
}
