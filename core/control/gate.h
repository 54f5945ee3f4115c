/*
 * core/control/gate.h - signing in over TCP: whether a password is a user's, and who has to wait.
 *
 * A verification takes 80 ms and 16 MiB on purpose, so one is made at a time, GATE_WAITING requests wait for it at
 * most, and who signed in within the hour is known by a keyed hash (core/receive/known.h), which takes microseconds: a
 * scraper signs in with each request. Guessing is counted as that of SMTP's clients is (core/receive/guard.h), apart
 * from it.
 *
 * Users, how they come in and who of them may act are those of the newest configuration: one who is gone is let in no
 * more from the next request on, though he was known. Certificates and a proxy's word cost nothing, so nobody is kept
 * out by others' guessing who comes by them.
 *
 * For any thread that may wait.
 */
#ifndef POSTRIDER_CONTROL_GATE_H
#define POSTRIDER_CONTROL_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/ring.h"
#include "core/config/sign_in.h"
#include "core/control/client_certificate.h"

struct config;
struct gate;
struct revocations;

enum { GATE_WAITING = 4, GATE_HEADER_SIZE = 65, GATE_ORIGIN_SIZE = 264 };

enum gate_answer {
	GATE_IN,
	GATE_WRONG,  /* not before *wait_ms is he to hear of it */
	GATE_LOCKED, /* too many wrong ones: nothing was looked at */
	GATE_BUSY,   /* not now */
};

/* How one who asks from an address may come in, as of now. */
struct gate_ways {
	bool passwords;
	bool certificate_required;
	bool proxies;                       /* there are some */
	bool proxied;                       /* and this is one of them */
	char user_header[GATE_HEADER_SIZE]; /* "": proxies name nobody */
	enum sign_in_address_header address_header;
	char origin[GATE_ORIGIN_SIZE]; /* of the proxy; "" : as if there were none */
};

/* Takes config->control.http.sign_in. NULL without memory. */
struct gate *gate_new(struct config *config);
void gate_free(struct gate *gate); /* NULL is allowed */
/* NUL-terminated; the password is the caller's to wipe. */
enum gate_answer gate_ask(struct gate *gate, const struct ring_address *address, const char *user, const char *password,
			  unsigned *wait_ms);
/* One of `operate`; `exact`: in the same letters, as a proxy's users may differ in them. */
bool gate_may_act(struct gate *gate, const char *user, bool exact);
void gate_ways(struct gate *gate, const struct ring_address *peer, struct gate_ways *out);
/* Whom a proxy at `peer` asks for (forwarded.h). NULL, or a static sentence. */
const char *gate_client(struct gate *gate, const char *text, const struct ring_address *peer,
			struct ring_address *client);
/* A proxy may name that user. */
bool gate_may_name(struct gate *gate, const char *user);
/* Whose certificates are believed from now on, owned; NULL: nobody's. */
void gate_trust(struct gate *gate, struct client_trust *trust);
/* client_trust_revoke(), of these. */
void gate_revoke(struct gate *gate, struct revocations *revocations);
/* client_certificate_read(), by these. */
enum client_certificate_state gate_look(struct gate *gate, void *session, struct client_certificate *out);
/* A proxy that shows it, or none (NULL), may name users: it is the proxy's, or where none is said to be, no user's. */
bool gate_speaks(struct gate *gate, const struct client_certificate *certificate);
/* Whose it is: the first of certificate_users. False: nobody's. */
bool gate_certificate(struct gate *gate, const struct client_certificate *certificate, char *user, size_t size);
/* A reload: takes those of another configuration. */
void gate_follow(struct gate *gate, struct config *config);

#endif
