/*
 * core/deliver/tls_tally.c - see tls_tally.h.
 */
#include "core/deliver/tls_tally.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "core/config/config.h"
#include "core/deliver/attempt.h"
#include "core/deliver/connection.h"
#include "core/deliver/domain.h"
#include "core/deliver/mx.h"
#include "core/deliver/outbound_site.h"
#include "core/deliver/tls_clerk.h"
#include "core/deliver/tls_tally_policy.h"
#include "core/shard/shard.h"

/* Reports, which would be reported on the next day, and so on: sites have lanes of their own for them, elsewhere it
 * shows in what is sent, or is the first to wait. */
static bool is_report(const struct outbound *o, const struct attempt *a)
{
	if (o->mx)
		return o->mx->free;
	if (!a && !list_empty(&o->loaded))
		a = container_of(o->loaded.next, struct attempt, link);
	return a && (a->envelope.flags & ENVELOPE_TLS_FREE);
}

static bool wanted(const struct outbound *o, const struct attempt *a)
{
	return o->shard->config->tls_reports.organization && (o->mx || o->destination->mx_of) && !is_report(o, a);
}

/* ---- whose mail it is ------------------------------------------------------------------------------------------- */

/* The domain of the first recipient. */
static bool domain_of_attempt(const struct attempt *a, char out[MX_NAME_SIZE])
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;

	envelope_first(&a->envelope, &cursor);
	while (envelope_next(&cursor, &recipient)) {
		if (mail_stands_in(mail_of(a->delivery), a->delivery, recipient.number))
			return mx_domain(recipient.address, out);
	}
	return false;
}

/* Of what waits for a connection; or one of those that are served there. */
static bool domain_of_lane(const struct outbound *o, char out[MX_NAME_SIZE])
{
	if (!list_empty(&o->loaded))
		return domain_of_attempt(container_of(o->loaded.next, struct attempt, link), out);
	if (list_empty(&o->mx->domains))
		return false;
	snprintf(out, MX_NAME_SIZE, "%s", container_of(o->mx->domains.next, struct domain, link)->name);
	return true;
}

static bool find_domain(struct tls_tally *tally, const struct outbound *o, const struct attempt *a)
{
	const struct domain *domain;

	tally->seen.domain = tally->domain;
	if (!o->mx) {
		snprintf(tally->domain, sizeof(tally->domain), "%s", o->destination->mx_of);
		tally->watch = o->sts;
		return true;
	}
	if (a ? !domain_of_attempt(a, tally->domain) : !domain_of_lane(o, tally->domain))
		return false;
	domain = domain_known(o->mx->home->domains, tally->domain);
	tally->watch = domain ? domain->sts : NULL;
	return true;
}

/* By that attempt, or by what the lane has; with the policy of its domain. False: it is not counted. */
static bool begin(struct tls_tally *tally, const struct outbound *o, const struct host *host, enum tls_dane dane,
		  const struct attempt *a)
{
	if (!wanted(o, a))
		return false;
	memset(&tally->seen, 0, sizeof(tally->seen));
	if (!find_domain(tally, o, a))
		return false;
	tls_tally_policy(tally, host, dane);
	return true;
}

/* ---- a session -------------------------------------------------------------------------------------------------- */

static enum tls_result result_of_evidence(const struct connection *c)
{
	static const enum tls_result results[] = {
		[TLS_DOUBT_NONE] = TLS_RESULT_VALIDATION,
		[TLS_DOUBT_EXPIRED] = TLS_RESULT_EXPIRED,
		[TLS_DOUBT_NAME] = TLS_RESULT_HOST_MISMATCH,
		[TLS_DOUBT_PATH] = TLS_RESULT_NOT_TRUSTED,
	};

	return c->transport.tls ? results[tls_session_doubt(c->transport.tls)] : TLS_RESULT_VALIDATION;
}

static enum tls_result result_of_records(const struct connection *c)
{
	switch (c->tls_dane) {
	case TLS_DANE_EXPIRED:
		return TLS_RESULT_EXPIRED;
	case TLS_DANE_NO_NAME:
		return TLS_RESULT_HOST_MISMATCH;
	default:
		return TLS_RESULT_NOT_TRUSTED;
	}
}

