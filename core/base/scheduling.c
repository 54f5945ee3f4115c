/*
 * core/base/scheduling.c - see scheduling.h. Linux knows all of it of each thread, not of the process (sched(7)).
 */
#include "core/base/scheduling.h"

#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* struct sched_attr as far as SCHED_ATTR_SIZE_VER0 (sched_setattr(2)): libc of Debian 12 has neither it nor the calls,
 * and linux/sched/types.h cannot be included beside sched.h. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

_Static_assert(sizeof(struct attributes) == 48, "as the kernel has it");

static void take_short_slices(void)
{
	struct attributes now = {.size = sizeof(now)};

	/* Of another policy, which an administrator gave and which stayed, it would be something else. */
	if (syscall(SYS_sched_getattr, 0, &now, sizeof(now), 0) < 0 || now.policy != SCHED_BATCH)
		return;
	now.runtime = SCHEDULING_SLICE_NS;
	(void)syscall(SYS_sched_setattr, 0, &now, 0);
}

void scheduling_background(void)
{
	id_t thread = (id_t)gettid();

	(void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
	if (getpriority(PRIO_PROCESS, thread) < SCHEDULING_NICE)
		(void)setpriority(PRIO_PROCESS, thread, SCHEDULING_NICE);
	take_short_slices();
}

/* Its file has the time that it has had a processor, and that it was ready and had none (the kernel's
 * Documentation/scheduler/sched-stats.rst). */
static bool others_leave_nothing(void)
{
	FILE *f = fopen("/proc/thread-self/schedstat", "re");
	uint64_t ran_ns = 0, waited_ns = 0;
	bool known = f && fscanf(f, "%" SCNu64 " %" SCNu64, &ran_ns, &waited_ns) == 2;

	if (f)
		(void)fclose(f);
	return known && waited_ns / SCHEDULING_WAITED > ran_ns;
}

void scheduling_idle(void)
{
	if (!others_leave_nothing())
		(void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0});
}
