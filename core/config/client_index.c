/*
 * core/config/client_index.c - see client_index.h.
 */
#include "core/config/client_index.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"
#include "core/config/user_table.h"

enum { ANY_LISTENER = CONFIG_LISTENERS_MAX, NOBODY = INT32_MAX };
/* Who comes through a gate; or'ed, 0: everybody. */
enum { SIGNED_IN = 1, A_DEVICE = 2, WHO = 4 };

/* Through which come those of one listener, or of any; who have signed in, are devices, or everybody. */
struct gate {
	struct network_table *networks; /* NULL: none */
	int32_t first;                  /* the first client that names no networks, or NOBODY */
	struct network_entry *entries;  /* only while it is made */
	size_t count, size;
};

/* A client that names this user or certificate. */
struct named {
	uint64_t hash; /* of the text */
	const char *text;
	int32_t client;
	bool certificate;
};

struct client_index {
	const struct config *config;
	struct network_table *networks;
	struct gate gates[WHO][CONFIG_LISTENERS_MAX + 1];
	bool gated;          /* there are any */
	struct named *named; /* by hash, then by client */
	size_t named_count;
	struct network_table **own; /* of clients that name users and networks; by client; NULL: there are none */
};

/* ---- making ----------------------------------------------------------------------------------------------------- */

static bool by_certificate(const struct config_client *client)
{
	return client->terms && client->terms->certificate_count > 0;
}

/* It is found by a name; where it names both, by its certificates. */
static bool names_some(const struct config_client *client)
{
	const struct config_client_terms *terms = client->terms;

	return by_certificate(client) || (terms && terms->user_count > 0 && !terms->any_user);
}

/* It has a table of networks of its own. Of a hundred thousand devices none may. */
static bool has_own(const struct config_client *client)
{
	return client->network_count > 0 && names_some(client);
}

static bool any_own(const struct config *config)
{
	for (size_t i = 0; i < config->client_count; i++) {
		if (has_own(&config->clients[i]))
			return true;
	}
	return false;
}

static bool gate_take(struct gate *gate, const struct network_entry *entry)
{
	if (gate->count == gate->size) {
		size_t size = gate->size ? gate->size * 2 : 8;
		struct network_entry *entries = realloc(gate->entries, size * sizeof(*entries));
		if (!entries)
			return false;
		gate->entries = entries;
		gate->size = size;
	}
	gate->entries[gate->count++] = *entry;
	return true;
}

/* Calls back for each gate that lets the client in. */
static bool each_gate(struct client_index *index, int32_t client,
		      bool (*fn)(struct gate *gate, int32_t client, const struct network_entry *entry),
		      const struct network_entry *entry)
{
	const struct config_client_terms *terms = index->config->clients[client].terms;
	struct gate *gates = index->gates[(terms->any_user ? SIGNED_IN : 0) | (terms->devices ? A_DEVICE : 0)];

	index->gated = true;
	if (terms->listeners == 0)
		return fn(&gates[ANY_LISTENER], client, entry);
	for (size_t i = 0; i < CONFIG_LISTENERS_MAX; i++) {
		if (terms->listeners >> i & 1 && !fn(&gates[i], client, entry))
			return false;
	}
	return true;
}

static bool add_entry(struct gate *gate, int32_t client, const struct network_entry *entry)
{
	return gate_take(gate, entry);
}

static bool add_first(struct gate *gate, int32_t client, const struct network_entry *entry)
{
	if (gate->first > client)
		gate->first = client;
	return true;
}

/* Each entry to where its client is looked for; those of the one table stay, at the front of the list. False: no
 * memory. */
static bool share_out(struct client_index *index, struct network_entry *entries, size_t count, struct gate *own,
		      size_t *left)
{
	for (size_t i = 0; i < count; i++) {
		const struct config_client *client = &index->config->clients[entries[i].number];
		bool ok = true;
		if (!client->terms || !client->terms->narrows)
			entries[(*left)++] = entries[i];
		else if (names_some(client))
			ok = gate_take(&own[entries[i].number], &entries[i]);
		else
			ok = each_gate(index, entries[i].number, add_entry, &entries[i]);
		if (!ok)
			return false;
	}
	return true;
}

