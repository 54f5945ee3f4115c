/*
 * tls/resume.c - resumption, client and server side.
 *
 * Client: a ticket is wolfSSL's serialised session with the context's serial number, the server name it
 * belongs to, and what the server's certificate was found to be (evidence.c). It is offered only from the same
 * context to the same name (POL-01), so what was verified when it was issued is what this context demands, and
 * what was only noted then is what a resumed session has.
 *
 * Server: stateless tickets, sealed with ChaCha20-Poly1305 under a key made from the process's secret, the
 * context's policy (certificate, trust anchors, verification) and the hour. Contexts with the same policy, one in
 * each shard, therefore take each other's tickets without sharing anything that changes; a listener that demands
 * client certificates never takes the ticket of one that does not. Keys of this hour and the last are accepted.
 * wolfSSL's own callback is not used: its keys differ in each context.
 *
 * Refused tickets: the TLS 1.2 client of wolfSSL 5.5.4 takes any ServerHello after a ticket for a resumption and
 * fails at the certificate that follows. A server that has forgotten its keys would so break every connection
 * until the ticket is old. session.c therefore keeps the server's octets back until the message behind the
 * ServerHello has begun (tls_resume_answer), and takes wolfSSL's ticket away if that is not the end of a
 * resumption. Nothing is trusted for it: the worst a peer can cause is the full handshake.
 */
#include "tls/internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/sha256.h>

static_assert((int)TLS_KEY_SIZE == (int)WC_SHA256_DIGEST_SIZE, "keys are HMAC-SHA-256 outputs");
static_assert((int)TLS_KEY_SIZE == (int)CHACHA20_POLY1305_AEAD_KEYSIZE, "and ChaCha20-Poly1305 keys");

enum { POLICY_ID_SIZE = 8 };

static uint8_t process_secret[TLS_KEY_SIZE];

int tls_resume_init(void)
{
	tls_random_bytes(process_secret, sizeof(process_secret));
	return 0;
}

static void derive(uint8_t out[TLS_KEY_SIZE], const uint8_t key[TLS_KEY_SIZE], const void *data, size_t length)
{
	Hmac hmac;
	int rc = wc_HmacInit(&hmac, NULL, INVALID_DEVID);

	if (rc == 0)
		rc = wc_HmacSetKey(&hmac, WC_SHA256, key, TLS_KEY_SIZE);
	if (rc == 0)
		rc = wc_HmacUpdate(&hmac, data, (word32)length);
	if (rc == 0)
		rc = wc_HmacFinal(&hmac, out);
	wc_HmacFree(&hmac);
	assert(rc == 0); /* Fails only for arguments that are our mistake. */
}

