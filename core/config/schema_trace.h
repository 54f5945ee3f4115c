/*
 * core/config/schema_trace.h - `trace`: what is kept of what became of mail, and for how long.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_TRACE_H
#define POSTRIDER_CONFIG_SCHEMA_TRACE_H

#include "core/config/reader.h"

extern const struct reader_field schema_trace_fields[];
void schema_trace_defaults(struct config *config);
bool schema_trace_finish(struct reader *r, const yaml_node_t *root);

#endif
