/*
 * core/deliver/attempt_content.c - an attempt's content on its way from the spool to its exchange, piece by piece; and
 * its end, which waits for what is being read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"
#include "core/deliver/attempt_private.h"
#include "core/deliver/connection.h"
#include "core/deliver/tell.h"
#include "core/shard/shard.h"

void attempt_stop_converting(struct attempt *a)
{
	if (!a->converting)
		return;
	list_remove(&a->converting->waiter.link);
	converting_free(a->converting);
	a->converting = NULL;
}

void attempt_free(struct attempt *a)
{
	if (a->view_held)
		spool_view_release(&a->view);
	if (a->part_held)
		spool_view_release(&a->part);
	if (a->results != a->results_inline)
		free(a->results);
	rewriting_free(a->rewriting);
	narrow_free(a->narrow);
	attempt_stop_converting(a);
	results_free(a);
	pool_release(&a->outbound->shard->deliverer->attempts, a);
}

/* Told while the envelope is in memory. */
void attempt_tell_damage(const struct attempt *a, int error, const char *why, bool envelope)
{
	if (verdict_fault(error).damaged)
		tell_damaged(a, why, envelope);
	else
		tell_unreadable(a, why);
}

/* Its content cannot be sent, and that is not the next hop's fault. False: the connection has to end by it. */
bool attempt_damaged(struct attempt *a, int error, const char *why)
{
	struct connection *c = a->connection;

	a->damage = why;
	a->damage_error = error;
	attempt_tell_damage(a, error, why, true);
	if (!exchange_damaged(&a->exchange))
		return false;
	c->reset_next = true;
	c->taken_back++;
	return true;
}

enum attempt_wrote attempt_damaged_before(struct attempt *a, int error, const char *why)
{
	a->damage = why;
	a->damage_error = error;
	attempt_tell_damage(a, error, why, true);
	return ATTEMPT_TURNED_AWAY;
}

static void on_part_loaded(struct spool_view *view, int result)
{
	struct attempt *a = container_of(view, struct attempt, part);

	a->part_loading = false;
	a->part_held = true; /* also when it failed: a view is released in every case */
	if (a->orphan) {
		attempt_free(a); /* its connection went away meanwhile */
		return;
	}
	/* Refused meanwhile, it is not wanted any more: what was refused has its verdict. */
	if (result < 0 && !a->exchange.decided) {
		const char *why =
			result == -EBADMSG ? "a part of the message in the spool is damaged" : strerror(-result);
		if (a->started)
			(void)attempt_damaged(a, result, why);
		else
			(void)attempt_damaged_before(a, result, why);
	}
	a->on_part(a);
}

/* The exchange has gone on to another piece. */
void attempt_release_past(struct attempt *a)
{
	if (!a->part_held || a->part_index == a->exchange.piece)
		return;
	spool_view_release(&a->part);
	a->part_held = false;
}

enum attempt_wrote attempt_no_memory(struct attempt *a)
{
	return attempt_damaged(a, -ENOMEM, "no memory to rewrite its header") ? ATTEMPT_WRITTEN : ATTEMPT_DAMAGED;
}

/* The head comes with this piece. */
static const struct exchange_head *head_at(const struct attempt *a, unsigned index)
{
	const struct rewriting *r = a->rewriting;

	return r && r->ready && r->at == index ? &r->head : NULL;
}

/* The piece is part of the head that comes with a later one. */
static bool in_head(const struct attempt *a, unsigned index)
{
	const struct rewriting *r = a->rewriting;

	return r && (!r->ready || index < r->at);
}

/* False: no memory. */
static bool rewrite(struct attempt *a, unsigned index, const uint8_t *content, size_t size)
{
	struct rewriting *r = a->rewriting;

	if (!r || r->ready)
		return true;
	r->at = (uint16_t)index;
	return rewriting_take(r, content, size, index == a->exchange.last) != REWRITING_NO_MEMORY;
}

/* False: others have their turn, and it goes on then. */
static bool may_go_on(struct attempt *a, const struct exchange_head *head, size_t size)
{
	struct turns *turns = &a->outbound->shard->deliverer->turns;

	return turns_take(turns, &a->converting->waiter, converting_part(a->converting, head, size));
}

