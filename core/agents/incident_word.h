/*
 * core/agents/incident_word.h - what one line of events says about incidents.
 */
#ifndef POSTRIDER_AGENTS_INCIDENT_WORD_H
#define POSTRIDER_AGENTS_INCIDENT_WORD_H

#include "core/agents/incident.h"

enum incident_says {
	INCIDENT_SAYS_NOTHING,
	INCIDENT_SAYS_BAD,
	INCIDENT_SAYS_WELL,
	INCIDENT_SAYS_WHY, /* it is no proof, but what an operator wants to read where it is bad */
};

struct incident_word {
	enum incident_says says;
	enum incident_kind kind;
	char subject[INCIDENT_SUBJECT_SIZE];
	char problem[INCIDENT_PROBLEM_SIZE];
};

/* Whether a line is to be looked at, from its first octets; for who writes the log. */
bool incident_word_wanted(const char *line, size_t length);
/* A line with or without its end. */
void incident_word_read(const char *line, size_t length, struct incident_word *word);
/* For log_writer_tap(): those that are wanted go into a struct line_ring; what finds no room does not, and is counted
 * there. */
void incident_word_take(void *ring, const char *lines, size_t length);

#endif
