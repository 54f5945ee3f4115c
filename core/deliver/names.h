/*
 * core/deliver/names.h - what a lane knows of a host's name: its addresses, and when to ask for them again.
 *
 * Each lane asks for itself, when it is about to open a connection and what it knows is no longer good; the answer
 * comes in a later turn (core/agents/dns.h) and wakes the lane. What cannot be renewed stays in force, whatever the
 * answer: addresses that were right a moment ago are better than none. While there is nothing yet the lane waits for
 * the answer, which comes by the question's deadline.
 */
#ifndef POSTRIDER_DELIVER_NAMES_H
#define POSTRIDER_DELIVER_NAMES_H

#include "core/agents/dns.h"

struct config;
struct outbound;
struct host;

struct name {
	struct dns_question asked;
	struct outbound *outbound; /* whose lane; NULL: the host is numeric */
	uint64_t due_ns;           /* when to ask again */
	uint64_t asked_ns;
	struct dns *asked_of; /* the last time */
	bool answered;        /* at least once */
	unsigned failures;    /* in a row, without an address */
};

/* Whether any host is a name. */
bool names_wanted(const struct config *config);
void names_init(struct outbound *o, struct host *host);
/* Others are asked from now on (o->dns): what is known stays, and is asked for at once, whatever
 * is under way. */
void names_follow(struct host *host);
/* Asks, if it is time to. */
void names_refresh(struct host *host);
/* Nothing is known of it yet, but soon will be, so that it is too early for the hosts behind it: until when. 0: not. */
uint64_t names_expected_ns(const struct host *host);
/* Why no mail of mx: true goes to the answer's address of that number; NULL: it does. */
const char *names_forbids(const struct config *config, const struct dns_question *q, unsigned i);
/* Why there is no address; "" before the first answer. */
const char *names_problem(const struct host *host);

#endif
