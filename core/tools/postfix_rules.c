/*
 * core/tools/postfix_rules.c - what Postfix refuses and what it writes anew, as routes that refuse, and as what a
 * client's mail goes through.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/config/field_form.h"
#include "core/config/scalar.h"
#include "core/config/schema_sender.h"
#include "core/tools/postfix_source.h"

enum { MAPPINGS_MAX = 1000, REMOVED_MAX = 100 };

/* ---- addresses ---------------------------------------------------------------------------------------------- */

struct rewriting {
	const char *name; /* the parameter */
	unsigned rank;    /* 0: whole addresses, 1: names without a domain, 2: domains */
	bool full;
};

static void add_mapping(struct postfix_source *s, struct rewriting *r, const char *from, const char *to)
{
	if (s->plan->map.count == MAPPINGS_MAX)
		r->full = true;
	else
		import_line(s->plan, &s->plan->map,
			    import_text(s->plan, "{ from: %s, to: %s }", import_quoted(s->plan, from),
					import_quoted(s->plan, to)));
}

static void note_full(struct postfix_source *s, const struct rewriting *r)
{
	if (r->full)
		postfix_source_note(s, NULL, r->name, "More addresses than from.map has.",
				    "%d were taken over, in their order.", MAPPINGS_MAX);
}

/* An address, or "*@domain" for "@domain". NULL: neither. */
static const char *target(struct postfix_source *s, const char *value)
{
	const char *text = import_text(s->plan, "%s%s", *value == '@' ? "*" : "", value);

	if (!import_plain(value) || strpbrk(value, " ,$\"") || !scalar_recipient_valid(text))
		return NULL;
	return *text == '*' || schema_address_valid(text) ? text : NULL;
}

static void take_mapping(struct postfix_source *s, const struct postfix_map *map, const struct postfix_entry *entry,
			 struct rewriting *r)
{
	const char *key = entry->key, *from, *to = target(s, entry->value), *origin;
	unsigned rank = *key == '@' ? 2 : strchr(key, '@') ? 0 : 1;

	if (rank != r->rank)
		return;
	if (rank == 1) { /* a local part alone is one of this machine's own domain */
		origin = s->plan->default_domain ? s->plan->default_domain : s->plan->hostname;
		key = origin ? import_text(s->plan, "%s@%s", key, origin) : key;
	}
	from = strchr(key, '@') ? postfix_source_pattern(s, key) : NULL;
	if (from && to)
		add_mapping(s, r, from, to);
	else
		postfix_source_note_entry(
			s, map, entry, "An address that was written anew.",
			"from.map has addresses and \"*@domain\" on either side: write what is meant.");
}

/* /.+/ address: all of them. */
static void take_pattern(struct postfix_source *s, const struct postfix_map *map, const struct postfix_entry *entry)
{
	const char *to = target(s, entry->value);

	if (postfix_pattern_fits_all(entry->key) && to && *to != '*' && s->plan->map.count == 0) {
		if (!s->plan->from_address)
			s->plan->from_address = to;
		return;
	}
	postfix_source_note_entry(
		s, map, entry, "Addresses that were written anew, by a pattern.",
		"from.map knows addresses, \"*@domain\" and \"*@*.domain\": write what is meant below "
		"`from` of a client.");
}

static void take_rewriting(struct postfix_source *s, const struct postfix_map *map, void *context)
{
	struct rewriting *r = context;

	if (map->kind == POSTFIX_STATIC) {
		const char *to = target(s, map->value);
		if (to && *to != '*' && !s->plan->from_address)
			s->plan->from_address = to;
		return;
	}
	for (r->rank = 0; r->rank < 3; r->rank++) {
		for (size_t i = 0; i < map->table.count; i++) {
			if (map->kind == POSTFIX_PLAIN)
				take_mapping(s, map, &map->table.entries[i], r);
			else if (r->rank == 0)
				take_pattern(s, map, &map->table.entries[i]);
		}
	}
}

