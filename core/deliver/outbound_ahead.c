/*
 * core/deliver/outbound_ahead.c - mail of lanes that look at each message before they know where it goes
 * (outbound_match.c, outbound_sort.c): it is read ahead, as much as there is room for, and not when a connection wants
 * it.
 */
#include "core/base/clock.h"
#include "core/deliver/outbound_private.h"
#include "core/deliver/path.h"
#include "core/shard/shard.h"

enum { READ_AT_ONCE = 256 };

void outbound_look_again(const struct outbound *o, uint64_t *next_ns)
{
	if (*next_ns > o->shard->now_ns + CLOCK_NS_PER_S)
		*next_ns = o->shard->now_ns + CLOCK_NS_PER_S;
}

static void start_reading(struct outbound *o, uint64_t *next_ns)
{
	unsigned n;

	for (n = 0; n < READ_AT_ONCE && o->loading < OUTBOUND_LOADING_MAX; n++) {
		struct delivery *d = path_take(o);
		if (!d)
			return;
		if (!outbound_load(o, d)) {
			lane_ready_first(&o->lane, d);
			outbound_look_again(o, next_ns);
			return;
		}
	}
	if (n == READ_AT_ONCE)
		outbound_wake(o->shard, o->index);
}

void outbound_read_ahead(struct outbound *o, struct list *loaded, uint64_t *next_ns)
{
	start_reading(o, next_ns);
	list_take_all(&o->loaded, loaded);
}
