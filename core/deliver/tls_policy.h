/*
 * core/deliver/tls_policy.h - the TLS contexts of all destinations: one for each policy, for all shards.
 *
 * A policy is what a destination says about TLS: whether the next hop is verified, the authorities' file, the relay's
 * own certificate and key. Destinations with the same policy share a context, and so do all lanes and shards: trust
 * anchors are read once, not 250 times. What must not be shared is not in a context: names, tickets and sessions belong
 * to a lane's host (RELIABILITY POL-01).
 *
 * The contexts are made before the first shard runs and freed after the last one; in between they only count their
 * users (tls/tls.h).
 */
#ifndef POSTRIDER_DELIVER_TLS_POLICY_H
#define POSTRIDER_DELIVER_TLS_POLICY_H

#include "core/config/config.h"
#include "tls/tls.h"

/* What a destination asks of TLS. */
struct tls_context_config tls_policy_of(const struct config_destination *destination);

/* A connection made under the one would do for the other. */
bool tls_policy_same(const struct config_destination *a, const struct config_destination *b);

/* Makes contexts[d] of one destination, those before it being made or NULL. Answers as below. */
int tls_policy_make(struct tls_context **contexts, const struct config *config, size_t d, struct tls_problem *problem);
/* Makes contexts[d] for each destination with TLS, NULL for the others. 0, -ENOMEM, or -EINVAL with *problem filled in:
 * files that cannot be used, and whose. */
int tls_policies_make(struct tls_context **contexts, const struct config *config, struct tls_problem *problem);
void tls_policies_free(struct tls_context **contexts, size_t count);

#endif
