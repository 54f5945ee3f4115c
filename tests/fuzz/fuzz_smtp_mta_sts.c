/*
 * fuzz_smtp_mta_sts.c - octets as the record and as the policy of MTA-STS: what is taken holds to its bounds, a policy
 * that demands something names a host, and what it names can be said again in a policy that is read alike.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/smtp/mta_sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void say_again(const struct mta_sts_policy *policy)
{
	size_t room = policy->length + policy->pattern_count * 8 + 200, n;
	char *text = malloc(room);
	const char *pattern = policy->patterns, *why;
	struct mta_sts_policy *again;

	need(text != NULL);
	n = (size_t)snprintf(text, room, "version: STSv1\r\nmode: %s\r\nmax_age: %u\r\n",
			     mta_sts_mode_name(policy->mode), policy->max_age_s);
	for (unsigned i = 0; i < policy->pattern_count; i++, pattern += strlen(pattern) + 1)
		n += (size_t)snprintf(text + n, room - n, "mx: %s\r\n", pattern);
	need(n < room);
	again = n <= MTA_STS_POLICY_MAX ? mta_sts_policy_parse(text, n, &why) : NULL;
	if (n <= MTA_STS_POLICY_MAX) {
		need(again && again->mode == policy->mode && again->max_age_s == policy->max_age_s);
		need(again->length == policy->length && memcmp(again->patterns, policy->patterns, policy->length) == 0);
	}
	free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char id[MTA_STS_ID_MAX + 1], *copy = malloc(size + 1);
	const char *why, *pattern;
	struct mta_sts_policy *policy;

	need(copy != NULL);
	memcpy(copy, data, size);
	if (mta_sts_record_parse(copy, size, id) == MTA_STS_GOOD)
		need(strlen(id) > 0 && strlen(id) <= MTA_STS_ID_MAX);
	policy = mta_sts_policy_parse(copy, size, &why);
	need(!policy == (why != NULL));
	if (policy) {
		need(policy->max_age_s <= MTA_STS_AGE_MAX_S && policy->length <= size);
		need(policy->mode == MTA_STS_NONE || policy->pattern_count > 0);
		pattern = policy->patterns;
		for (unsigned i = 0; i < policy->pattern_count; i++, pattern += strlen(pattern) + 1) {
			need(strlen(pattern) <= MTA_STS_PATTERN_MAX);
			need(pattern[0] == '*' || mta_sts_policy_names(policy, pattern));
		}
		need(!mta_sts_policy_names(policy, ""));
		say_again(policy);
	}
	free(policy);
	free(copy);
	return 0;
}
