/*
 * tls/guard.c - what is never left to the library alone: the form of records, and the result of a handshake.
 *
 * The same for every version of wolfSSL, whether it has the hole or not; README.md lists the holes.
 *
 * Records: their headers are followed over the octets that wolfSSL is given, before it sees them; nothing is buffered.
 * - A protected record (type 23) whose inner plaintext would be empty, that is shorter than a tag and one octet, ends
 *   the session: with TLS 1.3 wolfSSL 5.5.4 looks for the content's type in front of its buffer (CVE-2024-0901). No
 *   honest peer sends one (RFC 8446 5.4: the type's octet is always there).
 * - Too many records without a single octet of plaintext end it: key updates, empty records, warnings, hello requests.
 *   Each costs us more than its sender, and wolfSSL has no limit for most. A handshake may bring a long chain in small
 *   pieces, so it is allowed more; that is bounded by the deadline of the connection as well.
 *
 * Handshake: the client of wolfSSL 5.5.4, offering TLS 1.3, accepts from a TLS 1.2 server any suite that the build
 * knows, also one without certificates, and calls that verified (CVE-2024-5814). So whatever it says, the suite must be
 * one of ours, and whoever must show a certificate has done so, unless a session is resumed in which it did.
 */
#include "tls/internal.h"

const char *tls_guard_records(struct tls_guard *guard, const uint8_t *octets, size_t length)
{
	enum { APPLICATION_DATA = 23 };

	while (length > 0) {
		size_t n = guard->body_left < length ? guard->body_left : length;
		guard->body_left -= n;
		octets += n;
		length -= n;
		if (length == 0)
			break;
		guard->header[guard->header_used++] = *octets++;
		length--;
		if (guard->header_used < sizeof(guard->header))
			continue;
		guard->header_used = 0;
		guard->body_left = (size_t)(guard->header[3] << 8 | guard->header[4]);
		if (guard->header[0] == APPLICATION_DATA && guard->body_left < TLS_PROTECTED_MIN)
			return "peer sent a protected record without content";
		if (guard->records++ >= (guard->established ? TLS_IDLE_RECORDS_MAX : TLS_HANDSHAKE_RECORDS_MAX))
			return "peer sent too many records without content";
	}
	return NULL;
}

void tls_guard_content(struct tls_guard *guard)
{
	guard->established = true;
	guard->records = 0;
}

const char *tls_guard_handshake(const struct tls_session *session)
{
	WOLFSSL_X509_CHAIN *chain;

	if (!tls_suites_contain((unsigned)wolfSSL_get_current_cipher_suite(session->wolf)))
		return "peer chose a cipher suite that was not offered";
	if ((session->context->server && !session->context->verify_peer) || wolfSSL_session_reused(session->wolf))
		return NULL;
	/* Verdicts of the library that bypass ours are none. */
	if (session->context->verify_peer && !session->judged)
		return "peer's certificate was not verified";
	chain = wolfSSL_get_peer_chain(session->wolf);
	if (chain == NULL || wolfSSL_get_chain_count(chain) <= 0)
		return "peer sent no certificate, but one is required";
	return NULL;
}
