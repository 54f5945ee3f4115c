/*
 * tests/sim/sim_agent.h - an agent without a thread: its bell is an event of the world's, which knows the life of the
 * process that rang it. What was asked by one that is gone is never touched.
 */
#ifndef POSTRIDER_TESTS_SIM_AGENT_H
#define POSTRIDER_TESTS_SIM_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/agents/agent.h"

enum { SIM_BELLS = 64 };

/* An event under way; never freed, as the world may be closed before it comes. */
struct sim_bell {
	struct sim_agent *agent;
	uint64_t life;
};

struct sim_agent {
	struct agent agent;
	void (*look)(struct sim_agent *agent); /* outside the engine */
	uint64_t life;
	bool open;
	struct sim_bell bells[SIM_BELLS];
	unsigned next_bell;
};

/* For one life of the process, which ends with the closing. */
void sim_agent_open(struct sim_agent *agent, unsigned most, void (*look)(struct sim_agent *agent));
void sim_agent_close(struct sim_agent *agent);
static inline bool sim_agent_lives(const struct sim_agent *agent, uint64_t life)
{
	return agent->open && agent->life == life;
}
/* Calls look in so long, if it lives still. */
void sim_agent_look_in(struct sim_agent *agent, uint64_t delay_ns);

#endif
