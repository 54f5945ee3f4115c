/*
 * tests/sim/test_tokens.c - the desk of tokens (core/agents/token_desk.c) in a seeded world: hours of signing in, with
 * an endpoint that is slow, away, strict or busy, and next hops that refuse what was given.
 *
 *     build/tests/sim/test_tokens [SEED]
 */
#include <errno.h>
#include <stdlib.h>

#include "core/agents/token.h"
#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/base/ring.h"
#include "tests/sim/sim_token.h"
#include "tests/sim/world.h"
#include "tests/unit/check.h"

enum {
	SEEDS = 60,
	IDENTITIES = 4,
	LANES = 24, /* who sign in now and then */
	HOURS = 6,
	PAUSE_MAX_S = 60, /* between two of one lane's */
	HEAL_S = 1800,    /* after trouble all sign in again by then: a Retry-After of a minute, pauses of ten */
	FETCHES_MAX = 3000,
	FETCH_MAX_S = 60,
};

struct lane {
	struct token_question asked;
	struct token_identity *identity;
	uint64_t due_ns;
	uint64_t signed_in, without;
	bool last_good;
};

static struct {
	struct ring *ring;
	struct asker asker;
	struct tokens *tokens;
	struct token_identity *identities[IDENTITIES];
	struct lane lanes[LANES];
	uint64_t bad; /* tokens that had ended, or were none */
} program;

/* As a connection does: takes the token to a next hop, and says so if it is refused. */
static void on_answer(struct question *question)
{
	struct token_question *asked = container_of(question, struct token_question, question);
	struct lane *lane = container_of(asked, struct lane, asked);
	uint64_t now_ns = world_now_ns();

	lane->last_good = false;
	lane->due_ns = now_ns + CLOCK_NS_PER_S;
	if (question->result != 0) {
		CHECK(asked->token == NULL);
		CHECK(asked->again_ns > 0);
		lane->due_ns = now_ns + asked->again_ns;
		lane->without++;
		return;
	}
	/* What is given has not ended by what it was told to be. */
	program.bad += asked->token->end_ns <= now_ns;
	if (sim_token_good(asked->token->text, asked->token->length)) {
		lane->signed_in++;
		lane->last_good = true;
		lane->due_ns = now_ns + world_below(PAUSE_MAX_S * CLOCK_NS_PER_S);
	} else {
		token_rejected(asked->token, TOKEN_DOUBTED);
	}
	token_release(asked->token);
	asked->token = NULL;
}

static uint64_t turn(void *context)
{
	uint64_t now_ns, next_ns = UINT64_MAX;

	(void)ring_turn(program.ring, asker_due(&program.asker) ? 0 : clock_monotonic_ns());
	now_ns = world_now_ns();
	asker_take(&program.asker);
	for (unsigned i = 0; i < LANES; i++) {
		struct lane *lane = &program.lanes[i];
		if (question_out(&lane->asked.question))
			continue;
		if (lane->due_ns <= now_ns) {
			lane->asked.question.fn = on_answer;
			lane->asked.question.deadline_ns = now_ns + TOKEN_TIMEOUT_MS * CLOCK_NS_PER_MS;
			lane->asked.identity = lane->identity;
			token_ask(program.tokens, &program.asker, &lane->asked);
		} else if (lane->due_ns < next_ns) {
			next_ns = lane->due_ns;
		}
	}
	return next_ns;
}

static void start(uint64_t seed)
{
	static const char *const names[IDENTITIES] = {"a", "b", "c", "d"};
	struct ring_config config = {.entries = 64, .completions = 128};
	struct ring_problem problem;
	struct world_config world;

	memset(&program, 0, sizeof(program));
	world_config_quiet(&world, seed);
	world_open(&world);
	world_engine_enter();
	CHECK_EQ(ring_open(&program.ring, &config, &problem), 0);
	asker_init(&program.asker, program.ring);
	program.tokens = sim_tokens_open();
	for (unsigned i = 0; i < IDENTITIES; i++) {
		/* Two ask at one endpoint. */
		char url[] = {'u', (char)('0' + i / 2), '\0'};
		struct config_oauth oauth = {
			.grant = CONFIG_GRANT_SECRET, .client_id = (char *)names[i], .token_url = url};
		program.identities[i] = token_identity_acquire(program.tokens, &oauth, NULL, names[i]);
		CHECK(program.identities[i] == token_identity_acquire(program.tokens, &oauth, "user", "again"));
		token_identity_release(program.identities[i]);
	}
	for (unsigned i = 0; i < LANES; i++) {
		program.lanes[i].identity = program.identities[i % IDENTITIES];
		program.lanes[i].due_ns = world_now_ns() + world_below(PAUSE_MAX_S * CLOCK_NS_PER_S);
	}
	world_engine_leave();
	world_runnable_add(turn, NULL);
}

