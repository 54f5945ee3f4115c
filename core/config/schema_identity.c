/*
 * core/config/schema_identity.c - see schema_identity.h.
 */
#include "core/config/schema_identity.h"

#include <stdlib.h>
#include <string.h>

#include "core/config/fingerprint.h"
#include "core/config/scalar.h"
#include "core/config/schema_fields.h"
#include "core/config/schema_quota.h"
#include "core/config/user_file.h"
#include "core/config/user_table.h"

enum { USERS_MAX = 100000, PATTERNS_MAX = 1000 };

static bool read_user(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		      void *object)
{
	const char *text = reader_text(r, value);
	const char *problem = text == NULL                  ? NULL
			      : strcmp(text, "*") == 0      ? NULL
			      : strncmp(text, "*@", 2) == 0 ? user_name_problem(text + 1, strlen(text + 1))
							    : user_name_problem(text, strlen(text));

	if (problem)
		return reader_fail(r, &value->node->start_mark,
				   "%s: %s: write names of users_file, \"*@example.org\", or \"*\" for all of them",
				   value->name, problem);
	return text != NULL && reader_keep(r, field, value, object, text);
}

static bool read_certificate(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			     void *object)
{
	const char *text = reader_text(r, value);
	char found[FINGERPRINT_SIZE];

	if (text == NULL)
		return false;
	if (strncmp(text, FINGERPRINT_PREFIX, strlen(FINGERPRINT_PREFIX)) != 0) {
		if (strchr(text, '*') || strchr(text, ':'))
			return reader_fail(r, &value->node->start_mark,
					   "%s: \"%.80s\" is neither a name in a certificate nor sha256: with its 64 "
					   "digits",
					   value->name, text);
		return reader_keep(r, field, value, object, text);
	}
	if (!fingerprint_read(text, found))
		return reader_fail(r, &value->node->start_mark, "%s: write sha256: and 64 hexadecimal digits",
				   value->name);
	return reader_keep(r, field, value, object, found);
}

static bool read_pattern(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	const char *text = reader_text(r, value);

	if (text != NULL && !scalar_recipient_valid(text) && strcmp(text, "<>") != 0)
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.80s\" is no pattern: write \"*@example.org\", \"local@example.org\", "
				   "\"*@*.example.org\" or \"<>\"",
				   value->name, text);
	return text != NULL && reader_keep(r, field, value, object, text);
}

struct config_client_terms *schema_client_terms(struct reader *r, const struct reader_value *value,
						struct config_client *client)
{
	if (client->terms == NULL)
		client->terms = calloc(1, sizeof(*client->terms));
	if (client->terms == NULL)
		(void)reader_fail_memory(r, &value->node->start_mark);
	return client->terms;
}

#define TERMS(member) offsetof(struct config_client_terms, member)
static const struct reader_list users = {
	.size = sizeof(char *), .count_offset = TERMS(user_count), .item = {.name = "users", .read = read_user}};
static const struct reader_list certificates = {.size = sizeof(char *),
						.count_offset = TERMS(certificate_count),
						.item = {.name = "certificates", .read = read_certificate}};
static const struct reader_list listeners = {.size = sizeof(char *),
					     .count_offset = TERMS(listener_count),
					     .item = {.name = "listeners", .read = reader_line}};
static const struct reader_list senders = {.size = sizeof(char *),
					   .count_offset = TERMS(sender_count),
					   .item = {.name = "allowed_senders", .read = read_pattern}};
static const struct reader_list recipients = {.size = sizeof(char *),
					      .count_offset = TERMS(recipient_count),
					      .item = {.name = "allowed_recipients", .read = read_pattern}};

bool schema_client_users(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	static const struct reader_field list =
		FIELD_LIST("users", TERMS(users), USERS_MAX, &users, "users: [\"*@example.org\"]");
	struct config_client_terms *terms = schema_client_terms(r, value, object);

	if (terms == NULL || !reader_items(r, &list, value, terms))
		return false;
	terms->narrows = true;
	for (size_t i = 0; i < terms->user_count; i++)
		terms->any_user |= strcmp(terms->users[i], "*") == 0;
	return true;
}

bool schema_client_certificates(struct reader *r, const struct reader_field *field, const struct reader_value *value,
				void *object)
{
	static const struct reader_field list = FIELD_LIST("certificates", TERMS(certificates), USERS_MAX,
							   &certificates, "certificates: [app.example.org]");
	struct config_client_terms *terms = schema_client_terms(r, value, object);

	if (terms == NULL || !reader_items(r, &list, value, terms))
		return false;
	terms->narrows = true;
	return true;
}

bool schema_client_listeners(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			     void *object)
{
	static const struct reader_field list =
		FIELD_LIST("listeners", TERMS(listener_names), CONFIG_LISTENERS_MAX, &listeners, "listeners: [lan]");
	struct config_client_terms *terms = schema_client_terms(r, value, object);

	if (terms == NULL || !reader_items(r, &list, value, terms))
		return false;
	terms->narrows = true;
	return true;
}

bool schema_client_devices(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			   void *object)
{
	struct config_client_terms *terms = schema_client_terms(r, value, object);
	const struct reader_field word = FIELD("devices", reader_boolean, TERMS(devices));

	if (terms == NULL || !reader_boolean(r, &word, value, terms))
		return false;
	terms->narrows |= terms->devices;
	return true;
}

