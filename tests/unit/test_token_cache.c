/*
 * tests/unit/test_token_cache.c - core/agents/token_cache.c: when a token is fetched, given and left.
 */
#include "core/agents/token_cache.h"

#include "core/base/clock.h"
#include "tests/unit/check.h"

#define S CLOCK_NS_PER_S

static struct token_cache cache;

static void begin(uint64_t now_ns, uint64_t life_s)
{
	token_cache_clear(&cache);
	cache.asked = true;
	token_cache_begin(&cache, now_ns);
	token_cache_fetched(&cache, token_new("token", 5, now_ns + life_s * S), now_ns, 7);
}

static void test_empty(void)
{
	token_cache_clear(&cache);
	CHECK(!token_cache_due(&cache, 0));
	CHECK(token_cache_waits(&cache, 0));
	CHECK(token_cache_wake_ns(&cache) == UINT64_MAX);
	cache.asked = true;
	CHECK(token_cache_due(&cache, 0));
}

/* Renewed early, if anybody asks; given until its end. */
static void test_life(void)
{
	begin(1000 * S, 3600);
	CHECK(token_cache_wake_ns(&cache) == UINT64_MAX);
	cache.asked = true;
	CHECK(cache.renew_ns >= (1000 + 2520) * S && cache.renew_ns <= (1000 + 3060) * S);
	CHECK(!token_cache_due(&cache, cache.renew_ns - 1));
	CHECK(token_cache_due(&cache, cache.renew_ns));
	CHECK(!token_cache_waits(&cache, 4599 * S));
	CHECK(token_cache_waits(&cache, 4600 * S));
	CHECK(token_cache_wake_ns(&cache) == cache.renew_ns);
	cache.asked = false;
	CHECK(!token_cache_due(&cache, 9999 * S));
}

static void test_chance(void)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (uint64_t chance = 0; chance < 100; chance++) {
		token_cache_fetched(&cache, token_new("t", 1, 3600 * S), 0, chance);
		least = cache.renew_ns < least ? cache.renew_ns : least;
		most = cache.renew_ns > most ? cache.renew_ns : most;
	}
	CHECK(most - least >= 500 * S);
}

static uint64_t fail(bool refused, uint64_t after_s, uint64_t now_ns, uint64_t chance)
{
	cache.asked = true;
	token_cache_failed(&cache, refused, after_s, "why", now_ns, chance);
	return cache.retry_ns - now_ns;
}

static void test_pauses(void)
{
	token_cache_clear(&cache);
	CHECK_EQ(fail(false, 0, 0, 0), 2 * S);
	CHECK_EQ(fail(false, 0, 0, 0), 4 * S);
	CHECK_EQ(fail(false, 0, 0, 100), 10 * S);
	for (int i = 0; i < 100; i++)
		(void)fail(false, 0, 0, 0);
	CHECK_EQ(fail(false, 0, 0, 0), TOKEN_RETRY_MAX_S * S);
	CHECK_EQ(fail(false, 0, 0, 100), TOKEN_RETRY_MAX_S * S + TOKEN_RETRY_MAX_S * S / 4);
	CHECK_EQ(fail(false, 900, 0, 0), 900 * S);
	CHECK_EQ(fail(false, UINT64_MAX, 0, 0), TOKEN_RETRY_AFTER_MAX_S * S);
	CHECK_EQ(fail(true, 0, 0, 0), TOKEN_REFUSED_MAX_S * S);
	token_cache_hurry(&cache);
	CHECK_EQ(fail(true, 0, 0, 0), TOKEN_REFUSED_FIRST_S * S);
	CHECK(!token_cache_due(&cache, 1));
	CHECK_STR(cache.problem, "why");
	CHECK(cache.refused);
}

/* A failed renewal takes nothing away; without a token nothing is tried unless somebody asks. */
static void test_failed_renewal(void)
{
	begin(0, 100);
	(void)fail(false, 0, 80 * S, 0);
	CHECK(token_cache_good(&cache, 80 * S) != NULL);
	CHECK(!token_cache_due(&cache, 81 * S));
	CHECK(token_cache_due(&cache, 82 * S));
	(void)fail(false, 0, 100 * S, 0);
	CHECK(token_cache_good(&cache, 100 * S) == NULL);
	CHECK(!token_cache_due(&cache, 9999 * S));
	cache.asked = true;
	CHECK(token_cache_due(&cache, 9999 * S));
}

