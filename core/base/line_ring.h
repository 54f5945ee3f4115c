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
/* The same, but nobody sees it before line_ring_show(): all of them at once. */
bool line_ring_add(struct line_ring *ring, const char *line, size_t length);
void line_ring_show(struct line_ring *ring);
/* How many lines have found no room so far. */
uint64_t line_ring_refused(const struct line_ring *ring);
/* Whole lines, as many as fit into `size` octets, which is no less than a line may have; 0: there are none. */
size_t line_ring_take(struct line_ring *ring, char *out, size_t size);

/* ---- one that outlives its process (lines_kept.h): who takes from it says so when he is done with it ---- */

/* Octets of one in memory of somebody else, where line_ring_make() makes it. */
size_t line_ring_footprint(size_t size);
struct line_ring *line_ring_make(void *memory, size_t size);
/* Whether what a process that was killed has left there is one of `size`, and holds whole lines. */
bool line_ring_is_sound(const struct line_ring *ring, size_t size);
bool line_ring_is_empty(const struct line_ring *ring);
/* As line_ring_take(), but they stay until line_ring_drop(). */
size_t line_ring_look(const struct line_ring *ring, char *out, size_t size);
/* `mark`: as who takes counts them, of the first line that stays. */
void line_ring_drop(struct line_ring *ring, size_t length, uint64_t mark);
uint64_t line_ring_mark(const struct line_ring *ring);
/* How many of line_ring_refused() were said to be so by him. */
uint64_t line_ring_told(const struct line_ring *ring);
void line_ring_tell(struct line_ring *ring, uint64_t refused);

/* The name of the event in a line as core/base/log.c writes it; of length 0: it is none. */
struct span line_event(const char *line, size_t length);
/* Mail that was taken, or delivered: "accepted" and "attempt", of level info. */
bool line_is_usual(const char *line, size_t length);
/* Whether it is `name`, or begins with what stands before a star at the name's end. */
bool line_event_fits(struct span event, const char *name);

#endif
