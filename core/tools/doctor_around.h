/*
 * core/tools/doctor_around.h - what is around the relay's mail, a rung for each: whom commands ask, the trace, who gets
 * events and who is told of incidents.
 */
#ifndef POSTRIDER_TOOLS_DOCTOR_AROUND_H
#define POSTRIDER_TOOLS_DOCTOR_AROUND_H

#include <stdbool.h>

#include "core/tools/ladder.h"

struct config;

/* Where none of it is configured there is no ladder. `send`: the webhook gets a batch without events. False: a rung is
 * broken. */
bool doctor_look_around(struct ladder *ladder, const struct config *config, bool send);

#endif
