/*
 * core/config/schema_tls_report.h - `tls_reports`: as whom this relay reports on TLS to domains that ask for it (RFC
 * 8460).
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_TLS_REPORT_H
#define POSTRIDER_CONFIG_SCHEMA_TLS_REPORT_H

#include "core/config/reader.h"

#define SCHEMA_TLS_REPORT_EXAMPLE "{ organization: Example, from: tls-reports@example.org }"

extern const struct reader_field schema_tls_report[];

/* False: no memory. */
bool schema_tls_report_finish(struct reader *r, const yaml_node_t *root);
void schema_tls_report_free(struct config *config);

#endif
