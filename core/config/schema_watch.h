/*
 * core/config/schema_watch.h - `incidents`: what is told as one, from when on, and to whom; and `events`: who else gets
 * events.
 */
#ifndef POSTRIDER_CONFIG_SCHEMA_WATCH_H
#define POSTRIDER_CONFIG_SCHEMA_WATCH_H

#include "core/config/reader.h"

#define SCHEMA_EVENTS_EXAMPLE "{ webhook: { url: \"https://hooks.example.org/relay\", secret_file: webhook.secret } }"

/* `incidents: off`, or a mapping. */
reader_fn schema_incidents;
extern const struct reader_field schema_events[];

void schema_watch_defaults(struct config *config);
/* False: an error was added. Behind schema_report_finish(). */
bool schema_watch_finish(struct reader *r, const yaml_node_t *root);
void schema_watch_free(struct config *config);

#endif
