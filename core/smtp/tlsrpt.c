/*
 * core/smtp/tlsrpt.c - see tlsrpt.h.
 */
#include "core/smtp/tlsrpt.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/smtp/pieces.h"

enum { PORT_HTTPS = 443, PORT_MAX = 65535 };

/* Schemes have no case (RFC 3986 3.1). */
static bool take_scheme(struct text *uri, const char *scheme)
{
	size_t length = strlen(scheme);

	if (uri->length < length || strncasecmp(uri->at, scheme, length) != 0)
		return false;
	uri->at += length;
	uri->length -= length;
	return true;
}

static bool visible(char c)
{
	return c > 0x20 && c < 0x7f;
}

/* ---- mailto: ---------------------------------------------------------------------------------------------------- */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 6068 2; what it asks for beside the address (subject, copies) is nobody's to ask here. False: it is no address
 * that can stand in a line. */
static bool take_address(struct text uri, char out[TLSRPT_PLACE_MAX + 1])
{
	struct text in = text_take_until(&uri, '?');
	size_t length = 0;
	const char *at;

	while (in.length > 0) {
		char c = in.at[0];
		size_t n = 1;
		if (c == '%') {
			if (in.length < 3 || digit(in.at[1]) < 0 || digit(in.at[2]) < 0)
				return false;
			c = (char)(digit(in.at[1]) << 4 | digit(in.at[2]));
			n = 3;
		}
		if (!visible(c) || strchr("<>,;:\"\\()[]", c) || length == TLSRPT_ADDRESS_MAX)
			return false;
		out[length++] = c;
		in.at += n;
		in.length -= n;
	}
	out[length] = '\0';
	at = strchr(out, '@');
	return at && at > out && at[1] != '\0' && !strchr(at + 1, '@');
}

/* ---- https: ----------------------------------------------------------------------------------------------------- */

static bool host_octet(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
	       c == '.';
}

/* A name, which an address is not: its last label has a letter in it, and is not a number that is written as "0x7f",
 * which libcurl takes for an address, and goes there without asking anybody. */
static bool is_host(struct text host)
{
	size_t label = 0;
	bool letter = false, hexadecimal = false;

	if (host.length == 0 || host.length > TLSRPT_HOST_MAX)
		return false;
	for (size_t i = 0; i < host.length; i++) {
		char c = host.at[i];
		if (!host_octet(c) || (c == '.' && label == 0))
			return false;
		hexadecimal = c != '.' && (hexadecimal || (label == 1 && (c | 0x20) == 'x' && host.at[i - 1] == '0'));
		letter = c != '.' && (letter || (c | 0x20) >= 'a');
		label = c == '.' ? 0 : label + 1;
	}
	return letter && !hexadecimal;
}

static bool is_port(struct text port)
{
	unsigned number = 0;

	for (size_t i = 0; i < port.length; i++) {
		if (port.at[i] < '0' || port.at[i] > '9')
			return false;
		number = number * 10 + (unsigned)(port.at[i] - '0');
		if (number > PORT_MAX)
			return false;
	}
	return number > 0;
}

static bool take_url(struct text uri, char out[TLSRPT_PLACE_MAX + 1])
{
	static const char scheme[] = "https://";
	const size_t head = sizeof(scheme) - 1;
	struct text rest = uri, authority, host;
	size_t end = 0;

	for (size_t i = 0; i < uri.length; i++) {
		if (!visible(uri.at[i]) || strchr("<>\"\\^`{|}", uri.at[i]))
			return false;
	}
	while (end < uri.length && !strchr("/?#", uri.at[end]))
		end++;
	authority = (struct text){rest.at, end};
	host = text_take_until(&authority, ':');
	/* Nobody signs in at a place that a stranger names: an "@" is no part of a host. */
	if (!is_host(host) || (host.length < end && !is_port(authority)) || head + uri.length > TLSRPT_PLACE_MAX)
		return false;
	memcpy(out, scheme, head);
	memcpy(out + head, uri.at, uri.length);
	out[head + uri.length] = '\0';
	return true;
}

void tlsrpt_host(const char *url, char host[TLSRPT_HOST_MAX + 1], uint16_t *port)
{
	const char *at = url + strlen("https://");
	size_t length = strcspn(at, ":/?#");

	memcpy(host, at, length);
	host[length] = '\0';
	*port = at[length] == ':' ? (uint16_t)strtoul(at + length + 1, NULL, 10) : PORT_HTTPS;
}

/* ---- the record ------------------------------------------------------------------------------------------------- */

static bool known(const struct tlsrpt_places *out, const struct tlsrpt_place *place)
{
	for (unsigned i = 0; i < out->count; i++) {
		if (out->list[i].mail == place->mail && strcmp(out->list[i].text, place->text) == 0)
			return true;
	}
	return false;
}

static void take_place(struct text uri, struct tlsrpt_places *out)
{
	struct tlsrpt_place place = {.mail = false};
	bool good;

	if (take_scheme(&uri, "mailto:")) {
		place.mail = true;
		good = take_address(uri, place.text);
	} else {
		good = take_scheme(&uri, "https://") && take_url(uri, place.text);
	}
	if (good && known(out, &place))
		return;
	if (!good || out->count == TLSRPT_PLACES_MAX)
		out->others++;
	else
		out->list[out->count++] = place;
}

enum tlsrpt_record tlsrpt_record_parse(const char *text, size_t length, struct tlsrpt_places *out)
{
	struct text in = {text, length};
	bool named = false;

	out->count = out->others = 0;
	/* Nothing may be in front of it, and a record of it alone says nothing. */
	if (length == 0 || text_blank(text[0]) || !text_is(text_trim(text_take_until(&in, ';')), "v=TLSRPTv1"))
		return TLSRPT_OTHER;
	while (in.length > 0) {
		struct text value = text_trim(text_take_until(&in, ';')),
			    name = text_trim(text_take_until(&value, '='));
		/* What is not known is left alone, as are empty fields; the first `rua` counts. */
		if (!text_is(name, "rua") || named)
			continue;
		named = true;
		while (value.length > 0)
			take_place(text_trim(text_take_until(&value, ',')), out);
	}
	return out->count > 0 ? TLSRPT_GOOD : TLSRPT_BAD;
}
