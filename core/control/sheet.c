/*
 * core/control/sheet.c - GET /v1/sheet: the settings to type into a machine, in the words of `postrider device`
 * (core/config/device_sheet.h): of one of the inventory, or of one that is to come. Nothing is written: the answer has
 * the command that does.
 *
 * Of a device that is in force they are of the configuration in force, which costs the same however many there are. Of
 * one that is to come they are of the configuration's file as it is by now, as the command's are, without the files of
 * the inventory. Those are read only for a name that is not in force, and may have been written since; one at a time:
 * with an inventory of a million that takes a while, and memory.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/config/device_sheet.h"
#include "core/config/device_table.h"
#include "core/config/preset_list.h"
#include "core/config/profile.h"
#include "core/config/schema_profile.h"
#include "core/control/desk.h"
#include "core/control/handlers.h"
#include "core/relay/relay.h"
#include "core/smtp/utf8.h"

enum { WAIT_S = 10 };

struct asked {
	const char *name, *address, *user, *profile, *from, *place;
	struct device device;
	bool listed;
	const char *problem; /* what about the request has no meaning */
};

/* ---- who it is -------------------------------------------------------------------------------------------------- */

/* What is not given and what is empty, as forms send it, are the same. */
static const char *value_of(struct control_request *request, const char *key)
{
	const char *value = request_value(request, key);

	return value && value[0] ? value : NULL;
}

/* Nothing that is not seen, or turns the direction of what stands around it: who reads the command is to run what he
 * reads. */
static bool plain(const char *text)
{
	struct span rest = span_text(text ? text : "");
	uint32_t octets;

	for (; rest.length > 0; rest.data += octets, rest.length -= octets) {
		uint32_t code = utf8_code(rest, &octets);
		if (octets == 0 || utf8_obeyed(code))
			return false;
	}
	return true;
}

static const char *take_address(struct device *device, const char *text)
{
	struct ring_address address;

	if (!address_text_numeric(text, 1, &address))
		return "address: write one as in 10.20.3.14: a device is known by one address, and not by a name";
	device->family = (uint8_t)address.any.sa_family;
	if (device->family == AF_INET)
		memcpy(device->octets, &address.v4.sin_addr, sizeof(address.v4.sin_addr));
	else
		memcpy(device->octets, &address.v6.sin6_addr, sizeof(address.v6.sin6_addr));
	return NULL;
}

/* One that is not in the inventory, as it would be. NULL, or what is wrong. */
static const char *make(struct asked *a)
{
	const char *problem = device_name_problem(a->name);

	if (problem)
		return problem;
	if (!a->address == !a->user)
		return "write one of address and user: by which of them it is to be known";
	if (!plain(a->name) || !plain(a->user) || !plain(a->from) || !plain(a->place))
		return "there are control characters in what is given, or such as nobody sees, or as turn the "
		       "direction of writing";
	if ((a->user && strlen(a->user) > 255) || (a->from && strlen(a->from) > 320) ||
	    (a->place && strlen(a->place) > 200))
		return "that is longer than an inventory takes";
	a->device = (struct device){.name = a->name,
				    .user = a->user ? a->user : "",
				    .owner = "",
				    .place = a->place ? a->place : "",
				    .from = a->from ? a->from : "",
				    .file = ""};
	return a->address ? take_address(&a->device, a->address) : NULL;
}

static bool take_profile(struct asked *a, struct config *config, char *problem, size_t size)
{
	static struct config_problems problems; /* with the lock */

	if (!a->profile || schema_profile_take(config, a->profile, &a->device.profile, &problems))
		return true;
	snprintf(problem, size, "%s", config_problems_first(&problems));
	return false;
}

/* ---- the answer ------------------------------------------------------------------------------------------------- */

typedef void put_fn(const struct config *config, const struct device_sheet *sheet, FILE *out);

/* What was written to a stream of memory. */
static json_t *end_text(FILE *out, char **text, const size_t *length)
{
	json_t *json = fclose(out) == 0 ? request_text((struct span){*text, (uint32_t)*length}) : NULL;

	free(*text);
	return json;
}

static json_t *text_of(put_fn *put, const struct config *config, const struct device_sheet *sheet)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	put(config, sheet, out);
	return end_text(out, &text, &length);
}

/* A word for a shell, between quotes that let nothing in it mean anything. */
static void put_word(FILE *out, const char *option, const char *word)
{
	if (!word)
		return;
	fprintf(out, " %s'", option);
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\''", out);
		else
			fputc(*word, out);
	}
	fputc('\'', out);
}

