/*
 * core/relay/transaction_private.h - shared between transaction.c (life), transaction_write.c (what is said) and
 * transaction_reply.c (what replies mean).
 */
#ifndef POSTRIDER_RELAY_TRANSACTION_PRIVATE_H
#define POSTRIDER_RELAY_TRANSACTION_PRIVATE_H

#include "core/relay/transaction.h"

void transaction_free(struct transaction *tx);
/* The recipient has no verdict yet, from this attempt's beginning on. */
/* Its content cannot be sent, and that is not the next hop's fault. False: the connection had to end by it. */
bool transaction_damaged(struct transaction *tx, int error, const char *why);
bool transaction_pending(const struct transaction *tx, unsigned i);

#endif
