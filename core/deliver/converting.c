/*
 * core/deliver/converting.c - see converting.h.
 */
#include "core/deliver/converting.h"

#include <stdlib.h>

struct converting *converting_new(void)
{
	struct converting *v = malloc(sizeof(*v));

	if (!v)
		return NULL;
	*v = (struct converting){.piece = 0};
	seven_bit_init(&v->engine);
	return v;
}

void converting_free(struct converting *v)
{
	if (!v)
		return;
	free(v->out);
	free(v);
}

bool converting_look(struct converting *v, const struct exchange_head *head, const uint8_t *piece, size_t size)
{
	size_t left, n;

	if (v->offset == 0 && head) {
		seven_bit_look(&v->engine, head->data, head->size);
		v->octets += head->size;
		v->offset = head->replaced;
	}
	left = size - v->offset;
	n = left < CONVERTING_AT_ONCE ? left : CONVERTING_AT_ONCE;
	seven_bit_look(&v->engine, piece + v->offset, n);
	v->octets += n;
	v->at_once += (uint32_t)n;
	v->offset = n < left ? v->offset + n : 0;
	return n == left;
}

enum seven_bit_result converting_looked(struct converting *v, bool signature_void, uint64_t length, int64_t *growth)
{
	enum seven_bit_result result;

	v->looked = true;
	v->engine.signature_void = signature_void;
	result = seven_bit_looked(&v->engine);
	if (result != SEVEN_BIT_CONVERT)
		return result;
	*growth = (int64_t)v->octets + seven_bit_growth(&v->engine) - (int64_t)length;
	seven_bit_rewind(&v->engine);
	return result;
}

const uint8_t *converting_make(struct converting *v, const struct exchange_head *head, const uint8_t *piece,
			       size_t size, bool last, size_t *written)
{
	size_t replaced = head ? head->replaced : 0, n = 0;
	size_t room = seven_bit_room(size - replaced) + (head ? seven_bit_room(head->size) : 0) +
		      (last ? seven_bit_room(0) : 0);

	free(v->out);
	v->out = malloc(room);
	if (!v->out)
		return NULL;
	if (head)
		n += seven_bit_write(&v->engine, head->data, head->size, v->out);
	n += seven_bit_write(&v->engine, piece + replaced, size - replaced, v->out + n);
	if (last)
		n += seven_bit_end(&v->engine, v->out + n);
	*written = n;
	return v->out;
}

#define NOT_TAKEN "The message has 8-bit content, which the next hop does not take: it offers no 8BITMIME"

const char *converting_refusal(enum seven_bit_result result)
{
	switch (result) {
	case SEVEN_BIT_SIGNED:
		return "5.6.2 " NOT_TAKEN ", and what is signed or encrypted must not be converted";
	case SEVEN_BIT_UNREADABLE:
		return "5.6.3 " NOT_TAKEN ", and its MIME parts cannot be told for sure, so it is not converted";
	default:
		return "5.6.3 " NOT_TAKEN;
	}
}
