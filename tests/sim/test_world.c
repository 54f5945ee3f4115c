/*
 * tests/sim/test_world.c - does the simulated kernel behave like the one it stands for, and the same each time?
 *
 * The echo server here is a small engine of its own: it uses ring.h as the relay does, with all of a multishot
 * receive's endings, so that the promises the relay's simulations rest on are themselves tested.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/disk.h"
#include "core/base/list.h"
#include "core/base/random.h"
#include "tests/sim/test_echo.h"
#include "tests/sim/world.h"
#include "tests/unit/check.h"

enum { PORT = 2525 };

static void open_quiet(uint64_t seed)
{
	struct world_config config;
	world_config_quiet(&config, seed);
	world_open(&config);
}

static struct ring *open_ring(void)
{
	struct ring_config config = {.entries = 64, .completions = 256, .buffers = 16, .buffer_size = 512};
	struct ring_problem problem;
	struct ring *ring = NULL;
	CHECK_EQ(ring_open(&ring, &config, &problem), 0);
	return ring;
}

/* One op and what became of it. */
struct waiter {
	struct ring_op op;
	int result;
	unsigned calls;
	bool done;
};

static void waiter_on_done(struct ring_op *op, int result, uint32_t flags)
{
	struct waiter *w = container_of(op, struct waiter, op);
	w->result = result;
	w->calls++;
	w->done = !(flags & RING_MORE);
}

static struct waiter waiter_make(void)
{
	return (struct waiter){.op = {.fn = waiter_on_done}};
}

static bool waiter_wait(struct ring *ring, struct waiter *w)
{
	for (int i = 0; i < 100000 && !w->done; i++) {
		ring_turn(ring, 0);
		if (!w->done && !world_step())
			return false;
	}
	return w->done;
}

/* Determinism and delivery. */

static void echo_run(uint64_t seed, struct echo_result *result)
{
	struct world_config config;
	world_config_random(&config, seed);
	world_open(&config);
	echo_scenario(PORT, 4, 20000, result);
	world_close();
}

static void test_one_seed_is_one_run(void)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct echo_result a, b, c;
		echo_run(seed, &a);
		echo_run(seed, &b);
		echo_run(seed + 100, &c);
		CHECK(a.hash == b.hash);
		CHECK(a.hash != c.hash);
		CHECK_EQ(a.now_ns, b.now_ns);
	}
}

static void test_octets_arrive_in_order(void)
{
	struct echo_result total = {0};
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct echo_result r;
		echo_run(seed, &r);
		CHECK_EQ(r.end, WORLD_DONE);
		CHECK_EQ(r.clients_done, 4);
		CHECK_EQ(r.wrong_octets, 0);
		CHECK_EQ(r.leaked, 0);
		total.short_sends += r.short_sends;
		total.recv_ended_early += r.recv_ended_early;
		total.buffer_shortages += r.buffer_shortages;
	}
	/* The unpleasant ways were really taken. */
	CHECK(total.short_sends > 0);
	CHECK(total.recv_ended_early > 0);
	CHECK(total.buffer_shortages > 0);
}

static void test_random_bytes_come_from_the_seed(void)
{
	uint8_t a[40], b[40], c[40];
	open_quiet(7);
	random_bytes(a, sizeof(a));
	world_close();
	open_quiet(7);
	random_bytes(b, sizeof(b));
	random_bytes(c, sizeof(c));
	world_close();
	CHECK(memcmp(a, b, sizeof(a)) == 0);
	CHECK(memcmp(a, c, sizeof(a)) != 0);
}

static void set_flag(void *context)
{
	*(bool *)context = true;
}

