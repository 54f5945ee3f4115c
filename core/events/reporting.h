/*
 * core/events/reporting.h - what is told of reports (core/deliver/notify.h).
 */
#ifndef POSTRIDER_EVENTS_REPORTING_H
#define POSTRIDER_EVENTS_REPORTING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/log.h"
#include "core/base/span.h"
#include "core/smtp/trace.h"

struct event_report {
	struct message_id id, about;
	const char *kind;
	struct span to;
	uint64_t messages, recipients;
	bool held; /* it leaves after the next start */
};
void event_report(struct log *log, const struct event_report *facts);
/* Nobody hears that it failed, and it ends. */
void event_unreported(struct log *log, struct message_id id, const char *reason, uint64_t recipients);

#endif
