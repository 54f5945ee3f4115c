/*
 * core/tools/device_sheet.h - the sheet of settings to type into a machine.
 */
#ifndef POSTRIDER_TOOLS_DEVICE_SHEET_H
#define POSTRIDER_TOOLS_DEVICE_SHEET_H

#include "core/tools/device_known.h"

struct device_way {
	const struct config_listener *listener; /* NULL: none suits it */
	const char *encryption;                 /* "none", "STARTTLS", "SSL/TLS" */
};
/* Where it should come in: by TLS where it can and a listener has it. */
struct device_way device_way(const struct config *config, const struct device_known *known);

void device_sheet(const struct config *config, const struct device_known *known, FILE *out);
/* What it says, added to `json`. False: no memory. */
bool device_sheet_json(const struct config *config, const struct device_known *known, json_t *json);

#endif
