/*
 * tests/sim/actor_client.h - a simulated SMTP client: sends messages of a ledger and notes what it was told.
 *
 *     lockstep   every command waits for the reply to the one before
 *     grouped    MAIL RCPT DATA in one go; the end of a message and the next group share one (RFC 2920 3.1)
 *     chunked    MAIL RCPT BDAT LAST of up to `window` messages in flight
 *
 * When a connection ends early the client notes the fate of what was in flight, waits, and connects again with the next
 * messages; it never sends one twice. It is done when it has sent all, or, if `attempts_max` is set, has failed
 * to connect that often in a row; one with an `entry` (actor_entry.h) has connected that often.
 */
#ifndef POSTRIDER_SIM_ACTOR_CLIENT_H
#define POSTRIDER_SIM_ACTOR_CLIENT_H

#include "tests/sim/actor_entry.h"
#include "tests/sim/actor_ledger.h"
#include "tests/sim/world.h"

enum actor_client_mode { ACTOR_CLIENT_LOCKSTEP, ACTOR_CLIENT_GROUPED, ACTOR_CLIENT_CHUNKED };
enum { ACTOR_CLIENT_WINDOW_MAX = 64 };

struct actor_client_config {
	struct ring_address address;
	struct ledger *ledger;
	enum actor_client_mode mode;
	unsigned messages;                /* to send in all */
	unsigned messages_per_connection; /* then QUIT and again; 0: no limit */
	unsigned window;                  /* chunked: messages in flight */
	uint32_t abort_rate;              /* per million replies: the client resets the connection */
	uint32_t chunk_rate;              /* per million messages: its content in several chunks */
	uint64_t retry_ns;                /* before connecting again, about */
	unsigned attempts_max;            /* 0: for ever */
	unsigned senders;                 /* from c0.example and so on, by turns; 0: from client.example */
	struct actor_entry *entry;        /* how it comes in; NULL: by a greeting and EHLO */
	const struct ring_address *from;  /* without an entry; NULL: any; outlives it */
};

struct actor_client;
struct actor_client *actor_client_start(const struct actor_client_config *config);
bool actor_client_done(const struct actor_client *client);
/* Messages begun and messages answered 250. */
unsigned actor_client_sent(const struct actor_client *client);
unsigned actor_client_accepted(const struct actor_client *client);
/* Replies nobody had asked for, or that were no replies. */
unsigned actor_client_protocol_errors(const struct actor_client *client);
void actor_client_free(struct actor_client *client); /* once the world has no more events for it */

#endif
