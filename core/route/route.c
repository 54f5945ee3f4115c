/*
 * core/route/route.c - see route.h.
 */
#include "core/route/route.h"

#include <string.h>
#include <strings.h>

#include "core/config/config.h"

static bool equal_nocase(const char *a, size_t a_length, const char *b, size_t b_length)
{
	return a_length == b_length && strncasecmp(a, b, a_length) == 0;
}

/* "*", "*@domain", "*@*.domain", "local@domain". Domains compare without case, local parts exactly (RFC 5321 2.4). */
static bool route_matches(const char *pattern, const char *local, size_t local_length, const char *domain,
			  size_t domain_length)
{
	const char *at = strrchr(pattern, '@');
	size_t suffix;

	if (!at)
		return strcmp(pattern, "*") == 0;
	if (!(at - pattern == 1 && pattern[0] == '*') &&
	    ((size_t)(at - pattern) != local_length || memcmp(pattern, local, local_length) != 0))
		return false;
	at++;
	if (at[0] != '*' || at[1] != '.')
		return equal_nocase(at, strlen(at), domain, domain_length);
	suffix = strlen(at + 1);
	return domain_length > suffix && equal_nocase(at + 1, suffix, domain + domain_length - suffix, suffix);
}

static bool address_matches(const char *pattern, struct span address)
{
	const char *at = address.length ? memrchr(address.data, '@', address.length) : NULL;
	size_t local = at ? (size_t)(at - address.data) : address.length;

	return route_matches(pattern, address.data, local, at ? at + 1 : "", at ? address.length - local - 1 : 0);
}

bool route_address_matches(const char *pattern, struct span address)
{
	return strcmp(pattern, "<>") == 0 ? address.length == 0 : address_matches(pattern, address);
}

const struct config_route *route_find(const struct config *config, const struct route_question *question)
{
	for (size_t i = 0; i < config->route_count; i++) {
		const struct config_route *route = &config->routes[i];

		if ((route->client == 0 || route->client == question->client) &&
		    (route->listener == 0 || route->listener == question->listener) &&
		    (route->size == 0 || question->size > route->size) &&
		    (!route->recipient || address_matches(route->recipient, question->recipient)) &&
		    (!route->sender || route_address_matches(route->sender, question->sender)))
			return route;
	}
	return NULL;
}

static bool sender_fits(const char *pattern, struct span sender)
{
	if (strcmp(pattern, "*") == 0)
		return false;
	if (sender.length > 0 && pattern[0] != '*' && strcmp(pattern, "<>") != 0)
		return equal_nocase(pattern, strlen(pattern), sender.data, sender.length);
	return route_address_matches(pattern, sender);
}

static bool may_send(const struct config_mailbox *mailbox, struct span sender)
{
	if (sender.length > 0 && equal_nocase(mailbox->user, strlen(mailbox->user), sender.data, sender.length))
		return true;
	for (size_t i = 0; i < mailbox->sender_count; i++) {
		if (sender_fits(mailbox->senders[i], sender))
			return true;
	}
	return false;
}

static bool takes_rest(const struct config_mailbox *mailbox, struct span sender)
{
	for (size_t i = 0; i < mailbox->sender_count; i++) {
		if (strcmp(mailbox->senders[i], "*") == 0)
			return true;
	}
	return false;
}

static bool any(const struct config_mailbox *mailbox, struct span sender)
{
	return sender.length == 0;
}

bool route_mailboxes(const struct config_destination *destination, struct span sender, uint8_t *members)
{
	static bool (*const steps[])(const struct config_mailbox *, struct span) = {may_send, takes_rest, any};
	bool found = false;

	for (size_t step = 0; step < sizeof(steps) / sizeof(steps[0]) && !found; step++) {
		memset(members, 0, ROUTE_MEMBERS(destination->mailbox_count));
		for (size_t i = 0; i < destination->mailbox_count; i++) {
			if (!steps[step](&destination->mailboxes[i], sender))
				continue;
			members[i / 8] |= (uint8_t)(1u << i % 8);
			found = true;
		}
	}
	return found;
}

int route_destination(const struct config *config, const char *name, size_t length)
{
	size_t d;

	for (d = 0; d < config->destination_count; d++) {
		if (strlen(config->destinations[d].name) == length &&
		    memcmp(config->destinations[d].name, name, length) == 0)
			return (int)d;
	}
	return -1;
}
