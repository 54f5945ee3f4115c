/*
 * tls/certificate.h - what a certificate says, read from its DER (RFC 5280), and the paths from it to an anchor.
 *
 * Everything here points into the DER, which must outlive it. Nothing is trusted: octets come from a peer.
 */
#ifndef POSTRIDER_TLS_CERTIFICATE_H
#define POSTRIDER_TLS_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/dane.h"
#include "tls/tls.h"

struct span {
	const uint8_t *at;
	size_t length;
};

enum { PURPOSE_SERVER = 1, PURPOSE_CLIENT = 2 };
enum { KEY_USAGE_SIGNATURE = 1, KEY_USAGE_CERT_SIGN = 2 };

struct certificate {
	struct span der, issuer, subject, key; /* each with its header; key is the SubjectPublicKeyInfo */
	struct span alternative_names;         /* what is in the SEQUENCE; empty if there are none */
	struct span name_constraints;
	int64_t not_before, not_after; /* seconds since 1970 */
	unsigned version;              /* 1 to 3 */
	unsigned purposes;             /* PURPOSE_*; both without an extended key usage */
	unsigned usages;               /* KEY_USAGE_*; both without a key usage */
	int path_length;               /* -1: no limit */
	bool authority;                /* CA:TRUE */
	bool has_basic_constraints;
	bool unknown_critical; /* an extension that must be understood and is not */
	bool weak_key;         /* RSA under 2048 bits, curves under 256 */
	bool weak_signature;   /* MD5, SHA-1, or an algorithm that is not known */
};

/* False if it is no certificate in DER. */
bool certificate_parse(struct certificate *certificate, const uint8_t *der, size_t length);
bool span_equal(struct span a, struct span b);
/* One DER element from the front of *in: its tag, its content, and both with the header. False at the end, and for
 * anything that is not DER. */
bool der_take(struct span *in, uint8_t *tag, struct span *content, struct span *whole);

/* Fills in all but `named`. */
void certificate_describe(const struct certificate *certificate, struct tls_certificate_text *text);

/* Whether the names of `certificate` are within the constraints of an authority above it (RFC 5280 4.2.1.10). */
bool name_constraints_allow(struct span constraints, const struct certificate *certificate);

/* Trust anchors, never changed once made: threads share them. */
struct anchors {
	struct certificate *items;
	size_t count;
	unsigned damaged; /* PEM blocks that are no certificate */
	uint8_t *der;
};
/* NULL without memory; `pem` holds any number of certificates. */
struct anchors *anchors_new(const char *pem, size_t length);
void anchors_free(struct anchors *anchors);

/* Bounds on what a peer can make us do: a valid chain has a link for each certificate, and few wrong turns. */
enum { PATH_SENT_MAX = 16, PATH_DEPTH_MAX = 10, PATH_CHECKS_MAX = 20, PATH_STEPS_MAX = 100 };

struct path_request {
	const struct span *sent; /* DER, as the peer sent them; the first is the peer's own */
	size_t sent_count;
	const struct anchors *anchors;
	unsigned purpose; /* PURPOSE_* of the peer */
	int64_t now;
};
/* 0 if there is a valid path from the peer's certificate to an anchor; else wolfSSL's number for what is wrong with the
 * most promising one. *checks (may be NULL): signatures checked. */
int path_verify(const struct path_request *request, unsigned *checks);

/* dane.c. The result of what was shown (DER, the host's own first) by these records; *error: of NO_PATH and EXPIRED,
 * wolfSSL's number. */
enum tls_dane_result dane_check(const struct span *sent, size_t count, const struct tls_tlsa *tlsa, int64_t now,
				int *error);
/* The SubjectPublicKeyInfo of a certificate as it stands; empty if there is none where it should be. */
struct span dane_key(struct span der);

#endif
