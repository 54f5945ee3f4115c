/*
 * core/config/schema.c - the configuration's keys, their defaults, and the rules between them: see schema.h.
 *
 * The tables below are the file's grammar; dist/postrider.yaml.5 describes the same for people. A rule about one value
 * stands in its table or read_*(), a rule between values of one item in check_*() of its list, and a rule across the
 * file in finish_*(), which runs when everything is read, because the file's order is free.
 */
#include "core/config/schema.h"

#include <assert.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/config/scalar.h"
#include "core/config/schema_client.h"
#include "core/config/schema_fields.h"
#include "core/config/schema_route.h"

#define MILLISECONDS UINT64_C(1000000)
#define SECONDS (1000 * MILLISECONDS)
#define MINUTES (60 * SECONDS)
#define HOURS (60 * MINUTES)
#define DAYS (24 * HOURS)
#define MEBIBYTES (UINT64_C(1) << 20)
#define GIBIBYTES (UINT64_C(1) << 30)
#define TEBIBYTES (UINT64_C(1) << 40)
/* Of spool.memory_max, for each shard: eight slabs are half of it (core/shard/shard.c). */
#define MEMORY_MIN (16 * MEBIBYTES)
#define MEMORY_USUAL (256 * MEBIBYTES)

enum {
	LISTENERS_MAX = 64,
	DESTINATIONS_MAX = 256,
	DNS_PORT = 53,
	HOSTS_MAX = 32,         /* of one destination */
	SPOOL_SEGMENTS_MIN = 4, /* of a shard: one in use, one ready, one to reclaim from, one to spare */
	SPOOL_MESSAGES_MIN = 4, /* largest messages the spool must hold */
	RECIPIENTS_MAX = 1000,  /* of one message; its envelope is one record of the spool */
};

/* Listeners */

static bool read_listener_address(struct reader *r, const struct reader_field *field, const struct reader_value *value,
				  void *object)
{
	struct config_listener *listener = object;
	struct address_problem problem;
	const char *text = reader_text(r, value);
	char chosen[ADDRESS_TEXT_SIZE + 1];
	size_t length = text ? strlen(text) : 0;
	bool any_port = length > 2 && length < sizeof(chosen) && strcmp(text + length - 2, ":0") == 0;

	if (text == NULL)
		return false;
	/* Port 0: the kernel chooses one, and the event "ready" tells which. It is read as any other port would be. */
	snprintf(chosen, sizeof(chosen), "%.*s1", any_port ? (int)length - 1 : 0, text);
	if (address_text_parse(any_port ? chosen : text, &listener->address, &problem) == 0) {
		if (any_port)
			listener->address.v4.sin_port = 0; /* the same place in both families */
	} else
		return reader_fail(r, &value->node->start_mark, "%s: %s", value->name, problem.text);
	listener->address_text = strdup(text);
	return listener->address_text != NULL || reader_fail_memory(r, &value->node->start_mark);
}

static bool check_listener(struct reader *r, const yaml_node_t *node, void *items, size_t index)
{
	const struct config_listener *listeners = items, *listener = &listeners[index];

	for (size_t i = 0; i < index; i++) {
		/* Shards share an address on purpose (SO_REUSEPORT), so the kernel would not refuse this. */
		if (listener->address.v4.sin_port != 0 && listeners[i].address.length == listener->address.length &&
		    listeners[i].name != NULL &&
		    memcmp(&listeners[i].address.any, &listener->address.any, listener->address.length) == 0)
			return reader_fail(r, &reader_find(r, node, "address")->start_mark,
					   "address: %s already belongs to the listener \"%s\"", listener->address_text,
					   listeners[i].name);
	}
	return true;
}

static const struct reader_choice listener_tls[] = {
	{"off", -1, false}, {"offered", -1, true}, {"required", -1, true}, {"implicit", -1, true}, {NULL, 0, false},
};
static const struct reader_choice listener_auth[] = {
	{"off", -1, false},
	{"offered", -1, true},
	{"required", -1, true},
	{NULL, 0, false},
};

#define LISTENER(member) offsetof(struct config_listener, member)
static const struct reader_field listener_fields[] = {
	FIELD_REQUIRED("name", reader_name, LISTENER(name), "name: lan"),
	FIELD_REQUIRED("address", read_listener_address, 0, "address: \"0.0.0.0:25\""),
	FIELD_CHOICE("tls", 0, listener_tls),
	FIELD_CHOICE("auth", 0, listener_auth),
	FIELDS_END,
};

