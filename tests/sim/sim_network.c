/*
 * tests/sim/sim_network.c - the ring's sockets on a simulated TCP: listeners, connections, streams, resets.
 *
 * Purpose
 *   Octets arrive in order, in segments cut at seeded boundaries, after seeded delays, within bounded buffers. What a
 *   kernel does at the edges is kept: close() with unread input resets the peer, sending to a closed peer brings
 *   a reset, what had arrived before a reset can still be read, what was under way is lost.
 *
 * Ownership
 *   Ends, pairs and listeners live until the world ends or, listeners, are closed; events may refer to them freely.
 *   Ops that wait are kept in their end or listener and taken out before they are posted.
 *
 * Failure
 *   What peers and networks do are results of ops. Only misuse of the interface ends in sim_bug().
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "core/base/port_owner.h"
#include "tests/sim/sim_network.h"

enum { SIM_PORTS = 32, SIM_CONNECT_TIMEOUT_S = 130, SIM_EPHEMERAL = 32768, SIM_MULTISHOT_ROUNDS = 32 };

struct sim_port {
	uint16_t port;
	enum world_reach reach;
	bool partitioned;
};

static struct {
	struct list ends, pairs, listeners;
	struct sim_port ports[SIM_PORTS]; /* the first is for all ports without their own entry */
	unsigned port_count;
	uint64_t connections;
	uint16_t ephemeral;
} net;

void sim_network_open(void)
{
	memset(&net, 0, sizeof(net));
	list_init(&net.ends);
	list_init(&net.pairs);
	list_init(&net.listeners);
	net.port_count = 1;
}

void sim_network_end(void)
{
	for (struct list *at = list_take_first(&net.ends); at; at = list_take_first(&net.ends)) {
		struct world_connection *end = container_of(at, struct world_connection, link);
		world_release(end->outbox);
		world_release(end);
	}
	for (struct list *at = list_take_first(&net.pairs); at; at = list_take_first(&net.pairs)) {
		struct sim_pair *pair = container_of(at, struct sim_pair, link);
		world_release(pair->streams[0].data);
		world_release(pair->streams[1].data);
		world_release(pair);
	}
	for (struct list *at = list_take_first(&net.listeners); at; at = list_take_first(&net.listeners)) {
		struct sim_listener *listener = container_of(at, struct sim_listener, link);
		world_release(listener->pending);
		world_release(listener);
	}
}

/* Addresses. */

static uint16_t sim_address_port(const struct ring_address *address)
{
	return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port);
}

static void sim_address_set_port(struct ring_address *address, uint16_t port)
{
	if (address->any.sa_family == AF_INET6)
		address->v6.sin6_port = htons(port);
	else
		address->v4.sin_port = htons(port);
}

