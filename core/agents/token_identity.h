/*
 * core/agents/token_identity.h - who tokens are for: the same object for the same settings, however often they are
 * read. Shared by token.c and the simulation's actor.
 *
 * The counts are under the registry's lock; all else in an identity is of who made it, and never changes, but for what
 * is marked as the agent's.
 */
#ifndef POSTRIDER_AGENTS_TOKEN_IDENTITY_H
#define POSTRIDER_AGENTS_TOKEN_IDENTITY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/agents/token.h"
#include "core/agents/token_cache.h"
#include "core/base/list.h"
#include "core/base/secret.h"

struct token_job; /* a fetch under way (token_job.h), or what the simulation has in its place */

/* All of one agent. */
struct token_identities {
	pthread_mutex_t lock;
	struct list all;
	bool closed; /* the agent has ended: freed with the last identity */
	void (*over)(struct token_identities *identities);
};

struct token_identity {
	struct list link; /* of all; under the lock, as is `users` */
	unsigned users;
	struct token_identities *home;
	struct config_oauth oauth; /* a copy, owned */
	char *user, *name;         /* owned; user NULL: none, or it does not matter */

	/* The agent's. */
	struct list active; /* known to it: one of the users is its own */
	struct token_cache cache;
	struct question *waiting, **waiting_end; /* for the fetch; the oldest first */
	struct token_job *job;                   /* NULL: none */
	struct secret refresh;                   /* newer than the file, which could not be written */
	uint64_t stamp;                          /* of the files when they were last used */
	uint64_t refresh_stamp;                  /* of the refresh token's alone */
	uint64_t fetched_ns;
	_Atomic(uint64_t) until_ns; /* until when its token is good; 0: there is none. Anybody looks */
	int64_t skew_s;             /* how far the endpoint's clock is ahead of ours, where that was found to matter */
};

void token_identities_init(struct token_identities *identities, void (*over)(struct token_identities *identities));
/* No agent looks at them any more: `over` is called with the last one, perhaps now. */
void token_identities_close(struct token_identities *identities);
/* As token_identity_acquire(), which is each implementation's. */
struct token_identity *token_identities_acquire(struct token_identities *home, const struct config_oauth *oauth,
						const char *user, const char *name);

/* The agent's own use. */
void token_identity_keep(struct token_identity *identity);
/* Gives the agent's use back if it is the only one. False: it is not. */
bool token_identity_forget(struct token_identity *identity);

/* False: no memory, and nothing is in the copy. */
bool token_oauth_copy(struct config_oauth *to, const struct config_oauth *from);
void token_oauth_free(struct config_oauth *oauth);
bool token_oauth_same(const struct config_oauth *a, const struct config_oauth *b);

#endif
