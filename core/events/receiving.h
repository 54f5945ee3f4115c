/*
 * core/events/receiving.h - events of sessions and of what they bring. What an operator can search for is decided here,
 * from facts; who calls decides whether it is told (log.sessions, log.messages).
 *
 * Spans without data are not told.
 */
#ifndef POSTRIDER_EVENTS_RECEIVING_H
#define POSTRIDER_EVENTS_RECEIVING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/log.h"
#include "core/base/span.h"
#include "core/smtp/trace.h"

struct event_session {
	const char *listener, *client; /* client: "" where it is none */
	const char *user;              /* NULL: nobody has signed in */
	const char *device;            /* its name; NULL: it is none */
	struct span peer, helo;
	uint64_t messages, commands, errors, octets_in, octets_out, ms, refusals, untold;
	uint64_t quiet; /* sessions of this peer before, in which it wanted nothing and which made no event */
	const char *stage;
	struct span reply; /* the last one */
	const char *reason;
	const char *tls, *cipher; /* "": without */
	bool resumed;
	const char *certificate; /* "sha256:..." of the client's; NULL: it showed none */
	bool certificate_verified;
};
void event_session(struct log *log, const struct event_session *s);

/* `version`, `suites`: what the client offers; "" while it has said nothing. */
struct event_handshake {
	const char *listener, *client;
	struct span peer;
	const char *error, *version, *server_name, *suites;
	uint64_t ms, untold;
};
void event_handshake_failed(struct log *log, const struct event_handshake *h);

/* A load balancer that does not say whose its connection is. `untold`: as for refusals. */
struct event_proxy {
	const char *listener, *problem, *action;
	struct span peer;
	uint64_t ms, untold;
};
void event_proxy_header(struct log *log, const struct event_proxy *p);

struct event_message {
	struct message_id id;
	struct span peer, sender;
	const char *client, *user; /* user: NULL: nobody has signed in */
	const char *device;        /* NULL: it is none */
	uint64_t recipients, octets;
	bool rewritten, signature_broken, archived;
};
/* A message goes without a copy for its client's archive. */
struct event_archive {
	struct event_message message;
	struct span archive;
	const char *problem;
	uint64_t untold;
};
void event_archive_left_out(struct log *log, const struct event_archive *a);
/* `recipient`: the first one, and where it goes; `message_id`: the field. */
void event_accepted(struct log *log, const struct event_message *m, struct span recipient, const char *destination,
		    struct span message_id, uint64_t ms);
void event_not_stored(struct log *log, const struct event_message *m, const char *error);

/* Who has signed in, or was not let in; the name is as the client says it. */
struct event_sign_in {
	const char *listener, *client, *mechanism;
	struct span peer, user, reply;
	bool known; /* from lately: nothing was verified */
	uint64_t ms, untold;
};
void event_signed_in(struct log *log, const struct event_sign_in *s);
void event_sign_in_refused(struct log *log, const struct event_sign_in *s, const char *reason);

struct event_refused {
	const char *listener, *client, *stage;
	const char *device; /* NULL: it is none */
	struct span peer, reply;
	struct span sender, recipient; /* whom it speaks about, as far as it is known */
	bool transaction;              /* there is one: it has so many recipients */
	uint64_t recipients;
	bool content; /* and so many octets of content */
	uint64_t octets;
	uint64_t untold;     /* refusals of this peer that made no event */
	struct span command; /* as much of it as may be shown */
};
void event_refused(struct log *log, const struct event_refused *r);

#endif
