/*
 * core/events/tls_reports.h - events of reports about TLS (RFC 8460).
 */
#ifndef POSTRIDER_EVENTS_TLS_REPORTS_H
#define POSTRIDER_EVENTS_TLS_REPORTS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/log.h"

struct event_tls_report {
	const char *domain, *to, *id;
	uint64_t octets;
};
void event_tls_report(struct log *log, const struct event_tls_report *report);

/* To one place, at the try of that number; and it is tried no more. */
void event_tls_report_failed(struct log *log, const char *domain, const char *to, const char *problem, unsigned tries);
void event_tls_report_given_up(struct log *log, const char *domain, const char *problem, unsigned tries);
/* A day is over. */
void event_tls_reports_due(struct log *log, const char *day, uint64_t domains, uint64_t lost, uint64_t dropped);
void event_tls_reports_unread(struct log *log, const char *file, const char *reason);
void event_tls_reports_unwritten(struct log *log, const char *file, const char *reason);

#endif
