/*
 * tests/sim/sim_token.h - stands in for core/agents/token.c and what it fetches with: the real desk (token_desk.h) with
 * an endpoint that has a seed, takes its time, and does not always answer.
 */
#ifndef POSTRIDER_TESTS_SIM_TOKEN_H
#define POSTRIDER_TESTS_SIM_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

struct tokens;

struct sim_token_manner {
	uint64_t delay_min_ns, delay_max_ns; /* of a fetch */
	uint32_t away, refused, throttled;   /* per million; throttled: with Retry-After of a minute */
	uint64_t life_s;                     /* of a token; 0: an hour */
};

/* For one life of the process. Closing drops what was asked, as the end of a process does. */
struct tokens *sim_tokens_open(void);
void sim_tokens_close(void);
/* The same where the process has died, or ends by itself: nothing of it is touched, or it has freed it. */
void sim_tokens_end(void);

/* From now on; zeroed: quick and always right. */
void sim_token_set_manner(const struct sim_token_manner *manner);
void sim_token_clear(void);
/* All that were given are worth nothing any more. */
void sim_token_revoke(void);
/* What a next hop makes of one: whether it was given by this endpoint, has not ended, and was not revoked. */
bool sim_token_good(const char *text, uint64_t length);

uint64_t sim_token_fetches(void); /* of all lives, since the clearing */
uint64_t sim_token_early(void);   /* of these, how many came in spite of a Retry-After */

#endif
