/*
 * core/config/schema_dns.h - `dns`: who is asked for names.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_DNS_H
#define POSTRIDER_CONFIG_SCHEMA_DNS_H

#include "core/config/reader.h"

extern const struct reader_field schema_dns_fields[];

#endif
