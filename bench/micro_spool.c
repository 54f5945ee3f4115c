/*
 * micro_spool.c - what the spool itself takes for a message: copying and hashing it, sealing batches, answering
 * tickets, accounting for what is live.
 *
 * Its disk is one that takes every write at once and keeps nothing: the functions of ring.h and disk.h that the
 * spool calls are at the end of this file, linked in place of the real ones. Both other ways would measure something
 * else. The simulated disk (tests/sim) checks and copies every octet that is written, which is more work than the
 * spool's, in time and in instructions. The real ring on tmpfs has its writes done by threads of the kernel, with a
 * copy the real disk does not need, no flush, and waiting whose instructions are chance. What a real disk takes is
 * micro_commit's; the system calls are floor's. Nothing here says how fast an acceptance is, only how much of it
 * is the spool's work. The octets stay in the processor's cache, which a real disk's DMA does not change either.
 *
 * Messages are committed in groups of ten, as many as 50 busy clients make (docs/performance.md).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/micro.h"
#include "core/base/clock.h"
#include "core/base/disk.h"
#include "core/base/list.h"
#include "queue/spool.h"

enum { GROUP = 10, REPEAT = 50, TIMES_MAX = 3, MESSAGES = REPEAT * TIMES_MAX, TURNS_MAX = 1000 };
enum { SMALL = 4096, LARGE = 65536, HEADER = 160, ENVELOPE = 180 };
/* Segments of the default size; slabs of the default memory_max for one shard of two. */
enum { SEGMENT = 64 << 20, SLABS = 64, OPS_MAX = 64 };

struct message {
	struct spool_item item;
	struct spool_ticket ticket;
};

/* Ops that will be complete at the next turn. */
struct ring {
	struct {
		struct ring_op *op;
		int result;
	} waiting[OPS_MAX];
	unsigned count;
};

static struct ring ring;
static struct spool *spool;
static struct message messages[MESSAGES];
static uint64_t last_id;
static unsigned answered;
static uint8_t content[LARGE], envelope[ENVELOPE];

/* The octets of a message, also where they are not what is measured. */
static size_t length_of(const struct micro_operation *operation)
{
	return operation->octets ? operation->octets : SMALL;
}

static void on_answer(struct spool_ticket *ticket, int result)
{
	if (result < 0)
		micro_fail("a ticket", strerror(-result));
	answered++;
}

static void turn(void)
{
	spool_flush(spool);
	if (ring_turn(&ring, 0) < 0)
		micro_fail("the ring", "it failed");
}

static void settle(void)
{
	for (unsigned i = 0; i < TURNS_MAX; i++) {
		turn();
		if (spool_idle(spool) && ring.count == 0)
			return;
	}
	micro_fail("the spool", "it does not come to rest");
}

/* Received header and content are two pieces, as the relay has them. */
static void append(struct message *m, size_t length)
{
	const struct iovec pieces[] = {{content, HEADER}, {content + HEADER, length - HEADER}};
	uint64_t id = ++last_id;
	struct spool_message message = {
		.id = {1, id},
		.wall_ns = id,
		.envelope = envelope,
		.envelope_length = sizeof envelope,
		.content = pieces,
		.content_count = 2,
	};

	m->item = (struct spool_item){.id = message.id};
	m->ticket.fn = on_answer;
	int result = spool_append_message(spool, &message, &m->item, &m->ticket);
	/* The segment behind this one may not be ready yet: a turn later it is. */
	for (unsigned i = 0; result == -EAGAIN && i < TURNS_MAX; i++) {
		turn();
		result = spool_append_message(spool, &message, &m->item, &m->ticket);
	}
	if (result < 0)
		micro_fail("an append", strerror(-result));
}

/* From the append to the answer of its ticket, in groups. At the end of a segment or slab a group is more than one
 * batch, and a small one waits for the write before it. */
static void run_commit(const struct micro_operation *operation, unsigned count)
{
	unsigned before = answered;

	for (unsigned i = 0; i < count; i++) {
		append(&messages[i], length_of(operation));
		if (i % GROUP == GROUP - 1 || i + 1 == count)
			turn();
	}
	for (unsigned i = 0; answered - before != count && i < TURNS_MAX; i++)
		turn();
	if (answered - before != count)
		micro_fail(operation->name, "not every message was answered");
}

static void run_done(const struct micro_operation *operation, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		int result = spool_done(spool, &messages[i].item, NULL);
		if (result < 0)
			micro_fail(operation->name, strerror(-result));
		if (i % GROUP == GROUP - 1 || i + 1 == count)
			turn();
	}
}

