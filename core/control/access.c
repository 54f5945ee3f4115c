/*
 * core/control/access.c - see access.h.
 */
#include "core/control/access.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { HOST_MAX = 255 };

static const char other_name[] =
	"Host is to be an address, localhost or the relay's hostname: other names may lead here by others' wish";

/* Host without its port (RFC 9110 7.2); false: it has another form. */
static bool host_of(const char *field, char out[HOST_MAX + 1], bool *bracketed)
{
	size_t length, port;

	*bracketed = field[0] == '[';
	if (*bracketed)
		field++;
	length = strcspn(field, *bracketed ? "]" : ":");
	if (length == 0 || length > HOST_MAX)
		return false;
	memcpy(out, field, length);
	out[length] = '\0';
	field += length;
	if (*bracketed && *field++ != ']')
		return false;
	if (*field == '\0')
		return true;
	port = strspn(field + 1, "0123456789");
	return *field == ':' && port > 0 && port <= 5 && field[1 + port] == '\0';
}

/* "https://relay.example.org" (RFC 6454 7). */
static bool is_host_of(const char *field, const char *origin)
{
	const char *host = origin ? strstr(origin, "://") : NULL;

	return host && strcasecmp(field, host + 3) == 0;
}

static bool host_is_ours(const char *field, const char *hostname)
{
	char host[HOST_MAX + 1];
	struct in6_addr six;
	struct in_addr four;
	bool bracketed;

	if (!host_of(field, host, &bracketed))
		return false;
	if (bracketed)
		return inet_pton(AF_INET6, host, &six) == 1;
	return inet_pton(AF_INET, host, &four) == 1 || strcasecmp(host, "localhost") == 0 ||
	       strcasecmp(host, hostname) == 0;
}

/* "https://relay.example.org:6525" (RFC 6454 7). */
static bool same_origin(const struct access_facts *facts)
{
	const char *scheme = facts->tls ? "https://" : "http://";
	size_t length = strlen(scheme);

	if (facts->proxy_origin && strcasecmp(facts->origin, facts->proxy_origin) == 0)
		return true;
	/* Its host in clear would be whoever is on the way. */
	if (facts->host && is_host_of(facts->host, facts->proxy_origin))
		return false;
	return facts->host && strncasecmp(facts->origin, scheme, length) == 0 &&
	       strcasecmp(facts->origin + length, facts->host) == 0;
}

const char *access_host_problem(const char *host, const char *hostname)
{
	return host && strchr(host, '.') && !host_is_ours(host, hostname) ? other_name : NULL;
}

const char *access_problem(const struct access_facts *facts)
{
	if (!facts->anybody && (!facts->host || (!host_is_ours(facts->host, facts->hostname) &&
						 !is_host_of(facts->host, facts->proxy_origin))))
		return other_name;
	if (facts->origin && !same_origin(facts))
		return "a page of another origin asks";
	if (facts->fetch_site && strcmp(facts->fetch_site, "same-origin") != 0 &&
	    strcmp(facts->fetch_site, "none") != 0)
		return "a page of another site asks";
	if (facts->acts && !facts->act)
		return "what changes something has a field " ACCESS_ACT
		       ": yes, so that no page of others can ask for it";
	return NULL;
}
