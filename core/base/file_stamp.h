/*
 * core/base/file_stamp.h - whether files are other ones than before, without reading them.
 */
#ifndef POSTRIDER_BASE_FILE_STAMP_H
#define POSTRIDER_BASE_FILE_STAMP_H

#include <stdint.h>

/* `sum` and which file is at `path`: another number where one takes its place, is written anew, or may be read by
 * others. NULL, and a file that cannot be looked at, have a number as well. */
uint64_t file_stamp(uint64_t sum, const char *path);

#endif
