/*
 * core/tools/postfix_out.c - Postfix's transports and next hops as destinations and routes.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/config/config.h"
#include "core/tools/postfix_next_hop.h"
#include "core/tools/postfix_source.h"

enum { CONNECTIONS_USUAL = 20, RECIPIENTS_USUAL = 50 };

/* ---- transports --------------------------------------------------------------------------------------------- */

/* The client that a transport is, by master.cf; NULL: the usual one. *other: it is none that speaks SMTP. */
static const struct postfix_service *service_of(struct postfix_source *s, const char *transport, bool *other)
{
	*other = false;
	for (size_t i = 0; i < s->conf.service_count; i++) {
		const struct postfix_service *service = &s->conf.services[i];
		if (strcmp(service->type, "unix") != 0 || strcmp(service->name, transport) != 0)
			continue;
		*other = strcmp(service->program, "smtp") != 0;
		return service;
	}
	*other = strcmp(transport, "smtp") != 0 && strcmp(transport, "relay") != 0;
	return NULL;
}

/* A limit of this transport, or of all of them: "slow_destination_rate_delay", "default_destination_rate_delay". */
static const char *limit_name(struct postfix_source *s, const char *transport, const char *limit)
{
	const char *own = import_text(s->plan, "%s_%s", transport, limit);

	return postfix_conf_find(&s->conf, NULL, own) ? own : import_text(s->plan, "default_%s", limit);
}

static void take_limits(struct postfix_source *s, const struct postfix_service *service, const char *transport,
			struct import_destination *d)
{
	const char *delay = limit_name(s, transport, "destination_rate_delay");
	uint64_t number, processes = service ? strtoull(service->process_limit, NULL, 10) : 0;

	if (postfix_source_number(s, limit_name(s, transport, "destination_concurrency_limit"), &number) && number > 0)
		d->connections = number;
	if (processes > 0 && processes < (d->connections ? d->connections : CONNECTIONS_USUAL))
		d->connections = processes;
	if (d->connections > CONFIG_CONNECTIONS_MAX)
		d->connections = CONFIG_CONNECTIONS_MAX;
	if (postfix_source_number(s, limit_name(s, transport, "destination_recipient_limit"), &number) && number > 0)
		d->recipients = number < 1000 ? number : 1000;
	else
		d->recipients = RECIPIENTS_USUAL;
	if (!postfix_source_seconds(s, delay, 's', &number) || number == 0)
		number = 0;
	if (number == 0 &&
	    postfix_conf_find(&s->conf, NULL, import_text(s->plan, "%s_transport_rate_delay", transport)))
		postfix_source_seconds(s, import_text(s->plan, "%s_transport_rate_delay", transport), 's', &number);
	if (number == 0)
		return;
	d->connections = 1;
	if (number <= 60)
		d->messages_per_minute = 60 / number;
	else
		d->messages_per_hour = number < 3600 ? 3600 / number : 1;
}

static void take_source(struct postfix_source *s, const struct postfix_service *service, struct import_destination *d)
{
	const char *address = postfix_source_text(s, service, "smtp_bind_address");
	const char *name = postfix_source_text(s, service, "smtp_helo_name");

	if (!*address)
		address = postfix_source_text(s, service, "smtp_bind_address6");
	if (*address)
		d->source = address;
	if (*address && *name)
		d->source_name = name;
	else if (*name && strcmp(name, postfix_source_text(s, NULL, "myhostname")) != 0)
		postfix_source_note(
			s, service, "smtp_helo_name", "The name that is said in EHLO.",
			"It is `hostname` of the file, or `hostname` beside an address in source_addresses.");
	if (strcmp(postfix_source_text(s, NULL, "inet_protocols"), "ipv4") == 0)
		d->prefer = "ipv4";
}

/* ---- next hops ---------------------------------------------------------------------------------------------- */

static void add_host(struct postfix_source *s, struct import_destination *d, const struct postfix_next_hop *hop)
{
	const char *format = hop->numeric6 ? "[%s]:%u" : "%s:%u";
	char text[300];

	snprintf(text, sizeof(text), format, hop->host, hop->port);
	import_line(s->plan, &d->hosts, import_quoted(s->plan, text));
	d->numeric |= hop->numeric;
}

