/*
 * core/config/site_preset.h - what the large mailbox providers bear of one relay that delivers to their MX hosts
 * (`mx: true`): connections at a time, and messages on each. Facts of practice, gathered in 2026; none of them has
 * published any. A destination's own limits hold beside them, and `site_presets: false` leaves these out.
 */
#ifndef POSTRIDER_CONFIG_SITE_PRESET_H
#define POSTRIDER_CONFIG_SITE_PRESET_H

#include <stddef.h>

#include "core/config/config.h"

enum { SITE_PRESET_ENDS = 4 };

struct site_preset {
	const char *name;
	const char *ends[SITE_PRESET_ENDS]; /* of its hosts' names, as in ".google.com"; NULL: no more */
	unsigned connections, messages_per_connection;
};

/* The one whose hosts all of these are; NULL: none, or they are of several. */
const struct site_preset *site_preset_find(const struct config_host *hosts, size_t count);

#endif
