/*
 * core/config/schema_destination.c - see schema_destination.h.
 */
#include "core/config/schema_destination.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/config/scalar.h"
#include "core/config/schema_auth.h"
#include "core/config/schema_fields.h"
#include "core/config/schema_mx.h"
#include "core/config/schema_oauth.h"
#include "core/config/schema_path.h"
#include "core/config/schema_sender.h"
#include "core/config/schema_source.h"
#include "core/config/schema_tls.h"
#include "core/config/schema_verdict.h"

enum { HOSTS_MAX = 32 }; /* of one destination */

static bool read_host(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		      void *object)
{
	struct config_host *host = object;
	const yaml_mark_t *mark = &value->node->start_mark;
	char name[ADDRESS_TEXT_HOST_SIZE];
	struct address_problem problem;
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (address_text_split(text, name, &host->port, &problem) < 0)
		return reader_fail(r, mark, "%s: %s", value->name, problem.text);
	host->numeric = address_text_numeric(name, host->port, &host->address);
	/* 10.0.0.300 must not become a question to the name server. */
	if (!host->numeric && (text[0] == '[' || scalar_looks_like_ipv4(name)))
		return reader_fail(r, mark, "%s: \"%.80s\" is no valid address", value->name, name);
	if (!host->numeric && !scalar_host_name_valid(name))
		return reader_fail(r, mark, "%s: \"%.80s\" is no host name: write letters, digits, hyphens and dots",
				   value->name, name);
	host->text = strdup(text);
	host->name = strdup(name);
	return (host->text != NULL && host->name != NULL) || reader_fail_memory(r, mark);
}

static bool check_host(struct reader *r, const yaml_node_t *node, void *items, size_t index)
{
	const struct config_host *hosts = items;

	for (size_t i = 0; i < index; i++) {
		if (hosts[i].name != NULL && hosts[i].port == hosts[index].port &&
		    strcasecmp(hosts[i].name, hosts[index].name) == 0)
			return reader_fail(r, &node->start_mark, "hosts: duplicate host \"%.200s\"", hosts[index].text);
	}
	return true;
}

static void destination_defaults(void *item)
{
	struct config_destination *destination = item;

	/* Without a word about TLS nothing travels in the clear or to a host that cannot prove its name. */
	destination->tls_mode = CONFIG_TLS_VERIFY;
	destination->connections = 20;
	destination->mx_port = 25;
	destination->site_presets = true;
	destination->connection_age_ns = 10 * MINUTES;
	destination->messages_in_flight = CONFIG_IN_FLIGHT_MAX;
	destination->recipients_per_message = 100;
	destination->idle_timeout_ns = 30 * SECONDS;
	destination->fallback_after_ns = 5 * MINUTES;
}

static bool check_destination(struct reader *r, const yaml_node_t *node, void *items, size_t index)
{
	struct config_destination *destination = (struct config_destination *)items + index;

	return schema_tls_check(r, node, destination) && schema_auth_check(r, node, destination) &&
	       schema_mx_check(r, node, destination) && schema_sources_check(r, node, destination);
}

#define DESTINATION(member) offsetof(struct config_destination, member)
static const struct reader_field destination_limits[] = {
	FIELD_RANGE("connections", reader_number, DESTINATION(connections), 1, CONFIG_CONNECTIONS_MAX),
	FIELD_RANGE("messages_per_connection", reader_number, DESTINATION(messages_per_connection), 0, 1000000),
	FIELD_RANGE("messages_in_flight", reader_number, DESTINATION(messages_in_flight), 1, CONFIG_IN_FLIGHT_MAX),
	FIELD_RANGE("recipients_per_message", reader_number, DESTINATION(recipients_per_message), 1,
		    SCHEMA_RECIPIENTS_MAX),
	FIELD_RANGE("messages_per_minute", reader_number, DESTINATION(limits.messages_per_minute), 0, 10000000),
	FIELD_RANGE("messages_per_hour", reader_number, DESTINATION(limits.messages_per_hour), 0, 100000000),
	FIELD_RANGE("octets_per_minute", reader_size, DESTINATION(limits.octets_per_minute), 0, 64 * GIBIBYTES - 1),
	FIELD_RANGE("recipients_per_day", reader_number, DESTINATION(limits.recipients_per_day), 0, 100000000),
	FIELDS_END,
};

static const struct reader_choice pacings[] = {
	{"even", CONFIG_PACING_EVEN, false},
	{"burst", CONFIG_PACING_BURST, false},
	{NULL, 0, false},
};

static const struct reader_choice eight_bits[] = {
	{"convert", CONFIG_EIGHT_BIT_CONVERT, false},
	{"send", CONFIG_EIGHT_BIT_SEND, false},
	{"refuse", CONFIG_EIGHT_BIT_REFUSE, false},
	{NULL, 0, false},
};