/* Further next hops of a list, "[a], [b]": hosts that are tried behind the first. */
static void take_hops(struct postfix_source *s, struct import_destination *d, const char *name, const char *nexthop,
		      struct postfix_next_hop *first)
{
	struct postfix_next_hop hop;
	const char *rest = nexthop;
	char word[512];

	for (bool more = false; postfix_word(&rest, word, sizeof(word)); more = true) {
		if (!postfix_next_hop_read(word, &hop) || hop.host[0] == '\0') {
			postfix_source_note(s, NULL, name, "A next hop.",
					    "%s is none: write the destination %s yourself.", word, d->name);
			continue;
		}
		if (more && (!hop.exactly || d->mx_of)) {
			postfix_source_note(
				s, NULL, name, "Several next hops, one behind the other.",
				"A destination has hosts or the MX of one domain: %s is left out of %s; make it "
				"one of its own, and name that in `fallback`.",
				word, d->name);
			continue;
		}
		if (!more)
			*first = hop;
		if (hop.exactly || hop.numeric) {
			add_host(s, d, &hop);
			continue;
		}
		postfix_source_note(
			s, NULL, name, "A next hop without brackets: its MX was asked for.",
			"mx_of of %s does the same. Where %s is the host itself, as smart hosts mostly are, write "
			"hosts: [\"%s:%u\"]: then no answer of the DNS can lead elsewhere.",
			d->name, hop.host, hop.host, hop.port);
		d->mx_of = hop.port == 25 ? import_text(s->plan, "%s", hop.host)
					  : import_text(s->plan, "%s:%u", hop.host, hop.port);
	}
}

/* A host that is only a number can prove no name. */
static void settle_mode(struct postfix_source *s, struct import_destination *d, const char *name)
{
	bool proves = strcmp(d->mode, "verify") == 0 || strcmp(d->mode, "dane") == 0;

	if (!proves || !d->numeric || d->server_name || d->fingerprints.count > 0)
		return;
	postfix_source_note(s, NULL, name, "A host that is only a number had to prove who it is.",
			    "%s has no name that a certificate could have, so it has tls.mode: required, and nothing "
			    "is proven: write its name in `hosts`, or tls.server_name, and tls.mode: %s.",
			    d->name, d->mode);
	d->mode = "required";
}

/*
 * The destination for a transport and a next hop; made where there is none yet. "" is the recipient's own domain. NULL:
 * noted. `name` is the parameter it comes from.
 */
static const char *destination_for(struct postfix_source *s, const char *name, const char *transport,
				   const char *nexthop)
{
	bool other, usual = strcmp(transport, "smtp") == 0 || strcmp(transport, "relay") == 0;
	const struct postfix_service *service = service_of(s, transport, &other);
	char text[1024], wanted[IMPORT_NAME_SIZE];
	struct postfix_next_hop first = {.port = 25};
	struct import_destination *d;
	bool made;

	snprintf(text, sizeof(text), "%s%s%s", usual ? "" : transport, usual ? "" : "-", *nexthop ? nexthop : "direct");
	import_name(text, wanted);
	d = import_destination(s->plan, import_text(s->plan, "%s:%s", usual ? "" : transport, nexthop), wanted, &made);
	if (!d) {
		postfix_source_note(s, NULL, name, "A next hop.", "There are more than %d: %s was left out.",
				    IMPORT_DESTINATIONS_MAX, nexthop);
		return NULL;
	}
	if (!made)
		return d->name;
	take_hops(s, d, name, nexthop, &first);
	if (!d->mx_of && d->hosts.count == 0)
		d->mx = true;
	take_limits(s, service, transport, d);
	take_source(s, service, d);
	postfix_take_tls(s, service, d, nexthop);
	if (!d->mx)
		postfix_take_sign_in(s, d, nexthop, first.host, first.port);
	settle_mode(s, d, name);
	return d->name;
}

/* ---- routes ------------------------------------------------------------------------------------------------- */

struct route_to {
	const char *name;  /* the parameter */
	const char *key;   /* recipient or sender */
	const char *usual; /* the transport where none is named */
};

