/*
 * core/smtp/proxy.c - see proxy.h.
 */
#include "core/smtp/proxy.h"

#include <arpa/inet.h>
#include <string.h>

enum {
	V2_FIXED = 16, /* signature, version and command, family and protocol, length */
	V2_INET = 12,
	V2_INET6 = 36,
	V2_UNIX = 216,
	V2_LOCAL = 0x20,
	V2_PROXY = 0x21,
};

static size_t less(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* ---- version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 1025 25" CRLF ------------------------------------------------- */

/* Up to the next space or the end, which is left behind; false: nothing stands there, or more than an address has. */
static bool take_word(const char **at, const char *end, char word[INET6_ADDRSTRLEN])
{
	const char *space = memchr(*at, ' ', (size_t)(end - *at)), *stop = space ? space : end;
	size_t length = (size_t)(stop - *at);

	if (length == 0 || length >= INET6_ADDRSTRLEN || memchr(*at, 0, length))
		return false;
	memcpy(word, *at, length);
	word[length] = '\0';
	*at = space ? space + 1 : end;
	return true;
}

static bool take_port(const char **at, const char *end, bool last, uint16_t *port)
{
	char word[INET6_ADDRSTRLEN];
	unsigned value = 0;

	if (!take_word(at, end, word) || strlen(word) > 5 || (word[0] == '0' && word[1] != '\0'))
		return false;
	for (const char *p = word; *p; p++) {
		if (*p < '0' || *p > '9')
			return false;
		value = value * 10 + (unsigned)(*p - '0');
	}
	*port = (uint16_t)value;
	return value <= 65535 && (*at == end) == last && (!last || end[-1] != ' ');
}

static bool addresses(const char *at, const char *end, bool v6, struct ring_address *client)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	struct in6_addr unused;
	uint16_t port, to_port;

	memset(client, 0, sizeof(*client));
	if (!take_word(&at, end, from) || !take_word(&at, end, to))
		return false;
	if (!take_port(&at, end, false, &port) || !take_port(&at, end, true, &to_port))
		return false;
	if (v6) {
		client->length = sizeof(client->v6);
		client->v6.sin6_family = AF_INET6;
		client->v6.sin6_port = htons(port);
		return inet_pton(AF_INET6, from, &client->v6.sin6_addr) == 1 && inet_pton(AF_INET6, to, &unused) == 1;
	}
	client->length = sizeof(client->v4);
	client->v4.sin_family = AF_INET;
	client->v4.sin_port = htons(port);
	return inet_pton(AF_INET, from, &client->v4.sin_addr) == 1 && inet_pton(AF_INET, to, &unused) == 1;
}

static enum proxy_result parse_line(const char *text, size_t length, struct proxy_header *out)
{
	static const char word[] = "PROXY ";
	const char *lf, *end;

	if (memcmp(text, word, less(length, strlen(word))) != 0)
		return PROXY_WRONG;
	lf = memchr(text, '\n', less(length, PROXY_HEAD_MAX));
	if (!lf)
		return length < PROXY_HEAD_MAX ? PROXY_MORE : PROXY_WRONG;
	if (lf[-1] != '\r')
		return PROXY_WRONG;
	end = lf - 1;
	out->length = (size_t)(lf - text) + 1;
	text += strlen(word);
	/* Whatever stands behind UNKNOWN does not count. */
	if (end - text >= 7 && memcmp(text, "UNKNOWN", 7) == 0 && (text[7] == ' ' || text + 7 == end))
		return PROXY_OWN;
	if (end - text < 5 || memcmp(text, "TCP", 3) != 0 || (text[3] != '4' && text[3] != '6') || text[4] != ' ')
		return PROXY_WRONG;
	return addresses(text + 5, end, text[3] == '6', &out->client) ? PROXY_TOLD : PROXY_WRONG;
}

/* ---- version 2 ------------------------------------------------------------------------------------------------- */

static const uint8_t signature[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

/* Families and protocols that there are; datagrams are none of ours. Octets that the addresses take, or -1. */
static int room_of(uint8_t family_and_protocol)
{
	switch (family_and_protocol) {
	case 0x00: /* of neither anything is said */
		return 0;
	case 0x11:
		return V2_INET;
	case 0x21:
		return V2_INET6;
	case 0x31:
		return V2_UNIX;
	default:
		return -1;
	}
}

static enum proxy_result parse_binary(const uint8_t *data, size_t length, struct proxy_header *out)
{
	size_t rest;
	int room;

	if (memcmp(data, signature, less(length, sizeof(signature))) != 0)
		return PROXY_WRONG;
	if (length > 12 && data[12] != V2_LOCAL && data[12] != V2_PROXY)
		return PROXY_WRONG;
	if (length < V2_FIXED)
		return PROXY_MORE;
	rest = (size_t)data[14] << 8 | data[15];
	out->length = V2_FIXED + rest;
	/* A balancer that asks whether we are well; it may have put anything behind this. */
	if (data[12] == V2_LOCAL)
		return PROXY_OWN;
	room = room_of(data[13]);
	if (room < 0 || rest < (size_t)room)
		return PROXY_WRONG;
	if (room != V2_INET && room != V2_INET6)
		return PROXY_OWN;
	if (length < V2_FIXED + (size_t)room)
		return PROXY_MORE;
	data += V2_FIXED;
	memset(&out->client, 0, sizeof(out->client));
	if (room == V2_INET) {
		out->client.length = sizeof(out->client.v4);
		out->client.v4.sin_family = AF_INET;
		memcpy(&out->client.v4.sin_addr, data, 4);
		memcpy(&out->client.v4.sin_port, data + 8, 2);
	} else {
		out->client.length = sizeof(out->client.v6);
		out->client.v6.sin6_family = AF_INET6;
		memcpy(&out->client.v6.sin6_addr, data, 16);
		memcpy(&out->client.v6.sin6_port, data + 32, 2);
	}
	return PROXY_TOLD;
}

enum proxy_result proxy_parse(const uint8_t *data, size_t length, struct proxy_header *out)
{
	if (length == 0)
		return PROXY_MORE;
	return data[0] == 'P' ? parse_line((const char *)data, length, out) : parse_binary(data, length, out);
}
