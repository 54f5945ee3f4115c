/*
 * core/receive/inbound_tls.c - see inbound_tls.h.
 */
#include "core/receive/inbound_tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"

struct inbound_tls {
	size_t listeners;
	struct tls_context *contexts[]; /* per listener, each counted; NULL: without TLS */
};

/* `others`: room for all certificates but the first. */
static struct tls_context_config policy_of(const struct config *config, const struct config_listener *listener,
					   struct tls_key_pair *others)
{
	for (size_t i = 1; i < config->certificate_count; i++)
		others[i - 1] =
			(struct tls_key_pair){config->certificates[i].certificate, config->certificates[i].private_key};
	return (struct tls_context_config){
		.server = true,
		.certificate_file = config->certificates[0].certificate,
		.private_key_file = config->certificates[0].private_key,
		.others = others,
		.other_count = config->certificate_count - 1,
		.ask_peer = listener->client_certificates == CONFIG_CLIENT_CERTIFICATES_REQUESTED,
		.ca_file = listener->ca_file,
		.tls11 = listener->min_version == CONFIG_TLS_1_1,
		.tls13_only = listener->min_version == CONFIG_TLS_1_3,
	};
}

static bool same_policy(const struct config_listener *a, const struct config_listener *b)
{
	bool same_anchors = a->ca_file && b->ca_file ? strcmp(a->ca_file, b->ca_file) == 0 : a->ca_file == b->ca_file;

	return a->min_version == b->min_version && a->client_certificates == b->client_certificates && same_anchors;
}

/* The context of an earlier listener that asks the same, counted; or NULL. */
static struct tls_context *find(const struct inbound_tls *inbound, const struct config *config, size_t listener)
{
	for (size_t i = 0; i < listener; i++) {
		if (inbound->contexts[i] && same_policy(&config->listeners[i], &config->listeners[listener])) {
			tls_context_hold(inbound->contexts[i]);
			return inbound->contexts[i];
		}
	}
	return NULL;
}

static struct tls_context *make(const struct config *config, const struct config_listener *listener,
				struct tls_problem *problem)
{
	struct tls_key_pair *others = calloc(config->certificate_count, sizeof(*others));
	struct tls_context *context = NULL;
	struct tls_problem why = {.text = "out of memory"};

	if (others) {
		struct tls_context_config policy = policy_of(config, listener, others);
		context = tls_context_new(&policy, &why);
	}
	if (!context)
		snprintf(problem->text, sizeof(problem->text), "listener %.64s: %.400s", listener->name, why.text);
	free(others);
	return context;
}

int inbound_tls_make(struct inbound_tls **out, const struct config *config, unsigned shards,
		     struct tls_problem *problem)
{
	struct inbound_tls *inbound =
		calloc(1, sizeof(*inbound) + config->listener_count * sizeof(inbound->contexts[0]));

	*out = inbound;
	if (!inbound) {
		snprintf(problem->text, sizeof(problem->text), "out of memory");
		return -ENOMEM;
	}
	inbound->listeners = config->listener_count;
	for (size_t i = 0; i < config->listener_count; i++) {
		const struct config_listener *listener = &config->listeners[i];
		if (listener->tls == CONFIG_LISTENER_TLS_OFF)
			continue;
		inbound->contexts[i] = find(inbound, config, i);
		if (!inbound->contexts[i])
			inbound->contexts[i] = make(config, listener, problem);
		if (!inbound->contexts[i])
			return -EINVAL;
	}
	return 0;
}

void inbound_tls_free(struct inbound_tls *inbound)
{
	for (size_t i = 0; inbound && i < inbound->listeners; i++) {
		if (inbound->contexts[i])
			tls_context_free(inbound->contexts[i]);
	}
	free(inbound);
}

struct tls_context *inbound_tls_context(const struct inbound_tls *inbound, unsigned shard, unsigned listener)
{
	return inbound ? inbound->contexts[listener] : NULL;
}
