/*
 * tests/unit/test_agent_bell.c - core/agents/agent_bell.c: whoever asked is rung until he hears it, also where the ring
 * fails in between. The ring is in this file.
 */
#include <errno.h>
#include <string.h>

#include "core/agents/agent_thread.h"
#include "core/base/ring.h"
#include "tests/unit/check.h"

static struct agent_thread thread;
static struct asker asker;
static struct ring_op *ringing; /* the kernel has it */
static unsigned rung;
static const int *answers; /* of the turns: a bell's result; TURN_FAILS: the turn's */

enum { TURN_FAILS = -1000 };

void ring_doorbell(struct ring *ring, struct ring_op *op, struct ring *target)
{
	/* What the kernel has is not asked for again, and it outlives the call. */
	CHECK(!ringing && !op->in_flight);
	CHECK((char *)op >= (char *)&thread && (char *)op < (char *)(&thread + 1));
	op->in_flight = true;
	ringing = op;
	rung++;
}

int ring_turn(struct ring *ring, uint64_t deadline_ns)
{
	struct ring_op *op = ringing;
	int result = *answers++;

	if (result == TURN_FAILS)
		return -ENOMEM;
	CHECK(op);
	if (!op)
		return -EINVAL;
	ringing = NULL;
	op->in_flight = false;
	op->fn(op, result, 0);
	return 1;
}

static void begin(const int *results)
{
	memset(&thread, 0, sizeof(thread));
	atomic_init(&thread.stopping, false);
	ringing = NULL;
	rung = 0;
	answers = results;
}

static void test_heard(void)
{
	begin((const int[]){0});
	agent_asker_bell(&thread.agent, &asker);
	CHECK_EQ(rung, 1);
}

static void test_overwhelmed(void)
{
	begin((const int[]){-EOVERFLOW, -EAGAIN, 0});
	agent_asker_bell(&thread.agent, &asker);
	CHECK_EQ(rung, 3);
}

/* The bell stays with the kernel; the next one rings only when it has come back. */
static void test_a_turn_fails(void)
{
	begin((const int[]){TURN_FAILS, 0, 0});
	agent_asker_bell(&thread.agent, &asker);
	CHECK_EQ(rung, 1);
	CHECK(ringing);
	agent_asker_bell(&thread.agent, &asker);
	CHECK_EQ(rung, 2);
	CHECK(!ringing);
}

static void test_and_again(void)
{
	begin((const int[]){TURN_FAILS, TURN_FAILS, -EOVERFLOW, 0});
	agent_asker_bell(&thread.agent, &asker);
	agent_asker_bell(&thread.agent, &asker);
	CHECK_EQ(rung, 1);
	agent_asker_bell(&thread.agent, &asker);
	CHECK_EQ(rung, 2);
}

int main(void)
{
	RUN(test_heard);
	RUN(test_overwhelmed);
	RUN(test_a_turn_fails);
	RUN(test_and_again);
	return check_end();
}
