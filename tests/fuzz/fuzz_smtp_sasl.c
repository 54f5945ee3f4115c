/*
 * fuzz_smtp_sasl.c - AUTH, whatever the server says.
 *
 * Input: an octet for the mechanism and the secret's length, the secret, then the replies as they come over the wire.
 *
 * - what is said is one line, no longer than it may be, and there is an end of it
 * - the secret is said once
 * - what can be read of the server's words has no eight octets of the secret in a row, nor of its base64
 */
#include <stdlib.h>
#include <string.h>

#include "core/smtp/base64.h"
#include "core/smtp/reply.h"
#include "core/smtp/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

/* Not where the mask itself is what is looked for. */
static void check_hidden(struct span secret, const char *text, size_t length)
{
	for (uint32_t i = 0; i + 8 <= secret.length; i++) {
		if (!memchr(secret.data + i, '*', 8))
			need(!memmem(text, length, secret.data + i, 8));
	}
}

static void check_concealed(const struct sasl *s, const struct sasl_login *login, struct smtp_reply_parser *parser)
{
	char challenge[SASL_CHALLENGE_MAX];

	need(memchr(s->challenge, '\0', sizeof(s->challenge)) != NULL);
	strcpy(challenge, s->challenge);
	for (const char *at = challenge; *at; at++)
		need(*at >= ' ' && *at < 0x7f);
	sasl_conceal(s, login, challenge, strlen(challenge));
	sasl_conceal(s, login, parser->text, parser->text_length);
	check_hidden(login->secret, challenge, strlen(challenge));
	check_hidden(login->secret, parser->text, parser->text_length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sasl_login login = {.user = {"joe", 3}, .host = {"mail.example", 12}, .port = 587};
	unsigned lines = 0, secrets = 0;
	struct smtp_reply_parser parser;
	char line[SASL_LINE_MAX];
	enum sasl_go go = SASL_SAY;
	size_t at, consumed;
	struct sasl s;

	if (size < 1 || size - 1 < data[0] >> 2)
		return 0;
	login.secret = (struct span){(const char *)data + 1, data[0] >> 2};
	at = 1 + login.secret.length;
	if (memchr(login.secret.data, '\0', login.secret.length))
		return 0;
	sasl_begin(&s, data[0] & 3);
	while (go == SASL_SAY) {
		uint8_t before = s.said;
		size_t length = sasl_say(&s, sasl_needs_login(&s) ? &login : NULL, line);
		need(length >= 2 && length <= (before == SASL_SAID_NOTHING ? SASL_COMMAND_MAX : SASL_LINE_MAX));
		need(memchr(line, '\n', length) == line + length - 1 && line[length - 2] == '\r');
		need(++lines <= 5);
		secrets += s.said == SASL_SAID_SECRET;
		need(secrets <= 1);
		smtp_reply_start(&parser, NULL);
		if (smtp_reply_parse(&parser, data + at, size - at, &consumed) != SMTP_REPLY_DONE)
			return 0;
		at += consumed;
		go = sasl_hear(&s, parser.code, (struct span){parser.text, parser.text_length});
		check_concealed(&s, &login, &parser);
	}
	need(go != SASL_DONE || (parser.code >= 200 && parser.code < 300));
	return 0;
}
