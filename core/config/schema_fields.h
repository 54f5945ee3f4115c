/*
 * core/config/schema_fields.h - the forms in which the tables of schema*.c are written.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_FIELDS_H
#define POSTRIDER_CONFIG_SCHEMA_FIELDS_H

#include "core/config/reader.h"

#define MILLISECONDS UINT64_C(1000000)
#define SECONDS (1000 * MILLISECONDS)
#define MINUTES (60 * SECONDS)
#define HOURS (60 * MINUTES)
#define DAYS (24 * HOURS)
#define MEBIBYTES (UINT64_C(1) << 20)
#define GIBIBYTES (UINT64_C(1) << 30)
#define TEBIBYTES (UINT64_C(1) << 40)

enum { SCHEMA_RECIPIENTS_MAX = 1000 }; /* of one message; its envelope is one record of the spool */

/* The forms that keys come in; members not named here are zero. See struct reader_field. */
#define FIELD(key, fn, member)                                                                                         \
	{                                                                                                              \
		.name = key, .read = fn, .offset = member                                                              \
	}
#define FIELD_REQUIRED(key, fn, member, write)                                                                         \
	{                                                                                                              \
		.name = key, .read = fn, .offset = member, .example = write, .required = true                          \
	}
#define FIELD_RANGE(key, fn, member, low, high)                                                                        \
	{                                                                                                              \
		.name = key, .read = fn, .offset = member, .least = low, .most = high                                  \
	}
#define FIELD_CHOICE(key, member, words)                                                                               \
	{                                                                                                              \
		.name = key, .read = reader_choice_word, .offset = member, .detail = words                             \
	}
#define FIELD_SECTION(key, table, write)                                                                               \
	{                                                                                                              \
		.name = key, .read = reader_section, .detail = table, .example = write                                 \
	}
#define FIELD_LIST(key, member, high, list, write)                                                                     \
	{                                                                                                              \
		.name = key, .read = reader_items, .offset = member, .most = high, .detail = list, .example = write    \
	}
#define FIELD_LIST_REQUIRED(key, member, high, list, write)                                                            \
	{                                                                                                              \
		.name = key, .read = reader_items, .offset = member, .most = high, .detail = list, .example = write,   \
		.required = true                                                                                       \
	}
#define FIELD_MISSING(key)                                                                                             \
	{                                                                                                              \
		.name = key, .read = reader_missing                                                                    \
	}
#define FIELDS_END                                                                                                     \
	{                                                                                                              \
		.name = NULL                                                                                           \
	}

#endif
