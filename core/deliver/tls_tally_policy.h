/*
 * core/deliver/tls_tally_policy.h - what a domain's policy for TLS is, as a report says it (RFC 8460 4.4).
 */
#ifndef POSTRIDER_DELIVER_TLS_TALLY_POLICY_H
#define POSTRIDER_DELIVER_TLS_TALLY_POLICY_H

#include <netinet/in.h>

#include "core/agents/tls_count.h"
#include "core/deliver/mx.h"
#include "core/deliver/tls_level.h"

struct host;
struct outbound;
struct sts_watch;

/* What is being counted, with room for what its texts point to. Only `seen` needs to be zeroed. */
struct tls_tally {
	struct tls_seen seen;
	const struct sts_watch *watch; /* of the domain; NULL: nothing is known of a policy */
	char domain[MX_NAME_SIZE];
	char words[TLS_COUNT_WORDS_MAX];
	char to[INET6_ADDRSTRLEN];
};

/* Its policy: what DANE says of the host, else that of MTA-STS, if there is any. */
void tls_tally_policy(struct tls_tally *tally, const struct host *host, enum tls_dane dane);
/* What became of the session, unless its policy is the trouble. */
void tls_tally_result(struct tls_tally *tally, enum tls_result result, const char *why);
/* None of the domain's hosts is one that its policy names, and that is counted; the first of them. */
void tls_tally_foreign(const struct outbound *home, const char *domain, const struct sts_watch *watch,
		       const char *host);

#endif
