/*
 * core/events/sources.h - events of the addresses that connections to next hops come from.
 */
#ifndef POSTRIDER_EVENTS_SOURCES_H
#define POSTRIDER_EVENTS_SOURCES_H

#include <stdint.h>

#include "core/base/log.h"

/* This machine does not have it; and has it again. */
void event_source_failed(struct log *log, const char *destination, const char *source, const char *reason,
			 uint64_t again_ms, uint64_t waiting);
void event_source_ok(struct log *log, const char *destination, const char *source, uint64_t ms);

#endif
