/*
 * fuzz_token_reply.c - what token endpoints and programs answer, and service accounts' key files: any text, and what is
 * taken of it can go into a command's line.
 *
 * Input: two octets of HTTP's status, then the text.
 */
#include <stdlib.h>
#include <string.h>

#include "core/agents/token_device.h"
#include "core/agents/token_form.h"
#include "core/agents/token_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void look_at(struct token_reply *reply)
{
	need(strnlen(reply->problem, sizeof(reply->problem)) < sizeof(reply->problem));
	need((reply->outcome == TOKEN_GIVEN) == (reply->problem[0] == '\0'));
	need((reply->outcome == TOKEN_GIVEN) == (reply->access_token.text != NULL));
	if (reply->outcome == TOKEN_GIVEN) {
		need(reply->access_token.length > 0 && reply->access_token.length <= TOKEN_LENGTH_MAX);
		need(reply->lifetime_s > 0 && reply->lifetime_s <= TOKEN_LIFETIME_MAX_S);
		for (size_t i = 0; i < reply->access_token.length; i++)
			need(reply->access_token.text[i] > ' ' && reply->access_token.text[i] <= '~');
	}
	token_reply_wipe(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned status = size < 2 ? 200 : (unsigned)(data[0] << 8 | data[1]) % 600;
	size_t length = size < 2 ? 0 : size - 2;
	char *text = malloc(length ? length : 1), problem[TOKEN_PROBLEM_SIZE];
	struct service_account account;
	struct token_device device;
	struct token_reply reply;

	need(text != NULL);
	memcpy(text, data + size - length, length);
	token_reply_init();
	token_reply_parse(status, text, length, &reply);
	look_at(&reply);
	token_reply_parse(200, text, length, &reply);
	look_at(&reply);
	token_reply_parse_output(text, length, &reply);
	look_at(&reply);
	if (service_account_parse(text, length, &account, problem))
		need(account.email[0] && account.private_key.text);
	service_account_wipe(&account);
	if (token_device_parse(text, length, &device))
		need(device.code.text && device.user_code[0] && device.url[0]);
	need(device.interval_s >= 1 && device.interval_s <= DEVICE_INTERVAL_MAX_S);
	need(device.life_s >= 1 && device.life_s <= DEVICE_LIFE_MAX_S);
	token_device_wipe(&device);
	free(text);
	return 0;
}
