/*
 * core/agents/token_device.h - a person's consent, given at a browser elsewhere (RFC 8628): for setting up, where a
 * mailbox is to sign in by a refresh token.
 *
 * Blocks: for commands.
 */
#ifndef POSTRIDER_AGENTS_TOKEN_DEVICE_H
#define POSTRIDER_AGENTS_TOKEN_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/token.h"
#include "core/base/secret.h"

enum { DEVICE_INTERVAL_USUAL_S = 5, DEVICE_INTERVAL_MAX_S = 60, DEVICE_LIFE_MAX_S = 3600, DEVICE_TEXT_SIZE = 256 };

struct token_device {
	struct secret code;
	char user_code[DEVICE_TEXT_SIZE]; /* to be typed in at `url`, by the person */
	char url[DEVICE_TEXT_SIZE];
	uint64_t interval_s, life_s;
	char problem[TOKEN_PROBLEM_SIZE];
};

/* Of the endpoint's answer; false: it is none. Pure. */
bool token_device_parse(const char *text, size_t length, struct token_device *device);
/* Asks for a code, for the application of the settings (client_id, token_url that ends in "/token", scope with
 * offline_access). False: `problem`. */
bool token_device_begin(const struct config_oauth *oauth, struct token_device *device);
/* Waits until the person has signed in, and stores the refresh token in oauth->refresh_token_file. False: `problem`. */
bool token_device_wait(const struct config_oauth *oauth, struct token_device *device);
void token_device_wipe(struct token_device *device);

#endif