static json_t *command_of(const struct asked *a)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	fputs("postrider device add", out);
	/* One that begins so is no option behind them all. */
	if (a->name[0] != '-')
		put_word(out, "", a->name);
	put_word(out, "--address ", a->address);
	put_word(out, "--user ", a->user);
	put_word(out, "--profile ", a->profile);
	put_word(out, "--from ", a->from);
	put_word(out, "--place ", a->place);
	if (a->name[0] == '-')
		put_word(out, "-- ", a->name);
	return end_text(out, &text, &length);
}

static void put_sheet(struct control_request *request, const struct asked *a, const struct config *config)
{
	struct device_sheet sheet = {&a->device, NULL};

	if (a->device.profile > 0)
		sheet.profile = &config->profiles[a->device.profile - 1];
	request_answer(request, ANSWER_OK,
		       json_pack("{so sb so so so}", "name", request_text(span_text(a->device.name)), "listed",
				 (int)a->listed, "sheet", text_of(device_sheet_put, config, &sheet), "settings",
				 text_of(device_sheet_put_settings, config, &sheet), "command",
				 a->listed ? json_null() : command_of(a)));
}

/* False: it is not in that inventory. */
static bool answer_listed(struct control_request *request, struct asked *a, const struct config *config)
{
	int32_t index = device_table_of_name(config->devices, a->name);

	a->listed = index >= 0;
	if (index < 0)
		return false;
	device_table_get(config->devices, (size_t)index, &a->device);
	put_sheet(request, a, config);
	return true;
}

/* True: it is in force. Who is to come must not be. */
static bool answer_in_force(struct control_request *request, struct asked *a, bool comes)
{
	const struct config *config = desk_config_take(request->desk);
	bool known = comes ? device_table_of_name(config->devices, a->name) >= 0 : answer_listed(request, a, config);

	desk_config_return(request->desk);
	if (known && comes)
		request_fail(request, ANSWER_BAD, "a device of that name is in the inventory already");
	return known;
}

static void answer(struct control_request *request, struct asked *a, struct config *config, bool comes)
{
	char problem[CONFIG_PROBLEM_SIZE] = "";

	if (!comes) {
		if (!answer_listed(request, a, config))
			request_fail(request, ANSWER_NOT_FOUND, "there is no device of that name in the inventory");
		return;
	}
	a->problem = make(a);
	if (a->problem || !take_profile(a, config, problem, sizeof(problem)))
		request_fail(request, ANSWER_BAD, "%s", a->problem ? a->problem : problem);
	else
		put_sheet(request, a, config);
}

/* Of the file; one at a time. */
static void answer_by_file(struct control_request *request, struct asked *a, bool comes)
{
	static struct config_problems problems; /* with the lock */
	const char *file = request->desk->relay->config->file;
	struct config *config = comes ? config_load_without_devices(file, &problems) : config_load(file, &problems);

	if (config)
		answer(request, a, config, comes);
	else
		request_fail(request, ANSWER_CONFLICT, "the configuration's file cannot be used as it is by now: %s",
			     config_problems_first(&problems));
	config_free(config);
}

void handle_sheet(struct control_request *request)
{
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	struct asked a = {.name = value_of(request, "name"),
			  .address = value_of(request, "address"),
			  .user = value_of(request, "user"),
			  .profile = value_of(request, "profile"),
			  .from = value_of(request, "from"),
			  .place = value_of(request, "place")};
	bool comes = a.address || a.user;
	uint64_t until_ns = clock_monotonic_ns() + WAIT_S * CLOCK_NS_PER_S;
	struct timespec until = {.tv_sec = (time_t)(until_ns / CLOCK_NS_PER_S),
				 .tv_nsec = (long)(until_ns % CLOCK_NS_PER_S)};

	if (!a.name) {
		request_fail(request, ANSWER_BAD, "write name: of a device");
		return;
	}
	if (answer_in_force(request, &a, comes))
		return;
	if (pthread_mutex_clocklock(&one, CLOCK_MONOTONIC, &until) != 0) {
		request_fail(request, ANSWER_TOO_MANY, "others ask for sheets, and the inventory is large: ask again");
		return;
	}
	answer_by_file(request, &a, comes);
	pthread_mutex_unlock(&one);
}

/* ---- profiles --------------------------------------------------------------------------------------------------- */

static void add_profile(void *list, const struct preset_entry *entry)
{
	json_array_append_new(list, json_pack("{so so}", "name", request_text(span_text(entry->name)), "about",
					      request_text(span_text(entry->about))));
}

void handle_profiles(struct control_request *request)
{
	json_t *list = json_array();

	(void)preset_each(&preset_profiles, add_profile, list);
	request_answer(request, ANSWER_OK, json_pack("{so}", "profiles", list));
}
