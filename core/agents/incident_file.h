/*
 * core/agents/incident_file.h - which incidents are open, as a file has it, so that a restart opens none again.
 */
#ifndef POSTRIDER_AGENTS_INCIDENT_FILE_H
#define POSTRIDER_AGENTS_INCIDENT_FILE_H

#include "core/agents/incident.h"

enum { INCIDENT_FILE_MAX = 1 << 20 };

/* From malloc; NULL without memory. */
char *incident_file_write(const struct incidents *incidents);
/* Adds those that are in it. False: it is no such file, and none was added. */
bool incident_file_read(struct incidents *incidents, const char *text, size_t length, uint64_t now_ns);

#endif
