/*
 * core/events/tracing.h - events of the thread that keeps the trace.
 */
#ifndef POSTRIDER_EVENTS_TRACING_H
#define POSTRIDER_EVENTS_TRACING_H

#include <stdint.h>

#include "core/base/log.h"

/* Rows cannot be written, and can again; `left_out`: since the first of these. */
void event_trace_unwritten(struct log *log, const char *file, const char *reason);
void event_trace_written(struct log *log, const char *file, uint64_t left_out);
/* It was set aside, and a new one is begun. */
void event_trace_damaged(struct log *log, const char *file, const char *problem, const char *kept);

#endif
