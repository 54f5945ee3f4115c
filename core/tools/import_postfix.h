/*
 * core/tools/import_postfix.h - a directory of Postfix (main.cf, master.cf and the tables they name) into a plan.
 *
 * Nothing of it is run, and no file outside of the directory is read but /etc/mailname, where the directory is
 * /etc/postfix itself. Paths below /etc/postfix are looked for in the directory that was named, so a copy will do.
 */
#ifndef POSTRIDER_TOOLS_IMPORT_POSTFIX_H
#define POSTRIDER_TOOLS_IMPORT_POSTFIX_H

#include <stdbool.h>

#include "core/tools/import_plan.h"

/* False: said on standard error; there is no plan. */
bool import_postfix(struct import_plan *plan, const char *directory);

#endif
