/*
 * tests/unit/test_config.c - core/config: problems word for word, defaults, and every field.
 *
 * The problems are a table of text and answer in config_problems.h. POSTRIDER_SAMPLE names the packaged sample
 * configuration; without it the test looks in the source tree it is started from. Files it needs are made in a
 * directory below the current one and removed.
 */
#include "core/config/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config/client_index.h"
#include "core/config/quirks.h"
#include "core/config/scalar.h"
#include "tests/unit/check.h"
#include "tests/unit/config_problems.h"

#define S UINT64_C(1000000000)
#define MIB (UINT64_C(1) << 20)

/* The configuration of a text that must be right. */
static struct config *parse(const char *text)
{
	struct config_problems problems;
	struct config *config = config_parse("t.yaml", text, strlen(text), &problems);

	CHECK_STR(config_problems_first(&problems), "");
	return config;
}

static void test_problems(void)
{
	for (size_t i = 0; i < sizeof(problem_rows) / sizeof(problem_rows[0]); i++) {
		struct config_problems problems;
		const char *text = problem_rows[i].text;
		struct config *config = config_parse("t.yaml", text, strlen(text), &problems);
		CHECK(config == NULL);
		CHECK_STR(config_problems_first(&problems), problem_rows[i].problem);
		config_free(config);
	}
}

/* All of a file's mistakes come at once, each with its place, in the file's order, and none that only follows from
 * another. */
static void test_all_problems(void)
{
	static const char text[] = "hostnme: relay.example.org\n"
				   "spool: { size_max: 20GB, memory_max: lots }\n"
				   "listeners:\n"
				   "  - { name: lan, address: \"127.0.0.1\" }\n"
				   "  - { name: lan, address: \"127.0.0.1:25\" }\n"
				   "clients:\n"
				   "  - { name: all, networks: [10.0.0.0/33, 10.1.0.0/16, 10.0.0.1/8] }\n"
				   "destinations:\n"
				   "  - { name: \"a b\", hosts: [\"a:25\", \"b\"] }\n"
				   "routes:\n"
				   "  - { recipent: \"*@example.org\", destination: a }\n"
				   "  - { destination: a }\n";
	static const char *const expected[] = {
		"t.yaml:1:1: unknown key \"hostnme\"; did you mean \"hostname\"?",
		"t.yaml:2:20: size_max: write 20GiB, not 20GB",
		"t.yaml:2:38: memory_max: \"lots\" is no size: write a whole number and B, KiB, MiB, GiB or TiB, as in "
		"20GiB",
		"t.yaml:4:27: address: \"127.0.0.1\" lacks a port: write host:port, as in 127.0.0.1:25",
		"t.yaml:5:13: duplicate name \"lan\": each needs its own",
		"t.yaml:7:29: networks: \"10.0.0.0/33\": write a prefix from 0 to 32 after the /",
		"t.yaml:7:55: networks: \"10.0.0.1/8\" has bits set beyond its prefix: write 10.0.0.0/8 for the "
		"network or "
		"10.0.0.1 for the one address",
		"t.yaml:9:13: name: \"a b\" is no name: write 1 to 64 letters, digits, dots, hyphens or underscores",
		"t.yaml:9:36: hosts: \"b\" lacks a port: write host:port, as in b:25",
		"t.yaml:11:7: unknown key \"recipent\"; did you mean \"recipient\"?",
	};
	struct config_problems problems;
	size_t count = sizeof(expected) / sizeof(expected[0]);

	CHECK(config_parse("t.yaml", text, strlen(text), &problems) == NULL);
	CHECK_EQ(problems.errors, count);
	CHECK_EQ(problems.warnings, 0);
	for (size_t i = 0; i < count && i < problems.count; i++)
		CHECK_STR(problems.list[i].text, expected[i]);
}

/* Allowed, and probably not meant. */
static void test_warnings(void)
{
	static const char text[] =
		"clients:\n"
		"  - { name: lan, networks: [10.0.0.0/8, 10.1.0.0/16] }\n"
		"  - { name: printers, networks: [10.20.0.0/16, 192.0.2.1] }\n"
		"  - { name: rest, networks: [0.0.0.0/0, \"2000::/3\"] }\n" LISTENERS HOST DESTINATIONS ROUTES;
	static const char *const expected[] = {
		"t.yaml:3:34: warning: networks: never used for \"printers\": the client \"lan\" before it has these "
		"addresses",
		"t.yaml:4:30: warning: networks: 0.0.0.0/0 is everybody: an open relay, which others will find and use "
		"to "
		"send in your name: write your own networks",
		"t.yaml:4:41: warning: networks: 2000::/3 is more than any one site's addresses: all of them may relay",
	};
	struct config_problems problems;
	struct config *c = config_parse("t.yaml", text, strlen(text), &problems);

	CHECK(c != NULL);
	CHECK_EQ(problems.errors, 0);
	CHECK_EQ(problems.warnings, 3);
	for (unsigned i = 0; i < problems.count && i < 3; i++)
		CHECK_STR(problems.list[i].text, expected[i]);
	config_free(c);
}

