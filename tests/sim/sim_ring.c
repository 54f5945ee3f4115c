/*
 * tests/sim/sim_ring.c - core/base/ring.h on the simulated kernel: ops, completions, buffers, descriptors.
 *
 * Purpose
 *   Keeps the books of what the kernel owns. Each op is executed by an event of its own after a seeded delay, so
 *   submission order is not execution order (P1); completions wait on their ring and ring_turn() takes them in
 *   seeded order, keeping only the order within one op, as a kernel may.
 *
 * Ownership
 *   A sim_op lives until its final callback starts and no event refers to it. A closed or crashed ring keeps its
 *   struct until the world ends, so that a late call is noticed.
 *
 * Failure
 *   Every breach of ring.h's contract ends in sim_bug().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/sim/poison.h"
#include "tests/sim/sim.h"

enum { SIM_BUFFER_SHIFT = 16, SIM_FILL = 0xd5 };

static const struct sim_op *sim_at_once; /* the op that is being carried out at its submission */

static const char *const sim_kind_names[] = {
	[SIM_ACCEPT] = "accept",     [SIM_RECV] = "recv",   [SIM_SEND] = "send",         [SIM_CONNECT] = "connect",
	[SIM_SHUTDOWN] = "shutdown", [SIM_CLOSE] = "close", [SIM_CANCEL] = "cancel",     [SIM_WRITE] = "write",
	[SIM_READ] = "read",         [SIM_FSYNC] = "fsync", [SIM_DOORBELL] = "doorbell",
};

/* Descriptors. */

int sim_fd_new(enum sim_fd_kind kind, void *object, unsigned flags)
{
	if (sim->fds_open >= sim->config.descriptors)
		return -EMFILE;
	/* The lowest free number, as a kernel does: reuse comes at once (P11). */
	for (int i = 0; i < SIM_FDS; i++) {
		if (sim->fds[i].kind != SIM_FD_NONE)
			continue;
		sim->fds[i] = (struct sim_fd){.kind = kind, .object = object, .flags = flags};
		sim->fds_open++;
		return sim->fd_base + i;
	}
	return -EMFILE;
}

struct sim_fd *sim_fd_get(int fd)
{
	int i = fd - sim->fd_base;
	if (i < 0 || i >= SIM_FDS || sim->fds[i].kind == SIM_FD_NONE)
		sim_bug("descriptor %d is not open", fd);
	if (sim->fds[i].closing)
		sim_bug("descriptor %d is used after its close was submitted", fd);
	return &sim->fds[i];
}

void sim_fd_free(int fd)
{
	sim->fds[fd - sim->fd_base] = (struct sim_fd){0};
	sim->fds_open--;
}

void sim_fd_release(int fd)
{
	struct sim_fd copy = sim->fds[fd - sim->fd_base];
	sim_fd_free(fd);
	if (copy.kind == SIM_FD_SOCKET || copy.kind == SIM_FD_LISTENER)
		sim_network_fd_closed(&copy);
	else
		sim_disk_fd_closed(&copy);
}

unsigned world_descriptors(void)
{
	return sim->fds_open;
}

/* Ops. */

static void sim_ring_alive(const struct ring *ring)
{
	if (ring->dead)
		sim_bug("a ring is used after it was closed or crashed");
}

static void sim_op_free(struct sim_op *o)
{
	while (o->first) {
		struct sim_completion *next = o->first->next;
		world_release(o->first);
		o->first = next;
	}
	world_release(o->snapshot);
	world_release(o);
}

static bool sim_op_is_disk(const struct sim_op *o)
{
	return o->kind == SIM_WRITE || o->kind == SIM_READ || o->kind == SIM_FSYNC;
}

static void sim_close_execute(struct sim_op *o)
{
	int fd = o->fd;
	o->fd = -1;
	sim_fd_release(fd);
	sim_post(o, 0, 0);
}

static void sim_doorbell_execute(struct sim_op *o)
{
	sim->stats.doorbells++;
	if (o->target_ring->dead) {
		sim_post(o, -EBADFD, 0);
		return;
	}
	/* A kernel says so: the target had no room for another completion. */
	bool lost = world_chance(sim->config.doorbell_lost);
	sim->stats.doorbells_lost += lost;
	if (!lost)
		o->target_ring->doorbell_rung = true;
	sim_post(o, lost ? -EOVERFLOW : 0, 0);
}

