/*
 * core/tools/device_known.h - what a configuration and the relay's file say of devices, for `postrider device`.
 */
#ifndef POSTRIDER_TOOLS_DEVICE_KNOWN_H
#define POSTRIDER_TOOLS_DEVICE_KNOWN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/agents/device_file.h"
#include "core/config/config.h"
#include "core/config/device_table.h"
#include "core/config/user_file.h"

struct device_known {
	struct device device;
	const struct config_profile *profile; /* NULL: none */
	const char *inventory;                /* its path */
	struct device_facts facts;
	bool seen; /* there are facts */
};

/* One for each device, in the inventory's order, from malloc; NULL without memory, or without devices. */
struct device_known *device_known_all(const struct config *config);
/* The address that it comes from, or the user that it signs in as; whole in so much. */
enum { DEVICE_BY_SIZE = 8 + USER_NAME_MAX };
void device_known_by(const struct device *device, char *out, size_t size);
/* "ok", "silent", "refused", "never seen". */
const char *device_known_state(const struct device_known *known);
/* Local time; "never" for 0. */
enum { DEVICE_TIME_SIZE = 32 };
const char *device_known_time(uint32_t seconds, char out[DEVICE_TIME_SIZE]);
/* NULL without memory. */
json_t *device_known_json(const struct device_known *known);

#endif
