/*
 * core/control/incident_owners.h - mail about an incident to whom it concerns beside the operators: of a device, the
 * owner whom the inventory names.
 *
 * What comes together is told together, in a letter for each owner, of which each has so many an hour at most; what is
 * beyond that waits, INCIDENT_OWNER_NOTES at a time for all. It is kept in memory alone: what a process that is killed
 * has not stored yet is not told. Where no route leads to an owner nothing is kept for him.
 *
 * For the thread that watches.
 */
#ifndef POSTRIDER_CONTROL_INCIDENT_OWNERS_H
#define POSTRIDER_CONTROL_INCIDENT_OWNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/incident.h"
#include "core/control/incident_letter.h"

struct desk;
struct incident_terms;
struct log;

enum { INCIDENT_OWNER_NOTES = 256, INCIDENT_OWNER_SIZE = 256, INCIDENT_OWNER_LETTERS = 256 };

struct incident_owner_note {
	char owner[INCIDENT_OWNER_SIZE];
	struct incident_note note;
	uint64_t more; /* that had no room in a letter which could not be stored */
};

struct incident_owners {
	struct incident_owner_note *list; /* owned; of those who are to be told, in their order */
	size_t count;
	uint64_t due_ns;                  /* not before */
	struct incident_sending *sending; /* owned; NULL: none is under way */
	struct incident_notes sent;       /* what that one says */
	char to[INCIDENT_OWNER_SIZE];     /* and to whom */
	/* The last letters: to whom, and when by the monotonic clock. */
	struct {
		uint64_t owner, ms;
	} letters[INCIDENT_OWNER_LETTERS];
	unsigned letter_count;
	bool untold; /* and that was said */
};

/* closed_wall_ms 0: it was opened. */
void incident_owners_note(struct incident_owners *owners, const char *owner, const struct incident *incident,
			  uint64_t closed_wall_ms, uint64_t now_ns);
/* Every so often, and at the end. True: a letter was stored, and `destination` is where it went. */
bool incident_owners_over(struct incident_owners *owners, struct log *log, uint64_t now_ns,
			  char destination[INCIDENT_LETTER_DESTINATION]);
/* Every so often, behind it: begins the next one. */
void incident_owners_mail(struct incident_owners *owners, struct desk *desk, const struct incident_terms *terms,
			  uint64_t now_ns);
void incident_owners_free(struct incident_owners *owners);

#endif
