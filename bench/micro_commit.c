/*
 * micro_commit.c - what the disk itself takes for a durable write, as the spool makes them.
 *
 *     micro_commit [--seconds S] DIRECTORY
 *
 * Overwrites a file that was written and synced beforehand with O_DIRECT and O_DSYNC, one contiguous write behind the
 * other, so many in flight, and removes it at the end. This is the disk's own commit time: what an acceptance takes
 * beside it is the relay's. Sizes are those of a commit, 4 KiB to 1 MiB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/common.h"
#include "bench/histogram.h"
#include "core/base/clock.h"
#include "core/base/disk.h"
#include "core/base/list.h"
#include "core/base/ring.h"

enum { FILE_SIZE = 256 << 20, SIZE_MAX_WRITE = 1 << 20, DEPTH_MAX = 8 };

struct writer {
	struct ring *ring;
	int fd;
	size_t size;
	uint64_t at, end_ns;
	unsigned in_flight;
	struct histogram times;
};

struct slot {
	struct ring_op op;
	struct writer *writer;
	uint64_t begun_ns;
};

static uint8_t *memory;

static void slot_write(struct slot *slot)
{
	struct writer *writer = slot->writer;

	slot->begun_ns = clock_monotonic_ns();
	ring_write(writer->ring, &slot->op, writer->fd, memory, writer->size, writer->at);
	writer->at = (writer->at + writer->size) % FILE_SIZE;
	writer->in_flight++;
}

static void slot_on_written(struct ring_op *op, int result, uint32_t flags)
{
	struct slot *slot = container_of(op, struct slot, op);
	struct writer *writer = slot->writer;
	uint64_t now_ns = clock_monotonic_ns();

	writer->in_flight--;
	if (result != (int)writer->size)
		common_fail(COMMON_EXIT_ENVIRONMENT, "a write of %zu octets: %s", writer->size,
			    result < 0 ? strerror(-result) : "came to less");
	histogram_record(&writer->times, now_ns - slot->begun_ns);
	if (now_ns < writer->end_ns)
		slot_write(slot);
}

static void measure(struct ring *ring, int fd, size_t size, unsigned depth, uint64_t duration_ns)
{
	struct writer *writer = calloc(1, sizeof *writer);
	struct slot slots[DEPTH_MAX] = {0};
	uint64_t begun_ns = clock_monotonic_ns();

	if (!writer)
		common_fail(COMMON_EXIT_ENVIRONMENT, "no memory");
	*writer = (struct writer){.ring = ring, .fd = fd, .size = size, .end_ns = begun_ns + duration_ns};
	for (unsigned i = 0; i < depth; i++) {
		slots[i] = (struct slot){.op = {.fn = slot_on_written}, .writer = writer};
		slot_write(&slots[i]);
	}
	while (writer->in_flight)
		if (ring_turn(ring, UINT64_MAX) < 0)
			common_fail(COMMON_EXIT_ENVIRONMENT, "the ring failed");
	double seconds = (double)(clock_monotonic_ns() - begun_ns) / 1e9;
	printf("%7zu KiB %6u %10.0f %10.0f %10.0f %10.0f %10.1f\n", size >> 10, depth,
	       (double)writer->times.count / seconds, (double)histogram_quantile(&writer->times, 0.5) / 1e3,
	       (double)histogram_quantile(&writer->times, 0.9) / 1e3,
	       (double)histogram_quantile(&writer->times, 0.99) / 1e3,
	       (double)writer->times.count * (double)size / seconds / 1e6);
	fflush(stdout);
	free(writer);
}

/* A file that is allocated and written, so that no write changes anything but its octets. */
static int prepare(int directory, const char *name)
{
	int fd = disk_open(directory, name, DISK_CREATE | DISK_WRITE | DISK_DIRECT | DISK_DSYNC);
	int result = fd < 0 ? fd : disk_allocate(fd, FILE_SIZE);

	for (uint64_t at = 0; result == 0 && at < FILE_SIZE; at += SIZE_MAX_WRITE) {
		int64_t written = disk_write(fd, memory, SIZE_MAX_WRITE, at);
		result = written < 0 ? (int)written : 0;
	}
	if (result == 0)
		result = disk_sync(fd);
	if (result < 0)
		common_fail(COMMON_EXIT_ENVIRONMENT, "the file %s: %s", name, strerror(-result));
	return fd;
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20};
	const struct ring_config config = {.entries = 64, .completions = 256, .buffers = 2, .buffer_size = 4096};
	uint64_t duration_ns = CLOCK_NS_PER_S;
	struct ring_problem problem;
	struct ring *ring;

	common_program = "micro_commit";
	if (argc == 4 && strcmp(argv[1], "--seconds") == 0)
		duration_ns = common_number("--seconds", argv[2], 1, 3600) * CLOCK_NS_PER_S;
	else if (argc != 2)
		common_fail(COMMON_EXIT_USAGE, "usage: micro_commit [--seconds S] DIRECTORY");
	if (posix_memalign((void **)&memory, DISK_BLOCK, SIZE_MAX_WRITE) != 0)
		common_fail(COMMON_EXIT_ENVIRONMENT, "no memory");
	memset(memory, 'x', SIZE_MAX_WRITE);
	int directory = disk_directory_open(argv[argc - 1], false);
	if (directory < 0)
		common_fail(COMMON_EXIT_ENVIRONMENT, "%s: %s", argv[argc - 1], strerror(-directory));
	if (ring_open(&ring, &config, &problem) < 0)
		common_fail(COMMON_EXIT_ENVIRONMENT, "%s", problem.text);

	char name[64];
	snprintf(name, sizeof name, "micro-commit-%ld", (long)getpid());
	int fd = prepare(directory, name);
	disk_unlink(directory, name); /* it lives as long as the descriptor */
	printf("%11s %6s %10s %10s %10s %10s %10s\n", "size", "depth", "writes/s", "p50 us", "p90 us", "p99 us",
	       "MB/s");
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (unsigned depth = 1; depth <= DEPTH_MAX; depth *= 2)
			measure(ring, fd, sizes[i], depth, duration_ns);
	disk_close(fd);
	disk_close(directory);
	ring_close(ring);
	free(memory);
	return 0;
}
