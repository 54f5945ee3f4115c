/*
 * core/receive/receiver.c - see receiver.h.
 */
#include "core/receive/receiver.h"

#include <errno.h>
#include <stdlib.h>

#include "core/config/config.h"
#include "core/receive/listen.h"
#include "core/receive/peers.h"
#include "core/receive/session.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"
#include "tls/tls.h"

int receivers_init(struct receivers *shared, const struct config *config)
{
	size_t i;

	shared->listeners = calloc(config->listener_count + 1, sizeof(*shared->listeners));
	shared->peers = peers_new();
	if (!shared->listeners || !shared->peers)
		return -ENOMEM;
	for (i = 0; i < config->listener_count; i++)
		shared->listeners[i] = config->listeners[i].address;
	return 0;
}

void receivers_deinit(struct receivers *shared)
{
	peers_free(shared->peers);
	free(shared->listeners);
}

int receiver_init(struct shard *shard, struct receivers *shared, size_t sessions)
{
	struct receiver *receiver = shard->receiver;

	receiver->shared = shared;
	list_init(&receiver->session_list);
	list_init(&receiver->content_readers);
	list_init(&receiver->memory_waiters);
	list_init(&receiver->reply_waiters);
	pool_init(&receiver->sessions, sizeof(struct session), 64, sessions);
	pool_init(&receiver->lines, SMTP_COMMAND_LINE_MAX, 8, sessions);
	pool_init(&receiver->names, SESSION_NAME_SHORT, 64, sessions);
	pool_init(&receiver->long_names, SESSION_NAME_MAX, 16, sessions);
	pool_init(&receiver->reply_buffers, REPLY_BUFFER_SIZE, 16, 2 * sessions);
	pool_init(&receiver->tls_buffers, TLS_OUTPUT_MIN, 1, 3 * sessions);
	receiver->listeners = calloc(shard->config->listener_count + 1, sizeof(*receiver->listeners));
	return receiver->listeners ? 0 : -ENOMEM;
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
	pool_deinit(&receiver->reply_buffers);
	pool_deinit(&receiver->tls_buffers);
	free(receiver->listeners);
}
