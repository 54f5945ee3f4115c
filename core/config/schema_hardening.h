/*
 * core/config/schema_hardening.h - `hardening`: what the process gives up for good when it has started.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_HARDENING_H
#define POSTRIDER_CONFIG_SCHEMA_HARDENING_H

#include "core/config/reader.h"

extern const struct reader_field schema_hardening_fields[];
void schema_hardening_defaults(struct config *config);
void schema_hardening_free(struct config *config);

#endif