/* Whether a transport speaks SMTP. */
static bool is_client(struct postfix_source *s, const char *transport)
{
	bool other;

	(void)service_of(s, transport, &other);
	return !other;
}

/* What no mail is handed to here. True: a route that refuses stands for it. */
static bool refuse_transport(struct postfix_source *s, const struct postfix_map *map, const struct postfix_entry *entry,
			     const char *pattern, const char *transport, const char *rest)
{
	bool error = strcmp(transport, "error") == 0, retry = strcmp(transport, "retry") == 0;
	const char *text = "mail for here was handled by the former relay itself";

	if (!error && is_client(s, transport))
		return false;
	if (error) {
		rest += strspn(rest, "0123456789. ");
		if (*rest)
			text = import_text(s->plan, "%.200s", rest);
		else
			text = "no mail is taken for here";
	} else if (strcmp(transport, "discard") == 0) {
		postfix_source_note_entry(s, map, entry, "Mail was taken and thrown away.",
					  "It is refused: nothing is thrown away here after a 250.");
	} else if (retry) {
		postfix_source_note_entry(s, map, entry, "Mail was kept back.",
					  "It is refused; `postrider destination suspend` keeps mail back.");
	} else {
		postfix_source_note_entry(
			s, map, entry, "Mail was handed to a program or a mailbox there.",
			"This relay has none, so it is refused, and not sent to the smart host in its "
			"place: write a destination for the server that has these mailboxes.");
	}
	import_route(s->plan, "recipient", pattern, NULL, text);
	return true;
}

static void take_route(struct postfix_source *s, const struct postfix_map *map, const struct postfix_entry *entry,
		       const struct route_to *to)
{
	char transport[64] = "";
	const char *colon = strchr(entry->value, ':'), *nexthop = entry->value, *destination;
	bool all = strcmp(entry->key, "*") == 0;
	const char *pattern = all ? NULL : postfix_source_pattern(s, entry->key);

	if (strcmp(to->key, "recipient") == 0) { /* transport:nexthop; a next hop alone stands nowhere in this table */
		size_t length = colon ? (size_t)(colon - entry->value) : strlen(entry->value);
		snprintf(transport, sizeof(transport), "%.*s", (int)(length < 63 ? length : 63), entry->value);
		nexthop = colon ? colon + 1 : "";
	}
	if ((!pattern && !all) || !import_plain(entry->value)) {
		postfix_source_note_entry(
			s, map, entry, "A route.",
			"What is left of it can be no recipient or sender here: write the route yourself.");
		return;
	}
	if (strcasecmp(nexthop, "DUNNO") == 0)
		return;
	if (strcmp(to->key, "recipient") == 0 && !*transport && !*nexthop) { /* ":" is as if it did not stand here */
		nexthop = postfix_source_text(s, NULL, "relayhost");
	} else if (*transport && (!all || !is_client(s, transport))) {
		if (all)
			postfix_source_note_entry(s, map, entry, "All other mail was refused, or handed to a program.",
						  "It goes where relayhost says: look at the last of `routes`.");
		if (all || refuse_transport(s, map, entry, pattern, transport, nexthop))
			return;
	}
	destination = destination_for(s, to->name, *transport ? transport : to->usual, nexthop);
	if (destination && all)
		s->last = destination;
	else if (destination)
		import_route(s->plan, to->key, pattern, destination, NULL);
}

/* Whole addresses are looked for before domains, and those before what stands above them. */
static unsigned rank(const char *key)
{
	return *key == '.' ? 3 : *key == '@' ? 2 : strchr(key, '@') ? 0 : 1;
}

static void take_routes(struct postfix_source *s, const struct postfix_map *map, void *context)
{
	if (map->kind != POSTFIX_PLAIN) {
		const struct route_to *to = context;
		postfix_source_note(
			s, NULL, to->name, "Routes by patterns.",
			"A route here names an address, \"*@example.org\" or \"*@*.example.org\": what %s says has "
			"to be written so.",
			map->file);
		return;
	}
	for (unsigned r = 0; r <= 3; r++) {
		for (size_t i = 0; i < map->table.count; i++) {
			if (rank(map->table.entries[i].key) == r)
				take_route(s, map, &map->table.entries[i], context);
		}
	}
}

