/*
 * tests/sim/world.c - the seed, the virtual clock, the event queue and the turns of the simulated world.
 *
 * Purpose
 *   Everything that happens is an event in one queue, ordered by virtual time and then by the order of scheduling;
 *   every choice comes from one generator. So one seed is one run, and the trace hash, which covers each event
 *   with its time, tells two runs apart. The engine's own randomness has a generator of its own, so that an
 *   engine that draws more does not move the faults of an otherwise equal run more than it must.
 *
 * Failure
 *   Misuse of the kernel's interface ends in sim_bug(): message, seed, virtual time, abort().
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/random.h"
#include "tests/sim/sim.h"

struct sim_world *sim;

enum { SIM_START_S = 1000, SIM_TURN_NS_MIN = 1000, SIM_TURN_NS_MAX = 5000 };

/* Configuration. */

void world_config_quiet(struct world_config *config, uint64_t seed)
{
	memset(config, 0, sizeof(*config));
	config->seed = seed;
	config->wall_ns = UINT64_C(1700000000) * CLOCK_NS_PER_S;
	config->op_delay_min_ns = 500;
	config->op_delay_max_ns = 5000;
	config->disk_delay_min_ns = 50000;
	config->disk_delay_max_ns = 400000;
	config->network_delay_min_ns = 10000;
	config->network_delay_max_ns = 200000;
	config->socket_buffer_min = 64u << 10;
	config->socket_buffer_max = 256u << 10;
	config->segment_max = 64u << 10;
	config->segment_split = 100000;
	config->partial_turn = 100000;
	config->descriptors = 10000;
}

void world_config_random(struct world_config *config, uint64_t seed)
{
	uint64_t state = seed ^ UINT64_C(0x5eed0fc0f19);
	world_config_quiet(config, seed);
	config->op_delay_max_ns = 1000 + sim_mix(&state) % 1000000;
	config->disk_delay_max_ns = 60000 + sim_mix(&state) % (20 * CLOCK_NS_PER_MS);
	config->network_delay_max_ns = 20000 + sim_mix(&state) % (50 * CLOCK_NS_PER_MS);
	config->socket_buffer_min = 256;
	config->socket_buffer_max = 512 + (uint32_t)(sim_mix(&state) % (128u << 10));
	config->segment_max = 16 + (uint32_t)(sim_mix(&state) % (64u << 10));
	config->multishot_end = (uint32_t)(sim_mix(&state) % 200000);
	config->segment_split = (uint32_t)(sim_mix(&state) % 900000);
	config->short_send = (uint32_t)(sim_mix(&state) % 300000);
	config->short_write = (uint32_t)(sim_mix(&state) % 50000);
	config->doorbell_lost = 0;
	config->cancel_too_late = (uint32_t)(sim_mix(&state) % 500000);
	config->partial_turn = (uint32_t)(sim_mix(&state) % 500000);
	config->spurious_turn = (uint32_t)(sim_mix(&state) % 100000);
	config->at_once = (uint32_t)(sim_mix(&state) % 1000000);
	config->starved = sim_mix(&state) % 3 ? (uint32_t)(sim_mix(&state) % 1000000) : 1000000;
}

/* Random choices (splitmix64). */

uint64_t sim_mix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t world_random(void)
{
	return sim_mix(&sim->random);
}

uint64_t world_below(uint64_t bound)
{
	assert(bound > 0);
	return world_random() % bound;
}

bool world_chance(uint32_t per_million)
{
	/* Draws nothing for "never", so that a fault that is switched off leaves the rest of the run alone. */
	return per_million && world_below(1000000) < per_million;
}

uint64_t sim_between(uint64_t low, uint64_t high)
{
	return high > low ? low + world_below(high - low + 1) : low;
}

void random_bytes(void *out, size_t length)
{
	uint8_t *at = out;
	while (length) {
		uint64_t word = sim_mix(&sim->engine_random);
		size_t n = length < sizeof(word) ? length : sizeof(word);
		memcpy(at, &word, n);
		at += n;
		length -= n;
	}
}

/* FNV-1a over words: it only has to notice a change. */
uint64_t sim_hash(const void *data, size_t length)
{
	const uint8_t *at = data;
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ length;
	for (; length >= 8; at += 8, length -= 8) {
		uint64_t word;
		memcpy(&word, at, 8);
		hash = (hash ^ word) * UINT64_C(0x100000001b3);
		hash ^= hash >> 29;
	}
	for (; length; at++, length--)
		hash = (hash ^ *at) * UINT64_C(0x100000001b3);
	return hash;
}

/* Clocks. */

uint64_t clock_monotonic_ns(void)
{
	return sim->now;
}

uint64_t clock_wall_ns(void)
{
	int64_t wall = (int64_t)(sim->config.wall_ns + sim->now - SIM_START_S * CLOCK_NS_PER_S) + sim->wall_offset;
	return wall > 0 ? (uint64_t)wall : 0;
}

