/*
 * core/tools/aliases.h - whom names without a domain stand for: /etc/aliases (aliases(5)), of which addresses and other
 * names are taken. Programs, files and lists in files are not: they would be run and written as whoever sends mail.
 */
#ifndef POSTRIDER_TOOLS_ALIASES_H
#define POSTRIDER_TOOLS_ALIASES_H

#include "core/tools/letter.h"

#define ALIASES_USUAL "/etc/aliases"

/* Gives fn what `name` stands for in the end; itself where it stands for nothing. False: fn has said so. */
bool aliases_expand(const char *file, const char *name, letter_address_fn *fn, void *context);

#endif
