/*
 * core/tools/import_iis.c - see import_iis.h.
 */
#include "core/tools/import_iis.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/config/scalar.h"
#include "core/tools/import_files.h"
#include "core/tools/metabase.h"
#include "core/tools/postfix_next_hop.h"

/* Flags of RouteAction, as Microsoft's header has them. */
enum {
	ROUTE_DROP = 0x1,
	ROUTE_SMARTHOST = 0x2,
	ROUTE_TLS = 0x4,
	ROUTE_SASL = 0x8,
	ROUTE_ALIAS = 0x10,
	ROUTE_DELIVER = 0x20,
	ROUTE_DEFAULT = 0x40,
	ROUTE_AUTH_NTLM = 0x80,
	ROUTE_AUTH_CLEARTEXT = 0x100,
	ROUTE_DOMAIN_RELAY = 0x1000,
};

struct iis {
	struct import_plan *plan;
	const char *file; /* its name without directories, for places */
	const struct metabase *base;
	const struct metabase_key *service, *server;
};

/* ---- properties --------------------------------------------------------------------------------------------- */

/* The server's own, or what it has from the service. */
static const struct metabase_property *property(const struct iis *i, const char *name)
{
	const struct metabase_property *found = metabase_find(i->server, name);

	return found ? found : metabase_find(i->service, name);
}

__attribute__((format(printf, 4, 5))) static void note(struct iis *i, const struct metabase_property *p,
						       const char *did, const char *here, ...)
{
	bool secret = strcasestr(p->name, "password") != NULL;
	va_list arguments;
	char text[1024];

	va_start(arguments, here);
	vsnprintf(text, sizeof(text), here, arguments);
	va_end(arguments);
	import_note(i->plan, import_text(i->plan, "%s:%lu", i->file, p->line),
		    import_text(i->plan, "%s=\"%.200s\"", p->name, secret ? "..." : p->value), did, "%s", text);
}

/* "" where there is none, or it is not of ASCII, which is noted. */
static const char *text_of(struct iis *i, const char *name)
{
	const struct metabase_property *p = property(i, name);

	if (!p)
		return "";
	if (import_plain(p->value))
		return import_text(i->plan, "%s", p->value);
	note(i, p, "A text.", "It has letters beyond ASCII, and was left out.");
	return "";
}

/* A number, or names of flags as in "AuthBasic | AuthAnonymous". False: there is none. */
static bool number_of(struct iis *i, const struct metabase_property *p, uint64_t *out)
{
	static const struct {
		const char *name;
		uint64_t value;
	} flags[] = {{"AuthAnonymous", 1}, {"AuthBasic", 2}, {"AuthNTLM", 4}, {"AccessSSL128", 256},
		     {"AccessSSL", 8},     {"TRUE", 1},      {"FALSE", 0}};
	char list[256], *rest = list, *one;

	if (!p || *p->value == '\0')
		return false;
	if (scalar_number(p->value, out) == SCALAR_OK)
		return true;
	*out = 0;
	snprintf(list, sizeof(list), "%s", p->value);
	while ((one = strsep(&rest, "| ")) != NULL) {
		bool known = *one == '\0';
		for (size_t j = 0; j < sizeof(flags) / sizeof(flags[0]) && !known; j++) {
			known = strcasecmp(flags[j].name, one) == 0;
			*out |= known ? flags[j].value : 0;
		}
		if (!known) {
			note(i, p, "A number.", "%s is none that is known here.", one);
			return false;
		}
	}
	return true;
}

static bool number(struct iis *i, const char *name, uint64_t *out)
{
	return number_of(i, property(i, name), out);
}

/* What stands for "no limit" in a DWORD. */
static bool limit(struct iis *i, const char *name, uint64_t most, uint64_t *out)
{
	uint64_t value;

	if (!number(i, name, &value) || value == 0 || value >= 0xffffffff)
		return false;
	*out = value < most ? value : most;
	return true;
}

/* ---- how mail comes in -------------------------------------------------------------------------------------- */

