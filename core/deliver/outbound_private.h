/*
 * core/deliver/outbound_private.h - shared between outbound.c (dispatch), outbound_grow.c (connections) and
 * outbound_load.c (attempts). Each calls those behind it only.
 */
#ifndef POSTRIDER_DELIVER_OUTBOUND_PRIVATE_H
#define POSTRIDER_DELIVER_OUTBOUND_PRIVATE_H

#include <assert.h>

#include "core/deliver/outbound.h"

/* outbound_grow.c: opens one more connection if that may be. *next_ns: when to look again. */
void outbound_grow(struct outbound *o, uint64_t *next_ns);
/* Opens what will take over from connections that are about to have had their share of messages, or of time. */
void outbound_succeed(struct outbound *o);

/* outbound_load.c: the delivery (ACTIVE) becomes an attempt, which comes to o->loaded, now or later. False: without
 * memory. */
bool outbound_load(struct outbound *o, struct delivery *d);
/* Ends mail that is too old and that no host could be found for. */
void outbound_expire(struct outbound *o);

#endif
