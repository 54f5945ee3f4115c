/*
 * core/config/schema_tls.h - the part of the configuration that says what TLS a destination asks for.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_TLS_H
#define POSTRIDER_CONFIG_SCHEMA_TLS_H

#include <stdbool.h>

#include "core/config/reader.h"

/* The keys of a destination's "tls". */
extern const struct reader_field schema_destination_tls[];
/* Of a destination that was read: what does not go together; whether TLS comes before the greeting, where it does not
 * say. */
bool schema_tls_check(struct reader *r, const yaml_node_t *node, struct config_destination *destination);
void schema_tls_free(struct config_destination *destination);

#endif
