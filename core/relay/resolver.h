/*
 * core/relay/resolver.h - addresses of the configured next hops, kept fresh beside the shards.
 *
 * One thread asks the system's resolver (getaddrinfo: /etc/hosts, DNS) for every host that is not numeric, at the start
 * and every RESOLVER_INTERVAL_S after that (sooner while one is unknown), and publishes the answers. Shards only read
 * what was published: looking up never blocks. An answer that cannot be renewed stays in force.
 */
#ifndef POSTRIDER_RELAY_RESOLVER_H
#define POSTRIDER_RELAY_RESOLVER_H

#include <stdbool.h>

#include "core/base/ring.h"
#include "core/config/config.h"

enum { RESOLVER_ADDRESSES_MAX = 16, RESOLVER_INTERVAL_S = 60, RESOLVER_RETRY_S = 5 };

struct resolver;

/* Starts the thread if any host needs it. NULL without memory or thread. Resolves everything once before it returns,
 * waiting at most `wait_ms`. */
struct resolver *resolver_start(const struct config *config, unsigned wait_ms);
void resolver_stop(struct resolver *resolver);
/* An address to try now, another one each call where there are several. False: none is known. `resolver` may be NULL
 * where every host is numeric. */
bool resolver_lookup(struct resolver *resolver, const struct config_host *host, struct ring_address *out);

#endif
