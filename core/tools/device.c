/*
 * core/tools/device.c - see device.h. Entries are files NAME.yaml in the inventory's directory: an entry that somebody
 * has written by hand, with his comments, is never written again; it can be taken out of a file that has others.
 */
#include "core/tools/device.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/durable.h"
#include "core/config/device_sheet.h"
#include "core/config/preset_list.h"
#include "core/config/profile.h"
#include "core/tools/device_entry.h"
#include "core/tools/device_known.h"
#include "core/tools/presets.h"
#include "core/tools/table.h"
#include "core/tools/written.h"

#define CONFIGURATION "/etc/postrider/postrider.yaml"

enum { STATUS_NOT = 1, STATUS_USAGE = 64, STATUS_UNAVAILABLE = 69, STATUS_FILE = 73, STATUS_CONFIG = 78 };
enum { SAME_MAX = 1000, ENTRY_MAX = 4096 };

struct options {
	const char *config, *name;
	const char *address, *user, *owner, *place, *profile, *from, *connections;
	bool json;
};

static int usage(FILE *out, int status)
{
	fputs("usage: postrider device list [--config FILE] [--json]\n"
	      "       postrider device show NAME [--config FILE] [--json]\n"
	      "       postrider device add NAME --address ADDRESS | --user NAME [--profile NAME] [--from ADDRESS]\n"
	      "                 [--owner ADDRESS] [--place TEXT] [--connections NUMBER] [--config FILE] [--json]\n"
	      "       postrider device remove NAME [--config FILE] [--json]\n"
	      "       postrider device profiles [NAME] [--json]\n",
	      out);
	return status;
}

static int fail(int status, const char *what, const char *why)
{
	table_say("postrider: device: %s: %s", what, why);
	return status;
}

/* NULL after saying why. */
static struct config *load(const char *file)
{
	static struct config_problems problems;
	struct config *config = config_load(file, &problems);

	for (unsigned i = 0; !config && i < problems.count; i++)
		fprintf(stderr, "%s\n", problems.list[i].text);
	if (config && !config->devices) {
		fprintf(stderr,
			"postrider: %s has no inventory: write devices: devices.d, and make that directory beside it\n",
			file);
		config_free(config);
		return NULL;
	}
	return config;
}

/* ---- list, show ------------------------------------------------------------------------------------------------- */

/* As wide as the widest in it: nothing is cut. */
struct widths {
	int name, by, profile;
};

static void widen(int *width, const char *text)
{
	int length = (int)strlen(text);

	*width = length > *width ? length : *width;
}

static struct widths widths_of(const struct device_known *known, size_t count)
{
	struct widths widths = {sizeof("DEVICE") - 1, sizeof("ADDRESS OR USER") - 1, sizeof("PROFILE") - 1};
	char by[DEVICE_BY_SIZE];

	for (size_t i = 0; i < count; i++) {
		device_known_by(&known[i].device, by, sizeof(by));
		widen(&widths.name, known[i].device.name);
		widen(&widths.by, by);
		widen(&widths.profile, known[i].profile ? known[i].profile->name : "");
	}
	return widths;
}

static void print_row(const struct device_known *known, struct widths widths)
{
	char by[DEVICE_BY_SIZE], time[DEVICE_TIME_SIZE];

	device_known_by(&known->device, by, sizeof(by));
	printf("%-*s  %-*s  %-*s  %-16s  %10lu  %s\n", widths.name, known->device.name, widths.by, by, widths.profile,
	       known->profile ? known->profile->name : "-", device_known_time(known->facts.mail_s, time),
	       (unsigned long)known->facts.messages, device_known_state(known));
}

static int list(const struct config *config, const struct options *o)
{
	size_t count = device_table_count(config->devices);
	struct device_known *known = device_known_all(config);
	json_t *array = o->json ? json_array() : NULL;
	struct widths widths;

	if (!known && count > 0)
		return fail(STATUS_UNAVAILABLE, "list", strerror(ENOMEM));
	widths = widths_of(known, count);
	if (!o->json)
		printf("%-*s  %-*s  %-*s  %-16s  %10s  %s\n", widths.name, "DEVICE", widths.by, "ADDRESS OR USER",
		       widths.profile, "PROFILE", "LAST MESSAGE", "MESSAGES", "STATE");
	for (size_t i = 0; i < count; i++) {
		if (o->json)
			(void)json_array_append_new(array, device_known_json(&known[i]));
		else
			print_row(&known[i], widths);
	}
	if (o->json)
		written_json(stdout, array);
	free(known);
	return 0;
}

