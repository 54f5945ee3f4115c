/*
 * core/config/schema_client.c - see schema_client.h.
 *
 * Networks go from the file into one table of all clients (network_table.h) and are not kept beside it: a site with a
 * hundred thousand devices pays for each of them once.
 */
#include "core/config/schema_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/client_index.h"
#include "core/config/network_file.h"
#include "core/config/profile.h"
#include "core/config/quirks.h"
#include "core/config/schema_fields.h"
#include "core/config/schema_identity.h"
#include "core/config/schema_policy.h"
#include "core/config/schema_profile.h"
#include "core/config/schema_quirk.h"
#include "core/config/schema_report.h"
#include "core/config/schema_sender.h"
#include "core/config/schema_suppression.h"
#include "core/config/text_file.h"

enum {
	NETWORKS_MAX = 1000000, /* of all clients together */
	NETWORKS_FILE_MAX = 32 << 20,
};

/* The client being read is the last that was begun. */
static size_t current(const struct reader *r)
{
	return r->config->client_count - 1;
}

/* An entry for half the world is an open relay, unless a firewall stands before it. */
static void look_at_size(struct reader *r, const struct network *network, const yaml_mark_t *mark, const char *text)
{
	enum { V4_PREFIX_USUAL = 8, V6_PREFIX_USUAL = 16 };

	if (network->prefix == 0)
		reader_warn(r, mark,
			    "networks: %s is everybody: an open relay, which others will find and use to send in your "
			    "name: write your own networks",
			    text);
	else if (network->prefix < (network->family == AF_INET ? V4_PREFIX_USUAL : V6_PREFIX_USUAL))
		reader_warn(r, mark, "networks: %s is more than any one site's addresses: all of them may relay", text);
}

/* False without room, after saying so. */
static bool collect(struct reader *r, const struct network_entry *entry, const yaml_mark_t *mark)
{
	if (r->network_count == NETWORKS_MAX)
		return reader_fail(r, mark, "networks: there are more than %d in all", NETWORKS_MAX);
	if (r->network_count == r->network_capacity) {
		size_t capacity = r->network_capacity == 0 ? 64 : r->network_capacity * 2;
		struct network_entry *larger = realloc(r->networks, capacity * sizeof(*larger));
		if (larger == NULL)
			return reader_fail_memory(r, mark);
		r->networks = larger;
		r->network_capacity = capacity;
	}
	r->networks[r->network_count++] = *entry;
	r->config->clients[current(r)].network_count++;
	return true;
}

static bool read_network(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	const yaml_mark_t *mark = &value->node->start_mark;
	struct network_entry entry = {.number = (int32_t)current(r), .line = (uint32_t)mark->line + 1};
	struct address_problem problem;
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (network_parse(text, &entry.network, &problem) < 0)
		return reader_fail(r, mark, "%s: %s", value->name, problem.text);
	entry.column = (uint32_t)mark->column + 1;
	look_at_size(r, &entry.network, mark, text);
	return collect(r, &entry, mark);
}

static bool read_networks(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			  void *object)
{
	const yaml_node_t *node = value->node;

	if (node->type != YAML_SEQUENCE_NODE)
		return reader_fail(r, &node->start_mark, "%s: write a list, as in %s", value->name, field->example);
	if (node->data.sequence.items.start == node->data.sequence.items.top)
		return reader_fail(r, &node->start_mark, "%s: the list is empty: write at least one, as in %s",
				   value->name, field->example);
	bool ok = true;
	for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
		struct reader_value network = *value;
		network.node = yaml_document_get_node(r->document, *item);
		ok &= read_network(r, field, &network, object);
	}
	return ok;
}

/* What reading a file of networks needs besides the text. */
struct networks_file {
	struct reader *r;
	const yaml_mark_t *mark; /* of the file's name */
	const char *path;
	bool ok;
};

static bool on_network(void *context, const struct network *network, unsigned line, unsigned column)
{
	struct networks_file *file = context;
	struct network_entry entry = {.network = *network,
				      .number = (int32_t)current(file->r),
				      .line = line,
				      .column = column,
				      .in_file = true};

	return collect(file->r, &entry, file->mark);
}

static bool on_problem(void *context, const char *text, unsigned line, unsigned column)
{
	struct networks_file *file = context;
	const yaml_mark_t mark = {.line = line - 1, .column = column - 1};

	(void)reader_fail_in(file->r, file->mark, file->path, &mark, "%s", text);
	file->ok = false;
	return true; /* the next line may be wrong, too */
}

static bool read_networks_file(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			       void *object)
{
	struct config_client *client = object;
	const yaml_mark_t *mark = &value->node->start_mark;
	char *text;
	size_t length;
	bool opened, ok;
	int e;

	if (!reader_file(r, field, value, object))
		return false;
	e = text_file_read(client->networks_file, NETWORKS_FILE_MAX, &text, &length, &opened);
	if (e < 0)
		return reader_fail(r, mark, "%s: %.200s: %s", value->name, client->networks_file, strerror(-e));
	struct networks_file file = {.r = r, .mark = mark, .path = client->networks_file, .ok = true};
	const struct network_file_handler handler = {
		.on_network = on_network, .on_problem = on_problem, .context = &file};
	unsigned before = client->network_count;
	ok = network_file_parse(text, length, &handler) && file.ok;
	free(text);
	if (ok && client->network_count == before)
		return reader_fail(r, mark, "%s: there is no network in %.200s: write one a line, such as 10.20.0.0/16",
				   value->name, client->networks_file);
	return ok;
}

