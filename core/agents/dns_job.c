/*
 * core/agents/dns_job.c - what is asked of the library for one question, and what comes of it, for dns.c. See
 * dns_private.h.
 *
 * Where exchangers are asked for it is one query for MX, of the domain as it is written.
 *
 * When one of the two kinds of address has come the other gets a little more time: servers that drop questions for AAAA
 * are no reason to wait for the deadline.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/dns_private.h"
#include "core/base/clock.h"

enum { GRACE_MS = 2000 /* for the other kind of address */ };

static struct ub_ctx *library_of(const struct dns *dns, const struct dns_job *job)
{
	return dns->places[job->rank].library;
}

void dns_cancel(struct dns *dns, struct dns_job *job)
{
	for (unsigned i = 0; i < DNS_KINDS; i++)
		dns_library_cancel(dns->places[job->rank].library, &job->queries[i]);
}

/* ---- answering ---------------------------------------------------------------------------------------------- */

void dns_valid(struct dns_question *q, unsigned ttl_s, unsigned least_s, unsigned most_s)
{
	q->valid_ns = (ttl_s < least_s ? least_s : ttl_s > most_s ? most_s : ttl_s) * CLOCK_NS_PER_S;
}

void dns_answer(struct dns *dns, struct dns_job *job, int result)
{
	struct dns_question *q = job->question;

	dns_cancel(dns, job);
	list_remove(&job->link);
	free(job);
	agent_answer(&dns->thread.agent, &q->question, result);
}

static void answer_addresses(struct dns *dns, struct dns_job *job, unsigned ttl_s)
{
	job->question->problem[0] = '\0';
	dns_valid(job->question, ttl_s, DNS_VALID_MIN_S, DNS_VALID_MAX_S);
	dns_put_in_order(job->question);
	dns_answer(dns, job, 0);
}

/* Which servers they are, for people. */
static void servers_text(const struct dns *dns, char *out, size_t size)
{
	unsigned count = dns->server_count ? dns->server_count : dns->conf.server_count, i;
	size_t n = 0;

	snprintf(out, size, "127.0.0.1");
	for (i = 0; i < count && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", i ? ", " : "",
				      dns->server_count ? dns->servers[i] : dns->conf.servers[i]);
}

void dns_answer_failed(struct dns *dns, struct dns_job *job, const char *what, int result)
{
	struct dns_question *q = job->question;
	char servers[100];

	servers_text(dns, servers, sizeof(servers));
	q->count = 0;
	q->secure = false;
	dns_valid(q, DNS_FAILED_S, DNS_FAILED_S, DNS_FAILED_S);
	snprintf(q->problem, sizeof(q->problem), "%s (asked: %s)", what, servers);
	dns_answer(dns, job, result);
}

/* Servers failed, or what they answered did. */
static void answer_rcode(struct dns *dns, struct dns_job *job, bool bogus, int rcode)
{
	char what[sizeof(job->why) + 40];

	/* As the library says that there are no keys of the root, or no signatures of them: nothing can be proven. */
	if (bogus && strstr(job->why, "for trust anchor . "))
		snprintf(what, sizeof(what),
			 "the name servers give no signatures (DNSSEC), not even for the root: name others in "
			 "dns.servers, or set dns.dnssec: off");
	else if (bogus)
		snprintf(what, sizeof(what), "DNSSEC does not prove the answer: %s", job->why);
	else
		snprintf(what, sizeof(what), "the name servers answer %s", dns_library_rcode(rcode));
	job->question->bogus = bogus;
	dns_answer_failed(dns, job, what, -EREMOTEIO);
}

/* All candidates have been asked for, and there is no address. */
static void answer_nothing(struct dns *dns, struct dns_job *job)
{
	struct dns_question *q = job->question;

	if (job->failed) {
		answer_rcode(dns, job, job->bogus, job->rcode);
		return;
	}
	q->count = 0;
	q->secure = !job->unproven;
	q->bogus = job->bogus;
	dns_valid(q, job->ttl_s, DNS_FAILED_S, DNS_NEGATIVE_MAX_S);
	snprintf(q->problem, sizeof(q->problem), "%s",
		 job->empty ? "the name exists, but has no address" : "there is no such name (NXDOMAIN)");
	dns_answer(dns, job, -ENOENT);
}

