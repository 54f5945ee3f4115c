/*
 * test_tls_level.c - core/deliver/tls_level.c: what TLS an attempt must have, from every combination of facts.
 */
#include "core/deliver/tls_level.h"

#include "tests/unit/check.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { CHAIN = TLS_PROOF_CHAIN, SAN = TLS_PROOF_SAN, PIN = TLS_PROOF_PIN, DANE = TLS_PROOF_DANE };
enum { BARRED = -1 };
#define CLEAR TLS_LEVEL_CLEAR
#define OPPORTUNISTIC TLS_LEVEL_OPPORTUNISTIC
#define ENCRYPTED TLS_LEVEL_ENCRYPTED
#define PROVEN TLS_LEVEL_PROVEN

#define MODE(m, ...)                                                                                                   \
	{                                                                                                              \
		.mode = CONFIG_TLS_##m, ##__VA_ARGS__                                                                  \
	}
#define NEED(l, ...)                                                                                                   \
	{                                                                                                              \
		.level = l, ##__VA_ARGS__                                                                              \
	}

static void test_POL_the_strictest_applies(void)
{
	static const struct {
		struct tls_facts facts;
		int level;
		unsigned proofs;
	} table[] = {
		{MODE(NONE), CLEAR, 0},
		{MODE(OPPORTUNISTIC), OPPORTUNISTIC, 0},
		{MODE(REQUIRED), ENCRYPTED, 0},
		{MODE(VERIFY), PROVEN, CHAIN},
		{MODE(VERIFY, .pinned = true), PROVEN, PIN},
		/* Without records there is nothing that DANE could demand. */
		{MODE(DANE), BARRED, 0},
		{MODE(DANE, .dane = TLS_DANE_UNUSABLE), BARRED, 0},
		{MODE(DANE, .dane = TLS_DANE_USABLE), PROVEN, DANE},
		{MODE(DANE, .dane = TLS_DANE_UNKNOWN), BARRED, 0},
		/* What DANE found. */
		{MODE(OPPORTUNISTIC, .dane = TLS_DANE_USABLE), PROVEN, DANE},
		{MODE(OPPORTUNISTIC, .dane = TLS_DANE_UNUSABLE), ENCRYPTED, 0},
		{MODE(OPPORTUNISTIC, .dane = TLS_DANE_UNKNOWN), BARRED, 0},
		{MODE(REQUIRED, .dane = TLS_DANE_USABLE), PROVEN, DANE},
		{MODE(REQUIRED, .dane = TLS_DANE_UNUSABLE), ENCRYPTED, 0},
		{MODE(VERIFY, .dane = TLS_DANE_USABLE), PROVEN, CHAIN | DANE},
		{MODE(VERIFY, .dane = TLS_DANE_UNUSABLE), PROVEN, CHAIN},
		{MODE(NONE, .dane = TLS_DANE_USABLE), PROVEN, DANE},
		/* What MTA-STS says. */
		{MODE(OPPORTUNISTIC, .sts = TLS_STS_ENFORCED), PROVEN, SAN},
		{MODE(REQUIRED, .sts = TLS_STS_ENFORCED), PROVEN, SAN},
		{MODE(VERIFY, .sts = TLS_STS_ENFORCED), PROVEN, CHAIN | SAN},
		{MODE(VERIFY, .sts = TLS_STS_ENFORCED, .pinned = true), PROVEN, PIN | SAN},
		{MODE(OPPORTUNISTIC, .sts = TLS_STS_FOREIGN), BARRED, 0},
		{MODE(VERIFY, .sts = TLS_STS_FOREIGN), BARRED, 0},
		{MODE(OPPORTUNISTIC, .dane = TLS_DANE_USABLE, .sts = TLS_STS_FOREIGN), BARRED, 0},
		/* RFC 8461 2: DANE comes first. Records that cannot be used say nothing. */
		{MODE(OPPORTUNISTIC, .dane = TLS_DANE_USABLE, .sts = TLS_STS_ENFORCED), PROVEN, DANE},
		{MODE(OPPORTUNISTIC, .dane = TLS_DANE_UNUSABLE, .sts = TLS_STS_ENFORCED), PROVEN, SAN},
		{MODE(OPPORTUNISTIC, .dane = TLS_DANE_UNKNOWN, .sts = TLS_STS_ENFORCED), BARRED, 0},
		/* Nobody signs in in clear, whatever is written. */
		{MODE(NONE, .no_clear = true), ENCRYPTED, 0},
		{MODE(OPPORTUNISTIC, .no_clear = true), ENCRYPTED, 0},
		{MODE(VERIFY, .no_clear = true), PROVEN, CHAIN},
	};
	size_t i;

	for (i = 0; i < COUNT(table); i++) {
		struct tls_need need = tls_need_of(&table[i].facts);
		int before = check_failures;
		if (table[i].level == BARRED) {
			CHECK(need.barred != NULL);
		} else {
			CHECK(need.barred == NULL);
			CHECK_EQ(need.level, table[i].level);
			CHECK_EQ(need.proofs, table[i].proofs);
			CHECK_EQ(tls_need_bears_clear(&need), table[i].level <= OPPORTUNISTIC);
		}
		if (check_failures > before)
			fprintf(stderr, "(row %zu)\n", i);
	}
}

static struct tls_facts facts_of(unsigned number)
{
	return (struct tls_facts){
		.mode = number % 5,
		.dane = number / 5 % 4,
		.sts = number / 20 % 3,
		.pinned = number / 60 % 2,
		.no_clear = number / 120 % 2,
	};
}
enum { ALL_FACTS = 240 };