static struct sim_op *sim_op_find(struct ring *ring, const struct ring_op *op, uint16_t generation)
{
	for (struct list *at = ring->ops.next; at != &ring->ops; at = at->next) {
		struct sim_op *o = container_of(at, struct sim_op, link);
		if (o->op == op && o->generation == generation)
			return o;
	}
	return NULL;
}

/* Cancelling is a race (P12): the target may be done already, may be past stopping, or ends with -ECANCELED. */
static void sim_cancel_execute(struct sim_op *o)
{
	struct sim_op *target = sim_op_find(o->ring, o->target, o->target_generation);
	if (!target || target->finished) {
		sim_post(o, -ENOENT, 0);
		return;
	}
	bool running = sim_op_is_disk(target) || target->kind == SIM_CLOSE || target->kind == SIM_CANCEL ||
		       target->kind == SIM_SHUTDOWN || target->kind == SIM_DOORBELL;
	/* A disk op, or one about to be executed, may be past stopping. Waiting ops can always be stopped. */
	if (running || (!target->executed && world_chance(sim->config.cancel_too_late))) {
		sim_post(o, -EALREADY, 0);
		return;
	}
	if (target->executed && !sim_network_cancel(target)) {
		sim_post(o, -EALREADY, 0);
		return;
	}
	sim_post(target, -ECANCELED, 0);
	sim_post(o, 0, 0);
}

static void sim_op_execute(void *context, uint64_t argument)
{
	struct sim_op *o = context;
	o->event = false;
	if (o->dead) {
		sim_op_free(o);
		return;
	}
	if (o->finished)
		return;
	o->executed = true;
	sim_trace(sim_kind_names[o->kind], (uint64_t)o->fd, o->length, (uint64_t)o->offset);
	if (sim_op_is_disk(o))
		sim_disk_execute(o);
	else if (o->kind == SIM_CLOSE)
		sim_close_execute(o);
	else if (o->kind == SIM_CANCEL)
		sim_cancel_execute(o);
	else if (o->kind == SIM_DOORBELL)
		sim_doorbell_execute(o);
	else
		sim_network_execute(o);
}

/* What is posted meanwhile for the op itself has completed at once; what that does to others comes later. */
static void sim_op_execute_at_once(void *context, uint64_t argument)
{
	struct sim_op *o = context;
	sim_at_once = o;
	sim_op_execute(o, argument);
	sim_at_once = NULL;
}

void sim_ring_event_drop(const struct sim_event *event)
{
	if (event->fn != sim_op_execute && event->fn != sim_op_execute_at_once)
		return;
	struct sim_op *o = event->context;
	o->event = false;
	if (o->dead)
		sim_op_free(o);
}

static struct sim_op *sim_submit(struct ring *ring, struct ring_op *op, enum sim_kind kind, int fd)
{
	sim_ring_alive(ring);
	if (op->in_flight)
		sim_bug("%s: the op is already in flight", sim_kind_names[kind]);
	if (!op->fn)
		sim_bug("%s: the op has no callback", sim_kind_names[kind]);
	op->in_flight = true;
	op->generation++;
	op->kind = (uint8_t)(kind + RING_KIND_ACCEPT - SIM_ACCEPT);
	struct sim_op *o = world_alloc(sizeof(*o));
	*o = (struct sim_op){.ring = ring, .op = op, .generation = op->generation, .kind = kind, .fd = fd};
	o->last = &o->first;
	if (fd >= 0)
		sim_fd_get(fd)->in_flight++;
	list_append(&ring->ops, &o->link);
	ring->ops_count++;
	ring->stats.submissions++;
	return o;
}

static void sim_start(struct sim_op *o, uint64_t delay_ns)
{
	o->event = true;
	sim_schedule(delay_ns, sim_op_execute, o, 0);
}

static void sim_start_soon(struct sim_op *o)
{
	/* A receive waits for the socket first (ring_recv); a cancel has nothing to wait for. */
	if (sim->config.at_once && o->kind != SIM_RECV &&
	    (o->kind == SIM_CANCEL || world_chance(sim->config.at_once))) {
		o->event = true;
		sim_schedule(0, sim_op_execute_at_once, o, 0);
		return;
	}
	sim_start(o, sim_between(sim->config.op_delay_min_ns, sim->config.op_delay_max_ns));
}

