/*
 * core/base/address_text.c - socket addresses and networks as people write them.
 *
 * Pure functions on the caller's memory. Text that is not understood gives -EINVAL and a sentence that says
 * what to write; it is never guessed, because these texts decide who may relay.
 */
#include "core/base/address_text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NETWORK_V4_BITS = 32, NETWORK_V6_BITS = 128 };

static_assert(ADDRESS_TEXT_SIZE >= INET6_ADDRSTRLEN + sizeof("[]:65535") - 1, "the longest text fits");

static const uint8_t address_mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

__attribute__((format(printf, 2, 3))) static int address_refuse(struct address_problem *problem, const char *format,
								...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(problem->text, sizeof(problem->text), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

/* Decimal without sign, blank or leading zero; -1 for anything else and above `max`. */
static long address_decimal(const char *text, long max)
{
	long value = 0;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		value = value * 10 + (*text - '0');
		if (value > max)
			return -1;
	}
	return value;
}

int address_text_split(const char *text, char host[ADDRESS_TEXT_HOST_SIZE], uint16_t *port,
		       struct address_problem *problem)
{
	const char *first = text, *end, *colon;

	if (text[0] == '[') {
		first = text + 1;
		end = strchr(first, ']');
		if (end == NULL || end[1] != ':' || memchr(first, ':', (size_t)(end - first)) == NULL)
			return address_refuse(problem, "\"%.80s\" is no address: write [IPv6]:port, as in [::1]:25",
					      text);
		colon = end + 1;
	} else {
		end = colon = strrchr(text, ':');
		if (end == NULL)
			return address_refuse(problem, "\"%.80s\" lacks a port: write host:port, as in %.80s:25", text,
					      text[0] == '\0' ? "192.0.2.1" : text);
		if (memchr(text, ':', (size_t)(end - text)) != NULL)
			return address_refuse(problem, "\"%.80s\": write an IPv6 address in brackets, as in [::1]:25",
					      text);
	}

	size_t length = (size_t)(end - first);
	if (length == 0 || length >= ADDRESS_TEXT_HOST_SIZE)
		return address_refuse(problem, "\"%.80s\": the host is %s: write host:port, as in 192.0.2.1:25", text,
				      length == 0 ? "missing" : "too long");
	long number = address_decimal(colon + 1, UINT16_MAX);
	if (number < 1)
		return address_refuse(problem, "\"%.80s\" is no port: write a number from 1 to 65535", colon + 1);

	memcpy(host, first, length);
	host[length] = '\0';
	*port = (uint16_t)number;
	return 0;
}

bool address_text_numeric(const char *host, uint16_t port, struct ring_address *out)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
		out->length = sizeof(out->v4);
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons(port);
		return true;
	}
	if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
		out->length = sizeof(out->v6);
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons(port);
		return true;
	}
	return false;
}

int address_text_parse(const char *text, struct ring_address *out, struct address_problem *problem)
{
	char host[ADDRESS_TEXT_HOST_SIZE];
	uint16_t port;
	int result = address_text_split(text, host, &port, problem);

	if (result < 0)
		return result;
	if (!address_text_numeric(host, port, out))
		return address_refuse(problem,
				      "\"%.80s\" is no numeric address: write IPv4:port or [IPv6]:port, as in "
				      "0.0.0.0:%u or [::]:%u",
				      text, port, port);
	return 0;
}

size_t address_text_octets(const struct ring_address *address, uint8_t out[16])
{
	if (address->any.sa_family == AF_INET) {
		memcpy(out, &address->v4.sin_addr, 4);
		return 4;
	}
	if (address->any.sa_family != AF_INET6)
		return 0;
	memcpy(out, &address->v6.sin6_addr, 16);
	if (memcmp(out, address_mapped_prefix, sizeof(address_mapped_prefix)) != 0)
		return 16;
	memmove(out, out + sizeof(address_mapped_prefix), 4);
	return 4;
}

size_t address_text_format(const struct ring_address *address, char out[ADDRESS_TEXT_SIZE])
{
	uint8_t octets[16];
	size_t length = address_text_octets(address, octets);

	if (length == 0)
		strcpy(out, "unknown");
	else if (inet_ntop(length == 4 ? AF_INET : AF_INET6, octets, out, ADDRESS_TEXT_SIZE) == NULL)
		assert(false);
	return strlen(out);
}

size_t address_text_format_port(const struct ring_address *address, char out[ADDRESS_TEXT_SIZE])
{
	char host[ADDRESS_TEXT_SIZE];
	size_t host_length = address_text_format(address, host);
	unsigned port;

	if (address->any.sa_family == AF_INET)
		port = ntohs(address->v4.sin_port);
	else if (address->any.sa_family == AF_INET6)
		port = ntohs(address->v6.sin6_port);
	else
		return (size_t)(stpcpy(out, host) - out);

	bool brackets = memchr(host, ':', host_length) != NULL;
	int length = snprintf(out, ADDRESS_TEXT_SIZE, brackets ? "[%s]:%u" : "%s:%u", host, port);
	assert(length > 0 && length < ADDRESS_TEXT_SIZE);
	return (size_t)length;
}

