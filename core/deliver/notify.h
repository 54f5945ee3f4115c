/*
 * core/deliver/notify.h - who sent a message hears what became of it: when, of whom, to whom.
 *
 * A recipient that failed for good, or was delivered where that is to be told, is owed a report (mail_owes()); that is
 * on the disk with its fate. Beside that the senders of what waits are told once that it is late. A report is a message
 * like any other, and exactly one, though the process dies at any moment:
 *
 *     1. what the report is about is durable           (a state record, with a ticket)
 *     2. the report is: its record names the message and the recipients it speaks of, so report and mark are one
 *        record and neither is there without the other. It is not delivered yet (submission.h, `held`)
 *     3. what it is about says so: a state record, or a done record where nobody is left
 *     4. the report is released
 *
 * A crash before 2 leaves what is owed, and another one is written. After that a start finds the report, and its marks
 * hold (recover.c), until 3 says the same. Both could stand in one batch, but a batch is not taken whole: what is
 * intact of it counts, and after a write error its messages are refused and its states written again (queue/README.md).
 *
 * Nobody is told of a report, of mail without a sender, or with one that nobody can be written to (LOP-03); what fails
 * of these is told in an event, and ends. Mails of which something is owed are found by their ids, in the order in
 * which they came to it; where that line is full, at the start, and for what is late, by going through all there are, a
 * few at a time. Nothing is kept in memory for one that waits for its turn.
 */
#ifndef POSTRIDER_DELIVER_NOTIFY_H
#define POSTRIDER_DELIVER_NOTIFY_H

#include <stdbool.h>

struct mail;
struct notify_limits;
struct shard;

/* What all shards have told each address. NULL: no memory. */
struct notify_limits *notify_limits_new(void);
void notify_limits_free(struct notify_limits *limits);

/* Memory only. 0 or -ENOMEM. */
int notify_init(struct shard *shard);
/* On the shard's own thread, at the start and whenever another configuration is in force: what is to be told by it is
 * looked for at once. */
void notify_follow(struct shard *shard);
void notify_deinit(struct shard *shard);
/* A store_owing_fn. */
void notify_owing(struct shard *shard, const struct mail *m);
/* Once per turn. */
void notify_run(struct shard *shard);
/* It wants to be run although nothing happens. */
bool notify_due(const struct shard *shard);
/* Draining: begins no more; `hard`: what waits for room gives up, and is done by the next start. */
void notify_drain(struct shard *shard, bool hard);
bool notify_idle(const struct shard *shard);

#endif