static void print_rhythm(const struct device_rhythm *rhythm)
{
	unsigned bound = rhythm_bound(rhythm), usual = rhythm_usual(rhythm);

	if (bound == 0)
		printf("  rhythm        not known yet: it is learned in two weeks\n");
	else
		printf("  rhythm        sends in %u of the 168 hours of a week; silent after %u of these without "
		       "mail\n",
		       usual, bound);
}

static void print_device(const struct device_known *known)
{
	const struct device *device = &known->device;
	const struct device_facts *facts = &known->facts;
	char path[PATH_MAX], by[DEVICE_BY_SIZE], first[DEVICE_TIME_SIZE], last[DEVICE_TIME_SIZE],
		mail[DEVICE_TIME_SIZE], refused[DEVICE_TIME_SIZE];

	device_known_by(device, by, sizeof(by));
	printf("%s\n  %-13s %s\n", device->name, device->family ? "address" : "signs in as",
	       device->family ? by : device->user);
	if (known->profile)
		printf("  profile       %s: %s\n", known->profile->name, known->profile->about);
	if (device->place[0])
		printf("  place         %s\n", device->place);
	if (device->owner[0])
		printf("  owner         %s\n", device->owner);
	device_path(known->inventory, device, path, sizeof(path));
	printf("  entry         %s:%u\n", path, (unsigned)device->line);
	printf("  state         %s\n", device_known_state(known));
	if (!known->seen || facts->last_s == 0)
		return;
	printf("  seen          first %s, last %s, %s\n", device_known_time(facts->first_s, first),
	       device_known_time(facts->last_s, last), facts->tls[0] ? facts->tls : "without TLS");
	printf("  mail          %lu messages, %llu octets, last %s\n", (unsigned long)facts->messages,
	       (unsigned long long)facts->octets, device_known_time(facts->mail_s, mail));
	if (facts->refusals > 0)
		printf("  refused       %lu times, last %s: %s\n", (unsigned long)facts->refusals,
		       device_known_time(facts->refused_s, refused), facts->refusal);
	print_rhythm(&facts->rhythm);
}

static struct device_sheet sheet_of(const struct device_known *known)
{
	return (struct device_sheet){&known->device, known->profile};
}

/* What the sheet says, added to `json`. False: no memory. */
static bool add_sheet(const struct config *config, const struct device_known *known, json_t *json)
{
	const struct device_sheet sheet = sheet_of(known);
	struct device_way way = device_way(config, &sheet);
	const char *client = device_sheet_client(config, &sheet);
	json_t *menu = json_array();

	for (size_t i = 0; known->profile && i < known->profile->menu.count; i++)
		(void)json_array_append_new(menu, json_string(known->profile->menu.list[i]));
	return json_object_set_new(json, "sheet",
				   json_pack("{s:o, s:s, s:o, s:s, s:s, s:o}", "client",
					     client ? json_string(client) : json_null(), "server", config->hostname,
					     "port", way.listener ? json_integer(device_way_port(&way)) : json_null(),
					     "encryption", way.encryption, "sign_in", known->device.user, "menu",
					     menu)) == 0;
}

static int show_one(const struct config *config, const struct device_known *known, const struct options *o)
{
	const struct device_sheet sheet = sheet_of(known);
	json_t *json;

	if (!o->json) {
		print_device(known);
		device_sheet_put(config, &sheet, stdout);
		return 0;
	}
	json = device_known_json(known);
	if (json && !add_sheet(config, known, json)) {
		json_decref(json);
		json = NULL;
	}
	written_json(stdout, json);
	return json ? 0 : STATUS_UNAVAILABLE;
}

static int show(const struct config *config, const struct options *o)
{
	int32_t index = device_table_of_name(config->devices, o->name);
	struct device_known *known;
	int status;

	if (index < 0)
		return fail(STATUS_NOT, o->name, "there is no device of that name: `postrider device list` lists them");
	known = device_known_all(config);
	status = known ? show_one(config, &known[index], o) : fail(STATUS_UNAVAILABLE, o->name, strerror(ENOMEM));
	free(known);
	return status;
}

/* ---- add, remove ------------------------------------------------------------------------------------------------ */

static void put(FILE *out, const char *key, const char *value)
{
	if (!value)
		return;
	fprintf(out, "%s: ", key);
	written_quoted(out, value);
	fputc('\n', out);
}

static bool plain(const char *text)
{
	for (; text && *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

/* The entry as it is written; NULL without memory. */
static char *entry_text(const struct options *o, size_t *length)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, length);

	if (!out)
		return NULL;
	put(out, "name", o->name);
	put(out, "address", o->address);
	put(out, "user", o->user);
	put(out, "owner", o->owner);
	put(out, "place", o->place);
	put(out, "profile", o->profile);
	put(out, "from", o->from);
	if (o->connections)
		fprintf(out, "limits: { connections: %s }\n", o->connections);
	return fclose(out) == 0 ? text : NULL;
}

