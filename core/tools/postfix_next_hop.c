/*
 * core/tools/postfix_next_hop.c - see postfix_next_hop.h.
 */
#include "core/tools/postfix_next_hop.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/config/scalar.h"

unsigned postfix_port(const char *text)
{
	static const struct {
		const char *name;
		unsigned port;
	} names[] = {{"smtp", 25}, {"submission", 587}, {"smtps", 465}, {"submissions", 465}, {"ssmtp", 465}};
	char *end;
	unsigned long port;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(names[i].name, text) == 0)
			return names[i].port;
	}
	if (*text < '0' || *text > '9')
		return 0;
	port = strtoul(text, &end, 10);
	return *end == '\0' && port <= 65535 ? (unsigned)port : 0;
}

bool postfix_next_hop_read(const char *text, struct postfix_next_hop *out)
{
	static const char ipv6[] = "ipv6:";
	const char *from = text, *end, *port = NULL;
	unsigned char octets[16];
	size_t length;

	*out = (struct postfix_next_hop){.port = 25};
	if (*from == '[') {
		out->exactly = true;
		end = strchr(++from, ']');
		if (!end || (end[1] != '\0' && end[1] != ':'))
			return false;
		port = end[1] == ':' ? end + 2 : NULL;
	} else {
		end = strchr(from, ':');
		port = end ? end + 1 : NULL;
		if (!end)
			end = from + strlen(from);
	}
	if (out->exactly && strncasecmp(from, ipv6, sizeof(ipv6) - 1) == 0)
		from += sizeof(ipv6) - 1;
	length = (size_t)(end - from);
	if (length >= sizeof(out->host))
		return false;
	memcpy(out->host, from, length);
	out->host[length] = '\0';
	out->port = port ? postfix_port(port) : 25;
	out->numeric6 = inet_pton(AF_INET6, out->host, octets) == 1;
	out->numeric = out->numeric6 || inet_pton(AF_INET, out->host, octets) == 1;
	return out->port > 0 && (length == 0 || out->numeric || scalar_host_name_valid(out->host));
}
