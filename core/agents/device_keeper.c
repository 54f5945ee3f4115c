/*
 * core/agents/device_keeper.c - see device_keeper.h.
 */
#include "core/agents/device_keeper.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "core/base/clock.h"
#include "core/base/durable.h"
#include "core/base/rounds.h"
#include "core/config/device_table.h"
#include "core/config/text_file.h"
#include "core/events/devices.h"

enum {
	LOOK_S = 5,
	FILE_MAX = 1 << 30,
	TOLD_MAX = 50, /* devices that an hour's silence is told of by name */
};

/* They are made many at a time, and stay. */
struct block {
	struct block *next;
	struct device_record records[];
};

struct device_keeper {
	char *path;
	struct log *log;
	struct block *blocks;
	struct rounds rounds;             /* its lock is that of all below */
	const struct device_table *table; /* NULL: none yet */
	struct device_record *const *records;
	/* As it was read at the start, until the first devices are there; a reload that is refused brings none. */
	char *text;
	size_t length;
	struct rhythm_watch watch;
	uint64_t write_ns; /* not before */
	bool changed, failed;
};

struct reading {
	const struct device_table *table;
	struct device_record **records;
};

static bool on_line(void *context, const char *name, size_t length, const struct device_facts *facts)
{
	struct reading *reading = context;
	char text[DEVICE_NAME_MAX + 1];
	int32_t index;

	memcpy(text, name, length);
	text[length] = '\0';
	index = device_table_of_name(reading->table, text);
	if (index >= 0)
		device_take_facts(reading->records[index], facts);
	return true;
}

/* The file that cannot be used goes where somebody may look at it: it would be replaced within a minute. */
static void set_aside(struct device_keeper *keeper, const char *problem)
{
	char kept[PATH_MAX];

	if (durable_set_aside(keeper->path, kept) < 0)
		event_devices_damaged(keeper->log, keeper->path, problem, NULL);
	else
		event_devices_damaged(keeper->log, keeper->path, problem, kept);
}

/* What was known when the last process ended. */
static void remember(struct device_keeper *keeper, const struct device_table *table, struct device_record **records)
{
	struct reading reading = {table, records};

	if (!keeper->text ||
	    device_file_parse(keeper->text, keeper->length, &keeper->watch.hours, on_line, &reading) == 0)
		return;
	/* Once: what it had is taken, and no other reload is to look for it again. */
	free(keeper->text);
	keeper->text = NULL;
	set_aside(keeper, "it is no file of this version, or cut off");
}

/* Those of the devices that were there before. Returns how many there are no records for. */
static size_t find(const struct device_keeper *keeper, const struct device_table *table, struct device_record **records)
{
	size_t missing = 0;

	for (size_t i = 0; i < device_table_count(table); i++) {
		struct device device;
		device_table_get(table, i, &device);
		int32_t before = keeper->records ? device_table_of_name(keeper->table, device.name) : -1;
		records[i] = before >= 0 ? keeper->records[before] : NULL;
		missing += records[i] == NULL;
	}
	return missing;
}

struct device_record **device_keeper_records(struct device_keeper *keeper, const struct device_table *table)
{
	size_t count = device_table_count(table), missing, next = 0;
	struct device_record **records = count > 0 && keeper ? malloc(count * sizeof(*records)) : NULL;
	struct block *block;

	if (!records)
		return NULL;
	pthread_mutex_lock(&keeper->rounds.lock);
	missing = find(keeper, table, records);
	block = calloc(1, sizeof(*block) + missing * sizeof(block->records[0]));
	if (!block) {
		free(records);
		records = NULL;
	}
	for (size_t i = 0; records && i < count; i++) {
		if (!records[i])
			records[i] = &block->records[next++];
	}
	if (block) {
		block->next = keeper->blocks;
		keeper->blocks = block;
		remember(keeper, table, records);
	}
	pthread_mutex_unlock(&keeper->rounds.lock);
	return records;
}

