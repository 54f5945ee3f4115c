/*
 * tls/context.c - the process's part of TLS and the contexts: certificates, trust anchors, groups.
 *
 * A context is made at start or reload, never on the message path, so it may read files. Whatever is wrong with
 * one becomes a struct tls_problem that names the file.
 */
#include "tls/internal.h"

#include "tls/certificate.h"
#include "tls/rsa.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/ecc.h>

static const char system_store[] = "/etc/ssl/certs/ca-certificates.crt";

static const word16 groups[] = {WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_SECP384R1};

static atomic_uint_fast64_t next_serial = 1;
static bool acceleration_wanted = true;

void tls_global_init(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	accel_init();
	/* These fail only without memory or entropy at the start of the process. */
	if (wolfSSL_Init() != WOLFSSL_SUCCESS || tls_device_register() != 0 || tls_resume_init() != 0)
		abort();
}

void tls_thread_end(void)
{
	tls_trim_thread_end();
	wc_ecc_fp_free();
}

void tls_set_random(void (*fn)(void *out, size_t length))
{
	tls_random_source(fn);
	tls_resume_init(); /* Its secret must come from the same source. */
}

void tls_set_acceleration(bool on)
{
	acceleration_wanted = on;
}

const char *tls_acceleration(void)
{
	return accel_text();
}

const char *tls_library(void)
{
	static char text[64];

	if (text[0] == '\0')
		snprintf(text, sizeof(text), "wolfSSL %s", wolfSSL_lib_version());
	return text;
}

__attribute__((format(printf, 2, 3))) static bool fail(struct tls_problem *problem, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(problem->text, sizeof(problem->text), format, arguments);
	va_end(arguments);
	wolfSSL_ERR_clear_error();
	return false;
}

/* wolfSSL's answer to a missing file and to a bad one are alike; the operator needs to know which. */
static bool readable(const char *path, const char *what, struct tls_problem *problem)
{
	FILE *file = fopen(path, "re");

	if (file == NULL || (fgetc(file) == EOF && ferror(file))) { /* A directory is opened and not read. */
		fail(problem, "%s %s: %s", what, path, strerror(errno));
		if (file != NULL)
			fclose(file);
		return false;
	}
	fclose(file);
	return true;
}

/* What wolfSSL says went wrong, as " (wolfSSL -132: buffer error)", for one message at a time; nothing where it says
 * nothing. Some calls answer with the error, others only that there was one: then its list of errors has it. */
static const char *reason(int code)
{
	enum { ERRORS_END = -1000 };
	static _Thread_local char text[160];

	if (code >= 0)
		code = -(int)(wolfSSL_ERR_peek_last_error() & INT_MAX);
	const char *name = wolfSSL_ERR_reason_error_string((unsigned long)code);
	text[0] = '\0';
	/* Beyond these numbers are those of OpenSSL, which say nothing more than that there is no PEM. */
	if (code < 0 && code > ERRORS_END && name != NULL)
		snprintf(text, sizeof(text), " (wolfSSL %d: %s)", code, name);
	return text;
}

/* Reads a PEM file of sane size; the caller frees. */
static uint8_t *read_file(const char *path, size_t *length)
{
	enum { FILE_MAX = 65536 };
	FILE *file = fopen(path, "re");
	uint8_t *data = file != NULL ? malloc(FILE_MAX) : NULL;
	/* It may be a key: no copy of it stays behind in stdio's buffer. */
	if (file != NULL)
		setvbuf(file, NULL, _IONBF, 0);
	*length = data != NULL ? fread(data, 1, FILE_MAX, file) : 0;
	if (file != NULL)
		fclose(file);
	return data;
}

/* The uncompressed point of the public key that belongs to a PEM file's EC private key; 0 if it is none. */
static word32 ec_point_of_key(const char *path, uint8_t *point, word32 size)
{
	size_t length;
	word32 at = 0;
	ecc_key key;
	uint8_t *pem = read_file(path, &length), *der = malloc(length);
	int der_length = pem != NULL && der != NULL ? wc_KeyPemToDer(pem, (int)length, der, (int)length, NULL) : -1;
	int rc = wc_ecc_init(&key);

	if (rc == 0 && der_length > 0)
		rc = wc_EccPrivateKeyDecode(der, &at, &key, (word32)der_length);
	if (rc == 0 && der_length > 0)
		rc = wc_ecc_make_pub(&key, NULL);
	if (rc == 0 && der_length > 0)
		rc = wc_ecc_export_x963(&key, point, &size);
	wc_ecc_free(&key);
	if (der_length > 0)
		explicit_bzero(der, (size_t)der_length);
	if (pem != NULL)
		explicit_bzero(pem, length);
	free(der);
	free(pem);
	return rc == 0 && der_length > 0 ? size : 0;
}

