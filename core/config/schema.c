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
#include <unistd.h>

#include "core/config/scalar.h"
#include "core/config/schema_client.h"
#include "core/config/schema_control.h"
#include "core/config/schema_destination.h"
#include "core/config/schema_device.h"
#include "core/config/schema_dns.h"
#include "core/config/schema_fields.h"
#include "core/config/schema_hardening.h"
#include "core/config/schema_identity.h"
#include "core/config/schema_listener.h"
#include "core/config/schema_path.h"
#include "core/config/schema_policy.h"
#include "core/config/schema_quota.h"
#include "core/config/schema_report.h"
#include "core/config/schema_route.h"
#include "core/config/schema_sender.h"
#include "core/config/schema_suppression.h"
#include "core/config/schema_tls_report.h"
#include "core/config/schema_trace.h"
#include "core/config/schema_user.h"
#include "core/config/schema_verdict.h"
#include "core/config/schema_watch.h"

/* Of spool.memory_max, for each shard: eight slabs are half of it (core/shard/shard.c). */
#define MEMORY_MIN (16 * MEBIBYTES)
#define MEMORY_USUAL (256 * MEBIBYTES)

enum {
	SPOOL_SEGMENTS_MIN = 4, /* of a shard: one in use, one ready, one to reclaim from, one to spare */
	SPOOL_MESSAGES_MIN = 4, /* largest messages the spool must hold */
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
	FIELD_RANGE("attempts", reader_number, CONFIG(retry.attempts), 0, 65535),
	FIELD_MISSING("warn_after"),
	FIELDS_END,
};

static const struct reader_field address_fields[] = {
	SCHEMA_QUOTA_FIELDS(CONFIG(limits.address)),
	FIELD_RANGE("errors_per_minute", reader_number, CONFIG(limits.address.errors_per_minute), 0, SCHEMA_QUOTA_MAX),
	FIELDS_END,
};

static const struct reader_field limits_fields[] = {
	FIELD_RANGE("connections", reader_number, CONFIG(limits.connections), 1, 100000),
	FIELD_RANGE("connections_per_client", reader_number, CONFIG(limits.connections_per_client), 0, 100000),
	FIELD_RANGE("recipients_per_message", reader_number, CONFIG(limits.recipients_per_message), 1,
		    SCHEMA_RECIPIENTS_MAX),
	FIELD_RANGE("errors_per_session", reader_number, CONFIG(limits.errors_per_session), 1, 1000),
	FIELD_RANGE("octets_per_second_min", reader_size, CONFIG(limits.octets_per_second_min), 0, MEBIBYTES),
	FIELD_RANGE("future_release", reader_duration, CONFIG(limits.future_release_ns), 0, 366 * DAYS),
	FIELD_RANGE("hops", reader_number, CONFIG(limits.hops), 10, 1000),
	SCHEMA_QUOTA_FIELDS(CONFIG(limits.quota)),
	FIELD_SECTION("address", address_fields, "{ messages_per_minute: 60 }"),
	FIELDS_END,
};

static const struct reader_field timeouts_fields[] = {
	FIELD_RANGE("command", reader_duration, CONFIG(timeouts.command_ns), 10 * MILLISECONDS, HOURS),
	FIELD_RANGE("session", reader_duration, CONFIG(timeouts.session_ns), 0, 30 * DAYS),
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
	FIELD("journal", reader_boolean, CONFIG(log_journal)),
	FIELDS_END,
};

static const struct reader_field root_fields[] = {
	FIELD("hostname", reader_qualified_name, CONFIG(hostname)),
	FIELD_RANGE("shards", reader_number, CONFIG(shards), 0, CONFIG_SHARDS_MAX),
	FIELD("user", reader_name, CONFIG(user)),
	FIELD_SECTION("hardening", schema_hardening_fields, "{ landlock: false }"),
	FIELD("control", schema_control, 0),
	FIELD_SECTION("spool", spool_fields, "{ directory: /var/lib/postrider }"),
	FIELD_LIST_REQUIRED("listeners", CONFIG(listeners), SCHEMA_LISTENERS_MAX, &schema_listeners,
			    "listeners: [{ name: lan, address: \"0.0.0.0:25\" }]"),
	FIELD_SECTION("tls", schema_listener_tls,
		      "{ certificates: [{ certificate: relay.crt, private_key: relay.key }] }"),
	FIELD("users_file", schema_users_read, CONFIG(users_file)),
	FIELD("devices", schema_devices, CONFIG(devices_path)),
	FIELD_SECTION("dns", schema_dns_fields, "{ servers: [192.0.2.53] }"),
	FIELD_LIST_REQUIRED("clients", CONFIG(clients), SCHEMA_CLIENTS_MAX, &schema_clients,
			    "clients: [{ name: printers, networks: [10.20.0.0/16] }]"),
	FIELD_LIST_REQUIRED("destinations", CONFIG(destinations), SCHEMA_DESTINATIONS_MAX, &schema_destinations,
			    "destinations: [{ name: office365, hosts: [\"mail.example.org:25\"] }]"),
	FIELD_LIST_REQUIRED("routes", CONFIG(routes), SCHEMA_ROUTES_MAX, &schema_routes,
			    "routes: [{ destination: office365 }]"),
	FIELD("verdicts", schema_verdicts, CONFIG(verdicts)),
	FIELD_SECTION("suppression", schema_suppression_fields, "{ directory: /var/lib/postrider }"),
	FIELD_SECTION("trace", schema_trace_fields, "{ keep: 30d, size_max: 2GiB }"),
	FIELD_SECTION("retry", retry_fields, "{ first: 30s, factor: 2, max: 4h, expire: 5d }"),
	FIELD_SECTION("reports", schema_report, "{ from: postmaster@example.org }"),
	FIELD_SECTION("tls_reports", schema_tls_report, SCHEMA_TLS_REPORT_EXAMPLE),
	FIELD("incidents", schema_incidents, 0),
	FIELD_SECTION("events", schema_events, SCHEMA_EVENTS_EXAMPLE),
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
	schema_report_defaults(config);
	schema_trace_defaults(config);
	schema_watch_defaults(config);
	schema_hardening_defaults(config);
	config->limits.connections = 10000;
	config->limits.recipients_per_message = 1000;
	config->limits.errors_per_session = 20;
	config->limits.octets_per_second_min = 500;
	config->limits.hops = 100; /* RFC 5321 6.3 */
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
	config->log_journal = true;
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
	ok &= schema_dns_finish(r, root);
	ok &= schema_report_finish(r, root) && schema_tls_report_finish(r, root) && schema_watch_finish(r, root);
	ok &= finish_spool(r, root);
	ok &= finish_memory(r, root);
	ok &= schema_trace_finish(r, root);
	ok &= finish_retry(r, root);
	ok &= schema_listeners_finish(r, root);
	ok &= schema_routes_finish(r, root);
	ok &= schema_paths_finish(r, root);
	ok &= schema_users_finish(r, root);
	ok &= schema_identities_finish(r, root);
	ok &= schema_devices_finish(r, root);
	return ok && schema_verdicts_finish(r) && schema_clients_finish(r) && schema_senders_finish(r, root) &&
	       schema_policies_finish(r, root) && schema_suppression_finish(r, root);
}