void device_keeper_follow(struct device_keeper *keeper, const struct device_table *table,
			  struct device_record *const *records)
{
	pthread_mutex_lock(&keeper->rounds.lock);
	keeper->table = table;
	keeper->records = records;
	if (device_table_count(table) > 0) {
		free(keeper->text);
		keeper->text = NULL;
	}
	pthread_mutex_unlock(&keeper->rounds.lock);
}

void device_keeper_walk(struct device_keeper *keeper, device_keeper_fn *fn, void *context)
{
	pthread_mutex_lock(&keeper->rounds.lock);
	for (size_t i = 0; i < device_table_count(keeper->table); i++) {
		struct device_facts facts;
		struct device device;
		device_table_get(keeper->table, i, &device);
		device_facts_of(keeper->records[i], &facts);
		fn(context, &device, &facts);
	}
	pthread_mutex_unlock(&keeper->rounds.lock);
}

/* ---- the thread ------------------------------------------------------------------------------------------------- */

static void tell_back(struct device_keeper *keeper, size_t index, uint32_t before_s, uint64_t wall_s)
{
	struct device device;

	device_table_get(keeper->table, index, &device);
	event_device_back(keeper->log, &(struct event_device){.name = device.name,
							      .place = device.place,
							      .owner = device.owner,
							      .last_s = before_s,
							      .silent_s = wall_s > before_s ? wall_s - before_s : 0});
}

/* What each has done since the last look. */
static void look(struct device_keeper *keeper, uint64_t wall_s)
{
	for (size_t i = 0; i < device_table_count(keeper->table); i++) {
		struct device_record *record = keeper->records[i];
		uint32_t messages = atomic_load_explicit(&record->messages, memory_order_relaxed);
		uint32_t last_s = atomic_load_explicit(&record->last_s, memory_order_relaxed);
		if (record->first_s == 0 && last_s > 0) {
			record->first_s = last_s;
			keeper->changed = true;
		}
		uint32_t before_s = record->before_s;
		record->before_s = atomic_load_explicit(&record->mail_s, memory_order_relaxed);
		if (messages == record->counted)
			continue;
		record->counted = messages;
		record->sent |= record->before_s / 3600 == keeper->watch.hour;
		keeper->changed = true;
		if (rhythm_sent(&record->rhythm, rhythm_hour_of(record->before_s)))
			tell_back(keeper, i, before_s, wall_s);
	}
}

static void tell_silent(struct device_keeper *keeper, size_t index, uint64_t wall_s)
{
	struct device_record *record = keeper->records[index];
	uint32_t last_s = atomic_load_explicit(&record->mail_s, memory_order_relaxed);
	struct device device;

	device_table_get(keeper->table, index, &device);
	event_device_silent(keeper->log, &(struct event_device){.name = device.name,
								.place = device.place,
								.owner = device.owner,
								.last_s = last_s,
								.silent_s = wall_s > last_s ? wall_s - last_s : 0});
}

/* That hour of the week has passed, and all of it was watched. */
static void pass(struct device_keeper *keeper, unsigned hour, uint64_t wall_s)
{
	size_t told = 0;

	for (size_t i = 0; i < device_table_count(keeper->table); i++) {
		struct device_record *record = keeper->records[i];
		if (rhythm_passed(&record->rhythm, hour, record->sent) && ++told <= TOLD_MAX)
			tell_silent(keeper, i, wall_s);
	}
	if (told > TOLD_MAX)
		event_devices_silent(keeper->log, told, told - TOLD_MAX);
}

static void follow_clock(struct device_keeper *keeper, uint64_t wall_s, uint64_t now_ns)
{
	unsigned hour = 0;
	enum rhythm_time time = rhythm_clock(&keeper->watch, wall_s, now_ns, &hour);

	if (time == RHYTHM_SAME)
		return;
	if (time != RHYTHM_OTHER) {
		pass(keeper, hour, wall_s);
		keeper->changed = true;
	}
	for (size_t i = 0; i < device_table_count(keeper->table); i++) {
		/* It may have sent in the hour that has just begun, and been looked at. */
		keeper->records[i]->sent = keeper->records[i]->before_s / 3600 == keeper->watch.hour;
		if (time == RHYTHM_NEXT)
			rhythm_period(&keeper->records[i]->rhythm);
	}
}

