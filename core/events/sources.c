/*
 * core/events/sources.c - see sources.h.
 */
#include "core/events/sources.h"

void event_source_failed(struct log *log, const char *destination, const char *source, const char *reason,
			 uint64_t again_ms, uint64_t waiting)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "source_failed");
	log_text(&e, "destination", destination);
	log_text(&e, "source", source);
	log_text(&e, "reason", reason);
	log_number(&e, "again_ms", again_ms);
	log_number(&e, "waiting", waiting);
	log_end(&e);
}

void event_source_ok(struct log *log, const char *destination, const char *source, uint64_t ms)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "source_ok");
	log_text(&e, "destination", destination);
	log_text(&e, "source", source);
	log_number(&e, "ms", ms);
	log_end(&e);
}
