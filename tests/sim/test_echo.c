/*
 * tests/sim/test_echo.c - an echo server on ring.h and clients for it, to test the simulated kernel with.
 *
 * Ownership
 *   A connection counts its ops in flight and is freed when it is closing and the count is zero (P10, P11). It holds at
 *   most one received buffer at a time by copying into its own memory.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/list.h"
#include "tests/sim/test_echo.h"

enum { ECHO_BUFFERS = 8, ECHO_BUFFER_SIZE = 256 };

struct echo_shard {
	struct echo_server *server;
	struct ring *ring;
	int fd;
	struct ring_op accept, cancel, close;
	struct list connections;
	unsigned accepted;
	bool stopping, listener_closed;
};

struct echo_server {
	unsigned shard_count;
	struct echo_shard shards[ECHO_SHARDS_MAX];
	uint64_t short_sends, recv_ended_early;
};

struct echo_connection {
	struct list link;
	struct echo_shard *shard;
	int fd;
	struct ring_op recv, send, cancel, close;
	uint8_t *data; /* received, not sent yet */
	size_t start, end, capacity;
	size_t sending;
	bool ended, dead, starved, closing;
};

static void echo_step(struct echo_connection *c);

static void echo_on_close(struct ring_op *op, int result, uint32_t flags)
{
	struct echo_connection *c = container_of(op, struct echo_connection, close);
	assert(result == 0);
	list_remove(&c->link);
	free(c->data);
	free(c);
}

static void echo_on_cancel(struct ring_op *op, int result, uint32_t flags)
{
	struct echo_connection *c = container_of(op, struct echo_connection, cancel);
	echo_step(c);
}

static void echo_on_send(struct ring_op *op, int result, uint32_t flags)
{
	struct echo_connection *c = container_of(op, struct echo_connection, send);
	if (result < 0) {
		c->dead = true;
	} else {
		c->shard->server->short_sends += (size_t)result < c->sending;
		c->start += (size_t)result;
	}
	echo_step(c);
}

static void echo_keep(struct echo_connection *c, const uint8_t *data, size_t length)
{
	if (c->end + length > c->capacity) {
		/* A send in flight owns the memory it was given, so it grows by moving to new memory only then. */
		c->capacity = 2 * (c->end + length);
		c->data = realloc(c->data, c->capacity);
		assert(c->data);
	}
	memcpy(c->data + c->end, data, length);
	c->end += length;
}

static void echo_on_recv(struct ring_op *op, int result, uint32_t flags)
{
	struct echo_connection *c = container_of(op, struct echo_connection, recv);
	struct ring *ring = c->shard->ring;
	if (flags & RING_BUFFER) {
		assert(result > 0);
		/* While a send is in flight its memory stays where it is. */
		if (!c->send.in_flight || c->end + (size_t)result <= c->capacity)
			echo_keep(c, ring_buffer(ring, flags), (size_t)result);
		else
			c->dead = true;
		ring_buffer_release(ring, flags);
	} else if (result == -ENOBUFS) {
		c->starved = true;
	} else if (result == 0) {
		c->ended = true;
	} else {
		c->dead = true;
	}
	if (!(flags & RING_MORE) && result > 0)
		c->shard->server->recv_ended_early++;
	echo_step(c);
}

/* Decides what happens next; the only place that submits. */
static void echo_step(struct echo_connection *c)
{
	struct ring *ring = c->shard->ring;
	if (c->closing)
		return;
	bool stop = c->dead || c->shard->stopping || (c->ended && c->start == c->end);
	if (!stop) {
		if (!c->send.in_flight && c->start == c->end)
			c->start = c->end = 0;
		if (!c->send.in_flight && c->start < c->end) {
			c->sending = c->end - c->start;
			ring_send(ring, &c->send, c->fd, c->data + c->start, c->sending);
		}
		if (!c->recv.in_flight && !c->ended && !c->starved)
			ring_recv(ring, &c->recv, c->fd);
		return;
	}
	if (c->cancel.in_flight)
		return;
	if (c->recv.in_flight || c->send.in_flight) {
		ring_cancel(ring, &c->cancel, c->recv.in_flight ? &c->recv : &c->send);
		return;
	}
	c->closing = true;
	ring_close_fd(ring, &c->close, c->fd);
}

