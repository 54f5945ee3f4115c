/*
 * tests/sim/sim_agent.c - see sim_agent.h.
 */
#include "tests/sim/sim_agent.h"

#include "core/base/list.h"
#include "tests/sim/sim.h"
#include "tests/sim/world.h"

void sim_agent_open(struct sim_agent *agent, unsigned most, void (*look)(struct sim_agent *agent))
{
	agent->life++;
	agent->open = true;
	agent->look = look;
	agent_init(&agent->agent, most);
}

void sim_agent_close(struct sim_agent *agent)
{
	agent->open = false;
	agent->life++;
}

static void on_bell(void *context)
{
	struct sim_bell *bell = context;

	if (sim_agent_lives(bell->agent, bell->life))
		bell->agent->look(bell->agent);
}

/* A bell that is still to ring when it is used again rings twice, which does no harm. */
void sim_agent_look_in(struct sim_agent *agent, uint64_t delay_ns)
{
	struct sim_bell *bell = &agent->bells[agent->next_bell++ % SIM_BELLS];

	*bell = (struct sim_bell){agent, agent->life};
	world_after(delay_ns, on_bell, bell);
}

void agent_bell(struct agent *agent)
{
	sim_agent_look_in(container_of(agent, struct sim_agent, agent), 0);
}

void agent_asker_bell(struct agent *agent, struct asker *asker)
{
	asker->ring->doorbell_rung = true;
}
