/*
 * core/agents/incident_past.c - see incident_past.h.
 */
#include "core/agents/incident_past.h"

void incident_past_add(struct incident_past *past, const struct incident *incident, uint64_t closed_wall_ms)
{
	if (past->count == INCIDENT_PAST_MAX) {
		past->forgotten++;
		past->forgotten_wall_ms = incident_past_get(past, 0)->closed_wall_ms;
		past->first = (past->first + 1) % INCIDENT_PAST_MAX;
		past->count--;
	}
	past->list[(past->first + past->count++) % INCIDENT_PAST_MAX] =
		(struct incident_note){*incident, closed_wall_ms};
}