static void echo_on_accept(struct ring_op *op, int result, uint32_t flags)
{
	struct echo_shard *shard = container_of(op, struct echo_shard, accept);
	if (result >= 0) {
		struct echo_connection *c = calloc(1, sizeof(*c));
		assert(c);
		c->shard = shard;
		c->fd = result;
		c->recv.fn = echo_on_recv;
		c->send.fn = echo_on_send;
		c->cancel.fn = echo_on_cancel;
		c->close.fn = echo_on_close;
		/* As much as a client may send before it reads: never moved while a send is in flight. */
		c->capacity = 1u << 20;
		c->data = malloc(c->capacity);
		assert(c->data);
		list_append(&shard->connections, &c->link);
		shard->accepted++;
		echo_step(c);
	}
	if (!(flags & RING_MORE) && !shard->stopping)
		ring_accept(shard->ring, &shard->accept, shard->fd);
}

static void echo_on_listener_closed(struct ring_op *op, int result, uint32_t flags)
{
	container_of(op, struct echo_shard, close)->listener_closed = true;
}

static void echo_on_nothing(struct ring_op *op, int result, uint32_t flags)
{
}

static uint64_t echo_turn(void *context)
{
	struct echo_shard *shard = context;
	ring_turn(shard->ring, 0);
	for (struct list *at = shard->connections.next, *next; at != &shard->connections; at = next) {
		struct echo_connection *c = container_of(at, struct echo_connection, link);
		next = at->next;
		/* Buffers have come back. */
		if (c->starved && ring_buffers_free(shard->ring) > ECHO_BUFFERS / 2) {
			c->starved = false;
			echo_step(c);
		}
	}
	return UINT64_MAX;
}

struct echo_server *echo_server_start(uint16_t port, unsigned shards)
{
	struct ring_config config = {
		.entries = 64, .completions = 4096, .buffers = ECHO_BUFFERS, .buffer_size = ECHO_BUFFER_SIZE};
	struct ring_address address = world_address(port);
	struct ring_problem problem;
	world_engine_enter();
	struct echo_server *server = calloc(1, sizeof(*server));
	assert(server);
	server->shard_count = shards;
	for (unsigned i = 0; i < shards; i++) {
		struct echo_shard *shard = &server->shards[i];
		shard->server = server;
		list_init(&shard->connections);
		int error = ring_open(&shard->ring, &config, &problem);
		assert(error == 0);
		shard->fd = ring_listen(shard->ring, &address, 128, RING_SHARED);
		assert(shard->fd >= 0);
		shard->accept.fn = echo_on_accept;
		shard->cancel.fn = echo_on_nothing;
		shard->close.fn = echo_on_listener_closed;
		ring_accept(shard->ring, &shard->accept, shard->fd);
		world_runnable_add(echo_turn, shard);
	}
	world_engine_leave();
	return server;
}

static bool echo_stopped(void *context)
{
	struct echo_server *server = context;
	for (unsigned i = 0; i < server->shard_count; i++) {
		struct echo_shard *shard = &server->shards[i];
		if (shard->accept.in_flight || shard->cancel.in_flight || !list_empty(&shard->connections))
			return false;
	}
	return true;
}

static bool echo_listeners_closed(void *context)
{
	struct echo_server *server = context;
	for (unsigned i = 0; i < server->shard_count; i++)
		if (!server->shards[i].listener_closed)
			return false;
	return true;
}

void echo_server_stop(struct echo_server *server)
{
	world_engine_enter();
	for (unsigned i = 0; i < server->shard_count; i++) {
		struct echo_shard *shard = &server->shards[i];
		shard->stopping = true;
		ring_cancel(shard->ring, &shard->cancel, &shard->accept);
		for (struct list *at = shard->connections.next; at != &shard->connections; at = at->next)
			echo_step(container_of(at, struct echo_connection, link));
	}
	world_engine_leave();
	enum world_end end = world_run(echo_stopped, server, UINT64_C(60000000000));
	assert(end == WORLD_DONE);
	for (unsigned i = 0; i < server->shard_count; i++)
		ring_close_fd(server->shards[i].ring, &server->shards[i].close, server->shards[i].fd);
	end = world_run(echo_listeners_closed, server, UINT64_C(60000000000));
	assert(end == WORLD_DONE);
	for (unsigned i = 0; i < server->shard_count; i++)
		ring_close(server->shards[i].ring);
	world_runnables_clear();
	free(server);
}