/* A state record, as a delivery that was deferred leaves it. */
static void run_state(const struct micro_operation *operation, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		int result = spool_append_state(spool, &messages[i].item, i, envelope, 64, NULL);
		if (result < 0)
			micro_fail(operation->name, strerror(-result));
		if (i % GROUP == GROUP - 1 || i + 1 == count)
			turn();
	}
}

static void on_view(struct spool_view *view, int result)
{
	micro_fail("a view", "it was not in memory");
}

/* Content for a delivery, while its slab still has it. */
static void run_view(const struct micro_operation *operation, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct spool_view view = {0};

		if (!spool_view(spool, &view, &messages[i].item.message, on_view))
			micro_fail(operation->name, "it was not in memory");
		micro_sink += view.content_length;
		spool_view_release(&view);
	}
}

static void commit(const struct micro_operation *operation, unsigned count)
{
	run_commit(operation, count);
	settle();
}

static void finish(const struct micro_operation *operation, unsigned count)
{
	run_done(operation, count);
	settle();
}

static void rest(const struct micro_operation *operation, unsigned count)
{
	settle();
}

static void on_live(void *context, const struct spool_live *live)
{
	micro_fail("the spool", "an empty disk had mail");
}

static void start(void)
{
	const struct spool_settings settings = {
		.shards = 1,
		.segment_size = SEGMENT,
		.size_max = 64ull * SEGMENT,
		.slabs = SLABS,
		.writes = 2,
		.seed = 4711, /* the same hashes each time */
	};
	struct spool_report report;
	int result = spool_open(&spool, &settings, on_live, NULL, &report);

	if (result == 0)
		result = spool_start(spool, &ring);
	if (result < 0)
		micro_fail("the spool", strerror(-result));
	for (size_t i = 0; i < sizeof content; i++)
		content[i] = (uint8_t)("Lorem ipsum dolor sit amet, "[i % 28]);
	memset(envelope, 'e', sizeof envelope);
	settle();
}

#define OPERATION(label, size, function, first, last)                                                                  \
	{                                                                                                              \
		.name = "spool." label, .octets = size, .repeat = REPEAT, .run = function, .before = first,            \
		.after = last                                                                                          \
	}

int main(int argc, char **argv)
{
	static const struct micro_operation operations[] = {
		OPERATION("commit-4k", SMALL, run_commit, NULL, finish),
		OPERATION("commit-64k", LARGE, run_commit, NULL, finish),
		OPERATION("view-4k", 0, run_view, commit, finish),
		OPERATION("state", 0, run_state, commit, finish),
		OPERATION("done", 0, run_done, commit, rest),
	};

	micro_start(argc, argv, "");
	start();
	micro_run(operations, sizeof operations / sizeof operations[0]);
	settle();
	spool_close(spool);
	return 0;
}

/* ---- the disk that takes everything and keeps nothing ---- */

static void complete_later(struct ring *r, struct ring_op *op, int result)
{
	if (r->count == OPS_MAX)
		micro_fail("the ring", "more ops than it has room for");
	op->in_flight = true;
	r->waiting[r->count].op = op;
	r->waiting[r->count++].result = result;
}

void ring_write(struct ring *r, struct ring_op *op, int fd, const void *data, size_t length, uint64_t offset)
{
	complete_later(r, op, (int)length);
}

void ring_read(struct ring *r, struct ring_op *op, int fd, void *data, size_t length, uint64_t offset)
{
	complete_later(r, op, -EIO);
}

void ring_fsync(struct ring *r, struct ring_op *op, int fd)
{
	complete_later(r, op, 0);
}

int ring_turn(struct ring *r, uint64_t deadline_ns)
{
	struct ring done = *r;

	r->count = 0; /* callbacks may submit */
	for (unsigned i = 0; i < done.count; i++) {
		done.waiting[i].op->in_flight = false;
		done.waiting[i].op->fn(done.waiting[i].op, done.waiting[i].result, 0);
	}
	return (int)done.count;
}

int disk_list(int directory, void (*fn)(void *context, const char *name), void *context)
{
	return 0;
}

int disk_open(int directory, const char *name, unsigned flags)
{
	return 1000;
}

int disk_rename(int directory, const char *from, const char *to)
{
	return 0;
}

int disk_unlink(int directory, const char *name)
{
	return 0;
}

int disk_sync(int fd)
{
	return 0;
}

int64_t disk_size(int fd)
{
	return 0;
}

int disk_allocate(int fd, uint64_t length)
{
	return 0;
}

int disk_truncate(int fd, uint64_t length)
{
	return 0;
}

int64_t disk_read(int fd, void *data, size_t length, uint64_t offset)
{
	return -EIO;
}

int64_t disk_write(int fd, const void *data, size_t length, uint64_t offset)
{
	return (int64_t)length;
}

void disk_close(int fd)
{
}
