/*
 * tests/sim/actor_nexthop_private.h - shared between actor_nexthop.c and actor_nexthop_sign_in.c.
 */
#ifndef POSTRIDER_SIM_ACTOR_NEXTHOP_PRIVATE_H
#define POSTRIDER_SIM_ACTOR_NEXTHOP_PRIVATE_H

#include "core/base/list.h"
#include "tests/sim/actor_nexthop.h"

enum { HOP_LINE_MAX = 2048, HOP_RECIPIENTS_MAX = 100 };
enum hop_state { HOP_COMMAND, HOP_DATA, HOP_CHUNK };

struct hop_recipient {
	uint32_t sequence;
	unsigned recipient;
};

struct hop_session {
	struct list link;
	struct actor_nexthop *hop;
	struct world_connection *connection;
	enum hop_state state;
	char line[HOP_LINE_MAX];
	size_t line_length;
	char replies[65536]; /* decided, not sent yet */
	size_t replies_length;
	bool scheduled, closing, over, greeted, hello_due, helo;
	bool null_said; /* of the last MAIL, taken or not */
	bool mail, null_sender, chunk_last, chunk_refused, chunking;
	struct hop_recipient recipients[HOP_RECIPIENTS_MAX];
	bool starting_tls, secured, challenged;
	unsigned mailbox; /* number from 1 of who is signed in; 0: nobody */
	char token[32];   /* with which */
	unsigned recipient_count, messages;
	uint32_t sequence; /* of the message, as MAIL names it */
	uint64_t heard_ns; /* the last command */
	uint8_t *content;
	size_t content_length, content_capacity;
	uint64_t chunk_left;
};

struct actor_nexthop {
	struct actor_nexthop_config config;
	struct list sessions;
	struct actor_nexthop_stats stats;
};

void hop_violation(struct hop_session *s, const char *what, const char *line);
void hop_finish(struct hop_session *s, bool abort);
void hop_reply(struct hop_session *s, const char *text);

/* actor_nexthop_sign_in.c */
/* The client's hello, or STARTTLS. False: it is another command. */
bool hop_starttls(struct hop_session *s, const char *line);
/* STARTTLS, and AUTH behind it. False: it is another command. */
bool hop_sign_in(struct hop_session *s, const char *line);

#endif
