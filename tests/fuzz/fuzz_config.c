/*
 * fuzz_config.c - the configuration: any text is either a valid structure or problems with their places.
 *
 * Input: the file's text; it is read as a list of networks as well. Leaks and overruns are the sanitizers' to
 * find; here the promises of config.h are checked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"
#include "core/config/network_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

/* "fuzz.yaml:12:5: " and a sentence, in printable text. */
static void check_problem(const struct config_problem *problem)
{
	unsigned long line = 0, column = 0;
	int place = 0;

	need(strnlen(problem->text, sizeof(problem->text)) < sizeof(problem->text));
	need(sscanf(problem->text, "fuzz.yaml:%lu:%lu: %n", &line, &column, &place) == 2);
	need(place > 0 && line >= 1 && column >= 1 && problem->text[place] != '\0');
	for (const char *p = problem->text; *p != '\0'; p++)
		need((unsigned char)*p >= ' ' && *p != 0x7f);
}

static void check_destination(const struct config_destination *destination)
{
	need(destination->name != NULL && destination->host_count > 0);
	for (size_t i = 0; i < destination->host_count; i++) {
		const struct config_host *host = &destination->hosts[i];
		need(host->text != NULL && host->name != NULL && host->port > 0);
		need(!host->numeric || host->address.length > 0);
		need(!host->numeric || destination->tls_mode != CONFIG_TLS_VERIFY || destination->server_name != NULL ||
		     destination->fingerprints.count > 0);
	}
	need((destination->certificate == NULL) == (destination->private_key == NULL));
	need(!destination->tls_implicit || destination->tls_mode != CONFIG_TLS_NONE);
	need(destination->connections > 0 && destination->messages_in_flight > 0 &&
	     destination->messages_in_flight <= CONFIG_IN_FLIGHT_MAX && destination->recipients_per_message > 0);
}

static void check_config(const struct config *config)
{
	need(config->hostname != NULL && strchr(config->hostname, '.') != NULL);
	need(config->shards >= 1 && config->shards <= CONFIG_SHARDS_MAX);
	need(config->spool.directory != NULL);
	need(config->spool.size_max >= 4 * config->spool.segment_size * config->shards);
	need(config->spool.message_size_max > 0 && config->spool.message_size_max <= config->spool.size_max / 4);
	need(config->listener_count > 0 && config->client_count > 0 && config->destination_count > 0 &&
	     config->route_count > 0);
	for (size_t i = 0; i < config->listener_count; i++)
		need(config->listeners[i].name != NULL && config->listeners[i].address.length > 0);
	for (size_t i = 0; i < config->client_count; i++)
		need(config->clients[i].name != NULL && config->clients[i].network_count > 0);
	for (size_t i = 0; i < config->destination_count; i++)
		check_destination(&config->destinations[i]);
	for (size_t i = 0; i < config->route_count; i++)
		need(config->routes[i].destination < config->destination_count);
	need(config->retry.first_ns > 0 && config->retry.first_ns <= config->retry.max_ns && config->retry.factor >= 1);
}

static bool on_network(void *context, const struct network *network, unsigned line, unsigned column)
{
	need(network->family == AF_INET ? network->prefix <= 32 : network->prefix <= 128);
	need(line >= 1 && column >= 1);
	return true;
}

static bool on_problem(void *context, const char *text, unsigned line, unsigned column)
{
	need(text[0] != '\0' && line >= 1 && column >= 1);
	return line % 64 != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct network_file_handler handler = {.on_network = on_network, .on_problem = on_problem};
	static struct config_problems problems;
	/* A copy of its exact size, so that reading beyond it is noticed. */
	char *text = malloc(size > 0 ? size : 1);

	need(text != NULL);
	memcpy(text, data, size);
	(void)network_file_parse(text, size, &handler);
	struct config *config = config_parse("fuzz.yaml", text, size, &problems);
	free(text);
	if (config != NULL)
		check_config(config);
	need((config == NULL) == (problems.errors > 0));
	need(problems.count <= CONFIG_PROBLEMS_MAX && problems.count <= problems.errors + problems.warnings);
	for (unsigned i = 0; i < problems.count; i++)
		check_problem(&problems.list[i]);
	config_free(config);
	return 0;
}
