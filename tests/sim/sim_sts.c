/*
 * tests/sim/sim_sts.c - stands in for core/agents/sts.c: no simulated destination holds to MTA-STS policies.
 */
#include <stdlib.h>

#include "core/agents/sts.h"

void sts_ask(struct sts *sts, struct asker *asker, struct sts_question *question)
{
	abort();
}
