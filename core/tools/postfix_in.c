/*
 * core/tools/postfix_in.c - how mail comes in to Postfix: its services as listeners, its networks as clients.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/config/network_table.h"
#include "core/tools/import_files.h"
#include "core/tools/postfix_next_hop.h"
#include "core/tools/postfix_source.h"

/* ---- certificates ------------------------------------------------------------------------------------------- */

/* A file that is there; NULL: noted. */
static const char *file_of(struct postfix_source *s, const char *name)
{
	const char *path = postfix_source_text(s, NULL, name);

	if (!*path || strcmp(path, "none") == 0)
		return NULL;
	path = postfix_source_path(s, path);
	if (access(path, R_OK) == 0)
		return path;
	postfix_source_note(
		s, NULL, name, "A file for TLS, to clients.",
		"%s is not there, or cannot be read, so listeners have no TLS: copy it, write tls.certificates, "
		"and `tls: offered` at the listeners.",
		path);
	return NULL;
}

static void add_certificate(struct postfix_source *s, const char *certificate, const char *key)
{
	if (!certificate)
		return;
	if (!key)
		import_line(s->plan, &s->plan->certificates,
			    import_text(s->plan, "{ certificate: %s }", import_quoted(s->plan, certificate)));
	else
		import_line(s->plan, &s->plan->certificates,
			    import_text(s->plan, "{ certificate: %s, private_key: %s }",
					import_quoted(s->plan, certificate), import_quoted(s->plan, key)));
}

static void take_certificates(struct postfix_source *s)
{
	static const struct {
		const char *certificate, *key;
	} kinds[] = {{"smtpd_tls_cert_file", "smtpd_tls_key_file"},
		     {"smtpd_tls_eccert_file", "smtpd_tls_eckey_file"},
		     {"smtpd_tls_dcert_file", "smtpd_tls_dkey_file"}};
	const char *chain = postfix_source_text(s, NULL, "smtpd_tls_chain_files");

	if (*chain && !strpbrk(chain, ", ")) {
		add_certificate(s, file_of(s, "smtpd_tls_chain_files"), NULL);
		return;
	}
	if (*chain)
		postfix_source_note(s, NULL, "smtpd_tls_chain_files", "Several files with keys and certificates.",
				    "Write each into tls.certificates.");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const char *certificate = file_of(s, kinds[i].certificate);
		const char *named = postfix_source_text(s, NULL, kinds[i].key);
		bool own = *named && strcmp(named, "none") != 0 &&
			   strcmp(named, postfix_source_text(s, NULL, kinds[i].certificate)) != 0;
		const char *key = certificate && own ? file_of(s, kinds[i].key) : NULL;

		if (!own || key)
			add_certificate(s, certificate, key);
	}
}

/* ---- listeners ---------------------------------------------------------------------------------------------- */

static const char *tls_of(struct postfix_source *s, const struct postfix_service *service)
{
	const char *level = postfix_source_text(s, service, "smtpd_tls_security_level");

	if (postfix_source_yes(s, service, "smtpd_tls_wrappermode"))
		return "implicit";
	if (strcmp(level, "encrypt") == 0 || (!*level && postfix_source_yes(s, service, "smtpd_enforce_tls")))
		return "required";
	if (strcmp(level, "may") == 0 || (!*level && postfix_source_yes(s, service, "smtpd_use_tls")))
		return "offered";
	return "off";
}

/* The first list that says who may relay names networks: then those who have not signed in may, too. */
static bool networks_may(struct postfix_source *s, const struct postfix_service *service)
{
	static const char *const lists[] = {"smtpd_client_restrictions", "smtpd_relay_restrictions",
					    "smtpd_recipient_restrictions"};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const struct postfix_parameter *own = postfix_conf_find(&s->conf, service, lists[i]);
		if (service->options && own >= service->options && own < service->options + service->option_count) {
			const char *list = postfix_source_text(s, service, lists[i]);
			if (strstr(list, "permit_sasl_authenticated") && !strstr(list, "permit_mynetworks"))
				return false;
		}
	}
	return true;
}

