/*
 * core/deliver/budget.h - so many recipients in any 24 hours, for all shards, kept through restarts and crashes.
 *
 * What may be spent is written ahead: a part of the whole, one in 400, is added to the file first, and when that is
 * durable it is spent from memory, by one atomic operation each. So a crash loses what was written and not spent, and
 * never spends anything twice. The file is written by the ring of the shard that finds nothing left; nobody waits for
 * it but mail.
 *
 *     take: credit left? -> granted
 *           no, and nobody writes -> this lane writes: slots + a part ---> durable: credit, lanes go on
 *
 * Time goes by 96 slots of a quarter of an hour and a little. What was spent in a slot counts until 24 hours have
 * passed since its end, so it comes back up to a slot late and never early; of a full budget 98 parts in 100 are
 * used. Credit of a slot that is over is written anew into the present one before it is spent.
 *
 * The clock is the budget's own: it goes on from what the file says by as much as the wall clock has moved since the
 * file was written, and never backwards; while the process runs it is the monotonic one. So a wall clock that is set
 * back makes nothing come back sooner. One that is far ahead just when the process starts does.
 *
 * The file has two places of 4096 octets, which are written in turn; the newer one that is whole counts. Where none
 * is all counts as spent when the process starts.
 */
#ifndef POSTRIDER_DELIVER_BUDGET_H
#define POSTRIDER_DELIVER_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/disk.h"
#include "core/base/ring.h"

enum { BUDGET_SLOTS = 97, BUDGET_WORDS = DISK_BLOCK / 8, BUDGET_NAME_MAX = 255 };
#define BUDGET_SLOT_NS (UINT64_C(86400) * 1000000000 / 96 + UINT64_C(1000000000))

struct budget {
	_Atomic(uint64_t) credit;  /* durable and not spent: the slot it is of, and how much */
	_Atomic(uint64_t) free;    /* of the whole, as it was when last looked: neither spent nor written ahead */
	_Atomic(uint64_t) look_ns; /* and more may be free from then on */
	_Atomic(uint64_t) waiting; /* lanes that wait for who writes, a bit each */
	_Atomic(bool) writing;     /* somebody has what follows */
	uint64_t slots[BUDGET_SLOTS];
	uint64_t slot;     /* the newest */
	uint64_t sequence; /* of the last record */
	uint64_t added;    /* by the record that is being written */
	uint64_t left;     /* of what is durable, and kept until it is written */
	uint64_t ahead_ns; /* of this clock before the monotonic one, modulo 2^64 */
	uint64_t *record;  /* owned, aligned */
	struct ring_op op;
	void (*written)(void *context, int result); /* of who writes */
	void *context;
	int fd;
	bool damaged; /* what was spent before is not known */
	char name[BUDGET_NAME_MAX + 1];
};

/* Reads what the file of that name in `directory` says, or makes it; durable when this returns. 0 or -errno. */
int budget_open(struct budget **out, int directory, const char *name, uint64_t now_ns, uint64_t wall_ns);
/* What its file is called: sixteen digits, hexadecimal. */
uint64_t budget_file(const char *name);
/* Nothing is being written. */
void budget_close(struct budget *budget);

enum budget_answer {
	BUDGET_GRANTED,
	BUDGET_WRITES,  /* this caller does: `written` tells */
	BUDGET_WAIT,    /* somebody else does: budget_wait() */
	BUDGET_NOTHING, /* not before *when_ns */
};
/* `n` of `most`; n <= most. Where this is nothing, and when `written` is called, those who wait are to be told. */
enum budget_answer budget_take(struct budget *budget, uint64_t now_ns, uint64_t n, uint64_t most, struct ring *ring,
			       void (*written)(void *context, int result), void *context, uint64_t *when_ns);
/* The lane is among those to be told when it may ask again. False: it may now. */
bool budget_wait(struct budget *budget, unsigned lane);
/* Those to be told, once. */
uint64_t budget_waiting(struct budget *budget);
/* Taken at `then_ns`, and not used. */
void budget_give_back(struct budget *budget, uint64_t then_ns, uint64_t n);
/* So much can be had, if nobody else takes it; UINT32_MAX: nobody has looked lately. More may be from *when_ns on. */
uint64_t budget_left(struct budget *budget, uint64_t now_ns, uint64_t *when_ns);

#endif
