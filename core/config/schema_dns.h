/*
 * core/config/schema_dns.h - `dns`: who is asked for names.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_DNS_H
#define POSTRIDER_CONFIG_SCHEMA_DNS_H

#include "core/config/reader.h"

extern const struct reader_field schema_dns_fields[];
/* When everything is read. False after saying what is wrong. */
bool schema_dns_finish(struct reader *r, const yaml_node_t *root);

#endif