bool schema_client_senders(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			   void *object)
{
	static const struct reader_field list = FIELD_LIST("allowed_senders", TERMS(senders), PATTERNS_MAX, &senders,
							   "allowed_senders: [\"*@example.org\"]");
	struct config_client_terms *terms = schema_client_terms(r, value, object);

	return terms != NULL && reader_items(r, &list, value, terms);
}

bool schema_client_recipients(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			      void *object)
{
	static const struct reader_field list = FIELD_LIST("allowed_recipients", TERMS(recipients), PATTERNS_MAX,
							   &recipients, "allowed_recipients: [\"*@example.org\"]");
	struct config_client_terms *terms = schema_client_terms(r, value, object);

	return terms != NULL && reader_items(r, &list, value, terms);
}

bool schema_client_quota(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	static const struct reader_field fields[] = {SCHEMA_QUOTA_FIELDS(TERMS(quota)), FIELDS_END};
	struct config_client_terms *terms = schema_client_terms(r, value, object);
	const struct reader_field *each = fields;

	while (strcmp(each->name, field->name) != 0)
		each++;
	return terms != NULL && each->read(r, each, value, terms);
}

const yaml_node_t *schema_client_node(struct reader *r, const yaml_node_t *root, size_t client, const char *key)
{
	const yaml_node_t *list = reader_find(r, root, "clients");

	return reader_find(r, yaml_document_get_node(r->document, list->data.sequence.items.start[client]), key);
}

static bool find_listener(struct reader *r, const yaml_node_t *node, struct config_client_terms *terms,
			  const char *name)
{
	for (size_t i = 0; i < r->config->listener_count; i++) {
		if (strcmp(r->config->listeners[i].name, name) == 0) {
			terms->listeners |= UINT64_C(1) << i;
			return true;
		}
	}
	return reader_fail(r, &node->start_mark, "listeners: there is no listener \"%.64s\"", name);
}

/* Where nothing else is asked of those who come. */
static void look_at_door(struct reader *r, const yaml_node_t *node, const struct config_client *client)
{
	for (size_t i = 0;
	     client->network_count == 0 && client->terms->user_count == 0 && client->terms->certificate_count == 0 &&
	     !client->terms->devices && i < r->config->listener_count;
	     i++) {
		if (client->terms->listeners >> i & 1 && r->config->listeners[i].auth != CONFIG_LISTENER_AUTH_REQUIRED)
			reader_warn(r, &node->start_mark,
				    "listeners: whoever reaches the listener \"%s\" may relay: an open relay, unless a "
				    "firewall stands before it",
				    r->config->listeners[i].name);
	}
}

static bool finish_users(struct reader *r, const yaml_node_t *node, const struct config_client_terms *terms)
{
	struct user user;

	if (r->config->users == NULL)
		return reader_fail(r, &node->start_mark,
				   "users: there is nobody who may sign in: write users_file: users at the top");
	for (size_t i = 0; i < terms->user_count; i++) {
		if (terms->users[i][0] != '*' &&
		    !user_table_find(r->config->users, terms->users[i], strlen(terms->users[i]), &user))
			reader_warn(r, &node->start_mark, "users: \"%.80s\" is not in users_file", terms->users[i]);
	}
	return true;
}

static bool asks_for_certificates(const struct config *config)
{
	for (size_t i = 0; i < config->listener_count; i++) {
		if (config->listeners[i].client_certificates != CONFIG_CLIENT_CERTIFICATES_OFF)
			return true;
	}
	return false;
}

bool schema_identities_finish(struct reader *r, const yaml_node_t *root)
{
	bool ok = true, asked = asks_for_certificates(r->config);

	if (!reader_fine(r, "clients") || !reader_fine(r, "listeners") || !reader_fine(r, "users_file"))
		return true;
	for (size_t i = 0; i < r->config->client_count; i++) {
		struct config_client *client = &r->config->clients[i];
		if (client->terms == NULL)
			continue;
		for (size_t n = 0; n < client->terms->listener_count; n++)
			ok &= find_listener(r, schema_client_node(r, root, i, "listeners"), client->terms,
					    client->terms->listener_names[n]);
		if (client->terms->listener_count > 0)
			look_at_door(r, schema_client_node(r, root, i, "listeners"), client);
		if (client->terms->devices && r->config->devices == NULL && reader_fine(r, "devices"))
			ok = reader_fail(r, &schema_client_node(r, root, i, "devices")->start_mark,
					 "devices: there is no inventory: write devices: devices.d at the top");
		if (client->terms->user_count > 0)
			ok &= finish_users(r, schema_client_node(r, root, i, "users"), client->terms);
		if (client->terms->certificate_count > 0 && !asked)
			reader_warn(
				r, &schema_client_node(r, root, i, "certificates")->start_mark,
				"certificates: no listener asks clients for one: write client_certificates: requested");
	}
	return ok;
}

static void free_texts(char **texts, size_t count)
{
	for (size_t i = 0; texts && i < count; i++)
		free(texts[i]);
	free(texts);
}

void schema_identity_free(struct config_client *client)
{
	struct config_client_terms *terms = client->terms;

	if (terms == NULL)
		return;
	free_texts(terms->users, terms->user_count);
	free_texts(terms->certificates, terms->certificate_count);
	free_texts(terms->listener_names, terms->listener_count);
	free_texts(terms->senders, terms->sender_count);
	free_texts(terms->recipients, terms->recipient_count);
	if (terms->policy != NULL) {
		free_texts(terms->policy->removed, terms->policy->removed_count);
		free_texts(terms->policy->added, terms->policy->added_count);
		free(terms->policy->archive);
		free(terms->policy);
	}
	free(terms->owner);
	free(terms);
}
