/*
 * core/control/access.h - whether a request over TCP comes from where it says, before anybody signs in: against pages
 * of others that have a browser ask here. Pure.
 *
 * - Host is an address, localhost, or the relay's own name. A page whose name was made to lead here (DNS rebinding) has
 *   its own name there.
 * - What came through a proxy may have the host of the proxy's origin, and that origin, as well.
 * - Origin, where there is one, is what was asked; Sec-Fetch-Site, where there is one, says the same, or that a person
 *   typed the address.
 * - What changes something has a field of its own (ACCESS_ACT), which no page can send to another origin without asking
 *   for leave first (CORS), and that is never given.
 */
#ifndef POSTRIDER_CONTROL_ACCESS_H
#define POSTRIDER_CONTROL_ACCESS_H

#include <stdbool.h>

#define ACCESS_ACT "X-Postrider-Act"

/* Fields of the request as they came; NULL: not given. */
struct access_facts {
	const char *host, *origin, *fetch_site, *act;
	const char *hostname;     /* the relay's */
	const char *proxy_origin; /* under which a proxy of ours has it, through which this came; NULL: none */
	bool tls;
	bool acts;    /* it would change something */
	bool anybody; /* it tells nothing of anybody: a probe, which has no Host, or some name of a whole pool */
};

/* NULL: it may go on. Else a static sentence. */
const char *access_problem(const struct access_facts *facts);
/* Of a Host alone, where programs have what they like in it (the socket): a name with a dot, that is none of ours and
 * no address, is one that somebody may have made to lead here, and a browser says no more of it where the page came in
 * clear. NULL is no Host. The same. */
const char *access_host_problem(const char *host, const char *hostname);

#endif
