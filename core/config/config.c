/*
 * core/config/config.c - from a YAML file to a checked structure: see config.h.
 *
 * The way of a file: read whole (bounded), screened as events (reader_screen: no aliases, no depth), loaded as a tree
 * whose nodes know their line and column, read by the tables of schema.c.
 */
#include "core/config/config.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/client_index.h"
#include "core/config/device_table.h"
#include "core/config/preset.h"
#include "core/config/reader.h"
#include "core/config/schema.h"
#include "core/config/schema_control.h"
#include "core/config/schema_hardening.h"
#include "core/config/schema_identity.h"
#include "core/config/schema_mx.h"
#include "core/config/schema_profile.h"
#include "core/config/schema_sender.h"
#include "core/config/schema_source.h"
#include "core/config/schema_suppression.h"
#include "core/config/schema_tls.h"
#include "core/config/schema_tls_report.h"
#include "core/config/schema_verdict.h"
#include "core/config/schema_watch.h"
#include "core/config/show.h"
#include "core/config/text_file.h"
#include "core/config/user_table.h"

/* A hundred thousand clients with names, networks and limits of their own are 8 MiB. */
enum { FILE_SIZE_MAX = 32 << 20 };

/* What is made of a file besides what it says. */
struct how {
	const struct show_to *show; /* NULL: it is not shown */
	bool no_devices;            /* the inventory is not read */
};

static struct config *parse(const char *file, const char *text, size_t length, struct config_problems *problems,
			    const struct how *how);

static struct config *load(const char *file, struct config_problems *problems, const struct how *how);

struct config *config_load(const char *file, struct config_problems *problems)
{
	return load(file, problems, &(struct how){.show = NULL});
}

struct config *config_load_without_devices(const char *file, struct config_problems *problems)
{
	return load(file, problems, &(struct how){.no_devices = true});
}

struct config *config_load_shown(const char *file, struct config_problems *problems, FILE *out)
{
	const struct show_to show = {.out = out};

	return load(file, problems, &(struct how){.show = out ? &show : NULL});
}

struct config *config_load_bare(const char *file, struct config_problems *problems, FILE *out)
{
	const struct show_to show = {.out = out, .bare = true};

	return load(file, problems, &(struct how){.show = &show});
}

static struct config *load(const char *file, struct config_problems *problems, const struct how *how)
{
	struct config *config = NULL;
	char *text;
	size_t length;
	bool opened;
	int r = text_file_read(file, FILE_SIZE_MAX, &text, &length, &opened);

	if (r < 0) {
		config_problems_init(problems);
		config_problems_add(problems, false, file, (struct config_place){0}, "the file cannot be %s: %s",
				    opened ? "read" : "opened", strerror(-r));
		return NULL;
	}
	config = parse(file, text, length, problems, how);
	free(text);
	/* The tree of a large file was many times what is left of it. */
	malloc_trim(0);
	return config;
}

/* Loads the screened text and reads its tree. */
static bool read_document(struct reader *r, const char *text, size_t length, const struct show_to *show)
{
	const yaml_mark_t start = {0};
	yaml_parser_t parser;
	yaml_document_t document;
	bool ok;

	if (!yaml_parser_initialize(&parser))
		return reader_fail_memory(r, &start);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	if (yaml_parser_load(&parser, &document)) {
		r->document = &document;
		ok = preset_merge(r) && schema_read(r);
		if (ok)
			ok = preset_finish(r);
		if (ok && show)
			show_document(r, r->root, r->config, show);
		preset_free(r);
		r->document = NULL;
		yaml_document_delete(&document);
	} else {
		ok = reader_fail_yaml(r, &parser, text, length);
	}
	yaml_parser_delete(&parser);
	return ok;
}

struct config *config_parse(const char *file, const char *text, size_t length, struct config_problems *problems)
{
	return parse(file, text, length, problems, &(struct how){.show = NULL});
}

