/*
 * core/agents/device_keeper.h - what is known of each device of the inventory while the process runs, and after it.
 *
 * Shards only add to counters and note times, in a record for each device that a session finds by its index: no lock,
 * nothing that waits. A thread looks every few seconds: it learns rhythms, tells who is silent and who is back, and
 * writes all of it once or more a minute to a file beside the spool, which replaces the one before as a whole. So a
 * crash loses a minute of it, and a disk that is slow or full holds up nobody; what was written is read again at the
 * start.
 *
 * Records stay where they are until the process ends: sessions point to them. A device keeps its own through a reload,
 * by its name.
 */
#ifndef POSTRIDER_AGENTS_DEVICE_KEEPER_H
#define POSTRIDER_AGENTS_DEVICE_KEEPER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/agents/device_record.h"

struct device;
struct device_table;
struct log;

struct device_keeper;

/* `path`: of the file. NULL without memory, or where no thread can be started. */
struct device_keeper *device_keeper_start(const char *path, struct log *log);
/* Writes the file once more. NULL is allowed. */
void device_keeper_stop(struct device_keeper *keeper);

/* Records for the devices of a table, by index, in an array from malloc; those that there are already, and new ones.
 * NULL: no memory, or there are no devices. For who makes a snapshot. */
struct device_record **device_keeper_records(struct device_keeper *keeper, const struct device_table *table);
/* From now on these are the devices. Both stay until there are others. */
void device_keeper_follow(struct device_keeper *keeper, const struct device_table *table,
			  struct device_record *const *records);
/* Each device of now, in the inventory's order, with what is known of it. Under the keeper's lock: reloads and the
 * keeper wait meanwhile, shards do not. For any thread. */
typedef void device_keeper_fn(void *context, const struct device *device, const struct device_facts *facts);
void device_keeper_walk(struct device_keeper *keeper, device_keeper_fn *fn, void *context);

#endif
