/*
 * core/smtp/xclient.c - see xclient.h.
 */
#include "core/smtp/xclient.h"

#include <string.h>
#include <strings.h>

#include "core/base/address_text.h"
#include "core/smtp/xtext.h"

/* A value, decoded. */
struct value {
	size_t length;
	char text[XCLIENT_TEXT_MAX + 1]; /* ended by NUL, which is no octet of it */
};

static bool is(const char *data, size_t length, const char *name)
{
	return length == strlen(name) && strncasecmp(data, name, length) == 0;
}

/* "192.0.2.1", "IPV6:2001:db8::1"; the latter also without its prefix, as some proxies say it. No zones: they mean
 * something on the proxy's machine alone. */
static bool read_address(const struct value *value, struct ring_address *out)
{
	static const char prefix[] = "IPV6:";
	size_t skip = strncasecmp(value->text, prefix, sizeof(prefix) - 1) == 0 ? sizeof(prefix) - 1 : 0;

	return address_text_numeric(value->text + skip, 0, out) && (skip == 0 || out->any.sa_family == AF_INET6);
}

static bool read_own_address(const struct value *value, struct xclient *out)
{
	out->address_said = XCLIENT_SAID;
	return read_address(value, &out->address);
}

static bool check_address(const struct value *value, struct xclient *out)
{
	struct ring_address ignored;

	return read_address(value, &ignored);
}

static bool check_port(const struct value *value, struct xclient *out)
{
	unsigned port = 0;

	for (size_t i = 0; i < value->length; i++) {
		if (value->text[i] < '0' || value->text[i] > '9')
			return false;
		port = port * 10 + (unsigned)(value->text[i] - '0');
		if (port > UINT16_MAX)
			return false;
	}
	return true;
}

/* Any that is printed: nobody is asked what it leads to. */
static bool check_name(const struct value *value, struct xclient *out)
{
	return true;
}

static bool read_protocol(const struct value *value, struct xclient *out)
{
	out->protocol_said = XCLIENT_SAID;
	out->esmtp = is(value->text, value->length, "ESMTP");
	return out->esmtp || is(value->text, value->length, "SMTP");
}

static bool read_helo(const struct value *value, struct xclient *out)
{
	out->helo_said = XCLIENT_SAID;
	out->helo_length = (uint8_t)value->length;
	memcpy(out->helo, value->text, value->length);
	return true;
}

static bool read_login(const struct value *value, struct xclient *out)
{
	out->login_said = XCLIENT_SAID;
	out->login_length = (uint8_t)value->length;
	memcpy(out->login, value->text, value->length);
	return true;
}

static const struct attribute {
	const char *name;
	bool (*read)(const struct value *value, struct xclient *out);
	uint8_t said; /* where it is noted that it is not known; 0: nowhere */
} attributes[] = {
	{"NAME", check_name, 0},
	{"ADDR", read_own_address, offsetof(struct xclient, address_said) + 1},
	{"PORT", check_port, 0},
	{"PROTO", read_protocol, offsetof(struct xclient, protocol_said) + 1},
	{"HELO", read_helo, offsetof(struct xclient, helo_said) + 1},
	{"LOGIN", read_login, offsetof(struct xclient, login_said) + 1},
	{"DESTADDR", check_address, 0},
	{"DESTPORT", check_port, 0},
};
enum { ATTRIBUTES = sizeof(attributes) / sizeof(attributes[0]) };

static bool unavailable(struct span value)
{
	return is(value.data, value.length, "[UNAVAILABLE]") || is(value.data, value.length, "[TEMPUNAVAIL]");
}

static bool read_one(struct span word, unsigned *seen, struct xclient *out)
{
	const char *equals = memchr(word.data, '=', word.length);
	size_t name = equals ? (size_t)(equals - word.data) : 0;
	struct span text = {word.data + name + 1, (uint32_t)(word.length - name - 1)};
	struct value value;
	unsigned i;

	if (!equals)
		return false;
	for (i = 0; i < ATTRIBUTES && !is(word.data, name, attributes[i].name); i++)
		;
	if (i == ATTRIBUTES || (*seen & 1u << i))
		return false;
	*seen |= 1u << i;
	if (unavailable(text)) {
		if (attributes[i].said)
			((uint8_t *)out)[attributes[i].said - 1] = XCLIENT_UNKNOWN;
		return true;
	}
	if (!xtext_decode(text, value.text, XCLIENT_TEXT_MAX, &value.length))
		return false;
	value.text[value.length] = '\0';
	return attributes[i].read(&value, out);
}

bool xclient_parse(struct span argument, struct xclient *out)
{
	unsigned seen = 0;
	uint32_t at = 0;

	memset(out, 0, sizeof(*out));
	while (at < argument.length) {
		const char *start = argument.data + at, *space = memchr(start, ' ', argument.length - at);
		uint32_t length = space ? (uint32_t)(space - start) : argument.length - at;

		if (length > 0 && !read_one((struct span){start, length}, &seen, out))
			return false;
		at += length + 1;
	}
	return seen != 0;
}
