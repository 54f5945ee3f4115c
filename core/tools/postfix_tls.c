/*
 * core/tools/postfix_tls.c - how Postfix protects what it sends, and as whom it signs in, for one destination.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/config/fingerprint.h"
#include "core/tools/postfix_next_hop.h"
#include "core/tools/postfix_source.h"

enum { MAILBOXES_MAX = 4096 };

/* ---- TLS ---------------------------------------------------------------------------------------------------- */

struct policy {
	const char *key;       /* what is looked for */
	const char *port_less; /* the same without its port; "" : it has none */
	const char *found;     /* NULL: nothing yet */
	const char *place;
};

static void look_policy(struct postfix_source *s, const struct postfix_map *map, void *context)
{
	struct policy *policy = context;
	const struct postfix_entry *entry = NULL;

	if (policy->found)
		return;
	if (map->kind == POSTFIX_STATIC) {
		policy->found = map->value;
		policy->place = map->file;
		return;
	}
	if (map->kind == POSTFIX_PATTERNS) {
		postfix_source_note(s, NULL, "smtp_tls_policy_maps", "Policies by patterns.",
				    "Write tls.mode at the destinations that %s is about.", map->file);
		return;
	}
	entry = postfix_table_find(&map->table, policy->key);
	if (!entry && *policy->port_less)
		entry = postfix_table_find(&map->table, policy->port_less);
	if (!entry || !import_plain(entry->value))
		return;
	policy->found = import_text(s->plan, "%s", entry->value);
	policy->place = import_text(s->plan, "%s:%u", map->file, entry->line);
}

static const struct {
	const char *level, *mode;
} levels[] = {
	{"none", "none"},          {"may", "opportunistic"},       {"encrypt", "required"},
	{"dane", "opportunistic"}, {"half-dane", "opportunistic"}, {"dane-only", "dane"},
	{"fingerprint", "verify"}, {"verify", "verify"},           {"secure", "verify"},
};

/* By the older parameters where smtp_tls_security_level is not there. */
static const char *level_of(struct postfix_source *s, const struct postfix_service *service)
{
	const char *level = postfix_source_text(s, service, "smtp_tls_security_level");

	if (*level)
		return level;
	if (postfix_source_yes(s, service, "smtp_enforce_tls"))
		return "verify";
	return postfix_source_yes(s, service, "smtp_use_tls") ? "may" : "none";
}

/* "AB:CD:...", with SHA-256's 32 octets: ours. False: another digest's. */
static bool add_fingerprint(struct postfix_source *s, struct import_destination *d, const char *text)
{
	char kept[FINGERPRINT_SIZE];

	if (!fingerprint_read(import_text(s->plan, "%s%s", FINGERPRINT_PREFIX, text), kept))
		return false;
	import_line(s->plan, &d->fingerprints, import_quoted(s->plan, kept));
	return true;
}

/* match=one:two of `verify` and `secure`, match=fingerprint|fingerprint of the other. */
static void take_match(struct postfix_source *s, struct import_destination *d, const char *level, const char *match,
		       const char *place)
{
	bool fingerprint = strcmp(level, "fingerprint") == 0;
	char list[4096], *rest = list, *one;

	snprintf(list, sizeof(list), "%s", match);
	while ((one = strsep(&rest, fingerprint ? "|" : ":")) != NULL) {
		if (fingerprint) {
			if (!add_fingerprint(s, d, one))
				import_note(
					s->plan, place, one, "A certificate's fingerprint, not of SHA-256.",
					"The destination %s verifies by name and authority until tls.fingerprints has "
					"those that `openssl x509 -noout -fingerprint -sha256` prints.",
					d->name);
		} else if (strcmp(one, "hostname") == 0 || strcmp(one, "nexthop") == 0 ||
			   strcmp(one, "dot-nexthop") == 0) {
			continue; /* a host's own name is what is verified here */
		} else if (*one != '.' && !d->server_name) {
			d->server_name = import_text(s->plan, "%s", one);
		} else {
			import_note(s->plan, place, one, "Another name that the certificate may have.",
				    "tls.server_name of %s is one name: look whether it is the right one.", d->name);
		}
	}
}

/* Its attributes, behind the level. */
static const char *take_policy(struct postfix_source *s, struct import_destination *d, const struct policy *policy)
{
	const char *rest = policy->found;
	char word[4096], level[64];

	if (!postfix_word(&rest, word, sizeof(word)))
		return "none";
	snprintf(level, sizeof(level), "%.63s", word);
	while (postfix_word(&rest, word, sizeof(word))) {
		if (strncmp(word, "match=", 6) == 0)
			take_match(s, d, level, word + 6, policy->place);
		else if (strncmp(word, "servername=", 11) == 0 && strcmp(word + 11, "hostname") != 0)
			d->server_name = import_text(s->plan, "%s", word + 11);
		else
			import_note(
				s->plan, policy->place, word, "A detail of the policy.",
				"There is nothing to set: TLS 1.2 and 1.3 are spoken, with ciphers that are strong.");
	}
	return import_text(s->plan, "%s", level);
}

