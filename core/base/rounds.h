/*
 * core/base/rounds.h - a thread that looks at something every so often, until it is stopped.
 *
 * It sleeps under a lock, which protects whatever its owner likes and which the thread gives up while the disk has it.
 * It cannot start with an error in between: either all of it is there, or nothing.
 */
#ifndef POSTRIDER_BASE_ROUNDS_H
#define POSTRIDER_BASE_ROUNDS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct rounds {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop;
	bool stopping; /* under the lock */
};

/* `run`: until rounds_sleep() says so. False: there is no thread, and nothing to stop. */
bool rounds_start(struct rounds *rounds, void *(*run)(void *context), void *context);
/* Waits for the thread to return. */
void rounds_stop(struct rounds *rounds);
/* For the thread, which has the lock: for so long, or until it is stopped. True: it is. */
bool rounds_sleep(struct rounds *rounds, uint64_t wait_ns);
/* When a file is written again that took from `began_ns` to `ended_ns`: a disk that is slow is left alone for longer,
 * so that it is busy with it for a fiftieth of the time; after ten seconds at the soonest, and a minute at the
 * latest. */
uint64_t rounds_next_write_ns(uint64_t began_ns, uint64_t ended_ns);

#endif
