/*
 * core/config/schema_listener.h - the part of the configuration that says where mail comes in.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_LISTENER_H
#define POSTRIDER_CONFIG_SCHEMA_LISTENER_H

#include "core/config/reader.h"

enum { SCHEMA_LISTENERS_MAX = 64 };

/* The items of "listeners". */
extern const struct reader_list schema_listeners;

#endif
