/*
 * core/relay/logs.h - the logs of the process, who writes them, and the memory in which what was said outlives it.
 *
 * Where events are posted to somebody (events.webhook) logs lie in memory that the kernel keeps when the process is
 * killed (core/base/lines_kept.h). The next one begins with what was left there: it is moved, shown to taps and posted
 * before any mail comes. Where there is no such memory logs are as without a webhook, and that is told.
 */
#ifndef POSTRIDER_RELAY_LOGS_H
#define POSTRIDER_RELAY_LOGS_H

#include "core/base/lines_kept.h"

struct config;
struct log;
struct log_writer;

struct logs {
	struct log **list; /* owned; one for each shard, and the process's own behind them */
	unsigned count;
	struct log_writer *writer; /* owned */
	struct lines_kept *kept;   /* owned; NULL: there is nothing before, and what was said ends with the process */
	char problem[LINES_KEPT_PROBLEM]; /* why what was said ends with the process; else empty */
};

/* How many there are behind those of the shards: the process's own, and those of who asks for tokens, who keeps
 * devices, who keeps the suppression list, whom commands ask, who keeps the trace, who reports about TLS, who keeps
 * sign-ins, who posts events and who watches for incidents. */
enum { LOGS_OWN = 10 };

/* Finds the memory, as who the process will be, before it gives up files. */
void logs_keep(struct logs *logs, const struct config *config);
/* 0 or -ENOMEM. */
int logs_make(struct logs *logs, const struct config *config);
/* What processes before have left is moved, when all taps are there, and before mail comes. */
void logs_take_over(struct logs *logs, struct log *own);
/* Behind log_writer_stop() and all that takes lines. */
void logs_free(struct logs *logs);

#endif
