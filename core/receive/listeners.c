/*
 * core/receive/listeners.c - see listeners.h.
 */
#include "core/receive/listeners.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/handed.h"
#include "core/base/port_owner.h"
#include "core/config/config.h"
#include "core/receive/listen.h"
#include "core/receive/receiver.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

static_assert((int)LISTENERS_WHY >= (int)PORT_OWNER_TEXT, "room for who has the port");

int listeners_init(struct receivers *shared, const struct config *config, unsigned shard_count)
{
	int *fds;
	size_t i;

	shared->listening = calloc(LISTENER_PLACES, sizeof(*shared->listening));
	shared->shard_count = shard_count;
	fds = shared->fds = malloc(LISTENER_PLACES * shard_count * sizeof(*fds));
	if (!shared->listening || !fds)
		return -ENOMEM;
	for (i = 0; i < (size_t)LISTENER_PLACES * shard_count; i++)
		fds[i] = -1;
	for (i = 0; i < LISTENER_PLACES; i++)
		shared->listening[i].fds = fds + i * shard_count;
	for (i = 0; i < config->listener_count; i++) {
		shared->listening[i].address = config->listeners[i].address;
		shared->listening[i].serial = ++shared->listening_serial;
		atomic_store(&shared->listening[i].users, shard_count);
	}
	return 0;
}

void listeners_first(const struct receivers *shared, struct snapshot *snapshot)
{
	size_t i;

	for (i = 0; i < snapshot->config->listener_count; i++)
		snapshot->listeners[i] = shared->listening[i].serial;
}

void listeners_deinit(struct receivers *shared)
{
	free(shared->listening);
	free(shared->fds);
}

/* ---- which is which --------------------------------------------------------------------------------------------- */

int listeners_find(const struct snapshot *snapshot, uint32_t serial)
{
	size_t i;

	for (i = 0; i < snapshot->config->listener_count; i++) {
		if (snapshot->listeners[i] == serial)
			return (int)i;
	}
	return -1;
}

static struct listening *place_of(const struct receivers *shared, uint32_t serial)
{
	size_t i;

	for (i = 0; i < LISTENER_PLACES; i++) {
		if (shared->listening[i].serial == serial)
			return &shared->listening[i];
	}
	return NULL;
}

const struct ring_address *listeners_address(const struct receivers *shared, const struct snapshot *snapshot,
					     size_t listener)
{
	return &place_of(shared, snapshot->listeners[listener])->address;
}

static bool same_place(const struct config_listener *a, const struct config_listener *b)
{
	if (!ring_address_same(&a->address, &b->address))
		return false;
	return a->address.v4.sin_port != 0 || strcmp(a->name, b->name) == 0;
}

