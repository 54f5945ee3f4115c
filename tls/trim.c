/*
 * tls/trim.c - makes an established session small: what only the handshake needed goes, or gives its pages back.
 *
 * wolfSSL 5.5.4 as Debian builds it keeps two large things for as long as a session lives, and has no call to free
 * them. Both are made small without knowing where anything lies in them:
 *
 * - The object of the peer's public key (16 KB for the 64 octets of a P-256 key), part of the peer's certificate. The
 *   verify callback (verify.c) shows the certificate. A reference to the key object
 *   is kept until the handshake is over: then an empty key, one for each thread, takes the key's place. wolfSSL checks
 *   the handshake's signature with another copy, and afterwards nobody uses either; whoever tried would find no key,
 *   and fail.
 * - The session object (37 KB, almost all of it room for certificates that did not come). Its pages that hold nothing
 *   but zeros are given back to the system. They go on reading as zeros, and come back when they are written to. The
 *   next session that malloc makes from them pays for it with eight page faults. Clients do this at once: their
 *   sessions carry thousands of messages and then wait in a pool. A server's may be over in a moment, so it does it
 *   when it is told that the session has lasted (tls_session_trim).
 *
 * Failure
 *   None that matters: what cannot be given up stays.
 */
#include "tls/internal.h"

#include <malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wolfssl/openssl/ec.h>
#include <wolfssl/openssl/evp.h>

#ifdef NO_SESSION_CACHE_REF
enum { SESSION_OBJECT_FROM_MALLOC = 1 };
#else
enum { SESSION_OBJECT_FROM_MALLOC = 0 }; /* wolfSSL_get_session() may then answer with an entry of a static cache. */
#endif

void tls_trim_keep(struct tls_session *session, WOLFSSL_X509_STORE_CTX *store)
{
	WOLFSSL_X509 *x509 = wolfSSL_X509_STORE_CTX_get_current_cert(store);

	/* Other certificates of the chain are gone when the callback returns. */
	if (session->peer_key == NULL && wolfSSL_X509_STORE_CTX_get_error_depth(store) == 0)
		session->peer_key = wolfSSL_X509_PUBKEY_get(wolfSSL_X509_get_X509_PUBKEY(x509));
}

/* Not the context's: wolfSSL may look into a key that it is given, and contexts are shared by threads. */
static _Thread_local WOLFSSL_EC_KEY *no_key;

WOLFSSL_EC_KEY *tls_trim_key(void)
{
	if (no_key == NULL)
		no_key = wolfSSL_EC_KEY_new();
	return no_key;
}

void tls_trim_thread_end(void)
{
	wolfSSL_EC_KEY_free(no_key);
	no_key = NULL;
}

void tls_trim_free(struct tls_session *session)
{
	wolfSSL_EVP_PKEY_free(session->peer_key);
	session->peer_key = NULL;
}

static bool all_zero(const char *page, size_t size)
{
	return page[0] == 0 && memcmp(page, page + 1, size - 1) == 0;
}

size_t tls_trim_zero_pages(char *block, size_t length)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), given = 0;
	size_t at = (page - (uintptr_t)block % page) % page;

	while (at + page <= length) {
		size_t end = at;
		while (end + page <= length && all_zero(block + end, page))
			end += page;
		if (end > at && madvise(block + at, end - at, MADV_DONTNEED) == 0)
			given += end - at;
		at = end > at ? end : at + page;
	}
	return given;
}

void tls_session_trim(struct tls_session *session)
{
	WOLFSSL_SESSION *object = SESSION_OBJECT_FROM_MALLOC ? wolfSSL_get_session(session->wolf) : NULL;

	if (object != NULL)
		tls_trim_zero_pages((char *)object, malloc_usable_size(object));
}

void tls_trim(struct tls_session *session)
{
	/* It takes the old key away before it finds that there is nothing in the new one. */
	if (session->peer_key != NULL && tls_trim_key() != NULL)
		(void)wolfSSL_EVP_PKEY_set1_EC_KEY(session->peer_key, tls_trim_key());
	tls_trim_free(session);
	if (!session->context->server)
		tls_session_trim(session);
}
