/*
 * core/deliver/tlsa.c - see tlsa.h.
 */
#include "core/deliver/tlsa.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/dns_records.h"
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/outbound.h"
#include "core/deliver/outbound_site.h"
#include "core/shard/shard.h"
#include "queue/hash.h"

enum {
	PAUSE_MAX_S = 300,   /* between two questions of which nothing comes */
	PAUSE_DOUBLINGS = 6, /* of the least, that is, about as long */
};

struct tlsa_found *tlsa_hold(struct tlsa_found *found)
{
	if (found)
		found->users++;
	return found;
}

void tlsa_release(struct tlsa_found *found)
{
	if (!found)
		return;
	assert(found->users > 0);
	if (--found->users == 0)
		free(found);
}

/* The domain whose mail it is, where an MX record leads to the host: its certificate may be for that one as well (RFC
 * 7672 3.2.2). */
static const char *next_hop_domain(const struct outbound *o)
{
	return o->destination->mx_of ? o->exchangers->domain : NULL;
}

bool tlsa_asked(const struct config_destination *destination, bool numeric, bool secure)
{
	if (numeric || destination->server_name || !secure)
		return false;
	return destination->tls_mode == CONFIG_TLS_OPPORTUNISTIC || destination->tls_mode == CONFIG_TLS_REQUIRED ||
	       destination->tls_mode == CONFIG_TLS_DANE;
}

bool tlsa_wanted(const struct outbound *o, const struct host *host)
{
	bool secure = (!o->mx || (!o->mx->free && o->mx->secure)) &&
		      (!o->destination->mx_of || (o->exchangers && o->exchangers->secure));

	return o->dns && tlsa_asked(o->destination, host->config->numeric, secure);
}

void tlsa_found(const struct outbound *o, const struct host *host, struct tls_found *found)
{
	found->dane = tlsa_wanted(o, host) ? host->tlsa.known : TLS_DANE_ABSENT;
	found->against = found->dane == TLS_DANE_USABLE ? host->tlsa.found->hash : 0;
}

/* ---- an answer -------------------------------------------------------------------------------------------------- */

static struct tlsa_found *make_found(const struct outbound *o, const struct dns_records_question *q)
{
	const char *domain = next_hop_domain(o);
	size_t base = strlen(q->at) + 1, second = domain ? strlen(domain) + 1 : 0;
	struct tlsa_found *found = calloc(1, sizeof(*found) + base + second + q->length);

	if (!found)
		return NULL;
	found->users = 1;
	found->length = base + second + q->length;
	memcpy(found->octets, q->at, base);
	if (domain)
		memcpy(found->octets + base, domain, second);
	memcpy(found->octets + base + second, q->block, q->length);
	found->hash = queue_hash(found->octets, found->length);
	found->against = (struct tls_tlsa){
		.records = found->octets + base + second,
		.length = q->length,
		.names = {(const char *)found->octets, domain ? (const char *)found->octets + base : NULL, NULL},
	};
	return found;
}

static void unknown(struct tlsa *tlsa, const char *problem, uint64_t valid_ns)
{
	uint64_t pause = valid_ns << (tlsa->failures < PAUSE_DOUBLINGS ? tlsa->failures : PAUSE_DOUBLINGS);

	if (pause == 0)
		pause = CLOCK_NS_PER_S;
	if (pause > PAUSE_MAX_S * CLOCK_NS_PER_S)
		pause = PAUSE_MAX_S * CLOCK_NS_PER_S;
	tlsa->failures++;
	tlsa->known = TLS_DANE_UNKNOWN;
	tlsa->due_ns = tlsa->outbound->shard->now_ns + pause;
	snprintf(tlsa->problem, sizeof(tlsa->problem), "%s", problem);
}

static void known(struct tlsa *tlsa, enum tls_dane what, uint64_t valid_ns)
{
	tlsa->failures = 0;
	tlsa->problem[0] = '\0';
	tlsa->known = what;
	tlsa->due_ns = tlsa->outbound->shard->now_ns + valid_ns;
}

static void take_answer(struct tlsa *tlsa, const struct dns_records_question *q)
{
	struct tlsa_found *found;

	if (q->base.question.result == -ENOENT) {
		known(tlsa, TLS_DANE_ABSENT, q->base.valid_ns);
		return;
	}
	if (q->base.question.result != 0) {
		unknown(tlsa, q->base.problem[0] ? q->base.problem : "too many names are asked for at once",
			q->base.valid_ns);
		return;
	}
	found = make_found(tlsa->outbound, q);
	if (!found) {
		unknown(tlsa, "out of memory", 0);
		return;
	}
	tlsa_release(tlsa->found);
	tlsa->found = found;
	known(tlsa,
	      tls_dane_usable(found->against.records, found->against.length) > 0 ? TLS_DANE_USABLE : TLS_DANE_UNUSABLE,
	      q->base.valid_ns);
}

static void on_answer(struct question *question)
{
	struct dns_records_question *q =
		container_of(container_of(question, struct dns_question, question), struct dns_records_question, base);
	struct tlsa *tlsa = q->of;
	struct outbound *o = tlsa->outbound;

	tlsa->asked = NULL;
	outbound_wake(o->shard, o->index);
	/* Given up, as others are asked now. */
	if (tlsa->asked_of != o->dns || question->result == -ECANCELED) {
		tlsa->due_ns = 0;
	} else {
		tlsa->answered = true;
		take_answer(tlsa, q);
	}
	free(q);
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

bool tlsa_refresh(struct outbound *o, struct host *host)
{
	struct tlsa *tlsa = &host->tlsa;
	uint64_t now_ns = o->shard->now_ns;

	if (!tlsa_wanted(o, host))
		return true;
	if (tlsa->asked)
		return false;
	if (tlsa->due_ns > now_ns)
		return true;
	tlsa->outbound = o;
	tlsa->host = host;
	tlsa->asked = calloc(1, sizeof(*tlsa->asked));
	if (!tlsa->asked) {
		unknown(tlsa, "out of memory", 0);
		return true;
	}
	tlsa->asked->of = tlsa;
	tlsa->asked->kind = DNS_RECORDS_TLSA;
	tlsa->asked->base.name = host->config->name;
	tlsa->asked->base.port = host->config->port;
	tlsa->asked->base.strange = o->mx != NULL;
	tlsa->asked->base.doubtful = tlsa->failures > 0;
	tlsa->asked->base.question.fn = on_answer;
	tlsa->asked->base.question.deadline_ns = now_ns + DNS_TIMEOUT_MS * CLOCK_NS_PER_MS;
	tlsa->asked_of = o->dns;
	dns_ask_records(o->dns, o->shard->asker, tlsa->asked);
	return false;
}

void tlsa_follow(struct host *host)
{
	if (host->tlsa.asked)
		question_give_up(&host->tlsa.asked->base.question);
	host->tlsa.failures = 0;
	host->tlsa.due_ns = 0;
}

bool tlsa_out(const struct host *host)
{
	return host->tlsa.asked != NULL;
}

void tlsa_forget(struct host *host)
{
	free(host->tlsa.asked);
	tlsa_release(host->tlsa.found);
	memset(&host->tlsa, 0, sizeof(host->tlsa));
}
