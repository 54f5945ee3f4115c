/*
 * core/tools/device_sheet.c - see device_sheet.h.
 */
#include "core/tools/device_sheet.h"

#include <arpa/inet.h>
#include <string.h>

#include "core/config/client_index.h"
#include "core/config/profile.h"

/* In what ways this listener lets it in; enum profile_encryption, or'ed. */
static unsigned ways_of(const struct config_listener *listener, const struct device_known *known)
{
	static const unsigned offers[] = {
		[CONFIG_LISTENER_TLS_OFF] = PROFILE_NONE,
		[CONFIG_LISTENER_TLS_OFFERED] = PROFILE_STARTTLS | PROFILE_NONE,
		[CONFIG_LISTENER_TLS_REQUIRED] = PROFILE_STARTTLS,
		[CONFIG_LISTENER_TLS_IMPLICIT] = PROFILE_IMPLICIT,
	};
	const struct config_profile *profile = known->profile;
	unsigned ways = offers[listener->tls];
	enum config_tls_version oldest = listener->min_version;
	bool signs_in = known->device.user[0] != '\0';

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

struct device_way device_way(const struct config *config, const struct device_known *known)
{
	static const struct {
		unsigned way;
		const char *name;
	} order[] = {{PROFILE_STARTTLS, "STARTTLS"}, {PROFILE_IMPLICIT, "SSL/TLS"}, {PROFILE_NONE, "none"}};

	for (size_t n = 0; n < sizeof(order) / sizeof(order[0]); n++) {
		for (size_t i = 0; i < config->listener_count; i++) {
			if (ways_of(&config->listeners[i], known) & order[n].way)
				return (struct device_way){&config->listeners[i], order[n].name};
		}
	}
	return (struct device_way){NULL, "none"};
}

static unsigned port_of(const struct config_listener *listener)
{
	return ntohs(listener->address.any.sa_family == AF_INET6 ? listener->address.v6.sin6_port
								 : listener->address.v4.sin_port);
}

/* The entry of clients that lets it in; NULL: none does. */
static const char *client_of(const struct config *config, const struct device_known *known,
			     const struct config_listener *listener)
{
	const struct device *device = &known->device;
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

void device_sheet(const struct config *config, const struct device_known *known, FILE *out)
{
	struct device_way way = device_way(config, known);
	const struct config_profile *profile = known->profile;
	const char *client = client_of(config, known, way.listener);

	if (client)
		fprintf(out, "  let in by     %s, of clients\n", client);
	else
		fprintf(out, "  let in by     nobody: write devices: true in an entry of clients\n");
	fprintf(out, "Type into the machine:\n");
	fprintf(out, "  SMTP server   %s\n", config->hostname);
	if (way.listener) {
		fprintf(out, "  port          %u\n", port_of(way.listener));
		fprintf(out, "  encryption    %s\n", way.encryption);
	} else {
		fprintf(out, "  port          no listener suits it: it %s, and %s\n",
			known->device.user[0] ? "has to sign in" : "does not sign in",
			profile ? "speaks what its profile says of encryption" : "its profile is not given");
	}
	if (known->device.user[0])
		fprintf(out, "  sign in       %s, with the password that `postrider hash` was given\n",
			known->device.user);
	else
		fprintf(out, "  sign in       no: it is known by its address, which must not change\n");
	if (known->device.from[0])
		fprintf(out, "  From          %s\n", known->device.from);
	if (profile) {
		fprintf(out, "In the menu of %s:\n", profile->about);
		for (size_t i = 0; i < profile->menu.count; i++)
			fprintf(out, "  %s\n", profile->menu.list[i]);
	}
}

bool device_sheet_json(const struct config *config, const struct device_known *known, json_t *json)
{
	struct device_way way = device_way(config, known);
	const struct config_profile *profile = known->profile;
	const char *client = client_of(config, known, way.listener);
	json_t *menu = json_array(), *sheet;

	for (size_t i = 0; profile && i < profile->menu.count; i++)
		(void)json_array_append_new(menu, json_string(profile->menu.list[i]));
	sheet = json_pack("{s:o, s:s, s:o, s:s, s:s, s:o}", "client", client ? json_string(client) : json_null(),
			  "server", config->hostname, "port",
			  way.listener ? json_integer(port_of(way.listener)) : json_null(), "encryption",
			  way.encryption, "sign_in", known->device.user, "menu", menu);
	return json_object_set_new(json, "sheet", sheet) == 0;
}
