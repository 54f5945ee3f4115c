/*
 * core/config/schema_verdict.h - rules about replies as a file has them (`verdicts`), and their order.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_VERDICT_H
#define POSTRIDER_CONFIG_SCHEMA_VERDICT_H

#include <stdbool.h>

#include "core/config/reader.h"

/* A list of rules [struct config_verdicts]. */
reader_fn schema_verdicts;
void schema_verdicts_free(struct config_verdicts *verdicts);
/* Puts them in order for each destination: its own, then those of the whole file. When all is read. */
bool schema_verdicts_finish(struct reader *r);

#endif
