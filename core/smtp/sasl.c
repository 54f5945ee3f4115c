/*
 * core/smtp/sasl.c - see sasl.h.
 */
#include "core/smtp/sasl.h"

#include <assert.h>
#include <string.h>

#include "core/base/line.h"
#include "core/smtp/base64.h"
#include "core/smtp/reply.h"

/* Before base64. A user may grow threefold by OAUTHBEARER's escapes. */
enum { RESPONSE_MAX = SASL_SECRET_MAX + SASL_HOST_MAX + 3 * SASL_USER_MAX + 40 };
static_assert(BASE64_LENGTH(RESPONSE_MAX) + 2 <= SASL_LINE_MAX, "every response fits into a line");

void sasl_begin(struct sasl *s, enum sasl_mechanism mechanism)
{
	*s = (struct sasl){.mechanism = (uint8_t)mechanism};
}

/* ---- responses -------------------------------------------------------------------------------------------------- */

static bool by_token(const struct sasl *s)
{
	return SASL_BIT(s->mechanism) & SASL_BY_TOKEN;
}

/* saslname of GS2 (RFC 5801 4): "," and "=" are written otherwise. */
static void put_saslname(struct line *line, struct span user)
{
	uint32_t i;

	for (i = 0; i < user.length; i++) {
		if (user.data[i] == ',')
			line_text(line, "=2C");
		else if (user.data[i] == '=')
			line_text(line, "=3D");
		else
			line_put(line, user.data + i, 1);
	}
}

static void put_bearer(struct line *line, const struct sasl_login *login)
{
	line_text(line, "\1auth=Bearer ");
	line_put(line, login->secret.data, login->secret.length);
	line_text(line, "\1\1");
}

/* What carries the secret; LOGIN's user goes before it, in a line of its own. */
static void put_response(const struct sasl *s, const struct sasl_login *login, struct line *line)
{
	assert(login->user.length <= SASL_USER_MAX && login->secret.length <= SASL_SECRET_MAX &&
	       login->host.length <= SASL_HOST_MAX);
	switch ((enum sasl_mechanism)s->mechanism) {
	case SASL_PLAIN: /* without an authorization identity: it follows from the user */
		line_put(line, "", 1);
		line_put(line, login->user.data, login->user.length);
		line_put(line, "", 1);
		line_put(line, login->secret.data, login->secret.length);
		return;
	case SASL_LOGIN:
		line_put(line, login->secret.data, login->secret.length);
		return;
	case SASL_XOAUTH2:
		line_text(line, "user=");
		line_put(line, login->user.data, login->user.length);
		put_bearer(line, login);
		return;
	case SASL_OAUTHBEARER: /* RFC 7628 3.1 */
		line_text(line, "n,a=");
		put_saslname(line, login->user);
		line_text(line, ",\1host=");
		line_put(line, login->host.data, login->host.length);
		line_text(line, "\1port=");
		line_number(line, login->port);
		put_bearer(line, login);
		return;
	}
}

/* Base64 of the response, to `out`, which has room for it. */
static size_t encode_response(const struct sasl *s, const struct sasl_login *login, char *out)
{
	char plain[RESPONSE_MAX];
	struct line line = {.data = plain, .size = sizeof(plain)};
	size_t length;

	put_response(s, login, &line);
	length = base64_encode(plain, line.length, out);
	explicit_bzero(plain, line.length);
	return length;
}

/* ---- what is said ----------------------------------------------------------------------------------------------- */

bool sasl_needs_login(const struct sasl *s)
{
	return !s->cancel && s->said < SASL_SAID_SECRET;
}

/*
 * The initial response saves a round trip, but only while the command is no longer than a command may be, which a
 * token seldom is (RFC 4954 4). LOGIN goes without: it was never specified, and some servers wait for their 334.
 */
static size_t say_command(struct sasl *s, const struct sasl_login *login, char out[SASL_LINE_MAX])
{
	struct line line = {.data = out, .size = SASL_LINE_MAX};
	char response[SASL_LINE_MAX];
	size_t length = 0;

	line_text(&line, "AUTH ");
	line_text(&line, sasl_name(s->mechanism));
	s->said = SASL_SAID_AUTH;
	if (s->mechanism != SASL_LOGIN)
		length = encode_response(s, login, response);
	if (length > 0 && line.length + 1 + length + 2 <= SASL_COMMAND_MAX) {
		line_put(&line, " ", 1);
		line_put(&line, response, length);
		s->said = SASL_SAID_SECRET;
	}
	explicit_bzero(response, length);
	line_text(&line, "\r\n");
	return line.length;
}

