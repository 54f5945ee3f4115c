/*
 * core/deliver/budget.c - see budget.h. What is not atomic belongs to who has set `writing`.
 */
#include "core/deliver/budget.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "queue/hash.h"

/* A record: words, little endian; the rest is zero. */
enum {
	AT_HASH, /* of all the others */
	AT_MAGIC,
	AT_SEQUENCE,
	AT_WALL, /* when it was written */
	AT_TIME, /* the same by this clock */
	AT_SLOT, /* the newest */
	AT_SLOTS,
	AT_NAME = AT_SLOTS + BUDGET_SLOTS,
};
#define MAGIC UINT64_C(0x3154474455425250) /* "PRBUDGT1" */
static_assert(8 * AT_NAME + BUDGET_NAME_MAX < DISK_BLOCK, "the name fits");

enum { AHEAD_PARTS = 400, RECORDS = 2 };

static uint64_t word(uint64_t slot, uint64_t amount)
{
	return slot << 32 | amount;
}

static uint64_t slot_of_word(uint64_t credit)
{
	return credit >> 32;
}

static uint64_t amount_of(uint64_t credit)
{
	return credit & UINT32_MAX;
}

static uint64_t slot_at(const struct budget *b, uint64_t now_ns)
{
	return (now_ns + b->ahead_ns) / BUDGET_SLOT_NS;
}

/* When it begins, by the monotonic clock. */
static uint64_t begin_ns(const struct budget *b, uint64_t slot)
{
	return slot * BUDGET_SLOT_NS - b->ahead_ns;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const uint64_t *record)
{
	return queue_hash(record + 1, DISK_BLOCK - sizeof(*record));
}

static void encode(struct budget *b, uint64_t now_ns)
{
	uint64_t *r = b->record;
	unsigned i;

	memset(r, 0, DISK_BLOCK);
	r[AT_MAGIC] = htole64(MAGIC);
	r[AT_SEQUENCE] = htole64(b->sequence);
	r[AT_WALL] = htole64(clock_wall_ns());
	r[AT_TIME] = htole64(now_ns + b->ahead_ns);
	r[AT_SLOT] = htole64(b->slot);
	for (i = 0; i < BUDGET_SLOTS; i++)
		r[AT_SLOTS + i] = htole64(b->slots[i]);
	memcpy(r + AT_NAME, b->name, strlen(b->name));
	r[AT_HASH] = htole64(hash_of(r));
}

static uint64_t offset_of(const struct budget *b)
{
	return b->sequence % RECORDS * DISK_BLOCK;
}

static bool whole(const struct budget *b)
{
	const uint64_t *r = b->record;

	return le64toh(r[AT_MAGIC]) == MAGIC && le64toh(r[AT_HASH]) == hash_of(r) &&
	       strncmp((const char *)(r + AT_NAME), b->name, BUDGET_NAME_MAX + 1) == 0;
}

static void decode(struct budget *b, uint64_t now_ns, uint64_t wall_ns)
{
	const uint64_t *r = b->record;
	uint64_t written_ns = le64toh(r[AT_WALL]), time_ns = le64toh(r[AT_TIME]);
	unsigned i;

	b->sequence = le64toh(r[AT_SEQUENCE]);
	b->slot = le64toh(r[AT_SLOT]);
	for (i = 0; i < BUDGET_SLOTS; i++)
		b->slots[i] = le64toh(r[AT_SLOTS + i]);
	/* Not backwards. */
	b->ahead_ns = time_ns + (wall_ns > written_ns ? wall_ns - written_ns : 0) - now_ns;
}

/* The newer of its records. 1: there is one; 0: there was never any; or -errno. */
static int load(struct budget *b, uint64_t now_ns, uint64_t wall_ns)
{
	bool found = false, used = false;
	uint64_t best = 0;
	unsigned i, k;

	for (i = 0; i < RECORDS; i++) {
		int64_t n = disk_read(b->fd, b->record, DISK_BLOCK, (uint64_t)i * DISK_BLOCK);
		if (n < 0)
			return (int)n;
		if (n < DISK_BLOCK)
			continue;
		for (k = 0; k < BUDGET_WORDS; k++)
			used = used || b->record[k] != 0;
		if (!whole(b) || (found && le64toh(b->record[AT_SEQUENCE]) < best))
			continue;
		found = true;
		best = le64toh(b->record[AT_SEQUENCE]);
		decode(b, now_ns, wall_ns);
	}
	return found ? 1 : used ? -EBADMSG : 0;
}

