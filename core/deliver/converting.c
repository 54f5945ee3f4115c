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

/* Where the next part begins. */
static size_t begin(const struct converting *v, const struct exchange_head *head)
{
	return v->offset == 0 && head ? head->replaced : v->offset;
}

size_t converting_part(const struct converting *v, const struct exchange_head *head, size_t size)
{
	size_t left = size - begin(v, head);

	return left < TURNS_OCTETS ? left : TURNS_OCTETS;
}

/* True: that was the piece's last part. */
static bool pass(struct converting *v, size_t at, size_t n, size_t size)
{
	v->offset = at + n < size ? at + n : 0;
	return at + n == size;
}

bool converting_look(struct converting *v, const struct exchange_head *head, const uint8_t *piece, size_t size)
{
	size_t at = begin(v, head), n = converting_part(v, head, size);

	if (v->offset == 0 && head) {
		seven_bit_look(&v->engine, head->data, head->size);
		v->octets += head->size;
	}
	seven_bit_look(&v->engine, piece + at, n);
	v->octets += n;
	return pass(v, at, n, size);
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

static bool make_room(struct converting *v, size_t room)
{
	if (room <= v->out_room)
		return true;
	free(v->out);
	v->out = malloc(room);
	v->out_room = v->out ? room : 0;
	return v->out;
}

enum converting_made converting_make(struct converting *v, const struct exchange_head *head, const uint8_t *piece,
				     size_t size, bool last, size_t *written)
{
	size_t at = begin(v, head), n = converting_part(v, head, size), made = 0;
	bool headed = v->offset == 0 && head, whole = at + n == size;

	if (!make_room(v, seven_bit_room(n) + (headed ? seven_bit_room(head->size) : 0) +
				  (last && whole ? seven_bit_room(0) : 0)))
		return CONVERTING_NO_MEMORY;
	if (headed)
		made += seven_bit_write(&v->engine, head->data, head->size, v->out);
	made += seven_bit_write(&v->engine, piece + at, n, v->out + made);
	if (last && whole)
		made += seven_bit_end(&v->engine, v->out + made);
	*written = made;
	return pass(v, at, n, size) ? CONVERTING_WHOLE : CONVERTING_PART;
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
