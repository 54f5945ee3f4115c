/*
 * core/agents/sts_policy.c - a policy of sts.h: made, counted, given back; the same in the simulation.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/sts.h"

struct sts_policy *sts_policy_new(const char *id, uint64_t fetched_s, const char *text, size_t length, const char **why)
{
	static _Atomic(uint64_t) serial = 1;
	struct mta_sts_policy *parsed = mta_sts_policy_parse(text, length, why);
	struct sts_policy *policy = parsed ? calloc(1, sizeof(*policy) + length + 1) : NULL;

	if (!policy) {
		if (parsed)
			*why = "out of memory";
		free(parsed);
		return NULL;
	}
	atomic_init(&policy->users, 1);
	policy->serial = atomic_fetch_add(&serial, 1);
	snprintf(policy->id, sizeof(policy->id), "%s", id);
	policy->fetched_s = fetched_s;
	policy->end_s = fetched_s + parsed->max_age_s;
	policy->policy = parsed;
	policy->length = length;
	memcpy(policy->text, text, length);
	return policy;
}

void sts_policy_hold(struct sts_policy *policy)
{
	atomic_fetch_add_explicit(&policy->users, 1, memory_order_relaxed);
}

void sts_policy_release(struct sts_policy *policy)
{
	if (!policy || atomic_fetch_sub_explicit(&policy->users, 1, memory_order_acq_rel) > 1)
		return;
	free(policy->policy);
	free(policy);
}
