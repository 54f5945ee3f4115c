/*
 * core/agents/dns_library.c - libunbound, for dns.c. See dns_private.h.
 *
 * The library has a thread of its own behind each context; its results come back through a pipe and are taken here on
 * the agent's thread. It asks the given servers and no others: it never resolves from the root.
 *
 * The order of the set-up matters: ub_ctx_zone_remove() closes the settings, and what comes after it is refused.
 *
 * Trust begins at the anchor. Where there is a file to keep what follows from it (RFC 5011), that is begun as a copy;
 * the library watches the root's keys and writes it.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unbound.h>

#include "core/agents/dns_private.h"

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_MX = 15, TYPE_TXT = 16, TYPE_AAAA = 28, TYPE_TLSA = 52 };
enum { CLASS_IN = 1, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3 };

/*
 * The library counts silence as the server's, doubles for how long it waits for it, and at last asks it one thing at a
 * time. A name whose own servers are silent is as silent here, where all are asked of one or two resolvers: thousands
 * of them would have the resolver taken for dead. So where strangers' names are asked for, what is known of a server is
 * forgotten before it comes to that, and nothing is asked for so often that those who were given up here keep the
 * library busy. The operator's servers are those of names that answer: there a resolver that is dead is known as such
 * for longer.
 *
 * For how long an answer is waited for at first, in milliseconds, says min-rtt and time-limit; resolvers have others to
 * ask, and what they have at hand says nothing of how long that takes. It doubles once before it is forgotten, and what
 * comes later than that is not heard. So those who are asked for again have a wait of 3 s, as behind a satellite a
 * resolver may take that for every name; the first half is over before a place is lost to others, so that the second
 * resolver, if the first is dead, still has its turn.
 */
static const char *const manners[DNS_RANKS][6][2] = {
	[DNS_OWN] = {{"outgoing-range:", "600"},
		     {"infra-host-ttl:", "30"},
		     {"outbound-msg-retry:", "5"},
		     {"infra-cache-min-rtt:", "300"},
		     {"unknown-server-time-limit:", "300"},
		     {"num-queries-per-thread:", "512"}},
	/* As many as dns.c starts in the time that one takes here. */
	[DNS_FIRST] = {{"outgoing-range:", "2048"},
		       {"infra-host-ttl:", "1"},
		       {"outbound-msg-retry:", "2"},
		       {"infra-cache-min-rtt:", "300"},
		       {"unknown-server-time-limit:", "300"},
		       {"num-queries-per-thread:", "2048"}},
	[DNS_AGAIN] = {{"outgoing-range:", "1024"},
		       {"infra-host-ttl:", "1"},
		       {"outbound-msg-retry:", "4"},
		       {"infra-cache-min-rtt:", "1500"},
		       {"unknown-server-time-limit:", "1500"},
		       {"num-queries-per-thread:", "1024"}},
};

static bool set_options(struct ub_ctx *library, const char *const options[][2], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (ub_ctx_set_option(library, options[i][0], options[i][1]) != 0)
			return false;
	}
	return true;
}

static bool set_up(struct ub_ctx *library, bool validate, enum dns_rank rank)
{
	static const char *const options[][2] = {
		/* A resolver on this machine is as good as any. */
		{"do-not-query-localhost:", "no"},
		{"cache-max-ttl:", "3600"},
		{"cache-max-negative-ttl:", "60"},
		{"msg-cache-size:", "4m"},
		{"rrset-cache-size:", "8m"},
		/* Servers that were silent are tried again soon, not in a quarter of an hour. */
		{"infra-keep-probing:", "yes"},
		/* Names are those that the operator wrote: their servers may do as they like with private addresses. */
		{"unblock-lan-zones:", "yes"},
		{"insecure-lan-zones:", "yes"},
		{"qname-minimisation:", "no"},
	};

	static_assert(DNS_VALID_MAX_S == 3600 && DNS_NEGATIVE_MAX_S == 60, "as above");
	return set_options(library, options, sizeof(options) / sizeof(options[0])) &&
	       set_options(library, manners[rank], sizeof(manners[rank]) / sizeof(manners[rank][0])) &&
	       ub_ctx_set_option(library, "module-config:", validate ? "validator iterator" : "iterator") == 0;
}

/* ---- where trust begins ------------------------------------------------------------------------------------------ */

/* The root's keys (https://data.iana.org/root-anchors/): of 2017, and of 2024, which takes its place. */
static const char *const root_anchors[] = {
	". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
	". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
};

