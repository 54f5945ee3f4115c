/*
 * core/config/schema_device.c - see schema_device.h.
 */
#include "core/config/schema_device.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/config/device_table.h"
#include "core/config/nested.h"
#include "core/config/scalar.h"
#include "core/config/schema_fields.h"
#include "core/config/schema_profile.h"
#include "core/config/text_file.h"
#include "core/config/user_file.h"
#include "core/config/user_table.h"

enum { DEVICES_FILE_MAX = 64 << 20, TEXT_MAX = 200 };

/* One as it is read. */
struct reading {
	char *name, *address, *user, *owner, *place, *from;
	struct network network;
	unsigned connections, messages, recipients;
	uint8_t profile;
};

/* ---- its keys ---------------------------------------------------------------------------------------------------- */

static bool read_name(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		      void *object)
{
	const char *text = reader_text(r, value), *problem = text ? device_name_problem(text) : NULL;

	if (problem)
		return reader_fail(r, &value->node->start_mark, "%s: %s", value->name, problem);
	return text != NULL && reader_keep(r, field, value, object, text);
}

static bool read_address(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	struct reading *reading = object;
	struct address_problem problem;
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (network_parse(text, &reading->network, &problem) < 0)
		return reader_fail(r, &value->node->start_mark, "%s: %s", value->name, problem.text);
	if (reading->network.prefix != (reading->network.family == AF_INET ? 32 : 128))
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.80s\" is a network: write the one address of this device", value->name,
				   text);
	return reader_keep(r, field, value, object, text);
}

static bool read_user(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		      void *object)
{
	const char *text = reader_text(r, value), *problem = text ? user_name_problem(text, strlen(text)) : NULL;

	if (problem)
		return reader_fail(r, &value->node->start_mark, "%s: %s", value->name, problem);
	return text != NULL && reader_keep(r, field, value, object, text);
}

static bool read_mail_address(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			      void *object)
{
	const char *text = reader_text(r, value);

	if (text != NULL && (!scalar_recipient_valid(text) || strchr(text, '*')))
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.80s\" is no address: write one such as anna@example.org", value->name,
				   text);
	return text != NULL && reader_keep(r, field, value, object, text);
}

static bool read_place(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		       void *object)
{
	const char *text = reader_text(r, value);

	for (const char *at = text; at && *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f || at - text == TEXT_MAX)
			return reader_fail(r, &value->node->start_mark,
					   "%s: write at most %d octets in one line, without control characters",
					   value->name, TEXT_MAX);
	}
	return text != NULL && reader_keep(r, field, value, object, text);
}

#define DEVICE(member) offsetof(struct reading, member)
static const struct reader_field limits[] = {
	FIELD_RANGE("connections", reader_number, DEVICE(connections), 0, 65535),
	FIELD_RANGE("messages_per_minute", reader_number, DEVICE(messages), 0, DEVICE_MINUTE_MAX),
	FIELD_RANGE("recipients_per_minute", reader_number, DEVICE(recipients), 0, DEVICE_MINUTE_MAX),
	FIELDS_END,
};
static const struct reader_field fields[] = {
	FIELD_REQUIRED("name", read_name, DEVICE(name), "name: \"Copier 3rd floor\""),
	FIELD("address", read_address, DEVICE(address)),
	FIELD("user", read_user, DEVICE(user)),
	FIELD("owner", read_mail_address, DEVICE(owner)),
	FIELD("place", read_place, DEVICE(place)),
	FIELD("profile", schema_profile, DEVICE(profile)),
	FIELD("from", read_mail_address, DEVICE(from)),
	FIELD_SECTION("limits", limits, "{ connections: 4 }"),
	FIELDS_END,
};

/* ---- files ------------------------------------------------------------------------------------------------------- */

static bool fail_taken(struct reader *r, const yaml_mark_t *mark, const struct device *device, enum device_key taken,
		       const struct device *other)
{
	static const char *const keys[] = {
		[DEVICE_NAME] = "name", [DEVICE_ADDRESS] = "address", [DEVICE_USER] = "user"};

	char path[PATH_MAX];

	device_path(r->config->devices_path, other, path, sizeof(path));
	if (taken == DEVICE_NAME)
		return reader_fail(r, mark, "name: there is a device \"%s\" already: %.200s:%u", device->name, path,
				   (unsigned)other->line);
	return reader_fail(r, mark, "%s: it is that of the device \"%s\" already: %.200s:%u", keys[taken], other->name,
			   path, (unsigned)other->line);
}

/* What of a file's path stands below the inventory's own. */
static const char *below(const struct config *config, const char *path)
{
	size_t length = strlen(config->devices_path);

	return strncmp(path, config->devices_path, length) == 0 && path[length] == '/' ? path + length + 1 : "";
}

static const char *text_of(const char *text)
{
	return text ? text : "";
}

static bool keep(struct reader *r, const yaml_mark_t *mark, const struct reading *reading)
{
	struct device device = {
		.name = reading->name,
		.user = text_of(reading->user),
		.owner = text_of(reading->owner),
		.place = text_of(reading->place),
		.from = text_of(reading->from),
		.file = below(r->config, r->file),
		.line = (uint32_t)mark->line + 1,
		.family = reading->address ? reading->network.family : 0,
		.profile = reading->profile,
		.connections = (uint16_t)reading->connections,
		.messages_per_minute = (uint16_t)reading->messages,
		.recipients_per_minute = (uint16_t)reading->recipients,
	};
	enum device_key taken = DEVICE_NAME;
	struct device other;
	int e;

	memcpy(device.octets, reading->network.octets, sizeof(device.octets));
	e = device_table_add(r->config->devices, &device, &taken, &other);
	if (e == -EEXIST)
		return fail_taken(r, mark, &device, taken, &other);
	if (e == -EFBIG)
		return reader_fail(r, mark, "devices: there are more than %d", DEVICE_TABLE_MAX);
	return e == 0 || reader_fail_memory(r, mark);
}

