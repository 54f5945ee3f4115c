/*
 * core/page/kept.h - an answer of the control that is asked for again and again by a thread of its own, and kept: so
 * who opens a page has what there is within KEPT_WAIT_MS, however long shards take, and a hundred who look cost them no
 * more than one.
 *
 * It is asked for each `busy_ns` while somebody has looked within KEPT_LOOKED_S, and KEPT_PAUSE times as long after its
 * end as it took; each `idle_ns` else (0: not at all).
 */
#ifndef POSTRIDER_PAGE_KEPT_H
#define POSTRIDER_PAGE_KEPT_H

#include <jansson.h>
#include <stdint.h>

#include "core/control/request.h"

enum { KEPT_WAIT_MS = 60, KEPT_LOOKED_S = 60, KEPT_PAUSE = 10, KEPT_STALE = 10 };

struct kept;

struct kept_settings {
	const char *path;
	const struct request_given *values; /* NULL: none */
	uint64_t busy_ns, idle_ns;
	void (*taken)(void *context, json_t *answer, uint64_t now_ns); /* on its thread, of each; NULL: nobody */
	void *context;
};

/* What settings point to stays as long as it does. NULL without memory, or a thread. */
struct kept *kept_start(struct desk *desk, const struct kept_settings *settings);
/* Wakes who waits; joins the thread. The desk stops (desk_stopping()). NULL is allowed. */
void kept_stop(struct kept *kept);

/* The newest, a reference of the caller's. Where it is older than `fresh_ns` it is asked for anew, and where it is
 * KEPT_STALE times as old, or there is none, that is waited for KEPT_WAIT_MS. NULL: there is none yet. *age_ns: of
 * it. */
json_t *kept_get(struct kept *kept, uint64_t fresh_ns, uint64_t *age_ns);
/* Somebody looks: it is busy. */
void kept_look(struct kept *kept);

#endif
