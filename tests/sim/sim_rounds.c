/*
 * tests/sim/sim_rounds.c - see sim_rounds.h. In place of core/base/rounds.c, by -Wl,--wrap.
 */
#include "tests/sim/sim_rounds.h"

#include <string.h>
#include <ucontext.h>

#include "core/base/rounds.h"
#include "tests/sim/sim.h"

bool __wrap_rounds_start(struct rounds *rounds, void *(*run)(void *context), void *context);
void __wrap_rounds_stop(struct rounds *rounds);
bool __wrap_rounds_sleep(struct rounds *rounds, uint64_t wait_ns);

enum { ROUNDS_MAX = 4, STACK_OCTETS = 256 << 10 };

struct sim_round {
	struct rounds *rounds; /* NULL: free */
	void *(*run)(void *context);
	void *context;
	ucontext_t here, world;
	uint64_t wait_ns;
	unsigned serial;
	bool over;
};

/* Whose time comes; the round may be another's by then. */
struct sim_alarm {
	struct sim_round *round;
	unsigned serial;
};

static struct sim_round sim_rounds[ROUNDS_MAX];
static char sim_stacks[ROUNDS_MAX][STACK_OCTETS] __attribute__((aligned(64)));
static struct sim_round *sim_running;
static unsigned sim_factor = 1, sim_serial;

void sim_rounds_slow(unsigned factor)
{
	sim_factor = factor;
}

static struct sim_round *sim_round_of(const struct rounds *rounds)
{
	for (unsigned i = 0; i < ROUNDS_MAX; i++) {
		if (sim_rounds[i].rounds == rounds)
			return &sim_rounds[i];
	}
	sim_bug("nobody's round");
}

static void sim_run(void)
{
	struct sim_round *round = sim_running;

	(void)round->run(round->context);
	round->over = true;
	(void)swapcontext(&round->here, &round->world);
}

static void sim_go_on(struct sim_round *round)
{
	sim_running = round;
	(void)swapcontext(&round->world, &round->here);
}

static void sim_on_time(void *context);

/* Until it sleeps or has returned. */
static void sim_round_turn(struct sim_round *round)
{
	struct sim_alarm *alarm;

	world_engine_enter();
	sim_go_on(round);
	world_engine_leave();
	if (round->over)
		return;
	alarm = world_alloc(sizeof(*alarm));
	*alarm = (struct sim_alarm){round, round->serial};
	world_errand(round->wait_ns * sim_factor, sim_on_time, alarm);
}

static void sim_on_time(void *context)
{
	struct sim_alarm alarm = *(struct sim_alarm *)context;

	world_release(context);
	if (alarm.round->rounds && alarm.round->serial == alarm.serial)
		sim_round_turn(alarm.round);
}

bool __wrap_rounds_start(struct rounds *rounds, void *(*run)(void *context), void *context)
{
	struct sim_round *round = sim_round_of(NULL);
	char *stack = sim_stacks[round - sim_rounds];

	*round = (struct sim_round){.rounds = rounds, .run = run, .context = context, .serial = ++sim_serial};
	rounds->stopping = false;
	(void)pthread_mutex_init(&rounds->lock, NULL);
	(void)getcontext(&round->here);
	round->here.uc_stack = (stack_t){.ss_sp = stack, .ss_size = STACK_OCTETS};
	makecontext(&round->here, sim_run, 0);
	sim_round_turn(round);
	return true;
}

void __wrap_rounds_stop(struct rounds *rounds)
{
	struct sim_round *round = sim_round_of(rounds);

	rounds->stopping = true;
	while (!round->over)
		sim_go_on(round);
	round->rounds = NULL;
	(void)pthread_mutex_destroy(&rounds->lock);
}

/* On its stack. What it had there is gone where the process ends before it wakes. */
bool __wrap_rounds_sleep(struct rounds *rounds, uint64_t wait_ns)
{
	struct sim_round *round = sim_round_of(rounds);

	(void)pthread_mutex_unlock(&rounds->lock);
	round->wait_ns = wait_ns;
	(void)swapcontext(&round->here, &round->world);
	(void)pthread_mutex_lock(&rounds->lock);
	return rounds->stopping;
}

void sim_rounds_end(void)
{
	for (unsigned i = 0; i < ROUNDS_MAX; i++)
		sim_rounds[i].rounds = NULL;
}
