/*
 * fuzz_state.c - what a state record says of a message's recipients: whatever the disk gives back is decoded within its
 * bounds or refused, and what was decoded can be encoded again and says the same.
 *
 * Input: the state.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/envelope.h"
#include "queue/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void write_again(const struct queue_state *s, struct state_writer *writer, const uint8_t *data, size_t size)
{
	struct state_reply reply;
	struct state_cursor cursor;
	struct state_fate fate;
	unsigned number, count, sum = 0;

	for (unsigned i = 1; i <= s->replies; i++) {
		need(state_reply(s, i, &reply));
		const uint8_t *text = (const uint8_t *)reply.text.data;
		need(text >= data && text + reply.text.length <= data + size);
		need(state_add_reply(writer, &reply) == i);
	}
	need(!state_reply(s, 0, &reply) && !state_reply(s, s->replies + 1u, &reply));
	for (unsigned i = 0; i < s->fates; i++) {
		need(state_fate(s, i, &fate));
		need(fate.status <= RECIPIENT_ELSEWHERE && fate.reply <= s->replies);
		need(state_add_fate(writer, &fate) == i);
	}
	need(!state_fate(s, s->fates, &fate));
	for (state_first(s, &cursor); state_next(&cursor, &number, &count); sum += count) {
		need(number < s->fates && count > 0);
		state_add(writer, number, count);
	}
	need(sum == s->recipients);
}

/* Recipient for recipient: runs may be cut elsewhere. */
static void compare(const struct queue_state *a, const struct queue_state *b)
{
	struct state_cursor x, y;
	unsigned p = 0, q = 0, left_a = 0, left_b = 0;

	need(a->recipients == b->recipients && a->fates == b->fates && a->replies == b->replies);
	state_first(a, &x);
	state_first(b, &y);
	for (uint32_t i = 0; i < a->recipients; i++) {
		if (left_a == 0)
			need(state_next(&x, &p, &left_a));
		if (left_b == 0)
			need(state_next(&y, &q, &left_b));
		need(p == q);
		left_a--;
		left_b--;
	}
	need(left_a == 0 && left_b == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct queue_state s, back;
	struct state_writer writer;
	/* Fates of version 1 are not written down there. */
	size_t room = 8 * size + 256, length;
	uint8_t *again;
	int result = queue_state_decode(data, size, 7, &s);

	need(result == 0 || result == -EBADMSG || result == -ENOTSUP);
	if (result < 0 || (s.version == 1 && s.reply.length > STATE_REPLY_MAX))
		return 0;
	again = malloc(room);
	need(again != NULL);
	state_begin(&writer, again, room);
	write_again(&s, &writer, data, size);
	length = state_end(&writer);
	need(length > 0 && length <= STATE_SIZE_MAX && queue_state_decode(again, length, 7, &back) == 0);
	compare(&s, &back);
	free(again);
	return 0;
}
