/*
 * fuzz_envelope.c - what a spool's records say: whatever the disk gives back is decoded within its bounds or
 * refused, and what was decoded can be encoded again to the same octets.
 *
 * Input: the first octet chooses envelope or state, the rest is the payload.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void check_span(struct span span, const uint8_t *data, size_t size)
{
	const uint8_t *start = (const uint8_t *)span.data;

	need(start >= data && start <= data + size && span.length <= (size_t)(data + size - start));
}

static void check_envelope(const uint8_t *data, size_t size)
{
	struct envelope_cursor cursor;
	struct envelope_writer writer;
	struct envelope e;
	struct span recipient;
	uint8_t *again;

	if (envelope_decode(data, size, &e) != 0)
		return;
	check_span(e.destination, data, size);
	check_span(e.client, data, size);
	check_span(e.peer, data, size);
	check_span(e.helo, data, size);
	check_span(e.sender, data, size);
	again = malloc(size);
	need(again != NULL);
	envelope_begin(&writer, again, size, &e);
	envelope_first(&e, &cursor);
	for (unsigned i = 0; i < e.recipients; i++) {
		need(envelope_next(&cursor, &recipient));
		check_span(recipient, data, size);
		envelope_add_recipient(&writer, recipient);
	}
	need(!envelope_next(&cursor, &recipient));
	need(envelope_end(&writer) == size && memcmp(again, data, size) == 0);
	free(again);
}

static void check_state(const uint8_t *data, size_t size)
{
	struct queue_state state, back;
	uint8_t *again;
	size_t length;

	if (queue_state_decode(data, size, &state) != 0)
		return;
	check_span((struct span){(const char *)state.statuses, state.recipients}, data, size);
	check_span(state.reply, data, size);
	for (unsigned i = 0; i < state.recipients; i++)
		need(state.statuses[i] <= RECIPIENT_FAILED);
	again = malloc(STATE_HEADER + state.recipients + STATE_REPLY_MAX);
	need(again != NULL);
	length = queue_state_encode(again, &state);
	need(length <= size && queue_state_decode(again, length, &back) == 0);
	need(back.attempts == state.attempts && back.recipients == state.recipients);
	need(memcmp(back.statuses, state.statuses, state.recipients) == 0);
	need(memcmp(back.reply.data, state.reply.data, back.reply.length) == 0);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		check_state(data + 1, size - 1);
	else
		check_envelope(data + 1, size - 1);
	return 0;
}
