/*
 * core/receive/policy.h - what is to be done to the messages of a session: what its client's entry says, and what its
 * device's profile does.
 */
#ifndef POSTRIDER_RECEIVE_POLICY_H
#define POSTRIDER_RECEIVE_POLICY_H

#include "core/config/config.h"
#include "core/receive/session.h"

/* Where they are put together, for as long as they are looked at. */
struct policy_room {
	struct config_policy policy;
	struct config_from from;
};

/* NULL: nothing. */
const struct config_policy *receive_policy(const struct session *s, struct policy_room *room);

#endif
