/*
 * tests/sim/sim_token.c - see sim_token.h.
 */
#include "tests/sim/sim_token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/token_desk.h"
#include "core/agents/token_identity.h"
#include "core/base/clock.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_agent.h"
#include "tests/sim/world.h"

enum { GIVEN_MAX = 65536, RETRY_AFTER_S = 60, SLACK_S = 1 };

struct tokens {
	struct sim_agent agent;
	struct token_identities identities;
	struct token_desk desk;
	uint64_t wake_ns; /* when it looks by itself; 0: not */
};

/* One fetch. */
struct token_job {
	struct token_identity *identity;
	uint64_t life, started_ns;
};

static struct tokens tokens;
static struct sim_token_manner manner;
static uint64_t ends_ns[GIVEN_MAX];                               /* by number */
static uint64_t given, revoked, fetches, early, not_before_ns[2]; /* the latter for each endpoint */

/* ---- the endpoint --------------------------------------------------------------------------------------------- */

void sim_token_set_manner(const struct sim_token_manner *wanted)
{
	manner = *wanted;
}

void sim_token_clear(void)
{
	memset(&manner, 0, sizeof(manner));
	given = revoked = fetches = early = 0;
	memset(not_before_ns, 0, sizeof(not_before_ns));
}

void sim_token_revoke(void)
{
	revoked = given;
}

bool sim_token_good(const char *text, uint64_t length)
{
	char copy[32];
	unsigned long number;

	if (length >= sizeof(copy) || length < 7 || memcmp(text, "token-", 6) != 0)
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	number = strtoul(copy + 6, NULL, 10);
	return number > revoked && number <= given && ends_ns[number % GIVEN_MAX] > world_now_ns();
}

uint64_t sim_token_fetches(void)
{
	return fetches;
}

uint64_t sim_token_early(void)
{
	return early;
}

static void give(struct token_identity *identity, uint64_t started_ns)
{
	uint64_t life_s = manner.life_s ? manner.life_s : 3600, now_ns = world_now_ns();
	char text[32];
	int n = snprintf(text, sizeof(text), "token-%llu", (unsigned long long)++given);

	ends_ns[given % GIVEN_MAX] = now_ns + life_s * CLOCK_NS_PER_S;
	token_desk_given(&tokens.desk, identity, text, (size_t)n, life_s, started_ns, now_ns);
}

/* By the last character of its URL. */
static unsigned endpoint_of(const struct token_identity *identity)
{
	const char *url = identity->oauth.token_url;

	return url && url[0] ? (unsigned char)url[strlen(url) - 1] % 2 : 0;
}

static void refuse(struct token_identity *identity, bool refused, uint64_t after_s)
{
	const struct token_failure failure = {.refused = refused, .retry_after_s = after_s, .problem = "simulated"};

	if (after_s > 0)
		not_before_ns[endpoint_of(identity)] = world_now_ns() + after_s * CLOCK_NS_PER_S;
	token_desk_failed(&tokens.desk, identity, &failure, world_now_ns());
}

/* ---- the agent ------------------------------------------------------------------------------------------------ */

static void look(struct sim_agent *agent)
{
	uint64_t now_ns = world_now_ns(), next_ns;

	world_engine_enter();
	next_ns = token_desk_turn(&tokens.desk, now_ns);
	world_engine_leave();
	if (tokens.wake_ns > now_ns && tokens.wake_ns <= next_ns)
		return;
	tokens.wake_ns = next_ns > now_ns ? next_ns : now_ns + 1;
	sim_agent_look_in(agent, tokens.wake_ns - now_ns);
}

static void arrive(void *context)
{
	struct token_job *job = context;

	if (sim_agent_lives(&tokens.agent, job->life)) {
		world_engine_enter();
		job->identity->job = NULL;
		if (world_chance(manner.throttled))
			refuse(job->identity, false, RETRY_AFTER_S);
		else if (world_chance(manner.away))
			refuse(job->identity, false, 0);
		else if (world_chance(manner.refused))
			refuse(job->identity, true, 0);
		else
			give(job->identity, job->started_ns);
		world_engine_leave();
		look(&tokens.agent);
	}
	world_release(job);
}

static bool on_begin(struct token_desk *desk, struct token_identity *identity)
{
	struct token_job *job = world_alloc(sizeof(*job));
	uint64_t spread = manner.delay_max_ns - manner.delay_min_ns, now_ns = world_now_ns();

	*job = (struct token_job){identity, tokens.agent.life, now_ns};
	identity->job = job;
	fetches++;
	early += now_ns + SLACK_S * CLOCK_NS_PER_S < not_before_ns[endpoint_of(identity)];
	world_errand(manner.delay_min_ns + (spread ? world_below(spread) : 0), arrive, job);
	return true;
}

static uint64_t on_look(struct token_desk *desk, struct token_identity *identity, uint64_t now_ns)
{
	return UINT64_MAX;
}

static bool on_changed(const struct token_identity *identity)
{
	return false;
}

/* Its event is the world's. */
static void on_end(struct token_desk *desk, struct token_identity *identity)
{
}

static void over(struct token_identities *identities)
{
}

static const struct token_desk_handler handler = {.begin = on_begin, .look = on_look, .changed = on_changed};

struct tokens *sim_tokens_open(void)
{
	tokens.wake_ns = 0;
	/* Another process does not know what this one was asked for. */
	memset(not_before_ns, 0, sizeof(not_before_ns));
	sim_agent_open(&tokens.agent, TOKEN_QUESTIONS_MAX, look);
	token_identities_init(&tokens.identities, over);
	token_desk_init(&tokens.desk, &tokens.agent.agent, NULL, &handler);
	return &tokens;
}

void sim_tokens_close(void)
{
	if (!tokens.agent.open)
		return;
	sim_agent_close(&tokens.agent);
	world_engine_enter();
	token_desk_close(&tokens.desk, on_end);
	token_identities_close(&tokens.identities);
	world_engine_leave();
}

void sim_tokens_end(void)
{
	if (tokens.agent.open)
		sim_agent_close(&tokens.agent);
}

struct token_identity *token_identity_acquire(struct tokens *where, const struct config_oauth *oauth, const char *user,
					      const char *name)
{
	return token_identities_acquire(&where->identities, oauth, user, name);
}

void token_ask(struct tokens *where, struct asker *asker, struct token_question *question)
{
	agent_ask(&where->agent.agent, asker, &question->question);
}
