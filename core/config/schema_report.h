/*
 * core/config/schema_report.h - `reports`: who writes what becomes of mail, when, and how much of it to one address.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_REPORT_H
#define POSTRIDER_CONFIG_SCHEMA_REPORT_H

#include "core/config/reader.h"

/* `owner` of a client: who hears of its mail. */
reader_fn schema_client_owner;

extern const struct reader_field schema_report[];

void schema_report_defaults(struct config *config);
/* When `hostname` is known. False: no memory. */
bool schema_report_finish(struct reader *r, const yaml_node_t *root);

#endif