static void set_places(struct tls_tally *tally, const struct connection *c)
{
	const struct ring_address *at = &c->address;
	const void *octets =
		at->any.sa_family == AF_INET6 ? (const void *)&at->v6.sin6_addr : (const void *)&at->v4.sin_addr;

	if (inet_ntop(at->any.sa_family, octets, tally->to, sizeof(tally->to)))
		tally->seen.to = tally->to;
	tally->seen.host = c->host->config->name ? c->host->config->name : c->host->config->text;
	tally->seen.from = c->source ? c->source->text : NULL;
}

static void count(const struct outbound *o, struct tls_tally *tally)
{
	tls_clerk_count(o->shard, &tally->seen);
}

/* Mail goes over it as it is; by a policy that only tests it might not have. */
static void judge(struct tls_tally *tally, const struct connection *c)
{
	const struct sts_policy *policy = tally->seen.policy == TLS_POLICY_STS ? sts_watch_policy(tally->watch) : NULL;
	const struct tls_had had = connection_tls_had(c);

	if (!had.encrypted) {
		tls_tally_result(tally, TLS_RESULT_NO_STARTTLS, NULL);
	} else if (tally->seen.policy == TLS_POLICY_TLSA) {
		if (!(had.proofs & TLS_PROOF_DANE))
			tls_tally_result(tally, result_of_records(c), c->tls_doubt);
	} else if (policy && !mta_sts_policy_names(policy->policy, c->host->config->name)) {
		tls_tally_result(tally, TLS_RESULT_VALIDATION, "the host is none of those that the policy names");
	} else if (policy && !(had.proofs & TLS_PROOF_SAN)) {
		tls_tally_result(tally, result_of_evidence(c), c->tls_doubt);
	}
}

/* What it was held against, whatever is known by now. */
static enum tls_dane dane_of(const struct connection *c)
{
	return c->tlsa ? TLS_DANE_USABLE : c->host->tls_found.dane;
}

/* TLS is wanted where it is offered; where it failed a moment ago, which was counted, it is not tried. */
static bool asked_for_tls(const struct connection *c)
{
	return c->tls_need.level == TLS_LEVEL_OPPORTUNISTIC &&
	       !lesson_in_force(&c->host->lessons, LESSON_CLEAR, c->outbound->shard->now_ns);
}

void tls_tally_used(const struct connection *c, const struct attempt *a)
{
	const struct outbound *o = c->outbound;
	struct tls_tally tally;

	if ((!c->setup.secured && !asked_for_tls(c)) || !begin(&tally, o, c->host, dane_of(c), a))
		return;
	judge(&tally, c);
	set_places(&tally, c);
	count(o, &tally);
}

void tls_tally_failed(const struct connection *c, enum tls_result result, const char *why)
{
	const struct outbound *o = c->outbound;
	struct tls_tally tally;

	if (!begin(&tally, o, c->host, dane_of(c), NULL))
		return;
	if (result == TLS_RESULT_OK || (result == TLS_RESULT_VALIDATION && c->transport.tls &&
					tls_session_doubt(c->transport.tls) != TLS_DOUBT_NONE &&
					c->tls_need.proofs & (TLS_PROOF_CHAIN | TLS_PROOF_SAN)))
		result = tally.seen.policy == TLS_POLICY_TLSA ? result_of_records(c) : result_of_evidence(c);
	tls_tally_result(&tally, result, why);
	set_places(&tally, c);
	count(o, &tally);
}

void tls_tally_barred(const struct outbound *o, const struct host *host, const char *why)
{
	const enum tls_dane dane = host->tls_found.dane;
	struct tls_tally tally;

	if (!begin(&tally, o, host, dane, NULL))
		return;
	if (dane == TLS_DANE_UNKNOWN)
		tls_tally_result(&tally, TLS_RESULT_DNSSEC_INVALID, why);
	else if (host->tls_found.sts == TLS_STS_FOREIGN)
		tls_tally_result(&tally, TLS_RESULT_VALIDATION, why);
	else
		tls_tally_result(&tally, TLS_RESULT_DANE_REQUIRED, why);
	tally.seen.host = host->config->name;
	count(o, &tally);
}
