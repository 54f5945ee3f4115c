/*
 * fuzz_envelope.c - what a message record says beside its content: whatever the disk gives back is decoded within its
 * bounds or refused, and what was decoded can be encoded again and says the same.
 *
 * Input: the envelope.
 */
#include <errno.h>
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

	need(span.length == 0 ||
	     (start >= data && start <= data + size && span.length <= (size_t)(data + size - start)));
}

static bool same(struct span a, struct span b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static void write_again(const struct envelope *e, const uint8_t *data, size_t size, struct envelope_writer *writer)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	unsigned count = 0;

	for (unsigned i = 0; i < e->destinations; i++) {
		check_span(envelope_destination(e, i), data, size);
		envelope_add_destination(writer, envelope_destination(e, i));
	}
	need(envelope_destination(e, e->destinations).length == 0);
	for (envelope_first(e, &cursor); envelope_next(&cursor, &recipient); count++) {
		check_span(recipient.address, data, size);
		need(recipient.destination < e->destinations);
		envelope_add_recipient(writer, recipient.destination, recipient.address);
		check_span(recipient.orcpt, data, size);
		need(recipient.orcpt.length <= ENVELOPE_ORCPT_MAX);
		envelope_add_parameters(writer, recipient.notify, recipient.orcpt);
	}
	need(count == e->recipients);
}

static void compare(const struct envelope *a, const struct envelope *b)
{
	struct envelope_cursor x, y;
	struct envelope_recipient p, q;

	need(a->flags == b->flags && a->recipients == b->recipients && a->destinations == b->destinations);
	need(a->ret == b->ret && a->require_tls == b->require_tls && a->not_before_ns == b->not_before_ns &&
	     same(a->envid, b->envid));
	need(same(a->owner, b->owner) || a->owner.length > b->owner.length);
	need(same(a->device, b->device) || a->device.length > b->device.length);
	need(same(a->sender, b->sender) && a->client.length >= b->client.length && a->helo.length >= b->helo.length);
	for (unsigned i = 0; i < a->destinations; i++)
		need(same(envelope_destination(a, i), envelope_destination(b, i)));
	envelope_first(a, &x);
	envelope_first(b, &y);
	while (envelope_next(&x, &p))
		need(envelope_next(&y, &q) && p.destination == q.destination && same(p.address, q.address) &&
		     p.notify == q.notify && same(p.orcpt, q.orcpt));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct envelope_writer writer;
	struct envelope e, back;
	/* Tags are longer than the lengths of version 1. */
	size_t room = 8 * size + 256, length;
	uint8_t *again;
	int result = envelope_decode(data, size, &e);

	need(result == 0 || result == -EBADMSG || result == -ENOTSUP);
	if (result < 0)
		return 0;
	check_span(e.client, data, size);
	check_span(e.peer, data, size);
	check_span(e.helo, data, size);
	check_span(e.sender, data, size);
	check_span(e.envid, data, size);
	again = malloc(room);
	need(again != NULL);
	envelope_begin(&writer, again, room, &e);
	write_again(&e, data, size, &writer);
	length = envelope_end(&writer);
	need(length > 0 && envelope_decode(again, length, &back) == 0);
	compare(&e, &back);
	free(again);
	return 0;
}
