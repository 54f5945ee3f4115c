/*
 * core/tools/import_iis.h - an SMTP server of IIS, from its metabase, into a plan.
 */
#ifndef POSTRIDER_TOOLS_IMPORT_IIS_H
#define POSTRIDER_TOOLS_IMPORT_IIS_H

#include <stdbool.h>

#include "core/tools/import_plan.h"

/* `server`: the last part of its Location, as in "1"; NULL: the first. False: said on standard error; there is no
 * plan. */
bool import_iis(struct import_plan *plan, const char *file, const char *server);

#endif
