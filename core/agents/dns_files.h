/*
 * core/agents/dns_files.h - /etc/hosts and /etc/resolv.conf, from their text.
 *
 * Pure: text in, addresses out; whatever is not understood is skipped, as the system's resolver does.
 */
#ifndef POSTRIDER_AGENTS_DNS_FILES_H
#define POSTRIDER_AGENTS_DNS_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/ring.h"

enum {
	DNS_NAME_SIZE = 256, /* a name with its NUL */
	DNS_SERVERS_MAX = 8,
	DNS_SEARCH_MAX = 6, /* as resolv.conf(5) */
	DNS_SERVER_TEXT = 64,
};

/* The addresses that hosts(5) has for a name, in any case, without a final dot; port 0. Returns how many, at most
 * `most`. */
unsigned hosts_find(const char *text, size_t length, const char *name, struct ring_address *out, unsigned most);
/* "localhost" and what ends in it (RFC 6761 6.3): the loopback addresses. Returns how many; 0: it is none. */
unsigned hosts_loopback(const char *name, struct ring_address *out, unsigned most);

struct resolv_conf {
	char servers[DNS_SERVERS_MAX][DNS_SERVER_TEXT]; /* addresses; none: that of this machine */
	unsigned server_count;
	char search[DNS_SEARCH_MAX][DNS_NAME_SIZE];
	unsigned search_count;
	unsigned dots; /* a name with so many is tried as it is first */
};
void resolv_conf_parse(const char *text, size_t length, struct resolv_conf *out);
/* The `index`th name to ask for, so that a short name is looked for in the search list (resolv.conf(5)). False: that
 * was all. Those that become too long are left out: `out` is empty then. */
bool resolv_conf_candidate(const struct resolv_conf *conf, const char *name, unsigned index, char out[DNS_NAME_SIZE]);

#endif
