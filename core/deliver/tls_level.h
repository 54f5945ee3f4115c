/*
 * core/deliver/tls_level.h - what TLS a connection to a host must have before a command about mail is said there, and
 * whether one that is there will do for a message.
 *
 * Facts in, decision out; nothing here knows connections. The facts come from whoever has them: the destination's
 * configuration, the domain's MTA-STS policy, what DANE found for this host, the envelope. The strictest of them counts
 * (RELIABILITY I6): each only ever adds to what is needed, but for one rule of RFC 8461 2: where DANE says how a host
 * proves itself, MTA-STS does not ask for another proof beside it.
 *
 *     CLEAR          TLS is not even asked for
 *     OPPORTUNISTIC  TLS with whoever answers; in clear where it is not offered or does not come about (RFC 7435)
 *     ENCRYPTED      TLS with whoever answers, or nothing
 *     PROVEN         TLS with a peer that has given every proof that is needed, or nothing
 *
 * Names that are proven are never learned from the peer: see tls_proof.
 */
#ifndef POSTRIDER_DELIVER_TLS_LEVEL_H
#define POSTRIDER_DELIVER_TLS_LEVEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/config/tls_mode.h"

/* From the weakest to the strictest. */
enum tls_level { TLS_LEVEL_CLEAR, TLS_LEVEL_OPPORTUNISTIC, TLS_LEVEL_ENCRYPTED, TLS_LEVEL_PROVEN };

/* How a peer proves who it is, or'ed. That it has the key of its certificate comes with every handshake. */
enum tls_proof {
	TLS_PROOF_CHAIN = 1 << 0, /* a path to an authority, for the name that was looked for (RFC 6125) */
	TLS_PROOF_SAN = 1 << 1,   /* the same, by a subjectAltName and not the common name (RFC 8461 4.1) */
	TLS_PROOF_PIN = 1 << 2,   /* one of the configured fingerprints */
	TLS_PROOF_DANE = 1 << 3,  /* a TLSA record (RFC 7672) */
};

/* What is known of TLSA records of a host, by answers of the DNS that were validated. */
enum tls_dane {
	TLS_DANE_ABSENT,   /* not asked, or it is proven or cannot be proven that there are none: DANE is off */
	TLS_DANE_UNUSABLE, /* there are, and none that can be used: TLS, but without proof (RFC 7672 2.2) */
	TLS_DANE_USABLE,   /* one of them must match */
	TLS_DANE_UNKNOWN,  /* bogus, or no answer: the host is not to be used now (RFC 7672 2.1.1) */
};

/* What the domain's MTA-STS policy says of a host. `testing` is ABSENT here: it changes nothing that is sent. */
enum tls_sts {
	TLS_STS_ABSENT,
	TLS_STS_ENFORCED, /* and this is one of its hosts */
	TLS_STS_FOREIGN,  /* enforced, and this is none of its hosts: not to be used (RFC 8461 5) */
};

/* What was found out for a host, beside what its destination says. Zeroed: nothing. */
struct tls_found {
	enum tls_dane dane;
	enum tls_sts sts;
	uint64_t against; /* as below */
};

/* Zeroed: a destination without TLS. */
struct tls_facts {
	enum config_tls_mode mode;
	enum tls_dane dane;
	enum tls_sts sts;
	bool pinned;   /* fingerprints are configured: one of them instead of a chain */
	bool no_clear; /* somebody signs in, or TLS comes before the greeting */
	/* What proofs are held against: a hash of the fingerprints, of the TLSA records. */
	uint64_t against;
};

/* What a connection must have. */
struct tls_need {
	enum tls_level level;
	uint8_t proofs;   /* enum tls_proof: all of them; 0 below PROVEN */
	uint64_t against; /* as in the facts */
	/* Why the host is not to be used now, for people; NULL: it is. */
	const char *barred;
};

struct tls_need tls_need_of(const struct tls_facts *facts);
/* A connection, or a ticket, made for `made` will do where `need` is needed: at least as much was asked for, and proofs
 * were held against the same. Nothing made for less is ever used for more (POL-01). */
bool tls_need_covers(const struct tls_need *made, const struct tls_need *need);
/* Mail may be sent without TLS where TLS cannot be had. */
static inline bool tls_need_bears_clear(const struct tls_need *need)
{
	return need->level <= TLS_LEVEL_OPPORTUNISTIC;
}

/* What a connection has. Zeroed: it is in clear. */
struct tls_had {
	bool encrypted;
	uint8_t proofs; /* enum tls_proof: those that were found, whether they were needed or not */
};
/* Why nothing may be said over it, for people; NULL: it may be used. */
const char *tls_need_lacks(const struct tls_need *need, const struct tls_had *had);

/* RFC 8689 4.2.1: where a message may go whose sender said REQUIRETLS. `had` is that of the very connection that is
 * about to carry it, so what its destination is configured to be does not help. */
struct tls_strict {
	struct tls_had had;
	bool name_known; /* the name that was proven was not learned from answers of the DNS that nobody validated */
	bool offered;    /* the host offers REQUIRETLS */
};
/* Why not over this one, with an enhanced code in front; NULL: it may. */
const char *tls_strict_lacks(const struct tls_strict *strict);

/* The strongest of them, for people and events: "dane", "fingerprint", "chain"; "": none. */
const char *tls_proof_name(uint8_t proofs);
/* "opportunistic", for people and events. */
const char *tls_level_name(enum tls_level level);

#endif
