/*
 * core/receive/session.h - the server side: one inbound SMTP session (RFC 5321).
 *
 *   accept -> GREETING (220 is said, nothing has come) <--> PROXY (a load balancer says whose it is: proxied.c)
 *                 |
 *                 v
 *              COMMAND <--> CONTENT (DATA), CHUNK (BDAT: chunk.c), AUTH (an exchange of it: auth.c)
 *                 |  ^ ^
 *                 |  | +-- HANDSHAKE <-- SECURING (STARTTLS: 220 is on its way; secure.c)
 *                 |  |
 *                 |  +-- LINE_TOO_LONG (one 500, the rest of the line discarded)
 *                 |
 *                 |  QUIT, 421, a timeout
 *                 |----------------------------+  the client's FIN
 *                 v                            v
 *             FINISHING -- client's FIN --> ENDED     replies are owed: messages with their owners, last words, what
 *                 |                            |      the kernel has no room for; what comes is read and forgotten
 *                 |  all is with the kernel    |  all is with the kernel
 *                 v                            |
 *             LINGER (FIN sent, waiting for    |
 *                 |   the client's, but not    |
 *                 |   for long)                |
 *                 v                            v
 *             CLOSED <-------------------------+-- from any state: the connection broke, replies are not read
 *                 |  nothing is in flight
 *                 v
 *              GONE (messages of its may still be with their owners)
 *
 * Who ends a session, and by what, makes no difference to what it is owed: a client that has said QUIT or FIN behind
 * a message hears the 250, however long its commit takes, or it would send the message again.
 *
 * Replies leave in command order. The reply to a message waits for its commit; replies to commands pipelined
 * behind it wait in the message (`tail`), so nothing is answered early and parsing need not stop. A session pauses
 * (stops reading) while its output is full, content memory is dry, or too many parts are on their way.
 *
 * A session's memory is given back when it is GONE and no message of its is with an owner. What is waited for at most:
 * timeouts.command for a line, and for the client to take its replies; content has its own (content.c).
 */
#ifndef POSTRIDER_RECEIVE_SESSION_H
#define POSTRIDER_RECEIVE_SESSION_H

#include <assert.h>

#include "core/base/states.h"
#include "core/receive/receiver.h"
#include "core/shard/shard.h"
#include "core/smtp/command.h"
#include "core/smtp/content.h"
#include "core/smtp/repair.h"
#include "core/store/submission.h"
#include "core/stream/transport.h"

enum session_state {
	SESSION_GREETING,
	SESSION_PROXY,
	SESSION_COMMAND,
	SESSION_LINE_TOO_LONG,
	SESSION_CONTENT,
	SESSION_CHUNK,
	SESSION_AUTH,
	SESSION_SECURING,
	SESSION_HANDSHAKE,
	SESSION_FINISHING,
	SESSION_ENDED,
	SESSION_LINGER,
	SESSION_CLOSED,
	SESSION_GONE,
};
extern const struct states session_states;

/* What has to happen before more is read from the client. */
enum session_wait {
	WAIT_NONE,
	WAIT_REPLIES, /* its replies have to leave */
	WAIT_MEMORY,  /* for content */
	WAIT_PARTS,   /* too many of the message's parts are with their owners */
	WAIT_LOGIN,   /* the verifier's answer, or until a wrong one may be said */
};

enum {
	SESSION_PENDING_MAX = 64,
	SESSION_LINGER_MS = 2000,
	SESSION_REFUSED_MAX = 128, /* at a time and shard that are told why; then they are closed without a word */
	/* `stage` of a session, beside enum smtp_verb */
	SESSION_STAGE_NONE = SMTP_UNKNOWN,
	SESSION_STAGE_CONTENT = SMTP_FOREIGN + 1,
	SESSION_STAGES,
};

/* What a session takes while it says nothing: itself and its client's name. What only some sessions need (TLS, a login)
 * is allocated when they do, and hangs on one pointer. */
