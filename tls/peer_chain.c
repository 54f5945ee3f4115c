/*
 * tls/peer_chain.c - what the peer has shown, for people. Nothing here judges it: verify.c has, where that was asked.
 */
#include "tls/internal.h"

#include "tls/certificate.h"

#include <assert.h>
#include <stdlib.h>

struct tls_certificate_text *tls_peer_certificates(const struct tls_session *session, const char *host, size_t *count)
{
	assert(session->handshake_done);
	WOLFSSL_X509_CHAIN *chain = wolfSSL_get_peer_chain(session->wolf);
	int shown = chain != NULL ? wolfSSL_get_chain_count(chain) : 0;
	struct tls_certificate_text *texts = shown > 0 ? calloc((size_t)shown, sizeof(*texts)) : NULL;

	*count = 0;
	for (int i = 0; texts != NULL && i < shown; i++) {
		const uint8_t *der = wolfSSL_get_chain_cert(chain, i);
		size_t length = (size_t)wolfSSL_get_chain_length(chain, i);
		struct certificate certificate;
		if (!certificate_parse(&certificate, der, length))
			continue;
		certificate_describe(&certificate, &texts[*count]);
		texts[(*count)++].named = host != NULL && tls_certificate_has_name(der, length, host);
	}
	if (*count > 0)
		return texts;
	free(texts);
	return NULL;
}