/* All of it as text; NULL without memory. */
static char *format(struct device_keeper *keeper, size_t *length)
{
	size_t count = device_table_count(keeper->table), size = (count + 2) * (DEVICE_LINE_MAX / 2), n;
	char *text = malloc(size + DEVICE_LINE_MAX), *larger;

	n = text ? device_file_head(keeper->watch.hours, text) : 0;
	for (size_t i = 0; text && i < count; i++) {
		struct device_facts facts;
		struct device device;
		if (n + DEVICE_LINE_MAX > size) {
			size += size / 2;
			larger = realloc(text, size + DEVICE_LINE_MAX);
			if (!larger)
				free(text);
			text = larger;
		}
		device_table_get(keeper->table, i, &device);
		device_facts_of(keeper->records[i], &facts);
		n += text ? device_file_line(device.name, &facts, text + n) : 0;
	}
	if (text)
		n += device_file_end(count, text + n);
	*length = n;
	return text;
}

/* Under the lock, which is left while the disk has it. */
static void write_file(struct device_keeper *keeper)
{
	size_t length;
	char *text = format(keeper, &length);
	int r = -ENOMEM;

	keeper->changed = false;
	pthread_mutex_unlock(&keeper->rounds.lock);
	if (text)
		r = durable_replace(keeper->path, text, length);
	free(text);
	pthread_mutex_lock(&keeper->rounds.lock);
	keeper->changed |= r < 0;
	if (r < 0 && !keeper->failed)
		event_devices_unwritten(keeper->log, keeper->path, strerror(-r));
	keeper->failed = r < 0;
}

static void *run(void *context)
{
	struct device_keeper *keeper = context;

	(void)prctl(PR_SET_NAME, "devices");
	pthread_mutex_lock(&keeper->rounds.lock);
	for (;;) {
		uint64_t wall_s = clock_wall_ns() / CLOCK_NS_PER_S, now_ns = clock_monotonic_ns();
		/* What comes while it writes is written once more. */
		bool last = keeper->rounds.stopping;
		if (keeper->table) {
			look(keeper, wall_s);
			follow_clock(keeper, wall_s, now_ns);
		}
		if (keeper->table && keeper->changed && (last || now_ns >= keeper->write_ns)) {
			write_file(keeper);
			keeper->write_ns = rounds_next_write_ns(now_ns, clock_monotonic_ns());
		}
		if (last)
			break;
		(void)rounds_sleep(&keeper->rounds, LOOK_S * CLOCK_NS_PER_S);
	}
	pthread_mutex_unlock(&keeper->rounds.lock);
	return NULL;
}

struct device_keeper *device_keeper_start(const char *path, struct log *log)
{
	struct device_keeper *keeper = calloc(1, sizeof(*keeper));
	bool opened;
	int r;

	if (!keeper)
		return NULL;
	keeper->log = log;
	keeper->path = strdup(path);
	r = text_file_read(path, FILE_MAX, &keeper->text, &keeper->length, &opened);
	if (keeper->path && r < 0 && r != -ENOENT)
		set_aside(keeper, strerror(-r));
	if (keeper->path && rounds_start(&keeper->rounds, run, keeper))
		return keeper;
	free(keeper->text);
	free(keeper->path);
	free(keeper);
	return NULL;
}

void device_keeper_stop(struct device_keeper *keeper)
{
	if (!keeper)
		return;
	rounds_stop(&keeper->rounds);
	while (keeper->blocks) {
		struct block *block = keeper->blocks;
		keeper->blocks = block->next;
		free(block);
	}
	free(keeper->text);
	free(keeper->path);
	free(keeper);
}
