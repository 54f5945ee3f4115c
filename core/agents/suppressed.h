/*
 * core/agents/suppressed.h - the addresses that no mail goes to, as they are asked for by every shard: a set of hashes.
 *
 * One thread changes it, any may ask. A million addresses are 17 MiB: eight and a half octets for each place of a table
 * that is half full; what is said of them stands in a file (suppression_file.h). Who asks takes no lock: he notes which
 * table he reads, and a table that was replaced is freed when nobody has it noted. With 61 bits of a hash whose seed is
 * this process's own, one of 10^12 addresses that are asked for would be taken for one of a million that are in it.
 *
 * Case counts in neither part of an address, quotes around a local part that needs none do not, and a domain is known
 * by its A-labels. RFC 5321 2.4 lets a host tell local parts apart by case; hardly one does, and where it does, one
 * letter too few is better than one to who wants none.
 */
#ifndef POSTRIDER_AGENTS_SUPPRESSED_H
#define POSTRIDER_AGENTS_SUPPRESSED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/smtp/command.h"
#include "core/smtp/span.h"

enum suppression_reason {
	SUPPRESSION_NONE, /* it is not in the list */
	SUPPRESSION_MANUAL,
	SUPPRESSION_BOUNCE,
	SUPPRESSION_COMPLAINT,
	SUPPRESSION_UNSUBSCRIBED,
	SUPPRESSION_REASONS,
};

enum { SUPPRESSED_READERS = 64 };

struct suppressed_table;

struct suppressed_reader {
	_Alignas(64) _Atomic(const struct suppressed_table *) at;
};

struct suppressed {
	_Atomic(struct suppressed_table *) table; /* owned; NULL: nobody is in it */
	uint64_t seed;
	struct suppressed_reader readers[SUPPRESSED_READERS];
};

/* As it is compared and kept. 0: it is no address. */
size_t suppressed_name(struct span address, char out[SMTP_PATH_MAX]);
const char *suppression_reason_name(enum suppression_reason reason);
/* NONE: it is none. */
enum suppression_reason suppression_reason_of(const char *name);

void suppressed_init(struct suppressed *s, uint64_t seed);
/* Nobody asks any more. */
void suppressed_deinit(struct suppressed *s);
/* Why it is in it. `reader`: a number that no other thread asks with. */
enum suppression_reason suppressed_find(struct suppressed *s, unsigned reader, struct span address);

/* For the one thread that changes it; names as of suppressed_name(). False: no memory. */
bool suppressed_add(struct suppressed *s, struct span name, enum suppression_reason reason);
void suppressed_remove(struct suppressed *s, struct span name);
/* `s` becomes what `next` is, which is empty then. Waits until nobody reads what was before. */
void suppressed_take(struct suppressed *s, struct suppressed *next);
size_t suppressed_count(const struct suppressed *s);
/* Of the table. */
size_t suppressed_octets(const struct suppressed *s);

#endif
