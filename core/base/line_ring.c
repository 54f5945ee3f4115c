/*
 * core/base/line_ring.c - see line_ring.h.
 */
#include "core/base/line_ring.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"

enum { CACHE_LINE = 64, NAME_AT = 44 };

/* {"time":"2026-03-01T07:12:09.113Z","event":"attempt", */
#define BEFORE_NAME "Z\",\"event\":\""

struct line_ring {
	_Alignas(CACHE_LINE) _Atomic(uint64_t) head;
	_Atomic(uint64_t) refused;
	uint64_t added; /* the producer's: beyond `head` they are not shown yet */
	_Alignas(CACHE_LINE) _Atomic(uint64_t) tail;
	_Atomic(uint64_t) mark, told;
	_Alignas(CACHE_LINE) size_t size;
	char data[];
};

/* lines_kept.c has a word in its files that changes with this. */
static_assert(offsetof(struct line_ring, size) == 2 * CACHE_LINE, "as files of other processes have it");

size_t line_ring_footprint(size_t size)
{
	return (sizeof(struct line_ring) + size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

struct line_ring *line_ring_make(void *memory, size_t size)
{
	struct line_ring *ring = memory;

	assert(size >= LOG_EVENT_MAX && (size & (size - 1)) == 0);
	atomic_init(&ring->head, 0);
	ring->added = 0;
	atomic_init(&ring->tail, 0);
	atomic_init(&ring->refused, 0);
	atomic_init(&ring->mark, 0);
	atomic_init(&ring->told, 0);
	ring->size = size;
	return ring;
}

struct line_ring *line_ring_new(size_t size)
{
	void *memory = aligned_alloc(CACHE_LINE, line_ring_footprint(size));

	return memory ? line_ring_make(memory, size) : NULL;
}

void line_ring_free(struct line_ring *ring)
{
	free(ring);
}

bool line_ring_add(struct line_ring *ring, const char *line, size_t length)
{
	uint64_t head = ring->added;
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	size_t at = head & (ring->size - 1), first = ring->size - at < length ? ring->size - at : length;

	if (length > ring->size - (size_t)(head - tail)) {
		atomic_fetch_add_explicit(&ring->refused, 1, memory_order_relaxed);
		return false;
	}
	memcpy(ring->data + at, line, first);
	memcpy(ring->data, line + first, length - first);
	ring->added = head + length;
	return true;
}

void line_ring_show(struct line_ring *ring)
{
	atomic_store_explicit(&ring->head, ring->added, memory_order_release);
}

bool line_ring_put(struct line_ring *ring, const char *line, size_t length)
{
	bool added = line_ring_add(ring, line, length);

	line_ring_show(ring);
	return added;
}

uint64_t line_ring_refused(const struct line_ring *ring)
{
	return atomic_load_explicit(&ring->refused, memory_order_relaxed);
}

size_t line_ring_look(const struct line_ring *ring, char *out, size_t size)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	size_t length = head - tail < size ? (size_t)(head - tail) : size;
	size_t at = tail & (ring->size - 1), first = ring->size - at < length ? ring->size - at : length;
	const char *end;

	if (length == 0)
		return 0;
	memcpy(out, ring->data + at, first);
	memcpy(out + first, ring->data, length - first);
	end = memrchr(out, '\n', length);
	assert(end);
	return (size_t)(end + 1 - out);
}

void line_ring_drop(struct line_ring *ring, size_t length, uint64_t mark)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	/* Killed in between: some come twice, and none is passed over. */
	atomic_store_explicit(&ring->mark, mark, memory_order_release);
	atomic_store_explicit(&ring->tail, tail + length, memory_order_release);
}

size_t line_ring_take(struct line_ring *ring, char *out, size_t size)
{
	size_t length = line_ring_look(ring, out, size);

	line_ring_drop(ring, length, 0);
	return length;
}

uint64_t line_ring_mark(const struct line_ring *ring)
{
	return atomic_load_explicit(&ring->mark, memory_order_relaxed);
}

uint64_t line_ring_told(const struct line_ring *ring)
{
	return atomic_load_explicit(&ring->told, memory_order_relaxed);
}

void line_ring_tell(struct line_ring *ring, uint64_t refused)
{
	atomic_store_explicit(&ring->told, refused, memory_order_relaxed);
}

bool line_ring_is_empty(const struct line_ring *ring)
{
	return atomic_load_explicit(&ring->head, memory_order_acquire) ==
	       atomic_load_explicit(&ring->tail, memory_order_relaxed);
}

bool line_ring_is_sound(const struct line_ring *ring, size_t size)
{
	uint64_t at = atomic_load_explicit(&ring->tail, memory_order_acquire), line = at;
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

	if (ring->size != size || head < at || head - at > size)
		return false;
	for (; at < head; at++) {
		char c = ring->data[at & (size - 1)];
		if ((at == line && c != '{') || c == '\0' || at - line >= LOG_EVENT_MAX)
			return false;
		if (c == '\n')
			line = at + 1;
	}
	return line == head;
}

struct span line_event(const char *line, size_t length)
{
	const size_t before = sizeof(BEFORE_NAME) - 1;
	const char *name = line + NAME_AT, *end;

	if (length <= NAME_AT || memcmp(name - before, BEFORE_NAME, before) != 0)
		return (struct span){line, 0};
	end = memchr(name, '"', length - NAME_AT);
	return (struct span){name, end ? (uint32_t)(end - name) : 0};
}

bool line_is_usual(const char *line, size_t length)
{
	static const char accepted[] = "accepted\",\"level\":\"info\"", attempt[] = "attempt\",\"level\":\"info\"";
	const char *name = line + NAME_AT;

	return length > NAME_AT + sizeof(accepted) &&
	       (memcmp(name, accepted, sizeof(accepted) - 1) == 0 || memcmp(name, attempt, sizeof(attempt) - 1) == 0);
}

bool line_event_fits(struct span event, const char *name)
{
	size_t length;

	/* Most do not, and lines are many. */
	if (event.length > 0 && name[0] != '*' && name[0] != event.data[0])
		return false;
	length = strlen(name);
	if (length > 0 && name[length - 1] == '*')
		return event.length >= length - 1 && memcmp(event.data, name, length - 1) == 0;
	return event.length == length && memcmp(event.data, name, length) == 0;
}