static void hash_file(wc_Sha256 *sha, const char *path)
{
	uint8_t chunk[4096];
	size_t n;
	FILE *file = path != NULL ? fopen(path, "re") : NULL;

	while (file != NULL && (n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		wc_Sha256Update(sha, chunk, (word32)n);
	if (file != NULL)
		fclose(file);
	wc_Sha256Update(sha, (const uint8_t *)"|", 1);
}

void tls_resume_context(struct tls_context *context, const struct tls_context_config *config)
{
	wc_Sha256 sha;
	uint8_t policy[WC_SHA256_DIGEST_SIZE];
	const uint8_t flags[5] = {config->verify_peer, config->tls12_only, config->tls13_only, config->tls11,
				  config->ask_peer};

	if (wc_InitSha256(&sha) != 0)
		assert(!"SHA-256 without state");
	wc_Sha256Update(&sha, flags, sizeof(flags));
	/* The files' content, so that a reload with other trust anchors ends the old tickets. */
	hash_file(&sha, config->certificate_file);
	hash_file(&sha, config->verify_peer || config->ask_peer ? config->ca_file : NULL);
	wc_Sha256Final(&sha, policy);
	wc_Sha256Free(&sha);
	derive(context->ticket_secret, process_secret, policy, sizeof(policy));
}

/* The key and the public name of the tickets of one hour. */
static void epoch_key(const struct tls_context *context, uint64_t epoch, uint8_t key[TLS_KEY_SIZE],
		      uint8_t name[WOLFSSL_TICKET_NAME_SZ])
{
	uint8_t label[1 + sizeof(epoch)], digest[TLS_KEY_SIZE];

	memcpy(label + 1, &epoch, sizeof(epoch));
	label[0] = 'k';
	derive(key, context->ticket_secret, label, sizeof(label));
	label[0] = 'n';
	derive(digest, context->ticket_secret, label, sizeof(label));
	memcpy(name, digest, WOLFSSL_TICKET_NAME_SZ);
}

static uint64_t current_epoch(void)
{
	return (uint64_t)time(NULL) / TLS_TICKET_LIFETIME_S;
}

static int seal_ticket(const struct tls_context *context, uint8_t *name, uint8_t *iv, uint8_t *mac, uint8_t *ticket,
		       int length)
{
	uint8_t key[TLS_KEY_SIZE];

	epoch_key(context, current_epoch(), key, name);
	tls_random_bytes(iv, WOLFSSL_TICKET_IV_SZ);
	memset(mac, 0, WOLFSSL_TICKET_MAC_SZ);
	/* The nonce is the first 12 of the 16 random octets; the rest is bound by the additional data. */
	int rc = wc_ChaCha20Poly1305_Encrypt(key, iv, iv, WOLFSSL_TICKET_IV_SZ, ticket, (word32)length, ticket, mac);
	explicit_bzero(key, sizeof(key));
	return rc == 0 ? WOLFSSL_TICKET_RET_OK : WOLFSSL_TICKET_RET_REJECT;
}

static int open_ticket(const struct tls_context *context, const uint8_t *name, const uint8_t *iv, const uint8_t *mac,
		       uint8_t *ticket, int length)
{
	uint8_t key[TLS_KEY_SIZE], expected[WOLFSSL_TICKET_NAME_SZ];
	uint64_t now = current_epoch();
	int rc = -1;

	for (unsigned age = 0; age < 2; age++) {
		epoch_key(context, now - age, key, expected);
		if (memcmp(name, expected, sizeof(expected)) != 0)
			continue;
		rc = wc_ChaCha20Poly1305_Decrypt(key, iv, iv, WOLFSSL_TICKET_IV_SZ, ticket, (word32)length, mac,
						 ticket);
		break;
	}
	explicit_bzero(key, sizeof(key));
	/* Never fatal: a ticket from before a restart only costs a full handshake. */
	return rc == 0 ? WOLFSSL_TICKET_RET_OK : WOLFSSL_TICKET_RET_REJECT;
}

static int on_ticket(WOLFSSL *wolf, byte *name, byte *iv, byte *mac, int seal, byte *ticket, int length,
		     int *length_out, void *argument)
{
	const struct tls_context *context = argument;

	if (length <= 0)
		return WOLFSSL_TICKET_RET_REJECT;
	*length_out = length;
	/* A resumed session has no certificate, and there is no room for more than a fingerprint: who showed one shows
	 * it again. To refuse here would end the handshake (wolfSSL 5.5.4), so nobody can open this ticket. */
	const struct tls_session *session = wolfSSL_get_app_data(wolf);
	if (seal && session != NULL && session->identity != NULL) {
		tls_random_bytes(name, WOLFSSL_TICKET_NAME_SZ);
		tls_random_bytes(iv, WOLFSSL_TICKET_IV_SZ);
		tls_random_bytes(mac, WOLFSSL_TICKET_MAC_SZ);
		tls_random_bytes(ticket, (size_t)length);
		return WOLFSSL_TICKET_RET_OK;
	}
	return seal ? seal_ticket(context, name, iv, mac, ticket, length)
		    : open_ticket(context, name, iv, mac, ticket, length);
}

static int on_new_session(WOLFSSL *wolf, WOLFSSL_SESSION *wolf_session)
{
	struct tls_session *session = wolfSSL_get_app_data(wolf);

	if (session != NULL && wolfSSL_SESSION_has_ticket(wolf_session))
		session->ticket_fresh = true;
	return 0; /* No reference is kept. */
}

int tls_resume_setup(struct tls_context *context)
{
	/* The process-wide cache has locks and 18 KB entries; tickets do its work. */
	wolfSSL_CTX_set_session_cache_mode(context->wolf, WOLFSSL_SESS_CACHE_OFF);
	wolfSSL_CTX_set_session_cache_mode(context->wolf, WOLFSSL_SESS_CACHE_NO_AUTO_CLEAR |
								  WOLFSSL_SESS_CACHE_NO_INTERNAL_STORE |
								  WOLFSSL_SESS_CACHE_NO_INTERNAL_LOOKUP);
	wolfSSL_CTX_set_timeout(context->wolf, TLS_TICKET_LIFETIME_S);
	if (!context->server) {
		wolfSSL_CTX_sess_set_new_cb(context->wolf, on_new_session);
		return wolfSSL_CTX_UseSessionTicket(context->wolf) == WOLFSSL_SUCCESS ? 0 : -1;
	}
	if (wolfSSL_CTX_set_TicketEncCb(context->wolf, on_ticket) != WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_set_TicketEncCtx(context->wolf, context) != WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_set_TicketHint(context->wolf, TLS_TICKET_LIFETIME_S) != WOLFSSL_SUCCESS)
		return -1;
	wolfSSL_CTX_set_num_tickets(context->wolf, 1);
	return 0;
}

static bool same_name(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

/* The certificate that it stands for. */
static bool outlived(const struct tls_evidence *evidence)
{
	return evidence->known && evidence->not_after < time(NULL);
}

bool tls_resume_offer(struct tls_session *session, const struct tls_ticket *ticket)
{
	if (session->context->server || ticket->context_serial != session->context->serial ||
	    !same_name(ticket->server_name, session->server_name) || outlived(&ticket->evidence))
		return false;
	const unsigned char *at = ticket->data;
	WOLFSSL_SESSION *restored = wolfSSL_d2i_SSL_SESSION(NULL, &at, (long)ticket->length);
	if (restored == NULL)
		return false;
	bool offered = wolfSSL_set_session(session->wolf, restored) == WOLFSSL_SUCCESS;
	session->resumed = ticket->evidence;
	session->holding = offered && wolfSSL_version(session->wolf) == TLS1_2_VERSION;
	wolfSSL_SESSION_free(restored);
	wolfSSL_ERR_clear_error();
	return offered;
}

enum tls_answer tls_resume_answer(const uint8_t *octets, size_t length)
{
	enum { HANDSHAKE = 22, SERVER_HELLO = 2, NEW_SESSION_TICKET = 4, RECORD_HEADER = 5, MESSAGE_HEADER = 4 };
	size_t seen = 0, hello = 0; /* handshake octets so far, and the ServerHello's length with its header */

	for (size_t at = 0; at < length;) {
		if (octets[at] != HANDSHAKE)
			return TLS_ANSWER_RESUMES; /* ChangeCipherSpec, or something wolfSSL shall judge. */
		if (length - at < RECORD_HEADER)
			return TLS_ANSWER_UNKNOWN;
		size_t end = at + RECORD_HEADER + (size_t)(octets[at + 3] << 8 | octets[at + 4]);
		for (at += RECORD_HEADER; at < end && at < length; at++, seen++) {
			if (seen == 0 && octets[at] != SERVER_HELLO)
				return TLS_ANSWER_RESUMES;
			if (seen > 0 && seen < MESSAGE_HEADER)
				hello = hello << 8 | octets[at];
			else if (seen >= MESSAGE_HEADER && seen == hello + MESSAGE_HEADER)
				return octets[at] == NEW_SESSION_TICKET ? TLS_ANSWER_RESUMES : TLS_ANSWER_REFUSES;
		}
	}
	return TLS_ANSWER_UNKNOWN;
}

struct tls_ticket *tls_ticket_take(struct tls_session *session)
{
	if (!session->handshake_done || session->failed || session->context->server)
		return NULL;
	WOLFSSL_SESSION *wolf_session = wolfSSL_get_session(session->wolf);
	/* With TLS 1.3 an old ticket stays in the session until a new one comes; offering it twice would let
	 * an observer connect the two. With TLS 1.2 a server that accepts a ticket need not send another. */
	bool tls13 = wolfSSL_version(session->wolf) == TLS1_3_VERSION;
	if (wolf_session == NULL || !wolfSSL_SESSION_has_ticket(wolf_session) || (tls13 && !session->ticket_fresh))
		return NULL;
	struct tls_ticket *ticket = calloc(1, sizeof(*ticket));
	if (ticket == NULL)
		return NULL;
	ticket->context_serial = session->context->serial;
	ticket->evidence = session->evidence;
	int size = wolfSSL_i2d_SSL_SESSION(wolf_session, NULL);
	unsigned char *at = size > 0 ? malloc((size_t)size) : NULL;
	ticket->data = at;
	ticket->length = (size_t)size;
	if (session->server_name != NULL)
		ticket->server_name = strdup(session->server_name);
	if (at == NULL || wolfSSL_i2d_SSL_SESSION(wolf_session, &at) != size ||
	    (session->server_name != NULL && ticket->server_name == NULL)) {
		tls_ticket_free(ticket);
		return NULL;
	}
	session->ticket_fresh = false;
	return ticket;
}

void tls_ticket_free(struct tls_ticket *ticket)
{
	if (ticket == NULL)
		return;
	if (ticket->data != NULL)
		explicit_bzero(ticket->data, ticket->length);
	free(ticket->data);
	free(ticket->server_name);
	free(ticket);
}
