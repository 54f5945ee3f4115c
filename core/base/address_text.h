/*
 * core/base/address_text.h - socket addresses and networks as people write them.
 *
 * Text comes from the configuration or goes to logs and headers; nothing here looks up a name. An IPv6
 * socket that takes IPv4 too reports its peers as ::ffff:192.0.2.1. Everywhere here such an address is
 * the IPv4 address it stands for, in text as in networks, so that nobody has to write a rule twice and no
 * rule is passed by coming over the other family (RELIABILITY REL-02).
 */
#ifndef POSTRIDER_BASE_ADDRESS_TEXT_H
#define POSTRIDER_BASE_ADDRESS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/ring.h"

enum {
	ADDRESS_TEXT_HOST_SIZE = 256, /* a host name (RFC 1035: 253 octets) with its NUL */
	ADDRESS_TEXT_SIZE = 56,       /* "[", 45 octets of IPv6, "]:65535", NUL */
};

/* What is wrong with a text and what to write instead, one sentence, for the configuration's reader. */
struct address_problem {
	char text[256];
};

/*
 * Splits "host:25", "192.0.2.1:25" and "[2001:db8::1]:25" into host (without brackets) and port (1 to
 * 65535). Returns 0, or -EINVAL with *problem. The host is a name or numeric; of names only the length is
 * checked.
 */
int address_text_split(const char *text, char host[ADDRESS_TEXT_HOST_SIZE], uint16_t *port,
		       struct address_problem *problem);
/* A numeric host without port or brackets. False for anything else, such as a name or "fe80::1%eth0". */
bool address_text_numeric(const char *host, uint16_t port, struct ring_address *out);
/* Both at once: a numeric address with port. 0, or -EINVAL with *problem. */
int address_text_parse(const char *text, struct ring_address *out, struct address_problem *problem);

/* "192.0.2.1", "2001:db8::1"; "unknown" for other families. Returns the length. */
size_t address_text_format(const struct ring_address *address, char out[ADDRESS_TEXT_SIZE]);
/* "192.0.2.1:25", "[2001:db8::1]:25". Returns the length. */
size_t address_text_format_port(const struct ring_address *address, char out[ADDRESS_TEXT_SIZE]);

/* The address octets in network order (4 or 16) of what the address stands for; 0 for other families. */
size_t address_text_octets(const struct ring_address *address, uint8_t out[16]);

/* It leads to this machine or stays within a site: unspecified, loopback, private, link-local, multicast, reserved. */
bool address_text_inward(const struct ring_address *address);

struct network {
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t prefix; /* leading bits that count: 0 to 32 or 128 */
	uint8_t octets[16];
};

/* "10.20.0.0/16", "2001:db8::/32", or one address. 0, or -EINVAL with *problem. */
int network_parse(const char *text, struct network *out, struct address_problem *problem);
/* An IPv6 address's scope (%eth0) does not count. An IPv4 peer is in no IPv6 network, not even ::/0. */
bool network_contains(const struct network *network, const struct ring_address *address);

#endif
