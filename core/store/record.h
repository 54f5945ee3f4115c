/*
 * core/store/record.h - what the disk learns of a delivery after an attempt: a done record and it is gone, a state
 * record and it takes its next place.
 *
 * The record is appended first, then the delivery takes its place; when the spool has no room the delivery waits in
 * store->settling and is tried again each turn. Nothing is removed from the disk before the record that says so is
 * durable (RELIABILITY P15).
 */
#ifndef POSTRIDER_STORE_RECORD_H
#define POSTRIDER_STORE_RECORD_H

#include <stdbool.h>

struct delivery;
struct shard;
struct state_reply;

/* It has a status for each recipient from now on. False without memory. */
bool record_statuses(struct delivery *d);
/* Its record is written, now or when there is room; then it is gone (`finished`), or goes to its `next_place`. `reply`
 * is the most telling one, for who reads the spool; NULL: none. */
void record_append(struct shard *shard, struct delivery *d, const struct state_reply *reply);
/* Once per turn, where there are any: what found no room before. */
void record_run(struct shard *shard);

#endif
