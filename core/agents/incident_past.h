/*
 * core/agents/incident_past.h - incidents that are over: the newest INCIDENT_PAST_MAX of them, for who looks in the
 * morning at what the night was like. No clock, no file, no thread; all zero is none.
 */
#ifndef POSTRIDER_AGENTS_INCIDENT_PAST_H
#define POSTRIDER_AGENTS_INCIDENT_PAST_H

#include "core/agents/incident.h"

enum { INCIDENT_PAST_MAX = 500 };

struct incident_past {
	struct incident_note list[INCIDENT_PAST_MAX];
	size_t first, count;
	/* Those that made room for others, and when the last of them was over. */
	uint64_t forgotten, forgotten_wall_ms;
};

void incident_past_add(struct incident_past *past, const struct incident *incident, uint64_t closed_wall_ms);

/* By when they were over, the oldest first. */
static inline const struct incident_note *incident_past_get(const struct incident_past *past, size_t index)
{
	return &past->list[(past->first + index) % INCIDENT_PAST_MAX];
}

#endif
