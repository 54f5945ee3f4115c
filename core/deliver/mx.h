/*
 * core/deliver/mx.h - which of the hosts that the DNS names for a domain its mail may go to (RFC 5321 5.1), and by what
 * all domains with the same ones are known as one site. Pure.
 */
#ifndef POSTRIDER_DELIVER_MX_H
#define POSTRIDER_DELIVER_MX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/dns_exchangers.h"
#include "core/base/random.h"
#include "core/base/ring.h"
#include "core/base/span.h"

enum {
	MX_KEY_SIZE = 9 + DNS_EXCHANGERS_MAX * (DNS_NAME_MAX + 1) + 1,
	MX_NAME_SIZE = DNS_NAME_MAX + 1,
};

/* Leaves those in the list, which is in order of preference, that mail may go to: each name once, and where this relay
 * is one of them (`own`: its name) only those before it, as what comes behind would bring it back. False: this relay is
 * the best, or one of the best. */
bool mx_choose(struct dns_exchanger *list, unsigned *count, const char *own);
/* What else sets sites apart: is it proven that these are the hosts, and must they prove their names (MTA-STS)? Or is
 * it for mail that goes whatever they prove, where neither counts. */
struct mx_terms {
	bool secure, enforced, free;
};
/* The key of a site: who is asked in which order, alike ones in any, at which port, and on which terms. */
void mx_key(const struct dns_exchanger *list, unsigned count, uint16_t port, struct mx_terms terms,
	    char out[MX_KEY_SIZE]);
/* Of alike ones an order of one's own (RFC 5321 5.1). */
void mx_shuffle(struct dns_exchanger *list, unsigned count, struct random *random);

/* The domain of a recipient as it is asked for: A-labels, small letters, without a dot at its end. False: the DNS can
 * have no such domain. */
bool mx_domain(struct span recipient, char out[MX_NAME_SIZE]);

/* Where direct delivery must not go, unless the operator allows it (dns.allow_private): this machine, private and
 * link-local networks, and what is nobody's address (RFC 6890). NULL: it may; else what it is. */
const char *mx_forbidden(const struct ring_address *address);
/* Who connects to this address of the machine, at that port, comes to the listener at that one: whether each is written
 * as IPv4 or as IPv6 that stands for it (::ffff:192.0.2.1). */
bool mx_listens_at(const struct ring_address *listener, const struct ring_address *address);

#endif