/* wolfSSL compares the halves of an RSA key only: with this build any EC key passes its check. */
static bool ec_key_fits(const char *certificate_file, const char *key_file)
{
	uint8_t point[256];
	int length;
	bool fits = false;

	word32 size = ec_point_of_key(key_file, point, sizeof(point));
	if (size == 0)
		return true; /* Not an EC key: wolfSSL's check stands. */
	WOLFSSL_X509 *x509 = wolfSSL_X509_load_certificate_file(certificate_file, WOLFSSL_FILETYPE_PEM);
	DecodedCert *decoded = malloc(sizeof(*decoded));
	const byte *der = x509 != NULL ? wolfSSL_X509_get_der(x509, &length) : NULL;
	if (der != NULL && decoded != NULL) {
		wc_InitDecodedCert(decoded, der, (word32)length, NULL);
		fits = wc_ParseCert(decoded, CERT_TYPE, NO_VERIFY, NULL) == 0 && decoded->keyOID == ECDSAk &&
		       decoded->pubKeySize >= size && /* the SubjectPublicKeyInfo, which ends with the point */
		       memcmp(decoded->publicKey + decoded->pubKeySize - size, point, size) == 0;
		wc_FreeDecodedCert(decoded);
	}
	free(decoded);
	wolfSSL_X509_free(x509);
	return fits;
}

/* Read once, so that wolfSSL and libcrypto have the same even while a file is being replaced. */
static bool load_key(struct tls_context *context, const char *file, struct tls_problem *problem)
{
	size_t length;
	uint8_t *pem = read_file(file, &length);

	if (pem == NULL)
		return fail(problem, "out of memory");
	int rc = wolfSSL_CTX_use_PrivateKey_buffer(context->wolf, pem, (long)length, WOLFSSL_FILETYPE_PEM);
	if (rc == WOLFSSL_SUCCESS && acceleration_wanted)
		context->rsa = rsa_key_new((const char *)pem, length);
	explicit_bzero(pem, length);
	free(pem);
	return rc == WOLFSSL_SUCCESS ||
	       fail(problem, "private key %s: no usable unencrypted PEM key%s", file, reason(rc));
}

static bool load_certificate(struct tls_context *context, const struct tls_context_config *config,
			     struct tls_problem *problem)
{
	const char *key_file = config->private_key_file;

	if (config->certificate_file == NULL) {
		if (context->server)
			return fail(problem, "a TLS server needs a certificate: set certificate and private_key");
		return true;
	}
	if (key_file == NULL)
		key_file = config->certificate_file; /* Both in one file is a common habit. */
	if (!readable(config->certificate_file, "certificate", problem) || !readable(key_file, "private key", problem))
		return false;
	int rc = wolfSSL_CTX_use_certificate_chain_file(context->wolf, config->certificate_file);
	if (rc != WOLFSSL_SUCCESS)
		return fail(problem, "certificate %s: no usable PEM certificate chain%s", config->certificate_file,
			    reason(rc));
	if (!load_key(context, key_file, problem))
		return false;
	if (wolfSSL_CTX_check_private_key(context->wolf) != WOLFSSL_SUCCESS ||
	    !ec_key_fits(config->certificate_file, key_file))
		return fail(problem, "private key %s does not belong to certificate %s", key_file,
			    config->certificate_file);
	return true;
}

/* The whole file; the caller frees. NULL with *problem filled in. */
static char *read_anchors(const char *path, size_t *length, struct tls_problem *problem)
{
	enum { ANCHORS_MAX = 16 << 20 };
	struct stat st;
	FILE *file = fopen(path, "re");
	char *pem = NULL;

	if (file == NULL || fstat(fileno(file), &st) != 0) {
		fail(problem, "trust anchors %s: %s", path, strerror(errno));
	} else if (st.st_size > ANCHORS_MAX) {
		fail(problem, "trust anchors %s: larger than 16 MiB", path);
	} else if ((pem = malloc((size_t)st.st_size + 1)) == NULL) {
		fail(problem, "out of memory");
	} else {
		*length = fread(pem, 1, (size_t)st.st_size, file);
		if (ferror(file)) {
			fail(problem, "trust anchors %s: %s", path, strerror(errno));
			free(pem);
			pem = NULL;
		}
	}
	if (file != NULL)
		fclose(file);
	return pem;
}

