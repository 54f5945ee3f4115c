/*
 * core/deliver/sts_watch.h - what the domain of a lane says of TLS by its MTA-STS policy (RFC 8461), for destinations
 * with `tls.mta_sts: true`.
 *
 *     TEXT: is there a record, and which policy does it mean? -> PLACE: where is the policy's host? -> POLICY (sts.h)
 *
 * Asked before the first connection, which waits for it, and again when an answer is old, which nobody waits for: a
 * policy is in force until its age is over, and where there was none there is none until somebody says otherwise.
 */
#ifndef POSTRIDER_DELIVER_STS_WATCH_H
#define POSTRIDER_DELIVER_STS_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/agents/dns_records.h"
#include "core/agents/sts.h"
#include "core/deliver/tls_level.h"

struct host;
struct outbound;

enum sts_step { STS_IDLE, STS_TEXT, STS_PLACE, STS_POLICY };

struct sts_watch {
	struct outbound *outbound; /* of the lane; by whose destination and name servers it is */
	/* NULL: it is the lane's own domain's, and wakes it. */
	void (*on_known)(struct sts_watch *watch);
	void *of;     /* of who is told */
	uint8_t step; /* enum sts_step: what is under way */
	bool known;   /* it was found out at least once */
	uint64_t due_ns;
	uint64_t text_valid_ns;
	char domain[DNS_NAME_MAX + 1]; /* whose policy it is */
	struct sts_inquiry *inquiry;   /* owned; NULL: nothing is under way */
	struct sts_policy *policy;     /* held; NULL: none is in force */
	bool failed_told;
	uint8_t trouble; /* enum sts_trouble: why there is no policy, as far as it was looked for */
};

/* Its destination holds to such policies, and its hosts come from a domain. */
bool sts_watch_wanted(const struct outbound *o);
/* Asks, if it is time to. False: the first answer is awaited, which wakes the lane; no memory is tried again. */
bool sts_watch_refresh(struct outbound *o);
/* The same for one of many domains. False: not known yet, and on_known comes where sts_watch_out(). */
bool sts_watch_look(struct sts_watch **watch, struct outbound *o, const char *domain,
		    void (*on_known)(struct sts_watch *watch), void *of);
/* The policy that is in force and demands something, or NULL. */
const struct mta_sts_policy *sts_watch_demands(const struct sts_watch *watch);
/* What the policy in force says of this host. */
enum tls_sts sts_watch_found(const struct outbound *o, const struct host *host);
/* That is in force, whatever it demands, or NULL. */
const struct sts_policy *sts_watch_policy(const struct sts_watch *watch);
bool sts_watch_out(const struct sts_watch *watch);
/* Nothing is under way, or comes back any more. NULL is fine. */
void sts_watch_free(struct sts_watch *watch);

#endif
