/*
 * tests/sim/sim_memory.c - the engine's allocations: tracked, failed on demand, freed by a crash.
 *
 * The test programs are linked with -Wl,--wrap for the functions at the end of this file. Between
 * world_engine_enter() and world_engine_leave() what they allocate is noted in a table of addresses; a crash
 * frees what is still in it. The world's own memory comes from world_alloc(), which goes round it.
 * The table is never iterated in an order that could reach the simulation, so addresses do not disturb a seed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/sim/sim.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **out, size_t alignment, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
void *__real_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t length);

struct sim_block {
	void *memory;  /* NULL: never used; SIM_GONE: used once */
	size_t mapped; /* octets of a mapping; 0: from the heap */
};

static struct {
	struct sim_block *slots;
	size_t capacity, used, live; /* `used` counts gone ones too */
	int depth;
	bool sure;
	uint64_t count, fail_at, fail_until;
} sim_memory;

#define SIM_GONE ((void *)1)

static size_t sim_memory_slot(const void *memory)
{
	uint64_t h = (uint64_t)(uintptr_t)memory >> 4;
	h *= UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(h >> 20) & (sim_memory.capacity - 1);
}

static void sim_memory_put(void *memory, size_t mapped)
{
	size_t i = sim_memory_slot(memory);
	while (sim_memory.slots[i].memory && sim_memory.slots[i].memory != SIM_GONE)
		i = (i + 1) & (sim_memory.capacity - 1);
	sim_memory.used += !sim_memory.slots[i].memory;
	sim_memory.live++;
	sim_memory.slots[i] = (struct sim_block){memory, mapped};
}

static void sim_memory_grow(void)
{
	struct sim_block *old = sim_memory.slots;
	size_t old_capacity = sim_memory.capacity;
	sim_memory.capacity = sim_memory.live * 4 > 1024 ? old_capacity * 2 : 4096;
	if (sim_memory.capacity < old_capacity)
		sim_memory.capacity = old_capacity;
	sim_memory.slots = __real_calloc(sim_memory.capacity, sizeof(*sim_memory.slots));
	if (!sim_memory.slots)
		abort();
	sim_memory.used = sim_memory.live = 0;
	for (size_t i = 0; i < old_capacity; i++)
		if (old[i].memory && old[i].memory != SIM_GONE)
			sim_memory_put(old[i].memory, old[i].mapped);
	__real_free(old);
}

static bool sim_memory_counts(void)
{
	return sim_memory.depth > 0;
}

static void *sim_memory_note(void *memory, size_t mapped)
{
	if (memory && memory != MAP_FAILED && sim_memory_counts()) {
		if (2 * (sim_memory.used + 1) > sim_memory.capacity)
			sim_memory_grow();
		sim_memory_put(memory, mapped);
	}
	return memory;
}

static void sim_memory_forget(const void *memory)
{
	if (!memory || !sim_memory.capacity)
		return;
	size_t i = sim_memory_slot(memory);
	for (; sim_memory.slots[i].memory; i = (i + 1) & (sim_memory.capacity - 1)) {
		if (sim_memory.slots[i].memory != memory)
			continue;
		sim_memory.slots[i].memory = SIM_GONE;
		sim_memory.live--;
		return;
	}
}

/* Is this the allocation that shall fail? */
static bool sim_memory_refuse(void)
{
	if (!sim_memory_counts() || sim_memory.sure)
		return false;
	sim_memory.count++;
	return sim_memory.fail_at && sim_memory.count >= sim_memory.fail_at && sim_memory.count < sim_memory.fail_until;
}

int sim_memory_depth(void)
{
	return sim_memory.depth;
}

void sim_memory_reset(int depth)
{
	sim_memory.depth = depth;
}

void sim_memory_crash(void)
{
	for (size_t i = 0; i < sim_memory.capacity; i++) {
		struct sim_block *block = &sim_memory.slots[i];
		if (!block->memory || block->memory == SIM_GONE)
			continue;
		if (block->mapped)
			__real_munmap(block->memory, block->mapped);
		else
			__real_free(block->memory);
	}
	if (sim_memory.capacity)
		memset(sim_memory.slots, 0, sim_memory.capacity * sizeof(*sim_memory.slots));
	sim_memory.used = sim_memory.live = 0;
}

/* What is still allocated stays the engine's: a leak is for LeakSanitizer to report. */
void sim_memory_end(void)
{
	__real_free(sim_memory.slots);
	memset(&sim_memory, 0, sizeof(sim_memory));
}

void world_engine_enter(void)
{
	sim_memory.depth++;
}

void world_engine_leave(void)
{
	sim_memory.depth--;
}

void world_memory_sure(bool sure)
{
	sim_memory.sure = sure;
}

void world_fail_allocation(uint64_t nth)
{
	world_fail_allocations(nth, 1);
}

void world_fail_allocations(uint64_t nth, uint64_t count)
{
	sim_memory.fail_at = nth ? sim_memory.count + nth : 0;
	sim_memory.fail_until = sim_memory.fail_at + count;
}

uint64_t world_allocations(void)
{
	return sim_memory.count;
}

size_t world_allocations_live(void)
{
	return sim_memory.live;
}

void *world_alloc(size_t size)
{
	void *memory = __real_calloc(1, size ? size : 1);
	if (!memory)
		abort();
	return memory;
}

void *world_realloc(void *memory, size_t size)
{
	memory = __real_realloc(memory, size);
	if (!memory)
		abort();
	return memory;
}

void world_release(void *memory)
{
	__real_free(memory);
}

/* The linker puts these in place of the functions without __wrap_. */

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **out, size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);
void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *address, size_t length);

static void *sim_memory_fail(void)
{
	errno = ENOMEM;
	return NULL;
}

void *__wrap_malloc(size_t size)
{
	return sim_memory_refuse() ? sim_memory_fail() : sim_memory_note(__real_malloc(size), 0);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return sim_memory_refuse() ? sim_memory_fail() : sim_memory_note(__real_calloc(count, size), 0);
}

void *__wrap_realloc(void *memory, size_t size)
{
	if (sim_memory_refuse())
		return sim_memory_fail();
	sim_memory_forget(memory);
	return sim_memory_note(__real_realloc(memory, size), 0);
}

void __wrap_free(void *memory)
{
	sim_memory_forget(memory);
	__real_free(memory);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return sim_memory_refuse() ? sim_memory_fail() : sim_memory_note(__real_aligned_alloc(alignment, size), 0);
}

int __wrap_posix_memalign(void **out, size_t alignment, size_t size)
{
	if (sim_memory_refuse())
		return ENOMEM;
	int error = __real_posix_memalign(out, alignment, size);
	if (!error)
		sim_memory_note(*out, 0);
	return error;
}

char *__wrap_strdup(const char *text)
{
	return sim_memory_refuse() ? sim_memory_fail() : sim_memory_note(__real_strdup(text), 0);
}

char *__wrap_strndup(const char *text, size_t length)
{
	return sim_memory_refuse() ? sim_memory_fail() : sim_memory_note(__real_strndup(text, length), 0);
}

void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	if (sim_memory_refuse()) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return sim_memory_note(__real_mmap(address, length, protection, flags, fd, offset), length);
}

int __wrap_munmap(void *address, size_t length)
{
	sim_memory_forget(address);
	return __real_munmap(address, length);
}