static bool load_anchors(struct tls_context *context, const struct tls_context_config *config,
			 struct tls_problem *problem)
{
	const char *file = config->ca_file != NULL ? config->ca_file : system_store;
	size_t length, ended = 0;

	char *pem = read_anchors(file, &length, problem);
	if (pem == NULL)
		return false;
	context->anchors = anchors_new(pem, length);
	free(pem);
	if (context->anchors == NULL)
		return fail(problem, "out of memory");
	if (context->anchors->count == 0)
		return fail(problem, "trust anchors %s: no usable PEM certificate authority", file);
	/* One damaged authority in the system's store must not take the others along. */
	if (config->ca_file != NULL && context->anchors->damaged > 0)
		return fail(problem, "trust anchors %s: %u of its PEM blocks are no certificates", file,
			    context->anchors->damaged);
	for (size_t i = 0; i < context->anchors->count; i++)
		ended += context->anchors->items[i].not_after < time(NULL);
	if (ended == context->anchors->count)
		return fail(problem, "trust anchors %s: every certificate in it has expired", file);
	return true;
}

static bool load_trust(struct tls_context *context, const struct tls_context_config *config,
		       struct tls_problem *problem)
{
	int mode = WOLFSSL_VERIFY_NONE;

	if (config->verify_peer) {
		if (!load_anchors(context, config, problem))
			return false;
		mode = WOLFSSL_VERIFY_PEER | (context->server ? WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
		/* With this, a client without a certificate hears why it is refused with TLS 1.2 too. */
		if (context->server)
			wolfSSL_CTX_mutual_auth(context->wolf, 1);
	}
	if (config->observe_peer) {
		/* What the operator names must be there; the system's may be missing. */
		if (!load_anchors(context, config, problem) && config->ca_file != NULL)
			return false;
		problem->text[0] = '\0';
		mode = WOLFSSL_VERIFY_PEER;
	}
	if (config->ask_peer) {
		/* Without authorities a client is known by its fingerprint alone. */
		if (config->ca_file != NULL && !load_anchors(context, config, problem))
			return false;
		mode = WOLFSSL_VERIFY_PEER;
	}
	wolfSSL_CTX_set_verify(context->wolf, mode, NULL);
	return true;
}

static WOLFSSL_METHOD *method(const struct tls_context_config *config)
{
	if (config->tls12_only)
		return config->server ? wolfTLSv1_2_server_method() : wolfTLSv1_2_client_method();
	if (config->tls13_only)
		return config->server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method();
	return config->server ? wolfSSLv23_server_method() : wolfSSLv23_client_method();
}

static bool set_policy(struct tls_context *context, const struct tls_context_config *config,
		       struct tls_problem *problem)
{
	int ranked[sizeof(groups) / sizeof(groups[0])];

	if (!tls_suites_set(context->wolf, context->accelerated))
		return fail(problem, "wolfSSL refuses the cipher suites: is this build missing ECDHE or GCM?");
	if (!config->tls12_only && !config->tls13_only &&
	    wolfSSL_CTX_SetMinVersion(context->wolf, config->tls11 ? WOLFSSL_TLSV1_1 : WOLFSSL_TLSV1_2) !=
		    WOLFSSL_SUCCESS)
		return fail(problem, "wolfSSL refuses TLS 1.%d as the least version", config->tls11 ? 1 : 2);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		ranked[i] = groups[i];
		if (config->tls12_only && wolfSSL_CTX_UseSupportedCurve(context->wolf, groups[i]) != WOLFSSL_SUCCESS)
			return fail(problem, "wolfSSL refuses key exchange group %d", groups[i]);
	}
	if (!config->tls12_only &&
	    wolfSSL_CTX_set_groups(context->wolf, ranked, sizeof(groups) / sizeof(groups[0])) != WOLFSSL_SUCCESS)
		return fail(problem, "wolfSSL refuses the key exchange groups: is this build missing X25519?");
	/* The build's defaults follow OpenSSL: retry inside the read callback would spin. */
	wolfSSL_CTX_clear_mode(context->wolf, SSL_MODE_AUTO_RETRY);
	wolfSSL_CTX_clear_mode(context->wolf, SSL_MODE_ENABLE_PARTIAL_WRITE);
	return true;
}

