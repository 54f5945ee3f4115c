/*
 * tls/internal.h - what the files of tls/ share and nobody else sees.
 *
 * Files: context.c (process and contexts), suites.c (what is offered), hello.c and choose.c (what a client offers, and
 * which certificate it is shown), session.c (the engine), guard.c (what is checked beyond wolfSSL), resume.c (tickets
 * of both sides), verify.c (the verdict on the peer's certificate), path.c, certificate.c, constraints.c and anchors.c
 * (paths to an anchor: certificate.h), evidence.c (what a server's certificate was found to be worth), peer_name.c
 * (which names a certificate stands for), dane.c (dane.h: what the DNS says of it), describe.c (what it says, for
 * people), error.c (texts), trim.c (what an established session gives up), device.c (wolfSSL's crypto device), rsa.c
 * (rsa.h: signing), accel_ipsec_mb.c or accel_none.c (the fast AES-GCM, chosen by the build).
 */
#ifndef POSTRIDER_TLS_INTERNAL_H
#define POSTRIDER_TLS_INTERNAL_H

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>

#include <stdatomic.h>

#include "tls/tls.h"

struct DecodedCert;
struct own_certificate;
struct rsa_key;
struct tls_hello;

enum {
	TLS_PROTECTED_MIN = 17,    /* octets of a protected record: a tag and the type of what it holds */
	TLS_IDLE_RECORDS_MAX = 32, /* records in a row without plaintext: guard.c */
	TLS_HANDSHAKE_RECORDS_MAX = 128,
	TLS_DEVICE_ID = 0x706f, /* our crypto device in wolfSSL's table */
	TLS_SPILL_MAX = 262144, /* output of one call beyond the lent buffer; a bound on what a peer can cause */
	TLS_OVERHEAD_MAX = 96,  /* most octets one record adds: header 5, IV 16, MAC 48, padding 16 */
	TLS_KEY_SIZE = 32,      /* of the ticket keys */
	TLS_TICKET_LIFETIME_S = 3600,
	TLS_HELD_MAX = 20000, /* a ServerHello and one octet, from any sane server */
	TLS_NAME_SIZE = 256,  /* a host name with its NUL */
};

struct tls_context {
	_Atomic(unsigned) users; /* who made or holds it, until tls_context_free(), and its sessions */
	uint64_t serial;         /* never reused, unlike the address: tickets are compared by it */
	WOLFSSL_CTX *wolf;
	struct anchors *anchors;   /* owned; NULL if peers are not verified */
	WOLFSSL_X509_STORE *store; /* wolf's, and always empty (verify.c) */
	bool server, verify_peer, ask_peer, observe_peer, accelerated;
	struct rsa_key *rsa;         /* owned: the certificate's, where it is one and libcrypto signs with it */
	struct own_certificate *own; /* owned; servers */
	struct tls_context **others; /* owned: the same with other certificates (choose.c) */
	size_t other_count;
	uint8_t ticket_secret[TLS_KEY_SIZE]; /* servers: the same in every context with the same policy */
};

/* Where in a record the octets given to wolfSSL have come. */
struct tls_guard {
	uint8_t header[5];
	uint8_t header_used;
	bool established;
	uint16_t records; /* since the last plaintext */
	size_t body_left;
};

struct tls_session {
	WOLFSSL *wolf;               /* NULL: a server that has not seen the whole ClientHello */
	struct tls_context *context; /* counted */
	struct accel_keys *keys;     /* owned; NULL without acceleration */
	const uint8_t *input;        /* the caller's */
	size_t input_length, input_used;
	uint8_t *output; /* the caller's */
	size_t output_capacity, output_length;
	uint8_t *spill; /* owned: output that found no room; goes first into the next lent buffer */
	size_t spill_length, spill_used, spill_capacity;
	uint8_t *held; /* owned: input kept back while the server's answer to a ticket is unknown */
	size_t held_length, held_used;
	bool holding;
	struct tls_hello *hello; /* owned: what the client offers, until the handshake is complete; NULL on clients */
	struct tls_identity *identity; /* owned: of a client that showed a certificate */
	struct tls_evidence evidence;  /* of a server; `resumed`: that of the ticket that is offered */
	struct tls_evidence resumed;
	WOLFSSL_EVP_PKEY *peer_key; /* a reference, during the handshake only (trim.c); NULL: none */
	char *server_name;          /* owned; NULL if none */
	char *error;                /* owned; NULL while nothing failed or without memory */
	struct tls_guard guard;
	const char *refusal; /* static: why we end the session although wolfSSL would go on; NULL: we do not */
	uint8_t first_octet;
	bool first_octet_known;
	int judgement; /* wolfSSL's number for what is wrong with the peer's certificates; 0: nothing (yet) */
	bool judged;   /* they were looked at and accepted */
	bool handshake_done, failed, peer_closed, close_sent, write_accepted;
	bool ticket_fresh; /* the server sent a ticket on this connection */
};

struct tls_ticket {
	uint64_t context_serial;
	char *server_name; /* owned; NULL if none was asked for */
	struct tls_evidence evidence;
	uint8_t *data; /* owned: wolfSSL's own serialisation, a tenth of its session object */
	size_t length;
};

/* session.c: the read and write callbacks. */
void tls_session_callbacks(WOLFSSL_CTX *wolf);

