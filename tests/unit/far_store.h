/*
 * tests/unit/far_store.h - a second implementation of queue/segment_store.h: slots in memory, far away.
 *
 * It takes 5 ms for every operation, completes them in any order, reads and writes less than it was asked for, forgets
 * at a crash whatever it has not promised, and ends the program when the log does what the contract does not allow.
 * Clock and chance are here, too: whoever includes it links no others.
 */
#ifndef POSTRIDER_TESTS_FAR_STORE_H
#define POSTRIDER_TESTS_FAR_STORE_H

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/base/ring.h"
#include "queue/segment_store.h"

enum { STORES = 2, SLOTS = 96, HANDLES = 64, OPS = 32, FAR_NS = 5 * 1000 * 1000 };

/* ---- clock and chance ---- */

static uint64_t now_ns = CLOCK_NS_PER_S, chance_state = 1;

uint64_t clock_monotonic_ns(void)
{
	return now_ns;
}

uint64_t clock_wall_ns(void)
{
	return now_ns;
}

static uint64_t chance(uint64_t below)
{
	chance_state = chance_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (chance_state >> 33) % below;
}

void random_bytes(void *out, size_t length)
{
	for (size_t i = 0; i < length; i++)
		((uint8_t *)out)[i] = (uint8_t)chance(256);
}

/* ---- the store ---- */

struct ring {
	int none; /* operations wait in `ops` */
};

/* What a crash leaves: `lasting`, or what was changed since. */
struct slot {
	uint32_t number;
	enum segment_kind kind, kind_lasting;
	bool used, used_lasting;
	unsigned opens;
	uint32_t size, size_lasting;
	uint8_t *octets;
};

struct segment_store {
	struct slot slots[SLOTS];
	unsigned limit; /* slots there are */
	bool open;
};

static struct segment_store stores[STORES];
static struct handle {
	struct slot *slot; /* NULL: closed */
	bool write;
} handles[HANDLES];
static struct op {
	enum { OP_NONE, OP_READ, OP_WRITE, OP_ZERO, OP_SYNC, OP_STORE_SYNC } what;
	struct segment_store *store;
	struct ring_op *op;
	struct handle *handle;
	uint8_t *data;
	size_t length;
	uint64_t offset, due_ns;
} ops[OPS];

static void contract(bool kept, const char *sentence)
{
	if (kept)
		return;
	fprintf(stderr, "queue/segment_store.h: %s\n", sentence);
	abort();
}

int segment_store_open(struct segment_store **out, int place)
{
	contract(!stores[place].open, "a place has one user");
	stores[place].open = true;
	*out = &stores[place];
	return 0;
}

void segment_store_close(struct segment_store *store)
{
	if (!store)
		return;
	for (unsigned i = 0; i < SLOTS; i++)
		contract(store->slots[i].opens == 0, "handles are closed before the store");
	store->open = false;
}

void segment_name(char out[SEGMENT_NAME_SIZE], uint32_t slot, enum segment_kind kind)
{
	snprintf(out, SEGMENT_NAME_SIZE, "slot %u (%u)", (unsigned)slot, (unsigned)kind);
}

static struct slot *slot_find(struct segment_store *store, uint32_t number)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (store->slots[i].used && store->slots[i].number == number)
			return &store->slots[i];
	return NULL;
}

int segment_list(struct segment_store *store, segment_list_fn *fn, void *context)
{
	for (unsigned i = SLOTS; i-- > 0;)
		if (store->slots[i].used)
			fn(context, store->slots[i].number, store->slots[i].kind);
	return 0;
}

static int handle_new(struct slot *slot, bool write)
{
	for (int i = 0; i < HANDLES; i++) {
		if (handles[i].slot)
			continue;
		handles[i] = (struct handle){.slot = slot, .write = write};
		slot->opens++;
		return i;
	}
	contract(false, "few handles are open at a time");
	return -EMFILE;
}

static struct handle *handle_of(int handle, bool write)
{
	contract(handle >= 0 && handle < HANDLES && handles[handle].slot, "the handle is open");
	contract(!write || handles[handle].write, "it was opened for writing");
	return &handles[handle];
}

int segment_open(struct segment_store *store, uint32_t slot, enum segment_kind kind, bool write)
{
	struct slot *found = slot_find(store, slot);
	contract(!found || found->kind == kind, "a slot has one kind");
	return found ? handle_new(found, write) : -ENOENT;
}

int segment_make(struct segment_store *store, uint32_t slot, uint32_t size)
{
	struct slot *free_one = NULL;
	unsigned used = 0;
	contract(!slot_find(store, slot), "a number is used once");
	for (unsigned i = 0; i < SLOTS; i++) {
		used += store->slots[i].used;
		if (!store->slots[i].used && !store->slots[i].used_lasting)
			free_one = &store->slots[i];
	}
	if (used >= store->limit || !free_one)
		return -ENOSPC;
	free(free_one->octets);
	*free_one = (struct slot){.number = slot, .used = true, .size = size, .octets = calloc(1, size)};
	assert(free_one->octets);
	return handle_new(free_one, true);
}

