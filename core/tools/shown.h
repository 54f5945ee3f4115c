/*
 * core/tools/shown.h - all that a command writes to standard output and standard error passes here.
 *
 * Arguments, names of files and what stands in files come from others, also where getopt() or strerror() say it, and
 * where it is one of hundreds of lines: so it is not for each of them to remember what a terminal obeys. Lines end, and
 * tabs stand, as they are written; the rest is as in table.h. A piece of a character that is the very last is left out.
 */
#ifndef POSTRIDER_TOOLS_SHOWN_H
#define POSTRIDER_TOOLS_SHOWN_H

#include <stdbool.h>

/* Before anything is written. Not `output` for a command that draws on the terminal itself. Without memory all is as it
 * was. */
void shown_begin(bool output);
/* Of our own, for the terminal, behind what was written to standard output. */
void shown_mark(const char *text);

#endif
