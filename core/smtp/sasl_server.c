/*
 * core/smtp/sasl_server.c - see sasl_server.h.
 */
#include "core/smtp/sasl_server.h"

#include <string.h>
#include <strings.h>

#include "core/smtp/base64.h"

/* "Username:" and "Password:" (draft-murchison-sasl-login): there are clients that hang up at anything else. */
static const char prompt_user[] = "VXNlcm5hbWU6";
static const char prompt_password[] = "UGFzc3dvcmQ6";

struct response {
	uint8_t octets[SASL_SERVER_RESPONSE_MAX / 4 * 3];
	size_t length;
};

static struct span trim(struct span s)
{
	while (s.length > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
		s.data++;
		s.length--;
	}
	while (s.length > 0 && (s.data[s.length - 1] == ' ' || s.data[s.length - 1] == '\t'))
		s.length--;
	return s;
}

/* At most SASL_SERVER_RESPONSE_MAX octets, with or without the padding. */
static bool decode(struct span text, struct response *out)
{
	char padded[SASL_SERVER_RESPONSE_MAX + 4];
	ssize_t n;

	memcpy(padded, text.data, text.length);
	/* One digit of four holds nothing, so it cannot be that padding is missing. */
	while (text.length % 4 > 1)
		padded[text.length++] = '=';
	n = base64_decode(padded, text.length, out->octets);
	explicit_bzero(padded, sizeof(padded));
	if (n < 0)
		return false;
	out->length = (size_t)n;
	return true;
}

/* What is too long is cut, and nobody's. */
static void take_user(struct sasl_server *s, const uint8_t *name, size_t length)
{
	if (length == 0 || length > SASL_SERVER_USER_MAX || memchr(name, '\0', length))
		s->nobody = true;
	if (length > SASL_SERVER_USER_MAX)
		length = SASL_SERVER_USER_MAX;
	memcpy(s->user, name, length);
	s->user[length] = '\0';
	s->user_length = (uint8_t)length;
	s->user_known = true;
}

static enum sasl_server_go take_password(struct sasl_server *s, const uint8_t *text, size_t length,
					 struct sasl_password *out)
{
	if (s->nobody || length == 0 || length > SASL_SERVER_PASSWORD_MAX || memchr(text, '\0', length))
		return SASL_SERVER_NOBODY;
	memcpy(out->text, text, length);
	out->text[length] = '\0';
	out->length = (uint16_t)length;
	return SASL_SERVER_GIVEN;
}

/* Without the NUL at its end, as strings are counted that should not be. */
static size_t string_length(const uint8_t *text, size_t length)
{
	return length > 0 && text[length - 1] == '\0' ? length - 1 : length;
}

/* [authzid] NUL authcid NUL passwd (RFC 4616 2). Nobody may act for another one. */
static enum sasl_server_go plain(struct sasl_server *s, const struct response *response, struct sasl_password *out)
{
	const uint8_t *from = response->octets, *end = from + response->length;
	const uint8_t *first = memchr(from, '\0', response->length), *second;

	if (!first)
		return SASL_SERVER_MALFORMED;
	second = memchr(first + 1, '\0', (size_t)(end - first - 1));
	if (!second) {
		if (first == from)
			return SASL_SERVER_MALFORMED;
		take_user(s, from, (size_t)(first - from));
		return take_password(s, first + 1, (size_t)(end - first - 1), out);
	}
	take_user(s, first + 1, (size_t)(second - first - 1));
	if (first > from &&
	    ((size_t)(first - from) != s->user_length || strncasecmp((const char *)from, s->user, s->user_length) != 0))
		s->nobody = true;
	return take_password(s, second + 1, string_length(second + 1, (size_t)(end - second - 1)), out);
}

static enum sasl_server_go login(struct sasl_server *s, const struct response *response, struct sasl_password *out)
{
	if (s->user_known)
		return take_password(s, response->octets, string_length(response->octets, response->length), out);
	take_user(s, response->octets, string_length(response->octets, response->length));
	return SASL_SERVER_ASK;
}

/* Too long for anybody: the exchange goes on where it would, so that nothing is learnt from where it ends. */
static enum sasl_server_go nobody(struct sasl_server *s)
{
	bool done = s->mechanism == SASL_PLAIN || s->user_known;

	s->nobody = true;
	s->user_known = true;
	return done ? SASL_SERVER_NOBODY : SASL_SERVER_ASK;
}

static enum sasl_server_go respond(struct sasl_server *s, struct span text, struct sasl_password *out)
{
	struct response response;
	enum sasl_server_go go;

	if (text.length > SASL_SERVER_RESPONSE_MAX)
		return nobody(s);
	if (!decode(text, &response))
		return SASL_SERVER_NOT_BASE64;
	go = s->mechanism == SASL_PLAIN ? plain(s, &response, out) : login(s, &response, out);
	explicit_bzero(&response, sizeof(response));
	return go;
}

enum sasl_server_go sasl_server_begin(struct sasl_server *s, struct span argument, struct sasl_password *out)
{
	struct span name = trim(argument), rest;
	const char *space = name.length ? memchr(name.data, ' ', name.length) : NULL;
	int mechanism;

	rest = (struct span){name.data + name.length, 0};
	if (space) {
		rest = trim((struct span){space, (uint32_t)(name.data + name.length - space)});
		name.length = (uint32_t)(space - name.data);
	}
	mechanism = sasl_by_name(name);
	memset(s, 0, sizeof(*s));
	if (mechanism != SASL_PLAIN && mechanism != SASL_LOGIN)
		return SASL_SERVER_UNKNOWN;
	s->mechanism = (uint8_t)mechanism;
	if (rest.length == 0)
		return SASL_SERVER_ASK;
	/* An initial response without octets (RFC 4954 4). */
	if (rest.length == 1 && rest.data[0] == '=')
		rest.length = 0;
	return respond(s, rest, out);
}

enum sasl_server_go sasl_server_line(struct sasl_server *s, struct span line, struct sasl_password *out)
{
	line = trim(line);
	if (line.length == 1 && line.data[0] == '*')
		return SASL_SERVER_CANCELLED;
	return respond(s, line, out);
}

const char *sasl_server_prompt(const struct sasl_server *s)
{
	if (s->mechanism == SASL_PLAIN)
		return "";
	return s->user_known ? prompt_password : prompt_user;
}
