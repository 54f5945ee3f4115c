/*
 * tls/hello.h - what a ClientHello offers, read before anything answers it (RFC 8446 4.1.2, RFC 5246 7.4.1.2).
 *
 * wolfSSL 5.5.4 tells a server nothing of what its client can verify, and a context holds one certificate: so the first
 * flight is kept back until the hello is whole, and the context is chosen by it (choose.c). What is read here decides
 * nothing else: wolfSSL judges every octet again. Octets come from anybody: nothing here is trusted, and all of it is
 * bounded.
 */
#ifndef POSTRIDER_TLS_HELLO_H
#define POSTRIDER_TLS_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TLS_HELLO_MAX = 16384, /* octets of the message */
	/* and of the records it comes in, which may be small */
	TLS_HELLO_RECORDS_MAX = TLS_HELLO_MAX + 128 * 5,
	TLS_HELLO_SUITES_MAX = 64, /* kept of what is offered */
};

struct tls_hello {
	char name[256];        /* SNI in lower case, a host name by its form; "" without, and for anything else */
	uint16_t version;      /* the newest one offered: 0x0301 is 1.0 */
	bool ecdsa_p256;       /* signatures it verifies: ecdsa_secp256r1_sha256, */
	bool ecdsa_p384;       /* ecdsa_secp384r1_sha384, */
	bool rsa, rsa_pss;     /* RSA with SHA-256 and up, as TLS 1.2 has it, and as 1.3 */
	bool signatures_given; /* it has the extension that says so */
	bool ecdhe_ecdsa, ecdhe_rsa;
	bool groups_given, group_known;        /* key exchange: it says which it has, and one of ours is among them */
	uint16_t suites[TLS_HELLO_SUITES_MAX]; /* without GREASE and signalling values */
	uint16_t suite_count;
};

enum tls_hello_state { TLS_HELLO_MORE, TLS_HELLO_WHOLE, TLS_HELLO_BAD };

/* `octets`: everything that came so far, with the records' headers. *hello is complete when it is whole; where it is
 * bad it has what could be read. */
enum tls_hello_state tls_hello_read(const uint8_t *octets, size_t length, struct tls_hello *hello);

#endif
