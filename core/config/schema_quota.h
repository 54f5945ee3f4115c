/*
 * core/config/schema_quota.h - the keys of a second's and a minute's limits, wherever they stand.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_QUOTA_H
#define POSTRIDER_CONFIG_SCHEMA_QUOTA_H

#include "core/config/quota.h"
#include "core/config/schema_fields.h"

enum { SCHEMA_QUOTA_MAX = 10000000 };

/* In a table whose object has a struct config_quota at that offset. */
#define SCHEMA_QUOTA_FIELDS(at)                                                                                        \
	FIELD_RANGE("connections_per_second", reader_number,                                                           \
		    (at) + offsetof(struct config_quota, connections_per_second), 0, 100000),                          \
		FIELD_RANGE("messages_per_minute", reader_number,                                                      \
			    (at) + offsetof(struct config_quota, messages_per_minute), 0, SCHEMA_QUOTA_MAX),           \
		FIELD_RANGE("recipients_per_minute", reader_number,                                                    \
			    (at) + offsetof(struct config_quota, recipients_per_minute), 0, SCHEMA_QUOTA_MAX),         \
		FIELD_RANGE("octets_per_minute", reader_size, (at) + offsetof(struct config_quota, octets_per_minute), \
			    0, 64 * GIBIBYTES - 1)

#endif
