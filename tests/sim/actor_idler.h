/*
 * tests/sim/actor_idler.h - simulated clients that stop in the middle of a dialogue and never close (RELIABILITY
 * DOS-01).
 */
#ifndef POSTRIDER_SIM_ACTOR_IDLER_H
#define POSTRIDER_SIM_ACTOR_IDLER_H

#include "tests/sim/world.h"

struct actor_idler;
/* Connects `delay_ns` from now and says the first `octets` of a dialogue with one message. */
struct actor_idler *actor_idler_start(const struct ring_address *address, uint64_t delay_ns, size_t octets);
/* Connects likewise, asks for help so often, and never reads an answer. */
struct actor_idler *actor_idler_start_deaf(const struct ring_address *address, uint64_t delay_ns, size_t commands);
/* The server has ended the connection (or it never came to be). */
bool actor_idler_ended(const struct actor_idler *idler);
void actor_idler_free(struct actor_idler *idler); /* once the world has no more events for it */

#endif
