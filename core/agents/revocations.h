/*
 * core/agents/revocations.h - lists of revoked certificates (X509 CRL, RFC 5280 5), and what they say of one.
 *
 * Of libcrypto, as GnuTLS, which speaks TLS with operators, reads a list in the square of its length: 10,000 entries
 * take it 0.7 s and 100,000 over a minute, where libcrypto takes 0.06 and 0.6 s. What is kept of a list is its serial
 * numbers, sorted, and the list as it came, whose signature is looked at once for each key.
 *
 * A certificate is good where a list of who issued it, which is signed by that one's key, meant for such certificates
 * and not out of date, does not name it. Without one it is not good: nobody knows. What is asked for is all that RFC
 * 5280 6.3 asks for, but for lists of changes (delta) and lists of other issuers' certificates (indirect), which are
 * not taken at all, and for the beginning of a list, which may be to come: a clock that goes wrong is no reason to look
 * away from what is known.
 *
 * One thread at a time looks; references may be taken and given back by any.
 */
#ifndef POSTRIDER_AGENTS_REVOCATIONS_H
#define POSTRIDER_AGENTS_REVOCATIONS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"

enum {
	REVOCATIONS_FILE_MAX = 32 << 20, /* octets; at 37 an entry as DER, and 50 as PEM: over 600,000 */
	REVOCATIONS_SAY = 480,
};

struct revocations;

/* Of lists in PEM, among whatever else there is, or of one in DER. NULL: there is none, one that cannot be read, or one
 * that cannot be gone by; `problem`, for people. */
struct revocations *revocations_new(const char *text, size_t length, char *problem, size_t size);
/* From a file. NULL with `problem`, which does not name it. */
struct revocations *revocations_read(const char *file, char *problem, size_t size);
/* No list at all: nothing is good. NULL without memory. */
struct revocations *revocations_none(void);
struct revocations *revocations_reference(struct revocations *revocations); /* NULL is allowed */
void revocations_free(struct revocations *revocations);                     /* the same */

enum revocations_state {
	REVOCATIONS_GOOD,
	REVOCATIONS_REVOKED,
	REVOCATIONS_OUT_OF_DATE, /* there are lists, all of them over */
	REVOCATIONS_UNSIGNED,    /* there is one in its issuer's name, that this one has not signed, or may not */
	REVOCATIONS_NONE,        /* there is none of its issuer, or none that is meant for it */
	REVOCATIONS_UNREADABLE,  /* one of both is no certificate */
};

/* Both in DER; that `issuer` has issued `certificate` is the caller's to know. `say`: why it is not good. `now_s`:
 * seconds since 1970, as all times here. */
enum revocations_state revocations_look(struct revocations *revocations, struct span certificate, struct span issuer,
					int64_t now_s, char say[REVOCATIONS_SAY]);

/* What there is of an authority. */
struct revocations_authority {
	const char *subject; /* RFC 4514 */
	/* Of what it issues and no list names; where it has several lists, of some of that. */
	enum revocations_state state;
	int64_t ends;   /* of its lists that no other outlives, when the first does; INT64_MAX: never; 0: none */
	size_t revoked; /* certificates in all of its lists */
};
typedef void revocations_fn(void *context, const struct revocations_authority *authority);
/* Of all certificates of a text in PEM, in their order. Returns how many lists are of none of them: of authorities that
 * stand below, or strangers. */
size_t revocations_authorities(struct revocations *revocations, const char *pem, size_t length, int64_t now_s,
			       revocations_fn *fn, void *context);

struct revocations_sum {
	size_t lists, revoked;
	/* Of the list that is over first, of those that no other outlives: one of the same issuer and key, about all
	 * that it is about, and over later. */
	char issuer[256];
	int64_t begins, ends; /* of that list; `ends` INT64_MAX: none is ever over */
};
void revocations_sum(const struct revocations *revocations, struct revocations_sum *out);

#endif
