/*
 * core/config/schema_control.h - `control`: where commands ask the process that runs.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_CONTROL_H
#define POSTRIDER_CONFIG_SCHEMA_CONTROL_H

#include "core/config/reader.h"

reader_fn schema_control;
void schema_control_free(struct config *config);

#endif
