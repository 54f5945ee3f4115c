/*
 * core/deliver/addresses.h - the addresses of one host, as one lane has met them: which is to be tried next.
 *
 * All of them are ways to the same host (RFC 5321 5.1): one that fails is left alone for a while, longer each time, and
 * tried after the others; only when every one has failed has the host. Those that are well take turns. Where one of a
 * family does not answer the other family is next (RFC 8305 4). Where a family is preferred its addresses come before
 * the others as soon as they may be tried again, whatever they failed before. Pure: nothing here knows connections.
 */
#ifndef POSTRIDER_DELIVER_ADDRESSES_H
#define POSTRIDER_DELIVER_ADDRESSES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/random.h"
#include "core/base/ring.h"

enum {
	ADDRESSES_MAX = 16,
	ADDRESS_BACKOFF_FIRST_MS = 1000, /* doubles per failure in a row */
	ADDRESS_BACKOFF_MAX_MS = 300000,
};

struct host_address {
	struct ring_address at;
	unsigned failures;  /* in a row */
	unsigned slow;      /* connections whose set-up takes long: another is not opened beside them */
	uint64_t failed_ns; /* the last time */
	uint64_t blocked_until_ns;
	uint64_t used; /* in which turn */
};

/* Which may be tried, and the family that comes first; AF_UNSPEC: neither. */
struct addresses_wish {
	sa_family_t first;
	bool v4, v6;
	bool again; /* the one of last time, rather than the next */
};

/* Zeroed: none known. */
struct addresses {
	struct host_address list[ADDRESSES_MAX]; /* in the order of the resolver */
	unsigned count;
	uint64_t turn;
};

/* What the resolver knows now; what is known of an address that stays is kept. count >= 1. */
void addresses_update(struct addresses *a, const struct ring_address *found, unsigned count);
/* NULL where it is gone meanwhile. */
struct host_address *addresses_find(struct addresses *a, const struct ring_address *at);
/* The next to try: with the fewest failures, then the one whose last turn is the longest ago, or the last. NULL: none,
 * before *next_ns, which is only ever lowered. Does not yet count as its turn. */
struct host_address *addresses_choose(struct addresses *a, const struct addresses_wish *wish, uint64_t now_ns,
				      uint64_t *next_ns);
/* There is one of a family that is wished for, whatever it is up to. */
bool addresses_any(const struct addresses *a, const struct addresses_wish *wish);
/* There is one beside `at` that could be tried now. */
bool addresses_another(const struct addresses *a, const struct addresses_wish *wish, const struct ring_address *at,
		       uint64_t now_ns);
/* A connection to it that was opened at `opened_ns` failed. Those that are there when a host goes away end together:
 * that is one failure. False: it was counted already. */
bool addresses_failed(struct host_address *one, uint64_t opened_ns, uint64_t now_ns, uint64_t delay_ns);
/* A connection to it that was opened at `opened_ns` has dealt with a message. Of a failure since then that says
 * nothing: a host that is full serves those inside, and each try at the door is one too many. */
void addresses_well(struct host_address *one, uint64_t opened_ns);
void addresses_used(struct addresses *a, struct host_address *one);
/* How long an address, or a host without any, is left alone after so many failures in a row before this one. */
uint64_t addresses_backoff_ns(unsigned failures, struct random *random);
/* Until when all are to be left alone; 0: one is not. */
uint64_t addresses_blocked_until_ns(const struct addresses *a, uint64_t now_ns);

#endif