static void test_wall_clock_steps_alone(void)
{
	bool fired = false;
	open_quiet(1);
	uint64_t wall = clock_wall_ns(), monotonic = clock_monotonic_ns();
	world_wall_step(-3600 * (int64_t)CLOCK_NS_PER_S);
	CHECK_EQ(clock_wall_ns(), wall - 3600 * CLOCK_NS_PER_S);
	CHECK_EQ(clock_monotonic_ns(), monotonic);
	world_wall_step(-60 * 365 * 86400 * (int64_t)CLOCK_NS_PER_S);
	CHECK_EQ(clock_wall_ns(), 0);
	world_after(5 * CLOCK_NS_PER_S, set_flag, &fired);
	CHECK_EQ(world_run(NULL, NULL, 10 * CLOCK_NS_PER_S), WORLD_IDLE);
	CHECK(fired);
	CHECK_EQ(clock_monotonic_ns(), monotonic + 5 * CLOCK_NS_PER_S);
	world_close();
}

/* Network. */

static void test_refused_black_hole_and_cancel(void)
{
	open_quiet(3);
	struct ring *ring = open_ring();
	struct ring_address address = world_address(PORT);
	struct waiter w = waiter_make(), c = waiter_make(), q = waiter_make();
	int fd = ring_socket(ring, AF_INET);
	ring_connect(ring, &w.op, fd, &address);
	CHECK(waiter_wait(ring, &w));
	CHECK_EQ(w.result, -ECONNREFUSED);

	world_reach(PORT, WORLD_BLACK_HOLE);
	uint64_t before = world_now_ns();
	w = waiter_make();
	ring_connect(ring, &w.op, fd, &address);
	CHECK(waiter_wait(ring, &w));
	CHECK_EQ(w.result, -ETIMEDOUT);
	CHECK(world_now_ns() - before > 100 * CLOCK_NS_PER_S);

	w = waiter_make();
	ring_connect(ring, &w.op, fd, &address);
	for (int i = 0; i < 5; i++)
		world_step();
	ring_cancel(ring, &c.op, &w.op);
	CHECK(waiter_wait(ring, &w) && waiter_wait(ring, &c));
	CHECK_EQ(w.result, -ECANCELED);
	CHECK_EQ(c.result, 0);
	ring_close_fd(ring, &q.op, fd);
	CHECK(waiter_wait(ring, &q));
	CHECK_EQ(world_descriptors(), 0);
	ring_close(ring);
	world_close();
}

static void test_reuseport_spreads(void)
{
	struct echo_result r;
	open_quiet(5);
	echo_scenario(PORT, 40, 100, &r);
	CHECK_EQ(r.clients_done, 40);
	/* Two shards listen on the same port. */
	CHECK(r.accepted[0] > 5);
	CHECK(r.accepted[1] > 5);
	world_close();
}

static void test_accept_ends_without_descriptors(void)
{
	struct world_config config;
	struct echo_client *clients;
	world_config_quiet(&config, 9);
	config.descriptors = 1;
	world_open(&config);
	struct ring *ring = open_ring();
	struct ring_address address = world_address(PORT);
	int fd = ring_listen(ring, &address, 16, RING_SHARED);
	CHECK(fd >= 1000);
	CHECK_EQ(ring_socket(ring, AF_INET), -EMFILE);
	clients = echo_clients_start(PORT, 1, 10);
	struct waiter w = waiter_make();
	ring_accept(ring, &w.op, fd);
	CHECK(waiter_wait(ring, &w));
	CHECK_EQ(w.result, -EMFILE);
	CHECK_EQ(w.calls, 1);
	struct waiter q = waiter_make();
	ring_close_fd(ring, &q.op, fd);
	CHECK(waiter_wait(ring, &q));
	ring_close(ring);
	echo_clients_free(clients);
	world_close();
}

