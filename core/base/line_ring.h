/*
 * core/base/line_ring.h - lines of events between who writes the log and a thread that looks at some of them.
 *
 * One producer, who never waits and wakes nobody, and one consumer, who looks by himself. What finds no room is not
 * taken, and counted.
 */
#ifndef POSTRIDER_BASE_LINE_RING_H
#define POSTRIDER_BASE_LINE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"

struct line_ring;

/* `size`: octets, a power of two, no less than LOG_EVENT_MAX (core/base/log.h). NULL without memory. */
struct line_ring *line_ring_new(size_t size);
void line_ring_free(struct line_ring *ring); /* NULL is allowed */
/* A line with its end. False: there is no room. */
bool line_ring_put(struct line_ring *ring, const char *line, size_t length);
/* How many lines have found no room so far. */
uint64_t line_ring_refused(const struct line_ring *ring);
/* Whole lines, as many as fit into `size` octets, which is no less than a line may have; 0: there are none. */
size_t line_ring_take(struct line_ring *ring, char *out, size_t size);

/* The name of the event in a line as core/base/log.c writes it; of length 0: it is none. */
struct span line_event(const char *line, size_t length);
/* Whether it is `name`, or begins with what stands before a star at the name's end. */
bool line_event_fits(struct span event, const char *name);

#endif
