/*
 * core/config/schema_destination.h - the part of the configuration that says where mail goes.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_DESTINATION_H
#define POSTRIDER_CONFIG_SCHEMA_DESTINATION_H

#include "core/config/reader.h"

enum { SCHEMA_DESTINATIONS_MAX = 256 };

/* The items of "destinations". */
extern const struct reader_list schema_destinations;

#endif
