/*
 * core/base/steady.c - see steady.h.
 */
#include "core/base/steady.h"

bool steady_look(struct steady *steady, uint64_t wall_ns, uint64_t monotonic_ns, uint64_t ns)
{
	uint64_t ahead_ns = wall_ns - monotonic_ns, step_ns = ahead_ns - steady->ahead_ns;

	/* Small steps are those of a clock that is kept right. */
	if (step_ns > UINT64_MAX / 2)
		step_ns = -step_ns;
	if (steady->since_ns == 0 || step_ns > STEADY_STEP_NS)
		steady->since_ns = monotonic_ns ? monotonic_ns : 1;
	steady->ahead_ns = ahead_ns;
	return monotonic_ns - steady->since_ns >= ns;
}
