/*
 * core/relay/attempt_private.h - shared between attempt.c (life), attempt_write.c (what is said) and
 * attempt_reply.c (what replies mean).
 */
#ifndef POSTRIDER_RELAY_ATTEMPT_PRIVATE_H
#define POSTRIDER_RELAY_ATTEMPT_PRIVATE_H

#include "core/relay/attempt.h"

void attempt_free(struct attempt *a);
/* The recipient has no verdict yet, from this attempt's beginning on. */
/* Its content cannot be sent, and that is not the next hop's fault. False: the connection had to end by it. */
bool attempt_damaged(struct attempt *a, int error, const char *why);
bool attempt_pending(const struct attempt *a, unsigned i);

#endif