static void test_reset_and_partition(void)
{
	struct echo_result r;
	open_quiet(11);
	world_partition(PORT, true);
	struct echo_server *server = echo_server_start(PORT, 2);
	struct echo_client *clients = echo_clients_start(PORT, 2, 50000);
	CHECK_EQ(world_run(NULL, NULL, 10 * CLOCK_NS_PER_S), WORLD_TIME_UP);
	echo_collect(server, clients, 2, &r);
	CHECK_EQ(r.clients_done, 0);
	CHECK_EQ(r.accepted[0] + r.accepted[1], 0);
	world_partition(PORT, false);
	CHECK_EQ(world_run(echo_clients_done, clients, 60 * CLOCK_NS_PER_S), WORLD_DONE);
	echo_collect(server, clients, 2, &r);
	CHECK_EQ(r.wrong_octets, 0);
	echo_clients_free(clients);

	clients = echo_clients_start(PORT, 2, 10000000);
	world_run(NULL, NULL, 20 * CLOCK_NS_PER_MS);
	world_reset(PORT);
	CHECK_EQ(world_run(echo_clients_done, clients, 60 * CLOCK_NS_PER_S), WORLD_DONE);
	echo_collect(server, clients, 2, &r);
	CHECK_EQ(r.clients_reset, 2);
	CHECK_EQ(r.wrong_octets, 0);
	echo_server_stop(server);
	echo_clients_free(clients);
	world_close();
}

/* Disk. */

static uint8_t page[2][16384] __attribute__((aligned(4096)));

static void fill_pages(void)
{
	memset(page[0], 'a', sizeof(page[0]));
	memset(page[1], 'b', sizeof(page[1]));
}

/* A durable file of 'a', opened with `flags`. */
static int make_file(const char *name, unsigned flags, int *directory)
{
	fill_pages();
	*directory = disk_directory_open("/spool", true);
	CHECK(*directory >= 1000);
	int fd = disk_open(*directory, name, DISK_CREATE | DISK_WRITE | flags);
	CHECK(fd >= 1000);
	CHECK_EQ(disk_write(fd, page[0], sizeof(page[0]), 0), sizeof(page[0]));
	CHECK_EQ(disk_sync(fd), 0);
	CHECK_EQ(disk_sync(*directory), 0);
	return fd;
}

enum { FOUND_OLD = 1, FOUND_NEW = 2, FOUND_MIXED = 4, FOUND_TORN_PAGE = 8 };

/* Which state does a crash leave of the file of 'a' that was being overwritten with 'b'? */
static unsigned look(const char *path)
{
	uint8_t data[sizeof(page[0])];
	unsigned new_sectors = 0;
	bool torn_page = false;
	CHECK_EQ(world_file_read(path, data, sizeof(data), 0), sizeof(data));
	for (size_t i = 0; i < sizeof(data); i += 512) {
		CHECK(memcmp(data + i, page[0], 512) == 0 || memcmp(data + i, page[1], 512) == 0);
		new_sectors += data[i] == 'b';
		torn_page |= data[i] != data[i / 4096 * 4096];
	}
	if (new_sectors == 0)
		return FOUND_OLD;
	if (new_sectors == sizeof(data) / 512)
		return FOUND_NEW;
	return FOUND_MIXED | (torn_page ? FOUND_TORN_PAGE : 0);
}

static void test_completed_dsync_write_survives(void)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		int directory;
		struct waiter w = waiter_make();
		open_quiet(seed);
		struct ring *ring = open_ring();
		int fd = make_file("f", DISK_DSYNC | DISK_DIRECT, &directory);
		ring_write(ring, &w.op, fd, page[1], sizeof(page[1]), 0);
		CHECK(waiter_wait(ring, &w));
		CHECK_EQ(w.result, sizeof(page[1]));
		world_crash(WORLD_POWER_CUT);
		CHECK_EQ(look("/spool/f"), FOUND_NEW);
		world_close();
	}
}

static void test_write_in_flight_may_tear(void)
{
	unsigned found = 0, killed = 0;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		for (int kind = WORLD_KILL; kind <= WORLD_POWER_CUT; kind++) {
			int directory;
			struct waiter w = waiter_make();
			open_quiet(seed);
			struct ring *ring = open_ring();
			int fd = make_file("f", DISK_DSYNC, &directory);
			ring_write(ring, &w.op, fd, page[1], sizeof(page[1]), 0);
			world_crash((enum world_crash_kind)kind);
			CHECK(!w.done);
			if (kind == WORLD_KILL)
				killed |= look("/spool/f");
			else
				found |= look("/spool/f");
			world_close();
		}
	}
	CHECK_EQ(found, FOUND_OLD | FOUND_NEW | FOUND_MIXED | FOUND_TORN_PAGE);
	CHECK_EQ(killed, FOUND_OLD | FOUND_NEW);
}

