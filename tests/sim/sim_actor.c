/*
 * tests/sim/sim_actor.c - connections of the tests' own clients and servers, as callbacks.
 *
 * Purpose
 *   Actors are what the engine talks to. They are not under test, so their side is comfortable: sends never block
 *   (an outbox takes what the stream has no room for), receives come as calls.
 *
 * Invariants
 *   Callbacks run from events, never from inside a call the actor makes. After world_disconnect(), world_abort() or
 *   an on_end() with an error there are none.
 */
#include <errno.h>
#include <string.h>

#include "tests/sim/sim_network.h"

enum { SIM_ACTOR_CHUNK = 16384 };

void sim_actor_opened(struct world_connection *end, int error)
{
	if (end->over)
		return;
	if (error) {
		end->over = end->closed = true;
		end->actor->on_end(end, end->context, error);
		return;
	}
	end->actor->on_open(end, end->context);
	sim_actor_writable(end);
}

void sim_actor_readable(struct world_connection *end)
{
	struct sim_stream *s = sim_end_in(end);
	uint8_t chunk[SIM_ACTOR_CHUNK];
	while (!end->over && !end->paused && s->arrived > s->read) {
		size_t n = sim_stream_get(end, chunk, sizeof(chunk));
		sim_end_writable(end->pair->ends[1 - end->side]);
		end->actor->on_data(end, end->context, chunk, n);
	}
	bool all = s->arrived == s->read;
	if (!end->over && !end->paused && all && s->fin_arrived && !end->error && !end->end_told) {
		end->end_told = true;
		end->actor->on_end(end, end->context, 0);
	}
}

void sim_actor_reset(struct world_connection *end)
{
	/* What had arrived before is still the actor's to read. */
	sim_actor_readable(end);
	if (end->over)
		return;
	end->over = true;
	end->closed = true;
	end->actor->on_end(end, end->context, end->error);
}

static void sim_actor_drained(void *context, uint64_t argument)
{
	struct world_connection *end = context;
	end->drained_scheduled = false;
	if (!end->over && end->outbox_start == end->outbox_end)
		end->actor->on_drained(end, end->context);
}

static void sim_actor_flush(struct world_connection *end)
{
	while (end->outbox_start < end->outbox_end) {
		size_t n = sim_stream_put(end, end->outbox + end->outbox_start, end->outbox_end - end->outbox_start);
		if (n == 0)
			return;
		end->outbox_start += n;
	}
	end->outbox_start = end->outbox_end = 0;
	if (end->close_wanted) {
		end->close_wanted = false;
		sim_end_close(end);
	} else if (end->half_close_wanted) {
		end->half_close_wanted = false;
		sim_stream_fin(end);
	}
}

void sim_actor_writable(struct world_connection *end)
{
	if (end->closed || !end->connected || end->error)
		return;
	bool had = end->outbox_start < end->outbox_end;
	sim_actor_flush(end);
	if (had && end->outbox_start == end->outbox_end && end->actor->on_drained && !end->drained_scheduled) {
		end->drained_scheduled = true;
		sim_schedule(0, sim_actor_drained, end, 0);
	}
}

/* The actors' calls. */

bool world_peer_open(const struct world_connection *connection)
{
	return !connection->pair->ends[1 - connection->side]->closed;
}

int world_listen(const struct ring_address *address, const struct world_actor *actor, void *context)
{
	struct sim_listener *listener = world_alloc(sizeof(*listener));
	listener->address = *address;
	listener->actor = actor;
	listener->context = context;
	int error = sim_listener_add(listener);
	if (error)
		world_release(listener);
	return error;
}

void world_listen_end(const struct ring_address *address)
{
	struct sim_listener *listener = sim_listener_at(address);
	if (!listener || !listener->actor)
		sim_bug("world_listen_end: no actor listens there");
	sim_listener_remove(listener);
}

struct world_connection *world_connect(const struct ring_address *address, const struct ring_address *from,
				       const struct world_actor *actor, void *context)
{
	struct world_connection *end = sim_end_new();
	end->peer = *address;
	if (from)
		end->local = *from;
	end->actor = actor;
	end->context = context;
	sim_end_connect(end);
	return end;
}

void world_connection_context(struct world_connection *connection, void *context)
{
	connection->context = context;
}

static void sim_actor_flush_later(void *context, uint64_t argument)
{
	sim_actor_writable(context);
}

void world_send(struct world_connection *connection, const void *data, size_t length)
{
	if (connection->over)
		sim_bug("world_send on a connection that is over");
	if (connection->outbox_end + length > connection->outbox_capacity) {
		connection->outbox_capacity = 2 * (connection->outbox_end + length);
		connection->outbox = world_realloc(connection->outbox, connection->outbox_capacity);
	}
	memcpy(connection->outbox + connection->outbox_end, data, length);
	connection->outbox_end += length;
	sim_schedule(0, sim_actor_flush_later, connection, 0);
}

size_t world_send_queued(const struct world_connection *connection)
{
	return connection->outbox_end - connection->outbox_start;
}

static void sim_actor_resume(void *context, uint64_t argument)
{
	struct world_connection *end = context;
	if (end->connected && !end->closed)
		sim_actor_readable(end);
}

void world_pause(struct world_connection *connection, bool pause)
{
	bool resume = connection->paused && !pause;
	connection->paused = pause;
	if (resume)
		sim_schedule(0, sim_actor_resume, connection, 0);
}

void world_half_close(struct world_connection *connection)
{
	connection->half_close_wanted = true;
	sim_schedule(0, sim_actor_flush_later, connection, 0);
}

void world_disconnect(struct world_connection *connection)
{
	connection->over = true;
	connection->close_wanted = true;
	/* Before the connection stands there is nothing to flush. */
	if (!connection->connected)
		sim_end_abort(connection);
	else
		sim_schedule(0, sim_actor_flush_later, connection, 0);
}

void world_abort(struct world_connection *connection)
{
	connection->over = true;
	sim_end_abort(connection);
}
