/*
 * core/config/schema_mx.h - `mx_of` of a destination: its hosts are those that the DNS names for a domain.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_MX_H
#define POSTRIDER_CONFIG_SCHEMA_MX_H

#include "core/config/reader.h"

reader_fn schema_mx_read, schema_mx_port_read, schema_mx_ends_read;
/* With the rest of the destination. False after saying what is wrong. */
bool schema_mx_check(struct reader *r, const yaml_node_t *node, const struct config_destination *destination);
/* What a preset knows stands for what the destination does not say. False: no memory. */
bool schema_mx_ends_default(struct config_destination *destination, char *const *ends, size_t count);
void schema_mx_free(struct config_destination *destination);

#endif
