/*
 * core/store/record.h - what the disk learns of a mail after an attempt: a done record and it is gone, a state record
 * and the delivery takes its next place.
 *
 * The record is appended first, then the delivery takes its place; when the spool has no room the delivery waits in
 * store->settling and is tried again each turn. Nothing is removed from the disk before the record that says so is
 * durable (RELIABILITY P15).
 */
#ifndef POSTRIDER_STORE_RECORD_H
#define POSTRIDER_STORE_RECORD_H

struct delivery;
struct mail;
struct shard;
struct spool_ticket;
struct state_reply;

/* What its mail says of recipients has changed. The record is written, now or when there is room; then the delivery
 * goes to its `next_place`. NONE: it is over, and its mail is gone or kept as failed if it was the last. `told` is what
 * all recipients heard where they are not told apart; NULL: nothing. */
void record_append(struct shard *shard, struct delivery *d, const struct state_reply *told);
/* One that was cut off from a delivery whose record is, or will be, appended. */
void record_beside(struct shard *shard, struct delivery *d);
/* As it is now, with a ticket. 0, or what spool_append_state() says; then nothing was written. */
int record_state(struct shard *shard, struct mail *m, struct spool_ticket *ticket);
/* The same, where a report of it is about to be written: for that there is room, too (queue/spool.h). */
int record_fate(struct shard *shard, struct mail *m, struct spool_ticket *ticket);
/* Its marks have changed: the same, or where nobody is left to be tried or told it ends, and is gone. */
int record_reported(struct shard *shard, struct mail *m, struct spool_ticket *ticket);
/* Once per turn, where there are any: what found no room before. */
void record_run(struct shard *shard);

#endif