static bool sim_address_is_any(const struct ring_address *address)
{
	if (address->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr);
	return address->v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

static bool sim_address_equal(const struct ring_address *a, const struct ring_address *b)
{
	if (a->any.sa_family != b->any.sa_family || sim_address_port(a) != sim_address_port(b))
		return false;
	if (a->any.sa_family == AF_INET6)
		return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0;
	return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

struct ring_address world_address(uint16_t port)
{
	struct ring_address address = {.length = sizeof(address.v4)};
	address.v4.sin_family = AF_INET;
	address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.v4.sin_port = htons(port);
	return address;
}

static uint16_t sim_ephemeral_port(void)
{
	return (uint16_t)(SIM_EPHEMERAL + net.ephemeral++ % 28000);
}

/* What the network does to a port. */

static struct sim_port *sim_port_find(uint16_t port)
{
	for (unsigned i = 1; i < net.port_count; i++)
		if (net.ports[i].port == port)
			return &net.ports[i];
	return &net.ports[0];
}

static struct sim_port *sim_port_make(uint16_t port)
{
	struct sim_port *found = sim_port_find(port);
	if (port == 0 || found->port == port)
		return found;
	if (net.port_count == SIM_PORTS)
		sim_bug("too many ports with settings");
	found = &net.ports[net.port_count++];
	*found = (struct sim_port){.port = port, .reach = net.ports[0].reach};
	return found;
}

void world_reach(uint16_t port, enum world_reach reach)
{
	sim_port_make(port)->reach = reach;
}

uint64_t sim_network_delay(void)
{
	return sim_between(sim->config.network_delay_min_ns, sim->config.network_delay_max_ns);
}

/* Streams. */

static void sim_deliver(void *context, uint64_t side);

static void sim_stream_kick(struct sim_pair *pair, int side, uint64_t delay_ns)
{
	struct sim_stream *s = &pair->streams[side];
	if (s->scheduled || (s->written == s->arrived && (!s->fin || s->fin_arrived)))
		return;
	s->scheduled = true;
	sim_schedule(delay_ns, sim_deliver, pair, (uint64_t)side);
}

size_t sim_stream_room(const struct world_connection *end)
{
	const struct sim_stream *s = sim_end_out(end);
	return s->capacity - (size_t)(s->written - s->read);
}

size_t sim_stream_put(struct world_connection *end, const uint8_t *data, size_t length)
{
	struct sim_stream *s = sim_end_out(end);
	size_t room = sim_stream_room(end);
	if (length > room)
		length = room;
	for (size_t i = 0; i < length; i++)
		s->data[(s->written + i) % s->capacity] = data[i];
	s->written += length;
	sim_stream_kick(end->pair, end->side, sim_network_delay());
	return length;
}

size_t sim_stream_get(struct world_connection *end, uint8_t *data, size_t length)
{
	struct sim_stream *s = sim_end_in(end);
	if (length > s->arrived - s->read)
		length = (size_t)(s->arrived - s->read);
	for (size_t i = 0; i < length; i++)
		data[i] = s->data[(s->read + i) % s->capacity];
	s->read += length;
	return length;
}

void sim_stream_fin(struct world_connection *end)
{
	end->write_shut = true;
	sim_end_out(end)->fin = true;
	sim_stream_kick(end->pair, end->side, sim_network_delay());
}

/* Nobody will read it. */
static void sim_stream_drop(struct sim_stream *s)
{
	s->arrived = s->read = s->written;
	s->fin_arrived = s->fin;
}

/* What is under way is lost, and an end of stream behind it with it: else the loss would look like an end. */
static void sim_stream_cut(struct sim_stream *s)
{
	s->written = s->arrived;
	s->fin = s->fin_arrived;
}

/* Ends. */

struct world_connection *sim_end_new(void)
{
	struct world_connection *end = world_alloc(sizeof(*end));
	list_append(&net.ends, &end->link);
	return end;
}

static void sim_stream_init(struct sim_stream *s)
{
	s->capacity = (uint32_t)sim_between(sim->config.socket_buffer_min, sim->config.socket_buffer_max);
	s->data = world_alloc(s->capacity);
}

/* The buffers of long runs with many connections would add up. */
static void sim_pair_trim(struct sim_pair *pair)
{
	if (!pair->ends[0]->closed || !pair->ends[1]->closed)
		return;
	for (int i = 0; i < 2; i++) {
		sim_stream_drop(&pair->streams[i]);
		world_release(pair->streams[i].data);
		pair->streams[i].data = NULL;
	}
}

static void sim_recv_try(struct world_connection *end);
static void sim_send_try(struct world_connection *end);

static void sim_end_readable(struct world_connection *end)
{
	if (!end->connected || end->closed)
		return;
	if (end->actor)
		sim_actor_readable(end);
	else if (end->recv)
		sim_recv_try(end);
}

void sim_end_writable(struct world_connection *end)
{
	if (!end->connected || end->closed)
		return;
	if (end->actor)
		sim_actor_writable(end);
	else if (end->send)
		sim_send_try(end);
}

/* A reset arrives. */
static void sim_reset_arrive(void *context, uint64_t argument)
{
	struct world_connection *end = context;
	if (end->closed || end->error || !end->pair)
		return;
	sim_trace("reset", end->pair->number, (uint64_t)end->side, 0);
	sim->stats.resets++;
	end->error = -ECONNRESET;
	sim_stream_cut(sim_end_in(end));
	sim_stream_cut(sim_end_out(end));
	if (end->actor && end->connected)
		sim_actor_reset(end);
	if (end->send)
		sim_send_try(end);
	sim_end_readable(end);
}

static void sim_reset_peer(struct world_connection *end, uint64_t delay_ns)
{
	sim_schedule(delay_ns, sim_reset_arrive, end->pair->ends[1 - end->side], 0);
}

void sim_end_abort(struct world_connection *end)
{
	if (end->closed)
		return;
	end->closed = true;
	if (!end->pair)
		return;
	sim_stream_cut(sim_end_out(end));
	sim_reset_peer(end, sim_network_delay());
	sim_pair_trim(end->pair);
}

void sim_end_close(struct world_connection *end)
{
	if (end->closed)
		return;
	if (end->pair && !end->error && sim_end_in(end)->arrived > sim_end_in(end)->read) {
		sim_end_abort(end);
		return;
	}
	end->closed = true;
	if (!end->pair)
		return;
	if (!end->error && !sim_end_out(end)->fin)
		sim_stream_fin(end);
	if (end->pair->ends[1 - end->side]->closed)
		sim_pair_trim(end->pair);
}

static void sim_deliver(void *context, uint64_t side)
{
	struct sim_pair *pair = context;
	struct sim_stream *s = &pair->streams[side];
	struct world_connection *receiver = pair->ends[1 - side];
	s->scheduled = false;
	if (sim_port_find(pair->port)->partitioned || !s->data)
		return;
	uint64_t amount = s->written - s->arrived;
	if (amount == 0 && (!s->fin || s->fin_arrived))
		return;
	if (receiver->closed) {
		if (amount)
			sim_schedule(sim_network_delay(), sim_reset_arrive, pair->ends[side], 0);
		sim_stream_drop(s);
		return;
	}
	if (amount > sim->config.segment_max)
		amount = sim->config.segment_max;
	if (amount > 1 && world_chance(sim->config.segment_split))
		amount = 1 + world_below(amount);
	if (world_chance(sim->config.reset)) {
		sim_schedule(0, sim_reset_arrive, pair->ends[0], 0);
		sim_schedule(0, sim_reset_arrive, pair->ends[1], 0);
	}
	s->arrived += amount;
	sim->stats.segments++;
	sim->stats.network_octets += amount;
	sim_trace("segment", pair->number, side, amount);
	/* The end of the stream comes with the last segment, or after it. */
	if (s->arrived == s->written && s->fin && (amount == 0 || world_below(2)))
		s->fin_arrived = true;
	/* What follows is right behind. */
	sim_stream_kick(pair, (int)side, sim_between(0, sim->config.network_delay_min_ns));
	sim_end_readable(receiver);
}

void world_partition(uint16_t port, bool on)
{
	sim_port_make(port)->partitioned = on;
	for (struct list *at = net.pairs.next; at != &net.pairs && !on; at = at->next) {
		struct sim_pair *pair = container_of(at, struct sim_pair, link);
		sim_stream_kick(pair, 0, sim_network_delay());
		sim_stream_kick(pair, 1, sim_network_delay());
	}
}

void world_reset(uint16_t port)
{
	for (struct list *at = net.pairs.next; at != &net.pairs; at = at->next) {
		struct sim_pair *pair = container_of(at, struct sim_pair, link);
		for (int i = 0; i < 2 && pair->port == port; i++)
			sim_schedule(0, sim_reset_arrive, pair->ends[i], 0);
	}
}

/* Listening. */

struct sim_listener *sim_listener_at(const struct ring_address *address)
{
	for (struct list *at = net.listeners.next; at != &net.listeners; at = at->next) {
		struct sim_listener *listener = container_of(at, struct sim_listener, link);
		if (sim_address_equal(&listener->address, address))
			return listener;
	}
	return NULL;
}

/* The engine's listeners share an address (SO_REUSEPORT); an actor's does not. */
int sim_listener_add(struct sim_listener *listener)
{
	if (sim_address_port(&listener->address) == 0)
		sim_address_set_port(&listener->address, sim_ephemeral_port());
	struct sim_listener *other = sim_listener_at(&listener->address);
	if (other && (other->actor || listener->actor))
		return -EADDRINUSE;
	list_append(&net.listeners, &listener->link);
	return 0;
}

void sim_listener_remove(struct sim_listener *listener)
{
	list_remove(&listener->link);
	for (size_t i = 0; i < listener->pending_count; i++)
		sim_end_abort(listener->pending[i]);
	world_release(listener->pending);
	world_release(listener);
}

/* One of those that match best, chosen by the seed as the kernel's hash would. */
static struct sim_listener *sim_listener_choose(const struct ring_address *address)
{
	for (int wildcard = 0; wildcard < 2; wildcard++) {
		struct sim_listener *chosen = NULL;
		unsigned count = 0;
		for (struct list *at = net.listeners.next; at != &net.listeners; at = at->next) {
			struct sim_listener *listener = container_of(at, struct sim_listener, link);
			struct ring_address place = listener->address;
			if (wildcard && sim_address_is_any(&place) && place.any.sa_family == address->any.sa_family &&
			    sim_address_port(&place) == sim_address_port(address))
				place = *address;
			else if (wildcard)
				continue;
			bool match = sim_address_equal(&place, address);
			if (match && world_below(++count) == 0)
				chosen = listener;
		}
		if (chosen)
			return chosen;
	}
	return NULL;
}

static void sim_accept_try(struct sim_listener *listener)
{
	while (listener->accept && listener->pending_count) {
		struct sim_op *o = listener->accept;
		struct world_connection *end = listener->pending[0];
		int fd = sim_fd_new(SIM_FD_SOCKET, end, 0);
		if (fd >= 0)
			memmove(listener->pending, listener->pending + 1,
				--listener->pending_count * sizeof(*listener->pending));
		bool more = fd >= 0 && !world_chance(sim->config.multishot_end);
		if (!more)
			listener->accept = NULL;
		sim_post(o, fd, more ? RING_MORE : 0);
	}
}

/* Connecting. */

static void sim_connect_done(struct world_connection *end, int error)
{
	if (error) {
		sim->stats.refused++;
	} else {
		end->connected = true;
	}
	if (end->actor) {
		sim_actor_opened(end, error);
	} else if (end->connect) {
		struct sim_op *o = end->connect;
		end->connect = NULL;
		sim_post(o, error, 0);
	}
	if (!error)
		sim_end_readable(end);
}

/* `argument`: attempt in the upper part, errno in the lower 16 bits. */
static void sim_connect_answer(void *context, uint64_t argument)
{
	struct world_connection *end = context;
	if (end->attempt == argument >> 16 && !end->closed && !end->connected)
		sim_connect_done(end, end->error ? end->error : -(int)(argument & 0xffff));
}

static void sim_connect_answer_later(struct world_connection *end, uint64_t delay_ns, int error)
{
	sim_schedule(delay_ns, sim_connect_answer, end, end->attempt << 16 | (uint64_t)error);
}

static struct world_connection *sim_pair_make(struct world_connection *client, struct sim_listener *listener)
{
	struct sim_pair *pair = world_alloc(sizeof(*pair));
	struct world_connection *server = sim_end_new();
	list_append(&net.pairs, &pair->link);
	pair->number = ++net.connections;
	pair->port = sim_address_port(&client->peer);
	pair->ends[0] = client;
	pair->ends[1] = server;
	sim_stream_init(&pair->streams[0]);
	sim_stream_init(&pair->streams[1]);
	client->pair = server->pair = pair;
	server->side = 1;
	server->local = client->peer;
	server->peer = client->local;
	server->connected = true;
	server->actor = listener->actor;
	server->context = listener->context;
	sim->stats.connections++;
	sim_trace("connection", pair->number, pair->port, 0);
	return server;
}

/* The connection request arrives where somebody may listen. */
static void sim_connect_arrive(void *context, uint64_t attempt)
{
	struct world_connection *client = context;
	if (client->attempt != attempt || client->closed)
		return;
	if (sim->now - client->connect_started > SIM_CONNECT_TIMEOUT_S * CLOCK_NS_PER_S) {
		sim_connect_answer_later(client, 0, ETIMEDOUT);
		return;
	}
	struct sim_port *port = sim_port_find(sim_address_port(&client->peer));
	struct sim_listener *listener = sim_listener_choose(&client->peer);
	bool lost = port->partitioned || port->reach == WORLD_BLACK_HOLE ||
		    (listener && !listener->actor && listener->pending_count >= listener->backlog);
	if (lost) {
		/* Sent again, as TCP does. */
		sim_schedule(CLOCK_NS_PER_S, sim_connect_arrive, client, attempt);
		return;
	}
	if (!listener || port->reach == WORLD_REFUSE) {
		sim_connect_answer_later(client, sim_network_delay(), ECONNREFUSED);
		return;
	}
	struct world_connection *server = sim_pair_make(client, listener);
	sim_connect_answer_later(client, sim_network_delay(), 0);
	if (listener->actor) {
		sim_actor_opened(server, 0);
		return;
	}
	listener->pending =
		world_realloc(listener->pending, (listener->pending_count + 1) * sizeof(*listener->pending));
	listener->pending[listener->pending_count++] = server;
	sim_accept_try(listener);
}

void sim_end_connect(struct world_connection *end)
{
	end->attempt++;
	end->connect_started = sim->now;
	if (!end->local.length) {
		end->local = world_address(0);
		if (end->peer.any.sa_family == AF_INET6) {
			end->local = (struct ring_address){.length = sizeof(end->local.v6)};
			end->local.v6.sin6_family = AF_INET6;
			end->local.v6.sin6_addr = in6addr_loopback;
		}
	}
	if (sim_address_port(&end->local) == 0)
		sim_address_set_port(&end->local, sim_ephemeral_port());
	sim_schedule(sim_network_delay(), sim_connect_arrive, end, end->attempt);
}

/* The ring's ops. */

static void sim_recv_try(struct world_connection *end)
{
	struct sim_op *o = end->recv;
	struct sim_stream *s = sim_end_in(end);
	for (unsigned round = 0; s->arrived > s->read && !end->read_shut; round++) {
		uint8_t *data;
		uint32_t flags;
		if (!sim_ring_buffer_take(o->ring, &data, &flags)) {
			end->recv = NULL;
			sim_post(o, -ENOBUFS, 0);
			return;
		}
		size_t size = o->ring->config.buffer_size;
		if (world_chance(sim->config.segment_split))
			size = 1 + world_below(size);
		size_t n = sim_stream_get(end, data, size);
		bool more = !world_chance(sim->config.multishot_end) && round + 1 < SIM_MULTISHOT_ROUNDS;
		if (!more)
			end->recv = NULL;
		sim_post(o, (int)n, flags | (more ? RING_MORE : 0));
		sim_end_writable(end->pair->ends[1 - end->side]);
		if (!more)
			return;
	}
	/* Octets that had arrived before a reset were read above, as Linux does. */
	bool over = end->error || s->fin_arrived || end->read_shut;
	if (!over)
		return;
	end->recv = NULL;
	bool tell = end->error && !end->error_told;
	end->error_told |= tell;
	sim_post(o, tell ? end->error : 0, 0);
}

static void sim_recv_execute(struct sim_op *o, struct world_connection *end)
{
	if (!end->connected) {
		sim_post(o, -ENOTCONN, 0);
		return;
	}
	/* The kernel wants a buffer before it looks for octets (P9). */
	if (!o->ring->buffers_free_count) {
		o->ring->stats.buffer_shortages++;
		sim->stats.buffer_shortages++;
		sim_post(o, -ENOBUFS, 0);
		return;
	}
	end->recv = o;
	sim_recv_try(end);
}

static void sim_send_try(struct world_connection *end)
{
	struct sim_op *o = end->send;
	size_t room = sim_stream_room(end);
	int result;
	if (end->error) {
		result = end->error_told ? -EPIPE : end->error;
		end->error_told = true;
	} else if (end->write_shut) {
		result = -EPIPE;
	} else if (room == 0) {
		return;
	} else {
		size_t n = o->length < room ? o->length : room;
		if (n > 1 && world_chance(sim->config.short_send))
			n = 1 + world_below(n);
		sim_check_unchanged(o);
		result = (int)sim_stream_put(end, o->data, n);
	}
	end->send = NULL;
	sim_post(o, result, 0);
}

static void sim_send_execute(struct sim_op *o, struct world_connection *end)
{
	if (!end->connected) {
		sim_post(o, -EPIPE, 0);
		return;
	}
	end->send = o;
	sim_send_try(end);
}

static void sim_connect_execute(struct sim_op *o, struct world_connection *end)
{
	if (end->connected || end->pair) {
		sim_post(o, -EISCONN, 0);
		return;
	}
	end->connect = o;
	end->peer = *o->address;
	uint16_t port = sim_address_port(&end->peer);
	sim_trace("connect to", port, 0, 0);
	sim_end_connect(end);
}

static void sim_shutdown_execute(struct sim_op *o, struct world_connection *end)
{
	if (!end->connected || end->error) {
		sim_post(o, -ENOTCONN, 0);
		return;
	}
	if (o->how != SHUT_RD && !end->write_shut)
		sim_stream_fin(end);
	if (o->how != SHUT_WR)
		end->read_shut = true;
	sim_post(o, 0, 0);
	if (end->send)
		sim_send_try(end);
	sim_end_readable(end);
}

void sim_network_execute(struct sim_op *o)
{
	void *object = sim->fds[o->fd - sim->fd_base].object;
	switch (o->kind) {
	case SIM_ACCEPT:
		((struct sim_listener *)object)->accept = o;
		sim_accept_try(object);
		break;
	case SIM_RECV:
		sim_recv_execute(o, object);
		break;
	case SIM_SEND:
		sim_send_execute(o, object);
		break;
	case SIM_CONNECT:
		sim_connect_execute(o, object);
		break;
	case SIM_SHUTDOWN:
		sim_shutdown_execute(o, object);
		break;
	default:
		sim_bug("op of kind %d on a socket", (int)o->kind);
	}
}

bool sim_network_cancel(struct sim_op *o)
{
	void *object = sim->fds[o->fd - sim->fd_base].object;
	if (o->kind == SIM_ACCEPT) {
		((struct sim_listener *)object)->accept = NULL;
		return true;
	}
	struct world_connection *end = object;
	if (end->recv == o)
		end->recv = NULL;
	else if (end->send == o)
		end->send = NULL;
	else if (end->connect == o)
		end->connect = NULL;
	else
		return false;
	return true;
}

/* The ring's synchronous calls. */
bool port_owner(const struct ring_address *address, char text[PORT_OWNER_TEXT])
{
	snprintf(text, PORT_OWNER_TEXT, "another process");
	return sim_listener_at(address) && sim_listener_at(address)->actor;
}

int ring_listen(struct ring *ring, const struct ring_address *address, int backlog, enum ring_share share)
{
	if (share == RING_ALONE && sim_listener_at(address))
		return -EADDRINUSE;
	struct sim_listener *listener = world_alloc(sizeof(*listener));
	listener->address = *address;
	listener->backlog = (unsigned)backlog;
	int error = sim_listener_add(listener);
	if (error) {
		world_release(listener);
		return error;
	}
	int fd = sim_fd_new(SIM_FD_LISTENER, listener, 0);
	if (fd < 0)
		sim_listener_remove(listener);
	return fd;
}

int ring_socket(struct ring *ring, int family)
{
	if (sim->fds_open >= sim->config.descriptors)
		return -EMFILE;
	return sim_fd_new(SIM_FD_SOCKET, sim_end_new(), 0);
}

int ring_local_address(struct ring *ring, int fd, struct ring_address *out)
{
	struct sim_fd *f = sim_fd_get(fd);
	if (f->kind == SIM_FD_LISTENER)
		*out = ((struct sim_listener *)f->object)->address;
	else if (f->kind == SIM_FD_SOCKET)
		*out = ((struct world_connection *)f->object)->local;
	else
		return -ENOTSOCK;
	return 0;
}

int ring_peer_address(struct ring *ring, int fd, struct ring_address *out)
{
	struct sim_fd *f = sim_fd_get(fd);
	if (f->kind != SIM_FD_SOCKET)
		return -ENOTSOCK;
	struct world_connection *end = f->object;
	if (!end->connected || end->error)
		return -ENOTCONN;
	*out = end->peer;
	return 0;
}

void sim_network_fd_closed(struct sim_fd *fd)
{
	if (fd->kind == SIM_FD_LISTENER)
		sim_listener_remove(fd->object);
	else
		sim_end_close(fd->object);
}

/* A killed process is closed by its kernel; after a power cut the peers learn of it when the machine is back. */
static void sim_end_crash(struct world_connection *end, enum world_crash_kind kind)
{
	end->recv = end->send = end->connect = NULL;
	if (kind == WORLD_KILL || !end->pair) {
		sim_end_close(end);
		return;
	}
	end->closed = true;
	sim_stream_cut(sim_end_out(end));
	sim_reset_peer(end, CLOCK_NS_PER_S + world_below(20 * CLOCK_NS_PER_S));
}

void sim_network_crash(enum world_crash_kind kind)
{
	for (struct list *at = net.listeners.next, *next; at != &net.listeners; at = next) {
		struct sim_listener *listener = container_of(at, struct sim_listener, link);
		next = at->next;
		/* What waits there is among the ends below. */
		listener->pending_count = 0;
		if (!listener->actor)
			sim_listener_remove(listener);
	}
	for (struct list *at = net.ends.next; at != &net.ends; at = at->next) {
		struct world_connection *end = container_of(at, struct world_connection, link);
		if (!end->actor && !end->closed)
			sim_end_crash(end, kind);
	}
}
