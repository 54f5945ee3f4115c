/*
 * core/deliver/tls_policy.c - see tls_policy.h.
 */
#include "core/deliver/tls_policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/config/config.h"

/* The handshake fails where a chain and a name do not hold. Whatever else is asked for is held against what was
 * observed (tls_level.h). */
static bool verifies(const struct config_destination *destination)
{
	return destination->tls_mode == CONFIG_TLS_VERIFY && destination->fingerprints.count == 0;
}

struct tls_context_config tls_policy_of(const struct config_destination *destination)
{
	return (struct tls_context_config){
		.verify_peer = verifies(destination),
		.observe_peer = !verifies(destination),
		.ca_file = destination->ca_file,
		.certificate_file = destination->certificate,
		.private_key_file = destination->private_key,
	};
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_policy(const struct config_destination *a, const struct config_destination *b)
{
	struct tls_context_config x = tls_policy_of(a), y = tls_policy_of(b);

	return x.verify_peer == y.verify_peer && same_text(x.ca_file, y.ca_file) &&
	       same_text(x.certificate_file, y.certificate_file) && same_text(x.private_key_file, y.private_key_file);
}

static bool same_words(const struct config_words *a, const struct config_words *b)
{
	size_t i;

	for (i = 0; i < a->count && i < b->count; i++) {
		if (strcmp(a->list[i], b->list[i]) != 0)
			return false;
	}
	return a->count == b->count;
}

bool tls_policy_same(const struct config_destination *a, const struct config_destination *b)
{
	return a->tls_mode == b->tls_mode && a->tls_implicit == b->tls_implicit && a->mta_sts == b->mta_sts &&
	       same_text(a->server_name, b->server_name) && same_words(&a->fingerprints, &b->fingerprints) &&
	       same_policy(a, b);
}

/* The context of an earlier destination with the same policy, or NULL. */
static struct tls_context *find(struct tls_context **contexts, const struct config *config, size_t destination)
{
	for (size_t d = 0; d < destination; d++) {
		if (contexts[d] && same_policy(&config->destinations[d], &config->destinations[destination]))
			return contexts[d];
	}
	return NULL;
}

int tls_policy_make(struct tls_context **contexts, const struct config *config, size_t d, struct tls_problem *problem)
{
	const struct config_destination *destination = &config->destinations[d];
	struct tls_context_config policy = tls_policy_of(destination);
	struct tls_problem why;

	if (destination->tls_mode == CONFIG_TLS_NONE)
		return 0;
	contexts[d] = find(contexts, config, d);
	if (!contexts[d])
		contexts[d] = tls_context_new(&policy, &why);
	if (!contexts[d]) {
		snprintf(problem->text, sizeof(problem->text), "destination %.64s: %.400s", destination->name,
			 why.text);
		return -EINVAL;
	}
	return 0;
}

int tls_policies_make(struct tls_context **contexts, const struct config *config, struct tls_problem *problem)
{
	for (size_t d = 0; d < config->destination_count; d++) {
		int r = tls_policy_make(contexts, config, d, problem);
		if (r < 0)
			return r;
	}
	return 0;
}

void tls_policies_free(struct tls_context **contexts, size_t count)
{
	for (size_t d = 0; contexts && d < count; d++) {
		struct tls_context *context = contexts[d];
		if (!context)
			continue;
		for (size_t other = d; other < count; other++) {
			if (contexts[other] == context)
				contexts[other] = NULL;
		}
		tls_context_free(context);
	}
}
