/*
 * core/base/wheel.c - hierarchical timer wheel.
 *
 * Purpose
 *   Hundreds of thousands of timers, nearly all of which are moved or disarmed before they fire.
 *
 * Layout
 *   With `now` = wheel->tick, an armed timer for tick T > now sits at the lowest level L for which T and
 *   now agree in all bits above level L's eight; its slot is T's digit at L. So at levels 0 to 2 a slot
 *   in use always lies after now's digit, and everything at a level comes before everything at the
 *   next one. Level 3 wraps around: there the distance is 1 to 255 slots. A timer beyond its reach waits in
 *   the furthest slot and is placed again when that slot's turn comes.
 *
 *           now's block of 256 ticks        now's 64 Ki ticks            now's 16 Mi ticks     the rest
 *     L0  [......now>#####]       L1  [....now>######]        L2  [...now>######]     L3 [wraps]
 *
 * Invariants
 *   A bit in `occupied` is set exactly when its slot is not empty. No slot holds a timer with T <= now,
 *   and no event (a slot's beginning) lies at or before now.
 *
 * Ownership, failure
 *   The wheel links timers and owns none. Nothing here can fail.
 */
#include "core/base/wheel.h"

#include <assert.h>
#include <stddef.h>

#include "core/base/clock.h"

enum { WHEEL_DIGIT_BITS = 8, WHEEL_TOP = WHEEL_LEVELS - 1 };

#define WHEEL_TICK_NS (WHEEL_TICK_MS * CLOCK_NS_PER_MS)

static_assert(WHEEL_SLOTS == 1 << WHEEL_DIGIT_BITS, "a slot is one digit");
static_assert(offsetof(struct wheel_timer, link) == 0, "a link is its timer");

static unsigned wheel_digit(uint64_t tick, unsigned level)
{
	return (tick >> (WHEEL_DIGIT_BITS * level)) & (WHEEL_SLOTS - 1);
}

/* `tick` without the digits of `level` and below. */
static uint64_t wheel_above(uint64_t tick, unsigned level)
{
	return tick >> (WHEEL_DIGIT_BITS * (level + 1));
}

void wheel_init(struct wheel *wheel, uint64_t now_ns)
{
	wheel->tick = now_ns / WHEEL_TICK_NS;
	wheel->armed = 0;
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		for (unsigned word = 0; word < WHEEL_SLOTS / 64; word++)
			wheel->occupied[level][word] = 0;
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&wheel->slots[level][slot]);
	}
}

void wheel_timer_init(struct wheel_timer *timer, wheel_fn *fn)
{
	list_init(&timer->link);
	timer->tick = 0;
	timer->fn = fn;
}

bool wheel_armed(const struct wheel_timer *timer)
{
	return list_linked(&timer->link);
}

static void wheel_place(struct wheel *wheel, struct wheel_timer *timer)
{
	unsigned level = 0;

	assert(timer->tick > wheel->tick);
	while (level < WHEEL_TOP && wheel_above(timer->tick, level) != wheel_above(wheel->tick, level))
		level++;

	unsigned slot = wheel_digit(timer->tick, level);
	if (level == WHEEL_TOP) {
		uint64_t distance = wheel_above(timer->tick, WHEEL_TOP - 1) - wheel_above(wheel->tick, WHEEL_TOP - 1);
		if (distance >= WHEEL_SLOTS)
			slot = (wheel_digit(wheel->tick, WHEEL_TOP) + WHEEL_SLOTS - 1) % WHEEL_SLOTS;
	}
	list_append(&wheel->slots[level][slot], &timer->link);
	wheel->occupied[level][slot / 64] |= UINT64_C(1) << (slot % 64);
}

/*
 * Unlinks the timer and clears the slot's bit if it was the last one there. What was both before and after it
 * in a circular list can only be the head, and a head's address tells its slot; the head of the due
 * list in wheel_advance() lies outside of the wheel and has no bit.
 */