static const struct reader_choice syntaxes[] = {
	{"tolerant", CONFIG_SYNTAX_TOLERANT, false},
	{"strict", CONFIG_SYNTAX_STRICT, false},
	{NULL, 0, false},
};

static const struct reader_choice priorities[] = {
	{"high", CONFIG_PRIORITY_HIGH, false},
	{"normal", CONFIG_PRIORITY_NORMAL, false},
	{"low", CONFIG_PRIORITY_LOW, false},
	{NULL, 0, false},
};

#define CLIENT(member) offsetof(struct config_client, member)
static const struct reader_field client_limits[] = {
	FIELD_RANGE("connections", reader_number, CLIENT(connections_max), 0, 100000),
	FIELD("connections_per_second", schema_client_quota, 0),
	FIELD("messages_per_minute", schema_client_quota, 0),
	FIELD("recipients_per_minute", schema_client_quota, 0),
	FIELD("octets_per_minute", schema_client_quota, 0),
	FIELDS_END,
};

static const struct reader_field client_fields[] = {
	FIELD_REQUIRED("name", reader_name, CLIENT(name), "name: printers"),
	{.name = "networks", .read = read_networks, .example = "[10.20.0.0/16]"},
	FIELD("networks_file", read_networks_file, CLIENT(networks_file)),
	FIELD_SECTION("limits", client_limits, "{ connections: 10 }"),
	FIELD("from", schema_from_read, 0),
	FIELD("users", schema_client_users, 0),
	FIELD("listeners", schema_client_listeners, 0),
	FIELD("certificates", schema_client_certificates, 0),
	FIELD("devices", schema_client_devices, 0),
	FIELD("profile", schema_profile, CLIENT(profile)),
	FIELD("allowed_senders", schema_client_senders, 0),
	FIELD("allowed_recipients", schema_client_recipients, 0),
	FIELD_RANGE("weight", reader_number, CLIENT(weight), 1, 100),
	FIELD_CHOICE("priority", CLIENT(priority), priorities),
	FIELD_CHOICE("syntax", CLIENT(syntax), syntaxes),
	FIELD("owner", schema_client_owner, 0),
	FIELD("default_domain", reader_qualified_name, CLIENT(default_domain)),
	{.name = "line_endings", .read = schema_quirk, .offset = CLIENT(quirks), .detail = schema_line_endings},
	{.name = "long_lines", .read = schema_quirk, .offset = CLIENT(quirks), .detail = schema_long_lines},
	FIELD("add_missing_headers", schema_policy_missing, 0),
	FIELD("remove_headers", schema_policy_removed, 0),
	FIELD("add_headers", schema_policy_added, 0),
	FIELD("archive", schema_policy_archive, 0),
	FIELD("suppression", schema_suppression_client, 0),
	FIELDS_END,
};

/* What its profile says holds, but for what the client says itself. */
static bool take_profile(struct reader *r, struct config_client *client, const yaml_node_t *node)
{
	const struct config_profile *profile;

	if (client->profile == 0)
		return true;
	profile = &r->config->profiles[client->profile - 1];
	client->quirks |= profile->quirks & ~QUIRK_OWN_FROM;
	if (reader_find(r, node, "add_missing_headers") != NULL)
		client->quirks &= (uint8_t)~QUIRK_MISSING_HEADERS;
	if (reader_find(r, node, "syntax") == NULL)
		client->syntax = profile->syntax;
	return true;
}

static bool read_client(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			void *object)
{
	struct config_client *client = object;

	if (!reader_section(r, field, value, object))
		return false;
	if (client->network_count == 0 && (client->terms == NULL || !client->terms->narrows))
		return reader_fail(r, &value->node->start_mark,
				   "the key \"networks\" is missing: write networks: [10.20.0.0/16], or users, "
				   "certificates, devices or listeners");
	return take_profile(r, client, value->node);
}

const struct reader_list schema_clients = {
	.size = sizeof(struct config_client),
	.count_offset = offsetof(struct config, client_count),
	.item = {.name = "clients",
		 .read = read_client,
		 .detail = client_fields,
		 .example = "{ name: printers, networks: [10.20.0.0/16] }"},
	.named = true,
};

/* One block for all names: a hundred thousand small ones would keep the pages between them, where the tree was. */
static bool pack_names(struct config *config)
{
	size_t size = 0;
	char *to;

	for (size_t i = 0; i < config->client_count; i++)
		size += strlen(config->clients[i].name) + 1;
	to = malloc(size);
	if (to == NULL)
		return false;
	config->client_names = to;
	for (size_t i = 0; i < config->client_count; i++) {
		char *name = config->clients[i].name;
		config->clients[i].name = to;
		to = stpcpy(to, name) + 1;
		free(name);
	}
	return true;
}

/* A network in a list behind one that takes all its addresses: usually the order is not what was meant. */
static void on_unused(void *context, const struct network_entry *unused, const struct network_entry *by)
{
	struct reader *r = context;
	const struct config_client *client = &r->config->clients[unused->number];
	const struct config_place place = {.line = unused->line, .column = unused->column};

	config_problems_add(r->problems, true, unused->in_file ? client->networks_file : r->file, place,
			    "networks: never used for \"%s\": the client \"%s\" before it has these addresses",
			    client->name, r->config->clients[by->number].name);
}

bool schema_clients_finish(struct reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(r->document);

	if (!pack_names(r->config))
		return reader_fail_memory(r, &root->start_mark);
	r->config->index = client_index_new(r->config, r->networks, r->network_count, on_unused, r);
	return r->config->index != NULL || reader_fail_memory(r, &root->start_mark);
}