/* More mistakes than there is room for are counted; errors come before warnings. */
static void test_too_many_problems(void)
{
	enum { LINES = 3 * CONFIG_PROBLEMS_MAX };
	char text[LINES * 64] = "listeners:\n";
	struct config_problems problems;
	unsigned listed = 0;

	for (unsigned i = 0; i < LINES; i++)
		strcat(text, "  - { name: x y, address: \"127.0.0.1:25\" }\n");
	CHECK(config_parse("t.yaml", text, strlen(text), &problems) == NULL);
	CHECK_EQ(problems.count, 5); /* too many listeners, and four keys are missing */
	strcpy(text, "clients:\n");
	for (unsigned i = 0; i < LINES; i++)
		strcat(text, "  - { name: x y, networks: [0.0.0.0/0] }\n");
	CHECK(config_parse("t.yaml", text, strlen(text), &problems) == NULL);
	CHECK_EQ(problems.count, CONFIG_PROBLEMS_MAX);
	CHECK_EQ(problems.errors, LINES + 4);
	CHECK_EQ(problems.warnings, LINES);
	for (unsigned i = 0; i < problems.count; i++)
		listed += !problems.list[i].warning;
	CHECK_EQ(listed, CONFIG_PROBLEMS_MAX);
}

static void test_byte_order_mark(void)
{
	struct config *c = parse("\xef\xbb\xbf" ALL);

	CHECK(c != NULL);
	config_free(c);
}

static void test_defaults(void)
{
	struct config *c = parse(ALL);

	if (c == NULL)
		return;
	CHECK_STR(c->file, "t.yaml");
	CHECK_STR(c->hostname, "relay.example.org");
	CHECK(c->shards >= 1 && c->shards <= CONFIG_SHARDS_MAX);
	CHECK(c->shards <= (unsigned)sysconf(_SC_NPROCESSORS_CONF));
	CHECK_STR(c->spool.directory, "/var/lib/postrider");
	CHECK_EQ(c->spool.size_max, 20 * 1024 * MIB);
	CHECK_EQ(c->spool.message_size_max, 150 * MIB);
	CHECK_EQ(c->spool.segment_size, 64 * MIB);
	CHECK_EQ(c->spool.memory_max, 256 * MIB);
	CHECK_EQ(c->clients[0].connections_max, 0);
	CHECK_EQ(c->retry.first_ns, 30 * S);
	CHECK_EQ(c->retry.max_ns, 4 * 3600 * S);
	CHECK_EQ(c->retry.expire_ns, 5 * 86400 * S);
	CHECK(c->retry.factor == 2);
	CHECK_EQ(c->limits.connections, 10000);
	CHECK_EQ(c->limits.connections_per_client, 0);
	CHECK_EQ(c->limits.recipients_per_message, 1000);
	CHECK_EQ(c->limits.errors_per_session, 20);
	CHECK_EQ(c->limits.future_release_ns, 0);
	CHECK_EQ(c->timeouts.command_ns, 300 * S);
	CHECK_EQ(c->timeouts.data_ns, 1800 * S);
	CHECK_EQ(c->timeouts.connect_ns, 30 * S);
	CHECK_EQ(c->timeouts.greeting_ns, 300 * S);
	CHECK_EQ(c->timeouts.reply_ns, 300 * S);
	CHECK_EQ(c->timeouts.data_reply_ns, 600 * S);
	CHECK_EQ(c->timeouts.drain_ns, 30 * S);
	CHECK_EQ(c->stats_interval_ns, 60 * S);
	CHECK(c->log_sessions && c->log_messages && c->log_journal);
	config_free(c);
}

static void test_destination_defaults(void)
{
	struct config *c = parse(ALL);

	if (c == NULL)
		return;
	const struct config_destination *d = &c->destinations[0];
	CHECK_EQ(c->destination_count, 1);
	CHECK_EQ(d->host_count, 1);
	CHECK_STR(d->hosts[0].text, "mail.example.org:25");
	CHECK_STR(d->hosts[0].name, "mail.example.org");
	CHECK_EQ(d->hosts[0].port, 25);
	CHECK(!d->hosts[0].numeric);
	CHECK_EQ(d->tls_mode, CONFIG_TLS_VERIFY);
	CHECK(!d->tls_implicit);
	CHECK(d->ca_file == NULL && d->certificate == NULL && d->private_key == NULL && d->server_name == NULL);
	CHECK_EQ(d->connections, 20);
	CHECK_EQ(d->messages_per_connection, 0);
	CHECK_EQ(d->connection_age_ns, 600 * S);
	CHECK_EQ(d->messages_in_flight, 4096);
	CHECK(d->ignored_extensions == 0 && !d->pipeline_across_messages && d->eight_bit == CONFIG_EIGHT_BIT_CONVERT);
	CHECK_EQ(d->recipients_per_message, 100);
	CHECK(!config_limited(&d->limits) && d->limits.pacing == CONFIG_PACING_EVEN);
	CHECK_EQ(d->idle_timeout_ns, 30 * S);
	CHECK_EQ(c->route_count, 1);
	CHECK(c->routes[0].recipient == NULL);
	CHECK_EQ(c->routes[0].destination, 0);
	config_free(c);
}

