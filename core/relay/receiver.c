/*
 * core/relay/receiver.c - see receiver.h.
 */
#include "core/relay/receiver.h"

#include <errno.h>
#include <stdlib.h>

#include "core/relay/accept.h"
#include "core/relay/receive.h"
#include "core/relay/shard.h"

int receiver_init(struct shard *shard, size_t sessions)
{
	struct receiver *receiver = shard->receiver;

	list_init(&receiver->session_list);
	list_init(&receiver->content_readers);
	list_init(&receiver->memory_waiters);
	list_init(&receiver->reply_waiters);
	pool_init(&receiver->sessions, sizeof(struct session), 64, sessions);
	pool_init(&receiver->lines, SMTP_COMMAND_LINE_MAX, 8, sessions);
	pool_init(&receiver->names, 256, 64, sessions);
	pool_init(&receiver->reply_buffers, REPLY_BUFFER_SIZE, 16, 2 * sessions);
	receiver->listeners = calloc(shard->config->listener_count + 1, sizeof(*receiver->listeners));
	return receiver->listeners ? 0 : -ENOMEM;
}

void receiver_deinit(struct shard *shard)
{
	struct receiver *receiver = shard->receiver;

	pool_deinit(&receiver->sessions);
	pool_deinit(&receiver->lines);
	pool_deinit(&receiver->names);
	pool_deinit(&receiver->reply_buffers);
	free(receiver->listeners);
}
