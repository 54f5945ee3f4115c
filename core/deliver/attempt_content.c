/*
 * core/deliver/attempt_content.c - an attempt's content on its way from the spool to its exchange, piece by piece; and
 * its end, which waits for what is being read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/deliver/attempt_private.h"
#include "core/deliver/connection.h"
#include "core/deliver/tell.h"
#include "core/shard/shard.h"

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
		(void)attempt_damaged(a, result, why);
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

/* WRITTEN: the exchange has it, in one form or another. */
static enum attempt_wrote give(struct attempt *a, const uint8_t *content, size_t size)
{
	struct exchange *x = &a->exchange;
	struct rewriting *r = a->rewriting;

	if (!r || r->given) {
		exchange_give(x, content, size);
		return ATTEMPT_WRITTEN;
	}
	switch (r->ready ? REWRITING_READY : rewriting_take(r, content, size, x->piece == x->last)) {
	case REWRITING_MORE:
		exchange_hold_back(x);
		return ATTEMPT_WRITTEN;
	case REWRITING_NO_MEMORY:
		return attempt_no_memory(a);
	default:
		exchange_give_headed(x, &r->head, content, size);
		r->given = true;
		return ATTEMPT_WRITTEN;
	}
}

/* The piece that the exchange asks for. WAITS: it is being read. */
enum attempt_wrote attempt_give_piece(struct attempt *a)
{
	struct exchange *x = &a->exchange;

	attempt_release_past(a);
	if (x->piece == x->last)
		return give(a, a->view.content, a->view.content_length);
	if (a->part_loading)
		return ATTEMPT_WAITS;
	if (!a->part_held) {
		a->part_index = x->piece;
		if (!spool_view(a->outbound->shard->store->spool, &a->part, &mail_of(a->delivery)->item.parts[x->piece],
				on_part_loaded)) {
			a->part_loading = true;
			return ATTEMPT_WAITS;
		}
		a->part_held = true;
	}
	return give(a, a->part.content, a->part.content_length);
}