enum {
	SESSION_NAME_SHORT = 64, /* octets of a client's name that most have room in */
	SESSION_NAME_MAX = 255,
	SESSION_IDLE_OCTETS = 640,
};

struct session {
	struct transport transport;
	struct shard *shard;
	struct snapshot *snapshot;  /* counted: the configuration it began with */
	struct list link;           /* shard->receiver->session_list */
	struct list place;          /* in shard->receiver->content_readers, or where it waits */
	struct list tls_place;      /* in the receiver's handshakes, then in fresh or lasting until it is small */
	struct list pending;        /* messages with their owners, oldest first */
	struct submission *message; /* the transaction being made, or NULL */
	struct login *login;        /* the exchange of AUTH that is under way, or NULL */
	struct peer *address;       /* where its address is counted, if that has limits; NULL: nowhere */
	const char *user;           /* who has signed in, as the snapshot has him; NULL: nobody */
	struct wheel_timer timer;
	uint8_t state; /* enum session_state */
	uint8_t wait;  /* enum session_wait: other than none, it is paused */
	uint8_t stage; /* its last command but QUIT: enum smtp_verb, or SESSION_STAGE_CONTENT */
	bool esmtp, helo_given, content_dropped;
	bool told_no;              /* over a limit: in shard->receiver->sessions_told_no */
	bool counted;              /* toward the limits; not when it was refused for one, and is only told so */
	bool may_xclient, brought; /* xclient.c: its peer is a proxy that may yet say whose the session is; it has */
	bool device_counted;       /* toward its device's limit */
	bool handshake_answered;   /* at least once */
	bool odd_line;             /* its last command did not end in CRLF, and its client may do that (quirks.h) */
	bool chunk_last, chunks_refused; /* chunk.c */
	uint8_t chunk_use;
	uint8_t peer_length;
	uint8_t helo_length, helo_room;
	int32_t client; /* index of the group, -1: may not relay */
	int32_t device; /* index in the snapshot's inventory, -1: it is none */
	uint8_t login_failures;
	uint8_t handshake_share; /* while its handshake lasts: handshakes.h */
	uint16_t pending_count;
	uint16_t listener, line_length, errors;
	uint16_t header_left; /* PROXY: octets of a header that are still to come, and do not count */
	char *line;           /* a partial command line, from the pool of lines */
	char *helo;           /* from a pool of names, or NULL: helo_room octets */
	struct content_scanner scanner;
	struct repair repair; /* of content; does nothing for most */
	uint64_t chunk_left;  /* octets of a chunk that are still to come */
	uint64_t opened_ns, content_octets;
	uint64_t content_deadline_ns;
	uint64_t content_seen;    /* octets_in when the rate was looked at last */
	uint64_t content_look_ns; /* when it will be next; while the session waits: so long after it goes on */
	uint32_t messages, commands;
	uint32_t refusals, untold; /* replies 4yz and 5yz; of these, how many made no event */
	const char *last_reply;    /* static; 221 does not count */
	const char *end_reason;
	char peer[46];
};
static_assert(sizeof(struct session) + SESSION_NAME_SHORT <= SESSION_IDLE_OCTETS, "an idle session stays small");

/* A connection to that listener was accepted: takes the descriptor over. */
void receive_accepted(struct shard *shard, unsigned listener, int fd);
/* Once per turn: sessions that wait for content memory go on as far as there is some, */
void receive_run(struct shard *shard);
/* and TLS handshakes as far as there is time. */
void receive_run_handshakes(struct shard *shard);
/* Of a receiver's timer: sessions over TLS that have lasted give memory back. */
void receive_look_at_lasting(struct wheel_timer *timer);
/* Drain: no new transactions; idle sessions get 421 and close. */
void receive_drain(struct shard *shard, bool hard);
/* Every session of the shard has gone. */
bool receive_idle(const struct shard *shard);

#endif
