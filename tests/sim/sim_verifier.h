/*
 * tests/sim/sim_verifier.h - stands in for core/agents/verifier.c: an actor with a seed that takes its time, and
 * does not always get to it before the deadline.
 *
 * No hash is computed: a password is right for a hash that has it as its salt, "$y$j9T$PASSWORD$...".
 */
#ifndef POSTRIDER_TESTS_SIM_VERIFIER_H
#define POSTRIDER_TESTS_SIM_VERIFIER_H

#include <stdint.h>

struct verifiers;

struct sim_verifier_manner {
	uint64_t delay_min_ns,
		delay_max_ns; /* of one verification; they wait for each other, as they do for a thread */
	uint32_t silent;      /* per million: the answer is a timeout at the deadline */
	uint32_t full;        /* per million: others have filled the queue */
};

/* For one life of the process. Closing drops what was asked, as the end of a process does. */
struct verifiers *sim_verifiers_open(void);
void sim_verifiers_close(void);
/* From now on; zeroed: at once and always. */
void sim_verifier_set_manner(const struct sim_verifier_manner *manner);
uint64_t sim_verifier_asked(void); /* in this life: passwords that were compared */

#endif
