/*
 * core/relay/check.h - what a configuration names, looked at before the relay runs with it: `postrider check`.
 *
 * Files for TLS are loaded as `run` loads them; directories, the disk and ports are only looked at: nothing is made,
 * written, connected to or listened on. What `run` would refuse for good is an error; what may be otherwise by the time
 * the service starts, or under the user it runs as, is a warning. Slow, and it may start processes: for that command
 * only.
 */
#ifndef POSTRIDER_RELAY_CHECK_H
#define POSTRIDER_RELAY_CHECK_H

#include <stdbool.h>

#include "core/config/config.h"

/* Calls `tell` with a line for each problem, which says what to do. Returns how many are errors. Not before
 * tls_global_init(). */
unsigned check_surroundings(const struct config *config, void (*tell)(bool warning, const char *line));

#endif
