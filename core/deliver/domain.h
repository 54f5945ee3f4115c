/*
 * core/deliver/domain.h - the domains that a destination with `mx: true` has mail for, in one shard: which site takes
 * each one's mail, as the DNS says.
 *
 *     NEW ---- asked ----> KNOWN    its mail goes on to the lane of its site
 *      ^                   REFUSED  it takes no mail, or there is no such domain: its mail fails
 *      |                   FAILED   nobody knows: its mail stays with it, and it is asked for again, later each time
 *      '--- its time is over, or nobody has asked for it for a while
 *
 * What is known stays in force until there is another answer: a name server that fails takes no domain's mail away from
 * hosts that took it a moment ago. Only that there is no such domain, or that it has neither MX nor address, or a null
 * MX (RFC 7505), may end mail; whatever else is answered, or is not, makes it wait.
 *
 * A domain is here while it has mail that waits, or a site whose lane is there, or an answer that is good still; where
 * its lane is there for others' mail it goes as new ones come, if nobody asks for it. Mail
 * itself does not know its domain: it is read from its envelope (outbound_sort.c).
 */
#ifndef POSTRIDER_DELIVER_DOMAIN_H
#define POSTRIDER_DELIVER_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/dns_exchangers.h"
#include "core/base/list.h"
#include "core/base/wheel.h"
#include "core/deliver/mx.h"

struct asking;
struct delivery;
struct dns;
struct domains;
struct outbound;
struct sts_watch;

enum domain_state { DOMAIN_NEW, DOMAIN_KNOWN, DOMAIN_REFUSED, DOMAIN_FAILED };
enum domain_refusal { DOMAIN_NULL_MX, DOMAIN_UNKNOWN, DOMAIN_NO_HOST };

struct domain {
	struct domains *of;
	struct list link;         /* its site's lane's; or those that wait to be asked for */
	struct list mail;         /* struct delivery, SORTED: waits for an answer */
	struct list free;         /* the same, that no policy for TLS holds up: it goes to a lane that is another's */
	struct asking *asking;    /* NULL: no question is out */
	struct sts_watch *sts;    /* owned; NULL: nothing was asked of a policy */
	struct wheel_timer timer; /* to ask again, or to go */
	char *problem;            /* owned: FAILED: why */
	bool watching : 1;        /* its policy is being asked for */
	bool doubtful : 1;        /* nobody has answered in a moment */
	uint8_t refusal;          /* REFUSED: enum domain_refusal */
	uint16_t failures;
	/* What each message for it looks at lies together, with the name: of 100,000 domains none is in a cache. */
	uint32_t hash;         /* of the name */
	struct domain *next;   /* in its row of the table */
	struct outbound *lane; /* KNOWN: of its site */
	uint64_t due_ns;       /* what is known is good until then; else since when it is wanted */
	uint64_t used_ns;
	uint32_t heard;  /* what domains.heard was when it failed the last time */
	uint8_t alone;   /* failures in a row, of those while others were answered */
	uint8_t state;   /* enum domain_state */
	uint8_t without; /* times in a row that all lanes were taken; its timer runs */
	char name[];
};

/* Hosts that are to take a domain's mail, in the order in which they are tried: the lane of their site, of this shard.
 * NULL: no memory, or no room for another lane now. */
typedef struct outbound *domain_open_fn(struct outbound *home, const struct dns_exchanger *list, unsigned count,
					struct mx_terms terms);

struct domains {
	struct outbound *home;
	domain_open_fn *open;
	struct domain **rows; /* owned; a power of two */
	size_t row_count, count;
	size_t hand; /* the row that is looked at next for what nobody needs any more */
	/* Of each kind, those that failed or were not answered in a moment being [1]: struct domain, to be asked for
	 * when another answer is back, and how many are being asked for. */
	struct list queues[2];
	unsigned asking[2];
	bool newest_next[2]; /* of those that wait, or the oldest */
	unsigned watching;
	uint32_t heard; /* answers that say where mail goes, or that there is no such domain: name servers are there */
	size_t waiting; /* deliveries, in all */
};

/* For the lane. NULL: no memory. */
struct domains *domains_new(struct outbound *home);
/* No question may come back any more. */
void domains_free(struct domains *domains);
/* Another agent is asked from now on, or nobody any more, and then all mail goes back to the lane. `demands`: domains'
 * MTA-STS policies are heeded now and were not before; no mail goes on as it did until they are known. */
void domains_follow(struct domains *domains, bool demands);
/* A question is out, or mail waits. */
bool domains_busy(const struct domains *domains);
/* The domain by that name (mx_domain()), asked for if it was not before. NULL: no memory. */
struct domain *domain_find(struct domains *domains, const char *name);
/* The same where it is known already, and nothing is asked; or NULL. */
const struct domain *domain_known(const struct domains *domains, const char *name);
/* The delivery (ACTIVE) goes on to its site, or waits. Not where the domain is REFUSED. `free`: whatever its hosts
 * prove or do not prove (ENVELOPE_TLS_FREE). */
void domain_take(struct domain *domain, struct delivery *d, bool free);
/* KNOWN: it is on loan in the lane of its site, where it has come with its attempt. */
void domain_lend(struct domain *domain, struct delivery *d);
/* One that waits for an answer does so no longer, and is NONE. */
void domains_withdraw(struct domains *domains, struct delivery *d);
/* An operator has suspended it: its mail waits with it, whatever is known (suspend.h). */
bool domain_suspended(const struct domain *domain);
void domain_keep(struct domain *domain, struct delivery *d);
/* That may have changed for the domain of that name. */
void domains_look(struct domains *domains, const char *name);
/* Its mail is refused: what is said; NULL: it is not. */
const char *domain_refuses(const struct domain *domain, unsigned *code);
/* Nobody knows where its mail is to go, for longer than the delivery may wait. */
bool domain_outlived(const struct domain *domain, const struct delivery *d);
/* The lane goes: its domains know nothing any more. */
void domains_leave(struct outbound *lane);
/* While all hosts of the lane fail: have its domains moved? Some of them are asked for, as their time is over. */
void domains_doubt(struct outbound *lane);

#endif
