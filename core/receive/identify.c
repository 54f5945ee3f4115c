/*
 * core/receive/identify.c - which client a session is, and which device of the inventory: asked when it begins, and
 * again when it has signed in or TLS has begun.
 */
#include "core/config/config.h"
#include "core/config/device_table.h"
#include "core/receive/client.h"
#include "core/receive/identity.h"
#include "core/receive/session_private.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

/* One connection less of the one, one more of the other. False: that is one too many. */
static bool count(const struct session *s, int before, int now)
{
	_Atomic(unsigned) *from = snapshot_client(s->snapshot, before), *to = snapshot_client(s->snapshot, now);

	if (!s->counted)
		return true;
	if (from)
		atomic_fetch_sub_explicit(from, 1, memory_order_relaxed);
	return !to || atomic_fetch_add_explicit(to, 1, memory_order_relaxed) <
			      s->snapshot->config->clients[now].connections_max;
}

int32_t receive_device(const struct session *s, const struct ring_address *address)
{
	const struct device_table *devices = s->snapshot->config->devices;
	int32_t device = s->user ? device_table_of_user(devices, s->user) : -1;

	return device >= 0 ? device : device_table_of_address(devices, address);
}

/* False: it has as many connections as it may. */
static bool take_device(struct session *s, int32_t device)
{
	if (device == s->device)
		return true;
	receive_device_leave(s);
	s->device = device;
	return receive_device_enter(s);
}

bool receive_identify(struct session *s)
{
	struct client_question question = {.listener = s->listener, .user = s->user};
	/* A proxy's is not that of those it brings. */
	const struct tls_identity *certificate = s->brought ? NULL : identity_certificate(s);
	char fingerprint[TLS_FINGERPRINT_TEXT];
	struct ring_address address;
	int before = s->client;
	bool room;

	if (!receive_address(s, &address))
		return false;
	room = take_device(s, receive_device(s, &address));
	question.device = s->device >= 0;
	question.address = &address;
	if (certificate) {
		tls_fingerprint_text(certificate->fingerprint, fingerprint);
		question.fingerprint = fingerprint;
		question.names = certificate->verified ? certificate->names : NULL;
	}
	receive_seen(s);
	s->client = client_find(s->snapshot->config, &question);
	return (s->client == before || count(s, before, s->client)) && room;
}