/* A name for the file that no other has: of the device's letters and digits. */
static bool choose_file(const char *in, const char *name, char path[PATH_MAX])
{
	char slug[DEVICE_NAME_MAX + 8];
	size_t n = 0;

	for (const char *at = name; *at && n < DEVICE_NAME_MAX; at++) {
		if (isalnum((unsigned char)*at) && (unsigned char)*at < 0x80)
			slug[n++] = (char)tolower((unsigned char)*at);
		else if (n > 0 && slug[n - 1] != '-')
			slug[n++] = '-';
	}
	while (n > 0 && slug[n - 1] == '-')
		n--;
	slug[n] = '\0';
	for (unsigned i = 1; i < SAME_MAX; i++) {
		char number[8] = "";
		if (i > 1)
			snprintf(number, sizeof(number), "-%u", i);
		if (snprintf(path, PATH_MAX, "%s/%s%s.yaml", in, n > 0 ? slug : "device", number) >= PATH_MAX)
			return false;
		if (access(path, F_OK) < 0)
			return true;
	}
	return false;
}

/* One like it already; the configuration itself says the rest. */
static bool is_new(const struct config *config, const struct options *o)
{
	int32_t other = device_table_of_name(config->devices, o->name);
	struct ring_address address;
	struct device device;
	char path[PATH_MAX];

	if (other < 0 && o->address && address_text_numeric(o->address, 1, &address))
		other = device_table_of_address(config->devices, &address);
	if (other < 0 && o->user)
		other = device_table_of_user(config->devices, o->user);
	if (other < 0)
		return true;
	device_table_get(config->devices, (size_t)other, &device);
	device_path(config->devices_path, &device, path, sizeof(path));
	fprintf(stderr, "postrider: device: \"%s\" is there already: %s:%u\n", device.name, path,
		(unsigned)device.line);
	return false;
}

/* What is written must be right for the whole: it is read again, and taken back where it is not. */
static int write_entry(const struct options *o, const char *path)
{
	size_t length = 0;
	char *text = entry_text(o, &length);
	struct config *config;
	int r = text ? durable_make_like(path, o->config, text, length) : -ENOMEM, status;

	free(text);
	if (r < 0)
		return fail(STATUS_FILE, path, strerror(-r));
	config = load(o->config);
	if (!config) {
		(void)unlink(path);
		return STATUS_CONFIG;
	}
	status = show(config, o);
	config_free(config);
	if (!o->json)
		printf("The relay knows it from the next reload on: postrider reload --config %s\n", o->config);
	return status;
}

static int add(const struct config *config, const struct options *o)
{
	const char *problem = device_name_problem(o->name);
	char path[PATH_MAX];
	struct stat status;

	if (problem || !plain(o->address) || !plain(o->user) || !plain(o->owner) || !plain(o->place) ||
	    !plain(o->profile) || !plain(o->from))
		return fail(STATUS_USAGE, o->name, problem ? problem : "there are control characters in what is given");
	if (!o->address == !o->user)
		return fail(STATUS_USAGE, o->name, "give one of --address and --user");
	if (o->connections && o->connections[strspn(o->connections, "0123456789")])
		return fail(STATUS_USAGE, o->connections, "--connections is a number");
	if (!is_new(config, o))
		return STATUS_NOT;
	if (stat(config->devices_path, &status) < 0 || !S_ISDIR(status.st_mode))
		return fail(STATUS_FILE, config->devices_path,
			    "the inventory is one file: write the entry there, or make a directory of it");
	if (!choose_file(config->devices_path, o->name, path))
		return fail(STATUS_FILE, config->devices_path, "there is no name left for its file");
	return write_entry(o, path);
}

/* How many devices have their entry in the same file. */
static size_t beside(const struct config *config, const char *file)
{
	struct device device;
	size_t count = 0;

	for (size_t i = 0; i < device_table_count(config->devices); i++) {
		device_table_get(config->devices, i, &device);
		count += strcmp(device.file, file) == 0;
	}
	return count;
}

