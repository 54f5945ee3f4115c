/*
 * fuzz_inventory.c - entries of devices: what is taken is found again by all that it is found by, and what is not is
 * told with its place; and where one of several is cut out, the others are what they were.
 */
#include <stdlib.h>
#include <string.h>

#include "core/config/device_cut.h"
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

static struct config_problems problems;

/* The devices of a text; *ok: it is right. */
static struct config *read(const char *text, size_t length, bool *ok)
{
	struct config *config = calloc(1, sizeof(*config));
	struct reader r = {.file = "f.yaml", .config = config, .problems = &problems};

	need(config != NULL && (config->devices = device_table_new()) != NULL);
	config_problems_init(&problems);
	config->devices_path = strdup("d");
	need(config->devices_path != NULL);
	*ok = schema_devices_text(&r, "d/f.yaml", text, length);
	return config;
}

static void same(const struct device_table *a, size_t in_a, const struct device_table *b, size_t in_b)
{
	struct device one, other;

	device_table_get(a, in_a, &one);
	device_table_get(b, in_b, &other);
	need(strcmp(one.name, other.name) == 0 && strcmp(one.user, other.user) == 0);
	need(strcmp(one.owner, other.owner) == 0 && strcmp(one.place, other.place) == 0);
	need(strcmp(one.from, other.from) == 0 && memcmp(one.octets, other.octets, sizeof(one.octets)) == 0);
	need(one.profile == other.profile && one.connections == other.connections);
}

static void cut(const struct device_table *table, size_t index, const char *text, size_t length)
{
	size_t count = device_table_count(table), left;
	struct config *config;
	struct device device;
	char *out;
	bool ok;

	device_table_get(table, index, &device);
	if (count < 2 || device_cut(text, length, device.line, &out, &left) < 0)
		return;
	config = read(out, left, &ok);
	need(ok && device_table_count(config->devices) == count - 1);
	for (size_t i = 0; i + 1 < count; i++)
		same(table, i + (i >= index), config->devices, i);
	config_free(config);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool ok;
	struct config *config = read((const char *)data, size, &ok);

	need(ok == (problems.errors == 0));
	need(ok || strncmp(config_problems_first(&problems), "d/f.yaml:", 9) == 0);
	for (size_t i = 0; i < device_table_count(config->devices); i++)
		look(config->devices, i);
	for (size_t i = 0; ok && i < device_table_count(config->devices) && i < 8; i++)
		cut(config->devices, i, (const char *)data, size);
	config_free(config);
	return 0;
}
