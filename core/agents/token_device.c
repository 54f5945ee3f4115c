/*
 * core/agents/token_device.c - see token_device.h.
 */
#include "core/agents/token_device.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/agents/fetch.h"
#include "core/agents/token_form.h"
#include "core/agents/token_reply.h"
#include "core/base/clock.h"
#include "core/base/durable.h"

#define DEVICE_GRANT "urn:ietf:params:oauth:grant-type:device_code"

enum { SLOW_DOWN_S = 5, HTTP_OK = 200, HTTP_TOO_MANY = 429, HTTP_SERVER_ERROR = 500 };

static uint64_t seconds(const json_t *root, const char *name, uint64_t usual, uint64_t most)
{
	const json_t *value = json_object_get(root, name);
	double n = json_is_number(value) ? json_number_value(value) : 0;

	return n >= 1 ? (n < (double)most ? (uint64_t)n : most) : usual;
}

/* Shown to a person: what a terminal would act on is no code and no address. */
static bool take(char to[DEVICE_TEXT_SIZE], const json_t *value)
{
	const char *text = json_string_value(value);

	if (!text || !text[0] || strlen(text) >= DEVICE_TEXT_SIZE)
		return false;
	for (const char *at = text; *at; at++) {
		if (*at < ' ' || *at > '~')
			return false;
	}
	strcpy(to, text);
	return true;
}

bool token_device_parse(const char *text, size_t length, struct token_device *device)
{
	json_t *root = length <= TOKEN_REPLY_MAX ? json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const json_t *code = json_object_get(root, "device_code"), *url = json_object_get(root, "verification_uri");
	bool ok;

	memset(device, 0, sizeof(*device));
	/* Google's name for it is older. */
	ok = take(device->user_code, json_object_get(root, "user_code")) &&
	     take(device->url, url ? url : json_object_get(root, "verification_url")) && json_is_string(code) &&
	     secret_set(&device->code, json_string_value(code), json_string_length(code));
	device->interval_s = seconds(root, "interval", DEVICE_INTERVAL_USUAL_S, DEVICE_INTERVAL_MAX_S);
	device->life_s = seconds(root, "expires_in", DEVICE_LIFE_MAX_S, DEVICE_LIFE_MAX_S);
	json_decref(root);
	return ok;
}

void token_device_wipe(struct token_device *device)
{
	secret_wipe(&device->code);
}

static void on_fetched(struct fetch *fetch)
{
}

static void post(const struct config_oauth *oauth, const char *url, const struct secret *body, struct fetch *fetch)
{
	*fetch = (struct fetch){.url = url,
				.body = body->text,
				.body_length = body->length,
				.content_type = "application/x-www-form-urlencoded",
				.ca_file = oauth->ca_file,
				.proxy = oauth->proxy,
				.most = TOKEN_REPLY_MAX,
				.fn = on_fetched};
	fetch_now(fetch);
}

/* In the device's place stands what is to be said. */
static bool fail(struct token_device *device, const char *what, const char *why)
{
	snprintf(device->problem, sizeof(device->problem), "%s%.400s", what, why);
	return false;
}

bool token_device_begin(const struct config_oauth *oauth, struct token_device *device)
{
	const char *end = strrchr(oauth->token_url, '/');
	struct secret body;
	struct fetch fetch;
	struct token_reply reply;
	char url[TOKEN_URL_MAX], problem[TOKEN_PROBLEM_SIZE] = "";
	bool ok;

	memset(device, 0, sizeof(*device));
	snprintf(url, sizeof(url), "%.*s/devicecode", (int)(end - oauth->token_url), oauth->token_url);
	if (!token_form_fields(&body,
			       (const char *const[]){"client_id", oauth->client_id, "scope", oauth->scope, NULL}))
		return fail(device, "out of memory", "");
	post(oauth, url, &body, &fetch);
	secret_wipe(&body);
	ok = fetch.status == HTTP_OK && token_device_parse(fetch.text, fetch.length, device);
	if (!ok && fetch.status == 0) {
		snprintf(problem, sizeof(problem), "%s", fetch.problem);
	} else if (!ok) {
		token_reply_parse(fetch.status, fetch.text ? fetch.text : "", fetch.length, &reply);
		snprintf(problem, sizeof(problem), "%s", reply.problem);
		token_reply_wipe(&reply);
	}
	fetch_wipe(&fetch);
	return ok || fail(device, "no code is given: ", problem);
}

/* RFC 8628 3.5: these two mean that the person has not decided yet. Who is not there, or has too much to do, will be
 * asked again as well, less often. */
static bool pending(const struct fetch *fetch, uint64_t *interval_s)
{
	bool away = fetch->status == 0 || fetch->status == HTTP_TOO_MANY || fetch->status >= HTTP_SERVER_ERROR;
	json_t *root = json_loadb(fetch->text ? fetch->text : "", fetch->length, 0, NULL);
	const char *error = json_string_value(json_object_get(root, "error"));
	bool slow = error && strcmp(error, "slow_down") == 0;
	bool yes = slow || (error && strcmp(error, "authorization_pending") == 0);

	*interval_s += slow || away ? SLOW_DOWN_S : 0;
	if (*interval_s > DEVICE_INTERVAL_MAX_S)
		*interval_s = DEVICE_INTERVAL_MAX_S;
	json_decref(root);
	return yes || away;
}

static bool keep(const struct config_oauth *oauth, struct token_device *device, const struct fetch *fetch)
{
	struct token_reply reply;
	int r;

	token_reply_parse(fetch->status, fetch->text ? fetch->text : "", fetch->length, &reply);
	if (reply.outcome != TOKEN_GIVEN)
		return fail(device, "", reply.problem);
	if (!reply.refresh_token.text) {
		token_reply_wipe(&reply);
		return fail(device, "the endpoint gives no refresh token: oauth.scope needs offline_access", "");
	}
	r = durable_replace(oauth->refresh_token_file, reply.refresh_token.text, reply.refresh_token.length);
	token_reply_wipe(&reply);
	return r == 0 || fail(device, "the refresh token cannot be stored: ", strerror(-r));
}

bool token_device_wait(const struct config_oauth *oauth, struct token_device *device)
{
	uint64_t end_ns = clock_monotonic_ns() + device->life_s * CLOCK_NS_PER_S;
	struct secret body;
	bool waits = true, ok = false;

	if (!token_form_fields(&body, (const char *const[]){"grant_type", DEVICE_GRANT, "client_id", oauth->client_id,
							    "device_code", device->code.text, NULL}))
		return fail(device, "out of memory", "");
	while (waits && clock_monotonic_ns() < end_ns) {
		struct fetch fetch;
		(void)sleep((unsigned)device->interval_s);
		post(oauth, oauth->token_url, &body, &fetch);
		waits = pending(&fetch, &device->interval_s);
		if (!waits)
			ok = keep(oauth, device, &fetch);
		fetch_wipe(&fetch);
	}
	secret_wipe(&body);
	return waits ? fail(device, "nobody has signed in in time", "") : ok;
}
