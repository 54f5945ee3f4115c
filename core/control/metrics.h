/*
 * core/control/metrics.h - all metrics of the process, as one text.
 */
#ifndef POSTRIDER_CONTROL_METRICS_H
#define POSTRIDER_CONTROL_METRICS_H

#include <stdbool.h>
#include <stddef.h>

struct scrape;

/* The caller's to free; NULL: there was no memory. */
char *metrics_text(struct scrape *scrape, bool open_metrics, size_t *length);
/* NULL: new mail is taken. Else a static sentence that says why not. */
const char *metrics_not_ready(const struct scrape *scrape);

#endif