void segment_close(struct segment_store *store, int handle)
{
	struct handle *h = handle_of(handle, false);
	for (unsigned i = 0; i < OPS; i++)
		contract(ops[i].what == OP_NONE || ops[i].handle != h, "nothing is in flight on what is closed");
	h->slot->opens--;
	h->slot = NULL;
}

int segment_retire(struct segment_store *store, uint32_t slot, enum segment_kind kind)
{
	struct slot *found = slot_find(store, slot);
	contract(found && found->kind == kind && found->opens == 0, "what is retired is there, and closed");
	found->used = false;
	return 0;
}

int segment_set_aside(struct segment_store *store, uint32_t slot, enum segment_kind from, enum segment_kind to)
{
	struct slot *found = slot_find(store, slot);
	contract(found && found->kind == from, "what is set aside is there");
	found->kind = to;
	return 0;
}

int64_t segment_size(struct segment_store *store, int handle)
{
	return handle_of(handle, false)->slot->size;
}

int segment_shorten(struct segment_store *store, int handle, uint32_t size)
{
	struct slot *slot = handle_of(handle, true)->slot;
	contract(size <= slot->size, "shorter, not longer");
	slot->size = size;
	return 0;
}

/* ---- its operations ---- */

static void blocks_check(const void *data, size_t length, uint64_t offset)
{
	contract((uintptr_t)data % SEGMENT_BLOCK == 0 && length % SEGMENT_BLOCK == 0 && offset % SEGMENT_BLOCK == 0,
		 "whole blocks, in aligned memory");
	contract(length > 0 && length <= 4u << 20, "a piece has at most some MiB");
}

static size_t read_from(const struct slot *slot, void *data, size_t length, uint64_t offset)
{
	if (offset >= slot->size)
		return 0;
	size_t there = slot->size - offset < length ? slot->size - (size_t)offset : length;
	memcpy(data, slot->octets + offset, there);
	return there;
}

static void write_to(struct slot *slot, const uint8_t *data, size_t length, uint64_t offset)
{
	contract(offset + length <= slot->size, "no write goes beyond the end");
	memcpy(slot->octets + offset, data, length);
}

static void sync_slot(struct slot *slot)
{
	slot->size_lasting = slot->size;
}

static void sync_store(struct segment_store *store)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *slot = &store->slots[i];
		if (slot->used && !slot->used_lasting)
			slot->size_lasting = slot->size;
		slot->used_lasting = slot->used;
		slot->kind_lasting = slot->kind;
	}
}

int64_t segment_read_now(struct segment_store *store, int handle, void *data, size_t length, uint64_t offset)
{
	now_ns += FAR_NS;
	blocks_check(data, length, offset);
	return (int64_t)read_from(handle_of(handle, false)->slot, data, length, offset);
}

int segment_write_now(struct segment_store *store, int handle, const void *data, size_t length, uint64_t offset)
{
	now_ns += FAR_NS;
	blocks_check(data, length, offset);
	write_to(handle_of(handle, true)->slot, data, length, offset);
	return 0;
}

int segment_zero_now(struct segment_store *store, int handle, uint32_t length)
{
	struct slot *slot = handle_of(handle, true)->slot;
	now_ns += FAR_NS;
	contract(length <= slot->size, "no zeros beyond the end");
	memset(slot->octets, 0, length);
	return 0;
}

int segment_sync_now(struct segment_store *store, int handle)
{
	now_ns += FAR_NS;
	sync_slot(handle_of(handle, false)->slot);
	return 0;
}

int segment_store_sync_now(struct segment_store *store)
{
	now_ns += FAR_NS;
	sync_store(store);
	return 0;
}

static void op_new(const struct op *what)
{
	contract(!what->op->in_flight, "an op is in flight once");
	for (unsigned i = 0; i < OPS; i++) {
		if (ops[i].what != OP_NONE)
			continue;
		ops[i] = *what;
		ops[i].due_ns = now_ns + FAR_NS + chance(FAR_NS);
		what->op->in_flight = true;
		return;
	}
	contract(false, "few operations are in flight");
}

void segment_read(struct segment_store *store, struct ring *ring, struct ring_op *op, int handle, void *data,
		  size_t length, uint64_t offset)
{
	blocks_check(data, length, offset);
	op_new(&(struct op){OP_READ, store, op, handle_of(handle, false), data, length, offset, 0});
}

