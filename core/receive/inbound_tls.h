/*
 * core/receive/inbound_tls.h - the TLS contexts of a snapshot's listeners.
 *
 * Listeners that ask the same of TLS share a context, and so do all shards: a context does not change once it is made
 * (tls/tls.h). Made before a shard looks at it, and freed when none does any more.
 */
#ifndef POSTRIDER_RECEIVE_INBOUND_TLS_H
#define POSTRIDER_RECEIVE_INBOUND_TLS_H

#include "tls/tls.h"

struct config;
struct inbound_tls;

/* 0, -ENOMEM, or -EINVAL with *problem filled in: files that cannot be used, and whose. *out may be filled in all the
 * same, and is the caller's to free. */
int inbound_tls_make(struct inbound_tls **out, const struct config *config, unsigned shards,
		     struct tls_problem *problem);
void inbound_tls_free(struct inbound_tls *inbound);
/* For a new session, on the thread of its shard; valid until the next call for that listener. NULL: without TLS. */
struct tls_context *inbound_tls_context(const struct inbound_tls *inbound, unsigned shard, unsigned listener);

#endif