/* "10.0.0.1:25:", ":25:" */
static void add_listener(struct iis *i, const struct metabase_property *p, const char *binding, const char *tls)
{
	char address[64] = "0.0.0.0", name[IMPORT_NAME_SIZE];
	const char *colon = strchr(binding, ':'), *end = colon ? strchr(colon + 1, ':') : NULL;
	struct in_addr numeric;
	unsigned port;

	if (colon && colon > binding)
		snprintf(address, sizeof(address), "%.*s", (int)(colon - binding < 63 ? colon - binding : 63), binding);
	port = colon ? postfix_port(import_text(i->plan, "%.*s", end ? (int)(end - colon - 1) : 5, colon + 1)) : 0;
	if (port == 0 || inet_pton(AF_INET, address, &numeric) != 1) {
		note(i, p, "Where it listened.", "%s is no address and port: write the listener yourself.", binding);
		return;
	}
	import_name(import_text(i->plan, "port-%u%s%s", port, colon > binding ? "-at-" : "",
				colon > binding ? address : ""),
		    name);
	import_line(i->plan, &i->plan->listeners,
		    import_text(i->plan, "{ name: %s, address: \"%s:%u\"%s }", name, address, port, tls));
}

static void take_listeners(struct iis *i)
{
	const struct metabase_property *p = property(i, "ServerBindings");
	char list[4096], *rest = list, *one;
	uint64_t flags;

	snprintf(list, sizeof(list), "%s", p && import_plain(p->value) ? p->value : "");
	while ((one = strsep(&rest, " \t")) != NULL) {
		if (*one)
			add_listener(i, p, one, "");
	}
	if (i->plan->listeners.count == 0)
		import_line(i->plan, &i->plan->listeners, "{ name: port-25, address: \"0.0.0.0:25\" }");
	p = property(i, "SecureBindings");
	if (p && *p->value)
		note(i, p, "It listened for TLS from the first octet.",
		     "Write tls.certificates and a listener with tls: implicit, as the certificate is in Windows' "
		     "store: "
		     "export it with its key, and make PEM of it.");
	p = property(i, "AccessSSLFlags");
	if (!p)
		p = property(i, "AccessSSL");
	if (number_of(i, p, &flags) && flags > 0)
		note(i, p, "Clients had to use TLS.",
		     "Write tls.certificates and `tls: required` at the listener: the certificate is in Windows' "
		     "store.");
	p = property(i, "AuthFlags");
	if (number_of(i, p, &flags) && (flags & 6) != 0)
		note(i, p, "Clients could sign in, by accounts of Windows.",
		     "Where some do: `postrider hash NAME` writes a line for users_file; then `auth: offered` at a "
		     "listener with "
		     "TLS, and below clients { name: signed-in, users: [\"*\"] }.%s",
		     (flags & 1) == 0 ? " Nobody came in without, so let it be `auth: required`." : "");
}

/* A mask as the length of a prefix; -1: it is none. */
static int prefix(uint32_t mask)
{
	int bits = 0;

	while (bits < 32 && (mask & (0x80000000u >> bits)))
		bits++;
	return bits == 32 || (mask << bits) == 0 ? bits : -1;
}

static void add_networks(struct iis *i, const struct metabase_property *p, const struct metabase_list *list)
{
	char text[INET_ADDRSTRLEN];

	for (size_t j = 0; j < list->granted_count; j++) {
		struct in_addr address = {.s_addr = htonl(list->granted[j].address & list->granted[j].mask)};
		int bits = prefix(list->granted[j].mask);

		inet_ntop(AF_INET, &address, text, sizeof(text));
		if (list->granted[j].address == 0 && bits == 32)
			continue; /* it stands for nobody */
		if (bits <= 0)
			note(i, p, "Who may relay.",
			     "%s with its mask is no network that could be taken over: write it.", text);
		else
			import_line(i->plan, &i->plan->networks,
				    bits == 32 ? import_text(i->plan, "%s", text)
					       : import_text(i->plan, "%s/%d", text, bits));
	}
}

static void take_networks(struct iis *i)
{
	const struct metabase_property *p = property(i, "RelayIpList");
	struct metabase_list list;
	uint64_t yes;

	import_line(i->plan, &i->plan->networks, "127.0.0.0/8");
	if (p && *p->value == '\0')
		note(i, p, "Everybody might relay, but for a list that is empty: an open relay.",
		     "Only this machine may: write the networks of your clients below `clients`.");
	else if (p && metabase_list_read(&list, p->value)) {
		add_networks(i, p, &list);
		if (list.denied_count > 0)
			note(i, p, "Everybody might relay but those in a list.",
			     "Only this machine may: write the networks of your clients below `clients`.");
		if (list.names)
			note(i, p, "Names of domains might relay.", "Clients are known by networks: write those.");
		metabase_list_free(&list);
	} else if (p)
		note(i, p, "Who may relay.", "It cannot be read: write the networks of your clients below `clients`.");
	p = property(i, "RelayForAuth");
	if (number_of(i, p, &yes) && yes > 0)
		note(i, p, "Whoever had signed in might relay, whatever his network.",
		     "That is { name: signed-in, users: [\"*\"] } below `clients`, with users_file.");
	p = property(i, "IPSecurity");
	if (p && *p->value)
		note(i, p, "Who might connect at all.",
		     "Whoever may relay is a client, and nobody else is: leave the rest to the firewall.");
}