/* How busy a thread is says nothing here, so it is anything: what depends on it must be right either way. */
uint64_t clock_thread_ns(void)
{
	sim->thread_ns += sim_mix(&sim->engine_random) % (10 * CLOCK_NS_PER_MS);
	return sim->thread_ns;
}

uint64_t world_now_ns(void)
{
	return sim->now;
}

void world_wall_step(int64_t delta_ns)
{
	sim->wall_offset += delta_ns;
	sim_trace("wall step", (uint64_t)delta_ns, 0, 0);
}

/* Trace and bugs. */

void sim_bug(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("simulation: ", stderr);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, " (seed %llu, %llu ns, event %llu)\n", sim ? (unsigned long long)sim->config.seed : 0,
		sim ? (unsigned long long)sim->now : 0, sim ? (unsigned long long)sim->stats.events : 0);
	if (sim && sim->config.trace)
		fflush(sim->config.trace);
	abort();
}

void sim_trace(const char *what, uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t words[5] = {sim->now, a, b, c, sim_hash(what, strlen(what))};
	sim->hash = (sim->hash ^ sim_hash(words, sizeof(words))) * UINT64_C(0x9e3779b97f4a7c15);
	sim->hash ^= sim->hash >> 32;
	if (sim->config.trace)
		fprintf(sim->config.trace, "%12.6f ms %-20s %llu %llu %lld\n",
			(double)(sim->now - SIM_START_S * CLOCK_NS_PER_S) / 1e6, what, (unsigned long long)a,
			(unsigned long long)b, (long long)c);
}

uint64_t world_trace_hash(void)
{
	return sim->hash;
}

void world_note(const char *what, uint64_t a, uint64_t b)
{
	sim_trace(what, a, b, 0);
}

void world_stats(struct world_stats *out)
{
	*out = sim->stats;
}

/* The event queue: a binary heap. */

static bool sim_event_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at != b->at ? a->at < b->at : a->sequence < b->sequence;
}

void sim_schedule(uint64_t delay_ns, void (*fn)(void *context, uint64_t argument), void *context, uint64_t argument)
{
	if (sim->events_count == sim->events_capacity) {
		sim->events_capacity = sim->events_capacity ? 2 * sim->events_capacity : 256;
		sim->events = world_realloc(sim->events, sim->events_capacity * sizeof(*sim->events));
	}
	struct sim_event event = {sim->now + delay_ns, ++sim->events_sequence, fn, context, argument};
	size_t i = sim->events_count++;
	for (; i && sim_event_before(&event, &sim->events[(i - 1) / 2]); i = (i - 1) / 2)
		sim->events[i] = sim->events[(i - 1) / 2];
	sim->events[i] = event;
}

static struct sim_event sim_event_take(void)
{
	struct sim_event first = sim->events[0], last = sim->events[--sim->events_count];
	size_t i = 0;
	while (2 * i + 1 < sim->events_count) {
		size_t child = 2 * i + 1;
		if (child + 1 < sim->events_count && sim_event_before(&sim->events[child + 1], &sim->events[child]))
			child++;
		if (!sim_event_before(&sim->events[child], &last))
			break;
		sim->events[i] = sim->events[child];
		i = child;
	}
	if (sim->events_count)
		sim->events[i] = last;
	return first;
}

struct sim_call {
	void (*fn)(void *context);
	void *context;
	bool owned;
};

static void sim_call_fire(void *context, uint64_t argument)
{
	struct sim_call call = *(struct sim_call *)context;
	world_release(context);
	call.fn(call.context);
}

void world_after(uint64_t delay_ns, void (*fn)(void *context), void *context)
{
	struct sim_call *call = world_alloc(sizeof(*call));
	*call = (struct sim_call){fn, context, false};
	sim_schedule(delay_ns, sim_call_fire, call, 0);
}

void world_errand(uint64_t delay_ns, void (*fn)(void *context), void *context)
{
	struct sim_call *call = world_alloc(sizeof(*call));
	*call = (struct sim_call){fn, context, true};
	sim_schedule(delay_ns, sim_call_fire, call, 0);
}

static void sim_call_drop(struct sim_call *call)
{
	if (call->owned)
		world_release(call->context);
	world_release(call);
}

/* Turns. */

void world_runnable_add(world_runnable_fn *fn, void *context)
{
	assert(sim->runnables_count < SIM_RUNNABLES);
	sim->runnables[sim->runnables_count++] = (struct sim_runnable){.fn = fn, .context = context};
}

void world_runnables_clear(void)
{
	sim->runnables_count = 0;
}

static bool sim_runnable_due(const struct sim_runnable *r)
{
	if (r->deadline <= sim->now)
		return true;
	if (r->ring && !r->ring->dead && (r->ring->ready_count || r->ring->doorbell_rung))
		return true;
	return world_chance(sim->config.spurious_turn);
}

