/*
 * core/tools/route.c - see route.h. dist/postrider.8 has the form of --json.
 */
#include "core/tools/route.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/suppression_file.h"
#include "core/base/address_text.h"
#include "core/config/client_index.h"
#include "core/config/config.h"
#include "core/config/device_table.h"
#include "core/route/route.h"
#include "core/tools/route_dns.h"
#include "core/tools/sheet.h"
#include "core/tools/table.h"
#include "core/tools/trace_source.h"
#include "core/tools/written.h"

enum { STATUS_REFUSED = 1, STATUS_USAGE = 64, STATUS_OUTPUT = 74, STATUS_NOT_NOW = 75, STATUS_CONFIG = 78 };
enum { LABEL = 14, TEXT_MAX = 1024 };

struct route_options {
	const char *config_file, *recipient, *sender, *client, *user, *listener, *ip;
	uint64_t size;
	bool json, dns;
	const struct config *config;
	json_t *answer;       /* owned */
	bool refused, usable; /* `usable`: with --dns, mail could go to one of the hosts now */
};

static int usage(FILE *out, int status)
{
	fputs("usage: postrider route ADDRESS [--from SENDER] [--ip ADDRESS | --client NAME] [--user NAME]\n"
	      "                       [--listener NAME] [--size OCTETS] [--dns] [--json] [--config FILE]\n",
	      out);
	return status;
}

/* A fact for both, people and programs. */
__attribute__((format(printf, 3, 4))) static void say(struct route_options *o, const char *key, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	(void)json_object_set_new(o->answer, key, json_string(text));
	if (o->json)
		return;
	printf("%-*s", LABEL, key);
	sheet_words(span_text(text), LABEL);
}

__attribute__((format(printf, 2, 3))) static void refuse(struct route_options *o, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	sheet_colour(o->json ? SHEET_PLAIN : SHEET_RED);
	say(o, "refused", "%s", text);
	if (!o->json)
		sheet_colour(SHEET_PLAIN);
	o->refused = true;
}

/* ---- who -------------------------------------------------------------------------------------------------------- */

/* The listener's number, from 1; 0: none was said; -1: there is none of that name. */
static long listener_of(const struct route_options *o)
{
	for (size_t i = 0; o->listener && i < o->config->listener_count; i++) {
		if (strcmp(o->config->listeners[i].name, o->listener) == 0)
			return (long)i + 1;
	}
	return o->listener ? -1 : 0;
}

static long client_of_name(const struct route_options *o)
{
	for (size_t i = 0; i < o->config->client_count; i++) {
		if (strcmp(o->config->clients[i].name, o->client) == 0)
			return (long)i + 1;
	}
	return -1;
}

/* The entry that fits, as for a session. */
static long client_of_session(struct route_options *o, const struct ring_address *address, long listener)
{
	const struct device_table *devices = o->config->devices;
	int32_t device = devices ? device_table_of_address(devices, address) : -1;
	struct client_question question = {
		.address = address, .listener = listener > 0 ? (size_t)listener - 1 : 0, .user = o->user};

	if (devices && device < 0 && o->user)
		device = device_table_of_user(devices, o->user);
	question.device = device >= 0;
	if (device >= 0) {
		struct device found;
		device_table_get(devices, (size_t)device, &found);
		say(o, "device", "%s", found.name);
	}
	return client_index_find(o->config->index, &question) + 1;
}

static bool fits(char *const *patterns, size_t count, const char *address)
{
	for (size_t i = 0; i < count; i++) {
		if (route_address_matches(patterns[i], span_text(address)))
			return true;
	}
	return count == 0;
}

static void check_client(struct route_options *o, long number)
{
	const struct config_client *client = &o->config->clients[number - 1];
	const struct config_client_terms *terms = client->terms;

	say(o, "client", "%s%s%s", client->name, o->ip ? ": the first entry that fits " : "", o->ip ? o->ip : "");
	if (terms && !fits(terms->senders, terms->sender_count, o->sender))
		refuse(o, "553 5.7.1: allowed_senders of %s has no pattern for this sender", client->name);
	if (terms && !fits(terms->recipients, terms->recipient_count, o->recipient))
		refuse(o, "550 5.7.1: allowed_recipients of %s has no pattern for this recipient", client->name);
}

/* ---- suppressed ------------------------------------------------------------------------------------------------- */

struct listed {
	char name[SMTP_PATH_MAX];
	size_t length;
	enum suppression_reason reason;
};