/* Each fact only adds: no combination asks for less than the mode alone, but for the proof that DANE stands in for. */
static void test_POL_no_fact_weakens(void)
{
	unsigned n;

	for (n = 0; n < ALL_FACTS; n++) {
		struct tls_facts facts = facts_of(n), alone = facts;
		struct tls_need need = tls_need_of(&facts), least;
		alone.dane = TLS_DANE_ABSENT;
		alone.sts = TLS_STS_ABSENT;
		least = tls_need_of(&alone);
		CHECK(need.barred || need.level >= least.level);
		CHECK(need.barred || (least.proofs & ~need.proofs) == 0);
		CHECK(!facts.no_clear || need.barred || !tls_need_bears_clear(&need));
		CHECK(need.barred || (need.proofs != 0) == (need.level == TLS_LEVEL_PROVEN));
	}
}

/* What a connection has must be what is needed, for every need and all that can be had. */
static void test_POL_nothing_goes_with_less_than_is_needed(void)
{
	unsigned n, had_number;

	for (n = 0; n < ALL_FACTS; n++) {
		struct tls_facts facts = facts_of(n);
		struct tls_need need = tls_need_of(&facts);
		for (had_number = 0; had_number < 32; had_number++) {
			struct tls_had had = {.encrypted = had_number & 16, .proofs = had_number & 15};
			const char *why = tls_need_lacks(&need, &had);
			bool enough = (had.encrypted || need.level <= TLS_LEVEL_OPPORTUNISTIC) &&
				      (need.proofs & ~had.proofs) == 0;
			CHECK_EQ(why == NULL, enough && !need.barred);
		}
	}
}

static void test_POL_01_a_connection_made_for_less_is_none_for_more(void)
{
	static const struct {
		struct tls_need made, need;
		bool covers;
	} table[] = {
		{NEED(CLEAR), NEED(CLEAR), true},
		{NEED(OPPORTUNISTIC), NEED(OPPORTUNISTIC), true},
		{NEED(PROVEN, .proofs = CHAIN), NEED(OPPORTUNISTIC), true},
		{NEED(PROVEN, .proofs = CHAIN | SAN), NEED(PROVEN, .proofs = SAN), true},
		{NEED(OPPORTUNISTIC), NEED(ENCRYPTED), false},
		{NEED(CLEAR), NEED(OPPORTUNISTIC), false},
		{NEED(ENCRYPTED), NEED(PROVEN, .proofs = CHAIN), false},
		{NEED(PROVEN, .proofs = CHAIN), NEED(PROVEN, .proofs = SAN), false},
		{NEED(PROVEN, .proofs = PIN), NEED(PROVEN, .proofs = CHAIN), false},
		/* Other fingerprints, other records. */
		{NEED(PROVEN, .proofs = PIN, .against = 1), NEED(PROVEN, .proofs = PIN, .against = 1), true},
		{NEED(PROVEN, .proofs = PIN, .against = 1), NEED(PROVEN, .proofs = PIN, .against = 2), false},
		{NEED(PROVEN, .proofs = PIN, .against = 1), NEED(ENCRYPTED, .against = 2), true},
		{NEED(PROVEN, .proofs = SAN), NEED(PROVEN, .proofs = DANE), false},
		{NEED(PROVEN, .proofs = CHAIN), NEED(OPPORTUNISTIC, .barred = "not now"), false},
	};
	size_t i;

	for (i = 0; i < COUNT(table); i++)
		CHECK_EQ(tls_need_covers(&table[i].made, &table[i].need), table[i].covers);
}

static void test_REQUIRETLS_what_carries_it(void)
{
	static const struct {
		struct tls_strict strict;
		const char *code;
	} table[] = {
		{{{true, CHAIN}, true, true}, NULL},
		{{{true, SAN}, true, true}, NULL},
		{{{true, PIN}, false, true}, NULL},
		{{{true, DANE}, false, true}, NULL},
		{{{true, CHAIN | SAN}, false, true}, "5.7.30"}, /* a name that the DNS said, unproven */
		{{{true, 0}, true, true}, "5.7.30"},
		{{{false, 0}, true, true}, "5.7.30"},
		{{{true, CHAIN}, true, false}, "5.7.30"},
		{{{true, DANE}, true, false}, "5.7.30"},
	};
	size_t i;

	for (i = 0; i < COUNT(table); i++) {
		const char *why = tls_strict_lacks(&table[i].strict);
		CHECK_EQ(why != NULL, table[i].code != NULL);
		CHECK(!why || !table[i].code || strncmp(why, table[i].code, strlen(table[i].code)) == 0);
	}
}

static void test_names(void)
{
	CHECK_STR(tls_level_name(TLS_LEVEL_CLEAR), "clear");
	CHECK_STR(tls_level_name(TLS_LEVEL_OPPORTUNISTIC), "opportunistic");
	CHECK_STR(tls_level_name(TLS_LEVEL_ENCRYPTED), "encrypted");
	CHECK_STR(tls_level_name(TLS_LEVEL_PROVEN), "proven");
}

int main(void)
{
	RUN(test_POL_the_strictest_applies);
	RUN(test_POL_no_fact_weakens);
	RUN(test_POL_nothing_goes_with_less_than_is_needed);
	RUN(test_POL_01_a_connection_made_for_less_is_none_for_more);
	RUN(test_REQUIRETLS_what_carries_it);
	RUN(test_names);
	return check_end();
}