/* Clears what lies beyond the prefix; true if anything did. */
static bool network_mask(struct network *network)
{
	bool changed = false;

	for (unsigned i = 0; i < sizeof(network->octets); i++) {
		unsigned bits = network->prefix > 8 * i ? network->prefix - 8 * i : 0;
		uint8_t mask = bits >= 8 ? 0xff : (uint8_t)(0xff00 >> bits);
		changed |= (network->octets[i] & ~mask) != 0;
		network->octets[i] &= mask;
	}
	return changed;
}

/* ::ffff:10.0.0.0/104 would match nobody, since such peers count as IPv4: say so rather than accept it. */
static int network_refuse_mapped(const char *text, const struct network *network, struct address_problem *problem)
{
	char right[INET_ADDRSTRLEN];
	struct network v4 = {.family = AF_INET, .prefix = (uint8_t)(network->prefix - 96)};

	memcpy(v4.octets, network->octets + sizeof(address_mapped_prefix), 4);
	network_mask(&v4);
	inet_ntop(AF_INET, v4.octets, right, sizeof(right));
	return address_refuse(problem, "\"%.80s\" stands for IPv4 addresses: write %s/%u", text, right, v4.prefix);
}

int network_parse(const char *text, struct network *out, struct address_problem *problem)
{
	static const char forms[] = "write a network such as 10.20.0.0/16 or 2001:db8::/32";
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);

	if (length >= sizeof(host))
		return address_refuse(problem, "\"%.80s\" is no network: %s", text, forms);
	memcpy(host, text, length);
	host[length] = '\0';

	memset(out, 0, sizeof(*out));
	unsigned bits;
	if (inet_pton(AF_INET, host, out->octets) == 1) {
		out->family = AF_INET;
		bits = NETWORK_V4_BITS;
	} else if (inet_pton(AF_INET6, host, out->octets) == 1) {
		out->family = AF_INET6;
		bits = NETWORK_V6_BITS;
	} else {
		return address_refuse(problem, "\"%.80s\" is no network: %s", text, forms);
	}

	long prefix = slash != NULL ? address_decimal(slash + 1, bits) : (long)bits;
	if (prefix < 0)
		return address_refuse(problem, "\"%.80s\": write a prefix from 0 to %u after the /", text, bits);
	out->prefix = (uint8_t)prefix;
	if (out->family == AF_INET6 && prefix >= 96 &&
	    memcmp(out->octets, address_mapped_prefix, sizeof(address_mapped_prefix)) == 0)
		return network_refuse_mapped(text, out, problem);
	if (network_mask(out)) {
		char right[INET6_ADDRSTRLEN];
		inet_ntop(out->family, out->octets, right, sizeof(right));
		return address_refuse(problem,
				      "\"%.80s\" has bits set beyond its prefix: write %s/%ld for the network or "
				      "%s for the one address",
				      text, right, prefix, host);
	}
	return 0;
}

bool network_contains(const struct network *network, const struct ring_address *address)
{
	uint8_t octets[16];
	size_t length = address_text_octets(address, octets);

	if (length != (network->family == AF_INET ? 4 : 16))
		return false;

	unsigned whole = network->prefix / 8, bits = network->prefix % 8;
	assert(whole + (bits != 0) <= length);
	if (memcmp(octets, network->octets, whole) != 0)
		return false;
	return bits == 0 || ((octets[whole] ^ network->octets[whole]) & (0xff00 >> bits) & 0xff) == 0;
}

bool address_text_inward(const struct ring_address *address)
{
	static const struct network inward[] =
		{
			{AF_INET, 8, {0}},
			{AF_INET, 8, {10}},
			{AF_INET, 10, {100, 64}}, /* RFC 6598 */
			{AF_INET, 8, {127}},
			{AF_INET, 16, {169, 254}},
			{AF_INET, 12, {172, 16}},
			{AF_INET, 16, {192, 168}},
			{AF_INET, 3, {224}}, /* multicast, and what is reserved behind it, with broadcast */
			{AF_INET6, 96, {0}}, /* with ::1 */
			{AF_INET6, 7, {0xfc}},
			{AF_INET6, 10, {0xfe, 0x80}},
			{AF_INET6, 10, {0xfe, 0xc0}},
			{AF_INET6, 8, {0xff}},
		};

	for (size_t i = 0; i < sizeof(inward) / sizeof(inward[0]); i++) {
		if (network_contains(&inward[i], address))
			return true;
	}
	return false;
}
