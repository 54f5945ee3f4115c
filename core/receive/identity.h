/*
 * core/receive/identity.h - who a session's client is, beyond the address that it comes from.
 */
#ifndef POSTRIDER_RECEIVE_IDENTITY_H
#define POSTRIDER_RECEIVE_IDENTITY_H

#include "core/receive/session.h"
#include "tls/tls.h"

/* By the certificate that it showed; NULL: it showed none, or was not asked. tls_identity_is() says whether that is the
 * one an entry names. */
static inline const struct tls_identity *identity_certificate(const struct session *s)
{
	return s->transport.secured && s->transport.tls ? tls_session_identity(s->transport.tls) : NULL;
}

#endif
