/*
 * core/tools/route_dns.h - what the DNS and the domain's MTA-STS policy say of a destination now, for `postrider route
 * --dns`: each host with its addresses, and what TLS the relay would ask for there, and why.
 */
#ifndef POSTRIDER_TOOLS_ROUTE_DNS_H
#define POSTRIDER_TOOLS_ROUTE_DNS_H

#include <jansson.h>
#include <stdbool.h>

struct config;
struct config_destination;

/* Asks, and waits for answers; writes them for people where `print`. An object for programs: `domain` (null: hosts are
 * configured), `mta_sts`, `hosts` of `host`, `port`, `preference`, `addresses`, `tlsa`, `tls`, `why_not`, and
 * `problem`, each null where it is not so. NULL without memory. *usable: mail could go to one of the hosts. */
json_t *route_dns(const struct config *config, const struct config_destination *destination, const char *recipient,
		  bool print, bool *usable);

#endif
