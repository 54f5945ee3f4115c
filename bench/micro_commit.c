/*
 * micro_commit.c - what the disk itself takes for a durable write, as the spool makes them.
 *
 *     micro_commit [--seconds S] DIRECTORY
 *     micro_commit --paced RATE [--seconds S] DIRECTORY
 *
 * Overwrites a file that was written and synced beforehand with O_DIRECT and O_DSYNC, one contiguous write behind the
 * other, so many in flight, and removes it at the end. This is the disk's own commit time: what an acceptance takes
 * beside it is the relay's. Sizes are those of a commit, 4 KiB to 1 MiB.
 *
 * With --paced, writes of 16 KiB begin RATE times a second and are timed from when they should have begun. That is for
 * running beside a relay: where the whole machine pauses, as a virtual one does that has used up its share of a
 * processor, each arrival in the pause waits for its end, and a loop that is paused with it would not notice.
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
#include "core/base/pages.h"
#include "core/base/ring.h"

enum { FILE_SIZE = 256 << 20, SIZE_MAX_WRITE = 1 << 20, DEPTH_MAX = 8 };
enum { PACED_FILE_SIZE = 16 << 20, PACED_WRITE = 16 << 10 };

struct writer {
	struct ring *ring;
	int fd;
	size_t size, file_size;
	uint64_t at, end_ns;
	uint64_t due_ns, interval_ns; /* of the next write; 0: as soon as the one before it is done */
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

	slot->begun_ns = writer->interval_ns ? writer->due_ns : clock_monotonic_ns();
	writer->due_ns += writer->interval_ns;
	ring_write(writer->ring, &slot->op, writer->fd, memory, writer->size, writer->at);
	writer->at = (writer->at + writer->size) % writer->file_size;
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
	if (now_ns < writer->end_ns && !writer->interval_ns)
		slot_write(slot);
}

static double quantile_us(const struct writer *writer, double quantile)
{
	return (double)histogram_quantile(&writer->times, quantile) / 1e3;
}

static void turn(struct writer *writer, uint64_t deadline_ns)
{
	if (ring_turn(writer->ring, deadline_ns) < 0)
		common_fail(COMMON_EXIT_ENVIRONMENT, "the ring failed");
}

/* `settings` are copied. */
static void measure(const struct writer *settings, unsigned depth, uint64_t duration_ns)
{
	struct writer *writer = malloc(sizeof *writer);
	struct slot slots[DEPTH_MAX] = {0};
	uint64_t begun_ns = clock_monotonic_ns();

	if (!writer)
		common_fail(COMMON_EXIT_ENVIRONMENT, "no memory");
	*writer = *settings;
	writer->due_ns = begun_ns;
	writer->end_ns = begun_ns + duration_ns;
	for (unsigned i = 0; i < depth; i++) {
		slots[i] = (struct slot){.op = {.fn = slot_on_written}, .writer = writer};
		slot_write(&slots[i]);
	}
	/* What was due before the end is written, however late. */
	while (writer->interval_ns && writer->due_ns < writer->end_ns) {
		turn(writer, writer->in_flight ? UINT64_MAX : writer->due_ns);
		if (!writer->in_flight && clock_monotonic_ns() >= writer->due_ns)
			slot_write(&slots[0]);
	}
	while (writer->in_flight)
		turn(writer, UINT64_MAX);
	double seconds = (double)(clock_monotonic_ns() - begun_ns) / 1e9;
	printf("%7zu KiB %6u %10.0f %10.0f %10.0f %10.0f %10.0f %10.1f\n", writer->size >> 10, depth,
	       (double)writer->times.count / seconds, quantile_us(writer, 0.5), quantile_us(writer, 0.9),
	       quantile_us(writer, 0.99), quantile_us(writer, 0.999),
	       (double)writer->times.count * (double)writer->size / seconds / 1e6);
	fflush(stdout);
	free(writer);
}