/* ---- jobs --------------------------------------------------------------------------------------------------- */

bool dns_take_data(struct dns *dns, struct dns_job *job)
{
	struct dns_question *q = job->question;
	unsigned ttl_s = UINT32_MAX;

	q->count = 0;
	q->secure = true;
	q->bogus = false;
	for (unsigned k = 0; k < DNS_KINDS; k++) {
		const struct dns_query *query = &job->queries[k];
		/* Room for both kinds. */
		unsigned most = k + 1 < DNS_KINDS && job->queries[k + 1].count > 0 ? DNS_ADDRESSES_MAX / 2
										   : DNS_ADDRESSES_MAX - q->count;
		if (query->answer != DNS_ANSWER_DATA)
			continue;
		q->secure = q->secure && query->secure;
		q->bogus = q->bogus || query->bogus;
		for (unsigned i = 0; i < query->count && i < most; i++)
			q->addresses[q->count++] = query->addresses[i];
		if (query->ttl_s < ttl_s)
			ttl_s = query->ttl_s;
	}
	if (q->count == 0)
		return false;
	answer_addresses(dns, job, ttl_s);
	return true;
}

static void note(struct dns_job *job, const struct dns_query *query)
{
	job->empty |= query->answer == DNS_ANSWER_EMPTY;
	job->unproven |= !query->secure;
	job->bogus |= query->bogus;
	if (query->answer == DNS_ANSWER_FAILED) {
		job->failed = true;
		job->rcode = query->rcode;
	} else if (query->ttl_s < job->ttl_s) {
		job->ttl_s = query->ttl_s;
	}
}

/* ---- exchangers ---- */

static void ask_exchangers(struct dns *dns, struct dns_job *job)
{
	struct dns_exchangers_question *q = container_of(job->question, struct dns_exchangers_question, base);

	q->count = 0;
	q->null = false;
	dns_library_ask(library_of(dns, job), &job->queries[0], q->base.name, DNS_MX);
}

/* False: it is over. */
static bool step_exchangers(struct dns *dns, struct dns_job *job)
{
	struct dns_exchangers_question *q = container_of(job->question, struct dns_exchangers_question, base);
	const struct dns_query *query = &job->queries[0];

	if (query->out)
		return true;
	q->base.problem[0] = '\0';
	if (query->answer == DNS_ANSWER_FAILED) {
		answer_rcode(dns, job, query->bogus, query->rcode);
		return false;
	}
	q->base.secure = query->secure;
	q->base.bogus = query->bogus;
	if (query->answer == DNS_ANSWER_DATA) {
		dns_valid(&q->base, query->ttl_s, DNS_VALID_MIN_S, DNS_VALID_MAX_S);
		if (q->count == 0)
			snprintf(q->base.problem, sizeof(q->base.problem), "%s",
				 q->null ? "the domain takes no mail (null MX)"
					 : "none of its MX records names a host");
		dns_answer(dns, job, 0);
		return false;
	}
	dns_valid(&q->base, query->ttl_s, DNS_FAILED_S, DNS_NEGATIVE_MAX_S);
	snprintf(q->base.problem, sizeof(q->base.problem), "%s",
		 query->answer == DNS_ANSWER_EMPTY ? "the domain has no MX record"
						   : "there is no such domain (NXDOMAIN)");
	dns_answer(dns, job, query->answer == DNS_ANSWER_EMPTY ? -ENODATA : -ENOENT);
	return false;
}

/* ---- records ---- */

static struct dns_records_question *records_of(struct dns_job *job)
{
	return container_of(job->question, struct dns_records_question, base);
}

static void ask_records(struct dns *dns, struct dns_job *job)
{
	bool tlsa = records_of(job)->kind == DNS_RECORDS_TLSA;
	const char *name = job->search.name;

	dns_cancel(dns, job);
	switch (job->search.ask) {
	case DNS_RECORDS_ASK_ADDRESSES:
		dns_library_ask(library_of(dns, job), &job->queries[0], name, DNS_A);
		dns_library_ask(library_of(dns, job), &job->queries[1], name, DNS_AAAA);
		return;
	case DNS_RECORDS_ASK_ALIAS:
		dns_library_ask(library_of(dns, job), &job->queries[0], name, DNS_CNAME);
		return;
	case DNS_RECORDS_ASK_DATA:
		dns_library_ask(library_of(dns, job), &job->queries[0], name, tlsa ? DNS_TLSA : DNS_TXT);
		return;
	}
}