/* The serial number of the same listener; 0: there was none. */
static uint32_t find_before(const struct snapshot *before, const struct config_listener *listener)
{
	size_t i;

	for (i = 0; i < before->config->listener_count; i++) {
		if (same_place(&before->config->listeners[i], listener))
			return before->listeners[i];
	}
	return 0;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

/*
 * Shards share an address with each other (SO_REUSEPORT), and with nobody else: the kernel would give a second relay
 * half of the connections. The first shard is before the others and opens it alone.
 */
int listeners_open(struct shard *shard, const struct ring_address *address, char why[LISTENERS_WHY])
{
	int fd = ring_listen(shard->ring, address, LISTEN_BACKLOG, shard->index == 0 ? RING_ALONE : RING_SHARED);

	why[0] = '\0';
	/* Two listeners may overlap: all addresses, and one of them. */
	if (fd == -EADDRINUSE && !port_owner(address, why))
		fd = ring_listen(shard->ring, address, LISTEN_BACKLOG, RING_SHARED);
	return fd;
}

void listeners_tell(struct ring_problem *problem, const char *name, const char *address, int error, const char *why)
{
	const char *advice = error == -EACCES ? ": ports below 1024 need CAP_NET_BIND_SERVICE, which the packaged "
						"service has: run the relay with it, or take a higher port"
					      : "";

	snprintf(problem->text, sizeof(problem->text), "listener \"%s\" cannot listen on %s: %s%s%s%s", name, address,
		 strerror(-error), why[0] ? " by " : "", why, advice);
}

static void close_all(const struct receivers *shared, struct shard **shards, struct listening *place)
{
	unsigned s;

	for (s = 0; s < shared->shard_count; s++) {
		if (place->fds[s] >= 0)
			ring_drop_fd(shards[s]->ring, place->fds[s]);
		place->fds[s] = -1;
	}
}

/* Sockets for all shards. The place is free, and stays so until listeners_follow() has all it needs. */
static int open_all(const struct receivers *shared, struct shard **shards, struct listening *place,
		    const struct config_listener *listener, struct ring_problem *problem)
{
	char why[LISTENERS_WHY];
	unsigned s;

	place->address = listener->address;
	for (s = 0; s < shared->shard_count; s++) {
		int fd = listeners_open(shards[s], &place->address, why);
		if (fd < 0) {
			listeners_tell(problem, listener->name, listener->address_text, fd, why);
			close_all(shared, shards, place);
			return fd;
		}
		place->fds[s] = fd;
		/* Port 0 was chosen by the kernel for the first shard; the others share it. */
		(void)ring_local_address(shards[s]->ring, fd, &place->address);
	}
	return 0;
}

/* From `at` on; NULL: those that went lately are still being closed. */
static struct listening *free_place(const struct receivers *shared, size_t *at)
{
	while (*at < LISTENER_PLACES) {
		struct listening *place = &shared->listening[(*at)++];
		if (atomic_load_explicit(&place->users, memory_order_acquire) == 0)
			return place;
	}
	return NULL;
}

/* ---- what outlives the process ---------------------------------------------------------------------------------- */

/* The port that a next process has to be on is known. */
static bool may_be_kept(const struct receivers *shared, const struct config_listener *listener)
{
	return shared->store && listener->address.v4.sin_port != 0;
}

/* By place; -1 where a socket unit has it. */
static size_t fds_of(const struct receivers *shared, struct shard **shards, size_t place, int *fds)
{
	size_t count = 0;
	unsigned s;

	for (s = 0; s < shared->shard_count; s++) {
		const struct listener *listener = &shards[s]->receiver->listeners[place];
		if (!listener->lent)
			fds[count++] = listener->fd;
	}
	return count;
}

static void forget_unused(const struct receivers *shared)
{
	size_t i;

	for (i = 0; i < shared->handed->count; i++) {
		const struct handed_socket *socket = &shared->handed->sockets[i];
		if (socket->fd >= 0 && socket->kept && shared->store)
			shared->store->forget(&socket->address);
	}
}

bool listeners_keep(struct receivers *shared, struct shard **shards, const struct config *config)
{
	int *fds = malloc(shared->shard_count * sizeof(*fds));
	bool all = fds != NULL;
	size_t i;

	if (shared->handed) {
		forget_unused(shared);
		handed_deinit(shared->handed);
		shared->handed = NULL;
	}
	/* First one of each: a store that is too small keeps no address closed. */
	for (unsigned pass = 0; fds && pass < 2; pass++) {
		for (i = 0; i < config->listener_count; i++) {
			size_t count = fds_of(shared, shards, i, fds), end = pass == 0 && count > 0 ? 1 : count;
			if (end > pass && may_be_kept(shared, &config->listeners[i]))
				all &= shared->store->keep(&config->listeners[i].address, fds + pass, end - pass);
		}
	}
	free(fds);
	return all;
}

/* A reload's. False: the store does not keep all. */
static bool keep_opened(const struct receivers *shared, const struct config *config, struct listening **opened,
			size_t count)
{
	bool all = true;
	size_t i, n;

	for (i = 0; i < config->listener_count; i++) {
		for (n = 0; n < count; n++) {
			if (may_be_kept(shared, &config->listeners[i]) &&
			    ring_address_same(&opened[n]->address, &config->listeners[i].address))
				all &= shared->store->keep(&opened[n]->address, opened[n]->fds, shared->shard_count);
		}
	}
	return all;
}

static void forget_gone(const struct receivers *shared, const struct snapshot *before, const struct snapshot *next)
{
	size_t i;

	for (i = 0; i < before->config->listener_count; i++) {
		if (listeners_find(next, before->listeners[i]) < 0 &&
		    may_be_kept(shared, &before->config->listeners[i]))
			shared->store->forget(&before->config->listeners[i].address);
	}
}

int listeners_follow(struct receivers *shared, struct shard **shards, const struct snapshot *before,
		     struct snapshot *next, struct ring_problem *problem)
{
	const struct config *config = next->config;
	struct listening *opened[LISTENER_PLACES];
	size_t count = 0, at = 0, i;
	int r = 0;

	for (i = 0; i < config->listener_count && r == 0; i++) {
		next->listeners[i] = find_before(before, &config->listeners[i]);
		if (next->listeners[i] != 0)
			continue;
		opened[count] = free_place(shared, &at);
		if (!opened[count]) {
			snprintf(problem->text, sizeof(problem->text),
				 "listeners that are gone are still being closed: try again in a moment");
			r = -EBUSY;
		} else {
			r = open_all(shared, shards, opened[count], &config->listeners[i], problem);
		}
		if (r < 0)
			break;
		next->listeners[i] = opened[count++]->serial = ++shared->listening_serial;
	}
	if (r == 0) {
		forget_gone(shared, before, next);
		shared->not_kept = !keep_opened(shared, config, opened, count);
	}
	for (i = 0; i < count; i++) {
		if (r < 0)
			close_all(shared, shards, opened[i]);
		else
			atomic_store_explicit(&opened[i]->users, shared->shard_count, memory_order_release);
	}
	return r;
}
