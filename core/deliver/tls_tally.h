/*
 * core/deliver/tls_tally.h - what became of TLS with next hops, counted for reports to those whose mail it was (RFC
 * 8460), where the configuration has `tls_reports`.
 *
 * Counted is a session, not a message: at its first message, or when it fails. A session that carries mail for several
 * domains, as those of a site do, is counted for the one whose mail was first; which that is, is read from the envelope
 * then. Smart hosts by name are nobody's domain, and are not counted; neither is a session for a report about TLS (RFC
 * 8460 3).
 */
#ifndef POSTRIDER_DELIVER_TLS_TALLY_H
#define POSTRIDER_DELIVER_TLS_TALLY_H

#include "core/agents/tls_count.h"

struct attempt;
struct connection;
struct host;
struct outbound;

/* The connection carries its first message. */
void tls_tally_used(const struct connection *c, const struct attempt *a);
/* It ends before that: TLS is needed and not offered (NO_STARTTLS), its handshake failed (VALIDATION), or what was
 * proven is not enough (OK: what that is follows from its evidence). */
void tls_tally_failed(const struct connection *c, enum tls_result result, const char *why);
/* It was not even opened, for what is known of the host's TLS. */
void tls_tally_barred(const struct outbound *o, const struct host *host, const char *why);

#endif
