/*
 * core/config/schema_route.h - the part of the configuration that says which mail goes where.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_ROUTE_H
#define POSTRIDER_CONFIG_SCHEMA_ROUTE_H

#include <stdbool.h>

#include "core/config/reader.h"

enum { SCHEMA_ROUTES_MAX = 4096 };

/* The items of "routes". */
extern const struct reader_list schema_routes;
/* Finds what they name, when all is read. */
bool schema_routes_finish(struct reader *r, const yaml_node_t *root);

#endif