/* Another op of `kind` in flight on this descriptor? */
static void sim_only_one(struct ring *ring, enum sim_kind kind, int fd)
{
	for (struct list *at = ring->ops.next; at != &ring->ops; at = at->next) {
		struct sim_op *o = container_of(at, struct sim_op, link);
		if (o->fd == fd && o->kind == kind)
			sim_bug("two ops of kind %s in flight on descriptor %d", sim_kind_names[kind], fd);
	}
}

static void sim_fd_expect(int fd, enum sim_fd_kind kind, const char *call)
{
	if (sim_fd_get(fd)->kind != kind)
		sim_bug("%s: descriptor %d is of another kind", call, fd);
}

void sim_check_unchanged(const struct sim_op *o)
{
	if (sim_hash(o->data, o->length) != o->hash)
		sim_bug("%s: the octets at %llu, length %zu, changed while the op was in flight",
			sim_kind_names[o->kind], (unsigned long long)o->offset, o->length);
}

void sim_post(struct sim_op *o, int result, uint32_t flags)
{
	struct ring *ring = o->ring;
	struct sim_completion *completion = world_alloc(sizeof(*completion));
	*completion = (struct sim_completion){.result = result, .flags = flags, .at_once = o == sim_at_once};
	*o->last = completion;
	o->last = &completion->next;
	o->finished = !(flags & RING_MORE);
	ring->completions++;
	ring->at_once += completion->at_once;
	/* More of them than there is room for means that the configuration does not cover the worst case (P7). */
	if (ring->completions > ring->config.completions)
		ring->stats.overflows++;
	sim_trace("complete", (uint64_t)o->kind, flags & 3, (uint64_t)(int64_t)result);
	if (o->queued)
		return;
	if (ring->ready_count == ring->ready_capacity) {
		ring->ready_capacity = ring->ready_capacity ? 2 * ring->ready_capacity : 64;
		ring->ready = world_realloc(ring->ready, ring->ready_capacity * sizeof(struct sim_op *));
	}
	o->queued = true;
	ring->ready[ring->ready_count++] = o;
}

/* The ring itself. */

int ring_open(struct ring **out, const struct ring_config *config, struct ring_problem *problem)
{
	/* None: a ring that never receives. */
	if ((config->buffers & (config->buffers - 1)) || config->buffers > 32768)
		sim_bug("ring_open: %u buffers", config->buffers);
	struct ring *ring = world_alloc(sizeof(*ring));
	ring->config = *config;
	list_init(&ring->ops);
	ring->buffers = world_alloc((size_t)config->buffers * config->buffer_size);
	ring->buffers_free = world_alloc(config->buffers * sizeof(uint16_t));
	ring->buffer_lent = world_alloc(config->buffers);
	for (unsigned i = 0; i < config->buffers; i++)
		ring->buffers_free[ring->buffers_free_count++] = (uint16_t)i;
	ASAN_POISON_MEMORY_REGION(ring->buffers, (size_t)config->buffers * config->buffer_size);
	list_append(&sim->rings, &ring->link);
	problem->text[0] = '\0';
	*out = ring;
	return 0;
}

int ring_probe(struct ring_problem *problem)
{
	problem->text[0] = '\0';
	return 0;
}

/* Frees all but the struct, which stays as a tombstone. */
static void sim_ring_bury(struct ring *ring)
{
	for (struct list *at = list_take_first(&ring->ops); at; at = list_take_first(&ring->ops)) {
		struct sim_op *o = container_of(at, struct sim_op, link);
		o->dead = true;
		if (!o->event)
			sim_op_free(o);
	}
	ASAN_UNPOISON_MEMORY_REGION(ring->buffers, (size_t)ring->config.buffers * ring->config.buffer_size);
	world_release(ring->buffers);
	world_release(ring->buffers_free);
	world_release(ring->buffer_lent);
	world_release(ring->ready);
	ring->buffers = NULL;
	ring->buffers_free = NULL;
	ring->buffer_lent = NULL;
	ring->ready = NULL;
	ring->ready_count = ring->ops_count = 0;
	ring->doorbell_rung = false;
	ring->dead = true;
}

