/*
 * core/agents/tls_count.h - how sessions with next hops came to TLS, counted by the domain whose mail they were for and
 * by the policy that it has (RFC 8460 4).
 *
 * One table a shard, which hands it over as a whole, and one for each day where all are added up. A table belongs to
 * one thread at a time. It is bounded in octets, whoever names domains: what does not fit is counted as lost.
 *
 * What a session was is counted once, so a domain's entries are few: one for each policy that it had in the day, and
 * under each one for each way in which sessions failed.
 */
#ifndef POSTRIDER_AGENTS_TLS_COUNT_H
#define POSTRIDER_AGENTS_TLS_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"

enum {
	TLS_COUNT_POLICIES_MAX = 8,       /* of a domain */
	TLS_COUNT_FAILURES_MAX = 32,      /* of a policy, told apart; others by their result only */
	TLS_COUNT_WORDS_MAX = 8 << 10,    /* octets of a policy that are kept */
	TLS_COUNT_TEXT_MAX = 300,         /* of any other text */
	TLS_COUNT_SHARD_OCTETS = 4 << 20, /* in a table of a shard */
	TLS_COUNT_DAY_OCTETS = 48 << 20,  /* and of a day */
};

/* RFC 8460 4.4, policy-type. */
enum tls_policy_type { TLS_POLICY_NONE, TLS_POLICY_STS, TLS_POLICY_TLSA, TLS_POLICY_TYPES };

/* RFC 8460 4.3. */
enum tls_result {
	TLS_RESULT_OK,
	TLS_RESULT_NO_STARTTLS,
	TLS_RESULT_HOST_MISMATCH,
	TLS_RESULT_EXPIRED,
	TLS_RESULT_NOT_TRUSTED,
	TLS_RESULT_VALIDATION,
	TLS_RESULT_TLSA_INVALID,
	TLS_RESULT_DNSSEC_INVALID,
	TLS_RESULT_DANE_REQUIRED,
	TLS_RESULT_STS_FETCH,
	TLS_RESULT_STS_INVALID,
	TLS_RESULT_STS_WEBPKI,
	TLS_RESULTS,
};

/* One session, or one that could not be had. All texts are copied; those that are not known are NULL. */
struct tls_seen {
	const char *domain;
	enum tls_policy_type policy;
	struct span words; /* the policy, a line for each of its strings */
	enum tls_result result;
	const char *from; /* the address of this machine */
	const char *host, *to;
	const char *why; /* for people */
};

enum { TLS_FAILURE_TEXTS = 4 }; /* from, host, to, why */
struct tls_failure {
	struct tls_failure *next;
	uint64_t count;
	enum tls_result result;
	const char *texts[TLS_FAILURE_TEXTS]; /* behind it; "": not known */
};

struct tls_policy_count {
	struct tls_policy_count *next;
	uint64_t good, failed;
	struct tls_failure *failures; /* owned */
	unsigned failure_count;
	enum tls_policy_type type;
	uint32_t words_length;
	char words[];
};

struct tls_domain_count {
	struct tls_domain_count *next;
	struct tls_policy_count *policies; /* owned */
	size_t octets;                     /* of all that is here */
	char name[];
};

struct tls_count;

/* At most so many octets. NULL: no memory. */
struct tls_count *tls_count_new(size_t most);
void tls_count_free(struct tls_count *count); /* NULL is fine */
/* So many sessions of this kind. */
void tls_count_add(struct tls_count *count, const struct tls_seen *seen, uint64_t sessions);
/* All of `from` as well; it stays as it is. */
void tls_count_merge(struct tls_count *count, const struct tls_count *from);
/* Sessions that found no room. */
uint64_t tls_count_lost(const struct tls_count *count);
void tls_count_lose(struct tls_count *count, uint64_t sessions);
/* All of them, with those that are lost. */
uint64_t tls_count_sessions(const struct tls_count *count);
size_t tls_count_domains(const struct tls_count *count);
bool tls_count_empty(const struct tls_count *count);
/* Of all domains. */
void tls_count_each(const struct tls_count *count, void (*fn)(void *context, const struct tls_domain_count *domain),
		    void *context);
/* One domain less, which is the caller's to free; NULL: there is none left. */
struct tls_domain_count *tls_count_take(struct tls_count *count);
void tls_domain_count_free(struct tls_domain_count *domain); /* NULL is fine */

/* "no-policy-found", "certificate-expired" */
const char *tls_policy_type_name(enum tls_policy_type type);
const char *tls_result_name(enum tls_result result);
/* TLS_POLICY_TYPES, TLS_RESULTS: there is none of that name. */
enum tls_policy_type tls_policy_type_of(const char *name);
enum tls_result tls_result_of(const char *name);

#endif
