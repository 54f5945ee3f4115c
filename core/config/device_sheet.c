/*
 * core/config/device_sheet.c - see device_sheet.h.
 */
#include "core/config/device_sheet.h"

#include <arpa/inet.h>
#include <string.h>

#include "core/config/client_index.h"
#include "core/config/profile.h"

/* In what ways this listener lets it in; enum profile_encryption, or'ed. */
static unsigned ways_of(const struct config_listener *listener, const struct device_sheet *sheet)
{
	static const unsigned offers[] = {
		[CONFIG_LISTENER_TLS_OFF] = PROFILE_NONE,
		[CONFIG_LISTENER_TLS_OFFERED] = PROFILE_STARTTLS | PROFILE_NONE,
		[CONFIG_LISTENER_TLS_REQUIRED] = PROFILE_STARTTLS,
		[CONFIG_LISTENER_TLS_IMPLICIT] = PROFILE_IMPLICIT,
	};
	const struct config_profile *profile = sheet->profile;
	unsigned ways = offers[listener->tls];
	enum config_tls_version oldest = listener->min_version;
	bool signs_in = sheet->device->user[0] != '\0';

	/* A load balancer's. */
	if (listener->proxy_count > 0)
		return 0;
	if (signs_in ? listener->auth == CONFIG_LISTENER_AUTH_OFF : listener->auth == CONFIG_LISTENER_AUTH_REQUIRED)
		return 0;
	if (signs_in && !listener->auth_in_clear)
		ways &= ~(unsigned)PROFILE_NONE;
	if (profile && profile->encryption)
		ways &= profile->encryption;
	/* Who signs in is not known before. */
	if (!signs_in && listener->devices_min_version)
		oldest = listener->devices_min_version;
	if (profile && profile->tls && oldest > profile->tls)
		ways &= PROFILE_NONE;
	return ways;
}

struct device_way device_way(const struct config *config, const struct device_sheet *sheet)
{
	static const struct {
		unsigned way;
		const char *name;
	} order[] = {{PROFILE_STARTTLS, "STARTTLS"}, {PROFILE_IMPLICIT, "SSL/TLS"}, {PROFILE_NONE, "none"}};

	for (size_t n = 0; n < sizeof(order) / sizeof(order[0]); n++) {
		for (size_t i = 0; i < config->listener_count; i++) {
			if (ways_of(&config->listeners[i], sheet) & order[n].way)
				return (struct device_way){&config->listeners[i], order[n].name};
		}
	}
	return (struct device_way){NULL, "none"};
}

unsigned device_way_port(const struct device_way *way)
{
	const struct config_listener *listener = way->listener;

	if (!listener)
		return 0;
	return ntohs(listener->address.any.sa_family == AF_INET6 ? listener->address.v6.sin6_port
								 : listener->address.v4.sin_port);
}

/* The entry of clients that lets it in; NULL: none does. */
static const char *client_of(const struct config *config, const struct device_sheet *sheet,
			     const struct config_listener *listener)
{
	const struct device *device = sheet->device;
	struct ring_address address = {.any = {.sa_family = device->family ? device->family : AF_INET}};
	struct client_question question = {.address = &address, .device = true};
	int client;

	if (device->family == AF_INET)
		memcpy(&address.v4.sin_addr, device->octets, sizeof(address.v4.sin_addr));
	else if (device->family == AF_INET6)
		memcpy(&address.v6.sin6_addr, device->octets, sizeof(address.v6.sin6_addr));
	if (device->user[0])
		question.user = device->user;
	if (listener)
		question.listener = (size_t)(listener - config->listeners);
	client = client_index_find(config->index, &question);
	return client >= 0 ? config->clients[client].name : NULL;
}

const char *device_sheet_client(const struct config *config, const struct device_sheet *sheet)
{
	struct device_way way = device_way(config, sheet);

	return client_of(config, sheet, way.listener);
}

void device_sheet_put_settings(const struct config *config, const struct device_sheet *sheet, FILE *out)
{
	struct device_way way = device_way(config, sheet);

	fprintf(out, "Type into the machine:\n");
	fprintf(out, "  SMTP server   %s\n", config->hostname);
	if (way.listener) {
		fprintf(out, "  port          %u\n", device_way_port(&way));
		fprintf(out, "  encryption    %s\n", way.encryption);
	} else {
		fprintf(out, "  port          no listener suits it: it %s, and %s\n",
			sheet->device->user[0] ? "has to sign in" : "does not sign in",
			sheet->profile ? "speaks what its profile says of encryption" : "its profile is not given");
	}
	if (sheet->device->user[0])
		fprintf(out, "  sign in       %s, with the password that `postrider hash` was given\n",
			sheet->device->user);
	else
		fprintf(out, "  sign in       no: it is known by its address, which must not change\n");
	if (sheet->device->from[0])
		fprintf(out, "  From          %s\n", sheet->device->from);
}

void device_sheet_put(const struct config *config, const struct device_sheet *sheet, FILE *out)
{
	const char *client = device_sheet_client(config, sheet);
	const struct config_profile *profile = sheet->profile;

	if (client)
		fprintf(out, "  let in by     %s, of clients\n", client);
	else
		fprintf(out, "  let in by     nobody: write devices: true in an entry of clients\n");
	device_sheet_put_settings(config, sheet, out);
	if (profile) {
		fprintf(out, "In the menu of %s:\n", profile->about);
		for (size_t i = 0; i < profile->menu.count; i++)
			fprintf(out, "  %s\n", profile->menu.list[i]);
	}
}
