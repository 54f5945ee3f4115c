/*
 * core/control/incident_letter.h - a mail about incidents: what it says, and how it comes into the spool.
 *
 * It goes the way that the routes say, like any other, waits like any other where its own destination is the one that
 * is down, and makes no report when it fails (NOTIFY=NEVER).
 */
#ifndef POSTRIDER_CONTROL_INCIDENT_LETTER_H
#define POSTRIDER_CONTROL_INCIDENT_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/incident.h"

struct desk;
struct incident_terms;

enum { INCIDENT_LETTER_PROBLEM = 160, INCIDENT_LETTER_DESTINATION = 256 };

/* From malloc; NULL without memory. `open`: how many are open in all; NULL: it is for a device's owner, who cannot ask.
 * ASCII alone, whatever the texts are. */
char *incident_letter_text(const struct incident_terms *terms, const char *to, const struct incident_notes *notes,
			   const size_t *open, uint64_t wall_ms, size_t *length);

struct incident_sending;
/* Begins. Takes `text`. NULL without memory; the text is gone then as well. */
struct incident_sending *incident_letter_send(struct desk *desk, const char *to, const char *from, char *text,
					      size_t length);
/* Whether it is over: 1, and *result 0 or -errno with a problem; the destination's name is where it went. Else 0. Over:
 * it is freed. */
int incident_letter_over(struct incident_sending *sending, int *result, char problem[INCIDENT_LETTER_PROBLEM],
			 char destination[INCIDENT_LETTER_DESTINATION]);
/* Nobody asks any more. NULL is allowed. */
void incident_letter_leave(struct incident_sending *sending);

#endif
