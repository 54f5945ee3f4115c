/*
 * core/agents/resolver.h - addresses of the configured next hops, kept fresh beside the shards.
 *
 * Threads ask the system's resolver (getaddrinfo: /etc/hosts, DNS) for every host that is not numeric, at the start and
 * every RESOLVER_INTERVAL_MS after that (sooner while one is unknown), and publish the answers. Shards only read
 * what was published: looking up never blocks. An answer that cannot be renewed stays in force.
 *
 * A question can take half a minute, and nothing can cut it short. So each has a thread of its own while it lasts,
 * up to RESOLVER_THREADS; those that were slow the last time leave some threads to the others. And resolver_stop()
 * waits for no question: the threads that still have one are left to themselves, with all that they use (nothing of
 * the configuration), until their answer comes or the process ends.
 */
#ifndef POSTRIDER_AGENTS_RESOLVER_H
#define POSTRIDER_AGENTS_RESOLVER_H

#include <stdbool.h>

#include "core/base/ring.h"
#include "core/config/config.h"

/* The times are shorter in the test. */
#ifndef RESOLVER_INTERVAL_MS
#define RESOLVER_INTERVAL_MS 60000
#define RESOLVER_RETRY_MS 5000 /* doubled at each failure, up to the interval */
#define RESOLVER_SLOW_MS 2000
#endif

enum { RESOLVER_ADDRESSES_MAX = 16, RESOLVER_THREADS = 32, RESOLVER_THREADS_SLOW = 24 };

struct resolver;

/* Starts a thread if any host needs it. NULL without memory or thread. Asks for everything once before it returns,
 * waiting at most `wait_ms` for the answers. */
struct resolver *resolver_start(const struct config *config, unsigned wait_ms);
/* Waits for no answer. No shard may look up any more. */
void resolver_stop(struct resolver *resolver);
/* What is known of the host now, in the order of the system's resolver; 0: nothing. `resolver` may be NULL where every
 * host is numeric. */
unsigned resolver_addresses(struct resolver *resolver, const struct config_host *host,
			    struct ring_address out[RESOLVER_ADDRESSES_MAX]);
/* What the system's resolver said last about a name without an address, for people; "" where there is nothing to say
 * yet. */
const char *resolver_problem(struct resolver *resolver, const struct config_host *host);

#endif
