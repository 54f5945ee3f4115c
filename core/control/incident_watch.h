/*
 * core/control/incident_watch.h - the thread that sees incidents (core/agents/incident.h): from events that say so, and
 * from what the shards say of themselves, as for metrics; and tells them, by event and by mail.
 *
 * It looks every few seconds, and nobody waits for it. Which are open, and which were, is in a file beside the spool.
 */
#ifndef POSTRIDER_CONTROL_INCIDENT_WATCH_H
#define POSTRIDER_CONTROL_INCIDENT_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/incident.h"
#include "core/agents/incident_past.h"

struct config;
struct desk;
struct incident_watch;
struct log;

/* NULL without memory or a thread. `log` is its own; the desk has its scrape. */
struct incident_watch *incident_watch_start(struct desk *desk, const struct config *config, struct log *log);
/* From now on by these. For who reloads. Without memory it goes on as before. NULL is nobody. */
void incident_watch_follow(struct incident_watch *watch, const struct config *config);
/* Behind the shards: a letter that they have stored since the last look is not sent again. NULL is nobody. */
void incident_watch_stop(struct incident_watch *watch);

/* Copies those that are open, the oldest first, up to `room`; *left_out: how many sightings had no place. Returns how
 * many. From any thread; NULL is nobody, and there are none. */
size_t incident_watch_open(struct incident_watch *watch, struct incident *out, size_t room, uint64_t *left_out);

/* Copies those that were over at that time or since, as they ended; `out` has room for INCIDENT_PAST_MAX. *forgotten:
 * how many of before made room for others, where one of them may be of that time. As above. */
size_t incident_watch_over(struct incident_watch *watch, uint64_t since_wall_ms, struct incident_note *out,
			   uint64_t *forgotten);

/* Whether anybody watches, by the newest terms. Waits for nothing; NULL is nobody. */
bool incident_watch_on(const struct incident_watch *watch);
/* How many are open, by kind. Waits for nothing. False: nobody watches. */
bool incident_watch_count(const struct incident_watch *watch, uint64_t counts[INCIDENT_KINDS]);

#endif
