/*
 * tests/sim/sim_rounds.h - threads of core/base/rounds.h in virtual time: each has a stack of its own, and runs when
 * its time has come until it sleeps again, so a seed still decides everything. What they read and write on the
 * machine's own disk is real.
 */
#ifndef POSTRIDER_TESTS_SIM_ROUNDS_H
#define POSTRIDER_TESTS_SIM_ROUNDS_H

/* What they sleep is so many times as long: days of it are to pass in a second. 1 at the beginning. */
void sim_rounds_slow(unsigned factor);
/* The process is gone: none of them does anything any more. */
void sim_rounds_end(void);

#endif
