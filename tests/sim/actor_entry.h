/*
 * tests/sim/actor_entry.h - how a simulated client comes in: TLS, AUTH, and what nobody may say there.
 *
 * Its way is a string, a letter for each step; the next one follows the reply to the one before:
 *
 *     T  TLS from the first octet            S  STARTTLS, and the handshake
 *     G  the greeting                        I  STARTTLS with something behind it: there must be no handshake
 *     E  EHLO                                n  AUTH where it is out of order: behind STARTTLS without EHLO
 *     X  XCLIENT: ACTOR_BROUGHT comes in     x  the same, where it has been said: refused
 *     P  AUTH PLAIN                          m  MAIL; whatever the reply
 *     L  AUTH LOGIN                          r  RCPT that needs a MAIL said behind the handshake: refused
 *
 * Who has not heard 235 since the last handshake, or was not brought by XCLIENT, may not relay: nothing of his may be
 * taken. What is otherwise than it must be is counted, and the first of it kept.
 */
#ifndef POSTRIDER_SIM_ACTOR_ENTRY_H
#define POSTRIDER_SIM_ACTOR_ENTRY_H

#include <stdbool.h>

#include "tests/sim/world.h"

#define ACTOR_BROUGHT "10.1.0.7"

/* Of one name and password, as the relay's users are now; whoever changes them says so here. */
enum actor_right { ACTOR_WRONG, ACTOR_RIGHT, ACTOR_EITHER };
struct actor_account {
	const char *user, *password;
	enum actor_right right;
	unsigned changes;
};

/* Of one client; outlives it. */
struct actor_entry {
	const char *way;
	const struct actor_account *account; /* or NULL: the way has no AUTH */
	struct ring_address from;
	uint32_t cut_rate; /* per million steps: the connection ends there */
	/* The connection there is. */
	unsigned at;
	bool hello_due; /* the other side's */
	bool first_said, injected, signed_in;
	struct actor_account at_begin; /* as the account was then */
	/* Over all of them. */
	unsigned let_in, kept_out, put_off, secured, cuts, violations;
	char problem[160];
};

enum actor_entry_go {
	ENTRY_WAIT,  /* more is to come */
	ENTRY_IN,    /* the way has been gone */
	ENTRY_LEAVE, /* the connection is of no use */
	ENTRY_CUT,   /* it ends now, in the middle of a step */
	ENTRY_LATER, /* it ends in a moment: ENTRY_WAIT until then */
};

/* Before it connects: the other side may go by what is so from then on. */
void actor_entry_connect(struct actor_entry *entry);
enum actor_entry_go actor_entry_begin(struct actor_entry *entry, struct world_connection *connection);
/* A line, with its end. */
enum actor_entry_go actor_entry_line(struct actor_entry *entry, struct world_connection *connection, const char *line);
void actor_entry_violation(struct actor_entry *entry, const char *what, const char *line);

#endif