/* Once in five minutes, whoever rejects what. */
static void test_rejected(void)
{
	begin(0, 3600);
	cache.asked = true;
	token_rejected(cache.token, TOKEN_DOUBTED);
	CHECK(token_cache_due(&cache, S));
	CHECK(token_cache_waits(&cache, S));
	CHECK(token_cache_good(&cache, S) != NULL);
	token_cache_begin(&cache, S);
	token_cache_fetched(&cache, token_new("next", 4, 3600 * S), S, 0);
	cache.asked = true;
	token_rejected(cache.token, TOKEN_DOUBTED);
	CHECK(!token_cache_due(&cache, 2 * S));
	CHECK(!token_cache_waits(&cache, 2 * S));
	CHECK(!token_cache_due(&cache, 300 * S));
	CHECK(token_cache_due(&cache, 301 * S));
}

/* Where it was good before it is the token: as often as that happens, but for a few seconds. */
static void test_revoked(void)
{
	begin(0, 3600);
	/* The first at once in any case. */
	for (uint64_t s = 1; s < 100; s += 7) {
		cache.asked = true;
		token_rejected(cache.token, TOKEN_REVOKED);
		token_rejected(cache.token, TOKEN_DOUBTED);
		CHECK(token_cache_due(&cache, s * S));
		CHECK(token_cache_waits(&cache, s * S));
		token_cache_begin(&cache, s * S);
		token_cache_fetched(&cache, token_new("next", 4, 3600 * S), s * S, 0);
		cache.asked = true;
		token_rejected(cache.token, TOKEN_REVOKED);
		CHECK(!token_cache_due(&cache, (s + 4) * S));
		CHECK(token_cache_waits(&cache, (s + 4) * S) && token_cache_soon(&cache));
		CHECK_EQ(token_cache_wake_ns(&cache), (s + 5) * S);
		CHECK(token_cache_due(&cache, (s + 5) * S));
	}
	/* But not where the endpoint wants to be left alone for longer: others may still go on with it. */
	token_cache_pause(&cache, 1000 * S);
	CHECK(!token_cache_soon(&cache) && !token_cache_waits(&cache, 104 * S - 1));
}

/* While there is no other it is given on, to who was not refused with it; taken from a second one it is nobody's. */
static void test_no_other(void)
{
	begin(0, 3600);
	CHECK(!token_cache_doubtful(&cache, S));
	token_rejected(cache.token, TOKEN_DOUBTED);
	CHECK(token_cache_doubtful(&cache, S) && token_cache_given(&cache, S));
	(void)fail(false, 0, S, 0);
	token_rejected(cache.token, TOKEN_REVOKED);
	CHECK(token_cache_given(&cache, S) && token_cache_waits(&cache, S));
	token_accepted(cache.token);
	token_rejected(cache.token, TOKEN_REVOKED);
	CHECK(token_cache_given(&cache, S));
	token_rejected(cache.token, TOKEN_DOUBTED);
	CHECK(token_cache_given(&cache, S));
	token_rejected(cache.token, TOKEN_REVOKED);
	CHECK(!token_cache_given(&cache, S) && token_cache_good(&cache, S));
	/* It is no reason to ask any sooner. */
	CHECK(!token_cache_due(&cache, 3 * S - 1) && token_cache_due(&cache, 3 * S));
	/* Just tried with a fresh one: doubts bring no other for a while. */
	begin(0, 3600);
	CHECK_EQ(cache.token->doubt_ns, cache.fresh_ns);
	token_rejected(cache.token, TOKEN_DOUBTED);
	token_cache_begin(&cache, 400 * S);
	token_cache_fetched(&cache, token_new("next", 4, 3600 * S), 400 * S, 0);
	CHECK_EQ(cache.token->doubt_ns, (400 + TOKEN_REJECTED_PAUSE_S) * S);
	token_rejected(cache.token, TOKEN_DOUBTED);
	CHECK(!token_cache_doubtful(&cache, 401 * S));
}

static void test_users(void)
{
	struct token *token = token_new("secret", 6, 1);

	CHECK_EQ(token->length, 6);
	CHECK_STR(token->text, "secret");
	token_release(token);
	token_release(NULL);
}

int main(void)
{
	RUN(test_empty);
	RUN(test_life);
	RUN(test_chance);
	RUN(test_pauses);
	RUN(test_failed_renewal);
	RUN(test_rejected);
	RUN(test_revoked);
	RUN(test_no_other);
	RUN(test_users);
	token_cache_clear(&cache);
	return check_end();
}
