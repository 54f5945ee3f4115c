/*
 * core/tools/suppress_import.h - `postrider suppress import`: lists of addresses that came from elsewhere.
 *
 * A line is an address, or what `export` writes: address, reason, date and note, parted by tabs or commas. Where the
 * first line names its columns, as lists have that are exported from services for mail and from spreadsheets, they are
 * found by these names, in whatever order they stand.
 */
#ifndef POSTRIDER_TOOLS_SUPPRESS_IMPORT_H
#define POSTRIDER_TOOLS_SUPPRESS_IMPORT_H

#include "core/tools/suppress_batch.h"

/* "-": standard input. The status. */
int suppress_import(const struct suppress_options *o, const char *file);

enum { SUPPRESS_COLUMNS = 32 };
enum suppress_column { SUPPRESS_OTHER, SUPPRESS_ADDRESS, SUPPRESS_REASON, SUPPRESS_SINCE, SUPPRESS_NOTE };
struct suppress_header {
	char mark; /* between columns */
	unsigned count;
	unsigned char columns[SUPPRESS_COLUMNS]; /* enum suppress_column */
};
/* The names of columns. False: it is no such line. */
bool suppress_header(struct span line, struct suppress_header *header);

enum suppress_row { SUPPRESS_TAKEN, SUPPRESS_PASSES, SUPPRESS_WRONG };
/* A line, with the columns that its header names (NULL: as `export` writes it). `entry` is what is not said there, and
 * becomes what is; PASSES: it says of an address what is over by itself, as that its mailbox was full. */
enum suppress_row suppress_row(struct span line, const struct suppress_header *header, struct span *address,
			       struct suppression_entry *entry);

#endif