static bool close_gate(struct gate *gate)
{
	if (gate->count > 0)
		gate->networks = network_table_new(gate->entries, gate->count, NULL, NULL);
	free(gate->entries);
	gate->entries = NULL;
	return gate->count == 0 || gate->networks;
}

static int compare_named(const void *a, const void *b)
{
	const struct named *one = a, *other = b;

	if (one->hash != other->hash)
		return one->hash < other->hash ? -1 : 1;
	return (one->client > other->client) - (one->client < other->client);
}

static bool list_users(struct client_index *index)
{
	size_t count = 0;

	for (size_t i = 0; i < index->config->client_count; i++) {
		const struct config_client *client = &index->config->clients[i];
		if (names_some(client))
			count += by_certificate(client) ? client->terms->certificate_count : client->terms->user_count;
	}
	index->named = malloc((count + 1) * sizeof(*index->named));
	if (!index->named)
		return false;
	for (size_t i = 0; i < index->config->client_count; i++) {
		const struct config_client *client = &index->config->clients[i];
		bool certificate = by_certificate(client);
		if (!names_some(client))
			continue;
		for (size_t n = 0; n < (certificate ? client->terms->certificate_count : client->terms->user_count);
		     n++) {
			const char *text = certificate ? client->terms->certificates[n] : client->terms->users[n];
			index->named[index->named_count++] = (struct named){.hash = user_name_hash(text, strlen(text)),
									    .text = text,
									    .client = (int32_t)i,
									    .certificate = certificate};
		}
	}
	qsort(index->named, count, sizeof(*index->named), compare_named);
	return true;
}

static bool make(struct client_index *index, struct network_entry *entries, size_t count, struct gate *own,
		 network_unused_fn *unused, void *context)
{
	const struct config *config = index->config;
	size_t left = 0;
	bool ok = share_out(index, entries, count, own, &left) && list_users(index);

	for (size_t i = 0; ok && i < config->client_count; i++) {
		const struct config_client *client = &config->clients[i];
		if (client->network_count == 0 && client->terms && !names_some(client))
			ok = each_gate(index, (int32_t)i, add_first, NULL);
	}
	index->networks = ok ? network_table_new(entries, left, unused, context) : NULL;
	ok = ok && index->networks;
	for (size_t i = 0; i < WHO * (CONFIG_LISTENERS_MAX + 1); i++)
		ok &= close_gate(&index->gates[i / (CONFIG_LISTENERS_MAX + 1)][i % (CONFIG_LISTENERS_MAX + 1)]);
	for (size_t i = 0; own && i < config->client_count; i++) {
		ok &= close_gate(&own[i]);
		index->own[i] = own[i].networks;
	}
	return ok;
}

struct client_index *client_index_new(const struct config *config, struct network_entry *entries, size_t count,
				      network_unused_fn *unused, void *context)
{
	struct client_index *index = calloc(1, sizeof(*index));
	bool owned = any_own(config);
	struct gate *own = owned ? calloc(config->client_count, sizeof(*own)) : NULL;
	bool ok = false;

	if (index) {
		index->config = config;
		if (owned)
			index->own = calloc(config->client_count, sizeof(struct network_table *));
		for (size_t i = 0; i < WHO * (CONFIG_LISTENERS_MAX + 1); i++)
			index->gates[i / (CONFIG_LISTENERS_MAX + 1)][i % (CONFIG_LISTENERS_MAX + 1)].first = NOBODY;
		ok = (!owned || (own && index->own)) && make(index, entries, count, own, unused, context);
	}
	free(own);
	if (ok)
		return index;
	client_index_free(index);
	return NULL;
}

void client_index_free(struct client_index *index)
{
	if (!index)
		return;
	network_table_free(index->networks);
	for (size_t i = 0; i < WHO * (CONFIG_LISTENERS_MAX + 1); i++)
		network_table_free(
			index->gates[i / (CONFIG_LISTENERS_MAX + 1)][i % (CONFIG_LISTENERS_MAX + 1)].networks);
	for (size_t i = 0; index->own && i < index->config->client_count; i++)
		network_table_free(index->own[i]);
	free(index->own);
	free(index->named);
	free(index);
}

