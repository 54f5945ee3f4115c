/*
 * core/control/client_certificate.h - a certificate that a user shows over TLS: whether one of client_ca has issued it,
 * and what it says.
 *
 * It is looked at for each request, by what is believed then: one that has ended, or whose issuer is gone from the
 * file, or that a list has, is good no more, though its connection goes on. Who it is decides a name in it, or its
 * fingerprint (client_certificate_is()), never that it is good alone.
 *
 * One thread at a time has a trust.
 */
#ifndef POSTRIDER_CONTROL_CLIENT_CERTIFICATE_H
#define POSTRIDER_CONTROL_CLIENT_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>

struct client_trust;
struct revocations;

/* Of certificates in PEM, NUL-terminated. `revocations`: where they are, none is good whose issuer, or the issuer of
 * one of those between, has no list there that does not name it (core/agents/revocations.h); a reference is taken.
 * NULL: revoked ones are not known. Returns NULL where there is no certificate, or what is there is none; `problem`,
 * for people. */
struct client_trust *client_trust_new(const char *pem, struct revocations *revocations, char *problem, size_t size);
/* Other lists from now on; a reference is taken. */
void client_trust_revoke(struct client_trust *trust, struct revocations *revocations);
void client_trust_free(struct client_trust *trust); /* NULL is allowed */

enum client_certificate_state {
	CLIENT_CERTIFICATE_NONE, /* none was shown */
	CLIENT_CERTIFICATE_GOOD,
	CLIENT_CERTIFICATE_BAD, /* it is not believed: `problem` says why */
};

enum { CLIENT_CERTIFICATE_SUBJECT = 400, CLIENT_CERTIFICATE_FINGERPRINT = 7 + 64 + 1 };

struct client_certificate {
	char subject[CLIENT_CERTIFICATE_SUBJECT];         /* RFC 4514; cut where it is longer */
	char fingerprint[CLIENT_CERTIFICATE_FINGERPRINT]; /* "sha256:" and 64 small digits; "": none was shown */
	char problem[480];
	struct client_name *names; /* private; NULL: none */
	size_t name_count;
};

/* What who has this TLS session (gnutls_session_t) has shown. client_certificate_free() follows, whatever it is. */
enum client_certificate_state client_certificate_read(struct client_trust *trust, void *session,
						      struct client_certificate *out);
/* `written` as struct sign_in_certificate has it: to the octet. Of names longer than 1024 octets, and those beyond the
 * hundredth, none is. */
bool client_certificate_is(const struct client_certificate *certificate, const char *written);
void client_certificate_free(struct client_certificate *certificate);

#endif