static const struct reader_list listeners = {
	.size = sizeof(struct config_listener),
	.count_offset = offsetof(struct config, listener_count),
	.item = {.name = "listeners",
		 .read = reader_section,
		 .detail = listener_fields,
		 .example = "{ name: lan, address: \"0.0.0.0:25\" }"},
	.check = check_listener,
	.named = true,
};

/* Destinations */

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

static bool read_server_name(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			     void *object)
{
	struct config_destination *destination = object;
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (!scalar_host_name_valid(text) || scalar_looks_like_ipv4(text))
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.80s\" is no host name: write one as in mail.example.org", value->name,
				   text);
	destination->server_name = strdup(text);
	return destination->server_name != NULL || reader_fail_memory(r, &value->node->start_mark);
}

static void destination_defaults(void *item)
{
	struct config_destination *destination = item;

	/* Without a word about TLS nothing travels in the clear or to a host that cannot prove its name. */
	destination->tls_mode = CONFIG_TLS_VERIFY;
	destination->connections = 20;
	destination->connection_age_ns = 10 * MINUTES;
	destination->messages_in_flight = CONFIG_IN_FLIGHT_MAX;
	destination->recipients_per_message = 100;
	destination->idle_timeout_ns = 30 * SECONDS;
}

/* Settings that would look as if they protected something and do nothing are refused. */
static bool check_tls_mode(struct reader *r, const yaml_node_t *tls, const struct config_destination *destination)
{
	static const struct {
		const char *key;
		enum config_tls_mode least;
		const char *needs;
	} rules[] = {
		{"ca_file", CONFIG_TLS_VERIFY, "mode: verify"},
		{"certificate", CONFIG_TLS_OPPORTUNISTIC, "mode: required or verify"},
		{"private_key", CONFIG_TLS_OPPORTUNISTIC, "mode: required or verify"},
		{"server_name", CONFIG_TLS_OPPORTUNISTIC, "mode: required or verify"},
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const yaml_node_t *value = reader_find(r, tls, rules[i].key);
		if (value != NULL && destination->tls_mode < rules[i].least)
			return reader_fail(r, &value->start_mark,
					   "%s: without effect in this mode: write %s, or remove it", rules[i].key,
					   rules[i].needs);
	}
	if (destination->tls_implicit && destination->tls_mode == CONFIG_TLS_NONE)
		return reader_fail(r, &reader_find(r, tls, "implicit")->start_mark,
				   "implicit: without effect in this mode: write mode: required or verify, or "
				   "remove it");
	if (destination->certificate != NULL && destination->private_key == NULL)
		return reader_fail(r, &reader_find(r, tls, "certificate")->start_mark,
				   "certificate: its key is missing: write private_key: relay.key");
	if (destination->private_key != NULL && destination->certificate == NULL)
		return reader_fail(r, &reader_find(r, tls, "private_key")->start_mark,
				   "private_key: its certificate is missing: write certificate: relay.crt");
	return true;
}

static bool all_ports_implicit(const struct config_destination *destination)
{
	enum { PORT_SUBMISSIONS = 465 }; /* RFC 8314 7.3 */

	for (size_t i = 0; i < destination->host_count; i++) {
		if (destination->hosts[i].port != PORT_SUBMISSIONS)
			return false;
	}
	return true;
}

static bool check_destination(struct reader *r, const yaml_node_t *node, void *items, size_t index)
{
	struct config_destination *destination = (struct config_destination *)items + index;
	const yaml_node_t *tls = reader_find(r, node, "tls");

	if (tls != NULL && !check_tls_mode(r, tls, destination))
		return false;
	if (tls == NULL || reader_find(r, tls, "implicit") == NULL)
		destination->tls_implicit = destination->tls_mode != CONFIG_TLS_NONE && all_ports_implicit(destination);
	if (destination->tls_mode != CONFIG_TLS_VERIFY || destination->server_name != NULL)
		return true;
	for (size_t i = 0; i < destination->host_count; i++) {
		const yaml_node_t *hosts = reader_find(r, node, "hosts");
		const yaml_node_t *host = yaml_document_get_node(r->document, hosts->data.sequence.items.start[i]);
		if (destination->hosts[i].numeric)
			return reader_fail(r, &host->start_mark,
					   "hosts: \"%.80s\" has no name that TLS could verify: write tls: { "
					   "server_name: mail.example.org }, or another mode",
					   destination->hosts[i].text);
	}
	return true;
}