static void sim_runnable_turn(struct sim_runnable *r)
{
	unsigned index = (unsigned)(r - sim->runnables);
	/* One that no longer turns its ring has come to its end: whoever rings there is not heard. */
	if (r->ring)
		r->ring->left = true;
	r->ring = NULL;
	sim->running = r;
	world_engine_enter();
	uint64_t deadline = r->fn(r->context);
	world_engine_leave();
	sim->running = NULL;
	/* The turn may have cleared the list. */
	if (index < sim->runnables_count)
		r->deadline = deadline;
	/* Work takes time, so that a shard that is never idle still sees the clock move. */
	sim->now += sim_between(SIM_TURN_NS_MIN, SIM_TURN_NS_MAX);
}

/* True if any had something to do. */
static bool sim_runnables_turn(void)
{
	unsigned order[SIM_RUNNABLES], count = 0;
	for (unsigned i = 0; i < sim->runnables_count; i++)
		if (sim_runnable_due(&sim->runnables[i]))
			order[count++] = i;
	for (unsigned left = count; left; left--) {
		unsigned pick = (unsigned)world_below(left), index = order[pick];
		order[pick] = order[left - 1];
		if (index < sim->runnables_count)
			sim_runnable_turn(&sim->runnables[index]);
	}
	return count != 0;
}

static bool sim_rings_ready(void)
{
	for (struct list *at = sim->rings.next; at != &sim->rings; at = at->next) {
		struct ring *ring = container_of(at, struct ring, link);
		if (!ring->dead && !ring->left && (ring->ready_count || ring->doorbell_rung))
			return true;
	}
	return false;
}

static void sim_events_fire(void)
{
	while (sim->events_count && sim->events[0].at <= sim->now) {
		struct sim_event event = sim_event_take();
		sim->stats.events++;
		event.fn(event.context, event.argument);
	}
}

bool world_step(void)
{
	sim->stats.steps++;
	sim_events_fire();
	if (sim_runnables_turn() || sim_rings_ready())
		return true;
	uint64_t next = sim->events_count ? sim->events[0].at : UINT64_MAX;
	for (unsigned i = 0; i < sim->runnables_count; i++)
		if (sim->runnables[i].deadline < next)
			next = sim->runnables[i].deadline;
	if (next == UINT64_MAX)
		return false;
	if (next > sim->now)
		sim->now = next;
	return true;
}

enum world_end world_run(bool (*done)(void *context), void *context, uint64_t limit_ns)
{
	uint64_t limit = sim->now + limit_ns;
	for (;;) {
		if (done && done(context))
			return WORLD_DONE;
		if (sim->now >= limit)
			return WORLD_TIME_UP;
		/* The last event may have been what was waited for. */
		if (!world_step())
			return done && done(context) ? WORLD_DONE : WORLD_IDLE;
	}
}

/* Life, crashes. */

void world_open(const struct world_config *config)
{
	assert(!sim);
	sim = calloc(1, sizeof(*sim));
	if (!sim)
		abort();
	sim->config = *config;
	sim->now = SIM_START_S * CLOCK_NS_PER_S;
	sim->random = config->seed;
	sim->engine_random = config->seed ^ UINT64_C(0xe4614e5eed);
	sim->fd_base = SIM_FD_FIRST;
	sim->fds = world_alloc(SIM_FDS * sizeof(*sim->fds));
	list_init(&sim->rings);
	sim_disk_open();
	sim_network_open();
}

void world_close(void)
{
	while (sim->events_count) {
		struct sim_event event = sim_event_take();
		if (event.fn == sim_call_fire)
			sim_call_drop(event.context);
		else
			sim_ring_event_drop(&event);
	}
	sim_rings_end();
	sim_network_end();
	sim_disk_end();
	sim_memory_end();
	world_release(sim->events);
	world_release(sim->fds);
	free(sim);
	sim = NULL;
}

void world_crash(enum world_crash_kind kind)
{
	sim_trace("crash", kind, 0, 0);
	sim->stats.crashes++;
	sim->crash_io = 0;
	sim->running = NULL;
	world_runnables_clear();
	/* Ops first: what they leave on the disk is part of the disk's crash. */
	for (struct list *at = sim->rings.next; at != &sim->rings; at = at->next) {
		struct ring *ring = container_of(at, struct ring, link);
		if (ring->dead)
			continue;
		for (struct list *o = ring->ops.next; o != &ring->ops; o = o->next)
			sim_disk_interrupt(container_of(o, struct sim_op, link), kind);
	}
	sim_network_crash(kind);
	sim_rings_crash();
	sim_disk_crash(kind);
	memset(sim->fds, 0, SIM_FDS * sizeof(*sim->fds));
	sim->fds_open = 0;
	sim->fd_base += 1000;
	sim_memory_crash();
}

void world_crash_at_io(uint64_t io, enum world_crash_kind kind)
{
	sim->crash_io = io;
	sim->crash_kind = kind;
}

bool world_guard(void (*fn)(void *context), void *context)
{
	jmp_buf place, *volatile outer = sim->guard;
	volatile int depth = sim_memory_depth();
	bool crashed = true;
	if (setjmp(place) == 0) {
		sim->guard = &place;
		fn(context);
		crashed = false;
	} else {
		sim_memory_reset(depth);
	}
	sim->guard = outer;
	if (crashed)
		world_crash(sim->crash_kind);
	return crashed;
}
