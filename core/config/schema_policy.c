/*
 * core/config/schema_policy.c - see schema_policy.h.
 */
#include "core/config/schema_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/config/field_form.h"
#include "core/config/schema_fields.h"
#include "core/config/schema_identity.h"
#include "core/config/schema_sender.h"

enum { POLICY_FIELDS_MAX = 100 };

static struct config_policy *policy_of(struct reader *r, const struct reader_value *value, struct config_client *client)
{
	struct config_client_terms *terms = schema_client_terms(r, value, client);

	if (terms != NULL && terms->policy == NULL)
		terms->policy = calloc(1, sizeof(*terms->policy));
	if (terms != NULL && terms->policy == NULL)
		(void)reader_fail_memory(r, &value->node->start_mark);
	return terms != NULL ? terms->policy : NULL;
}

static bool read_removed(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	const char *text = reader_text(r, value);
	const char *problem = text != NULL ? field_form_name_problem(text, strlen(text)) : NULL;

	if (problem)
		return reader_fail(r, &value->node->start_mark, "%s: \"%.80s\": %s", value->name, text, problem);
	return text != NULL && reader_keep(r, field, value, object, text);
}

static const char *scalar_text(struct reader *r, int node)
{
	const yaml_node_t *found = yaml_document_get_node(r->document, node);

	return found->type == YAML_SCALAR_NODE && strlen((char *)found->data.scalar.value) == found->data.scalar.length
		       ? (const char *)found->data.scalar.value
		       : NULL;
}

/* "Name: value", with the quotes that YAML wants for that or without. */
static bool read_added(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		       void *object)
{
	const yaml_node_t *node = value->node;
	const char *text, *problem;
	char both[FIELD_FORM_MAX + 2];

	if (node->type == YAML_MAPPING_NODE && node->data.mapping.pairs.top - node->data.mapping.pairs.start == 1) {
		const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
		const char *name = scalar_text(r, pair->key), *content = scalar_text(r, pair->value);
		snprintf(both, sizeof(both), "%s: %s", name ? name : "", content ? content : "\n");
		text = both;
	} else {
		text = reader_text(r, value);
	}
	if (text == NULL)
		return false;
	problem = field_form_problem(text);
	if (problem)
		return reader_fail(r, &node->start_mark, "%s: write \"X-Office: Berlin\": %s", value->name, problem);
	return reader_keep(r, field, value, object, text);
}

#define POLICY(member) offsetof(struct config_policy, member)
static const struct reader_list removed = {.size = sizeof(char *),
					   .count_offset = POLICY(removed_count),
					   .item = {.name = "remove_headers", .read = read_removed}};
static const struct reader_list added = {.size = sizeof(char *),
					 .count_offset = POLICY(added_count),
					 .item = {.name = "add_headers", .read = read_added}};

bool schema_policy_missing(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			   void *object)
{
	static const struct reader_field complete = FIELD("add_missing_headers", reader_boolean, POLICY(complete));
	struct config_policy *policy = policy_of(r, value, object);

	return policy != NULL && reader_boolean(r, &complete, value, policy);
}

bool schema_policy_removed(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			   void *object)
{
	static const struct reader_field list =
		FIELD_LIST("remove_headers", POLICY(removed), POLICY_FIELDS_MAX, &removed, "[X-Originating-IP]");
	struct config_policy *policy = policy_of(r, value, object);

	return policy != NULL && reader_items(r, &list, value, policy);
}

bool schema_policy_added(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	static const struct reader_field list =
		FIELD_LIST("add_headers", POLICY(added), POLICY_FIELDS_MAX, &added, "[\"X-Office: Berlin\"]");
	struct config_policy *policy = policy_of(r, value, object);

	return policy != NULL && reader_items(r, &list, value, policy);
}

bool schema_policy_archive(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			   void *object)
{
	static const struct reader_field archive = FIELD("archive", schema_address_read, POLICY(archive));
	struct config_policy *policy = policy_of(r, value, object);

	return policy != NULL && schema_address_read(r, &archive, value, policy);
}

/* ---- what goes together ------------------------------------------------------------------------------------------ */

static bool take_from(struct reader *r, const yaml_node_t *root, const struct config_from *from)
{
	struct config_client *client = &r->config->clients[from->index];
	const yaml_node_t *node = schema_client_node(r, root, from->index, "from");
	const struct reader_value value = {.name = "from", .key = node, .node = node};
	struct config_policy *policy;

	if (!from->address && !from->map && !from->bind)
		return from->reply_to == CONFIG_REPLY_TO_AUTHOR ||
		       reader_fail(r, &node->start_mark,
				   "from: reply_to is without effect without address or map: remove it");
	if (from->address && from->map)
		return reader_fail(
			r, &node->start_mark,
			"from: address is for whoever it was, so that map has nothing left: write one of them");
	if (from->bind && (client->terms == NULL || client->terms->sender_count == 0))
		return reader_fail(r, &node->start_mark,
				   "from: bind says that From names allowed senders only: write which those are, as "
				   "allowed_senders: [\"*@example.org\"]");
	policy = policy_of(r, &value, client);
	if (policy == NULL)
		return false;
	policy->from = from;
	return true;
}

static const char *const covered[] = {"subject",  "to",     "cc",           "date",        "message-id",
				      "reply-to", "sender", "mime-version", "content-type"};

/* Most signers cover these. */
static bool signed_usually(const char *name)
{
	size_t length = strlen(name), given = name[length - 1] == '*' ? length - 1 : length;

	for (size_t i = 0; i < sizeof(covered) / sizeof(covered[0]); i++) {
		if (strncasecmp(covered[i], name, given) == 0 && (given < length || strlen(covered[i]) == length))
			return true;
	}
	return false;
}

static void warn_of_signatures(struct reader *r, const yaml_node_t *root, size_t index)
{
	const struct config_policy *policy = r->config->clients[index].terms->policy;
	static const char text[] = "%s: a message that was signed (DKIM) before it came here no longer fits its "
				   "signature where this changes it";

	if (policy->from && (policy->from->address || policy->from->map))
		reader_warn(r, &schema_client_node(r, root, index, "from")->start_mark, text, "from");
	for (size_t i = 0; i < policy->removed_count; i++) {
		if (signed_usually(policy->removed[i])) {
			reader_warn(r, &schema_client_node(r, root, index, "remove_headers")->start_mark, text,
				    "remove_headers");
			return;
		}
	}
}

bool schema_policies_finish(struct reader *r, const yaml_node_t *root)
{
	bool ok = true;

	if (!reader_fine(r, "clients"))
		return true;
	for (size_t i = 0; i < r->config->from_count; i++)
		ok &= take_from(r, root, &r->config->froms[i]);
	for (size_t i = 0; ok && i < r->config->client_count; i++) {
		if (r->config->clients[i].terms && r->config->clients[i].terms->policy)
			warn_of_signatures(r, root, i);
	}
	return ok;
}
