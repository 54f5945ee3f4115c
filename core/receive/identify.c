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

/* One connection less of the one, one more of the other; as receive_identify(). */
static const char *take_client(struct session *s, int client)
{
	if (client == s->client)
		return NULL;
	if (s->counted)
		receive_uncount_client(s);
	s->client = client;
	return s->counted ? receive_count_client(s) : NULL;
}

const char *receive_identify(struct session *s)
{
	struct client_question question = {.listener = s->listener, .user = s->user};
	/* A proxy's is not that of those it brings. */
	const struct tls_identity *certificate = s->brought ? NULL : identity_certificate(s);
	char fingerprint[TLS_FINGERPRINT_TEXT];
	struct ring_address address;
	const char *refusal;
	bool room;

	if (!receive_address(s, &address))
		return "421 4.3.0 Out of order, try again later\r\n";
	room = take_device(s, receive_device(s, &address));
	question.device = s->device >= 0;
	question.address = &address;
	if (certificate) {
		tls_fingerprint_text(certificate->fingerprint, fingerprint);
		question.fingerprint = fingerprint;
		question.names = certificate->verified ? certificate->names : NULL;
	}
	receive_seen(s);
	refusal = take_client(s, client_find(s->snapshot->config, &question));
	return room ? refusal : "421 4.3.2 Too many connections, try again later\r\n";
}
