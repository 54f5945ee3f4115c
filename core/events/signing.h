/*
 * core/events/signing.h - events of what is needed to sign in at next hops: access tokens. Never with a secret in them.
 */
#ifndef POSTRIDER_EVENTS_SIGNING_H
#define POSTRIDER_EVENTS_SIGNING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/log.h"

/* There is a new one, after so many tries that failed. */
void event_token(struct log *log, const char *identity, uint64_t seconds, uint64_t failures, uint64_t ms);

struct event_token_failed {
	const char *identity, *problem;
	bool refused; /* somebody has to act */
	uint64_t failures;
	uint64_t again_s; /* the next try */
	uint64_t good_s;  /* for how long the token before is good; 0: there is none */
	uint64_t waiting; /* who asked, and is told */
};
void event_token_failed(struct log *log, const struct event_token_failed *f);
void event_token_unsaved(struct log *log, const char *identity, const char *file, const char *problem);

#endif
