/*
 * core/deliver/tls_tally_policy.c - see tls_tally_policy.h.
 */
#include "core/deliver/tls_tally_policy.h"

#include <stdio.h>
#include <string.h>

#include "core/config/config.h"
#include "core/deliver/outbound.h"
#include "core/deliver/tls_clerk.h"
#include "core/shard/shard.h"

/* As in zone files (RFC 6698 2.2), a line each. */
static void say_records(struct tls_tally *tally, const struct tlsa_found *found)
{
	const uint8_t *at = found ? found->against.records : NULL, *end = found ? at + found->against.length : NULL;
	size_t n = 0;

	while (at && end - at >= 2) {
		size_t length = (size_t)at[0] << 8 | at[1], i;
		at += 2;
		if (length > (size_t)(end - at) || n + 2 * length + 16 > sizeof(tally->words))
			break;
		if (length >= 3)
			n += (size_t)snprintf(tally->words + n, sizeof(tally->words) - n, "%u %u %u ", at[0], at[1],
					      at[2]);
		for (i = 3; i < length; i++)
			n += (size_t)snprintf(tally->words + n, sizeof(tally->words) - n, "%02x", at[i]);
		if (length >= 3)
			tally->words[n++] = '\n';
		at += length;
	}
	tally->seen.words = (struct span){tally->words, (uint32_t)n};
}

/* Its lines without what ends them. */
static void say_policy(struct tls_tally *tally, const struct sts_policy *policy)
{
	size_t n = 0;

	for (size_t i = 0; i < policy->length && n < sizeof(tally->words); i++) {
		if (policy->text[i] != '\r')
			tally->words[n++] = policy->text[i];
	}
	tally->seen.words = (struct span){tally->words, (uint32_t)n};
}

/* That of MTA-STS, where DANE has no part in it (RFC 8461 2). A policy of which nothing is known is the session's
 * failure, though it went on without. */
static void find_sts(struct tls_tally *tally)
{
	static const enum tls_result results[] = {
		[STS_TROUBLE_NONE] = TLS_RESULT_OK,
		[STS_TROUBLE_FETCH] = TLS_RESULT_STS_FETCH,
		[STS_TROUBLE_INVALID] = TLS_RESULT_STS_INVALID,
		[STS_TROUBLE_WEBPKI] = TLS_RESULT_STS_WEBPKI,
	};
	const struct sts_policy *policy = sts_watch_policy(tally->watch);

	if (policy && policy->policy->mode != MTA_STS_NONE) {
		tally->seen.policy = TLS_POLICY_STS;
		say_policy(tally, policy);
	} else if (!policy && tally->watch && tally->watch->trouble != STS_TROUBLE_NONE) {
		tally->seen.policy = TLS_POLICY_STS;
		tally->seen.result = results[tally->watch->trouble];
	}
}

void tls_tally_policy(struct tls_tally *tally, const struct host *host, enum tls_dane dane)
{
	switch (dane) {
	case TLS_DANE_ABSENT:
		find_sts(tally);
		return;
	case TLS_DANE_UNUSABLE: /* it asks for TLS, and proves nothing */
		tally->seen.result = TLS_RESULT_TLSA_INVALID;
		/* fall through */
	case TLS_DANE_USABLE:
		say_records(tally, host->tlsa.found);
		/* fall through */
	case TLS_DANE_UNKNOWN:
		tally->seen.policy = TLS_POLICY_TLSA;
		return;
	}
}

void tls_tally_result(struct tls_tally *tally, enum tls_result result, const char *why)
{
	if (tally->seen.result != TLS_RESULT_OK)
		return; /* its policy is the trouble */
	tally->seen.result = result;
	tally->seen.why = why;
}

void tls_tally_foreign(const struct outbound *home, const char *domain, const struct sts_watch *watch, const char *host)
{
	struct tls_tally tally;

	if (!home->shard->config->tls_reports.organization)
		return;
	memset(&tally.seen, 0, sizeof(tally.seen));
	tally.seen.domain = domain;
	tally.watch = watch;
	find_sts(&tally);
	tls_tally_result(&tally, TLS_RESULT_VALIDATION, "none of the domain's hosts is one that the policy names");
	tally.seen.host = host;
	tls_clerk_count(home->shard, &tally.seen);
}
