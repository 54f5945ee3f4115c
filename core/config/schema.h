/*
 * core/config/schema.h - the configuration's keys, their defaults, and the rules between them.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_H
#define POSTRIDER_CONFIG_SCHEMA_H

#include <stdbool.h>

#include "core/config/config.h"
#include "core/config/reader.h"

/* Sets what has a fixed default. */
void schema_defaults(struct config *config);
/* Reads r->document into r->config and checks it. False with the problem set; the config is then for config_free(). */
bool schema_read(struct reader *r);

#endif
