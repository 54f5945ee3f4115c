/*
 * queue/fair.h - clients take turns: a line of deliveries for each client of a lane, served by deficit round robin.
 *
 * A client that has mail stands in the round of its priority. When it is its turn it sends as many messages as its
 * weight says, then the next has its turn; a large message costs further turns (fair_charge()). So what a client waits
 * for follows from how many others have mail, and not from how much they have.
 *
 * Of the priorities the first that has mail goes, but of four messages one is the next priority's, and of sixteen one
 * the last one's: nobody waits for ever.
 *
 * A client is known by 16 bits of its name's hash, the same in every process. Two whose names meet there share a line.
 * A line is made when a client's first mail comes, 72 octets, and stays; without memory the mail joins a line for all.
 */
#ifndef POSTRIDER_QUEUE_FAIR_H
#define POSTRIDER_QUEUE_FAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/list.h"

struct delivery;

enum fair_priority { FAIR_HIGH, FAIR_NORMAL, FAIR_LOW, FAIR_PRIORITIES };
enum { FAIR_COMMON = 0, FAIR_WEIGHT_MOST = 100, FAIR_CHARGE_MOST = 64 };

/* What is said of a client; of others weight 1 and FAIR_NORMAL hold. */
struct fair_terms {
	uint16_t client;
	uint8_t weight, priority;
};

struct fair_line {
	struct list link; /* in its round, while it has mail */
	struct list mail; /* struct delivery */
	int32_t credit;   /* messages before the next has its turn; charges may take it below 0 */
	uint16_t client;
	uint8_t weight, priority;
};

struct fair {
	size_t count;                        /* deliveries */
	struct list rounds[FAIR_PRIORITIES]; /* struct fair_line */
	struct fair_line common, *last;      /* `last`: looked up last */
	struct fair_line **table;            /* open addressing; NULL: none yet */
	size_t lines, capacity;
	const struct fair_terms *terms; /* not owned; sorted by client */
	size_t terms_count;
	uint8_t turn; /* which priority's it is */
};

/* Never FAIR_COMMON. */
uint16_t fair_client(const void *name, size_t length);

void fair_init(struct fair *fair);
void fair_deinit(struct fair *fair);
/* From now on, for those who wait already, too. */
void fair_set_terms(struct fair *fair, const struct fair_terms *terms, size_t count);
/* To the end of its client's line. May change d->client to FAIR_COMMON. */
void fair_append(struct fair *fair, struct delivery *d);
/* It was taken, and goes back to where it was: the next to be taken. */
void fair_prepend(struct fair *fair, struct delivery *d);
/* The one to be taken next; NULL: none. It stays. */
struct delivery *fair_next(const struct fair *fair);
/* One of those that stand at the head of their lines leaves; it is its client's turn that is used. */
void fair_remove(struct fair *fair, struct delivery *d);
/* One leaves from wherever it stands in its line; nobody's turn is used. */
void fair_withdraw(struct fair *fair, struct delivery *d);
/* It stands alone in its line, and that line is one of this fair's. */
bool fair_alone(const struct delivery *d);
bool fair_has_line_of(struct fair *fair, const struct delivery *d);
/* The first of its line; NULL: none. */
struct delivery *fair_first(struct fair *fair, uint16_t client);
/* The client has used as much as so many messages more. */
void fair_charge(struct fair *fair, uint16_t client, unsigned messages);
/* The heads of all lines: i from 0 below fair_heads(); NULL: that line is empty. */
size_t fair_heads(const struct fair *fair);
struct delivery *fair_head(const struct fair *fair, size_t i);

#endif
