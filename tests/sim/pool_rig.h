/*
 * tests/sim/pool_rig.h - what scenarios with mailboxes that sign in have in common: the rig's first destination is a
 * pool of them, and next hops count what each does.
 */
#ifndef POSTRIDER_SIM_POOL_RIG_H
#define POSTRIDER_SIM_POOL_RIG_H

#include "tests/sim/relay_rig.h"

enum { POOL_A_DAY = 30, POOL_A_MINUTE = 20, POOL_SIGNING_IN_MAX = 2000 };

/* The mailboxes from `first` on, so many, with the password that is right (rig_options.signing_in). */
void pool_signing_in(char *out, unsigned first, unsigned count, bool fallback);
/* The same with one application's tokens (sim_token.h) instead. */
void pool_signing_in_by_token(char *out, unsigned count);
/* Each is given senders it may send as, so that each sender has one at least. */
void pool_allot(struct actor_logins *logins, uint64_t seed);
/* Mailboxes with those senders, `sender: match`. */
void pool_signing_in_as(char *out, const struct actor_logins *logins);
/* Their limits are counted: POOL_A_DAY, POOL_A_MINUTE. */
void pool_meter_all(struct actor_logins *logins, bool daily, bool paced);
/* Killed or without power, and started anew. */
void pool_die(struct rig *rig);
/* rig_close(), and that nobody did more than it may. */
void pool_close(struct rig *rig, struct actor_logins *logins);

#endif
