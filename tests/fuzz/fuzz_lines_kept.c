/*
 * fuzz_lines_kept.c - what a process that was killed has left in memory: whatever was changed of it, it is read within
 * its bounds, and what is believed are whole lines.
 *
 * Input: pieces of an offset of two octets, a length of one, and so many octets, which are written over a file that was
 * left in order.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/line_ring.h"
#include "core/base/lines_kept.h"
#include "core/base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IMAGE_MAX = 1 << 17, PATH = 200 };

static char directory[] = "/dev/shm/fuzz_lines_kept.XXXXXX", path[PATH];
static char image[IMAGE_MAX];
static size_t image_length;
static const struct lines_kept_plan plan = {.directory = directory,
					    .of = "/spool",
					    .shards = 1,
					    .others = 1,
					    .shard_capacity = 1 << 14,
					    .other_capacity = 1 << 14,
					    .ring = 1 << 14};

static void forget(void)
{
	(void)unlink(path);
	for (unsigned i = 1; i < LINES_KEPT_FILES; i++) {
		char other[PATH];
		snprintf(other, sizeof(other), "%.*s%u", (int)strlen(path) - 1, path, i);
		(void)unlink(other);
	}
	(void)rmdir(directory);
}

/* One with three lines in each of its places. */
static void make_image(void)
{
	static const char line[] = "{\"time\":\"2026-03-01T07:12:09.113Z\",\"event\":\"test\"}\n";
	char problem[LINES_KEPT_PROBLEM];
	struct lines_kept *kept;
	int fd;

	if (!mkdtemp(directory) || !(kept = lines_kept_open(&plan, problem)))
		abort();
	for (unsigned i = 0; i < 2; i++) {
		struct log *log = lines_kept_log(kept, i, (int)i);
		for (unsigned n = 0; n < 3; n++) {
			struct log_event e;
			log_begin(&e, log, "test");
			log_number(&e, "n", n);
			log_end(&e);
			(void)line_ring_put(lines_kept_ring(kept), line, sizeof(line) - 1);
		}
	}
	/* FNV-1a of "/spool". */
	snprintf(path, sizeof(path), "%s/postrider-", directory);
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (const char *c = plan.of; *c; c++)
		h = (h ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
	snprintf(path + strlen(path), sizeof(path) - strlen(path), "%016llx-0", (unsigned long long)h);
	fd = open(path, O_RDONLY);
	image_length = fd < 0 ? 0 : (size_t)read(fd, image, sizeof(image));
	if (image_length == 0 || image_length == sizeof(image))
		abort();
	close(fd);
	lines_kept_close(kept);
	(void)atexit(forget);
}

static void write_changed(const uint8_t *data, size_t size)
{
	static char changed[IMAGE_MAX];
	int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);

	memcpy(changed, image, image_length);
	while (size > 3) {
		size_t at = (size_t)data[0] << 8 | data[1], n = data[2] < size - 3 ? data[2] : size - 3;
		for (size_t i = 0; i < n && at + i < image_length; i++)
			changed[at + i] = (char)data[3 + i];
		data += 3 + n;
		size -= 3 + n;
	}
	if (fd < 0 || write(fd, changed, image_length) != (ssize_t)image_length)
		abort();
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char problem[LINES_KEPT_PROBLEM], out[2 * LOG_EVENT_MAX];
	struct line_ring *const *rings;
	struct log *const *logs;
	struct lines_kept *kept;
	unsigned count;
	int null;

	if (image_length == 0)
		make_image();
	write_changed(data, size);
	kept = lines_kept_open(&plan, problem);
	if (!kept)
		abort();
	logs = lines_kept_logs_before(kept, &count);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	for (unsigned i = 0; i < count; i++)
		log_drain(logs[i], null);
	close(null);
	rings = lines_kept_rings_before(kept, &count);
	for (unsigned i = 0; i < count; i++) {
		while (line_ring_take(rings[i], out, sizeof(out)) > 0)
			;
	}
	if (!lines_kept_emptied(kept))
		abort();
	lines_kept_close(kept);
	return 0;
}