/* What is looked at when a certificate is chosen. */
static bool read_own(struct tls_context *context, const struct tls_context_config *config, struct tls_problem *problem)
{
	size_t length;
	char *pem = read_anchors(config->certificate_file, &length, problem);

	if (pem == NULL)
		return false;
	context->own = tls_own_new(pem, length);
	free(pem);
	return context->own != NULL ||
	       fail(problem, "certificate %s: no usable PEM certificate chain", config->certificate_file);
}

/* Contexts with the other certificates, beside the first. */
static bool make_others(struct tls_context *context, const struct tls_context_config *config,
			struct tls_problem *problem)
{
	tls_own_compare(context->own, context->own);
	if (config->other_count == 0)
		return true;
	context->others = calloc(config->other_count, sizeof(context->others[0]));
	if (context->others == NULL)
		return fail(problem, "out of memory");
	for (size_t i = 0; i < config->other_count; i++) {
		struct tls_context_config one = *config;
		one.certificate_file = config->others[i].certificate_file;
		one.private_key_file = config->others[i].private_key_file;
		one.other_count = 0;
		struct tls_context *other = tls_context_new(&one, problem);
		if (other == NULL)
			return false;
		tls_own_compare(other->own, context->own);
		context->others[context->other_count++] = other;
	}
	return true;
}

struct tls_context *tls_context_new(const struct tls_context_config *config, struct tls_problem *problem)
{
	assert(!(config->tls12_only && config->tls13_only));
	assert(!config->ask_peer || (config->server && !config->verify_peer));
	assert(!config->observe_peer || (!config->server && !config->verify_peer));
	assert(!config->tls11 || (config->server && !config->tls12_only && !config->tls13_only));
	problem->text[0] = '\0';
	struct tls_context *context = calloc(1, sizeof(*context));
	if (context == NULL) {
		fail(problem, "out of memory");
		return NULL;
	}
	atomic_init(&context->users, 1);
	context->serial = atomic_fetch_add(&next_serial, 1);
	context->server = config->server;
	context->verify_peer = config->verify_peer;
	context->ask_peer = config->ask_peer;
	context->observe_peer = config->observe_peer;
	context->accelerated = acceleration_wanted && accel_available();
	context->wolf = wolfSSL_CTX_new(method(config));
	if (context->wolf == NULL) {
		fail(problem, "out of memory");
		free(context);
		return NULL;
	}
	if (!tls_verify_setup(context)) {
		fail(problem, "out of memory");
		tls_context_free(context);
		return NULL;
	}
	wolfSSL_CTX_SetDevId(context->wolf, TLS_DEVICE_ID);
	tls_session_callbacks(context->wolf);
	if (!set_policy(context, config, problem) || !load_certificate(context, config, problem) ||
	    !load_trust(context, config, problem)) {
		tls_context_free(context);
		return NULL;
	}
	if (tls_resume_setup(context) != 0) {
		fail(problem, "wolfSSL refuses session tickets");
		tls_context_free(context);
		return NULL;
	}
	if (!config->server)
		return context;
	tls_resume_context(context, config);
	if (!read_own(context, config, problem) || !make_others(context, config, problem)) {
		tls_context_free(context);
		return NULL;
	}
	return context;
}

struct tls_certificate_text *tls_certificates_read(const char *file, const char *host, size_t *count)
{
	struct tls_problem problem;
	size_t length;
	char *pem = read_anchors(file, &length, &problem);
	struct anchors *chain = pem != NULL ? anchors_new(pem, length) : NULL;
	struct tls_certificate_text *texts = NULL;

	*count = chain != NULL ? chain->count : 0;
	if (*count > 0)
		texts = calloc(*count, sizeof(*texts));
	for (size_t i = 0; texts != NULL && i < *count; i++) {
		certificate_describe(&chain->items[i], &texts[i]);
		texts[i].named = tls_certificate_has_name(chain->items[i].der.at, chain->items[i].der.length, host);
	}
	anchors_free(chain);
	free(pem);
	return texts;
}