static bool read_device(struct reader *r, const yaml_node_t *node)
{
	const struct reader_value value = {.name = "device", .key = node, .node = node};
	struct reading reading = {.name = NULL};
	bool ok;

	if (node->type != YAML_MAPPING_NODE)
		return reader_fail(r, &node->start_mark,
				   "a device must be a mapping: write name: \"Copier 3rd floor\", address: 10.20.3.14");
	ok = reader_mapping(r, fields, &value, &reading);
	if (ok && !reading.address == !reading.user)
		ok = reader_fail(r, &node->start_mark,
				 "a device is known by its address or by the user that it signs in as: write one of "
				 "address and user");
	ok = ok && keep(r, &node->start_mark, &reading);
	free(reading.name);
	free(reading.address);
	free(reading.user);
	free(reading.owner);
	free(reading.place);
	free(reading.from);
	return ok;
}

static bool read_root(struct reader *r, const struct reader_value *root, void *object)
{
	const yaml_node_t *node = root->node;
	bool ok = true;

	if (node->type != YAML_SEQUENCE_NODE)
		return read_device(r, node);
	for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++)
		ok &= read_device(r, yaml_document_get_node(r->document, *item));
	return ok;
}

/* Whoever may write there lets in whom he likes. What is not there is complained of where it is read. */
static bool look_at_mode(struct reader *r, const yaml_mark_t *mark, const char *path)
{
	struct stat status;

	return stat(path, &status) < 0 || !(status.st_mode & S_IWOTH) ||
	       reader_fail(r, mark, "devices: everybody may write %.200s, and let in whom he likes: chmod o-w it",
			   path);
}

bool schema_devices_text(struct reader *r, const char *path, const char *text, size_t length)
{
	return nested_read(r, path, text, length, read_root, NULL);
}

static bool read_file(struct reader *r, const yaml_mark_t *mark, const char *path)
{
	char *text = NULL;
	size_t length;
	bool opened, ok;
	int e;

	if (!look_at_mode(r, mark, path))
		return false;
	e = text_file_read(path, DEVICES_FILE_MAX, &text, &length, &opened);
	if (e < 0)
		return reader_fail(r, mark, "devices: %.200s: %s", path, strerror(-e));
	ok = schema_devices_text(r, path, text, length);
	free(text);
	return ok;
}

static int is_entry(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && strcmp(dot, ".yaml") == 0;
}

/* Names that begin with a dot are those of files that are just being written. */
static bool read_directory(struct reader *r, const yaml_mark_t *mark, const char *in)
{
	struct dirent **entries;
	bool ok = true;
	int count;

	if (!look_at_mode(r, mark, in))
		return false;
	count = scandir(in, &entries, is_entry, alphasort);
	if (count < 0)
		return reader_fail(r, mark, "devices: %.200s: %s", in, strerror(errno));
	for (int i = 0; i < count; i++) {
		char path[PATH_MAX];
		if (snprintf(path, sizeof(path), "%s/%s", in, entries[i]->d_name) < PATH_MAX)
			ok &= read_file(r, mark, path);
		else
			ok = reader_fail(r, mark, "devices: %.200s: %s", in, strerror(ENAMETOOLONG));
		free(entries[i]);
	}
	free(entries);
	return ok;
}

bool schema_devices(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	const yaml_mark_t mark = value->node->start_mark;
	struct config *config = object;
	struct stat status;

	if (!reader_path(r, field, value, object))
		return false;
	if (stat(config->devices_path, &status) < 0)
		return reader_fail(r, &mark, "%s: %.200s: %s%s", value->name, config->devices_path, strerror(errno),
				   errno == ENOENT ? ": make a directory of that name" : "");
	if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
		return reader_fail(r, &mark, "%s: %.200s is neither a directory nor a file", value->name,
				   config->devices_path);
	config->devices = device_table_new();
	if (config->devices == NULL)
		return reader_fail_memory(r, &mark);
	if (r->no_devices)
		return true;
	return S_ISDIR(status.st_mode) ? read_directory(r, &mark, config->devices_path)
				       : read_file(r, &mark, config->devices_path);
}

/* ---- what goes together ------------------------------------------------------------------------------------------ */

bool schema_devices_finish(struct reader *r, const yaml_node_t *root)
{
	const yaml_node_t *node = reader_find(r, root, "devices");
	char path[PATH_MAX];
	struct device device;
	struct user user;

	if (node == NULL || !reader_fine(r, "devices") || !reader_fine(r, "users_file"))
		return true;
	for (size_t i = 0; i < device_table_count(r->config->devices); i++) {
		device_table_get(r->config->devices, i, &device);
		device_path(r->config->devices_path, &device, path, sizeof(path));
		if (device.user[0] != '\0' &&
		    !user_table_find(r->config->users, device.user, strlen(device.user), &user))
			config_problems_add(r->problems, true, path, (struct config_place){device.line, 1},
					    "the device \"%s\" cannot sign in: users_file has no user \"%.80s\": "
					    "`postrider hash` writes its line",
					    device.name, device.user);
	}
	return true;
}