#define DESTINATION(member) offsetof(struct config_destination, member)
static const struct reader_choice tls_modes[] = {
	{"none", CONFIG_TLS_NONE, false},
	{"opportunistic", CONFIG_TLS_OPPORTUNISTIC, true},
	{"required", CONFIG_TLS_REQUIRED, false},
	{"verify", CONFIG_TLS_VERIFY, false},
	{"dane", -1, true},
	{NULL, 0, false},
};

static const struct reader_field destination_tls[] = {
	FIELD_CHOICE("mode", DESTINATION(tls_mode), tls_modes),
	FIELD("implicit", reader_boolean, DESTINATION(tls_implicit)),
	FIELD("ca_file", reader_file, DESTINATION(ca_file)),
	FIELD("certificate", reader_file, DESTINATION(certificate)),
	FIELD("private_key", reader_file, DESTINATION(private_key)),
	FIELD("server_name", read_server_name, 0),
	FIELDS_END,
};

static const struct reader_field destination_limits[] = {
	FIELD_RANGE("connections", reader_number, DESTINATION(connections), 1, 100000),
	FIELD_RANGE("messages_per_connection", reader_number, DESTINATION(messages_per_connection), 0, 1000000),
	FIELD_RANGE("messages_in_flight", reader_number, DESTINATION(messages_in_flight), 1, CONFIG_IN_FLIGHT_MAX),
	FIELD_RANGE("recipients_per_message", reader_number, DESTINATION(recipients_per_message), 1, RECIPIENTS_MAX),
	FIELD_RANGE("messages_per_minute", reader_number, DESTINATION(limits.messages_per_minute), 0, 10000000),
	FIELD_RANGE("messages_per_hour", reader_number, DESTINATION(limits.messages_per_hour), 0, 100000000),
	FIELD_RANGE("octets_per_minute", reader_size, DESTINATION(limits.octets_per_minute), 0, 64 * GIBIBYTES - 1),
	FIELD_MISSING("recipients_per_day"),
	FIELDS_END,
};

static const struct reader_choice pacings[] = {
	{"even", CONFIG_PACING_EVEN, false},
	{"burst", CONFIG_PACING_BURST, false},
	{NULL, 0, false},
};

static const struct reader_choice extensions[] = {
	{"PIPELINING", CONFIG_PIPELINING, false},
	{"CHUNKING", CONFIG_CHUNKING, false},
	{"SIZE", CONFIG_SIZE, false},
	{"8BITMIME", CONFIG_8BITMIME, false},
	{"ENHANCEDSTATUSCODES", CONFIG_ENHANCEDSTATUSCODES, false},
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
	FIELD_LIST("hosts", DESTINATION(hosts), HOSTS_MAX, &hosts, "[\"mail.example.org:25\"]"),
	FIELD_MISSING("mx"),
	FIELD_SECTION("tls", destination_tls, "{ mode: verify }"),
	FIELD_MISSING("auth"),
	FIELD_SECTION("limits", destination_limits, "{ connections: 20 }"),
	FIELD_CHOICE("pacing", DESTINATION(limits.pacing), pacings),
	FIELD_RANGE("idle_timeout", reader_duration, DESTINATION(idle_timeout_ns), 10 * MILLISECONDS, HOURS),
	FIELD_RANGE("connection_age", reader_duration, DESTINATION(connection_age_ns), 0, DAYS),
	FIELD("ignore_extensions", read_extensions, 0),
	FIELD("pipeline_across_messages", reader_boolean, DESTINATION(pipeline_across_messages)),
	FIELDS_END,
};

static bool read_destination(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			     void *object)
{
	struct config_destination *destination = object;

	if (!reader_section(r, field, value, object))
		return false;
	if (destination->hosts == NULL)
		return reader_fail(r, &value->node->start_mark,
				   "the key \"hosts\" is missing: write hosts: [\"mail.example.org:25\"]");
	return true;
}

