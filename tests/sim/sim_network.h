/*
 * tests/sim/sim_network.h - connections of the simulated network, shared by its two halves: sim_network.c (the ring's
 * sockets) and sim_actor.c (the tests' clients and servers).
 *
 * A connection is a pair of ends and two streams, one for each direction. A stream is a bounded buffer with three
 * cursors, read <= arrived <= written <= read + capacity: the sender moves `written` as long as there is room, events
 * move `arrived`, the receiver moves `read`. So a slow receiver stops its sender.
 */
#ifndef POSTRIDER_SIM_SIM_NETWORK_H
#define POSTRIDER_SIM_SIM_NETWORK_H

#include "tests/sim/sim.h"

struct sim_stream {
	uint8_t *data;
	uint32_t capacity;
	uint64_t written, arrived, read;
	bool fin, fin_arrived;
	bool scheduled; /* a delivery event is under way */
};

struct sim_pair {
	struct list link;
	uint64_t number;
	uint16_t port; /* of the listening side */
	struct world_connection *ends[2];
	struct sim_stream streams[2]; /* streams[i] is what ends[i] sends */
};

/* One end of a connection, or a socket that has none yet. Owned by the network until the world ends. */
struct world_connection {
	struct list link;
	struct sim_pair *pair;
	int side;
	struct ring_address local, peer;
	bool connected, closed, write_shut, read_shut;
	int error;       /* it was reset */
	bool error_told; /* the first call after that has heard of it */

	/* The engine's end: ops that wait. */
	struct sim_op *recv, *send, *connect;
	uint64_t attempt, connect_started; /* a connect; events of earlier ones are ignored */

	/* An actor's end. */
	const struct world_actor *actor;
	void *context;
	uint8_t *outbox;
	size_t outbox_start, outbox_end, outbox_capacity;
	bool paused, end_told, over; /* over: no more callbacks */
	bool half_close_wanted, close_wanted, drained_scheduled;
};

struct sim_listener {
	struct list link;
	struct ring_address address;
	struct sim_op *accept;
	const struct world_actor *actor;
	void *context;
	unsigned backlog;
	struct world_connection **pending; /* connected, not accepted yet */
	size_t pending_count;
};

struct world_connection *sim_end_new(void);
static inline struct sim_stream *sim_end_in(const struct world_connection *end)
{
	return &end->pair->streams[1 - end->side];
}
static inline struct sim_stream *sim_end_out(const struct world_connection *end)
{
	return &end->pair->streams[end->side];
}
/* Octets taken. */
size_t sim_stream_put(struct world_connection *end, const uint8_t *data, size_t length);
size_t sim_stream_get(struct world_connection *end, uint8_t *data, size_t length);
size_t sim_stream_room(const struct world_connection *end);
void sim_stream_fin(struct world_connection *end);
/* There is room again, or none will ever come. */
void sim_end_writable(struct world_connection *end);
/* As close() does: a reset if something unread is lost, else an end of stream behind what was written. */
void sim_end_close(struct world_connection *end);
void sim_end_abort(struct world_connection *end);
/* Sends the connection request; the waiting op or sim_actor_opened() hears the outcome. */
void sim_end_connect(struct world_connection *end);
int sim_listener_add(struct sim_listener *listener);
void sim_listener_remove(struct sim_listener *listener);
struct sim_listener *sim_listener_at(const struct ring_address *address);
uint64_t sim_network_delay(void);

/* sim_actor.c: what an actor's end does when something has changed. */
void sim_actor_opened(struct world_connection *end, int error);
void sim_actor_readable(struct world_connection *end);
void sim_actor_writable(struct world_connection *end);
void sim_actor_reset(struct world_connection *end);

#endif