static int prepare(struct budget *b, int directory, const char *file, uint64_t now_ns, uint64_t wall_ns)
{
	int r;

	b->fd = disk_open(directory, file, DISK_WRITE | DISK_DIRECT | DISK_DSYNC);
	if (b->fd == -ENOENT)
		b->fd = disk_open(directory, file, DISK_CREATE | DISK_WRITE | DISK_DIRECT | DISK_DSYNC);
	if (b->fd < 0)
		return b->fd;
	r = load(b, now_ns, wall_ns);
	if (r != 0 && r != -EBADMSG)
		return r < 0 ? r : 0;
	/* From slot 1: 0 is nobody's. */
	b->ahead_ns = BUDGET_SLOT_NS - now_ns;
	b->slot = 1;
	b->damaged = r == -EBADMSG;
	b->slots[1] = b->damaged ? UINT32_MAX : 0;
	for (b->sequence = 1; b->sequence <= RECORDS; b->sequence++) {
		int64_t n;
		encode(b, now_ns);
		n = disk_write(b->fd, b->record, DISK_BLOCK, offset_of(b));
		if (n != DISK_BLOCK)
			return n < 0 ? (int)n : -EIO;
	}
	b->sequence--;
	r = disk_sync(b->fd);
	return r < 0 ? r : disk_sync(directory);
}

uint64_t budget_file(const char *name)
{
	return queue_hash(name, strlen(name));
}

int budget_open(struct budget **out, int directory, const char *name, uint64_t now_ns, uint64_t wall_ns)
{
	struct budget *b = calloc(1, sizeof(*b));
	void *record;
	char file[32];
	int r;

	if (!b || posix_memalign(&record, DISK_BLOCK, DISK_BLOCK) != 0) {
		free(b);
		return -ENOMEM;
	}
	memset(record, 0, DISK_BLOCK);
	b->record = record;
	b->fd = -1;
	snprintf(b->name, sizeof(b->name), "%s", name);
	snprintf(file, sizeof(file), "%016llx", (unsigned long long)budget_file(name));
	r = prepare(b, directory, file, now_ns, wall_ns);
	if (r < 0)
		budget_close(b);
	else
		*out = b;
	return r;
}

void budget_close(struct budget *budget)
{
	if (!budget)
		return;
	if (budget->fd >= 0)
		disk_close(budget->fd);
	free(budget->record);
	free(budget);
}

/* ---- writing ahead ----------------------------------------------------------------------------------------------- */

static void let_go(struct budget *b)
{
	/* Before it is looked who waits (budget_wait()). */
	atomic_store(&b->writing, false);
}

static void add_credit(struct budget *b, uint64_t slot, uint64_t n)
{
	uint64_t credit = atomic_load_explicit(&b->credit, memory_order_relaxed);

	while (slot_of_word(credit) == slot &&
	       !atomic_compare_exchange_weak_explicit(&b->credit, &credit, credit + n, memory_order_acq_rel,
						      memory_order_relaxed))
		;
}

static void on_written(struct ring_op *op, int result, uint32_t flags)
{
	struct budget *b = (struct budget *)((char *)op - offsetof(struct budget, op));
	void (*written)(void *, int) = b->written;
	void *context = b->context;

	result = result == DISK_BLOCK ? 0 : result < 0 ? result : -EIO;
	/* What may be on disk or not was not given to anybody; the record before says what was, and stays. */
	if (result < 0) {
		b->slots[b->slot % BUDGET_SLOTS] -= b->added;
		b->sequence--;
		atomic_fetch_add(&b->free, b->added);
		b->added = 0;
	}
	add_credit(b, b->slot, b->left + b->added);
	let_go(b);
	written(context, result);
}

bool budget_wait(struct budget *b, unsigned lane)
{
	atomic_fetch_or(&b->waiting, UINT64_C(1) << lane);
	return atomic_load(&b->writing);
}

uint64_t budget_waiting(struct budget *b)
{
	return atomic_load_explicit(&b->waiting, memory_order_relaxed) ? atomic_exchange(&b->waiting, 0) : 0;
}

