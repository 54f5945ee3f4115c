/*
 * core/receive/admit.c - whether a connection may become a session: how many there are, and whose it is.
 */
#include <string.h>

#include "core/base/address_text.h"
#include "core/config/config.h"
#include "core/receive/client.h"
#include "core/receive/peers.h"
#include "core/receive/session_private.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

bool receive_count(struct session *s)
{
	struct receivers *shared = s->shard->receiver->shared;

	s->counted = true;
	s->client = -1;
	s->device = -1;
	return atomic_fetch_add_explicit(&shared->connections, 1, memory_order_relaxed) <
	       s->snapshot->config->limits.connections;
}

void receive_name(struct session *s, const struct ring_address *peer)
{
	char text[ADDRESS_TEXT_SIZE];

	s->peer_length = (uint8_t)address_text_format(peer, text);
	memcpy(s->peer, text, s->peer_length);
}

static bool over_limits(struct session *s, const struct ring_address *peer)
{
	struct receivers *shared = s->shard->receiver->shared;
	const struct config *config = s->snapshot->config;
	_Atomic(unsigned) *count = snapshot_client(s->snapshot, s->client);
	bool over = false;

	if (count) {
		unsigned max = config->clients[s->client].connections_max;
		over = atomic_fetch_add_explicit(count, 1, memory_order_relaxed) >= max;
	}
	if (!receive_device_enter(s))
		over = true;
	if (config->limits.connections_per_client &&
	    !peers_enter(shared->peers, peer, config->limits.connections_per_client, &s->peer_counted))
		over = true;
	return over;
}

static void refuse(struct session *s)
{
	struct receiver *receiver = s->shard->receiver;

	counter_add(&receiver->counters.sessions_refused, 1);
	receive_uncount(s);
	s->told_no = true;
	/* Those that knock and stay must not use up the sessions of those that may come in. */
	if (++receiver->sessions_told_no > SESSION_REFUSED_MAX || receive_implicit(s)) {
		receive_end(s, "too many connections");
		return;
	}
	receive_finish(s, "421 4.3.2 Too many connections, try again later\r\n", "too many connections");
}

/* This peer is a proxy that may say whose its sessions are. */
static bool may_xclient(const struct session *s, const struct ring_address *peer)
{
	const struct config_listener *listener = &s->snapshot->config->listeners[s->listener];

	for (size_t i = 0; i < listener->xclient_count; i++) {
		if (network_contains(&listener->xclients[i], peer))
			return true;
	}
	return false;
}

void receive_admit(struct session *s, const struct ring_address *peer, bool room)
{
	const struct config *config = s->snapshot->config;

	s->may_xclient = may_xclient(s, peer);
	s->device = receive_device(s, peer);
	s->client = client_find(
		config, &(struct client_question){.address = peer, .listener = s->listener, .device = s->device >= 0});
	receive_seen(s);
	receive_name(s, peer);
	if (over_limits(s, peer) || !room) {
		refuse(s);
		return;
	}
	/* The timer first: a reply that finds no memory ends the session. */
	receive_arm_timer(s, config->timeouts.command_ns);
	if (receive_implicit(s))
		receive_handshake(s);
	else
		receive_greet(s);
}

bool receive_admit_brought(struct session *s, const struct ring_address *client)
{
	unsigned most = s->snapshot->config->limits.connections_per_client;
	struct ring_address address = *client;
	bool room = true;

	receive_uncount_peer(s);
	receive_name(s, &address);
	if (most && s->counted)
		room = peers_enter(s->shard->receiver->shared->peers, &address, most, &s->peer_counted);
	room = receive_identify(s) && room;
	/* While its last words are on their way it takes nobody's place. */
	if (!room)
		receive_uncount(s);
	return room;
}
