/*
 * core/agents/token_desk.h - who asks for tokens, who waits, and when a fetch begins: what token.c and the simulation's
 * actor have in common.
 *
 * No I/O: the time comes from the caller, and fetches are made by who owns the desk. One thread's.
 *
 *     an identity: known -- due, and there is room --> busy -- token_desk_given(), token_desk_failed() --> known
 *                    '-- nobody else holds it, not busy, nobody waits --> forgotten
 */
#ifndef POSTRIDER_AGENTS_TOKEN_DESK_H
#define POSTRIDER_AGENTS_TOKEN_DESK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/agents/token.h"
#include "core/agents/token_identity.h"
#include "core/base/random.h"

enum { TOKEN_JOBS_MAX = 16 }; /* at a time */

struct token_desk;

/* What its owner does. */
struct token_desk_handler {
	/* Begins a fetch: sets identity->job, until one of the answers below. False: no memory. */
	bool (*begin)(struct token_desk *desk, struct token_identity *identity);
	/* Looks at the one under way, which may end with this. Returns when to look again. */
	uint64_t (*look)(struct token_desk *desk, struct token_identity *identity, uint64_t now_ns);
	/* Files with credentials have changed since the last fetch. */
	bool (*changed)(const struct token_identity *identity);
};

struct token_desk {
	struct agent *agent; /* as whom it answers */
	struct log *log;     /* NULL: nothing is told */
	const struct token_desk_handler *handler;
	struct random random;
	struct list active; /* identities that were asked for */
	unsigned jobs;
};

void token_desk_init(struct token_desk *desk, struct agent *agent, struct log *log,
		     const struct token_desk_handler *handler);
/* Takes all questions that are there, and begins what is due. Returns when to come again. */
uint64_t token_desk_turn(struct token_desk *desk, uint64_t now_ns);
/* The end: nobody is answered any more. `end` gives back an identity's job. */
void token_desk_close(struct token_desk *desk, void (*end)(struct token_desk *desk, struct token_identity *identity));

/* How a fetch that began at `started_ns` has ended; identity->job is the owner's to give back before, and NULL. */
void token_desk_given(struct token_desk *desk, struct token_identity *identity, const char *text, size_t length,
		      uint64_t life_s, uint64_t started_ns, uint64_t now_ns);
struct token_failure {
	bool refused; /* somebody has to act */
	uint64_t retry_after_s;
	const char *problem;
};
void token_desk_failed(struct token_desk *desk, struct token_identity *identity, const struct token_failure *failure,
		       uint64_t now_ns);

#endif