static void test_unsynced_write_may_be_lost(void)
{
	unsigned found = 0;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		int directory;
		uint8_t back[512];
		open_quiet(seed);
		int fd = make_file("f", 0, &directory);
		CHECK_EQ(disk_write(fd, page[1], sizeof(page[1]), 0), sizeof(page[1]));
		CHECK_EQ(disk_read(fd, back, sizeof(back), 0), sizeof(back));
		CHECK_EQ(back[0], 'b');
		world_crash(WORLD_KILL);
		CHECK_EQ(look("/spool/f"), FOUND_NEW);
		world_crash(WORLD_POWER_CUT);
		found |= look("/spool/f");
		world_close();
	}
	CHECK(found & FOUND_TORN_PAGE);
}

/* P1: an fsync covers what had completed when it was submitted, no more. */
static void test_fsync_covers_what_had_completed(void)
{
	unsigned found = 0;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		int directory;
		struct waiter w = waiter_make(), s = waiter_make();
		open_quiet(seed);
		struct ring *ring = open_ring();
		int fd = make_file("f", 0, &directory);
		ring_write(ring, &w.op, fd, page[1], sizeof(page[1]), 0);
		ring_fsync(ring, &s.op, fd);
		CHECK(waiter_wait(ring, &w) && waiter_wait(ring, &s));
		world_crash(WORLD_POWER_CUT);
		found |= look("/spool/f");
		world_close();

		w = waiter_make(), s = waiter_make();
		open_quiet(seed);
		ring = open_ring();
		fd = make_file("f", 0, &directory);
		ring_write(ring, &w.op, fd, page[1], sizeof(page[1]), 0);
		CHECK(waiter_wait(ring, &w));
		ring_fsync(ring, &s.op, fd);
		CHECK(waiter_wait(ring, &s));
		world_crash(WORLD_POWER_CUT);
		CHECK_EQ(look("/spool/f"), FOUND_NEW);
		world_close();
	}
	CHECK(found & FOUND_MIXED);
}

/* P3: after a failed fsync the next one succeeds, and the data is gone all the same. */
static void test_failed_fsync_is_final(void)
{
	unsigned found = 0;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		int directory;
		open_quiet(seed);
		int fd = make_file("f", 0, &directory);
		CHECK_EQ(disk_write(fd, page[1], sizeof(page[1]), 0), sizeof(page[1]));
		world_fault_io(&(struct world_io_fault){.operations = WORLD_IO_SYNC, .nth = 1, .error = -EIO});
		CHECK_EQ(disk_sync(fd), -EIO);
		CHECK_EQ(disk_sync(fd), 0);
		world_crash(WORLD_POWER_CUT);
		found |= look("/spool/f");
		world_close();
	}
	CHECK(found & FOUND_MIXED);
}

static void test_directory_entries_need_a_sync(void)
{
	unsigned kept = 0, lost = 0;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		int directory;
		open_quiet(seed);
		int fd = make_file("synced", 0, &directory);
		disk_close(fd);
		fd = disk_open(directory, "new", DISK_CREATE | DISK_WRITE | DISK_DSYNC);
		CHECK_EQ(disk_write(fd, page[1], 512, 0), 512);
		CHECK_EQ(disk_open(directory, "new", DISK_CREATE), -EEXIST);
		world_crash(WORLD_POWER_CUT);
		CHECK_EQ(look("/spool/synced"), FOUND_OLD);
		kept += world_file_size("/spool/new") == 512;
		lost += world_file_size("/spool/new") == -ENOENT;
		world_close();
	}
	CHECK(kept > 0);
	CHECK(lost > 0);
	CHECK_EQ(kept + lost, 30);
}