static const struct reader_list destinations = {
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

/* The whole */

#define CONFIG(member) offsetof(struct config, member)
static const struct reader_field spool_fields[] = {
	FIELD("directory", reader_path, CONFIG(spool.directory)),
	FIELD_RANGE("size_max", reader_size, CONFIG(spool.size_max), 16 * MEBIBYTES, 1024 * TEBIBYTES),
	FIELD_RANGE("message_size_max", reader_size, CONFIG(spool.message_size_max), 1024, GIBIBYTES),
	FIELD_RANGE("segment_size", reader_size, CONFIG(spool.segment_size), 4 * MEBIBYTES, GIBIBYTES),
	FIELD_RANGE("memory_max", reader_size, CONFIG(spool.memory_max), MEMORY_MIN, TEBIBYTES),
	FIELDS_END,
};

static const struct reader_field retry_fields[] = {
	FIELD_RANGE("first", reader_duration, CONFIG(retry.first_ns), 10 * MILLISECONDS, DAYS),
	FIELD_RANGE("factor", reader_factor, CONFIG(retry.factor), 1, 10),
	FIELD_RANGE("max", reader_duration, CONFIG(retry.max_ns), 10 * MILLISECONDS, 7 * DAYS),
	FIELD_RANGE("expire", reader_duration, CONFIG(retry.expire_ns), 10 * MILLISECONDS, 30 * DAYS),
	FIELD_MISSING("warn_after"),
	FIELDS_END,
};

static const struct reader_field limits_fields[] = {
	FIELD_RANGE("connections", reader_number, CONFIG(limits.connections), 1, 100000),
	FIELD_RANGE("connections_per_client", reader_number, CONFIG(limits.connections_per_client), 0, 100000),
	FIELD_RANGE("recipients_per_message", reader_number, CONFIG(limits.recipients_per_message), 1, RECIPIENTS_MAX),
	FIELD_RANGE("errors_per_session", reader_number, CONFIG(limits.errors_per_session), 1, 1000),
	FIELDS_END,
};

static const struct reader_field timeouts_fields[] = {
	FIELD_RANGE("command", reader_duration, CONFIG(timeouts.command_ns), 10 * MILLISECONDS, HOURS),
	FIELD_RANGE("data", reader_duration, CONFIG(timeouts.data_ns), 10 * MILLISECONDS, DAYS),
	FIELD_RANGE("connect", reader_duration, CONFIG(timeouts.connect_ns), 10 * MILLISECONDS, HOURS),
	FIELD_RANGE("greeting", reader_duration, CONFIG(timeouts.greeting_ns), 10 * MILLISECONDS, HOURS),
	FIELD_RANGE("reply", reader_duration, CONFIG(timeouts.reply_ns), 10 * MILLISECONDS, HOURS),
	FIELD_RANGE("data_reply", reader_duration, CONFIG(timeouts.data_reply_ns), 10 * MILLISECONDS, HOURS),
	FIELD_RANGE("drain", reader_duration, CONFIG(timeouts.drain_ns), 0, HOURS),
	FIELDS_END,
};

static const struct reader_field log_fields[] = {
	FIELD_RANGE("stats_interval", reader_duration, CONFIG(stats_interval_ns), 0, DAYS),
	FIELD("sessions", reader_boolean, CONFIG(log_sessions)),
	FIELD("messages", reader_boolean, CONFIG(log_messages)),
	FIELDS_END,
};

/* Name servers: an address, with or without a port; kept in the form "ADDRESS@PORT". */
static bool read_dns_server(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			    void *object)
{
	const char *text = reader_text(r, value);
	char name[ADDRESS_TEXT_HOST_SIZE], **server = object;
	struct ring_address address;
	struct address_problem problem;
	uint16_t port = DNS_PORT;

	if (text == NULL)
		return false;
	if (!address_text_numeric(text, port, &address)) {
		if (address_text_split(text, name, &port, &problem) < 0 || !address_text_numeric(name, port, &address))
			return reader_fail(r, &value->node->start_mark,
					   "%s: \"%.80s\" is no address: write one such as 192.0.2.53, "
					   "192.0.2.53:5353 or [2001:db8::53]:53",
					   value->name, text);
		text = name;
	}
	if (asprintf(server, "%s@%u", text, (unsigned)port) < 0)
		*server = NULL;
	return *server != NULL || reader_fail_memory(r, &value->node->start_mark);
}

static const struct reader_list dns_servers = {
	.size = sizeof(char *),
	.count_offset = CONFIG(dns.server_count),
	.item = {.name = "servers", .read = read_dns_server},
};

static const struct reader_field dns_fields[] = {
	FIELD_LIST("servers", CONFIG(dns.servers), CONFIG_DNS_SERVERS_MAX, &dns_servers, "servers: [192.0.2.53]"),
	FIELD_MISSING("dnssec"),
	FIELD_MISSING("trust_anchor"),
	FIELD_MISSING("allow_private"),
	FIELDS_END,
};

static const struct reader_field root_fields[] = {
	FIELD("hostname", reader_qualified_name, CONFIG(hostname)),
	FIELD_RANGE("shards", reader_number, CONFIG(shards), 0, CONFIG_SHARDS_MAX),
	FIELD_MISSING("control"),
	FIELD_SECTION("spool", spool_fields, "{ directory: /var/lib/postrider }"),
	FIELD_LIST_REQUIRED("listeners", CONFIG(listeners), LISTENERS_MAX, &listeners,
			    "listeners: [{ name: lan, address: \"0.0.0.0:25\" }]"),
	FIELD_MISSING("tls"),
	FIELD_SECTION("dns", dns_fields, "{ servers: [192.0.2.53] }"),
	FIELD_LIST_REQUIRED("clients", CONFIG(clients), SCHEMA_CLIENTS_MAX, &schema_clients,
			    "clients: [{ name: printers, networks: [10.20.0.0/16] }]"),
	FIELD_LIST_REQUIRED("destinations", CONFIG(destinations), DESTINATIONS_MAX, &destinations,
			    "destinations: [{ name: office365, hosts: [\"mail.example.org:25\"] }]"),
	FIELD_LIST_REQUIRED("routes", CONFIG(routes), SCHEMA_ROUTES_MAX, &schema_routes,
			    "routes: [{ destination: office365 }]"),
	FIELD_SECTION("retry", retry_fields, "{ first: 30s, factor: 2, max: 4h, expire: 5d }"),
	FIELD_SECTION("limits", limits_fields, "{ connections: 10000 }"),
	FIELD_SECTION("timeouts", timeouts_fields, "{ command: 5m }"),
	FIELD_SECTION("log", log_fields, "{ stats_interval: 60s }"),
	FIELDS_END,
};

void schema_defaults(struct config *config)
{
	config->spool.size_max = 20 * GIBIBYTES;
	config->spool.segment_size = 64 * MEBIBYTES;
	config->retry.first_ns = 30 * SECONDS;
	config->retry.factor = 2;
	config->retry.max_ns = 4 * HOURS;
	config->retry.expire_ns = 5 * DAYS;
	config->limits.connections = 10000;
	config->limits.recipients_per_message = 1000;
	config->limits.errors_per_session = 20;
	config->timeouts.command_ns = 5 * MINUTES;
	config->timeouts.data_ns = 30 * MINUTES;
	config->timeouts.connect_ns = 30 * SECONDS;
	config->timeouts.greeting_ns = 5 * MINUTES;
	config->timeouts.reply_ns = 5 * MINUTES;
	config->timeouts.data_reply_ns = 10 * MINUTES;
	config->timeouts.drain_ns = 30 * SECONDS;
	config->stats_interval_ns = 60 * SECONDS;
	config->log_sessions = true;
	config->log_messages = true;
}

static bool finish_hostname(struct reader *r, const yaml_node_t *root)
{
	struct config *config = r->config;
	char name[256] = "";

	if (config->hostname != NULL || !reader_fine(r, "hostname"))
		return true;
	if (gethostname(name, sizeof(name) - 1) < 0 || !scalar_qualified_name_valid(name))
		return reader_fail(r, &root->start_mark,
				   "the key \"hostname\" is missing, and this machine's own name \"%.80s\" is not "
				   "fully qualified: write hostname: relay.example.org",
				   name);
	config->hostname = strdup(name);
	return config->hostname != NULL || reader_fail_memory(r, &root->start_mark);
}

/* One shard for each processor this process may use. */
static void finish_shards(struct config *config)
{
	cpu_set_t set;

	if (config->shards != 0)
		return;
	config->shards = 1;
	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		config->shards = (unsigned)CPU_COUNT(&set);
	if (config->shards > CONFIG_SHARDS_MAX)
		config->shards = CONFIG_SHARDS_MAX;
}

/* The value of `section: { key: ... }`; where it is not given, the section's or the whole file's start. */
static const yaml_mark_t *mark_of(struct reader *r, const yaml_node_t *root, const char *section, const char *key)
{
	const yaml_node_t *node = reader_find(r, root, section);
	const yaml_node_t *value = node != NULL ? reader_find(r, node, key) : NULL;

	if (value != NULL)
		return &value->start_mark;
	return node != NULL ? &node->start_mark : &root->start_mark;
}

/* Shards share it: what one of them cannot do without is fixed, and would be taken beside it. */
static bool finish_memory(struct reader *r, const yaml_node_t *root)
{
	struct config *config = r->config;
	uint64_t least = MEMORY_MIN * config->shards;
	char is[32], needed[32];

	if (!reader_fine(r, "spool") || !reader_fine(r, "shards"))
		return true;
	if (config->spool.memory_max == 0)
		config->spool.memory_max = least < MEMORY_USUAL ? MEMORY_USUAL : least;
	if (config->spool.memory_max >= least)
		return true;
	scalar_quantity_format(SCALAR_SIZE, config->spool.memory_max, is, sizeof(is));
	scalar_quantity_format(SCALAR_SIZE, least, needed, sizeof(needed));
	return reader_fail(r, mark_of(r, root, "spool", "memory_max"),
			   "memory_max: %s is too little for %u shards: write at least %s, or fewer shards", is,
			   config->shards, needed);
}

static bool finish_spool(struct reader *r, const yaml_node_t *root)
{
	struct config *config = r->config;
	uint64_t size = config->spool.size_max, segment = config->spool.segment_size;
	char is[32], parts[32], needed[32];

	if (!reader_fine(r, "spool") || !reader_fine(r, "shards"))
		return true;
	scalar_quantity_format(SCALAR_SIZE, segment, parts, sizeof(parts));
	if (segment % MEBIBYTES != 0)
		return reader_fail(r, mark_of(r, root, "spool", "segment_size"),
				   "segment_size: %s is not a whole number of MiB", parts);
	scalar_quantity_format(SCALAR_SIZE, size, is, sizeof(is));
	if (size < SPOOL_SEGMENTS_MIN * segment * config->shards) {
		scalar_quantity_format(SCALAR_SIZE, SPOOL_SEGMENTS_MIN * segment * config->shards, needed,
				       sizeof(needed));
		return reader_fail(r, mark_of(r, root, "spool", "size_max"),
				   "size_max: %s is too little for %u shard%s with segments of %s: write at least "
				   "%s, or a smaller segment_size",
				   is, config->shards, config->shards == 1 ? "" : "s", parts, needed);
	}
	if (config->spool.message_size_max == 0) {
		/* The default follows a small spool; what is written is never changed. */
		uint64_t usual = 150 * MEBIBYTES, fits = size / SPOOL_MESSAGES_MIN;
		config->spool.message_size_max = usual < fits ? usual : fits;
	}
	if (config->spool.message_size_max > size / SPOOL_MESSAGES_MIN) {
		scalar_quantity_format(SCALAR_SIZE, size / SPOOL_MESSAGES_MIN, needed, sizeof(needed));
		return reader_fail(r, mark_of(r, root, "spool", "message_size_max"),
				   "message_size_max: more than a quarter of size_max (%s): write at most %s", is,
				   needed);
	}
	if (config->spool.directory == NULL)
		config->spool.directory = strdup("/var/lib/postrider");
	return config->spool.directory != NULL || reader_fail_memory(r, &root->start_mark);
}

static bool finish_retry(struct reader *r, const yaml_node_t *root)
{
	const struct config *config = r->config;
	char first[32], other[32];

	if (!reader_fine(r, "retry"))
		return true;
	scalar_quantity_format(SCALAR_DURATION, config->retry.first_ns, first, sizeof(first));
	if (config->retry.max_ns < config->retry.first_ns) {
		scalar_quantity_format(SCALAR_DURATION, config->retry.max_ns, other, sizeof(other));
		return reader_fail(r, mark_of(r, root, "retry", "max"),
				   "max: %s is shorter than first (%s): write at least that", other, first);
	}
	if (config->retry.expire_ns < config->retry.first_ns) {
		scalar_quantity_format(SCALAR_DURATION, config->retry.expire_ns, other, sizeof(other));
		return reader_fail(r, mark_of(r, root, "retry", "expire"),
				   "expire: %s is shorter than first (%s): write at least that", other, first);
	}
	return true;
}

bool schema_read(struct reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(r->document);
	const struct reader_value value = {.name = "the file", .key = root, .node = root};

	assert(root != NULL);
	if (root->type != YAML_MAPPING_NODE)
		return reader_fail(r, &root->start_mark,
				   "the file must be a mapping: write keys such as hostname: relay.example.org");
	r->root = root_fields;
	bool ok = reader_mapping(r, root_fields, &value, r->config);
	finish_shards(r->config);
	ok &= finish_hostname(r, root);
	ok &= finish_spool(r, root);
	ok &= finish_memory(r, root);
	ok &= finish_retry(r, root);
	ok &= schema_routes_finish(r, root);
	return ok && schema_clients_finish(r);
}