/* ---- where it goes ------------------------------------------------------------------------------------------ */

/* A host, or several with ; or commas between. Brackets are around addresses there, not around names. */
static void add_hosts(struct iis *i, const struct metabase_property *p, struct import_destination *d, const char *hosts,
		      unsigned port)
{
	char list[2048], *rest = list, *one;

	snprintf(list, sizeof(list), "%s", hosts);
	while ((one = strsep(&rest, ";, ")) != NULL) {
		struct postfix_next_hop hop;
		if (!*one)
			continue;
		if (!postfix_next_hop_read(one, &hop) || !hop.host[0]) {
			note(i, p, "A smart host.", "%s is no host: write it below `hosts`.", one);
			continue;
		}
		import_line(i->plan, &d->hosts,
			    import_quoted(i->plan,
					  import_text(i->plan, hop.numeric6 ? "[%s]:%u" : "%s:%u", hop.host, port)));
		d->numeric |= hop.numeric;
	}
}

/* How it is protected, and who signs in: `owner` has the properties. */
static void protect(struct iis *i, const struct metabase_key *owner, struct import_destination *d, uint64_t action)
{
	const struct metabase_property *user = metabase_find(owner, "RouteUserName");
	const struct metabase_property *p = metabase_find(owner, "RouteAction");
	bool tls = (action & ROUTE_TLS) != 0,
	     sign_in = (action & (ROUTE_SASL | ROUTE_AUTH_NTLM | ROUTE_AUTH_CLEARTEXT)) != 0;

	/* IIS looked at no certificate, and sent in clear where it was not told to use TLS. */
	d->mode = tls ? "required" : "opportunistic";
	if (!sign_in || !user || !*user->value)
		return;
	if ((action & ROUTE_AUTH_NTLM) != 0 && (action & ROUTE_AUTH_CLEARTEXT) == 0)
		note(i, p ? p : user, "It signed in by Windows' accounts (NTLM).",
		     "There is PLAIN, LOGIN and OAuth: give it a way by a certificate or address, or a password.");
	note(i, user, "It signed in, with a password that is encrypted for that machine.",
	     "Write the password to a file of mode 0600, and below %s `auth: { user: %s, password_file: FILE }` and "
	     "tls.mode: "
	     "verify%s.",
	     d->name, import_plain(user->value) ? import_quoted(i->plan, user->value) : "...",
	     d->numeric ? ", with the host's name in place of its number" : "");
}

static void outbound_limits(struct iis *i, struct import_destination *d)
{
	limit(i, "MaxOutConnectionsPerDomain", 100000, &d->connections);
	limit(i, "MaxBatchedMessages", 1000000, &d->messages_per_connection);
}

static uint64_t action_of(struct iis *i, const struct metabase_key *key)
{
	uint64_t action = 0;

	return number_of(i, metabase_find(key, "RouteAction"), &action) ? action : 0;
}

/* "/LM/SmtpSvc/1/Domain/example.org", "*.example.org". NULL: it is no domain. */
static const char *domain_of(const struct iis *i, const struct metabase_key *key)
{
	size_t length = strlen(i->server->location);
	const char *slash;

	if (strcasecmp(key->class, "IIsSmtpDomain") != 0 || !key->location ||
	    strncasecmp(key->location, i->server->location, length) != 0 || key->location[length] != '/')
		return NULL;
	slash = strrchr(key->location, '/');
	return slash[1] && strcasecmp(slash + 1, "Domain") != 0 ? slash + 1 : NULL;
}

