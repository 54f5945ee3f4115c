/*
 * core/events/tls_reports.c - see tls_reports.h.
 */
#include "core/events/tls_reports.h"

void event_tls_report(struct log *log, const struct event_tls_report *report)
{
	struct log_event e;

	log_begin(&e, log, "tls_report");
	log_text(&e, "domain", report->domain);
	log_text(&e, "to", report->to);
	log_text(&e, "report_id", report->id);
	log_number(&e, "octets", report->octets);
	log_end(&e);
}

void event_tls_report_failed(struct log *log, const char *domain, const char *to, const char *problem, unsigned tries)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "tls_report_failed");
	log_text(&e, "domain", domain);
	log_text(&e, "to", to);
	log_text(&e, "problem", problem);
	log_number(&e, "tries", tries);
	log_end(&e);
}

void event_tls_report_given_up(struct log *log, const char *domain, const char *problem, unsigned tries)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "tls_report_given_up");
	log_text(&e, "domain", domain);
	if (problem[0])
		log_text(&e, "problem", problem);
	log_number(&e, "tries", tries);
	log_end(&e);
}

void event_tls_reports_due(struct log *log, const char *day, uint64_t domains, uint64_t lost, uint64_t dropped)
{
	struct log_event e;

	log_begin_at(&e, log, lost + dropped > 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE, "tls_reports_due");
	log_text(&e, "day", day);
	log_number(&e, "domains", domains);
	log_number(&e, "lost", lost);
	log_number(&e, "dropped", dropped);
	log_end(&e);
}

void event_tls_reports_unread(struct log *log, const char *file, const char *reason)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "tls_reports_unread");
	log_text(&e, "file", file);
	log_text(&e, "reason", reason);
	log_end(&e);
}

void event_tls_reports_unwritten(struct log *log, const char *file, const char *reason)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "tls_reports_unwritten");
	log_text(&e, "file", file);
	log_text(&e, "reason", reason);
	log_end(&e);
}
