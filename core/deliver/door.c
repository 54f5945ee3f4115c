/*
 * core/deliver/door.c - see door.h.
 */
#include "core/deliver/door.h"

#include "core/base/clock.h"

enum { REFUSED_BITS = 15, OPEN = 15, REFUSED_MOST = 14, CLAIMED = 16, TIME_SHIFT = 5 };

static uint64_t time_of(uint64_t word)
{
	return word >> TIME_SHIFT << TIME_SHIFT;
}

static unsigned refused_of(uint64_t word)
{
	unsigned refused = word & REFUSED_BITS;

	return refused == OPEN ? 0 : refused;
}

static bool is_open(uint64_t word)
{
	return (word & REFUSED_BITS) == OPEN;
}

static uint64_t word_of(const struct door *door)
{
	return atomic_load_explicit(&((struct door *)(uintptr_t)door)->word, memory_order_relaxed);
}

bool door_free(const struct door *door, uint64_t now_ns, uint64_t *next_ns)
{
	uint64_t word = word_of(door), when_ns = time_of(word);
	/* With one refused there is no pause: somebody is saying one. */
	uint64_t poll_ms = refused_of(word) < 2 ? DOOR_POLL_MS : DOOR_POLL_MAX_MS;

	if (is_open(word) || when_ns <= now_ns)
		return true;
	if (when_ns > now_ns + poll_ms * CLOCK_NS_PER_MS)
		when_ns = now_ns + poll_ms * CLOCK_NS_PER_MS;
	if (when_ns < *next_ns)
		*next_ns = when_ns;
	return false;
}

bool door_refuses(const struct door *door)
{
	return refused_of(word_of(door)) > 0;
}

bool door_enter(struct door *door, uint64_t now_ns, uint64_t *claim)
{
	uint64_t word = word_of(door), until = time_of(now_ns + DOOR_LOGIN_MS * CLOCK_NS_PER_MS) | CLAIMED;

	if (*claim || is_open(word))
		return true;
	if (time_of(word) > now_ns ||
	    !atomic_compare_exchange_strong(&door->word, &word, until | (word & REFUSED_BITS)))
		return false;
	*claim = until;
	return true;
}

void door_leave(struct door *door, uint64_t *claim)
{
	uint64_t word = word_of(door);

	/* What came of it has been written there already, if anything has. */
	if (*claim && (word & ~(uint64_t)REFUSED_BITS) == *claim)
		(void)atomic_compare_exchange_strong(&door->word, &word, word & REFUSED_BITS);
	*claim = 0;
}

void door_accepted(struct door *door)
{
	if (!is_open(word_of(door)))
		atomic_store(&door->word, OPEN);
}

static uint64_t pause_ns(unsigned refused)
{
	uint64_t ms = DOOR_PAUSE_MS;

	if (refused < 2)
		return 0;
	while (refused-- > 2 && ms < DOOR_PAUSE_MAX_MS)
		ms *= 2;
	return (ms < DOOR_PAUSE_MAX_MS ? ms : DOOR_PAUSE_MAX_MS) * CLOCK_NS_PER_MS;
}

void door_refused(struct door *door, bool counts, uint64_t now_ns)
{
	uint64_t word = word_of(door), next;

	do {
		unsigned refused = refused_of(word);
		if (!counts && !is_open(word))
			return;
		refused += counts && refused < REFUSED_MOST;
		next = refused < 2 ? refused : time_of(now_ns + pause_ns(refused)) | refused;
	} while (!atomic_compare_exchange_weak(&door->word, &word, next));
}

void door_retry(struct door *door)
{
	uint64_t word = word_of(door);

	if (!is_open(word))
		(void)atomic_compare_exchange_strong(&door->word, &word, word & REFUSED_BITS);
}
