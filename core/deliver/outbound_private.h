/*
 * core/deliver/outbound_private.h - shared between outbound.c (dispatch), outbound_form.c (a lane as configured),
 * outbound_match.c (which mailbox for which message), outbound_sort.c (which domain), outbound_ahead.c (what these two
 * read before that), outbound_strict.c (who must not go everywhere), outbound_grow.c (connections), outbound_slots.c
 * (whether there may be one), outbound_limit.c (whose turn it is), outbound_load.c (attempts) and outbound_knock.c
 * (lanes of other shards). Each calls those behind it only.
 */
#ifndef POSTRIDER_DELIVER_OUTBOUND_PRIVATE_H
#define POSTRIDER_DELIVER_OUTBOUND_PRIVATE_H

#include <assert.h>

#include "core/deliver/outbound.h"

struct attempt;
struct connection;

/* outbound_grow.c: opens one more connection if that may be. *next_ns: when to look again. */
void outbound_grow(struct outbound *o, uint64_t *next_ns);
/* The same, of hosts that are not known to lack what is needed (suits.h). False: there is no slot. */
bool outbound_grow_wanted(struct outbound *o, unsigned needs, uint64_t *next_ns);
/* What hosts need of TLS may have grown, or they are not to be used by now: connections that were made for less end. */
void outbound_follow_needs(struct outbound *o);
/* Opens what will take over from connections that are about to have had their share of messages, or of time. */
void outbound_succeed(struct outbound *o);

/* outbound_slots.c: a slot for one more connection. False: there is none for this lane now, and it is woken when there
 * is one, where it has fewer than others. */
bool outbound_slot_take(struct outbound *o);
/* The same for one that is of use and not needed. */
bool outbound_slot_take_spare(struct outbound *o);
/* One is kept for this lane. */
bool outbound_slot_called(const struct outbound *o);
/* It was taken, and there is nowhere to go. */
void outbound_slot_unused(struct outbound *o);
/* It was taken, and no mailbox may have another connection: this lane waits until one of any lane is closed. */
void outbound_slot_without_mailbox(struct outbound *o);
/* The connection's descriptor is closed. */
void outbound_slot_back(struct connection *c);
/* At the end of a dispatch: what this lane does not need it leaves to others, and gives up what is theirs. *next_ns:
 * when to look again. */
void outbound_slots_follow(struct outbound *o, uint64_t *next_ns);
/* It needs none for the time being. */
void outbound_slots_leave(struct outbound *o);

/* outbound_limit.c: may the next message go soon? False: not before *next_ns, by the limits of the destination. */
bool outbound_near(struct outbound *o, uint64_t *next_ns);
/* This one is about to go over this connection. False: not before *next_ns. */
bool outbound_granted(struct outbound *o, struct connection *c, struct attempt *a, uint64_t *next_ns);
/* It is the turn of this connection's mailbox. False: not before *next_ns. */
bool outbound_turn(struct outbound *o, struct connection *c, uint64_t *next_ns);
/* It has room, and it is its turn. One that is of no use any more is closed. */
bool outbound_takes(struct outbound *o, struct connection *c, uint64_t *next_ns);
/* The delivery was given to a connection: so much of its client's turns. */
void outbound_charge(struct fair *fair, const struct delivery *d);
/* Another connection of the mailbox would have something to send soon. False: not before *next_ns. */
bool outbound_mailbox_worth(struct outbound *o, struct mailbox *mailbox, uint64_t *next_ns);
/* So many are read from disk ahead. */
unsigned outbound_ahead(const struct outbound *o);

/* outbound_match.c: where each message goes only by mailboxes that may send as its sender (match.h). */
static inline bool outbound_matches(const struct outbound *o)
{
	return o->mailboxes && o->destination->sender == CONFIG_SENDER_MATCH;
}
/* For these mailboxes and senders. False: no memory. */
bool outbound_match_begin(struct outbound *o);
/* What waits for mailboxes is ready in the lane as before. */
void outbound_match_end(struct outbound *o);
/* Gives connections what they may take. */
void outbound_match(struct outbound *o, uint64_t *next_ns);

/* outbound_sort.c: mail goes on to its recipients' domains. */
void outbound_sort(struct outbound *o, uint64_t *next_ns);

/* outbound_ahead.c: starts reading the lane's next, and takes out of o->loaded what was read (struct attempt): each is
 * put there again before it is looked at, alone, where who asks for turns and who gives it back expect it. *next_ns:
 * when to look again. */
void outbound_read_ahead(struct outbound *o, struct list *loaded, uint64_t *next_ns);
/* There was no memory: not long from now. */
void outbound_look_again(const struct outbound *o, uint64_t *next_ns);

/* outbound_strict.c: this one, about to go over *c, must not, and another host may carry it: *c is one that does, or
 * it is in the lane again (true). */
bool outbound_strict_waits(struct outbound *o, struct attempt *a, struct connection **c, uint64_t *next_ns);

/* outbound_load.c: the delivery (ACTIVE) becomes an attempt, which comes to o->loaded, now or later. False: without
 * memory. */
bool outbound_load(struct outbound *o, struct delivery *d);
/* It may not go over this connection: for what it asks for, or since an operator says so. It is over, or parked. */
bool outbound_refused(struct attempt *a, struct connection *c);
/* Ends mail that is too old and that no host could be found for. */
void outbound_expire(struct outbound *o);
/* The same for mail that limits keep waiting. */
void outbound_expire_limited(struct outbound *o);
/* The same for mail whose mailboxes cannot sign in, while nobody has to act on that. */
void outbound_expire_put_off(struct outbound *o);

/* outbound_knock.c: the lane of that number looks at the end of its next turn; SLOTS_NOBODY: none. */
void outbound_knock(struct outbound *o, int number);
/* All of these do, a bit for each. */
void outbound_knock_all(struct outbound *o, uint64_t numbers);
/* For who makes lanes. */
post_fn outbound_on_knock;

#endif
