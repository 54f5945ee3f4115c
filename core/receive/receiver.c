/*
 * core/receive/receiver.c - see receiver.h.
 */
#include "core/receive/receiver.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/random.h"
#include "core/config/config.h"
#include "core/receive/counts.h"
#include "core/receive/guard.h"
#include "core/receive/listen.h"
#include "core/receive/listeners.h"
#include "core/receive/peers.h"
#include "core/receive/session.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"
#include "tls/tls.h"

int receivers_init(struct receivers *shared, const struct config *config, unsigned shard_count)
{
	for (unsigned i = 0; i < QUOTA_KINDS; i++)
		shared->all_kinds.kinds[i] = &shared->all_taken[i];
	shared->all.taken = &shared->all_kinds;
	counts_init(&shared->counts, sizeof(struct listener_counts), shard_count);
	random_bytes(&shared->salt, sizeof(shared->salt));
	shared->peers = peers_new(shared->salt);
	shared->guard = guard_new(shared->salt);
	return shared->peers && shared->guard ? listeners_init(shared, config, shard_count) : -ENOMEM;
}

void receivers_deinit(struct receivers *shared)
{
	peers_free(shared->peers);
	listeners_deinit(shared);
	guard_free(shared->guard);
	counts_deinit(&shared->counts);
}

int receiver_init(struct shard *shard, struct receivers *shared, size_t sessions)
{
	struct receiver *receiver = shard->receiver;

	receiver->shared = shared;
	list_init(&receiver->more_listeners);
	list_init(&receiver->session_list);
	list_init(&receiver->content_readers);
	list_init(&receiver->memory_waiters);
	list_init(&receiver->reply_waiters);
	list_init(&receiver->login_waiters);
	handshakes_init(&receiver->handshakes, shared->salt);
	list_init(&receiver->fresh);
	list_init(&receiver->lasting);
	wheel_timer_init(&receiver->look, receive_look_at_lasting);
	pool_init(&receiver->sessions, sizeof(struct session), 64, sessions);
	pool_init(&receiver->lines, SMTP_COMMAND_LINE_MAX, 8, sessions);
	pool_init(&receiver->names, SESSION_NAME_SHORT, 64, sessions);
	pool_init(&receiver->long_names, SESSION_NAME_MAX, 16, sessions);
	logins_init(&receiver->logins, sessions);
	pool_init(&receiver->reply_buffers, REPLY_BUFFER_SIZE, 16, 2 * sessions);
	pool_init(&receiver->tls_buffers, TLS_OUTPUT_MIN, 1, 3 * sessions);
	receiver->listeners = calloc(LISTENER_PLACES, sizeof(*receiver->listeners));
	if (!receiver->listeners)
		return -ENOMEM;
	for (unsigned i = 0; i < LISTENER_PLACES; i++)
		receiver->listeners[i].fd = -1;
	return 0;
}

void receiver_take(struct shard *shard, struct snapshot *snapshot)
{
	struct receiver *receiver = shard->receiver;

	snapshot_hold(snapshot, shard->index);
	if (receiver->snapshot)
		snapshot_release(receiver->snapshot, shard->index);
	receiver->snapshot = snapshot;
}

void receiver_deinit(struct shard *shard)
{
	struct receiver *receiver = shard->receiver;

	pool_deinit(&receiver->sessions);
	pool_deinit(&receiver->lines);
	pool_deinit(&receiver->names);
	pool_deinit(&receiver->long_names);
	logins_deinit(&receiver->logins);
	pool_deinit(&receiver->reply_buffers);
	pool_deinit(&receiver->tls_buffers);
	accept_free(shard);
}
