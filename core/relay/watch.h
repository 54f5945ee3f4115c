/*
 * core/relay/watch.h - tells of shards that are stuck (watchdog.h), from a thread that is none of them: a turn that
 * never ends cannot tell itself.
 */
#ifndef POSTRIDER_RELAY_WATCH_H
#define POSTRIDER_RELAY_WATCH_H

#include <stdint.h>

#include "core/base/log.h"
#include "core/relay/relay.h"

/* Looks at all shards, if it is time; `log` is the caller's. Returns how many are stuck. Always from one thread. */
unsigned watch_shards(struct relay *relay, uint64_t now_ns, struct log *log);

#endif