static void run_for(uint64_t seconds)
{
	(void)world_run(NULL, NULL, seconds * CLOCK_NS_PER_S);
}

static void stop(void)
{
	world_engine_enter();
	sim_tokens_close();
	for (unsigned i = 0; i < IDENTITIES; i++)
		token_identity_release(program.identities[i]);
	ring_close(program.ring);
	world_engine_leave();
	CHECK_EQ(world_allocations_live(), 0);
	world_runnables_clear();
	run_for(FETCH_MAX_S); /* what is under way has memory of the world's */
	world_close();
	sim_token_clear();
}

static bool all_signed_in(void *context)
{
	for (unsigned i = 0; i < LANES; i++) {
		if (!program.lanes[i].last_good)
			return false;
	}
	return true;
}

static uint64_t sum(bool signed_in)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < LANES; i++)
		all += signed_in ? program.lanes[i].signed_in : program.lanes[i].without;
	return all;
}

/* A quick endpoint that always answers: nobody is ever without, and it hears little. */
static void quiet(uint64_t seed)
{
	start(seed);
	run_for(HOURS * 3600);
	CHECK_EQ(sum(false), 0);
	CHECK(sum(true) > LANES * HOURS * 60);
	CHECK(sim_token_fetches() <= IDENTITIES * (HOURS * 2 + 1));
	CHECK(sim_token_fetches() >= IDENTITIES * HOURS);
	stop();
}

/* It goes away for less than is left of the tokens when they are renewed: nobody notices. */
static void short_outage(uint64_t seed)
{
	const struct sim_token_manner away = {.away = 1000000}, well = {0};

	start(seed);
	run_for(1800);
	for (unsigned i = 0; i < 10; i++) {
		sim_token_set_manner(&away);
		run_for(300);
		sim_token_set_manner(&well);
		run_for(600);
	}
	CHECK_EQ(sum(false), 0);
	stop();
}

/* Everything goes wrong, now and then; then it heals, and all sign in again. */
static void trouble(uint64_t seed)
{
	struct sim_token_manner manner = {
		.delay_max_ns = world_below(40) * CLOCK_NS_PER_S,
		.away = (uint32_t)world_below(600000),
		.refused = (uint32_t)world_below(300000),
		.throttled = (uint32_t)world_below(200000),
		.life_s = 60 + world_below(3600),
	};
	const struct sim_token_manner well = {0};

	sim_token_set_manner(&manner);
	for (unsigned i = 0; i < HOURS; i++) {
		run_for(world_below(7200));
		sim_token_revoke();
	}
	CHECK_EQ(sim_token_early(), 0);
	CHECK(sim_token_fetches() < FETCHES_MAX);
	sim_token_set_manner(&well);
	run_for(HEAL_S);
	for (unsigned i = 0; i < LANES; i++)
		program.lanes[i].last_good = false;
	CHECK_EQ(world_run(all_signed_in, NULL, HEAL_S * CLOCK_NS_PER_S), WORLD_DONE);
	CHECK_EQ(program.bad, 0);
}

static void seeded(uint64_t seed)
{
	int before = check_failures;

	quiet(seed);
	short_outage(seed);
	start(seed);
	trouble(seed);
	stop();
	if (check_failures != before)
		fprintf(stderr, "replay with: test_tokens %llu\n", (unsigned long long)seed);
}

static uint64_t first_seed = 1, last_seed = SEEDS;

static void test_seeds(void)
{
	for (uint64_t seed = first_seed; seed <= last_seed; seed++)
		seeded(seed);
}

/* The time from a revoked token to signing in again: one fetch. */
static void test_revoked(void)
{
	uint64_t began_ns;

	start(1);
	run_for(600);
	sim_token_revoke();
	began_ns = world_now_ns();
	for (unsigned i = 0; i < LANES; i++) {
		program.lanes[i].last_good = false;
		program.lanes[i].due_ns = began_ns;
	}
	CHECK_EQ(world_run(all_signed_in, NULL, 10 * CLOCK_NS_PER_S), WORLD_DONE);
	CHECK(world_now_ns() - began_ns < 3 * CLOCK_NS_PER_S);
	CHECK(sim_token_fetches() <= 2 * IDENTITIES);
	stop();
}

int main(int argc, char **argv)
{
	if (argc > 1)
		first_seed = last_seed = strtoull(argv[1], NULL, 10);
	RUN(test_seeds);
	RUN(test_revoked);
	return check_end();
}
