/*
 * core/receive/listen.c - see listen.h.
 */
#include "core/receive/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/handed.h"
#include "core/config/config.h"
#include "core/receive/listeners.h"
#include "core/receive/receiver.h"
#include "core/receive/session.h"
#include "core/shard/load.h"
#include "core/shard/post.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

enum { ACCEPT_RETRY_MS = 100 };

/* A connection on its way to the shard that serves it. malloc'd: it is freed there. */
struct accepted {
	struct post post;
	uint32_t serial; /* of its listener */
	int fd;
};

/* It is counted. Who came just before the end is told to come again, and not closed without a word. */
static void serve(struct shard *shard, uint32_t serial, int fd)
{
	int listener = listeners_find(shard->receiver->snapshot, serial);

	if (listener >= 0) {
		receive_accepted(shard, (unsigned)listener, fd);
		return;
	}
	/* Its listener went while it came. */
	load_connection_gone(shard);
	ring_drop_fd(shard->ring, fd);
}

/* A connection that another shard has accepted: starts its session. */
static void on_handed_over(struct shard *shard, struct post *post)
{
	struct accepted *accepted = container_of(post, struct accepted, post);

	serve(shard, accepted->serial, accepted->fd);
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
		.serial = listener->serial,
		.fd = fd,
	};
	list_init(&accepted->post.link);
	load_connection_came(listener->shard->all[to]);
	post_send(listener->shard, &accepted->post);
	return true;
}

/* All others know this shard's listeners. */
static bool all_know(const struct shard *shard)
{
	return atomic_load_explicit(&shard->receiver->snapshot->taken, memory_order_acquire) == shard->count;
}

static void take_connection(struct listener *listener, int fd)
{
	struct shard *shard = listener->shard;
	unsigned to = load_connection(shard);

	/* Who drains gives nobody anything: the others may be gone by then. */
	if (!shard->draining && to != shard->index && all_know(shard) && hand_over(listener, to, fd))
		return;
	load_connection_came(shard);
	serve(shard, listener->serial, fd);
}

/* ---- one listener ------------------------------------------------------------------------------------------- */

static void close_listener(struct listener *listener)
{
	listener->cancelled = true;
	ring_close_fd(listener->shard->ring, &listener->close_op, listener->fd);
}

/* It accepts no more, and is closed. */
static void leave(struct listener *listener)
{
	struct shard *shard = listener->shard;

	if (listener->fd < 0 || listener->leaving)
		return;
	listener->leaving = true;
	wheel_disarm(&shard->wheel, &listener->retry);
	if (listener->accept_op.in_flight)
		ring_cancel(shard->ring, &listener->close_op, &listener->accept_op);
	else
		close_listener(listener);
}

