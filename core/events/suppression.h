/*
 * core/events/suppression.h - events of the list of addresses that no mail goes to.
 */
#ifndef POSTRIDER_EVENTS_SUPPRESSION_H
#define POSTRIDER_EVENTS_SUPPRESSION_H

#include <stdint.h>

#include "core/base/log.h"

/* All of it was read. */
void event_suppression_read(struct log *log, const char *file, uint64_t addresses, uint64_t octets, uint64_t bad);
void event_suppression_unread(struct log *log, const char *file, const char *reason);
void event_suppression_unwritten(struct log *log, const char *file, const char *reason, uint64_t waiting,
				 uint64_t lost);

#endif
