/*
 * core/config/schema_policy.h - the part of the configuration that says what is done to a client's messages as they
 * come in: add_missing_headers, remove_headers, add_headers, archive, and of "from" what concerns them.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_POLICY_H
#define POSTRIDER_CONFIG_SCHEMA_POLICY_H

#include <stdbool.h>

#include "core/config/reader.h"

/* Fields of a client. */
reader_fn schema_policy_missing, schema_policy_removed, schema_policy_added, schema_policy_archive;
/* When all is read, and what clients say in "from" has its place for good. */
bool schema_policies_finish(struct reader *r, const yaml_node_t *root);

#endif
