/*
 * core/base/background.c - see background.h. Linux knows both of each thread, not of the process (sched(7)).
 */
#include "core/base/background.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

void background_begin(void)
{
	id_t thread = (id_t)gettid();

	(void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
	if (getpriority(PRIO_PROCESS, thread) < BACKGROUND_NICE)
		(void)setpriority(PRIO_PROCESS, thread, BACKGROUND_NICE);
}
