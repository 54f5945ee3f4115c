/*
 * core/receive/guard.h - guessing of passwords: who has to wait, and who is not listened to for a while.
 *
 * The rule. Failures fill buckets, which leak:
 *
 *   address   holds GUARD_ADDRESS_FAILURES, one leaks every 30 s. When it is full, nobody is verified from there
 *             but who has signed in from there lately.
 *   site      an IPv6 /48, which is what a site or a rented machine may have of addresses that count as 65536: holds
 *             GUARD_SITE_FAILURES, one leaks every 5 s. When it is full, nobody is verified from there but who has
 *             signed in from there lately.
 *   user      holds GUARD_USER_FAILURES over all addresses, one leaks every minute. When it is full, the user is
 *             verified only from where he has signed in lately, and from addresses that have not failed at all: so
 *             a lockout that others have caused keeps out none of his machines, neither those that are known nor a
 *             new one that knows the password at once; a thousand addresses have one guess each.
 *   both      who has signed in from an address within GUARD_TRUST_DAYS has a bucket there of his own, like an
 *             address's, and no other counts for him: so guessing behind the same NAT keeps out no other user, and
 *             guessing at one user from elsewhere does not keep out his own machines. Only guessing at a user from
 *             the very address that he uses keeps him out, and only there.
 *
 * Passwords that are being compared count as failures where there has been one already, so that asking many at once
 * does not help; where there was none they do not: a server that opens fifty connections with the right password is
 * let in.
 *
 * Each failure of an address also makes its next answer wait longer: 1, 2, 4, then 8 s. A user who does not exist is
 * treated as one who does. IPv6 counts by /64, the smallest network of one site.
 *
 * The tables are of fixed size, for all shards, with locked stripes: touched for each attempt to sign in, never for
 * a message. Where four share a set and a fifth comes, the one goes that would be forgotten first; who has
 * succeeded stands in a table of his own, so that nobody who fails pushes him out. That one outlives the process
 * (core/relay/trust_keeper.h): a flood that is under way when it starts would else keep out everybody.
 */
#ifndef POSTRIDER_RECEIVE_GUARD_H
#define POSTRIDER_RECEIVE_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/trust_file.h"
#include "core/base/ring.h"
#include "tls/mac.h"

enum {
	GUARD_ADDRESS_FAILURES = 10,
	GUARD_ADDRESS_LEAK_S = 30,
	GUARD_SITE_FAILURES = 100,
	GUARD_SITE_LEAK_S = 5,
	GUARD_USER_FAILURES = 30,
	GUARD_USER_LEAK_S = 60,
	GUARD_TRUST_DAYS = 30,
	GUARD_WAIT_FIRST_MS = 1000,
	GUARD_WAIT_MAX_MS = 8000,
};

struct guard;

/* `salt`: so that nobody can choose names that push others out. NULL without memory. */
struct guard *guard_new(uint64_t salt);
void guard_free(struct guard *guard); /* NULL is allowed */

enum guard_answer {
	GUARD_VERIFY,
	GUARD_VERIFY_KNOWN,   /* he has signed in from there lately */
	GUARD_REFUSE_ADDRESS, /* not to be verified now */
	GUARD_REFUSE_USER,
};

/* Who, from where: names in either case of ASCII letters are the same. */
struct guard_attempt {
	const struct ring_address *address;
	const char *user;
	size_t user_length;
	uint64_t now_ns;
};

/* VERIFY and VERIFY_KNOWN: guard_done() follows, once, with that answer. */
enum guard_answer guard_ask(struct guard *guard, const struct guard_attempt *attempt);

enum guard_result {
	GUARD_RIGHT,
	GUARD_WRONG,   /* or there is no such user */
	GUARD_NOTHING, /* it was not looked at */
};
/* Returns after how long a wrong one may be said, in ms. Others of his may have signed in or failed since it was asked:
 * the answer says in which bucket it stands. */
unsigned guard_done(struct guard *guard, const struct guard_attempt *attempt, enum guard_answer answer,
		    enum guard_result result);

/* ---- who has signed in, beyond this process ---------------------------------------------------------------------- */

/* Who has signed in where is known by a keyed hash; this is the key from now on. For before anybody asks: what was
 * known is not any more. */
void guard_set_key(struct guard *guard, const uint8_t key[MAC_SIZE]);
/* Both at the same moment: time of attempts, and seconds since 1970. */
struct guard_clock {
	uint64_t now_ns, wall_s;
};
/* What an earlier process knew. What is said to be longer than GUARD_TRUST_DAYS is as long as that. */
void guard_trust_again(struct guard *guard, const struct guard_clock *clock, const struct trust *trusts, size_t count);
/* All that is known now, into TRUST_FILE_MAX places. Any thread; no shard waits for more than a stripe of it. Returns
 * how many. */
size_t guard_trusts(struct guard *guard, const struct guard_clock *clock, struct trust *out);
/* Somebody has signed in from somewhere, for the first time or again after a day, since this was last asked. */
bool guard_trusts_grew(struct guard *guard);

#endif
