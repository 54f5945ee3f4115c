/*
 * core/agents/suppression_file.h - the list of addresses that no mail goes to, on disk: `suppressed` in its directory.
 *
 *     postrider-suppressed 1
 *     + 2026-11-27T21:03:44Z REASON ADDRESS[ \t NOTE]
 *     - 2026-11-28T08:00:00Z REASON ADDRESS
 *
 * Each line changes the list, the last one of an address counts. The relay and `postrider suppress` both append, under
 * a lock of the file, and what was appended is on disk when that returns; a line without its end is no line, and the
 * next who appends takes it away. Where more than half of the lines have been overtaken the file is written anew, in
 * one step, so whoever reads on in the old one finds another by its name. A line that is none is passed over, counted
 * and kept: somebody may have written it by hand, or saved the file with an editor.
 */
#ifndef POSTRIDER_AGENTS_SUPPRESSION_FILE_H
#define POSTRIDER_AGENTS_SUPPRESSION_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/suppressed.h"

enum { SUPPRESSION_NOTE_MAX = 200, SUPPRESSION_LINE_MAX = SMTP_PATH_MAX + SUPPRESSION_NOTE_MAX + 64 };

struct suppression_entry {
	bool removed;
	uint64_t wall_s;
	enum suppression_reason reason;
	struct span address, note; /* as of suppressed_name(); without control characters */
};

/* Each returns the length. What of a note cannot stand in a line becomes blanks; what is too long is cut. */
size_t suppression_format(const struct suppression_entry *entry, char out[SUPPRESSION_LINE_MAX]);
size_t suppression_date(uint64_t wall_s, char out[32]);
/* "2026-11-27" or "2026-11-27T21:03:44Z". False: it is none. */
bool suppression_date_parse(struct span text, uint64_t *wall_s);
/* One line without its end, or with the half of one that Windows puts there. False: it is none, the head, or one whose
 * address would never be asked for. */
bool suppression_parse(struct span whole, struct suppression_entry *entry);

typedef void suppression_fn(void *context, const struct suppression_entry *entry);
/* All whole lines of a text. Returns how many octets these are; *bad: lines that say nothing. */
size_t suppression_read(const char *text, size_t length, suppression_fn *fn, void *context, size_t *bad);

/* Appends whole lines to the file at `path`, which is made with its head where there is none, with the owner of its
 * directory. 0 or -errno. */
int suppression_append(const char *path, const char *lines, size_t length);
/* After so many octets were appended: it has grown by about an eighth since it was last looked at, which reads all of
 * it. So who adds a million addresses one by one does not read a million lines for each. */
bool suppression_is_due(const char *path, size_t appended);
/* Takes lines out that were overtaken, where these are the most. 0 or -errno; *live: addresses in the list. */
int suppression_compact(const char *path, size_t *live);
/* Each address of the list once, in the order of the file. 0, or -errno: -ENOENT where there is no file. */
int suppression_list(const char *path, suppression_fn *fn, void *context);

#endif
