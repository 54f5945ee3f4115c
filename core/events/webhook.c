/*
 * core/events/webhook.c - see webhook.h.
 */
#include "core/events/webhook.h"

void event_webhook_failed(struct log *log, const struct event_webhook_failed *w)
{
	struct log_event e;

	log_begin_at(&e, log, w->act ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "webhook_failed");
	log_text(&e, "host", w->host);
	if (w->status)
		log_number(&e, "status", w->status);
	log_text(&e, "problem", w->problem);
	log_number(&e, "failures", w->failures);
	log_number(&e, "waiting", w->waiting);
	log_number(&e, "again_s", w->again_s);
	log_end(&e);
}

void event_webhook_ok(struct log *log, const char *host, uint64_t failures, uint64_t ms, uint64_t waiting)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "webhook_ok");
	log_text(&e, "host", host);
	log_number(&e, "failures", failures);
	log_number(&e, "ms", ms);
	log_number(&e, "waiting", waiting);
	log_end(&e);
}

void event_webhook_left_out(struct log *log, uint64_t count, const char *reason)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "webhook_left_out");
	log_number(&e, "count", count);
	log_text(&e, "reason", reason);
	log_end(&e);
}

void event_webhook_unread(struct log *log, const char *directory, const char *problem)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "webhook_unread");
	log_text(&e, "directory", directory);
	log_text(&e, "problem", problem);
	log_end(&e);
}