/* What each shard cannot do without is part of memory_max, so the default follows their number. */
static void test_memory_of_shards(void)
{
	static const struct {
		const char *text;
		uint64_t memory_max;
	} rows[] = {
		{"shards: 1\n" ALL, 256 * MIB},
		{"shards: 16\n" ALL, 256 * MIB},
		{"shards: 64\n" ALL, 1024 * MIB},
		{"shards: 2\nspool: { memory_max: 32MiB }\n" ALL, 32 * MIB},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *c = parse(rows[i].text);
		if (c != NULL)
			CHECK_EQ(c->spool.memory_max, rows[i].memory_max);
		config_free(c);
	}
}

/* Every top-level value differs from its default. */
static void test_every_scalar(void)
{
	struct config *c =
		parse("shards: 3\n"
		      "hostname: mx-1.example.org\n"
		      "spool: { directory: /srv/spool, size_max: 1GiB, message_size_max: 10240KiB,\n"
		      "         segment_size: 16MiB, memory_max: 1TiB }\n"
		      "limits: { connections: 1, connections_per_client: 2, recipients_per_message: 3, "
		      "errors_per_session: 4, future_release: 7d }\n"
		      "timeouts: { command: 1s, data: 2m, connect: 3s, greeting: 90s, reply: 4m, data_reply: 1h, "
		      "drain: 0 }\n"
		      "log: { stats_interval: 0, sessions: off, messages: No, journal: no }\n"
		      "retry: { first: 1500ms, factor: 1.5, max: 1h, expire: 30d, warn_after: off }\n" LISTENERS CLIENTS
			      DESTINATIONS ROUTES);

	if (c == NULL)
		return;
	CHECK_EQ(c->shards, 3);
	CHECK_STR(c->hostname, "mx-1.example.org");
	CHECK_STR(c->spool.directory, "/srv/spool");
	CHECK_EQ(c->spool.size_max, 1024 * MIB);
	CHECK_EQ(c->spool.message_size_max, 10 * MIB);
	CHECK_EQ(c->spool.segment_size, 16 * MIB);
	CHECK_EQ(c->spool.memory_max, 1024 * 1024 * MIB);
	CHECK_EQ(c->limits.connections, 1);
	CHECK_EQ(c->limits.connections_per_client, 2);
	CHECK_EQ(c->limits.recipients_per_message, 3);
	CHECK_EQ(c->limits.errors_per_session, 4);
	CHECK_EQ(c->limits.future_release_ns, UINT64_C(7) * 86400 * 1000000000);
	CHECK_EQ(c->timeouts.command_ns, S);
	CHECK_EQ(c->timeouts.data_ns, 120 * S);
	CHECK_EQ(c->timeouts.connect_ns, 3 * S);
	CHECK_EQ(c->timeouts.greeting_ns, 90 * S);
	CHECK_EQ(c->timeouts.reply_ns, 240 * S);
	CHECK_EQ(c->timeouts.data_reply_ns, 3600 * S);
	CHECK_EQ(c->timeouts.drain_ns, 0);
	CHECK_EQ(c->stats_interval_ns, 0);
	CHECK(!c->log_sessions && !c->log_messages && !c->log_journal);
	CHECK_EQ(c->retry.first_ns, 3 * S / 2);
	CHECK(c->retry.factor == 1.5);
	CHECK_EQ(c->retry.max_ns, 3600 * S);
	CHECK_EQ(c->retry.expire_ns, 30 * 86400 * S);
	config_free(c);
}

/* The index of the client an address belongs to, or -1. */
static int client_of(const struct config *config, const char *address)
{
	struct ring_address peer;

	CHECK(address_text_numeric(address, 4711, &peer));
	return client_index_find(config->index, &(struct client_question){.address = &peer});
}

static void test_name_servers(void)
{
	static const char *const expected[] = {"192.0.2.53@53", "192.0.2.53@5353", "2001:db8::53@53",
					       "2001:db8::53@5353"};
	struct config *c =
		parse("dns: { servers: [192.0.2.53, \"192.0.2.53:5353\", \"2001:db8::53\", "
		      "\"[2001:db8::53]:5353\"], dnssec: validate, trust_anchor: /etc/hosts }\n" HOST LISTENERS CLIENTS
			      DESTINATIONS ROUTES);

	if (c == NULL)
		return;
	CHECK_EQ(c->dns.server_count, 4);
	for (size_t i = 0; i < 4; i++)
		CHECK_STR(c->dns.servers[i], expected[i]);
	CHECK_EQ(c->dns.dnssec, CONFIG_DNSSEC_VALIDATE);
	CHECK_STR(c->dns.trust_anchor, "/etc/hosts");
	config_free(c);
}

