/*
 * core/receive/inbound_tls.c - see inbound_tls.h.
 */
#include "core/receive/inbound_tls.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file_stamp.h"
#include "core/config/config.h"

/* What one listener speaks has two kinds: for all, and for devices that know nothing newer (devices_min_version). */
enum { KIND_ALL, KIND_OLD, KINDS };

/* Of one shard, one listener and kind. */
struct slot {
	struct tls_context *now;            /* counted; the shard's; NULL: without TLS */
	_Atomic(struct tls_context *) next; /* counted; to be taken by the shard; NULL: nothing is new */
};

struct inbound_tls {
	size_t kinds, count; /* of all listeners: KINDS of each */
	uint64_t files;
	struct slot slots[]; /* shard * kinds + listener * KINDS + kind */
};

/* 0: there is none. */
static enum config_tls_version version_of(const struct config *config, size_t number)
{
	const struct config_listener *listener = &config->listeners[number / KINDS];

	if (listener->tls == CONFIG_LISTENER_TLS_OFF)
		return 0;
	return number % KINDS == KIND_OLD ? listener->devices_min_version : listener->min_version;
}

/* `others`: room for all certificates but the first. */
static struct tls_context_config policy_of(const struct config *config, size_t number, struct tls_key_pair *others)
{
	const struct config_listener *listener = &config->listeners[number / KINDS];
	enum config_tls_version version = version_of(config, number);

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
		.tls11 = version == CONFIG_TLS_1_1,
		.tls13_only = version == CONFIG_TLS_1_3,
	};
}

static bool same_policy(const struct config *config, size_t one, size_t other)
{
	const struct config_listener *a = &config->listeners[one / KINDS], *b = &config->listeners[other / KINDS];
	bool same_anchors = a->ca_file && b->ca_file ? strcmp(a->ca_file, b->ca_file) == 0 : a->ca_file == b->ca_file;

	return version_of(config, one) == version_of(config, other) &&
	       a->client_certificates == b->client_certificates && same_anchors;
}

/* The context of an earlier listener that asks the same, counted; or NULL. */
static struct tls_context *find(struct tls_context **contexts, const struct config *config, size_t number)
{
	for (size_t i = 0; i < number; i++) {
		if (contexts[i] && same_policy(config, i, number)) {
			tls_context_hold(contexts[i]);
			return contexts[i];
		}
	}
	return NULL;
}

static struct tls_context *make(const struct config *config, size_t number, struct tls_problem *problem)
{
	struct tls_key_pair *others = calloc(config->certificate_count, sizeof(*others));
	struct tls_context *context = NULL;
	struct tls_problem why = {.text = "out of memory"};

	if (others) {
		struct tls_context_config policy = policy_of(config, number, others);
		context = tls_context_new(&policy, &why);
	}
	if (!context)
		snprintf(problem->text, sizeof(problem->text), "listener %.64s: %.400s",
			 config->listeners[number / KINDS].name, why.text);
	free(others);
	return context;
}

static void free_contexts(struct tls_context **contexts, size_t count)
{
	for (size_t i = 0; contexts && i < count; i++)
		tls_context_free(contexts[i]);
	free(contexts);
}

/* One for each listener and kind, NULL for those without TLS. NULL with *problem. */
static struct tls_context **make_all(const struct config *config, struct tls_problem *problem)
{
	struct tls_context **contexts = calloc(config->listener_count * KINDS + 1, sizeof(struct tls_context *));

	if (!contexts)
		snprintf(problem->text, sizeof(problem->text), "out of memory");
	for (size_t i = 0; contexts && i < config->listener_count * KINDS; i++) {
		if (!version_of(config, i))
			continue;
		contexts[i] = find(contexts, config, i);
		if (!contexts[i])
			contexts[i] = make(config, i, problem);
		if (!contexts[i]) {
			free_contexts(contexts, config->listener_count * KINDS);
			return NULL;
		}
	}
	return contexts;
}

int inbound_tls_make(struct inbound_tls **out, const struct config *config, unsigned shards,
		     struct tls_problem *problem)
{
	size_t count = shards * config->listener_count * KINDS;
	uint64_t files = inbound_tls_files(config);
	struct inbound_tls *inbound = calloc(1, sizeof(*inbound) + count * sizeof(inbound->slots[0]));
	struct tls_context **contexts = make_all(config, problem);

	*out = inbound;
	if (!inbound)
		snprintf(problem->text, sizeof(problem->text), "out of memory");
	if (inbound && contexts) {
		inbound->kinds = config->listener_count * KINDS;
		inbound->count = count;
		inbound->files = files;
		for (size_t i = 0; i < count; i++) {
			struct tls_context *context = contexts[i % inbound->kinds];
			if (context)
				tls_context_hold(context);
			inbound->slots[i].now = context;
		}
	}
	free_contexts(contexts, config->listener_count * KINDS);
	return !inbound ? -ENOMEM : !contexts ? -EINVAL : 0;
}

int inbound_tls_renew(struct inbound_tls *inbound, const struct config *config, struct tls_problem *problem)
{
	uint64_t files = inbound_tls_files(config);
	struct tls_context **contexts = make_all(config, problem);

	if (!contexts)
		return -EINVAL;
	inbound->files = files;
	for (size_t i = 0; i < inbound->count; i++) {
		struct tls_context *context = contexts[i % inbound->kinds];
		if (!context)
			continue;
		tls_context_hold(context);
		/* One that the shard has not taken yet is not wanted any more. */
		tls_context_free(atomic_exchange_explicit(&inbound->slots[i].next, context, memory_order_acq_rel));
	}
	free_contexts(contexts, config->listener_count * KINDS);
	return 0;
}

void inbound_tls_free(struct inbound_tls *inbound)
{
	for (size_t i = 0; inbound && i < inbound->count; i++) {
		tls_context_free(inbound->slots[i].now);
		tls_context_free(atomic_load(&inbound->slots[i].next));
	}
	free(inbound);
}

struct tls_context *inbound_tls_context(struct inbound_tls *inbound, unsigned shard, unsigned listener, bool old)
{
	struct slot *slot;

	if (!inbound)
		return NULL;
	slot = &inbound->slots[shard * inbound->kinds + listener * KINDS];
	/* Which kinds there are no renewal changes. */
	if (old && slot[KIND_OLD].now)
		slot += KIND_OLD;
	if (atomic_load_explicit(&slot->next, memory_order_relaxed)) {
		struct tls_context *next = atomic_exchange_explicit(&slot->next, NULL, memory_order_acq_rel);
		tls_context_free(slot->now);
		slot->now = next;
	}
	return slot->now;
}

/* ---- the files -------------------------------------------------------------------------------------------------- */

uint64_t inbound_tls_files(const struct config *config)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < config->certificate_count; i++)
		sum = file_stamp(file_stamp(sum, config->certificates[i].certificate),
				 config->certificates[i].private_key);
	for (size_t i = 0; i < config->listener_count; i++)
		sum = file_stamp(sum, config->listeners[i].ca_file);
	return sum;
}

uint64_t inbound_tls_made_of(const struct inbound_tls *inbound)
{
	return inbound->files;
}
