/*
 * core/deliver/mx.c - see mx.h.
 */
#include "core/deliver/mx.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/smtp/idna.h"

enum { LABEL_MAX = 63 };

/* ---- hosts ------------------------------------------------------------------------------------------------------ */

static bool is_before(const struct dns_exchanger *list, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++) {
		if (strcasecmp(list[i].name, name) == 0)
			return true;
	}
	return false;
}

bool mx_choose(struct dns_exchanger *list, unsigned *count, const char *own)
{
	unsigned left = 0;

	for (unsigned i = 0; i < *count; i++) {
		if (strcasecmp(list[i].name, own) == 0) {
			/* Those that are alike are ours as well. */
			while (left > 0 && list[left - 1].preference == list[i].preference)
				left--;
			*count = left;
			return left > 0;
		}
		if (!is_before(list, left, list[i].name))
			list[left++] = list[i];
	}
	*count = left;
	return true;
}

static int compare_names(const void *a, const void *b)
{
	return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

static char small(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

void mx_key(const struct dns_exchanger *list, unsigned count, uint16_t port, struct mx_terms terms,
	    char out[MX_KEY_SIZE])
{
	const char *names[DNS_EXCHANGERS_MAX];
	unsigned from = 0, i;
	char *at = out + snprintf(out, MX_KEY_SIZE, "%c%c%u", terms.secure ? 's' : 'u',
				  terms.free       ? 'f'
				  : terms.enforced ? 'e'
						   : '-',
				  port);
	const char *first = at;

	for (i = 0; i < count; i++)
		names[i] = list[i].name;
	for (i = 1; i <= count; i++) {
		if (i < count && list[i].preference == list[from].preference)
			continue;
		qsort(names + from, i - from, sizeof(*names), compare_names);
		for (; from < i; from++) {
			bool apart = at == first || list[from].preference != list[from - 1].preference;
			*at++ = apart ? ' ' : ',';
			for (const char *c = names[from]; *c; c++)
				*at++ = small(*c);
		}
	}
	*at = '\0';
}

void mx_shuffle(struct dns_exchanger *list, unsigned count, struct random *random)
{
	for (unsigned i = count; i > 1; i--) {
		unsigned from = i - 1, other;
		struct dns_exchanger one = list[i - 1];
		while (from > 0 && list[from - 1].preference == one.preference)
			from--;
		other = from + (unsigned)random_below(random, i - from);
		list[i - 1] = list[other];
		list[other] = one;
	}
}

/* ---- domains ---------------------------------------------------------------------------------------------------- */

static bool take_domain(struct span domain, char out[MX_NAME_SIZE])
{
	size_t label = 0, i;

	if (domain.length > 0 && domain.data[domain.length - 1] == '.')
		domain.length--;
	if (domain.length == 0 || domain.length > DNS_NAME_MAX || domain.data[0] == '[')
		return false;
	for (i = 0; i < domain.length; i++) {
		label = domain.data[i] == '.' ? 0 : label + 1;
		if (label > LABEL_MAX || (domain.data[i] == '.' && (i == 0 || domain.data[i - 1] == '.')))
			return false;
		out[i] = small((char)domain.data[i]);
	}
	out[i] = '\0';
	return true;
}

bool mx_domain(struct span recipient, char out[MX_NAME_SIZE])
{
	char room[SMTP_PATH_MAX];
	struct span ascii;
	enum idna_result result = idna_address(recipient, room, &ascii);
	size_t at;

	if (result != IDNA_OK && result != IDNA_LOCAL)
		return false;
	for (at = ascii.length; at > 0 && ascii.data[at - 1] != '@'; at--)
		;
	return at > 0 && take_domain((struct span){ascii.data + at, (uint32_t)(ascii.length - at)}, out);
}

/* ---- addresses -------------------------------------------------------------------------------------------------- */

struct network {
	const char *what;
	uint32_t prefix;
	unsigned bits;
};

static const char *forbidden_v4(uint32_t address)
{
	static const struct network networks[] = {
		{"this network", 0x00000000, 8},
		{"private", 0x0a000000, 8},
		{"shared", 0x64400000, 10},
		{"this machine", 0x7f000000, 8},
		{"link-local", 0xa9fe0000, 16},
		{"private", 0xac100000, 12},
		{"reserved", 0xc0000000, 24},
		{"private", 0xc0a80000, 16},
		{"for measurements", 0xc6120000, 15},
		{"multicast", 0xe0000000, 4},
		{"reserved or broadcast", 0xf0000000, 4},
	};

	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
		if ((address ^ networks[i].prefix) >> (32 - networks[i].bits) == 0)
			return networks[i].what;
	}
	return NULL;
}

static uint32_t v4_within(const uint8_t *octets)
{
	return (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 | octets[3];
}

static const char *forbidden_v6(const uint8_t *octets)
{
	static const uint8_t zeros[12], mapped[12] = {[10] = 0xff, [11] = 0xff}, nat64[12] = {0, 0x64, 0xff, 0x9b};
	static const uint8_t local_nat64[6] = {0, 0x64, 0xff, 0x9b, 0, 1};

	if (memcmp(octets, mapped, sizeof(mapped)) == 0 || memcmp(octets, nat64, sizeof(nat64)) == 0)
		return forbidden_v4(v4_within(octets + 12));
	if (memcmp(octets, zeros, sizeof(zeros)) == 0)
		return "this machine";
	/* RFC 8215: where the address stands within is the site's own to say. */
	if (memcmp(octets, local_nat64, sizeof(local_nat64)) == 0)
		return "private";
	if (octets[0] == 0x20 && octets[1] == 0x02)
		return forbidden_v4(v4_within(octets + 2)); /* 6to4 */
	if ((octets[0] & 0xfe) == 0xfc)
		return "private";
	if (octets[0] == 0xfe && (octets[1] & 0xc0) == 0x80)
		return "link-local";
	if (octets[0] == 0xfe && (octets[1] & 0xc0) == 0xc0)
		return "site-local";
	return octets[0] == 0xff ? "multicast" : NULL;
}

const char *mx_forbidden(const struct ring_address *address)
{
	if (address->any.sa_family == AF_INET)
		return forbidden_v4(ntohl(address->v4.sin_addr.s_addr));
	return forbidden_v6(address->v6.sin6_addr.s6_addr);
}

/* Of IPv6 that stands for IPv4 that: 4 octets, else 16. */
static size_t octets_of(const struct ring_address *address, const uint8_t **octets)
{
	if (address->any.sa_family == AF_INET) {
		*octets = (const uint8_t *)&address->v4.sin_addr;
		return 4;
	}
	*octets = address->v6.sin6_addr.s6_addr;
	if (!IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr))
		return 16;
	*octets += 12;
	return 4;
}

bool mx_listens_at(const struct ring_address *listener, const struct ring_address *address)
{
	static const uint8_t any[16];
	const uint8_t *at, *to;
	size_t length = octets_of(listener, &at);

	/* Ports have the same place in both families; a listener of IPv6 takes none of IPv4. */
	return listener->v4.sin_port == address->v4.sin_port && octets_of(address, &to) == length &&
	       (memcmp(at, any, length) == 0 || memcmp(at, to, length) == 0);
}
