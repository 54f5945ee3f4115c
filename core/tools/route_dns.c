/*
 * core/tools/route_dns.c - see route_dns.h. What is needed of TLS is decided where the relay decides it (tls_level.h).
 */
#include "core/tools/route_dns.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/agents/dns_exchangers.h"
#include "core/agents/dns_records.h"
#include "core/agents/dns_settings.h"
#include "core/agents/sts.h"
#include "core/base/address_text.h"
#include "core/config/config.h"
#include "core/deliver/exchangers.h"
#include "core/deliver/mx.h"
#include "core/deliver/names.h"
#include "core/deliver/tls_level.h"
#include "core/deliver/tlsa.h"
#include "core/tools/lookup.h"
#include "core/tools/sheet.h"
#include "tls/dane.h"

enum { LABEL = 14, TEXT_MAX = 1200, NAME_ROOM = DNS_NAME_MAX + 24 };

struct looking {
	const struct config *config;
	const struct config_destination *destination;
	struct lookup *lookup;
	bool print, secure; /* `secure`: that these are the hosts is proven */
	char domain[MX_NAME_SIZE];
	struct sts_policy *policy; /* owned; NULL: none is in force */
	json_t *hosts;             /* borrowed */
	bool usable;
};

__attribute__((format(printf, 3, 4))) static void say(const struct looking *l, const char *key, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list arguments;

	if (!l->print)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	printf("%-*s", LABEL, key);
	sheet_words(span_text(text), LABEL);
}

/* ---- the policy of the domain ----------------------------------------------------------------------------------- */

/* The one record of the name (RFC 8461 3.1). False with *why. */
static bool find_record(struct looking *l, struct dns_records_question *q, char id[MTA_STS_ID_MAX + 1],
			const char **why)
{
	size_t at = 0, length;
	const uint8_t *data;
	unsigned good = 0;
	int r = lookup_records(l->lookup, q);

	*why = r == -ENOENT ? "none: there is no record" : q->base.problem;
	if (r != 0)
		return false;
	while (dns_records_next(q, &at, &data, &length)) {
		char one[MTA_STS_ID_MAX + 1];
		enum mta_sts_record kind = mta_sts_record_parse((const char *)data, length, one);
		good += kind != MTA_STS_OTHER;
		if (kind == MTA_STS_GOOD)
			memcpy(id, one, sizeof(one));
		else if (kind == MTA_STS_BAD)
			id[0] = '\0';
	}
	*why = good == 0  ? "none: there is no record"
	       : good > 1 ? "none: there are several records"
			  : "none: its record "
			    "cannot be read";
	return good == 1 && id[0] != '\0';
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	return remove(path);
}

