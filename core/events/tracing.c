/*
 * core/events/tracing.c - see tracing.h.
 */
#include "core/events/tracing.h"

void event_trace_unwritten(struct log *log, const char *file, const char *reason)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "trace_unwritten");
	log_text(&e, "file", file);
	log_text(&e, "reason", reason);
	log_end(&e);
}

void event_trace_written(struct log *log, const char *file, uint64_t left_out)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "trace_written");
	log_text(&e, "file", file);
	log_number(&e, "left_out", left_out);
	log_end(&e);
}

void event_trace_damaged(struct log *log, const char *file, const char *problem, const char *kept)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "trace_damaged");
	log_text(&e, "file", file);
	log_text(&e, "problem", problem);
	log_text(&e, "kept", kept);
	log_end(&e);
}
