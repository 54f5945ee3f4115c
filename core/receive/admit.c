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

static const char too_many[] = "421 4.3.2 Too many connections, try again later\r\n";

/* One connection more of that address, where addresses have limits. False: one too many. */
static bool count_address(struct session *s, const struct ring_address *peer)
{
	const struct config *config = s->snapshot->config;
	unsigned most = config->limits.connections_per_client, open;

	if (!most && !config_quota_any(&config->limits.address))
		return true;
	s->address = peers_enter(s->shard->receiver->shared->peers, peer, s->shard->now_ns, &open);
	return s->address && (!most || open <= most);
}

/* NULL, or the 421 that it hears. */
static const char *over_limits(struct session *s, const struct ring_address *peer, bool room)
{
	const char *refusal = receive_count_client(s);

	if (!count_address(s, peer) || !receive_device_enter(s))
		return too_many;
	if (refusal)
		return refusal;
	if (!room)
		return too_many;
	refusal = receive_errors_spent(s);
	if (refusal)
		return refusal;
	/* Last, so that who is refused for himself takes nothing from the others. */
	return receive_count_second(s);
}

static void refuse(struct session *s, const char *refusal)
{
	const char *reason = refusal == receive_errors_spent(s) ? "too many errors" : "too many connections";
	struct receiver *receiver = s->shard->receiver;

	counter_add(&receiver->counters.sessions_refused, 1);
	counter_add(&receive_counts(s)->sessions_refused, 1);
	receive_uncount(s);
	s->told_no = true;
	/* Those that knock and stay must not use up the sessions of those that may come in. */
	if (++receiver->sessions_told_no > SESSION_REFUSED_MAX || receive_implicit(s)) {
		receive_end(s, reason);
		return;
	}
	receive_finish(s, refusal, reason);
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
	const char *refusal;

	s->may_xclient = may_xclient(s, peer);
	s->device = receive_device(s, peer);
	s->client = client_find(
		config, &(struct client_question){.address = peer, .listener = s->listener, .device = s->device >= 0});
	receive_seen(s);
	receive_name(s, peer);
	refusal = over_limits(s, peer, room);
	if (refusal) {
		refuse(s, refusal);
		return;
	}
	/* The timer first: a reply that finds no memory ends the session. */
	receive_arm_command(s);
	if (receive_implicit(s))
		receive_handshake(s);
	else
		receive_greet(s);
}

const char *receive_admit_brought(struct session *s, const struct ring_address *client)
{
	struct ring_address address = *client;
	const char *refusal;
	bool room;

	receive_uncount_peer(s);
	receive_name(s, &address);
	room = !s->counted || count_address(s, &address);
	refusal = receive_identify(s);
	if (!room)
		refusal = too_many;
	if (!refusal)
		refusal = receive_errors_spent(s);
	/* While its last words are on their way it takes nobody's place. */
	if (refusal)
		receive_uncount(s);
	return refusal;
}
