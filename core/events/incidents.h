/*
 * core/events/incidents.h - events about incidents.
 */
#ifndef POSTRIDER_EVENTS_INCIDENTS_H
#define POSTRIDER_EVENTS_INCIDENTS_H

#include "core/base/log.h"

struct event_incident {
	const char *kind, *subject, *title, *problem, *fix;
	uint64_t again, ms;
	bool error;
};

void event_incident_opened(struct log *log, const struct event_incident *i);
void event_incident_closed(struct log *log, const struct event_incident *i);
void event_incidents_unread(struct log *log, const char *file, const char *problem);
void event_incidents_unwritten(struct log *log, const char *file, const char *problem);
void event_incidents_untold(struct log *log, const char *to, uint64_t count, const char *problem);
void event_incidents_told(struct log *log, const char *to, uint64_t opened, uint64_t closed, uint64_t left_out);

#endif