static void test_listeners_and_clients(void)
{
	struct config *c =
		parse("listeners:\n"
		      "  - { name: lan, address: \"0.0.0.0:25\", tls: off, auth: false }\n"
		      "  - { address: \"[::1]:2525\", name: six.2 }\n"
		      "clients:\n"
		      "  - { name: printers, networks: [10.20.0.0/16, 192.0.2.1], line_endings: reject,\n"
		      "      syntax: strict, default_domain: example.org, add_missing_headers: no,\n"
		      "      weight: 4, priority: high, limits: { connections: 10, messages_per_minute: 0 } }\n"
		      "  - { name: six, networks: [\"2001:db8::/32\"], line_endings: any, long_lines: wrap }\n" HOST
			      DESTINATIONS ROUTES);

	if (c == NULL)
		return;
	CHECK_EQ(c->clients[0].quirks, 0);
	CHECK_EQ(c->clients[1].quirks, QUIRK_LINE_ENDINGS | QUIRK_ANY_ENDINGS | QUIRK_LONG_LINES);
	CHECK_EQ(c->listener_count, 2);
	CHECK_STR(c->listeners[0].name, "lan");
	CHECK_STR(c->listeners[0].address_text, "0.0.0.0:25");
	CHECK_EQ(c->listeners[0].address.any.sa_family, AF_INET);
	CHECK_EQ(ntohs(c->listeners[0].address.v4.sin_port), 25);
	CHECK_STR(c->listeners[1].name, "six.2");
	CHECK_EQ(c->listeners[1].address.any.sa_family, AF_INET6);
	CHECK_EQ(ntohs(c->listeners[1].address.v6.sin6_port), 2525);
	CHECK_EQ(c->client_count, 2);
	CHECK_STR(c->clients[0].name, "printers");
	CHECK_EQ(c->clients[0].connections_max, 10);
	CHECK_EQ(c->clients[0].weight, 4);
	CHECK_EQ(c->clients[0].priority, CONFIG_PRIORITY_HIGH);
	CHECK_EQ(c->clients[1].priority, CONFIG_PRIORITY_NORMAL);
	CHECK_EQ(c->clients[0].syntax, CONFIG_SYNTAX_STRICT);
	CHECK_STR(c->clients[0].default_domain, "example.org");
	CHECK_EQ(c->clients[1].syntax, CONFIG_SYNTAX_TOLERANT);
	CHECK(c->clients[1].default_domain == NULL);
	CHECK_EQ(c->clients[0].network_count, 2);
	CHECK_EQ(client_of(c, "10.20.255.1"), 0);
	CHECK_EQ(client_of(c, "192.0.2.1"), 0);
	CHECK_EQ(client_of(c, "10.21.0.1"), -1);
	CHECK_EQ(client_of(c, "192.0.2.2"), -1);
	CHECK_STR(c->clients[1].name, "six");
	CHECK_EQ(client_of(c, "2001:db8::25"), 1);
	CHECK_EQ(client_of(c, "2001:db9::25"), -1);
	config_free(c);
}

/* A directory with files, removed by files_remove(). */
struct files {
	char directory[64], config[96];
};

static const char *const file_names[] = {"ca.pem", "relay.crt", "relay.key", "t.yaml", "devices"};

static void files_write(const struct files *files, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", files->directory, name);
	FILE *file = fopen(path, "w");
	CHECK(file != NULL);
	if (file != NULL) {
		CHECK(fputs(text, file) >= 0);
		fclose(file);
	}
}

static void files_make(struct files *files)
{
	snprintf(files->directory, sizeof(files->directory), "test_config.XXXXXX");
	CHECK(mkdtemp(files->directory) != NULL);
	snprintf(files->config, sizeof(files->config), "%s/t.yaml", files->directory);
	for (size_t i = 0; i < 3; i++)
		files_write(files, file_names[i], "");
}

