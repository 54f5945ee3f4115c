/*
 * core/agents/tls_given.h - what shards have counted of TLS, on its way to the agent that adds it up: a stack without a
 * lock, which is bounded. An agent whose disk does not answer takes nothing for as long as that lasts; of tables that
 * find no room then only the number of their sessions is kept, and they are told as lost when the day ends.
 */
#ifndef POSTRIDER_AGENTS_TLS_GIVEN_H
#define POSTRIDER_AGENTS_TLS_GIVEN_H

#include <stdint.h>

#include "core/agents/tls_count.h"
#include "core/agents/tls_days.h"
#include "core/base/stack.h"

enum { TLS_GIVEN_MOST = 32 }; /* tables of TLS_COUNT_SHARD_OCTETS at most */

/* Zeroed: empty. */
struct tls_given {
	struct stack tables; /* struct tls_given_table, owned */
	_Atomic unsigned count;
	_Atomic uint64_t lost;
};

/* Takes it. From any thread, without waiting. */
void tls_given_put(struct tls_given *given, struct tls_count *count);
/* All of it is counted for the day. For one thread. */
void tls_given_take(struct tls_given *given, struct tls_days *days);

#endif
