/*
 * tls/error.c - why a session failed, in an operator's words.
 *
 * wolfSSL's own number stays in the text in parentheses, so that a report can be looked up. Names in the text
 * are ours (the configured server name), never the peer's octets.
 */
#include "tls/internal.h"

#include <stdio.h>
#include <string.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

struct text_entry {
	int code;
	const char *text;
};

static const struct text_entry errors[] = {
	{ASN_NO_SIGNER_E, "certificate verify failed: no trusted authority signed the chain"},
	{ASN_SELF_SIGNED_E, "certificate verify failed: self-signed certificate"},
	{ASN_AFTER_DATE_E, "certificate verify failed: certificate has expired"},
	{ASN_BEFORE_DATE_E, "certificate verify failed: certificate is not yet valid"},
	{ASN_SIG_CONFIRM_E, "certificate verify failed: bad signature"},
	{ASN_NAME_INVALID_E, "certificate verify failed: name is outside the authority's constraints"},
	{ASN_PATHLEN_SIZE_E, "certificate verify failed: chain longer than its path length allows"},
	{ASN_PATHLEN_INV_E, "certificate verify failed: chain longer than its path length allows"},
	{NOT_CA_ERROR, "certificate verify failed: the issuer is no authority"},
	{EXTKEYUSE_AUTH_E, "certificate verify failed: certificate is not for this purpose"},
	{KEYUSAGE_E, "certificate verify failed: the key must not be used for this"},
	{ASN_CRIT_EXT_E, "certificate verify failed: critical extension that is not understood"},
	{RSA_KEY_SIZE_E, "certificate verify failed: key too weak (RSA under 2048 bits, or a weak curve)"},
	{ASN_SIG_HASH_E, "certificate verify failed: weak signature (SHA-1, MD5, or unknown)"},
	{ASN_PARSE_E, "certificate verify failed: malformed certificate"},
	{MAX_CHAIN_ERROR, "certificate verify failed: chain too long"},
	{VERIFY_CERT_ERROR, "certificate verify failed"},
	{NO_PEER_CERT, "peer sent no certificate, but one is required"},
	{MATCH_SUITE_ERROR, "no cipher suite in common"},
	{UNSUPPORTED_SUITE, "peer chose a cipher suite that was not offered"},
	{VERSION_ERROR, "no protocol version in common (TLS 1.2 and 1.3 are spoken here)"},
	{ECC_CURVE_ERROR, "no key exchange group in common"},
	{BAD_KEY_SHARE_DATA, "no key exchange group in common, or a bad key share"},
	{UNKNOWN_RECORD_TYPE, "peer sent something that is no TLS record"},
	{LENGTH_ERROR, "peer sent a TLS record of impossible length"},
	{VERIFY_MAC_ERROR, "a record did not decrypt: damaged or forged"},
	{DECRYPT_ERROR, "a record did not decrypt: damaged or forged"},
	{AES_GCM_AUTH_E, "a record did not decrypt: damaged or forged"},
	{MAC_CMP_FAILED_E, "a record did not decrypt: damaged or forged"},
	{OUT_OF_ORDER_E, "peer sent a handshake message out of order"},
	{SANITY_MSG_E, "peer sent a handshake message out of order"},
	{DUPLICATE_MSG_E, "peer sent a handshake message twice"},
	{BUFFER_ERROR, "peer sent a malformed handshake message"},
	{WOLFSSL_ERROR_ZERO_RETURN, "peer ended the handshake"},
	{ZERO_RETURN, "peer ended the handshake"},
	{MEMORY_E, "out of memory"},
	{MEMORY_ERROR, "out of memory"},
};

/* RFC 8446 section 6 and RFC 5246 section 7.2. */
static const struct text_entry alerts[] = {
	{0, "close notify"},
	{10, "unexpected message"},
	{20, "bad record MAC"},
	{22, "record overflow"},
	{40, "handshake failure"},
	{42, "bad certificate"},
	{43, "unsupported certificate"},
	{44, "certificate revoked"},
	{45, "certificate expired"},
	{46, "certificate unknown"},
	{47, "illegal parameter"},
	{48, "unknown certificate authority"},
	{49, "access denied"},
	{50, "decode error"},
	{51, "decrypt error"},
	{70, "protocol version"},
	{71, "insufficient security"},
	{80, "internal error"},
	{86, "inappropriate fallback"},
	{90, "user canceled"},
	{100, "no renegotiation"},
	{109, "missing extension"},
	{110, "unsupported extension"},
	{112, "unrecognized name"},
	{113, "bad certificate status response"},
	{115, "unknown PSK identity"},
	{116, "certificate required"},
	{120, "no application protocol"},
};

static const char *find(const struct text_entry *table, size_t count, int code)
{
	for (size_t i = 0; i < count; i++) {
		if (table[i].code == code)
			return table[i].text;
	}
	return NULL;
}

static void describe_alert(const struct tls_session *session, char *text, size_t size)
{
	WOLFSSL_ALERT_HISTORY history;

	memset(&history, 0, sizeof(history));
	wolfSSL_get_alert_history(session->wolf, &history);
	const char *name = find(alerts, sizeof(alerts) / sizeof(alerts[0]), history.last_rx.code);
	if (name != NULL)
		snprintf(text, size, "peer sent alert: %s", name);
	else
		snprintf(text, size, "peer sent alert: number %d", history.last_rx.code);
}

void tls_error_describe(const struct tls_session *session, int error, char *text, size_t size)
{
	const uint8_t handshake_record = 22, alert_record = 21;

	if (session->first_octet_known && !session->handshake_done && session->first_octet != handshake_record &&
	    session->first_octet != alert_record) {
		snprintf(text, size, "peer does not speak TLS: its first octet was 0x%02x (wolfSSL %d)",
			 session->first_octet, error);
		return;
	}
	if (error == FATAL_ERROR) {
		describe_alert(session, text, size);
		return;
	}
	if (error == DOMAIN_NAME_MISMATCH || error == IPADDR_MISMATCH) {
		snprintf(text, size, "certificate name mismatch: expected %s",
			 session->server_name != NULL ? session->server_name : "(none)");
		return;
	}
	tls_error_text_of(error, text, size);
}

void tls_error_text_of(int error, char *text, size_t size)
{
	const char *known = find(errors, sizeof(errors) / sizeof(errors[0]), error);

	if (known == NULL)
		known = wolfSSL_ERR_reason_error_string((unsigned long)error);
	snprintf(text, size, "%s (wolfSSL %d)", known != NULL ? known : "TLS failed", error);
}