static struct config *parse(const char *file, const char *text, size_t length, struct config_problems *problems,
			    const struct how *how)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	const yaml_mark_t start = {0};
	struct config *config = calloc(1, sizeof(*config));
	struct reader r = {.file = file, .config = config, .problems = problems, .no_devices = how->no_devices};

	config_problems_init(problems);
	if (config == NULL || (config->file = strdup(file)) == NULL) {
		reader_fail_memory(&r, &start);
		config_free(config);
		return NULL;
	}
	/* Some editors write one; it says nothing in UTF-8. */
	if (length >= strlen(byte_order_mark) && memcmp(text, byte_order_mark, strlen(byte_order_mark)) == 0) {
		text += strlen(byte_order_mark);
		length -= strlen(byte_order_mark);
	}
	schema_defaults(config);
	bool ok = reader_screen(&r, text, length) && read_document(&r, text, length, how->show);
	free(r.networks);
	config_problems_sort(problems);
	if (ok)
		return config;
	config_free(config);
	return NULL;
}

static void free_destination(struct config_destination *destination)
{
	for (size_t i = 0; i < destination->host_count; i++) {
		free(destination->hosts[i].text);
		free(destination->hosts[i].name);
	}
	free(destination->hosts);
	schema_mx_free(destination);
	schema_sources_free(destination);
	free(destination->name);
	free(destination->ca_file);
	free(destination->certificate);
	free(destination->private_key);
	free(destination->server_name);
	schema_tls_free(destination);
	schema_verdicts_free(&destination->verdicts);
	free(destination->rules);
	free(destination->preset);
	config_oauth_free(destination->oauth);
	for (size_t i = 0; i < destination->mailbox_count; i++) {
		free(destination->mailboxes[i].user);
		free(destination->mailboxes[i].password_file);
		schema_mailbox_free_senders(&destination->mailboxes[i]);
	}
	free(destination->mailboxes);
	free(destination->auth.user);
	free(destination->auth.password_file);
}

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < config->listener_count; i++) {
		free(config->listeners[i].name);
		free(config->listeners[i].address_text);
		free(config->listeners[i].ca_file);
		free(config->listeners[i].proxies);
		free(config->listeners[i].xclients);
	}
	for (size_t i = 0; i < config->certificate_count; i++) {
		free(config->certificates[i].certificate);
		free(config->certificates[i].private_key);
	}
	free(config->certificates);
	client_index_free(config->index);
	user_table_free(config->users);
	free(config->users_file);
	device_table_free(config->devices);
	free(config->devices_path);
	for (size_t i = 0; i < config->date_count; i++) {
		free(config->dates[i].preset);
		free(config->dates[i].after);
		free(config->dates[i].say);
	}
	free(config->dates);
	schema_profiles_free(config);
	schema_suppression_free(config);
	schema_control_free(config);
	schema_hardening_free(config);
	free(config->trace.file);
	for (size_t i = 0; i < config->client_count; i++) {
		if (config->client_names == NULL)
			free(config->clients[i].name);
		free(config->clients[i].networks_file);
		schema_identity_free(&config->clients[i]);
		free(config->clients[i].default_domain);
	}
	for (size_t i = 0; i < config->destination_count; i++)
		free_destination(&config->destinations[i]);
	for (size_t i = 0; i < config->route_count; i++) {
		free(config->routes[i].recipient);
		free(config->routes[i].sender);
		free(config->routes[i].refuse);
	}
	for (size_t i = 0; i < config->dns.server_count; i++)
		free(config->dns.servers[i]);
	free(config->dns.servers);
	free(config->dns.trust_anchor);
	schema_verdicts_free(&config->verdicts);
	free(config->client_names);
	for (size_t i = 0; i < config->from_count; i++)
		schema_from_free(&config->froms[i]);
	free(config->froms);
	free(config->listeners);
	free(config->clients);
	free(config->destinations);
	free(config->routes);
	free(config->spool.directory);
	free(config->reports.from);
	schema_tls_report_free(config);
	schema_watch_free(config);
	free(config->hostname);
	free(config->user);
	for (size_t i = 0; i < config->paths.count; i++)
		free(config->paths.list[i]);
	free(config->paths.list);
	free(config->file);
	free(config);
}

struct client_key {
	const char *name;
	size_t length;
};

/* Clients are found as envelopes have them: cut (queue/envelope.h), which names never are. */
static int compare_client(const void *key, const void *item)
{
	const struct client_key *k = key;
	const char *name = ((const struct config_from *)item)->client;
	int order = strncmp(k->name, name, k->length);

	return order != 0 ? order : name[k->length] != '\0' ? -1 : 0;
}

const struct config_from *config_from_find(const struct config *config, const char *client, size_t length)
{
	const struct client_key key = {client, length};

	return bsearch(&key, config->froms, config->from_count, sizeof(*config->froms), compare_client);
}
