/*
 * core/events/events_private.h - shared between events.c and events_outbound.c.
 */
#ifndef POSTRIDER_EVENTS_EVENTS_PRIVATE_H
#define POSTRIDER_EVENTS_EVENTS_PRIVATE_H

#include "core/base/log.h"
#include "core/shard/shard.h"

/* Of a message or a delivery: the message's id, as the client was told. */
void events_id(struct log_event *e, uint64_t high, uint64_t low);
uint64_t events_ms_since(const struct shard *shard, uint64_t then_ns);

#endif
