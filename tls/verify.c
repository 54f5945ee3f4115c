/*
 * tls/verify.c - the verdict on the peer's certificate, given in the middle of the handshake.
 *
 * wolfSSL asks for each certificate that came, from the top of the list down to the peer's own. It goes through them as
 * a chain and says what it thinks of each. Nothing is said to the upper ones: each session has an empty store of its
 * own, so what wolfSSL makes of them stays there and goes with it. At the peer's own the verdict is path.c's, on all
 * that came, and the name's (RFC 6125; RELIABILITY CRT-01). What wolfSSL finds wrong with the peer's certificate itself
 * stands, too: only that it knows no signer, or found a wrong one, is for path.c to know better.
 *
 * So a handshake that verifies ends in one place with one verdict, and guard.c looks whether that place was passed.
 * Proof of possession (CertificateVerify, ServerKeyExchange) is wolfSSL's, and comes afterwards in every case.
 */
#include "tls/internal.h"

#include "tls/certificate.h"

#include <stdlib.h>
#include <time.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/openssl/x509.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

/* Whether wolfSSL's error is about the chain above the peer's certificate, which it does not know. Some builds say it
 * in OpenSSL's numbers. */
static bool about_the_chain(int error)
{
	switch (error) {
	case 0:
	case ASN_NO_SIGNER_E:
	case ASN_SELF_SIGNED_E:
	case ASN_SIG_CONFIRM_E:
	case ASN_PATHLEN_INV_E:
	case ASN_PATHLEN_SIZE_E:
	case ASN_NAME_INVALID_E:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
	case X509_V_ERR_PATH_LENGTH_EXCEEDED:
		return true;
	default:
		return false;
	}
}

/* *named: how, where nothing is wrong. */
static int judge(const struct tls_session *session, const WOLFSSL_X509_STORE_CTX *store, enum tls_named *named)
{
	const struct tls_context *context = session->context;
	struct span sent[PATH_SENT_MAX];
	struct path_request request = {
		.sent = sent,
		.anchors = context->anchors,
		.purpose = context->server ? PURPOSE_CLIENT : PURPOSE_SERVER,
		.now = time(NULL),
	};

	for (int i = 0; i < store->totalCerts && request.sent_count < PATH_SENT_MAX; i++)
		sent[request.sent_count++] = (struct span){store->certs[i].buffer, store->certs[i].length};
	*named = TLS_NAMED_NOT;
	int error = context->anchors != NULL ? path_verify(&request, NULL) : ASN_NO_SIGNER_E;
	if (error != 0 || context->server)
		return error;
	if (session->server_name != NULL)
		*named = tls_certificate_named(sent[0].at, sent[0].length, session->server_name);
	return *named == TLS_NAMED_NOT ? DOMAIN_NAME_MISMATCH : 0;
}

/* A client that was asked: whatever it shows, it comes in; what that is worth is noted. That the key is its own,
 * wolfSSL still demands. */
static int identify(struct tls_session *session, WOLFSSL_X509_STORE_CTX *store)
{
	if (wolfSSL_X509_STORE_CTX_get_error_depth(store) != 0 || store->totalCerts == 0)
		return 1;
	enum tls_named named;
	bool verified = session->context->anchors != NULL && judge(session, store, &named) == 0 &&
			about_the_chain(wolfSSL_X509_STORE_CTX_get_error(store));
	free(session->identity);
	session->identity = tls_identity_new(store->certs[0].buffer, store->certs[0].length, verified);
	return session->identity != NULL;
}

/* A server, whose certificate is looked at whether it must be verified or not. Where it need not be, whatever is wrong
 * with it, it is spoken to. */
static int look_at(struct tls_session *session, WOLFSSL_X509_STORE_CTX *store)
{
	int error, own = wolfSSL_X509_STORE_CTX_get_error(store);
	enum tls_named named;

	if (wolfSSL_X509_STORE_CTX_get_error_depth(store) != 0 || store->totalCerts == 0)
		return 1;
	tls_evidence_take(&session->evidence, store->certs[0].buffer, store->certs[0].length);
	error = judge(session, store, &named);
	session->evidence.trouble = error == 0 && !about_the_chain(own) ? own : error;
	session->evidence.verified = session->evidence.trouble == 0;
	session->evidence.alternative = named == TLS_NAMED_ALTERNATIVE;
	if (session->context->observe_peer)
		return 1;
	session->judgement = error;
	session->judged = session->evidence.verified;
	return session->judged ? 1 : 0;
}

static int on_verify(int verdict, WOLFSSL_X509_STORE_CTX *store)
{
	struct tls_session *session = store->userCtx;
	enum tls_named named;

	if (session == NULL)
		return 0;
	tls_trim_keep(session, store);
	if (session->context->ask_peer)
		return identify(session, store);
	if (!session->context->verify_peer && !session->context->observe_peer)
		return verdict;
	if (!session->context->server)
		return look_at(session, store);
	if (wolfSSL_X509_STORE_CTX_get_error_depth(store) != 0)
		return 1;
	session->judgement = judge(session, store, &named);
	session->judged = session->judgement == 0 && about_the_chain(wolfSSL_X509_STORE_CTX_get_error(store));
	return session->judged ? 1 : 0;
}

bool tls_verify_setup(struct tls_context *context)
{
	WOLFSSL_X509_STORE *store = wolfSSL_X509_STORE_new();

	if (store == NULL)
		return false;
	wolfSSL_CTX_set_cert_store(context->wolf, store); /* owned by it from now on */
	context->store = store;
	return true;
}

static bool looks(const struct tls_context *context)
{
	return context->verify_peer || context->ask_peer || context->observe_peer;
}

bool tls_verify_watch(struct tls_session *session)
{
	wolfSSL_SetCertCbCtx(session->wolf, session);
	wolfSSL_set_verify(session->wolf, wolfSSL_get_verify_mode(session->wolf), on_verify);
	if (!looks(session->context))
		return true;
	WOLFSSL_X509_STORE *store = wolfSSL_X509_STORE_new();
	if (store != NULL && wolfSSL_set0_verify_cert_store(session->wolf, store) == WOLFSSL_SUCCESS)
		return true;
	wolfSSL_X509_STORE_free(store);
	return false;
}

void tls_verify_done(struct tls_session *session)
{
	/* Back to the context's empty store: the session's own goes. */
	if (looks(session->context))
		wolfSSL_set0_verify_cert_store(session->wolf, session->context->store);
}
