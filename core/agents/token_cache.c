/*
 * core/agents/token_cache.c - see token_cache.h; and the tokens themselves.
 */
#include "core/agents/token_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"

static _Atomic(uint64_t) serials;

struct token *token_new(const char *text, size_t length, uint64_t end_ns)
{
	struct token *token = malloc(sizeof(*token) + length + 1);

	if (!token)
		return NULL;
	*token = (struct token){.serial = atomic_fetch_add(&serials, 1) + 1, .end_ns = end_ns, .length = length};
	atomic_init(&token->users, 1);
	atomic_init(&token->rejected, 0);
	atomic_init(&token->revoked, 0);
	memcpy(token->text, text, length);
	token->text[length] = '\0';
	return token;
}

void token_release(struct token *token)
{
	if (!token || atomic_fetch_sub_explicit(&token->users, 1, memory_order_acq_rel) > 1)
		return;
	explicit_bzero(token->text, token->length);
	free(token);
}

void token_rejected(struct token *token, enum token_rejection by)
{
	unsigned before = atomic_load_explicit(&token->rejected, memory_order_relaxed);

	while (before < (unsigned)by &&
	       !atomic_compare_exchange_weak_explicit(&token->rejected, &before, by, memory_order_relaxed,
						      memory_order_relaxed))
		;
	if (by == TOKEN_REVOKED)
		atomic_fetch_add_explicit(&token->revoked, 1, memory_order_relaxed);
}

void token_accepted(struct token *token)
{
	if (atomic_load_explicit(&token->revoked, memory_order_relaxed) > 0)
		atomic_store_explicit(&token->revoked, 0, memory_order_relaxed);
}

static unsigned rejected_by(const struct token_cache *cache)
{
	return cache->token ? atomic_load_explicit(&cache->token->rejected, memory_order_relaxed) : 0;
}

static bool rejected(const struct token_cache *cache, uint64_t now_ns)
{
	unsigned by = rejected_by(cache);

	return by && (now_ns >= cache->fresh_ns || (by == TOKEN_REVOKED && now_ns >= cache->revoked_ns));
}

struct token *token_cache_good(const struct token_cache *cache, uint64_t now_ns)
{
	return cache->token && now_ns < cache->token->end_ns ? cache->token : NULL;
}

struct token *token_cache_given(const struct token_cache *cache, uint64_t now_ns)
{
	struct token *token = token_cache_good(cache, now_ns);

	return token && atomic_load_explicit(&token->revoked, memory_order_relaxed) < TOKEN_REVOKED_MOST ? token : NULL;
}

bool token_cache_doubtful(const struct token_cache *cache, uint64_t now_ns)
{
	return rejected(cache, now_ns) || rejected_by(cache) == TOKEN_REVOKED;
}

bool token_cache_due(const struct token_cache *cache, uint64_t now_ns)
{
	if (!cache->asked || now_ns < token_cache_again_ns(cache))
		return false;
	return !token_cache_good(cache, now_ns) || now_ns >= cache->renew_ns || rejected(cache, now_ns);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t token_cache_again_ns(const struct token_cache *cache)
{
	return later(cache->retry_ns, cache->pause_ns);
}

void token_cache_pause(struct token_cache *cache, uint64_t until_ns)
{
	cache->pause_ns = later(cache->pause_ns, until_ns);
}

uint64_t token_cache_wake_ns(const struct token_cache *cache)
{
	if (!cache->asked)
		return UINT64_MAX;
	if (!cache->token)
		return token_cache_again_ns(cache);
	if (rejected_by(cache) == TOKEN_REVOKED)
		return later(cache->revoked_ns, token_cache_again_ns(cache));
	return later(cache->renew_ns, token_cache_again_ns(cache));
}

bool token_cache_soon(const struct token_cache *cache)
{
	return rejected_by(cache) == TOKEN_REVOKED && cache->revoked_ns >= token_cache_again_ns(cache);
}

bool token_cache_waits(const struct token_cache *cache, uint64_t now_ns)
{
	return !token_cache_good(cache, now_ns) || rejected(cache, now_ns) || token_cache_soon(cache);
}

void token_cache_begin(struct token_cache *cache, uint64_t now_ns)
{
	cache->for_rejected = rejected(cache, now_ns);
}

/* Between 70 and 85 % of its life, so that identities made together do not ask together for ever. */
void token_cache_fetched(struct token_cache *cache, struct token *token, uint64_t now_ns, uint64_t chance)
{
	uint64_t life_ns = token->end_ns > now_ns ? token->end_ns - now_ns : 0;

	token_release(cache->token);
	cache->token = token;
	/* Doubts about another one are new doubts. */
	cache->fresh_ns = cache->for_rejected ? now_ns + TOKEN_REJECTED_PAUSE_S * CLOCK_NS_PER_S : 0;
	token->doubt_ns = cache->fresh_ns;
	cache->revoked_ns = now_ns + TOKEN_REVOKED_PAUSE_S * CLOCK_NS_PER_S;
	cache->renew_ns = now_ns + life_ns / 100 * (70 + chance % 16);
	cache->retry_ns = 0;
	cache->failures = 0;
	cache->refused = cache->asked = false;
	cache->problem[0] = '\0';
}

void token_cache_failed(struct token_cache *cache, bool refused, uint64_t after_s, const char *problem, uint64_t now_ns,
			uint64_t chance)
{
	uint64_t first_s = refused ? TOKEN_REFUSED_FIRST_S : TOKEN_RETRY_FIRST_S;
	uint64_t most_s = refused ? TOKEN_REFUSED_MAX_S : TOKEN_RETRY_MAX_S;
	uint64_t pause_s = first_s << (cache->failures < 10 ? cache->failures : 10);
	uint64_t pause_ns;

	pause_s = pause_s < most_s ? pause_s : most_s;
	after_s = after_s < TOKEN_RETRY_AFTER_MAX_S ? after_s : TOKEN_RETRY_AFTER_MAX_S;
	pause_ns = (pause_s > after_s ? pause_s : after_s) * CLOCK_NS_PER_S;
	if (after_s > 0)
		token_cache_pause(cache, now_ns + after_s * CLOCK_NS_PER_S);
	cache->failures++;
	cache->refused = refused;
	/* Without a token there is nothing to renew: who needs one asks again. */
	cache->asked = token_cache_good(cache, now_ns) != NULL;
	/* Up to a quarter more. */
	cache->retry_ns = now_ns + pause_ns + pause_ns / 400 * (chance % 101);
	snprintf(cache->problem, sizeof(cache->problem), "%s", problem);
}

void token_cache_hurry(struct token_cache *cache)
{
	cache->retry_ns = 0;
	cache->failures = 0;
}

void token_cache_clear(struct token_cache *cache)
{
	token_release(cache->token);
	memset(cache, 0, sizeof(*cache));
}