static void add_listener(struct postfix_source *s, const struct postfix_service *service, const char *host,
			 unsigned port)
{
	const char *tls = tls_of(s, service), *line, *place = import_text(s->plan, "master.cf:%u", service->line);
	const char *wanted = tls, *same;
	char address[80], name[IMPORT_NAME_SIZE];
	bool sign_in = postfix_source_yes(s, service, "smtpd_sasl_auth_enable"), open = networks_may(s, service);

	snprintf(address, sizeof(address), strchr(host, ':') ? "[%.45s]:%u" : "%.45s:%u", host, port);
	import_name(import_text(s->plan, "port-%u%s", port, strchr(host, ':') ? "-6" : ""), name);
	same = import_text(s->plan, "address: \"%s\"", address);
	for (size_t i = 0; i < s->plan->listeners.count; i++) { /* "localhost, 127.0.0.1" */
		if (strstr(s->plan->listeners.list[i], same) != NULL)
			return;
	}
	same = import_text(s->plan, "{ name: %s,", name);
	for (size_t i = 0; i < s->plan->listeners.count; i++) { /* names are their own */
		if (strstr(s->plan->listeners.list[i], same) != NULL) {
			import_name(import_text(s->plan, "port-%u-at-%s", port, host), name);
			break;
		}
	}
	if (s->plan->certificates.count == 0 && strcmp(tls, "off") != 0) {
		tls = "off";
		if (strcmp(wanted, "offered") != 0) {
			import_note(
				s->plan, place, service->name, "A port that is only for TLS.",
				"It is left out, as no certificate could be taken over: write tls.certificates and the "
				"listener { name: %s, address: \"%s\", tls: %s }.",
				name, address, wanted);
			return;
		}
	}
	line = import_text(s->plan, "{ name: %s, address: \"%s\"%s%s }", name, address,
			   strcmp(tls, "off") == 0 ? "" : ", tls: ", strcmp(tls, "off") == 0 ? "" : tls);
	import_line(s->plan, &s->plan->listeners, line);
	if (sign_in)
		import_note(s->plan, place, service->name,
			    "Clients signed in, with passwords that are Dovecot's, Cyrus SASL's or the system's.",
			    "Passwords cannot be taken over, so nobody signs in at %s until users_file has somebody: "
			    "`postrider hash NAME` writes a line. Then add `users_file: users`, at the listener `auth: "
			    "%s`%s, and "
			    "below clients { name: signed-in, users: [\"*\"] }.",
			    name, open ? "offered" : "required",
			    strcmp(tls, "off") == 0 ? " with `auth_in_clear: true`, as it has no TLS" : "");
}

/* "localhost", "all" and so on to numbers. */
static void listen_at(struct postfix_source *s, const struct postfix_service *service, const char *host, unsigned port)
{
	const char *protocols = postfix_source_text(s, NULL, "inet_protocols");
	bool four = strcmp(protocols, "ipv6") != 0, six = *protocols && strcmp(protocols, "ipv4") != 0;
	unsigned char octets[16];

	if (strcmp(host, "all") == 0 || strcmp(host, "*") == 0) {
		if (four)
			add_listener(s, service, "0.0.0.0", port);
		if (six)
			add_listener(s, service, "::", port);
	} else if (strcmp(host, "localhost") == 0 || strcmp(host, "loopback-only") == 0) {
		if (four)
			add_listener(s, service, "127.0.0.1", port);
		if (six)
			add_listener(s, service, "::1", port);
	} else if (inet_pton(AF_INET, host, octets) == 1 || inet_pton(AF_INET6, host, octets) == 1) {
		add_listener(s, service, host, port);
	} else {
		import_note(s->plan, import_text(s->plan, "master.cf:%u", service->line), service->name,
			    "A port at the address of a name.",
			    "A listener's address is a number: write one for %s, port %u.", host, port);
	}
}

static void take_service(struct postfix_source *s, const struct postfix_service *service)
{
	const char *colon = strrchr(service->name, ':'), *rest;
	const char *port_text = colon ? colon + 1 : service->name;
	unsigned port = postfix_port(port_text);
	char host[256] = "";

	if (!import_plain(service->name) || port == 0) {
		import_note(s->plan, import_text(s->plan, "master.cf:%u", service->line), service->name,
			    "A port, by a name.", "Write the listener with its number.");
		return;
	}
	if (colon) {
		bool bracket = *service->name == '[';
		snprintf(host, sizeof(host), "%.*s", (int)(colon - service->name) - 2 * bracket,
			 service->name + bracket);
		listen_at(s, service, host, port);
		return;
	}
	rest = postfix_source_text(s, NULL, "inet_interfaces");
	if (!*rest)
		rest = "all";
	while (postfix_word(&rest, host, sizeof(host)))
		listen_at(s, service, host[0] == '$' ? "all" : host, port);
}

static void take_listeners(struct postfix_source *s)
{
	for (size_t i = 0; i < s->conf.service_count; i++) {
		const struct postfix_service *service = &s->conf.services[i];
		if (strcmp(service->type, "inet") != 0)
			continue;
		if (strcmp(service->program, "smtpd") == 0 || strcmp(service->program, "postscreen") == 0)
			take_service(s, service);
		else
			import_note(s->plan, import_text(s->plan, "master.cf:%u", service->line),
				    import_text(s->plan, "%s inet %s", service->name, service->program),
				    "A service of another kind on a port.", "It has no like here.");
	}
	if (s->plan->listeners.count == 0) {
		import_line(s->plan, &s->plan->listeners, "{ name: port-25, address: \"0.0.0.0:25\" }");
		import_note(s->plan, "master.cf", "smtp inet", "No port for SMTP was found.",
			    "There is one at 0.0.0.0:25: look whether it is meant.");
	}
}

