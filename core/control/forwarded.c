/*
 * core/control/forwarded.c - see forwarded.h.
 */
#include "core/control/forwarded.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "core/base/address_text.h"

enum { NODE_MAX = 64 };

enum node { NODE_ADDRESS, NODE_HIDDEN, NODE_WRONG };

bool forwarded_from(const struct sign_in_proxy *proxy, const struct ring_address *peer)
{
	for (size_t i = 0; i < proxy->from_count; i++) {
		if (network_contains(&proxy->from[i], peer))
			return true;
	}
	return false;
}

struct part {
	const char *at;
	size_t length;
};

static struct part trimmed(struct part part)
{
	while (part.length > 0 && (*part.at == ' ' || *part.at == '\t')) {
		part.at++;
		part.length--;
	}
	while (part.length > 0 && (part.at[part.length - 1] == ' ' || part.at[part.length - 1] == '\t'))
		part.length--;
	return part;
}

/* A port does not matter; it may be hidden, too (RFC 7239 6). */
static bool is_port(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return length > 0 && text[length] == '\0';
}

/* "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4711"; "unknown", "_hidden". */
static enum node read_node(struct part part, struct ring_address *out)
{
	char text[NODE_MAX], *end, *host = text;

	if (part.length == 0 || part.length >= sizeof(text) || memchr(part.at, '\0', part.length))
		return NODE_WRONG;
	memcpy(text, part.at, part.length);
	text[part.length] = '\0';
	if (text[0] == '[') {
		host = text + 1;
		end = strchr(host, ']');
		if (!end || (end[1] != '\0' && (end[1] != ':' || !is_port(end + 2))))
			return NODE_WRONG;
		*end = '\0';
		return strchr(host, ':') && address_text_numeric(host, 0, out) ? NODE_ADDRESS : NODE_WRONG;
	}
	end = strchr(text, ':');
	if (end && !strchr(end + 1, ':')) {
		if (!is_port(end + 1))
			return NODE_WRONG;
		*end = '\0';
	}
	if (text[0] == '_' || strcasecmp(text, "unknown") == 0)
		return is_port(text) ? NODE_HIDDEN : NODE_WRONG;
	return address_text_numeric(text, 0, out) ? NODE_ADDRESS : NODE_WRONG;
}

/* Where `separator` stands next, in quoted strings not, where there are any; `text.length`: nowhere. */
static size_t next_of(struct part text, char separator, bool quotes)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < text.length; i++) {
		if (quoted && text.at[i] == '\\')
			i++;
		else if (quotes && text.at[i] == '"')
			quoted = !quoted;
		else if (!quoted && text.at[i] == separator)
			return i;
	}
	return text.length;
}

static struct part behind(struct part text, size_t place)
{
	size_t gone = place < text.length ? place + 1 : text.length;

	return (struct part){text.at + gone, text.length - gone};
}

/* Each quoted string has its end, and nothing is escaped outside of one. A proxy adds to what it was given: a quotation
 * mark that somebody has left open there would make the proxy's own words part of his. */
static bool is_closed(struct part text)
{
	bool quoted = false;

	for (size_t i = 0; i < text.length; i++) {
		if (text.at[i] == '\\' && !quoted)
			return false;
		if (text.at[i] == '\\')
			i++;
		else if (text.at[i] == '"')
			quoted = !quoted;
	}
	return !quoted;
}

/* The last element, which is taken from *text. */
static struct part take_last(struct part *text, bool quotes)
{
	struct part last = *text;
	size_t place;

	while ((place = next_of(last, ',', quotes)) < last.length)
		last = behind(last, place);
	text->length = last.at > text->at ? (size_t)(last.at - text->at) - 1 : 0;
	return trimmed(last);
}

/* The value of `for` in an element of Forwarded; false: it is none, or says it twice. An address has no use for
 * backslashes. */
static bool take_for(struct part element, struct part *out)
{
	bool found = false;

	while (element.length > 0) {
		size_t place = next_of(element, ';', true);
		struct part pair = trimmed((struct part){element.at, place});
		const char *is;
		element = behind(element, place);
		if (pair.length == 0)
			continue;
		is = memchr(pair.at, '=', pair.length);
		if (!is)
			return false;
		if (is - pair.at != 3 || strncasecmp(pair.at, "for", 3) != 0)
			continue;
		if (found)
			return false;
		found = true;
		*out = (struct part){is + 1, pair.length - 4};
		if (out->length >= 2 && out->at[0] == '"' && out->at[out->length - 1] == '"')
			*out = (struct part){out->at + 1, out->length - 2};
	}
	return found;
}

const char *forwarded_client(const struct sign_in_proxy *proxy, const char *text, const struct ring_address *peer,
			     struct ring_address *client)
{
	static const char wrong[] = "what the proxy says of where it was asked from is no address";
	struct part rest = trimmed((struct part){text, strlen(text)});
	struct ring_address found = *peer;
	bool pairs = proxy->address_header == SIGN_IN_FORWARDED;

	*client = *peer;
	if (pairs && !is_closed(rest))
		return wrong;
	for (unsigned i = 0; rest.length > 0; i++) {
		struct part one = take_last(&rest, pairs);
		if (i == FORWARDED_MAX)
			return "the request went through more proxies than are looked at";
		if (pairs && !take_for(one, &one))
			return wrong;
		switch (read_node(one, &found)) {
		case NODE_WRONG:
			return wrong;
		case NODE_HIDDEN:
			return NULL;
		case NODE_ADDRESS:
			*client = found;
			break;
		}
		if (!forwarded_from(proxy, &found))
			return NULL;
	}
	return NULL;
}
