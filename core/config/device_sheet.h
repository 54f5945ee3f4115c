/*
 * core/config/device_sheet.h - the sheet of settings to type into a machine: for `postrider device`, and for the page.
 *
 * There is no secret in it: who signs in does so with a password of which the relay has a hash alone.
 */
#ifndef POSTRIDER_CONFIG_DEVICE_SHEET_H
#define POSTRIDER_CONFIG_DEVICE_SHEET_H

#include <stdio.h>

#include "core/config/config.h"
#include "core/config/device_table.h"

struct config_profile;

/* Whose sheet it is; it need not be in the inventory. */
struct device_sheet {
	const struct device *device;
	const struct config_profile *profile; /* NULL: none */
};

struct device_way {
	const struct config_listener *listener; /* NULL: none suits it */
	const char *encryption;                 /* "none", "STARTTLS", "SSL/TLS" */
};
/* Where it should come in: by TLS where it can and a listener has it. */
struct device_way device_way(const struct config *config, const struct device_sheet *sheet);
unsigned device_way_port(const struct device_way *way); /* 0: there is none */
/* The entry of clients that lets it in; NULL: none does. */
const char *device_sheet_client(const struct config *config, const struct device_sheet *sheet);

/* All of it, as people read it: who lets it in, its settings, and where they are in its menus. */
void device_sheet_put(const struct config *config, const struct device_sheet *sheet, FILE *out);
/* The settings alone. */
void device_sheet_put_settings(const struct config *config, const struct device_sheet *sheet, FILE *out);

#endif