/* Anew, from its host: what the relay has of it is in its own directory, and stays in force there. */
static int fetch(struct looking *l, struct sts_question *q)
{
	char directory[] = "/tmp/postrider-route-XXXXXX", host[NAME_ROOM];
	struct dns_question *name = calloc(1, sizeof(*name));
	struct sts *sts = NULL;
	int r = -ENOMEM;

	snprintf(host, sizeof(host), "mta-sts.%s", l->domain);
	if (name && mkdtemp(directory)) {
		name->name = host;
		name->port = 443;
		name->whole = true;
		name->lenient = true; /* the host's certificate is what counts */
		(void)lookup_name(l->lookup, name);
		for (unsigned i = 0; i < name->count; i++) {
			/* Whoever names a domain must not make us look into this network (REL-04). */
			if (!l->destination->mx || l->config->dns.allow_private || !mx_forbidden(&name->addresses[i]))
				q->addresses[q->address_count++] = name->addresses[i];
		}
		sts = sts_start(directory);
		r = sts ? lookup_policy(l->lookup, sts, q) : -errno;
		if (sts)
			sts_stop(sts);
		(void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	}
	free(name);
	return r;
}

static json_t *find_policy(struct looking *l)
{
	struct dns_records_question *text = calloc(1, sizeof(*text));
	struct sts_question *q = calloc(1, sizeof(*q));
	char record[NAME_ROOM], said[TEXT_MAX];
	const char *why = "out of memory";

	snprintf(record, sizeof(record), "_mta-sts.%s", l->domain);
	if (text && q) {
		text->kind = DNS_RECORDS_TEXT;
		text->base.name = record;
		text->base.whole = true;
		q->domain = l->domain;
		q->ca_file = l->destination->ca_file;
		if (find_record(l, text, q->id, &why)) {
			q->recorded = true;
			why = fetch(l, q) == 0 ? NULL : q->problem[0] ? q->problem : "none: it cannot be fetched";
			l->policy = why ? NULL : q->policy;
		}
	}
	if (!why)
		snprintf(said, sizeof(said), "%s, id %s%s", mta_sts_mode_name(l->policy->policy->mode), l->policy->id,
			 l->policy->policy->mode == MTA_STS_ENFORCE ? "" : ": what does not fit it goes all the same");
	else
		snprintf(said, sizeof(said), "%s", why);
	free(text);
	free(q);
	say(l, "mta_sts", "%s", said);
	return json_string(said);
}

/* ---- a host ----------------------------------------------------------------------------------------------------- */

/* As the relay finds it out (core/deliver/tlsa.c). */
static enum tls_dane find_tlsa(struct looking *l, const struct config_host *host, char said[TEXT_MAX])
{
	struct dns_records_question *q;
	enum tls_dane dane = TLS_DANE_ABSENT;
	int r;

	said[0] = '\0';
	q = tlsa_asked(l->destination, host->numeric, l->secure) ? calloc(1, sizeof(*q)) : NULL;
	if (!q)
		return TLS_DANE_ABSENT;
	q->kind = DNS_RECORDS_TLSA;
	q->base.name = host->name;
	q->base.port = host->port;
	r = lookup_records(l->lookup, q);
	if (r == 0) {
		dane = tls_dane_usable(q->block, q->length) ? TLS_DANE_USABLE : TLS_DANE_UNUSABLE;
		snprintf(said, TEXT_MAX, "%u records of %s, %u of them usable", q->count, q->at,
			 tls_dane_usable(q->block, q->length));
	} else if (r != -ENOENT) {
		dane = TLS_DANE_UNKNOWN;
		snprintf(said, TEXT_MAX, "not known: %s", q->base.problem);
	}
	free(q);
	return dane;
}

static enum tls_sts sts_of(const struct looking *l, const struct config_host *host)
{
	if (!l->policy || l->policy->policy->mode != MTA_STS_ENFORCE || host->numeric)
		return TLS_STS_ABSENT;
	return mta_sts_policy_names(l->policy->policy, host->name) ? TLS_STS_ENFORCED : TLS_STS_FOREIGN;
}

/* What is asked of a connection there, and who asks for it. */
static void describe_need(const struct looking *l, const struct tls_facts *facts, char said[TEXT_MAX])
{
	static const char *const modes[] = {
		[CONFIG_TLS_NONE] = "none",         [CONFIG_TLS_OPPORTUNISTIC] = "opportunistic",
		[CONFIG_TLS_REQUIRED] = "required", [CONFIG_TLS_VERIFY] = "verify",
		[CONFIG_TLS_DANE] = "dane",
	};
	struct tls_need need = tls_need_of(facts);
	const char *by = facts->dane == TLS_DANE_USABLE || facts->dane == TLS_DANE_UNUSABLE ? "its TLSA records"
			 : facts->sts == TLS_STS_ENFORCED ? "the domain's MTA-STS policy"
			 : facts->pinned                  ? "fingerprints"
							  : NULL;
	char proofs[128];

	snprintf(proofs, sizeof(proofs), "%s", tls_proof_name(need.proofs));
	snprintf(said, TEXT_MAX, "%s%s%s; tls.mode %s%s%s", tls_level_name(need.level), proofs[0] ? ", by " : "",
		 proofs, modes[l->destination->tls_mode], by ? ", and " : "", by ? by : "");
}

/* NULL: mail may go there. */
static const char *not_there(const struct looking *l, const struct dns_question *q)
{
	const char *why = NULL;

	if (!l->destination->mx)
		return NULL;
	for (unsigned i = 0; i < q->count; i++) {
		why = names_forbids(l->config, q, i);
		if (!why)
			return NULL;
	}
	return why;
}

static json_t *addresses_of(const struct dns_question *q, char said[TEXT_MAX])
{
	json_t *list = json_array();
	size_t n = 0;

	said[0] = '\0';
	for (unsigned i = 0; i < q->count && n + 64 < TEXT_MAX; i++) {
		char text[ADDRESS_TEXT_SIZE];
		(void)address_text_format(&q->addresses[i], text);
		n += (size_t)snprintf(said + n, TEXT_MAX - n, "%s%s", i ? ", " : "", text);
		json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *text_or_null(const char *text)
{
	json_t *json = text && text[0] ? json_string(text) : NULL;

	/* What a server said may be no text. */
	return json ? json : text && text[0] ? json_string("?") : json_null();
}

/* `preference`: negative: it is configured. `left_out`: why it is not asked at all; NULL: it is. */
static void look_at(struct looking *l, const struct config_host *host, int preference, const char *left_out)
{
	struct dns_question *q = calloc(1, sizeof(*q));
	char tlsa[TEXT_MAX] = "", tls[TEXT_MAX] = "", addresses[TEXT_MAX] = "";
	const char *why_not = left_out;
	json_t *list = NULL;
	struct tls_facts facts = {.mode = l->destination->tls_mode,
				  .pinned = l->destination->fingerprints.count > 0,
				  .no_clear = l->destination->mailbox_count > 0 || l->destination->tls_implicit};

	if (!q)
		return;
	if (host->numeric) {
		q->addresses[q->count++] = host->address;
	} else if (!left_out) {
		q->name = host->name;
		q->port = host->port;
		q->whole = host->whole;
		if (lookup_name(l->lookup, q) != 0)
			why_not = q->problem[0] ? q->problem : "it has no address";
	}
	if (!why_not)
		why_not = not_there(l, q);
	if (!left_out && facts.mode != CONFIG_TLS_NONE) {
		facts.dane = find_tlsa(l, host, tlsa);
		facts.sts = sts_of(l, host);
		describe_need(l, &facts, tls);
		if (!why_not)
			why_not = tls_need_of(&facts).barred;
	}
	list = addresses_of(q, addresses);
	if (preference >= 0)
		say(l, "host", "%d %s, port %u%s%s", preference, host->name, (unsigned)host->port,
		    addresses[0] ? ": " : "", addresses);
	else
		say(l, "host", "%s%s%s", host->text, addresses[0] && !host->numeric ? ": " : "",
		    host->numeric ? "" : addresses);
	if (tlsa[0])
		say(l, "  tlsa", "%s", tlsa);
	if (tls[0])
		say(l, "  tls", "%s", tls);
	if (why_not)
		say(l, "  not used", "%s", why_not);
	l->usable |= why_not == NULL;
	json_array_append_new(
		l->hosts, json_pack("{ss si so so so so so}", "host", host->name ? host->name : host->text, "port",
				    (int)host->port, "preference",
				    preference >= 0 ? json_integer(preference) : json_null(), "addresses", list, "tlsa",
				    text_or_null(tlsa), "tls", text_or_null(tls), "why_not", text_or_null(why_not)));
	free(q);
}

/* ---- the hosts that the DNS names ------------------------------------------------------------------------------- */

static const char *left_out_of(const struct looking *l, const struct dns_exchangers_question *q, unsigned i,
			       const struct dns_exchanger *kept, unsigned kept_count, uint32_t refused)
{
	if (l->destination->mx_of)
		return refused >> i & 1 ? "it is not called as the destination's hosts have to be" : NULL;
	for (unsigned k = 0; k < kept_count; k++) {
		if (strcmp(kept[k].name, q->list[i].name) == 0)
			return NULL;
	}
	return "it is this relay, or comes behind it";
}

/* Why there is none; NULL: they were looked at. */
static const char *look_at_exchangers(struct looking *l, struct dns_exchangers_question *q)
{
	struct dns_exchanger kept[DNS_EXCHANGERS_MAX];
	uint8_t order[DNS_EXCHANGERS_MAX];
	uint32_t refused = 0;
	struct random random;
	unsigned count;
	int r = lookup_exchangers(l->lookup, q);

	if (r == -ENODATA) {
		q->count = 1;
		snprintf(q->list[0].name, sizeof(q->list[0].name), "%s", l->domain);
	} else if (r != 0) {
		return q->base.problem[0] ? q->base.problem : "there is no such domain";
	}
	l->secure = q->base.secure;
	if (q->count == 0)
		return "the domain takes no mail: its MX says so (RFC 7505)";
	say(l, "mx", "of %s%s%s", l->domain, r == -ENODATA ? ": it has none, so its own host takes its mail" : "",
	    l->secure ? ", proven by DNSSEC" : "");
	count = q->count;
	memcpy(kept, q->list, sizeof(kept));
	random_init(&random);
	if (l->destination->mx_of)
		(void)exchangers_order(q->list, q->count, &l->destination->mx_ends, &random, order, &refused);
	else if (!mx_choose(kept, &count, l->config->hostname))
		count = 0;
	for (unsigned i = 0; i < q->count; i++) {
		const struct config_host host = {.text = q->list[i].name,
						 .name = q->list[i].name,
						 .port = l->destination->mx_port,
						 .whole = true};
		look_at(l, &host, q->list[i].preference, left_out_of(l, q, i, kept, count, refused));
	}
	return NULL;
}

json_t *route_dns(const struct config *config, const struct config_destination *destination, const char *recipient,
		  bool print, bool *usable)
{
	const struct dns_settings settings = dns_settings_of(config, NULL);
	struct dns_exchangers_question *q = calloc(1, sizeof(*q));
	struct looking l = {.config = config,
			    .destination = destination,
			    .print = print,
			    .secure = !destination->mx && !destination->mx_of,
			    .hosts = json_array()};
	const char *problem = "out of memory";
	json_t *policy = NULL;
	struct ring_problem cannot;

	l.lookup = q && l.hosts ? lookup_open(&settings, &cannot) : NULL;
	if (q && !l.lookup)
		problem = cannot.text;
	if (l.lookup) {
		bool named = destination->mx || destination->mx_of;
		problem = NULL;
		if (destination->mx_of)
			snprintf(l.domain, sizeof(l.domain), "%s", destination->mx_of);
		else if (destination->mx && !mx_domain(span_text(recipient), l.domain))
			problem = "the DNS can have no such domain";
		if (!problem && named && destination->mta_sts)
			policy = find_policy(&l);
		if (!problem && named) {
			q->base.name = l.domain;
			problem = look_at_exchangers(&l, q);
		}
		for (size_t i = 0; !named && i < destination->host_count; i++)
			look_at(&l, &destination->hosts[i], -1, NULL);
	}
	if (problem)
		say(&l, "mx", "%s", problem);
	*usable = l.usable;
	json_t *answer = json_pack("{so so so so}", "domain", text_or_null(l.domain), "mta_sts",
				   policy ? policy : json_null(), "hosts", l.hosts, "problem", text_or_null(problem));
	sts_policy_release(l.policy);
	lookup_close(l.lookup);
	free(q);
	return answer;
}
