/*
 * tests/sim/rig_config.c - the rig's configuration, from its options (relay_rig.h).
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/relay_rig.h"
#include "tests/sim/sim.h"

static const char rig_yaml[] =
	"hostname: relay.example\n"
	"shards: %u\n"
	"spool: { directory: /spool, size_max: %uMiB, segment_size: 4MiB, message_size_max: 8MiB }\n"
	"listeners: [%s%s%s]\n"
	"clients: [%s]\n"
	"destinations:\n"
	"  - { name: one, hosts: [%s], %s, limits: { connections: %u, "
	"messages_in_flight: %u, recipients_per_message: %u%s }, pacing: %s }\n"
	"  - { name: two, hosts: [\"127.0.0.1:3002\"], tls: { mode: none }, limits: { connections: %u, "
	"messages_in_flight: %u, recipients_per_message: %u } }\n"
	"%s"
	"routes: [{ recipient: \"*@a.example\", destination: one }, %s{ destination: two }]\n"
	"retry: %s\n"
	"limits: { errors_per_session: 1000%s }\n"
	"log: { stats_interval: 0 }\n"
	"%s\n";

/* As long as "two", which is what it is called before the first reload. */
static void name_of(char out[4], unsigned n)
{
	if (n == 0)
		snprintf(out, 4, "two");
	else
		snprintf(out, 4, "n%c%c", 'a' + n / 26 % 26, 'a' + n % 26);
}

static const char *names_before(const struct rig_options *o)
{
	static char text[8192];
	size_t length = 0;
	char name[4];

	text[0] = '\0';
	for (unsigned n = 0; o->all_names && n < o->name; n++) {
		name_of(name, n);
		length +=
			(size_t)snprintf(text + length, sizeof(text) - length,
					 "  - { name: %s, hosts: [\"127.0.0.1:3002\"], tls: { mode: none } }\n", name);
	}
	return text;
}

struct config *rig_config(const struct rig *rig, unsigned shards)
{
	const struct rig_options *o = &rig->options;
	unsigned connections = o->connections ? o->connections : 4, in_flight = o->in_flight ? o->in_flight : 16;
	unsigned each = o->each ? o->each : 100;
	static struct config_problems problems;
	static char text[16384];
	char name[4];
	int n = snprintf(text, sizeof(text), rig_yaml, shards, o->size_mib ? o->size_mib : 128,
			 o->listeners ? o->listeners : "{ name: lan, address: \"127.0.0.1:2525\" }",
			 o->second_listener ? ", { name: more, address: \"127.0.0.1:2526\" }" : "",
			 o->taken_port ? ", { name: taken, address: \"127.0.0.1:3002\" }" : "",
			 o->relaying ? o->relaying : "{ name: all, networks: [127.0.0.0/8] }",
			 o->hosts ? o->hosts : "\"127.0.0.1:3001\"",
			 o->signing_in ? o->signing_in : "tls: { mode: none }", connections, in_flight, each,
			 o->limits ? o->limits : "", o->pacing ? o->pacing : "even", connections, in_flight, each,
			 names_before(o), o->gone ? "{ recipient: \"*@client.example\", destination: one }, " : "",
			 o->retry ? o->retry : "{ first: 30s, factor: 2, max: 10m, expire: 5d }",
			 o->all_limits ? o->all_limits : "", o->more ? o->more : "");

	if (o->exchangers) {
		memcpy(strstr(text, "hosts: ["), "mx_of:  ", 8);
		*strchr(strstr(text, "mx_of:  "), ']') = ' ';
	}
	for (char *at = text; o->sites && (at = strstr(at, "hosts: [\"127.0.0.1:300"));)
		memcpy((char *)memcpy(at, "mx: true, mx_port: 300", 22) + 23, "  ", 2);
	if (o->gone) {
		memcpy(strstr(text, "name: two"), "name: new", 9);
		memset(strstr(text, ", { destination: two }"), ' ', 22);
	}
	if (o->name) {
		name_of(name, o->name);
		memcpy(strstr(text, "name: two") + 6, name, 3);
		memcpy(strstr(text, "destination: two") + 13, name, 3);
	}
	struct config *config = config_parse("rig.yaml", text, (size_t)n, &problems);
	if (!config)
		sim_bug("the rig's configuration: %s", config_problems_first(&problems));
	/* Less than the configuration would let three shards have: memory is to be short. */
	config->spool.memory_max = (uint64_t)(o->memory_mib ? o->memory_mib : 32) << 20;
	return config;
}
