/*
 * core/config/schema_control_http.h - control.http: the same over TCP.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_CONTROL_HTTP_H
#define POSTRIDER_CONFIG_SCHEMA_CONTROL_HTTP_H

#include "core/config/reader.h"

reader_fn schema_control_http;
void schema_control_http_free(struct config *config);

#endif
