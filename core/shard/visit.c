/*
 * core/shard/visit.c - see visit.h.
 */
#include "core/shard/visit.h"

#include <stddef.h>

#include "core/base/clock.h"
#include "core/shard/shard.h"

void visits_init(struct visits *visits)
{
	stack_init(&visits->came);
	list_init(&visits->here);
	visits->count = 0;
	visits->next_ns = 0;
	visits->reading = 0;
	atomic_init(&visits->spent_ns, 0);
	atomic_init(&visits->longest_ns, 0);
}

bool visit_begin(struct visits *visits, struct visit *visit)
{
	list_init(&visit->link);
	return stack_push(&visits->came, &visit->way);
}

void visit_wake(struct visits *visits, struct visit *visit)
{
	if (!list_linked(&visit->link))
		list_append(&visits->here, &visit->link);
}

/* Those that came since, in their order. */
static void receive_visits(struct visits *visits)
{
	struct stack_link *newest = stack_take(&visits->came);
	struct list *first = &visits->here;

	for (; newest; newest = newest->next) {
		list_prepend(first, &container_of(newest, struct visit, way)->link);
		visits->count++;
	}
}

static enum visit_step run_one(struct shard *shard, struct visit *visit, uint64_t until_ns)
{
	enum visit_step step = visit->fn(shard, visit, until_ns);

	if (step == VISIT_MORE)
		visit_wake(&shard->visits, visit);
	if (step != VISIT_DONE)
		return step;
	list_remove(&visit->link);
	shard->visits.count--;
	visit->over(visit);
	return step;
}

/* Behind a slice that took so long. */
static uint64_t pause_ns(uint64_t took_ns)
{
	uint64_t pause_ns = VISIT_PAUSES * took_ns;

	if (pause_ns < VISIT_PAUSE_LEAST_NS)
		return VISIT_PAUSE_LEAST_NS;
	return pause_ns < VISIT_PAUSE_MOST_NS ? pause_ns : VISIT_PAUSE_MOST_NS;
}

struct visit_turn visit_turn_begin(uint64_t now_ns)
{
	return (struct visit_turn){now_ns, clock_thread_ns(), now_ns + VISIT_SLICE_NS};
}

uint64_t visit_turn_end(struct visits *visits, const struct visit_turn *turn)
{
	/* Processor time, so that it is not theirs where somebody else had the processor. */
	uint64_t now_ns = clock_monotonic_ns(), spent_ns = clock_thread_ns() - turn->cpu_ns;

	counter_add(&visits->spent_ns, spent_ns);
	if (spent_ns > counter_get(&visits->longest_ns))
		counter_set(&visits->longest_ns, spent_ns);
	return now_ns + pause_ns(now_ns - turn->began_ns);
}

void visits_run(struct shard *shard)
{
	struct visits *visits = &shard->visits;
	struct visit_turn turn;
	struct list *link;
	uint64_t now_ns;

	if (!stack_empty(&visits->came))
		receive_visits(visits);
	if (list_empty(&visits->here))
		return;
	now_ns = clock_monotonic_ns();
	if (now_ns < visits->next_ns && !shard->draining)
		return;
	turn = visit_turn_begin(now_ns);
	/* Whose slice is over has used all of it: the others' turn is the next one. */
	while (now_ns < turn.until_ns && (link = list_take_first(&visits->here)) != NULL) {
		if (run_one(shard, container_of(link, struct visit, link), turn.until_ns) == VISIT_MORE)
			break;
		now_ns = clock_monotonic_ns();
	}
	visits->next_ns = visit_turn_end(visits, &turn);
}

uint64_t visits_next_ns(const struct visits *visits)
{
	if (!stack_empty(&visits->came))
		return 0;
	return list_empty(&visits->here) ? UINT64_MAX : visits->next_ns;
}

bool visit_spent(struct visit_slice *slice)
{
	if (slice->items >= VISIT_ITEMS)
		return true;
	slice->items++;
	if (slice->items - slice->seen < VISIT_LOOK)
		return false;
	slice->seen = slice->items;
	return clock_monotonic_ns() >= slice->until_ns;
}

void visit_cost(struct visit_slice *slice, unsigned more)
{
	/* Beyond that it makes no difference. */
	slice->items += more < VISIT_ITEMS ? more : VISIT_ITEMS;
}
