/*
 * core/deliver/strict_tls.h - where a message may go whose sender said REQUIRETLS (RFC 8689 4.2.1): over TLS, to a next
 * hop whose certificate was verified for a name that nobody could change on the way, and that offers REQUIRETLS itself.
 *
 * Asked of the very connection that is about to carry the message, so it holds whichever way that came there: a pool,
 * another mailbox, a fallback, a reload, a ticket. What its destination is configured to be does not help.
 */
#ifndef POSTRIDER_DELIVER_STRICT_TLS_H
#define POSTRIDER_DELIVER_STRICT_TLS_H

struct connection;

/* Why not over this one, with an enhanced code in front; NULL: it may. */
const char *strict_tls_lacks(const struct connection *c);

#endif
