/*
 * core/config/schema_source.h - `source_addresses` of a destination: which of this machine's addresses its connections
 * come from, and what each is called in EHLO; and `prefer`: which family of the next hop's addresses comes first.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_SOURCE_H
#define POSTRIDER_CONFIG_SCHEMA_SOURCE_H

#include "core/config/reader.h"

reader_fn schema_sources_read;
extern const struct reader_choice schema_preferences[];

/* With the rest of the destination. False after saying what is wrong. */
bool schema_sources_check(struct reader *r, const yaml_node_t *node, const struct config_destination *destination);
void schema_sources_free(struct config_destination *destination);

#endif
