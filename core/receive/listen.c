/*
 * core/receive/listen.c - see listen.h.
 */
#include "core/receive/listen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/port_owner.h"
#include "core/config/config.h"
#include "core/receive/receiver.h"
#include "core/receive/session.h"
#include "core/shard/load.h"
#include "core/shard/post.h"
#include "core/shard/shard.h"

enum { ACCEPT_RETRY_MS = 100, LISTEN_BACKLOG = 1024 };

/* A connection on its way to the shard that serves it. malloc'd: it is freed there. */
struct accepted {
	struct post post;
	unsigned listener;
	int fd;
};

/* A connection that another shard has accepted: starts its session. */
static void on_handed_over(struct shard *shard, struct post *post)
{
	struct accepted *accepted = container_of(post, struct accepted, post);

	if (shard->draining) {
		load_connection_gone(shard);
		ring_drop_fd(shard->ring, accepted->fd);
	} else {
		receive_accepted(shard, accepted->listener, accepted->fd);
	}
	free(accepted);
}

/* False without memory. */
static bool hand_over(struct listener *listener, unsigned to, int fd)
{
	struct accepted *accepted = malloc(sizeof(*accepted));

	if (!accepted)
		return false;
	*accepted = (struct accepted){
		.post = {.fn = on_handed_over, .to = (uint16_t)to},
		.listener = listener->index,
		.fd = fd,
	};
	list_init(&accepted->post.link);
	load_connection_came(listener->shard->all[to]);
	post_send(listener->shard, &accepted->post);
	return true;
}

static void take_connection(struct listener *listener, int fd)
{
	struct shard *shard = listener->shard;
	unsigned to = load_connection(shard);

	if (to != shard->index && hand_over(listener, to, fd))
		return;
	load_connection_came(shard);
	receive_accepted(shard, listener->index, fd);
}

static void on_accept(struct ring_op *op, int result, uint32_t flags)
{
	struct listener *listener = container_of(op, struct listener, accept_op);
	struct shard *shard = listener->shard;

	if (result >= 0) {
		if (shard->draining)
			ring_drop_fd(shard->ring, result);
		else
			take_connection(listener, result);
	}
	if (flags & RING_MORE)
		return;
	if (shard->draining) {
		if (listener->fd < 0 || listener->close_op.in_flight)
			return;
		wheel_disarm(&shard->wheel, &listener->retry);
		listener->cancelled = true;
		ring_close_fd(shard->ring, &listener->close_op, listener->fd);
		return;
	}
	/* Out of descriptors, usually: give the others time to go (P9). */
	if (result < 0)
		wheel_arm(&shard->wheel, &listener->retry, shard->now_ns + ACCEPT_RETRY_MS * CLOCK_NS_PER_MS);
	else
		ring_accept(shard->ring, &listener->accept_op, listener->fd);
}

static void on_accept_retry(struct wheel_timer *timer)
{
	struct listener *listener = container_of(timer, struct listener, retry);
	struct shard *shard = listener->shard;

	if (!shard->draining)
		ring_accept(shard->ring, &listener->accept_op, listener->fd);
	else if (listener->accept_op.in_flight && !listener->close_op.in_flight)
		ring_cancel(shard->ring, &listener->close_op, &listener->accept_op);
}

static void on_listener_op(struct ring_op *op, int result, uint32_t flags)
{
	struct listener *listener = container_of(op, struct listener, close_op);
	struct shard *shard = listener->shard;

	if (!listener->cancelled && result == -EALREADY && listener->accept_op.in_flight) {
		/* It was just running and stays armed: once more, but not at once, or it would be asked each turn. */
		wheel_arm(&shard->wheel, &listener->retry, shard->now_ns + ACCEPT_RETRY_MS * CLOCK_NS_PER_MS);
		return;
	}
	if (!listener->cancelled) {
		/* The accept was cancelled; now the descriptor. */
		listener->cancelled = true;
		if (!listener->accept_op.in_flight)
			ring_close_fd(shard->ring, &listener->close_op, listener->fd);
		return;
	}
	listener->fd = -1;
}

/*
 * Shards share an address with each other (SO_REUSEPORT), and with nobody else: the kernel would give a second relay
 * half of the connections. The first shard starts before the others and opens it alone.
 */
static int open_listener(struct shard *shard, const struct ring_address *address, char why[PORT_OWNER_TEXT])
{
	int fd = ring_listen(shard->ring, address, LISTEN_BACKLOG, shard->index == 0 ? RING_ALONE : RING_SHARED);

	why[0] = '\0';
	/* Two listeners may overlap: all addresses, and one of them. */
	if (fd == -EADDRINUSE && !port_owner(address, why))
		fd = ring_listen(shard->ring, address, LISTEN_BACKLOG, RING_SHARED);
	return fd;
}

int accept_listen(struct shard *shard, struct ring_problem *problem)
{
	const struct config *config = shard->config;
	char owner[PORT_OWNER_TEXT];
	size_t i;

	for (i = 0; i < config->listener_count; i++) {
		struct listener *listener = &shard->receiver->listeners[i];
		struct ring_address *address = &shard->receiver->shared->listeners[i];
		listener->shard = shard;
		listener->index = (unsigned)i;
		listener->accept_op.fn = on_accept;
		listener->close_op.fn = on_listener_op;
		wheel_timer_init(&listener->retry, on_accept_retry);
		listener->fd = open_listener(shard, address, owner);
		if (listener->fd < 0) {
			snprintf(problem->text, sizeof(problem->text), "listener \"%s\" cannot listen on %s: %s%s%s",
				 config->listeners[i].name, config->listeners[i].address_text, strerror(-listener->fd),
				 owner[0] ? " by " : "", owner);
			return listener->fd;
		}
		/* Port 0 was chosen by the kernel for the first shard; the others share it. */
		(void)ring_local_address(shard->ring, listener->fd, address);
	}
	return 0;
}

void accept_start(struct shard *shard)
{
	size_t i;

	for (i = 0; i < shard->config->listener_count; i++)
		ring_accept(shard->ring, &shard->receiver->listeners[i].accept_op, shard->receiver->listeners[i].fd);
}

void accept_stop(struct shard *shard)
{
	size_t i;

	for (i = 0; i < shard->config->listener_count; i++) {
		struct listener *listener = &shard->receiver->listeners[i];
		wheel_disarm(&shard->wheel, &listener->retry);
		if (listener->accept_op.in_flight) {
			ring_cancel(shard->ring, &listener->close_op, &listener->accept_op);
		} else {
			listener->cancelled = true;
			ring_close_fd(shard->ring, &listener->close_op, listener->fd);
		}
	}
}

bool accept_stopped(const struct shard *shard)
{
	size_t i;

	for (i = 0; i < shard->config->listener_count; i++) {
		if (shard->receiver->listeners[i].fd >= 0)
			return false;
	}
	return true;
}
