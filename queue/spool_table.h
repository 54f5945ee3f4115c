/*
 * queue/spool_table.h - what recovery remembers while it reads: messages by id, and the parts that are intact.
 *
 * Chained entries in one array, so an entry's index stays good while the table grows; removed entries are used
 * again. About 100 octets for each message alive at the same time, freed when recovery ends.
 */
#ifndef POSTRIDER_QUEUE_SPOOL_TABLE_H
#define POSTRIDER_QUEUE_SPOOL_TABLE_H

#include "queue/spool.h"

struct spool_entry {
	struct spool_id id;
	struct spool_ref message; /* segment 0: only a state record has been seen */
	struct spool_ref state;
	struct spool_ref *parts; /* owned */
	uint64_t wall_ns;
	uint64_t content_length; /* parts included, once checked */
	uint32_t next;
	uint16_t part_count;
	bool used;
};

struct spool_table {
	struct spool_entry *entries;
	uint32_t count, capacity, free; /* free: head of the chain of removed ones */
	uint32_t *buckets;
	uint32_t mask;
	uint32_t used;
	uint64_t *parts; /* open addressing: segment << 32 | offset */
	uint32_t parts_used, parts_mask;
};

int spool_table_init(struct spool_table *table);
void spool_table_deinit(struct spool_table *table);
struct spool_entry *spool_table_find(struct spool_table *table, const struct spool_id *id);
/* Finds or makes. NULL without memory. Moves earlier entries in memory. */
struct spool_entry *spool_table_put(struct spool_table *table, const struct spool_id *id);
void spool_table_remove(struct spool_table *table, struct spool_entry *entry);
int spool_table_part_add(struct spool_table *table, uint32_t segment, uint32_t offset);
bool spool_table_part_known(const struct spool_table *table, const struct spool_ref *ref);

#endif
