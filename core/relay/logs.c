/*
 * core/relay/logs.c - see logs.h.
 */
#include "core/relay/logs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/agents/webhook.h"
#include "core/base/clock.h"
#include "core/base/journal.h"
#include "core/base/log.h"
#include "core/config/config.h"
#include "core/events/running.h"

enum {
	CAPACITY = 1 << 21,
	OWN_CAPACITY = 1 << 18, /* in memory that is taken as a whole at the start */
	TAKE_OVER_S = 10,       /* who reads standard error may be gone */
	LOOK_US = 2000,
};

void logs_keep(struct logs *logs, const struct config *config)
{
	char path[PATH_MAX];
	const struct lines_kept_plan plan = {
		.of = realpath(config->spool.directory, path) ? path : config->spool.directory,
		.shards = config->shards,
		.others = LOGS_OWN,
		.shard_capacity = CAPACITY,
		.other_capacity = OWN_CAPACITY,
		.ring = WEBHOOK_RING,
	};

	if (config->events.webhook.url)
		logs->kept = lines_kept_open(&plan, logs->problem);
}

static struct log *make_log(const struct logs *logs, unsigned index, int shard)
{
	struct log *log = logs->kept ? lines_kept_log(logs->kept, index, shard) : NULL;

	return log ? log : log_new(shard, CAPACITY);
}

int logs_make(struct logs *logs, const struct config *config)
{
	bool journal = config->log_journal && journal_is_stream(STDERR_FILENO);

	logs->list = calloc(config->shards + LOGS_OWN, sizeof(struct log *));
	for (unsigned i = 0; logs->list && i < config->shards + LOGS_OWN; i++) {
		logs->list[i] = make_log(logs, i, i < config->shards ? (int)i : -1);
		if (!logs->list[i])
			return -ENOMEM;
		logs->count++;
	}
	if (logs->list)
		logs->writer =
			log_writer_start_with(STDERR_FILENO, journal ? JOURNAL_SOCKET : NULL, logs->list, logs->count);
	return logs->writer ? 0 : -ENOMEM;
}

static bool all_are_moved(struct log *const *logs, unsigned count)
{
	while (count > 0 && log_is_moved(logs[count - 1]))
		count--;
	return count == 0;
}

void logs_take_over(struct logs *logs, struct log *own)
{
	uint64_t end_ns = clock_monotonic_ns() + TAKE_OVER_S * CLOCK_NS_PER_S, lines;
	unsigned count, unsound;
	struct log *const *before;

	if (logs->problem[0])
		event_events_unkept(own, logs->problem);
	if (!logs->kept)
		return;
	before = lines_kept_logs_before(logs->kept, &count);
	lines = lines_kept_lines_before(logs->kept, &unsound);
	if (lines + unsound > 0)
		event_events_taken_over(own, lines, unsound);
	lines_kept_taking(logs->kept, true);
	log_writer_adopt(logs->writer, before, count);
	while (!all_are_moved(before, count) && clock_monotonic_ns() < end_ns)
		(void)usleep(LOOK_US);
	lines_kept_taking(logs->kept, false);
	/* Else they go on being moved, and their files are emptied behind the next start. */
	if (!all_are_moved(before, count))
		return;
	log_writer_adopt(logs->writer, NULL, 0);
	(void)lines_kept_emptied(logs->kept);
}

void logs_free(struct logs *logs)
{
	for (unsigned i = 0; i < logs->count; i++)
		log_free(logs->list[i]);
	free(logs->list);
	if (logs->kept)
		(void)lines_kept_emptied(logs->kept);
	lines_kept_close(logs->kept);
}
