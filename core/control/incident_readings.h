/*
 * core/control/incident_readings.h - what the shards say of themselves (scrape.h), as incidents' good and bad.
 */
#ifndef POSTRIDER_CONTROL_INCIDENT_READINGS_H
#define POSTRIDER_CONTROL_INCIDENT_READINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/agents/incident.h"
#include "core/control/incident_terms.h"

struct scrape;

/* Of a destination, between two readings. */
struct incident_progress {
	char *name; /* owned */
	uint64_t delivered;
	uint64_t still_ns;               /* mail waits, and nothing was delivered, since then; 0: not so */
	char why[INCIDENT_PROBLEM_SIZE]; /* what an event said of it last */
	/* Mails about incidents that may still wait there: they are no reason for another. */
	uint64_t letters, letters_ns; /* and when the last was stored; 0: none was */
};

struct incident_readings {
	struct incident_progress *progress; /* owned */
	size_t count, last;                 /* `last`: the one that was asked for */
	bool sending;                       /* a mail about incidents is on its way into the spool */
	uint64_t certificates_ns;           /* when they are looked at next */
};

void incident_readings_free(struct incident_readings *readings);
/* NULL without memory. */
struct incident_progress *incident_readings_of(struct incident_readings *readings, const char *name);
/* Asks the shards, and says to `incidents` how it stands. */
void incident_readings_take(struct incident_readings *readings, struct incidents *incidents, struct scrape *scrape,
			    const struct incident_terms *terms, uint64_t now_ns, uint64_t wall_ms);

#endif