static void take_domain(struct iis *i, const struct metabase_key *key, unsigned port)
{
	const char *domain = domain_of(i, key), *pattern;
	const struct metabase_property *p = metabase_find(key, "RouteAction"),
				       *to = metabase_find(key, "RouteActionString");
	struct metabase_property at = {.name = key->class, .value = key->location, .line = key->line};
	uint64_t action = action_of(i, key);
	char name[IMPORT_NAME_SIZE];
	struct import_destination *d;
	bool made;

	if (!domain)
		return;
	pattern = import_text(i->plan, "*@%s", domain);
	if (!import_plain(domain) || !scalar_recipient_valid(pattern)) {
		note(i, &at, "A domain.", "Its name can be none of a route: write it yourself.");
		return;
	}
	if (action & (ROUTE_DROP | ROUTE_ALIAS | ROUTE_DELIVER | ROUTE_DEFAULT)) {
		note(i, p, "Mail for this domain was put into a directory of that machine (mailroot\\Drop).",
		     "This relay has no mailboxes: it is refused, and not sent on. Where a server has them, make it a "
		     "destination.");
		import_route(i->plan, "recipient", pattern, NULL,
			     "mail for this domain was delivered by the former relay itself");
		return;
	}
	import_name(domain, name);
	d = import_destination(i->plan, import_text(i->plan, "domain %s", domain), name, &made);
	if (!d)
		note(i, &at, "A domain with a way of its own.",
		     "There are more than %d destinations: mail for %s goes the way of all other until you write its "
		     "destination and route.",
		     IMPORT_DESTINATIONS_MAX, domain);
	if (!d || !made)
		return;
	outbound_limits(i, d);
	if ((action & ROUTE_SMARTHOST) != 0 && to && *to->value && import_plain(to->value))
		add_hosts(i, to, d, to->value, port);
	d->mx = d->hosts.count == 0;
	protect(i, key, d, action);
	import_route(i->plan, "recipient", pattern, d->name, NULL);
}

static void take_destinations(struct iis *i)
{
	const struct metabase_property *host = property(i, "SmartHost"), *type = property(i, "SmartHostType");
	uint64_t port = 25, how = 2, action = action_of(i, i->server);
	struct import_destination *d;
	bool made;

	if (!limit(i, "RemoteSmtpPort", 65535, &port))
		port = 25;
	/* First, so that there is room for it; what it is for comes last. */
	d = import_destination(i->plan, "all", host && *host->value ? "smart-host" : "direct", &made);
	for (size_t j = 0; j < i->base->count; j++)
		take_domain(i, &i->base->keys[j], (unsigned)port);
	if (!d)
		return;
	outbound_limits(i, d);
	if (host && *host->value && import_plain(host->value))
		add_hosts(i, host, d, host->value, (unsigned)port);
	d->mx = d->hosts.count == 0;
	if (metabase_find(i->server, "RouteAction") || !i->service)
		protect(i, i->server, d, action);
	else
		protect(i, i->service, d, action_of(i, i->service));
	if (number_of(i, type, &how) && how == 1 && d->hosts.count > 0)
		note(i, type,
		     "It tried the recipients' own hosts first, and the smart host where their name was not found.",
		     "Everything goes by the smart host.");
	import_route(i->plan, "recipient", NULL, d->name, NULL);
}

/* ---- figures and the rest ----------------------------------------------------------------------------------- */

static void take_figures(struct iis *i)
{
	enum { GIB = 1 << 30, MINUTE = 60 };
	const struct metabase_property *p = property(i, "SmtpRemoteProgressiveRetry");
	unsigned long first = 0, last = 0;
	uint64_t minutes;

	limit(i, "MaxMessageSize", GIB, &i->plan->message_size_max);
	if (i->plan->message_size_max > 0 && i->plan->message_size_max < 1024)
		i->plan->message_size_max = 1024;
	limit(i, "MaxRecipients", 1000, &i->plan->recipients);
	limit(i, "MaxInConnections", 100000, &i->plan->connections);
	if (limit(i, "HopCount", 1000, &i->plan->hops) && i->plan->hops < 10)
		i->plan->hops = 10;
	for (const char *at = p ? p->value : ""; *at;) { /* "15,30,60,240", minutes */
		char *end;
		unsigned long value = strtoul(at, &end, 10);
		if (end == at)
			break;
		first = first ? first : value;
		last = value;
		at = end + strspn(end, ", ");
	}
	if (first > 0 && last >= first && last <= 7 * 24 * 60 && first <= 24 * 60) {
		i->plan->first_s = first * MINUTE;
		i->plan->max_s = last * MINUTE;
	}
	if (limit(i, "SmtpRemoteNDRExpireMinutes", 30 * 24 * 60, &minutes))
		i->plan->expire_s = minutes * MINUTE;
	import_settle_times(i->plan, i->file);
	if (limit(i, "SmtpRemoteDelayExpireMinutes", 30 * 24 * 60, &minutes)) {
		i->plan->has_delay = true;
		i->plan->delay_s = minutes * MINUTE;
	}
}