static void look(void *context, const struct suppression_entry *entry)
{
	struct listed *l = context;

	if (entry->address.length == l->length && memcmp(entry->address.data, l->name, l->length) == 0)
		l->reason = entry->reason;
}

static void check_suppression(struct route_options *o, long client)
{
	const char *directory = o->config->suppression.directory;
	struct listed l = {.reason = SUPPRESSION_NONE};
	char path[PATH_MAX];
	int r;

	if (!directory)
		return;
	l.length = suppressed_name(span_text(o->recipient), l.name);
	snprintf(path, sizeof(path), "%s/suppressed", directory);
	r = suppression_list(path, look, &l);
	if (r < 0 && r != -ENOENT)
		say(o, "suppressed", "not known: %s: %s", path, strerror(-r));
	else if (l.reason == SUPPRESSION_NONE)
		say(o, "suppressed", "no");
	else
		say(o, "suppressed", "yes: %s", suppression_reason_name(l.reason));
	if (l.reason == SUPPRESSION_NONE || client <= 0)
		return;
	const char *name = o->config->clients[client - 1].name;
	if (config_suppression_use(o->config, name, strlen(name)) == CONFIG_SUPPRESSION_HONOUR)
		refuse(o, "550 5.1.1: the address is in the suppression list, which %s honours", name);
}

/* ---- where ------------------------------------------------------------------------------------------------------ */

static void say_tls(struct route_options *o, const struct config_destination *d)
{
	static const char *const modes[] = {
		[CONFIG_TLS_NONE] = "none: in clear",
		[CONFIG_TLS_OPPORTUNISTIC] = "opportunistic: where it can be had, else in clear",
		[CONFIG_TLS_REQUIRED] = "required: with whoever answers, or not at all",
		[CONFIG_TLS_VERIFY] = "verify: with who proves his name, or not at all",
		[CONFIG_TLS_DANE] = "dane: with who matches a TLSA record, or not at all",
	};
	bool dane = d->mx && o->config->dns.dnssec == CONFIG_DNSSEC_VALIDATE && d->tls_mode == CONFIG_TLS_OPPORTUNISTIC;

	say(o, "tls", "%s%s%s%s",
	    d->fingerprints.count > 0 ? "verify: with one of the fingerprints" : modes[d->tls_mode],
	    d->tls_implicit ? "; from the first octet" : "",
	    dane ? "; where the DNS proves TLSA records, by these" : "",
	    d->mta_sts ? "; and what the domain's MTA-STS policy demands" : "");
}

static void say_hosts(struct route_options *o, const struct config_destination *d)
{
	char text[TEXT_MAX];
	size_t n = 0;

	if (d->mx) {
		const char *at = strrchr(o->recipient, '@');
		say(o, "hosts", "the MX of %s, port %u", at ? at + 1 : o->recipient, (unsigned)d->mx_port);
		return;
	}
	if (d->mx_of) {
		say(o, "hosts", "the MX of %s, port %u", d->mx_of, (unsigned)d->mx_port);
		return;
	}
	text[0] = '\0';
	for (size_t i = 0; i < d->host_count && n < sizeof(text) - 300; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? ", " : "", d->hosts[i].text);
	say(o, "hosts", "%s", text);
}

static void say_destination(struct route_options *o, const struct config_destination *d)
{
	say(o, "destination", "%s%s%s", d->name, d->preset ? ", preset " : "", d->preset ? d->preset : "");
	say_hosts(o, d);
	say_tls(o, d);
	if (d->mailbox_count == 1)
		say(o, "signs_in", "as %s", d->mailboxes[0].user);
	else if (d->mailbox_count > 1)
		say(o, "signs_in", "as one of %zu mailboxes", d->mailbox_count);
	if (d->sender == CONFIG_SENDER_MAILBOX)
		say(o, "sender", "becomes the mailbox that signs in");
	else if (d->sender == CONFIG_SENDER_MATCH)
		say(o, "sender", "stays; a mailbox that may send as it signs in");
	if (d->fallback)
		say(o, "fallback", "%s, when this leads nowhere", o->config->destinations[d->fallback - 1].name);
}

/* What servers answer now. Mail that is taken waits where none of the hosts can have it. */
static void say_dns(struct route_options *o, const struct config_destination *d)
{
	json_t *answer = route_dns(o->config, d, o->recipient, !o->json, &o->usable);

	(void)json_object_set_new(o->answer, "dns", answer ? answer : json_null());
}