static enum attempt_wrote give_converted(struct attempt *a, const struct exchange_head *head, const uint8_t *content,
					 size_t size)
{
	struct converting *v = a->converting;
	struct exchange *x = &a->exchange;
	bool last = x->piece == x->last;
	enum converting_made made;
	size_t written;

	/* A few octets may be held back until it is known what follows them. */
	do {
		if (!may_go_on(a, head, size))
			return ATTEMPT_WAITS;
		made = converting_make(v, head, content, size, last, &written);
	} while (made == CONVERTING_PART && written == 0);
	if (made == CONVERTING_NO_MEMORY)
		return attempt_no_memory(a);
	if (made == CONVERTING_PART)
		exchange_give_part(x, v->out, written);
	else if (written == 0 && !last)
		exchange_hold_back(x);
	else
		exchange_give(x, v->out, written);
	return ATTEMPT_WRITTEN;
}

/* WRITTEN: the exchange has it, in one form or another. */
static enum attempt_wrote give(struct attempt *a, const uint8_t *content, size_t size)
{
	struct exchange *x = &a->exchange;
	const struct exchange_head *head;

	if (!rewrite(a, x->piece, content, size))
		return attempt_no_memory(a);
	head = head_at(a, x->piece);
	if (in_head(a, x->piece))
		exchange_hold_back(x);
	else if (a->converted)
		return give_converted(a, head, content, size);
	else if (head)
		exchange_give_headed(x, head, content, size);
	else
		exchange_give(x, content, size);
	return ATTEMPT_WRITTEN;
}

/* False: it is being read. */
static bool piece(struct attempt *a, unsigned index, const uint8_t **content, size_t *size)
{
	if (index == a->exchange.last) {
		*content = a->view.content;
		*size = a->view.content_length;
		return true;
	}
	if (a->part_loading)
		return false;
	if (a->part_held && a->part_index != index) {
		spool_view_release(&a->part);
		a->part_held = false;
	}
	if (!a->part_held) {
		a->part_index = (uint16_t)index;
		if (!spool_view(a->outbound->shard->store->spool, &a->part, &mail_of(a->delivery)->item.parts[index],
				on_part_loaded)) {
			a->part_loading = true;
			return false;
		}
		a->part_held = true;
	}
	*content = a->part.content;
	*size = a->part.content_length;
	return true;
}

enum attempt_wrote attempt_give_piece(struct attempt *a)
{
	const uint8_t *content;
	size_t size;

	attempt_release_past(a);
	return piece(a, a->exchange.piece, &content, &size) ? give(a, content, size) : ATTEMPT_WAITS;
}

/* ---- 8-bit content for a host that takes none ------------------------------------------------------------------- */

static void on_turn(struct turns_waiter *waiter)
{
	struct attempt *a = container_of(waiter, struct converting, waiter)->owner;

	a->on_part(a);
}

static enum attempt_wrote all_looked_at(struct attempt *a, const char **refusal)
{
	const struct rewriting *r = a->rewriting;
	bool signature_void = r && r->facts.from_changed && r->facts.signed_;
	enum seven_bit_result result =
		converting_looked(a->converting, signature_void, mail_of(a->delivery)->content_length, &a->growth);

	if (result == SEVEN_BIT_CONVERT && a->outbound->destination->eight_bit == CONFIG_EIGHT_BIT_CONVERT) {
		a->converted = true;
		return ATTEMPT_WRITTEN;
	}
	if (result == SEVEN_BIT_AS_IS)
		return ATTEMPT_WRITTEN;
	*refusal = converting_refusal(a->outbound->destination->eight_bit == CONFIG_EIGHT_BIT_REFUSE ? SEVEN_BIT_CONVERT
												     : result);
	return ATTEMPT_TURNED_AWAY;
}

enum attempt_wrote attempt_look(struct attempt *a, const char **refusal)
{
	struct converting *v = a->converting;
	const struct exchange_head *head;
	const uint8_t *content;
	size_t size;

	if (!v) {
		a->converting = v = converting_new();
		if (!v)
			return attempt_damaged_before(a, -ENOMEM, "no memory to convert its content");
		v->owner = a;
		turns_waiter_init(&v->waiter, on_turn);
	}
	while (!v->looked) {
		if (!piece(a, v->piece, &content, &size))
			return ATTEMPT_WAITS;
		if (!rewrite(a, v->piece, content, size))
			return attempt_damaged_before(a, -ENOMEM, "no memory to rewrite its header");
		head = head_at(a, v->piece);
		if (!in_head(a, v->piece)) {
			if (!may_go_on(a, head, size))
				return ATTEMPT_WAITS;
			if (!converting_look(v, head, content, size))
				continue;
		}
		if (v->piece == a->exchange.last)
			return all_looked_at(a, refusal);
		v->piece++;
	}
	return ATTEMPT_WRITTEN;
}