/* Does what comes next; false: it is over. */
static bool follow_records(struct dns *dns, struct dns_job *job, enum dns_records_go go)
{
	struct dns_question *q = job->question;

	q->problem[0] = '\0';
	switch (go) {
	case DNS_RECORDS_WAIT:
		return true;
	case DNS_RECORDS_ASK:
		ask_records(dns, job);
		return true;
	case DNS_RECORDS_FOUND:
		dns_valid(q, job->ttl_s, DNS_VALID_MIN_S, DNS_VALID_MAX_S);
		dns_answer(dns, job, 0);
		return false;
	case DNS_RECORDS_NOTHING:
		dns_valid(q, job->ttl_s, DNS_VALID_MIN_S, DNS_NEGATIVE_MAX_S);
		dns_answer(dns, job, -ENOENT);
		return false;
	case DNS_RECORDS_FAILED:
		if (records_of(job)->too_many)
			dns_answer_failed(dns, job, "there are more of them than can be used", -EMSGSIZE);
		else
			answer_rcode(dns, job, job->bogus, job->rcode);
		return false;
	}
	return false;
}

/* False: it is over. */
static bool step_records(struct dns *dns, struct dns_job *job)
{
	struct dns_records_fact facts[DNS_KINDS];

	for (unsigned k = 0; k < DNS_KINDS; k++) {
		const struct dns_query *query = &job->queries[k];
		bool answered = !query->out && query->answer != DNS_ANSWER_NONE;
		facts[k] = (struct dns_records_fact){
			.answered = answered,
			.failed = answered && query->answer == DNS_ANSWER_FAILED,
			.data = answered && query->answer == DNS_ANSWER_DATA,
			.secure = query->secure,
			.canonical = query->canonical,
		};
		if (facts[k].failed) {
			job->rcode = query->rcode;
			job->bogus = query->bogus;
		} else if (answered && query->ttl_s < job->ttl_s) {
			job->ttl_s = query->ttl_s;
		}
	}
	job->question->secure = facts[0].secure;
	return follow_records(dns, job, dns_records_go_on(&job->search, records_of(job), facts));
}

/* Asks for the next candidate; false: there was none, and the question is answered. */
bool dns_ask_next(struct dns *dns, struct dns_job *job)
{
	char name[DNS_NAME_SIZE], own[DNS_NAME_SIZE + 1];

	if (job->question->exchangers) {
		ask_exchangers(dns, job);
		return true;
	}
	if (job->question->records) {
		job->ttl_s = DNS_VALID_MAX_S;
		return follow_records(dns, job, dns_records_begin(&job->search, records_of(job)));
	}
	snprintf(own, sizeof(own), "%s%s", job->question->name, job->question->whole ? "." : "");
	while (resolv_conf_candidate(&dns->conf, own, job->candidate++, name)) {
		bool out = false;
		for (unsigned k = 0; k < DNS_KINDS && name[0] != '\0'; k++) {
			dns_library_ask(library_of(dns, job), &job->queries[k], name, (enum dns_kind)k);
			out |= job->queries[k].out;
			if (!job->queries[k].out)
				note(job, &job->queries[k]);
		}
		if (out)
			return true;
	}
	answer_nothing(dns, job);
	return false;
}

/* Looks at a running job; false: it is over. */
bool dns_step(struct dns *dns, struct dns_job *job, uint64_t now_ns)
{
	bool data = false;
	unsigned out = 0;

	if (job->question->exchangers)
		return step_exchangers(dns, job);
	if (job->question->records)
		return step_records(dns, job);
	for (unsigned k = 0; k < DNS_KINDS; k++) {
		out += job->queries[k].out;
		data |= job->queries[k].answer == DNS_ANSWER_DATA;
	}
	if (out > 0) {
		if (data && job->deadline_ns > now_ns + GRACE_MS * CLOCK_NS_PER_MS)
			job->deadline_ns = now_ns + GRACE_MS * CLOCK_NS_PER_MS;
		return true;
	}
	if (dns_take_data(dns, job))
		return false;
	for (unsigned k = 0; k < DNS_KINDS; k++)
		note(job, &job->queries[k]);
	return dns_ask_next(dns, job);
}
