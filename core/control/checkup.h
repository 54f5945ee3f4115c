/*
 * core/control/checkup.h - the relay's own `postrider doctor`, run when somebody asks for it, and what it found last.
 *
 * It is the command itself, as a program beside the relay (core/confine/beside.h): so its rungs, words and advice are
 * those of the command, it sees what a new process would see, and whatever it waits for holds up nobody here. It has
 * CHECKUP_S seconds; what it found until then is kept. One runs at a time.
 */
#ifndef POSTRIDER_CONTROL_CHECKUP_H
#define POSTRIDER_CONTROL_CHECKUP_H

#include <jansson.h>

#include "core/control/desk.h"

enum { CHECKUP_S = 120, CHECKUP_OCTETS_MAX = 1 << 20 };

struct checkup;

/* NULL without memory. */
struct checkup *checkup_new(struct desk *desk);
/* Behind desk_stopping(): ends what runs. NULL is allowed. */
void checkup_free(struct checkup *checkup);
/* As docs/control.md has it (GET /v1/doctor); NULL without memory. */
json_t *checkup_json(struct checkup *checkup);

#endif
