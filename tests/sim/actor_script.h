/*
 * tests/sim/actor_script.h - a simulated client that says what it is told, octet for octet, and keeps all replies.
 *
 * For what well-behaved clients never do: everything in one go without waiting, half-closing, reading nothing,
 * an octet now and then. It waits for the greeting, sends `text`, then does what else is asked.
 */
#ifndef POSTRIDER_SIM_ACTOR_SCRIPT_H
#define POSTRIDER_SIM_ACTOR_SCRIPT_H

#include "tests/sim/world.h"

enum { ACTOR_SCRIPT_REPLIES_MAX = 8192, ACTOR_SCRIPT_CODES_MAX = 512 };

struct actor_script_config {
	struct ring_address address;
	uint64_t delay_ns; /* before it connects */
	const void *text;  /* copied */
	size_t length;
	const void *body; /* copied; sent when 354 has come, or NULL */
	size_t body_length;
	const void *later; /* copied; sent so long behind the text, or NULL */
	size_t later_length;
	uint64_t later_ns;
	bool half_close;     /* FIN behind the text: it sends no more, and reads on */
	bool deaf;           /* reads nothing behind the greeting */
	bool stays;          /* does not close when the server has */
	uint64_t trickle_ns; /* then an octet "x" each so often; 0: none */
};

struct actor_script;
struct actor_script *actor_script_start(const struct actor_script_config *config);
/* "220 250 354 250 221", of all complete replies. */
const char *actor_script_codes(const struct actor_script *script);
/* The server has ended the connection (or it never came to be), when, and 0 or the error. */
bool actor_script_ended(const struct actor_script *script, uint64_t *when_ns, int *error);
/* All octets have left. */
bool actor_script_sent(const struct actor_script *script);
void actor_script_close(struct actor_script *script); /* if it is still connected */
void actor_script_free(struct actor_script *script);  /* once the world has no more events for it */

#endif
