/*
 * core/deliver/tlsa.h - what a lane knows of a host's TLSA records, and what they say of a connection to it (RFC 7672).
 *
 * Looked for where the name of the host is known beforehand, by the configuration or by an MX answer that is proven,
 * and the destination does not say otherwise: who verifies by a chain, or wants no TLS, has said it. Each lane asks for
 * itself, as for addresses (names.h), before a connection is opened, and what is known is good for as long as the
 * answer allows and no longer: where it cannot be renewed the host is left alone (RFC 7672 2.1.1), because records that
 * somebody keeps from us must not make us go on without them.
 */
#ifndef POSTRIDER_DELIVER_TLSA_H
#define POSTRIDER_DELIVER_TLSA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/deliver/tls_level.h"
#include "tls/dane.h"

struct config_destination;
struct connection;
struct dns;
struct dns_records_question;
struct host;
struct outbound;

/* What was found: the host's, and those connections' that are held against it. One shard's. */
struct tlsa_found {
	unsigned users;
	uint64_t hash;           /* of all that follows */
	struct tls_tlsa against; /* points into what follows */
	size_t length;
	uint8_t octets[]; /* the names, each with its NUL, then the records */
};
/* The name to ask the host for (SNI): the TLSA base domain. */
static inline const char *tlsa_base(const struct tlsa_found *found)
{
	return found->against.names[0];
}
struct tlsa_found *tlsa_hold(struct tlsa_found *found); /* NULL is fine, as below */
void tlsa_release(struct tlsa_found *found);

struct tlsa {
	struct outbound *outbound; /* whose lane; NULL: nothing was asked yet */
	struct host *host;
	struct dns_records_question *asked; /* owned; NULL: nothing is under way */
	struct dns *asked_of;
	struct tlsa_found *found; /* held */
	enum tls_dane known;
	bool answered;
	uint64_t due_ns; /* to be asked for again */
	unsigned failures;
	char problem[200]; /* why it is not known */
};

/* What the destination says of it; `secure`: that mail goes to this host is proven, or configured. */
bool tlsa_asked(const struct config_destination *destination, bool numeric, bool secure);
/* Looked for at this host. */
bool tlsa_wanted(const struct outbound *o, const struct host *host);
/* Asks, if it is time to. False: an answer is awaited, which wakes the lane, and until then the host is not used. */
bool tlsa_refresh(struct outbound *o, struct host *host);
/* What is known now, as a fact for what a connection needs; ABSENT where nothing is looked for. */
void tlsa_found(const struct outbound *o, const struct host *host, struct tls_found *found);
/* Others are asked from now on (o->dns), or the destination says something else. */
void tlsa_follow(struct host *host);
/* Nothing is under way, or comes back any more. */
void tlsa_forget(struct host *host);
bool tlsa_out(const struct host *host);

#endif
