/*
 * core/deliver/outbound_site.h - lanes of sites: made when a shard has mail for one, and gone a while after the last.
 *
 * A lane of a site is a lane like any other, for the hosts that the DNS names, with what is limited shared by the lanes
 * of all shards (site.h). Its mail is on loan from its destination's lane (`home`), for one attempt each: what is
 * deferred goes home, and is asked about anew when it is due. So a site costs memory only while it has something to
 * send now, and another answer of the DNS is followed by what waits.
 *
 * These lanes are the shard's own: their numbers begin behind those of the plan, and are used again.
 */
#ifndef POSTRIDER_DELIVER_OUTBOUND_SITE_H
#define POSTRIDER_DELIVER_OUTBOUND_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/list.h"
#include "core/config/config.h"
#include "core/deliver/domain.h"

struct outbound;
struct site;

/* A lane without anything to do stays for so long; and while others wait for one. */
enum { SITE_LINGER_S = 60, SITE_LINGER_SHORT_S = 1 };

struct lane_site {
	struct site *site;         /* one use of it */
	struct outbound *home;     /* whose mail it sends */
	struct list domains;       /* struct domain: those whose mail comes here */
	struct config_host *hosts; /* owned */
	size_t host_count;
	uint8_t ranks[DNS_EXCHANGERS_MAX]; /* of the hosts: from 0, those that are alike have the same */
	uint8_t own_rank;                  /* at this one this relay itself was found; UINT8_MAX: it was not */
	const char *own_host;              /* and which that is: `text` of one of them */
	uint64_t used_ns;                  /* when there was last something to do */
	unsigned handed;                   /* attempts that came here as they were since its last dispatch */
	uint64_t handed_octets;            /* and their content */
	bool secure;                       /* it is proven that these are its hosts (DNSSEC) */
	bool enforced;                     /* the MTA-STS policies of its domains demand proof of their names */
	bool free;                         /* it is for mail that no policy for TLS holds up */
	bool failing;                      /* no host can be used now */
	bool moved; /* one of its domains has other hosts by now: what waits is looked at again */
};

/* It is as far as this relay itself, or behind it (RFC 5321 5.1): no mail goes there. */
static inline bool outbound_site_behind(const struct lane_site *mx, size_t host)
{
	return host < mx->host_count && mx->ranks[host] >= mx->own_rank && mx->hosts[host].text != mx->own_host;
}
/* An address of the host of that name is this relay's. */
static inline void outbound_site_is_ours(struct lane_site *mx, const char *text)
{
	for (size_t i = 0; i < mx->host_count; i++) {
		if (strcmp(mx->hosts[i].text, text) != 0 || mx->ranks[i] >= mx->own_rank)
			continue;
		mx->own_rank = mx->ranks[i];
		mx->own_host = mx->hosts[i].text;
	}
}
/* What was handed to its lane is looked at now: from then on it is what the lane has. */
static inline void outbound_site_look(struct lane_site *mx)
{
	mx->handed = 0;
	mx->handed_octets = 0;
}
/* domain_open_fn. */
struct outbound *outbound_open(struct outbound *home, const struct dns_exchanger *list, unsigned count,
			       struct mx_terms terms);
/* At the end of a dispatch: has it nothing to do any more, it goes. *next_ns: when to look again. True: it is gone. */
bool outbound_site_follow(struct outbound *o, uint64_t *next_ns);
/* Instead of outbound_deinit(), when the shard ends: after its home. */
void outbound_site_deinit(struct outbound *o);

#endif