static size_t say_text(const char *text, char out[SASL_LINE_MAX])
{
	memcpy(out, text, strlen(text));
	return strlen(text);
}

static size_t end_line(char *out, size_t length)
{
	memcpy(out + length, "\r\n", 2);
	return length + 2;
}

size_t sasl_say(struct sasl *s, const struct sasl_login *login, char out[SASL_LINE_MAX])
{
	if (s->cancel) {
		s->said = SASL_SAID_CANCEL;
		return say_text("*\r\n", out);
	}
	switch ((enum sasl_said)s->said) {
	case SASL_SAID_NOTHING:
		return say_command(s, login, out);
	case SASL_SAID_AUTH:
		if (s->mechanism == SASL_LOGIN) {
			s->said = SASL_SAID_USER;
			return end_line(out, base64_encode(login->user.data, login->user.length, out));
		}
		/* fall through */
	case SASL_SAID_USER:
		s->said = SASL_SAID_SECRET;
		return end_line(out, encode_response(s, login, out));
	default:
		/* The server has its word before it refuses: nothing, or ^A (RFC 7628 3.2.3). */
		s->said = SASL_SAID_DUMMY;
		return say_text(s->mechanism == SASL_OAUTHBEARER ? "AQ==\r\n" : "\r\n", out);
	}
}

/* ---- what is heard ---------------------------------------------------------------------------------------------- */

/* JSON as a rule: {"status":"401","schemes":"bearer","scope":"..."}. Told as it is. */
static void keep_challenge(struct sasl *s, struct span text)
{
	uint8_t octets[SMTP_REPLY_TEXT_MAX];
	ssize_t length = text.length <= sizeof(octets) ? base64_decode(text.data, text.length, octets) : -1;

	if (length < 0)
		smtp_quote((const uint8_t *)text.data, text.length, s->challenge, sizeof(s->challenge));
	else
		smtp_quote(octets, (size_t)length, s->challenge, sizeof(s->challenge));
}

static enum sasl_go hear_challenge(struct sasl *s, struct span text)
{
	switch ((enum sasl_said)s->said) {
	case SASL_SAID_AUTH:
	case SASL_SAID_USER:
		return SASL_SAY;
	case SASL_SAID_SECRET:
		if (by_token(s)) {
			keep_challenge(s, text);
			return SASL_SAY;
		}
		/* fall through */
	case SASL_SAID_DUMMY:
		s->cancel = true; /* it wants more than there is (RFC 4954 4) */
		return SASL_SAY;
	default:
		return SASL_BREAK;
	}
}

enum sasl_go sasl_hear(struct sasl *s, unsigned code, struct span text)
{
	if (code == 334)
		return hear_challenge(s, text);
	if (code >= 200 && code < 300)
		return s->said == SASL_SAID_CANCEL ? SASL_BREAK : SASL_DONE;
	return code >= 400 ? SASL_REFUSED : SASL_BREAK;
}

/* ---- what must not be read -------------------------------------------------------------------------------------- */

enum { CONCEAL_LENGTH = 8 }; /* fewer octets in a row may be chance */

static void conceal(struct span secret, char *text, size_t length)
{
	size_t window = secret.length < CONCEAL_LENGTH ? secret.length : CONCEAL_LENGTH, i, hidden = 0;

	/* Octets before `hidden` are to be hidden; those that are looked at next are still as they came. */
	for (i = 0; window > 0 && i < length; i++) {
		bool repeated = i + window <= length && memmem(secret.data, secret.length, text + i, window);
		if (repeated && hidden < i + window)
			hidden = i + window;
		if (i < hidden)
			text[i] = '*';
	}
}

void sasl_conceal(const struct sasl *s, const struct sasl_login *login, char *text, size_t length)
{
	char sent[SASL_LINE_MAX];
	size_t size = encode_response(s, login, sent);

	conceal((struct span){sent, (uint32_t)size}, text, length);
	conceal(login->secret, text, length);
	explicit_bzero(sent, size);
}