/* masquerade_domains: what stands below a domain is written as the domain. */
static void take_masquerade(struct postfix_source *s)
{
	struct rewriting r = {.name = "masquerade_domains"};
	const char *rest = postfix_source_text(s, NULL, r.name);
	char word[512];

	while (postfix_word(&rest, word, sizeof(word))) {
		const char *from = import_text(s->plan, "*@*.%s", word), *to = import_text(s->plan, "*@%s", word);
		if (*word == '!' || !scalar_recipient_valid(from))
			postfix_source_note(s, NULL, r.name, "Domains that are hidden.",
					    "%s cannot be taken over: write it below from.map.", word);
		else
			add_mapping(s, &r, from, to);
	}
	note_full(s, &r);
	if (*postfix_source_text(s, NULL, "masquerade_exceptions"))
		postfix_source_note(s, NULL, "masquerade_exceptions", "Names whose domain was not hidden.",
				    "Write before the others in from.map each with its own address on both sides.");
}

static void take_addresses(struct postfix_source *s)
{
	static const char *const names[] = {"sender_canonical_maps", "canonical_maps", "smtp_generic_maps"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct rewriting r = {.name = names[i]};
		postfix_source_maps(s, names[i], take_rewriting, &r);
		note_full(s, &r);
		if (i > 0 && postfix_conf_find(&s->conf, NULL, names[i]))
			postfix_source_note(s, NULL, names[i], "Senders and recipients were written anew.",
					    "Senders and authors are; recipients stay as clients name them.");
	}
	take_masquerade(s);
	if (s->plan->from_address && s->plan->map.count > 0) {
		import_note(s->plan, "main.cf", "sender_canonical_maps", "One address for all, and others before it.",
			    "from.map is taken over; from.address: %s is not, as it would be before them.",
			    s->plan->from_address);
		s->plan->from_address = NULL;
	}
}

/* ---- header checks ------------------------------------------------------------------------------------------ */

static void take_header_checks(struct postfix_source *s, const struct postfix_map *map, void *context)
{
	char name[128];

	for (size_t i = 0; i < map->table.count; i++) {
		const struct postfix_entry *entry = &map->table.entries[i];
		bool ignore = strncasecmp(entry->value, "IGNORE", 6) == 0;

		if (ignore && map->kind == POSTFIX_PATTERNS && postfix_pattern_field(entry->key, name, sizeof(name)) &&
		    !field_form_name_problem(name, strlen(name)) && s->plan->removed.count < REMOVED_MAX) {
			import_line(s->plan, &s->plan->removed, import_quoted(s->plan, name));
			continue;
		}
		postfix_source_note_entry(
			s, map, entry,
			ignore ? "Fields of the header were left out." : "Fields of the header were looked at.",
			ignore ? "remove_headers takes names of fields, but Received, From and Return-Path, which stay."
			       : "Content is not looked at here; add_headers, remove_headers and `from` of a client "
				 "are what "
				 "writes a header.");
	}
}

/* ---- restrictions ------------------------------------------------------------------------------------------- */

/* REJECT and 5yz with a text; the text for people, or NULL: some other action. */
static const char *refusal(struct postfix_source *s, const char *action)
{
	const char *text = action;

	if (strncasecmp(action, "REJECT", 6) == 0)
		text += 6;
	else if (*action != '5' || strspn(action, "0123456789") != 3)
		return NULL;
	else
		text += 3;
	text += strspn(text, " 0123456789.");
	if (!*text)
		return "not taken here";
	return import_text(s->plan, "%.200s", text);
}

static void take_access(struct postfix_source *s, const struct postfix_map *map, const char *key)
{
	for (size_t i = 0; i < map->table.count; i++) {
		const struct postfix_entry *entry = &map->table.entries[i];
		const char *text = import_plain(entry->value) ? refusal(s, entry->value) : NULL;
		const char *pattern = strcmp(entry->key, "<>") == 0 ? "<>" : postfix_source_pattern(s, entry->key);
		const char *below;

		if (map->kind != POSTFIX_PLAIN || !text || !pattern) {
			postfix_source_note_entry(
				s, map, entry, "Who was let in, or refused, by a table.",
				"`clients` says who may relay (allowed_senders, allowed_recipients), and a "
				"route with `refuse` whom nothing goes to: write what is meant.");
			continue;
		}
		import_route(s->plan, key, pattern, NULL, text);
		below = import_text(s->plan, "*@*.%s", entry->key);
		if (!strchr(entry->key, '@') && *entry->key != '.' && strcmp(pattern, "<>") != 0 &&
		    scalar_recipient_valid(below)) /* and below it */
			import_route(s->plan, key, below, NULL, text);
	}
}

