/*
 * core/receive/inbound_tls.h - the TLS contexts of a snapshot's listeners.
 *
 * Listeners that ask the same of TLS share a context, and so do all shards: a context does not change once it is made
 * (tls/tls.h). Made before a shard looks at it, and freed when none does any more. When certificates are renewed, each
 * shard is handed the new context and takes it with its next session; sessions count the one that they have.
 */
#ifndef POSTRIDER_RECEIVE_INBOUND_TLS_H
#define POSTRIDER_RECEIVE_INBOUND_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "tls/tls.h"

struct config;
struct inbound_tls;

/* 0, -ENOMEM, or -EINVAL with *problem filled in: files that cannot be used, and whose. *out may be filled in all the
 * same, and is the caller's to free. */
int inbound_tls_make(struct inbound_tls **out, const struct config *config, unsigned shards,
		     struct tls_problem *problem);
void inbound_tls_free(struct inbound_tls *inbound);
/* For a new session, on the thread of its shard; valid until the next call for that listener. `old`: of a device that
 * has the listener's devices_min_version, where there is one. NULL: without TLS. */
struct tls_context *inbound_tls_context(struct inbound_tls *inbound, unsigned shard, unsigned listener, bool old);

/* The rest is for whoever made it, beside running shards. */

/* Reads the files anew, for the sessions that come; `config` is the one it was made of. 0 or -EINVAL with *problem:
 * nothing has changed. */
int inbound_tls_renew(struct inbound_tls *inbound, const struct config *config, struct tls_problem *problem);
/* What the system says of the files that a configuration names: another number, other files. */
uint64_t inbound_tls_files(const struct config *config);
/* As they were when it was made or renewed. */
uint64_t inbound_tls_made_of(const struct inbound_tls *inbound);

#endif
