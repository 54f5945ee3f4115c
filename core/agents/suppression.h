/*
 * core/agents/suppression.h - the list of addresses that no mail goes to, while the process runs.
 *
 * Shards ask the set (suppressed.h). A thread keeps it what the file says (suppression_file.h): it looks once a second
 * for what was appended, by `postrider suppress` or by itself, and reads all of it where another file stands in its
 * place. What shards want added is written by it, so it is in the set when it is on disk.
 */
#ifndef POSTRIDER_AGENTS_SUPPRESSION_H
#define POSTRIDER_AGENTS_SUPPRESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/agents/suppressed.h"

struct log;
struct suppression;

/* What is said of a recipient that is in it. */
#define SUPPRESSION_REFUSAL                                                                                            \
	"5.1.1 This address is in the suppression list of this relay: mail to it came back, or is not wanted"

/* Of this directory. The list is read before it returns. NULL without memory, where no thread can be
 * started, or where there is a list that cannot be read, which is told. */
struct suppression *suppression_start(const char *directory, struct log *log);
/* What was to be added is written. NULL is allowed. */
void suppression_stop(struct suppression *s);
const char *suppression_directory(const struct suppression *s);

/* Why no mail goes to that address; NULL is a list in which nobody is. For shards, each by its index. */
enum suppression_reason suppression_find(struct suppression *s, unsigned shard, struct span address);
/* Somebody was added at that wall time or later: what was asked for before is to be asked for again. */
bool suppression_grew_since(const struct suppression *s, uint64_t wall_ns);
/* To be added soon. From any thread, without waiting; where there is no memory, or too many are to be added, it is
 * counted and told. */
void suppression_add(struct suppression *s, struct span address, enum suppression_reason reason, struct span note);

#endif