/* A list of domains; mydestination has names where main.cf has none. */
static const char *local_domains(struct postfix_source *s, const char *name)
{
	const char *problem, *kept;
	char *value;

	if (strcmp(name, "mydestination") != 0 || postfix_conf_find(&s->conf, NULL, name))
		return postfix_source_text(s, NULL, name);
	value = postfix_conf_expand(&s->conf, NULL, "$mydestination", &problem);
	kept = value && import_plain(value) ? import_text(s->plan, "%s", value) : "";
	free(value);
	return kept;
}

/* What Postfix delivered itself. */
static void refuse_local(struct postfix_source *s)
{
	static const char *const lists[] = {"mydestination", "virtual_alias_domains", "virtual_mailbox_domains"};
	bool some = false;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const char *rest = local_domains(s, lists[i]);
		char word[512];
		some = false;
		while (postfix_word(&rest, word, sizeof(word))) {
			const char *pattern = strpbrk(word, ":/") ? NULL : postfix_source_pattern(s, word);
			if (pattern)
				import_route(s->plan, "recipient", pattern, NULL,
					     "mail for this domain was delivered by the former relay itself");
			some = true;
		}
		if (some)
			postfix_source_note(
				s, NULL, lists[i], "Mail for these domains was delivered on that machine.",
				"This relay has no mailboxes and no aliases: mail for them is refused, and not "
				"sent to the smart host. Where another server has them, make it a destination and "
				"let their routes lead there; cron and daemons should write to a real address.");
	}
}

/* What goes directly to a domain with a TLS policy of its own needs a destination of its own. */
static void take_policies(struct postfix_source *s, const struct postfix_map *map, void *context)
{
	bool *used = context;

	for (size_t i = 0; i < map->table.count; i++) {
		const char *key = map->table.entries[i].key;
		const char *pattern = strchr("[", *key) || strchr(key, ':') ? NULL : postfix_source_pattern(s, key);
		char name[IMPORT_NAME_SIZE], text[512];
		struct import_destination *d;
		bool made;

		if (map->kind != POSTFIX_PLAIN || !pattern || strchr(key, '@'))
			continue;
		snprintf(text, sizeof(text), "direct-%s", key);
		import_name(text, name);
		d = import_destination(s->plan, import_text(s->plan, "policy of %s", key), name, &made);
		if (!d)
			postfix_source_note(
				s, NULL, "smtp_tls_policy_maps", "How mail for a domain was protected.",
				"There are more than %d destinations: that of %s was left out, and its mail "
				"is protected as all other is until you write one.",
				IMPORT_DESTINATIONS_MAX, key);
		if (!d || !made)
			continue;
		d->mx = true;
		take_limits(s, NULL, "smtp", d);
		take_source(s, NULL, d);
		postfix_take_tls(s, NULL, d, key);
		import_route(s->plan, "recipient", pattern, d->name, NULL);
		*used = true;
	}
}

void postfix_take_out(struct postfix_source *s)
{
	static const struct route_to by_recipient = {"transport_maps", "recipient", "smtp"},
				     by_sender = {"sender_dependent_relayhost_maps", "sender", "smtp"};
	const char *relayhost = postfix_source_text(s, NULL, "relayhost"), *destination;
	bool used = false;

	postfix_source_maps(s, by_recipient.name, take_routes, (void *)&by_recipient);
	refuse_local(s);
	postfix_source_maps(s, by_sender.name, take_routes, (void *)&by_sender);
	if (!*relayhost)
		postfix_source_maps(s, "smtp_tls_policy_maps", take_policies, &used);
	s->plan->finishing = true;
	destination = s->last ? s->last : destination_for(s, "relayhost", "smtp", relayhost);
	if (!destination)
		destination = destination_for(s, "relayhost", "smtp", "");
	if (destination)
		import_route(s->plan, "recipient", NULL, destination, NULL);
	if (s->plan->routes_left_out > 0)
		import_note(s->plan, "main.cf", "routes", "More routes than a configuration here has.",
			    "%zu are left out: at most %d are possible.", s->plan->routes_left_out, IMPORT_ROUTES_MAX);
}
