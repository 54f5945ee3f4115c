/*
 * core/config/schema_path.h - "fallback" of destinations: which one takes over.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_PATH_H
#define POSTRIDER_CONFIG_SCHEMA_PATH_H

#include <stdbool.h>

#include "core/config/reader.h"

/* The name only: the other may stand further down in the file. */
reader_fn schema_fallback_read;
/* When all destinations are read: finds them, and refuses circles and what is less safe. */
bool schema_paths_finish(struct reader *r, const yaml_node_t *root);

#endif
