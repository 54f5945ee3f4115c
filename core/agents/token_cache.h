/*
 * core/agents/token_cache.h - the token that an identity has, and when to fetch another one.
 *
 *     EMPTY -- fetched --> GOOD -- renew_ns, or rejected --> DUE -- fetched --> GOOD
 *                            '------- end_ns --> EMPTY          '-- failed: retry_ns --> DUE, until end_ns
 *
 * Pure: the time and chance come from the caller. One thread's.
 */
#ifndef POSTRIDER_AGENTS_TOKEN_CACHE_H
#define POSTRIDER_AGENTS_TOKEN_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/agents/token.h"

enum {
	TOKEN_RETRY_FIRST_S = 2,
	TOKEN_RETRY_MAX_S = 120,    /* the endpoint is away */
	TOKEN_REFUSED_FIRST_S = 15, /* somebody has to act, but may have acted */
	TOKEN_REFUSED_MAX_S = 600,
	TOKEN_RETRY_AFTER_MAX_S = 3600, /* whatever it asks for */
	TOKEN_REJECTED_PAUSE_S = 300,   /* between two fetches because next hops refuse what there is */
	TOKEN_REVOKED_PAUSE_S = 5,      /* and where they took it before */
	TOKEN_KEEP_ALIVE_S = 86400,     /* refresh tokens end where they are not used */
	TOKEN_REVOKED_MOST = 2,         /* so many that it was taken from: it is good for nobody */
};

struct token_cache {
	struct token *token; /* one use of it is the cache's; NULL: none */
	uint64_t renew_ns;   /* when to fetch the next one, if anybody asks */
	uint64_t retry_ns;   /* not before, after a failure; 0: at any time */
	uint64_t pause_ns;   /* nor before that: the endpoint has asked for it */
	uint64_t fresh_ns;   /* no fetch because of a rejection before */
	uint64_t revoked_ns; /* but for one that was accepted from then on */
	unsigned failures;   /* in a row */
	bool refused;        /* the last: somebody has to act */
	bool for_rejected;   /* the fetch under way: because next hops refuse what there is */
	bool asked;          /* since the last fetch */
	char problem[TOKEN_PROBLEM_SIZE];
};

/* It has not ended; NULL: there is none. */
struct token *token_cache_good(const struct token_cache *cache, uint64_t now_ns);
/* The same, to be given out: it was not taken from several who had been accepted with it. */
struct token *token_cache_given(const struct token_cache *cache, uint64_t now_ns);
/* It was rejected, and would be replaced if that were possible. */
bool token_cache_doubtful(const struct token_cache *cache, uint64_t now_ns);
/* A fetch should begin now. */
bool token_cache_due(const struct token_cache *cache, uint64_t now_ns);
/* When it may become due by itself; UINT64_MAX: when somebody asks. */
uint64_t token_cache_wake_ns(const struct token_cache *cache);
/* It was revoked, and a fetch is due within seconds: nobody is to be refused with it once more meanwhile. */
bool token_cache_soon(const struct token_cache *cache);
/* Who asks must wait for the fetch, if there is one: what there is may not be given, or was rejected. */
bool token_cache_waits(const struct token_cache *cache, uint64_t now_ns);

/* A fetch begins: what it answers to is what there is now. */
void token_cache_begin(struct token_cache *cache, uint64_t now_ns);
/* Takes over one use of the token. `chance`: any number, for when it is renewed. */
void token_cache_fetched(struct token_cache *cache, struct token *token, uint64_t now_ns, uint64_t chance);
/* `after_s`: what the endpoint asks for; 0: nothing. */
void token_cache_failed(struct token_cache *cache, bool refused, uint64_t after_s, const char *problem, uint64_t now_ns,
			uint64_t chance);
/* No fetch before, whatever else: the endpoint has asked for it. */
void token_cache_pause(struct token_cache *cache, uint64_t until_ns);
/* When the next fetch may be. */
uint64_t token_cache_again_ns(const struct token_cache *cache);
/* Something has changed: do not wait any longer, but for what the endpoint has asked for. */
void token_cache_hurry(struct token_cache *cache);
void token_cache_clear(struct token_cache *cache);

/* How a token is made; `end_ns`: as it is told, less a little for the way. NULL without memory. */
struct token *token_new(const char *text, size_t length, uint64_t end_ns);

#endif