/* A file that has to be there when the relay starts; NULL: it is not, which is noted, or none is named. */
static const char *file_of(struct postfix_source *s, const struct postfix_service *service, const char *name)
{
	const char *path = postfix_source_text(s, service, name);

	if (!*path || strcmp(path, "none") == 0)
		return NULL;
	path = postfix_source_path(s, path);
	if (access(path, R_OK) == 0)
		return path;
	postfix_source_note(s, service, name, "A file for TLS.",
			    "%s is not there, or cannot be read: copy it, and write its path into `tls` of the "
			    "destinations.",
			    path);
	return NULL;
}

static void take_files(struct postfix_source *s, const struct postfix_service *service, struct import_destination *d)
{
	const char *certificate = file_of(s, service, "smtp_tls_chain_files"), *key = certificate;
	const char *authorities = file_of(s, service, "smtp_tls_CAfile");

	if (authorities && strcmp(authorities, "/etc/ssl/certs/ca-certificates.crt") != 0)
		d->ca_file = authorities; /* that one is the system's, which is ours as well */
	if (strcmp(d->mode, "none") == 0)
		return;
	if (!certificate) {
		certificate = file_of(s, service, "smtp_tls_cert_file");
		key = *postfix_source_text(s, service, "smtp_tls_key_file") ? file_of(s, service, "smtp_tls_key_file")
									    : certificate;
	}
	if (certificate && key) {
		d->certificate = certificate;
		d->private_key = key;
	}
}

void postfix_take_tls(struct postfix_source *s, const struct postfix_service *service,
		      struct import_destination *destination, const char *nexthop)
{
	const char *end = strrchr(nexthop, ':'), *bracket = strrchr(nexthop, ']'), *level;
	struct policy policy = {.key = nexthop, .port_less = ""};
	bool known = false;

	if (end && (!bracket || end > bracket))
		policy.port_less = import_text(s->plan, "%.*s", (int)(end - nexthop), nexthop);
	if (*nexthop)
		postfix_source_maps(s, "smtp_tls_policy_maps", look_policy, &policy);
	level = policy.found ? take_policy(s, destination, &policy) : level_of(s, service);
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcasecmp(levels[i].level, level) == 0) {
			destination->mode = levels[i].mode;
			known = true;
		}
	}
	if (!known)
		import_note(s->plan, policy.place ? policy.place : "main.cf", level, "A level of TLS.",
			    "It is not known here: %s verifies certificates.", destination->name);
	s->plan->validate |= strncasecmp(level, "dane", 4) == 0 || strcasecmp(level, "half-dane") == 0;
	if (strcmp(destination->mode, "verify") != 0) {
		destination->fingerprints.count = 0;
		destination->server_name = NULL;
	}
	if (destination->mx && destination->server_name) {
		import_note(s->plan, policy.place, destination->server_name,
			    "The name in the certificates of several hosts.",
			    "With mx: true each host is verified by its own name: where that fits, nothing is to be "
			    "done at %s.",
			    destination->name);
		destination->server_name = NULL;
	}
	destination->implicit = postfix_source_yes(s, service, "smtp_tls_wrappermode");
	take_files(s, service, destination);
}

/* ---- signing in --------------------------------------------------------------------------------------------- */

struct sign_in {
	struct import_destination *destination;
	const char *nexthop, *host;
	unsigned port;
	bool by_sender;
	size_t left_out; /* for want of room */
	const char *first_left_out;
};

/* "user:password". The user's part, or NULL. */
static const char *split(struct postfix_source *s, const char *text, const char **password)
{
	const char *colon = strchr(text, ':');

	if (!colon || colon == text || !colon[1])
		return NULL;
	*password = colon + 1;
	return import_text(s->plan, "%.*s", (int)(colon - text), text);
}

static void add_mailbox(struct postfix_source *s, struct sign_in *in, const char *value, const char *sender,
			const char *place)
{
	const char *password = "", *user = split(s, value, &password);
	char name[IMPORT_NAME_SIZE];

	if (!user || !import_plain(user)) {
		import_note(s->plan, place, "a user and a password", "Who signs in.",
			    "It is not as in user:password, and was left out: write auth of %s yourself.",
			    in->destination->name);
		return;
	}
	if (in->destination->mailbox_count == MAILBOXES_MAX) {
		if (in->left_out++ == 0)
			in->first_left_out = place;
		return;
	}
	import_name(user, name);
	import_mailbox(s->plan, in->destination, user, import_secret(s->plan, name, password), sender);
}

/* By the next hop as it is written, by host and port, and by the host alone. */
static bool is_for(const struct sign_in *in, const char *key)
{
	struct postfix_next_hop hop;

	if (strcasecmp(key, in->nexthop) == 0 || strcasecmp(key, in->host) == 0)
		return true;
	return postfix_next_hop_read(key, &hop) && strcasecmp(hop.host, in->host) == 0 &&
	       (!strrchr(key, ':') || hop.port == in->port);
}

