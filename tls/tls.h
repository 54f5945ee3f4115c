/*
 * tls/tls.h - TLS as an engine that takes and gives bytes. It never sees a socket or the ring.
 *
 * Only tls/ includes wolfSSL. A context holds what a listener or a destination shares (certificates, trust,
 * policy); a session is one connection's TLS state. A context never changes once it is made, but for the count of its
 * sessions: threads share it. A session belongs to one thread.
 *
 * The caller's loop for a session:
 *     received n octets      -> tls_feed(s, octets, n), then tls_handshake() or tls_read() until it says
 *                               TLS_WANT_INPUT; by then every octet lent was consumed and may be reused.
 *                               (wolfSSL may hold decrypted octets no completion will ever announce: P14.)
 *     before any call        -> tls_lend_output(s, buffer, capacity); ciphertext is appended to it and
 *                               tls_output_length() says how much of it must be sent, in order.
 *     TLS_WANT_OUTPUT        -> send what is there, lend an empty buffer, repeat the same call with the same
 *                               arguments.
 *
 * A buffer of TLS_OUTPUT_MIN octets always holds one tls_write() of TLS_RECORD_MAX octets.
 * The simulation has another implementation of all this (tests/sim/sim_tls.c).
 * Compression, renegotiation and early data are off. TLS 1.2 and 1.3, and 1.1 where a server is told to; X25519 first.
 */
#ifndef POSTRIDER_TLS_TLS_H
#define POSTRIDER_TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TLS_RECORD_MAX = 16384, TLS_OUTPUT_MIN = TLS_RECORD_MAX + 512 };

enum tls_status {
	TLS_OK,          /* done; for tls_read: octets were returned */
	TLS_WANT_INPUT,  /* all input consumed, feed more */
	TLS_WANT_OUTPUT, /* the lent output buffer is full */
	TLS_CLOSED,      /* the peer sent close_notify */
	TLS_FAILED,      /* the session is dead: tls_error_text() says why; send what output there is and close */
};

struct tls_key_pair {
	const char *certificate_file; /* PEM chain */
	const char *private_key_file; /* PEM; NULL: in the same file */
};

struct tls_context_config {
	bool server;
	bool verify_peer; /* client: chain and name must verify; server: a client certificate is required */
	bool ask_peer;    /* server: a client may show a certificate, and is no worse off without */
	/* client: whoever answers is spoken to, and what its certificate proves is noted (struct tls_evidence). Without
	 * the system's trust anchors it proves nothing. */
	bool observe_peer;
	const char *ca_file;          /* PEM trust anchors; NULL with verify_peer or observe_peer: the system's */
	const char *certificate_file; /* PEM chain; NULL: none (clients only) */
	const char *private_key_file; /* PEM */
	/* server: more certificates, for other names or with another kind of key; a client is shown the one that it
	 * asks for and can verify, and what the first is for where it asks for nothing that there is */
	const struct tls_key_pair *others;
	size_t other_count;
	bool tls12_only, tls13_only; /* for tests and odd peers; tls13_only: also a listener's min_version */
	bool tls11;                  /* server: 1.1 is spoken as well, with clients that have nothing better */
};

/* What went wrong while making a context: file, reason, what to do. */
struct tls_problem {
	char text[512];
};

struct tls_context;
struct tls_session;
struct tls_ticket; /* a resumable session, bound to the context it came from (POL-01) */

/* Once per process, before any thread: initialises wolfSSL and the crypto device. */
void tls_global_init(void);
/* Last call of a thread that used TLS: gives back what is kept per thread (wolfSSL's table of curve points). */
void tls_thread_end(void);
/* "AES-GCM by ipsec-mb 1.3.0 (avx512)" or "wolfSSL's own code (reason)"; and "wolfSSL 5.5.4". Static text. */
const char *tls_acceleration(void);
const char *tls_library(void);
/* Whether contexts made from now on use the acceleration (they do). For tests and measurements. */
void tls_set_acceleration(bool on);
/* Seeds wolfSSL's generators and the ticket keys from `fn` instead of the kernel; NULL: the kernel again. Simulation
 * only, and before the contexts it concerns are made. */
void tls_set_random(void (*fn)(void *out, size_t length));

/* NULL with *problem filled in. */
struct tls_context *tls_context_new(const struct tls_context_config *config, struct tls_problem *problem);
/* One more who will say tls_context_free(). */
void tls_context_hold(struct tls_context *context);
/* Its holder makes no more sessions from it; it goes when the last of those it has has gone, on whichever thread. */
void tls_context_free(struct tls_context *context);

/* What a certificate says, for people: texts are cut where they are longer. */
struct tls_certificate_text {
	char subject[256]; /* "O=Example, CN=mail.example.org" */
	char names[256];   /* the hosts it is for: "mail.example.org, *.example.org, 192.0.2.1"; may be "" */
	char issuer[256];
	int64_t not_before, not_after; /* seconds since 1970 */
	bool named;                    /* it is for the host that was asked about */
	bool for_server, for_client;   /* extended key usage (RFC 5280 4.2.1.12); both where it has none */
};
/* The certificates of a PEM file in its order, `named` if they are for `host`; the caller frees. NULL if there are
 * none, the file cannot be read, or without memory. */
struct tls_certificate_text *tls_certificates_read(const char *file, const char *host, size_t *count);

/* `server_name` (clients): sent as SNI and, with verify_peer, required in the certificate (CRT-01); may be
 * NULL on servers or without verification. `ticket` may be NULL. NULL without memory. */
struct tls_session *tls_session_new(struct tls_context *context, const char *server_name, struct tls_ticket *ticket);
void tls_session_free(struct tls_session *session);

