/*
 * core/events/incidents.c - see incidents.h.
 */
#include "core/events/incidents.h"

void event_incident_opened(struct log *log, const struct event_incident *i)
{
	struct log_event e;

	log_begin_at(&e, log, i->error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "incident_opened");
	log_text(&e, "kind", i->kind);
	log_text(&e, "subject", i->subject);
	log_text(&e, "title", i->title);
	log_text(&e, "problem", i->problem);
	log_text(&e, "fix", i->fix);
	log_end(&e);
}

void event_incident_closed(struct log *log, const struct event_incident *i)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "incident_closed");
	log_text(&e, "kind", i->kind);
	log_text(&e, "subject", i->subject);
	log_text(&e, "title", i->title);
	log_text(&e, "problem", i->problem);
	log_number(&e, "again", i->again);
	log_number(&e, "ms", i->ms);
	log_end(&e);
}

void event_incidents_unread(struct log *log, const char *file, const char *problem)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "incidents_unread");
	log_text(&e, "file", file);
	log_text(&e, "problem", problem);
	log_end(&e);
}

void event_incidents_unwritten(struct log *log, const char *file, const char *problem)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "incidents_unwritten");
	log_text(&e, "file", file);
	log_text(&e, "problem", problem);
	log_end(&e);
}

void event_incidents_untold(struct log *log, const char *to, uint64_t count, const char *problem)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "incidents_untold");
	log_text(&e, "to", to);
	log_number(&e, "count", count);
	log_text(&e, "problem", problem);
	log_end(&e);
}

void event_incidents_told(struct log *log, const char *to, uint64_t opened, uint64_t closed, uint64_t left_out)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "incidents_told");
	log_text(&e, "to", to);
	log_number(&e, "opened", opened);
	log_number(&e, "closed", closed);
	log_number(&e, "left_out", left_out);
	log_end(&e);
}
