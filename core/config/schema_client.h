/*
 * core/config/schema_client.h - the part of the configuration that says who may relay.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_CLIENT_H
#define POSTRIDER_CONFIG_SCHEMA_CLIENT_H

#include <stdbool.h>

#include "core/config/reader.h"

enum { SCHEMA_CLIENTS_MAX = 100000 };

/* The items of "clients". What they say about networks is collected in the reader. */
extern const struct reader_list schema_clients;
/* Makes config->index of what was collected. */
bool schema_clients_finish(struct reader *r);

#endif