void ring_close(struct ring *ring)
{
	if (!ring)
		return;
	sim_ring_alive(ring);
	if (ring->turning)
		sim_bug("ring_close from inside a callback of the ring");
	if (ring->ops_count)
		sim_bug("ring_close with %zu ops in flight, one of kind %s", ring->ops_count,
			sim_kind_names[container_of(ring->ops.next, struct sim_op, link)->kind]);
	sim_ring_bury(ring);
}

void sim_rings_crash(void)
{
	for (struct list *at = sim->rings.next; at != &sim->rings; at = at->next) {
		struct ring *ring = container_of(at, struct ring, link);
		if (!ring->dead)
			sim_ring_bury(ring);
	}
}

/* At the end of the world, with all events gone: nothing refers to an op any more but its ring. */
void sim_rings_end(void)
{
	for (struct list *at = list_take_first(&sim->rings); at; at = list_take_first(&sim->rings)) {
		struct ring *ring = container_of(at, struct ring, link);
		if (!ring->dead)
			sim_ring_bury(ring);
		world_release(ring);
	}
}

/* Takes one completion in seeded order and runs its callback. */
static void sim_complete_one(struct ring *ring, bool starving)
{
	size_t pick = world_below(ring->ready_count);
	while (starving && !ring->ready[pick]->first->at_once)
		pick = (pick + 1) % ring->ready_count;
	struct sim_op *o = ring->ready[pick];
	struct sim_completion completion = *o->first;
	world_release(o->first);
	o->first = completion.next;
	ring->completions--;
	ring->at_once -= completion.at_once;
	if (!o->first) {
		o->last = &o->first;
		o->queued = false;
		ring->ready[pick] = ring->ready[--ring->ready_count];
	}
	struct ring_op *op = o->op;
	if (!op->in_flight || op->generation != o->generation)
		sim_bug("%s: the op's memory was reused while it was in flight", sim_kind_names[o->kind]);
	if (!(completion.flags & RING_MORE)) {
		op->in_flight = false;
		if (o->fd >= 0)
			sim->fds[o->fd - sim->fd_base].in_flight--;
		list_remove(&o->link);
		ring->ops_count--;
		o->dead = true;
		if (!o->event)
			sim_op_free(o);
	}
	ring->stats.completions++;
	sim->stats.completions++;
	ring_pulse_callback(&ring->pulse, (enum ring_kind)op->kind, completion.result > 0);
	op->fn(op, completion.result, completion.flags);
}

/* Does what has completed at once keep all else away this turn? */
static bool sim_starves(struct ring *ring)
{
	if (ring->at_once == 0 || ring->at_once == ring->completions || !world_chance(sim->config.starved)) {
		ring->starved = 0;
		return false;
	}
	if (++ring->starved < SIM_STARVED_MAX)
		return true;
	const struct sim_op *fed = NULL, *kept = NULL;
	for (size_t i = 0; i < ring->ready_count; i++) {
		if (ring->ready[i]->first->at_once)
			fed = ring->ready[i];
		else
			kept = ring->ready[i];
	}
	sim_bug("the engine feeds its own loop: in each of %u turns something it had just asked for was done at once, "
		"the last time a %s, and kept a %s (%d) away",
		ring->starved, sim_kind_names[fed->kind], sim_kind_names[kept->kind], kept->first->result);
}

/* Ops are on their way from the moment they are asked for. */
void ring_submit(struct ring *ring)
{
	sim_ring_alive(ring);
}

