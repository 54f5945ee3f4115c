/*
 * core/config/schema_quirk.h - the keys that name quirks, of clients and of profiles.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_QUIRK_H
#define POSTRIDER_CONFIG_SCHEMA_QUIRK_H

#include "core/config/reader.h"

/* [uint8_t, enum quirk or'ed; detail: one of the arrays below] */
reader_fn schema_quirk;
extern const struct reader_choice schema_line_endings[], schema_long_lines[];

#endif
