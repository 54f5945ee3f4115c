/*
 * core/config/site_preset.c - see site_preset.h.
 */
#include "core/config/site_preset.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* By KumoMTA's community of senders, as facts. Microsoft's tenants have a host each, so these count for each tenant;
 * its consumer domains share one. */
static const struct site_preset presets[] = {
	{"google", {".google.com", ".googlemail.com"}, 5, 50},
	{"microsoft", {".protection.outlook.com", ".mx.microsoft"}, 5, 50},
	{"yahoo", {".yahoodns.net"}, 10, 20},
	{"apple", {".mail.icloud.com"}, 10, 5},
	{"orange", {".orange.fr"}, 2, 100},
	{"comcast", {".comcast.net"}, 25, 1000},
};

static bool is_of(const struct site_preset *preset, const char *name)
{
	size_t length = strlen(name);

	while (length > 0 && name[length - 1] == '.')
		length--;
	for (size_t i = 0; i < SITE_PRESET_ENDS && preset->ends[i]; i++) {
		size_t end = strlen(preset->ends[i]);
		if (end < length && strncasecmp(name + length - end, preset->ends[i], end) == 0)
			return true;
	}
	return false;
}

const struct site_preset *site_preset_find(const struct config_host *hosts, size_t count)
{
	for (size_t i = 0; count > 0 && i < sizeof(presets) / sizeof(presets[0]); i++) {
		size_t its = 0;
		for (size_t h = 0; h < count; h++)
			its += is_of(&presets[i], hosts[h].name);
		if (its == count)
			return &presets[i];
	}
	return NULL;
}
