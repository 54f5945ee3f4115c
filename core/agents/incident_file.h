/*
 * core/agents/incident_file.h - which incidents are open, as a file has it, so that a restart opens none again; and
 * which are over, and were told to nobody yet or are kept for who looks later.
 */
#ifndef POSTRIDER_AGENTS_INCIDENT_FILE_H
#define POSTRIDER_AGENTS_INCIDENT_FILE_H

#include "core/agents/incident.h"
#include "core/agents/incident_past.h"

enum { INCIDENT_FILE_MAX = 4 << 20 };

/* `sending`, `notes`: of these what is over and not told yet; NULL is none. From malloc; NULL without memory. */
char *incident_file_write(const struct incidents *incidents, const struct incident_notes *sending,
			  const struct incident_notes *notes, const struct incident_past *past);
/* Adds those that are in it, to `notes` what is over and not told yet, and to `past` what is over. False: it is no such
 * file, and none was added. */
bool incident_file_read(struct incidents *incidents, struct incident_notes *notes, struct incident_past *past,
			const char *text, size_t length, uint64_t now_ns);

#endif
