/*
 * core/events/steering.h - events of what operators do to mail and destinations.
 */
#ifndef POSTRIDER_EVENTS_STEERING_H
#define POSTRIDER_EVENTS_STEERING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/log.h"
#include "core/smtp/trace.h"

/* A message, or those of its recipients that were meant. */
struct event_steered {
	struct message_id id;
	uint64_t recipients;
	bool in_delivery;         /* some of them are: it holds when that is over */
	const char *who, *reason; /* "": none was given */
};
void event_queue_held(struct log *log, const struct event_steered *s);
void event_queue_released(struct log *log, const struct event_steered *s);
void event_queue_retried(struct log *log, const struct event_steered *s);
void event_queue_deleted(struct log *log, const struct event_steered *s, bool report);

/* `domain`: "": all of it. `for_s`: 0: until it is resumed. */
struct event_suspended {
	const char *destination, *domain, *who, *reason;
	uint64_t for_s;
};
void event_destination_suspended(struct log *log, const struct event_suspended *s);
/* `ms`: for so long it was; 0: not known. */
void event_destination_resumed(struct log *log, const char *destination, const char *domain, const char *who,
			       uint64_t ms);

#endif