/* ---- who may relay ------------------------------------------------------------------------------------------ */

/* A list of networks in a file: a line each. */
static void add_network(struct postfix_source *s, const char *name, const char *text);

static void add_file(struct postfix_source *s, const char *name, const char *path)
{
	char *text = NULL, *rest, *line;
	size_t length;
	const char *problem = import_read(s->directory, postfix_source_path(s, path), &text, &length);

	if (problem || strlen(text) != length) {
		postfix_source_note(s, NULL, name, "Networks in a file.", "Nothing of %s was taken over: %s.", path,
				    problem ? problem : "it is no text");
		free(text);
		return;
	}
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL) {
		line[strcspn(line, "#\r")] = '\0';
		for (char *word; (word = strsep(&line, " \t,")) != NULL;) {
			if (*word)
				add_network(s, name, import_text(s->plan, "%s", word));
		}
	}
	free(text);
}

static void add_table(struct postfix_source *s, const char *name, const char *spec)
{
	struct postfix_map map;

	if (!postfix_source_map(s, name, spec, &map))
		return;
	for (size_t i = 0; i < map.table.count; i++) {
		const struct postfix_entry *entry = &map.table.entries[i];
		bool refused =
			strncasecmp(entry->value, "REJECT", 6) == 0 || strncasecmp(entry->value, "DUNNO", 5) == 0;
		if (refused || map.kind == POSTFIX_PATTERNS)
			postfix_source_note_entry(
				s, &map, entry, "Who is no client, or by a pattern.",
				"Networks are clients, or they are not: see that it is in none that is.");
		else
			add_network(s, name, import_text(s->plan, "%s", entry->key));
	}
	postfix_source_map_end(&map);
}

static void add_network(struct postfix_source *s, const char *name, const char *text)
{
	struct address_problem problem;
	struct network network;
	char plain[128];
	size_t used = 0;

	if (*text == '!') {
		postfix_source_note(s, NULL, name, "A network that is none of them.",
				    "%s cannot be taken out of another: write the networks that remain.", text);
		return;
	}
	bool table = strchr(text, ':') && strchr(text, '/') && *text != '[' &&
		     strspn(text, "0123456789abcdefABCDEF:./") != strlen(text);
	if ((*text == '/' || table) && s->nested) {
		postfix_source_note(s, NULL, name, "Networks in a file that another file names.",
				    "Nothing of %s was taken over: name it in main.cf itself, or write its networks.",
				    text);
		return;
	}
	if (*text == '/' || table) { /* once: files that name each other have no end */
		s->nested = true;
		(*text == '/' ? add_file : add_table)(s, name, text);
		s->nested = false;
		return;
	}
	for (; *text && used < sizeof(plain) - 1; text++) { /* [2001:db8::]/32 */
		if (*text != '[' && *text != ']')
			plain[used++] = *text;
	}
	plain[used] = '\0';
	if (strncasecmp(plain, "::ffff:", 7) == 0)
		return; /* IPv4 in IPv6's clothes: Debian names this machine's once more so */
	bool known = network_parse(plain, &network, &problem) == 0;
	if (known && network.prefix == 0)
		postfix_source_note(s, NULL, name, "Everybody might relay.",
				    "%s is left out: it would make an open relay. Write the networks that are yours.",
				    plain);
	else if (known)
		import_line(s->plan, &s->plan->networks, import_quoted(s->plan, plain));
	else
		postfix_source_note(
			s, NULL, name, "A network.",
			"\"%s\" is none here (no bit may be set behind the prefix, and names are not looked up): "
			"write it into `clients` yourself.",
			plain);
}

static void take_networks(struct postfix_source *s)
{
	static const char name[] = "mynetworks";
	const char *rest = postfix_source_value(s, NULL, name);
	char word[1024];

	if (!rest) {
		const char *style = postfix_source_text(s, NULL, "mynetworks_style");
		import_line(s->plan, &s->plan->networks, "127.0.0.0/8");
		import_line(s->plan, &s->plan->networks, "\"::1\"");
		if (strcmp(style, "host") != 0)
			import_note(
				s->plan, "main.cf", *style ? "mynetworks_style" : "mynetworks (not there)",
				"Who may relay followed from that machine's addresses.",
				"Only this machine itself may: write the networks of your clients below `clients`.");
		return;
	}
	while (postfix_word(&rest, word, sizeof(word)))
		add_network(s, name, import_text(s->plan, "%s", word));
	if (s->plan->networks.count == 0) {
		import_line(s->plan, &s->plan->networks, "127.0.0.0/8");
		postfix_source_note(
			s, NULL, name, "Who may relay.",
			"No network could be taken over, so only this machine may: write them below `clients`.");
	}
}

void postfix_take_in(struct postfix_source *s)
{
	take_certificates(s);
	take_listeners(s);
	take_networks(s);
}
