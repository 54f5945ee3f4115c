/*
 * core/config/schema_sender.c - see schema_sender.h.
 */
#include "core/config/schema_sender.h"

#include <stdlib.h>
#include <string.h>

#include "core/config/scalar.h"
#include "core/config/schema_fields.h"

enum { MAPPINGS_MAX = 1000 };

const struct reader_choice schema_senders[] = {
	{"keep", CONFIG_SENDER_KEEP, false},
	{"mailbox", CONFIG_SENDER_MAILBOX, false},
	{"match", CONFIG_SENDER_MATCH, false},
	{NULL, 0, false},
};

static const struct reader_choice rewrites[] = {
	{"destination", CONFIG_REWRITE_DESTINATION, false},
	{"always", CONFIG_REWRITE_ALWAYS, false},
	{"never", CONFIG_REWRITE_NEVER, false},
	{NULL, 0, false},
};

/* ---- senders of a mailbox ---------------------------------------------------------------------------------------- */

static bool read_pattern(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (!scalar_recipient_valid(text) && strcmp(text, "<>") != 0 && strcmp(text, "*") != 0)
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.80s\" is no pattern: write \"local@example.org\", \"*@example.org\", "
				   "\"*@*.example.org\", \"<>\", or \"*\" for those that nobody else may send as",
				   value->name, text);
	return reader_keep(r, field, value, object, text);
}

const struct reader_list schema_mailbox_senders = {
	.size = sizeof(char *),
	.count_offset = offsetof(struct config_mailbox, sender_count),
	.item = {.name = "senders", .read = read_pattern},
};

void schema_mailbox_free_senders(struct config_mailbox *mailbox)
{
	for (size_t i = 0; mailbox->senders && i < mailbox->sender_count; i++)
		free(mailbox->senders[i]);
	free(mailbox->senders);
}

bool schema_address_valid(const char *user)
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

/* ---- from of a client -------------------------------------------------------------------------------------------- */

/* "keep", or a text. */
static bool read_name(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		      void *object)
{
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
	return reader_keep(r, field, value, object, text);
}

bool schema_address_read(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (!schema_address_valid(text) || strchr(text, '*') || strlen(text) > CONFIG_ADDRESS_MAX)
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.80s\" is no address: write one such as scan@example.org", value->name,
				   text);
	return reader_keep(r, field, value, object, text);
}

static bool read_mapped(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (!scalar_recipient_valid(text) || strlen(text) > CONFIG_ADDRESS_MAX)
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.80s\" is no pattern: write \"local@example.org\", \"*@example.org\" or "
				   "\"*@*.example.org\"",
				   value->name, text);
	return reader_keep(r, field, value, object, text);
}

/* "*@domain": the local part stays. */
static bool read_mapped_to(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			   void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (strncmp(text, "*@", 2) == 0 && scalar_recipient_valid(text) && text[2] != '*' &&
	    strlen(text) <= CONFIG_ADDRESS_MAX)
		return reader_keep(r, field, value, object, text);
	return schema_address_read(r, field, value, object);
}

static const struct reader_choice replies_to[] = {
	{"author", CONFIG_REPLY_TO_AUTHOR, false},
	{"keep", CONFIG_REPLY_TO_KEEP, false},
	{NULL, 0, false},
};

static const struct reader_field mapping_fields[] = {
	FIELD_REQUIRED("from", read_mapped, offsetof(struct config_mapping, from), "from: \"*@printers.lan\""),
	FIELD_REQUIRED("to", read_mapped_to, offsetof(struct config_mapping, to), "to: scan@example.org"),
	FIELDS_END,
};

#define FROM(member) offsetof(struct config_from, member)
static const struct reader_list mappings = {
	.size = sizeof(struct config_mapping),
	.count_offset = FROM(map_count),
	.item = {.name = "map",
		 .read = reader_section,
		 .detail = mapping_fields,
		 .example = "{ from: \"*@printers.lan\", to: scan@example.org }"},
};

static const struct reader_field from_fields[] = {
	FIELD_CHOICE("rewrite", FROM(rewrite), rewrites),
	FIELD("name", read_name, FROM(name)),
	FIELD("address", schema_address_read, FROM(address)),
	FIELD_LIST("map", FROM(map), MAPPINGS_MAX, &mappings, "[{ from: \"*@printers.lan\", to: scan@example.org }]"),
	FIELD_CHOICE("reply_to", FROM(reply_to), replies_to),
	FIELD("bind", reader_boolean, FROM(bind)),
	FIELDS_END,
};

void schema_from_free(struct config_from *from)
{
	for (size_t i = 0; from->map && i < from->map_count; i++) {
		free(from->map[i].from);
		free(from->map[i].to);
	}
	free(from->map);
	free(from->address);
	free(from->name);
}

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

/* ---- what goes together ------------------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct config_from *)a)->client, ((const struct config_from *)b)->client);
}

/* Each may send as somebody. Mail cannot change to another destination: that one would not know who may. */
static bool check_match(struct reader *r, const yaml_node_t *value, const struct config_destination *destination)
{
	const struct config *config = r->config;
	bool path = destination->fallback > 0;

	for (size_t i = 0; i < destination->mailbox_count; i++) {
		const struct config_mailbox *mailbox = &destination->mailboxes[i];
		if (mailbox->sender_count == 0 && !schema_address_valid(mailbox->user))
			return reader_fail(r, &value->start_mark,
					   "sender: the user \"%.80s\" is no address that mail could come from: write "
					   "senders: [\"scan@example.org\"] beside it",
					   mailbox->user);
	}
	for (size_t i = 0; i < config->destination_count; i++)
		path |= config->destinations[i].fallback > 0 &&
			&config->destinations[config->destinations[i].fallback - 1] == destination;
	return !path ||
	       reader_fail(r, &value->start_mark,
			   "sender: match goes with no fallback, neither of this destination nor as another's: "
			   "write sender: mailbox, or remove the fallback");
}

/* Without effect it would look as if it held. */
static bool check_senders_used(struct reader *r, const yaml_node_t *node, const struct config_destination *destination)
{
	const yaml_node_t *list = node->type == YAML_MAPPING_NODE ? reader_find(r, node, "mailboxes") : NULL;

	for (size_t i = 0; i < destination->mailbox_count && destination->sender != CONFIG_SENDER_MATCH; i++) {
		if (destination->mailboxes[i].sender_count > 0 && list != NULL)
			return reader_fail(r, &list->start_mark,
					   "mailboxes: senders is without effect without sender: match: write that "
					   "beside mailboxes, or remove it");
	}
	return true;
}

static bool check_sender(struct reader *r, const yaml_node_t *node, const struct config_destination *destination)
{
	const yaml_node_t *value = node->type == YAML_MAPPING_NODE ? reader_find(r, node, "sender") : NULL;

	if (!check_senders_used(r, node, destination))
		return false;
	if (value == NULL || destination->sender == CONFIG_SENDER_KEEP)
		return true;
	if (destination->mailbox_count == 0)
		return reader_fail(r, &value->start_mark,
				   "sender: nobody signs in here, so there is no mailbox: write auth: { user: "
				   "scan@example.org, ... }, or sender: keep");
	if (destination->sender == CONFIG_SENDER_MATCH)
		return check_match(r, value, destination);
	for (size_t i = 0; i < destination->mailbox_count; i++) {
		if (!schema_address_valid(destination->mailboxes[i].user))
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
		const struct config_from *said = &config->froms[i];
		if (said->address || said->map || said->bind)
			continue;
		client = yaml_document_get_node(r->document, clients->data.sequence.items.start[said->index]);
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
