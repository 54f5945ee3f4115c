/*
 * core/tools/device_known.c - see device_known.h.
 */
#include "core/tools/device_known.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/config/profile.h"
#include "core/config/text_file.h"

enum { FILE_MAX = 1 << 30 };

struct filling {
	const struct device_table *table;
	struct device_known *known;
};

static bool on_line(void *context, const char *name, size_t length, const struct device_facts *facts)
{
	struct filling *filling = context;
	char text[DEVICE_NAME_MAX + 1];
	int32_t index;

	memcpy(text, name, length);
	text[length] = '\0';
	index = device_table_of_name(filling->table, text);
	if (index >= 0) {
		filling->known[index].facts = *facts;
		filling->known[index].seen = true;
	}
	return true;
}

static void read_facts(const struct config *config, struct device_known *known)
{
	struct filling filling = {config->devices, known};
	char path[PATH_MAX], *text = NULL;
	unsigned hours;
	size_t length;
	bool opened;
	int r;

	if (snprintf(path, sizeof(path), "%s/devices", config->spool.directory) >= (int)sizeof(path))
		return;
	r = text_file_read(path, FILE_MAX, &text, &length, &opened);
	if (r == 0)
		r = device_file_parse(text, length, &hours, on_line, &filling);
	if (r < 0 && r != -ENOENT)
		fprintf(stderr, "postrider: %s: %s: what was seen of devices is not known\n", path,
			r == -EBADMSG ? "damaged" : strerror(-r));
	free(text);
}

struct device_known *device_known_all(const struct config *config)
{
	size_t count = device_table_count(config->devices);
	struct device_known *known = count > 0 ? calloc(count, sizeof(*known)) : NULL;

	for (size_t i = 0; known && i < count; i++) {
		device_table_get(config->devices, i, &known[i].device);
		known[i].inventory = config->devices_path;
		if (known[i].device.profile > 0)
			known[i].profile = &config->profiles[known[i].device.profile - 1];
	}
	if (known)
		read_facts(config, known);
	return known;
}

void device_known_by(const struct device *device, char *out, size_t size)
{
	char address[INET6_ADDRSTRLEN] = "";

	if (device->family != 0)
		(void)inet_ntop(device->family, device->octets, address, sizeof(address));
	snprintf(out, size, "%s%s", device->family != 0 ? address : "user ", device->user);
}

const char *device_known_state(const struct device_known *known)
{
	if (!known->seen || known->facts.last_s == 0)
		return "never seen";
	if (known->facts.rhythm.silent)
		return "silent";
	return known->facts.refused_s > known->facts.mail_s ? "refused" : "ok";
}

const char *device_known_time(uint32_t seconds, char out[DEVICE_TIME_SIZE])
{
	time_t shown = (time_t)seconds;
	struct tm tm;

	if (seconds == 0)
		return "never";
	out[0] = '\0';
	(void)strftime(out, DEVICE_TIME_SIZE, "%Y-%m-%d %H:%M", localtime_r(&shown, &tm));
	return out;
}

static json_t *json_time(uint32_t seconds)
{
	time_t shown = (time_t)seconds;
	char text[DEVICE_TIME_SIZE] = "";
	struct tm tm;

	if (seconds == 0)
		return json_null();
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&shown, &tm));
	return json_string(text);
}

static json_t *json_text(const char *text)
{
	json_t *json = text[0] ? json_string(text) : NULL;

	/* A damaged file may have what is no UTF-8; the device is to be shown all the same. */
	return json ? json : json_null();
}

json_t *device_known_json(const struct device_known *known)
{
	const struct device *device = &known->device;
	const struct device_facts *facts = &known->facts;
	char by[INET6_ADDRSTRLEN + 8] = "", path[PATH_MAX];

	device_path(known->inventory, device, path, sizeof(path));
	if (device->family != 0)
		device_known_by(device, by, sizeof(by));
	return json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:i, s:s, s:o, s:o, s:o, s:I, s:I, s:o, s:I, s:o, s:o, "
		"s:i, s:i}",
		"name", device->name, "address", json_text(by), "user", json_text(device->user), "profile",
		json_text(known->profile ? known->profile->name : ""), "owner", json_text(device->owner), "place",
		json_text(device->place), "from", json_text(device->from), "file", path, "line", (int)device->line,
		"state", device_known_state(known), "first_seen", json_time(facts->first_s), "last_seen",
		json_time(facts->last_s), "last_message", json_time(facts->mail_s), "messages",
		(json_int_t)facts->messages, "octets", (json_int_t)facts->octets, "tls", json_text(facts->tls),
		"refusals", (json_int_t)facts->refusals, "last_refusal", json_text(facts->refusal), "refused_at",
		json_time(facts->refused_s), "usual_hours", (int)rhythm_usual(&facts->rhythm), "silent_after",
		(int)rhythm_bound(&facts->rhythm));
}
