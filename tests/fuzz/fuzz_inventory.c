/*
 * fuzz_inventory.c - entries of devices: what is taken is found again by all that it is found by, and what is not is
 * told with its place.
 */
#include <stdlib.h>
#include <string.h>

#include "core/config/device_table.h"
#include "core/config/schema_device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void look(const struct device_table *table, size_t index)
{
	struct ring_address address = {.v4 = {.sin_family = AF_INET}};
	struct device device;

	device_table_get(table, index, &device);
	need(device.name[0] != '\0' && !device_name_problem(device.name));
	need(device_table_of_name(table, device.name) == (int32_t)index);
	need((device.family != 0) == (device.user[0] == '\0'));
	if (device.user[0] != '\0')
		need(device_table_of_user(table, device.user) == (int32_t)index);
	if (device.family == AF_INET) {
		memcpy(&address.v4.sin_addr, device.octets, 4);
		need(device_table_of_address(table, &address) == (int32_t)index);
	}
	need(device.line > 0 && strcmp(device.file, "f.yaml") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config_problems problems;
	struct config *config = calloc(1, sizeof(*config));
	struct reader r = {.file = "f.yaml", .config = config, .problems = &problems};
	bool ok;

	need(config != NULL && (config->devices = device_table_new()) != NULL);
	config_problems_init(&problems);
	config->devices_path = strdup("d");
	need(config->devices_path != NULL);
	ok = schema_devices_text(&r, "d/f.yaml", (const char *)data, size);
	need(ok == (problems.errors == 0));
	need(ok || strncmp(config_problems_first(&problems), "d/f.yaml:", 9) == 0);
	for (size_t i = 0; i < device_table_count(config->devices); i++)
		look(config->devices, i);
	config_free(config);
	return 0;
}