static void files_remove(const struct files *files)
{
	char path[128];

	for (size_t i = 0; i < sizeof(file_names) / sizeof(file_names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", files->directory, file_names[i]);
		unlink(path);
	}
	CHECK_EQ(rmdir(files->directory), 0);
}

static void check_path(const struct files *files, const char *actual, const char *name)
{
	char expected[128];

	snprintf(expected, sizeof(expected), "%s/%s", files->directory, name);
	CHECK(actual != NULL);
	if (actual != NULL)
		CHECK_STR(actual, expected);
}

static const char destinations_text[] =
	"routes:\n"
	"  - { recipient: \"*@partner.example\", destination: partner }\n"
	"  - { recipient: boss@example.org, destination: plain }\n"
	"  - { recipient: \"*@*.example.net\", destination: smtps }\n"
	"  - { sender: \"<>\", client: all, listener: lan, size: 25MiB, destination: mixed }\n"
	"  - { sender: \"*@x.example\", refuse: \"not from here\" }\n"
	"  - { destination: office365 }\n"
	"destinations:\n"
	"  - name: office365\n"
	"    hosts: [\"a.example.com:25\", \"192.0.2.7:2525\"]\n"
	"    tls: { mode: verify, ca_file: ca.pem, certificate: relay.crt, private_key: relay.key,\n"
	"           server_name: mail.example.com, implicit: no }\n"
	"    auth: off\n"
	"    mx: false\n"
	"    idle_timeout: 5s\n"
	"    ignore_extensions: [CHUNKING, 8BITMIME, CHUNKING]\n"
	"    eight_bit: send\n"
	"    pipeline_across_messages: true\n"
	"    limits: { connections: 3, messages_per_connection: 0, messages_in_flight: 1024,\n"
	"              messages_per_minute: 30, messages_per_hour: 1000, octets_per_minute: 10MiB,\n"
	"              recipients_per_message: 500, recipients_per_day: 10000 }\n"
	"    pacing: burst\n"
	"  - { name: partner, hosts: [\"[2001:db8::25]:25\"], tls: { mode: required } }\n"
	"  - { name: plain, hosts: [\"127.0.0.1:465\"], tls: { mode: none } }\n"
	"  - { name: smtps, hosts: [\"a:465\", \"b:465\"] }\n"
	"  - { name: mixed, hosts: [\"a:465\", \"b:25\"] }\n"
	"  - { name: explicit, hosts: [\"a:25\"], tls: { implicit: true } }\n" HOST LISTENERS CLIENTS;

static void check_office365(const struct files *files, const struct config_destination *d)
{
	CHECK_STR(d->name, "office365");
	CHECK_EQ(d->host_count, 2);
	CHECK_STR(d->hosts[1].text, "192.0.2.7:2525");
	CHECK_STR(d->hosts[1].name, "192.0.2.7");
	CHECK_EQ(d->hosts[1].port, 2525);
	CHECK(d->hosts[1].numeric && !d->hosts[0].numeric);
	CHECK_EQ(ntohs(d->hosts[1].address.v4.sin_port), 2525);
	CHECK_EQ(ntohl(d->hosts[1].address.v4.sin_addr.s_addr), 0xc0000207);
	CHECK_EQ(d->tls_mode, CONFIG_TLS_VERIFY);
	CHECK(!d->tls_implicit);
	check_path(files, d->ca_file, "ca.pem");
	check_path(files, d->certificate, "relay.crt");
	check_path(files, d->private_key, "relay.key");
	CHECK_STR(d->server_name, "mail.example.com");
	CHECK_EQ(d->connections, 3);
	CHECK_EQ(d->messages_per_connection, 0);
	CHECK_EQ(d->messages_in_flight, 1024);
	CHECK_EQ(d->recipients_per_message, 500);
	CHECK_EQ(d->limits.messages_per_minute, 30);
	CHECK_EQ(d->limits.messages_per_hour, 1000);
	CHECK_EQ(d->limits.octets_per_minute, 10 << 20);
	CHECK_EQ(d->limits.recipients_per_day, 10000);
	CHECK_EQ(d->limits.pacing, CONFIG_PACING_BURST);
	CHECK_EQ(d->idle_timeout_ns, 5 * S);
	CHECK_EQ(d->ignored_extensions, CONFIG_CHUNKING | CONFIG_8BITMIME);
	CHECK_EQ(d->eight_bit, CONFIG_EIGHT_BIT_SEND);
	CHECK(d->pipeline_across_messages);
}

/* From a file: relative paths, destinations named before they are described, TLS in all its forms. */
static void test_destinations(void)
{
	struct config_problems problems;
	struct files files;

	files_make(&files);
	files_write(&files, "t.yaml", destinations_text);
	struct config *c = config_load(files.config, &problems);
	CHECK_STR(config_problems_first(&problems), "");
	if (c != NULL) {
		CHECK_STR(c->file, files.config);
		CHECK_EQ(c->destination_count, 6);
		check_office365(&files, &c->destinations[0]);
		CHECK_STR(c->destinations[1].hosts[0].name, "2001:db8::25");
		CHECK_EQ(c->destinations[1].hosts[0].address.any.sa_family, AF_INET6);
		CHECK_EQ(c->destinations[1].tls_mode, CONFIG_TLS_REQUIRED);
		CHECK_EQ(c->destinations[2].tls_mode, CONFIG_TLS_NONE);
		CHECK(!c->destinations[2].tls_implicit);
		CHECK(c->destinations[3].tls_implicit);
		CHECK(!c->destinations[4].tls_implicit);
		CHECK(c->destinations[5].tls_implicit);
		CHECK_EQ(c->route_count, 6);
		CHECK_STR(c->routes[0].recipient, "*@partner.example");
		CHECK_EQ(c->routes[0].destination, 1);
		CHECK_STR(c->routes[1].recipient, "boss@example.org");
		CHECK_EQ(c->routes[1].destination, 2);
		CHECK_STR(c->routes[2].recipient, "*@*.example.net");
		CHECK_EQ(c->routes[2].destination, 3);
		CHECK_STR(c->routes[3].sender, "<>");
		CHECK_EQ(c->routes[3].client, 1);
		CHECK_EQ(c->routes[3].listener, 1);
		CHECK_EQ(c->routes[3].size, 25 << 20);
		CHECK_EQ(c->routes[3].destination, 4);
		CHECK_STR(c->routes[4].refuse, "not from here");
		CHECK(c->routes[5].recipient == NULL && c->routes[5].client == 0 && c->routes[5].listener == 0);
		CHECK_EQ(c->routes[5].destination, 0);
	}
	config_free(c);
	files_remove(&files);
}

#define CLIENT_OF_FILE "clients: [{ name: devices, networks_file: devices }, { name: rest, networks: [10.0.0.0/8] }]\n"

/* A client's networks in a file of their own: right ones, and where a wrong one stands. */
static void test_networks_file(void)
{
	static const struct {
		const char *networks, *problem; /* behind the directory's name; NULL: it is right */
	} rows[] = {
		{"10.20.0.0/16\n192.0.2.1\n", NULL},
		{"\xef\xbb\xbf# all of them\r\n\r\n\t10.20.0.0/16 # first floor\r\n192.0.2.1", NULL},
		{"192.0.2.1\n10.20.0.0/8\n", "/devices:2:1: \"10.20.0.0/8\" has bits set beyond its prefix: write "
					     "10.0.0.0/8 for the network or 10.20.0.0 "
					     "for the one address"},
		{"192.0.2.1\n\n  printer-7.example.org\n", "/devices:3:3: \"printer-7.example.org\" is no network: "
							   "write a network such as 10.20.0.0/16 or 2001:db8::/32"},
		{"192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7\n",
		 "/devices:1:1: no network: write one a line, such as 10.20.0.0/16"},
		{"# none yet\n", "/t.yaml:1:43: networks_file: there is no network in "},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_problems problems;
		struct files files;
		files_make(&files);
		files_write(&files, "t.yaml", CLIENT_OF_FILE LISTENERS HOST DESTINATIONS ROUTES);
		files_write(&files, "devices", rows[i].networks);
		struct config *c = config_load(files.config, &problems);
		size_t skip = strlen(files.directory);
		if (rows[i].problem) {
			CHECK(c == NULL);
			CHECK(strncmp(config_problems_first(&problems) + skip, rows[i].problem,
				      strlen(rows[i].problem)) == 0);
		} else if (c) {
			CHECK_EQ(c->clients[0].network_count, 2);
			CHECK_EQ(client_of(c, "10.20.1.2"), 0);
			CHECK_EQ(client_of(c, "192.0.2.1"), 0);
			CHECK_EQ(client_of(c, "10.21.1.2"), 1);
		} else {
			CHECK_STR(config_problems_first(&problems), "");
		}
		config_free(c);
		files_remove(&files);
	}
}

/* Large sites have an entry for each device. The last of them is found like the first. */
static void test_many_clients(void)
{
	enum { MANY = 100000, LINE_MAX_OCTETS = 100 };
	static const char rest[] = LISTENERS HOST DESTINATIONS ROUTES "clients:\n";
	size_t size = sizeof(rest) + MANY * LINE_MAX_OCTETS;
	char *text = malloc(size);
	struct config_problems problems;
	char name[32];

	size_t length = (size_t)snprintf(text, size, "%s", rest);
	for (unsigned i = 0; i < MANY; i++)
		length += (size_t)snprintf(
			text + length, size - length,
			"  - { name: device-%u, networks: [10.%u.%u.%u], limits: { connections: 2 } }\n", i, i >> 16,
			i >> 8 & 255, i & 255);
	struct config *c = config_parse("t.yaml", text, length, &problems);
	free(text);
	CHECK_STR(config_problems_first(&problems), "");
	if (c == NULL)
		return;
	CHECK_EQ(c->client_count, MANY);
	CHECK_EQ(client_of(c, "10.0.0.0"), 0);
	CHECK_EQ(client_of(c, "10.1.134.159"), MANY - 1);
	CHECK_EQ(client_of(c, "10.1.134.160"), -1);
	snprintf(name, sizeof(name), "device-%u", MANY - 1);
	CHECK_STR(c->clients[MANY - 1].name, name);
	config_free(c);
}

/* The usual largest message does not fit a small spool; one that is written is not touched. */
static void test_small_spool(void)
{
	struct config *c = parse("shards: 1\nspool: { size_max: 64MiB, segment_size: 16MiB }\n" ALL);

	if (c != NULL)
		CHECK_EQ(c->spool.message_size_max, 16 * MIB);
	config_free(c);
	c = parse("shards: 1\nspool: { size_max: 64MiB, segment_size: 16MiB, message_size_max: 1KiB }\n" ALL);
	if (c != NULL)
		CHECK_EQ(c->spool.message_size_max, 1024);
	config_free(c);
}

/* Without the key the machine's own name counts, where it is a full one. */
static void test_own_hostname(void)
{
	static const char text[] = LISTENERS CLIENTS DESTINATIONS ROUTES;
	char name[256] = "", expected[512];
	struct config_problems problems;

	CHECK_EQ(gethostname(name, sizeof(name) - 1), 0);
	struct config *c = config_parse("t.yaml", text, strlen(text), &problems);
	if (scalar_qualified_name_valid(name)) {
		CHECK(c != NULL);
		if (c != NULL)
			CHECK_STR(c->hostname, name);
	} else {
		snprintf(expected, sizeof(expected),
			 "t.yaml:1:1: the key \"hostname\" is missing, and this machine's own name \"%.80s\" "
			 "is not "
			 "fully qualified: write hostname: relay.example.org",
			 name);
		CHECK(c == NULL);
		CHECK_STR(config_problems_first(&problems), expected);
	}
	config_free(c);
}

static void test_load_problems(void)
{
	struct config_problems problems;
	struct files files;

	CHECK(config_load("no-such-file.yaml", &problems) == NULL);
	CHECK_STR(config_problems_first(&problems),
		  "no-such-file.yaml:1:1: the file cannot be opened: No such file or directory");
	CHECK(config_load("/", &problems) == NULL);
	CHECK_STR(config_problems_first(&problems), "/:1:1: the file cannot be read: Is a directory");
	CHECK(config_load("/dev/zero", &problems) == NULL);
	CHECK_STR(config_problems_first(&problems), "/dev/zero:1:1: the file cannot be read: File too large");

	files_make(&files);
	files_write(&files, "t.yaml", "hostname: relay\n" LISTENERS CLIENTS DESTINATIONS ROUTES);
	CHECK(config_load(files.config, &problems) == NULL);
	CHECK(strncmp(config_problems_first(&problems), files.config, strlen(files.config)) == 0);
	CHECK_STR(config_problems_first(&problems) + strlen(files.config),
		  ":1:11: hostname: \"relay\" is no fully qualified name: write one as in relay.example.org");
	files_remove(&files);
}

/* A file that cannot be read by this process is found when it is named, not when it is needed. */
static void test_unreadable_file(void)
{
	static const char text[] =
		"destinations: [{ name: next, hosts: [\"a:25\"], tls: { ca_file: ca.pem } }]\n" HOST LISTENERS CLIENTS
			ROUTES;
	struct config_problems problems;
	struct files files;
	char path[128], expected[512];

	files_make(&files);
	snprintf(path, sizeof(path), "%s/ca.pem", files.directory);
	CHECK_EQ(chmod(path, 0), 0);
	struct config *c = config_parse(files.config, text, strlen(text), &problems);
	if (geteuid() == 0) {
		CHECK(c != NULL); /* The superuser may read everything. */
	} else {
		snprintf(expected, sizeof(expected), "%s:1:63: ca_file: %s: Permission denied", files.config, path);
		CHECK(c == NULL);
		CHECK_STR(config_problems_first(&problems), expected);
	}
	config_free(c);
	files_remove(&files);
}

/* The packaged sample is right as it stands, but for the certificates, which every site makes itself. */
static void test_sample(void)
{
	static const char from[] = "/etc/postrider/";
	const char *path = getenv("POSTRIDER_SAMPLE");
	char text[32768], replaced[32768];
	struct config_problems problems;
	struct files files;

	FILE *file = fopen(path != NULL ? path : "dist/postrider.yaml", "r");
	CHECK(file != NULL);
	if (file == NULL)
		return;
	size_t length = fread(text, 1, sizeof(text) - 1, file);
	text[length] = '\0';
	fclose(file);
	CHECK(strstr(text, from) != NULL);
	/* "/etc/postrider/relay.crt" becomes "relay.crt", beside the file. */
	size_t kept = 0;
	for (const char *p = text; *p != '\0';) {
		if (strncmp(p, from, strlen(from)) == 0)
			p += strlen(from);
		else
			replaced[kept++] = *p++;
	}
	replaced[kept] = '\0';
	files_make(&files);
	files_write(&files, "t.yaml", replaced);
	struct config *c = config_load(files.config, &problems);
	CHECK_STR(config_problems_first(&problems), "");
	CHECK(c != NULL);
	if (c != NULL) {
		check_path(&files, c->destinations[0].certificate, "relay.crt");
		check_path(&files, c->destinations[0].private_key, "relay.key");
		CHECK_EQ(c->destinations[0].tls_mode, CONFIG_TLS_VERIFY);
	}
	config_free(c);
	files_remove(&files);
}

static void test_distance(void)
{
	static const struct {
		const char *a, *b;
		unsigned distance;
	} rows[] = {
		{"", "", 0},         {"a", "", 1},           {"abc", "abc", 0},
		{"abc", "abd", 1},   {"abc", "acb", 1},      {"abc", "bc", 1},
		{"abc", "xabc", 1},  {"abcd", "bad", 2},     {"kitten", "sitting", 3},
		{"abcd", "wxyz", 4}, {"a", "abcdefghij", 4},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK_EQ(scalar_distance(rows[i].a, rows[i].b), rows[i].distance);
		CHECK_EQ(scalar_distance(rows[i].b, rows[i].a), rows[i].distance);
	}
}

static void test_quantities(void)
{
	uint64_t value = 7;
	char text[32];

	CHECK_EQ(scalar_quantity(SCALAR_SIZE, "18446744073709551615B", &value), SCALAR_OK);
	CHECK(value == UINT64_MAX);
	CHECK_EQ(scalar_quantity(SCALAR_SIZE, "18446744073709551616B", &value), SCALAR_OVERFLOW);
	CHECK_EQ(scalar_quantity(SCALAR_SIZE, "16777215TiB", &value), SCALAR_OK);
	CHECK_EQ(scalar_quantity(SCALAR_SIZE, "16777216TiB", &value), SCALAR_OVERFLOW);
	CHECK_EQ(scalar_quantity(SCALAR_SIZE, "0", &value), SCALAR_OK);
	CHECK_EQ(value, 0);
	value = 7;
	CHECK_EQ(scalar_quantity(SCALAR_DURATION, "MiB", &value), SCALAR_SYNTAX);
	CHECK_EQ(scalar_quantity(SCALAR_DURATION, "00", &value), SCALAR_SYNTAX);
	CHECK_EQ(scalar_quantity(SCALAR_DURATION, "1h30m", &value), SCALAR_SYNTAX);
	CHECK_EQ(scalar_quantity(SCALAR_DURATION, "30S", &value), SCALAR_UNKNOWN_UNIT);
	CHECK_EQ(value, 7);
	scalar_quantity_format(SCALAR_DURATION, 90 * S, text, sizeof(text));
	CHECK_STR(text, "90s");
	scalar_quantity_format(SCALAR_DURATION, 86400 * S, text, sizeof(text));
	CHECK_STR(text, "1d");
	scalar_quantity_format(SCALAR_SIZE, 1536 * MIB, text, sizeof(text));
	CHECK_STR(text, "1536MiB");
}

static void test_names(void)
{
	char label[66], name[300] = "";

	memset(label, 'a', 65);
	label[64] = '\0';
	CHECK(scalar_name_valid(label) && !scalar_host_name_valid(label));
	label[63] = '\0';
	CHECK(scalar_host_name_valid(label));
	for (int i = 0; i < 3; i++)
		strcat(strcat(name, label), ".");
	label[61] = '\0';
	strcat(name, label);
	CHECK_EQ(strlen(name), 253);
	CHECK(scalar_qualified_name_valid(name));
	CHECK(!scalar_host_name_valid(strcat(name, "a")));
	CHECK(!scalar_host_name_valid("") && !scalar_host_name_valid("a.") && !scalar_host_name_valid(".a"));
	CHECK(!scalar_host_name_valid("-a") && !scalar_host_name_valid("a-") && scalar_host_name_valid("a-b_c"));
	CHECK(scalar_recipient_valid("\"a@b\"@example.org") && !scalar_recipient_valid("a b@example.org"));
	CHECK(!scalar_recipient_valid("@example.org") && !scalar_recipient_valid("*@*") &&
	      !scalar_recipient_valid("*@*.") && !scalar_recipient_valid("a@"));
}

int main(void)
{
	RUN(test_problems);
	RUN(test_all_problems);
	RUN(test_warnings);
	RUN(test_too_many_problems);
	RUN(test_byte_order_mark);
	RUN(test_defaults);
	RUN(test_destination_defaults);
	RUN(test_memory_of_shards);
	RUN(test_every_scalar);
	RUN(test_name_servers);
	RUN(test_listeners_and_clients);
	RUN(test_destinations);
	RUN(test_networks_file);
	RUN(test_many_clients);
	RUN(test_small_spool);
	RUN(test_own_hostname);
	RUN(test_load_problems);
	RUN(test_unreadable_file);
	RUN(test_sample);
	RUN(test_distance);
	RUN(test_quantities);
	RUN(test_names);
	return check_end();
}
