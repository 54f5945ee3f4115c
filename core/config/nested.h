/*
 * core/config/nested.h - another file that a configuration names, of keys too: a profile, an entry of the inventory.
 *
 * It is read by tables as the configuration is, and what is wrong with it comes with its own name, line and column, in
 * the place where it was named.
 */
#ifndef POSTRIDER_CONFIG_NESTED_H
#define POSTRIDER_CONFIG_NESTED_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config/reader.h"

/* Reads the root node, with the reader turned to that file for the time. */
typedef bool nested_fn(struct reader *r, const struct reader_value *root, void *object);

/* False after saying what is wrong. `path` has to stay as long as problems are told. */
bool nested_read(struct reader *r, const char *path, const char *text, size_t length, nested_fn *fn, void *object);

#endif