/* What these say is how this relay is. */
static bool usual(const char *word)
{
	static const char *const words[] = {
		"permit_mynetworks",
		"permit_sasl_authenticated",
		"reject_unauth_destination",
		"defer_unauth_destination",
		"permit",
		"reject",
		"reject_unauth_pipelining",
		"reject_non_fqdn_recipient",
		"reject_non_fqdn_sender",
		"permit_auth_destination",
		"reject_invalid_helo_hostname",
		"reject_invalid_hostname",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(words[i], word) == 0)
			return true;
	}
	return false;
}

/* `inside`: a word before has let in who may relay here, so what this says never was about him. */
static void take_restriction(struct postfix_source *s, const char *list, const char *word, const char **rest,
			     bool inside)
{
	const char *key = strcmp(word, "check_sender_access") == 0      ? "sender"
			  : strcmp(word, "check_recipient_access") == 0 ? "recipient"
									: NULL;
	char argument[1024] = "";
	struct postfix_map map;

	if (usual(word))
		return;
	if (strncmp(word, "check_", 6) == 0 || strncmp(word, "reject_rbl", 10) == 0 ||
	    strncmp(word, "reject_rhsbl", 12) == 0 || strcmp(word, "warn_if_reject") == 0)
		postfix_word(rest, argument, sizeof(argument));
	if (inside) {
		postfix_source_note(s, NULL, list, "A restriction for those outside of mynetworks.",
				    "%s%s%s is not needed: those are refused altogether.", word, *argument ? " " : "",
				    argument);
		return;
	}
	if (key && postfix_source_map(s, list, import_text(s->plan, "%s", argument), &map)) {
		take_access(s, &map, key);
		postfix_source_map_end(&map);
		return;
	}
	if (key)
		return;
	postfix_source_note(s, NULL, list, "A restriction.",
			    "%s%s%s is not taken over: only those of `clients` may relay here, whom spam filters and "
			    "reputation lists are not asked about.",
			    word, *argument ? " " : "", argument);
}

static void take_restrictions(struct postfix_source *s)
{
	static const char *const lists[] = {
		"smtpd_client_restrictions",      "smtpd_helo_restrictions",      "smtpd_sender_restrictions",
		"smtpd_relay_restrictions",       "smtpd_recipient_restrictions", "smtpd_data_restrictions",
		"smtpd_end_of_data_restrictions",
	};
	char word[1024];

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const char *rest = postfix_source_text(s, NULL, lists[i]);
		bool inside = false;
		while (postfix_word(&rest, word, sizeof(word))) {
			take_restriction(s, lists[i], word, &rest, inside);
			inside |= strcasecmp(word, "permit_mynetworks") == 0;
		}
	}
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

static void take_copy(struct postfix_source *s)
{
	const char *copy = postfix_source_text(s, NULL, "always_bcc");

	if (!*copy)
		return;
	if (strchr(copy, '@') && target(s, copy))
		s->plan->archive = copy;
	else
		postfix_source_note(s, NULL, "always_bcc", "A copy of each message.",
				    "`archive` of a client wants a whole address: write one.");
}

void postfix_take_rules(struct postfix_source *s)
{
	static const char *const checks[] = {"header_checks",          "smtp_header_checks", "mime_header_checks",
					     "nested_header_checks",   "body_checks",        "smtp_body_checks",
					     "smtp_mime_header_checks"};

	take_addresses(s);
	take_copy(s);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		postfix_source_maps(s, checks[i], take_header_checks, NULL);
	take_restrictions(s);
}
