/*
 * core/deliver/match.h - mail that waits for the mailboxes that may send as its sender.
 *
 * Where a destination says `sender: match` its mail is of classes: of one class are those messages that the same
 * mailboxes may send. Each class has its clients' lines (queue/fair.h) for itself, so that what waits for one mailbox
 * stands in nobody else's way, and within a class clients take turns as anywhere.
 *
 * In memory a delivery does not know its sender. So the lane's mail is read, sorted into classes, and forgotten again
 * until a connection takes it; what is new is in memory anyway. Classes are made as senders are met, and go with the
 * configuration: at a reload all their mail goes back to the lane, and is sorted anew.
 */
#ifndef POSTRIDER_DELIVER_MATCH_H
#define POSTRIDER_DELIVER_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"
#include "queue/fair.h"

struct config_destination;
struct lane;

/* So many connections are made at a time; at so many messages another class has its turn. */
enum { MATCH_CONNECTING = 4, MATCH_BURST = 16 };

struct match_class {
	struct fair mail;  /* SORTED; its `count` may be too high (match_withdraw()) */
	uint64_t hash;     /* of `members` */
	bool wants;        /* it found no connection */
	uint8_t members[]; /* a bit for each mailbox, in the destination's order */
};

struct matching {
	struct match_class **classes; /* owned, as is each */
	size_t count, capacity;
	struct match_class *spare; /* owned: for a class that is not known yet; NULL: to be had again */
	uint8_t *wanted;           /* owned: mailboxes that mail waits for; NULL: any will do */
	uint8_t *room; /* behind it: mailboxes with a connection that may take something, in this dispatch */
	size_t members_size;
	size_t turn;            /* whose it is */
	struct match_class *at; /* the one whose message is being loaded or given; NULL: none */
	size_t waiting;         /* deliveries in all classes */
};

/* A mailbox of the class is in `room`. */
bool match_has_room(const struct matching *m, const struct match_class *class);
/* None of them has any more. */
void match_no_room(struct matching *m, const struct match_class *class);
static inline bool match_has(const struct match_class *class, size_t seat)
{
	return class->members[seat / 8] >> seat % 8 & 1;
}

/* For so many mailboxes. False: no memory. Zeroed before; match_end() in every case. */
bool match_begin(struct matching *m, size_t mailboxes);
/* Its mail goes to the end of the lane's, class by class; in each its clients' orders hold. NULL: nowhere, it may be
 * gone itself. */
void match_end(struct matching *m, struct lane *lane);
/* The sender's; NULL: *nobody may send as it, or no memory. */
struct match_class *match_find(struct matching *m, const struct config_destination *destination, struct span sender,
			       const struct fair *terms, bool *nobody);
/* The delivery (ACTIVE) waits in the class: at the end of its line, or first. */
void match_append(struct matching *m, struct match_class *class, struct delivery *d);
void match_prepend(struct matching *m, struct match_class *class, struct delivery *d);
/* A head of one of its lines leaves the class, now ACTIVE. */
void match_remove(struct matching *m, struct match_class *class, struct delivery *d);
/* One leaves its class from wherever it stands, now NONE. */
void match_withdraw(struct matching *m, struct delivery *d);
/* `wanted` is what the classes want that found no connection. False: none does. */
bool match_want(struct matching *m);

#endif