static void take_names(struct iis *i)
{
	const char *hostname = text_of(i, "FullyQualifiedDomainName"), *domain = text_of(i, "DefaultDomain");

	if (scalar_qualified_name_valid(hostname))
		i->plan->hostname = hostname;
	else
		import_complete_hostname(i->plan, i->file, hostname);
	if (scalar_qualified_name_valid(domain))
		i->plan->default_domain = domain;
}

static void take_rest(struct iis *i)
{
	static const struct {
		const char *name, *did, *here;
	} known[] = {
		{"PickupDirectory", "Programs put files there, which were sent.",
		 "No directory is watched: let them hand in mail by SMTP, or by `postrider sendmail -t < FILE`."},
		{"SendNdrTo", "Reports about mail that failed went there in copy.",
		 "`owner` of a client hears of its mail in place of the senders."},
		{"SendBadTo", "Mail that could not even be reported went there.",
		 "It ends with the event `unreported`."},
		{"MasqueradeDomain", "The domain of senders was hidden behind this one.",
		 "Write below a client: from: { map: [{ from: \"*@*.YOUR-DOMAIN\", to: \"*@THIS-DOMAIN\" }] }."},
		{"EnableReverseDnsLookup", "Names of clients were looked up.", "They are not."},
	};
	uint64_t value;

	for (size_t j = 0; j < sizeof(known) / sizeof(known[0]); j++) {
		const struct metabase_property *p = property(i, known[j].name);
		bool said = p && *p->value && strcasecmp(p->value, "FALSE") != 0;
		if (said && !(scalar_number(p->value, &value) == SCALAR_OK && value == 0))
			note(i, p, known[j].did, "%s", known[j].here);
	}
}

/* The server that was asked for. NULL: said. */
static const struct metabase_key *find_server(const struct metabase *base, const char *file, const char *server)
{
	bool some = false;

	for (size_t j = 0; j < base->count; j++) {
		const struct metabase_key *key = &base->keys[j];
		const char *slash = key->location ? strrchr(key->location, '/') : NULL;
		if (strcasecmp(key->class, "IIsSmtpServer") != 0 || !slash)
			continue;
		some = true;
		if (!server || strcmp(slash + 1, server) == 0)
			return key;
	}
	fprintf(stderr, "postrider: import: %s: %s\n", file,
		some ? "it has no SMTP server of that number"
		     : "there is no IIsSmtpServer in it: give C:\\Windows\\System32\\inetsrv\\MetaBase.xml, or what "
		       "`iiscnfg /export /f FILE /sp /lm/smtpsvc /children` wrote");
	return NULL;
}

static bool read_base(struct metabase *base, const char *file)
{
	char problem[METABASE_PROBLEM];
	char *text = NULL;
	size_t length;
	const char *unread = import_read(NULL, file, &text, &length);
	bool ok = false;

	if (unread)
		fprintf(stderr, "postrider: import: %s: %s\n", file, unread);
	else if (!(ok = metabase_read(base, text, length, problem)))
		fprintf(stderr, "postrider: import: %s: %s\n", file, problem);
	free(text);
	return ok;
}

bool import_iis(struct import_plan *plan, const char *file, const char *server)
{
	const char *slash = strrchr(file, '/');
	struct metabase base;
	struct iis i = {.plan = plan, .file = slash ? slash + 1 : file, .base = &base};

	if (!read_base(&base, file))
		return false;
	i.server = find_server(&base, file, server);
	for (size_t j = 0; j < base.count && !i.service; j++) {
		if (strcasecmp(base.keys[j].class, "IIsSmtpService") == 0)
			i.service = &base.keys[j];
	}
	if (i.server) {
		take_names(&i);
		take_listeners(&i);
		take_networks(&i);
		take_destinations(&i);
		take_figures(&i);
		take_rest(&i);
	}
	metabase_free(&base);
	return i.server != NULL;
}
