/*
 * core/deliver/exchangers.h - the hosts of a destination that says `mx_of: DOMAIN`: those that the DNS names for it.
 *
 * Each lane asks for itself, as for addresses (names.h), when it is about to open a connection and what it knows is no
 * longer good. Hosts come in order of preference, and of those that are alike each lane has an order of its own, anew
 * with each answer (RFC 5321 5.1). What cannot be renewed stays in force. Hosts whose names do not end as the
 * destination's preset says are left out, and told: who forges an answer must not choose who gets the mail.
 */
#ifndef POSTRIDER_DELIVER_EXCHANGERS_H
#define POSTRIDER_DELIVER_EXCHANGERS_H

#include "core/agents/dns_exchangers.h"
#include "core/base/random.h"
#include "core/config/config.h"

struct outbound;

struct exchangers {
	struct dns_exchangers_question asked;
	struct outbound *outbound;
	/* Its lane is given other hosts. False: no memory. */
	bool (*on_hosts)(struct outbound *o);
	char *domain; /* owned: configurations go, and a question may be under way */
	char *next;   /* owned: the domain instead, once the question is back that is under way; NULL: none */
	uint16_t port;
	uint64_t due_ns, failed_ns; /* when to ask again; since when there is no host. 0: now; there is */
	unsigned failures;          /* in a row */
	bool refused_told;
	bool secure; /* the hosts are proven to be the domain's (DNSSEC) */
	struct dns *asked_of;
	struct config_host *hosts; /* owned, by preference */
	size_t count;
	char problem[DNS_PROBLEM_SIZE + 40]; /* why there is none */
};

/* Those whose names may be an answer, alike ones in random order: `order` has indexes of the list. Returns how many;
 * *refused: a bit for each of the others. */
unsigned exchangers_order(const struct dns_exchanger *list, unsigned count, const struct config_words *ends,
			  struct random *random, uint8_t order[DNS_EXCHANGERS_MAX], uint32_t *refused);

/* By what this destination says from now on: *x is new, kept, or NULL where it says nothing of exchangers. False: no
 * memory, and nothing has changed. */
bool exchangers_take(struct exchangers **x, struct outbound *o, const struct config_destination *destination,
		     bool (*on_hosts)(struct outbound *o));
/* Others are asked from now on (o->dns). */
void exchangers_follow(struct exchangers *x);
/* Asks, if it is time to. */
void exchangers_refresh(struct exchangers *x);
/* NULL is fine; no question may come back any more. */
void exchangers_free(struct exchangers *x);

#endif
