/*
 * core/events/suppression.c - see suppression.h.
 */
#include "core/events/suppression.h"

void event_suppression_read(struct log *log, const char *file, uint64_t addresses, uint64_t octets, uint64_t bad)
{
	struct log_event e;

	log_begin_at(&e, log, bad > 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE, "suppression_read");
	log_text(&e, "file", file);
	log_number(&e, "addresses", addresses);
	log_number(&e, "octets", octets);
	log_number(&e, "bad_lines", bad);
	log_end(&e);
}

void event_suppression_unread(struct log *log, const char *file, const char *reason)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "suppression_unread");
	log_text(&e, "file", file);
	log_text(&e, "reason", reason);
	log_end(&e);
}

void event_suppression_unwritten(struct log *log, const char *file, const char *reason, uint64_t waiting, uint64_t lost)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "suppression_unwritten");
	log_text(&e, "file", file);
	log_text(&e, "reason", reason);
	log_number(&e, "waiting", waiting);
	log_number(&e, "lost", lost);
	log_end(&e);
}
