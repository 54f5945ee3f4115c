/*
 * core/tools/import_files.h - reading what is imported, and writing what comes of it.
 *
 * Read are regular files that lie, when all links are followed, below the one directory that was named; a named pipe or
 * a device is never waited for. Written is all or nothing: into a directory beside the target, looked at there by the
 * code of `postrider check`, and then put in its place, where nothing is overwritten unless that was asked for: then
 * each file replaces another whole, and those before one that cannot be stay.
 */
#ifndef POSTRIDER_TOOLS_IMPORT_FILES_H
#define POSTRIDER_TOOLS_IMPORT_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/tools/import_plan.h"

enum { IMPORT_FILE_MAX = 32 * 1024 * 1024 };

/* NULL, or why not. `root` NULL: wherever it lies. *text has a NUL behind it, and is the caller's. */
const char *import_read(const char *root, const char *path, char **text, size_t *length);

/* Writes postrider.yaml, import-notes.txt and the secrets to `directory`. 0, or the exit status: said on standard
 * error. */
int import_put(const struct import_plan *plan, const char *from, const char *directory, bool force);

#endif
