/*
 * core/receive/identify.c - which client a session is: asked when it begins, and again when it has signed in or TLS has
 * begun.
 */
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

bool receive_identify(struct session *s)
{
	struct client_question question = {.listener = s->listener, .user = s->user};
	const struct tls_identity *certificate = identity_certificate(s);
	char fingerprint[TLS_FINGERPRINT_TEXT];
	struct ring_address address;
	int before = s->client;

	if (!receive_address(s, &address))
		return false;
	question.address = &address;
	if (certificate) {
		tls_fingerprint_text(certificate->fingerprint, fingerprint);
		question.fingerprint = fingerprint;
		question.names = certificate->verified ? certificate->names : NULL;
	}
	s->client = client_find(s->snapshot->config, &question);
	return s->client == before || count(s, before, s->client);
}
