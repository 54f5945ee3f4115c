/*
 * core/page/said.h - what a next hop has said, with what it means and what to do: each refusal has its sentence.
 */
#ifndef POSTRIDER_PAGE_SAID_H
#define POSTRIDER_PAGE_SAID_H

#include "core/page/frame.h"

/* `error`: code, stage and text, as the queue and the trace have them; `destination`: whose rules explain it, or "".
 * `whole`: with where to look. */
void said_put(struct frame *f, const json_t *error, const char *text_key, const char *destination, bool whole);

#endif