int ring_turn(struct ring *ring, uint64_t deadline_ns)
{
	sim_ring_alive(ring);
	if (ring->turning)
		sim_bug("ring_turn from inside a callback of the same ring");
	ring->turning = true;
	ring->left = false;
	ring_pulse_turn(&ring->pulse);
	ring->stats.turns++;
	sim->stats.turns++;
	if (sim->running)
		sim->running->ring = ring;
	if (ring->config.now_ns)
		*ring->config.now_ns = clock_monotonic_ns();
	bool starving = sim_starves(ring);
	size_t count = starving ? ring->at_once : ring->completions, ran = 0;
	if (count > 1 && world_chance(sim->config.partial_turn))
		count = 1 + world_below(count);
	bool rung = ring->doorbell_rung;
	ring->doorbell_rung = false;
	for (; ran < count; ran++)
		sim_complete_one(ring, starving);
	if (rung) {
		ran++;
		ring_pulse_callback(&ring->pulse, RING_KIND_DOORBELL, true);
		if (ring->doorbell)
			ring->doorbell(ring->doorbell_context);
	}
	ring_pulse_callbacks_end(&ring->pulse);
	/* Whoever looks at it does so in the turn of another, or before the next one. */
	ring_pulse_wait(&ring->pulse, UINT64_MAX);
	ring->turning = false;
	return (int)ran;
}

const struct ring_pulse *ring_pulse(const struct ring *ring)
{
	return &ring->pulse;
}

void ring_stats(const struct ring *ring, struct ring_stats *out)
{
	*out = ring->stats;
}

/* Provided buffers. */

bool sim_ring_buffer_take(struct ring *ring, uint8_t **data, uint32_t *flags)
{
	if (!ring->buffers_free_count) {
		ring->stats.buffer_shortages++;
		sim->stats.buffer_shortages++;
		return false;
	}
	uint16_t id = ring->buffers_free[--ring->buffers_free_count];
	ring->buffer_lent[id] = true;
	*data = ring->buffers + (size_t)id * ring->config.buffer_size;
	ASAN_UNPOISON_MEMORY_REGION(*data, ring->config.buffer_size);
	*flags = RING_BUFFER | (uint32_t)id << SIM_BUFFER_SHIFT;
	return true;
}

static unsigned sim_buffer_id(const struct ring *ring, uint32_t flags)
{
	sim_ring_alive(ring);
	unsigned id = flags >> SIM_BUFFER_SHIFT;
	if (!(flags & RING_BUFFER) || id >= ring->config.buffers || !ring->buffer_lent[id])
		sim_bug("flags %#x name no buffer that is lent", flags);
	return id;
}

uint8_t *ring_buffer(struct ring *ring, uint32_t flags)
{
	return ring->buffers + (size_t)sim_buffer_id(ring, flags) * ring->config.buffer_size;
}

void ring_buffer_release(struct ring *ring, uint32_t flags)
{
	unsigned id = sim_buffer_id(ring, flags);
	uint8_t *data = ring->buffers + (size_t)id * ring->config.buffer_size;
	memset(data, SIM_FILL, ring->config.buffer_size);
	ASAN_POISON_MEMORY_REGION(data, ring->config.buffer_size);
	ring->buffer_lent[id] = false;
	ring->buffers_free[ring->buffers_free_count++] = (uint16_t)id;
}

unsigned ring_buffers_free(const struct ring *ring)
{
	sim_ring_alive(ring);
	return ring->buffers_free_count;
}

/* Submissions. */

void ring_accept(struct ring *ring, struct ring_op *op, int fd)
{
	sim_fd_expect(fd, SIM_FD_LISTENER, "ring_accept");
	sim_only_one(ring, SIM_ACCEPT, fd);
	sim_start_soon(sim_submit(ring, op, SIM_ACCEPT, fd));
}

void ring_recv(struct ring *ring, struct ring_op *op, int fd)
{
	sim_fd_expect(fd, SIM_FD_SOCKET, "ring_recv");
	sim_only_one(ring, SIM_RECV, fd);
	sim_start_soon(sim_submit(ring, op, SIM_RECV, fd));
}

void ring_send(struct ring *ring, struct ring_op *op, int fd, const void *data, size_t length)
{
	sim_fd_expect(fd, SIM_FD_SOCKET, "ring_send");
	sim_only_one(ring, SIM_SEND, fd);
	if (!length)
		sim_bug("ring_send of nothing");
	struct sim_op *o = sim_submit(ring, op, SIM_SEND, fd);
	o->data = data;
	o->length = length;
	o->hash = sim_hash(data, length);
	sim_start_soon(o);
}