/* Clients. */

struct echo_client {
	unsigned count; /* in the first one: how many there are */
	uint64_t key, octets, sent, received, wrong;
	bool done, reset;
};

static uint8_t echo_octet(const struct echo_client *c, uint64_t position)
{
	uint64_t x = (position + c->key) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint8_t)(x >> 56);
}

static void echo_client_send(struct world_connection *connection, void *context)
{
	struct echo_client *c = context;
	uint8_t chunk[4096];
	/* Not more than the server is sure to have room for. */
	while (c->sent < c->octets && c->sent - c->received < 500000 && world_send_queued(connection) < 65536) {
		size_t n = 1 + world_below(sizeof(chunk));
		if (n > c->octets - c->sent)
			n = (size_t)(c->octets - c->sent);
		for (size_t i = 0; i < n; i++)
			chunk[i] = echo_octet(c, c->sent + i);
		world_send(connection, chunk, n);
		c->sent += n;
	}
	if (c->sent == c->octets)
		world_half_close(connection);
}

static void echo_client_data(struct world_connection *connection, void *context, const uint8_t *data, size_t length)
{
	struct echo_client *c = context;
	for (size_t i = 0; i < length; i++)
		c->wrong += data[i] != echo_octet(c, c->received + i);
	c->received += length;
	if (c->sent < c->octets)
		echo_client_send(connection, c);
}

static void echo_client_end(struct world_connection *connection, void *context, int error)
{
	struct echo_client *c = context;
	c->done = true;
	c->reset = error != 0;
	if (error)
		return;
	c->wrong += c->octets - c->received;
	world_disconnect(connection);
}

static const struct world_actor echo_client_actor = {
	.on_open = echo_client_send,
	.on_data = echo_client_data,
	.on_drained = echo_client_send,
	.on_end = echo_client_end,
};

struct echo_client *echo_clients_start(uint16_t port, unsigned count, uint64_t octets)
{
	struct ring_address address = world_address(port);
	struct echo_client *clients = world_alloc(count * sizeof(*clients));
	clients->count = count;
	for (unsigned i = 0; i < count; i++) {
		clients[i].octets = octets;
		clients[i].key = world_random();
		world_connect(&address, NULL, &echo_client_actor, &clients[i]);
	}
	return clients;
}

bool echo_clients_done(void *context)
{
	struct echo_client *clients = context;
	for (unsigned i = 0; i < clients->count; i++)
		if (!clients[i].done)
			return false;
	return true;
}

void echo_clients_free(struct echo_client *clients)
{
	world_release(clients);
}

void echo_collect(struct echo_server *server, struct echo_client *clients, unsigned count, struct echo_result *result)
{
	memset(result, 0, sizeof(*result));
	for (unsigned i = 0; i < count; i++) {
		result->clients_done += clients[i].done && !clients[i].reset;
		result->clients_reset += clients[i].reset;
		result->wrong_octets += clients[i].wrong;
	}
	for (unsigned i = 0; i < server->shard_count; i++) {
		struct ring_stats stats;
		ring_stats(server->shards[i].ring, &stats);
		result->accepted[i] = server->shards[i].accepted;
		result->buffer_shortages += stats.buffer_shortages;
	}
	result->short_sends = server->short_sends;
	result->recv_ended_early = server->recv_ended_early;
}

void echo_scenario(uint16_t port, unsigned count, uint64_t octets, struct echo_result *result)
{
	struct echo_server *server = echo_server_start(port, 2);
	struct echo_client *clients = echo_clients_start(port, count, octets);
	enum world_end end = world_run(echo_clients_done, clients, UINT64_C(3600000000000));
	echo_collect(server, clients, count, result);
	result->end = end;
	echo_server_stop(server);
	result->leaked = world_allocations_live();
	result->hash = world_trace_hash();
	result->now_ns = world_now_ns();
	echo_clients_free(clients);
}