static const struct reader_choice extensions[] = {
	{"PIPELINING", CONFIG_PIPELINING, false},
	{"CHUNKING", CONFIG_CHUNKING, false},
	{"SIZE", CONFIG_SIZE, false},
	{"8BITMIME", CONFIG_8BITMIME, false},
	{"ENHANCEDSTATUSCODES", CONFIG_ENHANCEDSTATUSCODES, false},
	{"DSN", CONFIG_DSN, false},
	{NULL, 0, false},
};

static bool read_extension(struct reader *r, const struct reader_value *value, unsigned *ignored)
{
	const struct reader_field word = {.name = value->name, .detail = extensions};
	const char *text = reader_text(r, value);
	int extension = 0;

	if (text == NULL)
		return false;
	if (strcmp(text, "STARTTLS") == 0)
		return reader_fail(r, &value->node->start_mark,
				   "%s: whether STARTTLS is used is for tls.mode to say: write tls: { mode: none }",
				   value->name);
	if (!reader_choice_word(r, &word, value, &extension))
		return false;
	*ignored |= (unsigned)extension;
	return true;
}

static bool read_extensions(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			    void *object)
{
	struct config_destination *destination = object;
	const yaml_node_t *node = value->node;

	if (node->type != YAML_SEQUENCE_NODE)
		return reader_fail(r, &node->start_mark, "%s: write a list, as in [CHUNKING]", value->name);
	for (const yaml_node_item_t *at = node->data.sequence.items.start; at < node->data.sequence.items.top; at++) {
		struct reader_value item = *value;

		item.node = yaml_document_get_node(r->document, *at);
		if (!read_extension(r, &item, &destination->ignored_extensions))
			return false;
	}
	return true;
}

static const struct reader_list hosts = {
	.size = sizeof(struct config_host),
	.count_offset = DESTINATION(host_count),
	.item = {.name = "hosts", .read = read_host},
	.check = check_host,
};

static const struct reader_field destination_fields[] = {
	FIELD_REQUIRED("name", reader_name, DESTINATION(name), "name: office365"),
	FIELD("preset", reader_name, DESTINATION(preset)),
	FIELD_LIST("hosts", DESTINATION(hosts), HOSTS_MAX, &hosts, "[\"mail.example.org:25\"]"),
	FIELD("mx_of", schema_mx_read, 0),
	FIELD("hosts_end_with", schema_mx_ends_read, 0),
	FIELD("mx", reader_boolean, DESTINATION(mx)),
	FIELD("mx_port", schema_mx_port_read, 0),
	FIELD("site_presets", reader_boolean, DESTINATION(site_presets)),
	FIELD("source_addresses", schema_sources_read, 0),
	FIELD_CHOICE("prefer", DESTINATION(prefer), schema_preferences),
	FIELD_SECTION("tls", schema_destination_tls, "{ mode: verify }"),
	FIELD("auth", schema_auth_read, 0),
	FIELD_LIST("mailboxes", DESTINATION(mailboxes), SCHEMA_MAILBOXES_MAX, &schema_mailboxes,
		   "[{ user: scan1@example.org, password_file: scan1.password }]"),
	FIELD("oauth", schema_oauth_read, DESTINATION(oauth)),
	FIELD_SECTION("limits", destination_limits, "{ connections: 20 }"),
	FIELD_CHOICE("pacing", DESTINATION(limits.pacing), pacings),
	FIELD_RANGE("idle_timeout", reader_duration, DESTINATION(idle_timeout_ns), 10 * MILLISECONDS, HOURS),
	FIELD_RANGE("connection_age", reader_duration, DESTINATION(connection_age_ns), 0, DAYS),
	FIELD("fallback", schema_fallback_read, 0),
	FIELD_RANGE("fallback_after", reader_duration, DESTINATION(fallback_after_ns), 0, DAYS),
	FIELD_CHOICE("sender", DESTINATION(sender), schema_senders),
	FIELD("ignore_extensions", read_extensions, 0),
	FIELD_CHOICE("eight_bit", DESTINATION(eight_bit), eight_bits),
	FIELD("pipeline_across_messages", reader_boolean, DESTINATION(pipeline_across_messages)),
	FIELD("verdicts", schema_verdicts, DESTINATION(verdicts)),
	FIELDS_END,
};

static bool read_destination(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			     void *object)
{
	struct config_destination *destination = object;

	if (!reader_section(r, field, value, object))
		return false;
	if (destination->hosts == NULL && destination->mx_of == NULL && !destination->mx)
		return reader_fail(r, &value->node->start_mark,
				   "the key \"hosts\" is missing: write hosts: [\"mail.example.org:25\"]");
	return true;
}

const struct reader_list schema_destinations = {
	.size = sizeof(struct config_destination),
	.count_offset = offsetof(struct config, destination_count),
	.item = {.name = "destinations",
		 .read = read_destination,
		 .detail = destination_fields,
		 .example = "{ name: office365, hosts: [\"mail.example.org:25\"] }"},
	.defaults = destination_defaults,
	.check = check_destination,
	.named = true,
};