void ring_connect(struct ring *ring, struct ring_op *op, int fd, const struct ring_address *address)
{
	sim_fd_expect(fd, SIM_FD_SOCKET, "ring_connect");
	sim_only_one(ring, SIM_CONNECT, fd);
	struct sim_op *o = sim_submit(ring, op, SIM_CONNECT, fd);
	o->address = address;
	sim_start_soon(o);
}

void ring_shutdown(struct ring *ring, struct ring_op *op, int fd, int how)
{
	sim_fd_expect(fd, SIM_FD_SOCKET, "ring_shutdown");
	struct sim_op *o = sim_submit(ring, op, SIM_SHUTDOWN, fd);
	o->how = how;
	sim_start_soon(o);
}

void ring_close_fd(struct ring *ring, struct ring_op *op, int fd)
{
	struct sim_fd *f = sim_fd_get(fd);
	if (f->in_flight)
		sim_bug("close of descriptor %d with %u ops in flight on it", fd, f->in_flight);
	struct sim_op *o = sim_submit(ring, op, SIM_CLOSE, -1);
	o->fd = fd;
	f->closing = true;
	sim_start_soon(o);
}

void ring_drop_fd(struct ring *ring, int fd)
{
	sim_ring_alive(ring);
	if (sim_fd_get(fd)->in_flight)
		sim_bug("ring_drop_fd of descriptor %d with ops in flight on it", fd);
	sim_fd_release(fd);
}

void ring_cancel(struct ring *ring, struct ring_op *op, struct ring_op *target)
{
	if (!target->in_flight)
		sim_bug("ring_cancel of an op that is not in flight");
	struct sim_op *o = sim_submit(ring, op, SIM_CANCEL, -1);
	o->target = target;
	o->target_generation = target->generation;
	sim_start_soon(o);
}

static void sim_fd_expect_file(int fd, unsigned alignment_of)
{
	struct sim_fd *f = sim_fd_get(fd);
	if (f->kind != SIM_FD_FILE)
		sim_bug("descriptor %d is no file", fd);
	/* The kernel answers -EINVAL; it can only be our own mistake. */
	if (f->flags & DISK_DIRECT && alignment_of % DISK_BLOCK)
		sim_bug("descriptor %d is O_DIRECT: offset, length or memory is not aligned", fd);
}

void ring_write(struct ring *ring, struct ring_op *op, int fd, const void *data, size_t length, uint64_t offset)
{
	sim_fd_expect_file(fd, (unsigned)(((uintptr_t)data | length | offset) % DISK_BLOCK));
	if (!(sim_fd_get(fd)->flags & DISK_WRITE))
		sim_bug("ring_write: descriptor %d is read only", fd);
	struct sim_op *o = sim_submit(ring, op, SIM_WRITE, fd);
	o->data = data;
	o->length = length;
	o->offset = offset;
	o->hash = sim_hash(data, length);
	sim_start(o, sim_disk_submit(o));
}

void ring_read(struct ring *ring, struct ring_op *op, int fd, void *data, size_t length, uint64_t offset)
{
	sim_fd_expect_file(fd, (unsigned)(((uintptr_t)data | length | offset) % DISK_BLOCK));
	struct sim_op *o = sim_submit(ring, op, SIM_READ, fd);
	o->out = data;
	o->length = length;
	o->offset = offset;
	/* Until the completion the memory is the kernel's: nobody may find anything there. */
	memset(data, SIM_FILL, length);
	sim_start(o, sim_disk_submit(o));
}

void ring_fsync(struct ring *ring, struct ring_op *op, int fd)
{
	struct sim_fd *f = sim_fd_get(fd);
	if (f->kind != SIM_FD_FILE && f->kind != SIM_FD_DIRECTORY)
		sim_bug("ring_fsync: descriptor %d is no file", fd);
	struct sim_op *o = sim_submit(ring, op, SIM_FSYNC, fd);
	sim_start(o, sim_disk_submit(o));
}

void ring_on_doorbell(struct ring *ring, void (*fn)(void *context), void *context)
{
	sim_ring_alive(ring);
	ring->doorbell = fn;
	ring->doorbell_context = context;
}

void ring_doorbell(struct ring *ring, struct ring_op *op, struct ring *target)
{
	struct sim_op *o = sim_submit(ring, op, SIM_DOORBELL, -1);
	o->target_ring = target;
	sim_start_soon(o);
}
