/*
 * core/config/schema_listener.h - the part of the configuration that says where mail comes in.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_LISTENER_H
#define POSTRIDER_CONFIG_SCHEMA_LISTENER_H

#include "core/config/reader.h"

enum { SCHEMA_LISTENERS_MAX = CONFIG_LISTENERS_MAX };

/* The items of "listeners". */
extern const struct reader_list schema_listeners;
/* The fields of "tls". */
extern const struct reader_field schema_listener_tls[];
/* Rules between the two, when both are read. */
bool schema_listeners_finish(struct reader *r, const yaml_node_t *root);

#endif