static void test_rename_unlink_lock(void)
{
	int directory;
	open_quiet(2);
	int fd = make_file("a", 0, &directory);
	int lock = disk_lock(directory);
	CHECK(lock >= 1000);
	CHECK_EQ(disk_lock(directory), -EWOULDBLOCK);
	disk_close(lock);
	lock = disk_lock(directory);
	CHECK(lock >= 1000);
	CHECK_EQ(disk_rename(directory, "a", "b"), 0);
	CHECK_EQ(disk_rename(directory, "a", "b"), -ENOENT);
	CHECK_EQ(disk_sync(directory), 0);
	int sub = disk_subdirectory_open(directory, "sub", true);
	CHECK(sub >= 1000);
	CHECK_EQ(disk_unlink(directory, "sub"), -EISDIR);
	CHECK_EQ(disk_subdirectory_open(directory, "other", false), -ENOENT);
	disk_close(fd);
	world_crash(WORLD_POWER_CUT);
	CHECK_EQ(look("/spool/b"), FOUND_OLD);
	CHECK_EQ(world_file_size("/spool/a"), -ENOENT);
	CHECK_EQ(world_descriptors(), 0);
	directory = disk_directory_open("/spool", false);
	CHECK(disk_lock(directory) >= 0);
	CHECK_EQ(disk_remove_directory(directory, "sub"), 0);
	CHECK_EQ(disk_unlink(directory, "b"), 0);
	CHECK_EQ(disk_open(directory, "b", 0), -ENOENT);
	world_close();
}

static void test_faults_are_injected(void)
{
	int directory;
	struct waiter w = waiter_make();
	open_quiet(4);
	struct ring *ring = open_ring();
	int fd = make_file("f", DISK_DSYNC, &directory);
	world_fault_io(&(struct world_io_fault){.operations = WORLD_IO_WRITE, .nth = 2, .error = -ENOSPC});
	CHECK_EQ(disk_write(fd, page[1], 512, 0), 512);
	ring_write(ring, &w.op, fd, page[1], sizeof(page[1]), 0);
	CHECK(waiter_wait(ring, &w));
	CHECK_EQ(w.result, -ENOSPC);
	world_fault_io(&(struct world_io_fault){
		.operations = WORLD_IO_WRITE, .nth = 1, .short_write = true, .delay_ns = 30 * CLOCK_NS_PER_S});
	uint64_t before = world_now_ns();
	w = waiter_make();
	ring_write(ring, &w.op, fd, page[1], sizeof(page[1]), 0);
	CHECK(waiter_wait(ring, &w));
	CHECK(w.result > 0 && w.result < (int)sizeof(page[1]));
	CHECK(world_now_ns() - before >= 30 * CLOCK_NS_PER_S);
	world_fault_io(&(struct world_io_fault){.operations = WORLD_IO_READ, .nth = 1, .count = 2, .error = -EIO});
	CHECK_EQ(disk_read(fd, page[1], 512, 0), -EIO);
	CHECK_EQ(disk_read(fd, page[1], 512, 0), -EIO);
	CHECK_EQ(disk_read(fd, page[1], 512, 0), 512);
	CHECK_EQ(disk_allocate(fd, 100000), 0);
	CHECK_EQ(disk_size(fd), 100000);
	CHECK_EQ(disk_read(fd, page[1], 512, 99999), 1);
	world_file_flip("/spool/f", 8 * 99999 + 3);
	CHECK_EQ(disk_read(fd, page[1], 512, 99999), 1);
	CHECK_EQ(page[1][0], 8);
	CHECK_EQ(disk_truncate(fd, 512), 0);
	CHECK_EQ(disk_size(fd), 512);
	world_disk_capacity(1000);
	CHECK_EQ(disk_allocate(fd, 1001), -ENOSPC);
	CHECK_EQ(disk_write(fd, page[1], 512, 512), -ENOSPC);
	CHECK_EQ(disk_allocate(fd, 1000), 0);
	CHECK_EQ(disk_write(fd, page[1], 512, 0), 512);
	ring_close(ring);
	world_close();
}