void tls_feed(struct tls_session *session, const uint8_t *ciphertext, size_t length);
size_t tls_input_left(const struct tls_session *session); /* octets fed and not consumed yet */
/* The caller takes no more now: gives back what was fed last and not consumed, which is fed again later, before all
 * that comes behind it. Returns how many octets, the last ones of what was fed. */
size_t tls_unfeed(struct tls_session *session);
void tls_lend_output(struct tls_session *session, uint8_t *buffer, size_t capacity);
size_t tls_output_length(const struct tls_session *session);

enum tls_status tls_handshake(struct tls_session *session);
/* TLS_OK with *length > 0 octets of plaintext. */
enum tls_status tls_read(struct tls_session *session, uint8_t *plaintext, size_t capacity, size_t *length);
/* Behind such a TLS_OK: false where another tls_read() would only want more input. */
bool tls_has_more(const struct tls_session *session);
/* All or nothing; length <= TLS_RECORD_MAX. */
enum tls_status tls_write(struct tls_session *session, const uint8_t *plaintext, size_t length);
enum tls_status tls_close_notify(struct tls_session *session);

/* Servers, until the handshake is complete: what the client offers, for people, such as "TLSv1.0" and
 * "TLS_RSA_WITH_RC4_128_SHA,0x1234"; "" while its hello is not there. Texts are cut where they are longer. */
struct tls_offer {
	const char *version; /* static */
	char name[256];      /* the host it asks for; letters, digits, '-', '_' and '.' only */
	char suites[512];
};
void tls_session_offer(const struct tls_session *session, struct tls_offer *offer);
/* After the handshake. Strings are static or live as long as the session. */
struct tls_info {
	const char *version; /* "TLSv1.3" */
	const char *cipher;  /* "TLS_AES_128_GCM_SHA256" */
	const char *group;   /* "X25519" or "" */
	bool resumed;
	bool verified; /* servers: a certificate was required and verified; clients: struct tls_evidence has it */
};
void tls_session_info(const struct tls_session *session, struct tls_info *info);
/* After the handshake: the certificates that the peer showed, its own first, `named` if they are for `host`; the caller
 * frees. NULL if it showed none (a resumed session, for one), or without memory. */
struct tls_certificate_text *tls_peer_certificates(const struct tls_session *session, const char *host, size_t *count);
/* Who a client is, by the certificate that it showed where it was asked (ask_peer) and whose key it has. */
enum { TLS_FINGERPRINT_SIZE = 32, TLS_FINGERPRINT_TEXT = 7 + 2 * TLS_FINGERPRINT_SIZE + 1 };
struct tls_identity {
	uint8_t fingerprint[TLS_FINGERPRINT_SIZE]; /* SHA-256 of the certificate */
	bool verified;                             /* there is a path to an anchor in ca_file */
	char names[512]; /* hosts and mail addresses, each with its NUL, then an empty one; none unless verified */
	size_t names_length;
};
/* NULL: it showed none. A session that was resumed has none either, because who showed one gets no ticket that works:
 * it makes a full handshake, and shows it again. Lives as long as the session. */
const struct tls_identity *tls_session_identity(const struct tls_session *session);
/* Whether it is the one that was written as "sha256:" with 64 digits (colons between octets or not), or as a name. */
bool tls_identity_is(const struct tls_identity *identity, const char *wanted);
void tls_fingerprint_text(const uint8_t fingerprint[TLS_FINGERPRINT_SIZE], char text[TLS_FINGERPRINT_TEXT]);
/* What a server's certificate was found to be, where it was verified or observed; what it proves is decided by who
 * needs it. It goes with the ticket: a session that is resumed has that of the one that its ticket is from. */
struct tls_evidence {
	bool known;        /* a certificate was looked at; else nothing here means anything */
	bool verified;     /* there is a path to an authority, and it is for the name that was asked for */
	bool alternative;  /* and that is one of its subjectAltNames, and not only its common name */
	int trouble;       /* why it is not verified, in the library's numbers: tls_evidence_text() */
	int64_t not_after; /* its own, in seconds since 1970: no ticket outlives it */
	uint8_t certificate[TLS_FINGERPRINT_SIZE]; /* SHA-256 of it */
	uint8_t key[TLS_FINGERPRINT_SIZE];         /* and of its SubjectPublicKeyInfo */
};
/* Clients, after the handshake. Lives as long as the session. */
const struct tls_evidence *tls_session_evidence(const struct tls_session *session);
/* Why it is not verified, for an operator; "" where it is, or where nobody looked. */
void tls_evidence_text(const struct tls_session *session, char *text, size_t size);
/* What kind of reason that is, also of a handshake that failed for it. */
enum tls_doubt { TLS_DOUBT_NONE, TLS_DOUBT_EXPIRED, TLS_DOUBT_NAME, TLS_DOUBT_PATH };
enum tls_doubt tls_session_doubt(const struct tls_session *session);
/* Whether one of its two fingerprints is the one that was written, as in tls_identity_is(). */
bool tls_evidence_is(const struct tls_evidence *evidence, const char *wanted);
/* Why the session failed, for an operator; never NULL. Lives as long as the session. */
const char *tls_error_text(const struct tls_session *session);

/* Servers, after the handshake: the session has lasted, and may last for long. Gives memory back that it does not need,
 * about half of it; that takes so long that who is gone in a moment is better off without. Once is enough. */
void tls_session_trim(struct tls_session *session);

/* A ticket for the next session to the same peer with the same context, or NULL if there is none (yet: TLS 1.3
 * tickets arrive after the handshake, with the first reads). */
struct tls_ticket *tls_ticket_take(struct tls_session *session);
void tls_ticket_free(struct tls_ticket *ticket);

#endif