/* A file that is allocated and written, so that no write changes anything but its octets. */
static int prepare(int directory, const char *name, size_t size)
{
	int fd = disk_open(directory, name, DISK_CREATE | DISK_WRITE | DISK_DIRECT | DISK_DSYNC);
	int result = fd < 0 ? fd : disk_allocate(fd, size);

	for (uint64_t at = 0; result == 0 && at < size; at += SIZE_MAX_WRITE) {
		int64_t written = disk_write(fd, memory, SIZE_MAX_WRITE, at);
		result = written < 0 ? (int)written : 0;
	}
	if (result == 0)
		result = disk_sync(fd);
	if (result < 0)
		common_fail(COMMON_EXIT_ENVIRONMENT, "the file %s: %s", name, strerror(-result));
	return fd;
}

struct arguments {
	uint64_t duration_ns, paced; /* paced: writes a second, or 0 */
	const char *directory;
};

static const char help_text[] =
	"usage: micro_commit [--seconds S] [--paced RATE] DIRECTORY\n"
	"What the disk below DIRECTORY takes for a durable write, by size and writes in flight.\n"
	"  --seconds S   measure each so long (1)\n"
	"  --paced RATE  only writes of 16 KiB, begun so many times a second\n";

static void arguments_read(struct arguments *arguments, int argc, char **argv)
{
	int i;

	*arguments = (struct arguments){.duration_ns = CLOCK_NS_PER_S};
	common_help(argc, argv, help_text);
	for (i = 1; i + 2 < argc; i += 2) {
		if (strcmp(argv[i], "--seconds") == 0)
			arguments->duration_ns = common_number(argv[i], argv[i + 1], 1, 3600) * CLOCK_NS_PER_S;
		else if (strcmp(argv[i], "--paced") == 0)
			arguments->paced = common_number(argv[i], argv[i + 1], 1, 100000);
		else
			break;
	}
	if (i + 1 != argc)
		common_fail(COMMON_EXIT_USAGE, "one DIRECTORY is needed, behind the options");
	arguments->directory = argv[i];
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20};
	const struct ring_config config = {.entries = 64, .completions = 256, .buffers = 2, .buffer_size = 4096};
	struct writer writer = {.size = PACED_WRITE};
	struct arguments arguments;
	struct ring_problem problem;

	common_program = "micro_commit";
	arguments_read(&arguments, argc, argv);
	writer.file_size = arguments.paced ? PACED_FILE_SIZE : FILE_SIZE;
	/* As the spool's slabs. A page's whole length, because half of one would not become a huge one. */
	memory = pages_new(2 * SIZE_MAX_WRITE);
	if (!memory)
		common_fail(COMMON_EXIT_ENVIRONMENT, "no memory");
	memset(memory, 'x', SIZE_MAX_WRITE);
	int directory = disk_directory_open(arguments.directory, false);
	if (directory < 0)
		common_fail(COMMON_EXIT_ENVIRONMENT, "%s: %s", arguments.directory, strerror(-directory));
	if (ring_open(&writer.ring, &config, &problem) < 0)
		common_fail(COMMON_EXIT_ENVIRONMENT, "%s", problem.text);

	char name[64];
	snprintf(name, sizeof name, "micro-commit-%ld", (long)getpid());
	writer.fd = prepare(directory, name, writer.file_size);
	disk_unlink(directory, name); /* it lives as long as the descriptor */
	printf("%11s %6s %10s %10s %10s %10s %10s %10s\n", "size", "depth", "writes/s", "p50 us", "p90 us", "p99 us",
	       "p99.9 us", "MB/s");
	if (arguments.paced) {
		writer.interval_ns = CLOCK_NS_PER_S / arguments.paced;
		measure(&writer, 1, arguments.duration_ns);
	}
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes && !arguments.paced; i++) {
		writer.size = sizes[i];
		for (unsigned depth = 1; depth <= DEPTH_MAX; depth *= 2)
			measure(&writer, depth, arguments.duration_ns);
	}
	disk_close(writer.fd);
	disk_close(directory);
	ring_close(writer.ring);
	free(memory);
	return 0;
}