/* Crashes in the middle of calls, and memory. */

struct life {
	unsigned writes; /* completed, as the "engine" saw */
	struct ring *ring;
};

static void life_run(void *context)
{
	struct life *life = context;
	int directory;
	world_engine_enter();
	char *memory = malloc(1000), *more = strdup("kept by nobody");
	CHECK(memory && more);
	life->ring = open_ring();
	int fd = make_file("f", DISK_DSYNC, &directory);
	for (int i = 0; i < 5; i++) {
		struct waiter *w = calloc(1, sizeof(*w));
		*w = waiter_make();
		ring_write(life->ring, &w->op, fd, page[1], sizeof(page[1]), (uint64_t)i * sizeof(page[1]));
		if (waiter_wait(life->ring, w))
			life->writes++;
		free(w);
	}
	free(memory);
	free(more);
	ring_close(life->ring);
	world_engine_leave();
}

static void test_planned_crash_at_every_io(void)
{
	open_quiet(21);
	struct life life = {0};
	CHECK(!world_guard(life_run, &life));
	uint64_t count = world_io_count();
	CHECK_EQ(life.writes, 5);
	CHECK_EQ(world_allocations_live(), 0);
	world_close();
	CHECK_EQ(count, 2 + 3 + 5);
	for (uint64_t io = 1; io <= count; io++) {
		open_quiet(21);
		life = (struct life){0};
		world_crash_at_io(io, WORLD_POWER_CUT);
		CHECK(world_guard(life_run, &life));
		CHECK_EQ(world_allocations_live(), 0);
		CHECK_EQ(world_descriptors(), 0);
		CHECK_EQ(life.writes, io > 5 ? io - 6 : 0);
		/* What was written before is there. */
		char c = 0;
		for (unsigned i = 0; i < life.writes; i++) {
			CHECK_EQ(world_file_read("/spool/f", &c, 1, (i + 1) * sizeof(page[1]) - 1), 1);
			CHECK_EQ(c, 'b');
		}
		world_close();
	}
}

static void test_allocations_can_fail(void)
{
	/* Volatile, or the compiler sees that nobody uses the memory and does without. */
	void *volatile m[4], *volatile other;
	open_quiet(1);
	world_engine_enter();
	m[0] = malloc(10);
	world_fail_allocation(2);
	for (int i = 1; i < 4; i++)
		m[i] = malloc(10);
	CHECK(m[0] && m[1] && !m[2] && m[3]);
	world_fail_allocation(1);
	other = realloc(m[0], 5000);
	CHECK(other == NULL);
	CHECK_EQ(world_allocations_live(), 3);
	world_engine_leave();
	CHECK_EQ(world_allocations(), 5);
	other = malloc(10);
	CHECK_EQ(world_allocations(), 5);
	free(other);
	world_engine_enter();
	free(m[1]);
	world_engine_leave();
	CHECK_EQ(world_allocations_live(), 2);
	world_crash(WORLD_KILL);
	CHECK_EQ(world_allocations_live(), 0);
	world_close();
}

/* Misuse ends the program: each case runs in a child. */

static void misuse_op_twice(struct ring *ring, int fd, struct waiter *w)
{
	ring_read(ring, &w[0].op, fd, page[0], 512, 0);
	ring_read(ring, &w[0].op, fd, page[1], 512, 0);
}

static void misuse_changed_write(struct ring *ring, int fd, struct waiter *w)
{
	ring_write(ring, &w[0].op, fd, page[0], 512, 0);
	page[0][100]++;
	waiter_wait(ring, &w[0]);
}

static void misuse_close_in_flight(struct ring *ring, int fd, struct waiter *w)
{
	ring_write(ring, &w[0].op, fd, page[0], 512, 0);
	ring_close_fd(ring, &w[1].op, fd);
}

