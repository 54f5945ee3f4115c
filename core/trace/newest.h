/*
 * core/trace/newest.h - the newest events as they were written, NEWEST_OCTETS of them at most, in memory: for who sends
 * a bundle of what is known of a process (core/control/bundle.c).
 *
 * newest_take() is for log_writer_tap(), newest_read() for any thread.
 */
#ifndef POSTRIDER_TRACE_NEWEST_H
#define POSTRIDER_TRACE_NEWEST_H

#include <stddef.h>

enum { NEWEST_OCTETS = 256 << 10 };

struct newest;

struct newest *newest_new(void); /* NULL without memory */
void newest_free(struct newest *newest);

/* Whole lines as core/base/log.c writes them. */
void newest_take(void *newest, const char *lines, size_t length);
/* Whole lines, the oldest first, from malloc, NUL behind them; NULL without memory. */
char *newest_read(struct newest *newest, size_t *length);

#endif