/* ---- searching -------------------------------------------------------------------------------------------------- */

/* What is looked for. */
struct name {
	const char *text;
	size_t length;
	bool certificate;
};

static int32_t in_table(const struct network_table *table, const struct ring_address *address)
{
	int32_t found = table ? network_table_find(table, address) : -1;

	return found >= 0 ? found : NOBODY;
}

static int32_t through(const struct gate *gate, const struct ring_address *address, int32_t best)
{
	int32_t found = in_table(gate->networks, address);

	if (gate->first < found)
		found = gate->first;
	return found < best ? found : best;
}

static bool is_user(const struct config_client_terms *terms, const char *user)
{
	const char *at = user ? strrchr(user, '@') : NULL;

	for (size_t i = 0; user && i < terms->user_count; i++) {
		const char *text = terms->users[i];
		if (text[0] == '*'
			    ? text[1] == '\0' || (at && user_names_same(text + 1, strlen(text + 1), at, strlen(at)))
			    : user_names_same(text, strlen(text), user, strlen(user)))
			return true;
	}
	return terms->user_count == 0;
}

/* It was found by one name; whatever else it names has to fit, too. */
static bool fits(const struct client_index *index, int32_t client, const struct client_question *question)
{
	const struct config_client_terms *terms = index->config->clients[client].terms;

	if (terms->certificate_count > 0 && !is_user(terms, question->user))
		return false;
	if (terms->devices && !question->device)
		return false;
	if (terms->listeners != 0 && !(terms->listeners >> question->listener & 1))
		return false;
	return index->config->clients[client].network_count == 0 ||
	       in_table(index->own[client], question->address) != NOBODY;
}

/* By a name or "*@domain", or by what a certificate says. */
static int32_t by_name(const struct client_index *index, struct name name, const struct client_question *question,
		       int32_t best)
{
	uint64_t hash = user_name_hash(name.text, name.length);
	size_t low = 0, high = index->named_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (index->named[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < index->named_count && index->named[low].hash == hash && index->named[low].client < best; low++) {
		const struct named *named = &index->named[low];
		if (named->certificate == name.certificate &&
		    user_names_same(named->text, strlen(named->text), name.text, name.length) &&
		    fits(index, named->client, question))
			return named->client;
	}
	return best;
}

static int32_t by_user(const struct client_index *index, const struct client_question *question, int32_t best)
{
	const char *at = strrchr(question->user, '@');
	char pattern[CONFIG_USER_MAX + 2];
	size_t length = at ? strlen(at) : 0;

	best = by_name(index, (struct name){question->user, strlen(question->user), false}, question, best);
	if (!at || length > CONFIG_USER_MAX)
		return best;
	pattern[0] = '*';
	memcpy(pattern + 1, at, length);
	return by_name(index, (struct name){pattern, length + 1, false}, question, best);
}

static int32_t by_shown(const struct client_index *index, const struct client_question *question, int32_t best)
{
	best = by_name(index, (struct name){question->fingerprint, strlen(question->fingerprint), true}, question,
		       best);
	/* Whoever signs certificates writes names into them; one that looks like a fingerprint is none. */
	for (const char *name = question->names; name && *name; name += strlen(name) + 1) {
		if (!strchr(name, ':'))
			best = by_name(index, (struct name){name, strlen(name), true}, question, best);
	}
	return best;
}

int client_index_find(const struct client_index *index, const struct client_question *question)
{
	int32_t best = in_table(index->networks, question->address);

	for (unsigned who = 0; index->gated && who < WHO; who++) {
		if ((who & SIGNED_IN && !question->user) || (who & A_DEVICE && !question->device))
			continue;
		best = through(&index->gates[who][ANY_LISTENER], question->address, best);
		best = through(&index->gates[who][question->listener], question->address, best);
	}
	if (question->user && index->named_count > 0)
		best = by_user(index, question, best);
	if (question->fingerprint && index->named_count > 0)
		best = by_shown(index, question, best);
	return best == NOBODY ? -1 : best;
}