static void misuse_reused_memory(struct ring *ring, int fd, struct waiter *w)
{
	ring_write(ring, &w[0].op, fd, page[0], 512, 0);
	w[0] = waiter_make();
	waiter_wait(ring, &w[0]);
}

static void misuse_two_sends(struct ring *ring, int fd, struct waiter *w)
{
	int s = ring_socket(ring, AF_INET);
	ring_send(ring, &w[0].op, s, page[0], 10);
	ring_send(ring, &w[1].op, s, page[0], 10);
}

static void misuse_release_twice(struct ring *ring, int fd, struct waiter *w)
{
	ring_buffer_release(ring, RING_BUFFER);
}

static void misuse_close_ring(struct ring *ring, int fd, struct waiter *w)
{
	ring_write(ring, &w[0].op, fd, page[0], 512, 0);
	ring_close(ring);
}

static void misuse_after_crash(struct ring *ring, int fd, struct waiter *w)
{
	world_crash(WORLD_KILL);
	ring_turn(ring, 0);
}

static void misuse_old_descriptor(struct ring *ring, int fd, struct waiter *w)
{
	world_crash(WORLD_KILL);
	disk_size(fd);
}

static void misuse_after_close(struct ring *ring, int fd, struct waiter *w)
{
	ring_close_fd(ring, &w[0].op, fd);
	ring_write(ring, &w[1].op, fd, page[0], 512, 0);
}

static void misuse_unaligned(struct ring *ring, int fd, struct waiter *w)
{
	int directory = disk_directory_open("/spool", false);
	fd = disk_open(directory, "f", DISK_WRITE | DISK_DIRECT);
	ring_write(ring, &w[0].op, fd, page[0], 512, 0);
}

static void innocent(struct ring *ring, int fd, struct waiter *w)
{
	ring_write(ring, &w[0].op, fd, page[0], 512, 0);
	waiter_wait(ring, &w[0]);
}

static bool aborts(void (*misuse)(struct ring *ring, int fd, struct waiter *w))
{
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		int directory;
		struct waiter w[2] = {waiter_make(), waiter_make()};
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		open_quiet(1);
		struct ring *ring = open_ring();
		int fd = make_file("f", DISK_DSYNC, &directory);
		misuse(ring, fd, w);
		_exit(0);
	}
	int status = 0;
	CHECK_EQ(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_misuse_is_noticed(void)
{
	CHECK(!aborts(innocent));
	CHECK(aborts(misuse_op_twice));
	CHECK(aborts(misuse_changed_write));
	CHECK(aborts(misuse_close_in_flight));
	CHECK(aborts(misuse_reused_memory));
	CHECK(aborts(misuse_two_sends));
	CHECK(aborts(misuse_release_twice));
	CHECK(aborts(misuse_close_ring));
	CHECK(aborts(misuse_after_crash));
	CHECK(aborts(misuse_old_descriptor));
	CHECK(aborts(misuse_after_close));
	CHECK(aborts(misuse_unaligned));
}

int main(void)
{
	RUN(test_one_seed_is_one_run);
	RUN(test_octets_arrive_in_order);
	RUN(test_random_bytes_come_from_the_seed);
	RUN(test_wall_clock_steps_alone);
	RUN(test_refused_black_hole_and_cancel);
	RUN(test_reuseport_spreads);
	RUN(test_accept_ends_without_descriptors);
	RUN(test_reset_and_partition);
	RUN(test_completed_dsync_write_survives);
	RUN(test_write_in_flight_may_tear);
	RUN(test_unsynced_write_may_be_lost);
	RUN(test_fsync_covers_what_had_completed);
	RUN(test_failed_fsync_is_final);
	RUN(test_directory_entries_need_a_sync);
	RUN(test_rename_unlink_lock);
	RUN(test_faults_are_injected);
	RUN(test_planned_crash_at_every_io);
	RUN(test_allocations_can_fail);
	RUN(test_misuse_is_noticed);
	return check_end();
}
