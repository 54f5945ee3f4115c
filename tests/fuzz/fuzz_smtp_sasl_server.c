/*
 * fuzz_smtp_sasl_server.c - AUTH, whatever the client says: the input's lines, the first of which stands behind "AUTH".
 *
 * - there is an end of it after three lines
 * - what is given has no NUL inside, is neither empty nor too long, and comes again from a response made of it
 */
#include <stdlib.h>
#include <string.h>

#include "core/smtp/base64.h"
#include "core/smtp/sasl_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

/* PLAIN of it says the same. */
static void say_again(const struct sasl_server *said, const struct sasl_password *password)
{
	char octets[SASL_SERVER_USER_MAX + SASL_SERVER_PASSWORD_MAX + 2],
		text[BASE64_LENGTH(sizeof(octets)) + 8] = "plain ";
	size_t length = (size_t)said->user_length + password->length + 2;
	struct sasl_password again;
	struct sasl_server s;

	octets[0] = '\0';
	memcpy(octets + 1, said->user, said->user_length + 1u);
	memcpy(octets + said->user_length + 2, password->text, password->length);
	length = base64_encode(octets, length, text + 6) + 6;
	need(sasl_server_begin(&s, (struct span){text, (uint32_t)length}, &again) == SASL_SERVER_GIVEN);
	need(strcmp(s.user, said->user) == 0 && strcmp(again.text, password->text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size;
	enum sasl_server_go go = SASL_SERVER_ASK;
	struct sasl_password password = {.length = 0};
	struct sasl_server s;
	unsigned lines = 0;

	while (go == SASL_SERVER_ASK && (lines == 0 || at < end)) {
		const char *lf = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
		struct span line = {at, (uint32_t)((lf ? lf : end) - at)};
		/* In memory of its own, so that reading behind it shows. */
		char *copy = malloc(line.length + 1);
		memcpy(copy, line.data, line.length);
		line.data = copy;
		go = lines == 0 ? sasl_server_begin(&s, line, &password) : sasl_server_line(&s, line, &password);
		free(copy);
		at = lf ? lf + 1 : end;
		lines++;
		need(lines <= 3);
	}
	if (go == SASL_SERVER_ASK)
		need(strlen(sasl_server_prompt(&s)) <= 12 && lines < 3);
	if (go == SASL_SERVER_GIVEN) {
		need(s.user_length > 0 && strlen(s.user) == s.user_length && s.user_length <= SASL_SERVER_USER_MAX);
		need(password.length > 0 && strlen(password.text) == password.length);
		say_again(&s, &password);
	}
	return 0;
}
