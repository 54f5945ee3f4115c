/*
 * core/control/forwarded.h - for whom a proxy asks: the address in X-Forwarded-For, or in Forwarded (RFC 7239). Pure.
 *
 * Each proxy on the way adds the address that it was asked from at the end, and what stands before may be anybody's
 * invention. So the list is read from its end: the first address that is no proxy of ours is the client, and nothing
 * before it is looked at.
 */
#ifndef POSTRIDER_CONTROL_FORWARDED_H
#define POSTRIDER_CONTROL_FORWARDED_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/ring.h"
#include "core/config/sign_in.h"

enum { FORWARDED_MAX = 64 }; /* that are looked at */

/* It came from a proxy of ours. */
bool forwarded_from(const struct sign_in_proxy *proxy, const struct ring_address *peer);

/* `text`: all fields of the name, in their order, with a comma between; "": none, and *client is `peer`, as it is where
 * the client has no address that is known (RFC 7239 6.2, 6.3). NULL, or a static sentence, and *client is of no use. */
const char *forwarded_client(const struct sign_in_proxy *proxy, const char *text, const struct ring_address *peer,
			     struct ring_address *client);

#endif
