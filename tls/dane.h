/*
 * tls/dane.h - TLSA records of the DNS against the certificates that a next hop has shown (RFC 6698, RFC 7671), as mail
 * uses them (RFC 7672).
 *
 * Records come as one block: the data of each as it is on the wire (usage, selector, matching type, what is matched),
 * behind its length in two octets, the higher first. Nothing of it is trusted to be well formed, but that the DNS has
 * proven it is the caller's to know.
 *
 * Of the four usages mail has two (RFC 7672 3.1): DANE-EE(3) names the host's own certificate or key, and then neither
 * its dates nor its names nor who signed it matters (RFC 7671 5.1); DANE-TA(2) names an authority in what the host
 * shows, or carries it, and then there must be a path to that one, and the certificate must be for one of the names.
 * What is neither, or cannot be read, is unusable: as if it was not there. Of records with the same usage and selector
 * but different digests the strongest digest counts, and the others do not (RFC 7671 9).
 */
#ifndef POSTRIDER_TLS_DANE_H
#define POSTRIDER_TLS_DANE_H

#include "tls/tls.h"

enum { TLS_DANE_NAMES_MAX = 3, TLS_DANE_TEXT = 200 };

struct tls_tlsa {
	const uint8_t *records;
	size_t length;
	/* For DANE-TA: the TLSA base domain, and what else it may be for (RFC 7672 3.2.2); NULL behind the last. */
	const char *names[TLS_DANE_NAMES_MAX + 1];
};

/* How many of the records mail can use. */
unsigned tls_dane_usable(const uint8_t *records, size_t length);

enum tls_dane_result {
	TLS_DANE_EE,       /* matched by DANE-EE */
	TLS_DANE_TA,       /* matched by DANE-TA */
	TLS_DANE_NO_MATCH, /* nothing that was shown is what the records name */
	TLS_DANE_NO_PATH,  /* the authority is there, but no valid path leads to it */
	TLS_DANE_EXPIRED,  /* the same, as a certificate on it has ended */
	TLS_DANE_NO_NAME,  /* a path leads to it, from a certificate that is for others */
};
static inline bool tls_dane_matched(enum tls_dane_result result)
{
	return result == TLS_DANE_EE || result == TLS_DANE_TA;
}

/* After a client's handshake that was not resumed: a resumed session shows nothing, and so matches nothing. `text`: for
 * an operator, what did not fit. */
enum tls_dane_result tls_session_dane(const struct tls_session *session, const struct tls_tlsa *tlsa,
				      char text[TLS_DANE_TEXT]);

#endif