static void wheel_unlink(struct wheel *wheel, struct wheel_timer *timer)
{
	struct list *neighbour = timer->link.prev;
	bool last = neighbour == timer->link.next;

	list_remove(&timer->link);
	if (!last)
		return;

	uintptr_t first = (uintptr_t)&wheel->slots[0][0];
	uintptr_t head = (uintptr_t)neighbour;
	if (head < first || head >= first + sizeof(wheel->slots))
		return;
	unsigned index = (unsigned)((head - first) / sizeof(struct list));
	unsigned slot = index % WHEEL_SLOTS;
	wheel->occupied[index / WHEEL_SLOTS][slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

/* The first that is not before it. */
static uint64_t wheel_tick_of(uint64_t deadline_ns)
{
	return deadline_ns / WHEEL_TICK_NS + (deadline_ns % WHEEL_TICK_NS != 0);
}

bool wheel_fires_by(const struct wheel_timer *timer, uint64_t deadline_ns)
{
	return wheel_armed(timer) && timer->tick <= wheel_tick_of(deadline_ns);
}

void wheel_arm(struct wheel *wheel, struct wheel_timer *timer, uint64_t deadline_ns)
{
	uint64_t tick = wheel_tick_of(deadline_ns);

	/* Everything up to wheel->tick has fired: what is late already fires with the next tick. */
	if (tick <= wheel->tick)
		tick = wheel->tick + 1;
	if (list_linked(&timer->link)) {
		if (timer->tick == tick)
			return;
		wheel_unlink(wheel, timer);
	} else {
		wheel->armed++;
	}
	timer->tick = tick;
	wheel_place(wheel, timer);
}

void wheel_disarm(struct wheel *wheel, struct wheel_timer *timer)
{
	if (!list_linked(&timer->link))
		return;
	assert(wheel->armed > 0);
	wheel_unlink(wheel, timer);
	wheel->armed--;
}

/* The first slot in use at or after `from`, or WHEEL_SLOTS. */
static unsigned wheel_find(const struct wheel *wheel, unsigned level, unsigned from)
{
	for (unsigned word = from / 64; word < WHEEL_SLOTS / 64; word++) {
		uint64_t bits = wheel->occupied[level][word];
		if (word == from / 64)
			bits &= UINT64_MAX << (from % 64);
		if (bits != 0)
			return word * 64 + (unsigned)__builtin_ctzll(bits);
	}
	return WHEEL_SLOTS;
}

/*
 * Finds the slot whose turn comes next and the tick at which it begins: at level 0 its timers are due
 * then, at the other levels they move down. Returns false when nothing is armed.
 */
static bool wheel_next_slot(const struct wheel *wheel, unsigned *level_out, unsigned *slot_out, uint64_t *tick_out)
{
	unsigned level, slot = WHEEL_SLOTS;

	for (level = 0; level < WHEEL_TOP; level++) {
		slot = wheel_digit(wheel->tick, level) + 1;
		slot = slot < WHEEL_SLOTS ? wheel_find(wheel, level, slot) : WHEEL_SLOTS;
		if (slot < WHEEL_SLOTS)
			break;
	}

	uint64_t above = wheel_above(wheel->tick, level);
	if (level == WHEEL_TOP) {
		unsigned now = wheel_digit(wheel->tick, WHEEL_TOP);
		slot = wheel_find(wheel, WHEEL_TOP, now);
		if (slot == WHEEL_SLOTS) {
			slot = wheel_find(wheel, WHEEL_TOP, 0);
			above++;
		}
		if (slot == WHEEL_SLOTS)
			return false;
		assert(slot != now);
	}
	*level_out = level;
	*slot_out = slot;
	*tick_out = ((above << WHEEL_DIGIT_BITS) | slot) << (WHEEL_DIGIT_BITS * level);
	return true;
}

/* Empties the slot whose beginning is wheel->tick: its timers are due, or move to a lower level. */
static void wheel_turn_slot(struct wheel *wheel, unsigned level, unsigned slot, struct list *due)
{
	struct list moving;

	/* Taken out as a whole first: a timer beyond the reach of the wheel may be placed at the top again. */
	list_init(&moving);
	list_append(&wheel->slots[level][slot], &moving);
	list_remove(&wheel->slots[level][slot]);
	wheel->occupied[level][slot / 64] &= ~(UINT64_C(1) << (slot % 64));

	for (struct list *link = list_take_first(&moving); link != NULL; link = list_take_first(&moving)) {
		struct wheel_timer *timer = container_of(link, struct wheel_timer, link);
		assert(timer->tick >= wheel->tick);
		if (timer->tick == wheel->tick)
			list_append(due, link);
		else
			wheel_place(wheel, timer);
	}
}

void wheel_advance(struct wheel *wheel, uint64_t now_ns)
{
	uint64_t target = now_ns / WHEEL_TICK_NS, tick;
	unsigned level, slot;
	struct list due;

	if (target <= wheel->tick)
		return;

	/*
	 * First collect, in order of deadlines, then fire: callbacks see a wheel that has arrived at now,
	 * so one that arms itself in the past fires once per call and not once per tick of a long jump.
	 */
	list_init(&due);
	while (wheel_next_slot(wheel, &level, &slot, &tick) && tick <= target) {
		assert(tick > wheel->tick);
		wheel->tick = tick;
		wheel_turn_slot(wheel, level, slot, &due);
	}
	wheel->tick = target;

	for (struct list *link = list_take_first(&due); link != NULL; link = list_take_first(&due)) {
		struct wheel_timer *timer = container_of(link, struct wheel_timer, link);
		assert(wheel->armed > 0);
		wheel->armed--;
		timer->fn(timer);
	}
}

uint64_t wheel_next_ns(const struct wheel *wheel)
{
	unsigned level, slot;
	uint64_t tick;

	if (wheel->armed == 0 || !wheel_next_slot(wheel, &level, &slot, &tick))
		return UINT64_MAX;
	return tick * WHEEL_TICK_NS;
}
