/*
 * tls/anchors.c - trust anchors, from PEM.
 *
 * They are kept here, and wolfSSL's own store of a context stays empty: path.c judges, and hands each link to wolfSSL
 * by itself. So nothing a peer sends is ever added to a context, threads share one without a lock, and what wolfSSL
 * does with anchors beside trusting them (it takes each for a peer to trust without a chain, CVE-2026-93302) cannot
 * happen.
 */
#include "tls/certificate.h"

#include <stdlib.h>
#include <string.h>
#include <wolfssl/options.h>

#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>

static const char begin_text[] = "-----BEGIN CERTIFICATE-----", end_text[] = "-----END CERTIFICATE-----";

static const char *find(const char *from, const char *end, const char *text)
{
	return from < end ? memmem(from, (size_t)(end - from), text, strlen(text)) : NULL;
}

struct anchors *anchors_new(const char *pem, size_t length)
{
	const char *end = pem + length, *block = pem, *next;
	struct anchors *anchors = calloc(1, sizeof(*anchors));
	size_t used = 0, blocks = 0;

	while ((block = find(block, end, begin_text)) != NULL) {
		blocks++;
		block += sizeof(begin_text) - 1;
	}
	if (anchors == NULL)
		return NULL;
	anchors->items = calloc(blocks + 1, sizeof(*anchors->items));
	anchors->der = malloc(length + 1); /* DER is shorter than its PEM. */
	if (anchors->items == NULL || anchors->der == NULL) {
		anchors_free(anchors);
		return NULL;
	}
	for (block = find(pem, end, begin_text); block != NULL; block = find(next, end, begin_text)) {
		const char *stop = find(block, end, end_text);
		next = stop != NULL ? stop + sizeof(end_text) - 1 : end;
		int n = wc_CertPemToDer((const unsigned char *)block, (int)(next - block), anchors->der + used,
					(int)(length - used), CERT_TYPE);
		if (n > 0 && certificate_parse(&anchors->items[anchors->count], anchors->der + used, (size_t)n)) {
			anchors->count++;
			used += (size_t)n;
		} else {
			anchors->damaged++;
		}
	}
	return anchors;
}

void anchors_free(struct anchors *anchors)
{
	if (anchors == NULL)
		return;
	free(anchors->items);
	free(anchors->der);
	free(anchors);
}