static void look_password(struct postfix_source *s, const struct postfix_map *map, void *context)
{
	struct sign_in *in = context;

	if (map->kind == POSTFIX_STATIC) {
		add_mailbox(s, in, map->value, "*", map->file);
		return;
	}
	if (map->kind != POSTFIX_PLAIN) {
		postfix_source_note(s, NULL, "smtp_sasl_password_maps", "Passwords by patterns.",
				    "Nothing of %s was taken over: write auth of %s yourself, where it signs in.",
				    map->file, in->destination->name);
		return;
	}
	for (size_t i = 0; i < map->table.count; i++) {
		const struct postfix_entry *entry = &map->table.entries[i];
		const char *place = import_text(s->plan, "%s:%u", map->file, entry->line);

		if (strchr(entry->key, '@')) {
			const char *pattern = in->by_sender ? postfix_source_pattern(s, entry->key) : NULL;
			if (pattern)
				add_mailbox(s, in, entry->value, pattern, place);
		} else if (is_for(in, entry->key)) {
			add_mailbox(s, in, entry->value, "*", place);
		}
	}
}

/* The one for all senders is named once, and where it is alone nobody has to fit. */
static void settle(struct postfix_source *s, struct import_destination *d)
{
	bool for_all = false;
	size_t kept = 0;

	for (size_t i = 0; i < d->mailbox_count; i++) {
		bool all = strcmp(d->mailboxes[i].sender, "*") == 0;
		bool twice = all && for_all;
		for (size_t j = 0; j < kept && !twice; j++)
			twice = strcmp(d->mailboxes[j].user, d->mailboxes[i].user) == 0;
		if (!twice)
			d->mailboxes[kept++] = d->mailboxes[i];
		for_all |= all;
	}
	d->mailbox_count = kept;
	d->match = kept > 1;
	if (kept > 0 && !for_all && kept == 1)
		d->match = true;
	if (d->match && !for_all)
		import_note(s->plan, "main.cf", "smtp_sender_dependent_authentication = yes",
			    "Mail of senders without a password went there without signing in.",
			    "At %s it waits until one of its mailboxes may send it: add \"*\" to the senders of one.",
			    d->name);
}

void postfix_take_sign_in(struct postfix_source *s, struct import_destination *destination, const char *nexthop,
			  const char *host, unsigned port)
{
	struct sign_in in = {.destination = destination,
			     .nexthop = nexthop,
			     .host = host,
			     .port = port,
			     .by_sender = postfix_source_yes(s, NULL, "smtp_sender_dependent_authentication")};
	const char *filter = postfix_source_text(s, NULL, "smtp_sasl_mechanism_filter"), *mode = destination->mode;

	if (!postfix_source_yes(s, NULL, "smtp_sasl_auth_enable"))
		return;
	postfix_source_maps(s, "smtp_sasl_password_maps", look_password, &in);
	if (in.left_out > 0)
		postfix_source_note(
			s, NULL, "smtp_sasl_password_maps", "More passwords than a destination has.",
			"%d were taken over for %s, in their order, and %zu were not, from %s on: mail of their "
			"senders waits there. Write another destination with the same hosts and those as its "
			"`mailboxes`, and routes with `sender` that lead to it.",
			MAILBOXES_MAX, destination->name, in.left_out, in.first_left_out);
	if (destination->mailbox_count == 0)
		return;
	settle(s, destination);
	if (strcasecmp(filter, "plain") == 0 || strcasecmp(filter, "login") == 0)
		destination->mechanism = strcasecmp(filter, "plain") == 0 ? "plain" : "login";
	else if (strcasestr(filter, "xoauth2"))
		postfix_source_note(s, NULL, "smtp_sasl_mechanism_filter", "Signing in with tokens, by a plug-in.",
				    "Write `oauth` at %s in place of the password: `postrider setup office365 --path "
				    "submission` does it for Microsoft 365.",
				    destination->name);
	if (strcmp(destination->mode, "verify") != 0)
		postfix_source_note(
			s, NULL, "smtp_tls_security_level",
			"Passwords went to hosts that had not proven who "
			"they are.",
			"A password is only given to a host whose certificate verifies, so %s has tls.mode: "
			"verify. Try it with `postrider doctor %s`; where the host's certificate is its own, "
			"write tls.ca_file or tls.fingerprints.",
			destination->name, destination->name);
	destination->mode = "verify";
	if (destination->numeric && !destination->server_name && destination->fingerprints.count == 0) {
		postfix_source_note(
			s, NULL, "smtp_sasl_password_maps", "Signing in at a host that is only a number.",
			"%s has no name that a certificate could have: write its name in `hosts`, or "
			"tls.server_name, and then `mailboxes` with the password's file. Until then nobody signs "
			"in there.",
			destination->name);
		destination->mailbox_count = 0;
		destination->match = false;
		destination->mode = mode;
	}
	if (strcasecmp(host, "smtp.office365.com") == 0 || strcasecmp(host, "smtp-mail.outlook.com") == 0)
		postfix_source_note(
			s, NULL, "relayhost", "A password at Microsoft 365.",
			"Microsoft takes passwords for SMTP away: `postrider setup office365 --path submission` "
			"sets up signing in with tokens (docs/office365-submission.md).");
}
