/*
 * core/tools/trace_source.h - the trace's file that a command looks into, and what is said where it cannot.
 */
#ifndef POSTRIDER_TOOLS_TRACE_SOURCE_H
#define POSTRIDER_TOOLS_TRACE_SOURCE_H

#include "core/trace/search.h"

#define TRACE_CONFIGURATION "/etc/postrider/postrider.yaml"

enum { TRACE_NO_FILE = 66, TRACE_NO_CONFIG = 78 };

/* `file`, or else the one that the configuration names. 0, or the exit status after saying why not. */
int trace_source_open(const char *command, const char *config, const char *file, struct search **search);

/* Says on standard error what was left out. */
void trace_source_gap(const struct search_gap *gap, bool utc);

/* A time of the command line. False after saying what is wrong with it. */
bool trace_source_time(const char *command, const char *text, bool utc, uint64_t *ms);

#endif
