/*
 * core/relay/sockets_kept.c - see sockets_kept.h.
 */
#include "core/relay/sockets_kept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/address_text.h"
#include "core/base/notify.h"
#include "core/config/config.h"
#include "core/receive/listeners.h"
#include "core/relay/relay.h"
#include "core/shard/snapshot.h"

static bool keep(const struct ring_address *address, const int *fds, size_t count)
{
	char name[HANDED_NAME_SIZE];

	handed_name(address, name);
	return notify_keep(name, fds, count) == 0;
}

/* Where the manager does not answer, it keeps a socket that nobody listens on: no more than that is lost. */
static void forget(const struct ring_address *address)
{
	char name[HANDED_NAME_SIZE], before[HANDED_NAME_SIZE];

	handed_name(address, name);
	(void)notify_forget(name);
	handed_name_before(address, before);
	if (strcmp(before, name) != 0)
		(void)notify_forget(before);
}

static const struct listeners_store store = {.keep = keep, .forget = forget};

void sockets_kept_begin(struct relay *relay, struct handed *handed)
{
	relay->receivers.handed = handed;
	relay->receivers.store = notify_wanted() ? &store : NULL;
}

static void tell_unused(struct log *log, const struct handed_socket *socket)
{
	char address[ADDRESS_TEXT_SIZE];
	struct log_event e;

	address_text_format_port(&socket->address, address);
	log_begin_at(&e, log, socket->kept ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING, "socket_unused");
	log_text(&e, "address", address);
	log_text(&e, "name", socket->name);
	log_end(&e);
}

/* How many the unit lets the store take, as a manager from systemd 254 on says; older ones do not. */
static bool too_many(size_t count)
{
	const char *most = getenv("FDSTORE");

	return most && strtoull(most, NULL, 10) < count;
}

static void tell_not_kept(struct log *log, size_t count)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "sockets_not_kept");
	log_number(&e, "sockets", count);
	log_text(&e, "say",
		 "in a restart, connections will be refused: set FileDescriptorStoreMax= in the unit to as "
		 "many as there are listeners times shards, at least");
	log_end(&e);
}

static size_t count_of(const struct relay *relay)
{
	return relay->snapshot->config->listener_count * relay->shard_count;
}

void sockets_kept_followed(const struct relay *relay, struct log *log)
{
	if (relay->receivers.store && (relay->receivers.not_kept || too_many(count_of(relay))))
		tell_not_kept(log, count_of(relay));
}

size_t sockets_kept_started(struct relay *relay, struct log *log)
{
	struct receivers *receivers = &relay->receivers;
	const struct handed *handed = receivers->handed;
	size_t taken = 0, count = relay->config->listener_count * relay->shard_count, i;

	for (i = 0; i < handed->count; i++) {
		taken += handed->sockets[i].fd < 0;
		if (handed->sockets[i].fd >= 0)
			tell_unused(log, &handed->sockets[i]);
	}
	if ((!listeners_keep(receivers, relay->shards, relay->config) || too_many(count)) && receivers->store)
		tell_not_kept(log, count);
	return taken;
}