static bool add_fixed(struct ub_ctx *library, const struct dns *dns)
{
	if (dns->anchor)
		return ub_ctx_add_ta_file(library, dns->anchor) == 0;
	for (size_t i = 0; i < sizeof(root_anchors) / sizeof(root_anchors[0]); i++) {
		if (ub_ctx_add_ta(library, root_anchors[i]) != 0)
			return false;
	}
	return true;
}

static bool write_root(FILE *to)
{
	bool ok = true;

	for (size_t i = 0; i < sizeof(root_anchors) / sizeof(root_anchors[0]); i++)
		ok = fprintf(to, "%s\n", root_anchors[i]) > 0 && ok;
	return ok;
}

static bool copy_text(FILE *from, FILE *to)
{
	char octets[4096];
	size_t n;

	while ((n = fread(octets, 1, sizeof(octets), from)) > 0) {
		if (fwrite(octets, 1, n, to) != n)
			return false;
	}
	return !ferror(from);
}

/* The file to be kept, as it is before anything is known. */
static bool begin_kept(const struct dns *dns)
{
	FILE *from = dns->anchor ? fopen(dns->anchor, "re") : NULL, *to = fopen(dns->anchor_kept, "we");
	bool ok = to && (!dns->anchor || from);

	if (ok)
		ok = from ? copy_text(from, to) : write_root(to);
	if (from)
		fclose(from);
	if (to)
		ok = fclose(to) == 0 && ok;
	return ok;
}

static bool has_kept(const struct dns *dns)
{
	struct stat kept, anchor;

	if (stat(dns->anchor_kept, &kept) < 0 || kept.st_size == 0)
		return false;
	/* An operator who writes another one means it. */
	return !dns->anchor || stat(dns->anchor, &anchor) < 0 || anchor.st_mtime <= kept.st_mtime;
}

static bool add_anchor(struct ub_ctx *library, const struct dns *dns)
{
	if (!dns->validate)
		return true;
	/* Where it cannot be kept trust begins at the same place with each start. */
	if (!dns->anchor_kept || (!has_kept(dns) && !begin_kept(dns)))
		return add_fixed(library, dns);
	return ub_ctx_add_ta_autr(library, dns->anchor_kept) == 0;
}

static bool add_servers(struct ub_ctx *library, const struct dns *dns)
{
	unsigned taken = 0, i;

	for (i = 0; i < dns->server_count; i++)
		taken += ub_ctx_set_fwd(library, dns->servers[i]) == 0;
	for (i = 0; dns->server_count == 0 && i < dns->conf.server_count; i++)
		taken += ub_ctx_set_fwd(library, dns->conf.servers[i]) == 0;
	/* As resolv.conf(5): without any it is this machine's. */
	return taken > 0 || ub_ctx_set_fwd(library, "127.0.0.1") == 0;
}

struct ub_ctx *dns_library_new(const struct dns *dns, enum dns_rank rank)
{
	/* Names that the library would keep to itself, and offices use. */
	static const char *const zones[] = {"test.", "home.arpa."};
	struct ub_ctx *library = ub_ctx_create();

	if (!library)
		return NULL;
	/* Standard error is for events. */
	ub_ctx_debugout(library, NULL);
	if (!set_up(library, dns->validate, rank) || !add_servers(library, dns) || !add_anchor(library, dns) ||
	    ub_ctx_async(library, 1) != 0) {
		ub_ctx_delete(library);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		(void)ub_ctx_zone_remove(library, zones[i]);
	return library;
}

void dns_library_free(struct ub_ctx *library)
{
	if (library)
		ub_ctx_delete(library);
}

int dns_library_fd(struct ub_ctx *library)
{
	return library ? ub_fd(library) : -1;
}

void dns_library_process(struct ub_ctx *library)
{
	(void)ub_process(library);
}

static void take_data(struct dns_query *query, const struct ub_result *result)
{
	bool v6 = result->qtype == TYPE_AAAA;
	int length = v6 ? (int)sizeof(struct in6_addr) : (int)sizeof(struct in_addr);

	for (int i = 0; result->data[i] && query->count < DNS_ADDRESSES_MAX; i++) {
		struct ring_address *one = &query->addresses[query->count];
		if (result->len[i] != length)
			continue;
		memset(one, 0, sizeof(*one));
		if (v6) {
			one->v6.sin6_family = AF_INET6;
			one->length = sizeof(one->v6);
			memcpy(&one->v6.sin6_addr, result->data[i], sizeof(struct in6_addr));
		} else {
			one->v4.sin_family = AF_INET;
			one->length = sizeof(one->v4);
			memcpy(&one->v4.sin_addr, result->data[i], sizeof(struct in_addr));
		}
		query->count++;
	}
}

static struct dns_exchangers_question *exchangers_of(struct dns_query *query)
{
	struct dns_question *q = query->job->question;

