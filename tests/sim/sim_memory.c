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

#include "tests/sim/poison.h"
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
	size_t size;   /* of the heap, where it may be kept; else 0 */
};

static struct {
	struct sim_block *slots;
	size_t capacity, used, live; /* `used` counts gone ones too */
	int depth;
	bool sure;
	uint64_t count, fail_at, fail_until;
} sim_memory;

#define SIM_GONE ((void *)1)

/*
 * Large blocks that the engine has given back, for the next one of the same size. A simulated process lives for
 * milliseconds and reads each segment into a buffer of megabytes: the kernel would have to clear it page by page, which
 * was more than half of the time of a run. Until then they are poisoned, like all that was freed.
 */
enum { SIM_LARGE = 64 << 10, SIM_KEPT = 128, SIM_KEPT_LARGEST = 32 << 20 };

static struct {
	void *memory;
	size_t size;
} sim_kept[SIM_KEPT];
static unsigned sim_kept_next;

static void sim_kept_drop(unsigned i)
{
	if (!sim_kept[i].memory)
		return;
	ASAN_UNPOISON_MEMORY_REGION(sim_kept[i].memory, sim_kept[i].size);
	__real_free(sim_kept[i].memory);
	sim_kept[i].memory = NULL;
}

/* `size`: 0 for what is not to be kept. */
static void sim_give_back(void *memory, size_t size)
{
	unsigned i = sim_kept_next;

	if (size < SIM_LARGE || size > SIM_KEPT_LARGEST) {
		__real_free(memory);
		return;
	}
	sim_kept_drop(i);
	sim_kept[i].memory = memory;
	sim_kept[i].size = size;
	sim_kept_next = (i + 1) % SIM_KEPT;
	ASAN_POISON_MEMORY_REGION(memory, size);
}

/* NULL: there is none of that size. */
static void *sim_kept_take(size_t size, size_t alignment)
{
	for (unsigned i = 0; size >= SIM_LARGE && i < SIM_KEPT; i++) {
		void *memory = sim_kept[i].memory;
		if (!memory || sim_kept[i].size != size || (uintptr_t)memory % alignment)
			continue;
		sim_kept[i].memory = NULL;
		ASAN_UNPOISON_MEMORY_REGION(memory, size);
		return memory;
	}
	return NULL;
}

static size_t sim_memory_slot(const void *memory)
{
	uint64_t h = (uint64_t)(uintptr_t)memory >> 4;
	h *= UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(h >> 20) & (sim_memory.capacity - 1);
}

static void sim_memory_put(void *memory, size_t mapped, size_t size)
{
	size_t i = sim_memory_slot(memory);
	while (sim_memory.slots[i].memory && sim_memory.slots[i].memory != SIM_GONE)
		i = (i + 1) & (sim_memory.capacity - 1);
	sim_memory.used += !sim_memory.slots[i].memory;
	sim_memory.live++;
	sim_memory.slots[i] = (struct sim_block){memory, mapped, size};
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
			sim_memory_put(old[i].memory, old[i].mapped, old[i].size);
	__real_free(old);
}

static bool sim_memory_counts(void)
{
	return sim_memory.depth > 0;
}

static void *sim_memory_note(void *memory, size_t mapped, size_t size)
{
	if (memory && memory != MAP_FAILED && sim_memory_counts()) {
		if (2 * (sim_memory.used + 1) > sim_memory.capacity)
			sim_memory_grow();
		sim_memory_put(memory, mapped, size);
	}
	return memory;
}

/* Its size, if it may be kept. */
static size_t sim_memory_forget(const void *memory)
{
	if (!memory || !sim_memory.capacity)
		return 0;
	size_t i = sim_memory_slot(memory);
	for (; sim_memory.slots[i].memory; i = (i + 1) & (sim_memory.capacity - 1)) {
		if (sim_memory.slots[i].memory != memory)
			continue;
		sim_memory.slots[i].memory = SIM_GONE;
		sim_memory.live--;
		return sim_memory.slots[i].size;
	}
	return 0;
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
			sim_give_back(block->memory, block->size);
	}
	if (sim_memory.capacity)
		memset(sim_memory.slots, 0, sim_memory.capacity * sizeof(*sim_memory.slots));
	sim_memory.used = sim_memory.live = 0;
}

/* What is still allocated stays the engine's: a leak is for LeakSanitizer to report. */
void sim_memory_end(void)
{
	for (unsigned i = 0; i < SIM_KEPT; i++)
		sim_kept_drop(i);
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
	void *memory;

	if (sim_memory_refuse())
		return sim_memory_fail();
	memory = sim_memory_counts() ? sim_kept_take(size, 1) : NULL;
	return sim_memory_note(memory ? memory : __real_malloc(size), 0, size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	size_t octets = size && count > SIM_KEPT_LARGEST / size ? 0 : count * size;
	void *memory;

	if (sim_memory_refuse())
		return sim_memory_fail();
	memory = sim_memory_counts() ? sim_kept_take(octets, 1) : NULL;
	if (memory)
		memset(memory, 0, octets);
	return sim_memory_note(memory ? memory : __real_calloc(count, size), 0, octets);
}

void *__wrap_realloc(void *memory, size_t size)
{
	if (sim_memory_refuse())
		return sim_memory_fail();
	(void)sim_memory_forget(memory);
	return sim_memory_note(__real_realloc(memory, size), 0, size);
}

void __wrap_free(void *memory)
{
	sim_give_back(memory, sim_memory_forget(memory));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	void *memory;

	if (sim_memory_refuse())
		return sim_memory_fail();
	memory = sim_memory_counts() ? sim_kept_take(size, alignment) : NULL;
	return sim_memory_note(memory ? memory : __real_aligned_alloc(alignment, size), 0, size);
}

int __wrap_posix_memalign(void **out, size_t alignment, size_t size)
{
	int error = 0;

	if (sim_memory_refuse())
		return ENOMEM;
	*out = sim_memory_counts() ? sim_kept_take(size, alignment) : NULL;
	if (!*out)
		error = __real_posix_memalign(out, alignment, size);
	if (!error)
		sim_memory_note(*out, 0, size);
	return error;
}

char *__wrap_strdup(const char *text)
{
	return sim_memory_refuse() ? sim_memory_fail() : sim_memory_note(__real_strdup(text), 0, 0);
}

char *__wrap_strndup(const char *text, size_t length)
{
	return sim_memory_refuse() ? sim_memory_fail() : sim_memory_note(__real_strndup(text, length), 0, 0);
}

void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	if (sim_memory_refuse()) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return sim_memory_note(__real_mmap(address, length, protection, flags, fd, offset), length, 0);
}

int __wrap_munmap(void *address, size_t length)
{
	(void)sim_memory_forget(address);
	return __real_munmap(address, length);
}