/* Slots go by; what was written ahead and not spent in one that is over is free again. */
static uint64_t move_on(struct budget *b, uint64_t slot)
{
	uint64_t credit = atomic_exchange_explicit(&b->credit, word(slot, 0), memory_order_acq_rel);
	uint64_t left = amount_of(credit), *of = &b->slots[slot_of_word(credit) % BUDGET_SLOTS];

	if (slot_of_word(credit) != slot) {
		*of -= left < *of ? left : *of;
		left = 0;
	}
	if (slot >= b->slot + BUDGET_SLOTS)
		memset(b->slots, 0, sizeof(b->slots));
	for (; b->slot < slot; b->slot++) {
		if (b->slot + BUDGET_SLOTS > slot)
			b->slots[(b->slot + 1) % BUDGET_SLOTS] = 0;
	}
	return left;
}

static uint64_t sum_of(const struct budget *b)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < BUDGET_SLOTS; i++)
		sum += b->slots[i];
	return sum;
}

/* When so many more will be free. */
static uint64_t when_free_ns(const struct budget *b, uint64_t needed)
{
	uint64_t sum = 0, slot = b->slot + 1;

	/* The slot after the newest takes the place of the oldest. */
	for (; slot <= b->slot + BUDGET_SLOTS; slot++) {
		sum += b->slots[slot % BUDGET_SLOTS];
		if (sum >= needed)
			break;
	}
	return begin_ns(b, slot);
}

/* The caller has `writing`. */
static enum budget_answer write_ahead(struct budget *b, uint64_t now_ns, uint64_t n, uint64_t most, struct ring *ring,
				      uint64_t *when_ns)
{
	uint64_t slot = slot_at(b, now_ns), left, sum, free_now, ahead = most / AHEAD_PARTS;

	/* Another thread's clock was ahead. */
	if (slot < b->slot)
		slot = b->slot;
	left = move_on(b, slot);
	sum = sum_of(b);
	free_now = sum < most ? most - sum : 0;
	if (left + free_now < n) {
		add_credit(b, slot, left);
		*when_ns = when_free_ns(b, n - left - free_now);
		atomic_store_explicit(&b->free, free_now, memory_order_relaxed);
		atomic_store_explicit(&b->look_ns, begin_ns(b, slot + 1), memory_order_relaxed);
		let_go(b);
		return BUDGET_NOTHING;
	}
	ahead = ahead < n ? n : ahead;
	ahead = ahead < free_now ? ahead : free_now;
	b->slots[slot % BUDGET_SLOTS] += ahead;
	b->added = ahead;
	b->left = left;
	b->sequence++;
	atomic_store_explicit(&b->free, free_now - ahead, memory_order_relaxed);
	atomic_store_explicit(&b->look_ns, begin_ns(b, slot + 1), memory_order_relaxed);
	encode(b, now_ns);
	b->op.fn = on_written;
	ring_write(ring, &b->op, b->fd, b->record, DISK_BLOCK, offset_of(b));
	return BUDGET_WRITES;
}

enum budget_answer budget_take(struct budget *b, uint64_t now_ns, uint64_t n, uint64_t most, struct ring *ring,
			       void (*written)(void *context, int result), void *context, uint64_t *when_ns)
{
	uint64_t credit = atomic_load_explicit(&b->credit, memory_order_acquire), slot = slot_at(b, now_ns);

	while (slot_of_word(credit) == slot && amount_of(credit) >= n) {
		if (atomic_compare_exchange_weak_explicit(&b->credit, &credit, credit - n, memory_order_acq_rel,
							  memory_order_acquire))
			return BUDGET_GRANTED;
	}
	if (atomic_exchange_explicit(&b->writing, true, memory_order_acquire))
		return BUDGET_WAIT;
	b->written = written;
	b->context = context;
	return write_ahead(b, now_ns, n, most, ring, when_ns);
}

void budget_give_back(struct budget *b, uint64_t then_ns, uint64_t n)
{
	/* Of a slot that is over it comes back by itself. */
	add_credit(b, slot_at(b, then_ns), n);
}

uint64_t budget_left(struct budget *b, uint64_t now_ns, uint64_t *when_ns)
{
	uint64_t look_ns = atomic_load_explicit(&b->look_ns, memory_order_relaxed);
	uint64_t credit = atomic_load_explicit(&b->credit, memory_order_relaxed);

	*when_ns = look_ns;
	if (now_ns >= look_ns)
		return UINT32_MAX;
	return (slot_of_word(credit) == slot_at(b, now_ns) ? amount_of(credit) : 0) +
	       atomic_load_explicit(&b->free, memory_order_relaxed);
}
