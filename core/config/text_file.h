/*
 * core/config/text_file.h - a whole file in memory, bounded.
 */
#ifndef POSTRIDER_CONFIG_TEXT_FILE_H
#define POSTRIDER_CONFIG_TEXT_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* 0 with *text from malloc (not NUL-terminated) and *length; -EFBIG beyond `max` octets, or another negative errno.
 * *opened tells whether opening it worked, which is a different sentence. */
int text_file_read(const char *path, size_t max, char **text, size_t *length, bool *opened);

#endif
