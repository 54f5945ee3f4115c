/*
 * tests/sim/sim_dns.h - stands in for core/agents/dns.c and agent_bell.c: an actor with a seed that answers questions
 * for names, in its own time, and not always.
 */
#ifndef POSTRIDER_TESTS_SIM_DNS_H
#define POSTRIDER_TESTS_SIM_DNS_H

#include <stdint.h>

struct dns;

struct sim_dns_manner {
	uint64_t delay_min_ns, delay_max_ns; /* of an answer */
	uint32_t silent;                     /* per million: none before the deadline */
	uint32_t failed, missing;            /* servers failed; there is no such name */
	uint64_t valid_ns;                   /* 0: a minute */
	unsigned most;                       /* questions at a time; 0: as many as the real one takes */
};

/* For one life of the process. Closing drops what was asked, as the end of a process does. */
struct dns *sim_dns_open(void);
void sim_dns_close(void);

/* From now on; zeroed: quick and always right. */
void sim_dns_set_manner(const struct sim_dns_manner *manner);
/* A host with that port has these addresses (ports of the world's), until cleared; others have their own port. */
void sim_dns_set(uint16_t port, const uint16_t *ports, unsigned count);
/* Every domain has these exchangers from now on, until cleared; none: a null MX. */
struct dns_exchanger;
void sim_dns_set_exchangers(const struct dns_exchanger *list, unsigned count);
/* Each has one of its own instead. */
void sim_dns_set_apart(void);
void sim_dns_clear(void);
uint64_t sim_dns_asked(void); /* in this life */

#endif