	return q->exchangers ? container_of(q, struct dns_exchangers_question, base) : NULL;
}

/* A record that names no host is left out; but a domain that has some is not one without (DNS-01). */
static void take_exchangers(struct dns_query *query, const struct ub_result *result)
{
	struct dns_exchangers_question *q = exchangers_of(query);
	struct dns_exchanger one;

	for (int i = 0; result->data[i]; i++) {
		query->count++;
		if (result->len[i] < 0 || !dns_exchanger_parse(result->data[i], (size_t)result->len[i], &one))
			continue;
		if (one.name[0] == '\0')
			q->null = true;
		else
			dns_exchangers_add(q, &one);
	}
}

static void take_records(struct dns_query *query, const struct ub_result *result)
{
	struct dns_question *q = query->job->question;
	struct dns_records_question *records = q->records ? container_of(q, struct dns_records_question, base) : NULL;

	for (int i = 0; records && result->data[i]; i++) {
		size_t length = result->len[i] > 0 ? (size_t)result->len[i] : 0;
		if (result->qtype == TYPE_TXT ? dns_records_add_text(records, result->data[i], length)
					      : dns_records_add(records, result->data[i], length))
			query->count++;
	}
	/* What is too much is an answer, of which nothing can be used. */
	if (records && records->too_many)
		query->count++;
}

static void take(struct dns_query *query, const struct ub_result *result)
{
	switch (result->qtype) {
	case TYPE_MX:
		take_exchangers(query, result);
		return;
	case TYPE_TXT:
	case TYPE_TLSA:
		take_records(query, result);
		return;
	case TYPE_CNAME:
		query->count = 1;
		return;
	default:
		take_data(query, result);
		return;
	}
}

static void on_result(void *context, int error, struct ub_result *result)
{
	struct dns_query *query = context;

	query->out = false;
	query->answer = DNS_ANSWER_FAILED;
	query->rcode = RCODE_SERVFAIL;
	if (error != 0 || !result) {
		ub_resolve_free(result);
		return;
	}
	query->rcode = result->rcode;
	query->secure = result->secure != 0;
	query->bogus = result->bogus != 0;
	if (query->bogus)
		snprintf(query->job->why, sizeof(query->job->why), "%s",
			 result->why_bogus ? result->why_bogus : "no reason given");
	if (query->bogus && !query->job->question->lenient) {
		ub_resolve_free(result);
		return;
	}
	query->ttl_s = result->ttl > 0 ? (unsigned)result->ttl : 0;
	snprintf(query->canonical, sizeof(query->canonical), "%s", result->canonname ? result->canonname : "");
	if (result->havedata)
		take(query, result);
	if (query->count > 0)
		query->answer = DNS_ANSWER_DATA;
	else if (result->rcode == RCODE_NXDOMAIN)
		query->answer = DNS_ANSWER_NO_NAME;
	else if (result->rcode == 0)
		query->answer = DNS_ANSWER_EMPTY;
	ub_resolve_free(result);
}

void dns_library_ask(struct ub_ctx *library, struct dns_query *query, const char *name, enum dns_kind kind)
{
	static const int types[] = {[DNS_A] = TYPE_A,         [DNS_AAAA] = TYPE_AAAA, [DNS_MX] = TYPE_MX,
				    [DNS_CNAME] = TYPE_CNAME, [DNS_TXT] = TYPE_TXT,   [DNS_TLSA] = TYPE_TLSA};

	query->answer = DNS_ANSWER_NONE;
	query->count = 0;
	query->canonical[0] = '\0';
	query->secure = query->bogus = false;
	query->out =
		library && ub_resolve_async(library, name, types[kind], CLASS_IN, query, on_result, &query->id) == 0;
	if (!query->out) {
		query->answer = DNS_ANSWER_FAILED;
		query->rcode = RCODE_SERVFAIL;
	}
}

void dns_library_cancel(struct ub_ctx *library, struct dns_query *query)
{
	if (query->out)
		(void)ub_cancel(library, query->id);
	query->out = false;
}

const char *dns_library_rcode(int rcode)
{
	static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};

	return rcode >= 0 && rcode < (int)(sizeof(names) / sizeof(names[0])) ? names[rcode] : "an error";
}