static void on_accept(struct ring_op *op, int result, uint32_t flags)
{
	struct listener *listener = container_of(op, struct listener, accept_op);
	struct shard *shard = listener->shard;

	if (result >= 0)
		take_connection(listener, result);
	if (flags & RING_MORE)
		return;
	if (listener->leaving) {
		if (listener->fd < 0 || listener->close_op.in_flight)
			return;
		wheel_disarm(&shard->wheel, &listener->retry);
		close_listener(listener);
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

	if (!listener->leaving)
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
	atomic_fetch_sub_explicit(&listener->place->users, 1, memory_order_release);
}

/* The socket is this shard's. */
static void take_as(struct shard *shard, struct listener *listener, unsigned place, int fd)
{
	*listener = (struct listener){
		.shard = shard,
		.place = &shard->receiver->shared->listening[place],
		.accept_op.fn = on_accept,
		.close_op.fn = on_listener_op,
		.fd = fd,
	};
	listener->serial = listener->place->serial;
	list_init(&listener->link);
	wheel_timer_init(&listener->retry, on_accept_retry);
}

static void take(struct shard *shard, unsigned place, int fd)
{
	take_as(shard, &shard->receiver->listeners[place], place, fd);
}

/* ---- what was handed over --------------------------------------------------------------------------------------- */

/* A second one of a place, which has more sockets than there are shards. */
static int take_more(struct shard *shard, unsigned place, struct handed_socket *socket)
{
	struct listener *more = malloc(sizeof(*more));

	if (!more)
		return -ENOMEM;
	atomic_fetch_add(&shard->receiver->shared->listening[place].users, 1);
	take_as(shard, more, place, socket->fd);
	more->lent = !socket->kept;
	socket->fd = -1;
	list_append(&shard->receiver->more_listeners, &more->link);
	return 0;
}

/* One that others have as well: the kernel wakes one of them for each connection. */
static int share(struct shard *shard, unsigned place, size_t count)
{
	const struct listener *other = &shard->all[shard->index % count]->receiver->listeners[place];
	int fd = fcntl(other->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	take(shard, place, fd);
	shard->receiver->listeners[place].lent = other->lent;
	return 0;
}

/* This shard's of `count` sockets. 0 or -errno with *problem. */
static int take_handed(struct shard *shard, unsigned place, size_t count, struct ring_problem *problem)
{
	const struct receivers *shared = shard->receiver->shared;
	const struct config_listener *config = &shard->config->listeners[place];
	const struct ring_address *address = &shared->listening[place].address;
	size_t n;
	int r = 0, fd;

	for (n = shard->index; n < count && r == 0; n += shared->shard_count) {
		struct handed_socket *socket = handed_find(shared->handed, address, n);
		if (socket->both) {
			snprintf(problem->text, sizeof(problem->text),
				 "listener \"%s\": the socket handed over for %s takes IPv4 as well: set "
				 "BindIPv6Only=ipv6-only in its socket unit",
				 config->name, config->address_text);
			return -EINVAL;
		}
		(void)listen(socket->fd, LISTEN_BACKLOG);
		if (n >= shared->shard_count) {
			r = take_more(shard, place, socket);
			continue;
		}
		take(shard, place, socket->fd);
		shard->receiver->listeners[place].lent = !socket->kept;
		socket->fd = -1;
	}
	if (r == 0 && shard->index >= count) {
		fd = ring_listen(shard->ring, address, LISTEN_BACKLOG, RING_SHARED);
		if (fd >= 0)
			take(shard, place, fd);
		else
			r = share(shard, place, count);
	}
	if (r < 0)
		listeners_tell(problem, config->name, config->address_text, r, "");
	return r;
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

int accept_listen(struct shard *shard, struct ring_problem *problem)
{
	struct receivers *shared = shard->receiver->shared;
	char why[LISTENERS_WHY];
	unsigned i;

	for (i = 0; i < shard->config->listener_count; i++) {
		const struct config_listener *listener = &shard->config->listeners[i];
		struct ring_address *address = &shared->listening[i].address;
		size_t handed = shared->handed ? handed_count(shared->handed, address) : 0;
		int fd = 0;
		if (handed > 0) {
			fd = take_handed(shard, i, handed, problem);
			if (fd < 0)
				return fd;
			continue;
		}
		fd = listeners_open(shard, address, why);
		if (fd < 0) {
			listeners_tell(problem, listener->name, listener->address_text, fd, why);
			return fd;
		}
		take(shard, i, fd);
		/* Port 0 was chosen by the kernel for the first shard; the others share it. */
		(void)ring_local_address(shard->ring, fd, address);
	}
	return 0;
}

void accept_start(struct shard *shard)
{
	struct list *more = &shard->receiver->more_listeners, *link;
	unsigned i;

	for (i = 0; i < shard->config->listener_count; i++)
		ring_accept(shard->ring, &shard->receiver->listeners[i].accept_op, shard->receiver->listeners[i].fd);
	for (link = more->next; link != more; link = link->next) {
		struct listener *listener = container_of(link, struct listener, link);
		ring_accept(shard->ring, &listener->accept_op, listener->fd);
	}
}

/* What this shard was given and has not taken. */
static int given(struct shard *shard, unsigned place)
{
	int *at = &shard->receiver->shared->listening[place].fds[shard->index], fd = *at;

	*at = -1;
	return fd;
}

void accept_follow(struct shard *shard, const struct snapshot *snapshot)
{
	struct list *more = &shard->receiver->more_listeners, *link;
	unsigned i;

	for (link = more->next; link != more; link = link->next) {
		struct listener *listener = container_of(link, struct listener, link);
		if (listeners_find(snapshot, listener->serial) < 0)
			leave(listener);
	}

	for (i = 0; i < LISTENER_PLACES && !shard->draining; i++) {
		struct listener *listener = &shard->receiver->listeners[i];
		const struct listening *place = &shard->receiver->shared->listening[i];
		if (listener->fd >= 0 && listeners_find(snapshot, listener->serial) < 0) {
			leave(listener);
		} else if (place->fds[shard->index] >= 0) {
			take(shard, i, given(shard, i));
			ring_accept(shard->ring, &listener->accept_op, listener->fd);
		}
	}
}

void accept_stop(struct shard *shard)
{
	struct list *more = &shard->receiver->more_listeners, *link;
	unsigned i;
	int fd;

	for (link = more->next; link != more; link = link->next)
		leave(container_of(link, struct listener, link));

	for (i = 0; i < LISTENER_PLACES; i++) {
		fd = given(shard, i);
		if (fd >= 0)
			ring_drop_fd(shard->ring, fd);
		leave(&shard->receiver->listeners[i]);
	}
}

bool accept_stopped(const struct shard *shard)
{
	const struct list *more = &shard->receiver->more_listeners, *link;
	unsigned i;

	for (link = more->next; link != more; link = link->next) {
		if (container_of(link, struct listener, link)->fd >= 0)
			return false;
	}

	for (i = 0; i < LISTENER_PLACES; i++) {
		if (shard->receiver->listeners[i].fd >= 0)
			return false;
	}
	return true;
}

void accept_free(struct shard *shard)
{
	struct list *more = &shard->receiver->more_listeners, *link;

	while ((link = more->next) != more) {
		list_remove(link);
		free(container_of(link, struct listener, link));
	}
	free(shard->receiver->listeners);
}
