/*
 * core/tools/doctor_confined.h - what the process that runs has given up, a rung for each: docs/hardening.md.
 */
#ifndef POSTRIDER_TOOLS_DOCTOR_CONFINED_H
#define POSTRIDER_TOOLS_DOCTOR_CONFINED_H

#include "core/tools/ladder.h"

struct config;

/* The process is asked by its control socket; where it does not answer there is one rung that says so. */
void doctor_look_confined(struct ladder *ladder, const struct config *config);

#endif
