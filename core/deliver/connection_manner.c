/*
 * core/deliver/connection_manner.c - how messages are sent on a connection: by what its host offers, what it has taught
 * and what is configured.
 */
#include <limits.h>

#include "core/config/config.h"
#include "core/deliver/connection.h"
#include "core/deliver/connection_private.h"
#include "core/shard/shard.h"

struct manner {
	enum exchange_mode mode;
	bool across;
};

static struct manner manner_now(const struct connection *c)
{
	const struct lessons *lessons = &c->host->lessons;
	uint64_t now_ns = c->outbound->shard->now_ns;
	struct manner manner = {.mode = MODE_LOCKSTEP};

	if (!c->setup.extensions.pipelining || lesson_in_force(lessons, LESSON_NO_PIPELINING, now_ns))
		return manner;
	manner.mode = MODE_PIPELINE;
	if (c->setup.extensions.chunking && !lesson_in_force(lessons, LESSON_NO_CHUNKING, now_ns))
		manner.mode = MODE_CHUNKING;
	/* RFC 2920 3.1 allows it behind the dot as well. Some servers refuse it, and some take it for content, answer
	 * 250 and alter the mail; with BDAT the length leaves no doubt. */
	manner.across = (manner.mode == MODE_CHUNKING || c->outbound->destination->pipeline_across_messages) &&
			!lesson_in_force(lessons, LESSON_ALONE, now_ns);
	return manner;
}

bool connection_manner_stale(const struct connection *c)
{
	struct manner manner = manner_now(c);

	return manner.mode != c->mode || manner.across != c->across;
}

/* With DATA the next message's envelope may be under way behind the end of one, and no more. */
static unsigned in_flight_most(const struct connection *c)
{
	unsigned most = !c->across ? 1 : c->mode == MODE_PIPELINE ? 2 : UINT_MAX;

	return most < c->outbound->destination->messages_in_flight ? most
								   : c->outbound->destination->messages_in_flight;
}

void connection_manner_choose(struct connection *c)
{
	struct manner manner = manner_now(c);

	c->mode = manner.mode;
	c->across = manner.across;
	window_init(&c->window, c->host->window, in_flight_most(c), c->outbound->shard->now_ns);
}