/* resume.c */
int tls_resume_init(void); /* draws the process's ticket secret */
void tls_resume_context(struct tls_context *context, const struct tls_context_config *config);
bool tls_resume_offer(struct tls_session *session, const struct tls_ticket *ticket);
/* What a TLS 1.2 server's first flight says about the ticket it was offered. */
enum tls_answer { TLS_ANSWER_UNKNOWN, TLS_ANSWER_RESUMES, TLS_ANSWER_REFUSES };
enum tls_answer tls_resume_answer(const uint8_t *octets, size_t length);
int tls_resume_setup(struct tls_context *context);

/* choose.c: what is shown to whom */
struct own_certificate *tls_own_new(const char *pem, size_t length); /* NULL: no certificate, or no memory */
void tls_own_free(struct own_certificate *own);
void tls_own_compare(struct own_certificate *own, const struct own_certificate *first);
/* The context that a session goes on with: `context`, or one of those beside it. */
struct tls_context *tls_choose(struct tls_context *context, const struct tls_hello *hello);

/* suites.c */
bool tls_suites_set(WOLFSSL_CTX *wolf, bool aes_first);
bool tls_suites_contain(unsigned number);
const char *tls_version_text(unsigned version); /* "TLSv1.0", static */
/* "NAME,NAME,0x1234", cut at a whole name with "..." where there is no room for all. */
void tls_suites_text(const uint16_t *numbers, size_t count, char *text, size_t size);

/* guard.c: NULL, or why the session must end. The first is told exactly the octets that wolfSSL is given next. */
const char *tls_guard_records(struct tls_guard *guard, const uint8_t *octets, size_t length);
void tls_guard_content(struct tls_guard *guard); /* the handshake is over, or plaintext came */
const char *tls_guard_handshake(const struct tls_session *session);

/* identity.c: NULL without memory */
struct tls_identity *tls_identity_new(const uint8_t *der, size_t length, bool verified);
/* "sha256:" and 64 digits, in either case, with colons between octets or without, are those of `fingerprint`. */
bool tls_fingerprint_is(const uint8_t fingerprint[TLS_FINGERPRINT_SIZE], const char *wanted);

/* evidence.c: what a server's certificate is, but for its verdict. */
void tls_evidence_take(struct tls_evidence *evidence, const uint8_t *der, size_t length);
/* After a handshake: who resumed has shown nothing, and is who it was. */
void tls_evidence_settle(struct tls_session *session);

/* verify.c */
bool tls_verify_setup(struct tls_context *context); /* false without memory, as the next */
bool tls_verify_watch(struct tls_session *session); /* before the handshake */
void tls_verify_done(struct tls_session *session);  /* after it */

/* trim.c */
WOLFSSL_EC_KEY *tls_trim_key(void); /* the thread's empty key; NULL without memory */
void tls_trim_thread_end(void);
void tls_trim_keep(struct tls_session *session, WOLFSSL_X509_STORE_CTX *store); /* during the handshake */
void tls_trim(struct tls_session *session);                                     /* after it */
void tls_trim_free(struct tls_session *session);
/* Gives back the pages of a block that hold only zeros, and says how many octets that were. The content stays. */
size_t tls_trim_zero_pages(char *block, size_t length);

/* peer_name.c */
bool tls_name_is_address(const char *name);
/* RFC 6125: one wildcard, alone in the leftmost label, and at least two labels after it. */
bool tls_name_matches(const char *pattern, size_t pattern_length, const char *name);
enum tls_named {
	TLS_NAMED_NOT,
	TLS_NAMED_COMMON,      /* by the common name, where there is no alternative one */
	TLS_NAMED_ALTERNATIVE, /* by a subjectAltName */
};
enum tls_named tls_decoded_named(const struct DecodedCert *certificate, const char *name);
enum tls_named tls_certificate_named(const uint8_t *der, size_t length, const char *name);
/* True if the certificate in DER carries `name` (a host name or an IP address). */
bool tls_certificate_has_name(const uint8_t *der, size_t length, const char *name);

/* error.c: the text for a wolfSSL error of this session. */
void tls_error_describe(const struct tls_session *session, int error, char *text, size_t size);

/* The same for what was judged outside a session. */
void tls_error_text_of(int error, char *text, size_t size);

/* device.c */
int tls_device_register(void);
void tls_random_bytes(void *out, size_t length);
void tls_random_source(void (*fn)(void *out, size_t length));
/* Says whose keys the crypto device uses in this thread until the next call; NULL: nobody's. */
void tls_device_enter(struct accel_keys *keys);
/* The same of the key that signs a handshake. */
void tls_device_sign_with(const struct rsa_key *key);

/* accel_*.c: AES-GCM outside wolfSSL. */
struct accel_keys; /* expanded keys of one session, one per direction */
struct accel_gcm {
	const uint8_t *key;
	size_t key_length;
	const uint8_t *iv; /* 12 octets */
	const uint8_t *aad;
	size_t aad_length;
	const uint8_t *in;
	uint8_t *out;
	size_t length;
};
enum { ACCEL_TAG_SIZE = 16, ACCEL_IV_SIZE = 12 };
void accel_init(void);
bool accel_available(void);
const char *accel_text(void);
struct accel_keys *accel_keys_new(void);
void accel_keys_free(struct accel_keys *keys); /* overwrites them; NULL is fine */
void accel_gcm_seal(struct accel_keys *keys, const struct accel_gcm *op, uint8_t tag[ACCEL_TAG_SIZE]);
void accel_gcm_open(struct accel_keys *keys, const struct accel_gcm *op, uint8_t tag[ACCEL_TAG_SIZE]);

#endif
