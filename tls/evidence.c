/*
 * tls/evidence.c - what a server's certificate was found to be: noted in the middle of the handshake by verify.c, and
 * believed when the handshake is complete, since only then has the server proved that the key is its own.
 *
 * A session that is resumed shows no certificate, and no callback runs. What was found goes with its ticket, so it is
 * worth what it was worth when the ticket was given, and no ticket is offered beyond the certificate's own last day.
 */
#include "tls/internal.h"

#include "tls/certificate.h"

#include <assert.h>
#include <string.h>
#include <wolfssl/wolfcrypt/sha256.h>

void tls_evidence_take(struct tls_evidence *evidence, const uint8_t *der, size_t length)
{
	struct certificate certificate;

	memset(evidence, 0, sizeof(*evidence));
	if (!certificate_parse(&certificate, der, length) ||
	    wc_Sha256Hash(der, (word32)length, evidence->certificate) != 0 ||
	    wc_Sha256Hash(certificate.key.at, (word32)certificate.key.length, evidence->key) != 0) {
		memset(evidence, 0, sizeof(*evidence));
		return;
	}
	evidence->known = true;
	evidence->not_after = certificate.not_after;
}

void tls_evidence_settle(struct tls_session *session)
{
	if (wolfSSL_session_reused(session->wolf))
		session->evidence = session->resumed;
}

const struct tls_evidence *tls_session_evidence(const struct tls_session *session)
{
	assert(session->handshake_done);
	return &session->evidence;
}

void tls_evidence_text(const struct tls_session *session, char *text, size_t size)
{
	text[0] = '\0';
	if (session->evidence.trouble != 0)
		tls_error_describe(session, session->evidence.trouble, text, size);
}

enum tls_doubt tls_session_doubt(const struct tls_session *session)
{
	switch (session->evidence.known ? session->evidence.trouble : 0) {
	case 0:
		return TLS_DOUBT_NONE;
	case ASN_AFTER_DATE_E:
		return TLS_DOUBT_EXPIRED;
	case DOMAIN_NAME_MISMATCH:
		return TLS_DOUBT_NAME;
	default:
		return TLS_DOUBT_PATH;
	}
}

bool tls_evidence_is(const struct tls_evidence *evidence, const char *wanted)
{
	return evidence->known &&
	       (tls_fingerprint_is(evidence->certificate, wanted) || tls_fingerprint_is(evidence->key, wanted));
}
