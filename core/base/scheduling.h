/*
 * core/base/scheduling.h - who has time: threads that compute beside those that mail waits for.
 *
 * Mail is ready for some ten microseconds at a time, and who answers a question computes for milliseconds. Linux 6.6
 * and later (EEVDF; sched(7), sched_setattr(2)) let a thread compute for a slice, 1.4 ms on two processors, before
 * another one of its kind that has become ready is looked at, and where that is over look at it at the next tick, 4 ms
 * with CONFIG_HZ=250. From 6.12 on a thread may ask for shorter slices. Older kernels know no such thing, and need
 * none.
 */
#ifndef POSTRIDER_BASE_SCHEDULING_H
#define POSTRIDER_BASE_SCHEDULING_H

enum {
	SCHEDULING_NICE = 10,
	SCHEDULING_SLICE_NS = 100000, /* the shortest that the kernel takes */
	SCHEDULING_WAITED = 2,
};

/* The calling thread, and those that it starts from now on: one that becomes ready does not take the processor from who
 * has it, leaves it soon, and where others want one as well it has a tenth of one's share. Not less: what it holds a
 * lock of, memory above all, others may wait for, and who asks whether the process is well waits for it. Where that is
 * refused nothing is different. */
void scheduling_background(void);
/* It has what nobody else wants: who becomes ready takes the processor from it at once, and mail is given one that only
 * such a thread has as if it had none. For what is large. It is for good, as a thread without CAP_SYS_NICE cannot take
 * it back; so nothing is different where others leave nothing, which is where the thread has waited for a processor for
 * longer than SCHEDULING_WAITED times what it has computed so far: there it would have a three-hundredth of one's
 * share. */
void scheduling_idle(void);

#endif