/* The entry stands among others: only its lines go. What is left must be right for the whole, or it is put back. */
static int cut_entry(const struct config *config, const struct options *o, const struct device *device,
		     const char *path)
{
	size_t count = device_table_count(config->devices);
	struct device_entry before = {.text = NULL};
	char why[PATH_MAX + 80];
	struct config *after;
	bool right;
	int r = device_entry_cut(path, device->line, &before);

	if (r == -EINVAL) {
		snprintf(why, sizeof(why), "its entry cannot be told from others by lines: take it out of %s, line %u",
			 path, (unsigned)device->line);
		return fail(STATUS_FILE, o->name, why);
	}
	if (r < 0)
		return fail(STATUS_FILE, path, strerror(-r));
	after = load(o->config);
	right = after && device_table_count(after->devices) == count - 1 &&
		device_table_of_name(after->devices, device->name) < 0;
	if (!right)
		r = device_entry_put_back(path, &before);
	config_free(after);
	free(before.text);
	if (!right)
		return fail(STATUS_FILE, path, r < 0 ? strerror(-r) : "others need what its entry says: it stays");
	return 0;
}

static int remove_one(const struct config *config, const struct options *o)
{
	int32_t index = device_table_of_name(config->devices, o->name);
	char path[PATH_MAX];
	struct device device;
	int status = 0;

	if (index < 0)
		return fail(STATUS_NOT, o->name, "there is no device of that name: `postrider device list` lists them");
	device_table_get(config->devices, (size_t)index, &device);
	device_path(config->devices_path, &device, path, sizeof(path));
	if (beside(config, device.file) > 1 || device.file[0] == '\0')
		status = cut_entry(config, o, &device, path);
	else if (unlink(path) < 0)
		status = fail(STATUS_FILE, path, strerror(errno));
	if (status != 0)
		return status;
	if (o->json)
		written_json(stdout, json_pack("{s:s, s:s}", "removed", device.name, "file", path));
	else
		printf("%s: it is gone from %s; the relay forgets it with the next reload: postrider reload --config "
		       "%s\n",
		       device.name, path, o->config);
	return 0;
}

static int profiles(const char *name, bool json)
{
	int r = presets_show(&preset_profiles, "profiles", name, json);

	if (r < 0)
		return fail(STATUS_UNAVAILABLE, "profiles",
			    r != -ENOENT ? strerror(-r)
			    : name       ? "there is none of that name: `postrider device profiles` lists them"
					 : "there are none: POSTRIDER_PROFILES may name their directory");
	return 0;
}

/* ---- the command line ------------------------------------------------------------------------------------------- */

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"json", no_argument, NULL, 'j'},
	{"address", required_argument, NULL, 'a'},
	{"user", required_argument, NULL, 'u'},
	{"owner", required_argument, NULL, 'o'},
	{"place", required_argument, NULL, 'p'},
	{"profile", required_argument, NULL, 'r'},
	{"from", required_argument, NULL, 'f'},
	{"connections", required_argument, NULL, 'n'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/* 0: go on; else the exit status, or -1 for help. */
static int parse(int argc, char **argv, struct options *o)
{
	int option;

	*o = (struct options){.config = CONFIGURATION};
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		const char **to = option == 'c'   ? &o->config
				  : option == 'a' ? &o->address
				  : option == 'u' ? &o->user
				  : option == 'o' ? &o->owner
				  : option == 'p' ? &o->place
				  : option == 'r' ? &o->profile
				  : option == 'f' ? &o->from
				  : option == 'n' ? &o->connections
						  : NULL;
		if (to)
			*to = optarg;
		else if (option == 'j')
			o->json = true;
		else
			return option == 'h' ? -1 : STATUS_USAGE;
	}
	if (optind < argc)
		o->name = argv[optind++];
	return optind < argc ? STATUS_USAGE : 0;
}

int device_command(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct config *config, const struct options *o);
		bool named, changes;
	} verbs[] = {{"list", list, false, false},
		     {"show", show, true, false},
		     {"add", add, true, true},
		     {"remove", remove_one, true, true}};
	const char *verb = argc > 1 ? argv[1] : "";
	struct config *config;
	struct options o;
	int status, lock;

	if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0)
		return usage(stdout, 0);
	status = argc > 1 ? parse(argc - 1, argv + 1, &o) : STATUS_USAGE;
	if (status != 0)
		return usage(status < 0 ? stdout : stderr, status < 0 ? 0 : status);
	if (strcmp(verb, "profiles") == 0)
		return profiles(o.name, o.json);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verb, verbs[i].name) != 0)
			continue;
		if (verbs[i].named != (o.name != NULL))
			return usage(stderr, STATUS_USAGE);
		/* What is read is what is changed: nobody else does meanwhile. The lock ends with the process. */
		if (verbs[i].changes && (lock = device_entry_lock(o.config)) < 0)
			return fail(STATUS_CONFIG, o.config, strerror(-lock));
		config = load(o.config);
		if (!config)
			return STATUS_CONFIG;
		status = verbs[i].run(config, &o);
		config_free(config);
		return status;
	}
	return usage(stderr, STATUS_USAGE);
}
