/*
 * core/config/schema_sender.c - see schema_sender.h.
 */
#include "core/config/schema_sender.h"

#include <stdlib.h>
#include <string.h>

#include "core/config/schema_fields.h"

const struct reader_choice schema_senders[] = {
	{"keep", CONFIG_SENDER_KEEP, false},
	{"mailbox", CONFIG_SENDER_MAILBOX, false},
	{"match", -1, true},
	{NULL, 0, false},
};

static const struct reader_choice rewrites[] = {
	{"destination", CONFIG_REWRITE_DESTINATION, false},
	{"always", CONFIG_REWRITE_ALWAYS, false},
	{"never", CONFIG_REWRITE_NEVER, false},
	{NULL, 0, false},
};

/* "keep", or a text. */
static bool read_name(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		      void *object)
{
	struct config_from *from = object;
	const char *text = reader_text(r, value);
	size_t length = 0;

	if (text == NULL)
		return false;
	if (strcmp(text, "keep") == 0)
		return true;
	while ((unsigned char)text[length] >= ' ' && text[length] != 127)
		length++;
	if (text[length] != '\0' || length > CONFIG_FROM_NAME_MAX)
		return reader_fail(r, &value->node->start_mark,
				   "%s: write keep, or a name of at most %d octets without control characters",
				   value->name, CONFIG_FROM_NAME_MAX);
	from->name = strdup(text);
	return from->name != NULL || reader_fail_memory(r, &value->node->start_mark);
}

#define FROM(member) offsetof(struct config_from, member)
static const struct reader_field from_fields[] = {
	FIELD_CHOICE("rewrite", FROM(rewrite), rewrites),
	FIELD("name", read_name, 0),
	FIELDS_END,
};

bool schema_from_read(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		      void *object)
{
	static const struct reader_field section = {
		.name = "from", .detail = from_fields, .example = "{ rewrite: always, name: keep }"};
	struct config *config = r->config;
	size_t count = config->from_count;
	struct config_from *froms = config->froms;

	/* So many there are room for: 0, 1, 2, 4, ... */
	if ((count & (count - 1)) == 0)
		froms = realloc(froms, (count ? 2 * count : 1) * sizeof(*froms));
	if (froms == NULL)
		return reader_fail_memory(r, &value->node->start_mark);
	config->froms = froms;
	/* The client being read is the last that was begun. */
	froms[count] = (struct config_from){.index = config->client_count - 1};
	config->from_count = count + 1;
	return reader_section(r, &section, value, &froms[count]);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct config_from *)a)->client, ((const struct config_from *)b)->client);
}

/* It is written into MAIL FROM and From. */
static bool is_address(const char *user)
{
	const char *at = strchr(user, '@');

	if (at == NULL || at == user || at[1] == '\0' || strchr(at + 1, '@') != NULL)
		return false;
	for (const char *p = user; *p; p++) {
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 127 || strchr("<>()[]\\,;:\"", *p))
			return false;
	}
	return true;
}

static bool check_sender(struct reader *r, const yaml_node_t *node, const struct config_destination *destination)
{
	const yaml_node_t *value = node->type == YAML_MAPPING_NODE ? reader_find(r, node, "sender") : NULL;

	if (value == NULL || destination->sender != CONFIG_SENDER_MAILBOX)
		return true;
	if (destination->mailbox_count == 0)
		return reader_fail(r, &value->start_mark,
				   "sender: nobody signs in here, so there is no mailbox: write auth: { user: "
				   "scan@example.org, ... }, or sender: keep");
	for (size_t i = 0; i < destination->mailbox_count; i++) {
		if (!is_address(destination->mailboxes[i].user))
			return reader_fail(r, &value->start_mark,
					   "sender: the user \"%.80s\" is no address that mail could come from: write "
					   "sender: keep",
					   destination->mailboxes[i].user);
	}
	return true;
}

static void warn_without_effect(struct reader *r, const yaml_node_t *root)
{
	const struct config *config = r->config;
	const yaml_node_t *clients = reader_find(r, root, "clients"), *client, *from;

	for (size_t i = 0; i < config->destination_count; i++) {
		if (config->destinations[i].mailbox_count > 0)
			return;
	}
	for (size_t i = 0; i < config->from_count; i++) {
		client =
			yaml_document_get_node(r->document, clients->data.sequence.items.start[config->froms[i].index]);
		from = reader_find(r, client, "from");
		reader_warn(r, &from->start_mark, "from: without effect: at no destination does anybody sign in");
	}
}

bool schema_senders_finish(struct reader *r, const yaml_node_t *root)
{
	const yaml_node_t *list = reader_find(r, root, "destinations");
	struct config *config = r->config;
	bool ok = true;

	for (size_t i = 0; i < config->destination_count; i++) {
		const yaml_node_t *node = yaml_document_get_node(r->document, list->data.sequence.items.start[i]);
		ok &= check_sender(r, node, &config->destinations[i]);
	}
	warn_without_effect(r, root);
	for (size_t i = 0; i < config->from_count; i++)
		config->froms[i].client = config->clients[config->froms[i].index].name;
	if (config->from_count > 0)
		qsort(config->froms, config->from_count, sizeof(*config->froms), compare);
	return ok;
}
