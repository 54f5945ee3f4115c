/*
 * core/tools/usage.h - what the program can be asked for, in short; dist/postrider.8 has it in full.
 */
#ifndef POSTRIDER_TOOLS_USAGE_H
#define POSTRIDER_TOOLS_USAGE_H

#include <stdio.h>

/* Writes it; returns `status`. */
int usage(FILE *out, int status);

#endif