void segment_write(struct segment_store *store, struct ring *ring, struct ring_op *op, int handle, const void *data,
		   size_t length, uint64_t offset)
{
	blocks_check(data, length, offset);
	op_new(&(struct op){OP_WRITE, store, op, handle_of(handle, true), (void *)(uintptr_t)data, length, offset, 0});
}

void segment_zero(struct segment_store *store, struct ring *ring, struct ring_op *op, int handle, uint32_t length,
		  uint64_t offset)
{
	/* In pieces that are nobody else's. */
	uint32_t piece = length < 768 * 1024 ? length : 768 * 1024;
	op_new(&(struct op){OP_ZERO, store, op, handle_of(handle, true), NULL, piece, offset, 0});
}

void segment_sync(struct segment_store *store, struct ring *ring, struct ring_op *op, int handle)
{
	op_new(&(struct op){OP_SYNC, store, op, handle_of(handle, false), NULL, 0, 0, 0});
}

void segment_store_sync(struct segment_store *store, struct ring *ring, struct ring_op *op)
{
	op_new(&(struct op){OP_STORE_SYNC, store, op, NULL, NULL, 0, 0, 0});
}

static int op_effect(const struct op *o)
{
	/* Often only the first blocks. */
	size_t some = o->length > SEGMENT_BLOCK && chance(o->what == OP_READ ? 2 : 8) == 0 ? SEGMENT_BLOCK : o->length;

	switch (o->what) {
	case OP_READ:
		return (int)read_from(o->handle->slot, o->data, some, o->offset);
	case OP_WRITE:
		write_to(o->handle->slot, o->data, some, o->offset);
		return (int)some;
	case OP_ZERO:
		contract(o->offset + o->length <= o->handle->slot->size, "no zeros beyond the end");
		memset(o->handle->slot->octets + o->offset, 0, o->length);
		return (int)o->length;
	case OP_SYNC:
		sync_slot(o->handle->slot);
		return 0;
	case OP_STORE_SYNC:
		sync_store(o->store);
		return 0;
	case OP_NONE:
		break;
	}
	return -EINVAL;
}

/* The next operation completes. */
static bool store_turn(void)
{
	struct op *next = NULL;
	for (unsigned i = 0; i < OPS; i++)
		if (ops[i].what != OP_NONE && (!next || ops[i].due_ns < next->due_ns))
			next = &ops[i];
	if (!next)
		return false;
	struct op done = *next;
	if (done.due_ns > now_ns)
		now_ns = done.due_ns;
	int result = op_effect(&done);
	next->what = OP_NONE;
	done.op->in_flight = false;
	done.op->fn(done.op, result, 0);
	return true;
}

/* ---- a crash ---- */

static struct segment_store crashed[STORES];

static void image_free(struct segment_store *store)
{
	for (unsigned i = 0; i < SLOTS; i++)
		free(store->slots[i].octets);
	*store = (struct segment_store){0};
}

static void image_slot(struct slot *out, const struct slot *slot)
{
	*out = *slot;
	out->octets = NULL;
	out->opens = 0;
	if (!slot->octets || (!slot->used && !slot->used_lasting))
		return;
	out->octets = malloc(slot->size_lasting > slot->size ? slot->size_lasting : slot->size);
	assert(out->octets);
	memcpy(out->octets, slot->octets, slot->size_lasting > slot->size ? slot->size_lasting : slot->size);
	if (slot->used != slot->used_lasting)
		out->used = chance(2);
	if (slot->kind != slot->kind_lasting && slot->used_lasting)
		out->kind = chance(2) ? slot->kind : slot->kind_lasting;
	if (slot->size < slot->size_lasting && chance(2))
		out->size = slot->size_lasting;
	out->used_lasting = out->used;
	out->kind_lasting = out->kind;
}

/* What there would be after a crash at this moment. */
static void image_take(void)
{
	for (unsigned s = 0; s < STORES; s++) {
		image_free(&crashed[s]);
		crashed[s].limit = stores[s].limit;
		for (unsigned i = 0; i < SLOTS; i++)
			image_slot(&crashed[s].slots[i], &stores[s].slots[i]);
	}
	for (unsigned i = 0; i < OPS; i++) {
		const struct op *o = &ops[i];
		if (o->what != OP_WRITE)
			continue;
		struct slot *slot = &crashed[o->store - stores].slots[o->handle->slot - o->store->slots];
		for (size_t at = 0; slot->octets && at < o->length; at += SEGMENT_BLOCK)
			if (chance(2))
				memcpy(slot->octets + o->offset + at, o->data + at, SEGMENT_BLOCK);
	}
}

static void image_use(void)
{
	for (unsigned s = 0; s < STORES; s++) {
		image_free(&stores[s]);
		stores[s] = crashed[s];
		crashed[s] = (struct segment_store){0};
	}
}

#endif