static void say_route(struct route_options *o, const struct config_route *route)
{
	const struct config *config = o->config;

	say(o, "route", "number %zu%s%s%s%s%s%s%s%s%s", (size_t)(route - config->routes) + 1,
	    route->recipient ? ", recipient " : "", route->recipient ? route->recipient : "",
	    route->sender ? ", sender " : "", route->sender ? route->sender : "", route->client ? ", client " : "",
	    route->client ? config->clients[route->client - 1].name : "", route->listener ? ", listener " : "",
	    route->listener ? config->listeners[route->listener - 1].name : "", route->size ? ", size" : "");
	if (route->refuse)
		refuse(o, "550 5.7.1: the route says: %s", route->refuse);
	else
		say_destination(o, &config->destinations[route->destination]);
	if (!route->refuse && o->dns)
		say_dns(o, &config->destinations[route->destination]);
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

static int wrong(const char *what, const char *which)
{
	table_say("postrider: route: %s%s", what, which);
	return STATUS_USAGE;
}

static int answer(struct route_options *o)
{
	struct route_question question = {
		.recipient = span_text(o->recipient), .sender = span_text(o->sender), .size = o->size};
	const struct config_route *route;
	struct ring_address address;
	long listener = listener_of(o), client = 0;

	if (listener < 0)
		return wrong("there is no listener ", o->listener);
	if (o->ip && !address_text_numeric(o->ip, 0, &address))
		return wrong("no address, such as 10.20.3.14: ", o->ip);
	if (o->client && (client = client_of_name(o)) < 0)
		return wrong("there is no client ", o->client);
	say(o, "recipient", "%s", o->recipient);
	if (o->ip && (client = client_of_session(o, &address, listener)) <= 0)
		refuse(o, "550 5.7.1: %s is no client: no entry of clients has its network, user or listener", o->ip);
	if (client > 0)
		check_client(o, client);
	check_suppression(o, client);
	question.client = client > 0 ? (size_t)client : 0;
	question.listener = (size_t)listener;
	route = route_find(o->config, &question);
	if (route)
		say_route(o, route);
	else
		refuse(o, "550 5.7.1: no route fits");
	(void)json_object_set_new(o->answer, "taken", json_boolean(!o->refused));
	if (o->json) {
		written_json(stdout, o->answer);
		o->answer = NULL;
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		return STATUS_OUTPUT;
	return o->refused ? STATUS_REFUSED : o->dns && !o->usable ? STATUS_NOT_NOW : 0;
}

static int with_configuration(struct route_options *o)
{
	static struct config_problems problems;
	struct config *config = config_load(o->config_file, &problems);
	int status;

	for (unsigned i = 0; !config && i < problems.count; i++)
		fprintf(stderr, "%s\n", problems.list[i].text);
	if (!config)
		return STATUS_CONFIG;
	o->config = config;
	o->answer = json_object();
	status = answer(o);
	json_decref(o->answer);
	config_free(config);
	return status;
}

int route_command(int argc, char **argv)
{
	static const struct option long_options[] = {{"from", required_argument, NULL, 'f'},
						     {"ip", required_argument, NULL, 'i'},
						     {"client", required_argument, NULL, 'l'},
						     {"user", required_argument, NULL, 'u'},
						     {"listener", required_argument, NULL, 'L'},
						     {"size", required_argument, NULL, 's'},
						     {"dns", no_argument, NULL, 'd'},
						     {"json", no_argument, NULL, 'j'},
						     {"config", required_argument, NULL, 'c'},
						     {"help", no_argument, NULL, 'h'},
						     {NULL, 0, NULL, 0}};
	struct route_options o = {.config_file = TRACE_CONFIGURATION, .sender = ""};
	char *end = NULL;
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout, 0);
		if (option == 'f')
			o.sender = strcmp(optarg, "<>") == 0 ? "" : optarg;
		else if (option == 'i')
			o.ip = optarg;
		else if (option == 'l')
			o.client = optarg;
		else if (option == 'u')
			o.user = optarg;
		else if (option == 'L')
			o.listener = optarg;
		else if (option == 's' && optarg[0] >= '0' && optarg[0] <= '9' &&
			 (o.size = strtoull(optarg, &end, 10), *end == '\0'))
			continue;
		else if (option == 'd')
			o.dns = true;
		else if (option == 'j')
			o.json = true;
		else if (option == 'c')
			o.config_file = optarg;
		else
			return usage(stderr, STATUS_USAGE);
	}
	if (optind + 1 != argc || (o.ip && o.client))
		return usage(stderr, STATUS_USAGE);
	o.recipient = argv[optind];
	if (!strchr(o.recipient, '@'))
		return wrong("no address: write one as in user@example.org, not ", o.recipient);
	return with_configuration(&o);
}
