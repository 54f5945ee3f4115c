/*
 * core/base/background.h - who has time: a thread that computes beside those that mail waits for.
 */
#ifndef POSTRIDER_BASE_BACKGROUND_H
#define POSTRIDER_BASE_BACKGROUND_H

enum { BACKGROUND_NICE = 10 };

/* The calling thread, and those that it starts from now on: one that becomes ready does not take the processor from who
 * has it, and where others want one as well it has a tenth of one's share. Not less: what it holds a lock of, memory
 * above all, others may wait for. Where that is refused nothing is different. */
void background_begin(void);

#endif
