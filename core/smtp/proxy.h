/*
 * core/smtp/proxy.h - the PROXY protocol, versions 1 and 2: what a load balancer says in front of a connection, to tell
 * whose it is (haproxy.org, doc/proxy-protocol.txt).
 *
 * Pure, and asked with all that has come so far: it looks at no more than PROXY_HEAD_MAX octets, and says of anything
 * that cannot become a header that it is wrong with the octet that shows it. What a header of version 2 has behind the
 * addresses (TLVs: checksums, names, certificates) is counted and not looked at; TCP has its own checksum.
 */
#ifndef POSTRIDER_SMTP_PROXY_H
#define POSTRIDER_SMTP_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/ring.h"

enum { PROXY_HEAD_MAX = 107 }; /* a line of version 1 with its CRLF; the beginning of version 2 is less */

enum proxy_result {
	PROXY_MORE,  /* than so many octets are needed */
	PROXY_WRONG, /* it is no header */
	PROXY_TOLD,  /* the client is in `client` */
	PROXY_OWN, /* the balancer speaks for itself, or knows no address of the client: the connection's own counts */
};

struct proxy_header {
	struct ring_address client;
	size_t length; /* TOLD, OWN: octets of all of it; more than there are where the end of version 2 is to come */
};

enum proxy_result proxy_parse(const uint8_t *data, size_t length, struct proxy_header *out);

#endif
