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

#include "core/base/list.h"
#include "core/deliver/domain.h"

struct config_host;
struct outbound;
struct site;

enum { SITE_LINGER_S = 60 }; /* a lane without anything to do stays for so long */

struct lane_site {
	struct site *site;         /* one use of it */
	struct outbound *home;     /* whose mail it sends */
	struct list domains;       /* struct domain: those whose mail comes here */
	struct config_host *hosts; /* owned */
	size_t host_count;
	uint64_t used_ns; /* when there was last something to do */
	bool secure;      /* it is proven that these are its hosts (DNSSEC) */
	bool failing;     /* no host can be used now */
	bool moved;       /* one of its domains has other hosts by now: what waits is looked at again */
};

/* domain_open_fn. */
struct outbound *outbound_open(struct outbound *home, const struct dns_exchanger *list, unsigned count, bool secure);
/* At the end of a dispatch: has it nothing to do any more, it goes. *next_ns: when to look again. True: it is gone. */
bool outbound_site_follow(struct outbound *o, uint64_t *next_ns);
/* Instead of outbound_deinit(), when the shard ends: after its home. */
void outbound_site_deinit(struct outbound *o);

#endif
