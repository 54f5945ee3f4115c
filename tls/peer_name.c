/*
 * tls/peer_name.c - which names a certificate stands for (RFC 6125; RELIABILITY CRT-01).
 *
 * wolfSSL 5.5.4 compares names during the handshake, but takes a wildcard in any label and compares every kind
 * of alternative name as text. This check comes on top of it: DNS names only against DNS names, addresses only
 * against addresses (as octets), a wildcard only as the whole leftmost label, the common name only where there is
 * no alternative name of either kind.
 */
#include "tls/internal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wolfssl/wolfcrypt/asn.h>

/* The octets of an address in text: 4, 16, or 0 if it is none. */
static size_t address_octets(const char *name, uint8_t octets[16])
{
	if (inet_pton(AF_INET, name, octets) == 1)
		return 4;
	if (inet_pton(AF_INET6, name, octets) == 1)
		return 16;
	return 0;
}

bool tls_name_is_address(const char *name)
{
	uint8_t octets[16];
	return address_octets(name, octets) != 0;
}

bool tls_name_matches(const char *pattern, size_t pattern_length, const char *name)
{
	size_t name_length = strlen(name);

	/* A trailing dot only says that the name is absolute. */
	if (name_length > 0 && name[name_length - 1] == '.')
		name_length--;
	if (pattern_length > 0 && pattern[pattern_length - 1] == '.')
		pattern_length--;
	if (pattern_length == 0 || name_length == 0 || memchr(pattern, '\0', pattern_length) != NULL)
		return false;
	if (pattern_length > 2 && pattern[0] == '*' && pattern[1] == '.') {
		const char *dot = memchr(name, '.', name_length);
		if (dot == NULL || dot == name)
			return false;
		pattern++;
		pattern_length--;
		name_length -= (size_t)(dot - name);
		name = dot;
		/* "*.org" would stand for everybody. */
		if (memchr(pattern + 1, '.', pattern_length - 1) == NULL)
			return false;
	}
	if (memchr(pattern, '*', pattern_length) != NULL)
		return false;
	return pattern_length == name_length && strncasecmp(pattern, name, name_length) == 0;
}

/* One alternative name; *relevant says that the certificate has names of a kind that is compared. */
static bool alternative_matches(const DNS_entry *entry, const char *name, const uint8_t *octets, size_t octet_count,
				bool *relevant)
{
	if (entry->type != ASN_DNS_TYPE && entry->type != ASN_IP_TYPE)
		return false;
	*relevant = true;
	if (entry->name == NULL || entry->len <= 0)
		return false;
	size_t length = (size_t)entry->len;
	if (entry->type == ASN_IP_TYPE)
		return octet_count == length && memcmp(entry->name, octets, length) == 0;
	return octet_count == 0 && tls_name_matches(entry->name, length, name);
}

enum tls_named tls_decoded_named(const struct DecodedCert *certificate, const char *name)
{
	uint8_t octets[16];
	size_t octet_count = address_octets(name, octets);
	bool relevant = false;

	for (const DNS_entry *entry = certificate->altNames; entry != NULL; entry = entry->next) {
		if (alternative_matches(entry, name, octets, octet_count, &relevant))
			return TLS_NAMED_ALTERNATIVE;
	}
	if (relevant || octet_count != 0 || certificate->subjectCN == NULL || certificate->subjectCNLen <= 0)
		return TLS_NAMED_NOT;
	return tls_name_matches(certificate->subjectCN, (size_t)certificate->subjectCNLen, name) ? TLS_NAMED_COMMON
												 : TLS_NAMED_NOT;
}

enum tls_named tls_certificate_named(const uint8_t *der, size_t length, const char *name)
{
	enum tls_named named = TLS_NAMED_NOT;

	DecodedCert *decoded = malloc(sizeof(*decoded)); /* Several kilobytes: not for the stack. */
	if (decoded == NULL)
		return TLS_NAMED_NOT;
	wc_InitDecodedCert(decoded, der, (word32)length, NULL);
	if (wc_ParseCert(decoded, CERT_TYPE, NO_VERIFY, NULL) == 0)
		named = tls_decoded_named(decoded, name);
	wc_FreeDecodedCert(decoded);
	free(decoded);
	return named;
}

bool tls_certificate_has_name(const uint8_t *der, size_t length, const char *name)
{
	return tls_certificate_named(der, length, name) != TLS_NAMED_NOT;
}
