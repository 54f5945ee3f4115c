/*
 * core/config/schema_path.c - see schema_path.h.
 */
#include "core/config/schema_path.h"

#include <string.h>

bool schema_fallback_read(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			  void *object)
{
	return reader_text(r, value) != NULL;
}

static bool find(struct reader *r, const yaml_node_t *value, struct config_destination *destination)
{
	const char *name = (const char *)value->data.scalar.value;
	struct reader_hint hint;

	reader_hint_init(&hint);
	for (size_t i = 0; i < r->config->destination_count; i++) {
		const struct config_destination *other = &r->config->destinations[i];

		if (other->name == NULL)
			continue;
		if (strcmp(other->name, name) == 0) {
			destination->fallback = i + 1;
			return true;
		}
		if (other != destination)
			reader_hint_offer(&hint, name, other->name);
	}
	return reader_fail(r, &value->start_mark, "fallback: there is no destination \"%.80s\"%s", name, hint.text);
}

/* Its operator has named whom he trusts, a key or an authority, and not whoever the world's authorities, or the root of
 * the DNS, vouch for. */
static bool trusts_its_own(const struct config_destination *destination)
{
	return destination->tls_mode == CONFIG_TLS_VERIFY &&
	       (destination->fingerprints.count > 0 || destination->ca_file != NULL);
}

/* It is proven that the host has a name, which anybody may have chosen who can forge an answer of the DNS. */
static bool proves_any_name(const struct config_destination *destination)
{
	return destination->tls_mode == CONFIG_TLS_VERIFY && (destination->mx || destination->mx_of != NULL) &&
	       destination->fingerprints.count == 0 && destination->server_name == NULL &&
	       destination->mx_ends.count == 0 && !destination->mta_sts;
}

/* Both verify, and the one asks for less proof than the other. */
static bool check_proof(struct reader *r, const yaml_node_t *value, const struct config_destination *destination,
			const struct config_destination *other)
{
	if (trusts_its_own(destination) && !trusts_its_own(other))
		return reader_fail(
			r, &value->start_mark,
			"fallback: \"%.80s\" trusts whom everybody trusts, and \"%.80s\" only %s: its mail must not go "
			"there; write fingerprints or ca_file there",
			other->name, destination->name,
			destination->fingerprints.count > 0 ? "its fingerprints" : "its ca_file");
	if (destination->tls_mode == CONFIG_TLS_VERIFY && !proves_any_name(destination) && proves_any_name(other))
		return reader_fail(
			r, &value->start_mark,
			"fallback: \"%.80s\" verifies hosts by names that the DNS gives, which can be forged, and "
			"\"%.80s\" by those it knows: its mail must not go there; write server_name, hosts_end_with "
			"or mta_sts there",
			other->name, destination->name);
	return true;
}

/* What the first does not send without, the second has as well. */
static bool check_security(struct reader *r, const yaml_node_t *value, const struct config_destination *destination)
{
	static const char *const modes[] = {
		[CONFIG_TLS_NONE] = "none",         [CONFIG_TLS_OPPORTUNISTIC] = "opportunistic",
		[CONFIG_TLS_REQUIRED] = "required", [CONFIG_TLS_VERIFY] = "verify",
		[CONFIG_TLS_DANE] = "dane",
	};
	const struct config_destination *other = &r->config->destinations[destination->fallback - 1];

	/* A policy demands proof as `verify` does, and another domain's as this one's. */
	if (destination->mta_sts && !other->mta_sts && other->tls_mode < CONFIG_TLS_VERIFY)
		return reader_fail(
			r, &value->start_mark,
			"fallback: \"%.80s\" proves nothing that an MTA-STS policy demands, and \"%.80s\" has "
			"tls.mta_sts: its mail must not go there; write mode: verify or mta_sts there",
			other->name, destination->name);
	if (other->tls_mode >= destination->tls_mode)
		return check_proof(r, value, destination, other);
	return reader_fail(
		r, &value->start_mark,
		"fallback: \"%.80s\" has tls.mode: %s, which is weaker than the %s that \"%.80s\" demands: its mail "
		"must not go there",
		other->name, modes[other->tls_mode], modes[destination->tls_mode], destination->name);
}

static bool check_circle(struct reader *r, const yaml_node_t *value, const struct config_destination *destination)
{
	const struct config_destination *at = destination;

	for (size_t steps = 0; at->fallback > 0; steps++) {
		at = &r->config->destinations[at->fallback - 1];
		if (at == destination || steps > r->config->destination_count)
			return reader_fail(
				r, &value->start_mark,
				"fallback: from \"%.80s\" it leads back to where it began: write another destination, "
				"or remove it",
				destination->name);
	}
	return true;
}

typedef bool check_fn(struct reader *r, const yaml_node_t *value, struct config_destination *destination);

static bool check_found(struct reader *r, const yaml_node_t *value, struct config_destination *destination)
{
	return check_circle(r, value, destination) && check_security(r, value, destination);
}

static bool each(struct reader *r, const yaml_node_t *list, check_fn *check)
{
	bool ok = true;

	for (size_t i = 0; i < r->config->destination_count; i++) {
		const yaml_node_t *node = yaml_document_get_node(r->document, list->data.sequence.items.start[i]);
		const yaml_node_t *value = node->type == YAML_MAPPING_NODE ? reader_find(r, node, "fallback") : NULL;

		if (value != NULL && value->type == YAML_SCALAR_NODE)
			ok &= check(r, value, &r->config->destinations[i]);
	}
	return ok;
}

bool schema_paths_finish(struct reader *r, const yaml_node_t *root)
{
	const yaml_node_t *list = reader_find(r, root, "destinations");

	/* One whose name or mode could not be read may be meant. */
	if (!reader_fine(r, "destinations"))
		return true;
	return each(r, list, find) && each(r, list, check_found);
}
