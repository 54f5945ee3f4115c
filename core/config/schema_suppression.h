/*
 * core/config/schema_suppression.h - `suppression`: where the list of addresses is that no mail goes to; and what a
 * client's entry says of it.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_SUPPRESSION_H
#define POSTRIDER_CONFIG_SCHEMA_SUPPRESSION_H

#include "core/config/reader.h"

extern const struct reader_field schema_suppression_fields[];
reader_fn schema_suppression_client;
/* When everything is read. False after saying what is wrong. */
bool schema_suppression_finish(struct reader *r, const yaml_node_t *root);
void schema_suppression_free(struct config *config);

#endif
